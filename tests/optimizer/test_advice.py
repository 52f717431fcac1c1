"""Tuned methods, scores and advice: the numbers of a trial, and what they assume."""

import numpy as np
import pytest

from rmtland import MarchenkoPastur
from rmtland.laws import Uniform
from rmtland.optimizer import (
    Chebyshev,
    GradientDescent,
    GradientNoise,
    HeavyBall,
    Nesterov,
    advise,
    best_errors,
    compatibility,
    gradient_measure,
    largest_stable_step,
    predict,
    tuned,
)
from rmtland.optimizer.advice import _ratio
from rmtland.spectrum import Spectrum

KINDS = (GradientDescent, HeavyBall, Nesterov, Chebyshev)


def test_tuned_methods_beside_the_best():
    """Loss after 20 steps at ratio 1/2, over the least possible one."""
    law = MarchenkoPastur(0.5)
    best = best_errors(law, 20)[-1]
    ratios = [predict(tuned(kind, law, 20), law, 20).errors[-1] / best for kind in KINDS]
    np.testing.assert_allclose(ratios, [2846, 2.66, 25.2, 2.19], rtol=0.01)
    edges = predict(Chebyshev.from_edges(*law.hull), law, 20).errors[-1] / best
    assert edges == pytest.approx(16.0, rel=0.01)


@pytest.mark.parametrize(
    ("ratio", "scores"), [(0.25, (0.50, 0.98, 0.78)), (1.0, (0.71, 0.96, 0.91))]
)
def test_scores(ratio, scores):
    law = MarchenkoPastur(ratio, scale=7.0)  # scale-free
    found = [compatibility(tuned(kind, law, 20), law, 20) for kind in KINDS[:3]]
    np.testing.assert_allclose(found, scores, atol=0.006)


def test_a_tuned_step_is_the_least_error_of_a_grid():
    law = Uniform(0.2, 1.0)
    method = tuned(GradientDescent, law, 7, objective="distance")
    grid = np.linspace(0.5, 2.2, 1701)
    errors = [
        predict(GradientDescent(h), law, 7, objective="distance").errors[-1] for h in grid[::20]
    ]
    found = predict(method, law, 7, objective="distance").errors[-1]
    assert found <= min(errors) * (1 + 1e-9)
    assert found == pytest.approx(min(errors), rel=1e-2)


def test_one_curvature_is_solved_in_a_step():
    spectrum = Spectrum([2.0, 2.0])
    for kind in KINDS[:3]:
        assert predict(tuned(kind, spectrum, 3), spectrum, 1).errors[-1] < 1e-30
    with pytest.raises(ValueError, match="one curvature"):
        tuned(Chebyshev, spectrum, 3)
    assert advise(spectrum, steps=3).prediction.errors[-1] < 1e-25


def test_stable_step():
    assert largest_stable_step(MarchenkoPastur(1.0)) == 0.5
    assert largest_stable_step(Spectrum([1.0, 4.0]), momentum=0.5) == 0.75
    with pytest.raises(ValueError, match="below 1"):
        largest_stable_step(Uniform(1, 2), momentum=1.0)


def test_advice_of_a_law():
    law = MarchenkoPastur(0.5)
    advice = advise(law, steps=20, dimension=2000)
    assert advice.method.name == "average-case optimal"
    errors = [candidate.error for candidate in advice.candidates]
    assert errors == sorted(errors)
    assert advice.gain[0] <= advice.gain[1] <= advice.gain[2]
    descent = predict(tuned(GradientDescent, law, 20), law, 20).errors[-1]
    digits = np.log(advice.prediction.errors[-1]) / np.log(descent)
    assert advice.gain[1] == pytest.approx(digits, rel=2e-3)  # the median over matrices and starts
    assert digits > 1.9
    text = str(advice)
    assert "Use the average-case optimal method" in text
    assert "isotropic start" in text


def test_advice_of_a_spectrum_and_of_a_gradient():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(30, 60))
    hessian = factor @ factor.T / 60
    rows = np.array([np.linalg.eigvalsh(hessian), np.linalg.eigvalsh(hessian) * 1.01])
    advice = advise(Spectrum(rows), steps=6)
    assert advice.gain[0] < advice.gain[2]
    known = advise(gradient_measure(hessian, hessian @ rng.normal(size=30), 30).gauss, steps=6)
    assert "isotropic" not in str(known)
    assert known.candidates[0].error >= 0


