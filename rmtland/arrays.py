"""The array library that computes, its device and its precision.

Samplers run on NumPy unless another array library is named: CuPy, PyTorch or any other that follows
the array-API standard [1]_.

References
----------
.. [1] Consortium for Python Data API Standards, Python array API standard, version 2024.12.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rmtland.streams import wide_seed

__all__ = [
    "ROUNDING_UNITS",
    "ArrayLibrary",
    "array_namespace",
    "device_options",
    "is_finite",
    "placed",
    "precision_of",
    "to_numpy",
]

ROUNDING_UNITS = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}
"""Distance from 1 to the next number, by precision (machine epsilon)."""

_FEW = 2**13  # entries up to which a look at each is the fastest


def array_namespace(*arrays: Any) -> Any:
    """Return the array library of the arguments, with the functions of the array-API standard.

    NumPy arrays, numbers and sequences belong to NumPy; with one array of another library
    (CuPy, PyTorch, array-api-strict, ...) all of them belong to that one.

    Raises
    ------
    TypeError
        If two libraries other than NumPy meet.
    ImportError
        If such an array comes and array-api-compat is missing.
    """
    for array in arrays:
        if type(array) is not np.ndarray:
            break
    else:
        return np  # soon, for the sake of small arrays
    others = [
        array
        for array in arrays
        if not isinstance(array, np.ndarray | np.generic)
        and (hasattr(array, "__array_namespace__") or hasattr(array, "__dlpack__"))
    ]
    if not others:
        return np
    try:
        import array_api_compat
    except ImportError as error:
        raise ImportError(
            f"arrays of type {type(others[0]).__module__}.{type(others[0]).__name__} need "
            "array-api-compat, which is not installed: pip install array-api-compat"
        ) from error
    return array_api_compat.array_namespace(*others)


def to_numpy(array: Any) -> NDArray[Any]:
    """Return an array of any library and on any device as a NumPy array.

    A PyTorch tensor is taken off its autograd graph, and a lazy conjugate is carried out; brain
    floats, which NumPy does not have, become float32.

    Parameters
    ----------
    array : array_like
        An array of NumPy, CuPy, PyTorch or another library of the array-API standard, or anything
        that `numpy.asarray` takes.

    Returns
    -------
    ndarray
        The argument itself where it is a NumPy array.

    Raises
    ------
    TypeError
        If the array has no dense form in NumPy (a sparse or quantised tensor).
    """
    if isinstance(array, np.ndarray):
        return array
    name = f"{type(array).__module__}.{type(array).__name__}"
    if name.startswith("cupy.") and hasattr(array, "get"):
        return np.asarray(array.get())
    if hasattr(array, "detach") and hasattr(array, "resolve_conj"):  # PyTorch
        if str(array.layout) != "torch.strided":
            raise TypeError(f"expected a dense tensor; got {array.layout}: call to_dense() first")
        dense = array.detach().resolve_conj().resolve_neg().cpu()
        return np.asarray((dense.float() if precision_of(dense) == "bfloat16" else dense).numpy())
    try:
        return np.asarray(array)
    except RuntimeError:  # on a device that NumPy cannot read
        if not hasattr(array, "__dlpack__"):
            raise
        return np.from_dlpack(array, device="cpu", copy=True)


def precision_of(array: Any) -> str:
    """Return the precision that the values of an array were rounded to.

    Parameters
    ----------
    array : array_like
        An array of any library; sequences and integers count as double precision.

    Returns
    -------
    {"float64", "float32", "float16", "bfloat16"}
        Of complex numbers that of their parts.
    """
    name = str(getattr(array, "dtype", "float64")).rsplit(".", maxsplit=1)[-1]
    name = {"complex64": "float32", "complex32": "float16"}.get(name, name)
    return name if name in ROUNDING_UNITS else "float64"


def is_finite(array: Any) -> bool:
    """Return whether an array holds neither NaN nor infinities.

    A sum of squares, or a sum, is cheaper than a look at each entry; where it overflows, each entry
    is looked at.
    """
    if not isinstance(array, np.ndarray):
        xp = array_namespace(array)
        return math.isfinite(xp.sum(array)) or bool(xp.all(xp.isfinite(array)))
    if array.dtype.kind == "f" and array.flags.c_contiguous:
        if math.isfinite(np.vdot(array, array)):  # by BLAS, which sets no flags
            return True
    elif array.size > _FEW:
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(np.add.reduce(array, axis=None)):
                return True
    return bool(np.isfinite(array).all())


def device_options(like: Any) -> dict[str, Any]:
    """Return the keyword `device` of functions that make arrays beside `like`; none for NumPy."""
    if isinstance(like, np.ndarray):
        return {}
    import array_api_compat

    return {"device": array_api_compat.device(like)}


def placed(array: Any, like: Any) -> Any:
    """Return a NumPy array in the library, device and dtype of `like`."""
    if isinstance(like, np.ndarray):
        return np.asarray(array, dtype=like.dtype)
    return array_namespace(like).asarray(array, dtype=like.dtype, **device_options(like))


_SMALL = 256  # size up to which a Jacobi iteration on a batch is the right eigenvalue solver


@dataclass(frozen=True)
class ArrayLibrary:
    """Array library, device and precision that a computation runs on.

    Parameters
    ----------
    xp : module
        A namespace of the array-API standard.
    name : str
        Name of the library.
    precision : str
        "float32" or "float64".
    device : object
        A device of that library; None for its default.
    """

    xp: Any
    name: str
    precision: str = "float64"
    device: Any = None

    @classmethod
    def of(cls, xp: Any = None, *, dtype: Any = None, device: Any = None) -> Self:
        """Find the array library.

        Parameters
        ----------
        xp : module, optional
            numpy, cupy, torch or another library of the array-API standard; NumPy by default, and
            CuPy where `device` is "cuda".
        dtype : str or dtype, optional
            float32 or float64 (the default), of NumPy or of the library.
        device : str or device, optional
            Device for the library; "cuda" alone asks for CuPy.

        Raises
        ------
        ImportError
            If the library is not installed.
        TypeError
            If `xp` is not an array library.
        ValueError
            If the precision is another one, or the library has no such device.
        """
        if xp is None:
            xp = _imported("cupy") if str(device).startswith("cuda") else np
        name = str(getattr(xp, "__name__", xp)).removeprefix("array_api_compat.")
        name = name.split(".", maxsplit=1)[0]
        if name in ("cupy", "torch"):
            xp = importlib.import_module(f"array_api_compat.{name}")
        if not (hasattr(xp, "asarray") and hasattr(xp, "linalg")):
            raise TypeError(f"xp must be an array library such as numpy or cupy; got {xp!r}")
        homes = {"numpy": "cpu", "cupy": "cuda"}
        if device is not None and name in homes:
            if not str(device).startswith(homes[name]):
                raise ValueError(f"{name} computes on {homes[name]!r}; got device {device!r}")
            device = None
        return cls(xp, name, _precision(xp, dtype), device)

    @property
    def real(self) -> Any:
        """Real dtype of the library."""
        return getattr(self.xp, self.precision)

    @property
    def complex(self) -> Any:
        """Complex dtype of the library, of the same precision."""
        return getattr(self.xp, {"float32": "complex64", "float64": "complex128"}[self.precision])

    def array(self, values: Any) -> Any:
        """Return real values as an array of this library, device and precision."""
        if self.name != "cupy":
            values = np.asarray(values, dtype=self.precision)
        return self.xp.asarray(values, dtype=self.real, device=self.device)

    def generators(self, parents: Sequence[np.random.Generator]) -> list[Any]:
        """Return the generators that draw on the device: CuPy's own there, NumPy's elsewhere."""
        if self.name != "cupy":
            return list(parents)
        random = self.xp.random  # CuPy only, and the next line
        return [random.Generator(random.Philox4x3210(wide_seed(parent))) for parent in parents]

    def eigvalsh(self, matrices: Any) -> Any:
        """Eigenvalues of Hermitian matrices, shape (..., n, n), ascending."""
        if self.name == "cupy" and matrices.shape[-1] > _SMALL:  # CuPy only: batches go to Jacobi
            stack = matrices.reshape(-1, *matrices.shape[-2:])
            values = self.xp.stack([self.xp.linalg.eigvalsh(matrix) for matrix in stack])
            return values.reshape(matrices.shape[:-1])
        return self.xp.linalg.eigvalsh(matrices)

    def free_memory(self) -> int:
        """Bytes of memory free on the device."""
        if self.name == "cupy":
            free, _ = self.xp.cuda.runtime.memGetInfo()  # CuPy only
            return int(free)
        return _free_memory()


def _precision(xp: Any, dtype: Any) -> str:
    """Return "float32" or "float64"."""
    if dtype is None:
        return "float64"
    for name in ("float32", "float64"):
        if dtype is getattr(xp, name):
            return name
    try:
        found = str(np.dtype(dtype).name)
    except TypeError:
        found = str(dtype)
    if found not in ("float32", "float64"):
        raise ValueError(f"unknown dtype {found!r}; choose one of float32, float64")
    return found


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is not installed; install rmtland[gpu], or leave xp and device out for NumPy"
        ) from error


def _free_memory() -> int:
    """Bytes that a new array can take: MemAvailable on Linux, else half of what is installed."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):  # no such call on this system
        return 4 * 2**30
