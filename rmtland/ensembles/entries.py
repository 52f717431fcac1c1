r"""Random entries of matrices, on any array library.

Entries are centred and of variance 1: normal, sign (+-1 with probability 1/2), uniform on
[-sqrt 3, sqrt 3], or Student's t with nu > 2 degrees of freedom divided by its standard deviation;
the moments of that one are finite below order nu. For a non-normal entry x the limiting laws of
Wigner and sample covariance matrices are the same (universality); what changes at finite n is
governed by E x^4, and largest eigenvalues stay at the edge only if it is finite [1]_.

References
----------
.. [1] Z. D. Bai and Y. Q. Yin, Necessary and sufficient conditions for almost sure convergence of
       the largest eigenvalue of a Wigner matrix, Annals of Probability 16 (1988) 1729-1741.

Examples
--------
>>> fourth_moment("uniform"), fourth_moment("student", 5.0), fourth_moment("student", 4.0)
(1.8, 9.0, inf)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import choice, finite
from rmtland.arrays import ArrayLibrary
from rmtland.ensembles.device.kernels import Kernels, kernels_of
from rmtland.streams import philox_keys
from rmtland.typing import Array, Namespace

__all__ = [
    "KINDS",
    "DeviceDraws",
    "Draws",
    "Entries",
    "HostDraws",
    "columns",
    "entry_kind",
    "fourth_moment",
]

_FIRST_STREAM = 7  # the ones below belong to tridiagonal rows

KINDS = ("normal", "sign", "uniform", "student")


class Draws(Protocol):
    """Random numbers of a batch of runs; results have shape (runs, ...)."""

    @property
    def runs(self) -> int:
        """Number of runs."""

    def part(self, chosen: slice) -> Draws:
        """Return the draws of some of the runs."""

    def normal(self, *shape: int) -> Array:
        """Independent standard normal numbers."""

    def uniform(self, *shape: int) -> Array:
        """Independent uniform numbers between 0 and 1."""

    def chisquare(self, shape: tuple[int, ...], top: float, slope: float) -> Array:
        """Independent chi-square variables of top - slope * i degrees of freedom, i their place."""

    def host_generators(self) -> list[np.random.Generator]:
        """NumPy generators, one a run, for what is drawn on the host whatever the library."""


@dataclass(frozen=True)
class HostDraws:
    """Numbers of NumPy's generators, one a run, moved to the library."""

    library: ArrayLibrary
    generators: tuple[np.random.Generator, ...]

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.generators)

    def part(self, chosen: slice) -> HostDraws:
        """Return the draws of some of the runs; other libraries than NumPy may try a part again."""
        some = self.generators[chosen]
        return HostDraws(self.library, some if self.library.name == "numpy" else deepcopy(some))

    def normal(self, *shape: int) -> Array:
        """Independent standard normal numbers."""
        return self._stack(lambda g: g.standard_normal(shape, dtype=self.library.precision))

    def uniform(self, *shape: int) -> Array:
        """Independent uniform numbers between 0 and 1."""
        return self._stack(lambda g: g.random(shape, dtype=self.library.precision))

    def chisquare(self, shape: tuple[int, ...], top: float, slope: float) -> Array:
        """Independent chi-square variables of top - slope * i degrees of freedom, i their place."""
        degrees = top - slope * np.arange(shape[0], dtype=np.float64) if slope else top
        return self._stack(lambda g: g.chisquare(degrees, shape))

    def host_generators(self) -> list[np.random.Generator]:
        """NumPy generators, one a run, for what is drawn on the host whatever the library."""
        return [np.random.default_rng(int(g.integers(0, 2**62))) for g in self.generators]

    def _stack(self, draw: Callable[[np.random.Generator], Array]) -> Array:
        rows = [self.library.array(draw(generator)) for generator in self.generators]
        return rows[0][None, ...] if len(rows) == 1 else self.library.xp.stack(rows)


