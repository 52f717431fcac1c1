"""Multilayer perceptrons: losses, gradients, exact Hessians, training and data sets.

>>> from rmtland.networks import MLP, gaussian, train
>>> data = gaussian(32, 8, rng=1)
>>> net = MLP((8, 8, 8), activation="tanh")
>>> result = train(net, net.init(rng=2), data.x, data.y, energy=0.1)
>>> result.reason
'energy'
>>> net.at(result.theta, data.x, data.y).hessian().total.shape
(128, 128)
"""

from rmtland.networks.activation import ACTIVATIONS, Activation, leaky_relu
from rmtland.networks.compiled_loss import CompiledLoss, LossDerivatives
from rmtland.networks.datasets import (
    DATASETS,
    Dataset,
    cifar10,
    dataset,
    digits,
    gaussian,
    mnist5k,
    teacher_student,
)
from rmtland.networks.derivatives.hessian_split import HessianSplit
from rmtland.networks.gaussian_averages import GaussianAverages, gaussian_averages
from rmtland.networks.initialisation import INITIALISATIONS, Initialisation
from rmtland.networks.loss import LOSSES, Loss
from rmtland.networks.loss_point import LossPoint
from rmtland.networks.mlp import MLP
from rmtland.networks.parameters import ParameterBlock
from rmtland.networks.training.loop import TrainResult, train

__all__ = [
    "ACTIVATIONS",
    "DATASETS",
    "INITIALISATIONS",
    "LOSSES",
    "MLP",
    "Activation",
    "CompiledLoss",
    "Dataset",
    "GaussianAverages",
    "HessianSplit",
    "Initialisation",
    "Loss",
    "LossDerivatives",
    "LossPoint",
    "ParameterBlock",
    "TrainResult",
    "cifar10",
    "dataset",
    "digits",
    "gaussian",
    "gaussian_averages",
    "leaky_relu",
    "mnist5k",
    "teacher_student",
    "train",
]
