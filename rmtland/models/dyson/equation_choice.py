"""The equation that gives the law of a `DysonHessian`, by its part and coupling.

Free slopes where they are asked for and act on something (residuals, or H0 with a second layer, and
data other than zero); else the equation block by block, its units coupled or not. They are apart
for H1, and without residuals for a diagonal Sigma, whatever was asked for.
"""

from __future__ import annotations

import numpy as np

from rmtland.models.dyson.blocks import BlockEquation
from rmtland.models.dyson.free_slopes import FreeSlopes
from rmtland.models.dyson.gaussian_hessians import GaussianHessian

__all__ = ["equation_of"]


def equation_of(model: GaussianHessian) -> BlockEquation | FreeSlopes:
    """Return the equation that is solved.

    Parameters
    ----------
    model : DysonHessian
        Second moments, what is given, part and coupling.

    Returns
    -------
    BlockEquation or FreeSlopes
    """
    noise = model.part_name != "gauss_newton"
    variances = 2 * model.epsilon * model.residual_weights * noise
    sigma = model.second_layer
    arguments = (
        model.features,
        model.slopes,
        model.x,
        model.outputs,
        variances,
        sigma,
        model.curvatures if noise else None,
        model.part_name != "residual",
    )
    still = not variances.any() and (model.part_name == "residual" or not sigma.any())
    if model.coupling == "free_slopes" and not still and model.x.any():
        return FreeSlopes(*arguments)
    apart = sigma.ndim == 1 and not variances.any()
    by_unit = model.coupling != "full" or model.part_name == "residual" or apart
    between = model.output_weights
    if between is not None and between.ndim == 2:
        between = np.linalg.eigvalsh(between).clip(0.0)
    return BlockEquation(*arguments, by_unit, between)
