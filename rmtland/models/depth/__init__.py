"""Networks of any depth at initialisation: kernels, Jacobians, Gauss-Newton matrices."""

from rmtland.models.depth.conjugate_kernel import ConjugateKernel
from rmtland.models.depth.deep_gauss_newton import DeepGaussNewton
from rmtland.models.depth.generalised_linear import GeneralisedLinearHessian
from rmtland.models.depth.jacobian import InputOutputJacobian
from rmtland.models.depth.linear_jacobian import LinearJacobian
from rmtland.models.depth.neural_tangent import NeuralTangentKernel
from rmtland.models.depth.nonlinear_gram import NonlinearGram
from rmtland.models.depth.signal_propagation import normalised_activation
from rmtland.models.depth.softmax import SoftmaxHessian

__all__ = [
    "ConjugateKernel",
    "DeepGaussNewton",
    "GeneralisedLinearHessian",
    "InputOutputJacobian",
    "LinearJacobian",
    "NeuralTangentKernel",
    "NonlinearGram",
    "SoftmaxHessian",
    "normalised_activation",
]
