"""What Lanczos from random probes takes, and what it gives: options, and Gauss quadratures.

Examples
--------
>>> import numpy as np
>>> one = Tridiagonal(np.array([0.5]), np.array([0.0]))
>>> found = KrylovQuadratures([one, one], size=10, is_complex=False, seed={}, products=2)
>>> found.probes, found.draws
(2, 12.0)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from rmtland.arguments import choice, count, truth
from rmtland.estimate.beta_law import equivalent_draws
from rmtland.estimate.lanczos import REORTHOGONALIZATIONS, Tridiagonal
from rmtland.files import path_of
from rmtland.typing import Record

if TYPE_CHECKING:
    from rmtland.sweep.executors import AnyExecutor

__all__ = ["BASES", "KrylovOptions", "KrylovQuadratures", "checked_options"]

BASES = ("float64", "float32", "disk")
"""Where vectors of a Krylov basis are kept."""


class KrylovOptions(TypedDict, total=False):
    """How Krylov spaces are computed; the keyword arguments of `krylov_quadratures`.

    Their meaning is documented there.
    """

    together: int | None
    reorthogonalize: str
    basis: str
    checkpoint: str | os.PathLike[str] | None
    executor: AnyExecutor
    progress: bool | None


def checked_options(options: KrylovOptions) -> KrylovOptions:
    """Return all options, the others at their defaults.

    Parameters
    ----------
    options : dict
        Some of `KrylovOptions`.

    Returns
    -------
    dict
        With an entry for every option but an executor that is not given.

    Raises
    ------
    TypeError
        If there is no such option, or one is of another type.
    ValueError
        If one is out of range.
    """
    known = set(KrylovOptions.__annotations__)
    for name in options:
        if name not in known:
            raise TypeError(f"unknown option {name!r}; there are {', '.join(sorted(known))}")
    together, folder = options.get("together"), options.get("checkpoint")
    recipe, bar = options.get("reorthogonalize", "partial"), options.get("progress")
    return {
        **options,
        "together": None if together is None else count("together", together),
        "reorthogonalize": choice("reorthogonalize", recipe, REORTHOGONALIZATIONS),
        "basis": choice("basis", options.get("basis", "float64"), BASES),
        "checkpoint": None if folder is None else path_of("checkpoint", folder),
        "progress": None if bar is None else truth("progress", bar),
    }


@dataclass(frozen=True)
class KrylovQuadratures:
    """Jacobi matrices of Gaussian probes, and what they are worth.

    Made by `rmtland.estimate.krylov_quadratures`.

    Parameters
    ----------
    tridiagonals : list of Tridiagonal
        One a probe.
    size : int
        Order p of the matrix.
    is_complex : bool
        Whether the probes are complex.
    seed : dict
        What names the random numbers.
    products : int
        Products spent.
    """

    tridiagonals: list[Tridiagonal]
    size: int
    is_complex: bool
    seed: Record
    products: int

    @property
    def probes(self) -> int:
        """Number m of probes."""
        return len(self.tridiagonals)

    @property
    def draws(self) -> float:
        """The n of the Beta law: the binomial draws that the probes are worth."""
        return equivalent_draws(size=self.size, probes=self.probes, is_complex=self.is_complex)
