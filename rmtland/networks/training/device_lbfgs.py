r"""L-BFGS for arrays on a device: one transfer of a few numbers an evaluation of the loss.

The directions are those of the two-loop recursion [1]_ with the last `PAIRS` steps s and changes y
of the gradient. As in the vector-free form [2]_ the recursion runs on coefficients: with the inner
products of all s, y and the gradient, which come to the host with the loss, it is a loop over a
few numbers there, and the direction is one product of the basis with its result. The line search
is that of More and Thuente (`rmtland.networks.training.line_search`), first steps and updates are
those of L-BFGS-B without bounds [3]_, so that the iterates are those of SciPy's up to rounding.
Synonyms: limited-memory quasi-Newton, GPU.

References
----------
.. [1] J. Nocedal, Updating quasi-Newton matrices with limited storage, Math. Comp. 35 (1980)
       773-782.
.. [2] W. Chen, Z. Wang and J. Zhou, Large-scale L-BFGS using MapReduce, NIPS 2014.
.. [3] R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, A limited memory algorithm for bound constrained
       optimization, SIAM J. Sci. Comput. 16 (1995) 1190-1208.

Examples
--------
>>> from rmtland.networks.mlp import MLP
>>> start = MLP((1, 1)).at([0.0], [[1.0], [2.0]], [[1.0], [0.0]])
>>> steps = DeviceLbfgs(start).iterates()
>>> point = next(steps)
>>> round(float(point.theta[0]), 4), point.loss < start.loss
(0.2, True)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rmtland.arrays import array_namespace, device_options, is_finite, to_numpy
from rmtland.networks.derivatives.recorded import value_and_gradient
from rmtland.networks.loss_point import LossPoint
from rmtland.networks.overflow import refuse_overflow
from rmtland.networks.training.line_search import LineSearch
from rmtland.typing import Array, Real

__all__ = ["EVALUATIONS", "PAIRS", "DeviceLbfgs", "direction_of"]

PAIRS = 20
"""Steps whose curvature is remembered."""

EVALUATIONS = 50
"""Of the loss in one line search at most."""


class _Value(NamedTuple):
    """What is known at one point: numbers on the host, the rest on the device."""

    loss: float
    loss_sum: float
    theta: Array  # double precision
    gradient: Array  # double precision
    change: Array  # of the gradient, from the last iterate
    own: tuple[Array, Array]  # parameters and gradient in the precision of the network
    basis: Real  # (2 PAIRS, 3): inner products with gradient, change and direction
    gram: Real  # (3, 3): of gradient, change and direction


class DeviceLbfgs:
    """A run of L-BFGS from a point.

    Parameters
    ----------
    start : LossPoint
        Where it starts, its data kept whole.

    Attributes
    ----------
    evaluations : int
        How often the loss was evaluated, with one transfer each.
    """

    def __init__(self, start: LossPoint) -> None:
        self.start = start
        self.xp = array_namespace(start.theta)
        self.evaluations = 0
        shape = (2 * PAIRS, int(start.theta.shape[0]))
        options = device_options(start.theta)
        self.basis = self.xp.zeros(shape, dtype=self.xp.float64, **options)
        self.numbers = np.zeros((2 * PAIRS, 2 * PAIRS))  # inner products of its rows
        self.order: list[int] = []  # of the pairs, the last one last

    def iterates(self) -> Iterator[LossPoint]:
        """Yield the iterates, until no step lowers the loss any more.

        Yields
        ------
        LossPoint
            With loss and gradient known.

        Raises
        ------
        NetworkOverflowError
            If the loss overflows on the way (a ValueError).
        """
        theta = self._double(self.start.theta)
        here = self._evaluate(theta, None, None)
        is_first = True
        while here.gram[0, 0] > 0.0:
            coefficients, share = direction_of(self.numbers, here.basis[:, 0], self.order)
            direction = -share * here.gradient
            if self.order:
                direction = direction - self._mixed(coefficients)
            slope, square = self._slope(here, coefficients, share)
            first = min(1.0 / math.sqrt(max(square, 1e-300)), 1e10) if is_first else 1.0
            found = self._searched(here, direction, slope, first) if slope < 0.0 else None
            if found is None or found[1].loss > here.loss:
                if not self.order:
                    return
                self.order = []  # as if it began here
                continue
            step, there = found
            self._remember(step, here, there, slope)
            yield LossPoint.known(
                self.start.net,
                there.own[0],
                self.start.data,
                loss_sum=there.loss_sum,
                gradient=there.own[1],
            )
            if not there.loss < here.loss:
                return
            here, is_first = there, False

    def _searched(
        self, here: _Value, direction: Array, slope: float, first: float
    ) -> tuple[float, _Value] | None:
        """Return a step along the direction, and what is there; None where there is none."""
        search = LineSearch(here.loss, slope, first)
        for _ in range(EVALUATIONS):
            step = search.step
            there = self._evaluate(here.theta + step * direction, here, direction)
            search.tell(there.loss, float(there.gram[0, 2]))
            if search.is_done:
                return step, there
        return None

    def _evaluate(self, theta: Array, last: _Value | None, direction: Array | None) -> _Value:
        """Evaluate loss and gradient, and all inner products: one transfer."""
        xp, net, data = self.xp, self.start.net, self.start.data
        own = xp.astype(theta, self.start.theta.dtype, copy=False)
        self.evaluations += 1
        with np.errstate(over="ignore", invalid="ignore"):
            numbers, gradient = value_and_gradient(net, own, data)
            wide = self._double(gradient)
            change = wide if last is None else wide - last.gradient
            along = wide if direction is None else direction
            three = xp.stack([wide, change, along])
            with_basis = self.basis @ xp.matrix_transpose(three)
            gram = three @ xp.matrix_transpose(three)
            flat = [xp.reshape(each, (-1,)) for each in (self._double(numbers), with_basis, gram)]
            seen = np.array(to_numpy(xp.concat(flat)))  # pairs are written into it
        known = int(numbers.shape[0])
        if not np.isfinite(seen).all():
            if not is_finite(own):
                refuse_overflow("last step", own)
            point = LossPoint.of(net, own, data)  # says what overflows
            _ = point.loss, point.gradient
            refuse_overflow("length of a step", float("inf"))
        decay = 0.5 * net.weight_decay * float(seen[1])
        rest = seen[known:]
        return _Value(
            float(seen[0]) / data.size + decay,
            float(seen[0]),
            theta,
            wide,
            change,
            (own, gradient),
            rest[: 6 * PAIRS].reshape(2 * PAIRS, 3),
            rest[6 * PAIRS :].reshape(3, 3),
        )

    def _double(self, array: Array) -> Array:
        return self.xp.astype(array, self.xp.float64, copy=False)

    def _mixed(self, coefficients: Real) -> Array:
        """Return the combination of the rows of the basis."""
        numbers = self.xp.asarray(coefficients[None, :], **device_options(self.basis))
        return (numbers @ self.basis)[0, :]

    def _slope(self, here: _Value, coefficients: Real, share: float) -> tuple[float, float]:
        """Return the inner product of direction and gradient, and the square of its length."""
        with_gradient = here.basis[:, 0]
        slope = -share * here.gram[0, 0] - coefficients @ with_gradient
        square = (  # of the direction
            share**2 * here.gram[0, 0]
            + 2 * share * (coefficients @ with_gradient)
            + coefficients @ self.numbers @ coefficients
        )
        return float(slope), float(square)

    def _remember(self, step: float, here: _Value, there: _Value, slope: float) -> None:
        """Keep a step and the change of the gradient, unless the curvature along it is not > 0."""
        rise = (float(there.gram[0, 2]) - slope) * step
        if rise <= np.finfo(np.float64).eps * -slope * step:
            return
        if len(self.order) < PAIRS:
            place = next(k for k in range(PAIRS) if k not in self.order)
        else:
            place = self.order.pop(0)
        self.order.append(place)
        self.basis[place, :] = there.theta - here.theta
        self.basis[PAIRS + place, :] = there.change
        with_step, with_change = step * there.basis[:, 2], there.basis[:, 1].copy()
        gram = there.gram
        with_step[place], with_step[PAIRS + place] = step**2 * gram[2, 2], step * gram[1, 2]
        with_change[place], with_change[PAIRS + place] = step * gram[1, 2], gram[1, 1]
        for row, products in ((place, with_step), (PAIRS + place, with_change)):
            self.numbers[row, :] = products
            self.numbers[:, row] = products
        there.basis[place, 0] = step * gram[0, 2]
        there.basis[PAIRS + place, 0] = gram[0, 1]


def direction_of(numbers: Real, with_gradient: Real, order: list[int]) -> tuple[Real, float]:
    """Run the two-loop recursion on coefficients.

    Parameters
    ----------
    numbers : ndarray, shape (2 k, 2 k)
        Inner products of the steps (first half) and of the changes of the gradient.
    with_gradient : ndarray, shape (2 k,)
        Their inner products with the gradient.
    order : list of int
        Pairs that are there, the last one last.

    Returns
    -------
    coefficients : ndarray, shape (2 k,)
    share : float
        The approximate Newton step is minus share times the gradient, minus the combination.
    """
    pairs = len(with_gradient) // 2
    coefficients, share = np.zeros(2 * pairs), 1.0
    if not order:
        return coefficients, share
    alpha = {}
    for place in reversed(order):
        step, change = place, pairs + place
        dot = share * with_gradient[step] + coefficients @ numbers[:, step]
        alpha[place] = dot / numbers[step, change]
        coefficients[change] -= alpha[place]
    last = order[-1]
    scale = numbers[last, pairs + last] / numbers[pairs + last, pairs + last]
    coefficients *= scale
    share *= float(scale)
    for place in order:
        step, change = place, pairs + place
        dot = share * with_gradient[change] + coefficients @ numbers[:, change]
        coefficients[step] += alpha[place] - dot / numbers[step, change]
    return coefficients, share
