r"""The Tracy-Widom laws: fluctuations of an extreme eigenvalue at a regular edge.

With q the Hastings-McLeod solution of the second Painlevé equation, :math:`q'' = s q + 2 q^3`,
:math:`q(s) \sim \operatorname{Ai}(s)` at infinity, and

.. math::
    I(s) = \int_s^\infty (x - s) q(x)^2 dx, \qquad \mu(s) = \frac12 \int_s^\infty q(x) dx,

the distribution functions are

.. math::
    F_2(s) = e^{-I(s)}, \qquad
    F_1(s) = e^{-I(s)/2 - \mu(s)}, \qquad
    F_4(s/\sqrt2) = e^{-I(s)/2} \cosh \mu(s) ;

equivalently, as Fredholm determinants on :math:`(s, \infty)` with the Airy kernel
:math:`V(x, y) = \frac12 \operatorname{Ai}(\frac{x + y}{2})`,

.. math::
    F_1 = \det(1 - V), \qquad F_2 = \det(1 - V^2), \qquad
    F_4(s/\sqrt2) = \tfrac12 \bigl(\det(1 - V) + \det(1 + V)\bigr) .

Scaling. Let the Gaussian beta ensemble have the density proportional to
:math:`\prod_{i<j} |\lambda_i - \lambda_j|^\beta \exp(-\frac\beta4 \sum_i \lambda_i^2)`, so that its
spectrum fills :math:`[-2\sqrt n, 2\sqrt n]`. Then for beta = 1 and 2
:math:`n^{1/6} (\lambda_{\max} - 2 \sqrt n)` tends to the law, while for beta = 4 it is
:math:`2^{1/6} n^{1/6} (\lambda_{\max} - 2 \sqrt n)` that does: this is the original convention of
[1]_ and that of [2]_, in which the mean for beta = 4 is -2.3069. In the other one, that of the
stochastic Airy operator, whose scaling is the same for every beta, the variable for beta = 4 is
:math:`2^{-1/6}` times this one: its distribution function is :math:`F_4(2^{1/6} x)`, its mean
-2.0552.

Table. :math:`\psi = \log(-\log F)` is smooth, and it is what the table holds: polynomials of
degree 15 on 28 intervals, from determinants good to 24 digits. F, 1 - F and the density
follow from it without cancellation, so that both tails keep their relative accuracy until they
underflow; no asymptotic formula takes over anywhere.

References
----------
.. [1] C. A. Tracy and H. Widom, On orthogonal and symplectic matrix ensembles, Communications in
       Mathematical Physics 177 (1996) 727-754, equations 6 to 8.
.. [2] F. Bornemann, On the numerical evaluation of distributions in random matrix theory: a
       review, Markov Processes and Related Fields 16 (2010) 803-866.
.. [3] F. Bornemann, On the numerical evaluation of Fredholm determinants, Mathematics of
       Computation 79 (2010) 871-915.
.. [4] P. L. Ferrari and H. Spohn, A determinantal formula for the GOE Tracy-Widom distribution,
       Journal of Physics A 38 (2005) L557-L561.

Examples
--------
>>> law = TracyWidom(1)
>>> print(f"{law.mean():.12f} {law.var():.12f}")
-1.206533574582 1.607781034581
>>> print(f"{law.cdf(-1.0):.14f} {law.sf(6.0):.10e} {law.isf(0.01):.12f}")
0.58378989551973 1.9408140726e-06 2.023449281380
"""

from __future__ import annotations

import functools
import importlib.resources
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import among, count
from rmtland.laws.law import Law
from rmtland.streams import random_generator
from rmtland.typing import Atoms, Complex, Real, Rng, Support, Values

__all__ = ["TracyWidom"]

BETAS = (1, 2, 4)


