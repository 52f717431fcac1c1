"""Run a sweep: compute what is missing in a store, whoever computes it.

>>> from rmtland.sweep.executors import Serial
>>> import numpy as np
>>> def step(x, seed):
...     return float(np.random.default_rng(seed).normal() < x)
>>> results = run(step, Grid({"x": [-1.0, 1.0]}, seeds=100), executor=Serial())
>>> results
<Results: 200 done, 0 failed, 0 missing, in Store()>
>>> [round(mean.mean, 2) for mean in results.means()]
[0.17, 0.92]
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from rmtland.arguments import count, truth
from rmtland.sweep.dask_pool import Dask
from rmtland.sweep.database import Writer
from rmtland.sweep.executors import AnyExecutor, Processes, Serial, open_pool
from rmtland.sweep.grid import Grid, Key
from rmtland.sweep.jobs import Job, Outcome, Pool, WorkerDied
from rmtland.sweep.outcome import Done, Failed, UnloadableTask
from rmtland.sweep.store import Store
from rmtland.sweep.table import Results
from rmtland.sweep.task_identity import compare_source, source_of, task_name

__all__ = ["Interrupted", "run"]

Task = Callable[..., object]
Show = Callable[[int, int], None]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a sweep: its message says what is stored and how to resume."""


def run(
    task: Task,
    grid: Grid,
    *,
    store: Store | str | os.PathLike[str] | None = None,
    executor: AnyExecutor | str | None = None,
    threads: int | None = 1,
    retries: int = 0,
    losses: int = 3,
    retry_failed: bool = False,
    progress: bool | None = None,
) -> Results:
    """Call a task at every key of a grid that has no result in the store yet.

    The results are the same whatever the executor, the number of workers, the order, and the
    number of interruptions, as long as the task is a pure function of its arguments.

    Parameters
    ----------
    task : callable
        Called as ``task(**parameters, seed=seed)``, with `seed` a `numpy.random.SeedSequence`
        (what `numpy.random.default_rng` takes); without `seed` where the grid has ``seeds=None``.
        It returns a real number, a string, None, a real array, or a dict of those. Other
        processes need a function at the top of a module, or a `functools.partial` of one.
    grid : Grid
        Which tasks there are.
    store : Store or path-like, optional
        Where the results appear, one transaction each; a file is made if there is none. By
        default they are kept in memory.
    executor : Serial, Processes, Dask, str or concurrent.futures.Executor, optional
        Who computes; a process for each core by default. A string is the address of a Dask
        scheduler. An executor that you give is left open.
    threads : int or None
        BLAS, OpenMP and numba threads inside each task, wherever it runs (a worker keeps this
        limit); results can depend on it in their last digits. None leaves them alone.
    retries : int
        How often a task that raised is called again in this run, with the same seed.
    losses : int
        How often a task whose worker was killed or crashed is given to another one before it
        counts as failed, on `Processes`. On Dask the scheduler's own limit holds; what it gives up
        is tried once more while nothing else runs.
    retry_failed : bool
        Compute what failed in earlier runs again. By default failures stay as they are.
    progress : bool, optional
        Show a bar with the time left on stderr; by default where that is a terminal.

    Returns
    -------
    Results
        Those of the grid, in its order. A task that raised is not among them: its type of error,
        message and traceback are in `.failures`, and the others went on.

    Raises
    ------
    Interrupted
        On Ctrl-C, a KeyboardInterrupt: what has ended is stored, what runs is cancelled.
    StoreError
        If the file is no store, is damaged, or belongs to another task; it is left as it is.
    OSError
        If the store cannot be written (disk full, no permission); what is stored stays.
    TypeError
        If the task does not take these parameters, or cannot be sent to the workers, or
        `retry_failed` or `progress` is no truth value.
    ValueError
        If `threads` is below 1, or `retries` or `losses` below 0.

    Warns
    -----
    UserWarning
        If the source of the task, or what it holds (values of a closure, defaults, attributes), is
        not what it was when the store was made.
    """
    if not callable(task):
        raise TypeError(f"a task must be a function; got {task!r}")
    if not isinstance(grid, Grid):
        raise TypeError(f"grid must be a Grid, such as Grid({{'phi': [0.5, 1.0]}}); got {grid!r}")
    executor = _checked_executor(executor)
    threads = None if threads is None else count("threads", threads)
    retries, losses = count("retries", retries, min_value=0), count("losses", losses, min_value=0)
    retry_failed = truth("retry_failed", retry_failed)
    progress = None if progress is None else truth("progress", progress)
    keys = tuple(grid)
    _check_arguments(task, keys)
    if not isinstance(store, Store):
        store = Store(store)
    name, source = task_name(task), source_of(task)
    with store.writing(name, source) as writer:
        compare_source(name, writer.source(), source)
        writer.register(keys)
        done, failed = writer.done(), writer.failed()
        failed = set() if retry_failed else failed - done
        skipped = done | failed
        todo = deque(Job(key) for key in keys if key.digest not in skipped)
        if todo:
            before = sum(key.digest in failed for key in keys)
            state = _Count(len(keys), len(keys) - len(todo), before, store)
            with _bar(progress, state) as show:
                _compute(task, todo, writer, executor, threads, retries, losses, state, show)
    return Results(store, keys)


