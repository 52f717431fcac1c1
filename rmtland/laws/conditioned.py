r"""Laws conditioned and reweighted: truncated to an interval, tilted by a weight.

For a law :math:`\rho`, an interval [a, b] and a weight :math:`w \ge 0`

.. math::
    \rho_{[a, b]}(dt) = \frac{1_{[a, b]}(t) \rho(dt)}{\rho([a, b])}, \qquad
    \rho_w(dt) = \frac{w(t) \rho(dt)}{\int w \, d\rho}.

Also: conditional law, restriction, truncation; Esscher transform, exponential tilting, size
biasing (w(t) = t), importance weights.

Stieltjes transforms are quadratures over the density of the law (`rmtland.laws.quadrature`). A
truncated law, between the cuts, has that of the whole law less the integral over what was cut off;
there and beyond, panels shrink geometrically towards the cuts, where the density steps and the
transform has a logarithm. For a tilted law with an interpolating polynomial p of the weight,

.. math::
    \int \frac{p(t) \rho(dt)}{z - t} = p(z) G(z) - \int \frac{p(z) - p(t)}{z - t} \rho(dt),

whose last integrand is a polynomial, on the axis too.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur, Normal
>>> law = truncated(Normal(), 0.0, 2.0)
>>> law.support, round(law.cdf(1.0), 12), round(law.mean(), 12)
(((0.0, 2.0),), 0.715232772011, 0.722789752245)
>>> biased = tilted(MarchenkoPastur(2.0), lambda t: t)
>>> biased.atoms, round(biased.mean(), 10)
((), 3.0)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.arguments import points
from rmtland.laws.consistency import certify_once
from rmtland.laws.law import Law
from rmtland.laws.quadrature import Panels, density_panels
from rmtland.solution import ConvergenceError
from rmtland.typing import Atoms, Complex, Integer, Logical, Real, Support

__all__ = ["Tilted", "Truncated", "tilted", "truncated"]

_LITTLE = 1e-7
"""Mass of an interval below which the transforms of the rest leave too few digits of it."""
_FINE = 1e-13
_BLOCK = 2**18  # terms of a sum over nodes that are held at once
_DEGREES = (16, 32, 64, 128)  # of interpolating polynomials of a weight


def truncated(law: Law, low: float = -math.inf, high: float = math.inf) -> Law:
    """Return the law of X given low <= X <= high.

    Parameters
    ----------
    law : Law
        The law of X.
    low, high : float
        The interval; infinite ends cut nothing off.

    Returns
    -------
    Law
        A `Truncated` law; the law itself where nothing is cut off.

    Raises
    ------
    ValueError
        If low is not below high, or the law has no mass between them.
    TypeError
        If `law` is not a law.
    """
    _require_law("truncated", law)
    ends = points("low, high", np.array([low, high]))
    left, right = float(ends[0]), float(ends[1])
    bottom, top = law.hull
    if left <= bottom and right >= top:
        return law
    return Truncated(law, max(left, bottom), min(right, top))


def tilted(law: Law, weight: Callable[[Real], Real]) -> Law:
    """Return the law with density proportional to weight(t) against the given one.

    Parameters
    ----------
    law : Law
        The law, of bounded support.
    weight : callable
        Non-negative and smooth on the hull of the law; takes and returns arrays.

    Returns
    -------
    Law
        A `Tilted` law.

    Raises
    ------
    ValueError
        If the weight is negative or not finite on the law, has the integral 0, or the law is
        unbounded.
    TypeError
        If `law` is not a law, or the weight is not callable.
    ConvergenceError
        If the weight is not smooth enough for a polynomial of degree 128.
    """
    _require_law("tilted", law)
    return Tilted(law, weight)


@dataclass(frozen=True)
class Truncated(Law):
    """Law conditioned on an interval; made by `truncated`.

    Parameters
    ----------
    law : Law
        The law of X.
    low, high : float
        This is the law of X given low <= X <= high.

    Raises
    ------
    ValueError
        If low is not below high, or the law has no mass between them.
    TypeError
        If `law` is not a law.
    """

    law: Law
    low: float
    high: float

    def _require_certificate(self) -> None:
        self.law._require_certificate()

    def __post_init__(self) -> None:
        _require_law("Truncated", self.law)
        low, high = (float(end) for end in points("low, high", np.array([self.low, self.high])))
        if not low < high:
            raise ValueError(f"low must be below high; got {low} and {high}")
        object.__setattr__(self, "low", low + 0.0)
        object.__setattr__(self, "high", high + 0.0)
        if not self._mass > 1e-280:  # below, floating-point numbers thin out
            raise ValueError(f"{self.law!r} has no mass between {low} and {high}")

    @cached_property
    def _mass(self) -> float:
        """Mass of the law in the interval; from the nearer tail."""
        if self._is_upper:
            return self._above_low - float(self.law.sf(self.high))
        return float(self.law.cdf(self.high)) - float(self.law.mass_below(self.low))

    @cached_property
    def _is_upper(self) -> bool:
        """Whether the interval is in the upper half of the law, whose tail is then exact."""
        return float(self.law.mass_below(self.low)) > 0.5

    @cached_property
    def _above_low(self) -> float:
        """Mass of the law at the lower cut and above."""
        return float(self.law.sf(self.low)) + self._at(self.low)

    def _at(self, x: float) -> float:
        return sum(mass for place, mass in self.law.atoms if place == x)

    @cached_property
    def support(self) -> Support:
        """The intervals of the law, cut."""
        cut = ((max(low, self.low), min(high, self.high)) for low, high in self.law.support)
        return tuple((low, high) for low, high in cut if low < high)

    @cached_property
    def atoms(self) -> Atoms:
        """The atoms of the law in the interval, with their share of its mass."""
        return tuple(
            (place, mass / self._mass)
            for place, mass in self.law.atoms
            if self.low <= place <= self.high
        )

    @cached_property
    def _parts(self) -> tuple[tuple[Real, Real], tuple[Real, Real]]:
        """Nodes and masses of the law inside the interval and outside, fine beside the cuts."""
        inside = _nodes(_Cut(self.law, self.support), self.low, self.high, self._mass)
        ends = [low for low, _ in self.law.support] + [high for _, high in self.law.support]
        rest = []
        for low, high in self.law.support:
            rest += [(low, min(high, self.low))] if low < self.low else []
            rest += [(max(low, self.high), high)] if high > self.high else []
        outside = _nodes(_Cut(self.law, tuple(rest)), self.low, self.high, 1.0) if ends else inside
        atoms = np.array(self.law.atoms, dtype=np.float64).reshape(-1, 2)
        held = (atoms[:, 0] >= self.low) & (atoms[:, 0] <= self.high)
        found = math.fsum(inside[1]) + math.fsum(atoms[held, 1])
        if not abs(found - self._mass) <= 1e-7 * self._mass:
            raise ConvergenceError(
                f"the density of {self!r} adds up to {found:.6g} there, and its distribution "
                f"function to {self._mass:.6g}: its pdf and quantiles are known, its moments and "
                "transforms are not"
            )
        return (
            (np.append(inside[0], atoms[held, 0]), np.append(inside[1], atoms[held, 1])),
            (np.append(outside[0], atoms[~held, 0]), np.append(outside[1], atoms[~held, 1])),
        )

    def _between(self, z: Complex) -> Logical:
        """Whether points are above or on the interval, where the law is nearer than the rest.

        In a tail with next to no mass the law less the rest has no digits; the nodes do away from
        the axis.
        """
        within = np.asarray((z.real >= self.low) & (z.real <= self.high))
        if self._mass < _LITTLE and within.any():
            coarse = float(np.diff(np.sort(self._parts[0][0])).max(initial=0.0))
            within &= z.imag < 8 * coarse
            if within.any():
                raise ConvergenceError(
                    f"{self!r} holds {self._mass:.3g} of the law: its transforms have no digits on "
                    f"the interval, closer to the axis than {8 * coarse:.3g}; pdf, cdf, quantiles "
                    "and moments do"
                )
        return within

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g, slope = np.empty_like(z), np.empty_like(z)
        within = self._between(z)
        inside, outside = self._parts
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            g[~within], slope[~within] = _cauchy(z[~within], *inside)
            if within.any():
                whole, rise = self.law._jet(z[within])
                rest, fall = _cauchy(z[within], *outside)
                g[within], slope[within] = whole - rest, rise - fall
            g, slope = g / self._mass, slope / self._mass
        for cut, sign in ((self.low, 1.0), (self.high, -1.0)):
            at = z == cut
            if at.any() and self.law._pdf(np.array([cut]))[0] > 0:
                g[at] = complex(-sign * np.inf, 0)
        for place, _ in self.atoms:
            g[z == place] = complex(np.inf, 0)
        return g, slope

    def _log_potential(self, z: Complex) -> Complex:
        value = np.empty_like(z)
        within = self._between(z)
        inside, outside = self._parts
        value[~within] = _potential(z[~within], *inside)
        if within.any():
            value[within] = self.law._log_potential(z[within]) - _potential(z[within], *outside)
        with np.errstate(invalid="ignore"):
            value = value / self._mass
        for place, _ in self.atoms:
            value.real[z == place] = -np.inf
        real = z.imag == 0
        value.imag[real] = np.pi * self._sf(z.real[real])
        return value

    def _pdf(self, x: Real) -> Real:
        inside = (x >= self.low) & (x <= self.high)
        density = np.zeros(x.shape)
        density[inside] = self.law._pdf(x[inside]) / self._mass
        return density

    def _cdf(self, x: Real) -> Real:
        held = np.clip(x, self.low, self.high)
        if self._is_upper:
            below = self._above_low - self.law._sf(held)
        else:
            below = self.law._cdf(held) - float(self.law.mass_below(self.low))
        mass = np.clip(below / self._mass, 0.0, 1.0)
        return np.where(x < self.low, 0.0, np.where(x >= self.high, 1.0, mass))

    def _sf(self, x: Real) -> Real:
        held = np.clip(x, self.low, self.high)
        top = float(self.law.cdf(self.high))
        if top < 0.5:
            above = top - self.law._cdf(held)
        else:
            above = self.law._sf(held) - float(self.law.sf(self.high))
        mass = np.clip(above / self._mass, 0.0, 1.0)
        return np.where(x < self.low, 1.0, np.where(x >= self.high, 0.0, mass))

    def _ppf(self, q: Real) -> Real:
        if self._is_upper:
            x = self.law._isf(np.clip(self._above_low - q * self._mass, 0.0, 1.0))
        else:
            below = float(self.law.mass_below(self.low))
            x = self.law._ppf(np.minimum(below + q * self._mass, 1.0))
        low, high = self.hull
        return np.where(q == 0, low, np.where(q == 1, high, np.clip(x, low, high)))

    def _isf(self, q: Real) -> Real:
        top = float(self.law.cdf(self.high))
        if top < 0.5:
            x = self.law._ppf(np.clip(top - q * self._mass, 0.0, 1.0))
        else:
            x = self.law._isf(np.minimum(float(self.law.sf(self.high)) + q * self._mass, 1.0))
        low, high = self.hull
        return np.where(q == 0, high, np.where(q == 1, low, np.clip(x, low, high)))

    def _exact_moments(self, k: int) -> list[Fraction]:
        return _moments(*self._parts[0], k)


@dataclass(frozen=True)
class Tilted(Law):
    """Law reweighted by a function; made by `tilted`.

    Parameters
    ----------
    law : Law
        The law, of bounded support.
    weight : callable
        Non-negative and smooth on the hull of the law; takes and returns arrays.

    Raises
    ------
    ValueError
        If the weight is negative or not finite on the law, has the integral 0, or the law is
        unbounded.
    TypeError
        If `law` is not a law, or the weight is not callable.
    ConvergenceError
        If the weight is not smooth enough for a polynomial of degree 128.
    """

    law: Law
    weight: Callable[[Real], Real]

    _require_certificate = certify_once

    def __post_init__(self) -> None:
        _require_law("Tilted", self.law)
        if not callable(self.weight):
            raise TypeError(f"the weight must be a function of an array; got {self.weight!r}")
        if not all(math.isfinite(end) for end in self.law.hull):
            raise ValueError(
                f"a tilted law needs a bounded support; cut {self.law!r} off with `truncated`"
            )
        values = self._weights(self._nodes[0])
        if not np.isfinite(values).all() or values.min() < 0:
            raise ValueError(
                f"the weight must be finite and not negative on the law; got {values.min()}"
            )
        if not self._total > 0:
            raise ValueError("the weight is 0 wherever the law has mass")
        _ = self._polynomial

    def _weights(self, x: Real) -> Real:
        return np.broadcast_to(np.asarray(self.weight(x), dtype=np.float64), x.shape)

    @cached_property
    def _cells(self) -> tuple[Panels, Real]:
        """Panels of the law, at most 1/16 of its hull wide, and the masses of their nodes."""
        low, high = self.law.hull
        grid = tuple(np.linspace(low, high, 17)[1:-1].tolist())
        whole = _Cut(self.law, self.law.support)
        cells = density_panels(whole, tolerance=1e-12, cuts=grid)
        return cells, _weighed(cells, whole._cdf)

    @cached_property
    def _nodes(self) -> tuple[Real, Real]:
        """Nodes and masses of the law, atoms included."""
        cells, masses = self._cells
        atoms = np.array(self.law.atoms, dtype=np.float64).reshape(-1, 2)
        return np.append(cells.x.ravel(), atoms[:, 0]), np.append(masses.ravel(), atoms[:, 1])

    @cached_property
    def _total(self) -> float:
        x, masses = self._nodes
        return math.fsum(self._weights(x) * masses)

    @cached_property
    def _polynomial(self) -> np.polynomial.Chebyshev:
        """Polynomial that interpolates the weight on the hull."""
        low, high = self.law.hull
        if low == high:
            return np.polynomial.Chebyshev([self._weights(np.array([low]))[0]])
        check = np.linspace(low, high, 801)
        wanted = self._weights(check)
        miss = math.inf
        for degree in _DEGREES:
            fit = np.polynomial.Chebyshev.interpolate(self._weights, degree, domain=[low, high])
            miss = float(np.abs(fit(check) - wanted).max() / np.abs(wanted).max())
            if miss < 1e-12:
                return fit.trim(1e-15 * float(np.abs(fit.coef).max()))
        raise ConvergenceError(
            f"the weight is not smooth: a polynomial of degree {_DEGREES[-1]} misses it by "
            f"{miss:.2g} of its maximum; take a smooth one, or `truncated` for a step"
        )

    @cached_property
    def support(self) -> Support:
        """The intervals of the law."""
        return self.law.support

    @cached_property
    def atoms(self) -> Atoms:
        """The atoms of the law, reweighted; those of weight 0 are gone."""
        weighted = (
            (place, float(self._weights(np.array([place]))[0]) * mass / self._total)
            for place, mass in self.law.atoms
        )
        return tuple((place, mass) for place, mass in weighted if mass > 0)

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        x, masses = self._nodes
        p = self._polynomial
        slope_of_p = p.deriv()
        g, slope = np.empty_like(z), np.empty_like(z)
        near = self._near(z)
        kept = {place for place, _ in self.atoms}
        gone = np.isin(z, [place for place, _ in self.law.atoms if place not in kept])
        if gone.any():
            # 0 times infinity at an atom that is gone; the mean of the values beside it
            step = 1e-5 * (self.law.hull[1] - self.law.hull[0])
            left, right = self._jet(z[gone] - step), self._jet(z[gone] + step)
            g[gone], slope[gone] = (left[0] + right[0]) / 2, (left[1] + right[1]) / 2
            if not gone.all():
                g[~gone], slope[~gone] = self._jet(z[~gone])
            return g, slope
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            g[~near], slope[~near] = _cauchy(z[~near], x, masses * self._weights(x))
            if near.any():
                at = z[near]
                whole, rise = self.law._jet(at)
                value, change = p(at), slope_of_p(at)
                quotient, derivative = _divided(at, x, masses, p)
                g[near] = value * whole - quotient
                slope[near] = value * rise + change * whole - derivative
            g, slope = g / self._total, slope / self._total
        for place, _ in self.atoms:
            g[z == place] = complex(np.inf, 0)
        return g, slope

    def _near(self, z: Complex) -> Logical:
        low, high = self.law.hull
        reach = 0.04 * (high - low)
        return np.asarray(
            (np.abs(z.imag) < reach) & (z.real > low - reach) & (z.real < high + reach)
        )

    def _log_potential(self, z: Complex) -> Complex:
        # From above, where the nodes are far: L' = G along the vertical
        x, masses = self._nodes
        masses = masses * self._weights(x) / self._total
        low, high = self.law.hull
        top = max(0.25 * (high - low), 1e-300)
        lifted = np.where(z.imag < top, z.real + 1j * top, z)
        value = _potential(lifted, x, masses)
        below = z.imag < top
        if below.any():
            value[below] -= _climb(self, z[below], top)
        real = z.imag == 0
        if real.any():
            value.imag[real] = np.pi * (1 - self._cdf(z.real[real]))
        for place, _ in self.atoms:
            value.real[z == place] = -np.inf
        return value

    def _pdf(self, x: Real) -> Real:
        density = np.zeros(x.shape)
        for low, high in self.support:
            inside = (x >= low) & (x <= high)
            weight = self._weights(x[inside])
            with np.errstate(invalid="ignore"):
                product = weight * self.law._pdf(x[inside]) / self._total
            density[inside] = np.where(weight == 0, 0.0, product)
        return density

    @cached_property
    def _masses(self) -> Real:
        """Mass of every panel."""
        cells, masses = self._cells
        weighed = masses * self._weights(cells.x.ravel()).reshape(masses.shape)
        return np.asarray(weighed.sum(axis=1) / self._total)

    def _cdf(self, x: Real) -> Real:
        cells, mass = self._cells[0], self._masses
        total = np.concatenate([[0.0], np.cumsum(mass)])
        place = np.searchsorted(cells.right, x, side="right")
        below = total[place]
        if mass.size:
            panel = np.minimum(place, mass.size - 1)
            inside = (x > cells.left[panel]) & (x < cells.right[panel])
            below[inside] += self._within(panel[inside], x[inside])
        for location, weight in self.atoms:
            below = below + np.where(x >= location, weight, 0.0)
        return np.where(x >= self.hull[1], 1.0, np.clip(below, 0.0, 1.0))

    def _within(self, panel: Integer, x: Real) -> Real:
        """Mass between the left end of a panel and a point of it, in the variable of the panel."""
        left, right = self._cells[0].left, self._cells[0].right
        starts = np.array([low for low, _ in self.support])
        stops = np.array([high for _, high in self.support])
        band = np.searchsorted(starts, right[panel], side="right") - 1
        low, high = starts[band], stops[band]
        # Pieces between cuts, of which the panel is in the lower or the upper half
        grid = np.linspace(*self.law.hull, 17)[1:-1]
        for cut in grid:
            low = np.where((cut > low) & (cut <= left[panel]), cut, low)
            high = np.where((cut < high) & (cut >= right[panel]), cut, high)
        upper = left[panel] / 2 + right[panel] / 2 > low / 2 + high / 2
        width = high - low

        def variable(t: Real) -> Real:
            reach = np.where(upper, high - t, t - low) / width
            return np.asarray(2 * np.arcsin(np.sqrt(np.clip(reach, 0.0, 1.0))))

        start, stop = variable(np.where(upper, right[panel], left[panel])), variable(x)
        nodes, weights = np.polynomial.legendre.leggauss(16)
        s = start[:, None] + (stop - start)[:, None] * (nodes + 1) / 2
        reach = width[:, None] * np.sin(s / 2) ** 2
        t = np.where(upper[:, None], high[:, None] - reach, low[:, None] + reach)
        density = self._pdf(t.ravel()).reshape(t.shape)
        density[~np.isfinite(density)] = 0.0
        part = (density * np.sin(s) * weights).sum(axis=1) * (stop - start) * width / 4
        return np.asarray(np.where(upper, self._masses[panel] - part, part))

    def _exact_moments(self, k: int) -> list[Fraction]:
        x, masses = self._nodes
        return _moments(x, masses * self._weights(x), k)


class _Cut:
    """A law's density on other bands, for quadrature."""

    def __init__(self, law: Law, support: Support) -> None:
        self.support = support
        self.atoms: Atoms = ()
        self._pdf, self._ppf, self._isf = law._pdf, law._ppf, law._isf
        self._whole = law

    def _cdf(self, x: Real) -> Real:
        """Distribution function of the law without the jumps at its atoms."""
        below = np.array(self._whole._cdf(x))
        for place, mass in self._whole.atoms:
            below -= np.where(x >= place, mass, 0.0)
        return below


