"""Hessians of trained networks and of critical points: residuals conditioned on the gradient."""

from rmtland.models.conditioned.conditioned_dyson import ConditionedDyson
from rmtland.models.conditioned.conditioned_hessian import ConditionedHessian
from rmtland.models.conditioned.critical_point_hessian import CriticalPointHessian

__all__ = ["ConditionedDyson", "ConditionedHessian", "CriticalPointHessian"]
