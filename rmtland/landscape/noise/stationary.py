r"""SGD near a critical point: the covariance of the parameters, step by step and in the long run.

Where the loss of each sample is quadratic about theta*, g_mu(theta) = g_mu + H_mu d with
d = theta - theta*, batches of independent samples give

.. math::
    C \leftarrow (1 - \eta H) \, C \, (1 - \eta H) + \eta^2 b \, \bigl( \Sigma + M(C) \bigr), \qquad
    M(C) = \frac1m \sum_\mu (H_\mu - H) \, C \, (H_\mu - H),

with b of `noise_factor`. Without the multiplicative term M the stationary C is that of a discrete
Lyapunov equation, in the eigenbasis of H with a_i = 1 - eta lambda_i

.. math:: C_{ij} = \frac{\eta^2 b \, \Sigma_{ij}}{1 - a_i a_j} ;

with it, it is the fixed point of a linear map, and where the map's radius reaches 1 the second
moments diverge though the mean is stable: large steps. Epochs that go through all samples in an
order drawn anew (n = m/B batches) have negatively correlated noise,
:math:`E \varepsilon_i \varepsilon_j^T = -b \Sigma/(n - 1)` for two batches of one epoch, and for
small steps (M left out)

.. math::
    C_{ij} = \frac{\eta^2 b \, \Sigma_{ij}}{1 - (a_i a_j)^n} \;
      \frac{n S_n(a_i a_j) - S_n(a_i) S_n(a_j)}{n - 1}, \qquad S_n(a) = \sum_{k < n} a^k

at the ends of epochs: much less than with independent batches.

The directions of H fall into four kinds. Stationary ones (0 < eta lambda < 2) have the variance
above. Flat ones (lambda = 0) without noise are frozen where they started; with noise they diffuse,
their variance growing by eta^2 b Sigma_ii a step. Along negative ones it grows as
(1 + eta |lambda|)^(2 k): escape.

The Gibbs law of the texts, exp(-L/T) with T = eta tr(Sigma)/B, has C = T H^{-1}: right only for
noise that is isotropic, and then too large by 2 p.

Synonyms: Ornstein-Uhlenbeck, stochastic differential equation of SGD, Lyapunov equation, sampling
without replacement, random reshuffling, edge of mean-square stability, saddle escape.

References
----------
.. [1] S. Mandt, M. D. Hoffman and D. M. Blei, Stochastic gradient descent as approximate Bayesian
       inference, J. Mach. Learn. Res. 18 (2017) 1-35.
.. [2] L. Ziyin, K. Liu, T. Mori and M. Ueda, Strength of minibatch noise in SGD, ICLR 2022.

Examples
--------
>>> import numpy as np
>>> sgd = NoisyDescent.of_matrices(np.diag([1.0, 2.0]), np.eye(2), samples=100, step_size=0.1)
>>> C = sgd.stationary().covariance
>>> bool(abs(np.diag(C) - 0.01 / (1 - np.array([0.9, 0.8]) ** 2)).max() < 1e-15)
True
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from rmtland.arguments import choice, count, float_array, positive
from rmtland.landscape.noise.descent_directions import DescentDirections
from rmtland.landscape.noise.gradient_noise import SAMPLINGS, noise_factor
from rmtland.landscape.noise.reshuffling import epoch_covariance
from rmtland.landscape.noise.sample_curvature import SampleCurvature
from rmtland.landscape.noise.second_moments import (
    StationaryCovariance,
    geometric,
    mean_geometric,
    multiplicative_covariance,
    steps_to,
)
from rmtland.typing import ArrayLike, Real

__all__ = ["NoisyDescent"]


@dataclass(frozen=True, eq=False)
class NoisyDescent(DescentDirections):
    r"""SGD with a constant step size on a quadratic loss, in the eigenbasis of its Hessian.

    .. formula:: Stationary covariance of SGD, :math:`C_{ij} = \eta^2 b \, \Sigma_{ij}/(1 - a_i
        a_j)`, with multiplicative noise, and of reshuffled epochs

    Made by `rmtland.landscape.noise.NoisyDescent.of` and
    `rmtland.landscape.noise.NoisyDescent.of_matrices`.

    Parameters
    ----------
    curvatures : ndarray, shape (p,)
        Eigenvalues of H, ascending.
    directions : ndarray, shape (p, p)
        Eigenvectors, as columns.
    noise : ndarray, shape (p, p)
        Sigma in that basis.
    samples : int
        m.
    step_size : float
        eta.
    batch_size : int
        B.
    sampling : {"with", "without", "reshuffling"}
        How batches are drawn.
    spread : SampleCurvature, optional
        Hessians of single samples, for the multiplicative term; without it that is left out.
    """

    curvatures: Real
    directions: Real
    noise: Real
    samples: int
    step_size: float
    batch_size: int = 1
    sampling: str = "with"
    spread: SampleCurvature | None = None

    @classmethod
    def of_matrices(
        cls,
        hessian: ArrayLike,
        noise: ArrayLike,
        *,
        samples: int,
        step_size: float,
        batch_size: int = 1,
        sampling: str = "with",
        spread: SampleCurvature | None = None,
    ) -> Self:
        """Return SGD about a critical point with a given Hessian and gradient noise.

        Parameters
        ----------
        hessian : array_like, shape (p, p)
            H, symmetric.
        noise : array_like, shape (p, p)
            Sigma, as `GradientNoise.covariance`.
        samples : int
            m.
        step_size : float
            eta > 0.
        batch_size : int, optional
            B.
        sampling : {"with", "without", "reshuffling"}, optional
            How batches are drawn.
        spread : SampleCurvature, optional
            Hessians of single samples.

        Returns
        -------
        NoisyDescent
            With everything else as it is.

        Raises
        ------
        ValueError
            If a matrix is not square, finite and symmetric, the noise has a negative variance,
            shapes or numbers of samples differ, or an option is bad.
        """
        H, S = _symmetric("hessian", hessian), _symmetric("noise", noise)
        if H.shape != S.shape:
            raise ValueError(f"hessian and noise must be of one shape; got {H.shape}, {S.shape}")
        m = count("samples", samples)
        choice("sampling", sampling, SAMPLINGS)
        noise_factor(m, batch_size, sampling)
        least, *_, most = np.linalg.eigvalsh(S) if len(S) > 1 else (S[0, 0], S[0, 0])
        if least < -1e-8 * max(most, 0.0):
            raise ValueError(
                f"noise must be a covariance; got one with the negative variance {least:.3g}"
            )
        if spread is not None:
            spread.refuse_other(m, len(H))
        values, vectors = np.linalg.eigh((H + H.T) / 2)
        inside = vectors.T @ ((S + S.T) / 2) @ vectors
        return cls(
            values,
            vectors,
            inside,
            m,
            _step_size(step_size),
            count("batch_size", batch_size),
            sampling,
            None if spread is None else spread.rotated(vectors),
        )

    def with_step(self, step_size: float | None = None, *, sampling: str | None = None) -> Self:
        """Return the same point under another step size or sampling.

        Parameters
        ----------
        step_size : float, optional
            eta.
        sampling : str, optional
            How batches are drawn.

        Returns
        -------
        NoisyDescent
            With everything else as it is.

        Raises
        ------
        ValueError
            If `step_size` is not positive and finite, `sampling` another name, or the batches do
            not fit it.
        TypeError
            If `step_size` is no number.
        """
        eta = self.step_size if step_size is None else _step_size(step_size)
        kind = self.sampling if sampling is None else choice("sampling", sampling, SAMPLINGS)
        noise_factor(self.samples, self.batch_size, kind)
        return replace(self, step_size=eta, sampling=kind)

    # Second moments ------------------------------------------------------------------------------

    def stationary(self, *, multiplicative: bool | None = None) -> StationaryCovariance:
        """Return the stationary covariance along the directions of positive curvature.

        With reshuffling it is the mean over the steps of an epoch, for small steps.

        Parameters
        ----------
        multiplicative : bool, optional
            Whether M(C) is taken in; by default where `spread` is known, but not for reshuffling,
            whose batches are not independent.

        Returns
        -------
        StationaryCovariance
            The covariance, and the directions that it is along.

        Raises
        ------
        ConvergenceError
            If second moments diverge.
        ValueError
            If a step is not stable, no curvature is positive, or M(C) is asked for where it is not
            known.
        """
        here = self.stationary_directions
        if not here.any():
            raise ValueError("no curvature is positive: nothing becomes stationary")
        a = self.contractions[here]
        if float(np.abs(a).max()) >= 1.0:
            top = float(self.curvatures.max())
            raise ValueError(
                f"the step size {self.step_size:g} is not stable; take less than {2 / top:.6g} = "
                "2/lambda_max"
            )
        wanted = multiplicative
        if wanted is None:
            wanted = self.spread is not None and self.sampling != "reshuffling"
        if wanted and (self.spread is None or self.sampling == "reshuffling"):
            raise ValueError(
                "the multiplicative term needs `spread`, the Hessians of single samples, and "
                "independent batches; leave multiplicative out"
            )
        noise = self.noise[np.ix_(here, here)]
        directions = self.directions[:, here]
        if self.sampling == "reshuffling":
            shares = self.step_size * self.curvatures[here]
            covariance = (
                self.strength * noise * epoch_covariance(shares, self.samples // self.batch_size)
            )
            return StationaryCovariance(covariance, directions, 0.0, 0)
        # 1 - a_i a_j without cancellation at small steps
        h = self.step_size * self.curvatures[here]
        weight = self.strength / (h[:, None] + h[None, :] - h[:, None] * h[None, :])
        if not wanted:
            return StationaryCovariance(weight * noise, directions, 0.0, 0)
        assert self.spread is not None
        spread = self.spread.within(here)
        return multiplicative_covariance(
            weight, noise, directions, spread, step_size=self.step_size, batch_size=self.batch_size
        )

    def gibbs(self) -> Real:
        """Return the variances of the texts' Gibbs law, eta tr(Sigma)/(B lambda).

        Returns
        -------
        ndarray, shape (k,)
            Along the directions of positive curvature; see the module for where they fail.
        """
        temperature = self.step_size * float(np.trace(self.noise)) / self.batch_size
        return np.asarray(temperature / self.curvatures[self.stationary_directions])

    def variances(self, steps: ArrayLike) -> Real:
        """Return the variance along every direction after k steps from theta*, exactly for M = 0.

        Parameters
        ----------
        steps : array_like of int, shape (...)
            Numbers k of steps, >= 0; independent batches.

        Returns
        -------
        ndarray, shape (..., p)
            Growing without bound along flat directions with noise, and escaping ones; infinite
            where it leaves the range of floating-point numbers.

        Raises
        ------
        ValueError
            With reshuffling, or for numbers of steps that are negative or no integers.
        """
        if self.sampling == "reshuffling":
            raise ValueError(
                "variances after k steps are for independent batches; take sampling='with' or "
                "'without'"
            )
        k = np.asarray(steps, dtype=float)[..., None]
        if not (np.isfinite(k).all() and (k >= 0).all() and (k % 1 == 0).all()):
            raise ValueError(f"steps must be integers of at least 0; got {steps!r}")
        grown = np.where(self._silent, 0.0, geometric(self._shares, k))  # no 0 times infinity
        with np.errstate(over="ignore"):
            return np.asarray(self.strength * np.diag(self.noise) * grown)

    def mean_variances(self, first: int, last: int) -> Real:
        """Return the mean of the variances after the steps first + 1 to last, for M = 0.

        Parameters
        ----------
        first, last : int
            Steps, 0 <= first < last.

        Returns
        -------
        ndarray, shape (p,)
            What a simulation from theta* records on average.

        Raises
        ------
        ValueError
            If `first` is below 0, `last` not above it, or batches are reshuffled, whose variances
            at each step are not known.
        TypeError
            If a step is no integer.
        """
        low = count("first", first, min_value=0)
        high = count("last", last, min_value=low + 1)
        if self.sampling == "reshuffling":
            raise ValueError("variances after k steps are for independent batches")
        many = high - low
        if many <= 4096:
            return np.asarray(self.variances(np.arange(low + 1, high + 1)).mean(axis=0))
        growth = mean_geometric(self._shares, low, high)
        return np.asarray(self.strength * np.diag(self.noise) * growth)

    def escape_steps(self, distance: float) -> Real:
        """Return the steps until the root mean square reaches a distance, along each direction.

        Parameters
        ----------
        distance : float
            Of theta from theta* along one eigenvector.

        Returns
        -------
        ndarray, shape (p,)
            Infinite along directions whose variance stays below, or that have no noise.

        Raises
        ------
        ValueError
            With reshuffling.
        TypeError
            If `distance` is no real number.
        """
        if self.sampling == "reshuffling":
            raise ValueError(
                "escape is timed for independent batches; take sampling='with' or 'without'"
            )
        target = positive("distance", distance) ** 2
        noise = self.strength * np.maximum(np.diag(self.noise), 0.0)
        noise[self._silent] = 0.0
        found = steps_to(target, noise, np.where(self.flat, 0.0, self._shares))
        steps: Real = np.ceil(found)
        return steps


def _symmetric(name: str, matrix: ArrayLike) -> Real:
    """Return a finite matrix that is symmetric up to rounding."""
    given = float_array(name, matrix, ndim=2)
    square = given.shape[0] == given.shape[1]
    scale = max(float(np.abs(given).max()), 1e-300)
    if not square or float(np.abs(given - given.T).max()) > 1e-8 * scale:
        raise ValueError(f"{name} must be a symmetric matrix; got shape {given.shape}")
    return given


def _step_size(eta: float) -> float:
    """Return a step size whose square is a number."""
    size = positive("step_size", eta)
    if not 1e-150 < size < 1e150:
        raise ValueError(
            f"step_size {size:g}: its square leaves the range of floating-point numbers; measure "
            "the loss or the parameters in another unit"
        )
    return size