def _nodes(law: _Cut, low: float, high: float, total: float) -> tuple[Real, Real]:
    """Nodes and masses on bands, on panels that shrink by halves towards two cuts.

    Tails are cut off, and errors allowed, in units of the total mass of the bands.
    """
    tail = np.array([1e-17 * total])
    steps = 2.0 ** -np.arange(1, 60)
    cuts: list[float] = []
    bands: list[tuple[float, float]] = []
    for left, right in law.support:
        a = left if math.isfinite(left) else float(law._ppf(tail)[0])
        b = right if math.isfinite(right) else float(law._isf(tail)[0])
        bands += [(a, b)] if a < b else []
        for cut in (low, high):
            if a == cut:
                cuts += (a + (b - a) * steps).tolist()
            if b == cut:
                cuts += (b - (b - a) * steps).tolist()
    law.support = tuple(bands)
    cells = density_panels(law, tolerance=_FINE * total, evaluations=20000, cuts=tuple(cuts))
    return cells.x.ravel(), _weighed(cells, law._cdf).ravel()


def _weighed(cells: Panels, cdf: Callable[[Real], Real]) -> Real:
    """Weights of panels, with the mass of the distribution function where rounding of x shows.

    It does next to an end other than 0 where the density is unbounded.
    """
    rough = cells.errors > 1e-13
    weights = np.array(cells.weights)
    if rough.any():
        mass = cdf(cells.right[rough]) - cdf(cells.left[rough])
        found = cells.mass[rough]
        good = (found > 0) & (np.abs(mass - found) < 1e-3)
        scale = np.where(good, mass / np.where(good, found, 1.0), 1.0)
        weights[rough] *= scale[:, None]
    return weights


