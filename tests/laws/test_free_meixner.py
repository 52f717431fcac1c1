"""The free Meixner laws: Jacobi coefficients, members with other names, atoms by exact criteria."""

import math

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.laws import MarchenkoPastur, Semicircle
from rmtland.laws.discrete import Discrete
from rmtland.laws.free_meixner import FreeMeixner
from rmtland.laws.free_poisson import FreePoisson

quick = examples(120)
asymmetries = st.one_of(
    st.floats(-6, 6).map(lambda a: round(a, 12)),
    st.sampled_from([0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 1e-8, 30.0]),
)
shapes = st.one_of(
    st.floats(-1, 3).map(lambda b: round(b, 12)),
    st.sampled_from([0.0, -1.0, -0.75, 0.25, 1.0, -0.5, 1e-10, -1e-10, -1 + 1e-10, 100.0]),
)


def jacobi_moments(a, b, order):
    """First entry of the powers of the Jacobi matrix with a_0 = 0, b_1 = 1, then a and 1 + b."""
    size = order // 2 + 2
    matrix = np.diag([0.0] + [a] * (size - 1))
    side = np.sqrt([1.0] + [1 + b] * (size - 2))
    matrix += np.diag(side, 1) + np.diag(side, -1)
    return [np.linalg.matrix_power(matrix, k)[0, 0] for k in range(order + 1)]


@pytest.mark.parametrize(
    ("a", "b"), [(0.0, 0.0), (1.5, -0.5), (-2.0, 1.0), (0.7, -1.0), (3.0, 8.0)]
)
def test_moments_are_those_of_the_jacobi_matrix(a, b):
    law = FreeMeixner(a, b)
    expected = jacobi_moments(a, b, 10)
    np.testing.assert_allclose([law.moment(k) for k in range(11)], expected, rtol=1e-12, atol=1e-12)
    assert law.mean() == 0
    assert law.var() == 1


def same(law, other, x, shift=0.0):
    z = np.concatenate([x + 0j, x + 1e-7j, x - 0.4j])
    np.testing.assert_allclose(law.pdf(x), other.pdf(x + shift), rtol=1e-12)
    np.testing.assert_allclose(law.cdf(x), other.cdf(x + shift), atol=1e-14)
    np.testing.assert_allclose(law.stieltjes(z), other.stieltjes(z + shift), rtol=1e-12)
    np.testing.assert_allclose(law.log_potential(z), other.log_potential(z + shift), atol=1e-13)


def test_members_that_have_names():
    same(FreeMeixner(0.0, 0.0), Semicircle(), np.array([-1.9, -0.3, 1.0, 1.99, 2.5, -7.0]))
    for a in (0.4, 1.0, 2.5, -0.4, -1.0, -2.5):
        law, other = FreeMeixner(a, 0.0), FreePoisson(a**-2, a)
        ((low, high),) = law.support
        x = np.concatenate([low + (high - low) * np.array([0.01, 0.4, 0.99]), [low - 1, high + 2]])
        same(law, other, x, shift=1 / a)
        assert [m for _, m in law.atoms] == pytest.approx([m for _, m in other.atoms], rel=1e-13)
    same(FreeMeixner(1.0, 0.0), MarchenkoPastur(1.0), np.array([-0.999, 0.0, 2.9, -5.0]), shift=1.0)
    points = FreeMeixner(1.5, -1.0)
    assert points.support == ()
    same(points, Discrete((-0.5, 2.0), (0.8, 0.2)), np.array([-3.0, 0.3, 1.0, 2.5]))
    assert points.atoms == ((-0.5, pytest.approx(0.8)), (2.0, pytest.approx(0.2)))
    assert points.cdf([-0.5, 1.5, 2.0]) == pytest.approx([0.8, 0.8, 1.0], abs=1e-15)


@given(asymmetries, shapes)
@quick
def test_atoms_by_their_residues(a, b):
    """At 60 digits: real roots of b x^2 + a x + 1 on the right sheet, and 1/(1/G)' there."""
    law = FreeMeixner(a, b)
    with mpmath.workdps(60):
        u, v = mpmath.mpf(a), mpmath.mpf(b)
        s = mpmath.sqrt(1 + v)
        found = []
        root = mpmath.sqrt(u * u - 4 * v)
        if mpmath.im(root) == 0:
            for h in ((-u + root) / 2, (-u - root) / 2):
                if abs(h) > s:
                    found.append((1 / h, (h * h - s * s) / (h * h - v)))
        found.sort()
    assert len(law.atoms) == len(found)
    for (place, mass), (exact_place, exact_mass) in zip(law.atoms, found, strict=True):
        assert place == pytest.approx(float(exact_place), rel=1e-14)
        assert mass == pytest.approx(float(exact_mass), rel=1e-12)
        assert law.cdf(place) - law.mass_below(place) == pytest.approx(mass, abs=1e-15)
        assert law.stieltjes(place) == complex(math.inf, 0)
    if law.support:
        ((low, high),) = law.support
        t = np.linspace(0, np.pi, 40001)[1:-1:2]
        inner = low + (high - low) * np.sin(t / 2) ** 2
        weights = np.sin(t) * (high - low) / 2 * np.pi / 20000
        if min(abs(pole) for pole in law._poles) > 1e-2 * (1 + b):
            mass = law.pdf(inner) @ weights + sum(m for _, m in law.atoms)
            assert mass == pytest.approx(1, abs=1e-11)
        assert law.cdf(high) - law.mass_below(low) == pytest.approx(
            1 - sum(m for place, m in law.atoms if not low <= place <= high), abs=1e-14
        )


