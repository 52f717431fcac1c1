"""Free probability: new laws out of laws."""

from rmtland.free.addition import free_sum
from rmtland.free.free_levy import FreeLevy

__all__ = ["FreeLevy", "free_sum"]
