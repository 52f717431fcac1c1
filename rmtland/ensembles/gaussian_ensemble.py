r"""Gaussian beta ensembles: GOE, GUE, GSE and any beta > 0.

Matrices A = (N + N^*) sqrt(v / (2 n beta)) where the beta real components of every entry of N are
standard normal: real (beta = 1), complex (2) or quaternion (4). Off the diagonal
:math:`E |a_{ij}|^2 = v/n`, on it the variance is 2 v/(n beta). The joint density of the eigenvalues
is proportional to :math:`\prod_{i<j} |\lambda_i - \lambda_j|^\beta e^{-\beta n \sum \lambda^2/4v}`,
for any beta > 0 that of the tridiagonal matrix [1]_

.. math:: T_{ii} \sim N\!\left(0, \frac{2 v}{n \beta}\right), \qquad
          T_{i,i+1} \sim \sqrt{\frac{v}{n \beta}} \, \chi_{(n - i) \beta}, \qquad i = 1, 2, \dots

The limit is the semicircle law of variance v; E tr A^2 / n = v (1 + (2/beta - 1)/n).

References
----------
.. [1] I. Dumitriu and A. Edelman, Matrix models for beta ensembles, J. Math. Phys. 43 (2002)
       5830-5847, theorem 2.12 (there with variances 1 and 1/2 times chi^2, here rescaled).

Examples
--------
>>> GaussianEnsemble(2).law
Semicircle(variance=1.0, center=0.0)
>>> spectrum = GaussianEnsemble(2.5).sample(200, rng=0, runs=20)
>>> abs(spectrum.moment(2) - (1 + (2 / 2.5 - 1) / 200)) < 5 * spectrum.moment_error(2)
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import positive
from rmtland.ensembles.entries import Entries
from rmtland.ensembles.krylov import Factor, GaussianFactor
from rmtland.ensembles.tridiagonal import RowDraws, Rows, TridiagonalEnsemble, scale_of, unit_of
from rmtland.laws import Semicircle
from rmtland.typing import Array, Real

__all__ = ["GaussianEnsemble"]


@dataclass(frozen=True)
class GaussianEnsemble(TridiagonalEnsemble):
    r"""Gaussian (Hermite) beta ensemble (GOE, GUE, GSE; Gaussian Wigner matrices).

    .. formula:: Tridiagonal models of beta ensembles, :math:`T_{i,i+1} \sim \sqrt{v/(n \beta)} \,
        \chi_{(n - i) \beta}`

    Parameters
    ----------
    beta : float
        Dyson index > 0: 1 orthogonal, 2 unitary, 4 symplectic; any other has a tridiagonal model
        only, and no `matrix`.
    variance : float
        Variance v > 0 of the limiting semicircle law.

    Raises
    ------
    ValueError
        If a parameter is not positive and finite.
    TypeError
        If `beta` or `variance` is no real number.

    See Also
    --------
    rmtland.laws.Semicircle : its limit.
    rmtland.laws.TracyWidom : of its largest eigenvalue.
    rmtland.ensembles.Wigner : other entries.
    """

    beta: float = 1.0
    variance: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", positive("beta", self.beta))
        object.__setattr__(self, "variance", positive("variance", self.variance))

    @property
    def law(self) -> Semicircle:
        """Semicircle law of the variance."""
        return Semicircle(self.variance)

    def _rows(self, n: int, draws: RowDraws) -> Rows:
        return _GaussianRows(n, draws, self.beta, scale_of(self, n))

    def _unit(self, n: int) -> float:
        return unit_of(max(math.sqrt(self.variance), scale_of(self, n)))

    def _limit_rows(self, steps: int) -> tuple[Real, Real]:
        return np.zeros(steps), np.full(steps - 1, math.sqrt(self.variance))

    def _factors(self) -> tuple[str, list[Factor]]:
        if self.beta != 1:
            return super()._factors()
        return "sum", [GaussianFactor(self.variance)]

    def _floats(self, n: int) -> float:
        return 6.0 * n * n * matrix_beta(self, self.beta) ** 2

    def _matrices(self, n: int, entries: Entries) -> Array:
        beta = matrix_beta(self, self.beta)
        half = entries.gaussian(beta, n, n)
        return (half + entries.adjoint(half)) * math.sqrt(self.variance / (2 * n * beta))


class _GaussianRows(Rows):
    """Rows of the tridiagonal model."""

    def __init__(self, size: int, draws: RowDraws, beta: float, scale: float) -> None:
        super().__init__(size, draws, beta)
        self.scale = scale

    def _next(self, start: int, length: int) -> tuple[Array, Array]:
        diagonal = math.sqrt(2) * self.scale * self.draws.normals(0, start, length)
        chi = self.draws.chis(1, start, length, self.size - 1, self.beta)
        return diagonal, self.scale * chi


def matrix_beta(ensemble: object, beta: float) -> int:
    """Return beta as 1, 2 or 4, for which there are matrices with independent entries."""
    if beta not in (1, 2, 4):
        raise ValueError(
            f"{ensemble} has full matrices for beta = 1, 2 or 4 only; use sample on NumPy or "
            "CuPy, tridiagonal, histogram, extremes or lanczos, which take any beta"
        )
    return int(beta)
