r"""What a finite matrix does at the edges of its law: mean densities and draws of edge points.

An n x n matrix has eigenvalues beyond the edge b of its law, at :math:`b + s \xi` with the scale s
of `Law.edge_scale` and the points :math:`\xi` of the Airy process. A polynomial tuned to the edge
is small inside and grows fast outside, so that few eigenvalues make its mean. The mean number of
points at :math:`\xi` is, for complex and for real symmetric matrices [1]_,

.. math::
    \rho_2 = \mathrm{Ai}'(\xi)^2 - \xi \, \mathrm{Ai}(\xi)^2, \qquad
    \rho_1 = \rho_2 + \tfrac12 \mathrm{Ai}(\xi)
             \Big( 1 - \int_\xi^\infty \mathrm{Ai} \Big) .

Far inside these are :math:`\sqrt{-\xi}/\pi` and oscillations. What a real matrix has beside that
adds up to 1/4 at each edge, and is made good by a deficit of half an arcsine law over the band
[2]_; that is smaller than it by the root of the scale, so that both are added.

`design_margin` is how far beyond the edges of a law a method should be designed: three scales, past
which an eigenvalue of a real matrix lies with probability below 1e-5.

References
----------
.. [1] P. J. Forrester, T. Nagao and G. Honner, Correlations for the orthogonal-unitary and
       symplectic-unitary transitions at the hard and soft edges, Nucl. Phys. B 553 (1999) 601-643.
.. [2] Z. D. Bai and J. W. Silverstein, CLT for linear spectral statistics of large-dimensional
       sample covariance matrices, Annals of Probability 32 (2004) 553-605.
.. [3] I. Dumitriu and A. Edelman, Matrix models for beta ensembles, J. Math. Phys. 43 (2002)
       5830-5847.

Examples
--------
>>> round(float(airy_density(np.array([0.0]), beta=2)[0]), 6)
0.066987
>>> points = airy_points(beta=1, draws=200, points=2, seed=1)
>>> points.shape, bool(-1.6 < points[:, 0].mean() < -0.8)
((200, 2), True)
"""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal
from scipy.special import airy, itairy

from rmtland.arguments import count, instance, nonnegative
from rmtland.laws import Law, SpectralModel
from rmtland.laws.edge_scale import edge_scale_of
from rmtland.optimizer.start_measure import Source, StartMeasure, start_measure
from rmtland.typing import Real

__all__ = [
    "airy_density",
    "airy_points",
    "design_margin",
    "design_measure",
    "mean_nodes",
    "soft_edge",
]

_CUT = 12.0
"""Edge points inside of which the bulk takes over, smoothly up to twice that."""

_BEYOND = 8.0
"""Edge points further out have no mass in double precision that a polynomial could raise much."""

_SIZE = 2000
"""Order of the matrix whose edge is drawn: its corner of some hundred rows holds the points."""


def airy_density(xi: Real, *, beta: int) -> Real:
    """Mean density of the points of the Airy process.

    Parameters
    ----------
    xi : ndarray of float
        Places, in edge scales; positive is outside.
    beta : {1, 2}
        Real symmetric or complex Hermitian matrices.

    Returns
    -------
    ndarray of float, shape of `xi`
        Points for each unit of xi.
    """
    ai, slope, _, _ = airy(xi)
    density = slope**2 - xi * ai**2
    if beta == 1:
        # itairy integrates from 0 to |x|: to x, and from -|x| to 0 in its third value
        inside = np.where(xi >= 0, itairy(np.abs(xi))[0], -itairy(np.abs(xi))[2])
        density = density + 0.5 * ai * (1 - (1 / 3 - inside))
    return np.asarray(density)


