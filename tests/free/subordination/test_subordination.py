"""Sums, powers and products by subordination: known answers, other routes, invariants."""

import functools
import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from law_table import exact_roots

from rmtland.free import (
    FreeProduct,
    FreeSum,
    free_compression,
    free_power,
    free_product,
    free_sum,
    general_marchenko_pastur,
)
from rmtland.free.subordination.state import SubordinationState
from rmtland.laws import LevyLaw, MarchenkoPastur, Semicircle, Wachter
from rmtland.laws.affine_law import affine
from rmtland.laws.arcsine import Arcsine
from rmtland.laws.discrete import Discrete
from rmtland.laws.fuss_catalan import FussCatalan
from rmtland.laws.kesten_mckay import KestenMcKay
from rmtland.laws.uniform import Uniform

SIGN = Discrete((-1.0, 1.0), (0.5, 0.5))
FIVE = Discrete((-3.0, -1.0, 0.0, 2.0, 4.0), (0.1, 0.2, 0.3, 0.2, 0.2))
LAWS = {
    "wishart + wigner": FreeSum((MarchenkoPastur(0.5), Semicircle(0.6)), (1.0, 1.0)),
    "wishart + wigner, two bands": FreeSum((MarchenkoPastur(1.93), Semicircle(0.0176)), (1.0, 1.0)),
    "three signs": free_sum(SIGN, SIGN, SIGN),
    "sign to the power 1.5, atoms": free_power(SIGN, 1.5),
    "semicircle + uniform": free_sum(Semicircle(0.2), Uniform(-1.0, 2.0)),
    "arcsine + wishart": free_sum(Arcsine(-1.0, 1.5), MarchenkoPastur(0.7, 0.6)),
    "five atoms + noise": free_sum(FIVE, Semicircle(0.01)),
    "two atomic laws": free_sum(
        Discrete((0.0, 1.0), (0.3, 0.7)), Discrete((0.0, 2.0, 3.0), (0.6, 0.2, 0.2))
    ),
    "wishart x wishart": free_product(MarchenkoPastur(0.5), MarchenkoPastur(0.2, 2.0)),
    "wishart x wishart, null space": free_product(MarchenkoPastur(2.0), MarchenkoPastur(0.5)),
    "uniform x wishart": free_product(Uniform(1.0, 3.0), MarchenkoPastur(0.3)),
    "uniform x uniform": free_product(Uniform(1.0, 3.0), Uniform(0.5, 2.0)),
    "atoms x atoms": free_product(
        Discrete((0.0, 1.0), (0.3, 0.7)), Discrete((0.0, 2.0, 3.0), (0.6, 0.2, 0.2))
    ),
    "two populations": general_marchenko_pastur(Discrete((1.0, 10.0), (0.6, 0.4)), 0.05),
    "sum of a product and a power": free_sum(
        free_product(Uniform(1.0, 2.0), MarchenkoPastur(0.4)), free_power(Uniform(-1.0, 1.0), 2.5)
    ),
    "corner": free_compression(Uniform(-1.0, 1.0), 0.4),
}


def inside(law, size=12):
    t = np.pi * (np.arange(size) + 0.5) / size
    return np.concatenate([low + (high - low) * np.sin(t / 2) ** 2 for low, high in law.support])


NODES, WEIGHTS = np.polynomial.legendre.leggauss(240)


@functools.cache
def masses(law, low, high):
    """Points and the mass of the density at each, by Gauss quadrature in t = 2 arcsin sqrt."""
    t = np.pi * (NODES + 1) / 2
    x = low + (high - low) * np.sin(t / 2) ** 2
    return x, np.pi / 2 * WEIGHTS * law.pdf(x) * (high - low) * np.sin(t) / 2


def integral(function, law):
    """Integral of function(x) times the density over all bands."""
    total = 0.0
    for low, high in law.support:
        x, mass = masses(law, low, high)
        total += np.sum(function(x) * mass)
    return total


@pytest.fixture(params=LAWS, scope="module")
def law(request):
    return LAWS[request.param]


def test_mass_is_one(law):
    mass = integral(lambda x: 1.0, law) + sum(weight for _, weight in law.atoms)
    assert mass == pytest.approx(1, abs=2e-8)


