"""The audit of estimated spectra: its ranges contain what the exact audit finds."""

import json

import numpy as np
import pytest
from audit.audit_cases import autoencoder, independent, memorising
from scipy.sparse import diags_array as diags

from rmtland import EmpiricalLaw, MarchenkoPastur, Semicircle, Spectrum, Uniform, free_sum
from rmtland.audit import (
    Family,
    Level,
    Standing,
    audit_hessian,
    audit_operators,
    audit_spectra,
)
from rmtland.audit.bands import (
    LawBand,
    MeasuredDistribution,
    area_between,
    is_estimate,
    kolmogorov_distance,
)
from rmtland.audit.estimated_audit import audit_estimates
from rmtland.audit.estimated_levels import moment_interval
from rmtland.audit.measured import MeasuredHessian
from rmtland.audit.shares import Assumption
from rmtland.audit.verdict import LONGEST
from rmtland.estimate import spectral_density

FREE = [level for level in Level if level.number < 5 and level is not Level.MEASURED_RESIDUAL]


def estimated(values, seed=0, **options):
    return spectral_density(diags(values), rng=seed, **{"steps": 40} | options)


def spectra_of(point, seed, probes=10, steps=60):
    return [
        spectral_density(point.operator(part), probes=probes, steps=steps, rng=[seed, i])
        for i, part in enumerate(("total", "gauss_newton", "residual"))
    ]


# Bands ------------------------------------------------------------------------------------------


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("zeros", [0, 60])
def test_bands_hold_the_distribution_function(seed, zeros):
    rng = np.random.default_rng(seed)
    values = np.sort(np.concatenate([np.zeros(zeros), rng.normal(size=300 - zeros) ** 3]))
    values[-2:] += 40.0
    nullity = zeros / 300
    x = np.unique(np.concatenate([np.linspace(-20, 50, 300), [0.0], values[::7]]))
    for positive in (False, True):
        true = np.sort(np.abs(values)) if positive else values
        band = MeasuredDistribution(
            estimated(true, seed), semidefinite=positive, zeros=nullity, confidence=0.999
        ).at(x)
        for bounds, side in ((band.below, "left"), (band.upto, "right")):
            exact = np.searchsorted(true, x, side=side) / 300
            assert (bounds[:, 0] <= exact + 1e-12).all()
            assert (exact <= bounds[:, 2] + 1e-12).all()
            assert (np.diff(bounds, axis=1) >= 0).all()


def test_what_is_known_narrows_the_band():
    values = np.concatenate([np.zeros(100), np.linspace(0.5, 2.0, 200)])
    spectrum, x = estimated(values), np.array([-0.1, 0.0])
    plain = MeasuredDistribution(spectrum).at(x)
    known = MeasuredDistribution(spectrum, semidefinite=True, zeros=1 / 3).at(x)
    assert plain.below[1, 2] > 0.3
    assert known.below[1, 2] == 0.0
    assert plain.upto[1, 0] < known.upto[1, 0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(2))
def test_outer_laws_are_ordered(seed):
    values = np.sort(np.random.default_rng(seed).standard_t(3, size=400))
    lowest, middle, highest = MeasuredDistribution(estimated(values, seed)).laws(40)
    x = np.concatenate([np.linspace(-8, 8, 200), values])
    true = EmpiricalLaw(values)
    assert (lowest.cdf(x) >= true.cdf(x) - 1e-12).all()
    assert (highest.cdf(x) <= true.cdf(x) + 1e-12).all()
    assert np.abs(middle.cdf(x) - true.cdf(x)).max() < 0.06
    # free sums keep the order
    other = Semicircle(0.5)
    x = x[::5]
    sums = [free_sum(law, other).cdf(x) for law in (lowest, EmpiricalLaw(values[::4]), highest)]
    assert (sums[0] >= sums[1] - 1e-9).all()
    assert (sums[1] >= sums[2] - 1e-9).all()


def test_exact_bands_have_no_width():
    values = np.linspace(0.0, 1.0, 400)
    x = np.linspace(-0.5, 1.5, 2001)
    measured = MeasuredDistribution(Spectrum(values))
    distance = kolmogorov_distance(measured.at(x), LawBand.of(Uniform(0.0, 1.0)).at(x))
    assert distance.low == distance.value
    assert distance.high - distance.low < 2 * np.diff(x).max() + 2 / 400
    shifted = LawBand.of(Uniform(0.25, 1.25)).at(x)
    area = area_between(measured.at(x), shifted)
    assert area.value == pytest.approx(0.25, abs=0.003)
    assert area.low <= 0.25 <= area.high
    assert [law.eigenvalues.size for law in measured.laws(100)] == [100] * 3


@pytest.mark.parametrize("order", [1, 2])
def test_intervals_of_moments_cover(order):
    # a heavy tail and one eigenvalue that carries most of the second moment
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.standard_t(4, size=299), [60.0]])
    exact, hits = float((values**order).mean()), 0
    for seed in range(60):
        found = moment_interval(estimated(values, seed, steps=10), order, confidence=0.95)
        hits += found.low <= exact <= found.high
        assert found.low < found.value < found.high
    assert hits >= 54  # of 57 expected; fewer with probability below 0.05 at 95 %
    complete = moment_interval(Spectrum(values), order, confidence=0.95)
    assert complete.low == complete.high == pytest.approx(exact)


