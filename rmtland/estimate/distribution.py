r"""The distribution function of an estimated spectrum at any point, with bands that cover it.

A spectrum of `spectral_density` carries the Jacobi matrices of its probes. With a Gauss-Radau node
at x they bracket the mean distribution function of the probes sharply, and the law of the probes
says how far that is from the truth (`rmtland.estimate.beta_law`): pointwise intervals as for the
index, and a band

.. math:: [lo(x) - \kappa/\sqrt n,\; lo(x) + w(x) + \kappa/\sqrt n] ,

that holds at all points at once, :math:`\kappa` Kolmogorov's quantile (1.358 at 95 %).

References
----------
.. [1] G. H. Golub and G. Meurant, Matrices, Moments and Quadrature with Applications, Princeton
       University Press 2010.
.. [2] E. L. Lehmann and J. P. Romano, Testing Statistical Hypotheses, 3rd edition, Springer 2005
       (Kolmogorov's band).

Examples
--------
>>> import numpy as np
>>> from rmtland.estimate.density import spectral_density
>>> values = np.linspace(-1.0, 3.0, 5000)
>>> spectrum = spectral_density(lambda v: values * v, size=5000, steps=40, rng=0)
>>> band = distribution_band(spectrum, [0.0, 1.0])
>>> np.round(band.value, 2)
array([0.25, 0.5 ])
>>> bool(((band.band[:, 0] <= [0.25, 0.5]) & ([0.25, 0.5] <= band.band[:, 1])).all())
True
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import instance, points, positive
from rmtland.estimate.beta_law import equivalent_draws, intervals, kolmogorov_quantile
from rmtland.estimate.lanczos import Tridiagonal
from rmtland.estimate.radau import mean_split, rounding_of_nodes
from rmtland.spectrum import Spectrum
from rmtland.typing import Real

__all__ = ["DistributionBand", "distribution_band", "spectrum_draws", "spectrum_tridiagonals"]


@dataclass(frozen=True)
class DistributionBand:
    """Distribution function at some points, with intervals and a simultaneous band.

    Made by `rmtland.estimate.distribution_band`.

    Parameters
    ----------
    x : ndarray, shape (n,)
        The points.
    value : ndarray, shape (n,)
        Mass below x and half of the mass at x.
    interval : ndarray, shape (n, 2)
        Calibrated intervals, each at the level.
    rigorous : ndarray, shape (n, 2)
        Rigorous intervals, each at the level.
    band : ndarray, shape (n, 2)
        Rigorous band for all points at once.
    resolution : ndarray, shape (n,)
        Width w of the brackets; at an atom it tends to the mass of the atom.
    confidence : float
        The level.
    """

    x: Real
    value: Real
    interval: Real
    rigorous: Real
    band: Real
    resolution: Real
    confidence: float


def distribution_band(
    spectrum: Spectrum, x: ArrayLike, *, confidence: float = 0.95
) -> DistributionBand:
    """Return the distribution function of an estimated spectrum with intervals and a band.

    Parameters
    ----------
    spectrum : Spectrum
        Of `spectral_density`, without deflation, of 2 steps or more.
    x : array_like of float, shape (n,)
        The points, in ascending order.
    confidence : float, optional
        Level of the intervals and of the band.

    Returns
    -------
    DistributionBand
        Values, intervals and the band at the points.

    Raises
    ------
    ValueError
        If the spectrum has no Jacobi matrices of Gaussian probes, or the points are not in order.
    TypeError
        If `confidence` is no real number, or `x` holds no real numbers.

    See Also
    --------
    rmtland.estimate.mass_below : one point, with narrower intervals.
    rmtland.estimate.distance_bounds : the whole.
    """
    places = np.atleast_1d(points("x", x))
    if places.ndim != 1 or (np.diff(places) < 0).any():
        raise ValueError("x must be one axis of points in ascending order")
    confidence = positive("confidence", confidence)
    if confidence >= 1:
        raise ValueError(f"confidence must be below 1; got {confidence}")
    tridiagonals, draws = spectrum_tridiagonals(spectrum), spectrum_draws(spectrum)
    rounding = rounding_of_nodes(spectrum.precision)
    splits = [mean_split(tridiagonals, float(place), rounding=rounding) for place in places]
    found = [intervals(split, draws, confidence=confidence) for split in splits]
    low = np.array([split.below for split in splits])
    at = np.array([split.at for split in splits])
    reach = kolmogorov_quantile(draws, confidence)
    certain = np.isinf(places)  # where the distribution function is 0 or 1
    lower = np.where(certain, low, np.clip(low - reach, 0.0, 1.0))
    upper = np.where(certain, low, np.clip(low + at + reach, 0.0, 1.0))
    lower, upper = np.maximum.accumulate(lower), np.minimum.accumulate(upper[::-1])[::-1]
    ends = [
        [(one.value,) * 2] * 2 if sure else [one.calibrated, one.rigorous]
        for one, sure in zip(found, certain, strict=True)
    ]
    both = np.array(ends, dtype=float).reshape(-1, 2, 2)
    return DistributionBand(
        x=places,
        value=np.maximum.accumulate(np.array([one.value for one in found])),
        interval=both[:, 0],
        rigorous=both[:, 1],
        band=np.stack([lower, upper], axis=1),
        resolution=at,
        confidence=confidence,
    )


def spectrum_draws(spectrum: Spectrum) -> float:
    """Return the binomial draws that the probes of an estimated spectrum are worth.

    Parameters
    ----------
    spectrum : Spectrum
        Of `spectral_density`.

    Returns
    -------
    float
        The n of the Beta law.

    Raises
    ------
    ValueError
        If its probes are not Gaussian.
    """
    instance("spectrum", spectrum, Spectrum, "a Spectrum, by spectral_density")
    law = spectrum.provenance.get("probe_law")
    if law not in ("Gaussian", "complex Gaussian") or spectrum.dimension is None:
        raise ValueError(
            "the spectrum does not come from Gaussian probes, whose law the intervals need; take "
            "it from rmtland.estimate.spectral_density"
        )
    size = spectrum.dimension - int(spectrum.provenance.get("deflated", 0))
    return equivalent_draws(size=size, probes=spectrum.runs, is_complex=law == "complex Gaussian")


def spectrum_tridiagonals(spectrum: Spectrum) -> list[Tridiagonal]:
    """Return the Jacobi matrices of an estimated spectrum, each with its coupling to the next.

    The last diagonal entry of a Krylov space that goes on is left out, since the coupling behind it
    is not kept.

    Parameters
    ----------
    spectrum : Spectrum
        With `alpha` and `beta`.

    Returns
    -------
    list of Tridiagonal
        One a run.

    Raises
    ------
    ValueError
        If it has none.
    """
    instance("spectrum", spectrum, Spectrum, "a Spectrum, by spectral_density")
    if spectrum.alpha is None or spectrum.beta is None:
        raise ValueError(
            "the spectrum has no Jacobi matrices (alpha, beta): take it from spectral_density with "
            "method='lanczos' and without deflation"
        )
    found = []
    steps = spectrum.alpha.shape[1]
    for alpha, beta in zip(spectrum.alpha, spectrum.beta, strict=True):
        ends = np.flatnonzero(beta == 0.0)
        if ends.size:
            length = int(ends[0]) + 1
            found.append(Tridiagonal(alpha[:length], np.append(beta[: length - 1], 0.0)))
        elif steps == spectrum.dimension:
            found.append(Tridiagonal(alpha, np.append(beta, 0.0)))
        elif steps == 1:
            raise ValueError("one step of Lanczos brackets nothing; take 2 or more")
        else:
            found.append(Tridiagonal(alpha[:-1], beta))
    return found
