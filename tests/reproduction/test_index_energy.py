"""Index and thresholds: small-index law, networks, linear networks, what was read off."""

import numpy as np
import pytest

from rmtland import WishartPlusReluBlock, WishartPlusWigner
from rmtland.reproduction import IndexAgainstEnergy
from rmtland.reproduction.index_energy import (
    MINIMISERS,
    least_squares_energy,
    network_index,
)
from rmtland.reproduction.quantity import Quantity


def test_points_of_6b_are_mean_energies_of_index_zero_and_not_fits():
    table = np.array(MINIMISERS)
    assert table[:, 1] - table[:, 2] == pytest.approx(np.full(6, 0.003))
    off = table[:, 1] - table[:, 3]
    assert off.max() > 0.015
    assert off.min() > 0.0025


@pytest.mark.parametrize("samples", [24, 64, 512])
def test_linear_networks_are_left_with_what_phi_2n_over_m_gives(samples):
    n = 16
    energies = [least_squares_energy(samples, n=n, seed=i)["energy"] for i in range(40)]
    phi = 2 * n / samples
    error = np.std(energies, ddof=1) / np.sqrt(40)
    assert abs(np.mean(energies) - (1 - phi / 2) / 2) < 4 * error
    assert abs(np.mean(energies) - (1 - phi) / 2) > 4 * error


def test_no_model_has_the_thresholds_of_figure_6():
    for phi, measured, *_ in MINIMISERS:
        for model in (WishartPlusWigner, WishartPlusReluBlock):
            assert abs(model(phi, 1.0).critical_energy / measured - 1) > 0.3


def test_dyson_index_of_a_network_is_its_own():
    found = [network_index(0.3, n=10, phi=0.5, eta=0.02, seed=i) for i in range(4)]
    difference = np.array([one["dyson"] - one["index"] for one in found])
    assert abs(difference.mean()) < 0.015


def test_small_index_law_is_reached_by_the_law_itself():
    content = IndexAgainstEnergy.of_size("quick", phi=(0.5,), energies=(0.1, 0.5)).compute()
    for title in ("Wishart + Wigner", "Wishart + ReLU block"):
        law = content.get(title, Quantity.of("law", phi=0.5))
        small = content.get(title, Quantity.of("small index", phi=0.5))
        ratio = law.y / small.y
        assert ratio[0] == pytest.approx(1, abs=0.01)
        assert np.all(np.diff(ratio) < 0)
    assert content.number("largest difference of sampled index and law") < 0.03
    assert abs(content.number("largest index error", law="matrix Dyson")) < 0.06
