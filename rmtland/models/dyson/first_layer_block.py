r"""M_b, the block of the first layer's weights, of a matrix Dyson equation of given slopes.

It is the inverse of z - A_b - S_b with

.. math:: S_b = \frac{n_2}{m} \Sigma_{jj'} X D_j M_s D_{j'} X^T
               + n_2 \frac1{m^2} \sum_\mu r_\mu (M_a)_{jj'} D_{j\mu} D_{j'\mu} x_\mu x_\mu^T ,

block diagonal in the hidden units where neither Sigma nor M_a couples them, and then formed a few
units at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.models.dyson.half_plane import inverse
from rmtland.models.dyson.output_block import real_times, times_real
from rmtland.models.dyson.unit_rays import UnitRays
from rmtland.typing import Complex, Real

__all__ = ["FirstLayerBlock", "InnerBlocks"]


class InnerBlocks(NamedTuple):
    """M_b of some hidden units, with z - A_b - S_b and S_b: (k, n0, n0), or (1, n1 n0, n1 n0)."""

    units: slice
    b: Complex
    inner: Complex
    energy: Complex


@dataclass(frozen=True, eq=False)
class FirstLayerBlock:
    """M_b as a function of M_a and M_s, and what it adds to their equations.

    Parameters
    ----------
    rays : UnitRays
        Samples as the hidden units see them.
    outputs : int
        n2.
    variances : ndarray, shape (m,) or (m, m)
        r of the residuals, or their covariance.
    sigma : ndarray, shape (n1,) or (n1, n1)
        Sigma of the second layer, its diagonal where units are apart.
    has_outer, has_noise : bool
        Whether H0 and H1 take part.
    by_unit : bool
        Whether M_b is block diagonal.
    """

    rays: UnitRays
    outputs: int
    variances: Real
    sigma: Real
    has_outer: bool
    has_noise: bool
    by_unit: bool

    @property
    def _sizes(self) -> tuple[int, int, int]:
        n1, m = self.rays.slopes.shape
        return n1, self.rays.x.shape[1], m

    @cached_property
    def gram(self) -> Real:
        """(1 / m^2) sum_mu r D_j D_j' x x^T: (n1, n0, n0) by unit, (n1, n0, n1, n0) full."""
        return self.rays.gram(self.variances, by_unit=self.by_unit)

    def inner_blocks(self, z: complex, a: Complex, s: Complex) -> Iterator[InnerBlocks]:
        """Form M_b at z from M_a and M_s; see `BlockEquation.inner_blocks`."""
        if not self.by_unit:
            yield self._wide_block(z, a, s)
            return
        n0 = self.rays.x.shape[1]
        for units in self.rays.chunks():
            energy = self._energy_by_unit(units, s)
            if self.has_noise:
                here = np.diagonal(a)[units]
                energy += self.outputs * here[:, None, None] * self.gram[units]
            inner = z * np.eye(n0) - energy
            if self.rays.curvature is not None:
                inner -= self.rays.curvature[units]
            yield InnerBlocks(units, inverse(inner), inner, energy)

    def _energy_by_unit(self, units: slice, s: Complex) -> Complex:
        """(n2 / m) Sigma_jj X D_j M_s D_j X^T, shape (k, n0, n0)."""
        n1, n0, m = self._sizes
        energy = np.zeros((len(range(n1)[units]), n0, n0), dtype=np.complex128)
        if not self.has_outer:
            return energy
        rays = self.rays.of(units)
        flat, turned = rays.reshape(-1, m), rays.swapaxes(1, 2)
        energy.real = (flat @ np.ascontiguousarray(s.real)).reshape(rays.shape) @ turned
        energy.imag = (flat @ np.ascontiguousarray(s.imag)).reshape(rays.shape) @ turned
        energy *= (self.outputs / m * self.sigma[units])[:, None, None]
        return energy

    def _wide_block(self, z: complex, a: Complex, s: Complex) -> InnerBlocks:
        n1, n0, m = self._sizes
        every, units = slice(None), np.arange(n1)
        if self.has_outer and self.sigma.ndim == 2:
            rays = self.rays.of(every).reshape(n1 * n0, m)
            energy = times_real(real_times(rays, s), rays.T).reshape(n1, n0, n1, n0)
            energy *= (self.outputs / m) * self.sigma[:, None, :, None]
        else:
            energy = np.zeros((n1, n0, n1, n0), dtype=np.complex128)
            energy[units, :, units, :] = self._energy_by_unit(every, s)
        if self.has_noise:
            energy += self.outputs * a[:, None, :, None] * self.gram
        inner = -energy
        inner[units, :, units, :] += z * np.eye(n0)
        if self.rays.curvature is not None:
            inner[units, :, units, :] -= self.rays.curvature
        shape = (1, n1 * n0, n1 * n0)
        wide = inner.reshape(shape)
        return InnerBlocks(every, inverse(wide), wide, energy.reshape(shape))

    def add_energy_a(self, energy: Complex, part: InnerBlocks) -> None:
        """Add S_a, or its diagonal where units are apart."""
        n1, n0, _ = self._sizes
        if not self.by_unit:
            energy += np.sum(part.b.reshape(n1, n0, n1, n0) * self.gram, axis=(1, 3))
        else:
            energy[part.units] += np.sum(part.b * self.gram[part.units], axis=(1, 2))

    def energy_s(self, part: InnerBlocks) -> Complex:
        """Return m S_s."""
        n1, n0, m = self._sizes
        rays = self.rays.of(part.units)
        if self.sigma.ndim == 1:
            b = part.b
            if not self.by_unit:
                units = np.arange(n1)
                b = b.reshape(n1, n0, n1, n0)[units, :, units, :]
            b = b * self.sigma[part.units, None, None]
        else:
            b = part.b.reshape(n1, n0, n1, n0) * self.sigma[:, None, :, None]
            b, rays = b.reshape(n1 * n0, n1 * n0), rays.reshape(n1 * n0, m)
        flat = rays.reshape(-1, m).T
        energy = np.empty((m, m), dtype=np.complex128)
        energy.real = flat @ (np.ascontiguousarray(b.real) @ rays).reshape(-1, m)
        energy.imag = flat @ (np.ascontiguousarray(b.imag) @ rays).reshape(-1, m)
        return energy
