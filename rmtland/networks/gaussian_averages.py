r"""Averages of an activation and its slope over a normal preactivation.

For z ~ N(0, v), the three numbers that theory takes from an activation f:

    eta = E f(z)^2,   E f'(z),   E f'(z)^2 .

In Pennington & Worah, NIPS 2017, eta and zeta = (sqrt(v) E f'(z))^2 fix the spectrum of the
features; E f'(z)^2 times the weight variance is the growth rate of a gradient per layer (Poole
et al., NIPS 2016).

Closed forms are used where there are any: those of erf are Williams', NIPS 1996; those of gelu
follow from E Phi^2 = 1/4 + arcsin(v/(1+v))/(2 pi) and Stein's identity E z g(z) = v E g'(z). The
others are integrals over z > 0 and z < 0, each by the trapezoidal rule in w with
|z| = min(1, sqrt(v)) exp(w - exp(-w)), the double-exponential map of Takahasi & Mori (1974), whose
step is halved until nothing changes. Its nodes are dense on every scale, so that it needs as few
where v is large and the slope a narrow peak, where Gauss-Hermite nodes miss the peak; and kinks or
jumps at z = 0 do no harm. Where it does not settle, as with kinks elsewhere, intervals are halved
about them (adaptive Gauss-Kronrod). The error stated is the last change plus rounding, or that of
the intervals.

References
----------
.. [1] J. Pennington and P. Worah, Nonlinear random matrix theory for deep learning, NIPS 2017.
.. [2] B. Poole, S. Lahiri, M. Raghu, J. Sohl-Dickstein and S. Ganguli, Exponential expressivity in
       deep neural networks through transient chaos, NIPS 2016.
.. [3] C. K. I. Williams, Computing with infinite networks, NIPS 1996.
.. [4] H. Takahasi and M. Mori, Double exponential formulas for numerical integration, Publ. RIMS
       Kyoto Univ. 9 (1974) 721-741.

Examples
--------
>>> gaussian_averages("relu", variance=2.0)
GaussianAverages(square=1.0, slope=0.5, slope_square=0.5, error=0.0)
>>> tanh = gaussian_averages("tanh")
>>> round(tanh.square, 12), round(tanh.slope, 12), tanh.error < 1e-14
(0.394294490398, 0.605705509602, True)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rmtland.arguments import nonnegative
from rmtland.networks.activation import Activation, activation
from rmtland.typing import Real

__all__ = ["GaussianAverages", "gaussian_averages"]


_CUTOFF = 14.0  # standard deviations: exp(-14^2/2) = 3e-43
_KINKED_POINTS = 2**14  # that smooth functions never need
_INTERVALS = 2000
_RELATIVE = 1e-9  # largest error by intervals
_EPS = 2.0**-52


class GaussianAverages(NamedTuple):
    """Averages over z ~ N(0, v); `error` bounds the absolute error of each, up to rounding.

    Made by `rmtland.networks.gaussian_averages`.

    Parameters
    ----------
    square : float
        Mean of f(z)^2.
    slope : float
        Mean of f'(z).
    slope_square : float
        Mean of f'(z)^2.
    error : float
        Bound of the absolute error of each.
    """

    square: float
    slope: float
    slope_square: float
    error: float


def gaussian_averages(name: str | Activation, *, variance: float = 1.0) -> GaussianAverages:
    """Return E f(z)^2, E f'(z) and E f'(z)^2 for z ~ N(0, variance).

    Parameters
    ----------
    name : str or Activation
        The activation f.
    variance : float, optional
        Variance v of the preactivation, at least 0.

    Returns
    -------
    GaussianAverages
        With `error` 0 for a closed form.

    Raises
    ------
    ValueError
        For an unknown activation, a negative variance, or a quadrature that does not converge.
    TypeError
        If `variance` is no real number.
    """
    f, v = activation(name), nonnegative("variance", variance)
    closed = _CLOSED.get(f.name)
    if closed is not None and f == activation(f.name):
        return GaussianAverages(*closed(v), error=0.0)
    return _quadrature(f, v)


def _quadrature(f: Activation, variance: float) -> GaussianAverages:
    deviation = math.sqrt(variance)
    if deviation == 0.0:
        zero = np.zeros(1)
        value = f.value(zero)
        slope = float(f.slope(zero, value)[0])
        return GaussianAverages(float(value[0]) ** 2, slope, slope**2, error=0.0)
    unit = min(1.0, deviation)
    last = math.log(_CUTOFF * deviation / unit) + 0.1

    def rule(points: int) -> tuple[Real, Real]:
        """Return the three sums and the sums of the moduli of their terms."""
        w, step = np.linspace(-4.5, last, points, retstep=True)
        positive = unit * np.exp(w - np.exp(-w))
        weights = np.exp(-0.5 * (positive / deviation) ** 2) * positive * (1.0 + np.exp(-w))
        weights *= step / (deviation * math.sqrt(2.0 * math.pi))
        z = np.concatenate([positive, -positive])
        a = f.value(z)
        slope = f.slope(z, a)
        terms = np.concatenate([weights, weights]) * np.stack([a * a, slope, slope * slope])
        return terms.sum(axis=1), np.abs(terms).sum(axis=1)

    points = 33
    coarse, _ = rule(points)
    while True:
        points = 2 * points - 1
        fine, scale = rule(points)
        change, rounding = np.abs(fine - coarse), 64.0 * _EPS * scale
        if (change <= rounding).all():
            square, slope, slope_square = map(float, fine)
            error = float((change + rounding).max())
            return GaussianAverages(square, slope, slope_square, error)
        if points > _KINKED_POINTS or not np.isfinite(fine).all():
            return _by_intervals(f, variance)
        coarse = fine


def _by_intervals(f: Activation, variance: float) -> GaussianAverages:
    """Integrals over intervals that are halved where it is needed."""
    from scipy.integrate import quad_vec  # loads scipy.optimize: only where there are kinks

    deviation = math.sqrt(variance)

    def terms(t: float) -> Real:
        z = np.array([deviation * t])
        a = f.value(z)
        slope = f.slope(z, a)
        found = np.concatenate([a * a, slope, slope * slope])
        return np.asarray(found * (math.exp(-t * t / 2) / math.sqrt(2 * math.pi)))

    with np.errstate(all="ignore"):
        value, error = quad_vec(
            terms, -_CUTOFF, _CUTOFF, epsabs=0.0, epsrel=1e-13, limit=_INTERVALS, points=(0.0,)
        )
    size = float(np.abs(value).max())
    if not (np.isfinite(value).all() and error <= _RELATIVE * size):
        raise ValueError(
            f"the Gaussian averages of {f.name!r} at variance {variance:g} do not converge: "
            f"{size:.3g} with an error of {error:.1e}"
        )
    square, slope, slope_square = map(float, value)
    return GaussianAverages(square, slope, slope_square, float(error) + 64 * _EPS * size)


def _erf(v: float) -> tuple[float, float, float]:
    return (
        2.0 / math.pi * math.atan(2.0 * v / math.sqrt(1.0 + 4.0 * v)),  # of arcsin 2v/(1+2v)
        2.0 / math.sqrt(math.pi * (1.0 + 2.0 * v)),
        4.0 / math.pi / math.sqrt(1.0 + 4.0 * v),
    )


def _gelu(v: float) -> tuple[float, float, float]:
    density_square = 1.0 / (2.0 * math.pi * math.sqrt(1.0 + 2.0 * v))  # E phi^2
    cdf_square = 0.25 + math.atan(v / math.sqrt(1.0 + 2.0 * v)) / (2.0 * math.pi)  # E Phi^2
    mixed = v / (1.0 + v) * density_square  # E z phi Phi
    square = v * (cdf_square + 2.0 * mixed)
    return square, 0.5, cdf_square + 2.0 * mixed + v / (1.0 + 2.0 * v) * density_square


_CLOSED: dict[str, Callable[[float], tuple[float, float, float]]] = {
    "linear": lambda v: (v, 1.0, 1.0),
    "relu": lambda v: (0.5 * v, 0.5, 0.5),
    "leaky_relu": lambda v: (0.50005 * v, 0.505, 0.50005),
    "erf": _erf,
    "gelu": _gelu,
    "quadratic": lambda v: (3.0 * v * v, 0.0, 4.0 * v),
    "sine": lambda v: (
        -0.5 * math.expm1(-2.0 * v),
        math.exp(-0.5 * v),
        0.5 * (1.0 + math.exp(-2.0 * v)),
    ),
}
