r"""A PyTorch model, its loss and its data made into the operator of its Hessian.

What would give another matrix than the one asked for is found out here, before a spectrum is
computed: by what the model says of itself, and by trial products on the first batch. The matrix
itself is documented in `rmtland.adapters.torch_operator`.

    import torch
    from rmtland.adapters import from_torch
    operator = from_torch(model.eval(), torch.nn.CrossEntropyLoss(), loader, parameters="layer1.*")
    operator.loss(), operator.shape, operator @ vector

References
----------
.. [1] B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994)
       147-160.
.. [2] N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent,
       Neural Computation 14 (2002) 1723-1738.

Examples
--------
>>> from rmtland.adapters.torch_products import PARTS
>>> PARTS
('total', 'gauss_newton', 'residual', 'fisher', 'empirical_fisher')
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING

from rmtland.adapters.loss_curvature import refuse_hidden_curvature
from rmtland.adapters.optional import optional
from rmtland.adapters.torch_batches import Batch, Batches, tensors_of, to_numpy
from rmtland.adapters.torch_checks import (
    finite_entries,
    first_outputs,
    refuse_bad_loss,
    refuse_constant_loss,
    refuse_inseparable_loss,
    refuse_mixed_precision,
    refuse_mixed_samples,
    refuse_other_device,
    refuse_random_modules,
)
from rmtland.adapters.torch_loss_function import LossFunction
from rmtland.adapters.torch_losses import (
    LossRule,
    loss_rule,
    own_loss,
    probed_reduction,
    refuse_no_batch_axis,
    refuse_other_reduction,
    refuse_parameters_in_loss,
    refuse_untold,
)
from rmtland.adapters.torch_operator import TorchOperator
from rmtland.adapters.torch_parameters import Block, chosen_blocks
from rmtland.adapters.torch_product_checks import asymmetry, distance_to_differences
from rmtland.adapters.torch_products import PARTS, ROUTES
from rmtland.arguments import choice, count
from rmtland.typing import Array, Tree

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["from_torch"]


def from_torch(
    model: Module,
    loss: Callable[..., Array],
    data: Tree,
    *,
    part: str = "total",
    parameters: str | Sequence[str] | None = None,
    method: str | None = None,
    dtype: object = None,
    reduction: str | None = None,
    count_targets: Callable[[Tree], float] | None = None,
    batch_size: int | None = None,
    chunk: int | None = None,
    keep_graph: bool | None = False,
    move_data: bool = False,
    check: bool = True,
) -> TorchOperator:
    r"""Return the Hessian of a PyTorch model's loss, or a part of it, as an operator.

    .. formula:: Hessian, Gauss-Newton and Fisher products of a data set in batches, :math:`L =
        \sum_b S_b/\sum_b N_b`

    Parameters
    ----------
    model : nn.Module
        The model, in evaluation mode if it has dropout or batch normalisation. It is called with
        x, with ``*x`` for a tuple, or with ``**x`` for a mapping.
    loss : nn.Module, callable or None
        Outputs, targets -> one real number. Losses of PyTorch (modules, functions of
        `torch.nn.functional`, `functools.partial` of them) are weighted between batches as their
        own reduction says (entries, labels that are not ignored, class weights). Of others it is
        found out by trial whether they are the mean or the sum over samples, the same in every
        batch. None where the model returns its loss, or an object with ``loss`` (Hugging Face).
    data : (x, y), list of batches, DataLoader, Dataset or mapping
        Samples; a batch is a pair (x, y), or a mapping of keyword arguments whose "labels" are the
        targets. A loader may shuffle: every pass gets the same order.
    part : {"total", "gauss_newton", "residual", "fisher", "empirical_fisher"}, optional
        Which matrix; products of the total as in [1]_, of Gauss-Newton as in [2]_.
    parameters : str or sequence of str, optional
        Names of parameters or modules, or patterns such as "layer1.*": the principal submatrix.
        Frozen parameters are left out, tied ones count once. What an embedding gives for its
        padding_idx is constant, as it is for PyTorch's gradients.
    method : {"double_backward", "forward_over_reverse", "finite_differences"}, optional
        Route of the products; the first one that the model has the derivatives for, by default of
        the first two. Products by finite differences state their error in ``product_error`` (of a
        unit vector, the worst so far).
    dtype : torch.dtype, optional
        Precision of the computation, such as ``torch.float64``; that of the model by default, and
        float32 for a model in half precision (float16, bfloat16).
    reduction : {"mean", "sum"}, optional
        Of a loss of one's own.
    count_targets : callable, optional
        Targets of a batch -> what the mean of a loss of one's own divides by; samples by default.
    batch_size : int, optional
        Samples at once, for data given as tensors: they are views, not copies.
    chunk : int, optional
        Vectors that a block is multiplied by at once (`vmap`); as many as a GiB allows by default.
    keep_graph : bool or None, optional
        Keep the graph of the gradient between products: less time, and memory for it and a copy of
        data and parameters. True is for data in one batch and "double_backward"; None keeps it
        where there are these. It is made anew when parameters, buffers or data have changed (other
        attributes of the model are not looked at).
    move_data : bool, optional
        Bring each batch to the device of the model when it is read.
    check : bool, optional
        Look beforehand at modes, devices, buffers, the loss (one of your own in every batch, alone
        and with the first, once: a forward pass each), and two products on the first batch.

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
        one finite number, or does not depend on the parameters; data on another device; a pattern
        that fits nothing; parameters that are frozen, not real, or of several precisions; a model
        whose outputs change from call to call or mix the samples of a batch, or that writes into
        its parameters, buffers or inputs; a loss that depends on parameters beside the outputs; a
        product that is NaN.

    See Also
    --------
    rmtland.adapters.from_jax : JAX.
    rmtland.comparison.measure : what to do with it.
    rmtland.audit.audit_operators : levels of theory.

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
    _refuse_wrapped(torch, model)
    if dtype is not None and dtype not in (torch.float64, torch.float32):
        raise ValueError(f"dtype must be torch.float64 or torch.float32; got {dtype}")
    if count_targets is not None and not callable(count_targets):
        raise TypeError(f"count_targets must be a function of targets; got {count_targets!r}")
    blocks = chosen_blocks(model, parameters)
    refuse_mixed_precision(model, blocks, dtype)
    if dtype is None and _is_half(model, blocks):
        dtype = torch.float32
    if check:
        refuse_random_modules(model)
    batches = Batches(data, batch_size=batch_size, labels_are_inputs=loss is None)
    rule = loss_rule(loss, reduction=reduction, count=count_targets)
    provisional = rule or own_loss(loss, reduction="sum", count=None)
    function = LossFunction(model, provisional, blocks, dtype=dtype, move_data=move_data)
    first, number, total = _survey(batches, function)
    if number == 0:
        raise ValueError("the data hold no batches; a loader that is empty has no loss")
    with function.differentiable():
        first = function.batch(first)
        if check:
            refuse_other_device(model, function, first)
        outputs = first_outputs(function, first)
        refuse_bad_loss(function, outputs, first)
        if check:
            own = dict(model.named_parameters())
            named = {name: own[name] for name in function.names}
            refuse_parameters_in_loss(provisional, named, outputs, first)
            if part in ("gauss_newton", "residual") and not (loss is None or provisional.is_known):
                refuse_hidden_curvature(loss, outputs, first)
        if rule is None:
            rule, total = _found_out(loss, outputs, first, batches, part, number, function, check)
            function.rule = rule
        if check and part == "empirical_fisher":
            refuse_no_batch_axis(first)
            refuse_inseparable_loss(function, outputs, first)
        if check and number > 1:
            refuse_mixed_samples(function, outputs, first)
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
        function,
        batches,
        part=part,
        method=method or "double_backward",
        total_count=total if rule.divides else 1.0,
        chunk=chunk,
        keep_graph=bool(keep_graph),
    )
    if check or method is None:
        _try_products(operator, first, method)
    if keep_graph is None:
        operator.keep_graph = number == 1 and operator.method == "double_backward"
    return operator


