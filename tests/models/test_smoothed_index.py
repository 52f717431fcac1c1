"""The index of laws known above the axis: at any scale, beside atoms and crowds at zero."""

import numpy as np
import pytest

from rmtland import Discrete, MarchenkoPastur, Mixture, Semicircle, affine
from rmtland.models import DysonHessian
from rmtland.models.smoothed_index import index_from_above, trusted_index, with_doubt
from rmtland.solution import ConvergenceError


def found_for(law):
    return index_from_above(
        law.solve, lambda z: 1 - law.log_potential(z).imag / np.pi, law.moment(2) ** 0.5
    )


LAWS = {
    "semicircle": Semicircle(1.0, center=0.7),
    "atom at zero": Mixture((Semicircle(1.0, center=0.7), Discrete((0.0,), (1.0,))), (0.6, 0.4)),
    "atoms only": Discrete((-1.0, 0.0, 2.0), (0.25, 0.5, 0.25)),
    "a crowd beside zero": Mixture((Semicircle(1.0), Semicircle(1e-8, center=1e-4)), (0.5, 0.5)),
    "hard edge": MarchenkoPastur(1.0),
    "null space": MarchenkoPastur(4.0),
}


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_the_index_is_within_its_error_at_any_scale(law, scale):
    scaled = affine(law, scale=scale)
    found = found_for(scaled)
    exact = law.mass_below(0.0)
    assert abs(found.value - exact) <= found.error
    assert found.error < 2e-3
    assert trusted_index(found) == pytest.approx(exact, abs=2e-3)


def test_what_is_not_known_is_not_returned():
    law = Semicircle(1.0)
    found = index_from_above(law.solve, lambda z: 0.5 + 0.1 * np.sin(1e3 * np.log(z.imag)), 1.0)
    assert not found.converged
    with pytest.raises(ConvergenceError, match="heights"):
        trusted_index(found)


def test_a_further_doubt_is_part_of_what_is_known():
    found = found_for(Semicircle(1.0, center=0.7))
    small, large = with_doubt(found, 1e-3), with_doubt(found, 0.02)
    assert small.converged
    assert small.error == found.error + 1e-3
    assert not large.converged
    assert not with_doubt(large, 0.0).converged


@pytest.mark.parametrize("activation", ["leaky_relu", "relu", "tanh"])
def test_units_of_the_data_do_not_change_the_index_of_a_network(activation):
    """An absolute height of 1e-3 gave .426 for .397 on digits; here the scale is 1e-6 of it."""
    rng = np.random.default_rng(0)
    first, x = rng.normal(size=(5, 5)) / np.sqrt(5), 0.3 * np.abs(rng.normal(size=(20, 5)))
    plain = DysonHessian.of_first_layer(
        first, x, outputs=5, epsilon=0.5, activation=activation, rng=0
    )
    index = plain.solve_index()
    assert index.error < 1e-3
    small = DysonHessian(
        1e-3 * plain.features,
        plain.slopes,
        1e-3 * plain.x,
        5,
        0.5e-6,
        curvatures=None if plain.curvatures is None else plain.curvatures,
    )
    assert small.index() == pytest.approx(index.value, abs=2 * index.error)
    nodes = plain.sample(rng=1, runs=100).nodes
    below = (nodes < -1e-10 * np.abs(nodes).max()).mean(axis=1)
    error = below.std(ddof=1) / 10
    assert abs(below.mean() - index.value) < 5 * error + 0.01  # 1/n: the equation itself
    assert plain.part("gauss_newton").index() == 0


def test_half_an_atom_is_not_negative():
    """A hidden unit that is never active: H has exact zeros, a tenth of its eigenvalues."""
    rng = np.random.default_rng(0)
    first, x = rng.normal(size=(5, 4)), rng.normal(size=(20, 4))
    z = first @ x.T
    z[0] = -1.0
    model = DysonHessian(np.maximum(z, 0), (z > 0).astype(float), x, 4, 0.5)
    nodes = model.sample(rng=1, runs=60).nodes
    floor = 1e-10 * np.abs(nodes).max()
    zero = (np.abs(nodes) < floor).mean()
    assert zero >= 0.2
    below = (nodes < -floor).mean(axis=1)
    error = below.std(ddof=1) / np.sqrt(60)
    assert abs(model.index() - below.mean()) < 5 * error + 0.012
    assert model.law.mass_below(0.0) == pytest.approx(model.index(), abs=model.law.error + 0.005)
