"""Files that appear whole or not at all (atomic write), with the permissions a user expects.

What is written goes to a temporary name in the same folder, which takes the place of the target
when all of it is there: a process that is killed, a full disk or an error leave the old file as
it was. A new file gets the permissions that the process's umask allows, and a file that is
replaced keeps its own.

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     with atomic_write(Path(folder) / "numbers.txt") as stream:
...         _ = stream.write(b"1 2 3")
...     (Path(folder) / "numbers.txt").read_bytes()
b'1 2 3'
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["atomic_write", "check_folder", "check_target", "path_of"]


def path_of(name: str, value: object) -> Path:
    """Return a path, or say that what came is none: a number would name an open file.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : path-like
        What came.

    Returns
    -------
    Path
        The same.

    Raises
    ------
    TypeError
        If it is no path.
    """
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a path, a string or a Path; got {value!r}")
    return Path(value)


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """Open a binary stream whose content becomes the file `path` when the block ends.

    Where the block raises, nothing changes. A symbolic link is followed: the file it points to is
    replaced.

    Parameters
    ----------
    path : path-like
        The file to write; its folder must exist.
    overwrite : bool
        Replace a file of that name; otherwise the first of several writers wins.

    Yields
    ------
    stream
        Open for writing bytes; seekable.

    Raises
    ------
    FileExistsError
        If there is such a file and `overwrite` is False.
    OSError
        If the file cannot be written: no folder, no permission, disk full.
    ValueError
        If `path` is there but no ordinary file (a device, a pipe).
    TypeError
        If it is no path.
    """
    target = Path(os.path.realpath(path_of("path", path)))
    mode = check_target(target)
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.part")
    # The system takes the umask from the mode of a new file; nobody may read the new content of
    # a private file, not even before it has its name.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(part, flags, 0o666 if mode is None else 0o600)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        if mode is not None:
            os.chmod(part, mode)
        if overwrite:
            os.replace(part, target)
        else:
            _rename_new(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _rename_new(part: Path, target: Path) -> None:
    """Give a file its name unless that is taken."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise FileExistsError(f"{target} is there already") from None
    except OSError:  # a file system without links
        if target.exists():
            raise FileExistsError(f"{target} is there already") from None
        os.rename(part, target)
    else:
        part.unlink()


def check_target(path: str | os.PathLike[str]) -> int | None:
    """Return the permissions of the file that a write would replace; None where there is none.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    int or None
        Permission bits.

    Raises
    ------
    IsADirectoryError
        If `path` is a folder.
    ValueError
        If it is no ordinary file.
    TypeError
        If it is no path.
    """
    try:
        found = os.stat(path_of("path", path)).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found):
        raise IsADirectoryError(f"{os.fspath(path)} is a folder; give the name of a file")
    if not stat.S_ISREG(found):
        raise ValueError(f"{os.fspath(path)} is a device or a pipe; give the name of a file")
    return stat.S_IMODE(found)


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Refuse a folder that cannot be made or written to; nothing is left there.

    Call it before a long computation whose result goes into that folder.

    Parameters
    ----------
    folder : path-like
        The folder; it need not exist.

    Raises
    ------
    NotADirectoryError
        If it, or a folder that it lies in, is a file.
    PermissionError, OSError
        If no file can be made there.
    """
    path = path_of("folder", folder)
    for place in (path, *path.parents, *path.absolute().parents):
        if place.is_dir():
            break
        if place.exists() or place.is_symlink():
            raise NotADirectoryError(f"{place} is a file; give a folder")
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise type(error)(error.errno, f"cannot write in {place} ({error.strerror})") from None
