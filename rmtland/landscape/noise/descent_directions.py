r"""The directions of a Hessian under SGD: stationary, flat, frozen, diffusing or escaping.

Along an eigenvector of curvature :math:`\lambda` a step of size eta multiplies the distance from
the critical point by :math:`a = 1 - \eta \lambda` and adds noise of covariance
:math:`\eta^2 b \, \Sigma` (`rmtland.landscape.noise.stationary`).

Examples
--------
>>> import numpy as np
>>> from rmtland.landscape.noise import NoisyDescent
>>> noise = np.diag([1.0, 0.0, 1.0])
>>> sgd = NoisyDescent.of_matrices(np.diag([1.0, 0.0, -1.0]), noise, samples=9, step_size=0.5)
>>> sgd.contractions.tolist(), sgd.frozen.tolist()
([1.5, 1.0, 0.5], [False, True, False])
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from rmtland.landscape.noise.gradient_noise import noise_factor
from rmtland.typing import Logical, Real

__all__ = ["DescentDirections"]

_FLAT = 1e-10
"""Curvature, over the largest, below which a direction is flat."""

_SILENT = 1e-20
"""Noise along a direction, over the largest, below which there is none."""


class DescentDirections:
    """What kinds of directions SGD meets; `rmtland.landscape.noise.NoisyDescent` has them."""

    curvatures: Real
    noise: Real
    samples: int
    step_size: float
    batch_size: int
    sampling: str

    # Kinds of directions -------------------------------------------------------------------------

    @cached_property
    def flat(self) -> Logical:
        """Directions without curvature, up to 1e-10 of the largest."""
        size = float(np.abs(self.curvatures).max())
        return np.abs(self.curvatures) <= _FLAT * size

    @property
    def frozen(self) -> Logical:
        """Flat directions without noise: parameters stay where they started."""
        return self.flat & self._silent

    @property
    def diffusing(self) -> Logical:
        """Flat directions with noise: the variance grows without bound, linearly."""
        return self.flat & ~self._silent

    @property
    def escaping(self) -> Logical:
        """Directions of negative curvature."""
        return (self.curvatures < 0) & ~self.flat

    @property
    def stationary_directions(self) -> Logical:
        """Directions of positive curvature."""
        return (self.curvatures > 0) & ~self.flat

    @property
    def _silent(self) -> Logical:
        variances = np.diag(self.noise)
        if self.strength == 0.0:  # full batches
            return np.ones(variances.size, dtype=bool)
        return variances <= _SILENT * max(float(variances.max()), 0.0)

    @property
    def contractions(self) -> Real:
        """Factor a_i = 1 - eta lambda_i of each direction per step."""
        return np.asarray(1.0 - self.step_size * self.curvatures)

    @property
    def strength(self) -> float:
        """eta^2 b: covariance that a step adds, in units of Sigma."""
        factor = noise_factor(self.samples, self.batch_size, self.sampling)
        return self.step_size**2 * factor

    @property
    def _shares(self) -> Real:
        """1 - a^2 for each direction, without cancellation."""
        h = self.step_size * self.curvatures
        return np.asarray(h * (2.0 - h))
