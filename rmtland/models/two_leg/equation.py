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

with h, e and W2 those of the sampled leg, gamma_q = c1^2 s1 sigma_q/n0 + c*^2/m the variance of
h/sqrt m in the direction q of the averaged leg, and on a site of the spectral value sigma

.. math:: a = k_{kk} + \sigma/z, \qquad u = \frac{1}{k_{vv} a - k_{vk}^2}, \qquad p = a u .

The Green function of a site follows without a division by a, which is zero where a linear network
meets a null direction of the data: with C the self-energy of v and T = C (1 - p C)^{-1},

.. math:: g_{vv} = p + p T p, \qquad g_{vk} = - k_{vk} u (1 + p T), \qquad
          g_{kk} = k_{vv} u + k_{vk}^2 u^2 T ,

of which the diagonal is averaged over the sites of both orders, and gives k anew by the slopes
(`rmtland.models.two_leg.slope_medium`). The two estimates of the transform are

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

from rmtland.models.dyson.fixed_points import FixedPoint, anderson
from rmtland.models.two_leg.sampled_leg import SampledLeg
from rmtland.models.two_leg.slope_medium import SlopeMedium
from rmtland.typing import Complex, Real

__all__ = [
    "TwoLegBlocks",
    "TwoLegEquation",
    "inverse_pair",
    "joined",
    "log_determinant",
    "log_pair",
    "shifted",
    "site_green",
]

