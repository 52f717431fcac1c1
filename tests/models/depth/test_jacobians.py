"""Input-output Jacobians: products of Gaussian matrices, slopes, depth."""

import math
from itertools import pairwise

import numpy as np
import pytest

from rmtland import MarchenkoPastur, free_product
from rmtland.landscape.depth import JacobianLaw, LayerFactor
from rmtland.laws import FussCatalan
from rmtland.models import InputOutputJacobian, LinearJacobian
from rmtland.models.depth.slope_law import settled_variance, slope_square_law
from rmtland.networks.activation import Activation
from rmtland.networks.gaussian_averages import gaussian_averages
from rmtland.solution import ConvergenceError


def defect(law, z, equation):
    """Relative defect of z M = equation(M), M = z G - 1."""
    m = z * law.stieltjes(z) - 1
    return abs(z * m - equation(m)) / abs(z * m)


@pytest.mark.parametrize(
    "widths", [(1.0, 2.0), (1.0, 0.5, 2.0, 0.8), (3.0, 1.0, 1.0), (1, 1, 1, 1)]
)
@pytest.mark.parametrize("s", [1.0, 1.7])
def test_products_solve_their_equation(widths, s):
    z = 0.6 + 0.4j
    n0, last = widths[0], widths[-1]
    inputs = LinearJacobian(widths, weight_variance=s, side="inputs").law
    assert (
        defect(
            inputs,
            z,
            lambda m: (
                (1 + m) * math.prod(s * b / a * (1 + n0 / b * m) for a, b in pairwise(widths))
            ),
        )
        < 1e-11
    )
    outputs = LinearJacobian(widths, weight_variance=s).law
    # the same eigenvalues other than zero: n0 M of one is nL M of the other
    first, second = (z * law.stieltjes(z) - 1 for law in (inputs, outputs))
    assert n0 * first == pytest.approx(last * second, rel=1e-10)


def test_equal_widths_are_fuss_catalan():
    for depth in (2, 3, 6):
        law = LinearJacobian((1.0,) * (depth + 1)).law
        assert law == FussCatalan(depth)
        assert law.hull[1] == pytest.approx((depth + 1) ** (depth + 1) / depth**depth, rel=1e-14)
        linear = InputOutputJacobian(depth, activation="linear", weight_variance=1.5).law
        assert linear.hull[1] == pytest.approx(1.5**depth * law.hull[1], rel=1e-13)


@pytest.mark.parametrize(("name", "s", "b"), [("relu", 2.0, 0.0), ("hard_tanh", 1.4, 0.1)])
def test_slopes_of_zero_and_one_solve_their_equation(name, s, b):
    """S = ((1 + w)/(p + w) / (s (1 + w)))^L, so z M = s^L (1 + M)(p + M)^L."""
    model = InputOutputJacobian(3, activation=name, weight_variance=s, bias_variance=b)
    p = model.slope_law.mean()
    z = 0.8 + 0.5j
    assert defect(model.law, z, lambda m: s**3 * (1 + m) * (p + m) ** 3) < 1e-11
    # the free product of all six factors is the same law
    plain = free_product(*[model.slope_law] * 3, *[MarchenkoPastur(1.0, s)] * 3)
    assert plain.stieltjes(z) == pytest.approx(model.law.stieltjes(z), rel=1e-10)
    turned = InputOutputJacobian(
        3, activation=name, weight_variance=s, bias_variance=b, weights="orthogonal"
    )
    q = turned.slope_law.mean()
    rest = defect(turned.law, z, lambda m: s**3 * (1 + m) * ((q + m) / (1 + m)) ** 3)
    assert rest < 1e-10


