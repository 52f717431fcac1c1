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
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np

from rmtland.typing import Array, Namespace, NumpyArray, Record, Values

if TYPE_CHECKING:
    import cupy

__all__ = [
    "ROUNDING_UNITS",
    "ArrayLibrary",
    "array_namespace",
    "device_options",
    "is_finite",
    "is_on_device",
    "is_out_of_memory",
    "number_or_array",
    "placed",
    "precision_of",
    "to_numpy",
]

Precision: TypeAlias = Literal["float32", "float64"]

_PRECISIONS: tuple[Precision, ...] = ("float32", "float64")

ROUNDING_UNITS = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}
"""Distance from 1 to the next number, by precision (machine epsilon)."""

_DEVICE_LIBRARIES = ("cupy", "torch", "array_api_strict")

_FEW = 2**13  # entries up to which a look at each is the fastest


def array_namespace(*arrays: Array) -> Namespace:
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


def to_numpy(array: Array) -> NumpyArray:
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
        found = np.asarray(array)
        return found.astype(np.float32) if found.dtype.name == "bfloat16" else found
    except (RuntimeError, TypeError):  # on a device that NumPy cannot read
        if isinstance(array, list | tuple):
            return np.asarray([to_numpy(one) for one in array])
        if not hasattr(array, "__dlpack__"):
            raise
        return np.from_dlpack(array, device="cpu", copy=True)


def number_or_array(values: NumpyArray) -> Values:
    """Return a Python number where an array has no axes, so that a number gives a number.

    Parameters
    ----------
    values : ndarray
        Results, in the shape of what they were asked for.

    Returns
    -------
    float, complex or ndarray

    Examples
    --------
    >>> import numpy as np
    >>> number_or_array(np.array(2.0)), number_or_array(np.array([2.0]))
    (2.0, array([2.]))
    """
    return values if values.shape else values.item()


def precision_of(array: Array) -> str:
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


def is_finite(array: Array) -> bool:
    """Return whether an array holds neither NaN nor infinities.

    A sum of squares, or a sum, is cheaper than a look at each entry; where it overflows, each entry
    is looked at.
    """
    if not isinstance(array, np.ndarray):
        xp = array_namespace(array)
        if xp.isdtype(array.dtype, "real floating"):
            with np.errstate(over="ignore", invalid="ignore"):  # of libraries made of NumPy
                if math.isfinite(xp.sum(array)):
                    return True
        elif not xp.isdtype(array.dtype, "complex floating"):
            return True  # bool or integers
        return bool(xp.all(xp.isfinite(array)))
    if array.dtype.kind == "f" and array.flags.c_contiguous:
        if math.isfinite(np.vdot(array, array)):  # by BLAS, which sets no flags
            return True
    elif array.dtype.kind == "f" and array.size > _FEW:
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(np.add.reduce(array, axis=None)):
                return True
    return bool(np.isfinite(array).all())


def device_options(like: Array) -> Record:
    """Return the keyword `device` of functions that make arrays beside `like`; none for NumPy."""
    if isinstance(like, np.ndarray):
        return {}
    import array_api_compat

    return {"device": array_api_compat.device(like)}


def is_on_device(array: Array) -> bool:
    """Return whether an array lives where NumPy cannot read it: on a GPU, say.

    Parameters
    ----------
    array : object
        Anything.

    Returns
    -------
    bool
        True for arrays of CuPy, for PyTorch tensors that are not on the CPU, and for those of
        array-api-strict on another device than its first.
    """
    library = type(array).__module__.partition(".")[0]
    if library not in _DEVICE_LIBRARIES or not hasattr(array, "ndim"):
        return False
    device = device_options(array)["device"]
    name = str(getattr(device, "type", device)).removeprefix("array_api_strict.")
    return name not in ("cpu", "Device('CPU_DEVICE')", "CPU_DEVICE")


