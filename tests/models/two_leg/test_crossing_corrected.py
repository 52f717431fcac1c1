"""The correction for crossing pairings: with the data-aware laws, against drawn matrices."""

import math

import numpy as np
import pytest

from rmtland.models import (
    CrossingCorrectedHessian,
    DysonHessian,
    FiniteSizeHessian,
    PopulationHessian,
    TwoLegHessian,
)
from rmtland.models.two_leg.non_crossing import NonCrossingEquation


def known(activation, n=8, ratio=4, **options):
    rng = np.random.default_rng(1)
    first, x = rng.normal(size=(n, n)) / math.sqrt(n), rng.normal(size=(ratio * n, n))
    fields = {"outputs": n, "epsilon": 0.5, "activation": activation, "rng": 0} | options
    return DysonHessian.of_first_layer(first, x, **fields)


def limit(activation, legs=8, **options):
    fields = {"epsilon": 0.5, "activation": activation, "draws": 4, "legs": legs} | options
    return TwoLegHessian(1, 1, 1, 4, **fields)


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "n"), [("linear", 8), ("relu", 5)])
def test_densities_come_closer_to_drawn_matrices(activation, n):
    model, law = known(activation, n=n), limit(activation, legs=10)
    x, eta = np.linspace(-0.5, 1.0, 7), 0.15
    nodes = model.sample(rng=0, runs=250).nodes
    kernel = eta / np.pi / ((x[:, None, None] - nodes) ** 2 + eta**2)
    drawn = kernel.mean(axis=(1, 2))
    scatter = (kernel.mean(axis=2).std(axis=1, ddof=1) / math.sqrt(250)).max()
    plain = np.abs(model.smoothed_pdf(x, eta=eta) - drawn).max()
    finite = FiniteSizeHessian(model) if activation == "relu" else model
    corrected = CrossingCorrectedHessian(finite, law)
    better = np.abs(corrected.smoothed_pdf(x, eta=eta) - drawn).max()
    assert plain > 5 * scatter
    assert better < 0.55 * plain


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
def test_potential_of_the_non_crossing_law_is_the_integral_of_its_transform(activation):
    equation = NonCrossingEquation(limit(activation, legs=4).equations[0][0])
    z, step = 0.7 + 0.3j, 1e-3
    here, *around = (equation.fixed_point(z + s, None, 1e-12, 2000) for s in (0, step, -step))
    up, down = (
        equation.potential(z + s, one.blocks) for s, one in zip((step, -step), around, strict=True)
    )
    assert (up - down) / (2 * step) == pytest.approx(equation.trace(here.blocks), rel=2e-5)
    far = 1e5j
    there = equation.fixed_point(far, None, 1e-12, 2000)
    assert equation.potential(far, there.blocks) == pytest.approx(np.log(far), abs=1e-4)


def test_non_crossing_law_is_the_limit_of_the_dyson_law():
    z = np.array([-0.3, 0.5, 2.0]) + 0.4j
    model = PopulationHessian(1, 1, 1, 4, activation="erf", epsilon=0.5)
    drawn = np.array([model.draw(12, rng=seed).solve(z, tolerance=1e-6).value for seed in range(3)])
    found = limit("erf").non_crossing(z)
    assert (np.abs(drawn.mean(axis=0) - found.value) < found.error + 0.03).all()


def test_crossings_are_the_difference_of_the_two_laws():
    z = np.array([0.0, 1.0]) + 0.3j
    model = limit("linear", legs=4)
    found = model.crossings(z)
    apart = model.solve(z).value - model.non_crossing(z).value
    assert found.value == pytest.approx(apart, abs=1e-5)
    other = limit("linear", legs=4, seed=5).crossings(z)
    assert (np.abs(found.value - other.value) <= found.error + other.error).all()
    step = 1e-2
    ends = model.crossing_potential(np.array([0.5 + step, 0.5 - step]) + 0.3j).value
    slope = model.crossings(0.5 + 0.3j).value
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(complex(slope), rel=5e-3, abs=1e-4)


def test_interface():
    model = known("relu", n=4)
    corrected = CrossingCorrectedHessian(model, limit("relu", legs=4))
    assert corrected.parts == ("gauss_newton", "residual", "total")
    assert isinstance(corrected.part("gauss_newton"), DysonHessian)
    assert corrected.part("total") is corrected
    assert corrected.mean() == model.mean()
    assert np.array_equal(corrected.sample(rng=0).nodes, model.sample(rng=0).nodes)
    levels = corrected.smoothed_cdf([0.0, 0.2], eta=0.4)
    middle = corrected.smoothed_pdf(0.1, eta=0.4)
    assert levels[1] - levels[0] == pytest.approx(0.2 * middle, rel=0.02)
    with pytest.raises(ValueError, match="smoothed_pdf"):
        corrected.law  # noqa: B018
    finite = CrossingCorrectedHessian(FiniteSizeHessian(known("relu", n=4)), limit("relu", legs=4))
    assert finite.smoothed_pdf(0.1, eta=0.4) != middle


@pytest.mark.parametrize(
    ("model", "law", "error", "message"),
    [
        (known("relu", n=4), "limit", TypeError, "TwoLegHessian"),
        ("model", limit("relu"), TypeError, "DysonHessian"),
        (known("relu", n=4, part="residual"), limit("relu"), ValueError, "part"),
        (known("relu", n=4, ratio=3), limit("relu"), ValueError, "ratios"),
        (known("relu", n=4, epsilon=0.4), limit("relu"), ValueError, "epsilon"),
    ],
)
def test_what_does_not_fit_is_refused(model, law, error, message):
    with pytest.raises(error, match=message):
        CrossingCorrectedHessian(model, law)
