"""What every form of the Dyson equation is given: one hidden layer, its samples and residuals."""

from __future__ import annotations

from functools import cached_property

from rmtland.typing import Real

__all__ = ["HiddenLayer"]


class HiddenLayer:
    """Features, samples and variances of residuals, as fields of the equations that have them."""

    features: Real
    x: Real
    outputs: int
    variances: Real
    has_outer: bool

    @cached_property
    def has_noise(self) -> bool:
        """Whether H1 couples the blocks a and b."""
        return bool(self.variances.any())

    @property
    def parameter_count(self) -> int:
        """P = n1 (n0 + n2)."""
        return int(self.features.shape[0] * (self.x.shape[1] + self.outputs))
