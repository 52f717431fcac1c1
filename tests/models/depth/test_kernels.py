"""Conjugate and tangent kernels of deep networks: the recursion of Fan & Wang, MLPs, draws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rmtland import Discrete, MarchenkoPastur, Uniform
from rmtland.models import (
    ConjugateKernel,
    DeepGaussNewton,
    NeuralTangentKernel,
    normalised_activation,
)
from rmtland.models.depth.kernel_sum import kernel_sum_law
from rmtland.models.depth.neural_tangent import tangent_kernel
from rmtland.networks import MLP

TANH = normalised_activation("tanh")
RELU = normalised_activation("relu")


def combination(model, z, w):
    """Fan & Wang's t_L(z, w) = tr (z_-1 + sum z_l K_l)^-1 (w_-1 + sum w_l K_l)/m, by iteration.

    Coefficients are listed from the constant up. K_l given K_{l-1} is a sample covariance matrix of
    n_l rows of covariance Phi = c + b^2 s K_{l-1}: z_l K_l acts like Phi/s_l in a resolvent, where
    s_l = 1/z_l + (m/n_l) tr Phi R/m.
    """
    *_, last = z
    level = len(z) - 2
    if level == 0:
        law = MarchenkoPastur(model.samples / model.inputs, model.data_variance)
        u = z[0] / last
        mean = -law.stieltjes(-u)  # of 1/(x + u)
        return w[1] / last + (w[0] - w[1] * u) / last * mean
    layer = model.layers[level - 1]
    rest, gain = layer.rest, layer.slope**2 * model.weight_variance
    phi = np.zeros(level + 1, dtype=complex)
    phi[0], phi[-1] = rest, gain

    def before(s):
        return np.array([*z[:-2], z[-2]]) + phi / s

    ratio = model.samples / model.hidden[level - 1]
    s = 1 / last + 1j * ratio
    for _ in range(400):
        new = 1 / last + ratio * combination(model, before(s), phi)
        if abs(new - s) < 1e-13 * abs(new):
            break
        s = new
    prior = np.array(w[:-1]) - w[-1] / last * np.array(z[:-1])
    return w[-1] / last + combination(model, before(s), prior)


def reference(model, point, coefficients, constant):
    """G at a point of the upper half-plane: minus the mean of 1/(K - z)."""
    z = np.array([constant - point, *coefficients], dtype=complex)
    w = np.zeros(z.size, dtype=complex)
    w[0] = 1
    return -combination(model, z, w)


CASES = [
    (ConjugateKernel(1.5, (0.6,), 1.0, activation=RELU), (0.4 + 0.8j, 2.0 + 1.0j)),
    pytest.param(
        ConjugateKernel(1.5, (0.6, 2.0), 1.0, weight_variance=1.3, data_variance=0.7),
        (0.4 + 0.8j, 0.7 + 0.5j),
        marks=pytest.mark.slow,
    ),
    (NeuralTangentKernel(0.8, (1.4,), 1.0, activation="relu"), (0.8 + 1.0j,)),
    (NeuralTangentKernel(1.2, (0.7, 1.6), 1.0, weight_variance=1.5), (0.9 + 1.2j,)),
]


@pytest.mark.parametrize(("model", "points"), CASES, ids=lambda case: type(case).__name__)
def test_the_law_solves_the_recursion_of_fan_and_wang(model, points):
    if isinstance(model, NeuralTangentKernel):
        coefficients, constant = model.linear_combination
    else:  # all but the last coefficient are small, as the recursion divides by them
        coefficients, constant = [1e-14] * len(model.hidden) + [1.0], 0.0
    for z in points:
        expected = reference(model, z, coefficients, constant)
        assert model.stieltjes(z) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("widths", [(150, 100, 120, 1), (150, 100, 80, 120, 2)])
def test_the_tangent_kernel_of_mlps_follows_the_law(widths):
    """Four networks of two and three hidden layers, m = 100: distances to the law are shown.

    The Kolmogorov distance of one network is that of its scale, of relative order n^(-1/2) with the
    norms of few weight vectors, and of eigenvalues beside r, which the diagonal of K scatters.
    """
    m = 100
    law = DeepGaussNewton(widths, m, activation="tanh").kernel_law
    net = MLP(widths, "tanh")
    nodes = []
    for seed in range(4):
        x = np.random.default_rng(seed).normal(size=(m, widths[0]))
        point = net.at(net.init(rng=100 + seed, scheme="lecun"), x, np.zeros((m, widths[-1])))
        nodes.append(np.linalg.eigvalsh(point.ntk() / m))

    def distance(values, law):
        levels = (np.arange(values.size) + 0.5) / values.size
        return np.abs(levels - law.cdf(np.sort(values))).max() + 0.5 / values.size

    single = [distance(values, law) for values in nodes]
    pooled = distance(np.concatenate(nodes), law)
    print(f"MLP{widths}, m = {m}: Kolmogorov distance of J J^T/m to the law")
    print(f"    {np.mean(single):.3f} for one network, {pooled:.3f} for {len(nodes)} together")
    assert pooled < 0.1
    assert max(single) < 0.14
    linear = DeepGaussNewton(widths, m, activation="linear").kernel_law
    assert distance(np.concatenate(nodes) * linear.mean() / law.mean(), linear) > 0.15


def test_drawn_kernels_equal_those_of_an_mlp_with_the_same_weights():
    model = DeepGaussNewton((3, 4, 5, 2), 6, activation="tanh")
    drawn = model.network.draw((3, 4, 5), 6, 2, np.random.default_rng(8))
    again = np.random.default_rng(8)
    x = again.normal(size=(3, 6))
    weights = [again.normal(size=shape) / np.sqrt(shape[1]) for shape in ((4, 3), (5, 4), (2, 5))]
    net = MLP((3, 4, 5, 2), "tanh")
    theta = np.concatenate([weight.ravel() for weight in weights])
    kernel = net.at(theta, x.T, np.zeros((6, 2))).ntk()  # rows (sample, output)
    order = np.arange(12).reshape(6, 2).T.ravel()
    mine = tangent_kernel(drawn, [1.0] * 3)
    np.testing.assert_allclose(mine, kernel[np.ix_(order, order)], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("sizes", [(1.0, (1.0, 1.0), 2.0), (2.0, (0.5, 1.0), 1.0)])
def test_deep_linear_networks(sizes):
    """No diagonal part: the kernel has the rank of the data, and mean L + 1."""
    model = NeuralTangentKernel(*sizes, activation="linear")
    assert model.linear_combination == ((1.0, 1.0, 1.0), 0.0)
    rank = min(1.0, sizes[0] / sizes[2])
    assert dict(model.law.atoms).get(0.0, 0.0) == pytest.approx(1 - rank, abs=1e-12)
    assert model.law.mean() == pytest.approx(3.0, rel=1e-12) == model.mean()
    nodes = np.sort(model.sample(100, rng=0, runs=8).nodes.ravel())
    places = np.quantile(nodes[nodes > 1e-9], [0.2, 0.5, 0.8])
    seen = np.searchsorted(nodes, places, side="right") / nodes.size
    assert np.abs(seen - model.law.cdf(places)).max() < 0.03


@pytest.mark.parametrize("outputs", [1, 2])
def test_drawn_kernels_have_the_zeros_of_their_laws(outputs):
    """Rank-deficient: no eigenvalue of rounding, least of all a negative one."""
    kernel = NeuralTangentKernel(0.3, (1.0,), 1.0, activation="linear", outputs=outputs)
    nodes = kernel.sample(50, rng=0).nodes
    assert np.mean(nodes == 0) == pytest.approx(dict(kernel.law.atoms)[0.0], abs=1e-12)
    assert nodes.min() == 0
    model = DeepGaussNewton((10, 40, outputs), 30, activation="linear")
    zeros = np.mean(model.sample(rng=0).nodes == 0)
    assert zeros == pytest.approx(dict(model.law.atoms)[0.0], abs=1e-12)


def test_two_outputs_repeat_the_law_and_more_parameters_are_zeros():
    model = DeepGaussNewton((20, 30, 30, 3), 25, activation="erf")
    assert model.parameter_count == 20 * 30 + 30 * 30 + 30 * 3
    assert model.law.atoms == ((0.0, pytest.approx(1 - 75 / model.parameter_count)),)
    drawn = model.sample(rng=0)
    assert drawn.nodes.shape == (1, model.parameter_count)
    assert np.count_nonzero(drawn.nodes) == 75
    one = DeepGaussNewton((20, 30, 30, 1), 25, activation="erf")
    assert model.kernel_law.mean() == pytest.approx(one.kernel_law.mean(), rel=1e-12)
    with pytest.raises(ValueError, match="leave n out"):
        model.sample(3)


@pytest.mark.parametrize("activation", [TANH, RELU, "linear"])
def test_conjugate_kernels_at_200_samples(activation):
    """Kolmogorov distance of four networks; a wrong b^2 (that of a linear f) is seen."""
    model = ConjugateKernel(1.5, (1.2, 0.8), 1.0, activation=activation)
    spectrum = model.sample(200, rng=1, runs=4)
    nodes = np.sort(spectrum.nodes.ravel())
    places = np.quantile(nodes, np.linspace(0.25, 0.98, 30))  # above the atom
    seen = np.searchsorted(nodes, places, side="right") / nodes.size
    assert np.abs(seen - model.law.cdf(places)).max() < 0.015
    assert abs(np.mean(nodes == 0) - dict(model.law.atoms)[0.0]) < 1e-12
    linear = ConjugateKernel(1.5, (1.2, 0.8), 1.0, activation="linear").law
    if activation != "linear":
        assert np.abs(seen - linear.cdf(places)).max() > 0.03


def test_an_uncentred_last_layer_moves_one_eigenvalue_out():
    model = ConjugateKernel(1.5, (0.7,), 1.0, activation="relu")
    nodes = model.sample(200, rng=0).nodes[0]
    assert nodes[-1] > 10 * model.law.hull[1] > 10 * nodes[-2] * 0.8
    assert nodes[-1] == pytest.approx(200 / (2 * np.pi), rel=0.2)  # m (E f)^2
    assert nodes[-1] == pytest.approx(200 * model.shared_square, rel=0.2)
    with pytest.raises(ValueError, match="mean 0"):
        NeuralTangentKernel(1.5, (0.7, 1.0), 1.0, activation="relu")


@given(
    st.lists(st.floats(-1.2, 1.2), min_size=2, max_size=4),
    st.sampled_from(["tanh", "erf", "linear", RELU]),
    st.floats(-0.5, 0.5),
)
@settings(max_examples=8, deadline=None)
def test_means_and_variances_follow_the_recursion(logs, activation, spread):
    """Of MP(phi) times nu: mean nu_1, second moment nu_2 + phi nu_1^2."""
    inputs, *hidden = np.exp(logs)
    s = 1.0 if activation is RELU else math.exp(spread)
    model = ConjugateKernel(inputs, hidden, 1.0, activation=activation, weight_variance=s)
    first, second = 1.0, 1 + 1 / inputs
    for width, layer in zip(hidden, model.layers, strict=True):
        gain, rest = layer.slope**2 * s, layer.rest
        nu = rest**2 + 2 * rest * gain * first + gain**2 * second
        first = rest + gain * first
        second = nu + first**2 / width
    assert model.mean() == pytest.approx(first, rel=1e-9)
    assert model.var() == pytest.approx(second - first**2, rel=1e-7)


@pytest.mark.parametrize("hidden", [(1.2, 0.8), pytest.param((1.0, 1.0), marks=pytest.mark.slow)])
def test_the_equation_of_all_layers_gives_the_free_product(hidden):
    model = ConjugateKernel(2.0, hidden, 1.0, activation=TANH)
    product, whole = model.layer_laws[-1], kernel_sum_law(model, [0.0, 0.0, 1.0], 0.0)
    assert model.law != product
    assert whole.hull == pytest.approx(product.hull, rel=1e-12, abs=1e-13)
    null = 1 - min(hidden[-1], 1.0)
    assert dict(product.atoms).get(0.0, 0.0) == pytest.approx(null, abs=1e-12)
    assert dict(whole.atoms).get(0.0, 0.0) == pytest.approx(null, abs=1e-12)
    x = np.array([0.05, 0.3, 0.9]) * whole.hull[1]
    np.testing.assert_allclose(whole.pdf(x), product.pdf(x), rtol=1e-11)
    np.testing.assert_allclose(whole.cdf(x), product.cdf(x), rtol=1e-11)
    # by way of h h^T, without zeros
    np.testing.assert_allclose(model.law.pdf(x), product.pdf(x), rtol=1e-11)
    assert model.law.ppf([0.25, 0.9]) == pytest.approx(product.ppf([0.25, 0.9]), rel=1e-9)


def test_layers_and_input_laws():
    model = ConjugateKernel(1.0, (1.0, 0.5), 1.0, activation=TANH)
    assert model.layer(1).law == model.layer_laws[1]
    with pytest.raises(ValueError, match="2 hidden layers"):
        model.layer(3)
    known = ConjugateKernel(
        1.0, (1.0,), 1.0, activation=TANH, input_law=Discrete((0.5, 1.5), (0.5, 0.5))
    )
    assert known.law.mean() == pytest.approx(1.0, rel=1e-12)
    assert known.law.var() < model.layer(1).law.var()
    nodes = known.sample(200, rng=2, runs=4).nodes
    assert nodes.var() == pytest.approx(known.law.var(), rel=0.05)
    with pytest.raises(ValueError, match="mean of input_law"):
        ConjugateKernel(1.0, (1.0,), 1.0, input_law=Uniform(0.0, 1.0))


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="at least one hidden layer"):
        ConjugateKernel(1.0, (), 1.0)
    with pytest.raises(ValueError, match="hidden"):
        NeuralTangentKernel(1.0, (1.0, -2.0), 1.0)
    with pytest.raises(ValueError, match="outputs"):
        NeuralTangentKernel(1.0, (1.0,), 1.0, outputs=0)
    with pytest.raises(ValueError, match="more parameters"):
        DeepGaussNewton((2, 2, 1), 30)
    with pytest.raises(ValueError, match="hidden layers, outputs"):
        DeepGaussNewton((2, 1), 30)
    with pytest.raises(ValueError, match="at most 18"):
        _ = NeuralTangentKernel(1.0, (1.0,) * 19, 1.0).law
    with pytest.raises(ValueError, match="at most 18"):
        _ = ConjugateKernel(1.0, (0.5,) * 19, 1.0).law


@pytest.mark.slow
def test_the_distance_of_drawn_kernels_falls_with_their_size():
    """Sizes times 4: the distance of a network falls like n^(-1/2), to half of it.

    Within three standard errors of the means over networks, and by more than three of them.
    """
    distances, errors = [], []
    for size in (1, 4):
        widths = (150 * size, 100 * size, 120 * size, 1)
        model = DeepGaussNewton(widths, 100 * size, activation="tanh")
        nodes = model.sample(rng=0, runs=60 // size).nodes[:, -model.samples :]
        levels = (np.arange(model.samples) + 0.5) / model.samples
        off = [np.abs(levels - model.kernel_law.cdf(row)).max() for row in nodes]
        distances.append(np.mean(off))
        errors.append(np.std(off, ddof=1) / math.sqrt(len(off)))
    print(
        f"Kolmogorov distance to the law: {distances[0]:.4f} at m = 100, {distances[1]:.4f} at 400"
    )
    assert abs(distances[1] - distances[0] / 2) < 3 * math.hypot(errors[0] / 2, errors[1])
    assert distances[0] - distances[1] > 3 * math.hypot(*errors)


def test_sizes_far_apart_take_the_other_route():
    """Refused: the matrix Dyson equation loses its digits, products do not."""
    kernel = ConjugateKernel(0.001, (1000.0, 0.001), 1.0)
    law = kernel.law
    ((place, mass),) = law.atoms
    assert (place, mass) == (0.0, pytest.approx(0.999, rel=1e-12))
    assert law.mean() == pytest.approx(kernel.mean(), rel=1e-9)
    assert law.cdf([20.0, 900.0]).tolist() == [pytest.approx(0.999), 1.0]
