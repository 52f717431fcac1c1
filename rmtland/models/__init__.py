"""Models of the Hessian: one object holds a law and the random matrix it is the limit of."""

from rmtland.models.dyson_hessian import DysonHessian
from rmtland.models.dyson_outliers import OutlierBand, outliers
from rmtland.models.hessian_model import HessianModel
from rmtland.models.wishart_plus_relu_block import WishartPlusReluBlock
from rmtland.models.wishart_plus_wigner import WishartPlusWigner

__all__ = [
    "DysonHessian",
    "HessianModel",
    "OutlierBand",
    "WishartPlusReluBlock",
    "WishartPlusWigner",
    "outliers",
]
