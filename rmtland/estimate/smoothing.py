r"""Densities of estimated spectra: smoothed by a stated width, or with a terminator at the edge.

- ``"gaussian"``: :math:`\sum_i w_i\, e^{-(x - t_i)^2/2\sigma^2}/\sqrt{2\pi}\sigma`, which is
  the true density smoothed by the same :math:`\sigma`, up to what the quadrature leaves.
- ``"terminator"``: the continued fraction of the resolvent,

  .. math::

     G(x) = \cfrac1{x - \alpha_1 - \cfrac{\beta_1^2}{x - \alpha_2 - \cdots - \beta_k^2\, t(x)}} ,

  ended by that of the constant coefficients of a band [a, b],
  :math:`t(x) = (x - c - \sqrt{(x - a)(x - b)})/2 h^2`, c = (a + b)/2, h = (b - a)/4 (Haydock's
  recursion method [1]_): no smoothing, square-root edges at a and b. For one band without atoms;
  eigenvalues outside of it are no part of the density.

References
----------
.. [1] R. Haydock, The recursive solution of the Schrodinger equation, Solid State Physics 35 (1980)
       215-294; L. Lin, Y. Saad and C. Yang, Approximating spectral densities of large matrices,
       SIAM Review 58 (2016) 34-65.

Examples
--------
>>> import numpy as np
>>> from rmtland.estimate.density import spectral_density
>>> values = 2 * np.cos(np.linspace(0.0, np.pi, 8000))
>>> spectrum = spectral_density(lambda v: values * v, size=8000, steps=30, rng=0)
>>> found = smooth_density(spectrum, [-1.0, 0.0, 1.0], width=0.2)
>>> np.round(found.pdf, 2), found.width
(array([0.19, 0.16, 0.18]), 0.2)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import choice, finite, instance, points, positive
from rmtland.estimate.distribution import spectrum_tridiagonals
from rmtland.spectrum import Spectrum
from rmtland.typing import Real

__all__ = ["SmoothDensity", "resolution_width", "smooth_density"]


class SmoothDensity(NamedTuple):
    """A density at some points.

    Made by `rmtland.estimate.smooth_density`.

    Parameters
    ----------
    x : ndarray
        The points.
    pdf : ndarray, of the shape of `x`
        Mean over the probes.
    standard_error : ndarray, of the shape of `x`
        From the scatter of the probes; infinite for one probe.
    width : float
        Standard deviation of the Gaussian; 0 for the terminator.
    edges : (float, float)
        The band of the terminator; (nan, nan) for the Gaussian.
    """

    x: Real
    pdf: Real
    standard_error: Real
    width: float
    edges: tuple[float, float]


def resolution_width(spectrum: Spectrum) -> float:
    """Return the width that k steps resolve: the range of the middle 98 % of the mass, over k.

    Parameters
    ----------
    spectrum : Spectrum
        Of `spectral_density`.

    Returns
    -------
    float
        In units of the eigenvalues.
    """
    instance("spectrum", spectrum, Spectrum, "a Spectrum, by spectral_density")
    nodes, weights = spectrum.measure
    sums = np.cumsum(weights)
    low, high = (nodes[min(int(np.searchsorted(sums, q)), nodes.size - 1)] for q in (0.01, 0.99))
    known = spectrum.provenance.get("steps")
    steps = int(known or spectrum.nodes.shape[1])
    return float((high - low) / steps) or float(np.abs(nodes).max() or 1.0) / steps


def smooth_density(
    spectrum: Spectrum,
    x: ArrayLike,
    *,
    width: float | None = None,
    method: str = "gaussian",
    edges: tuple[float, float] | None = None,
) -> SmoothDensity:
    r"""Return a density of an estimated spectrum.

    .. formula:: Terminator of a continued fraction, :math:`t(x) = (x - c - \sqrt{(x - a)(x - b)})/2
        h^2`

    Parameters
    ----------
    spectrum : Spectrum
        Of `spectral_density`; any other for "gaussian".
    x : array_like of float
        Points, any shape.
    width : float, optional
        Standard deviation of the Gaussian; what the steps resolve (`resolution_width`) by default.
    method : {"gaussian", "terminator"}, optional
        How.
    edges : (float, float), optional
        The band of the terminator; by default that of the mean of the last third of the Jacobi
        coefficients.

    Returns
    -------
    SmoothDensity
        The density at the points, with standard errors.

    Raises
    ------
    ValueError
        If the terminator is asked of a spectrum without Jacobi matrices, or whose Krylov spaces
        have ended, or edges are not in order.
    TypeError
        If the spectrum is none, `width` is no real number, or `x` holds no real numbers.

    See Also
    --------
    rmtland.estimate.spectral_density : the measure that is smoothed.
    """
    choice("method", method, ("gaussian", "terminator"))
    instance("spectrum", spectrum, Spectrum, "a Spectrum, by spectral_density")
    places = points("x", x)
    flat = places.ravel()
    band = (float("nan"), float("nan"))
    if method == "gaussian":
        sigma = resolution_width(spectrum) if width is None else positive("width", width)
        weights = spectrum.weights
        if weights is None:
            weights = np.full(spectrum.nodes.shape, 1 / spectrum.nodes.shape[1])
        rows = [
            np.exp(-0.5 * ((flat[:, None] - t) / sigma) ** 2) @ w
            for t, w in zip(spectrum.nodes, weights, strict=True)
        ]
        each = np.array(rows) / (np.sqrt(2 * np.pi) * sigma)
    else:
        if width is not None:
            raise ValueError("a terminator has no width; leave it out, or method='gaussian'")
        sigma = 0.0
        each, band = _terminated(spectrum, flat, edges)
    error = np.full(flat.shape, np.inf)
    if len(each) > 1:
        error = each.std(axis=0, ddof=1) / np.sqrt(len(each))
    shape = places.shape
    return SmoothDensity(
        places, each.mean(axis=0).reshape(shape), error.reshape(shape), sigma, band
    )


def _terminated(
    spectrum: Spectrum, x: Real, edges: tuple[float, float] | None
) -> tuple[Real, tuple[float, float]]:
    """Continued fractions of all probes, ended by a band."""
    found = spectrum_tridiagonals(spectrum)
    if any(one.is_exhausted for one in found):
        raise ValueError(
            "a Krylov space has ended: the spectrum is a sum of atoms, take method='gaussian'"
        )
    if edges is None:
        last = max(1, len(found[0].alpha) // 3)
        center = float(np.mean([one.alpha[-last:].mean() for one in found]))
        half = float(np.mean([one.beta[-last:].mean() for one in found]))
        edges = (center - 2 * half, center + 2 * half)
    if np.shape(edges) != (2,):
        raise ValueError(f"edges must be two numbers, (low, high); got {edges!r}")
    low, high = (finite("edges", end) for end in edges)
    if not low < high:
        raise ValueError(f"edges must be in order; got {edges}")
    center, half = (low + high) / 2, (high - low) / 4
    inside = (x > low) & (x < high)
    near = np.clip(x, low, high)
    root = 1j * np.sqrt(np.where(inside, (near - low) * (high - near), 0.0))
    rows = []
    for alpha, beta in found:
        value = (near - center - root) / (2 * half**2)
        for a, b in zip(alpha[::-1], beta[::-1], strict=True):
            value = 1 / (near - a - b * b * value)
        rows.append(np.where(inside, -value.imag / np.pi, 0.0))
    return np.array(rows), (low, high)
