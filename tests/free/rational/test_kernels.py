"""Compiled kernels against plain formulas."""

import math
from fractions import Fraction

import numpy as np
import pytest
from examples import examples
from hypothesis import assume, given, strategies as st
from law_table import decades, triplets

from rmtland.free.rational import arc_values, boundary, edges, half_plane
from rmtland.free.rational.free_levy import FreeLevy

quick = examples(60)
numbers = decades(1e-20, 1e20).flatmap(lambda x: st.sampled_from([x, -x]))


@given(numbers, numbers)
@quick
def test_two_sum_and_two_product_lose_nothing(a, b):
    high, low = edges._two_sum(a, b)
    assert Fraction(high) + Fraction(low) == Fraction(a) + Fraction(b)
    assert high == a + b
    high, low = edges._two_product(a, b)
    assert Fraction(high) + Fraction(low) == Fraction(a) * Fraction(b)
    assert high == a * b


@given(triplets())
@quick
def test_critical_points_are_roots_of_the_slope(triplet):
    law = FreeLevy(triplet)
    _, variance, rates, jumps = law._parameters
    t = np.append(jumps, [0.0] * (variance > 0))
    s = np.append(rates * jumps**2, [variance] * (variance > 0))
    order = np.argsort(t)
    found = edges.critical_points(t[order], s[order])
    assert found.size % 2 == 0
    assert (np.diff(found) > 0).all()
    for h in found:
        slope = 1 - sum(
            Fraction(float(si)) / (Fraction(float(h)) - Fraction(float(ti))) ** 2
            for ti, si in zip(t, s, strict=True)
        )
        # An ulp of h changes the slope by this much.
        change = 2 * sum(s / np.abs(h - t) ** 3) * np.spacing(abs(h) + np.abs(t).max() * 1e-16)
        assert abs(float(slope)) <= 4 * change + 4e-16


@given(triplets())
@quick
def test_edge_places_and_slopes_are_exact_to_double_double(triplet):
    law = FreeLevy(triplet)
    for h in law._arcs.criticals:
        assume(h != 0)
        exact = Fraction(float(h)) + Fraction(triplet.drift)
        exact += Fraction(triplet.variance) / Fraction(float(h))
        slope = 1 - Fraction(triplet.variance) / Fraction(float(h)) ** 2
        size = abs(h) + abs(triplet.drift) + abs(triplet.variance / h)
        for rate, jump in zip(triplet.rates, triplet.jumps, strict=True):
            gap = Fraction(float(h)) - Fraction(jump)
            term = Fraction(rate) * Fraction(jump) * Fraction(float(h)) / gap
            exact += term
            size += abs(float(term))
            slope -= Fraction(rate) * (Fraction(jump) / gap) ** 2
        high, low = edges.edge_place(h, *law._parameters)
        assert abs(float(Fraction(high) + Fraction(low) - exact)) <= 1e-29 * size
        assert edges.edge_slope(h, *law._parameters[1:]) == pytest.approx(
            float(slope), rel=1e-9, abs=1e-29
        )


@given(triplets(), st.floats(0.01, 0.99))
@quick
def test_height_of_the_arc(triplet, share):
    law = FreeLevy(triplet)
    arcs = law._arcs
    low, high = arcs.criticals[:2]
    u = low + share * (high - low)
    w = boundary._height(u, arcs.poles, arcs.weights)
    assert np.sum(arcs.weights / ((u - arcs.poles) ** 2 + w * w)) == pytest.approx(
        1, rel=1e-12, abs=0
    )


@given(triplets(), st.floats(0.02, 0.98))
@quick
def test_bisection_along_the_arc_finds_the_root_that_newton_finds(triplet, share):
    """The fall-back, which hardly ever runs, called directly."""
    law = FreeLevy(triplet)
    arcs = law._arcs
    a, b = arcs.edges[:2]
    x = a + share * (b - a)
    (u, w), _ = law._boundary(np.array([x]), 2)
    left = boundary._bisect_arc(
        (x - arcs.edges[0]) - arcs.edges_low[0],
        arcs.slopes[0],
        arcs.criticals[0],
        arcs.criticals[0],
        arcs.criticals[1],
        arcs.offsets[0],
        arcs.kappas[0],
        arcs.poles,
        arcs.weights,
    )
    h = arcs.criticals[0] + left[0] + 1j * left[1]
    expected = u[0] + 1j * w[0]
    slope = 1 - np.sum(arcs.weights / (expected - arcs.poles) ** 2)
    size = abs(h) + np.abs(arcs.poles).max() + abs(x)
    assert abs(h - expected) <= 1e-13 * size * (1 + 1 / abs(slope)) ** 2
    assert w[0] > 0


def test_phase_by_the_series_equals_the_phase_by_logarithms():
    """Jumps far below |h| take the series of y - log(1 + y); the two meet at |y| = .05."""
    rates, jumps = np.array([3.0]), np.array([0.1])
    for y in (0.0499, 0.0501, 0.02, 0.2):
        h = 0.1 / y * np.exp(0.7j) + 0.1
        ratio = 0.1 / (h - 0.1)
        expected = np.angle(h) + 3 * (ratio - np.log1p(ratio)).imag
        got = arc_values.phase(h.real, h.imag, 0.0, rates, jumps)
        assert got == pytest.approx(expected, abs=1e-15)


def test_points_above_the_axis_are_found_by_continuation_as_by_newton():
    rates, jumps = np.array([0.1, 0.15, 0.1]), np.array([-6.0, 4.0, 15.0])
    x = np.linspace(-12, 25, 200)
    for height in (1e-13, 1e-6, 1.0, 1e4):
        (u, w), steps = half_plane.upper(x, np.full(200, height), 0.5, 0.01, rates, jumps)
        assert (steps > 0).all()
        assert (w >= height * (1 - 1e-12)).all()  # Im 1/G >= Im z
        h = u + 1j * w
        back = h + 0.5 + 0.01 / h + (rates * jumps * h[:, None] / (h[:, None] - jumps)).sum(axis=1)
        np.testing.assert_allclose(back, x + 1j * height, rtol=1e-12, atol=1e-12)
        assert not math.isnan(u.sum())
