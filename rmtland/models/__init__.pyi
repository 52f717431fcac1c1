"""Models of the Hessian: one object holds a law and the random matrix it is the limit of."""

from .conditioned import ConditionedHessian, CriticalPointHessian
from .dyson import (
    DysonHessian,
    FiniteSizeHessian,
    OutlierBand,
    TabulatedLaw,
    outliers,
    tabulated_law,
)
from .linear import LinearHessian
from .pennington_bahri.hessian_model import HessianModel
from .pennington_bahri.wishart_plus_relu_block import WishartPlusReluBlock
from .pennington_bahri.wishart_plus_wigner import WishartPlusWigner
from .population import PopulationHessian
from .two_leg import CrossingCorrectedHessian, FiniteWidthHessian, TwoLegHessian

__all__ = [
    "ConditionedHessian",
    "CriticalPointHessian",
    "CrossingCorrectedHessian",
    "DysonHessian",
    "FiniteSizeHessian",
    "FiniteWidthHessian",
    "HessianModel",
    "LinearHessian",
    "OutlierBand",
    "PopulationHessian",
    "TabulatedLaw",
    "TwoLegHessian",
    "WishartPlusReluBlock",
    "WishartPlusWigner",
    "outliers",
    "tabulated_law",
]
