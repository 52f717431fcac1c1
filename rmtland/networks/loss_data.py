"""The data of a loss, checked, whole or a chunk of samples at a time.

Arrays of any library are taken, and anything else that has a shape and slices along its first
axis: memory maps, HDF5 or Zarr data sets. Small data are checked and kept at once; what would fill
more than `CACHE_BYTES` with its forward pass, and memory maps that would fill `CHUNK_BYTES`, is
read, checked and converted chunk by chunk, each time it is needed.

>>> import numpy as np
>>> from rmtland.networks.loss import LOSSES
>>> x, y, theta = np.ones((5, 2)), np.zeros((5, 1)), np.zeros(2)
>>> data = LossData.of(x, y, theta, (2, 1), LOSSES["mse"], chunk=2)
>>> [x.shape for x, y in data.chunks()]
[(2, 2), (2, 2), (1, 2)]
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rmtland.arguments import count, dense_array
from rmtland.arrays import ArrayLibrary, array_namespace, device_options
from rmtland.networks.array_arguments import real_array
from rmtland.networks.fused_kernels import is_cupy
from rmtland.networks.loss import Loss
from rmtland.typing import Array, Integer, Real

__all__ = ["CACHE_BYTES", "CHUNK_BYTES", "LossData"]

CACHE_BYTES = 2**30
"""A forward pass of at most so many bytes is kept whole; a quarter of a device's free memory."""

CHUNK_BYTES = 2**28
"""Bytes of the forward pass over a chunk, where it is not kept whole."""