@pytest.mark.parametrize("depth", [4, 8, pytest.param(24, marks=pytest.mark.slow)])
def test_deep_orthogonal_networks_of_relu_have_a_null_space_and_a_hard_edge(depth):
    """Beside the atom the density is unbounded: a product of projections loses its digits there."""
    model = InputOutputJacobian(depth, activation="relu", weight_variance=2.0, weights="orthogonal")
    law = model.law
    rest = defect(law, 0.3 + 1e-3j, lambda m: 2**depth * (1 + m) * ((0.5 + m) / (1 + m)) ** depth)
    assert rest < 1e-9
    assert law.atoms == ((0.0, 0.5),)
    assert law.var() == pytest.approx(depth, rel=1e-9)  # variances over squared means add up
    # z M = 2^L (1 + M)^(1 - L) (1/2 + M)^L beside zero: a power 1/L of the distance
    below = law.cdf([1e-40, 1e-30]) - 0.5
    assert below[1] / below[0] == pytest.approx(1e10 ** (1 / depth), rel=0.02 if depth < 9 else 0.2)
    assert law.cdf(law.hull[1]) == pytest.approx(1.0, abs=1e-12)


def test_hard_tanh_settles_and_has_its_share_of_slopes():
    q = settled_variance("hard_tanh", 1.4, 0.1)
    z = np.random.default_rng(0).normal(size=400_000) * math.sqrt(q)
    assert 1.4 * np.mean(np.clip(z, -1, 1) ** 2) + 0.1 == pytest.approx(q, abs=5 * 1.4 / 632)
    assert slope_square_law("hard_tanh", q).mean() == pytest.approx(
        np.mean(np.abs(z) < 1), abs=5 / 1264
    )
    assert slope_square_law("hard_tanh", 0.0).is_point_mass


def test_slopes_that_jump_anywhere_have_their_shares():
    """A clip equals hard tanh, a threshold is not at one half, several values are told apart."""

    def steps(name, slope):
        return Activation(name, lambda z: z, lambda z, a: slope(z), None)

    clip = slope_square_law(steps("clip", lambda z: (np.abs(z) < 1) * 1.0), 0.7)
    hard = slope_square_law("hard_tanh", 0.7)
    assert clip.locations == hard.locations
    assert clip.weights == pytest.approx(hard.weights, rel=1e-12)
    threshold = slope_square_law(steps("threshold", lambda z: (z > 1) * 1.0), 4.0)
    assert threshold.mean() == pytest.approx(math.erfc(0.5 / math.sqrt(2)) / 2, rel=1e-12)
    three = slope_square_law(steps("three", lambda z: np.select([z < -1, z < 2], [3.0, 1.0])), 1.0)
    below, above = (math.erfc(t / math.sqrt(2)) / 2 for t in (1, 2))
    assert three.locations == (0.0, 1.0, 9.0)
    assert three.weights == pytest.approx((above, 1 - above - below, below), rel=1e-12)


def test_at_the_critical_weight_variance_signals_die_out():
    """q decays like 1/depth for tanh with sigma_w = 1, the defaults: slopes are 1 in the limit."""
    assert settled_variance("tanh", 1.0) == 0.0
    assert InputOutputJacobian(2).law == FussCatalan(2)
    q = settled_variance("tanh", 1.1)
    assert 0.05 < q == pytest.approx(1.1 * gaussian_averages("tanh", variance=q).square, rel=1e-12)


def test_quadratures_of_slopes_have_converged():
    """The law by 32 atoms against 20, and against uniform pieces, which are coarser."""
    z = 0.3 + 0.05j
    model = InputOutputJacobian(2, activation="tanh", weight_variance=1.5, bias_variance=0.1)
    q = model.preactivation_variance
    wisharts = [MarchenkoPastur(1.0, 1.5)] * 2
    coarse = free_product(*[slope_square_law("tanh", q, size=20)] * 2, *wisharts)
    np.testing.assert_allclose(coarse.stieltjes(z), model.law.stieltjes(z), rtol=1e-9)
    pieces = free_product(*[slope_square_law("tanh", q, pieces=24)] * 2, *wisharts)
    np.testing.assert_allclose(pieces.stieltjes(z), model.law.stieltjes(z), rtol=3e-3)


