"""Networks that share first layer and data."""

import numpy as np
import pytest
from audit.audit_cases import independent, memorising

from rmtland.audit.redraws import Redraws
from rmtland.models import DysonHessian


def test_what_is_kept_and_what_is_drawn():
    point = memorising()
    ensemble = Redraws.of_point(point)
    first, second = point.net.unflatten(point.theta)
    for keep_second in (False, True):
        for keep_residuals in (False, True):
            new = ensemble.draw(3, second=not keep_second, residuals=not keep_residuals)
            w1, w2 = new.net.unflatten(new.theta)
            assert np.array_equal(w1, first)
            assert np.array_equal(w2, second) == keep_second
            assert np.allclose(new.residuals, point.residuals, atol=1e-12) == keep_residuals
            assert np.array_equal(new.x, point.x)
    assert np.array_equal(ensemble.draw(3).theta, ensemble.draw(3).theta)
    assert not np.array_equal(ensemble.draw(3).theta, ensemble.draw(4).theta)


def test_second_moments_of_what_is_drawn():
    point = independent(width=4, samples=5)
    covariance = np.array([[2.0, 0.5, 0, 0], [0.5, 1.0, 0, 0], [0, 0, 0.1, 0], [0, 0, 0, 0.0]])
    variances = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    ensemble = Redraws(point, covariance, variances)
    rng = np.random.default_rng(0)
    draws = [ensemble.draw(rng) for _ in range(1500)]
    second = np.concatenate([draw.net.unflatten(draw.theta)[1] for draw in draws])
    # 6000 rows: standard errors of at most 2 * sqrt(2 / 6000)
    assert second.T @ second / len(second) == pytest.approx(covariance, abs=0.15)
    squares = np.mean([(draw.residuals**2).mean(axis=1) for draw in draws], axis=0)
    assert squares == pytest.approx(variances, rel=0.09, abs=1e-12)


def test_parts_with_the_measured_second_derivatives():
    point = memorising(width=5, samples=20)
    ensemble = Redraws.of_point(point)
    drawn = ensemble.draw(1)
    h0, h1 = ensemble.parts(drawn)
    split = drawn.hessian()
    assert np.array_equal(h0, split.gauss_newton)
    assert np.array_equal(h1, split.residual)
    measured = DysonHessian.of_point(point).bends
    _, fixed = ensemble.parts(drawn, measured)
    block = slice(0, 25)
    assert fixed[block, block] == pytest.approx(point.hessian().residual[block, block], abs=1e-12)
    assert np.array_equal(fixed[25:, :], h1[25:, :])
    # its own second derivatives leave it as it is
    _, same = ensemble.parts(drawn, DysonHessian.of_point(drawn).bends)
    assert np.array_equal(same, h1)


def test_level_five_forgets_the_differences():
    point = memorising()
    iid = Redraws.of_point(point, moments=False)
    assert iid.covariance == pytest.approx(iid.covariance[0, 0] * np.eye(8))
    assert np.ptp(iid.variances) == 0.0
    assert iid.variances[0] == pytest.approx(2 * point.energy)


def test_residuals_are_drawn_with_their_covariance_between_samples():
    point, rng = memorising(), np.random.default_rng(2)
    m = len(point.residuals)
    root = rng.normal(size=(m, m)) / np.sqrt(m)
    ensemble = Redraws(point, np.eye(8), root @ root.T)
    draws = np.concatenate([ensemble.draw(seed).residuals for seed in range(400)], axis=1)
    measured = draws @ draws.T / draws.shape[1]
    assert np.abs(measured - root @ root.T).max() < 6 * 2 / np.sqrt(draws.shape[1])
