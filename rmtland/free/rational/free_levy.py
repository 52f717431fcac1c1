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

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import points
from rmtland.free.rational.arcs import Arcs, BesideDrift
from rmtland.free.units import require_plain, size_of
from rmtland.laws.band_rules import places_between, square_root_rule
from rmtland.laws.consistency import TOLERANCE, transform_failures
from rmtland.laws.first_check import certify_once, passed
from rmtland.laws.law import Complex, Real, Support
from rmtland.laws.levy import LevyLaw, LevyTriplet
from rmtland.laws.pointwise import upper_half_plane
from rmtland.laws.root_accuracy import accuracy_of_root
from rmtland.laws.transform_values import gap_place
from rmtland.solution import ConvergenceError, Solution, Status

__all__ = ["FreeLevy"]

_SOLVED = 300
"""Exponents of two of sizes of which the kernels have cubes."""

_NODES = 24  # per band, of the cheap certificate
_MIDWAY = math.sin(10 * math.pi / (2 * _NODES)) ** 2
"""A place midway between two nodes, as a share of the band."""
_ABOVE = math.sqrt(_MIDWAY * (1 - _MIDWAY)) * math.sinh(10 / (2 * _NODES))
"""How far above it integrals over the band are exact to `rmtland.laws.transform_values.NEAR`."""


