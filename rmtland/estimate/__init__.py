"""Spectra of matrices too large to form, from products with vectors, with errors that hold."""

from rmtland.estimate.bounds import DistanceBounds, distance_bounds
from rmtland.estimate.density import spectral_density
from rmtland.estimate.distribution import DistributionBand, distribution_band
from rmtland.estimate.extremal import Eigenpairs, extremal_eigenpairs
from rmtland.estimate.index import MassEstimate, mass_below, negative_fraction
from rmtland.estimate.krylov_basis import basis_bytes
from rmtland.estimate.operators import SymmetricOperator, symmetric_operator
from rmtland.estimate.probes import KrylovOptions, KrylovQuadratures, krylov_quadratures
from rmtland.estimate.progress import Interrupted

__all__ = [
    "DistanceBounds",
    "DistributionBand",
    "Eigenpairs",
    "Interrupted",
    "KrylovOptions",
    "KrylovQuadratures",
    "MassEstimate",
    "SymmetricOperator",
    "basis_bytes",
    "distance_bounds",
    "distribution_band",
    "extremal_eigenpairs",
    "krylov_quadratures",
    "mass_below",
    "negative_fraction",
    "spectral_density",
    "symmetric_operator",
]
