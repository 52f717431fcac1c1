"""Fully connected PyTorch networks read as MLP: the same loss, gradient and Hessian."""

import numpy as np
import pytest

from rmtland.adapters import from_torch
from rmtland.networks import MLP

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'rmtland[torch]'")
nn = torch.nn

ACTIVATIONS = [nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.Sigmoid, nn.Softplus, nn.GELU, nn.SiLU]
LOSSES = {
    "cross_entropy": nn.CrossEntropyLoss(),
    "mse": nn.MSELoss(),
    "logistic": nn.BCEWithLogitsLoss(),
}
X = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(6, 4).sin() * 2


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("loss", "bias"), [("cross_entropy", True), ("mse", False), ("logistic", True)]
)
def test_same_loss_gradient_and_hessian(activation, loss, bias):
    torch.manual_seed(0)
    hidden = nn.Sequential(nn.Linear(5, 4, bias=bias), activation(), nn.Dropout(0.5))
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(4, 5, bias=bias), activation(), hidden, nn.Linear(4, 3, bias=bias)
    )
    model.double().eval()
    net, theta = MLP.from_torch(model, loss=loss)
    assert net.widths == (4, 5, 4, 3)
    y = torch.arange(6) % 3 if loss == "cross_entropy" else (X[:, :3] > 0).double()
    factor = {"cross_entropy": 1.0, "mse": 2 / 3, "logistic": 1 / 3}[loss]
    point, operator = net.at(theta, X.numpy(), y.numpy()), from_torch(model, LOSSES[loss], (X, y))
    assert np.array_equal(operator.parameters(), theta)
    assert operator.loss() == pytest.approx(factor * point.loss, rel=1e-13)
    assert abs(operator.gradient() - factor * point.gradient).max() < 1e-14
    hessian = operator.matmat(np.eye(len(theta)))
    assert abs(hessian - factor * point.hessian("total")).max() < 1e-14


def test_a_linear_network():
    net, theta = MLP.from_torch(nn.Sequential(nn.Linear(2, 3), nn.Identity(), nn.Linear(3, 1)))
    assert (net.activation, net.bias, len(theta)) == ("linear", True, 13)
    net, _ = MLP.from_torch(nn.Linear(2, 3, bias=False))
    assert (net.widths, net.bias) == ((2, 3), False)


def test_what_is_no_mlp():
    tied = nn.Linear(2, 2)
    for layers, message in (
        ([nn.Conv2d(1, 1, 3)], "got Conv2d: use rmtland.adapters.from_torch"),
        ([nn.Linear(2, 2), nn.Tanh()], "last layer of an MLP is linear"),
        ([nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)], "one activat"),
        ([nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2, bias=False)], "every layer or in none"),
        ([tied, nn.Tanh(), tied], "tied weights"),
        ([nn.Linear(2, 2), nn.LeakyReLU(0.2), nn.Linear(2, 2)], "negative_slope=0.2"),
        ([nn.Linear(2, 2), nn.Dropout(0.5), nn.Linear(2, 2)], "got Dropout"),
        ([nn.Flatten()], "no Linear layer"),
    ):
        with pytest.raises(ValueError, match=message):
            MLP.from_torch(nn.Sequential(*layers))


def test_layers_that_only_bear_the_name_are_refused():
    nn = torch.nn
    posing = type("Linear", (nn.Linear,), {"forward": lambda self, x: -nn.Linear.forward(self, x)})
    hooked = nn.Linear(3, 2)
    hooked.register_forward_hook(lambda layer, given, found: 2.0 * found)
    for layer in (posing(3, 2), hooked):
        with pytest.raises(ValueError, match="this Linear is not PyTorch's own"):
            MLP.from_torch(nn.Sequential(layer))
    with pytest.raises(ValueError, match="threshold"):
        MLP.from_torch(nn.Sequential(nn.Linear(3, 2), nn.Softplus(threshold=1), nn.Linear(2, 1)))
