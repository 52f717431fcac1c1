r"""Free sums by the rational route: exact at the real axis, no imaginary offset.

`FreeLevy` is the law of a free Levy-Khintchine triplet with finitely many jumps (see
`rmtland.laws.levy`), so the free sum of any number of semicircles, Marchenko-Pastur laws and free
Poisson laws with jumps of either sign. With h = 1/G its equation is

.. math::
    H(h) = h + \text{const} + \sum_k \frac{s_k}{h - t_k} = x, \qquad s_k > 0 .

* Between neighbouring poles :math:`H' = 1 - f`, :math:`f(h) = \sum_k s_k / (h - t_k)^2` convex:
  f = 1 has no, one double or two roots there, and one root on either side of all poles. These are
  the critical points; H of them are the edges. Where f < 1, h is real and x is outside the support.
* Inside the support h runs over the arc :math:`\sum_k s_k / |h - t_k|^2 = 1` in the upper
  half-plane, with Re h and x increasing together. Of the roots of the polynomial at real x all but
  one pair are real, so a root off the real axis is the physical one: Newton's method
  cannot settle on a wrong branch, and bisection along the arc is there when it does not converge.
* Near an edge :math:`e = H(h_*)`, with U = h - h_*, the equation is used in the exact form

  .. math:: U H'(h_*) + U^2 \sum_k \frac{s_k}{(h_* - t_k)^2 (h_* + U - t_k)} = x - e,

  with e and the rounding H'(h_*) of the critical point in double-double precision: relative
  accuracy of the density up to the edge.
* Without variance h = 0 belongs to the drift c, and close to it the equation is

  .. math:: c_1 h + c_2 h^2 + h^3 \sum_k \frac{r_k}{j_k (h - j_k)} = x - c, \qquad
            c_1 = 1 - \sum_k r_k, \quad c_2 = -\sum_k \frac{r_k}{j_k},

  with rates r and jumps j. If the rates sum to 1, c_1 = 0 and the density is unbounded at the
  drift: like :math:`|x - c|^{-1/2}` at an edge, and like :math:`|x - c|^{-1/3}` inside a band if
  c_2 = 0 too. This form keeps h, and so the law, relatively accurate at any distance from it.
* The distribution function is the closed form of the logarithmic potential.

References
----------
.. [1] P. Biane, On the free convolution with a semi-circular distribution, Indiana Univ. Math. J.
       46 (1997) 705-718.
.. [2] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017: the two cases that this route was built for.

Examples
--------
>>> from rmtland import MarchenkoPastur, Semicircle, free_sum
>>> law = free_sum(MarchenkoPastur(0.5), Semicircle(0.6))
>>> [round(edge, 12) for edge in law.support[0]]
[-0.923805235016, 3.382571773125]
>>> round(law.cdf(0.0), 12)
0.205280313062
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import points
from rmtland.laws.law import Complex, Real, Support, accuracy_of_root, upper_half_plane
from rmtland.laws.levy import LevyLaw, LevyTriplet
from rmtland.solution import ConvergenceError, Solution, Status

__all__ = ["FreeLevy"]

_BEYOND = "the edges of {} are beyond double precision; bring the rates and jumps closer together"


@dataclass(frozen=True)
class _Arcs:
    """Edges, critical points and the constants of the edge form, two entries an interval."""

    edges: Real
    edges_low: Real
    criticals: Real
    slopes: Real
    offsets: Real
    kappas: Real
    masses: Real
    poles: Real
    weights: Real


@dataclass(frozen=True)
class FreeLevy(LevyLaw):
    """Freely infinitely divisible law with finitely many jumps.

    Also: free compound Poisson law with a semicircular part; free sum of Marchenko-Pastur (free
    Poisson) laws and semicircles.

    Parameters
    ----------
    triplet : LevyTriplet
        Drift, variance, rates and jumps.

    Raises
    ------
    ValueError
        If the triplet is a point mass (no variance and no jump).
    """

    triplet: LevyTriplet

    def __post_init__(self) -> None:
        if not isinstance(self.triplet, LevyTriplet):
            raise TypeError(f"triplet must be a LevyTriplet; got {self.triplet!r}")
        if self.levy.variance == 0 and not self.levy.jumps:
            raise ValueError(
                "a triplet with no variance and no jumps is a point mass, not a law "
                "with a density; give it a variance or a jump"
            )

    @property
    def levy(self) -> LevyTriplet:
        """Free Levy-Khintchine triplet: drift, variance, rates and jumps."""
        return self.triplet

    @cached_property
    def _parameters(self) -> tuple[float, float, Real, Real]:
        triplet = self.levy
        return triplet.drift, triplet.variance, np.array(triplet.rates), np.array(triplet.jumps)

    @cached_property
    def _beside_drift(self) -> tuple[float, float, float]:
        """Constants c_1 and c_2 of the form beside the drift, and the largest |x - c| for it."""
        _, variance, rates, jumps = self._parameters
        if not jumps.size:
            return 1.0, 0.0, 0.0
        exact = self._exact_beside_drift
        c1, c2 = (value - left for value, left in zip(exact, self._left_out, strict=True))
        h = 0.2 * np.abs(jumps).min()
        reach = h * abs(c1) + h * (h * abs(c2)) + h * (rates * (h / jumps) ** 2).sum()
        return c1, c2, 0.0 if variance else float(reach)

    @cached_property
    def _exact_beside_drift(self) -> tuple[float, float]:
        """1 - sum of rates and -sum of rate/jump, without the cancellation."""
        rates, jumps = map(Fraction, self.levy.rates), map(Fraction, self.levy.jumps)
        parts = [(rate, rate / jump) for rate, jump in zip(rates, jumps, strict=True)]
        try:
            return float(1 - sum(rate for rate, _ in parts)), float(-sum(part for _, part in parts))
        except OverflowError:
            raise ValueError(_BEYOND.format(self)) from None

    @cached_property
    def _left_out(self) -> tuple[float, float]:
        """What of c_1 and c_2 is rounding, of rates meant to sum to 1 and jumps to balance."""
        _, variance, rates, jumps = self._parameters
        if variance or abs(1 - rates.sum()) > 4e-16 * (1 + rates.size):
            return 0.0, 0.0
        c1, c2 = self._exact_beside_drift
        return c1, c2 if abs(c2) <= 4e-16 * np.abs(rates / jumps).sum() else 0.0

    def _critical_points(self, poles: Real, weights: Real) -> Real:
        """Zeros of H' that bound the arcs; those close to 0 from the form beside the drift."""
        from rmtland.free.rational import edges

        found = edges.critical_points(poles, weights)
        _, variance, rates, jumps = self._parameters
        if variance:
            return np.asarray(found)
        c1, c2, _ = self._beside_drift
        unit = np.abs(jumps).min()
        if c1 == 0:
            low = max(jumps[jumps < 0], default=-np.inf)
            high = min(jumps[jumps > 0], default=np.inf)
            beside = found[(found > low) & (found < high)]
            found = found[(found <= low) | (found >= high)]
            other = beside[np.argmax(np.abs(beside))] if beside.size else 0.0
            if jumps[0] * jumps[-1] > 0:
                found = np.append(found, 0.0)
            elif c2:
                start = 2 / 3 * (c2 * unit) * unit / (rates * (unit / jumps) ** 2).sum()
                if beside.size < 2 or abs(start) < 1e-2 * unit:
                    other = start
                found = np.append(found, [0.0, other])
        for i in np.flatnonzero((np.abs(found) < 0.05 * unit) & (found != 0)):
            h = found[i]
            for _ in range(8):
                ratio, weight = h / (h - jumps), rates / jumps
                slope = c1 + h * (2 * c2 + (weight * ratio * (3 - ratio)).sum())
                bend = 2 * c2 + (weight * ratio * (6 - 6 * ratio + 2 * ratio**2)).sum()
                h -= slope / bend
            found[i] = h
        return np.sort(found)

    @cached_property
    def _arcs(self) -> _Arcs:
        from rmtland.free.rational import edges

        _, variance, rates, jumps = self._parameters
        poles, weights = jumps, rates * jumps**2
        if variance:
            poles, weights = np.append(poles, 0.0), np.append(weights, variance)
        if weights.min() < 1e-120 * weights.max():
            raise ValueError(
                f"the parts of {self} differ by more than 120 orders of magnitude in variance; "
                "leave the smallest out"
            )
        order = np.argsort(poles)
        poles, weights = poles[order], weights[order]
        criticals = self._critical_points(poles, weights)
        places = np.array([self._edge_place(h) for h in criticals])
        # A gap below rounding, between an unbounded density and the next edge, is left out.
        twins = np.flatnonzero(
            (criticals[1:-2:2] * criticals[2:-1:2] == 0) & (places[1:-2:2, 0] == places[2:-1:2, 0])
        )
        twins = np.concatenate([2 * twins + 1, 2 * twins + 2])
        criticals, places = np.delete(criticals, twins), np.delete(places, twins, axis=0)
        if not np.isfinite(places).all():
            raise ValueError(_BEYOND.format(self))
        offsets = criticals[:, None] - poles
        # Mass to the left of a gap: one jump of 1/pi Im L for every pole between 0 and h.
        below = np.where(criticals < 0, 1.0, 0.0)
        sides = (criticals[:, None] < jumps).astype(float) - below[:, None]
        masses = 1 - below - (sides * rates).sum(axis=1)
        masses[criticals == 0] = rates[jumps < 0].sum()
        slopes = [edges.edge_slope(h, *self._parameters[1:]) if h else 0.0 for h in criticals]
        return _Arcs(
            edges=places[:, 0].copy(),
            edges_low=places[:, 1].copy(),
            criticals=criticals,
            slopes=np.array(slopes),
            offsets=offsets,
            kappas=weights / offsets**2,
            masses=masses,
            poles=poles,
            weights=weights,
        )

    def _edge_place(self, h: float) -> tuple[float, float]:
        """H(h) at a critical point, as an unevaluated sum of two doubles."""
        from rmtland.free.rational import edges, half_plane

        drift, variance, rates, jumps = self._parameters
        if not variance and abs(h) < 0.05 * np.abs(jumps).min():
            c1, c2, _ = self._beside_drift
            value, _ = half_plane.local_form(h, c1, c2, rates, jumps)
            if abs(value) < 1e-14 * abs(h):
                high = drift + value
                return high, (drift - high) + value
        high, low = edges.edge_place(h, drift, variance, rates, jumps)
        return high, low

    @property
    def support(self) -> Support:
        """Intervals of the continuous part, from the real critical values of H."""
        edges = self._arcs.edges.tolist()
        return tuple(zip(edges[::2], edges[1::2], strict=True))

    def _solution(self, z: ArrayLike) -> Solution:
        """Solve for G(z) and report how far the solution may be trusted.

        Parameters
        ----------
        z : array_like of complex
            Points of the closed upper half-plane; real points mean x + i0.

        Returns
        -------
        Solution
            `value` is G(z), `residual` the defect abs(R(G) + 1/G - z), `steps` the Newton
            steps (bisections included). Never raises for lack of convergence; `status` says.
        """
        flat, shape = upper_half_plane(z)
        h, steps = self._solve(flat)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value = np.where(h == 0, complex(np.inf, 0), 1 / h)
            residual = np.abs(self.levy.inverse(h) - flat)
        residual = np.where(h == 0, 0.0, residual)
        _, error = self._accuracy(flat, value)
        error = np.where(steps >= 0, error, np.inf)
        status = Status.CONVERGED if (steps >= 0).all() else Status.NOT_CONVERGED
        return Solution(
            value.reshape(shape),
            status,
            residual.reshape(shape),
            np.abs(steps).reshape(shape),
            error.reshape(shape),
        )

    def _boundary(self, x: Real, mode: int) -> tuple[Real, NDArray[np.int64]]:
        from rmtland.free.rational import boundary

        arcs = self._arcs
        return boundary.boundary(  # type: ignore[no-any-return]
            np.ascontiguousarray(x), mode, arcs.edges, arcs.edges_low, arcs.criticals,
            arcs.slopes, arcs.offsets, arcs.kappas, arcs.masses, arcs.poles, arcs.weights,
            *self._beside_drift, *self._parameters,
        )  # fmt: skip

    def _solve(self, z: Complex) -> tuple[Complex, NDArray[np.int64]]:
        """Return h = 1/G and the steps spent, negative where the solver did not converge."""
        from rmtland.free.rational import half_plane

        arcs = self._arcs
        steps = np.zeros(z.shape, dtype=np.int64)
        # Far away H(h) = h + mean + O(1/h), exact to rounding; it has no pole that could overflow.
        drift, _, rates, jumps = self._parameters
        h = z - (drift + rates @ jumps)
        near = np.abs(z) < 1e20 * np.abs(arcs.edges).max()
        real = (z.imag == 0) & near
        if real.any():
            x = z.real[real]
            (u, w), steps[real] = self._boundary(x, 2)
            gap = np.isnan(u)
            u[gap] = half_plane.outside(
                x[gap], arcs.criticals, arcs.edges, *self._beside_drift, *self._parameters
            )
            h[real] = u + 1j * w
        rest = (z.imag != 0) & near
        c1, c2, reach = self._beside_drift
        small = rest & (np.abs(z - drift) < reach)
        if small.any():
            edges = arcs.edges[arcs.criticals != 0]
            distance = np.abs(z[small, None] - edges).min(axis=1)
            small[small] = distance > 0.1 * np.abs(z[small] - drift)
            beside, spent, found = half_plane.beside_drift(z[small] - drift, c1, c2, rates, jumps)
            small[small] = found
            h[small], steps[small] = beside[found], spent[found]
            rest &= ~small
        if rest.any():
            beside, found = self._beside_edges(z[rest])
            h[rest], steps[rest] = beside, 8
            rest[rest] = ~found
        if rest.any():
            (u, w), steps[rest] = half_plane.upper(z.real[rest], z.imag[rest], *self._parameters)
            h[rest] = u + 1j * w
        return h, steps

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """From H(h) = z, or from its forms beside the drift and beside an edge."""
        from rmtland.free.rational import half_plane

        residual, error = super()._accuracy(z, g)
        drift, _, rates, jumps = self._parameters
        c1, c2, reach = self._beside_drift
        with np.errstate(all="ignore"):
            h = 1 / g
            if reach:
                small = (np.abs(h) < 0.2 * np.abs(jumps).min()) & (h != 0)
                k, delta = h[small], z[small] - drift
                value, slope = half_plane.local_form(k, c1, c2, rates, jumps)
                size = np.abs(k)
                terms = (rates / np.abs(jumps) / np.abs(k[:, None] - jumps)).sum(axis=1)
                terms = size * (abs(c1) + size * (2 * abs(c2) + size * 3 * terms)) + np.abs(delta)
                # What was taken for 0 in c_1 and c_2 counts as an error.
                c1_left, c2_left = self._left_out
                terms += 2e15 * size * (abs(c1_left) + size * abs(c2_left))
                off = accuracy_of_root(g[small], value - delta, slope, terms)[1]
                error[small] = off / np.abs(k) / np.abs(k)
            beside = self._error_beside_edges(z, h)
        return residual, np.where(np.isinf(g), 0.0, 2 * np.fmin(error, beside))

    def _error_beside_edges(self, z: Complex, h: Complex) -> Real:
        """Bound of the error of 1/h from the edge form at the nearest edge; infinite elsewhere."""
        arcs = self._arcs
        place = np.argmin(np.abs(z[:, None] - arcs.edges), axis=1)
        d = (z - arcs.edges[place]) - arcs.edges_low[place]
        slope, b, kappa = arcs.slopes[place], arcs.offsets[place].T, arcs.kappas[place].T
        u = h - arcs.criticals[place]
        q, bend = (kappa / (b + u)).sum(axis=0), (kappa / (b + u) ** 2).sum(axis=0)
        steep = np.abs(slope + u * (2 * q - u * bend))
        terms = 3 * np.abs(u) ** 2 * (kappa / np.abs(b + u)).sum(axis=0) + np.abs(d)
        # The place of the edge and the slope are known to 1e-29.
        rough = np.abs(b).max(axis=0) + np.abs(arcs.edges[place]) + np.abs(arcs.poles).max()
        # The parameters themselves were rounded: a ratio phi to the rate 1/phi, say.
        drift, variance, rates, jumps = self._parameters
        rounded = abs(drift) + variance / np.abs(h)
        share = np.abs(jumps / (h[:, None] - jumps))
        rounded = rounded + np.abs(h) * (rates * share * (2 + share)).sum(axis=1)
        size = np.abs(u * slope + u * u * q - d) + 1e-15 * terms + 1e-28 * (rough + np.abs(u))
        size = size + 1.2e-16 * rounded
        rounding = 4e-16 * np.abs(h)
        size = size + rounding * steep
        error = np.fmin(2 * size / steep, 2 * np.sqrt(size / np.abs(q))) + rounding
        close = (np.abs(u) < 0.05 * np.abs(b).min(axis=0)) & (arcs.criticals[place] != 0)
        close &= error < 0.5 * np.abs(h)
        return np.where(close, 2 * error / np.abs(h) / np.abs(h), np.inf)

    def _beside_edges(self, z: Complex) -> tuple[Complex, NDArray[np.bool_]]:
        """Return h for Im z > 0 from the edge form at the nearest edge, and where that converged.

        Of the two roots close to a critical point one is in the upper half-plane; a root there is
        the physical one.
        """
        arcs = self._arcs
        place = np.argmin(np.abs(z[:, None] - arcs.edges), axis=1)
        d = (z - arcs.edges[place]) - arcs.edges_low[place]
        slope, b, kappa = arcs.slopes[place], arcs.offsets[place].T, arcs.kappas[place].T
        with np.errstate(all="ignore"):
            u = np.sqrt(d / (kappa / b).sum(axis=0))
            u = np.where(u.imag < 0, -u, u)
            close = np.abs(u) < 1e-2 * np.abs(b).min(axis=0)
            for _ in range(8):
                q = (kappa / (b + u)).sum(axis=0)
                bend = (kappa / (b + u) ** 2).sum(axis=0)
                move = (u * slope + u * u * q - d) / (slope + u * (2 * q - u * bend))
                u = u - move
            # Im d = Im u times this, without cancellation where u is almost real.
            parts = np.array([slope, 2 * u.real * (kappa / (b + u)).sum(axis=0).real])
            size = (kappa / np.abs(b + u) ** 2).sum(axis=0)
            rest = parts.sum(axis=0) + (u.imag**2 - u.real**2) * size
            steep = rest > 0.1 * (np.abs(parts).sum(axis=0) + np.abs(u) ** 2 * size)
            u.imag = np.where(steep, d.imag / rest, u.imag)
            found = close & (u.imag > 0) & (np.abs(move) <= 1e-14 * np.abs(u))
        return arcs.criticals[place] + u, found

    def _reciprocal(self, z: Complex) -> Complex:
        h, steps = self._solve(z)
        _require_convergence(steps, z, self)
        return h

    def _log_potential(self, z: Complex) -> Complex:
        h = self._reciprocal(z)
        value = self.levy.log_potential(h)
        _, variance, rates, jumps = self._parameters
        if variance or not jumps.size or abs(self._beside_drift[0]) > 1e-2:
            return value
        # log h has the coefficient c_1: where that is small, the logarithms of h cancel.
        small = (np.abs(h) < 0.05 * np.abs(jumps).min()) & ((h != 0) | (not self.levy.atom))
        gaps = h[small, None] - jumps
        real = (rates * ((jumps / gaps).real + np.log(np.abs(gaps)))).sum(axis=1)
        if self._beside_drift[0]:
            real += self._beside_drift[0] * np.log(np.abs(h[small]))
        value.real[small] = real
        return value

    def _pdf(self, x: Real) -> Real:
        (value,), steps = self._boundary(x, 0)
        _require_convergence(steps, x, self)
        return np.asarray(value)

    def _cdf(self, x: Real) -> Real:
        (value,), steps = self._boundary(x, 1)
        _require_convergence(steps, x, self)
        return np.asarray(value)


