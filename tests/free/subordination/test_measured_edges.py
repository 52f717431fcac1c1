"""Edges of sums of two measured spectra, also where G is nearly zero at an edge.

There the subordination point of one operand is far away, and terms of the size of 1/G^2 cancel.
"""

import mpmath as mp
import numpy as np
import pytest

from rmtland.free import free_sum
from rmtland.laws import EmpiricalLaw

SHARES = np.array([1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4])
# How far the variance of the second operand is above the critical one, at which G = 0 at an edge.
EXCESSES = [1e-2, 1e-3, 1e-4, -1e-3, -1e-2]


def stieltjes(places, w, power=1):
    return mp.fsum(1 / (w - place) ** power for place in places) / len(places)


def operands(seed, excess):
    r"""Eigenvalues with a wide gap, and others of nearly critical variance; G's zero in the gap.

    Beside G = 0 the sum of two laws has :math:`z = x_0 + m + (v + 1/G_1'(x_0)) g + O(g^2)` with the
    mean m and the variance v of the second law, and the zero :math:`x_0` of the first one's G.
    """
    rng = np.random.default_rng(seed)
    first = np.sort(np.concatenate([rng.uniform(0, 1, 90), rng.uniform(2, 2.5, 12)]))
    with mp.workdps(30):
        bracket = tuple(mp.mpf(x) for x in first[[89, 90]] + [1e-6, -1e-6])
        zero = mp.findroot(lambda w: stieltjes(first, w), bracket, solver="anderson")
        critical = float(1 / stieltjes(first, zero, 2))
    second = rng.exponential(1, 100)
    return first, second * np.sqrt(critical * (1 + excess)) / second.std(), float(zero)


def critical_point(first, second, zero):
    """Return the edge at which G is nearly 0 with 40 digits: z(g) where its slope is 0."""
    variance = float(np.var(second))
    with mp.workdps(40):
        mean = mp.fsum(second) / len(second)
        point = [mp.mpf(zero)]

        def along(g):
            """Return z, and -dz/dg, at a value g of all G."""
            w, far = point[0], 1 / g + mean
            for _ in range(40):
                w += (stieltjes(first, w) - g) / stieltjes(first, w, 2)
                far -= (1 / stieltjes(second, far) - 1 / g) * (
                    stieltjes(second, far) ** 2 / stieltjes(second, far, 2)
                )
                if abs(stieltjes(first, w) - g) < mp.mpf(10) ** -36 * (1 + abs(g)) and (
                    abs(stieltjes(second, far) - g) < mp.mpf(10) ** -37 * abs(g)
                ):
                    break
            slope = 1 / stieltjes(first, w, 2) + 1 / stieltjes(second, far, 2) - 1 / g**2
            return w + far - 1 / g, slope

        second_order = np.mean((second - np.mean(second)) ** 3) - float(
            stieltjes(first, zero, 3) / stieltjes(first, zero, 2) ** 3
        )
        start = -(variance - float(1 / stieltjes(first, zero, 2))) / (2 * second_order)
        start = mp.mpf(start)
        g = mp.findroot(lambda g: along(g)[1], (start, 1.1 * start), tol=1e-40, verify=False)
        return float(along(g)[0])


def distances(support):
    """Return every edge, inward, and distances: from 1e-9 of the band, far from the next band."""
    for i, (low, high) in enumerate(support):
        below = low - support[i - 1][1] if i else np.inf
        above = support[i + 1][0] - high if i + 1 < len(support) else np.inf
        away = (high - low) * SHARES
        yield low, 1.0, away[away < 1e-3 * below]
        yield high, -1.0, away[away < 1e-3 * above]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_squared_density_is_linear_beside_every_edge(seed):
    first, second, _ = operands(seed, EXCESSES[seed])
    law = free_sum(EmpiricalLaw(first), EmpiricalLaw(second))
    edges = 0
    for edge, inward, away in distances(law.support):
        assert away.size >= 4, edge
        x = edge + inward * away
        # by the distance as it is rounded
        ratio = law.pdf(x) ** 2 / np.abs(x - edge)
        assert np.allclose(ratio / ratio[2], 1, rtol=0, atol=1e-2), (edge, ratio)
        edges += 1
    assert edges >= 4


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("excess", EXCESSES)
def test_edge_at_which_g_is_nearly_zero_is_the_critical_point(excess):
    first, second, zero = operands(3, excess)
    law = free_sum(EmpiricalLaw(first), EmpiricalLaw(second))
    edges = np.ravel(law.support)
    place = critical_point(first, second, zero)
    assert np.abs(edges - place).min() < 1e-11, excess
