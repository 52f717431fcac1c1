"""Workers that die, with and without the process that started them."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import sweep_tasks

from rmtland.sweep import Counts, Dask, Grid, Processes, Serial, Store, run
from rmtland.sweep.executors import open_pool
from rmtland.sweep.jobs import Job, WorkerDied

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(sweep_tasks.__file__).parent)}


def killing(tmp_path, times, count=8):
    return Grid({"x": range(count), "folder": str(tmp_path), "times": times})


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_is_replaced(tmp_path, workers):
    results = run(sweep_tasks.kill_worker, killing(tmp_path, 2), executor=Processes(workers))
    assert results.status == Counts(8, 0, 0)
    attempts = {result.parameters["x"]: result.attempts for result in results}
    assert attempts == {x: 3 if x == 3 else 1 for x in range(8)}  # it took no other with it
    clean = run(sweep_tasks.kill_worker, killing(tmp_path, 2), executor=Serial())
    assert [one.value for one in results] == [one.value for one in clean]


@pytest.mark.parametrize("busy", [False, True])
def test_a_worker_that_dies_between_two_tasks(busy):
    """Jobs that meet a worker already dead are computed by the next, at no cost to them."""
    keys = list(Grid({"x": [1, 2]}, seeds=None))
    with open_pool(Processes(1), sweep_tasks.slow_echo, threads=1, max_workers=1) as pool:
        (member,) = pool._members
        pool._depth = 2
        if busy:
            pool.submit(Job(keys[0]))
        os.kill(member.ready.result(), signal.SIGKILL)
        wait_for(lambda: member.pool._broken, bool)
        if not busy:
            pool.submit(Job(keys[0]))
        pool.submit(Job(keys[1]))
        ended = wait_for(lambda: pool.wait(60), bool)
        if busy:
            (first, lost), (second, again) = ended
            assert isinstance(lost, WorkerDied)
            assert (first.key, second.key, again) == (keys[0], keys[1], None)
        else:
            ended += pool.wait(60)
            assert [(job.key, outcome.text) for job, outcome in ended] == [
                (keys[0], '{"": 1}'),
                (keys[1], '{"": 2}'),
            ]


def test_a_task_that_always_kills_its_worker_fails_in_the_end(tmp_path):
    results = run(
        sweep_tasks.kill_worker, killing(tmp_path, 99, 5), executor=Processes(2), losses=1
    )
    assert results.status == Counts(4, 1, 0)
    (failure,) = results.failures
    assert (failure.parameters["x"], failure.type, failure.attempts) == (3, "WorkerDied", 2)
    assert "killed, out of memory, or crashed" in failure.message
    assert (tmp_path / "kills").read_text() == ".."


def test_a_broken_executor_of_somebody_else_ends_the_run(tmp_path):
    store, grid = Store(), killing(tmp_path, 1)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(RuntimeError, match=r"executor failed .*Processes\(\) if workers die"),
    ):
        run(sweep_tasks.kill_worker, grid, store=store, executor=pool)
    done = store.status().done
    assert done == 3
    assert len(run(sweep_tasks.kill_worker, grid, store=store, executor=Serial())) == 8


def test_threads_in_workers():
    grid = Grid({"x": [1, 2]}, seeds=None)
    for executor in (Processes(2), Serial()):
        results = run(sweep_tasks.blas_threads, grid, executor=executor)
        assert [result.value for result in results] == [1, 1]
    if (os.cpu_count() or 1) > 1:
        results = run(sweep_tasks.blas_threads, grid, executor=Processes(1), threads=2)
        assert [result.value for result in results] == [2, 2]


def test_each_core_has_a_process_of_its_own():
    results = run(sweep_tasks.slow_process, Grid({"x": range(12)}, seeds=None))
    found = {result.value for result in results}
    assert os.getpid() not in found
    assert len(found) == min(len(os.sched_getaffinity(0)), 12)


UNGUARDED = """
import sweep_tasks
from rmtland import sweep
sweep.run(sweep_tasks.echo, sweep.Grid({"x": [1]}, seeds=None), executor=sweep.Processes(1))
"""


def test_a_script_without_a_guard_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, env=ENVIRONMENT
    )
    assert done.returncode == 1
    assert 'keep the call that starts the sweep under `if __name__ == "__main__":`' in done.stderr


SCRIPT = """
from rmtland import sweep

def task(x):
    return x + 1

if __name__ == "__main__":
    grid = sweep.Grid({"x": [1, 2]}, seeds=None)
    print(sweep.run(task, grid, store="results.db", executor=sweep.Processes(1)))
"""


def test_a_task_in_a_script(tmp_path):
    script = tmp_path / "study.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert Store(tmp_path / "results.db").task() == "study:task"
    assert [result.value for result in Store(tmp_path / "results.db").results()] == [2, 3]


ENDLESS = """
import sys, sweep_tasks
from rmtland.sweep import Grid, Processes, run
if __name__ == "__main__":
    run(sweep_tasks.show_process, Grid({"folder": sys.argv[1], "x": [1, 2]}, seeds=None),
        executor=Processes(2))
