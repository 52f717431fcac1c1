r"""Joint densities of the eigenvalues of classical ensembles: exponential families in two sums.

The eigenvalues of Wishart, Gaussian and Jacobi matrices (beta = 1 real, 2 complex, any beta > 0)
repel each other with :math:`|\Delta(\lambda)|^\beta`, and depend on the parameters through

.. math:: \eta_1 \sum_i f_1(\lambda_i) + \eta_2 \sum_i f_2(\lambda_i) - A(\eta)

alone. For n rows and N columns of entries of variance s/N, p = min(n, N), P = max(n, N) [1]_,

.. math::
    f = (\log \lambda - \lambda + 1, \lambda - 1), \quad
    \eta = (a, a - b), \quad
    a = \frac{\beta P}{2}, \quad b = \frac{\beta N}{2 s}, \quad
    A = \sum_{j < p} \log \Gamma \Bigl( a - \frac{\beta j}{2} \Bigr) - p \, a \log b + p \, b

(those of log and of the eigenvalues themselves, taken about 1, so that nothing cancels in narrow
bulks, where a is large and the eigenvalues are all about the same);

for Gaussian matrices of variance v and centre c
:math:`f = (\lambda, \lambda^2), \eta = (\beta n c / 2v, -\beta n / 4v)`; for Jacobi matrices
:math:`f = (\log \lambda, \log(1 - \lambda)), \eta = (\beta q_1/2, \beta q_2/2)`. The derivatives
of A are the mean and the covariance of the two sums: exact at any size, of order 1 where those of
n independent points are of order n.

References
----------
.. [1] R. J. Muirhead, Aspects of Multivariate Statistical Theory, Wiley 1982, chapters 3 and 9.

Examples
--------
>>> import numpy as np
>>> from rmtland import MarchenkoPastur, WishartEnsemble
>>> density = joint_density(MarchenkoPastur(0.5), 20, beta=1.0)
>>> drawn = WishartEnsemble(0.5).sample(20, rng=0, runs=2000).nodes
>>> found = np.array([sums(MarchenkoPastur(0.5), one) for one in drawn])
>>> density.mean.round(2), float(found[:, 0].mean().round(1))
(array([-6.48,  0.  ]), -6.5)
>>> bool(abs(found[:, 0].var() / density.covariance[0, 0] - 1) < 0.15)
True
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from rmtland.laws import Law, MarchenkoPastur, Semicircle, Wachter
from rmtland.typing import Real

__all__ = ["JointDensity", "joint_density", "outlier_sums", "sums"]


class JointDensity(NamedTuple):
    """The joint density of the eigenvalues of a member of an ensemble.

    Parameters
    ----------
    natural : ndarray, shape (2,)
        Coefficients eta of the two sums.
    log_partition : float
        A, up to what no parameter changes.
    mean : ndarray, shape (2,)
        Of the two sums.
    covariance : ndarray, shape (2, 2)
        Of the two sums.
    """

    natural: Real
    log_partition: float
    mean: Real
    covariance: Real


def joint_density(
    law: Law, size: int, *, beta: float, unit: float = 1.0, origin: float = 0.0
) -> JointDensity | None:
    """Return the joint density of eigenvalues over a unit.

    Parameters
    ----------
    law : MarchenkoPastur, Semicircle or Wachter
        Limit of the ensemble.
    size : int
        Order n of the matrix.
    beta : float
        Dyson index, > 0.
    unit : float, optional
        The sums are of eigenvalues divided by it.
    origin : float, optional
        Of Gaussian matrices, what is taken from the eigenvalues before.

    Returns
    -------
    JointDensity or None
        None for laws of other ensembles, and of parameters that no matrix of the size has.
    """
    if isinstance(law, MarchenkoPastur):
        return _of_wishart(size, size / law.aspect_ratio, law.scale / unit, beta)
    if isinstance(law, Semicircle):
        return _of_gaussian(size, law.variance / unit**2, (law.center - origin) / unit, beta)
    if isinstance(law, Wachter):
        return _of_jacobi(size, size / law.aspect_ratio, size / law.other_ratio, beta)
    return None


def _of_wishart(n: int, columns: float, scale: float, beta: float) -> JointDensity | None:
    p = n if columns >= n else round(columns)
    a, b = beta * max(n, columns) / 2, beta * columns / (2 * scale)
    if p < 1 or (columns < n and abs(columns - p) > 0.5):
        return None
    # a - b, where it is small beside both
    off = b * (scale - 1) if columns >= n else a - b
    steps = beta * np.arange(p) / 2
    x = a - steps
    less = off - steps  # x - b
    log_ratio = np.log1p(less / b)
    mean = np.array([(_digamma_over_log(x) + log_ratio - off / b).sum(), p * off / b])
    own = _trigamma_over_inverse(x) + off * less / (x * b**2) + steps / (x * b)
    across, second = -p * off / b**2, p * a / b**2
    partition = _log_gamma_over_stirling(x) + x * log_ratio - less - steps * np.log(b)
    return JointDensity(
        np.array([a, off]),
        float(partition.sum()),
        mean,
        np.array([[own.sum(), across], [across, second]], dtype=np.float64),
    )


_LARGE = 1e3
"""From where on the terms of Stirling's series that are taken are exact."""


