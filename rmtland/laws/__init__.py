"""Laws: probability measures on the real line with densities, quantiles and transforms."""

from rmtland.laws.law import Law
from rmtland.laws.levy import LevyLaw, LevyTriplet
from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.laws.semicircle import Semicircle

__all__ = ["Law", "LevyLaw", "LevyTriplet", "MarchenkoPastur", "Semicircle"]
