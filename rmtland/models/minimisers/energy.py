r"""Energies of minimisers against phi: the power of 1 - phi.

When a network memorises noise and only the number of its hidden units varies,

.. math::

    2 \epsilon = (1 - \phi)^S, \qquad \frac{d \ln \epsilon}{d \phi} = -\frac{S}{1 - \phi},

with S the slope of a single unit on the data (`rmtland.landscape.minimisers.unit_slopes`,
`rmtland.models.minimisers.UnitField`) and :math:`\phi = p/(m n_2)`. Pennington & Bahri's
:math:`(1 - \phi)^2/2` [1]_ is S = 2, the slope of the linear unit at :math:`n_0 = n_2`. It is a
pattern with a heuristic reason, not a theorem; where it fails is on the page on minimisers.

Least squares of linear networks is another case, known exactly: :math:`(1 - \phi/2)/2` for square
ones.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> published = MinimiserEnergy()
>>> published.energy(0.5), round(published.phi(0.125), 12), published.rate(0.5)
(0.125, 0.5, -4.0)
>>> linear_minimiser_energy(0.5)
0.375
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.arguments import finite, positive

__all__ = ["MinimiserEnergy", "exponent", "linear_minimiser_energy"]


@dataclass(frozen=True)
class MinimiserEnergy:
    r"""Energy of minimisers as a power of 1 - phi.

    .. formula:: Energies of minimisers, :math:`2\varepsilon = (1 - \phi)^S` (a pattern, heuristic),
        published :math:`S = 2`

    Parameters
    ----------
    slope : float
        S; 2 is the published form.

    Raises
    ------
    ValueError
        If `slope` is not positive and finite.
    TypeError
        If it is no number.
    """

    slope: float = 2.0

    def __post_init__(self) -> None:
        positive("slope", self.slope)

    def energy(self, phi: float) -> float:
        """Return epsilon = (1 - phi)^S/2, the loss per output for targets of mean square 1.

        Parameters
        ----------
        phi : float
            p/(m n2), from 0 to 1.

        Returns
        -------
        float
            epsilon, from 0 to 1/2.
        """
        return float(0.5 * (1.0 - _share(phi)) ** self.slope)

    def phi(self, energy: float) -> float:
        """Return the phi at which minimisers have an energy.

        Parameters
        ----------
        energy : float
            From 0 to 1/2.

        Returns
        -------
        float
            From 0 to 1.

        Raises
        ------
        ValueError
            If the energy is not from 0 to 1/2, that of zero weights.
        TypeError
            If it is no number.
        """
        value = finite("energy", energy)
        if not 0 <= value <= 0.5:
            raise ValueError(f"energy must be from 0 to 1/2, that of zero weights; got {value:g}")
        return float(1.0 - (2.0 * value) ** (1.0 / self.slope))

    def rate(self, phi: float) -> float:
        """Return d ln epsilon/d phi = -S/(1 - phi).

        Parameters
        ----------
        phi : float
            From 0 to 1, 1 not included.

        Returns
        -------
        float
            At most -S.

        Raises
        ------
        ValueError
            If `phi` is below 0 or not below 1.
        TypeError
            If it is no number.
        """
        if _share(phi) == 1.0:
            raise ValueError("the rate is infinite at phi = 1; take a smaller phi")
        return -self.slope / (1.0 - phi)


def exponent(phi: float, energy: float) -> float:
    """Return ln(2 epsilon)/ln(1 - phi), the power at one point.

    Parameters
    ----------
    phi : float
        Between 0 and 1.
    energy : float
        Positive.

    Returns
    -------
    float
        S.

    Raises
    ------
    ValueError
        If `phi` is not between 0 and 1, or the energy not positive.
    TypeError
        If one of them is no number.
    """
    if not 0 < _share(phi) < 1:
        raise ValueError(f"phi must be between 0 and 1; got {phi:g}")
    return float(np.log(2.0 * positive("energy", energy)) / np.log1p(-phi))


def linear_minimiser_energy(phi: float) -> float:
    """Return the energy of least squares of a square linear network, (1 - phi/2)/2.

    Parameters
    ----------
    phi : float
        2n/m, from 0 to 2.

    Returns
    -------
    float
        From 0 to 1/2.

    Raises
    ------
    ValueError
        If `phi` is not from 0 to 2; beyond, the data are interpolated.
    TypeError
        If it is no number.
    """
    value = finite("phi", phi)
    if not 0 <= value <= 2:
        raise ValueError(f"phi must be from 0 to 2, where the data are interpolated; got {value:g}")
    return 0.5 * (1.0 - 0.5 * value)


def _share(phi: float) -> float:
    value = finite("phi", phi)
    if not 0 <= value <= 1:
        raise ValueError(f"phi must be from 0 to 1; got {value:g}")
    return value
