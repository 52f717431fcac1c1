"""Laws made by trees of operations, three deep, from leaves of every family.

A tree is a Python expression, so that a failing example can be pasted. The default suite tests the
trees listed here; the slow tests draw others, some of which take a minute.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
from examples import examples
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from law_table import decades

import rmtland
from rmtland import free_compression, free_power, free_product, free_sum
from rmtland.free import FreeSum
from rmtland.laws import Discrete, Mixture, affine

DEPTH = 3


def some(test):
    """Draw trees for a test, which makes it a slow one."""
    drawn = settings(
        examples(3),
        phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes, and trees are readable
        suppress_health_check=[HealthCheck.too_slow],
    )
    return pytest.mark.slow(drawn(test))


def law_of(tree):
    """The law that an expression names."""
    names = {**vars(rmtland.laws), "free_sum": free_sum, "free_product": free_product}
    names |= {"free_power": free_power, "free_compression": free_compression}
    return eval(tree, names)


# Trees -------------------------------------------------------------------------------------------


def number(low, high):
    """Floats of three decimals, so that trees stay readable."""
    return st.floats(low, high).map(lambda x: round(x, 3) + 0.0)


def scale(low=1e-2, high=1e2):
    """Positive floats of three digits, uniform in the exponent."""
    return decades(low, high).map(lambda x: float(f"{x:.3g}"))


def call(name, *arguments):
    """Expressions name(argument, ...)."""
    return st.tuples(*arguments).map(lambda drawn: f"{name}({', '.join(map(str, drawn))})")


@st.composite
def point_masses(draw, low=-3.0):
    size = draw(st.integers(2, 5))
    places = draw(st.lists(number(low, 4), min_size=size, max_size=size, unique=True))
    if draw(st.booleans()):
        return f"EmpiricalLaw({places})"
    shares = np.array(draw(st.lists(st.integers(1, 20), min_size=size, max_size=size)))
    weights = (shares / shares.sum()).tolist()
    return f"Discrete({tuple(places)}, {tuple(weights)})"


@st.composite
def intervals(draw, name, low=-3.0):
    start = draw(number(low, 3))
    return f"{name}({start}, {start + draw(scale(0.1, 10))})"


@st.composite
def jacobi_weights(draw, low=-3.0):
    start = draw(number(low, 3))
    alpha, beta = draw(number(-0.8, 4)), draw(number(-0.8, 4))
    return f"JacobiWeight({alpha}, {beta}, {start}, {start + draw(scale(0.1, 10))})"


positive_leaves = st.one_of(
    call("MarchenkoPastur", scale(), scale(0.1, 10)),
    call("FreePoisson", scale(), scale(0.1, 10)),
    call("Wachter", scale(), scale()),
    call("FussCatalan", number(0.3, 4)),
    intervals("Arcsine", 0.0),
    intervals("Uniform", 0.0),
    jacobi_weights(0.0),
    point_masses(0.0),
)
leaves = st.one_of(
    positive_leaves,
    call("Semicircle", scale(1e-3), number(-3, 3)),
    call("KestenMcKay", number(1.1, 8)),
    call("FreeMeixner", number(-2, 2), number(-0.95, 2)),
    call("FreePoisson", scale(), scale(0.1, 10).map(lambda x: -x)),
    intervals("Arcsine"),
    intervals("Uniform"),
    jacobi_weights(),
    point_masses(),
)


def shares():
    return number(0.05, 0.95)


@st.composite
def mixtures(draw, laws):
    share = draw(shares())
    return f"mixture([{draw(laws)}, {draw(laws)}], [{share}, {1 - share}])"


@st.composite
def images(draw, laws, signed=True):
    sign = draw(st.sampled_from([-1, 1])) if signed else 1
    factor, shift = sign * draw(scale(0.1, 10)), draw(number(-3 if signed else 0, 3))
    return f"affine({draw(laws)}, scale={factor}, shift={shift})"


def positive_trees(depth=DEPTH):
    if depth == 0:
        return positive_leaves
    below = st.deferred(lambda: st.one_of(positive_leaves, positive_trees(depth - 1)))
    return st.one_of(
        call("free_sum", below, below),
        call("free_product", below, below),
        call("free_power", below, number(1, 6)),
        call("free_compression", below, number(0.1, 1)),
        images(below, signed=False),
        mixtures(below),
    )


def trees(depth=DEPTH):
    if depth == 0:
        return leaves
    below = st.deferred(lambda: st.one_of(leaves, trees(depth - 1)))
    positive = positive_trees(depth - 1)
    return st.one_of(
        call("free_sum", below, below),
        call("free_product", positive, positive),
        call("free_power", below, number(1, 6)),
        call("free_compression", below, number(0.1, 1)),
        images(below),
        mixtures(below),
    )


# What is computed apart from the law -------------------------------------------------------------

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)


def ends(law):
    places = [*np.ravel(law.support), *(place for place, _ in law.atoms)]
    return min(places), max(places)


def pieces(law):
    """Bands, cut at their atoms and at the ends of the components of a mixture."""
    parts = law.laws if isinstance(law, Mixture) else [law]
    cuts = {end for part in parts for band in part.support for end in band}
    cuts |= {place for place, _ in law.atoms}
    for low, high in law.support:
        yield from pairwise(sorted({low, high, *(cut for cut in cuts if low < cut < high)}))


def moments(law, low, high, k, tolerance):
    """Integrals of (x/r)^j pdf(x), j = 0..k, r the reach of the law, over part of a piece.

    Adaptive Gauss quadrature in v, x = low + (high - low)/(1 + exp(-v)), with which algebraic
    ends decay exponentially; an interval is split until its halves agree with it.
    """
    reach = max(map(abs, ends(law)))

    def panels(start, stop):
        middle, half = (start + stop)[:, None] / 2, (stop - start)[:, None] / 2
        v = middle + half * _NODES
        share, rest = 1 / (1 + np.exp(-v)), 1 / (1 + np.exp(v))
        x = np.where(v < 0, low + (high - low) * share, high - (high - low) * rest)
        density = law.pdf(x)
        density[np.isinf(density)] = 0.0  # only where x was rounded onto an end
        mass = density * (high - low) * share * rest * half * _WEIGHTS
        return np.array([((x / reach) ** j * mass).sum(axis=1) for j in range(k + 1)])

    # What is nearer to an end than 1e-14 of the piece is left to the distribution function.
    cuts = np.linspace(math.log(1e-14), -math.log(1e-14), 17)
    inner = low + (high - low) * 1e-14, high - (high - low) * 1e-14
    tails = law.cdf(inner[0]) - law.cdf(low), law.mass_below(high) - law.cdf(inner[1])
    total = sum(
        tail * (end / reach) ** np.arange(k + 1)
        for tail, end in zip(tails, (low, high), strict=True)
    )
    start, stop = cuts[:-1], cuts[1:]
    whole = panels(start, stop)
    for _ in range(40):
        middle = (start + stop) / 2
        left, right = panels(start, middle), panels(middle, stop)
        miss = np.abs(whole - left - right).max(axis=0)
        done = miss <= tolerance
        total += (left + right)[:, done].sum(axis=1)
        if done.all():
            return total
        open_ = ~done
        start, stop = (
            np.concatenate([start[open_], middle[open_]]),
            np.concatenate([middle[open_], stop[open_]]),
        )
        whole = np.concatenate([left[:, open_], right[:, open_]], axis=1)
    raise AssertionError(f"quadrature of {law} over [{low}, {high}] did not settle")


def blur(law):
    """Mass that rounding of x moves beside an end other than 0 where the density is unbounded."""
    return 1e-7 if any(end and np.isinf(law.pdf(end)) for end in np.ravel([*pieces(law)])) else 0.0


# Every tree is a law -----------------------------------------------------------------------------


def check_moments(law):
    """Mass, mean, variance and two more moments of density and atoms are the exact ones."""
    reach = max(map(abs, ends(law)))
    got = sum(moments(law, low, high, 4, 1e-13) for low, high in pieces(law))
    got = got + sum(m * (place / reach) ** np.arange(5) for place, m in law.atoms)
    exact = [law.moment(k) / reach**k for k in range(5)]
    np.testing.assert_allclose(got, exact, atol=1e-10 + blur(law))


def check_cdf(law):
    """The distribution function rises by the mass of every band and atom, from 0 to 1."""
    bottom, top = ends(law)
    assert law.cdf(np.nextafter(bottom, -math.inf) if bottom else -1e-300) == 0
    level = 0.0
    jumps = dict(law.atoms)
    for low, high in sorted([*pieces(law), *((place, place) for place in jumps)]):
        if low == high:
            level += jumps[low]
            continue
        x = low + (high - low) * np.array([1e-4, 0.2, 0.6, 1 - 1e-4])
        steps = [moments(law, a, b, 0, 1e-13)[0] for a, b in pairwise([low, *x, high])]
        levels = level + np.cumsum(steps)
        np.testing.assert_allclose(law.cdf(x), levels[:-1], atol=1e-10 + blur(law))
        level = levels[-1]
    assert level == pytest.approx(1, abs=1e-10 + blur(law))
    assert law.cdf(top) == pytest.approx(1, abs=1e-12)


def check_ppf(law):
    q = np.concatenate([np.linspace(0.003, 0.997, 25), [1e-6, 1 - 1e-6]])
    x = law.ppf(np.sort(q))
    assert (np.diff(x) >= 0).all()
    slack = 1e-11 * (ends(law)[1] - ends(law)[0])
    assert (law.cdf(x + slack) >= np.sort(q) - 1e-11).all()
    assert (law.mass_below(x - slack) <= np.sort(q) + 1e-11).all()


def check_stieltjes(law):
    """Im G < 0, L' = G, and G is the integral over the law."""
    low, high = ends(law)
    z = low + (high - low) * np.array([-0.3, 0.1, 0.45, 0.8, 1.2])
    z = z + 1j * (high - low) * np.array([0.5, 0.02, 0.1, 1e-3, 2.0])
    g = law.stieltjes(z)
    assert (g.imag < 0).all()
    turn = np.exp(2j * np.pi * np.arange(32) / 32)
    radius = z.imag[:, None] / 4
    slope = (law.log_potential(z[:, None] + radius * turn) / (radius * turn)).mean(axis=1)
    np.testing.assert_allclose(slope, g, rtol=1e-9)


