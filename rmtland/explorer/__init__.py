"""The explorer: laws of the Hessian in a browser, at the touch of a slider.

`rmtland explore` opens it. Here are the parts that need no browser: the state and its address,
curves of a state, spectra laid over them, and the server.
"""

from rmtland.explorer.curves import Curve, ExplorerCurves, curves, prepare_curves
from rmtland.explorer.families import FAMILIES, SLIDERS, LawFamily
from rmtland.explorer.overlays import ExplorerFit, ExplorerOverlay, drawn, fitted, overlay_of
from rmtland.explorer.server import ExplorerServer
from rmtland.explorer.state import ExplorerState

__all__ = [
    "FAMILIES",
    "SLIDERS",
    "Curve",
    "ExplorerCurves",
    "ExplorerFit",
    "ExplorerOverlay",
    "ExplorerServer",
    "ExplorerState",
    "LawFamily",
    "curves",
    "drawn",
    "fitted",
    "overlay_of",
    "prepare_curves",
]
