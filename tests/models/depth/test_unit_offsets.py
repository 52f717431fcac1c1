"""Means in inner layers and biases: a scalar recursion, draws, closed averages."""

import functools
import itertools
from dataclasses import replace

import numpy as np
import pytest

from rmtland.laws import MarchenkoPastur
from rmtland.models import ConjugateKernel, normalised_activation
from rmtland.models.depth import all_units, conjugate_kernel, unit_offsets
from rmtland.models.depth.all_units import _step, all_units_cdf, all_units_law
from rmtland.models.depth.unit_offsets import TooVariousOffsets, offset_layers
from rmtland.networks.activation import activation as named_activation
from rmtland.solution import ConvergenceError

RELU = {"activation": "relu", "weight_variance": 2.0}
BIASED = {"activation": "tanh", "weight_variance": 1.5, "bias_variance": 0.5}


@functools.cache
def biased(width, activation):
    """One layer with biases, whose law is found once for all tests."""
    return ConjugateKernel(1.5, (width,), 1.0, activation=activation, bias_variance=1.0)


def recursion(model, z):
    """G of two hidden layers, the first one's units alike, from G of the first layer's kernel.

    E (z - K)^-1 = (z - E_t[(b^2 s K_1 + r)/(1 - g)])^-1 = (z - R - B K_1)^-1, iterated in g(t).
    """
    second, s = model.units[1], model.weight_variance
    inner, ratio = model.layer(1).law, model.samples / model.hidden[1]
    gains = s * second.slopes**2
    g = np.zeros(second.masses.size, dtype=complex)
    for _ in range(2000):
        rest = second.masses @ (second.rests / (1 - g))
        gain = second.masses @ (gains / (1 - g))
        u = (z - rest) / gain
        whole = inner.stieltjes(u) / gain  # tr (z - R - B K)^-1
        part = (u * inner.stieltjes(u) - 1) / gain  # tr K (z - R - B K)^-1
        new = ratio * (gains * part + second.rests * whole)
        if np.abs(new - g).max() < 1e-13:
            break
        g = (g + new) / 2
    return whole


@pytest.mark.parametrize("last", [0.6, pytest.param(1.5, marks=pytest.mark.slow)])
def test_the_law_solves_the_recursion_of_units_with_offsets(last):
    model = ConjugateKernel(1.5, (1.2, last), 1.0, **RELU)
    z = 0.5 + 0.3j
    assert model._matrix_dyson_law.stieltjes(z) == pytest.approx(recursion(model, z), rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("last", [1.5, 0.6])
def test_the_law_of_two_layers_solves_the_recursion_up_to_its_error(last):
    """By parts, |G - G'| <= error * 2 / Im z, and kinds of units are that far off too."""
    model = ConjugateKernel(1.5, (1.2, last), 1.0, **RELU)
    for z in (0.5 + 0.3j, 2.0 + 0.4j):
        assert model.stieltjes(z) == pytest.approx(recursion(model, z), abs=4e-3)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(ConjugateKernel(1.5, (1.2, 1.5), 1.0, **RELU), marks=pytest.mark.slow),
        biased(1.6, "relu"),
        pytest.param(ConjugateKernel(1.5, (1.2, 1.5), 1.0, **BIASED), marks=pytest.mark.slow),
    ],
    ids=["relu", "biases", "two layers with biases"],
)
def test_draws_follow_the_law_and_not_that_of_units_that_are_alike(model):
    """Of 200 samples: the second moment of the bulk, free of the scale, and the distance."""
    m, runs = 200, 6
    nodes = model.sample(m, rng=0, runs=runs).nodes
    assert nodes[:, -1] == pytest.approx(m * model.shared_square, rel=0.3)
    bulk = nodes[:, :-1]
    last = model.units[-1]
    mean, each = last.spread, last.slopes**2 * last.variance + last.rests
    units = runs * round(m * model.hidden[-1])
    error = np.sqrt(last.masses @ (each - mean) ** 2 / units)
    assert bulk.mean() == pytest.approx(mean, abs=3 * error + 0.01 * mean)

    def distance(law, mean):
        scaled = np.sort((bulk * (mean / bulk.mean(axis=1, keepdims=True))).ravel())
        places = np.quantile(scaled[scaled > 1e-9], np.linspace(0.05, 0.95, 10))
        seen = np.searchsorted(scaled, places, side="right") / scaled.size
        return np.abs(seen - law.cdf(places)).max()

    alike = ConjugateKernel(
        model.inputs,
        model.hidden,
        model.samples,
        activation=normalised_activation(model.activation, variance=model.layers[0].variance),
        weight_variance=model.layers[0].variance,
    )
    found, other = distance(model.law, mean), distance(alike.law, alike.law.mean())
    print(f"Kolmogorov distance: {found:.4f} of the law, {other:.4f} of units that are alike")
    assert found < 0.012
    assert other > 2 * found


