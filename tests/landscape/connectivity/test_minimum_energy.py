"""The string method and the elastic band find a known saddle; results never worsen the start."""

import numpy as np
import pytest

from rmtland.landscape.connectivity import Polygon, profile, relaxed_path, saddle_near
from rmtland.landscape.surface import FunctionSurface
from rmtland.solution import ConvergenceError

ENDS = np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
SADDLE = np.array([0.0, 0.6, 0.2])


def valley():
    """Two minima at ENDS, a saddle of height 1 at SADDLE on a bent valley between them."""

    def bend(s):
        return 0.6 * (1.0 - s**2), 0.2 * (1.0 - s**2)

    def value(theta):
        s, y, z = theta
        a, b = bend(s)
        well, dy, dz = s**2 - 1.0, y - a, z - b
        loss = well**2 + 2.0 * dy**2 + 0.5 * dz**2
        slope = 4.0 * s * well + 4.0 * dy * 1.2 * s + dz * 0.4 * s
        return loss, np.array([slope, 4.0 * dy, dz])

    return FunctionSurface(3, value)


@pytest.mark.parametrize("method", ["string", "neb"])
def test_the_saddle_is_found(method):
    surface = valley()
    images = np.linspace(*ENDS, 13)
    before = profile(surface, Polygon(images)).barrier
    assert before > 1.5
    found = relaxed_path(surface, images, method=method, steps=600)
    assert found.profile.barrier == pytest.approx(1.0, abs=2e-3)
    assert np.linalg.norm(found.highest - SADDLE) < 0.05
    assert found.across < 0.2  # of 13 images; that of the straight path is 1
    assert found.steps == 600
    top = saddle_near(surface, found.highest)
    assert np.linalg.norm(top.theta - SADDLE) < 1e-6
    assert top.loss == pytest.approx(1.0, abs=1e-10)
    assert top.index == 1
    assert (found.images[[0, -1]] == ENDS).all()


def test_nothing_is_returned_that_is_worse_than_the_start():
    surface = valley()
    s = np.linspace(-1.0, 1.0, 9)
    best = np.stack([s, 0.6 * (1 - s**2), 0.2 * (1 - s**2)], axis=1)
    start = profile(surface, Polygon(best), points=36)
    found = relaxed_path(surface, best, steps=60, step_size=10.0)  # far too long a step
    assert found.profile.highest <= start.highest
    still = relaxed_path(surface, best, steps=0)
    assert (still.images == best).all()


def test_an_interrupt_keeps_the_best():
    def stop(share):
        if share >= 0.3:
            raise KeyboardInterrupt

    found = relaxed_path(valley(), np.linspace(*ENDS, 13), steps=100, progress=stop)
    assert found.steps == 30
    assert found.profile.barrier < 1.6


def test_newton_says_where_it_ends():
    def quadratic(theta):
        return 0.5 * float(theta[0] ** 2 - theta[1] ** 2), theta * [1.0, -1.0]

    toy = FunctionSurface(2, quadratic, lambda theta: np.diag([1.0, -1.0]))
    found = saddle_near(toy, np.array([3.0, -2.0]))
    assert np.abs(found.theta).max() < 1e-12
    assert found.index == 1

    def slope(theta):
        return float(np.exp(theta[0])), np.exp(theta)

    endless = FunctionSurface(1, slope, lambda theta: np.exp(theta)[None])
    with pytest.raises(ConvergenceError, match="after 3 Newton steps"):
        saddle_near(endless, np.zeros(1), max_steps=3)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (ENDS, {}, "at least three images"),
        (ENDS[[0, 0, 1]], {}, "coincide"),
        (np.linspace(*ENDS, 5), {"method": "dimer"}, "unknown method"),
        (np.linspace(*ENDS, 5), {"step_size": -1.0}, "step_size"),
    ],
)
def test_bad_paths_are_refused(images, options, message):
    with pytest.raises(ValueError, match=message):
        relaxed_path(valley(), images, **options)