CHECKS = [check_moments, check_cdf, check_ppf, check_stieltjes]


TREES = [
    "free_sum(MarchenkoPastur(1.0, 1.0), MarchenkoPastur(1.0, 1.0))",
    "mixture([JacobiWeight(-0.533, -0.407, 2.484, 4.994), Uniform(-2.677, 2.943)], [0.368, 0.632])",
    "free_power(mixture([KestenMcKay(6.428), Wachter(59.8, 0.146)], [0.782, 0.218]), 5.027)",
    "affine(FreePoisson(5.57, -1.0), scale=-1.0)",
    "mixture([free_compression(Uniform(1.0, 6.61), 0.397), Uniform(1.366, 2.366)], [0.774, 0.226])",
    "affine(affine(FussCatalan(0.402), scale=5.62, shift=0.106), shift=-1.322)",
    "free_sum(EmpiricalLaw([1.963, 0.0, 1.327, 0.165]), free_compression(FreeMeixner(0, 2), 0.3))",
    "free_sum(EmpiricalLaw([1.963, 0, 1.327, 0.165]),"
    " free_compression(EmpiricalLaw([1.963, 0.0, 1.327, 0.165]), 0.1))",
    "free_product(free_sum(Discrete((1, 3), (0.6, 0.4)), Uniform(0, 0.5)), MarchenkoPastur(0.7))",
    "free_product(free_compression(Discrete((3.352, 0.0), (0.4, 0.6)), 0.3), Arcsine(0.5, 2.0))",
    "free_power(EmpiricalLaw([-1.06, 0.0, 1.533]), 2.133)",
    "free_compression(free_sum(FreePoisson(3.1, -0.4), Semicircle(0.2, 1.0)), 0.45)",
]


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("tree", TREES)
def test_listed_trees_are_laws(tree):
    law = law_of(tree)
    for check in CHECKS:
        check(law)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:])
