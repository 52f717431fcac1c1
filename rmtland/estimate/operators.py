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

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import count, dense_array
from rmtland.arrays import to_numpy

__all__ = ["SymmetricOperator", "symmetric_operator"]

Product = Callable[[NDArray[Any]], Any]

_DTYPES = {"float32": np.float32, "complex64": np.complex64, "complex128": np.complex128}

_SAME = {"f": 1e-4, "d": 1e-9}
"""Relative difference of two products of one vector that is rounding, by precision."""

_SYMMETRIC = {"f": 1e-3, "d": 1e-9}
"""Relative asymmetry that is rounding, by precision."""

_SIZES = (1e-130, 1e130)
"""Norms of products whose squares, times any number of them, are numbers of double precision."""


class SymmetricOperator:
    """A real symmetric or complex Hermitian matrix by its products; made by `symmetric_operator`.

    Parameters
    ----------
    product : callable
        Vectors, shape (size, k), of `dtype` -> their products, same shape.
    size : int
        Order p of the matrix.
    dtype : dtype
        Precision of the products: float32, float64, complex64 or complex128.
    source : str
        What it was made from, for messages and provenance.
    matrix : ndarray or SciPy sparse matrix, optional
        The matrix itself, where it is there.
    takes_blocks : bool, optional
        Whether the product of several vectors is one call, so that a block of k vectors may cost
        less than k vectors.
    is_own : bool, optional
        Whether every product is a new array, and the vectors stay as they are. Otherwise both are
        copied: a function may return its argument, or the same buffer each time.

    Attributes
    ----------
    products : int
        How many vectors it has multiplied.
    complement : ndarray or None
        Orthonormal columns to which random probes are made orthogonal (deflated eigenvectors).
    """

    def __init__(
        self,
        product: Product,
        size: int,
        dtype: Any,
        source: str,
        *,
        matrix: Any = None,
        takes_blocks: bool = True,
        is_own: bool = True,
    ) -> None:
        self.product, self.size, self.dtype = product, size, np.dtype(dtype)
        self.source, self.matrix, self.takes_blocks = source, matrix, takes_blocks
        self.is_own = is_own
        self.products = 0
        self.complement: NDArray[Any] | None = None
        self._signature: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (p, p)."""
        return self.size, self.size

    @property
    def is_complex(self) -> bool:
        """Whether the matrix is complex Hermitian."""
        return bool(self.dtype.kind == "c")

    @property
    def precision(self) -> str:
        """Name of the real precision: "float64" or "float32"."""
        return "float32" if self.dtype.char in "fF" else "float64"

    @property
    def work_dtype(self) -> np.dtype[Any]:
        """The dtype in which vectors are kept: float64 or complex128."""
        return np.dtype(np.complex128 if self.is_complex else np.float64)

    def matmat(self, vectors: NDArray[Any]) -> NDArray[Any]:
        """Multiply a block of vectors.

        Parameters
        ----------
        vectors : ndarray, shape (p, k)
            Columns.

        Returns
        -------
        ndarray, shape (p, k)
            The products, as `work_dtype`.

        Raises
        ------
        ValueError
            If the product has another shape, or holds NaN or infinities.
        """
        given = np.asarray(vectors, dtype=self.dtype)
        return self._looked_at(self.product(given if self.is_own else given.copy()), given.shape)

    def _looked_at(self, result: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return what a product of vectors of a shape gave, if it is one."""
        array = result if isinstance(result, np.ndarray) else np.asarray(to_numpy(result))
        if array.shape != shape:
            raise ValueError(
                f"the product of {self.source} with vectors of shape {shape} has shape "
                f"{array.shape}; the same shape was expected"
            )
        self.products += shape[1]
        if array.dtype.kind == "c" and not self.is_complex:
            raise ValueError(
                f"{self.source} multiplies a real vector to complex numbers; give "
                "dtype=numpy.complex128 if it is Hermitian"
            )
        if array.dtype.kind not in "iufcb":
            raise TypeError(f"{self.source} returns {array.dtype} instead of numbers")
        fresh = self.is_own or array.dtype != self.work_dtype
        array = np.array(array, dtype=self.work_dtype, copy=None if fresh else True)
        with np.errstate(over="ignore"):
            squares = float(np.vdot(array, array).real)
        if not math.isfinite(squares) and not np.isfinite(array).all():
            bad = int(array.size - np.count_nonzero(np.isfinite(array)))
            raise ValueError(
                f"a product of {self.source} holds {bad} NaN or infinite values of {array.size}; "
                "look at the loss and the parameters at this point"
            )
        return array

    def matvec(self, vector: NDArray[Any]) -> NDArray[Any]:
        """Multiply one vector.

        Parameters
        ----------
        vector : ndarray, shape (p,)
            The vector.

        Returns
        -------
        ndarray, shape (p,)
            Its product.
        """
        return self.matmat(np.asarray(vector).reshape(-1, 1))[:, 0]

    def dense(self) -> NDArray[Any]:
        """Return the matrix: the one that was given, or p products with the identity.

        Returns
        -------
        ndarray, shape (p, p)
            Symmetric to the last bit.
        """
        if isinstance(self.matrix, np.ndarray):
            array = np.array(self.matrix, dtype=self.work_dtype)
        elif self.matrix is not None:
            array = np.asarray(self.matrix.toarray(), dtype=self.work_dtype)
        else:
            array = np.empty(self.shape, dtype=self.work_dtype)
            for start in range(0, self.size, 64):
                stop = min(start + 64, self.size)
                unit = np.zeros((self.size, stop - start), dtype=self.dtype)
                unit[np.arange(start, stop), np.arange(stop - start)] = 1
                array[:, start:stop] = self.matmat(unit)
        mirror = array.conj().T.copy()
        array += mirror
        array *= 0.5
        return array

    def signature(self) -> tuple[float, ...]:
        """Return numbers by which the same matrix is known again.

        Returns
        -------
        tuple of float
            Norms and inner products of two products with fixed vectors.
        """
        if not self._signature:
            _check(self)
        return self._signature

    def linear_operator(self) -> Any:
        """Return a SciPy LinearOperator with the same products.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Of `work_dtype`; products are counted and checked.
        """
        from scipy.sparse.linalg import LinearOperator

        return LinearOperator(
            self.shape, matvec=self.matvec, matmat=self.matmat, rmatvec=self.matvec,
            dtype=self.work_dtype,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"SymmetricOperator(size={self.size}, dtype={self.dtype}, source={self.source!r})"


def symmetric_operator(
    operator: Any, *, size: int | None = None, dtype: Any = None, check: bool = True
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
        Precision of the products; that of the operator by default, float64 for a function.
    check : bool, optional
        Spend three products on looking at shape, numbers, symmetry, and sameness.

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
    """
    known = isinstance(operator, SymmetricOperator)
    found = operator if known else _adapted(operator, size, dtype)
    if size is not None and count("size", size) != found.size:
        raise ValueError(f"size {size} was given, but {found.source} has size {found.size}")
    if check and not known:
        _check(found)
    return found


def _takes_blocks(function: Any, vectors: NDArray[Any], products: NDArray[Any]) -> bool:
    """Whether a function of a vector multiplies a block of them too."""
    try:
        block = np.asarray(to_numpy(function(vectors)))
    except Exception:  # whatever a function says to an argument that it was not made for
        return False
    if block.shape != products.shape or not np.isfinite(block).all():
        return False
    return bool(np.linalg.norm(block - products) <= 1e-3 * np.linalg.norm(products))


def _adapted(operator: Any, size: int | None, dtype: Any) -> SymmetricOperator:
    """Wrap what came, by what it can do."""
    if hasattr(operator, "total") and hasattr(operator, "gauss_newton"):
        operator = operator.total
    kind = type(operator).__name__
    if hasattr(operator, "toarray") and hasattr(operator, "nnz"):
        matrix = operator.tocsr() if hasattr(operator, "tocsr") else operator
        order, wanted = _order(matrix.shape, kind), _dtype(dtype, matrix.dtype)
        return SymmetricOperator(
            partial(_at, matrix.astype(wanted)), order, wanted, f"a {kind}", matrix=matrix
        )
    torch_like = str(getattr(operator, "dtype", "")).startswith("torch.")
    is_array = isinstance(operator, np.ndarray | list | tuple) or hasattr(operator, "__array__")
    if is_array or (hasattr(operator, "__dlpack__") and hasattr(operator, "ndim")):
        array = dense_array("operator", operator)
        if array.dtype.kind not in "iufcb":
            raise TypeError(f"a matrix must be made of numbers; got dtype {array.dtype}")
        order, wanted = _order(array.shape, "matrix"), _dtype(dtype, array.dtype)
        array = np.ascontiguousarray(array, dtype=wanted)
        return SymmetricOperator(partial(_at, array), order, wanted, "the matrix", matrix=array)
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
            partial(_torch_product, operator), order, wanted, f"the operator {kind}",
            takes_blocks=shape is not None, is_own=False,
        )  # fmt: skip
    for name, product, blocks in (
        ("matmat", _matmat, True),
        ("__matmul__", _at, True),
        ("matvec", _columns_of_matvec, False),
    ):
        if hasattr(operator, name):
            return SymmetricOperator(
                partial(product, operator), order, wanted, f"the operator {kind}",
                takes_blocks=blocks, is_own=False,
            )  # fmt: skip
    raise TypeError(f"{kind} has neither matmat, matvec nor @, so that nothing can be multiplied")


def _function(function: Any, size: int | None, dtype: Any) -> SymmetricOperator:
    """Wrap a function of a vector, or of a block of vectors where it takes one."""
    name = getattr(function, "__name__", type(function).__name__)
    if size is None:
        raise TypeError(f"the function {name} needs the size of its vectors: give size=")
    size, wanted = count("size", size), _dtype(dtype, None)
    return SymmetricOperator(
        partial(_columns, function), size, wanted, f"function {name}", takes_blocks=False
    )  # whose columns are copied, and copies


def _order(shape: tuple[int, ...], kind: str) -> int:
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"a square matrix (p, p) was expected; {kind} has shape {tuple(shape)}")
    if not shape[0]:
        raise ValueError(f"{kind} is empty (shape {tuple(shape)})")
    return int(shape[0])


def _dtype(wanted: Any, own: Any) -> Any:
    """Return float32, float64, complex64 or complex128."""
    if wanted is not None:
        name = np.dtype(wanted).name
        if name not in (*_DTYPES, "float64"):
            raise ValueError(f"dtype must be float32, float64, complex64 or complex128; got {name}")
    else:
        name = str(own).rsplit(".", maxsplit=1)[-1] if own is not None else "float64"
        name = {"float16": "float32", "bfloat16": "float32"}.get(name, name)
    return _DTYPES.get(name, np.float64)


def _at(matrix: Any, vectors: NDArray[Any]) -> Any:
    return matrix @ vectors


def _matmat(operator: Any, vectors: NDArray[Any]) -> Any:
    return operator.matmat(vectors)


def _columns_of_matvec(operator: Any, vectors: NDArray[Any]) -> Any:
    return _columns(operator.matvec, vectors)


def _columns(function: Any, vectors: NDArray[Any]) -> Any:
    """Multiply column by column; each column is contiguous and a copy, and so is its product."""
    result = [_flat(function(np.array(column, order="C"))) for column in vectors.T]
    return np.stack(result, axis=1)


def _flat(product: Any) -> NDArray[Any]:
    array = np.array(to_numpy(product))
    if array.ndim == 0:
        raise TypeError(f"a product of a vector must be a vector; got {product!r}")
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _torch_product(operator: Any, vectors: NDArray[Any]) -> Any:
    """Multiply by an operator on PyTorch tensors, on its own device and in its own precision."""
    import torch

    given = torch.as_tensor(np.ascontiguousarray(vectors)).to(
        device=getattr(operator, "device", "cpu"), dtype=operator.dtype
    )
    if hasattr(operator, "shape"):
        return to_numpy(operator @ given)
    return np.stack([to_numpy(operator.matvec(column)) for column in given.T.contiguous()], axis=1)


def _kept(operator: SymmetricOperator, vector: NDArray[Any], raw: list[Any]) -> NDArray[Any]:
    """Return a copy of a product, and keep what came of it."""
    result = operator.product(vector)
    found = operator._looked_at(result, vector.shape)[:, 0].copy()
    raw.append(result if isinstance(result, np.ndarray) else found)
    return found


def _check(operator: SymmetricOperator) -> None:
    """Spend three products on shape, numbers, symmetry and sameness."""
    generator = np.random.default_rng(20261126)
    draw = generator.standard_normal((2, operator.size))
    if operator.is_complex:
        draw = draw + 1j * generator.standard_normal((2, operator.size))
    u, v = np.asarray(draw, dtype=operator.dtype).astype(operator.work_dtype)
    given = [np.array(w, dtype=operator.dtype).reshape(-1, 1) for w in (u, v, u)]
    raw: list[Any] = []
    first, other, again = (_kept(operator, one, raw) for one in given)
    if not operator.is_own:
        unchanged = all((one[:, 0] == w).all() for one, w in zip(given, (u, v, u), strict=True))
        arrays = [*given, *raw]
        apart = not any(
            np.may_share_memory(one, two) for i, one in enumerate(arrays) for two in arrays[:i]
        )
        operator.is_own = unchanged and apart
    largest = float(max(np.abs(first).max(), np.abs(other).max()))
    if largest and not _SIZES[0] < largest < _SIZES[1]:
        raise ValueError(
            f"products of {operator.source} are of the size {largest:.3g}, and their squares leave "
            "double precision; multiply it by a number that brings its eigenvalues to about 1, and "
            "divide what is found by that"
        )
    single = operator.precision == "float32"
    norm = float(np.linalg.norm(first))
    change = float(np.linalg.norm(first - again))
    if change > _SAME["f" if single else "d"] * norm:
        raise ValueError(
            f"{operator.source} gives another product for the same vector the second time "
            f"(relative difference {change / max(norm, change):.2g}); switch off dropout, batch "
            "statistics and resampling of data (model.eval(), a fixed seed)"
        )
    operator._signature = (norm, float(np.vdot(u, first).real), float(np.linalg.norm(other)))
    skew = abs(np.vdot(u, other) - np.conj(np.vdot(v, first)))
    size = norm + float(np.linalg.norm(other))
    limit = _SYMMETRIC["f" if single else "d"]
    if skew > limit * size:
        word = "Hermitian" if operator.is_complex else "symmetric"
        raise ValueError(
            f"{operator.source} is not {word}: u.Av and v.Au differ by {skew / size:.2g} of "
            f"|Au| + |Av| for random vectors u and v ({limit:.0e} is taken for rounding); give "
            "(A + A^T)/2, or products of it"
        )
    if isinstance(operator.product, partial) and operator.product.func is _columns:
        function = operator.product.args[0]
        block = np.ascontiguousarray(np.stack([u, v, u], axis=1), dtype=operator.dtype)
        if _takes_blocks(function, block, np.stack([first, other, first], axis=1)):
            operator.product, operator.takes_blocks, operator.is_own = function, True, False
