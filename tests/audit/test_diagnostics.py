"""Tests of residuals and weights: their false alarms, and what they find."""

import json

import numpy as np
import pytest
from audit.audit_cases import autoencoder, independent, memorising

from rmtland.audit import diagnose
from rmtland.audit.diagnostics import entries, largest_correlation
from rmtland.networks import MLP, train


def names(diagnostics):
    return {(check.array, check.what) for check in diagnostics.rejected}


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_stated():
    """P-values are uniform under the assumption: at 5 % a test rejects 5 % of 200 points."""
    draws = 200
    found = [diagnose(independent(width=8, samples=40, seed=seed)) for seed in range(draws)]
    runs = {}
    for check in (check for each in found for check in each.tests):
        row = (check.p_value, check.value, check.expected, check.error)
        runs.setdefault((check.array, check.what), []).append(row)
    assert len(runs) == 16
    for name, rows in runs.items():
        p, value, expected, error = np.array(rows).T
        # five standard deviations
        assert np.mean(p < 0.05) < 0.05 + 5 * np.sqrt(0.05 * 0.95 / draws), name
        assert 0.4 < np.mean(p) < 0.6, name
        assert value.std() == pytest.approx(error.mean(), rel=0.3), name
        assert abs(value.mean() - expected.mean()) < 0.3 * error.mean(), name
    assert np.mean([bool(each.rejected) for each in found]) < 0.04  # 1 % stated


def test_residuals_made_of_weights_and_targets():
    # e = W2 h - y: correlated with the outputs, which are a function of the inputs
    found = names(diagnose(memorising()))
    assert found >= {
        ("residuals", "aligned with outputs"),
        ("residuals", "explained by inputs"),
        ("residuals", "explained by features"),
    }
    assert {array for array, _ in found} == {"residuals"}
    found = diagnose(autoencoder(samples=200))
    assert ("residuals", "explained by inputs") in names(found)
    explained = next(t for t in found.of("residuals") if t.what == "explained by inputs")
    assert explained.value > 0.7
    assert "explained by inputs" in found.sentence


def test_training_leaves_its_mark_on_the_weights():
    start = autoencoder(width=12, samples=100)
    trained = train(start.net, start.theta, start.x, start.y, energy=0.1)
    found = diagnose(start.at(trained.theta))
    # rows close to orthogonal: a code that keeps the whitened inputs apart
    assert {("W1", "spread of correlations"), ("W2", "spread of correlations")} <= names(found)
    assert all(t.value < t.expected for t in found.rejected if t.array in ("W1", "W2"))
    assert not {array for array, _ in names(diagnose(start))} & {"W1", "W2"}


def test_single_tests_find_what_they_are_for():
    rng = np.random.default_rng(0)
    skewness, kurtosis = entries("x", rng.exponential(size=500))
    assert skewness.value == pytest.approx(2.0, abs=0.5)
    assert max(skewness.p_value, kurtosis.p_value) < 1e-6
    assert entries("x", rng.uniform(size=2000)).send(None).p_value > 1e-3
    spike = rng.normal(size=(60, 20)) + 3 * rng.normal(size=(60, 1)) * np.eye(20)[0]
    check = largest_correlation("x", spike)
    assert check.p_value < 1e-6
    assert largest_correlation("x", spike.T).value == pytest.approx(check.value)
    scaled = largest_correlation("x", 7 * spike)
    assert scaled.value == pytest.approx(check.value)


def test_quantiles_are_those_of_the_normal_law():
    q = diagnose(independent(width=12, samples=400)).quantiles[0]
    assert q.array == "residuals"
    assert np.mean(np.abs(q.measured - q.normal) <= 2 * q.error) > 0.85
    assert (np.diff(q.measured) >= 0).all()


def test_any_network_and_degenerate_points():
    net = MLP((3, 4, 4, 2), bias=True, loss="cross_entropy")
    rng = np.random.default_rng(0)
    found = diagnose(net.at(net.init(rng=0), rng.normal(size=(30, 3)), rng.integers(0, 2, 30)))
    assert {t.array for t in found.tests} == {"residuals"}  # weights of fewer than 20 entries
    tiny = MLP((1, 1, 1))
    point = tiny.at(tiny.init(rng=0), [[1.0]], [[0.5]])
    assert diagnose(point).tests == ()
    assert "None of 0 tests" in diagnose(point).sentence
    perfect = independent(energy=0.0)
    assert not [t for t in diagnose(perfect).tests if t.array == "residuals"]
    fewer = independent(width=8, samples=4)
    assert all(0 <= t.p_value <= 1 for t in diagnose(fewer).tests)


def test_dict_and_arguments():
    found = diagnose(memorising(), significance=0.05)
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["threshold"] == pytest.approx(0.05 / len(found.tests))
    assert [t["rejected"] for t in plain["tests"]] == [t in found.rejected for t in found.tests]
    with pytest.raises(ValueError, match="significance"):
        diagnose(memorising(), significance=1.5)
    with pytest.raises(ValueError, match="at least 20"):
        list(entries("x", np.ones(3)))
    with pytest.raises(ValueError, match="two rows"):
        largest_correlation("x", np.ones((1, 30)))
