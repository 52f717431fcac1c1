r"""Fitting the parameters of a family of laws, models or ensembles to a spectrum.

Three routes, `method`:

- ``"distance"`` minimises the Cramer-von Mises distance

  .. math:: \sum_k \left[ F_n(x_k) - F(x_k; \theta) \right]^2

  over points between eigenvalues: F is smooth in the parameters, and an outlier counts with its
  mass, not with its distance;
- ``"quantiles"`` minimises the Wasserstein-2 distance, of singular values where all eigenvalues are
  nonnegative: as good as the likelihood for scales and centres, of any family;
- ``"likelihood"`` takes the joint density of the eigenvalues of Wishart, Gaussian and Jacobi
  matrices (`rmtland.comparison.likelihood`): the least errors where the noise is Gaussian.

Spikes may be left out (`outliers="exclude"`); the bulk is then compared with what it is beside
them (`rmtland.comparison.spectral_shift`), and the parameters are those of the noise of all n
eigenvalues. A distance has several minima as a rule: the descent starts from the best of many
points that are far from each other, within bounds.

Errors are those of a parametric bootstrap, refitted; of the likelihood, of its information.
Eigenvalues repel each other: statistics of the spectrum of an n x n matrix fluctuate, and are
biased, at order 1/n, not n^(-1/2) [1]_. A model or ensemble draws its own matrices;
Marchenko-Pastur, semicircle and Wachter laws are taken for those of Gaussian matrices; points of
other laws are drawn independently (`beta=0`): the errors then hold for independent points, and are
too large for eigenvalues. They are root mean squares about the fitted value, so that they cover the
bias of finite size, and suppose that the family holds: what it misses shows in the distances. What
an estimated spectrum does not know is added (`rmtland.comparison.fit_errors`).

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
>>> noise = WishartPlusWigner(0.5, 0.0).sample(400, rng=1)
>>> result = fit(noise, MarchenkoPastur, method="likelihood", rng=0)
>>> round(result.parameters["aspect_ratio"], 3), round(result.errors["aspect_ratio"], 3)
(0.501, 0.002)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from rmtland.arguments import choice, count, nonnegative
from rmtland.comparison.descent import Descent
from rmtland.comparison.distances import compare
from rmtland.comparison.drawable import beta_of
from rmtland.comparison.families import Family
from rmtland.comparison.fit_errors import bootstrap_errors, estimate_errors
from rmtland.comparison.fit_points import FitPoints, Outside, Points, QuantilePoints
from rmtland.comparison.fit_result import Fit, T
from rmtland.comparison.likelihood import LikelihoodFit, check_likelihood, maximum_likelihood
from rmtland.comparison.outliers import edge_margins, leave_out, outside
from rmtland.comparison.starts import starting_positions
from rmtland.ensembles import Ensemble
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator
from rmtland.typing import Logical, Real, Rng

__all__ = ["Fit", "fit"]


_STARTS = 5
_ROUNDS = 12
"""How often outliers are looked for, and their shift of the bulk is brought up to date."""

_SIZES = (1e-140, 1e140)
"""Largest eigenvalues whose squares are within double precision, with room for both ends."""
_SCALES = 2.0
"""Scales of an edge by which an eigenvalue is further out that is left out."""

_POINTS: dict[str, type[Points]] = {
    "distance": FitPoints,
    "quantiles": QuantilePoints,
    "likelihood": FitPoints,
}
"""What each method compares; the likelihood starts from a fit of distances."""


def fit(
    spectrum: Spectrum,
    family: Callable[..., T],
    *,
    fix: Mapping[str, object] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    starts: int | Sequence[Mapping[str, float]] = _STARTS,
    method: str = "distance",
    outliers: str | int = "keep",
    beta: float | None = None,
    rng: Rng = None,
    resamples: int = 40,
) -> Fit[T]:
    r"""Fit the parameters of a family to a spectrum.

    .. formula:: Joint density of the eigenvalues of Wishart, Gaussian and Jacobi matrices,
        :math:`\eta \cdot T - A(\eta)` with :math:`T = (\sum \log \lambda, \sum \lambda)`, ...
        :by: rmtland.comparison.joint_density.joint_density

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
    method : {"distance", "quantiles", "likelihood"}
        What is best at the fitted parameters; "likelihood" takes complete spectra and the
        Marchenko-Pastur, semicircle and Wachter laws or their ensembles.
    outliers : {"keep", "exclude"} or int
        Whether eigenvalues beyond the edges of the fitted law (spikes) are left out, and the bulk
        is fitted again until no more are found: those further out than twice the scale of the
        edge, as one in a hundred matrices of noise has one. Or how many of each matrix are left
        out, the furthest ones (`rmtland.signals` counts them).
    beta : float, optional
        Of the matrices behind a Marchenko-Pastur, semicircle or Wachter law, for the errors and
        the likelihood: 1 (the default) for real, 2 for complex ones, 0 for independent points. An
        ensemble is held at it, unless `fix` says otherwise: its law does not know it.
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
        If `fix` names a parameter that the family does not have, leaves none free, or holds an
        ensemble at another beta than is asked for; if a bound
        or start is out of range; if the spectrum has too few distinct eigenvalues, or ones
        whose squares leave double precision; if most of them would be left out; if the family
        has no law at any of the points tried; or if it has no joint density, or one under which
        the spectrum is impossible, for the likelihood.
    TypeError
        If `spectrum` is not a Spectrum, or `family` not a family.

    See Also
    --------
    rmtland.comparison.goodness_of_fit : whether the spectrum may come from what was fitted.
    rmtland.comparison.signals : how many of the outliers are above chance.

    References
    ----------
    .. [1] R. J. Muirhead, Aspects of Multivariate Statistical Theory, Wiley 1982, chapters 3 and 9.
    """
    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"expected a Spectrum; got {type(spectrum).__name__}")
    if count("resamples", resamples, min_value=0) == 1:
        raise ValueError("resamples must be 0 or at least 2; one sample has no spread")
    rule = _Rule.of(outliers, spectrum)
    largest = float(np.abs(spectrum.nodes).max())
    if largest and not _SIZES[0] < largest < _SIZES[1]:
        raise ValueError(
            f"the squares of eigenvalues of the size {largest:.3g} leave double precision; "
            "multiply them by a number that brings them to about 1"
        )
    kind = _POINTS[choice("method", method, (*_POINTS,))]
    dyson = None if beta is None else nonnegative("beta", beta)
    chosen = Family.of(family, _with_index(family, fix, dyson))
    names, held = chosen.names, chosen.fixed
    generator = random_generator(rng)
    points = kind.of(spectrum, len(names))
    boxes = chosen.boxes(spectrum, bounds, generator.spawn(1)[0])
    descent = Descent(chosen, boxes)
    levels = FitPoints.of(spectrum, len(names))
    first = starting_positions(descent, spectrum, levels, starts, generator.spawn(1)[0])
    if method == "likelihood":
        check_likelihood(descent.family, spectrum, descent.values(first[0]), dyson)
    if method == "likelihood" and not isinstance(starts, int) and rule.number is not None:
        return _most_likely(descent, spectrum, first[0], None, dyson, rule)
    robust = levels if rule.looks else points  # no outlier moves levels far
    ends = sorted((descent.run(robust, start) for start in first), key=lambda end: end[1])
    left_out: Outside | None = None
    if rule.looks:
        points, ends, left_out = _without_spikes(descent, kind, spectrum, ends, rule)
    found, _ = ends[0]
    bulk = spectrum if left_out is None else leave_out(spectrum, left_out.far)
    excluded = () if left_out is None else tuple(np.sort(spectrum.nodes[left_out.far]).tolist())
    if method == "likelihood":
        return _most_likely(descent, spectrum, found, left_out, dyson, rule)
    zero = _boundary(descent, spectrum, points, found, tuple(bounds or ()), generator)
    costs = [cost for _, cost in ends]
    if zero is not None:
        descent, found, cost = zero
        costs.insert(0, cost)
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
        chance = bootstrap_errors(descent, kind, spectrum, found, resamples, generator, beta=dyson)
        sizes = np.hypot(chance, estimate_errors(descent, points, spectrum, found))
        errors |= {
            name: float("inf") if name in undetermined or name in at_bounds else float(size)
            for name, size in zip(chosen.names, sizes, strict=True)
        }
    return Fit(
        model=chosen.at(values),
        parameters={name: values.get(name, 0.0) for name in names},
        errors=errors,
        fixed=held,
        comparison=compare(bulk, law),
        defect=_defect(spectrum, len(names), left_out, law),
        undetermined=tuple(undetermined),
        at_bounds=at_bounds,
        minima=tuple(float(np.sqrt(2 * cost / points.terms)) for cost in costs),
        excluded=excluded,
        method=method,
    )


def _with_index(
    family: Callable[..., object], fix: Mapping[str, object] | None, beta: float | None
) -> Mapping[str, object] | None:
    """Hold the Dyson index of an ensemble: its law, which is fitted, does not depend on it."""
    ensemble = isinstance(family, type) and issubclass(family, Ensemble)
    if not ensemble or "beta" not in signature(family).parameters:
        return fix
    if fix is not None and not isinstance(fix, Mapping):
        return fix
    if fix is not None and "beta" in fix:
        if beta is not None and beta != fix["beta"]:
            raise ValueError(
                f"the ensemble is held at beta={fix['beta']}, and beta={beta} is given"
            )
        return fix
    return {**(fix or {}), "beta": beta or 1.0}


class _Rule(NamedTuple):
    """Which eigenvalues are left out: none, those beyond the edges, or a number of each run."""

    looks: bool
    number: int | None = None

    @classmethod
    def of(cls, outliers: object, spectrum: Spectrum) -> _Rule:
        if isinstance(outliers, str):
            looks = choice("outliers", outliers, ("keep", "exclude")) == "exclude"
            return cls(looks, None if looks else 0)
        number = count("outliers", outliers, min_value=0)
        if 2 * number > spectrum.nodes.shape[1]:
            raise ValueError(
                f"outliers must be at most half of the {spectrum.nodes.shape[1]} eigenvalues; "
                f"got {number}"
            )
        return cls(number > 0, number)

    def far(self, spectrum: Spectrum, law: Law) -> Logical:
        """Which eigenvalues are outliers of a law."""
        nodes = spectrum.nodes
        if not self.looks:
            return np.zeros(nodes.shape, dtype=bool)
        size = spectrum.dimension or nodes.shape[1]
        scales = _SCALES if spectrum.is_complete else 2 * _SCALES  # edges are less sure
        margins = edge_margins(law, size, spectrum.zero_tolerance, scales=scales)
        if self.number is None:
            far = outside(nodes, margins)
            if 2 * np.count_nonzero(far) > far.size:
                raise ValueError(
                    f"{np.count_nonzero(far)} of {far.size} eigenvalues are outside of the best "
                    f"{type(law).__name__}: it is not the law of their bulk; fit another family, "
                    "or with outliers='keep'"
                )
            return far
        # in the scales of the ends: a hard edge is sharper than a soft one
        first, last = int(margins.low.argmin()), int(margins.high.argmax())
        below = (margins.low[first] - nodes) / max(float(margins.margin_low[first]), 1e-300)
        above = (nodes - margins.high[last]) / max(float(margins.margin_high[last]), 1e-300)
        if law.hull[0] >= 0:  # of nonnegative matrices, signals are at the top unless far below
            below = np.where(below > 1, below, -np.inf)
        beyond = np.maximum(above, below)
        order = np.argsort(beyond, axis=1, kind="stable")
        far = np.zeros(nodes.shape, dtype=bool)
        np.put_along_axis(far, order[:, nodes.shape[1] - self.number :], True, axis=1)
        return far


def _defect(spectrum: Spectrum, parameters: int, left_out: Outside | None, law: Law) -> float:
    """Root mean square of F_n - F between the eigenvalues."""
    points = FitPoints.of(spectrum, parameters, left_out)
    return float(np.sqrt(np.mean(points.defect(law) ** 2)))


def _without_spikes(
    descent: Descent,
    kind: type[Points],
    spectrum: Spectrum,
    ends: list[tuple[Real, float]],
    rule: _Rule,
) -> tuple[Points, list[tuple[Real, float]], Outside | None]:
    """Leave eigenvalues beyond the fitted law out, and fit again, until none is left.

    The first law is that of a fit of levels, whatever the method: one of quantiles follows an
    outlier as far as that is.
    """
    left_out: Outside | None = None
    points = kind.of(spectrum, len(descent.boxes))
    size = int(spectrum.dimension or spectrum.nodes.shape[1])
    for turn in range(_ROUNDS):
        law = descent.family.law(descent.values(ends[0][0]))
        assert law is not None
        far = rule.far(spectrum, law)
        same = not far.any() if left_out is None else bool((far == left_out.far).all())
        if same and left_out is None:
            if kind is FitPoints or turn:
                break
            ends = sorted((descent.run(points, end) for end, _ in ends), key=lambda one: one[1])
            continue
        left_out, before = Outside(far, law), points.level
        points = kind.of(spectrum, len(descent.boxes), left_out)
        if same and np.abs(points.level - before).max() < 1e-3 / size:
            break
        ends = [descent.run(points, ends[0][0])]
    return points, ends, left_out


def _most_likely(
    descent: Descent,
    spectrum: Spectrum,
    found: Real,
    left_out: Outside | None,
    beta: float | None,
    rule: _Rule,
) -> Fit[Any]:
    """Return the fit by likelihood, from where distances ended."""
    family, values = descent.family, descent.values(found)
    dyson = beta_of(family.at(values), beta)
    for _ in range(_ROUNDS):
        far = None if left_out is None else left_out.far
        best = maximum_likelihood(descent, spectrum, values, beta=dyson, far=far)
        law = family.law(best.values)
        assert law is not None
        beyond = rule.far(spectrum, law)
        if (beyond == (np.zeros_like(beyond) if far is None else far)).all():
            break
        left_out = Outside(beyond, law)
    return _likelihood_result(family, spectrum, best, left_out)


def _likelihood_result(
    family: Family[T], spectrum: Spectrum, best: LikelihoodFit, left_out: Outside | None
) -> Fit[T]:
    values = {name: best.values[name] for name in family.names}
    law = family.law(values)
    assert law is not None
    bulk = spectrum if left_out is None else leave_out(spectrum, left_out.far)
    defect = _defect(spectrum, len(values), left_out, law)
    return Fit(
        model=family.at(values),
        parameters=values,
        errors={name: best.errors[name] for name in family.names},
        fixed=family.fixed,
        comparison=compare(bulk, law),
        defect=defect,
        undetermined=best.undetermined,
        at_bounds=best.at_bounds,
        minima=(defect,),
        excluded=() if left_out is None else tuple(np.sort(spectrum.nodes[left_out.far]).tolist()),
        method="likelihood",
    )


def _boundary(
    descent: Descent,
    spectrum: Spectrum,
    points: Points,
    found: Real,
    bounded: tuple[str, ...],
    generator: np.random.Generator,
) -> tuple[Descent, Real, float] | None:
    """Return the fit with a positive parameter 0 and its cost where that is better, else None.

    It is asked where eigenvalues of several dimensions say so: beside the boundary of Wishart plus
    Wigner at variance 0, every member spreads the null space that the one on it has, and descents
    beside it may end anywhere: on the boundary they begin anew. Parameters that are `bounded` stay
    within what was asked for.
    """
    family, boxes = descent.family, descent.boxes
    if not points.heavy or len(boxes) < 2:
        return None
    values = descent.values(found)
    lowest = points.misfit(family.law(values))
    best: tuple[Descent, Real, float] | None = None
    for name, box in boxes.items():
        if not box.positive or name in bounded:
            continue
        others = tuple(other for other in family.names if other != name)
        held = Family(family.build, family.name, others, {**family.fixed, name: 0.0})
        inner = Descent(held, {other: boxes[other] for other in others})
        near = {other: values[other] for other in others}
        begin = [] if held.law(near) is None else [inner.position(near)]
        with suppress(ValueError):  # no law at any of the points tried
            levels = FitPoints.of(spectrum, len(others))
            begin += starting_positions(inner, spectrum, levels, _STARTS, generator.spawn(1)[0])
        for start in begin:
            end, cost = inner.run(points, start)
            misfit = points.misfit(held.law(inner.values(end)))
            if misfit < lowest:
                lowest, best = misfit, (inner, end, cost)
    return best
