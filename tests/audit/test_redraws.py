"""Networks that share first layer and data."""

import numpy as np
import pytest
from audit.audit_cases import independent, memorising

from rmtland.audit.redraws import Redraws
from rmtland.audit.second_moments import CovarianceKind, ResidualCovariance, SecondMoments
from rmtland.models import DysonHessian


def test_what_is_kept_and_what_is_drawn():
    point = memorising()
    ensemble = Redraws.of_point(point)
    first, second = point.net.unflatten(point.theta)
    for keep_second in (False, True):
        for keep_residuals in (False, True):
            new = ensemble.draw(rng=3, second_layer=not keep_second, residuals=not keep_residuals)
            w1, w2 = new.net.unflatten(new.theta)
            assert np.array_equal(w1, first)
            assert np.array_equal(w2, second) == keep_second
            assert np.allclose(new.residuals, point.residuals, atol=1e-12) == keep_residuals
            assert np.array_equal(new.x, point.x)
    assert np.array_equal(ensemble.draw(rng=3).theta, ensemble.draw(rng=3).theta)
    assert not np.array_equal(ensemble.draw(rng=3).theta, ensemble.draw(rng=4).theta)


def test_second_moments_of_what_is_drawn():
    point = independent(width=4, samples=5)
    covariance = np.array([[2.0, 0.5, 0, 0], [0.5, 1.0, 0, 0], [0, 0, 0.1, 0], [0, 0, 0, 0.0]])
    variances = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    ensemble = Redraws(point, moments(covariance, variances))
    rng = np.random.default_rng(0)
    draws = [ensemble.draw(rng=rng) for _ in range(1500)]
    second = np.concatenate([draw.net.unflatten(draw.theta)[1] for draw in draws])
    # an entry (i, j) of 6000 rows has the variance (v_i v_j + v_ij^2)/6000
    sizes = np.diag(covariance)
    error = np.sqrt((np.outer(sizes, sizes) + covariance**2) / len(second))
    assert (np.abs(second.T @ second / len(second) - covariance) <= 4.5 * error).all()
    squares = np.mean([(draw.residuals**2).mean(axis=1) for draw in draws], axis=0)
    error = variances * np.sqrt(2 / (1500 * 4))
    assert (np.abs(squares - variances) <= 4.5 * error + 1e-12).all()


def moments(second_layer, samples, outputs=None):
    kind = CovarianceKind.SIZES if outputs is None else CovarianceKind.OUTPUTS
    return SecondMoments(second_layer, 1.0, ResidualCovariance(kind, samples, outputs, 1.0), 1.0)


def test_parts_with_the_measured_second_derivatives():
    point = memorising(width=5, samples=20)
    ensemble = Redraws.of_point(point)
    drawn = ensemble.draw(rng=1)
    h0, h1 = ensemble.parts(drawn)
    split = drawn.hessian()
    assert np.array_equal(h0, split.gauss_newton)
    assert np.array_equal(h1, split.residual)
    measured = DysonHessian.of_point(point).curvatures
    _, fixed = ensemble.parts(drawn, measured)
    block = slice(0, 25)
    assert fixed[block, block] == pytest.approx(point.hessian().residual[block, block], abs=1e-12)
    assert np.array_equal(fixed[25:, :], h1[25:, :])
    # its own second derivatives leave it as it is
    _, same = ensemble.parts(drawn, DysonHessian.of_point(drawn).curvatures)
    assert np.array_equal(same, h1)


def test_level_five_forgets_the_differences():
    point = memorising()
    iid = Redraws.of_point(point, moments=False).moments
    assert iid.second_layer == pytest.approx(iid.second_layer[0, 0] * np.eye(8))
    assert (iid.residuals.samples == 1).all()
    assert iid.mean_square == pytest.approx(2 * point.energy)


def test_residuals_are_drawn_with_their_covariances():
    point, rng = memorising(), np.random.default_rng(2)
    m, n_out = point.residuals.shape
    root = rng.normal(size=(m, m)) / np.sqrt(m)
    between = 0.3 * np.eye(n_out) + 0.7
    ensemble = Redraws(point, moments(np.eye(8), root @ root.T, between))
    draws = np.array([ensemble.draw(rng=seed).residuals for seed in range(400)])
    samples = np.einsum("kmi,kni->mn", draws, draws) / (400 * n_out)
    # outputs of correlation .7 count as fewer: tr C^2/(tr C)^2
    fewer = 400 / ((between**2).sum() / n_out**2)
    size = np.diag(root @ root.T)
    error = np.sqrt((np.outer(size, size) + (root @ root.T) ** 2) / fewer)
    assert (np.abs(samples - root @ root.T) <= 5 * error).all()
    outputs = np.einsum("kmi,kmj->ij", draws, draws) / (400 * np.trace(root @ root.T))
    fewer = 400 * np.trace(root @ root.T) ** 2 / ((root @ root.T) ** 2).sum()
    assert np.abs(outputs - between).max() <= 5 * np.sqrt(2 / fewer)


def test_old_names_warn():
    ensemble = Redraws.of_point(memorising(width=4, samples=12))
    with pytest.warns(DeprecationWarning, match="second_layer"):
        old = ensemble.draw(rng=3, second=False)
    assert np.array_equal(old.theta, ensemble.draw(rng=3, second_layer=False).theta)
    with pytest.warns(DeprecationWarning, match="rng"):
        assert np.array_equal(ensemble.draw(3).theta, ensemble.draw(rng=3).theta)
