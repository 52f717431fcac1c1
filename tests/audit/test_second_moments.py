"""Which covariance residuals have, and how well second moments are estimated."""

from collections import Counter

import numpy as np
import pytest
from audit.audit_cases import independent, memorising

from rmtland.audit.second_moments import (
    CovarianceKind,
    SecondMoments,
    residual_covariance,
    shrunk_covariance,
    shrunk_squares,
)

DRAWS = 100
SAMPLES, INPUTS, OUTPUTS = 30, 5, 6


def kinds(residuals, draws=DRAWS, seed=0):
    """Count the kinds found for residuals that do not depend on the inputs."""
    rng = np.random.default_rng(seed)
    found = Counter()
    for _ in range(draws):
        x, e = rng.normal(size=(SAMPLES, INPUTS)), rng.normal(size=(SAMPLES, OUTPUTS))
        found[residual_covariance(x, residuals(rng, x, e)).kind.value] += 1
    return found


def mixed(strength):
    root = np.linalg.cholesky((1 - strength) * np.eye(OUTPUTS) + strength)
    return lambda rng, x, e: e @ root.T


def sized(rng, x, e):
    return e * rng.gamma(0.5, 1.0, size=(len(e), 1))


# at 1 % one of 100 is expected; five or more have a probability below .005
RARE = 4


def test_iid_residuals_have_no_covariance():
    found = kinds(lambda rng, x, e: e)
    assert DRAWS - found["iid"] <= RARE


@pytest.mark.parametrize(
    ("residuals", "kind"),
    [
        (mixed(0.9), "outputs"),  # the branch between samples was taken in 31 of 200
        (mixed(0.5), "outputs"),
        (lambda rng, x, e: e * np.array([3.0, 1.0, 1.0, 1.0, 0.3, 0.1]), "outputs"),
        (sized, "sizes"),
        (lambda rng, x, e: e + 0.7 * x @ rng.normal(size=(INPUTS, OUTPUTS)), "samples"),
        (lambda rng, x, e: -x @ rng.normal(size=(INPUTS, OUTPUTS)), "samples"),
    ],
    ids=["outputs .9", "outputs .5", "unequal outputs", "sizes", "inputs", "inputs alone"],
)
def test_what_is_there_is_found_and_nothing_else(residuals, kind):
    found = kinds(residuals)
    assert found[kind] >= 0.9 * DRAWS
    wrong = DRAWS - found[kind] - found["iid"]
    assert wrong <= RARE, found


def test_unequal_samples_and_outputs_are_no_covariance_between_samples():
    root = np.linalg.cholesky(0.2 * np.eye(OUTPUTS) + 0.8)
    found = kinds(lambda rng, x, e: sized(rng, x, e) @ root.T)
    assert found["samples"] <= RARE


def test_tails_are_no_covariance():
    found = kinds(lambda rng, x, e: rng.standard_t(3, size=e.shape))
    # tails were taken for samples of unequal size in most draws
    assert found["samples"] + found["outputs"] + found["sizes"] <= RARE


def test_p_values_are_uniform_whatever_the_other_covariance():
    rng = np.random.default_rng(1)
    root = np.linalg.cholesky(0.1 * np.eye(OUTPUTS) + 0.9)
    p = {"samples": [], "outputs": []}
    for _ in range(DRAWS):
        x, e = rng.normal(size=(SAMPLES, INPUTS)), rng.normal(size=(SAMPLES, OUTPUTS))
        p["samples"].append(residual_covariance(x, e @ root.T).p_values["samples"])
        p["outputs"].append(residual_covariance(x, sized(rng, x, e)).p_values["outputs"])
    for name, values in p.items():
        # four standard errors of a share and of a mean
        assert np.mean(np.array(values) < 0.1) == pytest.approx(0.1, abs=4 * 0.3 / DRAWS**0.5), name
        assert np.mean(values) == pytest.approx(0.5, abs=4 * 0.29 / DRAWS**0.5), name


def test_the_same_residuals_are_decided_on_in_the_same_way():
    rng = np.random.default_rng(2)
    x, e = rng.normal(size=(30, 5)), rng.normal(size=(30, 6))
    assert residual_covariance(x, e).p_values == residual_covariance(x, e).p_values


def test_estimates_of_correlated_outputs():
    rng = np.random.default_rng(3)
    covariance = 0.5 * np.eye(4) + 0.5
    found = residual_covariance(
        rng.normal(size=(2000, 3)), rng.normal(size=(2000, 4)) @ np.linalg.cholesky(covariance).T
    )
    assert found.kind is CovarianceKind.OUTPUTS
    assert np.trace(found.outputs) == pytest.approx(4)
    # standard error of an entry at most sqrt(2/2000)
    assert found.outputs == pytest.approx(covariance, abs=4 * (2 / 2000) ** 0.5)
    assert (found.samples == 1).all()
    assert 0.9 < found.kept < 1


