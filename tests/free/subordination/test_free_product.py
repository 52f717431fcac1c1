"""Products of two positive laws: edges in closed form."""

import pytest

from rmtland.free import free_product
from rmtland.laws import Discrete, JacobiWeight


@pytest.mark.parametrize(("power", "mass"), [(1.5, 0.2), (2.5, 0.3006869242537645), (4.0, 0.5)])
def test_an_edge_where_the_point_of_an_operand_is_zero(power, mass):
    # Where 1/B has a mean, the band above the atom of a projection begins at mass/E[1/B], G = 0
    law = free_product(JacobiWeight(-0.5, power, 0.0, 1.0), Discrete((0.0, 1.0), (mass, 1 - mass)))
    edge = mass * power / (power + 0.5)  # of a Beta law of exponents power and -1/2
    assert law.support[0][0] == pytest.approx(edge, rel=1e-14)
    assert law.pdf(edge * (1 - 1e-5)) == 0
    assert law.pdf(edge * (1 + 1e-3)) > 0
    assert law.stieltjes(edge * (1 - 1e-5)).real > 0 > law.stieltjes(edge * (1 + 1e-5)).real
    assert law.cdf(edge) == pytest.approx(mass, abs=1e-14)
