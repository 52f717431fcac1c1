r"""The loss of a PyTorch model on its data, as a surface; the model stays as it is.

Parameters are flat vectors in the order of ``named_parameters()``. Losses at several points are
those of rmtland's own network where the model is one, whose first layer is affine in a plane
(`rmtland.landscape.surface.torch_perceptron`). Other models are passed forward at several points
together by `torch.func.vmap` where that is faster on the first of them (small models and few
samples), and one after the other elsewhere.

Batch normalisation: its running statistics belong to the parameters they were measured at. With
``batch_statistics="kept"`` they stay, as in Li et al. (NeurIPS 2018); with "batch" each point is
evaluated with the means and variances of the data at that point, which need the data in one batch.

>>> TorchSurface.__name__
'TorchSurface'
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from rmtland.adapters import TorchOperator, from_torch
from rmtland.adapters.torch_batches import Batch, to_numpy
from rmtland.adapters.torch_parameters import Block
from rmtland.arguments import choice, float_array
from rmtland.landscape.surface.surface import LossSurface, parameter_rows
from rmtland.landscape.surface.torch_perceptron import TorchPerceptron, own_network
from rmtland.networks.overflow import NetworkOverflowError
from rmtland.typing import Array, ArrayLike, Real, Tree, override

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator
    from torch.nn import Module

__all__ = ["TorchSurface"]

_AT_ONCE = 16
"""Points that vmap passes forward together."""

BATCHING = ("auto", "own", "vmap", "loop")
STATISTICS = ("kept", "batch")


class TorchSurface(LossSurface):
    """The loss of a PyTorch model as a function of its parameters.

    Parameters
    ----------
    model, loss, data : nn.Module, loss, data
        As `rmtland.adapters.from_torch` takes them.
    batch_statistics : {"kept", "batch"}, optional
        What batch normalisation divides by at each point; see the module.
    batching : {"auto", "own", "vmap", "loop"}, optional
        How several points are evaluated; "auto" takes "own", rmtland's network, where the model is
        one and agrees at the first points, and times the other two on the first points elsewhere.
    **options
        Passed on to `from_torch`: ``parameters``, ``dtype``, ``batch_size``, ...

    Raises
    ------
    ValueError
        For what `from_torch` refuses, batch statistics of data in several batches, or "own" for a
        model that is no network of rmtland's.
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[..., Array],
        data: Tree,
        *,
        batch_statistics: str = "kept",
        batching: str = "auto",
        **options: Any,
    ) -> None:
        choice("batch_statistics", batch_statistics, STATISTICS)
        self._batching = choice("batching", batching, BATCHING)
        self._own_statistics = batch_statistics == "batch"
        self.origin: TorchOperator = from_torch(model, loss, data, **options)
        if self._own_statistics and not self.origin.batches.is_one_batch:
            raise ValueError(
                "batch_statistics='batch' needs the data in one batch: give tensors (x, y) and no "
                "batch_size"
            )
        found = own_network(self.origin, loss) if batching in ("auto", "own") else None
        self._own = found
        self._own_checked = False
        if batching == "own" and found is None:
            raise ValueError(
                "batching='own' is for nn.Sequential of linear layers and one kind of activation "
                "with a mean loss that MLP.from_torch reads; leave it out"
            )

    @property
    @override
    def size(self) -> int:
        return int(self.origin.shape[0])

    @property
    @override
    def blocks(self) -> tuple[Block, ...]:
        return self.origin.blocks

    def parameters(self) -> Real:
        """Return the present parameters of the model.

        Returns
        -------
        ndarray of float64, shape (p,)
            A copy.
        """
        present: Real = self.origin.parameters().astype(np.float64)
        return present

    def at(self, theta: Real) -> TorchOperator:
        """Return the operator of the Hessian at a point, which has loss and gradient too.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Where.

        Returns
        -------
        TorchOperator
            In the precision of the model; batch statistics are those that the model keeps.
        """
        return self.origin.at(parameter_rows(np.reshape(theta, (1, -1)), self.size)[0])

    @override
    def loss(self, theta: Real) -> float:
        with self._statistics():
            return _finite(self.at(theta).loss())

    @override
    def value(self, theta: Real) -> tuple[float, Real]:
        with self._statistics():
            here = self.at(theta)
            return _finite(here.loss()), here.gradient().astype(np.float64)

    @override
    def product(self, theta: Real, vector: Real) -> Real:
        with self._statistics():
            product: Real = (self.at(theta) @ vector).astype(np.float64)
        return product

    @override
    def operator(self, theta: Real) -> LinearOperator:
        if not self._own_statistics:
            return self.at(theta)
        return self._by_products(theta, self.origin.dtype)

    @override
    def losses(self, thetas: ArrayLike) -> Real:
        rows = parameter_rows(thetas, self.size)
        own = self._network(rows)
        return self._by_torch(rows) if own is None else own.losses(rows)

    @override
    def plane_losses(self, origin: Real, directions: Real, coordinates: ArrayLike) -> Real:
        rows = parameter_rows(directions, self.size)
        start = parameter_rows(np.reshape(origin, (1, -1)), self.size)[0]
        points = float_array("coordinates", coordinates, ndim=2)
        own = self._network(start + points[:2] @ rows)
        if own is None:
            return super().plane_losses(start, rows, points)
        return own.plane_losses(start, rows, points)

    @property
    def perceptron(self) -> TorchPerceptron | None:
        """Rmtland's own network where the model is one and agrees with it; None elsewhere."""
        return self._network(np.array([self.parameters()]))

    def _network(self, rows: Real) -> TorchPerceptron | None:
        """Return rmtland's own network if it is the model; checked at two points, once."""
        if self._own is not None and not self._own_checked:
            if not self._own.agrees(rows[:2], self._by_torch(rows[:2])):
                if self._batching == "own":
                    raise ValueError("the model is not the network it looks like; leave 'own' out")
                self._own = None
            self._own_checked = True
        return self._own

    def _by_torch(self, rows: Real) -> Real:
        function, found = self.origin.function, np.zeros(len(rows))
        with self._statistics(), function.differentiable():
            for given in self.origin.batches:
                batch = function.batch(given)
                for start in range(0, len(rows), _AT_ONCE):
                    some = self._tensor(rows[start : start + _AT_ONCE])
                    found[start : start + len(some)] += to_numpy(self._several(some, batch))
        found /= self.origin.total_count
        bad = int((~np.isfinite(found)).sum())
        if bad:
            raise NetworkOverflowError(
                f"the loss is not finite at {bad} of {len(found)} points; take points nearer "
                "together"
            )
        return found

    def _tensor(self, rows: Real) -> Array:
        import torch

        function = self.origin.function
        return torch.from_numpy(rows).to(device=function.device, dtype=function.dtype)

    def _one(self, flat: Array, batch: Batch, frozen: dict[str, Array]) -> Array:
        values = [flat[block.slice].reshape(block.shape) for block in self.blocks]
        return self.origin.function.loss(values, batch, frozen)

    def _several(self, rows: Array, batch: Batch) -> Array:
        """Return the losses of a batch at several points, by the faster route that is right."""
        import torch

        frozen = self.origin.function.frozen()

        def together() -> Array:
            return torch.func.vmap(lambda flat: self._one(flat, batch, frozen))(rows)

        def one_by_one() -> Array:
            return torch.stack([self._one(flat, batch, frozen) for flat in rows])

        with torch.no_grad():
            if self._batching == "vmap" and len(rows) > 1:
                return together()
            if self._batching != "auto" or len(rows) < _AT_ONCE:
                return one_by_one()
            try:
                together()  # the first call traces
                started = time.perf_counter()
                found = together()
                middle = time.perf_counter()
            except RuntimeError:  # an operation without a batching rule
                self._batching = "loop"
                return one_by_one()
            reference = one_by_one()
            faster = middle - started < time.perf_counter() - middle
            close = torch.allclose(found, reference, rtol=1e-4)
            self._batching = "vmap" if faster and close else "loop"
            return reference

    @contextmanager
    def _statistics(self) -> Iterator[None]:
        """Evaluate batch normalisation with the statistics of the data, if that was asked for."""
        if not self._own_statistics:
            yield
            return
        import torch

        function = self.origin.function
        kind = torch.nn.modules.batchnorm._BatchNorm
        before = function.modes
        with ExitStack() as stack:
            for module in function.model.modules():
                if isinstance(module, kind) and module.track_running_stats:
                    stack.callback(setattr, module, "track_running_stats", True)
                    module.track_running_stats = False
            stack.callback(setattr, function, "modes", before)
            function.modes = [(m, training or isinstance(m, kind)) for m, training in before]
            yield


def _finite(loss: float) -> float:
    if not np.isfinite(loss):
        raise NetworkOverflowError("the loss is not finite at this point")
    return loss