def test_residuals_made_of_the_inputs_keep_their_covariance():
    rng = np.random.default_rng(5)
    x = np.linalg.qr(rng.normal(size=(40, 6)))[0] * np.sqrt(40)
    found = residual_covariance(x, -x)
    assert found.kind is CovarianceKind.SAMPLES
    assert found.kept == 1.0
    assert found.samples == pytest.approx(x @ x.T / 6, abs=1e-12)
    noise = 0.5 * rng.normal(size=(40, 6))
    both = residual_covariance(x, noise - x).samples
    values = np.linalg.eigvalsh(both)
    assert np.trace(both) == pytest.approx(40)
    assert values[:34] == pytest.approx(values[0])  # equal variances beyond the inputs
    assert values[34:].min() > 10 * values[0]


def test_no_residuals_no_samples_to_spare_and_bad_shapes():
    rng = np.random.default_rng(6)
    assert residual_covariance(rng.normal(size=(5, 8)), rng.normal(size=(5, 4))).samples.ndim == 1
    for x, e in ((rng.normal(size=(9, 3)), np.zeros((9, 4))), (np.ones((1, 2)), np.ones((1, 3)))):
        found = residual_covariance(x, e)
        assert found.kind is CovarianceKind.IID
        assert (found.samples == 1).all()
    assert residual_covariance(np.zeros((9, 3)), rng.normal(size=(9, 1))).p_values.keys() == {
        "sizes"
    }
    with pytest.raises(ValueError, match="9 and 8 rows"):
        residual_covariance(np.ones((9, 2)), np.ones((8, 2)))


def test_covariance_of_equal_variances_is_dropped_and_of_unequal_ones_kept():
    rng = np.random.default_rng(2)
    scales = np.array([3.0, 1.0, 1.0, 0.2])
    kept = []
    for _ in range(50):
        plain, share = shrunk_covariance(rng.normal(size=(40, 12)))
        kept.append(share)
        assert np.trace(plain) > 0
    assert np.mean(np.array(kept) == 0) > 0.95
    n = 4000
    unequal, share = shrunk_covariance(rng.normal(size=(n, 4)) * scales)
    assert share > 0.95
    variances = scales**2
    # an entry (i, j) of n rows has the standard error sqrt(v_i v_j (1 + delta_ij)/n): .2 at most
    error = np.sqrt(np.outer(variances, variances) * (1 + np.eye(4)) / n)
    shrinking = 0.05 * np.abs(np.diag(variances) - variances.mean() * np.eye(4))
    assert (np.abs(unequal - np.diag(variances)) <= 4 * error + shrinking).all()


def test_shrinking_covariances_lowers_the_error():
    """Mean square error against the truth, over draws of few rows: the point of shrinking."""
    rng = np.random.default_rng(3)
    root = np.diag(np.linspace(0.2, 2.0, 10))
    errors = np.zeros(2)
    for _ in range(100):
        rows = rng.normal(size=(12, 10)) @ root
        sample = rows.T @ rows / 12
        errors += [
            ((shrunk_covariance(rows)[0] - root**2) ** 2).sum(),
            ((sample - root**2) ** 2).sum(),
        ]
    assert errors[0] < 0.8 * errors[1]


def test_squares_of_residuals():
    rng = np.random.default_rng(4)
    sizes = np.where(np.arange(60) < 30, 0.1, 2.0)
    n_out = 40
    weights, share = shrunk_squares(rng.normal(size=(60, n_out)) * sizes[:, None])
    assert share > 0.9
    assert weights.mean() == pytest.approx(1.0)
    truth = sizes**2 / (sizes**2).mean()
    # a mean square of n_out numbers has the relative standard error sqrt(2/n_out)
    error = np.sqrt(2 / n_out) * truth
    assert (np.abs(weights - truth) <= 4 * error + 0.1 * np.abs(truth - 1)).all()
    ones, none = shrunk_squares(np.zeros((5, 3)))
    assert (ones == 1).all()
    assert none == 0.0
    assert shrunk_squares(np.ones((1, 3)))[1] == 0.0


def test_second_moments_of_a_point():
    found = SecondMoments.of_point(independent(activation="relu"))
    assert found.are_iid
    assert found.residuals.samples == pytest.approx(np.ones(24))
    point = memorising()
    found = SecondMoments.of_point(point)
    assert found.residuals.kind is CovarianceKind.SAMPLES
    assert found.mean_square == pytest.approx(2 * point.energy)
    equal = found.iid()
    assert equal.are_iid
    assert equal.second_layer == pytest.approx(equal.second_layer[0, 0] * np.eye(8))
    assert np.trace(equal.second_layer) == pytest.approx(np.trace(found.second_layer))
