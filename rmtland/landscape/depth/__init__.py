"""Depth: condition numbers of plain, normalised and residual networks, and the laws beside.

>>> from rmtland.landscape.depth import LayerStack
>>> round(LayerStack(64, 4, activation="linear").law().mean, 12)
1.0
"""

from rmtland.landscape.depth.conditioning import MEASURES, DepthScan, Growth, depth_scan
from rmtland.landscape.depth.drawing import draw_depth
from rmtland.landscape.depth.jacobian_law import LAYERS, JacobianLaw, LayerFactor
from rmtland.landscape.depth.layer_stack import KINDS, LayerStack

__all__ = [
    "KINDS",
    "LAYERS",
    "MEASURES",
    "DepthScan",
    "Growth",
    "JacobianLaw",
    "LayerFactor",
    "LayerStack",
    "depth_scan",
    "draw_depth",
]
