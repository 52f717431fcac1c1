"""`rmtland advise`: a table, a sentence, JSON for programs, and clear refusals."""

import json

import numpy as np
import pytest

LAW = "MarchenkoPastur(.5)"


def test_advice_on_a_law(rmtland, tmp_path):
    done = rmtland(
        "advise",
        LAW,
        "--steps",
        "12",
        "--plot",
        "--format",
        "svg",
        "--out",
        str(tmp_path),
        "--json",
        str(tmp_path / "advice.json"),
    )
    assert done.code == 0, done.err
    assert "Use the average-case optimal method" in " ".join(done.out.split())
    assert (tmp_path / "advise.svg").stat().st_size > 1000
    numbers = json.loads((tmp_path / "advice.json").read_text("utf-8"))
    assert numbers["method"] == "average-case optimal"
    assert len(numbers["step"]) == 12
    assert len(numbers["errors"]) == 13
    assert numbers["errors"][-1] == pytest.approx(numbers["candidates"][0]["error"], rel=1e-9)


def test_advice_on_eigenvalues(rmtland, tmp_path):
    np.save(tmp_path / "eigenvalues.npy", np.linspace(0.1, 2.0, 50))
    done = rmtland("advise", str(tmp_path / "eigenvalues.npy"), "--steps", "5", "--json", "-")
    assert done.code == 0, done.err
    numbers = json.loads(done.out)
    assert numbers["errors"][-1] < 0.1
    assert numbers["seed"] == 0


def test_advice_on_a_model_runs_its_matrices(rmtland, tmp_path):
    file = tmp_path / "a.json"
    done = rmtland(
        "advise",
        "WishartEnsemble(.5)",
        "--steps",
        "6",
        "--dimension",
        "60",
        "--draws",
        "20",
        "--plot",
        "--out",
        str(tmp_path),
        "--json",
        str(file),
    )
    assert done.code == 0, done.err
    assert "Measured on 20 matrices of order 60" in " ".join(done.out.split())
    numbers = json.loads(file.read_text("utf-8"))
    assert np.median(numbers["measured"]) == pytest.approx(numbers["errors"][-1], rel=0.4)
    assert (tmp_path / "advise.png").stat().st_size > 1000


def test_advice_says_where_runs_leave_the_band(rmtland):
    """A tangent kernel of small layers has outliers that its law has not."""
    done = rmtland(
        "advise", "NeuralTangentKernel(30, (60,), 40)", "--dimension", "40", "--draws", "20"
    )
    assert done.code == 0, done.err
    assert "leave the predicted band" in " ".join(done.out.split())


def test_advice_on_a_network(rmtland, tmp_path):
    done = rmtland(
        "advise",
        "network",
        "--data",
        "gaussian",
        "--samples",
        "30",
        "--hidden",
        "6",
        "--steps",
        "5",
        "--plot",
        "--out",
        str(tmp_path),
        "--json",
        str(tmp_path / "a.json"),
    )
    assert done.code == 0, done.err
    numbers = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert numbers["products"] == 7
    ends = [curve["measured"][-1] for curve in numbers["curves"]]
    assert ends == sorted(ends)
    assert numbers["curves"][0]["predicted"][1] < numbers["curves"][0]["predicted"][0]
    assert (tmp_path / "advise.png").stat().st_size > 1000


def test_advice_on_a_torch_model(rmtland, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "def setup():\n"
        "    torch.manual_seed(0)\n"
        "    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(),\n"
        "                                torch.nn.Linear(5, 1))\n"
        "    return model, torch.nn.MSELoss(), (torch.randn(20, 4), torch.randn(20, 1))\n",
        "utf-8",
    )
    done = rmtland("advise", "--model", f"{tmp_path / 'mine.py'}:setup", "--steps", "4")
    assert done.code == 0, done.err
    assert "no method does better" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Semicircle()"], "negative curvatures"),
        (["nothing.npy"], "there is no file"),
        ([LAW, "--steps", "0"], "steps must be"),
        ([LAW, "--steps", "100000000"], "--steps is at most 10000"),
        ([LAW, "--objective", "speed"], "objective"),
        ([LAW, "--dimension", "1"], "dimension must be"),
        (["wishart-wigner"], "negative curvatures"),
        ([], "give a law, a model, a file"),
        ([LAW, "--model", "mine:setup"], "not both"),
        (["network", "--dimension", "100"], "are for laws"),
        (["network", "--loss", "cross_entropy"], "take --data digits-labels"),
    ],
)
def test_refusals(rmtland, arguments, message):
    done = rmtland("advise", *arguments)
    assert done.code == 2
    assert message in done.err
