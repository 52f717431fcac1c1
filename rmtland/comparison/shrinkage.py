r"""Nonlinear shrinkage: the covariance behind the eigenvalues of a sample covariance matrix.

The eigenvalues of a sample covariance matrix of p variables and n samples are spread out: the law
of its spectrum is not that H of the population but the free product of H with a Marchenko-Pastur
law of aspect ratio c = p/n (`rmtland.free.general_marchenko_pastur`). The inverse problem
[1]_, [2]_ is solved by free deconvolution (`rmtland.free.free_deconvolution`), which gives the
smoothest H that explains the measured eigenvalues within their noise. H then tells what to put in
the place of each eigenvalue: with the sample's eigenvectors kept (any rotation-equivariant
estimator), the mean square error is least for [3]_

.. math::

    \delta(\lambda) = \frac{\lambda}{|1 - c + c \lambda\, G(\lambda + i0)|^2}, \qquad
    \delta(0) = \frac{1}{(c - 1)\, m}, \quad 1 = c \int \frac{t m}{1 + t m} H(dt)
    \quad (c > 1),

G the Stieltjes transform of the law of the spectrum. (The same values minimise the inverse Stein
loss, and give the portfolio of least variance.) Stein's loss asks for

.. math:: \delta_S(\lambda) = \frac{\lambda}{1 - c + 2 c \lambda \operatorname{Re} G(\lambda + i0)}

instead [4]_, for c < 1.

Also: optimal shrinkage of eigenvalues, rotation-invariant estimator (RIE), cleaning of correlation
matrices, Ledoit-Wolf estimator, spectrum estimation of El Karoui.

References
----------
.. [1] N. El Karoui, Spectrum estimation for large dimensional covariance matrices using random
       matrix theory, Ann. Statist. 36 (2008) 2757-2790.
.. [2] O. Ledoit and M. Wolf, Spectrum estimation: a unified framework for covariance matrix
       estimation and PCA in large dimensions, J. Multivariate Anal. 139 (2015) 360-384.
.. [3] O. Ledoit and S. Peche, Eigenvectors of some large sample covariance matrix ensembles,
       Probab. Theory Relat. Fields 151 (2011) 233-264.
.. [4] O. Ledoit and M. Wolf, Optimal estimation of a large-dimensional covariance matrix under
       Stein's loss, Bernoulli 24 (2018) 3791-3832.

Examples
--------
>>> import numpy as np
>>> from rmtland import Spectrum
>>> generator = np.random.default_rng(0)
>>> variances = np.repeat([1.0, 3.0, 10.0], [20, 40, 40])
>>> x = generator.standard_normal((300, 100)) * np.sqrt(variances)
>>> sample = x.T @ x / 300
>>> found = nonlinear_shrinkage(Spectrum.from_matrix(sample), samples=300)
>>> estimate = found.covariance(np.linalg.eigh(sample).eigenvectors)
>>> truth = np.diag(variances)
>>> bool(np.linalg.norm(estimate - truth) < 0.65 * np.linalg.norm(sample - truth))
True
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from rmtland.arguments import choice, count, dense_array
from rmtland.arrays import ROUNDING_UNITS
from rmtland.comparison.distances import Comparison, compare
from rmtland.free import free_deconvolution, general_marchenko_pastur
from rmtland.free.recovered import RecoveredLaw
from rmtland.laws import Discrete, EmpiricalLaw, Law, MarchenkoPastur, affine
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.typing import ArrayLike, Real, Record

__all__ = ["Shrinkage", "nonlinear_shrinkage"]

LOSSES = ("frobenius", "stein")

_FEW = 30
"""Below so many eigenvalues the limit is no guide."""
_OFF = 0.05
"""Kolmogorov distance to the law of the spectrum, beyond that of chance, that is worth a word."""


@dataclass(frozen=True, eq=False)
class Shrinkage:
    """Eigenvalues of a sample covariance matrix, shrunken, and the population behind them.

    Made by `rmtland.comparison.nonlinear_shrinkage`.

    Parameters
    ----------
    eigenvalues : ndarray, shape (p,)
        Of the sample covariance matrix, ascending; rounding is set to 0.
    values : ndarray, shape (p,)
        What to put in their places, in the same order.
    population : Law
        Estimated law H of the population's eigenvalues; a `RecoveredLaw` knows its error.
    law : Law
        Law of the sample's eigenvalues for that population.
    comparison : Comparison or None
        Distances of the sample's eigenvalues to that law: large ones say that the samples are not
        independent, or that their number is another. None where the law is not known everywhere.
    samples : int
        Number n of samples.
    loss : {"frobenius", "stein"}
        What the values minimise.
    """

    eigenvalues: Real
    values: Real
    population: Law
    law: Law
    comparison: Comparison | None
    samples: int
    loss: str

    @property
    def aspect_ratio(self) -> float:
        """Ratio c = p/n."""
        return len(self.eigenvalues) / self.samples

    def covariance(self, vectors: ArrayLike) -> Real:
        """Return the estimate of the covariance matrix.

        Parameters
        ----------
        vectors : array_like, shape (p, p)
            Orthonormal eigenvectors of the sample covariance matrix in the columns, in the order
            of ascending eigenvalues, as `numpy.linalg.eigh` gives them.

        Returns
        -------
        ndarray, shape (p, p)
            Symmetric, or Hermitian for complex vectors.

        Raises
        ------
        ValueError
            If the vectors are not orthonormal, or not p.
        """
        columns = self._orthonormal(vectors)
        return np.asarray((columns * self.values) @ columns.conj().T)

    def precision(self, vectors: ArrayLike) -> Real:
        """Return the inverse of the estimate of the covariance matrix.

        Parameters
        ----------
        vectors : array_like, shape (p, p)
            As in `covariance`.

        Returns
        -------
        ndarray, shape (p, p)
            Symmetric, or Hermitian for complex vectors.

        Raises
        ------
        ValueError
            As in `covariance`, or if the estimate is singular: the population is.
        """
        if not self.values.all():
            raise ValueError(
                f"the estimate has {int(np.sum(self.values == 0))} eigenvalues 0, as the "
                "population has: it has no inverse"
            )
        columns = self._orthonormal(vectors)
        return np.asarray((columns / self.values) @ columns.conj().T)

    def _orthonormal(self, vectors: ArrayLike) -> Real:
        columns = dense_array("vectors", vectors)
        size = len(self.values)
        if columns.shape != (size, size):
            raise ValueError(
                f"expected {size} eigenvectors in the columns of a square matrix; got the shape "
                f"{columns.shape}"
            )
        defect = float(np.abs(columns.conj().T @ columns - np.eye(size)).max())
        rounding = max(np.finfo(columns.dtype).eps if columns.dtype.kind in "fc" else 0.0, 2e-16)
        if not defect <= 100 * size * rounding:
            raise ValueError(f"the eigenvectors are not orthonormal: off by {defect:.2g}")
        return columns

    def to_dict(self) -> Record:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            Eigenvalues, their replacements, places and masses of the population, distances.
        """
        return {
            "samples": self.samples,
            "loss": self.loss,
            "eigenvalues": self.eigenvalues.tolist(),
            "values": self.values.tolist(),
            "population": [[float(x), float(mass)] for x, mass in self.population.atoms],
            "population_error": getattr(self.population, "error", None),
            **({} if self.comparison is None else self.comparison.to_dict()),
        }

    def __repr__(self) -> str:
        return (
            f"Shrinkage({len(self.values)} eigenvalues of {self.samples} samples, "
            f"[{self.eigenvalues[0]:.4g}, {self.eigenvalues[-1]:.4g}] -> "
            f"[{self.values.min():.4g}, {self.values.max():.4g}])"
        )


