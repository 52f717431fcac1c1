"""The structured residual Hessian against the exact Hessian of a network, and its own limits."""

import math

import numpy as np
import pytest

from rmtland import Spectrum
from rmtland.arrays import ArrayLibrary
from rmtland.ensembles import ReluResidual
from rmtland.ensembles.entries import Entries
from rmtland.ensembles.relu_residual import relu_residual_law
from rmtland.networks import MLP


class Recorder(Entries):
    """Random entries that remember what they gave."""

    def normal(self, *shape):
        drawn = super().normal(*shape)
        self.__dict__.setdefault("given", []).append(drawn)
        return drawn


def test_it_is_the_residual_part_of_a_relu_network():
    """Same data, weights and residuals in a network: the same matrix, entry by entry."""
    ensemble, n = ReluResidual(1.5, 0.8), 2 * 4**2
    entries = Recorder.of(ArrayLibrary.of(), (np.random.default_rng(3),))
    matrix = ensemble._matrices(n, entries)[0]
    data, weights, residuals = (drawn[0] for drawn in entries.given)
    inputs, hidden, outputs = ensemble.widths(n)
    m = ensemble.samples(n)
    assert (inputs, hidden, outputs, m) == (4, 4, 4, round(8 / 1.5))
    errors = residuals.T * math.sqrt(2 * ensemble.epsilon)  # variance 2 epsilon, shape (m, outputs)
    net = MLP((inputs, hidden, outputs), activation="relu")
    second = np.random.default_rng(4).normal(size=outputs * hidden)
    theta = np.concatenate([weights.ravel(), second])
    prediction = np.maximum(data.T @ weights.T, 0) @ second.reshape(outputs, hidden).T
    split = net.at(theta, data.T, prediction - errors).hessian()
    np.testing.assert_allclose(matrix, split.residual, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 12, 31, 50, 98])
def test_eigenvalues_by_blocks_are_those_of_the_matrix(n):
    ensemble = ReluResidual(0.7, 2.0)
    values = np.linalg.eigvalsh(ensemble.matrix(n, rng=5))
    nodes = ensemble.sample(n, rng=5).nodes[0]
    np.testing.assert_allclose(nodes, values, atol=1e-13)
    np.testing.assert_allclose(nodes, -nodes[::-1], atol=1e-15)


def test_widths_multiply_to_the_number_of_parameters():
    for n in range(1, 400):
        inputs, hidden, outputs = ReluResidual(1.0, 1.0).widths(n)
        assert hidden * (inputs + outputs) == n
        assert 0 <= inputs - outputs <= 1
    for k in (1, 5, 16, 500):
        assert ReluResidual(1.0, 1.0).widths(2 * k * k) == (k, k, k)
    assert ReluResidual(1.0, 1.0, hidden=3).widths(12) == (2, 3, 2)
    with pytest.raises(ValueError, match="multiple of 5 parameters; got n = 12; choose 10 or 15"):
        ReluResidual(1.0, 1.0, hidden=5).sample(12)


def test_blocks_share_their_data():
    """Their traces of B B^T are correlated, as those of independent blocks are not."""
    ensemble = ReluResidual(2.0, 1.0, hidden=2)
    entries = Entries.of(ArrayLibrary.of(), tuple(np.random.default_rng(6).spawn(2000)))
    one, two = (np.sum(block**2, axis=(1, 2)) for block in ensemble._blocks(8, entries)[0])
    assert np.corrcoef(one, two)[0, 1] > 5 / math.sqrt(2000)


def test_more_hidden_units_and_the_limit_law():
    ensemble = ReluResidual(0.25, 50.0)
    spectrum = ensemble.sample(2 * 60**2, rng=1)
    assert isinstance(spectrum, Spectrum)
    assert ensemble.law == relu_residual_law(0.25, 50.0)
    assert ensemble.law.var() == pytest.approx(50 * 0.25 / 2, rel=1e-13)
    assert spectrum.var() == pytest.approx(ensemble.law.var(), rel=0.05)


def test_without_energy_all_eigenvalues_are_zero():
    ensemble = ReluResidual(0.5, 0.0)
    assert ensemble.law.atoms == ((0.0, 1.0),)
    assert (ensemble.sample(18, rng=1).nodes == 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 1.0), "phi must be a positive"),
        ((1.0, -1.0), "epsilon must be zero or a positive"),
        ((1.0, math.nan), "epsilon must be"),
        ((1.0, 1.0, 0), "hidden must be an integer of at least 1"),
    ],
)
def test_bad_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        ReluResidual(*arguments)
