"""Compiled sums over point masses; the formulas stand in `rmtland.laws.discrete`.

Points are given by real part x and imaginary part y >= 0. The kernels are tested equal to the plain
references `jet_reference` and `potential_reference` beside the laws.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from rmtland.compiled import Options, compiled, parallel_kernel

__all__ = ["jet", "potential"]

Real = NDArray[np.float64]


def _jet(x: Real, y: Real, places: Real, masses: Real, result: Real) -> None:
    """Fill rows Re G, Im G, Re G', Im G' of the result; no point may be a place."""
    for i in range(x.size):
        a, b = x[i], y[i]
        real = imag = slope_real = slope_imag = 0.0
        for k in range(places.size):
            d = a - places[k]
            scale = 1.0 / (d * d + b * b)
            u, v, mass = d * scale, b * scale, masses[k]
            real += mass * u
            imag -= mass * v
            slope_real -= mass * (u * u - v * v)
            slope_imag += mass * (2.0 * u * v)
        result[0, i], result[1, i] = real, imag
        result[2, i], result[3, i] = slope_real, slope_imag


def _potential(x: Real, y: Real, places: Real, masses: Real, result: Real) -> None:
    """Fill rows Re L, Im L of the result; the imaginary part only off the real axis."""
    for i in range(x.size):
        a, b = x[i], y[i]
        real = imag = 0.0
        if b == 0.0:
            for k in range(places.size):
                real += masses[k] * math.log(abs(a - places[k]))
        else:
            for k in range(places.size):
                d = a - places[k]
                real += masses[k] * 0.5 * math.log(d * d + b * b)
                imag += masses[k] * math.atan2(b, d)
        result[0, i], result[1, i] = real, imag


# Sums may be taken in any order; infinities and NaN keep their meaning.
_FAST = {"reassoc", "contract", "nsz", "arcp"}
_BLOCKS = 64
_options: Options = {"error_model": "numpy", "fastmath": _FAST}
_serial_jet = compiled(**_options)(_jet)
_serial_potential = compiled(**_options)(_potential)


def _jet_in_blocks(x: Real, y: Real, places: Real, masses: Real, result: Real) -> None:
    for k in numba.prange(_BLOCKS):
        here = slice(k * x.size // _BLOCKS, (k + 1) * x.size // _BLOCKS)
        _serial_jet(x[here], y[here], places, masses, result[:, here])


def _potential_in_blocks(x: Real, y: Real, places: Real, masses: Real, result: Real) -> None:
    for k in numba.prange(_BLOCKS):
        here = slice(k * x.size // _BLOCKS, (k + 1) * x.size // _BLOCKS)
        _serial_potential(x[here], y[here], places, masses, result[:, here])


_parallel_jet = parallel_kernel(_jet_in_blocks, **_options)
_parallel_potential = parallel_kernel(_potential_in_blocks, **_options)

_MANY = 4_000_000
"""Terms from which on the work is worth starting threads for, on a busy machine as well."""


def jet(x: Real, y: Real, places: Real, masses: Real, result: Real) -> None:
    """Fill rows Re G, Im G, Re G', Im G' of the result; no point may be a place."""
    kernel = _parallel_jet if x.size * places.size >= _MANY else _serial_jet
    kernel(x, y, places, masses, result)


def potential(x: Real, y: Real, places: Real, masses: Real, result: Real) -> None:
    """Fill rows Re L, Im L of the result; the imaginary part only off the real axis."""
    kernel = _parallel_potential if x.size * places.size >= _MANY else _serial_potential
    kernel(x, y, places, masses, result)
