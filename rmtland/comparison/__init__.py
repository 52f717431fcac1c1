"""Comparison: distances between spectra and laws, and fits of one to the other."""

from rmtland.comparison.distances import Comparison, compare
from rmtland.comparison.fitting import Fit, fit

__all__ = ["Comparison", "Fit", "compare", "fit"]
