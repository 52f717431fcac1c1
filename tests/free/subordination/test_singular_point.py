"""Laws closer to a point of infinite density than their equations keep digits."""

import numpy as np
import pytest
from scipy.integrate import quad

from rmtland import (
    Discrete,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    Wachter,
    free_power,
    free_product,
    free_sum,
)
from rmtland.solution import ConvergenceError

HALF = Discrete((0.0, 1.0), (0.5, 0.5))
TINY = np.array([1e-12, 1e-15, 1e-17, 1e-20, 1e-30, 1e-41, 1e-80, 1e-200, 1e-300])


@pytest.mark.parametrize("direction", [1, -1, 1j, 1 + 1e-3j, -1 + 1e-3j, -1 + 1e-20j])
def test_two_free_projections_are_arcsine_however_close_to_an_end(direction):
    law = free_sum(HALF, HALF)
    z = TINY * direction
    g = law.stieltjes(z)
    # 1 / sqrt(z (z - 2)): below zero negative, above zero with a negative imaginary part.
    exact = -1j * (z + 0j) ** -0.5 / np.sqrt(2 - z)
    assert np.abs(g / exact - 1).max() < 2e-7
    assert (g.imag <= 0).all()
    assert law.pdf(1.0) == pytest.approx(1 / np.pi, rel=1e-7)


@pytest.mark.parametrize("x", [5e-324, 1e-322, 1e-313, 1e-309])
def test_a_subnormal_distance_is_one_as_any(x):
    """The error's quotient overflowed there, and no exponent times infinity is NaN: refused."""
    assert free_sum(HALF, HALF).pdf(x) * np.sqrt(2 * x) == pytest.approx(1 / np.pi, rel=2e-7)
    law = free_power(Wachter(aspect_ratio=2.0, other_ratio=7.6568343578555895), 2.0)
    wanted = law.pdf(1e-300) * np.sqrt(1e-300)
    assert law.pdf(x) * np.sqrt(x) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("place", [0.0, 1.0, 2.0])
def test_straight_above_every_sum_of_atoms(place):
    z = place + 1j * TINY
    exact = 1 / (np.sqrt(1j * TINY + place) * np.sqrt(1j * TINY + (place - 2)))
    found = free_sum(HALF, HALF).solve(z)
    assert (np.abs(found.value - exact) <= found.error)[2:].all()
    assert np.abs(found.value / exact - 1).max() < (2e-7 if place < 2 else 1e-5)


def test_sums_whose_atoms_just_cancel():
    operand = Wachter(2.0, 0.4779)
    law = free_sum(operand, operand)
    ((low, high),) = operand.support
    inverse = quad(lambda t: operand.pdf(t) / t, low, high, epsabs=0, epsrel=1e-10, limit=200)[0]
    # z = -(m_1 b_1 + m_2 b_2) F^2 with masses 1/2 and b = integral of rho(t)/t: G = 1/F.
    x = TINY[1:]
    assert law.pdf(x) * np.sqrt(x) == pytest.approx(np.sqrt(inverse) / np.pi, rel=1e-6)
    assert law.stieltjes(-x) * np.sqrt(x) == pytest.approx(-np.sqrt(inverse), rel=1e-6)
    assert law.cdf(x) / np.sqrt(x) == pytest.approx(2 * np.sqrt(inverse) / np.pi, rel=1e-6)
    found = law.solve(-1e-41)
    assert abs(found.value + np.sqrt(inverse) * 1e41**0.5) <= found.error
    # The potential on the way to zero is that at zero.
    level = law.log_potential(1e-18j)
    assert law.log_potential(1j * TINY[4:]) == pytest.approx(level, abs=1e-7)


def test_that_sum_as_an_operand():
    operand = Wachter(2.0, 0.4779)
    law = free_product(free_sum(operand, operand), Semicircle())
    assert law.cdf(0.3) - 0.5 == pytest.approx(0.5 - law.cdf(-0.3), abs=1e-10)
    assert law.stieltjes(1e-40j) / law.stieltjes(1e-20j) == pytest.approx(1e10, rel=1e-6)


def test_products_below_zero_and_above_the_axis():
    law = free_product(MarchenkoPastur(1.0), MarchenkoPastur(1.0))
    x = TINY[3:]
    # z = (1 + m)^3/m with m = z G - 1: z G = (-z)^(1/3), to first order.
    assert law.stieltjes(-x) * x ** (2 / 3) == pytest.approx(-1, rel=1e-6)
    above = law.stieltjes(1j * x)
    assert above == pytest.approx(-((-1j * x) ** (-2 / 3)), rel=1e-6)


def test_a_logarithm_is_no_power():
    law = free_product(Uniform(0.0, 1.0), Uniform(0.0, 1.0))
    for point in (-1e-80, 1e-80j):
        with pytest.raises(ConvergenceError, match="did not converge"):
            law.stieltjes(point)
    # in the band the logarithms are followed: the equation's root at 120 digits
    right = -32038.100213402657 - 1118.5629187151521j
    assert law.stieltjes(1e-80) == pytest.approx(right, rel=1e-12)
    assert 0 < law.cdf(1e-80) < 1e-60


def test_the_distribution_function_a_few_ulps_from_an_end_of_infinite_density():
    """The potential has lost its digits there; the mass is the integral of the power."""
    law = free_power(Discrete((0.0, 1.0, 3.0), (0.2, 0.5, 0.3)), 2.0)
    (_, end), level = law.support[0], 0.4
    assert end == 2
    x = end - np.array([1e-11, 1e-13, 8.9e-16, 4.5e-16, 2.3e-16])
    mass = 2 * law.pdf(x) * (end - x)
    assert level - law.cdf(x) == pytest.approx(mass, rel=1e-6)
