r"""How sharp a minimum is: the rise of the loss in a ball, and what the Hessian says of it.

Synonyms: flatness, flat minima, S_rho, SAM (sharpness-aware minimisation), ASAM (adaptive
sharpness), condition number, effective dimension, rank of the Hessian.

>>> import numpy as np
>>> from rmtland.landscape.surface import FunctionSurface
>>> bowl = FunctionSurface(2, lambda t: (t[0] ** 2 + 2 * t[1] ** 2, t * [2.0, 4.0]),
...                        lambda t: np.diag([2.0, 4.0]))
>>> found = ball_sharpness(bowl, np.zeros(2), 0.1, rng=0)
>>> round(found.lower, 12), round(found.half_rho_squared_lambda_max, 12)
(0.02, 0.02)
"""

from rmtland.landscape.sharpness.adaptive import ScaledSurface, adaptive_scales
from rmtland.landscape.sharpness.ball import BallSharpness, ball_sharpness
from rmtland.landscape.sharpness.curvature import Curvature, curvature
from rmtland.landscape.sharpness.derivative_bounds import (
    DerivativeBounds,
    UnboundedDerivatives,
    derivative_bounds,
)
from rmtland.landscape.sharpness.linear_ranks import LinearRanks, generic_ranks, linear_ranks

__all__ = [
    "BallSharpness",
    "Curvature",
    "DerivativeBounds",
    "LinearRanks",
    "ScaledSurface",
    "UnboundedDerivatives",
    "adaptive_scales",
    "ball_sharpness",
    "curvature",
    "derivative_bounds",
    "generic_ranks",
    "linear_ranks",
]
