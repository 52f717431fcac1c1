r"""Residuals conditioned on a minimum: among those that the gradient allows, where H >= 0.

Descent does not end at any critical point but at one without directions of descent. Residuals

.. math::
    e = P e_{measured} + \sigma \xi, \quad P \xi = 0, \quad |\xi|^2 = \dim - \operatorname{rank} P,

that are uniform on that sphere make Hessians :math:`H_0 + H_1[e]` with some percent of negative
eigenvalues at a typical critical point; here they are uniform on the part of the sphere where
H >= 0 up to rounding. Where training stopped before its end :math:`H_0 + H_1[P e]` may have some
negative eigenvalues itself: then H >= 0 on all other directions, which leaves H no more negative
eigenvalues than those. As H is linear in e, a step of a Markov chain that draws
from that law is cheap: a great circle through xi in a random direction, and on it a point of the
allowed arcs by shrinking (slice sampling [1]_), a Cholesky factorisation a trial.

The first allowed point comes from the gradient and the energy alone, not from the residuals that
were measured: a vector of small norm is allowed since H_0 >= 0, and while the chain moves its norm
is raised as far as the Hessian stays non-negative, up to that of the sphere. Where it has stopped
rising there is no minimum of so much energy, or none that the chain finds.

Synonyms: stable critical point, Gaussian matrix with a hard wall, large deviation of the index,
elliptical slice sampling.

References
----------
.. [1] I. Murray, R. P. Adams and D. J. C. MacKay, Elliptical slice sampling, AISTATS 2010,
       PMLR 9.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> known, units = np.eye(3), rng.normal(size=(8, 3, 3))
>>> chain = NonnegativeChain(
...     known,
...     lambda xi: np.tensordot(xi, units + units.transpose(0, 2, 1), axes=1),
...     lambda generator: generator.normal(size=8),
...     radius=1.0,
... )
>>> drawn = [chain.matrix(xi) for xi in chain.draws(5, rng)]
>>> all(np.linalg.eigvalsh(h)[0] > -1e-8 for h in drawn)
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rmtland.solution import ConvergenceError
from rmtland.typing import Real

__all__ = ["NonnegativeChain"]

BURN = 200
"""Steps before the first draw."""

THIN = 50
"""Steps between draws."""

_RISE = 3000  # steps in which the sphere must be reached
_STALL = 600  # steps in which the norm must rise by a hundredth
_ROUNDING = 1e-9  # eigenvalues of at least minus this, relative to the largest, are allowed
_SHORT = 0.02  # of the sphere's radius, where the chain starts
_STRETCH = 1.15
_TRIALS = 60
_LINE = 1e-8  # a part of a vector below so much of it is rounding


@dataclass(frozen=True, eq=False)
class NonnegativeChain:
    """Draws xi on a sphere where known + noise(xi) has no negative eigenvalue that known has not.

    Parameters
    ----------
    known : ndarray, shape (p, p)
        The matrix at xi = 0, without negative eigenvalues but for its own rounding.
    noise : callable
        Linear map of xi to symmetric matrices.
    normal : callable
        Draws a standard normal vector of the space of xi from a generator.
    radius : float
        Of the sphere.

    Raises
    ------
    ValueError
        If `known` has a negative eigenvalue of more than a thousandth of their root mean square.
    """

    known: Real
    noise: Callable[[Real], Real]
    normal: Callable[[np.random.Generator], Real]
    radius: float

    def __post_init__(self) -> None:
        lowest, size = float(self._spectrum[0]), float(np.sqrt((self._spectrum**2).mean()))
        if lowest < -1e-3 * size:
            raise ValueError(
                "only a critical point can be a minimum: without the free part of the residuals "
                f"its Hessian has an eigenvalue {lowest:.3g} < 0; train on until the gradient "
                "vanishes, or leave 'minimum' out"
            )

    @cached_property
    def _spectrum(self) -> Real:
        return np.asarray(np.linalg.eigvalsh(self.known))

    @property
    def shift(self) -> float:
        """Eigenvalues above minus this are allowed."""
        return _ROUNDING * float(np.abs(self._spectrum).max())

    @cached_property
    def _seen(self) -> Real | None:
        """Basis of the directions in which `known` is not negative; None for all."""
        values, vectors = np.linalg.eigh(self.known)
        kept = values >= -self.shift
        return None if kept.all() else np.asarray(vectors[:, kept])

    def _restricted(self, matrix: Real) -> Real:
        seen = self._seen
        return matrix if seen is None else np.asarray(seen.T @ matrix @ seen)

    @cached_property
    def _known(self) -> Real:
        return self._restricted(self.known)

    def matrix(self, xi: Real) -> Real:
        """Return known + noise(xi).

        Parameters
        ----------
        xi : ndarray
            A vector.

        Returns
        -------
        ndarray, shape (p, p)
        """
        return self.known + self.noise(xi)

    def draws(
        self,
        number: int,
        generator: np.random.Generator,
        *,
        burn: int = BURN,
        thin: int = THIN,
    ) -> Iterator[Real]:
        """Yield vectors of one chain.

        Parameters
        ----------
        number : int
            How many.
        generator : numpy.random.Generator
            What draws.
        burn : int
            Steps on the sphere before the first of them.
        thin : int
            Steps between them.

        Yields
        ------
        ndarray
            A vector of norm `radius`.

        Raises
        ------
        ConvergenceError
            If no such vector is found.
        """
        xi, noise = self._start(generator)
        for step in range(burn + (number - 1) * thin + 1):
            if step:
                xi, noise = self._move(xi, noise, 1.0, generator)
            if step >= burn and (step - burn) % thin == 0:
                yield xi

    def _start(self, generator: np.random.Generator) -> tuple[Real, Real]:
        """Return an allowed vector, from norms that rise."""
        xi = self.normal(generator)
        xi = xi * (self.radius / np.linalg.norm(xi))
        noise, scale = self._restricted(self.noise(xi)), _SHORT
        while scale > 1e-6 and not self._is_allowed(scale * noise):
            scale /= 2
        before = 0.0
        for step in range(_RISE):
            if step % _STALL == 0:
                if scale < 1.01 * before:
                    break
                before = scale
            for _ in range(2):  # up while it goes
                higher = min(1.0, _STRETCH * scale)
                if self._is_allowed(higher * noise):
                    scale = higher
            if scale >= 1.0:
                return xi, noise
            xi, noise = self._move(xi, noise, scale, generator)
        raise ConvergenceError(
            f"no minimum of this energy was found for these weights: {step + 1} steps reached "
            f"residuals of {scale:.1%} of the size that is free; leave 'minimum' out"
        )

    def _move(
        self, xi: Real, noise: Real, scale: float, generator: np.random.Generator
    ) -> tuple[Real, Real]:
        """Move along a random great circle to an allowed point of it."""
        drawn = self.normal(generator)
        across = drawn - xi * (float((drawn * xi).sum()) / float((xi * xi).sum()))
        length = float(np.linalg.norm(across))
        if length <= _LINE * float(np.linalg.norm(drawn)):  # a sphere of two points
            turned = -noise if generator.random() < 0.5 else noise
            if turned is noise or not self._is_allowed(scale * turned):
                return xi, noise
            return -xi, turned
        across *= self.radius / length
        other = self._restricted(self.noise(across))
        angle = generator.uniform(0.0, 2 * np.pi)
        low, high = angle - 2 * np.pi, angle
        for _ in range(_TRIALS):
            turned = np.cos(angle) * noise + np.sin(angle) * other
            if self._is_allowed(scale * turned):
                return np.cos(angle) * xi + np.sin(angle) * across, turned
            low, high = (angle, high) if angle < 0 else (low, angle)
            angle = generator.uniform(low, high)
        return xi, noise

    def _is_allowed(self, noise: Real) -> bool:
        h = self._known + noise
        h[np.diag_indices(len(h))] += self.shift
        try:
            np.linalg.cholesky(h)
        except np.linalg.LinAlgError:
            return False
        return True
