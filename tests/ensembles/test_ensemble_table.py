"""What every ensemble has to do, over the table of ensembles."""

import dataclasses
import json
import math

import array_api_strict
import numpy as np
import pytest
from ensemble_table import ENSEMBLES, check_moments, kolmogorov, standard_error

import rmtland.arrays
import rmtland.ensembles
from rmtland import Law, Spectrum
from rmtland.ensembles import Ensemble, ReluResidual, TridiagonalEnsemble
from rmtland.laws.spectral_model import SpectralModel
from rmtland.models import HessianModel, WishartPlusReluBlock, WishartPlusWigner

every = pytest.mark.parametrize("case", ENSEMBLES, ids=lambda case: case.name)
dense = pytest.mark.parametrize(
    "case", [case for case in ENSEMBLES if case.dense], ids=lambda case: case.name
)


def libraries():
    yield pytest.param(array_api_strict, id="array-api-strict")
    try:
        import torch
    except ImportError:
        yield pytest.param(None, id="torch", marks=pytest.mark.skip("PyTorch is not installed"))
    else:
        yield pytest.param(torch, id="torch")


def test_every_ensemble_is_in_the_table():
    abstract = {Ensemble, TridiagonalEnsemble}
    models = {WishartPlusWigner, WishartPlusReluBlock}
    public = {getattr(rmtland.ensembles, name) for name in rmtland.ensembles.__all__}
    kinds = {kind for kind in public if isinstance(kind, type) and issubclass(kind, Ensemble)}
    assert {type(case.ensemble) for case in ENSEMBLES} == kinds - abstract | models


# Eigenvalues ----------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("n", [50, 392])
def test_the_spectrum_is_near_its_limit_at_the_known_rate(case, n):
    """One matrix. With the scale off by 5 % the distance is above .01, beyond the bound at 800."""
    distance = kolmogorov(case.ensemble.sample(n, rng=3).nodes, case.ensemble.law)
    assert distance < case.bound * n**-case.rate


@every
@pytest.mark.parametrize("n", [2, 5])
def test_traces_have_their_exact_means_and_variances(case, n):
    check_moments(case, n)


@every
def test_bins_are_half_open_and_the_last_one_is_closed(case):
    """Eigenvalues on the edges: all of them, or those that are certain where they are counted."""
    nodes = case.ensemble.sample(12, rng=3, runs=2).nodes
    places = [place for place, _ in case.ensemble._known(12)]
    if not isinstance(case.ensemble, TridiagonalEnsemble):
        places += [nodes.min(), float(np.sort(nodes, axis=None)[9]), nodes.max()]
    for place in places:
        for edges in ([place, place + 9], [place - 9, place], [place - 9, place, place + 9]):
            counts = case.ensemble.histogram(12, edges, rng=3, runs=2)
            np.testing.assert_array_equal(counts, np.histogram(nodes, edges)[0])
    assert case.ensemble.histogram(12, [-math.inf, math.inf], rng=3, runs=2) == nodes.size


@dense
@pytest.mark.parametrize("n", [1, 4])
def test_matrices_have_the_exact_moments_too(case, n):
    """The same for the matrices themselves, which may be drawn by another route."""
    if n < len(getattr(case.ensemble, "spikes", ())):
        pytest.skip("fewer rows than spikes")
    exact = case.moments(n)
    rng = np.random.default_rng(n)
    matrices = [case.ensemble.matrix(n, rng=rng) for _ in range(400)]
    size = matrices[0].shape[0]
    assert size in (n, 2 * n)
    for matrix in matrices[:3]:
        np.testing.assert_allclose(matrix, matrix.conj().T, atol=1e-15 * np.abs(matrix).max())
    traces = np.array([np.trace(matrix).real / size for matrix in matrices])
    squares = np.array([np.sum(np.abs(matrix) ** 2) / size for matrix in matrices])
    assert abs(traces.mean() - exact.mean) < 5 * standard_error(traces) + 1e-12
    if exact.second is not None:
        assert abs(squares.mean() - exact.second) < 5 * standard_error(squares) + 1e-12


@every
@pytest.mark.parametrize("n", [1, 2, 3])
def test_small_sizes(case, n):
    if n < len(getattr(case.ensemble, "spikes", ())):
        pytest.skip("fewer rows than spikes")
    spectrum = case.ensemble.sample(n, rng=1, runs=3)
    assert isinstance(spectrum, Spectrum)
    assert spectrum.nodes.shape == (3, n)
    assert spectrum.is_complete
    assert spectrum.dimension == n
    assert np.isfinite(spectrum.nodes).all()


# Seeds and batches ----------------------------------------------------------------------------


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
    sequence = np.random.SeedSequence(7)
    for _ in range(2):  # a seed sequence is not used up
        np.testing.assert_array_equal(ensemble.sample(n, rng=sequence, runs=5).nodes, all_runs)


