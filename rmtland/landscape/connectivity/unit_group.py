"""The units of a hidden layer, and all the places they have among the parameters.

References
----------
.. [1] S. K. Ainsworth, J. Hayase and S. Srinivasa, Git Re-Basin: merging models modulo permutation
       symmetries, ICLR 2023.

Examples
--------
>>> import numpy as np
>>> places = (Place(slice(0, 2), (2, 1), 0, True), Place(slice(2, 4), (1, 2), 1, True))
>>> group = UnitGroup("layer 1", 2, places, True, 4)
>>> group.moved(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0]), np.array([-1.0, 1.0]))
array([-2.,  1., -4.,  3.])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rmtland.typing import Integer, Real

__all__ = ["Place", "UnitGroup"]


class Place(NamedTuple):
    """Where the units of a layer stand in one array of parameters.

    Made by `rmtland.landscape.connectivity.unit_groups`.

    Parameters
    ----------
    where : slice
        The array in the flat vector.
    shape : tuple of int
        Its shape; an axis of flattened channels is split in two.
    axis : int
        The axis of the units.
    turns : bool
        Whether it changes its sign when a unit is turned over.
    """

    where: slice
    shape: tuple[int, ...]
    axis: int
    turns: bool


@dataclass(frozen=True)
class UnitGroup:
    """The units of one hidden layer, and all their places.

    Made by `rmtland.landscape.connectivity.unit_groups`.

    Parameters
    ----------
    name : str
        Of the layer.
    size : int
        The number of units.
    places : tuple of Place
        Weights into them, biases, normalisation, weights out of them.
    signs : bool
        Whether units may be turned over.
    parameters : int
        The number of all parameters of the network, p.
    """

    name: str
    size: int
    places: tuple[Place, ...]
    signs: bool
    parameters: int

    def rows(self, theta: Real, place: Place) -> Real:
        """Return one row for each unit from one of its places.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Parameters.
        place : Place
            Which.

        Returns
        -------
        ndarray, shape (size, entries)
            A copy or a view.

        Raises
        ------
        ValueError
            If the parameters are of another network.
        """
        array = self._at(theta, place)
        return np.moveaxis(array, place.axis, 0).reshape(self.size, -1)

    def moved(self, theta: Real, order: Integer, signs: Real | None = None) -> Real:
        """Return the same network with the units of this layer permuted and turned over.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Parameters.
        order : ndarray of int, shape (size,)
            New unit i is the old one `order[i]`.
        signs : ndarray, shape (size,), optional
            1 or -1 for each new unit.

        Returns
        -------
        ndarray, shape (p,)
            New parameters; those of no unit of this layer are the old ones.

        Raises
        ------
        ValueError
            If the parameters are of another network.
        """
        found = np.array(theta)
        for place in self.places:
            array = self._at(theta, place)
            array = np.take(array, order, axis=place.axis)
            if signs is not None and place.turns:
                shape = [1] * len(place.shape)
                shape[place.axis] = self.size
                array = array * np.reshape(signs, shape)
            found[place.where] = array.ravel()
        return found

    def _at(self, theta: Real, place: Place) -> Real:
        if theta.shape != (self.parameters,):
            raise ValueError(
                f"units of {self.name} stand among {self.parameters} parameters; got shape "
                f"{theta.shape}: the groups are of another network"
            )
        return theta[place.where].reshape(place.shape)
