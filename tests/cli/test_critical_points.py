"""`rmtland critical-points`: find and verify."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from rmtland.landscape.critical_points import Certificate
from rmtland.sweep import Store, StoreError

LOOK_AT_PICTURES = {"test_points_are_found_drawn_written_and_verified"}
FIND = ("critical-points", "find", "--starts", 1, "--workers", 1)
SMALL = (
    "critical-points",
    "find",
    "--inputs",
    3,
    "--hidden",
    3,
    "--samples",
    12,
    "--starts",
    3,
    "--weight-decay",
    0.01,
    "--workers",
    1,
    "--finder",
    "symmetry",
)


def test_points_are_found_drawn_written_and_verified(rmtland):
    files = ("--json", "found.json", "--html", "found.html", "--out", ".")
    result = rmtland(*SMALL, "--spectra", 2, *files)
    assert (result.code, result.err) == (0, "")
    assert "\n3 proved\n" in result.out
    pictures = ["critical-points.npz", "critical-points.png"]
    assert result.written == [*pictures, "found.html", "found.json"]
    assert "rmtland critical-points find</p>" in result.page("found.html")
    report = json.loads((result.folder / "found.json").read_text())
    assert report["counts"]["proved"] == 3
    for place, point in enumerate(report["points"]):
        assert f"{point['energy']:.5f}" in result.out
        assert point["relative_index"] == point["index"] / 18
        assert point["radius"] < 1e-13, place
    names = {law["law"] for law in report["laws"]}
    assert names == {"residuals redrawn", "Wishart + Wigner, fitted"}
    for law in report["laws"]:
        point = report["points"][law["point"]]
        assert abs(law["index"] - point["relative_index"]) <= law["kolmogorov"] + 1e-9
        assert 0 < law["kolmogorov"] < 0.5
    with Image.open(result.folder / "critical-points.png") as picture:
        assert picture.size == (1575, 660)

    result = rmtland("critical-points", "verify", result.folder / "critical-points.npz")
    assert (result.code, result.err) == (0, "")
    assert "3 of 3 critical points proved" in result.out

    certificate = Certificate.load("critical-points.npz")
    object.__setattr__(certificate, "index", certificate.index + 1)
    certificate.save("false.npz")
    result = rmtland("critical-points", "verify", "false.npz", "--json", "-")
    assert result.code == 1
    report = json.loads(result.out)
    assert (report["points"], report["proved"]) == (3, 0)
    assert "its index is" in report["complaints"][0]["complaint"]


def test_data_and_settings_of_ones_own(rmtland, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "mine.npz"
    np.savez(path, x=rng.standard_normal((12, 2)), y=rng.integers(3, size=12))
    result = rmtland(
        *("critical-points", "find", "--data", path, "--hidden", "2,2", "--bias"),
        *("--loss", "cross_entropy", "--activation", "gelu", "--weight-decay", 0.05),
        *("--finder", "lm", "--max-steps", 5, "--starts", 1, "--workers", 1, "--json", "-"),
    )
    assert result.code == 0
    report = json.loads(result.out)
    assert report["data"] == "mine.npz, 12 samples"
    assert "MLP(widths=(2, 2, 2, 3), activation='gelu', bias=True" in report["search"]
    assert report["points"][0]["steps"] <= 5


def test_a_search_resumes(rmtland):
    first = rmtland(*SMALL, "--store", "s.db", "--json", "-")
    again = rmtland(*SMALL, "--store", "s.db", "--json", "-")
    assert json.loads(first.out) == json.loads(again.out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--finder", "walk"), "unknown finder"),
        (("--hidden", "a"), "--hidden takes widths"),
        (("--hidden", 600), "lower --hidden"),
        (("--data", "none.npz"), "none.npz is not there"),
        (("--data", "cifar"), "--data takes"),
        (("--activation", "relu"), "prove=False"),
        (("--starts", 0), "starts must be"),
        (("--data", "digits", "--inputs", 3), "--inputs: of gaussian data only"),
    ],
)
def test_mistakes_get_one_line(rmtland, arguments, message):
    result = rmtland(*SMALL, *arguments)
    assert result.code == 2
    assert message in " ".join(result.err.split())
    assert result.err.count("\n") == 1
    assert result.written == []


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones((3, 2))}, "must hold arrays x and y"),
        ({"x": np.ones((3, 2)), "y": np.ones((2, 2))}, "must have shape"),
    ],
)
def test_files_that_hold_no_data(rmtland, tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    result = rmtland(*FIND, "--data", tmp_path / "bad.npz")
    assert result.code == 2
    assert message in result.err


def test_samples_of_a_file_are_not_counted(rmtland, tmp_path):
    np.savez(tmp_path / "mine.npz", x=np.eye(3), y=np.eye(3))
    result = rmtland(*FIND, "--data", tmp_path / "mine.npz", "--samples", 2)
    assert result.code == 2
    assert "is taken whole" in result.err


def test_what_is_no_certificate(rmtland, tmp_path):
    (tmp_path / "c.npz").write_bytes(b"nothing")
    result = rmtland("critical-points", "verify", tmp_path / "c.npz")
    assert result.code == 2
    assert "is not a critical points file" in result.err


MODEL = """
import torch

