"""Products with J and H, kernels and Fisher matrices, against dense matrices; data in chunks."""

import pickle

import numpy as np
import pytest
from network_cases import (
    CASES,
    NetworkCase,
    reference_gauss_newton,
    reference_gradient,
    reference_hessian,
    reference_jacobian,
)

from rmtland.networks import MLP
from rmtland.networks.derivatives import products
from rmtland.networks.derivatives.elementwise import add_and_scale, pull_through, rows_of, scale

CASE = NetworkCase((3, 5, 4, 2), "gelu", True, 7, loss="cross_entropy", weight_decay=0.1)


def close(actual, expected, tolerance=1e-12):
    scale = np.abs(expected).max() + 1e-2
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_products_are_those_of_the_dense_matrices(case):
    point, rng = case.point, np.random.default_rng(case.seed)
    total, gauss_newton = reference_hessian(case), reference_gauss_newton(case)
    jacobian = reference_jacobian(case)
    v = rng.standard_normal((len(case.theta), 3))
    u = rng.standard_normal((len(jacobian), 2))
    for one, many in ((v[:, 0], v), (v[:, 1], v[:, 1:2])):
        close(point.hvp(many), total @ many)
        close(point.hvp(one), total @ one)
        close(point.gauss_newton_vp(many), gauss_newton @ many)
        close(point.gauss_newton_vp(one), gauss_newton @ one)
        close(point.residual_vp(many), (total - gauss_newton) @ many, 1e-11)
        close(point.residual_vp(one), (total - gauss_newton) @ one, 1e-11)
        close(point.jvp(many), jacobian @ many)
        close(point.jvp(one), jacobian @ one)
    close(point.vjp(u), jacobian.T @ u)
    close(point.vjp(u[:, 0]), jacobian.T @ u[:, 0])
    close(point.vjp(u[:, 0].reshape(case.samples, -1)), jacobian.T @ u[:, 0])
    close(point.ntk(), jacobian @ jacobian.T)


SMOOTH = [case for case in CASES if case.activation not in ("relu", "leaky_relu")]


@pytest.mark.parametrize("case", SMOOTH[::4], ids=str)
def test_product_against_finite_differences_of_the_reference_gradient(case):
    v = np.random.default_rng(case.seed).standard_normal(len(case.theta))
    h = 1e-5
    high, low = (reference_gradient(case, case.theta + sign * h * v) for sign in (1, -1))
    close(case.point.hvp(v), (high - low) / (2 * h), 1e-6)


@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_chunks_of_samples_change_nothing(case):
    whole, chunked = case.point, case.net.at(case.theta, case.x, case.y, chunk=2)
    v = np.random.default_rng(0).standard_normal((len(case.theta), 2))
    u = np.random.default_rng(1).standard_normal(case.samples * case.widths[-1])
    assert chunked.loss == pytest.approx(whole.loss, rel=1e-14)
    for name in ("gradient", "prediction", "residuals"):
        close(getattr(chunked, name), getattr(whole, name), 1e-13)
    for name in ("jacobian", "ntk", "sample_gradients", "fisher"):
        close(getattr(chunked, name)(), getattr(whole, name)(), 1e-13)
    for name in ("hvp", "gauss_newton_vp", "residual_vp", "jvp"):
        close(getattr(chunked, name)(v), getattr(whole, name)(v), 1e-13)
    close(chunked.vjp(u), whole.vjp(u), 1e-13)
    close(chunked.fisher("empirical"), whole.fisher("empirical"), 1e-13)
    split, expected = chunked.hessian(), whole.hessian()
    close(split.gauss_newton, expected.gauss_newton, 1e-13)
    close(split.residual, expected.residual, 1e-13)
    np.testing.assert_array_equal(split.total, split.total.T)
    for mine, theirs in zip(chunked.layers, whole.layers, strict=True):
        close(mine[0], theirs[0], 1e-14)
        close(mine[1], theirs[1], 1e-14)


