"""Free powers of products: S-transforms to real powers, products of copies, closed forms."""

import math
import pickle

import numpy as np
import pytest

from rmtland import (
    Discrete,
    FussCatalan,
    KestenMcKay,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    Wachter,
    affine,
    free_compression,
    free_deconvolution,
    free_power,
    free_product,
    free_sum,
)
from rmtland.free import FreeProduct
from rmtland.laws import Arcsine, EmpiricalLaw, FreePoisson, Normal, mixture

POSITIVE = {
    "uniform": Uniform(0.5, 2.0),
    "uniform from zero": Uniform(0.0, 1.0),
    "two points": Discrete((1.0, 4.0), (0.75, 0.25)),
    "projection": Discrete((0.0, 1.0), (0.4, 0.6)),
    "two intervals": mixture([Uniform(0.1, 0.3), Uniform(2.0, 2.5)], [0.3, 0.7]),
    "marchenko-pastur": MarchenkoPastur(0.3, 2.0),
    "rank-deficient": MarchenkoPastur(3.0),
    "wachter": Wachter(0.5, 0.4),
    "eigenvalues": EmpiricalLaw([0.2, 0.3, 1.0, 1.1, 5.0]),
    "sum": free_sum(Uniform(0.0, 1.0), Discrete((0.0, 2.0), (0.5, 0.5))),
}
NESTED = "sum"


def product_of(law, t, **options):
    return free_power(law, t, kind="multiplicative", **options)


def points(law):
    """Points of the open half-plane, beside the axis and far from it."""
    low, high = law.hull
    width = high - low
    return (low + width * np.linspace(-0.5, 1.5, 9))[:, None] + 1j * width * np.array([0.01, 1.0])


def agree(law, other, rtol=1e-11):
    np.testing.assert_allclose(np.ravel(law.support), np.ravel(other.support), rtol=1e-9)
    assert len(law.atoms) == len(other.atoms)
    np.testing.assert_allclose(np.ravel(law.atoms), np.ravel(other.atoms), rtol=1e-12)
    z = points(other)
    np.testing.assert_allclose(law.stieltjes(z), other.stieltjes(z), rtol=rtol)
    x = np.linspace(*other.hull, 9)[1:-1]
    np.testing.assert_allclose(law.cdf(x), other.cdf(x), rtol=0, atol=1e-10)


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    ("name", "t"),
    [
        pytest.param(name, t, marks=[pytest.mark.slow] if name == NESTED else [])
        for name, t in zip(POSITIVE, [1.3, math.pi, 6.0, 1.001] * 3, strict=False)
    ],
)
def test_s_transforms_are_taken_to_the_power(name, t):
    law = POSITIVE[name]
    null = sum(mass for place, mass in law.atoms if place == 0)
    w = -(1 - null) * np.array([0.01, 0.3, 0.9])
    known = (1 + w) / w / inverse_of_m(law, w)
    found = (1 + w) / w / inverse_of_m(product_of(law, t), w)
    np.testing.assert_allclose(found, known**t, rtol=1e-9)


def inverse_of_m(law, w):
    """Points z < 0 where z G(z) - 1 = w, by bisection of log(-z)."""
    low, high = np.full(w.shape, -40.0), np.full(w.shape, 40.0)
    for _ in range(60):
        middle = (low + high) / 2
        z = -np.exp(middle)
        below = z * law.stieltjes(z) - 1 < w
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return -np.exp(middle)


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    ("name", "t"),
    [(name, 2) for name in POSITIVE if name != "rank-deficient"]
    + [("uniform", 3), ("two points", 3), ("eigenvalues", 3)],
)
def test_a_whole_power_is_the_product_of_copies(name, t):
    law = POSITIVE[name]
    power, copies = product_of(law, t, method="subordination"), free_product(*[law] * t)
    assert isinstance(power, FreeProduct)
    agree(power, copies)
    assert [power.moment(k) for k in range(6)] == pytest.approx(
        [copies.moment(k) for k in range(6)], rel=1e-14
    )


@pytest.mark.parametrize("t", [1.0, 1.5, 4.25])
@pytest.mark.parametrize("ratio", [0.2, 0.75, 1.0])
def test_marchenko_pastur_powers_are_corners_of_fuss_catalan_laws(ratio, t):
    """S = (1 + ratio m)^(-t): two equations that share nothing but Fuss-Catalan's."""
    by_subordination = product_of(MarchenkoPastur(ratio, 3.0), t, method="subordination")
    corner = affine(free_compression(FussCatalan(t), ratio), scale=3.0**t)
    agree(by_subordination, corner, rtol=1e-10)


