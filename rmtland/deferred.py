"""Kernels that Python interprets until compiling them pays: a short first call in a new process.

Importing numba takes a third of a second, and compiling a room of kernels several; a density at a
few thousand points takes Python itself a tenth of that. A `Kernel` therefore runs as the plain
function that it is while little is asked of it, and is compiled, for good, once its calls have
cost as much as `BUDGET`, or one call would. Python runs the same statements in the same order as
the compiled kernel: results are equal within rounding. Where Python raises and a compiled kernel
goes on with an infinity or NaN, the kernel is compiled at once and decides.

The environment variable RMTLAND_KERNELS chooses one of the two for a whole process: "compiled"
compiles at the first call, "interpreted" never for cost.

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
import math
import os
import threading
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from rmtland.compiled import Options

__all__ = [
    "BUDGET",
    "Kernel",
    "compile_at_first_call",
    "inlined",
    "inner",
    "kernel",
    "kernel_threads",
]

BUDGET = 15_000
"""Cost up to which kernels are interpreted in a process: about half a second."""

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")

Forms = dict[types.FunctionType, Callable[..., Any]]
"""Functions and what they were compiled to; each has its own arguments and results."""

_OPTIONS: Options = {"error_model": "numpy", "fastmath": False, "nogil": True}


class _Spending:
    """What interpreted kernels have cost in this process."""

    def __init__(self, left: float) -> None:
        self.left = left

    def allows(self, cost: float) -> bool:
        """Whether so much is left; it is taken."""
        self.left -= cost
        return self.left >= 0


def _budget(choice: str) -> float:
    """Return the budget that a value of RMTLAND_KERNELS stands for."""
    budgets = {"": BUDGET, "compiled": 0.0, "interpreted": math.inf}
    if choice not in budgets:
        raise ValueError(
            f'RMTLAND_KERNELS must be "compiled", "interpreted" or unset; got "{choice}"'
        )
    return budgets[choice]


_spending = _Spending(_budget(os.environ.get("RMTLAND_KERNELS", "")))
_lock = threading.RLock()
_inner: set[Callable[..., object]] = set()
_inlined: set[Callable[..., object]] = set()
_compiled: Forms = {}


class Kernel:
    """A function that is interpreted while that is cheap, and compiled from then on.

    Parameters
    ----------
    function : callable
        The kernel in the subset of Python that numba compiles; it writes to no argument.
    cost : callable
        Arguments -> what a call costs, in units of about 40 microseconds of Python.
    """

    def __init__(self, function: types.FunctionType, cost: Callable[..., float]) -> None:
        functools.update_wrapper(self, function)
        self.function, self._cost = function, cost

    def __call__(self, *arguments: object) -> Any:
        """Run the kernel."""
        compiled = _compiled.get(self.function)
        if compiled is None:
            if _spending.allows(self._cost(*arguments)):
                try:
                    with np.errstate(divide="raise", over="raise", invalid="raise"):
                        return self.function(*arguments)
                except (ArithmeticError, ValueError):
                    pass  # compiled, it goes on with an infinity or NaN
            compiled = _compiled_form(self.function)
        return compiled(*arguments)


def kernel(*, cost: Callable[..., float]) -> Callable[[Callable[..., T]], Callable[..., T]]:
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
    return lambda function: Kernel(function, cost)  # type: ignore[arg-type]


def inner(function: F) -> F:
    """Mark a function that only kernels call; it is compiled with them, and for them alone.

    Parameters
    ----------
    function : callable
        The function.

    Returns
    -------
    callable
        The function itself.
    """
    _inner.add(function)
    return function


def inlined(function: F) -> F:
    """Mark an inner function whose statements are compiled in the place of its calls.

    For what is called at every point of a loop: a call passes each array as its seven fields.

    Parameters
    ----------
    function : callable
        The function.

    Returns
    -------
    callable
        The function itself.
    """
    _inlined.add(function)
    return inner(function)


def compile_at_first_call() -> None:
    """Compile every kernel at its first call from now on, as in a process that computes much.

    For a server, whose later answers are not to wait for a compiler. Kernels that the environment
    variable RMTLAND_KERNELS says to interpret are interpreted all the same.
    """
    if _spending.left < math.inf:
        _spending.left = 0.0


def kernel_threads() -> int:
    """Return how many threads kernels that release the GIL may use.

    Returns
    -------
    int
        The cores, or fewer where the environment's OMP_NUM_THREADS says so.
    """
    most, given = os.cpu_count() or 1, os.environ.get("OMP_NUM_THREADS", "")
    return min(most, int(given)) if given.isdigit() and int(given) else most


def _compiled_form(function: types.FunctionType) -> Callable[..., Any]:
    """Return the compiled version of a function, made with all that it calls or not at all."""
    with _lock:
        if function not in _compiled:
            made = dict(_compiled)
            _compile(function, made, {})
            _compiled.update(made)  # an interrupt before this leaves everything as it was
        return _compiled[function]


def _compile(
    function: types.FunctionType, made: Forms, rooms: dict[int, dict[str, object]]
) -> Callable[..., Any]:
    """Compile a function among the compiled forms of the kernels of its module.

    The module itself keeps what it has: Python calls kernels as ever, from any thread.
    """
    from rmtland.compiled import compiled  # numba loads when it is worth it

    if function in made:
        return made[function]
    names = function.__globals__
    room = rooms.setdefault(id(names), dict(names))
    copy = types.FunctionType(
        function.__code__, room, function.__name__, function.__defaults__, function.__closure__
    )
    inline = "always" if function in _inlined else "never"
    found = made[function] = compiled(inner=function in _inner, inline=inline, **_OPTIONS)(copy)
    for name, value in names.items():
        plain = value.function if isinstance(value, Kernel) else value
        if isinstance(plain, types.FunctionType) and (plain is not value or plain in _inner):
            room[name] = _compile(plain, made, rooms)
    return found
