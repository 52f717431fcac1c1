"""Minimisers of one-hidden-layer networks: their energies, and what a single unit can explain.

>>> from rmtland.landscape.minimisers import minimised_networks, unit_slopes
>>> minimised_networks.__name__, unit_slopes.__name__
('minimised_networks', 'unit_slopes')
"""

from rmtland.landscape.minimisers.added_unit import AddedUnit, Complement, measure_added_unit
from rmtland.landscape.minimisers.batched_lbfgs import BatchMinimum, minimise_batch
from rmtland.landscape.minimisers.networks import minimised_networks, random_weights
from rmtland.landscape.minimisers.single_unit import UnitSlopes, unit_slopes

__all__ = [
    "AddedUnit",
    "BatchMinimum",
    "Complement",
    "UnitSlopes",
    "measure_added_unit",
    "minimise_batch",
    "minimised_networks",
    "random_weights",
    "unit_slopes",
]
