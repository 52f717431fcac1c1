"""Spectra of matrices too large to form, from products with vectors, with errors that hold."""

from rmtland.estimate.bounds import DistanceBounds, distance_bounds
from rmtland.estimate.density import spectral_density
from rmtland.estimate.diagonal import DiagonalEstimate, diagonal
from rmtland.estimate.distribution import DistributionBand, distribution_band
from rmtland.estimate.extremal import Eigenpairs, extremal_eigenpairs
from rmtland.estimate.functions import FunctionTrace, effective_dimension, log_determinant
from rmtland.estimate.index import MassEstimate, mass_below, negative_fraction
from rmtland.estimate.krylov_basis import basis_bytes
from rmtland.estimate.operators import SymmetricOperator, symmetric_operator
from rmtland.estimate.probes import KrylovOptions, KrylovQuadratures, krylov_quadratures
from rmtland.estimate.progress import Interrupted
from rmtland.estimate.smoothing import SmoothDensity, smooth_density
from rmtland.estimate.summed import SummedOperator
from rmtland.estimate.trace import ScalarEstimate, frobenius_norm, trace

__all__ = [
    "DiagonalEstimate",
    "DistanceBounds",
    "DistributionBand",
    "Eigenpairs",
    "FunctionTrace",
    "Interrupted",
    "KrylovOptions",
    "KrylovQuadratures",
    "MassEstimate",
    "ScalarEstimate",
    "SmoothDensity",
    "SummedOperator",
    "SymmetricOperator",
    "basis_bytes",
    "diagonal",
    "distance_bounds",
    "distribution_band",
    "effective_dimension",
    "extremal_eigenpairs",
    "frobenius_norm",
    "krylov_quadratures",
    "log_determinant",
    "mass_below",
    "negative_fraction",
    "smooth_density",
    "spectral_density",
    "symmetric_operator",
    "trace",
]
