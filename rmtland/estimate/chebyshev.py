r"""Kernel polynomial method: Chebyshev moments of random probes, damped by Jackson's kernel.

With the spectrum brought into [-1, 1], k products of a probe v give the 2k moments
:math:`\mu_j = v^* T_j(A) v`, by :math:`T_{2j} = 2 T_j^2 - 1` and
:math:`T_{2j+1} = 2 T_j T_{j+1} - T_1`. The measure

.. math::

   w_i = \frac1M \Bigl(g_0 \mu_0 + 2 \sum_{j=1}^{M-1} g_j \mu_j \cos j\theta_i\Bigr), \quad
   x_i = \cos\theta_i, \quad \theta_i = \pi (i + \tfrac12)/M, \quad M = 2k ,

with Jackson's :math:`g_j` is positive, and is the spectral measure smoothed by about
:math:`\pi/M` of half the range [1]_. Three vectors of memory, no basis.

References
----------
.. [1] A. Weisse, G. Wellein, A. Alvermann and H. Fehske, The kernel polynomial method, Rev. Mod.
       Phys. 78 (2006) 275-306.

Examples
--------
>>> np.round(jackson_factors(4), 4)
array([1.    , 0.809 , 0.4472, 0.1382])
"""

from __future__ import annotations

import numpy as np

from rmtland.estimate.beta_law import equivalent_draws
from rmtland.estimate.bounds import ritz_interval
from rmtland.estimate.device_lanczos import DeviceLanczos
from rmtland.estimate.gaussian_probes import gaussian_probe
from rmtland.estimate.lanczos import Lanczos
from rmtland.estimate.operators import SymmetricOperator
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum
from rmtland.streams import seed_of, streams
from rmtland.typing import Array, Real, Rng
from rmtland.version import installed_version

__all__ = ["chebyshev_moments", "jackson_factors", "jackson_quadrature"]

_RANGE_STEPS = 30
_MARGIN = 0.01


def jackson_factors(size: int) -> Real:
    """Return the damping factors of Jackson's kernel.

    Parameters
    ----------
    size : int
        Number M of moments.

    Returns
    -------
    ndarray, shape (size,)
        From 1 down towards 0.
    """
    j, n = np.arange(size), size + 1
    angle = np.pi / n
    return np.asarray(
        ((n - j) * np.cos(angle * j) + np.sin(angle * j) / np.tan(angle)) / n, dtype=float
    )


def chebyshev_moments(
    operator: SymmetricOperator, starts: Real, steps: int, ends: tuple[float, float]
) -> Real:
    """Return Chebyshev moments of the spectral measures of some vectors.

    Parameters
    ----------
    operator : SymmetricOperator
        The matrix.
    starts : ndarray, shape (p, m)
        Vectors, in columns, of any length but zero.
    steps : int
        Products of each.
    ends : (float, float)
        Interval that holds all eigenvalues.

    Returns
    -------
    ndarray, shape (m, 2 * steps)
        The first is 1.

    Raises
    ------
    ConvergenceError
        If an eigenvalue lies outside of the interval.
    """
    center, half = (ends[0] + ends[1]) / 2, max((ends[1] - ends[0]) / 2, 1e-300)
    if not operator.place.is_host:
        return _device_moments(operator, starts, steps, float(center), float(half))

    def scaled(block: Real) -> Real:
        product = operator.matmat(block)
        product -= center * block
        product /= half
        return product

    before = starts / np.linalg.norm(starts, axis=0)
    moments = np.empty((starts.shape[1], 2 * steps))
    moments[:, 0] = 1.0
    last = scaled(before)
    moments[:, 1] = _inner(before, last)
    for j in range(1, steps):
        moments[:, 2 * j] = 2 * _inner(last, last) - 1.0
        following = scaled(last)
        following *= 2
        following -= before
        before, last = last, following
        moments[:, 2 * j + 1] = 2 * _inner(before, last) - moments[:, 1]
        if np.abs(moments[:, : 2 * j + 2]).max() > 1.01:
            raise _outside(2 * j, center, half)
    return moments


