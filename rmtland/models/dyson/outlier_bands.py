r"""Outliers of a Hessian that its matrix Dyson equation predicts: place, number and spread.

The mean of the activations, class means and other strong directions of the data lift eigenvalues
out of the bulk. A law with the data in it has them as narrow bands of little mass: the features
h of n1 units at m samples enter n2 times over, once for each output, so that the spike of a mean
activation c0, near c0^2 n1, is a band of n2 eigenvalues. Their number, mean and variance are
contour integrals that never come near the band,

.. math:: k = \frac{P}{2 \pi i} \oint G(z) \, dz, \qquad
          k \mu = \frac{P}{2 \pi i} \oint z G(z) \, dz, \qquad
          k (\sigma^2 + \mu^2) = \frac{P}{2 \pi i} \oint z^2 G(z) \, dz ,

with P the number of eigenvalues; the contour crosses the real axis in the gaps on either side. In
a gap Im G(x + i eta) is proportional to eta, which tells gaps from bands.

References
----------
.. [1] F. Benaych-Georges and R. R. Nadakuditi, The eigenvalues and eigenvectors of finite, low rank
       perturbations of large random matrices, Adv. Math. 227 (2011) 494-521.
.. [2] Z. Fan and Z. Wang, Spectra of the conjugate kernel and neural tangent kernel for
       linear-width neural networks, NeurIPS 2020, arXiv:2005.11879: the spikes of mean
       activations.

Examples
--------
Two classes far apart: one strong direction of the data, an eigenvalue for each of 8 units.

>>> import numpy as np
>>> from rmtland.models import DysonHessian
>>> rng = np.random.default_rng(0)
>>> first, x = rng.normal(size=(8, 8)) / np.sqrt(8), rng.normal(size=(32, 8))
>>> x[:, 0] += 6 * (-1.0) ** np.arange(32)
>>> model = DysonHessian.of_first_layer(
...     first, x, outputs=8, epsilon=0.0, activation="tanh", part="gauss_newton", rng=0
... )
>>> [band.count for band in outliers(model)]
[8]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from rmtland.arguments import callable_or_none, positive
from rmtland.models.far_field import root_mean_square
from rmtland.solution import ConvergenceError, Solution
from rmtland.typing import ArrayLike, Complex, Logical, Real

__all__ = ["OutlierBand", "outlier_points", "outliers"]

_TOLERANCE = 1e-6
_HEIGHT = 4e-3  # of the scan, relative to the place
_RATIO = 0.985  # of neighbours in the scan
_STRAIGHT = 0.02  # largest deviation of Im G from proportionality in a gap
_CONTOUR = (24, 48, 96)
_WHOLE = 2e-3  # largest defect of a number of eigenvalues
_LEAST = 1e-2  # of the mean eigenvalue: places nearer to 0 belong to the bulk
_FLOOR = 1e-3  # the same, of the root mean square


class HessianLaw(Protocol):
    """What is needed of a law of a Hessian."""

    @property
    def parameter_count(self) -> int: ...

    def mean(self) -> float: ...

    def solve(self, z: ArrayLike, *, tolerance: float = ..., throw: bool = ...) -> Solution: ...


@dataclass(frozen=True)
class OutlierBand:
    """Eigenvalues between two gaps, away from the bulk.

    Made by `rmtland.models.outliers`.

    Parameters
    ----------
    lower, upper : float
        Ends of the band, to a few parts in a thousand of its distance from 0.
    count : int
        Number of eigenvalues in it.
    mean : float
        Their mean.
    spread : float
        Their standard deviation about it, within one matrix.
    defect : float
        Distance of the contour integral for the number from an integer: a measure of its error.
    """

    lower: float
    upper: float
    count: int
    mean: float
    spread: float
    defect: float


def outliers(
    model: HessianLaw,
    *,
    largest_share: float = 0.1,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[OutlierBand, ...]:
    """Return the bands beside the bulk that a matrix Dyson equation predicts.

    Gaps narrower than 1.5 % of their distance from 0 are not seen: what they separate is one band.

    Parameters
    ----------
    model : DysonHessian
        Or any law of a Hessian with `solve`, `mean` and `parameter_count`.
    largest_share : float
        Share of all eigenvalues, in (0, 0.5], up to which what lies beyond a gap is a set of
        outliers; the first band with more is the bulk.
    progress : callable, optional
        Called as ``progress(done, expected)`` with numbers of points solved; `outlier_points` tells
        the second beforehand, and ``model.cost(outlier_points(model))`` the time.

    Returns
    -------
    tuple of OutlierBand
        From the lowest to the highest; empty where no gap separates anything from the bulk.

    Raises
    ------
    TypeError
        If `model` is no law of a Hessian.
    ConvergenceError
        If the equation could not be solved at some point.
    ValueError
        If `largest_share` is not positive, or above a half.
    """
    if not all(hasattr(model, name) for name in ("solve", "mean", "parameter_count")):
        raise TypeError(
            f"model must be a law of a Hessian, such as DysonHessian; got {type(model).__name__}"
        )
    callable_or_none("progress", progress)
    share = positive("largest_share", largest_share)
    if share > 0.5:
        raise ValueError(f"largest_share must be at most 0.5; got {share}")
    size = root_mean_square(lambda z: _transform(model, z), model.mean())
    if not size:
        return ()
    if progress is not None:
        model = _Counted(model, _expected(model.mean(), size), progress)
    radius = _radius(model, size)
    least = max(_LEAST * abs(model.mean()), _FLOOR * size)
    bands = [band for sign in (1.0, -1.0) for band in _from_end(model, radius, sign, share, least)]
    return tuple(sorted(bands, key=lambda band: band.mean))


def outlier_points(model: HessianLaw) -> int:
    """Estimate how many points `outliers` solves, most of them in scans as far as the bulk.

    Parameters
    ----------
    model : DysonHessian
        As for `outliers`.

    Returns
    -------
    int
        Estimated number of points.
    """
    size = root_mean_square(lambda z: _transform(model, z), model.mean())
    return _expected(model.mean(), size) if size else 1


def _expected(mean: float, size: float) -> int:
    """Two heights, both ends, down to half a root mean square; contours and edges of few bands."""
    reach = np.log(4.0 * size / max(size / 2, _LEAST * abs(mean)))
    return int(4 * reach / (1 - _RATIO)) + 4 * _CONTOUR[0] + 40


class _Counted:
    """A law of a Hessian that tells how many points were solved."""

    def __init__(
        self, model: HessianLaw, expected: int, progress: Callable[[int, int], object]
    ) -> None:
        self.model, self.expected, self.progress = model, expected, progress
        self.done = 0

    @property
    def parameter_count(self) -> int:
        return self.model.parameter_count

    def mean(self) -> float:
        return self.model.mean()

    def solve(self, z: ArrayLike, *, tolerance: float = _TOLERANCE, throw: bool = True) -> Solution:
        found = self.model.solve(z, tolerance=tolerance, throw=throw)
        self.done += int(np.size(z))
        self.progress(self.done, max(self.expected, self.done))
        return found


def _transform(model: HessianLaw, z: Complex) -> Complex:
    return np.asarray(model.solve(z, tolerance=_TOLERANCE).value)


def _radius(model: HessianLaw, size: float) -> float:
    """Return a radius about 0 that holds all eigenvalues."""
    radius = 2 * size
    for _ in range(100):
        whole = _inside(model, -radius, radius)
        if whole.count == model.parameter_count and whole.defect <= _WHOLE:
            return radius
        radius *= 1.6
    raise ConvergenceError("the spectrum could not be bounded; does the law have a finite support?")


def _inside(model: HessianLaw, low: float, high: float) -> OutlierBand:
    """Return number, mean and spread of the eigenvalues inside a circle that crosses two gaps."""
    center, radius = (low + high) / 2, (high - low) / 2
    band = OutlierBand(low, high, 0, center, 0.0, np.inf)
    for points in _CONTOUR:
        step = radius * np.exp(1j * np.pi * (np.arange(points) + 0.5) / points)
        weighted = _transform(model, center + step) * step * model.parameter_count / points
        number, first, second = (float((weighted * step**k).sum().real) for k in range(3))
        nearest = round(number)
        defect = abs(number - nearest)
        if nearest:
            shift = first / number
            spread = max(second / number - shift**2, 0.0) ** 0.5
            band = OutlierBand(low, high, nearest, center + shift, spread, defect)
        else:
            band = OutlierBand(low, high, 0, center, 0.0, defect)
        if defect <= _WHOLE:
            break
    return band


def _in_gap(model: HessianLaw, x: Real, height: float) -> tuple[Logical, Real]:
    """Tell which points are in gaps; also the density smoothed by a relative height."""
    heights = height * np.abs(x)
    upper = _transform(model, x + 1j * heights).imag
    lower = _transform(model, x + 0.5j * heights).imag
    return np.abs(upper - 2 * lower) <= _STRAIGHT * np.abs(upper), -upper / np.pi


def _from_end(
    model: HessianLaw, radius: float, sign: float, share: float, least: float
) -> list[OutlierBand]:
    """Scan from beyond the spectrum, above (sign 1) or below (-1), as far as the bulk."""
    places, gaps = [radius], [True]
    beyond = 0.0  # share of the eigenvalues passed
    while beyond <= share and places[-1] > least:
        x = places[-1] * _RATIO ** np.arange(1.0, 13.0)
        flat, density = _in_gap(model, sign * x, _HEIGHT)
        steps = x * (1 / _RATIO - 1)
        passed = beyond + np.cumsum(np.where(flat, 0.0, density * steps))
        some = int(np.searchsorted(passed, share)) + 1
        places += x[:some].tolist()
        gaps += flat[:some].tolist()
        beyond = float(passed[min(some, x.size) - 1])
    runs = _runs(gaps)
    found: list[OutlierBand] = []
    for (first, last), (first_below, last_below) in pairwise(runs):
        beginning = 1.2 * radius if first == 0 else places[first]
        outer = (beginning * places[last]) ** 0.5
        inner = (places[first_below] * places[last_below]) ** 0.5
        low, high = sorted((sign * inner, sign * outer))
        band = _inside(model, low, high)
        total = sum(one.count for one in found) + band.count
        if not 0 < total <= share * model.parameter_count:
            break
        middle = sign * band.mean
        ends = [
            sign * _edge(model, sign, places[last], places[last + 1], middle),
            sign * _edge(model, sign, places[first_below], places[first_below - 1], middle),
        ]
        found.append(replace(band, lower=min(ends), upper=max(ends)))
    return found


def _runs(flags: list[bool]) -> list[tuple[int, int]]:
    """First and last positions of the runs of true flags."""
    padded = np.concatenate([[False], flags, [False]]).astype(np.int8)
    changes = np.diff(padded)
    starts, stops = np.flatnonzero(changes == 1), np.flatnonzero(changes == -1) - 1
    return [(int(a), int(b)) for a, b in zip(starts, stops, strict=True)]


def _edge(model: HessianLaw, sign: float, out: float, within: float, middle: float) -> float:
    """Find the end of a band between a point in a gap and a neighbour in or close to the band."""

    def is_in_gap(place: float) -> bool:
        return bool(_in_gap(model, sign * np.array([place]), _HEIGHT / 10)[0][0])

    step = within - out
    for _ in range(8):
        if (middle - within) * step <= 0:  # a band narrower than a step
            within = middle
            break
        if not is_in_gap(within):
            break
        out, within = within, within + step
    for _ in range(5):
        cut = (out + within) / 2
        out, within = (cut, within) if is_in_gap(cut) else (out, cut)
    return (out + within) / 2
