r"""Compiled kernel: thousands of laws with rational R-transforms at once.

For every law the kernel finds edges, critical points and the constants of the edge forms, checks
the law as `rmtland.free.rational.band_masses` does, and follows its arcs over the points: the
steps of `FreeLevy`, in the same order, so that the values are the same. Laws are shared out between
threads. Synonyms: batched evaluation, vectorised over parameters, parameter sweep.

Examples
--------
>>> import numpy as np
>>> law = Triplets.of_one_jump(np.array([1.2]), np.ones(1), np.ones(1))
>>> values, sound = values_of_laws(0, np.array([1.0]), law)
>>> round(float(values[0, 0]), 10), sound
(0.2250281844, array([ True]))
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rmtland.free.rational.band_masses import values_of_jumps
from rmtland.laws.band_rules import Rule, piece_rule, square_root_rule
from rmtland.laws.consistency import TOLERANCE
from rmtland.typing import Integer, Logical, Real

__all__ = ["Triplets", "values_of_laws"]

_NODES = (24, 48)  # of the certificate on bands: more where fewer do not show that it holds
_MORE_NODES = (160, 320, 640)  # where neither does the certificate on pieces of bands
_FEW = 64  # laws that are not worth a second thread


class Triplets(NamedTuple):
    """Free Levy-Khintchine triplets of many laws, without drift.

    Variances, shape (laws,), rates and jumps, shape (laws, jumps); and of each law the constants
    c1 = 1 - sum of rates and c2 = -sum of rate/jump, without cancellation.
    """

    variances: Real
    rates: Real
    jumps: Real
    firsts: Real
    seconds: Real

    @classmethod
    def of_one_jump(cls, variances: Real, rates: Real, jumps: Real) -> Self:
        """Return those of laws with one jump each, all arguments of shape (laws,)."""
        with np.errstate(all="ignore"):  # what is beyond double precision is not found
            return cls(variances, rates[:, None], jumps[:, None], 1 - rates, -(rates / jumps))

    def at(self, laws: slice | Integer | Logical) -> Triplets:
        """Return those of some laws."""
        return Triplets(*(each[laws] for each in self))

    def ascending(self) -> Triplets:
        """Return them with jumps in ascending order, as `LevyTriplet` has them."""
        order = np.argsort(self.jumps, axis=1, kind="stable")
        rates, jumps = (
            np.ascontiguousarray(np.take_along_axis(each, order, axis=1))
            for each in (self.rates, self.jumps)
        )
        return self._replace(rates=rates, jumps=jumps)


def values_of_laws(
    function: int, x: Real, triplets: Triplets, *, where: slice | Integer | Logical = slice(None)
) -> tuple[Real, NDArray[np.bool_]]:
    """Return a function of many laws at the same points.

    Parameters
    ----------
    function : int
        0 for densities, 1 for distribution functions, 2 for masses strictly below the points.
    x : ndarray of float, shape (points,)
        Points.
    triplets : Triplets
        The laws.
    where : index, optional
        Which of the laws are asked for.

    Returns
    -------
    values : ndarray of float, shape (laws, points)
        Of no meaning for a law that is not sound.
    sound : ndarray of bool, shape (laws,)
        Whether the law was asked for, found and passed its certificate. Not found are laws that
        have equal jumps, or may have an unbounded density at zero.
    """
    laws = triplets.variances.size
    sound = np.zeros(laws, dtype=bool)
    asked = np.arange(laws)[where]
    values = np.full((laws, x.size), np.nan)
    left = asked
    for rule, in_pieces in _certificates():
        if not left.size:
            break
        found, passed = _in_threads(
            function, x, triplets.at(left).ascending(), rule, in_pieces=in_pieces
        )
        values[left[passed]] = found[passed]
        sound[left] = passed
        left = left[~passed]
    return values, sound


def _certificates() -> Iterator[tuple[Rule, bool]]:
    """Return rules, and whether each is for pieces of bands; the cheapest first."""
    for nodes in _NODES:
        yield square_root_rule(nodes), False
    yield piece_rule(), True
    for nodes in _MORE_NODES:
        yield square_root_rule(nodes), False


def _in_threads(
    function: int, x: Real, triplets: Triplets, rule: Rule, *, in_pieces: bool
) -> tuple[Real, NDArray[np.bool_]]:
    """Share laws out between threads; the first is alone, as it may compile the kernel."""
    laws = triplets.variances.size

    def part(some: slice) -> tuple[Real, NDArray[np.bool_]]:
        found: tuple[Real, NDArray[np.bool_]] = values_of_jumps(
            function, x, triplets.at(some), TOLERANCE, rule, in_pieces
        )
        return found

    threads = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, 16)
    if laws < _FEW or threads == 1:
        return part(slice(None))
    cuts = [0, 1, *np.linspace(1, laws, 4 * threads + 1).astype(int).tolist()[1:]]
    first = part(slice(0, 1))
    with ThreadPoolExecutor(threads) as pool:
        pieces = [first, *pool.map(part, map(slice, cuts[1:-1], cuts[2:]))]
    return np.concatenate([v for v, _ in pieces]), np.concatenate([ok for _, ok in pieces])
