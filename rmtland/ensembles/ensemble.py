r"""The interface of an ensemble: random matrices of every size n with one limiting law.

An ensemble holds parameters only. `law` is the limit law, which the eigenvalues of its n x n
matrices follow as n grows; methods that draw take n. Matrices are drawn whole where that is wanted
(`matrix`), and no further than needed elsewhere:

* `sample` gives all eigenvalues, from a matrix with the same distribution of eigenvalues and less
  work where there is one (a tridiagonal model, say);
* `histogram` counts eigenvalues in bins, `extremes` gives the outermost ones;
* `lanczos` gives the Gauss quadrature after k Lanczos steps from a uniform start, in a time that
  does not depend on n where the ensemble is rotation invariant.

Run i of a call draws from child i of the seed: it is the same whatever the number of runs, and
however many of them fit into memory together. Dense matrices are drawn in batches that take at most
a share of the memory free (`rmtland.ensembles.matrix_draws.MEMORY_SHARE`), and in smaller ones
where that is too much after all.

On CuPy all runs are drawn in one launch by a counter-based generator keyed by the seed and the
number of the run (`rmtland.ensembles.device`): the distribution is that of the CPU, the draws are
others.

References
----------
.. [1] G. W. Anderson, A. Guionnet and O. Zeitouni, An Introduction to Random Matrices, Cambridge
       University Press, 2010.

Examples
--------
>>> from rmtland.ensembles import WishartEnsemble
>>> ensemble = WishartEnsemble(0.5)
>>> ensemble.law
MarchenkoPastur(aspect_ratio=0.5, scale=1.0)
>>> spectrum = ensemble.sample(300, rng=1, runs=2)
>>> spectrum.nodes.shape, abs(spectrum.mean() - 1) < 0.01
((2, 300), True)
>>> ensemble.matrix(3, rng=1).shape
(3, 3)
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import choice, count
from rmtland.arrays import ArrayLibrary
from rmtland.deprecation import renamed_method
from rmtland.ensembles.batch_counts import bin_edges, binned, outermost
from rmtland.ensembles.entries import Entries
from rmtland.ensembles.krylov import quadrature
from rmtland.ensembles.matrix_draws import MatrixDraws
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.streams import Rng, seed_of, streams
from rmtland.typing import Array, Namespace, Real, Record
from rmtland.version import installed_version

__all__ = ["Ensemble"]


@dataclass(frozen=True)
class Ensemble(MatrixDraws):
    """Random matrices of every size with one limiting law (random matrix ensemble).

    .. formula:: Counter-based random numbers, Philox4x64-10
        :by: rmtland.ensembles.device.philox.philox

    References
    ----------
    .. [1] J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, Parallel random numbers: as easy
           as 1, 2, 3, SC 2011, doi:10.1145/2063384.2063405.
    """

    @property
    @abc.abstractmethod
    def law(self) -> Law:
        """Limiting law of the eigenvalues as n grows (limiting spectral distribution)."""

    limit = renamed_method("limit", "law")

    # What every ensemble can do ----------------------------------------------------------------

    def matrix(
        self,
        n: int,
        *,
        rng: Rng = None,
        xp: Namespace | None = None,
        dtype: object = None,
        device: object = None,
    ) -> Array:
        """Draw one matrix.

        Parameters
        ----------
        n : int
            Size.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        xp : module, optional
            Array library (numpy, cupy, torch, ...); NumPy by default.
        dtype : str or dtype, optional
            float32 or float64 (default).
        device : str or device, optional
            Device of that library; "cuda" alone asks for CuPy.

        Returns
        -------
        array, shape (n, n)
            Real symmetric, or complex Hermitian for beta = 2. For beta = 4 quaternions are
            written as 2 x 2 complex blocks: the shape is (2n, 2n) and every eigenvalue double.

        Raises
        ------
        ValueError
            If n is not a positive integer, or the matrix would not fit into memory.
        """
        n, library = self._size(n), ArrayLibrary.of(xp, dtype=dtype, device=device)
        self._batch(n, library, self._matrix_floats(n))
        with library.context():
            return self._matrices(n, Entries.of(library, streams(rng, 1)))[0, ...]

    def sample(
        self,
        n: int,
        *,
        rng: Rng = None,
        runs: int = 1,
        xp: Namespace | None = None,
        dtype: object = None,
        device: object = None,
    ) -> Spectrum:
        """Draw matrices and return all their eigenvalues.

        The eigenvalues have the distribution of those of `matrix`, but they are not those of the
        matrix drawn from the same seed: a sampler may take a cheaper route to them.

        Parameters
        ----------
        n : int
            Size of the matrices.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent matrices.
        xp, dtype, device
            Array library, precision and device, as for `matrix`.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n), float64 whatever the precision they were computed in.

        Raises
        ------
        ValueError
            If n or runs is not a positive integer, or one matrix would not fit into memory.
        TypeError
            If `runs` is no integer.
        """
        n, runs = self._size(n), count("runs", runs)
        library = ArrayLibrary.of(xp, dtype=dtype, device=device)
        parents = streams(rng, runs)
        provenance = self._provenance(n, parents) | {
            "library": library.name,
            "dtype": library.precision,
        }
        with library.context():
            nodes = self._eigenvalues(n, library, parents)
        return Spectrum(nodes, provenance=provenance, precision=library.precision)

    def histogram(
        self,
        n: int,
        edges: ArrayLike,
        *,
        rng: Rng = None,
        runs: int = 1,
        xp: Namespace | None = None,
        device: object = None,
    ) -> NDArray[np.int64]:
        """Count eigenvalues in bins, all runs together.

        The matrices are those of `sample` with the same seed, library and device, in double
        precision. On a device only the counts travel back.

        Parameters
        ----------
        n : int
            Size of the matrices.
        edges : array_like of float, shape (bins + 1,)
            Ascending edges; bins are half open, [low, high), and the last one is closed.
        rng, runs, xp, device
            As for `sample`.

        Returns
        -------
        ndarray of int64, shape (bins,)
            Numbers of eigenvalues; those outside the edges are not counted.

        Raises
        ------
        ValueError
            If the edges are fewer than two, NaN or not ascending.
        TypeError
            If `runs` is no integer.
        """
        n, runs, places = self._size(n), count("runs", runs), bin_edges(edges)
        library = ArrayLibrary.of(xp, device=device)
        with library.context():
            return self._histogram(n, places, library, streams(rng, runs))

    def _histogram(
        self,
        n: int,
        edges: Real,
        library: ArrayLibrary,
        parents: Sequence[np.random.Generator],
    ) -> NDArray[np.int64]:
        return binned(self._spectra(n, library, parents), edges, library)

    def extremes(
        self,
        n: int,
        k: int = 1,
        *,
        edge: str = "upper",
        rng: Rng = None,
        runs: int = 1,
        xp: Namespace | None = None,
        device: object = None,
    ) -> Real:
        """Draw the k largest or smallest eigenvalues.

        The matrices are those of `sample` with the same seed, library and device.

        Parameters
        ----------
        n : int
            Size of the matrices.
        k : int
            How many eigenvalues, 1 <= k <= n.
        edge : str
            "upper" or "lower".
        rng, runs, xp, device
            As for `sample`.

        Returns
        -------
        ndarray, shape (runs, k)
            From the edge inwards: the largest (smallest) first.

        Raises
        ------
        ValueError
            If `n`, `k` or `runs` is below 1, `k` above `n`, `edge` another name, or the matrices
            are too large for the memory.
        TypeError
            If a number is no integer.
        """
        n, runs = self._size(n), count("runs", runs)
        k, edge = count("k", k), choice("edge", edge, ("upper", "lower"))
        if k > n:
            raise ValueError(f"a matrix of size {n} has no {k} eigenvalues; choose k <= n")
        library = ArrayLibrary.of(xp, device=device)
        with library.context():
            return self._extremes(n, k, edge, library, streams(rng, runs))

    def _extremes(
        self,
        n: int,
        k: int,
        edge: str,
        library: ArrayLibrary,
        parents: Sequence[np.random.Generator],
    ) -> Real:
        return outermost(self._spectra(n, library, parents), k, edge, library)

    def lanczos(
        self,
        n: float,
        steps: int,
        *,
        rng: Rng = None,
        runs: int = 1,
        xp: Namespace | None = None,
        device: object = None,
    ) -> Spectrum:
        """Draw the Gauss quadrature of Lanczos runs from a uniform start vector.

        .. formula:: Lanczos quadrature in a time that does not depend on the size

        The time does not depend on n: only what the runs see of the matrices is drawn, exactly in
        distribution. It is drawn on the CPU: one number after the other depends on those before,
        which leaves a device nothing to share out.

        Parameters
        ----------
        n : int or float
            Size of the matrices, as large as 1e15; `math.inf` gives the Gauss quadrature of the
            limit law itself.
        steps : int
            Number of Lanczos steps, at most n.
        rng, runs
            As for `sample`; for n = inf all runs are equal.
        xp, device
            NumPy and the CPU only.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps), and the tridiagonals in `alpha` (runs, steps)
            and `beta` (runs, steps - 1). A run that exhausts its Krylov space early has zeros in
            both from there on, and nodes of weight zero.

        Raises
        ------
        ValueError
            If the ensemble is not rotation invariant, an argument is out of its range, or another
            library or device than NumPy's is asked for.
        TypeError
            If `steps` or `runs` is no integer.

        References
        ----------
        .. [1] I. Dumitriu and A. Edelman, Matrix models for beta ensembles, J. Math. Phys. 43
               (2002) 5830-5847.
        """
        on_the_cpu("lanczos", xp, device)
        size = math.inf if n == math.inf else self._size(n)
        steps, runs = count("steps", steps), count("runs", runs)
        if steps > size:
            raise ValueError(f"a matrix of size {size} allows {size} Lanczos steps; got {steps}")
        generators = streams(rng, runs)
        alpha, beta = self._jacobi_coefficients(size, steps, generators)
        # A tridiagonal model has rows after the Krylov space has ended.
        within = np.cumprod(np.pad(beta > 0, ((0, 0), (1, 0)), constant_values=True), axis=1)
        alpha = np.broadcast_to(alpha * within, (runs, steps))
        beta = np.broadcast_to(beta * within[:, 1:], (runs, steps - 1))
        nodes, weights = quadrature(alpha, beta)
        return Spectrum(
            nodes,
            weights,
            None if math.isinf(size) else int(size),
            self._provenance(size, generators) | {"steps": steps},
            alpha,
            beta,
        )

    # Sizes, memory, provenance -----------------------------------------------------------------

    def _size(self, n: object) -> int:
        return count("n", n)

    def _provenance(self, n: float, generators: Sequence[np.random.Generator]) -> Record:
        # The generators are children of the seed; the first one tells where they start.
        seed = seed_of(generators[0])
        *key, first = seed["spawn_key"]
        return {
            "source": "ensemble",
            "ensemble": type(self).__name__,
            "parameters": {f.name: _plain(getattr(self, f.name)) for f in fields(self)},
            "n": "inf" if math.isinf(n) else n,
            "runs": len(generators),
            "seed": seed | {"spawn_key": key, "first_child": first},
            "versions": {"rmtland": installed_version(), "numpy": np.__version__},
        }


def on_the_cpu(method: str, xp: Namespace | None, device: object) -> None:
    """Refuse another library or device than NumPy's for a method that only the CPU has.

    Raises
    ------
    ValueError
        If there is one.
    """
    name = ArrayLibrary.of(xp, device=device).name
    if name != "numpy":
        raise ValueError(
            f"{method} draws Krylov spaces, on the CPU only; leave xp and device out (got {name}), "
            "or use sample, histogram or extremes, which a device computes"
        )


def _plain(value: object) -> object:
    if isinstance(value, Ensemble):
        own = {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
        return {"ensemble": type(value).__name__, "parameters": own}
    return value if isinstance(value, int | float | str | tuple | None) else repr(value)
