"""Hessians of one hidden layer, given first layer and data: the matrix Dyson equation."""

from rmtland.models.dyson.correction import FiniteSizeHessian
from rmtland.models.dyson.cost import Cost
from rmtland.models.dyson.curvature import AveragedDensity, averaged_over_curvature
from rmtland.models.dyson.dyson_hessian import DysonHessian
from rmtland.models.dyson.outlier_bands import OutlierBand, outlier_points, outliers
from rmtland.models.dyson.tabulated import TabulatedLaw, tabulated_law

__all__ = [
    "AveragedDensity",
    "Cost",
    "DysonHessian",
    "FiniteSizeHessian",
    "OutlierBand",
    "TabulatedLaw",
    "averaged_over_curvature",
    "outlier_points",
    "outliers",
    "tabulated_law",
]
