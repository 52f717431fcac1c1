"""A linear network with one hidden layer, known by its sizes and variances.

>>> LinearNetwork(1, 1, 1, 4).rank
0.5
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rmtland.arguments import positive

__all__ = ["LinearNetwork"]


@dataclass(frozen=True)
class LinearNetwork:
    """A linear network with one hidden layer, Gaussian weights and Gaussian data.

    Parameters
    ----------
    inputs, hidden, outputs, samples : float
        n0, n1, n2 and m, > 0: only their ratios enter the law.
    first_variance, second_variance : float
        n0 times the variance of the entries of W1, n1 times that of W2, > 0 (1 for `lecun`).
    data_variance : float
        Variance of the entries of the samples, > 0.

    Raises
    ------
    ValueError
        If a parameter is not positive and finite.
    """

    inputs: float
    hidden: float
    outputs: float
    samples: float
    first_variance: float = field(default=1.0, kw_only=True)
    second_variance: float = field(default=1.0, kw_only=True)
    data_variance: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        for key in LinearNetwork.__dataclass_fields__:
            object.__setattr__(self, key, positive(key, getattr(self, key)))
        for key in ("hidden", "outputs", "samples"):
            positive(f"{key} / inputs", getattr(self, key) / self.inputs)

    @property
    def sizes(self) -> tuple[float, float, float, float]:
        """The numbers n0, n1, n2 and m."""
        return self.inputs, self.hidden, self.outputs, self.samples

    @property
    def parameter_count(self) -> float:
        """n1 (n0 + n2), in the units of the sizes."""
        return self.hidden * (self.inputs + self.outputs)

    @property
    def rank(self) -> float:
        """Share of the eigenvalues of H0 that differ from zero."""
        n0, n1, n2, m = self.sizes
        rank = min(n1, n2) * min(n0, m) + max(n2 - n1, 0.0) * min(n0, n1, m)
        return rank / self.parameter_count
