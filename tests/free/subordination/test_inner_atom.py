"""Atoms inside bands, as powers and sums inherit them from signed products."""

from fractions import Fraction

import numpy as np
import pytest

from rmtland.free import free_compression, free_power, free_product, free_sum
from rmtland.free.subordination.inner_atom import InnerAtom
from rmtland.laws import Discrete, KestenMcKay, Semicircle, mixture
from rmtland.laws.first_check import unchecked

STEPS = Discrete((0.0, 1.0, 2.0), (0.25, 0.5, 0.25))
SIGNED = free_product(KestenMcKay(1.1134082403081265), STEPS)
PROJECTED = free_product(Semicircle(), Discrete((0.0, 1.0), (0.25, 0.75)))


@pytest.mark.parametrize("lost", [0.1, pytest.param(1.717637e-10, marks=pytest.mark.slow)])
def test_a_compression_keeps_what_is_left_of_the_atom(lost):
    """Refused before: the equation has no solution at the atom (seed 4036 of the fuzz)."""
    law = free_compression(SIGNED, 1 - lost)
    mass = 1 - 0.75 / (1 - lost)
    assert law.atoms == ((0.0, pytest.approx(mass, rel=1e-13)),)
    x = np.array([-1e-3, -1e-9, -1e-300, 0.0, 1e-300, 1e-9, 1e-3])
    below, density = law.cdf(x), law.pdf(x)
    assert below[3] - law.mass_below(0.0) == pytest.approx(mass, rel=1e-12)
    np.testing.assert_allclose(below + below[::-1], 1 + mass * (x == 0), atol=1e-12)
    np.testing.assert_allclose(density, density[3], rtol=1e-4)
    np.testing.assert_allclose(
        np.diff(below[3:]), density[3] * np.diff(x[3:]), rtol=1e-4, atol=1e-13
    )
    value, height = law.solve(np.array([1e-6j, 1e-5j])), np.array([1e-6, 1e-5])
    expected = -mass / height - np.pi * density[3]
    np.testing.assert_allclose(value.value.imag, expected, rtol=0, atol=1e-4)
    assert np.isfinite(value.error).all()


def test_the_power_inherits_it_too():
    law = free_power(PROJECTED, 1.05)
    assert law.atoms[0][1] == pytest.approx(1 - 1.05 * 0.75)
    assert law.ppf(0.5) == 0.0
    assert np.isinf(law.stieltjes(0.0))
    assert law.log_potential(0.0).real == -np.inf
    assert law.log_potential(0.0).imag == pytest.approx(np.pi * (1 - law.cdf(0.0)))


@pytest.mark.slow
def test_a_sum_has_it_at_the_sum_of_the_places():
    """Against the mass, the mean and the variance by the general certificate, and by symmetry."""
    law = free_sum(PROJECTED, Discrete((0.5, 1.5), (0.95, 0.05)))
    ((place, mass),) = law.atoms
    assert (place, mass) == (0.5, pytest.approx(0.2))
    assert law.cdf(0.5) - law.mass_below(0.5) == pytest.approx(0.2, abs=1e-12)
    shifted = free_sum(PROJECTED, Discrete((-1.5, -0.5), (0.05, 0.95)))
    x = np.linspace(-1.0, 1.0, 9)
    np.testing.assert_allclose(law.pdf(x), shifted.pdf(-x), rtol=1e-9)


def test_what_is_rough_beside_the_atom_is_not_known():
    law = free_power(PROJECTED, 1.1)

    class Rough:
        """Tables of which every other point is off."""

        def __init__(self, tables):
            self.solver, self._tables = tables.solver, tables

        def solve(self, x):
            moved = x * (1 + 1e-3 * (np.arange(x.size) % 2))
            return self._tables.solve(moved)

    with unchecked(law):
        good = InnerAtom.of(law._bands, 0.0, law.atoms[0][1], 1.0)
        rough = InnerAtom.of(Rough(law._bands), 0.0, law.atoms[0][1], 1.0)
    assert good.spread < 1e-8
    assert np.isnan(rough.density) or rough.spread == np.inf
    assert np.isnan(rough.below(np.array([0.0]))).all()


@pytest.mark.parametrize("left", [0.1, 4e-4, 1e-6, 1e-9])
def test_light_atoms_have_a_high_density_beside_them(left):
    """Refused: it changes over a distance like the square of the mass.

    To second order about zero: q t m / (left pi sqrt(v)) for an atom m beside q of a semicircle.
    """
    m, q, v = 0.25, 0.75, 2.0
    t = (1 - left) / q
    law = free_power(mixture([Discrete((0.0,), (1.0,)), Semicircle(v)], [m, q]), t)
    ((place, mass),) = law.atoms
    assert (place, mass) == (0.0, pytest.approx(float(1 - Fraction(t) * Fraction(q)), rel=1e-14))
    height = q * t * m / (mass * np.pi * np.sqrt(v))
    assert law.pdf(0.0) == pytest.approx(height, rel=1e-5)
    assert law.pdf(1e-3 * left**2) == pytest.approx(height, rel=1e-3)
    assert law.cdf(0.0) - law.mass_below(0.0) == pytest.approx(mass, rel=1e-12, abs=1e-15)
    below = law.cdf([-1.0, 1.0])
    assert below[0] + below[1] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("q", "v", "t"),
    [
        (0.8551638147261849, 17.63395024137948, 1.1693665913732076),  # off by 23, 204 in all
        pytest.param(0.75, 2.0, (1 - 1e-6) / 0.75, marks=pytest.mark.slow),
    ],
)
def test_the_stated_error_holds_the_rounding_of_the_points(q, v, t):
    """Beside an atom of 5e-9 the points keep 8 digits; the closed form is that of light atoms."""
    law = free_power(free_product(Semicircle(v / q), Discrete((0.0, 1.0), (1 - q, q))), t)
    mass = law.atoms[0][1]
    x = 1e-4 * mass**2 * np.array([-1e-3, 1e-6, 1e-3])
    with unchecked(law):
        found = law.solve(x)
    # G is m/x on the axis beside it, by symmetry, and the density
    right = mass / x - 1j * q * t * (1 - q) / (mass * np.sqrt(v))
    rounding = 1e-15 * np.abs(right)
    assert (np.abs(found.value - right) <= found.error + rounding).all()


def test_nothing_is_known_closer_than_the_spacing_of_numbers():
    """Points that are the place itself divided by zero, with a warning."""
    law = free_power(PROJECTED, 1.1)
    with unchecked(law):
        found = InnerAtom.of(law._bands, 0.5, 0.1, 1e-17)
    assert np.isnan(found.rest).all()
    assert found.spread == np.inf
