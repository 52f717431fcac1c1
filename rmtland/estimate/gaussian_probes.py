"""Gaussian probes: random vectors from which estimates of a spectrum start.

Examples
--------
>>> import numpy as np
>>> gaussian_probe(np.random.default_rng(0), 3, is_complex=True).dtype
dtype('complex128')
"""

from __future__ import annotations

import numpy as np

from rmtland.typing import NumpyArray

__all__ = ["gaussian_probe"]


def gaussian_probe(generator: np.random.Generator, size: int, *, is_complex: bool) -> NumpyArray:
    """Draw a vector of independent standard Gaussian entries.

    Parameters
    ----------
    generator : numpy.random.Generator
        The probe's own.
    size : int
        Length.
    is_complex : bool
        Whether real and imaginary parts are drawn.

    Returns
    -------
    ndarray, shape (size,)
        float64 or complex128.
    """
    real = generator.standard_normal(size)
    return real + 1j * generator.standard_normal(size) if is_complex else real
