r"""Hessians and Fisher matrices as linear operators of SciPy, whole or of some layers.

An operator keeps the point and multiplies by its products; nothing of size p x p is formed. The
principal submatrix of some parameter blocks is E^T H E, with E the columns of the identity that
belong to them. The empirical Fisher matrix of output gradients r,

.. math::

    F v = \frac1m \sum_\mu J_\mu^T r_\mu\, (r_\mu \cdot J_\mu v),

costs one product with J and one with its transpose. Synonyms: matrix-free, implicit matrix.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> point = MLP((2, 3, 1)).at(np.ones(9), [[1.0, 2.0]], [[1.0]])
>>> point.operator("gauss_newton", parameters="W2").shape
(3, 3)
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Protocol, Self

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse.linalg import LinearOperator

from rmtland.arguments import entries
from rmtland.arrays import to_numpy
from rmtland.networks.parameters import ParameterBlock
from rmtland.typing import Array, Integer

__all__ = ["PointOperator", "chosen_parameters"]


class Product(Protocol):
    """Products of a symmetric matrix of order p with vectors of shape (p,) or (p, k)."""

    def __call__(self, vectors: Array) -> Array: ...


class PointOperator(LinearOperator):  # type: ignore[misc]
    """A symmetric matrix of a loss point, or a principal submatrix, by its products.

    It takes and returns NumPy arrays, whatever the library of the network, and can be pickled.

    Parameters
    ----------
    product : callable
        Vectors, shape (p,) or (p, k) -> their products with the whole matrix.
    order : int
        p, the order of the whole matrix.
    dtype : dtype
        Of the products.
    kept : ndarray of int, optional
        The rows and columns of the submatrix, ascending; all by default.
    like : array, optional
        An array of the library and device that `product` computes on.
    unchecked : callable, optional
        The same as `product`, without a look at what came of it, which would wait for a device;
        arrays there, new ones. `product` by default.
    """

    def __init__(
        self,
        product: Product,
        order: int,
        dtype: DTypeLike,
        kept: Integer | None = None,
        like: Array = None,
        *,
        unchecked: Product | None = None,
    ) -> None:
        size = order if kept is None else len(kept)
        super().__init__(np.dtype(dtype), (size, size))
        self.product, self.order, self.kept, self.like = product, order, kept, like
        self.unchecked = product if unchecked is None else unchecked

    @classmethod
    def at(
        cls,
        theta: Array,
        blocks: tuple[ParameterBlock, ...],
        product: Product,
        patterns: str | Sequence[str] | None,
        *,
        unchecked: Product | None = None,
    ) -> Self:
        """Return the matrix, or a principal submatrix, at parameters in some blocks.

        Parameters
        ----------
        theta : array, shape (p,)
            The parameters.
        blocks : tuple of ParameterBlock
            Their layout.
        product : callable
            Products with the whole matrix.
        patterns : str, sequence of str, or None
            Which blocks; None for all.
        unchecked : callable, optional
            As in the class.

        Returns
        -------
        PointOperator
            In the precision of the parameters.

        Raises
        ------
        ValueError
            If a pattern fits no block.
        """
        dtype = np.float32 if "float32" in str(theta.dtype) else np.float64
        kept = chosen_parameters(blocks, patterns)
        return cls(product, theta.shape[0], dtype, kept, theta, unchecked=unchecked)

    def _matmat(self, vectors: Array) -> Array:
        columns = vectors[:, 0] if vectors.shape[1] == 1 else vectors
        if self.kept is not None:
            whole = np.zeros((self.order, *columns.shape[1:]), dtype=columns.dtype)
            whole[self.kept] = columns
            columns = whole
        result = to_numpy(self.product(columns))
        if self.kept is not None:
            result = result[self.kept]
        return result.reshape(vectors.shape)

    def _matvec(self, vector: Array) -> Array:
        return self._matmat(vector.reshape(-1, 1)).reshape(vector.shape)

    def _adjoint(self) -> PointOperator:
        return self

    def _transpose(self) -> PointOperator:
        return self


def chosen_parameters(
    blocks: tuple[ParameterBlock, ...], patterns: str | Sequence[str] | None
) -> Integer | None:
    """Return the numbers of the parameters in the blocks that a pattern names.

    Parameters
    ----------
    blocks : tuple of ParameterBlock
        The layout.
    patterns : str, sequence of str, or None
        Names such as "W1", or patterns of the shell: "W*", "b[12]"; None for all.

    Returns
    -------
    ndarray of int, or None
        Ascending; None for all.

    Raises
    ------
    ValueError
        If a pattern fits no block.
    """
    if patterns is None:
        return None
    wanted = (patterns,) if isinstance(patterns, str) else entries("parameters", patterns)
    names = [block.name for block in blocks]
    for pattern in wanted:
        if not isinstance(pattern, str):
            raise TypeError(f"parameters must name blocks by text; got {pattern!r}")
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"no parameter block fits {pattern!r}; there are {', '.join(names)}")
    fitting = [b for b in blocks if any(fnmatchcase(b.name, pattern) for pattern in wanted)]
    if not fitting:
        raise ValueError("parameters names no block; leave it out for all of them")
    return np.concatenate([np.arange(b.start, b.stop) for b in fitting])