@dataclass(frozen=True)
class TracyWidom(Law):
    r"""Tracy-Widom law of index beta (TW1, TW2, TW4; GOE, GUE, GSE edge; soft edge; Airy process).

    .. formula:: Tracy-Widom laws, :math:`\beta = 1, 2, 4`: table of Fredholm determinants

    The limit of the largest eigenvalue, centred and scaled, of real symmetric (beta = 1), complex
    Hermitian (2) and quaternion self-dual (4) random matrices at a regular (square-root) edge.
    Its support is the whole line: hull and quantiles of 0 and 1 are infinite, and operations of
    free probability take `truncated` of it. The module's docstring states the formulas.

    Parameters
    ----------
    beta : {1, 2, 4}
        Dyson index.

    Raises
    ------
    ValueError
        If beta is another integer.
    TypeError
        If beta is not an integer.

    See Also
    --------
    rmtland.ensembles.GaussianEnsemble : whose `extremes` follow it.
    rmtland.comparison.signals : a test by this law.

    Notes
    -----
    For beta = 4 two conventions are in use. Here the mean is -2.3069 and the variance 0.5177
    (Tracy and Widom, Bornemann); divide the variable by 2^(1/6) for the convention of the
    stochastic Airy operator, with mean -2.0552 and variance 0.4109.

    Accuracy, against 20-digit values of the Painlevé route: `cdf` and `sf` are within 3e-16
    absolutely, and within 2e-15 (1 + abs(log of the value)) relatively down to the underflow at
    1e-308 (6e-14 at 1e-30); likewise `pdf`. `ppf` and `isf` are within 2e-14 down to 1e-300.

    Examples
    --------
    The probability that the largest eigenvalue of a large GOE matrix exceeds its edge:

    >>> round(TracyWidom(1).sf(0.0), 12)
    0.168091933797
    """

    beta: int

    def __post_init__(self) -> None:
        beta = count("beta", self.beta)
        beta = among("beta", beta, dict.fromkeys(BETAS, ""))
        object.__setattr__(self, "beta", beta)

    @property
    def support(self) -> Support:
        """The whole line."""
        return ((-math.inf, math.inf),)

    @property
    def atoms(self) -> Atoms:
        """None."""
        return ()

    def skewness(self) -> float:
        """Third central moment over the standard deviation cubed.

        Returns
        -------
        float
            Without unit; 0 for a symmetric law.
        """
        return self._power(3, self.mean()) / math.sqrt(self.var()) ** 3

    def kurtosis(self) -> float:
        """Excess kurtosis: fourth central moment over the squared variance, minus 3.

        Returns
        -------
        float
            Without unit; 0 for a normal law.
        """
        return self._power(4, self.mean()) / self.var() ** 2 - 3

    def mean(self) -> float:
        """Mean: -1.20653, -1.77109, -2.30688 for beta = 1, 2, 4.

        Returns
        -------
        float
            In the units of the scaled eigenvalue.
        """
        return self._power(1, 0.0)

    def var(self) -> float:
        """Variance: 1.60778, 0.81319, 0.51772 for beta = 1, 2, 4.

        Returns
        -------
        float
            In the units of the scaled eigenvalue.
        """
        return self._power(2, self.mean())

    def moment(self, k: int) -> float:
        """Moment of order `k` about zero.

        Parameters
        ----------
        k : int
            Order, 0 to 100.

        Returns
        -------
        float
            Integral of x^k over the law.

        Raises
        ------
        ValueError
            If k is negative or above 100.
        TypeError
            If `k` is no integer.
        """
        order = count("k", k, min_value=0)
        if order > 100:
            raise ValueError(f"k must be at most 100; got {order}")
        return self._power(order, 0.0)

    def sample(self, size: int | tuple[int, ...] | None = None, *, rng: Rng = None) -> Values:
        """Draw independent values from the law, by inversion.

        Parameters
        ----------
        size : int or tuple of int, optional
            Shape of the result; a single float by default.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator; by default one that the system seeds.

        Returns
        -------
        float or ndarray of float64
            Values.
        """
        # -log of a uniform variable is exponential; drawn as such it resolves both tails.
        exponential = np.asarray(random_generator(rng).standard_exponential(size))
        values = self._place(np.log(exponential.ravel())).reshape(exponential.shape)
        return values if values.ndim else values.item()

    def _cdf(self, x: Real) -> Real:
        return np.asarray(np.exp(-np.exp(self._psi(x))))

    def _sf(self, x: Real) -> Real:
        return np.asarray(-np.expm1(-np.exp(self._psi(x))))

    def _mass_below(self, x: Real) -> Real:
        return self._cdf(x)

    def _ppf(self, q: Real) -> Real:
        with np.errstate(divide="ignore"):
            return self._place(np.log(-np.log(q)))

    def _isf(self, q: Real) -> Real:
        with np.errstate(divide="ignore"):
            return self._place(np.log(-np.log1p(-q)))

    def _exact_moments(self, k: int) -> list[Fraction]:
        return [Fraction(self._power(n, 0.0)) for n in range(k + 1)]

    # Transforms ----------------------------------------------------------------------------

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        """G and G' by the trapezoidal rule, against the density and its derivative.

        The density is entire: with nodes h apart the rule misses the integral by what the pole at z
        adds, 2 pi i f(z) / (exp(-2 pi i (z - a)/h) - 1), which is known; it is taken into account
        where z is lower than 1/4.
        """
        nodes, weights, step = _fine_quadrature(self.beta)
        slope = _weights_of_slope(self.beta)
        return (
            _pole_corrected(z, nodes, weights, step, self._complex_pdf),
            _pole_corrected(z, nodes, slope, step, self._complex_slope),
        )

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """State the error of the quadrature, 1e-12 by comparison with the integral at 30 digits."""
        return np.full(z.shape, 1e-12), np.full(z.shape, 1e-12) * (1 + np.abs(g))

    def _log_potential(self, z: Complex) -> Complex:
        nodes, weights, _ = _fine_quadrature(self.beta)
        top = np.where(z.imag < 1.0, z.real + 1j, z)
        value = np.empty_like(z)
        for start in range(0, z.size, 256):
            rows = slice(start, start + 256)
            value[rows] = np.log(top[rows, None] - nodes) @ weights
        low = z.imag < 1.0
        if low.any():
            points, shares = np.polynomial.legendre.leggauss(32)
            half = (1.0 - z.imag[low]) / 2
            path = z.real[low][:, None] + 1j * (z.imag[low][:, None] + half[:, None] * (points + 1))
            g = self._stieltjes(path.ravel()).reshape(path.shape)
            value[low] -= 1j * (g * shares).sum(axis=1) * half
        real = z.imag == 0
        value.imag[real] = np.pi * self._sf(z.real[real])
        return value

    def _complex_pdf(self, z: Complex) -> Complex:
        """Density at complex places near the axis: its entire continuation."""
        psi, slope, _ = _table(self.beta).continued(z * self._stretch)
        return np.asarray(np.exp(psi - np.exp(psi)) * -slope * self._stretch)

    def _complex_slope(self, z: Complex) -> Complex:
        """Return the derivative of the density there."""
        psi, slope, bend = _table(self.beta).continued(z * self._stretch)
        factor = -(slope**2 * (1 - np.exp(psi)) + bend)
        return np.asarray(np.exp(psi - np.exp(psi)) * factor * self._stretch**2)

    # The table -----------------------------------------------------------------------------

    @property
    def _stretch(self) -> float:
        """The table's variable s over x."""
        return math.sqrt(2) if self.beta == 4 else 1.0

    def _psi(self, x: Real) -> Real:
        """log(-log F(x))."""
        table = _table(self.beta)
        piece, u = table.locate(x * self._stretch)
        psi: Real = table.coefficients[-1].take(piece)
        for row in table.coefficients[-2::-1]:
            psi *= u
            psi += row.take(piece)
        return psi

    def _pdf(self, x: Real) -> Real:
        table = _table(self.beta)
        psi, slope = table.polynomials(*table.locate(x * self._stretch))
        return np.asarray(np.exp(psi - np.exp(psi)) * -slope * self._stretch)

    def _place(self, psi: Real) -> Real:
        """Where log(-log F) has the value psi: Newton within one piece of the table."""
        table = _table(self.beta)
        piece = (-table.values[1:-1]).searchsorted(-psi, side="right")
        top, bottom = table.values[piece], table.values[piece + 1]
        inside = np.isfinite(psi)
        target = np.where(inside, psi, top)
        u = 2 * (target - top) / (bottom - top) - 1
        for _ in range(12):
            value, slope = table.polynomials(piece, u)
            step = (value - target) / (slope * table.half[piece])
            u = np.clip(u - step, -1.0, 1.0)
            if not (np.abs(step) > 1e-14).any():
                break
        s = table.middle[piece] + table.half[piece] * u
        return np.where(inside, s, -psi) / self._stretch

    def _power(self, k: int, center: float) -> float:
        """Integral of (x - center)^k over the law."""
        nodes, weights = _quadrature(self.beta)
        return float(np.dot(weights, (nodes - center) ** k))


