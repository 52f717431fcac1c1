r"""The free product of a law on the whole line and positive laws: of A^(1/2) B A^(1/2), B signed.

See `rmtland.free.subordination.signed_product_equation` for the equation, and
`rmtland.free.subordination.near_zero` for what happens at zero inside a band.

References
----------
.. [1] O. Arizmendi, T. Hasebe and Y. Kitagawa, Free multiplicative convolution with an arbitrary
       measure on the real line (2024).

Examples
--------
>>> from rmtland import Discrete, MarchenkoPastur, free_product
>>> law = free_product(Discrete((-1.0, 1.0), (0.5, 0.5)), MarchenkoPastur(0.25))
>>> [[round(end, 10) for end in band] for band in law.support]
[[-1.760172593, -0.3690087298], [0.3690087298, 1.760172593]]
>>> law.cdf(0.0), law.moment(4)
(0.5, 1.5)
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.free.subordination.band_points import BandPoints
from rmtland.free.subordination.end_at_zero import with_ends_at_zeros
from rmtland.free.subordination.free_sum_law import FreeSum
from rmtland.free.subordination.gap_search import MAX_COMPONENTS, GapSearch
from rmtland.free.subordination.inner_atom import InnerAtom
from rmtland.free.subordination.levels import Levels
from rmtland.free.subordination.moments import (
    reciprocal_s,
    series_product,
    signed_product_moments,
)
from rmtland.free.subordination.near_zero import (
    BESIDE_ATOM,
    NEAREST,
    BesideZero,
    Sides,
    beside_zero,
    nearest_smooth,
)
from rmtland.free.subordination.operands import require_factors
from rmtland.free.subordination.signed_product_equation import SignedProductEquation
from rmtland.free.subordination.singular_point import SingularPoint
from rmtland.free.subordination.subordinated_law import SubordinatedLaw
from rmtland.free.subordination.sweep import bundle
from rmtland.free.subordination.zero_panels import ZeroPanels
from rmtland.laws.affine_law import affine
from rmtland.laws.gaps import Gap
from rmtland.laws.law import Law
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.laws.pointwise import upper_half_plane
from rmtland.solution import ConvergenceError, Solution
from rmtland.typing import ArrayLike, Atoms, Complex, Integer, Logical, Real

__all__ = ["FreeSignedProduct"]

_NEAR_ZERO = (1e-15, 1e-25, 1e-34)
"""Distances from zero, in units of the law, at which the power of G there is looked for."""


@dataclass(frozen=True)
class FreeSignedProduct(SubordinatedLaw):
    """Law of A^(1/2) B A^(1/2) with B self-adjoint of any sign and A a product of positive factors.

    Made by `free_product`.

    Parameters
    ----------
    operands : tuple of Law
        The signed law, then the positive ones that enter through their Stieltjes transforms.
    wisharts : tuple of MarchenkoPastur
        Marchenko-Pastur operands, which enter through their S-transforms.
    """

    operands: tuple[Law, ...]
    wisharts: tuple[MarchenkoPastur, ...] = ()

    def __post_init__(self) -> None:
        require_factors("FreeSignedProduct", self.operands, self.wisharts)

    @cached_property
    def equation(self) -> SignedProductEquation:
        """The equation of the product."""
        return SignedProductEquation(self.operands, self.wisharts)

    @property
    def factors(self) -> tuple[Law, ...]:
        """All operands, the signed one first."""
        return (*self.operands, *self.wisharts)

    def rescaled(self, scale: float) -> FreeSignedProduct:
        """Return the law of the product times a number of either sign, again a product.

        Parameters
        ----------
        scale : float
            Factor other than 0.

        Returns
        -------
        FreeSignedProduct
            The law of `scale` times the product.
        """
        signed, *others = self.operands
        return FreeSignedProduct((affine(signed, scale=scale), *others), self.wisharts)

    @cached_property
    def _top(self) -> float:
        return math.prod(law.hull[1] for law in self.factors[1:])

    @cached_property
    def _scale(self) -> float:
        return self._top * max(map(abs, self.operands[0].hull))

    @cached_property
    def hull_bound(self) -> tuple[float, float]:
        """Bounds of the support, not necessarily sharp."""
        low, high = self.operands[0].hull
        return low * self._top, high * self._top

    @cached_property
    def atoms(self) -> Atoms:
        """At zero the largest mass of a factor there; elsewhere the products of large atoms."""
        null = max(sum(mass for place, mass in law.atoms if place == 0) for law in self.factors)
        found = [(0.0, null)] if null else []
        lists = [[atom for atom in law.atoms if atom[0] != 0] for law in self.factors]
        for choice in itertools.product(*lists):
            mass = 1 - sum(1 - mass for _, mass in choice)
            if mass > 1e-14:
                found.append((math.prod(place for place, _ in choice), mass))
        return tuple(sorted(found))

    def _exact_moments(self, k: int) -> list[Fraction]:
        product = [Fraction(1)] + [Fraction(0)] * k
        for law in self.operands[1:]:
            product = series_product(product, reciprocal_s(law._exact_moments(k + 1)))
        for wishart in self.wisharts:
            scale, ratio = Fraction(wishart.scale), Fraction(wishart.aspect_ratio)
            line = [scale, scale * ratio, *product[2:]][: k + 1]
            line[2:] = [Fraction(0)] * len(line[2:])
            product = series_product(product, line)
        return signed_product_moments(self.operands[0]._exact_moments(k), product)

    # Gaps ---------------------------------------------------------------------------------------

    def _found_gaps(self, search: GapSearch) -> list[Gap]:
        choices = [self.equation.components(law) for law in self.operands]
        chosen = list(itertools.islice(itertools.product(*choices), MAX_COMPONENTS + 1))
        if len(chosen) > MAX_COMPONENTS:
            chosen = self._promising(choices)
        if len(chosen) > MAX_COMPONENTS:
            return search.by_grid()
        gaps = search.swept(chosen, 0)
        # Where the positive factors come down to zero, edges close to it are edges at it; else only
        # those where the signed one's gap ends at zero, as close as its coordinate comes.
        apart = min(law.hull[0] for law in self.factors[1:]) > 0
        tiny = (1e-100 if apart else 2e-12) * self._scale

        def hard(end: float) -> float:
            return 0.0 if abs(end) < tiny else end

        gaps = [replace(gap, low=hard(gap.low), high=hard(gap.high)) for gap in gaps]
        powers = (1.0,) * len(self.operands)
        return with_ends_at_zeros(gaps, self.operands, powers, self.wisharts)

    def _promising(self, choices: list[list[Gap]]) -> list[tuple[Gap, ...]]:
        """Choices of components that may leave a gap, by a few samples on each of very many."""
        shares = np.sin(np.linspace(0, np.pi / 2, 14)[1:-1]) ** 2
        inner = [gap for gap in choices[0] if not gap.through_infinity]
        chosen = []
        for others in itertools.product(*choices[1:]):
            chosen += [(gap, *others) for gap in choices[0] if gap.through_infinity]
            if not inner:
                continue
            many = bundle(self.operands[0], inner)
            s = (np.arange(len(inner))[:, None] + shares).ravel()
            sign = self.equation.critical_curve((many, *others), 0, s).sign.reshape(len(inner), -1)
            # The condition is 1 less a multiple of -w M', which has its least value in the middle.
            close = np.any(sign > -1, axis=1).tolist()
            chosen += [(gap, *others) for gap, near in zip(inner, close, strict=True) if near]
            if len(chosen) > MAX_COMPONENTS:
                break
        return chosen

    # Next to zero inside a band -----------------------------------------------------------------

    @cached_property
    def _bands(self) -> ZeroPanels:
        panels: list[tuple[float, float]] = []
        for low, high in self.support:
            cuts = [low, 0.0, high] if low < 0 < high else [low, high]
            panels += list(itertools.pairwise(cuts))
        return ZeroPanels(self.solver, tuple(panels), 0.1 * NEAREST[0] * self._local)

    @cached_property
    def _in_bands(self) -> BandPoints:
        # Beside zero the law is known by inertia.
        return replace(super()._in_bands, hard=(0.0,))

    @cached_property
    def _levels(self) -> Levels:
        # Close to zero, where extrapolation takes over, the tables are rounded.
        hidden = self._local * (BESIDE_ATOM[0] if self._null[0] >= self._null[1] else 1e-3)
        return replace(super()._levels, hidden=hidden)

    @cached_property
    def _null(self) -> tuple[float, float]:
        """Largest masses at zero of the signed operand and of the others."""
        masses = [sum(mass for place, mass in law.atoms if place == 0) for law in self.factors]
        return masses[0], max(masses[1:])

    @cached_property
    def _sides(self) -> Sides:
        """Whether there is a band just below zero, and just above it."""
        return self._sides_of(0.0)

    @cached_property
    def _local(self) -> float:
        """Distance from zero to the nearest other end of a band or atom."""
        ends = [end for band in self.support for end in band if end]
        ends += [place for place, _ in self.atoms if place]
        return min(map(abs, ends), default=self._scale)

    @cached_property
    def _beside_zero(self) -> BesideZero | None:
        """What the law does next to zero, where that is in a band or at its end."""
        if not any(self._sides):
            return None
        own, others = self._null
        known, unit, mass = self._limits_at_zero, self._local, max(self._null)
        if others > own:
            zero = nearest_smooth(self._in_bands.solved, unit, self._sides, mass, known)
            if zero is not None:
                return zero
            raise ConvergenceError(f"{self} did not converge next to its atom at zero")
        limits = known()
        for share in NEAREST:
            zero = beside_zero(self._in_bands.solved, share * unit, self._sides, mass, limits)
            if zero is not None and zero.agrees(limits, unbounded=share == NEAREST[0]):
                return zero
        raise ConvergenceError(f"{self} did not converge next to zero")

    def _limits_at_zero(self) -> tuple[float, float]:
        """Distribution function left and right of zero, by inertia."""
        own, mass = self._null
        if own >= mass:
            # With A invertible, A^(1/2) B A^(1/2) has the inertia of B (Sylvester).
            at = np.zeros(1)
            signed = self.operands[0]
            return float(signed._mass_below(at)[0]), float(signed._cdf(at)[0])
        # Else that of the compression of B to the range of A.
        corner = FreeSum(self.operands[:1], (1 / (1 - mass),))
        left = (1 - mass) * float(corner._mass_below(np.zeros(1))[0])
        return left, left + mass

    def _close(self, z: Complex) -> Logical:
        """Whether points are real, in a band and too close to zero for the solver."""
        real = z.imag == 0
        if (
            not (real & (np.abs(z.real) < max(BESIDE_ATOM) * self._scale)).any()
            or self._beside_zero is None
        ):
            return np.zeros(z.shape, dtype=bool)
        below, above = self._sides
        sides = below & (z.real < 0) | above & (z.real > 0) | below & above & (z.real == 0)
        return np.asarray(real & sides & (np.abs(z.real) < self._beside_zero.distance))

    _known_places = (0.0,)

    @cached_property
    def _singular_points(self) -> tuple[SingularPoint | InnerAtom, ...]:
        if max(self._null) or not any(self._sides):
            return self._inner_atoms
        return (self._power_at_zero, *self._inner_atoms)

    @cached_property
    def _power_at_zero(self) -> SingularPoint:
        """What is known of G beside zero off the axis: as a power, from as close as it takes.

        States are logarithms there, and what a power leaves out may fall as slowly as z^(1/3).
        """
        best = SingularPoint.of(self.solver, 0.0, _NEAR_ZERO[0] * self._scale, self._sides)
        for share in _NEAR_ZERO[1:]:
            if best.spread < 1e-6:
                break
            closer = SingularPoint.of(self.solver, 0.0, share * self._scale, self._sides)
            best = min(best, closer, key=lambda point: point.spread)
        return best

    def _by_power(self, z: Complex, point: SingularPoint | InnerAtom) -> Logical:
        # The axis has its own extrapolation beside zero.
        return point.holds(z) & ((z.imag > 0) | (point.place != 0))

    def _moved(self, z: Complex, close: Logical) -> Complex:
        if self._beside_zero is None or not close.any():
            return z
        d = self._beside_zero.distance
        return np.where(close, np.where(z.real < 0, -d, d), z)

    def _jet_with_steps(self, z: Complex, *, slopes: bool) -> tuple[Complex, Complex, Integer]:
        close = self._close(z)
        value, slope, steps = super()._jet_with_steps(self._moved(z, close), slopes=slopes)
        if close.any() and self._beside_zero is not None:
            value[close] = self._beside_zero.value(z.real[close])
        return value, slope, steps

    def _solution(self, z: ArrayLike) -> Solution:
        """Solve for G(z) and report how far the solution may be trusted; see `SubordinatedLaw`.

        The error is also infinite next to zero inside a band, where values are extrapolated.
        """
        flat, shape = upper_half_plane(z)
        close = self._close(flat)
        found = super()._solution(self._moved(flat, close))
        value, residual, error = found.value.copy(), found.residual.copy(), found.error
        assert error is not None
        error = error.copy()
        if close.any():
            value[close] = self._stieltjes(flat[close])
            residual[close] = error[close] = np.inf
        return Solution(
            value.reshape(shape),
            found.status,
            residual.reshape(shape),
            found.steps.reshape(shape),
            error.reshape(shape),
        )

    def _log_potential(self, z: Complex) -> Complex:
        close = self._close(z)
        value = super()._log_potential(self._moved(z, close))
        if close.any() and self._beside_zero is not None:
            x = z.real[close]
            with np.errstate(divide="ignore", invalid="ignore"):
                atom = np.log(np.abs(x) / self._beside_zero.distance) * self._beside_zero.mass
            atom = atom if self._beside_zero.mass else np.zeros(x.shape)
            value[close] = value[close].real + atom + 1j * np.pi * (1 - self._beside_zero.below(x))
        return value

    def _pdf(self, x: Real) -> Real:
        density = super()._pdf(x)
        if (x == 0).any() and self._close(np.zeros(1, dtype=np.complex128)).any():
            assert self._beside_zero is not None
            density[x == 0] = self._beside_zero.density
        return density

    def _cdf(self, x: Real) -> Real:
        z = np.where(np.isfinite(x), x, 0.0).astype(np.complex128)
        close = self._close(z) & np.isfinite(x)
        # Beside zero the extrapolation is asked, elsewhere the solver.
        below = super()._cdf(np.where(close, self._moved(z, close).real, x))
        if close.any() and self._beside_zero is not None:
            below[close] = self._beside_zero.below(x[close])
        return below
