"""Atoms at zero of Dyson laws: exact ranks, and what table and index make of them."""

import numpy as np
import pytest

from rmtland.models import DysonHessian
from rmtland.models.dyson.fixed_points import SolvedStates
from rmtland.models.dyson.null_space import atom_at_zero, input_basis, null_count
from rmtland.models.dyson.tabulated import tabulated_law
from rmtland.solution import ConvergenceError


def model(n0, n1, n2, m, activation="tanh", *, dead=0, seed=0, **options):
    rng = np.random.default_rng(seed)
    first, x = rng.normal(size=(n1, n0)) / np.sqrt(n0), rng.normal(size=(m, n0))
    if dead:
        first, x = np.abs(first), np.abs(x)
        first[:dead] *= -1
    fields = {"outputs": n2, "epsilon": 0.5, "activation": activation, "rng": 0} | options
    return DysonHessian.of_first_layer(first, x, **fields)


DEFICIENT = {
    "fewer samples than inputs": (model(6, 6, 6, 3), 27),
    "the same, ReLU": (model(4, 4, 4, 2, "relu", seed=1), None),
    "the same, small energy": (model(6, 4, 4, 3, epsilon=0.002), None),
    "one unit": (model(5, 1, 4, 20), 0),
    "one unit, fewer samples": (model(5, 1, 4, 2), None),
    "dead units": (model(4, 6, 4, 30, "relu", dead=3), 24),
    "no residuals": (model(6, 3, 6, 4, epsilon=0.0), None),
    "H0, one rescaling a unit": (model(4, 5, 4, 24, "relu", part="gauss_newton"), 5),
    "H1, more inputs than outputs": (model(6, 3, 4, 24, "relu", part="residual"), 6),
    "H1, dead units": (model(4, 4, 4, 30, "relu", dead=2, part="residual"), 16),
    "one output": (model(4, 3, 1, 12, "relu"), None),
    "units apart": (model(6, 4, 4, 3, coupling="units"), None),
}  # number of zero eigenvalues, None where it is counted in matrices only


SLOW = {
    "one output",
    "the same, small energy",
    "one unit, fewer samples",
    "units apart",
    "the same, ReLU",
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(case, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, case in DEFICIENT.items()
    ],
)
def deficient(request):
    return request.param


@pytest.fixture(scope="module")
def table(deficient):
    return tabulated_law(deficient[0])


def counts(hessian, runs=24):
    nodes = hessian.sample(rng=1, runs=runs).nodes
    floor = 1e-10 * np.abs(nodes).max()
    return (np.abs(nodes) < floor).sum(axis=1), (nodes < -floor).mean(axis=1)


def test_the_atom_is_the_number_of_null_directions(deficient):
    hessian, expected = deficient
    atom = hessian.atom_at_zero()
    assert atom.converged
    assert atom.error < 1e-3
    number = float(atom.value) * hessian.parameter_count
    assert number == pytest.approx(round(number), abs=1e-9)
    if expected is not None:
        assert round(number) == expected
    if hessian.coupling == "full":
        assert counts(hessian)[0].min() >= round(number)
        if hessian.outputs > 1:  # W2 and residuals of one output commute
            assert set(counts(hessian)[0]) == {round(number)}
    # what a height sees is never less, and falls towards it
    states, masses = SolvedStates(), []
    for height in np.geomspace(1e-1, 1e-6, 6):
        solution = hessian.solve(1j * height, states=states)
        masses.append(-height * complex(solution.value).imag)
    assert masses == sorted(masses, reverse=True)
    assert masses[-1] >= float(atom.value) - 1e-9
    assert masses[-1] == pytest.approx(float(atom.value), abs=0.02)


