"""A grid of laws gives the values and the errors of the single laws."""

import copy
import functools
import pickle
import tracemalloc

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland import MarchenkoPastur, Semicircle, WishartPlusReluBlock, WishartPlusWigner
from rmtland.free.rational.arcs import Arcs
from rmtland.free.rational.band_masses import agrees, pieces_of_bands
from rmtland.free.rational.edges import arc_constants
from rmtland.free.rational.free_levy import FreeLevy, reciprocal_by_roots
from rmtland.free.rational.many_laws import Triplets, values_of_laws
from rmtland.laws import LevyTriplet, law_grid
from rmtland.laws.band_rules import piece_rule

SIGMA = st.floats(0.1, 10.0)
X = np.linspace(-4.0, 9.0, 41)
PHI = st.one_of(st.sampled_from([1e-3, 0.5, 1.0, 2.0, 1e3]), st.floats(1e-3, 1e3))
EPSILON = st.one_of(st.sampled_from([0.0, 1e-6, 1.0, 1e3]), st.floats(1e-6, 1e3))


@pytest.mark.parametrize("model", [WishartPlusWigner, WishartPlusReluBlock])
@examples(12)
@given(parameters=st.lists(st.tuples(PHI, EPSILON), min_size=1, max_size=4), sigma=SIGMA)
def test_values_are_those_of_the_single_laws(model, parameters, sigma):
    phi, epsilon = np.array(parameters).T
    grid = model.grid(phi, epsilon, sigma=sigma)
    density, below, index = grid.pdf(X), grid.cdf(X), grid.index()
    for i, (p, e) in enumerate(parameters):
        law = model(p, e, sigma).law
        np.testing.assert_array_equal(density[i], law.pdf(X))
        np.testing.assert_array_equal(below[i], law.cdf(X))
        assert index[i] == law.index()


@examples(25)
@given(st.lists(PHI, min_size=1, max_size=4), SIGMA)
def test_marchenko_pastur_laws_are_those_of_the_single_laws(phi, s):
    grid = MarchenkoPastur.grid(phi, scale=s)
    x = np.concatenate([X, np.ravel([MarchenkoPastur(p, s).support for p in phi])])
    for name in ("pdf", "cdf"):
        expected = [getattr(MarchenkoPastur(p, s), name)(x) for p in phi]
        np.testing.assert_array_equal(getattr(grid, name)(x), expected)
    np.testing.assert_array_equal(grid.index(), 0.0)


@pytest.mark.parametrize("epsilon", [1e-3, 0.3, 2.0, 50.0])
def test_relu_blocks_that_are_not_left_to_the_single_law(epsilon):
    phi = np.array([0.05, 0.5, 1.0, 1.9, 2.1, 4.0])
    known = WishartPlusReluBlock._many(1, X, phi, np.full(6, epsilon), np.ones(6))[1]
    # Equal jumps are merged by the single law.
    assert known.sum() >= (0 if epsilon == 2.0 else 4)
    equal = WishartPlusReluBlock._many(0, X, phi, np.full(6, 2.0), np.ones(6))[1]
    assert not equal.any()


def test_blocks_with_a_gap_that_has_nearly_opened_are_not_left_to_the_single_law():
    phi, epsilon = (
        a.ravel() for a in np.meshgrid([1.25, 1.5, 1.8, 1.97], np.geomspace(1e-3, 5, 9))
    )
    values, known = WishartPlusReluBlock._many(1, X, phi, epsilon, np.ones(phi.size))
    assert known.mean() > 0.85  # 0.36 by the certificate on whole bands
    for i in (0, 1, 14, 22):
        law = WishartPlusReluBlock(phi[i], epsilon[i]).law
        np.testing.assert_array_equal(values[i], law.cdf(X))


