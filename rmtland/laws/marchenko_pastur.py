r"""The Marchenko-Pastur law.

.. math::
    \rho(x) = \frac{\sqrt{(x - a)(b - x)}}{2 \pi s \phi x}
              + \left(1 - \frac{1}{\phi}\right)^+ \delta_0, \qquad
    a, b = s (1 \mp \sqrt\phi)^2, \qquad R(g) = \frac{s}{1 - s \phi g} :

the limit of X X^T with X of shape (n, q), independent entries of variance s/q and phi = n/q.
(Some sources call the ratio 1/phi, or write "entries N(0, s^2/q)" while s is the variance.)

References
----------
.. [1] V. A. Marchenko and L. A. Pastur, Distribution of eigenvalues for some sets of random
       matrices, Mathematics of the USSR-Sbornik 1 (1967) 457-483.

Examples
--------
>>> law = MarchenkoPastur(0.25)
>>> law.support
((0.25, 2.25),)
>>> round(law.pdf(1.0), 10)
0.6164044441
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import positive
from rmtland.deprecation import renamed_argument, renamed_method
from rmtland.laws.inversion import elementwise
from rmtland.laws.law import Complex, Law, Real, Support
from rmtland.laws.law_grid import LawGrid, parameter_grid
from rmtland.laws.levy import LevyLaw, LevyTriplet
from rmtland.laws.marchenko_pastur_angle import band_share
from rmtland.laws.quantiles import angles_of_levels
from rmtland.laws.root_accuracy import accuracy_of_root
from rmtland.typing import Values

__all__ = ["MarchenkoPastur"]


@dataclass(frozen=True)
class MarchenkoPastur(LevyLaw):
    r"""Marchenko-Pastur law (Wishart law, free Poisson law, Laguerre law).

    .. formula:: Marchenko-Pastur law, :math:`R(g) = s/(1 - s \phi g)`

    Parameters
    ----------
    aspect_ratio : float
        Ratio phi = n/q > 0 of rows to columns (parameters to samples).
    scale : float
        Scale s > 0: the mean of the law; entries of X have variance s/q. The variance of the law
        is s^2 phi: ``MarchenkoPastur(0.25, 2.0).var()`` is 1.

    Raises
    ------
    ValueError
        If a parameter is not positive and finite, or the law is beyond double precision.
    TypeError
        If `aspect_ratio` or `scale` is no real number.

    See Also
    --------
    rmtland.free.general_marchenko_pastur : covariances that are not the identity.
    rmtland.laws.Wachter : ratios of two.
    rmtland.ensembles.WishartEnsemble : its random matrices.
    rmtland.comparison.signals : spikes beyond its edge.
    """

    aspect_ratio: float
    scale: float = 1.0
    variance = renamed_method("variance", "scale")

    def __post_init__(self) -> None:
        object.__setattr__(self, "aspect_ratio", positive("aspect_ratio", self.aspect_ratio))
        object.__setattr__(self, "scale", positive("scale", self.scale))
        ((_, high),) = self.support
        if not (self.scale * self.aspect_ratio > 0 and math.isfinite(high + 1 / self.aspect_ratio)):
            raise ValueError(
                f"{self!r} is beyond double precision: scale times aspect_ratio, the upper edge "
                "and 1/aspect_ratio must be positive and finite"
            )

    @classmethod
    def grid(cls, aspect_ratio: ArrayLike, *, scale: ArrayLike = 1.0) -> LawGrid:
        """Return the laws at many parameters, for densities and the rest in one call.

        Parameters
        ----------
        aspect_ratio, scale : array_like of float
            As for the class, in shapes that broadcast.

        Returns
        -------
        LawGrid
            With `pdf`, `cdf` and `index`, in the shape of the grid.

        Raises
        ------
        ValueError
            If shapes do not broadcast, or a value is not positive and finite.
        """
        own = cls is MarchenkoPastur  # a class derived from it may have another density
        parameters = parameter_grid({"aspect_ratio": aspect_ratio, "scale": scale})
        return LawGrid(cls, parameters, batch=_densities if own else None)

    @property
    def levy(self) -> LevyTriplet:
        """Free Levy-Khintchine triplet: one jump s phi of rate 1/phi."""
        jump = self.scale * self.aspect_ratio
        return LevyTriplet(rates=(1 / self.aspect_ratio,), jumps=(jump,))

    @property
    def is_point_mass(self) -> bool:
        """False: the continuous part is never empty."""
        return False

    @property
    def support(self) -> Support:
        """The one interval s (1 -+ sqrt(phi))^2 of the continuous part."""
        root = math.sqrt(self.aspect_ratio)
        low = (1 - self.aspect_ratio) / (1 + root)  # 1 - sqrt(phi), exact also near phi = 1
        return ((self.scale * low**2, self.scale * (1 + root) ** 2),)

    @property
    def atoms(self) -> tuple[tuple[float, float], ...]:
        """The null space of mass 1 - 1/phi at zero when phi > 1."""
        phi = self.aspect_ratio
        return ((0.0, (phi - 1) / phi),) if phi > 1 else ()

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        closed = scale > 0 and shift == 0
        return MarchenkoPastur(self.aspect_ratio, scale * self.scale) if closed else None

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        s, phi = Fraction(self.scale), Fraction(self.aspect_ratio)
        return [s * (s * phi) ** n for n in range(k)]

    def s_transform(self, w: ArrayLike) -> Values:
        """S-transform S(w) = 1 / (s (1 + phi w)), for real or complex `w` of any shape.

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
            If `w` is NaN, infinite or the pole -1/phi.
        """
        s, phi = self.scale, self.aspect_ratio
        return elementwise(lambda w: 1 / (s * (1 + phi * w)), "w", w)

    def _reciprocal(self, z: Complex) -> Complex:
        # h^2 - (z - s (1 - phi)) h + s phi z = 0; the smaller root comes from the product.
        ((low, high),) = self.support
        s, phi = self.scale, self.aspect_ratio
        root = np.sqrt(z - low) * np.sqrt(z - high)
        w = z - s * (1 - phi)
        other = (w - root) / 2
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            quotient = s * phi * (z / other)
        larger = np.abs(w + root) >= np.abs(w - root)
        return np.asarray(np.where(larger, (w + root) / 2, quotient))

    @property
    def _modulus(self) -> tuple[float, float]:
        """The modulus r = min(sqrt(phi), 1/sqrt(phi)) of `band_share`, and 1 - r."""
        phi = self.aspect_ratio
        root = math.sqrt(phi)
        gap = (1 - phi) / (1 + root) if phi <= 1 else (phi - 1) / phi / (1 + 1 / root)
        return (root if phi <= 1 else 1 / root), gap

    def _cdf(self, x: Real) -> Real:
        ((_, high),) = self.support
        atom = sum(mass for _, mass in self.atoms)
        below = np.where(x >= high, 1.0, np.where(x >= 0, atom, 0.0))
        return self._add_share(below, x, upper=False)

    def _sf(self, x: Real) -> Real:
        ((low, _),) = self.support
        rest = 1 / max(1.0, self.aspect_ratio)
        above = np.where(x > low, 0.0, np.where(x >= 0, rest, 1.0))
        return self._add_share(above, x, upper=True)

    def _add_share(self, mass: Real, x: Real, *, upper: bool) -> Real:
        """Add what the band has below points inside it, or above."""
        ((low, high),) = self.support
        inside = (x > low) & (x < high)
        lower, rest = np.sqrt(x[inside] - low), np.sqrt(high - x[inside])
        angle = 2 * (np.arctan2(rest, lower) if upper else np.arctan2(lower, rest))
        r, gap = self._modulus
        share, _ = band_share(angle, -r if upper else r, gap)
        mass[inside] += share / max(1.0, self.aspect_ratio)
        return np.minimum(mass, 1.0)

    def _ppf(self, q: Real) -> Real:
        r, gap = self._modulus
        phi = self.aspect_ratio
        level = q if phi <= 1 else q * phi - (phi - 1)
        return self._at_share(level, r, gap)

    def _isf(self, q: Real) -> Real:
        r, gap = self._modulus
        return self._at_share(q * max(1.0, self.aspect_ratio), -r, gap)

    def _at_share(self, share: Real, r: float, gap: float) -> Real:
        """Return the place in the band with this share of it below (r > 0), or above (r < 0)."""
        ((low, high),) = self.support
        t, _ = angles_of_levels(lambda t: band_share(t, r, gap), share, 1.0, relative=True)
        root = np.sin(t / 2) if r > 0 else np.cos(t / 2)
        x = low + (high - low) * (root * root)
        bottom = 0.0 if self.atoms else low
        x[share <= 0] = bottom if r > 0 else high
        x[share >= 1] = high if r > 0 else bottom
        return np.asarray(x)

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        # h' = (h - s phi) / sqrt((z - a)(z - b)), which keeps its digits next to the edges
        ((low, high),) = self.support
        h = self._reciprocal(z)
        with np.errstate(divide="ignore", invalid="ignore"):
            g = np.where(h == 0, complex(np.inf, 0), 1 / h)
            rise = (h - self.scale * self.aspect_ratio) / h / h
            return g, -rise / (np.sqrt(z - low) * np.sqrt(z - high))

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """From s phi z g^2 - (z - s (1 - phi)) g + 1 = 0."""
        s, phi = self.scale, self.aspect_ratio
        with np.errstate(invalid="ignore", over="ignore"):
            lead, line = s * phi * z, z - s * (1 - phi)
            terms = np.abs(lead) * np.abs(g) ** 2 + (np.abs(z) + s * abs(1 - phi)) * np.abs(g) + 1
            return accuracy_of_root(
                g, (lead * g - line) * g + 1, 2 * lead * g - line, terms, lead=lead
            )

    def _pdf(self, x: Real) -> Real:
        ((low, high),) = self.support
        return band_density(x, low, high, self.scale * self.aspect_ratio)


def _densities(function: int, x: Real, /, *parameters: Real) -> tuple[Real, NDArray[np.bool_]]:
    """Return the densities of many laws; their other functions one by one."""
    phi, s = (each[:, None] for each in parameters)
    if function:
        return np.empty((phi.size, x.size)), np.zeros(phi.size, dtype=bool)
    root = np.sqrt(phi)
    with np.errstate(over="ignore", invalid="ignore"):
        high, jump = s * (1 + root) ** 2, s * phi
        density = band_density(x, s * ((1 - phi) / (1 + root)) ** 2, high, jump)
        good = np.isfinite(high + 1 / phi) & (jump > 0)
    return density, good[:, 0]


def band_density(x: Real, low: float | Real, high: float | Real, jump: float | Real) -> Real:
    """Return sqrt((x - low)(high - x)) / (2 pi jump x) on [low, high], and 0 elsewhere.

    Roots are multiplied, not lengths: their product is beyond double precision at scale 1e+-155.

    Parameters
    ----------
    x : ndarray of float
        Points.
    low, high, jump : float or ndarray of float
        Edges >= 0, and scale times aspect ratio: of one law, or columns for many.

    Returns
    -------
    ndarray of float
        The density; infinite at a hard edge.
    """
    y = np.minimum(np.maximum(x, low), high)  # at the edges, outside, where the density is 0
    density = np.sqrt(y - low)
    if isinstance(low, float) and low > 0:
        density *= np.sqrt(high - y)
        density /= y
        density /= 2 * np.pi * jump
        return np.asarray(density)
    with np.errstate(divide="ignore", invalid="ignore"):
        density *= np.sqrt(high - y)
        density /= y
        density /= 2 * np.pi * jump
    hard = y == 0
    if hard.any():
        density = np.where(hard, np.where(x == y, np.inf, 0.0), density)
    return np.asarray(density)


# The old name of the scale, for one more version
MarchenkoPastur.__init__ = renamed_argument("variance", "scale")(  # type: ignore[method-assign]
    MarchenkoPastur.__init__
)
