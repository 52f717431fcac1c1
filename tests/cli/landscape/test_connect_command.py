"""`rmtland landscape connect`: paths between trained networks, and between torch models."""

import json

import pytest

LOOK_AT_PICTURES = {"test_barriers_are_printed_drawn_and_written"}
SMALL = (
    "landscape",
    "connect",
    "--hidden",
    3,
    "--samples",
    40,
    "--train-steps",
    150,
    "--curve-steps",
    40,
    "--string-steps",
    5,
    "--index-points",
    2,
)


def test_barriers_are_printed_drawn_and_written(rmtland):
    result = rmtland(*SMALL, "--pairs", 2, "--json", "c.json", "--html", "c.html", "--out", ".")
    assert (result.code, result.err) == (0, "")
    assert result.written == ["c.html", "c.json", "connect.png"]
    assert "<td>linear</td>" in result.page("c.html")
    report = json.loads((result.folder / "c.json").read_text())
    names = [path["name"] for path in report["paths"]]
    permuted = ["permuted", "permuted, signs"]
    lowered = [f"{name}, lowered" for name in permuted]
    wanted = ["linear", permuted[0], lowered[0], permuted[1], lowered[1], "bezier", "string"]
    assert names == wanted
    assert report["paths"][0]["of_linear"] == 1.0
    for path in report["paths"]:
        assert len(path["barriers"]) == 2
        assert f"{path['mean']:.4g}" in result.out
        assert len(path["index"]) == 2


def test_two_models_of_ones_own(rmtland, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "def setup():\n"
        "    torch.manual_seed(0)\n"
        "    def made():\n"
        "        return torch.nn.Sequential(\n"
        "            torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()\n"
        "    x = torch.randn(9, 3).double()\n"
        "    return (made(), made()), torch.nn.MSELoss(), (x, x[:, :2])\n"
        "def one():\n"
        "    models, loss, data = setup()\n"
        "    return models[0], loss, data\n"
        "class Own(torch.nn.Sequential):\n"
        "    pass\n"
        "def own():\n"
        "    models, loss, data = setup()\n"
        "    return [Own(*model) for model in models], loss, data\n"
    )
    target = f"{tmp_path / 'mine.py'}:setup"
    options = ("--curve-steps", 5, "--string-steps", 2, "--index-points", 0, "--json", "-")
    result = rmtland("landscape", "connect", "--model", target, *options)
    assert result.code == 0
    report = json.loads(result.out)
    assert report["subject"] == "Sequential, 26 parameters"
    assert "permuted, signs" in [path["name"] for path in report["paths"]]
    result = rmtland("landscape", "connect", "--model", target.replace("setup", "own"), *options)
    assert result.code == 0  # units of such a model are not known
    names = [path["name"] for path in json.loads(result.out)["paths"]]
    assert names == ["linear", "bezier", "string"]
    result = rmtland("landscape", "connect", "--model", target.replace("setup", "one"))
    assert result.code == 2
    assert "((model, model), loss, data)" in result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--curves", "spline"), "choose of bezier"),
        (("--pairs", 0), "pairs must be"),
        (("--curve-steps", 0), "curve_steps"),
        (("--swap-trials", -1), "swap_trials"),
        (("--model", "a:b", "--pairs", 2), "leave it out"),
    ],
)
def test_bad_input_ends_in_one_line(rmtland, options, message):
    result = rmtland(*SMALL, *options)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1
