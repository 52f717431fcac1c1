"""Average-case optimal methods against closed forms, the Christoffel bound and plain references."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st
from law_table import LAWS

from rmtland import MarchenkoPastur, Semicircle
from rmtland.laws import Discrete, Law, Normal, Uniform
from rmtland.optimizer import (
    AverageCase,
    StartMeasure,
    average_case_optimal,
    best_errors,
    predict,
    residual_polynomials,
    smeared,
    start_measure,
)
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum

OBJECTIVES = ("distance", "loss", "gradient")
POSITIVE = [
    case
    for case in LAWS
    if math.isfinite(case.law.hull[1]) and case.law.hull[0] >= 0 < case.law.hull[1]
]


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_distance_for_marchenko_pastur(ratio):
    t = np.arange(16)
    expected = (1 - ratio) * ratio**t / (1 - ratio ** (t + 1.0))
    found = best_errors(MarchenkoPastur(ratio), 15, objective="distance")
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_closed_forms_of_a_square_wishart():
    t = np.arange(31.0)
    law = MarchenkoPastur(1.0, scale=3.0)
    np.testing.assert_allclose(best_errors(law, 30, objective="distance"), 1 / (t + 1), rtol=1e-11)
    np.testing.assert_allclose(
        best_errors(law, 30), 6 / ((t + 1) * (t + 2) * (2 * t + 3)), rtol=1e-11
    )


def test_recurrence_of_marchenko_pastur():
    """Coefficients of the published recurrence for the distance (Pedregosa and Scieur 2020)."""
    r, v = 0.3, 2.0
    method = average_case_optimal(MarchenkoPastur(r, scale=v), 12, objective="distance")
    rho = (1 + r) / math.sqrt(r)
    delta = -1 / rho
    assert method.step[0] == pytest.approx(1 / ((1 + r) * v), rel=1e-12)
    for t in range(1, 12):
        delta = -1 / (rho + delta)
        assert method.step[t] == pytest.approx(-delta / (v * math.sqrt(r)), rel=1e-11)
        assert method.momentum[t] == pytest.approx(-(1 + rho * delta), rel=1e-10)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("case", POSITIVE, ids=[case.name for case in POSITIVE])
def test_error_is_the_christoffel_function(case, objective):
    """On every positive law of the table, to rounding."""
    steps = 10
    bound = best_errors(case.law, steps, objective=objective)
    method = average_case_optimal(case.law, steps, objective=objective)
    steps = method.step.size
    start = start_measure(case.law, degree=2 * steps + 3)
    values = residual_polynomials(method, start.nodes, steps)
    errors = values**2 @ start.shares(objective) / start.initial(objective)
    np.testing.assert_allclose(errors, bound[: steps + 1], rtol=2e-12, atol=1e-18)


@given(
    st.lists(st.floats(0.01, 10), min_size=2, max_size=6, unique=True),
    st.sampled_from(OBJECTIVES),
    st.integers(0, 4),
)
def test_bound_is_least_squares(places, objective, steps):
    """The bound is a least-squares problem: solved plainly in 60 digits."""
    nodes = np.sort(np.array(places))
    if np.diff(nodes).min() < 1e-3 * nodes[-1]:
        nodes = nodes * (1 + 0.3 * np.arange(nodes.size))
    steps = min(steps, nodes.size - 1)
    law = Discrete(nodes, np.ones(nodes.size) / nodes.size)
    k = OBJECTIVES.index(objective)
    with mpmath.workdps(40):
        x = [mpmath.mpf(float(node)) for node in nodes]
        rows = mpmath.matrix(len(x), steps) if steps else None
        target = mpmath.matrix(len(x), 1)
        for i, node in enumerate(x):
            root = mpmath.sqrt(node**k)
            target[i] = root
            for j in range(steps):
                rows[i, j] = root * node ** (j + 1)
        left = mpmath.norm(target) ** 2
        if steps:
            best = mpmath.lu_solve(rows.T * rows, rows.T * target)
            expected = mpmath.norm(target - rows * best) ** 2 / left
        else:
            expected = mpmath.mpf(1)
    found = best_errors(law, steps, objective=objective)[-1]
    assert found == pytest.approx(float(expected), rel=1e-8)


def test_null_space_is_left_where_it_is():
    law = MarchenkoPastur(2.5)  # three fifths of the eigenvalues are 0
    bound = best_errors(law, 40, objective="distance")
    assert bound[-1] == pytest.approx(0.6, rel=1e-9)
    method = average_case_optimal(law, 40, objective="distance")
    np.testing.assert_allclose(
        predict(method, law, 40, objective="distance").errors, bound, rtol=1e-9
    )
    assert best_errors(law, 40)[-1] < 1e-12


def test_many_steps_do_not_overflow():
    bound = best_errors(MarchenkoPastur(0.01), 400)
    assert (np.diff(bound) <= 0).all()
    assert bound[60] > 0 == bound[-1]  # below 1e-308


def test_few_eigenvalues_end_in_as_many_steps():
    spectrum = Spectrum([1.0, 2.0, 4.0])
    bound = best_errors(spectrum, 5)
    assert bound[2] > 1e-6
    np.testing.assert_array_equal(bound[3:], 0.0)
    method = average_case_optimal(spectrum, 5)
    errors = predict(method, spectrum, 3).errors
    assert errors[3] < 1e-25
    np.testing.assert_allclose(errors[:3], bound[:3], rtol=1e-12)


def test_a_solved_measure_stays_solved():
    """Three curvatures end in three steps; what follows starts without momentum."""
    law = Discrete((1.0, 2.0, 100.0), (0.5, 0.3, 0.2))
    errors = predict(average_case_optimal(law, 20), law, 20).errors
    assert errors[2] > 1e-3
    assert (errors[3:] < 1e-20).all()


def test_measures_are_checked():
    found = StartMeasure([1.0, 2.0], [1, 1])
    assert found.weights.dtype == np.float64
    with pytest.raises(ValueError, match="ascend"):
        StartMeasure([2.0, 1.0], [1.0, 1.0])


def test_coefficients_tend_to_the_heavy_ball():
    method = average_case_optimal(MarchenkoPastur(0.5), 60)
    step, momentum, _ = method.coefficients(70)
    assert step[59] == pytest.approx(method.limit.step, rel=2e-3)
    assert momentum[59] == pytest.approx(method.limit.momentum, rel=2e-2)
    assert (step[60:] == method.limit.step).all()


def outlier():
    bulk = start_measure(MarchenkoPastur(0.3), degree=60)
    return StartMeasure(
        np.append(bulk.nodes, 10.0), np.append(bulk.weights * (1 - 1e-4), 1e-4), degree=60
    )


def test_isolated_points_are_refused_and_smeared():
    with pytest.raises(ConvergenceError, match="isolated curvature 10"):
        average_case_optimal(outlier(), 25)
    wide = smeared(outlier(), degree=53, width=0.05)
    assert wide.weights.sum() == pytest.approx(1, rel=1e-12)
    method = average_case_optimal(wide, 25)
    errors = predict(method, outlier(), 25).errors
    best = best_errors(outlier(), 25)
    assert best[-1] < errors[-1] < 1e-6  # it loses something, and stays stable
    assert abs(residual_polynomials(method, np.array([10.0]), 25)[-1, 0]) < 1


def test_design_for_finite_matrices_is_wider():
    law = MarchenkoPastur(0.5)
    plain, safe = (average_case_optimal(law, 20, dimension=n) for n in (None, 2000))
    assert safe.edges[0] < plain.edges[0] < plain.edges[1] < safe.edges[1]
    ends = [predict(method, law, 20, dimension=2000, rng=0) for method in (plain, safe)]
    assert ends[0].errors[-1] < ends[1].errors[-1] < 1.1 * ends[0].errors[-1]
    # the mean leaves its limit by 16 % without the margin and by 2 % with it
    assert ends[0].mean[-1] / ends[0].errors[-1] > 1.12
    assert ends[1].mean[-1] / ends[1].errors[-1] < 1.05


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Semicircle(), "negative curvatures"),
        (Normal(5.0, 1.0), "no largest curvature"),
        (Spectrum([0.0, 0.0]), "no curvature above 0"),
        (Spectrum([-1.0, 2.0]), "negative curvatures"),
    ],
)
def test_what_has_no_minimum_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        average_case_optimal(source, 3)


def test_wrong_arguments():
    law = Uniform(1, 2)
    with pytest.raises(ValueError, match="objective"):
        average_case_optimal(law, 3, objective="speed")
    with pytest.raises(ValueError, match="steps"):
        best_errors(law, -1)
    with pytest.raises(TypeError, match=r"curvatures come from .* take Spectrum\(eigenvalues\)"):
        best_errors([1.0, 2.0], 3)
    with pytest.raises(ValueError, match="dimension= is for laws"):
        average_case_optimal(Spectrum([1.0, 2.0]), 1, dimension=100)
    with pytest.raises(ValueError, match="below 1"):
        smeared(law, degree=5, width=1.0)
    lanczos = Spectrum([[1.0, 2.0]], [[0.5, 0.5]], alpha=[[1.5, 1.5]], beta=[[0.5]])
    with pytest.raises(ValueError, match="know moments up to 3"):
        average_case_optimal(lanczos, 2)
    assert isinstance(average_case_optimal(law, 1), AverageCase)
    assert isinstance(law, Law)
