"""Wachter's law: atoms and edges over all ratios, the F-matrix relation, MANOVA matrices."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import example, given, strategies as st

from rmtland.laws.arcsine import Arcsine
from rmtland.laws.discrete import Discrete
from rmtland.laws.wachter import Wachter

ratios = st.one_of(
    st.floats(-3, 3).map(lambda e: 10.0**e),
    st.sampled_from([1.0, 2.0, 1 - 1e-9, 1 + 1e-9, 1 + 2**-52, 0.5, 3.0]),
)
quick = examples(100)


@given(ratios, ratios)
@example(0.001, 0.001)
@example(1.0, 1.0000002744895709)
@quick
def test_support_and_atoms_over_all_ratios(first, second):
    law = Wachter(first, second)
    p, q = 1 / Fraction(first), 1 / Fraction(second)
    if p + q <= 1:
        assert law.support == ()
        assert dict(law.atoms)[0.0] + dict(law.atoms)[1.0] == pytest.approx(1, abs=1e-15)
        assert dict(law.atoms)[1.0] == pytest.approx(float(p), rel=1e-15)
        return
    atoms = dict(law.atoms)
    assert atoms.get(0.0, 0.0) == pytest.approx(max(0.0, float(1 - p)), rel=1e-15)
    assert atoms.get(1.0, 0.0) == pytest.approx(max(0.0, float(1 - q)), rel=1e-15)
    ((low, high),) = law.support
    with mpmath.workdps(50):
        s, t = mpmath.mpf(1) / first, mpmath.mpf(1) / second
        kappa = s + t
        root, other = mpmath.sqrt(s * (kappa - 1)), mpmath.sqrt(t)
        ends = [((root - other) / kappa) ** 2, ((root + other) / kappa) ** 2]
        # Between the end and its rounding, next to a pole at 1, there is mass.
        between = float(abs(ends[1] - high) ** 1.5 / (1 - ends[1])) if ends[1] < 1 else 0.0
    assert low == pytest.approx(float(ends[0]), rel=4e-15, abs=1e-60)
    assert high == pytest.approx(float(ends[1]), rel=4e-15)
    assert 1 - high == pytest.approx(float(1 - ends[1]), abs=2e-16 + 2.3e-16 * high)
    assert law.cdf(low) == pytest.approx(atoms.get(0.0, 0.0), abs=1e-15)
    assert 1 - law.mass_below(high) == pytest.approx(atoms.get(1.0, 0.0), abs=1e-15 + between)
    assert law.mean() == pytest.approx(float(p / (p + q)), rel=1e-15)
    # Beside the edges the phase inside reaches the masses outside.
    step = 1e-9 * (high - low)
    assert law.cdf(low + step) == pytest.approx(law.cdf(low), abs=1e-3)
    assert law.cdf(high - step) == pytest.approx(law.mass_below(high), abs=1e-3)


@given(ratios, ratios, st.floats(-11, 8), st.floats(-12, 6), st.integers(0, 3), st.booleans())
@quick
def test_transform_and_slope_keep_their_digits(first, second, distance, height, which, outwards):
    law = Wachter(first, second)
    places = [*np.ravel(law.support), 0.0, 1.0]
    place = places[which % len(places)]
    x, y = place + (1 if outwards else -1) * 10**distance, 10**height
    with mpmath.workdps(80):
        p, q = mpmath.mpf(1) / first, mpmath.mpf(1) / second
        if p + q < 1:
            q = 1 - p
        kappa = p + q
        root, other = mpmath.sqrt(p * (kappa - 1)), mpmath.sqrt(q)
        low, high = ((root - other) / kappa) ** 2, ((root + other) / kappa) ** 2
        z = mpmath.mpc(x, y)
        root = kappa * mpmath.sqrt(z - low) * mpmath.sqrt(z - high)
        g = ((kappa - 2) * z + 1 - p - root) / (2 * z * (1 - z))
        slope = complex(((1 - 2 * z) * g * g - (kappa - 2) * g) / root)
        g = complex(g)
    rounding = 1 + max(abs(a) / abs(complex(x, y) - a) for a in places)
    value, derivative = law._jet(np.array([complex(x, y)]))
    assert abs(value[0] / g - 1) < 6e-15 * rounding
    assert abs(derivative[0] / slope - 1) < 1e-14 * rounding


@given(ratios, ratios)
@quick
def test_exchange_of_the_matrices_mirrors_the_law(first, second):
    law, other = Wachter(first, second), Wachter(second, first)
    if not law.support or 1 / first + 1 / second < 1 + 1e-6:
        return
    x = law.support[0][0] + (law.support[0][1] - law.support[0][0]) * np.array([0.1, 0.5, 0.8])
    rounding = np.spacing(1.0) / np.minimum(x - law.support[0][0], 1 - x) + 1e-14
    assert (np.abs(law.pdf(x) / other.pdf(1 - x) - 1) <= 1e2 * rounding).all()
    assert (np.abs(law.cdf(x) - 1 + other.mass_below(1 - x)) <= 1e2 * rounding).all()
    for k in range(1, 4):
        by_parts = sum(
            (-1) ** j * math.comb(k, j) * m for j, m in enumerate(other._exact_moments(k))
        )
        assert law._exact_moments(k)[k] == by_parts


def test_special_cases():
    assert Wachter(1.0, 1.0).support == ((0.0, 1.0),)
    x = np.array([0.0, 1e-12, 0.2, 0.5, 0.99, 1.0])
    np.testing.assert_allclose(Wachter(1.0, 1.0).pdf(x), Arcsine(0.0, 1.0).pdf(x), rtol=1e-14)
    np.testing.assert_allclose(Wachter(1.0, 1.0).cdf(x), Arcsine(0.0, 1.0).cdf(x), atol=1e-15)
    projection, points = Wachter(4.0, 5.0), Discrete((0.0, 1.0), (0.75, 0.25))
    z = np.array([0.3, 0.5 + 0.1j, -2.0, 3 - 1e-9j])
    np.testing.assert_allclose(projection.stieltjes(z), points.stieltjes(z), rtol=1e-15)
    np.testing.assert_allclose(projection.log_potential(z), points.log_potential(z), atol=1e-15)
    np.testing.assert_array_equal(projection.ppf([0, 0.75, 0.76, 1]), [0, 0, 1, 1])
    assert projection.pdf(0.3) == 0
    # Few columns of X beside many of Y: Marchenko-Pastur beside 0, (p + q) x.
    from rmtland.laws import MarchenkoPastur

    law, small = Wachter(0.5, 1e-7), MarchenkoPastur(0.5)
    x = np.array([0.2, 0.7, 1.5, 2.5])
    p, q = 2.0, 1e7
    np.testing.assert_allclose(law.cdf(x * p / q), small.cdf(x), atol=1e-5)


def test_f_matrix_density():
    """Bai and Silverstein's density of (X X^T/q1) (Y Y^T/q2)^-1 at ratios y1 = n/q1, y2 = n/q2."""
    y1, y2 = 0.6, 0.3
    law = Wachter(y1, y2)
    h = math.sqrt(y1 + y2 - y1 * y2)
    low, high = ((1 - h) / (1 - y2)) ** 2, ((1 + h) / (1 - y2)) ** 2
    f = low + (high - low) * np.linspace(0.05, 0.95, 9)
    density = (1 - y2) * np.sqrt((high - f) * (f - low)) / (2 * np.pi * f * (y1 + y2 * f))
    # f = x/(1 - x) q/p inverse: x = f p/(q + f p) with p = 1/y1, q = 1/y2
    p, q = 1 / y1, 1 / y2
    x = f * p / (q + f * p)
    np.testing.assert_allclose(law.pdf(x) * p * q / (q + f * p) ** 2, density, rtol=1e-12)


