"""Runs: only what is missing, the same results whatever happens, failures as data."""

import functools
import importlib
import linecache
import os
import signal
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import numpy as np
import pytest
import sweep_tasks

from rmtland.sweep import Counts, Grid, Interrupted, Processes, Results, Serial, Store, run
from rmtland.sweep.task_identity import compare_source, source_of, task_name

GRID = Grid({"x": [0.5, 1.0, 2.0, 4.0]}, seeds=5)


class Immediate(Executor):
    """An executor of somebody else's: it computes while the task is handed in."""

    def submit(self, task, /, *arguments, **named):
        future = Future()
        try:
            future.set_result(task(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


def csv(results, folder):
    return results.to_csv(folder / "table.csv").read_bytes()


# The same results ----------------------------------------------------------------------------


def test_results_are_those_of_the_task():
    results = run(sweep_tasks.draw, GRID, executor=Serial())
    assert len(results) == len(GRID)
    for key, result in zip(GRID, results, strict=True):
        assert result.key == key
        expected = sweep_tasks.draw(**key.parameters, seed=key.seed)
        assert result.value["mean"] == expected["mean"]
        np.testing.assert_array_equal(result.value["nodes"], expected["nodes"])


def test_executors_agree_to_the_last_byte(tmp_path):
    """Eigenvalues of matrices large enough for LAPACK to use its threads."""
    grid = Grid({"n": [3, 150]}, seeds=4)
    tables = {}
    with (
        ThreadPoolExecutor(3) as threads,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        executors = [Serial(), Processes(1), Processes(3), Processes(), threads, pool, Immediate()]
        for executor in executors:
            results = run(sweep_tasks.eigenvalues, grid, executor=executor)
            assert results.status == Counts(8, 0, 0)
            tables[executor] = csv(results, tmp_path)
    assert len(tables) == 7
    assert len(set(tables.values())) == 1


def test_a_second_call_computes_what_is_missing(tmp_path):
    calls = []

    def task(x, seed):
        calls.append(x)
        return x

    path = tmp_path / "results.db"
    run(task, Grid({"x": [1, 2]}), store=path, executor=Serial())
    results = run(task, Grid({"x": [3, 2, 1]}), store=path, executor=Serial())
    assert calls == [1, 2, 3]
    assert [result.value for result in results] == [3, 2, 1]
    run(task, Grid({"x": [1, 2]}, root=1), store=Store(path), executor=Serial())
    assert calls == [1, 2, 3, 1, 2]
    assert Store(path).status() == Counts(5, 0, 0)
    assert len(Results(Store(path))) == 5
    assert run(task, Grid({"x": []}), store=path).status == Counts(0, 0, 0)


def test_nonfinite_results_are_results():
    values = [np.nan, np.inf, -np.inf, -0.0, 5e-324]
    results = run(
        lambda i: {"one": values[i], "all": np.array(values)},
        Grid({"i": range(5)}, seeds=None),
        executor=Serial(),
    )
    assert [repr(result.value["one"]) for result in results] == [
        "nan",
        "inf",
        "-inf",
        "-0.0",
        "5e-324",
    ]
    for result in results:
        assert result.value["all"].tobytes() == np.array(values).tobytes()


def test_what_another_process_has_done_since_is_not_done_again(tmp_path):
    path, calls = tmp_path / "results.db", []

    def task(x, seed):
        calls.append(x)
        if x == 1 and len(calls) == 1:
            run(task, Grid({"x": [2, 3]}), store=path, executor=Serial())
        return x

    results = run(task, Grid({"x": [1, 2, 3]}), store=path, executor=Serial())
    assert calls == [1, 2, 3]
    assert results.status == Counts(3, 0, 0)


# Failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", [Serial(), Processes(2)], ids=["serial", "processes"])
def test_a_failure_is_recorded_and_the_others_go_on(tmp_path, executor):
    path = tmp_path / "results.db"
    grid = Grid({"x": [1, 2, 3], "bad": [(2, 3)]})
    results = run(sweep_tasks.fail_on, grid, store=path, executor=executor)
    assert results.status == Store(path).status() == Counts(1, 2, 0)
    assert [result.value for result in results] == [1.0]
    two, three = results.failures
    assert (two.parameters["x"], three.parameters["x"]) == (2, 3)
    assert (two.type, two.message, two.attempts) == (
        "ArithmeticError",
        "no result at 2\\ud800",
        1,
    )
    assert "in fail_on" in two.traceback
    assert "1 done, 2 failed, 0 missing" in repr(results)


def test_failures_are_computed_again_only_if_asked(tmp_path):
    path = tmp_path / "results.db"
    grid = Grid({"x": [1], "folder": str(tmp_path), "times": 2})
    again = functools.partial(run, sweep_tasks.fail_until, grid, store=path, executor=Serial())
    for _ in range(2):
        assert again().status == Counts(0, 1, 0)
    assert (tmp_path / "calls-1").read_text() == "."
    assert again(retry_failed=True).status == Counts(0, 1, 0)
    results = again(retry_failed=True)
    assert (results.status, results.failures) == (Counts(1, 0, 0), [])
    assert (tmp_path / "calls-1").read_text() == "..."


@pytest.mark.parametrize(("retries", "done"), [(0, 0), (1, 0), (2, 1), (5, 1)])
def test_retries_are_bounded(tmp_path, retries, done):
    grid = Grid({"x": [1], "folder": str(tmp_path), "times": 2})
    results = run(sweep_tasks.fail_until, grid, executor=Serial(), retries=retries)
    assert results.status == Counts(done, 1 - done, 0)
    calls = (tmp_path / "calls-1").read_text()
    assert len(calls) == min(retries + 1, 3)
    (one,) = list(results) + results.failures
    assert one.attempts == len(calls)


def test_bad_results_and_exits_are_failures():
    results = run(lambda x: object(), Grid({"x": [1]}, seeds=None), executor=Serial())
    assert results.failures[0].type == "TypeError"
    results = run(sweep_tasks.leave, Grid({"x": [1]}, seeds=None), executor=Processes(1))
    assert [failure.type for failure in results.failures] == ["SystemExit"]


# What cannot start ---------------------------------------------------------------------------


@pytest.mark.parametrize("progress", [3, "no", print])
def test_progress_that_is_no_truth_value_is_refused(progress):
    with pytest.raises(TypeError, match="progress must be True or False"):
        run(print, Grid({"x": [1]}, seeds=1), progress=progress)
    with pytest.raises(TypeError, match="retry_failed must be True or False"):
        run(print, Grid({"x": [1]}, seeds=1), retry_failed=progress)


def test_a_task_that_cannot_travel():
    with pytest.raises(TypeError, match="at the top of a module, or executor=Serial"):
        run(lambda x: x, Grid({"x": [1]}, seeds=None), executor=Processes(1))
    with ProcessPoolExecutor(1) as pool, pytest.raises(TypeError, match="top of a module"):
        run(lambda x: x, Grid({"x": [1]}, seeds=None), executor=pool)


def test_a_task_that_no_worker_can_import(tmp_path, monkeypatch):
    (tmp_path / "lost_module.py").write_text("def task(x):\n    return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    from lost_module import task

    monkeypatch.undo()  # the workers get the path as it is now
    with pytest.raises(TypeError, match="worker cannot load the task lost_module:task: ModuleNot"):
        run(task, Grid({"x": range(20)}, seeds=None), executor=Processes(2))


def test_a_task_whose_module_ends_the_workers(tmp_path, monkeypatch):
    """It does everything at its import, and exits there."""
    name, text = "exits_in_workers", "import multiprocessing, sys\n"
    text += "if multiprocessing.parent_process():\n    sys.exit(3)\ndef task(x):\n    return x\n"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    task = importlib.import_module(name).task
    with pytest.raises(TypeError, match=f"worker cannot load the task {name}:task: SystemExit: 3"):
        run(task, Grid({"x": range(3)}, seeds=None), executor=Processes(1))


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (Grid({"y": [1]}), "draw.*cannot be called with y, seed: missing a required argument: 'x'"),
        (Grid({"x": [1], "y": [1]}), "unexpected keyword argument 'y'"),
        (Grid({"x": [1]}, seeds=None), "missing a required argument: 'seed'"),
        (Grid(points=[{"x": 1}, {}]), "missing a required argument: 'x'"),
    ],
)
def test_parameters_that_the_task_does_not_take(tmp_path, grid, message):
    path = tmp_path / "results.db"
    with pytest.raises(TypeError, match=message):
        run(sweep_tasks.draw, grid, store=path)
    assert not path.exists()


def test_bad_arguments():
    with pytest.raises(TypeError, match="task must be a function"):
        run("draw", GRID)
    with pytest.raises(TypeError, match="grid must be a Grid"):
        run(sweep_tasks.draw, {"x": [1]})
    with pytest.raises(TypeError, match="executor must be Serial"):
        run(sweep_tasks.draw, GRID, executor=4)
    with pytest.raises(ValueError, match="address must be"):
        run(sweep_tasks.draw, GRID, executor="serial")
    with pytest.raises(ValueError, match="threads must be"):
        run(sweep_tasks.draw, GRID, threads=0)
    with pytest.raises(ValueError, match="retries must be"):
        run(sweep_tasks.draw, GRID, retries=-1)
    with pytest.raises(ValueError, match="workers must be"):
        Processes(0)


# What a task is called -----------------------------------------------------------------------


def test_names_of_tasks():
    assert task_name(sweep_tasks.draw) == "sweep_tasks:draw"
    bound = functools.partial(sweep_tasks.draw_slowly, seconds=np.float64(0.5))
    assert task_name(bound) == 'sweep_tasks:draw_slowly[[], {"seconds": 0.5}]'
    with pytest.raises(TypeError, match="parameter seconds"):
        task_name(functools.partial(sweep_tasks.draw_slowly, seconds=object()))
    assert task_name(np.linalg.det).endswith(":det")


def test_a_partial_is_a_task(tmp_path):
    path = tmp_path / "results.db"
    task = functools.partial(sweep_tasks.draw_slowly, seconds=0.0)
    found = run(task, GRID, store=path, executor=Processes(1))
    assert csv(found, tmp_path) == csv(run(sweep_tasks.draw, GRID, executor=Serial()), tmp_path)


def test_a_changed_task_gives_a_warning(tmp_path):
    def module(text):
        file = tmp_path / "changing.py"
        file.write_text(text)
        namespace = {"__name__": "changing"}
        exec(compile(text, file, "exec"), namespace)
        linecache.checkcache(str(file))
        return namespace["task"]

    path, grid = tmp_path / "results.db", Grid({"x": [1]}, seeds=None)
    run(module("def task(x):\n    return x\n"), grid, store=path, executor=Serial())
    same = module('def task(x):\n    "Same, with words."\n    return  x  # and a comment\n')
    run(same, grid, store=path, executor=Serial())
    with pytest.warns(UserWarning, match="source of the task changing:task has changed"):
        run(module("def task(x):\n    return x + 1\n"), grid, store=path, executor=Serial())


class Scale:
    def __init__(self, k):
        self.k = k

    def task(self, x):
        return self.k * x

    def __call__(self, x):
        return self.k * x


def closure(k):
    def task(x):
        return k * x

    return task


def default(k):
    def task(x, *, k=k):
        return k * x

    return task


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param((lambda x: x, lambda x: 2 * x), id="lambdas of one line"),
        pytest.param((closure([1, np.ones(2)]), closure([1, np.zeros(2)])), id="closures"),
        pytest.param((default({"a": 1}), default({"a": 2})), id="defaults"),
        pytest.param((Scale(1).task, Scale(2).task), id="methods"),
        pytest.param((Scale(closure(1)), Scale(closure(2))), id="objects"),
    ],
)
def test_tasks_of_one_name_are_told_apart(pair):
    """Results of the first were those of the second without a word."""
    first, second = map(source_of, pair)
    assert task_name(pair[0]) == task_name(pair[1])
    compare_source("task", first, first)
    with pytest.warns(UserWarning, match="has changed since the store was made"):
        compare_source("task", first, second)
    compare_source("task", first.partition("+")[0], "")  # of what nothing is known


