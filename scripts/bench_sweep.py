"""Overhead of a sweep over a bare loop, and a sweep that is killed again and again.

The first part runs the same tasks in a bare loop, in a sweep in this process and in sweeps on
1 and on N processes, all but the loop with a store on disk, and prints the wall time over the ideal
one (the loop, divided by the number of workers). The second starts a sweep as a program of its own
and kills it with SIGKILL: at random moments of its start, and in its middle. At the end its table
is compared byte for byte with that of a sweep that nobody killed, on another number of workers.

    python scripts/bench_sweep.py --tasks 10000 --bare 1000 --kills 50
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from rmtland.sweep import Grid, Processes, Results, Serial, Store, run


def task(x: int, seconds: float, busy: bool, seed: np.random.SeedSequence) -> dict[str, object]:
    """Take some time, then draw a number and an array."""
    end = time.perf_counter() + seconds
    if busy:
        while time.perf_counter() < end:
            pass
    else:
        time.sleep(seconds)
    rng = np.random.default_rng(seed)
    return {"mean": x + rng.normal(), "nodes": rng.normal(size=8)}


def overhead(arguments: argparse.Namespace, folder: Path) -> None:
    """Time the loop and the sweeps in turns, and print the ratios of the shortest times."""
    given = {"seconds": arguments.seconds, "busy": arguments.busy}
    bare = list(Grid({"x": range(arguments.bare or arguments.tasks), **given}))
    grid = Grid({"x": range(arguments.tasks), **given})
    members = {"in this process": (Serial(), 1), "1 process": (Processes(1), 1)}
    if arguments.workers > 1:
        members[f"{arguments.workers} processes"] = Processes(arguments.workers), arguments.workers
    loop, whole, steady = [], {name: [] for name in members}, {name: [] for name in members}
    for turn in range(arguments.repeats):
        start = time.perf_counter()
        for key in bare:
            task(**key.parameters, seed=key.seed)
        loop.append((time.perf_counter() - start) / len(bare))
        for name, (executor, workers) in members.items():
            store = folder / f"{name}{turn}.db"
            start = time.perf_counter()
            results = run(task, grid, store=store, executor=executor)
            whole[name].append((time.perf_counter() - start) * workers / len(grid))
            ended = sorted(result.finished for result in results)
            first = min(2 * workers, len(ended) - 2)  # all workers have started by then
            took = (ended[-1] - ended[first]) * workers
            steady[name].append(took / (len(ended) - 1 - first))
    kind = "busy" if arguments.busy else "asleep"
    print(
        f"{arguments.tasks} tasks of {1e3 * arguments.seconds:g} ms ({kind}), shortest of "
        f"{arguments.repeats}; bare loop {1e3 * min(loop):.3f} ms a task"
    )
    for name in members:
        print(
            f"  {name:16s} over the ideal {100 * (min(whole[name]) / min(loop) - 1):6.2f} %, "
            f"once started {100 * (min(steady[name]) / min(loop) - 1):6.2f} %"
        )
    print(f"  store: {os.path.getsize(store) / len(grid):.0f} bytes a result")


def killed_grid(arguments: argparse.Namespace) -> Grid:
    """Grid of the sweep that is killed."""
    return Grid({"x": range(arguments.kill_tasks), "seconds": 0.02, "busy": False})


def killed(arguments: argparse.Namespace, folder: Path) -> None:
    """Kill a sweep again and again, and compare its table."""
    path, draw = folder / "killed.db", random.Random(arguments.seed)
    done = lambda: Store(path).status().done if path.exists() else 0  # noqa: E731
    command = [
        sys.executable,
        __file__,
        "--child",
        str(path),
        "--kill-tasks",
        str(arguments.kill_tasks),
        "--workers",
    ]
    steps, in_the_middle = [0], 0
    for kill in range(arguments.kills):
        process = subprocess.Popen([*command, "2"], stderr=subprocess.DEVNULL)
        if kill % 2:
            time.sleep(draw.uniform(0, 1.5))
        else:
            share = max(1, 2 * arguments.kill_tasks // arguments.kills)
            target = steps[-1] + draw.randint(1, share)
            while done() < target and process.poll() is None:
                time.sleep(draw.uniform(0, 0.02))
        in_the_middle += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        steps.append(done())
    subprocess.run([*command, "1"], check=True)
    text = Results(Store(path)).to_csv(folder / "killed.csv").read_bytes()
    calm = run(task, killed_grid(arguments), store=folder / "calm.db", executor=Processes(3))
    same = text == calm.to_csv(folder / "calm.csv").read_bytes()
    gained = statistics.median(after - before for before, after in pairwise(steps))
    print(
        f"{arguments.kills} kills by SIGKILL ({in_the_middle} while it ran, {steps[-1]} of "
        f"{arguments.kill_tasks} results by then, median gain {gained:g}): "
        f"{len(calm)} results, table of {len(text)} bytes "
        f"{'the same byte for byte' if same else 'DIFFERS'}"
    )
    if not same:
        sys.exit(1)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=200, help="tasks of a timed sweep")
    parser.add_argument("--seconds", type=float, default=0.05, help="time of one")
    parser.add_argument("--busy", action="store_true", help="tasks compute instead of sleeping")
    parser.add_argument("--repeats", type=int, default=1, help="turns of the first part")
    parser.add_argument("--bare", type=int, help="tasks of the bare loop, if fewer")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--kills", type=int, default=6, help="kills of the second part")
    parser.add_argument("--kill-tasks", type=int, default=300, help="tasks of the second part")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments of the kills")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run(
            task,
            killed_grid(arguments),
            store=arguments.child,
            executor=Processes(arguments.workers),
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        if arguments.tasks:
            overhead(arguments, Path(folder))
        if arguments.kills:
            killed(arguments, Path(folder))


if __name__ == "__main__":
    main()
