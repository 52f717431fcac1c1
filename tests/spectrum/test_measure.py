"""Spectrum: eigenvalues, weights, counts, moments, and files that are whole or not there."""

import io
import json
import math
import os
import tempfile
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rmtland.spectrum.measure
from rmtland import MarchenkoPastur, Semicircle, Spectrum, WishartPlusReluBlock, WishartPlusWigner
from rmtland.networks import HessianSplit
from rmtland.spectrum import inertia

quick = settings(max_examples=100, deadline=None, derandomize=True, database=None)
finite_nodes = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=12),
    elements=st.floats(-1e6, 1e6),
)


def rotation(n, rng):
    return np.linalg.qr(np.random.default_rng(rng).standard_normal((n, n)))[0]


def with_eigenvalues(values, rng=0):
    q = rotation(len(values), rng)
    matrix = q @ np.diag(values) @ q.T
    return (matrix + matrix.T) / 2


# Matrices ------------------------------------------------------------------------------------


def test_from_matrix_finds_known_eigenvalues():
    values = [3.0, -1.5, 0.25, 7.0, -1.5]
    spectrum = Spectrum.from_matrix(with_eigenvalues(values), source="known", seed=3)
    np.testing.assert_allclose(spectrum.eigenvalues, np.sort(values), atol=1e-14)
    assert spectrum.nodes.shape == (1, 5)
    assert (spectrum.runs, spectrum.dimension, spectrum.is_complete) == (1, 5, True)
    assert spectrum.provenance == {"source": "known", "seed": 3}


def test_from_matrix_tridiagonal_closed_form():
    """2 - 2 cos(k pi / (n + 1)): the discrete Laplacian."""
    n = 40
    matrix = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    exact = 2 - 2 * np.cos(np.arange(1, n + 1) * np.pi / (n + 1))
    np.testing.assert_allclose(Spectrum.from_matrix(matrix).eigenvalues, exact, atol=1e-14)


def test_from_matrix_takes_a_stack_as_runs():
    stack = np.array([with_eigenvalues([1.0, 2.0, 3.0], 1), with_eigenvalues([-4.0, 0.5, 9.0], 2)])
    spectrum = Spectrum.from_matrix(stack)
    assert (spectrum.runs, spectrum.dimension) == (2, 3)
    np.testing.assert_allclose(spectrum.nodes, [[1, 2, 3], [-4, 0.5, 9]], atol=1e-14)
    np.testing.assert_allclose(spectrum.eigenvalues, [-4, 0.5, 1, 2, 3, 9], atol=1e-14)


def test_from_matrix_takes_the_total_of_a_split():
    split = HessianSplit(np.eye(2), np.array([[0.0, 2.0], [2.0, 0.0]]))
    np.testing.assert_allclose(Spectrum.from_matrix(split).eigenvalues, [-1, 3], atol=1e-15)


@pytest.mark.parametrize(
    "matrix",
    [
        np.array([[2, 1], [1, 2]], dtype=np.int32),
        np.array([[2, 1], [1, 2]], dtype=np.float32),
        [[2, 1], [1, 2]],
        np.array([[2.0, 9, 1, 9], [9, 9, 9, 9], [1, 9, 2, 9], [9, 9, 9, 9]])[::2, ::2],
        np.asfortranarray(np.array([[2.0, 1.0], [1.0, 2.0]])),
    ],
    ids=["int32", "float32", "list", "strided", "fortran"],
)
def test_from_matrix_takes_other_layouts(matrix):
    spectrum = Spectrum.from_matrix(matrix)
    assert spectrum.nodes.dtype == np.float64
    np.testing.assert_allclose(spectrum.eigenvalues, [1.0, 3.0], atol=1e-15)


