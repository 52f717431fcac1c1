r"""Starts of a search: points along training, uniform in energy.

A network is drawn, and gradient descent lowers its loss until it is a uniformly drawn fraction of
what it was, as in section 6 of Pennington & Bahri (ICML 2017). A fraction that training cannot
reach ends where the steps do.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(20, 4, rng=0), MLP((4, 4, 4))
>>> point = net.at(net.init(rng=1), data.x, data.y)
>>> theta = trained_start(NetworkSurface(point), rng=2)
>>> point.at(theta).loss < point.loss
True
"""

from __future__ import annotations

import numpy as np

from rmtland.arguments import count, positive
from rmtland.landscape.critical_points.surface_point import DecayedSurface
from rmtland.landscape.surface import LossSurface, NetworkSurface, TorchSurface
from rmtland.networks import MLP
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

__all__ = ["trained_start"]


def trained_start(
    surface: LossSurface, *, rng: Rng = None, step_size: float = 0.3, max_steps: int = 4000
) -> Real:
    """Draw weights and train them to a uniformly drawn fraction of their loss.

    Parameters
    ----------
    surface : LossSurface
        The loss of an MLP, which draws its weights, or of a PyTorch model: its parameters are drawn
        iid Gaussian, in each block of the size that they have.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    step_size : float, optional
        Of gradient descent; halved where a step raises the loss.
    max_steps : int, optional
        Stop after so many.

    Returns
    -------
    ndarray, shape (p,)
        Parameters.

    Raises
    ------
    ValueError
        If `step_size` is not positive, or `max_steps` is negative.
    TypeError
        If the surface is neither, `step_size` is no real number, or `max_steps` is no integer.
    """
    step_size = positive("step_size", step_size)
    limit = count("max_steps", max_steps, min_value=0)
    generator = random_generator(rng)
    here = _drawn(surface, generator)
    loss, gradient = surface.value(here)
    target = loss * generator.uniform()
    for _ in range(limit):
        if loss <= target:
            break
        trial = here - step_size * gradient
        try:
            new, new_gradient = surface.value(trial)
        except ValueError:  # the network overflows
            new = np.inf
        if not new <= loss:
            step_size *= 0.5
            if step_size < 1e-12:
                break
            continue
        here, loss, gradient = trial, new, new_gradient
    return here


def _drawn(surface: LossSurface, generator: np.random.Generator) -> Real:
    if isinstance(surface, NetworkSurface) and isinstance(surface.point.net, MLP):
        return np.array(surface.point.net.init(rng=generator))
    inner = surface.surface if isinstance(surface, DecayedSurface) else surface
    if not isinstance(inner, TorchSurface):
        raise TypeError(f"starts are not drawn for {inner!r}: give the starts themselves")
    present, found = inner.parameters(), np.empty(inner.size)
    for block in inner.blocks:
        size = float(np.sqrt(np.mean(present[block.slice] ** 2)))
        found[block.slice] = size * generator.standard_normal(found[block.slice].size)
    return found
