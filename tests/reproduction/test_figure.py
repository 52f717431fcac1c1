"""What all figures share: sizes, refusals, going on after an interruption, drawing."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from rmtland import Spectrum
from rmtland.cli.reproduce import DOTS
from rmtland.reproduction import (
    FIGURES,
    Content,
    ModelDensities,
    Series,
    Sweep,
    densities as densities_module,
    figure as figure_module,
)
from rmtland.reproduction.figure import histogram, label_panels, mean_and_error
from rmtland.reproduction.quantity import Quantity
from rmtland.sweep import Grid, Processes, Serial

FOLDER = Path(__file__).parents[2] / "figures"
SMALL = {"phi": (0.5,), "epsilon": (0.0, 0.5), "n": 40}


@pytest.mark.parametrize("name", FIGURES)
def test_sizes_grow(name):
    figure = FIGURES[name]
    tasks = [
        sum(len(sweep.grid) for sweep in figure.of_size(size).sweeps.values())
        for size in ("quick", "default", "full")
    ]
    memory = [figure.of_size(size).memory for size in ("quick", "default", "full")]
    assert tasks == sorted(tasks)
    assert memory == sorted(memory)
    assert memory[0] > 1e6
    assert figure.of_size("quick", seed=4).seed == 4


@pytest.mark.parametrize("name", FIGURES)
def test_bad_parameters_are_refused(name):
    with pytest.raises(ValueError, match="size"):
        FIGURES[name].of_size("large")
    with pytest.raises(ValueError, match="seed"):
        FIGURES[name](seed=-1)
    if FIGURES[name].takes_images:
        with pytest.raises(FileNotFoundError, match="CIFAR-10"):
            FIGURES[name].of_size("quick", images="nowhere").compute()
    else:
        with pytest.raises(ValueError, match="no images"):
            FIGURES[name](images="nowhere")


@pytest.mark.parametrize(
    "given", [{"n": 0}, {"phi": ()}, {"epsilon": (0.1, np.nan)}, {"epsilon": (-0.5,)}]
)
def test_parameters_out_of_range_are_named(given):
    with pytest.raises(ValueError, match=next(iter(given))):
        ModelDensities(**given)


def test_too_little_memory_is_said_before_anything_runs():
    with pytest.raises(MemoryError, match="smaller size"):
        ModelDensities(n=10**7).compute()


def test_memory_is_counted_for_every_worker(monkeypatch):
    figure = ModelDensities(**SMALL)
    library = SimpleNamespace(free_memory=lambda: 1.5 * figure.memory)
    monkeypatch.setattr(figure_module, "ArrayLibrary", SimpleNamespace(of=lambda: library))
    monkeypatch.setattr(figure_module, "cores", lambda: 64)
    with pytest.raises(MemoryError, match="for 2 workers"):  # there are two tasks
        figure.compute(executor=Processes())
    assert figure.compute(executor=Serial()).series


def test_a_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    calls = []
    original = densities_module.model_spectrum

    def counted(phi, epsilon, *, n, seed):
        calls.append(epsilon)
        if epsilon == 0.5 and len(calls) == 2:
            raise KeyboardInterrupt
        return original(phi, epsilon, n=n, seed=seed)

    figure = ModelDensities(**SMALL)
    monkeypatch.setattr(densities_module, "model_spectrum", counted)
    with pytest.raises(KeyboardInterrupt):
        figure.compute(folder=tmp_path / "store")
    content = figure.compute(folder=tmp_path / "store")
    assert calls == [0.0, 0.5, 0.5]
    monkeypatch.undo()
    again = figure.compute()
    assert content.rows() == again.rows()
    assert content.numbers == again.numbers


def test_an_interrupted_run_has_something_of_every_sweep(tmp_path):
    """Few replicates of all sweeps come first, and what is drawn at the end is the same."""
    order = []

    def task(name, seed):
        order.append(name)
        if len(order) == stop:
            raise KeyboardInterrupt
        return float(np.random.default_rng(seed).normal())

    class Rounds(ModelDensities):
        takes_part = True

        @property
        def sweeps(self):
            return {
                "long": Sweep(task, Grid({"name": "long"}, seeds=200)),
                "short": Sweep(task, Grid({"name": "short"}, seeds=40)),
            }

        def content(self, results):
            values = {k: np.array([r.value for r in found]) for k, found in results.items()}
            return Content(tuple(Series("p", k, v, v) for k, v in values.items()))

    figure, stop = Rounds(), 65
    with pytest.raises(KeyboardInterrupt):
        figure.compute(folder=tmp_path, progress=False)
    kept = figure.kept(tmp_path)
    assert {name: found.status.done for name, found in kept.items()} == {"long": 32, "short": 32}
    assert len(figure.content(kept).get("p", "short").x) == 32
    Rounds.takes_part = False
    with pytest.raises(ValueError, match="64 of 240 are kept"):
        figure.kept(tmp_path)
    stop = 0
    content = figure.compute(folder=tmp_path, progress=False)
    assert order.count("long") == 201  # the one that was interrupted, twice
    assert order.count("short") == 40
    assert content.rows() == figure.compute(progress=False).rows()
    assert figure.content(figure.kept(tmp_path)).rows() == content.rows()
    with pytest.raises(FileNotFoundError, match="begin a run"):
        figure.kept(tmp_path / "elsewhere")


def test_a_failed_task_is_told():
    class Failing(ModelDensities):
        @property
        def sweeps(self):
            return {"one": Sweep(failing, Grid({"phi": 0.5}))}

    with pytest.raises(ArithmeticError, match=r"1 tasks of fig1 failed.*no luck"):
        Failing().compute()


def failing(phi, seed):
    raise ValueError("no luck")


def test_seed_decides():
    rows = [ModelDensities(**SMALL, seed=seed).compute().rows() for seed in (0, 0, 1)]
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]


def test_every_curve_is_drawn():
    figure = ModelDensities(**SMALL)
    content, canvas = figure.compute(), Figure()
    figure.draw(canvas, content)
    drawn = [line.get_xydata() for line in canvas.axes[0].lines]
    for series in content.series:
        points = np.column_stack([series.x, series.y])
        assert any(points.shape == xy.shape and np.array_equal(points, xy) for xy in drawn)


@pytest.mark.parametrize("name", FIGURES)
def test_no_line_of_a_committed_caption_is_cut(name):
    report = json.loads((FOLDER / f"{name}.json").read_text())
    with Image.open(FOLDER / f"{name}.png") as picture:
        width = picture.width / DOTS
    canvas = Figure((width, 4.0), dpi=DOTS)
    label_panels(canvas, canvas.subplots(), report["caption"])
    (caption,) = (text for text in canvas.texts if text.get_text() == report["caption"])
    box = caption.get_window_extent(FigureCanvasAgg(canvas).get_renderer())
    assert box.x0 >= 0
    assert box.x1 <= 0.995 * width * DOTS


def test_histogram_has_the_mass_between_its_limits():
    spectrum = Spectrum([[0.0, 1.0, 2.0, 9.0]])
    bars = histogram("p", "s", spectrum, (-1.0, 4.0), 5)
    assert bars.x == pytest.approx([-0.5, 0.5, 1.5, 2.5, 3.5])
    assert bars.y.sum() == pytest.approx(0.75)


def test_content_finds_series_and_lists_rows():
    content = Content(
        (
            Series("a", "b", np.array([1.0]), np.array([2.0]), np.array([0.5])),
            Series("a", "c", np.array([3.0]), np.array([4.0])),
        )
    )
    assert content.get("a", "c").x == 3.0
    index = Quantity.of("index", phi=0.5, epsilon=0.1)
    numbers = Content((), {index: 2.0})
    assert numbers.number("index", epsilon=0.1, phi=0.5) == 2.0  # in any order
    with pytest.raises(KeyError, match=r"index, phi = 0.5"):
        numbers.number("index", phi=0.5)
    assert content.rows() == [("a", "b", 1.0, 2.0, 0.5), ("a", "c", 3.0, 4.0, None)]
    with pytest.raises(KeyError, match="'d'"):
        content.get("a", "d")


def test_content_is_read_from_its_rows():
    numbers = {Quantity.of("distance", law="x"): 0.25}
    content = Content(
        (
            Series(Quantity.of("", phi=0.5), "law", np.arange(3.0), np.ones(3)),
            Series("b", "points", np.arange(2.0), np.ones(2), np.array([0.1, 0.2])),
        ),
        numbers,
        "words",
    )
    again = Content.of_rows(content.rows(), numbers, "words")
    assert again.rows() == content.rows()
    assert again.get(Quantity.of("", phi=0.5), "law").error is None
    assert again.number("distance", law="x") == 0.25


def test_error_of_one_value_is_infinite():
    assert mean_and_error(np.array([2.0])) == (2.0, np.inf)
    assert mean_and_error(np.array([1.0, 3.0])) == (2.0, 1.0)
