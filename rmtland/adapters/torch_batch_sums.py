"""Sums over the batches of a data set of a PyTorch loss: values, gradients, squares of gradients.

>>> BatchSums.__name__
'BatchSums'
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rmtland.adapters.torch_batches import Batch, Batches, tensors_of
from rmtland.adapters.torch_diagonal import squared_gradients
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.typing import Array

__all__ = ["BatchSums"]


@dataclass(frozen=True, eq=False)
class BatchSums:
    """Sums over all batches at the present parameters, not yet divided by a number of samples.

    Parameters
    ----------
    function : LossFunction
        The loss of a batch.
    batches : Batches
        The data.
    """

    function: LossFunction
    batches: Batches

    def read(self) -> Iterator[Batch]:
        """Yield the batches on the device of the model.

        Yields
        ------
        Batch
            One after another.
        """
        for batch in self.batches:
            yield self.function.batch(batch)

    def loss(self) -> float:
        """Return the sum of losses.

        Returns
        -------
        float
        """
        import torch

        values, frozen, total = self.function.values(), self.function.frozen(), 0.0
        with self.function.differentiable(), torch.no_grad():
            for batch in self.read():
                if batch.samples:  # the mean over none is NaN
                    total += float(self.function.loss(values, batch, frozen))
        return total

    def gradient(self) -> Array:
        """Return the gradient of that sum.

        Returns
        -------
        tensor, shape (p,)
            In the order of the blocks.
        """
        import torch

        function = self.function
        with function.differentiable():
            frozen = function.frozen()
            leaves = [value.detach().requires_grad_() for value in function.values()]
            total = leaves[0].new_zeros(function.size)
            for batch in self.read():
                found = torch.autograd.grad(
                    function.loss(leaves, batch, frozen),
                    leaves,
                    allow_unused=True,
                    materialize_grads=True,
                )
                for block, piece in zip(function.blocks, found, strict=True):
                    total[block.slice] += piece.reshape(-1)
        return total

    def squared_gradients(self, part: str) -> Array:
        """Return the diagonal of a Gauss-Newton or Fisher matrix, summed over the samples.

        Parameters
        ----------
        part : {"gauss_newton", "fisher", "empirical_fisher"}
            Which matrix.

        Returns
        -------
        tensor, shape (p,)
            In the order of the blocks.
        """
        function = self.function
        with function.differentiable():
            total = function.values()[0].new_zeros(function.size)
            for batch in self.read():
                pieces = squared_gradients(function, batch, part)
                for block, piece in zip(function.blocks, pieces, strict=True):
                    total[block.slice] += piece.reshape(-1)
        return total

    def output_count(self) -> int | None:
        """Return how many numbers the model gives.

        Returns
        -------
        int or None
            None where the model returns its loss itself.
        """
        import torch

        values, frozen, total = self.function.values(), self.function.frozen(), 0
        with self.function.differentiable(), torch.no_grad():
            for batch in self.read():
                if batch.targets is None:
                    return None
                outputs = tensors_of(self.function.outputs(values, batch, frozen))
                total += sum(one.numel() for one in outputs if one.is_floating_point())
        return total
