"""The Kesten-McKay law: closed walks on trees, free sums of signs, special degrees."""

import math

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.laws.arcsine import Arcsine
from rmtland.laws.discrete import Discrete
from rmtland.laws.free_meixner import FreeMeixner
from rmtland.laws.kesten_mckay import KestenMcKay

degrees = st.one_of(
    st.floats(-3, 6).map(lambda e: 1 + 10.0**e),
    st.sampled_from([2.0, 2 - 1e-15, 2 + 1e-14, 2 - 1e-8, 2 + 1e-8, 3.0, 1.5]),
)
quick = examples(80)


def closed_walks(degree, length):
    """Closed walks from the root of the degree-regular tree, by walks on the distance to it."""
    counts = {0: 1}
    for _ in range(length):
        step = {}
        for distance, count in counts.items():
            out = degree if distance == 0 else degree - 1
            step[distance + 1] = step.get(distance + 1, 0) + out * count
            if distance:
                step[distance - 1] = step.get(distance - 1, 0) + count
        counts = step
    return counts.get(0, 0)


@pytest.mark.parametrize("degree", [2, 3, 4, 7])
def test_moments_count_closed_walks_on_the_tree(degree):
    law = KestenMcKay(degree)
    assert [law.moment(k) for k in range(15)] == [closed_walks(degree, k) for k in range(15)]


def test_it_is_a_free_sum_of_signs():
    sign = Discrete((-1.0, 1.0), (0.5, 0.5))
    for degree in (2.0, 3.0, 5.5, 1.25):
        np.testing.assert_allclose(
            KestenMcKay(degree).free_cumulants(10), degree * sign.free_cumulants(10), rtol=1e-14
        )


def test_degree_two_is_the_arcsine_law():
    law, other = KestenMcKay(2.0), Arcsine(-2.0, 2.0)
    x = np.array([-2.0, -2 + 1e-15, -1.9, 0.0, 1.3, 2 - 1e-12, 2.0, 2.5, -1e9])
    np.testing.assert_allclose(law.pdf(x), other.pdf(x), rtol=1e-15)
    np.testing.assert_allclose(law.cdf(x), other.cdf(x), atol=1e-15)
    z = np.concatenate([x[(np.abs(x) != 2)], x + 1e-9j, x - 0.4j])
    np.testing.assert_allclose(law.stieltjes(z), other.stieltjes(z), rtol=2e-15)
    np.testing.assert_allclose(law.log_potential(z), other.log_potential(z), atol=2e-15, rtol=1e-15)
    g = np.array([0.3, -2.0, 0.4 - 0.2j])
    np.testing.assert_allclose(law.r_transform(g), other.r_transform(g), rtol=1e-15)


@given(degrees, st.floats(-11, 8), st.floats(-12, 6), st.booleans())
@quick
def test_transform_and_slope_keep_their_digits(degree, distance, height, outwards):
    law = KestenMcKay(degree)
    ((_, edge),) = law.support
    x, y = edge + (1 if outwards else -1) * edge * 10**distance, edge * 10**height
    with mpmath.workdps(60):
        d = mpmath.mpf(degree)
        end = 2 * mpmath.sqrt(d - 1)
        z = mpmath.mpc(x, y)
        root = mpmath.sqrt(z - end) * mpmath.sqrt(z + end)
        h = (z + root) / 2
        g = h / (h * h - 1)
        slope = complex(-(h + 1 / h) / root * g * g)
        g = complex(g)
    places = [edge, -edge, *(place for place, _ in law.atoms)]
    rounding = 1 + max(abs(place) / abs(complex(x, y) - place) for place in places)
    value, derivative = law._jet(np.array([complex(x, y)]))
    assert abs(value[0] / g - 1) < 4e-15 * rounding
    assert abs(derivative[0] / slope - 1) < 8e-15 * rounding


@given(degrees)
@quick
def test_atoms_and_mass(degree):
    law = KestenMcKay(degree)
    if degree < 2:
        assert law.atoms == ((-degree, 1 - degree / 2), (degree, 1 - degree / 2))
    else:
        assert law.atoms == ()
    ((low, high),) = law.support
    if degree >= 2 or degree > high:  # else an atom and its edge round to one number
        assert law.cdf(high) - law.mass_below(low) == pytest.approx(min(1, degree - 1), abs=2e-15)
    assert law.cdf(0.0) == pytest.approx(0.5, abs=1e-15)
    # The phase of the potential reaches the masses outside from within, at either edge.
    step = 1e-12 * high
    reach = 10 * math.sqrt(1e-12) if abs(degree - 2) < 1e-3 else 1e-9
    assert law.cdf(low + step) == pytest.approx(law.cdf(low - step), abs=reach)
    assert law.cdf(high + step) == pytest.approx(law.cdf(high - step), abs=reach)


@given(st.floats(0.01, 5).map(lambda e: 1 + 10.0 ** (e - 2)))
@quick
def test_it_is_a_free_binomial_law(degree):
    law, other = KestenMcKay(degree), FreeMeixner(0.0, -1 / degree)
    x = np.array([-0.9, -0.3, 0.0, 0.5, 0.95]) * law.support[0][1]
    root = math.sqrt(degree)
    np.testing.assert_allclose(law.pdf(x) * root, other.pdf(x / root), rtol=1e-11)
    np.testing.assert_allclose(law.cdf(x), other.cdf(x / root), atol=1e-12)


@pytest.mark.parametrize("bad", [1.0, 0.5, -3.0])
def test_degrees_of_one_or_less_are_refused(bad):
    with pytest.raises(ValueError, match="degree must be above 1"):
        KestenMcKay(bad)


def test_other_bad_degrees_are_refused():
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="degree must be a finite number"):
            KestenMcKay(bad)
    with pytest.raises(TypeError, match="degree"):
        KestenMcKay(True)
