r"""Where the vectors of an operator live: NumPy on the CPU, or an array library on a device.

An operator whose products are arrays of CuPy, or of PyTorch on a CUDA device, is given vectors
there, and they stay there: Krylov bases, random images, Chebyshev recurrences. Random numbers are
drawn by NumPy, so that the probes of a seed are the same everywhere; numbers come back once a run.

Examples
--------
>>> place = Placement.of(np.ones(3))
>>> place.is_host, place.put([1.0, 2.0])
(True, array([1., 2.]))
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from rmtland.arrays import ArrayLibrary, array_namespace, device_options, to_numpy
from rmtland.typing import Array, ArrayLike, Namespace, NumpyArray

__all__ = ["HOST", "Placement"]


@dataclass(frozen=True)
class Placement:
    """An array library and one of its devices.

    Parameters
    ----------
    xp : module
        Functions of the array-API standard.
    device : object, optional
        A device of that library; None for NumPy.
    """

    xp: Namespace
    device: object = None

    @classmethod
    def of(cls, array: Array) -> Self:
        """Find where an array is.

        Parameters
        ----------
        array : array
            Of any library.

        Returns
        -------
        Placement
        """
        xp = array_namespace(array)
        return cls(xp) if xp is np else cls(xp, device_options(array)["device"])

    def __reduce__(self) -> tuple[object, ...]:  # modules cannot be pickled, their names can
        return _named, (self.xp.__name__, self.device)

    @property
    def is_host(self) -> bool:
        """Whether vectors are NumPy arrays."""
        return self.xp is np

    def dtype(self, name: DTypeLike) -> object:
        """Return the dtype of the library with the name of one of NumPy's."""
        return getattr(self.xp, np.dtype(name).name)

    def put(self, values: ArrayLike, dtype: DTypeLike | None = None) -> Array:
        """Return numbers as an array here.

        Parameters
        ----------
        values : array_like
            Numbers of NumPy.
        dtype : dtype, optional
            Of NumPy; that of the numbers by default.

        Returns
        -------
        array
        """
        array = np.asarray(values, dtype=dtype)
        if self.is_host:
            return array
        # PyTorch takes no negative strides, and warns of memory that must not be written to
        array = np.require(array, requirements=["C", "W"])
        return self.xp.asarray(array, dtype=self.dtype(array.dtype), device=self.device)

    def take(self, array: Array) -> NumpyArray:
        """Return an array of this place as one of NumPy: a transfer, and a wait for the device."""
        return array if isinstance(array, np.ndarray) else np.asarray(to_numpy(array))

    def cast(self, array: Array, dtype: DTypeLike) -> Array:
        """Return an array of this place in a dtype of NumPy; the array itself where it has it."""
        if self.is_host:
            return np.asarray(array, dtype=dtype)
        wanted = self.dtype(dtype)
        return array if array.dtype == wanted else self.xp.astype(array, wanted)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Return zeros of a dtype of NumPy."""
        if self.is_host:
            return np.zeros(shape, dtype=dtype)
        return self.xp.zeros(shape, dtype=self.dtype(dtype), device=self.device)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Return room for numbers of a dtype of NumPy."""
        if self.is_host:
            return np.empty(shape, dtype=dtype)
        return self.xp.empty(shape, dtype=self.dtype(dtype), device=self.device)

    def adjoint(self, matrix: Array) -> Array:
        """Return the conjugate transpose."""
        if self.is_host:
            return matrix.conj().T
        flipped = self.xp.matrix_transpose(matrix)
        return self.xp.conj(flipped) if self.is_complex(matrix) else flipped

    def column_dots(self, one: Array, two: Array) -> Array:
        """Return the real parts of the inner products of columns, shape (k,)."""
        if self.is_host:
            return np.einsum("pm,pm->m", one.conj(), two).real
        if not self.is_complex(two):
            return self.xp.sum(one * two, axis=0)
        return self.xp.real(self.xp.sum(self.xp.conj(one) * two, axis=0))

    def column_norms(self, array: Array) -> Array:
        """Return the norms of columns, shape (k,)."""
        if self.is_host:
            return np.asarray(np.linalg.norm(array, axis=0))
        return self.xp.sqrt(self.column_dots(array, array))

    def row_norms(self, array: Array) -> Array:
        """Return the norms of rows, shape (p,)."""
        if self.is_host:
            return np.asarray(np.linalg.norm(array, axis=1))
        squares = self.xp.abs(array) ** 2
        return self.xp.sqrt(self.xp.sum(squares, axis=1))

    def conj(self, array: Array) -> Array:
        """Return the complex conjugate."""
        if self.is_host:
            return array.conj()
        return self.xp.conj(array) if self.is_complex(array) else array

    def real(self, array: Array) -> Array:
        """Return the real part."""
        if self.is_host:
            return array.real
        return self.xp.real(array) if self.is_complex(array) else array

    def free_bytes(self) -> int | None:
        """Return the memory free on the device; None for the host or where it does not say."""
        name = self.xp.__name__.rpartition(".")[2]
        if name == "cupy" or (name == "torch" and str(self.device).startswith("cuda")):
            return ArrayLibrary(self.xp, name, device=self.device).free_memory()
        return None

    def is_complex(self, array: Array) -> bool:
        """Return whether an array of a device is complex."""
        return bool(self.xp.isdtype(array.dtype, "complex floating"))


def _named(library: str, device: object) -> Placement:
    return Placement(importlib.import_module(library), device)


HOST = Placement(np)
