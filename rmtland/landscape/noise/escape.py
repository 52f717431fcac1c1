r"""Escape of SGD from a saddle: simulated growth of the variance along given directions.

All chains start at the saddle. Along an eigenvector of negative curvature -c the variance after k
steps of independent batches is, for a quadratic loss,

.. math:: V_k = \eta^2 b \, \Sigma_{ii} \, \frac{(1 + \eta c)^{2 k} - 1}{(1 + \eta c)^2 - 1}

(`NoisyDescent.variances`), and `NoisyDescent.escape_steps` says when its root reaches a distance.
A direction without gradient noise keeps chains that start at the saddle itself: where a saddle has
units that are switched off or copies of each other, the negative directions that would tell them
apart break a symmetry and have none, so that SGD does not leave the symmetric set.

Synonyms: saddle escape, noise-induced instability, invariant manifold, permutation symmetry.

References
----------
.. [1] L. Ziyin, K. Liu, T. Mori and M. Ueda, Strength of minibatch noise in SGD, ICLR 2022.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> x = np.array([[1.0], [-1.0], [1.0], [-1.0]])
>>> run = simulate_escape(
...     MLP((1, 1)), [0.0], x, np.ones((4, 1)), np.eye(1), step_size=0.1, batch_size=1, steps=3,
...     rng=0,
... )
>>> run.variances.shape, bool(run.variances[0, 0] == 0.0)
((4, 1), True)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rmtland.arguments import count, positive
from rmtland.landscape.noise.simulation import SgdChains
from rmtland.networks import MLP
from rmtland.typing import ArrayLike, Real, Rng

__all__ = ["EscapeRun", "simulate_escape"]


class EscapeRun(NamedTuple):
    """Mean squared distances of chains from a saddle, step by step.

    Made by `rmtland.landscape.noise.simulate_escape`.

    Parameters
    ----------
    variances : ndarray, shape (s + 1, k)
        Mean square along each direction after 0, ..., s steps.
    errors : ndarray, shape (s + 1, k)
        Standard errors, from the scatter of chains.
    chains : int
        Number of chains.
    """

    variances: Real
    errors: Real
    chains: int

    def steps_to(self, distance: float) -> Real:
        """Return the first step at which the root mean square reaches a distance.

        Parameters
        ----------
        distance : float
            From the saddle along one direction.

        Returns
        -------
        ndarray, shape (k,)
            Infinite where it was not reached.

        Raises
        ------
        ValueError
            If `distance` is not positive and finite.
        TypeError
            If it is no number.
        """
        reached = self.variances >= positive("distance", distance) ** 2
        first = reached.argmax(axis=0).astype(np.float64)
        return np.asarray(np.where(reached.any(axis=0), first, np.inf))


def simulate_escape(
    net: MLP,
    theta: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    directions: ArrayLike,
    *,
    step_size: float,
    batch_size: int,
    sampling: str = "with",
    steps: int = 200,
    chains: int = 400,
    rng: Rng = None,
    progress: Callable[[float], object] | None = None,
) -> EscapeRun:
    """Simulate SGD from a saddle, and measure how far it goes along directions.

    Parameters
    ----------
    net : MLP
        The network.
    theta : array_like, shape (p,)
        The saddle: all chains start there.
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
        Of each chain.
    chains : int, optional
        Chains, at least 20.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    progress : callable, optional
        Called with the fraction of steps done.

    Returns
    -------
    EscapeRun
        Mean squares after every step, with their errors.

    Raises
    ------
    ValueError
        For fewer than 20 chains, or options out of range.
    TypeError
        If `net` is no MLP, `steps` is no integer, or `progress` cannot be called.
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
    last = count("steps", steps)
    variances, errors = np.zeros((2, last + 1, run.basis.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):  # chains that run off are refused
        for k in run.walk(last, progress):
            square = run.along**2
            variances[k] = square.mean(axis=0)
            errors[k] = square.std(axis=0, ddof=1) / np.sqrt(run.chains)
    return EscapeRun(variances, errors, run.chains)
