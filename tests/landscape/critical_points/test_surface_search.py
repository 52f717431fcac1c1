"""Critical points of PyTorch models, beside those of the same network as an MLP."""

import numpy as np
import pytest

from rmtland.landscape import find_critical_points
from rmtland.landscape.critical_points import (
    CappedNewton,
    LevenbergMarquardt,
    NetworkSurface,
    SymmetryType,
    TrustRegionNewton,
    trained_start,
)
from rmtland.landscape.critical_points.surface_point import DecayedSurface
from rmtland.landscape.surface import FunctionSurface, TorchSurface
from rmtland.networks import MLP

torch = pytest.importorskip("torch")

NET = MLP((2, 3, 2), weight_decay=0.02)


def mean_squares(outputs, targets):
    """Half the squared error, summed over outputs: the loss of MLP."""
    return 0.5 * ((outputs - targets) ** 2).sum(1).mean()


@pytest.fixture(scope="module")
def both():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((9, 2)), rng.standard_normal((9, 2))
    model = torch.nn.Sequential(
        torch.nn.Linear(2, 3, bias=False), torch.nn.Tanh(), torch.nn.Linear(3, 2, bias=False)
    ).double()
    data = torch.from_numpy(x), torch.from_numpy(y)
    return TorchSurface(model, mean_squares, data, reduction="mean"), x, y


def test_value_gradient_and_hessian_are_those_of_the_network(both):
    surface, x, y = both
    before = surface.parameters()
    theta = np.random.default_rng(2).standard_normal(12)
    mine, theirs = DecayedSurface(surface, 0.02), NetworkSurface(NET.at(theta, x, y))
    (value, gradient), (exact, slope) = mine.value(theta), theirs.value(theta)
    assert value == pytest.approx(exact, rel=1e-14)
    np.testing.assert_allclose(gradient, slope, atol=1e-14)
    np.testing.assert_allclose(mine.hessian(theta), theirs.hessian(theta), atol=1e-14)
    vector = np.arange(12.0)
    np.testing.assert_allclose(mine.product(theta, vector), theirs.hessian(theta) @ vector)
    np.testing.assert_array_equal(surface.parameters(), before)


@pytest.mark.parametrize("finder", [CappedNewton(), LevenbergMarquardt(), TrustRegionNewton()])
def test_points_are_those_of_the_network(both, finder):
    surface, x, y = both
    starts = np.random.default_rng(3).standard_normal((3, 12))
    options = {"finder": finder, "starts": starts, "spectrum": True}
    found = find_critical_points(surface, weight_decay=0.02, **options)
    expected = find_critical_points(NET, x, y, prove=False, **options)
    assert found.counts == expected.counts
    for one, other in zip(found, expected, strict=True):
        assert (one.index, one.status) == (other.index, other.status)
        assert one.energy == pytest.approx(2 * other.energy, rel=1e-9)  # not an output
        np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, atol=1e-7)
    assert found.counts["critical"] >= 1


def test_starts_are_drawn_of_the_size_of_the_parameters(both):
    surface, _, _ = both
    drawn = np.array([trained_start(surface, rng=k, max_steps=1) for k in range(60)])
    for block in surface.blocks:
        size = np.sqrt(np.mean(surface.parameters()[block.slice] ** 2))
        assert np.sqrt(np.mean(drawn[:, block.slice] ** 2)) == pytest.approx(size, rel=0.3)
    few = LevenbergMarquardt(max_steps=2)
    first, again = (find_critical_points(surface, finder=few, starts=1, rng=5) for _ in range(2))
    np.testing.assert_array_equal(first[0].theta, again[0].theta)


def test_null_directions_of_a_model_are_unexplained():
    model = torch.nn.Linear(2, 1, bias=False).double()
    data = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[1.0]]).double()
    surface = TorchSurface(model, torch.nn.MSELoss(), data)
    (point,) = find_critical_points(surface, finder=LevenbergMarquardt(), starts=1, rng=0)
    assert (point.status, point.null_directions) == ("critical", (0, 0, 0, 1))


@pytest.mark.parametrize("unit", [2.0**-30, 1.0, 2.0**30])
@pytest.mark.parametrize("constant", [0.0, 1.0, -1.0, 1e3])
def test_a_toy_of_two_parameters(constant, unit):
    """x^3/3 - x + x y^2: a minimum, a maximum, two saddles, in any unit and from any zero."""
    toy = FunctionSurface(
        2,
        lambda t: (
            unit * (t[0] ** 3 / 3 - t[0] + t[0] * t[1] ** 2 + constant),
            unit * np.array([t[0] ** 2 - 1 + t[1] ** 2, 2 * t[0] * t[1]]),
        ),
        lambda t: unit * 2 * np.array([[t[0], t[1]], [t[1], t[0]]]),
    )
    starts = [[0.9, 0.2], [-1.1, 0.1], [0.1, 0.8], [0.2, -1.2]]
    finder = CappedNewton(tolerance=1e-24 * unit**2)
    found = find_critical_points(toy, finder=finder, starts=starts)
    assert found.counts["critical"] == 4
    assert [point.index for point in found] == [0, 2, 1, 1]
    energies = unit * (np.array([-2 / 3, 2 / 3, 0.0, 0.0]) + constant)
    np.testing.assert_allclose(found.energies, energies, rtol=1e-14, atol=1e-12 * unit)
    away = find_critical_points(toy, finder=CappedNewton(max_steps=1), starts=starts)
    assert away.counts["unfinished"] == 4
    with pytest.raises(TypeError, match="give the starts"):
        find_critical_points(toy, starts=1)


def test_what_is_not_done_with_surfaces_is_refused(both):
    surface, x, y = both
    refused = [
        ({"x": x, "y": y}, "has its data"),
        ({"prove": True}, "nothing is proved"),
        ({"store": "s.db"}, "store"),
        ({"finder": SymmetryType()}, "SymmetryType"),
        ({"starts": np.ones((1, 3))}, "shape"),
        ({"weight_decay": -1.0}, "weight_decay"),
    ]
    for options, message in refused:
        with pytest.raises(ValueError, match=message):
            find_critical_points(surface, **{"starts": 1, **options})
    with pytest.raises(TypeError, match="TorchSurface"):
        find_critical_points(np.eye(3))
    with pytest.raises(TypeError, match="x and y"):
        find_critical_points(NET)
    single = TorchSurface(
        torch.nn.Linear(2, 2), torch.nn.MSELoss(), (torch.ones(1, 2), torch.ones(1, 2))
    )
    with pytest.raises(ValueError, match="double precision"):
        find_critical_points(single, starts=1)


def test_starts_that_are_no_real_numbers_are_refused():
    net = MLP((1, 1))
    for starts in (np.ones((1, 1)) * 1j, np.array([["a"]])):
        with pytest.raises(TypeError, match="starts must be real numbers"):
            find_critical_points(net, [[1.0]], [[1.0]], starts=starts)
