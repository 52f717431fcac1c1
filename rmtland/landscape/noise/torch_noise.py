r"""Gradient noise of a PyTorch model, by products: nothing of size p x p is formed.

.. math:: \Sigma v = \frac1m \sum_\mu g_\mu (g_\mu^T v) - g (g^T v) ,

one pass over the data for a product. The trace is exact; what lies the noise to the Hessian,
tr(Sigma H), |Sigma|_F and |H|_F, is estimated from random signs with standard errors.

References
----------
.. [1] S. Mandt, M. D. Hoffman and D. M. Blei, Stochastic gradient descent as approximate Bayesian
       inference, J. Mach. Learn. Res. 18 (2017) 1-35.

Examples
--------
>>> StreamedNoise.__name__
'StreamedNoise'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator

from rmtland.adapters import TorchOperator, from_torch
from rmtland.arguments import count, positive
from rmtland.streams import random_generator
from rmtland.typing import Array, Real, Rng, Tree

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["StreamedAlignment", "StreamedNoise"]


class StreamedAlignment(NamedTuple):
    """Estimates of how the noise lies to the Hessian, with standard errors.

    Made by `rmtland.landscape.noise.StreamedNoise.alignment`.

    Parameters
    ----------
    product : float
        tr(Sigma H).
    product_error : float
        Its standard error.
    cosine : float
        tr(Sigma H) over both Frobenius norms.
    cosine_error : float
        Its standard error, from leaving out one probe at a time (jackknife).
    probes : int
        Random signs, each a product with both.
    """

    product: float
    product_error: float
    cosine: float
    cosine_error: float
    probes: int


class StreamedNoise(LinearOperator):  # type: ignore[misc]
    """The covariance of the gradients of single samples, as an operator of SciPy.

    Parameters
    ----------
    model, loss, data : nn.Module, loss, data
        As `rmtland.adapters.from_torch` takes them; the loss a mean over samples.
    **options
        Passed on to `from_torch`: ``parameters``, ``dtype``, ``batch_size``, ...

    Raises
    ------
    ValueError
        For what `from_torch` refuses, or a loss that is a sum over samples.
    """

    def __init__(
        self, model: Module, loss: Callable[..., Array], data: Tree, **options: Any
    ) -> None:
        self.second: TorchOperator = from_torch(
            model, loss, data, part="empirical_fisher", **options
        )
        if self.second.total_count == 1.0 and not self.second.function.rule.divides:
            raise ValueError(
                "the noise of a batch is that of a mean over samples; give a loss of reduction "
                "'mean'"
            )
        self.gradient: Real = np.asarray(self.second.gradient(), dtype=np.float64)
        super().__init__(np.dtype(np.float64), self.second.shape)

    def trace(self) -> float:
        """Return tr Sigma, exactly: a gradient of each sample.

        Returns
        -------
        float
            Sum of the variances.
        """
        square = float(self.second.diagonal().sum(dtype=float))
        return square - float(self.gradient @ self.gradient)

    def temperature(self, step_size: float, batch_size: int) -> float:
        """Return the texts' temperature of SGD, eta tr(Sigma)/B.

        Parameters
        ----------
        step_size : float
            eta.
        batch_size : int
            B.

        Returns
        -------
        float
            In the units of the loss times p.

        Raises
        ------
        ValueError
            If `step_size` is not positive and finite, or `batch_size` below 1.
        TypeError
            If `step_size` is no number, or `batch_size` no integer.
        """
        return positive("step_size", step_size) * self.trace() / count("batch_size", batch_size)

    def alignment(self, *, probes: int = 10, rng: Rng = None) -> StreamedAlignment:
        """Return estimates of how the noise lies to the Hessian of the same loss.

        Parameters
        ----------
        probes : int, optional
            Random signs, at least 2.
        rng : optional
            Anything `numpy.random.default_rng` takes.

        Returns
        -------
        StreamedAlignment
            tr(Sigma H) and the cosine, with standard errors.

        Raises
        ------
        ValueError
            If the noise or the Hessian is zero.
        TypeError
            If `probes` is no integer.
        """
        many = count("probes", probes, min_value=2)
        hessian, generator = self.second.with_part("total"), random_generator(rng)
        sums = np.empty((many, 3))
        for i in range(many):
            signs = generator.choice([-1.0, 1.0], size=self.shape[0])
            noisy = np.asarray(self @ signs)
            curved = np.asarray(hessian @ signs, dtype=np.float64)
            sums[i] = noisy @ curved, noisy @ noisy, curved @ curved
        total = sums.sum(axis=0)
        if not (total[1:] > 0).all():
            raise ValueError("the noise or the Hessian is zero: there is no alignment")
        left_out = total - sums
        cosines = left_out[:, 0] / np.sqrt(left_out[:, 1] * left_out[:, 2])
        spread = float(np.sqrt((many - 1) * cosines.var()))
        return StreamedAlignment(
            float(total[0] / many),
            float(sums[:, 0].std(ddof=1) / np.sqrt(many)),
            float(total[0] / np.sqrt(total[1] * total[2])),
            spread,
            many,
        )

    def _matmat(self, vectors: Array) -> Array:
        block = np.asarray(vectors, dtype=np.float64)
        products = np.asarray(self.second @ block, dtype=np.float64)
        return products - np.outer(self.gradient, self.gradient @ block)

    def _matvec(self, vector: Array) -> Array:
        return self._matmat(np.reshape(vector, (-1, 1))).reshape(np.shape(vector))

    def _adjoint(self) -> StreamedNoise:
        return self
