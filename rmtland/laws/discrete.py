r"""Discrete laws: finitely many point masses, and the empirical law of measured eigenvalues.

.. math::
    \rho = \sum_k w_k \delta_{x_k}, \qquad G(z) = \sum_k \frac{w_k}{z - x_k}, \qquad
    L(z) = \sum_k w_k \log(z - x_k) .

All mass is in atoms: the density is zero, the distribution function an exact step function.
R- and S-transforms are found by inversion (`rmtland.laws.inversion`).

Sums over many masses and points run in a compiled kernel; few are summed by NumPy, which is also
the reference that the kernel is tested against.

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006, lecture 2 (distributions of matrices).

Examples
--------
>>> law = Discrete((1.0, -1.0), (0.25, 0.75))
>>> law.atoms
((-1.0, 0.75), (1.0, 0.25))
>>> law.cdf(0.0), law.ppf(0.8), law.stieltjes(2.0)
(0.75, 1.0, (0.5+0j))
>>> EmpiricalLaw([3.0, 1.0, 3.0, 5.0]).atoms
((1.0, 0.25), (3.0, 0.5), (5.0, 0.25))
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import float_array
from rmtland.arrays import ROUNDING_UNITS, precision_of
from rmtland.laws.law import Atoms, Complex, Law, Real, Support
from rmtland.laws.root_accuracy import moved_once
from rmtland.spectrum import Spectrum
from rmtland.typing import Integer

__all__ = ["Discrete", "EmpiricalLaw", "probability_weights", "without_rounding"]

_FEW = 20_000  # masses times points below which NumPy sums; a kernel takes as long to start
_NEAR = 1e-140  # distance below which a square underflows
_FAR = 1e150  # beyond which it overflows


def probability_weights(weights: ArrayLike, size: int) -> Real:
    """Return `size` positive weights of sum 1, rescaled exactly to it.

    The sum may be off by 1e-12, or by the rounding of single precision where every weight is a
    number of single precision.

    Raises
    ------
    ValueError
        If their number is not `size`, one is not positive, or the sum is further from 1.
    """
    array = float_array("weights", weights, ndim=1)
    if array.size != size:
        raise ValueError(f"one weight each is needed; got {array.size} weights for {size}")
    if array.min() <= 0:
        raise ValueError(f"weights must be positive; got {array.min()}")
    total = math.fsum(array)
    allowed = 1e-12
    if abs(total - 1) > allowed and np.array_equal(array, array.astype(np.float32)):
        allowed = min((size + 1) * 2.0**-24, 1e-5)
    if abs(total - 1) > allowed:
        raise ValueError(
            f"weights must sum to 1; got a sum of {total:.15g}, off by {total - 1:+.3g} (at most "
            f"{allowed:.2g} is taken for rounding): divide by the sum first"
        )
    # Weights that were rescaled already stay as they are.
    return array if abs(total - 1) <= 4e-16 else np.asarray(array / total)


class PointMasses(Law):
    """What all laws of point masses share; `_table` holds them as arrays."""

    _ppf_rises = True
    _off: Real | None = None
    """How far each place is off, where rounding moved some: in images of such laws."""

    @property
    @abc.abstractmethod
    def _table(self) -> tuple[Real, Real]:
        """Places in ascending order, each once, and masses of sum 1."""

    @abc.abstractmethod
    def _exact_masses(self) -> list[Fraction]:
        """Masses as exact rationals of sum 1."""

    @property
    def support(self) -> Support:
        """Empty: there is no absolutely continuous part."""
        return ()

    @cached_property
    def atoms(self) -> Atoms:
        """All of the law: pairs (location, mass)."""
        places, masses = self._table
        return tuple(zip(places.tolist(), masses.tolist(), strict=True))

    @cached_property
    def _levels(self) -> Real:
        """Values of the distribution function at the places."""
        levels = np.cumsum(self._table[1], dtype=np.longdouble).astype(np.float64)
        levels[-1] = 1.0
        return levels

    def _exact_moments(self, k: int) -> list[Fraction]:
        places, _ = self._table
        masses = self._exact_masses()
        unit = max(float(x).as_integer_ratio()[1] for x in places)
        common = math.lcm(*{mass.denominator for mass in masses})
        numbers = [int(Fraction(float(x)) * unit) for x in places]
        terms = [int(mass * common) for mass in masses]
        moments = [Fraction(1)]
        for n in range(1, k + 1):
            terms = [term * number for term, number in zip(terms, numbers, strict=True)]
            moments.append(Fraction(sum(terms), common * unit**n))
        return moments

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        places, masses = self._table
        few = places.size * z.size < _FEW
        if few and (np.abs(z[:, None] - places) >= _NEAR).all():
            return jet_reference(z, places, masses)
        _, distance = self._nearest(z)
        close = np.abs(distance) < _NEAR
        points = np.where(close, places[-1] + 1.0, z) if close.any() else z
        if few or self._reach(points) > _FAR:
            g, slope = jet_reference(points, places, masses)
        else:
            from rmtland.laws.discrete_kernels import jet

            result = np.empty((4, z.size))
            jet(*_parts(points), places, masses, result)
            g, slope = _complex(result[0], result[1]), _complex(result[2], result[3])
        if close.any():
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                # Other places may be as close, in small units: no squares are taken.
                apart = z[close, None] - places
                terms = masses / apart
                g[close] = np.where(distance[close] == 0, complex(np.inf, 0), terms.sum(axis=1))
                slope[close] = -(terms / apart).sum(axis=1)
        return g, slope

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """Bound the rounding of the sum: half an ulp of the sum of moduli for every operation.

        In an image, and what rounding of the places does.
        """
        places, masses = self._table
        share = 1.2e-16 * (places.size + 8)
        size, moved = np.empty(z.shape), np.zeros(z.shape)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            for rows in _blocks(z.size, places.size):
                apart = np.abs(z[rows, None] - places)
                size[rows] = np.einsum("ij,j", 1 / apart, masses)
                if self._off is not None:
                    change = self._off / (apart * np.maximum(apart - self._off, 0.0))
                    moved[rows] = np.einsum("ij,j", np.where(self._off > 0, change, 0.0), masses)
            exact = np.isinf(g)
            return np.where(exact, 0.0, share), np.where(exact, 0.0, share * size + moved)

    def _moved(self, places: Real, scale: float, shift: float) -> tuple[Real, Real]:
        """Return images of places, and how far they are off from those of exact places."""
        moved, off = moved_once(scale, places, shift)
        return moved, off if self._off is None else off + abs(scale) * self._off

    def _rounded(self, places: Real, off: Real) -> Self:
        """Return the law, which notes how far its places, given in any order, are off."""
        if off.any():
            kept = np.zeros(self._table[0].size)
            np.maximum.at(kept, np.searchsorted(self._table[0], places), off)
            self.__dict__["_off"] = _frozen(kept)
        return self

    def _log_potential(self, z: Complex) -> Complex:
        places, masses = self._table
        _, distance = self._nearest(z)
        on, real = distance == 0, z.imag == 0
        points = np.where(on, places[-1] + 1.0, z) if on.any() else z
        few = places.size * z.size < _FEW or self._reach(points) > _FAR
        if few or np.abs(distance[~on]).min(initial=1.0) < _NEAR:
            value = potential_reference(points, places, masses)
        else:
            from rmtland.laws.discrete_kernels import potential

            result = np.empty((2, z.size))
            potential(*_parts(points), places, masses, result)
            value = _complex(result[0], result[1])
        value.real[on] = -np.inf
        value.imag[real] = np.pi * (1 - self._cdf(z.real[real]))
        return value

    def _nearest(self, z: Complex) -> tuple[Integer, Complex]:
        """Index of the place nearest to every point, and its distance z - place."""
        places, _ = self._table
        right = np.searchsorted(places, z.real)
        left = np.maximum(right - 1, 0)
        right = np.minimum(right, places.size - 1)
        x = z.real
        nearest = np.where(x - places[left] <= places[right] - x, left, right)
        return nearest, z - places[nearest]

    def _reach(self, z: Complex) -> float:
        """Largest modulus of points and places."""
        places, _ = self._table
        return max(float(np.abs(z).max(initial=0.0)), abs(float(places[0])), abs(float(places[-1])))

    def _pdf(self, x: Real) -> Real:
        return np.zeros(x.shape)

    def _cdf(self, x: Real) -> Real:
        return np.append(0.0, self._levels)[np.searchsorted(self._table[0], x, side="right")]

    def _mass_below(self, x: Real) -> Real:
        return np.append(0.0, self._levels)[np.searchsorted(self._table[0], x, side="left")]

    def _ppf(self, q: Real) -> Real:
        return self._table[0][np.searchsorted(self._levels, q, side="left")]


@dataclass(frozen=True)
class Discrete(PointMasses):
    """Discrete law (atomic law, finite point measure; law of a matrix with few eigenvalues).

    Parameters
    ----------
    locations : tuple of float
        Where the masses are; equal locations are merged, and locations are put in ascending order.
    weights : tuple of float
        Positive masses that sum to 1 within rounding; rescaled to sum to 1.

    Raises
    ------
    ValueError
        If a location is not finite, or the weights are not such masses.
    TypeError
        If `locations` holds no real numbers.

    See Also
    --------
    rmtland.laws.EmpiricalLaw : many eigenvalues.
    rmtland.free.general_marchenko_pastur : sample covariance of such a population.
    """

    locations: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        places = float_array("locations", self.locations, ndim=1)
        masses = probability_weights(self.weights, places.size)
        merged: dict[float, list[float]] = {}
        for k in np.argsort(places, kind="stable"):
            merged.setdefault(float(places[k]) + 0.0, []).append(float(masses[k]))
        object.__setattr__(self, "locations", tuple(merged))
        object.__setattr__(self, "weights", tuple(math.fsum(m) for m in merged.values()))

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        moved, off = self._moved(self._table[0], scale, shift)
        return Discrete(tuple(moved.tolist()), self.weights)._rounded(moved, off)

    @cached_property
    def _table(self) -> tuple[Real, Real]:
        return _frozen(np.array(self.locations)), _frozen(np.array(self.weights))

    def _exact_masses(self) -> list[Fraction]:
        masses = [Fraction(weight) for weight in self.weights]
        total = sum(masses)
        return [mass / total for mass in masses]


@dataclass(frozen=True, eq=False, repr=False)
class EmpiricalLaw(PointMasses):
    """Empirical spectral distribution (spectral measure, counting measure) of eigenvalues.

    Parameters
    ----------
    eigenvalues : array_like of float, shape (size,)
        Eigenvalues, or the nodes of a quadrature; kept sorted and read-only.
    weights : array_like of float, shape (size,), optional
        Non-negative weights that sum to 1 within rounding (rescaled to sum to 1); None for equal
        weights.

    Raises
    ------
    ValueError
        If an eigenvalue is not finite, there is none, or the weights do not fit.
    TypeError
        If `eigenvalues` or `weights` holds no real numbers.

    See Also
    --------
    rmtland.laws.Discrete : few points with exact weights.
    rmtland.spectrum.Spectrum : eigenvalues with runs, errors and files.
    """

    eigenvalues: Real
    weights: Real | None = field(default=None)

    _precision = "float64"
    """In which the eigenvalues were given, which says how small a zero may be."""

    def __post_init__(self) -> None:
        self.__dict__["_precision"] = precision_of(self.eigenvalues)
        places = float_array("eigenvalues", self.eigenvalues, ndim=1)
        order = np.argsort(places, kind="stable")
        if self.weights is not None:
            masses = float_array("weights", self.weights, ndim=1)
            if masses.shape != places.shape:
                raise ValueError(
                    f"weights must have the shape of the eigenvalues {places.shape}; "
                    f"got {masses.shape}"
                )
            if masses.min() < 0:
                raise ValueError(f"weights must not be negative; got {masses.min()}")
            order = order[masses[order] > 0]
            masses = probability_weights(masses[order], order.size)
            object.__setattr__(self, "weights", _frozen(masses))
        object.__setattr__(self, "eigenvalues", _frozen(places[order] + 0.0))

    @classmethod
    def of(cls, spectrum: Spectrum) -> Self:
        """Law of a measured or sampled spectrum, all runs together.

        Nodes within the zero tolerance of the spectrum are zeros, so that a rank that is not full
        stays visible as an atom at 0, and a positive matrix has a law on the positive axis.

        Parameters
        ----------
        spectrum : Spectrum
            Eigenvalues, or the nodes and weights of a quadrature.

        Returns
        -------
        EmpiricalLaw
            The law.

        Raises
        ------
        TypeError
            If it is not a Spectrum.
        """
        if not isinstance(spectrum, Spectrum):
            raise TypeError(f"EmpiricalLaw.of takes a Spectrum; got {spectrum!r}")
        tolerance = spectrum.zero_tolerance
        if spectrum.is_complete:
            values = np.asarray(spectrum.eigenvalues, dtype=np.float64)
            return cls(np.where(np.abs(values) <= tolerance, 0.0, values))
        nodes, weights = spectrum.measure
        nodes = np.where(np.abs(nodes) <= tolerance, 0.0, nodes)
        return cls(nodes, weights / math.fsum(weights))

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        moved, _ = self._moved(self.eigenvalues, scale, shift)
        image = EmpiricalLaw(moved, self.weights)
        image.__dict__["_precision"] = self._precision
        return image._rounded(*self._moved(self._table[0], scale, shift))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EmpiricalLaw):
            return NotImplemented
        return all(
            np.array_equal(mine, theirs)
            for mine, theirs in zip(self._table, other._table, strict=True)
        )

    def __hash__(self) -> int:
        return hash(tuple(column.tobytes() for column in self._table))

    def __repr__(self) -> str:
        """Size and range; the eigenvalues are too many to print."""
        low, high = self.eigenvalues[0], self.eigenvalues[-1]
        kind = "eigenvalues" if self.weights is None else "weighted nodes"
        return f"<EmpiricalLaw of {self.eigenvalues.size} {kind} from {low} to {high}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (
            type(self),
            (self.eigenvalues, self.weights),
            {
                "_off": self._off,
                "_precision": self._precision,
            },
        )

    @cached_property
    def _table(self) -> tuple[Real, Real]:
        places, first = np.unique(self.eigenvalues, return_index=True)
        if self.weights is None:
            counts = np.diff(np.append(first, self.eigenvalues.size))
            return _frozen(places), _frozen(counts / self.eigenvalues.size)
        return _frozen(places), _frozen(np.add.reduceat(self.weights, first))

    @cached_property
    def _levels(self) -> Real:
        if self.weights is not None:
            return super()._levels
        size = self.eigenvalues.size
        return np.asarray(np.searchsorted(self.eigenvalues, self._table[0], side="right") / size)

    def _exact_masses(self) -> list[Fraction]:
        if self.weights is None:
            _, counts = np.unique(self.eigenvalues, return_counts=True)
            return [Fraction(int(n), self.eigenvalues.size) for n in counts]
        masses = [Fraction(float(mass)) for mass in self._table[1]]
        total = sum(masses)
        return [mass / total for mass in masses]


def without_rounding(law: Law) -> Law:
    """Return measured eigenvalues with those that are 0 within rounding at 0, other laws as given.

    What an eigenvalue of 0 comes out as is of the order of the size of the matrix times the unit
    of rounding times the largest modulus.

    Parameters
    ----------
    law : Law
        Any law.

    Returns
    -------
    Law
        An `EmpiricalLaw` with zeros, or the law itself.
    """
    if not isinstance(law, EmpiricalLaw):
        return law
    values = law.eigenvalues
    unit = ROUNDING_UNITS[law._precision]
    tolerance = values.size * unit * float(np.abs(values).max())
    close = (np.abs(values) <= tolerance) & (values != 0)
    if not close.any():
        return law
    return EmpiricalLaw(np.where(close, 0.0, values), law.weights)


def jet_reference(z: Complex, places: Real, masses: Real) -> tuple[Complex, Complex]:
    """G and G' by NumPy, in blocks of points."""
    g, slope = np.empty_like(z), np.empty_like(z)
    for rows in _blocks(z.size, places.size):
        terms = 1 / (z[rows, None] - places)
        # einsum, not @: threads of a BLAS library cost more than these small products
        g[rows] = np.einsum("ij,j", terms, masses)
        slope[rows] = -np.einsum("ij,j", terms * terms, masses)
    return g, slope


def potential_reference(z: Complex, places: Real, masses: Real) -> Complex:
    """L by NumPy, in blocks of points."""
    value = np.empty_like(z)
    for rows in _blocks(z.size, places.size):
        value[rows] = np.einsum("ij,j", np.log(z[rows, None] - places), masses)
    return value


def _blocks(points: int, masses: int) -> list[slice]:
    """Blocks of points with at most 2^16 terms each, which stay in the cache."""
    step = max(1, 2**16 // masses)
    return [slice(start, start + step) for start in range(0, points, step)]


def _frozen(array: Real) -> Real:
    array = np.ascontiguousarray(array, dtype=np.float64)
    array.flags.writeable = False
    return array


def _parts(z: Complex) -> tuple[Real, Real]:
    return np.ascontiguousarray(z.real), np.ascontiguousarray(z.imag)


def _complex(real: Real, imag: Real) -> Complex:
    value = np.empty(real.shape, dtype=np.complex128)
    value.real, value.imag = real, imag
    return value
