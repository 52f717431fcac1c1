r"""Diagonals of Gauss-Newton and Fisher matrices, sample by sample.

With Lambda = F F^T of each sample the diagonal of J^T Lambda J is

.. math:: \sum_{\mu, c} \Bigl( \frac{\partial (F_c \cdot o_\mu)}{\partial\theta} \Bigr)^2,

one gradient of each sample and output; that of the empirical Fisher matrix has one of each sample.

>>> squared_gradients.__name__
'squared_gradients'
"""

from __future__ import annotations

from typing import Any

from rmtland.adapters.torch_batches import Batch, rows_of
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.typing import Array

__all__ = ["NoSquares", "squared_gradients"]


class NoSquares(ValueError):
    """The diagonal is no sum of squared gradients of samples and outputs."""


def squared_gradients(function: LossFunction, batch: Batch, part: str) -> list[Array]:
    """Return the diagonal for one batch, summed over its samples, block by block.

    Parameters
    ----------
    function : LossFunction
        The loss.
    batch : Batch
        Of which samples.
    part : {"gauss_newton", "fisher", "empirical_fisher"}
        Which matrix.

    Returns
    -------
    list of tensor
        Of the shapes of the blocks.

    Raises
    ------
    NoSquares
        If the outputs of the model are not one tensor, or the loss is not convex in them.
    """
    import torch

    values, frozen, m = function.values(), function.frozen(), batch.samples
    total = [torch.zeros_like(value) for value in values]
    for i in range(m):
        leaves = [value.detach().requires_grad_() for value in values]
        row = rows_of(batch, slice(i, i + 1), m)
        outputs = function.outputs(leaves, row, frozen)
        if part == "empirical_fisher":
            counted = function.rule.count(row) if function.rule.divides else 1.0
            targets, factors = function.rule.total(outputs, row).reshape(1), None
            scale = 1.0 / counted if counted else 0.0
        else:
            if not hasattr(outputs, "reshape"):
                raise NoSquares(
                    "the diagonal needs a model whose output is one tensor; got "
                    f"{type(outputs).__name__}"
                )
            targets, scale = outputs.reshape(-1), 1.0
            factors = _square_root(_curvature(function, outputs, row))
        for c in range(targets.shape[0] if factors is None else factors.shape[1]):
            along = None if factors is None else factors[:, c]
            found: Any = torch.autograd.grad(
                targets,
                leaves,
                along,
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            for sum_, piece in zip(total, found, strict=True):
                sum_ += scale * piece**2
    return total


def _curvature(function: LossFunction, outputs: Array, row: Batch) -> Array:
    """Return Lambda of one sample, all its outputs flat."""
    import torch

    end = outputs.detach()

    def loss(flat: Array) -> Array:
        return function.rule.total(flat.reshape(end.shape), row)

    matrix: Array = torch.func.hessian(loss)(end.reshape(-1))
    return matrix


def _square_root(matrix: Array) -> Array:
    """Return F with F F^T the matrix; a convex loss has one."""
    import torch

    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    size, least = float(values.abs().max()), float(values.min())
    if least < -1e-5 * size:
        raise NoSquares(
            f"the loss is not convex in the outputs (eigenvalue {least:.3g} of Lambda), and its "
            "diagonal is not made of squares; take the diagonal of a dense matrix"
        )
    kept = values > torch.finfo(values.dtype).eps * len(values) * size
    return vectors[:, kept] * values[kept].sqrt()
