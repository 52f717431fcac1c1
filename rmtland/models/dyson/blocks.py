r"""The matrix Dyson equation of a one-hidden-layer Hessian, block by block.

Blocks and equation are those of `rmtland.models.dyson.dyson_hessian`. The state is (M_a, M_s);
M_b, the large block, is formed from it and used at once, a few hidden units at a time where it is
block diagonal (so that n1 n0 m numbers are never stored), or whole where the units are coupled.

With coupling the equation is solved by correction of the defect: the equation without the coupling
is solved with what the coupling changes as a source, so that few of the costly steps are needed.

Residuals may be correlated between outputs, with covariance C_ii' r_mu,nu. The law of W2 does not
change where outputs are rotated, so that C may be taken diagonal, with eigenvalues c: output by
output the block of a and s is

.. math:: \begin{pmatrix} M_a^{(c)} & \cdot \\ \cdot & M_s^{(c)} \end{pmatrix} =
      \begin{pmatrix} z - c S_a & -h/\sqrt m \\ -h^T/\sqrt m & 1 - S_s \end{pmatrix}^{-1},

and M_b needs their means over the outputs only, of c M_a^{(c)} and of M_s^{(c)}: the state is as
large as without. The mean over c is a sum over its distinct values, or their Gauss quadrature
where they are more than `OUTPUT_NODES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from rmtland.free.operator_valued.resolvent_equation import upper_log
from rmtland.models.dyson.block_state import BlockState
from rmtland.models.dyson.first_layer_block import FirstLayerBlock, InnerBlocks
from rmtland.models.dyson.fixed_points import DEPTH, STEPS, FixedPoint, anderson
from rmtland.models.dyson.free_slopes import FreeSlopes
from rmtland.models.dyson.half_plane import is_lower, log_determinant
from rmtland.models.dyson.output_block import OuterBlock, outer_block
from rmtland.models.dyson.trace_quadrature import gauss_rule
from rmtland.models.dyson.unit_rays import UnitRays
from rmtland.typing import Complex, Real

__all__ = ["OUTPUT_NODES", "BlockEquation", "Blocks"]

OUTPUT_NODES = 8
"""Values of the variance of outputs that are told apart; more have a Gauss quadrature."""

_LARGE = 2000  # n1 n0 from which a start is worth a solution with free slopes


class Blocks(NamedTuple):
    """M_a and M_s at one point, means over outputs, and of M_b what G and L need."""

    a: Complex  # mean of c M_a
    s: Complex
    trace_a: complex
    trace_b: complex
    coupled: complex  # tr M_b S_b
    outer: tuple[OuterBlock, ...]
    start: tuple[Complex, Complex]  # (M_a, M_s) that M_b was formed from


@dataclass(frozen=True, eq=False)
class BlockEquation(BlockState):
    """The equation for given features, slopes and data.

    Parameters
    ----------
    features, slopes : ndarray, shape (n1, m)
        h and D.
    x : ndarray, shape (m, n0)
        Samples.
    outputs : int
        n2.
    variances : ndarray, shape (m,) or (m, m)
        r of the residuals, or their covariance; zeros if H1 is left out.
    second_layer : ndarray, shape (n1,) or (n1, n1)
        Sigma, or its diagonal.
    curvatures : ndarray of shape (n1, m), or None
        delta f''.
    has_outer : bool
        Whether H0 takes part.
    by_unit : bool
        Whether M_b is block diagonal.
    output_variances : ndarray, shape (n2,), optional
        Eigenvalues c of the covariance of residuals between outputs; ones by default.
    """

    features: Real
    slopes: Real
    x: Real
    outputs: int
    variances: Real
    second_layer: Real
    curvatures: Real | None
    has_outer: bool
    by_unit: bool
    output_variances: Real | None = None

    @property
    def memory(self) -> int:
        """Bytes at the height of a solution, estimated from above."""
        n1, n0, m = self._sizes
        state = n1**2 + (m**2 if self.has_outer else 0)
        numbers = (2 * DEPTH + 12) * state + 5 * (n1 + m) ** 2 * self.has_outer
        numbers += len(self._outputs[0]) * (m**2 * self.has_outer + n1**2)
        if self.by_unit:
            numbers += self.rays.chunk * (4 * n0 * m + 6 * n0**2)
            numbers += n1 * n0**2 * (self.has_noise + (self.curvatures is not None)) // 2
        else:
            numbers += n1 * n0 * (6 * n1 * n0 + 4 * m)
        return 16 * numbers

    @cached_property
    def _outputs(self) -> tuple[Real, Real]:
        """Variances c of outputs and shares of the outputs that have them."""
        if self.output_variances is None or not self.has_noise:
            return np.ones(1), np.ones(1)
        values, counts = np.unique(self.output_variances, return_counts=True)
        shares = counts / counts.sum()
        if values.size > OUTPUT_NODES:
            return gauss_rule(values, shares, OUTPUT_NODES)
        return values, shares

    @property
    def output_nodes(self) -> list[tuple[float, float]]:
        """Pairs (variance c, share of the outputs that have it)."""
        return [(float(c), float(share)) for c, share in zip(*self._outputs, strict=True)]

    @cached_property
    def rays(self) -> UnitRays:
        """Samples as the hidden units see them."""
        return UnitRays(self.slopes, self.x, self.curvatures)

    @cached_property
    def _first_layer(self) -> FirstLayerBlock:
        sigma = self.second_layer
        return FirstLayerBlock(
            self.rays,
            self.outputs,
            self.variances,
            np.asarray(np.diagonal(sigma) if sigma.ndim == 2 and self.by_unit else sigma),
            self.has_outer,
            self.has_noise,
            self.by_unit,
        )

    @property
    def gram(self) -> Real:
        """(1 / m^2) sum_mu r D_j D_j' x x^T: (n1, n0, n0) by unit, (n1, n0, n1, n0) full."""
        return self._first_layer.gram

    def inner_blocks(self, z: complex, a: Complex, s: Complex) -> Iterator[InnerBlocks]:
        """Form M_b from M_a and M_s, some hidden units at a time, or whole if they are coupled.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.
        a, s : ndarray of complex
            M_a and M_s.

        Returns
        -------
        iterator of InnerBlocks
            Of some units, or of all if they are coupled.
        """
        return self._first_layer.inner_blocks(z, a, s)

    def apply(self, z: complex, y: Complex) -> tuple[Complex, Blocks]:
        """Apply the equation to (M_a, M_s), packed into one vector.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.
        y : ndarray of complex
            A packed state.

        Returns
        -------
        (ndarray of complex, Blocks)
            The new state and its blocks.
        """
        n1, _, m = self._sizes
        a, s = self._unpacked(y)
        energy_a = np.zeros(n1 if self.by_unit else (n1, n1), dtype=np.complex128)
        energy_s = np.zeros((m, m), dtype=np.complex128) if self.has_outer else s
        trace, coupled = 0j, 0j
        for part in self.inner_blocks(z, a, s):
            trace += complex(np.trace(part.b, axis1=1, axis2=2).sum())
            coupled += complex(np.sum(part.b * part.energy.swapaxes(1, 2)))
            if self.has_noise:
                self._first_layer.add_energy_a(energy_a, part)
            if self.has_outer:
                energy_s += self._first_layer.energy_s(part)
        energy_s /= m
        new_a, new_s = np.zeros((n1, n1), dtype=np.complex128), np.zeros_like(energy_s)
        trace_a, outer = 0j, []
        for variance, share in zip(*self._outputs, strict=True):
            own = variance * energy_a
            block, one_a, one_s = outer_block(
                z, self.features, own, energy_s, has_outer=self.has_outer
            )
            new_a += (share * variance) * one_a
            new_s += share * one_s
            trace_a += share * complex(np.trace(one_a))
            outer.append(block._replace(weight=float(share)))
        blocks = Blocks(new_a, new_s, trace_a, trace, coupled, tuple(outer), (a, s))
        return np.concatenate([new_a.ravel(), new_s.ravel()]), blocks

    def fixed_point(
        self, z: complex, start: Complex | None, tolerance: float, limit: int = STEPS
    ) -> FixedPoint:
        """Solve for (M_a, M_s) at one point.

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
        y = self._first(z) if start is None else start
        steps = 0
        if not self.by_unit:
            if start is None:
                y = anderson(self._units, z, y, 1e-3, weights=self.weights)[0]
            last = np.inf
            for _ in range(limit):
                new, blocks = self.apply(z, y)
                steps += 1
                scale = self.weights(y)
                size = float(np.linalg.norm(scale * (new - y)) / np.linalg.norm(scale * y))
                if size <= tolerance:
                    return FixedPoint(new, blocks, steps, size, self._is_physical(blocks))
                if not size <= last / 2:
                    break
                last = size
                source = new - self._units.apply(z, y)[0]
                y = anderson(self._units, z, y, 0.05 * size, source=source, weights=self.weights)[0]
        y, blocks, more, size = anderson(self, z, y, tolerance, limit=limit, weights=self.weights)
        good = size <= tolerance and self._is_physical(blocks)
        return FixedPoint(y, blocks, steps + more, size, good)

    def _first(self, z: complex) -> Complex:
        """State to begin with: for a large network that of free slopes, costly steps saved."""
        n1, n0, _ = self._sizes
        if n1 * n0 < _LARGE or not self.has_outer:
            return self.start(z)
        solved = self._free.fixed_point(z, None, 1e-4)
        if not solved.converged:
            return self.start(z)
        outer = solved.blocks.outer
        return np.concatenate([outer.a.ravel(), self._free.sample_block(outer).ravel()])

    @cached_property
    def _free(self) -> FreeSlopes:
        sigma = self.second_layer
        mean = float((sigma if sigma.ndim == 1 else np.diagonal(sigma)).mean())
        variances = self.variances if self.variances.ndim == 1 else np.diagonal(self.variances)
        return FreeSlopes(
            self.features,
            self.slopes,
            self.x,
            self.outputs,
            variances,
            np.full(len(self.features), mean),
            self.curvatures,
            self.has_outer,
        )

    @cached_property
    def _units(self) -> Self:
        return replace(self, by_unit=True)

    def _is_physical(self, blocks: Blocks) -> bool:
        return is_lower(blocks.a) and (not self.has_outer or is_lower(blocks.s))

    # Results -------------------------------------------------------------------------------------

    def trace(self, blocks: Blocks) -> complex:
        """G.

        Parameters
        ----------
        blocks : Blocks
            Of a solution.

        Returns
        -------
        complex
        """
        value = self.outputs * blocks.trace_a + blocks.trace_b
        return complex(value / self.parameter_count)

    def potential(self, z: complex, blocks: Blocks) -> complex:
        """L; determinants of matrices with a positive imaginary part.

        Parameters
        ----------
        z : complex
            Point of the open upper half-plane.
        blocks : Blocks
            Of a solution there.

        Returns
        -------
        complex
        """
        total = blocks.coupled
        for block in blocks.outer:
            inner = block.energy_a
            here = upper_log(inner).sum() if inner.ndim == 1 else log_determinant(inner)
            if self.has_outer:
                here += log_determinant(block.schur)
            total += self.outputs * block.weight * complex(here)
        for part in self.inner_blocks(z, *blocks.start):
            total += log_determinant(part.inner)
        return complex(total / self.parameter_count)
