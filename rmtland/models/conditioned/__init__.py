"""Hessians of trained networks: residuals conditioned on the gradient."""

from rmtland.models.conditioned.conditioned_hessian import ConditionedHessian

__all__ = ["ConditionedHessian"]