def test_mean_and_variance_are_those_of_the_density(law):
    first = integral(lambda x: x, law) + sum(w * x for x, w in law.atoms)
    second = integral(lambda x: x * x, law) + sum(w * x * x for x, w in law.atoms)
    scale = max(abs(end) for band in law.support for end in band)
    assert law.mean() == pytest.approx(first, abs=2e-8 * scale)
    assert law.var() == pytest.approx(second - first**2, abs=4e-8 * scale**2)


def test_distribution_function_grows_by_the_density(law):
    for low, high in law.support:
        cuts = low + (high - low) * np.array([0.1, 0.35, 0.8])
        for left, right in itertools.pairwise(cuts):
            grown = masses(law, left, right)[1].sum()
            assert law.cdf(right) - law.cdf(left) == pytest.approx(grown, abs=1e-11)


def test_distribution_function_has_its_steps_and_ends(law):
    lowest = min([low for low, _ in law.support] + [x for x, _ in law.atoms])
    highest = max([high for _, high in law.support] + [x for x, _ in law.atoms])
    assert law.cdf([lowest - 1, -np.inf]) == pytest.approx([0, 0], abs=0)
    assert law.cdf([highest, highest + 1, np.inf]) == pytest.approx([1, 1, 1], abs=1e-14)
    for place, mass in law.atoms:
        assert law.cdf(place) - law.mass_below(place) == pytest.approx(mass, abs=1e-14)
    x = np.sort(np.concatenate([inside(law), [x for x, _ in law.atoms]]))
    assert (np.diff(law.cdf(x)) > 0).all()


def test_quantiles_invert_the_distribution_function(law):
    x = inside(law)
    assert law.ppf(law.cdf(x)) == pytest.approx(x, abs=1e-9)


def test_stieltjes_solves_the_equation_and_keeps_its_half_plane(law):
    rng = np.random.default_rng(5)
    low, high = law.support[0][0], law.support[-1][1]
    z = rng.uniform(low - 1, high + 1, 30) + 1j * np.exp(rng.uniform(np.log(1e-6), 2, 30))
    g = law.stieltjes(z)
    assert (g.imag < 0).all()
    assert law.stieltjes(z.conj()) == pytest.approx(g.conj(), rel=1e-13)
    z, g = z[z.imag > 1e-2], g[z.imag > 1e-2]  # where differences have enough digits
    numeric = (law.stieltjes(z + 1e-3 * z.imag) - law.stieltjes(z - 1e-3 * z.imag)) / (
        2e-3 * z.imag
    )
    _, slope = law._jet(z)
    assert slope == pytest.approx(numeric, rel=1e-5)
    potential = (law.log_potential(z * (1 + 1e-5j)) - law.log_potential(z * (1 - 1e-5j))) / (
        2e-5j * z
    )
    assert potential == pytest.approx(g, rel=1e-5)


def test_stieltjes_is_the_integral_over_the_law(law):
    high = law.support[-1][1]
    for z in (high + 1.0 + 0.7j, law.support[0][0] - 2.0):
        total = integral(lambda x, z=z: 1 / (z - x), law)
        total += sum(w / (z - x) for x, w in law.atoms)
        assert law.stieltjes(z) == pytest.approx(total, abs=1e-7)


def test_gaps_are_gaps_and_bands_are_bands(law):
    assert (law.pdf(inside(law, 60)) > 0).all()
    for (_, left), (right, _) in itertools.pairwise(law.support):
        x = left + (right - left) * np.array([0.25, 0.5, 0.75])
        assert (law.pdf(x) == 0).all()
        x = x[
            [
                min(abs(x0 - place) for place in [np.inf] + [p for p, _ in law.atoms]) > 1e-9
                for x0 in x
            ]
        ]
        g = law.stieltjes(x)
        assert np.abs(g.imag).max(initial=0) == 0
        assert (np.diff(g.real) < 0).all()