def test_memory_maps_and_anything_that_slices(tmp_path):
    case = NetworkCase((3, 5, 2), "tanh", True, 50)
    path = tmp_path / "x.npy"
    np.save(path, (10 * case.x).astype(np.int16))
    x = np.load(path, mmap_mode="r")
    expected = case.net.at(case.theta, np.asarray(x), case.y)

    class Sliced:
        shape, dtype, largest = x.shape, x.dtype, 0

        def __getitem__(self, rows):
            self.largest = max(self.largest, len(x[rows]))
            return x[rows]

    sliced = Sliced()
    for source in (x, sliced):
        point = case.net.at(case.theta, source, case.y, chunk=7)
        assert point.loss == pytest.approx(expected.loss, rel=1e-14)
        close(point.gradient, expected.gradient, 1e-13)
        close(point.hessian().total, expected.hessian().total, 1e-13)
        close(case.net.predict(case.theta, source), expected.prediction, 1e-14)
    close(case.net.at(case.theta, x, case.y).gradient, expected.gradient, 1e-13)
    bad = case.x.copy()
    bad[30, 1] = np.nan
    with pytest.raises(ValueError, match="x in rows 28 to 34 holds 1 NaN"):
        _ = case.net.at(case.theta, bad, case.y, chunk=7).loss


@pytest.mark.parametrize("part", ["total", "gauss_newton", "residual"])
def test_linear_operator(part):
    matrix, operator = CASE.point.hessian(part), CASE.point.operator(part)
    p = len(matrix)
    assert operator.shape == (p, p)
    assert operator.dtype == np.float64
    v = np.random.default_rng(0).standard_normal((p, 4))
    close(operator @ v, matrix @ v)
    close(operator @ v[:, 0], matrix @ v[:, 0])
    close(operator.matmat(v[:, :1]), matrix @ v[:, :1])
    close(operator.rmatvec(v[:, 0]), matrix @ v[:, 0])
    close(operator.T @ v, matrix @ v)
    from scipy.sparse.linalg import eigsh

    top = eigsh(operator, k=2, return_eigenvectors=False, v0=v[:, 0])
    largest = sorted(np.linalg.eigvalsh(matrix), key=abs)[-2:]
    np.testing.assert_allclose(sorted(top), sorted(largest), rtol=1e-8)


def test_fisher_matrices():
    point = CASE.point
    gradients = point.sample_gradients()
    close(gradients.mean(axis=0) + 0.1 * CASE.theta, point.gradient, 1e-13)
    close(point.fisher("empirical"), gradients.T @ gradients / CASE.samples, 1e-14)
    p = len(CASE.theta)
    close(point.fisher(), reference_gauss_newton(CASE) - 0.1 * np.eye(p))
    sampled = point.fisher("sampled", draws=4000, rng=0)
    assert np.abs(sampled - point.fisher()).max() < 0.1 * np.abs(point.fisher()).max()
    np.testing.assert_array_equal(sampled, point.fisher("sampled", draws=4000, rng=0))
    with pytest.raises(ValueError, match="unknown kind 'true'; choose one of exact, empirical"):
        point.fisher("true")
    with pytest.raises(ValueError, match="draws must be an integer of at least 1"):
        point.fisher("sampled", draws=0)


@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_the_plain_product_is_the_one_of_many_vectors(monkeypatch, case):
    v = np.random.default_rng(0).standard_normal(len(case.theta))
    names = ("hvp", "gauss_newton_vp", "residual_vp")
    plain = [getattr(case.point, name)(v) for name in names]
    for room in ("networks.derivatives.products", "networks.loss_products"):
        monkeypatch.setattr(f"rmtland.{room}.is_small", lambda samples, widths: False)
    for name, expected in zip(names, plain, strict=True):
        close(getattr(case.point, name)(v), expected, 1e-14)


