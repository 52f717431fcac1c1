"""Laws at, and a few roundings beside, the parameters where two bands merge."""

import numpy as np
import pytest

from rmtland.free import free_product, free_sum
from rmtland.laws import (
    Arcsine,
    Discrete,
    EmpiricalLaw,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    affine,
)

TWO = [(0.5, (-1.0, 1.0)), (0.25, (-1.0, 2.0)), (0.9, (1.0, 4.0)), (0.01, (0.5, 0.75))]


def added(share, places, excess):
    r"""A semicircle added to two points at critical variance, where the bands merge, and its mass.

    The gap closes where :math:`v \sum_i p_i / (w - t_i)^2 = 1` has a double root, at distances from
    the points that go like the cube roots of the masses.
    """
    low, high = places
    roots = np.cbrt([share, 1 - share])
    variance = (high - low) ** 2 / roots.sum() ** 3
    w = low + (high - low) * roots[0] / roots.sum()
    place = w + variance * (share / (w - low) + (1 - share) / (w - high))
    points = Discrete(places, (share, 1 - share))
    return free_sum(points, Semicircle(variance * (1 + excess))), place


def multiplied(share, places, excess):
    r"""Two points times Marchenko-Pastur: :math:`\varphi \sum_i p_i t_i^2 / (w - t_i)^2 = 1`."""
    low, high = places
    roots = np.cbrt([share * low**2, (1 - share) * high**2])
    ratio = (high - low) ** 2 / roots.sum() ** 3
    w = low + (high - low) * roots[0] / roots.sum()
    m = share * low / (w - low) + (1 - share) * high / (w - high)
    points = Discrete(places, (share, 1 - share))
    return free_product(points, MarchenkoPastur(ratio * (1 + excess))), w * (1 + ratio * m)


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    "excess",
    [0.0, *(pytest.param(e, marks=pytest.mark.slow) for e in (-1e-12, 1e-15, 1e-8))],
)
@pytest.mark.parametrize(("share", "places"), TWO)
@pytest.mark.parametrize("make", [added, multiplied])
def test_where_two_bands_merge(make, share, places, excess):
    law, place = make(share, places, excess)
    size = law.hull[1] - law.hull[0]
    distance = np.array([-1e-3, -1e-6, -1e-9, -1e-13, 0.0, 1e-13, 1e-9, 1e-6, 1e-3])
    at = place + size * distance
    levels = law.cdf(at)
    assert (np.diff(levels) >= -1e-12).all()
    # An atom at zero is below the place, or at it with half its mass.
    null = sum(mass for _, mass in law.atoms)
    assert levels[4] == pytest.approx(share + (null if place else null / 2), abs=1e-9)
    assert law.ppf(levels[[0, -1]]) == pytest.approx(at[[0, -1]], abs=1e-9 * size)
    if make is added or places[0] > 0:
        # The density goes like the cube root of the distance, from the merging parameter or place.
        bound = 20 * np.maximum(np.abs(distance), abs(excess)) ** (1 / 3) + 1e-4
        assert (law.pdf(at) * size <= bound).all()


@pytest.mark.slow
def test_the_cube_root_at_a_cusp():
    # z = w + G(w), G(w) = w / (w^2 - 1), so that z = -w^3 and G = -w close to zero.
    law = free_sum(Discrete((-1.0, 1.0), (0.5, 0.5)), Semicircle(1.0))
    x = np.geomspace(1e-15, 1e-6, 10)
    last = slice(3, None)
    expected = np.sqrt(3) / (2 * np.pi) * np.cbrt(x)
    for side in (x, -x):
        assert law.pdf(side[last]) == pytest.approx(expected[last], rel=2e-4)
        # One rounding of the variance moves the density by 5e-6.
        assert law.pdf(side) == pytest.approx(expected, abs=1e-5)
    assert law.cdf(x) - 0.5 == pytest.approx(0.75 * x * expected, rel=1e-3, abs=2e-16)
    assert law.pdf(0.0) == 0


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Arcsine(-1.0, 1.0), id="arcsine", marks=pytest.mark.slow),
        pytest.param(Uniform(-1.0, 1.0), id="uniform", marks=pytest.mark.slow),
        pytest.param(Semicircle(0.3), id="semicircle", marks=pytest.mark.slow),
    ],
)
def test_up_to_the_parameter_where_the_bands_merge(other):
    # Two signs and a law that is stretched: bisected until one rounding decides.
    signs = Discrete((-1.0, 1.0), (0.5, 0.5))
    apart, merged = 0.2, 4.0
    for _ in range(50):
        middle = (apart + merged) / 2
        law = free_sum(signs, affine(other, scale=middle))
        if len(law.support) == 2:
            apart = middle
        else:
            merged = middle
    for scale in (apart, merged):
        law = free_sum(signs, affine(other, scale=scale))
        assert law.cdf(0.0) == pytest.approx(0.5, abs=1e-9)
        assert law.pdf(0.0) < 1e-3
        levels = law.cdf(np.array([-1e-4, -1e-8, 0.0, 1e-8, 1e-4]))
        assert levels == pytest.approx(1 - levels[::-1], abs=1e-9)


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("excess", [1e-6, 0.03, pytest.param(1e-3, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("share", "places"), TWO)
def test_where_two_bands_have_just_merged(share, places, excess):
    # x = w + v sum p_i / (w - t_i) is a cubic equation with one root above the axis.
    law, place = added(share, places, excess)
    variance = law.var() - share * (1 - share) * (places[1] - places[0]) ** 2
    size = law.hull[1] - law.hull[0]
    x = place + size * np.linspace(-0.03, 0.03, 300)
    low, high = places
    pole = np.array([1.0, -(low + high), low * high])
    numerator = variance * np.array([1.0, -(share * high + (1 - share) * low)])
    roots = [np.roots(np.polyadd(np.polymul([1.0, -at], pole), numerator)).imag.max() for at in x]
    got = law.pdf(x)
    assert got.min() > 0
    assert got == pytest.approx(np.array(roots) / (np.pi * variance), rel=1e-5, abs=1e-6)


def test_newton_does_not_creep_onto_a_root_of_the_axis():
    # Beside the place where two of ten bands have just merged, a real root is close to the solution
    places = np.random.default_rng(50).normal(size=25) ** 2
    law = free_product(MarchenkoPastur(0.12525714640286165), EmpiricalLaw(places))
    x = 2.1652 + np.linspace(-1e-4, 1e-4, 41)
    density = law.pdf(x)
    assert density.min() > 0.016
    assert np.abs(np.diff(density)).max() < 2e-4
    assert law.cdf(x) == pytest.approx(law.cdf(x[0]) + density[0] * (x - x[0]), abs=2e-7)
    assert law.stieltjes(x + 1e-9j) == pytest.approx(law.stieltjes(x), abs=1e-6)
