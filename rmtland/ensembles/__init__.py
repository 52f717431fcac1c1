"""Ensembles: random matrices of every size, each with the law that is its limit."""

from rmtland.deprecation import old_names
from rmtland.ensembles.deformed_wigner import DeformedWigner
from rmtland.ensembles.ensemble import Ensemble
from rmtland.ensembles.gaussian_ensemble import GaussianEnsemble
from rmtland.ensembles.haar import HaarProduct, HaarSum
from rmtland.ensembles.jacobi_ensemble import JacobiEnsemble
from rmtland.ensembles.relu_residual import ReluBlock, ReluResidual
from rmtland.ensembles.sample_covariance import SampleCovariance
from rmtland.ensembles.spiked_ensemble import SpikedEnsemble
from rmtland.ensembles.tridiagonal import TridiagonalEnsemble
from rmtland.ensembles.wigner import Wigner
from rmtland.ensembles.wishart_ensemble import WishartEnsemble

__all__ = [
    "DeformedWigner",
    "Ensemble",
    "GaussianEnsemble",
    "HaarProduct",
    "HaarSum",
    "JacobiEnsemble",
    "ReluBlock",
    "ReluResidual",
    "SampleCovariance",
    "SpikedEnsemble",
    "TridiagonalEnsemble",
    "Wigner",
    "WishartEnsemble",
]

__getattr__ = old_names(
    __name__,
    {
        "SyntheticHessian": "rmtland.models:HessianModel",
        "WishartReluBlock": "rmtland.models:WishartPlusReluBlock",
        "WishartWigner": "rmtland.models:WishartPlusWigner",
    },
)
