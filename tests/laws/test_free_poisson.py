"""The free Poisson law: Marchenko-Pastur for either sign of the jump, at 40 digits."""

import math

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.laws import MarchenkoPastur
from rmtland.laws.free_poisson import FreePoisson

quick = examples(80)
rates = st.one_of(
    st.floats(-3, 3).map(lambda e: 10.0**e),
    st.sampled_from([1.0, 1 - 2**-53, 1 + 2**-52, 1 + 1e-9, 1 - 1e-6]),
)
jumps = st.builds(lambda sign, e: sign * 10.0**e, st.sampled_from([-1.0, 1.0]), st.floats(-2, 2))


@given(rates, jumps)
@quick
def test_it_is_marchenko_pastur_or_its_mirror_image(rate, jump):
    law, other = FreePoisson(rate, jump), MarchenkoPastur(1 / rate, rate * abs(jump))
    sign = math.copysign(1, jump)
    x = abs(jump) * (1 + math.sqrt(rate)) ** 2 * np.array([0.03, 0.3, 0.75, 0.99, 1.5])
    # 1/rate is rounded, which moves edges by as much.
    near = np.abs(x[:, None] - np.ravel(other.support)).min(axis=1)
    slack = 1e-14 * np.max(np.abs(x)) / near
    density = other.pdf(x)
    assert (np.abs(law.pdf(sign * x) - density) <= (1e-13 + slack) * density).all()
    below = law.cdf(sign * x) if jump > 0 else 1 - law.mass_below(sign * x)
    np.testing.assert_allclose(below, other.cdf(x), atol=1e-12 * max(1, math.sqrt(rate)))
    np.testing.assert_allclose(
        law.free_cumulants(5), sign ** np.arange(1, 6) * other.free_cumulants(5), rtol=1e-14
    )


@given(rates, jumps)
@quick
def test_atom_and_edges(rate, jump):
    law = FreePoisson(rate, jump)
    ((low, high),) = law.support
    with mpmath.workdps(40):
        ends = sorted(jump * (1 + s * mpmath.sqrt(rate)) ** 2 for s in (-1, 1))
    assert low == pytest.approx(float(ends[0]), rel=1e-14)
    assert high == pytest.approx(float(ends[1]), rel=1e-14)
    assert law.atoms == (((0.0, 1 - rate),) if rate < 1 else ())
    if rate < 1:
        step = law.cdf(0.0) - law.mass_below(0.0)
        assert step == pytest.approx(1 - rate, abs=1e-15)
        assert law.cdf(0.0) == (1 if jump < 0 else pytest.approx(1 - rate, abs=1e-15))
    assert law.mean() == pytest.approx(rate * jump, rel=1e-15)
    assert law.s_transform(0.5) == pytest.approx(1 / (jump * (rate + 0.5)), rel=1e-15)


@given(rates, jumps, st.floats(-9, 8), st.floats(-11, 3), st.booleans(), st.booleans())
@quick
def test_transform_and_slope_keep_their_digits(rate, jump, distance, height, upper, outwards):
    """Relative accuracy from 1e-9 of the width beside an edge to 1e8 widths away."""
    law = FreePoisson(rate, jump)
    ((low, high),) = law.support
    edge = high if upper else low
    x = edge + (1 if outwards else -1) * (high - low) * 10**distance
    y = (high - low) * 10**height
    with mpmath.workdps(60):
        z, r, j = mpmath.mpc(x, y), mpmath.mpf(rate), mpmath.mpf(jump)
        ends = [j * (1 - mpmath.sqrt(r)) ** 2, j * (1 + mpmath.sqrt(r)) ** 2]
        root = mpmath.sqrt(z - ends[0]) * mpmath.sqrt(z - ends[1])
        h = (z - j * (r - 1) + root) / 2
        g, slope = complex(1 / h), complex(-(h - j) / root / h**2)
    rounding = 1 + abs(edge) / abs(complex(x - edge, y))  # an edge is rounded
    value, derivative = law._jet(np.array([complex(x, y)]))
    assert abs(value[0] / g - 1) < 2e-15 * rounding
    assert abs(derivative[0] / slope - 1) < 4e-15 * rounding


def test_density_is_unbounded_at_zero_for_rate_one():
    law = FreePoisson(1.0, -2.0)
    assert law.support == ((-8.0, 0.0),)
    assert law.pdf(0.0) == math.inf
    assert law.pdf(-1e-200) == pytest.approx(1 / (math.pi * math.sqrt(2e-200)), rel=1e-12)
    assert law.atoms == ()


def test_many_rare_free_jumps_make_it():
    """The n-th free power of the masses 1 - r/n at 0 and r/n at j: n kappa_k -> r j^k."""
    from rmtland.laws.discrete import Discrete

    rate, jump, n = 0.7, -1.5, 10**7
    one = Discrete((0.0, jump), (1 - rate / n, rate / n))
    np.testing.assert_allclose(
        n * one.free_cumulants(4), FreePoisson(rate, jump).free_cumulants(4), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0.0, 1.0), "rate must be a positive finite number"),
        ((-1.0, 1.0), "rate must be a positive finite number"),
        ((math.nan, 1.0), "rate must be a positive finite number"),
        ((1.0, 0.0), "jump must not be 0"),
        ((1.0, math.inf), "jump must be a finite number"),
        ((1.0, math.nan), "jump must be a finite number"),
    ],
)
def test_bad_parameters_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        FreePoisson(*arguments)
    with pytest.raises(TypeError, match="rate"):
        FreePoisson("1", 1.0)
    with pytest.raises(ValueError, match="pole"):
        FreePoisson(0.5, 1.0).s_transform(-0.5)


def test_quantiles_beside_the_atom_of_a_large_law():
    """Just below zero it had the distribution function at zero."""
    law = FreePoisson(0.7, -1e40)
    assert law.ppf(0.9) == 0
    assert law.cdf(-1e-300) == pytest.approx(0.7)