@pytest.mark.parametrize("spoilt", ["", "masses", "mean", "variance", "poles", "atom"])
def test_the_certificate_on_pieces_of_bands_refuses_what_is_wrong(spoilt):
    phi, turn = 1.9, 1.9 * np.sqrt(0.05)  # epsilon = 0.1
    rates, jumps = np.array([0.5, 0.5, 1.0]) / phi, np.array([-turn, turn, phi])
    c1, c2 = 1 - 2 / phi, -1 / phi**2
    levy = (0.0, 0.0, rates, jumps)
    code, found = arc_constants(levy, c1, c2)
    arcs = Arcs(*found)
    assert code == 0
    pieces = pieces_of_bands(found, levy)
    assert pieces.size > arcs.edges.size
    assert set(arcs.edges) < set(pieces)
    assert np.all(np.diff(pieces) >= 0)
    mean, variance = rates @ jumps, rates @ jumps**2
    moments = (mean + 1e-6 * (spoilt == "mean"), variance * (1 + 1e-6 * (spoilt == "variance")))
    if spoilt == "masses":
        arcs = arcs._replace(masses=arcs.masses + 1e-7 * np.arange(arcs.masses.size))
    if spoilt == "poles":
        arcs = arcs._replace(kappas=arcs.kappas * (1 + 1e-6))
    atom = 1e-6 if spoilt == "atom" else 0.0
    passed = agrees(
        pieces, 0.0, atom, piece_rule(), moments, 1e-8, tuple(arcs), (c1, c2, 0.0), levy
    )
    assert passed == (spoilt == "")


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
    values, sound = values_of_laws(0, X, Triplets.of_one_jump(variances, rates, jumps))
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
    ranges = "phi=0.5..0.5, epsilon=0.1..0.2, sigma=1..1"
    assert repr(grid) == f"LawGrid(shape=(3, 2), {ranges})"
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


def test_points_at_edges_at_infinity_and_far_away():
    """Where the arcs of the single law are asked for in the same order as those of the grid."""
    phi, epsilon = np.array([1e-8, 0.5, 1.0, 3.0, 1e6]), np.array([[1e-12], [0.3], [1e6]])
    laws = [WishartPlusWigner(p, e).law for e in epsilon.ravel() for p in phi]
    edges = np.array([law.hull for law in laws]).ravel()
    x = [*edges, *np.nextafter(edges, 0.0), 0.0, -0.0, 5e-324, 1e200, -1e200, np.inf, -np.inf]
    x = np.array(x).reshape(-1, 1)[::-1]
    grid = WishartPlusWigner.grid(phi, epsilon)
    for name in ("pdf", "cdf"):
        expected = np.array([getattr(law, name)(x) for law in laws])
        got = getattr(grid, name)(x)
        np.testing.assert_array_equal(got, expected.reshape(3, 5, *x.shape))
    assert WishartPlusWigner.grid(0.5, 0.3).cdf(np.inf) == 1.0
    assert grid.pdf([]).shape == (3, 5, 0)


def test_parts_of_a_grid_are_put_together(monkeypatch):
    phi, epsilon = np.geomspace(0.02, 50, 6)[:, None], [0.0, 1e-3, 0.1, 1e2]
    whole = WishartPlusWigner.grid(phi, epsilon).pdf(X)
    monkeypatch.setattr(law_grid, "_VALUES", 5 * X.size)
    np.testing.assert_array_equal(WishartPlusWigner.grid(phi, epsilon).pdf(X), whole)


def test_no_more_memory_than_the_values_and_one_part_of_them(monkeypatch):
    monkeypatch.setattr(law_grid, "_VALUES", 2**14)
    grid = WishartPlusWigner.grid(np.geomspace(0.1, 10, 20)[:, None], np.geomspace(1e-3, 10, 20))
    x = np.linspace(-1.0, 5.0, 500)
    grid.pdf(x[:1])
    tracemalloc.start()
    try:
        size = grid.pdf(x).nbytes
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size + 5 * 8 * law_grid._VALUES


def test_a_model_derived_from_it_has_its_own_law():
    class Shifted(WishartPlusWigner):
        @functools.cached_property
        def law(self):
            return Semicircle(1.0, center=self.phi)

    np.testing.assert_array_equal(
        Shifted.grid([0.5, 2.0], 0.3).pdf(X), [Semicircle(1.0, center=c).pdf(X) for c in (0.5, 2.0)]
    )


@pytest.mark.parametrize("model", [WishartPlusWigner, WishartPlusReluBlock])
def test_a_grid_goes_to_another_process(model):
    grid = model.grid([0.5, 2.0], 0.3)
    again = pickle.loads(pickle.dumps(grid))
    np.testing.assert_array_equal(again.cdf(X), grid.cdf(X))
    np.testing.assert_array_equal(copy.deepcopy(grid).index(), grid.index())
