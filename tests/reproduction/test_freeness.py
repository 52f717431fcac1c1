"""The freeness test on a network small enough for a test."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from rmtland.reproduction.freeness import FreenessTest, rotated_hessian


@pytest.fixture(scope="module")
def found():
    return rotated_hessian(
        4, 40, 0.6, rotations=4, points=9, eta=0.05, images="", seed=np.random.SeedSequence(5)
    )


def test_the_free_sum_is_what_rotations_give(found):
    difference = np.abs(found["free_cdf"] - found["rotated_cdf"]).max()
    assert difference < 0.01
    assert found["free"][0] <= found["free"][-1] <= 1


def test_rotations_keep_the_trace(found):
    trace = found["total"].sum()
    assert found["rotated"].sum(axis=1) == pytest.approx(np.full(4, trace))
    assert (found["gauss_newton"] + found["residual"]).sum() == pytest.approx(trace)


def test_training_ended_at_the_energy(found):
    assert 0.99 * 0.6 <= found["energy"] <= 0.6


def test_distances_are_of_what_was_returned(found):
    steps = np.arange(found["total"].size + 1) / found["total"].size
    rotated = np.sort(found["rotated"][0])
    above = np.searchsorted(found["total"], rotated, side="right") / found["total"].size
    assert 0 < np.abs(above - steps[1:]).max() < 0.3
    assert 0 < found["free_distance"] < 0.3


def test_legends_tell_of_the_network_drawn(found):
    other = {**found, "dyson_cdf": found["dyson_cdf"] + 0.5, "dyson_index": 0.9}
    figure, canvas = FreenessTest(networks=2), Figure()
    content = figure.content({"networks": [SimpleNamespace(value=one) for one in (found, other)]})
    figure.draw(canvas, content)
    densities, differences = (
        " ".join(text.get_text() for text in ax.get_legend().get_texts()) for ax in canvas.axes
    )
    assert f"matrix Dyson, index {found['dyson_index']:.3f}" in densities
    for name in ("H0 + Q H1 Q^T", "free sum", "matrix Dyson"):
        worst = np.abs(content.get("difference", name).y).max()
        assert f"at most {worst:.3f}" in differences
    mean = content.number("index", law="matrix Dyson")
    assert mean == pytest.approx((found["dyson_index"] + 0.9) / 2)
