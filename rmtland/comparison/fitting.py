r"""Fitting the parameters of a family of laws, models or ensembles to a spectrum.

The estimate minimises the Cramer-von Mises distance

.. math:: \sum_k \left[ F_n(x_k) - F(x_k; \theta) \right]^2

over points between eigenvalues: F is smooth in the parameters, and an outlier counts with its mass,
not with its distance (spikes may be left out altogether, `outliers="exclude"`). The distance has
several minima as a rule: the descent starts from the best of many points that are far from each
other, within bounds.

Errors are those of a parametric bootstrap, refitted. For a model or an ensemble, whose matrices can
be drawn, the spectra are those of matrices: eigenvalues repel each other, and statistics of the
spectrum of an n x n matrix fluctuate, and are biased, at order 1/n, not n^(-1/2) [1]_; the
bootstrap therefore runs at a moderate size and its errors are scaled by the ratio of the sizes.
For a law, which does not say how its points repel each other, they are drawn independently: the
errors then hold for independent points, and are too large for eigenvalues. Either are root mean
squares about the fitted value, so that they cover the bias of finite size. They suppose that the
family holds: what it misses shows in the distances.

References
----------
.. [1] Z. D. Bai and J. W. Silverstein, CLT for linear spectral statistics of large-dimensional
       sample covariance matrices, Annals of Probability 32 (2004) 553-605.

Examples
--------
>>> from rmtland import MarchenkoPastur, WishartPlusWigner, fit
>>> spectrum = WishartPlusWigner(0.5, 0.3).sample(400, rng=1)
>>> result = fit(spectrum, WishartPlusWigner, fix={"sigma": 1.0}, rng=0)
>>> abs(result.parameters["phi"] - 0.5) < 4 * result.errors["phi"] < 0.1
True
>>> fit(WishartPlusWigner(0.5, 0.0).sample(400, rng=1), MarchenkoPastur, rng=0).at_bounds
()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from scipy.optimize import least_squares

from rmtland.arguments import choice, count, finite
from rmtland.comparison.distances import Comparison, compare
from rmtland.comparison.families import Box, Family
from rmtland.comparison.outliers import without_outliers
from rmtland.comparison.theories import law_of
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator
from rmtland.typing import Logical, Real, Rng

__all__ = ["Fit", "fit"]

T = TypeVar("T")

_STARTS = 5
_DRAWS = 150
"""Points tried for each parameter before the descent."""
_SCREENED, _SHORT = 4, 8
"""Short descents for each long one, and how many steps they take."""
_POINTS = 512
_ROUNDS = 8
"""How often outliers are looked for."""
_RESAMPLED = 160
"""Size of the bootstrap's matrices, at most."""


