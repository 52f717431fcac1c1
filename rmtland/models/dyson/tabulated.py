r"""A law out of the matrix Dyson equation of a network: tabulated, with a measured error.

The equation of `rmtland.models.dyson.dyson_hessian` is solved for Im z > 0 only. Its logarithmic
potential gives the distribution function convolved with a Cauchy law,
:math:`F_\eta(x) = 1 - \operatorname{Im} L(x + i \eta)/\pi`, which is analytic in eta inside a band.
Here F is extrapolated from two heights, F = 2 F_{eta/2} - F_eta, at points that are added where
interpolation between the others fails, and made a law of piecewise constant density. At square-root
edges the first piece of a band follows :math:`(x - e)^{3/2}`; a point mass at zero is found by
:math:`-\eta \operatorname{Im} G(i \eta)`, and its Cauchy tail is taken off before extrapolating.

A point where the hidden units are coupled costs several times one where they are not
(`DysonHessian.coupling`), and the difference of the two distribution functions is small and
smooth: with `anchors` the table is made without the coupling, and the difference is solved for at
that many points and interpolated as a function of the level.

`error` is the sum of what was seen: where points were solved after they had been predicted by
interpolation, where a third height was solved too, and at anchors predicted by the others.

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
>>> law.error < 0.01, bool(abs(law.mean() - model.mean) < 0.02)
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from rmtland.arguments import count, finite, float_array, positive
from rmtland.arguments import points as points_of
from rmtland.laws.law import Atoms, Complex, Law, Real, Support
from rmtland.models.dyson.dyson_hessian import DysonHessian
from rmtland.solution import ConvergenceError

__all__ = ["TabulatedLaw", "tabulated_law"]

Progress = Callable[[int, int], object]

_CELLS = 24
"""Pieces of constant density between two points of the table."""

_EMPTY = 1e-4
"""Mass below which an interval of the table may be a gap."""


@dataclass(frozen=True, eq=False)
class TabulatedLaw(Law):
    """A law of piecewise constant density and a point mass at zero, known with an error.

    Parameters
    ----------
    edges : array_like, shape (k + 1,)
        Ends of the pieces, ascending.
    masses : array_like, shape (k,)
        Mass of each piece, >= 0; with the atom they sum to 1.
    atom : float
        Mass at 0.
    error : float
        Largest error of the distribution function that was seen.
    edge_errors : (float, float)
        Of the lowest and the highest end of the support, in the units of the eigenvalues.

    Raises
    ------
    ValueError
        If the edges do not ascend, or the masses are no probabilities.
    """

    edges: NDArray[np.float64]
    masses: NDArray[np.float64]
    atom: float = 0.0
    error: float = 0.0
    edge_errors: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        edges = float_array("edges", self.edges, ndim=1)
        masses = float_array("masses", self.masses, ndim=1)
        if edges.size != masses.size + 1 or not (np.diff(edges) > 0).all():
            raise ValueError(
                f"edges must ascend and be one more than masses; got {edges.size} and {masses.size}"
            )
        total = float(masses.sum()) + self.atom
        if masses.min() < 0 or not 0 <= self.atom < 1 or abs(total - 1) > 1e-9:
            raise ValueError(f"masses and atom must be >= 0 and sum to 1; got a sum of {total}")
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "masses", masses / (masses.sum() / (1 - self.atom)))

    @cached_property
    def support(self) -> Support:
        """Runs of pieces that carry mass."""
        carries = np.concatenate(([False], self.masses > 0, [False]))
        turns = np.flatnonzero(carries[1:] != carries[:-1])
        ends = self.edges[turns].reshape(-1, 2)
        return tuple((float(low), float(high)) for low, high in ends)

    @property
    def atoms(self) -> Atoms:
        """The point mass at 0, if there is one."""
        return ((0.0, self.atom),) if self.atom else ()

    @cached_property
    def _density(self) -> Real:
        return np.asarray(self.masses / np.diff(self.edges))

    @cached_property
    def _levels(self) -> Real:
        """Mass of the pieces below each edge."""
        return np.concatenate(([0.0], np.cumsum(self.masses)))

    def _steps(self) -> Real:
        """Jumps of the density at the edges."""
        return np.diff(self._density, prepend=0.0, append=0.0)

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        steps = self._steps()
        g, slope = np.zeros(z.shape, complex), np.zeros(z.shape, complex)
        # the steps of the density stand for a smooth one: their logarithms end at a cell
        least = np.log(np.diff(self.edges).min())
        with np.errstate(divide="ignore", invalid="ignore"):
            for edge, step in zip(self.edges, steps, strict=True):
                distance = z - edge
                at = distance == 0
                near = np.where(at, 1.0, distance)
                g += step * np.where(at, least, np.log(near))
                slope += step / near
            if self.atom:
                g += self.atom / z
                slope -= self.atom / z**2
        g[np.isnan(g)] = np.inf
        return g, slope

    def _log_potential(self, z: Complex) -> Complex:
        value = np.zeros(z.shape, complex)
        for edge, step in zip(self.edges, self._steps(), strict=True):
            distance = z - edge
            log = np.log(np.where(distance == 0, 1.0, distance))
            value += step * distance * (log - 1)
        if self.atom:
            with np.errstate(divide="ignore"):
                value += self.atom * np.log(z)
        real = z.imag == 0
        value.imag[real] = np.pi * (1 - self._cdf(z.real[real]))
        return value

    def _pdf(self, x: Real) -> Real:
        place = np.searchsorted(self.edges, x, side="right")
        inner = (place > 0) & (place < self.edges.size)
        density = np.zeros(x.shape)
        density[inner] = self._density[place[inner] - 1]
        return density

    def _cdf(self, x: Real) -> Real:
        level = np.interp(x, self.edges, self._levels)
        return np.clip(level + self.atom * (x >= 0), 0.0, 1.0)

    def _mass_below(self, x: Real) -> Real:
        return np.clip(np.interp(x, self.edges, self._levels) + self.atom * (x > 0), 0.0, 1.0)

    def _ppf(self, q: Real) -> Real:
        levels = self._levels
        below = float(np.interp(0.0, self.edges, levels))
        level = np.where(q <= below, q, np.maximum(q - self.atom, below))
        piece = np.clip(np.searchsorted(levels, level, side="left"), 1, levels.size - 1) - 1
        piece = np.maximum(piece, np.flatnonzero(self.masses > 0)[0])
        start, mass = levels[piece], self.masses[piece]
        share = np.clip((level - start) / np.where(mass > 0, mass, 1.0), 0.0, 1.0)
        x = self.edges[piece] + share * (self.edges[piece + 1] - self.edges[piece])
        if self.atom:
            x = np.where((q > below) & (q <= below + self.atom), 0.0, x)
        return np.asarray(x)

    def _exact_moments(self, k: int) -> list[Fraction]:
        low, high = self.edges[:-1], self.edges[1:]
        moments = [Fraction(1)]
        for n in range(1, k + 1):
            complete = sum(low**i * high ** (n - i) for i in range(n + 1)) / (n + 1)
            moments.append(Fraction(float(self.masses @ complete)))
        return moments


def tabulated_law(
    model: DysonHessian,
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
        Points of the table at most, at least 20; each is solved at two heights.
    limits : (float, float), optional
        Where to look for the spectrum at first; found from the moments by default.
    first : array_like of float, optional
        Points of the table to begin with, such as quantiles of a measured spectrum; at most half
        of `points` of them are taken. By default some between the limits, dense at both.
    eta : float, optional
        The larger height; by default a two-hundredth of the width of the spectrum (for H0 a
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

    Raises
    ------
    ConvergenceError
        If the equation cannot be solved at some point, even at larger heights.
    ValueError
        If a number is out of range.
    """
    if not isinstance(model, DysonHessian):
        raise TypeError(f"model must be a DysonHessian; got {model!r}")
    most = count("points", points, least=20)
    wanted = None if anchors is None else count("anchors", anchors, least=6)
    positive("tolerance", tolerance)
    table = _Table(model, most + (wanted or 0), progress)
    low, high = table.span(limits)
    if eta is None:
        eta = table.height(low, high)
    table.eta = positive("eta", eta)
    table.atom = table.mass_at_zero()
    if table.atom:
        wanted = None  # the equation without the coupling has another atom
    if wanted is not None:
        table.model = replace(model, coupling="units")
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


