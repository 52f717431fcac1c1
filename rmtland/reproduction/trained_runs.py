r"""Networks on their way to a minimum, and what the levels say of each.

Each of `rmtland.reproduction.trained_cases` is trained by L-BFGS; a stage of the run is the iterate
whose energy is nearest to a given fraction of the way from the start down to the end. Along the way
residuals are conditioned on the gradient, or on gradient and inputs. The end of a run is a minimum,
and they are conditioned on that too (`rmtland.models.conditioned.minima`), unless training stopped
so far from one that this is refused.

Examples
--------
>>> stage = stage_point("memory tanh 5-6-5", run=0, root=0, fraction=0.0, steps=50)
>>> stage.net.widths, stage.step, stage.is_last
((5, 6, 5), 50, True)
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from rmtland.arguments import choice
from rmtland.audit import Level, audit_hessian
from rmtland.audit.conditioned_levels import CONDITIONED
from rmtland.audit.distance import kolmogorov
from rmtland.models import ConditionedHessian
from rmtland.networks import MLP, Dataset, LossPoint, train
from rmtland.reproduction.trained_cases import NAMES, network_case
from rmtland.solution import ConvergenceError
from rmtland.streams import random_generator
from rmtland.typing import Real, Record

__all__ = ["LEVELS", "Stage", "conditioned_distances", "level_densities", "stage_point"]

LEVELS: dict[Level, str] = {
    Level.PRINTED: "0 Wishart + Wigner, as printed",
    Level.MEASURED_PARTS: "4 H0 and H1 measured, free",
    Level.DYSON: "5 matrix Dyson",
    Level.DYSON_MOMENTS: "6 matrix Dyson, measured moments",
    Level.CONDITIONED_GRADIENT: "7 conditioned on gradient",
    Level.CONDITIONED_INPUTS: "8 conditioned on gradient, inputs",
}
"""Levels of the audit that are compared along one run, and their names."""

_BINS = 48
_SHOWN = 0.97
"""Quantile up to which densities are drawn."""

_ZERO = 1e-9
"""Eigenvalues of at most so much of the largest are zero."""


class Stage(NamedTuple):
    """An iterate of a run of training."""

    step: int
    is_last: bool
    net: MLP
    point: LossPoint


def stage_point(network: str, *, run: int, root: int, fraction: float, steps: int) -> Stage:
    """Train a network and return a stage of the run.

    Parameters
    ----------
    network : str
        One of `rmtland.reproduction.trained_cases.NAMES`.
    run, root : int
        Number of the run, and root of its random numbers: with the name they give data and start.
    fraction : float
        Of the energy's way from the start (1) down to the end (0).
    steps : int
        Steps at most.

    Returns
    -------
    Stage
        Number of the iterate, whether it is the last, network, and point.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C while the network trains.
    """
    choice("network", network, NAMES)
    net, data, seen = _trained(network, run, root, steps)
    energies = np.array([energy for energy, _ in seen])
    target = energies[-1] + fraction * (energies[0] - energies[-1])
    chosen = int(np.argmin(np.abs(energies - target)))
    point = net.at(seen[chosen][1], data.x, data.y)
    return Stage(chosen, chosen == len(seen) - 1, net, point)


@lru_cache(maxsize=12)  # the stages of a run are asked for one by one
def _trained(
    network: str, run: int, root: int, steps: int
) -> tuple[MLP, Dataset, list[tuple[float, Real]]]:
    """Return network, data, and energy and parameters of every iterate."""
    rng = random_generator(np.random.SeedSequence([root, run, NAMES.index(network)]))
    net, data = network_case(network, rng)
    seen: list[tuple[float, Real]] = []

    def keep(_: int, point: LossPoint) -> None:
        seen.append((point.energy, np.array(point.theta)))

    ended = train(
        net, net.init(rng=rng), data.x, data.y, max_steps=steps, gradient_norm=1e-7, callback=keep
    )
    ended.unless_interrupted()
    return net, data, seen


def conditioned_distances(
    network: str, *, run: int, root: int, fraction: float, steps: int, draws: int
) -> Record:
    """Compare the Hessian of a stage with levels 7 and 8 of the audit, on a minimum at the end.

    Parameters
    ----------
    network, run, root, fraction, steps
        As in `stage_point`.
    draws : int
        Hessians that a law is pooled from, at least 3.

    Returns
    -------
    dict of str to float or str
        `step`, `loss`, `parameters`, `residuals`, `energy`, `gradient_norm`, `index`; for levels
        7 and 8, as in "kolmogorov 7": `measured_numbers`, `free_share`, `known_energy_share`,
        `kolmogorov`, `chance`, `chance_deviation`, `index`, and `minimum`, whether it is
        conditioned on that too. Where no direction of the residuals is free there is `refused`, the
        reason, in the place of these.
    """
    step, is_last, net, point = stage_point(
        network, run=run, root=root, fraction=fraction, steps=steps
    )
    measured = np.linalg.eigvalsh(point.hessian("total"))
    zero = _ZERO * np.abs(measured).max()
    found: Record = {
        "step": step,
        "loss": str(net.loss),
        "parameters": measured.size,
        "energy": point.energy,
        "gradient_norm": float(np.linalg.norm(point.gradient)),
        "index": float((measured < -zero).mean()),
    }
    for level, on in CONDITIONED.items():
        try:
            model = _conditioned(point, on, draws, minimum=is_last)
        except ValueError as error:
            return {**found, "refused": str(error)}
        chance = model.chance_level
        values = {
            "measured_numbers": model.measured_numbers,
            "free_share": model.free_share,
            "known_energy_share": model.conditioned.known_energy_share,
            "minimum": float("minimum" in model.on),
            "kolmogorov": kolmogorov(measured, model.law),
            "chance": float(chance.value),
            "chance_deviation": float(chance.error or 0.0),
            "index": float((model.drawn < -zero).mean()),
        }
        found["residuals"] = model.conditioned.space.dimension
        found |= {f"{name} {level.number}": value for name, value in values.items()}
    return found


def _conditioned(
    point: LossPoint, on: tuple[str, ...], draws: int, *, minimum: bool
) -> ConditionedHessian:
    """Return the model, on a minimum where that is asked for and not refused."""
    model = ConditionedHessian(point, on, draws=draws)
    if not minimum:
        return model
    stricter = replace(model, on=(*on, "minimum"), residuals=None)
    try:
        return stricter if stricter.drawn.size else model
    except (ValueError, ConvergenceError):  # refused
        return model


def level_densities(
    network: str, *, run: int, root: int, fraction: float, steps: int, draws: int, points: int
) -> Record:
    """Compare the Hessian of a stage of a network without biases with all levels of `LEVELS`.

    Parameters
    ----------
    network, run, root, fraction, steps
        As in `stage_point`.
    draws : int
        Hessians that levels 7 and 8 are pooled from.
    points : int
        Of the tables of matrix Dyson laws.

    Returns
    -------
    dict of str to ndarray or float
        `energy`, `index`, `chance`; edges of bins and density of `measured` there; and for
        levels, as in "density 7" and "kolmogorov 7": densities in the bins, distances.
    """
    point = stage_point(network, run=run, root=root, fraction=fraction, steps=steps).point
    audit = audit_hessian(point, draws=0, points=points, levels=set(LEVELS), rng=root)
    nodes = audit.spectrum.nodes.ravel()
    low, high = nodes.min(), np.quantile(nodes, _SHOWN)
    edges = np.linspace(low - 0.05 * (high - low), high, _BINS + 1)
    found: Record = {
        "energy": point.energy,
        "index": audit.spectrum.index(),
        "chance": audit[Level.CONDITIONED_GRADIENT].expected,
        "edges": edges,
        "measured": np.histogram(nodes, edges)[0] / (nodes.size * np.diff(edges)),
    }
    pooled = ConditionedHessian(point, CONDITIONED[Level.CONDITIONED_GRADIENT], draws=draws).drawn
    for level in LEVELS:
        found[f"kolmogorov {level.number}"] = audit[level].kolmogorov
        mass = np.diff(audit[level].law.cdf(edges))
        if level is Level.CONDITIONED_GRADIENT:
            mass = np.histogram(pooled, edges)[0] / pooled.size
        found[f"density {level.number}"] = mass / np.diff(edges)
    return found
