"""Figures of `rmtland advise`: predicted errors, and measured ones beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

    from rmtland.laws import Law
    from rmtland.optimizer import Advice, StartAdvice
    from rmtland.spectrum import Spectrum
    from rmtland.typing import Real

__all__ = ["advice_figure", "start_figure"]

_TINY = 1e-300


def advice_figure(found: Advice, source: Law | Spectrum, measured: Real | None) -> Figure:
    """Draw predicted errors of all candidates, and of the advised one its bands.

    Parameters
    ----------
    found : Advice
        The advice.
    source : Law or Spectrum
        What it is on.
    measured : ndarray of float, shape (runs, steps + 1), or None
        Errors of the advised method on drawn matrices.

    Returns
    -------
    Figure
    """
    import numpy as np
    from matplotlib.figure import Figure

    from rmtland.drawing import COLORS
    from rmtland.optimizer import best_errors, predict

    objective, steps = found.prediction.objective, found.steps
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    ax = figure.subplots()
    t = np.arange(steps + 1)
    best = best_errors(source, steps, objective=objective)
    ax.plot(t, np.maximum(best, _TINY), color="0.3", lw=1, ls="--", label="best possible")
    for candidate, color in zip(found.candidates, COLORS, strict=False):
        errors = predict(candidate.method, source, steps, objective=objective).errors
        ax.plot(t, np.maximum(errors, _TINY), lw=1.4, color=color, label=candidate.method.name)
    if found.prediction.draws is not None:
        low, high = found.prediction.interval()
        ax.fill_between(
            t,
            np.maximum(low, _TINY),
            np.maximum(high, _TINY),
            color=COLORS[0],
            alpha=0.25,
            lw=0,
            label="90 % of runs, predicted",
        )
    if measured is not None:
        low, middle, high = np.quantile(measured, [0.05, 0.5, 0.95], axis=0)
        ax.errorbar(
            t,
            middle,
            yerr=[middle - low, high - middle],
            fmt=".",
            color="black",
            ms=4,
            lw=0.8,
            label=f"90 % of {len(measured)} runs, measured",
        )
    ax.set_yscale("log")
    ax.set(xlabel="step", ylabel=f"{objective}, in parts of that at the start", xlim=(0, steps))
    ax.legend(frameon=False, fontsize="small")
    return figure


def start_figure(found: StartAdvice, title: str) -> Figure:
    """Draw predicted losses dashed, measured ones solid.

    Parameters
    ----------
    found : StartAdvice
        The advice.
    title : str
        What it is on.

    Returns
    -------
    Figure
    """
    import numpy as np
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    from rmtland.drawing import COLORS

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    ax = figure.subplots()
    t = np.arange(found.steps + 1)
    handles: list[Artist] = []
    for curve, color in zip(found.curves, COLORS, strict=False):
        ax.plot(t, curve.predicted, color=color, ls="--", lw=1)
        if curve.measured is not None:
            shown = np.where(np.isfinite(curve.measured), curve.measured, np.nan)
            ax.plot(t, shown, color=color, lw=1.6)
        handles.append(Line2D([], [], color=color, label=curve.method.name))
    ax.plot(t, found.best, color="0.3", lw=1, ls=":")
    handles += [
        Line2D([], [], color="0.3", lw=1, ls="--", label="predicted"),
        Line2D([], [], color="0.3", lw=1.6, label="measured"),
        Line2D([], [], color="0.3", lw=1, ls=":", label="best of the quadratic model"),
    ]
    ax.set_yscale("log")
    ax.set_ylim(top=2 * found.loss)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="step", ylabel="loss", xlim=(0, found.steps))
    ax.set_title(title, fontsize="small")
    ax.legend(handles=handles, frameon=False, fontsize="small")
    return figure
