"""The Marchenko-Pastur law against its closed forms, at 40 digits."""

import math

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import example, given, strategies as st
from law_table import phis, sigmas

from rmtland import MarchenkoPastur
from rmtland.laws import FreePoisson
from rmtland.laws.marchenko_pastur_angle import band_share

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
    assert law.cdf(x) == pytest.approx(float(below), abs=1e-15 + 2e-16 * x * law.pdf(x))
    assert law.sf(x) == pytest.approx(float(1 - below), abs=1e-15 + 2e-16 * x * law.pdf(x))


def share_of_band(t, r):
    """(2/pi) integral of sin^2/(1 + r^2 - 2 r cos) from 0 to t, with the digits there are."""
    sine = mpmath.sin(t)
    turn = mpmath.atan2(r * sine, 1 - r * mpmath.cos(t))
    return (t + sine / r - (1 - r**2) / r**2 * turn) / mpmath.pi


@pytest.mark.parametrize("r", [0.001, 0.3, -0.3, 0.99, -1.0])
def test_the_share_of_the_band_is_the_integral(r):
    def integrand(u):
        return 2 * mpmath.sin(u) ** 2 / (mpmath.pi * (1 + r**2 - 2 * r * mpmath.cos(u)))

    with mpmath.workdps(40):
        r = mpmath.mpf(r)
        for t in (0.01, 1.0, 3.0):
            integral = mpmath.quad(integrand, [0, t / 8, t])
            assert mpmath.almosteq(share_of_band(mpmath.mpf(t), r), integral, 1e-25)


@given(
    st.floats(-6, 6) | st.sampled_from([-1e-9, 1e-9, 0.0, 1e-14, -1.2, -1.21]),
    st.floats(-200, 0) | st.sampled_from([-0.126, -0.124, -0.05, 0.0]),
    st.booleans(),
)
@quick
def test_shares_of_the_band_keep_their_relative_accuracy_at_both_ends(power, small, upper):
    """Aspect ratios 1e-6 to 1e6, angles down to 1e-200 of the band, at 700 digits there."""
    phi, t = 10.0**power, math.pi * 10.0**small
    r, gap = MarchenkoPastur(phi)._modulus
    with mpmath.workdps(700 if small < -6 else 60):
        root = mpmath.sqrt(mpmath.mpf(min(phi, 1 / mpmath.mpf(phi))))
        sign = -1 if upper else 1
        assert gap == pytest.approx(float(1 - root), rel=4e-16, abs=0)
        expected = float(share_of_band(mpmath.mpf(t), sign * root))
        square = 1 + root**2 - 2 * sign * root * mpmath.cos(t)
        rise = float(2 / mpmath.pi * mpmath.sin(t) ** 2 / square)
    share, slope = band_share(np.array([t]), sign * r, gap)
    assert share[0] == pytest.approx(expected, rel=6e-15, abs=0)
    assert slope[0] == pytest.approx(rise, rel=1e-14, abs=1e-300)


@given(st.floats(-6, 6) | st.sampled_from([0.0, 1e-9]), st.floats(-140, 0))
@example(0.0, -10.0)  # ended in what was taken for rounding
@quick
def test_quantiles_keep_the_relative_accuracy_of_both_tails(power, small):
    law = MarchenkoPastur(10.0**power, 1.3)
    (level,) = 10.0 ** np.array([small])
    ((low, high),), ac = law.support, 1 / max(1.0, law.aspect_ratio)
    atom = sum(mass for _, mass in law.atoms)
    x = np.array([law.ppf(level), law.isf(level)])
    if level <= atom:
        assert x[0] == 0
    for place, tail in ((x[0], law.cdf), (x[1], law.sf)):
        assert place == 0 or low <= place <= high
        if low < place < high and level < ac:
            # By as much as the rounding of the place can move it
            moved = abs(tail(place) - level)
            assert moved <= 1e-14 * level + 1e-15 * place * law.pdf(place)


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


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e300])
@pytest.mark.parametrize("phi", [0.3, 1.0, 3.0])
def test_densities_at_scales_whose_square_is_beyond_double_precision(scale, phi):
    """They were NaN below 1e-155 and infinite above 1e155, in the law and in grids."""
    law, unit = MarchenkoPastur(phi, scale), MarchenkoPastur(phi)
    share = np.linspace(*unit.support[0], 7)[1:-1]
    x = scale * share
    density = law.pdf(x)
    np.testing.assert_allclose(density * scale, unit.pdf(share), rtol=1e-14)
    np.testing.assert_array_equal(MarchenkoPastur.grid(phi, scale=scale).pdf(x), density)
    for sign in (1.0, -1.0):
        other = FreePoisson(1 / phi, sign * scale * phi)
        np.testing.assert_allclose(other.pdf(sign * scale * share), density, rtol=1e-14)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e300])
@pytest.mark.parametrize("phi", [0.3, 1.0, 3.0])
def test_potentials_at_scales_whose_square_is_beyond_double_precision(scale, phi):
    """Their phase was off by up to pi, or NaN, and so was the distribution function from it."""
    unit, z = MarchenkoPastur(phi), np.array([0.5 + 0.1j, 2.0, -1.0, 1e-3 + 1e-3j, 30j])
    x = np.array([0.3, 1.0, 2.0])
    expected = unit.log_potential(z) + np.log(scale)
    for law in (MarchenkoPastur(phi, scale), FreePoisson(1 / phi, scale * phi)):
        np.testing.assert_allclose(law.log_potential(scale * z), expected, rtol=1e-13)
        np.testing.assert_allclose(law.cdf(scale * x), unit.cdf(x), atol=1e-14)
        below = law.cdf(scale * x, method="log_potential")
        np.testing.assert_allclose(below, unit.cdf(x), atol=1e-14)
    mirrored = FreePoisson(1 / phi, -scale * phi)
    np.testing.assert_allclose(mirrored.sf(-scale * x), unit.cdf(x), atol=1e-14)


@pytest.mark.parametrize(("phi", "scale"), [(1e12, 1e300), (1e-200, 1e-200), (5e-324, 1.0)])
def test_laws_beyond_double_precision_are_refused(phi, scale):
    """Their edges were infinite and their quantiles NaN or a domain error."""
    with pytest.raises(ValueError, match="is beyond double precision: scale times aspect_ratio"):
        MarchenkoPastur(phi, scale)
    with pytest.raises(ValueError, match="is beyond double precision"):
        MarchenkoPastur.grid([0.5, phi], scale=scale).pdf(scale)


@pytest.mark.parametrize("phi", [1e-31, 1e-32, 1e-33, 1e-60, 1e-300])
def test_next_to_no_aspect_ratio_the_law_is_a_semicircle(phi):
    """The modulus is lost in 1 - r; quantiles ended in a domain error."""
    r, gap = MarchenkoPastur(phi)._modulus
    share, slope = band_share(np.array([1e-100, 0.5, 2.0, 3.0]), r, gap)
    t = np.array([1e-100, 0.5, 2.0, 3.0])
    np.testing.assert_allclose(share[1:], ((t - np.sin(t) * np.cos(t)) / np.pi)[1:], rtol=1e-14)
    assert share[0] == pytest.approx(2 / (3 * np.pi) * 1e-300, rel=1e-14, abs=0)
    np.testing.assert_allclose(slope, 2 / np.pi * np.sin(t) ** 2, rtol=1e-13)
    law = MarchenkoPastur(phi)
    np.testing.assert_allclose(law.ppf([0.0, 0.3, 1.0]), 1.0, atol=1e-15)
    np.testing.assert_allclose(law.isf([0.0, 0.3, 1.0]), 1.0, atol=1e-15)