_IMAGINARY = 1e-6
"""By how much imaginary parts may have the wrong sign, relative to the block."""


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
class TwoLegEquation:
    """The equation for one sampled leg, in the protocol of `rmtland.models.dyson.fixed_points`.

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

    def _unpacked(self, y: Complex) -> tuple[Complex, Complex, Complex, Complex]:
        n2, n1 = self.leg.second.shape
        m = self.leg.spectrum.size
        k, of_a12, of_a21, v12 = (y[part] for part in self._parts)
        return k, of_a12.reshape(n1, n1), of_a21.reshape(n2, n2), v12.reshape(m, m)

    def start(self, z: complex) -> Complex:
        """Return a state of the half-plane, right for large z.

        Parameters
        ----------
        z : complex
            Point.

        Returns
        -------
        ndarray of complex
            k, the self-energies of A12 and A21, and v12.
        """
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

    def in_half_plane(self, y: Complex) -> bool:
        """Whether diagonals have imaginary parts of the right sign.

        Parameters
        ----------
        y : ndarray of complex
            State.

        Returns
        -------
        bool
        """
        k, of_a12, of_a21, v12 = self._unpacked(y)
        slack = _IMAGINARY * np.abs(k).max()
        return bool(
            of_a12.diagonal().imag.min() > -1e-14
            and of_a21.diagonal().imag.min() > -1e-14
            and v12.diagonal().imag.min() > -1e-14
            and k[0].imag < slack
            and k[2].imag < slack
        )

    # The equation --------------------------------------------------------------------------------

    def apply(self, z: complex, y: Complex) -> tuple[Complex, TwoLegBlocks]:
        """Apply the equation once.

        Parameters
        ----------
        z : complex
            Point.
        y : ndarray of complex
            State.

        Returns
        -------
        (ndarray of complex, TwoLegBlocks)
            The new state and its blocks.
        """
        k, of_a12, of_a21, v12 = self._unpacked(y)
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
        p, u = self.sites(k, z, leg.spectrum)
        inverse = np.linalg.inv(shifted(-of_a21, -z))
        lifted = e.conj().T @ inverse
        energy = (s2 * n2 / n1) * y12 + lifted @ e
        t = np.linalg.solve(shifted(-energy * p, 1.0), energy)
        new_v12 = p[:, None] * t * p
        new_v12[np.diag_indices_from(new_v12)] += p
        a21 = inverse + inverse @ e @ new_v12 @ lifted
        # samples averaged: hidden units and outputs of the leg, coupled by W2
        p1, u1 = self.sites(k, z, self.nodes)
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

    def sites(self, k: Complex, z: complex, spectrum: Real) -> tuple[Complex, Complex]:
        """Return p and u at spectral values.

        Parameters
        ----------
        k : ndarray of complex, shape (3,)
            The medium.
        z : complex
            Point.
        spectrum : ndarray of float
            Eigenvalues of X^T X/m.

        Returns
        -------
        (ndarray of complex, ndarray of complex)
            As in the module.
        """
        a = k[2] + spectrum / z
        u = 1 / (k[0] * a - k[1] ** 2)
        return a * u, u

    def fixed_point(
        self, z: complex, start: Complex | None, tolerance: float, limit: int
    ) -> FixedPoint:
        """Solve at one point.

        Parameters
        ----------
        z : complex
            Point, Im z > 0.
        start : ndarray of complex or None
            State to start from; that of `start` by default.
        tolerance : float
            Of the relative change.
        limit : int
            Largest number of steps.

        Returns
        -------
        FixedPoint
            Converged only if all blocks have imaginary parts that are positive semi-definite.
        """
        y = self.start(z) if start is None else start
        try:
            y, blocks, steps, size = anderson(self, z, y, tolerance, limit=limit)
        except np.linalg.LinAlgError:
            return FixedPoint(y, None, limit, np.inf, False)
        good = size <= tolerance and blocks is not None and _definite(blocks)
        return FixedPoint(y, blocks, steps, size, good)

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

    def trace(self, blocks: TwoLegBlocks) -> complex:
        """Return G, the mean of both orders of the legs.

        Parameters
        ----------
        blocks : TwoLegBlocks
            Of a solution.

        Returns
        -------
        complex
        """
        return complex(self.both_orders(blocks).mean())

    def potential(self, z: complex, blocks: TwoLegBlocks) -> complex:
        """Return L, the integral of G that is log z far away.

        Parameters
        ----------
        z : complex
            Point, Im z > 0.
        blocks : TwoLegBlocks
            Of a solution there.

        Returns
        -------
        complex
        """
        leg, s2 = self.leg, self.second_variance
        n0, n1, n2, m = self.sizes
        k, (of_a12, of_a21) = blocks.medium, blocks.inputs
        weights, samples = self.weights, leg.spectrum.size
        # every block with the field k kept: its pivot is a, that of v is 1/p less the rest
        w12 = joined(shifted(-of_a12, -z), leg.features, shifted(-s2 * blocks.v_input, -1.0))
        total = n2 * log_determinant(w12)
        energy = -(s2 * n2 / n1) * blocks.y12
        w21 = joined(shifted(-of_a21, -z), leg.residuals, energy)
        total += n1 * self.with_sites(w21, k, z, leg.spectrum, len(of_a21))
        hidden = leg.second.shape[1]
        for weight, node, gamma in zip(weights, self.nodes, self._variances, strict=True):
            upper = -(2 * self.epsilon * n2 / m) * blocks.a12
            lower = shifted(-n1 * gamma * blocks.a21, -1.0)
            matrix = joined(lower, leg.second, upper)
            spectrum = np.full(hidden, node)
            total += samples * weight * self.with_sites(matrix, k, z, spectrum, len(lower))
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

    def with_sites(
        self, matrix: Complex, k: Complex, z: complex, spectrum: Real, before: int
    ) -> complex:
        """Return log det of a block and its field k: [[outer, b, 0], [b*, v, k_vk], [0, k_vk, a]].

        Parameters
        ----------
        matrix : ndarray of complex
            [[outer, b], [b*, v]] without k_vv.
        k : ndarray of complex, shape (3,)
            The medium.
        z : complex
            Point.
        spectrum : ndarray of float
            Eigenvalues of X^T X/m at the sites.
        before : int
            Size of the outer block.

        Returns
        -------
        complex
        """
        size = spectrum.size
        whole = np.zeros((before + 2 * size,) * 2, dtype=np.complex128)
        whole[: before + size, : before + size] = matrix
        v, kk = before + np.arange(size), before + size + np.arange(size)
        whole[v, v] += k[0]
        whole[v, kk] = whole[kk, v] = k[1]
        whole[kk, kk] = k[2] + spectrum / z
        return log_determinant(whole)


def site_green(k: Complex, p: Complex, u: Complex, t: Complex) -> Complex:
    """Entries vv, vk and kk of the Green function at sites.

    Parameters
    ----------
    k : ndarray of complex, shape (3,)
        The medium.
    p, u, t : ndarray of complex, shape (sites,)
        As in the module.

    Returns
    -------
    ndarray of complex, shape (3, sites)
    """
    return np.stack([p + p**2 * t, -k[1] * u * (1 + p * t), k[0] * u + k[1] ** 2 * u**2 * t])


def inverse_pair(entries: Complex) -> Complex:
    """Invert a symmetric 2 x 2 matrix, given by its entries 11, 12 and 22.

    Parameters
    ----------
    entries : ndarray of complex, shape (3,)
        The matrix.

    Returns
    -------
    ndarray of complex, shape (3,)
    """
    first, both, second = entries
    return np.asarray(np.array([second, -both, first]) / (first * second - both**2))


def shifted(matrices: Complex, shift: Complex | complex) -> Complex:
    """Add a multiple of the identity to the last two axes, in place.

    Parameters
    ----------
    matrices : ndarray of complex, shape (..., n, n)
        Contiguous.
    shift : complex or ndarray of complex, shape (..., 1, 1)
        What is added to the diagonal.

    Returns
    -------
    ndarray of complex
        The matrices.
    """
    size = matrices.shape[-1]
    flat = matrices.reshape(*matrices.shape[:-2], size * size)
    flat[..., :: size + 1] += np.reshape(shift, np.shape(shift)[:-1]) if np.ndim(shift) else shift
    return matrices


def joined(upper: Complex, side: Complex, lower: Complex) -> Complex:
    """Return [[upper, side], [side*, lower]].

    Parameters
    ----------
    upper, side, lower : ndarray of complex
        Blocks.

    Returns
    -------
    ndarray of complex
    """
    return np.block([[upper, side], [side.conj().T, lower]])


def log_determinant(matrix: Complex) -> complex:
    """Return log det of a matrix whose imaginary part is negative semi-definite.

    Eigenvalues lie in the closed lower half-plane, so that principal logarithms are continuous;
    those on the negative axis have the phase -pi.

    Parameters
    ----------
    matrix : ndarray of complex, shape (n, n)
        The matrix.

    Returns
    -------
    complex
    """
    values = np.linalg.eigvals(matrix)
    phase = np.angle(values)
    phase = np.where(phase > 3, phase - 2 * np.pi, phase)
    return complex(np.log(np.abs(values)).sum(), phase.sum())


def log_pair(green: Complex) -> complex:
    """Return log det of a symmetric 2 x 2 matrix of positive semi-definite imaginary part.

    Parameters
    ----------
    green : ndarray of complex, shape (3,)
        Entries 11, 12 and 22.

    Returns
    -------
    complex
    """
    first, both, second = green
    return -log_determinant(np.linalg.inv(np.array([[first, both], [both, second]])))


def _definite(blocks: TwoLegBlocks) -> bool:
    """Whether the imaginary parts of all blocks are positive semi-definite, within rounding."""
    for block in (blocks.a12, blocks.y12, blocks.a21, blocks.v12, blocks.v21, blocks.y21):
        adjoint = np.conj(np.swapaxes(block, -1, -2))
        least = np.linalg.eigvalsh((block - adjoint) / 2j).min()
        if not least > -_IMAGINARY * np.abs(block).max():
            return False
    return True
