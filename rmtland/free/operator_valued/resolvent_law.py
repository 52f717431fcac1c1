r"""Laws given by a matrix-valued equation: what they share.

The Stieltjes transform is a corner or a trace of a matrix M(z) that solves an equation
(`rmtland.free.operator_valued.matrix_dyson`, `rmtland.free.operator_valued.free_pencil`). Density
and distribution function are boundary values at the real axis, the latter from the logarithmic
potential, without quadrature. Bands and atoms are found by
`rmtland.free.operator_valued.resolvent_support`.

Examples
--------
>>> from rmtland.free.operator_valued.matrix_dyson_law import block_gaussian
>>> law = block_gaussian([1.0, 1.0], [[1.0, 0.0], [0.0, 0.0]], mean=[0.0, 2.5])
>>> isinstance(law, ResolventLaw), law.atoms
(True, ((2.5, 0.5),))
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.free.operator_valued.atom_poles import AtomPoles
from rmtland.free.operator_valued.gap_masses import Structure, mass_up_to
from rmtland.free.operator_valued.hard_edges import HardEdges
from rmtland.free.operator_valued.inner_singularities import InnerSingularities
from rmtland.free.operator_valued.resolvent_equation import ResolventEquation, Solved
from rmtland.free.operator_valued.resolvent_support import SupportSearch
from rmtland.free.operator_valued.seen_points import LEVEL_ERROR, within_band
from rmtland.laws.first_check import certify_once
from rmtland.laws.law import Law
from rmtland.laws.pointwise import upper_half_plane
from rmtland.laws.quadrature import DensityError
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.typing import ArrayLike, Atoms, Complex, Logical, Real, Support

__all__ = ["ResolventLaw"]

_CHANGE = 1e-6
_HIGH = 1e3  # |G| times the radius of the law, from which a point may be beside an atom
_BLUR = 3e-7  # beside an atom, where the continuous part of G is lost in rounding


class ResolventLaw(Law):
    """A law whose Stieltjes transform comes from a matrix-valued equation."""

    equation: ResolventEquation

    @abc.abstractmethod
    def _atom_places(self) -> list[float]:
        """Where an atom may lie inside a band or at its end."""

    def _ranks(self) -> Sequence[float]:
        """Numbers of which masses in gaps are integer combinations, beside 1."""
        return ()

    def _certain_atoms(self) -> Sequence[tuple[float, float]]:
        """Atoms that the law has for certain: places, and parts of the masses there that add up."""
        return ()

    def _moments_on_circle(self, k: int) -> list[Fraction]:
        """Moments of order 0..k in double precision from G on a circle around the support."""
        radius = 1.2 * self._search.points.radius
        angles = np.pi * (np.arange(512) + 0.5) / 512
        z = radius * np.exp(1j * angles)
        g = self._stieltjes(z)
        powers = [float(np.mean((z ** (j + 1) * g).real)) for j in range(k + 1)]
        return [Fraction(1), *(Fraction(p) for p in powers[1:])]

    _density_noise = 1e-13

    _require_certificate = certify_once

    # Support ---------------------------------------------------------------------------------

    @cached_property
    def _search(self) -> SupportSearch:
        return SupportSearch(self.equation, self._atom_places(), self._ranks())

    @cached_property
    def _structure(self) -> Structure:
        """Bands and atoms, of a law that has passed its certificate."""
        found = self._search.structure
        found.require_atoms(self._certain_atoms(), self._search.points.radius, str(self))
        self.__dict__["_structure"] = found  # the certificate asks for it
        try:
            self._require_certificate()
        except ConvergenceError:
            del self.__dict__["_structure"]
            raise
        return found

    def prepare(self, progress: Callable[[str, float, float], None] | None = None) -> None:
        """Search bands and atoms now.

        Parameters
        ----------
        progress : callable, optional
            Called as progress(stage, share, seconds): the stage of the search, the share of the
            work that is done, and an estimate of the seconds that are left.

        Raises
        ------
        ConvergenceError
            If what is found is not a law.
        """
        self._search.progress = progress
        try:
            self._structure  # noqa: B018
        finally:
            self._search.progress = None
        if progress is not None:
            progress("done", 1.0, 0.0)

    @property
    def support(self) -> Support:
        """Intervals of the continuous part; edges are solved for, see the module."""
        return self._structure.bands

    @property
    def atoms(self) -> Atoms:
        """Point masses: in the gaps, and at eigenvalues of the mean inside the support."""
        return self._structure.atoms

    def _solved(self, z: Complex) -> Solved:
        return self.equation.solutions(z)

    def _cdf(self, x: Real) -> Real:
        structure = self._structure
        bands, levels, between = structure.bands, structure.gap_levels, structure.between()
        value = np.zeros(x.shape)
        lows, highs = np.array(bands).reshape(-1, 2).T
        place = np.searchsorted(lows, x, side="left")  # bands that begin below x
        inside = (place > 0) & (x < np.append(highs, 0.0)[place - 1])
        outer = ~inside
        value[outer] = levels[place[outer]] + mass_up_to(x[outer], between)
        if inside.any():
            t, rest = self._off_atoms(x[inside])
            away = ~(self._hard.covers(x[inside]) | self._inner.covers(x[inside]))
            potential = self._log_potential(t[away].astype(np.complex128))
            # No point of a band is below its left or above its right gap.
            band = place[inside] - 1
            base = mass_up_to(lows[band], between)
            least, most = levels[band] + base, levels[band + 1] + base
            share = (t - lows[band]) / (highs[band] - lows[band])
            level = np.zeros(t.shape)
            level[away] = rest[away] + within_band(
                1 - potential.imag / np.pi, least[away], most[away], share[away]
            )
            level = self._inner.distribution(x[inside], level)
            level = self._beside_ends(t, level, (lows[band], least), (highs[band], most))
            self._require_levels(x[inside][away], level[away], least[away], most[away])
            level = np.clip(level, least, most)
            value[inside] = self._hard.distribution(x[inside], level, least, most)
        return np.clip(value, 0.0, 1.0)

    def _beside_ends(
        self, x: Real, level: Real, low: tuple[Real, Real], high: tuple[Real, Real]
    ) -> Real:
        """Levels with those of the band's end put in where rounding hides which side x is on.

        A few spacings from an end, where the logarithms of the potential may be off by half turns,
        there is less mass than `LEVEL_ERROR`, even where the density is unbounded.
        """
        near = 8 * float(np.spacing(self._search.points.radius))
        off = ~((level >= low[1] - LEVEL_ERROR) & (level <= high[1] + LEVEL_ERROR))
        level = np.where(off & (x - low[0] <= near), low[1], level)
        return np.where(off & (high[0] - x <= near), high[1], level)

    @cached_property
    def _ladder(self) -> tuple[Real, Real]:
        return self._search.points.ladder()

    def _require_levels(self, x: Real, level: Real, least: Real, most: Real) -> None:
        """Raise where the potential gives a level that other points of the law contradict.

        The error of M, as `solve` states it, is a bound for the worst case, and infinite beside
        points where M is unbounded. The distribution function is far better known there, and what
        its error may be is seen from points that the search for bands has looked at.
        """
        known, levels = self._ladder
        place = np.searchsorted(known, x)
        least = np.maximum(least, np.concatenate([[0.0], levels])[place])
        most = np.minimum(most, np.concatenate([levels, [1.0]])[place])
        off = np.maximum(least - level, level - most)
        worst = int(np.argmax(np.where(np.isnan(off), np.inf, off))) if off.size else 0
        if off.size and not off[worst] <= LEVEL_ERROR:
            stated = float(np.max(np.asarray(self.solve(x[worst], throw=False).error)))
            raise ConvergenceError(
                f"the distribution function of {self} at {float(x[worst])!r} comes out as "
                f"{level[worst]:.9g}, but lies between {least[worst]:.9g} and {most[worst]:.9g}; "
                f"the error of G there is up to {stated:.2g}"
            )

    # Transforms ------------------------------------------------------------------------------

    def _stieltjes(self, z: Complex) -> Complex:
        return self._values(z, lambda w, u, m: self.equation.trace(m), np.complex128(np.inf))

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g, infinite = self._stieltjes(z), np.complex128(np.inf)
        return g, self._values(
            z, lambda w, u, m: self.equation.derivative(w, u)[1], infinite, slope=True
        )

    def _log_potential(self, z: Complex) -> Complex:
        return (
            self._values(z, lambda w, u, m: self.equation.log_potential(w, u), None)
            - self._search.points.constant
        )

    def _values(
        self,
        z: Complex,
        function: Callable[[Complex, Complex, Complex], Complex],
        singular: np.complex128 | None,
        *,
        slope: bool = False,
    ) -> Complex:
        """Evaluate a function of the solution; `singular` is its value where G is unbounded."""
        u, m, fine, _, _ = self._solved(z)
        value = np.empty(z.shape, dtype=np.complex128)
        rest = np.ones(z.shape, dtype=np.bool_)
        if singular is not None:
            rest = ~self._beside_poles(z, m, fine)
            value[~rest] = self._poles.transform(z[~rest], slope=slope) if not rest.all() else 0
        fine, lost = fine & rest, ~fine & rest
        if fine.any():
            value[fine] = function(z[fine], u[fine], m[fine])
        if lost.any():
            value[lost] = _of_neighbours(
                self.equation, self._search.points.radius, z[lost], function, singular
            )
        return value

    def _beside_poles(self, z: Complex, m: Complex, fine: Logical) -> Logical:
        """Whether points are beside an atom, where the equation has lost digits of G."""
        high = ~fine
        high[fine] = np.abs(self.equation.trace(m[fine])) * self._search.points.radius > _HIGH
        if high.any():
            high[high] = self._poles.covers(z[high])
        return high

    @cached_property
    def _poles(self) -> AtomPoles:
        try:
            bands, atoms, _ = self._structure
        except ConvergenceError:
            return AtomPoles(())
        return AtomPoles.of(self.equation, bands, atoms, self._search.points.radius)

    @cached_property
    def _hard(self) -> HardEdges:
        search = self._search
        return HardEdges(self.equation, search.hard_edges, self.support, search.points.radius)

    @cached_property
    def _inner(self) -> InnerSingularities:
        search = self._search
        apart = [*(end for band in self.support for end in band), *(a for a, _ in self.atoms)]
        points = [
            point
            for point in search.inner_singularities
            if any(low < point.place < high for low, high in self.support)
            and min(abs(point.place - other) for other in apart) > 1e-5 * search.points.radius
        ]
        return InnerSingularities(points, self._cdf)

    @property
    def _singular_places(self) -> tuple[float, ...]:
        return self._inner.places

    def _pdf(self, x: Real) -> Real:
        density = np.zeros(x.shape)
        allowed = np.abs(x) <= 1e-13 * self._search.points.radius  # where it may be unbounded
        away = ~(self._hard.covers(x) | self._inner.covers(x))
        for low, high in self.support:
            inside = (x >= low) & (x <= high) & away
            g = self._stieltjes(x[inside].astype(np.complex128))
            height = np.maximum(-g.imag, 0.0) / np.pi
            density[inside] = np.where(np.isfinite(g), height, np.inf)
            allowed |= (x == low) | (x == high)
        density = self._inner.density(x, self._hard.density(x, density))
        allowed |= np.isin(x, self._inner.places)
        for place, _ in self.atoms:
            near = np.abs(x - place) < _BLUR * self._search.points.radius
            density[near & np.isinf(density)] = 0.0
        for place, level in self._beside_atoms:
            density[np.abs(x - place) < _BLUR * self._search.points.radius] = level
        lost = np.isinf(density) & ~allowed
        if lost.any():
            raise DensityError(
                f"the density at {x[lost][0]} is beside a point where it is unbounded, and the "
                "equation has no solution to working precision there; go further away, or add an "
                "imaginary part (`stieltjes`)",
                lost,
            )
        return density

    @cached_property
    def _beside_atoms(self) -> list[tuple[float, float]]:
        """Atoms inside bands, and the density beside each, where rounding does not reach."""
        offset = 3 * _BLUR * self._search.points.radius * np.array([-1.0, 1.0])
        return [
            (place, float(np.mean(super(ResolventLaw, self)._pdf(place + offset))))
            for place, _ in self.atoms
            if any(low < place < high for low, high in self.support)
        ]

    def _off_atoms(self, x: Real) -> tuple[Real, Real]:
        """Points moved away from atoms inside bands, and the mass from there back to them."""
        moved, mass = x.copy(), np.zeros(x.shape)
        for place, level in self._beside_atoms:
            near = np.abs(x - place) < _BLUR * self._search.points.radius
            side = np.where(x[near] >= place, 3.0, -3.0)
            moved[near] = place + side * _BLUR * self._search.points.radius
            mass[near] = level * (x[near] - moved[near])
        return moved, mass

    def _solution(self, z: ArrayLike) -> Solution:
        """Evaluate G(z); `error` bounds its error (see `MatrixDyson.solve`).

        Parameters
        ----------
        z : array_like of complex
            Points of the closed upper half-plane, any shape; real points mean x + i0.

        Returns
        -------
        Solution
            Of G, with a bound of its error; the relative defect and Newton steps of M. Never
            raises for lack of convergence: `status` says.
        """
        flat, shape = upper_half_plane(z)
        u, m, accepted, steps, defect = self.equation.solutions(flat)
        error = np.full(flat.shape, np.inf)
        if accepted.any():
            error[accepted] = self.equation.error_of_value(flat[accepted], u[accepted])
        value = np.where(accepted, self.equation.trace(m), np.nan)
        near = self._beside_poles(flat, m, accepted)
        if near.any():
            value[near], error[near] = (
                self._poles.transform(flat[near]),
                self._poles.error(flat[near]),
            )
            accepted, defect = accepted | near, np.where(near & ~accepted, 0.0, defect)
        return Solution(
            value.reshape(shape),
            Status.CONVERGED if accepted.all() else Status.NOT_CONVERGED,
            np.where(accepted, defect, np.inf).reshape(shape),
            steps.reshape(shape),
            error.reshape(shape),
        )


def _of_neighbours(
    equation: ResolventEquation,
    radius: float,
    z: Complex,
    function: Callable[[Complex, Complex, Complex], Complex],
    singular: np.complex128 | None,
) -> Complex:
    """Values at atoms or beside edges, where Newton's method has no footing.

    They are those of neighbours, as close as the equation has solutions. What changes between
    two neighbours, where G is not unbounded, by more than 1e-6 is no value: an error is raised.
    """
    value = np.empty(z.shape, dtype=np.complex128)
    change = np.full(z.shape, np.inf)
    # To the right, where the distribution function has its value, or upwards.
    direction = 1.0 if singular is None else 1j
    left = np.arange(z.size)
    for exponent in range(-5, -14, -1):
        offset = direction * 10.0**exponent * radius
        near = z[left, None] + np.array([1.0, 10.0]) * offset
        u, m, fine, _, _ = equation.solutions(near.ravel())
        both = fine.reshape(near.shape).all(axis=1)
        if not both.any():
            break
        left, chosen = left[both], np.repeat(both, 2)
        u, m, near = u[chosen], m[chosen], near.ravel()[chosen]
        found = function(near, u, m).reshape(-1, 2)
        value[left] = found[:, 0]
        change[left] = np.abs(found[:, 1] - found[:, 0]) / np.maximum(np.abs(found[:, 0]), 1)
        if singular is not None:
            g = np.abs(equation.trace(m)).reshape(-1, 2)
            unbounded = left[g[:, 0] > 1.7 * g[:, 1]]
            value[unbounded], change[unbounded] = singular, 0.0
    lost = ~(change <= _CHANGE)
    if lost.any():
        raise ConvergenceError(
            f"no solution of the matrix Dyson equation with Im M <= 0 at {z[lost][0]} or "
            f"right beside it: neighbours differ by {change[lost][0]:.2g}"
        )
    return value
