r"""Traces of functions of a positive semidefinite matrix: log-determinant, effective dimension.

The mean of :math:`v^* f(A) v` over Gaussian probes is :math:`\operatorname{tr} f(A)/p`, and Gauss
quadrature gives each :math:`v^* f(A) v` from k products (stochastic Lanczos quadrature). For

.. math::

   \log(\lambda + \delta) \qquad\text{and}\qquad
   \frac{\lambda}{\lambda + \delta}, \quad \delta > 0 ,

all derivatives of even order are negative on :math:`[0, \infty)` and those of odd order positive:
Gauss quadrature is an upper bound, and with a node at a point below all eigenvalues (Gauss-Radau at
0) a lower one [1]_. The truth for these probes lies between them.

How far the probes may be off follows from the law of their masses: that of eigenvalue i is
:math:`g_i/\sum_j g_j` with :math:`g` independent Gamma variables of shape 1/2 (1 for complex
matrices), so that the quadratures themselves, with :math:`p` times their weights as numbers of
eigenvalues, tell the law of the estimate. It is skewed where one or two eigenvalues dominate, and
Student's interval covers less than it states then. A node that all probes agree on is an
eigenvalue, of which there is at least one, and a whole number.

Synonyms: degrees of freedom, statistical dimension, number of effective parameters.

References
----------
.. [1] G. H. Golub and G. Meurant, Matrices, Moments and Quadrature with Applications, Princeton
       2010, chapters 6 and 7.

Examples
--------
>>> import numpy as np
>>> values = np.linspace(0.0, 2.0, 3000)
>>> found = effective_dimension(lambda v: values * v, damping=0.1, size=3000, rng=0)
>>> truth = (values / (values + 0.1)).sum()
>>> bool(found.interval[0] <= truth <= found.interval[1])
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Unpack

import numpy as np

from rmtland.arguments import count, nonnegative, positive
from rmtland.estimate.lanczos import Tridiagonal
from rmtland.estimate.operators import symmetric_operator
from rmtland.estimate.probes import KrylovOptions, krylov_quadratures
from rmtland.estimate.radau import canonical_quadrature, gauss
from rmtland.typing import Operator, Real, Rng

__all__ = ["FunctionTrace", "effective_dimension", "log_determinant"]

_ROUNDING = 64.0
"""Nodes are known up to this many rounding units of the operator's size."""


@dataclass(frozen=True)
class FunctionTrace:
    """Trace of a function of a matrix, with bounds from quadrature and an interval.

    Made by `rmtland.estimate.effective_dimension` and `rmtland.estimate.log_determinant`.

    Parameters
    ----------
    value : float
        The middle of the bracket.
    bracket : (float, float)
        What the quadratures leave to the mean of these probes, and rounding of their nodes: with a
        damping below it an eigenvalue at 0 is not told from one that counts.
    standard_error : float
        From the choice of the probes, by the law of their masses.
    interval : (float, float)
        The bracket, widened on both sides by the quantiles of that law.
    confidence : float
        Level of the interval.
    products : int
        Products spent.
    """

    value: float
    bracket: tuple[float, float]
    standard_error: float
    interval: tuple[float, float]
    confidence: float
    products: int


def log_determinant(
    operator: Operator,
    *,
    damping: float = 0.0,
    lower: float | None = None,
    probes: int = 10,
    steps: int = 80,
    rng: Rng = None,
    confidence: float = 0.95,
    size: int | None = None,
    **options: Unpack[KrylovOptions],
) -> FunctionTrace:
    r"""Estimate :math:`\log\det(A + \delta)` of a positive (semi)definite matrix.

    Parameters
    ----------
    operator : anything that multiplies
        See `symmetric_operator`.
    damping : float, optional
        delta >= 0.
    lower : float, optional
        A lower bound of the eigenvalues of A, 0 by default; with a positive one the bracket is
        finite without damping.
    probes, steps, rng
        As in `spectral_density`; 2 probes or more.
    confidence : float, optional
        Level of the interval.
    size : int, optional
        Order of the matrix, for a function.
    **options
        Of `krylov_quadratures`.

    Returns
    -------
    FunctionTrace
        Its lower bounds are minus infinity where `damping` and `lower` are both 0.

    Raises
    ------
    ValueError
        If an eigenvalue is seen below `lower`, or at 0 (up to rounding) without damping.
    TypeError
        If `damping` or `lower` is no real number.

    See Also
    --------
    rmtland.estimate.effective_dimension, rmtland.estimate.trace : other functions.
    """
    delta = nonnegative("damping", damping)
    bound = 0.0 if lower is None else nonnegative("lower", lower)

    def log(values: Real) -> Real:
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(values + delta, 0.0))

    return _function_trace(operator, log, bound, probes, steps, rng, confidence, size, options)


