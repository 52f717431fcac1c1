"""How matrices of an ensemble are drawn: what an ensemble provides, and what follows from it.

An ensemble gives its matrices, and where it has them matrices with the same eigenvalues at less
work, eigenvalues that are certain, or the rotation-invariant factors that it is made of; batches
that fit into memory, all eigenvalues and Lanczos tridiagonals follow. `rmtland.ensembles.ensemble`
makes the public methods of these.

Examples
--------
>>> from rmtland.ensembles import WishartEnsemble
>>> WishartEnsemble(2.0)._known(4)
((0.0, 2),)
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator, Sequence

import numpy as np

from rmtland.arrays import ArrayLibrary, to_numpy
from rmtland.ensembles.batches import gib, in_batches
from rmtland.ensembles.certain_eigenvalues import with_certain
from rmtland.ensembles.device.eigenvalues import eigvalsh
from rmtland.ensembles.entries import Entries
from rmtland.ensembles.krylov import Factor, jacobi_coefficients
from rmtland.laws.spectral_model import SpectralModel
from rmtland.typing import Array, Real

__all__ = ["MEMORY_SHARE", "MatrixDraws"]

MEMORY_SHARE = 0.5
"""Largest share of the free memory (of the device) that a batch of dense matrices takes."""

_BATCH = 2**26  # bytes of a batch on a CPU: more matrices at once are no faster there


class MatrixDraws(SpectralModel):
    """What an ensemble provides, and batches of matrices, eigenvalues and tridiagonals from it."""

    # What an ensemble provides -----------------------------------------------------------------

    @abc.abstractmethod
    def _matrices(self, n: int, entries: Entries) -> Array:
        """One matrix a run, shape (runs, n, n); twice as large where eigenvalues are double."""

    def _equivalents(self, n: int, entries: Entries) -> Array:
        """Matrices whose eigenvalues have the same distribution, at less work where possible."""
        return self._matrices(n, entries)

    def _known(self, n: int) -> tuple[tuple[float, int], ...]:
        """Eigenvalues that are certain, with their multiplicities, ascending."""
        return ()

    @property
    def _hull(self) -> tuple[float, float]:
        """Bounds that no eigenvalue passes."""
        return -math.inf, math.inf

    def _norm(self, n: int) -> float:
        """Norm of what matrices are computed from, where it may be above their own."""
        return 0.0

    def _floats(self, n: int) -> float:
        """Real numbers that drawing one matrix and its eigenvalues holds at the same time."""
        return 6.0 * n * n

    def _matrix_floats(self, n: int) -> float:
        """Real numbers that drawing one matrix holds at the same time."""
        return self._floats(n)

    def _spectra(
        self, n: int, library: ArrayLibrary, parents: Sequence[np.random.Generator]
    ) -> Iterator[Array]:
        """All eigenvalues of batches of runs, each of shape (batch, n); CuPy's stay there."""
        entries, step = Entries.of(library, parents), self._batch(n, library)

        def solved(runs: slice) -> Array:
            values = self._solved(n, entries.part(runs))
            values = values[:, :: values.shape[1] // n]
            if library.name == "cupy":  # CuPy only: what follows needs not travel back
                values = values.astype("float64", copy=False)
            else:
                values = np.asarray(to_numpy(values), dtype=np.float64)
            return with_certain(
                values,
                self._known(n),
                library,
                rounding=float(np.finfo(library.precision).eps),
                norm=self._norm(n),
                hull=self._hull,
                ensemble=self,
            )

        each = self._floats(n) * library.itemsize
        yield from in_batches(entries.runs, step, solved, library, each)

    def _solved(self, n: int, entries: Entries) -> Array:
        """All eigenvalues as the solver gives them, shape (runs, n), or double ones (runs, 2n)."""
        return eigvalsh(entries.library, self._equivalents(n, entries))

    def _eigenvalues(
        self, n: int, library: ArrayLibrary, parents: Sequence[np.random.Generator]
    ) -> Real:
        """All eigenvalues, shape (runs, n), on the host; the route of `sample`."""
        nodes, start = np.empty((0, n)), 0
        for values in self._spectra(n, library, parents):  # refuses what is too large
            if not start:
                nodes = np.empty((len(parents), n))
            nodes[start : start + values.shape[0]] = to_numpy(values)
            start += values.shape[0]
        return nodes

    def _factors(self) -> tuple[str, list[Factor]]:
        """Return "sum" or "product", and the rotation-invariant factors that the matrices are."""
        raise ValueError(
            f"{type(self).__name__} has no Lanczos sampler, as it is not rotation invariant; "
            "use sample"
        )

    def _jacobi_coefficients(
        self, n: float, steps: int, generators: Sequence[np.random.Generator]
    ) -> tuple[Real, Real]:
        """Diagonals and off-diagonals of the Lanczos tridiagonals, one row a run."""
        operation, factors = self._factors()
        return jacobi_coefficients(
            factors, n, steps, generators, operation=operation, limit=lambda: self.law
        )

    def _batch(self, n: int, library: ArrayLibrary, floats: float | None = None) -> int:
        """Return how many runs to draw together; refuse where one is too large."""
        share = MEMORY_SHARE * library.free_memory()
        each = (floats or self._floats(n)) * library.itemsize
        if each > share:
            raise ValueError(
                f"{self} of size {n} takes about {gib(each)} with its eigenvalues, more than the "
                f"{gib(share)} it may have ({MEMORY_SHARE:.0%} of what is free); choose a smaller "
                "n, or use lanczos, histogram or extremes where the ensemble has them"
            )
        if library.name != "cupy":
            share = min(share, _BATCH)
        return max(1, int(share // each))
