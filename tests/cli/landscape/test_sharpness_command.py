"""`rmtland landscape sharpness`: table, JSON and figure; bad input is refused before training."""

import json

import numpy as np
import pytest
from PIL import Image

SMALL = ("landscape", "sharpness", "--hidden", 3, "--samples", 30, "--train-steps", 50)


@pytest.mark.parametrize("adaptive", [None, "filter"])
def test_bounds_are_printed_drawn_and_written(rmtland, adaptive):
    more = () if adaptive is None else ("--adaptive", adaptive)
    page = ("--html", "s.html") if adaptive is None else ()
    result = rmtland(*SMALL, "--rho", "0.1,0.01", *more, "--json", "s.json", *page, "--out", ".")
    assert (result.code, result.err) == (0, "")
    assert result.written == [*page[1:], "s.json", "sharpness.png"]
    if page:
        assert "rmtland landscape sharpness</p>" in result.page("s.html")
    report = json.loads((result.folder / "s.json").read_text())
    assert [ball["rho"] for ball in report["balls"]] == [0.01, 0.1]
    for ball in report["balls"]:
        assert 0.0 < ball["lower"] <= ball["upper"]
        assert f"{ball['lower']:.4g}" in result.out
    hessian = report["hessian"]
    assert hessian["size"] == 78
    counts = [hessian[name]["value"] for name in ("flat", "rank")]
    assert sum(counts) == 78
    with Image.open(result.folder / "sharpness.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rho", "0,1"), "rho must be a positive"),
        (("--rho", "small"), "--rho takes radii"),
        (("--adaptive", "layer"), "unknown adaptive"),
        (("--data", "mnist"), "--data takes"),
        (("--train-steps", -1), "train_steps"),
        (("--model", "nowhere"), "MODULE:FUNCTION"),
    ],
)
def test_bad_input_ends_in_one_line(rmtland, options, message):
    result = rmtland(*SMALL, *options)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_a_model_of_ones_own(rmtland, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "def setup():\n"
        "    torch.manual_seed(0)\n"
        "    model = torch.nn.Linear(3, 2).double()\n"
        "    x = torch.randn(9, 3).double()\n"
        "    return model, torch.nn.MSELoss(), (x, x[:, :2])\n"
        "def other():\n"
        "    return 1\n"
    )
    target = f"{tmp_path / 'mine.py'}:setup"
    result = rmtland("landscape", "sharpness", "--model", target, "--rho", 0.1, "--json", "-")
    assert result.code == 0
    report = json.loads(result.out)
    assert report["subject"] == "Linear, 8 parameters"
    ball = report["balls"][0]
    assert ball["upper"] == pytest.approx(ball["taylor"], rel=1e-6)
    assert ball["lower"] == pytest.approx(ball["taylor"], rel=1e-6)  # a quadratic function
    result = rmtland("landscape", "sharpness", "--model", target.replace("setup", "other"))
    assert result.code == 2
    assert "must return (model, loss, data)" in result.err
