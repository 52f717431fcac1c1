r"""The index of a law that is known above the real axis only.

With the distribution function seen from a height and the mass that a height sees at zero,

.. math::
    F_\eta = 1 - \tfrac1\pi \operatorname{Im} L(i \eta), \qquad
    a_\eta = -\eta \operatorname{Im} G(i \eta),

half an atom at zero is in the limit of the one, all of it in that of the other: the mass strictly
below zero is the limit of :math:`F_\eta - a_\eta/2`, which differs from it by a multiple of eta
where the density is smooth. Heights fall by factors of 4 from a hundredth of the scale of the law,
whatever that is, until extrapolating two neighbours to zero no longer changes anything: eigenvalues
that crowd next to zero are told from an atom at zero, as far as the heights reach.

Examples
--------
>>> import numpy as np
>>> from rmtland.laws import Mixture, Semicircle, Discrete
>>> law = Mixture((Semicircle(1e-8, center=5e-5), Discrete((0.0,), (1.0,))), (0.5, 0.5))
>>> found = index_from_above(law.solve, lambda z: 1 - law.log_potential(z).imag / np.pi, 7.9e-5)
>>> exact = law.mass_below(0.0)
>>> bool(abs(found.value - exact) <= found.error < 1e-4)
True
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.typing import Complex, Real

__all__ = ["index_from_above", "trusted_index"]

_FIRST = 1e-2
_RATIO = 4.0
_HEIGHTS = 16
_SETTLED = 3e-6
_UNKNOWN = 1e-2


def index_from_above(
    solve: Callable[[Complex], Solution], cdf_above: Callable[[Complex], Real], scale: float
) -> Solution:
    """Mass strictly below zero, extrapolated from heights, with its error.

    Parameters
    ----------
    solve : callable
        Solution for G at an array of points with Im z > 0.
    cdf_above : callable
        1 - Im L/pi at such points.
    scale : float
        Root mean square of the law, > 0; 0 for the point mass at 0.

    Returns
    -------
    Solution
        `value` and `error` of shape (); `steps` counts the heights, and `residual` is the last
        height relative to the scale.
    """
    if not scale:
        zero = np.zeros(())
        return Solution(zero, Status.CONVERGED, zero, np.zeros((), dtype=np.int64), zero)
    height, last, guess, used = _FIRST * scale, np.nan, np.nan, 0
    changes = [np.inf]
    for _ in range(_HEIGHTS):
        z = np.array([1j * height])
        try:
            seen = solve(z)
            if not seen.converged:
                break
            level = float(cdf_above(z)[0]) + height * complex(seen.value[0]).imag / 2
        except ConvergenceError:
            break
        used += 1
        before, guess = guess, (_RATIO * level - last) / (_RATIO - 1) if used > 1 else level
        if used > 2:
            changes.append(abs(guess - before))
            if max(changes[-2:]) < _SETTLED:
                break
        last, height = level, height / _RATIO
    # what two neighbouring changes leave open: they fall at least like a root of the height
    error = 2 * max(changes[-2:]) if len(changes) > 2 else np.inf
    value = float(np.clip(guess, 0.0, 1.0)) if used else np.nan
    return Solution(
        np.array(value),
        Status.CONVERGED if error < _UNKNOWN else Status.NOT_CONVERGED,
        np.array(height / scale),
        np.array(used),
        np.array(error + 1e-8),
    )


def trusted_index(found: Solution) -> float:
    """Return an index, or raise where its error is too large.

    Parameters
    ----------
    found : Solution
        Of `index_from_above`.

    Returns
    -------
    float

    Raises
    ------
    ConvergenceError
        If the error is above .01.
    """
    if not found.converged:
        raise ConvergenceError(
            f"the index is {float(found.value):.4f} +- {np.asarray(found.error):.1e} only, from "
            f"{int(found.steps)} heights down to {float(found.residual):.1e} of the scale of the "
            "law; take the index of `law`, or coupling 'units'"
        )
    return float(found.value)