def reciprocal_by_roots(law: FreeLevy, x: ArrayLike) -> Complex:
    """Plain reference for h at real points: all roots of the polynomial, and the one with Im > 0.

    The polynomial is (H(h) - x) times the product of all h - t_k. Outside the support, where all
    roots are real, the result is NaN.
    """
    triplet = law.levy
    poles = list(triplet.jumps) + ([0.0] if triplet.variance else [])
    weights = [r * j * j for r, j in zip(triplet.rates, triplet.jumps, strict=True)]
    weights += [triplet.variance] if triplet.variance else []
    shift = triplet.drift + sum(r * j for r, j in zip(triplet.rates, triplet.jumps, strict=True))
    found = []
    for point in points("x", x).ravel():
        polynomial = np.polymul([1.0, shift - point], np.poly(poles))
        for i, weight in enumerate(weights):
            others = np.poly(poles[:i] + poles[i + 1 :])
            polynomial = np.polyadd(polynomial, weight * others)
        roots = np.roots(polynomial)
        root = roots[np.argmax(roots.imag)]
        found.append(root if root.imag > 0 else complex(np.nan))
    return np.array(found, dtype=np.complex128)


def _require_convergence(steps: NDArray[np.int64], at: NDArray[np.generic], law: FreeLevy) -> None:
    if steps.size and steps.min() < 0:
        bad = at[steps < 0]
        raise ConvergenceError(
            f"{law} did not converge at {bad.size} of {at.size} points, the first at {bad[0]}; "
            "please report the law and the point"
        )