def test_solutions_carry_their_residual(law):
    if not isinstance(law, FreeSum | FreeProduct):
        pytest.skip("an affine image, which has no equation of its own")
    x = inside(law)
    solution = law.solve(x)
    assert solution.converged
    assert solution.residual.max() < 1e-13
    assert solution.steps.max() < 40
    assert -solution.value.imag / np.pi == pytest.approx(law.pdf(x), rel=1e-13)
    with pytest.raises(ValueError, match="Im z >= 0"):
        law.solve(1 - 1j)


# Known answers ---------------------------------------------------------------------------------


def test_two_signs_are_the_arcsine_law():
    law = free_sum(SIGN, SIGN)
    ((low, high),) = law.support
    assert (low, high) == pytest.approx((-2, 2), abs=1e-14)
    assert law.atoms == ()
    x = np.linspace(-1.999, 1.999, 999)
    assert law.pdf(x) == pytest.approx(Arcsine(-2.0, 2.0).pdf(x), abs=1e-11)
    assert law.cdf(x) == pytest.approx(Arcsine(-2.0, 2.0).cdf(x), abs=1e-13)


@pytest.mark.parametrize("degree", [3, 4])
def test_signs_add_up_to_kesten_mckay(degree):
    x = np.linspace(-2, 2, 501)[1:-1] * math.sqrt(degree - 1)
    known = KestenMcKay(float(degree))
    for law in (free_sum(*[SIGN] * degree), free_power(SIGN, degree)):
        assert np.ravel(law.support) == pytest.approx(np.ravel(known.support), abs=1e-13)
        assert law.pdf(x) == pytest.approx(known.pdf(x), abs=1e-11)
        assert law.moment(6) == known.moment(6)


@pytest.mark.parametrize("order", [2, 3])
def test_products_of_square_wisharts_are_fuss_catalan(order):
    law = free_product(*[MarchenkoPastur(1.0)] * order)
    known = FussCatalan(float(order))
    ((low, high),) = law.support
    assert low == 0
    assert high == pytest.approx(known.support[0][1], rel=1e-13)
    x = high * np.linspace(0.01, 0.99, 99)
    assert law.pdf(x) == pytest.approx(known.pdf(x), rel=1e-11)
    assert law.cdf(x) == pytest.approx(known.cdf(x), abs=1e-12)
    assert [law.moment(k) for k in range(1, 6)] == [known.moment(k) for k in range(1, 6)]


def test_the_route_by_subordination_equals_the_rational_one():
    rng = np.random.default_rng(2)
    for _ in range(12):
        laws = (
            MarchenkoPastur(math.exp(rng.uniform(-2, 2)), math.exp(rng.uniform(-1, 1))),
            Semicircle(math.exp(rng.uniform(-5, 1)), rng.normal()),
        )
        exact = free_sum(*laws, method="rational")
        generic = free_sum(*laws, method="subordination")
        assert np.ravel(generic.support) == pytest.approx(np.ravel(exact.support), abs=1e-12)
        x = inside(exact, 40)
        assert generic.pdf(x) == pytest.approx(exact.pdf(x), rel=1e-11, abs=1e-13)
        assert generic.cdf(x) == pytest.approx(exact.cdf(x), abs=1e-12)
        z = rng.normal(size=8) + 1j * np.exp(rng.normal(size=8))
        assert generic.stieltjes(z) == pytest.approx(exact.stieltjes(z), rel=1e-12)
        assert generic.log_potential(z) == pytest.approx(exact.log_potential(z), abs=1e-12)


def test_products_of_wisharts_solve_their_cubic():
    rng = np.random.default_rng(3)
    for _ in range(12):
        one, two = np.exp(rng.uniform(-3, 1.5, 2))
        law = free_product(MarchenkoPastur(one), MarchenkoPastur(two))
        # z m = (1 + m)(1 + one m)(1 + two m); its edges are real critical values
        cubic = np.polymul(np.polymul([1, 1], [one, 1]), [two, 1])
        critical = np.roots(np.polysub(np.polymul(np.polyder(cubic), [1, 0]), cubic))
        critical = critical[np.abs(critical.imag) < 1e-9].real
        values = np.polyval(cubic, critical) / critical
        for end in np.ravel(law.support):
            assert np.abs(values - end).min() < 1e-9 * values.max()
        null = max(1 - 1 / one, 1 - 1 / two, 0)
        assert sum(mass for _, mass in law.atoms) == pytest.approx(null, abs=1e-14)
        for x in inside(law, 9):
            roots = np.roots(np.polysub(cubic, [x, 0]))
            m = roots[np.argmin(roots.imag)]
            assert law.pdf(x) == pytest.approx(-((1 + m) / x).imag / np.pi, rel=1e-9)


