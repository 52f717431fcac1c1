r"""Numbers of figure 6: what is counted, averaged and compared of the points of each family.

>>> import numpy as np
>>> record = {"status": "proved", "energy": 0.1, "index": 0}
>>> [name for name, _ in of_levels([record], 512, phi=0.5, family="generic")]
[Quantity(name='mean energy', parameters=(('phi', 0.5), ('family', 'generic'), ('index', 0.0)))]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from rmtland.reproduction.power_law_fits import DIRECTIONS, fit_power_law
from rmtland.reproduction.quantity import Quantity
from rmtland.typing import Real, Record

__all__ = [
    "LEVELS",
    "READ_OFF",
    "column",
    "of_branches",
    "of_exponents",
    "of_laws",
    "of_levels",
    "of_minima",
    "of_published",
    "of_starts",
    "proved",
]

Numbers = Iterator[tuple[Quantity, float]]

LEVELS = (0.0, 0.05, 0.1, 0.2, 0.3)
"""Indices at which mean energies were read off the printed figure."""

READ_OFF = {
    2 / 3: (0.069, 0.107, 0.150, 0.297, 0.398),
    1 / 2: (0.131, 0.173, 0.231, 0.356, 0.431),
    1 / 3: (0.218, 0.268, 0.318, 0.407, 0.451),
    1 / 4: (0.270, 0.324, 0.367, 0.429, 0.462),
    1 / 8: (0.364, 0.401, 0.425, 0.463, 0.479),
    1 / 16: (0.424, 0.447, 0.460, 0.480, 0.483),
}
"""Mean energies at `LEVELS`, by phi; read off the printed figure to .003."""

HALF_WIDTH = 0.025
"""Of the bin of indices about a level; at index 0 there is none."""

SPAN = 0.1
"""Range of indices below which no power law is fitted."""

EDGES = (0.0, 0.25, 0.5, 0.75, 1.0, np.inf)
"""Of bins of energies where walks start, in the units of half the mean square of the targets."""


def proved(records: Sequence[Record]) -> list[Record]:
    """Return what is proved."""
    return [one for one in records if one["status"] == "proved"]


def column(records: Sequence[Record], name: str) -> Real:
    """Return one number of each record."""
    return np.array([float(one[name]) for one in records])


def of_levels(records: Sequence[Record], p: int, **labels: str | float) -> Numbers:
    """Yield mean energies near the indices at which the printed figure was read."""
    energy, index = column(records, "energy"), column(records, "index") / p
    for level in LEVELS:
        near = np.abs(index - level) <= (0.0 if level == 0.0 else HALF_WIDTH)
        if near.any():
            yield Quantity.of("mean energy", **labels, index=level), float(energy[near].mean())


def of_starts(records: Sequence[Record], **labels: str | float) -> Numbers:
    """Yield the shares of starts that end in a proved point, in all and by the start's energy."""
    good = np.array([one["status"] == "proved" for one in records])
    yield Quantity.of("starts", **labels), float(good.size)
    if not records:
        return
    yield Quantity.of("share proved", **labels), float(good.mean())
    start = 2.0 * column(records, "start_energy") / column(records, "target")
    if np.isnan(start).any():  # the finder makes its own
        return
    for low, high in pairwise(EDGES):
        inside = (start >= low) & (start < high)
        if inside.any():
            name = Quantity.of("share proved", **labels, start=f"2 energy {low:g} to {high:g}")
            yield name, float(good[inside].mean())


def of_published(records: Sequence[Record], cutoff: float, **labels: str | float) -> Numbers:
    """Yield how many published points there are, and what Newton's method finds near them."""
    below = [one for one in records if one["square"] < cutoff]
    yield Quantity.of("starts", **labels, family="published"), float(len(records))
    if not records:
        return
    yield Quantity.of("below the cutoff", **labels), float(len(below))
    for status in ("critical", "flat", "escaping", "unfinished"):
        many = sum(one["near_status"] == status for one in below)
        yield Quantity.of("below the cutoff, after Newton", **labels, status=status), float(many)
    near = [one for one in below if one["near_status"] == "critical"]
    if near:
        moved = np.abs(column(near, "near_energy") - column(near, "energy"))
        yield Quantity.of("energy moved by Newton, largest", **labels), float(moved.max())


def of_branches(records: Sequence[Record], **labels: str | float) -> Numbers:
    """Yield where branches end as the weight decay falls, and how far their energies move."""
    found = [one for one in records if "branch_reason" in one]
    if not found:
        return
    yield Quantity.of("branches", **labels), float(len(found))
    for reason in ("lowest", "fold", "lost"):
        many = sum(one["branch_reason"] == reason for one in found)
        yield Quantity.of("share of branches", **labels, end=reason), many / len(found)
    ends = np.array([one["branch_decays"][-1] for one in found])
    moved = np.array([one["branch_energies"][-1] - one["branch_energies"][0] for one in found])
    changed = [one["branch_indices"][-1] != one["branch_indices"][0] for one in found]
    yield Quantity.of("lowest decay of a branch, median", **labels), float(np.median(ends))
    yield Quantity.of("change of energy along a branch, mean", **labels), float(moved.mean())
    yield Quantity.of("share of branches whose index changes", **labels), float(np.mean(changed))


def of_laws(records: Sequence[Record], p: int, **labels: str | float) -> Numbers:
    """Yield how far the law's index is from the index that was counted."""
    found = [one for one in records if "law_index" in one]
    if not found:
        return
    off = (column(found, "law_index") - column(found, "index")) / p
    yield Quantity.of("law's index less counted, mean", **labels), float(off.mean())
    yield Quantity.of("law's index less counted, rms", **labels), float(np.sqrt((off**2).mean()))


def of_exponents(energy: Real, index: Real, resamples: int, **labels: str | float) -> Numbers:
    """Yield exponents of index = a (energy - onset)^b in both directions, with intervals."""
    if len(energy) < 4 or np.ptp(index) < SPAN or np.unique(index).size < 3:
        return
    for given in DIRECTIONS:
        fit = fit_power_law(energy, index, given=given, resamples=resamples, rng=0)
        name = {**labels, "given": f"given the {given}"}
        yield Quantity.of("exponent", **name), fit.exponent
        if resamples:
            yield Quantity.of("exponent, low", **name), fit.low
            yield Quantity.of("exponent, high", **name), fit.high
        yield Quantity.of("onset", **name), fit.onset


def of_minima(records: Sequence[Record], phi: float, weight_decay: float) -> Numbers:
    """Yield energies of minima, in the units of the mean square of the targets, and guesses."""
    yield Quantity.of("(1 - phi)^2/2", phi=phi), (1.0 - phi) ** 2 / 2.0
    good = [one for one in records if one["status"] == "proved" and one["index"] == 0]
    if not good:
        return
    size = column(good, "target")
    yield from _mean("energy of minima", column(good, "energy") / size, phi, weight_decay)
    last = np.array([one["annealed_energies"][-1] for one in good]) / size
    yield from _mean("energy of minima", last, phi, 1e-6)


def _mean(name: str, values: Real, phi: float, decay: float) -> Numbers:
    quantity = Quantity.of(name, phi=phi, decay=decay)
    yield quantity, float(values.mean())
    if values.size > 1:
        error = float(values.std(ddof=1) / np.sqrt(values.size))
        yield quantity.having(statistic="standard error"), error
