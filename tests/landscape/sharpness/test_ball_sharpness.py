"""The rise of the loss in a ball: known answers, bounds that hold, symmetries."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland.landscape.sharpness import (
    ScaledSurface,
    UnboundedDerivatives,
    adaptive_scales,
    ball,
    ball_sharpness,
    derivative_bounds,
)
from rmtland.landscape.sharpness.derivative_bounds import SLOPES
from rmtland.landscape.sharpness.output_expansion import _curves
from rmtland.landscape.sharpness.trust_region import quadratic_maximiser, quadratic_maximum
from rmtland.landscape.surface import FunctionSurface, NetworkSurface, TorchSurface
from rmtland.models.conditioned.given_residuals import with_residuals
from rmtland.networks import ACTIVATIONS, MLP, Activation, digits, train


def quadratic(values, slope):
    values, slope = np.asarray(values, float), np.asarray(slope, float)
    return FunctionSurface(
        len(values),
        lambda t: (float(slope @ t + 0.5 * t @ (values * t)), slope + values * t),
        lambda t: np.diag(values),
    )


def trained_toy(activation="tanh", loss="mse", decay=1e-2, seed=0):
    rng = np.random.default_rng(seed)
    net = MLP((3, 4, 2), activation, True, loss=loss, weight_decay=decay)
    y = rng.standard_normal((9, 2)) if loss == "mse" else np.eye(2)[rng.integers(2, size=9)]
    surface = NetworkSurface.of(net, rng.standard_normal((9, 3)), y)
    return surface, 0.5 * net.init(rng=seed)


@pytest.mark.parametrize(
    ("values", "slope", "rho", "exact"),
    [
        ([2.0, 5.0], [0.0, 0.0], 0.3, 2.5 * 0.09),
        ([0.0, 0.0], [3.0, 4.0], 2.0, 10.0),
        ([-1.0, -1.0], [0.0, 0.0], 1.0, 0.0),  # a maximum
        ([-2.0, -3.0], [2.0, 0.0], 4.0, 1.0),  # the best point lies inside: e = 1
        ([1.0, 3.0], [1.0, 0.0], 1.0, 1.75),  # the hard case: e = (1/2, sqrt(3)/2)
        ([1.0, 3.0], [4.0, 0.0], 1.0, 4.5),  # e = (1, 0)
    ],
)
def test_quadratic_functions_are_exact(values, slope, rho, exact):
    found = ball_sharpness(quadratic(values, slope), np.zeros(2), rho, steps=400, rng=0)
    assert found.lower == pytest.approx(exact, rel=1e-6, abs=1e-12)
    assert found.taylor == pytest.approx(exact, rel=1e-9, abs=1e-9)
    assert found.upper is None
    assert "FunctionSurface" in found.why_no_upper
    assert found.half_rho_squared_lambda_max == pytest.approx(rho**2 * max(values) / 2)


@pytest.mark.parametrize(("rho", "scale"), [(1.0, 1e-6), (1e3, 1e-6), (1e8, 1.0)])
def test_a_maximum_inside_a_large_ball_is_found_from_the_centre(rho, scale):
    """Far out on the sphere the loss is so low that no ascent from there comes back in 60 steps."""
    values = -np.geomspace(3.0, 0.01, 20)
    slope = scale * np.random.default_rng(0).standard_normal(20)
    exact = float((slope**2 / -values).sum()) / 2
    found = ball_sharpness(quadratic(values, slope), np.zeros(20), rho, rng=0)
    assert found.lower == pytest.approx(exact, rel=1e-9)
    assert found.taylor == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(("rho", "scale"), [(1.0, 1e-6), (1e3, 1e-3), (1e8, 1.0), (3e4, 1.0)])
def test_a_maximum_is_found_without_the_hessian_too(monkeypatch, rho, scale):
    """Curvatures of 3 to 3e-4, up which 60 steps along gradients come a tenth of the way."""
    monkeypatch.setattr(ball, "EXACT_SIZE", 100)
    values = -np.geomspace(3.0, 3e-4, 101)
    slope = scale * np.random.default_rng(0).standard_normal(101)
    found = ball_sharpness(quadratic(values, slope), np.zeros(101), rho, rng=0)
    assert found.taylor is None
    assert found.lower == pytest.approx(float((slope**2 / -values).sum()) / 2, rel=1e-9)
    assert np.linalg.norm(found.displacement) <= rho


@pytest.mark.parametrize(("limit", "share"), [(2500, 1 - 1e-9), (10, 0.5)])
def test_a_share_of_the_rise_is_found_where_the_maximum_lies_outside(monkeypatch, limit, share):
    """All by eigenvectors, half by conjugate gradients for concave functions (Yuan 2000)."""
    monkeypatch.setattr(ball, "EXACT_SIZE", limit)
    values, rng = -np.geomspace(3.0, 3e-8, 200), np.random.default_rng(0)
    slope = 1e-3 * rng.standard_normal(200)
    found = ball_sharpness(quadratic(values, slope), np.zeros(200), 30.0, rng=0)
    highest = quadratic_maximum(slope, values, 30.0)
    assert share * highest <= found.lower <= highest * (1 + 1e-9)
    assert np.linalg.norm(found.displacement) <= 30.0 * (1 + 1e-12)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(-3, 3), min_size=1, max_size=5),
    radius=st.floats(1e-3, 10.0),
    seed=st.integers(0, 99),
    hard=st.booleans(),
)
def test_the_maximum_of_a_quadratic_is_neither_passed_nor_missed(values, radius, seed, hard):
    rng, values = np.random.default_rng(seed), np.array(values)
    slope = rng.standard_normal(len(values))
    if hard:
        slope[values == values.max()] = 0.0
    bound = quadratic_maximum(slope, values, radius)
    points = rng.standard_normal((400, len(values)))
    points *= radius / np.linalg.norm(points, axis=1, keepdims=True)
    rises = points @ slope + 0.5 * (points**2) @ values
    assert rises.max() <= bound * (1 + 1e-9) + 1e-12
    found = ball_sharpness(
        quadratic(values, slope), np.zeros(len(values)), radius, steps=300, restarts=12, rng=seed
    )
    assert found.lower <= bound * (1 + 1e-9) + 1e-12
    assert found.lower >= bound * (1 - 1e-8) - 1e-12
    coarse = ball_sharpness(
        quadratic(values, slope), np.zeros(len(values)), radius, steps=1, restarts=0, rng=seed
    )
    assert coarse.lower >= bound * (1 - 1e-8) - 1e-12


@pytest.mark.parametrize("name", sorted(SLOPES))
def test_bounds_of_activations_hold(name):
    f = ACTIVATIONS[name]
    z = np.linspace(-12.0, 12.0, 240001)
    a = f.value(z)
    slope = f.slope(z, a)
    first, second, third = SLOPES[name]
    assert first >= np.abs(slope).max() >= 0.999 * first
    if np.isinf(second):
        return
    curved = np.zeros_like(z) if f.curvature is None else f.curvature(z, a)
    peak = z[np.abs(curved).argmax()] + np.linspace(-1e-4, 1e-4, 2001)
    finer = np.zeros(1) if f.curvature is None else f.curvature(peak, f.value(peak))
    assert second * (1 + 1e-15) >= np.abs(finer).max()
    bent = np.gradient(curved, z)
    assert second >= np.abs(curved).max() >= 0.99 * second
    assert third * (1 + 1e-6) >= np.abs(bent).max() >= 0.99 * third


@settings(max_examples=25, deadline=None)
@given(
    activation=st.sampled_from(sorted(SLOPES)),
    loss=st.sampled_from(["mse", "cross_entropy", "logistic"]),
    decay=st.sampled_from([0.0, 0.1]),
    radius=st.floats(1e-3, 1.0),
    seed=st.integers(0, 9),
)
def test_no_point_of_the_ball_passes_the_certified_bounds(activation, loss, decay, radius, seed):
    surface, theta = trained_toy(activation, loss, decay, seed)
    found = ball_sharpness(surface, theta, radius, restarts=2, steps=30, rng=seed)
    assert found.lower <= found.upper + found.rounding
    assert found.lower >= found.sam - found.rounding
    bounds = derivative_bounds(surface.point.at(theta), radius)
    rng = np.random.default_rng(seed)
    line = rng.standard_normal(surface.size)
    line *= radius / np.linalg.norm(line)
    t = np.linspace(-1.0, 1.0, 41)
    values = surface.plane_losses(theta, line[None], t[:, None])
    assert values.max() - surface.loss(theta) <= bounds.rise * (1 + 1e-12)
    if np.isfinite(bounds.third):
        third = np.diff(values, 3) / (t[1] - t[0]) ** 3
        assert np.abs(third).max() <= bounds.third * radius**3 + 1e-8


@settings(max_examples=15, deadline=None)
@given(
    activation=st.sampled_from(["tanh", "sigmoid", "gelu", "sine", "linear"]),
    loss=st.sampled_from(["mse", "cross_entropy", "logistic"]),
    hidden=st.sampled_from([(), (3,), (3, 2)]),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_no_direction_bends_more_than_the_bound(activation, loss, hidden, bias, seed):
    """Third derivatives climbed to their largest, at points of the ball; every sample counts."""
    rng, radius = np.random.default_rng(seed), 0.05
    net = MLP((2, *hidden, 2), activation, bias, loss=loss)
    y = rng.random((4, 2)) if loss != "cross_entropy" else np.eye(2)[[0, 1, 1, 0]]
    surface = NetworkSurface.of(net, 2.0 * rng.standard_normal((4, 2)), y)
    theta = rng.choice([0.3, 2.0]) * net.init(rng=seed, bias_scale=0.5)
    bound, largest, t = derivative_bounds(surface.point.at(theta), radius).third, 0.0, 0.02
    for _ in range(3):
        u = rng.standard_normal(surface.size)
        u /= np.linalg.norm(u)
        middle = theta + (radius - 2 * t) * u * rng.choice([-1.0, 0.0, 1.0])
        for _ in range(12):  # ascent of T(u, u, u) by u <- T(u, u, .)
            ends = [surface.hessian(middle + s * t * u) @ u for s in (1, -1)]
            slope = (ends[0] - ends[1]) / (2 * t)
            largest = max(largest, abs(float(slope @ u)))
            size = float(np.linalg.norm(slope))
            if size < 1e-9:
                break
            u = slope / size
    assert largest <= bound * 1.02 + 1e-9


@pytest.mark.parametrize("scale", [300.0, 1000.0, 2e4])
def test_a_fitted_sample_whose_share_underflows_can_be_lost_in_the_ball(scale):
    """The margin 2 scale: exp of it is 0 in floating point, yet the ball reaches beyond it."""
    net = MLP((1, 2), "linear", loss="cross_entropy")
    surface = NetworkSurface.of(net, np.array([[scale]]), np.array([0]))
    found = ball_sharpness(surface, np.array([1.0, -1.0]), 1.5, rng=0)
    exact = (1.5 * np.sqrt(2.0) - 2.0) * scale  # the loss is minus the margin there
    assert found.lower == pytest.approx(exact, rel=1e-9)
    assert found.upper is not None
    assert found.upper >= exact


def test_bounds_are_not_0_because_squares_underflow():
    net = MLP((1, 1), "linear", False)
    surface = NetworkSurface.of(net, np.array([[1e-170]]), np.array([[0.0]]))
    found = ball_sharpness(surface, np.array([1e90]), 1e90, rng=0)
    assert found.upper is not None
    assert found.upper >= 1.5e-160 * (1.0 - 1e-9)  # from 1e-160/2 to (2e-80)^2/2
    fitted = NetworkSurface.of(
        MLP((1, 1), "linear", True, loss="logistic"), np.ones((1, 1)), np.ones((1, 1))
    )
    point = fitted.point.at(np.array([500.0, 0.0]))
    third = derivative_bounds(point, 1e-3).third  # exp(-500) 2^(3/2) and a little more
    assert np.exp(-500.0) * 2.0**1.5 <= third <= 1e-200


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "logistic"])
@pytest.mark.parametrize("adaptive", [False, True])
def test_larger_balls_are_bounded_by_the_outputs(loss, adaptive):
    """An expansion of the outputs leaves far less than the third derivative of the loss."""
    x = np.random.default_rng(0).standard_normal((60, 4))
    y = np.eye(3)[x[:, :3].argmax(axis=1)]
    net = MLP((4, 6, 3), "tanh", True, loss=loss, weight_decay=1e-2)
    theta = train(net, net.init(rng=0), x, y, gradient_norm=1e-6).theta
    surface = NetworkSurface.of(net, x, y)
    center = theta
    if adaptive:
        surface = ScaledSurface(surface, theta, adaptive_scales(surface, theta))
        center = np.zeros(len(theta))
    for radius, closer in ((0.01, 1.0), (0.1, 0.8), (1.0, 0.25)):
        found = ball_sharpness(surface, center, radius, restarts=1, steps=20, rng=0)
        assert found.lower <= found.upper <= closer * (found.taylor + found.remainder)


@pytest.mark.parametrize("radius", [1e-3, 0.1, 1.0])
def test_the_expansion_is_exact_for_a_product_of_two_weights(radius):
    """w_2 w_1 fitted to 1 at (1, 1): the rise is largest at e_1 = e_2, by |q| = rho^2/2."""
    surface = NetworkSurface.of(MLP((1, 1, 1), "linear"), [[1.0]], [[1.0]])
    exact = 0.5 * (np.sqrt(2.0) * radius + 0.5 * radius**2) ** 2
    found = ball_sharpness(surface, np.ones(2), radius, rng=0)
    assert found.lower == pytest.approx(exact, rel=1e-6)
    assert exact <= found.upper <= exact * (1 + 1e-6)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "logistic"])
def test_losses_of_samples_lie_below_their_parabolas(loss):
    rng, size = np.random.default_rng(0), 5.0
    outputs, y = size * rng.standard_normal((400, 3)), np.eye(3)[rng.integers(3, size=400)]
    net = MLP((3, 3), "linear", loss=loss)
    point = net.at(np.eye(3).ravel(), outputs, y)
    moved = np.geomspace(1e-5, 20.0, 400)
    curves = _curves(point, moved, np.zeros(400))
    step = rng.standard_normal((400, 3))
    step[::2] = -point.residuals[::2] + 1e-9 * step[::2]  # where curvature grows
    step *= (moved / np.linalg.norm(step, axis=1))[:, None]

    parabola = losses_of(loss, outputs, y) + (point.residuals * step).sum(axis=1)
    parabola += 0.5 * np.einsum("mi,mij,mj->m", step, curves.above, step)
    assert (losses_of(loss, outputs + step, y) <= parabola * (1 + 1e-12) + 1e-14).all()
    largest = np.linalg.eigvalsh(curves.above)[:, -1]
    assert (largest <= curves.kappa * (1 + 1e-9)).all()
    assert (curves.kappa <= curves.top * (1 + 1e-12)).all()


def losses_of(loss, o, y):
    if loss == "mse":
        return 0.5 * ((o - y) ** 2).sum(axis=1)
    if loss == "logistic":
        return (np.logaddexp(0.0, o) - y * o).sum(axis=1)
    return np.logaddexp.reduce(o, axis=1) - (y * o).sum(axis=1)


def test_the_expansion_is_exact_for_linear_models_and_bounds_the_rest():
    x = np.random.default_rng(0).standard_normal((7, 3))
    for loss, y in (("mse", x[:, :2]), ("cross_entropy", np.eye(2)[[0, 1, 0, 0, 1, 1, 0]])):
        net = MLP((3, 2), "linear", loss=loss)
        surface, theta = NetworkSurface.of(net, x, y), net.init(rng=0)
        found = ball_sharpness(surface, theta, 0.02, rng=0)
        assert found.lower <= found.upper <= (1 + (1e-6 if loss == "mse" else 0.02)) * found.lower


def test_the_bound_is_sharp_at_small_radii():
    data = digits(300, size=4, whiten=True, target="one-hot", rng=0)
    net = MLP((16, 12, 10), loss="cross_entropy", weight_decay=1e-3)
    theta = train(net, net.init(rng=0), data.x, data.y, gradient_norm=1e-6, max_steps=400).theta
    found = ball_sharpness(NetworkSurface.of(net, data.x, data.y), theta, 1e-3, restarts=0, rng=0)
    assert found.lower <= found.upper < 1.35 * found.lower


def test_a_torch_model_that_is_a_network_has_the_same_bounds():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    x, y = torch.randn(9, 3).double(), torch.randn(9, 2).double()
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    surface = TorchSurface(model, nn.MSELoss(), (x, y))
    net, theta = MLP.from_torch(model)
    own = ball_sharpness(NetworkSurface.of(net, x.numpy(), y.numpy()), theta, 0.01, rng=0)
    found = ball_sharpness(surface, theta, 0.01, rng=0)  # a mean over outputs too: 2/n_out = 1
    assert found.upper == pytest.approx(own.upper, rel=1e-6)
    single = TorchSurface(model.float(), nn.MSELoss(), (x.float(), y.float()))
    found = ball_sharpness(single, theta, 0.01, restarts=0, steps=2, rng=0)
    assert found.upper is None
    assert "double precision" in found.why_no_upper


def test_the_jump_of_softplus_in_pytorch_has_no_bound():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    model = nn.Sequential(nn.Linear(1, 1), nn.Softplus(), nn.Linear(1, 1)).double()
    x, y = torch.ones(1, 1).double(), torch.zeros(1, 1).double()
    theta = np.array([20.0 + 1e-12, 0.0, 1.0, -19.9])
    found = ball_sharpness(TorchSurface(model, nn.MSELoss(), (x, y)), theta, 1e-11, rng=0)
    assert found.lower > 4e-10  # ten times what slopes allow
    assert found.upper is None
    assert "softplus" in found.why_no_upper


@pytest.mark.parametrize("size", [1.0, 1e4, 1e8])
def test_the_certified_bound_covers_what_rounding_hid(size):
    """One linear unit, one sample: S = c rho |x| + rho^2 |x|^2/2 with the exact residual c."""
    rng = np.random.default_rng(int(np.log10(size)))
    for _ in range(5):
        w, x = size * rng.standard_normal(5), rng.standard_normal(5)
        y = float(x @ w)  # a residual of 0 in floating-point numbers
        c = abs(
            float(sum(Fraction(a) * Fraction(b) for a, b in zip(w, x, strict=True)) - Fraction(y))
        )
        surface = NetworkSurface.of(MLP((5, 1), "linear"), [x], [[y]])
        for rho in (1e-14 * size, 1e-9 * size, 1.0):
            moved = rho * float(np.linalg.norm(x))
            found = ball_sharpness(surface, w, rho, restarts=0, steps=3, rng=0)
            assert found.upper >= (c * moved + 0.5 * moved**2) * (1 - 1e-12)
            assert found.lower <= found.upper + found.rounding


def test_the_maximiser_of_a_quadratic_reaches_its_maximum():
    """A slope downhill along the largest eigenvalue left it 2e-7 of the rise below."""
    rng = np.random.default_rng(5)
    for case in range(200):
        size = 1 + case % 6
        values = rng.standard_normal(size) * 10.0 ** rng.integers(-8, 9)
        slope = rng.standard_normal(size) * 10.0 ** rng.integers(-12, 9)
        values = (values, -np.abs(values), np.zeros(size), np.full(size, values[0]))[case % 4]
        slope[values.argmax()] *= (1.0, 0.0, 1e-20)[case % 3]
        radius = 10.0 ** rng.integers(-6, 7)
        place = quadratic_maximiser(slope, values, radius)
        assert np.linalg.norm(place) <= 1.0 + 1e-14
        place = radius * place
        rise = slope @ place + 0.5 * values @ place**2
        assert rise == pytest.approx(quadratic_maximum(slope, values, radius), rel=1e-12)


def test_a_quadratic_in_tiny_or_huge_units():
    for unit in (1e-200, 1e-170, 1e170, 1e290):
        bound = quadratic_maximum(np.array([unit, 0.0]), np.array([unit, 0.0]), 1.0)
        assert bound == pytest.approx(1.5 * unit, rel=1e-12)
        assert quadratic_maximum(np.array([3.0, 4.0]), np.zeros(2), unit) == 5.0 * unit
        place = quadratic_maximiser(np.array([unit, 0.0]), np.array([unit, 0.0]), 1.0)
        assert place == pytest.approx([1.0, 0.0])
    assert quadratic_maximiser(np.array([0.0, 0.5]), np.array([1.0, 0.0]), 1.0) == pytest.approx(
        [np.sqrt(0.75), 0.5]
    )
    assert quadratic_maximiser(np.array([0.5]), np.array([-1.0]), 2.0) == pytest.approx([0.25])
    assert not quadratic_maximiser(np.zeros(2), np.array([-1.0, -2.0]), 1.0).any()
    for bad in (np.array([np.nan, 0.0]), np.zeros(3), np.zeros(0)):
        with pytest.raises(ValueError, match=r"gradient"):
            quadratic_maximum(bad, np.ones(2), 1.0)


def test_balls_beyond_floating_point_numbers_are_refused_or_unbounded():
    for activation in ("tanh", "relu"):
        surface, theta = trained_toy(activation)
        for rho in (1e100, 1e200, 1e308):
            bounds = derivative_bounds(surface.point.at(theta), rho)
            assert not any(np.isnan(bound) for bound in bounds)
        with pytest.raises(ValueError, match=r"in the ball of radius 1e.200; give a smaller rho"):
            ball_sharpness(surface, theta, 1e200, restarts=0, rng=0)
    fits = surface.point.net.at(
        theta, surface.point.x, surface.point.net.predict(theta, surface.point.x)
    )
    assert derivative_bounds(fits, 1e200).rise == np.inf  # 0 times infinity


def test_probabilities_that_miss_the_sum_one_are_weighed():
    """The loss is (1 + d) log(e^a + e^b) - a - d b: its slope is (d, -d), not q - y = (0, -d)."""
    net, odd = MLP((1, 2), "linear", loss="cross_entropy"), 9e-9
    point = net.at(np.array([20.0, -20.0]), [[1.0]], [[1.0, odd]])
    assert derivative_bounds(point, 1e-10).rise >= np.sqrt(2.0) * odd * 1e-10


def test_single_precision_is_bounded_in_double():
    rng, net = np.random.default_rng(0), MLP((2, 3, 3), loss="cross_entropy")
    x = rng.standard_normal((5, 2)).astype(np.float32)
    y = rng.dirichlet(np.ones(3), size=5).astype(np.float32)  # of sum 1 up to 1e-7
    theta = net.init(rng=0).astype(np.float32)
    twice = y.astype(np.float64)
    twice /= twice.sum(axis=1, keepdims=True)
    for single, double in zip(
        derivative_bounds(net.at(theta, x, y), 0.1),
        derivative_bounds(net.at(theta.astype(float), x.astype(float), twice), 0.1),
        strict=True,
    ):
        assert single == pytest.approx(double, rel=1e-12)


def test_bounds_close_as_the_ball_shrinks():
    surface, theta = trained_toy()
    ratios = []
    for rho in (1e-1, 1e-2, 1e-3):
        found = ball_sharpness(surface, theta, rho, steps=100, rng=0)
        ratios.append(found.upper / found.lower)
    assert ratios[0] > ratios[1] > ratios[2] > 1.0
    assert ratios[2] < 1.001


def test_half_rho_squared_lambda_is_no_bound_away_from_critical_points():
    """The texts print S_rho <= rho^2 lambda_max/2 for any twice differentiable loss."""
    found = ball_sharpness(quadratic([1.0], [10.0]), np.zeros(1), 0.1, rng=0)
    assert found.lower == pytest.approx(1.005)
    assert found.half_rho_squared_lambda_max == pytest.approx(0.005)


def test_adaptive_sharpness_knows_no_scale_of_units():
    rng = np.random.default_rng(3)
    net = MLP((3, 4, 2), "relu")
    surface = NetworkSurface.of(net, rng.standard_normal((9, 3)), rng.standard_normal((9, 2)))
    theta = net.init(rng=3)
    other = theta.copy()
    first, second = net.blocks
    c = np.array([4.0, 0.5, 8.0, 0.25])
    other[first.slice] = (theta[first.slice].reshape(4, 3) * c[:, None]).ravel()
    other[second.slice] = (theta[second.slice].reshape(2, 4) / c).ravel()

    def both(at, by):
        scaled = ScaledSurface(surface, at, adaptive_scales(surface, at, by=by))
        found = ball_sharpness(scaled, np.zeros(surface.size), 0.1, restarts=0, rng=0)
        assert found.lower <= found.upper
        return found.lower, found.lambda_max

    assert both(theta, "element") == pytest.approx(both(other, "element"), rel=1e-9)
    plain = [
        ball_sharpness(surface, at, 0.1, restarts=0, rng=0).lambda_max for at in (theta, other)
    ]
    assert abs(plain[0] - plain[1]) > 0.5 * plain[0]
    assert both(theta, "filter") != pytest.approx(both(theta, "element"))


def test_a_scaled_surface_is_the_surface_in_other_units():
    surface, theta = trained_toy()
    scales = np.linspace(0.0, 2.0, surface.size)
    scaled = ScaledSurface(surface, theta, scales)
    e = np.random.default_rng(0).standard_normal(surface.size)
    at = theta + scales * e
    assert scaled.loss(e) == surface.loss(at)
    np.testing.assert_allclose(scaled.value(e)[1], scales * surface.gradient(at))
    full = scales[:, None] * surface.hessian(at) * scales
    np.testing.assert_allclose(scaled.hessian(e), full, atol=1e-14)
    np.testing.assert_allclose(scaled.product(e, np.eye(surface.size)), full, atol=1e-12)
    np.testing.assert_allclose(scaled.losses([e, 0 * e]), surface.losses([at, theta]))


def test_what_has_no_bound_says_so():
    surface = NetworkSurface.of(MLP((1, 1, 1), "quadratic"), [[1.0]], [[1.0]])
    with pytest.raises(UnboundedDerivatives, match="'quadratic'"):
        derivative_bounds(surface.point, 0.1)
    own = Activation("tanh", lambda z: 5 * z, lambda z, a: 5 + 0 * z, None)
    with pytest.raises(UnboundedDerivatives, match="of one's own"):
        derivative_bounds(MLP((1, 1, 1), own).at(np.ones(2), [[1.0]], [[1.0]]), 0.1)
    given_ones = with_residuals(trained_toy()[0].point, np.ones((9, 2)))
    with pytest.raises(UnboundedDerivatives, match="loss 'mse with residuals given'"):
        derivative_bounds(given_ones, 0.1)
    found = ball_sharpness(surface, np.ones(2), 0.1, rng=0)
    assert (found.upper, found.remainder) == (None, None)
    assert "quadratic" in found.why_no_upper


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rho": 0.0}, "rho must be a positive"),
        ({"rho": 0.1, "steps": 0}, "steps"),
        ({"rho": 0.1, "restarts": -1}, "restarts"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ball_sharpness(quadratic([1.0], [0.0]), np.zeros(1), **arguments)
    with pytest.raises(ValueError, match="unknown by"):
        adaptive_scales(quadratic([1.0], [0.0]), np.zeros(1), by="layer")
    with pytest.raises(ValueError, match="not be negative"):
        ScaledSurface(quadratic([1.0], [0.0]), np.zeros(1), np.array([-1.0]))
    with pytest.raises(ValueError, match="1 entries"):
        ScaledSurface(quadratic([1.0], [0.0]), np.zeros(2), np.ones(2))
