"""Preconditioning is a change of coordinates: the same steps, another spectrum and another law."""

import numpy as np
import pytest

from rmtland import MarchenkoPastur, WishartEnsemble
from rmtland.laws import Discrete, Uniform
from rmtland.networks import MLP, gaussian
from rmtland.optimizer import (
    DiagonalPreconditioner,
    GradientDescent,
    KroneckerPreconditioner,
    advise,
    advise_start,
    preconditioned,
    preconditioned_law,
    residual_polynomials,
)
from rmtland.optimizer.loss_model import loss_model

DATA = gaussian(60, 5, rng=0)
INPUTS = DATA.x * np.geomspace(0.1, 3.0, 5)  # badly scaled
NET = MLP((5, 4, 5), weight_decay=0.0)
POINT = NET.at(NET.init(rng=1), INPUTS, DATA.y)
MATRIX = POINT.hessian("gauss_newton")


def positive(n, seed):
    factor = np.random.default_rng(seed).normal(size=(n, 2 * n))
    return factor @ factor.T / n


def cases():
    diagonal = DiagonalPreconditioner.of(np.diag(MATRIX), damping=1e-3)
    return [
        (diagonal, np.diag(diagonal.values)),
        (
            KroneckerPreconditioner(
                [(positive(4, 0), positive(5, 1)), (positive(5, 2), positive(4, 3))]
            ),
            None,
        ),
    ]


@pytest.mark.parametrize("case", [0, 1])
def test_roots_and_whitened_matrices(case):
    made, dense = cases()[case]
    if dense is None:
        dense = np.zeros((40, 40))
        dense[:20, :20] = np.kron(positive(4, 0), positive(5, 1))
        dense[20:, 20:] = np.kron(positive(5, 2), positive(4, 3))
    assert made.size == 40
    eye = np.eye(40)
    root = np.array([made.root(row) for row in eye])
    np.testing.assert_allclose(root @ root, dense, atol=1e-10)
    np.testing.assert_allclose([made.inverse_root(row) for row in root], eye, atol=1e-9)
    found = np.linalg.eigvalsh(preconditioned(MATRIX, made) @ eye)
    expected = np.sort(np.linalg.eigvals(np.linalg.solve(dense, MATRIX)).real)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    with pytest.raises(ValueError, match="order 40"):
        preconditioned(np.eye(3), made)


def test_partial_traces_find_a_kronecker_product():
    left, right = positive(3, 4), positive(4, 5)
    made = KroneckerPreconditioner.of(np.kron(left, right), [(3, 4)], damping=0.0)
    eye = np.eye(12)
    np.testing.assert_allclose(preconditioned(np.kron(left, right), made) @ eye, eye, atol=1e-9)
    vector = KroneckerPreconditioner.of(np.diag([1.0, 4.0]), [(2,)], damping=0.0)
    np.testing.assert_allclose(vector.root(np.ones(2)), [1.0, 2.0])


def test_steps_are_those_of_the_preconditioned_method():
    made = DiagonalPreconditioner.of(np.diag(MATRIX), damping=0.1)
    model = loss_model(POINT).in_coordinates(made)
    assert model.loss(model.theta) == pytest.approx(POINT.loss, rel=1e-12)
    moved = made.inverse_root(model.theta - 0.1 * model.gradient(model.theta))
    np.testing.assert_allclose(moved, POINT.theta - 0.1 * POINT.gradient / made.values, rtol=1e-9)


def test_advice_with_preconditioners():
    """A linear network of badly scaled inputs: Kronecker factors are its Hessian, one step ends."""
    net = MLP((5, 5), weight_decay=0.0)
    point = net.at(net.init(rng=1), INPUTS, DATA.y)
    hessian = point.hessian("total")
    least = net.at(point.theta - np.linalg.solve(hessian, point.gradient), INPUTS, DATA.y).loss

    def excess(preconditioner):
        found = advise_start(point, steps=3, preconditioner=preconditioner)
        for curve in found.curves:
            np.testing.assert_allclose(curve.measured, curve.predicted, rtol=1e-8)
        return found.curves[0].measured[-1] / least - 1

    plain = excess(None)
    jacobi = excess(DiagonalPreconditioner.of(np.diag(hessian)))
    whole = excess(KroneckerPreconditioner.of(hessian, [(5, 5)], damping=0.0))
    assert whole < 1e-12 < jacobi < 0.2 * plain


