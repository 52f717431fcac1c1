"""Hessians of linear networks of one hidden layer, in closed form."""

from rmtland.models.linear.data_law import LinearDataLaw
from rmtland.models.linear.linear_hessian import LinearHessian

__all__ = ["LinearDataLaw", "LinearHessian"]
