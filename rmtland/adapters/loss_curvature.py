r"""Whether the derivatives of a PyTorch loss in the outputs are those of its values.

The Gauss-Newton matrix :math:`J^T \Lambda J` and the residual part are made of derivatives of the
loss in the outputs o, which `detach` and the like hide without a word; so for a random vector v

.. math::

    \nabla L \cdot v \approx \frac{L(o + h v) - L(o - h v)}{2h}, \qquad
    \Lambda v \approx \frac{\nabla L(o + h v) - \nabla L(o - h v)}{2h}

are compared on the first samples, in double precision.

>>> refuse_hidden_curvature.__name__
'refuse_hidden_curvature'
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rmtland.adapters.torch_batches import Batch, mapped, tensors_of
from rmtland.typing import Array, Tree

__all__ = ["refuse_hidden_curvature"]

_SAMPLES = 64
_TRIALS = ((0.0, 1e-8), (1e-3, 1e-8), (1e-3, 1e-3))
"""How far from the outputs, and the step, in units of the outputs: at them, beside them where they
lie on a kink, and by a step that says something of a loss in single precision."""
_FAR = 0.01
_ROUNDING = 1e-14


def refuse_hidden_curvature(loss: Callable[..., Array], outputs: Tree, batch: Batch) -> None:
    """Refuse a loss whose derivatives in the outputs are not those of its values.

    Parameters
    ----------
    loss : callable
        Outputs, targets -> scalar.
    outputs : tensor or pytree of tensors
        Outputs for the batch.
    batch : Batch
        The batch; the first 64 samples are looked at.

    Raises
    ------
    ValueError
        If slopes or products differ from differences in all trials: at the outputs and beside them
        (a kink at one place is no fault). A loss that takes no double precision is not tried.
    """
    from torch.utils._pytree import tree_flatten

    leaves, shape = tree_flatten(outputs)
    own = [t for t in leaves if hasattr(t, "ndim")] + tensors_of(batch.targets)
    by_sample = all(t.ndim and t.shape[0] == batch.samples for t in own)

    def few(t: Tree) -> Array:
        t = t[:_SAMPLES] if by_sample and hasattr(t, "ndim") else t
        return t.double() if _is_real(t) else t

    ends = _Ends(loss, shape, [few(t) for t in leaves], mapped(few, batch.targets))
    try:
        hidden = ends.places and not any(ends.agree(*trial) for trial in _TRIALS)
    except (RuntimeError, TypeError, ValueError):  # it has no such derivatives: products tell
        return
    if hidden:
        raise ValueError(
            "the derivatives of the loss in the outputs are not those of its values: look for "
            "detach, no_grad, random numbers, half precision or a backward pass of one's own in "
            "the loss; check=False takes them as they are"
        )


class _Ends:
    """A loss along a line through its outputs."""

    def __init__(
        self, loss: Callable[..., Array], shape: object, leaves: list[Tree], targets: Tree
    ) -> None:
        import torch

        self.loss, self.shape, self.leaves, self.targets = loss, shape, leaves, targets
        self.places = [i for i, t in enumerate(leaves) if _is_real(t) and t.numel()]
        generator = torch.Generator().manual_seed(20261128)

        def drawn() -> list[Tree]:
            return [
                torch.randn(
                    leaves[i].shape, generator=generator, dtype=torch.float64, device="cpu"
                ).to(leaves[i].device)
                for i in self.places
            ]

        self.beside, self.along = drawn(), drawn()
        self.size = (
            max((_norm([leaves[i]]) / leaves[i].numel() ** 0.5 for i in self.places), default=0.0)
            or 1.0
        )

    def agree(self, shift: float, step: float) -> bool:
        """Return whether slope and product are those of differences at one place."""
        import torch

        value, gradient, points = self._slopes(shift, 0.0)
        slope = _inner(gradient, self.along)
        product = [torch.zeros_like(g) for g in gradient]
        if slope.requires_grad:
            product = list(
                torch.autograd.grad(slope, points, allow_unused=True, materialize_grads=True)
            )
        (up, above, _), (down, below, _) = (self._slopes(shift, s * step) for s in (1.0, -1.0))
        way = 2 * step * self.size
        off = _norm([(a - b) / way - c for a, b, c in zip(above, below, product, strict=True)])
        along, norm = float((up - down).detach()) / way, _norm(gradient)
        rounding = _ROUNDING / (step * self.size)
        allowed = _FAR * (abs(along) + norm) + rounding * abs(float(value.detach()))
        return (
            off <= _FAR * _norm(product) + rounding * norm
            and abs(along - float(slope.detach())) <= allowed
        )

    def _slopes(self, shift: float, step: float) -> tuple[Array, list[Tree], list[Tree]]:
        """Return the loss, its gradient with a graph, and where they are taken."""
        import torch
        from torch.utils._pytree import tree_unflatten

        moved, points = list(self.leaves), []
        for i, beside, along in zip(self.places, self.beside, self.along, strict=True):
            point = self.leaves[i] + self.size * (shift * beside + step * along)
            moved[i] = point.detach().requires_grad_()
            points.append(moved[i])
        value = self.loss(tree_unflatten(moved, self.shape), self.targets)
        found = torch.autograd.grad(
            value, points, create_graph=True, allow_unused=True, materialize_grads=True
        )
        return value, list(found), points


def _is_real(value: object) -> bool:
    return hasattr(value, "is_floating_point") and bool(value.is_floating_point())


def _inner(one: Sequence[Tree], other: Sequence[Tree]) -> Array:
    return sum((a * b).sum() for a, b in zip(one, other, strict=True))


def _norm(tensors: Sequence[Tree]) -> float:
    return math.sqrt(sum(float(t.detach().square().sum()) for t in tensors))
