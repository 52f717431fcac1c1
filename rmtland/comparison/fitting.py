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

from rmtland.arguments import choice, count, finite
from rmtland.comparison.descent import Descent, FitPoints
from rmtland.comparison.distances import Comparison, compare
from rmtland.comparison.families import Box, Family
from rmtland.comparison.outliers import without_outliers
from rmtland.comparison.theories import law_of
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

__all__ = ["Fit", "fit"]

T = TypeVar("T")

_STARTS = 5
_DRAWS = 150
"""Points tried for each parameter before the descent."""
_SCREENED, _SHORT = 4, 8
"""Short descents for each long one, and how many steps they take."""
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
    names, held = chosen.names, chosen.fixed
    generator = random_generator(rng)
    points = FitPoints.of(spectrum, len(chosen.names))
    boxes = chosen.boxes(spectrum, bounds, generator.spawn(1)[0])
    descent = Descent(chosen, boxes)
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
            points = FitPoints.of(spectrum, len(chosen.names))
            ends = [descent.run(points, found)]
            found, _ = ends[0]
    zero = _boundary(descent, points, found, tuple(bounds or ()))
    if zero is not None:
        descent, found = zero
        chosen = descent.family
    values = descent.values(found)
    law = chosen.law(values)
    assert law is not None
    undetermined = [
        name for name, free in zip(chosen.names, descent.loose(points, found), strict=True) if free
    ]
    zeros = tuple(name for name in names if name not in chosen.names)
    at_bounds = (*zeros, *descent.at_bounds(found))
    errors = dict.fromkeys(names, float("inf"))
    if resamples:
        sizes = _bootstrap(descent, spectrum, found, resamples, generator)
        errors |= {
            name: float("inf") if name in undetermined or name in at_bounds else float(size)
            for name, size in zip(chosen.names, sizes, strict=True)
        }
    return Fit(
        model=chosen.at(values),
        parameters={name: values.get(name, 0.0) for name in names},
        errors=errors,
        fixed=held,
        comparison=compare(spectrum, law),
        defect=float(np.sqrt(np.mean(points.defect(law) ** 2))),
        undetermined=tuple(undetermined),
        at_bounds=at_bounds,
        minima=tuple(float(np.sqrt(2 * cost / points.x.size)) for _, cost in ends),
        excluded=tuple(float(x) for x in excluded),
    )


def _boundary(
    descent: Descent, points: FitPoints, found: Real, bounded: tuple[str, ...]
) -> tuple[Descent, Real] | None:
    """Return the fit with a positive parameter 0 where that is better, else None.

    It is asked where eigenvalues of several dimensions say so: beside the boundary of Wishart plus
    Wigner at variance 0, every member spreads the null space that the one on it has. Parameters
    that are `bounded` stay within what was asked for.
    """
    family, boxes = descent.family, descent.boxes
    if not points.heavy or len(boxes) < 2:
        return None
    values = descent.values(found)
    least = points.misfit(family.law(values))
    best: tuple[Descent, Real] | None = None
    for name, box in boxes.items():
        if not box.positive or name in bounded:
            continue
        others = tuple(other for other in family.names if other != name)
        held = Family(family.build, family.name, others, {**family.fixed, name: 0.0})
        inner = Descent(held, {other: boxes[other] for other in others})
        start = inner.position(values)
        if held.law({other: values[other] for other in others}) is None:
            continue
        end, _ = inner.run(points, start)
        misfit = points.misfit(held.law(inner.values(end)))
        if misfit < least:
            least, best = misfit, (inner, end)
    return best


def _starts(
    descent: Descent,
    spectrum: Spectrum,
    points: FitPoints,
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
        cost = float(np.mean(descent.defect(coarse, position) ** 2))
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
    descent: Descent,
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
        end, _cost = descent.run(FitPoints.of(sample, len(names)), found)
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