# Interrupts ----------------------------------------------------------------------------------


@contextmanager
def ctrl_c_when(ready, seconds=100):
    """Interrupt once something is there, or after that time at the latest."""
    ended, latest = threading.Event(), time.monotonic() + seconds

    def watch():
        while not ended.wait(0.02):
            if ready() or time.monotonic() > latest:
                os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("executor", [Serial(), Processes(2)], ids=["serial", "processes"])
def test_ctrl_c_keeps_what_has_ended_and_says_how_to_go_on(tmp_path, executor):
    path = tmp_path / "results.db"
    grid = Grid({"x": range(90), "seconds": 0.1})

    def three():
        try:
            return path.exists() and Store(path).status().done >= 3
        except (OSError, ValueError):  # it is being made
            return False

    with ctrl_c_when(three), pytest.raises(Interrupted) as stop:
        run(sweep_tasks.draw_slowly, grid, store=path, executor=executor)
    status = Store(path).status()
    assert f"{status.done} of 90 tasks are done" in str(stop.value)
    assert "the same call resumes there" in str(stop.value)
    assert status.done + status.missing == 90
    assert 3 <= status.done < 90
    assert [file.name for file in tmp_path.iterdir()] == ["results.db"]
    assert threading.active_count() < 10


def test_ctrl_c_does_not_wait_for_a_long_task(tmp_path):
    def both():
        return len(list(tmp_path.iterdir())) == 2

    grid = Grid({"seconds": [300, 301], "folder": [str(tmp_path)]}, seeds=None)
    start = time.monotonic()
    with pytest.raises(Interrupted, match="0 of 2 tasks"), ctrl_c_when(both):
        run(sweep_tasks.begin_and_wait, grid, executor=Processes(2))
    assert both()
    assert time.monotonic() - start < 150  # workers may start slowly beside others


def test_an_interrupt_is_a_keyboard_interrupt():
    def task(x):
        if x == 2:
            raise KeyboardInterrupt
        return x

    store = Store()
    with pytest.raises(KeyboardInterrupt, match="2 of 4 tasks are done, lost with this process"):
        run(task, Grid({"x": range(4)}, seeds=None), store=store, executor=Serial())
    assert store.status() == Counts(2, 0, 2)


# The bar -------------------------------------------------------------------------------------


def test_the_bar_is_on_stderr_and_only_on_a_terminal(capsys):
    run(sweep_tasks.draw, GRID, executor=Serial())
    assert capsys.readouterr() == ("", "")
    run(sweep_tasks.fail_on, Grid({"x": [1, 2], "bad": [(2,)]}), executor=Serial(), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "sweep" in err
    assert "2/2" in err
    assert "1 failed" in err
    run(sweep_tasks.draw, GRID, executor=Serial(), progress=False)
    assert capsys.readouterr() == ("", "")
