"""What a statement supposes: ranges from which its quantities are drawn.

A range is a value of its own, so that the ledger can be read without Hypothesis; drawing and
shrinking are done by Hypothesis (``pip install 'rmtland[statements]'``), which seeks the ends of
ranges and simple values.

>>> Number(0.01, 100.0, log=True).simplest, Whole(2, 9).simplest
(1.0, 2)
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from hypothesis import settings
    from hypothesis.strategies import SearchStrategy

__all__ = ["Hypothesis", "Number", "OneOf", "Whole", "draw", "seed", "simplest_failure"]


@dataclass(frozen=True)
class Number:
    """A real number of an interval, ends included.

    Parameters
    ----------
    low, high : float
        The ends.
    log : bool
        Whether powers of ten are drawn evenly; low must be positive.

    Raises
    ------
    ValueError
        If the ends are not finite and ascending, or `low` is not positive where `log` is set.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low must be below high, both finite; got {self.low}, {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be positive where log=True; got {self.low}")

    @property
    def simplest(self) -> float:
        """The simplest number of the interval, towards which examples shrink."""
        if self.log:
            return min(max(1.0, self.low), self.high)
        return float(min(max(0.0, math.ceil(self.low)), self.high))

    def strategy(self) -> SearchStrategy[float]:
        """Return the strategy of Hypothesis that draws it.

        Returns
        -------
        SearchStrategy
            For `hypothesis.given`.
        """
        floats = _hypothesis("hypothesis.strategies").floats
        found: SearchStrategy[float]
        if not self.log:
            found = floats(self.low, self.high, allow_subnormal=False)
            return found
        low, high = math.log10(self.low), math.log10(self.high)
        found = floats(low, high, allow_subnormal=False)
        return found.map(lambda power: min(max(10.0**power, self.low), self.high))


@dataclass(frozen=True)
class Whole:
    """A whole number from low to high, both included.

    Parameters
    ----------
    low, high : int
        The ends.

    Raises
    ------
    ValueError
        If `low` is above `high`.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low must be at most high; got {self.low}, {self.high}")

    @property
    def simplest(self) -> int:
        """The number of smallest size."""
        return min(max(0, self.low), self.high)

    def strategy(self) -> SearchStrategy[int]:
        """Return the strategy of Hypothesis that draws it.

        Returns
        -------
        SearchStrategy
            For `hypothesis.given`.
        """
        found: SearchStrategy[int]
        found = _hypothesis("hypothesis.strategies").integers(self.low, self.high)
        return found


@dataclass(frozen=True)
class OneOf:
    """One of several values, the simplest first.

    Parameters
    ----------
    values : tuple
        The values.

    Raises
    ------
    ValueError
        If there is no value.
    """

    values: tuple[object, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("values must not be empty")

    @property
    def simplest(self) -> object:
        """The first."""
        return self.values[0]

    def strategy(self) -> SearchStrategy[object]:
        """Return the strategy of Hypothesis that draws it.

        Returns
        -------
        SearchStrategy
            For `hypothesis.given`.
        """
        found: SearchStrategy[object]
        found = _hypothesis("hypothesis.strategies").sampled_from(self.values)
        return found


FEW = 5
"""Examples below which the simplest one, which Hypothesis tries first, is left out."""

Hypothesis: TypeAlias = Number | Whole | OneOf
"""A range that one quantity is drawn from."""


def seed() -> Whole:
    """Return the range of seeds of random matrices.

    Returns
    -------
    Whole
        0 to 2^32 - 1.
    """
    return Whole(0, 2**32 - 1)


def draw(
    hypotheses: Mapping[str, Hypothesis],
    examples: int,
    seed: int,
    *,
    where: Callable[[Mapping[str, object]], bool] | None = None,
) -> list[dict[str, object]]:
    """Return examples of quantities, fewer where there are not so many.

    Parameters
    ----------
    hypotheses : mapping
        Name of each quantity -> its range.
    examples : int
        How many.
    seed : int
        Of the drawing.
    where : callable, optional
        Example -> whether it is admissible.

    Returns
    -------
    list of dict
        Name -> value.
    """
    if not hypotheses:
        return [{}]
    library = _hypothesis("hypothesis")
    found: list[dict[str, object]] = []

    def collect(example: dict[str, object]) -> None:
        found.append(dict(example))

    more = int(examples < FEW)  # the first is the simplest, whatever the seed
    given = library.given(_strategy(hypotheses, where))(collect)
    with _nothing_written():
        _settings(examples + more, ("generate",))(library.seed(seed)(given))()
    return found[more:] or found


def simplest_failure(
    hypotheses: Mapping[str, Hypothesis],
    fails: Callable[[Mapping[str, object]], bool],
    examples: int,
    seed: int,
    *,
    where: Callable[[Mapping[str, object]], bool] | None = None,
) -> dict[str, object] | None:
    """Return the simplest example that fails, shrunk from those that were drawn.

    Parameters
    ----------
    hypotheses : mapping
        Name of each quantity -> its range.
    fails : callable
        Example -> whether a claim fails there.
    examples : int
        How many are drawn at most.
    seed : int
        Of the drawing.
    where : callable, optional
        Example -> whether it is admissible.

    Returns
    -------
    dict or None
        Name -> value; None if none of the examples fails.
    """
    from random import Random

    library = _hypothesis("hypothesis")
    errors = _hypothesis("hypothesis.errors")
    try:
        with _nothing_written():
            found = library.find(
                _strategy(hypotheses, where),
                fails,
                settings=_settings(examples, ("generate", "shrink")),
                random=Random(seed),
            )
    except (errors.NoSuchExample, errors.Unsatisfiable):
        return None
    return dict(found)


def _hypothesis(name: str) -> ModuleType:
    """Return a module of Hypothesis, or say how to install it."""
    from rmtland.adapters.optional import optional  # the room loads what a ledger does not need

    return optional(name, extra="statements")


@contextmanager
def _nothing_written() -> Iterator[None]:
    """Keep Hypothesis from writing to the working folder, unless it was told where to write."""
    configuration = _hypothesis("hypothesis.configuration")
    name = "__hypothesis_home_directory"
    if getattr(configuration, name, None) or os.environ.get("HYPOTHESIS_STORAGE_DIRECTORY"):
        yield
        return
    configuration.set_hypothesis_home_dir(Path(__file__) / "none")  # cannot be made, nor is missed
    try:
        yield
    finally:
        configuration.set_hypothesis_home_dir(None)


def _settings(examples: int, phases: tuple[str, ...]) -> settings:
    library = _hypothesis("hypothesis")
    found: settings = library.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[library.Phase[phase] for phase in phases],
        suppress_health_check=list(library.HealthCheck),
    )
    return found


def _strategy(
    hypotheses: Mapping[str, Hypothesis], where: Callable[[Mapping[str, object]], bool] | None
) -> SearchStrategy[dict[str, object]]:
    strategies = _hypothesis("hypothesis.strategies")
    ranges = {name: one.strategy() for name, one in hypotheses.items()}
    whole: SearchStrategy[dict[str, object]] = strategies.fixed_dictionaries(ranges)
    return whole if where is None else whole.filter(where)
