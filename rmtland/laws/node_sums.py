"""Quadrature over the density of a law: nodes, masses, and sums over them.

Used where a law is a part of another, or another with a weight: integrals of the Cauchy kernel, of
the logarithm and of powers are sums over nodes, a block of terms at a time.

Examples
--------
>>> import numpy as np
>>> g, slope = cauchy_sums(np.array([2.0 + 0j]), np.array([0.0, 1.0]), np.array([0.5, 0.5]))
>>> complex(g[0]), complex(slope[0])
((0.75+0j), (-0.625+0j))
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from rmtland.laws.kronrod import KRONROD_WEIGHTS
from rmtland.laws.quadrature import Banded, Panels, bounded, density_panels
from rmtland.typing import Atoms, Complex, Integer, Real, Support

__all__ = [
    "FINE",
    "CutLaw",
    "Nodes",
    "cauchy_sums",
    "moments_of",
    "nodes_of",
    "nodes_on",
    "potential_sums",
    "rows_of",
    "weighed",
]

FINE = 1e-13
"""Error of quadratures, in units of the total mass."""
_BLOCK = 2**18  # terms of a sum over nodes that are held at once


class CutLaw:
    """A law's density on other bands, for quadrature."""

    def __init__(self, law: Banded, support: Support) -> None:
        self.support = support
        self.atoms: Atoms = ()
        self.ends = [end for band in law.support for end in band]
        self._singular_places = law._singular_places
        self._pdf, self._ppf, self._isf = law._pdf, law._ppf, law._isf
        self._whole = law
        atoms = np.array(sorted(law.atoms), dtype=np.float64).reshape(-1, 2)
        self._places = atoms[:, 0]
        self.held = float(atoms[:, 1].sum())
        self._below = np.concatenate([[0.0], np.cumsum(atoms[:, 1])])
        self._above = np.concatenate([np.cumsum(atoms[::-1, 1])[::-1], [0.0]])

    def _cdf(self, x: Real) -> Real:
        """Distribution function of the law without the jumps at its atoms."""
        return np.asarray(self._whole._cdf(x) - self._below[self._rank(x)])

    def _sf(self, x: Real) -> Real:
        """Survival function of the law without the masses of its atoms."""
        return np.asarray(self._whole._sf(x) - self._above[self._rank(x)])

    def _rank(self, x: Real) -> Integer:
        """Numbers of atoms at points and below them."""
        return np.searchsorted(self._places, x, side="right")


@dataclass(frozen=True)
class Nodes:
    """Nodes and masses of a density on panels, and of atoms, for sums with the Cauchy kernel.

    Parameters
    ----------
    x, masses : ndarray of float, shape (size,)
        The nodes, those of the panels first, 15 each, then atoms.
    left, right, errors : ndarray of float, shape (panels,)
        Ends of the panels, and the estimated errors of their masses.
    """

    x: Real
    masses: Real
    left: Real
    right: Real
    errors: Real

    @classmethod
    def none(cls) -> Nodes:
        """Return no node at all."""
        return cls(*(np.empty(0) for _ in range(5)))

    def with_atoms(self, places: Real, masses: Real) -> Nodes:
        """Return these and atoms."""
        x, weights = np.append(self.x, places), np.append(self.masses, masses)
        return Nodes(x, weights, self.left, self.right, self.errors)

    def times(self, weights: Real) -> Nodes:
        """Return these with masses multiplied by weights at the nodes, panels by their largest."""
        inner = np.abs(weights[: 15 * self.left.size]).reshape(-1, 15)
        largest = inner.max(axis=1) if inner.size else np.empty(0)
        errors = self.errors * largest
        return Nodes(self.x, self.masses * weights, self.left, self.right, errors)

    def cauchy_error(self, z: Complex) -> Real:
        r"""Bound of the error of the sum of masses / (z - nodes) off the panels.

        That of a panel is the error of its mass over the distance, and what the rule leaves of the
        kernel: at q half-widths from a panel that is analytic inside an ellipse of half-axes
        adding up to :math:`q + \sqrt{q^2 + 1}`. Nodes are rounded besides.

        Parameters
        ----------
        z : ndarray of complex, shape (size,)
            Points.

        Returns
        -------
        ndarray of float, shape (size,)
            Infinite on panels and nodes.
        """
        error = np.zeros(z.shape)
        mass = np.abs(self.masses[: 15 * self.left.size]).reshape(-1, 15).sum(axis=1)
        half = np.maximum((self.right - self.left) / 2, 1e-300)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for rows in rows_of(z, self.x):
                apart = np.abs(z[rows, None] - self.x)
                rounded = self.masses * (4e-15 + 4.5e-16 * np.abs(self.x) / apart) / apart
                error[rows] = np.where(apart == 0, np.inf, rounded).sum(axis=1)
                if half.size:
                    beyond = np.maximum(
                        self.left - z.real[rows, None], z.real[rows, None] - self.right
                    )
                    away = np.hypot(np.maximum(beyond, 0.0), z.imag[rows, None])
                    q = away / half
                    kernel = np.minimum(2.0, 20.0 * (q + np.sqrt(q * q + 1)) ** -24.0)
                    missed = (self.errors + mass * kernel) / away
                    error[rows] += np.where(away == 0, np.inf, missed).sum(axis=1)
        return error


