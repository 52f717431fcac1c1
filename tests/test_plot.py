"""Figures: everything lands on the given axes, at the right places."""

import io
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from rmtland import (
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    WishartPlusReluBlock,
    WishartPlusWigner,
    compare,
)
from rmtland.free import FreeLevy
from rmtland.laws import LevyTriplet
from rmtland.plot import (
    draw_distributions,
    draw_law,
    draw_outliers,
    draw_overlay,
    draw_spectrum,
    law_points,
)

MODEL = WishartPlusWigner(0.5, 0.3)


@pytest.fixture
def ax():
    return Figure().subplots()


def render(*axes):
    """Draw as a file would be drawn; warnings are errors."""
    stream = io.BytesIO()
    axes[0].figure.savefig(stream, format="png", dpi=40)
    assert stream.getvalue().startswith(b"\x89PNG")


def atoms_of(ax):
    return [text for text in ax.texts if isinstance(text, Annotation)]


# Histogram -----------------------------------------------------------------------------------


def test_histogram_is_a_density_of_the_whole_spectrum(ax):
    values = np.array([-1.0, 0.1, 0.2, 0.9, 1.0, 3.0])
    bars = draw_spectrum(ax, Spectrum(values), bins=4, label="mine", color="red")
    assert bars.axes is ax
    assert bars in ax.patches
    heights, edges, _ = bars.get_data()
    np.testing.assert_allclose(edges, [-1, 0, 1, 2, 3])
    np.testing.assert_allclose(heights, np.array([1, 3, 1, 1]) / 6)
    assert bars.get_label() == "mine"
    assert bars.get_facecolor() == mpl.colors.to_rgba("red")


def test_histogram_within_limits_keeps_the_normalisation(ax):
    spectrum = Spectrum([-5.0, 0.1, 0.2, 0.9, 7.0])
    heights, edges, _ = draw_spectrum(ax, spectrum, bins=2, limits=(0.0, 1.0)).get_data()
    np.testing.assert_allclose(edges, [0, 0.5, 1])
    np.testing.assert_allclose(heights * 0.5, [0.4, 0.2])


def test_histogram_of_a_quadrature_and_of_runs(ax):
    quadrature = Spectrum([0.0, 1.0, 2.0], [0.7, 0.2, 0.1])
    heights = draw_spectrum(ax, quadrature, bins=2).get_data()[0]
    np.testing.assert_allclose(heights, [0.7, 0.3])
    heights = draw_spectrum(ax, Spectrum([[0.0, 0.4], [1.8, 2.0]]), bins=2).get_data()[0]
    np.testing.assert_allclose(heights, [0.5, 0.5])


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_histogram_of_one_eigenvalue(ax, value):
    heights, edges, _ = draw_spectrum(ax, Spectrum([value]), bins=5).get_data()
    np.testing.assert_allclose(edges[[0, -1]], [value - 0.5, value + 0.5])
    assert np.sum(heights * np.diff(edges)) == pytest.approx(1)
    render(ax)


# Laws ----------------------------------------------------------------------------------------


def test_law_is_its_density_on_its_support(ax):
    line = draw_law(ax, MODEL.law, points=200, label="theory", color="#123456", lw=3)
    x, y = line.get_data()
    assert line in ax.lines
    assert (line.get_label(), line.get_color(), line.get_linewidth()) == ("theory", "#123456", 3)
    np.testing.assert_array_equal(y, MODEL.law.pdf(x))
    assert (x[0], x[-1]) == MODEL.law.support[0]
    assert max(y[0], y[-1]) < 1e-7  # a square root of the rounding of the edge
    assert np.trapezoid(y, x) == pytest.approx(1, abs=1e-4)
    assert atoms_of(ax) == []


