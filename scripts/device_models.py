"""Laws of networks from batched resolvents on a card, for `check_device.py`.

The matrix Dyson equation of a one-hidden-layer Hessian (`rmtland.models.DysonHessian`), at many
points together on the card and point after point on the CPU: the same G and L, and the times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from device_timing import has_card, peer, timed

from rmtland.models import DysonHessian


def moved(model: DysonHessian) -> DysonHessian:
    """Return the model on the card, or on what stands for it."""
    if has_card():
        return model.on_device("cuda")
    strict = peer("array_api_strict")
    return model.on_device(strict.Device("device1"), xp=strict)


def model_of(n: int, m: int, coupling: str) -> DysonHessian:
    rng = np.random.default_rng(0)
    first, x = rng.standard_normal((n, n)) / np.sqrt(n), rng.standard_normal((m, n))
    return DysonHessian.of_first_layer(
        first, x, outputs=n, epsilon=0.5, activation="tanh", coupling=coupling, rng=1
    )


def race(n: int, m: int, coupling: str, points: int, on_host: int) -> dict[str, Any]:
    """Solve at points of a line above the axis; some of them on the host too."""
    here = model_of(n, m, coupling)
    there = moved(here)
    z = np.linspace(-2.0, 4.0, points) + 0.05j
    few = z[:: max(1, points // on_host)][:on_host]
    found = there.potential_and_transform(few, tolerance=1e-9)
    seen: list[Any] = []
    host = timed(
        lambda: seen.append(here.potential_and_transform(few, tolerance=1e-9)), seconds=0, runs=1
    )
    card = timed(lambda: there.solve(z, tolerance=1e-6), seconds=6, runs=3)
    host_alone = timed(lambda: here.solve(few, tolerance=1e-6), seconds=0, runs=1)
    worst = [float(np.abs(a - b).max()) for a, b in zip(found, seen[0], strict=True)]
    each, other = card["s"] / points, host_alone["s"] / len(few)
    return {
        "ok": max(worst) < 1e-6,
        "difference of L": worst[0],
        "difference of G": worst[1],
        "points": points,
        "a point on the card": each,
        "a point on the CPU": other,
        "times faster": other / each,
        "first": card["first"],
        "L and G on the CPU, a point": host["s"] / len(few),
    }


def units(*, small: bool = False) -> dict[str, Any]:
    """Without coupling between hidden units."""
    return race(3, 6, "units", 4, 2) if small else race(32, 128, "units", 64, 4)


def wide(*, small: bool = False) -> dict[str, Any]:
    """Do the same for a larger network."""
    return race(3, 6, "units", 4, 2) if small else race(64, 256, "units", 32, 2)


def full(*, small: bool = False) -> dict[str, Any]:
    """With coupling: inverses of size n1 n0."""
    return race(3, 6, "full", 4, 2) if small else race(24, 96, "full", 16, 2)


CASES: dict[str, Callable[..., dict[str, Any]]] = {
    "Dyson equation by units, n = 32": units,
    "Dyson equation, coupled, n = 24": full,
    "Dyson equation by units, n = 64": wide,
}
for each in CASES.values():
    each.limit = 25.0  # type: ignore[attr-defined]
