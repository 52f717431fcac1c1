"""Laws with a density on one interval, between parameters `low` and `high`."""

from __future__ import annotations

import numpy as np

from rmtland.arguments import finite
from rmtland.laws.law import Atoms, Complex, Law, Real, Support
from rmtland.laws.root_accuracy import rounded_once

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

    def _image_ends(self, scale: float, shift: float) -> tuple[float, float]:
        """Return the ends of the law of scale * X + shift, each rounded once."""
        low, high = sorted(rounded_once(scale, end, shift) for end in (self.low, self.high))
        return low, high

    def _rounded_ends(self, z: Complex) -> Real:
        """Return how far log(z - low) and log(z - high) together move with the rounding of ends."""
        moved = np.zeros(z.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            for end in (self.low, self.high):
                share = np.spacing(abs(end)) / 2 / np.abs(z - end)
                moved += np.where(share < 1, -np.log1p(-share), np.inf)
        return moved

    @property
    def _middle(self) -> float:
        return self.low / 2 + self.high / 2

    @property
    def _radius(self) -> float:
        return self.high / 2 - self.low / 2
