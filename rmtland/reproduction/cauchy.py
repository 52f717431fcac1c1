r"""Densities and distribution functions seen at a height above the real axis.

Convolution with a Cauchy density of half-width eta,

.. math:: \rho_\eta(x) = -\tfrac1\pi \operatorname{Im} G(x + i\eta), \qquad
          F_\eta(x) = 1 - \tfrac1\pi \operatorname{Im} L(x + i\eta), \qquad L' = G,

is what the matrix Dyson equation gives at finite size and what makes it comparable with
eigenvalues, for which the two are means of Cauchy densities and of arctangents. Distances of two
smoothed distribution functions are at most those of the functions themselves.

>>> import numpy as np
>>> from rmtland import Semicircle
>>> x, law = np.linspace(-2.0, 2.0, 5), Semicircle()
>>> levels = law.ppf((np.arange(2000) + 0.5) / 2000)
>>> bool(np.abs(smoothed_cdf(levels, x, 0.1) - smoothed_cdf(law, x, 0.1)).max() < 1e-5)
True
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtland.laws import Law

__all__ = ["smoothed_cdf", "smoothed_density"]

Real = NDArray[Any]  # float64


def smoothed_density(of: Law | Real, x: Real, eta: float) -> Real:
    """Return the density of a law, or of eigenvalues of any shape, at points x."""
    if isinstance(of, Law):
        return np.asarray(-of.stieltjes(x + 1j * eta).imag / np.pi)
    distance = x[:, None] - np.ravel(of)
    return np.asarray((eta / np.pi / (distance**2 + eta**2)).mean(axis=1))


def smoothed_cdf(of: Law | Real, x: Real, eta: float) -> Real:
    """Return the distribution function of a law, or of eigenvalues of any shape, at points x."""
    if isinstance(of, Law):
        return np.asarray(1 - of.log_potential(x + 1j * eta).imag / np.pi)
    distance = x[:, None] - np.ravel(of)
    return np.asarray(0.5 + np.arctan(distance / eta).mean(axis=1) / np.pi)
