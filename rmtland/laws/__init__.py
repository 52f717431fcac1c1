"""Laws: probability measures on the real line with densities, quantiles and transforms."""

from rmtland.laws.affine_law import Affine, AffineLevy, affine
from rmtland.laws.arcsine import Arcsine
from rmtland.laws.discrete import Discrete, EmpiricalLaw
from rmtland.laws.free_meixner import FreeMeixner
from rmtland.laws.free_poisson import FreePoisson
from rmtland.laws.fuss_catalan import FussCatalan
from rmtland.laws.jacobi_weight import JacobiWeight
from rmtland.laws.kesten_mckay import KestenMcKay
from rmtland.laws.law import Law
from rmtland.laws.law_grid import LawGrid
from rmtland.laws.levy import LevyLaw, LevyTriplet
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.laws.mixture_law import Mixture, mixture
from rmtland.laws.normal import Normal
from rmtland.laws.pushforward import Pushforward, pushforward
from rmtland.laws.semicircle import Semicircle
from rmtland.laws.spectral_model import SpectralModel
from rmtland.laws.tilted_law import Tilted, tilted
from rmtland.laws.tracy_widom import TracyWidom
from rmtland.laws.truncated_law import Truncated, truncated
from rmtland.laws.uniform import Uniform
from rmtland.laws.wachter import Wachter

__all__ = [
    "Affine",
    "AffineLevy",
    "Arcsine",
    "Discrete",
    "EmpiricalLaw",
    "FreeMeixner",
    "FreePoisson",
    "FussCatalan",
    "JacobiWeight",
    "KestenMcKay",
    "Law",
    "LawGrid",
    "LevyLaw",
    "LevyTriplet",
    "MarchenkoPastur",
    "Mixture",
    "Normal",
    "Pushforward",
    "Semicircle",
    "SpectralModel",
    "Tilted",
    "TracyWidom",
    "Truncated",
    "Uniform",
    "Wachter",
    "affine",
    "mixture",
    "pushforward",
    "tilted",
    "truncated",
]
