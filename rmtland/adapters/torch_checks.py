"""What would make a spectrum of a PyTorch model wrong or late to fail, looked for beforehand.

>>> [check.__name__ for check in (refuse_random_modules, refuse_other_device)]
['refuse_random_modules', 'refuse_other_device']
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rmtland.adapters.torch_batches import Batch, tensors_of
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.adapters.torch_products import ROUTES, DifferenceProducts
from rmtland.typing import Array

__all__ = [
    "distance_to_differences",
    "finite_entries",
    "first_outputs",
    "refuse_bad_loss",
    "refuse_other_device",
    "refuse_random_modules",
]


def refuse_random_modules(model: Any) -> None:
    """Refuse modules whose outputs are random, or mix the samples of a batch.

    Parameters
    ----------
    model : nn.Module
        The module.

    Raises
    ------
    ValueError
        For dropout in training mode, or batch normalisation with the statistics of the batch.
    """
    from torch import nn

    for name, module in model.named_modules():
        where = f"module {name or 'model'} ({type(module).__name__})"
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


def refuse_other_device(model: Any, function: LossFunction, batch: Batch) -> None:
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


def first_outputs(function: LossFunction, batch: Batch) -> Any:
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
        If the module does not take the batch, changes a buffer, or is random.
    """
    import torch
    from torch.utils._pytree import tree_leaves

    frozen = function.frozen()
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
        kept = function.buffers[name]
        if kept.shape != buffer.shape or not torch.equal(kept, function.cast(buffer)):
            function.buffers[name] = function.cast(buffer.detach()).clone()
            raise ValueError(
                f"the model changes its buffer {name} when it is called, so that the loss is no "
                "function of the parameters; call model.eval(), or take that out"
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


def refuse_bad_loss(function: LossFunction, outputs: Any, batch: Batch) -> None:
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


def distance_to_differences(
    function: LossFunction, batch: Batch, part: str, route: str, vector: Array
) -> float:
    """Return how far a product is from a difference of gradients, relative to its size.

    A function of one's own whose backward pass has no derivative can drop out of the graph without
    a word (`once_differentiable` does, where its inputs are not reached another way), and then
    products are those of another matrix. The differences are taken in double precision, over steps
    so short that few kinks of ReLU lie between.

    Parameters
    ----------
    function : LossFunction
        The loss.
    batch : Batch
        Some samples.
    part : str
        Which matrix.
    route : str
        Of the product.
    vector : tensor, shape (p,)
        What is multiplied.

    Returns
    -------
    float
        Relative distance, less what single precision or rounding explains.
    """
    import torch

    for dtype in dict.fromkeys((torch.float64, function.dtype)):
        double = LossFunction(
            function.model, function.rule, function.blocks, dtype=dtype, move_data=True
        )
        cast = double.batch(batch)
        pieces = [vector[b.slice].reshape(b.shape).to(dtype) for b in function.blocks]
        try:
            exact = _flat(ROUTES[route](double, cast, part)(pieces))
            distances = [
                _distance(exact, DifferenceProducts(double, cast, part, step=step), pieces)
                - allowed
                for step, allowed in _STEPS[dtype == torch.float64]
            ]
        except (RuntimeError, TypeError):  # a module that makes tensors of one precision only
            if dtype == function.dtype:
                raise
            continue
        return max(0.0, min(distances))
    return 0.0


_STEPS = {True: ((1e-8, 1e-3), (1e-4, 0.03)), False: ((1e-3, 0.3),)}
"""Relative steps and distances that are rounding, curvature or kinks: in double precision or not.

The longer one is for modules that compute a part in single precision.
"""


def _flat(pieces: Any) -> Array:
    import torch

    return torch.cat([piece.reshape(-1).double() for piece in pieces])


def _distance(exact: Array, differences: DifferenceProducts, pieces: Any) -> float:
    """Return the relative distance of a product to differences, less their rounding."""
    near = _flat(differences(pieces))
    size = max(float(exact.norm()), float(near.norm()))
    norm = float(_flat(pieces).norm())
    gap = float((exact - near).norm()) - 2 * differences.rounding * norm
    return gap / size if size else 0.0