@given(tree=trees())
@some
def test_trees_are_laws(check, tree):
    check(law_of(tree))


# Identities of the operations ---------------------------------------------------------------------


def agree(one, two, *, rtol=1e-8):
    """Two laws with the same edges, atoms, density, distribution function and transform."""
    low, high = ends(one)
    width = high - low
    np.testing.assert_allclose(two.support, one.support, atol=1e-9 * width)
    np.testing.assert_allclose(np.ravel(two.atoms), np.ravel(one.atoms), atol=1e-9 * (1 + width))
    x = np.concatenate(
        [[], *(a + (b - a) * np.array([0.07, 0.3, 0.52, 0.81, 0.96]) for a, b in one.support)]
    )
    np.testing.assert_allclose(two.pdf(x), one.pdf(x), rtol=rtol, atol=1e-10 / width)
    np.testing.assert_allclose(two.cdf(x), one.cdf(x), atol=1e-10)
    z = low + width * np.array([-0.4 + 0.1j, 0.3 + 0.02j, 0.6 + 1j, 3.0])
    np.testing.assert_allclose(two.stieltjes(z), one.stieltjes(z), rtol=rtol)
    for k in (1, 2, 3, 4):
        reach = max(abs(low), abs(high)) ** k
        assert two.moment(k) / reach == pytest.approx(one.moment(k) / reach, abs=1e-13)


