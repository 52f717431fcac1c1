"""Results as a table: typed columns, means over replicates, and CSV that depends on nothing else.

The CSV of a store holds parameters, root, replicate and what the task returned: no times, no
number of attempts, nothing of the order in which it was computed. Rows are ordered by key and
columns by name (parameters first), numbers are the shortest digits that read back to the same
double, lines end in a newline. Two stores with the same results give the same bytes.

>>> from rmtland.sweep.running import run
>>> from rmtland.sweep.grid import Grid
>>> from rmtland.sweep.executors import Serial
>>> grid = Grid({"x": [0.5, 3.0]}, seeds=None)
>>> results = run(lambda x: {"square": x * x}, grid, executor=Serial())
>>> results.columns()["square"]
array([0.25, 9.  ])
>>> results.means("square")[0]
Mean(parameters={'x': 0.5}, mean=0.25, error=inf, runs=1)
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from rmtland.files import atomic_write, path_of
from rmtland.sweep.grid import Key
from rmtland.sweep.records import Counts, Failure, Result
from rmtland.sweep.store import Store
from rmtland.typing import NumpyArray, Record

__all__ = ["Mean", "Results"]


class Mean(NamedTuple):
    """Mean of a result over the replicates of a point, and its standard error.

    Made by `rmtland.sweep.Results.means`.

    Parameters
    ----------
    parameters : dict of str to values
        Of the point.
    mean : float
        Mean over the replicates.
    error : float
        Standard error of the mean.
    runs : int
        Number of replicates.
    """

    parameters: Record
    mean: float
    error: float
    runs: int


@dataclass(frozen=True, eq=False)
class Results:
    """The results in a store: all of them, or those of a grid.

    Made by `rmtland.sweep.run`.

    Parameters
    ----------
    store : Store
        Where they are; they are read, and their digests checked, when they are asked for.
    keys : tuple of Key, optional
        Which, and in which order; by default all, ordered by key.
    """

    store: Store
    keys: tuple[Key, ...] | None = None

    def __len__(self) -> int:
        return self.status.done

    def __iter__(self) -> Iterator[Result]:
        """Results that are there, in the order of the keys."""
        return self.store.results(self.keys)

    def __repr__(self) -> str:
        done, failed, missing = self.status
        return f"<Results: {done} done, {failed} failed, {missing} missing, in {self.store!r}>"

    @property
    def status(self) -> Counts:
        """Numbers of tasks done, failed and missing."""
        return self.store.status(self.keys)

    @property
    def failures(self) -> list[Failure]:
        """Tasks that failed, with their errors."""
        return self.store.failures(self.keys)

    def columns(self) -> dict[str, NumpyArray]:
        """Return the table by columns, typed as Parquet or a data frame wants them.

        Returns
        -------
        dict of str to ndarray, shape (results,)
            Parameters by name, `root` and `replicate` (see `Key`; a task without a seed has no
            root), then the results by name (`value` where the task returned a bare one;
            `result.phi` where a result has the name of the parameter phi). Columns of truth values,
            integers or floats have that dtype; all others, such as arrays or columns with gaps,
            are of dtype object, with None for what is not there.
        """
        table = _Table(self.store, self.keys)
        rows = list(table.rows())
        return {name: _typed([row[i] for row in rows]) for i, name in enumerate(table.header)}

    def means(self, name: str = "value") -> list[Mean]:
        """Return mean and standard error over the replicates of each point.

        Parameters
        ----------
        name : str
            A numerical result; `value` where the task returns a bare number.

        Returns
        -------
        list of Mean
            In the order of the results; the error of a single run is infinite.

        Raises
        ------
        KeyError
            If a task returned nothing of that name.
        """
        runs: dict[str, list[float]] = {}
        for result in self:
            value = result.value if isinstance(result.value, dict) else {"value": result.value}
            if name not in value:
                raise KeyError(f"no result {name!r}; there are {', '.join(value)}")
            runs.setdefault(result.key.text, []).append(float(value[name]))
        found = []
        for text, values in runs.items():
            error = float(np.std(values, ddof=1)) / len(values) ** 0.5 if values[1:] else np.inf
            found.append(
                Mean(Key(text, "", 0).parameters, float(np.mean(values)), error, len(values))
            )
        return found

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the table, ordered by key, whole or not at all.

        Arrays and sequences are JSON lists in one cell, None is an empty cell.

        Parameters
        ----------
        path : path-like
            File for the table; it is replaced whole or not at all.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        ValueError
            If that file is the store itself.
        """
        keys = None if self.keys is None else sorted(self.keys, key=lambda key: key.rank)
        table = _Table(self.store, keys)
        return self._write(path, table.header, table.rows())

    def timings_to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write seconds, attempts and time of storage of each result, in the same order.

        Parameters
        ----------
        path : path-like
            File for the times; it is replaced whole or not at all.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        ValueError
            If that file is the store itself.
        """
        keys = self.store.keys() if self.keys is None else list(self.keys)
        keys.sort(key=lambda key: key.rank)
        names = _parameter_names(keys)
        rows = (
            [*_of_key(result.key, names), result.seconds, result.attempts, result.finished]
            for result in self.store.results(keys)
        )
        return self._write(
            path, [*names, "root", "replicate", "seconds", "attempts", "finished"], rows
        )

    def failures_to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write type, message and traceback of each failure, ordered by key.

        Parameters
        ----------
        path : path-like
            File for the failures; it is replaced whole or not at all.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        ValueError
            If that file is the store itself.
        """
        failures = sorted(self.failures, key=lambda failure: failure.key.rank)
        names = _parameter_names(failure.key for failure in failures)
        rows = (
            [*_of_key(one.key, names), one.type, one.message, one.attempts, one.traceback]
            for one in failures
        )
        return self._write(
            path, [*names, "root", "replicate", "type", "message", "attempts", "traceback"], rows
        )

    def _write(
        self, path: str | os.PathLike[str], header: list[str], rows: Iterable[list[object]]
    ) -> Path:
        target = path_of("path", path)
        if self.store.path is not None and target.exists() and target.samefile(self.store.path):
            raise ValueError(f"{target} is the store itself; give another file for the table")
        with _replaced(target) as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(header)
            writer.writerows([_cell(value) for value in row] for row in rows)
        return target


