r"""The equation of the two-leg law: operator-valued in one leg, a matrix in the other.

In the notation of `rmtland.models.two_leg.two_leg_hessian`, with (H - z)^{-1} (Im > 0) and the
index of a block telling the order of its legs, averaged leg first:

.. math::
    \begin{pmatrix} A_{12} & \cdot \\ \cdot & Y_{12} \end{pmatrix} &= \begin{pmatrix}
      -z - 2 \epsilon \sum_q w_q v_{21}^q & h \\ h^* & -1 - s_2 v_{12} \end{pmatrix}^{-1}, \\
    \begin{pmatrix} A_{21} & \cdot \\ \cdot & v_{12} \end{pmatrix} &= \begin{pmatrix}
      -z - m \sum_q w_q \gamma_q Y_{21}^q & e \\ e^* & p^{-1} - s_2 (n_2/n_1) Y_{12}
      \end{pmatrix}^{-1}, \\
    \begin{pmatrix} v_{21}^q & \cdot \\ \cdot & Y_{21}^q \end{pmatrix} &= \begin{pmatrix}
      1/p_q - 2 \epsilon (n_2/m) A_{12} & W_2^* \\ W_2 & -1 - n_1 \gamma_q A_{21}
      \end{pmatrix}^{-1},

with h, e and W2 those of the sampled leg and gamma_q = c1^2 s1 sigma_q/n0 + c*^2/m the variance of
h/sqrt m in the direction q of the averaged leg. Sites, with their p, Green function g and medium k,
are those of `rmtland.models.two_leg.sites`; the diagonal of g is averaged over the sites of both
orders, and gives k anew by the slopes (`rmtland.models.two_leg.slope_medium`). The two estimates of
the transform are

.. math:: -p G_{12} = n_1 n_2 \operatorname{tr} A_{12} - \frac{n_0 n_1}{z}
          + \frac{n_1 m}{z^2} \langle \sigma g_{kk} \rangle_{12} ,

and the same with 21. Their mean has the logarithmic potential, stationary in all blocks and in k,

.. math::
    2 p L = 2 n_0 n_1 \log z &+ n_2 \log\det W_{12} + n_1 \log\det W_{21} + m \sum_q w_q \log\det
    W^q + 2 \epsilon n_2 \operatorname{Tr} A_{12} v_{21} + n_1 m \operatorname{Tr} A_{21} (\gamma
    Y_{21}) + s_2 n_2 \operatorname{Tr} Y_{12} v_{12} \\ &+ 2 n_1 m \bigl( E \log\det (1 - L K)
    + \log\det g \bigr) ,

where the W are the matrices that are inverted above, with the field k kept.

Examples
--------
>>> from rmtland.models.two_leg.sampled_leg import sample_rule
>>> nodes, weights = sample_rule([1.0], [1.0], 0.25, count=6)
>>> leg = SampledLeg.draw((4, 4, 4, 16), np.ones(4), slope=1.0, rest=0.0, first_variance=1.0,
...                       second_variance=1.0, epsilon=0.5, rng=np.random.default_rng(0))
>>> one = np.ones(1)
>>> equation = TwoLegEquation((4, 4, 4, 16), leg, nodes, weights, SlopeMedium(one, one, 0 * one),
...                           1.0, 0.0, 1.0, 1.0, 0.5)
>>> found = equation.fixed_point(1 + 0.5j, None, 1e-9, 400)
>>> found.converged, bool(abs(equation.trace(found.blocks)) < 2)
(True, True)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.models.two_leg.leg_equation import IMAGINARY, LegEquation
from rmtland.models.two_leg.sampled_leg import SampledLeg
from rmtland.models.two_leg.sites import (
    inverse_pair,
    joined,
    log_determinant,
    log_determinant_at_sites,
    log_pair,
    shifted,
    site_green,
    site_potentials,
)
from rmtland.models.two_leg.slope_medium import SlopeMedium
from rmtland.typing import Complex, Real, override

__all__ = ["TwoLegBlocks", "TwoLegEquation"]


class TwoLegBlocks(NamedTuple):
    """All blocks of one application of the equation."""

    z: complex
    medium: Complex  # k: vv, vk, kk
    a12: Complex
    y12: Complex
    a21: Complex
    v12: Complex
    v21: Complex  # for every node of the averaged leg
    y21: Complex
    green: Complex  # g: vv, vk, kk
    tails: tuple[complex, complex]  # sum of sigma g_kk over the samples, by order
    inputs: tuple[Complex, Complex]  # self-energies that went in: of a12 and of a21
    v_input: Complex


@dataclass(frozen=True, eq=False)
class TwoLegEquation(LegEquation):
    """The two-leg equation for one sampled leg.

    Parameters
    ----------
    sizes : tuple of float
        n0, n1, n2 and m of the sampled leg.
    leg : SampledLeg
        The sample.
    nodes, weights : ndarray of float
        Rule for the eigenvalues of X^T X/m on the averaged leg.
    slopes : SlopeMedium
        Law of the slopes.
    slope, rest : float
        c1 and c*^2.
    first_variance, second_variance : float
        s1 and s2.
    epsilon : float
        Energy, > 0.
    """

    sizes: tuple[float, float, float, float]
    leg: SampledLeg
    nodes: Real
    weights: Real
    slopes: SlopeMedium
    slope: float
    rest: float
    first_variance: float
    second_variance: float
    epsilon: float

    # States --------------------------------------------------------------------------------------

    @cached_property
    def _variances(self) -> Real:
        """Variance gamma_q of h/sqrt m on the averaged leg."""
        n0, _, _, m = self.sizes
        return np.asarray(
            self.slope**2 * self.first_variance / n0 * self.nodes + self.rest / m, dtype=float
        )

    @cached_property
    def _parts(self) -> tuple[slice, slice, slice, slice]:
        n2, n1 = self.leg.second.shape
        m = self.leg.spectrum.size
        ends = np.cumsum([0, 3, n1 * n1, n2 * n2, m * m])
        first, second, third, fourth = (slice(ends[i], ends[i + 1]) for i in range(4))
        return first, second, third, fourth

    @override
    def unpacked(self, y: Complex) -> tuple[Complex, Complex, Complex, Complex]:
        n2, n1 = self.leg.second.shape
        m = self.leg.spectrum.size
        k, of_a12, of_a21, v12 = (y[part] for part in self._parts)
        return k, of_a12.reshape(n1, n1), of_a21.reshape(n2, n2), v12.reshape(m, m)

    @override
    def start(self, z: complex) -> Complex:
        n2, n1 = self.leg.second.shape
        m = self.leg.spectrum.size
        steep = self.slopes.mean_square**0.5
        g = -1 / z
        samples = self.sizes[3]
        return np.concatenate(
            [
                np.array([-1e-3j / steep, -1 / steep, -1e-3j / steep]),
                0.2 * self.epsilon * g * np.eye(n1).ravel(),
                -samples * (self.weights @ self._variances) * np.eye(n2).ravel() + 0j,
                0.1 * g * np.eye(m).ravel(),
            ]
        )

    # The equation --------------------------------------------------------------------------------

    @override
    def apply(self, z: complex, y: Complex) -> tuple[Complex, TwoLegBlocks]:
        k, of_a12, of_a21, v12 = self.unpacked(y)
        leg, s2 = self.leg, self.second_variance
        _, n1, n2, m = self.sizes
        h, e, w = leg.features, leg.residuals, leg.second
        # out averaged: hidden units and samples of the leg, coupled by features
        inverse = np.linalg.inv(shifted(-of_a12, -z))
        lifted = h.conj().T @ inverse
        y12: Complex = np.asarray(
            np.linalg.inv(shifted(-s2 * v12 - lifted @ h, -1.0)), dtype=np.complex128
        )
        a12 = inverse + inverse @ h @ y12 @ lifted
        # hidden averaged: outputs and samples of the leg, coupled by residuals
        p, u = site_potentials(k, z, leg.spectrum)
        inverse = np.linalg.inv(shifted(-of_a21, -z))
        lifted = e.conj().T @ inverse
        energy = (s2 * n2 / n1) * y12 + lifted @ e
        t = np.linalg.solve(shifted(-energy * p, 1.0), energy)
        new_v12 = p[:, None] * t * p
        new_v12[np.diag_indices_from(new_v12)] += p
        a21 = inverse + inverse @ e @ new_v12 @ lifted
        # samples averaged: hidden units and outputs of the leg, coupled by W2
        p1, u1 = site_potentials(k, z, self.nodes)
        lower = np.linalg.inv(shifted(-n1 * self._variances[:, None, None] * a21, -1.0))
        lifted_q = w.conj().T @ lower
        energy_q = (2 * self.epsilon * n2 / m) * a12 + lifted_q @ w
        t_q = np.linalg.solve(shifted(-p1[:, None, None] * energy_q, 1.0), energy_q)
        v21 = shifted(p1[:, None, None] ** 2 * t_q, p1[:, None, None])
        y21 = lower + lower @ w @ v21 @ lifted_q
        # slopes
        first = site_green(k, p, u, np.asarray(t.diagonal(), dtype=complex))
        mean_t = np.asarray(np.trace(t_q, axis1=-2, axis2=-1) / w.shape[1], dtype=complex)
        second = site_green(k, p1, u1, mean_t)
        green = np.asarray((first.mean(axis=1) + second @ self.weights) / 2, dtype=complex)
        tails = (
            complex(leg.spectrum @ first[2]),
            complex(leg.spectrum.size * (self.weights * self.nodes) @ second[2]),
        )
        energies = k - inverse_pair(green)
        new_k = inverse_pair(self.slopes.green(energies)) + energies
        new_a12 = 2 * self.epsilon * np.tensordot(self.weights, v21, 1)
        new_a21 = m * np.tensordot(self.weights * self._variances, y21, 1)
        state = np.concatenate([new_k, new_a12.ravel(), new_a21.ravel(), new_v12.ravel()])
        inputs = (of_a12, of_a21)
        blocks = TwoLegBlocks(z, k, a12, y12, a21, new_v12, v21, y21, green, tails, inputs, v12)
        return state, blocks

    @override
    def is_solution(self, y: Complex, blocks: TwoLegBlocks) -> bool:
        """Whether the imaginary parts of all blocks are positive semi-definite, within rounding."""
        for block in (blocks.a12, blocks.y12, blocks.a21, blocks.v12, blocks.v21, blocks.y21):
            adjoint = np.conj(np.swapaxes(block, -1, -2))
            least = np.linalg.eigvalsh((block - adjoint) / 2j).min()
            if not least > -IMAGINARY * np.abs(block).max():
                return False
        return True

    # Results -------------------------------------------------------------------------------------

    def both_orders(self, blocks: TwoLegBlocks) -> Complex:
        """Return G of either order of the legs.

        Parameters
        ----------
        blocks : TwoLegBlocks
            Of a solution.

        Returns
        -------
        ndarray of complex, shape (2,)
            Equal as the sampled leg grows.
        """
        n0, n1, n2, _ = self.sizes
        z, found = blocks.z, []
        for a, tail in zip((blocks.a12, blocks.a21), blocks.tails, strict=True):
            outer = n1 * n2 * np.trace(a) / len(a)
            found.append(-(outer - n0 * n1 / z + n1 * tail / z**2) / (n1 * (n0 + n2)))
        return np.array(found)

    @override
    def trace(self, blocks: TwoLegBlocks) -> complex:
        return complex(self.both_orders(blocks).mean())

    @override
    def potential(self, z: complex, blocks: TwoLegBlocks) -> complex:
        leg, s2 = self.leg, self.second_variance
        n0, n1, n2, m = self.sizes
        k, (of_a12, of_a21) = blocks.medium, blocks.inputs
        weights, samples = self.weights, leg.spectrum.size
        # every block with the field k kept: its pivot is a, that of v is 1/p less the rest
        w12 = joined(shifted(-of_a12, -z), leg.features, shifted(-s2 * blocks.v_input, -1.0))
        total = n2 * log_determinant(w12)
        energy = -(s2 * n2 / n1) * blocks.y12
        w21 = joined(shifted(-of_a21, -z), leg.residuals, energy)
        total += n1 * log_determinant_at_sites(w21, k, z, leg.spectrum, len(of_a21))
        hidden = leg.second.shape[1]
        for weight, node, gamma in zip(weights, self.nodes, self._variances, strict=True):
            upper = -(2 * self.epsilon * n2 / m) * blocks.a12
            lower = shifted(-n1 * gamma * blocks.a21, -1.0)
            matrix = joined(lower, leg.second, upper)
            spectrum = np.full(hidden, node)
            total += samples * weight * log_determinant_at_sites(matrix, k, z, spectrum, len(lower))
        mean_v = np.tensordot(weights, blocks.v21, 1)
        mean_y = np.tensordot(weights * self._variances, blocks.y21, 1)
        total += 2 * self.epsilon * n2 * np.sum(blocks.a12 * mean_v.T)
        total += n1 * m * np.sum(blocks.a21 * mean_y.T)
        total += s2 * n2 * np.sum(blocks.y12 * blocks.v12.T)
        energies = k - inverse_pair(blocks.green)
        sites = 2 * n1 * m
        total += sites * (self.slopes.log_determinant(energies) + log_pair(blocks.green))
        phase = -1j * np.pi * (2 * n1 * n2 + 2 * n2 * m)  # of log(-z) and log(-1) in each W
        return complex((total - phase) / (2 * n1 * (n0 + n2)) + n0 / (n0 + n2) * np.log(z))
