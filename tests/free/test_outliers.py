"""Outliers of spiked matrices: closed forms, and matrices."""

import math

import numpy as np
import pytest

from rmtland.free import free_sum, spiked
from rmtland.laws import MarchenkoPastur, Semicircle
from rmtland.laws.discrete import Discrete


@pytest.mark.parametrize("variance", [1.0, 0.3])
@pytest.mark.parametrize("theta", [2.5, -1.7])
def test_spiked_semicircle(variance, theta):
    (outlier,) = spiked(Semicircle(variance), [theta])
    assert outlier.location == pytest.approx(theta + variance / theta, rel=1e-14)
    assert outlier.overlap == pytest.approx(1 - variance / theta**2, rel=1e-12)


def test_below_the_threshold_nothing_separates():
    assert spiked(Semicircle(), [0.999, -0.5, 0.0]) == ()
    assert len(spiked(Semicircle(), [1.001])) == 1
    ratio = 0.4
    assert (
        spiked(MarchenkoPastur(ratio), [1 + 0.99 * math.sqrt(ratio)], kind="multiplicative") == ()
    )
    assert spiked(MarchenkoPastur(ratio), [1.0], kind="multiplicative") == ()


@pytest.mark.parametrize("ratio", [0.3, 1.0, 2.0])
def test_spiked_covariance(ratio):
    spike = 5.0
    outliers = spiked(MarchenkoPastur(ratio), [spike], kind="multiplicative")
    outlier = outliers[-1]
    assert outlier.location == pytest.approx(spike * (1 + ratio / (spike - 1)), rel=1e-13)
    known = (1 - ratio / (spike - 1) ** 2) / (1 + ratio / (spike - 1))
    assert outlier.overlap == pytest.approx(known, rel=1e-11)


def test_outliers_inside_a_gap_against_matrices():
    bulk = free_sum(Discrete((-3.0, 3.0), (0.5, 0.5)), Semicircle(0.2))
    theta = 2.0
    outliers = spiked(bulk, [theta])
    assert len(outliers) == 2  # one above, one in the gap
    assert bulk.support[0][1] < outliers[0].location < bulk.support[1][0]
    rng = np.random.default_rng(8)
    n, found, overlaps = 700, [], []
    for _ in range(6):
        noise = rng.standard_normal((n, n)) * math.sqrt(0.2 / n / 2)
        matrix = noise + noise.T + np.diag(np.repeat([-3.0, 3.0], n // 2))
        u = rng.standard_normal(n)
        u /= np.linalg.norm(u)
        values, vectors = np.linalg.eigh(matrix + theta * np.outer(u, u))
        middle = np.flatnonzero((values > bulk.support[0][1] + 0.2) & (values < 2.0))
        assert middle.size == 1
        found.append([values[middle[0]], values[-1]])
        overlaps.append([(vectors[:, middle[0]] @ u) ** 2, (vectors[:, -1] @ u) ** 2])
    for j, outlier in enumerate(outliers):
        places = np.array(found)[:, j]
        spread = places.std(ddof=1) / math.sqrt(6)
        assert abs(places.mean() - outlier.location) < 4 * spread + 5 / n
        assert np.mean(np.array(overlaps)[:, j]) == pytest.approx(outlier.overlap, abs=0.05)


def test_bad_input():
    with pytest.raises(ValueError, match="unknown kind"):
        spiked(Semicircle(), [2.0], kind="sideways")
    with pytest.raises(ValueError, match=r"\[0, infinity\)"):
        spiked(Semicircle(), [2.0], kind="multiplicative")
    with pytest.raises(ValueError, match="must be positive"):
        spiked(MarchenkoPastur(0.5), [-2.0], kind="multiplicative")
    with pytest.raises(ValueError, match="NaN"):
        spiked(Semicircle(), [math.nan])
    with pytest.raises(TypeError, match="takes laws"):
        spiked(1.0, [2.0])
