"""Products of two positive laws: edges in closed form."""

import math

import mpmath
import numpy as np
import pytest
from law_table import exact_roots

from rmtland.free import free_compression, free_product, general_marchenko_pastur
from rmtland.free.subordination.gap_points import GapPoints
from rmtland.laws import (
    Discrete,
    JacobiWeight,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    affine,
    mixture,
    truncated,
)
from rmtland.solution import ConvergenceError


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


def _vanishing(power, top=1.0):
    return JacobiWeight(-0.5, power, 0.0, top)


@pytest.mark.parametrize("unit", [1e-100, pytest.param(1e100, marks=pytest.mark.slow)])
def test_such_an_edge_of_more_factors(unit):
    # Of n factors the edge is that of the projection over the product of all E[1/B].
    half = Discrete((0.0, 1.0), (0.3, 0.7))
    first, second = _vanishing(2.5, unit), _vanishing(1.5)
    three = 0.3 * unit * 2.5 / 3.0 * 1.5 / 2.0
    assert free_product(first, second, half).support[0][0] == pytest.approx(three, rel=1e-14)
    nested = free_product(half, free_product(second, first))
    assert nested.support[0][0] == pytest.approx(three, rel=1e-14)
    sample = general_marchenko_pastur(free_product(first, half), 0.5)
    assert sample.support[0][0] == pytest.approx(0.5 * 0.3 * unit * 2.5 / 3.0, rel=1e-14)


@pytest.mark.parametrize("method", ["positive", "signed"])
def test_such_an_edge_above_a_band(method):
    # No atom at zero is needed: G of the two atoms is zero halfway.
    law = free_product(Discrete((1.0, 100.0), (0.5, 0.5)), _vanishing(4.0), method=method)
    assert law.support[1][0] == pytest.approx(50.5 * 4.0 / 4.5, rel=1e-14)


def test_such_edges_on_both_sides_of_zero():
    # Zeros of G of the signed law, of 0.3/w + 0.3/(w + 100) + 0.4/(w - 1), w^2 + 69.4 w = 30
    law = free_product(Discrete((-100.0, 0.0, 1.0), (0.3, 0.3, 0.4)), _vanishing(4.0))
    low, high = np.sort(np.roots([1.0, 69.4, -30.0])) / (4.5 / 4.0)
    assert law.support[0][1] == pytest.approx(low, rel=1e-13)
    assert law.support[1][0] == pytest.approx(high, rel=1e-13)
    assert law.cdf(0.5 * high) == pytest.approx(0.6, abs=1e-12)


@pytest.mark.parametrize("method", ["positive", "signed"])
@pytest.mark.parametrize("kept", [0.99999, 0.9999, 0.99, 0.9, 0.5])
def test_an_edge_beside_a_zero_of_g_is_critical_where_the_density_vanishes_slowly(kept, method):
    # A semicircle on [0, 4], compressed, is one of the same mean and a smaller variance.
    law = free_product(Semicircle(1.0, 2.0), Discrete((0.0, 1.0), (1 - kept, kept)), method=method)
    assert law.support[0][0] == pytest.approx(2 - 2 * math.sqrt(kept), rel=1e-11)


@pytest.mark.parametrize("method", ["positive", "signed"])
@pytest.mark.parametrize("power", [0.95, 1.0, 1.05])
def test_such_an_edge_near_the_power_one(power, method):
    # The same as a compression: E[1/B^2] is infinite or nearly so, the critical point at 1e-6.
    density = JacobiWeight(4.0, power, 0.0, 1.0)
    law = free_product(density, Discrete((0.0, 1.0), (0.1, 0.9)), method=method)
    [(low, _)] = free_compression(density, 0.9).support
    assert law.support[0][0] == pytest.approx(low, rel=1e-11)


@pytest.mark.parametrize(
    ("second", "swapped"),
    [
        (JacobiWeight(1.0, 3.0, 0.0, 1.0), False),
        (Uniform(1.0, 2.0), True),
        pytest.param(JacobiWeight(1.0, 3.0, 0.0, 1.0), True, marks=pytest.mark.slow),
        pytest.param(Uniform(1.0, 2.0), False, marks=pytest.mark.slow),
    ],
)
def test_an_edge_of_a_compressed_product(second, swapped):
    # Compressed to a share t a product of mean inverse h begins at (1 - t)/h.
    first = JacobiWeight(1.0, 1.5, 0.0, 1.0)
    inverse = 7 / 3 * (5 / 3 if isinstance(second, JacobiWeight) else math.log(2.0))
    pair = (second, first) if swapped else (first, second)
    [(low, _)] = free_compression(free_product(*pair), 0.9).support
    assert low == pytest.approx(0.1 / inverse, rel=1e-11)
    law = free_product(*pair, Discrete((0.0, 1.0), (1e-3, 0.999)))
    assert law.support[0][0] == pytest.approx(1e-3 / inverse, rel=1e-11)