class _Table(NamedTuple):
    """psi(s) = sum over k of coefficients[k] u^k with u = (s - middle)/half, piece by piece."""

    breaks: Real
    middle: Real
    half: Real
    coefficients: Real
    values: Real  # psi at the breaks, descending

    def locate(self, s: Real) -> tuple[NDArray[np.intp], Real]:
        """Piece of every point and place in it; points beyond the table are put at its ends.

        There F or 1 - F is zero in double precision.
        """
        s = np.minimum(np.maximum(s, self.breaks[0]), self.breaks[-1])
        piece = self.breaks[1:-1].searchsorted(s, side="right")
        s -= self.middle.take(piece)
        s /= self.half.take(piece)
        return piece, s

    def polynomials(self, piece: NDArray[np.intp], u: Real) -> tuple[Real, Real]:
        """Values of psi and of its derivative, by Horner's scheme."""
        psi = self.coefficients[-1].take(piece)
        slope = np.zeros_like(psi)
        for row in self.coefficients[-2::-1]:
            slope = slope * u + psi
            psi = psi * u + row.take(piece)
        return psi, slope / self.half.take(piece)

    def continued(self, s: Complex) -> tuple[Complex, Complex, Complex]:
        """Values of psi and of two derivatives at complex places near the axis."""
        piece, u = self.locate(s.real.copy())
        half = self.half.take(piece)
        v = u + 1j * s.imag / half
        psi = self.coefficients[-1].take(piece).astype(np.complex128)
        slope, bend = np.zeros_like(psi), np.zeros_like(psi)
        for row in self.coefficients[-2::-1]:
            bend = bend * v + 2 * slope
            slope = slope * v + psi
            psi = psi * v + row.take(piece)
        return psi, slope / half, bend / half**2