class DeviceDraws:
    """Counter-based numbers of all runs in one launch; each call takes the next stream.

    Parameters
    ----------
    library : ArrayLibrary
        Where the arrays live.
    kernels : Kernels
        The kernels of that library.
    keys : ndarray of uint64, shape (runs, 2)
        Seed and number of each run.
    """

    def __init__(self, library: ArrayLibrary, kernels: Kernels, keys: NDArray[np.uint64]) -> None:
        self.library, self.kernels, self.keys = library, kernels, keys
        self.here = kernels.xp.asarray(keys)
        self.stream = _FIRST_STREAM

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.keys)

    def part(self, chosen: slice) -> DeviceDraws:
        """Return the draws of some of the runs, from the first stream on."""
        return DeviceDraws(self.library, self.kernels, self.keys[chosen])

    def normal(self, *shape: int) -> Array:
        """Independent standard normal numbers."""
        return self._fill("normals", shape)

    def uniform(self, *shape: int) -> Array:
        """Independent uniform numbers between 0 and 1."""
        return self._fill("uniforms", shape)

    def chisquare(self, shape: tuple[int, ...], top: float, slope: float) -> Array:
        """Independent chi-square variables of top - slope * i degrees of freedom, i their place."""
        self.stream += 1
        degrees = (top, slope, 1.0)
        values = self.kernels.chisquares(self.here, self.stream, 0, math.prod(shape), degrees)
        return values.reshape(self.runs, *shape).astype(self.library.precision, copy=False)

    def host_generators(self) -> list[np.random.Generator]:
        """NumPy generators, one a run, for what is drawn on the host whatever the library."""
        self.stream += 1
        counter = [0, 0, self.stream, 1]  # the kernels leave the last word zero
        return [
            np.random.Generator(np.random.Philox(key=key, counter=np.array(counter, np.uint64)))
            for key in self.keys
        ]

    def _fill(self, kind: str, shape: tuple[int, ...]) -> Array:
        self.stream += 1
        size, precision = math.prod(shape), self.library.precision
        values = self.kernels.fill(kind, self.here, self.stream, 0, size, precision)
        return values.reshape(self.runs, *shape)


