"""Permutation alignment: the function stays, hidden permutations are undone, torch models too."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland.landscape.connectivity import align, connect, pair_statistics, unit_groups
from rmtland.landscape.surface import NetworkSurface, TorchSurface
from rmtland.networks import MLP, Activation, digits, train


def scrambled(theta, groups, rng, signs):
    for group in groups:
        turned = rng.choice((-1.0, 1.0), group.size) if signs and group.signs else None
        theta = group.moved(theta, rng.permutation(group.size), turned)
    return theta


@settings(max_examples=30, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    activation=st.sampled_from(["tanh", "relu", "erf", "quadratic", "gelu"]),
    bias=st.booleans(),
    signs=st.booleans(),
    seed=st.integers(0, 99),
)
def test_symmetries_leave_the_function_and_are_undone(hidden, activation, bias, signs, seed):
    rng, net = np.random.default_rng(seed), MLP((3, *hidden, 2), activation, bias)
    theta, x = net.init(rng=seed, bias_scale=0.5), rng.standard_normal((5, 3))
    groups = unit_groups(net)
    assert [group.size for group in groups] == hidden
    other = scrambled(theta, groups, rng, signs)
    np.testing.assert_allclose(net.predict(other, x), net.predict(theta, x), atol=1e-12)
    found = align(theta, other, groups, signs=signs, restarts=20, rng=seed)
    np.testing.assert_allclose(net.predict(found.theta, x), net.predict(theta, x), atol=1e-12)
    assert found.distance <= found.before
    assert found.distance == pytest.approx(np.linalg.norm(found.theta - theta))
    if len(hidden) == 1:  # one assignment, solved exactly
        assert found.distance < 1e-12 * np.linalg.norm(theta) + 1e-13


@pytest.mark.parametrize("activation", ["tanh", "linear", "relu", "quadratic"])
def test_copies_are_undone_without_luck(activation):
    """Descent from the networks as they are, or from random starts, leaves some apart."""
    net = MLP((3, 6, 4, 2), activation, bias=True)
    groups = unit_groups(net)
    for seed in range(20):
        theta = net.init(rng=seed, bias_scale=0.3)
        other = scrambled(theta, groups, np.random.default_rng(seed), True)
        assert align(theta, other, groups, restarts=0, rng=seed).distance < 1e-12


def test_deep_networks_are_aligned_from_noise():
    rng, net = np.random.default_rng(1), MLP((8, 12, 12, 12, 4), bias=True)
    theta, groups = net.init(rng=0), unit_groups(net)
    other = scrambled(theta + 0.02 * rng.standard_normal(theta.size), groups, rng, True)
    found = align(theta, other, groups, rng=0)
    assert found.before > 5.0
    assert found.distance < 0.03 * np.sqrt(theta.size)


def torch_models():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    convolutional = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 3, bias=False),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(12, 5),
        nn.Tanh(),
        nn.Linear(5, 2),
    )
    dense = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 2))
    images, rows = torch.randn(6, 1, 8, 8), torch.randn(6, 3)
    return [(convolutional.double(), images.double()), (dense.double(), rows.double())]


@pytest.mark.parametrize("which", [0, 1])
def test_units_of_torch_models(which):
    torch = pytest.importorskip("torch")
    model, x = torch_models()[which]
    for _, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter)
    y = torch.randint(2, (6,))
    # the statistics of the batch move with the units; those that are kept would not
    surface = TorchSurface(
        model.eval(), torch.nn.CrossEntropyLoss(), (x, y), batch_statistics="batch"
    )
    groups = unit_groups(model)
    assert [(g.size, g.signs) for g in groups] == (
        [(4, False), (3, True), (5, True)] if which == 0 else [(4, True), (5, False)]
    )
    theta, rng = surface.parameters(), np.random.default_rng(0)
    other = scrambled(theta, groups, rng, True)
    assert np.abs(other - theta).max() > 0.1
    assert surface.loss(other) == pytest.approx(surface.loss(theta), rel=1e-10)
    found = align(theta, other, groups, restarts=20, rng=0)
    assert found.distance < 1e-12


def test_what_cannot_be_permuted_is_named():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    with pytest.raises(ValueError, match="a Softmax, is not known"):
        unit_groups(nn.Sequential(nn.Linear(2, 2), nn.Softmax(1), nn.Linear(2, 1)))
    with pytest.raises(ValueError, match="no hidden layer"):
        unit_groups(MLP((2, 2)))
    with pytest.raises(TypeError, match=r"MLP or an nn\.Sequential"):
        unit_groups(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="grouped convolutions"):
        unit_groups(nn.Sequential(nn.Conv2d(2, 2, 1, groups=2), nn.ReLU(), nn.Conv2d(2, 1, 1)))
    for bounds, odd in (((-1.0, 1.0), True), ((0.0, 6.0), False)):
        (group,) = unit_groups(
            nn.Sequential(nn.Linear(2, 2), nn.Hardtanh(*bounds), nn.Linear(2, 1))
        )
        assert group.signs is odd
    groups = unit_groups(MLP((1, 2, 1)))
    with pytest.raises(ValueError, match="4 and 3 parameters"):
        align(np.ones(4), np.ones(3), groups)
    with pytest.raises(ValueError, match="no groups"):
        align(np.ones(4), np.ones(4), ())


@pytest.mark.parametrize("which", ["one activation", "tokens", "flattened norm"])
def test_units_are_moved_wherever_they_stand(which):
    """A module that is used twice, tokens that are flattened, a normalisation behind channels."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    relu = nn.ReLU()
    model, x, sizes = {
        "one activation": (
            nn.Sequential(nn.Linear(3, 9), relu, nn.Linear(9, 8), relu, nn.Linear(8, 2)),
            torch.randn(5, 3),
            [(9, False), (8, False)],
        ),
        "tokens": (
            nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Flatten(), nn.Linear(8, 2)),
            torch.randn(5, 2, 3),
            [(4, True)],
        ),
        "flattened norm": (
            nn.Sequential(
                nn.Conv2d(1, 3, 2), nn.Flatten(), nn.BatchNorm1d(12), nn.Tanh(), nn.Linear(12, 2)
            ),
            torch.randn(5, 1, 3, 3),
            [(3, True)],
        ),
    }[which]
    model.double()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    groups = unit_groups(model)
    assert [(group.size, group.signs) for group in groups] == sizes
    flat = nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
    before = model(x.double()).detach().numpy()
    moved = scrambled(flat, groups, np.random.default_rng(0), True)
    assert np.abs(moved - flat).max() > 0.1
    nn.utils.vector_to_parameters(torch.from_numpy(moved), model.parameters())
    np.testing.assert_allclose(model(x.double()).detach().numpy(), before, atol=1e-12)


