"""Counts what a device would feel: operations, numbers that go to the host, or come from it.

array-api-strict's second device refuses implicit conversion to NumPy, but lets `float`, `bool` and
`int` pass, each of which waits for a device. Inside `counted_transfers()` all of them are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

SCALARS = ("__float__", "__bool__", "__int__", "__index__", "__complex__")
OPERATIONS = (
    "__add__",
    "__sub__",
    "__mul__",
    "__rmul__",
    "__truediv__",
    "__matmul__",
    "__iadd__",
    "__imul__",
    "__setitem__",
)


@dataclass
class Transfers:
    """Arrays that went to the host, numbers read one by one, arrays that came from NumPy.

    Operations are those of Python's operators.
    """

    to_host: int = 0
    scalars: int = 0
    from_host: int = 0
    operations: int = 0

    @property
    def waits(self) -> int:
        """How often the host waits for the device."""
        return self.to_host + self.scalars


@contextmanager
def counted_transfers() -> Iterator[Transfers]:
    """Count transfers between array-api-strict's devices and the host."""
    xp = pytest.importorskip("array_api_strict")
    kind, count = type(xp.ones(1)), Transfers()
    with pytest.MonkeyPatch.context() as patch:

        def through(name: str, field: str, place: object) -> None:
            function = getattr(place, name)

            def counting(*args, **kwargs):
                value = args[0] if args else None
                if field != "from_host" or isinstance(value, np.ndarray):
                    setattr(count, field, getattr(count, field) + 1)
                return function(*args, **kwargs)

            patch.setattr(place, name, counting)

        for name in SCALARS:
            through(name, "scalars", kind)
        for name in OPERATIONS:
            through(name, "operations", kind)
        through("__dlpack__", "to_host", kind)
        through("asarray", "from_host", xp)
        yield count
