"""Comparison: distances between spectra and theories, outliers, fits, overlays."""

from rmtland.comparison.distances import Comparison, compare
from rmtland.comparison.fitting import Fit, fit
from rmtland.comparison.goodness import Goodness, goodness_of_fit
from rmtland.comparison.law_distances import (
    LawDistance,
    kolmogorov_distance,
    wasserstein_distance,
)
from rmtland.comparison.measurement import Measurement, measure
from rmtland.comparison.outliers import outliers
from rmtland.comparison.overlay import Overlay, overlay
from rmtland.comparison.power_tail import PowerTail, power_tail
from rmtland.comparison.shrinkage import Shrinkage, nonlinear_shrinkage
from rmtland.comparison.signals import Signals, signals
from rmtland.comparison.spike_strengths import Strength, spike_strengths
from rmtland.comparison.theories import Theory, law_of
from rmtland.comparison.weight_spectra import LayerSpectrum, WeightSpectra, spectra_of_weights

__all__ = [
    "Comparison",
    "Fit",
    "Goodness",
    "LawDistance",
    "LayerSpectrum",
    "Measurement",
    "Overlay",
    "PowerTail",
    "Shrinkage",
    "Signals",
    "Strength",
    "Theory",
    "WeightSpectra",
    "compare",
    "fit",
    "goodness_of_fit",
    "kolmogorov_distance",
    "law_of",
    "measure",
    "nonlinear_shrinkage",
    "outliers",
    "overlay",
    "power_tail",
    "signals",
    "spectra_of_weights",
    "spike_strengths",
    "wasserstein_distance",
]
