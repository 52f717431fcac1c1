"""The weight matrices of a network, convolutions unrolled, as NumPy arrays by name.

A kernel of shape (outputs, inputs, ...) becomes the matrix (outputs, inputs x ...) that multiplies
patches of the input; one of a transposed convolution, (inputs, outputs, ...), is turned first.
Biases and normalisations are no matrices and are left out; tied weights count once, in a state
dict too. So are masks and anything else that is no number. Only a model tells which convolutions
are transposed: kernels in a state dict or a file are taken as (outputs, inputs, ...).

>>> import numpy as np
>>> weights = {"conv": np.zeros((8, 3, 5, 5)), "bias": np.zeros(8)}
>>> {name: matrix.shape for name, matrix in weight_matrices(weights).items()}
{'conv': (8, 75)}
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
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
        If it is nothing that holds arrays, or a matrix is complex.
    ValueError
        If there is no matrix, or one is not finite.
    """
    least = count("min_size", min_size)
    found: dict[str, Real] = {}
    seen: set[Hashable] = set()
    turned = _transposed(model)
    for name, array in _named(model):
        if not hasattr(array, "shape") or len(array.shape) < 2 or 0 in array.shape:
            continue
        if (place := _place(array)) in seen:
            continue
        seen.add(place)
        given = np.asarray(_detached(array))
        if given.dtype.kind not in "fiuc":
            continue
        if name in turned:
            given = given.swapaxes(0, 1)
        matrix = given.reshape(given.shape[0], -1)
        if min(matrix.shape) < least:
            continue
        if given.dtype.kind == "c":
            raise TypeError(
                f"the weights {name} are complex; give real and imaginary part by themselves"
            )
        matrix = matrix.astype(np.float64)
        if not np.isfinite(matrix).all():
            raise ValueError(f"the weights {name} hold NaN or infinite values")
        found[name] = matrix
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


def _place(array: Any) -> Hashable:
    """Return what tied weights share: a state dict has another tensor of the same numbers."""
    if hasattr(array, "data_ptr") and array.data_ptr():
        return str(array.device), array.data_ptr(), tuple(array.shape), tuple(array.stride())
    return id(array)


def _detached(array: Any) -> Any:
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        if "float" in str(array.dtype):
            array = array.double()
    return to_numpy(array)
