r"""Samples as the hidden units of a network see them: rays D_j,mu x_mu.

Unit j multiplies a sample by its slope. Second moments of the rays, with the variances r of the
residuals, couple the blocks of a matrix Dyson equation,

.. math:: \frac{1}{m^2} \sum_\mu r_\mu D_{j\mu} D_{j'\mu} x_\mu x_\mu^T, \qquad
          A_b[j] = \frac1m X \operatorname{diag}(\delta_j f''_j) X^T .

Units are taken some at a time, as many as a workspace holds.

Examples
--------
>>> slopes = np.array([[1.0, 0.0], [1.0, 1.0]])
>>> rays = UnitRays(slopes, np.eye(2), None)
>>> rays.gram(np.ones(2), by_unit=True)[1]
array([[0.25, 0.  ],
       [0.  , 0.25]])
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.models.dyson.null_space import input_basis, input_rank
from rmtland.typing import Real

__all__ = ["UnitRays"]

_WORKSPACE = 2**22  # complex numbers of one chunk of hidden units


@dataclass(frozen=True, eq=False)
class UnitRays:
    """Rays of all hidden units.

    Parameters
    ----------
    slopes : ndarray, shape (n1, m)
        D.
    x : ndarray, shape (m, n0)
        Samples.
    curvatures : ndarray of shape (n1, m), or None
        delta f''.
    """

    slopes: Real
    x: Real
    curvatures: Real | None

    @property
    def _sizes(self) -> tuple[int, int, int]:
        n1, m = self.slopes.shape
        return n1, self.x.shape[1], m

    @property
    def chunk(self) -> int:
        """Hidden units that are treated together."""
        n1, n0, m = self._sizes
        return int(min(n1, max(1, _WORKSPACE // (n0 * max(m, n0)))))

    def chunks(self) -> Iterator[slice]:
        """Return the hidden units, so many at a time as are treated together.

        Yields
        ------
        slice
            Of the units.
        """
        n1 = self.slopes.shape[0]
        for first in range(0, n1, self.chunk):
            yield slice(first, min(first + self.chunk, n1))

    @cached_property
    def bases(self) -> Real | None:
        """Bases of the inputs by unit, None where every unit sees all of them.

        A unit that is active on few samples sees a part of the space only. In a basis whose first
        vectors span it, what lies outside is exactly zero, and does not mix by rounding with the
        part of M_b of the size 1/z that belongs to it.
        """
        n0 = self.x.shape[1]
        active = self.slopes != 0
        if self.curvatures is not None:
            active = active | (self.curvatures != 0)
        if active.sum(axis=1).min() >= n0 and input_rank(self.x) == n0:
            return None
        return np.stack([input_basis(self.x[row]) for row in active])

    def of(self, units: slice) -> Real:
        """D_j,mu x_mu,k, shape (k, n0, m); inputs in the basis of the unit where it has one.

        Parameters
        ----------
        units : slice
            Hidden units.

        Returns
        -------
        ndarray, shape (k, n0, m)
        """
        if self.chunk == len(self.slopes):
            return self._all[units]
        return self._formed(units)

    @cached_property
    def _all(self) -> Real:
        return self._formed(slice(None))

    def _formed(self, units: slice) -> Real:
        inputs = self.x.T[None]
        if self.bases is not None:
            inputs = self.bases[units].swapaxes(1, 2) @ inputs
        return np.asarray(self.slopes[units, None, :] * inputs)

    def gram(self, variances: Real, *, by_unit: bool) -> Real:
        """Second moments of the rays, (1 / m^2) sum_mu r D_j D_j' x x^T.

        Parameters
        ----------
        variances : ndarray, shape (m,) or (m, m)
            r of the residuals, or their covariance.
        by_unit : bool
            Whether j = j' alone is wanted.

        Returns
        -------
        ndarray, shape (n1, n0, n0) or (n1, n0, n1, n0)
        """
        n1, n0, m = self._sizes
        weights = variances / m**2
        if by_unit:
            gram = np.empty((n1, n0, n0))
            for units in self.chunks():
                rays = self.of(units)
                gram[units] = _weighted(rays, weights) @ rays.swapaxes(1, 2)
            return gram
        rays = self.of(slice(None)).reshape(n1 * n0, m)
        return np.asarray((_weighted(rays, weights) @ rays.T).reshape(n1, n0, n1, n0))

    @cached_property
    def curvature(self) -> Real | None:
        """A_b, shape (n1, n0, n0)."""
        if self.curvatures is None:
            return None
        m = self.slopes.shape[1]
        center = np.array([(self.x.T * (row / m)) @ self.x for row in self.curvatures])
        if self.bases is None:
            return center
        return np.asarray(self.bases.swapaxes(1, 2) @ center @ self.bases)


def _weighted(rays: Real, weights: Real) -> Real:
    """Multiply the samples of rays by variances or by a covariance."""
    return np.asarray(rays * weights if weights.ndim == 1 else rays @ weights)
