"""What multiplies by the matrix of each batch of a PyTorch loss; a single batch may keep its graph.

>>> BatchProducts.__name__
'BatchProducts'
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rmtland.adapters.torch_batches import Batch, Batches
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.adapters.torch_products import ROUTES
from rmtland.typing import Array

__all__ = ["BatchProducts"]


class BatchProducts:
    """Products with the matrix of each batch, one after another.

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
    keep_graph : bool
        Whether the graph of the only batch is kept, as long as no parameter or buffer moves.
    """

    def __init__(
        self, function: LossFunction, batches: Batches, part: str, method: str, *, keep_graph: bool
    ) -> None:
        self.function, self.batches, self.part = function, batches, part
        self.route, self.keep_graph = ROUTES[method], keep_graph
        self._kept: Any = None
        self._kept_at: list[Array] = []

    def __iter__(self) -> Iterator[tuple[Any, Batch | None]]:
        """Yield what multiplies by the matrix of each batch, and the batch where it is read."""
        read = (self.function.batch(batch) for batch in self.batches)
        if self.keep_graph:
            if self._kept is None or self._has_moved():
                (batch,) = read
                self._kept_at = [value.clone() for value in self._present()]
                self._kept = self.route(self.function, batch, self.part)
            yield self._kept, None
            return
        for batch in read:
            yield self.route(self.function, batch, self.part), batch

    def _present(self) -> list[Array]:
        """Return all parameters and buffers of the model, as they are."""
        model = self.function.model
        return [each.detach() for each in (*model.parameters(), *model.buffers())]

    def _has_moved(self) -> bool:
        """Whether parameters or buffers are others than those of the graph that is kept."""
        pairs = zip(self._present(), self._kept_at, strict=True)
        return not all(bool((now == then).all()) for now, then in pairs)
