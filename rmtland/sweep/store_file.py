"""The file of a store: found or made, checked whole, opened to read, its errors in sentences.

Nothing in a file is changed until it has been checked; a result whose digest is not the one that
was written is refused. `rmtland.sweep.store` says what a store holds.

Examples
--------
>>> StoreFile()  # in memory
Store()
"""

from __future__ import annotations

import errno
import math
import os
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from rmtland.files import path_of
from rmtland.sweep import database
from rmtland.sweep.database import (
    APPLICATION,
    TABLES,
    VERSION,
    connect,
    digests,
    seal,
)
from rmtland.sweep.grid import Key
from rmtland.sweep.outcome import decode
from rmtland.sweep.records import StoreError

__all__ = ["StoreFile"]

_REMEDY = "Nothing was changed; restore a copy, or give another file and run the sweep again"


class StoreFile:
    """An SQLite file that is a store, or one in memory; `rmtland.sweep.Store` uses it."""

    def __init__(self, path: str | os.PathLike[str] | None = None, *, create: bool = True) -> None:
        self.path = None if path is None else path_of("path", path)
        if self.path is None:
            return
        # SQLite keeps its log beside what a link points to; and the folder may change later.
        self._file = Path(os.path.realpath(self.path))
        if not self._file.exists():
            if not create:
                raise FileNotFoundError(f"there is no store {self.path}")
            if not self._file.parent.is_dir():
                raise FileNotFoundError(
                    f"there is no folder {self.path.parent} to make the store in"
                )
            database.create(self._file)
        self.verify()

    def __repr__(self) -> str:
        return "Store()" if self.path is None else f"Store({str(self.path)!r})"

    def verify(self) -> None:
        """Check the whole file: schema, integrity, and the digest of every result.

        Raises
        ------
        StoreError
            If anything in it is not what was written. Nothing is changed.
        """
        if self.path is None:
            return
        if not self._file.is_file():
            raise StoreError(f"{self.path} is not a file; give the file of a store")
        with open(self._file, "rb") as stream:
            beginning = stream.read(16)
        if not beginning:
            raise StoreError(
                f"{self.path} is empty, not a store; remove it to make a new one there"
            )
        if beginning != b"SQLite format 3\0":
            raise StoreError(f"{self.path} is not a store of results: it is no SQLite database")
        while True:
            before = self._stamp()
            try:
                with self._reading(trusted=False) as db:
                    self._check(db)
                return
            except (StoreError, TypeError, AttributeError, UnicodeError) as error:
                # Another process may have written while this one read past it.
                if self._stamp() != before:
                    continue
                if isinstance(error, StoreError):
                    raise
                raise StoreError(f"{self.path} is damaged: {error}. {_REMEDY}") from error

    def _stamp(self) -> tuple[int, int, bool]:
        """Return what changes when the file is written."""
        stat = self._file.stat()
        return stat.st_mtime_ns, stat.st_size, self._has_log()

    def _has_log(self) -> bool:
        """Whether results are in the write-ahead log, not in the file yet."""
        try:
            return os.path.getsize(f"{self._file}-wal") > 0
        except OSError:
            return False

    def _check(self, db: sqlite3.Connection) -> None:
        if db.execute("PRAGMA application_id").fetchone() != (APPLICATION,):
            raise StoreError(
                f"{self.path} is not a store of results: it is another program's database"
            )
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise StoreError(
                f"{self.path} has schema version {version}; this rmtland reads version {VERSION}: "
                "use the one that made it, or a newer one"
            )
        size = math.prod(
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count")
        )
        if not self._has_log() and self._file.stat().st_size < size:
            raise StoreError(f"{self.path} is damaged: it was cut short. {_REMEDY}")
        found = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        if found != TABLES:
            raise StoreError(f"{self.path} is damaged: its tables are not those of a store")
        (report,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        if report != "ok":
            raise StoreError(f"{self.path} is damaged: {report}. {_REMEDY}")
        tasks = {}
        for digest_, *row in db.execute("SELECT key, parameters, root, replicate FROM tasks"):
            key = tasks[digest_] = Key(*row)
            if key.digest != digest_:
                raise StoreError(f"{self.path} is damaged: a task is filed under a wrong key")
        for digest_, text, check in db.execute("SELECT key, value, digest FROM results"):
            if digest_ not in tasks:
                raise StoreError(f"{self.path} is damaged: a result belongs to no task")
            if '"digest"' in text:
                self._value(db, tasks[digest_], text, check)
            else:
                self._checkseal(tasks[digest_], text, check)
        orphans = "SELECT count(*) FROM arrays WHERE key NOT IN (SELECT key FROM results)"
        if db.execute(orphans).fetchone() != (0,) or not digests(db, "failures") <= tasks.keys():
            raise StoreError(f"{self.path} is damaged: it holds rows that belong to nothing")

    def _value(self, db: sqlite3.Connection, key: Key, text: str, check: str) -> Any:
        """Return a result whose digests are those that were written."""
        self._checkseal(key, text, check)
        arrays = {}
        if '"digest"' in text:
            query = "SELECT name, data FROM arrays WHERE key = ?"
            arrays = dict(db.execute(query, (key.digest,)))
        try:
            return decode(text, arrays)
        except (ValueError, TypeError) as error:
            raise self._distrust(key, str(error)) from error

    def _checkseal(self, key: Key, text: str, check: str) -> None:
        if not text.isascii() or seal(key, text) != check:
            raise self._distrust(key, "its digest does not match")

    def _distrust(self, key: Key, reason: str) -> StoreError:
        return StoreError(
            f"{self.path} is damaged: the result of {key.text}, replicate {key.replicate}, "
            f"cannot be trusted ({reason}). {_REMEDY}"
        )

    @contextmanager
    def _reading(self, *, trusted: bool = True) -> Iterator[sqlite3.Connection]:
        """Open a connection that sees the store as it is at one moment, and changes nothing.

        Until the file is trusted, not even the log that a killed process left is folded into it.
        """
        if self.path is None:
            yield self._memory
            return
        file = self._file
        if trusted and os.access(file, os.W_OK) and os.access(file.parent, os.W_OK):
            mode = "mode=rw"
        elif self._has_log():
            mode = "mode=ro"
        else:
            mode = "immutable=1"  # no log: nobody writes, and no file has to be made beside it
        with self._explained(), closing(connect(file, mode)) as db:
            db.execute("PRAGMA query_only = 1")
            db.execute("BEGIN")
            yield db

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors of SQLite into sentences."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorname", "") or ""
            text = str(error)
            if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
                raise OSError(
                    errno.ENOSPC,
                    f"cannot write to the store ({text}); all results stored before are kept: "
                    "make room and run the same sweep again",
                    str(self.path),
                ) from error
            if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
                raise PermissionError(
                    errno.EACCES,
                    f"cannot open the store ({text}); it and its folder must be writable",
                    str(self.path),
                ) from error
            if code.startswith("SQLITE_BUSY"):
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f"the store was locked by another process for {database.BUSY:g} seconds; "
                    "run the same sweep again",
                    str(self.path),
                ) from error
            raise StoreError(f"{self.path} is damaged: {text}. {_REMEDY}") from error

    @cached_property
    def _memory(self) -> sqlite3.Connection:
        db = connect(None, "")
        weakref.finalize(self, db.close)
        for statement in TABLES.values():
            db.execute(statement)
        return db
