"""Which matrices stand behind a theory, so that spectra like the measured one can be drawn from it.

A law does not say how its points repel each other. Marchenko-Pastur, semicircle and Wachter laws
are taken for those of Gaussian matrices, real ones (beta = 1) unless told otherwise; beta = 0
stands for independent points. An ensemble or model draws its own matrices.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur, Semicircle, Uniform
>>> drawable(MarchenkoPastur(0.5)).source
WishartEnsemble(aspect_ratio=0.5, variance=1.0, beta=1.0)
>>> drawable(Semicircle(2.0, 1.0), beta=2).shift
1.0
>>> drawable(Uniform(0.0, 1.0)) is drawable(Semicircle(), beta=0) is None
True
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from rmtland.ensembles import GaussianEnsemble, JacobiEnsemble, WishartEnsemble
from rmtland.laws import Law, MarchenkoPastur, Semicircle, Wachter
from rmtland.spectrum import Spectrum
from rmtland.typing import Rng

__all__ = ["Drawable", "Sampler", "beta_of", "drawable"]


class Sampler(Protocol):
    """An ensemble or model that draws its matrices."""

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw all eigenvalues of `runs` matrices of order n."""


class Drawable(NamedTuple):
    """An ensemble or model with a sampler, and what is added to its eigenvalues.

    Parameters
    ----------
    source : ensemble or model
        With `sample`, as a rule with `lanczos`.
    shift : float
        Centre that the source does not know.
    """

    source: Sampler
    shift: float = 0.0

    def sample(self, size: int, *, rng: np.random.Generator, runs: int = 1) -> Spectrum:
        """Draw all eigenvalues of matrices of a size.

        Parameters
        ----------
        size, rng, runs
            As the sampler of the source takes them.

        Returns
        -------
        Spectrum
            A row a matrix.
        """
        found: Spectrum = self.source.sample(size, rng=rng, runs=runs)
        return Spectrum(found.nodes + self.shift) if self.shift else found


def beta_of(theory: object, beta: float | None = None) -> float:
    """Return the Dyson index of the matrices behind a theory.

    Parameters
    ----------
    theory : Law, ensemble or model
        An ensemble knows its own.
    beta : float, optional
        What was asked for.

    Returns
    -------
    float
        1 where nobody knows.
    """
    if beta is not None:
        return float(beta)
    return float(getattr(theory, "beta", 1.0))


def drawable(theory: object, beta: float | None = None) -> Drawable | None:
    """Return what draws the matrices of a theory.

    Parameters
    ----------
    theory : Law, model or ensemble
        The theory.
    beta : float, optional
        Of the matrices behind a law: 1 real, 2 complex, 0 for independent points.

    Returns
    -------
    Drawable or None
        None for laws of other matrices, and for what has no sampler.
    """
    dyson = beta_of(theory, beta)
    if isinstance(theory, Law) and dyson == 0:
        return None
    if isinstance(theory, MarchenkoPastur):
        return Drawable(WishartEnsemble(theory.aspect_ratio, theory.scale, dyson))
    if isinstance(theory, Semicircle):
        return Drawable(GaussianEnsemble(dyson, theory.variance), theory.center)
    if isinstance(theory, Wachter):
        return Drawable(JacobiEnsemble(theory.aspect_ratio, theory.other_ratio, dyson))
    if isinstance(theory, Law | Spectrum) or not hasattr(theory, "sample"):
        return None
    return Drawable(theory)
