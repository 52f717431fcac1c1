"""Spectrum: eigenvalues, weights, counts, moments, and what a value is expected to do."""

import copy
import math
import pickle
import sys
from dataclasses import replace

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib import pyplot
from matplotlib.figure import Figure

from rmtland import EmpiricalLaw, Semicircle, Spectrum, WishartPlusWigner

quick = examples(100)
finite_nodes = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=12),
    elements=st.floats(-1e6, 1e6),
)


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
    for use in (lambda: spectrum.eigenvalues, spectrum.inertia, lambda: np.asarray(spectrum)):
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


@pytest.mark.parametrize("make", [Spectrum, EmpiricalLaw], ids=["spectrum", "law"])
@pytest.mark.parametrize("unit", [1e-200, 1e200, 5e307])
def test_deviations_of_any_size_and_moments_that_no_number_holds(make, unit):
    found = make(np.array([1.0, 3.0]) * unit)
    assert (found.mean(), found.std()) == pytest.approx((2 * unit, unit), rel=1e-15)
    assert make([-unit, unit]).moment(3) == 0
    if unit < 1:
        assert found.var() == found.moment(2) == 0
        return
    for ask in (found.var, lambda: found.moment(2), lambda: found.moment(11)):
        with pytest.raises(
            OverflowError, match=r"(variance|order (2|11)\b).* is beyond the largest"
        ):
            ask()


def test_the_transform_is_infinite_at_an_eigenvalue():
    found = Spectrum([1.0, 2.0]).stieltjes([1.0, 1.5, 1.0 + 1.0j])
    np.testing.assert_array_equal(found, [np.inf, 0.0, -0.25 - 0.75j])
    assert Spectrum([1.0, 2.0]).stieltjes(2.0) == EmpiricalLaw([1.0, 2.0]).stieltjes(2.0)


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


# Values ------------------------------------------------------------------------------------------

EACH = [
    Spectrum([1.0, -2.0, 0.0], provenance={"source": "three"}),
    Spectrum([[1.0, 2.0], [3.0, 4.0]], [[0.25, 0.75], [0.5, 0.5]], 7),
    Spectrum([1.0, 2.0], precision="float32"),
    Spectrum([1.0, 2.0], [0.5, 0.5], 9, errors=[0.0, 0.1], brackets=[[0, 0.5], [0.5, 1]]),
    Spectrum([[1.0, 3.0]], [[0.5, 0.5]], 10, {}, [[2.0, 2.0]], [[1.0]]),
]


@pytest.mark.parametrize("spectrum", EACH, ids=repr)
def test_equal_spectra_are_equal_and_others_are_not(spectrum):
    same = replace(spectrum)
    assert same is not spectrum
    assert same == spectrum
    assert hash(same) == hash(spectrum)
    for other in EACH:
        assert (other == spectrum) == (other is spectrum)
    assert spectrum != replace(spectrum, provenance={"source": "elsewhere"})
    assert spectrum != replace(spectrum, nodes=spectrum.nodes + 1)
    assert spectrum != "spectrum"


def pickled(spectrum):
    return pickle.loads(pickle.dumps(spectrum))


@pytest.mark.parametrize("spectrum", EACH, ids=repr)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
def test_copies_are_equal_and_as_read_only(spectrum, again):
    other = again(spectrum)
    assert other == spectrum
    with pytest.raises(ValueError, match="read-only"):
        other.nodes[0, 0] = 5.0
    with pytest.raises(TypeError, match="provenance cannot be changed"):
        other.provenance["x"] = 1


def test_zeros_of_either_sign_are_equal():
    assert Spectrum([0.0, 1.0]) == Spectrum([-0.0, 1.0])
    assert hash(Spectrum([0.0, 1.0])) == hash(Spectrum([-0.0, 1.0]))


