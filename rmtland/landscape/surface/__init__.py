r"""The loss as a function of a parameter vector: what every tool of the landscape is given.

`NetworkSurface` is the loss of an `rmtland.networks.MLP`, `TorchSurface` that of a PyTorch model,
`FunctionSurface` any function with its derivatives. All have value, gradient, products with the
Hessian, and the values at many points at once. Synonyms: loss landscape, objective, cost function,
energy surface.

>>> import numpy as np
>>> from rmtland.networks import MLP
>>> surface = NetworkSurface.of(MLP((2, 2, 1)), [[1.0, 0.0], [0.0, 1.0]], [[1.0], [0.0]])
>>> surface.losses(np.zeros((3, 6)))
array([0.25, 0.25, 0.25])
"""

from rmtland.landscape.surface.function import FunctionSurface
from rmtland.landscape.surface.network import NetworkSurface
from rmtland.landscape.surface.surface import LossSurface, NamedBlock, Surface
from rmtland.landscape.surface.torch_surface import TorchSurface

__all__ = [
    "FunctionSurface",
    "LossSurface",
    "NamedBlock",
    "NetworkSurface",
    "Surface",
    "TorchSurface",
]
