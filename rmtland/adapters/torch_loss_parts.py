"""Losses of parts of a batch, and of batches together: by them a loss is a mean, a sum or neither.

What it comes to is said by `rmtland.adapters.loss_parts`.

>>> REMEDY.startswith("say reduction=")
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from rmtland.adapters.loss_parts import LossParts, first_part
from rmtland.adapters.torch_batches import Batch, mapped, tensors_of
from rmtland.typing import Array, Tree

__all__ = ["REMEDY", "Pair", "has_rows", "parts_of", "parts_of_both"]

REMEDY = "say reduction='mean' or 'sum', with count_targets= where 'mean' divides by others"
"""What is said where the reduction of a loss is not found out."""

Pair = tuple[Tree, Batch]
"""Outputs of a batch, and the batch."""


def has_rows(outputs: Tree, batch: Batch) -> bool:
    """Whether outputs and targets have one row per sample.

    Parameters
    ----------
    outputs : tensor or pytree
        Outputs of the model for the batch.
    batch : Batch
        The batch.

    Returns
    -------
    bool
    """
    from torch.utils._pytree import tree_leaves

    leaves = [t for t in tree_leaves(outputs) if hasattr(t, "ndim")] + tensors_of(batch.targets)
    return all(not t.ndim or t.shape[0] == batch.samples for t in leaves)


def parts_of(loss: Callable[..., Array], outputs: Tree, batch: Batch) -> LossParts:
    """Return the losses of a batch and of two parts of it.

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
    LossParts

    Raises
    ------
    ValueError
        If the loss does not take parts of a batch.
    """
    from torch.utils._pytree import tree_map

    m, k = batch.samples, first_part(batch.samples)
    cuts = [partial(_rows, rows) for rows in _cuts(k)]
    pairs = [(tree_map(cut, outputs), mapped(cut, batch.targets)) for cut in cuts]
    return _telling(loss, pairs, m, k)


def _telling(loss: Callable[..., Array], pairs: Sequence[Pair], m: int, k: int) -> LossParts:
    """Return the losses of two parts and the whole, beside the outputs where all of them are 0.

    Beside are outputs moved at random, or where the loss is not defined there (of probabilities)
    each sample's in the middle of its own and those of the one before.
    """
    import torch
    from torch.utils._pytree import tree_map

    parts = LossParts(m, k, *_exact_losses(loss, pairs))
    if parts.whole or parts.of_first or parts.of_others:
        return parts
    generator = torch.Generator().manual_seed(20261128)

    def moved(whole: Array) -> Array:
        size = float(whole.double().square().mean().sqrt()) or 1.0
        drawn = torch.randn(whole.shape, generator=generator, dtype=torch.float64, device="cpu")
        return whole + (size * drawn).to(whole)

    def halfway(whole: Array) -> Array:
        return (whole + whole.roll(1, 0)) / 2 if whole.ndim else whole

    for beside in (moved, halfway):
        there = tree_map(partial(_where_floating, beside), pairs[0][0])
        cuts = [tree_map(partial(_rows, rows), there) for rows in _cuts(k)]
        shifted = [(outputs, targets) for outputs, (_, targets) in zip(cuts, pairs, strict=True)]
        try:
            found = LossParts(m, k, *_exact_losses(loss, shifted))
        except Exception:  # a loss of one's own raises anything outside its domain
            continue
        if math.isfinite(found.whole + found.of_first + found.of_others):
            return found
    return parts


def _cuts(k: int) -> tuple[slice, slice, slice]:
    """Return the rows of the whole, of its first k samples, and of the others."""
    return slice(None), slice(k), slice(k, None)


def _rows(rows: slice, t: Tree) -> Tree:
    return t[rows] if hasattr(t, "ndim") and t.ndim else t


def _where_floating(function: Callable[[Array], Array], t: Tree) -> Tree:
    return function(t) if hasattr(t, "is_floating_point") and t.is_floating_point() else t


def _exact_losses(
    loss: Callable[..., Array], pairs: Sequence[Tree]
) -> tuple[float, float, float, float]:
    """Return three losses in double precision, where they can be computed so, and their rounding.

    In single precision a constant in the loss hides what it adds to.
    """
    import torch
    from torch.utils._pytree import tree_leaves, tree_map

    double = partial(_where_floating, torch.Tensor.double)
    given = next((t.dtype for t in tree_leaves(pairs[0][0]) if double(t) is not t), None)
    found = None
    if given is not None:
        try:
            found = [loss(*(tree_map(double, one) for one in pair)) for pair in pairs]
        except (RuntimeError, TypeError, ValueError, IndexError):
            found = None  # it has tensors of its own that do not go with them
    if found is None:
        try:
            found, given = [loss(*pair) for pair in pairs], None
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise ValueError(
                "whether the loss is a mean or a sum cannot be found out, since it does not take "
                f"parts of a batch ({str(error).splitlines()[0]}); {REMEDY}"
            ) from error
    if getattr(found[0], "dtype", None) != torch.float64:
        rounding = 1e-5
    else:
        rounding = 1e-9 if given is None else 1e-6
    first, second, third = (float(value) for value in found)
    return first, second, third, rounding


def parts_of_both(loss: Callable[..., Array], first: Pair, later: Pair) -> LossParts | None:
    """Return the loss of two batches as one and those of each.

    Parameters
    ----------
    loss : callable
        Outputs, targets -> scalar.
    first, later : (tensor or pytree, Batch)
        Outputs for a batch, and the batch.

    Returns
    -------
    LossParts or None
        None where the two do not fit together.

    Raises
    ------
    ValueError
        If the loss does not take batches of other sizes.
    """
    import torch
    from torch.utils._pytree import tree_flatten, tree_unflatten

    (outputs, one), (others, other) = first, later
    leaves, shape = tree_flatten((outputs, one.targets))
    further, like = tree_flatten((others, other.targets))
    if shape != like or not has_rows(outputs, one):
        return None
    joined = []
    for a, b in zip(leaves, further, strict=True):
        if hasattr(a, "ndim"):
            if not a.ndim or a.shape[1:] != b.shape[1:]:
                return None
            a = torch.cat((a, b))
        joined.append(a)
    pairs = [tree_unflatten(joined, shape), (outputs, one.targets), (others, other.targets)]
    return _telling(loss, pairs, one.samples + other.samples, one.samples)
