r"""What a PyTorch loss of a batch adds to the loss of a data set.

With batches b of counts N_b the loss of the data is

.. math::

    L = \sum_b S_b \quad\text{or}\quad L = \frac{\sum_b S_b}{\sum_b N_b},

where S_b is the loss of the batch with reduction "sum". N_b counts what the reduction "mean" of
that loss divides by: entries for the squared error, targets that are not ignored for the
cross-entropy (with their class weights), samples for a loss of one's own. So the mean is that of
the data, whatever the sizes of the batches.

>>> own = own_loss(lambda outputs, targets: 0.5, reduction="mean", count=None)
>>> own.divides, own.is_likelihood
(True, False)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rmtland.adapters.loss_parts import LossParts
from rmtland.adapters.torch_batches import Batch, tensors_of
from rmtland.adapters.torch_loss_parts import REMEDY, Pair, has_rows, parts_of, parts_of_both
from rmtland.arguments import choice
from rmtland.typing import Array, Record, Tree

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = [
    "LossRule",
    "loss_rule",
    "own_loss",
    "probed_reduction",
    "refuse_no_batch_axis",
    "refuse_other_reduction",
    "refuse_parameters_in_loss",
    "refuse_untold",
]

_MEANS = {
    "MSELoss": "mse_loss",
    "L1Loss": "l1_loss",
    "SmoothL1Loss": "smooth_l1_loss",
    "HuberLoss": "huber_loss",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "CrossEntropyLoss": "cross_entropy",
    "NLLLoss": "nll_loss",
}
_LIKELIHOODS = ("mse_loss", "binary_cross_entropy_with_logits", "cross_entropy")
_ENTRIES = ("mse_loss", "l1_loss", "huber_loss")
_OPTIONS = ("weight", "ignore_index", "label_smoothing", "beta", "delta", "pos_weight")


@dataclass(frozen=True, eq=False)
class LossRule:
    """How the loss of the data is made of batches.

    Parameters
    ----------
    total : callable
        Outputs, batch -> S_b, a tensor without axes.
    count : callable
        Batch -> N_b.
    divides : bool
        Whether the sum over batches is divided by the sum of the counts.
    is_likelihood : bool
        Whether it is the negative log-likelihood of a natural exponential family in its mean's
        link, so that the Fisher matrix is the Gauss-Newton matrix.
    elementwise : bool
        Whether outputs and targets must have the same shape.
    is_known : bool
        Whether it is a loss of PyTorch.
    is_quadratic : bool
        Whether it is known to be a squared error of the outputs.
    separates : bool
        Whether S_b is known to be the sum of the losses of its samples.
    """

    total: Callable[[Tree, Batch], Array]
    count: Callable[[Batch], float]
    divides: bool
    is_likelihood: bool = False
    elementwise: bool = False
    is_known: bool = False
    is_quadratic: bool = False
    separates: bool = True


def loss_rule(
    loss: Callable[..., Array], *, reduction: str | None, count: Callable[[Tree], float] | None
) -> LossRule | None:
    """Return the rule of a loss of PyTorch, or of any other where its reduction is given.

    Parameters
    ----------
    loss : nn.Module, callable or None
        Outputs, targets -> scalar; None where the model returns its loss.
    reduction : {"mean", "sum"}, optional
        Of a loss of one's own.
    count : callable, optional
        Targets -> what "mean" divides by.

    Returns
    -------
    LossRule, or None
        None where the reduction has to be found out (`probed_reduction`).

    Raises
    ------
    ValueError
        For an unknown reduction, or one that leaves several numbers.
    """
    if reduction is not None:
        choice("reduction", reduction, ("mean", "sum"))
    known = _known(loss)
    if known is None:
        if reduction is None and count is None:
            return None
        return own_loss(loss, reduction=reduction or "mean", count=count)
    name, function, options = known
    own = options.pop("reduction", "mean")
    if own not in ("mean", "sum"):
        raise ValueError(
            f"the loss has reduction={own!r} and returns many numbers; set 'mean' or 'sum'"
        )
    if reduction is not None and reduction != own:
        raise ValueError(f"reduction={reduction!r}, but the loss itself has reduction={own!r}")
    total = functools.partial(_summed, function, options)
    if count is not None:
        counted: Callable[[Batch], float] = functools.partial(_counted, count)
    elif name in ("cross_entropy", "nll_loss"):
        counted = functools.partial(_labels, options)
    else:
        counted = _entries
    weighted = any(options.get(key) is not None for key in ("weight", "pos_weight"))
    return LossRule(
        total,
        counted,
        own == "mean",
        is_likelihood=name in _LIKELIHOODS and not weighted,
        elementwise=name not in ("cross_entropy", "nll_loss"),
        is_known=True,
        is_quadratic=name == "mse_loss",
    )


def own_loss(
    loss: Callable[..., Array], *, reduction: str, count: Callable[[Tree], float] | None
) -> LossRule:
    """Return the rule of a loss of one's own.

    Parameters
    ----------
    loss : callable or None
        Outputs, targets -> scalar; None where the outputs are the loss, or have it as `loss`.
    reduction : {"mean", "sum"}
        What it does over samples.
    count : callable, optional
        Targets -> what "mean" divides by; the samples of a batch by default.

    Returns
    -------
    LossRule
    """
    value = _own_value if loss is None else functools.partial(_of_targets, loss)
    counted = _samples if count is None else functools.partial(_counted, count)
    if reduction == "sum":
        return LossRule(value, counted, False)
    return LossRule(functools.partial(_multiplied, value, counted), counted, True)


def probed_reduction(loss: Callable[..., Array], outputs: Tree, batch: Batch) -> tuple[str, bool]:
    """Return whether a loss is the mean or the sum over the samples of a batch, by trial.

    The loss of the batch is compared with the losses of two parts of it.

    Parameters
    ----------
    loss : callable
        Outputs, targets -> scalar.
    outputs : tensor or pytree
        Outputs of the model for the batch.
    batch : Batch
        The batch.

    Returns
    -------
    reduction : {"mean", "sum"}
        Which one.
    tells : bool
        Whether it is not the other too.

    Raises
    ------
    ValueError
        If it is neither, or the batch has a single sample.
    """
    m = batch.samples
    if loss is None or m < 2:
        why = "the model returns it itself" if loss is None else "the first batch has one sample"
        raise ValueError(
            f"whether the loss is a mean or a sum cannot be found out: {why}; {REMEDY}"
        )
    if not has_rows(outputs, batch):
        raise ValueError(
            "whether the loss is a mean or a sum cannot be found out: outputs and targets do not "
            f"have one row per sample; {REMEDY}"
        )
    refuse_no_batch_axis(batch)
    parts = parts_of(loss, outputs, batch)
    return parts.reduction(REMEDY), parts.tells


def refuse_no_batch_axis(batch: Batch) -> None:
    """Refuse a single sample without a batch axis, the axis of whose targets is of other things.

    Parameters
    ----------
    batch : Batch
        The first batch.

    Raises
    ------
    ValueError
        If the inputs are one tensor that has no axis as long as the first one of the targets.
    """
    m, inputs = batch.samples, batch.inputs
    if hasattr(inputs, "shape") and m not in inputs.shape:
        raise ValueError(
            f"targets have {m} rows, and inputs of shape {tuple(inputs.shape)} no axis of that "
            "length: a sample without a batch axis? Give each batch one (x[None], y[None]; a "
            f"DataLoader with batch_size=1), or {REMEDY}"
        )


def refuse_other_reduction(
    loss: Callable[..., Array], reduction: str, first: Pair, later: Pair, number: int
) -> bool:
    """Refuse a loss that is not the mean, or the sum, over the samples of a later batch.

    Nor over those of the first batch and it together.

    Parameters
    ----------
    loss : callable
        Outputs, targets -> scalar.
    reduction : {"mean", "sum"}
        What it is in the first batch.
    first, later : (outputs, Batch)
        The first batch and a later one, with the outputs of the model for them.
    number : int
        Which one, from 1.

    Returns
    -------
    bool
        Whether it is not the other reduction too.

    Raises
    ------
    ValueError
        If it is another one.
    """
    found = {}
    if has_rows(*later):
        if later[1].samples > 1:
            found[f"batch {number}"] = parts_of(loss, *later)
        together = parts_of_both(loss, first, later)
        if together is not None:
            found[f"batch {number} with the first"] = together
    for which, parts in found.items():
        parts.refuse_other(reduction, which, REMEDY)
    return any(parts.tells for parts in found.values())


def refuse_untold(told: bool) -> None:
    """Refuse a loss of which no batch tells whether it is a mean or a sum.

    Parameters
    ----------
    told : bool
        Whether one did.

    Raises
    ------
    ValueError
        If none did.
    """
    LossParts.refuse_untold(told, REMEDY)


def refuse_parameters_in_loss(
    rule: LossRule, parameters: Record, outputs: Tree, batch: Batch
) -> None:
    """Refuse a loss that depends on parameters of the model beside its outputs.

    Derivatives are those of the outputs: a penalty would be left out of every product.

    Parameters
    ----------
    rule : LossRule
        The loss.
    parameters : dict of str to tensor
        The model's own, by name.
    outputs : tensor or pytree
        Outputs for the batch, without derivatives.
    batch : Batch
        The batch.

    Raises
    ------
    ValueError
        If it depends on one.
    """
    import torch

    value = rule.total(outputs, batch)
    own = {name: p for name, p in parameters.items() if p.requires_grad}
    if not value.requires_grad or not own:
        return
    slopes = torch.autograd.grad(value, list(own.values()), allow_unused=True)
    used = [name for name, slope in zip(own, slopes, strict=True) if slope is not None]
    if used:
        raise ValueError(
            f"the loss depends on parameters of the model beside its outputs ({used[0]!r}"
            f"{f' and {len(used) - 1} others' if used[1:] else ''}: a penalty?), which products "
            "would leave out; let the model return its whole loss (loss=None), or add the "
            "penalty's Hessian to the operator"
        )


def _known(loss: Any) -> tuple[str, Callable[..., Array], Record] | None:
    """Return name, function and options of a loss of PyTorch."""
    import torch

    functional = torch.nn.functional
    options: Record = {}
    if isinstance(loss, functools.partial) and not loss.args:
        options, loss = dict(loss.keywords), loss.func
    for module, name in _MEANS.items():
        function = getattr(functional, name)
        if loss is function:
            # with weights of entries the mean divides by their sum, and they fit one batch only
            entries = name in _ENTRIES and options.get("weight") is not None
            known = set(options) <= {*_OPTIONS, "reduction"} and not entries
            return (name, function, options) if known else None
        if type(loss) is getattr(torch.nn, module) and not _is_changed(loss):
            given = {key: getattr(loss, key) for key in _OPTIONS if hasattr(loss, key)}
            return name, function, {**given, "reduction": loss.reduction}
    return None


def _is_changed(module: Module) -> bool:
    """Whether a call of a module does more than the forward method of its class."""
    hooks = any(getattr(module, name) for name in ("_forward_hooks", "_forward_pre_hooks"))
    return hooks or "forward" in vars(module)


def _of_targets(loss: Callable[[Tree, Tree], Tree], outputs: Tree, batch: Batch) -> Array:
    return loss(outputs, batch.targets)


def _summed(function: Callable[..., Array], options: Record, outputs: Tree, batch: Batch) -> Array:
    """Return the loss with reduction "sum", tensors among its options of the outputs' dtype."""
    fitted = {
        key: value.to(outputs) if hasattr(value, "to") else value for key, value in options.items()
    }
    return function(outputs, batch.targets, reduction="sum", **fitted)


def _entries(batch: Batch) -> float:
    return float(sum(t.numel() for t in tensors_of(batch.targets)))


def _samples(batch: Batch) -> float:
    return float(batch.samples)


def _counted(count: Callable[[Tree], float], batch: Batch) -> float:
    return float(count(batch.inputs if batch.targets is None else batch.targets))


def _labels(options: Record, batch: Batch) -> float:
    """Return what the mean of a cross-entropy divides by: labels that are not ignored, weighted."""
    targets = batch.targets
    if targets.is_floating_point():  # probabilities of classes, along axis 1
        return float(targets.numel() / (targets.shape[1] if targets.ndim > 1 else targets.shape[0]))
    kept = targets != options.get("ignore_index", -100)
    weight = options.get("weight")
    if weight is None:
        return float(kept.sum())
    return float(weight.to(targets.device).double()[targets[kept]].sum())


def _own_value(outputs: Tree, batch: Batch) -> Array:
    return getattr(outputs, "loss", outputs)


def _multiplied(
    loss: Callable[[Tree, Batch], Array],
    count: Callable[[Batch], float],
    outputs: Tree,
    batch: Batch,
) -> Tree:
    """Return the mean times its count."""
    return loss(outputs, batch) * count(batch)
