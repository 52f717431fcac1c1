r"""Energies of minimisers of one-hidden-layer networks, many data sets or starts at once.

.. math::

    E(W_1, W_2) = \frac{|W_2 f(W_1 X) - Y|^2}{|Y|^2} = 2\epsilon,

the squared loss without biases over its value at zero weights, so that :math:`\epsilon = E/2` is
the loss per output of Pennington & Bahri [1]_ for targets of mean square 1. A start is
:math:`W_l \sim N(0, s^2/n_{l-1})`; s = 1 by default.

A minimum of a network need not exist at finite weights: branches run to infinity with a falling
energy. What is reported is the energy after so many steps, the norm of its gradient, and a measure
of what further steps may gain (`rmtland.landscape.minimisers.batched_lbfgs`).

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
A linear network of n hidden units reaches least squares:

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> x, y = rng.standard_normal((3, 4, 12)), rng.standard_normal((3, 4, 12))
>>> found = minimised_networks(x, y, hidden=4, activation="linear", rng=1)
>>> q = np.linalg.qr(np.swapaxes(x, 1, 2))[0]
>>> best = 1 - ((y @ q) ** 2).sum((1, 2)) / (y * y).sum((1, 2))
>>> bool(np.abs(found.values - best).max() < 1e-6)
True
"""

from __future__ import annotations

import numpy as np

from rmtland.arguments import count, entries, points, positive
from rmtland.landscape.minimisers.batched_lbfgs import BatchFunction, BatchMinimum, minimise_batch
from rmtland.networks import Activation
from rmtland.networks.activation import activation as named_activation
from rmtland.streams import random_generator
from rmtland.typing import ArrayLike, Integer, Real, Rng

__all__ = [
    "minimised_networks",
    "packed_weights",
    "random_weights",
    "relative_energy",
    "weights_of",
]


def minimised_networks(
    x: ArrayLike,
    y: ArrayLike,
    *,
    hidden: int,
    activation: str | Activation = "tanh",
    scale: float = 1.0,
    steps: int = 4000,
    memory: int = 10,
    rng: Rng = None,
) -> BatchMinimum:
    """Train a network on each data set of a batch.

    Parameters
    ----------
    x : array, shape (starts, n0, m)
        Inputs, a column for each sample. The same data may stand there many times.
    y : array, shape (starts, n2, m)
        Targets.
    hidden : int
        Number n1 of hidden units.
    activation : str or Activation
        f.
    scale : float
        s, of the weights at the start.
    steps, memory : int
        Of the minimisation.
    rng : optional
        Anything `numpy.random.default_rng` takes, for the starts.

    Returns
    -------
    BatchMinimum
        With the relative energy 2 epsilon as its value, and W1, W2 as a row of x.

    Raises
    ------
    ValueError
        If shapes do not fit, or data are not finite.
    TypeError
        If `hidden` is no integer, or `x` or `y` holds no real numbers.
    """
    inputs, targets = _checked(x, y)
    start = random_weights(
        (inputs.shape[1], count("hidden", hidden), targets.shape[1]),
        batch=len(inputs),
        scale=scale,
        rng=rng,
    )
    function = relative_energy(inputs, targets, hidden=hidden, activation=activation)
    return minimise_batch(function, start, steps=steps, memory=memory)


def random_weights(
    widths: tuple[int, int, int], *, batch: int, scale: float = 1.0, rng: Rng = None
) -> Real:
    """Return weights of entries N(0, scale^2/n_in), a row for each of a batch.

    Parameters
    ----------
    widths : (int, int, int)
        n0, n1, n2.
    batch : int
        How many.
    scale : float
        s.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    ndarray, shape (batch, n1 (n0 + n2))
        W1 and W2, flattened.

    Raises
    ------
    ValueError
        If there are not three widths, one or `batch` is below 1, or `scale` not positive.
    TypeError
        If a width or `batch` is no integer, or `scale` no number.
    """
    if len(entries("widths", widths)) != 3:
        raise ValueError(f"widths must be n0, n1 and n2; got {widths!r}")
    n0, n1, n2 = (count("widths", n) for n in widths)
    batch, rng, scale = count("batch", batch), random_generator(rng), positive("scale", scale)
    first = rng.standard_normal((batch, n1, n0)) * (scale / np.sqrt(n0))
    second = rng.standard_normal((batch, n2, n1)) * (scale / np.sqrt(n1))
    return packed_weights(first, second)


def packed_weights(first: Real, second: Real) -> Real:
    """Return W1 and W2 of a batch as rows.

    Parameters
    ----------
    first : ndarray, shape (batch, n1, n0)
        W1.
    second : ndarray, shape (batch, n2, n1)
        W2.

    Returns
    -------
    ndarray, shape (batch, n1 (n0 + n2))
        W1 and then W2 of each.
    """
    batch = len(first)
    return np.concatenate([first.reshape(batch, -1), second.reshape(batch, -1)], axis=1)


def weights_of(theta: Real, widths: tuple[int, int, int]) -> tuple[Real, Real]:
    """Return W1, shape (batch, n1, n0), and W2, shape (batch, n2, n1), of rows.

    Parameters
    ----------
    theta : ndarray, shape (batch, n1 (n0 + n2))
        As `packed_weights` returns them.
    widths : (int, int, int)
        n0, n1, n2.

    Returns
    -------
    (ndarray, ndarray)
        W1 and W2.
    """
    n0, n1, n2 = widths
    cut = n1 * n0
    return theta[:, :cut].reshape(-1, n1, n0), theta[:, cut:].reshape(-1, n2, n1)


def relative_energy(
    x: Real, y: Real, *, hidden: int, activation: str | Activation
) -> BatchFunction:
    """Return |W2 f(W1 X) - Y|^2/|Y|^2 and its gradient as a function of rows.

    Parameters
    ----------
    x : ndarray, shape (starts, n0, m)
        Inputs.
    y : ndarray, shape (starts, n2, m)
        Targets.
    hidden : int
        n1.
    activation : str or Activation
        f.

    Returns
    -------
    callable
        As `minimise_batch` takes it.
    """
    f, widths = named_activation(activation), (x.shape[1], hidden, y.shape[1])
    square = np.einsum("bim,bim->b", y, y)

    def function(theta: Real, which: Integer) -> tuple[Real, Real]:
        first, second = weights_of(theta, widths)
        whole = len(which) == len(x)
        inputs, targets = (x, y) if whole else (x[which], y[which])
        z = first @ inputs
        a = f.value(z)
        error = second @ a
        error -= targets
        energy = np.einsum("bim,bim->b", error, error) / square[which]
        back = np.swapaxes(second, 1, 2) @ error
        back *= f.slope(z, a)
        gradient = packed_weights(back @ np.swapaxes(inputs, 1, 2), error @ np.swapaxes(a, 1, 2))
        gradient *= (2.0 / square[which])[:, None]
        return energy, gradient

    return function


def _checked(x: ArrayLike, y: ArrayLike) -> tuple[Real, Real]:
    inputs, targets = points("x", x), points("y", y)
    fits = inputs.ndim == targets.ndim == 3
    if not fits or (len(inputs), inputs.shape[2]) != (len(targets), targets.shape[2]):
        raise ValueError(
            "x and y must have shapes (starts, n0, m) and (starts, n2, m); got "
            f"{inputs.shape} and {targets.shape}"
        )
    if not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
        raise ValueError("x and y must be finite; remove samples with NaN or infinity")
    if not np.einsum("bim,bim->b", targets, targets).all():
        raise ValueError("all targets of a data set are 0: its energy has no scale")
    return inputs, targets
