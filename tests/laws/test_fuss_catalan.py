"""The Fuss-Catalan laws: exact moments, the parametrised density, the branch for every order."""

import math

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import example, given, strategies as st

from rmtland.laws import MarchenkoPastur
from rmtland.laws.fuss_catalan import FussCatalan
from rmtland.solution import ConvergenceError

quick = examples(80)
orders = st.one_of(
    st.floats(-3, 2.5).map(lambda e: 10.0**e), st.sampled_from([0.5, 1.0, 2.0, 3.0, 10.0])
)


def test_moments_and_cumulants_are_fuss_catalan_numbers():
    for s in (1, 2, 3, 6):
        law = FussCatalan(s)
        expected = [math.comb((s + 1) * k, k) // (s * k + 1) for k in range(12)]
        assert [int(m) for m in law._exact_moments(11)] == expected
        cumulants = [math.comb(s * k, k) // ((s - 1) * k + 1) for k in range(1, 12)]
        assert [int(c) for c in law._exact_cumulants(11)] == cumulants
    from rmtland.laws.cumulants import free_cumulants_of

    law = FussCatalan(0.75)
    assert free_cumulants_of(law._exact_moments(8)) == law._exact_cumulants(8)
    assert FussCatalan(2).moment(40) == math.comb(120, 40) / 81


def test_order_one_is_marchenko_pastur():
    law, other = FussCatalan(1.0), MarchenkoPastur(1.0)
    x = np.array([1e-200, 1e-9, 0.01, 1.0, 3.9, 3.9999])
    np.testing.assert_allclose(law.pdf(x), other.pdf(x), rtol=1e-11)  # 1e-16 by 2.5e-5 to the edge
    np.testing.assert_allclose(law.cdf(x), other.cdf(x), atol=2e-15)
    z = np.concatenate([x + 1e-9j, x - 1j, [-1e-12, -3.0, 4.1, 1e9, -1e9]])
    np.testing.assert_allclose(law.stieltjes(z), other.stieltjes(z), rtol=1e-12)
    np.testing.assert_allclose(law.log_potential(z), other.log_potential(z), atol=4e-15, rtol=1e-15)
    q = np.linspace(0.001, 0.999, 21)
    np.testing.assert_allclose(law.ppf(q), other.ppf(q), rtol=1e-12)


@given(orders, st.floats(1e-3, 1 - 1e-3))
@example(0.001, 0.25)
@quick
def test_density_by_its_parametrisation(s, share):
    law = FussCatalan(s)
    with mpmath.workdps(40):
        order, t = mpmath.mpf(s), mpmath.mpf(share) * mpmath.pi / (mpmath.mpf(s) + 1)
        large, small, middle = mpmath.sin((order + 1) * t), mpmath.sin(t), mpmath.sin(order * t)
        x = large ** (order + 1) / (small * middle**order)
        density = large * small / (mpmath.pi * x * middle)
        # 1 - Im L/pi with L = s (P - 1) - log(P - 1)
        below = 1 - ((order + 1) * t - order * small * large / middle) / mpmath.pi
        edge = (order + 1) ** (order + 1) / order**order
    if x < 1e-280:
        return
    near = float(x / (edge - x))
    assert law.pdf(float(x)) == pytest.approx(float(density), rel=1e-13 * (1 + near / 10) * (1 + s))
    slack = float(x * density) * 1e-15
    assert law.cdf(float(x)) == pytest.approx(float(below), abs=4e-15 + slack)
    assert law.ppf(float(below)) == pytest.approx(
        float(x), rel=1e-13 * (1 + s) + 1e-15 / float(x * density)
    )
    assert law.support[0][1] == pytest.approx(float(edge), rel=2e-15)


@given(orders, st.floats(-40, 20), st.floats(-30, 10), st.sampled_from([-1, 1]), st.booleans())
@quick
def test_the_branch_is_the_right_one(s, size, height, sign, on_axis):
    """The equation holds, and P = z G lies in the domain that the docstring names."""
    law = FussCatalan(s)
    x = sign * math.exp(size)
    z = complex(x, 0.0 if on_axis else abs(x) * math.exp(height))
    g, slope = (value[0] for value in law._jet(np.array([z])))
    zeta = law._log_p(np.array([z]))[0]
    turn = -zeta.imag
    assert 0 <= turn <= math.pi / (s + 1) * (1 + 1e-15)
    moment = np.expm1(zeta)
    value = (s + 1) * zeta - np.log(abs(moment)) + 1j * math.atan2(abs(moment.imag), moment.real)
    assert abs(value - np.log(z)) < 4e-15 * (1 + (s + 1) * abs(zeta) + abs(np.log(z)))
    assert abs(g * z / np.exp(zeta) - 1) < 1e-14
    assert g.imag <= 0
    if on_axis and (x < 0 or x > law.support[0][1]):
        assert g.imag == 0
        assert slope.real < 0
    # |G| <= 1/distance to the support, and the sign of the real part left and right of it
    if x < 0:
        assert abs(g) * abs(z) <= 1 + 1e-14
        assert g.real < 0


@pytest.mark.parametrize("s", [1e-3, 0.05, 0.5, 2.0, 30.0, 300.0])
def test_bisection_by_the_angle_finds_the_same(s):
    """The safeguard against the solver it guards, over the whole half-plane."""
    law = FussCatalan(s)
    rng = np.random.default_rng(6)
    edge = law.support[0][1]
    x = edge * np.exp(rng.uniform(-12, 6, 300)) * rng.choice([-1, 1], 300)
    z = x + 1j * np.abs(x) * 10 ** rng.uniform(-9, 2, 300)
    inside = edge * rng.uniform(1e-6, 0.99, 50) + 0j
    z = np.concatenate([z, inside])
    away = np.minimum(np.abs(z / edge - 1), 1)
    found, expected = law._log_p(z), law._by_angle(z)
    assert (np.abs(found - expected) <= 1e-13 * (s + 1 + 0.1 / s) / away).all()
    outside = np.array([-1e3, -1.0, -1e-6, 1.01, 1.5, 1e4]) * edge
    np.testing.assert_allclose(
        law._log_p(outside + 0j), law._on_axis(outside), rtol=1e-10, atol=1e-14
    )


def test_ends_of_the_support():
    law = FussCatalan(2.0)
    assert law.support == ((0.0, 6.75),)
    assert law.pdf([0.0, 6.75, -1.0, 7.0]).tolist() == [math.inf, 0, 0, 0]
    assert law.cdf([0.0, 6.75, -1.0, 7.0]) == pytest.approx([0, 1, 0, 1], abs=1e-15)
    assert law.stieltjes(0.0) == complex(math.inf, 0)
    assert law.stieltjes(6.75) == pytest.approx(1.5 / 6.75, rel=1e-15)
    assert law.log_potential(6.75) == pytest.approx(1 + math.log(2), rel=1e-15)
    # P^(s+1) = -z beside 0: density sin(pi/(s+1)) x^(-s/(s+1)) / pi
    x = 1e-150
    assert law.pdf(x) == pytest.approx(math.sin(math.pi / 3) * x ** (-2 / 3) / math.pi, rel=1e-12)


def test_r_transform_of_order_two_is_catalan():
    law = FussCatalan(2.0)
    g = np.array([0.2, 0.01, -3.0, 0.1 + 0.3j, -1 - 2j])
    catalan = 2 / (1 + np.sqrt(1 - 4 * g))
    np.testing.assert_allclose(law.r_transform(g), catalan**2, rtol=1e-14)
    with pytest.raises(ConvergenceError, match="branch point"):
        law.r_transform(0.3)
    np.testing.assert_allclose(FussCatalan(1.0).r_transform(g), 1 / (1 - g), rtol=1e-14)


def test_it_is_a_product_of_gaussian_matrices():
    rng = np.random.default_rng(4)
    n = 300
    product = rng.standard_normal((n, n)) @ rng.standard_normal((n, n)) / n
    values = np.sort(np.linalg.svd(product, compute_uv=False) ** 2)
    steps = (np.arange(n) + 0.5) / n
    assert np.abs(FussCatalan(2.0).cdf(values) - steps).max() < 0.02
    assert np.abs(FussCatalan(1.8).cdf(values) - steps).max() > 0.02


def test_bad_orders_are_refused():
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="order must be a positive finite number"):
            FussCatalan(bad)
    with pytest.raises(TypeError, match="order"):
        FussCatalan("2")
    law = FussCatalan(0.5)
    with pytest.raises(ValueError, match="pole"):
        law.s_transform(-1.0)
    with pytest.raises(ValueError, match="branch point"):
        law.s_transform(-2.0)
    assert law.s_transform(-2.0 + 0j) == pytest.approx(-1j)
