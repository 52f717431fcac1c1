"""An audit in words: a verdict of at most 40 words, and a sentence with all numbers.

A distance within three standard deviations of what Hessians drawn anew have is what chance does,
but only if the law itself is known well enough: its own error is said to be one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rmtland.audit.diagnostics import Diagnostics
from rmtland.audit.level_result import LevelResult, Standing
from rmtland.audit.levels import Family, Level
from rmtland.audit.second_moments import CovarianceKind, ResidualCovariance
from rmtland.audit.shares import Assumption, Share
from rmtland.intervals import error_words, interval_words

__all__ = ["LONGEST", "Audited", "sentence", "verdict"]

LONGEST = 40
"""Words of a verdict, at most."""

_CRITICAL = 1e-10
"""Square of the gradient's norm that counts as critical (Frye et al., 2020)."""

_NO_BLAME = (Assumption.CHANCE, Assumption.LAW)


class Audited(Protocol):
    """What is put into words: attributes of `rmtland.audit.HessianAudit`."""

    @property
    def levels(self) -> tuple[LevelResult, ...]:
        """Levels with their distances."""

    @property
    def shares(self) -> tuple[Share, ...]:
        """Shares of the misfits."""

    @property
    def sampling(self) -> float | None:
        """What chance does."""

    @property
    def diagnostics(self) -> Diagnostics | None:
        """Tests of residuals and weights."""

    @property
    def residual_covariance(self) -> ResidualCovariance | None:
        """Covariance of the residuals at level 6."""

    @property
    def not_applicable(self) -> str | None:
        """Why level 5 was left out."""

    @property
    def interrupted(self) -> str | None:
        """What was being done at an interrupt."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the spectrum came from."""

    @property
    def threshold(self) -> float:
        """Distance above which a level of an estimate counts as refuted."""


def verdict(audit: Audited) -> str:
    """Say which law fits and what fails, in at most 40 words.

    Of an estimate: which levels are refuted, which hold, which stay open.

    Parameters
    ----------
    audit : HessianAudit
        What was found.

    Returns
    -------
    str
    """
    if _is_estimated(audit):
        return _estimated_verdict(audit)
    parts = []
    first = _result(audit, Level.PRINTED, Family.WIGNER)
    if first is not None:
        text = f"Wishart + Wigner misses by {first.kolmogorov:.3f}"
        shares = _blamed(audit, Family.WIGNER)
        if shares and not _within_chance(audit, first):
            text += f", mostly through {shares[0].assumption.sentence}"
        parts.append(f"{text}.")
    best = _best_dyson(audit)
    if first is None and best is None and (nearest := _nearest(audit)) is not None:
        name = f"level {nearest.number} ({nearest.name})"
        parts.append(f"Nearest is {name}: {nearest.kolmogorov:.3f} off.")
    if best is not None:
        parts.append(f"The matrix Dyson law leaves {best.kolmogorov:.3f}{_short(audit, best)}.")
        shares = _blamed(audit, Family.DYSON)
        iid = _result(audit, Level.DYSON, Family.DYSON)
        if shares and iid is not None and iid.expected is not None and iid.error is not None:
            over = iid.kolmogorov > iid.expected + 3 * iid.error
            if over and shares[0].value > 0:
                parts.append(f"To blame: {shares[0].assumption.sentence}.")
    elif audit.not_applicable is not None:
        parts.append("The matrix Dyson law does not apply.")
    conditioned = _best_conditioned(audit)
    if conditioned is not None:
        text = f"Residuals conditioned on the gradient leave {conditioned.kolmogorov:.3f}."
        if len(" ".join([*parts, text]).split()) <= LONGEST:
            parts.append(text)
    if audit.interrupted:
        parts.append("Interrupted: not all was computed.")
    return " ".join(parts) or "No level of theory was compared."


