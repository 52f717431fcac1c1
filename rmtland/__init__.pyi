"""Public names of rmtland: type checkers read them here, and `rmtland` imports them from here."""

from . import (
    adapters as adapters,
    audit as audit,
    comparison as comparison,
    ensembles as ensembles,
    estimate as estimate,
    explorer as explorer,
    free as free,
    landscape as landscape,
    laws as laws,
    models as models,
    networks as networks,
    optimizer as optimizer,
    plot as plot,
    report as report,
    reproduction as reproduction,
    solution as solution,
    spectrum as spectrum,
    statements as statements,
    sweep as sweep,
)
from .adapters import (
    from_jax as from_jax,
    from_torch as from_torch,
)
from .comparison import (
    Comparison as Comparison,
    Fit as Fit,
    compare as compare,
    fit as fit,
    goodness_of_fit as goodness_of_fit,
    kolmogorov_distance as kolmogorov_distance,
    measure as measure,
    nonlinear_shrinkage as nonlinear_shrinkage,
    overlay as overlay,
    signals as signals,
    spectra_of_weights as spectra_of_weights,
    spike_strengths as spike_strengths,
    wasserstein_distance as wasserstein_distance,
)
from .ensembles import (
    DeformedWigner as DeformedWigner,
    Ensemble as Ensemble,
    GaussianEnsemble as GaussianEnsemble,
    HaarProduct as HaarProduct,
    HaarSum as HaarSum,
    JacobiEnsemble as JacobiEnsemble,
    ReluBlock as ReluBlock,
    ReluResidual as ReluResidual,
    SampleCovariance as SampleCovariance,
    SpikedEnsemble as SpikedEnsemble,
    TridiagonalEnsemble as TridiagonalEnsemble,
    Wigner as Wigner,
    WishartEnsemble as WishartEnsemble,
)
from .estimate import (
    extremal_eigenpairs as extremal_eigenpairs,
    negative_fraction as negative_fraction,
    spectral_density as spectral_density,
)
from .free import (
    Circular as Circular,
    Deconvolution as Deconvolution,
    FreeLevy as FreeLevy,
    MatrixDyson as MatrixDyson,
    free_compression as free_compression,
    free_decompression as free_decompression,
    free_deconvolution as free_deconvolution,
    free_power as free_power,
    free_product as free_product,
    free_sum as free_sum,
    free_variables as free_variables,
    general_marchenko_pastur as general_marchenko_pastur,
    law_of_polynomial as law_of_polynomial,
    spiked as spiked,
)
from .landscape import (
    find_critical_points as find_critical_points,
)
from .laws import (
    Affine as Affine,
    Arcsine as Arcsine,
    Discrete as Discrete,
    EmpiricalLaw as EmpiricalLaw,
    FreeMeixner as FreeMeixner,
    FreePoisson as FreePoisson,
    FussCatalan as FussCatalan,
    JacobiWeight as JacobiWeight,
    KestenMcKay as KestenMcKay,
    Law as Law,
    LevyTriplet as LevyTriplet,
    MarchenkoPastur as MarchenkoPastur,
    Mixture as Mixture,
    Normal as Normal,
    Semicircle as Semicircle,
    SpectralModel as SpectralModel,
    TracyWidom as TracyWidom,
    Uniform as Uniform,
    Wachter as Wachter,
    affine as affine,
    mixture as mixture,
    pushforward as pushforward,
    tilted as tilted,
    truncated as truncated,
)
from .models import (
    DysonHessian as DysonHessian,
    FiniteSizeHessian as FiniteSizeHessian,
    HessianModel as HessianModel,
    LinearHessian as LinearHessian,
    PopulationHessian as PopulationHessian,
    TwoLegHessian as TwoLegHessian,
    WishartPlusReluBlock as WishartPlusReluBlock,
    WishartPlusWigner as WishartPlusWigner,
)
from .networks import (
    MLP as MLP,
)
from .spectrum import (
    Spectrum as Spectrum,
)

__version__: str
