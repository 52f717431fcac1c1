r"""The largest eigenvalue of pure noise at finite size, its variance known or estimated.

The Tracy-Widom law holds for the largest eigenvalue of a large matrix. With centring and scale of
finite sizes its error is of order :math:`\min(N, M)^{-2/3}` in place of :math:`\min^{-1/3}`. For
X of N by M independent entries of variance 1, real ones (beta = 1) [1]_ [2]_,

.. math::
    \mu = \bigl(\sqrt{N - \tfrac12} + \sqrt{M - \tfrac12}\bigr)^2, \qquad
    s = \sqrt{\mu} \Bigl( \frac{1}{\sqrt{N - 1/2}} + \frac{1}{\sqrt{M - 1/2}} \Bigr)^{1/3} ;

complex ones (beta = 2) have the mean of two such pairs, at (N - 1, M) and (N, M - 1) with +1/2 for
-1/2 [3]_. For Hermitian matrices of order n and entries of variance 1,
:math:`\mu = 2 \sqrt{m}, s = m^{-1/6}` with m = n - 1/2 (beta = 1) or n (beta = 2) [4]_.

Where the variance is not known, the eigenvalue is divided by its estimate from all eigenvalues.
This ratio is independent of the estimate (Basu), so that the tails of the known law are those of
the ratio, blurred by the estimate: if r is the variance of the estimate in units of s,

.. math:: P(\text{ratio} > \mu + s x) = 1 - F(x) + \tfrac{r}{2} F''(x),

for Wishart matrices [5]_ with :math:`r = 2/(\beta N M) (\mu / s)^2`. Without this term tests
reject too seldom (the example below).

For Wigner matrices of order 32 and less r is not small, and the expansion no good: a nominal 1 %
would reject 1.1 % (real) and 1.8 % (complex) at order 10, 1.1 and 1.5 % at order 17. Their ratio
has one law for each order, which is a Tracy-Widom law of another centre and scale within 7 % of
levels from 2.5 to 30 % from order 8 on, 3 % from order 10 on, and down to 1 % from order 17 on
(further out that of less than 17 has less mass: tests err on the safe side). The table is from
80 000 draws of each order: `scripts/make_wigner_edges.py` draws again, and prints these numbers.

References
----------
.. [1] I. M. Johnstone, On the distribution of the largest eigenvalue in principal components
       analysis, Annals of Statistics 29 (2001) 295-327.
.. [2] Z. Ma, Accuracy of the Tracy-Widom limits for the extreme eigenvalues in white Wishart
       matrices, Bernoulli 18 (2012) 322-359.
.. [3] N. El Karoui, A rate of convergence result for the largest eigenvalue of complex white
       Wishart matrices, Annals of Probability 34 (2006) 2077-2117.
.. [4] I. M. Johnstone and Z. Ma, Fast approach to the Tracy-Widom law at the edge of GOE and GUE,
       Annals of Applied Probability 22 (2012) 1962-1988.
.. [5] B. Nadler, On the distribution of the ratio of the largest eigenvalue to the trace of a
       Wishart matrix, Journal of Multivariate Analysis 102 (2011) 363-371.

Examples
--------
>>> edge = wishart_edge(100, 50)
>>> round(edge.quantile(0.05), 2), round(edge.chance(285.0), 3)
(297.82, 0.234)

What a test at 5 % rejects that takes an estimated variance for a known one:

>>> sizes = ((20, 20), (20, 1000), (400, 400))
>>> [round(wishart_edge(*n).chance(wishart_edge(*n, estimated=False).quantile(0.05)), 3)
...  for n in sizes]
[0.023, 0.037, 0.046]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from rmtland.laws import TracyWidom

__all__ = ["EdgeLaw", "wigner_edge", "wishart_edge"]

_STEP = 1e-3
"""Of the difference quotient of the density."""


@dataclass(frozen=True)
class EdgeLaw:
    """Law of the largest eigenvalue of noise of variance 1.

    Parameters
    ----------
    beta : int
        1 for real, 2 for complex entries.
    centre, scale : float
        Of the Tracy-Widom variable.
    blur : float
        Variance of the estimated edge in units of the scale; 0 where the variance is known.
    """

    beta: int
    centre: float
    scale: float
    blur: float = 0.0

    def chance(self, value: float) -> float:
        """Probability that noise has a larger eigenvalue.

        Parameters
        ----------
        value : float
            The eigenvalue, over the (estimated) standard deviation or variance of the entries.

        Returns
        -------
        float
            Between 0 and 1.
        """
        law, x = TracyWidom(self.beta), (value - self.centre) / self.scale
        tail = float(law.sf(x))
        if self.blur:
            # F'' is positive left of the mode only; where the expansion has come to its end, far
            # right of it, the ratio is the rarer of the two
            right, left = law.pdf(np.array([x + _STEP, x - _STEP]))
            bend = float(right - left) / (2 * _STEP)
            tail += min(self.blur / 2, _MOST * tail / max(abs(bend), 1e-300)) * bend
        return min(max(tail, 0.0), 1.0)

    def quantile(self, level: float) -> float:
        """Value that noise exceeds with a given probability.

        Parameters
        ----------
        level : float
            Between 0 and 1.

        Returns
        -------
        float
            In the units of `chance`.
        """
        return _quantile(self, float(level))


@lru_cache(maxsize=256)
def _quantile(edge: EdgeLaw, level: float) -> float:
    """Quantile of an edge; matrices of one size, as of a simulation, ask for the same."""
    guess = edge.centre + edge.scale * float(TracyWidom(edge.beta).isf(level))
    if not edge.blur:
        return guess
    low, high = guess - 8 * edge.scale, guess + 2 * edge.scale
    return float(brentq(lambda value: edge.chance(value) - level, low, high))


_MOST = 0.9
"""Share of the tail that the correction takes away at most."""


def wishart_edge(long: int, short: int, *, beta: int = 1, estimated: bool = True) -> EdgeLaw:
    """Law of the largest eigenvalue of X X^* with independent entries of variance 1.

    Parameters
    ----------
    long, short : int
        Sides of X, in either order.
    beta : {1, 2}
        Real or complex entries.
    estimated : bool
        Whether the variance is that of the eigenvalues themselves, their sum over N M.

    Returns
    -------
    EdgeLaw
        Of squared singular values.
    """
    if beta == 1:
        centre, scale = _pair(long - 0.5, short - 0.5)
    else:
        (m1, s1), (m2, s2) = _pair(long - 0.5, short + 0.5), _pair(long + 0.5, short - 0.5)
        share = m1 * np.sqrt(s2) / (m2 * np.sqrt(s1))
        scale = (1 + share) / (1 / s1 + share / s2)
        centre = (s1**-0.5 + s2**-0.5) / (1 / (m1 * s1**0.5) + 1 / (m2 * s2**0.5))
    blur = 2 / (beta * long * short) * (centre / scale) ** 2 if estimated else 0.0
    return EdgeLaw(beta, float(centre), float(scale), float(blur))


def wigner_edge(n: int, *, beta: int = 1, estimated: bool = True) -> EdgeLaw:
    """Law of the largest eigenvalue of a Hermitian matrix with entries of variance 1.

    Parameters
    ----------
    n : int
        Order of the matrix.
    beta : {1, 2}
        Real or complex entries.
    estimated : bool
        Whether mean and variance are those of the eigenvalues themselves.

    Returns
    -------
    EdgeLaw
        Of eigenvalues.
    """
    small = _SMALL[beta]
    if estimated and _SMALLEST <= n < _SMALLEST + len(small):
        return EdgeLaw(beta, *small[n - _SMALLEST])
    m = n - 0.5 if beta == 1 else float(n)
    centre, scale = 2 * m**0.5, m ** (-1 / 6)
    degrees = beta * n * (n - 1) / 2 + n - 1
    blur = (centre / scale) ** 2 / (2 * degrees) + 2 / (beta * n * scale**2) if estimated else 0.0
    return EdgeLaw(beta, centre, scale, blur)


_SMALLEST = 4
_SMALL = {
    1: (
        (3.1738, 0.2248),
        (3.7595, 0.2994),
        (4.2633, 0.3468),
        (4.7161, 0.3763),
        (5.1224, 0.4036),
        (5.5123, 0.4218),
        (5.8651, 0.4321),
        (6.2023, 0.4394),
        (6.5204, 0.4488),
        (6.8247, 0.4564),
        (7.1107, 0.4608),
        (7.3957, 0.4647),
        (7.6628, 0.4708),
        (7.9206, 0.4681),
        (8.1698, 0.4708),
        (8.4136, 0.4690),
        (8.6508, 0.4738),
        (8.8832, 0.4729),
        (9.1074, 0.4735),
        (9.3279, 0.4772),
        (9.5411, 0.4772),
        (9.7534, 0.4755),
        (9.9558, 0.4777),
        (10.1518, 0.4750),
        (10.3504, 0.4760),
        (10.5497, 0.4731),
        (10.7304, 0.4746),
        (10.9152, 0.4782),
        (11.1027, 0.4734),
    ),
    2: (
        (3.0772, 0.2499),
        (3.7023, 0.3205),
        (4.2409, 0.3675),
        (4.7066, 0.3928),
        (5.1307, 0.4153),
        (5.5285, 0.4330),
        (5.8887, 0.4400),
        (6.2289, 0.4486),
        (6.5531, 0.4587),
        (6.8665, 0.4682),
        (7.1530, 0.4701),
        (7.4332, 0.4725),
        (7.7042, 0.4730),
        (7.9633, 0.4753),
        (8.2204, 0.4784),
        (8.4664, 0.4806),
        (8.6992, 0.4785),
        (8.9296, 0.4812),
        (9.1593, 0.4818),
        (9.3702, 0.4770),
        (9.5874, 0.4790),
        (9.8002, 0.4847),
        (10.0027, 0.4819),
        (10.2036, 0.4800),
        (10.3949, 0.4755),
        (10.5855, 0.4772),
        (10.7786, 0.4747),
        (10.9650, 0.4761),
        (11.1422, 0.4761),
    ),
}
"""Centre and scale of Wigner ratios for orders from 4 on, by beta: `scripts/bench_fits.py --jobs
edges --full`."""


def _pair(n: float, m: float) -> tuple[float, float]:
    a, b = np.sqrt(n), np.sqrt(m)
    return (a + b) ** 2, (a + b) * (1 / a + 1 / b) ** (1 / 3)
