"""Theories laid over the exact Hessian of a network: the picture of the command `rmtland overlay`.

The levels are those of the audit (`rmtland.audit.levels`): the laws of Pennington and Bahri as
printed, with the traces of the two parts matched to the measured ones, and fitted; the matrix Dyson
equation (MDE) that knows the first layer, the data and the mean squares of second layer and
residuals; and the law of residuals conditioned on the gradient, which holds after training.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(60, 4, rng=0), MLP((4, 4, 4), activation="relu")
>>> result = overlay_network(net.at(net.init(rng=1), data.x, data.y), dyson=False, rng=0)
>>> for name in result.theories:
...     print(name)
Wishart + Wigner, as printed
Wishart + Wigner, traces matched
Wishart + Wigner, fitted
residuals conditioned on gradient
>>> result.parameters["residuals conditioned on gradient"]["measured_numbers"]
29
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rmtland.arguments import callable_or_none
from rmtland.audit.conditioned_levels import conditioned_theories
from rmtland.audit.distance import two_sample
from rmtland.audit.dyson_levels import dyson_law, dyson_models
from rmtland.audit.free_levels import trace_matched_model
from rmtland.audit.levels import Family, Level
from rmtland.audit.measured import MeasuredHessian, Progress
from rmtland.audit.redraws import Redraws, dyson_inapplicability
from rmtland.comparison.overlay import Overlay, overlay
from rmtland.drawing import COLORS, STYLES
from rmtland.models import ConditionedHessian, HessianModel, WishartPlusWigner
from rmtland.networks import LossPoint
from rmtland.networks.loss_point import loss_point
from rmtland.typing import Record, Rng

__all__ = ["CONDITIONED", "DYSON", "left_out", "overlay_network", "overlay_styles"]

DYSON = Level.DYSON.title(Family.DYSON)
CONDITIONED = Level.CONDITIONED_GRADIENT.title(Family.CONDITIONED)

_DRAWS = ((1500, 16), (1_000_000, 8))
"""Up to so many parameters, so many Hessians that the conditioned law is pooled from."""


def overlay_network(
    point: LossPoint,
    *,
    models: Sequence[type[HessianModel]] = (WishartPlusWigner,),
    dyson: bool = True,
    conditioned: bool = True,
    points: int = 20,
    coupling: str = "units",
    rng: Rng = None,
    progress: Progress | None = None,
    **provenance: object,
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
    conditioned : bool
        Whether to add the law of residuals conditioned on the gradient, where that leaves some of
        them free: any depth, loss, biases and weight decay.
    points : int
        Points of the table of the matrix Dyson equation, at least 20.
    coupling : {"units", "full"}
        Whether it leaves the coupling between hidden units out (`rmtland.models.DysonHessian`),
        which takes half a minute at 1024 parameters instead of many.
    rng : anything `numpy.random.default_rng` takes
        For the fits and their errors, and for what is drawn.
    progress : callable, optional
        Called as ``progress(what, done, total)``.
    **provenance
        What to remember of the origin of the spectrum.

    Returns
    -------
    Overlay
        Its theories by name, in the order of what they know; the last one knows most.

    Raises
    ------
    TypeError
        If it is no point, or `progress` cannot be called.
    """
    point = loss_point(point)
    callable_or_none("progress", progress)

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
    found: Record = {}
    families: Record = {}
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
    theories: Record = {name: result.theories[name] for name in names}
    more: dict[str, Record] = {}
    if dyson and dyson_inapplicability(point) is None:
        drawn = Redraws.of_point(point, moments=False).draw(rng=rng)
        law = dyson_law(
            replace(dyson_models(point, drawn)[0], coupling=coupling),
            spectrum=spectrum.nodes.ravel(),
            points=points,
            progress=None
            if progress is None
            else lambda done, total: progress("matrix Dyson equation", done, total),
        )
        theories[DYSON], more[DYSON] = law, {"law_error": law.error}
    if conditioned:
        show("Hessians with residuals conditioned on the gradient")
        size = point.net.parameter_count
        draws = next(draws for largest, draws in _DRAWS if size <= largest)
        theory, _ = conditioned_theories(draws=draws, rng=rng)
        if theory.applies(measured) is None:
            found_law = theory.law(measured)
            assert found_law.chance is not None
            theories[CONDITIONED] = found_law.law
            more[CONDITIONED] = {
                **found_law.parameters,
                "residuals": int(np.size(point.prediction)),
                "chance": float(found_law.chance.value),
                "chance_deviation": float(found_law.chance.error or 0.0),
                "gauss_newton_alone": two_sample(
                    spectrum.nodes.ravel(), np.sort(measured.gauss_newton.nodes.ravel())
                ),
            }
    result = overlay(spectrum, theories)
    result.parameters.update(more)
    for name, theory in theories.items():
        member = getattr(theory, "model", theory)
        if isinstance(member, HessianModel):
            result.parameters[name]["critical_energy"] = member.critical_energy
    return result


_HOW = ("as printed", "traces matched", "fitted")


def left_out(
    point: LossPoint, result: Overlay, *, dyson: bool = True, conditioned: bool = True
) -> dict[str, str]:
    """Say why the matrix Dyson equation or the conditioned law is not in an overlay.

    Parameters
    ----------
    point : LossPoint
        What was overlaid.
    result : Overlay
        Of `overlay_network`.
    dyson, conditioned : bool
        Which of the two were asked for.

    Returns
    -------
    dict of str to str
        The reason by name; empty where what was asked for is there.
    """
    reasons: dict[str, str | None] = {}
    if dyson and DYSON not in result.theories:
        reasons[DYSON] = dyson_inapplicability(point)
    if conditioned and CONDITIONED not in result.theories:
        try:
            ConditionedHessian(point, draws=2)
        except ValueError as error:
            reasons[CONDITIONED] = str(error)
    return {name: reason for name, reason in reasons.items() if reason is not None}


def overlay_styles(result: Overlay) -> list[Record]:
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
    by_name = {DYSON: "Dyson", CONDITIONED: "conditioned"}
    keys = [
        by_name.get(name) or by_level.get(name.split(", ")[-1], "Dyson") for name in result.theories
    ]
    taken = {STYLES[key]["color"] for key in keys}
    free = itertools.cycle([color for color in COLORS if color not in taken])
    styles, seen = [], set()
    for key in keys:
        styles.append(
            STYLES[key] | {"color": next(free), "ls": (0, (1.5, 3))} if key in seen else STYLES[key]
        )
        seen.add(key)
    return styles
