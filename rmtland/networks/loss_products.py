r"""Products with the Hessian of a loss, and with its Fisher matrix, without forming them.

For H = H0 + H1 as in `rmtland.networks.loss_point`, H v, H0 v and H1 v cost a few matrix products
each (R-operator, `rmtland.networks.derivatives.r_operator`); the same as SciPy operators.

References
----------
.. [1] B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994)
       147-160.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> net = MLP((2, 3, 1))
>>> point = net.at(net.init(rng=0), [[0.0, 1.0], [1.0, 0.0]], [[1.0], [0.0]])
>>> v = np.ones(net.parameter_count)
>>> bool(np.allclose(point.operator("residual") @ v, point.residual_vp(v)))
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rmtland.arguments import choice, count
from rmtland.arrays import is_finite
from rmtland.networks.array_arguments import real_array
from rmtland.networks.derivatives.hessian_split import PARTS
from rmtland.networks.derivatives.products import (
    curvature_product,
    drawn_gradients,
    fisher_product,
)
from rmtland.networks.derivatives.r_operator import is_small
from rmtland.networks.derivatives.recorded import recorded_product
from rmtland.networks.derivatives.small_products import small_curvature_product
from rmtland.networks.loss_jacobians import LossJacobians
from rmtland.streams import streams
from rmtland.typing import Array, ArrayLike, Rng

if TYPE_CHECKING:
    from rmtland.networks.derivatives.operators import PointOperator, Product

__all__ = ["LossProducts"]


class LossProducts(LossJacobians):
    """Products of one point of a loss with vectors; `rmtland.networks.LossPoint` has them."""

    # Products with the Hessian -------------------------------------------------------------------

    def hvp(self, v: ArrayLike) -> Array:
        """Return H v, shape (p,) or (p, k), without forming H.

        .. formula:: R-operator: Hessian-vector products :math:`Hv`

        Parameters
        ----------
        v : array_like, shape (p,) or (p, k)
            One vector, or k of them.

        Returns
        -------
        array, of the shape of `v`
            The product, column by column.

        Raises
        ------
        ValueError
            For vectors of another shape or not finite, or if the product overflows.

        References
        ----------
        .. [1] B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6
               (1994) 147-160.
        """
        return self._curvature_product(v, "total")

    def gauss_newton_vp(self, v: ArrayLike) -> Array:
        """Return H0 v, shape (p,) or (p, k): the Gauss-Newton part and the weight decay.

        Parameters
        ----------
        v : array_like, shape (p,) or (p, k)
            One vector, or k of them.

        Returns
        -------
        array, of the shape of `v`
            The product, column by column.

        Raises
        ------
        ValueError
            For vectors of another shape or not finite, or if the product overflows.
        """
        return self._curvature_product(v, "gauss_newton")

    def residual_vp(self, v: ArrayLike) -> Array:
        """Return H1 v, shape (p,) or (p, k): the residual part.

        Parameters
        ----------
        v : array_like, shape (p,) or (p, k)
            One vector, or k of them.

        Returns
        -------
        array, of the shape of `v`
            The product, column by column.

        Raises
        ------
        ValueError
            For vectors of another shape or not finite, or if the product overflows.
        """
        return self._curvature_product(v, "residual")

    def operator(
        self, part: str = "total", *, parameters: str | Sequence[str] | None = None
    ) -> PointOperator:
        """Return the Hessian, or one of its parts, as a SciPy LinearOperator.

        It takes and returns NumPy arrays, whatever the library of the network, multiplies blocks of
        vectors (`matmat`), and can be pickled.

        Parameters
        ----------
        part : {"gauss_newton", "residual", "total"}, optional
            Which matrix.
        parameters : str or sequence of str, optional
            Names of parameter blocks, or patterns of the shell such as "W*" or "b[12]": the
            principal submatrix of their parameters, in ascending order. All by default.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Symmetric, of shape (p, p) or of the submatrix.

        Raises
        ------
        ValueError
            For an unknown part, or a pattern that fits no block.
        """
        choice("part", part, PARTS)
        product = partial(self._curvature_product, part=part)
        return self._operator(product, parameters, partial(product, checked=False))

    def fisher_operator(
        self,
        kind: str = "exact",
        *,
        draws: int = 1,
        rng: Rng = None,
        parameters: str | Sequence[str] | None = None,
    ) -> PointOperator:
        """Return the Fisher matrix as a SciPy LinearOperator; the arguments are those of `fisher`.

        Targets of the sampled matrix are drawn once, and are those of `fisher` with the same `rng`.

        Parameters
        ----------
        kind : {"exact", "empirical", "sampled"}, optional
            Which matrix.
        draws : int, optional
            Targets drawn per sample, for "sampled".
        rng : optional
            Anything `numpy.random.default_rng` takes, for "sampled".
        parameters : str or sequence of str, optional
            As in `operator`.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Symmetric and positive semi-definite.

        Raises
        ------
        ValueError, TypeError
            For an unknown kind, a pattern that fits no block, or `draws` that are no count.
        """
        choice("kind", kind, ("exact", "empirical", "sampled"))
        draws = count("draws", draws)
        if kind == "exact":
            product = partial(self._curvature_product, part="gauss_newton", decay=False)
            return self._operator(product, parameters)
        if kind == "empirical":
            gradients: tuple[Array, ...] = (self.residuals,)
        else:
            gradients = drawn_gradients(self.passes(), streams(rng, draws))
        return self._operator(partial(self._fisher_product, gradients=gradients), parameters)

    def _operator(
        self,
        product: Product,
        parameters: str | Sequence[str] | None,
        unchecked: Product | None = None,
    ) -> PointOperator:
        from rmtland.networks.derivatives.operators import PointOperator  # imports scipy.sparse

        return PointOperator.at(
            self.theta, self.net.blocks, product, parameters, unchecked=unchecked
        )

    # The machinery -------------------------------------------------------------------------------

    def _curvature_product(
        self, v: ArrayLike, part: str, decay: bool = True, checked: bool = True
    ) -> Array:
        theta, net = self.theta, self.net
        if (
            type(v) is np.ndarray
            and type(theta) is np.ndarray
            and v.shape == theta.shape
            and v.dtype == theta.dtype
            and self.data.is_whole
            and is_small(self.data.size, net.widths)
        ):
            product = small_curvature_product(
                self._whole,
                v,
                net.blocks,
                gauss_newton=part != "residual",
                residual=part != "gauss_newton",
            )
            if decay and net.weight_decay and part != "residual":
                product += net.weight_decay * v
            if math.isfinite(np.vdot(product, product)) and (part != "residual" or is_finite(v)):
                return product
        # The general route, which also says what is wrong
        rows, single = self._rows("v", v)
        found = None
        if not isinstance(theta, np.ndarray):
            found = recorded_product(self.net, theta, self.data, rows, part=part, decay=decay)
        if found is not None and (not checked or math.isfinite(float(found[1]))):
            return found[0][0, :] if single else found[0].T
        result = curvature_product(
            self.passes(), rows, self.net.blocks, samples=self.data.size, part=part
        )
        if decay and self.net.weight_decay and part != "residual":
            result += self.net.weight_decay * rows
        if checked:
            if part == "residual":  # a last bias has no part in it, and shows no NaN of that
                real_array("v", rows, 2, self.theta)
            self._refuse_bad_product(result, rows)
        return result[0, :] if single else result.T

    def _fisher_product(self, v: ArrayLike, gradients: tuple[Array, ...]) -> Array:
        rows, single = self._rows("v", v)
        result = fisher_product(
            self.passes(), rows, self.net.blocks, gradients, samples=self.data.size
        )
        self._refuse_bad_product(result, rows)
        return result[0, :] if single else result.T