def nonlinear_shrinkage(
    spectrum: Spectrum | ArrayLike,
    *,
    samples: int,
    population: Law | None = None,
    loss: str = "frobenius",
) -> Shrinkage:
    r"""Shrink the eigenvalues of a sample covariance matrix as the population asks for.

    .. formula:: Nonlinear shrinkage, :math:`\delta(\lambda) = \lambda / \lvert 1 - c + c \lambda
        G(\lambda + i0) \rvert^2`, the population by free deconvolution

    Parameters
    ----------
    spectrum : Spectrum or array_like, shape (p,)
        All eigenvalues of X^T X / n, with their zeros, in any order.
    samples : int
        Number n of independent samples; one fewer where their mean was subtracted.
    population : Law, optional
        Law H of the population's eigenvalues where it is known; estimated otherwise.
    loss : {"frobenius", "stein"}
        Mean square error, or Stein's loss (for p < n).

    Returns
    -------
    Shrinkage
        The values, the population, and the law of the spectrum.

    Raises
    ------
    ValueError
        If an eigenvalue is negative beyond rounding or not finite, if all are 0, if more than n are
        not, if no population explains the eigenvalues, if the population given has negative ones,
        or for Stein's loss if p >= n.
    ConvergenceError
        If the law of the spectrum is not known at an eigenvalue.
    TypeError
        If the population is no law, or a number of another type.

    Warns
    -----
    UserWarning
        If there are fewer than 30 eigenvalues, or if they are far from the law of the spectrum.

    See Also
    --------
    rmtland.free.free_deconvolution : of other noise.
    rmtland.free.general_marchenko_pastur : forwards.

    Notes
    -----
    The values hold as p and n grow together. For populations of a few groups they avoid nearly all
    of the loss that other values could avoid at p = 100; for smooth populations over several
    decades less, since the eigenvalues on their own at the upper end decide the loss and nothing
    tells them from noise. Entries need four moments.
    """
    eigenvalues = _checked(spectrum)
    n = count("samples", samples)
    choice("loss", loss, LOSSES)
    if population is not None and not isinstance(population, Law):
        raise TypeError(f"population must be a law; got {population!r}")
    positive = eigenvalues[eigenvalues > 0]
    rank, size = len(positive), len(eigenvalues)
    if rank > n:
        raise ValueError(
            f"{rank} eigenvalues are positive, but a sample covariance matrix of {n} samples has "
            f"rank {n} at most; give the right number of samples"
        )
    if loss == "stein" and size >= n:
        raise ValueError(f"Stein's loss needs fewer variables than samples; got {size} and {n}")
    null = size - rank
    unit = 2.0 ** round(np.log2(positive.mean()))  # the same bits at any size
    inside = eigenvalues / unit
    if population is None:
        found = _population(inside, rank, n)
    else:
        _require_positive(population)
        found = affine(population, scale=1 / unit)
    law = general_marchenko_pastur(found, size / n)
    values = np.zeros(size)
    values[null:] = _shrunken(inside[null:], law, size / n, loss)
    values[:null] = _at_zero(found, size / n)
    if size < _FEW:
        warnings.warn(
            f"{size} eigenvalues are few: the values hold as their number grows, and may be worse "
            "than the eigenvalues as they are",
            UserWarning,
            stacklevel=2,
        )
    result = Shrinkage(
        eigenvalues=eigenvalues,
        values=unit * values,
        population=affine(found, scale=unit) if population is None else population,
        law=affine(law, scale=unit),
        comparison=_compared(inside, law),
        samples=n,
        loss=loss,
    )
    _warn_if_off(result)
    return result