def test_layers_whose_units_cannot_be_followed_are_named():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    linear, out, tanh = nn.Linear(4, 4), nn.Linear(4, 2), nn.Tanh()

    class Skip(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    frozen = nn.Linear(4, 4)
    frozen.bias.requires_grad_(False)
    with pytest.raises(TypeError, match=r"from each module to the next; got Skip"):
        unit_groups(Skip(linear, tanh, nn.Linear(4, 4)))
    for layers, message in (
        ((linear, tanh, linear, tanh, out), "one that came before"),
        ((linear, nn.AvgPool2d(1), out), "pools the units"),
        ((nn.Conv2d(1, 4, 1), nn.Flatten(2), out), "where the units stand"),
        ((nn.Conv2d(1, 4, 1), tanh, out), "must be flattened"),
        ((linear, nn.BatchNorm1d(3), out), "takes 3 inputs from 4 units"),
        ((nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), tanh, out), "Parametrized"),
        ((frozen, tanh, out), r"0\.bias is not among the parameters"),
    ):
        with pytest.raises(ValueError, match=message):
            unit_groups(nn.Sequential(*layers))


@pytest.mark.parametrize(
    ("at", "made"),
    [
        ("permuted, lowered", ["linear", "permuted", "permuted, lowered"]),
        ("bezier", ["linear", "permuted", "permuted, lowered", "bezier"]),
        ("string", ["linear", "permuted", "permuted, lowered", "bezier", "string"]),
        ("", ["linear", "permuted", "permuted, lowered", "bezier", "string"]),
    ],
)
def test_ctrl_c_leaves_out_the_paths_that_follow(at, made):
    """The path that it cut short kept it for itself, and the others were made as if whole."""
    net = MLP((2, 3, 1), "relu")
    surface = NetworkSurface.of(net, np.eye(2), np.ones((2, 1)))
    shares = {}

    def stop(name, share):
        shares[name] = share
        if name == at:
            raise KeyboardInterrupt

    found = connect(
        surface,
        *(net.init(rng=seed) for seed in (0, 1)),
        groups=unit_groups(net),
        curve_steps=9,
        string_steps=9,
        points=5,
        swap_trials=200,
        progress=stop,
        rng=0,
    )
    assert list(found.profiles) == made
    assert found.is_whole == (not at)
    assert shares.pop(at, 0.5) < 1.0
    assert set(shares.values()) <= {1.0}


