r"""Preconditioning as a change of spectrum, and of law.

A method preconditioned by a positive definite P takes the steps :math:`-h P^{-1} \nabla f`. In the
coordinates :math:`P^{1/2} x` it is the method itself, on a loss with the Hessian

.. math:: P^{-1/2} H P^{-1/2} ,

so that everything this room predicts holds for that matrix: `preconditioned` makes it of an
operator, `advise_start` takes a preconditioner. Diagonal P: Jacobi's, or the root of Adam's second
moments. Kronecker P, for each weight matrix :math:`L \otimes R`: Shampoo, K-FAC. `of` takes partial
traces of a diagonal block, the first step of the power iteration to its nearest Kronecker product
[1]_.

Of a law: where :math:`H = D^{1/2} W D^{1/2}` with D free from W, of the law of scales (a diagonal,
or the products of the eigenvalues of Kronecker factors), the law of H is the free product of both,
and :math:`P = D^s + \delta` changes the scales d to :math:`d/(d^s + \delta)`
(`preconditioned_law`). With s = 1 and no damping the scales are gone.

References
----------
.. [1] D. Morwani, I. Shapira, N. Vyas, E. Malach, S. Kakade and L. Janson, A new perspective on
       Shampoo's preconditioner, arXiv:2406.17748.
.. [2] J. Martens and R. Grosse, Optimizing neural networks with Kronecker-factored approximate
       curvature, ICML 2015.

Examples
--------
>>> import numpy as np
>>> scales = np.array([1.0, 100.0, 10.0])
>>> hessian = np.sqrt(np.outer(scales, scales)) * (np.eye(3) + 0.1)
>>> diagonal = DiagonalPreconditioner.of(np.diag(hessian))
>>> better = preconditioned(hessian, diagonal) @ np.eye(3)
>>> bool(np.linalg.cond(better) < 2 < 100 < np.linalg.cond(hessian))
True
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
from scipy.sparse.linalg import LinearOperator

from rmtland.arguments import dense_array, entries, float_array, nonnegative
from rmtland.estimate import symmetric_operator
from rmtland.free import free_product
from rmtland.laws import Discrete, Law, SpectralModel, affine, pushforward
from rmtland.typing import ArrayLike, Operator, Real

__all__ = [
    "DiagonalPreconditioner",
    "KroneckerPreconditioner",
    "Preconditioner",
    "preconditioned",
    "preconditioned_law",
]


class Preconditioner(Protocol):
    """A positive definite matrix P of order `size`, by its roots."""

    @property
    def size(self) -> int:
        """Order of P."""

    def root(self, vector: Real) -> Real:
        """Return P^(1/2) times a vector."""

    def inverse_root(self, vector: Real) -> Real:
        """Return P^(-1/2) times a vector."""


class _Rooted(abc.ABC):
    """A preconditioner whose roots multiply vectors of its order only."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Order of the matrix."""

    @abc.abstractmethod
    def _applied(self, vector: Real, which: int) -> Real:
        """Return P^(1/2), or with 1 its inverse, times a vector of the right shape."""

    def root(self, vector: Real) -> Real:
        """Return P^(1/2) times a vector.

        Parameters
        ----------
        vector : ndarray of float, shape (p,)
            The vector.

        Returns
        -------
        ndarray of float, shape (p,)
            The product.

        Raises
        ------
        ValueError
            If the vector has another shape.
        """
        return self._applied(self._fitting(vector), 0)

    def inverse_root(self, vector: Real) -> Real:
        """Return P^(-1/2) times a vector.

        Parameters
        ----------
        vector : ndarray of float, shape (p,)
            The vector.

        Returns
        -------
        ndarray of float, shape (p,)
            The product.

        Raises
        ------
        ValueError
            If the vector has another shape.
        """
        return self._applied(self._fitting(vector), 1)

    def _fitting(self, vector: Real) -> Real:
        found = np.asarray(vector)
        if found.shape != (self.size,):
            raise ValueError(f"the vector must have shape ({self.size},); got {found.shape}")
        return found