@dataclass(frozen=True)
class Fit(Generic[T]):
    """A member of a family fitted to a spectrum.

    Parameters
    ----------
    model : law, model or ensemble
        The member at the fitted parameters.
    parameters : dict of str to float
        Fitted values.
    errors : dict of str to float
        Root-mean-square error of every fitted parameter, in its own units; infinite where the
        spectrum does not determine the parameter, where it ended at a bound, and where no
        resamples were asked for.
    fixed : dict of str to values
        Parameters that were held.
    comparison : Comparison
        Distances of the spectrum to the fitted law.
    defect : float
        Root mean square of F_n - F over the points of the fit.
    undetermined : tuple of str
        Parameters, or combinations of them, that do not move F by more than rounding.
    at_bounds : tuple of str
        Parameters that ended at a bound.
    minima : tuple of float
        Defects at which the descents from the different starts ended, ascending: far apart, they
        say that the distance has several minima.
    excluded : tuple of float
        Eigenvalues that were left out as outliers, ascending; errors and distances are those of
        the others.
    """

    model: T
    parameters: dict[str, float]
    errors: dict[str, float]
    fixed: dict[str, Any]
    comparison: Comparison
    defect: float
    undetermined: tuple[str, ...] = ()
    at_bounds: tuple[str, ...] = ()
    minima: tuple[float, ...] = ()
    excluded: tuple[float, ...] = ()

    @property
    def law(self) -> Law:
        """Law of the fitted member."""
        return law_of(self.model)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; what is infinite becomes None.

        Returns
        -------
        dict of str to values
            One entry for each attribute.
        """
        return {
            "parameters": dict(self.parameters),
            "errors": {k: e if np.isfinite(e) else None for k, e in self.errors.items()},
            "fixed": dict(self.fixed),
            "defect": self.defect,
            "undetermined": list(self.undetermined),
            "at_bounds": list(self.at_bounds),
            "minima": list(self.minima),
            "excluded": list(self.excluded),
            **self.comparison.to_dict(),
        }


def fit(
    spectrum: Spectrum,
    family: Callable[..., T],
    *,
    fix: Mapping[str, Any] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    starts: int | Sequence[Mapping[str, float]] = _STARTS,
    outliers: str = "keep",
    rng: Rng = None,
    resamples: int = 40,
) -> Fit[T]:
    """Fit the parameters of a family to a spectrum.

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues or a quadrature.
    family : class or callable
        A class of laws, models or ensembles (`MarchenkoPastur`, `WishartPlusWigner`, a dataclass
        of one's own with a `law`), or a function with named real parameters that returns one.
    fix : mapping of str to values, optional
        Parameters to hold at a value.
    bounds : mapping of str to (low, high), optional
        Bounds of parameters. By default points of the axis stay within ten widths of the spectrum,
        other parameters below 10^4 times 1, the standard deviation or the variance.
    starts : int or sequence of mappings, optional
        From how many points to descend, or those points (of all free parameters).
    outliers : {"keep", "exclude"}
        Whether eigenvalues beyond the edges of the fitted law (spikes,
        `rmtland.comparison.outliers`) are left out and the bulk is fitted again, until no more are
        found.
    rng : anything `numpy.random.default_rng` takes
        Stream of the starting points and the bootstrap.
    resamples : int
        Bootstrap samples for the errors, at least 2; or 0 for no errors (they are infinite then).

    Returns
    -------
    Fit
        The best member of the family, its parameters and their errors.

    Raises
    ------
    ValueError
        If `fix` names a parameter that the family does not have, or leaves none free; if a bound
        or start is out of range; if the spectrum has too few distinct eigenvalues; or if the family
        has no law at any of the points tried.
    TypeError
        If `spectrum` is not a Spectrum, or `family` not a family.
    """
    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"expected a Spectrum; got {type(spectrum).__name__}")
    if count("resamples", resamples, least=0) == 1:
        raise ValueError("resamples must be 0 or at least 2; one sample has no spread")
    choice("outliers", outliers, ("keep", "exclude"))
    chosen = Family.of(family, fix)
    generator = random_generator(rng)
    points = _Points.of(spectrum, len(chosen.names))
    boxes = chosen.boxes(spectrum, bounds, generator.spawn(1)[0])
    descent = _Descent(chosen, boxes)
    first = _starts(descent, spectrum, points, starts, generator.spawn(1)[0])
    ends = sorted((descent.run(points, start) for start in first), key=lambda end: end[1])
    found, _ = ends[0]
    excluded = np.empty(0)
    if outliers == "exclude":
        whole = spectrum
        for _ in range(_ROUNDS):
            law = chosen.law(descent.values(found))
            assert law is not None
            bulk, beyond = without_outliers(whole, law)
            if beyond.size == excluded.size:
                break
            spectrum, excluded = bulk, beyond
            points = _Points.of(spectrum, len(chosen.names))
            ends = [descent.run(points, found)]
            found, _ = ends[0]
    values = descent.values(found)
    law = chosen.law(values)
    assert law is not None
    undetermined = [
        name for name, free in zip(chosen.names, descent.loose(points, found), strict=True) if free
    ]
    at_bounds = descent.at_bounds(found)
    errors = dict.fromkeys(chosen.names, float("inf"))
    if resamples:
        sizes = _bootstrap(descent, spectrum, found, resamples, generator)
        errors = {
            name: float("inf") if name in undetermined or name in at_bounds else float(size)
            for name, size in zip(chosen.names, sizes, strict=True)
        }
    return Fit(
        model=chosen.at(values),
        parameters=values,
        errors=errors,
        fixed=chosen.fixed,
        comparison=compare(spectrum, law),
        defect=float(np.sqrt(np.mean(points.defect(law) ** 2))),
        undetermined=tuple(undetermined),
        at_bounds=at_bounds,
        minima=tuple(float(np.sqrt(2 * cost / points.x.size)) for _, cost in ends),
        excluded=tuple(float(x) for x in excluded),
    )


@dataclass(frozen=True)
class _Points:
    """Points between eigenvalues, and the distribution function of the spectrum there."""

    x: Real
    level: Real

    @classmethod
    def of(cls, spectrum: Spectrum, parameters: int) -> _Points:
        nodes, weights = spectrum.measure
        nodes = np.where(np.abs(nodes) <= spectrum.zero_tolerance, 0.0, nodes)
        nodes, start = np.unique(nodes, return_index=True)
        if nodes.size < parameters + 2:
            raise ValueError(
                f"the spectrum has {nodes.size} distinct eigenvalues; fitting {parameters} "
                f"parameters needs at least {parameters + 2}"
            )
        level = np.concatenate(([0.0], np.cumsum(weights)))[start[1:]]
        x = (nodes[1:] + nodes[:-1]) / 2
        return cls(x, level).thinned(_POINTS)

    def thinned(self, number: int) -> _Points:
        size = self.x.size
        keep = np.unique(np.linspace(0, size - 1, min(size, number)).round().astype(int))
        return _Points(self.x[keep], self.level[keep])

    def defect(self, law: Law | None) -> Real:
        """Return F - F_n; 2, more than any law can miss, where there is no law."""
        if law is None:
            return np.full(self.x.shape, 2.0)
        try:
            values = np.asarray(law.cdf(self.x) - self.level)
        except (ValueError, ArithmeticError):
            return np.full(self.x.shape, 2.0)
        return np.where(np.isfinite(values), values, 2.0)


@dataclass(frozen=True)
class _Descent:
    """Least squares over the coordinates of the free parameters: logarithms of positive ones."""

    family: Family[Any]
    boxes: dict[str, Box]

    def values(self, position: Real) -> dict[str, float]:
        return {
            name: min(max(box.outer(float(u)), box.low), box.high)
            for (name, box), u in zip(self.boxes.items(), position, strict=True)
        }

    def position(self, values: Mapping[str, float]) -> Real:
        return np.array(
            [
                box.inner(min(max(float(values[name]), box.low), box.high))
                for name, box in self.boxes.items()
            ]
        )

    def defect(self, points: _Points, position: Real) -> Real:
        return points.defect(self.family.law(self.values(position)))

    def steps(self, position: Real) -> Real:
        """Return steps of difference quotients: of logarithms, or relative to value and width."""
        return np.array(
            [
                1e-6 if box.positive else 1e-6 * max(abs(u), 1e-4 * min(box.high - box.low, 1e4))
                for box, u in zip(self.boxes.values(), position, strict=True)
            ]
        )

    def jacobian(self, points: _Points, position: Real) -> Real:
        """Difference quotients towards whichever side the family exists on."""
        here = self.defect(points, position)
        columns = []
        for i, step in enumerate(self.steps(position)):
            column = np.zeros(here.shape)
            for h in (step, -step):
                there = position.copy()
                there[i] += h
                values = self.defect(points, there)
                if values.max() < 2.0:
                    column = (values - here) / h
                    break
            columns.append(column)
        return np.stack(columns, axis=1)

    def run(self, points: _Points, start: Real, *, steps: int = 200) -> tuple[Real, float]:
        """Return where the descent ends, and half the sum of squares there."""
        low, high = self._ends()
        room = 1e-9 * np.maximum(high - low, 1e-300)
        scale = np.array(
            [
                1.0 if box.positive else max(abs(u), 1e-3 * min(box.high - box.low, 1e3))
                for box, u in zip(self.boxes.values(), start, strict=True)
            ]
        )
        result = least_squares(
            lambda u: self.defect(points, u),
            np.clip(start, low + room, high - room),
            jac=lambda u: self.jacobian(points, u),
            bounds=(low, high),
            method="trf",
            x_scale=scale,
            max_nfev=steps,
        )
        return result.x, float(result.cost)

    def _ends(self) -> tuple[Real, Real]:
        low = np.array([box.inner(box.low) for box in self.boxes.values()])
        high = np.array([box.inner(box.high) for box in self.boxes.values()])
        return low, high

    def at_bounds(self, position: Real) -> tuple[str, ...]:
        """Names of the parameters that have come to a bound."""
        low, high = self._ends()
        near = 1e-3 * (high - low)
        ended = (position <= low + near) | (position >= high - near)
        return tuple(name for name, end in zip(self.boxes, ended, strict=True) if end)

    def loose(self, points: _Points, position: Real) -> Logical:
        """Whether a parameter is part of a direction that moves F by no more than rounding.

        Directions are those of changes by a tenth, or by a hundredth of the width of the spectrum.
        """
        width = float(points.x[-1] - points.x[0]) or 1.0
        units = np.array([0.1 if box.positive else 0.01 * width for box in self.boxes.values()])
        columns = []
        here = self.defect(points, position)
        for i, unit in enumerate(units):
            moved = []
            for sign in (1.0, -1.0):
                there = position.copy()
                there[i] += sign * unit
                values = self.defect(points, there)
                if values.max() < 2.0:
                    moved.append(sign * (values - here))
            columns.append(np.mean(moved, axis=0) if moved else np.zeros(here.shape))
        matrix = np.stack(columns, axis=1) / np.sqrt(here.size)
        _, sizes, directions = np.linalg.svd(matrix, full_matrices=True)
        sizes = np.concatenate([sizes, np.zeros(len(directions) - len(sizes))])
        null = directions[sizes <= 1e-6]
        return np.asarray((np.abs(null) > 0.1).any(axis=0))


def _starts(
    descent: _Descent,
    spectrum: Spectrum,
    points: _Points,
    starts: int | Sequence[Mapping[str, float]],
    generator: np.random.Generator,
) -> list[Real]:
    """Return the best of many points that are far from each other, or those given."""
    family, boxes = descent.family, descent.boxes
    if not isinstance(starts, int | np.integer):
        return [descent.position(_start(family, boxes, start)) for start in _listed(starts)]
    number = count("starts", starts)
    drawn = _by_moments(family, spectrum)
    more = 40 if drawn else _DRAWS * len(boxes)
    drawn += family.candidates(spectrum, boxes, generator, more)
    coarse = points.thinned(64)
    scored = []
    reason: Exception | None = None
    for values in drawn:
        position = descent.position(values)
        law = family.law(descent.values(position))
        cost = float(np.mean(coarse.defect(law) ** 2))
        if cost < 4.0:
            scored.append((cost, position))
    if not scored:
        try:
            law_of(family.at(drawn[-1]))
        except (ValueError, ArithmeticError) as error:
            reason = error
        raise ValueError(
            f"{family.name} has no law at any of the {len(drawn)} points tried ({reason}); give "
            "bounds or starts, or fix parameters"
        )
    width = float(points.x[-1] - points.x[0])
    apart = np.array([1.0 if box.positive else 0.1 * width for box in boxes.values()])
    short = [
        descent.run(coarse, position, steps=_SHORT)
        for position in _apart(scored, apart, _SCREENED * number)
    ]
    return _apart([(cost, position) for position, cost in short], apart / 100, number)


def _apart(scored: list[tuple[float, Real]], apart: Real, number: int) -> list[Real]:
    """Return the best points that are far from each other in some coordinate."""
    chosen: list[Real] = []
    for _, position in sorted(scored, key=lambda pair: pair[0]):
        if all((np.abs(position - other) > apart).any() for other in chosen):
            chosen.append(position)
        if len(chosen) == number:
            break
    return chosen


def _listed(starts: Any) -> list[Any]:
    if isinstance(starts, Mapping):
        starts = [starts]
    try:
        listed = list(starts)
    except TypeError:
        raise TypeError(
            f"starts must be a number or a sequence of values of the parameters; got {starts!r}"
        ) from None
    if not listed:
        raise ValueError("starts is empty; give at least one")
    return listed


def _start(family: Family[Any], boxes: Mapping[str, Box], start: Any) -> dict[str, float]:
    """Check a starting point of the user's."""
    if not isinstance(start, Mapping) or set(start) != set(family.names):
        raise ValueError(
            f"a start gives a value to every free parameter, {', '.join(family.names)}; got "
            f"{start!r}"
        )
    values = {name: finite(name, start[name]) for name in family.names}
    for name, value in values.items():
        if not boxes[name].low <= value <= boxes[name].high:
            raise ValueError(
                f"the start {name} = {value} is outside of its bounds "
                f"({boxes[name].low:g}, {boxes[name].high:g})"
            )
    law_of(family.at(values))  # says what is wrong with it
    return values


def _by_moments(family: Family[Any], spectrum: Spectrum) -> list[dict[str, float]]:
    """Members that share mean and variance with (most of) the spectrum, where a family has them.

    A class with `from_moments(phi, mean=, residual_variance=)` says how.
    """
    make = getattr(family.build, "from_moments", None)
    if make is None:
        return []
    nodes, weights = spectrum.measure
    levels = np.cumsum(weights) - weights / 2
    bulk = (levels > 0.01) & (levels < 0.99)
    parts = [bulk if bulk.any() else np.ones_like(bulk), np.ones_like(bulk)]
    candidates = []
    for part in parts:
        share = weights[part] / weights[part].sum()
        mean = float(share @ nodes[part])
        variance = float(share @ (nodes[part] - mean) ** 2)
        scale = family.fixed.get("sigma", max(mean, 1e-3 * np.sqrt(variance)))
        grid = [family.fixed["phi"]] if "phi" in family.fixed else np.geomspace(0.02, 200, 14)
        for phi in grid:
            for rest in {max(variance - scale**2 * phi, 1e-3 * variance), 0.5 * variance}:
                try:
                    member = make(float(phi), mean=scale, residual_variance=rest)
                except ValueError:
                    continue
                candidates.append({name: float(getattr(member, name)) for name in family.names})
    return candidates


def _bootstrap(
    descent: _Descent,
    spectrum: Spectrum,
    found: Real,
    resamples: int,
    generator: np.random.Generator,
) -> Real:
    """Root-mean-square errors of the parameters, by spectra of the fitted member refitted."""
    values = descent.values(found)
    member, law = descent.family.at(values), descent.family.law(values)
    size = int(spectrum.dimension or spectrum.nodes.shape[1])
    small = min(size, _RESAMPLED)
    names = list(values)
    here = np.array([values[name] for name in names])
    power, spread = 1.0, []
    for _ in range(resamples):
        sample = _matrix_spectrum(member, small, generator)
        if sample is None:
            assert law is not None
            power = 0.5
            sample = Spectrum(np.asarray(law.sample(small, rng=generator)))
        end, _cost = descent.run(_Points.of(sample, len(names)), found)
        refitted = descent.values(end)
        spread.append([refitted[name] for name in names])
    moved = np.array(spread) - here
    bias, variance = moved.mean(axis=0), moved.var(axis=0, ddof=1) / spectrum.runs
    return np.asarray((small / size) ** power * np.sqrt(bias**2 + variance))


def _matrix_spectrum(member: Any, size: int, generator: np.random.Generator) -> Spectrum | None:
    """Return the spectrum of one matrix, or None where none can be drawn."""
    if isinstance(member, Law) or not hasattr(member, "sample"):
        return None
    try:
        sample = member.sample(size, rng=generator)
    except ValueError:
        return None
    return sample if isinstance(sample, Spectrum) else None
