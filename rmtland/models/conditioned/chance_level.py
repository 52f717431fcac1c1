"""What chance does: the distance of one drawn spectrum to the mean of the others.

Examples
--------
>>> import numpy as np
>>> found = chance_level(np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 2.0]]))
>>> float(found.value.round(6)), float(found.error.round(6))
(0.333333, 0.144338)
"""

from __future__ import annotations

import numpy as np

from rmtland.solution import Solution, Status
from rmtland.typing import Real

__all__ = ["chance_level"]


def chance_level(rows: Real) -> Solution:
    """Kolmogorov distance of one draw to the mean spectrum of the others: mean and deviation.

    Parameters
    ----------
    rows : ndarray, shape (draws, p)
        Eigenvalues of each draw, ascending.

    Returns
    -------
    Solution
        `value` is the mean over the draws, `error` their standard deviation, infinite for two
        draws, which are equally far from each other; `steps` their number. One draw has 0.
    """
    zero = np.zeros(())
    if len(rows) == 1:
        return Solution(zero, Status.CONVERGED, zero, np.array(1), zero)
    found = [
        _distance(row, np.sort(np.delete(rows, i, axis=0), axis=None)) for i, row in enumerate(rows)
    ]
    return Solution(
        np.array(np.mean(found)),
        Status.CONVERGED,
        zero,
        np.array(len(found)),
        np.array(np.std(found, ddof=1) if len(found) > 2 else np.inf),
    )


def _distance(first: Real, second: Real) -> float:
    """Kolmogorov distance of two sets of eigenvalues, ascending."""
    both = np.concatenate([first, second])
    gaps = [
        np.searchsorted(first, both, side=side) / first.size
        - np.searchsorted(second, both, side=side) / second.size
        for side in ("left", "right")
    ]
    return float(np.abs(gaps).max())
