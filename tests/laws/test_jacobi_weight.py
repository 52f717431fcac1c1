"""The Jacobi weight: Gauss's function at 50 digits, special exponents, both ends."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from scipy import stats

from rmtland.laws import Semicircle
from rmtland.laws.arcsine import Arcsine
from rmtland.laws.jacobi_weight import JacobiWeight
from rmtland.laws.uniform import Uniform

exponents = st.one_of(
    st.floats(-0.95, 4),
    st.floats(-6, 2.3).map(lambda e: 10.0**e),
    st.sampled_from([0.0, 1.0, 2.0, -0.5, 0.5, 1e-12, -1e-12, -0.9]),
)


@given(
    exponents,
    exponents,
    st.floats(-10, 6),
    st.one_of(st.just(-99.0), st.floats(-12, 4)),
    st.sampled_from([-1, 1]),
    st.sampled_from([0.0, 1.0]),
)
@examples(50)
def test_transforms_are_gauss_functions(alpha, beta, distance, height, sign, end):
    """From 1e-10 of the width beside an end to 1e6 widths away, on the axis and off it."""
    law = JacobiWeight(alpha, beta, 0.0, 1.0)
    x = end + sign * 10**distance
    y = 10**height if height > -99 else 0.0
    if x in (0.0, 1.0):
        return
    with mpmath.workdps(50):
        # On the axis the limit from above; the real part is not moved by 1e-45.
        z = mpmath.mpc(x, y if y else mpmath.mpf(10) ** -45)
        a, b = mpmath.mpf(alpha), mpmath.mpf(beta)

        def stieltjes(z):
            return mpmath.hyp2f1(1, b + 1, a + b + 2, 1 / z) / z

        g = complex(stieltjes(z))
        step = mpmath.mpf(10) ** -16 * min(abs(z), abs(z - 1))
        slope = complex((stieltjes(z + step) - stieltjes(z - step)) / (2 * step))
    value, derivative = (v[0] for v in law._jet(np.array([complex(x, y)])))
    # The path is as good as the weight on it is small: growth of large exponents, unequal ones.
    tolerance = 3e-15 * (1 + 0.1 * (alpha + beta))
    assert abs(value - g) <= tolerance * abs(g)
    assert abs(derivative - slope) <= 4 * tolerance * abs(slope) + 1e-14 * abs(g) * (y == 0)
    # 1 - x is known to an ulp of 1
    near = np.spacing(1.0) / abs(x - 1) * max(alpha, 1)
    if 0 < x < 1 and y == 0:
        assert value.imag == pytest.approx(
            g.imag, rel=1e-13 * (3 + alpha + beta) + near, abs=1e-300
        )


def test_special_exponents_are_laws_with_names():
    z = np.concatenate([np.array([-3.0, -1.3, 0.2, 1.99, 2.5]) + h for h in (0, 1e-12j, 0.3j, -2j)])
    x = np.array([-1.99, -1.0, 0.3, 1.9, 2.0, 3.0])
    for law, other in (
        (JacobiWeight(0.5, 0.5, -2.0, 2.0), Semicircle()),
        (JacobiWeight(0.0, 0.0, -2.0, 2.0), Uniform(-2.0, 2.0)),
        (JacobiWeight(-0.5, -0.5, -2.0, 2.0), Arcsine(-2.0, 2.0)),
    ):
        np.testing.assert_allclose(law.stieltjes(z), other.stieltjes(z), rtol=4e-15)
        np.testing.assert_allclose(law.log_potential(z), other.log_potential(z), atol=4e-15)
        np.testing.assert_allclose(law.pdf(x), other.pdf(x), rtol=2e-14)
        np.testing.assert_allclose(law.cdf(x), other.cdf(x), atol=1e-15)
        np.testing.assert_allclose(law.free_cumulants(8), other.free_cumulants(8), rtol=1e-15)


@pytest.mark.parametrize(
    ("alpha", "beta"), [(0.5, -0.3), (3.0, 2.0), (-0.9, 0.0), (60.0, 5.0), (-0.5, 150.0)]
)
def test_log_potential_by_quadrature(alpha, beta):
    law = JacobiWeight(alpha, beta, 0.0, 1.0)
    with mpmath.workdps(30):
        a, b = mpmath.mpf(alpha), mpmath.mpf(beta)
        mode = float((beta + 1) / (alpha + beta + 2))
        whole = min(alpha, beta) > -0.6  # else 30 digits miss what is closer to an end
        for z in (-0.2 + 0.1j, 0.6 + 0.4j, 1.0 + 0.05j, 4 + 1j):
            # u = t^(b+1) would do for one end; mpmath's own rule takes both
            value = mpmath.quad(
                lambda t, z=z: t**b * (1 - t) ** a * mpmath.log(mpmath.mpc(z) - t),
                [0, mode / 2, mode, (1 + mode) / 2, 1],
                maxdegree=9 if whole else 6,
            ) / mpmath.beta(a + 1, b + 1)
            tolerance = 1e-13 if whole else 1e-3
            assert law.log_potential(z) == pytest.approx(complex(value), abs=tolerance)


def test_the_rule_does_not_depend_on_how_far_it_reaches():
    """Points ask for more nodes where they are near an end; the value stays."""
    for alpha, beta in ((0.0, 0.0), (-0.9, 0.4), (1.0, 1.0), (7.0, 0.2)):
        law = JacobiWeight(alpha, beta, 0.0, 1.0)
        z = np.array([0.3 + 0.1j, 0.8, 0.99 + 1e-3j])
        alone, potential = law._jet(z), law._log_potential(z)
        longer = np.concatenate([z, [1e-150 + 0j, 1 - 1e-13 + 0j]])
        for one, other in zip(alone, law._jet(longer), strict=True):
            np.testing.assert_allclose(one, other[:3], rtol=1e-14)
        np.testing.assert_allclose(potential, law._log_potential(longer)[:3], atol=1e-14)


def test_values_at_and_beside_the_ends():
    law = JacobiWeight(1.5, 0.5, 0.0, 2.0)
    g, slope = law._jet(np.array([0.0, 2.0], dtype=complex))
    # -E[1/t] = -(alpha + beta + 1)/beta over the width, E[1/(1-t)] at the upper end
    np.testing.assert_allclose(g, [-3.0 / 0.5 / 2, 3.0 / 1.5 / 2], rtol=1e-15)
    assert slope[0].real == -math.inf
    assert slope[1].real == pytest.approx(-3.0 * 2.0 / (1.5 * 0.5) / 4, rel=1e-15)
    assert law._jet(np.array([1e-200 + 0j]))[0][0] == pytest.approx(-3.0, rel=1e-14)
    unbounded = JacobiWeight(0.0, -0.75, 0.0, 1.0)
    assert unbounded.stieltjes(0.0) == complex(math.inf, 0)
    assert unbounded.pdf(0.0) == math.inf
    # pi cot(pi beta) times the density, less its regular part
    for x in (1e-30, 1e-120):
        lead = math.pi / math.tan(-0.75 * math.pi) * unbounded.pdf(x)
        assert unbounded.stieltjes(x).real == pytest.approx(lead, rel=1e-13)  # |log x| ulps
    # E[log t] = digamma(beta + 1) - digamma(alpha + beta + 2)
    for end in (0.0, 1.0):
        at = JacobiWeight(0.7, 0.4, 0.0, 1.0).log_potential(end).real
        beside = JacobiWeight(0.7, 0.4, 0.0, 1.0).log_potential(end + 1e-13j).real
        assert at == pytest.approx(beside, abs=1e-11)


@given(exponents, exponents)
@examples(60)
def test_it_is_the_beta_distribution(alpha, beta):
    law, other = JacobiWeight(alpha, beta, -1.0, 3.0), stats.beta(beta + 1, alpha + 1, -1, 4)
    q = np.array([0.05, 0.3, 0.6, 0.95])
    x = other.ppf(q)
    x = x[(x > -1 + 1e-9) & (x < 3 - 1e-9)]
    np.testing.assert_allclose(law.pdf(x), other.pdf(x), rtol=1e-11)
    np.testing.assert_allclose(law.cdf(x), other.cdf(x), atol=1e-12)
    assert law.mean() == pytest.approx(other.mean(), rel=1e-11, abs=1e-12)
    assert law.var() == pytest.approx(other.var(), rel=1e-11)
    a, b = Fraction(law.alpha), Fraction(law.beta)
    unit = JacobiWeight(alpha, beta, 0.0, 1.0)._exact_moments(3)
    assert unit[3] == (b + 1) * (b + 2) * (b + 3) / (a + b + 2) / (a + b + 3) / (a + b + 4)


def test_bad_parameters_are_refused():
    for name in ("alpha", "beta"):
        with pytest.raises(ValueError, match=f"{name} must be above -1"):
            JacobiWeight(**{"alpha": 0.0, "beta": 0.0, name: -1.0})
    for name in ("alpha", "beta", "low", "high"):
        for bad in (math.nan, math.inf):
            with pytest.raises(ValueError, match=f"{name} must be a finite number"):
                JacobiWeight(**{"alpha": 0.0, "beta": 0.0, name: bad})
        with pytest.raises(TypeError, match=name):
            JacobiWeight(**{"alpha": 0.0, "beta": 0.0, name: "1"})
    with pytest.raises(ValueError, match="low must be below high"):
        JacobiWeight(0.0, 0.0, 1.0, 1.0)
