"""Spectra laid over a law: what is drawn, what a file holds, what is fitted."""

import json

import numpy as np
import pytest

from rmtland import GaussianEnsemble, Spectrum, WishartEnsemble, WishartPlusWigner
from rmtland.explorer import FAMILIES, ExplorerState, curves, drawn, fitted, overlay_of


@pytest.mark.parametrize("name", FAMILIES)
def test_matrices_follow_their_law(name):
    state = ExplorerState(law=name, sample="matrices", width=256, phi=0.5, energy=0.2)
    found = overlay_of(state, drawn(state))
    assert found.kolmogorov < 0.01
    assert found.words == "4 matrices of order 256"
    assert np.dot(np.diff(found.edges), found.heights) == pytest.approx(1.0)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["count"] == 1024
    other = overlay_of(ExplorerState(law=name, phi=0.5, energy=0.4, sigma=1.5), drawn(state))
    assert other.kolmogorov > 0.05


def test_the_same_seed_draws_the_same():
    state = ExplorerState(sample="network", width=4)
    first, again = drawn(state), drawn(state)
    np.testing.assert_array_equal(first.nodes, again.nodes)
    assert first.nodes.shape == (32, 32)
    assert "32 Hessians of a tanh network, 4 units a layer, 16 samples" in first.provenance["words"]
    assert not np.array_equal(
        first.nodes, drawn(ExplorerState(sample="network", width=4, seed=1)).nodes
    )


def test_zeros_and_far_eigenvalues_are_no_part_of_the_histogram():
    values = np.concatenate([np.zeros(300), np.linspace(1, 2, 690), [50.0] * 5, [-40.0] * 5])
    found = overlay_of(ExplorerState(), Spectrum(values))
    assert found.zero_mass == pytest.approx(0.3)
    assert found.beyond == [-40.0, 50.0]
    assert -1 < found.edges[0] < 1 < 2 < found.edges[-1] < 4
    assert np.dot(np.diff(found.edges), found.heights) == pytest.approx(0.69)
    assert found.y[-1] == pytest.approx(1.0)
    assert found.index == pytest.approx(0.005)


@pytest.mark.parametrize("values", [[0.0, 0.0], [3.0], [1.0, 1.0], [1e-60, 2e-60, 4e-60]])
def test_few_eigenvalues(values):
    found = overlay_of(ExplorerState(), Spectrum(values))
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.count == len(values)
    inside = np.dot(np.diff(found.edges), found.heights) if found.heights else 0.0
    assert inside + found.zero_mass == pytest.approx(1.0)


def test_a_state_without_a_law_still_shows_the_spectrum():
    found = overlay_of(ExplorerState(law="semicircle", energy=0.0), Spectrum([1.0, 2.0]))
    assert found.kolmogorov is None
    assert "at energy 0 all residuals are 0" in found.reason


def test_a_fit_moves_the_sliders():
    spectrum = WishartPlusWigner(0.5, 0.3, 2.0).sample(400, rng=1)
    state = ExplorerState(width=77, seed=5, traces="activation")
    found = fitted(state, spectrum)
    assert found.state.phi == pytest.approx(0.5, abs=0.1)
    assert found.state.sigma == pytest.approx(2.0, abs=0.1)
    assert (found.state.width, found.state.seed, found.state.traces) == (77, 5, "printed")
    assert overlay_of(found.state, spectrum).kolmogorov < 0.01
    assert "Kolmogorov distance" in found.words
    for unit in (1e-8, 1e11):
        other = fitted(state, Spectrum(unit * spectrum.nodes)).state
        assert other.sigma == pytest.approx(2 * unit, rel=0.05)
        assert other.energy == pytest.approx(0.3 * unit**2, rel=0.2)
        assert curves(other).numbers["support"]
    for unit in (1e-14, 1e13):
        with pytest.raises(ValueError, match="give the eigenvalues in other units"):
            fitted(state, Spectrum(unit * spectrum.nodes))


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("matrix", [WishartEnsemble(0.5), GaussianEnsemble()], ids=["H0", "H1"])
def test_a_fit_without_one_of_the_parts_is_shown(matrix, unit):
    """What is not determined ran off to where there is no law, or the fit was refused."""
    spectrum = Spectrum(unit * matrix.sample(100, rng=0).nodes)
    found = fitted(ExplorerState(), spectrum)
    assert curves(found.state).numbers["support"]
    assert overlay_of(found.state, spectrum).kolmogorov < 0.04


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"sample": "none"}, "nothing is to be drawn"),
        ({"sample": "network", "width": 33}, "2178 parameters.*lower the width"),
        ({"sample": "network", "phi": 1e-3}, "32000 samples.*raise phi"),
        ({"sample": "matrices", "law": "semicircle", "energy": 0.0}, "at energy 0 all residuals"),
    ],
)
def test_what_is_not_drawn(state, words):
    with pytest.raises(ValueError, match=words):
        drawn(ExplorerState(**state))


def test_what_is_not_fitted():
    with pytest.raises(ValueError, match="at most 200000 are fitted here"):
        fitted(ExplorerState(), Spectrum(np.arange(200_001.0)))
    with pytest.raises(ValueError, match="distinct"):
        fitted(ExplorerState(), Spectrum([1.0, 1.0]))
