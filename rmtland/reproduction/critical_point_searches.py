r"""Searches behind figure 6: what is drawn, found, proved and followed from one seed.

Each search draws data of its own. Families, for tanh networks of n inputs, hidden units and
outputs, m = 2n/phi samples:

- *published*: the plain loss, :math:`|\nabla L|^2` lowered (Levenberg-Marquardt) to just below the
  published cutoff 1e-6 and stopped there; then Newton's method says whether a critical point is
  near: 50 steps, none longer than .1;
- *generic*: weight decay, capped Newton steps from a start along training, proved;
- *short steps*: the same with steps at most .3 long (.8 above) and up to 1500 of them (400 above):
  slower, but at small phi longer steps leave the narrow range of high energies without an end;
- *symmetric*: weight decay, groups of equal units and dead units, proved;
- *minima*: weight decay, the loss minimised from the same starts, proved.

A point that is *studied* is also followed as the weight decay goes to 0 (`follow_weight_decay`),
and its index compared with that of the law given its weights and inputs
(`rmtland.models.ConditionedHessian`: residuals drawn anew, conditioned on the gradient).

Examples
--------
>>> point = searched(1.0, "symmetric", n=3, weight_decay=1e-2, studied=True, seed=0)
>>> point["status"], 0 <= point["index"] <= 18, float(point["branch_decays"][0])
('proved', True, 0.01)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rmtland.landscape import find_critical_points
from rmtland.landscape.critical_points import (
    CappedNewton,
    CriticalPoint,
    Finder,
    LevenbergMarquardt,
    LinearAnswers,
    NetworkSurface,
    SymmetryType,
    TrustRegionNewton,
    follow_weight_decay,
)
from rmtland.landscape.critical_points.unit_groups import mlp_of
from rmtland.models import ConditionedHessian
from rmtland.networks import MLP, LossPoint, gaussian
from rmtland.streams import random_generator
from rmtland.typing import Real, Record, Rng

__all__ = ["CUTOFF", "FAMILIES", "linear_energies", "network", "searched"]

CUTOFF = 1e-6
"""The published cutoff on the square of the gradient."""

FINDERS: dict[str, Finder] = {
    "published": LevenbergMarquardt(max_steps=150, tolerance=CUTOFF),
    "generic": CappedNewton(max_steps=400),
    "symmetric": SymmetryType(),
    "minima": TrustRegionNewton(),
    "short steps": CappedNewton(cap=0.3, max_steps=1500),
}

FAMILIES = tuple(FINDERS)
"""Ways to search."""

NEARBY = CappedNewton(cap=0.1, max_steps=50, tolerance=1e-20)
"""Newton's method from a published point: does it end at a critical point?"""

ANNEALED = (3e-4, 1e-4, 3e-5, 1e-5, 1e-6)
"""Weight decays to which minima are followed by minimising again."""

DRAWS = 4
"""Of the law that an index is compared with."""


def network(
    phi: float, family: str, *, n: int, weight_decay: float, seed: Rng
) -> tuple[LossPoint, np.random.Generator]:
    """Return the loss whose critical points a search seeks, and the rest of its random numbers.

    Parameters
    ----------
    phi : float
        2n/m, which gives the number m of samples.
    family : {"published", "generic", "symmetric", "minima", "short steps"}
        How to search; the published way is without weight decay.
    n : int
        Inputs, hidden units and outputs.
    weight_decay : float
        Of the others.
    seed : anything `numpy.random.default_rng` takes
        For all that is drawn.

    Returns
    -------
    point : LossPoint
        The loss, at zero weights.
    rng : numpy.random.Generator
        What the search resumes with.
    """
    rng = random_generator(seed)
    data = gaussian(round(2 * n / phi), n, rng=rng)
    net = MLP((n, n, n), weight_decay=0.0 if family == "published" else weight_decay)
    return net.at(np.zeros(net.parameter_count), data.x, data.y), rng


