r"""How movement and linearisation error fall with the width of a network, or its output scale.

At each width several networks are trained for the same number of steps of the same size in units of
the kernel, eta = step m/lambda_max: a horizon that is the same for all. From them come exponents,
with intervals, of

- |theta - theta_0| and |theta - theta_0|/|theta_0|;
- the difference between the outputs of the network and of its linearisation;
- the change of the tangent kernel.

The bound p^(-1/2) of the literature for the linearisation error is a bound: with one hidden layer
and the NTK parametrisation the exponent in the width is -1 [1]_, because the terms that move single
units have random signs. Relative movement falls as n^(-1/2) there, and as n^(-1) with weights that
enter as they are.

Synonyms: infinite-width limit, neural tangent hierarchy, lazy and rich regimes, feature learning.

References
----------
.. [1] E. Dyer and G. Gur-Ari, Asymptotics of wide networks from Feynman diagrams, ICLR 2020.
.. [2] L. Chizat, E. Oyallon and F. Bach, On lazy training in differentiable programming,
       NeurIPS 2019.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data = gaussian(8, 4, rng=0)
>>> net = MLP((4, 8, 4), parametrisation="ntk")
>>> found = width_scaling(net, data.x, data.y, [64, 256], seeds=2, steps=20, rng=0)
>>> found.table().keys() == found.exponents.keys()
True
>>> -0.8 < found.exponents["relative movement"].value < -0.2
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rmtland.arguments import callable_or_none, count, entries, instance, length, positive
from rmtland.landscape.linearisation.exponent import Exponent, fit_exponent
from rmtland.landscape.linearisation.linear_loss import linearise
from rmtland.landscape.linearisation.spectral_descent import share_of_loss
from rmtland.landscape.linearisation.training import DescentComparison, compare_descent
from rmtland.networks import MLP
from rmtland.streams import streams
from rmtland.typing import ArrayLike, Real, Rng

__all__ = ["QUANTITIES", "Scaling", "output_scaling", "width_scaling"]

QUANTITIES: dict[str, Callable[[DescentComparison], float]] = {
    "movement": lambda run: run.distance,
    "relative movement": lambda run: run.relative_movement,
    "output error": lambda run: run.output_error,
    "kernel change": lambda run: run.kernel_change,
    "loss deviation": lambda run: run.deviation,
}
"""What is measured of a run, by name."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Runs over several sizes, with the exponent of each quantity.

    Made by `rmtland.landscape.linearisation.width_scaling` and
    `rmtland.landscape.linearisation.output_scaling`.

    Parameters
    ----------
    variable : str
        What the sizes are: "width" or "output scale".
    parametrisation : str
        Of the network.
    sizes : ndarray, shape (n,)
        The sizes, ascending.
    runs : tuple of tuple of DescentComparison
        Those at each size, one a seed.
    """

    variable: str
    parametrisation: str
    sizes: Real
    runs: tuple[tuple[DescentComparison, ...], ...]

    def table(self) -> dict[str, Real]:
        """Return each quantity, shape (n, seeds).

        Returns
        -------
        dict of str to ndarray
            By the names of `QUANTITIES`.
        """
        return {
            name: np.array([[quantity(run) for run in row] for row in self.runs])
            for name, quantity in QUANTITIES.items()
        }

    @property
    def exponents(self) -> dict[str, Exponent]:
        """Exponent of each quantity in the size, with 95 % intervals from the scatter of seeds."""
        return {name: fit_exponent(self.sizes, rows) for name, rows in self.table().items()}

    def __repr__(self) -> str:
        return (
            f"Scaling(variable={self.variable!r}, parametrisation={self.parametrisation!r}, "
            f"{len(self.sizes)} sizes, {len(self.runs[0])} seeds)"
        )


def width_scaling(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    widths: Sequence[int],
    *,
    seeds: int = 3,
    steps: int | None = None,
    fraction: float = 0.1,
    step: float = 1.0,
    rng: Rng = None,
    progress: Callable[[float], object] | None = None,
) -> Scaling:
    """Train networks of several widths beside their linearisations, up to the same horizon.

    Ctrl-C keeps the widths that are done, where they are enough for an exponent.

    Parameters
    ----------
    net : MLP
        Its inputs, outputs, depth, activation and parametrisation; the hidden widths are replaced.
    x, y : array_like
        Data, as `MLP.at` takes them.
    widths : sequence of int
        Widths of all hidden layers, at least two.
    seeds : int, optional
        Networks of each width.
    steps : int, optional
        Steps of all runs; by default as many as the linearisation of the first network of the
        largest width takes to bring the loss to `fraction`.
    fraction : float, optional
        Of the first loss.
    step : float, optional
        eta lambda_max/m, below 2: the step size in units of the kernel of each network.
    rng : optional
        Anything `numpy.random.default_rng` takes; draws the networks.
    progress : callable, optional
        Called with the fraction of the work done.

    Returns
    -------
    Scaling
        Runs, quantities and their exponents.

    Raises
    ------
    ValueError
        If there is no hidden layer, fewer than two widths, or a step that is not stable.
    TypeError
        If `net` is no MLP, `seeds` or a width is no integer, or `progress` cannot be called.
    """
    instance("net", net, MLP, "an MLP")
    callable_or_none("progress", progress)
    fraction = share_of_loss(fraction)
    if net.depth < 2:
        raise ValueError(f"{net} has no hidden layer whose width could change")
    sizes = sorted({count("widths", width) for width in entries("widths", widths)})
    if len(sizes) < 2:
        raise ValueError(f"at least two different widths are needed; got {list(widths)}")
    generators = streams(rng, length("seeds", seeds))
    states = [g.bit_generator.state for g in generators]

    def network(width: int) -> MLP:
        return replace(net, widths=(net.n_in, *[width] * (net.depth - 1), net.n_out))

    def start(width: int, seed: int) -> Real:
        generators[seed].bit_generator.state = states[seed]
        return network(width).init(rng=generators[seed])

    size = _step(step)
    if steps is None:
        widest = linearise(network(sizes[-1]).at(start(sizes[-1], 0), x, y))
        steps = widest.descent(size * widest.default_step_size).steps_to(fraction)
    costs = np.array(
        [float(w) ** (1 if net.depth == 2 else 2) for w in sizes for _ in range(seeds)]
    )
    shares = costs.cumsum() / costs.sum()

    def run(place: int, seed: int) -> DescentComparison:
        width = sizes[place]
        return compare_descent(
            network(width), start(width, seed), x, y, relative_step=size, steps=steps
        )

    rows = _runs(run, len(sizes), seeds, shares, progress)
    done = np.array(sizes[: len(rows)], dtype=float)
    return Scaling("width", net.parametrisation, done, rows)


def output_scaling(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    scales: Sequence[float],
    *,
    seeds: int = 3,
    steps: int | None = None,
    fraction: float = 0.1,
    step: float = 0.5,
    rng: Rng = None,
    progress: Callable[[float], object] | None = None,
) -> Scaling:
    """Train one network at several output scales: from feature learning to the lazy regime.

    Ctrl-C keeps the scales that are done, where they are enough for an exponent.

    Parameters
    ----------
    net : MLP
        The network.
    x, y : array_like
        Data, as `MLP.at` takes them.
    scales : sequence of float
        Output scales alpha, at least two.
    seeds : int, optional
        Starts at each scale, the same ones for all.
    steps : int, optional
        Steps of all runs; by default as many as the linearised loss of the first start takes to
        fall to `fraction`: the same at every scale.
    fraction : float, optional
        Of the first loss.
    step : float, optional
        eta lambda_max/m, below 2.
    rng : optional
        Anything `numpy.random.default_rng` takes; draws the starts.
    progress : callable, optional
        Called with the fraction of the work done.

    Returns
    -------
    Scaling
        For large alpha movement, output error and change of the kernel fall as 1/alpha, the output
        error being relative to a residual y/alpha.

    Raises
    ------
    ValueError
        If there are fewer than two scales, or the loss of a network grows: take a smaller `step`
        where alpha is small.
    TypeError
        If `net` is no MLP, a scale is no real number, `seeds` is no integer, or `progress` cannot
        be called.
    """
    instance("net", net, MLP, "an MLP")
    callable_or_none("progress", progress)
    sizes = sorted({positive("scales", scale) for scale in entries("scales", scales)})
    if len(sizes) < 2:
        raise ValueError(f"at least two different output scales are needed; got {list(scales)}")
    starts = [net.init(rng=generator) for generator in streams(rng, length("seeds", seeds))]
    size = _step(step)
    many = len(sizes) * seeds
    horizon = steps

    def run(place: int, seed: int) -> DescentComparison:
        nonlocal horizon
        found = compare_descent(
            net,
            starts[seed],
            x,
            y,
            relative_step=size,
            steps=horizon,
            fraction=fraction,
            output_scale=sizes[place],
        )
        horizon = int(found.steps[-1])  # that of the first start, for all
        return found

    rows = _runs(run, len(sizes), seeds, np.arange(1, many + 1) / many, progress)
    return Scaling("output scale", net.parametrisation, np.array(sizes[: len(rows)]), rows)


def _runs(
    run: Callable[[int, int], DescentComparison],
    many: int,
    seeds: int,
    shares: Real,
    progress: Callable[[float], object] | None,
) -> tuple[tuple[DescentComparison, ...], ...]:
    """Return the runs of each size, those before Ctrl-C if they are enough for an exponent."""
    rows: list[tuple[DescentComparison, ...]] = []
    try:
        for place in range(many):
            row = []
            for seed in range(seeds):
                row.append(run(place, seed))
                if progress is not None:
                    progress(float(shares[place * seeds + seed]))
            rows.append(tuple(row))
    except KeyboardInterrupt:
        if len(rows) < 2 or len(rows) * seeds < 3:
            raise
    return tuple(rows)


def _step(step: float) -> float:
    size = positive("step", step)
    if size >= 2.0:
        raise ValueError(f"step must be below 2, where descent is stable; got {size}")
    return size