@examples(12)
@given(
    st.lists(st.floats(-4, 4), min_size=2, max_size=5, unique=True),
    st.floats(-4, 1),
    st.data(),
)
def test_atoms_and_noise_against_the_polynomial(places, size, data):
    places = sorted(places)
    if min(b - a for a, b in itertools.pairwise(places)) < 0.05:
        return
    weights = np.array(
        data.draw(st.lists(st.floats(0.1, 1), min_size=len(places), max_size=len(places)))
    )
    weights /= weights.sum()
    variance = math.exp(size)
    law = free_sum(Discrete(tuple(places), tuple(weights)), Semicircle(variance))
    assert sum(high - low for low, high in law.support) > 0
    # z = w + v G(w): roots of a polynomial in w; the physical one is the one with Im w > 0.
    others = [weight * np.poly(places[:i] + places[i + 1 :]) for i, weight in enumerate(weights)]
    density_at = inside(law, 7)
    for x in density_at:
        polynomial = np.polymul([1, -x], np.poly(places))
        for term in others:
            polynomial = np.polyadd(polynomial, variance * term)
        roots = np.roots(polynomial)
        w = roots[np.argmax(roots.imag)]
        g = (x - w) / variance
        assert law.pdf(x) == pytest.approx(-g.imag / np.pi, rel=1e-5, abs=1e-7)
    masses = [law.cdf(high) - law.cdf(low) for low, high in law.support]
    assert sum(masses) == pytest.approx(1, abs=1e-12)


def test_monte_carlo_of_a_nested_tree():
    law = LAWS["sum of a product and a power"]
    rng = np.random.default_rng(11)
    n = 600

    def haar():
        q, r = np.linalg.qr(rng.standard_normal((n, n)))
        return q * np.sign(np.diag(r))

    x = rng.standard_normal((n, int(n / 0.4))) / math.sqrt(n / 0.4)
    root = np.sqrt(np.linspace(1, 2, n))
    product = root[:, None] * (x @ x.T) * root[None, :]
    big = int(2.5 * n)
    corner = np.linspace(-1, 1, big)
    q, _ = np.linalg.qr(rng.standard_normal((big, n)))
    power = 2.5 * (q.T * corner) @ q  # t times a corner of relative size 1/t
    turn = haar()
    eigenvalues = np.linalg.eigvalsh(product + turn @ power @ turn.T)
    levels = (np.arange(n) + 0.5) / n
    # Rigid eigenvalues: deviations of the distribution function are of order log(n)/n.
    assert np.abs(law.cdf(eigenvalues) - levels).max() < 10 * math.log(n) / n / 2


def test_sums_are_commutative_associative_and_have_exact_cumulants():
    a, b, c = Uniform(0.0, 1.0), FIVE, Arcsine(-1.0, 1.0)
    one, two = free_sum(a, free_sum(b, c)), free_sum(free_sum(c, a), b)
    x = inside(one, 9)
    assert two.pdf(x) == pytest.approx(one.pdf(x), rel=1e-10)
    kappa = [law._exact_cumulants(8) for law in (a, b, c)]
    assert one._exact_cumulants(8) == [
        sum(values, Fraction(0)) for values in zip(*kappa, strict=True)
    ]
    assert one.moment(40) > 0


def test_products_are_associative_with_exact_moments():
    a, b, c = Uniform(1.0, 2.0), MarchenkoPastur(0.5), Discrete((1.0, 3.0), (0.5, 0.5))
    one, two = free_product(a, free_product(b, c)), free_product(free_product(c, a), b)
    assert one._exact_moments(6) == two._exact_moments(6)
    assert one.mean() == pytest.approx(a.mean() * b.mean() * c.mean(), rel=1e-15)
    x = inside(one, 9)
    assert two.pdf(x) == pytest.approx(one.pdf(x), rel=1e-9)


