r"""Twelve networks on their way to a minimum: who they are, and what the levels say of each.

Activations, shapes, losses, data, biases and weight decay are various, and nothing was chosen for
any of them. Each is trained by L-BFGS; a stage of the run is the iterate whose energy is nearest to
a given fraction of the way from the start down to the end.

Examples
--------
>>> net, point = stage_point("memory tanh 5-6-5", run=0, root=0, fraction=0.0, steps=50)[1:]
>>> net.widths, point.net is net
((5, 6, 5), True)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rmtland.arguments import choice
from rmtland.audit import Level, audit_hessian
from rmtland.audit.conditioned_levels import CONDITIONED
from rmtland.audit.distance import kolmogorov
from rmtland.models import ConditionedHessian
from rmtland.networks import MLP, Dataset, LossPoint, digits, gaussian, teacher_student, train
from rmtland.streams import random_generator
from rmtland.typing import Real

__all__ = ["LEVELS", "NETWORKS", "SMALL", "conditioned_distances", "level_densities", "stage_point"]

LEVELS: dict[Level, str] = {
    Level.PRINTED: "0 Wishart + Wigner, as printed",
    Level.MEASURED_PARTS: "4 H0 and H1 measured, free",
    Level.DYSON: "5 matrix Dyson",
    Level.DYSON_MOMENTS: "6 matrix Dyson, measured moments",
    Level.CONDITIONED_GRADIENT: "7 conditioned on gradient",
    Level.CONDITIONED_INPUTS: "8 conditioned on gradient, inputs",
}
"""Levels of the audit that are compared along one run, and their names."""

SMALL = "memory tanh 5-6-5"
"""A network for quick runs, not one of the twelve."""

_BINS = 48
_SHOWN = 0.97
"""Quantile up to which densities are drawn."""

_ZERO = 1e-9
"""Eigenvalues of at most so much of the largest are zero."""

Case = Callable[[np.random.Generator], tuple[MLP, Dataset]]


def _memory(net: MLP, samples: int) -> Case:
    """Independent Gaussian inputs and targets; targets 0 and 1 for the logistic loss."""

    def case(rng: np.random.Generator) -> tuple[MLP, Dataset]:
        data = gaussian(samples, net.n_in, net.n_out, rng=rng)
        if net.loss != "logistic":
            return net, data
        return net, Dataset(data.x, (data.y > 0).astype(np.float64), data.name)

    return case


def _taught(activation: str, widths: tuple[int, ...], samples: int, noise: float) -> Case:
    """Targets of another network of this shape, with noise."""

    def case(rng: np.random.Generator) -> tuple[MLP, Dataset]:
        data = teacher_student(samples, widths, activation=activation, noise=noise, rng=rng)
        return MLP(widths, activation=activation), data

    return case


def _labels(net: MLP, samples: int) -> Case:
    """Handwritten digits and their labels."""

    def case(rng: np.random.Generator) -> tuple[MLP, Dataset]:
        return net, digits(samples, size=4, whiten=True, target="one-hot", rng=rng)

    return case


NETWORKS: dict[str, Case] = {
    "memory tanh 10-12-10": _memory(MLP((10, 12, 10)), 64),
    "memory relu 12-10-8": _memory(MLP((12, 10, 8), activation="relu"), 80),
    "memory gelu 9-14-7": _memory(MLP((9, 14, 7), activation="gelu"), 80),
    "teacher sigmoid 12-8-10": _taught("sigmoid", (12, 8, 10), 120, 0.1),
    "teacher silu 10-9-6": _taught("silu", (10, 9, 6), 100, 0.2),
    "digits tanh 16-10-10": _labels(MLP((16, 10, 10)), 100),
    "digits softmax relu 16-10-10": _labels(
        MLP((16, 10, 10), activation="relu", loss="cross_entropy"), 150
    ),
    "digits softmax tanh decay 16-8-8-10": _labels(
        MLP((16, 8, 8, 10), loss="cross_entropy", weight_decay=1e-3), 150
    ),
    "memory tanh biases 8-8-8-8": _memory(MLP((8, 8, 8, 8), bias=True), 64),
    "memory relu biases 8-10-10-6": _memory(MLP((8, 10, 10, 6), activation="relu", bias=True), 100),
    "memory logistic tanh 10-8-3": _memory(MLP((10, 8, 3), loss="logistic"), 120),
    "memory softplus biases decay 10-10-5": _memory(
        MLP((10, 10, 5), activation="softplus", bias=True, weight_decay=0.01), 100
    ),
}
"""The twelve networks: functions that draw network and data, by name."""

_CASES: dict[str, Case] = {**NETWORKS, SMALL: _memory(MLP((5, 6, 5)), 32)}


def stage_point(
    network: str, *, run: int, root: int, fraction: float, steps: int
) -> tuple[int, MLP, LossPoint]:
    """Train a network and return a stage of the run.

    Parameters
    ----------
    network : str
        A name of `NETWORKS`, or `SMALL`.
    run, root : int
        Number of the run, and root of its random numbers: with the name they give data and start.
    fraction : float
        Of the energy's way from the start (1) down to the end (0).
    steps : int
        Steps at most.

    Returns
    -------
    (int, MLP, LossPoint)
        Number of the iterate, network, and point.
    """
    choice("network", network, tuple(_CASES))
    rng = random_generator(np.random.SeedSequence([root, run, list(_CASES).index(network)]))
    net, data = _CASES[network](rng)
    seen: list[tuple[float, Real]] = []

    def keep(_: int, point: LossPoint) -> None:
        seen.append((point.energy, np.array(point.theta)))

    train(
        net, net.init(rng=rng), data.x, data.y, max_steps=steps, gradient_norm=1e-7, callback=keep
    )
    energies = np.array([energy for energy, _ in seen])
    target = energies[-1] + fraction * (energies[0] - energies[-1])
    chosen = int(np.argmin(np.abs(energies - target)))
    return chosen, net, net.at(seen[chosen][1], data.x, data.y)


def conditioned_distances(
    network: str, *, run: int, root: int, fraction: float, steps: int, draws: int
) -> dict[str, Any]:
    """Compare the Hessian of a stage with levels 7 and 8 of the audit.

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
        `kolmogorov`, `chance`, `chance_deviation`, `index`. Where no direction of the residuals is
        free there is `refused`, the reason, in the place of these.
    """
    step, net, point = stage_point(network, run=run, root=root, fraction=fraction, steps=steps)
    measured = np.linalg.eigvalsh(point.hessian("total"))
    zero = _ZERO * np.abs(measured).max()
    found: dict[str, Any] = {
        "step": step,
        "loss": str(net.loss),
        "parameters": measured.size,
        "energy": point.energy,
        "gradient_norm": float(np.linalg.norm(point.gradient)),
        "index": float((measured < -zero).mean()),
    }
    for level, on in CONDITIONED.items():
        try:
            model = ConditionedHessian(point, on, draws=draws)
        except ValueError as error:
            return {**found, "refused": str(error)}
        chance = model.chance_level
        values = {
            "measured_numbers": model.measured_numbers,
            "free_share": model.free_share,
            "known_energy_share": model.conditioned.known_energy_share,
            "kolmogorov": kolmogorov(measured, model.law),
            "chance": float(chance.value),
            "chance_deviation": float(chance.error or 0.0),
            "index": float((model.drawn < -zero).mean()),
        }
        found["residuals"] = model.conditioned.space.dimension
        found |= {f"{name} {level.number}": value for name, value in values.items()}
    return found


def level_densities(
    network: str, *, run: int, root: int, fraction: float, steps: int, draws: int, points: int
) -> dict[str, Any]:
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
    _, _, point = stage_point(network, run=run, root=root, fraction=fraction, steps=steps)
    audit = audit_hessian(point, draws=0, points=points, levels=set(LEVELS), rng=root)
    nodes = audit.spectrum.nodes.ravel()
    low, high = nodes.min(), np.quantile(nodes, _SHOWN)
    edges = np.linspace(low - 0.05 * (high - low), high, _BINS + 1)
    found: dict[str, Any] = {
        "energy": point.energy,
        "index": float((nodes < -_ZERO * np.abs(nodes).max()).mean()),
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
