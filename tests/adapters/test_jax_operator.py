"""Products with JAX losses against dense Hessians and against our own networks."""

import itertools
import sys

import numpy as np
import pytest
from scipy.special import softmax

from rmtland import Semicircle, Spectrum
from rmtland.adapters import from_jax
from rmtland.networks import MLP

jax = pytest.importorskip("jax", reason="needs JAX: pip install 'rmtland[jax]'")
jnp = jax.numpy
NET = MLP((3, 4, 2), bias=True)
THETA = NET.init(rng=0)
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((7, 3)), RNG.standard_normal((7, 2))
W1, B1, W2, B2 = NET.unflatten(THETA)
PARAMS = {"first": {"kernel": W1, "bias": B1}, "second": [W2, B2]}
ORDER = np.concatenate([12 + np.arange(4), np.arange(12), 16 + np.arange(10)])  # bias, kernel


def apply(params, x):
    hidden = jnp.tanh(x @ params["first"]["kernel"].T + params["first"]["bias"])
    return hidden @ params["second"][0].T + params["second"][1]


def half_square(outputs, targets):
    return 0.5 * ((outputs - targets) ** 2).sum() / len(outputs)


def whole(params, batch):
    return half_square(apply(params, batch[0]), batch[1])


def dense(operator):
    return operator.matmat(np.eye(operator.shape[0]))


def batches(*sizes):
    cuts = np.cumsum((0, *sizes))
    return [(X[a:b], Y[a:b]) for a, b in itertools.pairwise(cuts)]


@pytest.mark.parametrize("part", ["total", "gauss_newton", "residual"])
def test_parts_are_those_of_our_own_network(part):
    expected = NET.at(THETA, X, Y).hessian(part)[np.ix_(ORDER, ORDER)]
    for data in ((X, Y), batches(4, 1, 2)):
        operator = from_jax(half_square, PARAMS, data, model=apply, part=part, dtype="float64")
        assert operator.dtype == np.float64
        assert abs(dense(operator) - expected).max() < 1e-14


def test_loss_and_gradient():
    point = NET.at(THETA, X, Y)
    operator = from_jax(whole, PARAMS, batches(4, 3), dtype="float64")
    assert operator.loss() == pytest.approx(point.loss, rel=1e-14)
    assert abs(operator.gradient() - point.gradient[ORDER]).max() < 1e-14
    assert list(operator.unflatten(operator.gradient())) == [
        "['first']['bias']",
        "['first']['kernel']",
        "['second'][0]",
        "['second'][1]",
    ]
    assert "size=26, parameters=4, dtype=float64" in repr(operator)


def test_sums_and_single_precision():
    def total(params, batch):
        return len(batch[0]) * whole(params, batch)

    expected = 7 * NET.at(THETA, X, Y).hessian("total")[np.ix_(ORDER, ORDER)]
    assert (
        abs(dense(from_jax(total, PARAMS, batches(2, 5), dtype="float64")) - expected).max() < 1e-13
    )
    single = from_jax(total, PARAMS, batches(2, 5), dtype="float32")
    assert single.dtype == np.float32
    assert abs(dense(single) - expected).max() < 1e-4


def test_a_mean_over_other_numbers_in_a_later_batch_is_refused():
    def masked(params, batch):  # a mean over the samples that count
        x, y, counts = batch
        return (counts * ((apply(params, x) - y) ** 2).sum(axis=1)).sum() / counts.sum()

    counts = np.array([1.0, 1, 1, 1, 1, 1, 0])
    data = [(X[rows], Y[rows], counts[rows]) for rows in (slice(4), slice(4, 7))]
    with pytest.raises(ValueError, match=r"is the mean .* but not of batch 2 .* say reduction="):
        from_jax(masked, PARAMS, data, dtype="float64")


@pytest.mark.parametrize("last", [[0, 1, 0, 1], [0]], ids=["in proportion", "batch of one"])
def test_what_batches_weigh_beside_each_other_is_tried(last):
    def masked(params, batch):
        x, y, counts = batch
        total = (counts * ((apply(params, x) - y) ** 2).sum(axis=1)).sum()
        return total / counts.sum().clip(1)

    n = len(last)
    tail = (np.repeat(X[4:5], n, axis=0), np.repeat(Y[4:5], n, axis=0), np.array(last, float))
    with pytest.raises(ValueError, match="but not of batch 2 with the first"):
        from_jax(masked, PARAMS, [(X[:4], Y[:4], np.ones(4)), tail], dtype="float64")


