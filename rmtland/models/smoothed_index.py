r"""The index of a law that is known above the real axis only.

With the logarithmic potential L and G = L' seen from a height, and the mass that it sees at zero,

.. math::
    F_\eta = 1 - \tfrac1\pi \operatorname{Im} (L(i \eta) - i \eta G(i \eta)), \qquad
    a_\eta = -\eta \operatorname{Im} G(i \eta),

half an atom at zero is in the limit of the one, all of it in that of the other. An eigenvalue x
enters F_eta with an error k(|x|/eta), of the sign of x, and a_eta with q(|x|/eta), where

.. math::
    k(t) = \tfrac1\pi \arctan \tfrac1t - \tfrac1\pi \frac{t}{1 + t^2} \le \tfrac12 q(t), \qquad
    q(t) = \frac1{1 + t^2} .

Where the atom is known, the mass strictly below zero is therefore F_eta less half the atom, within
half of what a height sees besides the atom: a bound that holds at every single height, whatever
crowds next to zero. Where it is not known, all that is seen counts as one. Heights fall by factors
of 4 from a hundredth of the scale of the law until that bound, or what two changes leave open,
is small.

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

__all__ = ["index_from_above", "trusted_index", "with_doubt"]

_FIRST = 1e-2
_RATIO = 4.0
_HEIGHTS = 16
_SETTLED = 3e-6
_UNKNOWN = 1e-2
_SLOWEST = 0.95  # ratio of changes from which nothing is concluded


def index_from_above(
    solve: Callable[[Complex], Solution],
    cdf_above: Callable[[Complex], Real],
    scale: float,
    *,
    atom: Solution | None = None,
    is_measure: bool = True,
) -> Solution:
    """Mass strictly below zero, seen from heights, with its error.

    Parameters
    ----------
    solve : callable
        Solution for G at an array of points with Im z > 0.
    cdf_above : callable
        1 - Im L/pi at such points.
    scale : float
        Root mean square of the law, > 0; 0 for the point mass at 0.
    atom : Solution, optional
        Mass at zero with its error; what the lowest height sees there by default.
    is_measure : bool
        Whether the distribution function is that of a positive measure with the transform G; if
        not, as for a law with its first correction, nothing bounds it at a single height.

    Returns
    -------
    Solution
        `value` and `error` of shape (); `steps` counts the heights, and `residual` is the last
        height relative to the scale.
    """
    if not scale:
        zero = np.zeros(())
        return Solution(zero, Status.CONVERGED, zero, np.zeros((), dtype=np.int64), zero)
    mass, doubt = (0.0, 0.0) if atom is None else (float(atom.value), float(np.asarray(atom.error)))
    height, used = _FIRST * scale, 0
    levels: list[float] = []
    bound, left, slip = np.inf, np.inf, 0.0
    for _ in range(_HEIGHTS):
        z = np.array([1j * height])
        try:
            seen = solve(z)
            if not seen.converged:
                break
            g = complex(seen.value[0])
            level = float(cdf_above(z)[0]) + height * g.real / np.pi
        except ConvergenceError:
            break
        used += 1
        crowd = max(-height * g.imag - mass, 0.0)
        levels.append(level - (mass + crowd * (atom is None)) / 2)
        if (
            used > 1 and is_measure
        ):  # both levels are within their bounds, if the potential is right
            slip = max(slip, abs(levels[-1] - levels[-2]) - bound - crowd / 2)
        bound, left = crowd / 2 if is_measure else np.inf, _left_open(levels)
        if min(bound, left) < _SETTLED:
            break
        height /= _RATIO
    error = max(min(bound, left), slip) + doubt / 2
    return Solution(
        np.array(float(np.clip(levels[-1], 0.0, 1.0)) if used else np.nan),
        Status.CONVERGED if error < _UNKNOWN else Status.NOT_CONVERGED,
        np.array(height / scale),
        np.array(used),
        np.array(error + 1e-8),
    )


def _left_open(levels: list[float]) -> float:
    """Return twice what changes that fall like a power of the height leave open."""
    if len(levels) < 3:
        return np.inf
    last, before = abs(levels[-1] - levels[-2]), abs(levels[-2] - levels[-3])
    last = max(last, before / _RATIO**2)
    ratio = max(last / before, 0.5) if before else 0.5
    return 2 * last * ratio / (1 - ratio) if ratio < _SLOWEST else np.inf


def with_doubt(found: Solution, doubt: float) -> Solution:
    """Add an error that the heights do not show, as of draws; judge anew whether it is known.

    Parameters
    ----------
    found : Solution
        Of `index_from_above`.
    doubt : float
        The further error, >= 0.

    Returns
    -------
    Solution
        Converged if it was, and the whole error is below .01.
    """
    error = np.asarray(found.error) + doubt
    known = found.converged and bool(error < _UNKNOWN)
    return Solution(
        found.value,
        Status.CONVERGED if known else Status.NOT_CONVERGED,
        found.residual,
        found.steps,
        error,
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
            "law; take the index of `law` or coupling 'units', of a two-leg law more legs and "
            "draws; solve_index() returns it with its error"
        )
    return float(found.value)