@dataclass(frozen=True)
class Entries:
    """Random arrays for a batch of runs; results have shape (runs, ...).

    Parameters
    ----------
    library : ArrayLibrary
        Where the arrays live.
    draws : Draws
        Their random numbers, the same whatever the batch.
    """

    library: ArrayLibrary
    draws: Draws

    @classmethod
    def of(cls, library: ArrayLibrary, generators: Sequence[np.random.Generator]) -> Self:
        """Return the entries of runs: counter-based ones where the library has kernels.

        Parameters
        ----------
        library : ArrayLibrary
            Where the arrays live.
        generators : sequence of numpy.random.Generator
            One a run; kernels take their keys from them.

        Returns
        -------
        Entries
        """
        kernels = kernels_of(library)
        if kernels is None:
            return cls(library, HostDraws(library, tuple(generators)))
        return cls(library, DeviceDraws(library, kernels, philox_keys(generators)))

    def part(self, chosen: slice) -> Entries:
        """Return the entries of some of the runs."""
        return Entries(self.library, self.draws.part(chosen))

    @property
    def runs(self) -> int:
        """Number of runs."""
        return self.draws.runs

    @property
    def xp(self) -> Namespace:
        """The array library."""
        return self.library.xp

    def normal(self, *shape: int) -> Array:
        """Independent standard normal numbers."""
        return self.draws.normal(*shape)

    def chi(self, top: float, number: int) -> Array:
        """Independent chi variables of top, top - 1, ... > 0 degrees of freedom."""
        return self.xp.sqrt(self.draws.chisquare((number,), top, 1.0))

    def standard(self, kind: str, degrees: float | None, *shape: int) -> Array:
        """Independent entries of mean 0 and variance 1."""
        if kind == "normal":
            return self.normal(*shape)
        if kind == "student":
            assert degrees is not None
            chi = self.draws.chisquare(shape, degrees, 0.0)
            return self.normal(*shape) * self.xp.sqrt((degrees - 2) / chi)
        centred = self.draws.uniform(*shape) - 0.5
        if kind == "uniform":
            return centred * math.sqrt(12)
        one = self.xp.ones_like(centred)
        return self.xp.where(centred < 0, -one, one)

    def gaussian(self, beta: int, rows: int, columns: int) -> Array:
        """Gaussian matrix whose `beta` real components of an entry are standard normal.

        Complex for beta = 2; for beta = 4 a quaternion a + b j is the block [[a, b], [-b*, a*]].
        """
        if beta == 1:
            return self.normal(rows, columns)
        if beta == 2:
            return self._complex(rows, columns)
        a, b = self._complex(rows, columns), self._complex(rows, columns)
        upper = self.xp.concat([a, b], axis=-1)
        lower = self.xp.concat([-self.xp.conj(b), self.xp.conj(a)], axis=-1)
        return self.xp.concat([upper, lower], axis=-2)

    def bartlett(self, rows: int, columns: int) -> Array:
        """Draw F for which F F^T has the law of X X^T, X standard normal (rows, columns).

        F is X itself, or where columns >= rows the lower triangular L of X = L Q: chi variables
        on the diagonal, normal numbers below it.
        """
        if columns < rows:
            return self.normal(rows, columns)
        lower = self.xp.tril(self.normal(rows, rows), k=-1)
        return self.with_diagonal(lower, self.chi(float(columns), rows))

    def host_generators(self) -> list[np.random.Generator]:
        """NumPy generators, one a run, for what is drawn on the host whatever the library."""
        return self.draws.host_generators()

    def haar(self, beta: int, rows: int, columns: int) -> Array:
        """First columns of a Haar-distributed orthogonal (beta = 1) or unitary (2) matrix.

        The QR factorisation of a Gaussian matrix with the phases of R taken out.
        """
        q, r = self.xp.linalg.qr(self.gaussian(beta, rows, columns))
        diagonal = self.xp.linalg.diagonal(r)
        return q * (diagonal / self._modulus(diagonal))[:, None, :]

    def array(self, values: Array) -> Array:
        """Given numbers as an array of the library."""
        return self.library.array(values)

    def eye(self, n: int) -> Array:
        """Return the unit matrix of size n."""
        return self.xp.eye(n, dtype=self.library.real, device=self.library.device)

    def with_diagonal(self, matrices: Array, diagonal: Array) -> Array:
        """Add diagonal matrices; `diagonal` has shape (n,) or (runs, n)."""
        n = matrices.shape[-1]
        added = self.eye(n) * diagonal[..., None, :]
        if added.dtype != matrices.dtype:
            added = self.xp.astype(added, matrices.dtype)
        return matrices + added

    def adjoint(self, matrices: Array) -> Array:
        """Conjugate transposes."""
        turned = self.xp.linalg.matrix_transpose(matrices)
        return turned if turned.dtype == self.library.real else self.xp.conj(turned)

    def _complex(self, rows: int, columns: int) -> Array:
        parts = self.normal(2, rows, columns)
        real = self.xp.astype(parts[:, 0, ...], self.library.complex)
        return real + 1j * self.xp.astype(parts[:, 1, ...], self.library.complex)

    def _modulus(self, array: Array) -> Array:
        return self.xp.astype(self.xp.abs(array), array.dtype)


def columns(n: float, aspect_ratio: float) -> int:
    """Return the number of columns of a factor with n rows: round(n / aspect_ratio), at least 1.

    Raises
    ------
    ValueError
        If that number is beyond double precision.
    """
    number = n / aspect_ratio
    if math.isinf(number):
        raise ValueError(
            f"{n:g} rows of aspect ratio {aspect_ratio:g} need too many columns for double "
            "precision; choose a larger ratio"
        )
    return max(1, round(number))


def entry_kind(entries: str, degrees: float | None) -> tuple[str, float | None]:
    """Check a kind of entry and its degrees of freedom, which Student's t alone has.

    Raises
    ------
    ValueError
        If the kind is unknown, or the degrees are missing, superfluous or not above 2.
    """
    kind = choice("entries", entries, KINDS)
    if kind != "student":
        if degrees is not None:
            raise ValueError(f"degrees belong to student entries; got {degrees} for {kind} ones")
        return kind, None
    if degrees is None:
        raise ValueError("student entries need their degrees of freedom, degrees > 2")
    number = finite("degrees", degrees)
    if number <= 2:
        raise ValueError(f"degrees must be above 2 for a finite variance; got {number}")
    return kind, number


def fourth_moment(kind: str, degrees: float | None = None) -> float:
    """E x^4 of an entry; infinite for Student's t with at most 4 degrees of freedom."""
    if kind != "student" or degrees is None:
        return {"normal": 3.0, "sign": 1.0, "uniform": 1.8}[kind]
    return 3 * (degrees - 2) / (degrees - 4) if degrees > 4 else math.inf
