r"""Products of a batch's Hessian, or of a part of it, with vectors.

With outputs o(theta), r = dl/do and Lambda = d^2 l/do^2,

.. math::

    H v = \frac{\partial}{\partial\theta} \Bigl(\frac{\partial S}{\partial\theta} \cdot v\Bigr),
    \qquad H_0 v = J^T \Lambda J v, \qquad
    H_1 v = \frac{\partial}{\partial\theta}
        \Bigl(\frac{\partial (\bar r \cdot o)}{\partial\theta} \cdot v\Bigr)

with a fixed copy of r, and the empirical Fisher matrix is J^T D J with J of the losses of the
samples. Three routes:

- `GraphProducts` (double backward, Pearlmutter 1994): one graph of the gradient a batch, kept for
  all vectors; J v is the derivative of J^T u in u.
- `ForwardProducts` (forward over reverse): `torch.func.jvp` of `torch.func.grad`, which makes the
  forward pass anew for each vector, and keeps no graph.
- `DifferenceProducts`: differences of gradients, for modules without second derivatives; it says
  how far it may be off.

>>> sorted(ROUTES)
['double_backward', 'finite_differences', 'forward_over_reverse']
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from rmtland.adapters.torch_batches import Batch, rows_of
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.typing import Array, Record, Tree

__all__ = ["PARTS", "ROUTES", "DifferenceProducts", "ForwardProducts", "GraphProducts"]

PARTS = ("total", "gauss_newton", "residual", "fisher", "empirical_fisher")

Vectors = Sequence[Array]
"""One tensor of the shape of each block."""


class Products(Protocol):
    """Products of one batch, from one point in parameter space."""

    error: float
    """Largest relative error of a product so far, where it has one besides rounding."""

    def __call__(self, vectors: Vectors) -> Vectors:
        """Return the product with one vector, block by block."""

    def several(self, vectors: Vectors) -> Vectors:
        """Return the products with k vectors, the first axis of every block, at once."""


class GraphProducts:
    """Products by double backward, from a graph of the gradient that is kept.

    Parameters
    ----------
    function : LossFunction
        The loss.
    batch : Batch
        Of which samples.
    part : str
        Which matrix.
    """

    error = 0.0

    def __init__(self, function: LossFunction, batch: Batch, part: str) -> None:
        import torch

        self.leaves = [value.detach().requires_grad_() for value in function.values()]
        frozen = function.frozen()
        if part == "total":
            loss = function.loss(self.leaves, batch, frozen)
            self._gradient = _derivatives([loss], self.leaves, None, create=True)
            self._apply = self._of_gradient
            return
        outputs, rebuild = _flat_outputs(function.outputs(self.leaves, batch, frozen))
        if part == "empirical_fisher":
            losses = function.sample_losses(rebuild(outputs), batch)
            self._outputs, self._weights = [losses], _row_weights(function, batch, losses)
            self._apply = self._of_jacobian
            self._curvature = self._times_weights
        else:
            ends = [o.detach().requires_grad_() for o in outputs]
            loss = function.rule.total(rebuild(ends), batch)
            slopes = _derivatives([loss], ends, None, create=True)
            if part == "residual":
                fixed = [s.detach() for s in slopes]
                self._gradient = _derivatives(outputs, self.leaves, fixed, create=True)
                self._apply = self._of_gradient
                return
            self._outputs, self._ends, self._slopes = outputs, ends, slopes
            self._apply = self._of_jacobian
            self._curvature = self._times_curvature
        self._duals = [torch.zeros_like(o, requires_grad=True) for o in self._outputs]
        self._transposed = _derivatives(self._outputs, self.leaves, self._duals, create=True)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Return the product with one vector, block by block."""
        return self._apply(vectors, False)

    def several(self, vectors: Vectors) -> Vectors:
        """Return the products with k vectors, the first axis of every block, at once."""
        return self._apply(vectors, True)

    def _of_gradient(self, vectors: Vectors, several: bool) -> Vectors:
        return _derivatives(self._gradient, self.leaves, vectors, several=several)

    def _of_jacobian(self, vectors: Vectors, several: bool) -> Vectors:
        moved = _derivatives(self._transposed, self._duals, vectors, several=several)
        bent = self._curvature(moved, several)
        return _derivatives(self._outputs, self.leaves, bent, several=several)

    def _times_curvature(self, moved: Vectors, several: bool) -> list[Array]:
        return _derivatives(self._slopes, self._ends, moved, several=several)

    def _times_weights(self, moved: Vectors, several: bool) -> list[Array]:
        return [self._weights * moved[0]]