def _rows(z: Complex, nodes: Real) -> list[slice]:
    step = max(1, _BLOCK // max(nodes.size, 1))
    return [slice(start, start + step) for start in range(0, z.size, step)]


def _cauchy(z: Complex, nodes: Real, masses: Real) -> tuple[Complex, Complex]:
    """Return sums of masses / (z - nodes) and of their derivatives."""
    g, slope = np.empty_like(z), np.empty_like(z)
    for rows in _rows(z, nodes):
        terms = 1 / (z[rows, None] - nodes)
        g[rows] = terms @ masses
        slope[rows] = -(terms * terms) @ masses
    return g, slope


def _potential(z: Complex, nodes: Real, masses: Real) -> Complex:
    """Sum of masses * log(z - nodes), from above on the axis."""
    value = np.empty_like(z)
    with np.errstate(divide="ignore"):
        for rows in _rows(z, nodes):
            value[rows] = np.log(z[rows, None] - nodes) @ masses
    return value


def _divided(
    z: Complex, nodes: Real, masses: Real, p: np.polynomial.Chebyshev
) -> tuple[Complex, Complex]:
    """Integral of the divided difference (p(z) - p(t)) / (z - t), and its derivative in z."""
    first, second = p.deriv(), p.deriv(2)
    value, slope = np.empty_like(z), np.empty_like(z)
    at_nodes = p(nodes)
    close = 1e-5 * max(float(np.ptp(nodes)), 1e-300)
    for rows in _rows(z, nodes):
        apart = z[rows, None] - nodes
        here = p(z[rows])[:, None]
        rise = first(z[rows])[:, None]
        near = np.abs(apart) < close
        safe = np.where(near, 1.0, apart)
        middle = (z[rows, None] + nodes) / 2
        quotient = np.where(near, first(middle), (here - at_nodes) / safe)
        change = np.where(near, second(middle) / 2, (rise - quotient) / safe)
        value[rows], slope[rows] = quotient @ masses, change @ masses
    return value, slope


def _climb(law: Law, z: Complex, top: float) -> Complex:
    """Integral of G from z up to the height `top`, in a variable dense next to z."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    share = ((nodes + 1) / 2) ** 3
    height = (top - z.imag)[:, None]
    path = z[:, None] + 1j * height * share
    g = law._stieltjes(path.ravel()).reshape(path.shape)
    return np.asarray(1j * (g * (1.5 * ((nodes + 1) / 2) ** 2) * weights * height).sum(axis=1))


def _moments(x: Real, masses: Real, k: int) -> list[Fraction]:
    """Moments of order 0..k by quadrature, as rationals."""
    total = math.fsum(masses)
    scale = float(np.abs(x).max(initial=0.0)) or 1.0
    shares = [math.fsum(masses * (x / scale) ** n) / total for n in range(k + 1)]
    return [Fraction(share) * Fraction(scale) ** n for n, share in enumerate(shares)]


def _require_law(name: str, law: object) -> None:
    if not isinstance(law, Law):
        raise TypeError(f"{name} takes a law; got {law!r}")
