r"""Samples that switch few units on: what that takes from the rank of the Jacobian.

In a network of one hidden layer of ReLU units, a unit i that is on for s_i of the samples in a set
S gives their outputs at most r + min(s_i, d) - 1 directions: its r outgoing weights, its d incoming
ones (the bias among them) as far as the inputs differ, less the one along which both are rescaled
and nothing changes. If U are all the units that a sample of S switches on, the r |S| rows of the
Jacobian have

.. math:: \text{rank} \le \sum_{i \in U} \bigl(r + \min(s_i, d) - 1\bigr) + b,

with b = 0, or with biases of the layers b = r less the number of units that are on for all of S:
their biases move the outputs as those of the outputs do. Two samples that share a single unit lose
r - 1 of 2 r.

>>> import numpy as np
>>> features = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
>>> few_active_units(features, inputs=5, outputs=10, biases=False)
['2 samples that switch on the same 1 of the units: 20 equations of rank at most 11']
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from rmtland.typing import Real

__all__ = ["few_active_units"]

_PAIRS = 200
"""Samples up to which unions of the units of two of them are looked at, too."""


def few_active_units(features: Real, inputs: int, outputs: int, biases: bool) -> list[str]:
    """Return the set of samples that loses most of its rank by having few units on, in words.

    Parameters
    ----------
    features : ndarray, shape (m, n)
        Of the hidden layer; 0 where a unit is off.
    inputs, outputs : int
        d, with 1 for a bias, and r.
    biases : bool
        Whether both layers have biases.

    Returns
    -------
    list of str
        One sentence; none if no set of those looked at loses anything.
    """
    on = np.asarray(features) != 0.0
    sets = {tuple(np.flatnonzero(row)) for row in on}
    if len(on) <= _PAIRS:
        sets |= {tuple(sorted({*a, *b})) for a, b in combinations(sorted(sets), 2)}
    worst, sentence = 0, ""
    for units in sorted(sets):
        chosen = np.zeros(on.shape[1], dtype=bool)
        chosen[list(units)] = True
        inside = ~(on & ~chosen).any(axis=1)
        counts = on[inside][:, chosen].sum(axis=0)
        rank = int((outputs + np.minimum(counts, inputs) - 1).sum())
        if biases:
            rank += max(0, outputs - int((counts == inside.sum()).sum()))
        lost = outputs * int(inside.sum()) - rank
        if lost > worst:
            worst = lost
            sentence = (
                f"{int(inside.sum())} samples that switch on the same {len(units)} of the units: "
                f"{outputs * int(inside.sum())} equations of rank at most {rank}"
            )
    return [sentence] if worst else []
