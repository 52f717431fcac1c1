"""What multiplies by the matrix of each batch of a PyTorch loss; a single batch may keep its graph.

>>> BatchProducts.__name__
'BatchProducts'
"""

from __future__ import annotations

from collections.abc import Iterator

from rmtland.adapters.torch_batches import Batch, Batches, tensors_of
from rmtland.adapters.torch_checks import same_values
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.adapters.torch_products import ROUTES, Products
from rmtland.typing import Array, Record

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
        Whether the graph of the only batch is kept, as long as no parameter, buffer or sample
        changes.
    """

    def __init__(
        self, function: LossFunction, batches: Batches, part: str, method: str, *, keep_graph: bool
    ) -> None:
        self.function, self.batches, self.part = function, batches, part
        self.route, self.keep_graph = ROUTES[method], keep_graph
        self._kept: Products | None = None
        self._kept_at: list[tuple[Array, int]] = []

    def __iter__(self) -> Iterator[tuple[Products, Batch | None]]:
        """Yield what multiplies by the matrix of each batch, and the batch where it is read."""
        if self.keep_graph:
            (batch,) = (each for each in self.batches if each.samples != 0)
            present = self._present(batch)
            if self._kept is None or not self._is_of(present):
                self._kept = None  # before the next one: there is memory for one
                self._kept_at = [(value.clone(), _version(value)) for value in present]
                self._kept = self.route(self.function, self.function.batch(batch), self.part)
            yield self._kept, None
            return
        for batch in map(self.function.batch, self.batches):
            yield self.route(self.function, batch, self.part), batch

    def __getstate__(self) -> Record:
        """Return what is copied and pickled: all but the graph, which PyTorch does neither with."""
        return {**self.__dict__, "_kept": None, "_kept_at": []}

    def _present(self, batch: Batch) -> list[Array]:
        """Return all parameters and buffers of the model, and the data, as they are."""
        model = self.function.model
        own = (each.detach() for each in (*model.parameters(), *model.buffers()))
        return [*own, *tensors_of(batch.inputs), *tensors_of(batch.targets)]

    def _is_of(self, present: list[Array]) -> bool:
        """Whether the graph that is kept is of these tensors, and none was written to since."""
        return len(present) == len(self._kept_at) and all(
            _version(now) == version and now.shape == then.shape and same_values(now, then)
            for now, (then, version) in zip(present, self._kept_at, strict=True)
        )


def _version(tensor: Array) -> int:
    """Return how often a tensor was written to: a graph refuses tensors of another version."""
    return 0 if tensor.is_inference() else int(tensor._version)