def test_table_and_index_know_the_atom(deficient, table):
    hessian, _ = deficient
    atom = float(hessian.atom_at_zero().value)
    law, index = table, hessian.solve_index()
    assert dict(law.atoms).get(0.0, 0.0) == atom
    assert float(index.error) < 1e-3
    assert hessian.index() == float(index.value)
    assert law.mass_below(0.0) == pytest.approx(float(index.value), abs=law.error + 1e-4)
    assert law.mass_below(0.0) == pytest.approx(float(index.value), abs=5e-3)
    assert law.cdf(0.0) - law.mass_below(0.0) == pytest.approx(atom, abs=1e-12)
    if atom:
        middle = law.mass_below(0.0) + atom * np.array([0.01, 0.5, 0.99])
        assert law.ppf(middle) == pytest.approx(0.0, abs=1e-12)
    if hessian.coupling == "full":  # half an atom is never counted as negative
        below = counts(hessian)[1]
        error = below.std(ddof=1) / np.sqrt(below.size)
        assert abs(below.mean() - law.mass_below(0.0)) < 5 * error + 1 / hessian.parameter_count


def test_the_distribution_function_is_right_beside_the_atom(deficient, table):
    (hessian, _), law = deficient, table
    atom = float(hessian.atom_at_zero().value)
    scale = np.hypot(hessian.mean(), np.sqrt(hessian.var()))
    x = scale * np.concatenate([-np.geomspace(1.0, 1e-3, 5), np.geomspace(1e-3, 2.0, 5)])
    heights = np.minimum(np.abs(x) / 20, 2e-3 * scale)
    z = x + 1j * heights
    potential, g = hessian.potential_and_transform(z, tolerance=1e-5)
    exact = 1 - (potential - 1j * heights * (g - atom / z)).imag / np.pi
    exact += atom * ((x >= 0) - 0.5 - np.arctan(x / heights) / np.pi)
    assert np.abs(law.cdf(x) - exact).max() <= law.error
    assert law.error < 0.1


def test_the_free_field_may_have_a_smaller_kernel_than_matrices():
    """Constant slopes of an odd number of units: 2 zero eigenvalues of matrices, 0 of the law."""
    hessian = model(4, 3, 2, 6, "linear")
    assert set(counts(hessian)[0]) == {2}
    assert null_count(hessian) == (2, 0)
    atom = atom_at_zero(hessian)
    assert atom.value == 0
    assert atom.error == 0


def test_nothing_but_zeros_has_no_table():
    hessian = model(3, 3, 3, 6, epsilon=0.0, part="residual")
    assert hessian.atom_at_zero().value == 1
    assert hessian.index() == 0
    with pytest.raises(ConvergenceError, match="point mass at 0"):
        tabulated_law(hessian)


def test_free_slopes_have_the_limit_from_above():
    hessian = model(6, 6, 6, 3, "relu", epsilon=0.0, part="gauss_newton", coupling="free_slopes")
    atom = hessian.atom_at_zero()
    assert atom.value == pytest.approx(1 - 18 / 72, abs=1e-3)


def test_a_basis_of_what_samples_span():
    x = np.random.default_rng(0).normal(size=(2, 5))
    basis = input_basis(x)
    assert basis[:, 2:] == pytest.approx(0, abs=0)
    assert x @ basis @ basis.T == pytest.approx(x)
    assert not input_basis(np.empty((0, 3))).any()


@pytest.mark.parametrize(
    ("ratio", "seed"),
    [
        (0.5, 0),
        (2.0, 0),
        pytest.param(2.0, 1, marks=pytest.mark.slow),
        pytest.param(2.0, 3, marks=pytest.mark.slow),
    ],
)
def test_the_index_at_the_smallest_energies(ratio, seed):
    """Networks that were refused: nearly null directions of ReLU, and as many samples as inputs."""
    hessian = model(8, 8, 8, round(16 / ratio), "relu", seed=seed, epsilon=0.002)
    found = hessian.solve_index()
    assert found.converged
    assert found.error < 0.01
    below = counts(hessian, runs=12)[1]
    error = below.std(ddof=1) / np.sqrt(below.size)
    assert abs(below.mean() - hessian.index()) < 5 * error + 0.03  # 1/n: the equation itself
