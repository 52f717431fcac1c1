r"""Polynomials that stand for a weight, with what they and their quotients are off by.

A weight w on an interval is interpolated at Chebyshev points by a polynomial p. Its divided
difference :math:`(p(z) - p(t)) / (z - t)` is a polynomial of t, whatever z is; integrals of it over
a law are sums over nodes, on the axis too.

References
----------
.. [1] L. N. Trefethen, Approximation Theory and Approximation Practice, SIAM 2013, chapters 4
       (interpolants) and 8 (growth off the interval).

Examples
--------
>>> import numpy as np
>>> fitted = WeightPolynomial.of(np.exp, -1.0, 1.0)
>>> bool(abs(fitted(np.array([0.3]))[0] - np.exp(0.3)) < 1e-14), fitted.miss < 1e-13
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Chebyshev

from rmtland.laws.node_sums import Nodes, rows_of
from rmtland.solution import ConvergenceError
from rmtland.typing import Complex, NumpyArray, Real

__all__ = ["WeightPolynomial"]

_DEGREES = (16, 32, 64, 128)
_CLOSE = 1e-5
"""Distance, in units of the interval, below which a quotient is a derivative."""


@dataclass(frozen=True)
class WeightPolynomial:
    """Polynomial that interpolates a weight.

    Parameters
    ----------
    series : numpy.polynomial.Chebyshev
        The polynomial in u = (t - middle) / half, which is exact far from 0 as well.
    middle, half : float
        Of the interval.
    miss : float
        By how much it misses the weight there, at most.
    """

    series: Chebyshev
    middle: float
    half: float
    miss: float

    @classmethod
    def of(cls, weight: Callable[[Real], Real], low: float, high: float) -> WeightPolynomial:
        """Interpolate a weight.

        Parameters
        ----------
        weight : callable
            Takes and returns arrays.
        low, high : float
            The interval; one point if they are equal.

        Returns
        -------
        WeightPolynomial
            Of the least degree that will do.

        Raises
        ------
        ValueError
            If the weight is not finite on the interval.
        ConvergenceError
            If a polynomial of degree 128 misses it.
        """
        if low == high:
            return cls(Chebyshev([weight(np.array([low]))[0]]), low, 1.0, 0.0)
        check = low + (high - low) * np.sin(np.linspace(0.0, np.pi / 2, 1201)) ** 2
        check[-1] = high
        wanted = weight(check)
        if not np.isfinite(wanted).all():
            place = check[~np.isfinite(wanted)][0]
            raise ValueError(
                f"the weight must be finite from {low:.6g} to {high:.6g}, the hull of the law; it "
                f"is not at {place:.6g}"
            )
        size, miss = float(np.abs(wanted).max()), np.inf
        middle, half = low / 2 + high / 2, high / 2 - low / 2

        def within(u: Real) -> Real:
            return weight(np.clip(middle + half * u, low, high))

        for degree in _DEGREES:
            fit = Chebyshev.interpolate(within, degree)
            u = (check - middle) / half
            miss = float(np.abs(fit(u) - wanted).max())
            # Points are rounded, and a weight is one at them.
            moved = float(
                np.spacing(max(abs(low), abs(high))) * np.abs(fit.deriv()(u)).max() / half
            )
            if miss < 1e-12 * size + 2 * moved:
                kept = fit.trim(1e-15 * float(np.abs(fit.coef).max()))
                return cls(kept, middle, half, miss + moved)
        raise ConvergenceError(
            f"the weight is not smooth: a polynomial of degree {_DEGREES[-1]} misses it by "
            f"{miss / size:.2g} of its maximum; take a smooth one, or `truncated` for a step"
        )

    def __call__(self, z: NumpyArray) -> NumpyArray:
        """Values of the polynomial.

        Parameters
        ----------
        z : ndarray
            Points, real or complex.

        Returns
        -------
        ndarray
            In the shape of z.
        """
        return self._derivative(0, z)

    def slope(self, z: NumpyArray) -> NumpyArray:
        """Values of the derivative.

        Parameters
        ----------
        z : ndarray
            Points, real or complex.

        Returns
        -------
        ndarray
            In the shape of z.
        """
        return self._derivative(1, z)

    def _derivative(self, order: int, z: NumpyArray) -> NumpyArray:
        series = self.series.deriv(order) if order else self.series
        return np.asarray(series((z - self.middle) / self.half) / self.half**order)

    def rounding(self, z: NumpyArray) -> Real:
        r"""Bound of the rounding of values: of a sum of :math:`c_k T_k`, and of points.

        Parameters
        ----------
        z : ndarray
            Points, real or complex.

        Returns
        -------
        ndarray of float
            In the shape of z.
        """
        u = np.asarray((z - self.middle) / self.half, dtype=np.complex128)
        root = np.sqrt(u * u - 1)
        # |T_k| is at most this to the power k.
        growth = np.maximum(np.maximum(np.abs(u + root), np.abs(u - root)), 1.0)
        order = np.arange(self.series.coef.size)
        terms = np.polynomial.polynomial.polyval(growth, (2 * order + 1) * np.abs(self.series.coef))
        moved = np.abs(self.slope(z)) * np.abs(z - self.middle)
        return np.asarray(4e-16 * (terms + moved))

    def divided(self, z: Complex, nodes: Real, masses: Real) -> tuple[Complex, Complex]:
        """Integral of the divided difference (p(z) - p(t)) / (z - t), and its derivative in z.

        Parameters
        ----------
        z : ndarray of complex, shape (size,)
            Points.
        nodes, masses : ndarray of float, shape (n,)
            What the integral is a sum over.

        Returns
        -------
        (ndarray of complex, ndarray of complex)
            Integrals and derivatives, shape (size,).
        """
        value, slope = np.empty_like(z), np.empty_like(z)
        at_nodes, close = self(nodes), _CLOSE * max(float(np.ptp(nodes)), 1e-300)
        for rows in rows_of(z, nodes):
            apart = z[rows, None] - nodes
            here, rise = self(z[rows])[:, None], self.slope(z[rows])[:, None]
            near = np.abs(apart) < close
            safe = np.where(near, 1.0, apart)
            middle = ((z[rows, None] + nodes) / 2)[near]
            quotient = (here - at_nodes) / safe
            quotient[near] = self.slope(middle)
            change = (rise - quotient) / safe
            change[near] = self._derivative(2, middle) / 2
            value[rows], slope[rows] = quotient @ masses, change @ masses
        return value, slope

    def divided_error(self, z: Complex, nodes: Nodes) -> Real:
        """Bound of the error of the integral of `divided`.

        That of a panel is the error of its mass times the largest quotient there; a quotient is
        rounded, and next to z where it is a derivative it is off by a third one.

        Parameters
        ----------
        z : ndarray of complex, shape (size,)
            Points.
        nodes : Nodes
            What the integral is a sum over.

        Returns
        -------
        ndarray of float, shape (size,)
            The bound.
        """
        x, inner = nodes.x, 15 * nodes.left.size
        at_nodes, slopes = self(x), np.abs(self.slope(x))
        rounded, here = self.rounding(x), self.rounding(z)
        bend = float(np.abs(self._derivative(3, x)).max(initial=0.0))
        close = _CLOSE * max(float(np.ptp(x)), 1e-300)
        error = np.empty(z.shape)
        for rows in rows_of(z, x):
            apart = np.abs(z[rows, None] - x)
            near, far = apart < close, np.maximum(apart, close)
            own = (here[rows, None] + rounded) / far + near * (bend * close**2 / 24)
            error[rows] = own @ nodes.masses
            if inner:
                sizes = np.abs(self(z[rows])[:, None] - at_nodes) / far
                sizes = np.where(near, slopes, sizes)[:, :inner]
                error[rows] += sizes.reshape(sizes.shape[0], -1, 15).max(axis=2) @ nodes.errors
        return error

    def missed(self, z: Complex, value: Complex, nodes: Nodes) -> Real:
        """Bound of the integral over a law of what is missed of the weight, over z - t.

        What is missed oscillates no faster than a polynomial of twice the degree: its slope is
        bounded as Markov's inequality says.

        Parameters
        ----------
        z : ndarray of complex, shape (size,)
            Points.
        value : ndarray of complex, shape (size,)
            G of the law there.
        nodes : Nodes
            Nodes and masses of the law.

        Returns
        -------
        ndarray of float, shape (size,)
            The bound.
        """
        if not self.miss:
            return np.zeros(z.shape)
        steepest = (2 * max(self.series.degree(), 1)) ** 2 / self.half
        beside = np.clip(z.real, self.middle - self.half, self.middle + self.half)
        spread = np.empty(z.shape)
        for rows in rows_of(z, nodes.x):
            apart = np.maximum(np.abs(beside[rows, None] - nodes.x), 1e-300)
            spread[rows] = np.minimum(2 / apart, steepest) @ nodes.masses
        return np.asarray(2 * self.miss * (np.abs(value) + spread))
