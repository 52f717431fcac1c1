"""Wishart + Wigner: the formulas of Pennington and Bahri, section 4.2."""

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from law_table import decades, phis, sigmas

from rmtland import Semicircle, WishartPlusWigner

quick = examples(40)


@given(phis, decades(1e-6, 1e3), sigmas)
@quick
def test_the_residual_part_is_a_semicircle_of_twice_the_energy(phi, epsilon, sigma):
    model = WishartPlusWigner(phi, epsilon, sigma)
    assert model.residual_law == Semicircle(2 * epsilon)
    assert model.residual_variance == 2 * epsilon


def test_the_cubic_of_the_paper():
    phi, epsilon = 0.5, 0.3
    z = np.array([0.3 + 0.1j, -2 + 1e-6j, 1.0, 5.0 - 2j])
    g = WishartPlusWigner(phi, epsilon).law.stieltjes(z)
    cubic = 2 * epsilon * phi * g**3 - (2 * epsilon + z * phi) * g**2 + (z + phi - 1) * g - 1
    np.testing.assert_allclose(cubic, 0, atol=1e-14)


@pytest.mark.parametrize(
    ("phi", "alpha0"),
    [(0.1, 0.1297), (0.25, 0.0748), (0.5, 0.0335), (0.75, 0.01268), (0.9, 0.00443)],
)
def test_prefactors_as_printed(phi, alpha0):
    digits = 5 if phi > 0.6 else 4
    assert round(WishartPlusWigner(phi, 1.0).index_prefactor, digits) == alpha0


@given(decades(1e-3, 0.999))
@quick
def test_the_prefactor_by_its_definition(phi):
    """alpha0 = (2/3 pi) sqrt(2/|K''|) (2 |g| eps_c)^(3/2) at the double root g < 0 of K = 0."""
    with mpmath.workdps(40):
        p, energy = mpmath.mpf(phi), mpmath.mpf(WishartPlusWigner(phi, 1.0).critical_energy)
        w = mpmath.sqrt(1 + 8 * p)
        g = mpmath.findroot(
            lambda g: p / (1 - p * g) ** 2 + 2 * energy - 1 / g**2, -(3 + w) / ((1 - p) * (1 + w))
        )
        assert abs(1 / (1 - p * g) + 2 * energy * g + 1 / g) < 1e-14 / abs(g)
        bend = 2 * p**2 / (1 - p * g) ** 3 + 2 / g**3
        root = mpmath.sqrt(2 / abs(bend)) * (2 * abs(g) * energy) ** mpmath.mpf(1.5)
        alpha0 = 2 / (3 * mpmath.pi) * root
    assert WishartPlusWigner(phi, 1.0).index_prefactor == pytest.approx(
        float(alpha0), rel=1e-12, abs=0
    )


def test_the_critical_energy_near_one():
    for gap in (1e-3, 1e-6, 1e-9):
        critical = WishartPlusWigner(1 - gap, 1.0, 2.0).critical_energy
        assert critical == pytest.approx(4 * 2 / 27 * gap**3, rel=gap + 1e-6, abs=0)


def test_little_energy_splits_the_null_space_in_half():
    """phi > 1: the null space 1 - 1/phi becomes a small semicircle about 0, half of it below."""
    for phi in (1.5, 3.0, 1e3):
        index = WishartPlusWigner(phi, 1e-6, 2.0).index()
        assert index == pytest.approx((1 - 1 / phi) / 2, rel=0.01, abs=0)


def test_much_energy_leaves_half_below_zero():
    assert WishartPlusWigner(0.5, 1e3, 0.01).index() == pytest.approx(0.5, abs=1e-3)
    assert WishartPlusWigner(0.5, 1e3, 0.01).index() < 0.5
