"""Random-matrix theory for the loss surfaces of neural networks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmtland.comparison import Comparison as Comparison
    from rmtland.comparison import Fit as Fit
    from rmtland.comparison import compare as compare
    from rmtland.comparison import fit as fit
    from rmtland.ensembles import DeformedWigner as DeformedWigner
    from rmtland.ensembles import Ensemble as Ensemble
    from rmtland.ensembles import GaussianEnsemble as GaussianEnsemble
    from rmtland.ensembles import HaarProduct as HaarProduct
    from rmtland.ensembles import HaarSum as HaarSum
    from rmtland.ensembles import JacobiEnsemble as JacobiEnsemble
    from rmtland.ensembles import ReluResidual as ReluResidual
    from rmtland.ensembles import SampleCovariance as SampleCovariance
    from rmtland.ensembles import SpikedEnsemble as SpikedEnsemble
    from rmtland.ensembles import TridiagonalEnsemble as TridiagonalEnsemble
    from rmtland.ensembles import Wigner as Wigner
    from rmtland.ensembles import WishartEnsemble as WishartEnsemble
    from rmtland.free import Circular as Circular
    from rmtland.free import DeconvolvedLaw as DeconvolvedLaw
    from rmtland.free import FreeLevy as FreeLevy
    from rmtland.free import free_compression as free_compression
    from rmtland.free import free_deconvolution as free_deconvolution
    from rmtland.free import free_power as free_power
    from rmtland.free import free_product as free_product
    from rmtland.free import free_sum as free_sum
    from rmtland.free import free_variables as free_variables
    from rmtland.free import general_marchenko_pastur as general_marchenko_pastur
    from rmtland.free import law_of_polynomial as law_of_polynomial
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
    from rmtland.models import DysonHessian as DysonHessian
    from rmtland.models import FiniteSizeHessian as FiniteSizeHessian
    from rmtland.models import HessianModel as HessianModel
    from rmtland.models import LinearHessian as LinearHessian
    from rmtland.models import PopulationHessian as PopulationHessian
    from rmtland.models import WishartPlusReluBlock as WishartPlusReluBlock
    from rmtland.models import WishartPlusWigner as WishartPlusWigner
    from rmtland.networks import MLP as MLP
    from rmtland.spectrum import Spectrum as Spectrum

_HOME = {
    "Affine": "rmtland.laws",
    "Arcsine": "rmtland.laws",
    "Circular": "rmtland.free",
    "Comparison": "rmtland.comparison",
    "DeconvolvedLaw": "rmtland.free",
    "DeformedWigner": "rmtland.ensembles",
    "Discrete": "rmtland.laws",
    "DysonHessian": "rmtland.models",
    "EmpiricalLaw": "rmtland.laws",
    "Ensemble": "rmtland.ensembles",
    "FiniteSizeHessian": "rmtland.models",
    "Fit": "rmtland.comparison",
    "FreeLevy": "rmtland.free",
    "FreeMeixner": "rmtland.laws",
    "FreePoisson": "rmtland.laws",
    "FussCatalan": "rmtland.laws",
    "GaussianEnsemble": "rmtland.ensembles",
    "HaarProduct": "rmtland.ensembles",
    "HaarSum": "rmtland.ensembles",
    "HessianModel": "rmtland.models",
    "JacobiEnsemble": "rmtland.ensembles",
    "JacobiWeight": "rmtland.laws",
    "KestenMcKay": "rmtland.laws",
    "Law": "rmtland.laws",
    "LevyTriplet": "rmtland.laws",
    "LinearHessian": "rmtland.models",
    "MLP": "rmtland.networks",
    "MarchenkoPastur": "rmtland.laws",
    "Mixture": "rmtland.laws",
    "PopulationHessian": "rmtland.models",
    "ReluResidual": "rmtland.ensembles",
    "SampleCovariance": "rmtland.ensembles",
    "Semicircle": "rmtland.laws",
    "Spectrum": "rmtland.spectrum",
    "SpikedEnsemble": "rmtland.ensembles",
    "TracyWidom": "rmtland.laws",
    "TridiagonalEnsemble": "rmtland.ensembles",
    "Uniform": "rmtland.laws",
    "Wachter": "rmtland.laws",
    "Wigner": "rmtland.ensembles",
    "WishartEnsemble": "rmtland.ensembles",
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
    "free_variables": "rmtland.free",
    "general_marchenko_pastur": "rmtland.free",
    "law_of_polynomial": "rmtland.free",
    "mixture": "rmtland.laws",
    "spiked": "rmtland.free",
}

_OLD = {"SyntheticHessian", "WishartReluBlock", "WishartWigner"}
"""Names of `rmtland.ensembles` that go in the next version; it says what they are called now."""

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _OLD:
        return getattr(importlib.import_module("rmtland.ensembles"), name)
    if name not in _HOME:
        raise AttributeError(f"module 'rmtland' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
