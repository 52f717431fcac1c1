"""Every script has help and runs at a small size."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"
SMALL = {
    "fuzz_polynomials.py": ["--count", "2"],
    "bench_dyson.py": ["--n", "4", "--points", "5", "--linear", "41"],
    "bench_ensembles.py": [
        "--draws",
        "60",
        "--n",
        "500",
        "--sizes",
        "20",
        "--largest",
        "50",
        "--runs",
        "20",
        "--repeats",
        "1",
    ],
    "bench_laws.py": ["--quick"],
    "bench_networks.py": ["--jobs", "dense", "--n", "6", "--m", "12", "--repeats", "2"],
    "bench_sweep.py": ["--tasks", "8", "--seconds", "0.01", "--kills", "2", "--kill-tasks", "20"],
    "make_tracy_widom.py": ["--quick", "--points", "4"],
    "readme_command.py": ["run"],
    "reproduce_audit.py": ["--quick", "--width", "4"],
    **{f"reproduce_fig{i}.py": ["--quick"] for i in range(1, 6)},
    "reproduce_index.py": ["--quick"],
    "reproduce_dyson.py": ["--quick"],
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


def run(script, *arguments, folder=None):
    return subprocess.run(
        [sys.executable, SCRIPTS / script, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
    )


def test_no_script_is_left_out():
    assert set(SMALL) == {path.name for path in SCRIPTS.glob("*.py")}


@pytest.mark.parametrize("script", SMALL)
def test_help(script):
    result = run(script, "--help")
    assert result.returncode == 0, result.stderr
    assert "usage" in result.stdout


@pytest.mark.parametrize("script", SMALL)
def test_small_run(script, tmp_path):
    result = run(script, *SMALL[script], folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
