"""The loss of one batch as a function of some parameters of a PyTorch module.

The module is called with the parameters it is given (`torch.func.functional_call`); its own
parameters, gradients, mode and buffers stay as they are. It is evaluated in the mode (training or
not) that it had when the function was made. Kernels without second derivatives (fused attention,
the fast path of transformers' encoders, cuDNN's recurrent networks) are replaced by those that have
them, and autocast is off.

>>> LossFunction.__name__
'LossFunction'
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

from rmtland.adapters.torch_batches import Batch, mapped, rows_of
from rmtland.adapters.torch_losses import LossRule
from rmtland.adapters.torch_parameters import Block
from rmtland.typing import Array, Tree

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["LossFunction"]


class LossFunction:
    """Outputs and loss of a module at given values of some of its parameters.

    Parameters
    ----------
    model : nn.Module
        The module.
    rule : LossRule
        How outputs and targets make a loss.
    blocks : sequence of Block
        The parameters it is a function of.
    dtype : torch.dtype, optional
        What floating-point parameters, buffers and inputs are turned into.
    move_data : bool, optional
        Whether batches are brought to the device of the model.
    """

    def __init__(
        self,
        model: Module,
        rule: LossRule,
        blocks: Sequence[Block],
        *,
        dtype: object = None,
        move_data: bool = False,
    ) -> None:
        self.model, self.rule, self.blocks = model, rule, tuple(blocks)
        self.names = [block.name for block in self.blocks]
        first = dict(model.named_parameters())[self.names[0]]
        self.device, self.given_dtype = first.device, dtype
        self.dtype = dtype or first.dtype
        self.move_data = move_data
        self.modes = [(module, module.training) for module in model.modules()]
        self._moved: dict[str, Array] = {}  # parameters that are not where the model has them

    @property
    def size(self) -> int:
        """The number p of parameters."""
        return self.blocks[-1].stop

    def values(self) -> tuple[Array, ...]:
        """Return the present values of the parameters, as views where the dtype is the model's.

        Returns
        -------
        tuple of tensor
            One for each block.
        """
        present = {**dict(self.model.named_parameters()), **self._moved}
        return tuple(self.cast(present[name].detach()) for name in self.names)

    def at(self, values: Sequence[Array]) -> LossFunction:
        """Return the same loss with other values of the parameters; the model stays as it is.

        Parameters
        ----------
        values : sequence of tensor
            One for each block, of its shape.

        Returns
        -------
        LossFunction
            In the mode of this one.
        """
        made = self.with_blocks(self.blocks)
        made._moved = {**self._moved, **dict(zip(self.names, values, strict=True))}
        return made

    def with_blocks(self, blocks: Sequence[Block], *, dtype: object = None) -> LossFunction:
        """Return the same loss as a function of other parameters, or in another precision.

        Parameters
        ----------
        blocks : sequence of Block
            The parameters.
        dtype : torch.dtype, optional
            As for the class; that of this function by default.

        Returns
        -------
        LossFunction
            In the mode of this one.
        """
        made = LossFunction(
            self.model, self.rule, blocks, dtype=dtype or self.given_dtype, move_data=self.move_data
        )
        made.modes, made._moved = self.modes, self._moved
        return made

    def frozen(self) -> dict[str, Array]:
        """Return the values of all other parameters, and copies of the buffers, by name.

        Returns
        -------
        dict of str to tensor
            As they are now.
        """
        others = {}
        for name, parameter in {**dict(self.model.named_parameters()), **self._moved}.items():
            if name not in self.names:
                others[name] = self.cast(parameter.detach())
        buffers = self.model.named_buffers()
        return {**others, **{name: self.cast(b.detach()).clone() for name, b in buffers}}

    @contextmanager
    def differentiable(self) -> Iterator[None]:
        """Evaluate the module by kernels that have second derivatives, in full precision.

        Whatever the caller has set: autocast, inference mode, gradients switched off, float32
        products rounded to TF32 or bfloat16 (convolutions on a card are, unless told otherwise).

        Yields
        ------
        None
            Settings, and the modes of all modules, are as before when the block ends.
        """
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            kind = self.device.type
            if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
            _without_rounded_products(torch, stack)
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            fast = torch.backends.mha.get_fastpath_enabled()
            torch.backends.mha.set_fastpath_enabled(False)
            stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
            for module, training in self.modes:
                if module.training != training:
                    stack.callback(setattr, module, "training", module.training)
                    module.training = training
            if any(isinstance(module, torch.nn.RNNBase) for module, _ in self.modes):
                cudnn = torch.backends.cudnn
                stack.callback(setattr, cudnn, "enabled", cudnn.enabled)
                cudnn.enabled = False
            yield

    def batch(self, batch: Batch) -> Batch:
        """Return a batch in the dtype, and if asked for on the device, of the computation.

        Parameters
        ----------
        batch : Batch
            As the data give it.

        Returns
        -------
        Batch
            The same tensors where nothing has to be done.
        """
        if self.given_dtype is None and not self.move_data:
            return batch

        def fitted(tensor: Array) -> Array:
            moved = tensor.to(self.device) if self.move_data else tensor
            return self.cast(moved)

        return Batch(mapped(fitted, batch.inputs), mapped(fitted, batch.targets))

    def rows(self, batch: Batch, number: int) -> Batch:
        """Return the first samples of a batch, or all where the loss does not take a part of it.

        Parameters
        ----------
        batch : Batch
            From `batch`.
        number : int
            How many.

        Returns
        -------
        Batch
            Views.
        """
        import torch

        part = rows_of(batch, slice(number), batch.samples)
        try:
            with self.differentiable(), torch.no_grad(), torch.random.fork_rng(devices=[]):
                self.loss(self.values(), part, self.frozen())
        except (RuntimeError, TypeError, ValueError, IndexError):
            return batch  # a model or a loss for batches of this size only
        return part

    def outputs(self, values: Sequence[Array], batch: Batch, frozen: dict[str, Array]) -> Tree:
        """Return what the module returns for a batch.

        Parameters
        ----------
        values : sequence of tensor
            One for each block.
        batch : Batch
            From `batch`.
        frozen : dict of str to tensor
            From `frozen`.

        Returns
        -------
        tensor or pytree
            Outputs.
        """
        from torch.func import functional_call

        given = {**frozen, **dict(zip(self.names, values, strict=True))}
        inputs = batch.inputs
        with _constant_padding(self):
            if isinstance(inputs, dict):
                return functional_call(self.model, given, (), inputs)
            arguments = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
            return functional_call(self.model, given, arguments)

    def loss(self, values: Sequence[Array], batch: Batch, frozen: dict[str, Array]) -> Array:
        """Return the loss of a batch, summed over it.

        Parameters
        ----------
        values : sequence of tensor
            One for each block.
        batch : Batch
            From `batch`.
        frozen : dict of str to tensor
            From `frozen`.

        Returns
        -------
        tensor, shape ()
            S_b of `rmtland.adapters.torch_losses`.
        """
        return self.rule.total(self.outputs(values, batch, frozen), batch)

    def sample_losses(self, outputs: Tree, batch: Batch) -> Array:
        """Return the loss of each sample, summed over its entries.

        Parameters
        ----------
        outputs : tensor or pytree
            Of the batch, one row per sample.
        batch : Batch
            From `batch`.

        Returns
        -------
        tensor, shape (m,)
            Their sum is the loss of the batch.
        """
        import torch
        from torch.utils._pytree import tree_map

        def alone(row: Array, target: Array) -> Array:
            one = tree_map(lambda t: t[None], (row, target))
            return self.rule.total(one[0], Batch(None, one[1]))

        return torch.func.vmap(alone)(outputs, batch.targets)

    def graph_bytes(self, batch: Batch) -> int:
        """Return the memory that the graph of one forward pass keeps.

        Parameters
        ----------
        batch : Batch
            From `batch`.

        Returns
        -------
        int
            Bytes, parameters included.
        """
        import torch

        seen: dict[int, int] = {}

        def noted(tensor: Array) -> None:
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()

        def refused(_: None) -> Array:
            raise RuntimeError("this graph is for counting only")

        leaves = [value.detach().requires_grad_() for value in self.values()]
        with torch.autograd.graph.saved_tensors_hooks(noted, refused):
            self.loss(leaves, batch, self.frozen())
        return sum(seen.values())

    def cast(self, tensor: Array) -> Array:
        """Return a tensor in the dtype of the computation, if it holds floating-point numbers.

        Parameters
        ----------
        tensor : tensor
            Any.

        Returns
        -------
        tensor
            The same one where nothing has to be done.
        """
        if self.given_dtype is None or not tensor.is_floating_point():
            return tensor
        return tensor.to(self.given_dtype)


@contextmanager
def _constant_padding(function: LossFunction) -> Iterator[None]:
    """Hold what embeddings give for their padding_idx, of which no gradient knows."""
    import torch

    padded = [
        module
        for module, _ in function.modes
        if type(module) is torch.nn.Embedding and module.padding_idx is not None
    ]
    if not padded:
        yield
        return
    names = {id(parameter): name for name, parameter in function.model.named_parameters()}
    with ExitStack() as stack:
        for module in padded:
            name, index = names.get(id(module.weight), ""), module.padding_idx
            if name in function.names:
                table = function._moved.get(name, module.weight)
                row = function.cast(table[index].detach())
                hook = module.register_forward_hook(partial(_with_row, index, row))
                stack.callback(hook.remove)
        yield


def _with_row(index: int, row: Array, module: Module, inputs: Tree, output: Array) -> Array:
    """Return the output of an embedding with a constant row for one index."""
    import torch

    return torch.where((inputs[0] == index).unsqueeze(-1), row, output)


def _without_rounded_products(torch: ModuleType, stack: ExitStack) -> None:
    """Compute float32 products with all digits until the stack ends."""
    backends = torch.backends
    if hasattr(backends.cudnn, "conv"):  # a setting for each operation, of PyTorch 2.9 and later
        settings: list[tuple[object, str, object]] = [
            (getattr(library, operation), "fp32_precision", "ieee")
            for library in (backends.cudnn, backends.mkldnn)
            for operation in ("conv", "rnn", "matmul")
            if hasattr(library, operation)
        ]
        settings.append((backends.cuda.matmul, "fp32_precision", "ieee"))
    else:
        settings = [
            (backends.cuda.matmul, "allow_tf32", False),
            (backends.cudnn, "allow_tf32", False),
        ]
    for owner, name, exact in settings:
        before = getattr(owner, name)
        if before != exact:
            stack.callback(setattr, owner, name, before)
            setattr(owner, name, exact)
