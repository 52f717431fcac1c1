"""Public names of rmtland: type checkers read them here, and `rmtland` imports them from here."""

from . import audit as audit
from . import comparison as comparison
from . import ensembles as ensembles
from . import estimate as estimate
from . import free as free
from . import laws as laws
from . import models as models
from . import networks as networks
from . import plot as plot
from . import reproduction as reproduction
from . import solution as solution
from . import spectrum as spectrum
from . import sweep as sweep
from .comparison import (
    Comparison as Comparison,
)
from .comparison import (
    Fit as Fit,
)
from .comparison import (
    compare as compare,
)
from .comparison import (
    fit as fit,
)
from .comparison import (
    overlay as overlay,
)
from .ensembles import (
    DeformedWigner as DeformedWigner,
)
from .ensembles import (
    Ensemble as Ensemble,
)
from .ensembles import (
    GaussianEnsemble as GaussianEnsemble,
)
from .ensembles import (
    HaarProduct as HaarProduct,
)
from .ensembles import (
    HaarSum as HaarSum,
)
from .ensembles import (
    JacobiEnsemble as JacobiEnsemble,
)
from .ensembles import (
    ReluBlock as ReluBlock,
)
from .ensembles import (
    ReluResidual as ReluResidual,
)
from .ensembles import (
    SampleCovariance as SampleCovariance,
)
from .ensembles import (
    SpikedEnsemble as SpikedEnsemble,
)
from .ensembles import (
    TridiagonalEnsemble as TridiagonalEnsemble,
)
from .ensembles import (
    Wigner as Wigner,
)
from .ensembles import (
    WishartEnsemble as WishartEnsemble,
)
from .free import (
    Circular as Circular,
)
from .free import (
    Deconvolution as Deconvolution,
)
from .free import (
    FreeLevy as FreeLevy,
)
from .free import (
    free_compression as free_compression,
)
from .free import (
    free_decompression as free_decompression,
)
from .free import (
    free_deconvolution as free_deconvolution,
)
from .free import (
    free_power as free_power,
)
from .free import (
    free_product as free_product,
)
from .free import (
    free_sum as free_sum,
)
from .free import (
    free_variables as free_variables,
)
from .free import (
    general_marchenko_pastur as general_marchenko_pastur,
)
from .free import (
    law_of_polynomial as law_of_polynomial,
)
from .free import (
    spiked as spiked,
)
from .laws import (
    Affine as Affine,
)
from .laws import (
    Arcsine as Arcsine,
)
from .laws import (
    Discrete as Discrete,
)
from .laws import (
    EmpiricalLaw as EmpiricalLaw,
)
from .laws import (
    FreeMeixner as FreeMeixner,
)
from .laws import (
    FreePoisson as FreePoisson,
)
from .laws import (
    FussCatalan as FussCatalan,
)
from .laws import (
    JacobiWeight as JacobiWeight,
)
from .laws import (
    KestenMcKay as KestenMcKay,
)
from .laws import (
    Law as Law,
)
from .laws import (
    LevyTriplet as LevyTriplet,
)
from .laws import (
    MarchenkoPastur as MarchenkoPastur,
)
from .laws import (
    Mixture as Mixture,
)
from .laws import (
    Semicircle as Semicircle,
)
from .laws import (
    SpectralModel as SpectralModel,
)
from .laws import (
    TracyWidom as TracyWidom,
)
from .laws import (
    Uniform as Uniform,
)
from .laws import (
    Wachter as Wachter,
)
from .laws import (
    affine as affine,
)
from .laws import (
    mixture as mixture,
)
from .models import (
    DysonHessian as DysonHessian,
)
from .models import (
    FiniteSizeHessian as FiniteSizeHessian,
)
from .models import (
    HessianModel as HessianModel,
)
from .models import (
    LinearHessian as LinearHessian,
)
from .models import (
    PopulationHessian as PopulationHessian,
)
from .models import (
    WishartPlusReluBlock as WishartPlusReluBlock,
)
from .models import (
    WishartPlusWigner as WishartPlusWigner,
)
from .networks import (
    MLP as MLP,
)
from .spectrum import (
    Spectrum as Spectrum,
)

__version__: str
