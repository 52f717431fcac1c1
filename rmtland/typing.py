"""Types that stand in many signatures: arrays of one kind of number, seeds, bands, atoms.

Four of them hold `Any`, because Python has no better static type for what they stand for: the
array-API standard has none yet (`Array`), nor have nested arrays (`Tree`), a function of numbers
*or* arrays would need each signature twice (`Values`), and a table read from a file has values of
many kinds (`Record`).

In the rooms `Any` stands where a checker cannot know more: `**options` that go on to another
function, which says what it takes; what came from a user or a file, and is looked at before it is
used; objects of libraries that have no types for what is asked of them (operators of PyTorch and
JAX, clients of Dask, dispatchers of numba, artists of matplotlib); and fields that keep another
type than they take (`rmtland.models.DysonHessian.second_layer`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Array",
    "ArrayLike",
    "Atoms",
    "Complex",
    "Integer",
    "Json",
    "Logical",
    "Multiplies",
    "MultipliesBlocks",
    "MultipliesVectors",
    "Namespace",
    "NumpyArray",
    "Operator",
    "Real",
    "Record",
    "Rng",
    "Scalar",
    "Support",
    "Tree",
    "Values",
    "override",
]

Real: TypeAlias = NDArray[np.float64]
Complex: TypeAlias = NDArray[np.complex128]
Integer: TypeAlias = NDArray[np.int64]
Logical: TypeAlias = NDArray[np.bool_]
NumpyArray: TypeAlias = NDArray[Any]
"""A NumPy array of any kind of number."""

Array: TypeAlias = Any
"""An array of any library that follows the array-API standard (NumPy, CuPy, PyTorch, JAX)."""

Tree: TypeAlias = Any
"""An array, or arrays in tuples, lists and dictionaries, nested at will: outputs of a model."""

Scalar: TypeAlias = complex | np.generic
"""One number, of Python or of NumPy."""

Values: TypeAlias = Any
"""What a function of numbers or arrays returns: a number for a number, else an array."""

Namespace: TypeAlias = ModuleType
"""The functions of an array library: `numpy`, `cupy`, or what array-api-compat makes of others."""

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | None"
"""What a JSON file holds; truth values and integers count as numbers."""

Record: TypeAlias = dict[str, Any]
"""Values of many kinds by name, as a file holds them or a table shows them."""

Support: TypeAlias = tuple[tuple[float, float], ...]
"""Intervals (low, high), ascending."""

Atoms: TypeAlias = tuple[tuple[float, float], ...]
"""Pairs (place, mass), ascending."""

Rng: TypeAlias = (
    int | np.integer | np.random.SeedSequence | np.random.BitGenerator | np.random.Generator | None
)
"""Anything `numpy.random.default_rng` takes."""


class Multiplies(Protocol):
    """A matrix, or an operator that multiplies vectors and blocks of them by ``@``."""

    def __matmul__(self, other: Array, /) -> Array: ...


class MultipliesVectors(Protocol):
    """An operator that multiplies one vector at a time."""

    @property
    def matvec(self) -> Callable[..., Array]:
        """Multiplies a vector."""


class MultipliesBlocks(Protocol):
    """An operator that multiplies blocks of vectors."""

    @property
    def matmat(self) -> Callable[..., Array]:
        """Multiplies the columns of a block."""


class _Split(Protocol):
    @property
    def total(self) -> Array: ...
    @property
    def gauss_newton(self) -> Array: ...


Operator: TypeAlias = (
    ArrayLike
    | Multiplies
    | MultipliesVectors
    | MultipliesBlocks
    | _Split
    | Callable[[Array], Array]
)
"""A symmetric matrix or anything that multiplies vectors by one, a function included."""

if TYPE_CHECKING:
    from typing_extensions import override
else:
    _Method = TypeVar("_Method")

    def override(method: _Method) -> _Method:
        """Mark a method that replaces one of its base class, where it is documented (PEP 698).

        `typing.override` needs Python 3.12.

        Parameters
        ----------
        method : callable
            The method.

        Returns
        -------
        callable
            The same.
        """
        method.__override__ = True  # type: ignore[attr-defined]
        return method
