r"""How much the curvature term of a Hessian, drawn once, moves the law of its Dyson equation.

For smooth activations the diagonal blocks
:math:`A_b[j] = X \operatorname{diag}(\delta_j f''_j) X^T/m` with :math:`\delta = W_2^T e`
are taken as given. Where only the first layer is known they are drawn
(`DysonHessian.of_first_layer`): with many units and outputs any draw gives the same law, with few
they do not. `averaged_over_curvature` draws several and returns mean and spread.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> first, x = rng.normal(size=(4, 3)), rng.normal(size=(12, 3))
>>> found = averaged_over_curvature(
...     first, x, [0.0, 1.0], eta=0.2, outputs=3, epsilon=0.5, draws=3, rng=1
... )
>>> found.mean.shape, bool((found.spread > 0).all())
((2,), True)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rmtland.arguments import count, points
from rmtland.models.dyson.dyson_hessian import DysonHessian
from rmtland.streams import streams
from rmtland.typing import ArrayLike, Real, Rng

__all__ = ["AveragedDensity", "averaged_over_curvature"]


class AveragedDensity(NamedTuple):
    """A density averaged over draws of the curvature term.

    Made by `rmtland.models.dyson.averaged_over_curvature`.

    Parameters
    ----------
    mean : ndarray
        Mean over the draws, one value a point.
    spread : ndarray
        Standard deviation over single draws: what one draw may be off.
    standard_error : ndarray
        Of the mean.
    """

    mean: Real
    spread: Real
    standard_error: Real


def averaged_over_curvature(
    first_layer: ArrayLike,
    x: ArrayLike,
    at: ArrayLike,
    *,
    eta: float,
    draws: int = 8,
    rng: Rng = None,
    **options: Any,
) -> AveragedDensity:
    """Average the smoothed density over draws of W2^T e in the curvature term.

    Parameters
    ----------
    first_layer, x : array_like
        W1 and samples, as for `DysonHessian.of_first_layer`.
    at : array_like of float
        Points.
    eta : float
        Half-width of the Cauchy density that the law is convolved with.
    draws : int
        Number of draws, at least 2.
    rng : anything `numpy.random.default_rng` takes
        Seed or generator.
    **options
        The rest of `DysonHessian.of_first_layer`: outputs, epsilon, activation, part, ...

    Returns
    -------
    AveragedDensity
        Mean over the draws, their spread, and the standard error of the mean.

    Raises
    ------
    ValueError
        If `draws` is below 2, a point NaN, `eta` not positive, or what
        `DysonHessian.of_first_layer` refuses.
    TypeError
        If the points are not real numbers, or `draws` no integer.
    """
    grid = points("at", at)
    rows = np.array(
        [
            DysonHessian.of_first_layer(first_layer, x, rng=child, **options).smoothed_pdf(
                grid, eta=eta
            )
            for child in streams(rng, count("draws", draws, min_value=2))
        ]
    )
    spread = np.asarray(rows.std(axis=0, ddof=1), dtype=np.float64)
    mean = np.asarray(rows.mean(axis=0), dtype=np.float64)
    return AveragedDensity(mean, spread, spread / np.sqrt(len(rows)))
