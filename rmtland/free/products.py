r"""Free multiplicative convolution: products of free operands, one of which may have any sign.

S-transforms multiply, :math:`S_{AB} = S_A S_B`; the product is solved by subordination
(`rmtland.free.subordination.subordinated_law`, and `rmtland.free.subordination.signed_product_law`
with a signed operand).

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

A population of both signs, as of X D X^T with D the second derivatives of a loss:

>>> from rmtland import Discrete, general_marchenko_pastur
>>> law = general_marchenko_pastur(Discrete((-1.0, 2.0), (0.25, 0.75)), 0.5)
>>> [[round(end, 6) for end in band] for band in law.support]
[[-1.527733, -0.239424], [0.246429, 5.104062]]
"""

from __future__ import annotations

import math

from rmtland.arguments import choice
from rmtland.free.subordination.free_product_law import FreeProduct
from rmtland.free.subordination.signed_product_law import FreeSignedProduct
from rmtland.free.sums import Operand, as_free_sum, as_law
from rmtland.free.units import units_of_factors
from rmtland.laws.affine_law import Affine, affine
from rmtland.laws.discrete import without_rounding
from rmtland.laws.law import Law
from rmtland.laws.levy import LevyLaw
from rmtland.laws.light_tails import cut_tails
from rmtland.laws.marchenko_pastur import MarchenkoPastur

__all__ = ["as_wishart", "free_product", "general_marchenko_pastur"]

METHODS = ("automatic", "positive", "signed")


