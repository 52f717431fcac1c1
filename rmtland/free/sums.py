r"""Free additive convolution: sums of free operands.

R-transforms add up, :math:`R_{A + B} = R_A + R_B`. Where all of them are rational the sum is again
a law with a rational R-transform and is solved exactly (`rmtland.free.rational.free_levy`); any
other sum goes through subordination (`rmtland.free.subordination.subordinated_law`), with the
rational part, if there is one, merged into a single operand.

References
----------
.. [1] D. Voiculescu, Addition of certain non-commuting random variables, J. Funct. Anal. 66 (1986)
       323-346.

Examples
--------
>>> from rmtland import MarchenkoPastur, Semicircle, free_sum
>>> free_sum(Semicircle(0.5), Semicircle(1.5, center=2.0))
Semicircle(variance=2.0, center=2.0)
>>> free_sum(MarchenkoPastur(0.5), Semicircle(0.6)).var()
1.1
"""

from __future__ import annotations

import math
from functools import reduce
from operator import add
from typing import TypeAlias

import numpy as np

from rmtland.arguments import choice, dense_array
from rmtland.deprecation import renamed_argument
from rmtland.free.rational.free_levy import FreeLevy
from rmtland.free.subordination.free_product_law import FreeProduct
from rmtland.free.subordination.free_sum_law import FreeSum
from rmtland.free.units import far_shift, unit_of
from rmtland.laws.affine_law import Affine, affine
from rmtland.laws.discrete import EmpiricalLaw, without_rounding
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyLaw, LevyTriplet
from rmtland.laws.light_tails import cut_tails
from rmtland.laws.semicircle import Semicircle
from rmtland.laws.spectral_model import SpectralModel
from rmtland.spectrum import Spectrum
from rmtland.typing import ArrayLike

__all__ = [
    "METHODS",
    "Operand",
    "as_free_sum",
    "as_law",
    "free_sum",
    "law_of_triplet",
    "subordinated_sum",
]

Operand: TypeAlias = Law | Spectrum | SpectralModel | ArrayLike
"""What the verbs of free probability take: a law, or what has one."""

METHODS = ("automatic", "rational", "subordination")


@renamed_argument("route", "method")
def free_sum(*operands: Operand, method: str = "automatic") -> Law:
    r"""Return the free additive convolution of laws: the law of a sum of free operands.

    .. formula:: Subordination equations of sums (free additive convolution, :math:`\boxplus`),
        :math:`\omega_1 + \omega_2 = z + 1/G`

    Parameters
    ----------
    *operands : Law, Spectrum, SpectralModel or array_like of float
        One or more laws; a measured spectrum (or eigenvalues in an array) stands for its
        empirical law, a model for the limiting law that it has. A law without ends whose tails are
        light (`rmtland.laws.Normal`) is cut where 1e-17 of its mass is left on either side.
    method : str
        "rational" for the exact polynomial equation, which needs rational R-transforms;
        "subordination" for the equation that takes any laws through their Stieltjes transforms;
        "automatic" chooses the rational one where it can.

    Returns
    -------
    Law
        A single law is returned as it is; a point mass shifts the others; semicircles add up to
        a `Semicircle`; a sum of laws with rational R-transforms is a `FreeLevy`, any other a
        `FreeSum`.

    Raises
    ------
    ValueError
        If no law is given, the method is unknown, the rational method is asked for and an
        R-transform is not rational, or a law has heavy tails.
    TypeError
        If an argument is not a law.

    See Also
    --------
    rmtland.free.free_power : copies of one law.
    rmtland.free.free_deconvolution : back.
    rmtland.ensembles.HaarSum : its random matrices.

    Notes
    -----
    Operands with very many gaps (two measured spectra, say) are looked at where a few samples
    promise a gap of the result; with more than 400 such choices the bands are found on a grid of
    1501 points, and what is narrower than that can be missed.

    References
    ----------
    .. [1] S. T. Belinschi and H. Bercovici, A new approach to subordination results in free
           probability, Journal d'Analyse Mathematique 101 (2007) 357-365.
    """
    choice("method", method, METHODS)
    if not operands:
        raise ValueError("free_sum needs at least one law")
    laws = tuple(as_law("free_sum", operand) for operand in operands)
    if len(laws) == 1:
        return laws[0]
    rational = [law for law in laws if isinstance(law, LevyLaw)]
    others = [law for law in laws if not isinstance(law, LevyLaw)]
    if others and method == "rational":
        raise ValueError(
            f"the rational method needs laws with a rational R-transform; got {others[0]!r}"
        )
    unit = unit_of(*laws)
    if unit != 1:
        inner = (affine(law, scale=1 / unit) for law in laws)
        return affine(free_sum(*inner, method=method), scale=unit)
    # A point mass shifts the rest.
    spread = [law for law in laws if not law.is_point_mass]
    if len(spread) < len(laws):
        points = [law for law in laws if law.is_point_mass]
        rest = free_sum(*spread, method=method) if spread else points.pop()
        return affine(rest, shift=sum(law.atoms[0][0] for law in points))
    # Narrow laws far from zero would lose their digits there.
    shifts = [far_shift(law) for law in laws] if others or method == "subordination" else []
    if any(shifts):
        near = (affine(law, shift=-by) for law, by in zip(laws, shifts, strict=True))
        return affine(free_sum(*near, method=method), shift=math.fsum(shifts))
    if method == "subordination":
        return subordinated_sum([(law, 1.0) for law in laws], None)
    triplet = reduce(add, [law.levy for law in rational]) if rational else LevyTriplet()
    if not others:
        return law_of_triplet(triplet)
    return subordinated_sum([(law, 1.0) for law in others], triplet)


