"""Bulks fitted with spikes left out."""

import numpy as np
import pytest

from rmtland import MarchenkoPastur, Semicircle, Spectrum, fit, overlay
from rmtland.comparison.outliers import leave_out, outliers


def spiked(n=120, m=360, spikes=(6.0, 9.0, 14.0), runs=1, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(runs):
        x = rng.normal(size=(n, m)) * 1.3
        x[: len(spikes)] *= np.sqrt(np.array(spikes))[:, None]
        rows.append(np.linalg.eigvalsh(x @ x.T / m))
    return Spectrum(np.array(rows))


@pytest.mark.parametrize("runs", [1, 2])
def test_spikes_are_left_out_and_counted(runs):
    spectrum = spiked(runs=runs)
    plain = fit(spectrum, MarchenkoPastur, rng=0, resamples=0)
    robust = fit(spectrum, MarchenkoPastur, rng=0, resamples=0, outliers="exclude")
    assert len(robust.excluded) == 3 * runs
    assert plain.excluded == ()
    assert min(robust.excluded) > robust.law.support[-1][1]
    assert robust.comparison.outliers == 0
    assert robust.defect < plain.defect
    truth = {"aspect_ratio": 120 / 360, "scale": 1.69}
    for name, value in truth.items():
        # statistics of 120 eigenvalues fluctuate at order 1/120
        assert robust.parameters[name] == pytest.approx(value, rel=3 / 120)
    assert abs(robust.parameters["scale"] - 1.69) < abs(plain.parameters["scale"] - 1.69)
    assert robust.to_dict()["excluded"] == list(robust.excluded)
    laid = overlay(spectrum, {"robust": robust})
    assert laid.rows()[1][-1] == f"{3 * runs} left out"
    assert laid.to_dict()["laws"]["robust"]["excluded"] == list(robust.excluded)


def test_nothing_is_left_out_of_a_bulk():
    spectrum = spiked(spikes=())
    one, two = (
        fit(spectrum, MarchenkoPastur, rng=0, resamples=0, outliers=mode)
        for mode in ("keep", "exclude")
    )
    assert two.excluded == ()
    assert one.parameters == two.parameters
    with pytest.raises(ValueError, match="exclude"):
        fit(spectrum, MarchenkoPastur, outliers="drop")


def test_bulk_and_outliers_of_a_quadrature():
    nodes, weights = np.array([-1.0, 0.0, 1.0, 5.0]), np.array([0.2, 0.5, 0.2, 0.1])
    spectrum = Spectrum(nodes, weights, dimension=100)
    assert outliers(spectrum, Semicircle()).tolist() == [5.0]
    bulk = leave_out(spectrum, spectrum.nodes == 5.0)
    assert bulk.dimension == 100
    assert bulk.measure[0].max() == 1.0
    assert bulk.mean() == pytest.approx(0.0, abs=1e-12)
