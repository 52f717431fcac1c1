r"""Sharpness in parameters scaled by their own size, which symmetries of the network leave alone.

A ReLU network stays the same function when the weights into a unit are multiplied by c and those
out of it by 1/c; lambda_max and S_rho do not. Adaptive sharpness (ASAM; Kwon et al., ICML 2021)
measures displacements in units of the parameters,

.. math:: \max_{|e| \le \rho} L(\theta + T_\theta e) - L(\theta) , \qquad
          \tfrac12 \rho^2 \lambda_{\max}(T_\theta H T_\theta) ,

with T diagonal: the moduli of the parameters ("element", invariant under the scaling of units), or
of whole filters, the rows of weights that feed one unit ("filter"); a bias by its own modulus. It
is the sharpness of the surface in the scaled parameters.

References
----------
.. [1] J. Kwon, J. Kim, H. Park and I. K. Choi, ASAM: adaptive sharpness-aware minimization for
       scale-invariant learning of deep neural networks, ICML 2021.

Examples
--------
>>> import numpy as np
>>> from rmtland.landscape.sharpness import ball_sharpness
>>> from rmtland.landscape.surface import NetworkSurface
>>> from rmtland.networks import MLP
>>> surface = NetworkSurface.of(MLP((1, 1, 1), "relu"), [[1.0], [-1.0]], [[2.0], [0.0]])
>>> def adaptive(theta):
...     scaled = ScaledSurface(surface, theta, adaptive_scales(surface, theta))
...     return round(ball_sharpness(scaled, np.zeros(2), 0.1, rng=0).lower, 10)
>>> adaptive(np.array([1.0, 2.0])) == adaptive(np.array([8.0, 0.25]))
True
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rmtland.arguments import choice, float_array
from rmtland.landscape.surface import LossSurface, NamedBlock
from rmtland.landscape.surface.surface import loss_surface, parameter_vector
from rmtland.typing import ArrayLike, Real, override

__all__ = ["ScaledSurface", "adaptive_scales"]


def adaptive_scales(surface: LossSurface, theta: Real, *, by: str = "element") -> Real:
    """Return the diagonal of T at a point.

    Parameters
    ----------
    surface : LossSurface
        Whose parameters.
    theta : ndarray, shape (p,)
        Where.
    by : {"element", "filter"}, optional
        The modulus of each parameter, or the norm of the weights into each unit.

    Returns
    -------
    ndarray, shape (p,)
        Not negative.

    Raises
    ------
    ValueError
        For an unknown rule, or parameters of another shape.
    TypeError
        If the surface is none, or `theta` holds no real numbers.
    """
    choice("by", by, ("element", "filter"))
    center = parameter_vector(surface, "theta", theta)
    scales = np.abs(center)
    if by == "filter":
        for block in surface.blocks:
            if len(block.shape) > 1:
                rows = center[block.slice].reshape(block.shape[0], -1)
                norms = np.linalg.norm(rows, axis=1, keepdims=True)
                scales[block.slice] = np.broadcast_to(norms, rows.shape).ravel()
    return scales


class ScaledSurface(LossSurface):
    r"""A loss in parameters e with theta = center + T e, T diagonal.

    .. formula:: Adaptive sharpness, :math:`\max_{\lvert e \rvert \le \rho} L(\theta + T_\theta e) -
        L(\theta)`

    Parameters
    ----------
    inner : LossSurface
        The loss in the parameters themselves.
    center : ndarray, shape (p,)
        Where e = 0.
    scales : ndarray, shape (p,)
        Diagonal of T, not negative.

    Raises
    ------
    ValueError
        For other shapes, or a negative scale.
    TypeError
        If the inner surface is none, or `center` or `scales` holds no real numbers.
    """

    def __init__(self, inner: LossSurface, center: Real, scales: Real) -> None:
        self.inner = loss_surface("inner", inner)
        self.center = float_array("center", center, ndim=1)
        self.scales = float_array("scales", scales, ndim=1)
        if not self.center.shape == self.scales.shape == (inner.size,):
            raise ValueError(
                f"center and scales must have {inner.size} entries; got {self.center.shape[0]} and "
                f"{self.scales.shape[0]}"
            )
        if self.scales.min() < 0.0:
            raise ValueError(f"scales must not be negative; the least is {self.scales.min():.4g}")

    @property
    def largest_scale(self) -> float:
        """The largest entry of T."""
        return float(self.scales.max())

    @property
    @override
    def size(self) -> int:
        return self.inner.size

    @property
    @override
    def blocks(self) -> Sequence[NamedBlock]:
        return self.inner.blocks

    def to_inner(self, scaled: Real) -> Real:
        """Return theta for e.

        Parameters
        ----------
        scaled : ndarray, shape (p,) or (k, p)
            Points e.

        Returns
        -------
        ndarray, of the same shape
            center + T e.
        """
        return self.center + self.scales * np.asarray(scaled, dtype=np.float64)

    @override
    def loss(self, theta: Real) -> float:
        return self.inner.loss(self.to_inner(theta))

    @override
    def value(self, theta: Real) -> tuple[float, Real]:
        loss, gradient = self.inner.value(self.to_inner(theta))
        return loss, self.scales * gradient

    @override
    def product(self, theta: Real, vector: Real) -> Real:
        scales = self.scales if np.ndim(vector) == 1 else self.scales[:, None]
        product: Real = scales * self.inner.product(self.to_inner(theta), scales * vector)
        return product

    @override
    def hessian(self, theta: Real) -> Real:
        inner = self.inner.hessian(self.to_inner(theta))
        return self.scales[:, None] * inner * self.scales

    @override
    def losses(self, thetas: ArrayLike) -> Real:
        return self.inner.losses(self.to_inner(np.asarray(thetas, dtype=np.float64)))
