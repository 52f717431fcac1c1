"""Series beside points where a transform is unbounded, against exact ones and quadrature."""

import numpy as np
import pytest

from rmtland.free.operator_valued.hard_edges import HardEdge
from rmtland.free.operator_valued.inner_singularities import InnerSingularities, InnerSingularity
from rmtland.free.operator_valued.transform_series import solve_series, transform_integral


@pytest.mark.parametrize(("power", "lowest"), [(1, 2), (1, 3), (2, 3), (3, 4)])
def test_solution_and_integral(power, lowest):
    """dz = sum k c_k sigma^(k-1) dsigma: the integral of sigma^-p dz by Gauss's rule."""
    c = np.array([1.0 - 0.3j, 0.4j, -0.2])
    orders = np.arange(lowest, lowest + 3)
    sigma = 0.1 * np.exp(0.3j)
    t = np.array([-1e-3, 1e-9, 2e-300])
    solved = solve_series(c, lowest, (t / c[0] + 0j) ** (1 / lowest))
    assert np.allclose((solved[:, None] ** orders) @ c, t, rtol=1e-13, atol=0)
    x, w = np.polynomial.legendre.leggauss(20)
    path = sigma * (1 + x) / 2
    integrand = (path[:, None] ** (orders - 1 - power)) @ (orders * c)
    exact = sigma / 2 * (w @ integrand)
    assert transform_integral(c, lowest, power, np.array([sigma]))[0] == pytest.approx(exact)


def test_a_hard_edge_is_a_point_with_one_side():
    """Both are the same law on the side that has one: beside 0, 1/(pi sqrt(x)) + ..."""
    c = np.array([-1.0, 0.25])  # z = -sigma^2 + sigma^3/4, and G = 1/sigma
    edge = HardEdge(0.0, -1.0, 1, -c * [1.0, -1.0])  # of -z in -sigma
    point = InnerSingularity(0.0, 1, c.astype(complex), 1e-2, roots=(1.0, -1.0))
    assert point.density(np.array([5e-324]))[0] == pytest.approx(5e-324**-0.5 / np.pi)
    x = np.array([0.0, 5e-324, 1e-300, 1e-9, 1e-3])
    assert edge.density(x)[0] == point.density(x)[0] == np.inf
    np.testing.assert_allclose(edge.density(x[1:]), point.density(x[1:]), rtol=1e-12)
    np.testing.assert_allclose(edge.mass(x), np.abs(point.integral(x).imag) / np.pi, rtol=1e-12)


def test_values_of_points_that_are_covered_and_of_no_others():
    point = InnerSingularity(0.0, 1, np.array([-1.0 + 0j]), 1e-2, roots=(1.0, -1.0))
    beside = InnerSingularities([point], lambda x: np.zeros(x.shape))
    x = np.array([-1.0, -1e-2, 0.0, 1e-4, 1.0])
    assert beside.covers(x).tolist() == [False, False, True, True, False]
    found = beside.density(x, np.full(5, 7.0))
    np.testing.assert_allclose(found, [7.0, 7.0, np.inf, 100 / np.pi, 7.0])
    none = np.array([])
    assert beside.covers(none).shape == beside.density(none, none).shape == (0,)
