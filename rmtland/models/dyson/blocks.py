r"""The matrix Dyson equation of a one-hidden-layer Hessian, block by block.

Blocks and equation are those of `rmtland.models.dyson.dyson_hessian`. The state is (M_a, M_s);
M_b, the large block, is formed from it and used at once, a few hidden units at a time where it is
block diagonal (so that n1 n0 m numbers are never stored), or whole where the units are coupled.

With coupling the equation is solved by correction of the defect: the equation without the coupling
is solved with what the coupling changes as a source, so that few of the costly steps are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rmtland.models.dyson.free_slopes import FreeSlopes
from rmtland.models.dyson.half_plane import is_lower, log_determinant
from rmtland.models.dyson.march import DEPTH, STEPS, Solved, anderson

__all__ = ["BlockEquation", "Blocks"]

Real = NDArray[Any]  # float64
Complex = NDArray[Any]  # complex128

_LARGE = 2000  # n1 n0 from which a start is worth a solution with free slopes
_WORKSPACE = 2**22  # complex numbers of one chunk of hidden units


class Blocks(NamedTuple):
    """M_a and M_s at one point, and of M_b what G and L need."""

    a: Complex
    s: Complex
    trace_b: complex
    coupled: complex  # tr M_b S_b
    outer: Complex  # the inverse of the block of a and s
    start: tuple[Complex, Complex]  # (M_a, M_s) that M_b was formed from


class InnerBlocks(NamedTuple):
    """M_b of some hidden units, with z - A_b - S_b and S_b: (k, n0, n0), or (1, n1 n0, n1 n0)."""

    units: slice
    b: Complex
    inner: Complex
    energy: Complex


@dataclass(frozen=True, eq=False)
class BlockEquation:
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
    bends : ndarray of shape (n1, m), or None
        delta f''.
    has_outer : bool
        Whether H0 takes part.
    by_unit : bool
        Whether M_b is block diagonal.
    """

    features: Real
    slopes: Real
    x: Real
    outputs: int
    variances: Real
    second_layer: Real
    bends: Real | None
    has_outer: bool
    by_unit: bool

    @cached_property
    def has_noise(self) -> bool:
        """Whether H1 couples the blocks a and b."""
        return bool(self.variances.any())

    @property
    def parameter_count(self) -> int:
        """P = n1 (n0 + n2)."""
        return int(self.features.shape[0] * (self.x.shape[1] + self.outputs))

    @property
    def _sizes(self) -> tuple[int, int, int]:
        n1, m = self.features.shape
        return n1, self.x.shape[1], m

    @property
    def _chunk(self) -> int:
        """Hidden units that are treated together."""
        n1, n0, m = self._sizes
        return int(min(n1, max(1, _WORKSPACE // (n0 * max(m, n0)))))

    @property
    def memory(self) -> int:
        """Bytes at the height of a solution, estimated from above."""
        n1, n0, m = self._sizes
        state = n1**2 + (m**2 if self.has_outer else 0)
        numbers = (2 * DEPTH + 9) * state + 4 * (n1 + m) ** 2 * self.has_outer
        if self.by_unit:
            numbers += self._chunk * (4 * n0 * m + 5 * n0**2)
            numbers += n1 * n0**2 * (self.has_noise + (self.bends is not None)) // 2
        else:
            numbers += n1 * n0 * (6 * n1 * n0 + 3 * m)
        return 16 * numbers

    @cached_property
    def _sigma(self) -> Real:
        sigma = self.second_layer
        return np.asarray(np.diagonal(sigma) if sigma.ndim == 2 and self.by_unit else sigma)

    def rays(self, units: slice) -> Real:
        """D_j,mu x_mu,k, shape (k, n0, m)."""
        return np.asarray(self.slopes[units, None, :] * self.x.T[None])

    @cached_property
    def gram(self) -> Real:
        """(1 / m^2) sum_mu r D_j D_j' x x^T: (n1, n0, n0) by unit, (n1, n0, n1, n0) full."""
        n1, n0, m = self._sizes
        weights = self.variances / m**2
        if self.by_unit:
            gram = np.empty((n1, n0, n0))
            for units in self._chunks():
                rays = self.rays(units)
                gram[units] = _weighted(rays, weights) @ rays.swapaxes(1, 2)
            return gram
        rays = self.rays(slice(None)).reshape(n1 * n0, m)
        return np.asarray((_weighted(rays, weights) @ rays.T).reshape(n1, n0, n1, n0))

    @cached_property
    def _center(self) -> Real | None:
        """A_b, shape (n1, n0, n0)."""
        if self.bends is None:
            return None
        m = self.features.shape[1]
        return np.array([(self.x.T * (row / m)) @ self.x for row in self.bends])

    def _chunks(self) -> Iterator[slice]:
        n1 = self.features.shape[0]
        for first in range(0, n1, self._chunk):
            yield slice(first, min(first + self._chunk, n1))

    # M_b -----------------------------------------------------------------------------------------

    def inner_blocks(self, z: complex, a: Complex, s: Complex) -> Iterator[InnerBlocks]:
        """Form M_b from M_a and M_s, some hidden units at a time, or whole if they are coupled."""
        if not self.by_unit:
            yield self._wide_block(z, a, s)
            return
        n0 = self.x.shape[1]
        for units in self._chunks():
            energy = self._energy_by_unit(units, s)
            if self.has_noise:
                here = np.diagonal(a)[units]
                energy += self.outputs * here[:, None, None] * self.gram[units]
            inner = z * np.eye(n0) - energy
            if self._center is not None:
                inner -= self._center[units]
            yield InnerBlocks(units, np.linalg.inv(inner), inner, energy)

    def _energy_by_unit(self, units: slice, s: Complex) -> Complex:
        """(n2 / m) Sigma_jj X D_j M_s D_j X^T, shape (k, n0, n0)."""
        n1, n0, m = self._sizes
        if not self.has_outer:
            return np.zeros((len(range(n1)[units]), n0, n0), dtype=np.complex128)
        rays = self.rays(units)
        moved = _real_times(rays.reshape(-1, m), s).reshape(rays.shape)
        energy = _times_real(moved, rays.swapaxes(1, 2))
        return np.asarray(energy * (self.outputs / m * self._sigma[units])[:, None, None])

    def _wide_block(self, z: complex, a: Complex, s: Complex) -> InnerBlocks:
        n1, n0, m = self._sizes
        every, units = slice(None), np.arange(n1)
        if self.has_outer and self._sigma.ndim == 2:
            rays = self.rays(every).reshape(n1 * n0, m)
            energy = _times_real(_real_times(rays, s), rays.T).reshape(n1, n0, n1, n0)
            energy *= (self.outputs / m) * self._sigma[:, None, :, None]
        else:
            energy = np.zeros((n1, n0, n1, n0), dtype=np.complex128)
            energy[units, :, units, :] = self._energy_by_unit(every, s)
        if self.has_noise:
            energy += self.outputs * a[:, None, :, None] * self.gram
        inner = -energy
        inner[units, :, units, :] += z * np.eye(n0)
        if self._center is not None:
            inner[units, :, units, :] -= self._center
        shape = (1, n1 * n0, n1 * n0)
        wide = inner.reshape(shape)
        return InnerBlocks(every, np.linalg.inv(wide), wide, energy.reshape(shape))

    # The fixed point -----------------------------------------------------------------------------

    def start(self, z: complex) -> Complex:
        """M_a = 1/z, M_s = 1."""
        n1, _, m = self._sizes
        size = m if self.has_outer else 0
        return np.concatenate([(np.eye(n1) / z).ravel(), np.eye(size, dtype=np.complex128).ravel()])

    def _unpacked(self, y: Complex) -> tuple[Complex, Complex]:
        n1, _, m = self._sizes
        size = m if self.has_outer else 0
        return y[: n1 * n1].reshape(n1, n1), y[n1 * n1 :].reshape(size, size)

    def admits(self, y: Complex) -> bool:
        """Whether the diagonals lie in the lower half-plane."""
        a, s = self._unpacked(y)
        return bool(np.diagonal(a).imag.max() < 0 and np.diagonal(s).imag.max(initial=-1.0) < 1e-12)

    def applied(self, z: complex, y: Complex) -> tuple[Complex, Blocks]:
        """Apply the equation to (M_a, M_s), packed into one vector."""
        n1, _, m = self._sizes
        a, s = self._unpacked(y)
        energy_a = np.zeros((n1, n1), dtype=np.complex128)
        energy_s = np.zeros((m, m), dtype=np.complex128) if self.has_outer else s
        trace, coupled = 0j, 0j
        for part in self.inner_blocks(z, a, s):
            trace += complex(np.trace(part.b, axis1=1, axis2=2).sum())
            coupled += complex(np.sum(part.b * part.energy.swapaxes(1, 2)))
            if self.has_noise:
                energy_a += self._energy_a(part)
            if self.has_outer:
                energy_s += self._energy_s(part) / m
        if not self.has_outer:
            outer = z * np.eye(n1) - energy_a
            new_a, new_s = np.linalg.inv(outer), s
        else:
            outer = np.empty((n1 + m, n1 + m), dtype=np.complex128)
            outer[:n1, :n1] = z * np.eye(n1) - energy_a
            outer[:n1, n1:] = -self.features / np.sqrt(m)
            outer[n1:, :n1] = outer[:n1, n1:].T
            outer[n1:, n1:] = np.eye(m) - energy_s
            inverse = np.linalg.inv(outer)
            new_a, new_s = inverse[:n1, :n1], inverse[n1:, n1:]
        blocks = Blocks(new_a, new_s, trace, coupled, outer, (a, s))
        return np.concatenate([new_a.ravel(), new_s.ravel()]), blocks

    def _energy_a(self, part: InnerBlocks) -> Complex:
        n1, n0, _ = self._sizes
        if not self.by_unit:
            return np.asarray(np.sum(part.b.reshape(n1, n0, n1, n0) * self.gram, axis=(1, 3)))
        diagonal = np.zeros(n1, dtype=np.complex128)
        diagonal[part.units] = np.sum(part.b * self.gram[part.units], axis=(1, 2))
        return np.diag(diagonal)

    def _energy_s(self, part: InnerBlocks) -> Complex:
        n1, n0, m = self._sizes
        rays = self.rays(part.units)
        if self._sigma.ndim == 1:
            b = part.b
            if not self.by_unit:
                units = np.arange(n1)
                b = b.reshape(n1, n0, n1, n0)[units, :, units, :]
            turned = _times_real(b * self._sigma[part.units, None, None], rays)
        else:
            b = part.b.reshape(n1, n0, n1, n0) * self._sigma[:, None, :, None]
            turned = _times_real(b.reshape(n1 * n0, n1 * n0), rays.reshape(n1 * n0, m))
        return _real_times(rays.reshape(-1, m).T, turned.reshape(-1, m))

    def fixed_point(
        self, z: complex, start: Complex | None, tolerance: float, limit: int = STEPS
    ) -> Solved:
        """Solve for (M_a, M_s) at one point."""
        y = self._first(z) if start is None else start
        steps = 0
        if not self.by_unit:
            if start is None:
                y = anderson(self._units, z, y, 1e-3)[0]
            last = np.inf
            for _ in range(limit):
                new, blocks = self.applied(z, y)
                steps += 1
                size = float(np.linalg.norm(new - y) / np.linalg.norm(y))
                if size <= tolerance:
                    return Solved(new, blocks, steps, size, self._is_physical(blocks))
                if not size <= last / 2:
                    break
                last = size
                source = new - self._units.applied(z, y)[0]
                y = anderson(self._units, z, y, 0.05 * size, source=source)[0]
        y, blocks, more, size = anderson(self, z, y, tolerance, limit=limit)
        good = size <= tolerance and self._is_physical(blocks)
        return Solved(y, blocks, steps + more, size, good)

    def _first(self, z: complex) -> Complex:
        """State to begin with: for a large network that of free slopes, costly steps saved."""
        n1, n0, _ = self._sizes
        if n1 * n0 < _LARGE or not self.has_outer:
            return self.start(z)
        solved = self._free.fixed_point(z, None, 1e-4)
        if not solved.good:
            return self.start(z)
        outer = solved.blocks.outer
        return np.concatenate([outer.a.ravel(), self._free.samples(outer).ravel()])

    @cached_property
    def _free(self) -> FreeSlopes:
        sigma = self.second_layer
        mean = float((sigma if sigma.ndim == 1 else np.diagonal(sigma)).mean())
        variances = self.variances if self.variances.ndim == 1 else np.diagonal(self.variances)
        return FreeSlopes(
            self.features, self.slopes, self.x, self.outputs, variances,
            np.full(len(self.features), mean), self.bends, self.has_outer,
        )  # fmt: skip

    @cached_property
    def _units(self) -> Self:
        return replace(self, by_unit=True)

    def _is_physical(self, blocks: Blocks) -> bool:
        return is_lower(blocks.a) and (not self.has_outer or is_lower(blocks.s))

    # Results -------------------------------------------------------------------------------------

    def trace(self, blocks: Blocks) -> complex:
        """G."""
        value = self.outputs * np.trace(blocks.a) + blocks.trace_b
        return complex(value / self.parameter_count)

    def potential(self, z: complex, blocks: Blocks) -> complex:
        """L; determinants of matrices with a positive imaginary part."""
        total = self.outputs * log_determinant(blocks.outer) + blocks.coupled
        for part in self.inner_blocks(z, *blocks.start):
            total += log_determinant(part.inner)
        return complex(total / self.parameter_count)


def _weighted(rays: Real, weights: Real) -> Real:
    """Multiply the samples of rays by variances or by a covariance."""
    return np.asarray(rays * weights if weights.ndim == 1 else rays @ weights)


def _real_times(left: Real, right: Complex) -> Complex:
    """Real (n, k) times complex (k, l) as one real matrix product."""
    wide = np.ascontiguousarray(right).view(np.float64)
    return np.asarray((left @ wide).view(np.complex128))


def _times_real(left: Complex, right: Real) -> Complex:
    """Complex (..., n, k) times real (..., k, l)."""
    return np.asarray(left.real @ right + 1j * (left.imag @ right))
