r"""Free decompression: the law of a large matrix from the spectrum of a principal submatrix.

The submatrix of size n = tN of an N x N matrix in general position has the law of a free
compression, :math:`R_n(g) = R_N(t g)`; hence :math:`R_N(g) = R_n(g/t)`: the whole has the free
power t < 1 of the submatrix, scaled by 1/t [1]_. A free power below 1 need not exist, and a
measured law has one only in the limit. For the law X with :math:`X^{\boxplus s}` = T, s = 1/t,

.. math:: \omega(z) = t z + \frac{1 - t}{G_T(z)}, \qquad G_X(\omega(z)) = G_T(z),

so that a measured :math:`G_T` off the axis gives :math:`G_X` on a curve above it. A law is fitted
to these values: the smoothest that agrees within the noise (`rmtland.free.stieltjes_fit`), which
is the regularisation of the analytic continuation to the axis. First-order noise of the values is
that of :math:`G_T` times :math:`t / |\omega'(z)|`, since omega is measured too.

Also: spectral extrapolation, size-up of a submatrix, the inverse of `free_compression`.

References
----------
.. [1] A. Nica and R. Speicher, Lectures on the Combinatorics of Free Probability, Cambridge
       University Press, 2006, theorem 14.10 (compression by a free projection).
.. [2] S. Ameli, C. van der Heide, L. Hodgkinson and M. W. Mahoney, Spectral estimation with free
       decompression, arXiv:2506.11994, 2025.

Examples
--------
>>> import numpy as np
>>> from rmtland import EmpiricalLaw, MarchenkoPastur, free_compression
>>> whole = MarchenkoPastur(0.5)
>>> part = free_compression(whole, 0.5)
>>> measured = EmpiricalLaw(part.ppf((np.arange(500) + 0.5) / 500))
>>> found = free_decompression(measured, 0.5)
>>> x = np.linspace(0.0, 3.0, 301)
>>> area = np.abs(found.law.cdf(x) - whole.cdf(x)).sum() * 0.01
>>> bool(area <= found.error < 0.1)
True
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.arguments import count, positive
from rmtland.free.recovered import Deconvolution, RecoveredLaw
from rmtland.free.stieltjes_fit import grid_on, law_from_stieltjes
from rmtland.laws.affine_law import affine
from rmtland.laws.discrete import EmpiricalLaw
from rmtland.laws.law import Law
from rmtland.spectrum import Spectrum
from rmtland.typing import Complex, Real

__all__ = ["free_decompression", "measured_free_power"]

_HEIGHTS = 6


def free_decompression(
    part: EmpiricalLaw | Spectrum, share: float, *, samples: int | None = None
) -> Deconvolution:
    """Return the law of a matrix from the measured spectrum of a principal submatrix.

    .. formula:: Free decompression, law of a matrix from a corner of relative size :math:`t`,
        :math:`R(g) = R_t(g/t)`

    Parameters
    ----------
    part : EmpiricalLaw or Spectrum
        Eigenvalues of the submatrix.
    share : float
        Size of the submatrix over that of the matrix, in (0, 1].
    samples : int, optional
        Number of eigenvalues that the spectrum stands for; their number by default.

    Returns
    -------
    Deconvolution
        The law of the matrix as point masses, its estimated Wasserstein error and the
        regularisation.

    Raises
    ------
    ValueError
        If the share is not in (0, 1], or no law has a compression that fits the measurement.
    TypeError
        If `part` is not a measured spectrum.

    See Also
    --------
    rmtland.free.free_compression : the law of a corner.

    Notes
    -----
    The matrix must be in general position to the coordinates of the submatrix, as one is whose
    eigenvectors are uniform. The resolution is limited: features of the matrix narrower than the
    imaginary part of omega are not in the data, and are smoothed. The error covers what agrees
    with the measurement within its noise, in the sense of `rmtland.free.stieltjes_fit`.
    """
    law, share = _measured("free_decompression", part), _share("share", share)
    power = measured_free_power(law, share, samples=samples)
    whole = affine(power, scale=1 / share)
    error = power.error / share
    return Deconvolution(
        whole,
        error=error,
        distance="wasserstein",
        residual=_residual(power, law, share),
        regularisation=power.regularisation,
        bracket=math.inf,
        route="measured",
    )


def measured_free_power(
    law: EmpiricalLaw | Spectrum, t: float, *, samples: int | None = None
) -> RecoveredLaw:
    """Return the free power t <= 1 of a measured law, by regularised continuation.

    Parameters
    ----------
    law : EmpiricalLaw or Spectrum
        Measured eigenvalues.
    t : float
        The power, in (0, 1].
    samples : int, optional
        Number of eigenvalues that the law stands for; their number by default.

    Returns
    -------
    RecoveredLaw
        Point masses with their estimated Wasserstein error and the regularisation.

    Raises
    ------
    ValueError
        If t is not in (0, 1], or no law has a free power 1/t that fits the measurement.
    TypeError
        If `law` is not a measured spectrum.
    """
    measured, power = _measured("measured_free_power", law), _share("t", t)
    size = measured.eigenvalues.size if samples is None else count("samples", samples, min_value=2)
    if power == 1 or measured.is_point_mass:
        image = affine(measured, scale=power) if measured.is_point_mass else measured
        assert isinstance(image, EmpiricalLaw)
        return RecoveredLaw(image.eigenvalues, image.weights, 0.0, "none: nothing to continue")
    omega, values, sizes = _equations(measured, power, size)
    low, high = measured.hull
    # The conditional expectation of a sum of 1/t free copies, given one of them, is that one plus
    # 1/t - 1 means.
    shift = (1 - power) * measured.mean()
    return law_from_stieltjes(
        omega, values, sizes, grid_on((low - shift, high - shift)), samples=size
    )


def _equations(law: EmpiricalLaw, t: float, samples: int) -> tuple[Complex, Complex, Real]:
    """Subordinated points, the values of G there, and the standard deviations of their noise."""
    low, high = law.hull
    width = high - low
    lowest = max(4.0 / samples, 0.01) * width
    lines = []
    for height in np.geomspace(lowest, 2 * width, _HEIGHTS):
        reach = width / 2 + 2 * height
        number = max(5, math.ceil(2 * reach / height))
        lines.append((low + high) / 2 + np.linspace(-reach, reach, number) + 1j * height)
    z = np.concatenate(lines)
    g, slope = law._jet(z)
    omega = t * z + (1 - t) / g
    rise = t - (1 - t) * slope / g**2
    sizes = t / np.abs(rise) / (2 * samples * z.imag)
    # Beyond first order where the noise moves omega by much of its height
    moved = (1 - t) / np.abs(g) ** 2 / (2 * samples * z.imag)
    fine = (np.abs(rise) > 0) & (moved < 0.25 * omega.imag)
    return omega[fine], g[fine], sizes[fine]


def _residual(power: Law, law: EmpiricalLaw, t: float) -> float:
    """Largest |G_X(omega) / G_T - 1| on a line above the law."""
    low, high = law.hull
    height = 0.5 * ((high - low) or 1.0)
    z = (np.linspace(low, high, 33) + 1j * height).astype(np.complex128)
    g = law._stieltjes(z)
    omega = (t * z + (1 - t) / g).astype(np.complex128)
    return float(np.abs(power._stieltjes(omega) / g - 1).max())


def _measured(name: str, law: object) -> EmpiricalLaw:
    if isinstance(law, Spectrum):
        return EmpiricalLaw.of(law)
    if not isinstance(law, EmpiricalLaw):
        raise TypeError(
            f"{name} takes a Spectrum or an EmpiricalLaw of measured eigenvalues; got {law!r}"
        )
    return law


def _share(name: str, value: float) -> float:
    number = positive(name, value)
    if number > 1:
        raise ValueError(f"{name} must be in (0, 1]; got {number}")
    return number
