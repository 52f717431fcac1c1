"""`rmtland shrink`: a table, a file that appears whole, JSON for programs."""

import json

import numpy as np
import pytest

ARGUMENTS = ["--samples", 200, "--json", "-", "--plot", "--format", "svg", "--out", "."]


@pytest.fixture(scope="module")
def covariances(tmp_path_factory):
    x = np.random.default_rng(0).standard_normal((200, 40))
    path = tmp_path_factory.mktemp("values") / "values.csv"
    np.savetxt(path, np.linalg.eigvalsh(x.T @ x / 200))
    return path


def test_values_figure_and_json(rmtland, covariances):
    done = rmtland("shrink", covariances, *ARGUMENTS)
    assert done.code == 0, done.err
    assert done.err == "wrote shrink.csv\nwrote shrink.svg\n"
    numbers = json.loads(done.out)
    table = np.loadtxt(done.folder / "shrink.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table[:, 0], np.loadtxt(covariances))
    np.testing.assert_allclose(table[:, 1], numbers["values"])
    assert np.sum((table[:, 1] - 1) ** 2) < 0.1 * np.sum((table[:, 0] - 1) ** 2)
    assert (done.folder / "shrink.svg").stat().st_size > 1000


def test_too_few_samples_write_nothing(rmtland, covariances):
    done = rmtland("shrink", covariances, "--samples", 30)
    assert done.code == 2
    assert done.err.startswith("rmtland: error: ")
    assert "rank 30 at most" in done.err
    assert done.written == []


def test_notes_are_lines_and_numbers(rmtland, tmp_path):
    path = tmp_path / "few.csv"
    path.write_text("0.5\n1\n2\n3.5\n")
    arguments = ("shrink", path, "--samples", 20)
    assert "note: 4 eigenvalues are few" in rmtland(*arguments).out
    numbers = json.loads(rmtland(*arguments, "--json", "-").out)
    assert "4 eigenvalues are few" in numbers["notes"][0]
