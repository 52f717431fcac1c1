"""Pictures of walks along the manifold of minimisers.

>>> from matplotlib.figure import Figure
>>> from rmtland.landscape.manifold import interpolate, walk_along
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(4, 3, rng=0), MLP((3, 9, 3))
>>> walk = walk_along(interpolate(net, net.init(rng=1), data.x, data.y), steps=2, rng=0)
>>> len(draw_walks(Figure().subplots(), [walk]))
1
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rmtland.arguments import choice
from rmtland.drawing import COLORS, given_axes, several
from rmtland.landscape.manifold.walk import ManifoldWalk

__all__ = ["draw_walks"]

_LABELS = {
    "sharpness": r"largest eigenvalue of the Hessian",
    "traces": "trace of the Hessian",
    "losses": "loss",
    "distances": "distance from the start",
}


def draw_walks(
    ax: Axes, walks: Sequence[ManifoldWalk], quantity: str = "sharpness"
) -> list[Line2D]:
    """Draw a quantity along walks, against the length of the path.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    walks : sequence of ManifoldWalk
        One or several.
    quantity : {"sharpness", "traces", "losses", "distances"}, optional
        What to draw; all but distances logarithmic.

    Returns
    -------
    list of Line2D
        One a walk.

    Raises
    ------
    ValueError
        If `quantity` is another name.
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    walks = several("walks", walks, ManifoldWalk)
    choice("quantity", quantity, tuple(_LABELS))
    drawn: list[Line2D] = []
    for i, walk in enumerate(walks):
        drawn += ax.plot(
            walk.lengths,
            getattr(walk, quantity),
            "o-",
            ms=3,
            lw=1.2,
            color=COLORS[i % len(COLORS)],
            label=walk.direction,
        )
    if quantity != "distances":
        ax.set_yscale("log")
    ax.set_xlabel("length of the path in parameter space")
    ax.set_ylabel(_LABELS[quantity])
    ax.legend(frameon=False, fontsize=8, title="walk")
    return drawn
