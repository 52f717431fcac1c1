"""CONTRIBUTING is followed: its law passes every invariant, and is where eigenvalues rest."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
(CODE,) = re.findall(r"```python\n(.+?)```", TEXT, re.DOTALL)
(CASE,) = re.findall(r"`(LawCase\(.+?\)\))`", TEXT)

PLUGIN = f"""
def pytest_configure(config):
    from law_table import LAWS, LawCase
    from quartic_model import QuarticModel

    LAWS.append({CASE})
"""


@pytest.fixture
def law(tmp_path, monkeypatch):
    """The new law, from a file of its own."""
    path = tmp_path / "quartic_model.py"
    path.write_text(CODE, "utf-8")
    spec = importlib.util.spec_from_file_location("quartic_model", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "quartic_model", module)
    spec.loader.exec_module(module)
    return module.QuarticModel


def test_the_new_law_has_60_lines_that_pass_the_linter(tmp_path):
    assert len(CODE.splitlines()) <= 60
    (tmp_path / "quartic_model.py").write_text(CODE, "utf-8")
    if shutil.which("ruff") is None:
        return
    settings = ("--config", ROOT / "pyproject.toml", "--no-cache")
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run(
            ["ruff", *check, *map(str, settings), tmp_path], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("n", [60, 240])
def test_the_new_law_is_where_the_eigenvalues_rest(law, n):
    """The most likely eigenvalues: V'(x_i) = (2/n) sum of 1/(x_i - x_j), by Newton's method.

    Their levels differ from (i - 1/2)/n by at most 0.2587/n, at the edges: the first one is at
    the first zero -2.338 of the Airy function, where (2/(3 pi)) 2.338^(3/2) = 0.7587.
    """
    coupling = 0.7
    new, levels = law(coupling), (np.arange(n) + 0.5) / n
    x, diagonal = new.ppf(levels), np.eye(n)
    for _ in range(20):
        inverse = 1 / (x[:, None] - x + diagonal) - diagonal
        force = x + 4 * coupling * x**3 - 2 / n * inverse.sum(axis=1)
        curvature = np.diag(1 + 12 * coupling * x**2 + 2 / n * (inverse**2).sum(axis=1))
        x = x - np.linalg.solve(curvature - 2 / n * inverse**2, force)
    assert np.abs(force).max() < 1e-11
    assert (np.diff(x) > 0).all()
    assert np.abs(new.cdf(x) - levels).max() < 0.2587 / n
    # the virial theorem: the mean of x V'(x) is 1 - 1/n
    assert np.mean(x**2 + 4 * coupling * x**4) == pytest.approx(1 - 1 / n, abs=1e-12)
    assert new.moment(2) + 4 * coupling * new.moment(4) == pytest.approx(1, abs=1e-14)


def test_without_coupling_it_is_the_semicircle(law):
    from rmtland.laws import Semicircle

    x = np.linspace(-2.5, 2.5, 41)
    assert law(0.0).pdf(x) == pytest.approx(Semicircle().pdf(x), abs=1e-14)


@pytest.mark.slow
def test_the_new_law_is_held_to_the_invariants_of_the_table(tmp_path):
    (tmp_path / "quartic_model.py").write_text(CODE, "utf-8")
    (tmp_path / "new_law.py").write_text(PLUGIN, "utf-8")
    paths = [str(tmp_path), str(ROOT), str(ROOT / "tests")]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "new_law",
            "-k",
            "quartic and model",
            "tests/laws",
            "tests/test_law_table.py",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", last).group(1)) >= 50