def test_points_are_those_of_every_interval_and_its_edges():
    law = FreeLevy(LevyTriplet(0.5, 0.01, (0.1, 0.15, 0.1), (-6.0, 4.0, 15.0)))
    assert len(law.support) == 4
    x = law_points(law, 50)
    assert x.size == 200
    for i, (low, high) in enumerate(law.support):
        part = x[50 * i : 50 * i + 50]
        assert (part[0], part[-1]) == (low, high)
        assert (np.diff(part) > 0).all()
        # Dense at the edges: the first step is far shorter than the middle one.
        assert part[1] - part[0] < 0.05 * (part[25] - part[24])


def test_points_between_limits():
    law = Semicircle()
    x = law_points(law, 100, (-5.0, 0.5))
    assert (x[0], x[-1]) == (-5.0, 0.5)
    assert (np.diff(x) > 0).all()
    assert -2.0 in x
    outside = law_points(law, 10, (3.0, 4.0))
    np.testing.assert_allclose(outside, np.linspace(3, 4, 10))


def test_law_between_limits(ax):
    x, y = draw_law(ax, Semicircle(), limits=(-5.0, 0.5)).get_data()
    assert (x.min(), x.max()) == (-5.0, 0.5)
    np.testing.assert_array_equal(y[x < -2], 0)
    np.testing.assert_array_equal(y, Semicircle().pdf(x))


def test_atoms_are_arrows_that_carry_their_mass(ax):
    law = MarchenkoPastur(2.5)
    line = draw_law(ax, law, color="red")
    (arrow,) = atoms_of(ax)
    assert arrow.get_text() == "atom 0.6"
    assert arrow.xy[0] == 0.0
    assert arrow.xyann[0] == 0.0
    assert arrow.arrow_patch is not None
    assert arrow.get_color() == line.get_color() == "red"
    render(ax)


def test_an_atom_outside_the_limits_is_not_drawn(ax):
    draw_law(ax, MarchenkoPastur(2.5), limits=(0.1, 5.0))
    assert atoms_of(ax) == []
    draw_law(ax, MarchenkoPastur(2.5), limits=(0.0, 5.0))
    assert len(atoms_of(ax)) == 1
    draw_law(ax, MarchenkoPastur(2.5), limits=(-2.0, -0.1))
    assert len(atoms_of(ax)) == 1


@pytest.mark.parametrize("law", [MarchenkoPastur(1.0), WishartPlusReluBlock(2.0, 0.4, 1.3).law])
def test_an_unbounded_density_is_a_gap_in_the_line(ax, law):
    assert np.isinf(law.pdf(0.0))
    line = draw_law(ax, law, limits=(-1.0, 1.0), points=301)
    x, y = line.get_data()
    assert np.isnan(y[x == 0]).all()
    assert (x == 0).any()
    assert np.isfinite(y[x != 0]).all()
    render(ax)


# Outliers ------------------------------------------------------------------------------------


def test_outliers_are_triangles_on_the_axis_at_their_values(ax):
    values = np.array([-3.0, 8.0])
    ax.set_ylim(5, 6)
    artist = draw_outliers(ax, values, color="blue")
    np.testing.assert_array_equal(artist.get_xdata(), values)
    assert (artist.get_marker(), artist.get_linestyle()) == ("v", "None")
    assert artist.get_markeredgecolor() == "blue"
    assert ax.get_ylim() == (5, 6)
    pixels = artist.get_transform().transform(artist.get_xydata())
    for value, pixel in zip(values, pixels, strict=True):
        assert pixel[0] == pytest.approx(ax.transData.transform((value, 5))[0])
        assert ax.transAxes.inverted().transform(pixel)[1] == pytest.approx(0.015)


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


def overlay(spectrum, laws):
    axes = Figure(figsize=(11, 4.8), layout="constrained").subplots(1, 2)
    comparisons = {name: compare(spectrum, law) for name, law in laws.items()}
    artists = draw_overlay(tuple(axes), spectrum, laws, comparisons)
    render(*axes)
    return axes, artists, comparisons


