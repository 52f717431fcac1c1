r"""The interface of a law: a probability measure on the real line.

Conventions, stated here once. For a law :math:`\rho`

.. math::
    G(z) = \int \frac{\rho(dt)}{z - t}, \qquad
    \rho(x) = -\frac{1}{\pi} \operatorname{Im} G(x + i0), \qquad
    R(G(z)) + \frac{1}{G(z)} = z,

so that Im G < 0 for Im z > 0. G is the Stieltjes transform (Cauchy transform) and R the
R-transform of free probability, :math:`R(g) = \sum_{k \ge 1} \kappa_k g^{k-1}` with the free
cumulants :math:`\kappa_k`. The logarithmic potential is :math:`L(z) = \int \log(z - t) \rho(dt)`,
principal branch for Im z > 0, hence L' = G and

.. math:: \operatorname{cdf}(x) = 1 - \operatorname{Im} L(x + i0) / \pi .

Atoms are explicit: they are part of `cdf`, `ppf`, the moments and the transforms, never of `pdf`.

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006, lectures 11 (free cumulants) and 16 (moment-cumulant series).

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> law = MarchenkoPastur(2.0)
>>> law.atoms
((0.0, 0.5),)
>>> law.cdf(0.0), law.mean(), law.var()
(0.5, 1.0, 2.0)
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from fractions import Fraction
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import choice, count, points, positive
from rmtland.laws.cumulants import free_cumulants_of, moments_of
from rmtland.laws.inversion import r_transform_of, s_transform_of
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.streams import Rng, random_generator

__all__ = ["Atoms", "Law", "Support", "accuracy_of_root", "upper_half_plane"]

Support = tuple[tuple[float, float], ...]
Atoms = tuple[tuple[float, float], ...]
Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Law(abc.ABC):
    """A probability measure on the real line with everything derived from its parameters.

    All methods take arrays of any shape and return arrays of the same shape; a scalar gives a
    scalar. Values are computed and returned in float64 (complex128 for transforms), whatever
    the precision of the argument.
    """

    # What a law provides -------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def support(self) -> Support:
        """Intervals (low, high) that carry the absolutely continuous part, in ascending order."""

    @property
    @abc.abstractmethod
    def atoms(self) -> Atoms:
        """Pairs (location, mass) of the point masses, in ascending order of location."""

    @abc.abstractmethod
    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        """G and G' on the closed upper half-plane; real z means the boundary value at x + i0."""

    @abc.abstractmethod
    def _log_potential(self, z: Complex) -> Complex:
        """L on the closed upper half-plane; real z means the boundary value L(x + i0)."""

    def _exact_moments(self, k: int) -> list[Fraction]:
        """Moments of order 0..k as exact rationals; a law gives these or its free cumulants."""
        return moments_of(self._exact_cumulants(k))

    def _exact_cumulants(self, k: int) -> list[Fraction]:
        """First k free cumulants as exact rationals; a law gives these or its moments."""
        return free_cumulants_of(self._exact_moments(k))

    # What follows from it, unless a law knows better ---------------------------------------------

    def _stieltjes(self, z: Complex) -> Complex:
        return self._jet(z)[0]

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """Residual and bound of the error of computed values g = G(z), as `solve` states them.

        A law gives an equation for G that its computation does not use, or the rounding of it.
        """
        return np.full(z.shape, np.inf), np.full(z.shape, np.inf)

    def _pdf(self, x: Real) -> Real:
        density = np.zeros(x.shape)
        for low, high in self.support:
            inside = (x >= low) & (x <= high)
            density[inside] = -self._stieltjes(x[inside].astype(np.complex128)).imag / np.pi
        return np.where(np.isnan(density), np.inf, np.maximum(density, 0.0))

    def _cdf(self, x: Real) -> Real:
        ends = [end for band in self.support for end in band] + [place for place, _ in self.atoms]
        below = (x >= max(ends)).astype(np.float64)
        inside = (x >= min(ends)) & (x < max(ends))
        if inside.any():
            potential = self._log_potential(x[inside].astype(np.complex128))
            below[inside] = np.clip(1 - potential.imag / np.pi, 0.0, 1.0)
        return below

    # What every law can do -----------------------------------------------------------------

    def pdf(self, x: ArrayLike) -> Any:
        """Density of the absolutely continuous part.

        Parameters
        ----------
        x : array_like of float
            Points, any shape; infinities are allowed.

        Returns
        -------
        float or ndarray
            Density per unit of x; zero outside the support, infinite at a point where the
            density is unbounded. Atoms are not part of it.

        Raises
        ------
        ValueError
            If a point is NaN.
        """
        return _pointwise(self._pdf, x)

    def cdf(self, x: ArrayLike) -> Any:
        """Distribution function: the mass in (-infinity, x], atoms included, right-continuous.

        Raises
        ------
        ValueError
            If a point is NaN.
        """
        return _pointwise(self._cdf, x)

    def mass_below(self, x: ArrayLike) -> Any:
        """Mass in (-infinity, x): the left limit of the distribution function.

        It differs from `cdf` at atoms; at 0 it is the index, the fraction of negative eigenvalues.

        Raises
        ------
        ValueError
            If a point is NaN.
        """
        return _pointwise(self._mass_below, x)

    def ppf(self, q: ArrayLike) -> Any:
        """Quantile function: the least x with cdf(x) >= q; ppf(0) is the bottom of the support.

        Parameters
        ----------
        q : array_like of float
            Probabilities in [0, 1], any shape.

        Raises
        ------
        ValueError
            If a probability is NaN or outside [0, 1].
        """
        levels = points("q", q)
        if levels.size and (levels.min() < 0 or levels.max() > 1):
            raise ValueError(
                f"q must lie in [0, 1]; got values from {levels.min()} to {levels.max()}"
            )
        return _pointwise(self._ppf, levels)

    def stieltjes(self, z: ArrayLike) -> Any:
        """Stieltjes (Cauchy) transform G(z) = integral of rho(dt) / (z - t).

        Parameters
        ----------
        z : array_like of complex
            Points in either half-plane, any shape. A real z stands for the boundary value
            from above, G(x + i0), whose imaginary part is -pi times the density.

        Returns
        -------
        complex or ndarray of complex128
            Infinite at an atom.
        """
        return _half_planes(self._stieltjes, z)

    def solve(self, z: ArrayLike) -> Solution:
        """Evaluate G(z) and report how far the value may be trusted.

        Parameters
        ----------
        z : array_like of complex
            Points of the closed upper half-plane, any shape; real points mean x + i0.

        Returns
        -------
        Solution
            `value` is G(z). `residual` is the defect of an equation for G at that value,
            relative to the moduli of its terms; for a law that is a sum, the bound of its relative
            rounding. `error` bounds the absolute error of the value: twice the defect and the
            rounding of the equation, divided by the derivative of the equation in G. Both are
            infinite where nothing can be stated. `steps` counts the steps of an iterative
            solver, 0 for a closed form. It never raises for lack of convergence; `status` says.

        Raises
        ------
        ValueError
            If z is not finite or below the real axis.
        TypeError
            If z is not made of numbers.
        """
        flat, shape = upper_half_plane(z)
        value = self._stieltjes(flat)
        residual, error = self._accuracy(flat, value)
        return Solution(
            value.reshape(shape),
            Status.CONVERGED,
            residual.reshape(shape),
            np.zeros(shape, dtype=np.int64),
            error.reshape(shape),
        )

    def log_potential(self, z: ArrayLike) -> Any:
        """Logarithmic potential L(z) = integral of log(z - t) rho(dt), with L' = G.

        Principal branch for Im z > 0, complex conjugate below; a real z stands for the
        boundary value from above, so that the real part is the integral of log|x - t| and
        cdf(x) = 1 - Im L(x) / pi.
        """
        return _half_planes(self._log_potential, z)

    def r_transform(self, g: ArrayLike) -> Any:
        """R-transform R(g), analytic near 0; R(G(z)) + 1/G(z) = z.

        A closed form where the law has one; otherwise by inversion of G, for values g = G(z) that
        it takes off the convex hull of the law.

        Parameters
        ----------
        g : array_like of float or complex
            Any shape; real values give real results.

        Raises
        ------
        ValueError
            If `g` is NaN or a pole.
        ConvergenceError
            If `g` is not a value of G off the convex hull.
        """
        return r_transform_of(self, g)

    def s_transform(self, w: ArrayLike) -> Any:
        """S-transform S(w) = (1 + w) chi(w) / w with M(1/chi(w)) = w and M(z) = z G(z) - 1.

        A closed form where the law has one; otherwise by inversion of M, for values w = M(z) that
        it takes off the convex hull of the law. It needs a mean other than zero; S(0) = 1/mean.

        Raises
        ------
        ValueError
            If the mean is zero, or `w` is NaN or a pole.
        ConvergenceError
            If `w` is not a value of M off the convex hull.
        """
        return s_transform_of(self, w)

    def mean(self) -> float:
        """Mean: the first free cumulant."""
        return float(self.free_cumulants(1)[0])

    def var(self) -> float:
        """Variance: the second free cumulant."""
        return float(self.free_cumulants(2)[1])

    def moment(self, k: int) -> float:
        """Moment of order `k` about zero, from the free cumulants.

        With M(w) the series of moments, M(w) = 1 + sum over s of kappa_s (w M(w))^s [1]_.

        Computed in exact rational arithmetic from the parameters and rounded once.

        Raises
        ------
        ValueError
            If `k` is negative.
        OverflowError
            If the moment is beyond the range of a float.

        References
        ----------
        .. [1] Nica and Speicher (2006), theorem 16.15 and corollary 16.16.
        """
        return float(self._exact_moments(count("k", k, least=0))[-1])

    def free_cumulants(self, k: int) -> Real:
        """First `k` free cumulants (mean, variance, ...), an array of shape (k,)."""
        return np.array([float(value) for value in self._exact_cumulants(count("k", k))])

    def sample(self, size: int | tuple[int, ...], rng: Rng = None) -> Real:
        """Draw independent values from the law (not eigenvalues of one matrix).

        Parameters
        ----------
        size : int or tuple of int
            Shape of the result.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        """
        return np.asarray(self.ppf(random_generator(rng).random(size)), dtype=np.float64)

    def _mass_below(self, x: Real) -> Real:
        mass = np.array(self._cdf(x))
        for place, weight in self.atoms:
            mass[x == place] -= weight
        places = [low for low, _ in self.support] + [place for place, _ in self.atoms]
        return np.where(x <= min(places), 0.0, np.maximum(mass, 0.0))

    # Extreme eigenvalues -------------------------------------------------------------------

    def edge_scale(self, n: float, *, beta: int = 1, edge: str = "upper") -> tuple[float, float]:
        r"""Centring and scaling of an extreme eigenvalue of an n x n matrix at a regular edge.

        At an edge e where the density is :math:`\gamma^{3/2} \sqrt d / \pi` at distance d inside,
        the largest eigenvalue is about :math:`e + s T` and the smallest :math:`e - s T` with
        :math:`s = 1 / (\gamma n^{2/3})` and T of the Tracy-Widom law of index beta [1]_.

        Parameters
        ----------
        n : float
            Size of the matrix.
        beta : int
            1 (real), 2 (complex) or 4 (quaternion; in the convention of `TracyWidom(4)`, whose
            mean is -2.3069).
        edge : str
            "upper" or "lower" end of the support.

        Returns
        -------
        (float, float)
            Centre e and scale s > 0.

        Raises
        ------
        ValueError
            If the density does not vanish like a square root there, or that end of the law is
            an atom.

        References
        ----------
        .. [1] A. Soshnikov, Universality at the edge of the spectrum in Wigner random matrices,
               Commun. Math. Phys. 207 (1999) 697-733.
        """
        size = positive("n", n)
        choice("edge", edge, ("lower", "upper"))
        if beta not in (1, 2, 4):
            raise ValueError(f"beta must be 1, 2 or 4; got {beta!r}")
        bands = self.support
        places = [place for place, _ in self.atoms]
        low, high = (bands[-1] if edge == "upper" else bands[0]) if bands else (0.0, 0.0)
        end, inward = (high, -1.0) if edge == "upper" else (low, 1.0)
        if not bands or any((place - end) * inward <= 0 for place in places):
            raise ValueError(f"the {edge} end of {self} is an atom, which has no edge fluctuations")
        near, far = self._pdf(end + inward * (high - low) * np.array([1e-6, 4e-6]))
        if not 0.45 < np.log2(far / near) / 2 < 0.55:
            raise ValueError(
                f"the density of {self} does not vanish like a square root at its {edge} edge {end}"
            )
        # density / sqrt(d) is analytic in d at a regular edge: extrapolated to d = 0
        d = (high - low) * 1e-3 * np.array([1.0, 2.0, 3.0, 4.0, 5.0])
        ratio = self._pdf(end + inward * d) / np.sqrt(d)
        limit = float(ratio @ np.array([5.0, -10.0, 10.0, -5.0, 1.0]))
        scale = (np.pi * limit) ** (-2 / 3) * size ** (-2 / 3)
        return end, float(scale * (2 ** (-1 / 6) if beta == 4 else 1.0))

    # Quantiles by safeguarded root finding -------------------------------------------------

    def _ppf(self, q: Real) -> Real:
        x = np.empty_like(q)
        pieces = [*self.support, *((place, place) for place, _ in self.atoms)]
        remaining = np.ones(q.shape, dtype=bool)
        for low, high in sorted(pieces):
            # An atom at the upper end of a band is a piece of its own.
            top = float((self._cdf if low == high else self._mass_below)(np.array([high]))[0])
            here = remaining & (q <= top)
            remaining &= ~here
            if low == high:
                x[here] = low
            elif here.any():
                x[here] = self._ppf_within(q[here], low, high)
        x[remaining] = max(piece[1] for piece in pieces)
        return x

    def _ppf_within(self, q: Real, low: float, high: float) -> Real:
        """Quantiles inside one interval, by Newton safeguarded with bisection.

        The unknown is t in x = low + (high - low) sin(t/2)^2, in which square-root edges and
        inverse-square-root edges are both smooth. Brackets and starting values come from a table.
        """
        width = high - low
        grid = np.linspace(0, np.pi, min(257, 2 * q.size + 3))
        nodes = low + width * np.sin(grid / 2) ** 2
        levels = self._cdf(nodes)
        levels[-1] = self._mass_below(np.array([high]))[0]
        with np.errstate(invalid="ignore"):
            slopes = self._pdf(nodes) * (width / 2) * np.sin(grid)
        place = np.clip(np.searchsorted(levels, q), 1, grid.size - 1)
        left, right = grid[place - 1], grid[place]
        share, bend = _start_in_cells(q, place, levels, slopes * grid[1])
        t = left + (right - left) * share
        active, last = np.arange(q.size), np.full(q.shape, np.inf)
        for _ in range(120):
            ta = t[active]
            x = low + width * np.sin(ta / 2) ** 2
            defect = self._cdf(x) - q[active]
            above = defect >= 0
            right[active[above]] = ta[above]
            left[active[~above]] = ta[~above]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                step = defect / (self._pdf(x) * (width / 2) * np.sin(ta))
                # What Newton's method leaves is this bend times the square of its step.
                left_over = np.abs(step) * np.minimum(1.0, np.abs(step) * bend[active] / grid[1])
            trial = ta - step
            lo, hi = left[active], right[active]
            inside = (trial > lo) & (trial < hi)
            # Relative accuracy in the lower tail, where the law has it; rounding of cdf else.
            size = np.abs(defect)
            settled = (q[active] > 0.5) | (size > last[active] / 4)
            hit = size <= np.where(settled, 4.5e-16, 2.3e-16 * q[active])
            last[active] = size
            t[active] = np.where(hit, ta, np.where(inside, trial, (lo + hi) / 2))
            done = hit | (hi - lo <= 4e-16 * hi) | (inside & (left_over <= 4e-16 * ta))
            active = active[~done]
            if active.size == 0:
                break
        x = low + width * np.sin(t / 2) ** 2
        x[q <= levels[0]] = low
        x[q >= levels[-1]] = high
        # Rounding must not exchange neighbours.
        order = np.argsort(q, kind="stable")
        x[order] = np.maximum.accumulate(x[order])
        return x