def test_a_loss_that_is_zero_does_not_tell_its_reduction():
    def error(params, batch):
        return jnp.maximum(apply(params, batch[0]) - batch[1], 0).sum()

    none = [(x, y + 99) for x, y in batches(4, 3)]
    with pytest.raises(ValueError, match="it is 0 in every batch; say reduction="):
        from_jax(error, PARAMS, none, dtype="float64", check=False)
    last = (X[:1], Y[:1] - 9)  # a sum after all, told by a single sample
    with pytest.raises(ValueError, match="but not of batch 3 with the first"):
        from_jax(error, PARAMS, [*none, last], dtype="float64", check=False)


@pytest.mark.parametrize("pattern", ["first", "*'kernel'*", ["bias", "['second'][1]"]])
def test_parameters_by_pattern(pattern):
    everything = from_jax(whole, PARAMS, (X, Y), dtype="float64")
    part = from_jax(whole, PARAMS, (X, Y), dtype="float64", parameters=pattern)
    names = [block.name for block in part.blocks]
    rows = np.concatenate(
        [np.arange(b.start, b.stop) for b in everything.blocks if b.name in names]
    )
    assert 0 < len(rows) < 26
    assert abs(dense(part) - dense(everything)[np.ix_(rows, rows)]).max() < 1e-14


