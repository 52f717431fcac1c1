"""Recurrence coefficients from exact moments."""

from fractions import Fraction

import numpy as np
import pytest

from rmtland import free_power, free_product, free_sum
from rmtland.free.deconvolution.recurrence import additive_recurrence, multiplicative_recurrence
from rmtland.laws import (
    Arcsine,
    Discrete,
    FreePoisson,
    FussCatalan,
    KestenMcKay,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    affine,
)

SIGN = Discrete((-1.0, 1.0), (0.5, 0.5))


def legendre(order):
    k = np.arange(1, order)
    return k * k / (4.0 * k * k - 1)


@pytest.mark.parametrize(
    "noise", [Semicircle(0.3), Arcsine(0.0, 1.3), FreePoisson(0.4, -1.0), SIGN, Uniform(0.0, 5.0)]
)
def test_legendre_polynomials_come_back(noise):
    found = additive_recurrence(free_sum(Uniform(-1.0, 1.0), noise), noise, 24)
    np.testing.assert_allclose(found.squares, legendre(24), rtol=1e-12)
    np.testing.assert_allclose(found.diagonal, 0, atol=1e-12)


@pytest.mark.parametrize("noise", [MarchenkoPastur(0.3, 2.0), MarchenkoPastur(4.0), FussCatalan(2)])
def test_legendre_polynomials_come_back_from_products(noise):
    found = multiplicative_recurrence(free_product(Uniform(1.0, 3.0), noise), noise, 24)
    np.testing.assert_allclose(found.squares, legendre(24), rtol=1e-12)
    np.testing.assert_allclose(found.diagonal, 2, rtol=1e-13)


def test_powers_and_affine_images_are_taken_apart():
    total = affine(free_power(Uniform(-1.0, 1.0), 2.5), scale=-2.0, shift=3.0)
    noise = affine(free_power(Uniform(-1.0, 1.0), 1.5), scale=-2.0)
    found = additive_recurrence(total, noise, 12)
    np.testing.assert_allclose(found.diagonal, 3, rtol=1e-13)
    np.testing.assert_allclose(found.squares, 4 * legendre(12), rtol=1e-12)


def test_fuss_catalan_laws_divide():
    found = multiplicative_recurrence(FussCatalan(3), FussCatalan(2), 20)
    np.testing.assert_allclose(found.diagonal, [1.0] + [2.0] * 19, rtol=1e-13)
    np.testing.assert_allclose(found.squares, 1, rtol=1e-13)


def test_coefficients_end_where_a_square_is_zero_or_negative():
    atoms = additive_recurrence(free_sum(SIGN, SIGN), SIGN, 10)
    np.testing.assert_allclose(atoms.squares, [1, 0], atol=1e-100)
    none = additive_recurrence(Semicircle(1.5), Arcsine(-2.0, 2.0), 10)
    assert none.squares.tolist() == [-0.5]


def test_the_same_from_hankel_determinants():
    total, noise = KestenMcKay(4), Arcsine(-1.5, 1.0)
    found = additive_recurrence(total, noise, 5)
    rest = [
        a - b for a, b in zip(total._exact_cumulants(9), noise._exact_cumulants(9), strict=True)
    ]
    from rmtland.laws.cumulants import moments_of

    moments = moments_of(rest)

    def determinant(n):
        rows = [[Fraction(moments[i + j]) for j in range(n)] for i in range(n)]
        value = Fraction(1)
        for k in range(n):
            value *= rows[k][k]
            for i in range(k + 1, n):
                factor = rows[i][k] / rows[k][k]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
        return value

    d = [Fraction(1), *(determinant(n) for n in range(1, 6))]
    squares = [float(d[k + 1] * d[k - 1] / d[k] ** 2) for k in range(1, len(found.squares) + 1)]
    np.testing.assert_allclose(found.squares, squares, rtol=1e-14)


def test_doubt_covers_a_rounding_of_the_parameters():
    noise = FreePoisson(0.3, 1.7)
    total = free_sum(Uniform(-1.0, 2.0), noise)
    exact = additive_recurrence(total, noise, 20)
    near = additive_recurrence(affine(total, scale=1 + 2.0**-52), noise, 20)
    reach = min(len(exact.squares), len(near.squares))
    change = np.abs(near.squares[:reach] - exact.squares[:reach])
    assert (change <= exact.squares_doubt[:reach] + 1e-15).all()
    assert change[8] > 0
