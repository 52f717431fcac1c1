r"""Jacobi (MANOVA) beta ensembles.

Matrices C^{-1/2} X X^* C^{-1/2}, C = X X^* + Y Y^*, with X of shape (n, q1), Y of shape (n, q2) and
independent Gaussian entries of one variance, q1 = round(n / phi_1), q2 = round(n / phi_2), each at
least 1. With [X, Y]^* = Q R they are rotations of Q_1^* Q_1 with Q_1 the first q1 rows of Q, and
that is how they are drawn. Where q1 + q2 < n the inverse is the pseudo-inverse, and the matrix is a
projection of rank q1.

For any beta > 0 the tridiagonal model is given by independent canonical moments [1]_ [2]_

.. math::
    p_{2i-1} \sim \mathrm{Beta}\left(\tfrac\beta2 (q_1 - i + 1), \tfrac\beta2 (q_2 - i + 1)\right),
    \qquad
    p_{2i} \sim \mathrm{Beta}\left(\tfrac\beta2 (n - i), \tfrac\beta2 (q_1 + q_2 - n - i + 1)\right)

through zeta_k = p_k (1 - p_{k-1}), T_ii = zeta_{2i-2} + zeta_{2i-1} and
T_{i,i+1}^2 = zeta_{2i-1} zeta_{2i}. There are (n - q1)^+ exact zeros and (n - q2)^+ exact ones
among the eigenvalues; the limit is Wachter's law.

References
----------
.. [1] R. Killip and I. Nenciu, Matrix models for circular ensembles, Int. Math. Res. Not. 2004
       (2004) 2665-2701, theorem 2.
.. [2] A. Edelman and B. D. Sutton, The beta-Jacobi matrix model, the CS decomposition, and
       generalized singular value problems, Found. Comput. Math. 8 (2008) 259-285.

Examples
--------
>>> ensemble = JacobiEnsemble(0.5, 2.0)
>>> ensemble.law.atoms
((1.0, 0.5),)
>>> int((ensemble.sample(10, rng=0).nodes == 1).sum())
5
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.arguments import positive
from rmtland.ensembles.entries import Entries, columns
from rmtland.ensembles.gaussian_ensemble import matrix_beta
from rmtland.ensembles.tridiagonal import RowDraws, Rows, TridiagonalEnsemble
from rmtland.laws import Wachter
from rmtland.typing import Array, Namespace, Real

__all__ = ["JacobiEnsemble"]


@dataclass(frozen=True)
class JacobiEnsemble(TridiagonalEnsemble):
    """Jacobi (MANOVA) beta ensemble (double Wishart, matrix-variate beta, canonical correlations).

    Parameters
    ----------
    aspect_ratio : float
        Ratio phi_1 = n/q1 > 0 of X, the matrix in the numerator.
    other_ratio : float
        Ratio phi_2 = n/q2 > 0 of Y.
    beta : float
        Dyson index > 0: 1 real, 2 complex, 4 quaternion; any other has a tridiagonal model only.

    Raises
    ------
    ValueError
        If a parameter is not positive and finite.
    TypeError
        If `aspect_ratio`, `other_ratio` or `beta` is no real number.

    See Also
    --------
    rmtland.laws.Wachter : its limit.
    """

    aspect_ratio: float
    other_ratio: float
    beta: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "aspect_ratio", positive("aspect_ratio", self.aspect_ratio))
        object.__setattr__(self, "other_ratio", positive("other_ratio", self.other_ratio))
        object.__setattr__(self, "beta", positive("beta", self.beta))

    @property
    def law(self) -> Wachter:
        """Wachter's law."""
        return Wachter(self.aspect_ratio, self.other_ratio)

    def columns(self, n: int) -> tuple[int, int]:
        """Return the numbers of columns q1 and q2 of the two factors of a matrix of size n.

        Parameters
        ----------
        n : int
            Size of the matrices.

        Returns
        -------
        tuple of int
            q1 = round(n / phi_1) and q2 = round(n / phi_2), each at least 1.
        """
        return columns(n, self.aspect_ratio), columns(n, self.other_ratio)

    @property
    def _hull(self) -> tuple[float, float]:
        return 0.0, 1.0

    def _effective(self, n: int) -> tuple[int, int]:
        """Columns with q2 raised until C is invertible: that leaves a projection as it is."""
        q1, q2 = self.columns(n)
        return q1, max(q2, n - q1)

    def _known(self, n: int) -> tuple[tuple[float, int], ...]:
        q1, q2 = self._effective(n)
        counts = ((0.0, n - q1), (1.0, n - q2))
        return tuple((place, number) for place, number in counts if number > 0)

    def _core(self, n: int, draws: RowDraws) -> Rows:
        q1, q2 = self._effective(n)
        size = min(q1, n) + min(q2, n) - n
        return _JacobiRows(size, draws, size + abs(n - q1), size + abs(n - q2), self.beta)

    def _rows(self, n: int, draws: RowDraws) -> Rows:
        return _JacobiRows(n, draws, *self._effective(n), self.beta)

    def _limit_rows(self, steps: int) -> tuple[Real, Real]:
        p1, p2 = 1 / self.aspect_ratio, 1 / self.other_ratio
        p2 = max(p2, 1 - p1)
        odd, even = p1 / (p1 + p2), 1 / (p1 + p2)
        before = (np.zeros(1), np.ones(1))
        alpha, beta, _ = _coefficients(np.full(steps, odd), np.full(steps, even), before, np)
        return alpha, beta[:-1]

    def _floats(self, n: int) -> float:
        return (8.0 * n + 3 * sum(self.columns(n))) * n * matrix_beta(self, self.beta) ** 2

    def _matrices(self, n: int, entries: Entries) -> Array:
        beta, (q1, q2) = matrix_beta(self, self.beta), self.columns(n)
        parts = [entries.gaussian(beta, n, q) for q in (q1, q2)]
        both, width = entries.xp.concat(parts, axis=-1), parts[0].shape[-1]
        if q1 + q2 < n:
            frame, _ = entries.xp.linalg.qr(both)
            first = frame[..., :, :width]
        else:
            frame, _ = entries.xp.linalg.qr(entries.adjoint(both))
            first = entries.adjoint(frame[..., :width, :])
        return first @ entries.adjoint(first)


