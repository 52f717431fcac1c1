"""Hessians of one hidden layer, given first layer and data: the matrix Dyson equation."""

from rmtland.models.dyson.correction import FiniteSizeHessian
from rmtland.models.dyson.dyson_hessian import DysonHessian
from rmtland.models.dyson.outlier_bands import OutlierBand, outliers
from rmtland.models.dyson.tabulated import TabulatedLaw, tabulated_law

__all__ = [
    "DysonHessian",
    "FiniteSizeHessian",
    "OutlierBand",
    "TabulatedLaw",
    "outliers",
    "tabulated_law",
]