def _refuse_wrapped(torch: ModuleType, model: Module) -> None:
    """Refuse modules that cannot be called with other parameters than their own."""
    kind = type(model).__name__
    parallel = torch.nn.parallel
    if isinstance(model, parallel.DataParallel | parallel.DistributedDataParallel):
        raise ValueError(f"a {kind} spreads each batch over devices; give model.module")
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError(
            f"a {kind} of TorchScript cannot be called with other parameters than its own; give "
            "the module it was made of"
        )


def _is_half(model: Module, blocks: Sequence[Block]) -> bool:
    """Whether parameters are of a precision that knows three digits."""
    present = dict(model.named_parameters())
    return any(present[block.name].element_size() < 4 for block in blocks)


def _survey(batches: Batches, function: LossFunction) -> tuple[Tree, int, float]:
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
    loss: Callable[..., Array],
    outputs: Tree,
    first: Batch,
    batches: Batches,
    part: str,
    number: int,
    function: LossFunction,
    check: bool,
) -> tuple[LossRule, float]:
    """Return the rule of a loss of one's own, and the sum of counts."""
    if number == 1 and part != "empirical_fisher":
        return replace(own_loss(loss, reduction="sum", count=None), separates=False), 1.0
    import torch

    reduction, told = probed_reduction(loss, outputs, first)
    rule = own_loss(loss, reduction=reduction, count=None)
    shapes: set[tuple[int, ...]] = set()
    total, values, frozen = 0.0, function.values(), function.frozen()
    for number, batch in enumerate(batches, 1):
        if check and number > 1 and batch.samples:
            fitted = function.batch(batch)
            with torch.no_grad():
                later = function.outputs(values, fitted, frozen), fitted
                told |= refuse_other_reduction(loss, reduction, (outputs, first), later, number)
        shapes.update(tuple(t.shape[1:]) for t in tensors_of(batch.targets)[:1])
        total += rule.count(batch)
    refuse_untold(told)
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
    few = first
    if operator.batches.is_one_batch and first.samples > 64:
        first = function.rows(first, 32)
    if operator.batches.is_one_batch and first.samples > 8:
        few = function.rows(first, 8)
    generator = torch.Generator().manual_seed(20261126)

    def drawn() -> Array:
        vector = torch.randn(
            function.size, generator=generator, dtype=torch.float64, device="cpu"
        )  # of the generator: the default device may be another
        return vector.to(device=function.device, dtype=function.dtype)

    vector = drawn()
    pieces = [vector[b.slice].reshape(b.shape) for b in operator.blocks]
    routes = [method] if method is not None else ["double_backward", "forward_over_reverse"]
    failures: list[str] = []
    refuse_constant_loss(function, first)
    with function.differentiable(), torch.random.fork_rng(devices=[]):
        for route in routes:
            try:
                results = [ROUTES[route](function, first, operator.part)(pieces) for _ in range(2)]
            except (RuntimeError, NotImplementedError) as error:
                failures.append(f"{route}: {str(error).splitlines()[0]}")
                continue
            _refuse_bad_products(operator, *results)
            if route == "forward_over_reverse":
                other = drawn()
                along = [other[b.slice].reshape(b.shape) for b in operator.blocks]
                image = ROUTES[route](function, first, operator.part)(along)
                skew = asymmetry(pieces, results[0], along, image)
                if skew > (1e-9 if function.dtype == torch.float64 else 1e-3):
                    failures.append(
                        f"{route}: products are not symmetric (by {skew:.2g} of their size), as "
                        "where a function of the forward pass has another derivative backwards "
                        "(embedding with padding_idx)"
                    )
                    continue
            if route != "finite_differences" and all(
                (
                    far := distance_to_differences(
                        function, few, operator.part, route, v, nearby=nearby
                    )
                )
                > 0
                for v, nearby in ((vector, False), (drawn(), True), (drawn(), True))
            ):  # a kink there, or on the way of one vector, is no fault
                failures.append(
                    f"{route}: products differ from differences of gradients by {far:.2g} of "
                    "their size, as where a function hides its second derivative, or the model or "
                    "the loss computes in half precision (two or three digits: use .float() there)"
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


def _refuse_bad_products(operator: TorchOperator, one: Tree, other: Tree) -> None:
    """Refuse products of one vector that are not finite, or differ by more than rounding."""
    import torch

    a, b = (torch.cat([piece.reshape(-1) for piece in each]).double() for each in (one, other))
    finite_entries(to_numpy(a), "product with the first batch")
    change, size = float((a - b).norm()), float(a.norm())
    if change > (1e-9 if operator.function.dtype == torch.float64 else 1e-4) * size:
        raise ValueError(
            "the model gives another product for the same vector the second time (relative "
            f"difference {change / size:.2g}): something in it is random; call model.eval(), or "
            "take it out"
        )
