import numpy as np
import pytest

from rmtland.landscape.noise import GradientNoise, NoisyDescent
from rmtland.landscape.noise.noisy_saddle import noisy_directions, noisy_saddle
from rmtland.networks import MLP, gaussian


def test_a_saddle_has_no_gradient_and_noise_along_a_negative_direction():
    data, net = gaussian(20, 2, rng=0), MLP((2, 3, 2))
    theta = noisy_saddle(net, data.x, data.y, seed=0)
    point = net.at(theta, data.x, data.y)
    assert np.linalg.norm(point.gradient) < 1e-8
    noise = GradientNoise.of(point).covariance
    sgd = NoisyDescent.of_matrices(point.hessian("total"), noise, samples=20, step_size=0.1)
    assert sgd.escaping.any()
    assert (noisy_directions(sgd) & sgd.escaping).any()


def test_directions_without_noise_are_told_from_rounding():
    noise = np.diag([1.0, 1e-15, 0.0, 1e-9])
    sgd = NoisyDescent.of_matrices(
        np.diag([-4.0, -3.0, -2.0, -1.0]), noise, samples=9, step_size=0.1
    )
    assert noisy_directions(sgd).tolist() == [True, False, False, True]


def test_a_convex_loss_has_no_saddle():
    data, net = gaussian(20, 2, rng=0), MLP((2, 2))
    with pytest.raises(ValueError, match="no saddle was found from 2 starts"):
        noisy_saddle(net, data.x, data.y, seed=0, starts=2)