@pytest.mark.parametrize("case", CASES[::2], ids=str)
def test_diagonals_are_those_of_the_dense_matrices(case):
    total, gauss_newton = reference_hessian(case), reference_gauss_newton(case)
    for point in (case.point, case.net.at(case.theta, case.x, case.y, chunk=2)):
        close(point.hessian_diagonal(), np.diag(total))
        close(point.hessian_diagonal("gauss_newton"), np.diag(gauss_newton))
        close(point.hessian_diagonal("residual"), np.diag(total - gauss_newton), 1e-11)


def test_diagonals_in_small_workspaces_and_their_refusals(monkeypatch):
    whole = CASE.point.hessian_diagonal()
    monkeypatch.setattr("rmtland.networks.derivatives.hessian.WORKSPACE", 1)
    close(CASE.point.hessian_diagonal(), whole, 1e-14)
    with pytest.raises(ValueError, match="unknown part 'half'; choose one of gauss_newton"):
        CASE.point.hessian_diagonal("half")
    point = MLP((1, 1, 1), activation="linear").at([1e-200, 1e200], [[1.0]], [[0.0]])
    with pytest.raises(ValueError, match="the diagonal overflows"):
        point.hessian_diagonal()


@pytest.mark.parametrize("chunk", [None, 2])
@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_fisher_operators_are_the_dense_matrices(case, chunk):
    point = case.net.at(case.theta, case.x, case.y, chunk=chunk)
    v = np.random.default_rng(0).standard_normal((len(case.theta), 3))
    options = {"draws": 2, "rng": 5}
    for kind, chosen in (("exact", {}), ("empirical", {}), ("sampled", options)):
        matrix, operator = case.point.fisher(kind, **chosen), point.fisher_operator(kind, **chosen)
        close(operator @ v, matrix @ v)
        close(operator @ v[:, 0], matrix @ v[:, 0])
        close(operator @ v[:, 0], operator @ v[:, 0], 0.0)  # targets are drawn once


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("W2", ["W2"]),
        ("W*", ["W1", "W2", "W3"]),
        ("?[13]", ["W1", "b1", "W3", "b3"]),
        (("b3", "W1"), ["W1", "b3"]),
        (["*"], ["W1", "b1", "W2", "b2", "W3", "b3"]),
    ],
)
def test_operators_of_some_layers_are_submatrices(patterns, names):
    point = CASE.point
    kept = np.concatenate([np.arange(b.start, b.stop) for b in CASE.net.blocks if b.name in names])
    v = np.random.default_rng(0).standard_normal((len(kept), 4))
    for part in ("gauss_newton", "residual", "total"):
        block = point.hessian(part)[np.ix_(kept, kept)]
        operator = point.operator(part, parameters=patterns)
        assert operator.shape == block.shape
        close(operator @ v, block @ v)
        close(operator.matvec(v[:, 0]), block @ v[:, 0])
        close(operator.rmatvec(v[:, 0]), block @ v[:, 0])
    block = point.fisher("empirical")[np.ix_(kept, kept)]
    close(point.fisher_operator("empirical", parameters=patterns).matmat(v), block @ v)


def test_operators_can_be_pickled_and_refuse_unknown_layers():
    point = CASE.point
    v = np.random.default_rng(0).standard_normal(len(CASE.theta))
    for operator in (point.operator("residual"), point.fisher_operator("sampled", rng=3)):
        again = pickle.loads(pickle.dumps(operator))
        np.testing.assert_array_equal(again @ v, operator @ v)
        assert again.dtype == np.float64
    with pytest.raises(ValueError, match="no parameter block fits 'W4'; there are W1, b1, W2"):
        point.operator(parameters=["W1", "W4"])
    with pytest.raises(ValueError, match="parameters names no block"):
        point.operator(parameters=())
    with pytest.raises(ValueError, match="unknown kind 'half'; choose one of exact"):
        point.fisher_operator("half")
    with pytest.raises(ValueError, match="v holds 54 NaN"):
        NetworkCase((3, 5, 4, 2), "tanh", True, 7).point.fisher_operator("empirical") @ np.full(
            54, np.nan
        )


