"""Points so close above the axis that their height is rounding, where the density is, too."""

import numpy as np
import pytest

from rmtland.free import free_compression, free_power, free_product
from rmtland.laws import Arcsine, JacobiWeight

LAW = free_product(
    JacobiWeight(2.5, 0.5, 0.515439856094345, 3.6346507065850666),
    Arcsine(1.0, 1.0326670657571908),
)
"""Its density beside the upper end is below rounding, as the power 5/2 of the distance."""


def test_values_above_the_axis_go_over_into_those_on_it():
    """Operands are asked there: seeds 210262 and 350044 of the fuzz were refused."""
    x = 3.6944296797780147
    heights = np.array([0.0, 1e-19, 1e-17, 1e-13, 1e-9])
    found = LAW.solve(x + 1j * heights, throw=False)
    assert found.converged
    np.testing.assert_allclose(found.value.real, found.value.real[0], rtol=1e-8)
    assert (found.value.imag <= 0).all()
    assert (found.error < 1e-12).all()


def test_a_compression_of_it():
    law = free_compression(LAW, 0.5)
    x = np.array([0.5, 1.0, 2.0])
    np.testing.assert_allclose(law.cdf(x), law.cdf(x, method="quadrature"), atol=1e-9)


@pytest.mark.slow
def test_a_power_next_to_one_of_an_unbounded_density():
    """All of the peak is within 1e-10 of the end; the quadrature of the certificate missed it."""
    single = JacobiWeight(2.5, -0.5, -1.7830865495824284, -1.7715210545722158)
    law = free_power(single, 1.00001137)
    assert law.cdf(law.mean()) == pytest.approx(single.cdf(single.mean()), abs=1e-5)
