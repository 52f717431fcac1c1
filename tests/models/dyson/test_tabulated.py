"""The tabulated law of a matrix Dyson equation: against the equation, matrices, and itself."""

from contextlib import nullcontext

import numpy as np
import pytest

from rmtland import Spectrum, compare
from rmtland.models import DysonHessian
from rmtland.models.dyson import tabulated
from rmtland.models.dyson.tabulated import TabulatedLaw, tabulated_law
from rmtland.networks import MLP


def network(n, m, activation, seed=3):
    rng = np.random.default_rng(seed)
    net = MLP((n, n, n), activation=activation)
    theta, x = net.init(rng=1), rng.normal(size=(m, n))
    return net, theta, x, rng


@pytest.fixture(scope="module")
def relu():
    """A ReLU network, its model, and eigenvalues of 60 Hessians with W2 and residuals drawn."""
    n, m = 5, 20
    net, theta, x, rng = network(n, m, "relu")
    first = net.unflatten(theta)[0]
    runs = {"total": [], "gauss_newton": []}
    for _ in range(60):
        new = theta.copy()
        new[n * n :] = rng.normal(size=n * n) / np.sqrt(n)
        split = net.at(new, x, net.predict(new, x) - rng.normal(size=(m, n))).hessian()
        for part in runs:
            runs[part].append(np.linalg.eigvalsh(getattr(split, part)))
    model = DysonHessian.of_first_layer(first, x, outputs=n, epsilon=0.5, activation="relu")
    return model, {part: Spectrum(np.array(rows)) for part, rows in runs.items()}


@pytest.fixture(scope="module")
def law(relu):
    return tabulated_law(relu[0])


def test_against_the_equation_at_other_points_and_a_lower_height(relu, law):
    x = np.array([-0.4, -0.11, 0.07, 0.33, 0.9, 1.7])
    exact = relu[0].smoothed_cdf(x, eta=2e-3) * 2 - relu[0].smoothed_cdf(x, eta=4e-3)
    assert np.abs(law.cdf(x) - exact).max() <= law.error < 3e-3
    assert law.mean() == pytest.approx(relu[0].mean(), abs=2e-3)


def test_against_the_mean_spectrum_of_networks(relu, law):
    result = compare(relu[1]["total"], law)
    assert result.kolmogorov < 0.02  # 1/n; for one Hessian chance alone gives about 0.04
    assert result.law_index == pytest.approx(result.spectrum_index, abs=0.008)


def test_null_directions_of_relu_are_an_atom(relu):
    law = tabulated_law(relu[0].part("gauss_newton"), points=72)
    zero = np.mean(np.abs(relu[1]["gauss_newton"].nodes) < 1e-9)
    assert zero == pytest.approx(5 / 50)  # one rescaling for every hidden unit
    assert law.atoms[0] == (0.0, pytest.approx(5 / 50, abs=1e-3))
    assert law.support[0][0] >= 0.0
    assert law.mass_below(0.0) == 0.0
    assert law.error < 0.02
    assert compare(relu[1]["gauss_newton"], law).kolmogorov < 0.02 + law.error


def test_more_parameters_than_residuals_leave_an_atom():
    net, theta, x, _ = network(6, 2, "tanh")
    model = DysonHessian.of_first_layer(
        net.unflatten(theta)[0], x, outputs=6, epsilon=0.0, part="gauss_newton", rng=0
    )
    law = tabulated_law(model, points=24)
    assert law.atoms == ((0.0, pytest.approx(1 - 12 / 72, abs=1e-6)),)
    assert sum(mass for _, mass in law.atoms) + law.masses.sum() == pytest.approx(1.0, rel=1e-12)


def test_anchors_give_the_coupled_law_within_the_error():
    net, theta, x, _ = network(4, 8, "tanh")
    model = DysonHessian.of_first_layer(
        net.unflatten(theta)[0], x, outputs=4, epsilon=0.5, activation="tanh", rng=0
    )
    law, light = tabulated_law(model), tabulated_law(model, anchors=8)
    units = tabulated_law(model.with_coupling("units"))
    x = np.linspace(-0.5, 2.0, 41)
    far = np.abs(units.cdf(x) - law.cdf(x)).max()
    near = np.abs(light.cdf(x) - law.cdf(x)).max()
    assert near <= light.error + law.error
    assert near < far / 2