class ForwardProducts:
    """Products by forward over reverse mode of `torch.func`.

    Parameters
    ----------
    function : LossFunction
        The loss.
    batch : Batch
        Of which samples.
    part : str
        Which matrix.
    """

    error = 0.0

    def __init__(self, function: LossFunction, batch: Batch, part: str) -> None:
        import torch

        self._func = torch.func
        self.function, self.batch, self.part = function, batch, part
        self.values, self.frozen = function.values(), function.frozen()
        if part == "residual":
            outputs, rebuild = _flat_outputs(self._model(self.values))
            slopes = self._slopes(rebuild)(tuple(outputs))
            self._fixed = [s.detach() for s in slopes]

    def __call__(self, vectors: Vectors) -> Vectors:
        """Return the product with one vector, block by block."""
        along = tuple(vectors)
        if self.part in ("total", "residual"):
            gradient = self._func.grad(self._loss if self.part == "total" else self._projected)
            product: Vectors = self._func.jvp(gradient, (self.values,), (along,))[1]
            return product
        outputs, moved = self._func.jvp(self._flat, (self.values,), (along,))
        if self.part == "empirical_fisher":
            bent: Tree = (self._weights(outputs[0]) * moved[0],)
        else:
            _, rebuild = _flat_outputs(self._model(self.values))
            bent = self._func.jvp(self._slopes(rebuild), (outputs,), (moved,))[1]
        _, pull = self._func.vjp(self._flat, self.values)
        result: Vectors = pull(bent)[0]
        return result

    def several(self, vectors: Vectors) -> Vectors:
        """Return the products with k vectors, the first axis of every block, at once."""
        result: Vectors = self._func.vmap(lambda *v: tuple(self(v)))(*vectors)
        return result

    def _model(self, values: Vectors) -> Tree:
        return self.function.outputs(values, self.batch, self.frozen)

    def _loss(self, values: Vectors) -> Array:
        return self.function.loss(values, self.batch, self.frozen)

    def _flat(self, values: Vectors) -> tuple[Array, ...]:
        outputs = self._model(values)
        if self.part == "empirical_fisher":
            return (self.function.sample_losses(outputs, self.batch),)
        return tuple(_flat_outputs(outputs)[0])

    def _projected(self, values: Vectors) -> Array:
        outputs = _flat_outputs(self._model(values))[0]
        return sum((s * o).sum() for s, o in zip(self._fixed, outputs, strict=True))

    def _slopes(self, rebuild: Callable[[Sequence[Array]], Tree]) -> Callable[..., Tree]:
        def loss(outputs: Sequence[Array]) -> Array:
            return self.function.rule.total(rebuild(outputs), self.batch)

        slopes: Callable[..., Tree] = self._func.grad(loss)
        return slopes

    def _weights(self, losses: Array) -> Array:
        return _row_weights(self.function, self.batch, losses)


