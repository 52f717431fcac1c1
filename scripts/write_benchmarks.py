"""Run the benchmarks and write the page of the documentation that shows them.

    python scripts/write_benchmarks.py --quick                     # small sizes, prints the page
    python scripts/write_benchmarks.py --out docs/benchmarks.md    # about three minutes
    python scripts/write_benchmarks.py --device --out docs/benchmarks.md   # only the card's section

Times are of the machine named on the page, with other programs at rest; compare ratios measured in
one run. Peers appear where they are installed.
"""

from __future__ import annotations

import argparse
import datetime
import html
import json
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent
DEVICE = SCRIPTS.parent / "figures" / "device.json"
START, END = "<!-- device: begin -->", "<!-- device: end -->"
FULL = {
    "Laws and free probability": ["bench_laws.py"],
    "Random matrices": ["bench_ensembles.py", "--sections", "dense", "histogram"],
    "Networks": ["bench_networks.py", "--jobs", "dense", "product", "small"],
    "Small problems": ["bench_small.py"],
    "Sweeps": ["bench_sweep.py"],
}
NUMBERS = re.compile(
    r"agreement|difference|deviation|worst|Kolmogorov|energy|largest|times faster|\bover\b"
    r"|audit|residual|a second$|^(z|p|parts|steps|index|cores|points|graphs refused)\b"
)
"""Names of quantities that are numbers; the others are times."""
MEMORY = re.compile(r"^(graph of a forward pass|parameters|peak of \d+|allowed)$")
"""Names of quantities that are bytes."""
SILENT = (
    "wall_s",
    "tail",
    "ok",
    "n",
    "first",
    "failed",
    "code",
    "types",
    "dtype",
    "within",
    "said",
)
WORDS = {
    "worst": "worst relative difference",
    "here": "rmtland",
    "here, vector of NumPy": "rmtland, vector in NumPy",
    "memory: allowed": "memory: stated for a block",
    "at once": "products at once in a block",
    "memory: peak of 1": "memory: peak of one product",
    "memory: peak of 8": "memory: peak of a block of eight",
}
"""Quantities whose names in the file are too short for a reader."""
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


def device_section(path: Path = DEVICE) -> str:
    """Return the section of what `check_device.py` measured on a card, or that it has not run."""
    lines = [START, "## On a GPU", "", "`python scripts/check_device.py --out figures/device.json`"]
    if not path.exists():
        text = "Not yet run: no GPU has been at hand. The script is ready, see {doc}`devices`."
        return "\n".join([*lines, "", text, END, ""])
    found = json.loads(path.read_text("utf-8"))
    card, packages = found["card"], found["versions"]
    lines += [
        "",
        f"{found['date']}, {card.get('name', 'no card')}, {found['processor']}, "
        f"{found['wall_s']:.0f} s in all; "
        + ", ".join(f"{name} {number}" for name, number in packages.items())
        + ".",
        *(["", found["note"]] if "note" in found else []),
    ]
    for run in found.get("anew", ()):
        words = ", ".join(f"`{word}`" for word in run["only"])
        lines += ["", f"{words} anew: {run['date']}, {run['card'] or 'no card'}."]
    lines += [
        "",
        "s: seconds, of the fastest call after a first one. Other quantities have no unit.",
    ]
    for group, results in found["results"].items():
        failed = [name for name in results if [group, name] in found["failed"]]
        skipped = [name for name, one in results.items() if isinstance(one.get("skipped"), str)]
        right = len(results) - len(failed) - len(skipped)
        lines += ["", f"### {group.capitalize()}", ""]
        if group == "tests":
            lines += [_tests(one) for one in results.values()]
            continue
        lines += [f"{right} right, {len(failed)} failed, {len(skipped)} skipped."]
        shown = failed if group == "distributions" else list(results)
        if shown:
            lines += ["", "| case | quantity | value |", "|---|---|---|"]
        for case in shown:
            for place, (name, value) in enumerate(quantities(results[case])):
                first = cell(case) if place == 0 else ""
                lines.append(f"| {first} | {cell(name)} | {cell(value)} |")
    return "\n".join([*lines, END, ""])


def _tests(result: dict[str, Any]) -> str:
    """Return how many tests ran, and the names of those that failed."""
    if "tests" not in result:
        return next(iter(quantities(result)))[1]
    bad = result["failures"] + result["errors"]
    text = f"{result['tests']} tests marked `gpu`, {result['skipped']} skipped, {bad} failed"
    names = [name.rpartition("::")[2] for name in result.get("failed", {})]
    return text + (": " + ", ".join(f"`{name}`" for name in names) if names else "") + "."


def cell(text: str) -> str:
    """Return text as a cell of a table shows it."""
    return re.sub(r"([*`\\])", r"\\\1", html.escape(text, quote=False)).replace("|", "/")


def quantities(result: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return what a case measured, a line each: times in seconds, and numbers without a unit."""
    found: list[tuple[str, str]] = []
    for name, value in result.items():
        if name in SILENT or (name == "differences" and value == "none"):
            continue
        label = prefix + ("time" if name == "s" else name)
        if isinstance(value, dict) and isinstance(value.get("s"), float):
            value = value["s"]
        if isinstance(value, dict):
            found += quantities(value, f"{label}: ")
            continue
        if isinstance(value, float):
            text = f"{value:.3g}" + ("" if NUMBERS.search(label) else " s")
        elif isinstance(value, int) and MEMORY.search(label):
            label, text = f"memory: {label}", f"{value / 1e6:.1f} MB"
        elif isinstance(value, list):
            text = ", ".join(f"{one:.3g}" if isinstance(one, float) else str(one) for one in value)
        else:
            text = str(value).partition("\n")[0]
        found.append((WORDS.get(label, label) if not prefix else label, text[:100]))
    return found or [("", "right" if result.get("ok", True) else "failed")]


def with_device(page: str, path: Path = DEVICE) -> str:
    """Return a page with its section of the card written anew."""
    head, _, rest = page.partition(START)
    return head.rstrip() + "\n\n" + device_section(path) + rest.partition(END)[2].lstrip("\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes of one script")
    parser.add_argument("--out", type=Path, help="file to write; without it, print")
    parser.add_argument(
        "--device", action="store_true", help="only write the section of the card of --out anew"
    )
    options = parser.parse_args()
    if options.device:
        page = with_device(options.out.read_text("utf-8"))
        options.out.write_text(page, encoding="utf-8")
        return
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba"))
    head = (
        "# Benchmarks\n\n"
        f"Written by `python scripts/write_benchmarks.py` on {datetime.date.today()}: "
        f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}."
        "\n\nTimes depend on the machine and on what else it does: "
        "compare the ratios of one run.\n"
    )
    page = "\n".join(
        [head, *map(section, *zip(*(QUICK if options.quick else FULL).items(), strict=True))]
    )
    page = with_device(page)
    if options.out is None:
        print(page)
    else:
        options.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
