r"""Laws of a family over a grid of parameters: thousands of densities in one call.

.. math:: \rho_\theta(x), \qquad F_\theta(x), \qquad \text{index}(\theta) = F_\theta(0-)

on arrays of parameters that broadcast as in NumPy. Values are those of the single laws, and so are
errors. `rmtland.MarchenkoPastur.grid` and the grids of `rmtland.WishartPlusWigner` and
`rmtland.WishartPlusReluBlock` compute them for many laws at once; other laws one by one. Synonyms:
batched evaluation, parameter sweep, phase diagram, phase map.

References
----------
.. [1] A. Edelman and N. R. Rao, Random matrix theory, Acta Numerica 14 (2005) 233-297.

Examples
--------
>>> import numpy as np
>>> from rmtland import MarchenkoPastur, WishartPlusWigner
>>> grid = WishartPlusWigner.grid(np.array([[0.25], [0.5]]), np.array([0.01, 0.1, 0.3]))
>>> grid.shape, grid.pdf([0.5, 1.0]).shape
((2, 3), (2, 3, 2))
>>> bool(grid.index()[1, 2] == WishartPlusWigner(0.5, 0.3).index())
True
>>> MarchenkoPastur.grid([0.25, 0.5]).pdf(1.0).round(6)
array([0.616404, 0.421084])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import points
from rmtland.laws.law import Law
from rmtland.laws.spectral_model import SpectralModel
from rmtland.typing import ArrayLike, Real

__all__ = ["Batch", "LawGrid", "parameter_grid"]


_LAWS, _VALUES = 4096, 2**20
"""Laws, and values, of one call of a batch, at most."""

_FUNCTIONS = ("pdf", "cdf", "mass_below")


class Batch(Protocol):
    """Computes a function of many laws at the same points.

    Takes the number of the function (0 density, 1 distribution function, 2 mass strictly below),
    points, shape (k,), and an array of each parameter, shape (laws,). Returns values, shape
    (laws, k), and which laws these are good for.
    """

    def __call__(
        self, function: int, x: Real, /, *parameters: Real
    ) -> tuple[Real, NDArray[np.bool_]]:
        """Compute it."""


@dataclass(frozen=True, eq=False, repr=False)
class LawGrid:
    """Laws at many parameters; made by `MarchenkoPastur.grid`, `WishartPlusWigner.grid`.

    Parameters
    ----------
    family : callable
        A value of each parameter -> the law, or a model that has it.
    parameters : dict of str to ndarray of float
        Parameters in the order of the family, of one shape, checked.
    batch : callable or None
        Computes many laws at once; the laws that it leaves are computed one by one.
    """

    family: Callable[..., Law | SpectralModel]
    parameters: dict[str, Real]
    batch: Batch | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the grid."""
        return next(iter(self.parameters.values())).shape

    def __repr__(self) -> str:
        """Return the shape and the ranges in place of the parameters."""
        ranges = [
            f"{name}={float(value.min()):g}..{float(value.max()):g}"
            for name, value in self.parameters.items()
            if value.size
        ]
        return f"LawGrid({', '.join([f'shape={self.shape}', *ranges])})"

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
        return self._values(0, x)

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
        return self._values(1, x)

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
        return self._values(2, 0.0)

    def _values(self, function: int, x: ArrayLike) -> Real:
        places = points("x", x)
        flat = np.ascontiguousarray(places.ravel())
        parameters = [each.ravel() for each in self.parameters.values()]
        laws = parameters[0].size
        values = np.empty((laws, flat.size))
        alone = np.ones(laws, dtype=bool)
        if self.batch is not None and flat.size:
            # In parts: none holds much memory, and an interrupt waits for no more than one
            step = max(1, min(_LAWS, _VALUES // flat.size))
            for start in range(0, laws, step):
                part = np.arange(start, min(start + step, laws))
                found, good = self.batch(function, flat, *(each[part] for each in parameters))
                values[part[good]] = found[good]
                alone[part[good]] = False
        for i in np.flatnonzero(alone).tolist():
            made = self.family(*(float(each[i]) for each in parameters))
            law = made if isinstance(made, Law) else made.law
            values[i] = getattr(law, _FUNCTIONS[function])(flat)
        return values.reshape(self.shape + places.shape)


def parameter_grid(parameters: dict[str, ArrayLike], *, or_zero: str = "") -> dict[str, Real]:
    """Return positive parameters as arrays of one shape, checked as those of a single law.

    Parameters
    ----------
    parameters : dict of str to array_like of float
        Parameters that broadcast.
    or_zero : str, optional
        The name of one that may be zero.

    Returns
    -------
    dict of str to ndarray of float

    Raises
    ------
    ValueError
        If shapes do not broadcast, or a value is out of its range or not finite.
    """
    checked = {}
    for name, value in parameters.items():
        array = points(name, value)
        good = np.isfinite(array) & ((array >= 0) if name == or_zero else (array > 0))
        if not good.all():
            kind = "zero or positive" if name == or_zero else "positive"
            bad = float(array[~good].ravel()[0])
            raise ValueError(f"{name} must be {kind} and finite; got {bad} among its values")
        checked[name] = np.abs(array)  # -0.0 becomes 0.0
    try:
        arrays = np.broadcast_arrays(*checked.values())
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in checked.items())
        *first, last = checked
        raise ValueError(
            f"{', '.join(first)} and {last} must broadcast; got shapes {shapes}"
        ) from None
    return dict(zip(checked, arrays, strict=True))