def _start_in_cells(
    q: Real, place: NDArray[np.intp], levels: Real, rises: Real
) -> tuple[Real, Real]:
    """Where in its cell [place - 1, place] of a table every level q is, as a share of the cell.

    By the cubic with the levels at both nodes and the slopes (`rises`, per cell) there; by a power
    in the first and the last cell, where the slope may be zero or infinite. Also returned is a
    bound of |F'' / 2 F'| per cell, for F the function in the table.
    """
    with np.errstate(all="ignore"):
        gain = levels[1:] - levels[:-1]
        start, end = rises[:-1] / gain, rises[1:] / gain
        bends = 1 + 2 * np.abs(end - start) / np.minimum(start, end)
        cell = place - 1
        target = np.clip((q - levels[cell]) / gain[cell], 0.0, 1.0)
        rise, fall = start[cell], end[cell]
        square, cube = 3 - 2 * rise - fall, rise + fall - 2
        share = target
        for _ in range(3):
            miss = share * (rise + share * (square + share * cube)) - target
            slope = rise + share * (2 * square + 3 * share * cube)
            share = np.clip(share - miss / slope, 0.0, 1.0)
        share = np.where(cell == 0, target ** (1 / fall), share)
        share = np.where(cell == gain.size - 1, 1 - (1 - target) ** (1 / rise), share)
        bend = bends[cell]
    bend[(cell == 0) | (cell == gain.size - 1) | ~np.isfinite(bend)] = np.inf
    return np.where(np.isfinite(share), share, target), bend


