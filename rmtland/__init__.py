"""Random-matrix theory for the loss surfaces of neural networks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmtland.free import FreeLevy as FreeLevy
    from rmtland.free import free_sum as free_sum
    from rmtland.laws import Law as Law
    from rmtland.laws import MarchenkoPastur as MarchenkoPastur
    from rmtland.laws import Semicircle as Semicircle

_HOME = {
    "FreeLevy": "rmtland.free",
    "Law": "rmtland.laws",
    "MarchenkoPastur": "rmtland.laws",
    "Semicircle": "rmtland.laws",
    "free_sum": "rmtland.free",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'rmtland' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
