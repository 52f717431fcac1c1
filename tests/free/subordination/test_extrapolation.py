"""Values where the equation is lost in rounding, against laws known in closed form."""

import math

import numpy as np
import pytest

from rmtland.free import free_product, free_sum
from rmtland.free.subordination.extrapolation import between, power_beside_end
from rmtland.laws import (
    Arcsine,
    Discrete,
    KestenMcKay,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    affine,
)

LAWS = [Semicircle(1.3, 0.4), Arcsine(-1.0, 2.0), MarchenkoPastur(1.0), Uniform(0.0, 1.0)]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("share", [1e-12, 1e-10, 3e-9])
def test_beside_an_end_the_power_is_found(law, side, share):
    (band,) = law.support
    width = band[1] - band[0]
    x = band[side] + (1 - 2 * side) * share * width

    def solved(at):
        distance = np.minimum(at - band[0], band[1] - at)
        return law.stieltjes(at), law.cdf(at), distance >= 0.99e-8 * width

    end = power_beside_end(solved, band, (0.0, 1.0), upper=bool(side))
    found = end.at(share * width)
    # The distance itself is rounded at an end other than zero.
    rounding = 2e-3 + 4 * np.spacing(abs(band[side])) / (share * width)
    assert -found.value.imag / np.pi == pytest.approx(law.pdf(x), rel=rounding)
    grown, known = abs(found.below - side), abs(law.cdf(x) - side)
    assert grown == pytest.approx(known, rel=2 * rounding, abs=3e-16)


def test_nothing_is_returned_where_solved_points_are_far():
    law = Semicircle()

    def solved(at):
        return law.stieltjes(at), law.cdf(at), np.abs(at) < 1.9

    assert power_beside_end(solved, (-2.0, 2.0), (0.0, 1.0), upper=False) is None
    assert between(solved, 1.95, (-2.0, 2.0)) is None


def test_between_solved_points():
    law = Semicircle()

    def solved(at):
        return law.stieltjes(at), law.cdf(at), np.abs(at - 0.3) >= 1e-9

    found = between(solved, 0.3, (-2.0, 2.0))
    assert found.value == pytest.approx(law.stieltjes(0.3), rel=1e-8)
    assert found.below == pytest.approx(law.cdf(0.3), abs=1e-14)


@pytest.mark.slow
def test_exactly_at_a_cusp():
    # w + G(w) = x, G the transform of two signs: at 0 the density is zero, not lost.
    law = free_sum(Discrete((-1.0, 1.0), (0.5, 0.5)), Semicircle(1.0))
    assert law.pdf(0.0) == 0
    assert law.cdf(0.0) == pytest.approx(0.5, abs=1e-14)
    assert law.stieltjes(0.0) == pytest.approx(0, abs=1e-3)
    assert law.solve(0.0).error == np.inf
    assert law.ppf(0.5) == pytest.approx(0, abs=1e-9)
    assert law.log_potential(0.0).imag == pytest.approx(np.pi / 2, abs=1e-12)


POINTS = Discrete((1.0, 2.0, 3.0), (0.1, 0.2, 0.7))
EDGE_AT_ZERO = free_product(affine(KestenMcKay(2.5), shift=2 * math.sqrt(1.5)), POINTS)


@pytest.mark.parametrize("x", [5e-324, 1e-310, 1e-200, 1e-50, 1e-18])
def test_a_regular_edge_at_zero_at_any_distance(x):
    """Refused below 1e-40, and 4 % off at 1e-16: an exponent of 1/2 is known, however far down."""
    assert EDGE_AT_ZERO.support[0][0] == 0.0
    known = EDGE_AT_ZERO.pdf(1e-9) * math.sqrt(x / 1e-9)
    assert EDGE_AT_ZERO.pdf(x) == pytest.approx(known, rel=1e-5)


def test_the_stated_error_covers_what_rounding_of_an_operand_does():
    """Beside the edge z G moves faster than G: 4e-9 was stated as 2e-13."""
    x = np.geomspace(1e-15, 1e-9, 13)
    found = EDGE_AT_ZERO.solve(x)
    known = EDGE_AT_ZERO.solve(1e-6).value.imag * np.sqrt(x / 1e-6)
    assert (np.abs(found.value.imag - known) <= found.error + 1e-5 * np.abs(known)).all()
    assert EDGE_AT_ZERO.solve(1e-9).error < 1e-4 * abs(known[-1])
