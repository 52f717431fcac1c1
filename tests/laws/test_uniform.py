"""The uniform law: closed forms, Bernoulli numbers, accuracy far away and beside the edges."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.laws.uniform import Uniform


def test_moments_and_free_cumulants_are_exact():
    law = Uniform(0.0, 1.0)
    assert law._exact_moments(6) == [Fraction(1, k + 1) for k in range(7)]
    # coth(y) - 1/y = sum of 4^n B_2n y^(2n-1) / (2n)!
    wide = Uniform(-1.0, 1.0)
    expected = [4**n * float(mpmath.bernoulli(2 * n)) / math.factorial(2 * n) for n in range(1, 7)]
    np.testing.assert_allclose(wide.free_cumulants(12)[1::2], expected, rtol=1e-15)
    assert (wide.free_cumulants(12)[::2] == 0).all()


@given(st.floats(-16, 9), st.floats(-16, 9), st.sampled_from([-1, 1]), st.sampled_from([0.0, 1.0]))
@examples(150)
def test_transforms_keep_their_digits(distance, height, sign, end):
    """At distances from an edge of 1e-16 to 1e9 widths."""
    law = Uniform(0.0, 1.0)
    x, y = end + sign * 10**distance, 10**height
    with mpmath.workdps(60):
        z = mpmath.mpc(x, y)
        g = complex(mpmath.log(z / (z - 1)))
        slope = complex(-1 / (z * (z - 1)))
        potential = complex(z * mpmath.log(z) - (z - 1) * mpmath.log(z - 1) - 1)
    point = np.array([complex(x, y)])
    value, derivative = law._jet(point)
    assert abs(value[0] / g - 1) < 2e-15
    assert abs(derivative[0] / slope - 1) < 2e-15
    assert abs(law._log_potential(point)[0] - potential) < 2e-15 * (1 + abs(potential))


def test_boundary_values():
    law = Uniform(-1.0, 3.0)
    assert law.stieltjes(0.0) == pytest.approx(complex(math.log(1 / 3), -math.pi) / 4, rel=1e-15)
    assert law.stieltjes(3.0).real == math.inf
    assert law.stieltjes(-1.0).real == -math.inf
    assert law.log_potential([-1.0, 3.0]).real == pytest.approx(math.log(4) - 1, rel=1e-15)
    assert law.pdf([-1.0, 3.0, 3.1]).tolist() == [0.25, 0.25, 0.0]


def test_r_transform_from_small_to_large_arguments():
    law = Uniform(2.0, 6.0)
    g = np.concatenate([np.geomspace(1e-12, 50, 40), -np.geomspace(1e-12, 50, 40)])
    with mpmath.workdps(40):
        expected = [float(4 + 2 * mpmath.coth(2 * mpmath.mpf(x)) - 1 / mpmath.mpf(x)) for x in g]
    np.testing.assert_allclose(law.r_transform(g), expected, rtol=2e-15)
    centred = Uniform(-2.0, 2.0).r_transform(g)
    with mpmath.workdps(40):
        expected = [float(2 * mpmath.coth(2 * mpmath.mpf(x)) - 1 / mpmath.mpf(x)) for x in g]
    np.testing.assert_allclose(centred, expected, rtol=2e-15)
    g = np.array([0.4 + 0.9j, 0.01j, -0.3 + 0.2j])
    with mpmath.workdps(40):
        expected = [complex(2 * mpmath.coth(2 * mpmath.mpc(x)) - 1 / mpmath.mpc(x)) for x in g]
    np.testing.assert_allclose(Uniform(-2.0, 2.0).r_transform(g), expected, rtol=4e-15)


def test_s_transform_on_the_whole_of_its_domain():
    law = Uniform(1.0, 3.0)
    z = np.array([-1e3, -1.0, 0.5, 0.99, 3.01, 4.0, 1e4])
    w = z * law.stieltjes(z).real - 1
    np.testing.assert_allclose((1 + w) / (w * law.s_transform(w)), z, rtol=1e-11)


def test_bad_parameters_are_refused():
    for low, high in ((1.0, 1.0), (2.0, 1.0)):
        with pytest.raises(ValueError, match="low must be below high"):
            Uniform(low, high)
    for name in ("low", "high"):
        for bad in (math.nan, -math.inf):
            with pytest.raises(ValueError, match=f"{name} must be a finite number"):
                Uniform(**{name: bad})
        with pytest.raises(TypeError, match=name):
            Uniform(**{name: None})
    with pytest.raises(ValueError, match="high - low"):
        Uniform(-1.7e308, 1.7e308)


def test_the_transform_closer_to_an_end_than_can_be_squared():
    d = np.array([1e-200, 1e-300, 1e-200 + 1e-200j])
    exact = np.log(d) - 1j * np.pi  # log(z / (z - 1)), from above
    assert Uniform(0.0, 1.0).stieltjes(d) == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize("unit", [1e-200, 1e-160, 1e160, 1e200])
def test_transforms_in_any_units(unit):
    """Above the axis Im G was 0 or NaN."""
    z = np.array([0.3 + 1e-3j, 1.5 + 1j, -1e5 + 3j, 1e5j])
    one, law = Uniform(0.0, 1.0), Uniform(0.0, unit)
    np.testing.assert_allclose(unit * law.stieltjes(unit * z), one.stieltjes(z), rtol=1e-13)
    moved = law.log_potential(unit * z) - math.log(unit)
    np.testing.assert_allclose(moved, one.log_potential(z), rtol=1e-12)
