"""The string method and the elastic band find a known saddle; results never worsen the start."""

import numpy as np
import pytest

from rmtland.landscape.connectivity import (
    Bezier,
    Polygon,
    connect,
    profile,
    relaxed_path,
    saddle_near,
    trained_curve,
)
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
    # a band at rest has none; the string slides, in proportion to its step
    assert found.across < (0.05 if method == "string" else 1e-6)
    assert found.steps == 600
    top = saddle_near(surface, found.highest)
    assert np.linalg.norm(top.theta - SADDLE) < 1e-6
    assert top.loss == pytest.approx(1.0, abs=1e-10)
    assert top.index == 1
    assert (found.images[[0, -1]] == ENDS).all()


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e9])
def test_a_saddle_is_the_same_in_any_unit(unit):
    """With parameters in tiny units every gradient looks small; the saddle is still at (0, 1/2)."""

    def value(theta):
        s, y = theta / unit
        well, bent = s * s - 1.0, y - 0.5 * (1.0 - s * s)
        return well**2 + bent**2, np.array([4 * s * well + 2 * bent * s, 2 * bent]) / unit

    def second(theta):
        s, y = theta / unit
        across = 12 * s * s - 4 + 2 * (y - 0.5 * (1 - s * s)) + 2 * s * s
        return np.array([[across, 2 * s], [2 * s, 2.0]]) / unit**2

    found = saddle_near(FunctionSurface(2, value, second), np.array([0.2, 0.3]) * unit)
    assert np.abs(found.theta / unit - [0.0, 0.5]).max() < 1e-9
    assert (found.index, round(found.loss, 12)) == (1, 1.0)


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
    assert not found.is_whole
    for steps in (0, 20):
        assert relaxed_path(valley(), np.linspace(*ENDS, 13), steps=steps).is_whole


def test_progress_ends_at_1_where_the_step_is_too_long():
    shares = []
    relaxed_path(valley(), np.linspace(*ENDS, 13), steps=50, step_size=1e3, progress=shares.append)
    assert shares[-1] == 1.0
    assert len(shares) < 50


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


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_the_unit_of_the_loss_does_not_matter(unit):
    plain = valley()

    def value(theta):
        loss, slope = plain.value(theta)
        return unit * loss, unit * slope

    scaled = FunctionSurface(3, value)
    images = np.linspace(*ENDS, 7)
    images[1:-1, 1] += 0.1
    for method in ("string", "neb"):
        found = relaxed_path(scaled, images, method=method, steps=40)
        same = relaxed_path(plain, images, method=method, steps=40)
        np.testing.assert_allclose(found.images, same.images, atol=1e-6)
        assert found.across == pytest.approx(same.across, abs=1e-6)
    top = saddle_near(scaled, [0.1, 0.5, 0.1])
    assert np.linalg.norm(top.theta - SADDLE) < 1e-8
    curve = trained_curve(scaled, Bezier(images[[0, 3, 6]]), steps=10, rng=0)
    expected = trained_curve(plain, Bezier(images[[0, 3, 6]]), steps=10, rng=0)
    np.testing.assert_allclose(curve.nodes, expected.nodes, rtol=1e-9)


def test_what_is_no_path_is_refused():
    flat = FunctionSurface(2, lambda theta: (0.0, 0.0 * theta))
    with pytest.raises(ValueError, match="Hessian is zero"):
        saddle_near(flat, np.ones(2))
    with pytest.raises(ValueError, match="same point"):
        connect(flat, np.ones(2), np.ones(2))
    for call in (relaxed_path, lambda s, images: profile(s, Polygon(images))):
        with pytest.raises(ValueError, match="2 entries"):
            call(flat, np.eye(3))
    with pytest.raises(ValueError, match="theta must have 2 entries"):
        saddle_near(flat, np.ones(3))
    with pytest.raises(ValueError, match="between 0 and 1"):
        Polygon(np.eye(2)).at(np.array([0.5, 1.5]))
    assert Polygon(np.eye(2) * 1e160).length() == pytest.approx(1e160 * np.sqrt(2))
