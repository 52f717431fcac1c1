"""Kernels of the samplers on a CUDA device, and how they are launched.

The sources `philox.cu` and `sturm.cu` are compiled by NVRTC when they are first used, for the
current device, without contracting a * b + c into one rounding: integers and Sturm counts are then
those of the NumPy references (`rmtland.ensembles.device.philox`, `rmtland.ensembles.sturm`), and
floats differ by the last places of logarithms and sines only.

Examples
--------
>>> kernels_of(ArrayLibrary.of()) is None  # NumPy draws from its own generators
True
>>> "philox4x64" in source("philox")
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from rmtland.arrays import ArrayLibrary
from rmtland.typing import Array, Namespace

if TYPE_CHECKING:
    import cupy

__all__ = ["OPTIONS", "Kernels", "kernels_of", "source"]

OPTIONS = ("--std=c++17", "--fmad=false")
"""Options of the compiler."""

_THREADS = 256
_LANES = 64  # shifts of a block: few, as the divisions of a lane follow one another
_BLOCKS = 2**20


def source(name: str) -> str:
    """Return the CUDA source of a file of this room.

    Parameters
    ----------
    name : str
        "philox" or "sturm".

    Returns
    -------
    str
    """
    return files(__package__).joinpath(f"{name}.cu").read_text("utf-8")


@dataclass(frozen=True)
class Kernels:
    """The kernels over arrays of one library, on its current device.

    Parameters
    ----------
    xp : module
        Library of the arrays.
    launch : callable
        `launch(file, kernel, blocks, threads, arguments)`.
    """

    xp: Namespace
    launch: Callable[[str, str, int, int, tuple[object, ...]], None]

    def fill(
        self, kind: str, keys: Array, stream: int, first: int, count: int, dtype: str = "float64"
    ) -> Array:
        """Elements first, ..., first + count - 1 of a stream of each run, shape (runs, count).

        Parameters
        ----------
        kind : str
            "integers", "normals" or "uniforms".
        keys : array of uint64, shape (runs, 2)
            Seed and number of each run.
        stream, first, count : int
            Which numbers.
        dtype : str
            "float64" or "float32", for other kinds than integers.

        Returns
        -------
        array, shape (runs, count)
        """
        name = kind if kind == "integers" else f"{kind}_{dtype}"
        out = self.xp.empty((keys.shape[0], count), dtype="uint64" if kind == "integers" else dtype)
        arguments = (out, keys, *_words(stream, first, count, keys.shape[0]))
        self._elementwise(name, out.size // 4 + keys.shape[0], arguments)
        return out

    def chisquares(
        self,
        keys: Array,
        stream: int,
        first: int,
        count: int,
        degrees: tuple[float, float, float],
        *,
        logarithm: bool = False,
    ) -> Array:
        """Chi-square variables of (top - slope * element) * scale degrees of freedom.

        Parameters
        ----------
        keys, stream, first, count
            As for `fill`.
        degrees, logarithm
            As for `rmtland.ensembles.device.philox.chisquares`, the reference.

        Returns
        -------
        array, shape (runs, count)
        """
        out = self.xp.empty((keys.shape[0], count), dtype="float64")
        numbers = (*(np.float64(x) for x in degrees), np.int32(logarithm))
        arguments = (out, keys, *_words(stream, first, count, keys.shape[0]), *numbers)
        self._elementwise("chisquares", out.size, arguments)
        return out

    def sweep(
        self,
        diagonal: Array,
        squares: Array,
        pivots: Array,
        shifts: Array,
        state: Array,
        counts: Array,
    ) -> None:
        """Take the Sturm sequences of all shifts through a block of rows of every run.

        Parameters
        ----------
        diagonal, squares : array, shape (runs, length)
            Rows, and the squares of the off-diagonals above them.
        pivots : array, shape (runs,)
            Smallest pivots allowed.
        shifts : array, shape (runs, lanes)
            Points below which eigenvalues are counted.
        state : array, shape (runs, lanes)
            Last pivots, updated.
        counts : array of int64, shape (runs, lanes)
            Numbers of negative pivots, updated.
        """
        arrays = tuple(self.xp.ascontiguousarray(x) for x in (diagonal, squares, pivots, shifts))
        self._by_lanes("sweep", (*arrays, state, counts), (diagonal.shape[1],), *shifts.shape)

    def bisect(
        self,
        diagonal: Array,
        squares: Array,
        pivots: Array,
        bounds: tuple[Array, Array],
        resolution: Array,
        first: int,
        count: int,
    ) -> Array:
        """Eigenvalues of ranks first, ..., first + count - 1 from below, of every run.

        Parameters
        ----------
        diagonal, squares, pivots
            As for `sweep`, all rows.
        bounds : tuple of arrays, shape (runs,)
            Bounds of the spectra.
        resolution : array, shape (runs,)
            Width at which a bisection ends.
        first, count : int
            Ranks.

        Returns
        -------
        array, shape (runs, count)
            Ascending.
        """
        arrays = (diagonal, squares, pivots, *bounds, resolution)
        values = self.xp.empty((diagonal.shape[0], count), dtype="float64")
        given = (*(self.xp.ascontiguousarray(x) for x in arrays), values)
        self._by_lanes("bisect", given, (diagonal.shape[1], first), diagonal.shape[0], count)
        return values

    def _elementwise(self, name: str, elements: int, arguments: tuple[object, ...]) -> None:
        if elements:
            blocks = min(-(-elements // _THREADS), _BLOCKS)
            self.launch("philox", name, blocks, _THREADS, arguments)

    def _by_lanes(
        self, name: str, arrays: tuple[Array, ...], sizes: tuple[int, ...], runs: int, lanes: int
    ) -> None:
        blocks = -(-lanes // _LANES)
        if runs * blocks:
            numbers = tuple(np.int64(x) for x in (*sizes, lanes, blocks))
            self.launch("sturm", name, runs * blocks, _LANES, (*arrays, *numbers))


def kernels_of(library: ArrayLibrary) -> Kernels | None:
    """Return the kernels that draw for a library; None where NumPy's generators do.

    Parameters
    ----------
    library : ArrayLibrary
        CuPy has kernels, on the device that is current.

    Returns
    -------
    Kernels or None
    """
    if library.name != "cupy":
        return None
    import cupy

    return Kernels(cupy, _launch)


def _launch(
    file: str, kernel: str, blocks: int, threads: int, arguments: tuple[object, ...]
) -> None:
    _module(file).get_function(kernel)((blocks,), (threads,), arguments)


@cache
def _module(file: str) -> cupy.RawModule:
    import cupy

    return cupy.RawModule(code=source(file), options=OPTIONS)


def _words(*numbers: int) -> tuple[np.uint64, ...]:
    return tuple(np.uint64(number) for number in numbers)
