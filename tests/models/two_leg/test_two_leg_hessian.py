"""The two-leg law: exact words, quadratures, its potential, drawn networks of 128 units."""

import json
import math
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from two_leg_words import WordTraces

from rmtland.laws import Discrete, MarchenkoPastur
from rmtland.models import FiniteWidthHessian, PopulationHessian, TwoLegHessian
from rmtland.models.dyson import fixed_points
from rmtland.models.population.equation import activation_rule
from rmtland.models.two_leg import leg_averages
from rmtland.models.two_leg.equation import TwoLegEquation
from rmtland.models.two_leg.sampled_leg import (
    SampledLeg,
    isotropic,
    leg_sizes,
    ratios_off,
    sample_rule,
)
from rmtland.models.two_leg.slope_medium import SlopeMedium
from rmtland.solution import ConvergenceError

EXACT = [1, 3.875, 18.6875, 111.6328, 760.209, 5696.563, 45824.37, 389128.3]
TABLE = json.loads((Path(__file__).parents[2] / "reference" / "two_leg.json").read_text("utf-8"))


def equation_of(activation, sizes, *, epsilon=0.5, seed=0, nodes=8, levels=None):
    n0 = sizes[0]
    levels = np.ones(n0) if levels is None else np.asarray(levels)
    rule = activation_rule(activation, levels.mean())
    sigma, share = np.unique(levels, return_counts=True)
    places, weights = sample_rule(sigma, share, n0 / sizes[3], count=nodes)
    leg = SampledLeg.draw(
        sizes,
        levels,
        slope=rule.slope,
        rest=rule.rest,
        first_variance=1.0,
        second_variance=1.0,
        epsilon=epsilon,
        rng=np.random.default_rng(seed),
    )
    medium = SlopeMedium.of_rule(rule, 2 * epsilon * sizes[2] / sizes[1])
    return TwoLegEquation(
        sizes, leg, places, weights, medium, rule.slope, rule.rest, 1.0, 1.0, epsilon
    )


def moments_by_contour(equation, powers, radius=40.0, arcs=20):
    """Of both orders, from G on a half circle: the lower half is its mirror image."""
    z = radius * np.exp(1j * np.pi * (np.arange(arcs) + 0.5) / arcs)
    found, state = [], None
    for point in z[np.argsort(-z.imag)]:
        solved = equation.fixed_point(point, state, 1e-13, 2000)
        assert solved.converged
        found.append((point, equation.both_orders(solved.blocks)))
    points = np.array([point for point, _ in found])
    values = np.array([value for _, value in found])
    return [(points[:, None] ** (k + 1) * values).real.mean(axis=0) for k in powers]


# Words -----------------------------------------------------------------------------------------


def test_words_of_the_linear_network_give_the_exact_moments():
    nodes, weights = sample_rule([1.0], [1.0], 0.25, count=10)
    traces = WordTraces((1, 1, 1, 4), nodes, weights, epsilon=0.5)
    found = [traces.moment(k, (traces.limit, traces.limit)) for k in range(1, 9)]
    assert found == pytest.approx(EXACT, rel=2e-7)


@pytest.mark.parametrize(
    ("sizes", "levels"),
    [
        ((3, 3, 3, 12), None),
        ((6, 4, 3, 5), None),  # more inputs than samples
        ((4, 3, 5, 10), [0.25, 0.25, 1.5, 2.0]),
    ],
)
def test_moments_given_the_sampled_leg_are_those_of_words(sizes, levels):
    equation = equation_of("linear", sizes, levels=levels)
    traces = WordTraces(
        sizes, equation.nodes, equation.weights, epsilon=equation.epsilon, leg=equation.leg
    )
    powers = range(1, 7)
    found = moments_by_contour(equation, powers)
    for power, (first, second) in zip(powers, found, strict=True):
        # the first order averages the leg of outputs of A = (outputs, hidden units)
        assert first == pytest.approx(traces.moment(power, (traces.limit, traces.drawn)), rel=1e-6)
        assert second == pytest.approx(traces.moment(power, (traces.drawn, traces.limit)), rel=1e-6)


