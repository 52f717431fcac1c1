"""Atoms of critical and nearly critical mass, powers barely above 1, and what is known there."""

import itertools
import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.free import free_compression, free_power, free_product, free_sum
from rmtland.laws import (
    Arcsine,
    Discrete,
    EmpiricalLaw,
    JacobiWeight,
    KestenMcKay,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    Wachter,
    affine,
)
from rmtland.solution import ConvergenceError


def around(law):
    """Points beside every end of a band and atom, some of them a few ulps away."""
    ends = [end for band in law.support for end in band] + [place for place, _ in law.atoms]
    size = max(ends) - min(ends) or 1.0
    steps = np.concatenate([size * np.geomspace(1e-20, 1e-2, 10), [0.0]])
    x = [np.nextafter(end, side) for end in ends for side in (-np.inf, np.inf)]
    for end in ends:
        x += [*(end + steps), *(end - steps), *(end * (1 + 2.3e-16 * np.array([1, 2, 5])))]
    return np.unique(x)


def assert_distribution(law):
    levels = law.cdf(around(law))
    assert levels.min() >= 0
    assert levels.max() <= 1
    assert np.diff(levels).min() >= -1e-12
    ends = [end for band in law.support for end in band] + [place for place, _ in law.atoms]
    assert law.cdf(np.nextafter(min(ends), -np.inf)) == 0
    assert law.cdf(max(ends)) == pytest.approx(1, abs=1e-12)
    for place, mass in law.atoms:
        assert law.cdf(place) - law.mass_below(place) == pytest.approx(mass, abs=1e-10)


@pytest.mark.parametrize(
    "law",
    [
        free_product(
            JacobiWeight(0.5, 2.5, -1.6108212409365499, -0.7284585193617721),
            JacobiWeight(1.5, 2.5, 1.0731855859454675, 1.1373151803689845),
        ),
        affine(free_sum(Uniform(0.0, 1.0), Uniform(0.0, 3.0)), scale=-1.0),
        affine(free_product(MarchenkoPastur(0.3), Uniform(1.0, 2.0)), scale=-0.7, shift=0.1),
    ],
    ids=["product", "sum", "Marchenko-Pastur"],
)
def test_no_level_is_above_one_or_below_zero(law):
    """Of a reflected law, 1 - F was -2e-16 where F had risen to an ulp above 1."""
    assert_distribution(law)


def test_a_sum_beside_the_place_of_a_critical_atom():
    wachter = Wachter(2.0, 0.4778964900675486)
    law = free_sum(wachter, wachter)
    assert law.support[0][0] == 0
    assert law.cdf(0.0) == 0
    # 0.9209 sqrt(x), from distances where doubles resolve it
    known = law.cdf(1e-8) / 1e-4
    assert law.cdf([1e-20, 1e-18, 1e-12]) == pytest.approx(
        known * np.array([1e-10, 1e-9, 1e-6]), rel=1e-5
    )
    assert_distribution(law)
    signed = free_product(law, Semicircle())
    assert signed.support[0][0] == pytest.approx(-signed.support[0][1], rel=1e-12)
    assert signed.cdf(0.0) == pytest.approx(0.5, abs=1e-12)


def test_wachter_beside_its_atom():
    # L = p log-part: beside the atom Im L is (1 - mass) pi + mass arg z, to first order in z.
    law = Wachter(2.0, 0.4778964900675486)
    z = 1e-3j * 10.0 ** -np.arange(0, 12)
    off = law.log_potential(z).imag / np.pi - 0.75
    assert off / z.imag == pytest.approx(np.full(12, off[5] / z[5].imag), rel=1e-3)


@pytest.mark.parametrize("rest", [0.0, 7e-4, -7e-4, 1e-5, -1e-6])
def test_sums_of_nearly_critical_atoms(rest):
    # Wachter(1/p, .) has the atom 1 - p at zero: together 1 + rest.
    one, two = Wachter(2.0, 0.5), Wachter(1 / (0.5 - rest), 0.5)
    law = free_sum(one, two)
    assert sum(mass for _, mass in law.atoms) == pytest.approx(max(rest, 0), abs=1e-13)
    assert_distribution(law)
    assert law.ppf(0.5) < law.ppf(0.9)


@pytest.mark.parametrize(
    "law",
    [Uniform(0.0, 1.0), Arcsine(-1.0, 1.0), Discrete((0.0, 1.0, 3.0), (0.2, 0.5, 0.3))],
    ids=lambda law: type(law).__name__,
)
@pytest.mark.parametrize("power", [1 + 1e-12, 1 + 1e-9, 1 + 1e-6, 2.0])
def test_powers_next_to_one(law, power):
    result = free_power(law, power)
    assert_distribution(result)
    ends = [end for band in law.support for end in band] + [place for place, _ in law.atoms]
    low, high = result.support[0][0] if result.support else ends[0], max(np.ravel(ends))
    assert low >= power * min(ends) - 1e-15
    # The law itself, moved by no more than the power.
    x = np.linspace(min(ends), high, 7)[1:-1] + 0.0123
    assert result.cdf(x) == pytest.approx(law.cdf(x), abs=10 * (power - 1) ** 0.5)


