"""The landscape of a loss: its critical points.

>>> from rmtland.landscape import find_critical_points
>>> find_critical_points.__name__
'find_critical_points'
"""

from rmtland.landscape.critical_points import CriticalPoint, CriticalPoints, find_critical_points

__all__ = ["CriticalPoint", "CriticalPoints", "find_critical_points"]
