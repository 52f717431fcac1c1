"""Distributions of `check_device.py`: every family of matrices, drawn on the CPU and on the card.

Moments of the two are compared at 4 standard errors of their difference; the largest, the smallest
and a random eigenvalue of each matrix by the two-sample Kolmogorov test: runs are independent,
eigenvalues of one matrix are not. Without a card, a few families run on a simulated device.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from device_timing import Skipped, has_card, peer
from scipy.stats import ks_2samp

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from ensemble_table import ENSEMBLES

RUNS = 400
SIZE = 32
LEVEL = 6e-5  # of one Kolmogorov test: that of 4 standard errors


def device_options() -> dict[str, Any]:
    """Return the options of a sampler that draws on the card, or on what stands for it."""
    if has_card():
        return {"xp": peer("cupy")}
    strict = peer("array_api_strict")
    return {"xp": strict, "device": strict.Device("device1")}


def statistics(nodes: Any) -> dict[str, Any]:
    """Return one number a matrix: moments, extremes, a random eigenvalue."""
    place = np.random.default_rng(0).integers(nodes.shape[1], size=len(nodes))
    found = {f"moment {k}": (nodes**k).mean(axis=1) for k in (1, 2, 4)}
    return found | {
        "smallest": nodes.min(axis=1),
        "largest": nodes.max(axis=1),
        "random": np.sort(nodes, axis=1)[np.arange(len(nodes)), place],
    }


def agree(ensemble: Any, dtype: str, *, small: bool = False) -> dict[str, Any]:
    """Compare a family drawn by NumPy and on the device, from different seeds."""
    runs, n = (40, 8) if small else (RUNS, SIZE)
    here = ensemble.sample(n, rng=1, runs=runs).nodes
    there = ensemble.sample(n, rng=2, runs=runs, dtype=dtype, **device_options()).nodes
    scale = float(np.abs(here).max())
    rounding = 64 * n * float(np.finfo(dtype).eps)
    one, other = statistics(here), statistics(there)
    worst, least, failed = 0.0, 1.0, []
    for name in one:
        x, y = one[name], other[name]
        floor = rounding * max(scale, 1.0) ** (int(name[-1]) if name.startswith("moment") else 1)
        if name.startswith("moment"):
            error = np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / runs) + floor
            deviation = abs(x.mean() - y.mean()) / error
            worst = max(worst, float(deviation))
            if not deviation < 4:
                failed.append(name)
        elif np.concatenate([x, y]).std() > floor:
            # values known exactly are equal on both sides up to rounding
            grid = floor if floor > 0 else 1e-300
            level = float(ks_2samp(np.round(x / grid), np.round(y / grid)).pvalue)
            least = min(least, level)
            if not level > LEVEL:
                failed.append(name)
    return {
        "ok": not failed and bool(np.isfinite(there).all()),
        "worst": round(worst, 2),
        "p": float(f"{least:.2g}"),
        "failed": failed,
    }


def alone(ensemble: Any, *, small: bool = False) -> dict[str, Any]:
    """Compare the first runs of a large batch with the same runs drawn apart."""
    if small and not has_card():
        raise Skipped("no CUDA device")
    many = ensemble.sample(20, rng=3, runs=7, **device_options()).nodes
    few = ensemble.sample(20, rng=3, runs=2, **device_options()).nodes
    difference = float(np.abs(many[:2] - few).max())
    return {"ok": difference < 1e-12 * float(np.abs(few).max()), "difference": difference}


def cases() -> dict[str, Callable[..., dict[str, Any]]]:
    found: dict[str, Callable[..., dict[str, Any]]] = {}
    families = [case for case in ENSEMBLES if case.dense]
    if not has_card():  # enough to run every line
        families = [case for case in families if case.name in ("GOE", "LOE, null space")]
    for case in families:
        for dtype in ("float64", "float32"):
            found[f"{case.name}, {dtype}"] = partial(agree, case.ensemble, dtype)
    for case in families[:: max(1, len(families) // 6)]:
        found[f"{case.name}, runs alone"] = partial(alone, case.ensemble)
    return found


CASES = cases()
