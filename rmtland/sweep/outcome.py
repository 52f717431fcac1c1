"""What becomes of a task: a result in canonical bytes, or an error that is data too.

`attempt` runs where the task runs, in this process or in a worker. It never raises what the task
raises: an exception comes back as a `Failed` that can be stored. What a task returns is checked
and turned into JSON and blobs there as well, so that only plain bytes travel: floats by the
shortest digits that read back to the same number (NaN and infinities by name), arrays as
little-endian blobs with shape, dtype and BLAKE2b digest.

>>> done = attempt(lambda phi: {"index": phi / 2}, {"phi": 0.5}, None, None)
>>> done.text
'{"index": 0.25}'
>>> attempt(lambda phi: 1 / 0, {"phi": 0.5}, None, None).type
'ZeroDivisionError'
>>> decode(*encode({"mean": np.nan, "nodes": [1.0, 2.0]}))
{'mean': nan, 'nodes': array([1., 2.])}
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from rmtland.typing import NumpyArray, Record

__all__ = [
    "Done",
    "Failed",
    "UnloadableTask",
    "attempt",
    "decode",
    "encode",
    "limit_threads",
    "limited",
    "load_task",
]

Task = Callable[..., object]

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


_LARGEST = 999_000_000  # what SQLite takes in one cell, and room for the rest of the row


@dataclass(frozen=True)
class Done:
    """A result: JSON with a description of each array, the bytes of the arrays, and the time."""

    text: str
    arrays: dict[str, bytes]
    seconds: float


@dataclass(frozen=True)
class Failed:
    """An error of the task: its type, message and traceback as text, and the time."""

    type: str
    message: str
    traceback: str
    seconds: float


@dataclass(frozen=True)
class UnloadableTask:
    """A worker cannot even load the task, which ends the sweep."""

    message: str


def attempt(
    task: Task | bytes,
    parameters: Mapping[str, object],
    seed: np.random.SeedSequence | None,
    threads: int | None,
) -> Done | Failed | UnloadableTask:
    """Call a task (or a pickled one) and return what became of it.

    Parameters
    ----------
    task : callable or bytes
        The task, or pickled.
    parameters : mapping
        Its arguments.
    seed : numpy.random.SeedSequence or None
        Given as the argument `seed` if there is one.
    threads : int or None
        Limit of the threads of BLAS, OpenMP and numba.

    Returns
    -------
    Done, Failed or UnloadableTask
        Never what the task raises, but for Ctrl-C in the main thread of this process.
    """
    if threads is not None:
        limit_threads(threads)
    if isinstance(task, bytes):
        try:
            task = load_task(task)
        except BaseException as error:  # a module may call exit
            _leave_to_caller(error)
            return UnloadableTask(f"{_kind(error)}: {_message(error)}")
    given = dict(parameters) if seed is None else {**parameters, "seed": seed}
    start = time.perf_counter()
    try:
        text, arrays = encode(task(**given))
    except BaseException as error:
        _leave_to_caller(error)
        seconds = time.perf_counter() - start
        return Failed(_kind(error), _message(error), _trace(error), seconds)
    return Done(text, arrays, time.perf_counter() - start)


def _leave_to_caller(error: BaseException) -> None:
    """Raise Ctrl-C again where it reaches this thread: workers leave it to their parent."""
    main = threading.current_thread() is threading.main_thread()
    # not isinstance, which asks the error itself for its class
    interrupt = issubclass(type(error), KeyboardInterrupt)
    if interrupt and main and multiprocessing.parent_process() is None:
        raise error


def _kind(error: BaseException) -> str:
    """Return the name of an error's class, whatever its metaclass does."""
    name: str = type.__dict__["__name__"].__get__(type(error))
    return _plain(name)


def _message(error: BaseException) -> str:
    """Return the text of an error, whatever its `__str__` does."""
    try:
        return _plain(str(error))
    except BaseException as second:
        _leave_to_caller(second)
        return f"(its message cannot be read: {_kind(second)})"


def _trace(error: BaseException) -> str:
    try:
        return _plain("".join(traceback.format_exception(error)))
    except BaseException as second:
        _leave_to_caller(second)
        return f"(its traceback cannot be read: {_kind(second)})"


@lru_cache(maxsize=8)
def load_task(pickled: bytes) -> Task:
    """Unpickle a task once for a worker."""
    task: Task = pickle.loads(pickled)
    return task