@lru_cache(maxsize=16)
def airy_points(*, beta: int, draws: int, points: int, seed: int) -> Real:
    """Draws of the outermost points of the Airy process (stochastic Airy operator).

    Parameters
    ----------
    beta : {1, 2}
        Real symmetric or complex Hermitian matrices.
    draws : int
        Number of draws.
    points : int
        How many of each, at most about 10.
    seed : int
        Of the generator; the same numbers give the same draws.

    Returns
    -------
    ndarray of float, shape (draws, points)
        Descending. From the corner of tridiagonal matrices of order 2000 [1]_, whose edge differs
        from its limit by parts in 150.

    References
    ----------
    .. [1] I. Dumitriu and A. Edelman, Matrix models for beta ensembles, J. Math. Phys. 43 (2002)
           5830-5847.
    """
    generator = np.random.default_rng(seed)
    depth = (3 * np.pi * (4 * points - 1) / 8) ** (2 / 3) + 6
    rows = int(depth * _SIZE ** (1 / 3))
    off_degrees = beta * (_SIZE - 1.0 - np.arange(rows - 1))
    sigma = np.sqrt(beta / 2)
    found = np.empty((draws, points))
    for row in found:
        diagonal = generator.normal(size=rows)
        off = np.sqrt(generator.chisquare(off_degrees) / 2)
        top = eigvalsh_tridiagonal(
            diagonal, off, select="i", select_range=(rows - points, rows - 1)
        )
        row[:] = (top[::-1] - 2 * sigma * np.sqrt(_SIZE)) * _SIZE ** (1 / 6) / sigma
    found.flags.writeable = False
    return found


def design_margin(
    law: Law | SpectralModel, dimension: int, *, scales: float = 3.0, beta: int = 1
) -> tuple[float, float]:
    """Return how far beyond each edge to design, for matrices of a given order.

    Parameters
    ----------
    law : Law or SpectralModel
        Curvatures.
    dimension : int
        Order of the matrices.
    scales : float, optional
        Tracy-Widom scales.
    beta : {1, 2}, optional
        Real or complex matrices.

    Returns
    -------
    (float, float)
        Widths to the left and to the right, 0 at an edge without such fluctuations: the argument
        `stretch` of `average_case_optimal`.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If the law is none, `scales` is no real number, or `dimension` is no integer.
    """
    nonnegative("scales", scales)
    size = count("dimension", dimension, min_value=2)
    found = law.law if isinstance(law, SpectralModel) else law
    instance("law", found, Law, "a law, or a model that has one")  # type: ignore[type-abstract]
    widths = []
    for edge in ("lower", "upper"):
        try:
            widths.append(scales * soft_edge(found, size, beta=beta, edge=edge)[1])
        except ValueError:
            widths.append(0.0)
    return widths[0], widths[1]


def soft_edge(law: Law, dimension: int, *, beta: int, edge: str) -> tuple[float, float]:
    """Return place and scale of an edge of the curvatures that are not 0.

    Parameters
    ----------
    law : Law
        The law of the eigenvalues.
    dimension : int
        Order of the matrix.
    beta : {1, 2}
        Real symmetric or complex Hermitian matrices.
    edge : {"lower", "upper"}
        Which: the lower one is that of the lowest band, beside a null space too.

    Returns
    -------
    (float, float)
        As `Law.edge_scale` has them.

    Raises
    ------
    ValueError
        If the density does not vanish like a square root there.
    """
    nonzero = [atom for atom in law.atoms if atom[0] != 0]
    return edge_scale_of(
        SimpleNamespace(support=law.support, atoms=nonzero, _pdf=law._pdf),
        dimension,
        beta=beta,
        edge=edge,
    )