def test_fuss_catalan_laws_are_the_powers_of_marchenko_pastur():
    assert product_of(MarchenkoPastur(1.0), 2.5) == FussCatalan(2.5)
    assert product_of(FreePoisson(1.0, 1.0), 0.25) == FussCatalan(0.25)
    assert product_of(FussCatalan(0.25), 4.0) == MarchenkoPastur(1.0)
    scaled = product_of(affine(FussCatalan(2.0), scale=3.0), 1.5)
    assert scaled == affine(FussCatalan(3.0), scale=3.0**1.5)
    agree(product_of(MarchenkoPastur(1.0), 2.5, method="subordination"), FussCatalan(2.5))


@pytest.mark.parametrize(("trace", "t"), [(0.9, 1.5), (0.5, 1.5), (0.5, 2.0), (0.2, 3.7)])
def test_powers_of_a_projection_solve_their_explicit_equation(trace, t):
    """Z = (1 + m)/m ((a + m)/(1 + m))^t, with arguments in (-pi, 0)."""
    law = product_of(Discrete((0.0, 1.0), (1 - trace, trace)), t)
    z = points(law)
    m = z * law.stieltjes(z) - 1
    back = (1 + m) / m * np.exp(t * (np.log(trace + m) - np.log(1 + m)))
    np.testing.assert_allclose(back, z, rtol=1e-10)
    at_one = 1 - t * (1 - trace)
    known = [(0.0, 1 - trace), *([(1.0, at_one)] if at_one > 0 else [])]
    np.testing.assert_allclose(law.atoms, known, rtol=1e-14)


@pytest.mark.parametrize("name", ["uniform", "two points", "two intervals"])
def test_powers_of_powers_and_of_products(name):
    law = POSITIVE[name]
    agree(product_of(product_of(law, 1.5), 1.2), product_of(law, 1.8))
    other = Uniform(1.0, 2.0)
    both = product_of(free_product(law, other), 1.3)
    apart = free_product(product_of(law, 1.3), product_of(other, 1.3))
    assert isinstance(both, FreeProduct)
    agree(both, apart)
    agree(product_of(affine(law, scale=4.0), 1.5), affine(product_of(law, 1.5), scale=8.0))


def test_moments_and_atoms_follow_their_formulas():
    law, t = Discrete((1.0, 2.0, 7.0), (0.7, 0.2, 0.1)), 2.3
    power = product_of(law, t)
    spread = law.var() / law.mean() ** 2
    assert power.mean() == pytest.approx(law.mean() ** t, rel=1e-14)
    assert power.var() / power.mean() ** 2 == pytest.approx(t * spread, rel=1e-13)
    assert power.atoms == ((1.0, pytest.approx(1 - t * 0.3, rel=1e-13)),)
    x = np.linspace(*power.hull, 4001)
    mass = np.diff(power.cdf(x))
    middles = (x[1:] + x[:-1]) / 2
    third = (mass * middles**3).sum() + power.cdf(x[0]) * x[0] ** 3
    assert power.moment(3) == pytest.approx(third, rel=1e-5)


