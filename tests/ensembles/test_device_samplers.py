"""The samplers of a device, on the kernels as a C++ compiler makes them and NumPy's arrays."""

import json
import math
from pathlib import Path

import cpp_kernels
import numpy as np
import pytest
from ensemble_table import (
    ENSEMBLES,
    check_moments,
    check_scale,
    kolmogorov,
    standard_error,
)

import rmtland.ensembles.matrix_draws
from rmtland.arrays import ArrayLibrary
from rmtland.ensembles import (
    GaussianEnsemble,
    HaarSum,
    JacobiEnsemble,
    TridiagonalEnsemble,
    WishartEnsemble,
    entries,
    tridiagonal,
)
from rmtland.ensembles.batches import in_batches
from rmtland.ensembles.device import eigenvalues
from rmtland.models import WishartPlusWigner
from rmtland.models.pennington_bahri import hessian_model

pytestmark = pytest.mark.skipif(cpp_kernels.COMPILER is None, reason="there is no C++ compiler")
MEASURED = Path(__file__).parents[2] / "figures" / "device.json"
every = pytest.mark.parametrize("case", ENSEMBLES, ids=lambda case: case.name)


@pytest.fixture(autouse=True)
def device(monkeypatch):
    """NumPy draws with the kernels of a device."""
    for module in (entries, tridiagonal, hessian_model):
        monkeypatch.setattr(module, "kernels_of", kernels_of)


def kernels_of(library):
    return cpp_kernels.KERNELS if library.name == "numpy" else None


@every
@pytest.mark.parametrize("n", [2, 5])
def test_traces_have_their_exact_means_and_variances(case, n):
    check_moments(case, n)


@every
def test_the_spectrum_is_near_its_limit(case):
    distance = kolmogorov(case.ensemble.sample(98, rng=3).nodes, case.ensemble.law)
    assert distance < case.bound * 98**-case.rate


@every
def test_a_run_depends_on_the_seed_and_its_number_only(case, monkeypatch):
    ensemble, n = case.ensemble, 8
    all_runs = ensemble.sample(n, rng=7, runs=5).nodes
    np.testing.assert_array_equal(ensemble.sample(n, rng=7, runs=2).nodes, all_runs[:2])
    monkeypatch.setattr(rmtland.ensembles.matrix_draws, "_BATCH", 1)  # one matrix a batch
    np.testing.assert_array_equal(ensemble.sample(n, rng=7, runs=5).nodes, all_runs)
    generator = np.random.default_rng(7)
    parts = [ensemble.sample(n, rng=generator, runs=k).nodes for k in (2, 3)]
    np.testing.assert_array_equal(np.concatenate(parts), all_runs)
    if case.name != "Jacobi, projection":
        assert (all_runs[0] != all_runs[1]).any()
        assert (ensemble.sample(n, rng=8, runs=5).nodes != all_runs).any()


@every
def test_counts_and_extremes_are_those_of_the_same_matrices(case):
    ensemble, n, runs = case.ensemble, 40, 3
    nodes = np.sort(ensemble.sample(n, rng=5, runs=runs).nodes, axis=1)
    inner = np.quantile(nodes, [0.1, 0.35, 0.5, 0.8]) + 1e-7
    for edges in (
        [nodes.min() - 1, *np.unique(inner), nodes.max() + 1],
        [-math.inf, 0.0, math.inf],
        [-1.0, 0.0, 1.0],
    ):
        counts = ensemble.histogram(n, edges, rng=5, runs=runs)
        assert counts.dtype == np.int64
        np.testing.assert_array_equal(counts, np.histogram(nodes, edges)[0])
    for edge, ordered in (("upper", nodes[:, ::-1]), ("lower", nodes)):
        for k in (1, 4, n):
            values = ensemble.extremes(n, k, edge=edge, rng=5, runs=runs)
            atol = 1e-13 * np.abs(nodes).max()
            np.testing.assert_allclose(values, ordered[:, :k], atol=atol)


