"""Slices: the loss where the grid says, an interrupt, pages that a browser opens."""

import shutil
import subprocess

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland.landscape.pictures import draw_line, draw_plane
from rmtland.landscape.slices import (
    line_slice,
    plane_slice,
    random_directions,
    surface_page,
)
from rmtland.landscape.surface import FunctionSurface, NetworkSurface
from rmtland.networks import MLP


def bowl(size=2):
    return FunctionSurface(
        size, lambda t: (1.0 + float(t @ t), 2.0 * t), lambda t: 2.0 * np.eye(size)
    )


def test_losses_are_those_at_the_coordinates():
    rng, net = np.random.default_rng(0), MLP((3, 4, 2), weight_decay=0.1)
    surface = NetworkSurface.of(net, rng.standard_normal((6, 3)), rng.standard_normal((6, 2)))
    theta = net.init(rng=0)
    directions = random_directions(surface, theta, rng=1)
    plane = plane_slice(surface, theta, directions, extent=((-1.0, 0.5), (0.0, 2.0)), points=(4, 3))
    assert plane.losses.shape == (3, 4)
    assert plane.labels == directions.labels
    assert plane.is_whole
    for i, b in enumerate(plane.y):
        for j, a in enumerate(plane.x):
            at = theta + a * directions.rows[0] + b * directions.rows[1]
            assert plane.losses[i, j] == pytest.approx(surface.loss(at), rel=1e-12)
    line = line_slice(surface, theta, directions.rows[0], extent=(-1.0, 0.5), points=4)
    row = plane_slice(surface, theta, directions, extent=((-1.0, 0.5), (0.0, 1.0)), points=(4, 2))
    np.testing.assert_allclose(line.losses, row.losses[0], rtol=1e-12)
    points, distances = plane.coordinates_of(theta + [[2.0, 3.0]] @ directions.rows)
    np.testing.assert_allclose(points, [[2.0, 3.0]], atol=1e-12)
    assert distances[0] < 1e-12


def test_projections_take_directions_of_any_lengths():
    plane = plane_slice(bowl(), np.zeros(2), np.diag([1.0, 1e-20]), points=3)
    points, distances = plane.coordinates_of([[1.0, 2e-20]])
    np.testing.assert_allclose(points, [[1.0, 2.0]], rtol=1e-12)
    assert distances[0] == 0.0


@pytest.mark.parametrize("unit", [1e-300, 1e-170, 1e200])
def test_planes_and_projections_are_the_same_in_any_unit(unit):
    slanted = np.array([[1.0, 0.0], [3.0, 4.0]])
    plane = plane_slice(bowl(), np.zeros(2), unit * slanted, extent=1.0 / unit, points=3)
    same = plane_slice(bowl(), np.zeros(2), slanted, points=3)
    np.testing.assert_allclose(plane.losses, same.losses, rtol=1e-12)
    points, _ = plane.coordinates_of([[4.0, 4.0]])
    np.testing.assert_allclose(points * unit, [[1.0, 1.0]], rtol=1e-12)
    line = plane_slice(bowl(3), np.zeros(3), np.eye(3)[:2], points=3)
    assert line.coordinates_of([[0.0, 0.0, unit]])[1] == pytest.approx(unit, rel=1e-12, abs=0.0)


def test_points_of_another_space_are_not_projected():
    plane = plane_slice(bowl(), np.zeros(2), np.eye(2), points=3)
    with pytest.raises(ValueError, match=r"thetas must have 2 columns.* got shape \(3, 1\)"):
        plane.coordinates_of(np.ones((3, 1)))


def test_a_line_needs_a_direction():
    with pytest.raises(ValueError, match="direction is zero"):
        line_slice(bowl(), np.zeros(2), np.zeros(2))
    with pytest.raises(ValueError, match="direction must have 2 entries"):
        line_slice(bowl(), np.zeros(2), np.ones(3))