def nodes_of(law: CutLaw, low: float, high: float, total: float) -> Nodes:
    """Nodes and masses on bands, on panels that shrink by halves towards two cuts.

    They do up to the distance of a cut that is in no band from the end that faces it: what is
    asked beyond a cut is no closer than that. Tails are cut off, and errors allowed, in units of
    the total mass of the bands.
    """
    cuts: list[float] = []
    law.support = bounded(law, 1e-17 * total)
    for a, b in law.support:
        steps = (b - a) * 2.0 ** -np.arange(1, 60)
        for cut in (low, high):
            if cut <= a:
                cuts += (a + steps[steps > (a - cut) / 2]).tolist()
            if cut >= b:
                cuts += (b - steps[steps > (cut - b) / 2]).tolist()
    return nodes_on(
        law, density_panels(law, tolerance=FINE * total, evaluations=20000, cuts=tuple(cuts))
    )


def nodes_on(law: CutLaw, cells: Panels) -> Nodes:
    """Nodes and masses on panels, with the errors that the rounding of nodes adds to theirs."""
    masses = weighed(cells, law._cdf)
    # A density like a power of the distance from an end is one at the node as it is rounded.
    ends = np.sort(np.array(law.ends))
    moved = np.zeros(cells.x.shape)
    if ends.size:
        place = np.clip(np.searchsorted(ends, cells.x), 1, ends.size - 1)
        apart = np.minimum(np.abs(cells.x - ends[place - 1]), np.abs(ends[place] - cells.x))
        with np.errstate(over="ignore"):  # on an end
            moved = np.spacing(np.abs(cells.x)) / np.maximum(apart, 1e-300)
    errors = cells.errors + (np.abs(masses) * np.minimum(moved, 1.0)).sum(axis=1)
    return Nodes(cells.x.ravel(), masses.ravel(), cells.left, cells.right, errors)


def weighed(cells: Panels, cdf: Callable[[Real], Real]) -> Real:
    """Weights of panels, with the mass of the distribution function where rounding of x shows.

    It does next to an end other than 0 where the density is unbounded.
    """
    # A panel that is rounding itself may have any mass, as of (1 - x)^(-0.9), and see no error.
    size = np.maximum(np.abs(cells.left), np.abs(cells.right))
    narrow = cells.right - cells.left <= 1e-12 * size
    rough = cells.errors > 1e-13
    if narrow.any():
        gained = cdf(cells.right[narrow]) - cdf(cells.left[narrow])
        rough[narrow] |= np.abs(gained - cells.mass[narrow]) > 1e-13
    weights = np.array(cells.weights)
    if rough.any():
        mass = cdf(cells.right[rough]) - cdf(cells.left[rough])
        found = cells.mass[rough]
        good = (found > 0) & ((np.abs(mass - found) < 1e-3) | narrow[rough])
        scale = np.where(good, mass / np.where(good, found, 1.0), 1.0)
        weights[rough] *= scale[:, None]
        # All nodes were rounded onto the end, where the density is infinite.
        lost = np.flatnonzero(rough)[narrow[rough] & (found == 0)]
        weights[lost] = mass[narrow[rough] & (found == 0), None] * KRONROD_WEIGHTS / 2
    return weights


def rows_of(z: Complex, nodes: Real) -> list[slice]:
    """Return parts of the points z for which a table against all nodes fits into memory."""
    step = max(1, _BLOCK // max(nodes.size, 1))
    return [slice(start, start + step) for start in range(0, z.size, step)]


def cauchy_sums(z: Complex, nodes: Real, masses: Real) -> tuple[Complex, Complex]:
    """Return sums of masses / (z - nodes) and of their derivatives."""
    g, slope = np.empty_like(z), np.empty_like(z)
    for rows in rows_of(z, nodes):
        terms = 1 / (z[rows, None] - nodes)
        g[rows] = terms @ masses
        slope[rows] = -(terms * terms) @ masses
    return g, slope


def potential_sums(z: Complex, nodes: Real, masses: Real) -> Complex:
    """Sum of masses * log(z - nodes), from above on the axis.

    A node that rounding puts on z is a step of numbers away: the density has no pole there.
    """
    value = np.empty_like(z)
    for rows in rows_of(z, nodes):
        apart = z[rows, None] - nodes
        value[rows] = np.log(np.where(apart == 0, np.spacing(np.abs(nodes)), apart)) @ masses
    return value


def moments_of(x: Real, masses: Real, k: int) -> list[Fraction]:
    """Moments of order 0..k by quadrature, as rationals.

    Those about the mean are sums; the others are made of them without rounding, so that a law far
    from zero keeps the digits of its variance.
    """
    total = math.fsum(masses)
    center = math.fsum(masses * (x / total))
    apart = x - center
    scale = float(np.abs(apart).max(initial=0.0)) or 1.0
    shares = [math.fsum(masses * (apart / scale) ** n) / total for n in range(k + 1)]
    about = [Fraction(share) * Fraction(scale) ** n for n, share in enumerate(shares)]
    powers = [Fraction(center) ** n for n in range(k + 1)]
    return [
        sum((math.comb(n, j) * powers[n - j] * about[j] for j in range(n + 1)), Fraction(0))
        for n in range(k + 1)
    ]
