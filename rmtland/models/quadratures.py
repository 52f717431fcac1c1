"""Gauss quadratures of drawn matrices, as Lanczos runs from uniform start vectors give them.

A uniform vector has uniform coefficients in the eigenbasis: the run is that of the diagonal matrix
of the eigenvalues, and only these are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rmtland.arguments import count
from rmtland.ensembles.krylov_quadrature import measure_jacobi, quadrature
from rmtland.laws import SpectralModel
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator
from rmtland.typing import Rng

__all__ = ["SampledModel", "lanczos_of"]


class SampledModel(SpectralModel):
    """A model with `sample`, whose Lanczos runs are those of the matrices drawn there."""

    def lanczos(self, n: float | None, steps: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw as `sample` and return the Gauss quadrature from uniform start vectors.

        Parameters
        ----------
        n : int or None
            As for `sample`.
        steps : int
            Number of Lanczos steps, at most the number of eigenvalues.
        rng, runs
            As for `sample`.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps).

        Raises
        ------
        ValueError
            If there are more steps than eigenvalues, or an argument is out of its range.
        """
        return lanczos_of(lambda seed: self.sample(n, rng=seed, runs=runs), steps, rng)  # type: ignore[arg-type]


def lanczos_of(sample: Callable[[Rng], Spectrum], steps: int, rng: Rng) -> Spectrum:
    """Draw eigenvalues and return the Gauss quadrature of Lanczos runs.

    Parameters
    ----------
    sample : callable
        Draws a complete spectrum from a seed.
    steps : int
        Number of Lanczos steps, at most the number of eigenvalues.
    rng : anything `numpy.random.default_rng` takes
        Seed or generator: the matrices come from its first child, start vectors from its second.

    Returns
    -------
    Spectrum
        Nodes and weights of shape (runs, steps), tridiagonals in `alpha` and `beta`.

    Raises
    ------
    ValueError
        If there are more steps than eigenvalues.
    """
    steps = count("steps", steps)
    matrices, starts = random_generator(rng).spawn(2)
    whole = sample(matrices)
    runs, size = whole.nodes.shape
    if steps > size:
        raise ValueError(f"a matrix of size {size} allows {size} Lanczos steps; got {steps}")
    alpha, beta = np.zeros((runs, steps)), np.zeros((runs, steps - 1))
    for row, nodes in enumerate(whole.nodes):
        shares = np.asarray(starts.normal(size=size)) ** 2
        places, which = np.unique(nodes, return_inverse=True)
        masses = np.asarray(np.bincount(which, shares / shares.sum()), dtype=np.float64)
        alpha[row], beta[row] = measure_jacobi(places, masses, steps)
    nodes, weights = quadrature(alpha, beta)
    provenance = {**whole.provenance, "steps": steps}
    return replace(
        whole,
        nodes=nodes,
        weights=weights,
        dimension=size,
        provenance=provenance,
        alpha=alpha,
        beta=beta,
    )
