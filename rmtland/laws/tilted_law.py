r"""Laws reweighted (tilted by a weight).

For a law :math:`\rho` and a weight :math:`w \ge 0`

.. math:: \rho_w(dt) = \frac{w(t) \rho(dt)}{\int w \, d\rho} .

Also: Esscher transform, exponential tilting, size biasing (w(t) = t), importance weights.

With an interpolating polynomial p of the weight,

.. math::
    \int \frac{p(t) \rho(dt)}{z - t} = p(z) G(z) - \int \frac{p(z) - p(t)}{z - t} \rho(dt),

whose last integrand is a polynomial, on the axis too; the integral is a quadrature over the
density of the law (`rmtland.laws.node_sums`).

References
----------
.. [1] F. Esscher, On the probability function in the collective theory of risk, Skandinavisk
       Aktuarietidskrift 15 (1932) 175-195.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> biased = tilted(MarchenkoPastur(2.0), lambda t: t)
>>> biased.atoms, round(biased.mean(), 10)
((), 3.0)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property

import numpy as np

from rmtland.laws.first_check import certify_once
from rmtland.laws.law import Law
from rmtland.laws.node_sums import (
    CutLaw,
    Nodes,
    cauchy_sums,
    moments_of,
    nodes_on,
    potential_sums,
)
from rmtland.laws.quadrature import density_panels
from rmtland.laws.upper_tail import with_upper_tail
from rmtland.laws.weight_polynomial import WeightPolynomial
from rmtland.typing import Atoms, Complex, Integer, Logical, Real, Support

__all__ = ["Tilted", "tilted"]

_BESIDE = 0.2
"""Distance from an end of a band, in units of the way up, where G changes too fast for one rule."""

_PANELS = 19


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

    See Also
    --------
    rmtland.laws.truncated : a part of a law.
    rmtland.laws.mixture : several laws.
    """
    if not isinstance(law, Law):
        raise TypeError(f"tilted takes a law; got {law!r}")
    return Tilted(law, weight)


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

    See Also
    --------
    rmtland.laws.tilted : makes it.
    """

    law: Law
    weight: Callable[[Real], Real]

    _require_certificate = certify_once

    def __post_init__(self) -> None:
        if not isinstance(self.law, Law):
            raise TypeError(f"Tilted takes a law; got {self.law!r}")
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
    def _cuts(self) -> tuple[float, ...]:
        """Ends of panels inside bands: a grid, and where the density of the law is not smooth."""
        grid = np.linspace(*self.law.hull, 17)[1:-1].tolist()
        return tuple(sorted({*grid, *self._singular_places}))

    @cached_property
    def _cells(self) -> Nodes:
        """Nodes and masses of the density, on panels of at most 1/16 of the hull."""
        whole = CutLaw(self.law, self.law.support)
        return nodes_on(whole, density_panels(whole, tolerance=1e-12, cuts=self._cuts))

    @cached_property
    def _whole(self) -> Nodes:
        """Nodes and masses of the law, atoms included."""
        return self._cells.with_atoms(*np.array(self.law.atoms).reshape(-1, 2).T)

    @cached_property
    def _nodes(self) -> tuple[Real, Real]:
        """Nodes and masses of the law, atoms included."""
        return self._whole.x, self._whole.masses

    @cached_property
    def _total(self) -> float:
        x, masses = self._nodes
        return math.fsum(self._weights(x) * masses)

    @cached_property
    def _weighed(self) -> Nodes:
        """Nodes of the law with the masses of this one."""
        return self._whole.times(self._weights(self._whole.x) / self._total)

    @cached_property
    def _polynomial(self) -> WeightPolynomial:
        """Polynomial that interpolates the weight on the hull."""
        return WeightPolynomial.of(self._weights, *self.law.hull)

    @cached_property
    def support(self) -> Support:
        """The intervals of the law."""
        return self.law.support

    @cached_property
    def _singular_places(self) -> tuple[float, ...]:
        return self.law._singular_places

    @cached_property
    def atoms(self) -> Atoms:
        """The atoms of the law, reweighted; those of weight 0 are gone."""
        weighted = (
            (place, float(self._weights(np.array([place]))[0]) * mass / self._total)
            for place, mass in self.law.atoms
        )
        return tuple((place, mass) for place, mass in weighted if mass > 0)

    @cached_property
    def _gone(self) -> list[float]:
        """Places of atoms of the law that have no weight."""
        kept = {place for place, _ in self.atoms}
        return [place for place, _ in self.law.atoms if place not in kept]

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        x, masses = self._nodes
        p = self._polynomial
        g, slope = np.empty_like(z), np.empty_like(z)
        near = self._near(z)
        gone = np.isin(z, self._gone)
        if gone.any():
            # 0 times infinity at an atom that is gone; the mean of the values beside it
            step = 1e-5 * (self.law.hull[1] - self.law.hull[0])
            left, right = self._jet(z[gone] - step), self._jet(z[gone] + step)
            g[gone], slope[gone] = (left[0] + right[0]) / 2, (left[1] + right[1]) / 2
            if not gone.all():
                g[~gone], slope[~gone] = self._jet(z[~gone])
            return g, slope
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            g[~near], slope[~near] = cauchy_sums(z[~near], x, masses * self._weights(x))
            if near.any():
                at = z[near]
                whole, rise = self.law._jet(at)
                value, change = p(at), p.slope(at)
                quotient, derivative = p.divided(at, x, masses)
                g[near] = value * whole - quotient
                slope[near] = value * rise + change * whole - derivative
            g, slope = g / self._total, slope / self._total
        if near.any() and np.isinf(whole).any():
            # At an end of infinite density, where products of the parts are NaN
            end = np.flatnonzero(np.isinf(whole))
            weighs = self._weights(at.real[end]) > 0
            finite = (-quotient[end].real / self._total).astype(np.complex128)
            g[np.flatnonzero(near)[end]] = np.where(weighs, whole[end], finite)
        for place, _ in self.atoms:
            g[z == place] = complex(np.inf, 0)
        return g, slope

    def _near(self, z: Complex) -> Logical:
        low, high = self.law.hull
        reach = 0.04 * (high - low)
        return np.asarray(
            (np.abs(z.imag) < reach) & (z.real > low - reach) & (z.real < high + reach)
        )

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        near = self._near(z)
        error = np.empty(z.shape)
        error[~near] = self._weighed.cauchy_error(z[~near])
        with np.errstate(all="ignore"):
            if near.any():
                error[near] = self._error_beside(z[near])
            share = float(self._weighed.errors.sum()) + 1e-15
            error = error + share * np.abs(g)
            error[np.isin(z, self._gone) | np.isnan(error)] = np.inf  # not at nodes, but between
            exact = np.isinf(g)
            return np.where(exact, 0.0, error / np.abs(g)), np.where(exact, 0.0, error)

    def _error_beside(self, z: Complex) -> Real:
        """Bound of the error of p G - Q, with the quotients Q of the polynomial p, on the hull."""
        p, nodes = self._polynomial, self._whole
        whole = self.law.solve(z, throw=False)
        stated = np.inf if whole.error is None else whole.error
        error = np.abs(p(z)) * stated + p.rounding(z) * np.abs(whole.value)
        error = error + p.divided_error(z, nodes) + p.missed(z, whole.value, nodes)
        return np.asarray(error / self._total)

    def _log_potential(self, z: Complex) -> Complex:
        # From above, where the nodes are far: L' = G along the vertical; atoms apart, exactly
        count = self._cells.x.size
        x, masses = self._weighed.x[:count], self._weighed.masses[:count]
        low, high = self.law.hull
        top = max(0.25 * (high - low), 1e-300)
        lifted = np.where(z.imag < top, z.real + 1j * top, z)
        value = potential_sums(lifted, x, masses)
        places, weights = np.array(self.atoms, dtype=np.float64).reshape(-1, 2).T
        with np.errstate(invalid="ignore"):  # at an atom itself
            value += potential_sums(z, places, weights)
        below = z.imag < top
        if below.any():
            value[below] -= self._climb(z[below], top)
        real = z.imag == 0
        if real.any():
            value.imag[real] = np.pi * (1 - self._cdf(z.real[real]))
        for place, _ in self.atoms:
            value.real[z == place] = -np.inf
        return value

    def _climb(self, z: Complex, top: float) -> Complex:
        """Integral of G, less its poles at atoms, from z up to the height `top`.

        The variable is dense next to z, and next to an end of a band on panels that shrink to z.
        """
        edges = (end for band in self.law.support for end in band)
        ends = np.array([*edges, *self.law._singular_places, math.inf])
        distance = np.abs(z[:, None] - ends).min(axis=1)
        far = distance > _BESIDE * top
        value = np.empty_like(z)
        for rows, (shares, weights) in ((far, _once()), (~far, _in_panels())):
            height = (top - z.imag[rows])[:, None]
            path = (z[rows, None] + 1j * height * shares).ravel()
            g = self._stieltjes(path)
            for place, mass in self.atoms:
                g -= mass / (path - place)
            parts = g.reshape(-1, shares.size) * weights * height
            value[rows] = 1j * parts.sum(axis=1)
            if rows is not far:
                at_end = distance[rows] == 0
                value[np.flatnonzero(rows)[at_end]] = 1j * _by_power(parts[at_end])
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
        return np.asarray(self._weighed.masses[: self._cells.x.size].reshape(-1, 15).sum(axis=1))

    def _cdf(self, x: Real) -> Real:
        cells, mass = self._cells, self._masses
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

    def _sf(self, x: Real) -> Real:
        return with_upper_tail(self, x, 1 - self._cdf(x))

    def _within(self, panel: Integer, x: Real) -> Real:
        """Mass between the left end of a panel and a point of it, in the variable of the panel."""
        left, right = self._cells.left, self._cells.right
        starts = np.array([low for low, _ in self.support])
        stops = np.array([high for _, high in self.support])
        band = np.searchsorted(starts, right[panel], side="right") - 1
        low, high = starts[band], stops[band]
        # Pieces between cuts, of which the panel is in the lower or the upper half
        for cut in self._cuts:
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
        return moments_of(self._weighed.x, self._weighed.masses, k)


def _by_power(parts: Complex) -> Complex:
    """Integrals from an end, over the lowest panel by the power that the next two follow."""
    sums = parts.reshape(-1, _PANELS, parts.shape[1] // _PANELS).sum(axis=2)
    with np.errstate(all="ignore"):
        ratio = sums[:, -2] / sums[:, -3]
        last = sums[:, -2] * ratio / (1 - ratio)
    sums[:, -1] = np.where(np.abs(ratio) < 0.95, last, sums[:, -1])
    return np.asarray(sums.sum(axis=1))


@cache
def _once() -> tuple[Real, Real]:
    """Shares and weights of a rule on (0, 1) dense next to 0."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    half = (nodes + 1) / 2
    return half**3, 1.5 * half**2 * weights


@cache
def _in_panels() -> tuple[Real, Real]:
    """Shares and weights of a rule on (0, 1) on panels, each an eighth of the next one."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    tops = 8.0 ** -np.arange(_PANELS)
    starts = np.append(tops[1:], 0.0)
    half = (tops - starts)[:, None] / 2
    return (starts[:, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()
