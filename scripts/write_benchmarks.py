"""Run the benchmarks and write the page of the documentation that shows them.

    python scripts/write_benchmarks.py --quick                     # small sizes, prints the page
    python scripts/write_benchmarks.py --out docs/benchmarks.md    # about three minutes

Times are of the machine named on the page, with other programs at rest; compare ratios measured in
one run. Peers appear where they are installed.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

SCRIPTS = Path(__file__).parent
FULL = {
    "Laws and free probability": ["bench_laws.py"],
    "Random matrices": ["bench_ensembles.py", "--sections", "dense", "histogram"],
    "Networks": ["bench_networks.py", "--jobs", "dense", "product", "small"],
    "Sweeps": ["bench_sweep.py"],
}
QUICK = {"Laws and free probability": ["bench_laws.py", "--quick"]}


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def section(title: str, command: list[str]) -> str:
    """Run one script and return its section."""
    done = subprocess.run(
        [sys.executable, SCRIPTS / command[0], *command[1:]], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    shown = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
    return f"## {title}\n\n`python scripts/{' '.join(command)}`\n\n```text\n{shown}\n```\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes of one script")
    parser.add_argument("--out", type=Path, help="file to write; without it, print")
    options = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba"))
    head = (
        "# Benchmarks\n\n"
        f"Written by `python scripts/write_benchmarks.py` on {datetime.date.today()}: "
        f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}. "
        "Nothing has been run on a GPU.\n\nTimes depend on the machine and on what else it does: "
        "compare the ratios of one run.\n"
    )
    page = "\n".join(
        [head, *map(section, *zip(*(QUICK if options.quick else FULL).items(), strict=True))]
    )
    if options.out is None:
        print(page)
    else:
        options.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
