"""How far a measured Hessian is from one level of theory.

Examples
--------
>>> from rmtland import Semicircle, Spectrum, compare
>>> law = Semicircle()
>>> found = compare(Spectrum([-1.0, 0.0, 1.0]), law)
>>> LevelResult(Level.PRINTED, Family.WIGNER, law, found)
LevelResult(0 Wishart + Wigner, as printed: Kolmogorov 0.196)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from rmtland.arguments import nonnegative
from rmtland.audit.levels import Family, Level
from rmtland.comparison import Comparison
from rmtland.deprecation import renamed_method
from rmtland.intervals import error_words, interval_words
from rmtland.laws import Law
from rmtland.typing import Record

__all__ = ["LevelResult", "Standing"]


class Standing(StrEnum):
    """What the range of a distance says of a level of theory."""

    REFUTED = "refuted"
    HOLDS = "holds"
    OPEN = "open"


@dataclass(frozen=True, eq=False, repr=False)
class LevelResult:
    """How far the measured Hessian is from one level of theory.

    Made by `rmtland.audit.audit_hessian`.

    Parameters
    ----------
    level : Level
        The level.
    family : Family
        Of the law.
    law : Law
        The law.
    comparison : Comparison
        Of the measured spectrum with the law.
    explained : int
        How many of the eigenvalues that lie outside the law of level 1 are no longer outside.
    error : float or None
        Standard deviation of the Kolmogorov distance over Hessians drawn anew (for level 5 from
        its own ensemble, for the others from that of level 6).
    expected : float or None
        Mean of that distance: for levels 5 and 6 what chance does if they hold.
    law_error : float
        Error of the law itself, as a distance.
    curvature_spread : float
        Part of it that is due to an f'' block that was drawn.
    parameters : dict
        Of the model, JSON-able.
    label : str
        Name in tables, for a law that was given.
    wasserstein_range, index_difference_range : (float, float) or None
        Between which the Wasserstein distance and the difference of the indices lie, where the
        spectrum is an estimate (`rmtland.audit.estimated_audit`); None where it is exact.
    """

    level: Level
    family: Family
    law: Law
    comparison: Comparison
    explained: int = 0
    error: float | None = None
    expected: float | None = None
    law_error: float = 0.0
    curvature_spread: float = 0.0
    parameters: Record = field(default_factory=dict)
    label: str = ""
    wasserstein_range: tuple[float, float] | None = None
    index_difference_range: tuple[float, float] | None = None

    @property
    def number(self) -> int:
        """Number of the level."""
        return self.level.number

    @property
    def name(self) -> str:
        """Name in tables."""
        return self.label or self.level.title(self.family)

    @property
    def kolmogorov(self) -> float:
        """Kolmogorov distance of the measured spectrum to the law."""
        return self.comparison.kolmogorov

    @property
    def kolmogorov_range(self) -> tuple[float, float]:
        """Between which the Kolmogorov distance lies: twice the same for exact spectra and laws."""
        low, high = self.comparison.kolmogorov_range or (self.kolmogorov, self.kolmogorov)
        return low, high

    @property
    def is_estimated(self) -> bool:
        """Whether the distances have ranges that an estimate leaves open."""
        return self.index_difference_range is not None

    def standing(self, threshold: float = 0.05) -> Standing:
        """Say whether the level is refuted: only where its whole range is above the threshold.

        Parameters
        ----------
        threshold : float, optional
            Kolmogorov distance that counts as a misfit.

        Returns
        -------
        Standing
            Refuted, holds (the whole range is at or below the threshold), or open.

        Raises
        ------
        ValueError
            If `threshold` is negative, infinite or NaN.
        TypeError
            If it is no real number.
        """
        threshold = nonnegative("threshold", threshold)
        low, high = self.kolmogorov_range
        if low > threshold:
            return Standing.REFUTED
        return Standing.HOLDS if high <= threshold else Standing.OPEN

    @property
    def index_difference(self) -> float:
        """Index of the law less the measured one; mass strictly below 0 in both."""
        return self.comparison.law_index - self.comparison.spectrum_index

    @property
    def edge_differences(self) -> tuple[float, float]:
        """Lowest and highest end of the law less the measured ones."""
        law, seen = self.comparison.law_edges, self.comparison.spectrum_edges
        return law[0] - seen[0], law[1] - seen[1]

    @property
    def outside_fraction(self) -> float:
        """Fraction of the eigenvalues outside the law."""
        return self.comparison.mass_outside

    index_error = renamed_method("index_error", "index_difference")
    edge_errors = renamed_method("edge_errors", "edge_differences")

    def __repr__(self) -> str:
        """Return level and distance in a line."""
        error = "" if self.error is None else f" +- {error_words(self.error)}"
        if self.is_estimated:
            error = f" ({interval_words(*self.kolmogorov_range)})"
        return f"LevelResult({self.number} {self.name}: Kolmogorov {self.kolmogorov:.3f}{error})"

    def as_dict(self) -> Record:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            Nested dictionaries and lists of plain values.
        """
        return {
            "level": self.level.value,
            "number": self.number,
            "family": str(self.family),
            "name": self.name,
            **self.comparison.as_dict(),
            "index_difference": self.index_difference,
            "edge_differences": list(self.edge_differences),
            "outside_fraction": self.outside_fraction,
            "outliers_explained": self.explained,
            "error": self.error,
            "expected": self.expected,
            "law_error": self.law_error,
            "curvature_spread": self.curvature_spread,
            "wasserstein_range": _listed(self.wasserstein_range),
            "index_difference_range": _listed(self.index_difference_range),
            "parameters": self.parameters,
        }


def _listed(ends: tuple[float, float] | None) -> list[float] | None:
    return None if ends is None else list(ends)
