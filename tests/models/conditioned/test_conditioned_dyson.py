"""The matrix Dyson equation of conditioned Hessians: its covariance, and that draws agree."""

import numpy as np
import pytest

from rmtland.arrays import ArrayLibrary
from rmtland.models import ConditionedHessian
from rmtland.models.conditioned.conditioned_dyson import ConditionedDyson
from rmtland.models.conditioned.given_residuals import with_residuals
from rmtland.models.conditioned.noise_covariance import NoiseCovariance
from rmtland.models.conditioned.residual_covariance import ResidualCovariance
from rmtland.networks import MLP
from rmtland.networks.activation import activation as activation_of


def point_of(net, samples, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(samples, net.n_in)), rng.normal(size=(samples, net.n_out))
    return net.at(net.init(rng=seed + 1), x, y.argmax(axis=1) if net.loss != "mse" else y)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_the_covariance_is_that_of_hessians_of_unit_residuals(activation):
    net = MLP((3, 4, 2), activation=activation)
    point, rng = point_of(net, 6), np.random.default_rng(1)
    root = rng.normal(size=(12, 7))
    first, second = net.unflatten(point.theta)
    f, z = activation_of(activation), first @ point.x.T
    a = f.value(z)
    curvatures = None if f.curvature is None else f.curvature(z, a)
    noise = NoiseCovariance(point.x, f.slope(z, a), curvatures, second, root @ root.T)
    m = rng.normal(size=(20, 20)) + 1j * rng.normal(size=(20, 20))
    m = m + m.T
    units = [with_residuals(point, column.reshape(6, 2)).hessian("residual") for column in root.T]
    right = sum(h @ m @ h for h in units)
    np.testing.assert_allclose(noise.apply_by_samples(m), right, atol=1e-12)
    np.testing.assert_allclose(noise.tensors.apply(m), right, atol=1e-12)


@pytest.mark.parametrize("bent", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 2), (5, 3, 4, 9), (2, 5, 1, 7), (3, 1, 6, 4)])
def test_tensors_over_pairs_of_units_are_the_contraction_between_samples(sizes, bent):
    (n0, n1, n2, m), rng = sizes, np.random.default_rng(3)
    x, slopes, second = (rng.normal(size=s) for s in ((m, n0), (n1, m), (n2, n1)))
    root = rng.normal(size=(m * n2, m * n2))
    noise = NoiseCovariance(x, slopes, slopes**2 if bent else None, second, root @ root.T)
    matrix = rng.normal(size=(n1 * (n0 + n2),) * 2) + 1j * rng.normal(size=(n1 * (n0 + n2),) * 2)
    matrix = matrix + matrix.T
    found, right = noise.tensors.apply(matrix), noise.apply_by_samples(matrix)
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-13 * np.abs(right).max())
    assert noise.apply(matrix) == pytest.approx(right)
    assert noise.memory > 0
    assert noise.operations > 0


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_the_sum_over_free_directions_is_the_covariance_of_one_hidden_layer(loss, monkeypatch):
    model = ConditionedHessian(point_of(MLP((3, 4, 4), loss=loss), 20), draws=2)
    fast = ConditionedDyson.of_hessian(model).equation.noise
    plain = ResidualCovariance.of_residuals(model.point, model.conditioned)
    assert len(plain.matrices) == model.conditioned.free_dimensions
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(28, 28)) + 1j * rng.normal(size=(28, 28))
    matrix = matrix + matrix.T
    np.testing.assert_allclose(plain.apply(matrix), fast.apply(matrix), atol=1e-12)
    assert plain.memory > plain.matrices.nbytes
    monkeypatch.setattr(ArrayLibrary, "free_memory", lambda self: 1000)
    with pytest.raises(MemoryError, match="matrices of 28 parameters"):
        ResidualCovariance.of_residuals(model.point, model.conditioned)


def test_few_samples_are_contracted_without_tensors():
    rng = np.random.default_rng(4)
    x, slopes, second = (rng.normal(size=s) for s in ((3, 4), (2, 3), (2, 2)))
    noise = NoiseCovariance(x, slopes, None, second, np.eye(6))
    matrix = np.eye(12) / (1 + 1j)
    assert noise.tensors is None
    np.testing.assert_array_equal(noise.apply(matrix), noise.apply_by_samples(matrix))


