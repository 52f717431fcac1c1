"""Hessians of trained networks: residuals conditioned on the gradient."""

from rmtland.models.conditioned.conditioned_dyson import ConditionedDyson
from rmtland.models.conditioned.conditioned_hessian import ConditionedHessian

__all__ = ["ConditionedDyson", "ConditionedHessian"]
