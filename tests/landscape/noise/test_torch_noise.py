"""Streamed gradient noise of a torch model beside the dense one of the same network."""

import numpy as np
import pytest

from rmtland.landscape.noise import GradientNoise, StreamedNoise
from rmtland.networks import MLP

torch = pytest.importorskip("torch")


def test_streamed_noise_is_the_dense_one():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    model = model.double()
    x, y = torch.randn(9, 3, dtype=torch.float64), torch.randint(2, (9,))
    net, theta = MLP.from_torch(model, loss="cross_entropy")
    point = net.at(theta, x.numpy(), y.numpy())
    dense = GradientNoise.of(point)
    found = StreamedNoise(model, torch.nn.CrossEntropyLoss(), (x, y), batch_size=4)
    np.testing.assert_allclose(found @ np.eye(26), dense.covariance, atol=1e-12)
    assert found.trace() == pytest.approx(dense.trace, rel=1e-10)
    assert found.temperature(0.1, 3) == pytest.approx(dense.temperature(0.1, 3), rel=1e-10)
    H = point.hessian("total")
    exact = dense.alignment(H)
    estimate = found.alignment(probes=100, rng=0)
    off = abs(estimate.product - float((dense.covariance * H).sum()))
    assert off < 4 * estimate.product_error
    assert abs(estimate.cosine - exact.cosine) < 4 * estimate.cosine_error < 0.4
    with pytest.raises(ValueError, match="reduction 'mean'"):
        StreamedNoise(model, torch.nn.CrossEntropyLoss(reduction="sum"), (x, y))
