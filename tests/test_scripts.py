"""Every script has help, runs at a small size and prints what it is for, with sound numbers.

Scripts that measure times or repeat a study take seconds even at a small size: these are slow
tests. Help is asked of all of them.
"""

import csv
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"
SMALL = {
    "fuzz_free.py": ["--count", "2"],
    "make_bibliography.py": [],
    "fuzz_polynomials.py": ["--count", "2"],
    "bench_dyson.py": ["--n", "4", "--points", "5", "--linear", "41"],
    "bench_audit.py": [
        *("--widths", "3", "--activations", "relu", "--draws", "0", "--points", "20"),
    ],
    "bench_ensembles.py": [
        "--draws",
        "60",
        "--n",
        "500",
        "--sizes",
        "20",
        "--largest",
        "200",
        "--runs",
        "20",
        "--repeats",
        "1",
    ],
    "bench_certificate.py": ["--repeats", "1"],
    "bench_fits.py": ["--runs", "20"],
    "bench_estimate.py": ["--jobs", "trace", "--repetitions", "2"],
    "bench_polynomials.py": ["--only", "xyx", "--repeats", "1"],
    "bench_laws.py": ["--quick"],
    "bench_networks.py": ["--jobs", "dense", "--n", "6", "--m", "12", "--repeats", "2"],
    "bench_sweep.py": ["--tasks", "8", "--seconds", "0.01", "--kills", "2", "--kill-tasks", "20"],
    "measure_architectures.py": ["--quick", "--models", "resnet20"],
    "make_tracy_widom.py": ["--quick", "--points", "4"],
    "readme_command.py": ["run"],
    "write_benchmarks.py": ["--quick"],
    "reproduce_audit.py": ["--quick", "--width", "4"],
    "reproduce_finite_size.py": ["--n", "3", "--draws", "5", "--activations", "relu"],
    "reproduce_population.py": [
        "--n",
        "3",
        "--draws",
        "2",
        "--points",
        "3",
        "--activations",
        "relu",
        "--shapes",
        "wide",
    ],
}

NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
SAYS = {
    "fuzz_free.py": (r"'right': (?P<value>\d+)", 1, 2),
    "make_bibliography.py": (r"Pennington and Y. Bahri", None, None),
    "fuzz_polynomials.py": (rf"2 polynomials: (?P<value>{NUMBER}) wrong", 0, 0),
    "bench_dyson.py": (rf"MatrixDyson .* us a point, worst error (?P<value>{NUMBER})", 0, 1e-6),
    "bench_audit.py": (rf"18  relu .* (?P<value>{NUMBER})\n", 0, 0.5),
    "bench_ensembles.py": (rf"ratio (?P<value>{NUMBER}), same counts: True", 0, np.inf),
    "bench_certificate.py": (rf"rational.* (?P<value>{NUMBER})\n", 0, 50),
    "bench_fits.py": (rf"Wishart 10 x 10, beta = 1 +(?P<value>{NUMBER})", 0, 0.3),
    "bench_estimate.py": (rf"Gauss-Newton.* hutchinson +(?P<value>{NUMBER})", 0, 0.2),
    "bench_polynomials.py": (rf"xyx.* (?P<value>{NUMBER})\n", 0, 100),
    "bench_laws.py": (rf"worst error of an edge (?P<value>{NUMBER})", 0, 1e-11),
    "bench_networks.py": (rf"largest relative difference (?P<value>{NUMBER})", 0, 1e-10),
    "bench_sweep.py": (rf"store: (?P<value>{NUMBER}) bytes a result", 1, 1e6),
    "measure_architectures.py": (
        r"ratio to torch.func by hand|left out: torch is not installed", None, None,
    ),
    "make_tracy_widom.py": (rf"beta = 2: (?P<value>{NUMBER})", 0, 2e-15),
    "readme_command.py": (r"rmtland|python", None, None),
    "write_benchmarks.py": (rf"worst error of an edge (?P<value>{NUMBER})", 0, 1e-11),
    "reproduce_audit.py": (rf"as printed +(?P<value>{NUMBER})", 0.05, 1),
    "reproduce_finite_size.py": (
        rf"gauss_newton +relu +n = 3 +Monte Carlo .*% +Dyson +(?P<value>{NUMBER})%", 0, 40,
    ),
    "reproduce_population.py": (rf"relu +wide +(?P<value>{NUMBER})% \+-", 0, 100),
}  # fmt: skip
"""What the small run of a script has to print, and the range of the number in it."""
SLOW = {
    "bench_certificate.py", "bench_ensembles.py", "bench_estimate.py", "bench_fits.py",
    "bench_laws.py",
    "bench_networks.py", "bench_polynomials.py",
    "bench_sweep.py", "fuzz_free.py",
    "make_tracy_widom.py", "measure_architectures.py", "reproduce_audit.py", "write_benchmarks.py",
}  # fmt: skip
"""Scripts whose small run takes more than 2.5 seconds."""


def run(script, *arguments, folder=None):
    return subprocess.run(
        [sys.executable, SCRIPTS / script, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
    )


def test_no_script_is_left_out():
    assert set(SAYS) == set(SMALL)
    assert set(SMALL) == {path.name for path in SCRIPTS.glob("*.py")}


@pytest.mark.parametrize("script", SMALL)
def test_help(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    assert stop.value.code == 0
    assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    "script", [pytest.param(s, marks=[pytest.mark.slow] * (s in SLOW)) for s in SMALL]
)
def test_small_run(script, tmp_path):
    result = run(script, *SMALL[script], folder=tmp_path)
    assert result.returncode == 0, result.stderr
    pattern, low, high = SAYS[script]
    found = re.search(pattern, result.stdout)
    assert found, result.stdout
    if low is not None:
        assert low <= float(found["value"]) <= high, found[0]
    assert "WRONG" not in result.stdout
    words = set(re.findall(r"[a-z]+", result.stdout.lower()))
    assert not words & {"nan", "traceback"}, result.stdout


@pytest.mark.slow
def test_the_audit_script_writes_a_table_of_distances(tmp_path):
    script = "reproduce_audit.py"
    result = run(script, *SMALL[script], "--output", tmp_path / "o", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    rows = list(csv.DictReader((tmp_path / "o" / "levels.csv").read_text().splitlines()))
    assert {row["level"] for row in rows} == set("0123456")
    assert all(0 < float(row["kolmogorov"]) < 1 for row in rows)
    assert (tmp_path / "o" / "levels.png").stat().st_size > 10_000
