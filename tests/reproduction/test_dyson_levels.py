"""Levels of theory on one small network: the order in which they come closer."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland.reproduction import dyson_levels
from rmtland.reproduction.dyson_levels import LEVELS, DysonLevels, level_densities
from rmtland.reproduction.quantity import Quantity
from rmtland.sweep import Serial


def test_each_level_comes_closer():
    found = level_densities(
        9, activation="relu", epsilon=0.5, ratio=4, draws=30, points=31, eta=0.05, seed=1
    )
    peak = found["measured"].max()
    errors = {name: np.abs(found[name] - found["measured"]).max() / peak for name in LEVELS}
    chain = [
        "Wishart + Wigner, printed variance",
        "Wishart + Wigner, traces matched",
        "measured H0 and H1, free",
        "Dyson, free slopes",
        "Dyson",
    ]
    values = [errors[name] for name in chain]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.6
    assert errors["Dyson"] < 0.05
    assert errors["Dyson"] < errors["Dyson, units"]
    assert found["dyson_index"] == pytest.approx(found["index"], abs=0.008)
    assert found["error"].max() < 0.01 * peak


def test_gauss_newton_part_alone():
    found = level_densities(
        8, activation="tanh", epsilon=0.0, ratio=2, draws=20, points=31, eta=0.05, seed=2
    )
    away = np.abs(found["x"]) > 0.2
    error = np.abs(found["Dyson"] - found["measured"])[away].max() / found["measured"].max()
    assert error < 0.02
    assert np.abs(found["Wishart + Wigner, traces matched"] - found["measured"])[away].max() > 0.3
    assert found["index"] == found["dyson_index"] == 0
    assert "Dyson, units" not in found


def test_figure_names_what_it_draws(monkeypatch):
    monkeypatch.setattr(dyson_levels, "_ATOMS", 30)
    figure = DysonLevels(sizes=(3, 4), shown=4, draws=1, points=5)
    content = figure.compute(executor=Serial(), progress=False)
    panels = {one.panel for one in content.series}
    assert panels == {"relu", "tanh", "errors"}
    for name in LEVELS:
        curve = content.get("tanh", name)
        measured = content.get("tanh", "measured")
        worst = np.abs(curve.y - measured.y).max() / measured.y.max()
        assert content.number(
            "error", activation="tanh", part="H", n=4, level=name
        ) == pytest.approx(worst)
        case = Quantity.of(name, activation="tanh", part="H")
        assert content.get("errors", case).y[1] == pytest.approx(worst)
    canvas = Figure()
    figure.draw(canvas, content)
    labels = [text.get_text() for text in canvas.axes[0].get_legend().get_texts()]
    assert any(label.startswith("Dyson, free slopes: ") for label in labels)
    assert canvas.axes[2].get_yscale() == "log"
