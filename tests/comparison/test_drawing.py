"""Overlays and distribution functions: everything lands on the given axes, at the right places."""

import dataclasses
import functools
import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from rmtland import (
    Arcsine,
    Discrete,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    WishartEnsemble,
    WishartPlusReluBlock,
    WishartPlusWigner,
    compare,
    fit,
)
from rmtland.comparison import outliers, overlay as lay_over
from rmtland.comparison.drawing import draw_overlay, triple_of
from rmtland.laws import Normal
from rmtland.plot import draw_distributions

MODEL = WishartPlusWigner(0.5, 0.3)


@pytest.fixture
def ax():
    return Figure().subplots()


def render(*axes):
    """Draw as a file would be drawn, without its pixels; warnings are errors."""
    axes[0].figure.draw_without_rendering()


def atoms_of(ax):
    return [text for text in ax.texts if isinstance(text, Annotation)]


# Distribution functions ----------------------------------------------------------------------


def test_distribution_functions(ax):
    spectrum = MODEL.sample(50, rng=0)
    laws = {"one": MODEL.law, "two": WishartPlusReluBlock(2.5, 0.1).law}
    artists = draw_distributions(ax, spectrum, laws, styles=[{"color": "red"}, {"color": "green"}])
    measured, one, two = artists
    assert all(artist in ax.lines for artist in artists)
    x, y = measured.get_data()
    assert measured.get_drawstyle() == "steps-post"
    np.testing.assert_array_equal(x[1:-1], spectrum.eigenvalues)
    np.testing.assert_allclose(y[1:-1], np.arange(1, 51) / 50)
    assert (y[0], y[-1]) == (0, 1)
    for line, (name, law), color in zip((one, two), laws.items(), ("red", "green"), strict=True):
        x, y = line.get_data()
        assert (line.get_label(), line.get_color()) == (name, color)
        assert (np.diff(x) >= 0).all()
        np.testing.assert_allclose(y, law.cdf(x), atol=1e-15)
        assert y[0] < 1e-15
        assert y[-1] == pytest.approx(1, abs=1e-14)
    low, high = ax.get_xlim()
    assert low <= min(spectrum.nodes.min(), laws["two"].support[0][0])
    assert high >= max(spectrum.nodes.max(), laws["two"].support[-1][1])
    assert ax.get_xscale() == "symlog"
    render(ax)


@pytest.mark.parametrize(
    "nodes",
    [
        [0.0, 0.0],
        [1.0],
        [-4.0, -1.0],
        [1e-9, 2e-9],
        [1e6, 2e7],
        [0.9, 1.0, 1.1, 1e6],
        [0.0, 1e-17, 3.0],
    ],
    ids=str,
)
def test_distribution_functions_of_any_spectrum(ax, nodes):
    """The linear part of the axis lies inside the bulk, whatever its unit."""
    spectrum = Spectrum(nodes)
    draw_distributions(ax, spectrum, {"law": Semicircle()})
    moduli = np.abs(spectrum.nodes[np.abs(spectrum.nodes) > spectrum.zero_tolerance])
    linear = ax.xaxis.get_transform().linthresh
    if moduli.size:
        assert np.median(moduli) / 100 <= linear <= np.median(moduli) / 10
    else:
        assert linear == 1
    assert 0.0 in ax.get_xticks()
    render(ax)


# Overlay -------------------------------------------------------------------------------------


def overlay(spectrum, laws, *, rendered=False):
    axes = Figure(figsize=(11, 4.8), layout="constrained").subplots(1, 2)
    result = lay_over(spectrum, laws)
    artists = result.plot(tuple(axes))
    if rendered:  # laying text out takes longer than all the rest
        render(*axes)
    return axes, artists, result.comparisons


def spiked(model, spikes, n=120):
    return Spectrum(np.concatenate([model.law.ppf((np.arange(n) + 0.5) / n), spikes]))


def test_overlay_legend_says_names_distances_and_indices():
    spectrum = MODEL.sample(80, rng=1)
    laws = {"first law": WishartPlusReluBlock(0.5, 0.6).law, "second law": MODEL.law}
    (left, right), artists, comparisons = overlay(spectrum, laws, rendered=True)
    legend = right.get_legend()
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[0] == f"measured, index {spectrum.index():.3f}"
    for text, (name, result) in zip(texts[1:], comparisons.items(), strict=True):
        assert text.startswith(f"{name}\n")
        assert f"Kolmogorov {result.kolmogorov:.3f}" in text
        assert f"W1 {result.wasserstein:.3f}," in text
        assert f"index {result.law_index:.3f}" in text
    assert comparisons["first law"].kolmogorov > 2 * comparisons["second law"].kolmogorov
    assert legend in artists
    # Each law has one colour: in the densities, the distribution functions and the legend.
    keys = [line.get_color() for line in legend.get_lines()][1:]
    assert [line.get_color() for line in left.lines[:2]] == keys
    assert [line.get_color() for line in right.lines[1:3]] == keys
    assert len(set(keys)) == 2


