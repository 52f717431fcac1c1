"""Eigenvalues that a law leaves out: every edge at its own scale."""

import math

import numpy as np
import pytest

from rmtland import (
    Arcsine,
    Discrete,
    EmpiricalLaw,
    KestenMcKay,
    MarchenkoPastur,
    Mixture,
    Semicircle,
    Spectrum,
    Uniform,
    WishartEnsemble,
    WishartPlusReluBlock,
    WishartPlusWigner,
    general_marchenko_pastur,
)
from rmtland.comparison import compare, outliers
from rmtland.comparison.outliers import edge_margins

LAWS = [
    Semicircle(0.3),
    MarchenkoPastur(0.5),
    MarchenkoPastur(1.0),
    MarchenkoPastur(3.0),
    Uniform(),
    Arcsine(),
    KestenMcKay(3.0),
    WishartPlusWigner(3.0, 0.004).law,
    WishartPlusReluBlock(4.0, 0.3).law,
]


def test_outliers_beside_intervals_and_atoms():
    parts = Uniform(1.0, 2.0), Uniform(5.0, 7.0), Discrete((-1.0,), (1.0,))
    law = Mixture(parts, (0.4, 0.4, 0.2))
    values = Spectrum([-2.0, -1.0, 0.0, 1.0, 1.5, 2.0, 3.0, 4.9, 5.0, 7.0, 7.2])
    np.testing.assert_array_equal(outliers(values, law, margin=0), [-2.0, 0.0, 3.0, 4.9, 7.2])
    np.testing.assert_array_equal(outliers(values, law, margin=0.25), [-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(outliers(values, law, margin=1), [])


@pytest.mark.parametrize("n", [64, 1000, 10**6])
def test_margin_of_square_root_edges_is_four_scales_of_tracy_and_widom(n):
    for law in (Semicircle(0.7, 1.0), MarchenkoPastur(0.3), WishartPlusWigner(0.5, 0.3).law):
        pieces = edge_margins(law, n)
        for margin, edge in ((pieces.margin_low, "lower"), (pieces.margin_high, "upper")):
            _, scale = law.edge_scale(n, edge=edge)
            # the next term of the density at an edge, of relative order n^(-2/3)
            assert margin == pytest.approx([4 * scale], rel=3 * n ** (-2 / 3))


def test_every_edge_has_its_own_scale():
    """Two bands of sizes 1 and 200: three spikes between them are seen."""
    n = 300
    population = Discrete((1.0, 200.0), (0.9, 0.1))
    law = general_marchenko_pastur(population, 0.3)
    assert len(law.support) == 2
    pieces = edge_margins(law, n)
    assert pieces.high[0] == pytest.approx(2.26, abs=0.01)
    assert pieces.margin_high[0] == pytest.approx(4 * 0.022, rel=0.1)
    values = np.concatenate([np.full(267, 1.0), np.full(30, 200.0)])
    values = np.concatenate([values, [8.0, 8.0, 8.0]])
    x = np.sqrt(values)[:, None] * np.random.default_rng(0).normal(size=(n, 1000))
    spectrum = Spectrum.from_matrix(x @ x.T / 1000)
    found = outliers(spectrum, law)
    assert found.size == 3 == compare(spectrum, law).outliers
    assert ((found > 6) & (found < 10)).all()


def test_an_atom_takes_the_margin_of_the_nearest_edge_and_lone_atoms_none():
    pieces = edge_margins(MarchenkoPastur(4.0), 500)  # atom at 0, band [1, 9]
    assert (
        pieces.margin_low[1]
        == pieces.margin_high[1]
        == pieces.margin_low[0]
        < pieces.margin_high[0]
    )
    lone = edge_margins(Discrete((0.0, 1.0), (0.5, 0.5)), 500, 1e-12)
    np.testing.assert_array_equal(lone.margin_high, [1e-12, 1e-12])
    np.testing.assert_array_equal(
        outliers(Spectrum([0.0, 1.0, 1.0 + 1e-9]), Discrete((0.0, 1.0), (0.5, 0.5))), [1.0 + 1e-9]
    )


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("n", [1, 7, 300, 10**9])
def test_margins_are_positive_finite_and_within_their_band(law, n):
    pieces = edge_margins(law, n)
    bands = len(law.support)
    assert pieces.low.size == bands + len(law.atoms) > 0
    for margin in (pieces.margin_low[:bands], pieces.margin_high[:bands]):
        assert (margin > 0).all()
        assert (margin <= 4 * (pieces.high - pieces.low)[:bands]).all()


def test_outliers_of_a_spike_and_of_all_runs():
    law = MarchenkoPastur(2.0, 1.0)
    nodes = np.zeros((2, 64))
    nodes[0, 3], nodes[1, 5] = 100.0, -50.0
    np.testing.assert_array_equal(outliers(Spectrum(nodes), law), [-50.0, 100.0])


@pytest.mark.parametrize("margin", [-1.0, math.nan])
def test_bad_margin(margin):
    with pytest.raises(ValueError, match="margin"):
        outliers(Spectrum([1.0]), Semicircle(), margin=margin)


@pytest.mark.parametrize("model", [WishartPlusWigner(0.5, 0.3), WishartPlusReluBlock(4.0, 0.3)])
def test_a_sample_has_no_outliers_against_its_own_law(model):
    assert outliers(model.sample(300, rng=2), model).size == 0


def test_the_old_method_warns_and_gives_the_same():
    spectrum = Spectrum([0.0, 5.0])
    with pytest.warns(DeprecationWarning, match=r"now the function rmtland\.comparison\.outliers"):
        found = spectrum.outliers(Semicircle())
    np.testing.assert_array_equal(found, outliers(spectrum, Semicircle()))


@pytest.mark.parametrize("wrong", [[1.0, 2.0], None])
def test_what_is_not_a_spectrum(wrong):
    with pytest.raises(TypeError, match="expected a Spectrum"):
        outliers(wrong, Semicircle())


def test_many_eigenvalues_are_one_band():
    """Every eigenvalue was an outlier of a law pooled from other matrices."""
    law = EmpiricalLaw(WishartEnsemble(0.5).sample(60, rng=0, runs=16).nodes.ravel())
    spectrum = WishartEnsemble(0.5).sample(60, rng=1)
    assert outliers(spectrum, law).size == 0
    spiked = Spectrum(np.append(spectrum.eigenvalues, [-1.0, 9.0]))
    np.testing.assert_array_equal(outliers(spiked, law), [-1.0, 9.0])
    few = EmpiricalLaw(np.arange(4.0))
    np.testing.assert_array_equal(outliers(Spectrum([0.5, 2.0]), few), [0.5])