@overload
def _pointwise(function: Callable[[Real], Real], x: ArrayLike) -> Any: ...
@overload
def _pointwise(function: Callable[[Complex], Complex], x: ArrayLike) -> Any: ...
def _pointwise(function: Callable[[Any], Any], x: ArrayLike) -> Any:
    """Apply a function of flat arrays to an array of any shape; scalars give scalars."""
    array = points("x", x)
    return _as_shaped(function(array.ravel()), array.shape)


def _half_planes(function: Callable[[Complex], Complex], z: ArrayLike) -> Any:
    """Apply a function given on the closed upper half-plane to both half-planes."""
    array = np.asarray(z)
    if array.dtype.kind not in "iufcb" and array.size:
        raise TypeError(f"z must be complex numbers; got dtype {array.dtype}")
    flat = array.astype(np.complex128).ravel()
    if np.isnan(flat).any():
        raise ValueError(f"z holds {int(np.isnan(flat).sum())} NaN of {flat.size} values")
    if np.isinf(flat).any():
        raise ValueError("z must be finite; transforms behave like 1/z at infinity")
    below = flat.imag < 0
    value = function(np.where(below, flat.conj(), flat.real + 1j * np.abs(flat.imag)))
    if np.isnan(value).any():
        raise ConvergenceError(f"no value found at {flat[np.isnan(value)][0]}")
    return _as_shaped(np.where(below, value.conj(), value), array.shape)