@pytest.mark.parametrize(
    ("width", "activation"),
    [
        (0.5, "tanh"),
        pytest.param(1.6, "relu", marks=pytest.mark.slow),
        pytest.param(0.1, "sigmoid", marks=pytest.mark.slow),
        pytest.param(0.3, "quadratic", marks=pytest.mark.slow),
    ],
)
def test_the_stated_error_covers_the_law_of_all_units(width, activation):
    """One layer with biases, its 61 offsets solved one by one; few units fall into kinds."""
    model = biased(width, activation)
    places = np.linspace(-6, 6, 61)
    masses = np.exp(-(places**2) / 2)
    masses /= masses.sum()
    _, slopes, rests = unit_offsets._averages(named_activation(activation), places, 1.0)
    top = model.law.hull[1]
    x = np.linspace(-0.2 * top, 1.2 * top, 150)
    z = x + 0.012j * top
    g = np.zeros((x.size, places.size), dtype=complex)
    for _ in range(1500):
        gain, rest = (slopes**2 / (1 - g)) @ masses, (rests / (1 - g)) @ masses
        u = (z - rest) / gain
        resolvent = model.layer_laws[0].stieltjes(u)
        part = (u * resolvent - 1) / gain
        new = (slopes**2 * part[:, None] + rests * (resolvent / gain)[:, None]) / width
        if np.abs(new - g).max() < 1e-6:
            break
        g = (g + new) / 2
    off = np.cumsum((model.stieltjes(z) - resolvent / gain).imag) * (x[1] - x[0]) / np.pi
    found = np.abs(off).max()
    print(f"{activation}: stated {model.cdf_error:.1e}, all units {found:.1e}")
    assert found < model.cdf_error < 5e-4
    assert len(model.law.support) == 1  # a few kinds of units have two to four bands


def test_bands_are_those_of_all_units_and_not_of_kinds():
    """Half as many units as samples: mass where a few kinds have a gap; draws."""
    model = biased(0.5, "tanh")
    kinds = model._matrix_dyson_law
    assert len(kinds.support) > 1
    assert len(model.law.support) == 1
    for (_, low), (high, _) in itertools.pairwise(kinds.support):
        assert model.law.cdf(high) - model.law.cdf(low) > 1e-3
    x = np.linspace(0.005, 0.05, 91)
    off = np.abs(kinds.cdf(x) - all_units_cdf(model, x)).max()
    print(f"a few kinds are off from all units by {off:.4f}, the table by {model.cdf_error:.4f}")
    assert np.abs(model.law.cdf(x) - all_units_cdf(model, x)).max() < model.cdf_error < off / 20
    nodes = np.sort(model.sample(400, rng=0, runs=2).nodes, axis=1)[:, :-1]
    seen = (nodes[..., None] <= model.law.ppf([0.6, 0.8, 0.95])).mean(axis=(0, 1))
    assert seen == pytest.approx([0.6, 0.8, 0.95], abs=0.01)


def test_the_error_of_few_kinds_is_measured_by_all_units():
    model = biased(1.6, "relu")
    x = np.linspace(0.02, 2.2, 40)
    off = np.abs(all_units_cdf(model, x) - model.law.cdf(x)).max()
    assert 1e-7 < off < model.cdf_error < 4 * off


@pytest.mark.slow
def test_bands_of_single_offsets_of_the_rule_are_none_of_the_law():
    # offsets of ReLU under large biases stand apart near 0, by factors of up to 3
    law = ConjugateKernel(1.5, (0.5,), 1.0, activation="relu", bias_variance=100.0).law
    assert len(law.support) == 1
    assert law.error < 0.01


