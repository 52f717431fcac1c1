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

from rmtland.estimate.beta_law import equivalent_draws
from rmtland.estimate.lanczos import Tridiagonal
from rmtland.typing import Record

if TYPE_CHECKING:
    from rmtland.sweep.executors import AnyExecutor

__all__ = ["KrylovOptions", "KrylovQuadratures"]


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