def spiked(model, spikes, n=120):
    return Spectrum(np.concatenate([model.law.ppf((np.arange(n) + 0.5) / n), spikes]))


def test_overlay_legend_says_names_distances_and_indices():
    spectrum = MODEL.sample(80, rng=1)
    laws = {"first law": WishartPlusReluBlock(0.5, 0.6).law, "second law": MODEL.law}
    (left, right), artists, comparisons = overlay(spectrum, laws)
    legend = right.get_legend()
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[0] == f"measured, index {spectrum.index():.3f}"
    for text, (name, result) in zip(texts[1:], comparisons.items(), strict=True):
        assert text.startswith(f"{name}\n")
        assert f"Kolmogorov {result.kolmogorov:.3f}" in text
        assert f"W1 {result.wasserstein:.3f} widths" in text
        assert f"index {result.law_index:.3f}" in text
    assert comparisons["first law"].kolmogorov > 2 * comparisons["second law"].kolmogorov
    assert legend in artists
    # Each law has one colour: in the densities, the distribution functions and the legend.
    keys = [line.get_color() for line in legend.get_lines()][1:]
    assert [line.get_color() for line in left.lines[:2]] == keys
    assert [line.get_color() for line in right.lines[1:3]] == keys
    assert len(set(keys)) == 2


def test_overlay_returns_what_it_drew_on_the_given_axes():
    (left, right), artists, _ = overlay(MODEL.sample(80, rng=1), {"law": MODEL.law})
    (inset,) = left.child_axes
    assert {artist.axes for artist in artists} == {left, right, inset}
    assert left.get_xlabel() == "eigenvalue"
    assert left.get_ylabel() == "density"
    assert left.get_yscale() == "log"
    assert inset.get_yscale() == "linear"


def test_overlay_marks_outliers_of_the_last_law():
    spectrum = spiked(MODEL, [-6.0, 9.0, 30.0])
    wide = WishartPlusWigner(0.5, 400.0).law  # covers every spike
    (left, right), artists, _ = overlay(spectrum, {"wide": wide, "law": MODEL.law})
    (marks,) = [line for line in left.lines if line.get_marker() == "v"]
    np.testing.assert_array_equal(marks.get_xdata(), [-6.0, 9.0, 30.0])
    assert marks in artists
    assert right.get_legend().get_texts()[-1].get_text() == "3 outside the last law"
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
    "law", [MODEL.law, MarchenkoPastur(1.0), WishartPlusReluBlock(4.0, 0.3).law], ids=str
)
def test_overlay_of_any_spectrum_and_law(spectrum, law):
    (left, right), _, _ = overlay(spectrum, {"law": law})
    for axes in (left, right, left.child_axes[0]):
        low, high = axes.get_xlim()
        assert low < high
        low, high = axes.get_ylim()
        assert low < high


def test_more_laws_than_colours():
    laws = {f"law {i}": WishartPlusWigner(0.5, 0.1 + 0.1 * i).law for i in range(8)}
    (left, _), _, _ = overlay(MODEL.sample(40, rng=0), laws)
    styles = [(line.get_color(), line._dash_pattern) for line in left.lines]
    assert len(styles) == 8
    assert len(set(map(str, styles))) == 8


def test_no_window_and_no_global_state():
    """Drawing does not import pyplot, which alone holds windows and a current figure."""
    code = """
import io, sys, warnings
warnings.simplefilter("error")
from matplotlib.figure import Figure
from rmtland import WishartPlusWigner, compare
from rmtland.plot import draw_overlay
model = WishartPlusWigner(0.5, 0.3)
spectrum = model.sample(30, rng=0)
axes = Figure().subplots(1, 2)
draw_overlay(axes, spectrum, {"law": model.law}, {"law": compare(spectrum, model.law)})
axes[0].figure.savefig(io.BytesIO())
print("matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_lines_are_lines(ax):
    assert isinstance(draw_law(ax, MODEL.law), Line2D)
