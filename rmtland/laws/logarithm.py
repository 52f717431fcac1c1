r"""The logarithm of 1 + a w near and far, with the branch that logarithmic potentials need.

Logarithmic potentials of laws are sums of :math:`\log(1 + a w)` with w in the closed upper
half-plane. For small a w the sum is formed by :math:`\log |1 + a w|^2 = \log(1 + a(2 \Re w +
a |w|^2))`, so that a large multiple of it keeps its accuracy. On the real axis the argument is the
limit from above: :math:`\pm \pi` where 1 + a w < 0, with the sign of a.

Examples
--------
>>> import numpy as np
>>> complex(log_one_plus(1.0, np.array([1e-20 + 0j]))[0])
(1e-20+0j)
>>> log_one_plus(-2.0, np.array([1.0 + 0j])).imag / np.pi
array([-1.])
"""

from __future__ import annotations

import numpy as np

from rmtland.laws.law import Complex

__all__ = ["log_one_plus"]


def log_one_plus(a: float, w: Complex) -> Complex:
    """Return log(1 + a w) for real `a` and Im w >= 0; -infinity where a w = -1."""
    real, imag = a * w.real, a * w.imag
    with np.errstate(divide="ignore"):
        near = np.log1p(np.maximum(real * (2 + real) + imag * imag, -0.9)) / 2
        far = np.log(np.hypot(1 + real, imag))
    value = np.empty(w.shape, dtype=np.complex128)
    value.real = np.where(np.abs(real) + np.abs(imag) < 0.5, near, far)
    value.imag = np.arctan2(imag, 1 + real)
    return value
