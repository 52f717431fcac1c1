"""A torch model as a surface: equal to rmtland's own network, and the model stays as it is."""

import numpy as np
import pytest

from rmtland.estimate import extremal_eigenpairs
from rmtland.landscape.surface import NetworkSurface, TorchSurface
from rmtland.networks import MLP

torch = pytest.importorskip("torch")


def mlp_pair():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    model = model.double()
    x, y = torch.randn(9, 3, dtype=torch.float64), torch.randint(2, (9,))
    net, theta = MLP.from_torch(model, loss="cross_entropy")
    return model, (x, y), NetworkSurface.of(net, x.numpy(), y.numpy()), theta


@pytest.mark.parametrize("batching", ["auto", "own", "vmap", "loop"])
def test_it_agrees_with_the_same_network_of_rmtland(batching):
    model, data, own, theta = mlp_pair()
    surface = TorchSurface(model, torch.nn.CrossEntropyLoss(), data, batching=batching)
    assert [block.shape for block in surface.blocks] == [block.shape for block in own.blocks]
    np.testing.assert_array_equal(surface.parameters(), theta)
    rng = np.random.default_rng(1)
    thetas = rng.standard_normal((20, own.size))
    for _ in range(2):  # "auto" has chosen after the first
        np.testing.assert_allclose(surface.losses(thetas), own.losses(thetas), rtol=1e-12)
    loss, gradient = surface.value(thetas[0])
    assert loss == pytest.approx(own.loss(thetas[0]), rel=1e-13)
    np.testing.assert_allclose(gradient, own.gradient(thetas[0]), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(
        surface.hessian(thetas[0]), own.hessian(thetas[0]), rtol=1e-9, atol=1e-13
    )
    points = rng.standard_normal((5, 2))
    np.testing.assert_allclose(
        surface.plane_losses(thetas[0], thetas[1:3], points),
        own.plane_losses(thetas[0], thetas[1:3], points),
        rtol=1e-11,
    )
    np.testing.assert_array_equal(surface.parameters(), theta)


def test_a_moved_operator_and_its_submatrix_are_those_of_a_moved_model():
    model, data, own, theta = mlp_pair()
    surface = TorchSurface(model, torch.nn.CrossEntropyLoss(), data)
    moved = theta + 0.3
    part = surface.at(moved).submatrix("2.weight")
    place = surface.blocks[2].slice
    np.testing.assert_allclose(
        part @ np.eye(8), own.hessian(moved)[place, place], rtol=1e-9, atol=1e-13
    )
    with pytest.raises(ValueError, match="26 entries"):
        surface.at(moved).at(moved[:3])


def test_batches_are_summed():
    model, (x, y), own, theta = mlp_pair()
    surface = TorchSurface(model, torch.nn.CrossEntropyLoss(), (x, y), batch_size=4)
    thetas = theta + np.arange(3.0)[:, None]
    np.testing.assert_allclose(surface.losses(thetas), own.losses(thetas), rtol=1e-12)


def test_batch_statistics_kept_or_measured_at_each_point():
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh(), torch.nn.Linear(4, 1)
    ).double()
    x, y = torch.randn(9, 3, dtype=torch.float64), torch.randn(9, 1, dtype=torch.float64)
    model.eval()
    loss = torch.nn.MSELoss()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    kept = TorchSurface(model, loss, (x, y))
    measured = TorchSurface(model, loss, (x, y), batch_statistics="batch")
    thetas = kept.parameters() + 0.1 * np.random.default_rng(0).standard_normal((18, kept.size))
    for surface, training in ((kept, False), (measured, True)):
        found, again = surface.losses(thetas), surface.losses(thetas)
        np.testing.assert_allclose(found, again, rtol=1e-12)
        moved = torch.nn.Sequential(*model)
        torch.nn.utils.vector_to_parameters(torch.from_numpy(thetas[3].copy()), model.parameters())
        moved.train(training)
        expected = float(loss(moved(x), y).detach())
        model.load_state_dict(state)
        model.eval()
        assert found[3] == pytest.approx(expected, rel=1e-12)
        assert surface.loss(thetas[3]) == pytest.approx(expected, rel=1e-12)
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert model[1].track_running_stats
    with pytest.raises(ValueError, match="one batch"):
        TorchSurface(model, loss, (x, y), batch_statistics="batch", batch_size=3)


@pytest.mark.parametrize("statistics", ["kept", "batch"])
def test_the_operator_of_a_model_in_single_precision_is_symmetric_for_it(statistics):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh(), torch.nn.Linear(4, 1)
    ).eval()
    x, y = torch.randn(9, 3), torch.randn(9, 1)
    surface = TorchSurface(model, torch.nn.MSELoss(), (x, y), batch_statistics=statistics)
    theta = surface.parameters()
    operator = surface.operator(theta)
    assert operator.dtype == np.float32
    found = extremal_eigenpairs(operator, 1, which="largest", tol=1e-3, rng=0).values[0]
    assert found == pytest.approx(np.linalg.eigvalsh(surface.hessian(theta))[-1], rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["MSELoss", "BCEWithLogitsLoss", "CrossEntropyLoss"])
