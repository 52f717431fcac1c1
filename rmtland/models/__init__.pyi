"""Models of the Hessian: one object holds a law and the random matrix it is the limit of."""

from .conditioned import ConditionedHessian, CriticalPointHessian
from .depth import (
    ConjugateKernel,
    DeepGaussNewton,
    GeneralisedLinearHessian,
    InputOutputJacobian,
    LinearJacobian,
    NeuralTangentKernel,
    NonlinearGram,
    SoftmaxHessian,
    normalised_activation,
)
from .dyson import (
    DysonHessian,
    FiniteSizeHessian,
    OutlierBand,
    TabulatedLaw,
    outliers,
    tabulated_law,
)
from .linear import LinearHessian
from .pennington_bahri.hessian_model import HessianModel
from .pennington_bahri.wishart_plus_relu_block import WishartPlusReluBlock
from .pennington_bahri.wishart_plus_wigner import WishartPlusWigner
from .population import PopulationHessian
from .two_leg import CrossingCorrectedHessian, FiniteWidthHessian, TwoLegHessian

__all__ = [
    "ConditionedHessian",
    "ConjugateKernel",
    "CriticalPointHessian",
    "CrossingCorrectedHessian",
    "DeepGaussNewton",
    "DysonHessian",
    "FiniteSizeHessian",
    "FiniteWidthHessian",
    "GeneralisedLinearHessian",
    "HessianModel",
    "InputOutputJacobian",
    "LinearHessian",
    "LinearJacobian",
    "NeuralTangentKernel",
    "NonlinearGram",
    "OutlierBand",
    "PopulationHessian",
    "SoftmaxHessian",
    "TabulatedLaw",
    "TwoLegHessian",
    "WishartPlusReluBlock",
    "WishartPlusWigner",
    "normalised_activation",
    "outliers",
    "tabulated_law",
]
