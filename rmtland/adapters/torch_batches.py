"""Data of a PyTorch loss, batch by batch, the same in every pass.

Tensors (x, y) are cut into views, a list of batches or a DataLoader is read as it stands. Random
numbers that a loader draws (the order of shuffled samples, augmentation) start each pass from the
same state, so that all passes read the same data, and afterwards every generator is as it was.

>>> [batch.targets for batch in Batches([([1.0], 0), ([2.0], 1)])]
[0, 1]
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rmtland.arguments import count
from rmtland.typing import Array, Tree

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

__all__ = ["Batch", "Batches", "mapped", "rows_of", "tensors_of", "to_numpy"]


class Batch(NamedTuple):
    """Inputs and targets of some samples.

    Parameters
    ----------
    inputs : tensor, tuple of tensors or mapping
        What the model is called with: one argument, several, or keywords.
    targets : tensor or pytree
        Second argument of the loss; None where the model returns its loss itself.
    """

    inputs: Tree
    targets: Tree

    @property
    def samples(self) -> int:
        """Length of the first axis of the targets, or of the inputs where there are none."""
        for tree in (self.targets, self.inputs):
            for tensor in tensors_of(tree):
                return int(tensor.shape[0]) if tensor.ndim else 1
        return 1


class Batches:
    """A data set that can be read again and again, in batches.

    Parameters
    ----------
    data : (x, y), list of batches, DataLoader, Dataset, or mapping
        Tensors or arrays of all samples; a sequence of pairs (x, y) or of mappings of keyword
        arguments whose "labels" are the targets; or one such mapping.
    batch_size : int, optional
        Samples at once, for data given as tensors or as a Dataset.
    labels_are_inputs : bool, optional
        Whether "labels" of a mapping stay among the inputs.

    Raises
    ------
    TypeError
        For an iterator, which can be read once only, or for anything that is no data.
    ValueError
        If there are no samples, or a shuffled loader leaves some out or draws some twice.
    """

    def __init__(
        self, data: Tree, *, batch_size: int | None = None, labels_are_inputs: bool = False
    ) -> None:
        if batch_size is not None:
            batch_size = count("batch_size", batch_size)
        self.labels_are_inputs = labels_are_inputs
        self._whole: Batch | None = None
        self._size = batch_size
        self._source: Iterable[Array] = ()
        self._loader: DataLoader | None = None
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(data, torch.utils.data.TensorDataset):
            data = data.tensors
        if _is_pair_of_arrays(data) or isinstance(data, Mapping):
            self._whole = self._batch(data)
            _refuse_lengths(self._whole)
        elif torch is not None and isinstance(data, torch.utils.data.DataLoader):
            _refuse_dropped(torch, data)
            self._loader = self._source = data
        elif torch is not None and isinstance(data, torch.utils.data.Dataset):
            loader = torch.utils.data.DataLoader
            self._loader = self._source = loader(data, batch_size=batch_size or 256)
        elif isinstance(data, Iterator):
            raise TypeError(
                f"data can be read only once (a {type(data).__name__}), and every product reads "
                "them again; give a list of batches or a DataLoader"
            )
        elif isinstance(data, Iterable) and not isinstance(data, str | bytes):
            if batch_size is not None:
                raise ValueError("batch_size is for data given as tensors; these are in batches")
            self._source = data
        else:
            raise TypeError(
                "data must be tensors (x, y), a list of batches or a DataLoader; got "
                f"{type(data).__name__}"
            )
        self._state = _generator_states(self._loader) if self._loader is not None else None

    @property
    def is_one_batch(self) -> bool:
        """Whether all samples are in one batch that is kept."""
        return self._whole is not None and (self._size is None or self._size >= self._whole.samples)

    def __iter__(self) -> Iterator[Batch]:
        if self._whole is not None:
            yield from self._pieces(self._whole)
            return
        with self._same_random_numbers():
            for item in self._source:
                yield self._batch(item)

    def _pieces(self, whole: Batch) -> Iterator[Batch]:
        samples = whole.samples
        if self._size is None or self._size >= samples:
            if samples:
                yield whole
            return
        for start in range(0, samples, self._size):
            yield rows_of(whole, slice(start, start + self._size), samples)

    def _batch(self, item: Tree) -> Batch:
        if isinstance(item, Mapping):
            if self.labels_are_inputs:
                return Batch(item, None)
            if "labels" not in item:
                raise ValueError(
                    "a batch given as a mapping must have 'labels', which the loss takes; it has "
                    f"{', '.join(map(str, item))}"
                )
            return Batch({k: v for k, v in item.items() if k != "labels"}, item["labels"])
        if not isinstance(item, Sequence) or len(item) != 2:
            what = f"{len(item)} entries" if isinstance(item, Sequence) else type(item).__name__
            raise TypeError(
                f"a batch must be a pair (x, y) or a mapping of keyword arguments; got {what}"
            )
        return Batch(_as_tensors(item[0]), _as_tensors(item[1]))

    @contextmanager
    def _same_random_numbers(self) -> Iterator[None]:
        """Start the generators that a loader may draw from at the state of the first pass."""
        if self._state is None:
            yield
            return
        before = _generator_states(self._loader)
        _set_generator_states(self._loader, self._state)
        try:
            yield
        finally:
            _set_generator_states(self._loader, before)


def rows_of(batch: Batch, rows: slice, samples: int) -> Batch:
    """Return some samples of a batch, as views.

    Parameters
    ----------
    batch : Batch
        The batch.
    rows : slice
        Which samples.
    samples : int
        How many there are; tensors whose first axis is of another length stay whole.

    Returns
    -------
    Batch
    """

    def cut(tensor: Array) -> Array:
        return tensor[rows] if tensor.ndim and tensor.shape[0] == samples else tensor

    return Batch(mapped(cut, batch.inputs), mapped(cut, batch.targets))


def mapped(function: Callable[[Array], Array], tree: Tree) -> Tree:
    """Return tuples, lists and mappings of tensors with a function applied to each tensor.

    Parameters
    ----------
    function : callable
        Tensor -> anything.
    tree : object
        Tensors, nested in tuples, lists and mappings; other objects stay as they are.

    Returns
    -------
    object
        Of the same structure.
    """
    if _is_array(tree):
        return function(tree)
    if isinstance(tree, Mapping):
        return {key: mapped(function, value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        items = [mapped(function, value) for value in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return tree


def to_numpy(tensor: Array) -> Array:
    """Return a tensor as a NumPy array; half precision, which NumPy lacks or has apart, as single.

    Parameters
    ----------
    tensor : tensor
        On any device.

    Returns
    -------
    ndarray
        Of the same shape.
    """
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) in ("torch.bfloat16", "torch.float16"):
        tensor = tensor.float()
    return tensor.numpy()


def tensors_of(tree: Tree) -> list[Array]:
    """Return the tensors in tuples, lists and mappings, in order.

    Parameters
    ----------
    tree : object
        As for `mapped`.

    Returns
    -------
    list of tensor
    """
    found: list[Array] = []
    mapped(found.append, tree)
    return found


def _is_array(value: object) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "ndim")


def _is_pair_of_arrays(data: Tree) -> bool:
    if not isinstance(data, tuple | list) or len(data) != 2:
        return False
    inputs, targets = data
    return _is_array(targets) and (_is_array(inputs) or isinstance(inputs, Mapping | tuple))


def _as_tensors(tree: Tree) -> Tree:
    """Return NumPy arrays as tensors that share their memory."""

    def tensor(array: Array) -> Array:
        if not isinstance(array, np.ndarray):
            return array
        import torch

        writable = array if array.flags.writeable else array.copy()
        return torch.as_tensor(writable, device="cpu")  # whatever the default device is

    return mapped(tensor, tree)


def _refuse_lengths(batch: Batch) -> None:
    inputs, targets = tensors_of(batch.inputs), tensors_of(batch.targets)
    if not inputs or not targets or not inputs[0].ndim or not targets[0].ndim:
        return
    if inputs[0].shape[0] != targets[0].shape[0]:
        raise ValueError(
            f"x has {inputs[0].shape[0]} samples and y has {targets[0].shape[0]}; they must be "
            "equally many"
        )


def _refuse_dropped(torch: ModuleType, loader: DataLoader) -> None:
    sampler: Any = getattr(loader, "sampler", None)
    if getattr(sampler, "replacement", False):
        raise ValueError(
            f"the loader draws samples with replacement ({type(sampler).__name__}), so that the "
            "data set is left to chance; give each sample once, and weights to the loss"
        )
    shuffled = not isinstance(sampler, torch.utils.data.SequentialSampler)
    if not (shuffled and loader.drop_last and loader.batch_size):
        return
    try:
        lost = len(sampler) % loader.batch_size
    except TypeError:
        return
    if lost:
        raise ValueError(
            f"the loader shuffles and drops {lost} of {len(sampler)} samples (drop_last=True), so "
            "that the data set is left to chance; set drop_last=False"
        )


def _generator_states(loader: DataLoader) -> list[Tree]:
    import torch

    own = getattr(loader, "generator", None)
    return [
        torch.get_rng_state(),
        None if own is None else own.get_state(),
        random.getstate(),
        np.random.get_state(),  # noqa: NPY002
    ]


def _set_generator_states(loader: DataLoader, states: list[Tree]) -> None:
    import torch

    torch.set_rng_state(states[0])
    if states[1] is not None:
        loader.generator.set_state(states[1])
    random.setstate(states[2])
    np.random.set_state(states[3])  # noqa: NPY002
