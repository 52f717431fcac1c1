"""Products with a matrix of a PyTorch loss: tensors on its device, or the arrays of SciPy.

What the matrices are is said in `rmtland.adapters.torch_operator`.

>>> TorchLinearOperator.__name__
'TorchLinearOperator'
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse.linalg import LinearOperator

from rmtland.adapters.torch_batch_products import BatchProducts
from rmtland.adapters.torch_batches import Batches, to_numpy
from rmtland.adapters.torch_checks import finite_entries
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.adapters.torch_multivectors import MultivectorProducts
from rmtland.adapters.torch_parameters import Block
from rmtland.typing import Array, NumpyArray

if TYPE_CHECKING:
    import torch

__all__ = ["TorchLinearOperator"]


class TorchLinearOperator(LinearOperator):  # type: ignore[misc]
    """A symmetric matrix by its products over batches; `TorchOperator` knows what else it is."""

    def __init__(
        self,
        function: LossFunction,
        batches: Batches,
        *,
        part: str,
        method: str,
        total_count: float,
        chunk: int | None,
        keep_graph: bool,
    ) -> None:
        single = "float32" if str(function.dtype) != "torch.float64" else "float64"
        super().__init__(np.dtype(single), (function.size, function.size))
        self.function, self.batches = function, batches
        self.part, self.method, self.total_count = part, method, total_count
        self.chunk, self.keep_graph = chunk, keep_graph
        self.multivectors = MultivectorProducts(
            function, batches, 1 if method == "finite_differences" else chunk
        )
        self.product_error = 0.0

    @cached_property
    def _products(self) -> BatchProducts:
        return BatchProducts(
            self.function, self.batches, self.part, self.method, keep_graph=self.keep_graph
        )

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Name, shape and place of each parameter in the flat vector."""
        return self.function.blocks

    @property
    def device(self) -> torch.device:
        """Device on which products are made."""
        return self.function.device

    def multiply(self, vectors: Array) -> Array:
        """Return the product with one tensor, or with k as rows, on the device of the model.

        Parameters
        ----------
        vectors : tensor, shape (p,) or (k, p)
            Of the dtype of the computation.

        Returns
        -------
        tensor, of the same shape
            A new one.
        """
        rows = vectors.reshape(-1, self.shape[0])
        with self.function.differentiable():
            if rows.is_inference():
                rows = rows.clone()
            result = rows.new_zeros(rows.shape)
            for products, batch in self._products:
                self.multivectors.add(products, rows, result, batch)
                self.product_error = max(self.product_error, products.error / self.total_count)
        if self.total_count != 1.0:
            result /= self.total_count
        return result.reshape(vectors.shape)

    def _matmat(self, vectors: NumpyArray) -> NumpyArray:
        import torch

        if np.iscomplexobj(vectors):
            return self._matmat(np.real(vectors)) + 1j * self._matmat(np.imag(vectors))
        rows = np.ascontiguousarray(np.asarray(vectors, dtype=self.dtype).T)
        if not rows.flags.writeable:
            rows = rows.copy()
        given = torch.from_numpy(rows).to(device=self.device, dtype=self.function.dtype)
        product = to_numpy(self.multiply(given)).astype(self.dtype, copy=False)
        if not np.isfinite(product).all() and np.isfinite(rows).all():
            finite_entries(product, "product")
        found: NumpyArray = product.T
        return found

    def _matvec(self, vector: NumpyArray) -> NumpyArray:
        found: NumpyArray = self._matmat(np.reshape(vector, (-1, 1))).reshape(np.shape(vector))
        return found

    def _adjoint(self) -> Self:
        return self

    def _transpose(self) -> Self:
        return self
