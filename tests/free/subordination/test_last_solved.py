"""Points that were just solved are not solved again."""

import numpy as np
import pytest

from rmtland import MarchenkoPastur, free_sum
from rmtland.free.subordination.solver import SubordinationSolver
from rmtland.laws import Discrete, Uniform


@pytest.fixture
def law():
    law = free_sum(MarchenkoPastur(0.5), Uniform(0.0, 1.0), Discrete((0.0, 9.0), (0.5, 0.5)))
    law.cdf(0.0)
    return law


@pytest.fixture
def solved(monkeypatch):
    """Sizes of the sets of points that Newton's method was started at."""
    sizes = []
    newton = SubordinationSolver.newton

    def counted(self, z, start, **options):
        sizes.append(z.size)
        return newton(self, z, start, **options)

    monkeypatch.setattr(SubordinationSolver, "newton", counted)
    return sizes


def test_all_that_is_known_at_the_same_points_comes_of_one_solution(law, solved):
    low, high = law.support[0]
    x = np.linspace(low, high, 9)[1:-1]
    density = law.pdf(x)
    assert solved == [7]
    below, g, potential = law.cdf(x), law.stieltjes(x[::-2]), law.log_potential(x[2:4])
    assert solved == [7]
    np.testing.assert_array_equal(g, law.stieltjes(x)[::-2])
    np.testing.assert_array_equal(-g.imag / np.pi, density[::-2])
    np.testing.assert_allclose(1 - potential.imag / np.pi, below[2:4], rtol=0, atol=1e-13)
    law.pdf(np.append(x, x[0] + 1e-9))  # one that is new: all of them
    assert solved == [7, 8]


def test_values_are_those_of_a_law_that_was_asked_nothing_before(law):
    low, high = law.support[-1]
    z = np.linspace(low, high, 6)[1:-1] + 1j * np.array([0.0, 1e-3, 0.0, 2.0])
    first = law.stieltjes(z), law.log_potential(z)
    fresh = free_sum(MarchenkoPastur(0.5), Uniform(0.0, 1.0), Discrete((0.0, 9.0), (0.5, 0.5)))
    np.testing.assert_array_equal(fresh.log_potential(z), first[1])
    np.testing.assert_array_equal(law.stieltjes(z[::-1]), first[0][::-1])


def test_what_is_given_out_may_be_written_over(law):
    tables = law._in_bands.tables
    x = np.linspace(*law.support[0], 5)[1:-1]
    for _ in range(3):
        state, steps = tables.solve(x)
        g = tables.solver.equation.stieltjes(x + 0j, state)
        np.testing.assert_array_equal(-g.imag / np.pi, law.pdf(x))
        for row in (state.common, *state.omegas, steps):
            row[:] = -1


@pytest.mark.parametrize("heavy", [0.5, 0.9], ids=["no atoms", "an atom in a gap"])
def test_well_above_the_axis_no_bands_are_sought(heavy):
    pair = (Discrete((0.0, 9.0), (heavy, 1 - heavy)), Discrete((0.0, 2.0, 4.0), (0.4, 0.3, 0.3)))
    law, fresh = free_sum(*pair), free_sum(*pair)
    z = np.linspace(-2.0, 15.0, 9) + 1j * np.array([1e-5, 1e-3, 0.5] * 3)
    potential = law.log_potential(z)
    assert ("_real_gaps" in vars(law)) == bool(law.atoms) == (heavy == 0.9)
    fresh.cdf(0.0)
    np.testing.assert_array_equal(fresh.log_potential(z), potential)
    law.log_potential(np.append(z, 1e-12j))  # so low that they matter
    assert "_real_gaps" in vars(law)
