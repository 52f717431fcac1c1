r"""Errors of fitted parameters: what chance there was in the matrices, and in the estimate of them.

Of matrices: a parametric bootstrap. Spectra of the fitted member are drawn, of a moderate size, and
fitted again; where the member is that of matrices (`rmtland.comparison.drawable`), statistics of
its spectrum fluctuate, and are biased, at order 1/n, and the errors are scaled by the ratio of the
sizes; of independent points, which fluctuate at order n^(-1/2), by its root.

Of an estimated spectrum (Lanczos quadrature, `rmtland.estimate`): a least-squares estimate moves
with the levels F of the spectrum at its points x by

.. math::
    \delta\theta = A \, \delta F, \qquad
    A = - (J^T J)^{-1} J^T \frac{\partial r}{\partial F},

J the Jacobian of the residuals r. The masses that m Gaussian probes see follow a Beta law, whose
covariance is that of a Brownian bridge, (min(F(x), F(y)) - F(x) F(y))/N with
N = m (p/2 + 1) (`rmtland.estimate.beta_law`); where the probes are of no known law, their own
scatter takes its place (jackknife over runs). What a quadrature of few steps leaves open is at most
half of its bracket w at each point, in the same direction between two nodes, in unknown ones
beyond:

.. math::
    \mathrm{var}(\theta_i) = A \, \mathrm{cov}(F) A^T
        + \sum_{\text{nodes}} \Bigl( \sum_{x \text{ beside it}} |A_i(x)| \frac{w(x)}{2} \Bigr)^2 .

The two parts are added in quadrature.

Examples
--------
>>> import numpy as np
>>> from rmtland import Semicircle, Spectrum, fit
>>> x = Semicircle().ppf((np.arange(40) + 0.5) / 40)
>>> known = Spectrum(x, np.full(40, 1 / 40), dimension=10**6)
>>> vague = Spectrum(x, np.full(40, 1 / 40), dimension=10**6, errors=np.full(40, 0.01))
>>> errors = [fit(s, Semicircle, rng=0, resamples=4).errors["center"] for s in (known, vague)]
>>> errors[0] < 0.02 < errors[1]
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rmtland.comparison.descent import Descent
from rmtland.comparison.drawable import Drawable, drawable
from rmtland.comparison.estimated import draws_of
from rmtland.comparison.fit_points import Points
from rmtland.spectrum import Spectrum
from rmtland.typing import Real

if TYPE_CHECKING:
    from rmtland.laws import Law

__all__ = ["bootstrap_errors", "estimate_errors"]

_RESAMPLED = 160
"""Size of the bootstrap's matrices, at most."""


def bootstrap_errors(
    descent: Descent,
    kind: type[Points],
    spectrum: Spectrum,
    found: Real,
    resamples: int,
    generator: np.random.Generator,
    *,
    beta: float | None = None,
) -> Real:
    """Root-mean-square errors of the parameters, by spectra of the fitted member refitted.

    Parameters
    ----------
    descent : Descent
        Family and bounds.
    kind : class
        Of the points that are compared.
    spectrum : Spectrum
        Gives size and runs.
    found : ndarray
        Fitted position.
    resamples : int
        At least 2.
    generator : Generator
        Source of randomness.
    beta : float, optional
        Of the matrices behind a law.

    Returns
    -------
    ndarray of float
        In the order of the parameters; infinite where a matrix of the member has too few distinct
        eigenvalues to be fitted.
    """
    values = descent.values(found)
    member, law = descent.family.at(values), descent.family.law(values)
    assert law is not None
    size = int(spectrum.dimension or spectrum.nodes.shape[1])
    # a null space says nothing: as many eigenvalues off the atoms as without one
    alone = max(1 - sum(mass for _, mass in law.atoms), 1e-3)
    small = _even(min(size, round(_RESAMPLED / alone)), size, law)
    names = list(values)
    here = np.array([values[name] for name in names])
    source = drawable(member, beta)
    power, spread = 0.5 if source is None else 1.0, []
    for _ in range(resamples):
        sample = None if source is None else _drawn(source, small, generator)
        if sample is None:
            power = 0.5
            sample = Spectrum(np.asarray(law.sample(small, rng=generator)))
        try:
            points = kind.of(sample, len(names))
        except ValueError:
            return np.full(len(names), np.inf)
        end, _cost = descent.run(points, found)
        refitted = descent.values(end)
        spread.append([refitted[name] for name in names])
    moved = np.array(spread) - here
    matrices = 1 if _is_of_probes(spectrum) else spectrum.runs
    unit = np.abs(moved).max(axis=0)  # squares of small ones leave double precision
    moved = moved / np.where(unit > 0, unit, 1.0)
    bias, variance = moved.mean(axis=0), moved.var(axis=0, ddof=1) / matrices
    return np.asarray((small / size) ** power * unit * np.sqrt(bias**2 + variance))


