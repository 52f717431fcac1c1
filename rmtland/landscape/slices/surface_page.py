"""A plane slice as an interactive surface in three dimensions: one self-contained HTML file.

Drawn by Plotly (``pip install 'rmtland[html]'``), whose script is written into the file: it opens
in any browser without a network.

>>> surface_page.__name__
'surface_page'
"""

from __future__ import annotations

import numpy as np

from rmtland.adapters.optional import optional
from rmtland.arguments import choice, instance
from rmtland.landscape.slices.grids import PlaneSlice
from rmtland.typing import ArrayLike, Real

__all__ = ["surface_page"]


def surface_page(
    plane: PlaneSlice,
    *,
    trajectory: tuple[Real, Real] | None = None,
    title: str = "",
    scale: str = "log",
) -> str:
    """Return the page of an interactive surface.

    Parameters
    ----------
    plane : PlaneSlice
        Losses on a grid.
    trajectory : (ndarray of shape (k, 2), ndarray of shape (k,)), optional
        Coordinates of points and their own losses; drawn as a line above the surface.
    title : str, optional
        Above the surface.
    scale : {"log", "linear"}, optional
        Of the heights.

    Returns
    -------
    str
        HTML, about 5 MB: the script is in it.

    Raises
    ------
    ImportError
        If Plotly is not installed; the message gives the command.
    ValueError
        For an unknown scale, or losses that are not positive on a logarithmic one.
    TypeError
        If the plane is none.
    """
    instance("plane", plane, PlaneSlice, "a PlaneSlice, as plane_slice returns it")
    choice("scale", scale, ("log", "linear"))
    graphs = optional("plotly.graph_objects", extra="html")

    def height(losses: ArrayLike) -> Real:
        values = np.asarray(losses, dtype=np.float64)
        if scale == "linear":
            return values
        if np.nanmin(values) <= 0.0:
            raise ValueError("a logarithmic scale needs losses above 0; take scale='linear'")
        return np.log10(values)

    name = "loss" if scale == "linear" else "log10 of the loss"
    parts = [
        graphs.Surface(
            x=plane.x,
            y=plane.y,
            z=height(plane.losses),
            colorscale="Viridis",
            colorbar={"title": {"text": name}},
            contours={"z": {"show": True, "usecolormap": True, "project": {"z": True}}},
        )
    ]
    if trajectory is not None:
        points, losses = trajectory
        parts.append(
            graphs.Scatter3d(
                x=points[:, 0],
                y=points[:, 1],
                z=height(losses),
                mode="lines+markers",
                marker={"size": 2, "color": "black"},
                line={"color": "black", "width": 4},
                name="training, at its own loss",
            )
        )
    figure = graphs.Figure(parts)
    plain = [label.replace("$", "").replace("\\lambda", "lambda") for label in plane.labels]
    figure.update_layout(
        title={"text": title},
        scene={
            "xaxis": {"title": {"text": plain[0]}},
            "yaxis": {"title": {"text": plain[1]}},
            "zaxis": {"title": {"text": name}},
        },
        margin={"l": 0, "r": 0, "t": 60, "b": 0},
    )
    page: str = figure.to_html(include_plotlyjs=True, full_html=True)
    return page
