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

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rmtland.arguments import dense_array, entries, float_array, instance
from rmtland.typing import ArrayLike, Integer, NumpyArray, Real

__all__ = ["Place", "UnitGroup", "groups_of_units", "moved_units", "unit_rows"]


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

    def rows(self, theta: ArrayLike, place: Place) -> Real:
        """Return one row for each unit from one of its places.

        Parameters
        ----------
        theta : array_like, shape (p,)
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
        TypeError
            If they are no real numbers, or the place is none.
        """
        instance("place", place, Place, "one of the places of the group")
        return unit_rows(self, self._parameters(theta), place)

    def moved(self, theta: ArrayLike, order: ArrayLike, signs: ArrayLike | None = None) -> Real:
        """Return the same network with the units of this layer permuted and turned over.

        Parameters
        ----------
        theta : array_like, shape (p,)
            Parameters.
        order : array_like of int, shape (size,)
            New unit i is the old one `order[i]`.
        signs : array_like, shape (size,), optional
            1 or -1 for each new unit; all 1 where units are not turned over.

        Returns
        -------
        ndarray, shape (p,)
            New parameters; those of no unit of this layer are the old ones.

        Raises
        ------
        ValueError
            If the parameters are of another network, the order is no permutation of its units, or
            the signs are others, or turn units over where that changes the function.
        TypeError
            If the parameters are no real numbers.
        """
        turned = None if signs is None else self._signs(signs)
        return moved_units(self, self._parameters(theta), self._order(order), turned)

    def _parameters(self, theta: ArrayLike) -> Real:
        found = float_array("theta", theta, ndim=1)
        self.refuse_other_networks(found.size)
        return found

    def refuse_other_networks(self, parameters: int) -> None:
        """Refuse another number of parameters.

        Parameters
        ----------
        parameters : int
            Of a network.

        Raises
        ------
        ValueError
            If it is another one.
        """
        if parameters != self.parameters:
            raise ValueError(
                f"units of {self.name} stand among {self.parameters} parameters; got {parameters}: "
                "the groups are of another network"
            )

    def _order(self, order: ArrayLike) -> Integer:
        found: NumpyArray = dense_array("order", order)
        whole = found.dtype.kind in "iu" and found.shape == (self.size,)
        if not (whole and (np.sort(found) == np.arange(self.size)).all()):
            raise ValueError(
                f"order must hold each of the units 0 to {self.size - 1} of {self.name} once; got "
                f"{order!r}"
            )
        return found

    def _signs(self, signs: ArrayLike) -> Real:
        found = float_array("signs", signs, ndim=1)
        if found.shape != (self.size,) or not (np.abs(found) == 1.0).all():
            raise ValueError(
                f"signs must be 1 or -1 for each of the {self.size} units of {self.name}; got "
                f"{signs!r}"
            )
        if not self.signs and (found < 0.0).any():
            raise ValueError(
                f"units of {self.name} cannot be turned over: that changes the function; leave "
                "signs out"
            )
        return found


def unit_rows(group: UnitGroup, theta: Real, place: Place) -> Real:
    """Return one row for each unit, as `UnitGroup.rows` does, of parameters that are checked.

    Parameters
    ----------
    group, theta, place
        As there.

    Returns
    -------
    ndarray, shape (size, entries)
        A copy or a view.
    """
    array = theta[place.where].reshape(place.shape)
    return np.moveaxis(array, place.axis, 0).reshape(group.size, -1)


def moved_units(group: UnitGroup, theta: Real, order: Integer, signs: Real | None) -> Real:
    """Return parameters with units moved, as `UnitGroup.moved` does, of what is checked.

    Parameters
    ----------
    group, theta, order, signs
        As there; arrays.

    Returns
    -------
    ndarray, shape (p,)
        New parameters.
    """
    found = theta.copy()
    for place in group.places:
        array = np.take(theta[place.where].reshape(place.shape), order, axis=place.axis)
        if signs is not None and place.turns:
            shape = [1] * len(place.shape)
            shape[place.axis] = group.size
            array = array * signs.reshape(shape)
        found[place.where] = array.ravel()
    return found


def groups_of_units(groups: Iterable[UnitGroup], parameters: int) -> tuple[UnitGroup, ...]:
    """Return groups of units of a network, or say why they are none.

    Parameters
    ----------
    groups : iterable of UnitGroup
        What came.
    parameters : int
        Of the network, p.

    Returns
    -------
    tuple of UnitGroup
        At least one.

    Raises
    ------
    ValueError
        If there is none, or one is of another network.
    TypeError
        If one is no `UnitGroup`.
    """
    found = entries("groups", groups)
    if not found:
        raise ValueError("there are no groups of units to permute")
    for place, one in enumerate(found):
        instance(f"groups[{place}]", one, UnitGroup, "a UnitGroup, by unit_groups(network)")
        one.refuse_other_networks(parameters)
    return found
