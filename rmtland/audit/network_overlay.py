"""Theories laid over the exact Hessian of a network: the picture of the command `rmtland overlay`.

The levels are those of the audit (`rmtland.audit.levels`): the laws of Pennington and Bahri as
printed, with the traces of the two parts matched to the measured ones, and fitted; and the matrix
Dyson equation (MDE) that knows the first layer, the data and the measured second moments of second
layer and residuals.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(60, 4, rng=0), MLP((4, 4, 4), activation="relu")
>>> result = overlay_network(net.at(net.init(rng=1), data.x, data.y), dyson=False, rng=0)
>>> list(result.theories)
['Wishart + Wigner, as printed', 'Wishart + Wigner, traces matched', 'Wishart + Wigner, fitted']
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rmtland.audit.dyson_levels import dyson_law, dyson_models
from rmtland.audit.free_levels import trace_matched_model
from rmtland.audit.levels import Family, Level
from rmtland.audit.measured import MeasuredHessian, Progress
from rmtland.audit.redraws import dyson_inapplicability
from rmtland.comparison.overlay import Overlay, overlay
from rmtland.drawing import COLORS, STYLES
from rmtland.models import HessianModel, WishartPlusWigner
from rmtland.models.dyson.tabulated import TabulatedLaw
from rmtland.networks import LossPoint
from rmtland.typing import Rng

__all__ = ["overlay_network", "overlay_styles"]


def overlay_network(
    point: LossPoint,
    *,
    models: Sequence[type[HessianModel]] = (WishartPlusWigner,),
    dyson: bool = True,
    points: int = 20,
    coupling: str = "units",
    rng: Rng = None,
    progress: Progress | None = None,
    **provenance: Any,
) -> Overlay:
    """Measure the exact Hessian of a network and lay theories over its spectrum.

    Parameters
    ----------
    point : LossPoint
        Network, parameters and data.
    models : sequence of types of HessianModel
        Each is laid over as printed, with traces matched, and fitted.
    dyson : bool
        Whether to add the matrix Dyson equation, where it covers the network: one hidden layer
        without biases, half the mean squared error.
    points : int
        Points of its table, at least 20.
    coupling : {"units", "full"}
        Whether it leaves the coupling between hidden units out (`rmtland.models.DysonHessian`),
        which takes half a minute at 1024 parameters instead of many.
    rng : anything `numpy.random.default_rng` takes
        For the fits and their errors.
    progress : callable, optional
        Called as ``progress(what, done, total)``.
    **provenance
        What to remember of the origin of the spectrum.

    Returns
    -------
    Overlay
        Its theories by name, in the order of what they know; the last one knows most.
    """

    def show(what: str) -> None:
        if progress is not None:
            progress(what, 0, 0)

    show("exact Hessian and its eigenvalues")
    measured = MeasuredHessian.of_point(point)
    assert measured.phi is not None
    assert measured.energy is not None
    assert measured.gauss_newton is not None
    assert measured.residual is not None
    origin = {"source": "network", "network": repr(point.net), "energy": measured.energy}
    spectrum = replace(measured.total, provenance={**origin, **provenance})
    found: dict[str, Any] = {}
    families: dict[str, Any] = {}
    for model in models:
        found[f"{model.name}, as printed"] = model(measured.phi, measured.energy)
        found[f"{model.name}, traces matched"] = trace_matched_model(
            model, measured.phi, measured.gauss_newton, measured.residual
        )
        families[model.name] = model
    show("fits")
    result = overlay(spectrum, found, families=families, rng=rng)
    # by model, each as printed, matched, fitted
    names = [f"{model.name}, {how}" for model in models for how in _HOW]
    theories: dict[str, Any] = {name: result.theories[name] for name in names}
    if dyson and dyson_inapplicability(point) is None:
        # the f'' block is the measured one: no other is drawn
        _, known = dyson_models(point, point)
        theories[Level.DYSON_MOMENTS.title(Family.DYSON)] = dyson_law(
            replace(known, coupling=coupling),
            spectrum=spectrum.nodes.ravel(),
            points=points,
            progress=None
            if progress is None
            else lambda done, total: progress("matrix Dyson equation", done, total),
        )
    result = overlay(spectrum, theories)
    for name, theory in theories.items():
        if isinstance(theory, TabulatedLaw):
            result.parameters[name] = {"law_error": theory.error}
    for name, theory in theories.items():
        member = getattr(theory, "model", theory)
        if isinstance(member, HessianModel):
            result.parameters[name]["critical_energy"] = member.critical_energy
    return result


_HOW = ("as printed", "traces matched", "fitted")


def overlay_styles(result: Overlay) -> list[dict[str, Any]]:
    """Return how each theory looks: the style of its level, with other colours for a second model.

    Parameters
    ----------
    result : Overlay
        Of `overlay_network`.

    Returns
    -------
    list of dict
    """
    by_level = {"as printed": "printed", "traces matched": "matched", "fitted": "fitted"}
    keys = [by_level.get(name.split(", ")[-1], "Dyson") for name in result.theories]
    taken = {STYLES[key]["color"] for key in keys}
    free = itertools.cycle([color for color in COLORS if color not in taken])
    styles, seen = [], set()
    for key in keys:
        styles.append(
            STYLES[key] | {"color": next(free), "ls": (0, (1.5, 3))} if key in seen else STYLES[key]
        )
        seen.add(key)
    return styles
