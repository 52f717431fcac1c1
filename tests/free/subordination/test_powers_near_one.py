"""Powers just above 1 of laws with a hard edge at zero: a gap opens there, however narrow."""

import math

import numpy as np
import pytest

from rmtland import free_compression, free_power, free_product
from rmtland.laws import Arcsine, Discrete, FussCatalan, JacobiWeight, affine


def closed_density(x, t):
    """Density of the power of the arcsine law on [0, 1]: z = (1 - t) F + t w, F^2 = w (w - 1)."""
    a, d = 1 / t, t - 1
    first, second, third = 1 - (a * d) ** 2, a * d * (1 - 2 * a * x), a * x * (1 - a * x)
    root = 1j * math.sqrt(4 * first * third - second**2)
    return -(2 * first / (root - second)).imag / math.pi


@pytest.mark.parametrize("excess", [1e-3, 1e-6, 1e-9, 1e-12])
def test_the_arcsine_law(excess):
    t = 1 + excess
    law, unit = free_power(Arcsine(0.0, 1.0), t), (t - 1) ** 2 / 4
    ((low, high),) = law.support
    # the discriminant of the quadratic equation, to first order in the excess
    assert low == pytest.approx(unit, rel=2 * excess + 1e-12)
    assert high == pytest.approx(t, rel=excess)
    x = low * np.array([1.01, 1.5, 40.0, 1e4])
    np.testing.assert_allclose(law.pdf(x), [closed_density(place, t) for place in x], rtol=1e-6)
    assert law.pdf(0.9 * low) == 0
    assert law.cdf(0.9 * low) == 0
    mirrored = free_power(affine(Arcsine(0.0, 1.0), scale=-1.0), t)
    assert mirrored.support[0][1] == pytest.approx(-low, rel=1e-9)


@pytest.mark.slow
def test_a_gap_beside_zero_of_a_signed_product():
    """Its support began at -5e-14, on the other side of zero, and the law was refused."""
    pair = Discrete((-3.0, 1.0, 3.0), (0.4, 0.3, 0.3))
    signed = free_product(pair, FussCatalan(2.0))
    t = 1 + 1e-4
    law = free_power(signed, t)
    assert signed.support[1][0] == 0.0
    # the edge is the largest value of z along w below zero
    w = -np.geomspace(1e-16, 1e-8, 4001)
    z = (1 - t) / signed.stieltjes(w).real + t * w
    assert law.support[1][0] == pytest.approx(z.max(), rel=1e-5)
    assert law.cdf(0.0) == pytest.approx(0.4 * t, abs=1e-12)  # G is negative on the gap


@pytest.mark.slow
@pytest.mark.parametrize("t", [1.0000798264789355, 1 + 1e-9])
def test_a_product_with_a_hard_edge(t):
    one = free_product(JacobiWeight(-0.5, 1.5, 1.0, 1.7656113129520716), FussCatalan(2.0))
    law = free_power(one, t)
    x = np.array([1e-3, 0.1, 1.0, 5.0])
    np.testing.assert_allclose(law.cdf(x), one.cdf(x), atol=2 * (t - 1))
    corner = free_compression(one, 1 / t)
    np.testing.assert_allclose(corner.cdf(x / t), law.cdf(x), rtol=1e-9)