@dataclass(frozen=True, eq=False, repr=False)
class LossData:
    """Inputs and targets, one row a sample.

    Parameters
    ----------
    x, y : array_like
        Inputs, shape (m, n_in), and targets as the loss takes them.
    size : int
        The number m of samples.
    chunk : int
        The number of samples read at once.
    like : array
        An array of the library, device and dtype of the computation.
    n_in, n_out : int
        Numbers of inputs and outputs.
    loss : Loss
        What says which targets are good.
    """

    x: Array
    y: Array
    size: int
    chunk: int
    like: Array
    n_in: int
    n_out: int
    loss: Loss

    @classmethod
    def of(
        cls,
        x: Array,
        y: Array,
        theta: Array,
        widths: tuple[int, ...],
        loss: Loss,
        *,
        chunk: int | None = None,
    ) -> LossData:
        """Return the data of a network, checked where they are kept whole.

        Parameters
        ----------
        x, y : array_like
            Inputs and targets; anything that has a shape and slices.
        theta : array
            Of the library, device and dtype of the computation.
        widths : tuple of int
            Of the network.
        loss : Loss
            What says which targets are good.
        chunk : int, optional
            Samples read at once.

        Returns
        -------
        LossData

        Raises
        ------
        ValueError
            If shapes do not fit, a value is not finite, or a target is out of range.
        """
        if chunk is None and type(x) is np.ndarray and type(theta) is np.ndarray:
            data = cls.plain(x, y, theta, widths, loss)
            if data is not None:
                return data
        n_in, n_out = widths[0], widths[-1]
        source = x if hasattr(x, "shape") and hasattr(x, "dtype") else dense_array("x", x)
        shape = tuple(source.shape)
        if len(shape) != 2:
            raise ValueError(f"x must have 2 axes, one row per sample; got shape {shape}")
        if not shape[0]:
            raise ValueError(f"x is empty (shape {shape}); give at least one sample")
        if shape[1] != n_in:
            raise ValueError(f"x must have shape (m, {n_in}), one row per sample; got {shape}")
        targets = y if hasattr(y, "shape") else dense_array("y", y)
        m = shape[0]
        if not targets.shape or int(targets.shape[0]) != m:
            raise ValueError(
                f"y must have shape ({m}, {n_out}), one row per sample of x; "
                f"got {tuple(targets.shape)}"
            )
        itemsize = 8
        bytes_each = itemsize * (n_in + 5 * sum(widths[1:]))
        resident = not _on_disk(source)
        if chunk is None and m * bytes_each <= CHUNK_BYTES:
            chunk = m  # without asking a device how much is free, which waits
        elif chunk is None:
            cache, part = _bytes_of_passes(theta)
            limit = cache if resident else part
            chunk = m if m * bytes_each <= limit else max(1, part // bytes_each)
        data = cls(source, targets, m, min(m, count("chunk", chunk)), theta, n_in, n_out, loss)
        if data.is_whole:
            x, y = data._read(0, m)
            return cls(x, y, m, m, theta, n_in, n_out, loss)
        return data

    @classmethod
    def plain(
        cls, x: Real, y: Array, theta: Real, widths: tuple[int, ...], loss: Loss
    ) -> LossData | None:
        """Return the data at once where NumPy has them as they are computed with.

        Parameters
        ----------
        x : ndarray
            Inputs.
        y : array_like
            Targets.
        theta : ndarray
            Of the dtype of the computation.
        widths : tuple of int
            Of the network.
        loss : Loss
            What says which targets are good.

        Returns
        -------
        LossData or None
            None where something has to be converted, read in chunks or refused: see `of`.
        """
        if x.ndim != 2 or x.dtype is not theta.dtype or not x.flags.c_contiguous:
            return None
        m, n_in = x.shape
        if not m or n_in != widths[0] or 8 * m * (n_in + 5 * sum(widths[1:])) > CHUNK_BYTES:
            return None
        if type(y) is not np.ndarray or y.shape[:1] != (m,) or not math.isfinite(np.vdot(x, x)):
            return None
        data = cls.__new__(cls)  # what the constructor does takes twice as long
        data.__dict__.update(
            x=x,
            y=loss.targets(y, samples=m, n_out=widths[-1], like=x),
            size=m,
            chunk=m,
            like=theta,
            n_in=n_in,
            n_out=widths[-1],
            loss=loss,
        )
        return data

    @property
    def is_whole(self) -> bool:
        """Whether all samples are one chunk."""
        return self.chunk >= self.size

    def chunks(self) -> Iterator[tuple[Array, Array]]:
        """Read the data: pairs (x, targets) of arrays.

        Returns
        -------
        iterator of (array, array)
        """
        for start in range(0, self.size, self.chunk):
            yield self._read(start, min(self.size, start + self.chunk))

    def subset(self, which: Integer) -> LossData:
        """Return the samples numbered `which` (ascending), checked and kept whole.

        Parameters
        ----------
        which : ndarray of int
            Ascending.

        Returns
        -------
        LossData
        """
        x, y = self._check(_picked(self.x, which), _picked(self.y, which), "")
        return replace(self, x=x, y=y, size=len(which), chunk=len(which))

    def _read(self, start: int, stop: int) -> tuple[Array, Array]:
        if start == 0 and stop == self.size and not _is_lazy(self.x) and not _is_lazy(self.y):
            return self._check(self.x, self.y, "")
        x, y = (_cut(source, start, stop) for source in (self.x, self.y))
        return self._check(x, y, f" in rows {start} to {stop - 1}")

    def _check(self, x: Array, y: Array, where: str) -> tuple[Array, Array]:
        array = real_array("x" + where, x, 2, self.like)
        return array, self.loss.targets(
            y, samples=int(array.shape[0]), n_out=self.n_out, like=array
        )


def _bytes_of_passes(theta: Array) -> tuple[int, int]:
    """Return the bytes of a forward pass that is kept, and of one over a chunk."""
    if not is_cupy(theta):
        return CACHE_BYTES, CHUNK_BYTES
    free = ArrayLibrary.of(array_namespace(theta)).free_memory()
    return max(CACHE_BYTES, free // 4), max(CHUNK_BYTES, free // 16)


def _cut(source: Array, start: int, stop: int) -> Array:
    """Return rows of anything that slices; arrays by the standard want all axes named."""
    if isinstance(source, np.ndarray) or not hasattr(source, "__array_namespace__"):
        return source[start:stop]
    return source[start:stop, ...]


def _picked(source: Array, which: Integer) -> Array:
    """Return some rows of anything that slices."""
    if isinstance(source, np.ndarray) or not hasattr(source, "__dlpack__"):
        return source[which]
    xp = array_namespace(source)
    return xp.take(source, xp.asarray(which, **device_options(source)), axis=0)


def _on_disk(source: Array) -> bool:
    """Whether an array may be larger than memory: a memory map, or no array of a library."""
    if isinstance(source, np.ndarray):
        base: object = source
        while base is not None:
            if isinstance(base, np.memmap):
                return True
            base = getattr(base, "base", None)
        return False
    return _is_lazy(source)


def _is_lazy(source: Array) -> bool:
    """Whether something is no array of a library but has to be sliced to become one."""
    return not (
        isinstance(source, np.ndarray)
        or hasattr(source, "__array_namespace__")
        or hasattr(source, "__dlpack__")
    )