def effective_dimension(
    operator: Operator,
    damping: float,
    *,
    probes: int = 10,
    steps: int = 80,
    rng: Rng = None,
    confidence: float = 0.95,
    size: int | None = None,
    **options: Unpack[KrylovOptions],
) -> FunctionTrace:
    r"""Estimate :math:`\operatorname{tr} A (A + \delta)^{-1}` of a positive semidefinite matrix.

    .. formula:: :math:`\operatorname{tr} A (A + \delta)^{-1}` between Gauss and Gauss-Radau

    Parameters
    ----------
    operator : anything that multiplies
        See `symmetric_operator`.
    damping : float
        delta > 0: eigenvalues far above it count one, those far below it nothing.
    probes, steps, rng, confidence, size
        As in `log_determinant`.
    **options
        Of `krylov_quadratures`.

    Returns
    -------
    FunctionTrace
        Value, bracket and interval.

    Raises
    ------
    ValueError
        If a negative eigenvalue is seen.
    TypeError
        If `damping` is no real number.

    See Also
    --------
    rmtland.estimate.log_determinant : another function of the same matrix.
    """
    delta = positive("damping", damping)
    return _function_trace(
        operator,
        lambda values: values / (values + delta),
        0.0,
        probes,
        steps,
        rng,
        confidence,
        size,
        options,
    )


def _function_trace(
    operator: Operator,
    function: Callable[[Real], Real],
    lower: float,
    probes: int,
    steps: int,
    rng: Rng,
    confidence: float,
    size: int | None,
    options: KrylovOptions,
) -> FunctionTrace:
    found = symmetric_operator(operator, size=size)
    probes, confidence = count("probes", probes, min_value=2), positive("confidence", confidence)
    if confidence >= 1:
        raise ValueError(f"confidence must be below 1; got {confidence}")
    runs = krylov_quadratures(found, probes=probes, steps=steps, rng=rng, **options)
    unit = float(np.finfo(found.dtype).eps)
    low, high = np.empty(probes), np.empty(probes)
    seen = []
    for i, one in enumerate(runs.tridiagonals):
        nodes, weights = gauss(one)
        margin = 1e3 * unit * float(np.abs(nodes).max())
        if nodes[0] < lower - margin:
            raise ValueError(
                f"the matrix has an eigenvalue at or below {nodes[0]:.6g}; all at or above "
                f"{lower:g} are needed: take the Gauss-Newton part, or a smaller lower"
            )
        if nodes[0] <= margin and not np.isfinite(function(np.zeros(1)))[0]:
            raise ValueError(
                f"the matrix has an eigenvalue within {max(abs(nodes[0]), margin):.2g} of 0, so "
                "that it is singular up to rounding, and its log-determinant minus infinity: give "
                "damping"
            )
        seen.append((nodes, weights))
        rounding = _ROUNDING * unit * float(np.abs(nodes).max())
        high[i] = weights @ function(np.maximum(nodes + rounding, lower))
        if one.is_exhausted:
            low[i] = weights @ function(np.maximum(nodes - rounding, lower))
        else:
            node = min(lower, float(nodes[0]))
            low[i] = _radau_value(one, function, node, lower, rounding=rounding)
    value_low, value_high = found.size * low.mean(), found.size * high.mean()
    middle = (low + high) / 2 if np.isfinite(low).all() else high
    nodes, counts = merged_nodes(seen, found.size, tolerance=max(1e3 * unit, 1e-8))
    rounding = _ROUNDING * unit * float(np.abs(nodes).max())
    lower_part, upper_part = (
        found.size
        * deviations_of_probes(
            function(np.maximum(nodes + sign * rounding, lower)),
            counts,
            probes=probes,
            is_complex=found.is_complex,
        )
        for sign in (-1.0, 1.0)
    )
    tail = (1 - confidence) / 2
    above, below = np.quantile(lower_part, 1 - tail), np.quantile(upper_part, tail)
    return FunctionTrace(
        value=float(found.size * middle.mean()),
        bracket=(float(value_low), float(value_high)),
        standard_error=float(max(lower_part.std(), upper_part.std())),
        interval=(float(value_low - max(above, 0.0)), float(value_high - min(below, 0.0))),
        confidence=confidence,
        products=runs.products,
    )