def free_product(*operands: Operand, method: str = "automatic") -> Law:
    r"""Return the free multiplicative convolution: of A^(1/2) B A^(1/2), A positive, B of any sign.

    .. formula:: Subordination equations of products (free multiplicative convolution,
        :math:`\boxtimes`), :math:`S_{AB} = S_A S_B`

    Parameters
    ----------
    *operands : Law, Spectrum, SpectralModel or array_like of float
        One or more laws (a measured spectrum or eigenvalues in an array stand for their empirical
        law, a model for its limiting law), none of them all at zero. All have one sign, on
        [0, infinity) or on (-infinity, 0], but for at most one on both sides of zero. Light tails
        are cut off, as by `free_sum`.
    method : str
        "positive" for the equation of positive laws in logarithms, "signed" for the one that takes
        a factor of any sign (and positive ones, too); "automatic" chooses the first where it can.

    Returns
    -------
    Law
        A single law is returned as it is and a point mass scales the others; otherwise a
        `FreeProduct`, its mirror image, or with a law of both signs a `FreeSignedProduct`.

    Raises
    ------
    ValueError
        If no law is given, the method is unknown or does not fit, one has all its mass at zero or
        heavy tails, the product of their units is no floating-point number, or two have both signs:
        A B is then not similar to a self-adjoint operator, and its spectrum need not be real.
    TypeError
        If an argument is not a law.

    See Also
    --------
    rmtland.free.free_power : copies of one law, with `kind="multiplicative"`.
    rmtland.free.general_marchenko_pastur : one factor of Marchenko and Pastur.
    rmtland.free.free_deconvolution : back.
    rmtland.ensembles.HaarProduct : its random matrices.

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
        raise ValueError("free_product needs at least one law")
    laws = tuple(without_rounding(as_law("free_product", operand)) for operand in operands)
    for law in laws:
        if law.hull == (0, 0):
            raise ValueError(f"{law!r} has all its mass at zero, and so has the product")
    signed = [law for law in laws if law.hull[0] < 0 < law.hull[1]]
    if len(signed) > 1:
        raise ValueError(
            "free_product takes at most one law with mass on both sides of zero, since a product "
            f"of two need not have a real spectrum; got {signed[0]!r} and {signed[1]!r}"
        )
    if len(laws) == 1:
        return laws[0]
    units = units_of_factors(laws)
    if any(unit != 1 for unit in units):
        inner = (affine(law, scale=1 / unit) for law, unit in zip(laws, units, strict=True))
        whole = math.ldexp(1.0, sum(math.frexp(unit)[1] - 1 for unit in units))
        return affine(free_product(*inner, method=method), scale=whole)
    # A point mass scales the rest.
    points = [law for law in laws if law.is_point_mass]
    scale = math.prod(law.atoms[0][0] for law in points)
    spread = [law for law in laws if not law.is_point_mass]
    if len(spread) < 2:
        return affine(
            spread[0] if spread else points[0],
            scale=scale if spread else scale / points[0].atoms[0][0],
        )
    spread = [cut_tails(law) for law in spread]
    # Negative laws are mirrored.
    scale *= (-1) ** sum(law.hull[1] <= 0 for law in spread)
    factors, more = _factors(
        tuple(affine(law, scale=-1.0) if law.hull[1] <= 0 else law for law in spread)
    )
    wisharts = [law for law, power in factors if power == 1 and isinstance(law, MarchenkoPastur)]
    others = [pair for pair in factors if pair[1] != 1 or not isinstance(pair[0], MarchenkoPastur)]
    if signed and method == "positive":
        raise ValueError(
            f"the method for positive laws takes none with two signs; got {signed[0]!r}"
        )
    if signed or method == "signed":
        parts = [law if power == 1 else FreeProduct((law,), (), (power,)) for law, power in others]
        if not parts:
            parts = [wisharts.pop(0)]
        parts.sort(key=lambda law: law.hull[0] >= 0)
        return FreeSignedProduct(tuple(parts), tuple(wisharts)).rescaled(scale * more)
    if not others:
        others = [(wisharts.pop(0), 1.0)]
    product = FreeProduct(
        tuple(law for law, _ in others), tuple(wisharts), tuple(power for _, power in others)
    ).rescaled(abs(scale * more))
    return product if scale > 0 else affine(product, scale=-1.0)


def _factors(laws: tuple[Law, ...]) -> tuple[list[tuple[Law, float]], float]:
    """Factors with products among them taken apart, their powers, and what they are scaled by."""
    factors: list[tuple[Law, float]] = []
    scale = 1.0
    for law in laws:
        whole = law
        if isinstance(law, Affine) and law.shift == 0:
            inner = law.law
            if law.scale > 0 or isinstance(inner, FreeSignedProduct):
                whole, scale = inner, scale * law.scale
        parts = whole.factors if isinstance(whole, FreeProduct | FreeSignedProduct) else (whole,)
        powers = whole.factor_powers if isinstance(whole, FreeProduct) else (1.0,) * len(parts)
        pairs = zip(parts, powers, strict=True)
        factors += [(as_wishart(as_free_sum(part)), power) for part, power in pairs]
    return factors, scale


def as_wishart(law: Law) -> Law:
    """Return a free Poisson law with a positive jump as the Marchenko-Pastur law that it is."""
    if isinstance(law, LevyLaw) and not isinstance(law, MarchenkoPastur):
        triplet = law.levy
        jumps, rates = triplet.jumps, triplet.rates
        if len(jumps) == 1 and jumps[0] > 0 and triplet.drift == triplet.variance == 0:
            return MarchenkoPastur(1 / rates[0], rates[0] * jumps[0])
    return law


def general_marchenko_pastur(population: Operand, aspect_ratio: float) -> Law:
    r"""Return the limiting law of a sample covariance matrix with a given population law.

    .. formula:: Generalised Marchenko-Pastur equation (Silverstein), :math:`S(w) = S_A(w)/(1 + \phi
        w)`

    It is the law of S^(1/2) X X^T S^(1/2) with X of shape (n, q), independent entries of variance
    1/q, aspect_ratio = n/q, and S of law `population`: the free product of the two. For S of any
    sign it is that of (X X^T)^(1/2) S (X X^T)^(1/2), whose eigenvalues other than zero are those of
    X^T S X.

    Parameters
    ----------
    population : Law, Spectrum, SpectralModel or array_like of float
        Law of the eigenvalues of the population covariance, or of any self-adjoint S.
    aspect_ratio : float
        Ratio of dimension to samples, > 0.

    Returns
    -------
    Law
        In the units of the population.

    Raises
    ------
    ValueError
        If all of the population law is at zero or the ratio is not positive.

    See Also
    --------
    rmtland.laws.MarchenkoPastur : covariance one.
    rmtland.ensembles.SampleCovariance : its random matrices.
    rmtland.comparison.nonlinear_shrinkage : the population behind eigenvalues.

    References
    ----------
    .. [1] J. W. Silverstein and Z. D. Bai, On the empirical distribution of eigenvalues of a class
           of large dimensional random matrices, J. Multivariate Analysis 54 (1995) 175-192.
    """
    return free_product(population, MarchenkoPastur(aspect_ratio))