def encode(value: object) -> tuple[str, dict[str, bytes]]:
    """Return what a task returned as JSON and blobs; a value without a name is named "".

    Raises
    ------
    TypeError
        If it is not a number, a string, None, a real array, or a dict of those by names that UTF-8
        holds.
    """
    if isinstance(value, Mapping):
        for name in value:
            if not (isinstance(name, str) and name):
                raise TypeError(f"the names of a result must be non-empty strings; got {name!r}")
            if name != _plain(name):
                raise TypeError(
                    f"the names of a result must be text that UTF-8 holds; got {name!r}"
                )
        named = {str(name): value[name] for name in sorted(value)}
    else:
        named = {"": value}
    entries: Record = {}
    arrays: dict[str, bytes] = {}
    for name, item in named.items():
        plain = _scalar(item)
        if isinstance(plain, np.ndarray):
            data = plain.tobytes()
            entries[name] = {
                "dtype": plain.dtype.str,
                "shape": list(plain.shape),
                "digest": digest(data),
            }
            arrays[name] = data
        else:
            entries[name] = plain
    text = json.dumps(entries)
    size = max(len(text), *map(len, arrays.values()), 0)
    if size > _LARGEST:
        raise ValueError(f"a result takes {size} bytes in one piece; a store holds {_LARGEST}")
    return text, arrays


def decode(text: str, arrays: Mapping[str, bytes]) -> Any:
    """Return what `encode` was given; arrays are read-only.

    Raises
    ------
    ValueError
        If the bytes of an array are missing or not those that were written.
    """
    entries = json.loads(text)
    named: Record = {}
    for name, entry in entries.items():
        if isinstance(entry, dict):
            data = arrays.get(name)
            if data is None or digest(data) != entry["digest"]:
                raise ValueError(f"the array {name or 'value'} is not what was written")
            array = np.frombuffer(data, dtype=entry["dtype"]).reshape(entry["shape"])
            named[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
            named[name].flags.writeable = False
        else:
            named[name] = entry
    return named[""] if list(named) == [""] else named


def digest(*parts: bytes) -> str:
    """Return a BLAKE2b digest of some bytes, 32 hexadecimal digits."""
    made = hashlib.blake2b(digest_size=16)
    for part in parts:
        made.update(len(part).to_bytes(8, "little"))
        made.update(part)
    return made.hexdigest()


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """Limit BLAS, OpenMP and numba to `threads` in this process, and undo it."""
    if threads is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in _THREADS}
    numba = sys.modules.get("numba")
    pool = numba.get_num_threads() if numba else None
    with threadpool_limits(limits=threads):
        limit_threads(threads)
        try:
            yield
        finally:
            _state.limit = None
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            if numba:
                numba.set_num_threads(pool)


_state = threading.local()  # numba counts its threads for each thread of Python


def limit_threads(threads: int) -> None:
    """Limit the threads of what is loaded, and by environment of what will be."""
    # A module loaded since the last task may have brought its own BLAS.
    if getattr(_state, "limit", None) == (threads, len(sys.modules)):
        return
    from threadpoolctl import threadpool_limits

    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    # Numba refuses another value of its variable once its threads run.
    if multiprocessing.parent_process() is not None and not _numba_loaded():
        os.environ["NUMBA_NUM_THREADS"] = str(threads)
    threadpool_limits(limits=threads)
    if _numba_loaded():
        numba = sys.modules["numba"]
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    _state.limit = (threads, len(sys.modules))


def _numba_loaded() -> bool:
    return hasattr(sys.modules.get("numba"), "set_num_threads")


def _scalar(value: object) -> object:
    """Return a scalar as a plain Python value, anything array-like as a little-endian array."""
    if value is None or isinstance(value, bool | str):
        return str.__str__(value) if isinstance(value, str) else value
    if isinstance(value, int) and not isinstance(value, np.generic):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return _array(value)


def _array(value: object) -> NumpyArray | float | int | bool:
    if np.ma.isMaskedArray(value):
        raise TypeError("a task must not return a masked array: fill it, or return the mask too")
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        kind = type(value).__name__
        raise TypeError(
            "a task must return a real number, a string, None, a real array of at most 64 bits, "
            f"or a dict of those; got {kind} of dtype {array.dtype}"
        )
    if array.ndim == 0:
        plain: float | int | bool = array.item()
        return plain
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _plain(text: str) -> str:
    """Return text that UTF-8 can hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
