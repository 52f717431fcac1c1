"""Networks linearised in their parameters: Gauss-Newton, exact descent, and how far they hold.

>>> from rmtland.landscape.linearisation import linearise
>>> linearise.__name__
'linearise'
"""

from rmtland.landscape.linearisation.drawing import draw_descent, draw_scaling
from rmtland.landscape.linearisation.exponent import Exponent, fit_exponent
from rmtland.landscape.linearisation.linear_loss import (
    GaussNewtonStep,
    LinearisedLoss,
    linearise,
)
from rmtland.landscape.linearisation.spectral_descent import SpectralDescent
from rmtland.landscape.linearisation.torch_models import linearise_torch
from rmtland.landscape.linearisation.training import DescentComparison, compare_descent
from rmtland.landscape.linearisation.width_scaling import (
    QUANTITIES,
    Scaling,
    output_scaling,
    width_scaling,
)

__all__ = [
    "QUANTITIES",
    "DescentComparison",
    "Exponent",
    "GaussNewtonStep",
    "LinearisedLoss",
    "Scaling",
    "SpectralDescent",
    "compare_descent",
    "draw_descent",
    "draw_scaling",
    "fit_exponent",
    "linearise",
    "linearise_torch",
    "output_scaling",
    "width_scaling",
]
