r"""Laws fitted to values of a Stieltjes transform above the axis, known with noise.

Given points omega, values of :math:`\int \rho(dt) / (\omega - t)` there and the size of the noise,
the law is a non-negative combination of atoms on a grid of the interval that is known to hold it:
the smoothest one, in the sum of squared second differences of the distribution function, that fits
as well as the noise allows (the discrepancy principle; Tikhonov regularisation).

The error is estimated by doing it again: noise of the same size is added to the equations of the
fit, and of the roughest law that fits, and both are recovered from that a number of times. One and
a half times the largest Wasserstein distance is reported. In simulations it nearly always covers
the true one; without an assumption on the law nothing is certain.

Examples
--------
>>> import numpy as np
>>> from rmtland.laws import Uniform
>>> z = np.linspace(-0.5, 1.5, 21) + 0.2j
>>> law = law_from_stieltjes(
...     z, Uniform().stieltjes(z), np.full(21, 1e-3), grid_on((0.0, 1.0)), samples=1000
... )
>>> abs(law.ppf(0.25) - 0.25) < 0.02, law.error < 0.03
(True, True)
"""

from __future__ import annotations

import math

import numpy as np
from threadpoolctl import threadpool_limits

from rmtland.free.recovered import RecoveredLaw
from rmtland.typing import Complex, Real

__all__ = ["grid_on", "law_from_stieltjes"]

_GRID = 240
_MISSED = 10.0  # times the noise by which a law is refused
_MORE = 40  # places for each decade beyond three
_REPEATS = 12  # of the simulation of either law


def law_from_stieltjes(
    omega: Complex, values: Complex, sizes: Real, grid: Real, *, samples: int
) -> RecoveredLaw:
    """Return the law on a grid that fits values of a Stieltjes transform, with its error.

    Parameters
    ----------
    omega, values : ndarray of complex, shape (points,)
        Points above the axis and the values there.
    sizes : ndarray of float, shape (points,)
        Standard deviations of the noise of the values.
    grid : ndarray of float, shape (places,)
        Where the law may have mass.
    samples : int
        Number of eigenvalues behind the values, for the messages.

    Returns
    -------
    RecoveredLaw
        The law, its estimated error and a sentence on the regularisation.

    Raises
    ------
    ValueError
        If no law fits within ten times the noise.
    """
    scale = np.append(1 / sizes, 1 / sizes)
    right = np.concatenate([values.real, values.imag]) * scale
    # Beside other programs, threads for such small matrices wait for each other most of the time.
    with threadpool_limits(1, user_api="blas"):
        # What misses little noise may miss it by the width of the cells.
        for places in (grid, _halved(grid)):
            rows = 1 / (omega[:, None] - places)
            matrix = np.concatenate([rows.real, rows.imag]) * scale[:, None]
            fit = _Fit(matrix, places)
            weights, rough, misfit, strength = _smoothest(fit, right)
            if misfit <= _MISSED:
                break
        else:
            raise ValueError(
                "the deconvolution does not exist: no law on "
                f"[{grid[0]:.6g}, {grid[-1]:.6g}] fits the measurement; the best one misses it by "
                f"{misfit:.3g} times the noise of {samples} eigenvalues (samples=)"
            )
        error = _spread(fit, weights, rough, strength, max(1.0, misfit))
    grid = fit.grid
    kept = weights > 1e-12
    return RecoveredLaw(
        grid[kept],
        weights[kept] / math.fsum(weights[kept]),
        error,
        f"atoms on a grid of {grid.size} points, the smoothest that fit the Stieltjes transform of "
        f"{samples} eigenvalues at {omega.size} subordinated points within its noise",
    )


def _halved(grid: Real) -> Real:
    """Places with another in the middle of every two."""
    return np.union1d(grid, (grid[1:] + grid[:-1]) / 2)


def grid_on(hull: tuple[float, float], *, nearest: float | None = None) -> Real:
    """Places on an interval: even, or geometric for a positive law over more than a decade.

    Parameters
    ----------
    hull : (float, float)
        The interval.
    nearest : float, optional
        Of a positive law, how close to zero the equations look: geometric places go down to it, or
        over three decades.
    """
    low, high = hull
    margin = 0.02 * (high - low)
    if nearest is None:
        return np.linspace(low - margin, high + margin, _GRID)
    low, high = max(low - margin, 0.0), high + margin
    start = max(low, min(1e-3 * high, nearest))
    if start > 0.1 * high:
        return np.linspace(low, high, _GRID)
    more = math.ceil(_MORE * max(math.log10(1e-3 * high / start), 0.0))
    places = np.geomspace(start, high, _GRID + more)
    return np.append(low, places) if low < start else places


class _Fit:
    """Non-negative least squares with a penalty on roughness, for one set of equations."""

    def __init__(self, matrix: Real, grid: Real) -> None:
        self.matrix, self.grid = matrix, grid
        steps = np.diff(grid)
        cells = (np.append(steps, steps[-1]) + np.append(steps[0], steps)) / 2
        # Second differences of the distribution function: differences of the density
        rough = np.diff(np.diag(1 / cells), axis=0) * np.sqrt(cells[:-1, None] * np.ptp(grid))
        self._firm = 1e3 * math.sqrt(len(matrix))  # the weights sum to one
        self._gram = matrix.T @ matrix + self._firm**2
        self._rough = rough.T @ rough

    def __call__(self, right: Real, strength: float) -> Real:
        """Weights for the values `right` of the equations."""
        from scipy.optimize import nnls

        # The normal equations, through a Cholesky factor, are smaller than the equations.
        gram = self._gram + strength**2 * self._rough
        gram[np.diag_indices_from(gram)] += 1e-13 * np.trace(gram) / gram.shape[0]
        factor = np.linalg.cholesky(gram).T
        wanted = np.linalg.solve(factor.T, self.matrix.T @ right + self._firm**2)
        weights, _ = nnls(factor, wanted, maxiter=20_000)
        return np.asarray(weights / weights.sum())

    def misfit(self, weights: Real, right: Real) -> float:
        """Root mean square of the defects, in standard deviations."""
        return float(np.sqrt(np.mean((self.matrix @ weights - right) ** 2)))


def _smoothest(fit: _Fit, right: Real) -> tuple[Real, Real, float, float]:
    """Weights of the smoothest and the roughest law that fit, misfit and strength of the former."""
    strengths = np.geomspace(1e-6, 1e3, 37)
    rough = best = fit(right, strengths[0])
    misfit = fit.misfit(best, right)
    allowed = 1.05 * max(misfit, 0.3)
    low, high = 0, strengths.size
    while high - low > 1:
        middle = (low + high) // 2
        weights = fit(right, strengths[middle])
        miss = fit.misfit(weights, right)
        if miss <= allowed:
            low, best, misfit = middle, weights, miss
        else:
            high = middle
    return best, rough, misfit, float(strengths[low])


def _spread(fit: _Fit, smooth: Real, rough: Real, strength: float, noise: float) -> float:
    """Error estimate: how far laws recovered from simulated equations are from the true ones."""
    rng = np.random.default_rng(0)
    steps = np.diff(fit.grid)
    largest = 0.0
    for truth in (smooth, rough):
        values = fit.matrix @ truth
        for _ in range(_REPEATS):
            again = fit(values + noise * rng.standard_normal(values.size), strength)
            area = np.abs(np.cumsum(again - truth)[:-1]) @ steps
            largest = max(largest, float(area))
    return 1.5 * largest + float(steps.max()) / 2