def test_powers_and_compressions_of_a_point_mass_are_point_masses():
    point = Discrete((1.5,), (1.0,))
    assert free_power(point, 2.5).atoms == ((3.75, 1.0),)
    assert free_power(point, 0.5).atoms == ((0.75, 1.0),)
    assert free_power(point, 2.5).support == ()
    assert free_compression(point, 0.4).atoms == ((1.5, 1.0),)


def test_the_lower_tail_of_a_compression_with_a_steep_end():
    law = free_compression(
        free_sum(
            JacobiWeight(-0.5, 2.5, -0.3956985676375357, 0.7981089124062357),
            Discrete((0.0, 1.0), (0.25, 0.75)),
        ),
        0.5,
    )
    assert law.cdf(0.6004261028383667) == pytest.approx(0, abs=1e-13)
    assert (law.solve(np.linspace(0.59, 0.62, 50)).value.imag <= 0).all()
    assert_distribution(law)


@examples(6)
@given(st.integers(0, 10**6), st.floats(2, 4), st.sampled_from([MarchenkoPastur, Wachter]))
def test_signed_products_with_a_large_null_space(seed, digits, kind):
    population = EmpiricalLaw(np.random.default_rng(seed).normal(size=12))
    positive = kind(10**digits) if kind is MarchenkoPastur else Wachter(10**digits, 0.3)
    law = free_product(population, positive)
    mass = 1 - 10**-digits
    ((place, null),) = law.atoms
    assert place == 0
    assert null == pytest.approx(mass, abs=1e-12)
    corner = free_compression(population, 10**-digits)
    assert law.mass_below(0.0) == pytest.approx(10**-digits * corner.mass_below(0.0), abs=1e-10)
    low, high = law.support[0][0], law.support[-1][1]
    x = np.concatenate(
        [[0.0], -np.geomspace(1e-12, 1, 25) * abs(low), np.geomspace(1e-12, 1, 25) * high]
    )
    levels = law.cdf(np.sort(x))
    assert np.diff(levels).min() >= -1e-12
    assert law.ppf(0.5) == 0


def test_ninety_eigenvalues_times_a_very_long_wishart_matrix():
    x = np.random.default_rng(3).normal(size=90)
    law = free_product(EmpiricalLaw(x), MarchenkoPastur(1000.0))
    assert law.mass_below(0.0) == pytest.approx(9.6628408936e-4, abs=1e-12)
    assert law.cdf([-1.0, -0.5, -1e-3]) == pytest.approx(
        [9.6131e-4, 9.6382e-4, 9.6628e-4], abs=5e-9
    )
    assert law.ppf(0.5) == 0


@pytest.mark.parametrize(
    ("degree", "ends"),
    [
        (1.99, (0.9166498584100999, 0.9528081526879218)),
        (1.5, (0.5, 3.0)),
        *(
            pytest.param(*values, marks=pytest.mark.slow)
            for values in (
                (1.9, (0.9166498584100999, 0.9528081526879218)),
                (1.5, (0.9166498584100999, 0.9528081526879218)),
                (1.9, (0.5, 3.0)),
                (1.99, (0.5, 3.0)),
            )
        ),
    ],
)
def test_products_whose_signed_factor_is_almost_two_signs(degree, ends):
    law = free_product(KestenMcKay(degree), Uniform(*ends))
    x = np.array([-0.5, -1e-3, -1e-9, -1e-13, 0.0, 1e-13, 1e-9, 1e-3, 0.5])
    levels = law.cdf(x)
    assert levels == pytest.approx(1 - levels[::-1], abs=1e-9)
    assert (np.diff(levels) >= 0).all()
    # The density at zero of B x A is that of B times E[1/A].
    low, high = ends
    mean = np.log(high / low) / (high - low)
    assert law.pdf(0.0) == pytest.approx(KestenMcKay(degree).pdf(0.0) * mean, rel=1e-6)


def test_quantiles_at_an_atom_inside_a_band():
    law = free_product(Discrete((-1.0, 2.0), (0.4, 0.6)), MarchenkoPastur(2.0))
    assert law.atoms == ((0.0, 0.5),)
    left = law.mass_below(0.0)
    assert (law.ppf([left + 1e-3, left + 0.25, left + 0.499]) == 0).all()
    assert law.ppf(left - 1e-3) < 0 < law.ppf(left + 0.5 + 1e-3)


@pytest.mark.parametrize(("one", "two"), list(itertools.combinations(range(4), 2)))
def test_distribution_functions_rise_between_zero_and_one(one, two):
    laws = [
        Discrete((-1.0, 1.0), (0.5, 0.5)),
        Discrete((0.0, 1.0, 4.0), (0.5, 0.25, 0.25)),
        Wachter(2.0, 0.5),
        Uniform(0.0, 1.0),
    ]
    assert_distribution(free_sum(laws[one], laws[two]))


