r"""Predicted error of a method at every step, from curvatures alone.

Without noise the error after t steps is :math:`\int P_t^2 \lambda^k d\mu`, k = 0, 1, 2 for squared
distance, loss and squared gradient. Gradient noise of covariance :math:`\Sigma = \sigma^2 C`, C
the identity or a multiple of H, adds the variance of a second-order recursion in each
eigendirection; with constant coefficients it tends to

.. math:: V = \frac{h^2 (1 + q)}{(1 - q) ((1 + q)^2 - p^2)}, \qquad
    p = 1 + m - h \lambda (1 + e), \quad q = m - h \lambda e,

for each unit of noise variance in that direction.

A finite matrix crosses the edges of its law. Given its dimension, the prediction carries the mean
over matrices, from the mean density of the Airy process at each regular edge, and the median and a
band, from draws of its outermost points: these differ, because a method tuned to the edges has its
mean made by few matrices (`rmtland.optimizer.edge_fluctuations`).

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> from rmtland.optimizer.methods import GradientDescent
>>> forecast = predict(GradientDescent(1.0), MarchenkoPastur(0.25), 3, objective="distance")
>>> forecast.errors.round(10).tolist()
[1.0, 0.25, 0.140625, 0.1142578125]
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rmtland.arguments import choice, count, nonnegative, positive
from rmtland.laws import Law, SpectralModel
from rmtland.optimizer.edge_fluctuations import airy_points, mean_nodes
from rmtland.optimizer.methods import Method, residual_polynomials
from rmtland.optimizer.start_measure import OBJECTIVES, Source, StartMeasure, start_measure
from rmtland.typing import Real

__all__ = ["GradientNoise", "Prediction", "predict"]

_DRAWS, _POINTS = 500, 6


@dataclass(frozen=True)
class GradientNoise:
    """Noise of stochastic gradients, independent from step to step.

    Parameters
    ----------
    level : float
        Mean squared noise of one gradient over the squared gradient at the start, >= 0.
    shape : {"isotropic", "curvature"}, optional
        Equal in all directions, or in proportion to the curvature (as for small residuals, where
        the noise covariance is a multiple of H).

    Raises
    ------
    ValueError
        If one is out of its range.
    """

    level: float
    shape: str = "isotropic"

    def __post_init__(self) -> None:
        nonnegative("level", self.level)
        choice("shape", self.shape, ("isotropic", "curvature"))


@dataclass(frozen=True)
class Prediction:
    """Errors that a method is predicted to have, each as a part of the error at the start.

    Parameters
    ----------
    method : Method
        The method.
    objective : {"distance", "loss", "gradient"}
        Which error.
    errors : ndarray of float, shape (steps + 1,)
        In the limit of large matrices (or for the given eigenvalues): start exactly isotropic.
    mean : ndarray of float, shape (steps + 1,), or None
        Mean over random matrices of the given dimension.
    mean_error : ndarray of float, shape (steps + 1,), or None
        How far the mean may be off: by how much it changes when the edges are moved by
        n^(-1/3) of their scales, the order of what the limit leaves out.
    median : ndarray of float, shape (steps + 1,), or None
        Median over them.
    draws : ndarray of float, shape (draws, steps + 1), or None
        Errors with drawn edges, of which it is the median.
    noise : ndarray of float, shape (steps + 1,)
        Part of `errors` that gradient noise makes.
    """

    method: Method
    objective: str
    errors: Real
    mean: Real | None = None
    mean_error: Real | None = None
    median: Real | None = None
    draws: Real | None = field(default=None, repr=False)
    noise: Real = field(default_factory=lambda: np.zeros(1), repr=False)

    def interval(self, confidence: float = 0.9) -> tuple[Real, Real]:
        """Return the band that holds this share of the matrices, at each step.

        Parameters
        ----------
        confidence : float, optional
            Between 0 and 1.

        Returns
        -------
        low, high : ndarray of float, shape (steps + 1,)
            Quantiles of the draws.

        Raises
        ------
        ValueError
            If the prediction was made without a dimension, or the share is out of range.
        """
        if self.draws is None:
            raise ValueError("a band needs the size of the matrices: predict(..., dimension=)")
        share = positive("confidence", confidence)
        if share >= 1:
            raise ValueError(f"confidence must be below 1; got {confidence}")
        low, high = np.quantile(self.draws, [(1 - share) / 2, (1 + share) / 2], axis=0)
        return low, high

    def halting(self, target: float) -> tuple[int | None, int | None, int | None]:
        """Return after how many steps the error is at most a part of the first one.

        Parameters
        ----------
        target : float
            Between 0 and 1.

        Returns
        -------
        low, middle, high : int or None
            For 5, 50 and 95 % of the matrices (three times the same without a dimension); None
            where it is not reached within the steps predicted.

        Raises
        ------
        ValueError
            If the target is not between 0 and 1.
        """
        if not 0 < positive("target", target) < 1:
            raise ValueError(f"target must be between 0 and 1; got {target}")
        rows = self.errors[None] if self.draws is None else self.draws
        reached = rows <= target
        first = np.where(reached.any(axis=1), reached.argmax(axis=1), rows.shape[1])
        found = np.quantile(first, [0.05, 0.5, 0.95], method="higher").astype(int)
        return tuple(None if step == rows.shape[1] else int(step) for step in found)  # type: ignore[return-value]


def predict(
    method: Method,
    source: Source,
    steps: int,
    *,
    objective: str = "loss",
    noise: GradientNoise | None = None,
    dimension: int | None = None,
    beta: int = 1,
    rng: int = 0,
) -> Prediction:
    """Predict the error of a method at every step.

    Parameters
    ----------
    method : Method
        The method.
    source : Law, SpectralModel, Spectrum or StartMeasure
        Curvatures (for an isotropic start), or the measure of a known start.
    steps : int
        Number of steps.
    objective : {"distance", "loss", "gradient"}, optional
        Which error.
    noise : GradientNoise, optional
        Noise of the gradients.
    dimension : int, optional
        Order of the matrices; adds `mean`, `median` and a band. For laws and models only: a
        spectrum and a known start are what they are.
    beta : {1, 2}, optional
        Symmetry of the matrices: real or complex.
    rng : int, optional
        Seed of the drawn edges.

    Returns
    -------
    Prediction
        Errors as parts of that at the start. They grow without bound, and are then inf, where
        the method is not stable.

    Raises
    ------
    ValueError
        If there are negative curvatures or none above 0, or arguments do not fit together.
    """
    size = count("steps", steps, min_value=0)
    k = OBJECTIVES[choice("objective", objective, tuple(OBJECTIVES))]
    start = start_measure(source, degree=2 * size + max(k, 2) + 1)
    values = residual_polynomials(method, start.nodes, size)
    shares, whole = start.shares(objective), start.initial(objective)
    errors = _integral(values, shares) / whole
    noisy = np.zeros(size + 1)
    if noise is not None and noise.level > 0:
        if start.power:
            raise ValueError(
                "noise has a spectral measure of its own, which the gradient at the start does "
                "not tell: predict from the law or the spectrum"
            )
        variances = noise_variances(method, start.nodes, size)
        spread = start.weights * (start.nodes if noise.shape == "curvature" else 1.0)
        spread = spread * (noise.level * start.initial("gradient") / spread.sum())
        noisy = _integral(variances, spread * start.nodes**k, power=1) / whole
    mean = mean_error = median = draws = None
    if dimension is not None:
        law = source.law if isinstance(source, SpectralModel) else source
        if not isinstance(law, Law):
            raise ValueError(
                "dimension= is for laws and models; the eigenvalues of a spectrum, and a known "
                "start, do not fluctuate"
            )
        n = count("dimension", dimension, min_value=2)
        if beta not in (1, 2):
            raise ValueError(f"beta must be 1 or 2; got {beta!r}")
        # the start has that spectrum too: its own mean changes as little as the law's
        middle, *shifted = (
            _correction(method, law, (k, size, n, beta), shift) / whole
            for shift in (0.0, -(n ** (-1 / 3)), n ** (-1 / 3))
        )
        mean = (errors + middle) / (1 + middle[0]) + noisy
        mean_error = np.maximum(*(np.abs(other - middle) for other in shifted))
        draws = _drawn(method, law, start, (k, size, n, beta, rng), errors, values) + noisy
        median = np.median(draws, axis=0)
    return Prediction(method, objective, errors + noisy, mean, mean_error, median, draws, noisy)


def _correction(method: Method, law: Law, sizes: tuple[int, int, int, int], shift: float) -> Real:
    """Part of the mean over matrices that their law does not have."""
    k, steps, n, beta = sizes
    nodes, weights = mean_nodes(law, n, beta=beta, shift=shift)
    nodes = np.maximum(nodes, 0.0)
    return _integral(residual_polynomials(method, nodes, steps), weights * nodes**k)


def noise_variances(method: Method, nodes: Real, steps: int) -> Real:
    """Variance of the iterate in each eigendirection, for noise of variance 1 in each gradient.

    Parameters
    ----------
    method : Method
        The method.
    nodes : ndarray of float, shape (n,)
        Curvatures.
    steps : int
        Number of steps.

    Returns
    -------
    ndarray of float, shape (steps + 1, n)
        From 0 on.
    """
    step, momentum, extrapolation = method.coefficients(steps)
    now, cross, before = (np.zeros(nodes.shape) for _ in range(3))
    found = np.zeros((steps + 1, *nodes.shape))
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(steps):
            pull = step[t] * nodes
            p = 1 + momentum[t] - pull * (1 + extrapolation[t])
            q = momentum[t] - pull * extrapolation[t]
            new = p**2 * now - 2 * p * q * cross + q**2 * before + step[t] ** 2
            cross, before, now = p * now - q * cross, now, new
            found[t + 1] = now
    return found


def _integral(values: Real, shares: Real, *, power: int = 2) -> Real:
    """Return integrals of a power of the values, inf where a method diverges."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums = values**power @ shares
    return np.where(np.isnan(sums), np.inf, sums)


