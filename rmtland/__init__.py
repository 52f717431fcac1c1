"""Random-matrix theory for the loss surfaces of neural networks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmtland.comparison import Comparison as Comparison
    from rmtland.comparison import Fit as Fit
    from rmtland.comparison import compare as compare
    from rmtland.comparison import fit as fit
    from rmtland.free import FreeLevy as FreeLevy
    from rmtland.free import free_power as free_power
    from rmtland.free import free_product as free_product
    from rmtland.free import free_sum as free_sum
    from rmtland.laws import Law as Law
    from rmtland.laws import LevyTriplet as LevyTriplet
    from rmtland.laws import MarchenkoPastur as MarchenkoPastur
    from rmtland.laws import Semicircle as Semicircle
    from rmtland.models import HessianModel as HessianModel
    from rmtland.models import WishartPlusReluBlock as WishartPlusReluBlock
    from rmtland.models import WishartPlusWigner as WishartPlusWigner
    from rmtland.networks import MLP as MLP
    from rmtland.spectrum import Spectrum as Spectrum

_HOME = {
    "Comparison": "rmtland.comparison",
    "Fit": "rmtland.comparison",
    "FreeLevy": "rmtland.free",
    "HessianModel": "rmtland.models",
    "Law": "rmtland.laws",
    "LevyTriplet": "rmtland.laws",
    "MLP": "rmtland.networks",
    "MarchenkoPastur": "rmtland.laws",
    "Semicircle": "rmtland.laws",
    "Spectrum": "rmtland.spectrum",
    "WishartPlusReluBlock": "rmtland.models",
    "WishartPlusWigner": "rmtland.models",
    "compare": "rmtland.comparison",
    "fit": "rmtland.comparison",
    "free_power": "rmtland.free",
    "free_product": "rmtland.free",
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
