"""Residuals conditioned on the gradient: what draws keep, what they leave free, and the law."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse.linalg import lsmr

from rmtland.audit.distance import kolmogorov
from rmtland.laws import EmpiricalLaw
from rmtland.models import ConditionedHessian
from rmtland.models.conditioned.conditioned_residuals import ConditionedResiduals
from rmtland.models.conditioned.given_residuals import in_double, with_residuals
from rmtland.models.conditioned.kronecker import KroneckerRoot
from rmtland.models.conditioned.projections import DenseProjection, IterativeProjection
from rmtland.models.conditioned.residual_space import ResidualSpace
from rmtland.networks import MLP, train


def network(widths=(4, 3, 5), *, samples=30, seed=0, **options):
    rng = np.random.default_rng(seed)
    net = MLP(widths, **options)
    x, y = rng.normal(size=(samples, widths[0])), rng.normal(size=(samples, widths[-1]))
    if net.loss == "logistic":
        y = (y > 0).astype(float)
    elif net.loss == "cross_entropy":
        y = y.argmax(axis=1)
    return net.at(net.init(rng=seed + 1), x, y)


POINTS = {
    "tanh": network(),
    "relu": network(activation="relu"),
    "three layers, biases": network((4, 3, 3, 4), bias=True),
    "weight decay": network(weight_decay=0.1),
    "ntk": network(parametrisation="ntk"),
    "softmax": network(loss="cross_entropy", activation="gelu"),
    "logistic": network(loss="logistic", bias=True),
    "linear": network((3, 4), samples=10),
    "one output": network((3, 2, 1), samples=12),
}
BOTH = ("gradient", "inputs")


@pytest.mark.parametrize("name", POINTS)
def test_hessians_are_linear_in_the_residuals(name):
    point = POINTS[name]
    e, noise = point.residuals, np.random.default_rng(1).normal(size=point.residuals.shape)
    np.testing.assert_allclose(
        with_residuals(point, e).hessian("total"), point.hessian("total"), atol=1e-13
    )
    parts = [with_residuals(point, r).hessian("residual") for r in (e, noise, e - 2 * noise)]
    np.testing.assert_allclose(parts[2], parts[0] - 2 * parts[1], atol=1e-12)
    np.testing.assert_allclose(with_residuals(point, e).gradient, point.gradient, atol=1e-13)
    with pytest.raises(ValueError, match="no loss"):
        _ = with_residuals(point, e).loss


@pytest.mark.parametrize("on", [("gradient",), ("inputs",), BOTH])
@pytest.mark.parametrize("name", POINTS)
def test_draws_keep_what_is_known_and_the_rest_has_its_size(name, on):
    point = POINTS[name]
    residuals = ConditionedResiduals.of_point(point, on)
    draws = [residuals.draw(np.random.default_rng(seed)) for seed in range(200)]
    for e in draws[:2]:
        if "gradient" in on:
            np.testing.assert_allclose(point.vjp(e), point.vjp(point.residuals), atol=1e-10)
        if "inputs" in on:
            np.testing.assert_allclose(point.x.T @ e, point.x.T @ point.residuals, atol=1e-10)
        if point.net.loss == "cross_entropy":
            np.testing.assert_allclose(e.sum(axis=1), 0, atol=1e-12)
    sizes = [(residuals.space.unscaled(e) ** 2).sum() for e in draws]
    measured = (residuals.space.unscaled(point.residuals) ** 2).sum()
    assert abs(np.mean(sizes) - measured) < 4 * np.std(sizes) / np.sqrt(len(sizes)) + 1e-9


@pytest.mark.parametrize("name", POINTS)
def test_both_projections_agree(name):
    point = POINTS[name]
    space = ResidualSpace.of_point(point)
    dense = DenseProjection.of_point(point, BOTH, space)
    rng = np.random.default_rng(1)
    iterative = IterativeProjection(point, BOTH, space, tolerance=1e-12, rng=rng)
    u = space.noise(np.random.default_rng(0))
    np.testing.assert_allclose(iterative.project(u), dense.project(u), atol=1e-5)
    assert iterative.leak < 1e-6
    assert abs(iterative.rank - dense.rank) < max(3 * iterative.rank_error, 1e-6)


def test_rank_counts_symmetries_and_dead_units():
    point = network((4, 3, 5), activation="relu")
    space = ResidualSpace.of_point(point)
    # a scale moves between the two layers of each of the 3 units: 27 parameters, 24 directions
    assert DenseProjection.of_point(point, ("gradient",), space).rank == 24
    theta = point.theta.copy()
    first = theta[:12].reshape(3, 4)
    first[0] = 0.0
    x = np.abs(point.x)
    first[1] = -1.0  # never active
    dead = point.net.at(theta, x, point.y)
    assert DenseProjection.of_point(dead, ("gradient",), space).rank <= 8
    model = ConditionedHessian(dead, draws=2)
    assert (model.drawn == 0).mean() > 0.3
    assert model.law.mass_below(1e-300) - model.law.mass_below(0.0) > 0.3


def test_nothing_left_free_is_said():
    with pytest.raises(ValueError, match="leaves nothing free: it fixes 15 of the 15"):
        ConditionedHessian(network((4, 6, 3), samples=5))
    few = ConditionedHessian(network((4, 6, 3), samples=15), draws=2)
    assert few.is_marked
    assert few.free_share == pytest.approx(3 / 45)
    assert "nearly all measured" in repr(few)
    with pytest.raises(ValueError, match="on must name what is known"):
        ConditionedHessian(POINTS["tanh"], ())
    with pytest.raises(ValueError, match="unknown on 'weights'"):
        ConditionedHessian(POINTS["tanh"], ("weights",))
    with pytest.raises(TypeError, match="LossPoint"):
        ConditionedHessian(np.eye(3))
    with pytest.raises(ValueError, match="it has 27 eigenvalues, not 5"):
        ConditionedHessian(POINTS["tanh"]).sample(5)


@pytest.mark.parametrize("projection", ["dense", "iterative"])
def test_without_residuals_nothing_is_conditioned(projection):
    with pytest.raises(ValueError, match="all residuals are zero"):
        ConditionedHessian(network((3, 2, 1), loss="cross_entropy"), projection=projection)
    point = POINTS["tanh"]
    fit = point.net.at(point.theta, point.x, point.prediction)
    with pytest.raises(ValueError, match="all residuals are zero"):
        ConditionedHessian(fit, sizes="samples", projection=projection)
    for on in (("gradient",), ("gradient", "rotations")):
        drawn = ConditionedHessian(fit, on, projection=projection, draws=2).drawn
        np.testing.assert_array_equal(drawn[0], drawn[1])


@pytest.mark.parametrize("name", ["tanh", "softmax", "logistic"])
def test_a_point_whose_residuals_were_given_is_taken_for_what_it_is(name):
    point = POINTS[name]
    model = ConditionedHessian(point, draws=3)
    given = ConditionedHessian(with_residuals(point, point.residuals), draws=3)
    assert given.measured_numbers == model.measured_numbers
    assert given.free_share == model.free_share
    np.testing.assert_allclose(given.drawn, model.drawn, atol=1e-12)


def test_single_precision_keeps_residuals_that_were_given():
    point = POINTS["softmax"]
    single = point.net.at(
        point.theta.astype(np.float32), point.x.astype(np.float32), point.y.argmax(axis=1)
    )
    given = with_residuals(single, 2 * single.residuals)
    assert given.theta.dtype == np.float32
    double = in_double(given)
    assert double.theta.dtype == np.float64
    np.testing.assert_allclose(double.residuals, 2 * point.residuals, atol=1e-6)
    mean = ConditionedHessian(given, draws=3).mean()
    exact = ConditionedHessian(with_residuals(point, 2 * point.residuals), draws=3).mean()
    assert mean == pytest.approx(exact, abs=1e-5)


def test_options_that_contradict_residuals_or_condition_on_nothing_are_refused():
    model = ConditionedHessian(POINTS["tanh"], draws=2)
    with pytest.raises(ValueError, match="conditioned on gradient, not on inputs"):
        replace(model, on=("inputs",))
    assert replace(model, on=("inputs",), residuals=None).measured_numbers == 20 + 1
    with pytest.raises(ValueError, match="rank_tolerance must be below 1"):
        ConditionedHessian(POINTS["tanh"], rank_tolerance=1.0)
    with pytest.raises((TypeError, ValueError), match="seed"):
        ConditionedHessian(POINTS["tanh"], seed=None)


def test_two_draws_do_not_say_how_far_chance_varies():
    two = ConditionedHessian(POINTS["tanh"], draws=2).chance_level
    assert two.value > 0.0
    assert two.error == np.inf
    three = ConditionedHessian(POINTS["tanh"], draws=3).chance_level
    assert 0.0 < three.error < 1.0


def test_where_the_size_of_each_sample_is_known_little_is_left():
    for net in (MLP((4, 3, 1), loss="logistic"), MLP((4, 3, 2), loss="cross_entropy")):
        rng = np.random.default_rng(0)
        x, labels = rng.normal(size=(60, 4)), rng.integers(2, size=60)
        y = labels[:, None].astype(float) if net.loss == "logistic" else labels
        point = net.at(net.init(rng=1), x, y)
        model = ConditionedHessian(point, draws=2)
        assert model.measured_numbers > model.conditioned.space.dimension == 60
        assert model.is_marked
        assert not ConditionedHessian(point, sizes="alike", draws=2).is_marked


def test_an_estimated_rank_says_its_error():
    point = network((3, 3, 4), samples=40)
    exact = ConditionedHessian(point, draws=2)
    assert exact.free_share_error == exact.conditioned.sigma_error == 0.0
    assert "+-" not in repr(exact)
    space, off = ResidualSpace.of_point(point), []
    for seed in range(40):
        projection = IterativeProjection(
            point, ("gradient",), space, rng=np.random.default_rng(seed)
        )
        off.append((projection.rank - exact.conditioned.projection.rank) / projection.rank_error)
    assert 0.75 < np.std(off) < 1.3
    assert abs(np.mean(off)) < 4 / np.sqrt(40)
    found = ConditionedHessian(point, projection="iterative", draws=2)
    assert found.free_share_error > 0.0
    assert " +- " in repr(found)
    sigma, error = found.conditioned.sigma, found.conditioned.sigma_error
    assert 0.0 < abs(sigma - exact.conditioned.sigma) < 4 * error


def test_directions_that_are_seen_too_weakly_are_counted():
    """Saturated units: their slopes are 1 at few samples and 1e-5 at others."""
    plain = network((5, 6, 4), samples=40)
    theta = plain.theta.copy()
    theta[:30] *= 30
    point = plain.net.at(theta, plain.x, plain.y)
    space = ResidualSpace.of_point(point)
    exact = DenseProjection.of_point(point, ("gradient",), space)
    found = IterativeProjection(point, ("gradient",), space, rng=np.random.default_rng(0))
    off = []
    for seed in range(4):
        xi = space.noise(np.random.default_rng(seed))
        off.append(((exact.project(xi) - found.project(xi)) ** 2).sum())
    assert 1.0 < np.mean(off) < found.missed + 3 * np.sqrt(2 * found.missed)
    assert found.missed < np.mean(off) + 3 * np.sqrt(2 * np.mean(off))
    assert found.rank_error > found.missed
    assert (
        IterativeProjection(plain, ("gradient",), space, rng=np.random.default_rng(0)).missed < 0.01
    )


def test_a_rank_that_may_be_full_is_not_taken_for_less():
    point = network((5, 12, 4), samples=26, seed=0)
    with pytest.raises(ValueError, match="it fixes 104 of the 104"):
        ConditionedHessian(point, projection="dense")
    with pytest.raises(ValueError, match="that may be none; take projection='dense'"):
        ConditionedHessian(point, projection="iterative")


@pytest.mark.parametrize("scale", [1e-170, 1e170])
def test_inputs_out_of_the_range_of_squares_are_conditioned_on(scale):
    point = network((4, 3, 5), samples=30)
    far = point.net.at(np.zeros_like(point.theta), scale * point.x, point.y)
    known = ConditionedResiduals.of_point(far, ("inputs",), projection="dense")
    assert known.projection.rank == 20


def test_numbers_that_were_measured_are_counted():
    tanh, softmax = POINTS["tanh"], POINTS["softmax"]
    assert ConditionedHessian(tanh).measured_numbers == 27 + 1
    assert ConditionedHessian(softmax).measured_numbers == 27 - 3 + 30 + 1
    assert ConditionedHessian(softmax, sizes="alike").measured_numbers == 27 - 3 + 1


def test_the_mean_matrix_is_that_of_the_known_residuals():
    model = ConditionedHessian(POINTS["tanh"], BOTH)
    mean = np.mean([model.matrix(rng=seed) for seed in range(300)], axis=0)
    known = with_residuals(model.point, model.conditioned.known_residuals).hessian("total")
    spread = np.std([model.matrix(rng=seed) for seed in range(40)], axis=0)
    assert np.abs(mean - known).max() < 5 * spread.max() / np.sqrt(300)


def test_parts_and_quadratures_belong_together():
    model = ConditionedHessian(POINTS["softmax"], draws=3)
    h0 = model.part("gauss_newton")
    np.testing.assert_allclose(
        h0.sample(rng=0).nodes[0],
        np.linalg.eigvalsh(model.point.hessian("gauss_newton")),
        atol=1e-12,
    )
    assert h0.conditioned is model.conditioned
    assert h0.index() == 0.0
    assert float(h0.chance_level.value) == 0.0
    rows = model.lanczos(None, 27, rng=0, runs=2)
    assert rows.nodes.shape == (2, 27)
    exact = np.linalg.eigvalsh(model.draw(rng=_first_child(0)).hessian("total"))
    assert rows.nodes[0].min() == pytest.approx(exact.min(), abs=1e-8)
    assert rows.nodes[0].max() == pytest.approx(exact.max(), abs=1e-8)


def _first_child(seed):
    return np.random.default_rng(seed).spawn(1)[0].spawn(1)[0]


def test_critical_points_know_weights_inputs_and_energy_only():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 5)) / 2, rng.normal(size=(6, 4)) / 2
    x = rng.normal(size=(40, 5))
    model = ConditionedHessian.at_critical_point(weights, x, 0.3, activation="tanh", draws=3)
    assert model.measured_numbers == 1
    drawn = [model.draw(rng=seed) for seed in range(50)]
    assert np.abs(drawn[0].gradient).max() < 1e-12
    energies = [(point.residuals**2).mean() / 2 for point in drawn]
    assert abs(np.mean(energies) - 0.3) < 4 * np.std(energies) / np.sqrt(50)
    with pytest.raises(ValueError, match="shapes"):
        ConditionedHessian.at_critical_point(weights[::-1], x, 0.3)
    with pytest.raises(ValueError, match="epsilon"):
        ConditionedHessian.at_critical_point(weights, x, -0.3)


def test_a_trained_network_has_this_law_and_no_other():
    rng, net = np.random.default_rng(1), MLP((10, 12, 10), activation="tanh")
    x, y = rng.normal(size=(64, 10)), rng.normal(size=(64, 10))
    point = net.at(train(net, net.init(rng=2), x, y, energy=0.2).theta, x, y)
    measured = np.linalg.eigvalsh(point.hessian("total"))
    model = ConditionedHessian(point, BOTH)
    limit = 1.5 * float(model.chance_level.value) + 0.01
    assert _kolmogorov(measured, model.law) < limit
    assert abs(model.index() - (measured < 0).mean()) < 0.02
    unconditioned = [
        np.linalg.eigvalsh(
            with_residuals(point, np.sqrt(0.4) * rng.normal(size=y.shape)).hessian("total")
        )
        for _ in range(16)
    ]
    assert _kolmogorov(measured, EmpiricalLaw(np.ravel(unconditioned))) > 2 * limit


def _kolmogorov(eigenvalues, law):
    steps = np.arange(eigenvalues.size + 1) / eigenvalues.size
    return max(
        np.abs(law.cdf(eigenvalues) - steps[1:]).max(),
        np.abs(law.mass_below(eigenvalues) - steps[:-1]).max(),
    )


@pytest.mark.parametrize("name", POINTS)
def test_the_preconditioned_columns_span_what_the_jacobian_does(name):
    point = POINTS[name]
    space = ResidualSpace.of_point(point)
    root = KroneckerRoot.of_point(point, space.scales)
    p = point.theta.size
    square = np.array([root.apply(unit) for unit in np.eye(p)])
    np.testing.assert_allclose(square, square.T, atol=1e-10 * np.abs(square).max())
    assert np.linalg.eigvalsh(square)[0] > 0
    if space.sums_to_zero:
        return
    # the last layer's columns become orthonormal where they are independent
    last = next(block for block in point.net.blocks if block.name == f"W{point.net.depth}")
    columns = space.scaled(
        (point.jacobian() @ square)[:, last.slice].reshape(*point.residuals.shape, -1)
    ).reshape(point.residuals.size, -1)
    values = np.linalg.eigvalsh(columns.T @ columns)
    assert values == pytest.approx(np.where(values > 0.5, 1.0, 0.0), abs=1e-6)


def test_preconditioning_saves_steps():
    point = network((12, 12, 12), samples=48, activation="relu")
    space = ResidualSpace.of_point(point)
    u = space.noise(np.random.default_rng(0))
    with_root = IterativeProjection(point, ("gradient",), space)
    projected = with_root.project(u)
    known = DenseProjection.of_point(point, ("gradient",), space)
    assert np.linalg.norm(projected - known.project(u)) < 1e-3 * np.linalg.norm(u)
    columns = point.jacobian()
    plain = lsmr(columns, u.ravel(), atol=1e-5, btol=0.0, conlim=0.0, maxiter=3000)
    assert with_root.steps < 0.75 * plain[2]


@pytest.mark.parametrize("projection", ["dense", "iterative"])
def test_residuals_of_softmax_keep_what_lies_along_the_label(projection):
    point = network((4, 5, 6), samples=40, loss="cross_entropy")
    label = np.asarray(point.y) > 0.5
    model = ConditionedHessian(point, projection=projection, draws=2)
    drawn = model.draw(rng=0).residuals
    np.testing.assert_allclose(drawn.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(drawn[label], point.residuals[label], atol=1e-12)
    off = 1e-12 if projection == "dense" else 1e-3
    np.testing.assert_allclose(point.vjp(drawn), point.vjp(point.residuals), atol=off)
    assert np.abs(drawn - point.residuals).max() > 0.01
    residuals = model.conditioned
    assert residuals.space.dimension == 40 * 4
    size = np.mean([(model.draw(rng=i).residuals ** 2).sum() for i in range(15)])
    assert size == pytest.approx((point.residuals**2).sum(), rel=0.05)
    along = 6 / 5 * (point.residuals[label] ** 2).sum()
    assert along > 6 / 10 * (point.residuals**2).sum()  # n/(2n - 2)
    assert residuals.known_energy_share > along / (point.residuals**2).sum() - 0.05


@pytest.mark.parametrize("tiny", [1e-300, 1e-310])
def test_samples_that_are_nearly_certain_have_finite_residuals(tiny):
    e = np.array([[-tiny, tiny, 0.0], [-0.5, 0.2, 0.3], [0.0, 0.0, 0.0]])
    space = ResidualSpace.of_labels(e)
    u = space.unscaled(e)
    np.testing.assert_allclose(u, [[0, 0.5, -0.5], [0, -0.1, 0.1], [0, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(space.whole(space.known + u), e, atol=1e-15)
    assert space.dimension == 2


def test_what_is_no_label_is_not_taken_for_one():
    point = network((4, 5, 3), samples=40, loss="cross_entropy")
    soft = point.net.at(point.theta, point.x, 0.9 * np.asarray(point.y) + 0.1 / 3)
    two = network((4, 5, 2), samples=40, loss="cross_entropy")
    for other in (soft, two, POINTS["tanh"]):
        with pytest.raises(ValueError, match="targets that are labels, of three classes"):
            ConditionedHessian(other, sizes="labels")
    for other in (soft, two):
        assert ConditionedHessian(other).conditioned.space.directions is None
        np.testing.assert_array_equal(
            ConditionedHessian(other, draws=2).drawn,
            ConditionedHessian(other, sizes="samples", draws=2).drawn,
        )


def test_eigenvalues_at_the_weight_decay_are_there_exactly():
    net = MLP((4, 5, 3), loss="cross_entropy", weight_decay=1e-3)
    rng = np.random.default_rng(0)
    point = net.at(net.init(rng=1), rng.normal(size=(40, 4)), rng.integers(3, size=40))
    model = ConditionedHessian(point, draws=3)
    assert ((model.drawn == 1e-3).sum(axis=1) == 5).all()  # outputs moved together, by unit
    measured = np.linalg.eigvalsh(point.hessian("total"))
    at = np.sort(np.abs(measured - 1e-3))[:5]
    assert 0.0 < at.max() < 1e-15  # rounding that no distance may count
    without = np.delete(measured, np.argsort(np.abs(measured - 1e-3))[:5])
    law = EmpiricalLaw(model.drawn[model.drawn != 1e-3])
    assert kolmogorov(measured, model.law) == pytest.approx(
        kolmogorov(without, law) * without.size / measured.size, abs=1e-12
    )