def _log_gamma_over_stirling(x: Real) -> Real:
    """Log Gamma(x) - (x log x - x)."""
    series = 1 / (12 * x) * (1 - 1 / (30 * x**2)) - np.log(x / (2 * np.pi)) / 2
    return np.where(x < _LARGE, gammaln(x) - x * np.log(x) + x, series)


def _digamma_over_log(x: Real) -> Real:
    """digamma(x) - log x."""
    series = -1 / (2 * x) - 1 / (12 * x**2) * (1 - 1 / (10 * x**2))
    return np.where(x < _LARGE, digamma(x) - np.log(x), series)


def _trigamma_over_inverse(x: Real) -> Real:
    """trigamma(x) - 1/x."""
    series = 1 / (2 * x**2) + 1 / (6 * x**3) * (1 - 1 / (5 * x**2))
    return np.where(x < _LARGE, polygamma(1, x) - 1 / x, series)


def _of_gaussian(n: int, variance: float, center: float, beta: float) -> JointDensity:
    degrees = n + beta * n * (n - 1) / 2
    one = beta * n / (2 * variance)  # inverse variance of the mean, times n
    first, second = n / one, 2 * degrees / one**2
    mean = np.array([n * center, n * center**2 + degrees / one])
    covariance = np.array(
        [
            [first, 2 * center * first],
            [2 * center * first, 4 * center**2 * first + second],
        ]
    )
    partition = n * one * center**2 / 2 - degrees / 2 * np.log(one)
    return JointDensity(np.array([one * center, -one / 2]), float(partition), mean, covariance)


def _of_jacobi(n: int, first: float, second: float, beta: float) -> JointDensity | None:
    if min(first, second) < n:
        return None
    steps = beta * np.arange(n) / 2
    a, b = beta * first / 2 - steps, beta * second / 2 - steps
    c = a + b + steps
    partition = gammaln(a).sum() + gammaln(b).sum() - gammaln(c).sum()
    both = digamma(c).sum()
    mean = np.array([digamma(a).sum() - both, digamma(b).sum() - both])
    own = np.diag([polygamma(1, a).sum(), polygamma(1, b).sum()])
    return JointDensity(
        np.array([beta * first / 2, beta * second / 2]),
        float(partition),
        mean,
        np.asarray(own - polygamma(1, c).sum()),
    )


def sums(law: Law, values: Real) -> Real:
    """Return the two sums of eigenvalues that the parameters depend on.

    Parameters
    ----------
    law : MarchenkoPastur, Semicircle or Wachter
        Says which.
    values : ndarray of float
        Eigenvalues over the unit (of Gaussian matrices from the origin), without those at zero
        that the law has.

    Returns
    -------
    ndarray, shape (2,)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if isinstance(law, MarchenkoPastur):
            above = values - 1
            return np.array([(np.log1p(above) - above).sum(), above.sum()])
        if isinstance(law, Semicircle):
            return np.array([values.sum(), (values**2).sum()])
        return np.array([np.log(values).sum(), np.log1p(-values).sum()])


def outlier_sums(law: Law, outliers: Real, *, unit: float = 1.0, origin: float = 0.0) -> Real:
    r"""Return what to add to the sums of the bulk where outliers were left out.

    The sums of noise without spikes are those of the bulk and, of every spike, f at the outlier
    less what the perturbation adds to them: of a Wishart matrix of scale 1, a population eigenvalue
    l adds log(1 + (l - 1)/max(q, 1)) to the sum of logarithms and l - 1 to that of the eigenvalues;
    an additive spike adds theta and theta^2.

    Parameters
    ----------
    law : MarchenkoPastur or Semicircle
        Of the noise.
    outliers : ndarray of float
        Eigenvalues outside of it, in its units.
    unit : float, optional
        The sums are of eigenvalues divided by it.
    origin : float, optional
        As of `joint_density`.

    Returns
    -------
    ndarray, shape (2,)
    """
    if isinstance(law, MarchenkoPastur):
        q, scale = law.aspect_ratio, law.scale
        y = outliers / scale
        inner = y - 1 - q
        root = np.sqrt(np.maximum(inner**2 - 4 * q, 0.0))
        excess = (inner + np.copysign(root, inner)) / 2  # l - 1
        trace = excess.sum() * scale / unit
        added = np.array([np.log1p(excess / max(q, 1.0)).sum() - trace, trace])
        return np.asarray(sums(law, outliers / unit) - added)
    if isinstance(law, Semicircle):
        y = (outliers - law.center) / unit
        variance, center = law.variance / unit**2, (law.center - origin) / unit
        root = np.sqrt(np.maximum(y**2 - 4 * variance, 0.0))
        theta = (y + np.copysign(root, y)) / 2
        # tr (W + c + theta) and the trace of its square, less those of W + c
        added = np.array([theta.sum(), (theta**2 + 2 * center * theta).sum()])
        return np.asarray(sums(law, (outliers - origin) / unit) - added)
    raise ValueError(
        "outliers of Jacobi matrices cannot be left out of a likelihood; use method='distance' or "
        "'quantiles'"
    )