def test_moments_of_drawn_networks_of_unequal_sizes():
    sizes = (3.0, 2.0, 1.0, 6.0)
    nodes, weights = sample_rule([1.0], [1.0], 0.5, count=8)
    traces = WordTraces(sizes, nodes, weights, epsilon=0.5)
    model = PopulationHessian(*sizes, activation="linear", epsilon=0.5)
    drawn = model.sample(16, rng=0, runs=6).nodes
    for power in range(1, 5):
        values = (drawn**power).mean(axis=1)
        error = values.std(ddof=1) / math.sqrt(6)
        exact = traces.moment(power, (traces.limit, traces.limit))
        assert abs(values.mean() - exact) < 4 * error + 0.02 * exact


# The parts of the equation ---------------------------------------------------------------------


@pytest.mark.parametrize("aspect", [0.25, 1.0, 3.0])
def test_sample_rule_integrates_the_law_of_the_samples(aspect):
    nodes, weights = sample_rule([2.0], [1.0], aspect, count=6)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    law = MarchenkoPastur(1 / aspect, 2.0 * aspect)  # X^T X/m: m x m, from n0 samples
    for power in range(1, 12):
        assert weights @ nodes**power == pytest.approx(law.moment(power), rel=1e-10)
    # the exact recurrence is that of the closed form
    exact, shares = sample_rule([2.0, 2.0], [0.5, 0.5], aspect, count=6)
    assert exact == pytest.approx(nodes, rel=1e-10)
    assert shares == pytest.approx(weights, rel=1e-9)


def test_sample_rule_of_correlated_data():
    nodes, weights = sample_rule([0.0, 0.5, 3.0], [0.5, 0.25, 0.25], 1.2, count=5)
    rng = np.random.default_rng(0)
    levels = np.repeat([0.0, 0.5, 3.0], [300, 150, 150])
    x = rng.normal(size=(500, 600)) * np.sqrt(levels)
    values = np.linalg.eigvalsh(x @ x.T / 500)
    assert weights[-1] == pytest.approx(0.4)
    assert nodes[-1] == 0
    for power in range(1, 6):
        assert weights @ nodes**power == pytest.approx((values**power).mean(), rel=0.04)


def test_isotropic_matrices_have_the_moments_of_gaussian_ones():
    rows, columns = 20, 60
    matrix = isotropic(rows, columns, np.random.default_rng(0))
    gram = matrix @ matrix.conj().T / columns
    law = MarchenkoPastur(rows / columns)
    for power in range(1, 5):
        exact = law.moment(power)
        moment = np.trace(np.linalg.matrix_power(gram, power)).real / rows
        assert moment == pytest.approx(exact, rel=0.2 / rows * power)
    # singular vectors are uniform: so are the moduli of a row
    many = [isotropic(3, 4, np.random.default_rng(seed))[0, 0] for seed in range(400)]
    assert abs(np.mean(many)) < 4 / 20
    assert np.mean(np.abs(many) ** 2) == pytest.approx(1, abs=0.2)


