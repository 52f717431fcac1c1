"""Laws with a density on one interval, between parameters `low` and `high`."""

from __future__ import annotations

from rmtland.arguments import finite
from rmtland.laws.law import Atoms, Law, Support

__all__ = ["IntervalLaw"]


class IntervalLaw(Law):
    """A law on [low, high] without atoms; what is parameterised by these ends shares their check.

    Raises
    ------
    ValueError
        If an end is not finite or low >= high.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", finite("low", self.low) + 0.0)
        object.__setattr__(self, "high", finite("high", self.high) + 0.0)
        if not self.low < self.high:
            raise ValueError(f"low must be below high; got {self.low} and {self.high}")
        finite("high - low", self.high - self.low)

    @property
    def support(self) -> Support:
        """The interval (low, high)."""
        return ((self.low, self.high),)

    @property
    def atoms(self) -> Atoms:
        """None."""
        return ()

    @property
    def _middle(self) -> float:
        return self.low / 2 + self.high / 2

    @property
    def _radius(self) -> float:
        return self.high / 2 - self.low / 2