def upper_half_plane(z: ArrayLike) -> tuple[Complex, tuple[int, ...]]:
    """Return finite points with Im z >= 0 as a flat array, with their shape.

    Raises
    ------
    ValueError
        If a point is not finite or below the real axis.
    TypeError
        If the points are not numbers.
    """
    array = np.asarray(z)
    if array.dtype.kind not in "iufcb" and array.size:
        raise TypeError(f"z must be complex numbers; got dtype {array.dtype}")
    flat = array.astype(np.complex128).ravel()
    if (flat.imag < 0).any() or not np.isfinite(flat).all():
        raise ValueError("solve takes finite z with Im z >= 0; conjugate the others")
    flat.imag = np.abs(flat.imag)  # -0.0 becomes 0.0
    return flat, array.shape


def accuracy_of_root(
    root: Complex,
    defect: Complex,
    slope: Complex,
    terms: Real,
    *,
    lead: Complex | float | None = None,
) -> tuple[Real, Real]:
    """Relative residual, and bound of the error, of a computed root of an equation.

    Parameters
    ----------
    root : ndarray of complex
        The computed root.
    defect, slope : ndarray of complex
        The equation and its derivative in the unknown, at the computed root.
    terms : ndarray of float
        Sum of the moduli of the terms of the equation, weighted by how often each was rounded.
    lead : ndarray of complex or float, optional
        Leading coefficient of a quadratic equation, which bounds the error beside a double root.

    Returns
    -------
    (ndarray, ndarray)
        |defect| / terms, and 2 (|defect| + 1e-15 terms) / |slope|; zero where the root is
        infinite, as it is exactly at an atom.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size = np.abs(defect) + 1e-15 * terms
        residual, error = np.abs(defect) / terms, 2 * size / np.abs(slope)
        if lead is not None:
            error = np.fmin(error, 2 * np.sqrt(size / np.abs(lead)))
    exact = np.isinf(root)
    residual = np.where(exact, 0.0, np.where(np.isnan(residual), np.inf, residual))
    return residual, np.where(exact, 0.0, np.where(np.isnan(error), np.inf, error))


def _as_shaped(values: NDArray[Any], shape: tuple[int, ...]) -> Any:
    """Give flat values their shape; a single value without axes becomes a Python number."""
    return values.reshape(shape) if shape else values.item()
