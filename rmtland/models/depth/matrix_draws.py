"""Spectra of drawn matrices, one a run, with their provenance.

Examples
--------
>>> from dataclasses import dataclass
>>> import numpy as np
>>> @dataclass(frozen=True)
... class Unit:
...     scale: float
>>> found = drawn_spectrum(Unit(1.0), lambda stream: np.ones(3), None, 2)
>>> found.nodes.shape, found.provenance["model"], found.provenance["parameters"]
((2, 3), 'Unit', {'scale': 1.0})
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from rmtland.arguments import count
from rmtland.networks.activation import Activation
from rmtland.spectrum import Spectrum
from rmtland.streams import seed_of, streams
from rmtland.typing import Real, Rng
from rmtland.version import installed_version

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["drawn_spectrum", "gram_eigenvalues", "rounded_sizes"]


def drawn_spectrum(
    model: DataclassInstance,
    draw: Callable[[np.random.Generator], Real],
    rng: Rng,
    runs: int,
) -> Spectrum:
    """Draw one spectrum a run.

    Parameters
    ----------
    model : dataclass
        The model: its name and fields are the provenance.
    draw : callable
        Gives all eigenvalues of one matrix from a generator, always of the same number.
    rng : anything `numpy.random.default_rng` takes
        Seed or generator.
    runs : int
        Number of independent matrices.

    Returns
    -------
    Spectrum
        Nodes of shape (runs, eigenvalues).
    """
    parents = streams(rng, count("runs", runs))
    return Spectrum(
        np.array([draw(stream) for stream in parents]),
        provenance={
            "source": "model",
            "model": type(model).__name__,
            "parameters": {part.name: _plain(getattr(model, part.name)) for part in fields(model)},
            "seed": seed_of(parents[0]),
            "rmtland": installed_version(),
        },
    )


def gram_eigenvalues(gram: Real) -> Real:
    """Eigenvalues of a positive semidefinite matrix, ascending: those within rounding of 0 are 0.

    Parameters
    ----------
    gram : ndarray, shape (n, n)
        Symmetric, without negative eigenvalues.

    Returns
    -------
    ndarray, shape (n,)
        Eigenvalues.
    """
    values = np.asarray(np.linalg.eigvalsh(gram))
    values[values <= values.size * np.finfo(np.float64).eps * values[-1]] = 0.0
    return values


def rounded_sizes(n: int, sizes: Sequence[float]) -> list[int]:
    """Return sizes in the ratios given, the first of them n, each at least 1.

    Parameters
    ----------
    n : int
        The first size.
    sizes : sequence of float
        Relative sizes, > 0.

    Returns
    -------
    list of int
        Rounded sizes.
    """
    first = count("n", n)
    return [max(1, round(first * size / sizes[0])) for size in sizes]


def _plain(value: object) -> object:
    """Return what a file can hold."""
    if isinstance(value, Activation):
        return value.name
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, bool | int | float | str | None) else repr(value)