# The audit --------------------------------------------------------------------------------------

SMALL = [memorising(width=6, samples=32), independent(width=6, samples=20, activation="relu")]
POINTS = [
    memorising(width=8, samples=64),
    memorising(width=8, samples=32, activation="softplus"),
    independent(width=8, samples=48, activation="relu"),
    independent(width=7, samples=24, activation="erf", energy=0.05),
    independent(width=8, samples=64, activation="gelu", outputs=4),
    autoencoder(width=6),
]


def both_audits(point, seed, levels, **options):
    """The exact audit and the one of estimates, of one family."""
    first = MeasuredHessian.of_point(point)
    settings = {"phi": first.phi, "energy": first.energy}
    exact = audit_spectra(
        first.total,
        gauss_newton=first.gauss_newton,
        residual=first.residual,
        levels=levels,
        **settings,
    )
    measured = MeasuredHessian(*spectra_of(point, seed), **settings)
    return exact, audit_estimates(measured, levels=levels, **options)


def check_ranges(exact, audit):
    """Every range contains the exact value and its own."""
    for result in audit.levels:
        other = exact[result.level, result.family]
        name = f"{result!r} against {other!r}"
        low, high = result.kolmogorov_range
        assert low <= other.kolmogorov <= high, name
        assert low <= result.kolmogorov <= high, name
        if result.level is Level.FITTED:  # the law fitted to all eigenvalues is another one
            continue
        low, high = (end * result.comparison.unit for end in result.wasserstein_range)
        assert low <= other.comparison.wasserstein * other.comparison.unit <= high + 1e-9, name
        low, high = result.index_difference_range
        assert low - 1e-9 <= other.index_difference <= high + 1e-9, name


@pytest.mark.parametrize(
    "number", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, len(SMALL)))]
)
def test_ranges_contain_the_exact_audit(number):
    levels = [level for level in FREE if level is not Level.FITTED]
    wanted = [*levels, Level.MEASURED_RESIDUAL]
    exact, audit = both_audits(SMALL[number], number, wanted, atoms=60)
    assert [result.level for result in audit.levels] == levels
    check_ranges(exact, audit)
    assert any(result.kolmogorov_range[0] > 0 for result in audit.levels)
    check_shares(exact, audit)


def check_shares(exact, audit):
    """Shares sum to the misfit, and their ranges hold those of the exact audit."""
    assert sum(share.value for share in audit.shares) == pytest.approx(
        audit[Level.PRINTED].kolmogorov, abs=1e-12
    )
    true = {share.assumption: share for share in exact.shares}
    chance = true.pop(Assumption.CHANCE)
    assert {share.assumption for share in audit.shares} == set(true)
    for share in audit.shares:
        low, high = true[share.assumption].low, true[share.assumption].high
        if share.assumption is Assumption.FREENESS:  # the finite size is part of it
            low, high = low + chance.value, high + chance.value
        assert share.low - 1e-9 <= low <= high <= share.high + 1e-9
        assert share.low <= share.value <= share.high


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(POINTS)))
def test_ranges_contain_the_exact_audit_of_further_networks(number):
    exact, audit = both_audits(POINTS[number], number, FREE)
    assert [result.level for result in audit.levels] == FREE
    check_ranges(exact, audit)


def test_ranges_narrow_with_probes_and_steps():
    point = memorising(width=6, samples=32)
    widths = []
    for probes, steps in ((4, 20), (20, 60)):
        audit = audit_operators(
            point.operator(),
            gauss_newton=point.operator("gauss_newton"),
            phi=0.25,
            energy=0.5,
            probes=probes,
            steps=steps,
            method="estimate",
            rng=0,
            levels=[Level.MATCHED],
        )
        low, high = audit[Level.MATCHED].kolmogorov_range
        widths.append(high - low)
    assert widths[1] < 0.7 * widths[0]


def test_a_level_is_refuted_only_if_its_range_says_so():
    found = audit_spectra(
        estimated(MarchenkoPastur(0.5).ppf((np.arange(2000) + 0.5) / 2000)),
        phi=0.5,
        energy=0.3,
        laws={"right": MarchenkoPastur(0.5), "wrong": Semicircle(1.0, 1.0)},
    )
    low, high = found["wrong"].kolmogorov_range
    assert found["wrong"].standing(low - 1e-6) is Standing.REFUTED
    assert found["wrong"].standing((low + high) / 2) is Standing.OPEN
    assert found["wrong"].standing(high + 1e-6) is Standing.HOLDS
    assert found["right"].kolmogorov_range[0] < 1e-3
    assert found["right"].standing(0.1) is Standing.HOLDS
    assert found["wrong"].standing(0.1) is Standing.REFUTED
    assert len(found.verdict.split()) <= LONGEST
    assert "Refuted: printed law, wrong." in found.verdict
    values = json.loads(found.to_json())
    assert values["estimated"] is True
    assert values["levels"][0]["standing"] == "refuted"
    wrong = f"wrong {found['wrong'].kolmogorov:.3f}, range {low:.3f} to {high:.3f} (refuted)"
    assert wrong in found.sentence
    assert " to " in found._repr_html_()
    assert Level.MATCHED in found.inapplicable