def test_a_gap_of_all_units_is_one_of_the_law():
    """Samples in few directions: eigenvalues of rests apart from those of slopes."""
    model = ConjugateKernel(0.1, (30.0,), 1.0, activation="relu", bias_variance=0.1)
    law = all_units_law(model)
    assert len(law.support) == 2
    assert law.cdf(law.support[0][1]) == pytest.approx(0.9, abs=1e-6)


def test_averages_of_offsets_are_those_of_two_correlated_samples():
    """E_t c(t)^2 = E f(u) f(w) for u, w normal with correlation tau / v: arc-cosine kernel."""
    _, second, third = offset_layers("relu", 3, weight_variance=2.0)
    variance = second.variance + second.shared_variance
    angle = np.arccos(second.shared_variance / variance)
    kernel = variance * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    assert second.mean_square == pytest.approx(kernel, rel=1e-10)
    assert second.masses @ second.slopes**2 == pytest.approx(
        (np.pi - angle) / (2 * np.pi), rel=1e-5
    )
    assert third.variance + third.shared_variance == pytest.approx(2.0, rel=1e-12)


def test_linear_units_are_alike_and_small_biases_continuous():
    plain = ConjugateKernel(1.5, (1.2, 0.8), 1.0, activation="linear")
    biased = ConjugateKernel(1.5, (1.2, 0.8), 1.0, activation="linear", bias_variance=2.0)
    assert biased.law.hull == pytest.approx(plain.law.hull, rel=1e-12)
    assert biased.shared_square == pytest.approx(4.0, rel=1e-12)
    nearly = ConjugateKernel(1.5, (1.2,), 1.0, bias_variance=1e-6)
    none = ConjugateKernel(1.5, (1.2,), 1.0)
    assert none.cdf_error == 0 < nearly.cdf_error < 1e-6
    z = 0.4 + 0.3j
    assert nearly.stieltjes(z) == pytest.approx(none.stieltjes(z), abs=1e-5)
    assert nearly.stieltjes(z) != none.stieltjes(z)


def test_deep_networks_take_all_units_where_kinds_are_too_few():
    """Six layers, and large biases: neither has few kinds of units that would do."""
    assert all(layer.masses.size > 100 for layer in deep(6).units[1:])
    large = ConjugateKernel(1.0, (1.0, 1.0, 1.0), 1.0, bias_variance=9.0)
    assert all(layer.masses.size > 100 for layer in large.units)
    nearly = ConjugateKernel(1.5, (2.0,) * 5, 1.0, bias_variance=1e-6)
    plain = ConjugateKernel(1.5, (2.0,) * 5, 1.0)
    x = plain.law.hull[1] * np.array([0.02, 0.1, 0.5])
    assert all_units_cdf(nearly, x) == pytest.approx(plain.law.cdf(x), abs=1e-5)


@pytest.mark.slow
def test_what_is_not_tabulated_says_what_spreads_the_scales():
    """One unit for a thousand samples: a few eigenvalues are a thousand times the others."""
    model = ConjugateKernel(1.0, (1e-3, 1e3), 1.0, activation="tanh", bias_variance=0.1)
    with pytest.raises(ConvergenceError, match="take wider layers"):
        _ = model.law


def deep(layers):
    return ConjugateKernel(1.5, (2.0,) * layers, 1.0, **RELU)


@pytest.mark.slow
def test_the_law_of_six_layers_is_that_of_draws():
    model = deep(6)
    bulk = np.sort(model.sample(600, rng=0, runs=2).nodes, axis=1)[:, :-1]
    scaled = bulk * (model.law.mean() / bulk.mean(axis=1, keepdims=True))
    seen = (scaled[..., None] <= model.law.ppf([0.2, 0.5, 0.8])).mean(axis=(0, 1))
    print(f"distribution function of two networks of 600 samples at quantiles: {seen}")
    assert seen == pytest.approx([0.2, 0.5, 0.8], abs=0.03)
    assert model.cdf_error < 1e-3


def test_a_table_of_another_mean_is_refused(monkeypatch):
    """A root that is not the law's may ascend from the atom to 1, and have no sign of its own."""
    model = ConjugateKernel(1.5, (0.6,), 1.0, **BIASED)
    spread = model.units[-1].spread
    for off in (0.0, 2e-3):
        law = MarchenkoPastur(1 / 0.6, spread * (1 + off))
        assert law.mass_below(1e-9) == pytest.approx(0.4)
        monkeypatch.setattr(all_units, "all_units_cdf", lambda _, x, law=law: law.cdf(x))
        if off:
            with pytest.raises(ConvergenceError, match=r"has the mean .* than its error"):
                all_units_law(model)
        else:
            assert all_units_law(model).mean() == pytest.approx(spread, rel=1e-4)


