"""What an audit takes, told beforehand: time, memory, and what it refuses.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(12, 3, rng=0), MLP((3, 3, 3))
>>> point = net.at(net.init(rng=1), data.x, data.y)
>>> check_audit(point, draws=2)
>>> memory_needed(point) > 10**8
True
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rmtland.arguments import count
from rmtland.arrays import ArrayLibrary
from rmtland.audit.redraws import dyson_inapplicability
from rmtland.models import DysonHessian
from rmtland.models.conditioned.conditioned_residuals import dense_projection_memory
from rmtland.models.conditioned.given_residuals import in_double
from rmtland.models.dyson.tabulated import table_memory
from rmtland.networks import LossPoint
from rmtland.networks.loss_point import loss_point

__all__ = [
    "Cost",
    "check_audit",
    "check_size",
    "exact_memory_is_free",
    "expected_cost",
    "memory_needed",
]

_FEWEST = 8  # eigenvalues


def check_audit(
    point: LossPoint, *, draws: int = 8, points: int = 40, method: str = "auto"
) -> None:
    """Refuse what an audit cannot do, before any work.

    Parameters
    ----------
    point : LossPoint
        Network, parameters and data.
    draws, points : int
        As in `audit_hessian`.
    method : str, optional
        As in `audit_hessian`.

    Raises
    ------
    MemoryError
        If an exact audit takes more memory than is free; it says how much.
    ValueError
        If a number is out of range, or the network has fewer than 8 parameters.
    TypeError
        If `point` is not a LossPoint.
    """
    if not isinstance(point, LossPoint):
        raise TypeError(f"audit_hessian takes a LossPoint (see MLP.at); got {type(point).__name__}")
    if count("draws", draws, min_value=0) == 1:
        raise ValueError("draws must be 0 or at least 2; one Hessian has no spread")
    count("points", points, min_value=20)
    check_size(point.net.parameter_count)
    if method == "exact" and not exact_memory_is_free(point):
        needed, free = memory_needed(point), ArrayLibrary.of().free_memory()
        raise MemoryError(
            f"an exact audit of {point.net.parameter_count} parameters needs "
            f"{needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; take method='estimate', "
            "a narrower network or fewer samples"
        )


def exact_memory_is_free(point: LossPoint) -> bool:
    """Whether the Hessian can be formed and diagonalised in the memory that is free.

    Parameters
    ----------
    point : LossPoint
        Network, parameters and data.

    Returns
    -------
    bool
    """
    return memory_needed(point) <= 0.9 * ArrayLibrary.of().free_memory()


def check_size(size: int) -> None:
    """Refuse too few eigenvalues.

    Parameters
    ----------
    size : int
        Their number.

    Raises
    ------
    ValueError
        If there are fewer than 8.
    """
    if size < _FEWEST:
        raise ValueError(f"an audit needs at least {_FEWEST} eigenvalues; there are {size}")


class Cost(NamedTuple):
    """What an audit is expected to take.

    Made by `rmtland.audit.expected_cost`.

    Parameters
    ----------
    seconds : float
        Expected time.
    bytes : int
        Expected memory.
    """

    seconds: float
    bytes: int

    def __str__(self) -> str:
        """Return both in words."""
        seconds = self.seconds
        time_ = f"{seconds / 60:.0f} min" if seconds > 90 else f"{max(seconds, 1):.0f} s"
        return f"about {time_} and {self.bytes / 1e6:.0f} MB"


def memory_needed(point: LossPoint) -> int:
    """Bytes that an audit takes at its height, estimated from above.

    Parameters
    ----------
    point : LossPoint
        Network, parameters and data.

    Returns
    -------
    int
        Dense H0, H1, H with the workspace of their eigenvalues; the free sums of measured parts;
        residuals conditioned on gradient and inputs; and where it applies the matrix Dyson equation
        with coupled units.
    """
    net = loss_point(point).net
    p, m = int(net.parameter_count), int(point.data.size)
    outputs, inputs = int(net.n_out), int(point.x.shape[1])
    needed = 8 * 8 * p**2 + 2 * 8 * m * outputs * p + _FREE_SUMS
    needed += dense_projection_memory(m * outputs, p + inputs * outputs) or 0
    if dyson_inapplicability(point) is None:
        needed += table_memory(DysonHessian.of_point(in_double(point)))
    return needed


def expected_cost(point: LossPoint, *, draws: int = 8, points: int = 40) -> Cost:
    """Time and memory that an audit is expected to take, from a measurement of a second or less.

    Parameters
    ----------
    point : LossPoint
        Network, parameters and data.
    draws, points : int
        As in `audit_hessian`.

    Returns
    -------
    Cost
        Seconds within a factor of about two.
    """
    net = loss_point(point).net
    p = int(net.parameter_count)
    trial = np.random.default_rng(0).normal(size=(_TRIAL, _TRIAL))
    eigen = _seconds(lambda: np.linalg.eigvalsh(trial + trial.T)) * (p / _TRIAL) ** 3
    sums = _seconds(lambda: np.linalg.inv(trial + 40 * np.eye(_TRIAL)))
    seconds = 3 * eigen + _FREE_SECONDS * sums
    if dyson_inapplicability(point) is None:
        double = in_double(point)
        model = DysonHessian.of_point(double)
        apart = replace(model, coupling="units")
        steps = [
            _seconds(lambda one=one: one.equation.apply(1j, one.equation.start(1j)))
            for one in (model, apart)
        ]
        tables = 1 if model.curvatures is None else 2
        seconds += tables * (_COUPLED * steps[0] + _UNCOUPLED * points * steps[1])
        seconds += draws * (6 * eigen + _DRAW_SECONDS * sums)
    return Cost(seconds, memory_needed(point))


_TRIAL = 160
_FREE_SUMS = 260_000_000  # with the code that they load, and compile, on first use
_FREE_SECONDS, _DRAW_SECONDS = 3000, 300  # in inverses of the trial matrix
_COUPLED, _UNCOUPLED = 110, 20  # applications of the equation


def _seconds(function: Callable[..., object]) -> float:
    """Shortest of three times, after one for what is done once."""
    function()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
