r"""Free decompression: the law of a large matrix from the spectrum of a principal submatrix.

The submatrix of size n = tN of an N x N matrix in general position has the law of a free
compression, :math:`R_n(g) = R_N(t g)`; hence :math:`R_N(g) = R_n(g/t)`: the whole has the free
power t < 1 of the submatrix, scaled by 1/t [1]_. A free power below 1 need not exist, and a
measured law has one only in the limit: a law is fitted to its Stieltjes transform on a curve above
the axis (`rmtland.free.measured_power`), the smoothest that agrees within the noise
(`rmtland.free.stieltjes_fit`), which is the regularisation of the analytic continuation.

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
from rmtland.free.measured_power import measured_free_power
from rmtland.free.powers import free_power
from rmtland.free.recovered import Deconvolution
from rmtland.free.sums import Operand, as_law
from rmtland.laws.affine_law import affine
from rmtland.laws.discrete import EmpiricalLaw
from rmtland.laws.law import Law

__all__ = ["free_decompression"]


def free_decompression(part: Operand, share: float, *, samples: int | None = None) -> Deconvolution:
    """Return the law of a matrix from the law or the measured spectrum of a principal submatrix.

    .. formula:: Free decompression, law of a matrix from a corner of relative size :math:`t`,
        :math:`R(g) = R_t(g/t)`

    Parameters
    ----------
    part : Law, Spectrum, SpectralModel or array_like of float
        Law of the submatrix; a measured spectrum (or eigenvalues in an array) stands for its
        `EmpiricalLaw`.
    share : float
        Size of the submatrix over that of the matrix, in (0, 1].
    samples : int, optional
        Number of eigenvalues that a measured spectrum stands for; their number by default.

    Returns
    -------
    Deconvolution
        From a measured spectrum the law of the matrix as point masses, its estimated Wasserstein
        error and the regularisation; from a law that has the power (`free_power`) the exact one.

    Raises
    ------
    ValueError
        If the share is not in (0, 1], if no law has a compression that fits the measurement, or the
        law of a matrix with that corner is not known.
    TypeError
        If `part` is not a law, and has none.

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
    law, size = as_law("free_decompression", part), positive("share", share)
    if size > 1:
        raise ValueError(f"share must be in (0, 1]; got {size}")
    if samples is not None:
        samples = count("samples", samples, min_value=2)
    if not isinstance(law, EmpiricalLaw):
        return Deconvolution(affine(free_power(law, size), scale=1 / size))
    power = measured_free_power(law, size, samples=samples)
    whole = affine(power, scale=1 / size)
    error = power.error / size
    return Deconvolution(
        whole,
        error=error,
        distance="wasserstein",
        residual=_residual(power, law, size),
        regularisation=power.regularisation,
        bracket=math.inf,
        route="measured",
    )


def _residual(power: Law, law: EmpiricalLaw, t: float) -> float:
    """Largest |G_X(omega) / G_T - 1| on a line above the law."""
    low, high = law.hull
    height = 0.5 * ((high - low) or 1.0)
    z = (np.linspace(low, high, 33) + 1j * height).astype(np.complex128)
    g = law._stieltjes(z)
    omega = (t * z + (1 - t) / g).astype(np.complex128)
    return float(np.abs(power._stieltjes(omega) / g - 1).max())
