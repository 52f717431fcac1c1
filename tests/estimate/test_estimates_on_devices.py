"""Estimates of operators whose vectors live on a device: the answers of NumPy, few transfers.

array-api-strict's second device refuses what a GPU would; under PyTorch the default device holds no
numbers at all. Probes are drawn on the host, so that both places see the same ones.
"""

from functools import partial

import numpy as np
import pytest
from device_places import PLACES, put_strict, putting
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator
from transfer_counter import counted_transfers

from rmtland.arrays import array_namespace, to_numpy
from rmtland.estimate import (
    diagonal,
    effective_dimension,
    extremal_eigenpairs,
    frobenius_norm,
    krylov_quadratures,
    log_determinant,
    mass_below,
    negative_fraction,
    spectral_density,
    symmetric_operator,
    trace,
)
from rmtland.estimate.chebyshev import chebyshev_moments
from rmtland.estimate.device_lanczos import DeviceLanczos
from rmtland.networks import MLP
from rmtland.solution import ConvergenceError

SIZE = 60


def matrix(kind="wide"):
    rng = np.random.default_rng(3)
    if kind == "complex":
        a = rng.standard_normal((SIZE, SIZE)) + 1j * rng.standard_normal((SIZE, SIZE))
        return (a + a.conj().T) / 20
    values = np.linspace(-1, 2, SIZE)
    if kind == "low rank":
        values[:-8] = 0.0
    elif kind == "spiked":
        values[-4:] = (50.0, 80.0, 120.0, 300.0)
    q = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
    a = q * values @ q.T
    return (a + a.T) / 2


@pytest.fixture(params=PLACES)
def put(request):
    """Return a function that puts arrays on a device that is not the default one."""
    with putting(request.param) as function:
        yield function


def there(put, array):
    on_device = put(array)
    return symmetric_operator(on_device, like=on_device)


def moments(spectrum):
    """Moments of each probe: weights within a cluster of rounding are any."""
    return np.stack([(spectrum.weights * spectrum.nodes**k).sum(axis=-1) for k in range(6)])


ESTIMATES = {
    "trace": lambda h: trace(h, products=24, rng=0)[:2],
    "hutchinson": lambda h: trace(h, products=40, method="hutchinson", rng=0)[:2],
    "hutch++": lambda h: trace(h, products=30, method="hutch++", rng=0)[:2],
    "xtrace": lambda h: trace(h, products=30, method="xtrace", rng=0)[:2],
    "exact trace": lambda h: trace(h, products=SIZE, rng=0)[:2],
    "frobenius": lambda h: frobenius_norm(h, products=30, rng=0)[:2],
    "frobenius, 2": lambda h: frobenius_norm(h, products=2, rng=0)[:1],
    "diagonal": lambda h: np.stack(diagonal(h, products=40, rng=0)[:2]),
    "diagonal, plain": lambda h: np.stack(diagonal(h, products=40, method="hutchinson", rng=0)[:2]),
    "diagonal, hutch++": lambda h: np.stack(diagonal(h, products=40, method="hutch++", rng=0)[:2]),
    "density": lambda h: moments(spectral_density(h, probes=3, steps=14, rng=0)),
    "deflated": lambda h: moments(spectral_density(h, probes=3, steps=9, deflate=3, rng=0)),
    "kpm": lambda h: spectral_density(h, probes=3, steps=14, method="kpm", rng=0).weights,
    "index": lambda h: (lambda e: [e.value, *e.interval, *e.rigorous])(
        negative_fraction(h, probes=3, steps=12, method="lanczos", rng=0)
    ),
    "inertia": lambda h: mass_below(h, 0.5, method="inertia").value,
    "width": lambda h: list(
        mass_below(h, 1.5, probes=3, steps=8, method="lanczos", width=0.4, rng=0).interval
    ),
    "extremal": lambda h: extremal_eigenpairs(h, 2, rng=0).values,
}


@pytest.mark.parametrize("kind", ["wide", "low rank", "spiked", "complex"])
@pytest.mark.parametrize("name", ESTIMATES)
def test_the_answers_are_those_of_numpy(name, kind, put):
    array = matrix(kind)
    want = np.asarray(ESTIMATES[name](array))
    got = np.asarray(ESTIMATES[name](there(put, array)))
    scale = np.abs(want).max()
    # a breakdown leaves directions of rounding, whose weights are rounding too
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-9 * scale)


