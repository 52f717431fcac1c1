"""The arcsine law: closed forms, moments and cumulants known by hand."""

import math

import numpy as np
import pytest

from rmtland.laws.arcsine import Arcsine
from rmtland.laws.discrete import Discrete


def test_moments_are_central_binomials():
    law = Arcsine(-2.0, 2.0)
    assert [law.moment(2 * k) for k in range(12)] == [math.comb(2 * k, k) for k in range(12)]
    assert [law.moment(2 * k + 1) for k in range(6)] == [0] * 6
    assert law.moment(40) == math.comb(40, 20)
    assert [Arcsine(0.0, 4.0).moment(k) for k in range(9)] == [
        math.comb(2 * k, k) for k in range(9)
    ]


def test_it_is_the_free_sum_of_two_signs():
    sign = Discrete((-1.0, 1.0), (0.5, 0.5))
    np.testing.assert_allclose(
        Arcsine(-2.0, 2.0).free_cumulants(12), 2 * sign.free_cumulants(12), rtol=1e-15
    )


def test_zeros_of_chebyshev_polynomials_follow_it():
    n = 400
    zeros = np.cos((np.arange(n) + 0.5) * np.pi / n)[::-1]
    np.testing.assert_allclose(Arcsine(-1.0, 1.0).cdf(zeros), (np.arange(n) + 0.5) / n, atol=1e-15)


@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (0.0, 1e-3), (1e3, 1e3 + 1), (-5.0, 0.0)])
def test_distribution_function_and_quantiles(low, high):
    law = Arcsine(low, high)
    width = high - low
    q = np.array([0.0, 1e-9, 0.1, 0.25, 0.5, 0.9, 1.0])
    x = low + width * np.sin(np.pi * q / 2) ** 2
    np.testing.assert_allclose(law.ppf(q), x, atol=4e-16 * width, rtol=4e-16)
    blur = math.sqrt(np.spacing(max(abs(low), abs(high))) / width)  # sqrt of an ulp, at an edge
    np.testing.assert_allclose(law.cdf(x), q, atol=1e-15 + blur)
    assert law.pdf([low, high]).tolist() == [math.inf, math.inf]
    assert law.cdf([low, high]).tolist() == [0, 1]
    assert law.var() == pytest.approx(width**2 / 8, rel=1e-12)
    assert law.log_potential([low, high]).real == pytest.approx(math.log(width / 4), rel=1e-14)
    # Constant potential on the support: the equilibrium law.
    inner = low + width * np.linspace(0.01, 0.99, 9)
    assert law.log_potential(inner).real == pytest.approx(math.log(width / 4), rel=1e-12)


def test_s_transform_on_the_whole_of_its_domain():
    law = Arcsine(1.0, 3.0)
    z = np.array([-1e3, -1.0, -1e-3, 0.5, 0.999999, 3.000001, 4.0, 1e4])
    w = z * law.stieltjes(z).real - 1
    np.testing.assert_allclose((1 + w) / (w * law.s_transform(w)), z, rtol=1e-9)
    assert law.s_transform(-1 + 1e-14) == pytest.approx(1 / math.sqrt(3), rel=1e-6)  # E[1/x]
    below = Arcsine(-3.0, -1.0)
    np.testing.assert_allclose(below.s_transform(w), -law.s_transform(w), rtol=1e-15)
    with pytest.raises(ValueError, match="mean is not zero"):
        Arcsine().s_transform(0.1)


def test_bad_parameters_are_refused():
    for low, high in ((1.0, 1.0), (2.0, 1.0)):
        with pytest.raises(ValueError, match="low must be below high"):
            Arcsine(low, high)
    for name in ("low", "high"):
        for bad in (math.nan, math.inf):
            with pytest.raises(ValueError, match=f"{name} must be a finite number"):
                Arcsine(**{name: bad})
        with pytest.raises(TypeError, match=name):
            Arcsine(**{name: "0"})
    with pytest.raises(ValueError, match="high - low"):
        Arcsine(-1.7e308, 1.7e308)
    assert Arcsine(-0.0, 1) == Arcsine(0.0, 1.0)
