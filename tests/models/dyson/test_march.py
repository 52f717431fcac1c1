"""Marches of fixed points, on the semicircle, whose solution is known."""

import numpy as np
import pytest

from rmtland import Semicircle
from rmtland.models.dyson.march import STEPS, Solved, anderson, march


class SemicircleEquation:
    """G = 1/(z - G) as an equation of one number; it refuses its first warm starts."""

    def __init__(self, refusals=0):
        self.refusals, self.cold = refusals, 0

    def start(self, z):
        return np.array([1 / z])

    def applied(self, z, y):
        new = 1 / (z - y)
        return new, complex(new[0])

    def admits(self, y):
        return bool(y[0].imag < 0)

    def fixed_point(self, z, start, tolerance, limit):
        y = self.start(z) if start is None else start
        self.cold += start is None
        y, blocks, steps, size = anderson(self, z, y, tolerance, limit=limit)
        good = size <= tolerance
        if start is not None and self.refusals:
            self.refusals -= 1
            good = False
        return Solved(y, blocks, steps, size, good)


@pytest.mark.parametrize("refusals", [0, 3])
def test_march_solves_every_point_in_its_place(refusals):
    rng = np.random.default_rng(1)
    z = rng.uniform(-3, 3, 40) + 1j * rng.choice([0.02, 0.5], 40)
    equation, seen = SemicircleEquation(refusals), []
    found = np.full(z.size, np.nan + 0j)
    for i, solved in march(equation, z, 1e-13, see=seen.append):
        assert solved.good
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
        averaged = (averaged + equation.applied(z, averaged)[0]) / 2
        count += 1
    assert steps < count / 2
    assert anderson(equation, z, equation.start(z), 1e-12, limit=2)[3] > 1e-12


def test_sources_are_added():
    equation, z = SemicircleEquation(), 0.3 + 0.5j
    y = anderson(equation, z, equation.start(z), 1e-13, source=-0.1j)[0]
    assert y[0] == pytest.approx(1 / (z - y[0]) - 0.1j, rel=1e-11)
