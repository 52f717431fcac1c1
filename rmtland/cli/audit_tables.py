"""Tables of an audit: counts, levels, shares, verdict; exact, or with the ranges of estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmtland.cli.output import Output
from rmtland.intervals import error_words, interval_ends
from rmtland.typing import Record

if TYPE_CHECKING:
    from rich.table import Table

    from rmtland.audit import HessianAudit, LevelResult

__all__ = ["print_audit", "print_stages"]


def print_audit(output: Output, result: HessianAudit, title: str, words: str) -> None:
    """Print an audit."""
    output.part()
    if result.is_estimated:
        _print_estimated(output, result, title, words)
    else:
        _print_exact(output, result, title, words)
    output.answer(result.verdict)
    output.answer(result.sentence)


def _table(*columns: str) -> Table:
    """Return an empty table whose first column is text."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _mark(level: LevelResult) -> str:
    """Numbers of the residuals that a level has measured, and whether that is nearly all."""
    measured = level.parameters.get("measured_numbers")
    if measured is None:
        return ""
    return f" ({measured} measured{'!' if level.parameters['nearly_all_measured'] else ''})"


def _print_estimated(output: Output, result: HessianAudit, title: str, words: str) -> None:
    seen, origin = result.spectrum, result.provenance
    spent = ""
    if "probes" in origin:
        spent = f", {origin['probes']} probes x {origin['steps']} steps for each of H, H0 and H1"
    output.line(
        f"{title}\n{words}\nspectra estimated from products{spent}; eigenvalues seen from "
        f"{seen.nodes.min():.4g} to {seen.nodes.max():.4g}"
    )
    table = _table("level", "KS", "range", "", "W1", "range", "d index", "range", "outside")
    for level in result.levels:
        comparison = level.comparison
        table.add_row(
            f"{level.number} {level.name}{_mark(level)}",
            f"{comparison.kolmogorov:.3f}",
            _range(level.kolmogorov_range, 3),
            str(level.standing(result.threshold)),
            f"{comparison.wasserstein:.4f}",
            _range(level.wasserstein_range, 4),
            f"{level.index_difference:+.3f}",
            _range(level.index_difference_range, 3, signed=True),
            f"{level.outside_fraction:.1%}",
        )
    output.table(table)
    if result.shares:
        shares = _table("misfit of", "assumption", "share", "over orders and estimates")
        shares.columns[1].justify = "left"
        for share in result.shares:
            row = (str(share.law), str(share.assumption), f"{share.value:+.3f}")
            shares.add_row(*row, f"{share.low:+.3f} {share.high:+.3f}")
        output.table(shares)
    _print_left_out(output, result)
    output.line(
        "KS: Kolmogorov distance; W1: Wasserstein-1 distance in widths of the law; d index: "
        "fraction below 0 of the law less the measured one; outside: estimated fraction of the "
        f"eigenvalues outside the law. The ranges hold together at "
        f"{100 * origin['confidence']:g} %; a level is refuted where its whole range is above "
        f"{result.threshold:g}, and holds where all of it is below."
    )


def _range(ends: tuple[float, float] | None, decimals: int, *, signed: bool = False) -> str:
    if ends is None:
        return ""
    return " ".join(interval_ends(*ends, decimals=decimals, signed=signed))


def _print_left_out(output: Output, result: HessianAudit) -> None:
    """Say why levels that need no network are not there."""
    for which, reason in result.inapplicable.items():
        if which.number < 5 and reason != "it was not asked for":
            output.line(f"level {which.number}, {which.value}: left out, {reason}")


def _print_exact(output: Output, result: HessianAudit, title: str, words: str) -> None:
    seen = result.spectrum
    inertia = seen.inertia()
    output.line(
        f"{title}\n{words}\n{inertia.negative} negative, {inertia.zero} zero, "
        f"{inertia.positive} positive eigenvalues, from {seen.nodes.min():.4g} to "
        f"{seen.nodes.max():.4g}"
    )
    table = _table("level", "KS", "+-", "W1", "d index", "d low", "d high", "outside", "explained")
    for level in result.levels:
        comparison, edges = level.comparison, level.edge_differences
        table.add_row(
            f"{level.number} {level.name}{_mark(level)}",
            f"{comparison.kolmogorov:.3f}",
            "" if level.error is None else error_words(level.error),
            f"{comparison.wasserstein:.4f}",
            f"{level.index_difference:+.3f}",
            f"{edges[0]:+.2f}",
            f"{edges[1]:+.2f}",
            f"{level.outside_fraction:.1%}",
            str(level.explained),
        )
    output.table(table)
    for which, reason in result.inapplicable.items():
        if "was not computed" in reason:
            output.line(f"level {which.number}, {which.value}: left out, {reason}")
    shares = _table("misfit of", "assumption", "share", "+-", "over orders", "")
    shares.columns[1].justify = shares.columns[-1].justify = "left"
    for share in result.shares:
        shares.add_row(
            str(share.law),
            str(share.assumption),
            f"{share.value:+.3f}",
            "" if share.error is None else error_words(share.error),
            f"{share.low:+.3f} {share.high:+.3f}",
            "orders cancel" if share.cancels else "",
        )
    if result.shares:
        output.table(shares)
    _print_left_out(output, result)
    output.line(
        "KS: Kolmogorov distance, +- its spread over Hessians drawn anew; W1: Wasserstein-1 "
        "distance in widths of the law; d index, d low, d high: fraction below 0 and edges of the "
        "law less the measured ones; outside: fraction of the eigenvalues outside the law; "
        "explained: number of the outliers of level 1 that are none any more. Shares: mean over "
        "the orders in which assumptions are given up, +- standard error, range over the orders."
    )


def print_stages(output: Output, found: list[Record]) -> None:
    """Print Kolmogorov distances of all levels along training."""
    energies = [f"{stage['provenance']['energy']:.3g}" for stage in found]
    table = _table("Kolmogorov distance at energy", *energies)
    rows: dict[tuple[int, str], dict[int, str]] = {}  # a stage may lack a level of another
    for column, stage in enumerate(found):
        for level in stage["levels"]:
            row = rows.setdefault((level["number"], level["name"]), {})
            row[column] = f"{level['kolmogorov']:.3f}"
    for number, name in sorted(rows, key=lambda level: level[0]):
        row = rows[number, name]
        table.add_row(f"{number} {name}", *(row.get(k, "") for k in range(len(found))))
    output.table(table)
