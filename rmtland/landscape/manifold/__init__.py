"""The manifold of minimisers at zero loss: rank, dimension, tangent space, walks along it.

>>> from rmtland.landscape.manifold import interpolate
>>> interpolate.__name__
'interpolate'
"""

from rmtland.landscape.manifold.drawing import draw_walks
from rmtland.landscape.manifold.minimisers import Minimiser, interpolate, polish
from rmtland.landscape.manifold.walk import DIRECTIONS, ManifoldWalk, walk_along

__all__ = [
    "DIRECTIONS",
    "ManifoldWalk",
    "Minimiser",
    "draw_walks",
    "interpolate",
    "polish",
    "walk_along",
]