def test_provenance_cannot_be_changed_at_any_depth():
    origin = Spectrum([1.0], provenance={"inner": {"a": [1, 2]}}).provenance
    for change in (
        lambda: origin.update(x=1),
        lambda: origin.pop("inner"),
        lambda: origin["inner"].clear(),
        lambda: origin["inner"]["a"].append(3),
        lambda: origin["inner"]["a"].sort(),
    ):
        with pytest.raises(TypeError, match="provenance cannot be changed"):
            change()
    assert origin == {"inner": {"a": [1, 2]}}
    with pytest.raises(TypeError, match="keys are strings; got 3"):
        Spectrum([1.0], provenance={3: "x"})


def test_as_an_array_a_spectrum_is_its_eigenvalues():
    spectrum = Spectrum([[3.0, 1.0], [0.0, 2.0]])
    np.testing.assert_array_equal(np.asarray(spectrum), [0.0, 1.0, 2.0, 3.0])
    assert len(spectrum) == len(np.asarray(spectrum)) == 4
    assert np.asarray(spectrum, dtype=np.float32).dtype == np.float32
    assert np.array(spectrum).flags.writeable
    with pytest.raises(TypeError, match="is one already"):
        Spectrum(spectrum)


def test_text_is_short_and_html_a_table():
    spectrum = Spectrum(
        np.random.default_rng(0).normal(size=(5, 900)), provenance={"source": "<b>"}
    )
    assert len(repr(spectrum)) < 100
    assert "5 runs of 900 eigenvalues" in repr(spectrum)
    assert "&lt;b&gt;" in spectrum._repr_html_()
    assert len(spectrum._repr_html_()) < 800
    assert "20 nodes" in repr(Spectrum(np.arange(20.0), np.full(20, 0.05), 10**9))


def test_a_data_frame_or_what_to_install(monkeypatch):
    spectrum = Spectrum(
        [2.0, 1.0], [0.25, 0.75], 9, errors=[0.1, 0.0], brackets=[[0, 1], [0, 0.75]]
    )
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        spectrum.to_dataframe()
    monkeypatch.setitem(sys.modules, "pandas", type("pandas", (), {"DataFrame": dict}))
    frame = spectrum.to_dataframe()
    assert {key: list(column) for key, column in frame.items()} == {
        "run": [0, 0],
        "node": [1.0, 2.0],
        "weight": [0.75, 0.25],
        "error": [0.0, 0.1],
        "low": [0.0, 0.0],
        "high": [0.75, 1.0],
    }


def test_plot_draws_on_given_axes_or_new_ones():
    ax = Figure().subplots()
    assert Spectrum([0.0, 1.0, 1.0]).plot(ax, bins=2, color="red") is ax
    (bars,) = ax.patches
    np.testing.assert_allclose(bars.get_data()[0], [2 / 3, 4 / 3])
    own = Spectrum([0.0, 1.0]).plot()
    assert own.get_xlabel() == "eigenvalue"
    assert Semicircle().plot(own) is own
    assert (len(own.patches), len(own.get_lines())) == (1, 1)
    pyplot.close(own.figure)
    with pytest.raises(TypeError, match=r"ax must be matplotlib Axes, .*; got str"):
        Spectrum([0.0]).plot("here")


def test_distribution_function_and_transforms():
    spectrum = Spectrum([[-1.0, 1.0], [1.0, 2.0]], [[0.5, 0.5], [0.25, 0.75]], 9)
    np.testing.assert_allclose(spectrum.cdf([-2, -1, 0, 1, 2]), [0, 0.25, 0.25, 0.625, 1])
    np.testing.assert_allclose(spectrum.mass_below([-1, 1, 2, 9]), [0, 0.25, 0.625, 1])
    assert spectrum.cdf(0.0) == 0.25
    assert spectrum.stieltjes(1j) == pytest.approx(
        0.25 / (1j + 1) + 0.375 / (1j - 1) + 0.375 / (1j - 2), rel=1e-14
    )
    x = np.linspace(-4000, 4000, 2_000_001)
    density = spectrum.smoothed_pdf(x, eta=0.5)
    assert np.trapezoid(density, x) == pytest.approx(1, abs=1e-3)
    slope = np.gradient(spectrum.smoothed_cdf(x[999_000:1_001_000], eta=0.5), x[1] - x[0])
    np.testing.assert_allclose(slope[1:-1], density[999_001:1_000_999], atol=1e-5)
    assert spectrum.smoothed_cdf(-1e9, eta=1.0) < 1e-8
    none = np.empty((0, 2))
    assert spectrum.stieltjes(none).dtype == np.complex128
    assert spectrum.smoothed_pdf(none, eta=1.0).shape == (0, 2)
    with pytest.raises(ValueError, match="eta must be a positive"):
        spectrum.smoothed_pdf(0.0, eta=0.0)
    assert spectrum.std() == pytest.approx(math.sqrt(spectrum.var()))


