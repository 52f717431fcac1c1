"""Models of the Hessian: one object holds a law and the random matrix it is the limit of."""

from rmtland.models.dyson import (
    DysonHessian,
    FiniteSizeHessian,
    OutlierBand,
    TabulatedLaw,
    outliers,
    tabulated_law,
)
from rmtland.models.linear import LinearHessian
from rmtland.models.pennington_bahri.hessian_model import HessianModel
from rmtland.models.pennington_bahri.wishart_plus_relu_block import WishartPlusReluBlock
from rmtland.models.pennington_bahri.wishart_plus_wigner import WishartPlusWigner
from rmtland.models.population import PopulationHessian

__all__ = [
    "DysonHessian",
    "FiniteSizeHessian",
    "HessianModel",
    "LinearHessian",
    "OutlierBand",
    "PopulationHessian",
    "TabulatedLaw",
    "WishartPlusReluBlock",
    "WishartPlusWigner",
    "outliers",
    "tabulated_law",
]
