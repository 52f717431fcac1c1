"""`rmtland reproduce`: pictures, tables and numbers of figures."""

import csv
import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rmtland import reproduction
from rmtland.models import WishartPlusWigner
from rmtland.reproduction import Content, ModelDensities, Series, critical_points, densities
from rmtland.reproduction.critical_points import CriticalPointsFigure
from rmtland.reproduction.quantity import Quantity
from rmtland.sweep import executors

LOOK_AT_PICTURES = {
    "test_writes_picture_table_and_numbers",
    "test_same_seed_same_bytes_and_results_kept_on_request",
    "test_a_committed_figure_is_drawn_again",
}
FILES = ["rmtland-output/fig1.csv", "rmtland-output/fig1.json", "rmtland-output/fig1.png"]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(ModelDensities, "quick", {"n": 30, "bins": 8, "phi": (0.5,)})


def test_writes_picture_table_and_numbers(rmtland, small):
    result = rmtland("reproduce", "fig1", "--quick", "--seed", 3)
    assert result.code == 0, result.err
    assert result.written == FILES
    assert "wrote rmtland-output/fig1.png" in result.out
    assert "12 tasks" not in result.err
    assert "4 tasks, 1 at a time" in result.err
    rows = list(csv.DictReader((result.folder / FILES[0]).read_text().splitlines()))
    law = [row for row in rows if row["series"] == "law, epsilon = 0.5"]
    x, y = (np.array([float(row[key]) for row in law]) for key in "xy")
    assert y == pytest.approx(WishartPlusWigner(0.5, 0.5).law.pdf(x), abs=2e-3)
    report = json.loads((result.folder / FILES[1]).read_text())
    assert report["parameters"]["seed"] == 3
    assert report["command"] == "rmtland reproduce fig1 --quick --seed 3"
    (index,) = (
        one["value"]
        for one in report["numbers"]
        if one["quantity"] == "index of the law"
        and one["parameters"] == {"phi": 0.5, "epsilon": 0.5}
    )
    assert index == pytest.approx(WishartPlusWigner(0.5, 0.5).index())
    assert (result.folder / FILES[2]).stat().st_size < 150_000


def test_same_seed_same_bytes_and_results_kept_on_request(rmtland, small):
    first = rmtland("reproduce", "fig1", "--quick", "--keep")
    kept = [name for name in first.written if ".partial/" in name]
    assert len(kept) == 1
    assert kept[0].endswith("/fig1-spectra.sweep")
    second = rmtland("reproduce", "fig1", "--quick", "--out", "other")
    for suffix in ("csv", "json", "png"):
        name = f"fig1.{suffix}"
        assert (first.folder / "rmtland-output" / name).read_bytes() == (
            second.folder / "other" / name
        ).read_bytes()


def test_a_run_takes_nothing_from_an_interrupted_one_of_other_parameters(
    rmtland, small, monkeypatch
):
    original, calls = densities.model_spectrum, []

    def counted(phi, epsilon, *, n, seed):
        calls.append(epsilon)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(phi, epsilon, n=n, seed=seed)

    monkeypatch.setattr(densities, "model_spectrum", counted)
    interrupted = rmtland("reproduce", "fig1", "--quick", "--seed", 1)
    assert interrupted.code == 130
    (said,) = (line for line in interrupted.err.splitlines() if "interrupted" in line)
    assert "2 of 4 tasks" in said
    assert "resumes" in said
    assert "Traceback" not in interrupted.err
    (left,) = interrupted.written
    assert rmtland("reproduce", "fig1", "--quick").written == sorted([left, *FILES])
    assert rmtland("reproduce", "fig1", "--quick", "--seed", 1).written == FILES
    assert len(calls) == 3 + 4 + 2


def test_what_a_run_has_kept_is_drawn_with_its_counts(rmtland, monkeypatch):
    few = {
        "phi": (0.5,),
        "width": 3,
        "checks": (1e-2,),
        "symmetric": 5,
        "generic": 2,
        "minima": 1,
        "published": 1,
        "studied": 1,
        "symmetric_checks": 1,
        "generic_checks": 1,
        "linear": 1,
        "short_steps": 1,
        "resamples": 5,
    }
    monkeypatch.setattr(CriticalPointsFigure, "quick", few)
    original, many = critical_points.searched, []

    @functools.wraps(original)
    def interrupted(*args, family, **given):
        many.append(family)
        if family == "symmetric" and many.count(family) == 4:
            raise KeyboardInterrupt
        return original(*args, family=family, **given)

    early = rmtland("reproduce", "fig6", "--quick", "--partial")
    assert early.code == 2
    assert "begin a run without --partial first" in early.err
    monkeypatch.setattr(critical_points, "searched", interrupted)
    stopped = rmtland("reproduce", "fig6", "--quick")
    assert stopped.code == 130
    assert "--partial draws what there is" in stopped.err
    shown = rmtland("reproduce", "fig6", "--quick", "--partial")
    assert shown.code == 0, shown.err
    done = "minima 1 of 1, generic 2 of 2, short steps 1 of 1, symmetric 3 of 5"
    assert f"from 7 of 14 tasks: {done}" in shown.out
    report = json.loads((shown.folder / "rmtland-output" / "fig6.json").read_text())
    assert report["command"] == "rmtland reproduce fig6 --quick --partial"
    assert report["tasks"]["symmetric"] == {"done": 3, "all": 5}
    assert "0 published, 2 generic, 1 short steps, 3 symmetric, 1 minima" in report["caption"]
    assert "Drawn from 7 of 14 tasks" in report["caption"]
    named = [one for one in report["numbers"] if one["quantity"] == "starts"]
    starts = [one["value"] for one in named if one["parameters"]["family"] == "symmetric"]
    assert starts == [3.0, 0.0]  # at the decay of the figure, and at the other one
    monkeypatch.setattr(critical_points, "searched", original)
    with pytest.warns(UserWarning, match="source of the task .*:searched has changed"):
        whole = rmtland("reproduce", "fig6", "--quick", "--keep")  # nothing interrupts it
    assert whole.code == 0, whole.err
    caption = json.loads((whole.folder / "rmtland-output" / "fig6.json").read_text())["caption"]
    assert "1 published, 2 generic, 1 short steps, 6 symmetric, 1 minima" in caption
    assert "Drawn from" not in caption