def test_powers_and_corners():
    assert isinstance(free_power(MarchenkoPastur(0.5), 0.3), LevyLaw)
    assert free_power(MarchenkoPastur(0.5), 3.0).var() == pytest.approx(1.5)
    assert free_power(SIGN, 1.0) is SIGN
    law = free_compression(MarchenkoPastur(0.5), 0.25)
    # a corner of a Wishart matrix is a Wishart matrix
    known = MarchenkoPastur(0.125)
    x = inside(known)
    assert law.pdf(x) == pytest.approx(known.pdf(x), rel=1e-12)
    corner = free_compression(SIGN, 0.5)
    assert corner.pdf([0.3, -0.7]) == pytest.approx(Arcsine(-1.0, 1.0).pdf([0.3, -0.7]), rel=1e-11)
    with pytest.raises(ValueError, match="infinitely divisible"):
        free_power(SIGN, 0.5)
    with pytest.raises(ValueError, match="at most 1"):
        free_compression(SIGN, 1.5)
    for wrong in (0, -1, math.nan):
        with pytest.raises(ValueError, match="positive"):
            free_power(SIGN, wrong)


def test_products_refuse_what_they_cannot_multiply():
    with pytest.raises(ValueError, match="both sides of zero"):
        free_product(Semicircle(), Semicircle())
    with pytest.raises(ValueError, match="at least one"):
        free_product()
    with pytest.raises(TypeError, match="takes laws"):
        free_product(MarchenkoPastur(0.5), 2.0)
    with pytest.raises(ValueError, match="all its mass at zero"):
        free_product(Discrete((0.0,), (1.0,)), MarchenkoPastur(0.5))


def test_scaling_a_factor_scales_the_product():
    one = free_product(Uniform(1.0, 2.0), MarchenkoPastur(0.5))
    two = free_product(affine(Uniform(1.0, 2.0), scale=3.0), MarchenkoPastur(0.5))
    x = inside(one, 9)
    assert 3 * two.pdf(3 * x) == pytest.approx(one.pdf(x), rel=1e-11)


def draw_law(rng, positive):
    """Draw a random law of one of six families, on [0, infinity) if `positive`."""
    low = rng.uniform(0 if positive else -2, 2)
    kind = rng.integers(6)
    if kind == 0:
        places = np.sort(rng.uniform(0 if positive else -3, 3, rng.integers(2, 5)))
        if positive and rng.random() < 0.4:
            places[0] = 0.0
        weights = rng.dirichlet(np.full(places.size, 2.0))
        return Discrete(tuple(places), tuple(weights / weights.sum()))
    if kind == 1:
        return Uniform(low, low + 10 ** rng.uniform(-2, 0.5))
    if kind == 2:
        return Arcsine(low, low + 10 ** rng.uniform(-1.5, 0.5))
    if kind == 3:
        return MarchenkoPastur(10 ** rng.uniform(-1.5, 1), 10 ** rng.uniform(-1, 0.5))
    if kind == 4:
        return Wachter(10 ** rng.uniform(-1, 0.5), 10 ** rng.uniform(-1, 0.5))
    return affine(KestenMcKay(rng.uniform(1.3, 6)), scale=0.5, shift=4.0 if positive else 0.0)


@pytest.mark.slow_siblings(3)
@pytest.mark.parametrize("seed", range(30))
def test_random_sums_and_products_have_the_right_mass_and_moments(seed):
    # The quadrature has 300 nodes a band; densities with narrow features leave errors below 1e-3.
    rng = np.random.default_rng(seed)
    positive = bool(seed % 2)
    laws = [draw_law(rng, positive) for _ in range(2)]
    law = free_product(*laws) if positive else free_sum(*laws)
    moments = np.array([[mass, mass * x, mass * x * x] for x, mass in law.atoms])
    total = moments.reshape(-1, 3).sum(axis=0)
    nodes, weights = np.polynomial.legendre.leggauss(300)
    angles, weights = (nodes + 1) * np.pi / 2, weights * np.pi / 2
    for low, high in law.support:
        x = low + (high - low) * np.sin(angles / 2) ** 2
        mass = law.pdf(x) * (high - low) * np.sin(angles) / 2 * weights
        total += [mass.sum(), mass @ x, mass @ x**2]
        assert law.mass_below(high) - law.cdf(low) == pytest.approx(mass.sum(), abs=1e-3)
    scale = max(abs(end) for band in law.support for end in band)
    assert total[0] == pytest.approx(1, abs=1e-3)
    assert total[1] == pytest.approx(law.mean(), abs=1e-3 * scale)
    assert total[2] == pytest.approx(law.moment(2), abs=2e-3 * scale**2)


