r"""Hessians, Gauss-Newton and Fisher matrices of PyTorch models, as operators of SciPy.

For a data set in batches b, with S_b the loss of a batch summed over it and N_b what its mean
divides by, the matrix is that of

.. math::

    L(\theta) = \frac{\sum_b S_b(\theta)}{\sum_b N_b} \quad\text{(reduction "mean")}, \qquad
    L(\theta) = \sum_b S_b(\theta) \quad\text{(reduction "sum")},

whatever the sizes of the batches: the mean is exact. Its parts are

- "total": H = d^2 L/dtheta^2;
- "gauss_newton": H0, with J^T Lambda J for S_b (generalised Gauss-Newton matrix, GGN);
- "residual": H1 = H - H0, by its own products;
- "fisher": the Fisher information matrix, for losses that are log-likelihoods (it is H0 then);
- "empirical_fisher": (1/N) sum of g g^T with g the gradient of the mean loss of each sample
  (uncentred gradient covariance); without 1/N for the reduction "sum".

Synonyms: Hessian-vector product (HVP), matrix-free Hessian, curvature of a torch model.

`rmtland.adapters.torch_model.from_torch` makes them.

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
>>> from rmtland.adapters.torch_products import PARTS
>>> PARTS
('total', 'gauss_newton', 'residual', 'fisher', 'empirical_fisher')
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from rmtland.adapters.block_trace import trace_by_blocks
from rmtland.adapters.torch_batch_sums import BatchSums
from rmtland.adapters.torch_batches import to_numpy
from rmtland.adapters.torch_checks import finite_entries
from rmtland.adapters.torch_diagonal import NoSquares
from rmtland.adapters.torch_linear_operator import TorchLinearOperator
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.adapters.torch_parameters import chosen_blocks, fitting_names
from rmtland.arguments import choice, points
from rmtland.estimate.trace import ScalarEstimate
from rmtland.typing import Array, Rng

__all__ = ["TorchOperator"]


class TorchOperator(TorchLinearOperator):
    """A symmetric matrix of a PyTorch loss by its products; made by `from_torch`.

    It takes and returns NumPy arrays of shape (p,) or (p, k); `multiply` takes tensors on the
    device of the model. Parameters are read when a product is made: after a training step it is the
    matrix at the new parameters and buffers, in the mode (training or not) that the model had when
    the operator was made. Mode, gradients, buffers and random generators stay as they are.

    Parameters
    ----------
    function : LossFunction
        The loss of a batch.
    batches : Batches
        The data.
    part : str
        Which matrix.
    method : str
        Route of the products.
    total_count : float
        What the sum over batches is divided by; 1 for the reduction "sum".
    chunk : int, optional
        Vectors multiplied at once; by memory where it is left out.
    keep_graph : bool
        Whether the graph of the only batch is kept between products.
    """

    @cached_property
    def _sums(self) -> BatchSums:
        return BatchSums(self.function, self.batches)

    def parameters(self) -> Array:
        """Return the present parameters as one flat NumPy vector.

        Returns
        -------
        ndarray, shape (p,)
            In the order of `blocks`.
        """
        return np.concatenate([to_numpy(v).ravel() for v in self.function.values()])

    def at(self, theta: Array) -> TorchOperator:
        """Return the operator of the same loss at other parameters; the model stays as it is.

        Parameters
        ----------
        theta : array_like, shape (p,)
            Parameters, in the order of `blocks`.

        Returns
        -------
        TorchOperator
            With the same batches and settings; its loss and gradient are those there too.

        Raises
        ------
        ValueError
            For another shape, or values that are NaN or masked.
        TypeError
            If the values are not real numbers.
        """
        import torch

        flat = points("theta", theta).copy()
        if flat.shape != (self.shape[0],):
            raise ValueError(f"theta must have {self.shape[0]} entries; got shape {flat.shape}")
        function = self.function
        tensor = torch.from_numpy(flat).to(device=function.device, dtype=function.dtype)
        pieces = [tensor[block.slice].reshape(block.shape) for block in self.blocks]
        return self._like(function.at(pieces), self.part)

    def unflatten(self, vector: Array) -> dict[str, Array]:
        """Return the pieces of a flat vector by the names of their parameters.

        Parameters
        ----------
        vector : array, shape (p,) or (p, k)
            A vector, or several.

        Returns
        -------
        dict of str to array
            Views of the shapes of the parameters, and k for several.

        Raises
        ------
        ValueError
            If the vector has not p entries.
        """
        if vector.shape[0] != self.shape[0]:
            raise ValueError(f"expected {self.shape[0]} entries; got shape {tuple(vector.shape)}")
        return {b.name: vector[b.slice].reshape((*b.shape, *vector.shape[1:])) for b in self.blocks}

    def loss(self) -> float:
        """Return the loss of the data at the present parameters.

        Returns
        -------
        float
            The exact mean, or sum, over the data.
        """
        return self._sums.loss() / self.total_count

    def gradient(self) -> Array:
        """Return the gradient of the loss at the present parameters.

        Returns
        -------
        ndarray, shape (p,)
            In the order of `blocks`.

        Raises
        ------
        ValueError
            If it is not finite.
        """
        return finite_entries(to_numpy(self._sums.gradient() / self.total_count), "gradient")

    def diagonal(self) -> Array:
        """Return the diagonal of the matrix, exactly.

        That of Gauss-Newton and Fisher matrices costs one gradient of each sample (times the
        number of outputs); that of the total and the residual part p products, as those of a loss
        of one's own that is no sum or mean over samples.

        Returns
        -------
        ndarray, shape (p,)
            In the order of `blocks`.

        Raises
        ------
        ValueError
            If it is not finite.
        """
        by_sample = self.part in ("gauss_newton", "fisher") and self.function.rule.separates
        if not by_sample and self.part != "empirical_fisher":
            result = np.empty(self.shape[0], dtype=self.dtype)
            for start in range(0, self.shape[0], 64):
                columns = np.arange(start, min(start + 64, self.shape[0]))
                unit = np.zeros((self.shape[0], len(columns)), dtype=self.dtype)
                unit[columns, columns - start] = 1.0
                result[columns] = self.matmat(unit)[columns, columns - start]
            return result
        total = self._sums.squared_gradients(self.part)
        return finite_entries(to_numpy(total / self.total_count), "diagonal")

    def trace(self, *, probes: int = 4, rng: Rng = None) -> ScalarEstimate:
        r"""Return the trace, of which only what lies within a parameter block is estimated.

        That of the Gauss-Newton part is the exact sum of its diagonal, a gradient of each sample
        and output. The residual part is multiplied by random signs :math:`\omega_b` on one
        parameter block b at a time,

        .. math:: \operatorname{tr} H_1 = \sum_b E\, \omega_b^T H_1 \omega_b ,

        so that coupling between blocks, most of its Frobenius norm, adds no noise. Where a network
        is linear in each of its weights by itself, as piecewise linear networks are (ReLU,
        convolutions, normalisation in evaluation mode), the sum is zero, and so is the error. Where
        the Gauss-Newton part has no such diagonal (outputs that are no single tensor, a loss that
        is not convex in them), blocks of the matrix itself are taken.

        Parameters
        ----------
        probes : int, optional
            Random signs for each block, each one product.
        rng : optional
            Anything `numpy.random.default_rng` takes.

        Returns
        -------
        ScalarEstimate
            The trace, its standard error, and the products spent.

        Raises
        ------
        ValueError
            If a gradient or product is not finite.
        """
        if self.part in ("gauss_newton", "fisher", "empirical_fisher"):
            try:
                return ScalarEstimate(float(self.diagonal().sum(dtype=float)), 0.0, 0, "exact")
            except NoSquares:
                return trace_by_blocks(self, probes=probes, rng=rng)
        known, rest = 0.0, self
        if self.part == "total" and self.function.rule.separates:
            try:
                known = float(self.with_part("gauss_newton").diagonal().sum(dtype=float))
                rest = self.with_part("residual")
            except NoSquares:
                pass
        found = trace_by_blocks(rest, probes=probes, rng=rng)
        return found._replace(value=known + found.value)

    def submatrix(self, parameters: str | Sequence[str]) -> TorchOperator:
        """Return the principal submatrix of some of the parameters, by its own cheaper products.

        Parameters
        ----------
        parameters : str or sequence of str
            Names, names of modules, or patterns of the shell, among those of this operator.

        Returns
        -------
        TorchOperator
            Of the parameters in `blocks` that they fit.

        Raises
        ------
        ValueError
            If a pattern fits none of them.
        """
        names = fitting_names(self.blocks, parameters)
        function = self.function.with_blocks(chosen_blocks(self.function.model, names))
        return self._like(function, self.part)

    def with_part(self, part: str) -> TorchOperator:
        """Return another part of the Hessian of the same loss, parameters and data.

        Parameters
        ----------
        part : {"total", "gauss_newton", "residual"}
            Which matrix.

        Returns
        -------
        TorchOperator
            With the same batches and settings.

        Raises
        ------
        ValueError
            For another name.
        """
        choice("part", part, ("total", "gauss_newton", "residual"))
        return self._like(self.function, part)

    def output_count(self) -> int | None:
        """Return how many numbers the model gives for the data, m n_out, by one pass over them.

        Returns
        -------
        int or None
            None where the model returns its loss itself, so that nothing is known of outputs.
        """
        return self._sums.output_count()

    def __repr__(self) -> str:
        return (
            f"TorchOperator({type(self.function.model).__name__}, part={self.part!r}, "
            f"size={self.shape[0]}, parameters={len(self.blocks)}, dtype={self.dtype}, "
            f"method={self.method!r})"
        )

    def _like(self, function: LossFunction, part: str) -> TorchOperator:
        """Return the operator of another function or part, with the same batches and settings."""
        return TorchOperator(
            function,
            self.batches,
            part=part,
            method=self.method,
            total_count=self.total_count,
            chunk=self.chunk,
            keep_graph=self.keep_graph,
        )
