r"""Jacobians of the outputs of a network at one point of parameter space, and their products.

For outputs o of m samples,

.. math::
    J = \frac{\partial o}{\partial\theta}, \qquad K = J J^T ,

with one row of J for each output of each sample; K is the empirical neural tangent kernel. What
`rmtland.networks.loss_point` makes of second derivatives is built on it.

>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> net = MLP((2, 3, 1))
>>> point = net.at(net.init(rng=0), [[0.0, 1.0], [1.0, 0.0]], [[1.0], [0.0]])
>>> J, v = point.jacobian(), np.ones(9)
>>> bool(np.allclose(J @ J.T, point.ntk())), bool(np.allclose(J @ v, point.jvp(v)))
(True, True)
"""

from __future__ import annotations

from dataclasses import dataclass

from rmtland.arrays import array_namespace, is_finite
from rmtland.networks.array_arguments import any_array, real_array, reshape_of
from rmtland.networks.derivatives.elementwise import rows_of
from rmtland.networks.derivatives.jacobian import jacobian, ntk, sample_gradients
from rmtland.networks.derivatives.products import (
    jacobian_product,
    joined,
    transposed_jacobian_product,
)
from rmtland.networks.loss_value import LossValue
from rmtland.networks.overflow import refuse_overflow
from rmtland.typing import Array, ArrayLike

__all__ = ["LossJacobians"]


@dataclass(frozen=True, eq=False, repr=False)
class LossJacobians(LossValue):
    """First derivatives of outputs and losses at one point; `LossPoint` adds the second.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array, shape (p,)
        The parameters.
    data : LossData
        Inputs and targets, checked.
    """

    def jacobian(self) -> Array:
        """Return d prediction / d theta, shape (m n_out, p); rows run as `prediction.ravel()`.

        Returns
        -------
        array, shape (m n_out, p)
            One row for each output of each sample, one column for each parameter.

        Raises
        ------
        ValueError
            If an entry overflows.
        """
        rows = joined([jacobian(batch, self.net.blocks) for batch in self.passes()])
        refuse_overflow("Jacobian", rows)
        return rows

    def jvp(self, v: ArrayLike) -> Array:
        """Return J v, without forming J.

        Parameters
        ----------
        v : array_like, shape (p,) or (p, k)
            One vector, or k of them.

        Returns
        -------
        array, shape (m n_out,) or (m n_out, k)
            The product, column by column.

        Raises
        ------
        ValueError
            For vectors of another shape or not finite, or if the product overflows.
        """
        rows, single = self._rows("v", v)
        product = jacobian_product(self.passes(), rows, self.net.blocks)
        self._refuse_bad_product(product, rows)
        return product[:, 0] if single else product

    def vjp(self, u: ArrayLike) -> Array:
        """Return J^T u, shape (p,) or (p, k), without forming J.

        Parameters
        ----------
        u : array_like, shape (m n_out,), (m, n_out) or (m n_out, k)
            One vector, also in the shape of `prediction`, or k of them.

        Returns
        -------
        array, shape (p,) or (p, k)
            The product, column by column.

        Raises
        ------
        ValueError
            For vectors of another shape or not finite, or if the product overflows.
        """
        xp = array_namespace(self.theta)
        m, n = self.data.size, self.net.n_out
        given = any_array(u, self.theta)
        single = given.ndim == 1 or tuple(given.shape) == (m, n)
        vectors = real_array("u", xp.reshape(given, (-1, 1)) if single else given, 2, self.theta)
        if vectors.shape[0] != m * n:
            raise ValueError(
                f"u must have shape ({m * n},), ({m}, {n}) or ({m * n}, k); "
                f"got {tuple(given.shape)}"
            )
        k = vectors.shape[1]
        signal = xp.permute_dims(xp.reshape(vectors, (m, n, k)), (0, 2, 1))
        rows = transposed_jacobian_product(self.passes(), signal, self.net.blocks)
        refuse_overflow("product", rows)
        return rows[0, :] if single else rows.T

    def ntk(self) -> Array:
        """Return the empirical neural tangent kernel J J^T, shape (m n_out, m n_out).

        Not divided by the number of samples; J itself is never formed.

        Returns
        -------
        array, shape (m n_out, m n_out)
            Symmetric and positive semi-definite.

        Raises
        ------
        ValueError
            If an entry overflows.
        """
        kernel = ntk(list(self.passes()), self.net.blocks)
        refuse_overflow("kernel", kernel)
        return kernel

    def sample_gradients(self) -> Array:
        """Return the gradient of the loss of each sample, shape (m, p), without weight decay.

        Returns
        -------
        array, shape (m, p)
            One row for each sample.

        Raises
        ------
        ValueError
            If an entry overflows.
        """
        rows = joined([sample_gradients(b, self.net.blocks) for b in self.passes()])
        refuse_overflow("gradient", rows)
        return rows

    # The machinery -------------------------------------------------------------------------------

    def _rows(self, name: str, v: ArrayLike) -> tuple[Array, bool]:
        """Return vectors as the rows of a matrix (k, p), and whether it was a single one."""
        array = any_array(v, self.theta)
        single = array.ndim == 1
        p = self.net.parameter_count
        if array.ndim not in (1, 2) or array.shape[0] != p:
            raise ValueError(
                f"{name} must have shape ({p},), or ({p}, k) for k vectors; "
                f"got {tuple(array.shape)}"
            )
        if array.dtype != self.theta.dtype or 0 in tuple(array.shape):
            array = real_array(name, array, array.ndim, self.theta)
        return (reshape_of(array)(array, (1, p)) if single else rows_of(array)), single

    def _refuse_bad_product(self, product: Array, rows: Array) -> None:
        """Say whether it is the vectors or the product that is not finite."""
        if not is_finite(product):
            real_array("v", rows, 2, self.theta)
            refuse_overflow("product", product)