def test_all_and_several_names(rmtland, small, monkeypatch):
    monkeypatch.setattr(reproduction, "FIGURES", {"fig1": ModelDensities})
    assert rmtland("reproduce", "all", "--quick").written == FILES
    assert rmtland("reproduce", "fig1", "fig1", "--quick").err.count("at a time") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fig7"], "choose one of fig1"),
        (["fig1", "--quick", "--full"], "not both"),
        (["fig1", "--images", "here"], "no images"),
        (["fig4", "--quick", "--images", "nowhere"], "CIFAR-10"),
        (["fig1", "--quick", "--workers", "0"], "workers"),
        (["fig1", "--quick", "--seed", "-1"], "seed"),
        (["fig1", "--quick", "--format", "gif"], "format"),
        (["fig1", "--quick", "--json", "."], "folder"),
    ],
)
def test_mistakes_get_one_line(rmtland, small, arguments, words):
    result = rmtland("reproduce", *arguments)
    assert result.code == 2
    assert words in result.err
    assert "png" not in "".join(result.written)


def test_numbers_are_rounded_and_unknown_errors_left_out(rmtland, small, monkeypatch):
    point = Series("p", "s", np.array([1.0]), np.array([1 / 3]), np.array([np.inf]))
    monkeypatch.setattr(
        ModelDensities, "content", lambda *_: Content((point,), {Quantity.of("third"): 1e-7 / 3})
    )
    monkeypatch.setattr(ModelDensities, "draw", lambda *_: None)
    folder = rmtland("reproduce", "fig1", "--quick").folder / "rmtland-output"
    assert (folder / "fig1.csv").read_text() == "panel,series,x,y,error\np,s,1,0.333333,\n"
    assert json.loads((folder / "fig1.json").read_text())["numbers"] == [
        {"quantity": "third", "parameters": {}, "value": 3.33333333e-8}
    ]


def test_says_how_many_tasks_run_at_a_time(rmtland, small, monkeypatch):
    monkeypatch.setattr(executors, "cores", lambda: 7)
    monkeypatch.setattr(ModelDensities, "compute", stopped)
    assert "12 tasks, 7 at a time" in rmtland("reproduce", "fig1").err


def stopped(*_, **__):
    raise ArithmeticError("no further")


def test_a_file_in_place_of_the_folder(rmtland, small, tmp_path):
    (tmp_path / "file").write_text("")
    result = rmtland("reproduce", "fig1", "--quick", "--out", tmp_path / "file")
    assert result.code == 2
    assert "is a file" in result.err


def test_machines_get_json_alone(rmtland, small):
    result = rmtland("reproduce", "fig1", "--quick", "--json", "-", "--format", "pdf")
    assert result.code == 0, result.err
    (figure,) = json.loads(result.out)["figures"]
    assert figure["figure"] == "fig1"
    assert figure["numbers"][0]["parameters"]
    assert "rmtland-output/fig1.pdf" in result.written
    assert (result.folder / "rmtland-output/fig1.pdf").read_bytes()[:5] == b"%PDF-"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("fig3", "dyson") else [pytest.mark.slow])
        for name in reproduction.FIGURES
    ],
)
def test_a_committed_figure_is_drawn_again(rmtland, tmp_path, name):
    figures = Path(__file__).parents[2] / "figures"
    for suffix in (".csv", ".json"):
        shutil.copy(figures / f"{name}{suffix}", tmp_path)
    result = rmtland("reproduce", name, "--redraw", "--out", tmp_path)
    assert result.code == 0, result.err
    picture = (tmp_path / f"{name}.png").read_bytes()
    assert 0.8 < len(picture) / (figures / f"{name}.png").stat().st_size < 1.25
    assert len(picture) < 150_000
    for suffix in (".csv", ".json"):  # nothing else is written
        assert (tmp_path / f"{name}{suffix}").read_bytes() == (
            figures / f"{name}{suffix}"
        ).read_bytes()


def test_there_must_be_something_to_draw_again(rmtland, tmp_path):
    result = rmtland("reproduce", "fig1", "--redraw", "--out", tmp_path)
    assert result.code != 0
    assert "without --redraw first" in result.err
