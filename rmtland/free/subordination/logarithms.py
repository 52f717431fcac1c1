"""Exponentials of logarithms whose arguments are multiples of pi on the real axis.

States of products are kept in logarithms; on the axis the numbers themselves have to be real.

Examples
--------
>>> import numpy as np
>>> exp_of(np.array([np.log(2.0) + 1j * np.pi])), one_less_exp_of(np.array([1e-20 + 0j]))
(array([-2.+0.j]), array([-1.e-20+0.j]))
"""

from __future__ import annotations

import numpy as np

from rmtland.typing import Complex, Logical

__all__ = ["exp_of", "folded", "log_beside_cut", "on_cut", "one_less_exp_of"]


def exp_of(logarithm: Complex) -> Complex:
    """Exponential; exactly real where the argument is a multiple of pi."""
    value = np.exp(logarithm)
    flat = on_cut(logarithm)
    return np.where(flat, value.real + 0j, value) if flat.any() else np.asarray(value)


def on_cut(logarithm: Complex) -> Logical:
    """Whether the numbers are real: arguments that are multiples of pi."""
    return np.asarray(logarithm.imag == np.pi * np.round(logarithm.imag / np.pi))


def one_less_exp_of(logarithm: Complex) -> Complex:
    """1 - exp without cancellation; exactly real where the argument is a multiple of pi."""
    value = -np.expm1(logarithm)
    turns = np.round(logarithm.imag / np.pi)
    flat = logarithm.imag == np.pi * turns
    if not flat.any():
        return np.asarray(value)
    real = np.where(turns % 2, 1 + np.exp(logarithm.real), -np.expm1(logarithm.real))
    return np.where(flat, real + 0j, value)


def log_beside_cut(value: Complex, flip: Logical) -> Complex:
    """Principal logarithm; negative numbers are above the cut if `flip`, else below."""
    real = np.log(np.abs(value))
    angle = np.angle(value)
    cut = (value.imag == 0) & (value.real < 0)
    return np.asarray(real + 1j * np.where(cut, np.where(flip, np.pi, -np.pi), angle))


def folded(logarithms: tuple[Complex, ...]) -> tuple[Complex, ...]:
    """Exponentials, those in the lower half-plane conjugated: where operands are evaluated."""
    points = [exp_of(each) for each in logarithms]
    return tuple(np.where(point.imag < 0, point.conj(), point) for point in points)
