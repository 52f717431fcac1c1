"""Energies of minimisers, and the slope of a single unit that they follow.

>>> from rmtland.models.minimisers import MinimiserEnergy, UnitField
>>> MinimiserEnergy(UnitField("linear").chevet_bound()).energy(0.5)
0.125
"""

from rmtland.models.minimisers.energy import MinimiserEnergy, exponent, linear_minimiser_energy
from rmtland.models.minimisers.unit_field import Slope, UnitField
from rmtland.models.minimisers.unit_kernel import UnitKernel

__all__ = [
    "MinimiserEnergy",
    "Slope",
    "UnitField",
    "UnitKernel",
    "exponent",
    "linear_minimiser_energy",
]
