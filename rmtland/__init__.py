"""Random-matrix theory for the loss surfaces of neural networks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmtland.comparison import Comparison as Comparison
    from rmtland.comparison import Fit as Fit
    from rmtland.comparison import compare as compare
    from rmtland.comparison import fit as fit
    from rmtland.free import DeconvolvedLaw as DeconvolvedLaw
    from rmtland.free import FreeLevy as FreeLevy
    from rmtland.free import free_compression as free_compression
    from rmtland.free import free_deconvolution as free_deconvolution
    from rmtland.free import free_power as free_power
    from rmtland.free import free_product as free_product
    from rmtland.free import free_sum as free_sum
    from rmtland.free import general_marchenko_pastur as general_marchenko_pastur
    from rmtland.free import spiked as spiked
    from rmtland.laws import Affine as Affine
    from rmtland.laws import Arcsine as Arcsine
    from rmtland.laws import Discrete as Discrete
    from rmtland.laws import EmpiricalLaw as EmpiricalLaw
    from rmtland.laws import FreeMeixner as FreeMeixner
    from rmtland.laws import FreePoisson as FreePoisson
    from rmtland.laws import FussCatalan as FussCatalan
    from rmtland.laws import JacobiWeight as JacobiWeight
    from rmtland.laws import KestenMcKay as KestenMcKay
    from rmtland.laws import Law as Law
    from rmtland.laws import LevyTriplet as LevyTriplet
    from rmtland.laws import MarchenkoPastur as MarchenkoPastur
    from rmtland.laws import Mixture as Mixture
    from rmtland.laws import Semicircle as Semicircle
    from rmtland.laws import TracyWidom as TracyWidom
    from rmtland.laws import Uniform as Uniform
    from rmtland.laws import Wachter as Wachter
    from rmtland.laws import affine as affine
    from rmtland.laws import mixture as mixture
    from rmtland.models import HessianModel as HessianModel
    from rmtland.models import WishartPlusReluBlock as WishartPlusReluBlock
    from rmtland.models import WishartPlusWigner as WishartPlusWigner
    from rmtland.networks import MLP as MLP
    from rmtland.spectrum import Spectrum as Spectrum

_HOME = {
    "Affine": "rmtland.laws",
    "Arcsine": "rmtland.laws",
    "Comparison": "rmtland.comparison",
    "DeconvolvedLaw": "rmtland.free",
    "Discrete": "rmtland.laws",
    "EmpiricalLaw": "rmtland.laws",
    "Fit": "rmtland.comparison",
    "FreeLevy": "rmtland.free",
    "FreeMeixner": "rmtland.laws",
    "FreePoisson": "rmtland.laws",
    "FussCatalan": "rmtland.laws",
    "HessianModel": "rmtland.models",
    "JacobiWeight": "rmtland.laws",
    "KestenMcKay": "rmtland.laws",
    "Law": "rmtland.laws",
    "LevyTriplet": "rmtland.laws",
    "MLP": "rmtland.networks",
    "MarchenkoPastur": "rmtland.laws",
    "Mixture": "rmtland.laws",
    "Semicircle": "rmtland.laws",
    "Spectrum": "rmtland.spectrum",
    "TracyWidom": "rmtland.laws",
    "Uniform": "rmtland.laws",
    "Wachter": "rmtland.laws",
    "WishartPlusReluBlock": "rmtland.models",
    "WishartPlusWigner": "rmtland.models",
    "affine": "rmtland.laws",
    "compare": "rmtland.comparison",
    "fit": "rmtland.comparison",
    "free_compression": "rmtland.free",
    "free_deconvolution": "rmtland.free",
    "free_power": "rmtland.free",
    "free_product": "rmtland.free",
    "free_sum": "rmtland.free",
    "general_marchenko_pastur": "rmtland.free",
    "mixture": "rmtland.laws",
    "spiked": "rmtland.free",
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
