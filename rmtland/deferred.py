"""Kernels that Python interprets until compiling them pays: a short first call in a new process.

Importing numba takes a third of a second, and compiling a room of kernels several; a density at a
few thousand points takes Python itself a tenth of that. A `Kernel` therefore runs as the plain
function that it is while little is asked of it, and is compiled, for good, once its calls have
cost as much as `BUDGET`, or one call would. Python runs the same statements in the same order as
the compiled kernel: results are equal within rounding. Where Python raises and a compiled kernel
goes on with an infinity or NaN, the kernel is compiled at once and decides.

The environment variable RMTLAND_KERNELS set to "compiled" compiles at the first call.

Synonyms: lazy compilation, just-in-time warm-up, cold start.

Examples
--------
>>> import numpy as np
>>> @kernel(cost=lambda x: x.size)
... def total(x):
...     sum = 0.0
...     for value in x:
...         sum += value
...     return float(sum)
>>> total(np.arange(4.0))
6.0
"""

from __future__ import annotations

import functools
import os
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["BUDGET", "Kernel", "inner", "kernel"]

BUDGET = 15_000
"""Cost up to which kernels are interpreted in a process: about half a second."""

_OPTIONS = {"error_model": "numpy", "fastmath": False, "nogil": True}


class _Spending:
    """What interpreted kernels have cost in this process."""

    def __init__(self, left: float) -> None:
        self.left = left

    def allows(self, cost: float) -> bool:
        """Whether so much is left; it is taken."""
        self.left -= cost
        return self.left >= 0


_spending = _Spending(0 if os.environ.get("RMTLAND_KERNELS") == "compiled" else BUDGET)
_lock = threading.RLock()
_compiled: dict[types.FunctionType, Any] = {}


class Kernel:
    """A function that is interpreted while that is cheap, and compiled from then on.

    Parameters
    ----------
    function : callable
        The kernel in the subset of Python that numba compiles; it writes to no argument.
    cost : callable
        Arguments -> what a call costs, in units of about 40 microseconds of Python.
    """

    def __init__(self, function: Any, cost: Callable[..., float]) -> None:
        functools.update_wrapper(self, function)
        self.function, self._cost = function, cost

    def __call__(self, *arguments: Any) -> Any:
        """Run the kernel."""
        if self.function not in _compiled and _spending.allows(self._cost(*arguments)):
            try:
                with np.errstate(divide="raise", over="raise", invalid="raise"):
                    return self.function(*arguments)
            except (ArithmeticError, ValueError):
                pass  # compiled, it goes on with an infinity or NaN
        return _compiled_form(self.function)(*arguments)


def kernel(*, cost: Callable[..., float]) -> Callable[[Any], Any]:
    """Return a decorator that makes a `Kernel`.

    Parameters
    ----------
    cost : callable
        Arguments -> what a call costs, in units of about 40 microseconds of Python.

    Returns
    -------
    callable
        Turns a function into its kernel.
    """
    return lambda function: Kernel(function, cost)


def inner(function: Any) -> Any:
    """Mark a function that only kernels call; it is compiled with them.

    Parameters
    ----------
    function : callable
        The function.

    Returns
    -------
    callable
        The function itself.
    """
    _compiled.setdefault(function, None)
    return function


def _compiled_form(function: Any) -> Any:
    """Return the compiled version of a function, and put those that it calls in their places."""
    with _lock:
        found = _compiled.get(function)
        if found is None:
            from rmtland.compiled import compiled  # numba loads when it is worth it

            found = _compiled[function] = compiled(**_OPTIONS)(function)
            _replace(function.__globals__)
        return found


def _replace(names: dict[str, Any]) -> None:
    """Replace kernels and inner functions among the names of a module by their compiled forms."""
    for name, value in list(names.items()):
        if isinstance(value, Kernel):
            names[name] = _compiled_form(value.function)
        elif isinstance(value, types.FunctionType) and value in _compiled:
            names[name] = _compiled_form(value)
