"""Figures: spectra and theories drawn on given axes, in one palette and one style.

Every function draws on the `Axes` it is given and returns what it drew; none opens a window or
writes a file. Density is per unit of eigenvalue, all eigenvalues together having mass 1.

Examples
--------
>>> from matplotlib.figure import Figure
>>> from rmtland import Semicircle, Spectrum, WishartPlusWigner
>>> from rmtland.plot import draw_law, draw_spectrum
>>> axes = Figure().subplots()
>>> model = WishartPlusWigner(0.5, 0.3)
>>> bars = draw_spectrum(axes, model.sample(100, rng=0))
>>> line = draw_law(axes, model.law, label="theory")
"""

from rmtland.comparison.drawing import draw_distributions, draw_overlay
from rmtland.drawing import (
    COLORS,
    STYLES,
    draw_law,
    draw_outliers,
    draw_spectrum,
    law_points,
    style_of,
)

__all__ = [
    "COLORS",
    "STYLES",
    "draw_distributions",
    "draw_law",
    "draw_outliers",
    "draw_overlay",
    "draw_spectrum",
    "law_points",
    "style_of",
]