@pytest.mark.parametrize("t", [0.5, 0.01])
@pytest.mark.parametrize(
    "law",
    [
        MarchenkoPastur(0.4, 3.0),
        MarchenkoPastur(1.0),
        FussCatalan(1.7),
        pytest.param(
            free_product(MarchenkoPastur(0.4), FussCatalan(2.0), MarchenkoPastur(0.9, 2.0)),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_infinitely_divisible_laws_have_all_powers(law, t):
    root = product_of(law, t)
    assert root.mean() == pytest.approx(law.mean() ** t, rel=1e-13)
    agree(product_of(root, 1 / t), law, rtol=1e-9)
    if t == 0.5:
        agree(free_product(root, root), law, rtol=1e-9)


def test_powers_above_one_have_powers_below():
    law = product_of(Uniform(0.5, 2.0), 49)
    assert product_of(law, 1 / 49) == Uniform(0.5, 2.0)
    agree(product_of(product_of(Uniform(0.5, 2.0), 3.0), 0.5), product_of(Uniform(0.5, 2.0), 1.5))


@pytest.mark.parametrize(
    "law",
    [
        MarchenkoPastur(2.0),
        Uniform(0.0, 1.0),
        Discrete((0.0, 1.0), (0.5, 0.5)),
        free_product(Uniform(1.0, 2.0), MarchenkoPastur(0.5)),
        EmpiricalLaw([1.0, 2.0]),
        product_of(Uniform(0.5, 2.0), 1.5),
    ],
)
def test_powers_below_one_of_other_laws_are_refused(law):
    for method in ("automatic", "subordination"):
        with pytest.raises(
            ValueError, match=r"t = 0\.5 < 1 of .* is not known: .* infinitely divis"
        ):
            product_of(law, 0.5, method=method)


def test_one_copy_points_and_nothing():
    law = Uniform(0.5, 2.0)
    assert product_of(law, 1) is law
    assert product_of(Discrete((3.0,), (1.0,)), 0.5) == Discrete((3.0**0.5,), (1.0,))
    assert product_of([2.0, 2.0], 3).atoms == ((8.0, 1.0),)
    nothing = Discrete((0.0,), (1.0,))
    assert product_of(nothing, 2.5) == nothing


@pytest.mark.parametrize(("ratio", "t"), [(0.75, 4.25), (0.5, 9.0)])
def test_masses_beside_the_lower_edge_of_a_law_over_decades(ratio, t):
    """The edge is 1e-5 of the band: masses beside it were off by 1e-8, and the law refused."""
    law = product_of(MarchenkoPastur(ratio), t)
    ((low, high),) = law.support
    assert low < 2e-5 * high
    nodes, weights = np.polynomial.legendre.leggauss(200)
    for top in (1e-4 * high, 1e-2 * high):
        # x = low cosh(s)^2 is even in s at the edge and takes equal steps in the decades
        last = math.acosh(math.sqrt(top / low))
        s = last * (nodes + 1) / 2
        x, speed = low * np.cosh(s) ** 2, low * np.sinh(2 * s)
        mass = (law.pdf(x) * speed * weights).sum() * last / 2
        assert law.cdf(top) == pytest.approx(mass, abs=1e-12)


def test_many_copies():
    """With mean 1 the upper edge of t copies tends to e t var."""
    law = product_of(Uniform(0.5, 1.5), 2000.0)
    assert law.support[0][1] == pytest.approx(math.e * 2000 / 12, rel=0.02)
    assert law.mean() == 1.0
    with pytest.raises(ValueError, match="divide the law by its mean first"):
        product_of(Uniform(2.0, 3.0), 2000.0)


@pytest.mark.parametrize(
    ("law", "t", "options", "kind", "message"),
    [
        (Semicircle(), 2.0, {}, ValueError, "reaches down to -2"),
        (Uniform(-2.0, -1.0), 2.0, {}, ValueError, "reaches down to -2"),
        (KestenMcKay(3.0), 2.0, {"method": "subordination"}, ValueError, "reaches down to"),
        (Normal(), 2.0, {}, ValueError, "reaches down to -inf"),
        (Uniform(1.0, 2.0), 2.0, {"method": "rational"}, ValueError, "adds copies up"),
        (Uniform(1.0, 2.0), math.nan, {}, ValueError, "t must be a positive"),
        (Uniform(1.0, 2.0), 0.0, {}, ValueError, "t must be a positive"),
        (Uniform(1.0, 2.0), -1.0, {}, ValueError, "t must be a positive"),
        (Uniform(1.0, 2.0), "2", {}, TypeError, "t"),
        ([], 2.0, {}, TypeError, "one row of real numbers"),
        ([1.0, math.nan], 2.0, {}, ValueError, "eigenvalues"),
    ],
)
def test_what_has_no_product_of_copies_is_refused(law, t, options, kind, message):
    with pytest.raises(kind, match=message):
        product_of(law, t, **options)
    with pytest.raises(ValueError, match="unknown kind 'products'"):
        free_power(Uniform(1.0, 2.0), 2.0, kind="products")


def test_measured_eigenvalues_that_are_zero_within_rounding():
    values = np.array([-3e-16, 2e-16, 1.0, 2.0, 4.0])
    assert product_of(values, 1.5).atoms[0] == (0.0, pytest.approx(0.4))
    single = product_of(np.array([0.5, 1.0, 3.0], dtype=np.float32), 1.5)
    agree(single, product_of([0.5, 1.0, 3.0], 1.5))


def test_powers_are_values():
    law = product_of(Uniform(0.5, 2.0), 2.5)
    assert pickle.loads(pickle.dumps(law)) == law == FreeProduct((Uniform(0.5, 2.0),), (), (2.5,))
    assert hash(law) == hash(product_of(Uniform(0.5, 2.0), 2.5))
    assert law != product_of(Uniform(0.5, 2.0), 2.25)
    assert repr(law).endswith("powers=(2.5,))")
    assert "powers" not in repr(free_product(Uniform(0.5, 2.0), Arcsine(1.0, 2.0)))
    with pytest.raises(ValueError, match="powers of at least 1"):
        FreeProduct((Uniform(0.5, 2.0),), (), (0.5,))
    with pytest.raises(ValueError, match="one power for each"):
        FreeProduct((Uniform(0.5, 2.0),), (), (2.0, 2.0))


@pytest.mark.slow
def test_a_signed_factor_beside_a_power():
    power = product_of(Uniform(0.5, 2.0), 2.0)
    law = free_product(Semicircle(), power)
    copies = free_product(Semicircle(), Uniform(0.5, 2.0), Uniform(0.5, 2.0))
    np.testing.assert_allclose(np.ravel(law.support), np.ravel(copies.support), rtol=1e-9)
    z = points(copies)
    np.testing.assert_allclose(law.stieltjes(z), copies.stieltjes(z), rtol=1e-9)


def test_powers_are_divided():
    law, other = Uniform(0.5, 2.0), Arcsine(1.0, 2.0)
    total = free_product(product_of(law, 3.5), other)

    def rest(whole, part, **options):
        return free_deconvolution(whole, part, kind="multiplicative", **options).law

    assert rest(total, product_of(law, 1.5)) == free_product(product_of(law, 2.0), other)
    assert rest(total, free_product(law, law)) == free_product(product_of(law, 1.5), other)
    assert rest(total, product_of(law, 3.5)) == other
    assert rest(FussCatalan(2.5), MarchenkoPastur(1.0)) == FussCatalan(1.5)
    scaled = affine(product_of(law, 3.0), scale=5.0)
    agree(rest(scaled, law), affine(product_of(law, 2.0), scale=5.0))


def test_a_power_is_divided_by_its_moments():
    law = Uniform(0.5, 2.0)
    found = free_deconvolution(
        product_of(law, 2.5), product_of(law, 1.5), kind="multiplicative", method="moments", order=8
    )
    x = np.linspace(0.6, 1.9, 7)
    assert np.abs(found.law.cdf(x) - law.cdf(x)).max() <= found.error + 1e-12
    assert found.error < 1e-2


def test_equal_factors_may_stand_apart():
    """A light atom and a gap, whatever stands between two equal factors."""
    light, band = Discrete((1.0, 6.0), (0.9, 0.1)), Uniform(0.5, 3.0)
    agree(free_product(light, band, light), free_product(light, light, band))


def test_sums_of_powers_have_powers_below_one():
    """A corner may be enlarged again, up to the whole matrix."""
    law = Uniform(-1.0, 2.0)
    assert free_power(free_power(law, 49), 1 / 49) == law
    agree(free_power(free_power(law, 3.0), 0.5), free_power(law, 1.5))
    corner = free_compression(law, 0.25)
    assert affine(free_power(corner, 0.25), scale=4.0) == law
    agree(affine(free_power(corner, 0.5), scale=2.0), free_compression(law, 0.5))
    mixed = free_sum(free_power(law, 4.0), Semicircle(1.0))
    agree(free_power(mixed, 0.5), free_sum(free_power(law, 2.0), Semicircle(0.5)))
    shifted = affine(free_power(law, 2.0), shift=3.0)
    assert free_power(shifted, 0.5) == affine(law, shift=1.5)
    for whole in (mixed, shifted, free_sum(law, law)):
        with pytest.raises(ValueError, match=r"infinitely divisible laws only; got t = 0\.2"):
            free_power(whole, 0.2)


@pytest.mark.parametrize(("size", "t"), [(1e100, 2.0), (1e-160, 1.5), (1e150, 1.5)])
def test_products_of_copies_in_any_units(size, t):
    """Moments of order eight are beyond all numbers in these units."""
    law = free_power(Uniform(size, 2 * size), t, kind="multiplicative")
    unit = free_power(Uniform(1.0, 2.0), t, kind="multiplicative")
    x, scale = np.array([1.6, 2.0, 2.5]), size**t
    np.testing.assert_allclose(np.array(law.hull) / scale, unit.hull, rtol=1e-12)
    np.testing.assert_allclose(law.cdf(scale * x), unit.cdf(x), rtol=1e-10)
    np.testing.assert_allclose(scale * law.pdf(scale * x), unit.pdf(x), rtol=1e-10)
