"""The semicircle against its closed forms."""

import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from law_table import decades

from rmtland import Semicircle

quick = examples(40)


@given(decades(1e-6, 1e6), st.floats(-1e3, 1e3))
@quick
def test_closed_forms_over_the_range(variance, mean):
    law = Semicircle(variance, center=mean)
    radius = 2 * math.sqrt(variance)
    assert law.support == ((mean - radius, mean + radius),)
    assert law.atoms == ()
    x = mean + radius * np.linspace(-0.99, 0.99, 23)
    y = (x - mean) / radius  # of the rounded points
    blur = 1e-12 + 100 * np.spacing(abs(mean)) / radius
    density = 2 / (math.pi * radius) * np.sqrt(1 - y * y)
    np.testing.assert_allclose(law.pdf(x), density, rtol=blur)
    below = 0.5 + (y * np.sqrt(1 - y * y) + np.arcsin(y)) / math.pi
    np.testing.assert_allclose(law.cdf(x), below, atol=1e-15 + blur * 1e-2)
    assert law.ppf(0.5) == pytest.approx(mean, abs=4e-15 * (radius + abs(mean)))
    assert law.mean() == mean
    assert law.var() == variance


def test_moments_are_catalan_numbers():
    law = Semicircle(0.7)
    assert [law.moment(k) / 0.7 ** (k / 2) for k in range(9)] == pytest.approx(
        [1, 0, 1, 0, 2, 0, 5, 0, 14], rel=1e-14, abs=0
    )


def test_stieltjes_solves_its_quadratic_on_the_right_branch():
    law = Semicircle(0.3, center=-1.7)
    z = np.array([-1.7 + 0.2j, 5 + 1e-9j, -40 - 3j, 3.0])
    g = law.stieltjes(z)
    np.testing.assert_allclose(0.3 * g**2 - (z + 1.7) * g + 1, 0, atol=1e-14)
    assert (np.abs(g) <= 0.3**-0.5).all()
    np.testing.assert_allclose(law.r_transform(g), -1.7 + 0.3 * g, rtol=1e-15)


def test_far_outside_the_stieltjes_transform_does_not_cancel():
    for z in (1e9, -1e9, 1e9 + 1e9j, 1e9j):
        assert Semicircle(0.3).stieltjes(z) == pytest.approx(1 / z + 0.3 / z**3, rel=1e-15, abs=0)


def test_the_density_is_relatively_exact_beside_an_edge():
    law = Semicircle(1.0)
    for exponent in (10, 30, 50):
        step = 2.0**-exponent
        expected = math.sqrt(step * (4 - step)) / (2 * math.pi)
        assert law.pdf(2 - step) == pytest.approx(expected, rel=1e-15, abs=0)
        # mass beyond: (2/3 pi) step^(3/2) (1 - 3 step/40 ...)
        mass = 2 / (3 * math.pi) * step**1.5
        assert law.cdf(-2 + step) == pytest.approx(mass, rel=step, abs=2e-16)


def test_values_and_their_text():
    law = Semicircle(2, center=3)
    assert repr(law) == "Semicircle(variance=2.0, center=3.0)"
    assert eval(repr(law)) == law
    assert law == Semicircle(2.0, 3.0) != Semicircle(3.0, 2.0)
    assert hash(law) == hash(Semicircle(2.0, 3.0))
    assert Semicircle() == Semicircle(1.0, 0.0)
    assert law.center == 3.0


@pytest.mark.parametrize("variance", [0, -1.0, math.nan, math.inf])
def test_variances_that_are_not_positive_are_refused(variance):
    with pytest.raises(ValueError, match="variance must be a positive finite number"):
        Semicircle(variance)


@pytest.mark.parametrize("mean", [math.nan, math.inf])
def test_means_that_are_not_finite_are_refused(mean):
    with pytest.raises(ValueError, match="center must be a finite number"):
        Semicircle(1.0, center=mean)


@pytest.mark.parametrize("bad", ["1", True, None, [1.0, 2.0], 1j])
def test_parameters_that_are_not_numbers_are_refused(bad):
    with pytest.raises(TypeError, match="variance must be"):
        Semicircle(bad)
    with pytest.raises(TypeError, match="center must be"):
        Semicircle(1.0, center=bad)
