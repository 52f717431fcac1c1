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

from rmtland.networks.activation import ACTIVATIONS, Activation
from rmtland.networks.datasets import DATASETS, Dataset, dataset, digits, gaussian
from rmtland.networks.hessian import HessianSplit
from rmtland.networks.mlp import MLP, LossPoint
from rmtland.networks.parameters import ParameterBlock
from rmtland.networks.training import TrainResult, train

__all__ = [
    "ACTIVATIONS",
    "DATASETS",
    "MLP",
    "Activation",
    "Dataset",
    "HessianSplit",
    "LossPoint",
    "ParameterBlock",
    "TrainResult",
    "dataset",
    "digits",
    "gaussian",
    "train",
]