"""


def test_workers_end_with_the_process_that_started_them(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", ENDLESS, tmp_path], env=ENVIRONMENT)
    try:
        workers = wait_for(lambda: [int(p.name) for p in tmp_path.iterdir()], lambda w: len(w) == 2)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_for(lambda: [alive(worker) for worker in workers], lambda states: not any(states))


def wait_for(look, good, seconds=60):
    end = time.monotonic() + seconds
    while not good(found := look()):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def alive(process):
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


# Dask ----------------------------------------------------------------------------------------


def test_no_scheduler():
    with pytest.raises(ConnectionError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        run(
            sweep_tasks.echo,
            Grid({"x": [1]}, seeds=None),
            executor=Dask("tcp://127.0.0.1:1", timeout=0.5),
        )


def test_dask_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'rmtland\[dask\]'"):
        run(sweep_tasks.echo, Grid({"x": [1]}, seeds=None), executor="tcp://127.0.0.1:1")


CLUSTER = """
import logging, os, signal, sys, threading
from distributed import LocalCluster
import sweep_tasks
from rmtland.sweep import Dask, Grid, run

if __name__ == "__main__":
    folder = sys.argv[1]
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
                      silence_logs=logging.CRITICAL) as cluster:
        address = cluster.scheduler_address
        first = [worker.pid for worker in cluster.workers.values()]
        assert os.getpid() not in first and len(set(first)) == 2
        threading.Timer(1.0, os.kill, (first[0], signal.SIGKILL)).start()
        grid = Grid({"x": range(50), "seconds": 0.08})
        results = run(sweep_tasks.draw_slowly, grid, executor=address,
                      store=os.path.join(folder, "killed.db"))
        print(results.status, first[0] in [worker.pid for worker in cluster.workers.values()])
        results.to_csv(os.path.join(folder, "dask.csv"))
        grid = Grid({"x": [1, 2, 3], "bad": [(2,)]})
        print(run(sweep_tasks.fail_on, grid, executor=Dask(address)).status)
        grid = Grid({"x": range(5), "folder": folder, "times": 1})
        print(run(sweep_tasks.kill_worker, grid, executor=Dask(address)).status)
        print(*run(lambda x: x / 2, Grid({"x": [1, 2]}, seeds=None), executor=Dask(address))
              .columns()["value"])
        print(*run(sweep_tasks.blas_threads, Grid({"x": [1, 2]}, seeds=None),
                   executor=Dask(address)).columns()["value"])
"""


LOST = """
import logging, sys, threading, time, warnings
from distributed import LocalCluster
import sweep_tasks
from rmtland.sweep import Dask, Grid, Store, run

if __name__ == "__main__":
    warnings.simplefilter("always")
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None,
                      silence_logs=logging.CRITICAL) as cluster:
        threading.Timer(2.0, cluster.scale, (0,)).start()
        seconds = [k / 100 for k in range(20, 120)]
        grid = Grid({"seconds": seconds}, seeds=None)
        store, begun = Store(), time.monotonic()
        try:
            run(sweep_tasks.wait, grid, store=store,
                executor=Dask(cluster.scheduler_address, patience=3.0))
        except ConnectionError as error:
            print(error)
        print(0 < store.status().done < 100, time.monotonic() - begun < 60)
"""


@pytest.mark.slow
def test_dask_cluster_that_has_lost_all_its_workers(tmp_path):
    pytest.importorskip("distributed")
    done = subprocess.run(
        [sys.executable, "-c", LOST], capture_output=True, text=True, timeout=240, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr
    message, rest = done.stdout.splitlines()
    assert "has had no workers for 3 seconds; all results stored before are kept" in message
    assert rest == "True True"
    assert "has no workers; waiting for one, at most 3 seconds" in done.stderr


KILLER = """
import logging, sys
import dask
from distributed import LocalCluster
import sweep_tasks
from rmtland.sweep import Dask, Grid, run

if __name__ == "__main__":
    dask.config.set({"distributed.scheduler.allowed-failures": 0})
    with LocalCluster(n_workers=1, threads_per_worker=4, processes=True, dashboard_address=None,
                      silence_logs=logging.CRITICAL) as cluster:
        grid = Grid({"x": range(8), "folder": sys.argv[1], "times": 99})
        results = run(sweep_tasks.kill_worker, grid, executor=Dask(cluster.scheduler_address))
        print(results.status, *(one.parameters["x"] for one in results.failures),
              *(one.type for one in results.failures))
"""


@pytest.mark.slow
def test_a_task_that_kills_dask_workers_takes_no_neighbour_with_it(tmp_path):
    """The scheduler blames every task that the worker held."""
    pytest.importorskip("distributed")
    done = subprocess.run(
        [sys.executable, "-c", KILLER, tmp_path],
        capture_output=True,
        text=True,
        timeout=240,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Counts(done=7, failed=1, missing=0) 3 WorkerDied\n"


@pytest.mark.slow
def test_dask_cluster_with_a_worker_killed_in_the_middle(tmp_path):
    pytest.importorskip("distributed")
    done = subprocess.run(
        [sys.executable, "-c", CLUSTER, tmp_path],
        capture_output=True,
        text=True,
        timeout=240,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Counts(done=50, failed=0, missing=0) False",
        "Counts(done=2, failed=1, missing=0)",
        "Counts(done=5, failed=0, missing=0)",
        "0.5 1.0",
        "1 1",
    ]
    grid = Grid({"x": range(50), "seconds": 0.08})
    quick = run(sweep_tasks.draw_at_once, grid, executor=Serial())
    quick.to_csv(tmp_path / "serial.csv")
    assert (tmp_path / "serial.csv").read_bytes() == (tmp_path / "dask.csv").read_bytes()
