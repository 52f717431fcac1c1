r"""Sums of operators whose products are made by several workers: data-parallel Hessians.

The Hessian of a loss that is a mean over data is the weighted sum of those of parts of the data,

.. math:: H v = \sum_k w_k\, H_k v , \qquad w_k = m_k/m .

Each part is an operator; a worker keeps it and multiplies by it, so that the data are sent once and
a product sends vectors only. Products are added in the order of the parts, in double precision:
the result does not depend on who computes, or on which worker is first.

Synonyms: distributed Hessian-vector product, data parallelism, all-reduce.

Examples
--------
>>> import numpy as np
>>> from rmtland.sweep import Serial
>>> parts = [np.diag([1.0, 2.0]), np.diag([3.0, 6.0])]
>>> with SummedOperator(parts, weights=[0.75, 0.25], executor=Serial()) as operator:
...     operator @ np.array([1.0, 1.0])
array([1.5, 3. ])
"""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from scipy.sparse.linalg import LinearOperator

from rmtland.arguments import entries, float_array
from rmtland.estimate.operators import symmetric_operator
from rmtland.sweep import Dask, Processes, Serial
from rmtland.typing import Array, ArrayLike, NumpyArray, Operator

if TYPE_CHECKING:
    from distributed import Client

    from rmtland.estimate import SymmetricOperator
    from rmtland.sweep.executors import AnyExecutor

__all__ = ["SummedOperator"]


class SummedOperator(LinearOperator):  # type: ignore[misc]
    """The weighted sum of symmetric operators, each multiplied by a worker; a context manager.

    Parameters
    ----------
    parts : sequence of operators
        One a part of the data: anything that `symmetric_operator` takes. Workers in other processes
        need parts that can be pickled.
    weights : array_like of float, optional
        Of the parts, such as m_k/m for means over m_k of m samples; 1 by default.
    executor : Processes, Serial, Dask or concurrent.futures.Executor, optional
        Who multiplies. `Processes()`, the default, starts one process for each part, which keeps
        it; an executor of one's own is left open and gets the part with each product.

    Raises
    ------
    ValueError
        If there are no parts, they differ in size, or weights do not fit them.
    TypeError
        If a part is no operator, or the executor none.
    """

    def __init__(
        self,
        parts: Sequence[Operator],
        *,
        weights: ArrayLike | None = None,
        executor: Processes | Serial | Dask | Executor | None = None,
    ) -> None:
        found = [symmetric_operator(part) for part in entries("parts", parts)]
        if not found:
            raise ValueError("a sum needs at least one part")
        sizes = sorted({part.size for part in found})
        if len(sizes) > 1:
            raise ValueError(f"parts must be of one size; got {sizes}")
        self.weights = (
            np.ones(len(found)) if weights is None else float_array("weights", weights, ndim=1)
        )
        if len(self.weights) != len(found):
            raise ValueError(f"{len(found)} parts need as many weights; got {len(self.weights)}")
        kinds = np.result_type(*[part.work_dtype for part in found])
        super().__init__(kinds, (sizes[0], sizes[0]))
        self.parts = len(found)
        self._stack = ExitStack()
        self._died: tuple[type[Exception], ...] = (BrokenProcessPool,)
        self._submit = self._workers(found, Processes() if executor is None else executor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers that were started here."""
        self._stack.close()

    def _workers(self, found: list[SymmetricOperator], executor: AnyExecutor) -> list[_Begins]:
        """Return one function for each part that begins its product with a block."""
        if isinstance(executor, Serial):
            return [functools.partial(_Now, part) for part in found]
        if isinstance(executor, Processes):
            spawn = multiprocessing.get_context("spawn")
            begin: list[_Begins] = []
            for part in found:
                worker = ProcessPoolExecutor(
                    1, mp_context=spawn, initializer=_keep, initargs=(part,)
                )
                self._stack.callback(worker.shutdown, wait=False, cancel_futures=True)
                submit: Any = worker.submit
                begin.append(functools.partial(submit, _times_kept))
            return begin
        if isinstance(executor, Executor):
            given: Any = executor.submit
            return [functools.partial(given, _times, part) for part in found]
        if isinstance(executor, Dask):
            distributed = _distributed()
            self._died += (distributed.scheduler.KilledWorker,)
            client = self._stack.enter_context(_connected(distributed, executor))
            there = client.scatter(found)
            return [functools.partial(client.submit, _times, one, pure=False) for one in there]
        raise TypeError(
            "executor must be Processes, Serial, Dask or a concurrent.futures.Executor; got "
            f"{type(executor).__name__}"
        )

    def _matmat(self, vectors: Array) -> Array:
        block = np.ascontiguousarray(vectors)
        pending: list[_Pending] = []
        try:
            pending += [begin(block) for begin in self._submit]
            products = [one.result() for one in pending]
        except self._died as error:
            raise RuntimeError(
                f"a worker of a product ({self.parts} parts) died (killed, or out of memory); "
                "nothing of this product is kept: begin again, with more and smaller parts if the "
                "memory was too small"
            ) from error
        finally:
            for one in pending:
                one.cancel()
        total = np.zeros(block.shape, dtype=np.result_type(self.dtype, block.dtype))
        for weight, product in zip(self.weights, products, strict=True):
            total += weight * product
        return total

    def _matvec(self, vector: Array) -> Array:
        return self._matmat(np.reshape(vector, (-1, 1))).reshape(np.shape(vector))

    def _adjoint(self) -> Self:
        return self

    def __repr__(self) -> str:
        return f"SummedOperator({self.parts} parts, size={self.shape[0]})"


def _distributed() -> ModuleType:
    try:
        import distributed
    except ImportError as error:
        raise ImportError(
            "a Dask cluster needs the package distributed: pip install 'rmtland[dask]'"
        ) from error
    return distributed


def _connected(distributed: ModuleType, cluster: Dask) -> Client:
    try:
        client: Client = distributed.Client(
            cluster.address, timeout=cluster.timeout, set_as_default=False
        )
    except OSError as error:
        raise ConnectionError(f"no Dask scheduler answers at {cluster.address}: {error}") from error
    return client


class _Pending(Protocol):
    """A product that was begun."""

    def result(self) -> NumpyArray: ...
    def cancel(self) -> object: ...


_Begins = Callable[[NumpyArray], _Pending]


class _Now:
    """A product that is made at once, where it is asked for."""

    def __init__(self, part: SymmetricOperator, block: NumpyArray) -> None:
        self._product = _times(part, block)

    def result(self) -> NumpyArray:
        return self._product

    def cancel(self) -> None:
        """There is nothing to cancel."""


_kept: list[SymmetricOperator] = []


def _keep(part: SymmetricOperator) -> None:
    """Keep the part of this worker."""
    _kept[:] = [part]


def _times_kept(block: NumpyArray) -> NumpyArray:
    return _times(_kept[0], block)


def _times(part: SymmetricOperator, block: NumpyArray) -> NumpyArray:
    product: NumpyArray = part.matmat(block)
    return product