@dataclass(frozen=True)
class FreeLevy(LevyLaw):
    """Freely infinitely divisible law with finitely many jumps.

    .. formula:: Free sum with rational R-transform (free Lévy-Khintchine form), :math:`K(g) = R(g)
        + 1/g`

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
    TypeError
        If the triplet is no `LevyTriplet`.
    """

    triplet: LevyTriplet

    def _require_certificate(self) -> None:
        if not passed(self):
            certify_once(self, quick=self._agrees)

    def _agrees(self) -> bool:
        """Whether everything belongs together, by a compiled check of the same kind."""
        if type(self) is not FreeLevy:  # it may have values of its own
            return self._values_agree() and not transform_failures(self)
        from rmtland.free.rational.band_transforms import agrees_throughout

        atoms = self.atoms
        if len(atoms) > 1:
            return False
        place, atom = atoms[0] if atoms else (0.0, 0.0)
        rule = square_root_rule(_NODES)
        drift, variance, rates, jumps = self._parameters
        moments = drift + float(rates @ jumps), variance + float(rates @ (jumps * jumps))
        edges = self._arcs.edges
        with np.errstate(all="ignore"):
            asked = self._asked_transforms()
        return asked is not None and bool(
            agrees_throughout(edges, place, atom, rule, moments, TOLERANCE, asked, *self._constants)
        )

    def _asked_transforms(self) -> tuple[Real, Complex, Complex, Complex] | None:
        """Points of the two heaviest bands, of a gap and above the axis, h and the potential there.

        Points of bands are given apart, too; None where not all are solved.
        """
        edges, masses = self._arcs.edges.tolist(), self._arcs.masses.tolist()
        bands = sorted(
            zip(masses[::2], masses[1::2], edges[::2], edges[1::2], strict=True),
            key=lambda band: band[0] - band[1],
        )[:2]
        inside = [low + _MIDWAY * (high - low) for _, _, low, high in bands]
        height = _ABOVE * (bands[0][3] - bands[0][2])
        (bottom, top), gap = self.hull, gap_place(self)
        width = top - bottom
        off = top + width if gap is None else gap
        above = [inside[0] + 1j * height, bottom + 1j * width, top + 1j * width]
        z = np.array([*inside, off, *above])
        h, steps = self._solve(z)
        return (
            None if steps.min() < 0 else (z.real[: len(inside)].copy(), z, h, self._potential_of(h))
        )

    def _values_agree(self) -> bool:
        """Ask values of `_pdf` and `_cdf` the same: the reference, also for derived classes."""
        from rmtland.free.rational.band_masses import agree

        bands, atoms = self.support, self.atoms
        if len(atoms) > 1:
            return False
        place, atom = atoms[0] if atoms else (0.0, 0.0)
        rule = square_root_rule(_NODES)
        edges = np.array(bands)
        low, high = edges[:, :1], edges[:, 1:]
        x = places_between(low, high, rule.share, rule.rest)
        nodes = x.ravel()
        density = self._pdf(nodes)
        below = self._cdf(np.concatenate([nodes, edges.ravel()]))
        _, variance, rates, jumps = self._parameters
        moments = self.levy.drift + float(rates @ jumps), variance + float(rates @ (jumps * jumps))
        return bool(
            agree(
                edges,
                place,
                atom,
                density.reshape(x.shape),
                below[: nodes.size].reshape(x.shape),
                below[nodes.size :].reshape(edges.shape),
                rule,
                moments,
                TOLERANCE,
            )
        )

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

    @property
    def _singular_places(self) -> tuple[float, ...]:
        """The drift, beside which a density without diffusion may be unbounded."""
        return () if self.levy.variance else (self.levy.drift,)

    @cached_property
    def _parameters(self) -> tuple[float, float, Real, Real]:
        triplet = self.levy
        return triplet.drift, triplet.variance, np.array(triplet.rates), np.array(triplet.jumps)

    @cached_property
    def _drift_form(self) -> BesideDrift:
        return BesideDrift.of(self.levy)

    @cached_property
    def _arcs(self) -> Arcs:
        arcs = Arcs.of(self.levy, None if self.levy.variance else self._drift_form)
        require_plain(type(self).__name__, size_of(self), _SOLVED)
        return arcs

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

        places = np.ascontiguousarray(x)
        if not places.flags.writeable:  # nodes of a Spectrum: another type for the compiler
            places = places.copy()
        return boundary.boundary(  # type: ignore[no-any-return]
            places, mode, *self._constants
        )

    @cached_property
    def _constants(
        self,
    ) -> tuple[tuple[object, ...], tuple[float, float, float], tuple[object, ...]]:
        """The tuples that kernels take of a law: see `rmtland.free.rational.arcs`."""
        return tuple(self._arcs), self._drift_form.constants, self._parameters

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
                x[gap], arcs.criticals, arcs.edges, *self._drift_form.constants, *self._parameters
            )
            h[real] = u + 1j * w
        rest = (z.imag != 0) & near
        c1, c2, reach = self._drift_form.constants
        if reach and (small := rest & (np.abs(z - drift) < reach)).any():
            edges = arcs.edges[arcs.criticals != 0]
            distance = np.abs(z[small, None] - edges).min(axis=1)
            small[small] = distance > 0.1 * np.abs(z[small] - drift)
            beside, spent, found = half_plane.beside_drift(z[small] - drift, c1, c2, rates, jumps)
            small[small] = found
            h[small], steps[small] = beside[found], spent[found]
            rest &= ~small
        if rest.any():
            beside, found = self._arcs.solve_beside(z[rest])
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
        c1, c2, reach = self._drift_form.constants
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
                c1_left, c2_left = self._drift_form.left_out
                terms += 2e15 * size * (abs(c1_left) + size * abs(c2_left))
                off = accuracy_of_root(g[small], value - delta, slope, terms)[1]
                error[small] = off / np.abs(k) / np.abs(k)
            beside = self._arcs.error_beside(z, h, self.levy)
        return residual, np.where(np.isinf(g), 0.0, 2 * np.fmin(error, beside))

    def _reciprocal(self, z: Complex) -> Complex:
        h, steps = self._solve(z)
        _require_convergence(steps, z, self)
        return h

    def _log_potential(self, z: Complex) -> Complex:
        return self._potential_of(self._reciprocal(z))

    def _potential_of(self, h: Complex) -> Complex:
        """Return the potential where 1/G is h."""
        value = self.levy.log_potential(h)
        _, variance, rates, jumps = self._parameters
        if variance or not jumps.size or abs(self._drift_form.c1) > 1e-2:
            return value
        # log h has the coefficient c_1: where that is small, the logarithms of h cancel.
        small = (np.abs(h) < 0.05 * np.abs(jumps).min()) & ((h != 0) | (not self.levy.atom))
        gaps = h[small, None] - jumps
        real = (rates * ((jumps / gaps).real + np.log(np.abs(gaps)))).sum(axis=1)
        if self._drift_form.c1:
            real += self._drift_form.c1 * np.log(np.abs(h[small]))
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
