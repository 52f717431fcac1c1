"""Types that stand in many signatures: arrays of one kind of number, seeds, bands, atoms.

`Array` is an array of any library that follows the array-API standard; it is `Any` because the
standard has no static type yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Array",
    "ArrayLike",
    "Atoms",
    "Complex",
    "Integer",
    "Logical",
    "Real",
    "Rng",
    "Support",
    "override",
]

Real: TypeAlias = NDArray[np.float64]
Complex: TypeAlias = NDArray[np.complex128]
Integer: TypeAlias = NDArray[np.int64]
Logical: TypeAlias = NDArray[np.bool_]
Array: TypeAlias = Any

Support: TypeAlias = tuple[tuple[float, float], ...]
"""Intervals (low, high), ascending."""

Atoms: TypeAlias = tuple[tuple[float, float], ...]
"""Pairs (place, mass), ascending."""

Rng: TypeAlias = (
    int | np.integer | np.random.SeedSequence | np.random.BitGenerator | np.random.Generator | None
)
"""Anything `numpy.random.default_rng` takes."""

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
