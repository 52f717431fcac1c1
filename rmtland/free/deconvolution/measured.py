r"""Deconvolution of measured spectra: a law fitted to a Stieltjes transform off the axis.

With the eigenvalues of the total, :math:`G_n(z)` is off the limit by the order of
:math:`1 / (n \operatorname{Im} z)`. Each point z gives one linear equation for the law of X,

.. math:: \int \frac{X(dt)}{\omega(z) - t} = G_n(z),

at the subordinated point omega(z) (`rmtland.free.deconvolution.free_deconvolution`). Points on
lines at several heights, from a few eigenvalue spacings up to the width of the spectrum, are as
far apart as their height, so that their noise is nearly independent. Products, whose eigenvalues
may spread over decades, have points a few local spacings above the eigenvalues too. Points whose
omega is below z, which a subordination function never is, are left out.

The law fitted to them and its error are those of `rmtland.free.stieltjes_fit`.

References
----------
.. [1] N. El Karoui, Spectrum estimation for large dimensional covariance matrices using random
       matrix theory, Ann. Statist. 36 (2008) 2757-2790 (the fit of a population law).
.. [2] P. Tarrago, Spectral deconvolution of unitarily invariant matrix models, arXiv:2006.09356
       (the curve of subordinated points).

Examples
--------
>>> import numpy as np
>>> from rmtland import EmpiricalLaw, Semicircle, free_deconvolution, free_sum, Discrete
>>> signal = Discrete((-2.0, 1.0), (0.3, 0.7))
>>> law = free_sum(signal, Semicircle(0.5))
>>> measured = EmpiricalLaw(law.ppf((np.arange(300) + 0.5) / 300))
>>> found = free_deconvolution(measured, Semicircle(0.5))
>>> found.distance, abs(found.law.cdf(-0.5) - 0.3) < 0.02
('wasserstein', True)
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.free.deconvolution.exact import Recovered
from rmtland.free.stieltjes_fit import grid_on, law_from_stieltjes
from rmtland.laws.law import Complex, Law, Real
from rmtland.solution import ConvergenceError

__all__ = ["law_of_measurement", "subordinated"]

_HEIGHTS = 6
_APART, _PLACES = 4, 100
"""Eigenvalues, at least, from one point beside them to the next, and how many places there are."""


def law_of_measurement(
    total: Law, noise: Law, hull: tuple[float, float], *, product: bool, samples: int
) -> Recovered:
    """Return the law on the hull that fits a measured total.

    Raises
    ------
    ValueError
        If no law fits within several times the noise of so many samples.
    """
    _require_variance(total, noise, product, samples)
    omega, wanted, sizes = _equations(total, noise, product, samples)
    grid = grid_on(hull, nearest=_nearest(total) / noise.mean() if product else None)
    law = law_from_stieltjes(omega, wanted, sizes, grid, samples=samples)
    return Recovered(law, law.error, math.inf, "wasserstein", law.regularisation)


def subordinated(z: Complex, g: Complex, noise: Law, product: bool) -> tuple[Complex, Complex]:
    """Point omega(z) of X, and the value that its Stieltjes transform takes there."""
    if product:
        m = z * g - 1
        omega = z * noise.s_transform(m)
        return omega, (1 + m) / omega
    return z - noise.r_transform(g), g


def _require_variance(total: Law, noise: Law, product: bool, samples: int) -> None:
    """Refuse where the variance (relative to the mean, for products) is surely too small."""
    whole, part = total.var(), noise.var()
    if product:
        whole, part = whole / total.mean() ** 2, part / noise.mean() ** 2
    # The variance of n eigenvalues fluctuates by the order of 1/n of itself.
    if whole < part * (1 - 30 / samples) - 1e-14 * abs(whole):
        raise ValueError(
            f"the deconvolution does not exist: the variance of the total is below that of the "
            f"noise ({whole:.6g} and {part:.6g}{', both over the squared mean' if product else ''})"
        )


def _equations(
    total: Law, noise: Law, product: bool, samples: int
) -> tuple[Complex, Complex, Real]:
    """Subordinated points, the values of G there, and the standard deviations of their noise."""
    low, high = total.hull
    width = high - low
    least = max(4.0 / samples, 0.01) * width
    points, values, sizes = [], [], []
    for height in np.geomspace(least, 2 * width, _HEIGHTS):
        reach = width / 2 + 2 * height
        number = max(5, math.ceil(2 * reach / height))
        z = (low + high) / 2 + np.linspace(-reach, reach, number) + 1j * height
        g = total._stieltjes(z)
        try:
            omega, value = subordinated(z, g, noise, product)
        except (ConvergenceError, ValueError):
            continue  # below where the inverse of the noise is defined
        if product:
            fine = np.angle(omega) >= np.angle(z) * (1 - 1e-9)
            sigma = np.abs(z / omega) / (2 * samples * height)
        else:
            fine = omega.imag >= z.imag * (1 - 1e-9)
            sigma = np.full(z.shape, 1 / (2 * samples * height))
        points.append(omega[fine])
        values.append(value[fine])
        sizes.append(sigma[fine])
    for z in _beside_eigenvalues(total, least) if product else ():
        try:
            omega, value = subordinated(z, total._stieltjes(z), noise, product)
        except (ConvergenceError, ValueError):
            continue
        fine = np.angle(omega) >= np.angle(z) * (1 - 1e-9)
        points.append(omega[fine])
        values.append(value[fine])
        sizes.append((np.abs(z / omega) / (2 * samples * z.imag))[fine])
    omega = np.concatenate(points) if points else np.empty(0, dtype=np.complex128)
    if omega.size < 5:
        raise ConvergenceError(
            f"the R- or S-transform of the noise {noise!r} was not found at enough points above "
            "the spectrum; take a noise with a closed form"
        )
    return omega, np.concatenate(values), np.concatenate(sizes)


def _spans(total: Law) -> tuple[Real, Real]:
    """Return the ends of intervals between positive eigenvalues a few spacings apart."""
    places = np.array([place for place, _ in total.atoms])
    if places.size:
        places = places[places > 1e-9 * places[-1]]
    apart = max(_APART, len(places) // _PLACES)
    first = np.arange(0, len(places) - apart, apart)
    return places[first], places[first + apart]


def _nearest(total: Law) -> float:
    """Middle of the lowest of these intervals, and no distance at all without any."""
    low, high = _spans(total)
    return float(low[0] + high[0]) / 2 if low.size else math.inf


def _beside_eigenvalues(total: Law, height: float) -> list[Complex]:
    """Points a few spacings above positive eigenvalues, below a height.

    Those near 0 of a spectrum of several decades are closer than any line of one height sees.
    """
    low, high = _spans(total)
    levels = [(low + high) / 2 + 1j * widths * (high - low) for widths in (1.0, 2.0, 4.0)]
    return [z[near] for z in levels if (near := z.imag < height).any()]
