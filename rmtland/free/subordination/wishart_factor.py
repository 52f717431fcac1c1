r"""A Marchenko-Pastur factor of a free product, whose subordination point is explicit.

With eta = m/(1 + m), M(omega) = m is solved by

.. math:: \omega = s \, \frac{(1 + m)(1 + \varphi m)}{m}
          = \frac{s \, (1 + (\varphi - 1) \eta)}{\eta (1 - \eta)} .

>>> import numpy as np
>>> from rmtland.laws import MarchenkoPastur
>>> law, eta = MarchenkoPastur(0.5), np.array([0.25 - 0.1j])
>>> omega = np.exp(wishart_place(law, np.log(eta), eta, 1 - eta))
>>> m = omega * law.stieltjes(omega) - 1
>>> bool(abs(m / (1 + m) - eta)[0] < 1e-14)
True
"""

from __future__ import annotations

import math

import numpy as np

from rmtland.laws.marchenko_pastur import MarchenkoPastur
from rmtland.typing import Complex

__all__ = ["wishart_place", "wishart_slope"]


def wishart_place(
    law: MarchenkoPastur, common: Complex, eta: Complex, one_less: Complex
) -> Complex:
    """Return log omega at log eta, eta and 1 - eta, up to a multiple of 2 pi i."""
    share = _share(law, eta, one_less)
    return np.asarray(math.log(law.scale) - common + np.log(share / one_less))


def wishart_slope(law: MarchenkoPastur, eta: Complex, one_less: Complex) -> Complex:
    """Return the derivative of log omega in log eta."""
    share = _share(law, eta, one_less)
    return np.asarray(-1 + eta * ((law.aspect_ratio - 1) / share + 1 / one_less))


def _share(law: MarchenkoPastur, eta: Complex, one_less: Complex) -> Complex:
    """Return 1 + (phi - 1) eta, without cancellation at eta near 1 or, for phi near 1, large."""
    phi = law.aspect_ratio
    return np.asarray(1 + (phi - 1) * eta if 0.5 < phi < 2 else one_less + phi * eta)
