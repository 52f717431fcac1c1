"""Residuals conditioned on a minimum: the chain, and Hessians of networks that have trained."""

import numpy as np
import pytest
from scipy import stats

from rmtland.models import ConditionedHessian
from rmtland.models.conditioned.conditioned_dyson import ConditionedDyson
from rmtland.models.conditioned.minima import NonnegativeChain
from rmtland.networks import MLP, train
from rmtland.solution import ConvergenceError


def chain_of(units, known, radius=1.0):
    return NonnegativeChain(
        known,
        lambda xi: np.tensordot(xi, units, axes=1),
        lambda generator: generator.normal(size=len(units)),
        radius,
    )


def trained(widths=(5, 6, 5), samples=40, seed=1, **options):
    rng = np.random.default_rng(seed)
    net = MLP(widths, **options)
    x, y = rng.normal(size=(samples, net.n_in)), rng.normal(size=(samples, net.n_out))
    found = train(net, net.init(rng=seed + 1), x, y, max_steps=2000, gradient_norm=1e-8)
    return net.at(found.theta, x, y)


def test_draws_are_uniform_where_the_matrix_is_not_negative():
    units, known = np.array([[[1.0]], [[0.0]], [[0.0]]]), np.array([[0.3]])  # xi_1 >= -.3 on S^2
    drawn = np.array(list(chain_of(units, known).draws(1000, np.random.default_rng(0), thin=4)))
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(1.0)
    assert stats.kstest(drawn[:, 0], stats.uniform(-0.3, 1.3).cdf).pvalue > 0.01
    angle = np.arctan2(drawn[:, 1], drawn[:, 2])
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 0.01


def test_one_free_direction_is_a_sphere_of_two_points():
    units = np.array([[[0.0, 0.3], [0.3, 0.0]]])
    both = chain_of(units, np.diag([1.0, 2.0]))
    signs = np.array(list(both.draws(400, np.random.default_rng(0), burn=5, thin=2))).ravel()
    assert set(signs) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.2
    one = chain_of(np.array([[[1.0]]]), np.array([[0.5]]))  # xi >= -.5
    assert {float(xi[0]) for xi in one.draws(20, np.random.default_rng(1), thin=2)} == {1.0}


def test_a_minimum_with_one_free_direction_is_a_critical_point():
    rng = np.random.default_rng(0)
    net, x = MLP((2, 3, 1)), rng.normal(size=(30, 2))[20:]  # 10 residuals, 9 parameters
    model = ConditionedHessian.at_critical_point(
        net.unflatten(net.init(rng=2)), x, 1e-6, minimum=True, draws=2
    )
    assert model.conditioned.free_dimensions == 1
    for seed in range(3):
        drawn = model.draw(rng=seed)
        assert np.abs(drawn.gradient).max() < 1e-14
        assert (np.asarray(drawn.residuals) ** 2).mean() / 2 == pytest.approx(1e-6)


def test_negative_directions_of_what_is_known_stay_and_no_others_come():
    rng = np.random.default_rng(1)
    units = rng.normal(size=(12, 5, 5))
    units += units.transpose(0, 2, 1)
    known = np.diag([-5e-4, 0.2, 1.0, 1.0, 1.0])
    chain = chain_of(units, known, radius=0.3)
    drawn = np.array([chain.matrix(xi) for xi in chain.draws(20, rng, burn=10, thin=3)])
    assert np.linalg.eigvalsh(drawn[:, 1:, 1:]).min() > -1e-8
    assert (np.linalg.eigvalsh(drawn) < -1e-8).sum(axis=1).max() == 1
    free = np.array([chain.matrix(v * 0.3 / np.linalg.norm(v)) for v in rng.normal(size=(50, 12))])
    assert (np.linalg.eigvalsh(free) < -1e-8).sum(axis=1).max() > 1


def test_what_has_no_minimum_is_refused():
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="only a critical point can be a minimum"):
        chain_of(np.eye(2)[:, None, None] * np.eye(2), np.diag([1.0, -0.1]))
    units = np.stack([np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])])
    none = chain_of(units, np.eye(2), radius=1.5)  # eigenvalues 1 +- |xi|
    with pytest.raises(ConvergenceError, match=r"no minimum of this energy.*: (60|120)1 steps"):
        next(none.draws(1, generator))  # none of 3000, as it stopped rising


def test_a_trained_network_is_within_chance_of_the_law_of_minima():
    point = trained((6, 8, 6), 30)
    measured = np.linalg.eigvalsh(point.hessian("total"))
    model = ConditionedHessian(point, ("gradient", "minimum"), draws=8)
    free = ConditionedHessian(point, draws=8)
    assert (measured < -1e-6).mean() == 0.0
    assert (free.drawn < -1e-6).mean() > 0.01
    assert (model.drawn < -1e-6).mean() == 0.0
    assert float(free.chance_level.value) < 0.05
    distance = np.abs(model.law.cdf(measured) - np.arange(1, 97) / 96).max()
    assert distance < 1.5 * float(model.chance_level.value) + 0.01


def test_draws_keep_gradient_and_energy_and_forget_the_measured_residuals():
    point = trained()
    model = ConditionedHessian(point, ("gradient", "minimum"), draws=2)
    residuals, measured = model.conditioned, np.asarray(point.residuals)
    xi = (residuals.space.unscaled(measured) - residuals.known) / residuals.sigma
    drawn = model.draw(rng=0)
    assert drawn.gradient == pytest.approx(point.gradient, abs=1e-12)
    e = np.asarray(drawn.residuals)
    assert (e**2).sum() == pytest.approx((measured**2).sum())
    assert np.linalg.eigvalsh(drawn.hessian("total"))[0] > -1e-5
    u = (residuals.space.unscaled(e) - residuals.known) / residuals.sigma
    assert abs((u * xi).sum()) < 0.3 * residuals.radius**2
    again = [list(model._draws.chain.draws(2, np.random.default_rng(3), burn=4)) for _ in range(2)]
    np.testing.assert_array_equal(*again)
    assert model.lanczos(None, 5, rng=0, runs=2).nodes.shape == (2, 5)


def test_a_minimum_by_its_weights_and_energy_alone():
    point = trained()
    weights = point.net.unflatten(point.theta)
    model = ConditionedHessian.at_critical_point(
        weights, point.x, point.energy, minimum=True, draws=2
    )
    assert model.on == ("gradient", "minimum")
    assert model.measured_numbers == 1
    assert (model.drawn < -1e-6).mean() == 0.0


def test_what_a_minimum_is_not_for():
    point = trained()
    with pytest.raises(ValueError, match="'gradient' beside 'minimum'"):
        ConditionedHessian(point, ("minimum",))
    with pytest.raises(ValueError, match="not Gaussian"):
        ConditionedDyson(ConditionedHessian(point, ("gradient", "minimum"), draws=2))
    start = point.net.at(point.net.init(rng=0), point.x, point.data.y)
    with pytest.raises(ValueError, match="only a critical point"):
        _ = ConditionedHessian(start, ("gradient", "minimum")).law
