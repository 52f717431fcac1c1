r"""Paths between minima: straight, permuted, trained curves, and minimum-energy paths.

Synonyms: mode connectivity, linear interpolation, loss barrier, re-basin, weight matching, nudged
elastic band, string method, transition state.

>>> import numpy as np
>>> from rmtland.landscape.surface import FunctionSurface
>>> def two_wells(t):
...     well = t[0] ** 2 - 1.0
...     return well**2 + t[1] ** 2, np.array([4.0 * t[0] * well, 2.0 * t[1]])
>>> surface = FunctionSurface(2, two_wells)
>>> ends = np.array([[-1.0, 0.0], [1.0, 0.0]])
>>> round(profile(surface, Polygon(ends)).barrier, 12)
1.0
"""

from rmtland.landscape.connectivity.alignment import Alignment, align, unit_groups
from rmtland.landscape.connectivity.curves import Bezier, Curve, Polygon
from rmtland.landscape.connectivity.lowered_barrier import lower_barrier
from rmtland.landscape.connectivity.minimum_energy import (
    RelaxedPath,
    relaxed_path,
    saddle_near,
)
from rmtland.landscape.connectivity.pairs import (
    Connection,
    PairStatistics,
    connect,
    pair_statistics,
)
from rmtland.landscape.connectivity.profiles import PathProfile, profile
from rmtland.landscape.connectivity.trained_curves import trained_curve
from rmtland.landscape.connectivity.unit_group import Place, UnitGroup

__all__ = [
    "Alignment",
    "Bezier",
    "Connection",
    "Curve",
    "PairStatistics",
    "PathProfile",
    "Place",
    "Polygon",
    "RelaxedPath",
    "UnitGroup",
    "align",
    "connect",
    "lower_barrier",
    "pair_statistics",
    "profile",
    "relaxed_path",
    "saddle_near",
    "trained_curve",
    "unit_groups",
]