def test_leg_sizes_keep_ratios():
    assert leg_sizes((1.5, 1.0, 0.75, 3.0), 12) == (18, 12, 9, 36)
    assert leg_sizes((4.0, 3.0, 5.0, 7.0), 13) == (20, 15, 25, 35)


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_green_function_of_slopes_is_its_quadrature(scale):
    rule = activation_rule("tanh", 1.0)
    medium = SlopeMedium.of_rule(rule, 0.7)
    energy = scale * np.array([0.3 + 0.4j, -0.1 + 0.1j, 0.5 + 0.9j])
    deltas, shares = np.polynomial.hermite_e.hermegauss(180)
    matrix = np.array([[energy[0], energy[1]], [energy[1], energy[2]]])
    total = np.zeros((2, 2), dtype=complex)
    logarithm = 0.0
    for mass, d, spread in zip(medium.masses, medium.slopes, medium.spreads, strict=True):
        k = np.zeros((deltas.size, 2, 2))
        k[:, 0, 1] = k[:, 1, 0] = -d
        k[:, 1, 1] = -spread * deltas
        one = np.eye(2) - matrix @ k
        total += mass * np.einsum("i,ijk->jk", shares / shares.sum(), k @ np.linalg.inv(one))
        values = np.log(1 - np.linalg.eigvals(matrix @ k)).sum(axis=1)
        logarithm += mass * (shares / shares.sum() @ values)
    assert medium.green(energy) == pytest.approx(total[[0, 0, 1], [0, 1, 1]], rel=1e-7)
    assert medium.log_determinant(energy) == pytest.approx(logarithm, rel=1e-6)


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "quadratic"])
def test_potential_is_the_integral_of_the_transform(activation):
    equation = equation_of(activation, (6, 4, 3, 5), nodes=6)
    z, step = 0.7 + 0.3j, 1e-3
    solved = [equation.fixed_point(z + s, None, 1e-12, 2000) for s in (0, step, -step)]
    values = [
        equation.potential(z + s, one.blocks)
        for s, one in zip((step, -step), solved[1:], strict=True)
    ]
    exact = equation.trace(solved[0].blocks)
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(exact, rel=2e-5)
    far = 1e5j
    there = equation.fixed_point(far, None, 1e-12, 2000)
    assert equation.potential(far, there.blocks) == pytest.approx(np.log(far), abs=1e-4)
    assert equation.trace(there.blocks) * far == pytest.approx(1, abs=1e-4)


def test_averaged_iteration_finds_the_same_solution():
    equation = equation_of("relu", (4, 4, 4, 8), nodes=4)
    z = 0.4 + 0.3j
    y = equation.start(z)
    for _ in range(600):
        y = (y + equation.apply(z, y)[0]) / 2
    plain = equation.trace(equation.apply(z, y)[1])
    assert equation.trace(equation.fixed_point(z, None, 1e-10, 400).blocks) == pytest.approx(plain)


# The model -------------------------------------------------------------------------------------

QUICK = {"activation": "relu", "epsilon": 0.5, "legs": 8, "draws": 4}
X = np.array([-0.6, 0.0, 0.7, 3.0])


def test_error_covers_other_draws():
    first, second = (TwoLegHessian(1, 1, 1, 4, **QUICK, seed=seed) for seed in (0, 1))
    one, other = (model.solve(X + 0.2j) for model in (first, second))
    assert one.converged
    assert (np.abs(one.value - other.value) <= one.error + other.error).all()
    assert (one.error < 0.1 * np.abs(one.value).max()).all()
    assert first.smoothed_pdf(X, eta=0.2) == pytest.approx(-one.value.imag / np.pi)
    assert np.array_equal(one.value, TwoLegHessian(1, 1, 1, 4, **QUICK).solve(X + 0.2j).value)
    orders = first.orders(X + 0.2j)
    assert (orders.difference < 4 * orders.standard_error).all()
    assert (orders.first + orders.second) / 2 == pytest.approx(one.value)


def test_distribution_function_integrates_the_density():
    model = TwoLegHessian(1, 1, 1, 4, **(QUICK | {"activation": "tanh", "draws": 2}))
    nodes, weights = np.polynomial.legendre.leggauss(8)
    low, high = 0.2, 0.8
    x = (low + high) / 2 + (high - low) / 2 * nodes
    mass = (high - low) / 2 * weights @ model.smoothed_pdf(x, eta=0.3)
    levels = model.smoothed_cdf([low, high], eta=0.3)
    assert levels[1] - levels[0] == pytest.approx(mass, rel=1e-4)
    assert 0 < levels[0] < levels[1] < 1