@given(asymmetries, shapes, st.floats(-10, 8), st.floats(-11, 6), st.booleans(), st.booleans())
@quick
def test_transforms_keep_their_digits(a, b, distance, height, upper, outwards):
    law = FreeMeixner(a, b)
    low, high = law.support[0] if law.support else (law.atoms[0][0], law.atoms[1][0])
    edge = high if upper else low
    x, y = edge + (1 if outwards else -1) * (high - low) * 10**distance, (high - low) * 10**height
    with mpmath.workdps(120):
        u, v, z = mpmath.mpf(a), mpmath.mpf(b), mpmath.mpc(x, y)
        s = mpmath.sqrt(1 + v)
        root = mpmath.sqrt(z - u - 2 * s) * mpmath.sqrt(z - u + 2 * s)
        t = 2 / (z - u + root)
        g = 1 / (z - t)
        slope = complex(-(1 + t / root) * g * g)
        # Integral of k/((1 + c k)(1 + d k)) to t, with c and d kept apart from each other and 0
        wide = mpmath.sqrt(u * u - 4 * v + mpmath.mpf(10) ** -30)
        c, d = (u + wide) / 2, (u - wide) / 2 + mpmath.mpf(10) ** -35
        integral = (mpmath.log(1 + d * t) / d - mpmath.log(1 + c * t) / c) / (c - d)
        potential = complex(mpmath.log(z - t) + integral)
        g = complex(g)
    places = [low, high, *(place for place, _ in law.atoms)]
    rounding = 1 + max(abs(place) / abs(complex(x, y) - place) for place in places)
    point = np.array([complex(x, y)])
    value, derivative = law._jet(point)
    assert abs(value[0] / g - 1) < 8e-15 * rounding
    assert abs(derivative[0] / slope - 1) < 2e-14 * rounding
    gap = abs(a * a - 4 * b) ** 0.5 / (abs(a) + abs(b) ** 0.5 + 1e-300)
    tolerance = 1e-14 * (1 + abs(potential)) * max(1, 0.1 / max(gap, 0.02)) + 4e-16 * rounding
    assert abs(law._log_potential(point)[0] - potential) < tolerance


@pytest.mark.parametrize("a", [1.0, -1.0])
def test_density_is_unbounded_at_a_critical_edge(a):
    law = FreeMeixner(a, 0.0)
    edge, other = law.support[0] if a > 0 else law.support[0][::-1]
    assert law.pdf(edge) == math.inf
    assert law.pdf(other) == 0
    assert law.atoms == ()
    for distance in (1e-14, 1e-9):
        x = edge + a * distance
        assert law.pdf(x) == pytest.approx(1 / (math.pi * math.sqrt(abs(x - edge))), rel=1e-6)
    assert law.log_potential(edge).real == pytest.approx(
        law.log_potential(edge + 1e-14j).real, abs=1e-6
    )
    assert FreeMeixner(math.nextafter(a, 2 * a), 0.0).atoms != ()


def test_freely_infinitely_divisible_where_b_is_not_negative():
    """Two laws of half the variance make one: cumulants halve, and stay those of a law."""
    law = FreeMeixner(0.8, 0.5)
    assert law.free_cumulants(4) == pytest.approx([0, 1, 0.8, 0.8**2 + 0.5], rel=1e-15)
    g = np.array([0.1, -0.3, 0.2 - 0.1j])
    np.testing.assert_allclose(
        law.r_transform(g),
        g * (1 + 0.8 * law.r_transform(g) + 0.5 * law.r_transform(g) ** 2),
        rtol=1e-14,
    )
    with pytest.raises(ValueError, match="branch point"):
        law.r_transform(5.0)


def test_bad_parameters_are_refused():
    with pytest.raises(ValueError, match="b must be at least -1"):
        FreeMeixner(0.0, -1.0001)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="a must be a finite number"):
            FreeMeixner(bad, 0.0)
        with pytest.raises(ValueError, match="b must be a finite number"):
            FreeMeixner(0.0, bad)
    with pytest.raises(TypeError, match="a must be"):
        FreeMeixner("0", 0.0)