def test_eigenvalues_with_words_on_their_origin():
    spectrum = Spectrum.from_eigenvalues([3.0, 1.0], source="a file", seed=2)
    assert spectrum == Spectrum([1.0, 3.0], provenance={"source": "a file", "seed": 2})


# Precision, masks and weights ---------------------------------------------------------------------


def test_the_zero_tolerance_follows_the_precision_of_the_nodes():
    nodes = np.array([-5e-7, 0.5, 1.0, 2.0])
    assert Spectrum(nodes).index() == 0.25
    single = Spectrum(nodes.astype(np.float32))
    assert (single.precision, single.index()) == ("float32", 0.0)
    assert single.zero_tolerance == 4 * 2.0**-23 * 2.0
    assert Spectrum(nodes, precision="float32").inertia()[:3] == (0, 1, 3)
    assert Spectrum(nodes.astype(np.float16)).zero_tolerance == 4 * 2.0**-10 * 2.0
    with pytest.raises(ValueError, match="unknown precision 'int8'"):
        Spectrum(nodes, precision="int8")


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Spectrum(x),
        lambda x: Spectrum([x, x]),
        lambda x: Spectrum([1.0, 2.0, 3.0], x),
        lambda x: Spectrum.from_matrix(np.ma.diag(x)),
        lambda x: Spectrum([1.0, 2.0, 3.0]).cdf(x),
    ],
)
def test_a_mask_is_not_dropped(make):
    masked = np.ma.masked_array([0.25, 0.5, 0.25], [0, 0, 1])
    with pytest.raises(ValueError, match=r"masks \d of its \d values"):
        make(masked)


def test_a_masked_array_that_masks_nothing_is_an_array():
    assert Spectrum(np.ma.masked_array([1.0, 2.0])) == Spectrum([1.0, 2.0])


@examples(50)
@given(size=st.integers(1, 400), seed=st.integers(0, 10**6))
def test_weights_normalised_in_single_precision_are_taken(size, seed):
    rng = np.random.default_rng(seed)
    weights = rng.random(size).astype(np.float32)
    weights /= weights.sum()
    for given_weights in (weights, weights.astype(np.float64)):
        spectrum = Spectrum(rng.normal(size=size), given_weights)
        assert spectrum.weights.sum() == pytest.approx(1, abs=1e-14)


def test_other_weights_are_refused_with_what_they_miss():
    with pytest.raises(ValueError, match="run 0 sums to inf"):
        Spectrum([1.0, 2.0], weights=[1e308, 1e308])
    with pytest.raises(ValueError, match=r"run 1 sums to 1\.2, off by \+0\.2 .*divide"):
        Spectrum([[1.0, 2.0], [1.0, 2.0]], [[0.5, 0.5], [0.7, 0.5]])
    with pytest.raises(ValueError, match=r"the least is -0\.5"):
        Spectrum([1.0, 2.0], [1.5, -0.5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"errors": [0.1]}, r"errors must have the shape of the nodes \(1, 2\)"),
        ({"errors": [0.1, -0.1]}, "errors must not be negative"),
        ({"brackets": [0.1, 0.2]}, r"brackets must have .* \(1, 2, 2\)"),
        ({"brackets": [[0.5, 0.1], [0, 1]]}, "0 <= low <= high <= 1"),
    ],
)
def test_errors_and_brackets_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        Spectrum([1.0, 2.0], [0.5, 0.5], 9, **options)