def _drawn(
    method: Method,
    law: Law,
    start: StartMeasure,
    sizes: tuple[int, int, int, int, int],
    errors: Real,
    values: Real,
) -> Real:
    """Errors with the outermost points of every regular edge drawn instead of smooth."""
    k, steps, n, beta, seed = sizes
    whole = float(start.weights @ start.nodes**k)
    total = np.tile(errors * whole, (_DRAWS, 1))
    first = np.full(_DRAWS, whole)
    cumulative = np.concatenate([[0.0], np.cumsum(start.weights)])
    for which, edge in enumerate(("lower", "upper")):
        try:
            end, scale = law.edge_scale(n, beta=beta, edge=edge)
        except ValueError:
            continue
        share = min(_POINTS / n, 0.5)
        mass = cumulative if edge == "lower" else 1 - cumulative[::-1]
        ordered = slice(None) if edge == "lower" else slice(None, None, -1)
        # the law's own mass next to the edge, the last node in part
        part = np.clip(share - mass[:-1], 0.0, np.diff(mass))
        nodes = start.nodes[ordered]
        removed = _integral(values[:, ordered], part * nodes**k)
        xi = airy_points(beta=beta, draws=_DRAWS, points=_POINTS, seed=2 * seed + which)
        sign = 1.0 if edge == "upper" else -1.0
        places = np.maximum(end + sign * scale * xi, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            drawn = residual_polynomials(method, places.ravel(), steps) ** 2
        weight = places.ravel() ** k * (share / _POINTS)
        added = (drawn * weight).reshape(steps + 1, _DRAWS, _POINTS).sum(axis=2).T
        total += added - removed
        first += added[:, 0] - removed[0]
    return np.asarray(np.maximum(total, 0.0) / first[:, None])
