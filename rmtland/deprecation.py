"""Old names that work for one more version, with a DeprecationWarning that names the new one.

A module keeps old names by a `__getattr__` of its own, a class by `renamed_method`, a function
whose argument has a new name by `renamed_argument`.

How long old names work, and which there are, is in docs/deprecation.md; a test compares its table
with the code.

Examples
--------
>>> import warnings
>>> @renamed_argument("variance", "scale")
... def law(ratio, *, scale=1.0):
...     return ratio * scale
>>> with warnings.catch_warnings(record=True) as caught:
...     warnings.simplefilter("always")
...     law(2.0, variance=3.0)
6.0
>>> print(caught[0].message)
law: the argument 'variance' is now called 'scale'; the old name goes in the next version
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any, ParamSpec, TypeVar

__all__ = ["keyword_only", "moved_method", "old_names", "renamed_argument", "renamed_method"]

P = ParamSpec("P")
T = TypeVar("T")


def renamed_argument(old: str, new: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function take a keyword argument by its old name, with a warning.

    Parameters
    ----------
    old, new : str
        The old and the new name of the argument.

    Returns
    -------
    callable
        A decorator.

    Raises
    ------
    TypeError
        When the decorated function is called with both names.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            if old in kwargs:
                name = function.__qualname__.removesuffix(".__init__")
                if new in kwargs:
                    raise TypeError(f"{name}: give {new!r} only; {old!r} is its old name")
                _warn(
                    f"{name}: the argument {old!r} is now called {new!r}; "
                    "the old name goes in the next version",
                )
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapper

    return decorate


def keyword_only(name: str, position: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function take a keyword-only argument by its old position, with a warning.

    Parameters
    ----------
    name : str
        The argument.
    position : int
        Its old place among the positional arguments, `self` counted.

    Returns
    -------
    callable
        A decorator.

    Raises
    ------
    TypeError
        When the decorated function is called with the argument both ways, or with more positional
        arguments than it had.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            if len(args) == position + 1:
                called = function.__qualname__
                room = called.rpartition(".")[0]
                if room and not room.endswith("<locals>"):  # a method: of the user's class
                    called = f"{type(args[0]).__name__}.{function.__name__}"
                if name in kwargs:
                    raise TypeError(f"{called}: {name!r} is given twice")
                _warn(
                    f"{called}: write {name}=...; by position it is taken until the next version",
                )
                kwargs[name] = args[position]
                return function(*args[:position], **kwargs)  # type: ignore[arg-type]
            return function(*args, **kwargs)

        return wrapper

    return decorate


def renamed_method(old: str, new: str) -> property:
    """Return a property that gives the attribute `new` under its old name, with a warning.

    Parameters
    ----------
    old, new : str
        The old and the new name; the new one may be a method, a property or a field.

    Returns
    -------
    property
        To be assigned to the old name in the class.
    """

    def get(self: object) -> object:
        _warn(
            f"{type(self).__name__}.{old} is now called {new}; "
            "the old name goes in the next version",
        )
        return getattr(self, new)

    return property(get, doc=f"Old name of `{new}`.")


def moved_method(old: str, home: str) -> Callable[..., Any]:
    """Return a method that calls the function which has taken its place, with a warning.

    Parameters
    ----------
    old : str
        The name of the method.
    home : str
        "module:function"; it gets the object as its first argument.

    Returns
    -------
    callable
        To be assigned to the old name in the class.
    """
    module, name = home.split(":")

    def call(self: object, *arguments: object, **options: object) -> object:
        _warn(
            f"{type(self).__name__}.{old} is now the function {module}.{name}; "
            "the method goes in the next version",
        )
        return getattr(importlib.import_module(module), name)(self, *arguments, **options)

    call.__name__, call.__doc__ = old, f"Old form of `{module}.{name}`."
    return call


def old_names(module: str, homes: dict[str, str]) -> Callable[[str], Any]:
    """Return a module's `__getattr__` that finds old names where they are now.

    Parameters
    ----------
    module : str
        The module's `__name__`.
    homes : dict of str to str
        Old name -> "module:name" that replaces it.

    Returns
    -------
    callable
        To be assigned to `__getattr__` in the module.
    """

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, new = homes[name].split(":")
        _warn(
            f"{module}.{name} is now {home}.{new}; the old name goes in the next version",
        )
        return getattr(importlib.import_module(home), new)

    return find


def _warn(message: str) -> None:
    """Warn at the line outside of rmtland that uses the old name: Python shows that of a script."""
    frame: FrameType | None = sys._getframe()
    level = 0
    while frame is not None:
        name = frame.f_code.co_filename
        # frames of the import system are not counted by `warnings`
        level += not ("importlib" in name and "_bootstrap" in name)
        if not name.startswith((_PACKAGE, "<frozen importlib")):
            break
        frame = frame.f_back
    warnings.warn(message, DeprecationWarning, stacklevel=level)


_PACKAGE = os.path.join(os.path.dirname(__file__), "")
