"""PyTorch models linearised: equal to rmtland's own network, batches and parameters by name."""

import numpy as np
import pytest

from rmtland.landscape.linearisation import linearise, linearise_torch
from rmtland.networks import MLP

torch = pytest.importorskip("torch")


def pair():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    model = model.double()
    x, y = torch.randn(9, 3, dtype=torch.float64), torch.randn(9, 2, dtype=torch.float64)
    net, theta = MLP.from_torch(model)
    return model, (x, y), linearise(net.at(theta, x.numpy(), y.numpy()))


@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_torch_model_has_the_linearisation_of_the_same_network(batch_size):
    model, data, own = pair()
    found = linearise_torch(model, data, batch_size=batch_size)
    np.testing.assert_allclose(found.jacobian, own.jacobian, atol=1e-13)
    np.testing.assert_allclose(found.residuals, own.residuals, atol=1e-13)
    assert found.samples == 9
    np.testing.assert_allclose(found.gauss_newton().step, own.gauss_newton().step, atol=1e-9)


def test_some_parameters_alone():
    model, data, own = pair()
    found = linearise_torch(model, data, parameters="2.*")
    np.testing.assert_allclose(found.jacobian, own.jacobian[:, 16:], atol=1e-13)


def test_targets_of_another_shape_are_refused():
    model, (x, y), _ = pair()
    with pytest.raises(ValueError, match=r"shape"):
        linearise_torch(model, (x, y[:, :1]))