def test_groups_that_are_no_symmetry_are_refused():
    """Statistics that a batch normalisation keeps do not move with its units."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).double()
    x = torch.randn(9, 3, dtype=torch.float64)
    model(x)  # in training: statistics that differ between units
    surface = TorchSurface(model.eval(), nn.MSELoss(), (x, x[:, :2]))
    ends = np.random.default_rng(0).standard_normal((2, surface.size))
    with pytest.raises(ValueError, match="batch_statistics='batch'"):
        connect(surface, *ends, groups=unit_groups(model), curves=())
    surface = TorchSurface(model, nn.MSELoss(), (x, x[:, :2]), batch_statistics="batch")
    assert "permuted" in connect(surface, *ends, groups=unit_groups(model), curves=()).profiles


def test_an_activation_that_borrows_a_name_has_no_signs():
    shifted = Activation("tanh", lambda z: np.tanh(z + 1), lambda z, a: 1 - a * a, None)
    assert not any(group.signs for group in unit_groups(MLP((2, 3, 1), shifted)))


def digit_minima(activation, pairs, hidden=8, samples=120):
    data = digits(samples, size=4, target="one-hot", rng=0)
    net = MLP((16, hidden, 10), activation, loss="cross_entropy", weight_decay=1e-3)
    surface = NetworkSurface.of(net, data.x, data.y)
    ends = [
        [
            train(net, net.init(rng=100 * pair + k), data.x, data.y, gradient_norm=1e-5).theta
            for k in (0, 1)
        ]
        for pair in range(pairs)
    ]
    return net, surface, ends


def test_paths_between_trained_networks():
    net, surface, (ends,) = digit_minima("tanh", 1)
    found = connect(
        surface,
        *ends,
        groups=unit_groups(net),
        curves=("bezier", "polygon", "string"),
        curve_steps=150,
        string_steps=20,
        images=8,
        points=41,
        index_points=2,
        rng=0,
    )
    names = ["linear", "permuted", "permuted, signs", "bezier", "polygon", "string"]
    assert list(found.profiles) == names
    barrier = {name: found.profiles[name].barrier for name in names}
    assert barrier["linear"] > 0.3
    assert barrier["permuted"] < barrier["linear"]
    assert barrier["permuted, signs"] < 0.5 * barrier["linear"]
    assert barrier["bezier"] < 0.5 * barrier["linear"]
    for name in names:
        one = found.profiles[name]
        assert one.losses[0] == pytest.approx(surface.loss(ends[0]), rel=1e-9)
        assert one.losses[-1] == pytest.approx(surface.loss(ends[1]), rel=1e-9)
        assert one.length >= one.straight - 1e-9
        assert len(one.index) == 2
    statistics = {one.name: one for one in pair_statistics([found, found])}
    assert statistics["linear"].ratio == 1.0
    assert statistics["bezier"].standard_error == 0.0
    assert statistics["bezier"].interval == pytest.approx((barrier["bezier"],) * 2)
    with pytest.raises(ValueError, match="no pairs"):
        pair_statistics([])
    with pytest.raises(ValueError, match="unknown curves"):
        connect(surface, *ends, curves=("spline",))
    with pytest.raises(ValueError, match="swap_trials=5 takes the units to exchange: give groups"):
        connect(surface, *ends, curves=(), swap_trials=5)
    with pytest.raises(ValueError, match="must have"):
        connect(surface, ends[0][:3], ends[1])


@pytest.mark.slow
def test_barriers_over_pairs_of_trained_networks():
    """Targets: permuted .35 of the straight barrier, with signs .15, Bezier .10, string below."""
    net, surface, pairs = digit_minima("tanh", 2, hidden=16, samples=300)
    connections = [
        connect(surface, *ends, groups=unit_groups(net), curve_steps=600, string_steps=20, rng=i)
        for i, ends in enumerate(pairs)
    ]
    ratio = {one.name: one.ratio for one in pair_statistics(connections)}
    assert ratio["permuted"] < 0.35
    assert ratio["permuted, signs"] < 0.15
    assert ratio["bezier"] < 0.10
    for one in connections:
        assert one.relaxed.profile.barrier <= one.profiles["bezier"].barrier + 2e-3


@pytest.mark.slow
def test_barriers_between_trained_convolutional_networks():
    """Channels are permuted with all their filters; the flattened ones behind them too."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    data = digits(100, target="one-hot", rng=0)
    x = torch.from_numpy(data.x.reshape(-1, 1, 8, 8).copy())
    y = torch.from_numpy(data.y.argmax(axis=1))

    def trained(seed):
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 6, 3),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(24, 10),
        ).double()
        rule = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=1e-3)
        for _ in range(150):
            rule.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            rule.step()
        return model

    found = []
    for pair in range(2):
        models = [trained(2 * pair + k) for k in (0, 1)]
        surfaces = [TorchSurface(model, nn.CrossEntropyLoss(), (x, y)) for model in models]
        found.append(
            connect(
                surfaces[0],
                *(surface.parameters() for surface in surfaces),
                groups=unit_groups(models[0]),
                curve_steps=120,
                string_steps=5,
                images=8,
                points=21,
                rng=pair,
            )
        )
    statistics = {one.name: one for one in pair_statistics(found)}
    assert min(statistics["linear"].barriers) > 0.5
    assert statistics["permuted"].ratio < 0.5
    assert statistics["permuted, signs"].ratio < 0.25
    assert statistics["bezier"].ratio < 0.05
    assert statistics["string"].ratio <= statistics["bezier"].ratio + 1e-3
