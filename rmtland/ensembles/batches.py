"""Runs computed batch by batch; where memory runs out after all, batches are halved.

Examples
--------
>>> from rmtland.arrays import ArrayLibrary
>>> list(in_batches(5, 2, lambda runs: (runs.start, runs.stop), ArrayLibrary.of(), 8.0))
[(0, 2), (2, 4), (4, 5)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from rmtland.arrays import ArrayLibrary, is_out_of_memory

__all__ = ["gib", "in_batches"]

T = TypeVar("T")


def in_batches(
    runs: int, step: int, compute: Callable[[slice], T], library: ArrayLibrary, each: float
) -> Iterator[T]:
    """Compute all runs, `step` of them at a time, or fewer where memory runs out.

    Parameters
    ----------
    runs, step : int
        Number of runs, and how many to begin with at a time.
    compute : callable
        Takes the slice of the runs to compute; a run must not depend on it.
    library : ArrayLibrary
        Its pool is emptied before a smaller batch is tried.
    each : float
        Bytes that one run is thought to need, for the error.

    Yields
    ------
    object
        What `compute` returns, batch after batch.

    Raises
    ------
    MemoryError
        If a single run does not fit.
    """
    start = 0
    while start < runs:
        chosen = slice(start, min(start + step, runs))
        try:
            found = compute(chosen)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            together = chosen.stop - start
            if together == 1 or library.name == "numpy":  # NumPy's generators have moved on
                raise MemoryError(
                    f"memory ran out on a batch of {together}; a matrix takes about {gib(each)} "
                    f"with its eigenvalues, {gib(library.free_memory())} are free: choose a "
                    "smaller n"
                ) from error
            step = together // 2
        else:
            yield found
            start = chosen.stop
            continue
        library.release_memory()


def gib(size: float) -> str:
    """Return a number of bytes in GiB, for people."""
    return f"{size / 2**30:.3g} GiB"