def searched(
    phi: float, family: str, *, n: int, weight_decay: float, studied: bool = False, seed: Rng
) -> Record:
    """Draw data and a start, search once, and return what was found.

    Parameters
    ----------
    phi, family, n, weight_decay, seed
        As `network` takes them.
    studied : bool, optional
        Follow the point to small weight decays and compare its index with the law's.

    Returns
    -------
    dict
        `status`, `energy`, `index` (negative eigenvalues), `square` of the gradient,
        `start_energy`, `norm` of the parameters, `steps`, `target` (mean square of the targets),
        `theta`, and `radius` and `gap` of what is proved; of
        published points `near_status`, `near_energy`, `near_index` and `distance` to what Newton's
        method finds; of studied ones `law_index`, the branch, and of those of index 0 the energies
        of minima at the weight decays `ANNEALED`.
    """
    origin, rng = network(phi, family, n=n, weight_decay=weight_decay, seed=seed)
    published = family == "published"
    (point,) = find_critical_points(
        mlp_of(origin),
        origin.x,
        origin.y,
        finder=FINDERS[family],
        starts=1,
        prove=not published,
        rng=rng,
    )
    found = {
        "status": point.status,
        "energy": point.energy,
        "index": point.index,
        "square": point.gradient_square,
        "start_energy": point.start_energy,
        "norm": point.weight_norm,
        "steps": point.steps,
        "target": float(np.mean(origin.y**2)),
        "theta": point.theta,
        "radius": np.nan if point.proof is None else point.proof.radius,
        "gap": np.nan if point.proof is None else point.proof.gap,
    }
    if published:
        found |= _nearby(origin, point)
    elif studied and point.status == "proved":
        found |= _studied(origin, point)
    return found


def _nearby(origin: LossPoint, point: CriticalPoint) -> Record:
    """Return what Newton's method finds from a published point."""
    walk = NEARBY.find(NetworkSurface(origin), point.theta)
    near = CriticalPoint.of(origin.at(walk.theta), start_norm=point.weight_norm)
    return {
        "near_status": near.status,
        "near_energy": near.energy,
        "near_index": near.index,
        "distance": float(np.linalg.norm(walk.theta - point.theta)),
    }


def _annealed(here: LossPoint) -> Real:
    """Return energies of minima at falling weight decays, each sought from the one before."""
    theta, energies = np.array(here.theta), []
    for decay in ANNEALED:
        there = replace(mlp_of(here), weight_decay=decay).at(theta, here.x, here.y)
        theta = FINDERS["minima"].find(NetworkSurface(there), theta).theta
        energies.append(float(there.at(theta).energy))
    return np.array(energies)


def _studied(origin: LossPoint, point: CriticalPoint) -> Record:
    """Return the branch of a point, and the index that the law gives it."""
    if not point.theta.any():  # stays there at all decays, and has no outputs
        return {}
    here = origin.at(point.theta)
    branch = follow_weight_decay(here, groups=point.groups or None)
    annealed = _annealed(here) if point.index == 0 else np.zeros(0)
    found = {
        "annealed_energies": annealed,
        "branch_reason": branch.reason,
        "branch_decays": branch.decays,
        "branch_energies": branch.energies,
        "branch_norms": branch.norms,
        "branch_indices": branch.indices,
        "branch_growth": branch.growth,
    }
    try:
        law = float(ConditionedHessian(here, draws=DRAWS).index())
    except ValueError:  # few samples: the gradient fixes all residuals
        return found
    return found | {"law_index": law * len(point.theta)}


def linear_energies(phi: float, *, n: int, seed: Rng) -> dict[str, float]:
    """Return what is known of a linear network with n hidden units on data of the same kind.

    Parameters
    ----------
    phi, n, seed
        As `network` takes them.

    Returns
    -------
    dict
        `least` energy, over the mean square of the targets.
    """
    data = gaussian(round(2 * n / phi), n, rng=random_generator(seed))
    answers = LinearAnswers.of(data.x, data.y, hidden=n)
    return {"least": answers.energy(range(n)) / float(np.mean(np.asarray(data.y) ** 2))}
