"""The autoencoder's variant: regressions on the inputs, rotated within what the weights see."""

import numpy as np
import pytest

from rmtland.models import ConditionedHessian
from rmtland.models.conditioned.conditioned_dyson import ConditionedDyson
from rmtland.models.conditioned.rotated_regression import RotatedRegression
from rmtland.networks import MLP, train

ROTATED = ("gradient", "rotations")


def autoencoder(widths=(10, 6, 10), samples=60, seed=3, activation="relu"):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, widths[0])) * np.linspace(1.5, 0.5, widths[0])
    net = MLP(widths, activation=activation)
    found = train(net, net.init(rng=seed + 1), x, x, max_steps=800, gradient_norm=1e-6)
    return net.at(found.theta, x, x)


def test_rotations_keep_what_each_pair_of_spaces_holds():
    rng = np.random.default_rng(0)
    x, first, last = (rng.normal(size=s) for s in ((40, 5), (2, 5), (4, 3)))
    e = x @ rng.normal(size=(5, 4)) + 0.1 * rng.normal(size=(40, 4))
    found = RotatedRegression.of_residuals(e, x, first, last)
    assert [space.shape for space in found.inputs] == [(5, 2), (5, 3)]
    assert [space.shape for space in found.outputs] == [(4, 3), (4, 1)]
    assert found.noise == pytest.approx(0.1, rel=0.2)
    assert found.measured_numbers == 20 - (1 + 3 + 3 + 0)
    exact = RotatedRegression.of_residuals(x @ found.map, x, first, last)
    drawn = np.linalg.lstsq(x, exact.draw(rng), rcond=None)[0]
    assert np.abs(drawn - found.map).max() > 0.1
    for left in found.inputs:
        for right in found.outputs:
            blocks = [left.T @ b @ right for b in (drawn, found.map)]
            values = [np.linalg.svd(block, compute_uv=False) for block in blocks]
            np.testing.assert_allclose(values[0], values[1], atol=1e-8)


def test_draws_keep_gradient_and_energy():
    point = autoencoder()
    model = ConditionedHessian(point, ROTATED, draws=2)
    drawn = model.draw(rng=0)
    assert drawn.gradient == pytest.approx(point.gradient, abs=1e-12)
    energy = (np.asarray(point.residuals) ** 2).sum()
    assert (np.asarray(drawn.residuals) ** 2).sum() == pytest.approx(energy)
    plain = ConditionedHessian(point, draws=2)
    regression = model.conditioned.regression
    assert model.measured_numbers == plain.measured_numbers + regression.measured_numbers


def test_an_autoencoder_at_its_minimum_is_within_chance_and_iid_residuals_are_not():
    point = autoencoder()
    measured = np.linalg.eigvalsh(point.hessian("total"))
    sizes = np.arange(1, measured.size + 1) / measured.size
    rotated, iid = (ConditionedHessian(point, on, draws=12) for on in (ROTATED, ("gradient",)))
    off = [np.abs(model.law.cdf(measured) - sizes).max() for model in (rotated, iid)]
    assert off[0] < 1.5 * float(rotated.chance_level.value) + 0.01
    assert off[1] > 2 * off[0]
    assert rotated.index() == pytest.approx((measured < 0).mean(), abs=0.02)


def test_what_rotations_do_not_go_with():
    point = autoencoder()
    for other in ("inputs", "minimum"):
        with pytest.raises(ValueError, match="leave 'inputs' and 'minimum' out"):
            ConditionedHessian(point, (*ROTATED, other))
    with pytest.raises(ValueError, match="'rotations' are not Gaussian"):
        ConditionedDyson(ConditionedHessian(point, ROTATED, draws=2))