@functools.cache
def _table(beta: int) -> _Table:
    """Read the table of one law, once."""
    file = importlib.resources.files("rmtland.laws").joinpath("tracy_widom_tables.npz")
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as content:
        breaks = content["breaks"]
        coefficients = content["coefficients"][BETAS.index(beta)]
    ends = np.append(
        (coefficients * (-1.0) ** np.arange(len(coefficients))[:, None]).sum(axis=0),
        coefficients[:, -1].sum(),
    )
    middle, half = (breaks[1:] + breaks[:-1]) / 2, (breaks[1:] - breaks[:-1]) / 2
    return _Table(breaks, middle, half, np.ascontiguousarray(coefficients), ends)


@functools.cache
def _quadrature(beta: int) -> tuple[Real, Real]:
    """Nodes and weights that integrate against the law.

    The trapezoidal rule in s with step 1/16: the density is an entire function, so the error is
    far below the rounding.
    """
    law = TracyWidom(beta)
    low, high = _table(beta).breaks[[0, -1]]
    nodes = np.arange(low, high, 1 / 16) / law._stretch
    return nodes, law.pdf(nodes) / (16 * law._stretch)


@functools.cache
def _fine_quadrature(beta: int) -> tuple[Real, Real, float]:
    """Nodes and weights of the trapezoidal rule where the density is above 1e-25, and the step."""
    law = TracyWidom(beta)
    step = 1 / 32
    reach = float(law._ppf(np.array([1e-25]))[0]), float(law._isf(np.array([1e-25]))[0])
    nodes = np.arange(reach[0], reach[1], step)
    return nodes, law._pdf(nodes) * step, step


@functools.cache
def _weights_of_slope(beta: int) -> Real:
    """Weights for integrals against the derivative of the density."""
    nodes, _, step = _fine_quadrature(beta)
    return TracyWidom(beta)._complex_slope(nodes.astype(np.complex128)).real * step


def _pole_corrected(
    z: Complex,
    nodes: Real,
    weights: Real,
    step: float,
    density: Callable[[Complex], Complex],
) -> Complex:
    """Integral of f(t)/(z - t) for an entire f, by the trapezoidal rule and its known defect."""
    value = np.empty_like(z)
    # Nodes half a step away where a node is close to z
    offset = (z.real - nodes[0]) / step
    close = np.abs(offset - np.round(offset)) < 0.25
    inside = (z.real > nodes[0] - 1) & (z.real < nodes[-1] + 1)
    for shifted in (False, True):
        here = np.flatnonzero(close & inside if shifted else ~(close & inside))
        places, masses = nodes, weights
        if shifted and here.size:
            places = nodes + step / 2
            masses = density(places.astype(np.complex128)).real * step
        for start in range(0, here.size, 256):
            rows = here[start : start + 256]
            value[rows] = (1 / (z[rows, None] - places)) @ masses
            low = rows[(z[rows].imag < 0.3) & inside[rows]]
            if low.size:
                turn = np.exp(-2j * np.pi * (z[low] - places[0]) / step)
                value[low] += 2j * np.pi * density(z[low]) / (turn - 1)
    return value
