r"""Wishart (Laguerre) beta ensembles of any aspect ratio.

Matrices X X^* with X of shape (n, q), independent Gaussian entries with :math:`E |x|^2 = s/q`:
real (beta = 1), complex (2) or quaternion (4); q = round(n / phi) but at least 1. For any beta > 0
the eigenvalues are those of B B^T with B lower bidiagonal [1]_, all entries independent,

.. math:: B_{ii} \sim \sqrt{\frac{s}{q \beta}} \, \chi_{(q - i + 1) \beta}, \qquad
          B_{i+1,i} \sim \sqrt{\frac{s}{q \beta}} \, \chi_{(n - i) \beta}, \qquad i = 1, 2, \dots,

which is also what Golub-Kahan bidiagonalisation of X from a uniform start vector gives. For q < n
the n - q zero eigenvalues are exact, and the others come from X^* X. The limit is the
Marchenko-Pastur law; E tr/n = s and E tr(X X^*)^2 / n = s^2 (1 + n/q + (2/beta - 1)/q).

References
----------
.. [1] I. Dumitriu and A. Edelman, Matrix models for beta ensembles, J. Math. Phys. 43 (2002)
       5830-5847, theorem 3.4.

Examples
--------
>>> ensemble = WishartEnsemble(4.0, beta=2)
>>> ensemble.law.atoms
((0.0, 0.75),)
>>> ensemble.sample(8, rng=0).inertia().zero
6
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import positive
from rmtland.ensembles.entries import Entries, columns
from rmtland.ensembles.gaussian_ensemble import matrix_beta
from rmtland.ensembles.krylov import Factor, WishartFactor
from rmtland.ensembles.tridiagonal import RowDraws, Rows, TridiagonalEnsemble, scale_of, unit_of
from rmtland.laws import MarchenkoPastur
from rmtland.typing import Array, Real

__all__ = ["WishartEnsemble"]


@dataclass(frozen=True)
class WishartEnsemble(TridiagonalEnsemble):
    """Wishart (Laguerre) beta ensemble (chiral ensemble; LOE, LUE, LSE; null sample covariance).

    Parameters
    ----------
    aspect_ratio : float
        Ratio phi = n/q > 0 of rows to columns.
    variance : float
        Scale s > 0, the mean eigenvalue; entries have variance s/q.
    beta : float
        Dyson index > 0: 1 real, 2 complex, 4 quaternion; any other has a tridiagonal model only.

    Raises
    ------
    ValueError
        If a parameter is not positive and finite.
    TypeError
        If `aspect_ratio`, `variance` or `beta` is no real number.

    See Also
    --------
    rmtland.laws.MarchenkoPastur : its limit.
    rmtland.ensembles.SampleCovariance : other covariances.
    """

    aspect_ratio: float
    variance: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "aspect_ratio", positive("aspect_ratio", self.aspect_ratio))
        object.__setattr__(self, "variance", positive("variance", self.variance))
        object.__setattr__(self, "beta", positive("beta", self.beta))

    @property
    def law(self) -> MarchenkoPastur:
        """Marchenko-Pastur law."""
        return MarchenkoPastur(self.aspect_ratio, self.variance)

    def columns(self, n: int) -> int:
        """Return the number of columns q of a matrix of size n.

        Parameters
        ----------
        n : int
            Size of the matrices.

        Returns
        -------
        int
            round(n / phi), at least 1.
        """
        return columns(n, self.aspect_ratio)

    @property
    def _hull(self) -> tuple[float, float]:
        return 0.0, math.inf

    def _known(self, n: int) -> tuple[tuple[float, int], ...]:
        q = self.columns(n)
        return ((0.0, n - q),) if q < n else ()

    def _core(self, n: int, draws: RowDraws) -> Rows:
        q = self.columns(n)
        scale = scale_of(self, q)
        return _WishartRows(min(n, q), draws, max(n, q), self.beta, scale)

    def _rows(self, n: int, draws: RowDraws) -> Rows:
        q = self.columns(n)
        return _WishartRows(n, draws, q, self.beta, scale_of(self, q))

    def _unit(self, n: int) -> float:
        return unit_of(self.variance)

    def _limit_rows(self, steps: int) -> tuple[Real, Real]:
        s, phi = self.variance, self.aspect_ratio
        alpha = np.full(steps, s * (1 + phi))
        alpha[0] = s
        return alpha, np.full(steps - 1, s * math.sqrt(phi))

    def _factors(self) -> tuple[str, list[Factor]]:
        if self.beta != 1:
            return super()._factors()
        return "sum", [WishartFactor(self.aspect_ratio, self.variance)]

    def _floats(self, n: int) -> float:
        return (6.0 * n + 2 * self.columns(n)) * n * matrix_beta(self, self.beta) ** 2

    def _matrices(self, n: int, entries: Entries) -> Array:
        beta, q = matrix_beta(self, self.beta), self.columns(n)
        factor = entries.gaussian(beta, n, q) * math.sqrt(self.variance / (q * beta))
        return factor @ entries.adjoint(factor)


class _WishartRows(Rows):
    """Rows of B B^T for X of shape (size, columns)."""

    def __init__(self, size: int, draws: RowDraws, columns: int, beta: float, scale: float) -> None:
        super().__init__(size, draws, beta)
        self.columns, self.scale = columns, scale
        self.above = draws.constant(0.0)  # entry of B left of the diagonal in the next row

    def _next(self, start: int, length: int) -> tuple[Array, Array]:
        draws, beta = self.draws, self.beta
        diagonal = self.scale * draws.chis(0, start, length, self.columns, beta)
        lower = self.scale * draws.chis(1, start, length, self.size - 1, beta)
        left = draws.xp.concatenate([self.above, lower[..., :-1]], axis=-1)
        self.above = lower[..., -1:]
        return diagonal**2 + left**2, diagonal * lower