def _even(small: int, size: int, law: Law) -> int:
    """Return a size nearby at which the aspect ratio of a law leaves whole columns."""
    ratio = getattr(law, "aspect_ratio", None)
    if ratio is None or small < 8:
        return small
    sizes = np.arange(small, min(size, small + small // 4) + 1)
    columns = sizes / ratio
    off = np.abs(columns - np.maximum(columns.round(), 1)) / columns
    return int(sizes[off.argmin()])


def _drawn(source: Drawable, size: int, generator: np.random.Generator) -> Spectrum | None:
    """Return the spectrum of one matrix, or None where none can be drawn."""
    try:
        sample = source.sample(size, rng=generator)
    except ValueError:
        return None
    return sample if isinstance(sample, Spectrum) else None


def _is_of_probes(spectrum: Spectrum) -> bool:
    """Whether the runs are probes of one matrix."""
    return "probe_law" in spectrum.provenance or "probes" in spectrum.provenance


def estimate_errors(descent: Descent, points: Points, spectrum: Spectrum, found: Real) -> Real:
    """Errors of the parameters for what an estimate does not know of its spectrum.

    Parameters
    ----------
    descent : Descent
        Family and bounds.
    points : FitPoints or QuantilePoints
        What was compared.
    spectrum : Spectrum
        A quadrature, or one with errors or brackets.
    found : ndarray
        Fitted position.

    Returns
    -------
    ndarray of float
        In the order of the parameters; zero for spectra all of whose eigenvalues are known.
    """
    unsure = spectrum.errors is not None or spectrum.brackets is not None
    if spectrum.is_complete and not unsure:
        return np.zeros(len(descent.boxes))
    values = descent.values(found)
    jacobian = descent.jacobian(points, found)
    by_level = points.by_level()
    moves = -np.linalg.pinv(jacobian, rcond=1e-10)[:, : points.x.size] * by_level[: points.x.size]
    variance = _probe_variance(moves, points, spectrum) + _bracket_variance(moves, points, spectrum)
    unit = np.array([values[name] if box.positive else 1.0 for name, box in descent.boxes.items()])
    return np.asarray(unit * np.sqrt(variance))


def _probe_variance(moves: Real, points: Points, spectrum: Spectrum) -> Real:
    """Variance of the coordinates by the scatter of probes or runs."""
    draws = draws_of(spectrum) or _draws_of_errors(spectrum)
    if draws is None and spectrum.runs > 1:
        rows = np.array([_row_levels(spectrum, run, points.x) for run in range(spectrum.runs)])
        each = (rows - rows.mean(axis=0)) @ moves.T
        return np.asarray(each.var(axis=0, ddof=1) / spectrum.runs)
    if draws is None:  # one start vector
        if spectrum.dimension is None:
            return np.zeros(len(moves))
        draws = spectrum.runs * (spectrum.dimension / 2 + 1)
    level = np.clip(points.level, 0.0, 1.0)
    covariance = np.minimum(level[:, None], level) - level[:, None] * level
    return np.asarray(np.einsum("ik,kl,il->i", moves, covariance, moves) / draws)


def _draws_of_errors(spectrum: Spectrum) -> float | None:
    """Return the draws of a binomial fraction that have the errors which are stated."""
    if spectrum.errors is None:
        return None
    error = spectrum.errors.ravel()
    level = np.asarray(spectrum.cdf(spectrum.nodes.ravel()))
    use = (error > 0) & (level > 0.05) & (level < 0.95)
    if not use.any():
        use, level = error > 0, np.full(level.shape, 0.5)
    if not use.any():
        return None
    return float(np.median(level[use] * (1 - level[use]) / error[use] ** 2))


def _row_levels(spectrum: Spectrum, run: int, x: Real) -> Real:
    """Distribution function of one run, the middle of its steps joined."""
    nodes = spectrum.nodes[run]
    weights = np.full(nodes.shape, 1 / nodes.size)
    if spectrum.weights is not None:
        weights = spectrum.weights[run]
    return np.interp(x, nodes, np.cumsum(weights) - weights / 2)


def _bracket_variance(moves: Real, points: Points, spectrum: Spectrum) -> Real:
    """Variance of the coordinates that the brackets of a quadrature leave room for."""
    if spectrum.is_complete and spectrum.brackets is None:
        return np.zeros(len(moves))
    nodes = spectrum.nodes
    if spectrum.brackets is not None:
        width = spectrum.brackets[..., 1] - spectrum.brackets[..., 0]
    elif spectrum.weights is not None:
        width = spectrum.weights
    order = np.argsort(nodes, axis=None, kind="stable")
    half = np.interp(points.x, nodes.ravel()[order], width.ravel()[order]) / 2
    cell = np.searchsorted(nodes[0], points.x)
    cells = nodes.shape[1] + 1
    total = np.zeros((len(moves), cells))
    for i, row in enumerate(np.abs(moves) * half):
        total[i] = np.bincount(cell, row, minlength=cells)
    return np.asarray((total**2).sum(axis=1))
