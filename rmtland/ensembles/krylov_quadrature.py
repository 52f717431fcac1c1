r"""Jacobi coefficients of measures: from point masses, from laws, and back to Gauss quadrature.

The orthonormal polynomials of a measure satisfy
:math:`x p_j = \beta_j p_{j-1} + \alpha_j p_j + \beta_{j+1} p_{j+1}`; the coefficients form the
tridiagonal matrix that k steps of Lanczos give for a matrix and a start vector with that spectral
measure. Its eigenvalues are the nodes of the k-point Gauss quadrature, and the squared first
components of its eigenvectors the weights [1]_. Point masses give their coefficients by plane
rotations [2]_, in O(masses k).

The spectral measure of an orthogonally invariant matrix of size n at a uniform start vector has
independent Dirichlet(1/2, ..., 1/2) weights on the eigenvalues. Linear statistics of the
eigenvalues differ from those of the limit law by O(1/n) only, those of the weights fluctuate by
O(n^(-1/2)). `law_jacobi` therefore replaces the measure by the Dirichlet process whose base is
n/2 times the limit law. Its moments of order < 2 k have the right means and covariances up to
O(1/n), whatever the ensemble. The process lives on a Gauss quadrature of the law with 2k nodes,
which has the same covariances.

References
----------
.. [1] G. H. Golub and J. H. Welsch, Calculation of Gauss quadrature rules, Mathematics of
       Computation 23 (1969) 221-230.
.. [2] W. B. Gragg and W. J. Harrod, The numerically stable reconstruction of Jacobi matrices from
       spectral data, Numerische Mathematik 44 (1984) 317-335.

Examples
--------
>>> from rmtland.laws import Semicircle
>>> alpha, beta = law_jacobi(Semicircle(1.0), math.inf, 4, [])
>>> bool(abs(alpha).max() < 1e-14), bool(abs(beta - 1).max() < 1e-14)
(True, True)
>>> nodes, weights = quadrature([[0.0, 0.0]], [[1.0]])
>>> bool(abs(nodes - [[-1, 1]]).max() < 1e-15), bool(abs(weights - 0.5).max() < 1e-15)
(True, True)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import count, float_array, points
from rmtland.laws import Law
from rmtland.typing import Real

__all__ = ["law_jacobi", "law_nodes", "law_panels", "measure_jacobi", "quadrature"]


_GAUSS, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(20)
_RESOLVED = 1e-13  # part of its mass by which a panel may be off
_NEGLIGIBLE = 1e-16  # mass times width, over the width of the band, within which places are free
_DEPTH = 48  # halvings of a panel
_MOST_PANELS = 64  # halved at a time: an end or a corner needs one or two


def law_jacobi(
    law: Law, n: float, steps: int, generators: Sequence[np.random.Generator]
) -> tuple[Real, Real]:
    """Lanczos tridiagonals of any orthogonally invariant ensemble with this limit law.

    In distribution exact up to O(1/n), against fluctuations of O(n^(-1/2)).

    Parameters
    ----------
    law : Law
        Limit law of the ensemble.
    n : float
        Size of the matrices, an integer, or infinity for the coefficients of the law itself.
    steps : int
        Number k of coefficients.
    generators : sequence of numpy.random.Generator
        One a run; not used at n = inf.

    Returns
    -------
    alpha, beta : ndarray
        Shapes (runs, k) and (runs, k - 1), one row at least; zeros after the law's last atom.
    """
    steps = count("steps", steps)
    if math.isinf(n):
        x, w = law_nodes(law, steps)
        row = measure_jacobi(x, w, steps)
        runs = max(1, len(generators))
        return np.repeat(row[0][None], runs, axis=0), np.repeat(row[1][None], runs, axis=0)
    x, w = law_nodes(law, 2 * steps)
    alpha, beta = np.zeros((len(generators), steps)), np.zeros((len(generators), steps - 1))
    for run, generator in enumerate(generators):
        weights = generator.standard_gamma(n / 2 * w)
        alpha[run], beta[run] = measure_jacobi(x, weights / weights.sum(), steps)
    return alpha, beta


@lru_cache(maxsize=32)
def law_nodes(law: Law, size: int) -> tuple[Real, Real]:
    """Gauss quadrature of a law: at most `size` nodes in ascending order, and weights.

    The density is resolved on panels until each has the mass that the distribution function gives
    it, atoms are explicit; the nodes then follow from the Jacobi coefficients.
    """
    x, w = law_panels(law, size)
    if x.size > size:
        alpha, beta = measure_jacobi(x, w, size)
        nodes, weights = quadrature(alpha[None], beta[None])
        x, w = nodes[0][weights[0] > 0], weights[0][weights[0] > 0]
    x.flags.writeable = w.flags.writeable = False
    return x, w


@lru_cache(maxsize=32)
def law_panels(law: Law, degree: int) -> tuple[Real, Real]:
    """Nodes and weights that integrate polynomials of twice this degree against the law.

    Atoms are nodes of their own. Within a band x = low + (high - low) sin(t/2)^2, in which
    square-root edges are smooth.
    """
    places = np.array([place for place, _ in law.atoms])
    masses = np.array([mass for _, mass in law.atoms])
    found = [(places, masses)]
    for low, high in law.support:
        width = high - low

        def cumulative(t: Real, low: float = low, width: float = width) -> Real:
            x = low + width * np.sin(t / 2) ** 2
            return np.asarray(law.cdf(x) - (places <= x[..., None]) @ masses)

        ends = np.linspace(0, np.pi, 9 + degree // 2)
        left, right = ends[:-1], ends[1:]
        for depth in range(_DEPTH + 1):
            half = (right - left) / 2
            t = (left + right)[:, None] / 2 + half[:, None] * _GAUSS
            x = low + width * np.sin(t / 2) ** 2
            density = law.pdf(x)
            w = density * (width / 2) * np.sin(t) * half[:, None] * _GAUSS_WEIGHTS
            mass = cumulative(right) - cumulative(left)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = mass / w.sum(axis=1)
            error = np.abs(w.sum(axis=1) - mass)
            reach = np.sin(right / 2) ** 2 - np.sin(left / 2) ** 2
            fine = (error <= _RESOLVED * (mass + 1 / ends.size)) | (mass * reach <= _NEGLIGIBLE)
            if error.size > _MOST_PANELS and depth:
                fine |= error < np.partition(error, -_MOST_PANELS)[-_MOST_PANELS]
            fine |= depth == _DEPTH
            # panels have exactly the mass of the distribution function, whatever their rounding
            usable = fine & np.isfinite(ratio)
            found.append((x[usable].ravel(), (w[usable] * ratio[usable, None]).ravel()))
            found.append((x[fine & ~usable, _GAUSS.size // 2], mass[fine & ~usable]))
            left, right = left[~fine], right[~fine]
            if left.size == 0:
                break
            middle = (left + right) / 2
            left, right = np.append(left, middle), np.append(middle, right)
    x, w = (np.concatenate(parts) for parts in zip(*found, strict=True))
    keep = w > 0
    order = np.argsort(x[keep])
    x, w = x[keep][order], w[keep][order]
    w /= w.sum()
    x.flags.writeable = w.flags.writeable = False
    return x, w


def measure_jacobi(nodes: Real, weights: Real, steps: int) -> tuple[Real, Real]:
    """First Jacobi coefficients of point masses, shapes (steps,) and (steps - 1,).

    Zeros follow where the masses are fewer than the steps.
    """
    from rmtland.ensembles.jacobi_kernels import coefficients_of  # numba loads at first use

    alpha, beta = np.zeros(steps), np.zeros(steps - 1)
    keep = weights > 0
    coefficients_of(nodes[keep], weights[keep], alpha, beta)
    return alpha, beta


def quadrature(alpha: ArrayLike, beta: ArrayLike) -> tuple[Real, Real]:
    """Gauss quadrature of tridiagonal matrices.

    Parameters
    ----------
    alpha : array_like of float, shape (runs, steps)
        Diagonals.
    beta : array_like of float, shape (runs, steps - 1)
        Off-diagonals, >= 0. At the first zero the Krylov space ends and with it the quadrature.

    Returns
    -------
    nodes, weights : ndarray, shape (runs, steps)
        Nodes in ascending order and weights of sum 1. A quadrature that ends early is padded with
        its largest node, at weight zero.

    Raises
    ------
    ValueError
        If the shapes do not fit, an entry is not finite or an off-diagonal one is negative.
    """
    from rmtland.ensembles.jacobi_kernels import golub_welsch  # numba loads at first use

    diagonal = float_array("alpha", alpha, ndim=2)
    runs, steps = diagonal.shape
    off = points("beta", beta)
    if off.shape != (runs, steps - 1):
        raise ValueError(
            f"beta must have shape {(runs, steps - 1)}, one column less than alpha; got {off.shape}"
        )
    if off.size and not (off.min() >= 0 and off.max() < np.inf):
        raise ValueError("beta must hold finite numbers >= 0")
    nodes, weights = diagonal.copy(), np.zeros((runs, steps))
    # A copy: numba compiles anew for arrays that are read-only.
    if not golub_welsch(nodes, np.array(off, order="C"), weights):
        raise ValueError("the eigenvalues did not converge; are the entries of sensible size?")
    ended = np.cumprod(off > 0, axis=1).sum(axis=1) + 1
    for row in range(runs):
        size = ended[row]
        order = np.argsort(nodes[row, :size], kind="stable")
        nodes[row, :size] = nodes[row, order]
        weights[row, :size] = weights[row, order] / weights[row, :size].sum()
        nodes[row, size:] = nodes[row, size - 1]
    return nodes, weights
