"""The lecture's slides on components of level sets: when there is one, and what it gives.

Half the sum of squared errors, as in `rmtland.landscape.level_sets.relu_examples`.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np

from rmtland.landscape.level_sets import SignPatterns, merge_tree, theorem_cases, valley_heights
from rmtland.statements.drawn_matrices import gaussian_matrix
from rmtland.statements.hypotheses import Number, Whole, seed
from rmtland.statements.relations import AtMost, Equal, Estimate, Near
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Logical, Record

__all__ = ["STATEMENTS"]

LEVELS = Section(Document.LECTURE, "lecture-levels", "slide on level sets and their components")
FREEMAN = Section(Document.LECTURE, "lecture-levels", "slide on the topology by Freeman et al.")
VENTURI = Section(Document.LECTURE, "lecture-levels", "slide on the topology by Venturi et al.")

# One component -----------------------------------------------------------------------------------


def _landscape(points: int, seed: int) -> Record:
    """Return a landscape on a line, of whole values, so that plateaus and ties occur."""
    values = np.random.default_rng(seed).integers(0, 6, points)
    padded = [9, *values.tolist(), 9]
    minima = [  # plateaus count once
        i
        for i in range(1, points + 1)
        if padded[i - 1] > padded[i] and next(v for v in padded[i:] if v != padded[i]) > padded[i]
    ]
    most = max(_intervals(values <= level) for level in range(6))
    return {"values": values, "minima": len(minima), "most": most}


def _intervals(inside: Logical) -> int:
    """Count runs of True."""
    return int(inside[0]) + int((~inside[:-1] & inside[1:]).sum())


no_other_minima = Claim(
    {"points": Whole(2, 7), "seed": seed()},
    setting=_landscape,
    claim=lambda minima: minima == 1,
    truth=(
        lambda most: most == 1,
        lambda values: all(
            merge_tree(values.astype(float)).components(level + 0.5) <= 1 for level in range(6)
        ),
    ),
)


def _descent(start: float) -> float:
    """Descend on (t^3 - 1)^2, whose level sets are intervals."""
    t = start
    for _ in range(4000):
        t -= 0.01 * 6 * t * t * (t**3 - 1)
    return (t**3 - 1) ** 2


any_descent = Claim(
    {"start": Number(-1.0, 1.0)},
    claim=lambda: 0.0,
    truth=_descent,
    relation=Equal(0.0, 0.01),
    share=0.2,
)


def _double_well(tilt: float, share: float) -> Record:
    """(t^2 - 1)^2 + tilt t: extrema of its derivative's roots."""
    roots = np.roots([4.0, 0.0, -4.0, tilt])
    real = np.sort(roots[np.abs(roots.imag) < 1e-9].real)
    return {"valleys": (len(real) + 1) // 2}


spurious_valley = Claim(
    {"tilt": Number(-3.0, 3.0), "share": Number(0.0, 1.0)},
    where=lambda tilt: abs(abs(tilt) - 8 / (3 * np.sqrt(3))) > 1e-6,
    setting=_double_well,
    claim=lambda tilt: 2 if abs(tilt) < 8 / (3 * np.sqrt(3)) else 1,
    truth=lambda valleys: valleys,
)

# Linear networks ---------------------------------------------------------------------------------


def _linear_path(width: int, seed: int) -> Record:
    """Join two networks 1-width-1 by a curve, and find the highest loss (w2.w1 - 1)^2/2 on it."""
    a, b, c, d = gaussian_matrix(seed, 4, width)
    t = np.linspace(0.0, 1.0, 33)[:, None]
    product, last = a @ b, c @ d
    across = c - (c @ a) / (a @ a) * a
    angle = np.arctan2(np.linalg.norm(across), c @ a / np.linalg.norm(a))
    size = np.linalg.norm(a) ** (1 - t) * np.linalg.norm(c) ** t
    u = np.cos(angle * t) * a / np.linalg.norm(a)
    u = u + np.sin(angle * t) * across / np.linalg.norm(across)
    pieces = [
        (a + 0 * t, (1 - t) * b + t * product / (a @ a) * a),  # what is orthogonal to w1 goes
        (size * u, product / size * u),  # both turn together and change length
        (c + 0 * t, ((1 - t) * product + t * last) / (c @ c) * c),  # the product moves
        (c + 0 * t, (1 - t) * last / (c @ c) * c + t * d),
    ]
    jumps = [
        max(np.abs(first[k][-1] - second[k][0]).max() for k in (0, 1))
        for first, second in pairwise(pieces)
    ]
    highest = max(float((((w1 * w2).sum(1) - 1) ** 2 / 2).max()) for w1, w2 in pieces)
    ends = max((product - 1) ** 2 / 2, (last - 1) ** 2 / 2)
    return {"ends": ends, "highest": highest if max(jumps) < 1e-9 else np.inf}


linear_network = Claim(
    {"width": Whole(2, 8), "seed": seed()},
    setting=_linear_path,
    claim=lambda ends: ends,
    truth=lambda highest: highest,
    relation=Equal(1e-9),
)


def _sides(width: int) -> int:
    """Return the number of components of {w2.w1 = 1} in R^(2 width), a quadric of signature n, n.

    x.x - y.y = 1 retracts to the sphere x.x = 1 of dimension width - 1: two points, or one piece.
    """
    return 2 if width == 1 else 1


def _sampled_components(width: int) -> int:
    """Count components of sampled networks with w2.w1 >= 1/2, neighbours joined if near."""
    w = gaussian_matrix(0, 1500, 2 * width)
    w = w[(w[:, :width] * w[:, width:]).sum(1) >= 0.5]
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    near = cKDTree(w).sparse_distance_matrix(cKDTree(w), 0.9 * width, output_type="coo_matrix")
    _, labels = connected_components(near)
    return int((np.bincount(labels) > 0.05 * len(w)).sum())


width_needed = Claim(
    {"width": Whole(1, 3)},
    claim=lambda width: 1 if width > 1 else 2,
    truth=(_sides, _sampled_components),
)

# ReLU networks -----------------------------------------------------------------------------------


def _patterns(units: int, y_plus: int, y_minus: int) -> Record:
    found = SignPatterns(units, y_plus, y_minus)
    lowest = sorted(basin.birth for basin in found.tree.basins)
    barrier = found.barrier if found.barrier is not None else lowest[-1]
    return {"found": found, "barrier": float(barrier), "higher": float(lowest[-1])}


one_unit = Claim(
    {"y_plus": Whole(1, 9), "y_minus": Whole(1, 9)},
    setting=lambda y_plus, y_minus: _patterns(1, y_plus, y_minus),
    claim=lambda y_plus, y_minus: (y_plus**2 + y_minus**2) / 2,
    truth=(lambda barrier: barrier, lambda y_plus, y_minus: _grid_barrier(y_plus, y_minus)),
    relation=Equal(1e-9),
)


def _grid_barrier(y_plus: int, y_minus: int) -> float:
    """Return where the two basins of a max(0, +-w) join, on a grid with points at w = 0."""
    w = np.linspace(-2, 2, 9)[:, None]
    a = np.linspace(-10, 10, 41)[None, :]
    loss = ((y_plus - a * np.maximum(w, 0)) ** 2 + (y_minus - a * np.maximum(-w, 0)) ** 2) / 2
    deaths = [basin.death for basin in merge_tree(loss).basins if basin.parent is not None]
    return float(max(deaths))


several_components = Claim(
    {"units": Whole(1, 2), "y": Whole(1, 9)},
    setting=lambda units, y: _patterns(units, y, y),
    claim=lambda: 2,
    truth=lambda found, barrier, higher: found.components(
        (Fraction(barrier) + Fraction(higher)) / 2
    ),
)

barrier_of_width = Claim(
    {"units": Whole(1, 8)},
    setting=lambda units: _patterns(units, 1, 1),
    attained=lambda: {**_patterns(2, 1, 1), "units": 2},
    # half sum of squares, one input dimension: lambda is the higher minimum
    claim=lambda units, higher: max(higher, units**-1.0),
    truth=lambda barrier: barrier,
    relation=AtMost(),
)

barrier_without_constant = Claim(
    {"y_plus": Whole(1, 9), "y_minus": Whole(1, 9)},
    setting=lambda y_plus, y_minus: _patterns(1, y_plus, y_minus),
    claim=lambda higher: max(higher, 1.0),
    truth=lambda barrier: barrier,
    relation=AtMost(),
)


def _heights(name: str, width: int, seed: int) -> Estimate:
    """Look for low paths between pairs of trained networks."""
    (case,) = [one for one in theorem_cases() if one.name == name]
    (found,) = valley_heights(
        case, pairs=3, widths=(width,), curve_steps=400, string_steps=60, rng=seed
    )
    share = found.barriers / np.maximum(found.straight, 1e-9)
    return Estimate(float(share.max()), 0.05, 3, f"{seed}", 0.9)


def _joined(name: str, width: int) -> Claim:
    return Claim(
        {"seed": Whole(0, 3)},
        claim=lambda: 0.0,
        truth=lambda seed: _heights(name, width, seed),
        relation=Near(),
        share=0.02,
    )


quadratic_counts = Claim(
    {"samples": Whole(1, 30)},
    claim=lambda samples: 3 * samples ** (2**1),
    truth=lambda samples: 2 * samples,
)

STATEMENTS = (
    LEVELS.holds(
        "no-isolated-minima",
        Kind.CLAIM,
        "N_λ = 1 for all λ: no isolated local minima",
        "on random landscapes of a line, plateaus included: one component always ⇔ one minimum",
        "A second minimum is a component of the level set of its own value, and conversely.",
        holding=no_other_minima,
        code=("rmtland.landscape.level_sets.merge_tree",),
    ),
    LEVELS.refuted(
        "any-descent",
        Kind.CLAIM,
        "N_λ = 1 for all λ: any descent method obtains a global minimum",
        "gradient descent on (t³ − 1)², all of whose level sets are intervals, ends at 0",
        "It has a flat point at t = 0 of loss 1, at which descent stops and towards which it "
        "creeps from every t < 0: connected level sets exclude minima, not flat saddles.",
        failing=any_descent,
        counterexample=Counterexample({"start": 0.0}, claim=0.0, truth=1.0),
        code=("rmtland.landscape.level_sets.merge_tree",),
    ),
    LEVELS.holds(
        "spurious-valleys",
        Kind.CLAIM,
        "N_λ > 1: there may be spurious valleys",
        "(t² − 1)² + st has two valleys exactly for |s| < 8/(3√3), of two depths unless s = 0",
        "Discriminant of 4t³ − 4t + s.",
        holding=spurious_valley,
    ),
    FREEMAN.holds(
        "linear-network",
        Kind.THEOREM,
        "linear networks with hidden layers wider than min(n₀, n_L) have one component",
        "networks 1-n-1, n ≥ 2: an explicit path never climbs above the higher end",
        "Align w₂ with w₁, turn both together, scale: the product w₂·w₁ moves monotonically and "
        "the loss is convex in it.",
        holding=linear_network,
        code=("rmtland.landscape.level_sets.theorem_cases",),
    ),
    FREEMAN.holds(
        "linear-network-width",
        Kind.THEOREM,
        "the condition is n_ℓ > min(n₀, n_L), strictly",
        "the networks 1-n-1 that fit y = x have two components for n = 1, one for n > 1",
        "{w₂·w₁ = 1} retracts to a sphere of dimension n − 1, which is two points for n = 1.",
        holding=width_needed,
    ),
    FREEMAN.holds(
        "relu-barrier",
        Kind.THEOREM,
        "ReLU networks: there are data with more than one component",
        "one unit on x = ±1: the two sides join at exactly (y₊² + y₋²)/2",
        "On the way w = 0 the unit is silent. Exact in fractions.",
        holding=one_unit,
        code=("rmtland.landscape.level_sets.SignPatterns",),
    ),
    FREEMAN.holds(
        "relu-components",
        Kind.THEOREM,
        "for any widths there are data with more than one component",
        "one and two units on x = ±1 with y = (c, c): two components between minimum and barrier",
        "Exact merge tree of the sign patterns; three units on these data have one component, and "
        "need others.",
        holding=several_components,
        code=("rmtland.landscape.level_sets.SignPatterns",),
    ),
    VENTURI.refuted(
        "relu-path-without-constant",
        Kind.THEOREM,
        "two points of a level set are joined below max(λ, m^(−1/n)), m units, n inputs",
        "one unit, one input, as printed without a constant",
        "The theorem has a constant that depends on the data: the loss scales with y², m^(−1/n) "
        "does not. For y = (1, 2) the sides have minima 1/2 and 2 and join at 5/2.",
        failing=barrier_without_constant,
        counterexample=Counterexample({"y_plus": 1, "y_minus": 2}, claim=2.0, truth=2.5),
        code=("rmtland.landscape.level_sets.SignPatterns",),
    ),
    VENTURI.holds(
        "relu-path",
        Kind.THEOREM,
        "barriers above λ are at most of order m^(−1/n)",
        "on x = ±1, y = (1, 1): max(λ, 1/m), attained by one and by two units, 0 from three on",
        "Exact; the constant is 1 for these data. Wider networks have lower barriers.",
        holding=barrier_of_width,
        code=("rmtland.landscape.level_sets.SignPatterns",),
    ),
    VENTURI.empirical(
        "quadratic-network",
        Kind.THEOREM,
        "quadratic activation and more than 2N units: one component",
        "12 units on 5 samples: the lowest path found between trained networks has no barrier",
        "Three pairs, barrier over that of the straight path: at most 5 %.",
        holding=_joined("quadratic", 12),
        code=("rmtland.landscape.level_sets.valley_heights",),
    ),
    VENTURI.empirical(
        "linear-network-search",
        Kind.THEOREM,
        "linear networks with wide hidden layers have one component",
        "8 units, 3 inputs, 2 outputs: the lowest path found has no barrier",
        "Three pairs, barrier over that of the straight path: at most 5 %.",
        holding=_joined("linear", 8),
        code=("rmtland.landscape.level_sets.valley_heights",),
    ),
    VENTURI.refuted(
        "quadratic-simplification",
        Kind.CLAIM,
        "n_ℓ ≥ 3N^(2^ℓ) simplifies to n > 2N for two layers",
        "3N^(2^ℓ) at ℓ = 1 is 2N",
        "3N² is not 2N for any N: the two-layer theorem is another, stronger result.",
        failing=quadratic_counts,
        counterexample=Counterexample({"samples": 1}, claim=3, truth=2),
    ),
)