def _require_positive(population: Law) -> None:
    below = population.mass_below(0.0)
    if below > 0:
        raise ValueError(
            "the population of a covariance matrix has no negative eigenvalues; "
            f"{population!r} has the mass {below:.3g} below 0"
        )


def _warn_if_off(found: Shrinkage) -> None:
    """Warn where no chance explains how far the eigenvalues are from their law.

    Eigenvalues are rigid: their distribution function is off by a few steps of 1/p.
    """
    if found.comparison is None:
        return
    distance, size = found.comparison.kolmogorov, len(found.values)
    if distance > _OFF + 3 / size:
        warnings.warn(
            f"the eigenvalues are {distance:.2g} (Kolmogorov distance) from the law that the "
            f"population gives: it is another, the samples are not independent, or their number is "
            f"not {found.samples}",
            UserWarning,
            stacklevel=3,
        )


def _compared(eigenvalues: Real, law: Law) -> Comparison | None:
    try:
        return compare(Spectrum(eigenvalues), law)
    except ConvergenceError:
        return None


def _checked(spectrum: Spectrum | ArrayLike) -> Real:
    """Return the eigenvalues, ascending, with rounding set to 0."""
    if isinstance(spectrum, Spectrum):
        if spectrum.weights is not None or spectrum.runs > 1:
            raise ValueError(
                "expected all eigenvalues of one matrix; got a quadrature or several matrices"
            )
        given, unit = spectrum.eigenvalues.ravel(), ROUNDING_UNITS[spectrum.precision]
    else:
        given = dense_array("eigenvalues", spectrum)
        unit = np.finfo(given.dtype).eps if given.dtype.kind == "f" else 0.0
        if given.ndim != 1:
            raise ValueError(f"expected eigenvalues of shape (p,); got the shape {given.shape}")
    if given.dtype.kind not in "iuf":
        raise TypeError(f"expected real eigenvalues; got {given.dtype}")
    if given.size == 0 or not np.isfinite(given).all():
        raise ValueError("expected at least one eigenvalue, and all of them finite")
    values = np.sort(given.astype(np.float64))
    rounding = 4 * unit * len(values) * max(abs(values[0]), abs(values[-1]))
    if values[0] < -rounding:
        raise ValueError(
            f"a sample covariance matrix has no negative eigenvalues; got {values[0]:.6g}"
        )
    values[values <= rounding] = 0.0
    if values[-1] == 0:
        raise ValueError("all eigenvalues are 0; there is nothing to shrink")
    return values


