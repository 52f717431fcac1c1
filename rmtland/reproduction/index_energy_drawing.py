"""The picture of `rmtland.reproduction.index_energy`: models, networks and thresholds."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rmtland.drawing import COLORS, STYLES
from rmtland.reproduction.figure import Content, error_bars, label_panels
from rmtland.reproduction.quantity import Quantity

__all__ = ["draw_index_energy"]

_COLORS = (COLORS[6], COLORS[1], COLORS[3])
_MARKERS = ("o", "s", "^")


def draw_index_energy(
    figure: Figure,
    content: Content,
    *,
    models: tuple[str, ...],
    phi: tuple[float, ...],
    network_phi: float,
) -> None:
    """Draw all panels on an empty figure.

    Parameters
    ----------
    figure : Figure
        An empty figure of matplotlib.
    content : Content
        Of `rmtland.reproduction.IndexAgainstEnergy`.
    models : tuple of str
        Titles of the two models.
    phi : tuple of float
        Ratios of the model panels.
    network_phi : float
        That of the networks.
    """
    figure.set_size_inches(10.5, 8.0)
    axes = figure.subplots(2, 2)
    label_panels(figure, axes, content.caption)
    for ax, title in zip(axes[0], models, strict=True):
        _draw_model(ax, title, content, phi)
    _draw_networks(axes[1, 0], content, models, network_phi)
    _draw_thresholds(axes[1, 1], content)


def _draw_model(ax: Axes, title: str, content: Content, phi_values: tuple[float, ...]) -> None:
    """Draw index against energy above the threshold."""
    for phi, color, marker in zip(phi_values, _COLORS, _MARKERS, strict=False):
        law = content.get(title, Quantity.of("law", phi=phi))
        small = content.get(title, Quantity.of("small index", phi=phi))
        points = content.get(title, Quantity.of("sampled", phi=phi))
        threshold = content.number("critical energy", model=title, phi=phi)
        ax.plot(
            law.x,
            law.y,
            color=color,
            lw=1.6,
            label=f"$\\phi$ = {phi:g}, $\\epsilon_c$ = {threshold:.3g}",
        )
        ax.plot(small.x, small.y, color=color, lw=1.0, ls=(0, (4, 2)))
        seen = points.y > 0
        ax.errorbar(
            points.x[seen],
            points.y[seen],
            error_bars(points)[seen],
            color=color,
            marker=marker,
            ms=4,
            mfc="white",
            ls="none",
            lw=1,
            capsize=2,
        )
    ax.plot([], [], color="0.3", lw=1.0, ls=(0, (4, 2)), label="small-index law")
    ax.plot([], [], color="0.3", marker="o", ms=4, mfc="white", ls="none", label="random matrices")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(1e-5, 1)
    ax.set_title(f"{title} model", fontsize=10)
    ax.set_xlabel("$(\\epsilon - \\epsilon_c)/\\epsilon_c$")
    ax.set_ylabel("index $\\alpha$")
    ax.legend(fontsize=8, frameon=False, loc="lower right")


def _draw_networks(ax: Axes, content: Content, models: tuple[str, ...], network_phi: float) -> None:
    """Draw the index of networks and of theories."""
    for title in models:
        style = STYLES[title]
        curve = content.get("networks", Quantity.of(title, scale="traces matched"))
        ax.plot(curve.x, curve.y, label=f"{title}, traces matched", **style)
        curve = content.get("networks", Quantity.of(title, scale="as printed"))
        ax.plot(
            curve.x, curve.y, label="the same, as printed", **{**style, "lw": 0.8, "alpha": 0.7}
        )
    curve = content.get("networks", "matrix Dyson")
    ax.plot(curve.x, curve.y, label="matrix Dyson", **STYLES["Dyson"])
    points = content.get("networks", "measured")
    ax.errorbar(
        points.x,
        points.y,
        error_bars(points),
        color="black",
        marker="o",
        ms=4,
        ls="none",
        capsize=2,
        label="measured",
        zorder=5,
    )
    ax.set_xscale("log")
    ax.set_xlim(curve.x[0] / 1.5, curve.x[-1] * 1.5)
    ax.set_ylim(0, 0.45)
    ax.set_title(f"ReLU networks at initialisation, $\\phi$ = {network_phi:g}", fontsize=10)
    ax.set_xlabel("energy $\\epsilon$ (loss per output)")
    ax.set_ylabel("index $\\alpha$")
    ax.legend(fontsize=7.5, frameon=False, loc="upper left")


def _draw_thresholds(ax: Axes, content: Content) -> None:
    """Draw thresholds against phi."""
    rows = (
        ("Wishart + Wigner", "Wishart + Wigner, eq. (21)", STYLES["Wishart + Wigner"]),
        (
            "Wishart + ReLU block",
            "Wishart + ReLU block, eq. (32)",
            STYLES["Wishart + ReLU block"],
        ),
        ("(1 - phi)^2/2", "$(1-\\phi)^2/2$, the paper's fit", {"color": "black", "lw": 1.0}),
        (
            "linear, (1 - phi/2)/2",
            "linear network, $(1-\\phi/2)/2$",
            {"color": COLORS[5], "lw": 1.6},
        ),
        (
            "linear as printed, (1 - phi)/2",
            "linear as printed, $(1-\\phi)/2$",
            {"color": COLORS[5], "lw": 1.0, "ls": ":"},
        ),
    )
    for name, label, style in rows:
        curve = content.get("thresholds", name)
        ax.plot(curve.x, curve.y, label=label, **style)
    points = content.get("thresholds", "linear, least squares")
    ax.errorbar(
        points.x,
        points.y,
        error_bars(points),
        color=COLORS[5],
        marker="s",
        ms=4,
        mfc="white",
        ls="none",
        capsize=2,
        label="least squares",
    )
    points = content.get("thresholds", "tanh minimisers, read off")
    ax.plot(
        points.x,
        points.y,
        "o",
        color="black",
        ms=5,
        mfc="white",
        label="tanh networks, fig. 6(b)",
    )
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 0.62)
    ax.set_title("energy at which the index vanishes", fontsize=10)
    ax.set_xlabel("$\\phi$, parameters per effective example")
    ax.set_ylabel("critical energy $\\epsilon_c$")
    ax.legend(fontsize=7.5, frameon=False, loc="upper right")
