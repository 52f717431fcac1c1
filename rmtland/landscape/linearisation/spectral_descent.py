r"""Gradient descent on a linearised loss, solved exactly, mode by mode, for every step size.

For L = |r|^2/(2 m) with residuals that are linear in the parameters, r = r_0 + J d, descent with
step size eta multiplies the residual along an eigenvector u_i of K = J J^T by a constant:

.. math::
    u_i^T r_k = a_i^k \, u_i^T r_0, \qquad a_i = 1 - \eta \lambda_i / m, \qquad
    L_k = \frac{1}{2 m} \Bigl( \sum_i a_i^{2 k} c_i^2 + |r_\perp|^2 \Bigr), \quad c = U^T r_0,

with :math:`r_\perp` the part of the residual outside the range of K, which nothing lowers. The norm
of the reachable residual contracts by :math:`\max_i |a_i|` a step and the loss by its square; the
best step size is 2 m/(lambda_max + lambda_min), and only there is the rate
(kappa - 1)/(kappa + 1). Descent converges for eta < 2 m/lambda_max.

After k steps :math:`\theta_k - \theta_0 = -J^T U \, \mathrm{diag}(f_k/\lambda) \, c`: the
minimum-norm solution with each mode multiplied by the filter factor f_k = 1 - a^k. Stopping early
is a spectral filter, close to the ridge penalty m/(eta k) |d|^2/(2 m) whose factors are
lambda/(lambda + m/(eta k)).

Synonyms: early stopping, implicit regularisation, gradient flow of the neural tangent kernel,
Landweber iteration, convergence rate, condition number.

References
----------
.. [1] A. Jacot, F. Gabriel and C. Hongler, Neural tangent kernel: convergence and generalization in
       neural networks, NeurIPS 2018.
.. [2] A. Ali, J. Z. Kolter and R. J. Tibshirani, A continuous-time view of early stopping for
       least squares, AISTATS 2019.

Examples
--------
>>> import numpy as np
>>> descent = SpectralDescent(np.array([1.0, 4.0]), np.array([1.0, 1.0]), 0.0, 1, 0.4)
>>> descent.best_step_size, round(descent.rate, 12)
(0.4, 0.6)
>>> abs(descent.loss(2) - 0.6**4) < 1e-15
True
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.arguments import count, finite, float_array, nonnegative, positive
from rmtland.typing import ArrayLike, NumpyArray, Real, Values

__all__ = ["SpectralDescent", "share_of_loss"]

_MAX_STEPS = 2**53


@dataclass(frozen=True, eq=False)
class SpectralDescent:
    r"""Gradient descent on half a mean square that is linear inside, from its eigenvalues alone.

    .. formula:: Filter factors of early stopping, :math:`1 - (1 - \eta\lambda/m)^k`

    Parameters
    ----------
    eigenvalues : array_like, shape (r,)
        Nonzero eigenvalues lambda of J J^T, > 0.
    coefficients : array_like, shape (r,)
        Components c of the residual at the start along their eigenvectors.
    unreachable : float
        Square of the norm of the residual outside the range of J.
    samples : int
        The number m that the loss is divided by.
    step_size : float
        eta > 0.

    Raises
    ------
    ValueError
        If an eigenvalue or the step size is not positive, or shapes differ.
    TypeError
        If `unreachable` or `step_size` is no real number, or `samples` is no integer, or
        `eigenvalues` or `coefficients` holds no real numbers.
    """

    eigenvalues: Real
    coefficients: Real
    unreachable: float
    samples: int
    step_size: float

    def __post_init__(self) -> None:
        values = float_array("eigenvalues", self.eigenvalues, ndim=1)
        along = float_array("coefficients", self.coefficients, ndim=1)
        if values.shape != along.shape or not values.size:
            raise ValueError(
                "eigenvalues and coefficients must be as many, at least one; got "
                f"{values.shape[0]} and {along.shape[0]}"
            )
        if not (values > 0).all():
            raise ValueError(
                f"eigenvalues must be positive; got {values.min():g}: leave null directions out, "
                "with what the residual has there in `unreachable`"
            )
        object.__setattr__(self, "eigenvalues", values)
        object.__setattr__(self, "coefficients", along)
        object.__setattr__(self, "unreachable", nonnegative("unreachable", self.unreachable))
        object.__setattr__(self, "samples", count("samples", self.samples))
        object.__setattr__(self, "step_size", positive("step_size", self.step_size))

    def __repr__(self) -> str:
        return (
            f"SpectralDescent({self.eigenvalues.size} modes, step_size={self.step_size:.6g}, "
            f"rate={self.rate:.6g})"
        )

    # Rates ---------------------------------------------------------------------------------------

    @property
    def contractions(self) -> Real:
        """Factor a_i of each mode per step."""
        return 1.0 - self._shares

    @property
    def _shares(self) -> Real:
        return np.asarray(self.step_size / self.samples * self.eigenvalues)

    @property
    def rate(self) -> float:
        """Largest factor, in size, of the norm of the reachable residual per step, in the long run.

        Over the modes that the residual has a part in; of the loss it is the square.
        """
        present = self.coefficients != 0
        return float(np.abs(self.contractions[present]).max()) if present.any() else 0.0

    @property
    def stable(self) -> bool:
        """Whether no mode grows: eta <= 2 m/lambda_max."""
        return bool(np.abs(self.contractions).max() <= 1.0)

    @property
    def largest_step_size(self) -> float:
        """2 m/lambda_max: above it the mode of the largest eigenvalue grows."""
        return 2.0 * self.samples / float(self.eigenvalues.max())

    @property
    def best_step_size(self) -> float:
        """2 m/(lambda_max + lambda_min), with the smallest rate, (kappa - 1)/(kappa + 1)."""
        return 2.0 * self.samples / float(self.eigenvalues.max() + self.eigenvalues.min())

    @property
    def condition_number(self) -> float:
        """The ratio lambda_max/lambda_min of the nonzero eigenvalues."""
        return float(self.eigenvalues.max() / self.eigenvalues.min())

    # Trajectories --------------------------------------------------------------------------------

    def filter_factors(self, steps: ArrayLike) -> Real:
        """Return f_k = 1 - a^k for each number of steps and mode.

        Parameters
        ----------
        steps : array_like of int, shape (...)
            Numbers k of steps, >= 0.

        Returns
        -------
        ndarray, shape (..., r)
            0 where nothing of the minimum-norm solution is there yet, 1 where all of it is.

        Raises
        ------
        ValueError
            If a number of steps is negative or no integer.
        """
        k = _steps(steps)[..., None]
        shares = np.broadcast_to(self._shares, (*k.shape[:-1], self._shares.size))
        with np.errstate(over="ignore", divide="ignore"):
            slow = np.where(shares < 1.0, shares, 0.0)
            below = -np.expm1(k * np.log1p(-slow))
            return np.where(shares < 1.0, below, 1.0 - self._powers(k))

    def ridge_factors(self, steps: ArrayLike) -> Real:
        """Return lambda/(lambda + m/(eta k)), the ridge penalty that stopping stands for.

        Parameters
        ----------
        steps : array_like of int, shape (...)
            Numbers k of steps, >= 0.

        Returns
        -------
        ndarray, shape (..., r)
            For eta <= m/lambda_max below the filter factors, by at most 1/2.
        """
        shares = _steps(steps)[..., None] * self._shares
        return np.asarray(shares / (1.0 + shares))

    def loss(self, steps: ArrayLike) -> Values:
        """Return the loss after each number of steps.

        Parameters
        ----------
        steps : array_like of int, shape (...)
            Numbers k of steps, >= 0.

        Returns
        -------
        float or ndarray, shape (...)
            Infinite where an unstable mode leaves the range of floating-point numbers.
        """
        k = _steps(steps)[..., None]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # 0 times infinity
            left = np.where(self.coefficients != 0, self._powers(k) * self.coefficients, 0.0)
            square = (left * left).sum(axis=-1)
        return _plain((square + self.unreachable) / (2.0 * self.samples))

    def distance(self, steps: ArrayLike) -> Values:
        """Return the norm of theta_k - theta_0 after each number of steps.

        Parameters
        ----------
        steps : array_like of int, shape (...)
            Numbers k of steps, >= 0.

        Returns
        -------
        float or ndarray, shape (...)
            In a stable run at most the norm of the minimum-norm solution times 2.
        """
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            moved = self.filter_factors(steps) * self.coefficients
            moved = np.where(self.coefficients != 0, moved / np.sqrt(self.eigenvalues), 0.0)
            return _plain(np.sqrt((moved * moved).sum(axis=-1)))

    def flow_loss(self, times: ArrayLike) -> Values:
        """Return the loss of gradient flow at given times: the limit of small steps, t = eta k.

        Parameters
        ----------
        times : array_like of float, shape (...)
            Times t >= 0.

        Returns
        -------
        float or ndarray, shape (...)
            At fixed time the loss of descent tends to it as the step size falls.

        Raises
        ------
        ValueError
            If a time is negative or not finite.
        """
        t = np.asarray(times, dtype=np.float64)
        if not (np.isfinite(t).all() and (t >= 0).all()):
            raise ValueError(f"times must be finite and at least 0; got {times!r}")
        with np.errstate(under="ignore"):
            left = np.exp(-t[..., None] / self.samples * self.eigenvalues) * self.coefficients
            square = (left * left).sum(axis=-1)
        return _plain((square + self.unreachable) / (2.0 * self.samples))

    def steps_to(self, fraction: float) -> int:
        """Return the first number of steps after which the loss is at most a fraction of the first.

        Parameters
        ----------
        fraction : float
            Between 0 and 1.

        Returns
        -------
        int
            0 for a fraction of 1.

        Raises
        ------
        ValueError
            If the descent is unstable, or the fraction is not reached: what it ends at is in the
            message.
        TypeError
            If `fraction` is no real number.
        """
        share = share_of_loss(fraction)
        top = float(self.eigenvalues[self.coefficients != 0].max(initial=0.0))
        if top * self.step_size >= 2.0 * self.samples:
            raise ValueError(
                f"descent does not converge with step_size {self.step_size:g}; take less than "
                f"{2.0 * self.samples / top:g} = 2 m/lambda_max, of the modes with a residual"
            )
        if float(self.loss(0)) == 0.0:
            return 0
        target = share * float(self.loss(0))
        floor = self.unreachable / (2.0 * self.samples)
        if target <= floor and share < 1.0:
            raise ValueError(
                f"the loss falls to {floor / float(self.loss(0)):.3g} of the first and no further: "
                "the rest of the residual is outside the range of the Jacobian; ask for a larger "
                "fraction"
            )
        high = 1
        while float(self.loss(high)) > target:
            high *= 2
            if high > _MAX_STEPS:
                raise ValueError(
                    f"more than {_MAX_STEPS:.0e} steps (condition number "
                    f"{self.condition_number:.3g}); ask for a larger fraction"
                )
        low = 0 if high == 1 else high // 2
        if float(self.loss(0)) <= target:
            return 0
        while high - low > 1:  # the loss of a stable run never rises
            middle = (low + high) // 2
            if float(self.loss(middle)) > target:
                low = middle
            else:
                high = middle
        return high

    def _powers(self, k: Real) -> Real:
        """Return a^k, whatever its sign and size."""
        a = self.contractions
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            return np.power(a, k)


def _steps(steps: ArrayLike) -> Real:
    """Return numbers of steps as float64, checked."""
    array = np.asarray(steps)
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        raise TypeError(f"steps must be integers; got {steps!r}")
    numbers = array.astype(np.float64)
    if not (np.isfinite(numbers).all() and (numbers >= 0).all() and (numbers % 1 == 0).all()):
        raise ValueError(f"steps must be integers of at least 0; got {steps!r}")
    return numbers


def _plain(values: NumpyArray) -> Values:
    """Return a float in place of an array without axes."""
    return float(values) if np.ndim(values) == 0 else np.asarray(values)


def share_of_loss(fraction: float) -> float:
    """Return the share of its first value to which a loss is to fall, checked.

    Parameters
    ----------
    fraction : float
        Above 0, at most 1.

    Returns
    -------
    float
        The same.

    Raises
    ------
    ValueError
        If it is another number.
    TypeError
        If it is no real number.
    """
    share = finite("fraction", fraction)
    if not 0.0 < share <= 1.0:
        raise ValueError(f"fraction must be above 0 and at most 1; got {share}")
    return share