def test_refused(monkeypatch):
    integers = {**PARAMS, "table": np.arange(3)}
    for arguments, options, message in (
        ((whole, PARAMS, (X, Y)), {"part": "residual"}, "needs model="),
        ((whole, PARAMS, (X, Y)), {"parameters": "third"}, "no parameter fits 'third'"),
        ((whole, PARAMS, []), {}, "no samples"),
        ((whole, PARAMS, iter(batches(3, 4))), {}, "read only once"),
        ((whole, PARAMS, (X[:0], Y[:0])), {}, "no samples"),
        ((whole, {}, (X, Y)), {}, "holds no arrays"),
        ((whole, integers, (X, Y)), {}, "table.* is of dtype int64"),
        ((lambda p, b: apply(p, b[0]), PARAMS, (X, Y)), {}, r"got shape \(7, 2\)"),
        ((lambda p, b: jnp.nan * whole(p, b), PARAMS, (X, Y)), {}, "first batch is nan"),
        ((whole, PARAMS, batches(1, 6)), {}, "batch of one sample; say reduction"),
        ((lambda p, b: whole(p, b) + 1.0 / len(b[0]), PARAMS, batches(3, 4)), {}, "neither"),
        ((whole, PARAMS, (X, Y)), {"dtype": "int8"}, "unknown dtype"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            from_jax(*arguments, **options)

    def root(params, batch):
        return jnp.sqrt(jnp.abs(0.0 * params["second"][1]).sum())

    with pytest.raises(ValueError, match="NaN or infinite"):
        from_jax(root, PARAMS, (X, Y)) @ np.ones(26)
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ImportError, match=r"pip install 'rmtland\[jax\]'"):
        from_jax(whole, PARAMS, (X, Y))


def test_leaves_that_are_no_arrays_stay_as_they_are():
    params = {"w": jax.numpy.arange(1.0, 4.0), "act": jax.numpy.tanh}
    data = (np.eye(3), np.zeros(3))

    def loss(p, batch):
        return ((p["act"](batch[0] @ p["w"]) - batch[1]) ** 2).mean()

    one, other = (
        from_jax(loss, params, data, parameters="w", dtype=dtype) @ np.ones(3)
        for dtype in (None, "float64")
    )
    np.testing.assert_allclose(one, other, atol=1e-6)
    with pytest.raises(ValueError, match="one real number; got None"):
        from_jax(lambda p, batch: None, params, data, parameters="w")


LABELS = np.array([0, 1, 1, 0, 1, 0, 0])


def cross_entropy(outputs, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(outputs), labels[:, None], axis=1).mean()


def test_fisher_matrices():
    data = [(X[:4], LABELS[:4]), (X[4:], LABELS[4:])]
    options = {"model": apply, "dtype": "float64"}
    gauss_newton = dense(from_jax(cross_entropy, PARAMS, data, part="gauss_newton", **options))
    assert (
        abs(
            dense(from_jax(cross_entropy, PARAMS, data, part="fisher", **options)) - gauss_newton
        ).max()
        < 1e-15
    )
    empirical = from_jax(cross_entropy, PARAMS, data, part="empirical_fisher", **options)
    slopes = softmax(NET.predict(THETA, X), axis=1) - np.eye(2)[LABELS]
    jacobian = NET.at(THETA, X, Y).jacobian().reshape(7, 2, 26)[:, :, ORDER]
    gradients = np.einsum("mc,mcp->mp", slopes, jacobian)
    expected = gradients.T @ gradients / 7
    assert abs(dense(empirical) - expected).max() < 1e-15
    assert abs(empirical.diagonal() - np.diag(expected)).max() < 1e-15
    summed = from_jax(
        lambda p, batch: 7 * cross_entropy(apply(p, batch[0]), batch[1]) * len(batch[0]),
        PARAMS,
        (X, LABELS),
        part="empirical_fisher",
        dtype="float64",
    )
    assert summed.reduction == "sum"
    assert abs(dense(summed) - 49 * 7 * expected).max() < 1e-12


def test_the_diagonal_is_exact():
    operator = from_jax(half_square, PARAMS, (X, Y), model=apply, part="residual", dtype="float64")
    assert abs(operator.diagonal() - np.diag(dense(operator))).max() < 1e-16


def test_a_loss_that_is_no_likelihood_has_no_fisher_matrix():
    def huber(outputs, targets):
        off = outputs - targets
        return jnp.where(abs(off) < 0.5, off**2 / 2, abs(off) / 2 - 0.125).mean()

    with pytest.raises(ValueError, match="no log-likelihood whose Fisher matrix is known"):
        from_jax(huber, PARAMS, (X, Y), model=apply, part="fisher")
    zeros = np.zeros(7, dtype=int)
    with pytest.raises(ValueError, match="all targets of the first batch are the same"):
        from_jax(cross_entropy, PARAMS, (X, zeros), model=apply, part="fisher")


@pytest.mark.parametrize("where", ["outputs", "factor"])
def test_derivatives_that_are_hidden_are_refused(where):
    def loss(params, batch):
        outputs = apply(params, batch[0])
        stopped = jax.lax.stop_gradient(outputs)
        kept = stopped if where == "outputs" else outputs * stopped
        return half_square(kept, batch[1])

    for dtype in ("float64", "float32"):
        with pytest.raises(ValueError, match="derivatives of the loss are not those of its values"):
            from_jax(loss, PARAMS, (X, Y), dtype=dtype)
    operator = from_jax(loss, PARAMS, (X, Y), dtype="float64", check=False)
    assert where != "outputs" or not (operator @ np.ones(26)).any()


def test_leaves_that_are_plain_numbers_are_parameters():
    data = (X.astype(np.float32), Y[:, 0].astype(np.float32))

    def off(params, batch):
        return ((batch[0] @ params["w"] + params["b"] - batch[1]) ** 2).mean()

    plain, arrays = (
        from_jax(off, {"w": np.ones(3, np.float32), "b": number}, data)
        for number in (0.5, np.float32(0.5))
    )
    assert plain.dtype == np.float32
    np.testing.assert_array_equal(dense(plain), dense(arrays))
    with pytest.raises(ValueError, match="no entries"):
        from_jax(off, {"w": np.ones((0,), np.float32)}, data)
    with pytest.raises(TypeError, match="key"):
        from_jax(off, {"w": np.ones(3, np.float32), "b": jax.random.key(0)}, data)


@pytest.mark.parametrize("batch", [(X, Y, np.ones(7)), {"x": X, "y": Y}, X])
def test_nothing_of_a_batch_is_left_out(batch):
    with pytest.raises(ValueError, match="inputs, targets"):
        from_jax(half_square, PARAMS, batch, model=apply)


def test_complex_vectors_keep_both_parts():
    operator = from_jax(whole, PARAMS, (X, Y), dtype="float64")
    v = RNG.standard_normal((2, operator.shape[0]))
    product = operator.matvec(v[0] + 1j * v[1])
    np.testing.assert_array_equal(product, operator.matvec(v[0]) + 1j * operator.matvec(v[1]))


def test_products_of_single_precision_are_not_rounded_to_tf32():
    """They are on a card by default; who asks for that gets it."""
    seen = []

    def noted(params, batch):
        seen.append(jax.config.jax_default_matmul_precision)
        return ((batch @ params["w"]) ** 2).mean()

    single, data = {"w": np.ones(2, np.float32)}, np.ones((3, 2), np.float32)

    def product():
        from_jax(noted, single, data, check=False) @ np.ones(2)

    product()
    assert set(seen) == {"highest"}
    seen.clear()
    with jax.default_matmul_precision("tensorfloat32"):
        product()
    assert set(seen) == {"tensorfloat32"}
    assert jax.config.jax_default_matmul_precision is None


LINE = {"w": np.array([0.5, -1.0, 2.0])}


def bent(params, x):
    return jnp.tanh(x @ jnp.reshape(params["w"], (3, 1)))


def mean_square(outputs, targets):
    return ((outputs - targets) ** 2).mean()


@pytest.mark.parametrize("batches", [1, 2])
def test_targets_that_are_the_outputs_are_no_fault(batches):
    """The gradient is 0 there, and the loss is rounding: both looked like hidden derivatives."""
    x = RNG.standard_normal((9, 3))
    with jax.enable_x64(True):
        y = np.asarray(bent(LINE, x))
        slopes = (1 - y**2) * x
    data = (x, y) if batches == 1 else [(x[:4], y[:4]), (x[4:], y[4:])]
    operator = from_jax(mean_square, LINE, data, model=bent)
    np.testing.assert_allclose(dense(operator), 2 * slopes.T @ slopes / 9, rtol=1e-10)
    assert batches == 1 or operator.reduction == "mean"


def test_hidden_derivatives_are_seen_where_the_gradient_is_zero():
    x = RNG.standard_normal((9, 3))
    with jax.enable_x64(True):
        y = np.asarray(bent(LINE, x))
    half = lambda o, t: mean_square(0.5 * jax.lax.stop_gradient(o) + 0.5 * o, t)  # noqa: E731
    with pytest.raises(ValueError, match="not those of its values"):
        from_jax(half, LINE, (x, y), model=bent)


def test_a_constant_hides_no_weights_in_single_precision():
    single = {"w": LINE["w"].astype(np.float32)}
    x = RNG.standard_normal((9, 3)).astype(np.float32)
    weights = np.linspace(1.0, 2.0, 9, dtype=np.float32)[:, None]
    y = weights - 1.5

    def weighted(outputs, targets):
        w = targets + 1.5
        return 1e3 + 0.1 * (w * (outputs - targets) ** 2).sum() / w.sum()

    batches = [(x[:4], y[:4]), (x[4:], y[4:])]
    with pytest.raises(ValueError, match=r"the mean (nor|over)"):
        from_jax(weighted, single, batches, model=bent, check=False)
    plain = from_jax(lambda o, t: 1e3 + mean_square(o, t), single, batches, model=bent, check=False)
    assert plain.reduction == "mean"


def test_brain_floats_are_read_as_those_of_pytorch_are():
    """NumPy has no such numbers of its own, and called them of another type."""
    matrix = jnp.array([[2.0, 1.0], [1.0, -3.0]], dtype=jnp.bfloat16)
    spectrum = Spectrum.from_matrix(matrix)
    assert spectrum.precision == "bfloat16"
    np.testing.assert_array_equal(spectrum.nodes[0], np.linalg.eigvalsh([[2.0, 1.0], [1.0, -3.0]]))
    np.testing.assert_array_equal(Semicircle().cdf(matrix), Semicircle().cdf([[2, 1], [1, -3]]))