def as_law(verb: str, operand: Operand) -> Law:
    """Return an operand as a law: measured eigenvalues by their empirical law, a model by its own.

    Parameters
    ----------
    verb : str
        The function that takes the operand, for the message.
    operand : Law, Spectrum, SpectralModel or array_like of float
        What came.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if isinstance(operand, Law):
        return operand
    if isinstance(operand, SpectralModel):
        return operand.law
    if isinstance(operand, Spectrum):
        return EmpiricalLaw.of(operand)
    if isinstance(operand, np.ndarray | list | tuple):
        numeric = isinstance(operand, np.ndarray) and operand.dtype.kind != "O"
        parts = operand.flat if isinstance(operand, np.ndarray) else operand
        if not numeric and any(isinstance(part, Law) for part in parts):
            if verb in ("free_sum", "free_product"):
                raise TypeError(f"{verb} takes laws one by one, not in a list; write {verb}(*laws)")
            raise TypeError(f"{verb} takes one law, not a list; that of a sum is free_sum(*laws)")
        values = dense_array("eigenvalues", operand)
        if values.ndim == 1 and values.dtype.kind in "iuf" and values.size:
            return without_rounding(EmpiricalLaw(values))
        raise TypeError(
            f"{verb} takes eigenvalues as one row of real numbers; got an array of shape "
            f"{values.shape} and type {values.dtype}"
        )
    raise TypeError(
        f"{verb} takes laws, spectra or arrays of eigenvalues; got {type(operand).__name__}"
    )


def law_of_triplet(triplet: LevyTriplet) -> Law:
    """Return the law with the rational R-transform of a triplet that is no point mass."""
    return FreeLevy(triplet) if triplet.jumps else Semicircle(triplet.variance, triplet.drift)


def as_free_sum(law: Law) -> Law:
    """Return an affine image of a free sum as the free sum that it is, other laws as they are."""
    image = isinstance(law, Affine) and isinstance(law.law, FreeSum)
    return subordinated_sum([(law, 1.0)], None) if image else law


def subordinated_sum(parts: list[tuple[Law, float]], triplet: LevyTriplet | None) -> Law:
    """Sum of laws with powers; sums among them are taken apart, so that nothing is nested."""
    flat: list[tuple[Law, float]] = []
    levy = triplet or LevyTriplet()
    for law, power in parts:
        if not np.isfinite(law.hull).all():  # cut about zero, where cuts round least
            center = law.median()
            law = cut_tails(affine(law, shift=-center))
            levy = levy + LevyTriplet(power * center)
        image = law if isinstance(law, Affine) else Affine(law)
        if isinstance(image.law, FreeProduct) and image.scale > 0:
            flat.append((image.law.rescaled(image.scale), power))
            levy = levy + LevyTriplet(power * image.shift)
            continue
        if not isinstance(image.law, FreeSum):
            flat.append((law, power))
            continue
        scale, shift = image.scale, image.shift
        for operand, times in zip(image.law.operands, image.law.powers, strict=True):
            if isinstance(operand, FreeProduct) and scale > 0:
                flat.append((operand.rescaled(scale), power * times))
            else:
                flat.append((affine(operand, scale=scale), power * times))
        inner = image.law.levy or LevyTriplet()
        levy = levy + LevyTriplet(
            power * (scale * inner.drift + shift),
            power * scale * (scale * inner.variance),
            tuple(power * rate for rate in inner.rates),
            tuple(scale * jump for jump in inner.jumps),
        )
    none = levy == LevyTriplet()
    return FreeSum(
        tuple(law for law, _ in flat), tuple(power for _, power in flat), None if none else levy
    )
