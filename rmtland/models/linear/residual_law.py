r"""The limit law of the residual part of a linear network: square roots of a product.

H1 has the blocks [[0, B], [B^T, 0]], B = e X^T/m, one for each hidden unit: the squares of its
eigenvalues are those of B B^T, a product of two free Marchenko-Pastur laws.

Examples
--------
>>> from rmtland.models.linear.network import LinearNetwork
>>> law = LinearResidualLaw(LinearNetwork(1, 1, 2, 4), 0.5)
>>> round(law.atoms[0][1], 12), law.mean(), round(law.mass_below(0.0), 12)
(0.333333333333, 0.0, 0.333333333333)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.arguments import positive
from rmtland.laws import Law
from rmtland.models.linear.network import LinearNetwork
from rmtland.models.linear.wishart_product import wishart_product
from rmtland.typing import Atoms, Complex, Real, Support

__all__ = ["LinearResidualLaw"]


@dataclass(frozen=True)
class LinearResidualLaw(Law):
    """Limit law of H1 of a linear network; made by `LinearHessian.residual_law`.

    Parameters
    ----------
    model : LinearNetwork
        Sizes and variances.
    epsilon : float
        Energy, > 0: residuals have variance 2 epsilon, independent of everything.
    """

    model: LinearNetwork
    epsilon: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", positive("epsilon", self.epsilon))

    @cached_property
    def _squares(self) -> Law:
        """Law of the eigenvalues other than zero of B B^T, B = e X^T / m."""
        model = self.model
        x, y = model.samples / model.inputs, model.samples / model.outputs
        return wishart_product(x, y, model.data_variance * 2 * self.epsilon / (x * y))

    @property
    def _least(self) -> float:
        """The rank of B."""
        return min(self.model.inputs, self.model.outputs, self.model.samples)

    @property
    def _share(self) -> float:
        """The rank of B over n0 + n2."""
        return self._least / (self.model.inputs + self.model.outputs)

    @cached_property
    def support(self) -> Support:
        """Square roots, of both signs, of the support of the squares."""
        upper = [(math.sqrt(low), math.sqrt(high)) for low, high in self._squares.support]
        middle = [(-upper[0][1], upper[0][1])] if upper[0][0] == 0 else []
        outer = upper[len(middle) :]
        return tuple(sorted([(-b, -a) for a, b in outer] + middle + outer))

    @cached_property
    def atoms(self) -> Atoms:
        """The null space: all but twice the least of n0, n2 and m of n0 + n2 directions."""
        mass = 1 - 2 * self._share
        return ((0.0, mass),) if mass > 0 else ()

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g, slope = np.full((2, z.size), complex(np.inf, 0))
        away = z != 0
        point = z[away]
        inner, rise = self._squares._jet(_squared(point))
        left = point.real < 0
        inner, rise = np.where(left, inner.conj(), inner), np.where(left, rise.conj(), rise)
        u = point**2 * inner - 1
        g[away] = (1 + 2 * self._share * u) / point
        slope[away] = 4 * self._share * (inner + point**2 * rise) - g[away] / point
        return g, slope

    def _log_potential(self, z: Complex) -> Complex:
        with np.errstate(divide="ignore"):
            far = np.log(z)
        potential = self._squares._log_potential(_squared(z))
        potential = np.where(z.real < 0, 2j * np.pi + potential.conj(), potential)
        rest = (1 - 2 * self._share) * far if self._share != 0.5 else 0.0
        return np.asarray(self._share * potential + rest)

    def _pdf(self, x: Real) -> Real:
        with np.errstate(invalid="ignore", over="ignore"):
            density = 2 * self._share * np.abs(x) * self._squares._pdf(x * x)
        return np.where(np.isnan(density), np.inf, density)

    def _cdf(self, x: Real) -> Real:
        # The law of the squares restricted to the outside of (-|x|, |x|), half of it on each side.
        beyond = self._share * (1 - self._squares._cdf(x * x))
        from_left = self._share * (1 - self._squares._mass_below(x * x))
        null = self.atoms[0][1] if self.atoms else 0.0
        return np.where(x < 0, from_left, np.where(x == 0, (1 + null) / 2, 1 - beyond))

    def _exact_moments(self, k: int) -> list[Fraction]:
        squares = self._squares._exact_moments(k // 2)
        size = Fraction(self.model.inputs) + Fraction(self.model.outputs)
        share = 2 * Fraction(self._least) / size
        return [
            Fraction(1) if j == 0 else Fraction(0) if j % 2 else share * squares[j // 2]
            for j in range(k + 1)
        ]


def _squared(z: Complex) -> Complex:
    """z^2, mirrored into the closed upper half-plane."""
    square = z * z
    return np.asarray(square.real + 1j * np.abs(square.imag))
