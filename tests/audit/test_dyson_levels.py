"""Equations of levels 5 and 6."""

import numpy as np
import pytest
from audit.audit_cases import autoencoder, independent

from rmtland import Spectrum
from rmtland.audit.dyson_levels import curvature_spread, dyson_law, dyson_models, dyson_theories
from rmtland.audit.levels import Level
from rmtland.audit.measured import MeasuredHessian
from rmtland.audit.redraws import Redraws, dyson_inapplicability
from rmtland.audit.second_moments import SecondMoments
from rmtland.networks import MLP


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (MLP((3, 3, 3, 2)), "one hidden layer"),
        (MLP((3, 2)), "one hidden layer"),
        (MLP((3, 3, 2), bias=True), "biases"),
        (MLP((3, 3, 2), loss="cross_entropy"), "cross_entropy"),
        (MLP((3, 3, 2), weight_decay=0.1), "weight decay"),
        (MLP((3, 3, 2), parametrisation="ntk"), "parametrisation"),
    ],
)
def test_where_the_equation_does_not_apply(net, words):
    x = np.ones((4, 3))
    y = np.array([0, 1, 0, 1]) if net.loss == "cross_entropy" else np.ones((4, 2))
    point = net.at(net.init(rng=0), x, y)
    assert words in dyson_inapplicability(point)
    theory = dyson_theories(MeasuredHessian.of_point(point))[0]
    assert words in theory.applies(MeasuredHessian.of_point(point))
    with pytest.raises(ValueError, match="no such law"):
        theory.law(MeasuredHessian.of_point(point))


def test_models_of_levels_five_and_six():
    point = independent(activation="tanh")
    drawn = Redraws.of_point(point, moments=False).draw(rng=5)
    five, six = dyson_models(point, drawn)
    assert five.epsilon == six.epsilon == pytest.approx(point.energy)
    assert not np.allclose(five.curvatures, six.curvatures)
    second = point.net.unflatten(point.theta)[1]
    assert five.second_layer == pytest.approx(np.full(6, (second**2).mean()))
    relu = independent(activation="relu")
    five, six = dyson_models(relu, Redraws.of_point(relu, moments=False).draw(rng=5))
    assert five is six


def test_level_six_has_what_was_measured():
    point = autoencoder()
    moments = SecondMoments.of_point(point)
    five, six = dyson_models(point, point)
    assert six.residual_weights == pytest.approx(moments.residuals.samples)
    assert (five.residual_weights == 1).all()


def test_the_spread_over_draws_of_the_second_derivatives_is_part_of_the_error():
    point = independent(width=4, samples=16, activation="tanh", outputs=1, energy=1.0)
    measured = MeasuredHessian.of_point(point)
    theory = dyson_theories(measured, points=20, rng=0)[0]
    found = theory.law(measured)
    assert found.curvature_spread > 0.002  # one output: blocks differ from draw to draw
    assert found.error >= found.curvature_spread
    # many outputs average
    wide = independent(width=4, samples=16, activation="tanh", outputs=32, energy=1.0)
    redraws = Redraws.of_point(wide, moments=False)
    model, _ = dyson_models(wide, redraws.draw(rng=0))
    law = dyson_law(model, spectrum=MeasuredHessian.of_point(wide).total.eigenvalues, points=20)
    others = [redraws.draw(rng=seed) for seed in (1, 2, 3)]
    assert curvature_spread(model, others, law) < found.curvature_spread
    relu = dyson_theories(MeasuredHessian.of_point(independent(width=3, samples=9)), points=20)[0]
    law = relu.law(MeasuredHessian.of_point(independent(width=3, samples=9)))
    assert law.curvature_spread == 0.0
    assert Level.DYSON is relu.level


def test_correlated_outputs_reach_level_six():
    point = independent(width=5, samples=40, activation="relu")
    rng = np.random.default_rng(3)
    root = np.linalg.cholesky(0.1 * np.eye(5) + 0.9)
    noise = rng.normal(size=(40, 5)) @ root.T
    point = point.net.at(point.theta, point.x, point.prediction - noise)
    moments = SecondMoments.of_point(point)
    assert moments.residuals.kind.value == "outputs"
    five, six = dyson_models(point, point, moments)
    assert five.output_weights is None
    assert six.output_weights == pytest.approx(moments.residuals.outputs)
    drawn = [Redraws(point, moments).draw(rng=seed) for seed in range(40)]
    spectra = np.array([np.linalg.eigvalsh(one.hessian("total")) for one in drawn])
    eta = 0.1
    x = np.quantile(spectra, [0.1, 0.3, 0.5, 0.7, 0.9])
    levels = np.array([Spectrum(one).smoothed_cdf(x, eta=eta) for one in spectra])
    error = levels.std(axis=0, ddof=1) / 40**0.5
    off = [np.abs(one.smoothed_cdf(x, eta=eta) - levels.mean(axis=0)) for one in (five, six)]
    # the equation itself errs by a hundredth at this size
    assert (off[1] <= 4 * error + 0.01).all()
    # one strong direction of the outputs: more eigenvalues far below zero
    assert off[0][0] > 3 * off[1][0]
