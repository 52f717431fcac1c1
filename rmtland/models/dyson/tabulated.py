r"""A law out of the matrix Dyson equation of a network: tabulated, with a measured error.

The equation of `rmtland.models.dyson.dyson_hessian` is solved for Im z > 0 only. Its logarithmic
potential gives the distribution function convolved with a Cauchy law,
:math:`F_\eta(x) = 1 - \operatorname{Im} L(x + i \eta)/\pi`, which is analytic in eta inside a band.
Here F is continued from one height to the axis, :math:`F(x) \approx 1 - \operatorname{Im}
(L(z) - i \eta G(z))/\pi` at :math:`z = x + i \eta` with an error of order eta^2, at points that are
added where interpolation between the others fails, and made a law of piecewise constant density. At
square-root edges the first piece of a band follows :math:`(x - e)^{3/2}`. The point mass at zero is
that of `rmtland.models.dyson.null_space`, and its Cauchy tail is taken off before; where
eigenvalues crowd next to zero, heights fall with the distance from it.

A point where the hidden units are coupled costs several times one where they are not
(`DysonHessian.coupling`), and the difference of the two distribution functions is small and
smooth: with `anchors` the table is made without the coupling, and the difference is solved for at
that many points and interpolated as a function of the level.

`error` is the sum of what was seen: where points were solved after they had been predicted by
interpolation, where the law was compared with the equation at a lower height, and at anchors
predicted by the others.

References
----------
.. [1] J. Alt, L. Erdos and T. Kruger, The Dyson equation with linear self-energy: spectral bands,
       edges and cusps, Documenta Mathematica 25 (2020) 1421-1539 (edges like square roots).

Examples
--------
>>> import numpy as np
>>> from rmtland.models import DysonHessian
>>> rng = np.random.default_rng(0)
>>> first, x = rng.normal(size=(4, 4)) / 2, rng.normal(size=(16, 4))
>>> model = DysonHessian.of_first_layer(first, x, outputs=4, epsilon=0.5, activation="relu")
>>> law = tabulated_law(model)
>>> law.error < 0.01, bool(abs(law.mean() - model.mean()) < 0.02)
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Protocol, Self

import numpy as np
from scipy.interpolate import PchipInterpolator
from threadpoolctl import threadpool_limits

from rmtland.arguments import callable_or_none, count, float_array, points as points_of, positive
from rmtland.models.dyson.fixed_points import SolvedStates
from rmtland.models.dyson.table_pieces import pieces_of
from rmtland.models.dyson.tabulated_law import TabulatedLaw
from rmtland.models.far_field import root_mean_square
from rmtland.solution import ConvergenceError, Solution
from rmtland.typing import ArrayLike, Complex, Integer, Real

__all__ = ["Progress", "TabulatedLaw", "table_memory", "tabulated_law"]

Progress = Callable[[int, int], object]

_CROWDED = 1e-3
"""Mass next to zero that only a lower height sees, from which it is resolved."""

_SEEN = 2e-4
"""Mass next to zero down to which it is."""

_FALL = 4.0
_FALLS = 12
_CHECKED = 12  # points at which the law is compared with the equation
_ROUNDS, _GOOD = 3, 2e-2  # how often, unless the largest difference is below
_REACH = 20.0  # of the points that lead to zero, in heights

_TOLERANCE = 1e-4
"""Of states: the distribution function, stationary at the solution, has its square for an error."""

_SMALL = 512
"""Up to such matrices BLAS has one thread: several wait for each other longer than they compute."""

_STATES = 2**27  # bytes of solved states that are kept


class Equation(Protocol):
    """What is needed of a model: `DysonHessian`."""

    @property
    def part_name(self) -> str: ...

    @property
    def features(self) -> Real: ...

    @property
    def x(self) -> Real: ...

    @property
    def equation(self) -> object: ...

    @property
    def parameter_count(self) -> int: ...

    @property
    def memory(self) -> int: ...

    def mean(self) -> float: ...

    def with_coupling(self, coupling: str) -> Self: ...

    def atom_at_zero(self) -> Solution: ...

    def solve(
        self,
        z: ArrayLike,
        *,
        tolerance: float = ...,
        throw: bool = ...,
        states: SolvedStates | None = ...,
    ) -> Solution: ...

    def potential_and_transform(
        self, z: ArrayLike, *, tolerance: float = ..., states: SolvedStates | None = ...
    ) -> tuple[Complex, Complex]: ...


def tabulated_law(
    model: Equation,
    *,
    points: int = 48,
    limits: tuple[float, float] | None = None,
    first: ArrayLike | None = None,
    eta: float | None = None,
    anchors: int | None = None,
    tolerance: float = 5e-4,
    progress: Progress | None = None,
) -> TabulatedLaw:
    """Tabulate the law of a `DysonHessian` for comparisons and figures.

    Parameters
    ----------
    model : DysonHessian
        The equation.
    points : int
        Points of the table at most, at least 20, besides those that lead to a crowd at zero and
        those at which it is checked; each is solved at one height.
    limits : (float, float), optional
        Where to look for the spectrum at first; found from the moments by default.
    first : array_like of float, optional
        Points of the table to begin with, such as quantiles of a measured spectrum; at most half
        of `points` of them are taken. By default some between the limits, dense at both.
    eta : float, optional
        Twice the height; by default a two-hundredth of the width of the spectrum (for H0 a
        thousandth), or a twentieth of the distance of its quartiles if that is less.
    anchors : int, optional
        Solve with coupled hidden units at so many points only, at least 6, and interpolate what
        the coupling changes. By default at all points, and wherever there is an atom.
    tolerance : float
        No more points are added once interpolation predicts new ones to this.
    progress : callable, optional
        Called as ``progress(done, all)`` with numbers of points solved.

    Returns
    -------
    TabulatedLaw
        Law of piecewise constant density; `error` is its error.

    Raises
    ------
    ConvergenceError
        If the equation cannot be solved at some point, even at larger heights.
    ValueError
        If a number is out of range.
    TypeError
        If `model` is no `DysonHessian`, a number of another type, or `progress` cannot be called.
    """
    if not hasattr(model, "potential_and_transform"):
        raise TypeError(f"model must be a DysonHessian; got {model!r}")
    callable_or_none("progress", progress)
    most = count("points", points, min_value=20)
    wanted = None if anchors is None else count("anchors", anchors, min_value=6)
    positive("tolerance", tolerance)
    light = model if wanted is None else model.with_coupling("units")
    table = _Table(light, most + _CHECKED + (wanted or 0), progress)
    one_thread = _largest_matrix(model) <= _SMALL
    with threadpool_limits(1, user_api="blas") if one_thread else nullcontext():
        _fill(table, model, limits, first, eta, most, wanted, tolerance)
        return table.law()


def _largest_matrix(model: Equation) -> int:
    """Return its size: hidden units, samples, or first-layer weights where units are coupled."""
    features = getattr(model, "features", None)
    if features is None:
        return model.parameter_count
    coupled = not getattr(model.equation, "by_unit", True)
    return int(max(*features.shape, coupled * len(features) * model.x.shape[1]))


def _fill(
    table: _Table,
    model: Equation,
    limits: tuple[float, float] | None,
    first: ArrayLike | None,
    eta: float | None,
    most: int,
    wanted: int | None,
    tolerance: float,
) -> None:
    """Solve the equation at the points of a table; the arguments are those of `tabulated_law`."""
    low, high = table.span(limits)
    if eta is None:
        eta = table.height(low, high)
    table.eta = positive("eta", eta)
    atom = model.atom_at_zero()
    table.atom = float(atom.value)
    if table.atom == 1:
        raise ConvergenceError(
            "all eigenvalues are zero: the law is the point mass at 0, and there is no table of it"
        )
    if float(np.asarray(atom.error)):
        table.errors["atom"] = float(np.asarray(atom.error))
    if table.atom:
        wanted = None  # the equation without the coupling has another atom
        table.model = model
    table.look_at_zero()
    angles = np.linspace(0, np.pi, 13)
    start = low + (high - low) * np.sin(angles / 2) ** 2
    if first is not None:
        given = np.unique(points_of("first", first))
        given = given[(given > low) & (given < high)]
        keep = np.linspace(0, given.size - 1, min(given.size, most // 2 - 3)).round().astype(int)
        start = np.concatenate([[low], given[keep], [high]])
    beside = table.beside_zero()
    start, most = np.concatenate([start, beside]), most + beside.size - 1
    table.total += beside.size - 1
    table.fill(start, most, tolerance)
    for _ in range(_ROUNDS):
        if table.check() < _GOOD:
            break
    if wanted is not None:
        table.couple(model, wanted)


def table_memory(model: Equation, *, points: int = 60) -> int:
    """Bytes that a table takes at its height, estimated from above.

    Parameters
    ----------
    model : DysonHessian
        The equation.
    points : int
        Points of the table.

    Returns
    -------
    int
        For the solution of a point, and the states kept to start others from.
    """
    n1, m = model.features.shape
    kept = 2 * (points + _CHECKED)
    return int(model.memory + min(_STATES, kept * 16 * (n1**2 + m**2)) + 2**21)


class _Table:
    """Points, values of the distribution function there, and errors seen on the way."""

    def __init__(self, model: Equation, total: int, progress: Progress | None) -> None:
        self.model, self.total, self.progress = model, total, progress
        self.states = SolvedStates(capacity=256, max_bytes=_STATES)
        self.x, self.level = np.empty(0), np.empty(0)
        self.eta, self.atom = 0.0, 0.0
        self.floor: float | None = None  # lowest height, where eigenvalues crowd at zero
        self.below = 0.0  # F(0) less the atom there
        self.errors: dict[str, float] = {}
        self.solved = 0

    # Solving ---------------------------------------------------------------------------------

    def smoothed(self, model: Equation, x: Real, eta: float) -> Real:
        """F_eta, from greater heights where the equation cannot be solved, less the atom's."""
        return self._seen(model, x, np.full(x.shape, eta))[0]

    def values(self, model: Equation, x: Real, share: float = 1.0) -> Real:
        """F less the atom at zero, continued to the axis from one height, or a share of it."""
        level, slope = self._seen(model, x, share * self.heights(x))
        self.solved += x.size
        if self.progress is not None:
            self.progress(min(self.solved, self.total), self.total)
        value = level + slope
        if self.floor is not None:
            value[x == 0] = self.below
        return value

    def _seen(self, model: Equation, x: Real, eta: Real) -> tuple[Real, Real]:
        """F_eta, and what leads from there to the axis, without the atom."""
        for attempt in range(5):
            z = x + 1j * eta
            try:
                potential, g = model.potential_and_transform(
                    z, tolerance=_TOLERANCE, states=self.states
                )
                break
            except ConvergenceError:
                if attempt == 4:
                    raise
                eta = 2 * eta
        level = 1 - potential.imag / np.pi - self.atom * (0.5 + np.arctan(x / eta) / np.pi)
        return np.asarray(level), np.asarray(eta * (g - self.atom / z).real / np.pi)

    def span(self, limits: tuple[float, float] | None) -> tuple[float, float]:
        """Find an interval with all but a few thousandths of the mass."""
        if limits is not None:
            low, high = float_array("limits", limits, ndim=1) if np.size(limits) == 2 else (0, 0)
            if not low < high:
                raise ValueError(f"limits must be two ascending numbers; got {limits}")
            pad = 0.05 * (high - low)
            return low - pad, high + pad
        mean = self.model.mean()
        square = root_mean_square(lambda z: self.model.solve(z).value, mean) ** 2
        variance = max(square - mean**2, 0.0)
        width = max(np.sqrt(variance), 1e-12 + 1e-9 * abs(mean))
        low, high = mean - 4 * width, mean + 4 * width
        for _ in range(40):
            ends = np.array([low, high])
            level = self.smoothed(self.model, ends, 1e-3 * (high - low))
            room = 4e-4 + 1e-3 / np.pi * (high - low) / np.maximum(1e-9, np.abs(ends - mean))
            if level[0] > room[0]:
                low -= 2 * width
            elif level[1] < 1 - room[1]:
                high += 2 * width
            else:
                break
            width *= 1.3
        return float(low), float(high)

    def height(self, low: float, high: float) -> float:
        """Find a height well below width and quartiles; H0 crowds at zero, where a wall is."""
        share = 1000 if self.model.part_name == "gauss_newton" else 200
        coarse = (high - low) / share
        places = []
        for level in (0.25, 0.75):
            left, right = low, high
            while right - left > 2 * coarse:
                middle = (left + right) / 2
                below = self.smoothed(self.model, np.array([middle]), coarse)[0] < level
                left, right = (middle, right) if below else (left, middle)
            places.append((left + right) / 2)
        bulk = max(places[1] - places[0], 2 * coarse)
        return min(coarse, bulk / 20)

    def look_at_zero(self) -> None:
        """Find how low to look beside zero, and how much lies below it.

        Where a lower height sees mass that a higher one does not, eigenvalues crowd next to zero:
        heights fall with the distance from it there. What a height sees besides the atom is twice
        the largest error of the distribution function at zero.
        """
        height = self.eta / 2
        last = self._crowd(height)
        if last is None:
            return
        seen = self._crowd(height / _FALL)
        if seen is None:
            return
        change = max(seen[0] - last[0] / _FALL, abs(seen[1] - last[1]))
        if change < _CROWDED:
            return
        for _ in range(_FALLS):
            self.floor, self.below, self.errors["crowd"] = height, last[1], last[0] / 2
            if last[0] < _SEEN or seen is None:
                break
            height, last = height / _FALL, seen
            seen = self._crowd(height / _FALL)

    def _crowd(self, height: float) -> tuple[float, float] | None:
        """Mass seen at zero besides the atom, and F(0) less the atom; None if not solved."""
        z = np.array([1j * height])
        try:
            potential, g = self.model.potential_and_transform(
                z, tolerance=_TOLERANCE / 10, states=self.states
            )
        except ConvergenceError:
            return None
        level = 1 - (potential.imag[0] - height * g.real[0]) / np.pi - self.atom / 2
        return max(float(-height * g.imag[0]) - self.atom, 0.0), float(level)

    def heights(self, x: Real) -> Real:
        """Heights at which points are solved, less beside a crowd at zero."""
        if self.floor is None:
            return np.full(x.shape, self.eta / 2)
        return np.asarray(np.clip(np.abs(x) / 8, self.floor / 4, self.eta / 2))

    def beside_zero(self) -> Real:
        """Points that lead to zero, where there is a crowd, an atom or a wall."""
        wall = self.model.part_name == "gauss_newton"
        if self.floor is None and not self.atom and not wall:
            return np.zeros(1)
        lowest = self.eta / 2 if self.floor is None else self.floor
        steps = int(np.ceil(np.log(_REACH * self.eta / lowest) / np.log(_FALL)))
        places = 2 * lowest * _FALL ** np.arange(steps)
        return np.concatenate([places[:0] if wall else -places[::-1], [0.0], places])

    # Filling ---------------------------------------------------------------------------------

    def fill(self, start: Real, most: int, tolerance: float) -> None:
        """Add points where those between their neighbours were predicted worst."""
        self.x = np.unique(start)
        self.level = self.values(self.model, self.x)
        doubt = np.full(self.x.size - 1, np.inf)  # how badly the middle of an interval was foretold
        worst = np.inf
        while self.x.size < most and worst > tolerance:
            level = np.maximum.accumulate(np.clip(self.level, 0.0, 1.0))
            score = np.minimum(doubt, np.diff(level)) + 1e-12 * np.diff(self.x)
            size = min(6, most - self.x.size, score.size)
            chosen = np.argsort(-score)[:size]
            new = (self.x[chosen] + self.x[chosen + 1]) / 2
            expected = PchipInterpolator(self.x, level)(new)
            found = self.values(self.model, new)
            miss = np.abs(found - expected)
            doubt[chosen] = miss
            doubt = np.insert(doubt, chosen + 1, miss)
            order = np.argsort(np.concatenate([self.x, new]))
            self.level = np.concatenate([self.level, found])[order]
            # np.insert numbers positions before insertion, so doubt is in ascending order already
            self.x = np.concatenate([self.x, new])[order]
            worst = float(np.minimum(doubt, np.diff(np.clip(self.level, 0, 1))).max())
        level = np.maximum.accumulate(np.clip(self.level, 0.0, 1.0))
        untested = np.isinf(doubt)
        if untested.any():  # a point left out at either end, which leaves twice the interval
            left_out = np.full(self.x.size, np.inf)
            for i in range(1, self.x.size - 1):
                others = np.delete(np.arange(self.x.size), i)
                expected = PchipInterpolator(self.x[others], level[others])(self.x[i])
                left_out[i] = abs(expected - level[i])
            ends = np.maximum(left_out[1:], left_out[:-1])
            doubt = np.where(untested, ends, doubt)
        error = float(np.minimum(doubt, np.diff(level)).max())
        # where points ran out, what was seen is a sample only
        self.errors["interpolation"] = 2 * error if error > tolerance else error

    def check(self) -> float:
        """Compare the law with the equation between its points, at a quarter of the height.

        The points are spread evenly in mass, one in the middle of an interval; they join the table.
        """
        law = self.law()
        levels = (1 - self.atom) * (np.arange(_CHECKED) + 0.5) / _CHECKED
        place = law.ppf(levels + self.atom * (levels > law.mass_below(0.0)))
        places = np.clip(np.searchsorted(self.x, place, side="right") - 1, 0, self.x.size - 2)
        left = np.unique(places)
        x = (self.x[left] + self.x[left + 1]) / 2
        found = self.values(self.model, x, 0.25)
        expected = law.cdf(x) - self.atom * (x >= 0)
        # the largest of a few is not the largest of all
        error = self.errors["extrapolation"] = 2 * float(np.abs(found - expected).max())
        order = np.argsort(np.concatenate([self.x, x]))
        self.level = np.concatenate([self.level, found])[order]
        self.x = np.concatenate([self.x, x])[order]
        return error

    def couple(self, model: Equation, anchors: int) -> None:
        """Add what the coupling changes, interpolated as a function of the level."""
        level = np.maximum.accumulate(np.clip(self.level, 0.0, 1.0 - self.atom))
        targets = np.linspace(0.02, 0.98, anchors) * (1.0 - self.atom)
        chosen = np.unique([int(np.argmin(np.abs(level - target))) for target in targets])
        chosen = chosen[np.unique(level[chosen], return_index=True)[1]]
        if self.floor is not None:
            chosen = chosen[self.x[chosen] != 0]
        chosen = chosen[(level[chosen] > 0) & (level[chosen] < 1 - self.atom)]
        change = self.values(model, self.x[chosen]) - self.level[chosen]
        ends = np.array([0.0, 1.0 - self.atom])

        def spread(rows: Integer) -> PchipInterpolator:
            places = np.concatenate([ends[:1], level[chosen[rows]], ends[1:]])
            return PchipInterpolator(places, np.concatenate([[0.0], change[rows], [0.0]]))

        every = np.arange(chosen.size)
        miss = []
        for kept in (every % 2 == 0, every % 2 == 1):
            expected = spread(every[kept])(level[chosen[~kept]])
            miss.append(np.abs(expected - change[~kept]).max())
        self.errors["coupling"] = float(max(miss)) / 2  # twice as many predict twice as well
        self.level = self.level + spread(every)(level)

    def law(self) -> TabulatedLaw:
        """Make a law of the points."""
        if self.model.part_name == "gauss_newton":  # positive: smoothing is all there is
            self.level[self.x <= 0.0] = 0.0
        pieces = pieces_of(self.x, self.level, 1.0 - self.atom)
        return TabulatedLaw(
            pieces.edges,
            pieces.masses,
            self.atom,
            pieces.lost + sum(self.errors.values()),
            pieces.edge_errors,
            tuple({**self.errors, "monotone": pieces.lost}.items()),
        )