class DifferenceProducts:
    r"""Products by central differences of gradients, extrapolated (Richardson).

    With D(h) = (g(theta + h v) - g(theta - h v))/2h the product is (4 D(h) - D(2h))/3; the stated
    error is its distance to D(h), and the rounding of the gradients over h. J v of the other
    matrices is a difference of outputs.

    Parameters
    ----------
    function : LossFunction
        The loss.
    batch : Batch
        Of which samples.
    part : str
        Which matrix.
    step : float, optional
        Of the parameters, relative to their norm; by default that of least error for a smooth
        function.
    """

    def __init__(
        self, function: LossFunction, batch: Batch, part: str, *, step: float | None = None
    ) -> None:
        import torch

        self._torch = torch
        self.function, self.batch, self.part = function, batch, part
        self.values, self.frozen = function.values(), function.frozen()
        self.error = self.rounding = 0.0
        self._step = float(torch.finfo(function.dtype).eps) ** 0.2 if step is None else step
        self._fixed: list[Array] = []
        self._ends: list[Array] = []
        self._slopes: list[Array] = []
        if part in ("residual", "gauss_newton", "fisher"):
            outputs, rebuild = _flat_outputs(self._model(self.values))
            self._ends = [o.detach().requires_grad_() for o in outputs]
            loss = function.rule.total(rebuild(self._ends), batch)
            self._slopes = list(
                torch.autograd.grad(loss, self._ends, create_graph=True, materialize_grads=True)
            )
            self._fixed = [s.detach() for s in self._slopes]

    def __call__(self, vectors: Vectors) -> Vectors:
        """Return the product with one vector, block by block."""
        if self.part in ("total", "residual"):
            return self._difference(self._gradient, vectors)
        moved = self._difference(self._flat, vectors)
        leaves = [value.detach().requires_grad_() for value in self.values]
        outputs = self._flat(leaves)
        if self.part == "empirical_fisher":
            bent = [_row_weights(self.function, self.batch, outputs[0]) * moved[0]]
        else:
            bent = _derivatives(self._slopes, self._ends, moved)
        return _derivatives(outputs, leaves, bent)

    def several(self, vectors: Vectors) -> Vectors:
        """Return the products with k vectors, the first axis of every block, at once."""
        columns = [self([v[i] for v in vectors]) for i in range(vectors[0].shape[0])]
        return [self._torch.stack(list(each)) for each in zip(*columns, strict=True)]

    def _difference(self, function: Callable[[Vectors], Vectors], vectors: Vectors) -> list[Array]:
        """Return the derivative of a function along a direction, and keep its error."""
        norm, size = self._norm(vectors), self._norm(self.values)
        if norm == 0.0:
            return [self._torch.zeros_like(o) for o in function(self.values)]
        rounding = float(self._torch.finfo(self.function.dtype).eps)
        step = self._step * max(size, 1e-3) / norm
        sides = []
        for shift in (step, -step, 2 * step, -2 * step):
            there = [a + shift * v for a, v in zip(self.values, vectors, strict=True)]
            sides.append([o.detach().double() for o in function(there)])
        near = [(a - b) / (2 * step) for a, b in zip(sides[0], sides[1], strict=True)]
        far = [(a - b) / (4 * step) for a, b in zip(sides[2], sides[3], strict=True)]
        best = [(4 * a - b) / 3 for a, b in zip(near, far, strict=True)]
        gap = self._norm([a - b for a, b in zip(best, near, strict=True)])
        noise = 4 * rounding * self._norm(sides[0]) / step
        self.error = max(self.error, (gap + noise) / norm)
        self.rounding = max(self.rounding, noise / norm)
        return [b.to(v.dtype) for b, v in zip(best, function(self.values), strict=True)]

    def _norm(self, tensors: Vectors) -> float:
        return math.sqrt(sum(float((t.double() ** 2).sum()) for t in tensors))

    def _gradient(self, values: Vectors) -> Vectors:
        leaves = [value.detach().requires_grad_() for value in values]
        if self.part == "total":
            loss = self.function.loss(leaves, self.batch, self.frozen)
            return _derivatives([loss], leaves, None)
        return _derivatives(self._flat(leaves), leaves, self._fixed)

    def _flat(self, values: Vectors) -> Vectors:
        outputs = self._model(values)
        if self.part == "empirical_fisher":
            return [self.function.sample_losses(outputs, self.batch)]
        return _flat_outputs(outputs)[0]

    def _model(self, values: Vectors) -> Tree:
        return self.function.outputs(values, self.batch, self.frozen)


ROUTES: Record = {
    "double_backward": GraphProducts,
    "forward_over_reverse": ForwardProducts,
    "finite_differences": DifferenceProducts,
}
"""What makes the products of a batch, by the name that `from_torch(method=)` takes."""


def _derivatives(
    of: Vectors,
    at: Vectors,
    along: Vectors | None,
    *,
    create: bool = False,
    several: bool = False,
) -> list[Array]:
    """Return the derivatives of `of` in `at` along `along`, summed; zero where none are."""
    import torch

    kept = [i for i, value in enumerate(of) if value.requires_grad]
    if not kept:
        lead = tuple(along[0].shape[:1]) if several and along is not None else ()
        return [a.new_zeros(lead + tuple(a.shape)) for a in at]
    found = torch.autograd.grad(
        [of[i] for i in kept],
        list(at),
        None if along is None else [along[i] for i in kept],
        retain_graph=True,
        create_graph=create,
        allow_unused=True,
        materialize_grads=not several,
        is_grads_batched=several,
    )
    if several and along is not None:
        k = along[0].shape[0]
        return [
            a.new_zeros((k, *a.shape)) if f is None else f for f, a in zip(found, at, strict=True)
        ]
    return list(found)


def _flat_outputs(outputs: Tree) -> tuple[list[Array], Callable[[Sequence[Array]], Tree]]:
    """Return the floating-point tensors of a pytree, and what puts others in their place."""
    from torch.utils._pytree import tree_flatten, tree_unflatten

    leaves, spec = tree_flatten(outputs)
    kept = [
        i
        for i, leaf in enumerate(leaves)
        if hasattr(leaf, "is_floating_point") and leaf.is_floating_point()
    ]

    def rebuild(tensors: Sequence[Array]) -> Tree:
        new = list(leaves)
        for i, tensor in zip(kept, tensors, strict=True):
            new[i] = tensor
        return tree_unflatten(new, spec)

    return [leaves[i] for i in kept], rebuild


def _row_weights(function: LossFunction, batch: Batch, losses: Array) -> Array:
    """Return one over the count of each sample, where the loss is a mean; zero where it is zero."""
    m = int(losses.shape[0])
    if not function.rule.divides:
        return losses.new_ones(m)
    counts = [function.rule.count(rows_of(batch, slice(i, i + 1), m)) for i in range(m)]
    return losses.new_tensor([1.0 / c if c else 0.0 for c in counts])