class _Count:
    """How far a sweep is."""

    def __init__(self, total: int, done: int, failed: int, store: Store) -> None:
        self.total, self.done, self.failed, self.store = total, done, failed, store

    def interrupted(self) -> Interrupted:
        where = "" if self.store.path is None else f" and stored in {self.store.path}"
        again = "; the same call resumes there" if where else ", lost with this process"
        return Interrupted(
            f"interrupted: {self.done - self.failed} of {self.total} tasks are done{where}{again}"
        )


def _compute(
    task: Task,
    todo: deque[Job],
    writer: Writer,
    executor: AnyExecutor,
    threads: int | None,
    retries: int,
    losses: int,
    state: _Count,
    show: Show,
) -> None:
    def settle(job: Job, outcome: Done | Failed | UnloadableTask | WorkerDied | None) -> None:
        if outcome is None:
            todo.appendleft(job)
            return
        if isinstance(outcome, UnloadableTask):
            raise TypeError(f"a worker cannot load the task {task_name(task)}: {outcome.message}")
        job.attempts += 1
        if isinstance(outcome, WorkerDied):
            job.losses += 1
            if job.losses <= losses if not pool.blames_neighbours else not outcome.certain:
                todo.append(job)
                return
            outcome = Failed("WorkerDied", outcome.message, "", 0.0)
        elif isinstance(outcome, Failed) and job.attempts - job.losses <= retries:
            todo.append(job)
            return
        writer.write(job.key, outcome, job.attempts)
        state.done += 1
        state.failed += isinstance(outcome, Failed)
        show(state.done, state.failed)

    running = 0
    alone = False  # a suspect runs while no other does
    with open_pool(executor, task, threads=threads, max_workers=len(todo)) as pool:
        try:
            while todo or running:
                alone = alone and running > 0
                while todo and not alone and pool.capacity() > 0:
                    if pool.blames_neighbours and todo[0].losses:
                        if running:
                            break
                        alone = True
                    job = todo.popleft()
                    if writer.has(job.key.digest):  # another process has done it since
                        state.done += 1
                        continue
                    pool.submit(job)
                    running += 1
                for job, outcome in pool.wait(0.5) if running else ():
                    running -= 1
                    settle(job, outcome)
        except KeyboardInterrupt:
            _keep_what_has_ended(pool, settle)
            raise state.interrupted() from None


def _keep_what_has_ended(
    pool: Pool, settle: Callable[[Job, Outcome | WorkerDied | None], None]
) -> None:
    while ended := pool.wait(0):
        for job, outcome in ended:
            settle(job, outcome)


def _checked_executor(executor: AnyExecutor | str | None) -> AnyExecutor:
    if executor is None:
        return Processes()
    if isinstance(executor, str):
        return Dask(executor)
    if isinstance(executor, Serial | Processes | Dask | Executor):
        return executor
    raise TypeError(
        "executor must be Serial(), Processes(workers), Dask(address) or a "
        f"concurrent.futures.Executor; got {executor!r}"
    )


def _check_arguments(task: Task, keys: tuple[Key, ...]) -> None:
    """Refuse parameters that the task does not take, before any of it is recorded as a failure."""
    try:
        signature = inspect.signature(task)
    except (TypeError, ValueError):
        return  # some compiled functions have none
    kinds: dict[tuple[str, ...], Key] = {}
    for key in {key.text: key for key in keys}.values():
        kinds.setdefault(tuple(json.loads(key.text)), key)
    for key in kinds.values():
        given = key.parameters | ({} if key.seed is None else {"seed": key.seed})
        try:
            signature.bind(**given)
        except TypeError as error:
            raise TypeError(
                f"the task {task_name(task)}{signature} cannot be called with "
                f"{', '.join(given) or 'no arguments'}: {error}"
            ) from None


@contextmanager
def _bar(progress: bool | None, state: _Count) -> Iterator[Show]:
    if progress is None:
        progress = sys.stderr is not None and sys.stderr.isatty()
    if not progress:
        yield lambda done, failed: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as shown:
        line = shown.add_task("sweep", total=state.total, completed=state.done, failed="")
        yield lambda done, failed: shown.update(
            line, completed=done, failed=f"{failed} failed" if failed else ""
        )
