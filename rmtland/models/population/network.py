r"""A one-hidden-layer network with Gaussian weights and data, known by its sizes and activation.

What the population laws of its Hessian (`rmtland.models.population.population_hessian`) need: the
variance q = s1 tr Sigma/n0 of the preactivations, averages of the activation over N(0, q), and
counts. Without the outliers that c0 = E f makes, the mean eigenvalue of H0 is

.. math:: \frac{n_2}{n_1 (n_0 + n_2)} \Bigl(n_1 (E f^2 - c_0^2)
          + s_2 \, E f'^2 \operatorname{tr} \Sigma\Bigr).

Examples
--------
>>> PopulationNetwork(1, 1, 1, 4, activation="linear").gauss_newton_mean
1.0
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from rmtland.arguments import count, positive
from rmtland.models.linear.network import LinearNetwork
from rmtland.models.population.equation import ActivationRule, activation_rule, covariance_rule
from rmtland.networks.activation import Activation
from rmtland.typing import ArrayLike, NumpyArray

if TYPE_CHECKING:
    from rmtland.laws import Law

__all__ = ["PopulationNetwork"]


@dataclass(frozen=True, eq=False)
class PopulationNetwork:
    """A one-hidden-layer network with Gaussian weights and Gaussian data, both averaged out.

    Parameters
    ----------
    inputs, hidden, outputs, samples : float
        n0, n1, n2 and m, > 0: only their ratios enter the law.
    activation : str or Activation
        As in `rmtland.networks.MLP`.
    first_variance, second_variance : float
        n0 times the variance of the entries of W1, n1 times that of W2, > 0 (1 for `lecun`).
    covariance : float, array_like of shape (n0,) or Law
        Covariance of the samples: a multiple of the identity, its eigenvalues, or their law. Where
        there are more than 24 eigenvalues the Gauss rule of 24 nodes stands for them.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    inputs: float
    hidden: float
    outputs: float
    samples: float
    activation: str | Activation = field(default="tanh", kw_only=True)
    first_variance: float = field(default=1.0, kw_only=True)
    second_variance: float = field(default=1.0, kw_only=True)
    covariance: ArrayLike | Law = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        for key in ("inputs", "hidden", "outputs", "samples", "first_variance", "second_variance"):
            object.__setattr__(self, key, positive(key, getattr(self, key)))
        covariance_rule(self.covariance)
        self.rule  # noqa: B018  (raises for an unusable activation)

    @property
    def sizes(self) -> tuple[float, float, float, float]:
        """The numbers n0, n1, n2 and m."""
        return self.inputs, self.hidden, self.outputs, self.samples

    @cached_property
    def _data(self) -> tuple[NumpyArray, NumpyArray]:
        return covariance_rule(self.covariance)

    @cached_property
    def preactivation_variance(self) -> float:
        """Variance q of the preactivations: s1 tr Sigma / n0."""
        sigma, share = self._data
        return float(self.first_variance * (sigma @ share))

    @cached_property
    def rule(self) -> ActivationRule:
        """Hermite coefficients of the activation and the law of its slopes."""
        return activation_rule(self.activation, self.preactivation_variance)

    @property
    def gauss_newton_mean(self) -> float:
        """Mean eigenvalue of H0 without the outliers that c0 makes."""
        n0, n1, n2, _ = self.sizes
        rule, (sigma, share) = self.rule, self._data
        steep = float(rule.masses @ rule.slopes**2)
        upper = n1 * (rule.mean_square - rule.mean**2)
        lower = self.second_variance * n0 * steep * float(sigma @ share)
        return n2 * (upper + lower) / (n1 * (n0 + n2))

    @cached_property
    def rank(self) -> float:
        """Share of the eigenvalues of H0 that differ from zero, in the limit."""
        n0, n1, n2, m = self.sizes
        sigma, share = self._data
        n0 = n0 * float(share[sigma > 0].sum())
        rule = self.rule
        if rule.slopes.size == 1:
            rank = min(n1, n2) * min(n0, m) + max(n2 - n1, 0.0) * min(n0, n1, m)
        else:
            flat = float(rule.masses[rule.slopes == 0].sum())
            both = min(n1, n2)
            inner = min(both * m, both * min(n1, m) + n1 * min(n0, (1 - flat) * m))
            rank = max(n2 - n1, 0.0) * min(n1, m) + inner
        return rank / (n1 * (self.inputs + n2))

    def spike(self, n: int) -> float:
        """Place of the n2 outliers of H0 with n hidden units, to leading order: n c0^2.

        Zero for activations of mean zero. Corrections stay bounded as n grows.

        Parameters
        ----------
        n : int
            Number of hidden units.

        Returns
        -------
        float
            In the units of the eigenvalues.

        Raises
        ------
        ValueError
            If `n` is below 1.
        TypeError
            If it is no integer.
        """
        return count("n", n) * self.rule.mean**2

    def linear(self) -> LinearNetwork:
        """Return the linear network of the same sizes and variances, for isotropic data.

        Returns
        -------
        LinearNetwork
            Its sizes and variances are those of this network.

        Raises
        ------
        ValueError
            If the covariance is not a multiple of the identity.
        """
        sigma, _ = self._data
        if sigma.size > 1:
            raise ValueError("LinearHessian takes data whose covariance is a number")
        return LinearNetwork(
            *self.sizes,
            first_variance=self.first_variance,
            second_variance=self.second_variance,
            data_variance=float(sigma[0]),
        )