@dataclass(frozen=True)
class DiagonalPreconditioner(_Rooted):
    """A diagonal matrix.

    Parameters
    ----------
    values : ndarray of float, shape (p,)
        Its entries, > 0.

    Raises
    ------
    ValueError
        If one is not positive and finite.
    TypeError
        If `values` holds no real numbers.
    """

    values: Real = field(repr=False)

    def __post_init__(self) -> None:
        found = float_array("values", self.values, ndim=1)
        if not (found.size and found.min() > 0 and np.isfinite(found).all()):
            raise ValueError(
                "values must be positive and finite; of a diagonal with zeros take "
                "DiagonalPreconditioner.of(diagonal, damping=)"
            )
        object.__setattr__(self, "values", found)

    @classmethod
    def of(cls, diagonal: ArrayLike, *, damping: float = 0.0) -> Self:
        """Return Jacobi's preconditioner of a diagonal, damped.

        Parameters
        ----------
        diagonal : array_like of float, shape (p,)
            Diagonal of the Hessian (`rmtland.estimate.diagonal`); negative entries count as 0.
        damping : float, optional
            What is added, in parts of the mean entry.

        Returns
        -------
        DiagonalPreconditioner
            The matrix.

        Raises
        ------
        ValueError
            If an entry is then 0.
        """
        entries = np.maximum(float_array("diagonal", diagonal, ndim=1), 0.0)
        if entries.size and not entries.max() > 0:
            raise ValueError(
                f"none of the {entries.size} entries of diagonal is above 0: there is no curvature "
                "to precondition by, and damping is in parts of their mean"
            )
        return cls(entries + nonnegative("damping", damping) * entries.mean())

    @property
    def size(self) -> int:
        """Order of the matrix."""
        return self.values.size

    def _applied(self, vector: Real, which: int) -> Real:
        roots = np.sqrt(self.values)
        return np.asarray(vector / roots if which else roots * vector)


@dataclass(frozen=True)
class KroneckerPreconditioner(_Rooted):
    """A block matrix, a Kronecker product for each weight matrix.

    Parameters
    ----------
    factors : sequence of (ndarray, ndarray)
        Positive definite factors L (a, a) and R (b, b) of each block: on a weight matrix V of
        shape (a, b), row by row, it acts as L V R. A vector of a parameters has R of shape (1, 1).

    Raises
    ------
    ValueError
        If there are no factors, or one is not square, not symmetric, or not positive definite.
    TypeError
        If `factors` is no sequence.
    """

    factors: Sequence[tuple[Real, Real]] = field(repr=False)
    _roots: list[tuple[Real, Real, Real, Real]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not entries("factors", self.factors):
            raise ValueError("factors must hold a pair for each block; got none")
        roots = []
        for left, right in self.factors:
            one, two = _roots_of(left), _roots_of(right)
            roots.append((*one, *two))
        object.__setattr__(self, "_roots", roots)

    @classmethod
    def of(
        cls, matrix: ArrayLike, shapes: Sequence[tuple[int, ...]], *, damping: float = 1e-3
    ) -> Self:
        r"""Return the factors of the diagonal blocks of a matrix, by partial traces.

        .. formula:: Kronecker factors by partial traces, :math:`L = \mathrm{tr}_R G`, :math:`R =
            \mathrm{tr}_L G/\mathrm{tr}\, G`

        Parameters
        ----------
        matrix : array_like of float, shape (p, p)
            Gauss-Newton matrix, or another positive semi-definite one.
        shapes : sequence of tuple of int
            Shapes of the weight matrices and vectors in their order in the parameters, such as
            ``[block.shape for block in net.blocks]``.
        damping : float, optional
            What is added to each factor, in parts of its mean eigenvalue.

        Returns
        -------
        KroneckerPreconditioner
            The matrix, of the trace of the diagonal blocks but for the damping. It is the block
            itself where that is a Kronecker product.

        Raises
        ------
        ValueError
            If the shapes do not make up p, or a factor is not positive definite.
        """
        full = dense_array("matrix", matrix)
        added = nonnegative("damping", damping)
        shapes = [tuple(shape) or (1,) for shape in shapes]  # a scalar is a vector of length 1
        if any(size < 1 for shape in shapes for size in shape):
            raise ValueError(f"shapes must hold positive sizes; got {shapes}")
        sizes = [math.prod(shape) for shape in shapes]
        if full.shape != (sum(sizes), sum(sizes)):
            raise ValueError(
                f"shapes make up {sum(sizes)} parameters; the matrix has shape {full.shape}"
            )
        factors, start = [], 0
        for shape, size in zip(shapes, sizes, strict=True):
            a, b = shape[0], size // shape[0]
            block = full[start : start + size, start : start + size].reshape(a, b, a, b)
            left, right = np.einsum("ijkj->ik", block), np.einsum("ijik->jk", block)
            trace = float(np.trace(left))
            if not trace > 0:
                raise ValueError(f"the block of shape {tuple(shape)} has no positive trace")
            right = right / trace
            factors.append(
                (
                    left + added * trace / a * np.eye(a),
                    right + added / b * np.eye(b),
                )
            )
            start += size
        return cls(tuple(factors))

    @property
    def size(self) -> int:
        """Order of the matrix."""
        return sum(len(left) * len(right) for left, right in self.factors)

    def _applied(self, vector: Real, which: int) -> Real:
        parts, start = [], 0
        for roots in self._roots:
            left, right = roots[which], roots[2 + which]
            size = len(left) * len(right)
            weights = vector[start : start + size].reshape(len(left), len(right))
            parts.append((left @ weights @ right).ravel())
            start += size
        return np.concatenate(parts)


def _roots_of(factor: Real) -> tuple[Real, Real]:
    """Square root of a positive definite matrix, and of its inverse."""
    matrix = dense_array("factor", factor)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"factors must be square matrices; got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("factors must be finite; got NaN or infinite entries")
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-9 * float(np.abs(matrix).max())):
        raise ValueError("factors must be symmetric")
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if not values[0] > 1e-14 * values[-1]:
        raise ValueError(
            f"factors must be positive definite; got eigenvalues from {values[0]:.3g} to "
            f"{values[-1]:.3g}: give more damping"
        )
    roots = np.sqrt(values)
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T


