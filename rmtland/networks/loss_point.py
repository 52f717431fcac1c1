r"""The loss of a network at one point of parameter space, and everything that is made of it.

For outputs o of m samples, losses l and weight decay w (see `rmtland.networks.mlp`),

    L = (1/m) sum_mu l(o_mu, y_mu) + (w/2) |theta|^2,     J = do/dtheta,
    H = d^2 L/dtheta^2 = H0 + H1,    H0 = (1/m) J^T Lambda J + w,   H1 the residual part

(`rmtland.networks.derivatives.hessian`). One forward pass is made and kept; products with H and J
cost a few matrix products (`rmtland.networks.derivatives.r_operator`), H itself is assembled by
blocks. A point may be shared between threads, and is pickled without what can be computed again.

References
----------
.. [1] B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994)
       147-160.
.. [2] N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent,
       Neural Computation 14 (2002) 1723-1738.
.. [3] F. Kunstner, L. Balles and P. Hennig, Limitations of the empirical Fisher approximation for
       natural gradient descent, NeurIPS 2019.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks.mlp import MLP
>>> net = MLP((2, 3, 1), bias=True, loss="logistic")
>>> point = net.at(net.init(rng=0), [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [1, 1, 0])
>>> v = np.ones(net.parameter_count)
>>> bool(np.allclose(point.hvp(v), point.gauss_newton_vp(v) + point.residual_vp(v)))
True
>>> bool(np.allclose(point.operator() @ v, point.hessian("total") @ v))
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, overload

import numpy as np

from rmtland.arguments import choice, count, instance
from rmtland.arrays import array_namespace
from rmtland.networks.derivatives.diagonal import hessian_diagonal
from rmtland.networks.derivatives.hessian import assemble, assemble_split
from rmtland.networks.derivatives.hessian_split import PARTS, HessianSplit
from rmtland.networks.derivatives.jacobian import empirical_fisher
from rmtland.networks.derivatives.recorded import recorded_hessian
from rmtland.networks.loss_products import LossProducts
from rmtland.networks.loss_value import Network
from rmtland.networks.overflow import refuse_overflow
from rmtland.streams import streams
from rmtland.synonyms import POINTS, WithSynonyms
from rmtland.typing import Array, ArrayLike, Rng

__all__ = ["LossPoint", "loss_point"]

SPLIT = ("gauss_newton", "residual")


class PointNetwork(Network, Protocol):
    """A network whose loss can be taken at another point: `rmtland.networks.MLP`."""

    def at(self, theta: ArrayLike, x: ArrayLike, y: ArrayLike) -> LossPoint: ...


@dataclass(frozen=True, eq=False, repr=False)
class LossPoint(WithSynonyms, LossProducts):
    """The loss of a network at one point of parameter space; made by `MLP.at`.

    Everything is computed from one forward pass, at the first use, and kept; data in chunks are
    passed forward chunk by chunk, and nothing of the size of the data is kept. Attributes are
    NumPy arrays that are kept and cannot be written to (copy them first); what a method returns is
    new. The buffers of a product with the Hessian, some arrays of shape (m, k, n_l) for k vectors,
    are kept for the next one.

    Vectors are of shape (p,), or (p, k) for k at once, and so are products with them; vectors
    on the side of the outputs are of shape (m n_out,) or (m n_out, k), in the order of
    ``prediction.ravel()``.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array, shape (p,)
        The parameters.
    data : LossData
        Inputs and targets, checked.
    """

    _synonyms = POINTS

    net: PointNetwork

    # Dense matrices ------------------------------------------------------------------------------

    @overload
    def hessian(self, part: None = None) -> HessianSplit: ...
    @overload
    def hessian(self, part: str) -> Array: ...

    def hessian(self, part: str | None = None) -> HessianSplit | Array:
        r"""Return the exact Hessian of the loss, split into Gauss-Newton and residual parts.

        .. formula:: Hessian by blocks, :math:`H_0 = J^\top \Lambda J/m`

        Parameters
        ----------
        part : {"gauss_newton", "residual", "total"}, optional
            Return this matrix alone, an array, in a third to a half of the time and memory.

        Returns
        -------
        HessianSplit, or array of shape (p, p) if a part is named
            Dense; two matrices, and a third when the total is asked for.

        Raises
        ------
        ValueError
            If an entry overflows.

        References
        ----------
        .. [1] N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient
               descent, Neural Computation 14 (2002) 1723-1738.
        """
        replayed = self._replayed_hessian(SPLIT if part is None else (part,))
        if replayed is not None:
            if part is not None:
                return replayed[0]
            return HessianSplit(replayed[0], replayed[1], None, self.net.blocks)
        if part is None:
            return assemble_split(
                self.passes,
                self.net.blocks,
                samples=self.data.size,
                weight_decay=self.net.weight_decay,
            )
        return assemble(
            self.passes(),
            self.net.blocks,
            samples=self.data.size,
            part=part,
            weight_decay=self.net.weight_decay,
        )[0]

    def hessian_diagonal(self, part: str = "total") -> Array:
        """Return the diagonal of the Hessian, or of one of its parts, exactly, without the rest.

        Parameters
        ----------
        part : {"gauss_newton", "residual", "total"}, optional
            Of which matrix.

        Returns
        -------
        array, shape (p,)
            In the order of the parameters.

        Raises
        ------
        ValueError
            For an unknown part, or if an entry overflows.
        """
        return hessian_diagonal(
            self.passes(),
            self.net.blocks,
            samples=self.data.size,
            part=part,
            weight_decay=self.net.weight_decay,
        )

    def fisher(self, kind: str = "exact", *, draws: int = 1, rng: Rng = None) -> Array:
        """Return the Fisher matrix of the distribution behind the loss, shape (p, p).

        The loss of a sample is the negative log-likelihood of its target: normal of variance 1
        for half the squared error, categorical for cross-entropy, Bernoulli for logistic. The
        weight decay has no part in it.

        Parameters
        ----------
        kind : {"exact", "empirical", "sampled"}, optional
            - "exact": targets averaged over the network's own distribution. For these losses it
              is the Gauss-Newton matrix J^T Lambda J/m.
            - "empirical": (1/m) sum_mu g_mu g_mu^T, gradients at the targets of the data.
            - "sampled": the same at targets drawn from the network's distribution, mean over
              draws: an unbiased estimate of "exact".
        draws : int, optional
            Targets drawn per sample, for "sampled".
        rng : optional
            Anything `numpy.random.default_rng` takes, for "sampled"; each draw has a stream of
            its own, so that the result does not depend on how the data are cut into chunks.

        Returns
        -------
        array, shape (p, p)
            Symmetric and positive semi-definite, divided by the number of samples.

        Raises
        ------
        ValueError
            For an unknown kind, or if an entry overflows.
        TypeError
            If `draws` is no integer.

        References
        ----------
        .. [1] F. Kunstner, L. Balles and P. Hennig, Limitations of the empirical Fisher
               approximation for natural gradient descent, NeurIPS 2019 (how they differ).
        """
        blocks, m = self.net.blocks, self.data.size
        choice("kind", kind, ("exact", "empirical", "sampled"))
        if kind == "exact":
            return assemble(self.passes(), blocks, samples=m, part="gauss_newton")[0]
        draws = count("draws", draws)
        generators = streams(rng, draws) if kind == "sampled" else None
        matrix = empirical_fisher(self.passes(), blocks, samples=m, generators=generators)
        refuse_overflow("Fisher matrix", matrix)
        return matrix

    def _replayed_hessian(self, parts: tuple[str, ...]) -> tuple[Array, ...] | None:
        """Matrices by a CUDA graph, where their entries are far from an overflow."""
        if isinstance(self.theta, np.ndarray) or not set(parts) <= set(PARTS):
            return None
        found = recorded_hessian(self.net, self.theta, self.data, parts)
        if found is None:
            return None
        limit = float(array_namespace(self.theta).finfo(self.theta.dtype).max) / 4
        return found[0] if float(found[1]) < limit else None


def loss_point(point: object) -> LossPoint:
    """Return a point of the loss of a network, or say that what came is none.

    Parameters
    ----------
    point : LossPoint
        What came.

    Returns
    -------
    LossPoint
        The same.

    Raises
    ------
    TypeError
        If it is none.
    """
    return instance("point", point, LossPoint, "a LossPoint, by net.at(theta, x, y)")