def sentence(audit: Audited) -> str:
    """Say what was found with all numbers.

    Parameters
    ----------
    audit : HessianAudit
        What was found.

    Returns
    -------
    str
    """
    about = (
        [_about_estimates(audit)]
        if _is_estimated(audit)
        else [_about_wigner(audit), _about_dyson(audit), _about_conditioned(audit)]
    )
    parts = about
    square = audit.provenance.get("gradient_norm", 1.0) ** 2
    if square <= _CRITICAL:
        parts.append(f"The point is critical up to |gradient|^2 = {square:.1e}.")
    if audit.diagnostics is not None:
        parts.append(audit.diagnostics.sentence)
    if audit.interrupted:
        parts.append(f"Interrupted at: {audit.interrupted}.")
    return " ".join(part for part in parts if part)


def _is_estimated(audit: Audited) -> bool:
    return any(result.is_estimated for result in audit.levels)


def _estimated_verdict(audit: Audited) -> str:
    """Levels by their standing."""
    found: dict[Standing, list[str]] = {standing: [] for standing in Standing}
    for result in audit.levels:
        if result.family is not Family.RELU_BLOCK:
            name = _SHORT_NAMES.get(result.level, result.name)
            found[result.standing(audit.threshold)].append(name)
    parts = [
        f"{standing.capitalize()}: {', '.join(names)}."
        for standing, names in found.items()
        if names
    ]
    if audit.interrupted:
        parts.append("Interrupted: not all was computed.")
    return f"At a distance of {audit.threshold:g}: {' '.join(parts)}"


_SHORT_NAMES = {
    Level.PRINTED: "printed law",
    Level.MATCHED: "traces matched",
    Level.FITTED: "fitted family",
    Level.MEASURED_GAUSS_NEWTON: "H0 measured with Wigner H1",
    Level.MEASURED_PARTS: "free sum of measured parts",
}


def _about_estimates(audit: Audited) -> str:
    """Every level with its range."""
    confidence = audit.provenance.get("confidence", 0.95)
    levels = "; ".join(
        f"{result.name} {result.kolmogorov:.3f}, range {interval_words(*result.kolmogorov_range)} "
        f"({result.standing(audit.threshold)})"
        for result in audit.levels
    )
    return (
        f"Kolmogorov distances from spectra estimated by products, all ranges at "
        f"{100 * confidence:g} % together, threshold {audit.threshold:g}: {levels}."
    )


def _result(audit: Audited, level: Level, family: Family) -> LevelResult | None:
    for result in audit.levels:
        if (result.level, result.family) == (level, family):
            return result
    return None


def _blamed(audit: Audited, law: Family) -> list[Share]:
    """Shares of a law, the greatest first; what is due to size or to the law is left out."""
    shares = [s for s in audit.shares if s.law is law and s.assumption not in _NO_BLAME]
    return sorted(shares, key=lambda share: -share.value)


def _within_chance(audit: Audited, first: LevelResult) -> bool:
    chance = [
        share.value
        for share in audit.shares
        if (share.law, share.assumption) == (Family.WIGNER, Assumption.CHANCE)
    ]
    return bool(chance) and first.kolmogorov <= 2 * chance[0]


def _nearest(audit: Audited) -> LevelResult | None:
    found = [result for result in audit.levels if result.family is not Family.RELU_BLOCK]
    return min(found, key=lambda result: result.kolmogorov, default=None)


def _best_dyson(audit: Audited) -> LevelResult | None:
    found = [result for result in audit.levels if result.family is Family.DYSON]
    return min(found, key=lambda result: result.kolmogorov, default=None)


def _best_conditioned(audit: Audited) -> LevelResult | None:
    found = [result for result in audit.levels if result.family is Family.CONDITIONED]
    return min(found, key=lambda result: result.kolmogorov, default=None)