def test_overlay_returns_what_it_drew_on_the_given_axes():
    (left, right), artists, _ = overlay(spiked(MODEL, [60.0]), {"law": MODEL.law})
    (inset,) = left.child_axes
    assert {artist.axes for artist in artists} == {left, right, inset}
    assert left.get_xlabel() == "eigenvalue"
    assert left.get_ylabel() == "density"
    assert left.get_yscale() == "log"
    assert inset.get_yscale() == "linear"


def test_overlay_without_a_tail_has_no_inset():
    """Which would hide what it repeats."""
    (left, right), artists, _ = overlay(spiked(MODEL, []), {"law": MODEL.law})
    assert {artist.axes for artist in artists} == {left, right}
    assert (left.child_axes, left.get_yscale()) == ([], "linear")
    measured, law = left.patches[0].get_data()[0], left.lines[0].get_ydata()
    assert max(*measured, *law) < left.get_ylim()[1] < 2 * max(measured)


def test_overlay_marks_outliers_of_the_last_law():
    spectrum = spiked(MODEL, [-6.0, 9.0, 30.0])
    wide = WishartPlusWigner(0.5, 400.0).law  # covers every spike
    (left, right), artists, _ = overlay(spectrum, {"wide": wide, "law": MODEL.law}, rendered=True)
    (marks,) = [line for line in left.lines if line.get_marker() == "v"]
    np.testing.assert_array_equal(marks.get_xdata(), [-6.0, 9.0, 30.0])
    assert marks in artists
    assert right.get_legend().get_texts()[-1].get_text() == "3 outliers of: law"
    low, high = left.get_xlim()
    assert low < -6
    assert high > 30
    (left, right), _, _ = overlay(spectrum, {"law": MODEL.law, "wide": wide})
    assert not [line for line in left.lines if line.get_marker() == "v"]
    assert len(right.get_legend().get_texts()) == 3


def test_overlay_inset_shows_zero_and_the_lower_bulk():
    spectrum = spiked(MODEL, [200.0])
    (left, _), _, _ = overlay(spectrum, {"law": MODEL.law})
    (inset,) = left.child_axes
    low, high = inset.get_xlim()
    assert low < 0 < high < 20
    assert low <= np.quantile(spectrum.nodes, 0.05)
    assert high >= np.quantile(spectrum.nodes, 0.85)
    heights = inset.patches[0].get_data()[0]
    assert max(heights) <= inset.get_ylim()[1] < 2 * max(heights)


def test_overlay_of_a_quadrature_scales_by_weight():
    """A spectrum and itself as nodes with weights fill the same axes."""
    nodes = np.array([-0.5, 0.1, 0.1, 0.1, 0.1, 0.4, 0.9, 1.5])
    distinct, count = np.unique(nodes, return_counts=True)
    laws = {"law": MODEL.law}
    (left, _), _, _ = overlay(Spectrum(nodes), laws)
    (other, _), _, _ = overlay(Spectrum(distinct, count / 8), laws)
    inset = other.child_axes[0]
    heights = inset.patches[0].get_data()[0]
    assert max(heights) <= inset.get_ylim()[1] < 2 * max(heights)
    assert left.get_xlim() == other.get_xlim()


def test_overlay_has_an_arrow_for_an_atom():
    model = WishartPlusReluBlock(4.0, 0.3)
    (left, _), _, _ = overlay(model.sample(60, rng=0), {"law": model.law})
    assert [arrow.get_text() for arrow in atoms_of(left)] == ["atom 0.5"]


