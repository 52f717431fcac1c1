r"""Second moments of linear maps with noise: sums over steps, and what they come to at last.

Along one direction V <- q V + v has V_k = v (1 - q^k)/(1 - q), written in the share 1 - q, which is
near 0 for small steps. With multiplicative noise C <- weight (Sigma + M(C)) is summed as a series.
`rmtland.landscape.noise.stationary` says what of.

References
----------
.. [1] L. Ziyin, K. Liu, T. Mori and M. Ueda, Strength of minibatch noise in SGD, ICLR 2022.

Examples
--------
>>> import numpy as np
>>> float(geometric(np.float64(0.5), 3))  # 1 + 1/2 + 1/4
1.75
>>> float(mean_geometric(np.array([0.5]), 0, 2)[0])  # of 1 and 1 + 1/2
1.25
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from rmtland.landscape.noise.sample_curvature import SampleCurvature
from rmtland.solution import ConvergenceError
from rmtland.typing import ArrayLike, Real

__all__ = [
    "StationaryCovariance",
    "geometric",
    "mean_geometric",
    "multiplicative_covariance",
    "steps_to",
]


class StationaryCovariance(NamedTuple):
    """Covariance of the parameters in the long run.

    Made by `rmtland.landscape.noise.NoisyDescent.stationary`.

    Parameters
    ----------
    covariance : ndarray, shape (k, k)
        In the basis `directions`.
    directions : ndarray, shape (p, k)
        Eigenvectors of H whose variance becomes stationary, by ascending curvature.
    radius : float
        Largest growth of second moments by a step in the multiplicative noise, from any start;
        below 1, and 0 where M was left out.
    steps : int
        Iterations spent.
    """

    covariance: Real
    directions: Real
    radius: float
    steps: int

    @property
    def variances(self) -> Real:
        """Variance along each direction."""
        return np.diag(self.covariance).copy()

    def dense(self) -> Real:
        """Return the covariance in the coordinates of the parameters, shape (p, p).

        Returns
        -------
        ndarray, shape (p, p)
            Zero along all other directions.
        """
        return np.asarray(self.directions @ self.covariance @ self.directions.T)


def multiplicative_covariance(
    weight: Real,
    noise: Real,
    directions: Real,
    spread: SampleCurvature,
    *,
    step_size: float,
    batch_size: int,
) -> StationaryCovariance:
    """Sum the series C = sum_k (weight M)^k weight Sigma.

    Parameters
    ----------
    weight : ndarray, shape (k, k)
        eta^2 b over 1 - a_i a_j.
    noise : ndarray, shape (k, k)
        Sigma along the directions.
    directions : ndarray, shape (p, k)
        Of positive curvature.
    spread : SampleCurvature
        Hessians of single samples along the directions.
    step_size, batch_size
        eta and B, for the message.

    Returns
    -------
    StationaryCovariance
        The sum.

    Raises
    ------
    ConvergenceError
        If second moments diverge.
    """
    term = weight * noise
    total, size, radius = term.copy(), float(np.linalg.norm(term)), 0.0
    growth = _growth(weight, spread)
    if size == 0.0 and growth < 1.0:
        return StationaryCovariance(total, directions, growth, 0)
    for steps in range(1, 2001):
        term = weight * spread.term(term)
        now = float(np.linalg.norm(term))
        radius, size = now / size if size else 0.0, now
        total += term
        if not math.isfinite(now) or growth >= 1.0 or (steps >= 20 and radius >= 1.0):
            break
        # what is left of a geometric series
        if radius < 1.0 and now * max(radius, 0.0) / (1.0 - radius) <= 1e-12 * float(
            np.linalg.norm(total)
        ):
            return StationaryCovariance(total, directions, max(radius, growth), steps)
    raise ConvergenceError(
        f"second moments diverge, or nearly: a step multiplies them by "
        f"{max(radius, growth):.4g} in the "
        f"multiplicative noise of batches of {batch_size}; take a smaller step_size than "
        f"{step_size:g}, or larger batches"
    )


def _growth(weight: Real, spread: SampleCurvature) -> float:
    """Return the spectral radius of C -> weight M(C), which maps covariances to covariances.

    The power iteration starts inside the cone, so that no direction that grows is missed.
    """
    C, growth = np.eye(len(weight)) / len(weight), 0.0
    for _ in range(200):
        C = weight * spread.term(C)
        now = float(np.trace(C))
        if not 0.0 < now < math.inf:
            return max(now, 0.0) if now == now else math.inf
        C /= now
        if abs(now - growth) <= 1e-4 * now:
            return now
        growth = now
    return growth


def geometric(share: Real, k: ArrayLike) -> Real:
    """Return sum_{j < k} (1 - share)^j, also for share near 0.

    Parameters
    ----------
    share : ndarray
        Below 1, or 1.
    k : float or ndarray
        Numbers of terms.

    Returns
    -------
    ndarray
        Infinite where it leaves the range of floating-point numbers.
    """
    near = np.abs(share) < 1e-300
    safe = np.where(near, 1.0, share)
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        power = -np.expm1(np.where(k == 0, 0.0, k * np.log1p(-safe)))
        return np.asarray(np.where(near, k, power / safe))


def mean_geometric(share: Real, low: int, high: int) -> Real:
    """Return the mean of `geometric` over k = low + 1, ..., high.

    Parameters
    ----------
    share : ndarray
        As there.
    low, high : int
        0 <= low < high.

    Returns
    -------
    ndarray
        Of the shape of `share`.
    """
    many = high - low
    plain = np.abs(share) * high > 1e-3
    safe = np.where(plain, share, 1.0)
    with np.errstate(over="ignore"):
        # (1/many) sum_k (1 - q^k)/(1 - q) with q = a^2, 1 - q = share
        tail = np.power(1.0 - safe, low + 1) * geometric(safe, np.float64(many))
        exact = (1.0 - tail / many) / safe
    # near flat directions: k - share k (k - 1)/2, to a relative (share k)^2
    linear, square = (low + 1 + high) / 2.0, (high**3 - low**3) / (3.0 * many)
    return np.asarray(np.where(plain, exact, linear - share * square / 2.0))


def steps_to(target: float, noise: Real, share: Real) -> Real:
    """Return after how many steps, not rounded, variances reach a target.

    Parameters
    ----------
    target : float
        Square of a distance, > 0.
    noise : ndarray, shape (p,)
        Variance v that a step adds; never is infinite where it is 0.
    share : ndarray, shape (p,)
        1 - q.

    Returns
    -------
    ndarray, shape (p,)
        Infinite along directions whose variance stays below.
    """
    found = np.full(share.size, np.inf)
    for i in np.flatnonzero(noise > 0):
        ratio = target / noise[i] * share[i]  # = 1 - q^k
        if share[i] == 0.0:
            found[i] = target / noise[i]
        elif share[i] == 1.0:  # q = 0: one step, or never
            found[i] = 1.0 if ratio <= 1.0 else np.inf
        elif ratio < 1.0:
            found[i] = math.log1p(-ratio) / math.log1p(-share[i])
    return found
