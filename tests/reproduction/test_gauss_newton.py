"""Null directions of H0 and the edge of a law found from inside its gap."""

from types import SimpleNamespace

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland import MarchenkoPastur, Semicircle, Spectrum
from rmtland.free.operator_valued.kronecker import kronecker_covariance
from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
from rmtland.networks import MLP, gaussian
from rmtland.reproduction.gauss_newton_gap import GaussNewtonGap, gap_of_run, lower_edge
from rmtland.reproduction.gauss_newton_part import (
    GaussNewtonPart,
    gauss_newton_spectrum,
    without_rescalings,
)


@examples(60)
@given(
    ratio=st.floats(0.001, 0.97) | st.floats(1.03, 50.0),
    scale=st.floats(1e-6, 1e6),
    start=st.floats(0.01, 0.9) | st.floats(1.1, 100.0),
)
def test_edge_of_marchenko_pastur_from_either_side(ratio, scale, start):
    law = MarchenkoPastur(ratio, scale)
    (low, high), null = law.support[0], max(0.0, 1 - 1 / ratio)
    edge, error = lower_edge(law.stieltjes, min(start * low, (low + high) / 2), null=null)
    assert abs(edge - low) <= error
    assert error <= 0.02 * low


def test_edge_of_an_equation_that_is_solved_above_the_axis_only():
    unit = np.eye(3)
    terms = [np.sqrt(0.5) * np.outer(unit[0], unit[j]) for j in (1, 2)]
    equation = MatrixDyson([0.0, -1.0, -1.0], kronecker_covariance(terms), pencil=[1.0, 0.0, 0.0])
    law = MarchenkoPastur(0.5)
    assert equation.stieltjes(1.0 + 0.1j) == pytest.approx(law.stieltjes(1.0 + 0.1j), rel=1e-6)
    edge, error = lower_edge(equation.stieltjes, 0.01)
    assert abs(edge - law.support[0][0]) <= error


@pytest.mark.parametrize("law", [MarchenkoPastur(1.0), Semicircle()])
def test_no_gap(law):
    with pytest.raises(ArithmeticError, match="gap"):
        lower_edge(law.stieltjes, 0.1)


def test_more_mass_at_zero_than_there_is():
    with pytest.raises(ArithmeticError, match="point mass"):
        lower_edge(MarchenkoPastur(2.0).stieltjes, 1e-3, null=0.6)


def test_start_must_be_positive():
    with pytest.raises(ValueError, match="start"):
        lower_edge(Semicircle().stieltjes, 0.0)


@pytest.mark.parametrize("widths", [(3, 5, 4), (6, 2, 1), (1, 1, 1)])
def test_rescalings_are_all_that_is_projected_out(widths):
    data = gaussian(60, widths[0], widths[2], rng=0)
    net = MLP(widths, activation="relu")
    point = net.at(net.init(rng=3), data.x, data.y)
    whole = np.linalg.eigvalsh(point.hessian("gauss_newton"))
    hidden = widths[1]
    reduced = np.linalg.eigvalsh(without_rescalings(point))
    assert whole[:hidden] == pytest.approx(np.zeros(hidden), abs=1e-14)
    assert reduced == pytest.approx(whole[hidden:], abs=1e-13)


def test_a_rescaled_network_has_the_same_outputs():
    data = gaussian(20, 4, rng=0)
    net = MLP((4, 3, 4), activation="relu")
    first, second = net.unflatten(net.init(rng=1))
    c = np.array([0.2, 1.0, 7.0])
    other = np.concatenate([(first * c[:, None]).ravel(), (second / c).ravel()])
    assert net.predict(other, data.x) == pytest.approx(net.predict(net.init(rng=1), data.x))


def test_dyson_law_of_a_run_is_close_to_it_and_has_the_mass_of_what_is_left():
    found = gauss_newton_spectrum(96, hidden=16, eta=0.05, points=12, images="", seed=4)
    assert np.abs(found["dyson_cdf"] - found["measured_cdf"]).max() < 0.02
    assert found["dyson_cdf"][-1] == pytest.approx(1, abs=0.03)
    assert found["eigenvalues"].shape == (512 - 16,)


def test_gap_of_a_run_and_its_theory():
    found = gap_of_run(96, hidden=16, theory=True, images="", seed=2)
    assert 0 < found["gap"] < 0.02
    assert found["further"] == 0
    assert 0.5 < found["gap"] / found["dyson"] < 2
    assert found["error"] < 0.02 * found["dyson"]


def test_units_with_few_active_samples_have_null_directions_of_their_own():
    found = gap_of_run(24, hidden=16, theory=False, images="", seed=0)
    assert found["further"] > 0
    assert found["gap"] > 0


def test_all_levels_of_figure_4_are_held_against_the_same_measured_function():
    found = gauss_newton_spectrum(24, hidden=3, eta=0.05, points=9, images="", seed=1)
    figure = GaussNewtonPart(samples=24, hidden=3, runs=1, points=9, eta=0.05)
    content = figure.content({"networks": [SimpleNamespace(value=found)]})
    law = MarchenkoPastur(0.25, found["eigenvalues"].mean())
    quantiles = law.ppf((np.arange(20_000) + 0.5) / 20_000)
    for values, name in ((quantiles, "Marchenko-Pastur, trace matched"), (None, "matrix Dyson")):
        level = (
            found["dyson_cdf"]
            if values is None
            else Spectrum(values).smoothed_cdf(found["x"], eta=0.05)
        )
        worst = np.abs(level - found["measured_cdf"]).max()
        shown = content.number("largest smoothed difference", law=name)
        assert shown == pytest.approx(worst, abs=1e-4)
        assert np.array_equal(content.get("cdf", name).x, content.get("cdf", "measured").x)


def test_a_single_run_has_no_error_to_weigh_points_by():
    with pytest.raises(ValueError, match="runs"):
        GaussNewtonGap(runs=1)


def test_ratios_without_a_gap_are_refused():
    with pytest.raises(ValueError, match="above 1"):
        GaussNewtonGap(ratios=(0.5, 2.0))