def test_positive_functions(put):
    array = matrix("wide") @ matrix("wide") + 0.5 * np.eye(SIZE)
    for function in (
        partial(log_determinant, probes=3, steps=20, rng=0, damping=0.1),
        partial(effective_dimension, damping=0.1, probes=3, steps=20, rng=0),
    ):
        want, got = function(array), function(there(put, array))
        np.testing.assert_allclose(got.value, want.value, rtol=1e-10)
        np.testing.assert_allclose(got.interval, want.interval, rtol=1e-9)


def test_single_precision(put):
    array = matrix().astype(np.float32)
    operator = there(put, array)
    assert operator.dtype == np.float32
    want = trace(array, products=20, method="xtrace", rng=0)
    assert trace(operator, products=20, method="xtrace", rng=0).value == pytest.approx(
        want.value, abs=1e-4
    )
    options = {"probes": 2, "steps": 12, "rng": 0}
    here = krylov_quadratures(symmetric_operator(matrix()), **options)
    kept = krylov_quadratures(there(put, matrix()), **options, basis="float32")
    for one, other in zip(here.tridiagonals, kept.tridiagonals, strict=True):
        np.testing.assert_allclose(other.alpha, one.alpha, atol=1e-4)


def test_functions_on_device_arrays(put):
    array = put(matrix())

    def block(vectors):
        return array @ vectors

    def single(vector):
        assert vector.ndim == 1
        return array @ vector

    for function in (block, single):
        operator = symmetric_operator(function, size=SIZE, like=array)
        assert operator.takes_blocks == (function is block)
        assert not operator.place.is_host
        want = trace(matrix(), products=20, rng=0).value
        assert trace(operator, products=20, rng=0).value == pytest.approx(want, rel=1e-10)
        np.testing.assert_allclose(operator.dense(), matrix(), atol=1e-14)
    with pytest.raises(TypeError, match="give size="):
        symmetric_operator(block, like=array)


def test_the_operator_of_a_network_computes_where_its_parameters_are(put):
    rng = np.random.default_rng(0)
    net = MLP((4, 5, 3))
    theta, x, y = net.init(rng=1), rng.standard_normal((20, 4)), rng.standard_normal((20, 3))
    point = net.at(put(theta), put(x), put(y))
    operator = symmetric_operator(point.operator(), like=point.theta)
    assert not operator.place.is_host
    want = spectral_density(net.at(theta, x, y).operator(), probes=2, steps=10, rng=0)
    got = spectral_density(operator, probes=2, steps=10, rng=0)
    np.testing.assert_allclose(got.nodes, want.nodes, atol=1e-10)
    on_host = symmetric_operator(net.at(theta, x, y).operator(), like=point.theta)
    assert on_host.place.is_host
    np.testing.assert_allclose(on_host.dense(), operator.dense(), atol=1e-12)
    part = symmetric_operator(point.operator(parameters="W1"))
    np.testing.assert_allclose(
        part.dense(), net.at(theta, x, y).operator(parameters="W1") @ np.eye(part.size), atol=1e-12
    )


def test_a_strict_matrix_on_its_second_device_needs_no_hint():
    assert not symmetric_operator(put_strict(matrix())).place.is_host
    xp = pytest.importorskip("array_api_strict")
    assert symmetric_operator(xp.asarray(matrix())).place.is_host


def test_invariant_subspaces_end(put):
    values = np.repeat([1.0, 2.0, 4.0], 20)
    operator = there(put, np.diag(values))
    found = krylov_quadratures(operator, probes=3, steps=9, rng=0)
    for one in found.tridiagonals:
        assert len(one.alpha) == 3
        assert one.is_exhausted
        nodes = np.linalg.eigvalsh(
            np.diag(one.alpha) + np.diag(one.beta[:-1], 1) + np.diag(one.beta[:-1], -1)
        )
        np.testing.assert_allclose(nodes, [1, 2, 4], rtol=1e-12)
    whole = krylov_quadratures(there(put, matrix()), probes=2, steps=200, rng=0)
    assert [len(one.alpha) for one in whole.tridiagonals] == [SIZE, SIZE]
    zero = krylov_quadratures(there(put, np.zeros((7, 7))), probes=2, steps=3, rng=0)
    assert [len(one.alpha) for one in zero.tridiagonals] == [1, 1]


