"""`rmtland landscape linearize|manifold|noise|depth`: tables, JSON, figures; bad input refused."""

import importlib
import itertools
import json

import numpy as np
import pytest
from PIL import Image

SMALL = {
    "linearize": (
        "--widths",
        "12,24,48",
        "--samples",
        12,
        "--data",
        "digits-labels",
        "--seeds",
        2,
        "--scales",
        "2,20",
        "--fraction",
        0.5,
        "--outputs",
        3,
    ),
    "manifold": ("--hidden", 12, "--samples", 8, "--steps", 3),
    "noise": ("--samples", 40, "--batch-size", 10, "--steps", 200, "--chains", 40),
    "pac-bayes": ("--hidden", 8, "--draws", 40),
    "depth": ("--depths", "1,2,3", "--width", 12, "--draws", 2, "--kinds", "plain,residual"),
}


def run(rmtland, command, *more):
    files = ("--json", "r.json", "--html", "r.html", "--out", ".")
    result = rmtland("landscape", command, *SMALL[command], *more, *files)
    assert (result.code, result.err) == (0, "")
    assert result.written == sorted([f"{command}.png", "r.html", "r.json"])
    assert f"rmtland landscape {command}</p>" in result.page("r.html")
    with Image.open(result.folder / f"{command}.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    return result, json.loads((result.folder / "r.json").read_text())


def test_linearize_compares_networks_with_their_linearisation(rmtland):
    result, report = run(rmtland, "linearize")
    assert report["parametrisation"] == "ntk"
    fit = report["width"]["exponents"]["relative movement"]
    assert fit["low"] < fit["value"] < fit["high"] < 0
    assert np.shape(report["width"]["values"]["movement"]) == (3, 2)
    assert report["output_scale"]["exponents"]["movement"]["value"] == pytest.approx(-1, abs=0.1)
    conditions = report["condition_number"]
    assert min(conditions["data"], conditions["one_length"]) > 1
    assert conditions["one_length"] < conditions["gaussian"]
    assert (conditions["law"] or 2) > 1 or conditions["why_no_law"]
    assert f"condition number of J J^T there: {conditions['data']:.4g}" in result.out


@pytest.mark.parametrize(("call", "widths", "scales"), [(5, 2, 0), (11, 3, 2), (2, 0, 0)])
def test_linearize_keeps_what_is_done_at_an_interrupt(rmtland, monkeypatch, call, widths, scales):
    module = importlib.import_module("rmtland.landscape.linearisation.width_scaling")
    descend, calls = module.compare_descent, itertools.count(1)

    def interrupted(*arguments, **options):
        if next(calls) == call:
            raise KeyboardInterrupt
        return descend(*arguments, **options)

    monkeypatch.setattr(module, "compare_descent", interrupted)
    options = (*SMALL["linearize"], "--scales", "2,10,20", "--json", "r.json", "--out", ".")
    result = rmtland("landscape", "linearize", *options)
    assert result.code == 130
    if not widths:
        assert result.written == []
        return
    kept = f"{widths} of 3 widths and {scales} of 3 output scales are written"
    assert kept in " ".join(result.err.split())
    report = json.loads((result.folder / "r.json").read_text())
    assert report["width"]["sizes"] == [12.0, 24.0, 48.0][:widths]
    assert (report["output_scale"] or {"sizes": []})["sizes"] == [2.0, 10.0, 20.0][:scales]
    assert "linearize.png" in result.written


def test_manifold_names_dimension_and_exceptions(rmtland):
    result, report = run(rmtland, "manifold")
    asked = report["networks"]["as asked for"]
    assert (asked["rank"], asked["dimension"]) == (80, 16 * 12 + 12 * 10 - 80)
    assert asked["interpolates"]
    assert "hidden layer of 5 units for 10 outputs" in result.out
    for walk in report["walks"].values():
        assert max(walk["losses"]) < 1e-20
    flatter, sharper = (report["walks"][name]["sharpness"] for name in ("flatter", "sharper"))
    assert flatter[-1] < flatter[0] == sharper[0] < sharper[-1]


def test_noise_lays_the_simulation_beside_the_prediction(rmtland):
    result, report = run(rmtland, "noise")
    assert [one["sampling"] for one in report["runs"]] == ["with", "without", "reshuffling"]
    for one in report["runs"]:
        ratio = np.array(one["simulated"]) / one["predicted"]
        errors = np.array(one["errors"]) / one["predicted"]
        assert (np.abs(ratio - 1) < 5 * errors + 0.1).all()
        assert (np.array(one["gibbs"]) > 5 * np.array(one["simulated"])).all()
    assert "temperature eta tr(Sigma)/B" in result.out


def test_escape_from_a_saddle_follows_the_prediction(rmtland):
    result, report = run(
        rmtland,
        "noise",
        "--at",
        "saddle",
        "--outputs",
        3,
        "--hidden",
        3,
        "--samples",
        60,
        "--weight-decay",
        0.01,
        "--step-size",
        0.3,
        "--chains",
        100,
        "--steps",
        150,
        "--distance",
        0.02,
    )
    predicted, simulated = report["predicted_steps"][0], report["simulated_steps"][0]
    assert report["curvatures"][0] < 0 < report["noise"][0]
    assert simulated == pytest.approx(predicted, rel=0.4)
    expected, off = np.array(report["variances"])[1:20, 0], np.array(report["errors"])[1:20, 0]
    first = 0.3**2 / 20 * report["noise"][0]
    growth = (1 - 0.3 * report["curvatures"][0]) ** 2
    steps = np.arange(1, 20)
    assert (np.abs(expected - first * (growth**steps - 1) / (growth - 1)) < 5 * off).all()
    assert f"{predicted:.0f}" in result.out


def test_a_saddle_of_symmetry_keeps_what_starts_there(rmtland):
    options = ("--at", "saddle", "--samples", 40, "--chains", 20, "--steps", 5, "--json", "-")
    result = rmtland("landscape", "noise", *options, "--outputs", 1)
    assert result.code == 0
    report = json.loads(result.out)
    assert set(report["predicted_steps"]) == {None}  # infinite
    assert np.max(report["variances"][-1]) < 1e-20


def test_depth_lays_laws_beside_draws(rmtland):
    result, report = run(rmtland, "depth")
    plain, residual = report["networks"]["plain"], report["networks"]["residual"]
    assert plain["jacobian"]["rate"][0] > residual["jacobian"]["rate"][0] > 0
    assert np.isfinite(plain["spread"]["law"]).all()
    assert "exp(L)" in result.out


def test_pac_bayes_bounds_hold_and_the_printed_one_does_not(rmtland):
    result, report = run(rmtland, "pac-bayes")
    true, random = report["labels"].values()
    assert true["posterior_held_out"] < true["seeger"] < 0.6
    assert random["printed"] < random["held_out"] < random["seeger"]
    assert "the printed bound" in result.out


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("linearize", ("--widths", "a,b"), "--widths takes whole numbers"),
        ("linearize", ("--widths", "16"), "at least two different widths"),
        ("linearize", ("--scales", "2", "--seeds", 9), "--scales: at least two different scales"),
        ("linearize", ("--scales", "2,4", "--seeds", 1), "three networks in all"),
        ("linearize", ("--fraction", 2), "--fraction must be between 0 and 1"),
        ("linearize", ("--relative-step", 2.5), "--relative-step must be below 2"),
        ("linearize", ("--max-steps", 1, "--fraction", 0.01), "more than --max-steps 1"),
        ("linearize", ("--parametrisation", "mup"), "parametrisation"),
        ("linearize", ("--outputs", 11), "there are 10 targets"),
        ("linearize", ("--model", "nowhere"), "MODULE:FUNCTION"),
        ("manifold", ("--steps", 0), "steps"),
        ("manifold", ("--hidden", "1", "--samples", 2), "does not fit 20 numbers"),
        ("noise", ("--sampling", "both"), "sampling"),
        ("noise", ("--batch-size", 7), "divide the 40 samples"),
        ("noise", ("--chains", 3), "chains"),
        ("noise", ("--hidden", "200"), "takes at most 600"),
        ("depth", ("--depths", "1,2"), "three depths"),
        ("pac-bayes", ("--digit", 10), "--digit must be 0 to 9"),
        ("pac-bayes", ("--samples", 1797), "held out"),
        ("pac-bayes", ("--delta", 2), "--delta must be between"),
        ("pac-bayes", ("--hidden", "100"), "at most 600"),
        ("depth", ("--kinds", "dense"), "kinds"),
        ("depth", ("--model", "a:b"), "depth draws networks of several depths itself"),
        ("pac-bayes", ("--model", "a:b"), "parameters before training"),
        ("noise", ("--at", "maximum"), "unknown at"),
        ("noise", ("--at", "saddle", "--sampling", "reshuffling"), "independent batches"),
    ],
)
def test_bad_input_ends_in_one_line(rmtland, command, options, message):
    result = rmtland("landscape", command, *SMALL[command], *options)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_models_of_ones_own(rmtland, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "run.py").write_text(
        "import torch\n"
        "def made():\n"
        "    torch.manual_seed(0)\n"
        "    x, y = torch.randn(6, 3), torch.randn(6, 2)\n"
        "    model = torch.nn.Sequential(\n"
        "        torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)\n"
        "    )\n"
        "    return model.double(), torch.nn.MSELoss(), (x.double(), y.double())\n"
    )
    target = f"{tmp_path / 'run.py'}:made"
    tangent = rmtland("landscape", "linearize", "--model", target, "--out", ".")
    assert (tangent.code, tangent.err) == (0, "")
    assert "rank=12" in tangent.out
    noisy = rmtland("landscape", "noise", "--model", target, "--json", "-", "--out", ".")
    assert (noisy.code, noisy.err.strip()) == (0, "")
    assert json.loads(noisy.out)["trace"] > 0
    fitted = rmtland(
        "landscape", "manifold", "--model", target, "--steps", 1, "--json", "-", "--out", "."
    )
    assert fitted.code == 0
    network = json.loads(fitted.out)["networks"]["as asked for"]
    assert (network["parameters"], network["rank"], network["dimension"]) == (32, 12, 20)
    other = tmp_path / "other.py"
    other.write_text((tmp_path / "run.py").read_text("utf-8").replace("MSELoss", "L1Loss"), "utf-8")
    refused = rmtland("landscape", "manifold", "--model", f"{other}:made")
    assert refused.code == 2
    assert "the loss must be nn.MSELoss; got L1Loss" in refused.err
