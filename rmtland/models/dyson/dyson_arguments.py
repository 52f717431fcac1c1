"""What the matrix Dyson equation of a Hessian is given: shapes, ranges and covariances, checked.

>>> from rmtland.models import DysonHessian
>>> DysonHessian([[1.0, 2.0]], [[1.0, 1.0]], [[3.0], [4.0]], 1, epsilon=-0.5)
Traceback (most recent call last):
ValueError: epsilon must be zero or a positive finite number; got -0.5
"""

from __future__ import annotations

import numpy as np

from rmtland.arguments import choice, count, float_array, nonnegative
from rmtland.models.dyson.block_resolvent import COUPLINGS
from rmtland.models.dyson.covariances import covariance_of, second_layer_of
from rmtland.models.hessian_parts import PARTS
from rmtland.typing import Record

__all__ = ["checked_arguments"]


def checked_arguments(given: Record, *, is_host: bool) -> Record:
    """Return the arguments of a `DysonHessian` as it keeps them, or say what is wrong with one.

    Parameters
    ----------
    given : mapping of str to values
        Its fields, by name.
    is_host : bool
        Whether its equation is solved by NumPy.

    Returns
    -------
    dict of str to values
        Those that are kept in another form, by name.

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is out of range.
    TypeError
        If a number or an array is of another type.
    """
    features = float_array("features", given["features"], ndim=2)
    slopes = float_array("slopes", given["slopes"], ndim=2)
    x = float_array("x", given["x"], ndim=2)
    n1, m = features.shape
    if slopes.shape != (n1, m) or x.shape[0] != m or not features.size or not x.size:
        raise ValueError(
            f"features and slopes must have the shape (hidden units, samples), x (samples, "
            f"inputs); got {features.shape}, {slopes.shape} and {x.shape}"
        )
    choice("part_name", given["part_name"], PARTS)
    choice("coupling", given["coupling"], COUPLINGS)
    if not is_host and given["coupling"] == "free_slopes":
        raise ValueError(
            "free slopes are solved on the CPU; take coupling 'full' or 'units' on a device"
        )
    outputs = count("outputs", given["outputs"])
    weights, between = given["residual_weights"], given["output_weights"]
    weights = covariance_of("residual_weights", np.ones(m) if weights is None else weights, m)
    if between is not None:
        between = covariance_of("output_weights", between, outputs)
    if (weights.ndim == 2 or between is not None) and given["coupling"] == "free_slopes":
        raise ValueError(
            "free slopes need residuals that are independent between samples and alike in all "
            "outputs; take coupling 'full' or 'units', or a vector of residual_weights alone"
        )
    curvatures = None
    if given["curvatures"] is not None:
        curvatures = float_array("curvatures", given["curvatures"], ndim=2)
        if curvatures.shape != (n1, m):
            raise ValueError(f"curvatures must have the shape {(n1, m)}; got {curvatures.shape}")
    return {
        "curvatures": curvatures,
        "features": features,
        "slopes": slopes,
        "x": x,
        "outputs": outputs,
        "epsilon": nonnegative("epsilon", given["epsilon"]),
        "second_layer": second_layer_of(given["second_layer"], n1),
        "residual_weights": weights,
        "output_weights": between,
    }
