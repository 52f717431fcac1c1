"""The SQLite file of a store: its tables, its connections, and what is written into it.

Examples
--------
>>> sorted(TABLES)
['about', 'arrays', 'failures', 'results', 'tasks']
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from rmtland.files import atomic_write
from rmtland.sweep.grid import Key
from rmtland.sweep.outcome import Done, Failed, digest
from rmtland.version import installed_version

__all__ = [
    "APPLICATION",
    "BUSY",
    "TABLES",
    "VERSION",
    "Writer",
    "connect",
    "create",
    "digests",
    "seal",
    "write_ahead",
]

APPLICATION = 0x524D544C  # "RMTL"
VERSION = 1
BUSY = 60.0  # seconds to wait for another process that writes

TABLES = {
    "about": """CREATE TABLE about (
        name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL
    ) WITHOUT ROWID""",
    "tasks": """CREATE TABLE tasks (
        key BLOB PRIMARY KEY NOT NULL, parameters TEXT NOT NULL, root TEXT NOT NULL,
        replicate INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "results": """CREATE TABLE results (
        key BLOB PRIMARY KEY NOT NULL, value TEXT NOT NULL, digest TEXT NOT NULL,
        seconds REAL NOT NULL, attempts INTEGER NOT NULL, finished REAL NOT NULL
    ) WITHOUT ROWID""",
    "arrays": """CREATE TABLE arrays (
        key BLOB NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (key, name)
    )""",
    "failures": """CREATE TABLE failures (
        key BLOB PRIMARY KEY NOT NULL, type TEXT NOT NULL, message TEXT NOT NULL,
        traceback TEXT NOT NULL, seconds REAL NOT NULL, attempts INTEGER NOT NULL,
        finished REAL NOT NULL
    ) WITHOUT ROWID""",
}


class Writer:
    """An open store: registers keys, looks them up, and writes results one by one."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def describe(self, task: str, source: str) -> None:
        """Write what the store belongs to, once."""
        versions = {
            "rmtland": installed_version(),
            "numpy": np.__version__,
            "python": sys.version.split()[0],
        }
        about = {"task": task, "source": source, "versions": json.dumps(versions)}
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO about VALUES (?, ?)", about.items())

    def source(self) -> str:
        """Digest of the source of the task when the store was made."""
        (found,) = self._db.execute("SELECT value FROM about WHERE name = 'source'").fetchone()
        return str(found)

    def register(self, keys: Iterable[Key]) -> None:
        """Write down keys that are asked for."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?)",
                ((key.digest, *key) for key in keys),
            )

    def done(self) -> set[bytes]:
        """Digests of the keys that have a result."""
        return digests(self._db, "results")

    def failed(self) -> set[bytes]:
        """Digests of the keys that failed."""
        return digests(self._db, "failures")

    def has(self, digest_: bytes) -> bool:
        """Whether a key has a result by now."""
        query = "SELECT 1 FROM results WHERE key = ?"
        return self._db.execute(query, (digest_,)).fetchone() is not None

    def write(self, key: Key, outcome: Done | Failed, attempts: int) -> None:
        """Write a result or a failure in one transaction; a result that is there stays."""
        where = key.digest
        now = time.time()
        with self._transaction():
            if self.has(where):
                return
            self._db.execute("DELETE FROM failures WHERE key = ?", (where,))
            if isinstance(outcome, Failed):
                self._db.execute(
                    "INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        where,
                        outcome.type,
                        outcome.message,
                        outcome.traceback,
                        outcome.seconds,
                        attempts,
                        now,
                    ),
                )
                return
            self._db.execute(
                "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?)",
                (where, outcome.text, seal(key, outcome.text), outcome.seconds, attempts, now),
            )
            if outcome.arrays:
                self._db.executemany(
                    "INSERT INTO arrays VALUES (?, ?, ?)",
                    ((where, name, data) for name, data in outcome.arrays.items()),
                )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def write_ahead(path: Path, db: sqlite3.Connection) -> None:
    """Switch the file to write-ahead mode, or say why that cannot be."""
    (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise OSError(
            errno.EOPNOTSUPP,
            "the file system has no shared memory for SQLite's write-ahead mode; put the store on "
            "a local disk",
            str(path),
        )
    db.execute("PRAGMA synchronous = NORMAL")


def create(path: Path) -> None:
    """Make an empty store; where two processes do so at once, both end up with the same file."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        for statement in TABLES.values():
            db.execute(statement)
        image = bytearray(db.serialize())
    image[18:20] = b"\2\2"  # write-ahead mode from the first byte
    try:
        with suppress(FileExistsError), atomic_write(path, overwrite=False) as stream:
            stream.write(image)
            stream.flush()
            os.fsync(stream.fileno())
    except PermissionError as error:
        raise PermissionError(
            errno.EACCES, "cannot make a store in a folder that is not writable", str(path.parent)
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            error.errno, "there is no room to make a store; make room and run again", str(path)
        ) from error


def connect(path: Path | None, mode: str) -> sqlite3.Connection:
    """Connect to a file, or to memory, without transactions of Python's own."""
    place = ":memory:" if path is None else f"{path.as_uri()}?{mode}"
    db = sqlite3.connect(
        place, uri=True, isolation_level=None, timeout=BUSY, check_same_thread=False
    )
    db.text_factory = str
    return db


def digests(db: sqlite3.Connection, table: str) -> set[bytes]:
    """Return the digests of the keys in a table."""
    return {row[0] for row in db.execute(f"SELECT key FROM {table}")}


def seal(key: Key, text: str) -> str:
    """Digest that binds a result to its key."""
    return digest(key.digest, text.encode("ascii"))
