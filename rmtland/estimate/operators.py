r"""Anything that multiplies, as one kind of symmetric operator, checked before hours are spent.

A matrix too large to form is known by its products :math:`v \mapsto A v` (matrix-free, implicit
matrix, Hessian-vector products). `symmetric_operator` takes what people have: NumPy and SciPy
matrices, SciPy linear operators, the operators of curvlinops and hessian-eigenthings, objects with
``matmat`` or ``@``, plain functions. Three products with two Gaussian vectors u and v then tell

- whether the shape and the numbers are right (no NaN, no infinity, no size whose square leaves
  double precision);
- whether A is symmetric: :math:`|u^* A v - \overline{v^* A u}|` is at most the rounding of the
  precision times :math:`\|A u\| + \|A v\|`. For any other matrix it is about
  :math:`\|A - A^*\|_F`;
- whether it is always the same A: ``A u`` twice (dropout, batch statistics, resampled data).

Examples
--------
>>> import numpy as np
>>> operator = symmetric_operator(lambda v: np.arange(4.0) * v, size=4)
>>> operator
SymmetricOperator(size=4, dtype=float64, source='function <lambda>')
>>> operator.matmat(np.ones((4, 1))).ravel()
array([0., 1., 2., 3.])
>>> symmetric_operator(np.array([[0.0, 1.0], [2.0, 0.0]]))  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
ValueError: the matrix is not symmetric: u.Av and v.Au differ by 0.09 of |Au| + |Av| ...
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from rmtland.arguments import count, dense_array
from rmtland.arrays import is_on_device, precision_of, to_numpy
from rmtland.estimate.placement import Placement
from rmtland.estimate.symmetric import (
    SymmetricOperator,
    check_products,
    columns_of,
    device_columns_of,
)
from rmtland.networks.array_arguments import detached
from rmtland.networks.derivatives.operators import PointOperator
from rmtland.typing import Array, MultipliesBlocks, MultipliesVectors, NumpyArray, Operator

if TYPE_CHECKING:
    import torch

__all__ = ["SymmetricOperator", "symmetric_operator"]

_HALVES = {"float16": "float32", "bfloat16": "float32", "complex32": "complex64"}
_DTYPES = {"float32": np.float32, "complex64": np.complex64, "complex128": np.complex128}


def symmetric_operator(
    operator: Operator,
    *,
    size: int | None = None,
    dtype: DTypeLike | None = None,
    check: bool = True,
    like: Array | None = None,
) -> SymmetricOperator:
    """Return a symmetric operator from anything that multiplies.

    Parameters
    ----------
    operator : array_like, sparse matrix, operator or callable
        A square matrix of any array library, a SciPy sparse matrix or array, a SciPy
        LinearOperator (such as ``point.operator()`` of a network), an operator of curvlinops or
        hessian-eigenthings, any object with `shape` or `size` and ``matmat``, ``matvec`` or ``@``,
        or a function of a vector; or a HessianSplit, of which the total is taken. A function that
        takes blocks (p, k) is found out.
    size : int, optional
        Order of the matrix, for a function.
    dtype : dtype, optional
        Precision of the products; that of the operator by default. For a function float64, or that
        of `like`.
    check : bool, optional
        Spend three products on looking at shape, numbers, symmetry, and sameness.
    like : array, optional
        For a function or a matrix: an array of the library and device that it computes on (the
        parameters of the model, say). Vectors then live there. A matrix that is on a device, and
        the operator of a network whose parameters are, need none.

    Returns
    -------
    SymmetricOperator
        The argument itself where it is one.

    Raises
    ------
    ValueError
        If it is not square, empty, not symmetric, gives NaN or infinities, or another product for
        the same vector the second time.
    TypeError
        If it is nothing that multiplies, or a function without a size.

    See Also
    --------
    rmtland.adapters.from_torch, rmtland.adapters.from_jax : operators of models.
    """
    if isinstance(operator, SymmetricOperator):
        found = operator
    else:
        there = _on_device(operator, size, dtype, like)
        found = _adapted(operator, size, dtype) if there is None else there
    if size is not None and count("size", size) != found.size:
        raise ValueError(f"size {size} was given, but {found.source} has size {found.size}")
    if check and found is not operator:
        check_products(found)
    return found


def _adapted(operator: Any, size: int | None, dtype: DTypeLike | None) -> SymmetricOperator:
    """Wrap what came, by what it can do."""
    if hasattr(operator, "total") and hasattr(operator, "gauss_newton"):
        operator = operator.total
    kind = type(operator).__name__
    if hasattr(operator, "toarray") and hasattr(operator, "nnz"):
        matrix = operator.tocsr() if hasattr(operator, "tocsr") else operator
        order, wanted = _order(matrix.shape, kind), _dtype(dtype, matrix.dtype)
        return SymmetricOperator(
            partial(_at, matrix.astype(wanted)),
            order,
            wanted,
            f"a {kind}",
            matrix=matrix,
            given_in=precision_of(matrix),
        )
    torch_like = str(getattr(operator, "dtype", "")).startswith("torch.")
    is_array = isinstance(operator, np.ndarray | list | tuple) or hasattr(operator, "__array__")
    if is_array or (hasattr(operator, "__dlpack__") and hasattr(operator, "ndim")):
        array = dense_array("operator", operator)
        if array.dtype.kind not in "iufcb":
            raise TypeError(f"a matrix must be made of numbers; got dtype {array.dtype}")
        order, wanted = _order(array.shape, "matrix"), _dtype(dtype, array.dtype)
        array = np.ascontiguousarray(array, dtype=wanted)
        return SymmetricOperator(
            partial(_at, array),
            order,
            wanted,
            "the matrix",
            matrix=array,
            given_in=precision_of(operator),
        )
    shape, length = getattr(operator, "shape", None), getattr(operator, "size", None)
    if shape is None and length is None and callable(operator):
        return _function(operator, size, dtype)
    if shape is None and length is None:
        raise TypeError(
            f"expected a matrix, an operator with products, or a function with size=; got {kind}"
        )
    order = _order(tuple(shape), kind) if shape is not None else count("size", length)
    wanted = _dtype(dtype, getattr(operator, "dtype", None))
    if torch_like:
        return SymmetricOperator(
            partial(_torch_product, operator),
            order,
            wanted,
            f"the operator {kind}",
            takes_blocks=shape is not None,
            is_own=False,
        )
    for name, product, blocks in (
        ("matmat", _matmat, True),
        ("__matmul__", _at, True),
        ("matvec", _columns_of_matvec, False),
    ):
        if hasattr(operator, name):
            return SymmetricOperator(
                partial(product, operator),
                order,
                wanted,
                f"the operator {kind}",
                takes_blocks=blocks,
                is_own=False,
            )
    raise TypeError(f"{kind} has neither matmat, matvec nor @, so that nothing can be multiplied")


def _function(
    function: Callable[..., Array], size: int | None, dtype: DTypeLike | None
) -> SymmetricOperator:
    """Wrap a function of a vector, or of a block of vectors where it takes one."""
    name = getattr(function, "__name__", type(function).__name__)
    if size is None:
        raise TypeError(f"the function {name} needs the size of its vectors: give size=")
    size, wanted = count("size", size), _dtype(dtype, None)
    return SymmetricOperator(
        partial(columns_of, function), size, wanted, f"function {name}", takes_blocks=False
    )  # whose columns are copied, and copies


def _order(shape: tuple[int, ...], kind: str) -> int:
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"a square matrix (p, p) was expected; {kind} has shape {tuple(shape)}")
    if not shape[0]:
        raise ValueError(f"{kind} is empty (shape {tuple(shape)})")
    return int(shape[0])


def _dtype(wanted: DTypeLike | None, own: object) -> DTypeLike:
    """Return float32, float64, complex64 or complex128."""
    if wanted is not None:
        name = np.dtype(wanted).name
        if name not in (*_DTYPES, "float64"):
            raise ValueError(f"dtype must be float32, float64, complex64 or complex128; got {name}")
    else:
        name = str(own).rsplit(".", maxsplit=1)[-1] if own is not None else "float64"
        name = _HALVES.get(name, name)
    return _DTYPES.get(name, np.complex128 if name.startswith("complex") else np.float64)


def _at(matrix: Array, vectors: NumpyArray) -> Array:
    return matrix @ vectors


def _matmat(operator: MultipliesBlocks, vectors: NumpyArray) -> Array:
    return operator.matmat(vectors)


def _columns_of_matvec(operator: MultipliesVectors, vectors: NumpyArray) -> Array:
    return columns_of(operator.matvec, vectors)


_DEVICE_LIBRARIES = ("cupy", "torch", "array_api_strict")


def _on_device(
    operator: Any, size: int | None, dtype: DTypeLike | None, like: Array | None
) -> SymmetricOperator | None:
    """Wrap what multiplies on a device; None where the host is to do it."""
    if hasattr(operator, "total") and hasattr(operator, "gauss_newton"):
        operator = operator.total
    kind, is_there = type(operator).__name__, _is_device_array(operator)
    if like is None:
        like = operator if is_there else getattr(operator, "like", None)
        if like is None:
            like = _beside_torch(operator)
        if like is None or not is_on_device(like):
            return None
    if isinstance(like, np.ndarray):
        return None
    if not _is_device_array(like):
        raise TypeError(
            f"like must be an array of NumPy, {', '.join(_DEVICE_LIBRARIES)}; got "
            f"{type(like).__name__}"
        )
    place = Placement.of(like)
    if is_there or isinstance(operator, np.ndarray | list | tuple):
        return _matrix_on_device(operator, dtype, place)
    if type(operator).__module__.startswith("scipy."):
        raise TypeError(
            f"a {kind} of SciPy multiplies NumPy arrays: leave like= out, or give a matrix or a "
            "function on the device"
        )
    wanted = _dtype(dtype, getattr(operator, "dtype", like.dtype))
    shape = getattr(operator, "shape", None)
    if isinstance(operator, PointOperator):
        if operator.kept is not None:
            return None  # rows and columns are chosen on the host
        if not _is_device_array(operator.like) or Placement.of(operator.like) != place:
            return None  # the network computes elsewhere
        product, blocks = operator.unchecked, True
    elif shape is not None and hasattr(operator, "__matmul__"):
        product, blocks = partial(_at, operator), True
    elif hasattr(operator, "matmat"):
        product, blocks = partial(_matmat, operator), True
    elif hasattr(operator, "matvec"):
        product, blocks = partial(device_columns_of, place, operator.matvec), False
    elif callable(operator):
        if size is None:
            raise TypeError(f"the function {kind} needs the size of its vectors: give size=")
        product, blocks = partial(device_columns_of, place, operator), False
    else:
        raise TypeError(
            f"{kind} has neither matmat, matvec nor @, so that nothing can be multiplied"
        )
    if shape is None:
        order = count("size", getattr(operator, "size", size))
    else:
        order = _order(tuple(shape), kind)
    name = getattr(operator, "__name__", kind)
    return SymmetricOperator(
        product,
        order,
        wanted,
        f"{name} on a device",
        takes_blocks=blocks,
        is_own=isinstance(operator, PointOperator),
        place=place,
    )


def _matrix_on_device(
    operator: Array, dtype: DTypeLike | None, place: Placement
) -> SymmetricOperator:
    """Wrap a matrix, moved there if it is elsewhere."""
    given_in = precision_of(operator)
    if not _is_device_array(operator) or Placement.of(operator) != place:
        operator = dense_array("operator", operator)
        if operator.dtype.kind not in "iufcb":
            raise TypeError(f"a matrix must be made of numbers; got dtype {operator.dtype}")
    order, wanted = _order(tuple(operator.shape), "matrix"), _dtype(dtype, operator.dtype)
    if isinstance(operator, np.ndarray):
        matrix = place.put(operator, wanted)
    else:
        matrix = place.cast(detached(operator), wanted)
    return SymmetricOperator(
        partial(_at, matrix),
        order,
        wanted,
        "the matrix",
        matrix=matrix,
        place=place,
        given_in=given_in,
    )


def _is_device_array(value: object) -> bool:
    """Whether a value is an array of a library that has devices."""
    library = type(value).__module__.split(".", maxsplit=1)[0]
    return library in _DEVICE_LIBRARIES and hasattr(value, "dtype") and hasattr(value, "ndim")


def _beside_torch(operator: Any) -> torch.Tensor | None:
    """Return an empty tensor on the device of an operator on PyTorch tensors, or None."""
    if not str(getattr(operator, "dtype", "")).startswith("torch.") or _is_device_array(operator):
        return None
    import torch

    return torch.empty(0, dtype=operator.dtype, device=getattr(operator, "device", "cpu"))


def _torch_product(operator: Any, vectors: NumpyArray) -> Array:
    """Multiply by an operator on PyTorch tensors, on its own device and in its own precision."""
    import torch

    given = torch.as_tensor(np.ascontiguousarray(vectors), device="cpu").to(
        device=getattr(operator, "device", "cpu"), dtype=operator.dtype
    )
    if hasattr(operator, "shape"):
        return to_numpy(operator @ given)
    return np.stack([to_numpy(operator.matvec(column)) for column in given.T.contiguous()], axis=1)
