r"""Outliers: what a perturbation of finite rank does to the spectrum of a large matrix.

Let A have the limiting law mu and eigenvectors in general position to the perturbation. With G the
Stieltjes transform of mu and M(z) = z G(z) - 1:

* additive, A + theta u u^T: an eigenvalue separates at every z outside the support with
  G(z) = 1/theta, and its eigenvector has the squared overlap -1 / (theta^2 G'(z)) with u;
* multiplicative, B A B with B^2 = I + (l - 1) u u^T: an eigenvalue separates where
  M(z) = 1/(l - 1), with the squared overlap -l / ((l - 1)^2 z M'(z)) with u.

G and M decrease between the parts of the support, so that there is at most one outlier in a gap;
where none is found on the outside the perturbation is below the threshold (the BBP transition, of
Baik, Ben Arous and Peche) and the extreme eigenvalue stays at the edge [1]_.

References
----------
.. [1] F. Benaych-Georges and R. R. Nadakuditi, The eigenvalues and eigenvectors of finite, low rank
       perturbations of large random matrices, Advances in Mathematics 227 (2011) 494-521,
       theorems 2.1, 2.2, 2.6 and remark 2.11.
.. [2] J. Baik, G. Ben Arous and S. Peche, Phase transition of the largest eigenvalue for nonnull
       complex sample covariance matrices, Annals of Probability 33 (2005) 1643-1697.

Examples
--------
>>> from rmtland import Semicircle, spiked
>>> spiked(Semicircle(), [2.0, 0.5])
(Outlier(spike=2.0, location=2.5, overlap=0.75),)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import choice, dense_array, float_array
from rmtland.free.sums import Operand, as_law
from rmtland.free.units import unit_of
from rmtland.laws.affine_law import affine
from rmtland.laws.gaps import Curve, invert
from rmtland.typing import Real

__all__ = ["Outlier", "spiked"]


@dataclass(frozen=True)
class Outlier:
    r"""An eigenvalue that a perturbation separates from the bulk.

    .. formula:: Overlap of the eigenvector of an outlier with its spike, :math:`-1/(\theta^2
        G'(\lambda))`

    Made by `rmtland.free.spiked`.

    Parameters
    ----------
    spike : float
        Eigenvalue of the perturbation that it comes from.
    location : float
        Limit of the outlying eigenvalue.
    overlap : float
        Limit of the squared inner product of its eigenvector with that of the spike, in (0, 1].
    """

    spike: float
    location: float
    overlap: float


def spiked(law: Operand, spikes: ArrayLike, *, kind: str = "additive") -> tuple[Outlier, ...]:
    r"""Return the outliers that a finite-rank perturbation of a matrix with this law produces.

    .. formula:: Outliers of spiked matrices (BBP), :math:`G(\lambda) = 1/\theta`, :math:`\lambda
        G(\lambda) - 1 = 1/(l - 1)`

    Parameters
    ----------
    law : Law, Spectrum, SpectralModel or array_like of float
        Limiting law of the bulk: any law, with any number of gaps.
    spikes : array_like of float
        Eigenvalues of the perturbation: theta for "additive" (0 is no perturbation), l > 0 for
        "multiplicative" (1 is none; the law must be on [0, infinity)).
    kind : str
        "additive" or "multiplicative".

    Returns
    -------
    tuple of Outlier
        In the order of the spikes, and ascending for each; a spike below its threshold gives none.

    Raises
    ------
    ValueError
        If the kind is unknown, a spike is not finite, a multiplicative spike is not positive, or
        the law of a multiplicative perturbation is not on [0, infinity).
    TypeError
        If `spikes` holds no real numbers.

    See Also
    --------
    rmtland.ensembles.SpikedEnsemble : its random matrices.
    rmtland.comparison.spike_strengths : strengths behind measured spikes.
    """
    choice("kind", kind, ("additive", "multiplicative"))
    law = as_law("spiked", law)
    array = float_array("spikes", np.atleast_1d(dense_array("spikes", spikes)), ndim=1)
    multiplicative = kind == "multiplicative"
    if multiplicative:
        lowest = min([low for low, _ in law.support] + [place for place, _ in law.atoms])
        if lowest < 0:
            raise ValueError(
                f"a multiplicative perturbation needs a law on [0, infinity); {law!r} "
                f"reaches down to {lowest}"
            )
        if array.min() <= 0:
            raise ValueError(f"multiplicative spikes must be positive; got {array.min()}")

    unit = unit_of(law)
    if unit != 1:
        factor = 1.0 if multiplicative else unit
        inner = spiked(affine(law, scale=1 / unit), array / factor, kind=kind)
        return tuple(
            Outlier(factor * found.spike, unit * found.location, found.overlap) for found in inner
        )

    def values(curve: Curve) -> tuple[Real, Real]:
        if not multiplicative:
            return curve.g, curve.dg
        with np.errstate(invalid="ignore"):
            value = np.where(np.isinf(curve.point), 0.0, curve.point * curve.g - 1)
            return value, curve.g + curve.point * curve.dg

    gaps = law.complement()
    found = []
    for spike in array.tolist():
        strength = spike - 1 if multiplicative else spike
        if strength == 0:
            continue
        outliers = []
        for gap in gaps:
            s = invert(gap, lambda curve: values(curve)[0], np.array([1 / strength]))
            if not np.isfinite(s[0]):
                continue
            curve = gap.along(s)
            (z,), ((value,), (slope,)) = curve.point, values(curve)
            # One Newton step takes out the rounding of the coordinate.
            z = z - (value - 1 / strength) / slope
            overlap = -1 / (strength**2 * slope) * (spike / z if multiplicative else 1.0)
            outliers.append(Outlier(spike, float(z), float(overlap)))
        found += sorted(outliers, key=lambda outlier: outlier.location)
    return tuple(found)
