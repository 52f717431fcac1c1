"""A sweep killed at random moments and resumed ends with the table of one that was not."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sweep_tasks

from rmtland.sweep import Counts, Grid, Results, Serial, Store, run

SWEEP = """
import sys, sweep_tasks
from rmtland.sweep import Grid, Processes, run
if __name__ == "__main__":
    grid = Grid({"x": [0.1, 2.0, 10.0], "seconds": 0.03}, seeds=int(sys.argv[3]))
    run(sweep_tasks.draw_slowly, grid, store=sys.argv[1], executor=Processes(int(sys.argv[2])))
"""


def start(path, workers, seeds=20):
    environment = {**os.environ, "PYTHONPATH": str(Path(sweep_tasks.__file__).parent)}
    return subprocess.Popen(
        [sys.executable, "-c", SWEEP, path, str(workers), str(seeds)], env=environment
    )


def done(path):
    return Store(path).status().done if path.exists() else 0


def reference(folder, seeds=20):
    """The same results in this process, without waiting and never interrupted."""
    grid = Grid({"x": [0.1, 2.0, 10.0], "seconds": 0.03}, seeds=seeds)
    results = run(sweep_tasks.draw_at_once, grid, store=folder / "calm.db", executor=Serial())
    return results.to_csv(folder / "calm.csv").read_bytes()


@pytest.mark.parametrize("kills", [6, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_and_resumed(tmp_path, kills):
    path, draw = tmp_path / "killed.db", random.Random(kills)
    seeds = 20 if kills == 6 else 5 * kills
    counts = []
    for kill in range(kills):
        process = start(path, 2, seeds)
        if kill % 2:  # at any moment of the start
            time.sleep(draw.uniform(0, 0.8))
        else:  # in the middle, wherever that is on this machine
            target = done(path) + draw.randrange(2, 12)
            while done(path) < target and process.poll() is None:
                time.sleep(draw.uniform(0, 0.01))
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts.append(done(path))
    assert counts == sorted(counts)  # what was stored stays
    assert 0 < counts[0] < 3 * seeds
    assert len(set(counts)) >= kills // 2
    assert start(path, 1, seeds).wait() == 0
    assert Store(path).status() == Counts(3 * seeds, 0, 0)
    table = Results(Store(path)).to_csv(tmp_path / "killed.csv").read_bytes()
    assert table == reference(tmp_path, seeds)


def test_two_processes_on_one_store(tmp_path):
    path = tmp_path / "shared.db"
    processes = [start(path, 1), start(path, 2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert Store(path).status() == Counts(60, 0, 0)
    assert Results(Store(path)).to_csv(tmp_path / "shared.csv").read_bytes() == reference(tmp_path)
    assert not list(tmp_path.glob("*-wal")) + list(tmp_path.glob("*.part"))