def test_small_groups_of_vectors_change_nothing(monkeypatch):
    v = np.random.default_rng(0).standard_normal((len(CASE.theta), 5))
    expected = [CASE.point.hvp(v), CASE.point.jvp(v)]
    monkeypatch.setattr(products, "TANGENTS_AT_ONCE", 2 * 7 * 5)
    close(CASE.point.hvp(v), expected[0], 1e-14)
    close(CASE.point.jvp(v), expected[1], 1e-14)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_kept_buffers(monkeypatch, activation, bias):
    case = NetworkCase((4, 6, 5, 3), activation, bias, 30)
    v = np.random.default_rng(0).standard_normal((len(case.theta), 3))
    names = ("hvp", "gauss_newton_vp", "residual_vp", "jvp")
    expected = {name: getattr(case.point, name)(v) for name in names}
    monkeypatch.setattr("rmtland.networks.derivatives.r_operator.LARGE", 1)
    point = case.net.at(case.theta, case.x, case.y)
    kept = {}
    for _ in range(3):  # the second time buffers are used again
        for name in names:
            kept.setdefault(name, []).append(getattr(point, name)(v))
            getattr(point, name)(v[:, 0])
            getattr(point, name)(-v[:, :2])
    for name in names:
        for result in kept[name]:  # results are not overwritten by later products
            close(result, expected[name], 1e-14)
    assert point._whole.workspaces


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_entry_wise_steps_are_their_formulas(dtype):
    rng = np.random.default_rng(0)
    first, second, tangent = rng.standard_normal((3, 40, 2, 7)).astype(dtype)
    slope, second_order = rng.standard_normal((2, 40, 7)).astype(dtype)
    wide, curved = slope[:, None], second_order[:, None] * tangent
    total = first + second
    for found, expected in (
        (scale(first, slope), wide * first),
        (scale(first, slope, np.empty_like(first)), wide * first),
        (add_and_scale(first.copy(), second.copy(), slope)[0], total),
        (add_and_scale(first.copy(), second.copy(), slope)[1], wide * total),
        (
            pull_through(first.copy(), second.copy(), slope, second_order, tangent),
            wide * total + curved,
        ),
        (pull_through(None, second.copy(), slope, second_order, tangent), wide * second + curved),
        (pull_through(first.copy(), None, slope, None, None), wide * first),
        (pull_through(None, None, slope, second_order, tangent), curved),
        (rows_of(curved[:, 0]), curved[:, 0].T),
    ):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)
    assert rows_of(tangent[:, 0]).flags.c_contiguous
    assert pull_through(None, None, slope, None, None) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.hvp(np.zeros(3)), r"v must have shape \(54,\), or \(54, k\).*got \(3,\)"),
        (lambda p: p.hvp(np.zeros((3, 54))), r"got \(3, 54\)"),
        (lambda p: p.hvp(np.full(54, np.nan)), "v holds 54 NaN"),
        (lambda p: p.residual_vp(np.full((54, 2), np.inf)), "v holds infinite"),
        (lambda p: p.jvp(np.full(54, np.nan)), "v holds 54 NaN"),
        (lambda p: p.hvp(np.zeros((54, 0))), "v is empty"),
        (lambda p: p.vjp(np.zeros(3)), r"u must have shape \(14,\), \(7, 2\) or \(14, k\)"),
        (lambda p: p.vjp(np.full(14, np.nan)), "u holds 14 NaN"),
        (lambda p: p.hvp(np.full(54, 1e308)), "the product overflows"),
    ],
)
def test_bad_vectors(call, message):
    with pytest.raises(ValueError, match=message):
        call(NetworkCase((3, 5, 4, 2), "tanh", True, 7).point)


def test_products_of_one_layer_and_one_sample():
    net = MLP((2, 1))
    point = net.at([1.0, 2.0], [[3.0, 4.0]], [[1.0]])
    np.testing.assert_array_equal(point.hvp([1.0, 0.0]), [9.0, 12.0])
    np.testing.assert_array_equal(point.residual_vp([1.0, 0.0]), [0.0, 0.0])
    np.testing.assert_array_equal(point.vjp([[2.0]]), [6.0, 8.0])
