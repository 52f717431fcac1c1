"""Fixed points along a row of points, on the semicircle, whose solution is known."""

import numpy as np
import pytest

from rmtland import Semicircle
from rmtland.models.dyson.fixed_points import (
    STEPS,
    FixedPoint,
    SolvedStates,
    anderson,
    solve_along,
)


class SemicircleEquation:
    """G = 1/(z - G) as an equation of one number; it refuses its first warm starts."""

    def __init__(self, refusals=0):
        self.refusals, self.cold = refusals, 0

    def start(self, z):
        return np.array([1 / z])

    def apply(self, z, y):
        new = 1 / (z - y)
        return new, complex(new[0])

    def in_half_plane(self, y):
        return bool(y[0].imag < 0)

    def fixed_point(self, z, start, tolerance, limit):
        y = self.start(z) if start is None else start
        self.cold += start is None
        y, blocks, steps, size = anderson(self, z, y, tolerance, limit=limit)
        good = size <= tolerance
        if start is not None and self.refusals:
            self.refusals -= 1
            good = False
        return FixedPoint(y, blocks, steps, size, good)


@pytest.mark.parametrize("refusals", [0, 3])
def test_every_point_is_solved_in_its_place(refusals):
    rng = np.random.default_rng(1)
    z = rng.uniform(-3, 3, 40) + 1j * rng.choice([0.02, 0.5], 40)
    equation, seen = SemicircleEquation(refusals), []
    found = np.full(z.size, np.nan + 0j)
    for i, solved in solve_along(equation, z, 1e-13, callback=seen.append):
        assert solved.converged
        found[i] = solved.blocks
    assert found == pytest.approx(Semicircle(1.0).stieltjes(z), rel=1e-10)
    assert seen == list(range(1, 41))
    assert equation.cold == 1 + refusals


def test_anderson_is_faster_than_averaging_and_says_when_it_fails():
    equation, z = SemicircleEquation(), 2.0 + 1e-4j
    y, _, steps, size = anderson(equation, z, equation.start(z), 1e-12)
    assert size <= 1e-12
    assert y[0] == pytest.approx(Semicircle(1.0).stieltjes(z), rel=1e-11)
    averaged, count = equation.start(z), 0
    while abs(averaged[0] - y[0]) > 1e-11 and count < STEPS:
        averaged = (averaged + equation.apply(z, averaged)[0]) / 2
        count += 1
    assert steps < count / 2
    assert anderson(equation, z, equation.start(z), 1e-12, limit=2)[3] > 1e-12


def test_sources_are_added():
    equation, z = SemicircleEquation(), 0.3 + 0.5j
    y = anderson(equation, z, equation.start(z), 1e-13, source=-0.1j)[0]
    assert y[0] == pytest.approx(1 / (z - y[0]) - 0.1j, rel=1e-11)


def test_known_states_save_steps_and_the_nearest_are_continued():
    equation, states = SemicircleEquation(), SolvedStates(capacity=30)
    x = np.linspace(-1.5, 1.5, 25)
    list(solve_along(equation, x + 0.05j, 1e-12, states=states))
    between = (x[:-1] + x[1:]) / 2 + 0.05j
    fresh = [solved.steps for _, solved in solve_along(equation, between, 1e-12)]
    warm = [solved.steps for _, solved in solve_along(equation, between, 1e-12, states=states)]
    assert sum(warm) < 0.9 * sum(fresh)
    assert equation.cold == 2
    start = next(SolvedStates(capacity=3).starts(1j), None)
    assert start is None


def test_a_continuation_of_analytic_states_is_of_third_order():
    law, states = Semicircle(1.0), SolvedStates(capacity=3)
    for step in (0.0, 0.04, 0.08):
        states.add(step + 1j, np.array([law.stieltjes(step + 1j)]))
    miss = abs(next(states.starts(0.02 + 1j))[0] - law.stieltjes(0.02 + 1j))
    assert miss < 1e-5
    far = list(states.starts(5 + 1j))  # only the nearest state itself: weights would be large
    assert [state[0] for state in far] == [law.stieltjes(0.08 + 1j)]
