r"""A symmetric matrix by its products, counted and looked at.

A :class:`SymmetricOperator` multiplies blocks of vectors, on the host or where its vectors live
(`rmtland.estimate.placement`); `check_products` spends three products on whether it is one.

Examples
--------
>>> operator = SymmetricOperator(lambda v: 2.0 * v, 3, np.float64, "twice the identity")
>>> check_products(operator)
>>> operator.matvec(np.ones(3)), operator.products
(array([2., 2., 2.]), 4)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from rmtland.arguments import dense_array
from rmtland.arrays import to_numpy
from rmtland.estimate.placement import HOST, Placement
from rmtland.networks.array_arguments import library_array
from rmtland.typing import Array, NumpyArray

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

__all__ = ["SymmetricOperator", "check_products", "columns_of", "device_columns_of"]

Product = Callable[[Array], Array]

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
    place : Placement, optional
        Where the vectors of `product` live; on the host by default.
    given_in : str, optional
        Precision in which the entries of a matrix came: "float64", "float32", "float16" or
        "bfloat16"; that of the products by default.

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
        dtype: DTypeLike,
        source: str,
        *,
        matrix: Array = None,
        takes_blocks: bool = True,
        is_own: bool = True,
        place: Placement = HOST,
        given_in: str | None = None,
    ) -> None:
        self.product, self.size, self.dtype = product, size, np.dtype(dtype)
        self.source, self.matrix, self.takes_blocks = source, matrix, takes_blocks
        self.is_own, self.place = is_own, place
        self.products = 0
        self.complement: NumpyArray | None = None
        self.given_in = self.precision if given_in is None else given_in
        self._signature: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (p, p)."""
        return self.size, self.size

    @property
    def dimension(self) -> int:
        """Dimension of the space in which probes are drawn: p less the columns of `complement`."""
        return self.size - (0 if self.complement is None else self.complement.shape[1])

    @property
    def is_complex(self) -> bool:
        """Whether the matrix is complex Hermitian."""
        return bool(self.dtype.kind == "c")

    @property
    def precision(self) -> str:
        """Name of the real precision: "float64" or "float32"."""
        return "float32" if self.dtype.char in "fF" else "float64"

    @property
    def work_dtype(self) -> np.dtype[np.inexact]:
        """The dtype in which vectors are kept: float64 or complex128."""
        return np.dtype(np.complex128 if self.is_complex else np.float64)

    def matmat(self, vectors: NumpyArray) -> NumpyArray:
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
            If the vectors or the product have another shape, or it holds NaN or infinities.
        TypeError
            If the vectors hold no numbers, or complex ones where the matrix is real.
        """
        if not self.place.is_host:
            result = self.place.take(self.multiply(self.place.put(vectors, self.work_dtype)))
            if not np.isfinite(result).all():
                self._refuse(result)
            return result
        given = _as_vectors(vectors, self.size, self.dtype)
        own = given if self.is_own else given.copy(order="K")  # rows that are contiguous stay so
        return self._looked_at(self.product(own), given.shape)

    def multiply(self, vectors: Array) -> Array:
        """Multiply a block of vectors where they live; the same as `matmat` on the host.

        On a device nothing is transferred and nothing waited for, so that NaN and infinities are
        found by who reads the numbers: see `refuse_infinities`.

        Parameters
        ----------
        vectors : array, shape (p, k)
            Columns, of the operator's place.

        Returns
        -------
        array, shape (p, k)
            The products, as `work_dtype`, in memory of their own.

        Raises
        ------
        ValueError
            If the product has another shape, or is complex where the matrix is real.
        TypeError
            If it is no array.
        """
        if self.place.is_host:
            return self.matmat(vectors)
        place, given = self.place, self.place.cast(vectors, self.dtype)
        result = self.product(given if self.is_own else place.xp.asarray(given, copy=True))
        if not (hasattr(result, "shape") and hasattr(result, "dtype")):
            raise TypeError(f"a product of {self.source} must be an array; got {result!r}")
        if tuple(result.shape) != tuple(vectors.shape):
            self._refuse_shape(tuple(result.shape), tuple(vectors.shape))
        result = library_array("a product", result, given)  # off a graph that keeps every vector
        self.products += int(vectors.shape[1])
        if place.is_complex(result) and not self.is_complex:
            self._refuse_complex()
        result = place.cast(result, self.work_dtype)
        return result if self.is_own else place.xp.asarray(result, copy=True)

    def refuse_infinities(self, numbers: NumpyArray) -> None:
        """Raise the error of a product with NaN or infinities if numbers computed from it are such.

        Parameters
        ----------
        numbers : ndarray
            On the host.

        Raises
        ------
        ValueError
        """
        if not np.isfinite(numbers).all():
            self._refuse(numbers)

    def _refuse(self, array: NumpyArray) -> None:
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        raise ValueError(
            f"a product of {self.source} holds {bad} NaN or infinite values of {array.size}; "
            "look at the loss and the parameters at this point"
        )

    def _refuse_shape(self, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
        raise ValueError(
            f"the product of {self.source} with vectors of shape {expected} has shape "
            f"{shape}; the same shape was expected"
        )

    def _refuse_precision(self, dtype: np.dtype[np.inexact]) -> None:
        if dtype.itemsize // (2 if dtype.kind == "c" else 1) < 4:
            remedy = "half precision knows three digits of a product: compute it in float32"
        else:
            remedy = f"give dtype=numpy.{dtype}, so that rounding is told from asymmetry"
        raise ValueError(
            f"{self.source} multiplies in {dtype}, but {self.dtype} was expected; {remedy}"
        )

    def _refuse_complex(self) -> None:
        raise ValueError(
            f"{self.source} multiplies a real vector to complex numbers; give "
            "dtype=numpy.complex128 if it is Hermitian"
        )

    def _looked_at(self, result: Array, shape: tuple[int, ...]) -> NumpyArray:
        """Return what a product of vectors of a shape gave, if it is one."""
        array = dense_array("a product", result)
        if array.shape != shape:
            self._refuse_shape(array.shape, shape)
        self.products += shape[1]
        if array.dtype.kind == "c" and not self.is_complex:
            self._refuse_complex()
        if array.dtype.kind not in "iufcb":
            raise TypeError(f"{self.source} returns {array.dtype} instead of numbers")
        if array.dtype.kind in "fc" and np.finfo(array.dtype).eps > np.finfo(self.dtype).eps:
            self._refuse_precision(array.dtype)
        fresh = self.is_own or array.dtype != self.work_dtype
        array = np.array(array, dtype=self.work_dtype, copy=None if fresh else True)
        with np.errstate(over="ignore"):
            squares = float(np.einsum("ij,ij->", array, array).real)
        if not math.isfinite(squares) and not np.isfinite(array).all():
            self._refuse(array)
        return array

    def matvec(self, vector: NumpyArray) -> NumpyArray:
        """Multiply one vector.

        Parameters
        ----------
        vector : ndarray, shape (p,)
            The vector.

        Returns
        -------
        ndarray, shape (p,)
            Its product.

        Raises
        ------
        ValueError, TypeError
            As in `matmat`.
        """
        return self.matmat(dense_array("vector", vector).reshape(-1, 1))[:, 0]

    def dense(self) -> NumpyArray:
        """Return the matrix: the one that was given, or p products with the identity.

        Returns
        -------
        ndarray, shape (p, p)
            Symmetric to the last bit.
        """
        if self.matrix is not None and not hasattr(self.matrix, "toarray"):
            array = np.array(self.place.take(self.matrix), dtype=self.work_dtype)
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
            check_products(self)
        return self._signature

    def linear_operator(self) -> LinearOperator:
        """Return a SciPy LinearOperator with the same products.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Of `work_dtype`; products are counted and checked.
        """
        from scipy.sparse.linalg import LinearOperator

        return LinearOperator(
            self.shape,
            matvec=self.matvec,
            matmat=self.matmat,
            rmatvec=self.matvec,
            dtype=self.work_dtype,
        )

    def __repr__(self) -> str:
        return f"SymmetricOperator(size={self.size}, dtype={self.dtype}, source={self.source!r})"


def _as_vectors(vectors: Array, size: int, dtype: np.dtype[np.generic]) -> NumpyArray:
    """Return columns in the dtype of the products, or say what NumPy would drop without a word."""
    given = dense_array("vectors", vectors)
    if given.dtype.kind not in "biuf" + dtype.kind:
        raise TypeError(
            f"vectors must hold {'' if dtype.kind == 'c' else 'real '}numbers, as the matrix does; "
            f"got dtype {given.dtype}"
        )
    if given.ndim != 2 or given.shape[0] != size:
        raise ValueError(f"vectors must have shape ({size}, k); got {given.shape}")
    return given.astype(dtype, copy=False)


def columns_of(function: Callable[[Array], Array], vectors: NumpyArray) -> Array:
    """Multiply column by column; each column is contiguous and a copy, and so is its product."""
    result = [_flat(function(np.array(column, order="C"))) for column in vectors.T]
    return np.stack(result, axis=1)


def _flat(product: Array) -> NumpyArray:
    array = np.array(dense_array("a product", product))
    if array.ndim == 0:
        raise TypeError(f"a product of a vector must be a vector; got {product!r}")
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def device_columns_of(
    place: Placement, function: Callable[[Array], Array], vectors: Array
) -> Array:
    """Multiply column by column where the vectors live."""
    xp = place.xp
    found = []
    for j in range(int(vectors.shape[1])):
        product = function(xp.asarray(vectors[:, j], copy=True))
        if not getattr(product, "ndim", 0):
            raise TypeError(f"a product of a vector must be a vector; got {product!r}")
        product = library_array("a product", product, vectors)
        if product.ndim == 2 and product.shape[1] == 1:
            product = product[:, 0]
        found.append(xp.asarray(product, copy=True))
    return xp.stack(found, axis=1)


def _takes_blocks(function: Callable[[Array], Array], vectors: Array, products: NumpyArray) -> bool:
    """Whether a function of a vector multiplies a block of them too."""
    try:
        block = np.asarray(to_numpy(function(vectors)))
    except Exception:  # whatever a function says to an argument that it was not made for
        return False
    if block.shape != products.shape or not np.isfinite(block).all():
        return False
    return bool(np.linalg.norm(block - products) <= 1e-3 * np.linalg.norm(products))


def _kept(operator: SymmetricOperator, vector: NumpyArray, raw: list[Array]) -> NumpyArray:
    """Return a copy of a product, and keep what came of it."""
    result = operator.product(vector)
    found = operator._looked_at(result, vector.shape)[:, 0].copy()
    raw.append(result if isinstance(result, np.ndarray) else found)
    return found


def check_products(operator: SymmetricOperator) -> None:
    """Spend three products on shape, numbers, symmetry and sameness."""
    generator = np.random.default_rng(20261126)
    draw = generator.standard_normal((2, operator.size))
    if operator.is_complex:
        draw = draw + 1j * generator.standard_normal((2, operator.size))
    u, v = np.asarray(draw, dtype=operator.dtype).astype(operator.work_dtype)
    given = [np.array(w, dtype=operator.dtype).reshape(-1, 1) for w in (u, v, u)]
    raw: list[Array] = []
    if operator.place.is_host:
        first, other, again = (_kept(operator, one, raw) for one in given)
    else:
        first, other, again = (operator.matmat(one)[:, 0] for one in given)
    if operator.place.is_host and not operator.is_own:
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
    by_columns = (columns_of, device_columns_of)
    if isinstance(operator.product, partial) and operator.product.func in by_columns:
        function = operator.product.args[-1]
        block = np.ascontiguousarray(np.stack([u, v, u], axis=1), dtype=operator.dtype)
        if _takes_blocks(
            function, operator.place.put(block), np.stack([first, other, first], axis=1)
        ):
            operator.product, operator.takes_blocks, operator.is_own = function, True, False
