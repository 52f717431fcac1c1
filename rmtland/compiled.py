"""Compiled kernels (numba): one place that decides where they are cached and when they use threads.

`compiled` is `numba.njit` with a cache on disk, so that only the first process that needs a kernel
compiles it. Numba refuses a cache where it can write neither beside the source nor in the user's
cache folder (a container with a read-only file system); kernels are then kept in a private folder
of the system's temporary one, and where there is none of that either, each process compiles anew.
Set NUMBA_CACHE_DIR to choose the folder.

`parallel_kernel` compiles for several threads. It runs on one thread where several are not safe:
in a process that was forked, as GNU OpenMP ends or hangs there; and one call at a time, as numba's
own thread pool (the layer "workqueue") ends the process where two threads enter it together.

Examples
--------
>>> import numpy as np
>>> @compiled(error_model="numpy")
... def total(x):
...     sum = 0.0
...     for value in x:
...         sum += value
...     return sum
>>> total(np.arange(4.0))
6.0
"""

from __future__ import annotations

import functools
import os
import pickle
import stat
import tempfile
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import numba

from rmtland.typing import Record

__all__ = ["Options", "compiled", "parallel_kernel"]

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")


class Options(TypedDict, total=False):
    """Options of `numba.njit` that kernels take."""

    error_model: str
    fastmath: bool | set[str]
    nogil: bool
    parallel: bool


def compiled(
    *, inner: bool = False, inline: str = "never", **options: Unpack[Options]
) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Return a decorator that compiles a kernel and caches it where it can.

    Parameters
    ----------
    inner : bool
        For other kernels alone: without a way in from Python, which is up to a fifth of the time to
        compile a room of kernels. Calls from Python raise TypeError.
    inline : {"never", "always"}
        Whether its statements are compiled in the place of its calls.
    **options
        Those of `numba.njit`, without `cache`.

    Returns
    -------
    callable
        Turns a function into its compiled version.
    """
    # No kernel is handed to C
    chosen: Record = {
        **options,
        "inline": inline,
        "no_cpython_wrapper": inner,
        "no_cfunc_wrapper": True,
    }

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        try:
            made = _with_cache(function, chosen)
        except RuntimeError:  # no place that numba may write to
            made = _with_temporary_cache(function, chosen)
        if inner:
            _refuse_python(made)
        return made

    return decorate


def parallel_kernel(function: F, **options: Unpack[Options]) -> F:
    """Compile a kernel that runs on several threads where that is safe, else on one.

    Parameters
    ----------
    function : callable
        With `numba.prange` in its loops; it writes its results into arrays.
    **options
        As for `compiled`; `nogil` is left out for the parallel version.

    Returns
    -------
    callable
        Called from Python only.
    """
    changed: Options = {**options, "parallel": True, "nogil": False}
    several = compiled(**changed)(_renamed(function))
    one = compiled(**options)(function)

    @functools.wraps(function)
    def call(*arrays: object) -> None:
        if _process.forked:
            one(*arrays)
            return
        with _process.one_at_a_time:
            several(*arrays)

    return call  # type: ignore[return-value]


def _renamed(function: F) -> F:
    """Return a copy with a name of its own: numba's cache tells kernels apart by nothing else."""
    copy = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__module__ = function.__module__
    copy.__qualname__ = f"{function.__qualname__}_parallel"
    return copy  # type: ignore[return-value]


class _Process:
    """What parallel kernels must know of the process they run in."""

    def __init__(self, *, forked: bool = False) -> None:
        self.forked = forked
        self.one_at_a_time = threading.Lock()


_process = _Process()


def _after_fork() -> None:
    global _process
    _process = _Process(forked=True)  # another thread may have held the lock of the parent


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _refuse_python(made: Any) -> None:
    """Let calls from Python raise: numba would call what was not made, which ends the process."""

    def refuse(*_: object, **__: object) -> None:
        raise TypeError(f"{made.__name__} is compiled for other kernels; Python cannot call it")

    made._insert = lambda *_: None  # nothing is found among the ways in from Python, ...
    made._compile_for_args = refuse  # ... and none is made


def _with_cache(function: Callable[..., T], options: Record) -> Callable[..., T]:
    """Compile with numba's cache; what another version of rmtland left there is no obstacle.

    Signatures in a cache name the classes of tuples. Numba reads them before it looks whether they
    belong to this source, and fails where a class has moved since.
    """
    made: Callable[..., T] = numba.njit(cache=True, **options)(function)
    file = getattr(getattr(made, "_cache", None), "_cache_file", None)
    load = getattr(file, "_load_index", None)
    if file is None or load is None:
        return made

    def load_index() -> object:
        try:
            return load()
        except (AttributeError, ImportError, EOFError, pickle.UnpicklingError):
            return {}

    file._load_index = load_index
    return made


def _with_temporary_cache(function: Callable[..., T], options: Record) -> Callable[..., T]:
    config: Any = numba.config
    before = config.CACHE_DIR
    folder = _private_folder()
    if folder is not None:
        config.CACHE_DIR = str(folder)
        try:
            return _with_cache(function, options)
        except RuntimeError:
            pass
        finally:
            config.CACHE_DIR = before
    made: Callable[..., T] = numba.njit(**options)(function)
    return made


def _private_folder() -> Path | None:
    """Return a folder for temporary files that nobody else may write to; None if there is none."""
    try:
        folder = Path(tempfile.gettempdir()) / f"rmtland-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except (OSError, AttributeError):  # nothing is writable; no user ids on this system
        return None
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    return folder if private and found.st_uid == os.getuid() else None