def test_a_signed_product_with_a_jump_of_the_density_at_zero():
    # Re G diverges like a logarithm there, the density does not.
    law = free_product(Discrete((-1.6, 1.94, 3.98), (0.25, 0.5, 0.25)), Uniform(0.0, 1.0))
    assert law.support[1][0] == 0
    levels = law.cdf([-1e-9, 0.0, 1e-30, 1e-9, 1e-3])
    assert levels[:3] == pytest.approx([0.25] * 3, abs=1e-12)
    assert levels[3:] == pytest.approx(0.25 + law.pdf(1e-9) * np.array([1e-9, 1e-3]), abs=1e-5)
    assert law.pdf(1e-30) == pytest.approx(law.pdf(1e-9), rel=1e-6)


def test_a_law_that_misses_a_band_is_not_given_out():
    law = free_sum(Discrete((-1.0, 1.0), (0.3, 0.7)), Semicircle(0.01))
    assert len(law.support) == 2
    law.__dict__["support"] = law.support[:1]
    with pytest.raises(ConvergenceError, match="mass"):
        law.pdf(-1.0)


def test_a_wrong_branch_in_a_table_is_not_given_out():
    law = free_sum(Uniform(0.0, 1.0), Semicircle(0.1))
    table = law._bands.table(0)
    table.state.omegas[0][50] = table.state.omegas[0][150]
    with pytest.raises(ConvergenceError, match="falls"):
        law.cdf(0.5)


def test_a_wrong_value_between_solved_points_is_not_given_out():
    law = free_sum(Uniform(0.0, 1.0), Semicircle(0.1))
    x = np.array([0.4])
    none = lambda x: None  # noqa: E731
    assert law._levels.checked(x, law.cdf(x), none) == pytest.approx(law.cdf(x), abs=1e-15)
    with pytest.raises(ConvergenceError, match="wrong branch"):
        law._levels.checked(x, law.cdf(x) + 0.02, none)
    # What can be extrapolated from points around is.
    again = law._levels.checked(x, law.cdf(x) + 0.02, law._in_bands.extrapolated)
    assert again == pytest.approx(law.cdf(x), abs=1e-12)


def test_two_sums_of_atoms_of_critical_mass():
    # 0.75 + 0.25 at -1 + 3, an end of the law where its distribution function has a steep tail
    law = free_sum(
        Discrete((-3.0, -1.0), (0.25, 0.75)), Discrete((1.0, 2.0, 3.0), (0.25, 0.5, 0.25))
    )
    assert law.support[-1][1] == 2.0
    assert_distribution(law)


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(("p", "q"), [(0.7, 0.3), (0.6, 0.4), (0.25, 0.5), (0.999, 0.002)])
@pytest.mark.parametrize("steps", [(1.0, 1.0), pytest.param((0.3, 2.0), marks=pytest.mark.slow)])
def test_edges_of_sums_of_two_point_laws(p, q, steps):
    s, t = steps
    law = free_sum(Discrete((0.0, s), (1 - p, p)), Discrete((-1.0, t - 1), (1 - q, q)))
    cosines = p + q - 2 * p * q + 2 * math.sqrt(p * q * (1 - p) * (1 - q)) * np.array([-1, 1])
    halves = np.sqrt((s - t) ** 2 / 4 + s * t * cosines)
    middle = (s + t) / 2 - 1
    ends = np.sort([*(middle - halves), *(middle + halves)])
    assert np.ravel(law.support) == pytest.approx(ends, abs=1e-13)


def test_the_mass_beside_an_edge_where_a_moment_vanishes():
    # Beside the edge m is close to zero, and the point of the second operand to infinity.
    law = free_product(Semicircle(1.0, 1.0), Wachter(0.0040717843055660475, 0.5))
    edge = law.support[0][0]
    x = edge + np.geomspace(1e-12, 1e-3, 40)
    assert law.cdf(x) == pytest.approx(2 / 3 * (x - edge) * law.pdf(x), rel=0.02)
    assert (np.diff(law.cdf(x)) >= 0).all()
    far = x[x - edge > 1e-8]
    assert law.cdf(far) == pytest.approx(2 / 3 * (far - edge) * law.pdf(far), rel=1e-4)


def test_the_end_of_a_signed_product_of_critical_mass():
    # 0.75 + 0.25: beside the end 2 * 1.7459... the condition of gaps is rounding
    high = 1.745965691984729
    law = free_product(
        Discrete((-2.57472449464827, high), (0.25, 0.75)),
        Discrete((0.0, 1.0, 2.0), (0.25, 0.5, 0.25)),
    )
    assert law.support[-1][1] == pytest.approx(2 * high, rel=1e-14)
    assert law.atoms == ((0.0, 0.25), (high, pytest.approx(0.25, abs=1e-15)))
    assert_distribution(law)
