"""Pictures of an audit show its numbers."""

import numpy as np
import pytest
from audit.audit_cases import independent, memorising
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from rmtland.audit import Level, audit_hessian
from rmtland.audit.drawing import (
    audit_figure,
    draw_audit,
    draw_densities,
    draw_distribution_errors,
    draw_misfits,
    draw_quantiles,
    draw_shares,
    drawn_levels,
)
from rmtland.networks import MLP


@pytest.fixture(scope="module")
def audit():
    return audit_hessian(independent(width=4, samples=12), draws=2, points=20, rng=0)


@pytest.fixture
def ax():
    return Figure().subplots()


def test_one_curve_a_level_of_about_the_mass_in_sight(ax, audit):
    draw_densities(ax, audit)
    levels = drawn_levels(audit)
    assert [level.number for level in levels] == [0, 1, 2, 3, 4, 5, 7, 8]  # 6 is 5 here
    low, high = ax.get_xlim()
    assert len(ax.lines) == 8
    for line, level in zip(ax.lines, levels, strict=True):
        x, y = line.get_data()
        mass = level.law.cdf(high) - level.law.cdf(low)
        assert np.sum(y) * (x[1] - x[0]) == pytest.approx(mass, rel=1e-9)
        assert line.get_label() == f"{level.number}  {level.name}"


def test_the_height_of_an_error_curve_is_the_distance(ax, audit):
    levels = drawn_levels(audit)
    draw_distribution_errors(ax, audit, levels=levels)
    size = audit.spectrum.eigenvalues.size
    for line, level in zip(ax.lines, levels, strict=False):
        height = np.abs(line.get_ydata()).max()
        assert height == pytest.approx(level.comparison.kolmogorov, abs=1 / size)


def test_bars_are_misfits_and_shares(audit):
    first, second = Figure().subplots(1, 2)
    draw_misfits(first, audit)
    widths = [patch.get_width() for patch in first.patches]
    assert widths == [level.comparison.kolmogorov for level in audit.levels]
    draw_shares(second, audit)
    widths = [patch.get_width() for patch in second.patches]
    assert widths == [share.value for share in audit.shares]


def test_quantiles(ax, audit):
    lines = draw_quantiles(ax, audit.diagnostics)
    for line, q in zip(lines, audit.diagnostics.quantiles, strict=True):
        assert np.array_equal(line.get_ydata(), q.measured - q.normal)


def test_an_audit_without_dyson_is_drawn_too():
    figure = Figure(layout="constrained")
    net = MLP((4, 4, 4, 2))
    x = np.random.default_rng(0).normal(size=(9, 4))
    levels = [Level.PRINTED, Level.MATCHED, Level.CONDITIONED_GRADIENT]
    plain = audit_hessian(net.at(net.init(rng=0), x, x[:, :2]), levels=levels)
    assert draw_audit(list(figure.subplots(2, 2).ravel()), plain)
    figure.canvas.draw()


def test_the_highest_curve_is_shown_whole(ax, audit):
    draw_densities(ax, audit)
    top = ax.get_ylim()[1]
    assert all(line.get_ydata().max() <= top for line in ax.lines)


def test_error_bars_are_errors_and_brackets_are_ranges(ax, audit):
    draw_shares(ax, audit)
    whiskers = [path.vertices[:, 0] for path in ax.collections[0].get_paths()]
    for (low, high), share in zip(whiskers, audit.shares, strict=True):
        assert high - low == pytest.approx(2 * share.error, abs=1e-12)
    brackets = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 4]
    ranges = [share for share in audit.shares if share.high > share.low]
    for places, share in zip(brackets, ranges, strict=True):
        assert (places.min(), places.max()) == (share.low, share.high)


def test_the_title_is_one_line_and_the_verdict_is_under_it(audit):
    figure = audit_figure(audit, "A title\nof two lines")
    assert figure.get_suptitle().strip() == "A title of two lines"
    (words,) = (text.get_text() for text in figure.texts if "misses" in text.get_text())
    assert " ".join(words.split()) == audit.verdict


def test_ranges_of_an_estimate_are_drawn():
    point = memorising(width=4, samples=16)
    audit = audit_hessian(
        point, method="estimate", probes=3, steps=12, levels=[Level.PRINTED], threshold=0.07, rng=0
    )
    ax = Figure().subplots()
    draw_misfits(ax, audit)
    (whisker,) = [c for c in ax.collections if isinstance(c, LineCollection)]
    low, high = audit.levels[0].kolmogorov_range
    assert whisker.get_segments()[0][:, 0] == pytest.approx([low, high])
    assert any(line.get_xdata()[0] == 0.07 for line in ax.lines)
    assert any(str(audit.levels[0].standing(0.07)) in text.get_text() for text in ax.texts)
    figure = audit_figure(audit, "estimated")
    assert "a level of the chain is missing" in figure.axes[2].texts[0].get_text()
