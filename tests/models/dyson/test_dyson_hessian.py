"""The Hessian law that knows first layer and data, against exact Hessians and other routes."""

import tracemalloc
import warnings

import numpy as np
import pytest

from rmtland.arrays import ArrayLibrary
from rmtland.models.dyson import blocks, unit_rays
from rmtland.models.dyson.dyson_hessian import DysonHessian
from rmtland.networks import MLP
from rmtland.networks.activation import activation as activation_of


def first_layer_and_data(n0, n1, m, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n1, n0)) / np.sqrt(n0), rng.normal(size=(m, n0)), rng


def eigenvalues(first, x, activation, outputs, epsilon, part, draws, rng):
    n1, n0 = first.shape
    net = MLP((n0, n1, outputs), activation=activation)
    rows = []
    for _ in range(draws):
        second = rng.normal(size=(outputs, n1)) / np.sqrt(n1)
        theta = np.concatenate([first.ravel(), second.ravel()])
        noise = rng.normal(size=(len(x), outputs)) * np.sqrt(2 * epsilon)
        rows.append(
            np.linalg.eigvalsh(net.at(theta, x, net.predict(theta, x) - noise).hessian(part))
        )
    return np.array(rows)


def error_of(model, nodes, eta=0.05):
    x = np.linspace(*np.quantile(nodes, [0.001, 0.995]), 33)
    measured = (eta / np.pi / ((x[:, None] - nodes.ravel()) ** 2 + eta**2)).mean(axis=1)
    return np.abs(model.smoothed_pdf(x, eta=eta) - measured).max() / measured.max()


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "bound"), [("relu", 0.035), ("tanh", 0.05)])
def test_measured_hessians(activation, bound):
    first, x, rng = first_layer_and_data(12, 12, 48, 0)
    nodes = eigenvalues(first, x, activation, 12, 0.5, "total", 40, rng)
    model = DysonHessian.of_first_layer(
        first, x, outputs=12, epsilon=0.5, activation=activation, rng=0
    )
    assert error_of(model, nodes) < bound
    assert model.index() == pytest.approx((nodes < 0).mean(), abs=0.006)
    # Levels that leave out the second derivatives or the coupling are worse.
    if activation == "tanh":
        flat = DysonHessian.of_first_layer(
            first, x, outputs=12, epsilon=0.5, activation=activation, curvature=False, rng=0
        )
        assert error_of(flat, nodes) > bound


@pytest.mark.parametrize("part", ["gauss_newton", "residual"])
def test_measured_parts_of_a_rectangular_network(part):
    first, x, rng = first_layer_and_data(9, 12, 50, 1)
    nodes = eigenvalues(first, x, "erf", 15, 0.3, part, 40, rng)
    model = DysonHessian.of_first_layer(
        first, x, outputs=15, epsilon=0.3, activation="erf", part=part, rng=0
    )
    assert error_of(model, nodes) < (0.015 if part == "gauss_newton" else 0.06)
    assert model.parameter_count == nodes.shape[1]


def test_linear_network_is_a_mixture_over_the_second_layer():
    # J J^T / m = 1 (x) h^T h / m + W2 W2^T (x) X^T X / m: its law is an average over w ~ MP(1),
    # here with W2 averaged over many draws, at n2 large, where sizes of W2^T W2 do not fluctuate.
    first, x, rng = first_layer_and_data(4, 5, 20, 2)
    outputs, z = 400, 0.6 + 0.2j
    model = DysonHessian.of_first_layer(
        first, x, outputs=outputs, epsilon=0.0, activation="linear", part="gauss_newton"
    )
    h = first @ x.T
    total = 0j
    second = rng.normal(size=(outputs, 5)) / np.sqrt(5)
    levels = np.concatenate([np.linalg.eigvalsh(second.T @ second), np.zeros(outputs - 5)])
    for w in levels:
        total += np.sum(1 / (z - np.linalg.eigvalsh(h.T @ h / 20 + w * x @ x.T / 20)))
    zeros = model.parameter_count - outputs * 20
    value = (total + zeros / z) / model.parameter_count
    assert model.stieltjes(z) == pytest.approx(value, rel=0.01)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("part", ["total", "gauss_newton", "residual"])
