"""Saddles that SGD leaves: those with gradient noise along their direction of negative curvature.

A saddle that breaks a symmetry of the network, with units switched off or copies of each other, has
no noise along the direction that would restore it: chains that start there stay.
"""

from __future__ import annotations

import numpy as np

from rmtland.arguments import count
from rmtland.landscape.connectivity import saddle_near
from rmtland.landscape.noise.gradient_noise import GradientNoise
from rmtland.landscape.noise.stationary import NoisyDescent
from rmtland.landscape.surface import NetworkSurface
from rmtland.networks import MLP, train
from rmtland.solution import ConvergenceError
from rmtland.typing import ArrayLike, Logical, Real

__all__ = ["noisy_directions", "noisy_saddle"]

_SILENT = 1e-12
"""Noise along a direction, over its mean, that rounding leaves of none."""


def noisy_directions(sgd: NoisyDescent) -> Logical:
    """Return which directions have gradient noise above rounding.

    Parameters
    ----------
    sgd : NoisyDescent
        SGD about a critical point.

    Returns
    -------
    ndarray of bool, shape (p,)
        Of the eigenvectors of its Hessian.
    """
    variances = np.diag(sgd.noise)
    return np.asarray(variances > _SILENT * variances.mean())


def noisy_saddle(net: MLP, x: ArrayLike, y: ArrayLike, *, seed: int, starts: int = 40) -> Real:
    """Train a little from several starts, and return the first saddle that Newton's method finds.

    One with noise along the direction of least curvature if there is one, as most that are not
    symmetric have.

    Parameters
    ----------
    net : MLP
        The network.
    x, y : array_like
        Inputs and targets, as for `MLP.at`.
    seed : int
        Of the starts.
    starts : int, optional
        Networks trained a little and brought to a critical point, at most.

    Returns
    -------
    ndarray, shape (p,)
        Parameters of the saddle.

    Raises
    ------
    ValueError
        If no saddle is found.
    KeyboardInterrupt
        On Ctrl-C.
    """
    surface, quiet = NetworkSurface.of(net, x, y), None
    for start in range(count("starts", starts)):
        first = net.init(rng=np.random.SeedSequence([seed, start]))
        trained = train(net, first, x, y, max_steps=8).unless_interrupted()
        try:
            found = saddle_near(surface, trained.theta, max_steps=100)
        except ConvergenceError:
            continue
        if not found.index:
            continue
        point = net.at(found.theta, x, y)
        noise = GradientNoise.of(point).covariance
        values, vectors = np.linalg.eigh(point.hessian("total"))
        worst = vectors[:, 0]
        if worst @ noise @ worst > _SILENT * np.trace(noise) / len(values):
            return found.theta
        quiet = found.theta if quiet is None else quiet
    if quiet is None:
        raise ValueError(
            f"no saddle was found from {starts} starts (a convex loss has none): take a hidden "
            "layer, fewer samples or another weight decay"
        )
    return quiet
