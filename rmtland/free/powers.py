r"""Free powers: the law of t free copies of one law, added up or multiplied, for real t.

Added up, :math:`R_t = t R`; multiplied, :math:`S_t = S^t`. Both exist for every real t >= 1 [1]_
[2]_, by the same subordination as sums and products of different laws
(`rmtland.free.subordination.equation`), and for every t > 0 if the law is infinitely divisible.

**Closed forms.** The law c F of mean c with

.. math:: S(m) = \frac1c \Bigl(1 + \frac{m}{k}\Bigr)^{-s}, \qquad k \ge 1,\ s > 0,

is the Fuss-Catalan law of order s added to itself k times and divided by k, a corner of relative
size 1/k; with s = 1 it is the Marchenko-Pastur law of ratio 1/k. Its powers are of the same kind,
with s t in the place of s, for all t > 0 [3]_. A law with an atom of mass a at zero has a point at
which S diverges, like :math:`(m + 1 - a)^{-s}`, and no power below 1/s.

References
----------
.. [1] A. Nica and R. Speicher, On the multiplication of free N-tuples of noncommutative random
       variables, Amer. J. Math. 118 (1996) 799-837.
.. [2] S. T. Belinschi and H. Bercovici, Partially defined semigroups relative to multiplicative
       free convolution, Int. Math. Res. Not. 2005, 65-101.
.. [3] T. Banica, S. T. Belinschi, M. Capitaine and B. Collins, Free Bessel laws, Canad. J. Math. 63
       (2011) 3-37.

Examples
--------
>>> from rmtland import Discrete, MarchenkoPastur, Semicircle, free_power
>>> free_power(Semicircle(), 3.0)
Semicircle(variance=3.0, center=0.0)
>>> free_power(MarchenkoPastur(1.0), 2.5, kind="multiplicative")
FussCatalan(order=2.5)
>>> law = free_power(Discrete((1.0, 4.0), (0.75, 0.25)), 1.5, kind="multiplicative")
>>> law.atoms, round(law.mean(), 12) == round(1.75**1.5, 12)
(((1.0, 0.625),), True)
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rmtland.arguments import choice, positive
from rmtland.deprecation import renamed_argument
from rmtland.free.measured_power import measured_free_power
from rmtland.free.products import as_wishart, free_product
from rmtland.free.subordination.free_product_law import FreeProduct
from rmtland.free.subordination.free_sum_law import FreeSum
from rmtland.free.sums import (
    METHODS,
    Operand,
    as_free_sum,
    as_law,
    law_of_triplet,
    subordinated_sum,
)
from rmtland.free.units import far_shift, unit_of
from rmtland.laws.affine_law import Affine, affine
from rmtland.laws.discrete import Discrete, EmpiricalLaw, without_rounding
from rmtland.laws.fuss_catalan import FussCatalan
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyLaw, LevyTriplet
from rmtland.laws.light_tails import cut_tails
from rmtland.laws.marchenko_pastur import MarchenkoPastur

__all__ = ["free_power"]

KINDS = ("additive", "multiplicative")
_ROUNDED = 4e-16
"""Distance from 1 that products of powers are rounded by."""
_RANGE = 600.0
"""Logarithm of a mean up to which its law fits into floating-point numbers."""
_PLAIN = 80.0
"""Logarithm of a mean up to which moments of order eight do; beyond, powers have mean 1 first."""


@renamed_argument("route", "method")
def free_power(law: Operand, t: float, *, kind: str = "additive", method: str = "automatic") -> Law:
    r"""Return the law of t free copies, added up or multiplied, for real t.

    .. formula:: Free powers, :math:`R_t = t R`

    .. formula:: Multiplicative free powers, :math:`\mu^{\boxtimes t}`, :math:`S_t = S^t`
        :with: kind="multiplicative"

    Parameters
    ----------
    law : Law, Spectrum, SpectralModel or array_like of float
        The law, or what has one. Light tails are cut off, as by `free_sum`.
    t : float
        Power, how many copies there are: any t >= 1; any t > 0 where the law is known to be
        infinitely divisible. Added up, these are the laws with a rational R-transform; multiplied,
        Marchenko-Pastur laws of ratio at most 1, Fuss-Catalan laws, and products and powers of
        them. A power s of any law has all powers t >= 1/s. Added up, an `EmpiricalLaw` of measured
        eigenvalues has a power below 1, too, which is a `RecoveredLaw` with its error
        (`free_decompression`).
    kind : str
        "additive" for the sum of t free copies, "multiplicative" for their product, as of
        A^(1/2) B A^(1/2), with a law on [0, infinity).
    method : str
        As for `free_sum`; of products, "subordination" leaves out the closed forms, and "rational"
        is refused.

    Returns
    -------
    Law
        The law itself for t = 1. Of t copies multiplied a `FreeProduct`, or the law that is known:
        of Fuss-Catalan laws, a `FussCatalan`.

    Raises
    ------
    ValueError
        If t is not positive, or below 1 for a law that is not known to be infinitely divisible; if
        copies are to be multiplied of a law with mass on the negative axis, or with a mean whose
        power no floating-point number holds; if its tails are heavy.
    TypeError
        If `law` is not a law.

    See Also
    --------
    rmtland.free.free_sum, rmtland.free.free_product : different laws.
    rmtland.free.free_compression : the power of a sum, up to scale.

    Notes
    -----
    An atom of mass m at a > 0 leaves one of mass 1 - t (1 - m) at a^t in the product, where that is
    positive; an atom at zero stays as it is [1]_.

    References
    ----------
    .. [1] S. T. Belinschi and H. Bercovici, Partially defined semigroups relative to multiplicative
           free convolution, Int. Math. Res. Not. 2005, 65-101.
    .. [2] A. Nica and R. Speicher, On the multiplication of free N-tuples of noncommutative random
           variables, Amer. J. Math. 118 (1996) 799-837.
    """
    choice("kind", kind, KINDS)
    choice("method", method, METHODS)
    power = positive("t", t)
    law = as_law("free_power", law)
    if kind == "multiplicative":
        return _multiplied(without_rounding(law), power, method)
    return _added(law, power, method)


# Added up ---------------------------------------------------------------------------------------


def _added(law: Law, power: float, method: str) -> Law:
    if law.is_point_mass:
        return affine(law, scale=power)
    unit = 1.0 if power < 1 and isinstance(law, EmpiricalLaw) else unit_of(law)
    if unit != 1:
        return affine(_added(affine(law, scale=1 / unit), power, method), scale=unit)
    if isinstance(law, LevyLaw) and method != "subordination":
        return law_of_triplet(_times(law.levy, power))
    if method == "rational":
        raise ValueError(f"the rational method needs a rational R-transform; got {law!r}")
    if power < 1 and isinstance(law, EmpiricalLaw):
        return measured_free_power(law, power)
    if power < 1:
        known = _of_a_sum(law, power)
        if known is not None:
            return known
        raise ValueError(
            f"a free power below 1 exists for freely infinitely divisible laws only; got t = "
            f"{power} for {law!r}"
        )
    if power == 1:
        return law
    far = far_shift(law)
    if far:
        return affine(_added(affine(law, shift=-far), power, method), shift=power * far)
    return subordinated_sum([(law, power)], None)


def _times(triplet: LevyTriplet, power: float) -> LevyTriplet:
    rates = tuple(power * rate for rate in triplet.rates)
    return LevyTriplet(power * triplet.drift, power * triplet.variance, rates, triplet.jumps)


def _of_a_sum(law: Law, power: float) -> Law | None:
    """Return a power below 1 of a sum of powers that stay at least 1; None of other laws."""
    whole = as_free_sum(law)
    if not isinstance(whole, FreeSum):
        return None
    powers = [_unless_rounded(power * own) for own in whole.powers]
    if min(powers) < 1:
        return None
    levy = _times(whole.levy or LevyTriplet(), power)
    if powers == [1.0] and levy == LevyTriplet(levy.drift):
        return affine(whole.operands[0], shift=levy.drift)
    return subordinated_sum(list(zip(whole.operands, powers, strict=True)), levy)


def _unless_rounded(power: float) -> float:
    """Return a product of powers, 1 where it is that but for rounding."""
    return 1.0 if abs(power - 1) <= _ROUNDED else power


# Multiplied -------------------------------------------------------------------------------------


def _multiplied(law: Law, power: float, method: str) -> Law:
    if method == "rational":
        raise ValueError('the rational method adds copies up; take kind="additive"')
    if law.hull[0] < 0:
        raise ValueError(
            "copies of a law on [0, infinity) have a product for every power; "
            f"{law!r} reaches down to {law.hull[0]}"
        )
    if power == 1 or law.hull == (0, 0):
        return law
    law = cut_tails(law)
    if not abs(power * math.log(law.mean())) < _RANGE:
        raise ValueError(
            f"the power t = {power} of the mean {law.mean():.6g} is no floating-point number; "
            "divide the law by its mean first, with affine(law, scale=1/law.mean())"
        )
    if law.is_point_mass:
        return Discrete((law.atoms[0][0] ** power,), (1.0,))
    mean = law.mean()
    if max(abs(math.log(mean)), abs(power * math.log(mean))) > _PLAIN:
        unit = _multiplied(affine(law, scale=1 / mean), power, method)
        return affine(unit, scale=mean**power)
    closed = method != "subordination"
    found = [_power_of(part, power * own, closed=closed) for part, own in _parts(law)]
    known = [part for part in found if part is not None]
    if len(known) < len(found):
        raise ValueError(
            f"a power t = {power} < 1 of {law!r} is not known: multiplied, there is one of laws "
            "that are infinitely divisible; here of Marchenko-Pastur laws of ratio at most 1, of "
            "Fuss-Catalan laws, and of products of them and of powers t >= 1"
        )
    return free_product(*known)


def _parts(law: Law) -> list[tuple[Law, float]]:
    """Factors of a product, which may be scaled, with their powers."""
    if isinstance(law, Affine) and isinstance(law.law, FreeProduct) and law.shift == 0:
        law = law.law.rescaled(law.scale)
    if isinstance(law, FreeProduct):
        return list(zip(law.factors, law.factor_powers, strict=True))
    return [(law, 1.0)]


def _power_of(factor: Law, power: float, *, closed: bool) -> Law | None:
    """Return a power of a law that is no product; None if it is not known."""
    power = _unless_rounded(power)
    if power == 1:
        return factor
    form = _FussCatalanForm.of(factor) if closed else None
    if form is not None and (power < 1 or form.is_closed):
        return form.to_the(power)
    return FreeProduct((factor,), (), (power,)) if power > 1 else None


class _FussCatalanForm(NamedTuple):
    """The law with S(m) = (1 + m/copies)^(-order)/mean, copies >= 1."""

    order: float
    copies: float
    mean: float

    @classmethod
    def of(cls, law: Law) -> _FussCatalanForm | None:
        """Return the form that a law has; None if it has none."""
        if isinstance(law, FussCatalan):
            return cls(law.order, 1.0, 1.0)
        law = as_wishart(law)
        if isinstance(law, MarchenkoPastur):
            ratio = law.aspect_ratio
            return cls(1.0, 1 / ratio, law.scale) if ratio <= 1 else None
        inner, more, scale = law, 1.0, 1.0
        if isinstance(law, Affine) and law.shift == 0 and law.scale > 0:
            inner, scale = law.law, law.scale
        elif isinstance(law, FreeSum) and len(law.operands) == 1 and law.levy is None:
            inner, more = law.operands[0], law.powers[0]
        else:
            return None
        form = cls.of(inner)
        if form is None:
            return None
        return cls(form.order, form.copies * more, form.mean * more * scale)

    @property
    def is_closed(self) -> bool:
        """Whether powers are Fuss-Catalan laws themselves, or are already corners of them."""
        return self.copies == 1 or self.order != 1

    def to_the(self, power: float) -> Law:
        """Return the power of the law."""
        order, mean = power * self.order, self.mean**power
        if _unless_rounded(order) == 1:
            return MarchenkoPastur(1 / self.copies, mean)
        added = _added(FussCatalan(order), self.copies, "automatic")
        return affine(added, scale=mean / self.copies)