def test_from_matrix_leaves_its_argument_alone():
    matrix = with_eigenvalues([1.0, 2.0, 3.0])
    before = matrix.copy()
    Spectrum.from_matrix(matrix)
    np.testing.assert_array_equal(matrix, before)
    assert matrix.flags.writeable


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], "not symmetric.*differ from their mirror by 1.0"),
        ([[0.0, 1.0], [-1.0, 0.0]], "not symmetric"),
        ([[1.0, math.nan], [math.nan, 1.0]], "2 NaN"),
        ([[1.0, math.inf], [math.inf, 1.0]], "infinite"),
        (np.empty((0, 0)), "empty"),
        (np.empty((0, 2, 2)), "empty"),
        (np.ones((2, 3)), r"\(p, p\).*\(2, 3\)"),
        (np.ones(4), r"\(4,\)"),
        (np.ones((1, 1, 2, 2)), r"\(1, 1, 2, 2\)"),
        (1.0, r"\(\)"),
    ],
)
def test_from_matrix_refuses(matrix, message):
    with pytest.raises(ValueError, match=message):
        Spectrum.from_matrix(matrix)


@pytest.mark.parametrize("matrix", [np.eye(2) * 1j, [["a", "b"], ["c", "d"]]])
def test_from_matrix_refuses_other_types(matrix):
    with pytest.raises(TypeError, match="real numbers"):
        Spectrum.from_matrix(matrix)


def test_asymmetry_is_judged_against_the_largest_entry_of_either_sign():
    for sign in (1, -1):
        matrix = sign * 1e6 * np.eye(3)
        matrix[0, 1] = 0.9e-4
        Spectrum.from_matrix(matrix)
        matrix[0, 1] = 1.2e-4
        with pytest.raises(ValueError, match="not symmetric"):
            Spectrum.from_matrix(matrix)


def test_asymmetry_in_the_last_rows_of_a_large_matrix_and_of_a_stack_is_seen():
    matrix = np.eye(1100)  # more than one block of rows
    matrix[1098, 1099] = 1e-3
    with pytest.raises(ValueError, match="not symmetric"):
        Spectrum.from_matrix(matrix)
    with pytest.raises(ValueError, match="not symmetric"):
        Spectrum.from_matrix([np.eye(2), [[0.0, 1.0], [0.5, 0.0]]])


# Nodes and weights ---------------------------------------------------------------------------


def test_nodes_are_sorted_read_only_copies():
    given_nodes = np.array([[3.0, -1.0, 2.0], [0.0, 5.0, -7.0]])
    spectrum = Spectrum(given_nodes)
    np.testing.assert_array_equal(spectrum.nodes, [[-1, 2, 3], [-7, 0, 5]])
    np.testing.assert_array_equal(given_nodes, [[3, -1, 2], [0, 5, -7]])
    assert given_nodes.flags.writeable
    given_nodes[:] = 99
    assert spectrum.nodes.max() == 5
    for array in (spectrum.nodes, spectrum.eigenvalues, *spectrum.measure):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        spectrum.nodes = given_nodes


@quick
@given(finite_nodes)
def test_any_finite_nodes(nodes):
    spectrum = Spectrum(nodes)
    runs = nodes if nodes.ndim == 2 else nodes[None]
    assert (spectrum.runs, spectrum.dimension) == runs.shape
    np.testing.assert_array_equal(spectrum.nodes, np.sort(runs, axis=1))
    np.testing.assert_array_equal(spectrum.eigenvalues, np.sort(nodes, axis=None))
    where, mass = spectrum.measure
    np.testing.assert_array_equal(where, spectrum.eigenvalues)
    np.testing.assert_allclose(mass, 1 / nodes.size, rtol=1e-14)
    scale = max(1.0, np.abs(nodes).max())
    assert spectrum.mean() == pytest.approx(nodes.mean(), abs=1e-13 * scale)
    assert spectrum.var() == pytest.approx(nodes.var(), rel=1e-12, abs=1e-13 * scale)
    for k in range(5):
        # A moment may cancel; its rounding error is that of its absolute sum.
        exact, size = np.mean(runs**k), np.mean(np.abs(runs) ** k)
        assert abs(spectrum.moment(k) - exact) <= 1e-14 * nodes.size * size + 1e-300
    negative, zero, positive, tolerance = spectrum.inertia()
    assert tolerance == runs.shape[1] * 2.0**-52 * np.abs(nodes).max()
    assert negative == sum(value < -tolerance for value in nodes.flat)
    assert positive == sum(value > tolerance for value in nodes.flat)
    assert negative + zero + positive == nodes.size
    assert spectrum.index() == pytest.approx(negative / nodes.size, abs=1e-15)