def test_the_transforms_follow_from_the_pieces(law):
    x = np.linspace(*law.support[0], 200001)
    z = np.array([0.3 + 0.2j, -1.0 + 0.05j, 2.5 + 1e-2j])
    quadrature = np.trapezoid(law.pdf(x) / (z[:, None] - x), x, axis=1)
    assert len(law.support) == 1
    assert law.stieltjes(z) == pytest.approx(quadrature, rel=2e-4)
    step = 1e-6
    slope = (law.log_potential(z + step) - law.log_potential(z - step)) / (2 * step)
    assert law.stieltjes(z) == pytest.approx(slope, rel=1e-7)
    places = np.linspace(-0.5, 2.0, 21)
    assert 1 - law.log_potential(places).imag / np.pi == pytest.approx(law.cdf(places), abs=1e-14)
    assert -law.stieltjes(places).imag / np.pi == pytest.approx(law.pdf(places), abs=1e-9)
    assert np.isfinite(law.stieltjes(law.edges)).all()
    q = np.linspace(0, 1, 33)
    assert law.cdf(law.ppf(q)) == pytest.approx(q, abs=1e-12)
    assert law.moment(2) == pytest.approx(np.trapezoid(law.pdf(x) * x**2, x), rel=1e-4)


def test_an_atom_between_pieces():
    law = TabulatedLaw(np.array([-1.0, -0.5, 0.5, 1.0]), np.array([0.25, 0.0, 0.25]), 0.5)
    assert law.support == ((-1.0, -0.5), (0.5, 1.0))
    assert law.cdf([-2, -0.75, -0.2, 0.0, 0.2, 0.75, 3]) == pytest.approx(
        [0, 0.125, 0.25, 0.75, 0.75, 0.875, 1]
    )
    assert law.mass_below(0.0) == 0.25
    assert law.ppf([0, 0.125, 0.3, 0.75, 0.875, 1]) == pytest.approx([-1, -0.75, 0, 0, 0.75, 1])
    assert law.moment(2) == pytest.approx(0.5 * (1 + 0.5 + 0.25) / 3)
    assert law.stieltjes(1e9j) == pytest.approx(1 / 1e9j)


def test_limits_need_not_hold_the_spectrum_exactly(relu, law):
    wide = tabulated_law(relu[0], limits=(-3.0, 9.0))
    x = np.linspace(-0.5, 2.0, 21)
    assert np.abs(wide.cdf(x) - law.cdf(x)).max() <= wide.error + law.error


def test_progress_counts_to_the_end(relu):
    seen = []
    tabulated_law(relu[0], points=20, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert len({total for _, total in seen}) == 1
    assert all(0 < done <= total < 60 for done, total in seen)


def test_arguments_are_checked(relu):
    with pytest.raises(TypeError, match="DysonHessian"):
        tabulated_law(3)
    with pytest.raises(ValueError, match="points"):
        tabulated_law(relu[0], points=5)
    with pytest.raises(ValueError, match="anchors"):
        tabulated_law(relu[0], anchors=2)
    with pytest.raises(ValueError, match="limits"):
        tabulated_law(relu[0], limits=(1.0, 1.0))
    with pytest.raises(ValueError, match="ascend"):
        TabulatedLaw(np.array([0.0, 0.0]), np.array([1.0]))
    with pytest.raises(ValueError, match="sum to 1"):
        TabulatedLaw(np.array([0.0, 1.0]), np.array([0.7]))


@pytest.mark.parametrize(("coupling", "alone"), [("units", True), ("full", False)])
def test_large_matrices_of_coupled_units_keep_their_threads(monkeypatch, coupling, alone):
    net, theta, x, _ = network(6, 8, "relu")
    model = DysonHessian.of_first_layer(
        net.unflatten(theta)[0], x, outputs=6, epsilon=0.5, activation="relu", coupling=coupling
    )
    limits = []
    monkeypatch.setattr(tabulated, "_SMALL", 20)  # above 6 units and 8 samples, below 36 weights
    monkeypatch.setattr(
        tabulated, "threadpool_limits", lambda n, **_: limits.append(n) or nullcontext()
    )
    monkeypatch.setattr(tabulated, "_fill", lambda *_: None)
    monkeypatch.setattr(tabulated._Table, "law", lambda self: None)
    tabulated_law(model)
    assert limits == [1] * alone


def test_a_law_in_tiny_units_has_a_transform_without_a_warning():
    """Its slope overflows there, which is no fault of the transform."""
    one = TabulatedLaw(np.linspace(0.0, 1.0, 5), np.full(4, 0.25))
    tiny = TabulatedLaw(1e-200 * one.edges, one.masses)
    z = np.array([0.3 + 0.2j, 1.5 + 0.0j])
    assert np.allclose(1e-200 * tiny.stieltjes(1e-200 * z), one.stieltjes(z), rtol=1e-12)
    assert not np.isnan(tiny._jet(1e-200 * z)[1]).any()