def test_laws_are_those_of_matrices():
    """Sample covariance of scaled features, preconditioned: against one large draw."""
    n, m = 600, 1200
    rng = np.random.default_rng(0)
    scales = np.repeat([1.0, 30.0], n // 2)
    factor = np.sqrt(scales)[:, None] * rng.normal(size=(n, m))
    hessian = factor @ factor.T / m
    bulk, population = MarchenkoPastur(0.5), Discrete((1.0, 30.0), (0.5, 0.5))
    for power, damping in ((0.0, 0.0), (0.5, 0.0), (1.0, 2.0), (1.0, 0.0)):
        root = np.sqrt(scales**power + damping)
        values = np.linalg.eigvalsh(hessian / np.outer(root, root))
        law = preconditioned_law(bulk, population, power=power, damping=damping)
        distance = np.abs(law.cdf(values) - (np.arange(n) + 0.5) / n).max()
        assert distance < 0.01, (power, damping)
    ends = [
        advise(preconditioned_law(bulk, population, power=power), steps=10).prediction.errors[-1]
        for power in (0.0, 0.5, 1.0)
    ]
    assert ends[0] > 2 * ends[1] > 4 * ends[2]


def test_a_model_stands_for_its_law():
    scales = Discrete((1.0, 4.0), (0.5, 0.5))
    for power in (0.5, 1.0):
        found = preconditioned_law(WishartEnsemble(0.5), scales, power=power)
        assert found == preconditioned_law(MarchenkoPastur(0.5), scales, power=power)


def test_scales_with_a_density():
    population = Uniform(1.0, 9.0)
    for power, damping in ((0.5, 0.0), (1.0, 0.5), (0.0, 0.0)):
        law = preconditioned_law(MarchenkoPastur(0.01), population, power=power, damping=damping)
        quantiles = population.ppf((np.arange(400) + 0.5) / 400)
        points = quantiles / (quantiles**power + damping)
        close = preconditioned_law(
            MarchenkoPastur(0.01), Discrete(tuple(points), (1 / 400,) * 400), power=0.0
        )
        np.testing.assert_allclose(law.mean(), close.mean(), rtol=1e-3)
        np.testing.assert_allclose(law.var(), close.var(), rtol=1e-2)
    with pytest.raises(ValueError, match="1/2"):
        preconditioned_law(MarchenkoPastur(0.5), population, power=0.3)
    with pytest.raises(ValueError, match="must be positive"):
        preconditioned_law(MarchenkoPastur(0.5), Uniform(0.0, 1.0))


def test_wrong_arguments():
    for wrong in ([1.0, 0.0], [1.0, np.nan], []):
        with pytest.raises(ValueError, match="values"):
            DiagonalPreconditioner(np.array(wrong))
    with pytest.raises(ValueError, match="none of the 3 entries of diagonal is above 0"):
        DiagonalPreconditioner.of([0.0, -1.0, 0.0], damping=0.1)
    with pytest.raises(ValueError, match="more damping"):
        KroneckerPreconditioner([(np.diag([1.0, 0.0]), np.eye(2))])
    with pytest.raises(ValueError, match="symmetric"):
        KroneckerPreconditioner([(np.array([[1.0, 1.0], [0.0, 1.0]]), np.eye(2))])
    with pytest.raises(ValueError, match="make up 6"):
        KroneckerPreconditioner.of(np.eye(5), [(2, 3)])
    with pytest.raises(ValueError, match="positive trace"):
        KroneckerPreconditioner.of(np.zeros((4, 4)), [(2, 2)])
    for factor in (np.ones((2, 3)), np.full((2, 2), np.nan), np.ones(2)):
        with pytest.raises(ValueError, match="factors must be"):
            KroneckerPreconditioner([(factor, np.eye(2))])
    with pytest.raises(TypeError, match="inverse_root; got ndarray"):
        preconditioned(np.eye(2), np.ones(2))
    with pytest.raises(ValueError, match="got none"):
        KroneckerPreconditioner([])
    with pytest.raises(ValueError, match="positive sizes"):
        KroneckerPreconditioner.of(np.eye(2), [(2,), (0, 3)])


@pytest.mark.parametrize("made", [case[0] for case in cases()])
@pytest.mark.parametrize("shape", [(41,), (1,), (40, 1)])
def test_vectors_of_another_shape_are_refused(made, shape):
    """Longer ones were cut, shorter ones repeated."""
    for multiply in (made.root, made.inverse_root):
        with pytest.raises(ValueError, match=r"shape \(40,\)"):
            multiply(np.ones(shape))


def test_scalars_have_a_block():
    made = KroneckerPreconditioner.of(np.diag([1.0, 2.0, 3.0]), [(2,), ()], damping=0.0)
    np.testing.assert_allclose(made.root(np.ones(3)) ** 2, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("case", [0, 1])
def test_products_in_single_precision(case):
    made = cases()[case][0]
    low = NET.at(POINT.theta.astype(np.float32), INPUTS.astype(np.float32), DATA.y)
    assert preconditioned(low.operator("gauss_newton"), made).dtype == np.float32
    found = advise_start(low, steps=30, measure=False, preconditioner=made)
    exact = advise_start(POINT, steps=30, measure=False, preconditioner=made)
    assert found.best[10] == pytest.approx(exact.best[10], rel=1e-3)


def test_what_is_no_law_no_method_and_no_curvature_is_refused():
    """At power 1 whatever came as the bulk was returned; masks of curvatures were dropped."""
    point, method = Discrete((2.0,), (1.0,)), GradientDescent(0.1)
    for wrong in (None, [1.0, 2.0], "law"):
        with pytest.raises(TypeError, match="bulk must be a law; got"):
            preconditioned_law(wrong, point)
        with pytest.raises(TypeError, match="scales must be a law; got"):
            preconditioned_law(point, wrong)
        with pytest.raises(TypeError, match=r"method must be one such as GradientDescent\(0.1\)"):
            residual_polynomials(wrong, [1.0], 3)
    with pytest.raises(ValueError, match="masks 1 of its 2 values"):
        residual_polynomials(method, np.ma.masked_array([1.0, 2.0], [0, 1]), 3)
    with pytest.raises(TypeError, match="nodes must be real numbers"):
        residual_polynomials(method, [1.0 + 1j], 3)
