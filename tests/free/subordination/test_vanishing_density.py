"""Bands that end with a density like a high power, where it is below rounding and G may be zero."""

import numpy as np
import pytest

from rmtland.free import free_product
from rmtland.free.subordination.near_zero import BesideZero
from rmtland.laws import Discrete, JacobiWeight


@pytest.mark.slow
def test_points_beside_an_end_where_g_is_zero():
    """The end is w/E[1/A] = -4/9 with G_B(w) = 0, and the density there a fourth power."""
    law = free_product(JacobiWeight(-0.5, 4.0, 0.0, 1.0), Discrete((-1.0, 1.0), (0.25, 0.75)))
    end = law.support[0][1]
    assert end == pytest.approx(-4 / 9, abs=1e-14)
    x = end - np.geomspace(1e-13, 1e-4, 4)
    g, below, found = law._in_bands.solved(x)
    assert found.all()
    assert below == pytest.approx(0.25, abs=1e-12)
    slope = (law._stieltjes(np.array([end + 1e-6 + 0j])).real / 1e-6)[0]  # of the gap
    assert g[:3] == pytest.approx(slope * (x - end)[:3], rel=1e-3)
    assert (np.abs(g.imag) < 1e-15).all()


@pytest.mark.slow
def test_a_product_whose_density_is_below_rounding_in_places():
    law = free_product(
        JacobiWeight(-0.5, 4.0, 0.0, 1.0), Discrete((-1.0, 1.0, 10.0), (1 / 3, 1 / 3, 1 / 3))
    )
    # By inertia and the gaps
    assert law.cdf([-0.0441, 1e-9, 1.0, 5.0]) == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])
    x = np.array([0.0, 1e-40, 1e-9, 1e-7])
    assert law.stieltjes(x) == pytest.approx(law.stieltjes(x + 1e-6j), abs=1e-5)
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.normal(size=(300, 300)))[0]
    root = np.sqrt(JacobiWeight(-0.5, 4.0, 0.0, 1.0).ppf((np.arange(300) + 0.5) / 300))
    values = np.linalg.eigvalsh(root[:, None] * ((q * np.repeat([-1, 1, 10], 100)) @ q.T) * root)
    middle = (np.arange(300) + 0.5) / 300
    assert law.cdf(values) == pytest.approx(middle, abs=0.02)
    assert law.ppf(law.cdf(values[::30])) == pytest.approx(values[::30], rel=1e-6)


def test_beside_zero_only_a_density_that_vanishes_is_a_power():
    zero = BesideZero(
        1e-6, 0.0, (-3 - 1e-9j, -1 - 4e-9j), (-0.5, -0.5), (0, 0), (0, 0), (0, 0), 0, 0
    )
    assert zero.value(np.array([-1e-6, -2.5e-7, 0.0, 2.5e-7])) == pytest.approx(
        [-3 - 1e-9j, -2.25 - 5e-10j, -2, -1.75 - 2e-9j], abs=1e-15
    )
