"""Critical points without their weights: what holds at each draw, and the curve of the index."""

from dataclasses import replace

import numpy as np
import pytest

from rmtland.models import ConditionedHessian, CriticalPointHessian
from rmtland.networks.gaussian_averages import gaussian_averages

MODEL = CriticalPointHessian(4, 3, 3, 20, activation="tanh", epsilon=0.2, draws=6)


@pytest.mark.parametrize("activation", ["tanh", "relu", "linear"])
def test_draws_are_critical_points_of_the_energy(activation):
    model = replace(MODEL, activation=activation, target_mean_square=2.0, epsilon=0.3)
    known = model.draw(rng=1)
    assert isinstance(known, ConditionedHessian)
    point = known.draw(rng=2)
    outputs, e = point.net.predict(point.theta, point.x), point.residuals
    assert np.abs(point.gradient).max() < 1e-12  # J^T e/m
    assert (outputs * e).sum() == pytest.approx(0, abs=1e-10)  # outputs lie in the span of J
    assert (outputs**2).mean() == pytest.approx(model.output_mean_square, rel=1e-12)
    drawn = [(known.draw(rng=seed).residuals ** 2).mean() / 2 for seed in range(300)]
    assert np.mean(drawn) == pytest.approx(0.3, abs=4 * np.std(drawn) / 300**0.5)


def test_weights_have_the_variance_that_the_energy_implies():
    model = CriticalPointHessian(20, 20, 20, 45, activation="relu", epsilon=0.1, draws=2)
    assert model.second_variance == pytest.approx(0.8 / gaussian_averages("relu").square)
    point = model.draw(rng=0).point
    first, second = point.theta[:400], point.theta[400:]
    assert first.var() * 20 == pytest.approx(1, rel=0.3)
    assert second.var() * 20 == pytest.approx(model.second_variance, rel=0.3)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_curve_is_the_index_of_the_model_at_each_energy(activation):
    model = replace(MODEL, activation=activation)
    energies = [0.02, 0.2, 0.45]
    curve = model.index_curve(energies)
    others = [replace(model, epsilon=energy) for energy in energies]
    assert curve.mean == pytest.approx([one.index() for one in others], abs=1e-12)
    assert curve.deviation == pytest.approx([one.index_deviation for one in others], abs=1e-12)
    assert curve.standard_error == pytest.approx(curve.deviation / 6**0.5)
    assert (np.diff(curve.mean) > 0).all()


def test_curve_of_one_energy_and_of_none():
    assert MODEL.index_curve(0.2).mean == pytest.approx(MODEL.index_curve([0.2]).mean)
    assert [part.shape for part in MODEL.index_curve([])] == [(0,)] * 4


def test_index_depends_on_the_ratio_of_residuals_and_outputs_alone():
    energies = np.array([0.05, 0.2, 0.4])
    curve = MODEL.index_curve(energies)
    larger = replace(MODEL, target_mean_square=3.0, epsilon=0.1).index_curve(3 * energies)
    assert larger.mean == pytest.approx(curve.mean, abs=1e-12)


def test_index_ends_at_that_of_the_residual_part():
    last = MODEL.index_curve(0.5 - 1e-12).mean[0]
    residual = replace(MODEL.part("residual"), epsilon=0.25)
    assert last == pytest.approx(residual.index(), abs=0.02)
    assert MODEL.index_curve(1e-9).mean[0] == 0


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_energies_next_to_their_end_are_right_or_refused(activation):
    model = replace(MODEL, activation=activation)
    known = 0
    for left in 10.0 ** -np.arange(2, 17):
        near = replace(model, epsilon=0.5 * (1 - left))
        try:
            index = near.index()
        except ValueError as error:
            assert "index_curve" in str(error)  # noqa: PT017
        else:
            known += 1
            assert index == pytest.approx(model.index_curve(near.epsilon).mean[0], abs=1e-12)
    assert known >= 5


def test_the_same_model_gives_the_same_numbers():
    assert np.array_equal(MODEL.drawn, replace(MODEL).drawn)
    assert not np.array_equal(MODEL.drawn, replace(MODEL, seed=1).drawn)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0.5}, "below half the mean square of the targets"),
        ({"epsilon": -0.1}, "epsilon"),
        ({"samples": 0}, "samples"),
        ({"draws": 1}, "draws"),
        ({"target_mean_square": 0.0}, "target_mean_square"),
        ({"activation": "tangent"}, "activation"),
        ({"part_name": "half"}, "part_name"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        replace(MODEL, **options)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="nothing free"):
        replace(MODEL, samples=7).index()  # 21 residuals, 21 parameters
    with pytest.raises(ValueError, match="21 eigenvalues"):
        MODEL.sample(20)
    with pytest.raises(ValueError, match="below half"):
        MODEL.index_curve([0.2, 0.5])
    with pytest.raises(ValueError, match="number or a list; got shape"):
        MODEL.index_curve([[0.1, 0.2]])
    with pytest.raises(MemoryError, match="smaller sizes"):
        CriticalPointHessian(3000, 3000, 3000, 20000, epsilon=0.1).index()
