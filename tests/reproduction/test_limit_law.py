"""The limit laws against networks: what one small run must show."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland.reproduction.limit_law import LIMITS, LimitLaw, known_densities
from rmtland.sweep import Serial


def test_content_has_every_law_and_is_drawn():
    figure = LimitLaw(
        activations=("relu",),
        sizes=(5, 7),
        known_sizes=(4,),
        draws=1,
        known_draws=8,
        legs=4,
        leg_draws=2,
        points=7,
        eta=0.3,
    )
    content = figure.compute(executor=Serial())
    for name in list(LIMITS)[:2]:
        errors = [content.number("error", activation="relu", n=n, law=name) for n in (5, 7)]
        assert 0 < max(errors) < 0.2
    for name in list(LIMITS)[2:]:
        assert content.number("error", activation="relu", n=4, law=name) < 0.2
    canvas = Figure()
    figure.draw(canvas, content)
    assert [len(ax.lines) > 1 for ax in canvas.axes] == [True, True]


@pytest.mark.slow
def test_crossings_bring_a_linear_network_closer():
    found = known_densities(
        12,
        activation="linear",
        epsilon=0.5,
        ratio=4,
        draws=60,
        legs=8,
        leg_draws=6,
        points=21,
        eta=0.1,
        seed=0,
    )
    errors = {name: np.abs(found[name] - found["measured"]).max() for name in list(LIMITS)[2:]}
    plain, better = errors.values()
    assert better < 0.8 * plain


def test_the_page_of_models_says_what_the_figure_found():
    home = Path(__file__).parents[2]
    report = json.loads((home / "figures" / "limit.json").read_text("utf-8"))
    page = " ".join((home / "docs" / "models.md").read_text("utf-8").split())
    found = {tuple(row["parameters"].values()): row["value"] for row in report["numbers"]}

    def percent(law, activation, *sizes):
        first, second, third = (f"{100 * found[activation, n, law]:.1f}" for n in sizes)
        return f"{first}, {second} and {third} %"

    for activation in ("linear", "relu", "tanh"):
        for law in list(LIMITS)[2:]:
            assert percent(law, activation, 8, 12, 20) in page
    last = [f"{100 * found[name, 128, 'Dyson, limit']:.1f}" for name in ("linear", "relu", "tanh")]
    assert f"the limit of the Dyson law {last[0]}, {last[1]} and {last[2]} %" in page
