"""The benchmark runs, and its hand-written Hessian is the package's."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_networks.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )


def test_it_prints_ratios_of_equal_hessians():
    done = run("--n", "5", "--m", "12", "--repeats", "3", "--eigenvalues")
    assert done.returncode == 0, done.stderr
    difference = re.search(r"largest relative difference\s+(\S+)", done.stdout)
    assert difference
    assert float(difference[1]) < 1e-14
    assert re.search(r"ratio to H0 and H1 by hand\s+\d+\.\d\d", done.stdout)
    assert "eigvalsh" in done.stdout


def test_it_refuses_bad_sizes_and_has_help():
    assert run("--n", "0").returncode == 2
    help_text = run("--help").stdout
    assert all(option in help_text for option in ("--n", "--m", "--repeats", "--eigenvalues"))
