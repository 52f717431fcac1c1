"""Who computes the tasks: this process, processes, any executor, a Dask cluster.

A pool takes jobs while it has capacity and returns what became of them, in any order. Whoever
computes a task, the outcome is the same bytes; an executor decides only when and where.

`Processes` runs every worker as an executor of one process, so that a worker that is killed takes
exactly one task with it: the worker is replaced and that task tried again, up to a bound; no other
task notices. Workers are started afresh ("spawn"): on every platform the script that starts a sweep
must keep the call under ``if __name__ == "__main__":``, and the task must be importable. Workers
end when the process that started them ends, however it ends.

A Dask cluster blames all tasks that a dead worker held: each of them is tried again while no other
runs, and only one that kills its workers then has failed.
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
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from rmtland.arguments import count, positive
from rmtland.sweep.grid import Key
from rmtland.sweep.outcome import Done, Failed, UnloadableTask, attempt, limited, load_task

__all__ = ["AnyExecutor", "Dask", "Job", "Pool", "Processes", "Serial", "WorkerDied", "open_pool"]

Task = Callable[..., Any]
Outcome = Done | Failed | UnloadableTask


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
    """

    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None:
            object.__setattr__(self, "workers", count("workers", self.workers))


@dataclass(frozen=True)
class Dask:
    """A Dask cluster, by the address of its scheduler.

    Parameters
    ----------
    address : str
        Such as "tcp://host:8786". The workers must have rmtland and the task installed; the
        store stays on the machine that runs the sweep.
    timeout : float
        Seconds to wait for the scheduler to answer.
    patience : float
        Seconds to wait for a worker where the cluster has none, before the sweep ends with an
        error; a warning comes at once.
    """

    address: str
    timeout: float = 20.0
    patience: float = 300.0

    def __post_init__(self) -> None:
        if not isinstance(self.address, str) or ":" not in self.address:
            raise ValueError(
                "address must be that of a scheduler, such as 'tcp://host:8786'; "
                f"got {self.address!r}"
            )
        object.__setattr__(self, "timeout", positive("timeout", self.timeout))
        object.__setattr__(self, "patience", positive("patience", self.patience))


AnyExecutor = Serial | Processes | Dask | Executor


@dataclass
class Job:
    """A task to compute, with what it has cost so far."""

    key: Key
    attempts: int = 0
    losses: int = 0


@dataclass(frozen=True)
class WorkerDied:
    """A worker ended, killed or crashed, while it held this task."""

    message: str
    certain: bool = True
    """Whether it was this task that it computed, and no other."""


class Pool(Protocol):
    """What the run of a sweep needs of those who compute."""

    blames_neighbours: bool
    """Whether a task that was computed beside another may be blamed for what that one did."""

    def capacity(self) -> int:
        """Return how many more jobs it takes now."""

    def submit(self, job: Job) -> None:
        """Take a job."""

    def wait(self, seconds: float) -> list[tuple[Job, Outcome | WorkerDied | None]]:
        """Return what has ended by then; None for a job that has to be given again."""

    def stop(self) -> None:
        """Give up what has not ended."""


