r"""Store: results in one SQLite file that outlives the processes that write it.

Every result is written in a transaction of its own, in write-ahead mode (WAL) [1]_: a process
killed at any moment leaves a file that holds all results stored before. After a power cut the last
few may be missing; they are computed again. Several processes may write to one store at a time.

The tables: `about` (the task, versions), `tasks` (every key that was ever asked for), `results`
(JSON, its digest, time, attempts), `arrays` (little-endian blobs; shape, dtype and digest stand
in the JSON), `failures` (type, message, traceback). A file is checked before it is trusted:
application id and schema version, the tables, SQLite's own integrity check, and the digest of
every result. A file that fails is refused, and nothing is written to it.

A store belongs to one task, named by its module and name; results of different grids of that task
lie in it side by side. WAL needs shared memory, so all writers must run on one machine and the
file must lie on a local disk, not on a network file system; workers never open it. Copy a store
when nothing writes to it: while something does, part of it is in the file beside it that ends in
``-wal``.

References
----------
.. [1] SQLite documentation, Write-Ahead Logging, https://sqlite.org/wal.html

Examples
--------
>>> store = Store()  # in memory; Store("results.db") for a file
>>> store.status()
Counts(done=0, failed=0, missing=0)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rmtland.sweep.database import (
    Writer,
    connect,
    digests,
    write_ahead,
)
from rmtland.sweep.grid import Key
from rmtland.sweep.records import Counts, Failure, Result, StoreError
from rmtland.sweep.store_file import StoreFile

__all__ = ["Store"]


class Store(StoreFile):
    """Results in an SQLite file, or in memory.

    Parameters
    ----------
    path : path-like, optional
        The file; without it the store lives in memory and ends with this object.
    create : bool
        Make the file if there is none.

    Raises
    ------
    FileNotFoundError
        If there is no file, or no folder to make it in.
    StoreError
        If the file is no store, comes from a newer version, or is damaged; it is left as it is.
    TypeError
        If `path` is none.
    """

    # Reading ---------------------------------------------------------------------------------

    def status(self, keys: Iterable[Key] | None = None) -> Counts:
        """Count what is done, failed and missing, of all tasks ever asked for or of some keys.

        Parameters
        ----------
        keys : iterable of Key, optional
            Which tasks, and in which order; all by default.

        Returns
        -------
        Counts
            The three numbers.
        """
        with self._reading() as db:
            done, failed = digests(db, "results"), digests(db, "failures")
            wanted = digests(db, "tasks") if keys is None else {key.digest for key in keys}
        done &= wanted
        failed = (failed & wanted) - done
        return Counts(len(done), len(failed), len(wanted) - len(done) - len(failed))

    def task(self) -> str | None:
        """Name of the task that the store belongs to; None before the first.

        Returns
        -------
        str or None
            The name, or None.
        """
        return self._about("task")

    def keys(self) -> list[Key]:
        """Return the keys of all results in the order of a table: see `Key.rank`.

        Returns
        -------
        list of Key
            One for each result.
        """
        query = "SELECT parameters, root, replicate FROM tasks JOIN results USING (key)"
        with self._reading() as db:
            found = [Key(*row) for row in db.execute(query)]
        return sorted(found, key=lambda key: key.rank)

    def results(self, keys: Iterable[Key] | None = None) -> Iterator[Result]:
        """Yield the results of some keys in their order, or all; those not there are left out.

        Parameters
        ----------
        keys : iterable of Key, optional
            Which tasks, and in which order; all by default.

        Yields
        ------
        Result

        Raises
        ------
        StoreError
            If a result is not what was written.
        """
        wanted = self.keys() if keys is None else keys
        query = "SELECT value, digest, seconds, attempts, finished FROM results WHERE key = ?"
        with self._reading() as db:
            for key in wanted:
                row = db.execute(query, (key.digest,)).fetchone()
                if row is not None:
                    yield Result(key, self._value(db, key, row[0], row[1]), *row[2:])

    def failures(self, keys: Iterable[Key] | None = None) -> list[Failure]:
        """Return the failures of some keys in their order, or all in the order of a table.

        Parameters
        ----------
        keys : iterable of Key, optional
            Which tasks, and in which order; all by default.

        Returns
        -------
        list of Failure
            One for each task that failed.
        """
        query = (
            "SELECT parameters, root, replicate, type, message, traceback, seconds, attempts, "
            "finished FROM tasks JOIN failures USING (key)"
        )
        with self._reading() as db:
            found = {
                key: Failure(key, *row[3:]) for row in db.execute(query) for key in (Key(*row[:3]),)
            }
        order = sorted(found, key=lambda key: key.rank) if keys is None else keys
        return [found[key] for key in order if key in found]

    def _about(self, name: str) -> str | None:
        with self._reading() as db:
            row = db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    # Writing ---------------------------------------------------------------------------------

    @contextmanager
    def writing(self, task: str, source: str) -> Iterator[Writer]:
        """Open the store to write results of a task; the file is closed whole at the end.

        Parameters
        ----------
        task : str
            Name of the task: a store belongs to one.
        source : str
            Digest of its source, or nothing.

        Yields
        ------
        Writer
            What writes to the store while the block runs.

        Raises
        ------
        StoreError
            If the store belongs to another task; it is left as it is.
        """
        found = self.task()
        if found not in (None, task):
            raise StoreError(
                f"{self.path} holds results of the task {found}, not of {task}; "
                "give another file for another task"
            )
        with self._explained():
            db = self._memory if self.path is None else connect(self._file, "mode=rw")
            try:
                if self.path is not None:
                    write_ahead(self.path, db)
                writer = Writer(db)
                writer.describe(task, source)
                yield writer
            finally:
                if self.path is not None:
                    db.close()
