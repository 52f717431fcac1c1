"""Weights whose products leave double precision: an answer in range, or an error that says so."""

import numpy as np
import pytest

from rmtland.landscape.connectivity import Bezier, align, relaxed_path, trained_curve, unit_groups
from rmtland.landscape.critical_points import (
    CappedNewton,
    CriticalPoint,
    GradientNorm,
    LevenbergMarquardt,
    TrustRegionNewton,
    flatness,
)
from rmtland.landscape.minimisers import measure_added_unit
from rmtland.landscape.noise import chain_gradients
from rmtland.landscape.sharpness import ball_sharpness
from rmtland.landscape.slices import filter_normalised
from rmtland.landscape.surface import FunctionSurface, NetworkSurface
from rmtland.networks import MLP, gaussian

DATA = gaussian(4, 3, 2, rng=0)


def surface(activation="relu", loss="mse"):
    y = DATA.y if loss == "mse" else np.eye(2)[[0, 1, 0, 1]]
    return NetworkSurface.of(MLP((3, 2, 2), activation, loss=loss), DATA.x, y)


def weights(size, scale, seed=0):
    return scale * np.random.default_rng(seed).standard_normal(size)


@pytest.mark.parametrize(
    "finder", [CappedNewton(), LevenbergMarquardt(), GradientNorm(), TrustRegionNewton()]
)
def test_finders_say_that_gradients_overflow(finder):
    here, theta = surface(), weights(10, 1e60)
    assert np.isfinite(here.gradient(theta)).all()  # its square is not
    if isinstance(finder, CappedNewton | GradientNorm):
        walk = finder.find(here, theta)
        assert walk.reason == "overflow"
        assert (walk.theta == theta).all()
    else:
        with pytest.raises(ValueError, match="square of the gradient overflows"):
            finder.find(here, theta)


@pytest.mark.parametrize(
    "finder", [LevenbergMarquardt(max_steps=20), TrustRegionNewton(max_steps=20)]
)
def test_walks_into_overflow_end_where_they_were(finder):
    def steep(theta):
        if abs(theta[0]) > 0.5:
            return 1e160 * float(theta @ theta), np.array([1e160, 0.0])
        return float(-theta @ theta), -2.0 * theta  # falls away from the origin

    hill = FunctionSurface(2, steep, lambda theta: -2.0 * np.eye(2))
    walk = finder.find(hill, np.array([0.4, 0.0]))
    assert abs(walk.theta[0]) <= 0.5


def test_points_whose_squares_overflow_are_refused():
    here = surface()
    with pytest.raises(ValueError, match="square of the gradient overflows"):
        CriticalPoint.of(here.point.at(weights(10, 1e60)))
    with pytest.raises(ValueError, match="square of the gradient overflows"):
        ball_sharpness(here, weights(10, 1e60), 1e-3, rng=0)


@pytest.mark.parametrize("unit", [1e-250, 1e-100, 1e160, 1e250])
def test_flatness_does_not_depend_on_units(unit):
    rng = np.random.default_rng(1)
    H, g = rng.standard_normal((4, 4)), rng.standard_normal(4)
    H += H.T
    assert np.allclose(flatness(unit * H, g / unit), flatness(H, g), rtol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "linear"])
@pytest.mark.parametrize("rho", [1e57, 1e100, 1e140])
def test_bounds_in_huge_balls_overflow_without_a_word_or_hold(activation, rho):
    loss = "mse" if activation == "tanh" else "cross_entropy"
    found = ball_sharpness(surface(activation, loss), weights(10, 1e60), rho, steps=5, rng=0)
    assert found.lower >= 0.0
    assert found.upper is None or found.upper >= found.lower
    assert found.upper is not None or "smaller rho" in found.why_no_upper


def test_curves_from_vanishing_weights_are_trained():
    ends = weights(10, 1e-200), weights(10, 1e-200, 1)
    start = Bezier(np.stack([ends[0], 0.5 * (ends[0] + ends[1]), ends[1]]))
    here = surface("tanh")
    curve = trained_curve(here, start, steps=60, rng=0)
    assert here.loss(curve.at(np.array([0.5]))[0]) < 0.9 * here.loss(ends[0])


def test_paths_longer_than_squares_allow_are_refused():
    images = np.linspace(0.0, 1.0, 5)[:, None] * weights(10, 1e152)
    with pytest.raises(ValueError, match="squares of its length overflow"):
        relaxed_path(surface("tanh", "cross_entropy"), images, steps=2)


def test_gradients_of_chains_are_checked():
    net, thetas = MLP((3, 2, 2), "quadratic"), np.stack([weights(10, 1e100), weights(10, 1.0)])
    x, y = np.stack([DATA.x, DATA.x]), np.stack([DATA.y, DATA.y])
    with pytest.raises(ValueError, match="gradient overflows"):
        chain_gradients(net, thetas, x, y)
    with pytest.raises(ValueError, match="x and y must have shapes"):
        chain_gradients(net, thetas, DATA.x[None], y)
    with pytest.raises(ValueError, match="x and y must have shapes"):
        chain_gradients(net, thetas, x, y[:, :3])


def test_the_added_unit_must_leave_residuals():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"phi = 0.5, and 1 with one unit more"):
        measure_added_unit(
            rng.standard_normal((4, 6)), rng.standard_normal((2, 6)), hidden=1, starts=2, steps=5
        )


@pytest.mark.parametrize("unit", [2.0**-700, 2.0**700])
def test_networks_are_aligned_and_directions_scaled_in_any_unit(unit):
    net = MLP((3, 6, 2))
    first, second, groups = weights(30, 1.0), weights(30, 1.0, seed=1), unit_groups(net)
    near = align(first, second, groups, rng=0)
    here = align(unit * first, unit * second, groups, rng=0)
    assert (here.theta == unit * near.theta).all()
    assert (here.distance, here.before) == (unit * near.distance, unit * near.before)
    toy = NetworkSurface.of(net, np.eye(3), np.ones((3, 2)))
    scaled = filter_normalised(toy, first, second)
    assert (filter_normalised(toy, first, unit * second) == scaled).all()
    assert (filter_normalised(toy, unit * first, second) == unit * scaled).all()