pairs = {"one": trees(1), "two": trees(1)}
positive_pairs = {"one": positive_trees(1), "two": positive_trees(1)}


@given(**pairs)
@some
def test_cumulants_add(one, two):
    one, two = law_of(one), law_of(two)
    total = free_sum(one, two)
    expected = one.free_cumulants(6) + two.free_cumulants(6)
    size = (np.abs(one.free_cumulants(6)) + np.abs(two.free_cumulants(6))).max()
    np.testing.assert_allclose(total.free_cumulants(6), expected, rtol=1e-13, atol=1e-13 * size)
    check_moments(total)


@given(**positive_pairs)
@some
def test_moments_of_products(one, two):
    one, two = law_of(one), law_of(two)
    a, b = [one.moment(k) for k in range(4)], [two.moment(k) for k in range(4)]
    product = free_product(one, two)
    assert product.mean() == pytest.approx(a[1] * b[1], rel=1e-13, abs=0)
    second = a[2] * b[1] ** 2 + a[1] ** 2 * b[2] - (a[1] * b[1]) ** 2
    assert product.moment(2) == pytest.approx(second, rel=1e-12, abs=0)
    check_moments(product)


@given(**pairs)
@some
def test_sums_commute(one, two):
    one, two = law_of(one), law_of(two)
    agree(free_sum(one, two), free_sum(two, one))


@given(**positive_pairs)
@some
def test_products_commute(one, two):
    one, two = law_of(one), law_of(two)
    agree(free_product(one, two), free_product(two, one))


@given(one=leaves, two=leaves, three=leaves)
@some
def test_sums_associate(one, two, three):
    one, two, three = map(law_of, (one, two, three))
    nested = FreeSum((affine(free_sum(one, two), shift=1.0), three), (1.0, 1.0))
    agree(affine(nested, shift=-1.0), free_sum(one, free_sum(two, three)))


@given(one=positive_leaves, two=positive_leaves, three=positive_leaves)
@some
def test_products_associate(one, two, three):
    one, two, three = map(law_of, (one, two, three))
    agree(free_product(free_product(one, two), three), free_product(one, free_product(two, three)))


@given(
    one=call("MarchenkoPastur", scale(0.1, 10), scale(0.1, 10)),
    two=call("Semicircle", scale(0.01, 10), number(-3, 3)),
)
@some
def test_routes_agree(one, two):
    one, two = law_of(one), law_of(two)
    agree(free_sum(one, two), free_sum(one, two, method="subordination"))


@given(tree=trees(2), place=number(-3, 3))
@some
def test_point_masses_are_shifts_and_scales(tree, place):
    law = law_of(tree)
    agree(free_sum(law, Discrete((place,), (1.0,))), affine(law, shift=place))
    assert free_sum(law, Discrete((0.0,), (1.0,))) == law


@given(tree=positive_trees(2), place=scale(0.1, 10))
@some
def test_positive_point_masses_are_factors(tree, place):
    law = law_of(tree)
    agree(free_product(law, Discrete((place,), (1.0,))), affine(law, scale=place))
    assert free_product(law, Discrete((1.0,), (1.0,))) == law


@given(tree=trees(1), s=number(1, 4), t=number(1, 4))
@some
def test_powers_of_powers(tree, s, t):
    law = law_of(tree)
    agree(free_power(law, s * t), free_power(free_power(law, s), t))


