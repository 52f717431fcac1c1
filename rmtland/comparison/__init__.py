"""Comparison: distances between spectra and theories, outliers, fits, overlays."""

from rmtland.comparison.distances import Comparison, compare
from rmtland.comparison.fitting import Fit, fit
from rmtland.comparison.outliers import outliers
from rmtland.comparison.overlay import Overlay, overlay
from rmtland.comparison.theories import Theory, law_of

__all__ = [
    "Comparison",
    "Fit",
    "Overlay",
    "Theory",
    "compare",
    "fit",
    "law_of",
    "outliers",
    "overlay",
]
