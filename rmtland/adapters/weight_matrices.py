"""The weight matrices of a network, convolutions unrolled, as NumPy arrays by name.

A kernel of shape (outputs, inputs, ...) becomes the matrix (outputs, inputs x ...) that multiplies
patches of the input; one of a transposed convolution (deconvolution), (inputs, outputs / groups,
...), is turned first. Biases and normalisations are no matrices and are left out; tied weights
count once, in a state dict too. So are masks and anything else that is no number.

A model says which of its convolutions are transposed. In a state dict or a file the bias beside a
kernel does, which has an entry for each output; where there is none, or outputs are as many as
inputs, a kernel is taken as (outputs, inputs, ...) unless its name is given.

References
----------
.. [1] C. H. Martin and M. W. Mahoney, Implicit self-regularization in deep neural networks, Journal
       of Machine Learning Research 22 (2021) 1-73.

Examples
--------
>>> import numpy as np
>>> weights = {"conv": np.zeros((8, 3, 5, 5)), "bias": np.zeros(8)}
>>> {name: matrix.shape for name, matrix in weight_matrices(weights).items()}
{'conv': (8, 75)}
>>> weights = {"up.weight": np.zeros((8, 3, 5, 5)), "up.bias": np.zeros(3)}
>>> {name: matrix.shape for name, matrix in weight_matrices(weights).items()}
{'up.weight': (3, 200)}
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from rmtland.arguments import count, entries
from rmtland.arrays import to_numpy
from rmtland.typing import Array, Real

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["weight_matrices"]


def weight_matrices(
    model: Module, *, min_size: int = 2, transposed: str | Iterable[str] = ()
) -> dict[str, Real]:
    """Return the weight matrices of a model.

    Parameters
    ----------
    model : nn.Module, mapping of str to array, sequence of arrays, or array
        A PyTorch module (anything with ``named_parameters``), a state dict, the weights of
        `rmtland.networks.MLP.unflatten`, or one matrix.
    min_size : int, optional
        Matrices with fewer rows or columns are left out.
    transposed : str or iterable of str, optional
        Names or patterns ("decoder.*") of kernels of transposed convolutions, which neither a
        module nor a bias tells.

    Returns
    -------
    dict of str to ndarray of float64
        Copies of shape (outputs, inputs).

    Raises
    ------
    TypeError
        If it is nothing that holds arrays, or a matrix is complex.
    ValueError
        If there is no matrix, one is not finite or has no values (on the meta device), or a name of
        `transposed` fits no kernel.
    """
    least = count("min_size", min_size)
    found: dict[str, Real] = {}
    seen: set[Hashable] = set()
    arrays = _named(model)
    turned = _transposed(model, arrays, transposed)
    for name, array in arrays:
        if not hasattr(array, "shape") or len(array.shape) < 2 or 0 in array.shape:
            continue
        if getattr(array, "is_meta", False):
            raise ValueError(f"the weights {name} lie on the meta device and have no values")
        if (place := _place(array)) in seen:
            continue
        seen.add(place)
        if np.ma.is_masked(array):
            raise ValueError(f"the weights {name} mask values, and a mask is not kept: fill them")
        given = np.asarray(_detached(array))
        if given.dtype.kind not in "fiuc":
            continue
        if name in turned:
            given = _turned(given, turned[name])
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
        inner = [str(name) for name, value in arrays if isinstance(value, Mapping)]
        remedy = f"; {inner[0]!r} is a mapping itself: give one of name to array" if inner else ""
        raise ValueError(
            f"the model has no weight matrix of at least {least} rows and columns{remedy}"
        )
    return found


def _named(model: Module) -> list[tuple[str, Array]]:
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


def _transposed(
    model: Module, arrays: list[tuple[str, Array]], named: str | Iterable[str]
) -> dict[str, int]:
    """Return the names of the kernels of transposed convolutions, with their groups."""
    if hasattr(model, "named_modules"):
        found = {
            f"{name}.weight" if name else "weight": int(getattr(module, "groups", 1))
            for name, module in model.named_modules()
            if "ConvTranspose" in type(module).__name__
        }
    else:
        found = _by_their_biases(arrays)
    kernels = [name for name, array in arrays if len(getattr(array, "shape", ())) >= 3]
    for pattern in [named] if isinstance(named, str) else entries("transposed", named):
        fitting = [name for name in kernels if fnmatchcase(name, pattern)]
        if not fitting:
            raise ValueError(
                f"transposed: no kernel of a convolution fits {pattern!r}; there are "
                f"{', '.join(kernels[:12]) or 'none'}"
            )
        for name in fitting:
            found.setdefault(name, 1)
    return found


def _by_their_biases(arrays: list[tuple[str, Array]]) -> dict[str, int]:
    """Return the kernels (inputs, outputs / groups, ...) whose biases have entries for outputs."""
    shapes = {name: tuple(getattr(array, "shape", ())) for name, array in arrays}
    found = {}
    for name, shape in shapes.items():
        bias = shapes.get(name.removesuffix("weight") + "bias") if name.endswith("weight") else None
        if len(shape) < 3 or bias is None or len(bias) != 1 or 0 in shape:
            continue
        groups, rest = divmod(bias[0], shape[1])
        if bias[0] != shape[0] and groups and not rest and shape[0] % groups == 0:
            found[name] = groups
    return found


def _turned(kernel: Array, groups: int) -> Array:
    """Return a kernel (inputs, outputs / groups, ...) as (outputs, inputs / groups, ...)."""
    inputs, outputs, *patch = kernel.shape
    parts = kernel.reshape(groups, inputs // groups, outputs, *patch).swapaxes(1, 2)
    return parts.reshape(groups * outputs, inputs // groups, *patch)


def _place(array: Array) -> Hashable:
    """Return what tied weights share: a state dict has another tensor of the same numbers."""
    if hasattr(array, "data_ptr") and _is_strided(array) and array.data_ptr():
        return str(array.device), array.data_ptr(), tuple(array.shape), tuple(array.stride())
    return id(array)


def _is_strided(array: Array) -> bool:
    """Whether a tensor is no sparse one."""
    return str(getattr(array, "layout", "torch.strided")) == "torch.strided"


def _detached(array: Array) -> Array:
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        if not _is_strided(array):
            array = array.to_dense()
        if "float" in str(array.dtype):
            array = array.double()
    return to_numpy(array)