def test_models_that_are_networks_of_rmtland_are_evaluated_as_such(name, dtype):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    model = model.to(dtype)
    x, y = torch.randn(9, 3, dtype=dtype), torch.rand(9, 2, dtype=dtype)
    y = torch.randint(2, (9,)) if name == "CrossEntropyLoss" else y
    loss = getattr(torch.nn, name)()
    own, plain = (TorchSurface(model, loss, (x, y), batching=b) for b in ("own", "loop"))
    rng = np.random.default_rng(0)
    thetas, points = rng.standard_normal((5, own.size)), rng.standard_normal((7, 2))
    accuracy = 1e-12 if dtype == torch.float64 else 1e-5
    np.testing.assert_allclose(own.losses(thetas), plain.losses(thetas), rtol=accuracy)
    np.testing.assert_allclose(
        own.plane_losses(thetas[0], thetas[1:3], points),
        plain.plane_losses(thetas[0], thetas[1:3], points),
        rtol=accuracy,
    )


def test_models_that_only_look_like_networks_are_not():
    torch.manual_seed(0)

    class Linear(torch.nn.Linear):  # the name of what it is not
        def forward(self, x):
            return super().forward(x) + 1.0

    nn, loss = torch.nn, torch.nn.MSELoss()
    x, y = torch.randn(9, 3).double(), torch.randn(9, 2).double()
    posing = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), Linear(4, 2)).double()
    hooked = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    hooked[0].register_forward_hook(lambda module, inputs, output: 2.0 * output)
    other = nn.Sequential(nn.Linear(3, 4), nn.Softsign(), nn.Linear(4, 2)).double()
    for model in (posing, hooked, other):
        auto, loop = (TorchSurface(model, loss, (x, y), batching=b) for b in ("auto", "loop"))
        thetas = auto.parameters() + np.zeros((3, 1))
        np.testing.assert_allclose(auto.losses(thetas), loop.losses(thetas), rtol=1e-12)
        with pytest.raises(ValueError, match="own"):
            TorchSurface(model, loss, (x, y), batching="own").losses(thetas)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    for options in ({"parameters": "0.weight"}, {"batch_size": 4}):
        with pytest.raises(ValueError, match="batching='own' is for"):
            TorchSurface(model, loss, (x, y), batching="own", **options)
    with pytest.raises(ValueError, match="batching='own' is for"):
        TorchSurface(model, nn.MSELoss(reduction="sum"), (x, y), batching="own")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_small_changes_of_a_network_or_loss_are_seen_in_either_precision(dtype):
    """By a per cent of a small loss: less than rounding that single precision must allow."""
    torch.manual_seed(0)
    nn = torch.nn
    scaled = {
        kind.__name__: type(
            kind.__name__, (kind,), {"forward": lambda self, *a, k=kind: 1.01 * k.forward(self, *a)}
        )
        for kind in (nn.Sequential, nn.Linear, nn.Tanh, nn.MSELoss)
    }
    x, y = torch.randn(9, 3, dtype=dtype), 1e-3 * torch.randn(9, 2, dtype=dtype)

    def network(**own):
        kinds = {"Sequential": nn.Sequential, "Linear": nn.Linear, "Tanh": nn.Tanh} | own
        last = nn.Linear(4, 2)
        return kinds["Sequential"](kinds["Linear"](3, 4), kinds["Tanh"](), last).to(dtype)

    by_hand = network()
    by_hand[0].forward = lambda z: 1.01 * nn.functional.linear(z, by_hand[0].weight)
    hooked = nn.MSELoss()
    hooked.register_forward_hook(lambda module, given, found: 1.01 * found)
    late = nn.Sequential(nn.Linear(3, 4), nn.Softplus(threshold=1.0), nn.Linear(4, 2)).to(dtype)
    cases = [(network(**{name: scaled[name]}), nn.MSELoss()) for name in ("Linear", "Tanh")]
    cases += [(network(Sequential=scaled["Sequential"]), nn.MSELoss()), (by_hand, nn.MSELoss())]
    cases += [(network(), scaled["MSELoss"]()), (network(), hooked), (late, nn.MSELoss())]
    for model, loss in cases:
        with pytest.raises(ValueError, match="batching='own' is for"):
            TorchSurface(model, loss, (x, y), batching="own")
        assert TorchSurface(model, loss, (x, y)).perceptron is None
    labels = torch.randint(2, (9,))
    loss = nn.CrossEntropyLoss(ignore_index=0)
    assert TorchSurface(network(), loss, (x, labels)).perceptron is None
