"""The study of minimisers: fits with known answers, equal bytes after an interruption, verdict."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland.cli.reproduce import _cost
from rmtland.reproduction import FIGURES
from rmtland.reproduction.minimisers import MinimisersStudy
from rmtland.reproduction.minimisers_fits import fitted_power, limit_in_width, mean_interval
from rmtland.reproduction.minimisers_runs import (
    fixed_data_energies,
    hidden_units,
    sample_count,
    square_energies,
)
from rmtland.reproduction.minimisers_verdict import published_energy_verdict
from rmtland.sweep import Serial, run

SMALL = MinimisersStudy(
    activations=("tanh", "linear"),
    phi=(0.5,),
    widths=(3, 4),
    data_sets=(3, 3),
    steps=60,
    shapes=((4, 3, 2), (3, 3, 3)),
    scales=(1.0,),
    memories=(5,),
    start_width=3,
    start_sets=2,
    data=((3, 3, 12), (4, 2, 16)),
    hidden_phi=(0.3, 0.6),
    unit_widths=(3,),
    ratios=(4,),
    added_width=3,
    added_phi=(0.5,),
    added_sets=1,
)


@pytest.fixture(scope="module")
def content():
    return SMALL.compute()


def test_linear_square_networks_reach_least_squares(content):
    """n hidden units leave the share (m - n)/m of the targets on average: (1 - phi/2)/2."""
    found = square_energies("linear", phi=0.5, n=6, data_sets=60, steps=600, root=1)
    mean, error = found["energies"].mean(), found["energies"].std() / 60**0.5
    assert abs(mean - 0.75) < 4 * error
    assert content.number("least squares", activation="linear", phi=0.5) == 0.375


def test_energies_are_half_the_relative_ones(content):
    found = square_energies("tanh", phi=0.5, n=4, data_sets=3, steps=60, root=0)
    expected = found["energies"].mean() / 2
    assert content.number("energy", activation="tanh", phi=0.5, n=4) == pytest.approx(expected)


def test_every_panel_is_there_and_drawn(content):
    figure = Figure(layout="constrained")
    SMALL.draw(figure, content)
    assert len(figure.axes) == 8
    for ax in figure.axes:
        assert ax.get_xlabel()
        assert ax.get_ylabel()
        assert ax.get_legend() is not None
    assert content.number("nonlinear networks in the limit") == 1


def test_a_run_that_was_cut_off_gives_the_same(content, tmp_path):
    task, grid = SMALL.sweeps["fixed data"]
    keys = list(grid)[:2]
    store = tmp_path / "minimisers-fixed data.sweep"
    part = type(grid)(points=[dict(key.parameters) for key in keys], seeds=None)
    run(task, part, store=store, executor=Serial(), progress=False)
    again = SMALL.compute(folder=tmp_path)
    assert again.rows() == content.rows()
    assert again.numbers == content.numbers


def test_phi_counts_parameters():
    assert sample_count(0.5, 16, 16, 16) == 64
    assert hidden_units(0.5, 16, 16, 64) == 16
    found = fixed_data_energies(
        "relu", data=(3, 2, 12), phi=(0.01, 0.6), number=0, starts=1, steps=20, root=0
    )
    np.testing.assert_allclose(found["phi"], [5 / 24, 15 / 24])


def test_the_limit_is_covered_and_curvature_widens_it():
    rng = np.random.default_rng(0)
    widths = np.array([8, 16, 32, 64])
    hits = 0
    for _ in range(300):
        means = 0.1 + 0.3 / widths + rng.normal(0, 1e-3, 4)
        limit = limit_in_width(widths, means, np.full(4, 1e-3))
        hits += abs(limit.value - 0.1) <= limit.error
    assert hits >= 0.92 * 300  # the nominal .95, and 4 standard errors below it are .90
    straight = limit_in_width(widths, 0.1 + 0.3 / widths, np.full(4, 1e-3))
    bent = limit_in_width(widths, 0.1 + 0.3 / widths + 2 / widths**2, np.full(4, 1e-3))
    assert bent.error > 2 * straight.error


def test_powers_and_means():
    phi = np.array([0.1, 0.5, 0.8])
    assert fitted_power(phi, (1 - phi) ** 1.7) == pytest.approx(1.7)
    known = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert known.value == 2.0
    assert known.error == pytest.approx(4.302652729911275 / 3**0.5)  # Student, 2 degrees
    assert mean_interval(np.ones(1)).error == np.inf


def test_the_published_energy_is_refuted_by_networks_of_few_outputs():
    verdict = published_energy_verdict(data_sets=4, steps=600)
    assert verdict.refuted
    assert verdict.energy < 0.7 * verdict.published
    assert verdict.power > 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phi": (1.0,)}, "between 0 and 1"),
        ({"widths": (4,)}, "of one length"),
        ({"data_sets": (3,)}, "of one length"),
        ({"activations": ()}, "must not be empty"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        MinimisersStudy(**change)
    with pytest.raises(ValueError, match="no interval"):
        published_energy_verdict(data_sets=1)


def test_the_cost_is_stated_beforehand():
    sizes = [MinimisersStudy.of_size(size) for size in ("quick", "default", "full")]
    seconds = [study.cpu_seconds for study in sizes]
    assert 5.0 < seconds[0] < 20.0  # 10 were measured
    assert seconds[0] < 0.1 * seconds[1] < 0.1 * seconds[2]
    assert replace(sizes[0], steps=2000).cpu_seconds > 1.5 * seconds[0]
    assert "; about 13 CPU minutes, 6.4 minutes on free cores" in _cost(sizes[2], 2)
    assert _cost(FIGURES["fig1"].of_size("quick"), 2) == ""
