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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import choice, finite
from rmtland.arrays import ArrayLibrary

__all__ = ["KINDS", "Entries", "columns", "entry_kind", "fourth_moment"]

KINDS = ("normal", "sign", "uniform", "student")


@dataclass(frozen=True)
class Entries:
    """Random arrays for a batch of runs, one generator each; results have shape (runs, ...).

    Parameters
    ----------
    library : ArrayLibrary
        Where the arrays live.
    generators : tuple
        One a run, drawn from in the same way whatever the batch.
    """

    library: ArrayLibrary
    generators: tuple[Any, ...]

    @property
    def xp(self) -> Any:
        """The array library."""
        return self.library.xp

    def normal(self, *shape: int) -> Any:
        """Independent standard normal numbers."""
        precision = self.library.precision
        return self._stack(lambda g: g.standard_normal(shape, dtype=precision))

    def chi(self, degrees: NDArray[np.float64]) -> Any:
        """Independent chi variables, one for each number of degrees of freedom > 0."""
        given = self.array(degrees) if self.library.name == "cupy" else degrees  # CuPy only
        return self.xp.sqrt(self._stack(lambda g: g.chisquare(given, degrees.shape)))

    def standard(self, kind: str, degrees: float | None, *shape: int) -> Any:
        """Independent entries of mean 0 and variance 1."""
        if kind == "normal":
            return self.normal(*shape)
        if kind == "student":
            assert degrees is not None
            chi = self._stack(lambda g: g.chisquare(degrees, shape))
            return self.normal(*shape) * self.xp.sqrt((degrees - 2) / chi)
        centred = self._stack(lambda g: g.random(shape, dtype=self.library.precision)) - 0.5
        if kind == "uniform":
            return centred * math.sqrt(12)
        one = self.xp.ones_like(centred)
        return self.xp.where(centred < 0, -one, one)

    def gaussian(self, beta: int, rows: int, columns: int) -> Any:
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

    def bartlett(self, rows: int, columns: int) -> Any:
        """Draw F for which F F^T has the law of X X^T, X standard normal (rows, columns).

        F is X itself, or where columns >= rows the lower triangular L of X = L Q: chi variables
        on the diagonal, normal numbers below it.
        """
        if columns < rows:
            return self.normal(rows, columns)
        lower = self.xp.tril(self.normal(rows, rows), k=-1)
        return self.with_diagonal(lower, self.chi(columns - np.arange(rows, dtype=np.float64)))

    def host_generators(self) -> list[np.random.Generator]:
        """NumPy generators, one a run, for what is drawn on the host whatever the library."""
        return [np.random.default_rng(int(g.integers(0, 2**62))) for g in self.generators]

    def haar(self, beta: int, rows: int, columns: int) -> Any:
        """First columns of a Haar-distributed orthogonal (beta = 1) or unitary (2) matrix.

        The QR factorisation of a Gaussian matrix with the phases of R taken out.
        """
        q, r = self.xp.linalg.qr(self.gaussian(beta, rows, columns))
        diagonal = self.xp.linalg.diagonal(r)
        return q * (diagonal / self._modulus(diagonal))[:, None, :]

    def array(self, values: Any) -> Any:
        """Given numbers as an array of the library."""
        return self.library.array(values)

    def eye(self, n: int) -> Any:
        """Return the unit matrix of size n."""
        return self.xp.eye(n, dtype=self.library.real, device=self.library.device)

    def with_diagonal(self, matrices: Any, diagonal: Any) -> Any:
        """Add diagonal matrices; `diagonal` has shape (n,) or (runs, n)."""
        n = matrices.shape[-1]
        added = self.eye(n) * diagonal[..., None, :]
        if added.dtype != matrices.dtype:
            added = self.xp.astype(added, matrices.dtype)
        return matrices + added

    def adjoint(self, matrices: Any) -> Any:
        """Conjugate transposes."""
        turned = self.xp.linalg.matrix_transpose(matrices)
        return turned if turned.dtype == self.library.real else self.xp.conj(turned)

    def _complex(self, rows: int, columns: int) -> Any:
        parts = self.normal(2, rows, columns)
        real = self.xp.astype(parts[:, 0, ...], self.library.complex)
        return real + 1j * self.xp.astype(parts[:, 1, ...], self.library.complex)

    def _modulus(self, array: Any) -> Any:
        return self.xp.astype(self.xp.abs(array), array.dtype)

    def _stack(self, draw: Callable[[Any], Any]) -> Any:
        rows = [self.library.array(draw(generator)) for generator in self.generators]
        return rows[0][None, ...] if len(rows) == 1 else self.xp.stack(rows)


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