@given(tree=trees(1), s=number(0.3, 1), t=number(0.3, 1))
@some
def test_compressions_of_compressions(tree, s, t):
    law = law_of(tree)
    agree(free_compression(law, s * t), free_compression(free_compression(law, s), t))


@given(tree=trees(1), t=number(1, 4), factor=scale(0.1, 10), place=number(-3, 3))
@some
def test_affine_maps_commute_with_powers(tree, t, factor, place):
    law = law_of(tree)
    agree(
        affine(free_power(law, t), scale=-factor, shift=t * place),
        free_power(affine(law, scale=-factor, shift=place), t),
    )


@given(**pairs, factor=scale(0.1, 10), place=number(-3, 3))
@some
def test_affine_maps_commute_with_sums(one, two, factor, place):
    one, two = law_of(one), law_of(two)
    parts = affine(one, scale=-factor, shift=place), affine(two, scale=-factor)
    agree(affine(free_sum(one, two), scale=-factor, shift=place), free_sum(*parts))


@given(**pairs, t=number(1, 4))
@some
def test_powers_of_sums_are_sums_of_powers(one, two, t):
    one, two = law_of(one), law_of(two)
    agree(free_power(free_sum(one, two), t), free_sum(free_power(one, t), free_power(two, t)))


# Identities of listed trees ----------------------------------------------------------------------

SIGNED = [
    ("free_compression(KestenMcKay(4.878), 0.533)", "affine(Wachter(43.2, 0.0129), shift=2.907)"),
    ("free_sum(Semicircle(66.6, -0.789), Semicircle(0.00221, 1.855))", "FreePoisson(2.3, -0.6)"),
    ("free_power(EmpiricalLaw([-1.06, 0.0, 1.533]), 2.133)", "Uniform(-0.4, 1.7)"),
    (
        "mixture([Discrete((-1.0, 2.0), (0.3, 0.7)), Semicircle(0.3, 1.0)], [0.6, 0.4])",
        "free_compression(MarchenkoPastur(1.0, 8.36), 0.824)",
    ),
]
POSITIVE = [
    ("free_sum(MarchenkoPastur(1.0, 1.0), MarchenkoPastur(1.0, 1.0))", "MarchenkoPastur(2.0, 0.7)"),
    ("free_compression(Uniform(1.0, 2.0), 0.4)", "Discrete((0.5, 2.0), (0.4, 0.6))"),
    ("affine(EmpiricalLaw([0.0, 3.338, 2.209]), scale=1.4)", "Arcsine(0.3, 1.1)"),
]
PAIRS = {
    "signed": [{"one": one, "two": two} for one, two in SIGNED],
    "positive": [{"one": one, "two": two} for one, two in POSITIVE],
    "signed trees": [{"tree": tree} for pair in SIGNED for tree in pair],
    "positive trees": [{"tree": tree} for pair in POSITIVE for tree in pair],
}
LISTED = [
    (test_cumulants_add, "signed", {}),
    (test_moments_of_products, "positive", {}),
    (test_sums_commute, "signed", {}),
    (test_products_commute, "positive", {}),
    (test_sums_associate, "signed", {"three": "Arcsine(-0.6, 1.3)"}),
    (test_products_associate, "positive", {"three": "Wachter(0.4, 0.7)"}),
    (test_point_masses_are_shifts_and_scales, "signed trees", {"place": -1.3}),
    (test_positive_point_masses_are_factors, "positive trees", {"place": 0.37}),
    (test_powers_of_powers, "signed trees", {"s": 1.7, "t": 2.4}),
    (test_compressions_of_compressions, "signed trees", {"s": 0.8, "t": 0.55}),
    (test_affine_maps_commute_with_powers, "signed trees", {"t": 2.6, "factor": 0.3, "place": 1.9}),
    (test_affine_maps_commute_with_sums, "signed", {"factor": 2.3, "place": -0.7}),
    (test_powers_of_sums_are_sums_of_powers, "signed", {"t": 2.2}),
]


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    ("identity", "operands"),
    [
        pytest.param(test, row | more, id=f"{test.__name__[5:]}-{number}")
        for test, rows, more in LISTED
        for number, row in enumerate(PAIRS[rows])
    ],
)
def test_identities_of_listed_trees(identity, operands):
    identity.hypothesis.inner_test(**operands)