def preconditioned(operator: Operator, preconditioner: Preconditioner) -> LinearOperator:
    r"""Return P^(-1/2) H P^(-1/2): what a preconditioned method sees.

    .. formula:: Preconditioned spectrum, :math:`P^{-1/2} H P^{-1/2}`, and law of scales
        :math:`d/(d^s + \delta)`
        :and: rmtland.optimizer.preconditioned_law

    Parameters
    ----------
    operator : anything that multiplies
        H: see `rmtland.estimate.symmetric_operator`.
    preconditioner : DiagonalPreconditioner or KroneckerPreconditioner
        P.

    Returns
    -------
    LinearOperator
        Of the shape of H; for `rmtland.estimate` and `gradient_measure`, with the gradient
        P^(-1/2) g.

    Raises
    ------
    ValueError
        If the orders differ.
    TypeError
        If the preconditioner has no roots.
    """
    if not callable(getattr(preconditioner, "inverse_root", None)):
        raise TypeError(
            "preconditioner must be a DiagonalPreconditioner, a KroneckerPreconditioner or another "
            f"with root and inverse_root; got {type(preconditioner).__name__}"
        )
    matrix = symmetric_operator(operator)
    if preconditioner.size != matrix.size:
        raise ValueError(
            f"the preconditioner has the order {preconditioner.size}, the matrix {matrix.size}"
        )

    def product(vector: Real) -> Real:
        flat = np.asarray(vector, dtype=np.float64).ravel()
        return preconditioner.inverse_root(matrix.matvec(preconditioner.inverse_root(flat)))

    shape = (matrix.size, matrix.size)
    dtype = matrix.dtype  # of the products: how far they are to be trusted
    return LinearOperator(shape, matvec=product, rmatvec=product, dtype=dtype)


def preconditioned_law(
    bulk: Law | SpectralModel, scales: Law, *, power: float = 1.0, damping: float = 0.0
) -> Law:
    r"""Return the law of D^(1/2) W D^(1/2) preconditioned by D^s + delta.

    Parameters
    ----------
    bulk : Law or SpectralModel
        Of W: Marchenko-Pastur for a sample covariance, or the Hessian of least squares.
    scales : Law
        Of D, positive. For Kronecker factors that of the products of their eigenvalues.
    power : float, optional
        s: 1 for the full preconditioner, 1/2 for its root (as Adam takes it), 0 for none. Laws
        that are not discrete take these three.
    damping : float, optional
        delta, in the unit of D^s.

    Returns
    -------
    Law
        The free product of W and the law of d/(d^s + delta).

    Raises
    ------
    ValueError
        If scales are not positive, or the power is not one of these.
    TypeError
        If `bulk` or `scales` is no law, or `damping` or `power` no real number.

    References
    ----------
    .. [1] J. Martens and R. Grosse, Optimizing neural networks with Kronecker-factored approximate
           curvature, ICML 2015.

    Examples
    --------
    >>> from rmtland.laws import MarchenkoPastur
    >>> preconditioned_law(MarchenkoPastur(0.5), Discrete((1.0, 100.0), (0.5, 0.5)))
    MarchenkoPastur(aspect_ratio=0.5, scale=1.0)
    """
    added, exponent = nonnegative("damping", damping), nonnegative("power", power)
    if isinstance(bulk, SpectralModel):
        bulk = bulk.law
    for name, given in (("bulk", bulk), ("scales", scales)):
        if not isinstance(given, Law):
            raise TypeError(f"{name} must be a law; got {type(given).__name__}")
    low, _ = scales.hull
    if not low > 0:
        raise ValueError(f"scales must be positive; {scales} reaches down to {low:g}")
    if exponent == 1 and added == 0:
        return bulk
    return free_product(bulk, _scaled(scales, exponent, added))


def _scaled(scales: Law, power: float, damping: float) -> Law:
    """Law of d/(d^power + damping)."""
    if isinstance(scales, Discrete):
        places = np.array([place for place, _ in scales.atoms])
        masses = np.array([mass for _, mass in scales.atoms])
        return Discrete(tuple(places / (places**power + damping)), tuple(masses))
    if power == 0:
        return affine(scales, scale=1 / (1 + damping))
    if power == 1:  # 1/(1 + damping/d)
        return pushforward(
            affine(pushforward(scales, "inverse"), scale=damping, shift=1.0), "inverse"
        )
    if power == 0.5 and damping == 0:
        return pushforward(scales, "sqrt")
    raise ValueError(
        "of scales that are not discrete the power is 0, 1/2 (without damping) or 1; got "
        f"{power:g} and damping {damping:g}"
    )
