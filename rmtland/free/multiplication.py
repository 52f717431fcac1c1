r"""Free multiplicative convolution: products of free positive operands.

S-transforms multiply, :math:`S_{AB} = S_A S_B`; the product is solved by subordination
(`rmtland.free.subordination`).

References
----------
.. [1] D. Voiculescu, Multiplication of certain non-commuting random variables, J. Operator Theory
       18 (1987) 223-235.

Examples
--------
>>> from rmtland import MarchenkoPastur, free_product
>>> law = free_product(MarchenkoPastur(1.0), MarchenkoPastur(1.0))
>>> [round(edge, 12) for edge in law.support[0]], law.moment(3)
([0.0, 6.75], 12.0)
"""

from __future__ import annotations

import math

from rmtland.free.addition import is_point_mass, taken_apart
from rmtland.free.free_product_law import FreeProduct
from rmtland.laws.affine_law import Affine, affine
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyLaw
from rmtland.laws.marchenko_pastur import MarchenkoPastur

__all__ = ["free_product", "general_marchenko_pastur"]


def free_product(*laws: Law) -> Law:
    """Return the free multiplicative convolution of positive laws: of A^(1/2) B A^(1/2).

    Parameters
    ----------
    *laws : Law
        One or more laws on [0, infinity), none of them all at zero.

    Returns
    -------
    Law
        A single law is returned as it is and a point mass scales the others; otherwise a
        `FreeProduct`.

    Raises
    ------
    ValueError
        If no law is given, or one has mass on the negative axis.
    TypeError
        If an argument is not a law.
    """
    if not laws:
        raise ValueError("free_product needs at least one law")
    for law in laws:
        if not isinstance(law, Law):
            raise TypeError(f"free_product takes laws; got {law!r}")
        lowest = min([low for low, _ in law.support] + [place for place, _ in law.atoms])
        if lowest < 0:
            raise ValueError(
                f"free_product needs laws on [0, infinity); {law!r} reaches down to {lowest}"
            )
        if not law.mean() > 0:
            raise ValueError(f"{law!r} has all its mass at zero, and so has the product")
    if len(laws) == 1:
        return laws[0]
    # A point mass scales the rest.
    spread = [law for law in laws if not is_point_mass(law)]
    if len(spread) < len(laws):
        points = [law for law in laws if is_point_mass(law)]
        rest = free_product(*spread) if spread else points.pop()
        return affine(rest, scale=math.prod(law.atoms[0][0] for law in points))
    factors, scale = _factors(laws)
    wisharts = [law for law in factors if isinstance(law, MarchenkoPastur)]
    others = [law for law in factors if not isinstance(law, MarchenkoPastur)]
    if not others:
        others = [wisharts.pop(0)]
    return FreeProduct(tuple(others), tuple(wisharts)).rescaled(scale)


def _factors(laws: tuple[Law, ...]) -> tuple[list[Law], float]:
    """Factors with products among them taken apart, and what they are scaled by."""
    factors: list[Law] = []
    scale = 1.0
    for law in laws:
        whole = law
        if isinstance(law, Affine) and law.shift == 0 and law.scale > 0:
            whole, scale = law.law, scale * law.scale
        parts = whole.factors if isinstance(whole, FreeProduct) else (whole,)
        factors += [_as_wishart(taken_apart(part)) for part in parts]
    return factors, scale


def _as_wishart(law: Law) -> Law:
    """Return a free Poisson law with a positive jump as the Marchenko-Pastur law that it is."""
    if isinstance(law, LevyLaw) and not isinstance(law, MarchenkoPastur):
        triplet = law.levy
        jumps, rates = triplet.jumps, triplet.rates
        if len(jumps) == 1 and jumps[0] > 0 and triplet.drift == triplet.variance == 0:
            return MarchenkoPastur(1 / rates[0], rates[0] * jumps[0])
    return law


def general_marchenko_pastur(population: Law, aspect_ratio: float) -> Law:
    """Return the limiting law of a sample covariance matrix with a given population law.

    It is the law of S^(1/2) X X^T S^(1/2) with X of shape (n, q), independent entries of variance
    1/q, aspect_ratio = n/q, and S of law `population`: the free product of the two.

    Parameters
    ----------
    population : Law
        Law of the eigenvalues of the population covariance, on [0, infinity).
    aspect_ratio : float
        Ratio of dimension to samples, > 0.

    Raises
    ------
    ValueError
        If the population law reaches below zero or the ratio is not positive.

    References
    ----------
    J. W. Silverstein and Z. D. Bai, On the empirical distribution of eigenvalues of a class of
    large dimensional random matrices, J. Multivariate Analysis 54 (1995) 175-192.
    """
    return free_product(population, MarchenkoPastur(aspect_ratio))