def test_variance_is_that_of_words():
    model = TwoLegHessian(1, 1, 1, 4, activation="linear", epsilon=0.5, legs=4, draws=2)
    assert model.mean() == pytest.approx(EXACT[0])
    assert model.var() == pytest.approx(EXACT[1] - EXACT[0] ** 2, rel=1e-4)


def test_an_index_that_the_legs_leave_open_is_not_returned():
    """It was returned with an error of .34, as if it were known to .01."""
    model = TwoLegHessian(1, 1, 1, 4, activation="relu", epsilon=0.5, legs=4, draws=2)
    found = model.solve_index()
    assert found.error > 0.01
    assert not found.converged
    with pytest.raises(ConvergenceError, match="more legs"):
        model.index()


@pytest.mark.slow
def test_index_is_that_of_drawn_networks():
    model = TwoLegHessian(1, 1, 1, 4, activation="relu", epsilon=0.5, legs=12, draws=4)
    found = model.solve_index()
    drawn = model.sample(20, rng=0, runs=4).nodes
    assert abs(float(found.value) - (drawn < 0).mean()) < float(found.error) + 0.01


def test_correlated_data_and_parts():
    covariance = Discrete((0.25, 1.75), (0.5, 0.5))
    options = {"activation": "erf", "epsilon": 0.4, "legs": 8, "draws": 4}
    model = TwoLegHessian(1, 1, 0.5, 3, covariance=covariance, **options)
    white = TwoLegHessian(1, 1, 0.5, 3, **options)
    z = np.array([0.3, 1.0]) + 0.3j
    found = model.solve(z)
    nodes = model.sample(24, rng=0, runs=6).nodes
    drawn = np.mean(1 / (z[:, None] - nodes.ravel()), axis=1)
    assert (np.abs(drawn - found.value) < found.error + 0.02).all()
    assert np.abs(drawn - white.solve(z).value).max() > 2 * np.abs(drawn - found.value).max()
    assert model.parts == ("gauss_newton", "residual", "total")
    assert model.part("total") is model
    assert isinstance(model.part("gauss_newton"), PopulationHessian)
    assert model.part("residual").epsilon == 0.4
    assert model.mean() == pytest.approx(model.part("gauss_newton").mean())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0.0}, "PopulationHessian"),
        ({"epsilon": -1.0}, "epsilon"),
        ({"epsilon": 0.5, "legs": 3}, "legs"),
        ({"epsilon": 0.5, "draws": 1}, "draws"),
        ({"epsilon": 0.5, "nodes": 1}, "nodes"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        TwoLegHessian(1, 1, 1, 4, **options)


def test_no_answer_without_a_solution(monkeypatch):
    model = TwoLegHessian(1, 1, 1, 4, **QUICK)
    with pytest.raises(ValueError, match="Im z > 0"):
        model.solve(0.3)
    with pytest.raises(ValueError, match="smoothed_pdf"):
        model.law  # noqa: B018
    monkeypatch.setattr(fixed_points, "STEPS", 4)
    monkeypatch.setattr(fixed_points, "_PATIENCE", 4)
    with pytest.raises(ConvergenceError, match=r"two-leg equation was not solved at 0\.3"):
        model.solve(0.3 + 0.05j)
    found = model.solve(0.3 + 0.05j, throw=False)
    assert not found.converged
    assert np.isnan(found.value)


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((1, 100, 1, 1), {}),  # (1, 30, 1, 1): an answer 600 % off
        ((1, 8, 1, 1), {"legs": 8}),  # the small leg is (1, 5, 1, 1)
        ((1, 1, 1, 4), {"covariance": Discrete((0.0, 50.0), (0.98, 0.02))}),  # no data at all
    ],
)
def test_legs_that_cannot_have_the_ratios_are_refused(sizes, options):
    model = TwoLegHessian(*sizes, activation="relu", epsilon=0.5, **options)
    with pytest.raises(ValueError, match=r"relative error of .* take legs=\d+") as caught:
        model.smoothed_pdf(0.0, eta=0.3)
    advised = int(str(caught.value).rpartition("=")[2])
    more = TwoLegHessian(*sizes, activation="relu", epsilon=0.5, **(options | {"legs": advised}))
    assert max(ratios_off(more.sizes, leg) for leg in more.leg_sizes) < 0.3
    assert len(more.averaged_leg[0])
    levels = more.population.levels(more.leg_sizes[0][0])
    assert levels.mean() == pytest.approx(more.preactivation_variance, rel=0.2)


