"""What tells one task of a sweep from another: its name, its source, and what it holds.

A store belongs to the task of one name. Two functions may have one name: a function that was
changed, two lambdas, closures over unlike values, methods of unlike objects. Their sources differ,
or what they hold: values of a closure, defaults, attributes of an object, as far as these are made
of numbers, strings, arrays, containers and functions. A digest of both says so. One function, and
one object, stays one task within a process, whatever it writes down in what it holds.

>>> def scaled(k):
...     return lambda x: k * x
>>> two, three = scaled(2), scaled(3)
>>> task_name(two) == task_name(three), source_of(two) == source_of(three)
(True, False)
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import sys
import textwrap
import warnings
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from rmtland.sweep.grid import canonical

__all__ = ["compare_source", "source_of", "task_name"]

_DEEPEST, _MOST = 12, 100_000
"""Levels of containers and attributes that are looked at, and values in all."""

_SEEN: dict[tuple[int, int], tuple[weakref.ref[Any], str]] = {}
"""Digests of tasks as they were when this process saw them first, by owner and function."""


def task_name(task: Callable[..., object]) -> str:
    """Return what a task is called in a store: module, name, and bound arguments.

    Parameters
    ----------
    task : callable
        A function or a `functools.partial` of one.

    Returns
    -------
    str
        Such as "module:function".
    """
    if isinstance(task, functools.partial):
        arguments = [canonical("of the task", value) for value in task.args]
        named = {name: canonical(name, value) for name, value in sorted(task.keywords.items())}
        return f"{task_name(task.func)}{json.dumps([arguments, named])}"
    module = getattr(task, "__module__", None) or type(task).__module__
    name = getattr(task, "__qualname__", None) or type(task).__qualname__
    if module == "__main__":  # the same script, run or imported
        main = sys.modules["__main__"]
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        module = spec.name if spec else Path(file).stem if file else module
    return f"{module}:{name}"


def source_of(task: Callable[..., object]) -> str:
    """Return digests of the code of a task and of what it holds.

    Parameters
    ----------
    task : callable
        Any.

    Returns
    -------
    str
        A digest of the source without comments and docstring, or, of lambdas and where there is
        none, of the compiled code, with the version of Python before it; empty where there is
        neither. Behind a "+" one of what the task holds, where it holds anything.
    """
    while isinstance(task, functools.partial):
        task = task.func
    owner, function = getattr(task, "__self__", task), _function(task)
    before = _SEEN.get((id(owner), id(function)))
    if before is not None and before[0]() is owner:
        return before[1]
    source, held = _code(function), _held(task)
    found = source if held is None else f"{source}+{_digest(held)}"
    with suppress(TypeError):  # objects of some types have no weak references
        _SEEN[id(owner), id(function)] = weakref.ref(owner), found
    return found


def compare_source(name: str, before: str, now: str) -> None:
    """Warn where the task of a store has changed.

    Parameters
    ----------
    name : str
        Of the task.
    before, now : str
        What `source_of` said; what only one of them knows is not compared.

    Warns
    -----
    UserWarning
        If the source, or what the task holds, is not what it was.
    """
    (old, _, held_then), (new, _, held_now) = before.partition("+"), now.partition("+")
    comparable = old.partition(":")[0] == new.partition(":")[0] or ":" not in old + new
    what = ""
    if old and new and comparable and old != new:
        what = f"the source of the task {name} has changed"
    elif held_then and held_now and held_then != held_now:
        what = f"what the task {name} holds (closure, defaults or attributes) has changed"
    if what:
        warnings.warn(
            f"{what} since the store was made; results that are there are kept: give another file "
            "if the change matters",
            UserWarning,
            stacklevel=3,
        )


def _function(task: Any) -> Any:
    """Return the function that a method or a callable object calls."""
    if isinstance(task, MethodType):
        return task.__func__
    own = vars(type(task)).get("__call__")
    return own if isinstance(own, FunctionType) else task


def _code(function: Any) -> str:
    """Return a digest of the source of a function, or of its compiled code."""
    found = getattr(function, "__code__", None)
    code = found if isinstance(found, CodeType) else None
    if code is None or code.co_name != "<lambda>":  # of several on a line none is known
        try:
            text = inspect.getsource(function if code is None else code)
            tree = ast.parse(textwrap.dedent(text))
            body = tree.body[0]
            if isinstance(body, ast.FunctionDef) and ast.get_docstring(body) is not None:
                body.body = body.body[1:] or [ast.Pass()]
            return _digest(ast.unparse(tree))
        except (OSError, TypeError, SyntaxError):
            pass
    return "" if code is None else f"{sys.implementation.cache_tag}:{_digest(_compiled(code))}"


def _compiled(code: CodeType) -> str:
    constants = [
        _compiled(value) if isinstance(value, CodeType) else repr(value) for value in code.co_consts
    ]
    return repr((code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars))


def _held(task: Any) -> str | None:
    """Return what a task holds besides its code, in words; None where that is nothing."""
    function, read = _function(task), _Reader()
    parts: dict[str, object] = _closed_over(function)
    for name in ("__defaults__", "__kwdefaults__"):
        parts[name] = getattr(function, name, None)
    parts["__self__"] = task if function is not task else None
    if isinstance(task, MethodType):
        parts["__self__"] = task.__self__
    found = {
        name: read(value, (task,) if value is not task else ())
        for name, value in sorted(parts.items())
        if value is not None and not isinstance(value, type | ModuleType)
    }
    return repr(found) if found else None


def _closed_over(function: Any) -> dict[str, object]:
    """Return the values of a closure by name, but those not yet made."""
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    found: dict[str, object] = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        with suppress(ValueError):  # empty
            found[name] = cell.cell_contents
    return found


class _Reader:
    """Values in words that are the same in every process; of what has none, the type."""

    def __init__(self) -> None:
        self.left = _MOST

    def __call__(self, value: Any, above: tuple[object, ...]) -> str:
        """Return a value within others in words."""
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        self.left -= 1
        if isinstance(value, int):
            return f"{kind} {hex(value)}"
        if value is None or isinstance(value, float | complex | str | bytes):
            return repr(value)
        if self.left < 0 or len(above) > _DEEPEST or any(value is one for one in above):
            return kind
        above = (*above, value)
        if isinstance(value, np.ndarray | np.generic):
            content = b"" if value.dtype.hasobject else value.tobytes()
            return f"{value.dtype} {value.shape} {_digest(content)}"
        if isinstance(value, list | tuple):
            return f"{kind}{[self(one, above) for one in value]}"
        if isinstance(value, set | frozenset):
            return f"{kind}{sorted(self(one, above) for one in value)}"
        if isinstance(value, Mapping):
            pairs = [(self(key, above), self(one, above)) for key, one in value.items()]
            return f"{kind}{sorted(pairs)}"
        if isinstance(value, FunctionType):
            return f"{_code(value)}{self(_closed_over(value), above)}"
        if isinstance(value, type | ModuleType):
            return f"{kind} {getattr(value, '__module__', '')}.{value.__name__}"
        return f"{kind}{self(_attributes(value), above)}"


def _attributes(value: Any) -> dict[str, object]:
    """Return the attributes of an object by name, but for what was computed from the others."""
    if is_dataclass(value):
        return {one.name: getattr(value, one.name, None) for one in fields(value)}
    return {
        name: one
        for name, one in getattr(value, "__dict__", {}).items()
        if not isinstance(getattr(type(value), name, None), functools.cached_property)
    }


def _digest(content: str | bytes) -> str:
    content = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.blake2b(content, digest_size=16).hexdigest()