class _Table:
    """Points, values of the distribution function there, and errors seen on the way."""

    def __init__(self, model: DysonHessian, total: int, progress: Progress | None) -> None:
        self.model, self.total, self.progress = model, total, progress
        self.x, self.level = np.empty(0), np.empty(0)
        self.eta, self.atom = 0.0, 0.0
        self.errors: dict[str, float] = {}
        self.solved = 0

    # Solving ---------------------------------------------------------------------------------

    def smoothed(self, model: DysonHessian, x: Real, eta: float) -> Real:
        """F_eta, from greater heights where the equation cannot be solved, less the atom's."""
        for _ in range(4):
            try:
                level = np.asarray(model.smoothed_cdf(x, eta=eta))
                break
            except ConvergenceError:
                eta *= 2
        else:
            level = np.asarray(model.smoothed_cdf(x, eta=eta))
        return np.asarray(level - self.atom * (0.5 + np.arctan(x / eta) / np.pi))

    def values(self, model: DysonHessian, x: Real) -> Real:
        """F less the atom at zero, extrapolated from two heights."""
        far, near = (self.smoothed(model, x, height) for height in (self.eta, self.eta / 2))
        self.solved += x.size
        if self.progress is not None:
            self.progress(min(self.solved, self.total), self.total)
        return np.asarray(2 * near - far)

    def span(self, limits: tuple[float, float] | None) -> tuple[float, float]:
        """Find an interval with all but a few thousandths of the mass."""
        if limits is not None:
            low, high = finite("limits", limits[0]), finite("limits", limits[1])
            if not low < high:
                raise ValueError(f"limits must ascend; got {limits}")
            pad = 0.05 * (high - low)
            return low - pad, high + pad
        mean = self.model.mean
        reach = 1.0 + 3 * abs(mean)
        for _ in range(40):
            z = mean + 1j * reach
            # z G = 1 + mean/z + m2/z^2 + ...: the variance, seen from far above
            spread = -(((z - mean) * self.model.stieltjes(z) - 1) * (z - mean) ** 2).real
            variance = abs(float(spread))
            if reach > 30 * np.sqrt(variance):
                break
            reach = 40 * np.sqrt(variance)
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
        share = 1000 if self.model.part == "gauss_newton" else 200
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

    def mass_at_zero(self) -> float:
        """Mass of the atom at 0: the limit of -eta Im G(i eta), 0 unless it settles."""
        height, last, guess, change = self.eta, np.inf, np.inf, np.inf
        for _ in range(14):
            solution = self.model.solve(1j * height, throw=False)
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
        """Compare with a third height where the first two differ most."""
        near = self.smoothed(self.model, self.x, self.eta / 2)
        change = np.abs(self.level - near)
        chosen = np.sort(np.argsort(-change)[:3])
        x = self.x[chosen]
        low = self.smoothed(self.model, x, self.eta / 4)
        change = np.abs(2 * low - near[chosen] - self.level[chosen])
        self.errors["extrapolation"] = float(change.max())

    def couple(self, model: DysonHessian, anchors: int) -> None:
        """Add what the coupling changes, interpolated as a function of the level."""
        level = np.maximum.accumulate(np.clip(self.level, 0.0, 1.0 - self.atom))
        targets = np.linspace(0.02, 0.98, anchors) * (1.0 - self.atom)
        chosen = np.unique([int(np.argmin(np.abs(level - target))) for target in targets])
        chosen = chosen[np.unique(level[chosen], return_index=True)[1]]
        chosen = chosen[(level[chosen] > 0) & (level[chosen] < 1 - self.atom)]
        change = self.values(model, self.x[chosen]) - self.level[chosen]
        ends = np.array([0.0, 1.0 - self.atom])

        def spread(rows: NDArray[np.intp]) -> Any:
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
        if self.model.part == "gauss_newton":  # positive semi-definite: smoothing is all there is
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
            np.concatenate(edges), every * (whole / every.sum()), self.atom, error, slack
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
