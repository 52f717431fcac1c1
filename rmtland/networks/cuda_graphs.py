r"""CUDA graphs of small networks: a launch sequence recorded once, and replayed as one launch.

A product with the Hessian of a small network is some fifty kernels that each take less time than
their launch. Recorded as a graph, for given shapes and one precision, they are one launch: the
arguments are copied into the buffers that were recorded, and the results out of them. A function
is recorded at its second call; where the device, or the function, does not allow it, the reason is
kept in `GraphCache.refused`, and the plain route is taken from then on.

CuPy refuses to record its own calls of cuBLAS, so that matrix products (`times`) go, while a graph
is recorded, to a handle of cuBLAS with a workspace of its own. All memory of a recording comes from
a pool that nothing else uses. Synonyms: stream capture, launch latency, kernel launch overhead.

Examples
--------
>>> import numpy as np
>>> times(np.eye(2), np.ones((2, 1))).ravel()
array([1., 1.])
>>> GRAPHS.replayed(("twice",), lambda v: (2 * v,), [np.ones(2)]) is None  # nothing to record
True
"""

from __future__ import annotations

import ctypes
import operator
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rmtland.cuda_libraries import loaded_library
from rmtland.networks.fused_kernels import is_cupy
from rmtland.typing import Array

if TYPE_CHECKING:
    import cupy

__all__ = ["GRAPHS", "GraphCache", "Recorder", "gemm_of", "times", "without_graphs"]

Function = Callable[..., tuple[Array, ...]]

_LOCAL = threading.local()
_WORKSPACE = 2**24  # bytes that cuBLAS may use while a graph runs
_KEPT, _SHARE = 16, 16  # graphs, and 1 over the share of a device's memory that they take


def times(left: Array, right: Array) -> Array:
    """Return the product of two matrices; recorded by cuBLAS where a graph is being recorded.

    Parameters
    ----------
    left, right : array, shapes (n, k) and (k, l)
        The factors.

    Returns
    -------
    array, shape (n, l)
    """
    record = getattr(_LOCAL, "product", None)
    return operator.matmul(left, right) if record is None else record(left, right)


