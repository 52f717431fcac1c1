"""Mixtures: sums of everything linear, supports merged, quantiles across gaps and steps."""

import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.laws import MarchenkoPastur, Semicircle
from rmtland.laws.affine_law import affine
from rmtland.laws.arcsine import Arcsine
from rmtland.laws.discrete import Discrete
from rmtland.laws.kesten_mckay import KestenMcKay
from rmtland.laws.mixture_law import Mixture, mixture
from rmtland.laws.normal import Normal
from rmtland.laws.uniform import Uniform


def test_intervals_are_merged_and_atoms_added():
    parts = [Uniform(0.0, 1.0), Uniform(1.0, 3.0), Arcsine(5.0, 6.0), Uniform(2.0, 2.5)]
    assert mixture(parts, [0.25, 0.25, 0.25, 0.25]).support == ((0.0, 3.0), (5.0, 6.0))
    parts = [Discrete((0.0, 1.0), (0.5, 0.5)), MarchenkoPastur(4.0), Semicircle(0.01, 12.0)]
    law = mixture(parts, [0.5, 0.25, 0.25])
    assert law.atoms == ((0.0, 0.25 + 0.25 * 0.75), (1.0, 0.25))
    assert law.support == (*MarchenkoPastur(4.0).support, *Semicircle(0.01, 12.0).support)


def test_mixtures_are_opened_and_equal_laws_put_together():
    a, b = Semicircle(1.0), Uniform()
    inner = mixture([a, b], [0.5, 0.5])
    outer = mixture([inner, a], [0.5, 0.5])
    assert outer == Mixture((a, b), (0.75, 0.25))
    assert mixture([a, a], [0.3, 0.7]) == a
    assert mixture([a], [1.0]) is a
    points = mixture([Discrete((0.0, 1.0), (0.5, 0.5)), Discrete((1.0,), (1.0,))], [0.5, 0.5])
    assert points == Discrete((0.0, 1.0), (0.25, 0.75))


def test_density_and_transforms_where_two_intervals_meet():
    law = mixture([Uniform(0.0, 1.0), Uniform(1.0, 2.0)], [0.5, 0.5])
    whole = Uniform(0.0, 2.0)
    assert law.support == ((0.0, 2.0),)
    x = np.array([0.25, 0.999, 1.001, 1.75, 3.0])
    np.testing.assert_allclose(law.cdf(x), whole.cdf(x), atol=1e-16)
    np.testing.assert_allclose(law.stieltjes(x), whole.stieltjes(x), rtol=1e-14)
    # At the seam the logarithms of both sides cancel.
    assert law.stieltjes(1.0) == pytest.approx(whole.stieltjes(1.0), abs=1e-9)
    assert law.log_potential(1.0) == pytest.approx(whole.log_potential(1.0), abs=1e-14)


def test_quantiles_cross_unbounded_densities_gaps_and_steps():
    law = mixture([Arcsine(-3.0, 0.0), Arcsine(0.0, 3.0)], [0.5, 0.5])
    assert law.pdf(0.0) == math.inf
    q = np.linspace(0.01, 0.99, 99)
    expected = np.where(
        q < 0.5,
        Arcsine(-3, 0).ppf(np.minimum(2 * q, 1)),
        Arcsine(0, 3).ppf(np.maximum(2 * q - 1, 0)),
    )
    np.testing.assert_allclose(law.ppf(q), expected, atol=2e-14)
    stepped = mixture([Uniform(0.0, 1.0), Discrete((0.5, 4.0), (0.5, 0.5))], [0.5, 0.5])
    q = np.array([0, 0.1, 0.25, 0.3, 0.5, 0.6, 0.75, 0.76, 1.0])
    np.testing.assert_allclose(stepped.ppf(q), [0, 0.2, 0.5, 0.5, 0.5, 0.7, 1, 4, 4], atol=1e-15)
    assert (stepped.ppf([0.3, 0.4999]) == 0.5).all()