def test_point_masses_shift_sums_and_scale_products():
    point = Discrete((1.5,), (1.0,))
    uniform = Uniform(0.0, 1.0)
    assert free_sum(point, Semicircle(2.0)) == Semicircle(2.0, 1.5)
    assert free_sum(point, point).atoms == ((3.0, 1.0),)
    assert free_product(point, point).atoms == ((2.25, 1.0),)
    shifted = free_sum(uniform, point, Semicircle(0.1))
    plain = free_sum(uniform, Semicircle(0.1))
    x = inside(plain)
    assert shifted.pdf(x + 1.5) == pytest.approx(plain.pdf(x), rel=1e-11)
    scaled = free_product(point, MarchenkoPastur(0.5))
    known = MarchenkoPastur(0.5, 1.5)
    assert scaled.pdf(inside(known)) == pytest.approx(known.pdf(inside(known)), rel=1e-13)


def test_products_that_reach_zero_end_exactly_there():
    law = free_product(Uniform(0.0, 1.0), MarchenkoPastur(0.5))
    assert law.support[0][0] == 0
    assert law.ppf(0.0) == 0
    assert law.cdf([0.0, -1.0]) == pytest.approx([0, 0], abs=0)


def test_no_residual_is_stated_where_there_is_none():
    law = free_sum(Discrete((-3.0, 3.0), (0.5, 0.5)), Semicircle(0.2))
    x = np.array([0.0, law.support[0][0], 1.0])  # a zero of G, an edge, and a plain point
    residual = law.solve(x).residual
    assert np.isinf(residual[:2]).all()
    assert residual[2] < 1e-14


@pytest.mark.parametrize("x", [-1.7, -0.3, 0.4, 2.1])
def test_of_the_real_roots_in_a_gap_exactly_the_attracting_one_is_taken(x):
    law = free_sum(Discrete((-3.0, 3.0), (0.5, 0.5)), Semicircle(0.2))
    # w + 0.2 w / (w^2 - 9) = x has three real roots here
    roots = np.roots([1, -x, 0.2 - 9, 9 * x])
    assert np.abs(roots.imag).max() < 1e-9
    omega = roots.real.astype(np.complex128)
    state = SubordinationState((omega**2 - 9) / omega, (omega,), (None,))
    taken = law.equation.attracting(np.full(3, x), state)
    assert taken.sum() == 1
    g = (omega / (omega**2 - 9))[taken][0]
    assert law.stieltjes(x) == pytest.approx(g.real, rel=1e-9)


@pytest.mark.parametrize(
    "variance",
    [
        1.0,
        *(
            pytest.param(v, marks=pytest.mark.slow)
            for v in (1 - 1e-9, 1 + 1e-9, 1 - 1e-6, 1 + 1e-6)
        ),
    ],
)
def test_two_points_and_a_semicircle_next_to_their_cusp(variance):
    law = free_sum(Discrete((-1.0, 1.0), (0.5, 0.5)), Semicircle(variance))
    x = np.geomspace(1e-11, 1e-2, 10)
    # the cubic v^2 g^3 - 2 v x g^2 + (x^2 - 1 + v) g - x = 0
    for point, density in zip(x, law.pdf(x), strict=True):
        with mpmath.workdps(40):
            v, t = mpmath.mpf(variance), mpmath.mpf(float(point))
            roots = exact_roots([v**2, -2 * v * t, t**2 - 1 + v, -t])
            exact = max(float(-root.imag / mpmath.pi) for root in roots)
        assert density == pytest.approx(max(exact, 0.0), rel=1e-4, abs=1e-7)
