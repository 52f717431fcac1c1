r"""The matrix Dyson law of H in the same limit: pairings that cross left out, on the same leg.

Hidden units and samples of the sampled leg are both kept, outputs averaged:

.. math::
    \begin{pmatrix} A & \cdot \\ \cdot & Y \end{pmatrix} = \begin{pmatrix} -z - S_A & h \\ h^* &
      -1 - s_2 \langle V \rangle \end{pmatrix}^{-1}, \qquad
    V_i = \Bigl(p^{-1} - s_2 \frac{n_2}{n_1} Y - \frac{2 \epsilon n_2}{m} \alpha_i \Bigr)^{-1},
    \qquad S_A = 2 \epsilon \, U \operatorname{diag}(\operatorname{tr} V_i) \, U^{-1},

with A = U diag(alpha) U^{-1} and the mean of V over its n1 eigenvectors; the sites as in
`rmtland.models.two_leg.sites`. It is what `DysonHessian` tends to as n grows. Against the
two-leg law the difference is what pairings add that cross between the legs; with the same leg, part
of what the draw does to either cancels.

Examples
--------
>>> import numpy as np
>>> from rmtland.models import TwoLegHessian
>>> model = TwoLegHessian(1, 1, 1, 4, activation="relu", epsilon=0.5, legs=4, draws=2)
>>> equation = NonCrossingEquation(model.equations[0][0])
>>> found = equation.fixed_point(1 + 0.5j, None, 1e-9, 400)
>>> found.converged, bool(equation.trace(found.blocks).imag < 0)
(True, True)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rmtland.models.two_leg.equation import TwoLegEquation
from rmtland.models.two_leg.leg_equation import LegEquation
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
from rmtland.typing import Complex, override

__all__ = ["NonCrossingBlocks", "NonCrossingEquation"]


class NonCrossingBlocks(NamedTuple):
    """All blocks of one application of the equation."""

    z: complex
    medium: Complex
    a: Complex
    y: Complex
    inputs: tuple[Complex, Complex]  # S_A and <V> that went in
    energies: Complex  # S_A that came out
    v: Complex  # <V> that came out
    places: Complex  # eigenvalues of A
    green: Complex
    tail: complex


@dataclass(frozen=True, eq=False)
class NonCrossingEquation(LegEquation):
    """The non-crossing equation for one sampled leg.

    Parameters
    ----------
    whole : TwoLegEquation
        The two-leg equation with the same leg.
    """

    whole: TwoLegEquation

    @override
    def start(self, z: complex) -> Complex:
        n1, m = self.whole.leg.features.shape
        k = self.whole.start(z)[:3]
        g = -1 / z
        energy = 0.2 * self.whole.epsilon * g * np.eye(n1)
        return np.concatenate([k, energy.ravel(), 0.1 * g * np.eye(m).ravel()])

    @override
    def unpacked(self, y: Complex) -> tuple[Complex, Complex, Complex]:
        n1, m = self.whole.leg.features.shape
        return y[:3], y[3 : 3 + n1 * n1].reshape(n1, n1), y[3 + n1 * n1 :].reshape(m, m)

    @override
    def apply(self, z: complex, y: Complex) -> tuple[Complex, NonCrossingBlocks]:
        whole, (k, energy, v) = self.whole, self.unpacked(y)
        leg, s2, h = whole.leg, whole.second_variance, whole.leg.features
        _, n1, n2, m = whole.sizes
        inverse = np.linalg.inv(shifted(-energy, -z))
        lifted = h.conj().T @ inverse
        there: Complex = np.asarray(np.linalg.inv(shifted(-s2 * v - lifted @ h, -1.0)))
        a = inverse + inverse @ h @ there @ lifted
        places, vectors = np.linalg.eig(a)
        p, u = site_potentials(k, z, leg.spectrum)
        shifts: Complex = np.asarray((2 * whole.epsilon * n2 / m) * places[:, None, None])
        c = shifted((s2 * n2 / n1) * there + np.zeros((len(places), 1, 1)), shifts)
        t = np.linalg.solve(shifted(-c * p, 1.0), c)
        diagonals = np.einsum("imm->im", t)
        sites = np.stack([site_green(k, p, u, row) for row in diagonals])
        traces = sites[:, 0].mean(axis=1)
        new_v = p[:, None] * t.mean(axis=0) * p
        new_v[np.diag_indices_from(new_v)] += p
        new_energy = 2 * whole.epsilon * (vectors * traces) @ np.linalg.inv(vectors)
        green = sites.mean(axis=(0, 2))
        loss = k - inverse_pair(green)
        new_k = inverse_pair(whole.slopes.green(loss)) + loss
        tail = complex(leg.spectrum @ sites[:, 2].mean(axis=0))
        state = np.concatenate([new_k, new_energy.ravel(), new_v.ravel()])
        blocks = NonCrossingBlocks(
            z, k, a, there, (energy, v), new_energy, new_v, places, green, tail
        )
        return state, blocks

    @override
    def is_solution(self, y: Complex, blocks: NonCrossingBlocks) -> bool:
        return self.in_half_plane(y)

    @override
    def trace(self, blocks: NonCrossingBlocks) -> complex:
        n0, n1, n2, _ = self.whole.sizes
        z = blocks.z
        total = n2 * np.trace(blocks.a) - n0 * n1 / z + n1 * blocks.tail / z**2
        return complex(-total / (n1 * (n0 + n2)))

    @override
    def potential(self, z: complex, blocks: NonCrossingBlocks) -> complex:
        whole, (energy, v) = self.whole, blocks.inputs
        s2, k, leg = whole.second_variance, blocks.medium, whole.leg
        n0, n1, n2, m = whole.sizes
        matrix = joined(shifted(-energy, -z), leg.features, shifted(-s2 * v, -1.0))
        total = n2 * log_determinant(matrix)
        for place in blocks.places:
            inner = shifted(-(s2 * n2 / n1) * blocks.y, -(2 * whole.epsilon * n2 / m) * place)
            total += log_determinant_at_sites(inner, k, z, leg.spectrum, 0)
        total += n2 * np.sum(blocks.a * blocks.energies.T) + s2 * n2 * np.sum(blocks.y * blocks.v.T)
        loss = k - inverse_pair(blocks.green)
        total += n1 * m * (whole.slopes.log_determinant(loss) + log_pair(blocks.green))
        phase = -1j * np.pi * (n1 * n2 + n2 * m)
        return complex((total - phase) / (n1 * (n0 + n2)) + n0 / (n0 + n2) * np.log(z))
