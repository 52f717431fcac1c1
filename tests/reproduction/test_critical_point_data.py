"""The data set of figure 6: whole, plausible, and found again from its seeds."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rmtland.sweep import Serial, run

pytest.importorskip("flint")
HERE = Path(__file__).parents[2]
FILE = HERE / "figures" / "critical_points.npz"


@pytest.fixture(scope="module")
def script():
    path = HERE / "scripts" / "critical_point_data.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stored(script):
    return script.read_arrays(FILE, kind=script.KIND)


def test_the_file_is_whole_and_its_numbers_are_possible(script, stored):
    header, arrays = stored
    assert script.digest_of(arrays) == header["digest"]
    assert len({values.shape for values in arrays.values()}) == 1
    proved = arrays["status"] == 0
    assert not (proved & (arrays["family"] == 0)).any()  # nothing is proved of published points
    assert (arrays["radius"][proved] < 1e-12).all()
    assert (arrays["gap"][proved] > 0).all()
    assert np.isnan(arrays["radius"][~proved]).all()
    assert ((arrays["index"] >= 0) & (arrays["index"] <= 512)).all()
    assert ((arrays["energy"] > 0) & (arrays["energy"] <= arrays["target"])).all()
    keys = ("phi", "decay", "family", "studied", "seed")
    assert len(set(zip(*(arrays[key].tolist() for key in keys), strict=True))) == len(proved)


def test_the_figure_is_drawn_from_the_same_points(stored):
    """As many proved points a family and ratio as the shares of the figure say."""
    header, arrays = stored
    report = json.loads((HERE / "figures" / "fig6.json").read_text())
    numbers = {
        (one["quantity"], *sorted(one["parameters"].items())): one["value"]
        for one in report["numbers"]
    }
    for phi in report["parameters"]["phi"]:
        for family in ("generic", "symmetric", "minima"):
            mine = (
                (arrays["phi"] == phi)
                & (arrays["family"] == header["families"].index(family))
                & (arrays["decay"] == report["parameters"]["weight_decay"])
            )
            labels = (("family", family), ("phi", phi))
            assert numbers["starts", *labels] == mine.sum()
            share = (arrays["status"][mine] == 0).mean()
            assert numbers["share proved", *labels] == pytest.approx(share)


def test_a_row_is_found_again_from_its_seed(script, stored):
    header, arrays = stored
    symmetric = (arrays["family"] == header["families"].index("symmetric")) & (arrays["phi"] == 0.5)
    row = int(np.flatnonzero(symmetric & (arrays["studied"] == 0))[1])
    axes, there, found = script.again(FILE, row)
    assert axes["family"] == "symmetric"
    assert found["status"] == "proved"
    assert found["index"] == there["index"]
    assert found["energy"] == pytest.approx(float(there["energy"]), abs=1e-10)


def test_a_changed_file_is_refused(script, stored, tmp_path):
    header, arrays = stored
    changed = {**arrays, "energy": arrays["energy"] + 1e-9}
    script.write_arrays(tmp_path / "c.npz", header, changed, kind=script.KIND)
    with pytest.raises(ValueError, match="damaged"):
        script.again(tmp_path / "c.npz", 0)
    with pytest.raises(ValueError, match="rows"):
        script.again(FILE, len(arrays["phi"]))


def test_the_file_of_an_interrupted_run_has_what_is_kept(script, tmp_path, monkeypatch, capsys):
    few = {"phi": (0.5,), "width": 3, "checks": (1e-2,), "symmetric": 3}
    monkeypatch.setattr(script.CriticalPointsFigure, "quick", few)
    figure = script.CriticalPointsFigure.of_size("quick")
    task, grid = figure.sweeps["symmetric"]
    path = script.store_path(tmp_path, "fig6", "symmetric")
    run(task, replace(grid, seeds=2), store=path, executor=Serial())
    out = tmp_path / "some.npz"
    command = ["--size", "quick", "--folder", str(tmp_path), "--partial", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["critical_point_data.py", *command])
    assert script.main() == 0
    assert "0 generic, 2 symmetric, 0 minima" in capsys.readouterr().out
    header, arrays = script.read_arrays(out, kind=script.KIND)
    assert header["command"].endswith("--size quick --seed 0 --partial")
    assert arrays["seed"].tolist() == [0, 1]
    assert script.again(out, 1)[2]["energy"] == pytest.approx(arrays["energy"][1])
    monkeypatch.setattr("sys.argv", [*sys.argv[:4], str(tmp_path / "none"), "--partial"])
    with pytest.raises(SystemExit):
        script.main()
    assert "keeps no results" in capsys.readouterr().err
