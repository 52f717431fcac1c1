"""Models of the Hessian: one object holds a law and the random matrix it is the limit of."""

from rmtland.models.dyson_correction import FiniteSizeHessian
from rmtland.models.dyson_hessian import DysonHessian
from rmtland.models.dyson_law import TabulatedLaw, tabulated_law
from rmtland.models.dyson_outliers import OutlierBand, outliers
from rmtland.models.hessian_model import HessianModel
from rmtland.models.linear_hessian import LinearHessian
from rmtland.models.population_hessian import PopulationHessian
from rmtland.models.wishart_plus_relu_block import WishartPlusReluBlock
from rmtland.models.wishart_plus_wigner import WishartPlusWigner

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
