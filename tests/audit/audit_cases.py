"""Points of networks that the tests of the audit share."""

import numpy as np

from rmtland.networks import MLP, digits, gaussian


def independent(width=6, samples=24, activation="relu", seed=0, energy=0.5, outputs=None):
    """Gaussian data, initial weights, residuals iid Gaussian: all that the theory assumes."""
    rng = np.random.default_rng(seed)
    net = MLP((width, width, outputs or width), activation=activation)
    x, theta = rng.normal(size=(samples, width)), net.init(rng=seed + 1)
    noise = rng.normal(size=(samples, net.n_out)) * np.sqrt(2 * energy)
    return net.at(theta, x, net.predict(theta, x) - noise)


def memorising(width=8, samples=64, activation="tanh"):
    """Gaussian data and targets, residuals as they come."""
    data = gaussian(samples, width, rng=0)
    net = MLP((width, width, width), activation=activation)
    return net.at(net.init(rng=1), data.x, data.y)


def autoencoder(width=6, samples=60, activation="tanh"):
    """Digits to be reproduced: residuals are made of the inputs."""
    data = digits(samples, size=4, whiten=True, rng=0)
    net = MLP((16, width, 16), activation=activation)
    return net.at(net.init(rng=1), data.x, data.y)
