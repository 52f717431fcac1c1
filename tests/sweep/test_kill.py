"""A sweep killed at random moments and resumed ends with the table of one that was not."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import sweep_tasks

from rmtland.sweep import Counts, Grid, Results, Serial, Store, run

SWEEP = """
import sys, sweep_tasks
from rmtland.sweep import Grid, Processes, run
if __name__ == "__main__":
    grid = Grid({"x": [0.1, 2.0, 10.0], "seconds": 0.03}, seeds=20)
    run(sweep_tasks.draw_slowly, grid, store=sys.argv[1], executor=Processes(int(sys.argv[2])))
"""


def start(path, workers):
    environment = {**os.environ, "PYTHONPATH": str(Path(sweep_tasks.__file__).parent)}
    return subprocess.Popen([sys.executable, "-c", SWEEP, path, str(workers)], env=environment)


def done(path):
    return Store(path).status().done if path.exists() else 0


def reference(folder):
    """The same sweep with another number of workers, never interrupted."""
    grid = Grid({"x": [0.1, 2.0, 10.0], "seconds": 0.03}, seeds=20)
    results = run(sweep_tasks.draw_slowly, grid, store=folder / "calm.db", executor=Serial())
    return results.to_csv(folder / "calm.csv").read_bytes()


def test_killed_and_resumed(tmp_path):
    path, draw = tmp_path / "killed.db", random.Random(5)
    counts = []
    for kill in range(6):
        process = start(path, 2)
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
    assert 0 < counts[0] < 60
    assert len(set(counts)) >= 3
    assert start(path, 1).wait() == 0
    assert Store(path).status() == Counts(60, 0, 0)
    assert Results(Store(path)).to_csv(tmp_path / "killed.csv").read_bytes() == reference(tmp_path)


def test_two_processes_on_one_store(tmp_path):
    path = tmp_path / "shared.db"
    processes = [start(path, 1), start(path, 2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert Store(path).status() == Counts(60, 0, 0)
    assert Results(Store(path)).to_csv(tmp_path / "shared.csv").read_bytes() == reference(tmp_path)
    assert not list(tmp_path.glob("*-wal")) + list(tmp_path.glob("*.part"))
