"""The audit itself: its numbers against their definitions, its verdicts where they are known."""

import json

import numpy as np
import pytest
from audit.audit_cases import autoencoder, independent, memorising

from rmtland import EmpiricalLaw, MarchenkoPastur, Semicircle, Spectrum, compare, free_sum
from rmtland.audit import audit_hessian, memory_needed
from rmtland.audit.auditing import kolmogorov, two_sample
from rmtland.audit.hessian_audit import DYSON, WIGNER
from rmtland.networks import MLP


@pytest.fixture(scope="module")
def assumed():
    """Where all holds that the matrix Dyson equation assumes."""
    return audit_hessian(independent(width=8, samples=32), draws=3, points=24)


@pytest.fixture(scope="module")
def reproduced():
    """An autoencoder, whose residuals are made of its inputs."""
    return audit_hessian(autoencoder(), draws=2, points=20)


def test_levels_in_order(assumed):
    numbers = [(level.number, level.family) for level in assumed.levels]
    assert numbers == [
        *((i, WIGNER) for i in range(4)), *((i, "Wishart + ReLU block") for i in range(4)),
        (4, WIGNER), (5, DYSON), (6, DYSON),
    ]  # fmt: skip
    assert len({level.name for level in assumed.levels}) == 11
    assert assumed.level(4) is assumed["H0 and H1 measured, free"]
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
        level = assumed.level(number, WIGNER)
        assert level.comparison.kolmogorov == pytest.approx(
            compare(assumed.spectrum, law).kolmogorov, rel=1e-9
        )
    every = free_sum(EmpiricalLaw(h0), EmpiricalLaw(h1))  # all p eigenvalues of either
    assert assumed.level(4).comparison.kolmogorov == pytest.approx(
        compare(assumed.spectrum, every).kolmogorov, abs=1 / p
    )
    level = assumed.level(5)
    seen = assumed.spectrum.eigenvalues
    assert level.index_error == pytest.approx(level.law.cdf(0.0) - np.mean(seen < 0))
    assert level.edge_errors[1] == pytest.approx(level.law.support[-1][1] - seen[-1])


def test_verdict_where_all_is_as_assumed(assumed):
    assert assumed.level(0, WIGNER).comparison.kolmogorov > 0.25
    dyson = assumed.level(5)
    assert dyson.comparison.kolmogorov < assumed.chance + 3 * assumed.chance_error + 0.005
    assert assumed.share("Wishart").value > 4 * assumed.share("Wishart").error
    assert abs(assumed.share("Wigner").value) < 0.03
    for name in ("iid weights", "Gaussian residuals"):
        share = assumed.share(name, DYSON)
        assert abs(share.value) < 3 * share.error + 0.01
    assert "which is sampling noise" in assumed.sentence
    assert not assumed.diagnostics.rejected


def test_verdict_where_residuals_are_not(reproduced):
    residuals = reproduced.share("Gaussian residuals", DYSON)
    assert residuals.value > 5 * residuals.error
    assert residuals.value > 3 * abs(reproduced.share("iid weights", DYSON).value)
    assert "of level 5: Gaussian residuals" in reproduced.sentence
    first, second = reproduced.level(5), reproduced.level(6)
    assert first.comparison.kolmogorov > first.expected + 3 * first.error
    assert second.comparison.kolmogorov < first.comparison.kolmogorov / 2
    assert "Not independent and Gaussian" in reproduced.sentence
    assert reproduced.level(6).law is not reproduced.level(5).law


def test_shares_sum_to_the_misfits(assumed, reproduced):
    for audit in (assumed, reproduced):
        for law, number in ((WIGNER, 0), (DYSON, 5)):
            total = sum(share.value for share in audit.shares if share.law == law)
            misfit = audit.level(number, law).comparison.kolmogorov
            assert total == pytest.approx(misfit, abs=1e-12)
        assert all(share.error >= 0 for share in audit.shares)


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
def test_other_networks_have_levels_up_to_four(net):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 4))
    y = rng.integers(0, 3, 12) if net.loss == "cross_entropy" else rng.normal(size=(12, 3))
    audit = audit_hessian(net.at(net.init(rng=0), x, y), draws=2)
    numbers = {level.number for level in audit.levels}
    # the last has but four eigenvalues, each three times: too few to fit three parameters
    assert numbers == {0, 1, 2, 3, 4} - ({2} if len(net.widths) == 2 else set())
    assert audit.not_applicable
    assert audit.not_applicable in audit.sentence
    assert audit.chance is None
    assert {share.law for share in audit.shares} == {WIGNER}
    assert all(share.error is None for share in audit.shares)
    json.loads(audit.to_json())


@pytest.mark.parametrize(
    ("point", "case"),
    [
        (independent(width=2, samples=5), "two units"),
        (independent(width=4, samples=2), "fewer samples than inputs"),
        (independent(width=3, samples=9, energy=0.0), "no residuals"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_edge_cases(point, case):
    audit = audit_hessian(point, draws=2 if point.net.widths[0] < 4 else 0, points=20)
    json.loads(audit.to_json())
    assert all(np.isfinite(level.comparison.kolmogorov) for level in audit.levels), case
    assert audit.level(5).comparison.kolmogorov < 0.35


def test_memory_is_refused_beforehand(monkeypatch):
    point = memorising(width=4, samples=16)
    assert memory_needed(point) == 5 * 8 * 32**2
    monkeypatch.setattr("rmtland.arrays._free_memory", lambda: 1000)
    with pytest.raises(MemoryError, match="GiB are free"):
        audit_hessian(point)


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
    audit_hessian(independent(width=3, samples=9), draws=2, points=20,
                  progress=lambda what, done, total: seen.append((what, done, total)))  # fmt: skip
    steps = list(dict.fromkeys(what for what, _, _ in seen))
    assert steps[0] == "exact Hessian"
    assert "matrix Dyson equation, level 5" in steps
    assert all(0 <= done <= total for _, done, total in seen)


def test_single_precision_is_audited_in_double():
    point = independent(width=3, samples=9)
    x, y = (np.asarray(array, dtype=np.float32) for array in (point.x, point.y))
    theta = point.theta.astype(np.float32)
    single = audit_hessian(point.net.at(theta, x, y), draws=0, points=20)
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
