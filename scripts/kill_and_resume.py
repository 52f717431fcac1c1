"""Kill Lanczos runs at random moments, resume them, and compare every byte with a run left alone.

A run is a process of its own, forked from one that has imported everything. It is killed (SIGKILL)
after a time drawn between 0 and what the whole run takes: between products, within one, or while a
checkpoint is written. What counts is the coefficients that the resumed call returns and the states
that it leaves, byte for byte.

    python scripts/kill_and_resume.py                 # 30 kills, the basis in memory and on disk
    python scripts/kill_and_resume.py --kills 5 --seed 1
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from rmtland.estimate import krylov_quadratures, symmetric_operator

SIZE, PROBES, STEPS, TOGETHER = 500, 4, 50, 2
VALUES = np.append(np.linspace(-1, 2, SIZE - 10), np.geomspace(3, 50, 10))


def lanczos(folder: Path, basis: str) -> None:
    """Run with a checkpoint, and write what comes out."""
    operator = symmetric_operator(lambda block: (VALUES * block.T).T, size=SIZE, check=False)
    found = krylov_quadratures(
        operator,
        probes=PROBES,
        steps=STEPS,
        rng=0,
        together=TOGETHER,
        basis=basis,
        checkpoint=folder / "state",
        progress=False,
    )
    parts = [np.concatenate(one) for one in found.tridiagonals]
    (folder / "result").write_bytes(np.concatenate(parts).tobytes())


def forked(folder: Path, basis: str, *, after: float | None = None) -> bool:
    """Run in a process, killed after some seconds; say whether it came to its end."""
    folder.mkdir(exist_ok=True)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            lanczos(folder, basis)
            code = 0
        finally:
            os._exit(code)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"a run ended with {status}")
    return status == 0


def products_kept(folder: Path) -> int:
    """Return how many products the states of a folder hold."""
    found = 0
    for path in (folder / "state").glob("group-*.npz"):
        with np.load(path) as data:
            found += data["array_alpha"].shape[0] * int(np.count_nonzero(data["array_alpha"][0]))
    return found


def content(folder: Path) -> dict[str, Any]:
    """Return the bytes of the result and of the arrays of each state."""
    found: dict[str, Any] = {"result": (folder / "result").read_bytes()}
    for path in sorted((folder / "state").glob("group-*.npz")):
        with np.load(path) as data:
            found[path.name] = {name: data[name].tobytes() for name in data.files}
    return found


def study(kills: int, seed: int, basis: str) -> int:
    """Kill and resume runs; print at how many products, and return how many ended the same."""
    generator = np.random.default_rng(seed)
    same, places = 0, []
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        times = []
        for number in range(3):
            begun = time.perf_counter()
            forked(Path(place) / f"timed-{number}", basis)
            times.append(time.perf_counter() - begun)
        forked(whole, basis)
        number = 0
        while len(places) < kills:
            number += 1
            folder = Path(place) / f"run-{number}"
            if forked(folder, basis, after=float(generator.uniform(0, np.median(times)))):
                continue  # it was faster
            places.append(products_kept(folder))
            forked(folder, basis)
            same += content(folder) == content(whole)
    share = np.array(places) / (PROBES * STEPS)
    print(
        f"basis {basis}: {same} of {kills} runs killed at random moments ended with the same "
        f"bytes; killed with {share.min():.0%} to {share.max():.0%} of their products kept "
        f"({np.count_nonzero(share == 0)} before the first, {np.count_nonzero(share == 1)} after "
        "the last)",
        flush=True,
    )
    return same


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument(
        "--basis", nargs="+", choices=("float64", "float32", "disk"), default=["float64", "disk"]
    )
    options = parser.parse_args()
    if options.kills < 1:
        parser.error("--kills must be at least 1")
    if not hasattr(os, "fork"):
        raise SystemExit("processes are forked, which this system cannot do")
    found = [study(options.kills, options.seed, basis) for basis in options.basis]
    if min(found) < options.kills:
        sys.exit(1)


if __name__ == "__main__":
    main()
