r"""Deconvolution of measured spectra: a law fitted to a Stieltjes transform off the axis.

With the eigenvalues of the total, :math:`G_n(z)` is off the limit by the order of
:math:`1 / (n \operatorname{Im} z)`. Each point z gives one linear equation for the law of X,

.. math:: \int \frac{X(dt)}{\omega(z) - t} = G_n(z),

at the subordinated point omega(z) (`rmtland.free.deconvolution.free_deconvolution`). Points on
lines at several heights, from a few eigenvalue spacings up to the width of the spectrum, are as
far apart as their height, so that their noise is nearly independent. Points whose omega is below
z, which a subordination function never is, are left out.

The law is a non-negative combination of atoms on a grid of the interval that is known to hold it:
the smoothest one, in the sum of squared second differences of the distribution function, that fits
as well as the noise allows (the discrepancy principle).

The error is estimated by doing it again: noise of the same size is added to the equations of the
fit, and of the roughest law that fits, and both are recovered from that a number of times. One and
a half times the largest Wasserstein distance is reported. In simulations it covered the true one
(`tests/free/test_deconvolution.py`); without an assumption on the law nothing is certain.

References
----------
.. [1] N. El Karoui, Spectrum estimation for large dimensional covariance matrices using random
       matrix theory, Ann. Statist. 36 (2008) 2757-2790 (the fit of a population law).
.. [2] P. Tarrago, Spectral deconvolution of unitarily invariant matrix models, arXiv:2006.09356
       (the curve of subordinated points).

Examples
--------
>>> import numpy as np
>>> from rmtland import EmpiricalLaw, Semicircle, free_deconvolution, free_sum, Discrete
>>> signal = Discrete((-2.0, 1.0), (0.3, 0.7))
>>> law = free_sum(signal, Semicircle(0.5))
>>> measured = EmpiricalLaw(law.ppf((np.arange(300) + 0.5) / 300))
>>> found = free_deconvolution(measured, Semicircle(0.5))
>>> found.distance, abs(found.cdf(-0.5) - 0.3) < 0.02
('wasserstein', True)
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.free.deconvolution.exact import Recovered
from rmtland.laws.discrete import EmpiricalLaw
from rmtland.laws.law import Complex, Law, Real
from rmtland.solution import ConvergenceError

__all__ = ["law_of_measurement", "subordinated"]

_GRID = 240
_HEIGHTS = 6
_REPEATS = 6  # of the simulation of either law


def law_of_measurement(
    total: Law, noise: Law, hull: tuple[float, float], *, product: bool, samples: int
) -> Recovered:
    """Return the law on the hull that fits a measured total.

    Raises
    ------
    ValueError
        If no law fits within several times the noise of so many samples.
    """
    _require_variance(total, noise, product, samples)
    omega, wanted, sizes = _equations(total, noise, product, samples)
    grid = _grid(hull, product)
    rows = 1 / (omega[:, None] - grid)
    scale = 1 / sizes
    matrix = np.concatenate([rows.real, rows.imag]) * np.append(scale, scale)[:, None]
    right = np.concatenate([wanted.real, wanted.imag]) * np.append(scale, scale)
    fit = _Fit(matrix, grid)
    weights, rough, misfit, strength = _smoothest(fit, right)
    if misfit > 10:
        raise ValueError(
            "the deconvolution does not exist: no law on "
            f"[{grid[0]:.6g}, {grid[-1]:.6g}] fits the measurement; the best one misses it by "
            f"{misfit:.3g} times the noise of {samples} eigenvalues (samples=)"
        )
    error = _spread(fit, weights, rough, strength, max(1.0, misfit))
    kept = weights > 1e-12
    law = EmpiricalLaw(grid[kept], weights[kept] / math.fsum(weights[kept]))
    return Recovered(
        law, error, math.inf, "wasserstein",
        f"atoms on a grid of {grid.size} points, the smoothest that fit the Stieltjes transform of "
        f"{samples} eigenvalues at {omega.size} subordinated points within its noise",
    )  # fmt: skip


def subordinated(z: Complex, g: Complex, noise: Law, product: bool) -> tuple[Complex, Complex]:
    """Point omega(z) of X, and the value that its Stieltjes transform takes there."""
    if product:
        m = z * g - 1
        omega = z * noise.s_transform(m)
        return omega, (1 + m) / omega
    return z - noise.r_transform(g), g


def _require_variance(total: Law, noise: Law, product: bool, samples: int) -> None:
    """Refuse where the variance (relative to the mean, for products) is surely too small."""
    whole, part = total.var(), noise.var()
    if product:
        whole, part = whole / total.mean() ** 2, part / noise.mean() ** 2
    # The variance of n eigenvalues fluctuates by the order of 1/n of itself.
    if whole < part * (1 - 30 / samples) - 1e-14 * abs(whole):
        raise ValueError(
            f"the deconvolution does not exist: the variance of the total is below that of the "
            f"noise ({whole:.6g} and {part:.6g}{', both over the squared mean' if product else ''})"
        )


def _equations(
    total: Law, noise: Law, product: bool, samples: int
) -> tuple[Complex, Complex, Real]:
    """Subordinated points, the values of G there, and the standard deviations of their noise."""
    ends = [end for band in total.support for end in band] + [place for place, _ in total.atoms]
    low, high = min(ends), max(ends)
    width = high - low
    least = max(4.0 / samples, 0.01) * width
    points, values, sizes = [], [], []
    for height in np.geomspace(least, 2 * width, _HEIGHTS):
        reach = width / 2 + 2 * height
        number = max(5, math.ceil(2 * reach / height))
        z = (low + high) / 2 + np.linspace(-reach, reach, number) + 1j * height
        g = total._stieltjes(z)
        try:
            omega, value = subordinated(z, g, noise, product)
        except (ConvergenceError, ValueError):
            continue  # below where the inverse of the noise is defined
        if product:
            fine = np.angle(omega) >= np.angle(z) * (1 - 1e-9)
            sigma = np.abs(z / omega) / (2 * samples * height)
        else:
            fine = omega.imag >= z.imag * (1 - 1e-9)
            sigma = np.full(z.shape, 1 / (2 * samples * height))
        points.append(omega[fine])
        values.append(value[fine])
        sizes.append(sigma[fine])
    omega = np.concatenate(points) if points else np.empty(0, dtype=np.complex128)
    if omega.size < 5:
        raise ConvergenceError(
            f"the R- or S-transform of the noise {noise!r} was not found at enough points above "
            "the spectrum; take a noise with a closed form"
        )
    return omega, np.concatenate(values), np.concatenate(sizes)


def _grid(hull: tuple[float, float], product: bool) -> Real:
    """Places of the atoms: even, or geometric for a positive law over more than a decade."""
    low, high = hull
    margin = 0.02 * (high - low)
    if product:
        low, high = max(low - margin, 0.0), high + margin
        start = max(low, 1e-3 * high)
        if start > 0.1 * high:
            return np.linspace(low, high, _GRID)
        return (
            np.append(low, np.geomspace(start, high, _GRID))
            if low < start
            else np.geomspace(start, high, _GRID)
        )
    return np.linspace(low - margin, high + margin, _GRID)


class _Fit:
    """Non-negative least squares with a penalty on roughness, for one set of equations."""

    def __init__(self, matrix: Real, grid: Real) -> None:
        self.matrix, self.grid = matrix, grid
        steps = np.diff(grid)
        cells = (np.append(steps, steps[-1]) + np.append(steps[0], steps)) / 2
        # Second differences of the distribution function: differences of the density
        rough = np.diff(np.diag(1 / cells), axis=0) * cells[:-1, None] ** 0.5 * np.ptp(grid)
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
