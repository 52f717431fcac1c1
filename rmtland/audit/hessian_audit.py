"""What an audit found: levels with their distances, shares of the misfit, tests, and a sentence.

`rmtland.audit.auditing` makes it of a point of a network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rmtland.audit.diagnostics import Diagnostics
from rmtland.audit.shares import Share
from rmtland.comparison import Comparison
from rmtland.laws import Law
from rmtland.spectrum import Spectrum

__all__ = ["DYSON", "WIGNER", "HessianAudit", "Level"]

WIGNER, DYSON = "Wishart + Wigner", "matrix Dyson"
"""Names of the two laws whose misfit is split."""


@dataclass(frozen=True, eq=False)
class Level:
    """One level of theory and how far the measured Hessian is from it.

    Parameters
    ----------
    number : int
        0-6, see `rmtland.audit.levels`.
    family : str
        "Wishart + Wigner", "Wishart + ReLU block", or "matrix Dyson".
    name : str
        For tables.
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
    parameters : dict
        Of the model, JSON-able.
    """

    number: int
    family: str
    name: str
    law: Law
    comparison: Comparison
    explained: int
    error: float | None = None
    expected: float | None = None
    law_error: float = 0.0
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def index_error(self) -> float:
        """Index of the law less the measured one."""
        return self.comparison.law_index - self.comparison.spectrum_index

    @property
    def edge_errors(self) -> tuple[float, float]:
        """Lowest and highest end of the law less the measured ones."""
        law, seen = self.comparison.law_edges, self.comparison.spectrum_edges
        return law[0] - seen[0], law[1] - seen[1]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "number": self.number, "family": self.family, "name": self.name,
            **self.comparison.as_dict(), "index_difference": self.index_error,
            "edge_differences": list(self.edge_errors), "outliers_explained": self.explained,
            "error": self.error, "expected": self.expected, "law_error": self.law_error,
            "parameters": self.parameters,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class HessianAudit:
    """What an audit found.

    Parameters
    ----------
    levels : tuple of Level
        In the order of the table.
    shares : tuple of Share
        What each assumption contributes to the misfit of a law.
    spectrum, gauss_newton, residual : Spectrum
        Measured eigenvalues of H, H0 and H1.
    chance : float or None
        Mean distance of Hessians drawn anew from level 5 to its law.
    chance_error : float or None
        Their standard deviation.
    diagnostics : Diagnostics
        Tests of residuals and weights.
    not_applicable : str or None
        Why levels 5 and 6 were left out.
    provenance : dict
        Network, sizes, energy, seed, versions.
    """

    levels: tuple[Level, ...]
    shares: tuple[Share, ...]
    spectrum: Spectrum
    gauss_newton: Spectrum
    residual: Spectrum
    chance: float | None
    chance_error: float | None
    diagnostics: Diagnostics
    not_applicable: str | None
    provenance: dict[str, Any]

    def __getitem__(self, name: str) -> Level:
        """Return the level of a name."""
        for level in self.levels:
            if level.name == name:
                return level
        raise KeyError(f"no level {name!r}; there are {', '.join(x.name for x in self.levels)}")

    def level(self, number: int, family: str | None = None) -> Level:
        """Return the level of a number, the first of its family or of all families.

        Raises
        ------
        KeyError
            If there is none.
        """
        for level in self.levels:
            if level.number == number and family in (None, level.family):
                return level
        raise KeyError(f"no level {number} of {family or 'any family'}")

    def share(self, assumption: str, law: str = WIGNER) -> Share:
        """Return the share of an assumption in the misfit of a law."""
        for share in self.shares:
            if (share.law, share.assumption) == (law, assumption):
                return share
        raise KeyError(f"no share of {assumption!r} in the misfit of {law}")

    @cached_property
    def sentence(self) -> str:
        """What the audit says, in plain words."""
        parts = [self._about_wigner()]
        parts += [self._about_dyson()] if self.not_applicable is None else [
            f"Levels 5 and 6 do not apply: {self.not_applicable}."
        ]  # fmt: skip
        square = self.provenance.get("gradient_norm", 1.0) ** 2
        if square <= _CRITICAL:
            parts.append(f"The point is critical up to |gradient|^2 = {square:.1e}.")
        return " ".join([*parts, self.diagnostics.sentence])

    def _about_wigner(self) -> str:
        misfit = self.level(0, WIGNER).comparison.kolmogorov
        shares = [s for s in self.shares if s.law == WIGNER and s.assumption != "chance"]
        ranked = sorted(shares, key=lambda share: -share.value)
        first, rest = ranked[0], ranked[1:]
        start = f"The misfit {misfit:.3f} of Wishart + Wigner (Kolmogorov distance)"
        if misfit <= 2 * self.share("chance").value:
            return f"{start} is within what chance does at this size."
        words = "is mostly" if first.value > misfit / 2 else "is more than anything else"
        others = ", ".join(f"{_ASSUMED[s.assumption]} {_amount(s)}" for s in rest)
        return f"{start} {words} {_ASSUMED[first.assumption]} ({_amount(first)}); {others}."

    def _about_dyson(self) -> str:
        best = min(
            (level for level in self.levels if level.family == DYSON),
            key=lambda level: level.comparison.kolmogorov,
        )
        left = best.comparison.kolmogorov
        start = f"With the matrix Dyson equation (level {best.number}) {left:.3f} is left"
        if best.law_error > max(0.01, left / 3):
            start += f" (the law was computed to {best.law_error:.3f} only: raise points)"
        if best.expected is None or best.error is None:
            return f"{start}."
        noise = f"{best.expected:.3f} +- {best.error:.3f}"
        chance = left <= best.expected + 3 * best.error
        start += f", {'which is' if chance else 'more than'} sampling noise ({noise})."
        first = self.level(5, DYSON)
        if first.expected is None or first.error is None:
            return start
        misfit = first.comparison.kolmogorov
        if misfit <= first.expected + 3 * first.error:
            return start
        shares = sorted(
            (s for s in self.shares if s.law == DYSON and s.assumption != "chance"),
            key=lambda share: -share.value,
        )
        blame = ", ".join(f"{_ASSUMED[s.assumption]} {_amount(s)}" for s in shares)
        return f"{start} Of the {misfit:.3f} of level 5: {blame}."

    def as_dict(self) -> dict[str, Any]:
        """Return everything but laws and spectra as plain values, for JSON."""
        return {
            "sentence": self.sentence,
            "provenance": self.provenance,
            "levels": [level.as_dict() for level in self.levels],
            "shares": [share.as_dict() for share in self.shares],
            "chance": self.chance,
            "chance_error": self.chance_error,
            "not_applicable": self.not_applicable,
            "diagnostics": self.diagnostics.as_dict(),
            "spectrum": {
                **self.spectrum.inertia()._asdict(),
                "index": self.spectrum.index(),
                "edges": [float(self.spectrum.nodes.min()), float(self.spectrum.nodes.max())],
            },
        }

    def to_json(self) -> str:
        """Return `as_dict` as JSON text."""
        return json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n"


_CRITICAL = 1e-10
"""Square of the gradient's norm that counts as critical (Frye et al., 2020)."""

_ASSUMED = {
    "scale": "the scale that is not fitted",
    "Wishart": "the Wishart assumption on H0",
    "Wigner": "the Wigner assumption on H1",
    "freeness": "freeness of H0 and H1",
    "iid weights": "iid weights of the second layer",
    "Gaussian residuals": "Gaussian residuals independent of the data",
}


def _amount(share: Share) -> str:
    error = "" if share.error is None else f" +- {share.error:.3f}"
    return f"{share.value:.3f}{error}"
