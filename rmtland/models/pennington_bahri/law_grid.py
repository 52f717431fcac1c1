r"""The laws of a model over a grid of phi and epsilon: thousands of densities in one call.

.. math:: \rho_{\phi, \epsilon}(x), \qquad F_{\phi, \epsilon}(x), \qquad
          \text{index}(\phi, \epsilon) = F_{\phi, \epsilon}(0-)

on arrays of parameters that broadcast as in NumPy. Values are those of the single laws
``model(phi, epsilon).law``, and so are errors. Wishart + Wigner at epsilon > 0 is computed by one
compiled call that shares the laws out between threads; other laws one by one. Synonyms: batched
evaluation, parameter sweep, phase diagram, phase map.

Examples
--------
>>> import numpy as np
>>> from rmtland import WishartPlusWigner
>>> grid = WishartPlusWigner.grid(np.array([[0.25], [0.5]]), np.array([0.01, 0.1, 0.3]))
>>> grid.shape, grid.pdf([0.5, 1.0]).shape
((2, 3), (2, 3, 2))
>>> bool(grid.index()[1, 2] == WishartPlusWigner(0.5, 0.3).index())
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rmtland.arguments import points
from rmtland.laws import Law, SpectralModel
from rmtland.typing import ArrayLike, Real

__all__ = ["LawGrid", "parameter_grid"]


_LAWS, _VALUES = 4096, 2**20
"""Laws, and values, of one call of the kernel, at most."""


class Triplets(Protocol):
    """Maps arrays of parameters to variances, rates and jumps of laws with one jump."""

    def __call__(self, phi: Real, epsilon: Real, sigma: Real) -> tuple[Real, Real, Real]: ...


@dataclass(frozen=True, eq=False, repr=False)
class LawGrid:
    """Laws of a model at many parameters; made by `WishartPlusWigner.grid` and its like.

    Parameters
    ----------
    model : callable
        (phi, epsilon, sigma) -> the model there.
    phi, epsilon, sigma : ndarray of float
        Parameters, of one shape, checked.
    triplets : callable or None
        What `rmtland.free.rational.many_laws` needs, where the laws have one jump.
    """

    model: Callable[[float, float, float], SpectralModel]
    phi: Real
    epsilon: Real
    sigma: Real
    triplets: Triplets | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the grid."""
        return self.phi.shape

    def __repr__(self) -> str:
        """Return the shape and the ranges in place of the parameters."""
        if not self.phi.size:
            return f"LawGrid(shape={self.shape})"
        ranges = [
            f"{name}={float(value.min()):g}..{float(value.max()):g}"
            for name, value in (("phi", self.phi), ("epsilon", self.epsilon))
        ]
        return f"LawGrid(shape={self.shape}, {', '.join(ranges)})"

    def pdf(self, x: ArrayLike) -> Real:
        """Return the densities of all laws at the same points, atoms left out.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.

        Returns
        -------
        ndarray of float64
            Of the shape of the grid, followed by that of `x`.

        Raises
        ------
        ValueError
            If a point is NaN, or a law is beyond double precision.
        ConvergenceError
            If a law does not pass its certificate.
        """
        return self._values(0, x, lambda law, x: law.pdf(x))

    def cdf(self, x: ArrayLike) -> Real:
        """Return the distribution functions of all laws at the same points, atoms included.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.

        Returns
        -------
        ndarray of float64
            Of the shape of the grid, followed by that of `x`.

        Raises
        ------
        ValueError
            If a point is NaN, or a law is beyond double precision.
        ConvergenceError
            If a law does not pass its certificate.
        """
        return self._values(1, x, lambda law, x: law.cdf(x))

    def index(self) -> Real:
        """Return the indices of all laws: the masses strictly below 0.

        Returns
        -------
        ndarray of float64
            Of the shape of the grid.

        Raises
        ------
        ValueError
            If a law is beyond double precision.
        ConvergenceError
            If a law does not pass its certificate.
        """
        return self._values(1, 0.0, lambda law, x: law.mass_below(x))

    def _values(self, mode: int, x: ArrayLike, single: Callable[[Law, Real], Real]) -> Real:
        places = points("x", x)
        flat = np.ascontiguousarray(places.ravel())
        parameters = [each.ravel() for each in (self.phi, self.epsilon, self.sigma)]
        values = np.empty((self.phi.size, flat.size))
        alone = np.ones(self.phi.size, dtype=bool)
        if self.triplets is not None and flat.size:
            from rmtland.free.rational.many_laws import values_of_laws  # numba loads at need

            # At epsilon = 0 there may be atoms: the law by itself
            moving = np.flatnonzero(parameters[1] > 0)
            # In parts: none holds much memory, and an interrupt waits for no more than one
            step = max(1, min(_LAWS, _VALUES // flat.size))
            for start in range(0, moving.size, step):
                part = moving[start : start + step]
                found, sound = values_of_laws(
                    mode, flat, *self.triplets(*(each[part] for each in parameters))
                )
                values[part[sound]] = found[sound]
                alone[part[sound]] = False
        for i in np.flatnonzero(alone).tolist():
            law = self.model(*(float(each[i]) for each in parameters)).law
            values[i] = single(law, flat)
        return values.reshape(self.shape + places.shape)


def parameter_grid(phi: ArrayLike, epsilon: ArrayLike, sigma: ArrayLike) -> tuple[Real, Real, Real]:
    """Return parameters as arrays of one shape, checked as those of a single model.

    Parameters
    ----------
    phi, epsilon, sigma : array_like of float
        Parameters that broadcast.

    Returns
    -------
    tuple of ndarray of float

    Raises
    ------
    ValueError
        If shapes do not broadcast, or a value is out of its range or not finite.
    """
    named = [("phi", phi), ("epsilon", epsilon), ("sigma", sigma)]
    checked = []
    for name, value in named:
        array = points(name, value)
        low = array >= 0 if name == "epsilon" else array > 0
        if not (low & np.isfinite(array)).all():
            bad = array[~(low & np.isfinite(array))].ravel()[0]
            kind = "zero or positive" if name == "epsilon" else "positive"
            raise ValueError(f"{name} must be {kind} and finite; got {float(bad)} among its values")
        checked.append(np.abs(array))  # -0.0 becomes 0.0
    try:
        phi_, epsilon_, sigma_ = np.broadcast_arrays(*checked)
    except ValueError:
        shapes = ", ".join(f"{n} {a.shape}" for (n, _), a in zip(named, checked, strict=True))
        raise ValueError(f"phi, epsilon and sigma must broadcast; got shapes {shapes}") from None
    return phi_, epsilon_, sigma_
