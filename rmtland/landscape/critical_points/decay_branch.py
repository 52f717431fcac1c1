r"""Branches of critical points as the weight decay w goes to 0.

Along a branch of zeros of :math:`g(\theta) = \nabla L_0(\theta) + w\,\theta`

.. math:: \frac{d\theta}{d \log w} = -w H^{-1} \theta ,

which predicts the next point; Newton's method corrects it. The branch ends in a fold where an
eigenvalue of H reaches 0: two critical points meet there and there is none below. Branches that
last may run to infinity while their energies converge. Where a symmetry keeps an eigenvalue from
the branch, it passes 0 in a bifurcation: the index changes there and the branch goes on. A branch
with groups of equal units is followed within their subspace, where a fold of it is a fold of the
restricted loss; its index is that of the whole network.

Synonyms: numerical continuation, homotopy, predictor-corrector, regularisation path.

References
----------
.. [1] H. B. Keller, Numerical solution of bifurcation and nonlinear eigenvalue problems, in:
       Applications of Bifurcation Theory, Academic Press 1977, 359-384.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> point = MLP((1, 1, 1), "linear", weight_decay=0.1).at(np.full(2, 0.9**0.5), [[1.0]], [[1.0]])
>>> branch = follow_weight_decay(point, lowest=1e-6)
>>> branch.reason, branch.norms[[0, -1]].round(5), branch.energies[[0, -1]].round(6)
('lowest', array([1.34164, 1.41421]), array([0.005, 0.   ]))
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rmtland.arguments import positive
from rmtland.landscape.critical_points.newton_step import last_layer_of, newton_step
from rmtland.landscape.critical_points.unit_groups import Groups, ReducedSurface, mlp_of
from rmtland.landscape.surface import NetworkSurface
from rmtland.networks import LossPoint
from rmtland.spectrum.inertia import inertia
from rmtland.typing import Integer, Real

__all__ = ["DecayBranch", "follow_weight_decay"]

CORRECTIONS, SHORTEST, LEAST = 8, 1e-3, 2e-5
"""Newton steps of a corrector; the step in log w below which a fold is told; the shortest one.

