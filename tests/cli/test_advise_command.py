"""`rmtland advise`: a table, a sentence, JSON for programs, and clear refusals."""

import json

import numpy as np
import pytest

LAW = "MarchenkoPastur(.5)"


def test_advice_on_a_law(rmtland, tmp_path):
    done = rmtland("advise", LAW, "--steps", "12", "--plot", "--format", "svg", "--out",
                   str(tmp_path), "--json", str(tmp_path / "advice.json"))  # fmt: skip
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
    assert json.loads(done.out)["errors"][-1] < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Semicircle()"], "negative curvatures"),
        (["nothing.npy"], "there is no file"),
        ([LAW, "--steps", "0"], "steps must be"),
        ([LAW, "--objective", "speed"], "objective"),
        ([LAW, "--dimension", "1"], "dimension must be"),
        (["wishart-wigner"], "negative curvatures"),
    ],
)
def test_refusals(rmtland, arguments, message):
    done = rmtland("advise", *arguments)
    assert done.code == 2
    assert message in done.err