def test_fitted_family_is_not_refuted_by_a_bad_start():
    truth = free_sum(MarchenkoPastur(0.5), Semicircle(0.3))
    values = np.asarray(truth.ppf((np.arange(1200) + 0.5) / 1200))
    audit = audit_spectra(estimated(values), phi=0.5, energy=0.15, levels=[Level.FITTED])
    assert audit[Level.FITTED, Family.WIGNER].kolmogorov_range[0] < 1e-3


# Operators --------------------------------------------------------------------------------------


def test_operators_are_audited_and_the_missing_part_is_the_difference():
    point = memorising(width=6, samples=32)
    split = point.hessian()
    settings = {"phi": 0.375, "energy": 0.5, "rng": 0, "steps": 30, "probes": 4}
    given = {"levels": [Level.MATCHED], "method": "estimate"}
    one = audit_operators(split.total, gauss_newton=split.gauss_newton, **settings, **given)
    two = audit_operators(
        point.operator(), residual=point.operator("residual"), **settings, **given
    )
    assert one[Level.MATCHED].kolmogorov == pytest.approx(two[Level.MATCHED].kolmogorov, abs=1e-6)
    exact = audit_operators(
        split.total, gauss_newton=split.gauss_newton, **settings, method="exact"
    )
    assert not exact.is_estimated
    assert exact.spectrum.eigenvalues == pytest.approx(np.linalg.eigvalsh(split.total), abs=1e-12)
    assert exact.residual.eigenvalues == pytest.approx(
        np.linalg.eigvalsh(split.residual), abs=1e-12
    )
    small = audit_operators(split.total, phi=0.375, energy=0.5, rng=0, levels=[Level.PRINTED])
    assert not small.is_estimated  # 72 products form the matrix, the estimate would take 800
    with pytest.raises(ValueError, match="of one size"):
        audit_operators(split.total, gauss_newton=np.eye(3))
    with pytest.raises(ValueError, match="method"):
        audit_operators(split.total, method="guess")
    with pytest.raises(TypeError, match="unknown option 'cores'"):
        audit_operators(split.total, method="estimate", cores=2)


def test_a_network_whose_hessian_does_not_fit_is_estimated(monkeypatch):
    point = memorising(width=6, samples=32)
    monkeypatch.setattr("rmtland.audit.hessian_audit.exact_memory_is_free", lambda point: False)
    audit = audit_hessian(point, probes=4, steps=30, levels=[Level.PRINTED, Level.DYSON], rng=0)
    assert audit.is_estimated
    assert [result.level for result in audit.levels] == [Level.PRINTED]
    assert "all eigenvalues" in audit.inapplicable[Level.DYSON]
    assert audit.provenance["widths"] == [6, 6, 6]
    assert audit.diagnostics is not None
    # the same seed gives the same numbers
    again = audit_hessian(point, probes=4, steps=30, levels=[Level.PRINTED], rng=0)
    assert again[Level.PRINTED].kolmogorov_range == audit[Level.PRINTED].kolmogorov_range


def test_an_interrupt_keeps_the_levels_that_were_done():
    def interrupt(what, done, total):
        if what.startswith("H0 measured"):
            raise KeyboardInterrupt

    point = memorising(width=6, samples=32)
    measured = MeasuredHessian(*spectra_of(point, 0, probes=3, steps=20), phi=0.4, energy=0.5)
    audit = audit_estimates(measured, progress=interrupt)
    assert [result.number for result in audit.levels] == [0, 1, 2]
    assert audit.interrupted == "H0 measured, Wigner H1, free"
    assert audit.verdict.endswith("Interrupted: not all was computed.")
    with pytest.raises(KeyboardInterrupt):
        audit_estimates(measured, levels=[Level.MEASURED_GAUSS_NEWTON], progress=interrupt)


def test_spectra_without_bounds_are_no_estimates():
    values = np.linspace(0.0, 1.0, 100)
    assert is_estimate(estimated(values))
    assert not is_estimate(Spectrum(values))
    assert not is_estimate(estimated(values, method="kpm"))
    assert not is_estimate(None)
    with pytest.raises(ValueError, match="confidence must be below 1"):
        audit_estimates(MeasuredHessian(estimated(values)), confidence=1.5)


@pytest.mark.parametrize("sign", [0.0, -1.0])
@pytest.mark.parametrize("method", ["exact", "estimate"])
def test_a_gauss_newton_part_without_positive_mean_is_refused(method, sign):
    matrix = np.diag(np.linspace(-1.0, 1.0, 60))
    with pytest.raises(ValueError, match=r"mean eigenvalue of the Gauss-Newton part is (0|-1);"):
        audit_operators(
            matrix,
            gauss_newton=sign * np.eye(60),
            phi=0.5,
            energy=0.1,
            method=method,
            probes=4,
            steps=10,
            rng=0,
        )
