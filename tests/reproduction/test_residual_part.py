"""H1 of a ReLU network at initialisation, measured and by its laws."""

import numpy as np
import pytest

from rmtland.models import WishartPlusReluBlock
from rmtland.networks import MLP, gaussian
from rmtland.reproduction.images import whitened_images
from rmtland.reproduction.residual_part import ResidualPart, residual_spectrum


def test_spectrum_is_symmetric_with_the_variance_of_the_block_law():
    found = residual_spectrum(0.5, hidden=16, epsilon=50.0, points=9, images="", seed=0)
    values = np.sort(found["eigenvalues"])
    assert values == pytest.approx(-values[::-1], abs=1e-12)
    assert np.abs(found["dyson_cdf"] - found["measured_cdf"]).max() < 0.04
    assert found["dyson_cdf"][0] == pytest.approx(0.5, abs=1e-8)


def test_the_block_law_has_the_mean_variance_of_h1():
    """Exact in the mean: a unit is active for half of the samples, whitened images have size 1."""
    rng = np.random.default_rng(0)
    law = WishartPlusReluBlock(0.5, 50.0).residual_law
    net = MLP((16, 16, 16), activation="relu")
    found = []
    for _ in range(30):
        data = whitened_images(64, rng=rng)
        theta = net.init(rng=rng)
        noise = 10.0 * rng.normal(size=data.y.shape)
        point = net.at(theta, data.x, net.predict(theta, data.x) - noise)
        found.append((point.hessian("residual") ** 2).sum() / net.parameter_count)
    error = np.std(found, ddof=1) / 30**0.5
    assert error < 0.02 * law.var()
    assert abs(np.mean(found) - law.var()) < 4 * error


def test_a_single_run_has_no_standard_error():
    figure = ResidualPart(phi=(1.0,), hidden=3, runs=1, points=5)
    content = figure.compute()
    assert not any("standard error" in str(name) for name in content.numbers)
    assert "as the Dyson curves are" in content.caption


def test_blocks_of_single_units_have_the_singular_values():
    rng = np.random.default_rng(1)
    n, m = 5, 40
    data = gaussian(m, n, rng=rng)
    net = MLP((n, n, n), activation="relu")
    theta = net.init(rng=rng)
    point = net.at(theta, data.x, data.y)
    first, _ = net.unflatten(theta)
    active = first @ data.x.T > 0
    values = [
        np.linalg.svd((point.residuals.T * active[j]) @ data.x / m, compute_uv=False)
        for j in range(n)
    ]
    values = np.concatenate([*values, *(-one for one in values)])
    found = np.linalg.eigvalsh(point.hessian("residual"))
    assert found == pytest.approx(np.sort(values), abs=1e-13)
