"""Levels 7 and 8: networks that have trained, what the sentence says, and what does not apply."""

import numpy as np
import pytest

from rmtland import Spectrum
from rmtland.audit import Family, Level, audit_hessian, audit_operators, audit_spectra
from rmtland.audit.conditioned_levels import conditioned_theories
from rmtland.audit.estimated_conditioned import conditioned_band
from rmtland.audit.measured import MeasuredHessian
from rmtland.audit.verdict import LONGEST
from rmtland.models.conditioned import conditioned_residuals
from rmtland.models.conditioned.projections import DenseProjection
from rmtland.networks import MLP, train

LEVELS = {
    Level.PRINTED,
    Level.MEASURED_PARTS,
    Level.CONDITIONED_GRADIENT,
    Level.CONDITIONED_INPUTS,
}


CONDITIONED = {Level.CONDITIONED_GRADIENT, Level.CONDITIONED_INPUTS}


def point_of(net, samples, *, seed=1, energy=None):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(samples, net.n_in)), rng.normal(size=(samples, net.n_out))
    theta = net.init(rng=seed + 1)
    if energy is not None:
        theta = train(net, theta, x, y, energy=energy).theta
    return net.at(theta, x, y)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("widths", "samples", "measured", "share"),
    [
        ((6, 7, 6), 38, 121, "37%"),
        ((10, 12, 10), 64, 341, "38%"),
    ],
)
def test_a_trained_network_is_within_chance_of_level_8_and_the_sentence_says_why(
    widths, samples, measured, share
):
    point = point_of(MLP(widths, activation="tanh"), samples, energy=0.2)
    audit = audit_hessian(point, draws=0, levels=LEVELS, rng=0)
    free, best = audit[Level.MEASURED_PARTS], audit[Level.CONDITIONED_INPUTS]
    assert best.kolmogorov < 1.5 * best.expected + 0.01
    assert free.kolmogorov > 2 * best.kolmogorov
    assert abs(best.index_difference) < 0.02
    assert max(abs(edge) for edge in best.edge_differences) < 1.0
    assert best.parameters["measured_numbers"] == measured
    assert f"Training has moved the residuals out of the {share} of their dir" in audit.sentence
    assert f"{measured} numbers of the residuals are measured" in audit.sentence
    assert "Residuals conditioned on the gradient leave" in audit.verdict
    assert len(audit.verdict.split()) <= LONGEST


def test_levels_that_know_nearly_all_are_marked():
    audit = audit_hessian(point_of(MLP((4, 6, 3)), 15), draws=0, levels=LEVELS, rng=0)
    first = audit[Level.CONDITIONED_GRADIENT]
    assert first.parameters["nearly_all_measured"]
    assert first.parameters["free_share"] == pytest.approx(3 / 45)
    assert "it does not predict it" in audit.sentence


def test_levels_that_do_not_apply_say_why():
    audit = audit_hessian(point_of(MLP((4, 6, 3)), 5), draws=0, levels=CONDITIONED, rng=0)
    assert "leaves nothing free" in audit.inapplicable[Level.CONDITIONED_GRADIENT]
    assert Family.CONDITIONED not in {level.family for level in audit.levels}
    spectra = audit_spectra(Spectrum(np.arange(9.0)), phi=0.5, energy=0.1, levels=CONDITIONED)
    assert spectra.inapplicable[Level.CONDITIONED_INPUTS] == "it needs the network and its data"


def test_the_projection_is_made_once_a_level(monkeypatch):
    made = []
    first = DenseProjection.of_point

    def counted(*arguments, **options):
        made.append(arguments[1])
        return first(*arguments, **options)

    monkeypatch.setattr(DenseProjection, "of_point", counted)
    audit_hessian(point_of(MLP((3, 3, 3)), 20), draws=0, levels=CONDITIONED, rng=0)
    assert made == [("gradient",), ("gradient", "inputs")]
    made.clear()
    point = point_of(MLP((3, 3, 3)), 20)
    single = point.net.at(*(np.float32(array) for array in (point.theta, point.x, point.data.y)))
    theory, measured = conditioned_theories(draws=8, rng=0)[0], MeasuredHessian.of_point(single)
    assert theory.applies(measured) is None
    assert theory.law(measured).law is theory.law(measured).law
    assert made == [("gradient",)]


def test_estimates_of_operators_say_that_they_have_no_conditioned_levels():
    matrix = point_of(MLP((6, 8, 6)), 40).hessian("total")
    audit = audit_operators(
        matrix,
        phi=0.3,
        energy=0.5,
        levels=CONDITIONED,
        probes=3,
        steps=12,
        method="estimate",
        rng=0,
    )
    assert "take audit_hessian" in audit.inapplicable[Level.CONDITIONED_GRADIENT]
    assert "take audit_hessian" in audit.inapplicable[Level.CONDITIONED_INPUTS]


def test_estimated_audits_of_networks_have_ranges_that_hold_the_distances_of_levels_7_and_8():
    point = point_of(MLP((6, 8, 6), bias=True), 50, energy=0.25)
    exact = audit_hessian(point, draws=16, levels=CONDITIONED, rng=0)
    found = audit_hessian(
        point, draws=0, levels=CONDITIONED, method="estimate", probes=12, steps=40, rng=1
    )
    assert {result.level for result in found.levels} == CONDITIONED
    for level in CONDITIONED:
        low, high = found[level].kolmogorov_range
        assert low <= exact[level].kolmogorov <= high < 0.5
        first, last = found[level].index_difference_range
        assert first <= exact[level].index_difference <= last
        assert found[level].parameters["measured_numbers"] > 100
        assert level not in found.inapplicable
    assert found.provenance["confidence"] == 0.95
    assert "residuals conditioned on gradient" in found.sentence
    few = point_of(MLP((4, 6, 3)), 5)
    reasons = audit_hessian(few, draws=0, levels=CONDITIONED, method="estimate", probes=3, steps=8)
    assert "leaves nothing free" in reasons.inapplicable[Level.CONDITIONED_GRADIENT]


def test_a_dimension_that_is_estimated_shifts_the_band(monkeypatch):
    point = point_of(MLP((6, 8, 6)), 50)
    options = {"draws": 4, "steps": 12, "confidence": 0.95, "rng": 0}
    known = conditioned_band(point, Level.CONDITIONED_GRADIENT, **options)
    assert known.band.shift == 0.0
    monkeypatch.setattr(conditioned_residuals, "_LARGEST", 10)
    estimated = conditioned_band(point, Level.CONDITIONED_GRADIENT, **options)
    assert estimated.band.shift > 0.0
    assert estimated.parameters["free_share_error"] > 0.0