def test_a_space_ends_where_all_diagonal_entries_vanish(put):
    """What is rounding is known by the norms: the entries of the diagonal say nothing here."""
    half = np.linalg.qr(np.random.default_rng(0).standard_normal((30, 30)))[0]
    array = np.block([[np.zeros((30, 30)), half], [half.T, np.zeros((30, 30))]])
    starts = np.append(np.random.default_rng(1).standard_normal((2, 30)), np.zeros((2, 30)), axis=1)
    run = DeviceLanczos(there(put, array), starts)
    run.extend(9)
    assert run.lengths.tolist() == [2, 2]


@pytest.mark.parametrize("rule", ["partial", "none"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_space_ends_at_the_last_step(put, rule, size):
    array = np.diag(np.arange(1.0, size + 1)) + 0.1
    here, away = (
        krylov_quadratures(operator, probes=2, steps=99, rng=0, reorthogonalize=rule)
        for operator in (symmetric_operator(array), there(put, array))
    )
    for one, two in zip(here.tridiagonals, away.tridiagonals, strict=True):
        assert len(two.alpha) == size
        assert two.is_exhausted
        np.testing.assert_allclose(two.alpha, one.alpha, rtol=1e-9)
        np.testing.assert_allclose(two.beta, one.beta, rtol=1e-9)


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["wide", "spiked", "complex"])
def test_bases_are_orthonormal(put, kind, precision):
    operator = there(put, matrix(kind))
    starts = np.random.default_rng(0).standard_normal((2, SIZE))
    kept = np.result_type(precision, np.complex64 if kind == "complex" else precision)
    run = DeviceLanczos(operator, starts, precision=kept)
    for steps in (7, 40):  # in two pieces
        run.extend(steps)
    vectors = np.concatenate([to_numpy(piece) for piece in run.pieces])
    assert vectors.shape == (40, 2, SIZE)
    for one in range(2):
        gram = vectors[:, one].conj() @ vectors[:, one].T
        assert np.abs(gram - np.eye(40)).max() < 30 * np.finfo(precision).eps


def test_orthogonality_is_kept(put):
    """A dominant eigenvalue makes ghosts within a few dozen steps, unless vectors are mended."""
    values = np.append(np.linspace(0, 1, SIZE - 1), 1e6)
    operator = there(put, np.diag(values))
    for rule, ghosts in (("partial", 1), ("none", 2)):
        found = krylov_quadratures(operator, probes=1, steps=60, rng=0, reorthogonalize=rule)
        alpha, beta = found.tridiagonals[0]
        ritz = np.linalg.eigvalsh(np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1))
        assert np.count_nonzero(ritz > 1e5) >= ghosts
        assert (np.count_nonzero(ritz > 1e5) == 1) == (rule == "partial")


def test_what_needs_the_host_is_refused(put, tmp_path):
    operator = there(put, matrix())
    for options in ({"basis": "disk"}, {"checkpoint": tmp_path / "c"}, {"executor": object()}):
        with pytest.raises(ValueError, match="needs vectors on the host"):
            spectral_density(operator, probes=2, steps=4, **options)


def test_faults_are_found(put):
    bad = matrix()
    bad[0, 1] += 0.5
    with pytest.raises(ValueError, match="not symmetric"):
        there(put, bad)
    with pytest.raises(ValueError, match="square matrix"):
        there(put, np.ones((3, 4)))
    array, calls = put(matrix()), []

    def failing(vectors):
        calls.append(1)
        return (array @ vectors) * (1.0 if len(calls) < 9 else float("nan"))

    operator = symmetric_operator(failing, size=SIZE, like=array)
    for function in (
        partial(spectral_density, probes=2, steps=9),
        partial(spectral_density, probes=2, steps=9, method="kpm"),
        partial(trace, products=20, method="hutchinson"),
        partial(trace, products=20, method="xtrace"),
        partial(trace, products=20, method="hutch++"),
        partial(diagonal, products=20),
        partial(frobenius_norm, products=20),
    ):
        calls[:] = [1] * 9
        with pytest.raises(ValueError, match=r"holds \d+ NaN or infinite values"):
            function(operator, rng=0)
    one = symmetric_operator(lambda v: v[:3], size=SIZE, like=array, check=False)
    with pytest.raises(ValueError, match="the same shape was expected"):
        trace(one, products=20)


