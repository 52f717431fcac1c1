"""The rational route against the polynomial's roots, 40 digits and closed forms."""

import dataclasses
import math

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from law_table import (
    LAWS,
    exact_cdf,
    exact_density,
    exact_edges,
    exact_reciprocal,
    exact_roots,
    integral,
    interior,
    laws,
    phis,
    sigmas,
    terms,
    triplets,
    width,
)

from rmtland import (
    LevyTriplet,
    MarchenkoPastur,
    Semicircle,
    WishartPlusReluBlock,
    WishartPlusWigner,
    free_power,
    free_sum,
)
from rmtland.free import FreeLevy
from rmtland.free.rational.free_levy import reciprocal_by_roots
from rmtland.laws import LevyLaw
from rmtland.solution import ConvergenceError, Solution, Status

free_laws = pytest.mark.parametrize(
    "law", [pytest.param(c.law, id=c.name) for c in LAWS if isinstance(c.law, FreeLevy)]
)
shares = st.floats(1e-6, 1 - 1e-6)


def slope(law, h):
    """H'(h)."""
    triplet = law.levy
    value = 1 - triplet.variance / h**2
    for rate, jump in zip(triplet.rates, triplet.jumps, strict=True):
        value -= rate * jump**2 / (h - jump) ** 2
    return value


# Against 40 digits ----------------------------------------------------------------------------


@free_laws
def test_edges_of_the_table_at_40_digits(law):
    got = np.ravel(law.support)
    expected = np.array([float(edge) for edge in exact_edges(law)])
    assert got.size == expected.size
    np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-30)


@free_laws
def test_density_of_the_table_at_40_digits(law):
    """Relative 1e-12 from 1e-6 of the width on, 1e-9 absolute (in units of the law) closer."""
    for x in interior(law, 7, closest=1e-11):
        exact = float(exact_density(law, x))
        edges = np.ravel(law.support)
        distance = np.abs(edges - x).min()
        assert law.pdf(x) == pytest.approx(exact, abs=1e-9 / width(law), rel=1e-9)
        if distance > 1e-6 * width(law):
            assert law.pdf(x) == pytest.approx(exact, rel=1e-12, abs=0)


@free_laws
def test_distribution_function_of_the_table_at_40_digits(law):
    for x in interior(law, 7):
        assert law.cdf(x) == pytest.approx(float(exact_cdf(law, x)), abs=1e-14)


@given(laws(), shares, st.integers(0, 5))
@examples(40)
def test_density_and_distribution_function_at_40_digits(law, share, piece):
    low, high = law.support[piece % len(law.support)]
    x = low + (high - low) * math.sin(share * math.pi / 2) ** 2
    if not low < x < high:
        return  # an interval of a few ulps
    # x is exact for the reference; the edges of closed forms are rounded.
    blur = 4 * np.spacing(max(abs(low), abs(high))) / min(x - low, high - x)
    exact = float(exact_density(law, x))
    assert law.pdf(x) == pytest.approx(exact, rel=1e-12 + blur, abs=0)
    ulp = np.spacing(abs(x))
    assert law.cdf(x) == pytest.approx(float(exact_cdf(law, x)), abs=1e-13 + 4 * ulp * exact)
    assert law.stieltjes(x) == pytest.approx(
        complex(1 / exact_reciprocal(law, x)), rel=1e-11 + blur, abs=0
    )


@given(laws())
@examples(50)
def test_edges_at_40_digits(law):
    got = np.ravel(law.support)
    expected = np.array([float(edge) for edge in exact_edges(law)])
    # Two edges may be one double apart: an interval or gap narrower than that may be left out.
    merged = [
        e
        for i, e in enumerate(expected)
        if not any(abs(e - f) <= 4 * np.spacing(abs(e)) for j, f in enumerate(expected) if i != j)
    ]
    assert got.size <= expected.size
    for edge in merged:
        assert np.abs(got - edge).min() <= 4e-15 * abs(edge) + 1e-15 * np.abs(expected).max()


