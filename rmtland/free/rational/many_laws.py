r"""Compiled kernel: thousands of laws at once, each of one jump and a semicircular part.

For every law the kernel finds edges, critical points and the constants of the edge forms, checks
the law as `rmtland.free.rational.band_masses` does, and follows its arcs over the points: the
steps of `FreeLevy`, in the same order, so that the values are the same. Laws are shared out between
threads. Synonyms: batched evaluation, vectorised over parameters, parameter sweep.

Examples
--------
>>> import numpy as np
>>> values, sound = values_of_laws(0, np.array([1.0]), np.array([1.2]), np.ones(1), np.ones(1))
>>> round(float(values[0, 0]), 10), sound
(0.2250281844, array([ True]))
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from rmtland.free.rational.band_masses import values_of_jumps
from rmtland.laws.band_rules import Rule, square_root_rule
from rmtland.laws.consistency import TOLERANCE
from rmtland.typing import Real

__all__ = ["values_of_laws"]

_NODES = (24, 48, 160, 320, 640)  # of the certificate: more where fewer do not show that it holds
_FEW = 64  # laws that are not worth a second thread


def values_of_laws(
    mode: int, x: Real, variances: Real, rates: Real, jumps: Real
) -> tuple[Real, NDArray[np.bool_]]:
    """Return densities (mode 0) or distribution functions (mode 1) of many laws at the same points.

    Parameters
    ----------
    mode : int
        Which function.
    x : ndarray of float, shape (points,)
        Points.
    variances, rates, jumps : ndarray of float, shape (laws,)
        Free Levy-Khintchine triplets without drift: variance > 0, one jump and its rate.

    Returns
    -------
    values : ndarray of float, shape (laws, points)
        Of no meaning for a law that is not sound.
    sound : ndarray of bool, shape (laws,)
        Whether the law was found and passed its certificate.
    """
    values = np.full((variances.size, x.size), np.nan)
    sound = np.zeros(variances.size, dtype=bool)
    for nodes in _NODES:
        left = np.flatnonzero(~sound)
        if not left.size:
            break
        found, passed = _in_threads(
            mode, x, variances[left], rates[left], jumps[left], square_root_rule(nodes)
        )
        values[left[passed]] = found[passed]
        sound[left] = passed
    return values, sound


def _in_threads(
    mode: int, x: Real, variances: Real, rates: Real, jumps: Real, rule: Rule
) -> tuple[Real, NDArray[np.bool_]]:
    """Share laws out between threads; the first is alone, as it may compile the kernel."""
    constants = (TOLERANCE, rule.share, rule.rest, rule.weights, rule.below, rule.last)

    def part(laws: slice) -> tuple[Real, NDArray[np.bool_]]:
        found: tuple[Real, NDArray[np.bool_]] = values_of_jumps(
            mode, x, variances[laws], rates[laws], jumps[laws], *constants
        )
        return found

    threads = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, 16)
    if variances.size < _FEW or threads == 1:
        return part(slice(None))
    cuts = [0, 1, *np.linspace(1, variances.size, 4 * threads + 1).astype(int).tolist()[1:]]
    first = part(slice(0, 1))
    with ThreadPoolExecutor(threads) as pool:
        pieces = [first, *pool.map(part, map(slice, cuts[1:-1], cuts[2:]))]
    return np.concatenate([v for v, _ in pieces]), np.concatenate([ok for _, ok in pieces])
