r"""SGD simulated on a network: many chains at once, with errors from the effective sample number.

All chains start at a minimum theta* and take steps of one size. Recorded are the variances along
given directions about the mean over all chains, after the steps `first` + 1 to `last`, a mean over
chains and steps. Chains are independent, so that the scatter of their own time averages gives the
standard error s of the variance V whatever the correlation in time, and

.. math:: N_{eff} = 2 V^2/s^2

the number of independent normal samples that would tell the variance as well.

Synonyms: Markov chain Monte Carlo error, autocorrelation time, effective sample size.

References
----------
.. [1] S. Mandt, M. D. Hoffman and D. M. Blei, Stochastic gradient descent as approximate Bayesian
       inference, J. Mach. Learn. Res. 18 (2017) 1-35.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> x = np.array([[1.0], [-1.0]])
>>> net = MLP((1, 1), weight_decay=0.0)
>>> runs = simulate_sgd(
...     net, [0.0], x, np.ones((2, 1)), np.eye(1), step_size=0.1, batch_size=1, steps=400, rng=0
... )
>>> runs.variances.shape, bool(runs.effective[0] > 1000)
((1,), True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import callable_or_none, choice, count, float_array, instance, positive
from rmtland.arrays import to_numpy
from rmtland.landscape.noise.gradient_noise import SAMPLINGS, noise_factor
from rmtland.landscape.surface.surface import parameter_rows
from rmtland.networks import LOSSES, MLP
from rmtland.networks.activation import activation
from rmtland.networks.overflow import refuse_overflow
from rmtland.streams import random_generator
from rmtland.typing import ArrayLike, Integer, Real, Rng

__all__ = ["SgdChains", "Simulation", "chain_gradients", "simulate_sgd"]


@dataclass(frozen=True, eq=False)
class Simulation:
    """Variances of simulated SGD, with their errors.

    Made by `rmtland.landscape.noise.simulate_sgd`.

    Parameters
    ----------
    variances : ndarray, shape (k,)
        Along each direction.
    errors : ndarray, shape (k,)
        Standard errors, from the scatter of chains.
    effective : ndarray, shape (k,)
        Effective number of samples.
    mean : ndarray, shape (k,)
        Mean displacement from theta*.
    mean_errors : ndarray, shape (k,)
        Its standard errors.
    first, last : int
        Steps recorded: first + 1 to last.
    chains : int
        Number of chains.
    """

    variances: Real
    errors: Real
    effective: Real
    mean: Real
    mean_errors: Real
    first: int
    last: int
    chains: int

    def __repr__(self) -> str:
        return (
            f"Simulation({self.chains} chains, steps {self.first + 1} to {self.last}, "
            f"{self.effective.min():.3g} to {self.effective.max():.3g} effective samples)"
        )


def chain_gradients(net: MLP, thetas: Real, x: Real, y: Real) -> Real:
    """Return the gradients of batches, each at parameters of its own.

    Parameters
    ----------
    net : MLP
        The network.
    thetas : ndarray, shape (r, p)
        Parameters of r chains.
    x : ndarray, shape (r, b, n_in)
        Inputs of a batch for each chain.
    y : ndarray, shape (r, b, n_out)
        Targets, as `Loss.targets` returns them.

    Returns
    -------
    ndarray, shape (r, p)
        Gradients of the mean loss of each batch, weight decay included.

    Raises
    ------
    ValueError
        For other shapes, numbers that are not finite, or gradients that overflow.
    TypeError
        If `net` is no MLP, or a parameter holds no real numbers.
    """
    instance("net", net, MLP, "an MLP")
    chains = parameter_rows(thetas, net.parameter_count)
    inputs, targets = (float_array(name, one, ndim=3) for name, one in (("x", x), ("y", y)))
    r, b = len(chains), inputs.shape[1]
    wanted = (r, b, net.widths[0]), (r, b, net.n_out)
    if (inputs.shape, targets.shape) != wanted:
        raise ValueError(
            f"x and y must have shapes (r, b, n) with a batch for each of the {r} chains, here "
            f"{wanted[0]} and {wanted[1]}; got {inputs.shape} and {targets.shape}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        gradients = _chain_gradients(net, chains, inputs, targets)
    refuse_overflow("gradient", gradients)
    return gradients


def _chain_gradients(net: MLP, thetas: Real, x: Real, y: Real) -> Real:
    """Return gradients, infinite or NaN where they overflow."""
    f, r, b = activation(net.activation), len(thetas), x.shape[1]
    inputs, slopes, weights = [x], [], []
    biases = {block.layer: block for block in net.blocks if block.is_bias}
    matrices = [block for block in net.blocks if not block.is_bias]
    for block in matrices:
        W = thetas[:, block.slice].reshape(r, *block.shape) * block.scale
        z = np.matmul(inputs[-1], W.transpose(0, 2, 1))
        if block.layer in biases:
            z += thetas[:, None, biases[block.layer].slice]
        weights.append(W)
        if block.layer < net.depth:
            a = f.value(z)
            slopes.append(f.slope(z, a))
            z = a
        inputs.append(z)
    outputs = inputs.pop()
    flat = (r * b, net.n_out)
    delta = LOSSES[net.loss].gradient(outputs.reshape(flat), y.reshape(flat)).reshape(r, b, -1) / b
    result = net.weight_decay * thetas if net.weight_decay else np.zeros_like(thetas)
    for block, W in zip(matrices[::-1], weights[::-1], strict=True):
        layer = block.layer - 1
        piece = np.matmul(delta.transpose(0, 2, 1), inputs[layer]) * block.scale
        result[:, block.slice] += piece.reshape(r, -1)
        if block.layer in biases:
            result[:, biases[block.layer].slice] += delta.sum(axis=1)
        if layer:
            delta = np.matmul(delta, W) * slopes[layer - 1]
    return np.asarray(result)


def simulate_sgd(
    net: MLP,
    theta: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    directions: ArrayLike,
    *,
    step_size: float,
    batch_size: int,
    sampling: str = "with",
    steps: int = 4000,
    burn_in: int | None = None,
    chains: int = 100,
    rng: Rng = None,
    progress: Callable[[float], object] | None = None,
) -> Simulation:
    """Simulate SGD from a minimum, and measure variances along directions.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array_like, shape (p,)
        The minimum theta*: all chains start there.
    x, y : array_like
        Data, as `MLP.at` takes them.
    directions : array_like, shape (p, k)
        Orthonormal columns.
    step_size : float
        eta.
    batch_size : int
        B.
    sampling : {"with", "without", "reshuffling"}, optional
        How batches are drawn.
    steps : int, optional
        Steps of each chain that are recorded.
    burn_in : int, optional
        Steps before; by default as many. With reshuffling both are rounded up to whole epochs.
    chains : int, optional
        Chains, at least 20 for their scatter to tell an error.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    progress : callable, optional
        Called with the fraction of steps done.

    Returns
    -------
    Simulation
        Variances with their errors.

    Raises
    ------
    ValueError
        For fewer than 20 chains, or options out of range.
    TypeError
        If `net` is no MLP, `steps` or `burn_in` is no integer, or `progress` cannot be called.
    ArithmeticError
        If a chain runs off to infinity: the step size is too large.
    """
    run = SgdChains(
        net,
        theta,
        x,
        y,
        directions,
        step_size=step_size,
        batch_size=batch_size,
        sampling=sampling,
        chains=chains,
        rng=rng,
    )
    last = first = count("steps", steps)
    if burn_in is not None:
        first = count("burn_in", burn_in, min_value=0)
    if sampling == "reshuffling":
        epoch = run.samples // run.batch_size
        first, last = (-(-k // epoch) * epoch for k in (first, last))
    many = run.chains
    total, square = np.zeros((2, many, run.basis.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):  # chains that run off are refused
        for k in run.walk(first + last, progress):
            if k > first:
                along = run.along
                total += along
                square += along * along
    means = total / last
    centre = means.mean(axis=0)
    each = square / last - 2.0 * centre * means + centre * centre
    mean_errors = means.std(axis=0, ddof=1) / np.sqrt(many)
    variances = each.mean(axis=0) + mean_errors**2  # about the true mean, not that of the chains
    errors = each.std(axis=0, ddof=1) / np.sqrt(many)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(errors > 0, 2.0 * (variances / errors) ** 2, np.inf)
    return Simulation(variances, errors, effective, centre, mean_errors, first, first + last, many)


class SgdChains:
    """Many chains of SGD on a network, each with batches of its own.

    Parameters
    ----------
    net, theta, x, y, directions, step_size, batch_size, sampling, chains, rng
        As for `simulate_sgd`.

    Raises
    ------
    ValueError
        For fewer than 20 chains, directions that are not orthonormal, or options out of range.
    TypeError
        If `net` is no MLP, or a number is none.
    """

    def __init__(
        self,
        net: MLP,
        theta: ArrayLike,
        x: ArrayLike,
        y: ArrayLike,
        directions: ArrayLike,
        *,
        step_size: float,
        batch_size: int,
        sampling: str = "with",
        chains: int = 100,
        rng: Rng = None,
    ) -> None:
        point = instance("net", net, MLP, "an MLP").at(theta, x, y)
        self.net, self.samples = net, point.data.size
        self._inputs = np.asarray(to_numpy(point.x), dtype=np.float64)
        self._targets = np.asarray(to_numpy(point.y), dtype=np.float64)
        self.basis = float_array("directions", directions, ndim=2)
        if self.basis.shape[0] != net.parameter_count:
            raise ValueError(
                f"directions must have {net.parameter_count} rows; got shape {self.basis.shape}"
            )
        off = float(np.abs(self.basis.T @ self.basis - np.eye(self.basis.shape[1])).max())
        if off > 1e-6:
            raise ValueError(
                f"directions must be orthonormal columns; products are off by {off:.2g}"
            )
        self.chains = count("chains", chains, min_value=20)
        self.step_size = positive("step_size", step_size)
        self.batch_size = count("batch_size", batch_size)
        kind = choice("sampling", sampling, SAMPLINGS)
        noise_factor(self.samples, self.batch_size, kind)
        generator = random_generator(rng)
        self._batches = _Batches(self.samples, self.batch_size, kind, self.chains, generator)
        self._start = np.asarray(to_numpy(point.theta), dtype=np.float64)
        self.thetas = np.tile(self._start, (self.chains, 1))

    @property
    def along(self) -> Real:
        """Displacement of each chain from the start along the directions, shape (chains, k)."""
        return np.asarray((self.thetas - self._start) @ self.basis)

    def advance(self) -> None:
        """Take a step of all chains."""
        which = self._batches.next()
        with np.errstate(over="ignore", invalid="ignore"):
            slopes = _chain_gradients(
                self.net, self.thetas, self._inputs[which], self._targets[which]
            )
            self.thetas -= self.step_size * slopes

    def walk(self, steps: int, progress: Callable[[float], object] | None = None) -> Iterator[int]:
        """Take steps of all chains, and stop after each for what is to be measured.

        Parameters
        ----------
        steps : int
            How many.
        progress : callable, optional
            Called with the fraction of steps done.

        Yields
        ------
        int
            Steps taken: 1, ..., steps.

        Raises
        ------
        ArithmeticError
            If squares of the parameters of a chain are no numbers any more, looked at every 64
            steps and at the end.
        TypeError
            If `progress` cannot be called.
        """
        callable_or_none("progress", progress)
        for k in range(1, steps + 1):
            self.advance()
            yield k
            if k % 64 == 0 or k == steps:
                self._refuse_infinite(k)
                if progress is not None:
                    progress(k / steps)

    def _refuse_infinite(self, steps: int) -> None:
        """Raise if a chain has run off, so that its square is no number."""
        if not (np.abs(self.thetas - self._start) < 1e150).all():
            raise ArithmeticError(
                f"a chain has left the range of floating-point numbers after {steps} steps: take a "
                f"smaller step_size than {self.step_size:g}"
            )


class _Batches:
    """Draws the samples of a batch for each chain."""

    def __init__(
        self, samples: int, size: int, sampling: str, chains: int, generator: np.random.Generator
    ) -> None:
        self.samples, self.size, self.sampling, self.chains = samples, size, sampling, chains
        self.generator = generator
        self.orders = np.tile(np.arange(samples), (chains, 1))
        self.position = samples

    def next(self) -> Integer:
        """Return the numbers of samples, shape (chains, size)."""
        shape = (self.chains, self.size)
        if self.sampling == "with":
            return self.generator.integers(self.samples, size=shape)
        if self.sampling == "without":
            if self.size * 8 <= self.samples:
                return self._distinct()
            keys = self.generator.random((self.chains, self.samples))
            return np.argpartition(keys, self.size - 1, axis=1)[:, : self.size]
        if self.position >= self.samples:
            self.orders = self.generator.permuted(self.orders, axis=1)
            self.position = 0
        chosen = self.orders[:, self.position : self.position + self.size]
        self.position += self.size
        return chosen

    def _distinct(self) -> Integer:
        """Draw with replacement, and rows again in which a sample came twice."""
        drawn = self.generator.integers(self.samples, size=(self.chains, self.size))
        while True:
            ordered = np.sort(drawn, axis=1)
            again = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
            if not again.any():
                return drawn
            drawn[again] = self.generator.integers(self.samples, size=(int(again.sum()), self.size))