def test_moments_from_far_away(activation, part):
    first, x, _ = first_layer_and_data(3, 4, 10, 3)
    model = DysonHessian.of_first_layer(
        first, x, outputs=2, epsilon=0.4, activation=activation, part=part, rng=0
    )
    z = 300.0j
    g = model.solve(z, tolerance=1e-14).value
    assert (z * g - 1) * z == pytest.approx(model.mean(), abs=0.05)
    assert ((z * g - 1) * z).real == pytest.approx(model.mean(), abs=1e-3)


def test_potential_is_the_integral_of_the_stieltjes_transform():
    first, x, _ = first_layer_and_data(5, 4, 12, 4)
    for part in ("total", "gauss_newton", "residual"):
        for coupling in ("full", "units"):
            model = DysonHessian.of_first_layer(
                first, x, outputs=6, epsilon=0.4, part=part, coupling=coupling, rng=0
            )
            steps = 1e-4 * np.array([-1.0, 1.0])
            levels = model.smoothed_cdf(0.3 + steps, eta=0.1)
            slope = (levels[1] - levels[0]) / 2e-4
            assert slope == pytest.approx(model.smoothed_pdf(0.3, eta=0.1), rel=1e-5)
            assert model.smoothed_cdf(1e5, eta=0.1) == pytest.approx(1.0, abs=1e-5)
            assert model.smoothed_cdf(-1e5, eta=0.1) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("part", ["total", "gauss_newton", "residual"])
@pytest.mark.parametrize("coupling", ["full", "units", "free_slopes"])
def test_units_of_the_data_do_not_matter(part, coupling):
    first, x, _ = first_layer_and_data(4, 3, 9, 1)
    found = []
    for scale in (1.0, 1e-6, 1e6):
        model = DysonHessian.of_first_layer(
            first,
            scale * x,
            outputs=5,
            epsilon=scale**2 / 2,
            activation="relu",
            part=part,
            coupling=coupling,
        )
        places, eta = scale**2 * np.array([-1e4, -1.0, 0.2, 2.0, 1e4]), 0.05 * scale**2
        density = scale**2 * model.smoothed_pdf(places, eta=eta)
        found.append(np.concatenate([density, model.smoothed_cdf(places, eta=eta)]))
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-5)


def test_solution_solves_the_equation_written_out():
    first, x, rng = first_layer_and_data(3, 4, 7, 5)
    n1, n0, m, n2 = 4, 3, 7, 5
    epsilon, z = 0.3, 0.4 + 0.1j
    root = rng.normal(size=(n1, n1)) / 4
    sigma, shares = root @ root.T + np.eye(n1) / 8, rng.random(m) + 0.5
    f = activation_of("tanh")
    h = f.value(first @ x.T)
    slopes = f.slope(first @ x.T, h)
    curvatures = rng.normal(size=(n1, m))
    model = DysonHessian(
        h,
        slopes,
        x,
        n2,
        epsilon,
        second_layer=sigma,
        residual_weights=shares,
        curvatures=curvatures,
    )
    equation = model.equation
    blocks = equation.fixed_point(z, None, 1e-13).blocks
    (wide,) = equation.inner_blocks(z, blocks.a, blocks.s)
    b = wide.b.reshape(n1, n0, n1, n0)
    r = 2 * epsilon * shares
    s_a = np.einsum("u,ju,ku,ua,jakb,ub->jk", r, slopes, slopes, x, b, x) / m**2
    s_s = np.einsum("jk,ju,kv,ua,jakb,vb->uv", sigma, slopes, slopes, x, b, x) / m
    s_b = n2 / m**2 * np.einsum("jk,u,ju,ku,ua,ub->jakb", blocks.a, r, slopes, slopes, x, x)
    s_b += n2 / m * np.einsum("jk,ju,kv,uv,ua,vb->jakb", sigma, slopes, slopes, blocks.s, x, x)
    center = np.einsum("jk,ju,ua,ub->jakb", np.eye(n1), curvatures, x, x) / m
    inner = z * np.eye(n1 * n0) - (center + s_b).reshape(n1 * n0, n1 * n0)
    assert inner @ b.reshape(n1 * n0, n1 * n0) == pytest.approx(np.eye(n1 * n0), abs=1e-9)
    outer = np.block(
        [[z * np.eye(n1) - s_a, -h / np.sqrt(m)], [-h.T / np.sqrt(m), np.eye(m) - s_s]]
    )
    inverse = np.linalg.inv(outer)
    assert blocks.a == pytest.approx(inverse[:n1, :n1], abs=1e-9)
    assert blocks.s == pytest.approx(inverse[n1:, n1:], abs=1e-9)
    g = (n2 * np.trace(blocks.a) + np.einsum("jaja", b)) / (n1 * n2 + n0 * n1)
    assert model.stieltjes(z) == pytest.approx(g, rel=1e-8)


