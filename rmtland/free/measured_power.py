r"""The free power below 1 of measured eigenvalues, by regularised continuation.

For the law X with :math:`X^{\boxplus s}` = T, s = 1/t,

.. math:: \omega(z) = t z + \frac{1 - t}{G_T(z)}, \qquad G_X(\omega(z)) = G_T(z),

so that a measured :math:`G_T` off the axis gives :math:`G_X` on a curve above it, to which a law is
fitted (`rmtland.free.stieltjes_fit`). First-order noise of the values is that of :math:`G_T` times
:math:`t / |\omega'(z)|`, since omega is measured too.

Examples
--------
>>> import numpy as np
>>> from rmtland import EmpiricalLaw, Semicircle
>>> measured = EmpiricalLaw(Semicircle(2.0).ppf((np.arange(400) + 0.5) / 400))
>>> half = measured_free_power(measured, 0.5)  # Semicircle(1.0)
>>> abs(half.var() - 1) < 0.05, half.error < 0.2
(True, True)
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.arguments import count, positive
from rmtland.free.recovered import RecoveredLaw
from rmtland.free.stieltjes_fit import grid_on, law_from_stieltjes
from rmtland.free.units import unit_of
from rmtland.laws.affine_law import affine
from rmtland.laws.discrete import EmpiricalLaw
from rmtland.typing import Complex, Real

__all__ = ["measured_free_power"]

_HEIGHTS = 6


def measured_free_power(law: EmpiricalLaw, t: float, *, samples: int | None = None) -> RecoveredLaw:
    """Return the free power t <= 1 of a measured law, by regularised continuation.

    Parameters
    ----------
    law : EmpiricalLaw
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
    """
    measured, power = law, positive("t", t)
    if power > 1:
        raise ValueError(f"t must be in (0, 1]; got {power}")
    size = measured.eigenvalues.size if samples is None else count("samples", samples, min_value=2)
    if power == 1 or measured.is_point_mass:
        image = affine(measured, scale=power) if measured.is_point_mass else measured
        assert isinstance(image, EmpiricalLaw)
        return RecoveredLaw(image.eigenvalues, image.weights, 0.0, "none: nothing to continue")
    unit = unit_of(measured)
    if unit != 1:
        plain = affine(measured, scale=1 / unit)
        assert isinstance(plain, EmpiricalLaw)
        found = affine(measured_free_power(plain, power, samples=size), scale=unit)
        assert isinstance(found, RecoveredLaw)
        return found
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
