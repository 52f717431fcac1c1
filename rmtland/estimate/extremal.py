r"""Eigenpairs at the ends of the spectrum, largest in modulus, or next to a point, with residuals.

SciPy's thick-restart Lanczos (ARPACK [1]_) does the work; a small matrix is diagonalised, and one
up to p = 4096 whose eigenvalues are too close to each other for products. Each pair
comes with the norm of its residual, which bounds the distance to an eigenvalue:

.. math:: \min_i |\lambda_i - \theta| \le \|A u - \theta u\| , \qquad \|u\| = 1 .

A Krylov space has one vector of each eigenspace, so that copies of a multiple eigenvalue may be
missing: a second start vector, orthogonal to what was found, looks for them with up to a third of
the products.

Eigenvalues next to a point need the matrix itself, for shift-invert.

Synonyms: top eigenvalues, power iteration, sharpness (the largest eigenvalue), spectral norm.

References
----------
.. [1] R. B. Lehoucq, D. C. Sorensen and C. Yang, ARPACK Users' Guide, SIAM 1998.

Examples
--------
>>> import numpy as np
>>> values = np.append(np.linspace(-1.0, 1.0, 498), [4.0, 9.0])
>>> pairs = extremal_eigenpairs(lambda v: values * v, 2, which="largest", size=500, rng=0)
>>> np.round(pairs.values, 10), bool(pairs.residuals.max() < 1e-8)
(array([4., 9.]), True)
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from rmtland.arguments import choice, count, finite, positive
from rmtland.estimate.deflation import deflated_operator
from rmtland.estimate.krylov_basis import MemoryBasis
from rmtland.estimate.lanczos import Lanczos
from rmtland.estimate.operators import SymmetricOperator, symmetric_operator
from rmtland.estimate.radau import gauss
from rmtland.solution import ConvergenceError
from rmtland.streams import streams
from rmtland.typing import NumpyArray, Operator, Real, Rng

__all__ = ["Eigenpairs", "extremal_eigenpairs"]

_WHICH = {"largest": "LA", "smallest": "SA", "magnitude": "LM", "nearest": "LM"}
_DENSE = 512
_FORMED = 4096
"""Order up to which a matrix is formed and diagonalised where twice its p products have not done,
or shift-invert stalls after so many restarts:"""
_STALLED = 30
_NORM_STEPS = 6
_SHIFTS = {"LA": 3.0, "SA": -3.0, "LM": 0.0}
"""Of eigenvalues, in units of a norm that is known within a factor below 3."""


class Eigenpairs(NamedTuple):
    """Eigenvalues in ascending order, their vectors, and how well they fit.

    Made by `rmtland.estimate.extremal_eigenpairs`.

    Parameters
    ----------
    values : ndarray, shape (k,)
        Eigenvalues.
    vectors : ndarray, shape (p, k)
        Unit eigenvectors, in columns.
    residuals : ndarray, shape (k,)
        Norms of A u - value u: an eigenvalue lies within that of each value.
    products : int
        Products spent.
    """

    values: Real
    vectors: NumpyArray
    residuals: Real
    products: int


def extremal_eigenpairs(
    operator: Operator,
    k: int = 6,
    *,
    which: str = "both",
    near: float = 0.0,
    tol: float = 1e-9,
    max_steps: int | None = None,
    rng: Rng = None,
    size: int | None = None,
) -> Eigenpairs:
    """Return eigenpairs at the ends of the spectrum, with residual norms.

    Parameters
    ----------
    operator : anything that multiplies
        See `symmetric_operator`.
    k : int, optional
        How many; for "both", at each end.
    which : {"both", "largest", "smallest", "magnitude", "nearest"}, optional
        From both ends; the largest or smallest; the largest in modulus; those next to `near`, for
        which the matrix itself is needed (shift-invert).
    near : float, optional
        The point, for "nearest"; moved by 1e-10 of the norm, so as not to be an eigenvalue.
    tol : float, optional
        Largest residual that is accepted, relative to the largest modulus of an eigenvalue; at
        least 100 rounding units of the operator's precision.
    max_steps : int, optional
        Restarts of Lanczos that are allowed; ten times the size by default, and up to p = 4096
        about twice p products, after which the matrix is formed and diagonalised.
    rng : optional
        Draws the start vector; anything `numpy.random.default_rng` takes.
    size : int, optional
        Order of the matrix, for a function.

    Returns
    -------
    Eigenpairs
        In ascending order.

    Raises
    ------
    ConvergenceError
        If a residual is larger than the tolerance.
    ValueError
        For more eigenvalues than there are, or "nearest" without a matrix.
    TypeError
        If `tol` or `near` is no real number, or `k` or `max_steps` is no integer.

    See Also
    --------
    rmtland.estimate.spectral_density : the bulk.
    rmtland.comparison.signals : which of them are above noise.
    """
    found = symmetric_operator(operator, size=size)
    k, tol, near = count("k", k), positive("tol", tol), finite("near", near)
    choice("which", which, ("both", *_WHICH))
    max_steps = None if max_steps is None else count("max_steps", max_steps)
    wanted = 2 * k if which == "both" else k
    if which == "both":
        wanted = min(wanted, found.size)
    if wanted > found.size:
        raise ValueError(f"{k} eigenpairs were asked for, the matrix has {found.size}")
    before = found.products
    if found.size > _DENSE and 2 * wanted < found.size and wanted < found.size - 1:
        small = found.size <= _FORMED and max_steps is None
        restarts = max_steps
        if small:
            restarts = _STALLED if which == "nearest" else 10 + found.size // max(10, k)
        try:
            return _accepted(
                found, *_iterated(found, k, which, near, tol, restarts, rng), tol, before
            )
        except ConvergenceError:  # clusters, or many eigenvalues at the point of shift-invert
            if not small:
                raise
    return _accepted(found, *_dense(found, wanted, which, near), tol, before)


def _accepted(
    operator: SymmetricOperator,
    values: Real,
    vectors: NumpyArray,
    scale: float,
    tol: float,
    before: int,
) -> Eigenpairs:
    """Return pairs whose residuals are small beside the norm; refuse others."""
    images = np.concatenate(
        [operator.matmat(vectors[:, i : i + 8]) for i in range(0, vectors.shape[1], 8)], axis=1
    )
    residuals = np.linalg.norm(images - vectors * values, axis=0)
    unit = float(np.finfo(operator.dtype).eps)
    limit = max(tol, 100 * unit * np.sqrt(operator.size)) * max(scale, float(np.abs(values).max()))
    if residuals.max() > limit:
        raise ConvergenceError(
            f"the residual of an eigenpair is {residuals.max():.3g}, {limit:.3g} was asked for, "
            f"after {operator.products - before} products; give a larger tol or max_steps"
        )
    return Eigenpairs(values, vectors, residuals, operator.products - before)


def _dense(
    operator: SymmetricOperator, wanted: int, which: str, near: float
) -> tuple[Real, NumpyArray, float]:
    """Diagonalise and choose; return the norm of the matrix too."""
    values, vectors = np.linalg.eigh(operator.dense())
    size = len(values)
    if which == "both":
        chosen = np.r_[0 : (wanted + 1) // 2, size - wanted // 2 : size]
    elif which in ("largest", "smallest"):
        chosen = np.arange(size - wanted, size) if which == "largest" else np.arange(wanted)
    else:
        distance = np.abs(values - near) if which == "nearest" else -np.abs(values)
        chosen = np.sort(np.argsort(distance, kind="stable")[:wanted])
    return values[chosen], vectors[:, chosen], float(np.abs(values).max())


def _iterated(
    operator: SymmetricOperator,
    k: int,
    which: str,
    near: float,
    tol: float,
    max_steps: int | None,
    rng: Rng,
) -> tuple[Real, NumpyArray, float]:
    """Ask ARPACK, once for each end; return a lower bound of the norm of the matrix too.

    ARPACK takes a residual for small beside the eigenvalue of its pair, which never is where that
    is next to 0. With eigenvalues shifted away from 0, in units of the norm, it is beside the norm.
    """
    first, second = streams(rng, 2)
    start = first.standard_normal(operator.size).astype(operator.work_dtype)
    scale = _norm(operator, start)
    if scale == 0.0:  # ARPACK takes no zero matrix
        wanted = 2 * k if which == "both" else k
        return np.zeros(wanted), np.eye(operator.size, wanted, dtype=operator.work_dtype), scale
    place = near + 1e-10 * scale  # not at an eigenvalue: a zero pivot
    units = (_inverse if which == "nearest" else _in_units)(operator, place, scale)
    names = ("LA", "SA") if which == "both" else (_WHICH[which],)
    values, vectors = np.empty(0), np.empty((operator.size, 0), dtype=operator.work_dtype)
    for name in names:
        end = _End(units, name, tol, max_steps)
        found = end.eigenpairs(k, start, second)
        if values.size and found[0].max() >= values.min() - tol:  # both ends in one eigenspace
            end.taken = vectors
            found = end.eigenpairs(k, start, second)
        values = np.concatenate([values, found[0]])
        vectors = np.concatenate([vectors, found[1]], axis=1)
    values = place + scale / values if which == "nearest" else scale * values
    order = np.argsort(values, kind="stable")
    return values[order], vectors[:, order], scale


class _End:
    """One end of the spectrum of an operator of norm about 1."""

    def __init__(
        self, operator: SymmetricOperator, name: str, tol: float, restarts: int | None
    ) -> None:
        self.operator, self.name, self.shift = operator, name, _SHIFTS[name]
        self.tol, self.restarts = tol, restarts
        self.taken: NumpyArray = np.empty((operator.size, 0))

    def eigenpairs(
        self, k: int, start: NumpyArray, generator: np.random.Generator
    ) -> tuple[Real, NumpyArray]:
        """Return pairs of this end, copies of multiple eigenvalues included.

        Krylov spaces of one start vector have one vector of each eigenspace. What they miss is
        looked for from another start vector, orthogonal to what was found.
        """
        before = self.operator.products
        values, vectors = self._arpack(self._without(self.taken), k, start)
        steps = max(6, (self.operator.products - before) // 3)
        for _ in range(2 * k + 4):  # each time but the last a pair that belongs to the k
            rest = self._without(np.concatenate([self.taken, vectors], axis=1))
            other = generator.standard_normal(rest.size).astype(rest.work_dtype)
            run = Lanczos(
                rest, _outside(rest, other)[None], reorthogonalize="none", basis=_Forgotten()
            )
            run.extend(steps)  # without a basis: copies of what is at the end do no harm
            nodes, _ = gauss(run.tridiagonals()[0])
            worst = self._rank(values).min()
            if self._rank(nodes).max() <= worst + self.tol * max(1.0, abs(worst)):
                return values, vectors
            further, vector = self._arpack(rest, 1, other)
            values = np.append(values, further)
            vectors = np.concatenate([vectors, vector], axis=1)
            kept = np.argsort(-self._rank(values), kind="stable")[:k]
            values, vectors = values[kept], np.linalg.qr(vectors[:, kept])[0]
        raise ConvergenceError(
            "rounding makes ever further copies of an eigenvalue at the point of shift-invert; "
            "give a near that is not at an eigenvalue of many vectors, or a larger tol"
        )

    def _without(self, vectors: NumpyArray) -> SymmetricOperator:
        """Return the operator on the complement of some vectors."""
        return deflated_operator(self.operator, vectors) if vectors.size else self.operator

    def _rank(self, values: Real) -> Real:
        """Return what is larger the farther a value is at this end."""
        return {"LA": values, "SA": -values, "LM": np.abs(values)}[self.name]

    def _arpack(
        self, operator: SymmetricOperator, k: int, start: NumpyArray
    ) -> tuple[Real, NumpyArray]:
        from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

        def product(vector: NumpyArray) -> NumpyArray:
            flat = vector.ravel()
            return operator.matvec(flat) + self.shift * _outside(operator, flat)

        matrix = LinearOperator(operator.shape, matvec=product, dtype=operator.work_dtype)
        size = min(max(20, 3 * k), operator.size)  # 2k + 1 need up to three times the products
        try:
            values, vectors = eigsh(
                matrix,
                k,
                which=self.name,
                v0=start,
                tol=self.tol / 10,
                ncv=size,
                maxiter=self.restarts,
            )
        except ArpackNoConvergence as error:
            raise ConvergenceError(
                f"{len(error.eigenvalues)} of {k} eigenpairs converged; give a larger tol or "
                "max_steps, or fewer eigenpairs"
            ) from error
        return values - self.shift, vectors


class _Forgotten(MemoryBasis):
    """Keeps no vector."""

    def __init__(self) -> None:
        super().__init__(np.float64)

    def reserve(self, steps: int, runs: int, size: int) -> None:
        """Make no room."""

    def append(self, vectors: NumpyArray) -> None:
        """Forget the vectors."""
        self.filled += 1


def _outside(operator: SymmetricOperator, vector: NumpyArray) -> NumpyArray:
    """Return the part of a vector in the space on which an operator acts."""
    known = operator.complement
    return vector if known is None else vector - known @ (known.conj().T @ vector)


def _in_units(operator: SymmetricOperator, place: float, scale: float) -> SymmetricOperator:
    """Return A/scale."""

    def product(vectors: NumpyArray) -> NumpyArray:
        return operator.matmat(vectors) / scale

    return SymmetricOperator(product, operator.size, operator.dtype, operator.source)


def _inverse(operator: SymmetricOperator, place: float, scale: float) -> SymmetricOperator:
    """Return scale (A - place)^-1, by a factorisation of the matrix."""
    if operator.matrix is None:
        raise ValueError(
            "eigenvalues next to a point need the matrix itself (shift-invert); an operator by "
            "products gives those at the ends"
        )
    if hasattr(operator.matrix, "tocsc"):
        from scipy.sparse import eye_array
        from scipy.sparse.linalg import splu

        given = operator.matrix.astype(operator.work_dtype)
        shifted = given / scale - (place / scale) * eye_array(operator.size)
        solve = splu(shifted.tocsc()).solve
    else:
        from scipy.linalg import lu_factor, lu_solve

        factors = lu_factor(operator.dense() / scale - place / scale * np.eye(operator.size))
        solve = partial(lu_solve, factors)
    return SymmetricOperator(solve, operator.size, operator.work_dtype, operator.source)


def _norm(operator: SymmetricOperator, start: NumpyArray) -> float:
    """Return the largest Ritz value in modulus of a few steps: a lower bound of the norm."""
    run = Lanczos(operator, start[None])
    run.extend(_NORM_STEPS)
    return float(np.abs(gauss(run.tridiagonals()[0])[0]).max())
