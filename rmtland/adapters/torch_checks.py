"""What would make a spectrum of a PyTorch model wrong or late to fail, looked for beforehand.

>>> [check.__name__ for check in (refuse_random_modules, refuse_other_device)]
['refuse_random_modules', 'refuse_other_device']
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rmtland.adapters.torch_batches import Batch, rows_of, tensors_of
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.adapters.torch_parameters import Block
from rmtland.typing import Array, Tree

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = [
    "finite_entries",
    "first_outputs",
    "refuse_bad_loss",
    "refuse_constant_loss",
    "refuse_mixed_precision",
    "refuse_mixed_samples",
    "refuse_other_device",
    "refuse_random_modules",
    "same_values",
]


def refuse_random_modules(model: Module) -> None:
    """Refuse modules whose outputs are random, or mix the samples of a batch.

    Parameters
    ----------
    model : nn.Module
        The module.

    Raises
    ------
    ValueError
        For dropout in training mode, batch normalisation with the statistics of the batch, or
        sparse gradients.
    """
    from torch import nn

    for name, module in model.named_modules():
        where = f"module {name or 'model'} ({type(module).__name__})"
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
            raise ValueError(
                f"{where} has sparse gradients, which have no derivatives; build it with "
                "sparse=False"
            )
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (
            module.training or module.running_mean is None
        ):
            remedy = (
                "call model.eval()"
                if module.running_mean is not None
                else "build it with track_running_stats=True"
            )
            raise ValueError(
                f"{where} normalises by the statistics of each batch, so that the loss is no sum "
                f"over samples; {remedy}"
            )
        if not module.training:
            continue
        if isinstance(module, nn.modules.instancenorm._InstanceNorm):
            if module.track_running_stats:
                raise ValueError(f"{where} changes its statistics when called; call model.eval()")
            continue
        rate = getattr(module, "p", None)
        if isinstance(module, nn.modules.dropout._DropoutNd) and rate:
            raise ValueError(f"{where} drops units at random, p = {rate}; call model.eval()")
        rate = getattr(module, "dropout", None)
        if isinstance(module, nn.RNNBase | nn.MultiheadAttention) and rate:
            raise ValueError(f"{where} drops units at random, p = {rate}; call model.eval()")
        if isinstance(module, nn.RReLU):
            raise ValueError(f"{where} draws its slopes at random; call model.eval()")


def refuse_other_device(model: Module, function: LossFunction, batch: Batch) -> None:
    """Refuse a model on several devices, or data on another one.

    Parameters
    ----------
    model : nn.Module
        The module.
    function : LossFunction
        Its loss.
    batch : Batch
        The first batch.

    Raises
    ------
    ValueError
        If they are not together.
    """
    devices = sorted({str(p.device) for p in model.parameters()})
    if len(devices) > 1:
        raise ValueError(
            f"the model lies on several devices ({', '.join(devices)}); bring it to one"
        )
    if devices == ["meta"]:
        raise ValueError("the parameters of the model lie on the meta device and have no values")
    if function.move_data:
        return
    for tensor in tensors_of(batch.inputs) + tensors_of(batch.targets):
        if str(tensor.device) != devices[0]:
            raise ValueError(
                f"the data lie on {tensor.device}, the model on {devices[0]}; bring them together, "
                "or pass move_data=True to move each batch when it is read"
            )


def first_outputs(function: LossFunction, batch: Batch) -> Tree:
    """Return the outputs for the first batch, and see that the module keeps its buffers.

    Parameters
    ----------
    function : LossFunction
        The loss.
    batch : Batch
        The first batch.

    Returns
    -------
    tensor or pytree
        Outputs.

    Raises
    ------
    ValueError
        If the module does not take the batch, is random, or changes a buffer, its parameters
        or its inputs (which get their values back).
    """
    import torch
    from torch.utils._pytree import tree_leaves

    frozen = function.frozen()
    kept = [(t, t.clone()) for t in (*function.model.parameters(), *tensors_of(batch.inputs))]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            outputs = function.outputs(function.values(), batch, frozen)
            again = function.outputs(function.values(), batch, frozen)
        except (RuntimeError, TypeError, IndexError, AttributeError) as error:
            dtypes = {str(t.dtype) for t in tensors_of(batch.inputs)}
            raise ValueError(
                f"the model (parameters of {function.dtype}) does not take the first batch "
                f"(inputs of {', '.join(sorted(dtypes))}): {error}"
            ) from error
    for name, buffer in function.model.named_buffers():
        used = frozen[name]
        if used.shape != buffer.shape or not torch.equal(used, function.cast(buffer)):
            raise ValueError(
                f"the model changes its buffer {name} when it is called, so that the loss is no "
                "function of the parameters; call model.eval(), or take that out"
            )
    changed = [(tensor, before) for tensor, before in kept if not same_values(tensor, before)]
    with torch.no_grad():
        for tensor, before in changed:
            tensor.copy_(before)
    if changed:
        raise ValueError(
            "the model writes into its parameters or its inputs when it is called (an in-place "
            "operation, an embedding with max_norm), so that every call gives another loss; take "
            "that out"
        )
    rounding = 1e-9 if function.dtype == torch.float64 else 1e-4
    for one, other in zip(tree_leaves(outputs), tree_leaves(again), strict=False):
        if not hasattr(one, "is_floating_point") or not one.is_floating_point():
            continue
        change, size = float((one - other).double().norm()), float(one.double().norm())
        if change > rounding * size:
            raise ValueError(
                "the model gives other outputs for the same batch the second time (relative "
                f"difference {change / size:.2g}): something in it is random; call model.eval(), "
                "or take it out"
            )
    return outputs


def same_values(one: Array, other: Array) -> bool:
    """Whether two tensors of one shape are equal; NaN is equal to NaN.

    Parameters
    ----------
    one, other : tensor
        On one device.

    Returns
    -------
    bool
    """
    import torch

    if one.dtype == other.dtype and torch.equal(one, other):  # one pass, and no tensor made
        return True
    return bool(((one == other) | ((one != one) & (other != other))).all())


def refuse_bad_loss(function: LossFunction, outputs: Tree, batch: Batch) -> None:
    """Refuse a loss of the first batch that is no finite number.

    Parameters
    ----------
    function : LossFunction
        The loss.
    outputs : tensor or pytree
        Outputs for the batch.
    batch : Batch
        The first batch.

    Raises
    ------
    ValueError
        If it is not a scalar, not finite, or outputs and targets differ in shape.
    """
    import torch

    rule, targets = function.rule, batch.targets
    if rule.elementwise and not (hasattr(outputs, "shape") and hasattr(targets, "shape")):
        raise ValueError(
            f"this loss compares one tensor with another; the model returns a "
            f"{type(outputs).__name__}, targets are a {type(targets).__name__}: give a function of "
            "both that picks what it needs"
        )
    if rule.elementwise and tuple(outputs.shape) != tuple(targets.shape):
        raise ValueError(
            f"outputs have shape {tuple(outputs.shape)} and targets {tuple(targets.shape)}; this "
            "loss would spread one over the other: make them equal"
        )
    with torch.no_grad():
        try:
            loss = rule.total(outputs, batch)
        except (RuntimeError, TypeError, IndexError) as error:
            raise ValueError(f"the loss does not take the first batch: {error}") from error
    if not hasattr(loss, "ndim") or not loss.is_floating_point() or loss.numel() != 1:
        what = f"a tensor of shape {tuple(loss.shape)}" if hasattr(loss, "shape") else type(loss)
        raise ValueError(
            f"the loss must be one real number; got {what}: take its mean or sum over the samples"
        )
    if not math.isfinite(float(loss)):
        bad = any(not bool(torch.isfinite(p).all()) for p in function.values())
        why = "parameters are not finite" if bad else "look at the data and the outputs"
        raise ValueError(f"the loss of the first batch is {float(loss)}; {why}")


def finite_entries(array: Array, name: str) -> Array:
    """Return an array as it is, after a look at its entries.

    Parameters
    ----------
    array : ndarray
        What was computed.
    name : str
        What it is called in the message.

    Returns
    -------
    ndarray
        The same one.

    Raises
    ------
    ValueError
        If an entry is NaN or infinite.
    """
    bad = int(array.size - np.count_nonzero(np.isfinite(array)))
    if bad:
        raise ValueError(
            f"{bad} of {array.size} entries of the {name} are NaN or infinite; look for a "
            "function with infinite second derivatives (a square root or a norm at 0), or use "
            "dtype=torch.float64"
        )
    return array


def refuse_constant_loss(function: LossFunction, batch: Batch) -> None:
    """Refuse a loss through which no derivative reaches the parameters.

    Parameters
    ----------
    function : LossFunction
        The loss.
    batch : Batch
        Some samples.

    Raises
    ------
    ValueError
        If it does not depend on them, or is cut off from them.
    """
    with function.differentiable():
        leaves = [value.detach().requires_grad_() for value in function.values()]
        loss = function.loss(leaves, batch, function.frozen())
    if not loss.requires_grad:
        raise ValueError(
            "the loss does not depend on the parameters chosen, or is cut off from them (detach(), "
            "item(), numpy(), torch.no_grad() in the model or the loss), so that its derivatives "
            "are zero"
        )


def refuse_inseparable_loss(function: LossFunction, outputs: Tree, batch: Batch) -> None:
    """Refuse a loss that is not the sum of the losses of samples, which have no gradients then.

    Parameters
    ----------
    function : LossFunction
        The loss.
    outputs : tensor or pytree
        Outputs for the batch.
    batch : Batch
        The first batch.

    Raises
    ------
    ValueError
        If the losses of the samples do not add up to that of the batch.
    """
    import torch

    with torch.no_grad():
        try:
            losses = function.sample_losses(outputs, batch)
        except (RuntimeError, TypeError, ValueError, IndexError):
            return  # products tell
        rest = float((function.rule.total(outputs, batch) - losses.sum()).abs())
    rounding = max(1e-5, float(torch.finfo(losses.dtype).eps) ** 0.5)
    if rest > rounding * float(losses.abs().sum()):
        raise ValueError(
            "the loss of a batch is not the sum (or, times its count, the mean) of the losses of "
            "its samples (a weight for each of them?), whose gradients the empirical Fisher matrix "
            "is made of; put weights into the targets and take them apart in the loss"
        )


def refuse_mixed_precision(model: Module, blocks: Sequence[Block], dtype: object) -> None:
    """Refuse parameters of several precisions, or made in inference mode.

    Parameters
    ----------
    model : nn.Module
        The module.
    blocks : sequence of Block
        The parameters chosen.
    dtype : torch.dtype or None
        What they are turned into.

    Raises
    ------
    ValueError
        If they have no common precision, or no derivatives.
    """
    present = dict(model.named_parameters())
    found = sorted({str(present[block.name].dtype) for block in blocks})
    if dtype is None and len(found) > 1:
        raise ValueError(
            f"the parameters are of several precisions ({', '.join(found)}); give dtype=, or "
            "choose those of one by parameters="
        )
    if any(present[block.name].is_inference() for block in blocks):
        raise ValueError(
            "the model was made in torch.inference_mode(), so that its parameters have no "
            "derivatives; make it outside"
        )


def refuse_mixed_samples(function: LossFunction, outputs: Tree, batch: Batch) -> None:
    """Refuse a model whose outputs for some samples depend on the others of the batch.

    Parameters
    ----------
    function : LossFunction
        The loss, of data in several batches.
    outputs : tensor or pytree
        Outputs for the batch.
    batch : Batch
        The first batch.

    Raises
    ------
    ValueError
        If half of the batch gives other outputs alone.
    """
    import torch
    from torch.utils._pytree import tree_leaves

    def rows(tree: Tree) -> list[Array]:
        return [t for t in tree_leaves(tree) if hasattr(t, "is_floating_point")]

    m = batch.samples
    if m < 2 or any(not t.ndim or t.shape[0] != m for t in rows((outputs, batch.inputs))):
        return
    some = (m + 1) // 2
    with torch.no_grad():
        try:
            part = rows_of(batch, slice(0, some), m)
            alone = function.outputs(function.values(), part, function.frozen())
        except (RuntimeError, TypeError, IndexError, ValueError):
            return  # a model for batches of this size only
    rounding = max(1e-5, float(torch.finfo(function.dtype).eps) ** 0.5)
    for one, other in zip(rows(outputs), rows(alone), strict=False):
        if not one.is_floating_point() or one[:some].shape != other.shape:
            continue
        change = float((one[:some] - other).double().norm())
        if change > rounding * float(other.double().norm()):
            raise ValueError(
                "the outputs for a sample depend on the others of its batch (statistics of the "
                "batch?), so that the loss of the data depends on how they are cut; give them in "
                "one batch"
            )
