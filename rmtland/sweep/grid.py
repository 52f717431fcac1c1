r"""Grids: which tasks there are, each with a key and a seed of its own.

A key is the parameters of a task, in canonical form, with the root of its random numbers and the
number of its replicate. The seed of a key is a child of `numpy.random.SeedSequence` [1]_,

    SeedSequence(root, spawn_key=(w0, w1, w2, w3, replicate)),

with w0 ... w3 the 32-bit words of a BLAKE2b digest of the canonical parameters. It depends on the
key alone: not on the order of the grid, on its other points, or on who computes the task.

Canonical parameters are None, bool, int, float, str, and tuples of them. NumPy scalars become the
Python number of the same value, lists and arrays become tuples, and -0.0 becomes 0.0; the task is
called with what comes out. Floats that differ in the last bit are different parameters, and so
are 1, 1.0 and True.

References
----------
.. [1] M. E. O'Neill, Developing a seed_seq alternative, 2015, as adopted by NumPy (NEP 19).

Examples
--------
>>> grid = Grid({"phi": [0.25, 0.5], "n": 100}, seeds=3)
>>> len(grid), grid.shape
(6, (2, 1, 3))
>>> key = next(iter(grid))
>>> key.parameters, key.replicate
({'n': 100, 'phi': 0.25}, 0)
>>> int(np.random.default_rng(key.seed).integers(1000))
349
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from rmtland.arguments import count
from rmtland.typing import NumpyArray, Record

__all__ = ["MAX_TASKS", "Grid", "Key", "canonical"]

MAX_TASKS = 1_000_000
"""Tasks that one grid may have: their keys take about 300 MB."""

_LONGEST = 14_000
"""Binary digits of an integer that Python writes in decimal ones unless told otherwise."""


Parameter: TypeAlias = "float | str | tuple[Parameter, ...] | None"
"""What a parameter of a task is made of; truth values and integers count as numbers."""


class Key(NamedTuple):
    """What names a result: canonical parameters, root and replicate.

    Made by `rmtland.sweep.Grid`.

    Parameters
    ----------
    text : str
        The parameters as JSON, sorted by name.
    root : str
        Root of the random numbers in decimal digits; empty for a task without a seed.
    replicate : int
        Number of the replicate, from 0.
    """

    text: str
    root: str
    replicate: int

    @property
    def parameters(self) -> Record:
        """The parameters as the task gets them."""
        loaded: Record = json.loads(self.text)
        return {name: _tuples(value) for name, value in loaded.items()}

    @property
    def seed(self) -> np.random.SeedSequence | None:
        """Seed that the task gets; None for a task without one."""
        if not self.root:
            return None
        words = np.frombuffer(_digest(self.text), dtype="<u4")
        spawn_key = (*(int(word) for word in words), self.replicate)
        return np.random.SeedSequence(int(self.root), spawn_key=spawn_key)

    @property
    def digest(self) -> bytes:
        """The 16 bytes under which a store files the result."""
        return _digest(f"{self.root} {self.replicate} {self.text}")

    @property
    def rank(self) -> tuple[object, ...]:
        """Place in a table: parameters by name, numbers by size, then root and replicate."""
        parameters = tuple((name, _rank(value)) for name, value in self.parameters.items())
        return (parameters, int(self.root or -1), self.replicate)


@dataclass(frozen=True)
class Grid:
    """All combinations of lists of parameters, and single points, each with replicates.

    Parameters
    ----------
    axes : mapping of str to sequence or scalar
        Values of each parameter; the grid is their product. A number, a string, a truth value or
        None stands for the one value of a parameter that does not vary.
    points : sequence of mappings of str to value
        Further points, not multiplied with anything.
    seeds : int or None
        Number of replicates of every point, each with its own seed; None for a task that takes no
        seed and is called once.
    root : int
        Root of all seeds, >= 0: another root gives independent results.

    Raises
    ------
    TypeError
        If a parameter is not made of None, bool, int, float, str, or sequences of them.
    ValueError
        If a name is no identifier or is `seed`, or there are more than `MAX_TASKS` tasks.

    Notes
    -----
    Points that occur twice count once. Without axes and points the grid is one point without
    parameters; a parameter without values gives an empty grid. Several grids may share a store.
    """

    axes: Mapping[str, Any] = field(default_factory=dict)
    points: Sequence[Mapping[str, object]] = field(default=(), kw_only=True)
    seeds: int | None = field(default=1, kw_only=True)
    root: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.axes, Mapping):
            raise TypeError(
                "axes must map each parameter to its values, {'phi': [0.5, 1.0]}; "
                f"got {type(self.axes).__name__}"
            )
        axes = {_name(name): _values(name, values) for name, values in self.axes.items()}
        points = []
        for point in _listed(self.points):
            if not isinstance(point, Mapping):
                raise TypeError(
                    f"a point must map each parameter to its value, {{'phi': 0.5}}; got {point!r}"
                )
            points.append({_name(name): canonical(name, value) for name, value in point.items()})
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "points", tuple(points))
        if self.seeds is not None:
            object.__setattr__(self, "seeds", count("seeds", self.seeds, min_value=0))
        object.__setattr__(self, "root", count("root", self.root, min_value=0))
        products = math.prod(len(values) for values in axes.values()) if axes or not points else 0
        tasks = (products + len(points)) * (1 if self.seeds is None else self.seeds)
        if tasks > MAX_TASKS:
            raise ValueError(
                f"the grid has {tasks} tasks, more than the {MAX_TASKS} that one may have; "
                "give fewer values or seeds, or several grids (they may share a store)"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes, and the number of replicates where there are seeds."""
        lengths = tuple(len(values) for values in self.axes.values())
        return lengths if self.seeds is None else (*lengths, self.seeds)

    def __len__(self) -> int:
        return len(self._texts()) * (1 if self.seeds is None else self.seeds)

    def __iter__(self) -> Iterator[Key]:
        """Keys in the order of the product (last axis, then replicates, fastest), then points."""
        for text in self._texts():
            if self.seeds is None:
                yield Key(text, "", 0)
            else:
                for replicate in range(self.seeds):
                    yield Key(text, str(self.root), replicate)

    def _texts(self) -> list[str]:
        """Return the canonical parameters of all points, each once."""
        products: Iterator[Record] = (
            dict(zip(self.axes, values, strict=True))
            for values in itertools.product(*self.axes.values())
        )
        if self.points and not self.axes:
            products = iter(())
        every = itertools.chain(products, self.points)
        return list(dict.fromkeys(json.dumps(dict(sorted(point.items()))) for point in every))