def test_weights_stay_with_their_nodes():
    spectrum = Spectrum([[2.0, -1.0, 1.0]], [[0.2, 0.5, 0.3]], dimension=100)
    np.testing.assert_array_equal(spectrum.nodes, [[-1, 1, 2]])
    np.testing.assert_array_equal(spectrum.weights, [[0.5, 0.3, 0.2]])
    assert not spectrum.is_complete
    assert spectrum.dimension == 100
    assert spectrum.mean() == pytest.approx(0.2, abs=1e-16)
    assert spectrum.moment(2) == pytest.approx(0.5 + 0.3 + 0.8, abs=1e-15)
    assert spectrum.var() == pytest.approx(1.6 - 0.04, abs=1e-15)
    assert spectrum.index() == 0.5
    with pytest.raises(ValueError, match="read-only"):
        spectrum.weights[0, 0] = 1


def test_measure_of_a_quadrature_gives_every_run_the_same_mass():
    spectrum = Spectrum([[0.0, 4.0], [3.0, 1.0]], [[0.25, 0.75], [0.9, 0.1]])
    nodes, weights = spectrum.measure
    np.testing.assert_array_equal(nodes, [0, 1, 3, 4])
    np.testing.assert_allclose(weights, [0.125, 0.05, 0.45, 0.375], rtol=1e-15)


