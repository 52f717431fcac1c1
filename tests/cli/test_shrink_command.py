"""`rmtland shrink`: a table, a file that appears whole, JSON for programs."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rmtland.cli.app import app

ARGUMENTS = ["--samples", "200", "--json", "-", "--plot", "--format", "svg", "--out"]


@pytest.fixture(scope="module")
def covariances(tmp_path_factory):
    x = np.random.default_rng(0).standard_normal((200, 40))
    path = tmp_path_factory.mktemp("values") / "values.csv"
    np.savetxt(path, np.linalg.eigvalsh(x.T @ x / 200))
    return path


def test_values_figure_and_json(covariances, tmp_path):
    done = CliRunner().invoke(app, ["shrink", str(covariances), *ARGUMENTS, str(tmp_path)])
    assert done.exit_code == 0, done.output
    numbers = json.loads(done.stdout)
    table = np.loadtxt(tmp_path / "shrink.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table[:, 0], np.loadtxt(covariances))
    np.testing.assert_allclose(table[:, 1], numbers["values"])
    assert np.sum((table[:, 1] - 1) ** 2) < 0.1 * np.sum((table[:, 0] - 1) ** 2)
    assert (tmp_path / "shrink.svg").stat().st_size > 1000


def test_too_few_samples_write_nothing(covariances, tmp_path):
    done = CliRunner().invoke(
        app, ["shrink", str(covariances), "--samples", "30", "--out", str(tmp_path)]
    )
    assert isinstance(done.exception, ValueError)
    assert "rank 30 at most" in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_notes_are_lines_and_numbers(tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("0.5\n1\n2\n3.5\n")
    arguments = ["shrink", str(path), "--samples", "20", "--out", str(tmp_path)]
    assert "note: 4 eigenvalues are few" in CliRunner().invoke(app, arguments).stdout
    numbers = json.loads(CliRunner().invoke(app, [*arguments, "--json", "-"]).stdout)
    assert "4 eigenvalues are few" in numbers["notes"][0]