def setup():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))
    x = torch.randn(6, 2)
    return model, torch.nn.MSELoss(), (x, torch.randn(6, 1))

def network():
    return setup()[0]
"""


def test_a_model_of_ones_own(rmtland, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.py").write_text(MODEL)
    small = ("--starts", 1, "--finder", "minima", "--weight-decay", 0.05, "--json", "-")
    result = rmtland("critical-points", "model", "run.py:setup", *small, "--spectra", 1)
    assert result.code == 0, result.err
    report = json.loads(result.out)
    (point,) = report["points"]
    assert (point["status"], point["index"]) == ("critical", 0)
    assert point["relative_gradient"] < 1e-10
    assert [law["law"] for law in report["laws"]] == ["Wishart + Wigner, fitted"]
    part = rmtland("critical-points", "model", "run.py:setup", *small, "--parameters", "2.*")
    assert "Sequential, 3 parameters" in json.loads(part.out)["search"]
    for target, finder, message in (
        ("run.py:network", "minima", "must return (model, loss, data)"),
        ("run.py:setup", "symmetry", "unknown finder"),
    ):
        result = rmtland("critical-points", "model", target, "--finder", finder)
        assert (result.code, message in " ".join(result.err.split())) == (2, True)


PROCESS = """
import signal, sys
from rmtland.cli.app import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
main()
"""


def test_ctrl_c_keeps_what_is_found_and_the_same_command_goes_on(rmtland, tmp_path):
    """A real process, interrupted as a user does it, and what it had found is not sought again."""
    folder = tmp_path / "process"
    folder.mkdir()
    command = [*map(str, SMALL), "--store", "s.db", "--out", "."]
    many = [
        str(5000) if word == "3" and before == "--starts" else word
        for before, word in zip(["", *command], command, strict=False)
    ]
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS, *many], cwd=folder, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            path, end = folder / "s.db", time.monotonic() + 120
            while time.monotonic() < end and (not path.exists() or _stored(path) < 5):
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, told
    assert "of 5000 tasks are done and stored in s.db; the same call resumes there" in told
    assert [one.name for one in folder.iterdir() if not one.name.startswith("s.db")] == []
    before = {r.key: r.finished for r in Store(path).results()}
    assert 5 <= len(before) < 5000
    again = rmtland(*SMALL, "--store", path, "--json", "-")
    fresh = rmtland(*SMALL, "--json", "-")
    assert json.loads(again.out)["points"] == json.loads(fresh.out)["points"]
    assert {r.key: r.finished for r in Store(path).results()} == before


def _stored(path):
    try:
        return Store(path, create=False).status().done
    except (StoreError, OSError):  # being made
        return 0