def _population(eigenvalues: Real, rank: int, samples: int) -> Law:
    """Return the law of the population's eigenvalues.

    If fewer eigenvalues are positive than there are variables and samples, the others are the null
    space of the population itself.
    """
    size = len(eigenvalues)
    null = size - rank if rank < min(size, samples) else 0
    inside = eigenvalues[null:]
    if len(inside) == 1:
        found: Law = Discrete((float(inside[0]),), (1.0,))
    else:
        noise = MarchenkoPastur(len(inside) / samples)
        try:
            found = free_deconvolution(EmpiricalLaw(inside), noise, kind="multiplicative").law
        except ValueError as error:
            raise ValueError(
                f"no population explains the eigenvalues if there are {samples} independent "
                f"samples: {error}"
            ) from error
    if not null:
        return found
    places, masses = np.array(found.atoms).T
    return RecoveredLaw(
        np.append(0.0, places),
        np.append(null / size, masses * (len(inside) / size)),
        getattr(found, "error", 0.0) * len(inside) / size,
        getattr(found, "regularisation", ""),
    )


def _shrunken(positive: Real, law: Law, ratio: float, loss: str) -> Real:
    """Return the replacements of positive eigenvalues.

    Those that chance has put outside the bands are taken to be at the nearest edge.
    """
    bands = np.array(law.support)
    if not bands.size:
        return np.asarray(positive)
    near = np.clip(positive[:, None], bands[:, 0], bands[:, 1])
    nearest = np.abs(near - positive[:, None]).argmin(axis=1)
    places = near[np.arange(len(positive)), nearest]
    found = law.solve(places)
    transform = np.asarray(found.value)
    unknown = ~np.isfinite(transform)
    if unknown.any():
        raise ConvergenceError(
            f"the law of the spectrum is not known at {int(unknown.sum())} of {len(positive)} "
            f"eigenvalues, the first of them {places[unknown][0]:.6g}; give the population"
        )
    factor = 1 - ratio + ratio * places * transform
    if loss == "stein":
        return np.asarray(places / (2 * factor.real - (1 - ratio)))
    return np.asarray(places / np.abs(factor) ** 2)


def _at_zero(population: Law, ratio: float) -> float:
    """Return the replacement of the eigenvalue 0: 0 where the population is what is singular."""
    positive = 1.0 - sum(mass for place, mass in population.atoms if place == 0)
    if ratio * positive <= 1:
        return 0.0

    def excess(logarithm: float) -> float:
        """C int t/(t + u) H(dt) - 1 at u = 1/m."""
        u = np.exp(logarithm)
        return float(ratio * (1.0 + u * population.stieltjes(-u).real)) - 1.0

    middle = float(np.log(population.mean()))
    low, high = middle - 1.0, middle + 1.0
    while excess(low) < 0:
        low = middle - 2 * (middle - low)
        if low < middle - 600:
            return 0.0
    while excess(high) > 0:
        high = middle + 2 * (high - middle)
    return float(np.exp(brentq(excess, low, high, xtol=1e-14))) / (ratio - 1)
