"""What an audit found: levels with their distances, shares of the misfit, tests, and a verdict.

`rmtland.audit.hessian_audit` makes it of a point of a network or of measured spectra. Values are
found by level and family, shares by assumption and law; `rmtland.audit.verdict` puts them into
words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

from rmtland.audit.diagnostics import Diagnostics
from rmtland.audit.level_result import LevelResult
from rmtland.audit.levels import Family, Level
from rmtland.audit.second_moments import ResidualCovariance
from rmtland.audit.shares import Share
from rmtland.audit.verdict import sentence, verdict
from rmtland.intervals import error_words, interval_words
from rmtland.spectrum import Spectrum
from rmtland.typing import Record

__all__ = ["HessianAudit"]


@dataclass(frozen=True, eq=False, repr=False)
class HessianAudit:
    """What an audit found.

    Made by `rmtland.audit.audit_hessian`, `rmtland.audit.audit_operators` and
    `rmtland.audit.audit_spectra`.

    Parameters
    ----------
    levels : tuple of LevelResult
        In the order of the table.
    shares : tuple of Share
        What each assumption contributes to the misfit of a law.
    spectrum : Spectrum
        Measured eigenvalues of H.
    gauss_newton, residual : Spectrum or None
        Of H0 and H1.
    chance : float or None
        Mean distance of Hessians drawn anew from level 5 to its law.
    chance_error : float or None
        Their standard deviation.
    sampling : float or None
        The part of `chance` that is sampling noise; the rest is the law's own error.
    diagnostics : Diagnostics or None
        Tests of residuals and weights; None without a network.
    residual_covariance : ResidualCovariance or None
        Which covariance level 6 has taken for the residuals.
    inapplicable : dict of Level to str
        Levels that were left out, and why.
    interrupted : str or None
        What was being done when the audit was interrupted; what came before is there.
    provenance : dict
        Network, sizes, energy, seed, versions.
    threshold : float
        Kolmogorov distance above which a level counts as refuted, where spectra are estimates.
    """

    levels: tuple[LevelResult, ...]
    shares: tuple[Share, ...]
    spectrum: Spectrum
    gauss_newton: Spectrum | None = None
    residual: Spectrum | None = None
    chance: float | None = None
    chance_error: float | None = None
    sampling: float | None = None
    diagnostics: Diagnostics | None = None
    residual_covariance: ResidualCovariance | None = None
    inapplicable: Mapping[Level, str] = field(default_factory=dict)
    interrupted: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    threshold: float = 0.05

    def __getitem__(self, key: str | Level | tuple[Level, Family]) -> LevelResult:
        """Return a level by its name in tables, by `Level`, or by level and family.

        Raises
        ------
        KeyError
            If there is none.
        """
        wanted = key if isinstance(key, tuple) else (key, None)
        for result in self.levels:
            if isinstance(key, str) and result.name == key:
                return result
            if wanted == (result.level, None) or wanted == (result.level, result.family):
                return result
        names = ", ".join(result.name for result in self.levels)
        raise KeyError(f"no level {key!r}; there are {names}")

    def level(self, number: int, family: str | None = None) -> LevelResult:
        """Return the level of a number, the first of its family or of all families.

        Parameters
        ----------
        number : int
            Of the level.
        family : str, optional
            Of the law.

        Returns
        -------
        LevelResult
            The first that fits.

        Raises
        ------
        KeyError
            If there is none.
        """
        for result in self.levels:
            if result.number == number and family in (None, result.family):
                return result
        raise KeyError(f"no level {number} of {family or 'any family'}")

    def share(self, assumption: str, law: str = Family.WIGNER) -> Share:
        """Return the share of an assumption in the misfit of a law.

        Parameters
        ----------
        assumption : Assumption or str
            Which.
        law : Family or str
            Whose misfit.

        Returns
        -------
        Share
            The share of the misfit with its error.

        Raises
        ------
        KeyError
            If there is none.
        """
        for share in self.shares:
            if (share.law, share.assumption) == (law, assumption):
                return share
        raise KeyError(f"no share of {assumption!s} in the misfit of {law!s}")

    @property
    def is_estimated(self) -> bool:
        """Whether spectra were estimated from products, so that distances have ranges."""
        return any(result.is_estimated for result in self.levels)

    @property
    def not_applicable(self) -> str | None:
        """Why level 5 was left out, None where it was not."""
        return self.inapplicable.get(Level.DYSON)

    @cached_property
    def verdict(self) -> str:
        """What the audit says, in at most 40 words."""
        return verdict(self)

    @cached_property
    def sentence(self) -> str:
        """What the audit says, with all numbers."""
        return sentence(self)

    def __repr__(self) -> str:
        """Return size and verdict."""
        size = self.spectrum.dimension or self.spectrum.nodes.shape[1]
        return f"HessianAudit({size} eigenvalues, {len(self.levels)} levels: {self.verdict})"

    def _repr_html_(self) -> str:
        """Return verdict and levels as an HTML table, for notebooks."""
        rows = "".join(
            f"<tr><td>{result.number}</td><td>{escape(result.name)}</td>"
            f"<td>{result.kolmogorov:.3f}</td>"
            f"<td>{_uncertainty(result)}</td>"
            f"<td>{result.index_difference:+.3f}</td><td>{result.outside_fraction:.1%}</td></tr>"
            for result in self.levels
        )
        names = ("level", "law", "Kolmogorov", "&plusmn;", "index difference", "outside")
        head = "".join(f"<th>{name}</th>" for name in names)
        return f"<p>{escape(self.verdict)}</p><table><tr>{head}</tr>{rows}</table>"

    def as_dict(self) -> Record:
        """Return everything but laws and spectra as plain values, for JSON.

        Returns
        -------
        dict of str to values
            Nested dictionaries and lists of plain values.
        """
        covariance = self.residual_covariance
        counts = self.spectrum.inertia()._asdict() if self.spectrum.is_complete else {}
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "provenance": dict(self.provenance),
            "estimated": self.is_estimated,
            "levels": [
                {**result.as_dict(), "standing": str(result.standing(self.threshold))}
                if result.is_estimated
                else result.as_dict()
                for result in self.levels
            ],
            "shares": [share.as_dict() for share in self.shares],
            "chance": self.chance,
            "chance_error": self.chance_error,
            "sampling": self.sampling,
            "residual_covariance": None if covariance is None else covariance.as_dict(),
            "not_applicable": self.not_applicable,
            "inapplicable": {level.value: why for level, why in self.inapplicable.items()},
            "interrupted": self.interrupted,
            "diagnostics": None if self.diagnostics is None else self.diagnostics.as_dict(),
            "spectrum": {
                **counts,
                "index": self.spectrum.index(),
                "edges": [float(self.spectrum.nodes.min()), float(self.spectrum.nodes.max())],
            },
        }

    def to_json(self) -> str:
        """Return `as_dict` as JSON text.

        Returns
        -------
        str
            A JSON object.
        """
        return json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n"


def _uncertainty(result: LevelResult) -> str:
    """Range of a distance, or its spread over Hessians drawn anew."""
    if result.is_estimated:
        return interval_words(*result.kolmogorov_range)
    return "" if result.error is None else error_words(result.error)