def test_units_decouple_exactly_for_one_part_alone():
    first, x, _ = first_layer_and_data(4, 5, 15, 6)
    arguments = {"outputs": 6, "epsilon": 0.4, "activation": "relu"}
    z = np.array([0.1, 0.5, 1.5]) + 0.1j
    values = {}
    for coupling in ("full", "units"):
        for part in ("gauss_newton", "residual", "total"):
            model = DysonHessian.of_first_layer(
                first, x, part=part, coupling=coupling, **arguments, rng=0
            )
            values[coupling, part] = model.stieltjes(z)
    for part in ("gauss_newton", "residual"):
        assert values["full", part] == pytest.approx(values["units", part], rel=1e-7)
    assert np.abs(values["full", "total"] - values["units", "total"]).max() > 1e-3
    # A covariance matrix that is diagonal takes the general route to the same value.
    model = DysonHessian.of_first_layer(
        first, x, part="gauss_newton", second_layer=np.eye(5) / 5, **arguments, rng=0
    )
    assert model.stieltjes(z) == pytest.approx(values["full", "gauss_newton"], rel=1e-7)


def test_density_at_the_axis_states_its_error():
    first, x, _ = first_layer_and_data(6, 6, 24, 7)
    model = DysonHessian.of_first_layer(first, x, outputs=6, epsilon=0.5, activation="relu")
    places = np.array([-0.3, 0.25, 1.0])
    solution = model.density(places)
    exact = model.density(places, eta=0.005, heights=5).value
    assert (np.abs(solution.value - exact) <= 2 * solution.error + 1e-5).all()
    assert (solution.error < 0.02 * exact.max()).all()


@pytest.mark.slow
def test_point_of_a_network():
    net = MLP((12, 12, 12), activation="tanh")
    rng = np.random.default_rng(3)
    x, theta = rng.normal(size=(48, 12)), net.init(rng=1)
    # Residuals that are independent of the weights, as the theory takes them to be.
    point = net.at(theta, x, net.predict(theta, x) - rng.normal(size=(48, 12)))
    model = DysonHessian.of_point(point)
    split = point.hessian()
    assert model.epsilon == pytest.approx(np.mean(np.asarray(point.residuals) ** 2) / 2)
    nodes = np.linalg.eigvalsh(split.total)
    # One matrix of 288 eigenvalues: distance of distribution functions.
    grid = np.linspace(nodes[0], nodes[-1], 15)
    measured = np.mean(0.5 + np.arctan((grid[:, None] - nodes) / 0.05) / np.pi, axis=1)
    assert model.smoothed_cdf(grid, eta=0.05) == pytest.approx(measured, abs=0.015)
    assert model.part("residual").mean() == pytest.approx(np.trace(split.residual) / 288, rel=1e-9)


def test_units_may_be_treated_a_few_at_a_time(monkeypatch):
    first, x, _ = first_layer_and_data(4, 5, 15, 6)
    options = {"outputs": 6, "epsilon": 0.4, "activation": "tanh", "coupling": "units"}
    model = DysonHessian.of_first_layer(first, x, **options, rng=0)
    whole = model.stieltjes(0.2 + 0.1j), model.smoothed_cdf(0.2, eta=0.1), model.memory
    monkeypatch.setattr(unit_rays, "_WORKSPACE", 130)  # two units
    again = DysonHessian.of_first_layer(first, x, **options, rng=0)
    assert again.memory < whole[2]
    assert again.stieltjes(0.2 + 0.1j) == pytest.approx(whole[0], rel=1e-9)
    assert again.smoothed_cdf(0.2, eta=0.1) == pytest.approx(whole[1], rel=1e-9)


