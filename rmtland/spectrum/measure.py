r"""Spectrum: eigenvalues that were sampled or measured, and where they came from.

A spectrum is the spectral measure (empirical spectral distribution) of one or more matrices,
:math:`\sum_i w_i \delta_{\lambda_i}`: all eigenvalues with equal weights, or the nodes and weights
of a Gauss quadrature where a matrix is too large to diagonalise. Each row is one matrix (one run),
so that a mean over runs comes with its standard error.

Moments, counts, distribution function and transform are those of
`rmtland.spectrum.statistics`.

Examples
--------
>>> import numpy as np
>>> spectrum = Spectrum.from_matrix(np.diag([2.0, -1.0, 0.0, 0.0]), source="four numbers")
>>> spectrum
Spectrum(4 eigenvalues in [-1, 2], 'four numbers')
>>> spectrum.eigenvalues
array([-1.,  0.,  0.,  2.])
>>> spectrum.inertia()
Inertia(negative=1, zero=2, positive=1, zero_tolerance=1.7763568394002505e-15)
>>> spectrum.index()
0.25
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from rmtland.arguments import choice, count, dense_array, float_array
from rmtland.arrays import ROUNDING_UNITS, precision_of
from rmtland.deprecation import moved_method
from rmtland.spectrum.files import read_arrays, read_stream, write_arrays
from rmtland.spectrum.matrices import device_eigenvalues, hermitian_stack
from rmtland.spectrum.provenance import frozen
from rmtland.spectrum.statistics import SpectralStatistics
from rmtland.spectrum.tables import data_frame, html_table, summary
from rmtland.synonyms import SPECTRA, WithSynonyms
from rmtland.typing import Array, NumpyArray, Real, Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

__all__ = ["Spectrum"]

_WEIGHT_SUM = 1e-5
"""How far a sum of weights may be from 1: what normalising in single precision leaves."""


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(WithSynonyms, SpectralStatistics):
    """Spectral measure of one or more Hermitian matrices.

    Two spectra are equal when all of their fields are. The length is the number of nodes, over all
    runs; `numpy.asarray` gives all eigenvalues.

    Parameters
    ----------
    nodes : array_like of float, shape (size,) or (runs, size)
        Eigenvalues, or quadrature nodes; one row a run. Kept sorted along the last axis, as a
        read-only float64 array of shape (runs, size).
    weights : array_like of float, same shape, optional
        Non-negative weights, each row of sum 1 (within 1e-5, and then normalised); None for equal
        weights, which means that the nodes are all eigenvalues.
    dimension : int, optional
        Size p of the matrices; defaults to the number of nodes where those are all eigenvalues.
    provenance : mapping, optional
        Where the spectrum came from, JSON-able: source, parameters, seed, versions. It cannot be
        changed later.
    alpha : array_like of float, shape of the nodes, optional
        Diagonals of the Lanczos tridiagonals (Jacobi matrices) of a Gauss quadrature.
    beta : array_like of float, shape (steps - 1,) or (runs, steps - 1), optional
        Off-diagonals, >= 0; given with `alpha`.
    precision : {"float64", "float32", "float16", "bfloat16"}, optional
        In which the eigenvalues, or the matrix they belong to, were computed; that of the nodes by
        default.
    errors : array_like of float, shape of the nodes, optional
        Standard errors of the distribution function at the nodes, where it is an estimate.
    brackets : array_like of float, shape of the nodes and 2 behind, optional
        Bounds (low, high) of the distribution function at the nodes.

    Raises
    ------
    ValueError
        If there are no nodes, a node is NaN, infinite or masked, or the weights, tridiagonals,
        errors or brackets do not fit.
    TypeError
        If something is not made of real numbers.
    """

    _synonyms = SPECTRA

    nodes: Real
    weights: Real | None = None
    dimension: int | None = None
    provenance: Record = field(default_factory=dict)
    alpha: Real | None = None
    beta: Real | None = None
    precision: str = field(default="", kw_only=True)
    errors: Real | None = field(default=None, kw_only=True)
    brackets: Real | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.nodes, Spectrum):
            raise TypeError("nodes must be numbers; got a Spectrum, which is one already")
        self._keep("precision", self.precision or precision_of(self.nodes))
        choice("precision", self.precision, tuple(ROUNDING_UNITS))
        array = dense_array("nodes", self.nodes)
        nodes = np.atleast_2d(float_array("nodes", array, ndim=max(1, array.ndim)))
        if nodes.ndim != 2:
            raise ValueError(f"nodes must have shape (size,) or (runs, size); got {array.shape}")
        order = np.argsort(nodes, axis=1, kind="stable")
        self._keep("nodes", np.take_along_axis(nodes, order, axis=1))
        if self.dimension is not None:
            self._keep("dimension", count("dimension", self.dimension))
        if self.weights is not None:
            self._keep("weights", _normalised(self._beside("weights", order)))
        elif self.dimension is None:
            self._keep("dimension", nodes.shape[1])
        elif self.dimension != nodes.shape[1]:
            raise ValueError(
                f"all eigenvalues of a matrix of dimension {self.dimension} were expected; "
                f"got {nodes.shape[1]} (give weights for a quadrature)"
            )
        self._keep("provenance", frozen(self.provenance))
        if self.alpha is not None or self.beta is not None:
            self._keep_tridiagonals()
        if self.errors is not None:
            errors = self._beside("errors", order)
            if errors.min() < 0:
                raise ValueError(f"errors must not be negative; got {errors.min()}")
            self._keep("errors", errors)
        if self.brackets is not None:
            brackets = self._beside("brackets", order[..., None], (2,))
            low, high = brackets[..., 0], brackets[..., 1]
            if low.min() < 0 or high.max() > 1 or (low > high).any():
                raise ValueError("brackets must be pairs 0 <= low <= high <= 1")
            self._keep("brackets", brackets)

    def _keep(self, name: str, value: object) -> None:
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(self, name, value)

    def _beside(self, name: str, order: NDArray[np.intp], tail: tuple[int, ...] = ()) -> Real:
        """Return an array that belongs to the nodes, in their order."""
        array = dense_array(name, getattr(self, name))
        shape = array.shape
        array = float_array(name, array, ndim=max(1, array.ndim))
        if array.ndim == 1 + len(tail):
            array = array[None]
        if array.shape != self.nodes.shape + tail:
            raise ValueError(
                f"{name} must have the shape of the nodes {self.nodes.shape + tail}; got {shape}"
            )
        return np.take_along_axis(array, order, axis=1)

    def _keep_tridiagonals(self) -> None:
        if self.weights is None or self.alpha is None or self.beta is None:
            raise ValueError("alpha and beta come together, and with the weights of a quadrature")
        runs, steps = self.nodes.shape
        for name, width in (("alpha", steps), ("beta", steps - 1)):
            rows = np.atleast_2d(dense_array(name, getattr(self, name)))
            if rows.shape != (runs, width) and rows.size + width:
                raise ValueError(f"{name} must have shape {(runs, width)}; got {rows.shape}")
            rows = np.array(float_array(name, rows, ndim=2) if width else np.empty((runs, 0)))
            if name == "beta" and rows.min(initial=0.0) < 0:
                raise ValueError(f"beta must not be negative; got {rows.min()}")
            self._keep(name, rows)

    # Where it comes from ---------------------------------------------------------------------

    @classmethod
    def from_eigenvalues(cls, eigenvalues: ArrayLike, **provenance: object) -> Self:
        """Return the spectrum of matrices all of whose eigenvalues are known.

        Parameters
        ----------
        eigenvalues : array_like of float, shape (p,) or (runs, p)
            All eigenvalues, one row a matrix.
        **provenance
            What to remember about their origin.

        Returns
        -------
        Spectrum

        Raises
        ------
        ValueError, TypeError
            As for the class.
        """
        return cls(eigenvalues, provenance=provenance)  # type: ignore[arg-type]

    @classmethod
    def from_matrix(cls, matrix: Array, **provenance: object) -> Self:
        """Diagonalise a matrix, or a stack of them.

        Parameters
        ----------
        matrix : array_like, shape (p, p) or (runs, p, p)
            Real symmetric or complex Hermitian, up to rounding: 1e-10 of the largest entry in
            double precision, 2e-5 in single. Of any array library and device; or a SciPy sparse
            matrix or linear operator, which is written out up to a size of 8192; or a
            HessianSplit, of which the total is taken.
        **provenance
            What to remember about its origin.

        Returns
        -------
        Spectrum
            All eigenvalues, computed in double precision, on its device where a matrix is on one;
            the zero tolerance follows the precision of the matrix.

        Raises
        ------
        ValueError
            If the matrix is not square, not Hermitian, empty, holds NaN or infinities, or is an
            operator too large to be written out.
        TypeError
            If it is not made of numbers.
        """
        there = device_eigenvalues(matrix)
        if there is not None:
            return cls(there[0], provenance=provenance, precision=there[1])
        stack = hermitian_stack(matrix)
        nodes = np.array([np.linalg.eigvalsh(one) for one in stack.matrices])
        return cls(nodes, provenance=provenance, precision=stack.precision)

    outliers = moved_method("outliers", "rmtland.comparison:outliers")

    # Values ----------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spectrum):
            return NotImplemented
        pairs = [(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        return all(
            np.array_equal(one, two)
            if isinstance(one, np.ndarray) and isinstance(two, np.ndarray)
            else one is two or (type(one) is type(two) and bool(one == two))
            for one, two in pairs
        )

    def __hash__(self) -> int:
        return hash(((self.nodes + 0.0).tobytes(), self.dimension, self.precision))

    def __len__(self) -> int:
        return int(self.nodes.size)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NumpyArray:
        """Return all eigenvalues in ascending order; a quadrature is refused, for its weights."""
        return np.array(self.eigenvalues, dtype=dtype, copy=copy)

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), {f.name: getattr(self, f.name) for f in fields(self)})

    def __repr__(self) -> str:
        return f"Spectrum({summary(self)})"

    def _repr_html_(self) -> str:
        """Return a small table for notebooks."""
        return html_table(self)

    def to_dataframe(self) -> DataFrame:
        """Return the nodes as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            Columns run, node and weight, and error, low and high where there are errors and
            brackets of the distribution function.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return data_frame(self)

    def plot(self, ax: Axes | None = None, **style: Any) -> Axes:
        """Draw the histogram of the spectrum.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.
        **style
            Options of `rmtland.plot.draw_spectrum`: bins, limits, label, color.

        Returns
        -------
        Axes
            The axes, as `Law.plot` returns them: `law.plot(spectrum.plot())` lays the law over the
            bars. `rmtland.plot.draw_spectrum` returns the bars.
        """
        from rmtland.drawing import draw_spectrum, new_axes

        axes = new_axes(ax)
        draw_spectrum(axes, self, **style)
        return axes

    # Files -----------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the spectrum to an .npz file (no pickle), whole or not at all.

        Parameters
        ----------
        path : path-like
            The file; `.npz` is appended where it is missing, and `load` finds it by either name.

        Returns
        -------
        Path
            The file written.
        """
        header = {
            "dimension": self.dimension,
            "provenance": self.provenance,
            "precision": self.precision,
        }
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return write_arrays(path, header, {k: v for k, v in arrays.items() if v is not None})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a spectrum that `save` wrote.

        Parameters
        ----------
        path : path-like
            The file, with or without `.npz`.

        Returns
        -------
        Spectrum

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is not a spectrum, damaged, no ordinary file, or larger than 2 GiB.
        """
        header, arrays = read_arrays(path)
        try:
            return cls._from_arrays(header, arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)} is not a spectrum file: {error}") from error

    @classmethod
    def _from_file(cls, stream: IO[bytes], largest: int) -> Self:
        """Read an open file; damaged bytes surface as almost any exception."""
        return cls._from_arrays(*read_stream(stream, largest=largest))

    @classmethod
    def _from_arrays(cls, header: Record, arrays: Record) -> Self:
        return cls(
            dimension=header["dimension"],
            provenance=header["provenance"],
            precision=header.get("precision", "float64"),
            nodes=arrays["nodes"],
            **{name: arrays[name] for name in _ARRAYS[1:] if name in arrays},
        )


_ARRAYS = ("nodes", "weights", "alpha", "beta", "errors", "brackets")


def _normalised(weights: Real) -> Real:
    """Return weights of sum 1 in every run, or say by how much they miss it."""
    if weights.min() < 0:
        raise ValueError(f"weights must be non-negative; the least is {weights.min()}")
    with np.errstate(over="ignore"):
        sums = weights.sum(axis=1)
    off = np.abs(sums - 1)
    worst = int(off.argmax())
    if off[worst] > _WEIGHT_SUM:
        raise ValueError(
            f"weights must sum to 1 in every run; run {worst} sums to {sums[worst]:.12g}, off by "
            f"{sums[worst] - 1:+.3g} (at most {_WEIGHT_SUM:g} is taken for rounding): divide by "
            "the sum first"
        )
    return weights / sums[:, None] if off[worst] > 1e-12 else weights


def _restored(kind: type[Spectrum], values: Record) -> Spectrum:
    return kind(**values)