class _JacobiRows(Rows):
    """Rows of the tridiagonal model for X of shape (size, q1) and Y of shape (size, q2)."""

    def __init__(self, size: int, draws: RowDraws, q1: int, q2: int, beta: float) -> None:
        super().__init__(size, draws, beta)
        self.q1, self.q2 = q1, q2
        # zeta_{2i} and 1 - p_{2i} of the row above
        self.before = (draws.constant(0.0), draws.constant(1.0))

    def _next(self, start: int, length: int) -> tuple[Array, Array]:
        half, rest = self.beta / 2, self.q1 + self.q2 - self.size
        odd = self.draws.moments(0, start, length, (self.q1, self.q2), half)
        even = self.draws.moments(1, start, length, (self.size - 1, rest), half)
        diagonal, off_diagonal, self.before = _coefficients(odd, even, self.before, self.draws.xp)
        return diagonal, off_diagonal


def _coefficients(
    odd: Array, even: Array, before: tuple[Array, Array], xp: Namespace
) -> tuple[Array, Array, tuple[Array, Array]]:
    """Tridiagonal rows from canonical moments; `before` is (zeta_{2i}, 1 - p_{2i}) above them."""
    last_even = xp.concatenate([1 - before[1], even[..., :-1]], axis=-1)
    zeta_odd = odd * (1 - last_even)
    zeta_even = even * (1 - odd)
    above = xp.concatenate([before[0], zeta_even[..., :-1]], axis=-1)
    off_diagonal = xp.sqrt(zeta_odd * zeta_even)
    return above + zeta_odd, off_diagonal, (zeta_even[..., -1:], 1 - even[..., -1:])
