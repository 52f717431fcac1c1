"""What needs a CUDA device: kernels, samplers, solvers and memory, against the references."""

import math

import numpy as np
import pytest
from ensemble_table import ENSEMBLES, check_moments, kolmogorov

from rmtland.arrays import ArrayLibrary
from rmtland.ensembles import GaussianEnsemble, HaarSum, SampleCovariance, sturm
from rmtland.ensembles.device import eigenvalues, philox
from rmtland.ensembles.device.kernels import kernels_of
from rmtland.ensembles.device.tridiagonal import eigenvalues_of, pivots_of
from rmtland.models import WishartPlusWigner

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")


def has_device():
    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not has_device(), reason="there is no CUDA device"),
]
every = pytest.mark.parametrize("case", ENSEMBLES, ids=lambda case: case.name)
KEYS = np.array([[7, 0], [7, 1], [2**63 + 11, 2**40]], dtype=np.uint64)


@pytest.fixture(scope="module")
def library():
    return ArrayLibrary.of(cupy)


@pytest.fixture(scope="module")
def kernels(library):
    return kernels_of(library)


def test_integers_are_those_of_the_reference(kernels):
    for first, count, stream in [(0, 1, 1), (3, 1000, 2**63), (2**40 + 1, 777, 5)]:
        found = kernels.fill("integers", cupy.asarray(KEYS), stream, first, count).get()
        np.testing.assert_array_equal(found, philox.integers(KEYS, stream, first, count))


@pytest.mark.parametrize("kind", ["normals", "uniforms"])
def test_floats_are_those_of_the_reference(kernels, kind):
    found = kernels.fill(kind, cupy.asarray(KEYS), 3, 5, 10**5 + 1).get()
    reference = getattr(philox, kind)(KEYS, 3, 5, 10**5 + 1)
    np.testing.assert_allclose(found, reference, rtol=16 * 2.0**-52, atol=0)


@pytest.mark.parametrize(
    "degrees", [(0.6, 0.0, 1.0), (3000.0, 1.0, 1.0), (500.0, 1.0, 2.5), (1e12, 1.0, 4.0)]
)
@pytest.mark.parametrize("logarithm", [False, True])
def test_chi_squares_are_those_of_the_reference(kernels, degrees, logarithm):
    given = (1, 11, 20000, degrees)
    found = kernels.chisquares(cupy.asarray(KEYS), *given, logarithm=logarithm).get()
    reference = philox.chisquares(KEYS, *given, logarithm=logarithm)
    finite = np.isfinite(reference)
    np.testing.assert_array_equal(finite, np.isfinite(found))
    slack = 128 * 2.0**-52 * (1 if degrees[0] > 1 else 40 / degrees[0])
    np.testing.assert_allclose(found[finite], reference[finite], rtol=slack, atol=slack * logarithm)


def test_counts_are_those_of_the_host(kernels):
    rng = np.random.default_rng(0)
    diagonal, off = rng.standard_normal((3, 1001)), rng.standard_normal((3, 1000))
    squares = np.concatenate([np.zeros((3, 1)), off**2], axis=1)
    shifts = np.tile(np.concatenate([[-np.inf], np.linspace(-4, 4, 97), [np.inf]]), (3, 1))
    state, counts = cupy.ones(shifts.shape), cupy.zeros(shifts.shape, dtype="int64")
    given = [cupy.asarray(part) for part in (diagonal, squares, pivots_of(squares, np), shifts)]
    kernels.sweep(*given, state, counts)
    for run in range(3):
        expected = sturm.count_below(diagonal[run], off[run], shifts[run])
        np.testing.assert_array_equal(counts.get()[run], expected)
    values = eigenvalues_of(cupy.asarray(diagonal), cupy.asarray(off), kernels, 990, 11).get()
    for run in range(3):
        exact = sturm.extreme_eigenvalues(diagonal[run], off[run], 11)[::-1]
        np.testing.assert_allclose(values[run], exact, atol=1e-14)


@every
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_spectrum_is_near_its_limit(case, precision):
    n = 98
    spectrum = case.ensemble.sample(n, rng=1, runs=2, xp=cupy, dtype=precision)
    again = case.ensemble.sample(n, rng=1, runs=1, device="cuda:0", dtype=precision)
    atol = {"float32": 1e-4, "float64": 1e-11}[precision]
    np.testing.assert_allclose(again.nodes[0], spectrum.nodes[0], atol=atol)
    nodes = np.where(np.abs(spectrum.nodes[0]) < 1e-4, 0.0, spectrum.nodes[0])
    assert kolmogorov(nodes, case.ensemble.law) < case.bound * n**-case.rate + 1e-3