def _outside(degree: int, center: float, half: float) -> ConvergenceError:
    return ConvergenceError(
        f"Chebyshev moments exceed 1 at degree {degree}: an eigenvalue lies outside of "
        f"[{center - half:.6g}, {center + half:.6g}]; take method='lanczos'"
    )


def _device_moments(
    operator: SymmetricOperator, starts: Real, steps: int, center: float, half: float
) -> Real:
    """Return Chebyshev moments from vectors on a device: they are looked at once, at the end."""
    place, xp = operator.place, operator.place.xp

    def scaled(block: Array) -> Array:
        return (operator.multiply(block) - center * block) / half

    before = place.put(starts / np.linalg.norm(starts, axis=0), operator.work_dtype)
    last = scaled(before)
    first = place.column_dots(before, last)
    rows = [xp.ones_like(first), first]
    for _ in range(1, steps):
        rows.append(2 * place.column_dots(last, last) - 1.0)
        before, last = last, 2 * scaled(last) - before
        rows.append(2 * place.column_dots(before, last) - first)
    moments = place.take(xp.stack(rows)).T
    over = np.flatnonzero(~(np.abs(moments).max(axis=0) <= 1.01))
    if over.size:
        operator.refuse_infinities(moments[:, : over[0] + 1])
        raise _outside(int(over[0]) // 2 * 2, center, half)
    return np.ascontiguousarray(moments)


def _inner(one: Real, two: Real) -> Real:
    return np.asarray(np.einsum("pm,pm->m", one.conj(), two).real)


def jackson_quadrature(
    operator: SymmetricOperator, *, probes: int, steps: int, rng: Rng = None
) -> Spectrum:
    """Estimate the spectral measure by the kernel polynomial method.

    Parameters
    ----------
    operator : SymmetricOperator
        The matrix.
    probes : int
        Gaussian probes.
    steps : int
        Products of each; 30 more, of one probe, find the range.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    Spectrum
        2 * steps Chebyshev nodes and their weights, a row a probe, with standard errors.

    Raises
    ------
    ConvergenceError
        If an eigenvalue lies outside of the range that was found.
    """
    generators = streams(rng, probes + 1)
    size = operator.size
    drawn = [gaussian_probe(one, size, is_complex=operator.is_complex) for one in generators]
    kind = Lanczos if operator.place.is_host else DeviceLanczos
    run = kind(operator, drawn[-1][None])
    run.extend(_RANGE_STEPS)
    low, high = ritz_interval(run.tridiagonals())
    rounding = max(1e-12, 64 * float(np.finfo(operator.dtype).eps))
    margin = _MARGIN * (high - low) + rounding * max(abs(low), abs(high)) + 1e-300
    ends = (low - margin, high + margin)
    moments = chebyshev_moments(operator, np.stack(drawn[:-1], axis=1), steps, ends)
    number = moments.shape[1]
    angles = np.pi * (np.arange(number) + 0.5) / number
    damped = moments * jackson_factors(number)
    damped[:, 1:] *= 2
    weights = damped @ np.cos(np.outer(np.arange(number), angles)) / number
    weights = np.maximum(weights, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    nodes = (ends[0] + ends[1]) / 2 + (ends[1] - ends[0]) / 2 * np.cos(angles)
    ascending = weights[:, ::-1].mean(axis=0)
    below = np.cumsum(ascending) - ascending / 2
    draws = equivalent_draws(size=size, probes=probes, is_complex=operator.is_complex)
    errors = np.sqrt(np.clip(below * (1 - below), 0, None) / draws)
    return Spectrum(
        np.broadcast_to(nodes[::-1], weights.shape),
        weights[:, ::-1],
        dimension=size,
        provenance={
            "source": operator.source,
            "method": "kpm",
            "probes": probes,
            "steps": steps,
            "range": list(ends),
            "probe_law": "complex Gaussian" if operator.is_complex else "Gaussian",
            "products": probes * steps + run.step,
            "seed": seed_of(generators[0]),
            "rmtland": installed_version(),
        },
        precision=operator.precision,
        errors=np.broadcast_to(errors, weights.shape),
    )
