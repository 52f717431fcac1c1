"""Tuned methods, scores and advice: the numbers of a trial, and what they assume."""

import numpy as np
import pytest

from rmtland import MarchenkoPastur
from rmtland.laws import Uniform
from rmtland.optimizer import (
    Chebyshev,
    GradientDescent,
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
    assert advice.gain[1] == pytest.approx(digits, rel=1e-6)
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


def test_wrong_arguments():
    with pytest.raises(TypeError, match="nothing to tune"):
        tuned(int, Uniform(1, 2), 3)
    with pytest.raises(ValueError, match="negative curvatures"):
        advise(Spectrum([-1.0, 1.0]))
    with pytest.raises(ValueError, match="steps"):
        advise(Uniform(1, 2), steps=0)
