"""A property that is computed at its first use and then kept in the instance.

It is `functools.cached_property` without the lock that Python 3.11 takes at each first use, which
costs a small network a tenth of its time. Two threads may compute it both; what it returns must be
the same then.

>>> class Circle:
...     @computed_once
...     def area(self):
...         print("computing")
...         return 3.0
>>> circle = Circle()
>>> circle.area, circle.area
computing
(3.0, 3.0)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

__all__ = ["computed_once"]

T = TypeVar("T")


class computed_once(Generic[T]):
    """Decorator of a method without arguments."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object, owner: type) -> T | Self:
        """Compute and keep; the next look-up finds what is kept and does not come here."""
        if instance is None:
            return self
        value = self.function(instance)
        instance.__dict__[self.name] = value
        return value
