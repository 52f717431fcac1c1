"""The weight matrices of a network, convolutions unrolled, as NumPy arrays by name.

A kernel of shape (outputs, inputs, ...) becomes the matrix (outputs, inputs x ...) that multiplies
patches of the input; one of a transposed convolution, (inputs, outputs, ...), is turned first.
Biases and normalisations are no matrices and are left out; tied weights count once.

>>> import numpy as np
>>> weights = {"conv": np.zeros((8, 3, 5, 5)), "bias": np.zeros(8)}
>>> {name: matrix.shape for name, matrix in weight_matrices(weights).items()}
{'conv': (8, 75)}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rmtland.arguments import count
from rmtland.arrays import to_numpy
from rmtland.typing import Real

__all__ = ["weight_matrices"]


def weight_matrices(model: Any, *, min_size: int = 2) -> dict[str, Real]:
    """Return the weight matrices of a model.

    Parameters
    ----------
    model : nn.Module, mapping of str to array, sequence of arrays, or array
        A PyTorch module (anything with ``named_parameters``), a state dict, the weights of
        `rmtland.networks.MLP.unflatten`, or one matrix.
    min_size : int, optional
        Matrices with fewer rows or columns are left out.

    Returns
    -------
    dict of str to ndarray of float64
        Copies of shape (outputs, inputs).

    Raises
    ------
    TypeError
        If it is nothing that holds arrays.
    ValueError
        If there is no matrix, or one is not finite.
    """
    least = count("min_size", min_size)
    found: dict[str, Real] = {}
    seen: set[int] = set()
    turned = _transposed(model)
    for name, array in _named(model):
        if id(array) in seen or not hasattr(array, "shape") or len(array.shape) < 2:
            continue
        seen.add(id(array))
        values = np.asarray(_detached(array), dtype=np.float64)
        if name in turned:
            values = values.swapaxes(0, 1)
        matrix = values.reshape(values.shape[0], -1)
        if min(matrix.shape) < least:
            continue
        if not np.isfinite(matrix).all():
            raise ValueError(f"the weights {name} hold NaN or infinite values")
        found[name] = np.array(matrix)
    if not found:
        raise ValueError(f"the model has no weight matrix of at least {least} rows and columns")
    return found


def _named(model: Any) -> list[tuple[str, Any]]:
    if hasattr(model, "named_parameters"):
        return [(str(name), array) for name, array in model.named_parameters()]
    if isinstance(model, Mapping):
        return [(str(name), array) for name, array in model.items()]
    if isinstance(model, list | tuple):
        return [(str(i), array) for i, array in enumerate(model)]
    if hasattr(model, "shape"):
        return [("weights", model)]
    raise TypeError(
        f"expected a model with named_parameters, a mapping of arrays or an array; got "
        f"{type(model).__name__}"
    )


def _transposed(model: Any) -> set[str]:
    """Return the names of the kernels of transposed convolutions."""
    if not hasattr(model, "named_modules"):
        return set()
    return {
        f"{name}.weight" if name else "weight"
        for name, module in model.named_modules()
        if "ConvTranspose" in type(module).__name__
    }


def _detached(array: Any) -> Any:
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        if "float" in str(array.dtype):
            array = array.double()
    return to_numpy(array)
