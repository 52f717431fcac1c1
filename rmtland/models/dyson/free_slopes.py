r"""The matrix Dyson equation of a Hessian with the slopes replaced by free random variables.

In the equation of `rmtland.models.dyson.dyson_hessian` hidden unit j enters through its slopes and
curvatures, the diagonal matrices D_j and B_j = diag(delta_j f''_j), only. Over all units and
samples they are replaced by one diagonal matrix whose entries have the joint law nu of the pairs
(D_j,mu, B_j,mu), free from the data and from everything that acts on the units. With K = X^T X/m,
the identity on the samples 1_m and that on the units 1_n1, and

.. math:: Q = n_2 \sigma \, 1_{n_1} \otimes M_s + \frac{2 \epsilon n_2}{m} M_a \otimes 1_m ,

the covariances need R = (z K^{-1} - B - D Q D)^{-1} as it is seen in D R D: a block of the inverse
of a sum of two 2 x 2 block matrices,

.. math::
    \begin{pmatrix} Q^{-1} & D \\ D & z K^{-1} - B \end{pmatrix} =
    \begin{pmatrix} Q^{-1} & \\ & z K^{-1} \end{pmatrix} +
    \begin{pmatrix} 0 & D \\ D & -B \end{pmatrix} .

These are free with amalgamation over 2 x 2 matrices, so that there are symmetric Omega, Omega' of
size 2 with a positive imaginary part and

.. math::
    g = \Bigl\langle \Bigl( \begin{pmatrix} Q^{-1} & \\ & z K^{-1} \end{pmatrix} + \Omega
        \Bigr)^{-1} \Bigr\rangle
      = \int \Bigl( \Omega' + \begin{pmatrix} 0 & t \\ t & -b \end{pmatrix} \Bigr)^{-1}
        d\nu(t, b) , \qquad \Omega + \Omega' = g^{-1} ,

the trace taken blockwise; wanted are, with T = Omega_11 - Omega_12^2 K (z + Omega_22 K)^{-1},

.. math::
    E = \langle D R D \rangle = -T (1 + Q T)^{-1} , \qquad
    S_s = n_1 \sigma \langle E \rangle_{units} , \qquad
    S_a = \frac{2 \epsilon}{m} \operatorname{tr}_{samples} E ,

    \operatorname{tr} M_b = n_1 \operatorname{tr} (z + \Omega_{22} K)^{-1} + n_1 \Omega_{12}^2
      \operatorname{tr} K (z + \Omega_{22} K)^{-2} (1 + Q T)^{-1} Q .

S_a is a function of M_a, which acts on units alone: E is computed at the nodes of a Gauss
quadrature of the spectral measure of M_a (complex, from the three-term recurrence of the trace), a
few inverses of matrices in the space of the samples; nodes are doubled as long as that changes the
state by more than `QUADRATURE`. There all but the n0 + n1 directions spanned
by data and features are alike, so these matrices have that size: one step costs about
`nodes` (n0 + n1)^3, where the equation itself takes n1 m n0 (n0 + m), and with coupled units
(n0 n1)^3.

The logarithmic potential follows from that of free sums:

.. math::
    p L = n_2 \log\det W_{as} + n_1 \log\det (z + \Omega_{22} K) + \log\det (1 + Q T)
      + \operatorname{tr} E Q + n_1 m \Bigl[ \int \log\det \Bigl( \Omega' +
      \begin{pmatrix} 0 & t \\ t & -b \end{pmatrix} \Bigr) d\nu - \log\det(\Omega + \Omega')
      \Bigr] .

What is neglected: unit j's slopes depend on the data along one direction, its row of W1, and its
features along another. These are one or two eigenvalues a unit, an error of G of order 1/n
(`scripts/bench_dyson.py` measures it), most of it at 0, where directions that are exactly or nearly
null are missed. For constant slopes nothing is neglected.

References
----------
.. [1] S. T. Belinschi, T. Mai and R. Speicher, Analytic subordination theory of operator-valued
       free additive convolution and the solution of a general random matrix problem, J. reine
       angew. Math. 732 (2017) 21-53.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from rmtland.free.operator_valued.resolvent_equation import upper_log
from rmtland.models.dyson.fixed_points import DEPTH, STEPS, FixedPoint, anderson
from rmtland.models.dyson.free_slopes_state import FreeSlopesState
from rmtland.models.dyson.free_units import FreeUnits
from rmtland.models.dyson.half_plane import is_lower, log_determinant
from rmtland.models.dyson.outer_blocks import OuterBlocks
from rmtland.models.dyson.slope_pairs import pair_inverse, pair_matrix
from rmtland.typing import Complex, Real

__all__ = ["NODES", "QUADRATURE", "FreeSlopes", "FreeSlopesBlocks"]

NODES = (3, 6, 12, 24)
"""Gauss nodes of the spectral measure of M_a: these are tried in turn."""

QUADRATURE = 1e-5
"""Relative change of the state by the next number of nodes that is taken to be small enough."""

_PATIENCE = 60


class FreeSlopesBlocks(NamedTuple):
    """What G and L need at one point."""

    outer: OuterBlocks
    trace_b: complex
    omega: Complex  # Omega_11, Omega_12, Omega_22
    other: Complex  # Omega'
    nodes: int


@dataclass(frozen=True, eq=False)
class FreeSlopes(FreeSlopesState):
    """The equation with free slopes; arguments as for `BlockEquation`.

    Parameters
    ----------
    features, slopes : ndarray, shape (n1, m)
        h and D.
    x : ndarray, shape (m, n0)
        Samples.
    outputs : int
        n2.
    variances : ndarray, shape (m,)
        r of the residuals, 2 epsilon if they are alike; zeros if H1 is left out.
    second_layer : ndarray, shape (n1,) or (n1, n1)
        Sigma, or its diagonal; a multiple of the identity if there is noise and H0 takes part.
    curvatures : ndarray of shape (n1, m), or None
        delta f''.
    has_outer : bool
        Whether H0 takes part.
    nodes : int
        Of the quadratures over units.

    Raises
    ------
    ValueError
        If Sigma is not a multiple of the identity for H.
    """

    features: Real
    slopes: Real
    x: Real
    outputs: int
    variances: Real
    second_layer: Real
    curvatures: Real | None
    has_outer: bool
    nodes: int = NODES[0]

    def __post_init__(self) -> None:
        sigma = self.second_layer
        if sigma.ndim == 2:
            spread = sigma - np.mean(np.diagonal(sigma)) * np.eye(len(sigma))
        else:
            spread = sigma - sigma.mean()
        if self.has_outer and self.has_noise and np.abs(spread).max() > 1e-12 * np.abs(sigma).max():
            raise ValueError(
                "free slopes with residuals need a second layer of one variance; got a covariance; "
                "give its mean variance, or take coupling 'units' or 'full'"
            )

    @property
    def memory(self) -> int:
        """Bytes at the height of a solution, estimated from above."""
        n1, m = self.features.shape
        d = m if self.basis.is_uneven else min(m, n1 + self.x.shape[1])
        return int(16 * ((2 * DEPTH + 15) * (d**2 + n1**2) + 5 * n1 * m + 2 * m * d))

    @cached_property
    def units(self) -> FreeUnits:
        """What a unit contributes at an eigenvalue of M_a."""
        return FreeUnits(
            self.basis, self.outputs, self.second_layer, self.has_outer, self.has_noise
        )

    def sample_block(self, outer: OuterBlocks) -> Complex:
        """M_s between samples, shape (m, m).

        Parameters
        ----------
        outer : OuterBlocks
            Of a solution.

        Returns
        -------
        ndarray of complex, shape (m, m)
        """
        basis, m = self.basis.vectors, self.features.shape[1]
        inside = outer.s - np.eye(len(basis)) / outer.rest
        return np.asarray(basis.T @ inside @ basis + np.eye(m) / outer.rest)

    def _outer(self, z: complex, y: Complex) -> OuterBlocks:
        _, rest, s, a = self._unpacked(y)
        return OuterBlocks(
            z,
            self.basis.features_in,
            self.basis.gram,
            a if self.has_noise else None,
            s if self.has_outer else None,
            rest,
        )

    def apply(self, z: complex, y: Complex) -> tuple[Complex, FreeSlopesBlocks]:
        """Apply the equation to a state.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.
        y : ndarray of complex
            A packed state.

        Returns
        -------
        (ndarray of complex, FreeSlopesBlocks)
            The new state and its blocks.
        """
        n1, m = self.features.shape
        k, extra = self.basis.levels, self.basis.rest
        omega = self._unpacked(y)[0]
        outer = self._outer(z, y)
        below = z + omega[2] * k
        c = k / below
        t = omega[0] - omega[1] ** 2 * c
        nodes, weights, polynomials, coefficients = self.units.quadrature(outer, self.nodes)
        samples = np.eye(self._sizes[0], dtype=np.complex128)  # 1 - S_s
        seen = np.zeros(len(k), dtype=np.complex128)  # diagonal of (1 + Q T)^{-1} Q
        rest, seen_rest = 1 + 0j, 0j
        traces = np.zeros(len(weights), dtype=np.complex128)
        for i, ((sigma, node), weight) in enumerate(zip(nodes, weights, strict=True)):
            e, diagonal = self.units.resolvent(outer, sigma, node, t)
            q = self.units.beyond(outer, sigma, node)
            e_rest = -omega[0] / (1 + q * omega[0])
            seen += weight * diagonal
            seen_rest += weight * q / (1 + q * omega[0])
            if self.has_outer:
                samples -= (n1 * weight * sigma) * e
                rest -= n1 * weight * sigma * e_rest
            if self.has_noise:
                traces[i] = self.units.trace(e, e_rest) / m
        g = np.array(
            [
                (seen.sum() + extra * seen_rest) / m,
                -(omega[1] * c * seen).sum() / m,
                (c + (omega[1] * c) ** 2 * seen).sum() / m,
            ]
        )
        other = pair_inverse(g) - omega
        new_omega = pair_inverse(self.pairs.mean_inverse(other)) - other
        energy_a = np.zeros((self._sizes[1],) * 2, dtype=np.complex128)
        for matrix, column in zip(polynomials, coefficients.T, strict=True):
            energy_a += (column @ traces) * matrix
        present = k > 0
        trace_b = np.sum(1 / below[present]) + (self.x.shape[1] - present.sum()) / z
        trace_b += np.sum(omega[1] ** 2 * k / below**2 * seen)
        head = np.append(np.sqrt(m) * new_omega, self._rest_scale * rest)
        new = np.concatenate([head, samples.ravel(), energy_a.ravel()])
        return new, FreeSlopesBlocks(outer, complex(n1 * trace_b), omega, other, self.nodes)

    def fixed_point(
        self, z: complex, start: Complex | None, tolerance: float, limit: int = STEPS
    ) -> FixedPoint:
        """Solve at one point, with more nodes where they are needed.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.
        start : ndarray of complex, optional
            State to start from.
        tolerance : float
            Of the relative change of the state.
        limit : int
            Largest number of steps.

        Returns
        -------
        FixedPoint
        """
        first = self.start(z) if start is None else start
        finer = self._finer
        patience = limit if finer is None else min(limit, _PATIENCE)
        y, blocks, steps, size = anderson(self, z, first, tolerance, limit=patience)
        good = size <= tolerance and self._is_physical(blocks)
        if finer is None:
            return FixedPoint(y, blocks, steps, size, good)
        if good:
            new, fine = finer.apply(z, y)
            steps += 1
            change = float(np.linalg.norm(new - y) / np.linalg.norm(y))
            if change <= QUADRATURE:
                return FixedPoint(new, fine, steps, max(size, change), self._is_physical(fine))
        solved = finer.fixed_point(z, y if good else start, tolerance, limit)
        return solved._replace(steps=steps + solved.steps)

    @cached_property
    def _finer(self) -> Self | None:
        """The same with more nodes, if that may change anything."""
        exact = not self.has_outer if self.has_noise else len(self.units.levels) <= self.nodes
        more = [nodes for nodes in NODES if nodes > self.nodes]
        if exact or not more or self.nodes >= self.features.shape[0]:
            return None
        return replace(self, nodes=more[0])

    def _is_physical(self, blocks: FreeSlopesBlocks) -> bool:
        outer = blocks.outer
        both = np.array([pair_matrix(blocks.omega), pair_matrix(blocks.other)])
        lowest = np.linalg.eigvalsh(both.imag)[:, 0].min()
        return bool(
            lowest >= -1e-8 * np.abs(both).max()
            and (outer.energy_a is None or is_lower(outer.a))
            and (outer.samples is None or is_lower(-outer.schur))
        )

    # Results -------------------------------------------------------------------------------------

    def trace(self, blocks: FreeSlopesBlocks) -> complex:
        """G.

        Parameters
        ----------
        blocks : FreeSlopesBlocks
            Of a solution.

        Returns
        -------
        complex
        """
        value = self.outputs * blocks.outer.trace_a + blocks.trace_b
        return complex(value / self.parameter_count)

    def potential(self, z: complex, blocks: FreeSlopesBlocks) -> complex:
        """L.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.
        blocks : FreeSlopesBlocks
            Of a solution there.

        Returns
        -------
        complex
        """
        n1, m = self.features.shape
        k = self.basis.levels
        outer, omega, other = blocks.outer, blocks.omega, blocks.other
        total = self.outputs * log_determinant(outer.inner)
        if self.has_outer:
            rest = complex(upper_log(np.array(outer.rest)))
            total += self.outputs * (log_determinant(outer.schur) + self.basis.rest * rest)
        present = k > 0
        spread = upper_log(z + omega[2] * k[present]).sum()
        total += n1 * complex(spread + (self.x.shape[1] - present.sum()) * np.log(z))
        t = omega[0] - omega[1] ** 2 * k / (z + omega[2] * k)
        nodes, weights, _, _ = self.units.quadrature(outer, blocks.nodes)
        for (sigma, node), weight in zip(nodes, weights, strict=True):
            part = self.units.potential(outer, sigma, node, t, omega[0])
            total += n1 * complex(weight) * part
        total += n1 * m * (self.pairs.mean_log(other) - log_determinant(pair_matrix(omega + other)))
        return complex(total / self.parameter_count)
