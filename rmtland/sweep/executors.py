"""Who computes the tasks: this process, processes, any executor, a Dask cluster.

A pool takes jobs while it has capacity and returns what became of them, in any order. Whoever
computes a task, the outcome is the same bytes; an executor decides only when and where.

`Processes` runs every worker as an executor of one process, so that a worker that is killed takes
exactly one task with it: the worker is replaced and that task tried again, up to a bound; no other
task notices. Workers are started afresh ("spawn"): on every platform the script that starts a sweep
must keep the call under ``if __name__ == "__main__":``, and the task must be importable. Workers
end when the process that started them ends, however it ends. Each takes a CUDA device of its own
where there are several (`rmtland.sweep.devices`).
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import pickle
import queue
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from rmtland.arguments import count
from rmtland.sweep.dask_pool import Dask, DaskPool
from rmtland.sweep.devices import (
    CUDA_VISIBLE,
    device_names,
    named_devices,
    visible_devices,
    visible_to_worker,
)
from rmtland.sweep.jobs import Job, Outcome, Pool, Task, WorkerDied
from rmtland.sweep.outcome import Done, Failed, attempt, limit_threads, limited, load_task

__all__ = ["AnyExecutor", "Processes", "Serial", "cores", "open_pool"]


@dataclass(frozen=True)
class Serial:
    """One task after the other, in this process."""


@dataclass(frozen=True)
class Processes:
    """Processes on this machine.

    Parameters
    ----------
    workers : int, optional
        Number of processes; one for each core that this process may use by default.
    devices : sequence of int or str, optional
        CUDA devices that the workers take in turn, such as [0, 1], of those that this process sees:
        "cuda" means its own device to each worker. By default all of them.

    Raises
    ------
    ValueError, TypeError
        If a number of workers or a device is none.
    """

    workers: int | None = None
    devices: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.workers is not None:
            object.__setattr__(self, "workers", count("workers", self.workers))
        if self.devices is not None:
            object.__setattr__(self, "devices", device_names(self.devices))


AnyExecutor = Serial | Processes | Dask | Executor


@contextmanager
def open_pool(
    executor: AnyExecutor, task: Task, *, threads: int | None, max_workers: int
) -> Iterator[Pool]:
    """Open a pool of at most `max_workers` workers; close it when all is done."""
    made: _SerialPool | _ProcessPool | _FuturePool | DaskPool
    if isinstance(executor, Serial):
        with limited(threads):
            yield _SerialPool(task, threads)
        return
    if isinstance(executor, Processes):
        workers = min(executor.workers or cores(), max_workers)
        named = executor.devices
        devices = visible_devices() if named is None else named_devices(named)
        made = _ProcessPool(_pickled(task), workers, threads, devices)
    elif isinstance(executor, Dask):
        made = DaskPool(executor, task, threads)
    else:
        with limited(threads):
            given = _pickled(task) if isinstance(executor, ProcessPoolExecutor) else task
            made = _FuturePool(executor, given, threads)
            try:
                yield made
            except BaseException:
                made.stop()
                raise
        return
    try:
        yield made
    except BaseException:
        made.stop()
        raise
    made.close()


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pickled(task: Task) -> bytes:
    """Return a task as bytes that another process can load, or say why there are none."""
    try:
        return pickle.dumps(task)
    except Exception as error:
        raise TypeError(
            f"the task {task!r} cannot be sent to another process ({error}); give a function "
            "defined at the top of a module, or executor=Serial()"
        ) from error


class _SerialPool:
    blames_neighbours = False

    def __init__(self, task: Task, threads: int | None) -> None:
        self._task, self._threads = task, threads
        self._job: Job | None = None

    def capacity(self) -> int:
        return 0 if self._job else 1

    def submit(self, job: Job) -> None:
        self._job = job

    def wait(self, seconds: float) -> list[tuple[Job, Outcome | WorkerDied | None]]:
        if self._job is None or not seconds:
            return []
        job, self._job = self._job, None
        return [(job, attempt(self._task, job.key.parameters, job.key.seed, self._threads))]

    def stop(self) -> None:
        self._job = None


class _FuturePool:
    """Any executor; its own size is not known, so that it gets many jobs at a time."""

    blames_neighbours = False

    def __init__(self, executor: Executor, task: Task | bytes, threads: int | None) -> None:
        self._executor, self._task, self._threads = executor, task, threads
        self._size = max(256, 2 * getattr(executor, "_max_workers", 0))
        self._running: dict[Future[Outcome], Job] = {}
        self._ended: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()

    def capacity(self) -> int:
        return self._size - len(self._running)

    def submit(self, job: Job) -> None:
        future = self._executor.submit(
            attempt, self._task, job.key.parameters, job.key.seed, self._threads
        )
        self._running[future] = job
        future.add_done_callback(self._ended.put)

    def wait(self, seconds: float) -> list[tuple[Job, Outcome | WorkerDied | None]]:
        try:
            future = self._ended.get(timeout=seconds)
        except queue.Empty:
            return []
        try:
            return [(self._running.pop(future), future.result())]
        except (Exception, concurrent.futures.CancelledError) as error:
            raise RuntimeError(
                f"the executor failed ({type(error).__name__}: {error}); all results stored "
                "before are kept: run the same sweep again, on Processes() if workers die"
            ) from error

    def stop(self) -> None:
        for future in self._running:
            future.cancel()


class _Member:
    """One worker: a pool of one process, and the jobs it has, oldest first."""

    def __init__(self, task: bytes, threads: int | None, visible: str | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.visible = visible
        self.pool = ProcessPoolExecutor(
            1, mp_context=context, initializer=_follow_parent, initargs=(visible,)
        )
        self.ready = self.pool.submit(_load, task, threads)
        self.jobs: deque[Job] = deque()

    def started(self) -> bool:
        return self.ready.done() and self.ready.exception() is None

    def kill(self) -> None:
        """End the process whatever it computes."""
        with contextlib.suppress(Exception):
            os.kill(self.ready.result(timeout=30), signal.SIGTERM)


class _ProcessPool:
    blames_neighbours = False

    def __init__(
        self, task: bytes, workers: int, threads: int | None, devices: Sequence[str]
    ) -> None:
        self._task, self._threads = task, threads
        self._ended: queue.SimpleQueue[tuple[_Member, Job, Future[Outcome]]] = queue.SimpleQueue()
        self._depth = 1
        self._false_starts = 0
        shown = [visible_to_worker(i, devices) if devices else None for i in range(workers)]
        self._members = [_Member(task, threads, visible) for visible in shown]

    def capacity(self) -> int:
        return sum(max(0, self._depth - len(member.jobs)) for member in self._members)

    def submit(self, job: Job) -> None:
        member = min(self._members, key=lambda one: len(one.jobs))
        try:
            future = member.pool.submit(
                attempt, self._task, job.key.parameters, job.key.seed, self._threads
            )
        except BrokenProcessPool as error:
            if member.jobs:  # word of its death is on the way, and brings this job back too
                member.jobs.append(job)
            else:
                self._renew(member, error)
                self.submit(job)
            return
        member.jobs.append(job)
        future.add_done_callback(lambda ended: self._ended.put((member, job, ended)))

    def wait(self, seconds: float) -> list[tuple[Job, Outcome | WorkerDied | None]]:
        try:
            member, job, future = self._ended.get(timeout=seconds)
        except queue.Empty:
            return []
        if member not in self._members:
            return []  # replaced since
        try:
            outcome = future.result()
        except BrokenProcessPool as error:
            return self._replace(member, error)
        member.jobs.remove(job)
        if isinstance(outcome, Done | Failed):
            # A second job waits at each worker only where tasks are short.
            self._depth = 2 if outcome.seconds < 0.2 else 1
        return [(job, outcome)]

    def _replace(
        self, member: _Member, error: BrokenProcessPool
    ) -> list[tuple[Job, Outcome | WorkerDied | None]]:
        """Put a new worker in the place of one that died; its oldest job was being computed."""
        jobs = list(member.jobs)
        if not self._renew(member, error):
            return [(job, None) for job in jobs]
        lost = WorkerDied(
            "the worker process ended while it computed this task: killed, out of memory, "
            "or crashed"
        )
        return [(jobs[0], lost), *((job, None) for job in jobs[1:])]

    def _renew(self, member: _Member, error: BrokenProcessPool) -> bool:
        """Start a new worker in the place of a dead one; return whether that one had started."""
        started = member.started()
        member.pool.shutdown(wait=True)
        self._false_starts = 0 if started else self._false_starts + 1
        if self._false_starts > 3:
            raise RuntimeError(
                "worker processes end before they compute anything; keep the call that starts "
                'the sweep under `if __name__ == "__main__":`, or look at what they printed'
            ) from error
        fresh = _Member(self._task, self._threads, member.visible)
        self._members[self._members.index(member)] = fresh
        return started

    def stop(self) -> None:
        for member in self._members:
            member.kill()
        self.close()

    def close(self) -> None:
        end = functools.partial(ProcessPoolExecutor.shutdown, wait=True, cancel_futures=True)
        with ThreadPoolExecutor(len(self._members)) as together:
            list(together.map(end, [member.pool for member in self._members]))


def _follow_parent(visible: str | None) -> None:
    """In a worker: see its devices, leave Ctrl-C to the parent, and end when it ends."""
    if visible is not None:
        os.environ[CUDA_VISIBLE] = visible
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        from multiprocessing.connection import wait

        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _load(task: bytes, threads: int | None) -> int:
    """In a worker: limit the threads, load the task, and return the id of the process."""
    if threads is not None:
        limit_threads(threads)
    with contextlib.suppress(BaseException):  # `attempt` reports it
        load_task(task)
    return os.getpid()
