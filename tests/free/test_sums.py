"""free_sum."""

import pickle

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from law_table import LAWS, phis, sigmas, triplets

from rmtland import (
    Discrete,
    EmpiricalLaw,
    Law,
    MarchenkoPastur,
    SampleCovariance,
    Semicircle,
    Uniform,
    affine,
    free_power,
    free_product,
    free_sum,
)
from rmtland.free import FreeLevy, FreeProduct

quick = examples(40)


def test_semicircles_add_up_to_a_semicircle():
    total = free_sum(Semicircle(0.5, center=1.0), Semicircle(1.5, center=-3.0), Semicircle(0.25))
    assert total == Semicircle(2.25, center=-2.0)


@pytest.mark.parametrize("case", LAWS, ids=lambda case: case.name)
def test_a_single_law_is_returned_as_it_is(case):
    assert free_sum(case.law) is case.law


def test_the_free_sum_of_wigner_and_wishart():
    total = free_sum(MarchenkoPastur(0.5, 0.8), Semicircle(0.6, center=0.3))
    assert isinstance(total, FreeLevy)
    g = np.array([0.1, -0.7, 0.2 + 1j])
    expected = 0.8 / (1 - 0.4 * g) + 0.3 + 0.6 * g
    np.testing.assert_allclose(total.r_transform(g), expected, rtol=1e-15)
    assert total.mean() == pytest.approx(1.1, rel=1e-15, abs=0)
    assert total.var() == pytest.approx(0.32 + 0.6, rel=1e-15, abs=0)


@given(triplets(), triplets(), phis, sigmas)
@quick
def test_commutative_and_associative(a, b, phi, sigma):
    """Cumulants add up; in any order and grouping the sum is the same law."""
    x, y, z = FreeLevy(a), FreeLevy(b), MarchenkoPastur(phi, sigma)
    orders = [
        free_sum(x, y, z),
        free_sum(z, y, x),
        free_sum(free_sum(x, y), z),
        free_sum(x, free_sum(y, z)),
    ]
    added = x.free_cumulants(5) + y.free_cumulants(5) + z.free_cumulants(5)
    size = np.abs(np.ravel(orders[0].support)).max()
    for law in orders:
        np.testing.assert_allclose(law.free_cumulants(5), added, rtol=1e-12, atol=1e-300)
        assert law.levy.jumps == orders[0].levy.jumps
        np.testing.assert_allclose(law.levy.rates, orders[0].levy.rates, rtol=1e-15)
        assert law.support[0][0] == pytest.approx(orders[0].support[0][0], abs=1e-12 * size)
        assert law.support[-1][1] == pytest.approx(orders[0].support[-1][1], abs=1e-12 * size)


