"""Many small minimisations at once: each as if it were alone, and honest about what is missing."""

import numpy as np
import pytest
from scipy.optimize import minimize

from rmtland.landscape.minimisers import minimise_batch


def rosenbrock(x, which):
    a, b = 1 - x[:, :-1], x[:, 1:] - x[:, :-1] ** 2
    gradient = np.zeros_like(x)
    gradient[:, :-1] = -2 * a - 400 * x[:, :-1] * b
    gradient[:, 1:] += 200 * b
    return (a**2 + 100 * b**2).sum(axis=1), gradient


def test_it_reaches_the_minimum_of_a_curved_valley():
    start = np.random.default_rng(0).normal(size=(7, 4))
    found = minimise_batch(rosenbrock, start, steps=2000, gain=0.0)
    for x, value in zip(found.x, found.values, strict=True):
        alone = minimize(lambda z: rosenbrock(z[None], None)[0][0], x, method="Nelder-Mead")
        assert value <= alone.fun + 1e-10
    np.testing.assert_allclose(found.values, rosenbrock(found.x, None)[0])


def test_a_start_is_not_changed_by_its_neighbours():
    start = np.random.default_rng(1).normal(size=(5, 3))
    together = minimise_batch(rosenbrock, start, steps=50, gain=0.0)
    for i in range(5):
        alone = minimise_batch(rosenbrock, start[i : i + 1], steps=50, gain=0.0)
        np.testing.assert_allclose(alone.x[0], together.x[i], rtol=1e-9)
        assert alone.steps[0] == together.steps[i]


def test_starts_that_have_ended_are_not_computed_again():
    seen = []

    def bowl(x, which):
        seen.append(len(which))
        curvature = np.where(which[:, None] == 0, 1.0, np.logspace(0, 4, 30))
        return (curvature * x * x).sum(axis=1), 2 * curvature * x

    found = minimise_batch(bowl, np.ones((2, 30)), steps=500)
    assert found.steps[0] < found.steps[1]
    assert seen[0] == 2
    assert seen[-1] == 1


def test_what_is_missing_covers_a_slow_fall():
    """exp(-x) falls without end like 1/steps^2 at best; its infimum is 0."""

    def tail(x, which):
        value = 1.0 / (1.0 + x[:, 0] ** 2)
        return value, -2 * x * (value**2)[:, None]

    found = minimise_batch(tail, np.array([[0.5], [2.0]]), steps=6, gradient=0.0, gain=0.0)
    assert (found.missing >= found.values).all()


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (np.ones(3), "finite array of shape"),
        (np.full((1, 2), np.inf), "finite array of shape"),
        (np.full((1, 2), np.nan), "start holds 2 NaN"),
    ],
)
def test_bad_starts_are_refused(start, message):
    with pytest.raises(ValueError, match=message):
        minimise_batch(rosenbrock, start)


def test_a_function_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not finite at every start"):
        minimise_batch(lambda x, which: (x[:, 0] * np.inf, x), np.ones((1, 2)))