Branches that turn sharply, where few of their parameters move, show their fold only beside it.
"""

SMOOTH = 0.05
"""Largest error of a prediction, over its length, past which the index may change."""

NEAR = 0.02
"""How far below the last point a fold may be foreseen, relative to its weight decay."""

CONVERGED, FARTHEST = 1e-11, 0.2
"""Of the size of the parameters: the last Newton step at most, all of them together at most."""


@dataclass(frozen=True, eq=False)
class DecayBranch:
    """A branch of critical points, from its first weight decay down.

    Made by `rmtland.landscape.critical_points.follow_weight_decay`.

    Parameters
    ----------
    decays, energies, norms : ndarray, shape (k,)
        Weight decay, energy (loss per output without decay), and norm of the parameters.
    indices : ndarray of int, shape (k,)
        Numbers of negative eigenvalues of the Hessian of the whole network.
    theta : ndarray, shape (p,)
        The last point.
    reason : str
        "lowest" (the lowest weight decay was reached), "fold" (the curvature along the branch goes
        to 0 at most 2 % below the last point, as the root of the distance) or "lost" (Newton's
        method does not converge from there, even with steps of 2e-5 in log w).
    """

    decays: Real
    energies: Real
    norms: Real
    indices: Integer
    theta: Real
    reason: str

    @property
    def growth(self) -> float:
        """Log of the norm of theta against log(1/w), slope at the end: 0 where it stays finite."""
        if len(self.decays) < 3:
            return 0.0
        return float(
            np.log(self.norms[-1] / self.norms[-3]) / np.log(self.decays[-3] / self.decays[-1])
        )


def follow_weight_decay(
    point: LossPoint, *, lowest: float = 1e-8, groups: Groups | None = None, step: float = 1.2
) -> DecayBranch:
    """Follow a critical point as the weight decay falls.

    Parameters
    ----------
    point : LossPoint
        A critical point, with a weight decay above `lowest`.
    lowest : float, optional
        Where to stop, > 0.
    groups : tuple of tuple of int, optional
        Sizes of the groups of equal units of each hidden layer, as `SymmetryType` finds them.
    step : float, optional
        Longest step in log w.

    Returns
    -------
    DecayBranch
        The branch.

    Raises
    ------
    ValueError
        If the weight decay is not above `lowest`, or the point is not near a critical one.
    TypeError
        If `step` or `lowest` is no real number.
    """
    branch = _Branch(point, groups)
    positive("step", step)
    if not positive("lowest", lowest) < branch.decay:
        raise ValueError(f"lowest must be below the weight decay {branch.decay:g}; got {lowest:g}")
    here = branch.corrected(branch.coordinates(), branch.decay)
    if here is None:
        raise ValueError(
            "Newton's method does not converge near the point: it is no critical point, or singular"
        )
    decay, size, reason = branch.decay, step, "lowest"
    rows, passed = [branch.row(here.at, decay)], [(decay, here.curvature)]
    while decay > lowest:
        size = min(size, float(np.log(decay / lowest)))
        below = decay * float(np.exp(-size)) if size < np.log(decay / lowest) else lowest
        guess = here.at + (decay - below) * here.tangent
        found = branch.corrected(guess, below)
        if found is not None and found.continues(here, guess):
            here, decay, size = found, below, min(step, 1.5 * size)
            rows.append(branch.row(here.at, decay))
            passed.append((decay, here.curvature))
            continue
        size *= 0.4
        if size < SHORTEST and _is_fold(passed, decay):
            reason = "fold"
            break
        if size < LEAST:
            reason = "lost"
            break
    decays, energies, norms, indices = zip(*rows, strict=True)
    return DecayBranch(
        np.array(decays),
        np.array(energies),
        np.array(norms),
        np.array(indices),
        branch.whole(here.at),
        reason,
    )


@dataclass(frozen=True, eq=False)
class _Corrected:
    """A critical point: coordinates, minus their derivative in w, index of the restricted loss."""

    at: Real
    tangent: Real
    index: int

    def continues(self, before: _Corrected, guess: Real) -> bool:
        """Whether it lies on the branch of `before`, which foresaw `guess`.

        An index that changes is that of another branch, or of this one past a bifurcation that a
        symmetry makes: there the guess is as good as elsewhere.
        """
        if self.index == before.index:
            return True
        error, length = np.linalg.norm(self.at - guess), np.linalg.norm(guess - before.at)
        return bool(error <= SMOOTH * length)

    @property
    def curvature(self) -> float:
        """Rayleigh quotient of the Hessian along the branch; at a fold it goes to 0."""
        return -float(self.at @ self.tangent) / max(float(self.tangent @ self.tangent), 1e-300)


def _is_fold(passed: list[tuple[float, float]], decay: float) -> bool:
    """Whether the square of the curvature, linear in w near a fold, ends just below `decay`."""
    if len(passed) < 2:
        return False
    (before, far), (last, near) = passed[-2:]
    if not abs(near) < abs(far):
        return False
    end = (last * far**2 - before * near**2) / (far**2 - near**2)
    return end > (1.0 - NEAR) * decay


class _Branch:
    """One network at all weight decays, whole or restricted to groups of equal units."""

    def __init__(self, point: LossPoint, groups: Groups | None) -> None:
        self._point, self._net, self._groups = point, mlp_of(point), groups
        self.decay = float(self._net.weight_decay)

    def _whole_surface(self, decay: float) -> NetworkSurface:
        net = replace(self._net, weight_decay=decay)
        origin = np.zeros(net.parameter_count)
        return NetworkSurface(net.at(origin, self._point.data.x, self._point.data.y))

    def _surface(self, decay: float) -> NetworkSurface | ReducedSurface:
        whole = self._whole_surface(decay)
        return whole if self._groups is None else ReducedSurface(whole.point, self._groups)

    def coordinates(self) -> Real:
        theta = np.array(self._point.theta)
        if self._groups is None:
            return theta
        return ReducedSurface(self._point, self._groups).restricted(theta)

    def whole(self, at: Real) -> Real:
        return (
            at if self._groups is None else ReducedSurface(self._point, self._groups).embedded(at)
        )

    def corrected(self, at: Real, decay: float) -> _Corrected | None:
        """Return the critical point that Newton's method finds near, or None."""
        surface = self._surface(decay)
        eliminated, last, total = last_layer_of(surface), np.inf, 0.0
        for _ in range(CORRECTIONS):
            try:
                gradient, hessian = surface.value(at)[1], surface.hessian(at)
                move = newton_step(hessian, gradient, eliminated)
            except (ValueError, np.linalg.LinAlgError):
                return None
            length, size = float(np.linalg.norm(move)), 1.0 + float(np.linalg.norm(at))
            total += length
            if not length < last or total > FARTHEST * size:
                return None
            at, last = at + move, 0.7 * length
            if length <= CONVERGED * size:
                hessian = surface.hessian(at)
                tangent = newton_step(hessian, -at, eliminated)
                return _Corrected(at, tangent, inertia(hessian, zero_tolerance=0.0).negative)
        return None

    def row(self, at: Real, decay: float) -> tuple[float, float, float, int]:
        here = self._whole_surface(decay).point.at(self.whole(at))
        index = inertia(here.hessian("total"), zero_tolerance=0.0).negative
        return decay, float(here.energy), float(np.linalg.norm(at)), index
