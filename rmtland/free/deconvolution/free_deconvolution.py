r"""Free deconvolution: the law of a signal from that of the signal plus, or times, free noise.

.. math:: X + N = T: \quad R_X = R_T - R_N, \qquad\qquad X N = T: \quad S_X = S_T / S_N .

Where the operands show it, the answer is exact: rational R-transforms are subtracted jump by jump,
and a free sum or product that contains the noise gives the rest of it. Laws that are known exactly
otherwise are deconvolved through their moments (`rmtland.free.deconvolution.exact`), which also
decides whether the answer exists. A measured spectrum goes through its Stieltjes transform off the
axis (`rmtland.free.deconvolution.measured`): with the subordination function

.. math::
    \omega(z) = z - R_N(G_T(z)), \quad G_X(\omega) = G_T(z), \qquad\qquad
    \omega(z) = z\, S_N(m), \quad m = z G_T(z) - 1 = \omega G_X(\omega) - 1

G_X is known on a curve above the axis [1]_, [2]_, and a law is fitted to it.

References
----------
.. [1] O. Arizmendi, P. Tarrago and C. Vargas, Subordination methods for free deconvolution, Ann.
       Inst. H. Poincare Probab. Statist. 56 (2020) 2565-2594.
.. [2] P. Tarrago, Spectral deconvolution of unitarily invariant matrix models, arXiv:2006.09356.

Examples
--------
>>> from rmtland import Arcsine, MarchenkoPastur, Semicircle, Uniform, free_product, free_sum
>>> free_deconvolution(free_sum(Uniform(0.0, 1.0), Semicircle(0.5)), Semicircle(0.5)).law
Uniform(low=0.0, high=1.0)
>>> law = free_product(Uniform(1.0, 2.0), MarchenkoPastur(0.5))
>>> free_deconvolution(law, MarchenkoPastur(0.5), kind="multiplicative").law
Uniform(low=1.0, high=2.0)
>>> free_deconvolution(Arcsine(-2.0, 2.0), Semicircle(2.5))  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
ValueError: the deconvolution does not exist: ... the total is below that of the noise
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from rmtland.arguments import choice, count
from rmtland.deprecation import renamed_argument
from rmtland.free.deconvolution.exact import Recovered, law_of_recurrence
from rmtland.free.deconvolution.measured import law_of_measurement, subordinated
from rmtland.free.deconvolution.recurrence import additive_recurrence, multiplicative_recurrence
from rmtland.free.powers import free_power
from rmtland.free.products import free_product
from rmtland.free.rational.free_levy import FreeLevy
from rmtland.free.recovered import Deconvolution
from rmtland.free.subordination.free_product_law import FreeProduct
from rmtland.free.subordination.free_sum_law import FreeSum
from rmtland.free.subordination.subordinated_law import SubordinatedLaw
from rmtland.free.sums import Operand, as_law, free_sum
from rmtland.free.units import power_of_two, size_of, unit_of_size
from rmtland.laws.affine_law import Affine, affine
from rmtland.laws.discrete import Discrete, EmpiricalLaw, without_rounding
from rmtland.laws.fuss_catalan import FussCatalan
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyLaw, LevyTriplet
from rmtland.laws.light_tails import cut_tails
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.laws.semicircle import Semicircle
from rmtland.solution import ConvergenceError

__all__ = ["free_deconvolution"]

KINDS = ("additive", "multiplicative")
METHODS = ("automatic", "exact", "moments", "measured")


@renamed_argument("route", "method")
def free_deconvolution(
    total: Operand,
    noise: Operand,
    *,
    kind: str = "additive",
    method: str = "automatic",
    order: int = 32,
    samples: int | None = None,
) -> Deconvolution:
    """Return the law X whose free sum (or product) with the noise is the total.

    .. formula:: Free deconvolution, :math:`R_X = R_T - R_N` of sums, :math:`S_X = S_T/S_N` of
        products

    Also: free subtraction, free division, spectral denoising; with Marchenko-Pastur noise of ratio
    n/q the population eigenvalues behind those of a sample covariance matrix.

    Parameters
    ----------
    total : Law, Spectrum, SpectralModel or array_like of float
        Law of the sum or product; a measured spectrum (or eigenvalues in an array) stands for its
        `EmpiricalLaw`, a model for the limiting law that it has. A law without ends whose tails are
        light is cut where 1e-17 of its mass is left on either side, except in "measured".
    noise : Law, Spectrum, SpectralModel or array_like of float
        Law of the other operand.
    kind : str
        "additive" for X + noise, "multiplicative" for X^(1/2) noise X^(1/2) with positive laws.
    method : str
        "exact" for what the operands show themselves; "moments" for exact moments; "measured" for
        a fit to the Stieltjes transform; "automatic" takes the first that applies, and "measured"
        if one law is an `EmpiricalLaw`.
    order : int
        Number of atoms or recurrence coefficients that the moments are used for, at least 2.
    samples : int, optional
        Number of eigenvalues that a measured law stands for; their number if not given.

    Returns
    -------
    Deconvolution
        Its `law` is X, a point mass if total and noise are equal; beside it stand the error, the
        regularisation and the route that was taken.

    Raises
    ------
    ValueError
        If there is no such law; the message names the condition that fails. An argument out of
        range, or a law with mass on the negative axis in a product.
    TypeError
        If an operand is not a law, and has none.

    See Also
    --------
    rmtland.free.free_sum, rmtland.free.free_product : what it takes back.
    rmtland.comparison.nonlinear_shrinkage : of sample covariances.

    Notes
    -----
    The error of the route by moments bounds the Kolmogorov distance (the Wasserstein distance where
    the result has atoms) as far as the continuation of the coefficients continues as it did over
    the last quarter of them; `bracket` bounds it whatever they do. The error of the measured route
    bounds the Wasserstein distance to every law that fits the measurement within its noise.

    A measured spectrum is refused only if no law fits it within several times the noise of
    `samples` eigenvalues.
    """
    choice("kind", kind, KINDS)
    choice("method", method, METHODS)
    size = count("order", order, min_value=2)
    if size > 64:
        raise ValueError(f"order must be at most 64, which 1024 bits are enough for; got {size}")
    total = as_law("the total of free_deconvolution", total)
    noise = as_law("the noise of free_deconvolution", noise)
    if samples is not None:
        samples = count("samples", samples, min_value=2)
    product = kind == "multiplicative"
    measured = method == "measured" or (
        method == "automatic" and any(isinstance(law, EmpiricalLaw) for law in (total, noise))
    )
    if not measured:
        total, noise = cut_tails(total), cut_tails(noise)
    if product:
        total, noise = without_rounding(total), without_rounding(noise)
        for name, law in (("total", total), ("noise", noise)):
            _require_positive(name, law)
    units = _units(total, noise, product)
    if units != (1.0, 1.0):
        plain = free_deconvolution(
            affine(total, scale=1 / units[0]),
            affine(noise, scale=1 / units[1]),
            kind=kind,
            method="measured" if measured else method,
            order=size,
            samples=samples,
        )
        return _rescaled(plain, units[0] / units[1] if product else units[0])
    if method in ("automatic", "exact"):
        known = _known_product(total, noise) if product else _known_sum(total, noise)
        if known is not None:
            return Deconvolution(known)
        if method == "exact":
            raise ValueError(
                f"{total!r} does not show the operand that {noise!r} leaves; choose the method "
                '"moments" or "measured"'
            )
    low, high = _hull(total)
    mean = noise.mean()
    # The conditional expectation of the total, given X, is X plus or times the mean of the noise.
    hull = (low / mean, high / mean) if product else (low - mean, high - mean)
    if measured:
        found = law_of_measurement(
            total, noise, hull, product=product, samples=_samples(total, noise, samples)
        )
    else:
        _require_spread(total, noise)
        recurrence = multiplicative_recurrence if product else additive_recurrence
        found = law_of_recurrence(recurrence(total, noise, size), hull, positive=product)
        return _stated(found, total, noise, product, "moments")
    return _stated(found, total, noise, product, "measured")


# What the operands show -------------------------------------------------------------------------


def _known_sum(total: Law, noise: Law) -> Law | None:
    """X from the parts of the operands, or None."""
    if total == noise:
        return Discrete((0.0,), (1.0,))
    if noise.is_point_mass:
        return affine(total, shift=-noise.atoms[0][0])
    if total.is_point_mass:
        raise ValueError(
            "the deconvolution does not exist: the total is a point mass and the noise is not "
            f"(the variance {noise.var()} of the noise is above that of the total, 0)"
        )
    parts, whole = _summands(total)
    others, taken = _summands(noise)
    for law, power in others.items():
        left = parts.get(law, 0.0) - power
        if abs(left) <= 1e-14 * power:
            parts.pop(law)
        elif left >= 1 or (left > 0 and isinstance(law, LevyLaw)):
            parts[law] = left
        else:
            return None
    triplet = _minus(whole, taken)
    if triplet is None:
        return None
    pieces = [free_power(law, power) for law, power in parts.items()]
    return free_sum(*pieces, _law_of(triplet))


def _summands(law: Law) -> tuple[dict[Law, float], LevyTriplet]:
    """Operands of a free sum with their powers, and its part with a rational R-transform."""
    if isinstance(law, LevyLaw):
        return {}, law.levy
    if isinstance(law, Affine) and isinstance(law.law, FreeSum):
        inner, triplet = _summands(law.law)
        moved = {affine(part, scale=law.scale): power for part, power in inner.items()}
        return moved, _scaled(triplet, law.scale) + LevyTriplet(law.shift)
    if not isinstance(law, FreeSum):
        return {law: 1.0}, LevyTriplet()
    parts: dict[Law, float] = {}
    triplet = law.levy or LevyTriplet()
    for part, power in zip(law.operands, law.powers, strict=True):
        inner, rest = ({part: 1.0}, LevyTriplet()) if power != 1 else _summands(part)
        for piece, share in inner.items():
            parts[piece] = parts.get(piece, 0.0) + power * share
        triplet = triplet + rest
    return parts, triplet


def _scaled(triplet: LevyTriplet, scale: float) -> LevyTriplet:
    jumps = tuple(scale * jump for jump in triplet.jumps)
    return LevyTriplet(
        scale * triplet.drift, scale * (scale * triplet.variance), triplet.rates, jumps
    )


def _minus(whole: LevyTriplet, taken: LevyTriplet) -> LevyTriplet | None:
    """Difference of two triplets, None where a variance or a rate would be negative.

    What is left of a number by rounding alone is nothing.
    """

    def less(a: float, b: float) -> float:
        return 0.0 if abs(a - b) <= 8e-16 * max(abs(a), abs(b)) else a - b

    rates = dict(zip(whole.jumps, whole.rates, strict=True))
    for jump, rate in zip(taken.jumps, taken.rates, strict=True):
        same = min(rates, key=lambda other: abs(other - jump), default=math.inf)
        if abs(same - jump) > 8e-16 * abs(jump):
            return None
        rates[same] = less(rates[same], rate)
    variance = less(whole.variance, taken.variance)
    if variance < 0 or any(rate < 0 for rate in rates.values()):
        return None
    left = {jump: rate for jump, rate in rates.items() if rate}
    return LevyTriplet(less(whole.drift, taken.drift), variance, tuple(left.values()), tuple(left))


def _law_of(triplet: LevyTriplet) -> Law:
    if triplet.jumps:
        if triplet.drift == 0 and triplet.variance == 0 and len(triplet.jumps) == 1:
            jump, rate = triplet.jumps[0], triplet.rates[0]
            if jump > 0:
                return MarchenkoPastur(1 / rate, jump * rate)
        return FreeLevy(triplet)
    if triplet.variance:
        return Semicircle(triplet.variance, triplet.drift)
    return Discrete((triplet.drift,), (1.0,))


def _known_product(total: Law, noise: Law) -> Law | None:
    """X from the factors of the operands, or None."""
    if total == noise:
        return Discrete((1.0,), (1.0,))
    if noise.is_point_mass:
        return affine(total, scale=1 / noise.atoms[0][0])
    if total.is_point_mass:
        raise ValueError(
            "the deconvolution does not exist: the total is a point mass and the noise is not"
        )
    factors, scale = _factors(total)
    taken, unit = _factors(noise)
    for factor, power in taken.items():
        left = factors.get(factor, 0.0) - power
        if left < -1e-14 * power:
            return None
        factors[factor] = left if left > 1e-14 * power else 0.0
    scale /= unit
    try:
        rest = [
            free_power(law, power, kind="multiplicative") for law, power in factors.items() if power
        ]
    except ValueError:  # a power below 1 that is not known
        return None
    return free_product(*rest, Discrete((scale,), (1.0,)))


def _factors(law: Law) -> tuple[dict[Law, float], float]:
    """Factors of a free product with powers, Marchenko-Pastur of variance 1, and a number."""
    if isinstance(law, Affine) and law.shift == 0:
        inner, scale = _factors(law.law)
        return inner, scale * law.scale
    if isinstance(law, LevyLaw):
        wishart = _law_of(law.levy)
        if isinstance(law, MarchenkoPastur) or not isinstance(wishart, MarchenkoPastur):
            wishart = law
        if isinstance(wishart, MarchenkoPastur):
            return {MarchenkoPastur(wishart.aspect_ratio): 1.0}, wishart.scale
    if isinstance(law, FussCatalan):
        return {MarchenkoPastur(1.0): law.order}, 1.0
    if not isinstance(law, FreeProduct):
        return {law: 1.0}, 1.0
    factors: dict[Law, float] = {}
    scale = 1.0
    for factor, power in zip(law.factors, law.factor_powers, strict=True):
        inner, share = _factors(factor)
        for piece, times in inner.items():
            factors[piece] = factors.get(piece, 0.0) + power * times
        scale *= share**power
    return factors, scale


# Conditions ------------------------------------------------------------------------------------


def _require_positive(name: str, law: Law) -> None:
    low, _ = _hull(law)
    if low < 0:
        raise ValueError(
            f"a product needs laws on [0, infinity); the {name} {law!r} reaches down to {low}"
        )
    if not law.mean() > 0:
        raise ValueError(
            f"a product needs a mean other than 0; the {name} {law!r} has all its mass at zero"
        )


def _require_spread(total: Law, noise: Law) -> None:
    """Refuse a discrete total: no sum or product is one unless an operand is a point mass."""
    if isinstance(total, SubordinatedLaw):
        return
    if not total.support and not noise.is_point_mass:
        raise ValueError(
            "the deconvolution does not exist: the total consists of atoms alone, which no free "
            "sum or product with noise that is not a point mass does; give measured eigenvalues as "
            "an EmpiricalLaw"
        )


def _units(total: Law, noise: Law, product: bool) -> tuple[float, float]:
    """Units in which total and noise are solved, one for both of a sum; 1 but for extreme sizes."""
    sizes = _size(total), _size(noise)
    if not product:
        unit = unit_of_size(max(sizes))
        return unit, unit
    first, second = (unit_of_size(size) for size in sizes)
    ratio = math.frexp(sizes[0])[1] - math.frexp(sizes[1])[1]
    if abs(ratio) > 1000:
        raise ValueError(
            f"the quotient of laws of the sizes {sizes[0]:.3g} and {sizes[1]:.3g} is of the size "
            f"2^{ratio}, which is no floating-point number; scale one of them first, with "
            "affine(law, scale=...)"
        )
    if unit_of_size(math.ldexp(1.0, ratio)) != 1:
        first, second = map(power_of_two, sizes)
    return first, second


def _size(law: Law) -> float:
    """Size of a law without asking a sum or a product for its bands."""
    if isinstance(law, Affine):
        return abs(law.scale) * _size(law.law) + abs(law.shift)
    return max(map(abs, law.hull_bound)) if isinstance(law, SubordinatedLaw) else size_of(law)


def _rescaled(found: Deconvolution, unit: float) -> Deconvolution:
    """Return what was found in units of its own in those of the laws that were given."""
    length = unit if found.distance == "wasserstein" else 1.0
    return replace(
        found,
        law=affine(found.law, scale=unit),
        error=length * found.error,
        bracket=length * found.bracket,
    )


def _samples(total: Law, noise: Law, samples: int | None) -> int:
    if samples is not None:
        return samples
    sizes = [law.eigenvalues.size for law in (total, noise) if isinstance(law, EmpiricalLaw)]
    return min(sizes, default=10**6)


def _hull(law: Law) -> tuple[float, float]:
    """Interval that holds a law; for sums and products the one that their operands give."""
    return law.hull_bound if isinstance(law, SubordinatedLaw) else law.hull


# The statement ----------------------------------------------------------------------------------


def _stated(found: Recovered, total: Law, noise: Law, product: bool, route: str) -> Deconvolution:
    return Deconvolution(
        found.law,
        error=found.error,
        distance=found.distance,
        residual=_residual(found.law, total, noise, product),
        regularisation=found.regularisation,
        bracket=found.bracket,
        route=route,
    )


def _residual(law: Law, total: Law, noise: Law, product: bool) -> float:
    """Largest |G_X(omega) / G_total - 1| on a line above, or a half circle around, all laws."""
    low, high = _hull(total)
    width = max(high - low, 4 * math.sqrt(noise.var()))
    angle = np.linspace(0.02, np.pi - 0.02, 33)
    for reach in (1.0, 2.0, 4.0, 8.0):
        if product:
            z = reach * 1.5 * high * np.exp(1j * angle)
        else:
            line = np.linspace(low - width, high + width, angle.size)
            z = line + 2.2j * reach * math.sqrt(noise.var())
        try:
            omega, wanted = subordinated(z, total._stieltjes(z), noise, product)
        except (ConvergenceError, ValueError):
            continue
        return float(np.abs(law._stieltjes(omega) / wanted - 1).max())
    return math.nan