def merged_nodes(
    quadratures: list[tuple[Real, Real]], size: int, *, tolerance: float
) -> tuple[Real, Real]:
    """Return nodes of all probes and how many eigenvalues each stands for.

    Parameters
    ----------
    quadratures : list of (ndarray, ndarray)
        Nodes in ascending order and weights of sum 1, a pair a probe.
    size : int
        Order p of the matrix.
    tolerance : float
        Relative distance at which nodes are the same.

    Returns
    -------
    nodes, counts : ndarray
        Of equal length; a node of all probes counts as a whole number, at least 1, and the greatest
        that is within a standard error; the others have what is left of p. Where nothing is left,
        as where a Krylov space is the whole space, what these count beyond 1 is less in proportion.
    """
    nodes = np.concatenate([x for x, _ in quadratures])
    counts = size / len(quadratures) * np.concatenate([w for _, w in quadratures])
    runs = np.repeat(np.arange(len(quadratures)), [x.size for x, _ in quadratures])
    order = np.argsort(nodes)
    nodes, counts, runs = nodes[order], counts[order], runs[order]
    scale = float(np.abs(nodes).max()) or 1.0
    group = np.cumsum(np.concatenate(([0], np.diff(nodes) > tolerance * scale)))
    sums, members = np.bincount(group, counts), np.bincount(group)
    places = np.bincount(group, nodes) / members
    pairs = np.unique(np.stack([group, runs]), axis=1)[0]  # rounding may split a node of one probe
    agreed = np.bincount(pairs) == len(quadratures)
    error = np.sqrt(2 * sums / len(quadratures))  # of a number, by which few may be more
    whole = np.where(agreed, np.maximum(np.rint(sums + error), 1.0), 0.0)
    rest = np.where(agreed, 0.0, sums)
    left = size - whole.sum()
    if left > 0 and rest.any():
        return places, whole + rest * (left / rest.sum())
    beyond = np.maximum(whole - 1.0, 0.0)
    room = size - (whole - beyond).sum() - rest.sum()
    return places, whole - beyond + rest + beyond * max(room / (beyond.sum() or 1.0), 0.0)


def deviations_of_probes(
    values: Real, counts: Real, *, probes: int, is_complex: bool, draws: int = 4000
) -> Real:
    """Draw how far the mean over Gaussian probes is from the mean of a function of the spectrum.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The function at the eigenvalues.
    counts : ndarray, shape (n,)
        How many eigenvalues each stands for.
    probes : int
        Number m of probes; their masses are added up before they are normalised.
    is_complex : bool
        Whether they are complex.
    draws : int, optional
        Number of draws, of a fixed seed.

    Returns
    -------
    ndarray, shape (draws,)
        Mean over the probes less the mean over the eigenvalues.
    """
    order = np.argsort(values)
    values, counts = values[order], counts[order]
    below = np.cumsum(counts) - counts / 2
    # what stands for less than one part of 64 is one value with its neighbours
    group = np.unique(np.floor(64 * below / counts.sum()), return_inverse=True)[1]
    number = np.bincount(group, counts)
    centre = np.bincount(group, counts * values) / number
    spread = values - centre[group]
    outlying = counts * spread**2 > 1e-3 * float(counts @ (values - centre.mean()) ** 2)
    group = np.where(outlying, group.max() + 1 + np.arange(values.size), group)
    group = np.unique(group, return_inverse=True)[1]
    number = np.bincount(group, counts)
    centre = np.bincount(group, counts * values) / number
    shape = probes * number * (1.0 if is_complex else 0.5)
    masses = np.random.default_rng(0).standard_gamma(shape, size=(draws, shape.size))
    return np.asarray(masses @ centre / masses.sum(axis=1) - number @ centre / number.sum())


def _radau_value(
    one: Tridiagonal,
    function: Callable[[Real], Real],
    node: float,
    lower: float,
    *,
    rounding: float,
) -> float:
    """Return the quadrature with a node below all others: a lower bound."""
    nodes, weights = canonical_quadrature(one, node)
    nodes[0] = node  # without rounding: a logarithm at 0 is minus infinity
    return float(weights @ function(np.maximum(nodes - rounding, lower)))
