"""Products with several vectors, as many at once as memory and rules for batching allow.

Several vectors at once take a graph each. Operations may have no rule for batches of vectors, or a
wrong one: the first time, the first vector is multiplied by itself too, and where the two disagree
the vectors are multiplied one by one from then on.

>>> MultivectorProducts.__name__
'MultivectorProducts'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rmtland.adapters.torch_batches import Batch, Batches
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.typing import Array

if TYPE_CHECKING:
    from rmtland.adapters.torch_products import Products

__all__ = ["MultivectorProducts"]

_MEMORY = 2**30
"""Bytes that graphs of several vectors may take together."""


class MultivectorProducts:
    """Products of the matrix of a batch with the rows of a tensor.

    Parameters
    ----------
    function : LossFunction
        The loss of a batch.
    batches : Batches
        The data; the first batch is looked at for the memory of a graph where none is given.
    chunk : int, optional
        Vectors multiplied at once; by memory where it is left out.
    """

    def __init__(self, function: LossFunction, batches: Batches, chunk: int | None) -> None:
        self.function, self.batches, self.chunk = function, batches, chunk
        self.at_once: int | None = None
        self._one_by_one = False
        self._compared = False

    def add(self, products: Products, rows: Array, result: Array, batch: Batch | None) -> None:
        """Add the products of one batch with all rows.

        Parameters
        ----------
        products : Products
            Of the batch, with one vector or several; one of those of
            `rmtland.adapters.torch_products`.
        rows : tensor, shape (k, p)
            The vectors.
        result : tensor, shape (k, p)
            What the products are added to, in place.
        batch : Batch or None
            The batch; None where its graph is kept and it is not read again.
        """
        blocks = self.function.blocks
        k, start = rows.shape[0], 0
        at_once = self._vectors_at_once(k, batch)
        while start < k:
            some = rows[start : start + at_once]
            if len(some) > 1:
                pieces = [some[:, b.slice].reshape(-1, *b.shape) for b in blocks]
                found = self._several(products, pieces)
                if found is None:
                    self._one_by_one, at_once = True, 1
                    continue
            else:
                pieces = [some[0, b.slice].reshape(b.shape) for b in blocks]
                found = products(pieces)
            for block, piece in zip(blocks, found, strict=True):
                result[start : start + len(some), block.slice] += piece.reshape(len(some), -1)
            start += len(some)

    def _vectors_at_once(self, k: int, batch: Batch | None) -> int:
        """Return how many of k vectors are multiplied at once."""
        if k == 1 or self._one_by_one:
            return 1
        if self.chunk is not None:
            return self.chunk
        if self.at_once is None:
            if batch is None:
                batch = self.function.batch(next(iter(self.batches)))
            self.at_once = max(1, min(16, _MEMORY // max(4 * self.function.graph_bytes(batch), 1)))
        return self.at_once

    def _several(self, products: Products, pieces: Sequence[Array]) -> Sequence[Array] | None:
        """Return products with several vectors at once, or None where that cannot be trusted."""
        try:
            found: Sequence[Array] = products.several(pieces)
        except RuntimeError:
            return None
        if self._compared:
            return found
        alone = products([piece[0] for piece in pieces])
        off = sum(float(((f[0] - a) ** 2).sum()) for f, a in zip(found, alone, strict=True))
        size = sum(float((a**2).sum()) for a in alone)
        self._compared = True
        allowed = 1e-9 if str(self.function.dtype) == "torch.float64" else 1e-4
        return found if off <= allowed**2 * size else None
