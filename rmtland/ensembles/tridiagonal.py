r"""Ensembles with a tridiagonal model: any beta > 0, any size.

The eigenvalues of the classical beta ensembles are those of tridiagonal matrices with independent
chi or beta distributed ingredients [1]_. From them come all eigenvalues in O(n^2), counts in bins
in O(n) per bin (`rmtland.ensembles.sturm`, never holding more than a block of rows), and the
outermost eigenvalues from the top left corner of the matrix alone: an eigenvector at a soft edge
decays faster than exponentially beyond some n^(1/3) rows [2]_. The corner is doubled until a
further doubling moves no eigenvalue asked for by more than 8 roundings of the norm.

The first k rows are also what k Lanczos steps from a uniform start vector see.

On a CUDA device the rows of all runs are drawn together, and eigenvalues are counted and bisected
there in double precision, whatever `dtype` is asked for (`rmtland.ensembles.device`).

References
----------
.. [1] I. Dumitriu and A. Edelman, Matrix models for beta ensembles, J. Math. Phys. 43 (2002)
       5830-5847.
.. [2] A. Edelman and P.-O. Persson, Numerical methods for eigenvalue distributions of random
       matrices, arXiv:math-ph/0501068 (2005), section 3.

Examples
--------
>>> import numpy as np
>>> from rmtland.ensembles import GaussianEnsemble
>>> goe = GaussianEnsemble()
>>> edges = np.linspace(-2, 2, 5)
>>> counts = goe.histogram(100_000, edges, rng=1)
>>> np.abs(counts / 1e5 - np.diff(goe.law.cdf(edges))).max() < 1e-4
np.True_
>>> top = goe.extremes(10**9, 2, rng=1)
>>> np.abs(top - 2).max() < 1e-5
np.True_
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import count
from rmtland.arrays import ArrayLibrary
from rmtland.ensembles.device.kernels import Kernels, kernels_of
from rmtland.ensembles.device.runs import DeviceRuns
from rmtland.ensembles.device.tridiagonal import DeviceRowDraws
from rmtland.ensembles.ensemble import Ensemble
from rmtland.ensembles.entries import DeviceDraws
from rmtland.streams import Rng, philox_keys, streams
from rmtland.typing import Array, Namespace, NumpyArray, Real

__all__ = ["RowDraws", "Rows", "TridiagonalEnsemble"]

ROW_BLOCK = 2**14  # rows drawn at once: they stay in the cache while many shifts pass over them
_ULP = float(np.finfo(np.float64).eps)
_NORMAL = float(np.finfo(np.float64).tiny)
_SAFE = 256  # binary exponent of what can be squared, with room for its rounding
_RARE = 36.0  # minus the logarithm of the probability that a corner misses an eigenvalue


class RowDraws(Protocol):
    """Ingredients of the rows of tridiagonal matrices; each kind has a stream of its own."""

    @property
    def xp(self) -> Namespace:
        """The array library."""

    def constant(self, value: float) -> Array:
        """Return one value a run: shape (1,), or (runs, 1)."""

    def normals(self, stream: int, start: int, count: int) -> Array:
        """Return standard normal numbers of the rows from `start` on."""

    def chis(self, stream: int, start: int, count: int, top: float, scale: float) -> Array:
        """Return chi variables of (top - row) * scale degrees of freedom, zero where not > 0."""

    def moments(
        self, stream: int, start: int, count: int, tops: tuple[float, float], half: float
    ) -> Array:
        """Return beta variables of parameters half * (top - row); 0 or 1 where one is not > 0."""


class HostRowDraws:
    """The ingredients of one run from NumPy's generators, row after row.

    Parameters
    ----------
    generator : numpy.random.Generator
        Its children are the streams.
    """

    xp: Namespace = np

    def __init__(self, generator: np.random.Generator) -> None:
        self.streams = generator.spawn(2)

    def constant(self, value: float) -> Real:
        """Return an array of one value."""
        return np.array([value])

    def normals(self, stream: int, start: int, count: int) -> Real:
        """Return standard normal numbers of the next rows."""
        return self.streams[stream].standard_normal(count)

    def chis(self, stream: int, start: int, count: int, top: float, scale: float) -> Real:
        """Return chi variables of (top - row) * scale degrees of freedom, zero where not > 0."""
        degrees = (top - _rows_from(start, count)) * scale
        values, some = np.zeros(count), degrees > 0
        values[some] = np.sqrt(self.streams[stream].chisquare(degrees[some]))
        return values

    def moments(
        self, stream: int, start: int, count: int, tops: tuple[float, float], half: float
    ) -> Real:
        """Return beta variables of parameters half * (top - row); 0 or 1 where one is not > 0."""
        first, second = (half * (top - _rows_from(start, count)) for top in tops)
        values = np.where(first > 0, 1.0, 0.0)
        both = (first > 0) & (second > 0)
        values[both] = self.streams[stream].beta(first[both], second[both])
        return values


def _rows_from(start: int, count: int) -> Real:
    return np.arange(start, start + count, dtype=np.float64)


class Rows(abc.ABC):
    """Source of the rows of random tridiagonal matrices, from the top down.

    Blocks of any length give the same rows.

    Parameters
    ----------
    size : int
        Number of rows.
    draws : RowDraws
        Their ingredients, of one run or of many.
    beta : float
        Dyson index > 0.
    """

    def __init__(self, size: int, draws: RowDraws, beta: float) -> None:
        self.size, self.beta, self.draws = size, beta, draws
        self.start, self.unit = 0, 1.0

    def in_units(self, unit: float) -> Self:
        """Take rows in this unit, a power of two, from now on."""
        self.unit = unit
        return self

    def take(self, length: int) -> tuple[Array, Array]:
        """Next rows, fewer at the end: their diagonal, and the off-diagonal below each of them."""
        start, length = self.start, min(length, self.size - self.start)
        self.start += length
        diagonal, off_diagonal = self._next(start, length)
        if self.unit == 1.0:
            return diagonal, off_diagonal
        return diagonal / self.unit, off_diagonal / self.unit

    @abc.abstractmethod
    def _next(self, start: int, length: int) -> tuple[Array, Array]:
        """Diagonal and off-diagonal of these rows, counted from zero; of many runs, one a line."""

    def matrix(self) -> tuple[Array, Array]:
        """All rows that are left: diagonal (size,) and off-diagonal (size - 1,)."""
        diagonal, off_diagonal = self.take(self.size)
        return diagonal, off_diagonal[..., :-1]


@dataclass(frozen=True)
class TridiagonalEnsemble(Ensemble):
    """An ensemble with a tridiagonal model (beta ensemble).

    .. formula:: Gamma variables by rejection
        :by: rmtland.ensembles.device.philox.chisquares

    References
    ----------
    .. [1] G. Marsaglia and W. W. Tsang, A simple method for generating gamma variables, ACM
           Transactions on Mathematical Software 26 (2000) 363-372.
    """

    @abc.abstractmethod
    def _rows(self, n: int, draws: RowDraws) -> Rows:
        """Tridiagonal matrix that Lanczos steps from a uniform start vector give."""

    @abc.abstractmethod
    def _limit_rows(self, steps: int) -> tuple[Real, Real]:
        """Jacobi coefficients of the limit: diagonal (steps,) and off-diagonal (steps - 1,)."""

    def _core(self, n: int, draws: RowDraws) -> Rows:
        """Tridiagonal matrix with all eigenvalues but the `_known` ones; it may be empty."""
        return self._rows(n, draws)

    def _unit(self, n: int) -> float:
        """Power of two near the largest eigenvalues where their squares leave double precision."""
        return 1.0

    def _sturm_rows(self, n: int, draws: RowDraws) -> Rows:
        """Rows of `_core` in a unit in which they can be squared."""
        return self._core(n, draws).in_units(self._unit(n))

    def tridiagonal(self, n: int, *, rng: Rng = None, runs: int = 1) -> tuple[Real, Real]:
        """Draw the tridiagonal matrices behind `sample`, `histogram` and `extremes`.

        Parameters
        ----------
        n : int
            Size of the ensemble's matrices.
        rng, runs
            As for `sample`.

        Returns
        -------
        (ndarray of shape (runs, r), ndarray of shape (runs, r - 1))
            Diagonals and off-diagonals. r = n unless eigenvalues at 0 or 1 are certain (those of
            a Wishart matrix with fewer columns than rows, say); these are left out.

        Raises
        ------
        ValueError
            If `n` or `runs` is below 1, or the matrices are too large for the memory.
        TypeError
            If a number is no integer.
        """
        n, runs = self._size(n), count("runs", runs)
        self._batch(n, ArrayLibrary.of(), (2.0 * runs + 6) * n)
        matrices = [
            self._core(n, HostRowDraws(generator)).matrix() for generator in streams(rng, runs)
        ]
        return np.stack([d for d, _ in matrices]), np.stack([e for _, e in matrices])

    def _spectra(
        self, n: int, library: ArrayLibrary, parents: Sequence[np.random.Generator]
    ) -> Iterator[Array]:
        kernels = kernels_of(library)
        if kernels is not None:
            yield from self._on_device(n, library, kernels, parents).spectra(n)
        elif library.name == "numpy":
            yield self._host_spectra(n, library, parents)
        else:
            yield from super()._spectra(n, library, parents)

    def _on_device(
        self,
        n: int,
        library: ArrayLibrary,
        kernels: Kernels,
        parents: Sequence[np.random.Generator],
    ) -> DeviceRuns:
        return DeviceRuns(
            lambda draws: self._sturm_rows(n, draws),
            self._known(n),
            self._hull,
            library,
            kernels,
            philox_keys(parents),
            lambda floats: self._batch(n, library, floats),
        )

    def _host_spectra(
        self, n: int, library: ArrayLibrary, parents: Sequence[np.random.Generator]
    ) -> Real:
        self._batch(n, library, 8.0 * n + len(parents) * n)
        nodes = np.empty((len(parents), n))
        for row, generator in zip(nodes, parents, strict=True):
            rows = self._core(n, HostRowDraws(generator))
            if rows.size:
                values = _all_eigenvalues(*rows.matrix(), library.precision)
                row[: rows.size] = np.clip(values, *self._hull)
            start = rows.size
            for place, multiplicity in self._known(n):
                row[start : start + multiplicity] = place
                start += multiplicity
        return nodes

    def _tridiagonals(self, n: int, draws: DeviceDraws) -> Array:
        """Tridiagonal matrices of all runs with all eigenvalues, shape (runs, n, n)."""
        xp, library = draws.library.xp, draws.library
        rows = self._core(n, DeviceRowDraws(draws.kernels, draws.here))
        matrices = xp.zeros((draws.runs, n, n), dtype=library.real)
        certain = [place for place, number in self._known(n) for _ in range(number)]
        if any(certain):
            matrices += xp.diag(library.array([0.0] * rows.size + certain))
        if rows.size:
            diagonal, off_diagonal = (xp.astype(part, library.real) for part in rows.matrix())
            index = xp.arange(rows.size)
            matrices[:, index, index] = diagonal
            if rows.size > 1:
                matrices[:, index[1:], index[:-1]] = off_diagonal
                matrices[:, index[:-1], index[1:]] = off_diagonal
        return matrices

    def _histogram(
        self,
        n: int,
        edges: Real,
        library: ArrayLibrary,
        parents: Sequence[np.random.Generator],
    ) -> NDArray[np.int64]:
        # The last bin is closed: what lies below the next number belongs to it.
        shifts = np.append(edges[:-1], np.nextafter(edges[-1], np.inf))
        kernels = kernels_of(library)
        if kernels is not None:
            runs = self._on_device(n, library, kernels, parents)
            return np.diff(runs.counts_below(shifts, ROW_BLOCK))
        if library.name != "numpy":
            return super()._histogram(n, edges, library, parents)
        return np.diff(self._host_counts(n, shifts, parents))

    def _host_counts(
        self, n: int, shifts: Real, parents: Sequence[np.random.Generator]
    ) -> NDArray[np.int64]:
        """Count the eigenvalues below each shift, all runs together."""
        from rmtland.ensembles.sturm import lanes, pivot_of, sweep  # numba loads at first use

        low, high = self._hull
        total = np.zeros(shifts.size, dtype=np.int64)
        for generator in parents:
            rows = self._sturm_rows(n, HostRowDraws(generator))
            with np.errstate(over="ignore"):
                padded, state, counts = lanes(shifts / rows.unit)
            above, largest = 0.0, 0.0
            while rows.start < rows.size:
                diagonal, off_diagonal = rows.take(ROW_BLOCK)
                squares = np.concatenate([[above], off_diagonal**2])
                above, largest = float(squares[-1]), float(squares.max(initial=largest))
                pivot = pivot_of(squares, largest)
                sweep(diagonal, squares[:-1], pivot, padded, state, counts)
            here = counts[: shifts.size]
            total += np.where(shifts <= low, 0, np.where(shifts > high, rows.size, here))
            for place, multiplicity in self._known(n):
                total += multiplicity * (place < shifts)
        return total

    def _extremes(
        self,
        n: int,
        k: int,
        edge: str,
        library: ArrayLibrary,
        parents: Sequence[np.random.Generator],
    ) -> Real:
        sign = 1.0 if edge == "upper" else -1.0
        kernels = kernels_of(library)
        if kernels is not None:
            return self._on_device(n, library, kernels, parents).extremes(k, sign, corner_of)
        if library.name != "numpy":
            return super()._extremes(n, k, edge, library, parents)
        known = np.array(
            [place for place, multiplicity in self._known(n) for _ in range(min(k, multiplicity))]
        )
        values = np.empty((len(parents), k))
        for row, generator in zip(values, parents, strict=True):
            rows = self._sturm_rows(n, HostRowDraws(generator))
            found = np.empty(0)
            if rows.size:
                found = _outermost(rows, min(k, rows.size), sign) * rows.unit
            found = np.clip(found, *self._hull)
            row[:] = -sign * np.sort(-sign * np.concatenate([found, known]))[:k]
        return values

    def _jacobi_coefficients(
        self, n: float, steps: int, generators: Sequence[np.random.Generator]
    ) -> tuple[Real, Real]:
        if math.isinf(n):
            alpha, beta = self._limit_rows(steps)
            return alpha[None], beta[None]
        taken = [
            self._rows(int(n), HostRowDraws(generator)).take(steps) for generator in generators
        ]
        return np.stack([a for a, _ in taken]), np.stack([b[: steps - 1] for _, b in taken])


def _all_eigenvalues(diagonal: Real, off_diagonal: Real, precision: str) -> NumpyArray:
    """All eigenvalues by the root-free QL iteration of LAPACK."""
    if diagonal.size == 1:
        return diagonal
    from scipy.linalg.lapack import dsterf, ssterf  # SciPy loads at first use

    solve = {"float32": ssterf, "float64": dsterf}[precision]
    values, info = solve(diagonal, off_diagonal)
    if info:
        raise ArithmeticError(f"LAPACK's sterf did not converge (info {info})")
    return np.asarray(values)


def corner_of(rows: Rows, k: int) -> int:
    """Rows of the corner that the search for the k outermost eigenvalues begins with."""
    # Airy zeros grow like (3 pi k / 2)^(2/3): the k-th eigenvector reaches that much further. The
    # rows below a n^(1/3) have an edge lower by a Tracy-Widom units, which their own largest
    # eigenvalue makes up for with a probability of about exp(-2 beta a^(3/2) / 3). Half of these
    # rows suffice, as the corner is doubled once at least.
    reach = 8 + (1.5 * math.pi * k) ** (2 / 3) + 0.5 * (1.5 * _RARE / rows.beta) ** (2 / 3)
    return int(min(rows.size, k + math.ceil(reach * rows.size ** (1 / 3))))


def _outermost(rows: Rows, k: int, sign: float) -> Real:
    """Return the k largest (sign 1) or smallest (-1) eigenvalues, from a corner that suffices."""
    from rmtland.ensembles.sturm import (
        below,
        extreme_eigenvalues,
        pivot_of,
    )  # numba loads at first use

    corner = corner_of(rows, k)
    diagonal, off_diagonal = rows.take(corner)
    while True:
        values = extreme_eigenvalues(sign * diagonal, off_diagonal[: diagonal.size - 1], k)
        if diagonal.size == rows.size:
            return sign * values
        more = rows.take(diagonal.size)
        diagonal = np.concatenate([diagonal, more[0]])
        off_diagonal = np.concatenate([off_diagonal, more[1]])
        # By interlacing a larger corner moves them outwards only: count those that have passed.
        squares = np.concatenate([[0.0], off_diagonal[: diagonal.size - 1] ** 2])
        norm = np.abs(diagonal).max() + 2 * np.sqrt(squares.max())
        passed = [
            below(sign * diagonal, squares, value + 8 * _ULP * norm, pivot_of(squares))
            for value in values
        ]
        if all(count >= diagonal.size - j for j, count in enumerate(passed)):
            return sign * values


class Chi(Protocol):
    """An ensemble whose tridiagonal model has chi variables."""

    @property
    def beta(self) -> float: ...
    @property
    def variance(self) -> float: ...


def scale_of(ensemble: Chi, degrees: int) -> float:
    """Scale of the chi variables of a tridiagonal model, sqrt(variance / (degrees beta)).

    Raises
    ------
    ValueError
        If it is beyond double precision.
    """
    square = ensemble.variance / (degrees * ensemble.beta)
    if square >= _NORMAL:
        scale = math.sqrt(square)
    else:  # the quotient would have lost digits
        scale = math.sqrt(ensemble.variance) / math.sqrt(degrees * ensemble.beta)
    if math.isinf(scale):
        raise ValueError(f"beta is too small for double precision in {ensemble}")
    return scale


def unit_of(size: float) -> float:
    """Power of two next to a size whose square is beyond double precision, or nearly; else 1."""
    exponent = math.frexp(size)[1] - 1
    return math.ldexp(1.0, exponent) if abs(exponent) > _SAFE else 1.0
