r"""A law of piecewise constant density and a point mass at zero, known with an error.

`rmtland.models.dyson.tabulated` makes it of a matrix Dyson equation.

Examples
--------
>>> import numpy as np
>>> law = TabulatedLaw(np.array([-1.0, 0.0, 1.0]), np.array([0.125, 0.375]), atom=0.5)
>>> law.cdf([-0.5, -1e-9, 0.0, 1.0]).round(6).tolist(), law.mass_below(0.0)
([0.0625, 0.125, 0.625, 1.0], 0.125)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.arguments import extended, float_array, nonnegative
from rmtland.laws import Law
from rmtland.laws.first_check import certify_once
from rmtland.typing import Atoms, Complex, Real, Support

__all__ = ["TabulatedLaw"]


@dataclass(frozen=True, eq=False)
class TabulatedLaw(Law):
    """A law of piecewise constant density and a point mass at zero, known with an error.

    Parameters
    ----------
    edges : array_like, shape (k + 1,)
        Ends of the pieces, ascending.
    masses : array_like, shape (k,)
        Mass of each piece, >= 0; with the atom they sum to 1.
    atom : float
        Mass at 0.
    error : float
        Largest error of the distribution function that was seen.
    edge_errors : (float, float)
        Of the lowest and the highest end of the support, in the units of the eigenvalues.
    errors : tuple of (str, float)
        What `error` is made of, by cause: interpolation between points, extrapolation to the axis,
        coupling of units at anchors, atom. None of it is the scatter of a single matrix.

    Raises
    ------
    TypeError
        If edges, masses or the atom are not real numbers.
    ValueError
        If the edges do not ascend, the masses are no probabilities, or the error is negative.
    """

    edges: Real
    masses: Real
    atom: float = 0.0
    error: float = 0.0
    edge_errors: tuple[float, float] = (0.0, 0.0)
    errors: tuple[tuple[str, float], ...] = ()

    _require_certificate = certify_once

    @property
    def _mass_error(self) -> float:
        return self.error

    def __post_init__(self) -> None:
        edges = float_array("edges", self.edges, ndim=1)
        masses = float_array("masses", self.masses, ndim=1)
        object.__setattr__(self, "atom", nonnegative("atom", self.atom))
        if not extended("error", self.error) >= 0:
            raise ValueError(f"error must be zero or positive; got {self.error}")
        if edges.size != masses.size + 1 or not (np.diff(edges) > 0).all():
            raise ValueError(
                f"edges must ascend and be one more than masses; got {edges.size} and {masses.size}"
            )
        total = float(masses.sum()) + self.atom
        if masses.min() < 0 or not 0 <= self.atom < 1 or abs(total - 1) > 1e-9:
            raise ValueError(f"masses and atom must be >= 0 and sum to 1; got a sum of {total}")
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "masses", masses / (masses.sum() / (1 - self.atom)))

    @cached_property
    def support(self) -> Support:
        """Runs of pieces that carry mass."""
        carries = np.concatenate(([False], self.masses > 0, [False]))
        turns = np.flatnonzero(carries[1:] != carries[:-1])
        ends = self.edges[turns].reshape(-1, 2)
        return tuple((float(low), float(high)) for low, high in ends)

    @property
    def atoms(self) -> Atoms:
        """The point mass at 0, if there is one."""
        return ((0.0, self.atom),) if self.atom else ()

    @cached_property
    def _density(self) -> Real:
        return np.asarray(self.masses / np.diff(self.edges))

    @cached_property
    def _levels(self) -> Real:
        """Mass of the pieces below each edge."""
        return np.concatenate(([0.0], np.cumsum(self.masses)))

    def _steps(self) -> Real:
        """Jumps of the density at the edges."""
        return np.diff(self._density, prepend=0.0, append=0.0)

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        steps = self._steps()
        g, slope = np.zeros(z.shape, complex), np.zeros(z.shape, complex)
        # the steps of the density stand for a smooth one: their logarithms end at a cell
        least = np.log(np.diff(self.edges).min())
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # in tiny units
            for edge, step in zip(self.edges, steps, strict=True):
                distance = z - edge
                at = distance == 0
                near = np.where(at, 1.0, distance)
                g += step * np.where(at, least, np.log(near))
                slope += step / near
            if self.atom:
                g += self.atom / z
                slope -= self.atom / z**2
        g[np.isnan(g)], slope[np.isnan(slope)] = np.inf, np.inf
        return g, slope

    def _log_potential(self, z: Complex) -> Complex:
        value = np.zeros(z.shape, complex)
        for edge, step in zip(self.edges, self._steps(), strict=True):
            distance = z - edge
            log = np.log(np.where(distance == 0, 1.0, distance))
            value += step * distance * (log - 1)
        if self.atom:
            with np.errstate(divide="ignore"):
                value += self.atom * np.log(z)
        real = z.imag == 0
        value.imag[real] = np.pi * (1 - self._cdf(z.real[real]))
        return value

    def _pdf(self, x: Real) -> Real:
        place = np.searchsorted(self.edges, x, side="right")
        inner = (place > 0) & (place < self.edges.size)
        density = np.zeros(x.shape)
        density[inner] = self._density[place[inner] - 1]
        return density

    def _cdf(self, x: Real) -> Real:
        level = np.interp(x, self.edges, self._levels)
        return np.clip(level + self.atom * (x >= 0), 0.0, 1.0)

    def _mass_below(self, x: Real) -> Real:
        return np.clip(np.interp(x, self.edges, self._levels) + self.atom * (x > 0), 0.0, 1.0)

    def _ppf(self, q: Real) -> Real:
        levels = self._levels
        below = float(np.interp(0.0, self.edges, levels))
        level = np.where(q <= below, q, np.maximum(q - self.atom, below))
        piece = np.clip(np.searchsorted(levels, level, side="left"), 1, levels.size - 1) - 1
        piece = np.maximum(piece, np.flatnonzero(self.masses > 0)[0])
        start, mass = levels[piece], self.masses[piece]
        share = np.clip((level - start) / np.where(mass > 0, mass, 1.0), 0.0, 1.0)
        x = self.edges[piece] + share * (self.edges[piece + 1] - self.edges[piece])
        if self.atom:
            x = np.where((q > below) & (q <= below + self.atom), 0.0, x)
        return np.asarray(x)

    def _exact_moments(self, k: int) -> list[Fraction]:
        low, high = self.edges[:-1], self.edges[1:]
        moments = [Fraction(1)]
        for n in range(1, k + 1):
            complete = sum(low**i * high ** (n - i) for i in range(n + 1)) / (n + 1)
            moments.append(Fraction(float(self.masses @ complete)))
        return moments
