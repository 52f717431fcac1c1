"""Powers of 1 - phi: inverse functions of each other, refusals."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from rmtland.models.minimisers import MinimiserEnergy, exponent, linear_minimiser_energy


@given(st.floats(0.01, 0.99), st.floats(0.2, 6.0))
def test_energy_phi_rate_and_exponent_belong_together(phi, slope):
    law = MinimiserEnergy(slope)
    energy = law.energy(phi)
    assert law.phi(energy) == pytest.approx(phi, rel=1e-9)
    assert exponent(phi, energy) == pytest.approx(slope, rel=1e-9)
    step = 1e-6 * (1 - phi)
    rate = np.log(law.energy(phi + step) / law.energy(phi - step)) / (2 * step)
    assert law.rate(phi) == pytest.approx(rate, rel=1e-6)


def test_known_values():
    assert MinimiserEnergy().energy(0.0) == 0.5
    assert MinimiserEnergy().energy(1.0) == 0.0
    assert linear_minimiser_energy(2.0) == 0.0
    # a fixed first layer: slope 1, least squares of phi m n2 directions
    assert MinimiserEnergy(1.0).energy(0.25) == 0.375


@pytest.mark.parametrize(
    "call",
    [
        lambda: MinimiserEnergy(0.0),
        lambda: MinimiserEnergy().energy(1.5),
        lambda: MinimiserEnergy().phi(0.6),
        lambda: MinimiserEnergy().rate(1.0),
        lambda: exponent(1.0, 0.1),
        lambda: exponent(0.5, 0.0),
        lambda: linear_minimiser_energy(2.1),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(ValueError, match=r"must be|infinite"):
        call()