class _Table:
    """Header and rows of some results."""

    def __init__(self, store: Store, keys: Iterable[Key] | None) -> None:
        self._store = store
        self._keys = store.keys() if keys is None else list(keys)
        found: set[str] = set()
        present = []
        for result in store.results(self._keys):
            present.append(result.key)
            found.update(result.value if isinstance(result.value, dict) else {"": 0})
        self._parameters = _parameter_names(present)
        self._values = sorted(found)
        of_key = [*self._parameters, "root", "replicate"]
        names = [name or "value" for name in self._values]
        renamed = [f"result.{name}" if name in of_key else name for name in names]
        self.header = [*of_key, *renamed]

    def rows(self) -> Iterator[list[object]]:
        for result in self._store.results(self._keys):
            value = result.value if isinstance(result.value, dict) else {"": result.value}
            yield [
                *_of_key(result.key, self._parameters),
                *(value.get(name) for name in self._values),
            ]


def _parameter_names(keys: Iterable[Key]) -> list[str]:
    return sorted({name for text in {key.text for key in keys} for name in json.loads(text)})


def _of_key(key: Key, names: list[str]) -> list[object]:
    parameters = key.parameters
    root = int(key.root) if key.root else None
    return [*(parameters.get(name) for name in names), root, key.replicate]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, np.ndarray):
        return json.dumps(value.tolist())
    if isinstance(value, tuple):
        return json.dumps(value)
    return value if isinstance(value, str) else repr(value)


def _typed(values: list[Any]) -> NumpyArray:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return np.array(values, dtype=bool)
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    if kinds == {float} or (
        kinds == {int, float} and all(abs(value) <= 2**53 for value in values if type(value) is int)
    ):
        return np.array(values, dtype=np.float64)
    column = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        column[i] = value
    return column


@contextmanager
def _replaced(path: Path) -> Iterator[IO[str]]:
    """Open a temporary file that takes its name when the block ends without error."""
    with (
        atomic_write(path) as stream,
        io.TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace", newline="") as text,
    ):
        yield text