@contextmanager
def open_pool(
    executor: AnyExecutor, task: Task, *, threads: int | None, max_workers: int
) -> Iterator[Pool]:
    """Open a pool of at most `max_workers` workers; close it when all is done."""
    made: _SerialPool | _ProcessPool | _FuturePool | _DaskPool
    if isinstance(executor, Serial):
        with limited(threads):
            yield _SerialPool(task, threads)
        return
    if isinstance(executor, Processes):
        workers = min(executor.workers or cores(), max_workers)
        made = _ProcessPool(_pickled(task), workers, threads)
    elif isinstance(executor, Dask):
        made = _DaskPool(executor, task, threads)
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

    def __init__(self, task: bytes, threads: int | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(1, mp_context=context, initializer=_follow_parent)
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

    def __init__(self, task: bytes, workers: int, threads: int | None) -> None:
        self._task, self._threads = task, threads
        self._ended: queue.SimpleQueue[tuple[_Member, Job, Future[Outcome]]] = queue.SimpleQueue()
        self._depth = 1
        self._false_starts = 0
        self._members = [_Member(task, threads) for _ in range(workers)]

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
        self._members[self._members.index(member)] = _Member(self._task, self._threads)
        return started

    def stop(self) -> None:
        for member in self._members:
            member.kill()
        self.close()

    def close(self) -> None:
        end = functools.partial(ProcessPoolExecutor.shutdown, wait=True, cancel_futures=True)
        with ThreadPoolExecutor(len(self._members)) as together:
            list(together.map(end, [member.pool for member in self._members]))


def _follow_parent() -> None:
    """In a worker: leave Ctrl-C to the parent, and end when it ends."""
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
        from rmtland.sweep.outcome import _limit

        _limit(threads)
    with contextlib.suppress(Exception):  # `attempt` reports it
        load_task(task)
    return os.getpid()


class _DaskPool:
    blames_neighbours = True

    def __init__(self, cluster: Dask, task: Task, threads: int | None) -> None:
        try:
            import cloudpickle
            import distributed
        except ImportError as error:
            raise ImportError(
                "a Dask cluster needs the package distributed: pip install 'rmtland[dask]'"
            ) from error
        self._threads = threads
        self._address = cluster.address
        try:
            client: Any = distributed.Client
            self._client = client(cluster.address, timeout=cluster.timeout, set_as_default=False)
        except OSError as error:
            raise ConnectionError(
                f"no Dask scheduler answers at {cluster.address}: {error}"
            ) from error
        self._killed: type[Exception] = distributed.scheduler.KilledWorker
        self._task = cloudpickle.dumps(task)
        self._running: dict[Any, Job] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._size, self._looked = 0, -1e9
        self._patience, self._without_workers = cluster.patience, 0.0

    def capacity(self) -> int:
        self._look()
        return self._size - len(self._running)

    def _look(self) -> None:
        """Ask how many workers there are, now and then: clusters grow and shrink."""
        now = time.monotonic()
        if now - self._looked < 5 * (not self._without_workers) + 0.2:
            return
        try:
            threads = sum(self._client.nthreads().values())
        except (OSError, concurrent.futures.CancelledError, TimeoutError) as error:
            raise self._gone() from error
        self._size, self._looked = 4 * threads + 16, now
        if threads:
            self._without_workers = 0.0
        elif not self._without_workers:
            self._without_workers = now
            warnings.warn(
                f"the Dask cluster at {self._address} has no workers; waiting for one, at most "
                f"{self._patience:g} seconds",
                UserWarning,
                stacklevel=2,
            )
        elif now - self._without_workers > self._patience:
            raise ConnectionError(
                f"the Dask cluster at {self._address} has had no workers for {self._patience:g} "
                "seconds; all results stored before are kept: start workers and run the same "
                "sweep again"
            )

    def submit(self, job: Job) -> None:
        future = self._client.submit(
            attempt,
            self._task,
            job.key.parameters,
            job.key.seed,
            self._threads,
            pure=False,
            key=f"rmtland-{job.key.digest.hex()}-{os.urandom(4).hex()}",
        )
        self._running[future] = job
        future.add_done_callback(self._ended.put)

    def wait(self, seconds: float) -> list[tuple[Job, Outcome | WorkerDied | None]]:
        self._look()
        futures = []
        with contextlib.suppress(queue.Empty):  # one message fetches all that have ended
            futures.append(self._ended.get(timeout=seconds))
            while len(futures) < 100:
                futures.append(self._ended.get_nowait())
        known = [future for future in futures if future in self._running]
        finished = [future for future in known if future.status == "finished"]
        outcomes: dict[Any, Outcome | WorkerDied] = {}
        try:
            with contextlib.suppress(self._killed):
                gathered = self._client.gather(finished) if finished else []
                outcomes = dict(zip(finished, gathered, strict=True))
            for future in known:
                if future.status in ("pending", "lost"):  # computed again elsewhere
                    future.add_done_callback(self._ended.put)
                elif future not in outcomes:
                    outcomes[future] = self._outcome(future)
        except (OSError, concurrent.futures.CancelledError, TimeoutError) as error:
            raise self._gone() from error
        if not outcomes and self._client.status not in ("running", "connecting"):
            raise self._gone()
        return [(self._running.pop(future), outcome) for future, outcome in outcomes.items()]

    def _outcome(self, future: Any) -> Outcome | WorkerDied:
        try:
            outcome: Outcome = future.result(timeout=60)
            return outcome
        except self._killed as error:
            return WorkerDied(str(error), certain=self._running[future].losses > 0)
        except (OSError, concurrent.futures.CancelledError, TimeoutError):
            raise
        except Exception as error:  # never one of the task: `attempt` returns those
            raise RuntimeError(
                f"the Dask workers failed ({type(error).__name__}: {error}); they need the same "
                "rmtland as here"
            ) from error

    def _gone(self) -> ConnectionError:
        return ConnectionError(
            f"the Dask scheduler at {self._address} is gone; all results stored before are kept: "
            "run the same sweep again"
        )

    def stop(self) -> None:
        with contextlib.suppress(Exception):
            self._client.cancel(list(self._running), force=True)
        self.close()

    def close(self) -> None:
        self._running.clear()
        self._client.close(timeout=10)
