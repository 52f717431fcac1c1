r"""Affine images of laws: scaled, mirrored and shifted.

For X of law :math:`\rho`, the law of aX + b has

.. math::
    G(z) = \frac1a G_X\!\left(\frac{z - b}{a}\right), \qquad
    R(g) = b + a R_X(a g), \qquad
    L(z) = \log a + L_X\!\left(\frac{z - b}{a}\right) \quad (a > 0) ;

a negative scale exchanges the half-planes, where :math:`G_X(\bar z) = \overline{G_X(z)}`. Without
a shift S(w) = S_X(w)/a.

Locations of edges and atoms are rounded once, and points are pulled back so that they stay on the
same side of them.

References
----------
.. [1] J. A. Mingo and R. Speicher, Free Probability and Random Matrices, Springer 2017,
       section 3.1.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur, Semicircle
>>> affine(Semicircle(0.25), scale=2.0, shift=3.0)
Semicircle(variance=1.0, center=3.0)
>>> law = affine(MarchenkoPastur(2.0), scale=-1.0, shift=1.0)
>>> law.atoms, law.mean(), law.cdf(0.999)
(((1.0, 0.5),), 0.0, 0.5)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import finite
from rmtland.laws.inversion import s_transform_of
from rmtland.laws.law import Atoms, Complex, Law, Real, Support
from rmtland.laws.levy import LevyLaw, LevyTriplet
from rmtland.laws.pointwise import upper_half_plane
from rmtland.laws.quantiles import LOW_LEVEL
from rmtland.laws.upper_tail import SMALL_MASS, with_upper_tail
from rmtland.solution import Solution
from rmtland.typing import Values

__all__ = ["Affine", "AffineLevy", "affine"]


def affine(law: Law, *, scale: float = 1.0, shift: float = 0.0) -> Law:
    """Return the law of scale * X + shift for X of the given law.

    Parameters
    ----------
    law : Law
        The law of X.
    scale : float
        Factor, of either sign, not 0.
    shift : float
        What is added.

    Returns
    -------
    Law
        Of the same family where that is closed under the map (semicircles, arcsine, uniform and
        discrete laws, mixtures; free Poisson laws without a shift); otherwise an `AffineLevy` for
        a law with a rational R-transform, else an `Affine`. Affine laws of affine laws are one.

    Raises
    ------
    ValueError
        If the scale is 0, or a number is not finite.
    TypeError
        If `law` is not a law.

    See Also
    --------
    rmtland.laws.pushforward : other functions of a matrix.
    """
    scale, shift = _checked(law, scale, shift)
    if (scale, shift) == (1.0, 0.0):
        return law
    own = law._affine_image(scale, shift)
    if own is not None:
        return own
    if isinstance(law, LevyLaw):
        return AffineLevy(law, scale, shift)
    return Affine(law, scale, shift)


class _AffineImage(Law):
    """What affine images of all laws share."""

    law: Law
    scale: float
    shift: float

    def _require_certificate(self) -> None:
        self.law._require_certificate()

    @property
    def support(self) -> Support:
        """The intervals of the law, mapped."""
        pieces = [(self._push(low), self._push(high)) for low, high in self.law.support]
        return tuple(sorted((min(piece), max(piece)) for piece in pieces))

    @property
    def _singular_places(self) -> tuple[float, ...]:
        return tuple(self._push(place) for place in self.law._singular_places)

    @property
    def atoms(self) -> Atoms:
        """The atoms of the law, mapped."""
        return tuple(sorted((self._push(place), mass) for place, mass in self.law.atoms))

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        return affine(self.law, scale=scale * self.scale, shift=scale * self.shift + shift)

    def _push(self, x: float) -> float:
        return self.scale * x + self.shift + 0.0

    def _pull(self, x: Real) -> Real:
        """Return (x - shift) / scale, kept on the same side of edges and atoms as x."""
        with np.errstate(over="ignore"):
            pulled = (x - self.shift) / self.scale
        inner = [place for place, _ in self.law.atoms]
        inner += [edge for piece in self.law.support for edge in piece]
        for place in inner:
            image = self._push(place)
            above, below = (x >= image, x <= image) if self.scale > 0 else (x <= image, x >= image)
            pulled = np.where(above, np.maximum(pulled, place), pulled)
            pulled = np.where(below, np.minimum(pulled, place), pulled)
        return np.asarray(pulled)

    def _upper(self, z: Complex) -> Complex:
        """Pull points back, mirrored into the closed upper half-plane for a negative scale."""
        pulled = np.empty(z.shape, dtype=np.complex128)
        pulled.real, pulled.imag = self._pull(z.real), np.abs(z.imag / self.scale)
        return pulled

    def _back(self, value: Complex, factor: float) -> Complex:
        """Divide a transform by a real factor, mirrored for a negative scale."""
        value = np.array(value)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            value.real /= factor
            value.imag /= factor if self.scale > 0 else -factor
        return value

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g, slope = self.law._jet(self._upper(z))
        return self._marked(z, self._back(g, self.scale)), self._back(
            slope, self.scale * self.scale
        )

    def _stieltjes(self, z: Complex) -> Complex:
        return self._marked(z, self._back(self.law._stieltjes(self._upper(z)), self.scale))

    def _solution(self, z: ArrayLike) -> Solution:
        """Solve the law of X at the points pulled back; divide its value and error by the scale.

        Parameters and result are those of `Law.solve`; the residual is that of the law of X.
        """
        flat, shape = upper_half_plane(z)
        pulled = self._upper(flat)
        inner = self.law.solve(pulled, throw=False)
        value = self._marked(flat, self._back(inner.value, self.scale))
        # What the rounding of a point moves the value by
        moved = np.abs(self.scale * pulled.real + self.shift - flat.real)
        moved += 4.5e-16 * (np.abs(flat) + abs(self.shift))
        own = np.full(flat.shape, np.inf)
        with np.errstate(all="ignore"):
            if inner.error is not None:
                slope = np.abs(self.law._jet(pulled)[1]) / (self.scale * self.scale)
                own = inner.error / abs(self.scale) + 2 * moved * slope
            error = own + 1e-15 * np.abs(value)
        error = np.where(np.isinf(value), 0.0, np.where(np.isnan(error), np.inf, error))
        return Solution(
            value.reshape(shape),
            inner.status,
            inner.residual.reshape(shape),
            inner.steps.reshape(shape),
            error.reshape(shape),
        )

    def _marked(self, z: Complex, g: Complex) -> Complex:
        for place, _ in self.atoms:
            g[z == place] = complex(np.inf, 0)
        return g

    def _log_potential(self, z: Complex) -> Complex:
        value = np.array(self.law._log_potential(self._upper(z)))
        value.real += np.log(abs(self.scale))
        if self.scale < 0:
            value.imag = np.pi - value.imag
        real = z.imag == 0
        value.imag[real] = np.pi * self._sf(z.real[real])
        return value

    def _pdf(self, x: Real) -> Real:
        with np.errstate(invalid="ignore"):
            return np.asarray(self.law._pdf(self._pull(x)) / abs(self.scale))

    def _sided(self, x: Real, of: Callable[[Real], Real], instead: Callable[[Real], Real]) -> Real:
        """Values at the pulled points; instead of them where a point left of an atom fell on it."""
        pulled = self._pull(x)
        value = of(pulled)
        for place, _ in self.law.atoms:
            left = (pulled == place) & (x < self._push(place))
            if left.any():
                value[left] = instead(pulled[left])
        return value

    def _cdf(self, x: Real) -> Real:
        if self.scale > 0:
            return self._sided(x, self.law._cdf, self.law._mass_below)
        return self._sided(x, self._mass_from, self._mass_above)

    def _sf(self, x: Real) -> Real:
        if self.scale > 0:
            return self._sided(x, self.law._sf, self._mass_from)
        return with_upper_tail(self, x, self._sided(x, self.law._mass_below, self.law._cdf))

    def _mass_above(self, y: Real) -> Real:
        """Mass of the law of X in (y, infinity): its upper tail is relatively accurate."""
        mass = np.asarray(1 - self.law._cdf(y))
        small = np.flatnonzero(mass < SMALL_MASS)
        if small.size:
            tail = self.law._sf(y[small])
            # They agree to rounding; else masses of this law are known by its cdf only.
            good = np.abs(tail - mass[small]) <= 1e-14 + 1e-6 * tail
            mass[small] = np.where(good, tail, mass[small])
        return mass

    def _mass_from(self, y: Real) -> Real:
        """Mass of the law of X in [y, infinity)."""
        mass = self._mass_above(y)
        for place, weight in self.law.atoms:
            mass[y == place] += weight
        return np.minimum(mass, 1.0)

    def _ppf(self, q: Real) -> Real:
        if self.scale > 0:
            return self._placed(self.law._ppf(q))
        return self._mirrored(q, self.law._isf, super()._ppf)

    def _isf(self, q: Real) -> Real:
        if self.scale > 0:
            return self._placed(self.law._isf(q))
        return self._mirrored(q, self.law._ppf, super()._isf)

    def _mirrored(self, q: Real, of: Callable[[Real], Real], other: Callable[[Real], Real]) -> Real:
        """Quantiles from the other side; where a gap has the level, these are its other end."""
        own = q < LOW_LEVEL if self.law.gaps else np.ones(q.shape, dtype=bool)
        x = np.empty(q.shape)
        if own.any():
            x[own] = self._placed(of(q[own]))
        if not own.all():
            x[~own] = other(q[~own])
        return x

    def _placed(self, y: Real) -> Real:
        return np.asarray(self.scale * y + self.shift + 0.0)


@dataclass(frozen=True)
class Affine(_AffineImage):
    """Affine image of a law (location-scale family, dilation and translation); made by `affine`.

    Parameters
    ----------
    law : Law
        The law of X.
    scale, shift : float
        This is the law of scale * X + shift; the scale is not 0.

    Raises
    ------
    ValueError
        If the scale is 0, or a number is not finite.
    TypeError
        If `law` is not a law.

    See Also
    --------
    rmtland.laws.affine : makes it.
    """

    law: Law
    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        scale, shift = _checked(self.law, self.scale, self.shift)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "shift", shift)

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        return _moved_cumulants(self.law._exact_cumulants(k), self.scale, self.shift)

    def r_transform(self, g: ArrayLike) -> Values:
        """R-transform shift + scale * R(scale * g) of real or complex `g`, where R is defined.

        Parameters
        ----------
        g : array_like of float or complex
            Points, any shape.

        Returns
        -------
        float, complex or ndarray
            R(g), in the shape of `g`; real values give real results.

        Raises
        ------
        ValueError
            As the R-transform of the law of X.
        """
        return self.shift + self.scale * self.law.r_transform(self.scale * _numbers("g", g))

    def s_transform(self, w: ArrayLike) -> Values:
        """S-transform of real or complex `w`: that of X over the scale, by inversion with a shift.

        Parameters
        ----------
        w : array_like of float or complex
            Points, any shape.

        Returns
        -------
        float, complex or ndarray
            S(w), in the shape of `w`; real values give real results.

        Raises
        ------
        ValueError
            If the mean is zero, or `w` is NaN or a pole.
        """
        if self.shift == 0 and hasattr(self.law, "s_transform"):
            return self.law.s_transform(w) / self.scale
        return s_transform_of(self, w)


@dataclass(frozen=True)
class AffineLevy(_AffineImage, LevyLaw):
    """Affine image of a law with a rational R-transform, which it keeps; made by `affine`.

    Parameters
    ----------
    law : LevyLaw
        The law of X.
    scale, shift : float
        This is the law of scale * X + shift; the scale is not 0.

    Raises
    ------
    ValueError
        If the scale is 0, or a number is not finite.
    TypeError
        If `law` has no rational R-transform.
    """

    law: LevyLaw
    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        scale, shift = _checked(self.law, self.scale, self.shift)
        if not isinstance(self.law, LevyLaw):
            raise TypeError(f"AffineLevy takes a law with a rational R-transform; got {self.law!r}")
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "shift", shift)

    @property
    def is_point_mass(self) -> bool:
        """Whether the law of X is one."""
        return self.law.is_point_mass

    @property
    def levy(self) -> LevyTriplet:
        """Free Levy-Khintchine triplet: jumps and drift scaled, the drift shifted."""
        inner, a = self.law.levy, self.scale
        return LevyTriplet(
            a * inner.drift + self.shift,
            a * (a * inner.variance),
            inner.rates,
            tuple(a * jump for jump in inner.jumps),
        )

    def _reciprocal(self, z: Complex) -> Complex:
        return self._back(self.law._reciprocal(self._upper(z)), 1 / self.scale)

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        return _moved_cumulants(self.law._exact_cumulants(k), self.scale, self.shift)

    def s_transform(self, w: ArrayLike) -> Values:
        """S-transform by inversion, for w = z G(z) - 1 with z off the convex hull of the law.

        Parameters
        ----------
        w : array_like of float or complex
            Points, any shape.

        Returns
        -------
        float, complex or ndarray
            S(w), in the shape of `w`; real values give real results.

        Raises
        ------
        ValueError
            If the mean is zero or `w` is NaN.
        ConvergenceError
            If `w` is not such a value.
        """
        return s_transform_of(self, w)


def _moved_cumulants(cumulants: list[Fraction], scale: float, shift: float) -> list[Fraction]:
    moved = [Fraction(scale) ** n * kappa for n, kappa in enumerate(cumulants, 1)]
    return [moved[0] + Fraction(shift), *moved[1:]] if moved else []


def _checked(law: Law, scale: float, shift: float) -> tuple[float, float]:
    if not isinstance(law, Law):
        raise TypeError(f"affine takes a law; got {law!r}")
    scale, shift = finite("scale", scale), finite("shift", shift)
    if scale == 0:
        raise ValueError("scale must not be 0: that would be a point mass, Discrete")
    return scale, shift


def _numbers(name: str, value: ArrayLike) -> Values:
    array = np.asarray(value)
    if array.dtype.kind not in "iufcb" and array.size:
        raise TypeError(f"{name} must be real or complex numbers; got dtype {array.dtype}")
    array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    return array if array.ndim else array.item()