def test_the_centre_is_a_point_of_odd_grids():
    plane = plane_slice(bowl(), np.zeros(2), np.eye(2), extent=0.3, points=7)
    assert plane.losses[3, 3] == 1.0
    assert (plane.x == -plane.x[::-1]).all()


def test_an_interrupt_keeps_what_is_there():
    calls = 0

    class Interrupted(FunctionSurface):
        def plane_losses(self, origin, directions, coordinates):
            nonlocal calls
            calls += 1
            if calls == 2:
                raise KeyboardInterrupt
            return super().plane_losses(origin, directions, coordinates)

    toy = Interrupted(2, lambda t: (1.0 + float(t @ t), 2.0 * t))
    shares = []
    plane = plane_slice(toy, np.zeros(2), np.eye(2), points=30, progress=shares.append)
    assert not plane.is_whole
    assert np.isfinite(plane.losses).sum() == 512
    assert shares == [512 / 900]
    draw_plane(Figure().subplots(), plane)
    calls = 1
    with pytest.raises(KeyboardInterrupt):
        plane_slice(toy, np.zeros(2), np.eye(2), points=30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extent": 0.0}, "ascending and not empty"),
        ({"extent": (1.0, -1.0)}, "ascending"),
        ({"extent": (1.0, 2.0, 3.0)}, "a number or two"),
        ({"points": 1}, "at least 2"),
        ({"directions": np.eye(2)[[0, 0]]}, "parallel"),
        ({"directions": np.zeros((2, 2))}, "parallel or zero"),
        ({"directions": np.eye(3)}, "two directions of 2 entries"),
        ({"origin": np.zeros(3)}, "origin must have 2 entries"),
    ],
)
def test_bad_grids_are_refused(options, message):
    given = {"origin": np.zeros(2), "directions": np.eye(2), **options}
    with pytest.raises(ValueError, match=message):
        plane_slice(bowl(), given.pop("origin"), given.pop("directions"), **given)


def test_pictures_have_axes_units_and_legends():
    plane = plane_slice(bowl(), np.zeros(2), np.eye(2), points=9)
    figure = Figure()
    axes = figure.subplots(1, 3)
    draw_plane(axes[0], plane, trajectory=np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert (axes[0].get_xlabel(), axes[0].get_ylabel()) == ("direction 1", "direction 2")
    assert [t.get_text() for t in axes[0].get_legend().texts] == ["training", "start", "end"]
    draw_plane(axes[1], plane, scale="linear", marks=np.zeros((1, 2)))
    assert figure.axes[3].get_ylabel() == "loss"
    line = line_slice(bowl(), np.zeros(2), np.array([1.0, 0.0]))
    assert draw_line(axes[2], line).get_ydata().max() == 2.0
    with pytest.raises(ValueError, match="unknown scale"):
        draw_plane(axes[0], plane, scale="sqrt")


def page_of(scale="log"):
    pytest.importorskip("plotly")
    plane = plane_slice(bowl(), np.zeros(2), np.eye(2), points=9)
    points = np.array([[1.0, 1.0], [0.0, 0.0]])
    path = (points, np.array([3.0, 1.0]))
    return surface_page(plane, trajectory=path, title="a bowl", scale=scale)


def test_a_page_is_one_file_that_needs_no_network():
    page = page_of()
    assert page.count("<html") == 1
    assert 'src="http' not in page
    assert "a bowl" in page
    plane = plane_slice(bowl(), np.zeros(2), np.eye(2), points=3)
    object.__setattr__(plane, "losses", plane.losses - 1.0)
    with pytest.raises(ValueError, match="losses above 0"):
        surface_page(plane)


@pytest.mark.slow
def test_a_browser_draws_the_page(tmp_path):
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("no Chromium here")
    path = tmp_path / "slice.html"
    path.write_text(page_of(), "utf-8")
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-unsafe-swiftshader",
        "--virtual-time-budget=15000",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    done = subprocess.run(
        [browser, *options, "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert "<canvas" in done.stdout  # the scene of the surface, drawn by WebGL
    assert "a bowl" in done.stdout
    assert "gl-container" in done.stdout