@every
def test_traces_have_their_exact_means_and_variances(case):
    check_moments(case, 5, xp=cupy)


@every
def test_counts_and_extremes_are_those_of_the_same_matrices(case):
    ensemble, n, runs = case.ensemble, 40, 3
    nodes = np.sort(ensemble.sample(n, rng=5, runs=runs, xp=cupy).nodes, axis=1)
    inner = np.quantile(nodes, [0.1, 0.35, 0.5, 0.8]) + 1e-7
    for edges in ([nodes.min() - 1, *np.unique(inner), nodes.max() + 1], [-math.inf, 0, math.inf]):
        counts = ensemble.histogram(n, edges, rng=5, runs=runs, xp=cupy)
        np.testing.assert_array_equal(counts, np.histogram(nodes, edges)[0])
    values = ensemble.extremes(n, 4, rng=5, runs=runs, xp=cupy)
    np.testing.assert_allclose(values, nodes[:, :-5:-1], atol=1e-13 * np.abs(nodes).max())


@every
def test_certain_eigenvalues_are_exact(case):
    nodes = case.ensemble.sample(12, rng=2, runs=2, xp=cupy).nodes
    for place, multiplicity in case.ensemble._known(12):
        assert ((nodes == place).sum(axis=1) >= multiplicity).all()
    assert np.isfinite(nodes).all()


@pytest.mark.parametrize("route", ["jacobi", "batched", "single"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("n", [1, 2, 31, 33, 150])
def test_routes_agree_with_lapack(library, route, dtype, n):
    if route == "jacobi" and n > 33 and dtype in ("float32", "complex64"):
        pytest.skip("never chosen: rotations in single precision lose four digits there")
    rng = np.random.default_rng(n)
    matrices = rng.standard_normal((3, n, n)) + 1j * rng.standard_normal((3, n, n))
    matrices = matrices if dtype.startswith("complex") else matrices.real
    matrices = (matrices + matrices.conj().swapaxes(1, 2)).astype(dtype)
    found = eigenvalues.eigvalsh(library, cupy.asarray(matrices), route=route).get()
    exact = np.linalg.eigvalsh(matrices.astype(complex))
    scale = np.abs(exact).max() * {"float32": 2e-5, "complex64": 2e-5}.get(dtype, 1e-13)
    np.testing.assert_allclose(found, exact, atol=scale)


def test_singular_values(library):
    for shape in ((4, 3, 7), (4, 30, 9)):
        blocks = np.random.default_rng(1).standard_normal(shape)
        found = eigenvalues.svdvals(library, cupy.asarray(blocks)).get()
        exact = np.linalg.svd(blocks, compute_uv=False)
        np.testing.assert_allclose(found, exact, atol=1e-13 * exact.max())


def test_the_batched_solver_is_found():
    assert eigenvalues._solver() is not None


def test_pooled_blocks_are_free_and_batches_shrink(library):
    free = library.free_memory()
    block = cupy.empty(int(0.5 * free), dtype=cupy.uint8)
    del block
    assert library.free_memory() > 0.95 * free
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    whole = WishartPlusWigner(0.5, 0.3).sample(200, rng=1, runs=40, xp=cupy).nodes
    before = pool.get_limit()
    try:
        pool.set_limit(size=pool.used_bytes() + 40 * 2**20)
        few = WishartPlusWigner(0.5, 0.3).sample(200, rng=1, runs=40, xp=cupy).nodes
    finally:
        pool.set_limit(size=before)
    np.testing.assert_allclose(few, whole, atol=1e-12)


@pytest.mark.parametrize(
    "ensemble", [SampleCovariance(1.0, 0.5), HaarSum([1.0, 2.0, -1.0], [0.5, 4.0])]
)
def test_matrices_are_on_the_device(ensemble):
    matrix = ensemble.matrix(6, rng=1, device="cuda:0")
    assert isinstance(matrix, cupy.ndarray)
    assert matrix.device.id == 0


def test_extremes_follow_tracy_widom():
    n, runs = 10**6, 1000
    values = GaussianEnsemble(2).extremes(n, rng=3, runs=runs, xp=cupy)
    scaled = (values[:, 0] - 2) * n ** (2 / 3)
    assert abs(scaled.mean() + 1.7711) < 5 * 0.9018 / math.sqrt(runs)
