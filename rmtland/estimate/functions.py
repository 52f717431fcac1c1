r"""Traces of functions of a positive semidefinite matrix: log-determinant, effective dimension.

The mean of :math:`v^* f(A) v` over Gaussian probes is :math:`\operatorname{tr} f(A)/p`, and Gauss
quadrature gives each :math:`v^* f(A) v` from k products (stochastic Lanczos quadrature). For

.. math::

   \log(\lambda + \delta) \qquad\text{and}\qquad
   \frac{\lambda}{\lambda + \delta}, \quad \delta > 0 ,

all derivatives of even order are negative on :math:`[0, \infty)` and those of odd order positive:
Gauss quadrature is an upper bound, and with a node at a point below all eigenvalues (Gauss-Radau at
0) a lower one [1]_. The truth for these probes lies between them, and the scatter of the probes
tells the rest.

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
from typing import Any, Unpack

import numpy as np
from scipy.special import stdtrit

from rmtland.arguments import count, nonnegative, positive
from rmtland.estimate.lanczos import Tridiagonal
from rmtland.estimate.operators import symmetric_operator
from rmtland.estimate.probes import KrylovOptions, krylov_quadratures
from rmtland.estimate.radau import canonical_quadrature, gauss
from rmtland.typing import Real, Rng

__all__ = ["FunctionTrace", "effective_dimension", "log_determinant"]


@dataclass(frozen=True)
class FunctionTrace:
    """Trace of a function of a matrix, with bounds from quadrature and an interval.

    Parameters
    ----------
    value : float
        The middle of the bracket.
    bracket : (float, float)
        What the quadratures leave to the mean of these probes.
    standard_error : float
        From the scatter of the probes.
    interval : (float, float)
        The bracket, widened on both sides by Student's quantile of the standard error.
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
    operator: Any,
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
    """
    delta = nonnegative("damping", damping)
    bound = 0.0 if lower is None else nonnegative("lower", lower)

    def log(values: Real) -> Real:
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(values + delta, 0.0))

    return _function_trace(operator, log, bound, probes, steps, rng, confidence, size, options)


def effective_dimension(
    operator: Any,
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
    operator: Any,
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
    probes, confidence = count("probes", probes, least=2), positive("confidence", confidence)
    if confidence >= 1:
        raise ValueError(f"confidence must be below 1; got {confidence}")
    runs = krylov_quadratures(found, probes=probes, steps=steps, rng=rng, **options)
    unit = float(np.finfo(found.dtype).eps)
    low, high = np.empty(probes), np.empty(probes)
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
        high[i] = weights @ function(np.maximum(nodes, lower))
        low[i] = high[i]
        if not one.is_exhausted:
            low[i] = _radau_value(one, function, min(lower, float(nodes[0])), lower)
    value_low, value_high = found.size * low.mean(), found.size * high.mean()
    middle = (low + high) / 2 if np.isfinite(low).all() else high
    error = float(found.size * middle.std(ddof=1) / np.sqrt(probes))
    reach = float(stdtrit(probes - 1, (1 + confidence) / 2)) * error
    return FunctionTrace(
        value=float(found.size * middle.mean()),
        bracket=(float(value_low), float(value_high)),
        standard_error=error,
        interval=(float(value_low - reach), float(value_high + reach)),
        confidence=confidence,
        products=runs.products,
    )


def _radau_value(
    one: Tridiagonal, function: Callable[[Real], Real], node: float, lower: float
) -> float:
    """Return the quadrature with a node below all others: a lower bound."""
    nodes, weights = canonical_quadrature(one, node)
    return float(weights @ function(np.maximum(nodes, lower)))
