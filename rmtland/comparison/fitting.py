r"""Fitting the parameters of a Hessian model to a spectrum.

The estimate minimises the Cramer-von Mises distance

.. math:: \sum_k \left[ F_n(x_k) - F(x_k; \theta) \right]^2

over points between eigenvalues: F is a closed form of the solved Stieltjes transform, smooth in
the parameters, and an outlier counts with its mass, not with its distance.

Errors are those of a parametric bootstrap: matrices of the fitted model, refitted. Eigenvalues
repel each other, and statistics of the spectrum of an n x n matrix fluctuate, and are biased, at
order 1/n, not n^(-1/2) [1]_; the bootstrap therefore runs at a moderate size and its errors are
scaled by the ratio of the sizes. The errors are root mean squares about the fitted value, so that
they cover the bias of finite size. They suppose that the model holds: what it misses shows in the
distances.

References
----------
.. [1] Z. D. Bai and J. W. Silverstein, CLT for linear spectral statistics of large-dimensional
       sample covariance matrices, Annals of Probability 32 (2004) 553-605.

Examples
--------
>>> from rmtland import WishartPlusWigner, fit
>>> spectrum = WishartPlusWigner(0.5, 0.3).sample(400, rng=1)
>>> result = fit(spectrum, WishartPlusWigner, fix={"sigma": 1.0})
>>> abs(result.model.phi - 0.5) < 4 * result.errors["phi"] < 0.1
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from rmtland.arguments import count
from rmtland.comparison.distances import Comparison, compare
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.streams import Rng, random_generator

__all__ = ["Fit", "fit"]

Real = NDArray[np.float64]


class SpectralModel(Protocol):
    """What `fit` needs of a model: a frozen dataclass of positive numbers with a law."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def law(self) -> Law:
        """Limiting spectral law."""

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Spectra of random matrices of size n."""

    @classmethod
    def from_moments(cls, phi: float, *, mean: float, residual_variance: float) -> Self:
        """Return a model with given moments, to start from."""


Model = TypeVar("Model", bound=SpectralModel)


@dataclass(frozen=True)
class Fit(Generic[Model]):
    """A model fitted to a spectrum.

    Parameters
    ----------
    model : model
        The model at the fitted parameters.
    errors : dict of str to float
        Root-mean-square error of every fitted parameter, in its own units; infinite where the
        spectrum does not determine the parameter.
    fixed : dict of str to float
        Parameters that were held.
    comparison : Comparison
        Distances of the spectrum to the fitted law.
    defect : float
        Root mean square of F_n - F over the points of the fit.
    """

    model: Model
    errors: dict[str, float]
    fixed: dict[str, float]
    comparison: Comparison
    defect: float

    @property
    def law(self) -> Law:
        """Law of the fitted model."""
        return self.model.law


def fit(
    spectrum: Spectrum,
    model: type[Model],
    *,
    fix: Mapping[str, float] | None = None,
    rng: Rng = 0,
    resamples: int = 40,
) -> Fit[Model]:
    """Fit the parameters of a model to a spectrum.

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues or a quadrature.
    model : type
        `WishartPlusWigner`, `WishartPlusReluBlock` or another model class.
    fix : mapping of str to float, optional
        Parameters to hold at a value.
    rng : anything `numpy.random.default_rng` takes
        Stream of the bootstrap, with a fixed seed by default.
    resamples : int
        Bootstrap samples for the errors, at least 2; or 0 for no errors (they are infinite then).

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        If `fix` names a parameter that the model does not have, or leaves none free, or the
        spectrum has too few distinct eigenvalues.
    TypeError
        If `model` is not a model class.
    """
    if not (isinstance(model, type) and hasattr(model, "from_moments")):
        raise TypeError(f"model must be a class such as WishartPlusWigner, not {model!r}")
    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"expected a Spectrum; got {type(spectrum).__name__}")
    count("resamples", resamples, least=0)
    if resamples == 1:
        raise ValueError("resamples must be 0 or at least 2; one sample has no spread")
    names = [entry.name for entry in fields(model)]
    if fix is not None and not isinstance(fix, Mapping):
        raise TypeError(f"fix must map names of parameters to values; got {fix!r}")
    fixed = dict(fix or {})
    if unknown := set(fixed) - set(names):
        raise ValueError(
            f"{model.__name__} has no parameter {', '.join(sorted(unknown))}; "
            f"it has {', '.join(names)}"
        )
    model(**{**dict.fromkeys(names, 1.0), **fixed})  # refuses bad values by their names
    fixed = {name: float(value) for name, value in fixed.items()}
    free = [name for name in names if name not in fixed]
    if not free:
        raise ValueError("fix leaves no parameter free; use compare instead")
    points = _Points.of(spectrum, len(free))
    best = min(
        (_descend(points, start, free) for start in _starts(spectrum, model, fixed, points, free)),
        key=lambda pair: pair[1],
    )[0]
    found = _values(best, free)
    errors = dict.fromkeys(free, float("inf"))
    if resamples:
        spread = np.array(
            [
                _values(_descend(_Points.of(sample, len(free)), best, free)[0], free) - found
                for sample in _resampled(best, spectrum, random_generator(rng), resamples)
            ]
        )
        size = int(spectrum.dimension or spectrum.nodes.shape[1])
        scale = _resample_size(size) / size
        bias = spread.mean(axis=0)
        variance = spread.var(axis=0, ddof=1) / spectrum.runs
        size_of_error = np.where(
            _determined(points, best, free), scale * np.sqrt(bias**2 + variance), np.inf
        )
        errors = dict(zip(free, size_of_error.tolist(), strict=True))
    return Fit(
        model=best,
        errors=errors,
        fixed=fixed,
        comparison=compare(spectrum, best.law),
        defect=float(np.sqrt(np.mean(points.defect(best.law) ** 2))),
    )


@dataclass(frozen=True)
class _Points:
    """Points between eigenvalues, and the distribution function of the spectrum there."""

    x: Real
    level: Real

    @classmethod
    def of(cls, spectrum: Spectrum, parameters: int) -> _Points:
        nodes, weights = spectrum.measure
        nodes = np.where(np.abs(nodes) <= spectrum.zero_tolerance, 0.0, nodes)
        nodes, start = np.unique(nodes, return_index=True)
        if nodes.size < parameters + 2:
            raise ValueError(
                f"the spectrum has {nodes.size} distinct eigenvalues; fitting {parameters} "
                f"parameters needs at least {parameters + 2}"
            )
        level = np.concatenate(([0.0], np.cumsum(weights)))[start[1:]]
        x = (nodes[1:] + nodes[:-1]) / 2
        keep = np.unique(np.linspace(0, x.size - 1, min(x.size, 512)).round().astype(int))
        return cls(x[keep], level[keep])

    def defect(self, law: Law) -> Real:
        return np.asarray(law.cdf(self.x) - self.level)


def _starts(
    spectrum: Spectrum,
    model: type[Model],
    fixed: dict[str, float],
    points: _Points,
    free: list[str],
) -> list[Model]:
    """Three best of a grid of models that share mean and variance with (most of) the spectrum."""
    nodes, weights = spectrum.measure
    ladder = (np.cumsum(weights) - weights / 2 > 0.01) & (np.cumsum(weights) - weights / 2 < 0.99)
    if not ladder.any():
        ladder[:] = True
    candidates = []
    for part in (ladder, np.ones_like(ladder)):
        share = weights[part] / weights[part].sum()
        mean = float(share @ nodes[part])
        variance = float(share @ (nodes[part] - mean) ** 2)
        scale = fixed.get("sigma", max(mean, 1e-3 * np.sqrt(variance)))
        grid = [fixed["phi"]] if "phi" in fixed else np.geomspace(0.02, 20, 10)
        for phi in grid:
            rests = {max(variance - scale**2 * phi, 1e-3 * variance), 0.5 * variance}
            for rest in rests:
                start = model.from_moments(float(phi), mean=scale, residual_variance=rest)
                start = replace(start, **fixed)
                candidates.append((float(np.sum(points.defect(start.law) ** 2)), start))
    candidates.sort(key=lambda pair: pair[0])
    return [start for _, start in candidates[:3]]


def _descend(points: _Points, start: Model, free: list[str]) -> tuple[Model, float]:
    """Least squares over the logarithms of the free parameters."""
    origin = np.log(_values(start, free))

    def at(position: Real) -> Model:
        values = np.exp(np.clip(position, origin - 20, origin + 20))
        return replace(start, **dict(zip(free, values.tolist(), strict=True)))

    result = least_squares(
        lambda position: points.defect(at(position).law), origin, method="trf", x_scale=1.0
    )
    return at(result.x), float(result.cost)


def _determined(points: _Points, model: Model, free: list[str]) -> NDArray[np.bool_]:
    """Whether a change of each free parameter by a tenth moves F by more than rounding anywhere.

    Where it does not, descent and bootstrap leave the parameter where they started.
    """
    here = points.defect(model.law)
    moves = [
        np.abs(points.defect(replace(model, **{name: 1.1 * value}).law) - here).max()
        for name, value in zip(free, _values(model, free).tolist(), strict=True)
    ]
    return np.array(moves) > 1e-6


def _values(model: SpectralModel, names: list[str]) -> Real:
    return np.array([max(getattr(model, name), 1e-300) for name in names])


def _resample_size(size: int) -> int:
    return min(size, 160)


def _resampled(
    model: Model, spectrum: Spectrum, generator: np.random.Generator, resamples: int
) -> list[Spectrum]:
    size = _resample_size(int(spectrum.dimension or spectrum.nodes.shape[1]))
    return [model.sample(size, rng=generator) for _ in range(resamples)]
