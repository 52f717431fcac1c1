"""Wishart + ReLU block: the formulas of Pennington and Bahri, section 4.3."""

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from law_table import decades, phis, sigmas

from rmtland import WishartPlusReluBlock

quick = examples(40)


@given(phis, decades(1e-6, 1e3), sigmas)
@quick
def test_the_r_transform_of_the_paper(phi, epsilon, sigma):
    model = WishartPlusReluBlock(phi, epsilon, sigma)
    g = 0.3 / (phi * max(sigma, epsilon**0.5)) * np.array([1, -0.7, 1j, 0.5 - 0.5j])
    residual = epsilon * phi * g / (2 - epsilon * phi**2 * g**2)
    # The terms of the two opposite jumps, of modulus sqrt(epsilon/8) each, cancel for small g.
    np.testing.assert_allclose(
        model.residual_law.r_transform(g), residual, rtol=1e-14, atol=1e-15 * epsilon**0.5
    )
    total = sigma / (1 - sigma * phi * g) + residual
    np.testing.assert_allclose(model.law.r_transform(g), total, rtol=1e-12)
    assert model.residual_variance == pytest.approx(epsilon * phi / 2, rel=1e-15, abs=0)
    assert model.residual_law.levy.jumps == pytest.approx(
        [-phi * (epsilon / 2) ** 0.5, phi * (epsilon / 2) ** 0.5], rel=1e-15, abs=0
    )


def test_the_quartic_of_the_paper():
    phi, epsilon, s = 0.5, 0.3, 0.7
    z = np.array([0.3 + 0.1j, -2 + 1e-6j, 0.5, 5.0 - 2j])
    g = WishartPlusReluBlock(phi, epsilon, s).law.stieltjes(z)
    quartic = (
        epsilon * s * phi**3 * z * g**4
        - epsilon * phi**2 * (z + s * (phi - 2)) * g**3
        - phi * (2 * s * z + epsilon * (1 - phi)) * g**2
        + 2 * (z - s * (1 - phi)) * g
        - 2
    )
    np.testing.assert_allclose(quartic, 0, atol=1e-14)


@given(decades(1e-3, 0.99))
@quick
def test_the_prefactor_by_its_definition(phi):
    """alpha0 = (2/3 pi) sqrt(2/|K''|) |eps dK/d eps|^(3/2) at the double root g < 0 of K = 0."""
    with mpmath.workdps(40):
        p, energy = mpmath.mpf(phi), mpmath.mpf(WishartPlusReluBlock(phi, 1.0).critical_energy)

        def k(g):
            residual = energy * p * g / (2 - energy * p**2 * g**2)
            return 1 / (1 - p * g) + residual + 1 / g

        w = mpmath.sqrt(1 + 16 * p - 8 * p**2)
        start = -(3 + w) / ((1 - p) * (1 + w))
        g = mpmath.findroot(lambda g: mpmath.diff(k, g), start)
        assert abs(k(g)) < 1e-13 / abs(g)
        shift = energy * mpmath.diff(lambda e: e * p * g / (2 - e * p**2 * g**2), energy)
        bend = abs(mpmath.diff(k, g, 2))
        alpha0 = 2 / (3 * mpmath.pi) * mpmath.sqrt(2 / bend) * abs(shift) ** mpmath.mpf(1.5)
    assert WishartPlusReluBlock(phi, 1.0).index_prefactor == pytest.approx(
        float(alpha0), rel=1e-9, abs=0
    )


@given(decades(1e-6, 1e3), sigmas)
@quick
def test_at_phi_two_a_quarter_is_negative_whatever_the_scale(epsilon, sigma):
    model = WishartPlusReluBlock(2.0, epsilon, sigma)
    assert model.index() == pytest.approx(0.25, abs=1e-15)
    assert model.law.atoms == ()
    assert np.isinf(model.law.pdf(0.0))


@given(st.floats(2.001, 1e3), decades(1e-6, 1e3), sigmas)
@quick
def test_beyond_phi_two_there_is_an_atom_at_zero(phi, epsilon, sigma):
    model = WishartPlusReluBlock(phi, epsilon, sigma)
    ((place, mass),) = model.law.atoms
    assert place == 0
    assert mass == pytest.approx(1 - 2 / phi, abs=1e-15)
    # A quarter of the rest: rank 1/(2 phi) of the block is negative and the Wishart part leaves it.
    assert model.index() == pytest.approx(1 / (2 * phi), abs=1e-15)
    assert model.law.cdf(0.0) == pytest.approx(1 / (2 * phi) + mass, abs=1e-15)


@given(st.floats(1.0, 2.0, exclude_max=True), decades(1e-3, 1e2), sigmas)
@quick
def test_up_to_phi_two_there_is_none(phi, epsilon, sigma):
    assert WishartPlusReluBlock(phi, epsilon, sigma).law.atoms == ()


@pytest.mark.parametrize("phi", [0.6, 1.0, 1.7, 5.0])
def test_the_residual_part_is_symmetric(phi):
    law = WishartPlusReluBlock(phi, 0.4).residual_law
    x = np.array([0.05, 0.1, 0.3, 0.6])
    np.testing.assert_allclose(law.pdf(-x), law.pdf(x), rtol=1e-12)
    np.testing.assert_allclose(law.cdf(-x), 1 - law.cdf(x), atol=1e-14)
    atoms = [1 - 1 / phi] if phi > 1 else []
    assert [mass for _, mass in law.atoms] == pytest.approx(atoms, abs=1e-15)
