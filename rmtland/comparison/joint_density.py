r"""Joint densities of the eigenvalues of classical ensembles: exponential families in two sums.

The eigenvalues of Wishart, Gaussian and Jacobi matrices (beta = 1 real, 2 complex, any beta > 0)
repel each other with :math:`|\Delta(\lambda)|^\beta`, and depend on the parameters through

.. math:: \eta_1 \sum_i f_1(\lambda_i) + \eta_2 \sum_i f_2(\lambda_i) - A(\eta)

alone. For n rows and N columns of entries of variance s/N, p = min(n, N), P = max(n, N) [1]_,

.. math::
    f = (\log \lambda, \lambda), \quad
    \eta = \Bigl( \frac{\beta P}{2}, -\frac{\beta N}{2 s} \Bigr), \quad
    A = \sum_{j < p} \log \Gamma \Bigl( \eta_1 - \frac{\beta j}{2} \Bigr)
        - p \, \eta_1 \log(-\eta_2) ;

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
>>> sums = np.log(drawn).sum(axis=1)
>>> density.mean.round(2), float(sums.mean().round(1))
(array([-6.48, 20.  ]), -6.5)
>>> bool(abs(sums.var() / density.covariance[0, 0] - 1) < 0.15)
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


def joint_density(law: Law, size: int, *, beta: float, unit: float = 1.0) -> JointDensity | None:
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

    Returns
    -------
    JointDensity or None
        None for laws of other ensembles, and of parameters that no matrix of the size has.
    """
    if isinstance(law, MarchenkoPastur):
        return _of_wishart(size, size / law.aspect_ratio, law.scale / unit, beta)
    if isinstance(law, Semicircle):
        return _of_gaussian(size, law.variance / unit**2, law.center / unit, beta)
    if isinstance(law, Wachter):
        return _of_jacobi(size, size / law.aspect_ratio, size / law.other_ratio, beta)
    return None


def _of_wishart(n: int, columns: float, scale: float, beta: float) -> JointDensity | None:
    p = n if columns >= n else round(columns)
    a, b = beta * max(n, columns) / 2, beta * columns / (2 * scale)
    if p < 1 or (columns < n and abs(columns - p) > 0.5):
        return None
    arguments = a - beta * np.arange(p) / 2
    mean = np.array([digamma(arguments).sum() - p * np.log(b), p * a / b])
    covariance = np.array(
        [[polygamma(1, arguments).sum(), p / b], [p / b, p * a / b**2]], dtype=np.float64
    )
    return JointDensity(
        np.array([a, -b]), float(gammaln(arguments).sum() - p * a * np.log(b)), mean, covariance
    )


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
        np.array([beta * first / 2, beta * second / 2]), float(partition), mean,
        np.asarray(own - polygamma(1, c).sum()),
    )  # fmt: skip


def sums(law: Law, values: Real) -> Real:
    """Return the two sums of eigenvalues that the parameters depend on.

    Parameters
    ----------
    law : MarchenkoPastur, Semicircle or Wachter
        Says which.
    values : ndarray of float
        Eigenvalues over the unit, without those at zero that the law has.

    Returns
    -------
    ndarray, shape (2,)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if isinstance(law, MarchenkoPastur):
            return np.array([np.log(values).sum(), values.sum()])
        if isinstance(law, Semicircle):
            return np.array([values.sum(), (values**2).sum()])
        return np.array([np.log(values).sum(), np.log1p(-values).sum()])


def outlier_sums(law: Law, outliers: Real, *, unit: float = 1.0) -> Real:
    r"""Return what to add to the sums of the bulk where outliers were left out.

    The sums of noise without spikes are those of the bulk and, of every spike, f at the outlier
    less what the perturbation adds: for a population eigenvalue l, of a Wishart matrix of scale 1,
    log(1 + (l - 1)/max(q, 1)) and l - 1; theta and theta^2 for an additive spike.

    Parameters
    ----------
    law : MarchenkoPastur or Semicircle
        Of the noise.
    outliers : ndarray of float
        Eigenvalues outside of it, in its units.
    unit : float, optional
        The sums are of eigenvalues divided by it.

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
        added = np.array([np.log1p(excess / max(q, 1.0)).sum(), excess.sum() * scale / unit])
        return np.asarray(sums(law, outliers / unit) - added)
    if isinstance(law, Semicircle):
        y = (outliers - law.center) / unit
        variance, center = law.variance / unit**2, law.center / unit
        root = np.sqrt(np.maximum(y**2 - 4 * variance, 0.0))
        theta = (y + np.copysign(root, y)) / 2
        # tr (W + c + theta) and the trace of its square, less those of W + c
        added = np.array([theta.sum(), (theta**2 + 2 * center * theta).sum()])
        return np.asarray(sums(law, outliers / unit) - added)
    raise ValueError(
        "outliers of Jacobi matrices cannot be left out of a likelihood; use method='distance' or "
        "'quantiles'"
    )
