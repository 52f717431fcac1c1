"""Centring and scaling of extreme eigenvalues: closed forms, and matrices."""

import math

import numpy as np
import pytest

from rmtland import FreeLevy, LevyTriplet, WishartPlusWigner
from rmtland.laws import Arcsine, MarchenkoPastur, Semicircle, TracyWidom, Uniform


@pytest.mark.parametrize("variance", [1.0, 0.3])
def test_semicircle(variance):
    law = Semicircle(variance, 0.7)
    for edge, end in (
        ("upper", 0.7 + 2 * math.sqrt(variance)),
        ("lower", 0.7 - 2 * math.sqrt(variance)),
    ):
        centre, scale = law.edge_scale(200, edge=edge)
        assert centre == pytest.approx(end, rel=1e-14)
        assert scale == pytest.approx(math.sqrt(variance) * 200 ** (-2 / 3), rel=1e-11)


@pytest.mark.parametrize(("n", "q"), [(200, 400), (50, 1000), (300, 100)])
def test_wishart_has_the_constants_of_johnstone(n, q):
    centre, scale = MarchenkoPastur(n / q, 1.7).edge_scale(n)
    root = math.sqrt(n) + math.sqrt(q)
    assert centre == pytest.approx(1.7 * root**2 / q, rel=1e-14)
    known = 1.7 * root * (1 / math.sqrt(n) + 1 / math.sqrt(q)) ** (1 / 3) / q
    assert scale == pytest.approx(known, rel=1e-10)


def test_sums_have_the_curvature_of_the_inverse_transform():
    # Next to an edge density = sqrt(2 d / |H''|) / (pi h^2), with H and h as in the laws module.
    law = WishartPlusWigner(0.5, 0.3).law
    triplet = law.levy
    h = law._arcs.criticals[-1]
    curvature = 2 * triplet.variance / h**3 + sum(
        2 * rate * jump**2 / (h - jump) ** 3
        for rate, jump in zip(triplet.rates, triplet.jumps, strict=True)
    )
    gamma = (math.sqrt(2 / abs(curvature)) / h**2) ** (2 / 3)
    assert law.edge_scale(1000)[1] == pytest.approx(1 / (gamma * 100), rel=1e-9)


def test_quaternion_matrices_are_in_the_convention_of_the_law():
    real, quaternion = Semicircle().edge_scale(100)[1], Semicircle().edge_scale(100, beta=4)[1]
    assert quaternion / real == pytest.approx(2 ** (-1 / 6), rel=1e-14)
    assert Semicircle().edge_scale(100, beta=2) == Semicircle().edge_scale(100)


def test_largest_eigenvalues_follow_tracy_widom():
    # 600 matrices: standard error .05 of the mean; the bias at n = 60 is of order n^(-2/3) = .07.
    rng = np.random.default_rng(4)
    n, runs = 60, 600
    noise = rng.standard_normal((runs, n, n)) / math.sqrt(2 * n)
    top = np.linalg.eigvalsh(noise + noise.transpose(0, 2, 1))[:, -1]
    centre, scale = Semicircle().edge_scale(n)
    scaled = (top - centre) / scale
    law = TracyWidom(1)
    assert scaled.mean() == pytest.approx(law.mean(), abs=0.25)
    assert scaled.std() == pytest.approx(math.sqrt(law.var()), rel=0.12)


def test_irregular_ends_are_refused():
    for law, edge in (
        (MarchenkoPastur(1.0), "lower"),
        (Arcsine(-1.0, 1.0), "upper"),
        (Uniform(0.0, 1.0), "upper"),
    ):
        with pytest.raises(ValueError, match="square root"):
            law.edge_scale(100, edge=edge)
    with pytest.raises(ValueError, match="atom"):
        MarchenkoPastur(2.0).edge_scale(100, edge="lower")
    with pytest.raises(ValueError, match="atom"):
        FreeLevy(LevyTriplet(rates=(0.5,), jumps=(-1.0,))).edge_scale(100)


def test_bad_arguments():
    with pytest.raises(ValueError, match="positive"):
        Semicircle().edge_scale(0)
    with pytest.raises(ValueError, match="beta must be"):
        Semicircle().edge_scale(10, beta=3)
    with pytest.raises(ValueError, match="unknown edge"):
        Semicircle().edge_scale(10, edge="left")


@pytest.mark.parametrize("unit", [1e-307, 1e300])
def test_units_do_not_matter(unit):
    for edge in ("lower", "upper"):
        place, scale = MarchenkoPastur(0.5).edge_scale(200, edge=edge)
        found = MarchenkoPastur(0.5, scale=unit).edge_scale(200, edge=edge)
        assert found == pytest.approx((place * unit, scale * unit), rel=1e-9, abs=0.0)
