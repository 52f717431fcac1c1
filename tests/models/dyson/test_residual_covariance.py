"""Residuals of unlike size, and correlated, between outputs and between samples."""

from dataclasses import replace

import numpy as np
import pytest

from rmtland.models import DysonHessian, FiniteSizeHessian
from rmtland.models.dyson import blocks

Z = np.array([-0.2 + 0.1j, 0.05 + 0.05j, 0.8 + 0.1j])


def network(n1=4, n0=3, outputs=6, m=14, **options):
    rng = np.random.default_rng(1)
    first, x = rng.normal(size=(n1, n0)) / np.sqrt(n0), rng.normal(size=(m, n0))
    return DysonHessian.of_first_layer(
        first, x, outputs=outputs, epsilon=0.4, activation="relu", rng=0, **options
    )


def unlike(size, spread, seed=2):
    """A covariance of mean variance 1 with a few large directions."""
    rng = np.random.default_rng(seed)
    turned = np.linalg.qr(rng.normal(size=(size, size)))[0]
    values = np.exp(spread * rng.normal(size=size))
    values *= size / values.sum()
    return (turned * values) @ turned.T


@pytest.mark.parametrize("coupling", ["full", "units"])
@pytest.mark.parametrize("part", ["total", "residual", "gauss_newton"])
def test_equal_outputs_are_the_plain_equation(coupling, part):
    model = network(coupling=coupling, part=part)
    for weights in (np.ones(6), np.eye(6)):
        same = replace(model, output_weights=weights)
        np.testing.assert_allclose(same.stieltjes(Z), model.stieltjes(Z), rtol=1e-7)
    louder = replace(model, output_weights=2 * np.ones(6))
    other = replace(model, epsilon=0.8)
    np.testing.assert_allclose(louder.stieltjes(Z), other.stieltjes(Z), rtol=1e-7)


@pytest.mark.parametrize("coupling", ["full", "units"])
def test_only_the_eigenvalues_of_the_covariance_count(coupling):
    model = network(coupling=coupling)
    c = unlike(6, 1.0)
    turned = replace(model, output_weights=c)
    straight = replace(model, output_weights=np.linalg.eigvalsh(c).clip(0))
    np.testing.assert_allclose(turned.stieltjes(Z), straight.stieltjes(Z), rtol=1e-8)
    levels = turned.smoothed_cdf([0.299, 0.301], eta=0.1, tolerance=1e-11)
    density = turned.smoothed_pdf(0.3, eta=0.1, tolerance=1e-11)
    assert (levels[1] - levels[0]) / 2e-3 == pytest.approx(density, rel=1e-5)
    assert turned.smoothed_cdf([-1e5, 1e5], eta=0.1) == pytest.approx([0.0, 1.0], abs=1e-5)


def test_a_gauss_rule_stands_for_many_outputs(monkeypatch):
    model = network(outputs=30)
    model = replace(model, output_weights=unlike(30, 1.2))
    rule = model.stieltjes(Z)
    monkeypatch.setattr(blocks, "OUTPUT_NODES", 30)
    exact = replace(model).stieltjes(Z)
    np.testing.assert_allclose(rule, exact, rtol=1e-6)
    assert len(replace(model).equation._outputs[0]) == 30


@pytest.mark.parametrize("between_samples", [False, True])
def test_the_law_is_that_of_sampled_hessians(between_samples):
    """H1, where the equation is exact as sizes grow; 5 standard errors and 1.5 % for the size.

    Without the covariance the densities are five times as far apart.
    """
    model = network(n1=6, n0=6, outputs=8, m=24, part="residual")
    model = replace(model, output_weights=unlike(8, 1.5))
    if between_samples:
        model = replace(model, residual_weights=unlike(24, 1.0, seed=5))
    nodes = model.sample(rng=3, runs=300).nodes
    x, eta = np.linspace(0.0, 1.5, 7), 0.1
    seen = (nodes[:, None, :] - x[None, :, None]) / eta
    rows = (1 / (1 + seen**2)).mean(axis=2) / (np.pi * eta)
    error = rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
    miss = np.abs(model.smoothed_pdf(x, eta=eta) - rows.mean(axis=0))
    assert (miss < 5 * error + 0.015 * rows.mean(axis=0).max()).all()
    plain = replace(model, output_weights=None, residual_weights=np.ones(24))
    assert np.abs(plain.smoothed_pdf(x, eta=eta) - rows.mean(axis=0)).max() > 5 * miss.max()


def test_the_sampled_variance_is_that_of_the_model():
    model = replace(network(part="residual"), output_weights=unlike(6, 1.0))
    squares = (model.sample(rng=1, runs=200).nodes ** 2).mean(axis=1)
    error = squares.std(ddof=1) / np.sqrt(squares.size)
    assert abs(squares.mean() - model.var()) < 5 * error


def test_what_it_does_not_go_with_is_refused():
    with pytest.raises(ValueError, match="alike in all"):
        replace(network(coupling="free_slopes"), output_weights=np.ones(6))
    with pytest.raises(ValueError, match="output_weights must be 6 variances"):
        replace(network(), output_weights=np.ones(5))
    with pytest.raises(ValueError, match="between outputs"):
        FiniteSizeHessian(replace(network(), output_weights=np.arange(6.0)))
