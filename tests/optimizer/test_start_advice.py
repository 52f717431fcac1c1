"""Advice at a point: predictions of the quadratic model, proved on losses that are quadratic."""

import numpy as np
import pytest

from rmtland import GaussianEnsemble, MarchenkoPastur, WishartEnsemble
from rmtland.networks import MLP, gaussian
from rmtland.optimizer import (
    GradientDescent,
    HeavyBall,
    KroneckerPreconditioner,
    advise_start,
    predict,
)
from rmtland.optimizer.loss_model import loss_model
from rmtland.optimizer.sampled_matrices import sampled_errors
from rmtland.optimizer.start_advice import run_method

DATA = gaussian(60, 12, rng=0)
LINEAR = MLP((12, 12), weight_decay=0.0)


def test_predictions_of_a_quadratic_loss_are_exact():
    """A linear network with squared loss is its own quadratic model."""
    point = LINEAR.at(LINEAR.init(rng=1), DATA.x, DATA.y)
    found = advise_start(point, steps=8)
    assert found.products == 10
    for curve in found.curves:
        np.testing.assert_allclose(curve.measured, curve.predicted, rtol=1e-8)
        assert (curve.predicted >= found.best - 1e-9).all()
    assert found.curves[0].measured[-1] == min(c.measured[-1] for c in found.curves)
    # conjugate gradients on the normal equations reach the least loss
    hessian, gradient = point.hessian("total"), point.gradient
    krylov = [gradient]
    for _ in range(7):
        krylov.append(hessian @ krylov[-1])
    basis, _ = np.linalg.qr(np.array(krylov).T)
    step = basis @ np.linalg.solve(basis.T @ hessian @ basis, basis.T @ gradient)
    assert LINEAR.at(point.theta - step, DATA.x, DATA.y).loss == pytest.approx(found.best[-1])
    assert "no method does better" in str(found)


def test_without_trials_the_prediction_decides():
    point = LINEAR.at(LINEAR.init(rng=1), DATA.x, DATA.y)
    found = advise_start(point, steps=4, measure=False)
    assert found.curves[0].measured is None
    ends = [curve.predicted[-1] for curve in found.curves]
    assert ends == sorted(ends)
    assert "on the true loss" not in str(found)


def test_what_is_advised_goes_down():
    """Far from a quadratic loss every method made for it climbs: a shorter step is added."""
    data, net = gaussian(60, 8, rng=0), MLP((8, 12, 8))
    point = net.at(net.init(rng=1), data.x * np.geomspace(0.1, 2.0, 8), data.y)
    factors = KroneckerPreconditioner.of(
        point.hessian("gauss_newton"), [block.shape for block in net.blocks], damping=0.1
    )
    found = advise_start(point, steps=10, preconditioner=factors)
    assert found.curves[0].measured[-1] < found.loss
    assert sum(not curve.measured[-1] < found.loss for curve in found.curves) >= 5


def test_divergence_is_infinite():
    net = MLP((12, 6, 12), activation="relu")
    model = loss_model(net.at(net.init(rng=1), DATA.x, DATA.y))
    losses = run_method(GradientDescent(1e100), model, 6)
    assert losses[0] == model.loss(model.theta)
    assert np.isinf(losses[-1])
    with pytest.raises(TypeError, match="looked at about"):
        loss_model(np.eye(2))


def test_a_torch_model_gives_the_same():
    torch = pytest.importorskip("torch")
    from rmtland.adapters import from_torch

    theta = LINEAR.init(rng=1)
    mine = advise_start(LINEAR.at(theta, DATA.x, DATA.y), steps=5)
    layer = torch.nn.Linear(12, 12, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(theta.reshape(12, 12)))
    x, y = torch.from_numpy(DATA.x.copy()), torch.from_numpy(DATA.y.copy())
    loss = torch.nn.MSELoss()
    ratio = LINEAR.at(theta, DATA.x, DATA.y).loss / float(loss(layer(x), y).detach())
    assert ratio == pytest.approx(6.0)  # ours is half the sum over outputs
    other = advise_start(from_torch(layer, loss, (x, y)), steps=5)
    for one, two in zip(mine.curves, other.curves, strict=True):
        np.testing.assert_allclose(one.measured, ratio * two.measured, rtol=1e-5)


def test_sampled_errors_are_what_is_predicted():
    method = HeavyBall(0.5, 0.2)
    errors = sampled_errors(WishartEnsemble(0.5), method, 6, dimension=200, runs=100, rng=1)
    forecast = predict(method, MarchenkoPastur(0.5), 6, dimension=200, drawn_start=True, rng=0)
    np.testing.assert_allclose(np.median(errors, axis=0), forecast.median, rtol=0.06)
    low, high = forecast.interval(0.9)
    assert 0.8 < ((errors >= low) & (errors <= high))[:, 1:].mean() < 0.97
    with pytest.raises(TypeError, match="cannot be sampled"):
        sampled_errors(MarchenkoPastur(0.5), method, 3, dimension=10)
    with pytest.raises(ValueError, match="negative curvatures"):
        sampled_errors(GaussianEnsemble(), method, 3, dimension=10, runs=2, rng=0)
    far = sampled_errors(
        WishartEnsemble(0.5), GradientDescent(50.0), 400, dimension=4, runs=2, rng=0
    )
    assert (far[:, -1] == np.inf).all()
    assert not np.isnan(far).any()
