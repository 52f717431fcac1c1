r"""Diagonals of Gauss-Newton and Fisher matrices, sample by sample.

With Lambda = F F^T of each sample the diagonal of J^T Lambda J is

.. math:: \sum_{\mu, c} \Bigl( \frac{\partial (F_c \cdot o_\mu)}{\partial\theta} \Bigr)^2,

one gradient of each sample and output; that of the empirical Fisher matrix has one of each sample.

>>> squared_gradients.__name__
'squared_gradients'
"""

from __future__ import annotations

from rmtland.adapters.torch_batches import Batch, rows_of
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.typing import Array, Tree

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
        If the outputs of the model are not one tensor, those for a sample alone are others than
        in its batch, or the loss is not convex in them.
    """
    import torch

    values, frozen, m = function.values(), function.frozen(), batch.samples
    total = [torch.zeros_like(value) for value in values]
    with torch.no_grad():
        whole = function.outputs(values, batch, frozen)
        rest = function.rule.total(whole, batch)
        size = torch.zeros_like(rest)
    for i in range(m):
        leaves = [value.detach().requires_grad_() for value in values]
        row = rows_of(batch, slice(i, i + 1), m)
        outputs = function.outputs(leaves, row, frozen)
        if batch.targets is not None:
            _refuse_other_outputs(whole, outputs, i, m)
        with torch.no_grad():
            loss = _loss_alone(function, outputs, row)
            rest, size = rest - loss, size + loss.abs()
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
            found: Tree = torch.autograd.grad(
                targets,
                leaves,
                along,
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            for sum_, piece in zip(total, found, strict=True):
                sum_ += scale * piece**2
    if float(rest.abs()) > max(1e-5, float(torch.finfo(rest.dtype).eps) ** 0.5) * float(size):
        raise NoSquares(_SHARED)
    return total


_SHARED = (
    "the loss of a batch is not the sum of those of its samples (a weight for each of them?), so "
    "that the diagonal is no sum over samples; rmtland.estimate.diagonal estimates it"
)


def _loss_alone(function: LossFunction, outputs: Tree, row: Batch) -> Array:
    try:
        return function.rule.total(outputs, row)
    except (RuntimeError, ValueError, IndexError) as error:
        raise NoSquares(_SHARED) from error


def _refuse_other_outputs(whole: Tree, alone: Tree, i: int, samples: int) -> None:
    """Refuse outputs for a sample alone that are not those in its batch."""
    import torch
    from torch.utils._pytree import tree_leaves

    pairs = list(zip(tree_leaves(whole), tree_leaves(alone), strict=False))
    for together, one in pairs:
        if not hasattr(one, "is_floating_point") or not one.is_floating_point():
            continue
        if len(pairs) > 1 and together.shape[:1] != (samples,):
            continue  # something beside the outputs
        far, size = float("inf"), float(together.double().norm())
        if one.ndim and together.shape == (samples, *one.shape[1:]) and one.shape[0] == 1:
            there = together[i : i + 1]
            far = float((there - one.detach()).double().norm())
            size = max(float(there.double().norm()), size / samples**0.5)
        if far > max(1e-5, float(torch.finfo(one.dtype).eps) ** 0.5) * size:
            raise NoSquares(
                "the outputs for a sample alone are not those in its batch (another axis than the "
                "first one for samples, or a tensor beside them that was cut too?), so that the "
                "diagonal is no sum over samples; rmtland.estimate.diagonal estimates it"
            )


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
