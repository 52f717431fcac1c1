"""Scores over families of laws."""

import numpy as np
import pytest

from rmtland import MarchenkoPastur
from rmtland.laws import Uniform
from rmtland.models import NeuralTangentKernel, normalised_activation
from rmtland.optimizer import (
    GradientDescent,
    Nesterov,
    best_errors,
    compatibility,
    compatibility_table,
    tuned,
)
from rmtland.spectrum import Spectrum


def test_scores_of_marchenko_pastur():
    found = compatibility_table({"quarter": MarchenkoPastur(0.25), "one": MarchenkoPastur(1.0)})
    assert found.methods == ("gradient descent", "heavy ball", "Nesterov")
    np.testing.assert_allclose(found.scores, [[0.50, 0.977, 0.78], [0.71, 0.956, 0.91]], atol=0.006)
    np.testing.assert_allclose(found.conditions, [9.0, np.inf])
    assert found.least[1] == pytest.approx(6 / (21 * 22 * 43))
    assert found.easiest == "quarter"


def test_scale_does_not_matter_and_spectra_may_be_given():
    law = Uniform(1.0, 3.0)
    nodes = Spectrum(np.linspace(1.0, 3.0, 4001))
    far = Spectrum(1e6 * nodes.nodes)
    kinds = (GradientDescent, Nesterov)
    found = compatibility_table(
        {"law": law, "drawn": nodes, "units": far}, steps=8, objective="distance", kinds=kinds
    )
    np.testing.assert_allclose(found.scores[1:], found.scores[[0, 0]], atol=2e-3)
    np.testing.assert_allclose(found.conditions, 3.0)
    alone = compatibility(
        tuned(Nesterov, law, 8, objective="distance"), law, 8, objective="distance"
    )
    assert found.scores[0, 1] == alone
    assert found.least[0] == best_errors(law, 8, objective="distance")[-1]


def test_depth_helps_normalised_tangent_kernels_and_hurts_others():
    tanh = normalised_activation("tanh")
    found = compatibility_table(
        {
            f"{name} {depth}": NeuralTangentKernel(2.0, (2.0,) * depth, 1.0, activation=f)
            for name, f in (("normalised", tanh), ("plain", "tanh"))
            for depth in (1, 2)
        },
        kinds=(GradientDescent,),
    )
    assert found.least[1] < found.least[0] / 10
    assert found.least[3] > 2 * found.least[2]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="at least one spectrum"):
        compatibility_table({})
    with pytest.raises(ValueError, match="at least one class"):
        compatibility_table({"a": MarchenkoPastur(0.5)}, kinds=())
    with pytest.raises(ValueError, match="negative curvatures"):
        compatibility_table({"a": Uniform(-1.0, 1.0)})


def test_spectra_need_names():
    with pytest.raises(TypeError, match="by name"):
        compatibility_table([MarchenkoPastur(0.5)])
    with pytest.raises(TypeError, match="tuple of classes"):
        compatibility_table({"one": MarchenkoPastur(0.5)}, kinds=GradientDescent)