def test_cost_is_told_and_too_much_is_refused(monkeypatch):
    dyson = ConditionedDyson.of_hessian(ConditionedHessian(point_of(MLP((3, 4, 3)), 15), draws=2))
    assert 0 < dyson.cost(10).seconds < 60
    assert dyson.cost(10).seconds > dyson.cost(1).seconds
    assert dyson.cost(10).bytes == dyson.memory
    needed = dyson.memory
    monkeypatch.setattr(ArrayLibrary, "free_memory", lambda self: needed - 1)
    with pytest.raises(MemoryError, match="take the law of ConditionedHessian"):
        dyson.solve(1j)


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    "net",
    [
        MLP((4, 5, 4)),
        MLP((4, 5, 4), loss="cross_entropy"),
        MLP((3, 3, 3, 4), bias=True, activation="gelu"),
        MLP((3, 2, 3, 2, 4), activation="relu", weight_decay=0.05),
        MLP((3, 4, 4), parametrisation="ntk", loss="cross_entropy", bias=True),
    ],
    ids=str,
)
def test_the_equation_and_draws_agree(net):
    samples = 20 if net.loss == "mse" else 40
    model = ConditionedHessian(point_of(net, samples), draws=300)
    dyson = ConditionedDyson.of_hessian(model)
    center, width = model.mean(), model.var() ** 0.5
    x, eta = center + width * np.array([-0.8, -0.2, 0.5, 2.0]), 0.3 * width
    drawn = model.smoothed_pdf(x, eta=eta)
    assert dyson.smoothed_pdf(x, eta=eta, tolerance=1e-5) == pytest.approx(
        drawn, abs=0.01 * drawn.max()
    )
    levels = dyson.smoothed_cdf(x, eta=eta, tolerance=1e-4)
    assert levels == pytest.approx(model.smoothed_cdf(x, eta=eta), abs=0.003)
    assert dyson.mean() == pytest.approx(model.mean(), abs=0.01 * width)


def test_parts_and_what_it_is_not_for():
    model = ConditionedHessian(point_of(MLP((3, 3, 3)), 15), draws=2)
    dyson = ConditionedDyson.of_hessian(model).part("gauss_newton")
    z = 0.3 + 0.2j
    assert dyson.stieltjes(z) == pytest.approx(model.part("gauss_newton").stieltjes(z), rel=1e-6)
    assert dyson.index() == 0.0
    assert dyson.atom_at_zero().value == pytest.approx(
        (model.part("gauss_newton").drawn == 0).mean()
    )
    with pytest.raises(ValueError, match="basis"):
        ConditionedDyson(
            ConditionedHessian(point_of(MLP((3, 3, 3)), 15), draws=2, projection="iterative")
        )


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_mean_and_variance_are_those_of_the_gaussian_matrix(loss):
    model = ConditionedHessian(point_of(MLP((3, 3, 4), loss=loss), 12), draws=200)
    point, residuals, p = model.point, model.conditioned, model.parameter_count
    known = with_residuals(point, residuals.known_residuals).hessian("total")
    space, square = residuals.space, 0.0
    for unit in np.eye(48).reshape(48, 12, 4):  # columns of the root of the covariance
        u = space.unscaled(space.scaled(unit))
        free = space.scaled(residuals.sigma * (u - residuals.projection.project(u)))
        square += float((with_residuals(point, free).hessian("residual") ** 2).sum())
    mean = np.trace(known) / p
    variance = ((known**2).sum() + square) / p - mean**2
    dyson = ConditionedDyson.of_hessian(model)
    assert dyson.mean() == pytest.approx(mean, rel=1e-10)
    assert dyson.var() == pytest.approx(variance, rel=1e-10)
    spread = np.sqrt(square) / p  # of a mean eigenvalue, at most
    assert model.mean() == pytest.approx(mean, abs=4 * spread / np.sqrt(200))
    squares = (model.drawn**2).mean(axis=1)
    error = 4 * squares.std() / np.sqrt(200) + 8 * abs(mean) * spread / np.sqrt(200)
    assert model.var() == pytest.approx(variance, abs=error)
