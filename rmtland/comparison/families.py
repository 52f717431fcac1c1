"""Families of theories: what has named real parameters, for a fit to choose.

A family is a class of laws, models or ensembles (its parameters are those of its constructor), or a
function with named parameters that returns one. A parameter is real if its annotation or its
default says so, or if it has neither; others keep their default, or have to be given.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur, Semicircle
>>> from rmtland.free import free_sum
>>> Family.of(MarchenkoPastur).names[0]
'aspect_ratio'
>>> Family.of(lambda phi, noise: free_sum(MarchenkoPastur(phi), Semicircle(noise))).names
('phi', 'noise')
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Generic, TypeVar

import numpy as np

from rmtland.arguments import finite
from rmtland.comparison.theories import law_of
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Record

__all__ = ["Box", "Family", "with_bulk"]

T = TypeVar("T", covariant=True)

_REAL = ("float", "int | float", "float | int")

_PLACES = ("center", "centre", "high", "loc", "location", "low", "lower", "mean", "shift", "upper")
"""Names of parameters that are points of the axis."""

_DECADES = 2.0
"""A positive parameter is sought within so many decades of 1, or of a unit of the spectrum."""


@dataclass(frozen=True)
class Box:
    """Where a parameter is sought.

    Parameters
    ----------
    low, high : float
        Bounds of the fit.
    positive : bool
        Whether its logarithm is fitted.
    place : bool, optional
        Whether it is a point of the axis.
    """

    low: float
    high: float
    positive: bool
    place: bool = False

    def size(self, coordinate: float, part: float, most: float) -> float:
        """Return the size of changes that matter there, at least a part of the bounds' distance.

        Of a point of the axis that is their distance at most, not how far it is from zero; other
        parameters may have bounds much further apart than `most`, which stands for it then.
        """
        if self.place:
            reach = self.high - self.low
            return max(min(abs(coordinate), reach), part * reach)
        return max(abs(coordinate), part * min(self.high - self.low, most))

    def inner(self, value: float) -> float:
        """Coordinate of a value: its logarithm where the parameter is positive."""
        return float(np.log(max(value, 1e-300))) if self.positive else value

    def outer(self, coordinate: float) -> float:
        """Value at a coordinate."""
        return float(np.exp(coordinate)) if self.positive else float(coordinate)


@dataclass(frozen=True)
class Family(Generic[T]):
    """A family of theories with its free parameters.

    Parameters
    ----------
    build : callable
        Takes the parameters by name and returns a law, model or ensemble.
    name : str
        For messages.
    names : tuple of str
        Parameters that are fitted.
    fixed : dict
        Parameters that are held.
    """

    build: Callable[..., T]
    name: str
    names: tuple[str, ...]
    fixed: Record

    @classmethod
    def of(cls, family: Callable[..., T], fix: Mapping[str, object] | None = None) -> Family[T]:
        """Return the family of a class or function.

        Parameters
        ----------
        family : class or callable
            Of laws, models or ensembles.
        fix : mapping of str to values, optional
            Parameters to hold.

        Raises
        ------
        TypeError
            If it is neither, if a parameter without default is not a real number, or if none is.
        ValueError
            If `fix` names a parameter that there is not, or leaves none free.
        """
        if fix is not None and not isinstance(fix, Mapping):
            raise TypeError(f"fix must map names of parameters to values; got {fix!r}")
        if not callable(family):
            raise TypeError(
                "family must be a class such as MarchenkoPastur or WishartPlusWigner, or a "
                f"function that returns a law; got {family!r}"
            )
        fixed = dict(fix or {})
        name = getattr(family, "__name__", type(family).__name__)
        try:
            parameters = inspect.signature(family).parameters
        except ValueError:  # of a class or function written in C
            raise TypeError(
                f"family must name its parameters, and {name} does not: give a function of real "
                "parameters that returns a law"
            ) from None
        known, free = [], []
        for parameter in parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise TypeError(f"{name}: parameters must have names; {parameter.name} is not one")
            known.append(parameter.name)
            if parameter.name in fixed:
                continue
            if _is_real(parameter):
                free.append(parameter.name)
            elif parameter.default is parameter.empty:
                raise TypeError(
                    f"the parameter {parameter.name} of {name} is not a real number "
                    f"({parameter.annotation}): hold it by fix={{{parameter.name!r}: ...}}, or "
                    "give a function of real parameters"
                )
        if unknown := set(fixed) - set(known):
            raise ValueError(
                f"{name} has no parameter {', '.join(sorted(unknown))}; it has {', '.join(known)}"
            )
        if not free and fixed:
            raise ValueError("fix leaves no parameter free; use compare instead")
        if not free:
            raise TypeError(f"{name} has no parameter of its own that is a real number")
        fixed = {
            key: finite(key, value) if _is_real(parameters[key]) else value
            for key, value in fixed.items()
        }
        return cls(family, name, tuple(free), fixed)

    def at(self, values: Mapping[str, float]) -> T:
        """Return the theory at values of the free parameters."""
        return self.build(**{**self.fixed, **values})

    def law(self, values: Mapping[str, float]) -> Law | None:
        """Return its law there, or None where there is none: out of range, or not solvable."""
        try:
            return law_of(self.at(values))  # type: ignore[arg-type]
        except (ValueError, ArithmeticError):
            return None

    def boxes(
        self,
        spectrum: Spectrum,
        bounds: Mapping[str, tuple[float, float]] | None,
        generator: np.random.Generator,
    ) -> dict[str, Box]:
        """Return where each free parameter is sought.

        A parameter that is not a point of the axis is positive, unless the family takes it
        negative where others are drawn at random.

        Parameters
        ----------
        spectrum : Spectrum
            Gives the units.
        bounds : mapping of str to (low, high), optional
            Bounds of the user's.
        generator : Generator
            Source of randomness.

        Raises
        ------
        ValueError
            If bounds are for a parameter that is not free, or do not ascend.
        TypeError
            If they are not pairs of numbers.
        """
        given = _given_bounds(bounds, self.names)
        nodes, _ = spectrum.measure
        low, high = float(nodes[0]), float(nodes[-1])
        width = (high - low) or abs(low) or 1.0
        scales = np.concatenate([_sizes(one) for one in with_bulk(spectrum)])
        places = Box(low - 10 * width, high + 10 * width, False, place=True)
        positive = Box(1e-10 * scales.min(), 1e4 * scales.max(), True)
        boxes = {n: places if n.lower() in _PLACES else positive for n in self.names}
        draws = self.candidates(spectrum, boxes, generator, 60)
        for name in self.names:
            if boxes[name].positive and any(
                self.law({**draw, name: -size}) is not None
                for draw in draws[:30]
                for size in (draw[name], 0.3)
            ):
                boxes[name] = Box(-positive.high, positive.high, False)
        for name, (least, most) in given.items():
            boxes[name] = Box(least, most, boxes[name].positive and least > 0, boxes[name].place)
        return boxes

    def at_sizes(self, spectrum: Spectrum, boxes: Mapping[str, Box]) -> list[dict[str, float]]:
        """Return all members whose parameters are sizes that the spectrum has.

        Among them are narrow laws that nothing drawn at random meets: a Marchenko-Pastur law whose
        aspect ratio is the variance over the square of the mean, with the mean as its scale.

        Parameters
        ----------
        spectrum : Spectrum
            Gives the units.
        boxes : mapping of str to Box
            Where the parameters are sought.

        Returns
        -------
        list of dict of str to float
            Values of the parameters; points of the axis are the mean. None of more than three
            other parameters: there would be too many.
        """
        places = [name for name in boxes if name.lower() in _PLACES]
        others = [name for name in boxes if name not in places]
        if len(others) > 3:
            return []
        members = []
        for one in with_bulk(spectrum):
            mean = dict.fromkeys(places, float(one.mean()))
            sizes = np.unique(_sizes(one)).tolist()
            members += [
                {**mean, **dict(zip(others, values, strict=True))}
                for values in product(sizes, repeat=len(others))
            ]
        return members

    def candidates(
        self,
        spectrum: Spectrum,
        boxes: Mapping[str, Box],
        generator: np.random.Generator,
        number: int,
    ) -> list[dict[str, float]]:
        """Draw values of the parameters, of all sizes that the spectrum suggests.

        Points of the axis are near quantiles of the spectrum; other parameters are within two
        decades of 1, or of the deviation or variance of the spectrum.

        Parameters
        ----------
        spectrum : Spectrum
            Gives the units.
        boxes : mapping of str to Box
            Where the parameters are sought.
        generator : Generator
            Source of randomness.
        number : int
            How many to draw.
        """
        nodes, weights = spectrum.measure
        levels = np.cumsum(weights) - weights / 2
        units = _units(spectrum)
        ends = [one.measure[0][[0, -1]] for one in with_bulk(spectrum)]
        ranges = np.array([high - low for low, high in ends])
        columns = {}
        for name, box in boxes.items():
            if name.lower() in _PLACES:
                value = np.interp(generator.beta(0.5, 0.5, number), levels, nodes)
                reach = ranges[0] if ranges.size == 1 else generator.choice(ranges, number)
                value += 0.02 * reach * generator.normal(size=number)
            else:
                value = 10 ** generator.uniform(-_DECADES, _DECADES, number)
                value *= generator.choice(units, number)
                if box.low < 0:
                    value *= generator.choice([-1.0, 1.0], number)
            low, high = box.inner(box.low), box.inner(box.high)
            anywhere = low + (high - low) * generator.random(number)
            anywhere = np.exp(anywhere) if box.positive else anywhere
            inside = (value > box.low) & (value < box.high)
            columns[name] = np.where(inside, value, anywhere)
        return [{name: float(column[i]) for name, column in columns.items()} for i in range(number)]


def _given_bounds(
    bounds: Mapping[str, tuple[float, float]] | None, names: tuple[str, ...]
) -> dict[str, tuple[float, float]]:
    if bounds is not None and not isinstance(bounds, Mapping):
        raise TypeError(f"bounds must map names of parameters to (low, high); got {bounds!r}")
    checked = {}
    for name, pair in (bounds or {}).items():
        if name not in names:
            raise ValueError(f"bounds are for free parameters, {', '.join(names)}; got {name}")
        try:
            least, most = (finite(name, end) for end in pair)
        except (TypeError, ValueError):
            raise TypeError(
                f"bounds of {name} must be a pair of finite numbers (low, high); got {pair!r}"
            ) from None
        if not least < most:
            raise ValueError(f"bounds of {name} must ascend; got {pair}")
        checked[name] = (least, most)
    return checked


def with_bulk(spectrum: Spectrum) -> tuple[Spectrum, ...]:
    """Return a spectrum, and its bulk where outliers make its moments others than those of that.

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues or a quadrature.

    Returns
    -------
    tuple of Spectrum
        The spectrum, and the middle 80 % of what is not zero, if its deviation is below a tenth of
        that of the spectrum.
    """
    nodes, weights = spectrum.measure
    away = np.abs(nodes) > spectrum.zero_tolerance
    nodes, weights = nodes[away], weights[away]
    levels = (np.cumsum(weights) - weights / 2) / (weights.sum() or 1.0)
    middle = (levels > 0.1) & (levels < 0.9)
    if np.count_nonzero(middle) < 2:
        return (spectrum,)
    bulk = Spectrum(nodes[middle], weights[middle] / weights[middle].sum())
    return (spectrum, bulk) if 0 < bulk.std() < 0.1 * spectrum.std() else (spectrum,)


def _units(spectrum: Spectrum) -> Real:
    """Return sizes that a parameter may have: a number, an eigenvalue, a squared one."""
    sizes = [(one.std() or 1.0, one.var() or 1.0) for one in with_bulk(spectrum)]
    return np.array([1.0, *(size for pair in sizes for size in pair)])


def _sizes(spectrum: Spectrum) -> Real:
    """Return the units, the root mean square, and the ratio of the variance to its square."""
    units = [1.0, spectrum.std() or 1.0, spectrum.var() or 1.0]
    square = spectrum.var() + spectrum.mean() ** 2
    more = [np.sqrt(square), spectrum.var() / square] if square and spectrum.var() else []
    return np.array([*units, *more])


def _is_real(parameter: inspect.Parameter) -> bool:
    if parameter.annotation is parameter.empty:
        default = parameter.default
        return default is parameter.empty or (
            isinstance(default, int | float) and not isinstance(default, bool)
        )
    return parameter.annotation in (float, *_REAL)