@pytest.mark.parametrize("part", ["total", "gauss_newton"])
def test_a_start_from_free_slopes_saves_steps(monkeypatch, part):
    first, x, _ = first_layer_and_data(6, 6, 24, 6)
    model = DysonHessian.of_first_layer(first, x, outputs=6, epsilon=0.4, part=part, rng=0)
    z = 0.3 + 0.05j
    plain = model.solve(z)
    monkeypatch.setattr(blocks, "_LARGE", 0)
    ahead = model.solve(z)
    assert ahead.value == pytest.approx(plain.value, rel=1e-7)
    if part == "gauss_newton":
        assert ahead.steps < plain.steps


def test_memory_is_stated_and_respected(monkeypatch):
    first, x, _ = first_layer_and_data(8, 8, 32, 6)
    sizes = []
    for coupling in ("full", "units", "free_slopes"):
        model = DysonHessian.of_first_layer(
            first, x, outputs=8, epsilon=0.4, coupling=coupling, rng=0
        )
        model.stieltjes(1.0 + 0.5j)
        tracemalloc.start()
        model = DysonHessian.of_first_layer(
            first, x, outputs=8, epsilon=0.4, coupling=coupling, rng=0
        )
        model.smoothed_cdf([0.0, 0.1], eta=0.3)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert used < model.memory + 2**20 < 10 * used + 2**20
        sizes.append(model.memory)
    monkeypatch.setattr(ArrayLibrary, "free_memory", lambda self: sizes[0] - 1)
    full = DysonHessian.of_first_layer(first, x, outputs=8, epsilon=0.4, rng=0)
    with pytest.raises(MemoryError, match="coupling 'units' or 'free_slopes'"):
        full.smoothed_pdf(1.0, eta=0.5)
    monkeypatch.setattr(ArrayLibrary, "free_memory", lambda self: 1000)
    with pytest.raises(MemoryError, match="fewer samples"):
        model.smoothed_pdf(1.0, eta=0.5)


def test_progress_is_told(capsys):
    first, x, _ = first_layer_and_data(3, 4, 10, 3)
    model = DysonHessian.of_first_layer(first, x, outputs=2, epsilon=0.4, rng=0)
    seen = []
    model.smoothed_pdf(
        [0.0, 1.0, 2.0], eta=0.3, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    model.smoothed_cdf([0.0, 1.0], eta=0.3, progress=lambda done, total: seen.append((done, total)))
    assert seen[3:] == [(1, 2), (2, 2)]
    assert capsys.readouterr() == ("", "")


def test_arguments_are_checked():
    h, x = np.ones((3, 5)), np.ones((5, 2))
    with pytest.raises(ValueError, match="hidden units"):
        DysonHessian(h, np.ones((3, 4)), x, 2, 0.1)
    with pytest.raises(ValueError, match="part"):
        DysonHessian(h, h, x, 2, 0.1, part_name="half")
    with pytest.raises(ValueError, match="second_layer"):
        DysonHessian(h, h, x, 2, 0.1, second_layer=np.ones(4))
    with pytest.raises(ValueError, match="positive semi-definite"):
        DysonHessian(h, h, x, 2, 0.1, second_layer=-np.eye(3))
    with pytest.raises(ValueError, match="residual_weights"):
        DysonHessian(h, h, x, 2, 0.1, residual_weights=-np.ones(5))
    with pytest.raises(ValueError, match="Im z > 0"):
        DysonHessian(h, h, x, 2, 0.1).stieltjes(1.0)
    with pytest.raises(ValueError, match="column"):
        DysonHessian.of_first_layer(np.ones((3, 4)), x, outputs=2, epsilon=0.1, rng=0)
    net = MLP((2, 3, 3, 2))
    point = net.at(net.init(rng=0), x, x)
    with pytest.raises(ValueError, match="one hidden layer"):
        DysonHessian.of_point(point)


def test_residuals_that_depend_on_each_other_between_samples():
    rng = np.random.default_rng(11)
    n, m, epsilon, eta = 10, 30, 0.5, 0.1
    first, x = rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=(m, n))
    z = first @ x.T
    h, d = np.maximum(z, 0), (z > 0).astype(float)
    root = np.linalg.qr(x)[0] * np.sqrt(m / n)  # all residuals in the span of the inputs
    covariance = root @ root.T
    grid = np.linspace(-1.5, 2.0, 15)
    densities = []
    for _ in range(150):
        e = rng.normal(size=(n, n)) @ root.T * np.sqrt(2 * epsilon)
        blocks = np.linalg.svd((e * d[:, None]) @ x / m, compute_uv=False).ravel()
        values = np.concatenate([blocks, -blocks])
        densities.append((eta / np.pi / ((grid[:, None] - values) ** 2 + eta**2)).mean(axis=1))
    measured = np.mean(densities, axis=0)
    known, unknown = (
        DysonHessian(h, d, x, n, epsilon, part_name="residual", residual_weights=weights)
        for weights in (covariance, None)
    )
    error = np.abs(known.smoothed_pdf(grid, eta=eta) - measured).max() / measured.max()
    assert error < 0.06
    other = np.abs(unknown.smoothed_pdf(grid, eta=eta) - measured).max() / measured.max()
    assert other > 3 * error