@given(st.floats(0.01, 0.99), st.floats(-3, 3), st.floats(0.05, 2.0))
@examples(40)
def test_everything_linear_is_a_sum(share, place, variance):
    parts = (Semicircle(variance, place), MarchenkoPastur(2.0, 0.7))
    law = mixture(parts, [share, 1 - share])
    x = np.linspace(-7, 7, 29)
    z = x + 0.3j
    for name, points in (("pdf", x), ("cdf", x), ("stieltjes", z), ("log_potential", z)):
        terms = [getattr(part, name)(points) for part in parts]
        expected = share * terms[0] + (1 - share) * terms[1]
        np.testing.assert_allclose(getattr(law, name)(points), expected, rtol=1e-13, atol=1e-15)
    for k in range(5):
        expected = share * parts[0].moment(k) + (1 - share) * parts[1].moment(k)
        assert law.moment(k) == pytest.approx(expected, rel=1e-12, abs=1e-13)
    q = np.linspace(0.02, 0.98, 15)
    on_atom = law.ppf(q) == 0
    assert (law.cdf(0.0) >= q[on_atom]).all()
    np.testing.assert_allclose(law.cdf(law.ppf(q[~on_atom])), q[~on_atom], atol=1e-13)


@pytest.mark.parametrize("unit", [1.0, 1e-40, 1e90])
def test_quantiles_of_mixtures_without_ends(unit):
    """Far in a tail one component is all of it; between, the levels are those of the points."""
    law = mixture(
        [Normal(1.0, 0.5), MarchenkoPastur(2.0), Discrete((-1.0,), (1.0,))], [0.3, 0.3, 0.4]
    )
    law = affine(law, scale=unit)
    levels = np.array([1e-300, 1e-20])
    tail = Normal(1.0, 0.5).ppf(levels / 0.3)
    assert law.ppf(levels) / unit == pytest.approx(tail, rel=1e-13)
    assert law.isf(levels) / unit == pytest.approx(1.0 - tail, rel=1e-13)
    assert law.ppf([0.0, 1.0]).tolist() == [-math.inf, math.inf]
    assert law.sf([-math.inf, math.inf]).tolist() == [1.0, 0.0]
    levels = np.linspace(0.01, 0.99, 99)
    x = law.ppf(levels)
    assert (law.mass_below(x) <= levels + 1e-14).all()
    assert (law.cdf(x) >= levels - 1e-14).all()
    assert (x == -unit).sum() == 40
    apart = mixture([Normal(1e-6, -3.0), Normal(1e-6, 3.0)], [0.5, 0.5])
    assert apart.ppf([0.25, 0.75]) == pytest.approx([-3.0, 3.0], abs=1e-12)


def test_bad_mixtures_are_refused():
    a, b = Semicircle(1.0), Uniform()
    for laws, weights, match in (
        ([], [], "at least one law"),
        ([a, b], [0.5], "one weight each"),
        ([a, b], [0.5, 0.4], "sum to 1"),
        ([a, b], [1.5, -0.5], "positive"),
        ([a, b], [0.5, math.nan], "NaN"),
    ):
        with pytest.raises(ValueError, match=match):
            mixture(laws, weights)
        with pytest.raises(ValueError, match=match):
            Mixture(tuple(laws), tuple(weights))
    with pytest.raises(TypeError, match="takes laws"):
        mixture([a, 3.0], [0.5, 0.5])
    with pytest.raises(TypeError, match="sequence of laws"):
        mixture(a, [1.0])


def test_solutions_take_the_worst_residual_and_the_weighted_errors():
    parts = [KestenMcKay(3.3), Uniform(-0.5, 2.0)]
    z = np.array([0.1 + 0.2j, -0.4, 5.0])
    solution = mixture(parts, [0.3, 0.7]).solve(z)
    one, two = (law.solve(z) for law in parts)
    np.testing.assert_allclose(solution.value, 0.3 * one.value + 0.7 * two.value, rtol=1e-14)
    np.testing.assert_array_equal(solution.residual, np.maximum(one.residual, two.residual))
    assert (solution.error >= 0.3 * one.error + 0.7 * two.error).all()
    assert (solution.error <= 1e-13).all()