@every
def test_other_seeds_give_other_matrices(case):
    one, two = (case.ensemble.sample(8, rng=seed, runs=2).nodes for seed in (1, 2))
    certain = case.name == "Jacobi, projection"
    assert (one != two).any() != certain
    assert (one[0] != one[1]).any() != certain


@every
def test_provenance_names_everything(case):
    ensemble = case.ensemble
    rng = np.random.default_rng(np.random.SeedSequence(11, spawn_key=(4,)))
    ensemble.sample(4, rng=rng, runs=3)
    spectrum = ensemble.sample(4, rng=rng, runs=2, dtype="float32")
    provenance = spectrum.provenance
    assert json.loads(json.dumps(provenance)) == provenance
    kind = "model" if isinstance(ensemble, HessianModel) else "ensemble"
    assert provenance["source"] == kind
    assert provenance[kind] == type(ensemble).__name__
    assert set(provenance["parameters"]) == {f.name for f in dataclasses.fields(ensemble)}
    assert (provenance["n"], provenance["runs"]) == (4, 2)
    assert (provenance["library"], provenance["dtype"]) == ("numpy", "float32")
    assert set(provenance["versions"]) == {"rmtland", "numpy"}
    seed = provenance["seed"]
    again = np.random.SeedSequence(
        seed["entropy"], spawn_key=seed["spawn_key"], n_children_spawned=seed["first_child"]
    )
    repeated = ensemble.sample(4, rng=again, runs=2, dtype="float32")
    np.testing.assert_array_equal(repeated.nodes, spectrum.nodes)


# Counts and extremes --------------------------------------------------------------------------


@every
def test_histograms_count_the_eigenvalues_of_the_same_matrices(case):
    ensemble, n, runs = case.ensemble, 40, 3
    nodes = ensemble.sample(n, rng=5, runs=runs).nodes
    inner = np.quantile(nodes, [0.1, 0.35, 0.5, 0.8]) + 1e-7
    for edges in (
        [nodes.min() - 1, *np.unique(inner), nodes.max() + 1],
        [-math.inf, 0.0, math.inf],
        [-1.0, 0.0, 1.0],  # atoms on edges
    ):
        counts = ensemble.histogram(n, edges, rng=5, runs=runs)
        assert counts.dtype == np.int64
        np.testing.assert_array_equal(counts, np.histogram(nodes, edges)[0])


@every
@pytest.mark.parametrize("edge", ["upper", "lower"])
def test_extremes_are_those_of_the_same_matrices(case, edge):
    ensemble, n, runs = case.ensemble, 30, 2
    nodes = np.sort(ensemble.sample(n, rng=5, runs=runs).nodes, axis=1)
    ordered = nodes[:, ::-1] if edge == "upper" else nodes
    for k in (1, 4, n):
        values = ensemble.extremes(n, k, edge=edge, rng=5, runs=runs)
        assert values.shape == (runs, k)
        np.testing.assert_allclose(values, ordered[:, :k], atol=1e-13 * np.abs(nodes).max())


# Array libraries ------------------------------------------------------------------------------


@dense
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("xp", list(libraries()))
def test_other_array_libraries_give_the_same_numbers(case, xp, precision):
    """The same code and the same draws; NumPy's dense route is reached through `matrix`."""
    ensemble, n = case.ensemble, 6
    exact = ensemble.matrix(n, rng=9)
    other = ensemble.matrix(n, rng=9, xp=xp, dtype=precision)
    assert str(other.dtype).endswith(
        precision if exact.dtype.kind == "f" else {"float32": "64", "float64": "128"}[precision]
    )
    if precision == "float64":
        np.testing.assert_allclose(
            np.asarray(other), exact, atol=1e-13 * np.abs(exact).max(), rtol=0
        )
    spectrum = ensemble.sample(n, rng=9, runs=3, xp=xp, dtype=precision)
    assert spectrum.nodes.shape == (3, n)
    assert spectrum.provenance["library"] == xp.__name__
    alone = ensemble.sample(n, rng=9, runs=1, xp=xp, dtype=precision)
    scale = {"float32": 1e-5, "float64": 1e-13}[precision] * np.abs(spectrum.nodes).max()
    np.testing.assert_allclose(alone.nodes[0], spectrum.nodes[0], atol=scale)
    if not isinstance(ensemble, TridiagonalEnsemble):
        here = ensemble.sample(n, rng=9, runs=3, dtype=precision)
        np.testing.assert_allclose(spectrum.nodes, here.nodes, atol=2 * scale)


@every
def test_single_precision_follows_the_limit(case):
    n = 50
    spectrum = case.ensemble.sample(n, rng=2, dtype=np.float32)
    assert spectrum.nodes.dtype == np.float64
    nodes = np.where(np.abs(spectrum.nodes) < 1e-5, 0.0, spectrum.nodes)
    assert kolmogorov(nodes, case.ensemble.law) < case.bound * n**-case.rate + 1e-3


@dense
def test_matrices_too_large_for_memory_are_refused(case):
    with pytest.raises(ValueError, match=r"takes about .* GiB .* smaller n"):
        case.ensemble.matrix(2 * 10**8)


