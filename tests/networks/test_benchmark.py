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
    done = run(
        "--jobs",
        "dense",
        "deep",
        "--n",
        "5",
        "--m",
        "12",
        "--deep-n",
        "3",
        "--repeats",
        "2",
        "--no-peers",
        "--eigenvalues",
    )
    assert done.returncode == 0, done.stderr
    difference = re.search(r"largest relative difference\s+(\S+)", done.stdout)
    assert difference
    assert float(difference[1]) < 1e-14
    assert re.search(r"by hand: H alone\s+\S+ (s|us)\s+\d+\.\d\d\s+\d+\.\d\d", done.stdout)
    assert "eigvalsh" in done.stdout


def test_products_memory_and_first_call():
    done = run(
        "--jobs",
        "product",
        "small",
        "index",
        "memory",
        "first",
        "--n",
        "8",
        "--m",
        "12",
        "--product-n",
        "8",
        "--index-n",
        "3",
        "--repeats",
        "1",
        "--no-peers",
        "--cpu-time",
    )
    assert done.returncode == 0, done.stderr
    for line in (
        "8 matrix products",
        "hvp of 16, each",
        "H alone",
        "a process until its first",
        "driver evr",
        "LDL",
    ):
        assert line in done.stdout


def test_it_refuses_bad_sizes_and_has_help():
    assert run("--n", "0").returncode == 2
    help_text = run("--help").stdout
    assert all(option in help_text for option in ("--n", "--m", "--repeats", "--eigenvalues"))
