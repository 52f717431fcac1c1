"""Where a spectrum came from: JSON-able values that cannot be changed any more.

>>> origin = frozen({"seed": 3, "sizes": [2, 4]})
>>> origin["seed"]
3
>>> origin["seed"] = 4
Traceback (most recent call last):
    ...
TypeError: provenance cannot be changed; make a new spectrum by dataclasses.replace
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn

import numpy as np

from rmtland.typing import Record

__all__ = ["FrozenDict", "FrozenList", "frozen"]


def _refuse(self: object, *arguments: object, **options: object) -> NoReturn:
    raise TypeError("provenance cannot be changed; make a new spectrum by dataclasses.replace")


class FrozenDict(Record):
    """A dict that refuses changes; equal to a plain one, and written to JSON as one."""

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[object, ...]:
        return FrozenDict, (dict(self),)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(json.dumps(self, sort_keys=True))


class FrozenList(list[object]):
    """A list that refuses changes; equal to a plain one, and written to JSON as one."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = _refuse
    reverse = sort = _refuse

    def __reduce__(self) -> tuple[object, ...]:
        return FrozenList, (list(self),)


def frozen(provenance: Mapping[str, object]) -> FrozenDict:
    """Return a copy with plain Python values that cannot be changed.

    Parameters
    ----------
    provenance : mapping of str to JSON-able values
        NumPy numbers and arrays become plain ones, tuples lists.

    Returns
    -------
    FrozenDict

    Raises
    ------
    TypeError
        If it is not a mapping with names for keys, or a value has no JSON form.
    """
    if not isinstance(provenance, Mapping):
        raise TypeError(f"provenance must be a dict; got {provenance!r}")
    for key in provenance:
        if not isinstance(key, str):
            raise TypeError(f"provenance must be JSON-able: its keys are strings; got {key!r}")

    def plain(value: object) -> object:
        if isinstance(value, np.generic | np.ndarray):
            return value.tolist()
        if isinstance(value, Mapping):
            return dict(value)
        raise TypeError(f"provenance must be JSON-able; got {value!r}")

    copied = json.loads(json.dumps(provenance, default=plain))
    return FrozenDict({key: _deep(entry) for key, entry in copied.items()})


def _deep(value: object) -> object:
    if isinstance(value, dict):
        return FrozenDict({key: _deep(entry) for key, entry in value.items()})
    if isinstance(value, list):
        return FrozenList(_deep(entry) for entry in value)
    return value