@given(laws(), st.floats(-0.5, 1.5), st.floats(-12, 2), st.booleans())
@examples(60)
def test_stieltjes_off_the_axis_at_40_digits(law, place, height, lower):
    low, high = law.support[0][0], law.support[-1][1]
    z = complex(low + place * (high - low), (high - low) * 10**height)
    if lower:
        z = z.conjugate()
    exact = exact_reciprocal(law, z.conjugate() if lower else z)
    g = law.stieltjes(z)
    expected = complex(1 / exact)
    expected = expected.conjugate() if lower else expected
    # The rounding of the terms of H(h) = z, over H'(h), which is small near an edge.
    h = complex(exact)
    blur = 4e-15 * terms(law, h) / abs(slope(law, h) * h)
    assert g == pytest.approx(expected, rel=1e-14 + blur, abs=0)
    assert g.imag * z.imag < 0


@free_laws
def test_the_tiny_imaginary_part_beside_the_axis_at_40_digits(law):
    """Outside the support Im G is of the order of Im z, and as accurate as Re G."""
    for x in (law.support[0][0] - 0.4 * width(law), law.support[-1][1] + 1.3 * width(law)):
        for height in (1e-3, 1e-8, 1e-14):
            z = complex(x, height * width(law))
            exact = complex(1 / exact_reciprocal(law, z))
            g = law.stieltjes(z)
            assert g.real == pytest.approx(exact.real, rel=1e-13, abs=0)
            assert g.imag == pytest.approx(exact.imag, rel=1e-12, abs=0)


# The whole range, without a reference ---------------------------------------------------------


@given(laws(), st.integers(0, 2**32 - 1))
@examples(150)
def test_invariants_over_the_range(law, seed):
    rng = np.random.default_rng(seed)
    low, high = law.support[0][0], law.support[-1][1]
    z = rng.uniform(low - 0.3 * (high - low), high + 0.3 * (high - low), 8)
    z = z + 1j * (high - low) * 10 ** rng.uniform(-12, 1, 8) * rng.choice([-1, 1], 8)
    g = law.stieltjes(z)
    assert (g.imag * z.imag < 0).all()
    defect = np.abs(law.r_transform(g) + 1 / g - z)
    assert (defect <= 1e-14 * terms(law, 1 / g)).all()
    x = np.sort(interior(law, 5))
    density, below = law.pdf(x), law.cdf(x)
    assert (density >= 0).all()
    assert np.isfinite(density).all()
    assert (np.diff(below) >= -4e-16).all()
    assert below[0] >= 0
    assert below[-1] <= 1
    top = max([high, *(place for place, _ in law.atoms)])
    assert law.cdf(top) == pytest.approx(1, abs=4e-15)
    potential = law.log_potential(x)
    np.testing.assert_allclose(1 - potential.imag / np.pi, below, atol=1e-13)


@given(laws(), st.floats(0.001, 0.999))
@examples(100)
def test_quantiles_over_the_range(law, q):
    x = law.ppf(q)
    atom = [mass for place, mass in law.atoms if place == x]
    if atom:
        assert law.cdf(x) - atom[0] - 1e-14 <= q <= law.cdf(x) + 1e-14
    else:
        slack = 1e-13 + 8 * np.spacing(abs(x)) * min(law.pdf(x), 1e300)
        slack += law.cdf(x + 2 * np.spacing(x)) - law.cdf(x - 2 * np.spacing(x))
        assert law.cdf(x) == pytest.approx(q, abs=slack)


