"""Networks in training against all levels: what one small run must show."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland.audit import Level
from rmtland.audit.distance import kolmogorov
from rmtland.models import ConditionedHessian
from rmtland.reproduction import TrainedNetworks
from rmtland.reproduction.trained_cases import FRESH, NETWORKS, SMALL, UNUSUAL
from rmtland.reproduction.trained_networks import _count_points
from rmtland.reproduction.trained_runs import LEVELS, conditioned_distances, stage_point
from rmtland.sweep import Serial, run


@pytest.fixture(scope="module")
def made():
    figure = TrainedNetworks.of_size("quick", networks=(SMALL,), fractions=(0.0,), steps=60)
    return figure, figure.compute(executor=Serial())


def test_every_level_has_its_distance_and_some_a_density(made):
    figure, content = made
    distances = {
        level: content.number("Kolmogorov distance", stage=1, level=name)
        for level, name in LEVELS.items()
    }
    assert distances[Level.CONDITIONED_GRADIENT] < distances[Level.PRINTED] / 2
    bars = content.get("stage 1", "measured")
    assert 0.9 < bars.y.sum() * (bars.x[1] - bars.x[0]) <= 1  # the highest are not drawn
    canvas = Figure()
    figure.draw(canvas, content)
    assert [len(ax.lines) for ax in canvas.axes if ax.axison] == [3, len(LEVELS)]


@pytest.mark.parametrize("module", ["trained_runs", "freeness"])
def test_a_run_that_ctrl_c_cut_short_gives_no_result(monkeypatch, module):
    """The run trained by half was stored as if whole, and taken when the figure was resumed."""
    place = importlib.import_module(f"rmtland.reproduction.{module}")
    train = place.train

    def cut_short(*arguments, **options):
        return replace(train(*arguments, **{**options, "max_steps": 2}), reason="interrupted")

    monkeypatch.setattr(place, "train", cut_short)
    options = {"rotations": 1, "points": 5, "eta": 0.1, "images": "", "seed": 0}
    calls = {
        "freeness": lambda: place.rotated_hessian(2, 20, 0.3, **options),
        "trained_runs": lambda: stage_point(SMALL, run=7, root=7, fraction=0.0, steps=5),
    }
    with pytest.raises(KeyboardInterrupt):
        calls[module]()


def test_numbers_are_those_of_the_library(made):
    _, content = made
    shared = {"run": 0, "root": 0, "fraction": 0.0, "steps": 60}
    step, is_last, _, point = stage_point(SMALL, **shared)
    assert is_last
    found = conditioned_distances(SMALL, **shared, draws=4)
    assert found["step"] == step
    assert found["residuals"] == 32 * 5
    model = ConditionedHessian(point, ("gradient", "inputs"), draws=4)
    measured = np.linalg.eigvalsh(point.hessian("total"))
    assert found["kolmogorov 8"] == kolmogorov(measured, model.law)
    assert found["measured_numbers 8"] == model.measured_numbers
    assert found["minimum 8"] == 0.0  # training stopped far from one
    assert content.get(SMALL, "Kolmogorov distance, level 8").y[-1] == found["kolmogorov 8"]
    assert content.number("points") == 1


def test_the_end_of_a_run_is_a_minimum_and_no_stage_before():
    shared = {"run": 0, "root": 0, "steps": 400, "draws": 3}
    for fraction, expected in ((0.3, 0.0), (0.0, 1.0)):
        found = conditioned_distances(SMALL, fraction=fraction, **shared)
        assert found["minimum 7"] == found["minimum 8"] == expected
    assert found["index 7"] <= 1e-9 + found["index"]


def test_points_outside_chance_are_counted_and_named():
    def point(energy, seven, eight, index):
        both = {"kolmogorov 7": seven, "kolmogorov 8": eight, "chance 7": 0.02, "chance 8": 0.01}
        return {"energy": energy, "loss": "mse", **both, "index": 0.1} | {
            "index 7": index,
            "index 8": 0.1,
        }

    numbers = {}
    points = [("a", 0, point(0.2, 0.0399, 0.1, 0.1)), ("b", 1, point(0.1, 0.05, 0.06, 0.13))]
    _count_points(points, numbers)
    named = {str(quantity): value for quantity, value in numbers.items()}
    assert named["points within chance, level 7 or 8"] == 1
    assert named["Kolmogorov distance outside chance, b, run = 1, energy = 0.1, level 7"] == 0.05
    assert named["index off, b, run = 1, energy = 0.1, level 7"] == pytest.approx(0.03)
    assert named["points with an index within 0.02"] == 1


def test_two_stages_that_are_one_iterate_count_once():
    figure = TrainedNetworks.of_size(
        "quick", networks=(SMALL,), fractions=(0.01, 0.0), steps=2, draws=3
    )
    results = run(*figure.sweeps["networks"], executor=Serial())
    assert [one.value["step"] for one in results] == [2, 2]
    numbers = {}
    series = figure._all_runs(results, numbers)
    assert {quantity.name: numbers[quantity] for quantity in numbers}["points"] == 1
    assert all(len(one.x) == 1 for one in series)


OF_OTHER_DATA = [
    name
    for name in UNUSUAL
    if name.split()[0] in {"noisy", "constant", "correlated", "heavy", "rare"}
]


@pytest.mark.parametrize("name", [*NETWORKS, *FRESH, *OF_OTHER_DATA])
def test_all_networks_can_be_trained_and_conditioned(name):
    found = conditioned_distances(name, run=0, root=0, fraction=0.3, steps=3, draws=3)
    assert "refused" not in found
    assert 0 < found["kolmogorov 7"] < 0.2
    assert found["energy"] > 0


def test_the_sets_of_networks_have_none_in_common():
    assert len({*NETWORKS, *FRESH, *UNUSUAL, SMALL}) == 37
    assert len(OF_OTHER_DATA) == 5


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="unknown network"):
        TrainedNetworks(shown="nothing")
    with pytest.raises(ValueError, match="draws must be at least 3"):
        TrainedNetworks(draws=2)
