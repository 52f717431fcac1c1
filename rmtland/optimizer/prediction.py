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

References
----------
.. [1] C. Paquette, B. van Merrienboer, E. Paquette and F. Pedregosa, Halting time is predictable
       for large models: a universality property and average-case analysis, Found. Comput. Math. 23
       (2023) 597-673.
.. [2] F. Pedregosa and D. Scieur, Acceleration through spectral density estimation, ICML 2020,
       arXiv:2002.04756.

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

from rmtland.arguments import among, choice, count, nonnegative, positive
from rmtland.laws import Law, SpectralModel
from rmtland.optimizer.finite_matrices import SMALLEST, FiniteMatrices, integral
from rmtland.optimizer.methods import Method, residual_polynomials
from rmtland.optimizer.start_measure import OBJECTIVES, Source, StartMeasure, start_measure
from rmtland.spectrum import Spectrum
from rmtland.streams import Rng, random_generator
from rmtland.typing import Real

__all__ = ["GradientNoise", "Prediction", "predict"]


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
    TypeError
        If `level` is no real number.
    """

    level: float
    shape: str = "isotropic"

    def __post_init__(self) -> None:
        nonnegative("level", self.level)
        choice("shape", self.shape, ("isotropic", "curvature"))


@dataclass(frozen=True)
class Prediction:
    r"""Errors that a method is predicted to have, each as a part of the error at the start.

    .. formula:: Mean density of the Airy process at an edge, :math:`\mathrm{Ai}'^2 - \xi
        \mathrm{Ai}^2`, and of real matrices
        :by: rmtland.optimizer.edge_fluctuations.airy_density

    Made by `rmtland.optimizer.predict`.

    Parameters
    ----------
    method : Method
        The method.
    objective : {"distance", "loss", "gradient"}
        Which error.
    errors : ndarray of float, shape (steps + 1,)
        In the limit of large matrices (or for the given eigenvalues): start exactly isotropic.
    mean : ndarray of float, shape (steps + 1,), or None
        Mean over random matrices of the given dimension and over starts; None where the law has no
        edge at which it is known.
    mean_error : ndarray of float, shape (steps + 1,), or None
        How far the mean may be off: by how much it changes when the edges are moved by
        n^(-1/3) of their scales, the order of what the limit leaves out, or followed half as far
        into the bulk.
    median : ndarray of float, shape (steps + 1,), or None
        Median over them.
    draws : ndarray of float, shape (draws, steps + 1), or None
        Errors with drawn edges (of a law) and drawn starts (where asked for), of which it is the
        median. The band is that of these draws: what else fluctuates at order 1/n is left out, so
        that without drawn starts it is narrow for matrices of order below some hundred.
    noise : ndarray of float, shape (steps + 1,)
        Part of `errors` that gradient noise makes.

    References
    ----------
    .. [1] P. J. Forrester, T. Nagao and G. Honner, Correlations for the orthogonal-unitary and
           symplectic-unitary transitions at the hard and soft edges, Nucl. Phys. B 553 (1999)
           601-643.
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
        low : ndarray of float, shape (steps + 1,)
            Quantile (1 - confidence)/2 of the draws.
        high : ndarray of float, shape (steps + 1,)
            Quantile (1 + confidence)/2.

        Raises
        ------
        ValueError
            If the prediction was made without draws, or the share is out of range.
        TypeError
            If `confidence` is no real number.
        """
        if self.draws is None:
            raise ValueError("a band needs draws: predict(..., dimension=) or drawn_start=True")
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
        low : int or None
            For 5 % of the draws; None where it is not reached within the steps predicted.
        middle : int or None
            For half of them.
        high : int or None
            For 95 %; three times the same without draws.

        Raises
        ------
        ValueError
            If the target is not between 0 and 1.
        TypeError
            If `target` is no real number.
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
    drawn_start: bool = False,
    beta: int = 1,
    rng: Rng = None,
) -> Prediction:
    """Predict the error of a method at every step.

    .. formula:: Stationary variance of momentum methods, :math:`h^2 (1 + q)/((1 - q)((1 + q)^2 -
        p^2))`

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
        Order of the matrices, with 20 eigenvalues other than 0 at least; adds `mean`, `median` and
        a band. For laws and models only: a spectrum and a known start are what they are.
    drawn_start : bool, optional
        Take the start as one draw of a Gaussian displacement, not as exactly isotropic: `median`,
        band and `halting` are then those of single runs. For a law give `dimension` too.
    beta : {1, 2}, optional
        Symmetry of the matrices: real or complex.
    rng : optional
        Anything `numpy.random.default_rng` takes; the same seed draws the same median and band.

    Returns
    -------
    Prediction
        Errors as parts of that at the start. They grow without bound, and are then inf, where
        the method is not stable.

    Raises
    ------
    ValueError
        If there are negative curvatures or none above 0, or arguments do not fit together.
    TypeError
        If `beta` is a truth value, or `steps` is no integer.
    """
    size = count("steps", steps, min_value=0)
    k = OBJECTIVES[choice("objective", objective, tuple(OBJECTIVES))]
    start = start_measure(source, degree=2 * size + max(k, 2) + 1, extrapolate=True)
    values = residual_polynomials(method, start.nodes, size)
    errors = integral(values, start.parts(objective))
    noisy = np.zeros(size + 1)
    if noise is not None and noise.level > 0:
        if start.power:
            raise ValueError(
                "noise has a spectral measure of its own, which the gradient at the start does "
                "not tell: predict from the law or the spectrum"
            )
        noisy = _noise_part(method, start, size, noise, k)
    law = source.law if isinstance(source, SpectralModel) else source
    beta = among("beta", beta, {1: "", 2: ""})
    if dimension is None and not drawn_start:
        return Prediction(method, objective, errors + noisy, noise=noisy)
    mean = mean_error = None
    order = _order(law, start, dimension)
    matrices = FiniteMatrices(method, start, k, size, order, beta)
    limit = law if isinstance(law, Law) else None
    if limit is not None:
        mean, mean_error = matrices.mean(limit)
        mean = None if mean is None else mean + noisy
    draws = matrices.draws(limit, starts=drawn_start, seed=_seed(rng)) + noisy
    median = np.median(draws, axis=0)
    return Prediction(method, objective, errors + noisy, mean, mean_error, median, draws, noisy)


def _seed(rng: Rng) -> int:
    """Seed of the draws: an integer itself, of anything else an integer drawn from it."""
    if isinstance(rng, int | np.integer):
        return count("rng", rng, min_value=0)
    return int(random_generator(rng).integers(2**62))


def _order(law: object, start: StartMeasure, dimension: int | None) -> int:
    """Order of the matrices that are drawn, or whose start is."""
    if isinstance(law, Law):
        if dimension is None:
            raise ValueError("drawn starts of a law need the order of the matrices: dimension=")
        n = count("dimension", dimension, min_value=2)
        if n < SMALLEST:
            raise ValueError(
                f"dimension={n}: edges of matrices of order below {SMALLEST} are not yet those "
                "of their limit; draw such matrices, and predict from their spectra"
            )
        moved = n * (1 - sum(mass for place, mass in law.atoms if place == 0))
        if moved < SMALLEST - 0.5:
            raise ValueError(
                f"of dimension={n} eigenvalues {moved:.3g} are not 0: edges of matrices with fewer "
                f"than {SMALLEST} such are not yet those of their limit; draw such matrices, and "
                "predict from their spectra"
            )
        return n
    if dimension is not None:
        raise ValueError(
            "dimension= is for laws and models; the eigenvalues of a spectrum, and a known "
            "start, do not fluctuate"
        )
    if not isinstance(law, Spectrum) or start.power:
        raise ValueError("drawn_start= is for isotropic starts; a known start is what it is")
    return law.nodes.shape[1] if law.dimension is None else int(law.dimension)


def _noise_part(
    method: Method, start: StartMeasure, steps: int, noise: GradientNoise, power: int
) -> Real:
    """Error that noise makes, in parts of the error at the start: all in the largest curvature."""
    relative = start.nodes / start.nodes[-1]
    variances = noise_variances(method, start.nodes, steps, unit=float(start.nodes[-1]))
    spread = start.weights * (relative if noise.shape == "curvature" else 1.0)
    spread = spread * (noise.level * (start.weights @ relative**2) / spread.sum())
    whole = start.weights @ relative ** float(power)
    return np.asarray(integral(variances, spread * relative ** float(power), power=1) / whole)


def noise_variances(method: Method, nodes: Real, steps: int, *, unit: float = 1.0) -> Real:
    """Variance of the iterate in each eigendirection, for noise of variance 1 in each gradient.

    Parameters
    ----------
    method : Method
        The method.
    nodes : ndarray of float, shape (n,)
        Curvatures.
    steps : int
        Number of steps.
    unit : float, optional
        Unit of curvature.

    Returns
    -------
    ndarray of float, shape (steps + 1, n)
        From 0 on, times the unit squared.
    """
    step, momentum, extrapolation = method.coefficients(steps)
    step, nodes = step * unit, nodes / unit
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