def test_quadrature_refuses_what_needs_eigenvalues():
    spectrum = Spectrum([1.0, 2.0], [0.5, 0.5])
    for use in (
        lambda: spectrum.eigenvalues,
        spectrum.inertia,
        lambda: spectrum.outliers(Semicircle()),
    ):
        with pytest.raises(ValueError, match="quadrature"):
            use()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "empty"),
        (([[], []],), "empty"),
        ((3.0,), "axes"),
        ((np.zeros((2, 2, 2)),), r"\(2, 2, 2\)"),
        (([1.0, math.nan],), "1 NaN of 2"),
        (([1.0, -math.inf],), "infinite"),
        (([1.0, 2.0], [0.5, 0.25, 0.25]), "shape of the nodes"),
        (([[1.0], [2.0]], [0.5, 0.5]), "shape of the nodes"),
        (([1.0, 2.0], [1.5, -0.5]), "non-negative"),
        (([1.0, 2.0], [0.5, 0.4]), "sum to 1"),
        (([[1.0, 2.0], [1.0, 2.0]], [[0.5, 0.5], [0.7, 0.5]]), "sum to 1 in every run"),
        (([1.0, 2.0], [0.5, math.nan]), "NaN"),
        (([1.0, 2.0], None, 3), "dimension 3 were expected; got 2"),
        (([1.0, 2.0], [0.5, 0.5], 0), "at least 1"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Spectrum(*arguments)


@pytest.mark.parametrize(
    "arguments", [(["a"],), ([1j],), ([1.0, 2.0], [0.5, 0.5], 2.5), ([1.0], ["x"])]
)
def test_refuses_types(arguments):
    with pytest.raises(TypeError):
        Spectrum(*arguments)


# Counts --------------------------------------------------------------------------------------


def test_inertia_with_a_stated_tolerance_includes_its_bounds():
    spectrum = Spectrum([-2.0, -0.5, -0.1, 0.0, 0.1, 0.5, 0.5, 3.0])
    assert spectrum.inertia(0) == (3, 1, 4, 0.0)
    assert spectrum.inertia(0.1) == (2, 3, 3, 0.1)
    assert spectrum.inertia(0.5) == (1, 6, 1, 0.5)
    assert spectrum.inertia(10) == (0, 8, 0, 10.0)
    assert spectrum.index(0.1) == 0.25
    assert spectrum.index() == 0.375


def test_default_tolerance_is_nodes_times_unit_times_largest_modulus():
    size = 3 * 2.0**-52 * 8.0
    assert Spectrum([-8.0, size, 1.0]).inertia() == (1, 1, 1, size)
    assert Spectrum([-8.0, np.nextafter(size, 1), 1.0]).inertia() == (1, 0, 2, size)
    assert Spectrum([0.0, 0.0]).inertia() == (0, 2, 0, 0.0)
    # Of a quadrature too: its nodes come from a tridiagonal of that size, whatever the dimension.
    assert Spectrum([1.0, 2.0], [0.5, 0.5], 10**12).zero_tolerance == 2 * 2.0**-52 * 2.0


def test_index_bracket_of_a_quadrature():
    """The weights before the last negative node, and those up to the first other one."""
    spectrum = Spectrum([-2.0, -1.0, 1.0, 2.0], [0.1, 0.2, 0.3, 0.4], 100)
    assert spectrum.index_bracket() == pytest.approx((0.1, 0.6), rel=1e-15)
    assert spectrum.index_bracket(1.5) == pytest.approx((0.0, 0.3), rel=1e-15)
    assert Spectrum([1.0, 2.0], [0.25, 0.75], 9).index_bracket() == (0.0, 0.25)
    assert Spectrum([-2.0, -1.0], [0.25, 0.75], 9).index_bracket() == (0.25, 1.0)
    two = Spectrum([[-2.0, 1.0], [1.0, 2.0]], [[0.25, 0.75], [0.5, 0.5]], 9)
    assert two.index_bracket() == (0.0, 0.75)


def test_index_bracket_where_nothing_is_left_open():
    assert Spectrum([-1.0, 0.0, 2.0, 3.0]).index_bracket() == (0.25, 0.25)
    assert Spectrum([-1.0, 2.0], [0.25, 0.75], 2).index_bracket() == (0.25, 0.25)
    ended = {"alpha": [[1.0, 1.0, 0.0]], "beta": [[2.0, 0.0]]}
    spectrum = Spectrum([[-1.0, 3.0, 3.0]], [[0.5, 0.5, 0.0]], 9, **ended)
    assert spectrum.index_bracket() == (0.5, 0.5)


@pytest.mark.parametrize("phi", [1.25, 2.0, 5.0, 12.5])
def test_null_space_of_a_wishart_matrix_is_zero_and_nothing_else(phi):
    n = 100
    for seed in range(3):
        inertia = WishartPlusWigner(phi, 0.0, 30.0).sample(n, rng=seed).inertia()
        assert inertia[:3] == (0, n - round(n / phi), round(n / phi))


def test_a_matrix_of_full_rank_has_no_zeros():
    assert WishartPlusWigner(0.5, 0.0).sample(100, rng=0).inertia()[:3] == (0, 0, 100)


@pytest.mark.parametrize("tolerance", [-1e-3, math.nan, math.inf])
def test_bad_tolerance(tolerance):
    spectrum = Spectrum([1.0, 2.0])
    for use in (spectrum.inertia, spectrum.index, spectrum.index_error):
        with pytest.raises(ValueError, match="zero_tolerance"):
            use(tolerance)


def test_index_and_its_error_over_runs():
    nodes = np.random.default_rng(5).standard_normal((7, 30)) + 0.3
    spectrum = Spectrum(nodes)
    shares = (nodes < 0).mean(axis=1)
    assert np.ptp(shares) > 0
    assert spectrum.index() == pytest.approx(shares.mean(), rel=1e-14)
    assert spectrum.index_error() == pytest.approx(shares.std(ddof=1) / math.sqrt(7), rel=1e-12)
    assert spectrum.index_error(100.0) == 0
    assert Spectrum(nodes[0]).index_error() == math.inf


def test_index_of_a_quadrature_is_its_mass_below_zero():
    spectrum = Spectrum(
        [[-1.0, 2.0, 3.0], [-5.0, -1e-20, 1.0]], [[0.5, 0.25, 0.25], [0.125, 0.5, 0.375]]
    )
    assert spectrum.index() == 0.3125
    assert spectrum.index(0) == 0.5625
    assert spectrum.index_error() == pytest.approx(0.375 / math.sqrt(2) / math.sqrt(2), rel=1e-14)


def test_moments_and_their_errors_over_runs():
    nodes = np.random.default_rng(6).standard_normal((5, 20)) - 0.2
    spectrum = Spectrum(nodes)
    for k in range(1, 5):
        each = (nodes**k).mean(axis=1)
        assert spectrum.moment(k) == pytest.approx(each.mean(), rel=1e-13)
        assert spectrum.moment_error(k) == pytest.approx(each.std(ddof=1) / math.sqrt(5), rel=1e-12)
    assert spectrum.moment(0) == pytest.approx(1, abs=1e-15)
    assert spectrum.moment_error(0) == pytest.approx(0, abs=1e-16)
    assert Spectrum(nodes[0]).moment_error(2) == math.inf
    with pytest.raises(ValueError, match="k must be"):
        spectrum.moment(-1)
    with pytest.raises(TypeError, match="k must be"):
        spectrum.moment_error(1.5)


# Outliers ------------------------------------------------------------------------------------


def law_of(support, atoms=()):
    return SimpleNamespace(support=support, atoms=atoms)


def test_outliers_beside_intervals_and_atoms():
    law = law_of(((1.0, 2.0), (5.0, 7.0)), ((-1.0, 0.2),))
    values = [-2.0, -1.0, 0.0, 1.0, 1.5, 2.0, 3.0, 4.9, 5.0, 7.0, 7.2]
    np.testing.assert_array_equal(
        Spectrum(values).outliers(law, margin=0), [-2.0, 0.0, 3.0, 4.9, 7.2]
    )
    np.testing.assert_array_equal(Spectrum(values).outliers(law, margin=0.25), [-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(Spectrum(values).outliers(law, margin=1), [])


@pytest.mark.parametrize("dimension", [8, 1000])
def test_default_margin_is_width_times_dimension_to_the_minus_two_thirds(dimension):
    law = law_of(((1.0, 4.0),), ((-1.0, 0.2),))  # width 5, atoms included
    margin = 5.0 * {8: 0.25, 1000: 0.01}[dimension]
    values = np.full(dimension, 2.0)
    values[:2] = 4 + 0.99 * margin, 4 + 1.01 * margin
    values[2:4] = -1 - 0.99 * margin, -1 - 1.01 * margin
    np.testing.assert_allclose(
        Spectrum(values).outliers(law), [-1 - 1.01 * margin, 4 + 1.01 * margin]
    )


def test_outliers_of_a_spike_and_of_all_runs():
    law = MarchenkoPastur(2.0, 1.0)
    nodes = np.zeros((2, 64))
    nodes[0, 3], nodes[1, 5] = 100.0, -50.0
    np.testing.assert_array_equal(Spectrum(nodes).outliers(law), [-50.0, 100.0])


@pytest.mark.parametrize("margin", [-1.0, math.nan])
def test_bad_margin(margin):
    with pytest.raises(ValueError, match="margin"):
        Spectrum([1.0]).outliers(Semicircle(), margin)


@pytest.mark.parametrize("model", [WishartPlusWigner(0.5, 0.3), WishartPlusReluBlock(4.0, 0.3)])
def test_a_sample_has_no_outliers_against_its_own_law(model):
    assert model.sample(300, rng=2).outliers(model.law).size == 0


# Provenance ----------------------------------------------------------------------------------


def test_provenance_becomes_plain_values():
    spectrum = Spectrum(
        [1.0], provenance={"n": np.int64(3), "x": np.arange(2.0), "t": (1, 2), "f": np.float32(0.5)}
    )
    assert spectrum.provenance == {"n": 3, "x": [0.0, 1.0], "t": [1, 2], "f": 0.5}
    assert type(spectrum.provenance["n"]) is int


def test_provenance_is_a_copy():
    notes = {"inner": {"a": 1}}
    spectrum = Spectrum([1.0], provenance=notes)
    notes["inner"]["a"] = 2
    assert spectrum.provenance == {"inner": {"a": 1}}


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, lambda: 0, b"x"])
def test_provenance_must_be_json_able(value):
    with pytest.raises(TypeError, match="JSON-able"):
        Spectrum([1.0], provenance={"x": value})


def test_provenance_must_be_a_dict():
    with pytest.raises(TypeError, match="dict"):
        Spectrum([1.0], provenance=["source"])


# Files ---------------------------------------------------------------------------------------

QUADRATURE = Spectrum(
    [[1.0, -2.0], [0.1, 3.0]], [[0.25, 0.75], [1 / 3, 2 / 3]], 400, {"source": "test", "seed": [1]}
)
COMPLETE = Spectrum(np.random.default_rng(0).standard_normal((2, 60)), provenance={"größe": "ü"})


def same(one, other):
    assert one.nodes.tobytes() == other.nodes.tobytes()
    assert one.nodes.shape == other.nodes.shape
    assert (one.weights is None) == (other.weights is None)
    if one.weights is not None:
        assert one.weights.tobytes() == other.weights.tobytes()
    assert (one.dimension, one.provenance) == (other.dimension, other.provenance)


@pytest.mark.parametrize("spectrum", [QUADRATURE, COMPLETE], ids=["quadrature", "complete"])
def test_saved_and_loaded_to_the_last_bit(spectrum, tmp_path):
    path = spectrum.save(tmp_path / "s.npz")
    assert path == tmp_path / "s.npz"
    same(Spectrum.load(path), spectrum)
    same(Spectrum.load(str(path)), spectrum)
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.npz"]


@quick
@given(finite_nodes)
def test_any_spectrum_survives_a_file(nodes):
    with tempfile.TemporaryDirectory() as folder:
        spectrum = Spectrum(nodes)
        same(Spectrum.load(spectrum.save(f"{folder}/x")), spectrum)


def test_save_appends_the_ending(tmp_path):
    assert COMPLETE.save(str(tmp_path / "run.1")) == tmp_path / "run.1.npz"
    assert (tmp_path / "run.1.npz").exists()


def test_file_can_be_read_by_others_and_without_pickle(tmp_path):
    path = QUADRATURE.save(tmp_path / "s")
    assert path.stat().st_mode & 0o777 == 0o644
    with np.load(path, allow_pickle=False) as data:
        assert sorted(data.files) == ["header", "nodes", "weights"]
        assert all(data[name].dtype.kind in "fU" for name in data.files)
        assert json.loads(str(data["header"]))["dimension"] == 400


def test_failure_in_the_middle_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = COMPLETE.save(tmp_path / "s.npz")

    def half(stream, **arrays):
        stream.write(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr(rmtland.spectrum.measure.np, "savez_compressed", half)
    with pytest.raises(OSError, match="disk full"):
        QUADRATURE.save(path)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [path]
    same(Spectrum.load(path), COMPLETE)


def test_interrupt_before_the_renaming_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(rmtland.spectrum.measure.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        COMPLETE.save(tmp_path / "s.npz")
    assert list(tmp_path.iterdir()) == []


def test_save_replaces_an_older_file(tmp_path):
    COMPLETE.save(tmp_path / "s.npz")
    same(Spectrum.load(QUADRATURE.save(tmp_path / "s.npz")), QUADRATURE)


def test_save_into_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        COMPLETE.save(tmp_path / "missing" / "s.npz")


def test_load_of_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        Spectrum.load(tmp_path / "none.npz")


def written(path, **arrays):
    np.savez(path, **arrays)
    return path


def header(**changes):
    values = {"format": "rmtland spectrum 1", "dimension": 2, "provenance": {}} | changes
    return np.array(json.dumps({k: v for k, v in values.items() if v != "left out"}))


NODES = np.array([[1.0, 2.0]])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": NODES}, "header"),
        ({"header": header()}, "nodes"),
        ({"header": np.array("no json"), "nodes": NODES}, "Expecting value"),
        ({"header": np.array("[1]"), "nodes": NODES}, ""),
        ({"header": header(format="rmtland spectrum 9"), "nodes": NODES}, "spectrum 9"),
        ({"header": header(format="left out"), "nodes": NODES}, "format"),
        ({"header": header(dimension="left out"), "nodes": NODES}, "dimension"),
        ({"header": header(provenance="left out"), "nodes": NODES}, "provenance"),
        ({"header": header(provenance=[]), "nodes": NODES}, "dict"),
        ({"header": header(dimension=7), "nodes": NODES}, "dimension 7"),
        ({"header": header(), "nodes": NODES * math.nan}, "NaN"),
        ({"header": header(), "nodes": NODES, "weights": NODES}, "sum to 1"),
    ],
)
def test_load_of_a_foreign_archive(tmp_path, arrays, message):
    path = written(tmp_path / "s.npz", **arrays)
    with pytest.raises(ValueError, match=rf"s\.npz is not a spectrum file: .*{message}"):
        Spectrum.load(path)


def test_load_of_other_files(tmp_path):
    path = tmp_path / "s.npz"
    np.save(tmp_path / "array.npy", NODES)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("readme.txt", "hello")
    for content in (b"", b"text", (tmp_path / "array.npy").read_bytes(), zipped.getvalue()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a spectrum file"):
            Spectrum.load(path)
    with pytest.raises(IsADirectoryError):
        Spectrum.load(tmp_path)


def test_load_never_unpickles(tmp_path):
    trap = tmp_path / "trap"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    path = tmp_path / "s.npz"
    np.savez(path, header=header(), nodes=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match="is not a spectrum file"):
        Spectrum.load(path)
    assert not trap.exists()
    np.load(path, allow_pickle=True)["nodes"]  # the trap works
    assert trap.exists()


def test_damaged_files_are_refused_or_read_right(tmp_path):
    """One flipped bit: bytes that do not matter may pass, no wrong number may, no other error."""
    whole = COMPLETE.save(tmp_path / "s.npz").read_bytes()
    path = tmp_path / "damaged.npz"
    generator = np.random.default_rng(7)
    refused = []
    for _ in range(600):
        damaged = bytearray(whole)
        damaged[generator.integers(len(whole))] ^= 1 << generator.integers(8)
        path.write_bytes(damaged)
        try:
            spectrum = Spectrum.load(path)
        except ValueError as error:
            refused.append(str(error))
        else:
            same(spectrum, COMPLETE)
    assert len(refused) > 500
    assert all("damaged.npz is not a spectrum file" in message for message in refused)


def test_truncated_files_are_refused(tmp_path):
    whole = COMPLETE.save(tmp_path / "s.npz").read_bytes()
    path = tmp_path / "cut.npz"
    for size in range(0, len(whole), 61):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="is not a spectrum file"):
            Spectrum.load(path)


# Tridiagonals -----------------------------------------------------------------------------------


def test_tridiagonals_of_a_quadrature_are_kept_and_saved(tmp_path):
    nodes, weights = [[1.0, 3.0], [0.0, 2.0]], [[0.5, 0.5], [0.5, 0.5]]
    spectrum = Spectrum(nodes, weights, 10, {}, [[2.0, 2.0], [1.0, 1.0]], [[1.0], [1.0]])
    assert spectrum.alpha.shape == (2, 2)
    assert spectrum.beta.shape == (2, 1)
    with pytest.raises(ValueError, match="read-only"):
        spectrum.beta[0] = 5.0
    again = Spectrum.load(spectrum.save(tmp_path / "one"))
    np.testing.assert_array_equal(again.alpha, spectrum.alpha)
    np.testing.assert_array_equal(again.beta, spectrum.beta)
    one = Spectrum([[1.0], [2.0]], [[1.0], [1.0]], alpha=[[1.0], [2.0]], beta=np.empty((2, 0)))
    again = Spectrum.load(one.save(tmp_path / "two"))
    assert again.beta.shape == (2, 0)
    assert Spectrum.load(Spectrum([1.0]).save(tmp_path / "three")).alpha is None


@pytest.mark.parametrize(
    ("weights", "alpha", "beta", "message"),
    [
        (None, [1.0, 2.0], [1.0], "come together, and with the weights"),
        ([0.5, 0.5], [1.0, 2.0], None, "come together"),
        ([0.5, 0.5], [1.0], [1.0], r"alpha must have shape \(1, 2\); got \(1, 1\)"),
        ([0.5, 0.5], [1.0, 2.0], [1.0, 1.0], r"beta must have shape \(1, 1\)"),
        ([0.5, 0.5], [1.0, 2.0], [-1.0], "beta must not be negative; got -1.0"),
        ([0.5, 0.5], [1.0, math.nan], [1.0], "alpha holds 1 NaN"),
    ],
)
def test_tridiagonals_that_do_not_fit(weights, alpha, beta, message):
    with pytest.raises(ValueError, match=message):
        Spectrum([1.0, 3.0], weights, alpha=alpha, beta=beta)


# Inertia without eigenvalues ----------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 40), seed=st.integers(0, 10**6), kind=st.integers(0, 3))
def test_inertia_counts_eigenvalues(size, seed, kind):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((size, size))
    matrix = matrix + matrix.T
    if kind == 1:
        np.fill_diagonal(matrix, 0.0)  # pivots of two rows
    if kind == 2:
        matrix *= 10.0 ** rng.uniform(-100, 100)
    shift = float(np.abs(matrix).max() * rng.normal()) if kind == 3 else 0.0
    eigenvalues = np.linalg.eigvalsh(matrix)
    found = inertia(matrix, shift)
    assert found.negative == (eigenvalues < shift).sum()
    assert found.positive == (eigenvalues > shift).sum()


def test_inertia_of_singular_matrices():
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((30, 12))
    matrix = factor @ np.diag([-1.0] * 5 + [1.0] * 7) @ factor.T
    matrix = (matrix + matrix.T) / 2
    assert inertia(matrix, zero_tolerance=1e-9)[:3] == (5, 18, 7)
    assert inertia(np.zeros((4, 4)))[:3] == (0, 4, 0)
    assert inertia(np.diag([1.0, 2.0, 3.0]), 2.0)[:3] == (1, 1, 1)
    split = HessianSplit(np.eye(3), -2.0 * np.diag([1.0, 0.0, 0.0]))
    assert inertia(split)[:3] == (1, 0, 2)
    before = matrix.copy()
    inertia(matrix, 0.3)
    np.testing.assert_array_equal(matrix, before)


@pytest.mark.parametrize(
    ("matrix", "options", "message"),
    [
        (np.ones((2, 3)), {}, r"shape \(p, p\); got shape \(2, 3\)"),
        ([[0.0, 1.0], [2.0, 0.0]], {}, "the matrix is not symmetric"),
        ([[np.nan]], {}, "matrix holds 1 NaN"),
        (np.eye(2), {"shift": np.inf}, "shift must be a finite number"),
        (np.eye(2), {"zero_tolerance": -1.0}, "zero_tolerance must be zero or a positive"),
    ],
)
def test_bad_inertia(matrix, options, message):
    with pytest.raises(ValueError, match=message):
        inertia(matrix, **options)
