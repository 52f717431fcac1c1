"""Pictures of counterexamples: what is printed and what is true along one hypothesis.

>>> from matplotlib.figure import Figure
>>> from rmtland.statements import find_statement
>>> ax = Figure().subplots()
>>> draw_counterexample(ax, find_statement("lecture-relu-threshold"))
'tau'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes

from rmtland.drawing import COLORS
from rmtland.statements.hypotheses import Number, OneOf, Whole
from rmtland.statements.relations import Estimate
from rmtland.statements.statement import Claim, Statement, called
from rmtland.typing import Record

__all__ = ["draw_counterexample"]

MOST = 60
"""Points along a hypothesis."""


def draw_counterexample(ax: Axes, statement: Statement, *, along: str | None = None) -> str | None:
    """Draw the printed formula and the truth along one hypothesis, through the counterexample.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    statement : Statement
        With a counterexample.
    along : str, optional
        The hypothesis; by default the first along which both are numbers and differ in value.

    Returns
    -------
    str or None
        The hypothesis; None, and nothing drawn, where there is no such one or values are dear.

    Raises
    ------
    ValueError
        If there is no counterexample or no such hypothesis.
    """
    claim, stored = statement.failing, statement.counterexample
    if claim is None or stored is None:
        raise ValueError(f"{statement.id} {statement.verdict.value}: there is no counterexample")
    if along is not None and along not in claim.hypotheses:
        raise ValueError(f"along must be one of {', '.join(claim.hypotheses)}; got {along!r}")
    if claim.share < 0.1 or np.ndim(stored.claim):
        return None
    names = [along] if along is not None else [*claim.hypotheses]
    for name in names:
        points = _points(claim, name, stored.at)
        if len(points) < 2 or (along is None and name == "seed"):
            continue
        x, printed, true = (np.array(row, dtype=float) for row in zip(*points, strict=True))
        level = 1e-9 * max(1.0, np.abs(printed).max(), np.abs(true).max())
        if along is None and max(np.ptp(printed), np.ptp(true)) < level:
            continue
        style: Record = {"marker": "o", "markersize": 3} if len(x) < MOST else {}
        ax.plot(x, printed, color=COLORS[1], label="printed", linestyle="--", **style)
        ax.plot(x, true, color=COLORS[0], label="true", **style)
        ax.plot([stored.at[name]] * 2, [stored.claim, stored.truth], "k:", marker="s", markersize=4)
        ax.set_xlabel(name)
        both = np.array([*printed, *true, float(stored.claim), float(stored.truth)])
        if both.min() > 0 and both.max() > 30 * both.min():
            ax.set_yscale("log")
        ax.set_ylabel(f"printed: truth {claim.relation.symbol} formula", fontsize="small")
        ax.legend()
        rest = ", ".join(
            f"{k} = {v:.4g}" if isinstance(v, float) else f"{k} = {v}"
            for k, v in stored.at.items()
            if k != name
        )
        ax.set_title(f"{statement.id}\n{rest}" if rest else statement.id, fontsize="small")
        return name
    return None


def _points(claim: Claim, name: str, at: Mapping[str, object]) -> list[tuple[float, float, float]]:
    """Return (value, printed, true) along one hypothesis."""
    range_ = claim.hypotheses[name]
    if isinstance(range_, OneOf):
        return []
    values: Iterable[float]
    if isinstance(range_, Whole):
        values = range(range_.low, min(range_.high, range_.low + 30) + 1)
    elif isinstance(range_, Number) and range_.log:
        values = np.geomspace(range_.low, range_.high, MOST)
    else:
        values = np.linspace(range_.low, range_.high, MOST)
    points = []
    with np.errstate(all="ignore"):
        for value in values:
            example = {**at, name: value if isinstance(range_, Whole) else float(value)}
            if not claim.admissible(example):
                continue
            instance = claim.instance(example)
            printed, true = called(claim.claim, instance), called(claim.truths[0], instance)
            number = true.value if isinstance(true, Estimate) else true
            if np.ndim(printed) or np.ndim(number) or not np.isfinite([printed, number]).all():
                continue
            points.append((float(value), float(printed), float(number)))
    return points
