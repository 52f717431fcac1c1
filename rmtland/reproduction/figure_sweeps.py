"""The sweeps behind a figure: in which order they are run, and what an interrupted run has kept.

Examples
--------
>>> def task(x, seed):
...     return x
>>> sweeps = {"few": Sweep(task, Grid({"x": 0.5}, seeds=3)),
...           "many": Sweep(task, Grid({"x": 0.5}, seeds=100))}
>>> [(name, len(sweep.grid)) for name, sweep in in_rounds(sweeps, kept=True)]
[('few', 3), ('many', 32), ('many', 100)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rmtland.sweep import Grid, Results, Store

__all__ = ["Sweep", "in_rounds", "kept_results", "store_path"]

FIRST = 32
"""Replicates of every point of a kept run that come before the others of any sweep."""


class Sweep(NamedTuple):
    """A task and the points at which a figure needs it.

    Parameters
    ----------
    task : callable
        What computes one point.
    grid : Grid
        The points.
    """

    task: Callable[..., object]
    grid: Grid


def store_path(folder: Path, figure: str, sweep: str) -> Path:
    """Return the file in which the results of a sweep are kept.

    Parameters
    ----------
    folder : Path
        Where the results of the figure are.
    figure, sweep : str
        Names of both.

    Returns
    -------
    Path
        The file, which need not be there.
    """
    return folder / f"{figure}-{sweep}.sweep"


def in_rounds(sweeps: Mapping[str, Sweep], *, kept: bool) -> Iterator[tuple[str, Sweep]]:
    """Yield sweeps in rounds of more and more replicates, each sweep whole at its last turn.

    A run that is interrupted has something of everything then. The first round has at most 32
    replicates of each point, and every other round four times as many as the one before.

    Parameters
    ----------
    sweeps : mapping of str to Sweep
        By name.
    kept : bool
        Whether results of a round are there in the next one; otherwise each sweep comes once.

    Yields
    ------
    name : str
        Of the sweep.
    sweep : Sweep
        The same, or fewer replicates of it.
    """
    limit, done = FIRST, set[str]()
    while len(done) < len(sweeps):
        for name, sweep in sweeps.items():
            if name in done:
                continue
            seeds = sweep.grid.seeds
            if not kept or seeds is None or seeds <= limit:
                done.add(name)
                yield name, sweep
            else:
                yield name, Sweep(sweep.task, replace(sweep.grid, seeds=limit))
        limit *= 4


def kept_results(
    figure: str, sweeps: Mapping[str, Sweep], folder: Path, *, whole: bool
) -> dict[str, Results]:
    """Return what the folder of a run holds; nothing is computed, and the run may still go on.

    Parameters
    ----------
    figure : str
        Name of the figure.
    sweeps : mapping of str to Sweep
        Its sweeps.
    folder : Path
        Where its results are kept.
    whole : bool
        Whether all of them are needed.

    Returns
    -------
    dict of str to Results
        Of each sweep, by its name; `status` of each counts what is done and missing.

    Raises
    ------
    FileNotFoundError
        If no results are kept there.
    ValueError
        If results are missing and all are needed.
    """
    results = {}
    for name, sweep in sweeps.items():
        path = store_path(folder, figure, name)
        store = Store(path, create=False) if path.exists() else Store()
        results[name] = Results(store, tuple(sweep.grid))
    done = sum(found.status.done for found in results.values())
    tasks = sum(len(sweep.grid) for sweep in sweeps.values())
    if not done:
        raise FileNotFoundError(
            f"{folder} keeps no results of {figure} at these parameters: begin a run without "
            "--partial first"
        )
    if whole and done < tasks:
        raise ValueError(
            f"{figure} is made of all its results, and {done} of {tasks} are kept in {folder}: "
            "the same call without --partial computes the others"
        )
    return results