def _about_conditioned(audit: Audited) -> str:
    """Say what conditioned residuals leave, and what training did to the residuals."""
    best = _best_conditioned(audit)
    if best is None:
        return ""
    known, kept = best.parameters, best.parameters["on"]
    chance = ""
    if best.expected is not None and best.error is not None:
        chance = f", where chance does {best.expected:.3f} +- {error_words(best.error)}"
    text = (
        f"With residuals conditioned on {' and '.join(kept)} (level {best.number}) "
        f"{best.kolmogorov:.3f} is left{chance}, and the index is off by "
        f"{best.index_difference:+.3f}; "
        f"{known['measured_numbers']} numbers of the residuals are measured, "
        f"{known['free_share']:.0%} of their dimensions are free"
    )
    if known["nearly_all_measured"]:
        text += ": this describes the spectrum, it does not predict it"
    first = _result(audit, Level.CONDITIONED_GRADIENT, Family.CONDITIONED)
    if first is None:
        return f"{text}."
    share, dimensions = first.parameters["known_energy_share"], 1 - first.parameters["free_share"]
    where = f"the {dimensions:.0%} of their directions that the gradient sees"
    if share < dimensions / 2:
        return (
            f"{text}. Training has moved the residuals out of {where}: {share:.1%} of their "
            "squares are left there."
        )
    return f"{text}. In {where} lie {share:.1%} of their squares."


def _is_known(result: LevelResult) -> bool:
    """Whether the error of the law is small beside its distance, so that chance can be told."""
    return result.law_error <= max(0.01, result.kolmogorov / 3)


def _short(audit: Audited, best: LevelResult) -> str:
    if best.expected is None or best.error is None:
        return ""
    if best.kolmogorov > best.expected + 3 * best.error + best.law_error:
        return ", more than chance"
    if not _is_known(best):
        return f", of which its own error may be {error_words(best.law_error)}"
    if best.kolmogorov > best.expected + 3 * best.error:
        return ", hardly more than chance"
    if audit.sampling is not None and best.expected > 2 * audit.sampling:
        return ", mostly the law's own error at this size"
    return ", which is sampling noise"


def _about_wigner(audit: Audited) -> str:
    first = _result(audit, Level.PRINTED, Family.WIGNER)
    if first is None:
        return ""
    start = f"The misfit {first.kolmogorov:.3f} of Wishart + Wigner (Kolmogorov distance)"
    ranked = _blamed(audit, Family.WIGNER)
    if not ranked:
        return f"{start} is not split among its assumptions."
    if _within_chance(audit, first):
        return f"{start} is within what chance does at this size."
    words = "is mostly" if ranked[0].value > first.kolmogorov / 2 else "is more than anything else"
    others = ", ".join(_amount(share) for share in ranked[1:])
    return f"{start} {words} {_amount(ranked[0])}; {others}."


def _about_dyson(audit: Audited) -> str:
    best = _best_dyson(audit)
    if best is None:
        reason, law = audit.not_applicable, "The matrix Dyson law (levels 5 and 6)"
        return "" if reason is None else f"{law} does not apply: {reason}."
    parts = [f"With the matrix Dyson equation (level {best.number}) {best.kolmogorov:.3f} is left"]
    if best.expected is not None and best.error is not None:
        noise = f"{best.expected:.3f} +- {error_words(best.error)} for Hessians drawn anew"
        parts[0] += f"{_short(audit, best)} ({noise})"
    elif not _is_known(best):
        parts[0] += f", of which its own error may be {error_words(best.law_error)}"
    parts[0] += "."
    if not _is_known(best):
        parts.append("Raise points to know the law better.")
    covariance = audit.residual_covariance
    if covariance is not None and covariance.kind is not CovarianceKind.IID:
        parts.append(f"Level 6 has {covariance.kind.sentence}.")
    first = _result(audit, Level.DYSON, Family.DYSON)
    if first is None or first.expected is None or first.error is None:
        return " ".join(parts)
    if first.kolmogorov > first.expected + 3 * first.error:
        blame = ", ".join(_amount(share) for share in _blamed(audit, Family.DYSON))
        parts.append(f"Of the {first.kolmogorov:.3f} of level 5: {blame}.")
    return " ".join(parts)


def _amount(share: Share) -> str:
    error = "" if share.error is None else f" +- {error_words(share.error)}"
    text = f"{share.assumption.sentence} ({share.value:.3f}{error}"
    if share.cancels:
        text += f", where orders from {share.low:+.3f} to {share.high:+.3f} cancel"
    return f"{text})"
