"""The Marchenko-Pastur law against its closed forms, at 40 digits."""

import math

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from law_table import phis, sigmas

from rmtland import MarchenkoPastur

quick = examples(60)


def exact(phi, s, x):
    """Density, and the edges, at 40 digits."""
    with mpmath.workdps(40):
        phi, s, x = mpmath.mpf(phi), mpmath.mpf(s), mpmath.mpf(x)
        low, high = s * (1 - mpmath.sqrt(phi)) ** 2, s * (1 + mpmath.sqrt(phi)) ** 2
        root = mpmath.sqrt((x - low) * (high - x)) if low < x < high else mpmath.mpf(0)
        return root / (2 * mpmath.pi * s * phi * x), low, high


@given(phis, sigmas, st.floats(1e-6, 1 - 1e-6))
@quick
def test_density_and_edges_over_the_range(phi, s, share):
    law = MarchenkoPastur(phi, s)
    ((low, high),) = law.support
    x = low + (high - low) * share
    density, exact_low, exact_high = exact(phi, s, x)
    assert low == pytest.approx(float(exact_low), rel=2e-15, abs=0)
    assert high == pytest.approx(float(exact_high), rel=2e-15, abs=0)
    # An edge is rounded: x - low is known to an ulp of low.
    rounding = 1e-15 * high / min(x - low, high - x)
    assert law.pdf(x) == pytest.approx(float(density), rel=4e-15 + 4 * rounding, abs=0)


@given(phis, sigmas, st.floats(0.001, 0.999))
@quick
def test_distribution_function_over_the_range(phi, s, share):
    """cdf by the elementary antiderivative of the density, at 40 digits."""
    law = MarchenkoPastur(phi, s)
    ((low, high),) = law.support
    x = low + (high - low) * share
    with mpmath.workdps(40):
        p, a, b = mpmath.mpf(phi), *exact(phi, s, x)[1:]
        y = mpmath.mpf(x)
        root = mpmath.sqrt((y - a) * (b - y))
        turn = mpmath.acos((a + b - 2 * y) / (b - a))
        inner = mpmath.acos(((a + b) * y - 2 * a * b) / (y * (b - a)))
        geometric = mpmath.sqrt(a * b)
        # integral of root/y from a to x
        integral = root + (a + b) / 2 * turn - geometric * (mpmath.pi - inner)
        below = integral / (2 * mpmath.pi * mpmath.mpf(s) * p) + max(0, 1 - 1 / p)
    assert law.cdf(x) == pytest.approx(float(below), abs=2e-14)


@given(phis, sigmas)
@quick
def test_atom_edges_and_cumulants_over_the_range(phi, s):
    law = MarchenkoPastur(phi, s)
    if phi > 1:
        ((place, mass),) = law.atoms
        assert place == 0
        assert mass == pytest.approx((phi - 1) / phi, rel=1e-12, abs=0)  # phi - 1 is exact
        assert law.cdf(0) == pytest.approx(mass, rel=1e-13, abs=0)
    else:
        assert law.atoms == ()
        assert law.cdf(0) == 0
    assert law.mean() == s
    assert law.var() == pytest.approx(s * s * phi, rel=1e-15, abs=0)
    np.testing.assert_allclose(law.free_cumulants(5), s ** np.arange(1, 6) * phi ** np.arange(5))


def test_moments_are_narayana_polynomials():
    phi, s = 0.4, 1.7
    law = MarchenkoPastur(phi, s)
    for k in range(1, 8):
        narayana = [math.comb(k, r) * math.comb(k - 1, r) / (r + 1) for r in range(k)]
        expected = s**k * sum(n * phi**r for r, n in enumerate(narayana))
        assert law.moment(k) == pytest.approx(expected, rel=1e-14, abs=0)


