r"""Spectrum: eigenvalues that were sampled or measured, and where they came from.

A spectrum is the spectral measure of one or more matrices,
:math:`\sum_i w_i \delta_{\lambda_i}`: all eigenvalues with equal weights, or the nodes and weights
of a Gauss quadrature where a matrix is too large to diagonalise. Each row is one matrix (one run),
so that a mean over runs comes with its standard error.

An eigenvalue counts as zero when its modulus is at most the zero tolerance. The default is the
rounding error of a symmetric eigenvalue solver, :math:`p \, u \max |\lambda|` with p the number
of nodes of a run and :math:`u = 2^{-52}` [1]_.

References
----------
.. [1] LAPACK Users' Guide, 3rd ed., SIAM 1999, section 4.7: error bounds for the symmetric
       eigenproblem.
.. [2] G. Szego, Orthogonal Polynomials, American Mathematical Society 1939, section 3.41.

Examples
--------
>>> import numpy as np
>>> spectrum = Spectrum.from_matrix(np.diag([2.0, -1.0, 0.0, 0.0]), source="four numbers")
>>> spectrum.eigenvalues
array([-1.,  0.,  0.,  2.])
>>> spectrum.inertia()
Inertia(negative=1, zero=2, positive=1, zero_tolerance=1.7763568394002505e-15)
>>> spectrum.index()
0.25
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import count, finite, float_array, nonnegative
from rmtland.files import atomic_write

__all__ = ["Inertia", "Spectrum", "inertia"]

_FORMAT = "rmtland spectrum 1"


class _HasSupport(Protocol):
    """What `outliers` needs of a law."""

    @property
    def support(self) -> tuple[tuple[float, float], ...]: ...
    @property
    def atoms(self) -> tuple[tuple[float, float], ...]: ...


class Inertia(NamedTuple):
    """Numbers of negative, zero and positive eigenvalues, summed over runs."""

    negative: int
    zero: int
    positive: int
    zero_tolerance: float


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Spectral measure of one or more symmetric matrices.

    Parameters
    ----------
    nodes : array_like of float, shape (size,) or (runs, size)
        Eigenvalues, or quadrature nodes; one row a run. Kept sorted along the last axis, as a
        read-only float64 array of shape (runs, size).
    weights : array_like of float, same shape, optional
        Non-negative weights, each row of sum 1; None for equal weights, which means that the
        nodes are all eigenvalues.
    dimension : int, optional
        Size p of the matrices; defaults to the number of nodes where those are all eigenvalues.
    provenance : dict, optional
        Where the spectrum came from, JSON-able: source, parameters, seed, versions.
    alpha : array_like of float, shape of the nodes, optional
        Diagonals of the Lanczos tridiagonals (Jacobi matrices) of a Gauss quadrature.
    beta : array_like of float, shape (steps - 1,) or (runs, steps - 1), optional
        Off-diagonals, >= 0; given with `alpha`.

    Raises
    ------
    ValueError
        If there are no nodes, a node is NaN or infinite, or the weights or tridiagonals do not fit.
    """

    nodes: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None
    dimension: int | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    alpha: NDArray[np.float64] | None = None
    beta: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        array = np.asarray(self.nodes)
        nodes = np.atleast_2d(float_array("nodes", array, ndim=max(1, array.ndim)))
        if nodes.ndim != 2:
            raise ValueError(f"nodes must have shape (size,) or (runs, size); got {array.shape}")
        order = np.argsort(nodes, axis=1, kind="stable")
        nodes = np.take_along_axis(nodes, order, axis=1)
        nodes.flags.writeable = False
        object.__setattr__(self, "nodes", nodes)
        if self.weights is None:
            if self.dimension is None:
                object.__setattr__(self, "dimension", nodes.shape[1])
            elif self.dimension != nodes.shape[1]:
                raise ValueError(
                    f"all eigenvalues of a matrix of dimension {self.dimension} were expected; "
                    f"got {nodes.shape[1]} (give weights for a quadrature)"
                )
        else:
            shape = np.shape(self.weights)
            weights = np.atleast_2d(float_array("weights", self.weights, ndim=max(1, len(shape))))
            if weights.shape != nodes.shape:
                raise ValueError(
                    f"weights must have the shape of the nodes {array.shape}; got {shape}"
                )
            if weights.min() < 0 or np.abs(weights.sum(axis=1) - 1).max() > 1e-8:
                raise ValueError("weights must be non-negative and sum to 1 in every run")
            weights = np.take_along_axis(weights, order, axis=1)
            weights.flags.writeable = False
            object.__setattr__(self, "weights", weights)
        if self.dimension is not None:
            object.__setattr__(self, "dimension", count("dimension", self.dimension))
        object.__setattr__(self, "provenance", _jsonable(self.provenance))
        if self.alpha is not None or self.beta is not None:
            self._keep_tridiagonals()

    def _keep_tridiagonals(self) -> None:
        if self.weights is None or self.alpha is None or self.beta is None:
            raise ValueError("alpha and beta come together, and with the weights of a quadrature")
        runs, steps = self.nodes.shape
        for name, width in (("alpha", steps), ("beta", steps - 1)):
            rows = np.atleast_2d(np.asarray(getattr(self, name)))
            if rows.shape != (runs, width) and rows.size + width:
                raise ValueError(f"{name} must have shape {(runs, width)}; got {rows.shape}")
            rows = np.array(float_array(name, rows, ndim=2) if width else np.empty((runs, 0)))
            if name == "beta" and rows.min(initial=0.0) < 0:
                raise ValueError(f"beta must not be negative; got {rows.min()}")
            rows.flags.writeable = False
            object.__setattr__(self, name, rows)

    @classmethod
    def from_matrix(cls, matrix: Any, **provenance: Any) -> Self:
        """Diagonalise a real symmetric matrix, a stack of them, or the total of a HessianSplit.

        Parameters
        ----------
        matrix : array_like of float, shape (p, p) or (runs, p, p), or an object with `.total`
            Symmetric up to rounding (1e-10 of its largest entry).
        **provenance
            What to remember about its origin.

        Raises
        ------
        ValueError
            If the matrix is not square, not symmetric, empty, or holds NaN or infinities.
        """
        array = np.asarray(getattr(matrix, "total", matrix))
        if array.ndim not in (2, 3) or array.shape[-1] != array.shape[-2]:
            raise ValueError(
                f"a matrix must have shape (p, p) or (runs, p, p); got shape {array.shape}"
            )
        array = float_array("matrix", array, ndim=array.ndim)
        runs = array.reshape(-1, *array.shape[-2:])
        nodes = np.empty(runs.shape[:2])
        for row, one in zip(nodes, runs, strict=True):
            skew = _asymmetry(one)
            if skew > 1e-10 * max(one.max(), -one.min()):
                raise ValueError(
                    f"the matrix is not symmetric: entries differ from their mirror by {skew}; "
                    "symmetrise it first, (A + A.T) / 2, if that is rounding"
                )
            row[:] = np.linalg.eigvalsh(one)
        return cls(nodes, provenance=provenance)

    # The measure ---------------------------------------------------------------------------

    @property
    def runs(self) -> int:
        """Number of matrices."""
        return int(self.nodes.shape[0])

    @property
    def is_complete(self) -> bool:
        """Whether the nodes are all eigenvalues (and not a quadrature)."""
        return self.weights is None

    @cached_property
    def eigenvalues(self) -> NDArray[np.float64]:
        """All eigenvalues of all runs in ascending order, shape (runs * dimension,)."""
        if not self.is_complete:
            raise ValueError(
                "this spectrum is a quadrature: it has nodes and weights, not eigenvalues"
            )
        values = np.sort(self.nodes, axis=None)
        values.flags.writeable = False
        return values

    @cached_property
    def measure(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Nodes of all runs in ascending order and their weights, of total 1."""
        order = np.argsort(self.nodes, axis=None, kind="stable")
        weights = self._weights.ravel()[order] / self.runs
        nodes = self.nodes.ravel()[order]
        nodes.flags.writeable = weights.flags.writeable = False
        return nodes, weights

    @property
    def _weights(self) -> NDArray[np.float64]:
        if self.weights is not None:
            return self.weights
        return np.broadcast_to(np.float64(1 / self.nodes.shape[1]), self.nodes.shape)

    @property
    def zero_tolerance(self) -> float:
        """Default zero tolerance: nodes in a run * 2^-52 * largest modulus."""
        return float(self.nodes.shape[1] * np.finfo(np.float64).eps * np.abs(self.nodes).max())

    def inertia(self, zero_tolerance: float | None = None) -> Inertia:
        """Count negative, zero and positive eigenvalues over all runs.

        Parameters
        ----------
        zero_tolerance : float, optional
            Largest modulus that counts as zero; defaults to `zero_tolerance`.
        """
        tolerance = self._tolerance(zero_tolerance)
        values = self.eigenvalues
        negative = int(np.count_nonzero(values < -tolerance))
        positive = int(np.count_nonzero(values > tolerance))
        return Inertia(negative, values.size - negative - positive, positive, tolerance)

    def index(self, zero_tolerance: float | None = None) -> float:
        """Fraction of negative eigenvalues (mass below the zero tolerance), mean over runs."""
        return float(self._index_of_runs(zero_tolerance).mean())

    def index_error(self, zero_tolerance: float | None = None) -> float:
        """Return the standard error of the index over runs; infinite for one run."""
        return _standard_error(self._index_of_runs(zero_tolerance))

    def index_bracket(self, zero_tolerance: float | None = None) -> tuple[float, float]:
        """Return bounds of the index that a Gauss quadrature leaves, mean over runs.

        The mass below a node is at least the weights before it and at most those up to it
        (Chebyshev-Markov-Stieltjes inequalities [2]_): for the last negative node and the first
        other one. They hold for the spectral measure of the start vector, not for the chance that
        is in the choice of that vector. For all eigenvalues, and for a quadrature whose Krylov
        space has ended (a zero in `beta`, or as many nodes as dimensions), both are the index.

        Parameters
        ----------
        zero_tolerance : float, optional
            Largest modulus that counts as zero; defaults to `zero_tolerance`.

        Returns
        -------
        (float, float)
            Lower and upper bound.
        """
        index = self._index_of_runs(zero_tolerance)
        steps = self.nodes.shape[1]
        if self.weights is None or steps == self.dimension:
            return float(index.mean()), float(index.mean())
        negative = np.sum(self.nodes < -self._tolerance(zero_tolerance), axis=1, keepdims=True)
        sums = np.cumsum(np.pad(self.weights, ((0, 0), (2, 1))), axis=1)
        low = np.take_along_axis(sums, negative, axis=1)[:, 0]
        high = np.minimum(np.take_along_axis(sums, negative + 2, axis=1)[:, 0], 1.0)
        if self.beta is not None:
            ended = (self.beta == 0).any(axis=1)
            low, high = np.where(ended, index, low), np.where(ended, index, high)
        return float(low.mean()), float(high.mean())

    def _index_of_runs(self, zero_tolerance: float | None) -> NDArray[np.float64]:
        tolerance = self._tolerance(zero_tolerance)
        return np.asarray((self._weights * (self.nodes < -tolerance)).sum(axis=1))

    def _tolerance(self, zero_tolerance: float | None) -> float:
        if zero_tolerance is None:
            return self.zero_tolerance
        return nonnegative("zero_tolerance", zero_tolerance)

    def mean(self) -> float:
        """Mean of the spectral measure: trace / dimension, averaged over runs."""
        return self.moment(1)

    def var(self) -> float:
        """Variance of the spectral measure of all runs together."""
        nodes, weights = self.measure
        return float(np.sum(weights * (nodes - self.mean()) ** 2))

    def moment(self, k: int) -> float:
        """Moment of order `k` about zero."""
        nodes, weights = self.measure
        return float(np.sum(weights * nodes ** count("k", k, least=0)))

    def moment_error(self, k: int) -> float:
        """Return the standard error of the moment over runs; infinite for one run."""
        powers = self.nodes ** count("k", k, least=0)
        return _standard_error((self._weights * powers).sum(axis=1))

    def outliers(self, law: _HasSupport, margin: float | None = None) -> NDArray[np.float64]:
        """Eigenvalues outside the support and away from the atoms of a law, ascending.

        Parameters
        ----------
        law : Law
            The law of the bulk.
        margin : float, optional
            How far outside an eigenvalue has to be. The default, the width of the law times
            dimension^(-2/3), is the scale on which eigenvalues fluctuate at an edge.
        """
        pieces = list(law.support) + [(place, place) for place, _ in law.atoms]
        if margin is None:
            width = max(high for _, high in pieces) - min(low for low, _ in pieces)
            margin = width * (self.dimension or self.nodes.shape[1]) ** (-2 / 3)
        margin = nonnegative("margin", margin)
        values = self.eigenvalues
        inside = np.zeros(values.shape, dtype=bool)
        for low, high in pieces:
            inside |= (values >= low - margin) & (values <= high + margin)
        return values[~inside]

    # Files -----------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the spectrum to an .npz file (no pickle), whole or not at all.

        Returns
        -------
        Path
            The file written; `.npz` is appended where it is missing.
        """
        target = Path(path)
        if target.suffix != ".npz":
            target = target.with_name(target.name + ".npz")
        header = {
            "format": _FORMAT,
            "dimension": self.dimension,
            "provenance": self.provenance,
        }
        arrays: dict[str, Any] = {"nodes": self.nodes, "header": np.array(json.dumps(header))}
        if self.weights is not None:
            arrays["weights"] = self.weights
        if self.alpha is not None:
            arrays |= {"alpha": self.alpha, "beta": self.beta}
        with atomic_write(target) as stream:
            np.savez_compressed(stream, **arrays)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a spectrum that `save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is not a spectrum, or is damaged.
        """
        with open(path, "rb") as stream:
            # Damaged bytes surface as almost any exception: of zipfile, zlib, tokenize, struct, ...
            try:
                with np.load(stream, allow_pickle=False) as data:
                    header = json.loads(str(data["header"]))
                    if header["format"] != _FORMAT:
                        raise ValueError(f"format {header['format']!r}, expected {_FORMAT!r}")
                    nodes, weights = data["nodes"], data.get("weights")
                    alpha, beta = data.get("alpha"), data.get("beta")
                return cls(nodes, weights, header["dimension"], header["provenance"], alpha, beta)
            except Exception as error:
                raise ValueError(f"{os.fspath(path)} is not a spectrum file: {error}") from error


def inertia(matrix: Any, shift: float = 0.0, *, zero_tolerance: float = 0.0) -> Inertia:
    """Count the eigenvalues below, at and above `shift` without computing any.

    By Sylvester's law of inertia they are the negative, zero and positive eigenvalues of the block
    diagonal D in A - shift = L D L^T (Bunch & Kaufman 1977; LAPACK's sytrf): a few times cheaper
    than eigenvalues. The index is `negative` over the size.

    Parameters
    ----------
    matrix : array_like of float, shape (p, p), or an object with `.total`
        Symmetric; the lower triangle is used.
    shift : float, optional
        Where to count.
    zero_tolerance : float, optional
        Eigenvalues this close to the shift count as zero, by a second factorisation. With 0 only
        exact zeros of D do: eigenvalues that are zero up to rounding fall on either side.

    Returns
    -------
    Inertia
        Of one matrix.

    Raises
    ------
    ValueError
        If the matrix is not square, not symmetric, empty, or holds NaN or infinities.

    Examples
    --------
    >>> inertia([[2.0, 1.0], [1.0, -3.0]])
    Inertia(negative=1, zero=0, positive=1, zero_tolerance=0.0)
    """
    array = float_array("matrix", np.asarray(getattr(matrix, "total", matrix)), ndim=2)
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"a matrix must have shape (p, p); got shape {array.shape}")
    skew = _asymmetry(array)
    if skew > 1e-10 * max(array.max(), -array.min()):
        raise ValueError(
            f"the matrix is not symmetric: entries differ from their mirror by {skew}; "
            "symmetrise it first, (A + A.T) / 2, if that is rounding"
        )
    shift, tolerance = finite("shift", shift), nonnegative("zero_tolerance", zero_tolerance)
    negative, zero = _negative_and_zero(array, shift - tolerance)
    if tolerance == 0.0:
        return Inertia(negative, zero, len(array) - negative - zero, tolerance)
    below, at = _negative_and_zero(array, shift + tolerance)
    return Inertia(negative, below + at - negative, len(array) - below - at, tolerance)


def _negative_and_zero(matrix: NDArray[np.float64], shift: float) -> tuple[int, int]:
    """Count negative and zero eigenvalues of the matrix less its shift, by its D."""
    from scipy.linalg import lapack

    shifted = matrix.copy()
    np.einsum("ii->i", shifted)[...] -= shift
    size = int(lapack.dsytrf_lwork(len(matrix), lower=0)[0])
    # the transpose of a C-contiguous array is Fortran-contiguous, its upper the lower triangle
    factor, pivots, info = lapack.dsytrf(shifted.T, lower=0, lwork=size, overwrite_a=1)
    if info < 0:
        raise ValueError(f"LAPACK's sytrf refused its argument {-info}")
    diagonal, beside = np.diagonal(factor), np.diagonal(factor, 1)
    alone = pivots > 0
    negative = int(np.count_nonzero(diagonal[alone] < 0.0))
    zero = int(np.count_nonzero(diagonal[alone] == 0.0))
    first = np.flatnonzero(~alone)[::2]  # blocks of two rows: k and k + 1 have one negative pivot
    a, b, c = diagonal[first], beside[first], diagonal[first + 1]
    definite = a * c - b * b > 0.0  # by rounding only: such blocks are indefinite
    return negative + len(first) + int(np.count_nonzero(definite & (a < 0.0))), zero


def _standard_error(values: NDArray[np.float64]) -> float:
    if values.size < 2:
        return float("inf")
    return float(values.std(ddof=1) / np.sqrt(values.size))


def _asymmetry(matrix: NDArray[np.float64]) -> float:
    """Largest |a_ij - a_ji|, in blocks of rows so that no second matrix is made."""
    worst = 0.0
    step = max(1, 2**20 // matrix.shape[0])
    for start in range(0, matrix.shape[0], step):
        rows = slice(start, start + step)
        worst = max(worst, float(np.abs(matrix[rows] - matrix[:, rows].T).max()))
    return worst


def _jsonable(provenance: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with plain Python values, or say which entry is not one."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic | np.ndarray):
            return value.tolist()
        raise TypeError(f"provenance must be JSON-able; got {value!r}")

    result = json.loads(json.dumps(provenance, default=plain))
    if not isinstance(result, dict):
        raise TypeError(f"provenance must be a dict; got {provenance!r}")
    return result