def placed(array: Array, like: Array) -> Array:
    """Return a NumPy array in the library, device and dtype of `like`."""
    if isinstance(like, np.ndarray):
        return np.asarray(array, dtype=like.dtype)
    return array_namespace(like).asarray(array, dtype=like.dtype, **device_options(like))


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

    xp: Namespace
    name: str
    precision: Precision = "float64"
    device: Any = None

    @classmethod
    def of(
        cls, xp: Namespace | None = None, *, dtype: object = None, device: object = None
    ) -> Self:
        """Find the array library.

        Parameters
        ----------
        xp : module, optional
            numpy, cupy, torch or another library of the array-API standard; NumPy by default, and
            CuPy where `device` is "cuda".
        dtype : str or dtype, optional
            float32 or float64 (the default), of NumPy or of the library.
        device : str or device, optional
            Device for the library; "cuda" or "cuda:1" alone asks for CuPy. "cuda" is the device
            that is current.

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
            on_cuda = name == "cupy" and isinstance(getattr(device, "id", None), int)
            if not on_cuda and not str(device).startswith(homes[name]):
                raise ValueError(f"{name} computes on {homes[name]!r}; got device {device!r}")
            device = _cuda_device(device) if name == "cupy" else None
        return cls(xp, name, _precision(xp, dtype), device)

    @property
    def real(self) -> object:
        """Real dtype of the library."""
        return getattr(self.xp, self.precision)

    @property
    def complex(self) -> object:
        """Complex dtype of the library, of the same precision."""
        return getattr(self.xp, {"float32": "complex64", "float64": "complex128"}[self.precision])

    @property
    def plain(self) -> Namespace:
        """CuPy itself where it computes, NumPy elsewhere: what is not in the standard."""
        return importlib.import_module("cupy") if self.name == "cupy" else np

    @property
    def itemsize(self) -> int:
        """Bytes of a real number."""
        return {"float32": 4, "float64": 8}[self.precision]

    def array(self, values: Array) -> Array:
        """Return real values as an array of this library, device and precision."""
        if self.name != "cupy":
            values = np.asarray(values, dtype=self.precision)
        return self.xp.asarray(values, dtype=self.real, device=self.device)

    def context(self) -> AbstractContextManager[object]:
        """Return the context in which the library computes on the device: CuPy has a current one.

        Returns
        -------
        context manager
            It does nothing for other libraries, whose functions take the device by name.
        """
        if self.name != "cupy" or self.device is None:
            return nullcontext()
        there: AbstractContextManager[object] = _device_of_cupy(self.device.id)
        return there

    def free_memory(self) -> int:
        """Bytes that new arrays can take on the device, blocks kept in the library's pool included.

        Returns
        -------
        int
            No more than a limit set on CuPy's memory pool leaves.
        """
        if self.name == "cupy":
            cupy = importlib.import_module("cupy")
            with self.context():
                free, _ = cupy.cuda.runtime.memGetInfo()
                pool = cupy.get_default_memory_pool()
                total, limit = int(free) + int(pool.free_bytes()), int(pool.get_limit())
                return min(total, limit - int(pool.used_bytes())) if limit else total
        if self.name == "torch" and str(self.device or "cpu").startswith("cuda"):
            cuda = importlib.import_module("torch").cuda
            free, _ = cuda.mem_get_info(self.device)
            kept = cuda.memory_reserved(self.device) - cuda.memory_allocated(self.device)
            return int(free) + int(kept)
        return _free_memory()

    def release_memory(self) -> None:
        """Give blocks that the library's pool keeps for later arrays back to the device."""
        if self.name == "cupy":
            with self.context():
                importlib.import_module("cupy").get_default_memory_pool().free_all_blocks()
        elif self.name == "torch" and str(self.device or "cpu").startswith("cuda"):
            importlib.import_module("torch").cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory, of the host or a device, has run out.

    Parameters
    ----------
    error : BaseException
        MemoryError, CuPy's and PyTorch's OutOfMemoryError, or a failed allocation of cuSOLVER.

    Returns
    -------
    bool
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return "ALLOC_FAILED" in str(error) or "cudaErrorMemoryAllocation" in str(error)


def _cuda_device(device: object) -> object:
    """Return a device of CuPy from "cuda:1" or a device of any library; None for "cuda" alone."""
    if str(device) == "cuda":
        return None
    number = getattr(device, "id", getattr(device, "index", None))
    if not isinstance(number, int):
        found = re.fullmatch(r"cuda:(\d+)", str(device))
        if found is None:
            raise ValueError(f"expected a device such as 'cuda' or 'cuda:1'; got {device!r}")
        number = int(found[1])
    there = int(importlib.import_module("cupy").cuda.runtime.getDeviceCount())
    if number >= there:
        raise ValueError(f"there is no device {device!r}: this process sees {there}, from cuda:0")
    return _device_of_cupy(number)


def _device_of_cupy(number: int) -> cupy.cuda.Device:
    return importlib.import_module("cupy").cuda.Device(number)


def _precision(xp: Namespace, dtype: Any) -> Precision:
    """Return "float32" or "float64"."""
    if dtype is None:
        return "float64"
    for name in _PRECISIONS:
        if dtype is getattr(xp, name):
            return name
    try:
        found = str(np.dtype(dtype).name)
    except TypeError:
        found = str(dtype)
    for name in _PRECISIONS:
        if found == name:
            return name
    raise ValueError(f"unknown dtype {found!r}; choose one of {', '.join(_PRECISIONS)}")


def _imported(name: str) -> Namespace:
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