def test_gram_matrices_of_a_matrix_and_its_transpose_share_their_spectrum():
    """X X^T (ratio phi, mean s) and X^T X/phi (ratio 1/phi): nonzero eigenvalues agree."""
    phi, s = 2.5, 0.6
    law, other = MarchenkoPastur(phi, s), MarchenkoPastur(1 / phi, s * phi)
    x = np.linspace(0.25, 4, 30)
    np.testing.assert_allclose(law.pdf(x) * phi, other.pdf(x), rtol=1e-13)
    np.testing.assert_allclose(law.cdf(x), 1 - 1 / phi + other.cdf(x) / phi, atol=1e-15)


def test_a_square_matrix_has_an_unbounded_density_and_no_atom():
    law = MarchenkoPastur(1.0, 1.9)
    assert law.support == ((0.0, 7.6),)
    assert law.atoms == ()
    assert law.pdf(0.0) == math.inf
    # 1/(pi sqrt(s x)) beside zero, at any scale; the mass is 2 sqrt(x/s)/pi.
    for x in (1e-10, 1e-100, 1e-300):
        assert law.pdf(x) == pytest.approx(1 / (math.pi * math.sqrt(1.9 * x)), rel=1e-9, abs=0)
        assert law.cdf(x) == pytest.approx(2 / math.pi * math.sqrt(x / 1.9), rel=1e-8, abs=1e-15)


def test_nearly_square_matrices_keep_the_relative_accuracy_of_the_lower_edge():
    for gap in (1e-5, 1e-9, 2.0**-52):
        for phi in (1 - gap, 1 + gap):
            low = MarchenkoPastur(phi, 0.6).support[0][0]
            assert low == pytest.approx(float(exact(phi, 0.6, 1)[1]), rel=1e-14, abs=0)


@pytest.mark.parametrize("name", ["aspect_ratio", "scale"])
@pytest.mark.parametrize("bad", [0, -0.5, math.nan, math.inf, -math.inf])
def test_parameters_that_are_not_positive_are_refused(name, bad):
    with pytest.raises(ValueError, match=f"{name} must be a positive finite number"):
        MarchenkoPastur(**{"aspect_ratio": 0.5, "scale": 1.0, name: bad})


@pytest.mark.parametrize("bad", ["1", True, None, [1.0], 1j])
def test_parameters_that_are_not_numbers_are_refused(bad):
    with pytest.raises(TypeError, match="aspect_ratio must be"):
        MarchenkoPastur(bad)


def test_values():
    assert MarchenkoPastur(2) == MarchenkoPastur(2.0, 1.0) != MarchenkoPastur(1.0, 2.0)
    assert hash(MarchenkoPastur(2)) == hash(MarchenkoPastur(np.float32(2.0), 1))
    assert eval(repr(MarchenkoPastur(0.3, 2.0))) == MarchenkoPastur(0.3, 2.0)


@given(phis, sigmas)
@quick
def test_quantiles_over_the_range(phi, s):
    """To rounding of x and of the distribution function, the hard edge at phi = 1 included."""
    law = MarchenkoPastur(phi, s)
    ((low, high),) = law.support
    q = np.concatenate([np.linspace(0.001, 0.999, 60), np.geomspace(1e-12, 1e-3, 9)])
    q = law.cdf(low) + (1 - law.cdf(low)) * q
    x = law.ppf(q)
    ulp = np.spacing(high)
    assert (np.abs(law.cdf(x) - q) <= 4e-15 + law.cdf(x + 2 * ulp) - law.cdf(x - 2 * ulp)).all()
    x = low + (high - low) * np.sin(np.linspace(0.05, np.pi - 0.05, 50) / 2) ** 2
    assert (np.abs(law.ppf(law.cdf(x)) - x) <= 4e-15 * (high + 1 / law.pdf(x))).all()


def test_quantiles_take_few_evaluations(monkeypatch):
    """A table of 257 points, one step of Newton's method nearly everywhere."""
    law, sizes = MarchenkoPastur(0.5), []
    cdf = MarchenkoPastur._cdf

    def counted(self, x):
        sizes.append(x.size)
        return cdf(self, x)

    monkeypatch.setattr(MarchenkoPastur, "_cdf", counted)
    law.ppf(np.linspace(0, 1, 1002)[1:-1])
    assert sum(sizes) < 1400