@pytest.mark.parametrize("kept", [0.9, 0.3])
def test_such_an_edge_where_the_transform_is_rounded_by_its_company(kept):
    # A truncated law's transform is rounded as other points come with it: ends of gaps were lost.
    density = truncated(JacobiWeight(1.0, 1.5, 0.0, 1.0), 0.0, 0.5)
    law = free_product(density, Discrete((0.0, 1.0), (1 - kept, kept)))
    [(low, _)] = free_compression(density, kept).support
    assert law.support[0][0] == pytest.approx(low, rel=1e-11)


@pytest.mark.parametrize("kept", [0.9989, 0.99, 0.9])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_edge_of_a_compression_beside_zero(kept, sign):
    # (1 - t)/E[1/A]: mean inverses 5/3 and 7/3 of the two.
    pair = [affine(JacobiWeight(1.0, power, 0.0, 1.0), scale=sign) for power in (1.5, 3.0)]
    law = free_compression(mixture(pair, [0.5, 0.5]), kept)
    edge = law.support[0][0] if sign > 0 else -law.support[-1][1]
    assert edge == pytest.approx((1 - kept) / 2, rel=1e-12)


@pytest.mark.parametrize("kept", [0.99999, pytest.param(0.999, marks=pytest.mark.slow), 0.9])
def test_an_edge_of_a_signed_product_beside_an_atom_at_zero(kept):
    # Mean inverses -1/4 and 7/3: a gap of little more than 1 - t beside the atom.
    factors = Discrete((-1.0, 2.0), (0.5, 0.5)), JacobiWeight(1.0, 1.5, 0.0, 1.0)
    law = free_product(*factors, Discrete((0.0, 1.0), (1 - kept, kept)))
    if kept == 0.9:
        assert len(law.support) == 1
        return
    assert law.support[0][1] == pytest.approx(-(1 - kept) * 12 / 7, rel=1e-11)
    if kept == 0.999:  # seconds
        assert law.cdf(0.5 * law.support[0][1]) == pytest.approx(0.5 - (1 - kept) / 2, abs=1e-3)


@pytest.mark.parametrize("kept", [0.9999, 0.9])
def test_such_an_edge_of_positive_factors_by_the_signed_method(kept):
    factors = Uniform(1.0, 2.0), JacobiWeight(1.0, 1.5, 0.0, 1.0)
    law = free_product(*factors, Discrete((0.0, 1.0), (1 - kept, kept)), method="signed")
    assert law.support[0][0] == pytest.approx((1 - kept) * 3 / 7 / math.log(2.0), rel=1e-11)


@pytest.mark.parametrize(
    "second",
    [pytest.param(JacobiWeight(1.0, 3.0, 0.0, 1.0), marks=pytest.mark.slow), Uniform(1.0, 2.0)],
)
def test_the_signed_method_ends_at_zero_as_its_factors_do(second):
    first = JacobiWeight(1.0, 1.5, 0.0, 1.0)
    inverse = 7 / 3 * (5 / 3 if isinstance(second, JacobiWeight) else math.log(2.0))
    law = free_product(first, second, method="signed")
    assert law.support[0][0] == 0
    [(low, _)] = free_compression(law, 0.999).support
    assert low == pytest.approx(1e-3 / inverse, rel=1e-11)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_positive_factors_have_no_band_below_zero(order):
    factors = (
        JacobiWeight(1.0, 1.5, 0.0, 1.0),
        Uniform(1.0, 2.0),
        Discrete((0, 1), (1e-7, 1 - 1e-7)),
    )
    law = free_product(*(factors[i] for i in order), method="signed")
    [(low, _)] = law.support
    assert low == pytest.approx(1e-7 * 3 / 7 / math.log(2.0), rel=1e-8)


@pytest.mark.parametrize(("first", "second"), [(2.0, 1e4), (0.3, 1e5)])
def test_g_beside_an_atom_of_nearly_all_the_mass(first, second):
    """(1 + m)(1 + a m)(1 + b m) = z m; next to an atom at zero m is nearly constant."""
    law = free_product(MarchenkoPastur(first), MarchenkoPastur(second))
    z = second * np.array([-1e-1, -1e-3, 1e-16, 1e-4, 1e-3, 1e-2, 0.04, 0.055, 0.07, 0.3, 20.0])
    found = law.solve(z, throw=False)
    assert found.converged
    for x, g in zip(z, found.value, strict=True):
        series = [first * second, first * second + first + second, first + second + 1 - x, 1.0]
        with mpmath.workdps(40):
            roots = exact_roots(list(map(mpmath.mpf, series)))
            exact = min((complex((1 + m) / x) for m in roots), key=lambda each: abs(each - g))
        assert g == pytest.approx(exact, rel=1e-14)
        assert g.imag == 0
        assert abs(x) > 0.1 * second or abs(g * x - 1 + 1 / second) < 1 / second  # the atom


def test_points_of_a_gap_that_are_not_solved_do_not_hide_the_others(monkeypatch):
    law = free_product(MarchenkoPastur(0.5), MarchenkoPastur(1e4))
    monkeypatch.setattr(GapPoints, "_interpolated", lambda *args: None)
    found = law.solve([100.0, 5000.0], throw=False)
    assert np.isnan(found.value).tolist() == [True, False]
    assert np.isinf(found.error).tolist() == [True, False]
    assert not found.converged
    with pytest.raises(ConvergenceError, match="did not converge"):
        law.stieltjes(100.0)