def test_a_diagonal_covariance_of_residuals_is_a_vector_of_variances():
    rng = np.random.default_rng(1)
    h, d, x = rng.normal(size=(3, 7)), rng.normal(size=(3, 7)), rng.normal(size=(7, 4))
    r = rng.uniform(0.5, 2, 7)
    for coupling in ("full", "units"):
        vector, matrix = (
            DysonHessian(h, d, x, 2, 0.4, residual_weights=weights, coupling=coupling)
            for weights in (r, np.diag(r))
        )
        z = np.array([0.1 + 0.2j, 1.0 + 0.05j])
        assert matrix.stieltjes(z) == pytest.approx(vector.stieltjes(z), rel=1e-7)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.eye(6), "7 variances or a matrix"),
        (-np.eye(7), "positive semi-definite"),
        (np.triu(np.ones((7, 7))), "symmetric"),
        (-np.ones(7), ">= 0"),
    ],
)
def test_bad_covariances_of_residuals(weights, words):
    rng = np.random.default_rng(1)
    h, d, x = rng.normal(size=(3, 7)), rng.normal(size=(3, 7)), rng.normal(size=(7, 4))
    with pytest.raises(ValueError, match=words):
        DysonHessian(h, d, x, 2, 0.4, residual_weights=weights)
    with pytest.raises(ValueError, match="free slopes"):
        DysonHessian(h, d, x, 2, 0.4, residual_weights=np.eye(7), coupling="free_slopes")


def test_old_names_of_fields_warn_where_they_are_used():
    """At the line that calls, through all wrappers: Python hides what other modules warn of."""
    rng = np.random.default_rng(0)
    fields = (*rng.normal(size=(2, 2, 6)), rng.normal(size=(6, 2)), 2, 0.3)
    bent = rng.normal(size=(2, 6))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DeprecationWarning)
        model = DysonHessian(*fields, part="residual", bends=bent)
        old = model.bends
    assert [str(one.message).partition("; ")[0] for one in caught] == [
        "DysonHessian: the argument 'part' is now called 'part_name'",
        "DysonHessian: the argument 'bends' is now called 'curvatures'",
        "DysonHessian.bends is now called curvatures",
    ]
    assert {one.filename for one in caught} == {__file__}
    np.testing.assert_array_equal(old, bent)
    np.testing.assert_array_equal(model.curvatures, bent)
    with pytest.raises(TypeError, match="give 'curvatures' only; 'bends' is its old name"):
        DysonHessian(*fields, bends=bent, curvatures=bent)