@pytest.mark.parametrize(
    "spectrum",
    [
        Spectrum([1.0]),
        Spectrum([0.0]),
        Spectrum([-300.0]),
        Spectrum([0.0, 0.0, 1e-18]),
        Spectrum([[-1.0, 2.0], [0.0, 3.0]]),
        Spectrum([1e-8, 2e-8, 3e-8]),
        Spectrum([0.5, 1.0], [0.1, 0.9]),
    ],
    ids=lambda spectrum: str(spectrum.nodes.tolist()),
)
@pytest.mark.parametrize(
    "law",
    [
        WishartPlusReluBlock(4.0, 0.3).law,  # with an atom
        pytest.param(MODEL.law, marks=pytest.mark.slow),
        pytest.param(MarchenkoPastur(1.0), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_overlay_of_any_spectrum_and_law(spectrum, law):
    (left, right), _, _ = overlay(spectrum, {"law": law}, rendered=True)
    for axes in (left, right, *left.child_axes):
        low, high = axes.get_xlim()
        assert low < high
        low, high = axes.get_ylim()
        assert low < high


def test_more_laws_than_colours():
    laws = {f"law {i}": WishartPlusWigner(0.5, 0.1 + 0.1 * i).law for i in range(8)}
    (left, _), _, _ = overlay(MODEL.sample(40, rng=0), laws)
    styles = [(line.get_color(), line._dash_pattern) for line in left.lines[:8]]  # then zero
    assert len(styles) == 8
    assert len(set(map(str, styles))) == 8


@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize("layout", ["constrained", None])
def test_the_legend_covers_no_curve(count, layout):
    """In a figure of its own it stands below both axes, whole, with nothing empty below it."""
    figure = Figure(figsize=(9.4, 5.9), layout=layout)
    FigureCanvasAgg(figure)
    axes, below = triple_of(figure)
    laid = lay_over(
        MODEL.sample(60, rng=0), {f"law number {i} with a name": MODEL for i in range(count)}
    )
    laid.plot(axes, legend=below)
    assert axes[1].get_legend() is None
    figure.canvas.draw()
    legend = below.get_legend().get_window_extent()
    lowest = min(ax.get_tightbbox().y0 for ax in axes)
    assert 0 < legend.y0 < 0.02 * figure.bbox.height
    assert legend.y1 < lowest < legend.y1 + 0.04 * figure.bbox.height
    assert 0 < legend.x0 < legend.x1 < figure.bbox.x1


def test_the_index_of_a_figure_is_that_of_its_table():
    """Also where more is known of it than the spectrum tells."""
    laid = lay_over(MODEL.sample(60, rng=0), MODEL)
    for known, words in (
        (None, laid.rows()[0][3]),
        ((0.2, 0.2), "0.200"),
        ((0.2, 0.25), "0.200 to 0.250"),
        ((0.2, 0.2003), "0.2000 to 0.2003"),
        ((0.0, 2e-6), "0.000000 to 0.000002"),
        ((0.2, np.nextafter(0.2, 1.0)), "0.200"),
    ):
        axes = Figure().subplots(1, 2)
        one = dataclasses.replace(laid, index_range=known)
        one.plot(axes)
        assert one.rows()[0][3] == words
        assert axes[1].get_legend().get_texts()[0].get_text() == f"measured, index {words}"
        assert words in one._repr_html_()


def test_no_window_and_no_global_state():
    """Drawing does not import pyplot, which alone holds windows and a current figure."""
    code = """
import io, sys, warnings
warnings.simplefilter("error")
from matplotlib.figure import Figure
from rmtland import WishartPlusWigner
from rmtland.comparison import overlay
from rmtland.plot import draw_overlay
model = WishartPlusWigner(0.5, 0.3)
spectrum = model.sample(30, rng=0)
axes = Figure().subplots(1, 2)
draw_overlay(axes, overlay(spectrum, model))
axes[0].figure.savefig(io.BytesIO())
print("matplotlib.pyplot" in sys.modules)
"""
    interpreted = os.environ | {"RMTLAND_KERNELS": "interpreted"}  # a new process compiles anew
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=interpreted
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


# Every kind of theory --------------------------------------------------------------------------


class Blurred:
    """Knows its smoothed distribution function only."""

    def smoothed_cdf(self, x, *, eta):
        return MODEL.smoothed_cdf(x, eta=eta)

    def smoothed_pdf(self, x, *, eta):
        return MODEL.smoothed_pdf(x, eta=eta)


@functools.cache
def sample():
    return MODEL.sample(60, rng=0)


# Made by the tests that ask for them: what is made here is made by every worker, with its kernels.
THEORIES = {
    "law": lambda: Semicircle(1.1, 1.0),
    "point": lambda: Discrete((1.0,), (1.0,)),
    "atoms": lambda: Discrete((0.0, 1.0, 3.0), (0.2, 0.5, 0.3)),
    "atom and band": lambda: MarchenkoPastur(4.0),
    "unbounded density": lambda: Arcsine(),
    "model": lambda: MODEL,
    "ensemble": lambda: WishartEnsemble(0.5),
    "fit": functools.cache(lambda: fit(sample(), WishartPlusWigner, resamples=0, rng=0)),
    "spectrum": sample,
    "smoothed": Blurred,
}
SPECTRA = {
    "matrix": sample,
    "runs": functools.cache(lambda: MODEL.sample(20, rng=1, runs=3)),
    "quadrature": functools.cache(lambda: MODEL.lanczos(1000, 12, rng=0)),
    "one eigenvalue": lambda: Spectrum([1.0]),
    "zeros": lambda: Spectrum([0.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("theory", THEORIES)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_every_theory_is_compared_drawn_and_told(theory, spectrum):
    """One road for laws, models, ensembles, fits, spectra and smoothed predictions."""
    measured, thing = SPECTRA[spectrum](), THEORIES[theory]()
    result = lay_over(measured, {theory: thing})
    found = result.comparisons[theory]
    if theory != "fit":
        assert found == compare(measured, thing)
    assert 0 <= found.kolmogorov <= 1
    assert 0 <= found.wasserstein < np.inf
    assert 0 <= found.mass_outside <= 1
    values = result.to_dict()
    assert values["laws"][theory]["kolmogorov"] == found.kolmogorov
    assert values["spectrum"]["index"] == measured.index()
    assert [row[0] for row in result.rows()] == ["measured", theory]
    assert theory in repr(result)
    assert len(repr(result)) < 400
    assert f"{found.kolmogorov:.3f}" in result._repr_html_()
    axes = Figure(figsize=(9, 4)).subplots(1, 2)
    assert result.plot(tuple(axes))
    if theory == "law" or spectrum == "matrix":
        render(*axes)
    legend = [text.get_text() for text in axes[1].get_legend().get_texts()]
    if theory != "smoothed":
        marked = outliers(measured, thing).size
        assert found.outliers == marked
        outside = f"{marked} outliers"
        if spectrum == "quadrature":  # its nodes are no eigenvalues
            outside = f"{100 * found.mass_outside:.1f} % outside"
            assert result.rows()[1][-1] in ("", outside.removesuffix(" outside"))
        assert (f"{outside} of: {theory}" in legend) == bool(marked)


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([-1.2e-4, 3.0], "-0.00012 3"),
        ([-1e-17, 0.012345], "0 0.0123"),
        ([-4e-7, -1e-7], "-4e-07 -1e-07"),
        ([0.0, 0.0], "0 0"),
    ],
)
def test_ends_of_a_spectrum_are_told_in_its_units(values, ends):
    assert lay_over(Spectrum(values), {"law": Normal()}).rows()[0][4] == ends
    assert lay_over(Spectrum(values), {"law": Normal()}).rows()[1][4] == "-inf inf"


def test_a_new_figure_where_no_axes_are_given():
    artists = lay_over(sample(), MODEL).plot()
    figure = artists[0].axes.figure
    assert pyplot.fignum_exists(figure.number)
    pyplot.close(figure)


def test_families_are_fitted_and_named():
    result = lay_over(sample(), [MODEL], families=[WishartPlusWigner], rng=0)
    assert list(result.theories) == ["Wishart + Wigner", "Wishart + Wigner, fitted"]
    entry = result.to_dict()["laws"]["Wishart + Wigner, fitted"]
    assert entry["errors"].keys() == {"phi", "epsilon", "sigma"}
    assert entry["phi"] == result.theories["Wishart + Wigner, fitted"].model.phi
    assert result.to_dict()["laws"]["Wishart + Wigner"]["phi"] == 0.5


FOUR = Spectrum([0.0, 0.5, 1.0, 2.0])


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([1.0], MODEL), {}, TypeError, "expected a Spectrum; got list"),
        ((FOUR,), {}, ValueError, "nothing to lay over"),
        ((FOUR, [MODEL, MODEL]), {}, ValueError, "two theories are called 'Wishart"),
        ((FOUR, {"x": "law"}), {}, TypeError, "expected a law"),
        ((FOUR, {"x": WishartPlusWigner}), {}, TypeError, "the class WishartPlusWigner"),
    ],
)
def test_what_cannot_be_laid_over(arguments, options, error, message):
    with pytest.raises(error, match=message):
        lay_over(*arguments, **options)


@pytest.mark.parametrize(("n", "bins"), [(8, 20), (150, 30), (624, 120), (3000, 120)])
def test_few_eigenvalues_have_few_bins(n, bins):
    axes = pyplot.subplots(1, 2)[1]
    measured = draw_overlay(axes, lay_over(spiked(MODEL, [], n), MODEL))[0]
    assert len(measured.get_data().values) == bins
    pyplot.close()
