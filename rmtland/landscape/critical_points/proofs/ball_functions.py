r"""Activations and their derivatives, and the losses, on balls: arithmetic of python-flint (Arb).

Arb [1]_ encloses values of elementary and special functions over balls at any precision; here are
the formulas for f, f' and f'' of each activation with two derivatives, and the gradient
:math:`r = \partial l/\partial o` and curvature :math:`\Lambda = \partial^2 l/\partial o^2` of each
loss. They are written down anew and share no code with `rmtland.networks`.

References
----------
.. [1] F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE
       Transactions on Computers 66 (2017) 1281-1292.

Examples
--------
>>> value, slope, curvature = smooth_function("tanh")(flint().arb(0.5, 1e-12))
>>> value.contains(flint().arb(0.5).tanh()), float(slope.rad()) < 1e-11
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from rmtland.landscape.critical_points.proofs.ball_array import UNIT, BallArray, up
from rmtland.typing import Real

if TYPE_CHECKING:
    import flint as flint_library

__all__ = [
    "SMOOTH",
    "balls_of",
    "flint",
    "output_derivatives",
    "precision",
    "smooth_function",
    "to_ball_array",
]

Ball: TypeAlias = "flint_library.arb"
"""A ball of python-flint: `flint.arb`."""

Matrix: TypeAlias = "flint_library.arb_mat"
"""A matrix of balls: `flint.arb_mat`."""

Triple = tuple[Ball, Ball, Ball]


def flint() -> ModuleType:
    """Return the module python-flint, or say how it is installed.

    Returns
    -------
    module
        python-flint.

    Raises
    ------
    ImportError
        If it is not there.
    """
    try:
        import flint as found
    except ImportError:
        raise ImportError(
            "proofs need python-flint, which is not installed: pip install 'rmtland[proofs]'; "
            "without it give prove=False (--no-prove of rmtland critical-points)"
        ) from None
    return found


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Compute with balls whose midpoints have so many bits, inside the block.

    Parameters
    ----------
    bits : int
        Of the midpoints.
    """
    context = flint().ctx
    before = context.prec
    context.prec = bits
    try:
        yield
    finally:
        context.prec = before


def _tanh(z: Ball) -> Triple:
    value = z.tanh()
    slope = 1 - value * value
    return value, slope, -2 * value * slope


def _logistic(z: Ball) -> Ball:
    return 1 / (1 + (-z).exp())


def _sigmoid(z: Ball) -> Triple:
    value = _logistic(z)
    slope = value * (1 - value)
    return value, slope, slope * (1 - 2 * value)


def _softplus(z: Ball) -> Triple:
    slope = _logistic(z)
    value = z + (-z).exp().log1p() if float(z) > 0.0 else z.exp().log1p()
    return value, slope, slope * (1 - slope)


def _erf(z: Ball) -> Triple:
    slope = 2 / flint().arb.const_sqrt_pi() * (-z * z).exp()
    return z.erf(), slope, -2 * z * slope


def _gelu(z: Ball) -> Triple:
    arb = flint().arb
    density = (-z * z / 2).exp() / (arb(2).sqrt() * arb.const_sqrt_pi())
    below = (-z / arb(2).sqrt()).erfc() / 2
    return z * below, below + z * density, density * (2 - z * z)


def _silu(z: Ball) -> Triple:
    s = _logistic(z)
    slope = s * (1 - s)
    return z * s, s + z * slope, slope * (2 + z * (1 - 2 * s))


def _linear(z: Ball) -> Triple:
    return z, flint().arb(1), flint().arb(0)


def _quadratic(z: Ball) -> Triple:
    return z * z, 2 * z, flint().arb(2)


def _sine(z: Ball) -> Triple:
    value = z.sin()
    return value, z.cos(), -value


SMOOTH: dict[str, Callable[[Ball], Triple]] = {
    "tanh": _tanh,
    "erf": _erf,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "gelu": _gelu,
    "silu": _silu,
    "linear": _linear,
    "quadratic": _quadratic,
    "sine": _sine,
}
"""Value, slope and curvature of a ball, by the name of the activation."""


def smooth_function(name: str) -> Callable[[Ball], Triple]:
    """Return value, slope and curvature of an activation, as one function of a ball.

    Parameters
    ----------
    name : str
        Of the activation.

    Returns
    -------
    callable
        From a ball to three.

    Raises
    ------
    ValueError
        If it has no second derivative everywhere, or is not known here.
    """
    if name not in SMOOTH:
        raise ValueError(
            f"nothing is proved of networks with the activation {name!r}; "
            f"there are formulas for {', '.join(SMOOTH)}; give prove=False (--no-prove)"
        )
    return SMOOTH[name]


def balls_of(array: BallArray) -> list[Ball]:
    """Return the entries as balls of python-flint, in order.

    Parameters
    ----------
    array : BallArray
        Of any shape.

    Returns
    -------
    list of flint.arb
        One a number.
    """
    arb = flint().arb
    pairs = zip(array.mid.ravel().tolist(), array.rad.ravel().tolist(), strict=True)
    return [arb(mid, rad) for mid, rad in pairs]


def to_ball_array(balls: Sequence[Ball], shape: tuple[int, ...]) -> BallArray:
    """Return balls of python-flint as an array, the rounding to double precision in the radius.

    Parameters
    ----------
    balls : sequence of flint.arb
        Entries in order.
    shape : tuple of int
        Of the array.

    Returns
    -------
    BallArray
        Balls that hold those given.
    """
    mid: Real = np.array([float(ball) for ball in balls]).reshape(shape)
    rad: Real = np.array([float(ball.rad()) for ball in balls]).reshape(shape)
    return BallArray(mid, up(rad + 4.0 * UNIT * np.abs(mid), 4))


def output_derivatives(
    loss: str, outputs: Sequence[Ball], targets: Sequence[Ball]
) -> tuple[list[Ball], list[list[Ball]]]:
    """Return gradient and curvature of the loss of one sample in its outputs.

    Parameters
    ----------
    loss : {"mse", "cross_entropy", "logistic"}
        Which loss.
    outputs, targets : sequence of flint.arb
        Of one sample; for "cross_entropy" the targets are probabilities.

    Returns
    -------
    gradient : list of flint.arb
        r = dl/do.
    curvature : list of list of flint.arb
        Lambda, a square matrix.
    """
    arb = flint().arb
    many = range(len(outputs))
    if loss == "mse":
        gradient = [o - y for o, y in zip(outputs, targets, strict=True)]
        return gradient, [[arb(int(i == j)) for j in many] for i in many]
    if loss == "logistic":
        s = [_logistic(o) for o in outputs]
        diagonal = [one * (1 - one) for one in s]
        gradient = [one - y for one, y in zip(s, targets, strict=True)]
        return gradient, [[diagonal[i] if i == j else arb(0) for j in many] for i in many]
    largest = max(float(o) for o in outputs)
    powers = [(o - largest).exp() for o in outputs]
    total = sum(powers, arb(0))
    q = [power / total for power in powers]
    # the targets need not add to one exactly: the loss is log sum exp(o) - sum_i y_i o_i
    gradient = [one - y for one, y in zip(q, targets, strict=True)]
    return gradient, [[(q[i] if i == j else 0) - q[i] * q[j] for j in many] for i in many]
