r"""The theorems of the lecture on level sets as experiments: valleys, and what a path must climb.

Freeman and Bruna (ICLR 2017), Venturi, Bandeira and Bruna (JMLR 2019), for the squared loss:

- linear networks whose hidden layers are wider than min(n_0, n_L): one component;
- ReLU networks of any widths: data exist whose level sets fall apart
  (`rmtland.landscape.level_sets.relu_examples` has the smallest, with proofs);
- two-layer ReLU networks of m units on n inputs: any two points of a level set are joined below
  max(lambda, c m^{-1/n}): barriers fall with the width;
- two-layer networks with quadratic activation and more than 2 N units for N samples: one component.

Proofs speak of the best path, an experiment finds some path: its barrier is an upper bound. A
barrier near zero agrees with a theorem; one that stays shows that this search did not get below.

References
----------
.. [1] C. D. Freeman and J. Bruna, Topology and geometry of half-rectified network optimization,
       ICLR 2017.
.. [2] L. Venturi, A. S. Bandeira and J. Bruna, Spurious valleys in one-hidden-layer neural network
       optimization landscapes, Journal of Machine Learning Research 20 (2019), no. 133.

Examples
--------
>>> [case.name for case in theorem_cases()]
['linear', 'relu', 'quadratic']
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rmtland.arguments import callable_or_none, count, entries, instance
from rmtland.landscape.connectivity import (
    Bezier,
    PathProfile,
    Polygon,
    profile,
    relaxed_path,
    trained_curve,
)
from rmtland.landscape.connectivity.pairs import unless_cut_short
from rmtland.landscape.surface import NetworkSurface
from rmtland.networks import MLP, train
from rmtland.streams import streams
from rmtland.typing import Real, Rng

__all__ = ["TheoremCase", "ValleyHeights", "theorem_cases", "valley_heights"]


@dataclass(frozen=True)
class TheoremCase:
    """Networks of one kind, of several widths, on the same random data.

    Made by `rmtland.landscape.level_sets.theorem_cases`.

    Parameters
    ----------
    name : str
        Of the theorem.
    activation : str
        Of the hidden layer.
    inputs, outputs, samples : int
        Of the data: inputs on the unit sphere, targets normal.
    widths : tuple of int
        Of the hidden layer.
    threshold : int or None
        Units from which on the theorem promises one component; None where it promises less.
    """

    name: str
    activation: str
    inputs: int
    outputs: int
    samples: int
    widths: tuple[int, ...]
    threshold: int | None

    def problem(self, width: int, generator: np.random.Generator) -> tuple[MLP, Real, Real]:
        """Return a network and data.

        Parameters
        ----------
        width : int
            Units.
        generator : Generator
            Draws the data.

        Returns
        -------
        net : MLP
            One hidden layer.
        x, y : ndarray
            Inputs and targets.
        """
        x = generator.standard_normal((self.samples, self.inputs))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        y = generator.standard_normal((self.samples, self.outputs))
        return MLP((self.inputs, width, self.outputs), self.activation), x, y


class ValleyHeights(NamedTuple):
    """Barriers found between trained networks of one width.

    Parameters
    ----------
    width : int
        Units.
    ends : ndarray, shape (pairs, 2)
        Losses of the minima.
    barriers : ndarray, shape (pairs,)
        Lowest barrier found: an upper bound of that of the best path.
    straight : ndarray, shape (pairs,)
        Of the straight path.
    """

    width: int
    ends: Real
    barriers: Real
    straight: Real


def theorem_cases() -> tuple[TheoremCase, ...]:
    """Return small cases of the theorems.

    Returns
    -------
    tuple of TheoremCase
        Linear, ReLU and quadratic networks.
    """
    return (
        TheoremCase("linear", "linear", 3, 2, 12, (1, 2, 4, 8), 3),
        TheoremCase("relu", "relu", 2, 1, 8, (2, 4, 8, 16, 32), None),
        TheoremCase("quadratic", "quadratic", 3, 1, 5, (2, 4, 8, 12), 11),
    )


def valley_heights(
    case: TheoremCase,
    *,
    pairs: int = 3,
    curve_steps: int = 600,
    string_steps: int = 100,
    widths: tuple[int, ...] | None = None,
    rng: Rng = None,
    progress: Callable[[float], object] | None = None,
) -> list[ValleyHeights]:
    """Train pairs of networks of several widths and look for the lowest path between them.

    Parameters
    ----------
    case : TheoremCase
        What is trained.
    pairs : int, optional
        For each width, on data of their own.
    curve_steps, string_steps : int, optional
        Of the Bezier curves and the string.
    widths : tuple of int, optional
        In place of those of the case.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    list of ValleyHeights
        One a width; Ctrl-C keeps those that are done.

    Raises
    ------
    ValueError
        If `pairs` or a width is below 1.
    TypeError
        If it is no integer, the case is none, or `progress` cannot be called.
    """
    instance("case", case, TheoremCase, "a TheoremCase")
    callable_or_none("progress", progress)
    if widths is not None:
        case = replace(
            case, widths=tuple(count("widths", width) for width in entries("widths", widths))
        )
    many = count("pairs", pairs)
    found: list[ValleyHeights] = []
    generators = streams(rng, many)
    seeds = [generator.integers(2**32) for generator in generators]
    try:
        for i, width in enumerate(case.widths):
            rows = [_pair(case, width, int(s), curve_steps, string_steps) for s in seeds]
            ends, barriers, straight = (np.array(part) for part in zip(*rows, strict=True))
            found.append(ValleyHeights(width, ends, barriers, straight))
            if progress is not None:
                progress((i + 1) / len(case.widths))
    except KeyboardInterrupt:
        if not found:
            raise
    return found


def _pair(
    case: TheoremCase, width: int, seed: int, curve_steps: int, string_steps: int
) -> tuple[tuple[float, float], float, float]:
    """Train two networks on the same data; return their losses, the best barrier, the straight."""
    generator = np.random.default_rng(seed)
    net, x, y = case.problem(width, generator)
    surface = NetworkSurface.of(net, x, y)
    ends = []
    for _ in range(2):
        start = net.init(rng=generator)
        trained = train(net, start, x, y, gradient_norm=1e-9, max_steps=3000)
        ends.append(trained.unless_interrupted().theta)
    first, second = ends
    straight = profile(surface, Polygon(np.array(ends)))
    start_curve = Bezier.between(first, second, 3)
    curve = unless_cut_short(trained_curve(surface, start_curve, steps=curve_steps, rng=generator))
    row = curve.at(np.linspace(0.0, 1.0, 17))
    relaxed = unless_cut_short(relaxed_path(surface, row, steps=string_steps)).profile
    tried: list[PathProfile] = [straight, profile(surface, curve), relaxed]
    best = min(one.highest for one in tried)
    losses = (surface.loss(first), surface.loss(second))
    return losses, best - max(losses), straight.barrier
