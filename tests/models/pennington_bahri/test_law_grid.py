"""A grid of laws gives the values and the errors of the single laws."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland import WishartPlusReluBlock, WishartPlusWigner
from rmtland.free.rational.free_levy import FreeLevy, reciprocal_by_roots
from rmtland.free.rational.many_laws import values_of_laws
from rmtland.laws import LevyTriplet

X = np.linspace(-4.0, 9.0, 41)
PHI = st.one_of(st.sampled_from([1e-3, 0.5, 1.0, 2.0, 1e3]), st.floats(1e-3, 1e3))
EPSILON = st.one_of(st.sampled_from([0.0, 1e-6, 1.0, 1e3]), st.floats(1e-6, 1e3))


@settings(max_examples=25)
@given(st.lists(st.tuples(PHI, EPSILON), min_size=1, max_size=4), st.floats(0.1, 10.0))
def test_values_are_those_of_the_single_laws(parameters, sigma):
    phi, epsilon = np.array(parameters).T
    grid = WishartPlusWigner.grid(phi, epsilon, sigma=sigma)
    density, below, index = grid.pdf(X), grid.cdf(X), grid.index()
    for i, (p, e) in enumerate(parameters):
        law = WishartPlusWigner(p, e, sigma).law
        np.testing.assert_array_equal(density[i], law.pdf(X))
        np.testing.assert_array_equal(below[i], law.cdf(X))
        assert index[i] == law.index()


def test_many_laws_are_shared_out_between_threads():
    phi, epsilon = np.geomspace(0.02, 50, 20)[:, None], np.geomspace(1e-3, 1e2, 10)
    grid = WishartPlusWigner.grid(phi, epsilon)
    density = grid.pdf(X)
    assert density.shape == (20, 10, 41)
    for i, j in ((0, 0), (3, 9), (19, 0), (19, 9), (10, 5)):
        law = WishartPlusWigner(phi[i, 0], epsilon[j]).law
        np.testing.assert_array_equal(density[i, j], law.pdf(X))


def test_against_roots_of_the_cubic():
    variances, rates, jumps = np.array([0.6, 0.02]), np.array([2.0, 0.5]), np.array([0.5, 2.0])
    values, sound = values_of_laws(0, X, variances, rates, jumps)
    assert sound.all()
    for i in range(2):
        law = FreeLevy(LevyTriplet(0.0, variances[i], (rates[i],), (jumps[i],)))
        h = reciprocal_by_roots(law, X)
        roots = np.where(np.isnan(h), 0.0, -(1 / np.where(np.isnan(h), 1.0, h)).imag / np.pi)
        np.testing.assert_allclose(values[i], roots, atol=1e-12)


def test_no_energy_and_relu_blocks_go_law_by_law():
    density = WishartPlusWigner.grid(2.0, [0.0, 0.5]).pdf(X)
    np.testing.assert_array_equal(density[0], WishartPlusWigner(2.0, 0.0).law.pdf(X))
    grid = WishartPlusReluBlock.grid([0.5, 4.0], 0.3)
    assert grid.index().tolist() == [
        WishartPlusReluBlock(0.5, 0.3).index(),
        WishartPlusReluBlock(4.0, 0.3).index(),
    ]


def test_shapes_and_repr():
    grid = WishartPlusWigner.grid(np.full((3, 1), 0.5), [0.1, 0.2])
    assert grid.shape == (3, 2)
    assert grid.pdf(0.5).shape == (3, 2)
    assert grid.cdf(np.zeros((2, 5))).shape == (3, 2, 2, 5)
    assert repr(grid) == "LawGrid(shape=(3, 2), phi=0.5..0.5, epsilon=0.1..0.2)"
    assert WishartPlusWigner.grid(np.empty(0), 0.1).pdf(X).shape == (0, 41)
    assert repr(WishartPlusWigner.grid(np.empty(0), 0.1)) == "LawGrid(shape=(0,))"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([0.5, -1.0], 0.1), "phi must be positive and finite; got -1.0"),
        (([0.5, np.inf], 0.1), "phi must be positive and finite; got inf"),
        ((0.5, [-0.1]), "epsilon must be zero or positive and finite; got -0.1"),
        (([0.5, np.nan], 0.1), "phi holds 1 NaN of 2 values"),
        (([0.5, 0.6], [0.1, 0.2, 0.3]), "must broadcast; got shapes phi"),
    ],
)
def test_bad_parameters_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        WishartPlusWigner.grid(*arguments)


def test_errors_of_a_law_are_those_of_the_single_law():
    with pytest.raises(ValueError, match="120 orders of magnitude"):
        WishartPlusWigner.grid([0.5, 1e-300], 1.0).pdf(X)
    with pytest.raises(ValueError, match="NaN"):
        WishartPlusWigner.grid(0.5, 0.1).pdf([np.nan])
