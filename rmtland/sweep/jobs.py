"""Jobs of a sweep, and the pools that take them.

Examples
--------
>>> WorkerDied("out of memory").certain
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rmtland.sweep.grid import Key
from rmtland.sweep.outcome import Done, Failed, UnloadableTask

__all__ = ["Job", "Outcome", "Pool", "Task", "WorkerDied"]

Task = Callable[..., object]
Outcome = Done | Failed | UnloadableTask


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
