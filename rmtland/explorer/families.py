r"""The laws that the explorer shows, the parameters of each, and the ranges of their sliders.

A family is a function of some of phi, energy and sigma that gives a random
matrix with its limiting law:

==================  ==========================================  ====================
name                matrix                                      parameters
==================  ==========================================  ====================
wishart-wigner      Wishart + Wigner (Pennington and Bahri)     phi, energy, sigma
wishart-relu        Wishart + ReLU block (the same)             phi, energy, sigma
marchenko-pastur    Wishart, the Gauss-Newton part alone        phi, sigma
semicircle          Wigner, of variance 2 energy                energy
==================  ==========================================  ====================

All their curves take less than 100 ms at any place of the sliders (`scripts/bench_explorer.py`);
laws that are solved for longer are not among them: `rmtland.PopulationHessian` takes seconds, some
kernels of random features (`rmtland.models.ConjugateKernel`) a few hundred milliseconds.

With ``traces="activation"`` they have the mean of H0 and the variance of H1 that a network of n
inputs, hidden units and outputs with this activation has in the limit, at m = 2n/phi samples and
residuals of variance 2 energy (`rmtland.models.HessianModel.from_moments`); sigma is then given by
them.

Examples
--------
>>> FAMILIES["marchenko-pastur"].parameters
('phi', 'sigma')
>>> round(FAMILIES["wishart-wigner"].matrix(phi=0.5, energy=0.3, sigma=1.0).index(), 9)
0.205280313
>>> round(network_moments(0.5, "relu").mean, 6), round(network_moments(0.5, "relu").variance, 6)
(0.420423, 0.25)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from rmtland.ensembles import Ensemble, GaussianEnsemble, WishartEnsemble
from rmtland.models import (
    HessianModel,
    PopulationHessian,
    WishartPlusReluBlock,
    WishartPlusWigner,
)
from rmtland.typing import Real

__all__ = ["FAMILIES", "SLIDERS", "LawFamily", "Moments", "Slider", "network_moments"]


class Slider(NamedTuple):
    """A slider, logarithmic between two ends; numbers outside can be typed."""

    label: str
    low: float
    high: float


SLIDERS = {
    "phi": Slider("phi, parameters per effective example", 0.01, 10.0),
    "energy": Slider("energy, loss per output", 1e-4, 10.0),
    "sigma": Slider("sigma, mean of the Gauss-Newton part", 0.1, 10.0),
    "width": Slider("width, order of the matrices or units a layer", 2, 1000),
}
"""What can be moved, and how far."""


class Moments(NamedTuple):
    """Mean of H0, and variance of H1 at unit energy."""

    mean: float
    variance: float


@lru_cache(maxsize=256)
def network_moments(phi: float, activation: str) -> Moments:
    """Return the traces of the Hessian of a network with one hidden layer, in the limit.

    Parameters
    ----------
    phi : float
        2n/m of n inputs, hidden units and outputs and m samples.
    activation : str
        A name of `rmtland.networks`.

    Returns
    -------
    Moments
        Mean of H0, and variance of H1 at energy 1, to which it is proportional.

    Raises
    ------
    ValueError
        If phi is out of range, or there is no such activation.
    """
    model = PopulationHessian(1, 1, 1, 2 / phi, activation=activation)
    return Moments(float(model.gauss_newton_mean), float(model.residual(1.0).variance))


@dataclass(frozen=True)
class LawFamily:
    """A law of the explorer.

    Parameters
    ----------
    title : str
        What it is called on the page.
    build : callable
        Takes some of phi, energy and sigma by name; returns what has `law` and `sample`.
    matched : callable
        (phi, energy, moments) -> the member with these traces.
    """

    title: str
    build: Callable[..., Ensemble]
    matched: Callable[[float, float, Moments], Ensemble]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the numbers that the law depends on."""
        return tuple(inspect.signature(self.build).parameters)

    def matrix(self, *, traces: str = "printed", **values: Any) -> Ensemble:
        """Return the random matrix at these values; what it does not depend on is left out.

        Parameters
        ----------
        traces : {"printed", "activation"}
            Whether sigma and the scale of H1 are those printed, or those of a network.
        **values : float or str
            phi, energy, sigma and activation.

        Returns
        -------
        Ensemble
            With `law` and `sample`.

        Raises
        ------
        ValueError
            If a value is out of its range.
        """
        if traces == "activation":
            moments = network_moments(values["phi"], values["activation"])
            return self.matched(values["phi"], values["energy"], moments)
        return self.build(**{name: values[name] for name in self.parameters})

    def index_curve(self, energies: Real, *, traces: str = "printed", **values: object) -> Real:
        """Return the index at many energies, all else fixed.

        Parameters
        ----------
        energies : ndarray of float
            Energies, > 0.
        traces : {"printed", "activation"}
            As in `matrix`.
        **values : float or str
            phi, sigma and activation; an energy is not looked at.

        Returns
        -------
        ndarray of float
            Fractions below zero, in the shape of `energies`.

        Raises
        ------
        ValueError
            If the law does not depend on the energy, or a value is out of range.
        ConvergenceError
            If a law does not pass its certificate.
        """
        if "energy" not in self.parameters:
            raise ValueError(f"the {self.title} has no energy: nothing of it is below zero")
        one = self.matrix(traces=traces, **{**values, "energy": 1.0})
        if isinstance(one, HessianModel):
            found = type(one).grid(one.phi, one.epsilon * energies, sigma=one.sigma).index()
            return np.asarray(found, dtype=np.float64)
        every = [self.matrix(traces=traces, **{**values, "energy": e}) for e in energies.tolist()]
        return np.array([matrix.law.index() for matrix in every])


def _wishart_wigner(phi: float, energy: float, sigma: float) -> WishartPlusWigner:
    return WishartPlusWigner(phi, energy, sigma)


def _wishart_relu(phi: float, energy: float, sigma: float) -> WishartPlusReluBlock:
    return WishartPlusReluBlock(phi, energy, sigma)


def _wishart(phi: float, sigma: float) -> WishartEnsemble:
    return WishartEnsemble(phi, sigma)


def _wigner(energy: float) -> GaussianEnsemble:
    return _residual_part(energy, 2.0)


def _residual_part(energy: float, variance: float) -> GaussianEnsemble:
    """Return the residual part alone, of this variance at energy 1."""
    if energy == 0.0:
        raise ValueError("at energy 0 all residuals are 0, and all eigenvalues of their part")
    return GaussianEnsemble(variance=energy * variance)


def _matched(model: type[HessianModel]) -> Callable[[float, float, Moments], HessianModel]:
    def build(phi: float, energy: float, moments: Moments) -> HessianModel:
        return model.from_moments(
            phi, mean=moments.mean, residual_variance=energy * moments.variance
        )

    return build


FAMILIES = {
    "wishart-wigner": LawFamily(
        "Wishart + Wigner law", _wishart_wigner, matched=_matched(WishartPlusWigner)
    ),
    "wishart-relu": LawFamily(
        "Wishart + ReLU block law", _wishart_relu, matched=_matched(WishartPlusReluBlock)
    ),
    "marchenko-pastur": LawFamily(
        "Marchenko-Pastur law",
        _wishart,
        matched=lambda phi, energy, moments: WishartEnsemble(phi, moments.mean),
    ),
    "semicircle": LawFamily(
        "semicircle law",
        _wigner,
        matched=lambda phi, energy, moments: _residual_part(energy, moments.variance),
    ),
}
"""The laws by name."""
