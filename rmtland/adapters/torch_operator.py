r"""Hessians, Gauss-Newton and Fisher matrices of PyTorch models, as operators of SciPy.

For a data set in batches b, with S_b the loss of a batch summed over it and N_b what its mean
divides by, the matrix is that of

.. math::

    L(\theta) = \frac{\sum_b S_b(\theta)}{\sum_b N_b} \quad\text{(reduction "mean")}, \qquad
    L(\theta) = \sum_b S_b(\theta) \quad\text{(reduction "sum")},

whatever the sizes of the batches: the mean is exact. Its parts are

- "total": H = d^2 L/dtheta^2;
- "gauss_newton": H0, with J^T Lambda J for S_b (generalised Gauss-Newton matrix, GGN);
- "residual": H1 = H - H0, by its own products;
- "fisher": the Fisher information matrix, for losses that are log-likelihoods (it is H0 then);
- "empirical_fisher": (1/N) sum of g g^T with g the gradient of the mean loss of each sample
  (uncentred gradient covariance); without 1/N for the reduction "sum".

Synonyms: Hessian-vector product (HVP), matrix-free Hessian, curvature of a torch model.

    import torch
    from rmtland.adapters import from_torch
    operator = from_torch(model.eval(), torch.nn.CrossEntropyLoss(), loader, parameters="layer1.*")
    operator.loss(), operator.shape, operator @ vector

>>> from rmtland.adapters.torch_products import PARTS
>>> PARTS
('total', 'gauss_newton', 'residual', 'fisher', 'empirical_fisher')
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from rmtland.adapters.optional import optional
from rmtland.adapters.torch_batches import Batch, Batches, rows_of, tensors_of
from rmtland.adapters.torch_checks import (
    distance_to_differences,
    first_outputs,
    refuse_bad_loss,
    refuse_other_device,
    refuse_random_modules,
)
from rmtland.adapters.torch_loss_function import LossFunction, differentiable_kernels
from rmtland.adapters.torch_losses import LossRule, loss_rule, own_loss, probed_reduction
from rmtland.adapters.torch_parameters import Block, chosen_blocks
from rmtland.adapters.torch_products import PARTS, ROUTES
from rmtland.arguments import choice, count
from rmtland.typing import Array

__all__ = ["TorchOperator", "from_torch"]

_AT_ONCE = 2**30
"""Bytes that graphs of several vectors may take together."""


class TorchOperator(LinearOperator):  # type: ignore[misc]
    """A symmetric matrix of a PyTorch loss by its products; made by `from_torch`.

    It takes and returns NumPy arrays of shape (p,) or (p, k); `multiply` takes tensors on the
    device of the model. Parameters are read when a product is made: after a training step it is the
    matrix at the new parameters. Mode, gradients, buffers and random generators stay as they are.

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
    total_count : float
        What the sum over batches is divided by; 1 for the reduction "sum".
    chunk : int, optional
        Vectors multiplied at once; by memory where it is left out.
    keep_graph : bool
        Whether the graph of the only batch is kept between products.
    """

    def __init__(
        self,
        function: LossFunction,
        batches: Batches,
        *,
        part: str,
        method: str,
        total_count: float,
        chunk: int | None,
        keep_graph: bool,
    ) -> None:
        single = "float32" if str(function.dtype) != "torch.float64" else "float64"
        super().__init__(np.dtype(single), (function.size, function.size))
        self.function, self.batches = function, batches
        self.part, self.method, self.total_count = part, method, total_count
        self.chunk, self.keep_graph = chunk, keep_graph
        self.product_error = 0.0
        self._kept: Any = None
        self._one_by_one = False
        self._at_once: int | None = None
        self._batching_compared = False

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Name, shape and place of each parameter in the flat vector."""
        return self.function.blocks

    @property
    def device(self) -> Any:
        """Device on which products are made."""
        return self.function.device

    def parameters(self) -> Array:
        """Return the present parameters as one flat NumPy vector.

        Returns
        -------
        ndarray, shape (p,)
            In the order of `blocks`.
        """
        return np.concatenate([_to_numpy(v).ravel() for v in self.function.values()])

    def unflatten(self, vector: Array) -> dict[str, Array]:
        """Return the pieces of a flat vector by the names of their parameters.

        Parameters
        ----------
        vector : array, shape (p,) or (p, k)
            A vector, or several.

        Returns
        -------
        dict of str to array
            Views of the shapes of the parameters, and k for several.
        """
        if vector.shape[0] != self.shape[0]:
            raise ValueError(f"expected {self.shape[0]} entries; got shape {tuple(vector.shape)}")
        return {b.name: vector[b.slice].reshape((*b.shape, *vector.shape[1:])) for b in self.blocks}

    def loss(self) -> float:
        """Return the loss of the data at the present parameters.

        Returns
        -------
        float
            The exact mean, or sum, over the data.
        """
        import torch

        values, frozen, total = self.function.values(), self.function.frozen(), 0.0
        with differentiable_kernels(self.function.model), torch.no_grad():
            for batch in self._read():
                total += float(self.function.loss(values, batch, frozen))
        return total / self.total_count

    def gradient(self) -> Array:
        """Return the gradient of the loss at the present parameters.

        Returns
        -------
        ndarray, shape (p,)
            In the order of `blocks`.

        Raises
        ------
        ValueError
            If it is not finite.
        """
        import torch

        frozen = self.function.frozen()
        leaves = [value.detach().requires_grad_() for value in self.function.values()]
        total = leaves[0].new_zeros(self.shape[0])
        with differentiable_kernels(self.function.model):
            for batch in self._read():
                found = torch.autograd.grad(
                    self.function.loss(leaves, batch, frozen), leaves,
                    allow_unused=True, materialize_grads=True,
                )  # fmt: skip
                for block, piece in zip(self.blocks, found, strict=True):
                    total[block.slice] += piece.reshape(-1)
        return self._finite(_to_numpy(total / self.total_count), "gradient")

    def diagonal(self) -> Array:
        """Return the diagonal of the matrix, exactly.

        That of Gauss-Newton and Fisher matrices costs one gradient of each sample (times the
        number of outputs); that of the total and the residual part p products.

        Returns
        -------
        ndarray, shape (p,)
            In the order of `blocks`.

        Raises
        ------
        ValueError
            If it is not finite.
        """
        if self.part not in ("gauss_newton", "fisher", "empirical_fisher"):
            result = np.empty(self.shape[0], dtype=self.dtype)
            for start in range(0, self.shape[0], 64):
                columns = np.arange(start, min(start + 64, self.shape[0]))
                unit = np.zeros((self.shape[0], len(columns)), dtype=self.dtype)
                unit[columns, columns - start] = 1.0
                result[columns] = self.matmat(unit)[columns, columns - start]
            return result
        from rmtland.adapters.torch_diagonal import squared_gradients

        total = self.function.values()[0].new_zeros(self.shape[0])
        with differentiable_kernels(self.function.model):
            for batch in self._read():
                for block, piece in zip(
                    self.blocks, squared_gradients(self.function, batch, self.part), strict=True
                ):
                    total[block.slice] += piece.reshape(-1)
        return self._finite(_to_numpy(total / self.total_count), "diagonal")

    def submatrix(self, parameters: str | Sequence[str]) -> TorchOperator:
        """Return the principal submatrix of some of the parameters, by its own cheaper products.

        Parameters
        ----------
        parameters : str or sequence of str
            Names, names of modules, or patterns of the shell, among those of this operator.

        Returns
        -------
        TorchOperator
            Of the parameters in `blocks` that they fit.

        Raises
        ------
        ValueError
            If a pattern fits none of them.
        """
        patterns = [parameters] if isinstance(parameters, str) else list(parameters)
        for pattern in patterns:
            if not any(block.fits(pattern) for block in self.blocks):
                raise ValueError(
                    f"no parameter of this operator fits {pattern!r}; it has "
                    f"{', '.join(block.name for block in self.blocks[:12])}"
                )
        names = [b.name for b in self.blocks if any(b.fits(pattern) for pattern in patterns)]
        old = self.function
        function = LossFunction(
            old.model, old.rule, chosen_blocks(old.model, names),
            dtype=old.given_dtype, move_data=old.move_data,
        )  # fmt: skip
        return TorchOperator(
            function, self.batches, part=self.part, method=self.method,
            total_count=self.total_count, chunk=self.chunk, keep_graph=self.keep_graph,
        )  # fmt: skip

    def with_part(self, part: str) -> TorchOperator:
        """Return another part of the Hessian of the same loss, parameters and data.

        Parameters
        ----------
        part : {"total", "gauss_newton", "residual"}
            Which matrix.

        Returns
        -------
        TorchOperator
            With the same batches and settings.
        """
        choice("part", part, ("total", "gauss_newton", "residual"))
        return TorchOperator(
            self.function, self.batches, part=part, method=self.method,
            total_count=self.total_count, chunk=self.chunk, keep_graph=self.keep_graph,
        )  # fmt: skip

    def output_count(self) -> int | None:
        """Return how many numbers the model gives for the data, m n_out, by one pass over them.

        Returns
        -------
        int or None
            None where the model returns its loss itself, so that nothing is known of outputs.
        """
        import torch

        values, frozen, total = self.function.values(), self.function.frozen(), 0
        with differentiable_kernels(self.function.model), torch.no_grad():
            for batch in self._read():
                if batch.targets is None:
                    return None
                outputs = tensors_of(self.function.outputs(values, batch, frozen))
                total += sum(one.numel() for one in outputs if one.is_floating_point())
        return total

    def multiply(self, vectors: Array) -> Array:
        """Return the product with one tensor, or with k as rows, on the device of the model.

        Parameters
        ----------
        vectors : tensor, shape (p,) or (k, p)
            Of the dtype of the computation.

        Returns
        -------
        tensor, of the same shape
            A new one.
        """
        rows = vectors.reshape(-1, self.shape[0])
        result = rows.new_zeros(rows.shape)
        with differentiable_kernels(self.function.model):
            for products, batch in self._products():
                at_once = self._vectors_at_once(len(rows), batch)
                self._add(products, rows, result, at_once)
                self.product_error = max(self.product_error, products.error / self.total_count)
        if self.total_count != 1.0:
            result /= self.total_count
        return result.reshape(vectors.shape)

    def __repr__(self) -> str:
        return (
            f"TorchOperator({type(self.function.model).__name__}, part={self.part!r}, "
            f"size={self.shape[0]}, parameters={len(self.blocks)}, dtype={self.dtype}, "
            f"method={self.method!r})"
        )

    def _read(self) -> Iterator[Batch]:
        for batch in self.batches:
            yield self.function.batch(batch)

    def _products(self) -> Iterator[tuple[Any, Batch | None]]:
        """Return what multiplies by the matrix of each batch, and the batch where it is read."""
        route = ROUTES[self.method]
        if self.keep_graph:
            if self._kept is None:
                (batch,) = self._read()
                self._kept = route(self.function, batch, self.part)
            yield self._kept, None
            return
        for batch in self._read():
            yield route(self.function, batch, self.part), batch

    def _vectors_at_once(self, k: int, batch: Batch | None) -> int:
        """Return how many of k vectors are multiplied at once."""
        if k == 1 or self._one_by_one or self.method == "finite_differences":
            return 1
        if self.chunk is not None:
            return self.chunk
        if self._at_once is None:
            kept = self.function.graph_bytes(next(self._read()) if batch is None else batch)
            self._at_once = max(1, min(16, _AT_ONCE // max(4 * kept, 1)))
        return self._at_once

    def _add(self, products: Any, rows: Array, result: Array, at_once: int) -> None:
        """Add the products of one batch with all rows."""
        k, start = rows.shape[0], 0
        while start < k:
            some = rows[start : start + at_once]
            if len(some) > 1:
                pieces = [some[:, b.slice].reshape(-1, *b.shape) for b in self.blocks]
                found = self._several(products, pieces)
                if found is None:
                    self._one_by_one, at_once = True, 1
                    continue
            else:
                pieces = [some[0, b.slice].reshape(b.shape) for b in self.blocks]
                found = products(pieces)
            for block, piece in zip(self.blocks, found, strict=True):
                result[start : start + len(some), block.slice] += piece.reshape(len(some), -1)
            start += len(some)

    def _several(self, products: Any, pieces: Sequence[Array]) -> Sequence[Array] | None:
        """Return products with several vectors at once, or None where that cannot be trusted.

        Operations may have no batching rule, or a wrong one: the first time, the first vector is
        multiplied by itself too.
        """
        try:
            found: Sequence[Array] = products.several(pieces)
        except RuntimeError:
            return None
        if self._batching_compared:
            return found
        alone = products([piece[0] for piece in pieces])
        off = sum(float(((f[0] - a) ** 2).sum()) for f, a in zip(found, alone, strict=True))
        size = sum(float((a**2).sum()) for a in alone)
        self._batching_compared = True
        return found if off <= (1e-4 if self.dtype == np.float32 else 1e-9) ** 2 * size else None

    def _matmat(self, vectors: Any) -> Any:
        import torch

        rows = np.ascontiguousarray(np.asarray(vectors, dtype=self.dtype).T)
        if not rows.flags.writeable:
            rows = rows.copy()
        given = torch.from_numpy(rows).to(device=self.device, dtype=self.function.dtype)
        product = _to_numpy(self.multiply(given)).astype(self.dtype, copy=False)
        if not np.isfinite(product).all() and np.isfinite(rows).all():
            self._finite(product, "product")
        return product.T

    def _matvec(self, vector: Any) -> Any:
        return self._matmat(np.reshape(vector, (-1, 1))).reshape(np.shape(vector))

    def _finite(self, array: Array, name: str) -> Array:
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        if bad:
            raise ValueError(
                f"{bad} of {array.size} entries of the {name} are NaN or infinite; look for a "
                "function with infinite second derivatives (a square root or a norm at 0), or use "
                "dtype=torch.float64"
            )
        return array

    def _adjoint(self) -> TorchOperator:
        return self

    def _transpose(self) -> TorchOperator:
        return self


def from_torch(
    model: Any,
    loss: Any,
    data: Any,
    *,
    part: str = "total",
    parameters: str | Sequence[str] | None = None,
    method: str | None = None,
    dtype: Any = None,
    reduction: str | None = None,
    count_targets: Callable[[Any], float] | None = None,
    batch_size: int | None = None,
    chunk: int | None = None,
    keep_graph: bool = False,
    move_data: bool = False,
    check: bool = True,
) -> TorchOperator:
    """Return the Hessian of a PyTorch model's loss, or a part of it, as an operator.

    Parameters
    ----------
    model : nn.Module
        The model, in evaluation mode if it has dropout or batch normalisation. It is called with
        x, with ``*x`` for a tuple, or with ``**x`` for a mapping.
    loss : nn.Module, callable or None
        Outputs, targets -> one real number. Losses of PyTorch (modules, functions of
        `torch.nn.functional`, `functools.partial` of them) are weighted between batches as their
        own reduction says (entries, labels that are not ignored, class weights). Of others it is
        found out by trial whether they are the mean or the sum over samples. None where the model
        returns its loss, or an object with ``loss`` (Hugging Face).
    data : (x, y), list of batches, DataLoader, Dataset or mapping
        Samples; a batch is a pair (x, y), or a mapping of keyword arguments whose "labels" are the
        targets. A loader may shuffle: every pass gets the same order.
    part : {"total", "gauss_newton", "residual", "fisher", "empirical_fisher"}, optional
        Which matrix; products of the total as in [1]_, of Gauss-Newton as in [2]_.
    parameters : str or sequence of str, optional
        Names of parameters or modules, or patterns such as "layer1.*": the principal submatrix.
        Frozen parameters are left out, tied ones count once.
    method : {"double_backward", "forward_over_reverse", "finite_differences"}, optional
        Route of the products; the first one that the model has the derivatives for, by default of
        the first two. Products by finite differences state their error in ``product_error`` (of a
        unit vector, the worst so far).
    dtype : torch.dtype, optional
        Precision of the computation, such as ``torch.float64``; that of the model by default.
    reduction : {"mean", "sum"}, optional
        Of a loss of one's own.
    count_targets : callable, optional
        Targets of a batch -> what the mean of a loss of one's own divides by; samples by default.
    batch_size : int, optional
        Samples at once, for data given as tensors: they are views, not copies.
    chunk : int, optional
        Vectors that a block is multiplied by at once (`vmap`); as many as a GiB allows by default.
    keep_graph : bool, optional
        Keep the graph of the gradient between products: half the time, and its memory. For data in
        one batch and "double_backward"; the parameters must then not change.
    move_data : bool, optional
        Bring each batch to the device of the model when it is read.
    check : bool, optional
        Look beforehand at modes, devices, buffers, the loss, and two products on the first batch.

    Returns
    -------
    TorchOperator
        A symmetric SciPy LinearOperator with `loss`, `gradient`, `diagonal`, `submatrix`.

    Raises
    ------
    ImportError
        If PyTorch is not installed; the message gives the command.
    TypeError
        If the model is no module, or the data are none.
    ValueError
        For data without samples; dropout or batch statistics in training mode; a loss that is not
        one finite number; data on another device; a pattern that fits nothing; parameters that are
        frozen or not real; a model whose outputs change from call to call; a product that is NaN.

    References
    ----------
    .. [1] B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994)
           147-160.
    .. [2] N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient
           descent, Neural Computation 14 (2002) 1723-1738.
    """
    torch = optional("torch", extra="torch")
    choice("part", part, PARTS)
    if method is not None:
        choice("method", method, tuple(ROUTES))
    if chunk is not None:
        chunk = count("chunk", chunk)
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    if dtype is not None and dtype not in (torch.float64, torch.float32):
        raise ValueError(f"dtype must be torch.float64 or torch.float32; got {dtype}")
    blocks = chosen_blocks(model, parameters)
    if check:
        refuse_random_modules(model)
    batches = Batches(data, batch_size=batch_size, labels_are_inputs=loss is None)
    rule = loss_rule(loss, reduction=reduction, count=count_targets)
    provisional = rule or own_loss(loss, reduction="sum", count=None)
    function = LossFunction(model, provisional, blocks, dtype=dtype, move_data=move_data)
    first, number, total = _survey(batches, function)
    if number == 0:
        raise ValueError("the data hold no batches; a loader that is empty has no loss")
    with differentiable_kernels(model):
        first = function.batch(first)
        if check:
            refuse_other_device(model, function, first)
        outputs = first_outputs(function, first)
        refuse_bad_loss(function, outputs, first)
        if rule is None:
            rule, total = _found_out(loss, outputs, first, batches, part, number, function)
            function.rule = rule
    if rule.divides and not total > 0:
        raise ValueError("all targets are ignored, so that the mean has nothing to divide by")
    if part == "fisher" and not rule.is_likelihood:
        raise ValueError(
            "the Fisher matrix needs the distribution behind the loss, which is known for "
            "MSELoss, CrossEntropyLoss and BCEWithLogitsLoss without weights; take "
            "'gauss_newton' or 'empirical_fisher'"
        )
    if keep_graph and (number > 1 or method not in (None, "double_backward")):
        raise ValueError("keep_graph needs data in one batch and method 'double_backward'")
    operator = TorchOperator(
        function, batches, part=part, method=method or "double_backward",
        total_count=total if rule.divides else 1.0, chunk=chunk, keep_graph=keep_graph,
    )  # fmt: skip
    if check or method is None:
        _try_products(operator, first, method)
    return operator


def _survey(batches: Batches, function: LossFunction) -> tuple[Any, int, float]:
    """Return the first batch, how many there are, and the sum of their counts, in one pass."""
    first, number, total = None, 0, 0.0
    for batch in batches:
        if first is None:
            first = batch
        elif function.rule.divides and batch.samples == 0:
            continue
        total += function.rule.count(batch)
        number += 1
    if first is not None and first.samples == 0:
        raise ValueError("the first batch has no samples")
    return first, number, total


def _found_out(
    loss: Any,
    outputs: Any,
    first: Batch,
    batches: Batches,
    part: str,
    number: int,
    function: LossFunction,
) -> tuple[LossRule, float]:
    """Return the rule of a loss of one's own, and the sum of counts."""
    if number == 1 and part != "empirical_fisher":
        return own_loss(loss, reduction="sum", count=None), 1.0
    rule = own_loss(loss, reduction=probed_reduction(loss, outputs, first), count=None)
    shapes: set[tuple[int, ...]] = set()
    total = 0.0
    for batch in batches:
        shapes.update(tuple(t.shape[1:]) for t in tensors_of(batch.targets)[:1])
        total += rule.count(batch)
    if rule.divides and len(shapes) > 1:
        raise ValueError(
            f"targets of a sample have different shapes between batches ({sorted(shapes)[:3]}), so "
            "that what the mean divides by is unclear; give count_targets="
        )
    return rule, total


def _try_products(operator: TorchOperator, first: Batch, method: str | None) -> None:
    """Multiply twice on the first batch: the route must exist, be finite, and give the same."""
    import torch

    function = operator.function
    if operator.batches.is_one_batch and first.samples > 64:
        first = rows_of(first, slice(32), first.samples)
    generator = torch.Generator().manual_seed(20261126)

    def drawn() -> Array:
        vector = torch.randn(function.size, generator=generator, dtype=torch.float64)
        return vector.to(device=function.device, dtype=function.dtype)

    vector = drawn()
    pieces = [vector[b.slice].reshape(b.shape) for b in operator.blocks]
    routes = [method] if method is not None else ["double_backward", "forward_over_reverse"]
    failures: list[str] = []
    with differentiable_kernels(function.model), torch.random.fork_rng(devices=[]):
        for route in routes:
            try:
                results = [ROUTES[route](function, first, operator.part)(pieces) for _ in range(2)]
            except (RuntimeError, NotImplementedError) as error:
                failures.append(f"{route}: {str(error).splitlines()[0]}")
                continue
            _refuse_bad_products(operator, *results)
            if route != "finite_differences" and all(
                (far := distance_to_differences(function, first, operator.part, route, v)) > 0
                for v in (vector, drawn(), drawn())  # a kink on the way of one is no fault
            ):
                failures.append(
                    f"{route}: products differ from differences of gradients by {far:.2g} of "
                    "their size, as where a function hides its second derivative"
                )
                continue
            operator.method = route
            break
        else:
            raise ValueError(
                f"the model lacks derivatives that the products need ({'; '.join(failures)}); "
                "method='finite_differences' needs first derivatives only"
            )
    again = next(iter(operator.batches))
    whole = function.batch(again)
    before = tensors_of((first.inputs, first.targets))
    pairs = zip(before, tensors_of((whole.inputs, whole.targets)), strict=False)
    for one, other in pairs:
        other = other[: one.shape[0]] if one.ndim and one.shape != other.shape else other
        if one.shape != other.shape or not torch.equal(one, other):
            raise ValueError(
                "the data give another first batch in the second pass (random augmentation?); "
                "draw them once and give a list of batches"
            )


def _refuse_bad_products(operator: TorchOperator, one: Any, other: Any) -> None:
    """Refuse products of one vector that are not finite, or differ by more than rounding."""
    import torch

    a, b = (torch.cat([piece.reshape(-1) for piece in each]).double() for each in (one, other))
    operator._finite(_to_numpy(a), "product with the first batch")
    change, size = float((a - b).norm()), float(a.norm())
    if change > (1e-9 if operator.function.dtype == torch.float64 else 1e-4) * size:
        raise ValueError(
            "the model gives another product for the same vector the second time (relative "
            f"difference {change / size:.2g}): something in it is random; call model.eval(), or "
            "take it out"
        )


def _to_numpy(tensor: Any) -> Array:
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) in ("torch.bfloat16", "torch.float16"):
        tensor = tensor.float()
    return tensor.numpy()
