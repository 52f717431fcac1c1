r"""Slopes and curvatures of the units as a free diagonal: the coherent potential of a 2 x 2 block.

At each site (hidden unit, sample) the fields v and k meet in the block

.. math::
    K = - \begin{pmatrix} 0 & D \\ D & T \end{pmatrix}, \qquad D = f'(\zeta), \quad
    T = f''(\zeta) \, \delta, \quad \zeta \sim N(0, q), \quad
    \delta \sim N(0, 2 \epsilon s_2 n_2/n_1) ,

independent of the self-energy L that all else makes of it. The effective block k, which stands for
K^{-1} in the equation, has the same Green function,

.. math:: g = E \left[ (K^{-1} - L)^{-1} \right], \qquad k = g^{-1} + L ,

the single-site (coherent-potential) approximation, exact for free diagonal matrices. The average
over delta is a Faddeeva function; that over zeta a sum over the nodes of
`rmtland.models.population.equation.activation_rule`.

Examples
--------
>>> import numpy as np
>>> medium = SlopeMedium(np.ones(1), np.ones(1), np.zeros(1))
>>> medium.green(np.array([0.1j, 0.2, 0.3j])).imag.round(6)  # one slope: (K^{-1} - L)^{-1}
array([0.204082, 0.      , 0.068027])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import wofz

from rmtland.models.population.equation import ActivationRule
from rmtland.typing import Complex, Real

__all__ = ["SlopeMedium"]

_SMALL = 0.02  # |r| below which E 1/(1 - r xi) is a series
_RAY = 48  # nodes of an integral over r


@dataclass(frozen=True, eq=False)
class SlopeMedium:
    """Law of the pairs (f', f'' delta) at a site.

    Parameters
    ----------
    masses : ndarray of float, shape (k,)
        Weights, which add up to 1.
    slopes : ndarray of float, shape (k,)
        D.
    spreads : ndarray of float, shape (k,)
        Standard deviations of T, >= 0.
    """

    masses: Real
    slopes: Real
    spreads: Real

    @classmethod
    def of_rule(cls, rule: ActivationRule, variance: float) -> SlopeMedium:
        """Return the medium of an activation.

        Parameters
        ----------
        rule : ActivationRule
            Nodes, slopes and curvatures.
        variance : float
            Variance of delta.

        Returns
        -------
        SlopeMedium
            With a node for every distinct slope where there are no curvatures.
        """
        if rule.curvatures is None or not np.any(rule.curvatures):
            return cls(rule.masses, rule.slopes, np.zeros(rule.slopes.size))
        spreads = np.abs(rule.curvatures) * variance**0.5
        heavy = rule.weights > 1e-13
        masses = rule.weights[heavy]
        return cls(masses / masses.sum(), rule.node_slopes[heavy], spreads[heavy])

    @property
    def mean_square(self) -> float:
        """E D^2."""
        return float(self.masses @ self.slopes**2)

    def green(self, self_energy: Complex) -> Complex:
        """Return g, the average of (K^{-1} - L)^{-1}.

        Parameters
        ----------
        self_energy : ndarray of complex, shape (3,)
            Entries vv, vk and kk of L.

        Returns
        -------
        ndarray of complex, shape (3,)
            Entries vv, vk and kk of g.
        """
        vv, vk, kk = self_energy
        d = self.slopes
        still = d**2 * vv * kk - (1 + d * vk) ** 2  # the determinant at T = 0
        ratio = kk * self.spreads / still
        mean, rest = _gaussian_means(ratio)
        inverse = mean / still
        bend = self.spreads * rest / still  # of T over the determinant
        return np.array(
            [
                self.masses @ (-(d**2) * kk * inverse),
                self.masses @ (d * (1 + d * vk) * inverse),
                self.masses @ (bend - d**2 * vv * inverse),
            ]
        )

    def log_determinant(self, self_energy: Complex) -> complex:
        """Return the average of log det(1 - L K), zero at L = 0 and continuous in L.

        Parameters
        ----------
        self_energy : ndarray of complex, shape (3,)
            Entries vv, vk and kk of L, of an imaginary part that is semi-definite.

        Returns
        -------
        complex
        """
        vv, vk, kk = self_energy
        d = self.slopes
        # no eigenvalue of L K is real but 0: principal logarithms of 1 - L K are continuous
        half = -d * vk
        root = np.sqrt(half**2 + d**2 * (vv * kk - vk**2))
        values = np.log(1 - half - root) + np.log(1 - half + root)
        if self.spreads.any():
            still = d**2 * vv * kk - (1 + d * vk) ** 2
            values = values + _gaussian_logarithm(kk * self.spreads / still)
        return complex(self.masses @ values)


def _gaussian_means(ratio: Complex) -> tuple[Complex, Complex]:
    """Return E 1/(1 - r xi) and E xi/(1 - r xi) for xi ~ N(0, 1)."""
    mean, rest = np.ones_like(ratio), np.zeros_like(ratio)
    small = np.abs(ratio) < _SMALL
    r = ratio[small]
    rest[small] = r * (1 + 3 * r**2 * (1 + 5 * r**2 * (1 + 7 * r**2 * (1 + 9 * r**2))))
    mean[small] = 1 + r * rest[small]
    place = 1 / ratio[~small]
    below = place.imag < 0
    upper = np.where(below, place.conj(), place)
    value = -1j * np.sqrt(np.pi / 2) * wofz(upper / np.sqrt(2))
    value = np.where(below, value.conj(), value)  # E 1/(place - xi)
    mean[~small] = place * value
    rest[~small] = place * (place * value - 1)
    return mean, rest


def _gaussian_logarithm(ratio: Complex) -> Complex:
    """Return E log(1 - r xi), the integral of -E xi/(1 - r xi) from 0 to r along a ray."""
    nodes, weights = np.polynomial.legendre.leggauss(_RAY)
    u, weights = (1 + nodes[:, None]) / 2, weights[:, None] / 2
    stretch = np.log1p(5 * np.abs(ratio)) + 1e-3  # nodes on all scales up to |r|
    share = np.expm1(stretch * u) / np.expm1(stretch)
    step = weights * stretch * np.exp(stretch * u) / np.expm1(stretch)
    _, rest = _gaussian_means(share * ratio)
    return np.asarray(-ratio * (step * rest).sum(axis=0))