def test_independent_copies_of_marchenko_pastur_add_up_to_marchenko_pastur():
    """Free Poisson semigroup: k copies of rate 1/phi make rate k/phi."""
    phi, s = 0.9, 1.3
    total = free_sum(*[MarchenkoPastur(phi, s)] * 3)
    closed = MarchenkoPastur(phi / 3, 3 * s)
    assert np.ravel(total.support) == pytest.approx(np.ravel(closed.support), rel=1e-13, abs=0)
    x = np.linspace(1.5, 8, 20)
    np.testing.assert_allclose(total.pdf(x), closed.pdf(x), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(total.cdf(x), closed.cdf(x), atol=1e-14)


def test_adding_a_wide_semicircle_of_no_variance_to_speak_of_changes_nothing():
    law = MarchenkoPastur(0.5, 0.8)
    near = free_sum(law, Semicircle(1e-20))
    x = np.linspace(0.15, 2.2, 15)
    np.testing.assert_allclose(near.pdf(x), law.pdf(x), rtol=1e-12)


_TINY = Uniform(1.0, 1.0 + 1e-12)
_PAIR = Discrete((0.0, 1.0), (0.5, 0.5))
_LOW = Uniform(0.0, 1e-3)


@pytest.mark.parametrize(
    ("whole", "other", "shift"),
    [
        (free_sum(_TINY, MarchenkoPastur(0.5)), MarchenkoPastur(0.5), 1.0),
        (free_sum(Discrete((1e6, 1e6 + 1), (0.5, 0.5)), _LOW), free_sum(_PAIR, _LOW), 1e6),
        (free_sum(_LOW, Semicircle(1.0, 1e7)), free_sum(_LOW, Semicircle()), 1e7),
        (free_power(Uniform(1e7, 1e7 + 1), 2.5), free_power(Uniform(), 2.5), 2.5e7),
    ],
)
def test_narrow_laws_and_laws_far_from_zero(whole, other, shift):
    """They were refused, or had the digits that are left so far from zero."""
    ends = np.array(other.support)
    np.testing.assert_allclose(np.array(whole.support) - shift, ends, atol=5e-16 * shift + 3e-12)
    x = np.unique(shift + ends[:, :1] + np.ptp(ends, axis=1)[:, None] * [0.1, 0.4, 0.8])
    np.testing.assert_allclose(whole.pdf(x), other.pdf(x - shift), rtol=1e-10)
    np.testing.assert_allclose(whole.cdf(x), other.cdf(x - shift), rtol=1e-10)


def test_something_must_be_added():
    with pytest.raises(ValueError, match="at least one law"):
        free_sum()


@pytest.mark.parametrize("wrong", [1.0, None, "semicircle", Semicircle, [Semicircle()]])
def test_what_is_not_a_law_is_refused(wrong):
    with pytest.raises(TypeError, match="takes laws"):
        free_sum(Semicircle(), wrong)
    with pytest.raises(TypeError, match="takes laws"):
        free_sum(wrong)


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ([Uniform(), Semicircle()], TypeError, "takes laws one by one, not in a list"),
        (np.array([Uniform(), 2.0], dtype=object), TypeError, "takes laws one by one"),
        (np.array(3.0), TypeError, r"one row of real numbers; got an array of shape \(\)"),
        (np.eye(2), TypeError, r"one row of real numbers; got an array of shape \(2, 2\)"),
        ([[1.0], [1.0, 2.0]], ValueError, "eigenvalues must have rows of equal lengths; got"),
    ],
)
def test_what_is_no_row_of_eigenvalues_is_refused(wrong, kind, message):
    with pytest.raises(kind, match=message):
        free_sum(wrong, Semicircle())


def test_laws_without_a_rational_r_transform_are_refused_by_the_rational_route():
    # As the arcsine law, the free sum of two signs. It is refused before any method is called.
    other = type("Arcsine", (Law,), dict.fromkeys(Law.__abstractmethods__))()
    with pytest.raises(ValueError, match="rational R-transform"):
        free_sum(Semicircle(), other, method="rational")


@pytest.mark.parametrize("scale", [1e100, 1e-100])
def test_sums_in_any_unit(scale):
    """Differences of size 1e100 were multiplied, and overflowed with a warning."""
    one = free_sum(Uniform(0.0, 1.0), Uniform(0.0, 1.0)).support[0]
    other = free_sum(Uniform(0.0, scale), Uniform(0.0, scale)).support[0]
    np.testing.assert_allclose(np.array(other) / scale, one, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_eigenvalues_that_are_zero_within_rounding_are_zeros(dtype):
    """Rounding on both sides of zero made products signed, and then two of them refused."""
    x = np.random.default_rng(0).normal(size=(9, 3)).astype(dtype)
    measured = np.linalg.eigvalsh(x @ x.T)
    assert measured.dtype == dtype
    assert 0 < (measured < 0).sum() < 6
    exact = pickle.loads(pickle.dumps(affine(EmpiricalLaw(measured), scale=2.0)))
    for law in (
        free_product(measured, Uniform(1.0, 2.0)),
        free_product(exact, Uniform(1.0, 2.0)),
        free_product(measured, measured),
        SampleCovariance(measured, 0.5).law,
    ):
        assert isinstance(law, FreeProduct)
        assert max(part.mass_below(1e-9) for part in law.operands) == pytest.approx(2 / 3)
        assert min(part.hull[0] for part in law.operands) == 0.0
    assert free_sum(measured).atoms[0] == (0.0, pytest.approx(2 / 3))
