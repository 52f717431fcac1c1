"""The limit law of the Hessian at positive energy: one leg of a tensor product averaged."""

from rmtland.models.two_leg.crossing_corrected import CrossingCorrectedHessian
from rmtland.models.two_leg.finite_width import FiniteWidthHessian
from rmtland.models.two_leg.two_leg_hessian import TwoLegHessian

__all__ = ["CrossingCorrectedHessian", "FiniteWidthHessian", "TwoLegHessian"]
