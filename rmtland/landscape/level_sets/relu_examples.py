r"""ReLU networks whose level sets fall apart: smallest examples, with exact certificates.

**Units without biases on x = 1 and x = -1.** For f(x) = sum_i a_i max(0, w_i x) and half the sum of
squared errors, a unit with w_i > 0 acts on x = 1 only, one with w_i < 0 on x = -1 only. In a sign
pattern (P, N) of the units the loss can be brought to

.. math:: \tfrac12 \bigl([P = \emptyset]\, y_+^2 + [N = \emptyset]\, y_-^2\bigr)

and every sublevel set within a pattern is connected (w > 0 is convex, and the loss is convex in a).
A path that leaves the pattern has w_i = 0 for some unit at that moment, which then acts on neither:
the loss is at least that of the pattern without unit i, and that is reached. So the merge tree of
the 2^k patterns, an exact finite computation in fractions, is that of the loss itself:

- one unit, y = (2, 1): minima 1/2 (w > 0) and 2 (w < 0), joined at exactly 5/2 and not below;
- two units, y = (1, 1): the two minima 0 are joined at exactly 1/2;
- three units, y = (1, 1): one component at every level.

**One unit with biases**, f(x) = a max(0, w x + b) + c: at w = 0 the function is constant, so that a
path from w > 0 to w < 0 passes a loss of at least half the sum of (y - mean y)^2; for x = (-1, 0,
1), y = (1, -1, 1) that is 4/3, above the value 1 that both sides reach.

A grid in (w, a) that has no point at w = 0 steps over the barrier and reads less than 5/2.

In rmtland's networks the loss is the mean over samples: divide by their number. Source of the
statement: Freeman and Bruna, ICLR 2017; Venturi, Bandeira and Bruna, JMLR 2019.

References
----------
.. [1] C. D. Freeman and J. Bruna, Topology and geometry of half-rectified network optimization,
       ICLR 2017.
.. [2] L. Venturi, A. S. Bandeira and J. Bruna, Spurious valleys in one-hidden-layer neural network
       optimization landscapes, Journal of Machine Learning Research 20 (2019), no. 133.

Examples
--------
>>> from fractions import Fraction
>>> one, two, three = SignPatterns(1, 2, 1), SignPatterns(2, 1, 1), SignPatterns(3, 1, 1)
>>> one.barrier, one.components(Fraction(9, 4)), one.components(Fraction(5, 2))
(Fraction(5, 2), 2, 1)
>>> two.barrier, two.components(0), three.barrier, three.components(0)
(Fraction(1, 2), 2, None, 1)
>>> OneUnitWithBias((-1, 0, 1), (1, -1, 1)).barrier
Fraction(4, 3)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise, product

from rmtland.arguments import count, entries
from rmtland.landscape.level_sets.merge_tree import MergeTree, graph_merge_tree
from rmtland.networks import MLP

__all__ = ["OneUnitWithBias", "SignPatterns"]

Rational = int | Fraction


@dataclass(frozen=True)
class SignPatterns:
    """The level sets of ReLU units without biases on the inputs 1 and -1, exactly.

    Parameters
    ----------
    units : int
        The number k, at most 12.
    y_plus, y_minus : int or Fraction
        Targets at x = 1 and x = -1.

    Raises
    ------
    TypeError
        For targets that are not exact.
    ValueError
        For too many units.
    """

    units: int
    y_plus: Rational
    y_minus: Rational

    def __post_init__(self) -> None:
        """Refuse floats, which are not what they look like."""
        if count("units", self.units) > 12:
            raise ValueError(f"2^k patterns of k = {self.units} units are too many; at most 12")
        for name in ("y_plus", "y_minus"):
            object.__setattr__(self, name, _exact(name, getattr(self, name)))

    @cached_property
    def patterns(self) -> tuple[tuple[int, ...], ...]:
        """The signs of w of each unit, in the order of the tree's points."""
        return tuple(product((1, -1), repeat=self.units))

    @cached_property
    def tree(self) -> MergeTree:
        """Merge tree of the loss, half the sum of squared errors, in fractions."""
        births = [self._least(signs) for signs in self.patterns]
        place = {signs: i for i, signs in enumerate(self.patterns)}
        edges = []
        for signs, i in place.items():
            for unit in range(self.units):
                if signs[unit] > 0:
                    turned = (*signs[:unit], -1, *signs[unit + 1 :])
                    without = signs[:unit] + signs[unit + 1 :]
                    edges.append((i, place[turned], self._least(without)))
        return graph_merge_tree(births, edges)

    def _least(self, signs: Sequence[int]) -> Fraction:
        """Return the infimum of the loss over units of these signs; it is reached."""
        plus = Fraction(0) if 1 in signs else Fraction(self.y_plus) ** 2
        minus = Fraction(0) if -1 in signs else Fraction(self.y_minus) ** 2
        return (plus + minus) / 2

    def components(self, level: float) -> int:
        """Return the exact number of components of a sublevel set.

        Parameters
        ----------
        level : int or Fraction
            Of half the sum of squared errors.

        Returns
        -------
        int
            N.
        """
        return self.tree.components(level)

    @property
    def barrier(self) -> Fraction | None:
        """Level at which the last two components join; None where there is always one."""
        deaths = [Fraction(basin.death) for basin in self.tree.basins if basin.parent is not None]
        return max(deaths) if deaths else None

    def network(self) -> tuple[MLP, list[list[float]], list[list[float]]]:
        """Return the network and its data; its loss is half of that here, a mean over two samples.

        Returns
        -------
        net : MLP
            Of the widths (1, k, 1).
        x, y : list
            Inputs and targets.
        """
        net = MLP((1, self.units, 1), "relu")
        return net, [[1.0], [-1.0]], [[float(self.y_plus)], [float(self.y_minus)]]


