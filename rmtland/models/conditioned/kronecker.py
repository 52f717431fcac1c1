r"""A Kronecker-factored preconditioner for least squares with Jacobians (KFAC).

The gradient of output i of sample mu in the weights of layer l is an outer product of a backward
signal g and the layer's input a. With the sums

.. math::
    A_l = \sum_\mu s_\mu^2 \, a_{l-1,\mu} a_{l-1,\mu}^T, \qquad G_L = 1, \qquad
    G_{l} = (W_{l+1}^T G_{l+1} W_{l+1}) \circ \frac1m \sum_\mu f'(z_{l\mu}) f'(z_{l\mu})^T,

s the scales of the residuals, :math:`G_l \otimes A_l` is near the diagonal block of J^T S^2 J of
that layer [1]_: equal to it for the last layer, and for linear networks of two layers. Columns of
:math:`S J (G \otimes A)^{-1/2}` span the same space, and least squares with them takes tens of
steps where the Jacobian alone takes hundreds.

References
----------
.. [1] J. Martens and R. Grosse, Optimizing neural networks with Kronecker-factored approximate
       curvature, ICML 2015, PMLR 37.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(40, 3, rng=0), MLP((3, 3), activation="tanh")
>>> point = net.at(net.init(rng=1), data.x, data.y)
>>> root = KroneckerRoot.of_point(point, np.ones(40))
>>> columns = np.array([point.jvp(root.apply(unit)) for unit in np.eye(9)])
>>> bool(np.allclose(columns @ columns.T, np.eye(9)))
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from rmtland.arrays import to_numpy
from rmtland.networks import LossPoint
from rmtland.typing import Real

__all__ = ["KroneckerRoot", "inverse_root"]

_FLOOR = 1e-10  # of the largest eigenvalue: directions below are scaled like it


@dataclass(frozen=True, eq=False)
class KroneckerRoot:
    """The symmetric map v -> (G x A)^{-1/2} v, layer by layer.

    Parameters
    ----------
    slices : list of slice
        Of the weights and biases in a vector of parameters.
    left : list of ndarray, shapes (n_l, n_l)
        Inverse roots of G, one for each of them.
    right : list of ndarray, shapes (n_{l-1}, n_{l-1}) or (1, 1)
        Inverse roots of A; of the sum of squared scales for a bias.
    """

    slices: list[slice]
    left: list[Real]
    right: list[Real]

    @classmethod
    def of_point(cls, point: LossPoint, scales: Real) -> Self:
        """Return the preconditioner of a network.

        Parameters
        ----------
        point : LossPoint
            Network, parameters and data.
        scales : ndarray, shape (m,)
            Of the residuals.

        Returns
        -------
        KroneckerRoot
        """
        depth = point.net.depth
        inputs: list[Real | float] = [0.0] * depth
        slopes: list[Real | float] = [0.0] * (depth - 1)
        weights: list[Real] = []
        done = 0
        for batch in point.passes():
            weights = [_finite(w) for w in batch.weights]
            s = scales[done : done + batch.samples]
            done += batch.samples
            for layer, a in enumerate(batch.inputs):
                scaled = _finite(a) * s[:, None]
                inputs[layer] = inputs[layer] + scaled.T @ scaled
            for layer, d in enumerate(batch.slopes):
                slope = _finite(d)
                slopes[layer] = slopes[layer] + slope.T @ slope / scales.size
        backward: list[Real] = [np.eye(point.net.n_out)]
        for weight, seen in zip(weights[:0:-1], slopes[::-1], strict=True):
            backward.insert(0, np.asarray(weight.T @ backward[0] @ weight * seen))
        outer = [inverse_root(g) for g in backward]
        inner = [inverse_root(np.asarray(a)) for a in inputs]
        number = np.array([[1 / max(float(np.linalg.norm(scales)), 1e-300)]])
        blocks = point.net.blocks
        return cls(
            [block.slice for block in blocks],
            [outer[block.layer - 1] / block.scale for block in blocks],
            [inner[block.layer - 1] if len(block.shape) == 2 else number for block in blocks],
        )

    def apply(self, v: Real) -> Real:
        """Return (G x A)^{-1/2} v.

        Parameters
        ----------
        v : ndarray, shape (p,)
            A vector of parameters.

        Returns
        -------
        ndarray, shape (p,)
        """
        found = np.empty_like(v)
        for part, left, right in zip(self.slices, self.left, self.right, strict=True):
            found[part] = (left @ v[part].reshape(len(left), len(right)) @ right).ravel()
        return found


def inverse_root(gram: Real) -> Real:
    """Return G^{-1/2} of a positive semi-definite matrix, small eigenvalues raised.

    Parameters
    ----------
    gram : ndarray, shape (n, n)
        G.

    Returns
    -------
    ndarray, shape (n, n)
        The unit matrix where G vanishes.
    """
    values, vectors = np.linalg.eigh(gram)
    if not values[-1] > 0:
        return np.eye(len(gram))
    return np.asarray(vectors / np.sqrt(np.maximum(values, _FLOOR * values[-1])) @ vectors.T)


def _finite(array: object) -> Real:
    return to_numpy(array).astype(np.float64)