@pytest.mark.parametrize("later", [0, 1, 5])
def test_nan_in_chebyshev_moments_is_no_eigenvalue_outside(put, later):
    array, calls = put(matrix()), []

    def failing(vectors):
        calls.append(1)
        return (array @ vectors) * (1.0 if len(calls) <= later else float("nan"))

    operator = symmetric_operator(failing, size=SIZE, like=array, check=False)
    operator.product, operator.takes_blocks = failing, True
    starts = np.random.default_rng(0).standard_normal((SIZE, 2))
    with pytest.raises(ValueError, match="NaN or infinite"):
        chebyshev_moments(operator, starts, 8, (-1.5, 2.5))
    operator.product = lambda vectors: array @ vectors
    with pytest.raises(ConvergenceError, match="lies outside"):
        chebyshev_moments(operator, starts, 8, (-0.1, 0.1))


def test_products_that_are_not_real_vectors_are_refused(put):
    here = matrix("complex")
    there = put(here)
    xp = array_namespace(there)

    def product(vector):
        return there @ xp.astype(vector, there.dtype)

    for block in (False, True):  # of a matrix, the imaginary part would be dropped
        operator = symmetric_operator(product, size=SIZE, like=put(np.ones(1)), check=False)
        if block:
            operator.product, operator.takes_blocks = product, True
        with pytest.raises(ValueError, match="complex numbers; give dtype="):
            trace(operator, products=20)
    operator = symmetric_operator(product, size=SIZE, like=put(np.ones(1)), dtype=np.complex128)
    np.testing.assert_allclose(operator.dense(), here, atol=1e-14)
    for bad in (None, 1.0, [1.0] * SIZE):
        for block in (False, True):
            function = lambda _, bad=bad: bad  # noqa: E731
            operator = symmetric_operator(function, size=SIZE, like=there, check=False)
            if block:
                operator.product, operator.takes_blocks = function, True
            with pytest.raises(TypeError, match="must be a"):
                operator.matmat(np.ones((SIZE, 2)))


def test_vectors_of_any_layout_are_multiplied(put):
    operator = there(put, matrix())
    vectors = np.random.default_rng(0).standard_normal((SIZE, 4))
    fixed = vectors.copy()
    fixed.flags.writeable = False
    for given in (vectors[::-1], vectors[:, ::-2], fixed, np.asfortranarray(vectors), vectors > 0):
        np.testing.assert_allclose(operator.matmat(given), matrix() @ given, atol=1e-13)


class Multiplies:
    """An object with `shape` or `size`, and one kind of product."""

    def __init__(self, array, name, **attributes):
        setattr(self, name, lambda vectors: array @ vectors)
        self.__dict__.update(attributes)


def test_matrices_and_objects_go_where_like_is(put):
    array = put(matrix())
    for given in (
        matrix(),
        matrix().tolist(),
        Multiplies(array, "matmat", shape=(SIZE, SIZE)),
        Multiplies(array, "matmat", size=SIZE),
        Multiplies(array, "matvec", size=SIZE),
        np.asfortranarray(matrix())[::-1, ::-1][::-1, ::-1],
    ):
        operator = symmetric_operator(given, like=array)
        assert not operator.place.is_host
        np.testing.assert_allclose(operator.dense(), matrix(), atol=1e-14)
    for wrong in (sparse.csr_array(matrix()), aslinearoperator(matrix())):
        with pytest.raises(TypeError, match="leave like= out"):
            symmetric_operator(wrong, like=array)
    with pytest.raises(TypeError, match="like must be an array"):
        symmetric_operator(matrix(), like=[1.0])
    with pytest.raises(TypeError, match="made of numbers"):
        symmetric_operator(np.array([["a"]]), like=array)
    assert symmetric_operator(matrix(), like=np.ones(1)).place.is_host