@dataclass(frozen=True)
class OneUnitWithBias:
    """One ReLU unit with a bias, and a bias of the output: a barrier at w = 0.

    Parameters
    ----------
    x, y : sequence of int or Fraction
        Inputs and targets, as many of each, at least two different inputs.

    Raises
    ------
    TypeError
        For numbers that are not exact.
    ValueError
        For different numbers of inputs and targets.
    """

    x: Sequence[Rational]
    y: Sequence[Rational]

    def __post_init__(self) -> None:
        """Make all numbers fractions."""
        for name in ("x", "y"):
            values = tuple(_exact(name, value) for value in entries(name, getattr(self, name)))
            object.__setattr__(self, name, values)
        if len(self.x) != len(self.y) or len(set(self.x)) < 2:
            raise ValueError("give as many targets as inputs, and two different inputs")

    @property
    def barrier(self) -> Fraction:
        """Least loss at w = 0, where the function is constant: half the sum of (y - mean)^2."""
        y = [Fraction(value) for value in self.y]
        mean = sum(y, Fraction(0)) / len(y)
        return sum(((value - mean) ** 2 for value in y), Fraction(0)) / 2

    def reached(self, side: int) -> Fraction:
        """Return a loss that is reached with w of one sign: a bound of the least from above.

        One kink at each input or halfway between two of them, all else by least squares, exactly.

        Parameters
        ----------
        side : {1, -1}
            Sign of w.

        Returns
        -------
        Fraction
            Where it is below `barrier` on both sides, the level sets between fall apart.

        Raises
        ------
        ValueError
            For another side.
        """
        if side not in (1, -1):
            raise ValueError(f"side must be 1 or -1; got {side!r}")
        xs = sorted(set(self.x))
        kinks = [Fraction(x) for x in xs] + [Fraction(a + b) / 2 for a, b in pairwise(xs)]
        return min(self._fitted(side, kink) for kink in kinks)

    def _fitted(self, side: int, kink: Fraction) -> Fraction:
        r = [max(Fraction(0), side * (Fraction(x) - kink)) for x in self.x]
        y = [Fraction(value) for value in self.y]
        many = len(y)
        mean_r, mean_y = sum(r, Fraction(0)) / many, sum(y, Fraction(0)) / many
        spread = sum(((a - mean_r) ** 2 for a in r), Fraction(0))
        mixed = sum(((a - mean_r) * (b - mean_y) for a, b in zip(r, y, strict=True)), Fraction(0))
        total = sum(((b - mean_y) ** 2 for b in y), Fraction(0))
        return (total - (mixed**2 / spread if spread else Fraction(0))) / 2

    @property
    def is_disconnected(self) -> bool:
        """Whether the certificate holds: both sides reach less than the barrier."""
        return max(self.reached(1), self.reached(-1)) < self.barrier


def _exact(name: str, value: object) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        raise TypeError(f"{name} must be an integer or a Fraction; got {value!r}")
    return Fraction(value)