@every
def test_certain_eigenvalues_are_exact(case):
    """In single precision too."""
    for dtype in ("float64", "float32"):
        nodes = case.ensemble.sample(12, rng=2, runs=2, dtype=dtype).nodes
        for place, multiplicity in case.ensemble._known(12):
            assert ((nodes == place).sum(axis=1) >= multiplicity).all()


@pytest.mark.parametrize(
    "ensemble", [GaussianEnsemble(2.5), WishartEnsemble(0.6), JacobiEnsemble(0.5, 0.7, 2.0)]
)
def test_rows_do_not_depend_on_blocks(ensemble, monkeypatch):
    edges = np.linspace(-2, 3, 9)
    whole = ensemble.histogram(300, edges, rng=1, runs=2)
    for block in (1, 17, 300):
        monkeypatch.setattr(tridiagonal, "ROW_BLOCK", block)
        np.testing.assert_array_equal(ensemble.histogram(300, edges, rng=1, runs=2), whole)


@pytest.mark.parametrize("exponent", [-1000, 1000])
@pytest.mark.parametrize("family", [GaussianEnsemble, WishartEnsemble])
def test_every_route_follows_the_scale(family, exponent):
    check_scale(family, exponent)


@pytest.mark.parametrize("edge", ["upper", "lower"])
def test_extremes_of_large_matrices_come_from_a_corner(edge):
    """The largest of n = 20000, of many runs and of one alone; the Tracy-Widom mean at 5 errors."""
    n, runs = 20000, 60
    ensemble = GaussianEnsemble(2)
    values = ensemble.extremes(n, 2, edge=edge, rng=3, runs=runs)
    np.testing.assert_array_equal(ensemble.extremes(n, 2, edge=edge, rng=3, runs=1), values[:1])
    sign = 1 if edge == "upper" else -1
    scaled = (sign * values[:, 0] - 2) * n ** (2 / 3)
    assert abs(scaled.mean() + 1.7711) < 5 * 0.9018 / math.sqrt(runs)
    assert (sign * values[:, 0] > sign * values[:, 1]).all()


@pytest.mark.parametrize("edge", ["upper", "lower"])
def test_a_corner_that_is_too_small_is_doubled(edge, monkeypatch):
    """Until each run has settled, which then stays as it is whatever the others do."""
    monkeypatch.setattr(tridiagonal, "corner_of", lambda rows, k: min(rows.size, k + 3))
    for ensemble in (GaussianEnsemble(2), WishartEnsemble(0.5)):
        values = ensemble.extremes(400, 2, edge=edge, rng=3, runs=12)
        nodes = np.sort(ensemble.sample(400, rng=3, runs=12).nodes, axis=1)
        exact = nodes[:, :-3:-1] if edge == "upper" else nodes[:, :2]
        np.testing.assert_allclose(values, exact, atol=2e-14 * np.abs(nodes).max())
        alone = ensemble.extremes(400, 2, edge=edge, rng=3, runs=1)
        np.testing.assert_array_equal(alone, values[:1])


def test_beta_variables_of_tiny_parameters_are_numbers():
    """Both gamma variables underflow in one of ten cases: their logarithms do not."""
    nodes = JacobiEnsemble(0.5, 0.5, 1e-3).sample(6, rng=0, runs=300).nodes
    assert ((nodes >= 0) & (nodes <= 1)).all()
    assert abs(nodes.mean() - 0.5) < 5 * standard_error(nodes.mean(axis=1))


def test_the_wishart_part_needs_no_eigenvalues():
    """Its tridiagonal model is added to the Gaussian matrix, null space included."""
    for phi in (0.5, 3.0):
        model = WishartPlusWigner(phi, 1e-30)
        nodes = model.sample(30, rng=1, runs=50).nodes
        assert (np.abs(nodes) < 1e-12).sum() == 50 * max(0, 30 - round(30 / phi))


