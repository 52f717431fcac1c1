"""Adapters: PyTorch and JAX models as operators, batches streamed, parameters by name.

PyTorch and JAX are imported when they are used; a missing one is named with the command that
installs it.
"""

from rmtland.adapters.jax_operator import JaxOperator, from_jax
from rmtland.adapters.monitor import CurvatureMonitor, CurvatureRecord
from rmtland.adapters.spectral_optimizer import spectral_optimizer
from rmtland.adapters.torch_model import from_torch
from rmtland.adapters.torch_operator import TorchOperator
from rmtland.adapters.weight_matrices import weight_matrices

__all__ = [
    "CurvatureMonitor",
    "CurvatureRecord",
    "JaxOperator",
    "TorchOperator",
    "from_jax",
    "from_torch",
    "spectral_optimizer",
    "weight_matrices",
]
