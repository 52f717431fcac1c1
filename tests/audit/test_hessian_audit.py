"""The audit itself: its numbers against their definitions, its verdicts where they are known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from audit.audit_cases import autoencoder, independent, memorising

from rmtland import (
    EmpiricalLaw,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    WishartPlusWigner,
    compare,
    free_sum,
)
from rmtland.audit import (
    Assumption,
    Family,
    Level,
    audit_hessian,
    audit_spectra,
    expected_cost,
    memory_needed,
)
from rmtland.audit.distance import kolmogorov, two_sample
from rmtland.audit.verdict import LONGEST
from rmtland.models.conditioned.conditioned_residuals import dense_projection_memory
from rmtland.networks import MLP
from rmtland.solution import ConvergenceError

DYSON = (Level.DYSON, Level.DYSON_MOMENTS)


@pytest.fixture(scope="module")
def assumed():
    """Where all holds that the matrix Dyson equation assumes."""
    return audit_hessian(independent(width=8, samples=32), draws=3, points=24, rng=0)


@pytest.fixture(scope="module")
def reproduced():
    """An autoencoder, whose residuals are made of its inputs."""
    return audit_hessian(autoencoder(), draws=2, points=20, rng=0)


def test_levels_in_order(assumed):
    numbers = [(level.number, level.family) for level in assumed.levels]
    assert numbers == [
        *((i, Family.WIGNER) for i in range(4)),
        *((i, "Wishart + ReLU block") for i in range(4)),
        (4, Family.WIGNER),
        (5, Family.DYSON),
        (6, Family.DYSON),
        (7, Family.CONDITIONED),
        (8, Family.CONDITIONED),
    ]
    assert len({level.name for level in assumed.levels}) == 13
    assert assumed.level(4) is assumed["H0 and H1 measured, free"]
    assert assumed.level(4) is assumed[Level.MEASURED_PARTS]
    assert assumed.level(1, "Wishart + ReLU block") is assumed[Level.MATCHED, Family.RELU_BLOCK]
    with pytest.raises(KeyError, match="no level 'x'"):
        assumed["x"]
    with pytest.raises(KeyError, match="no share"):
        assumed.share("x")


def test_spectra_and_distances_are_those_of_the_network(assumed):
    point = independent(width=8, samples=32)
    split = point.hessian()
    assert assumed.spectrum.eigenvalues == pytest.approx(np.linalg.eigvalsh(split.total))
    assert assumed.residual.eigenvalues == pytest.approx(np.linalg.eigvalsh(split.residual))
    p, phi = 128, 128 / (32 * 8)
    h0, h1 = assumed.gauss_newton.eigenvalues, assumed.residual.eigenvalues
    printed = free_sum(MarchenkoPastur(phi), Semicircle(2 * point.energy))
    matched = free_sum(MarchenkoPastur(phi, h0.mean()), Semicircle((h1**2).mean()))
    for number, law in ((0, printed), (1, matched)):
        level = assumed.level(number, Family.WIGNER)
        assert level.comparison.kolmogorov == pytest.approx(
            compare(assumed.spectrum, law).kolmogorov, rel=1e-9
        )
    every = free_sum(EmpiricalLaw(h0), EmpiricalLaw(h1))  # all p eigenvalues of either
    assert assumed.level(4).comparison.kolmogorov == pytest.approx(
        compare(assumed.spectrum, every).kolmogorov, abs=1 / p
    )
    level = assumed.level(5)
    seen = assumed.spectrum.eigenvalues
    assert level.index_difference == pytest.approx(level.law.cdf(0.0) - np.mean(seen < 0))
    assert level.edge_differences[1] == pytest.approx(level.law.support[-1][1] - seen[-1])


def test_verdict_where_all_is_as_assumed(assumed):
    assert assumed.level(0, Family.WIGNER).comparison.kolmogorov > 0.25
    dyson = assumed.level(5)
    # three standard deviations of one Hessian, and what the law itself is off
    slack = 3 * assumed.chance_error + dyson.law_error
    assert dyson.comparison.kolmogorov < assumed.chance + slack
    assert assumed.share("Wishart").value > 4 * assumed.share("Wishart").error
    # H1 at this size is a Wigner matrix up to its share of a few eigenvalues of 128
    assert abs(assumed.share("Wigner").value) < 4 / 128
    for name in ("iid weights", "Gaussian residuals"):
        share = assumed.share(name, Family.DYSON)
        assert abs(share.value) < 3 * share.error + dyson.law_error
    assert not assumed.diagnostics.rejected
    assert assumed.residual_covariance.kind.value == "iid"
    assert assumed.chance >= assumed.sampling > 0


def test_verdict_where_residuals_are_not(reproduced):
    residuals = reproduced.share("Gaussian residuals", Family.DYSON)
    assert residuals.value > 5 * residuals.error
    assert residuals.value > 3 * abs(reproduced.share("iid weights", Family.DYSON).value)
    assert "of level 5: iid residuals" in reproduced.sentence
    assert "To blame: iid residuals" in reproduced.verdict
    first, second = reproduced.level(5), reproduced.level(6)
    assert first.comparison.kolmogorov > first.expected + 3 * first.error
    assert second.comparison.kolmogorov < first.comparison.kolmogorov / 2
    assert "Not independent and Gaussian" in reproduced.sentence
    assert reproduced.level(6).law is not reproduced.level(5).law
    assert reproduced.residual_covariance.kind.value == "samples"


def test_shares_sum_to_the_misfits(assumed, reproduced):
    for audit in (assumed, reproduced):
        for law, number in ((Family.WIGNER, 0), (Family.DYSON, 5)):
            total = sum(share.value for share in audit.shares if share.law == law)
            misfit = audit.level(number, law).comparison.kolmogorov
            assert total == pytest.approx(misfit, abs=1e-12)
        assert all(share.error >= 0 for share in audit.shares)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_audit():
    point = independent(width=3, samples=9)
    first, second = (audit_hessian(point, draws=2, points=20, rng=1) for _ in range(2))
    assert first.as_dict() == second.as_dict()


def test_json(reproduced):
    plain = json.loads(reproduced.to_json())
    assert plain["sentence"] == reproduced.sentence
    assert plain["provenance"]["widths"] == [16, 6, 16]
    assert [level["kolmogorov"] for level in plain["levels"]] == [
        level.comparison.kolmogorov for level in reproduced.levels
    ]
    assert plain["spectrum"]["index"] == reproduced.spectrum.index()


@pytest.mark.parametrize(
    "net",
    [
        MLP((4, 3, 3, 3)),
        MLP((4, 3, 3), loss="cross_entropy"),
        MLP((4, 3)),
    ],
    ids=["deep", "cross-entropy", "linear"],
)
def test_other_networks_have_levels_up_to_four_and_conditioned_residuals(net):
    rng = np.random.default_rng(0)
    softmax = net.loss == "cross_entropy"
    m = 40 if softmax else 12  # residuals of 3 labels have one free dimension a sample, p = 21
    x = rng.normal(size=(m, 4))
    y = rng.integers(0, 3, m) if softmax else rng.normal(size=(m, 3))
    audit = audit_hessian(net.at(net.init(rng=0), x, y), draws=2, rng=0)
    numbers = {level.number for level in audit.levels} - {8}
    # the last has but four eigenvalues, each three times: too few to fit three parameters
    assert numbers == {0, 1, 2, 3, 4, 7} - ({2} if len(net.widths) == 2 else set())
    assert audit.not_applicable
    assert audit.not_applicable in audit.sentence
    assert audit.chance is None
    assert {share.law for share in audit.shares} == {Family.WIGNER}
    assert set(audit.inapplicable) >= {Level.DYSON, Level.DYSON_MOMENTS}
    assert all(share.error is None for share in audit.shares)
    json.loads(audit.to_json())


@pytest.mark.parametrize(
    ("point", "case"),
    [
        (independent(width=2, samples=5), "two units"),
        (independent(width=3, samples=2), "fewer samples than inputs"),
        pytest.param(
            independent(width=3, samples=9, energy=0.0), "no residuals", marks=pytest.mark.slow
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_edge_cases(point, case):
    audit = audit_hessian(point, draws=2 if case == "two units" else 0, points=20, rng=0)
    json.loads(audit.to_json())
    assert all(np.isfinite(level.comparison.kolmogorov) for level in audit.levels), case
    assert audit.level(5).comparison.kolmogorov < 0.35, case
    law, seen = audit.level(5).law, audit.spectrum.inertia()
    size = len(audit.spectrum.eigenvalues)
    assert dict(law.atoms).get(0.0, 0.0) == pytest.approx(seen.zero / size, abs=1e-12), case
    assert law.mass_below(0.0) <= seen.negative / size + 0.02, case


def test_memory_is_refused_beforehand(monkeypatch):
    point = memorising(width=4, samples=16)
    monkeypatch.setattr("rmtland.arrays._free_memory", lambda: 1000)
    with pytest.raises(MemoryError, match="GiB are free; take method='estimate'"):
        audit_hessian(point, method="exact")


def test_memory_and_time_are_told_beforehand(monkeypatch):
    small, large = memorising(width=4, samples=16), memorising(width=16, samples=64)
    assert memory_needed(large) > memory_needed(small) > 100e6  # free sums of measured parts
    numbers = large.net.parameter_count + large.x.shape[1] * large.net.n_out
    told, projection = memory_needed(large), dense_projection_memory(large.y.size, numbers)
    with monkeypatch.context() as patch:  # no room for a decomposition: solved by iteration
        patch.setattr("rmtland.arrays._free_memory", lambda: projection)
        assert memory_needed(large) == told - projection < told - 3 * 8 * large.y.size * numbers
    cost = expected_cost(small, draws=2, points=20)
    assert 0.1 < cost.seconds < 1000
    assert "MB" in str(cost)
    assert expected_cost(large, draws=2, points=20).seconds > cost.seconds


def test_arguments():
    with pytest.raises(TypeError, match="LossPoint"):
        audit_hessian(np.eye(3))
    with pytest.raises(ValueError, match="draws"):
        audit_hessian(memorising(), draws=1)
    with pytest.raises(ValueError, match="at least 8 eigenvalues"):
        audit_hessian(independent(width=1, samples=3))
    with pytest.raises(ValueError, match="points"):
        audit_hessian(memorising(), points=3)


def test_distances():
    rng = np.random.default_rng(0)
    for law, values in (
        (MarchenkoPastur(2.0), np.append(np.zeros(20), rng.gamma(2, 1, 30))),
        (EmpiricalLaw(rng.integers(0, 5, 30)), rng.integers(0, 6, 30) * 1.0),
        (Semicircle(), rng.normal(size=50)),
        (MarchenkoPastur(3.0), rng.normal(size=50)),
    ):
        exact = compare(Spectrum(values), law).kolmogorov
        assert kolmogorov(np.sort(values), law) == pytest.approx(exact, abs=1e-14)
    # a free sum is taken just above the axis
    law = free_sum(EmpiricalLaw(rng.gamma(1, 1, 30)), Semicircle(0.2))
    values = np.sort(rng.normal(size=40))
    assert kolmogorov(values, law) == pytest.approx(
        compare(Spectrum(values), law).kolmogorov, abs=1e-4
    )
    first, second = np.sort(rng.normal(size=40)), np.sort(rng.normal(size=30) + 1)
    assert two_sample(first, second) == pytest.approx(
        compare(Spectrum(first), EmpiricalLaw(second)).kolmogorov
    )


def test_progress_names_its_steps():
    seen = []
    audit_hessian(
        independent(width=3, samples=9),
        draws=2,
        points=20,
        rng=0,
        levels=[Level.PRINTED, Level.DYSON],
        progress=lambda what, done, total: seen.append((what, done, total)),
    )
    steps = list(dict.fromkeys(what for what, _, _ in seen))
    assert steps[0] == "exact Hessian"
    assert "matrix Dyson equation, level 5" in steps
    assert all(0 <= done <= total for _, done, total in seen)


def test_single_precision_is_audited_in_double():
    point = independent(width=3, samples=9)
    x, y = (np.asarray(array, dtype=np.float32) for array in (point.x, point.y))
    theta = point.theta.astype(np.float32)
    single = audit_hessian(point.net.at(theta, x, y), draws=0, points=20, levels=[Level.DYSON])
    nodes = single.gauss_newton.eigenvalues
    assert np.count_nonzero(np.abs(nodes) < 1e-12) >= 3  # one null direction a hidden unit
    exact = point.net.at(theta.astype(float), x.astype(float), y.astype(float)).hessian()
    assert nodes == pytest.approx(np.linalg.eigvalsh(exact.gauss_newton), abs=1e-12)


def test_a_critical_point_is_named():
    rng = np.random.default_rng(0)
    net, x = MLP((3, 3, 3), activation="linear"), rng.normal(size=(12, 3))
    identity = np.concatenate([np.eye(3).ravel(), np.eye(3).ravel()])
    audit = audit_hessian(net.at(identity, x, x), draws=0, points=20)
    assert audit.provenance["gradient_norm"] < 1e-12
    assert "The point is critical" in audit.sentence
    assert audit.level(4).comparison.kolmogorov < 0.01  # H1 = 0: nothing to be free of


def test_a_law_that_is_given_is_compared_too():
    point = independent(width=3, samples=9)
    laws = {"semicircle": Semicircle(2.0), "model": WishartPlusWigner(0.5, 0.3)}
    audit = audit_hessian(point, draws=0, laws=laws, levels=[Level.PRINTED], rng=0)
    assert [result.name for result in audit.levels] == [
        "Wishart + Wigner, as printed",
        "Wishart + ReLU block, as printed",
        "semicircle",
        "model",
    ]
    exact = compare(audit.spectrum, Semicircle(2.0)).kolmogorov
    assert audit["semicircle"].kolmogorov == pytest.approx(exact)
    assert audit["semicircle"].level is Level.GIVEN
    assert audit.inapplicable[Level.DYSON] == "it was not asked for"
    with pytest.raises(TypeError, match="'x' is a int"):
        audit_hessian(point, laws={"x": 3})
    with pytest.raises(TypeError, match="Level"):
        audit_hessian(point, levels=["dyson"])


def test_a_level_whose_law_cannot_be_computed_is_left_out(monkeypatch):
    # the whole audit ended there, as it did for saturated networks and tiny weights
    class Unknown(Semicircle):
        def _cdf(self, x):
            raise ConvergenceError("no footing")

    monkeypatch.setattr("rmtland.audit.free_levels.free_sum", lambda *laws: Unknown(1.0))
    spread, first = np.linspace(-0.3, 0.3, 30), np.append(np.zeros(24), np.arange(1.0, 7))
    audit = audit_spectra(
        Spectrum(spread + first),
        gauss_newton=Spectrum(first),
        residual=Spectrum(spread),
        phi=0.5,
        laws={"unknown": Unknown(1.0)},
        levels=[Level.MATCHED, Level.MEASURED_GAUSS_NEWTON],
    )
    assert [result.level for result in audit.levels] == [Level.MATCHED]
    reason = "its law was not computed: no footing"
    assert audit.inapplicable[Level.MEASURED_GAUSS_NEWTON] == reason
    assert audit.inapplicable[Level.GIVEN] == "unknown was not computed: no footing"
    assert not audit.shares


def test_spectra_alone_are_audited():
    split = independent(width=4, samples=12).hessian()
    parts = [
        Spectrum(np.linalg.eigvalsh(part))
        for part in (split.total, split.gauss_newton, split.residual)
    ]
    audit = audit_spectra(
        parts[0], gauss_newton=parts[1], residual=parts[2], phi=0.5, energy=0.5, rng=0
    )
    assert [result.number for result in audit.levels] == [0, 1, 2, 3, 4]
    assert {share.law for share in audit.shares} == {Family.WIGNER}
    assert audit.diagnostics is None
    assert "network" in audit.not_applicable
    json.loads(audit.to_json())
    # an estimate with weights has the distances of its measure
    nodes, weights = parts[0].measure
    estimate = Spectrum(nodes, weights, dimension=32)
    part = [Spectrum(*one.measure, dimension=32) for one in parts[1:]]
    levels = (Level.PRINTED, Level.MATCHED)
    same = audit_spectra(
        estimate, gauss_newton=part[0], residual=part[1], phi=0.5, energy=0.5, levels=levels
    )
    for level in levels:
        assert same[level].kolmogorov == pytest.approx(audit[level].kolmogorov, abs=1e-9)
    with pytest.raises(ValueError, match="at least 8"):
        audit_spectra(Spectrum([1.0, 2.0]))


@pytest.mark.parametrize("at", ["Haar rotations", "matrix Dyson equation, level 5"])
def test_an_interrupted_audit_keeps_what_is_done(at):
    def stop(what, done, total):
        if what == at:
            raise KeyboardInterrupt

    audit = audit_hessian(independent(width=3, samples=9), draws=2, points=20, progress=stop)
    assert audit.interrupted == at
    assert {result.number for result in audit.levels} >= {0, 1, 2, 3, 4}
    assert at in audit.sentence
    assert "Interrupted" in audit.verdict
    json.loads(audit.to_json())


def test_an_audit_interrupted_among_its_draws_has_the_errors_of_those_done():
    def stop(what, done, total):
        if what == "Hessians drawn anew" and done == 2:
            raise KeyboardInterrupt

    point = independent(width=3, samples=9)
    audit = audit_hessian(point, draws=9, points=20, levels=DYSON, progress=stop, rng=0)
    assert audit.interrupted == "Hessians drawn anew"
    assert audit[Level.DYSON].error >= 0
    assert audit.share(Assumption.WEIGHTS, Family.DYSON).error >= 0


def test_an_interrupt_before_anything_is_done_passes():
    def stop(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit_hessian(independent(width=3, samples=9), progress=stop)


def test_short_words(assumed, reproduced):
    for audit in (assumed, reproduced):
        assert len(audit.verdict.split()) <= LONGEST
        assert "\n" not in audit.verdict
        assert len(repr(audit)) < 500
        assert len(repr(audit.levels[0])) < 120
        assert audit._repr_html_().count("<tr>") == len(audit.levels) + 1


def test_the_error_of_a_table_is_not_called_sampling_noise(assumed):
    dyson = [replace(one, law_error=0.2) if one.number > 4 else one for one in assumed.levels]
    unsure = replace(assumed, levels=tuple(dyson))
    assert "sampling noise" not in unsure.sentence + unsure.verdict
    assert "its own error may be 0.200" in unsure.sentence
    dyson = [
        replace(one, law_error=0.0, expected=0.05, error=0.01) if one.number > 4 else one
        for one in assumed.levels
    ]
    known = replace(assumed, levels=tuple(dyson), sampling=0.05)
    assert "which is sampling noise" in known.sentence
    off = replace(known, sampling=0.01)  # drawn anew they agree with each other, not with the law
    assert "sampling noise" not in off.sentence
    assert "the law's own error" in off.verdict


@pytest.mark.slow
def test_half_an_atom_at_zero_is_not_negative():
    """Dead units: a tenth or more of the eigenvalues are 0, none of them below."""
    rng = np.random.default_rng(0)
    net, x = MLP((4, 6, 4), activation="relu"), np.abs(rng.normal(size=(30, 4)))
    first = np.abs(rng.normal(size=(6, 4)))
    first[:3] *= -1  # never active
    theta = np.concatenate([first.ravel(), rng.normal(size=24)])
    point = net.at(theta, x, net.predict(theta, x) - 0.5 * rng.normal(size=(30, 4)))
    audit = audit_hessian(point, draws=0, points=24, rng=0)
    zeros = audit.spectrum.inertia().zero / 48
    assert zeros > 0.4
    dyson = audit[Level.DYSON]
    assert dict(dyson.law.atoms)[0.0] == pytest.approx(zeros, abs=1e-3)
    assert abs(dyson.index_difference) < 1 / 48