def test_error_states_what_rounded_sizes_are_off_by():
    model = TwoLegHessian(1, 8, 1, 1, activation="relu", epsilon=0.5, draws=2)
    assert model.leg_sizes == ((3, 24, 3, 3), (2, 15, 2, 2))
    off = 1 / (1.6**2 - 1) * (2 / (15 / 8) - 1)
    found = model.solve([100j, 0.5 + 0.5j])  # far away the legs do not scatter
    assert (found.error > off * np.abs(found.value)).all()
    assert found.error[0] < 1.1 * off * abs(found.value[0])
    other = TwoLegHessian(1, 8, 1, 1, activation="relu", epsilon=0.5, draws=2, legs=32)
    exact = other.solve(0.5 + 0.5j)
    assert abs(found.value[1] - exact.value) < found.error[1] + exact.error


def test_legs_are_chosen_so_that_their_data_have_the_levels():
    """Of eight levels a fifth is none: with two of them the variance was 25 % too large."""
    levels = [0.0, 0.0, 0.0, 0.0, 10.0]
    model = TwoLegHessian(1, 1, 1, 4, covariance=levels, **QUICK)
    assert model.leg_sizes == ((10, 10, 10, 40), (5, 5, 5, 20))


def test_more_memory_than_there_is_is_refused():
    model = TwoLegHessian(1, 1, 1, 1e5, activation="relu", epsilon=0.5)
    for solve in (model.solve, model.non_crossing):
        with pytest.raises(MemoryError, match="smaller legs"):
            solve(1j)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, np.nan])
def test_tolerance_is_positive(tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        TwoLegHessian(1, 1, 1, 4, **QUICK).solve(1j, tolerance=tolerance)


def test_other_legs_stop_at_an_interruption(monkeypatch):
    monkeypatch.setattr(leg_averages, "threads", lambda tasks: tasks)
    stop, started, ended = Event(), Event(), []

    def task(i):
        if i == 0:
            started.wait(5)
            raise KeyboardInterrupt
        started.set()
        ended.append(stop.wait(5))

    with pytest.raises(KeyboardInterrupt):
        leg_averages.in_threads(task, 2, stop)
    assert ended == [True]


# Against networks of 128 units -------------------------------------------------------------------


OTHER_SHAPES = [("tanh", 1.0), ("relu", 1.5), ("gelu", 1.5)]
"""Each activation has one shape of the table; the linear network, whose legs scatter, has both."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [one for one in TABLE["cases"] if (one["activation"], one["shape"][0]) not in OTHER_SHAPES],
    ids=lambda case: f"{case['activation']}-{case['shape'][0]}",
)
def test_density_is_that_of_large_networks(case):
    # eight legs of a square linear network scatter by half a per cent of the peak: 3.5 of that
    scatters = case["activation"] == "linear" and case["shape"][0] == 1
    bound = 0.0175 if scatters else 0.01
    x, density, error = (np.array(case[key])[::8] for key in ("x", "density", "error"))
    limit = TwoLegHessian(
        *case["shape"], activation=case["activation"], epsilon=TABLE["epsilon"], draws=8
    )
    found = FiniteWidthHessian(limit, TABLE["n"]).solve(x + 1j * TABLE["eta"])
    law, peak = -found.value.imag / np.pi, max(case["density"])
    assert (np.abs(law - density) <= found.error / np.pi + 3 * error).all()
    assert np.abs(law - density).max() < bound * peak
