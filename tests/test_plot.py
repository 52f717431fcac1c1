"""Figures: everything lands on the given axes, at the right places."""

import importlib
import inspect
import io
import itertools
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from scipy import stats

import rmtland
from rmtland import (
    Discrete,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    WishartPlusReluBlock,
    WishartPlusWigner,
)
from rmtland.free import FreeLevy
from rmtland.laws import LevyTriplet
from rmtland.plot import (
    COLORS,
    STYLES,
    draw_law,
    draw_outliers,
    draw_spectrum,
    law_points,
    style_of,
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


def test_lines_are_lines(ax):
    assert isinstance(draw_law(ax, MODEL.law), Line2D)


# Atoms alone, models, tails ----------------------------------------------------------------------


def test_a_purely_atomic_law_is_arrows_alone(ax):
    line = draw_law(ax, Discrete((-1.0, 3.0), (0.25, 0.75)), color="red")
    assert len(line.get_xdata()) == 0
    assert [arrow.get_text() for arrow in atoms_of(ax)] == ["atom 0.25", "atom 0.75"]
    low, high = ax.get_xlim()
    assert low <= -1 < 3 <= high
    assert law_points(Discrete((1.0,), (1.0,)), 10).size == 0
    assert law_points(Discrete((1.0,), (1.0,)), 10, (0.0, 2.0)).size == 10
    render(ax)


def test_a_model_is_drawn_as_its_law(ax):
    one, two = draw_law(ax, MODEL), draw_law(ax, MODEL.law)
    np.testing.assert_array_equal(one.get_ydata(), two.get_ydata())


@pytest.mark.parametrize("limits", [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0)])
def test_limits_that_do_not_ascend(ax, limits):
    with pytest.raises(ValueError, match="limits must be"):
        draw_spectrum(ax, Spectrum([0.0, 1.0]), limits=limits)
    with pytest.raises(ValueError, match="limits must be"):
        draw_law(ax, MODEL.law, limits=limits)


def test_counts_of_bins_and_points(ax):
    with pytest.raises(ValueError, match="bins must be"):
        draw_spectrum(ax, Spectrum([0.0]), bins=0)
    with pytest.raises(ValueError, match="points must be"):
        draw_law(ax, MODEL.law, points=0)


def test_the_first_curves_have_colours_far_apart():
    hues = [rgb_to_hsv(to_rgb(style_of(i)["color"]))[0] for i in range(4)]
    apart = [(one - other) % 1.0 for one, other in itertools.permutations(hues, 2)]
    assert min(apart) > 30 / 360  # vermilion and orange are 15 degrees apart


def test_styles_differ_and_are_one_set():
    assert len({str(style_of(i)) for i in range(35)}) == 35
    assert {style["color"] for style in STYLES.values()} <= {*COLORS, "0.78", "#999999"}


# What is not to be drawn --------------------------------------------------------------------------

ROOMS = [
    "rmtland.audit.drawing",
    "rmtland.comparison.drawing",
    "rmtland.drawing",
    "rmtland.landscape.depth.drawing",
    "rmtland.landscape.linearisation.drawing",
    "rmtland.landscape.manifold.drawing",
    "rmtland.landscape.noise.drawing",
    "rmtland.landscape.pac_bayes",
    "rmtland.landscape.pictures",
]
DRAWING = [
    value
    for room in map(importlib.import_module, ROOMS)
    for name, value in vars(room).items()
    if name.startswith("draw_") and value.__module__ == room.__name__
]


def test_all_functions_that_draw_are_in_the_table():
    package = Path(rmtland.__file__).parent
    found = {
        ".".join(("rmtland", *path.relative_to(package).with_suffix("").parts))
        for path in package.rglob("*.py")
        if re.search(r"^def draw_\w+\(\s*ax", path.read_text("utf-8"), re.MULTILINE)
        and path.relative_to(package).parts[0] not in ("cli", "reproduction", "statements")
    }
    assert found == set(ROOMS)


@pytest.mark.parametrize("draw", DRAWING, ids=lambda draw: draw.__name__)
@pytest.mark.parametrize(
    "wrong",
    [None, stats.norm(), "x", Semicircle, Spectrum],
    ids=["None", "scipy", "text", "law", "spectrum"],
)
def test_what_cannot_be_drawn_is_named(draw, wrong):
    """Classes in place of what is made of them too: they have the names of all attributes."""
    first, second, *rest = inspect.signature(draw).parameters.values()
    required = [one.name for one in rest if one.default is inspect.Parameter.empty]
    others = dict.fromkeys(required, wrong)
    number = {"draw_audit": 4, "draw_overlay": 2}.get(draw.__name__)
    axes = Figure().subplots() if number is None else [Figure().subplots()] * number
    with pytest.raises(TypeError, match=f"^{second.name}.* must be"):
        draw(axes, wrong, **others)
    with pytest.raises(TypeError, match=rf"^{first.name}(\[0\])? must be"):
        draw(wrong, wrong, **others)
