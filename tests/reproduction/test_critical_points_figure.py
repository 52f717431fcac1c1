"""Figure 6: published, generic and symmetric critical points."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland.reproduction.critical_points import LEVELS, READ_OFF, CriticalPointsFigure
from rmtland.reproduction.index_energy import MINIMISERS
from rmtland.reproduction.quantity import Quantity

SMALL = CriticalPointsFigure(phi=(1.0,), width=3, symmetric=8, generic=2, published=1)


@pytest.fixture(scope="module")
def content():
    return SMALL.compute()


def test_points_of_each_family_are_shown(content):
    panel = Quantity.of("index against energy", phi=1.0)
    shown = {str(one.name): one for one in content.series if one.panel == panel}
    assert len(shown["symmetric"].x) == 8
    for one in shown.values():
        assert (one.x >= 0).all()
        assert ((one.y >= 0) & (one.y <= 1)).all()
        np.testing.assert_allclose(one.y * 18, np.round(one.y * 18), atol=1e-9)
    assert content.number("share proved", phi=1.0, family="symmetric") == 1.0
    assert content.number("below the cutoff", phi=1.0) in (0, 1)


def test_mean_energies_are_those_of_the_points(content):
    panel = Quantity.of("index against energy", phi=1.0)
    points = content.get(panel, "symmetric")
    for level in LEVELS:
        near = np.abs(points.y - level) <= (0.0 if level == 0.0 else 0.025)
        name = Quantity.of("mean energy", phi=1.0, family="symmetric", index=level)
        assert (name in content.numbers) == near.any()
        if near.any():
            assert content.numbers[name] == pytest.approx(points.x[near].mean())


def test_what_was_read_off_agrees_with_the_other_figure():
    for phi, _, index_zero, _ in MINIMISERS:
        assert READ_OFF[phi][0] == index_zero
        assert all(np.diff(READ_OFF[phi]) > 0)


def test_points_above_the_cutoff_are_left_out():
    results = [{"status": "flat", "energy": 0.2, "index": 0.1, "square": 1e-7}]
    grid = SMALL.sweeps["published"].grid
    assert [key.parameters["family"] for key in grid] == ["published"]
    series, numbers = [], {}
    SMALL._add(series, numbers, Quantity.of("p"), 1.0, "published", results)
    assert numbers[Quantity.of("below the cutoff", phi=1.0)] == 1
    results[0]["square"] = 1e-5
    SMALL._add(series, numbers, Quantity.of("p"), 1.0, "published", results)
    assert numbers[Quantity.of("below the cutoff", phi=1.0)] == 0
    assert len(series) == 1


def test_all_points_are_in_view(content):
    """Small networks have critical points above the published range of energies."""
    figure = Figure(layout="constrained")
    SMALL.draw(figure, content)
    (ax,) = figure.axes
    for line in ax.lines:
        assert (line.get_xdata() <= ax.get_xlim()[1]).all()
        assert (line.get_ydata() <= ax.get_ylim()[1]).all()
    highest = max(line.get_xdata().max() for line in ax.lines)
    assert highest > 0.62 or ax.get_xlim()[1] == 0.62