def test_derivatives_of_the_equation_of_all_units():
    model = ConjugateKernel(1.5, (1.2, 0.6), 1.0, **RELU, bias_variance=0.1)
    z = np.array([0.5 + 0.3j, 2.0 + 0.1j])
    state = np.array([0.1 - 0.02j, 0.2, 0.6, 0.7 + 0.1j])[:, None] * np.ones(2)
    slopes = _step(model, model.units, z, state)[2]
    for j in range(4):
        step = 1e-6 * (np.arange(4) == j)[:, None]
        up, down = (_step(model, model.units, z, state + t * step)[0] for t in (1, -1))
        assert (up - down) / 2e-6 == pytest.approx(slopes[:, j], rel=1e-5, abs=1e-5)


def test_units_of_the_data_scale_the_law_of_relu():
    one = biased(1.6, "relu")
    small = replace(one, data_variance=1e-12, bias_variance=1e-12)
    assert small.law.hull[1] == pytest.approx(1e-12 * one.law.hull[1], rel=1e-9)
    z = 0.5 + 0.3j
    assert 1e-12 * small.stieltjes(1e-12 * z) == pytest.approx(one.stieltjes(z), rel=1e-9)
    one = ConjugateKernel(1.5, (1.2, 0.6), 1.0, **RELU)
    x = np.array([0.01, 0.3, 2.0])
    for data in (1e-12, 1e12):
        scaled = replace(one, data_variance=data)
        assert all_units_cdf(scaled, data * x) == pytest.approx(all_units_cdf(one, x), abs=1e-9)


def test_kinds_a_layer_does_not_need_are_for_later_ones():
    four = ConjugateKernel(1.5, (2.0,) * 4, 1.0, **RELU, bias_variance=0.1)
    assert [layer.masses.size for layer in four.units] == [3, 5, 5, 5]
    five = ConjugateKernel(1.5, (2.0,) * 5, 1.0, **RELU)
    assert [layer.masses.size for layer in five.units] == [1, 4, 4, 4, 5]


@pytest.mark.slow
def test_laws_of_layers_are_those_of_networks_that_end_there():
    model = ConjugateKernel(1.5, (1.2, 1.5), 1.0, **RELU)
    assert model.layer_laws[1] == model.layer(1).law
    assert model.layer_laws[2].mean() == model.law.mean()


def test_what_is_refused():
    with pytest.raises(ValueError, match="input_law is for layers of units that are alike"):
        ConjugateKernel(1.0, (1.0, 1.0), 1.0, activation="relu", input_law=[1.0, 1.0])
    with pytest.raises(TooVariousOffsets, match="too various for 6 kinds"):
        offset_layers("tanh", 3, bias_variance=9.0, nodes=6)
    with pytest.raises(ValueError, match="bias_variance"):
        ConjugateKernel(1.0, (1.0,), 1.0, bias_variance=-1.0)
    with pytest.raises(ValueError, match="bias_variance"):
        ConjugateKernel(1.0, (1.0,), 1.0, bias_variance=float("nan"))
    with pytest.raises(ValueError, match="same for nearly all samples"):
        offset_layers("relu", 2, data_variance=1e-6, bias_variance=1.0)


@pytest.mark.slow
def test_the_quadrature_of_offsets_converges(monkeypatch):
    """Distribution functions with fewer kinds of units against 12 of them: printed."""
    laws = {}
    monkeypatch.setattr(unit_offsets, "_GOOD", 1e-9)
    for most in (12, 6, 5, 4):
        monkeypatch.setattr(conjugate_kernel, "_MOST", most)
        model = ConjugateKernel(1.5, (1.2, 1.5), 1.0, **RELU)
        assert model.units[1].masses.size == most
        laws[most] = model.law
    low, high = laws[12].hull
    x = low + (high - low) * np.linspace(0.001, 0.98, 30) ** 2
    for most, bound in {6: 1e-4, 5: 5e-4, 4: 2e-3}.items():
        off = np.abs(laws[most].cdf(x) - laws[12].cdf(x)).max()
        print(f"{most} kinds of units: distribution function off by {off:.1e}")
        assert off < bound
