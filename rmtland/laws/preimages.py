r"""Preimages of points under a polynomial: all roots of p(t) = z, beside the law of t.

At a real point z = x + i0 a real root is approached from above where p increases and from below
where p decreases.

Where roots are close to each other, off the law of t, their terms cancel; the sum over a group of
roots is then an integral over a circle around it in the plane of t,

.. math:: \sum_{i} \frac{G(r_i)}{p'(r_i)} = \frac{1}{2 \pi i} \oint \frac{G(t)}{p(t) - z} \, dt .

Examples
--------
>>> from rmtland.laws import Semicircle
>>> series = np.array([0.0, 0.0, 1.0])  # t^2
>>> square = Preimages(Semicircle(), MonotonePieces(series, (-2.0, 2.0)))
>>> roots, side = square.roots(np.array([-4.0 + 0j]))
>>> sorted(roots[0].imag.round(12).tolist()), sorted(side[0].tolist())
([-2.0, 2.0], [-1.0, 1.0])
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmtland.laws.law import Law
from rmtland.laws.monotone_pieces import MonotonePieces, derivative, polynomial_at
from rmtland.typing import Complex, Logical, NumpyArray, Real

__all__ = ["Preimages"]

_CLOSE = 1e-2  # roots that are closer than this share of their distance to the law are a group
_CIRCLE = 64


@dataclass(frozen=True, eq=False)
class Preimages:
    """Roots of p(t) = z for points z, beside a law.

    Parameters
    ----------
    law : Law
        The law of t, of bounded support.
    pieces : MonotonePieces
        The polynomial, on the hull of the support of the law.
    """

    law: Law
    pieces: MonotonePieces

    @property
    def series(self) -> Real:
        """Coefficients of p, the constant first."""
        return self.pieces.series

    def roots(self, z: Complex) -> tuple[Complex, Real]:
        """Roots of p(r) = z, and the half-plane that each belongs to.

        Parameters
        ----------
        z : ndarray of complex, shape (n,)
            Points of the closed upper half-plane.

        Returns
        -------
        roots : ndarray of complex, shape (n, d)
            All d roots of each.
        side : ndarray of float, shape (n, d)
            1 for the upper half-plane, -1 for the lower.
        """
        d, lead = self.series.size - 1, self.series[-1]
        companion = np.zeros((z.size, d, d), dtype=np.complex128)
        companion[:, np.arange(1, d), np.arange(d - 1)] = 1.0
        companion[:, :, -1] = -self.series[:-1] / lead
        companion[:, 0, -1] += z / lead
        roots = np.linalg.eigvals(companion).astype(np.complex128)
        # The half-plane of a root beside the axis must not be left to rounding.
        slope = derivative(self.series)
        scale = np.abs(roots).max(axis=1, keepdims=True)
        refined: NumpyArray = roots.real + 0j
        step: NumpyArray = np.full(roots.shape, np.inf)
        for _ in range(4):
            with np.errstate(all="ignore"):
                step = (polynomial_at(self.series, refined) - z[:, None]) / polynomial_at(
                    slope, refined
                )
                refined = refined - step
        with np.errstate(invalid="ignore"):
            near = np.abs(refined - roots) < 1e-6 * scale
            near &= (np.abs(step) < 1e-14 * scale) & (z.imag > 0)[:, None]
        roots = np.where(near, refined, roots)
        real = z.imag == 0
        if real.any():
            roots[real] = self._with_real_roots(z[real].real, roots[real])
        side = np.sign(roots.imag)
        side = np.where(side == 0, np.where(polynomial_at(slope, roots).real < 0, -1.0, 1.0), side)
        return roots, side

    def _with_real_roots(self, x: Real, roots: Complex) -> Complex:
        """Put the roots in the range of the law, which are known better, in their places."""
        free = np.ones(roots.shape, dtype=np.bool_)
        for branches in self.pieces.branches:
            for branch, here in self.pieces.on(branches, x):
                rows = np.flatnonzero(here)
                if not rows.size:
                    continue
                t = branch.end + self.pieces.roots_on(branch, x[rows])
                gap = np.where(free[rows], np.abs(roots[rows] - t[:, None]), np.inf)
                place = np.argmin(gap, axis=1)
                roots[rows, place] = t
                free[rows, place] = False
        return roots

    def groups(self, roots: Complex) -> list[tuple[int, Complex, complex, Logical]]:
        """Points whose roots are close to each other, off the law.

        Parameters
        ----------
        roots : ndarray of complex, shape (n, d)
            As `roots` returns them.

        Returns
        -------
        list of (int, ndarray of complex, complex, ndarray of bool)
            Number of the point, a circle of points around a group of its roots, the centre of the
            circle, and which of the d roots are members.
        """
        gaps = np.abs(roots[:, :, None] - roots[:, None, :])
        gaps += np.where(np.eye(self.series.size - 1, dtype=np.bool_), np.inf, 0.0)
        nearest, away = gaps.min(axis=2), self._distance(roots)
        unit = np.exp(2j * np.pi * (np.arange(_CIRCLE) + 0.5) / _CIRCLE)
        found = []
        for i in np.flatnonzero((nearest < _CLOSE * away).any(axis=1)):
            first = int(np.argmax(away[i] / np.maximum(nearest[i], 1e-16 * away[i])))
            middle = complex(roots[i, first])
            sizes = np.abs(roots[i] - middle)
            limits = np.append(np.sort(sizes[sizes < away[i, first]]), away[i, first])
            # The widest ring free of roots, and a circle that is nearer to its outer border
            ratios = limits[2:] / np.maximum(limits[1:-1], 1e-300)
            ring = int(np.argmax(ratios))
            radius = limits[ring + 2] / min(3.0, math.sqrt(ratios[ring]))
            found.append((int(i), middle + radius * unit, middle, sizes < radius))
        return found

    def _distance(self, t: Complex) -> Real:
        """Distance of points of the plane to the law."""
        low, high = np.array([*self.law.support, *((p, p) for p, _ in self.law.atoms)]).T
        beside = np.maximum(low - t.real[..., None], t.real[..., None] - high)
        return np.asarray(np.hypot(np.maximum(beside, 0.0).min(axis=-1), t.imag))
