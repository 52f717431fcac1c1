"""Tasks of a sweep on a Dask cluster.

A Dask cluster blames all tasks that a dead worker held: each of them is tried again while no other
runs, and only one that kills its workers then has failed.

Examples
--------
>>> Dask("tcp://host:8786", patience=60).patience
60.0
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import queue
import time
import warnings
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rmtland.arguments import positive
from rmtland.sweep.jobs import Job, Outcome, Task, WorkerDied
from rmtland.sweep.outcome import attempt

if TYPE_CHECKING:
    from distributed import Future

__all__ = ["Dask", "DaskPool"]


@dataclass(frozen=True)
class Dask:
    """A Dask cluster, by the address of its scheduler.

    Parameters
    ----------
    address : str
        Such as ``"tcp://host:8786"``. The workers must have rmtland and the task installed; the
        store stays on the machine that runs the sweep. CUDA devices are shared out by whoever
        starts the workers (``dask cuda worker``).
    timeout : float
        Seconds to wait for the scheduler to answer.
    patience : float
        Seconds to wait for a worker where the cluster has none, before the sweep ends with an
        error; a warning comes at once.

    Raises
    ------
    ValueError
        If the address is not that of a scheduler, or a time is not positive.
    TypeError
        If a time is no number.
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


class DaskPool:
    """Jobs on the workers of a cluster."""

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
        self._running: dict[Hashable, Job] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._size, self._looked = 0, -1e9
        self._patience, self._without_workers = cluster.patience, 0.0

    def capacity(self) -> int:
        """Return how many more jobs it takes now."""
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
        """Take a job."""
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
        """Return what has ended by then."""
        self._look()
        futures = []
        with contextlib.suppress(queue.Empty):  # one message fetches all that have ended
            futures.append(self._ended.get(timeout=seconds))
            while len(futures) < 100:
                futures.append(self._ended.get_nowait())
        known = [future for future in futures if future in self._running]
        finished = [future for future in known if future.status == "finished"]
        outcomes: dict[Hashable, Outcome | WorkerDied] = {}
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

    def _outcome(self, future: Future[Outcome]) -> Outcome | WorkerDied:
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
        """Give up what has not ended."""
        with contextlib.suppress(Exception):
            self._client.cancel(list(self._running), force=True)
        self.close()

    def close(self) -> None:
        """Leave the cluster."""
        self._running.clear()
        self._client.close(timeout=10)