@given(laws())
@examples(40)
def test_mass_and_moments_over_the_range(law):
    """Quadrature of the density: mass 1, mean and second moment from the free cumulants."""
    spikes = [e for e in np.ravel(law.support) if np.isinf(law.pdf(e)) and e != 0]
    tolerance = 1e-8 + 10 * sum(math.sqrt(np.spacing(abs(e)) / width(law)) for e in spikes)
    size = max(np.abs(np.ravel(law.support)).max(), abs(law.levy.drift))
    for k, expected in enumerate([1.0, law.moment(1), law.moment(2)]):
        value, error = integral(law, lambda x, k=k: (x / size) ** k)
        value += sum(mass * (place / size) ** k for place, mass in law.atoms)
        assert error < tolerance
        assert value == pytest.approx(expected / size**k, abs=tolerance)


# Against closed forms -------------------------------------------------------------------------


def assert_same_law(law, closed):
    assert len(law.support) == 1
    ((low, high),) = law.support
    ((a, b),) = closed.support
    size = max(abs(a), abs(b))
    assert low == pytest.approx(a, rel=1e-14, abs=1e-15 * size)
    assert high == pytest.approx(b, rel=1e-14, abs=1e-15 * size)
    assert [m for _, m in law.atoms] == pytest.approx(
        [m for _, m in closed.atoms], rel=1e-10, abs=0
    )
    share = np.sin(np.linspace(0.05, np.pi - 0.05, 21) / 2) ** 2
    x = a + (b - a) * share
    # The rounding of an edge, relative to the distance from it.
    blur = 8e-16 * size / np.minimum(x - a, b - x)
    assert (np.abs(law.pdf(x) / closed.pdf(x) - 1) <= 1e-13 + blur).all()
    x = np.concatenate([[a - (b - a), b + (b - a)], x])
    np.testing.assert_allclose(law.cdf(x), closed.cdf(x), atol=2e-14)
    z = x + 1j * (b - a) * np.geomspace(1e-3, 10, x.size) * (-1) ** np.arange(x.size)
    np.testing.assert_allclose(law.stieltjes(z), closed.stieltjes(z), rtol=1e-12)
    np.testing.assert_allclose(
        law.log_potential(z), closed.log_potential(z), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(law.free_cumulants(6), closed.free_cumulants(6), rtol=1e-12)
    q = np.linspace(0.05, 0.95, 9)
    np.testing.assert_allclose(law.ppf(q), closed.ppf(q), rtol=1e-12, atol=1e-12 * (b - a))


@given(phis, sigmas)
@examples(40)
def test_one_jump_is_marchenko_pastur(phi, sigma):
    closed = MarchenkoPastur(phi, sigma)
    assert_same_law(FreeLevy(closed.levy), closed)


@given(sigmas, st.floats(-3, 3))
@examples(25)
def test_no_jump_is_the_semicircle(sigma, mean):
    closed = Semicircle(sigma, center=mean * sigma)
    assert_same_law(FreeLevy(closed.levy), closed)


def test_opposite_jumps_of_rate_one_half_are_the_arcsine_free_law():
    """Rates 1/2 and jumps +-1: H(h) = h^3 / (h^2 - 1), a cubic with closed roots.

    The density of x is unbounded like |x|^(-1/3) at the interior point 0.
    """
    law = FreeLevy(LevyTriplet(rates=(0.5, 0.5), jumps=(-1.0, 1.0)))
    edge = 3**1.5 / 2  # H at h = sqrt 3
    assert np.ravel(law.support) == pytest.approx([-edge, edge], rel=1e-14, abs=0)
    assert law.atoms == ()
    assert law.pdf(0.0) == math.inf
    assert law.cdf(0.0) == pytest.approx(0.5, abs=1e-15)
    for x in (1e-6, 0.1, 1.0, 2.5):
        roots = np.roots([1.0, -x, 0.0, x])  # h^3 - x h^2 + x = 0
        h = roots[np.argmax(roots.imag)]
        assert law.pdf(x) == pytest.approx(-(1 / h).imag / np.pi, rel=1e-10, abs=0)
        assert law.pdf(-x) == pytest.approx(law.pdf(x), rel=1e-12, abs=0)
        assert law.cdf(-x) == pytest.approx(1 - law.cdf(x), abs=1e-14)


@pytest.mark.parametrize(
    ("rates", "jumps", "power"),
    [((0.5, 0.5), (-1.0, 1.0), 3), ((1.0,), (2.0,), 2), ((0.25, 0.75), (-1.0, 6.0), 2)],
)
def test_unbounded_density_at_any_distance_from_the_drift(rates, jumps, power):
    """Against 700 digits: h ~ delta^(1/power) in the upper half-plane."""
    law = FreeLevy(LevyTriplet(rates=rates, jumps=jumps))
    for exponent in (1, 4, 9, 16, 17, 19, 33.5, 80, 200, 299):
        for turn in (1, -1, 1j, 1 + 1j, -1 + 1e-9j):
            z = 10.0**-exponent * complex(turn)
            g = law.stieltjes(z)
            with mpmath.workdps(700):
                h = 1 / mpmath.mpc(g)
                for _ in range(8):
                    value, slope = h - mpmath.mpc(z), mpmath.mpf(1)
                    for rate, jump in zip(rates, jumps, strict=True):
                        value += rate * jump * h / (h - jump)
                        slope -= rate * jump**2 / (h - jump) ** 2
                    h -= value / slope
                potential = sum(
                    rate * (jump / (h - jump) + mpmath.log(h - jump))
                    for rate, jump in zip(rates, jumps, strict=True)
                )
                exact, real = complex(1 / h), float(mpmath.re(potential))
            assert h.imag >= -1e-300 * abs(h)
            assert abs(g - exact) <= 1e-14 * abs(exact)
            assert g.imag == pytest.approx(exact.imag, rel=1e-13, abs=0)
            assert law.log_potential(z).real == pytest.approx(real, rel=1e-13, abs=0)
            assert abs(g - exact) <= law.solve(z).error <= 1e-12 * abs(g)
            if z.imag == 0 and g.imag:
                assert law.pdf(z.real) == pytest.approx(-exact.imag / math.pi, rel=1e-14, abs=0)
    tiny, tinier = np.maximum(law.pdf([1e-200, 1e-260]), law.pdf([-1e-200, -1e-260]))
    assert math.log10(tinier / tiny) == pytest.approx(60 / power, rel=1e-12)


def test_points_outside_a_law_of_huge_scale():
    """The bracket of a real point outside used to start from a step of 1."""
    law = FreeLevy(LevyTriplet(rates=(0.5,), jumps=(1e40,)))
    assert law.stieltjes(-1e41).real == pytest.approx(
        FreeLevy(LevyTriplet(rates=(0.5,), jumps=(1.0,))).stieltjes(-10.0).real / 1e40, rel=1e-13
    )


@pytest.mark.parametrize("rates", [(0.3, 0.7), (0.25, 0.75), (0.5, 0.5)])
def test_balanced_jumps_of_total_rate_one_make_one_interval(rates):
    """sum r = 1 and sum r/j = 0: h = 0 is a double critical point, no edge."""
    law = FreeLevy(LevyTriplet(1.5, 0.0, rates=rates, jumps=(-rates[0], rates[1])))
    assert len(law.support) == 1
    assert law.support[0][0] < 1.5 < law.support[0][1]
    assert law.cdf(law.support[0][1]) - law.cdf(law.support[0][0]) == pytest.approx(1, abs=1e-14)
    for x in (1.4, 1.6):
        assert law.pdf(x) == pytest.approx(float(exact_density(law, x)), rel=1e-12, abs=0)


# Against the plain references -----------------------------------------------------------------


def test_sixty_random_models_against_the_roots_of_the_polynomial():
    """phi in [.05, 3], epsilon in [1e-3, 3], 100 points each: no error above 1e-9."""
    rng = np.random.default_rng(60)
    worst = 0.0
    for i in range(60):
        phi, epsilon = rng.uniform(0.05, 3), 10 ** rng.uniform(-3, math.log10(3))
        law = (WishartPlusWigner if i % 2 else WishartPlusReluBlock)(phi, epsilon).law
        for low, high in law.support:
            x = low + (high - low) * rng.uniform(1e-3, 1 - 1e-3, 100)
            if phi > 1:
                x = x[np.abs(x) > 1e-4]  # the reference loses digits where G is large
            exact = -(1 / reciprocal_by_roots(law, x)).imag / np.pi
            assert not np.isnan(exact).any()
            worst = max(worst, np.abs(law.pdf(x) - exact).max())
    assert worst < 1e-9


@free_laws
def test_the_polynomial_has_no_root_off_the_axis_outside_the_support(law):
    outside = np.array([law.support[0][0] - width(law), law.support[-1][1] + width(law)])
    assert np.isnan(reciprocal_by_roots(law, outside)).all()


@free_laws
def test_compiled_kernels_equal_the_plain_formulas(law):
    x = np.random.default_rng(3).permutation(interior(law, 40, closest=1e-6))
    np.testing.assert_allclose(law._pdf(x), LevyLaw._pdf(law, x), rtol=1e-14)
    np.testing.assert_allclose(law._cdf(x), LevyLaw._cdf(law, x), atol=4e-15)


@free_laws
def test_the_order_of_the_points_does_not_matter(law):
    """The solver starts from its neighbour; from any neighbour it ends at the same root."""
    x = interior(law, 30, closest=1e-10)
    shuffled = np.random.default_rng(9).permutation(x.size)
    for method in (law.pdf, law.cdf):
        ordered = method(x)
        np.testing.assert_allclose(method(x[shuffled]), ordered[shuffled], rtol=1e-11)
        np.testing.assert_allclose(method(x[::-1]), ordered[::-1], rtol=1e-11)
        np.testing.assert_allclose([method(v) for v in x], ordered, rtol=1e-11)


def test_tiny_masses_below_zero_keep_their_relative_accuracy():
    """Just above the threshold the index is 1e-8 to 1e-13: against 40 digits."""
    seen = []
    for kind in (WishartPlusWigner, WishartPlusReluBlock):
        for phi in (0.05, 0.25, 0.5, 0.9):
            for excess in (1e-8, 1e-7, 1e-6, 1e-5):
                critical = kind(phi, 1.0).critical_energy
                model = kind(phi, critical * (1 + excess))
                exact = float(exact_cdf(model.law, 0))
                seen.append(exact)
                assert model.law.cdf(0.0) == pytest.approx(exact, rel=1e-8, abs=0)
                assert model.index() == model.law.cdf(0.0)
    assert min(seen) < 1e-12
    assert max(seen) > 1e-10


def test_density_beside_an_edge_is_relatively_exact():
    """Down to a few ulps from the rounded edge, against 40 digits."""
    law = WishartPlusWigner(0.5, 0.3).law
    for low, high in law.support:
        for distance in (1e-15, 1e-13, 1e-10, 1e-7):
            for x in (low + 2 * distance, high - 2 * distance):
                exact = float(exact_density(law, x))
                assert law.pdf(x) == pytest.approx(exact, rel=1e-10, abs=0)


# The atom -------------------------------------------------------------------------------------


def test_the_atom_of_the_relu_block():
    law = WishartPlusReluBlock(4.0, 0.3, 0.8).law
    assert law.atoms == ((0.0, 0.5),)
    assert law.cdf(0.0) - law.cdf(-1e-300) == pytest.approx(0.5, abs=1e-15)


@given(triplets())
@examples(60)
def test_the_boundary_values_at_the_atom(triplet):
    law = FreeLevy(triplet)
    for place, mass in law.atoms:
        assert np.isinf(law.stieltjes(place))
        assert law.log_potential(place).real == -math.inf
        assert 1 - law.log_potential(place).imag / np.pi == pytest.approx(law.cdf(place), abs=1e-13)
        assert law.cdf(place) - law.cdf(place - 1e-9 * width(law)) >= mass * (1 - 1e-9)


# solve ----------------------------------------------------------------------------------------


@free_laws
def test_solve_reports_its_residual(law):
    low, high = law.support[0][0], law.support[-1][1]
    real = np.array([low - 0.1 * (high - low), 0.3 * low + 0.7 * high, high + 0.1 * (high - low)])
    z = np.array([real, real + 0.01j * (high - low)])
    solution = law.solve(z)
    assert isinstance(solution, Solution)
    assert solution.status is Status.CONVERGED
    assert solution.converged
    for part in (solution.value, solution.residual, solution.steps):
        assert part.shape == z.shape
    np.testing.assert_array_equal(solution.value, law.stieltjes(z))
    assert (solution.residual <= 4e-15 * terms(law, 1 / solution.value)).all()
    np.testing.assert_allclose(
        solution.residual,
        np.abs(law.r_transform(solution.value) + 1 / solution.value - z),
        atol=4e-15 * terms(law, 1 / solution.value).max(),
    )
    assert solution.steps.dtype == np.int64
    assert (solution.steps[1] > 0).all()


@given(triplets(), st.floats(-0.2, 1.2), st.floats(-10, 1))
@examples(80)
def test_solve_never_understates_its_error(triplet, place, height):
    """The error in 1/G, at 40 digits, is at most the residual over |H'| and a few roundings."""
    law = FreeLevy(triplet)
    low, high = law.support[0][0], law.support[-1][1]
    z = complex(low + place * (high - low), (high - low) * 10**height)
    solution = law.solve(z)
    assert solution.converged
    h = exact_reciprocal(law, z)
    error = abs(complex(1 / mpmath.mpc(complex(solution.value)) - h))
    rounding = 4e-15 * terms(law, complex(h))
    assert error <= (2 * float(solution.residual) + rounding) / abs(slope(law, complex(h)))


@pytest.mark.parametrize(
    "model",
    [WishartPlusWigner(0.5, 0.3), WishartPlusReluBlock(0.5, 0.3), WishartPlusWigner(1.93, 0.0088)],
)
def test_neighbouring_points_cost_few_steps(model):
    """The solver goes on from its neighbour, also where the nearer edge changes half-way."""
    law = model.law
    x = np.concatenate([np.linspace(a, b, 1001)[1:-1] for a, b in law.support])
    steps = law.solve(x).steps
    assert steps.max() <= 6
    assert steps.mean() < 2.5


def test_solve_takes_scalars_and_empty_arrays():
    law = WishartPlusWigner(0.5, 0.3).law
    assert law.solve(0.5).value.shape == ()
    assert law.solve(0.5 + 1j).converged
    assert law.solve([]).value.shape == (0,)
    assert law.solve([]).converged


@pytest.mark.parametrize("z", [-1j, [1j, 1 - 1e-300j], math.nan, math.inf, complex(0, math.inf)])
def test_solve_refuses_the_lower_half_plane_and_what_is_not_finite(z):
    with pytest.raises(ValueError, match="Im z >= 0"):
        WishartPlusWigner(0.5, 0.3).law.solve(z)


# Construction ---------------------------------------------------------------------------------


def test_a_point_mass_is_refused():
    with pytest.raises(ValueError, match="point mass"):
        FreeLevy(LevyTriplet(drift=2.0))


@pytest.mark.parametrize("wrong", [None, 1.0, "x", MarchenkoPastur(0.5)])
def test_what_is_not_a_triplet_is_refused(wrong):
    with pytest.raises(TypeError, match="LevyTriplet"):
        FreeLevy(wrong)


def test_values():
    triplet = LevyTriplet(0.1, 0.2, (0.3,), (0.4,))
    assert FreeLevy(triplet) == FreeLevy(LevyTriplet(0.1, 0.2, (0.3,), (0.4,)))
    assert hash(FreeLevy(triplet)) == hash(FreeLevy(LevyTriplet(0.1, 0.2, (0.3,), (0.4,))))
    assert FreeLevy(triplet) != FreeLevy(LevyTriplet(0.1, 0.2, (0.3,), (0.5,)))
    assert FreeLevy(triplet).levy is triplet


def test_parts_too_different_to_solve_are_refused():
    law = FreeLevy(LevyTriplet(0.0, 1e-200, (1.0,), (1.0,)))
    with pytest.raises(ValueError, match="orders of magnitude"):
        law.pdf(0.5)


def test_what_a_law_caches_does_not_depend_on_the_first_call():
    first, second = (FreeLevy(LevyTriplet(0.1, 0.2, (0.3,), (4.0,))) for _ in range(2))
    first.support  # noqa: B018
    np.testing.assert_array_equal(first.cdf([0.1, 3.0]), second.cdf([0.1, 3.0]))


@pytest.mark.parametrize(
    "law",
    [
        free_sum(MarchenkoPastur(2 + 1e-9), Semicircle(0.3)),
        FreeLevy(LevyTriplet(rates=(0.25, 0.25, 0.5), jumps=(-0.77, 0.77, 2.0))),
        FreeLevy(LevyTriplet(rates=(1.0, 1.0, 2.0), jumps=(-8.0, 8.0, 71.0))),
        FreeLevy(LevyTriplet(rates=(0.5, 0.5), jumps=(-0.57, 0.57))),
    ],
    ids=repr,
)
def test_complex_points_within_rounding_of_an_edge(law):
    """Newton used to refuse some of these points; the reference is a root in 50 digits."""
    drift, variance = law.levy.drift, law.levy.variance
    for edge in np.ravel(law.support):
        for y in np.geomspace(1e-18, 1e-6, 13) * max(1.0, abs(edge)):
            z = complex(edge, y)
            g = law.stieltjes(z)
            assert g.imag < 0
            with mpmath.workdps(50):
                terms = zip(law.levy.rates, law.levy.jumps, strict=True)
                jumps = [(mpmath.mpf(rate), mpmath.mpf(jump)) for rate, jump in terms]

                def defect(h, z=z, jumps=jumps):
                    total = h + drift - mpmath.mpc(z)
                    if variance:
                        total += variance / h
                    return total + sum(rate * jump * h / (h - jump) for rate, jump in jumps)

                start = mpmath.mpc(1 / g)
                exact = 1 / mpmath.findroot(defect, start, tol=1e-60, verify=False)
            assert exact.imag < 0
            assert abs(g - complex(exact)) <= 1e-11 * abs(g), (edge, y)


def test_stieltjes_is_infinite_where_the_density_is_unbounded():
    law = FreeLevy(LevyTriplet(rates=(0.25, 0.25, 0.5), jumps=(-0.77, 0.77, 2.0)))
    assert law.pdf(0.0) == np.inf
    assert np.isinf(law.stieltjes(0.0))


@pytest.mark.parametrize("z", [1e200, -1e300, 1e160 + 1e-3j, 1e300j])
def test_far_away_stieltjes_is_the_reciprocal(z):
    law = free_sum(MarchenkoPastur(0.5), Semicircle(0.6))
    assert law.stieltjes(z) == pytest.approx(1 / z, rel=1e-15)


@pytest.mark.parametrize(
    "triplet",
    [
        LevyTriplet(1e18, 0.0, (1.0,), (5e-12,)),
        LevyTriplet(1e30, 0.0, (0.5, 0.5), (1.0, 1e17)),
        LevyTriplet(5e13, 4e-8, (1.0,), (-4e-18,)),
        LevyTriplet(2600.0, 0.0, (0.25, 0.25, 0.25), (-1e-16, 2e-6, -2.6e9)),
    ],
    ids=str,
)
def test_a_band_below_the_spacing_of_numbers_is_refused_by_name(triplet):
    """What was computed was said to be no law, with advice that did not help."""
    with pytest.raises(ValueError, match="narrower than the spacing of floating-point numbers"):
        FreeLevy(triplet).cdf(0.0)
    free = FreeLevy(dataclasses.replace(triplet, drift=0.0))
    assert free.cdf(np.inf) == 1.0


@pytest.mark.parametrize(("rate", "jump"), [(5e299, 1e-300), (5e-13, 7e161)])
def test_edges_beyond_double_precision_are_refused(rate, jump):
    law = FreeLevy(LevyTriplet(rates=(rate, rate, 2 * rate), jumps=(-jump, jump, 2 * jump)))
    with pytest.raises(ValueError, match=r"differ by more than|beyond double precision"):
        _ = law.support


@pytest.mark.parametrize(
    ("phi", "epsilon"),
    [(0.7975321173899305, 3.875373349498966e-06), (0.3, 0.1), (1.7, 2.3e-3), (0.123, 1.9)],
)
def test_the_stated_error_covers_the_rounding_of_the_parameters(phi, epsilon):
    # 2 e f G^3 - (2 e + x f) G^2 + (x + f - 1) G - 1 = 0 for the parameters that were asked for
    law = WishartPlusWigner(phi, epsilon).law
    low, high = law.support[0][0], law.support[-1][1]
    distances = np.geomspace(1e-10, 1e-2, 9) * (high - low)
    points = np.concatenate([low + distances, high - distances])
    if phi == 0.7975321173899305:
        points = np.append(points, 3.583629772634795)
    found = law.solve(points)
    with mpmath.workdps(50):
        f, e = mpmath.mpf(phi), mpmath.mpf(epsilon)
        for x, value, error in zip(points, found.value, found.error, strict=True):
            t = mpmath.mpf(float(x))
            roots = exact_roots([2 * e * f, -(2 * e + t * f), t + f - 1, -1])
            exact = min(roots, key=lambda root: abs(root - mpmath.mpc(value)))
            assert abs(exact - mpmath.mpc(value)) <= error
            assert error < 1e-5 * abs(value)


@pytest.mark.parametrize("x", [5e-324, 1e-322, 1e-310, 1e-300, 1e-18])
def test_beside_an_unbounded_density_down_to_the_smallest_number(x):
    law = free_power(MarchenkoPastur(2.0), 2.0)  # free Poisson of rate 1 and jump 2
    root = math.sqrt(x)
    assert law.pdf(x) == pytest.approx(1 / (math.pi * math.sqrt(2.0)) / root, rel=1e-8)
    assert law.cdf(x) == pytest.approx(math.sqrt(2.0) * root / math.pi, rel=1e-8)
    assert law.pdf(-x) == law.cdf(-x) == 0.0


@pytest.mark.parametrize("model", [WishartPlusWigner, WishartPlusReluBlock])
@pytest.mark.parametrize("exponent", [-20, -40, -50, -66, -78, -90, -115])
def test_a_critical_point_below_rounding_is_found_or_refused(model, exponent):
    """At phi = 1 it is of order epsilon^(1/3), and 1 - f(h) is known to 1e-16 only."""
    unit = 10.0 ** (2 * exponent / 3)
    x = np.array([0.0, 1.0, 1e3, -1.0, -0.3, 1e-40]) * unit
    law, known = model(1.0, 10.0**exponent).law, model(1.0, 1e-30).law
    try:
        density, below = law.pdf(x), law.cdf(x)
    except ConvergenceError:
        assert exponent < -50
        return
    # Close to 0 the law depends on x/epsilon^(2/3) alone
    expected = known.pdf(x / unit * 1e-20) * 10.0 ** (-10 - exponent / 3)
    np.testing.assert_allclose(density, expected, rtol=1e-6)
    assert ((below >= 0) & (below <= 1e4 * math.sqrt(unit))).all()