def design_measure(
    source: Source,
    *,
    degree: int,
    dimension: int | None = None,
    scales: float = 3.0,
    beta: int = 1,
    extrapolate: bool = False,
) -> StartMeasure:
    """Return what a method is designed for: the start's measure, stretched beyond its edges.

    Parameters
    ----------
    source : Law, SpectralModel, Spectrum or StartMeasure
        Curvatures, or the measure of a known start.
    degree : int
        As for `rmtland.optimizer.start_measure`.
    dimension : int, optional
        Order of the matrices, for a law or a model; the law itself without.
    scales, beta : float, {1, 2}, optional
        As for `design_margin`.
    extrapolate : bool, optional
        As for `start_measure`.

    Returns
    -------
    StartMeasure
        The measure.

    Raises
    ------
    ValueError
        As for `start_measure`, or for a dimension of what does not fluctuate.
    """
    start = start_measure(source, degree=degree, extrapolate=extrapolate)
    if dimension is None:
        return start
    if not isinstance(source, Law | SpectralModel):
        raise ValueError(
            "dimension= is for laws and models; the eigenvalues of a spectrum, and a known "
            "start, do not fluctuate"
        )
    return start.stretched(*design_margin(source, dimension, scales=scales, beta=beta))


def mean_nodes(
    law: Law, dimension: int, *, beta: int, shift: float = 0.0, reach: float = 1.0
) -> tuple[Real, Real]:
    """Nodes and signed weights of what the mean spectral measure has beside its law.

    Parameters
    ----------
    law : Law
        The law of the eigenvalues.
    dimension : int
        Order of the matrix.
    beta : {1, 2}
        Real symmetric or complex Hermitian matrices.
    shift : float, optional
        Scales by which the edge points are moved outwards, to see what depends on them.
    reach : float, optional
        Part of the way into the bulk that the density of the edge is followed, to see the same.

    Returns
    -------
    nodes, weights : ndarray of float
        To be added to the law: for every regular edge of a band the difference of the Airy density,
        and for real matrices the deficit in the band. Empty where no outer edge is regular.
    """
    places: list[Real] = []
    weights: list[Real] = []
    known = False
    for k, band in enumerate(law.support):
        width = band[1] - band[0]
        angles = (np.arange(2000) + 0.5) * np.pi / 2000
        middle = band[0] + width / 2 * (1 + np.cos(angles))
        for edge, sign in (("lower", -1.0), ("upper", 1.0)):
            outer = k == (0 if edge == "lower" else len(law.support) - 1)
            alone = SimpleNamespace(support=(band,), atoms=(), _pdf=law._pdf)
            try:
                end, scale = (
                    soft_edge(law, dimension, beta=beta, edge=edge)
                    if outer
                    else edge_scale_of(alone, dimension, beta=beta, edge=edge)
                )
            except ValueError:  # a hard edge: nothing lies beyond, for real matrices a quarter
                if beta == 1 and len(law.support) == 1:
                    places += [np.array([band[0 if edge == "lower" else 1]]), middle]
                    weights += [np.array([0.25]), np.full(middle.size, -0.25 / middle.size)]
                continue
            known = known or outer
            # edges of small matrices reach into each other: no further than the middle of the band
            cut = reach * min(_CUT, width / (4 * scale))
            xi = np.linspace(-2 * cut, _BEYOND, 3201)
            excess = airy_density(xi - shift, beta=beta) - np.sqrt(np.maximum(-xi, 0)) / np.pi
            places.append(end + sign * scale * xi)
            weights.append(excess * _window(xi, cut) * (xi[1] - xi[0]))
            if beta == 1:
                places.append(middle)
                weights.append(np.full(middle.size, -0.25 / middle.size))
    if not known:
        return np.empty(0), np.empty(0)
    found = np.concatenate(weights) / dimension
    if shift == 0:  # no total changes: what the window cuts off, some thousandths of a point
        found -= found.sum() * np.abs(found) / np.abs(found).sum()
    return np.concatenate(places), found


def _window(xi: Real, cut: float) -> Real:
    """1 outside of -cut, 0 inside of -2 cut, smooth between."""
    u = np.clip((xi + 2 * cut) / cut, 0.0, 1.0)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        rise, fall = np.exp(-1 / u), np.exp(-1 / (1 - u))
    return np.asarray(rise / (rise + fall))