def gemm_of(
    shape: tuple[int, int], strides: tuple[int, int], itemsize: int
) -> tuple[int, int] | None:
    """Return how cuBLAS, which counts columns, reads a factor in rows.

    Parameters
    ----------
    shape, strides : (int, int)
        Of the matrix; strides in bytes.
    itemsize : int
        Bytes of a number.

    Returns
    -------
    (int, int) or None
        0, or 1 where it has to be transposed, and the leading dimension; None where it has to be
        copied.
    """
    rows, columns = shape
    down, along = (stride // itemsize for stride in strides)
    if (along == 1 or columns == 1) and (down >= columns or rows == 1):
        return 0, max(down if rows > 1 else columns, 1)
    if (down == 1 or rows == 1) and (along >= rows or columns == 1):
        return 1, max(along if columns > 1 else rows, 1)
    return None


class Recorder(Protocol):
    """What records a function of static buffers: CuPy, or a stand-in for tests."""

    def accepts(self, arrays: Sequence[Array]) -> bool:
        """Return whether functions of such arrays can be recorded."""

    def record(
        self, function: Function, buffers: list[Array]
    ) -> tuple[Callable[[], None], tuple[Array, ...], int]:
        """Record a function: what replays it, the arrays that it writes to, bytes of all."""

    def limit(self) -> int:
        """Return the bytes that all graphs may take."""

    def copy(self, array: Array) -> Array:
        """Return a new array with the same numbers."""


class _CupyRecorder:
    """Records on a stream of its own, with memory of its own."""

    def accepts(self, arrays: Sequence[Array]) -> bool:
        return all(is_cupy(array) for array in arrays) and _cublas() is not None

    def copy(self, array: Array) -> Array:
        return array.copy()

    def record(
        self, function: Function, buffers: list[Array]
    ) -> tuple[Callable[[], None], tuple[Array, ...], int]:
        import cupy

        handle = _handle(int(buffers[0].device.id))
        stream, pool = cupy.cuda.Stream(non_blocking=True), cupy.cuda.MemoryPool()
        cupy.cuda.get_current_stream().synchronize()
        _LOCAL.product = handle.product
        try:
            with stream, cupy.cuda.using_allocator(pool.malloc):
                held = cupy.empty(_WORKSPACE, dtype=np.uint8)
                handle.use(stream.ptr, held)
                function(*buffers)  # compiles kernels, and fills the pool
                stream.synchronize()
                stream.begin_capture()
                try:
                    outputs = function(*buffers)
                except BaseException:
                    with suppress(Exception):  # the reason is that of the function
                        stream.end_capture()
                    raise
                graph = stream.end_capture()
        finally:
            _LOCAL.product = None

        def launch(kept: object = (pool, stream, held)) -> None:  # the graph writes to this memory
            graph.launch()

        read = sum(int(buffer.nbytes) for buffer in buffers)
        return launch, outputs, int(pool.total_bytes()) + read

    def limit(self) -> int:
        import cupy

        return int(cupy.cuda.runtime.memGetInfo()[1]) // _SHARE


class _Recorded:
    """A function of arrays of some shapes, replayed."""

    def __init__(self, recorder: Recorder, function: Function, arrays: Sequence[Array]) -> None:
        self.recorder = recorder
        self.buffers = [recorder.copy(array) for array in arrays]
        self.launch, self.outputs, self.size = recorder.record(function, self.buffers)
        self.lock = threading.Lock()
        self.stream: cupy.cuda.Stream | None = None

    def __call__(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        with self.lock:
            self._follow()
            for buffer, array in zip(self.buffers, arrays, strict=True):
                buffer[...] = array
            self.launch()
            return tuple(self.recorder.copy(output) for output in self.outputs)

    def _follow(self) -> None:
        """Wait for another stream that may still read the buffers."""
        if not is_cupy(self.buffers[0]):
            return
        import cupy

        stream = cupy.cuda.get_current_stream()
        if self.stream is not None and self.stream != stream:
            self.stream.synchronize()
        self.stream = stream


class GraphCache:
    """The graphs that were recorded, by what they compute and the shapes of their arguments.

    Parameters
    ----------
    recorder : Recorder, optional
        What records; CuPy by default.

    Attributes
    ----------
    refused : dict
        Why functions could not be recorded, by key.
    enabled : bool
        Whether graphs are used; False where the environment says RMTLAND_CUDA_GRAPHS=0.
    """

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.recorder: Recorder = _CupyRecorder() if recorder is None else recorder
        self.enabled = os.environ.get("RMTLAND_CUDA_GRAPHS", "1") != "0"
        self.refused: dict[Hashable, str] = {}
        self._graphs: OrderedDict[Hashable, _Recorded | None] = OrderedDict()
        self._lock = threading.Lock()

    def accepts(self, *arrays: Array) -> bool:
        """Return whether graphs of functions of such arrays may be used."""
        return self.enabled and self.recorder.accepts(arrays)

    def replayed(
        self, what: Hashable, function: Function, arrays: Sequence[Array]
    ) -> tuple[Array, ...] | None:
        """Return a function's values by a graph.

        Parameters
        ----------
        what : hashable
            All that the function is made of, besides its arguments.
        function : callable
            Arrays -> tuple of new arrays, on the device, without a look at a number.
        arrays : sequence of array
            The arguments.

        Returns
        -------
        tuple of array or None
            New arrays; None at the first call, and where it cannot be recorded.
        """
        if not self.accepts(*arrays):
            return None
        shapes = tuple((tuple(a.shape), str(a.dtype), str(a.device)) for a in arrays)
        key = (what, shapes)
        if key in self.refused:
            return None
        with self._lock:
            first = key not in self._graphs
            graph = self._graphs.get(key)
            if first:
                self._graphs[key] = None
                self._forget_some()
                return None
            self._graphs.move_to_end(key)
            if graph is None:
                try:
                    graph = self._graphs[key] = _Recorded(self.recorder, function, arrays)
                except Exception as error:
                    self.refused[key] = f"{type(error).__name__}: {error}"
                    del self._graphs[key]
                    return None
                self._forget_some()
        return graph(arrays)

    def _forget_some(self) -> None:
        """Forget those used longest ago, where there are many, or large ones; not the last."""

        def held() -> int:
            return sum(graph.size for graph in self._graphs.values() if graph is not None)

        limit = self.recorder.limit()
        while len(self._graphs) > 1 and (len(self._graphs) > _KEPT or held() > limit):
            self._graphs.popitem(last=False)

    def clear(self) -> None:
        """Forget all graphs, and give their memory back."""
        with self._lock:
            self._graphs.clear()
            self.refused.clear()


@contextmanager
def without_graphs() -> Iterator[None]:
    """Take the plain route in a block, for comparison."""
    before, GRAPHS.enabled = GRAPHS.enabled, False
    try:
        yield
    finally:
        GRAPHS.enabled = before


# cuBLAS -------------------------------------------------------------------------------------------


class _Handle:
    """A handle of cuBLAS with a workspace of its own, for the products of a recording."""

    def __init__(self, library: ctypes.CDLL | None) -> None:
        self.library, self.pointer = library, ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self.pointer))

    def use(self, stream: int, workspace: Array) -> None:
        """Compute on a stream; the workspace is set after it, as a stream resets it."""
        self._call("cublasSetStream_v2", self.pointer, ctypes.c_void_p(stream))
        place, size = ctypes.c_void_p(workspace.data.ptr), ctypes.c_size_t(workspace.nbytes)
        self._call("cublasSetWorkspace_v2", self.pointer, place, size)

    def product(self, left: Array, right: Array) -> Array:
        """Return left @ right."""
        import cupy

        if left.ndim != 2 or right.ndim != 2 or left.dtype != right.dtype:
            raise TypeError("only products of two matrices of one precision are recorded")
        letter = {"float64": "D", "float32": "S"}[str(left.dtype)]
        number = {"D": ctypes.c_double, "S": ctypes.c_float}[letter]
        out = cupy.empty((left.shape[0], right.shape[1]), dtype=left.dtype)
        if not out.size:
            return out
        given = []
        for factor in (right, left):  # column by column it is the product of the transposes
            how = gemm_of(factor.shape, factor.strides, factor.itemsize)
            if how is None:
                factor = cupy.ascontiguousarray(factor)
                how = 0, max(int(factor.shape[1]), 1)
            given.append((factor, *how))
        (second, turn, lead), (first, flip, front) = given
        (n, k), m = left.shape, right.shape[1]
        self._call(
            f"cublas{letter}gemm_v2",
            self.pointer,
            turn,
            flip,
            m,
            n,
            k,
            ctypes.byref(number(1.0)),
            ctypes.c_void_p(second.data.ptr),
            lead,
            ctypes.c_void_p(first.data.ptr),
            front,
            ctypes.byref(number(0.0)),
            ctypes.c_void_p(out.data.ptr),
            m,
        )
        return out

    def _call(self, name: str, *arguments: object) -> None:
        status = getattr(self.library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} returned status {status}")


@cache
def _handle(device: int) -> _Handle:
    """Return the handle of a device."""
    import cupy

    with cupy.cuda.Device(device):
        return _Handle(_cublas())


@cache
def _cublas() -> ctypes.CDLL | None:
    """Return the cuBLAS library that CuPy has loaded."""
    from cupy_backends.cuda.libs import cublas

    assert cublas  # it is loaded now
    return loaded_library("libcublas", ["libcublas.so.13", "libcublas.so.12"], "cublasDgemm_v2")


GRAPHS = GraphCache()
"""The graphs of this process."""