# Memory -----------------------------------------------------------------------------------------


class OutOfMemoryError(RuntimeError):
    """As PyTorch's, which is no MemoryError."""


def other_library():
    library = ArrayLibrary.of()
    return ArrayLibrary(library.xp, "torch")


def test_batches_are_halved_where_memory_runs_out():
    tried = []

    def compute(runs):
        tried.append(runs.stop - runs.start)
        if tried[-1] > 3:
            raise OutOfMemoryError("out of memory")
        return list(range(runs.start, runs.stop))

    found = list(in_batches(20, 16, compute, other_library(), 8.0))
    assert [run for part in found for run in part] == list(range(20))
    assert tried[:4] == [16, 8, 4, 2]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("no"), "memory ran out on a batch of 1; a matrix takes about 2 GiB"),
        (OutOfMemoryError("no"), "memory ran out"),
        (RuntimeError("CUSOLVER_STATUS_ALLOC_FAILED"), "memory ran out"),
    ],
)
def test_one_matrix_too_many_says_what_it_needs(error, message):
    def compute(runs):
        raise error

    with pytest.raises(MemoryError, match=message):
        list(in_batches(3, 2, compute, other_library(), 2.0 * 2**30))


def test_other_errors_pass():
    def compute(runs):
        raise ZeroDivisionError("not memory")

    with pytest.raises(ZeroDivisionError):
        list(in_batches(3, 2, compute, other_library(), 8.0))


def test_halved_batches_draw_the_same_runs(monkeypatch):
    torch = pytest.importorskip("torch")
    ensemble = HaarSum(*(GaussianEnsemble().law,) * 2)
    whole = ensemble.sample(6, rng=1, runs=8, xp=torch).nodes
    solve = eigenvalues.eigvalsh

    def short(library, matrices, **options):
        if matrices.shape[0] > 3:
            raise OutOfMemoryError("out of memory")
        return solve(library, matrices, **options)

    monkeypatch.setattr(rmtland.ensembles.matrix_draws, "eigvalsh", short)
    halved = ensemble.sample(6, rng=1, runs=8, xp=torch).nodes
    np.testing.assert_allclose(halved, whole, atol=1e-13)


# Krylov spaces ----------------------------------------------------------------------------------


def test_lanczos_stays_on_the_cpu():
    torch = pytest.importorskip("torch")
    for ensemble in (GaussianEnsemble(), WishartPlusWigner(0.5, 0.3)):
        with pytest.raises(ValueError, match="lanczos draws Krylov spaces, on the CPU only"):
            ensemble.lanczos(10, 3, xp=torch)


# Routes -----------------------------------------------------------------------------------------


def test_routes_by_size():
    assert [size for size, _ in eigenvalues.ROUTES] == sorted(s for s, _ in eigenvalues.ROUTES)
    assert eigenvalues.route_of(8, 1) == "single"
    assert eigenvalues.route_of(10**5, 10) == "single"
    assert {eigenvalues.route_of(n, 10) for n in (4, 500)} == {"jacobi", "batched"}


def test_routes_are_the_fastest_that_were_measured():
    found = json.loads(MEASURED.read_text("utf-8"))["results"]["samplers"]["routes to eigenvalues"]
    rows = {name: row for name, row in found.items() if name.startswith("n=")}
    assert len(rows) >= 9
    for name, row in rows.items():
        n, runs = (int(part.partition("=")[2]) for part in name.split())
        assert eigenvalues.route_of(n, runs) == row["fastest"], name


def test_every_tridiagonal_ensemble_takes_any_beta_on_a_device():
    kinds = {type(case.ensemble) for case in ENSEMBLES}
    kinds = {kind for kind in kinds if issubclass(kind, TridiagonalEnsemble)}
    assert kinds == {GaussianEnsemble, WishartEnsemble, JacobiEnsemble}
