"""Levels of theory: laws of a Hessian that know more and more of the network it belongs to.

| level | law | what is assumed |
|---|---|---|
| 0 | Wishart + Wigner (or ReLU block) as printed: phi, epsilon | scale, Wishart, Wigner, free |
| 1 | the same, traces of H0 and H1^2 matched | Wishart, Wigner, free |
| 2 | the same, phi, epsilon, sigma fitted to H | the family of laws |
| 3 | H0 measured, H1 by theory | Wigner, free |
| 4 | H0 and H1 measured | free |
| 5 | matrix Dyson: first layer, data, mean squares known | iid second layer, iid residuals |
| 6 | the same, second moments and f'' block measured | Gaussian second layer and residuals |

phi = p / (m n_out) counts parameters per effective example. Levels 0-4 are of Pennington and Bahri
[1]_, level 4 being the test of their figure 2; 5 and 6 need one hidden layer without biases and
half the mean squared error (`rmtland.models.DysonHessian`).

Second moments of level 6: the covariance W2^T W2/n_out of the rows of W2, and the mean square
residual of every sample, or where the inputs explain more of the residuals than chance would, their
covariance between samples: that of their coefficients on the inputs, and equal variances besides.
All are averages over n_out numbers only, and what chance makes of them would be counted twice, as
the model lets W2 and residuals fluctuate about them. So they are shrunk towards equal values by the
least mean square error, as Ledoit and Wolf [2]_ do, and dropped where they are within three
standard errors of what chance makes: for an iid W2 and iid residuals level 6 is level 5.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.
.. [2] O. Ledoit and M. Wolf, A well-conditioned estimator for large-dimensional covariance
       matrices, J. Multivariate Anal. 88 (2004) 365-411.

Examples
--------
>>> import numpy as np
>>> covariance, kept = shrunk_covariance(np.random.default_rng(0).normal(size=(200, 3)))
>>> bool(kept < 0.5), bool(abs(covariance - np.eye(3)).max() < 0.2)
(True, True)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import float_array
from rmtland.arrays import to_numpy
from rmtland.free import free_sum
from rmtland.laws import EmpiricalLaw, Law
from rmtland.models import DysonHessian, HessianModel
from rmtland.models.dyson.tabulated import Progress, TabulatedLaw, tabulated_law
from rmtland.networks import LossPoint

__all__ = [
    "ATOMS",
    "NAMES",
    "dyson_law",
    "dyson_models",
    "free_of_parts",
    "measured_moments",
    "residual_moments",
    "shrunk_covariance",
    "shrunk_squares",
    "thinned",
    "why_not_dyson",
]

Real = NDArray[np.float64]

NAMES = {
    0: "{model}, as printed",
    1: "{model}, traces matched",
    2: "{model}, fitted",
    3: "H0 measured, {residual} H1, free",
    4: "H0 and H1 measured, free",
    5: "matrix Dyson, iid second layer",
    6: "matrix Dyson, measured moments",
}
"""Names of the levels by number."""

ATOMS = 300
"""Point masses that stand for the eigenvalues of a measured part, at most."""

_ANCHORS = 8
"""Points at which the coupling of hidden units is solved for; it is interpolated between them."""


def thinned(eigenvalues: Real, *, atoms: int = ATOMS) -> EmpiricalLaw:
    """Law of at most so many quantiles of measured eigenvalues; rounding removed."""
    tolerance = eigenvalues.size * np.finfo(np.float64).eps * float(np.abs(eigenvalues).max())
    clean = np.sort(np.where(np.abs(eigenvalues) <= 10 * tolerance, 0.0, eigenvalues))
    # eigenvalues that are equal up to rounding are one point mass
    starts = np.concatenate(([True], np.diff(clean) > tolerance))
    clean = clean[starts][np.cumsum(starts) - 1]
    if clean.size > atoms:
        levels = (np.arange(atoms) + 0.5) / atoms
        clean = np.quantile(clean, levels, method="inverted_cdf")
    return EmpiricalLaw(clean)


def free_of_parts(first: Law | Real, second: Law | Real | None, *, atoms: int = ATOMS) -> Law:
    """Law of H0 + H1 if the two are free; either is a law or measured eigenvalues.

    None, or a part that vanishes, leaves the other one.
    """
    laws = [
        part if isinstance(part, Law) else thinned(part, atoms=atoms)
        for part in (first, second)
        if part is not None
    ]
    return free_sum(*laws) if len(laws) > 1 else laws[0]


def matched(
    model: type[HessianModel], phi: float, gauss_newton: Real, residual: Real
) -> HessianModel:
    """Level 1: the traces of H0 and of H1 squared are those of the measured parts."""
    return model.from_moments(
        phi,
        mean=float(gauss_newton.mean()),
        residual_variance=float((residual**2).mean()),
    )


# Matrix Dyson equation ---------------------------------------------------------------------------


def why_not_dyson(point: LossPoint) -> str | None:
    """Say why levels 5 and 6 do not apply to a network, or None where they do."""
    net: Any = point.net
    if len(net.widths) != 3:
        return f"the matrix Dyson equation is for one hidden layer; the widths are {net.widths}"
    if net.bias:
        return "the matrix Dyson equation is for networks without biases"
    if net.loss != "mse":
        return f"the matrix Dyson equation is for the loss 'mse'; this network has {net.loss!r}"
    if net.weight_decay:
        return "the matrix Dyson equation does not cover weight decay"
    if net.parametrisation != "standard":
        return "the matrix Dyson equation is for the standard parametrisation"
    return None


def shrunk_covariance(rows: ArrayLike) -> tuple[Real, float]:
    """Second moments of rows of mean 0, shrunk towards a multiple of the identity.

    Parameters
    ----------
    rows : array_like, shape (n, k)
        Independent rows.

    Returns
    -------
    (ndarray of shape (k, k), float)
        The estimate (1 - b) trace/k + b rows^T rows/n, and b in [0, 1]: what is kept.
    """
    array = float_array("rows", rows, ndim=2)
    n, k = array.shape
    sample = array.T @ array / n
    size = float(np.trace(sample)) / k
    spread = float(((sample - size * np.eye(k)) ** 2).sum())
    noise = float(((array**2).sum(axis=1) ** 2).sum() / n - (sample**2).sum()) / n
    # what chance makes of equal variances, and its relative deviation
    chance = size**2 * (k * k + k - 2) / (n + 2 / k)
    slack = np.sqrt(4 / max(k * k + k - 2, 1))
    kept = _kept(spread, max(noise, 0.0), chance * (1 + 3 * slack))
    return kept * sample + (1 - kept) * size * np.eye(k), kept


def shrunk_squares(residuals: ArrayLike) -> tuple[Real, float]:
    """Mean squares of residuals by sample, relative to the mean of all, shrunk towards 1.

    The spread expected of Gaussian residuals of equal variance, 2/n_out, is taken as noise.

    Parameters
    ----------
    residuals : array_like, shape (m, n_out)

    Returns
    -------
    (ndarray of shape (m,), float)
        Weights of mean 1, and the share of the deviations that is kept.
    """
    array = float_array("residuals", residuals, ndim=2)
    squares = (array**2).mean(axis=1)
    mean = float(squares.mean())
    if mean == 0:
        return np.ones(len(array)), 0.0
    squares = squares / mean
    spread = float(squares.var(ddof=1)) if squares.size > 1 else 0.0
    n_out = array.shape[1]
    noise = 2 / n_out * float((squares**2).mean()) / (1 + 2 / n_out)
    slack = np.sqrt((2 + 12 / n_out) / squares.size)
    kept = _kept(spread, noise, 2 / n_out * (1 + 3 * slack))
    return 1 + kept * (squares - 1), kept


def residual_moments(x: ArrayLike, residuals: ArrayLike) -> tuple[Real, float]:
    """Second moments of residuals by sample, or between samples where the inputs explain them.

    Parameters
    ----------
    x : array_like, shape (m, n_in)
        Inputs.
    residuals : array_like, shape (m, n_out)

    Returns
    -------
    (ndarray of shape (m,) or (m, m), float)
        Relative mean squares of mean 1, or a covariance of mean diagonal 1; and the share of what
        was measured beyond chance that is kept, 1 for a covariance.
    """
    e = float_array("residuals", residuals, ndim=2)
    m, n_out = e.shape
    left, sizes, _ = np.linalg.svd(float_array("x", x, ndim=2), full_matrices=False)
    basis = left[:, sizes > 1e-10 * sizes[0]]
    rank = basis.shape[1]
    total = float((e**2).sum())
    if total == 0 or rank >= m:
        return shrunk_squares(e)
    coefficients = basis.T @ e
    share = float((coefficients**2).sum()) / total
    # a beta law for equal and independent residuals
    within, beyond = rank * n_out / 2, (m - rank) * n_out / 2
    chance = within / (within + beyond)
    slack = (chance * (1 - chance) / (within + beyond + 1)) ** 0.5
    if share <= chance + 3 * slack:
        return shrunk_squares(e)
    inner, _ = shrunk_covariance(coefficients.T)
    outer = total * (1 - share) / (n_out * (m - rank))
    covariance = outer * (np.eye(m) - basis @ basis.T) + basis @ inner @ basis.T
    return covariance * (m / float(np.trace(covariance))), 1.0


def _kept(spread: float, noise: float, chance: float) -> float:
    """Share of differences that is not noise; 0 where chance makes differences as large."""
    return max(0.0, 1 - noise / spread) if spread > chance else 0.0


def measured_moments(point: LossPoint) -> tuple[Real, Real, float, float]:
    """Shrunk second moments of a point of one hidden layer.

    Returns
    -------
    (covariance, weights, float, float)
        Of the rows of W2, shape (n1, n1); of the residuals, relative mean squares, shape (m,), or a
        covariance, shape (m, m); and what was kept of the measured differences in either.
    """
    net: Any = point.net
    second = to_numpy(net.unflatten(point.theta)[1]).astype(np.float64)
    covariance, kept_w = shrunk_covariance(second)
    weights, kept_e = residual_moments(
        to_numpy(point.x).astype(np.float64), to_numpy(point.residuals).astype(np.float64)
    )
    return covariance, weights, kept_w, kept_e


def dyson_models(
    point: LossPoint, drawn: LossPoint
) -> tuple[DysonHessian, DysonHessian, dict[str, float]]:
    """Return the equations of levels 5 and 6, and what level 6 keeps of measured differences.

    Parameters
    ----------
    point : LossPoint
        One hidden layer, no biases, half the mean squared error.
    drawn : LossPoint
        The same with iid W2 and residuals drawn anew: its f'' block stands for all of them at
        level 5, as it averages itself over the units.

    Returns
    -------
    (DysonHessian, DysonHessian, dict)
        The same object twice where nothing is kept and f'' = 0.
    """
    known = DysonHessian.of_point(point)
    first = replace(known, bends=DysonHessian.of_point(drawn).bends)
    covariance, weights, kept_w, kept_e = measured_moments(point)
    kept = {"second_layer_kept": kept_w, "residuals_kept": kept_e}
    if kept_w == kept_e == 0 and known.bends is None:
        return first, first, kept
    second = replace(
        known,
        second_layer=covariance if kept_w else known.second_layer,
        residual_weights=weights,
    )
    return first, second, kept


def dyson_law(
    model: DysonHessian,
    *,
    spectrum: Real,
    points: int = 40,
    progress: Progress | None = None,
) -> TabulatedLaw:
    """Tabulate the law of level 5 or 6; coupled units at eight anchors.

    Parameters
    ----------
    model : DysonHessian
        The equation.
    spectrum : array_like, shape (p,)
        Measured eigenvalues, ascending: where to look first.
    points : int
        Points of the table.
    progress : callable, optional
        Called with the numbers of points solved and of all.
    """
    low, high = float(spectrum[0]), float(spectrum[-1])
    width = (high - low) or 1.0
    bulk = float(np.subtract(*np.quantile(spectrum, [0.75, 0.25])))
    # half of the first points by mass, half by place: neither bulk nor tail is passed over
    spread = low + width * np.sin(np.linspace(0, np.pi, 10) / 2) ** 2
    return tabulated_law(
        model,
        points=points,
        limits=(low - 0.2 * width, high + 0.2 * width),
        first=np.append(np.quantile(spectrum, np.linspace(0.05, 0.95, 8)), spread),
        eta=min(width / 200, max(bulk / 20, width / 20_000)),
        anchors=_ANCHORS,
        progress=progress,
    )
