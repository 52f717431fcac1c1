"""Images of laws under polynomials of one variable, against quadrature, known images and mpmath."""

import math
import pickle

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from law_table import decades

from rmtland import (
    Arcsine,
    Discrete,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    free_sum,
    free_variables,
    law_of_polynomial,
)
from rmtland.laws import mixture
from rmtland.laws.pushforward import Pushforward, pushforward

x = free_variables("x")
LAWS = [
    Semicircle(0.3, center=1.0),
    Uniform(0.5, 2),
    Arcsine(-1, 2),
    MarchenkoPastur(2.0),
    free_sum(Discrete((-2.0, 2.0), (0.3, 0.7)), Semicircle(0.3)),
    mixture([Uniform(-3, -1), Uniform(0.5, 1), Discrete((-0.5, 2.0), (0.5, 0.5))], [0.4, 0.4, 0.2]),
]


@st.composite
def images(draw):
    """Laws with polynomials of degree 2 to 6, their zeros near the law or not."""
    law = draw(st.sampled_from(LAWS))
    degree = draw(st.integers(2, 6))
    series = [draw(st.floats(-2, 2)) for _ in range(degree)]
    return law, (*series, draw(st.sampled_from([-1.0, 1.0])) * draw(decades(1e-2, 1e2)))


@examples(15)
@given(images())
def test_image_is_that_of_the_quantiles(case):
    law, series = case
    pushed = pushforward(law, series)
    number = 4000
    values = np.polynomial.Polynomial(series)(law.ppf((np.arange(number) + 0.5) / number))
    values.sort()
    low, high = pushed.ppf([0.0, 1.0])
    slack = 1e-12 * np.abs(values).max()
    assert low <= values[0] + slack
    assert high >= values[-1] - slack
    # Between neighbours of a place in the sample, not at it: an atom is a row of equal values.
    t = low + (high - low) * np.linspace(0.013, 0.987, 21)
    counted = np.searchsorted(values, t) / number
    # every monotone piece of every band miscounts one quantile at most at each of its ends
    assert pushed.cdf(t) == pytest.approx(counted, abs=(2 * len(series) + 10) / number)
    # Three routes to the same law: branches, roots, and the factors of z - p(t)
    density = pushed.pdf(t)
    assert -pushed.stieltjes(t).imag / math.pi == pytest.approx(density, rel=1e-7, abs=1e-10)
    z = t[3::7] + (high - low) * np.array([0.3j, 1j, 0.02j])
    assert pushed.stieltjes(z) == pytest.approx(
        np.mean(1 / (z[:, None] - values), axis=1), rel=30 / number, abs=30 / number / (high - low)
    )
    step = 1e-5 * (high - low)
    slope = (pushed.log_potential(z + step) - pushed.log_potential(z - step)) / (2 * step)
    assert slope == pytest.approx(pushed.stieltjes(z), rel=1e-6)
    far = 1e8j * max(abs(low), abs(high))
    assert pushed.log_potential(far) == pytest.approx(np.log(far - pushed.mean()), abs=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_moments_are_those_on_a_circle(law):
    pushed = pushforward(law, (0.3, -1.0, 0.2, 0.5))
    size = max(abs(pushed.ppf([0.0, 1.0])))
    z = 2 * size * np.exp(1j * np.pi * (np.arange(256) + 0.5) / 256)
    for k in range(5):
        found = np.mean(z ** (k + 1) * pushed.stieltjes(z)).real
        assert found == pytest.approx(pushed.moment(k), abs=1e-12 * (2 * size) ** k)


@pytest.mark.parametrize(
    ("law", "series", "exact"),
    [
        (Semicircle(), (0, 0, 1), MarchenkoPastur(1.0)),
        (Arcsine(-2, 2), (-2, 0, 1), Arcsine(-2, 2)),
        (Arcsine(-1, 1), (-1, 0, 2), Arcsine(-1, 1)),  # Chebyshev polynomials keep it
        (Arcsine(-1, 1), (0, -3, 0, 4), Arcsine(-1, 1)),
        (Arcsine(-1, 1), (1, 0, -8, 0, 8), Arcsine(-1, 1)),
    ],
)
def test_known_images(law, series, exact):
    pushed = pushforward(law, series)
    assert np.ravel(pushed.support) == pytest.approx(np.ravel(exact.support), abs=1e-14)
    t = np.linspace(*exact.support[0], 40)[1:-1]
    assert pushed.pdf(t) == pytest.approx(exact.pdf(t), rel=1e-11)
    assert pushed.cdf(t) == pytest.approx(exact.cdf(t), abs=1e-13)
    z = np.concatenate([t + 0.1j, t, [5.0, -7.0]])
    assert pushed.stieltjes(z) == pytest.approx(exact.stieltjes(z), rel=1e-9, abs=1e-9)
    assert pushed.ppf([0.1, 0.5, 0.9]) == pytest.approx(exact.ppf([0.1, 0.5, 0.9]), abs=1e-11)
    assert [pushed.moment(k) for k in range(7)] == pytest.approx(
        [exact.moment(k) for k in range(7)], rel=1e-12
    )


def test_cubic_with_a_minimum_inside_the_support():
    law = law_of_polynomial(x**3 - x, x=Uniform(0.5, 2))
    assert isinstance(law, Pushforward)
    low = -2 / math.sqrt(27)
    assert law.support[0] == pytest.approx((low, 6.0), rel=1e-15)
    # p(t) <= 0 for t in [1/2, 1]
    assert law.cdf(0.0) == pytest.approx(1 / 3, abs=1e-15)
    assert law.pdf(law.support[0][0]) == math.inf
    d = 1e-8  # density ~ 2 rho / sqrt(2 p'' d) beside the minimum
    assert law.pdf(low + d) == pytest.approx(
        (2 / 3) * 2 / math.sqrt(2 * 6 / math.sqrt(3) * d), rel=1e-3
    )


def uniform_transform(series, low, high, z):
    """G of the image of a uniform law by quadrature in many digits."""
    powers = [mpmath.mpf(float(c)) for c in series]
    value = mpmath.quad(
        lambda t: 1 / (mpmath.mpc(z) - mpmath.fsum(c * t**k for k, c in enumerate(powers))),
        mpmath.linspace(low, high, 9),
    )
    return complex(value / (high - low))


@pytest.mark.parametrize("offset", [0.0, 1e-12, 1e-6, 1e-3, 0.01 + 0.01j])
def test_transforms_beside_critical_values_and_their_errors(offset):
    # z = p(c) at complex critical points, where roots are double
    rng = np.random.default_rng(3)
    for degree in (3, 4, 5):
        series = rng.normal(size=degree + 1)
        low, high = sorted(rng.normal(size=2))
        law = pushforward(Uniform(low, high), series)
        p = np.polynomial.Polynomial(series)
        z = p(p.deriv().roots()) + offset
        z = np.where(np.abs(z.imag) < 1e-3, z.real + 0.1j, np.where(z.imag < 0, z.conj(), z))
        solution = law.solve(z)
        for point, value, error in zip(z, solution.value, solution.error, strict=True):
            exact = uniform_transform(series, low, high, complex(point))
            assert abs(value - exact) <= error
            assert error < 1e-8 * abs(exact)
            assert abs(value - exact) < 1e-11 * abs(exact)


def test_points_beside_the_axis_belong_to_the_right_half_plane():
    law = pushforward(Uniform(-1.0, 2.0), (0.0, -1.0, 0.3, 1.0))
    t = np.linspace(-0.3, 6.0, 17)
    for height in (1e-300, 1e-16, 1e-13):
        assert law.stieltjes(t + 1j * height) == pytest.approx(law.stieltjes(t), rel=1e-8)


def test_atoms():
    law = mixture([Uniform(-1, 1), Discrete((-2.0, 2.0), (0.5, 0.5))], [0.5, 0.5])
    assert pushforward(law, (0, 0, 1)).atoms == ((4.0, 0.5),)
    assert pushforward(law, (0, 0, 1)).mass_below(4.0) == pytest.approx(0.5)
    # an atom inside a band, at a place that rounding moves
    law = pushforward(
        mixture([Uniform(0, 3), Discrete((0.1, 2.0), (0.5, 0.5))], [0.5, 0.5]), (0, 1, 1)
    )
    for place, mass in law.atoms:
        assert mass == 0.25
        assert law.cdf(place) - law.mass_below(place) == 0.25
    signs = Discrete((-1.0, 0.0, 1.0), (0.2, 0.3, 0.5))
    assert pushforward(signs, (0, -1, 0, 1)) == Discrete((0.0,), (1.0,))


def test_density_at_critical_values():
    assert pushforward(Semicircle(), (0, 0, 0, 1)).pdf(0.0) == math.inf
    # where the law has no density at the critical point, the image has none
    gap = mixture([Uniform(-2, -1), Uniform(1, 2)], [0.5, 0.5])
    assert pushforward(gap, (0, 0, 1)).support == ((1.0, 4.0),)
    assert pushforward(gap, (0, 0, 1)).pdf(0.0) == 0.0


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_scales(size):
    series = np.array([0.1, -1.0, 0.3, 1.0])
    law, moved = (
        pushforward(Uniform(-1, 2), series),
        pushforward(Uniform(-size, 2 * size), series * size / size ** np.arange(4)),
    )
    t = np.linspace(-0.4, 7.0, 23)
    assert moved.cdf(size * t) == pytest.approx(law.cdf(t), abs=1e-13)
    assert size * moved.pdf(size * t) == pytest.approx(law.pdf(t), rel=1e-10)
    assert size * moved.stieltjes(size * t) == pytest.approx(law.stieltjes(t), rel=1e-10)


def test_small_cases_and_arguments():
    assert pushforward(Semicircle(), (3.0, 2.0)) == Semicircle(4.0, center=3.0)
    assert pushforward(Semicircle(), (3.0, 0.0)) == Discrete((3.0,), (1.0,))
    assert pushforward(Semicircle(), (0.0,)) == Discrete((0.0,), (1.0,))
    law = pushforward(Semicircle(), (0, 0, 1))
    assert pickle.loads(pickle.dumps(law)) == law
    assert law.pdf(np.ones((2, 3), dtype=np.float32)[:, ::2]).shape == (2, 2)
    assert law.pdf(np.zeros(0)).shape == (0,)
    with pytest.raises(TypeError, match="must be a Law"):
        pushforward(3.0, (0, 0, 1))
    with pytest.raises(ValueError, match="coefficients"):
        pushforward(Semicircle(), (0, math.nan, 1))
    with pytest.raises(ValueError, match="coefficients"):
        pushforward(Semicircle(), [[0, 1]])


def test_functions_of_numpy_are_known_by_themselves():
    law = MarchenkoPastur(0.5)
    for name, same in (("sqrt", np.sqrt), ("abs", np.abs), ("inverse", np.reciprocal)):
        assert pushforward(law, same) == pushforward(law, name)
    assert pushforward(law, np.square) == pushforward(law, (0.0, 0.0, 1.0))
    for other in (np.exp, lambda t: t**2):
        with pytest.raises(TypeError, match="coefficients of a polynomial"):
            pushforward(law, other)


@pytest.mark.parametrize(
    ("law", "coefficients", "error", "message"),
    [
        ([0.3, 0.5], [0.3, 0.5], TypeError, "law must be a Law"),
        (None, (0.0, 0.0, 1.0), TypeError, "law must be a Law"),
        (Semicircle(), None, TypeError, "coefficients must be real numbers"),
        (Semicircle(), "abs", TypeError, "coefficients must be real numbers"),
        (Semicircle(), (0.0, 0.0, 1j), TypeError, "coefficients must be real numbers"),
        (Semicircle(), (0.0, math.nan, 1.0), ValueError, "coefficients holds 1 NaN"),
        (Semicircle(), (0.0, math.inf, 1.0), ValueError, "coefficients holds infinite"),
        (Semicircle(), np.zeros((3, 3)), ValueError, "coefficients must have 1 axes"),
        (Semicircle(), (), ValueError, "coefficients is empty"),
        (Semicircle(), (0.3, 0.5), ValueError, "degree 2 or more"),
        (Semicircle(), (0.0, 1.0, 0.0), ValueError, "degree 2 or more"),
    ],
)
def test_the_class_refuses_what_the_function_would_not_give_it(law, coefficients, error, message):
    with pytest.raises(error, match=message):
        Pushforward(law, coefficients)


def test_the_class_takes_what_the_function_gives_it_in_any_form():
    law = pushforward(Semicircle(), (0.0, 0.5, 1.0))
    for form in ([0.0, 0.5, 1.0], np.array([0, 0.5, 1], dtype=np.float32)):
        assert Pushforward(Semicircle(), form) == law
    with pytest.raises(ValueError, match="of a law with a density"):
        Pushforward(Discrete((0.0, 1.0), (0.5, 0.5)), (0.0, 0.0, 1.0))


@pytest.mark.parametrize("unit", [1e-120, 1e100])
def test_functions_of_laws_of_extreme_sizes_are_solved_in_units_of_their_own(unit):
    """Values of squares of 1e100 ended in an overflow; so did X of 1e160 with a small factor."""
    one = pushforward(Uniform(1.0, 2.0), (1.0, -1.0, 1.0))
    law = pushforward(Uniform(unit, 2 * unit), (unit**2, -unit, 1.0))
    x = np.array([1.2, 1.8, 2.5])
    assert law.cdf(x * unit**2) == pytest.approx(one.cdf(x), rel=1e-13)
    assert law.pdf(x * unit**2) * unit**2 == pytest.approx(one.pdf(x), rel=1e-13)
    scaled = pushforward(Uniform(1e160, 2e160), (0.0, 0.0, 1e-200))
    assert scaled.pdf(2.25e120) * 1e120 == pytest.approx(1 / 3, rel=1e-13)
    with pytest.raises(ValueError, match=r"of the size 2\^1067, which is no floating-point"):
        pushforward(Uniform(1e160, 2e160), (0.0, 0.0, 1.0))