def test_advice_with_an_outlier():
    """An isolated eigenvalue that the recurrence cannot carry: the advice says how it is met."""
    values = np.append(np.linspace(0.5, 1.5, 200), 30.0)
    advice = advise(Spectrum(values), steps=25)
    assert np.isfinite(advice.prediction.errors).all()
    assert advice.prediction.errors[-1] < 1e-3
    assert "isolated" in str(advice)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_units_do_not_matter(unit):
    one, other = (advise(MarchenkoPastur(0.5, scale=u), steps=8) for u in (1.0, unit))
    assert other.method.name == one.method.name
    np.testing.assert_allclose(other.method.step * unit, one.method.step, rtol=1e-9)
    np.testing.assert_allclose(other.prediction.errors, one.prediction.errors, rtol=1e-9)
    spectrum = Spectrum(np.linspace(1, 3, 9) * unit)
    for objective in ("distance", "loss", "gradient"):
        noise = GradientNoise(0.1)
        found, plain = (
            predict(
                HeavyBall(0.3 / u, 0.4),
                Spectrum(spectrum.nodes * (u / unit)),
                5,
                objective=objective,
                noise=noise,
            ).errors
            for u in (unit, 1.0)
        )
        np.testing.assert_allclose(found, plain, rtol=1e-9)


def test_a_null_space_in_single_precision():
    """Rounding of zero eigenvalues is that of the precision they were computed in."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(80, 40)).astype(np.float32)
    spectrum = Spectrum.from_matrix(factor @ factor.T / np.float32(40))
    assert spectrum.nodes.min() < -1e-8
    assert advise(spectrum, steps=5).prediction.errors[-1] < 0.01


def test_a_gradient_in_single_precision():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(80, 20)).astype(np.float32)
    hessian = factor @ factor.T / np.float32(20)
    gradient = hessian @ rng.normal(size=80).astype(np.float32)
    nodes = gradient_measure(hessian, gradient, 40).gauss.nodes
    assert nodes[0] > 0.1 * np.linalg.eigvalsh(factor.T @ factor / 20)[0]


def test_many_eigenvalues_are_tuned_by_their_quadrature():
    values = np.linspace(0.1, 1.0, 3001)
    law = Uniform(0.1, 1.0)
    for kind in (GradientDescent, HeavyBall):
        one, two = (
            predict(tuned(kind, s, 12), law, 12).errors[-1] for s in (Spectrum(values), law)
        )
        assert one == pytest.approx(two, rel=0.01)


def test_among_equals_the_simplest_is_advised():
    assert advise(MarchenkoPastur(0.5), steps=1).method.name == "gradient descent"
    assert "after 1 step the" in str(advise(MarchenkoPastur(0.5), steps=1))


def test_margins_grow_until_rare_matrices_do_not_make_the_mean():
    """At three scales the mean over matrices of order 100 is 300 times its limit after 20 steps."""
    law = MarchenkoPastur(1.0)
    advice = advise(law, steps=20, dimension=100)
    assert advice.method.name == "average-case optimal"
    found = advice.prediction
    assert found.mean[-1] < 1.2 * found.errors[-1]
    assert all(one.error < 0.01 for one in advice.candidates)  # all have a margin
    assert 1.2 < advice.gain[0] < advice.gain[2] < 1.6


def test_gain_where_gradient_descent_gains_nothing():
    ratio = _ratio(np.array([1e-3, 2.0, 1e-4]), np.array([1.5, 2.0, 1e-2]))
    np.testing.assert_array_equal(ratio, [np.inf, 0.0, 2.0])


def test_a_design_is_not_made_beyond_its_quadrature():
    """Eight Lanczos steps are solved in eight steps, their matrix is not."""
    rng = np.random.default_rng(1)
    values = rng.uniform(0.1, 1.0, size=100)
    found = gradient_measure(np.diag(values), values * rng.normal(size=100), 8).gauss
    assert best_errors(found, 7)[-1] > 0
    with pytest.raises(ValueError, match="up to degree 15"):
        best_errors(found, 8)
    with pytest.raises(ValueError, match="ask for fewer steps"):
        advise(found, steps=12)
    assert predict(GradientDescent(1.0), found, 30).errors[-1] > 0
    with pytest.raises(ValueError, match="another unit"):
        gradient_measure(np.diag(values), 1e-200 * values, 3)


def test_wrong_arguments():
    with pytest.raises(TypeError, match="nothing to tune"):
        tuned(int, Uniform(1, 2), 3)
    with pytest.raises(ValueError, match="negative curvatures"):
        advise(Spectrum([-1.0, 1.0]))
    with pytest.raises(ValueError, match="steps"):
        advise(Uniform(1, 2), steps=0)