def canonical(name: str, value: object) -> object:
    """Return a parameter in canonical form, or say why it has none.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    value : None, bool, int, float, str, array or sequence of those
        The parameter.

    Returns
    -------
    None, bool, int, float, str or tuple of those

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if np.ma.is_masked(value):
        raise TypeError(
            f"parameter {name} has masked values; leave them out, as x.compressed() does, or fill "
            "them"
        )
    if isinstance(value, np.ndarray | np.generic):
        value = _plain(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > _LONGEST:
            raise ValueError(
                f"parameter {name} is an integer of {value.bit_length()} binary digits; at most "
                f"{_LONGEST} can be written down"
            )
        return int(value)
    if isinstance(value, float):
        return float(value) or 0.0  # -0.0 becomes 0.0
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, list | tuple):
        return tuple(canonical(name, item) for item in value)
    raise TypeError(
        f"parameter {name} must be made of None, bool, int, float, str, or sequences of them; "
        f"got {value!r} of type {type(value).__name__}"
    )


def _plain(value: NumpyArray | np.generic) -> object:
    """Return an array as lists and numbers; of dates and records, which are no numbers, itself."""
    if value.dtype.kind in "mMV":
        return value
    return value.item() if isinstance(value, np.generic) else value.tolist()


def _values(name: str, values: object) -> tuple[object, ...]:
    if isinstance(values, range | set | frozenset | Iterator):
        # one more than may be, of what may not end at all
        found = list(itertools.islice(values, MAX_TASKS + 1))
        sets = isinstance(values, set | frozenset)
        values = sorted(found, key=lambda one: _rank(canonical(name, one))) if sets else found
    if isinstance(values, np.ndarray) and not values.ndim:
        values = values[()]
    if isinstance(values, Sized) and not isinstance(values, str) and len(values) > MAX_TASKS:
        raise ValueError(f"parameter {name} has more than {MAX_TASKS} values; give fewer")
    plain = canonical(name, values)
    return plain if isinstance(plain, tuple) else (plain,)


def _listed(points: Any) -> Iterator[object]:
    if isinstance(points, str | Mapping) or not isinstance(points, Iterable):
        raise TypeError(
            "points must be a sequence of mappings of each parameter to its value, "
            f"[{{'phi': 0.5}}]; got {points!r}"
        )
    return iter(points)


def _name(name: object) -> str:
    if not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"a parameter must have the name of an argument; got {name!r}")
    if name == "seed":
        raise ValueError("the parameter seed is given by the grid: choose seeds= and root=")
    return str(name)


def _tuples(value: object) -> object:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _rank(value: object) -> tuple[object, ...]:
    """Sort key: None, truth values, numbers (NaN last; an int before its float), str, tuples."""
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, int | float):
        is_nan = isinstance(value, float) and math.isnan(value)
        return (2, is_nan, 0 if is_nan else value, isinstance(value, float))
    if isinstance(value, str):
        return (3, value)
    assert isinstance(value, tuple)
    return (4, tuple(_rank(item) for item in value))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).digest()
