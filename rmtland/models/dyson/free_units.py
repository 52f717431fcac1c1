r"""Hidden units of an equation with free slopes: E at one variance of W2 and eigenvalue of M_a.

In `rmtland.models.dyson.free_slopes` units differ by an eigenvalue a of M_a (and sigma of Sigma)
alone, and act on the samples by

.. math::
    Q = n_2 \sigma M_s + \frac{2 \epsilon n_2}{m} a, \qquad
    E = -T (1 + Q T)^{-1}, \qquad
    \log\det (1 + Q T) + \operatorname{tr} E Q .

All are matrices in a basis of the samples; outside it each is one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.free.operator_valued.resolvent_equation import upper_log
from rmtland.models.dyson.half_plane import inverse, log_determinant
from rmtland.models.dyson.outer_blocks import OuterBlocks
from rmtland.models.dyson.sample_basis import SampleBasis
from rmtland.models.dyson.trace_quadrature import trace_quadrature
from rmtland.typing import Complex, Real

__all__ = ["FreeUnits"]


@dataclass(frozen=True, eq=False)
class FreeUnits:
    """What hidden units contribute to covariance and potential, all slopes free.

    Parameters
    ----------
    basis : SampleBasis
        The samples.
    outputs : int
        n2.
    second_layer : ndarray, shape (n1,) or (n1, n1)
        Sigma, or its diagonal.
    has_outer, has_noise : bool
        Whether H0 takes part, and H1.
    """

    basis: SampleBasis
    outputs: int
    second_layer: Real
    has_outer: bool
    has_noise: bool

    @property
    def _samples(self) -> int:
        return int(self.basis.features.shape[1])

    @cached_property
    def levels(self) -> Real:
        """Eigenvalues of Sigma; one where they are all alike."""
        sigma = self.second_layer
        levels = np.asarray(
            sigma if sigma.ndim == 1 else np.linalg.eigvalsh(sigma), dtype=np.float64
        )
        return levels if np.ptp(levels) > 1e-12 * np.abs(levels).max() else levels[:1]

    def quadrature(
        self, outer: OuterBlocks, count: int
    ) -> tuple[list[tuple[float, complex]], Complex, list[Complex], Complex]:
        """Quadrature over the units, of so many nodes.

        Parameters
        ----------
        outer : OuterBlocks
            M_a and M_s.
        count : int
            Number of nodes.

        Returns
        -------
        tuple
            Nodes (sigma, eigenvalue of M_a), weights, and how values give a function of M_a, as
            `rmtland.models.dyson.trace_quadrature.trace_quadrature` has it.
        """
        if not self.has_noise:
            sigmas, weights, _, _ = trace_quadrature(np.diag(self.levels + 0j), count)
            pairs = [(float(sigma.real), 0j) for sigma in sigmas]
            return pairs, weights, [], np.zeros((len(sigmas), 0), dtype=np.complex128)
        nodes, weights, polynomials, coefficients = trace_quadrature(outer.a, count)
        sigma = float(self.levels[0]) if self.has_outer else 0.0
        return [(sigma, complex(node)) for node in nodes], weights, polynomials, coefficients

    def resolvent(
        self, outer: OuterBlocks, sigma: float, node: complex, t: Complex
    ) -> tuple[Complex, Complex]:
        """E = -T (1 + Q T)^{-1}, and the diagonal of (1 + Q T)^{-1} Q.

        Parameters
        ----------
        outer : OuterBlocks
            M_a and M_s.
        sigma : float
            Eigenvalue of Sigma.
        node : complex
            Eigenvalue of M_a.
        t : ndarray of complex, shape (size,)
            Diagonal of T in the basis.

        Returns
        -------
        (ndarray of complex, shape (size, size), ndarray of complex, shape (size,))
        """
        d = len(t)
        if self.has_noise:
            q = self._matrix(outer, sigma, node)
            left = q * t
            left[np.diag_indices(d)] += 1
            left = inverse(left)
            return -t[:, None] * left, np.sum(left * q.T, axis=1)
        if sigma <= 0:
            return np.diag(-t), np.zeros(d, dtype=np.complex128)
        core: Complex = outer.schur / (self.outputs * sigma)
        core[np.diag_indices(d)] += t
        core = inverse(core)
        diagonal = np.diagonal(core).copy()
        core *= t
        core *= t[:, None]
        core[np.diag_indices(d)] -= t
        return core, diagonal

    def _matrix(self, outer: OuterBlocks, sigma: float, node: complex) -> Complex:
        """Q in the basis."""
        d, m = self.basis.size, self._samples
        q: Complex = np.zeros((d, d), dtype=np.complex128)
        if self.has_outer:
            q += (self.outputs * sigma) * outer.s
        if self.basis.is_uneven:
            q += (self.outputs * node / m) * self.basis.weights
        else:
            q[np.diag_indices(d)] += self.outputs * node / m * float(self.basis.weights)
        return q

    def beyond(self, outer: OuterBlocks, sigma: float, node: complex) -> complex:
        """Q outside the basis.

        Parameters
        ----------
        outer, sigma, node
            As for `resolvent`.

        Returns
        -------
        complex
        """
        if not self.basis.rest:
            return 1j
        q = self.outputs * node / self._samples * float(self.basis.weights)
        return complex(q + self.outputs * sigma / outer.rest if self.has_outer else q)

    def trace(self, e: Complex, e_rest: complex) -> complex:
        """Trace of r E over the samples.

        Parameters
        ----------
        e : ndarray of complex, shape (size, size)
            E in the basis.
        e_rest : complex
            E outside it.

        Returns
        -------
        complex
        """
        if self.basis.is_uneven:
            return complex(np.sum(self.basis.weights * e.T))
        return complex(float(self.basis.weights) * (np.trace(e) + self.basis.rest * e_rest))

    def potential(
        self, outer: OuterBlocks, sigma: float, node: complex, t: Complex, beyond: complex
    ) -> complex:
        """Log det (1 + Q T) + tr E Q.

        Parameters
        ----------
        outer, sigma, node, t
            As for `resolvent`.
        beyond : complex
            T outside the basis.

        Returns
        -------
        complex
        """
        if not self.has_noise and sigma <= 0:
            return 0j
        e, _ = self.resolvent(outer, sigma, node, t)
        if self.has_noise:
            q = self._matrix(outer, sigma, node)
            still = inverse(q)
        else:
            q = (self.outputs * sigma) * outer.s
            still = outer.schur / (self.outputs * sigma)
        value = log_determinant(still + np.diag(t)) - log_determinant(still)
        value += complex(np.sum(e * q.T))
        if self.basis.rest:
            scalar = self.beyond(outer, sigma, node)
            logs = upper_log(np.array([1 / scalar + beyond, 1 / scalar]))
            shift = scalar * beyond / (1 + scalar * beyond)
            value += self.basis.rest * complex(logs[0] - logs[1] - shift)
        return value
