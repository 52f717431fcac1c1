"""Continuation from above the axis on equations whose solutions are known."""

import numpy as np
import pytest

from rmtland.free.continuation import descend


def newton_of(function, slope, inside, limit=30):
    def newton(z, g):
        g = np.array(g)
        steps = np.full(z.shape, -limit)
        for step in range(1, limit + 1):
            move = function(z, g) / slope(z, g)
            g = g - move
            done = (np.abs(move) <= 1e-14 * np.abs(g)) & inside(g) & (steps < 0)
            steps[done] = step
        return g, steps

    return newton


SEMICIRCLE = newton_of(lambda z, g: g * g - z * g + 1, lambda z, g: 2 * g - z, lambda g: g.imag < 0)
POISSON = newton_of(  # Marchenko-Pastur of ratio 1: z G^2 - z G + 1 = 0
    lambda z, g: z * g * g - z * g + 1, lambda z, g: 2 * z * g - z, lambda g: g.imag < 0
)


def run(newton, z, top=16.0, floor=1e-13):
    return descend(
        newton, lambda z: 1 / z, z, top=np.full(z.shape, top), floor=np.full(z.shape, floor)
    )


@pytest.mark.parametrize("height", [0.0, 1e-9, 1e-3, 0.7, 30.0])
def test_semicircle_and_free_poisson(height):
    x = np.linspace(-1.9, 1.9, 12)
    z = x + 1j * height
    found = run(SEMICIRCLE, z)
    assert (found.steps > 0).all()
    assert (found.height == height).all()
    exact = z / 2 - np.sqrt(z / 2 - 1) * np.sqrt(z / 2 + 1)
    assert found.state == pytest.approx(exact, abs=1e-12)
    z = x + 2 + 1j * height
    found = run(POISSON, z)
    assert (found.steps > 0).all()
    exact = 0.5 - np.sqrt(z - 4) * np.sqrt(z) / (2 * z)
    assert found.state == pytest.approx(exact, abs=1e-12)


def test_where_there_is_no_solution_inside_it_gives_up_and_says_how_far_it_came():
    # Outside of the support the solution on the axis is real: not inside the half-plane.
    z = np.array([3.0 + 0j, 0.5 + 0j, -5.0 + 0j])
    found = run(SEMICIRCLE, z, floor=1e-9)
    assert (found.steps > 0).tolist() == [False, True, False]
    assert (found.height[[0, 2]] > 0).all()
    assert (found.height[[0, 2]] < 1e-6).all()


def test_no_step_is_taken_twice():
    seen = []

    def newton(z, g):
        seen.extend(zip(z, g, strict=True))
        return SEMICIRCLE(z, g)

    found = run(newton, np.array([3.0 + 0j, 0.5 + 0j, -5.0 + 0j]), floor=1e-9)
    assert (found.steps > 0).tolist() == [False, True, False]
    assert (found.height[[0, 2]] < 1.001e-9).all()  # as close as before it gives up
    assert len(set(seen)) == len(seen) > 30


def test_states_may_be_objects():
    class Pair:
        def __init__(self, a):
            self.a = a

        def take(self, index):
            return Pair(self.a[index])

        def put(self, index, other):
            self.a[index] = other.a

    def newton(z, state):
        g, steps = SEMICIRCLE(z, state.a)
        return Pair(g), steps

    z = np.array([0.3 + 0j, 1.1 + 1e-5j])
    plain = run(SEMICIRCLE, z)
    found = descend(newton, lambda z: Pair(1 / z), z, top=np.full(2, 16.0), floor=np.full(2, 1e-13))
    assert (found.state.a == plain.state).all()
    assert (found.steps == plain.steps).all()
