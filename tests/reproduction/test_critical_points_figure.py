"""Figure 6: published, generic and symmetric critical points."""

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland.reproduction.critical_point_numbers import LEVELS, READ_OFF, of_branches, of_published
from rmtland.reproduction.critical_points import CriticalPointsFigure
from rmtland.reproduction.index_energy import MINIMISERS
from rmtland.reproduction.power_law_fits import DIRECTIONS, fit_power_law
from rmtland.reproduction.quantity import Quantity

SMALL = CriticalPointsFigure(
    phi=(0.5,),
    width=3,
    checks=(1e-2,),
    symmetric=7,
    studied=1,
    generic=1,
    minima=1,
    published=1,
    short_steps=1,
    symmetric_checks=1,
    generic_checks=1,
    linear=4,
    resamples=20,
)


@pytest.fixture(scope="module")
def content():
    return SMALL.compute()


def test_points_of_each_family_are_shown(content):
    panel = Quantity.of("index against energy", phi=0.5)
    shown = {str(one.name): one for one in content.series if one.panel == panel}
    assert len(shown["symmetric"].x) == 8
    assert {"read off", "symmetric"} <= set(shown)
    for one in (each for name, each in shown.items() if name != "read off"):
        assert (one.x >= 0).all()
        assert ((one.y >= 0) & (one.y <= 1)).all()
        np.testing.assert_allclose(one.y * 18, np.round(one.y * 18), atol=1e-9)
    assert content.number("share proved", phi=0.5, family="symmetric") == 1.0
    assert content.number("below the cutoff", phi=0.5) in (0, 1)


def test_mean_energies_are_those_of_the_points(content):
    panel = Quantity.of("index against energy", phi=0.5)
    points = content.get(panel, "symmetric")
    for level in LEVELS:
        near = np.abs(points.y - level) <= (0.0 if level == 0.0 else 0.025)
        name = Quantity.of("mean energy", phi=0.5, family="symmetric", index=level)
        assert (name in content.numbers) == near.any()
        if near.any():
            assert content.numbers[name] == pytest.approx(points.x[near].mean())


def test_what_was_read_off_agrees_with_the_other_figure():
    for phi, _, index_zero, _ in MINIMISERS:
        assert READ_OFF[phi][0] == index_zero
        assert all(np.diff(READ_OFF[phi]) > 0)


def test_points_above_the_cutoff_are_left_out():
    one = {"square": 1e-7, "near_status": "critical", "near_energy": 0.3, "energy": 0.2}
    for square, many in ((1e-7, 1), (1e-5, 0)):
        numbers = dict(of_published([one | {"square": square}], 1e-6, phi=1.0))
        assert numbers[Quantity.of("below the cutoff", phi=1.0)] == many
        moved = Quantity.of("energy moved by Newton, largest", phi=1.0)
        assert numbers.get(moved) == (pytest.approx(0.1) if many else None)


def test_where_branches_end():
    ends = [
        ("fold", [1e-3, 5e-4], [0.2, 0.19], [3, 3]),
        ("lowest", [1e-3, 1e-8], [0.3, 0.2], [3, 4]),
    ]
    records = [
        {
            "branch_reason": reason,
            "branch_decays": np.array(decays),
            "branch_energies": np.array(energies),
            "branch_indices": np.array(indices),
        }
        for reason, decays, energies, indices in ends
    ]
    numbers = {str(name): value for name, value in of_branches(records, phi=0.5)}
    assert numbers["share of branches, phi = 0.5, fold"] == 0.5
    assert numbers["share of branches, phi = 0.5, lost"] == 0.0
    assert numbers["change of energy along a branch, mean, phi = 0.5"] == pytest.approx(-0.055)
    assert numbers["share of branches whose index changes, phi = 0.5"] == 0.5


@pytest.mark.parametrize("given", DIRECTIONS)
@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.5, 2.5])
def test_power_laws_are_found(given, exponent):
    alpha = np.linspace(0.0, 0.4, 200)
    energy = 0.1 + 0.5 * alpha ** (1.0 / exponent)
    noise = 1e-3 * np.random.default_rng(0).standard_normal(200)
    fit = fit_power_law(energy + noise, alpha, given=given, resamples=60, rng=1)
    assert fit.exponent == pytest.approx(exponent, rel=0.08)
    assert fit.low <= fit.exponent <= fit.high
    assert fit.high - fit.low < 0.3 * exponent
    assert fit.onset == pytest.approx(0.1, abs=0.03)


def test_intervals_widen_with_scatter_and_few_points_are_refused():
    rng = np.random.default_rng(2)
    alpha = rng.uniform(0, 0.4, 60)
    widths = []
    for scatter in (1e-3, 3e-2):
        energy = 0.1 + 0.6 * alpha ** (1 / 1.5) + scatter * rng.standard_normal(60)
        fit = fit_power_law(energy, alpha, given="index", resamples=100, rng=3)
        widths.append(fit.high - fit.low)
    assert widths[1] > 3 * widths[0]
    with pytest.raises(ValueError, match="at least four"):
        fit_power_law(np.arange(3.0), np.arange(3.0), given="index")


def test_minima_and_linear_networks_stand_beside_the_guesses(content):
    assert content.number("(1 - phi)^2/2", phi=0.5) == 0.125
    assert content.number("(1 - phi/2)/2", phi=0.5) == 0.375
    assert 0.0 < content.number("energy of linear minima", phi=0.5) < 0.5
    law = [one for one in content.series if one.panel == "index of the law"]
    assert all(((one.y >= 0) & (one.y <= 1)).all() for one in law)


def test_all_points_are_in_view(content):
    """Small networks have critical points above the published range of energies."""
    figure = Figure(layout="constrained")
    SMALL.draw(figure, content)
    ax = figure.axes[0]
    for line in ax.lines:
        assert (line.get_xdata() <= ax.get_xlim()[1]).all()
        assert (line.get_ydata() <= ax.get_ylim()[1]).all()
    highest = max(line.get_xdata().max() for line in ax.lines)
    assert highest > 0.62 or ax.get_xlim()[1] == 0.62


def test_without_flint_it_is_refused_before_the_first_search(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError, match=r"rmtland\[proofs\]"):
        CriticalPointsFigure.of_size("quick").compute(folder=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