class Careless:
    """Overwrites the vectors that it gets, and gives its products in one and the same buffer."""

    shape = (SIZE, SIZE)

    def __init__(self, array):
        self.array, self.buffers = array, {}

    def matmat(self, vectors):
        product = self.array @ vectors
        vectors[...] = 0.0
        buffer = self.buffers.setdefault(tuple(product.shape), product)
        buffer[...] = product
        return buffer


@pytest.mark.parametrize("name", ["xtrace", "density", "diagonal, hutch++"])
def test_operators_may_reuse_memory(put, name):
    operator = symmetric_operator(Careless(put(matrix())), like=put(np.ones(1)))
    want = np.asarray(ESTIMATES[name](matrix()))
    np.testing.assert_allclose(ESTIMATES[name](operator), want, atol=1e-9 * np.abs(want).max())


def test_no_graph_of_pytorch_is_kept():
    torch = pytest.importorskip("torch")
    array = torch.tensor(matrix(), requires_grad=True)
    for given in (array, lambda v: array @ v):
        operator = symmetric_operator(given, size=SIZE, like=array.detach())
        assert not operator.multiply(torch.ones((SIZE, 2), dtype=torch.float64)).requires_grad


COSTS = {
    "density": (lambda h, k: spectral_density(h, probes=3, steps=k, rng=0), 1),
    "index": (lambda h, k: negative_fraction(h, probes=3, steps=k, method="lanczos", rng=0), 1),
    "kpm": (lambda h, k: spectral_density(h, probes=3, steps=k, method="kpm", rng=0), 2),
    "hutchinson": (lambda h, k: trace(h, products=4 * k, method="hutchinson", rng=0), 1),
    "hutch++": (lambda h, k: trace(h, products=k, method="hutch++", rng=0), 2),
    "xtrace": (lambda h, k: trace(h, products=k, method="xtrace", rng=0), 5),
    "auto": (lambda h, k: trace(h, products=k, rng=0), 3),
    "frobenius": (lambda h, k: frobenius_norm(h, products=k, rng=0), 2),
    "diagonal": (lambda h, k: diagonal(h, products=4 * k, method="hutchinson", rng=0), 1),
}


@pytest.mark.parametrize("name", COSTS)
def test_transfers_do_not_grow_with_the_steps(name):
    """Numbers come back once a run: none inside a loop."""
    function, waits = COSTS[name]
    operator = symmetric_operator(put_strict(matrix()))
    for steps in (10, 20):
        with counted_transfers() as found:
            function(operator, steps)
        assert found.waits == waits
        assert found.scalars == 0


def test_a_network_is_waited_for_once_a_run():
    rng = np.random.default_rng(0)
    net = MLP((3, 4, 2))
    point = net.at(
        *map(
            put_strict, (net.init(rng=1), rng.standard_normal((9, 3)), rng.standard_normal((9, 2)))
        )
    )
    operator = symmetric_operator(point.operator())
    for steps in (6, 12):
        with counted_transfers() as found:
            spectral_density(operator, probes=2, steps=steps, rng=0)
        assert (found.waits, found.scalars) == (1, 0)
    # not looked at while steps are taken, but found at the end
    huge = symmetric_operator(point.operator(), check=False)
    product, huge.product = huge.product, lambda v: product(v) * float("nan")
    with pytest.raises(ValueError, match="NaN or infinite"):
        spectral_density(huge, probes=2, steps=4, rng=0)


def test_short_vectors_are_made_orthogonal_twice_and_no_others(put):
    starts = np.random.default_rng(0).standard_normal((2, SIZE))
    counts = {}
    for kind in ("wide", "spiked"):
        run = DeviceLanczos(there(put, matrix(kind)), starts)
        run.extend(30)
        run.tridiagonals()
        counts[kind] = run.repeated
    assert counts["wide"] == 0
    assert 0 < counts["spiked"] <= 60


def test_the_counter_counts():
    array = put_strict(matrix())
    with counted_transfers() as found:
        float(array[0, 0])
        to_numpy(array)
        put_strict(np.ones(2))
    assert (found.scalars, found.to_host, found.from_host) == (1, 1, 1)
