"""What a store holds of a task: its result or its failure.

Examples
--------
>>> Counts(done=2, failed=0, missing=1).missing
1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from rmtland.sweep.grid import Key
from rmtland.typing import Record

__all__ = ["Counts", "Failure", "Result", "StoreError"]


class StoreError(ValueError):
    """A file is no store, is damaged, or belongs to another task."""


class Counts(NamedTuple):
    """Numbers of tasks that are done, that failed, and that are still to be computed.

    Made by `rmtland.sweep.Store.status`.

    Parameters
    ----------
    done : int
        Tasks with a result.
    failed : int
        Tasks whose last attempt raised.
    missing : int
        Tasks still to be computed.
    """

    done: int
    failed: int
    missing: int


@dataclass(frozen=True, eq=False)
class Result:
    """One result.

    Made by `rmtland.sweep.Store.results`.

    Parameters
    ----------
    key : Key
        Parameters, root and replicate.
    value : float, int, bool, str, None, ndarray, or dict of those
        What the task returned.
    seconds : float
        Wall time of the attempt that succeeded.
    attempts : int
        Calls of the task, this one included.
    finished : float
        When it was stored, in seconds since 1970.
    """

    key: Key
    value: Any
    seconds: float
    attempts: int
    finished: float

    @property
    def parameters(self) -> Record:
        """Parameters of the task."""
        return self.key.parameters


@dataclass(frozen=True)
class Failure:
    """The last error of a task that failed, and its traceback as text.

    Made by `rmtland.sweep.Store.failures`.

    Parameters
    ----------
    key : Key
        Of the task.
    type : str
        Class of the error.
    message : str
        Its message.
    traceback : str
        Its traceback as text.
    seconds : float
        How long the last attempt took.
    attempts : int
        How often the task was tried.
    finished : float
        When the last attempt ended, in seconds since 1970.
    """

    key: Key
    type: str
    message: str
    traceback: str
    seconds: float
    attempts: int
    finished: float

    @property
    def parameters(self) -> Record:
        """Parameters of the task."""
        return self.key.parameters