@pytest.mark.parametrize(("n", "q1", "q2"), [(200, 340, 270), (200, 130, 300), (200, 160, 140)])
def test_eigenvalues_of_manova_matrices(n, q1, q2):
    """Kolmogorov distance of one matrix: eigenvalues are rigid to about log(n)/n."""
    rng = np.random.default_rng(11)
    x, y = rng.standard_normal((n, q1)), rng.standard_normal((n, q2))
    a, b = x @ x.T, y @ y.T
    root = np.linalg.inv(np.linalg.cholesky(a + b))
    values = np.sort(np.linalg.eigvalsh(root @ a @ root.T))
    law = Wachter(n / q1, n / q2)
    zeros, ones = np.sum(values < 1e-9), np.sum(values > 1 - 1e-9)
    assert zeros == max(0, n - q1)
    assert ones == max(0, n - q2)
    inner = values[zeros : n - ones]
    steps = (zeros + np.arange(inner.size) + 0.5) / n
    assert np.abs(law.cdf(inner) - steps).max() < 3 * math.log(n) / n / math.pi
    assert np.abs(Wachter(n / q1 * 1.1, n / q2).cdf(inner) - steps).max() > 0.02


def test_bad_parameters_are_refused():
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="aspect_ratio must be a positive finite number"):
            Wachter(bad, 1.0)
        with pytest.raises(ValueError, match="other_ratio must be a positive finite number"):
            Wachter(1.0, bad)
    with pytest.raises(TypeError, match="aspect_ratio"):
        Wachter(None, 1.0)
    with pytest.raises(ValueError, match="pole"):
        Wachter(2.0, 1.0).s_transform(-0.5)