@pytest.mark.parametrize(
    ("weights", "name", "s", "b", "bound"),
    [
        ("gaussian", "tanh", 1.5, 0.1, 0.012),
        ("gaussian", "relu", 2.0, 0.0, 0.03),
        ("gaussian", "linear", 1.0, 0.0, 0.012),
        pytest.param("orthogonal", "erf", 1.2, 0.05, 0.03, marks=pytest.mark.slow),
    ],
)
def test_jacobians_of_drawn_networks(weights, name, s, b, bound):
    """Kolmogorov distance of 4 networks of 300 units; ranks of ReLU layers scatter by n^(-1/2)."""
    model = InputOutputJacobian(
        2, activation=name, weights=weights, weight_variance=s, bias_variance=b
    )
    nodes = np.sort(model.sample(300, rng=1, runs=4).nodes.ravel())
    places = np.quantile(nodes[nodes > 0], np.linspace(0.02, 0.99, 25))
    seen = np.searchsorted(nodes, places, side="right") / nodes.size
    assert np.abs(seen - model.law.cdf(places)).max() < bound


def test_singular_values_spread_with_depth():
    """lambda_max of critical networks grows linearly in depth, e (L + 1/2) for linear ones."""
    tops = [InputOutputJacobian(d, activation="linear").law.hull[1] for d in (5, 10, 20)]
    np.testing.assert_allclose(tops, math.e * (np.array([5, 10, 20]) + 0.5), rtol=2e-3)
    relu = [
        InputOutputJacobian(d, activation="relu", weight_variance=2.0).law.hull[1]
        for d in (2, 4, 8)
    ]
    slopes = np.diff(relu) / np.array([2, 4])
    assert slopes[1] == pytest.approx(slopes[0], rel=0.02)
    assert slopes[0] == pytest.approx(2 * math.e, rel=0.05)  # 1/p times that of linear networks
    assert InputOutputJacobian(7, activation="linear", weights="orthogonal").law.is_point_mass


def test_deep_networks_with_smooth_slopes():
    """Refused after 100 s: 32 atoms eight times over leave gaps on equal components only."""
    model = InputOutputJacobian(8, activation="tanh", weight_variance=1.5)
    atoms = model.slope_law.atoms
    layer = LayerFactor(tuple(1.5 * place for place, _ in atoms), tuple(mass for _, mass in atoms))
    other = JacobianLaw((layer,) * 8)
    assert math.log(model.law.hull[1]) == pytest.approx(other.log_top, abs=1e-11)
    levels = [0.01, 0.1, 0.5, 0.9]
    # smoothed by an angle of 1e-4, in logarithms
    np.testing.assert_allclose(np.log(model.law.ppf(levels)), other.log_quantile(levels), rtol=3e-3)
    # density x^(-8/9) at zero, to the smallest of numbers
    below = model.law.cdf([1e-90, 1e-72])
    assert below[1] / below[0] == pytest.approx(100.0, rel=1e-3)
    assert 0 <= model.law.cdf(5e-324) < 1e-15


def test_what_does_not_settle_is_refused():
    with pytest.raises(ConvergenceError, match="do not settle"):
        InputOutputJacobian(2, activation="quadratic", weight_variance=2.0)
    assert settled_variance("tanh", 0.5) == 0.0
    dying = InputOutputJacobian(2, activation="tanh", weight_variance=0.5)
    assert dying.law == FussCatalan(2) or dying.law.mean() == pytest.approx(0.25)
    with pytest.raises(ValueError, match="weights"):
        InputOutputJacobian(2, weights="sparse")
    with pytest.raises(ValueError, match="at least inputs and outputs"):
        LinearJacobian((1.0,))
    with pytest.raises(ValueError, match="side"):
        LinearJacobian((1.0, 1.0), side="left")
