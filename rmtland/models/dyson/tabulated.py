r"""A law out of the matrix Dyson equation of a network: tabulated, with a measured error.

The equation of `rmtland.models.dyson.dyson_hessian` is solved for Im z > 0 only. Its logarithmic
potential gives the distribution function convolved with a Cauchy law,
:math:`F_\eta(x) = 1 - \operatorname{Im} L(x + i \eta)/\pi`, which is analytic in eta inside a band.
Here F is continued from one height to the axis, :math:`F(x) \approx 1 - \operatorname{Im}
(L(z) - i \eta G(z))/\pi` at :math:`z = x + i \eta` with an error of order eta^2, at points that are
added where interpolation between the others fails, and made a law of piecewise constant density. At
square-root edges the first piece of a band follows :math:`(x - e)^{3/2}`; a point mass at zero is
found by :math:`-\eta \operatorname{Im} G(i \eta)`, and its Cauchy tail is taken off before.

A point where the hidden units are coupled costs several times one where they are not
(`DysonHessian.coupling`), and the difference of the two distribution functions is small and
smooth: with `anchors` the table is made without the coupling, and the difference is solved for at
that many points and interpolated as a function of the level.

`error` is the sum of what was seen: where points were solved after they had been predicted by
interpolation, where half the height was solved too, and at anchors predicted by the others.

References
----------
.. [1] F. N. Fritsch and R. E. Carlson, Monotone piecewise cubic interpolation, SIAM J. Numer. Anal.
       17 (1980) 238-246.

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
from itertools import pairwise
from typing import Any, Protocol, Self

import numpy as np
from scipy.interpolate import PchipInterpolator

from rmtland.arguments import count, finite, points as points_of, positive
from rmtland.models.dyson.fixed_points import SolvedStates
from rmtland.models.dyson.tabulated_law import TabulatedLaw
from rmtland.models.far_field import root_mean_square
from rmtland.solution import ConvergenceError, Solution
from rmtland.typing import ArrayLike, Complex, Integer, Real

__all__ = ["Progress", "TabulatedLaw", "table_memory", "tabulated_law"]

Progress = Callable[[int, int], object]

_CELLS = 24
"""Pieces of constant density between two points of the table."""

_EMPTY = 1e-4
"""Mass below which an interval of the table may be a gap."""

_TOLERANCE = 1e-4
"""Of states: the distribution function, stationary at the solution, has its square for an error."""

_STATES = 2**27  # bytes of solved states that are kept


class Equation(Protocol):
    """What is needed of a model: `DysonHessian`."""

    @property
    def part_name(self) -> str: ...

    @property
    def features(self) -> Real: ...

    @property
    def memory(self) -> int: ...

    def mean(self) -> float: ...

    def with_coupling(self, coupling: str) -> Self: ...

    def solve(
        self, z: ArrayLike, *, tolerance: float = ..., throw: bool = ...,
        states: SolvedStates | None = ...,
    ) -> Solution: ...  # fmt: skip

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
        Points of the table at most, at least 20; each is solved at one height.
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
    """
    if not hasattr(model, "potential_and_transform"):
        raise TypeError(f"model must be a DysonHessian; got {model!r}")
    most = count("points", points, least=20)
    wanted = None if anchors is None else count("anchors", anchors, least=6)
    positive("tolerance", tolerance)
    light = model if wanted is None else model.with_coupling("units")
    table = _Table(light, most + (wanted or 0), progress)
    low, high = table.span(limits)
    if eta is None:
        eta = table.height(low, high)
    table.eta = positive("eta", eta)
    table.atom = table.mass_at_zero(model)
    if table.atom:
        wanted = None  # the equation without the coupling has another atom
        table.model = model
    angles = np.linspace(0, np.pi, 13)
    start = low + (high - low) * np.sin(angles / 2) ** 2
    if first is not None:
        given = np.unique(points_of("first", first))
        given = given[(given > low) & (given < high)]
        keep = np.linspace(0, given.size - 1, min(given.size, most // 2 - 3)).round().astype(int)
        start = np.concatenate([[low], given[keep], [high]])
    table.fill(start, most, tolerance)
    table.check_heights()
    if wanted is not None:
        table.couple(model, wanted)
    return table.law()


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
    return int(model.memory + min(_STATES, 2 * points * 16 * (n1**2 + m**2)) + 2**21)


class _Table:
    """Points, values of the distribution function there, and errors seen on the way."""

    def __init__(self, model: Equation, total: int, progress: Progress | None) -> None:
        self.model, self.total, self.progress = model, total, progress
        self.states = SolvedStates(capacity=256, max_bytes=_STATES)
        self.x, self.level = np.empty(0), np.empty(0)
        self.eta, self.atom = 0.0, 0.0
        self.errors: dict[str, float] = {}
        self.solved = 0

    # Solving ---------------------------------------------------------------------------------

    def smoothed(self, model: Equation, x: Real, eta: float) -> Real:
        """F_eta, from greater heights where the equation cannot be solved, less the atom's."""
        return self._seen(model, x, eta)[0]

    def values(self, model: Equation, x: Real, eta: float | None = None) -> Real:
        """F less the atom at zero, continued to the axis from one height."""
        level, slope = self._seen(model, x, self.eta / 2 if eta is None else eta)
        self.solved += x.size
        if self.progress is not None:
            self.progress(min(self.solved, self.total), self.total)
        return level + slope

    def _seen(self, model: Equation, x: Real, eta: float) -> tuple[Real, Real]:
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
                eta *= 2
        level = 1 - potential.imag / np.pi - self.atom * (0.5 + np.arctan(x / eta) / np.pi)
        return np.asarray(level), np.asarray(eta * (g - self.atom / z).real / np.pi)

    def span(self, limits: tuple[float, float] | None) -> tuple[float, float]:
        """Find an interval with all but a few thousandths of the mass."""
        if limits is not None:
            low, high = finite("limits", limits[0]), finite("limits", limits[1])
            if not low < high:
                raise ValueError(f"limits must ascend; got {limits}")
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

    def mass_at_zero(self, model: Equation) -> float:
        """Mass of the atom at 0: the limit of -eta Im G(i eta), 0 unless it has one."""
        height, last, guess, change = self.eta, np.inf, np.inf, np.inf
        states = SolvedStates()
        for _ in range(14):
            solution = model.solve(1j * height, throw=False, states=states)
            mass = -height * complex(solution.value).imag
            if mass < _EMPTY:
                return 0.0
            if not solution.converged:
                break
            before, guess = guess, (4 * mass - last) / 3
            change = abs(guess - before)
            if change < 1e-6:
                break
            height, last = height / 4, mass
        if not change < 0.02 * guess:  # a power of the height, or nothing that can be told
            return 0.0
        self.errors["atom"] = change
        return float(min(max(guess, 0.0), 1 - 1e-9))

    # Filling ---------------------------------------------------------------------------------

    def fill(self, start: Real, most: int, tolerance: float) -> None:
        """Add points where those between their neighbours were predicted worst."""
        self.x = np.unique(np.append(start, 0.0))
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
                left_out[i] = abs(PchipInterpolator(self.x[others], level[others])(self.x[i])
                                  - level[i])  # fmt: skip
            ends = np.maximum(left_out[1:], left_out[:-1])
            doubt = np.where(untested, ends, doubt)
        error = float(np.minimum(doubt, np.diff(level)).max())
        # where points ran out, what was seen is a sample only
        self.errors["interpolation"] = 2 * error if error > tolerance else error

    def check_heights(self) -> None:
        """Compare with half the height where the distribution function changes most on the way."""
        places = np.linspace(0, self.x.size - 1, min(self.x.size, 40)).round().astype(int)
        level = np.maximum.accumulate(np.clip(self.level, 0.0, 1.0))
        smooth = PchipInterpolator(self.x, level)
        seen = (smooth(self.x + self.eta / 2) + smooth(self.x - self.eta / 2)) / 2 - level
        bent = np.argsort(-np.abs(seen))[:2]
        steep = np.argsort(-np.abs(smooth(self.x, 1)))[:2]
        chosen = np.unique(np.concatenate([bent, steep, places[len(places) // 2 :][:1]]))
        low = self.values(self.model, self.x[chosen], self.eta / 4)
        # an error of second order: a third of the change is left at half the height
        self.errors["extrapolation"] = float(4 / 3 * np.abs(low - self.level[chosen]).max())

    def couple(self, model: Equation, anchors: int) -> None:
        """Add what the coupling changes, interpolated as a function of the level."""
        level = np.maximum.accumulate(np.clip(self.level, 0.0, 1.0 - self.atom))
        targets = np.linspace(0.02, 0.98, anchors) * (1.0 - self.atom)
        chosen = np.unique([int(np.argmin(np.abs(level - target))) for target in targets])
        chosen = chosen[np.unique(level[chosen], return_index=True)[1]]
        chosen = chosen[(level[chosen] > 0) & (level[chosen] < 1 - self.atom)]
        change = self.values(model, self.x[chosen]) - self.level[chosen]
        ends = np.array([0.0, 1.0 - self.atom])

        def spread(rows: Integer) -> Any:
            places = np.concatenate([ends[:1], level[chosen[rows]], ends[1:]])
            return PchipInterpolator(places, np.concatenate([[0.0], change[rows], [0.0]]))

        every = np.arange(chosen.size)
        miss = [abs(spread(every[every % 2 == 1 - i])(level[chosen[every % 2 == i]])
                    - change[every % 2 == i]).max() for i in (0, 1)]  # fmt: skip
        self.errors["coupling"] = float(max(miss)) / 2  # twice as many predict twice as well
        self.level = self.level + spread(every)(level)

    # The law ---------------------------------------------------------------------------------

    def law(self) -> TabulatedLaw:
        whole = 1.0 - self.atom
        if self.model.part_name == "gauss_newton":  # positive: smoothing is all there is
            self.level[self.x <= 0.0] = 0.0
        slip = float(np.maximum(0.0, -np.diff(self.level)).max())
        level = np.maximum.accumulate(np.clip(self.level, 0.0, whole))
        width = self.x[-1] - self.x[0]
        mass = np.diff(level)
        thin = (mass < _EMPTY) & (mass / np.diff(self.x) < 0.02 * whole / width)
        thin[0] |= mass[0] < 10 * _EMPTY
        thin[-1] |= mass[-1] < 10 * _EMPTY
        edges: list[Real] = []
        masses: list[Real] = []
        slack = (0.0, 0.0)
        starts = np.flatnonzero(~thin & np.concatenate(([True], thin[:-1])))
        ends = np.flatnonzero(~thin & np.concatenate((thin[1:], [True]))) + 1
        if not starts.size:
            raise ConvergenceError("no mass was found between the points; raise points or eta")
        for band, (i, j) in enumerate(zip(starts, ends, strict=True)):
            floor = level[i] if i == 0 else (level[i] + level[starts[band] - 1]) / 2
            x, f = self.x[i : j + 1], level[i : j + 1] - floor
            low, low_error = _edge(x, f)
            high, high_error = _edge(-x[::-1], (f[-1] - f)[::-1])
            grid, held = _band(x, f, low, -high)
            if edges:
                gap = grid[0] - edges[-1][-1]
                if gap <= 0:
                    grid = grid.copy()
                    grid[0] = np.nextafter(edges[-1][-1], np.inf)
                masses.append(np.zeros(1))
            edges.append(grid)
            masses.append(held)
            slack = (low_error if band == 0 else slack[0], high_error)
        every = np.concatenate(masses)
        lost = abs(float(every.sum()) - whole)
        error = slip + lost + sum(self.errors.values())
        return TabulatedLaw(
            np.concatenate(edges),
            every * (whole / every.sum()),
            self.atom,
            error,
            slack,
            tuple({**self.errors, "monotone": slip + lost}.items()),
        )


def _edge(x: Real, f: Real) -> tuple[float, float]:
    """Return where (x - e)^(3/2) through two values begins, within the first interval."""
    inside = np.flatnonzero(f > 2e-4)[:3]
    if inside.size < 2 or inside[0] == 0:
        return float(x[0]), float(x[1] - x[0]) / 2

    def start(i: int, j: int) -> float:
        share = (f[i] / f[j]) ** (2 / 3)
        return float((x[i] - share * x[j]) / (1 - share)) if share < 1 else float(x[0])

    low, high = float(x[inside[0] - 1]), float(x[inside[0]])
    first = min(max(start(inside[0], inside[1]), low), high - 1e-3 * (high - low))
    error = (high - low) / 2
    if inside.size == 3:
        other = min(max(start(inside[1], inside[2]), low), high)
        error = max(abs(first - other), 0.1 * (high - low))
    return first, min(error, high - low)


def _band(x: Real, f: Real, low: float, high: float) -> tuple[Real, Real]:
    """Return ends and masses of the pieces of one band between its edges."""
    inner = (x > low) & (x < high) & (f > 0) & (f < f[-1])
    xs, fs = x[inner], f[inner]
    total = float(f[-1])
    if xs.size < 2:
        grid = np.linspace(low, high, 2 * _CELLS)
        turn = np.arccos(1 - 2 * (grid - low) / (high - low))
        return grid, np.diff(total * (turn - np.sin(turn) * np.cos(turn)) / np.pi)
    rise = np.linspace(0, 1, _CELLS + 1)
    places = [low + (xs[0] - low) * rise**1.5]
    levels = [fs[0] * ((places[0] - low) / (xs[0] - low)) ** 1.5]
    smooth = PchipInterpolator(xs, fs)
    for left, right in pairwise(xs):
        part = np.linspace(left, right, _CELLS + 1)[1:]
        places.append(part)
        levels.append(smooth(part))
    last = high - (high - xs[-1]) * (1 - rise[1:]) ** 1.5
    last[-1] = high
    places.append(last)
    share = (high - last) / (high - xs[-1])
    levels.append(total - (total - fs[-1]) * share**1.5)
    grid, level = np.concatenate(places), np.concatenate(levels)
    keep = np.concatenate(([True], np.diff(grid) > 0))
    grid, level = grid[keep], np.maximum.accumulate(level[keep])
    return grid, np.diff(level)
