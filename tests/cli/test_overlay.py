"""`rmtland overlay`: network, Hessian, theory, and the three files that tell about them."""

import functools
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland import (
    MLP,
    EmpiricalLaw,
    Spectrum,
    WishartPlusReluBlock,
    WishartPlusWigner,
    compare,
)
from rmtland.audit.network_overlay import overlay_network, overlay_styles
from rmtland.comparison import outliers, overlay
from rmtland.models import ConditionedHessian
from rmtland.networks import digits, gaussian, train

LOOK_AT_PICTURES = {"test_picture"}
FILES = ["overlay-spectrum.npz", "overlay.json", "overlay.png"]
KINDS = {kind.name: kind for kind in (WishartPlusWigner, WishartPlusReluBlock)}
LEVELS = ("as printed", "traces matched", "fitted")
DYSON = "matrix Dyson, iid second layer"
CONDITIONED = "residuals conditioned on gradient"
SMALL = (
    "overlay",
    "--data",
    "gaussian",
    "--width",
    "6",
    "--samples",
    "40",
    "--max-steps",
    "40",
    "--energy",
    "0.45",
    "--activation",
    "tanh",
    "--no-dyson",
    "--out",
    "o",
)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Errors of fits are those of tests/comparison/test_fitting.py; here few samples will do."""
    module = sys.modules["rmtland.comparison.overlay"]
    monkeypatch.setattr(module, "fit", functools.partial(module.fit, resamples=4))


def report_of(result):
    return json.loads((result.folder / "o" / "overlay.json").read_text())


def spectrum_of(result):
    return Spectrum.load(result.folder / "o" / "overlay-spectrum.npz")


def check(result, names, code=0):
    """What holds for every run: files, streams, and a report that follows from the spectrum."""
    assert result.code == code
    assert ("was missed: training ended at" in result.out) == (code == 1)
    assert result.written == [f"o/{name}" for name in FILES]
    for name in FILES:
        assert f"wrote o/{name}\n" in result.out
    assert "training" in result.err  # the bar
    assert "wrote" not in result.err
    assert "…" not in result.out
    report, spectrum = report_of(result), spectrum_of(result)
    parameters = report["network"]["parameters"]
    assert spectrum.nodes.shape == (1, parameters)
    inertia = spectrum.inertia()
    for name, value in inertia._asdict().items():
        assert report["spectrum"][name] == value
    assert report["spectrum"]["index"] == pytest.approx(inertia.negative / parameters)
    assert report["spectrum"]["edges"] == [spectrum.nodes.min(), spectrum.nodes.max()]
    assert f"{inertia.negative} negative, {inertia.zero} zero, {inertia.positive} positive" in (
        result.out
    )
    laws = [f"{name}, {level}" for name in names for level in LEVELS]
    laws += [DYSON] * report["settings"]["dyson"]
    wanted = report["settings"]["conditioned"] and CONDITIONED not in report["left_out"]
    assert list(report["laws"]) == laws + [CONDITIONED] * wanted
    for name, reason in report["left_out"].items():
        assert f"{name}: left out: {reason}" in result.out
    for name, entry in report["laws"].items():
        assert f" {entry['outliers']} " in f"{result.out} ".replace("\n", " ")
        if name in (DYSON, CONDITIONED):
            continue
        kind = KINDS[name.split(",")[0]]
        model = kind(entry["phi"], entry["epsilon"], entry["sigma"])
        assert entry["critical_energy"] == model.critical_energy
        for field, value in compare(spectrum, model.law).to_dict().items():
            if value is not None:
                value = pytest.approx(value, rel=1e-12, abs=1e-15)
            got = entry[field]
            assert (tuple(got) if isinstance(got, list) else got) == value, (name, field)
        assert f"{entry['kolmogorov']:.3f}" in result.out
        assert f"{entry['wasserstein']:.3f}" in result.out
        if name.endswith("fitted"):
            assert set(entry["errors"]) == {"phi", "epsilon", "sigma"}
            # null where the spectrum does not determine the parameter
            assert all(error is None or error > 0 for error in entry["errors"].values())
    for name in names:
        outputs = report["network"]["widths"][-1]
        samples = report["settings"]["samples"]
        printed = report["laws"][f"{name}, as printed"]
        assert printed["phi"] == parameters / (samples * outputs)
        assert printed["epsilon"] == report["training"]["energy"]
        assert printed["sigma"] == 1.0
    return report, spectrum


def test_every_number_follows_from_the_network(rmtland):
    """The run repeated with the library alone, the theory with formulas written here."""
    report, spectrum = check(rmtland(*SMALL, "--seed", 3, "--model", "both"), list(KINDS))
    data = gaussian(40, 6, rng=3)
    net = MLP((6, 6, 6), activation="tanh")
    trained = train(net, net.init(rng=4), data.x, data.y, energy=0.45, max_steps=40)
    assert report["training"]["energy"] == pytest.approx(trained.energy, rel=1e-12)
    assert report["training"]["gradient_norm"] == pytest.approx(trained.gradient_norm, rel=1e-9)
    assert report["training"]["reason"] == trained.reason == "energy"
    assert report["training"]["steps"] == trained.steps >= 2
    assert report["network"] == {"widths": [6, 6, 6], "parameters": 72}
    assert report["settings"] == {
        "data": "gaussian",
        "width": 6,
        "samples": 40,
        "activation": "tanh",
        "energy": 0.45,
        "seed": 3,
        "model": "both",
        "dyson": False,
        "conditioned": True,
        "max_steps": 40,
    }
    split = net.at(trained.theta, data.x, data.y).hessian()
    np.testing.assert_allclose(spectrum.eigenvalues, np.linalg.eigvalsh(split.total), atol=1e-11)
    provenance = spectrum.provenance
    assert (provenance["seed"], provenance["data"]) == (3, data.description)
    assert provenance["energy"] == report["training"]["energy"]
    mean = np.trace(split.gauss_newton) / 72
    variance = np.trace(split.residual @ split.residual) / 72
    phi = 72 / 240
    for name, epsilon in (
        ("Wishart + Wigner", variance / 2),
        ("Wishart + ReLU block", 2 * variance / phi),
    ):
        matched = report["laws"][f"{name}, traces matched"]
        assert matched["phi"] == phi
        assert matched["sigma"] == pytest.approx(mean, rel=1e-10)
        assert matched["epsilon"] == pytest.approx(epsilon, rel=1e-10)
        fitted = report["laws"][f"{name}, fitted"]
        assert fitted["kolmogorov"] < matched["kolmogorov"]


@pytest.mark.parametrize(
    ("data", "widths", "words"),
    [
        ("digits", [16, 2, 16], "30 of 1797 handwritten digits, 2x2 averages"),
        ("digits-labels", [16, 2, 10], "one-hot"),
        pytest.param("digits8", [64, 2, 64], "55 of 64 directions", marks=pytest.mark.slow),
        ("gaussian", [2, 2, 2], "30 samples, inputs and targets iid"),
    ],
)
def test_data(rmtland, data, widths, words):
    result = rmtland(
        "overlay",
        "--data",
        data,
        "--width",
        2,
        "--samples",
        30,
        "--max-steps",
        5,
        "--energy",
        0,
        "--no-dyson",
        "--out",
        "o",
    )
    report, _ = check(result, ["Wishart + Wigner"])
    assert report["network"]["widths"] == widths
    assert words in report["data"]
    assert report["data"] in result.out
    assert report["settings"]["samples"] == 30


def test_digits_are_the_whitened_ones_of_the_seed(rmtland):
    report, spectrum = check(
        rmtland(
            "overlay",
            "--data",
            "digits",
            "--width",
            2,
            "--samples",
            30,
            "--max-steps",
            0,
            "--seed",
            5,
            "--activation",
            "tanh",
            "--no-dyson",
            "--out",
            "o",
        ),
        ["Wishart + Wigner"],
        code=1,
    )
    data = digits(30, size=4, whiten=True, rng=5)
    net = MLP((16, 2, 16), activation="tanh")
    point = net.at(net.init(rng=6), data.x, data.y)
    assert report["training"]["reason"] == "max_steps"
    assert report["training"]["energy"] == pytest.approx(point.energy, rel=1e-12)
    expected = np.linalg.eigvalsh(point.hessian().total)
    np.testing.assert_allclose(spectrum.eigenvalues, expected, atol=1e-10)


@pytest.mark.parametrize("activation", ["relu", pytest.param("linear", marks=pytest.mark.slow)])
def test_activation_and_second_model(rmtland, activation):
    result = rmtland(*SMALL, "--activation", activation, "--model", "wishart-relu")
    missed = int(activation == "linear")  # its least energy is .454
    report, spectrum = check(result, ["Wishart + ReLU block"], code=missed)
    assert f"6-6-6 {activation} network" in result.out
    assert f"activation='{activation}'" in spectrum.provenance["network"]
    data, net = gaussian(40, 6, rng=0), MLP((6, 6, 6), activation=activation)
    trained = train(net, net.init(rng=1), data.x, data.y, energy=0.45, max_steps=40)
    assert report["training"]["energy"] == pytest.approx(trained.energy, rel=1e-12)


@pytest.mark.slow
def test_same_seed_same_report_other_seed_other_report(rmtland):
    def run(seed):
        result = rmtland(*SMALL, "--seed", seed)
        assert result.written == [f"o/{name}" for name in FILES]  # replaced, nothing beside them
        return result.out, report_of(result), spectrum_of(result).nodes

    one, two, other = run(7), run(7), run(8)
    assert one[:2] == two[:2]
    np.testing.assert_array_equal(one[2], two[2])
    assert one[1]["training"]["energy"] != other[1]["training"]["energy"]
    assert np.abs(one[2] - other[2]).max() > 1e-3


# Where training stops ------------------------------------------------------------------------


def test_an_energy_above_that_of_the_start_takes_no_step(rmtland):
    report, _ = check(rmtland(*SMALL, "--energy", 1e9), ["Wishart + Wigner"])
    assert (report["training"]["steps"], report["training"]["reason"]) == (0, "energy")


@pytest.mark.slow
def test_energy_zero_runs_to_the_last_step(rmtland):
    report, _ = check(rmtland(*SMALL, "--energy", 0, "--max-steps", 7), ["Wishart + Wigner"])
    assert (report["training"]["steps"], report["training"]["reason"]) == (7, "max_steps")


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(3, id="interpolation"),
        pytest.param(30, id="minimum above zero", marks=pytest.mark.slow),
    ],
)
def test_energy_zero_ends_where_no_step_helps(rmtland, samples):
    """With fewer samples than the network can hold, the energy goes down to rounding."""
    report, spectrum = check(
        rmtland(
            *SMALL,
            "--energy",
            0,
            "--max-steps",
            100_000,
            "--samples",
            samples,
            "--width",
            5,
            "--activation",
            "linear",
            "--model",
            "both",
        ),
        list(KINDS),
    )
    assert report["training"]["reason"] == "stalled"
    assert report["training"]["gradient_norm"] < 1e-6
    assert (report["training"]["energy"] < 1e-20) == (samples == 3)
    if samples == 3:
        assert spectrum.inertia().zero >= 50 - 15
        assert "free" in report["left_out"][CONDITIONED]


# The picture ---------------------------------------------------------------------------------


def test_picture(rmtland):
    from matplotlib.image import imread

    result = rmtland(*SMALL, "--model", "both", "--no-conditioned")
    path = result.folder / "o" / "overlay.png"
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    assert width / height == pytest.approx(9.4 / 6, rel=1e-2)
    assert 1100 <= width <= 1600
    assert 20_000 < path.stat().st_size < 150_000
    pixels = imread(path)[..., :3]
    # All six laws are there, each in a colour of its own (of the palette of the file).
    report, spectrum = report_of(result), spectrum_of(result)
    models = [KINDS[name.split(",")[0]] for name in report["laws"]]
    keys = ("phi", "epsilon", "sigma")
    laws = {
        name: kind(*(report["laws"][name][key] for key in keys))
        for kind, name in zip(models, report["laws"], strict=True)
    }
    colours = [style["color"] for style in overlay_styles(overlay(spectrum, laws))]
    assert len(set(colours)) == 6
    for colour in colours:
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        assert (np.abs(pixels - rgb).max(axis=2) < 0.06).sum() > 100, colour


def test_numbers_are_whole_on_a_narrow_terminal_and_symbols_are_explained(rmtland, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    result = rmtland(*SMALL)
    check(result, ["Wishart + Wigner"])
    for words in ("phi: parameters per", "epsilon: energy", "H0: Gauss-Newton", "H1 = H - H0"):
        assert words in result.out


# One place for every number ----------------------------------------------------------------------


def test_table_figure_and_report_have_the_same_numbers(rmtland):
    """With the matrix Dyson equation: the outliers marked, tabulated and written are one number."""
    result = rmtland(
        "overlay",
        "--data",
        "gaussian",
        "--width",
        4,
        "--samples",
        30,
        "--energy",
        0,
        "--max-steps",
        3,
        "--activation",
        "relu",
        "--out",
        "o",
    )
    report, spectrum = check(result, ["Wishart + Wigner"])
    assert report["laws"][DYSON]["law_error"] > 0
    data, net = gaussian(30, 4, rng=0), MLP((4, 4, 4), activation="relu")
    theta = train(net, net.init(rng=1), data.x, data.y, energy=0, max_steps=3).theta
    again = overlay_network(net.at(theta, data.x, data.y), rng=0)
    for key, value in report["laws"][DYSON].items():
        assert again.to_dict()["laws"][DYSON][key] == pytest.approx(value), key
    for name, theory in again.theories.items():
        found = outliers(spectrum, theory).size
        assert found == report["laws"][name]["outliers"] == again.comparisons[name].outliers
    left, right = Figure().subplots(1, 2)
    again.plot((left, right))
    legend = [text.get_text() for text in right.get_legend().get_texts()]
    last = again.comparisons[CONDITIONED].outliers
    assert (f"{last} outliers of: {CONDITIONED}" in legend) == bool(last)
    assert any(f"Kolmogorov {again.comparisons[DYSON].kolmogorov:.3f}" in text for text in legend)
    printed = again.comparisons["Wishart + Wigner, as printed"]
    assert again.comparisons[DYSON].kolmogorov < printed.kolmogorov / 2


def test_the_conditioned_law_has_its_chance_level_and_what_it_knows(rmtland):
    """The network of SMALL: 6 x 40 residuals, 72 parameters and the energy are measured."""
    result = rmtland(*SMALL)
    report, spectrum = check(result, ["Wishart + Wigner"])
    entry = report["laws"][CONDITIONED]
    data, net = gaussian(40, 6, rng=0), MLP((6, 6, 6))
    trained = train(net, net.init(rng=1), data.x, data.y, energy=0.45, max_steps=40)
    point = net.at(trained.theta, data.x, data.y)
    model = ConditionedHessian(point, draws=16)
    assert entry["measured_numbers"] == model.measured_numbers == 73
    assert (entry["residuals"], entry["draws"]) == (240, 16)
    assert entry["free_share"] == pytest.approx(1 - 72 / 240)
    assert entry["chance"] == pytest.approx(float(model.chance_level.value), abs=0.01)
    h0 = np.linalg.eigvalsh(point.hessian("gauss_newton"))
    alone = compare(spectrum, EmpiricalLaw(h0)).kolmogorov
    assert entry["gauss_newton_alone"] == pytest.approx(alone, abs=1e-9)
    assert entry["kolmogorov"] < 1.5 * entry["chance"] + 0.01 < alone
    assert entry["outliers"] < 5
    assert f"73 numbers of 240 residuals, {1 - 72 / 240:.0%} of which stay free" in result.out
    assert f" {entry['chance']:.3f} " in result.out


def test_a_missed_energy_is_said_and_ends_in_code_1(rmtland):
    result = rmtland(*SMALL, "--energy", 1e-9, "--max-steps", 2, "--html", "../o.html")
    report, _ = check(result, ["Wishart + Wigner"], code=1)
    assert "target energy 1e-09 was missed" in result.page("../o.html")
    assert report["training"]["reached"] is False
    assert "target energy 1e-09 was missed" in result.out
    assert "after 2 steps (max_steps)" in result.out
    assert "raise --max-steps or --energy" in result.out


def test_json_alone_on_standard_output(rmtland):
    result = rmtland(*SMALL, "--json", "-")
    assert result.code == 0
    assert json.loads(result.out) == report_of(result)
    assert "wrote o/overlay.json" in result.err


@pytest.mark.parametrize("format", ["pdf", pytest.param("svg", marks=pytest.mark.slow)])
def test_other_formats(rmtland, format):
    result = rmtland(*SMALL, "--format", format)
    assert f"o/overlay.{format}" in result.written
    assert "o/overlay.png" not in result.written


@pytest.mark.parametrize("taken", ["overlay.png", "overlay.json", "overlay-spectrum.npz"])
def test_what_cannot_be_written_is_noticed_before_the_work(rmtland, taken, monkeypatch):
    monkeypatch.setattr("rmtland.networks.train", None)  # would be a TypeError
    (Path("o") / taken).mkdir(parents=True)
    result = rmtland(*SMALL)
    assert result.code == 2
    assert "is a folder" in result.err
    Path("file").write_text("")
    assert "is a file" in rmtland(*SMALL, "--out", "file").err