# Values and arguments -------------------------------------------------------------------------


@every
def test_ensembles_are_frozen_values(case):
    ensemble = case.ensemble
    assert isinstance(ensemble, Ensemble)
    assert isinstance(ensemble.law, Law)
    assert dataclasses.replace(ensemble) == ensemble
    assert hash(dataclasses.replace(ensemble)) == hash(ensemble)
    with pytest.raises(dataclasses.FrozenInstanceError):
        ensemble.anything = 1
    assert type(ensemble).__doc__


@every
def test_ensembles_answer_as_their_law_does(case):
    ensemble, law, z = case.ensemble, case.ensemble.law, np.array([0.3 + 0.1j, 2.0 + 1.0j])
    assert isinstance(ensemble, SpectralModel)
    np.testing.assert_array_equal(ensemble.stieltjes(z), law.stieltjes(z))
    smoothed = ensemble.smoothed_pdf(z.real, eta=0.1)
    np.testing.assert_allclose(smoothed, -law.stieltjes(z.real + 0.1j).imag / np.pi, rtol=1e-13)
    assert ensemble.index() == law.mass_below(0.0)
    assert (ensemble.mean(), ensemble.var()) == (law.mean(), law.var())
    assert ensemble.parts[-1] == "total"
    for name in ensemble.parts:
        assert isinstance(ensemble.part(name), Law | SpectralModel)
    assert ensemble.part("total") == ensemble
    with pytest.raises(ValueError, match="unknown name 'nothing'"):
        ensemble.part("nothing")


def test_the_old_name_of_the_law():
    with pytest.warns(DeprecationWarning, match=r"Wigner\.limit is now called law"):
        assert rmtland.ensembles.Wigner().limit == rmtland.ensembles.Wigner().law


BAD = [
    ({"n": 0}, ValueError, "n must be an integer of at least 1; got 0"),
    ({"n": -2}, ValueError, "n must be an integer of at least 1"),
    ({"n": 2.5}, TypeError, "n must be an integer"),
    ({"n": math.nan}, TypeError, "n must be an integer"),
    ({"n": math.inf}, TypeError, "n must be an integer"),
    ({"n": True}, TypeError, "n must be an integer"),
    ({"n": "3"}, TypeError, "n must be an integer"),
    ({"n": 3, "runs": 0}, ValueError, "runs must be an integer of at least 1"),
    ({"n": 3, "dtype": "float16"}, ValueError, "unknown dtype 'float16'"),
    ({"n": 3, "xp": math}, TypeError, "xp must be an array library"),
    ({"n": 3, "xp": np, "device": "cuda"}, ValueError, "numpy computes on 'cpu'"),
]


@every
def test_bad_arguments_of_sample(case):
    for arguments, error, message in BAD:
        with pytest.raises(error, match=message):
            case.ensemble.sample(**arguments)


@every
def test_bad_arguments_of_the_others(case):
    ensemble = case.ensemble
    for edges, message in [
        ([1.0], "at least two"),
        (1.0, "at least two"),
        ([0.0, math.nan], "1 NaN"),
        ([1.0, 0.0], "ascending"),
    ]:
        with pytest.raises(ValueError, match=message):
            ensemble.histogram(4, edges)
    with pytest.raises(ValueError, match="has no 5 eigenvalues"):
        ensemble.extremes(4, 5)
    with pytest.raises(ValueError, match="unknown edge 'left'"):
        ensemble.extremes(4, edge="left")
    with pytest.raises(ValueError, match="allows 4 Lanczos steps; got 5"):
        ensemble.lanczos(4, 5)
    with pytest.raises(ValueError, match="steps must be an integer of at least 1"):
        ensemble.lanczos(4, 0)


def has_lanczos(ensemble):
    """Rotation invariant and real, or a tridiagonal model."""
    if isinstance(ensemble, TridiagonalEnsemble):
        return True
    if isinstance(ensemble, ReluResidual):
        return False
    return getattr(ensemble, "beta", 1) == 1 and getattr(ensemble, "entries", "normal") == "normal"


@every
def test_lanczos_or_a_reason_why_not(case):
    if not has_lanczos(case.ensemble):
        with pytest.raises(ValueError, match="Lanczos sampler"):
            case.ensemble.lanczos(10, 3)
        return
    spectrum = case.ensemble.lanczos(50, 6, rng=1, runs=3)
    assert spectrum.nodes.shape == spectrum.weights.shape == spectrum.alpha.shape == (3, 6)
    assert spectrum.beta.shape == (3, 5)
    assert spectrum.dimension == 50
    assert spectrum.provenance["steps"] == 6
    first = (spectrum.nodes * spectrum.weights).sum(axis=1)
    np.testing.assert_allclose(first, spectrum.alpha[:, 0], atol=1e-12)
    alone = case.ensemble.lanczos(50, 6, rng=1, runs=1)
    np.testing.assert_array_equal(alone.alpha, spectrum.alpha[:1])
