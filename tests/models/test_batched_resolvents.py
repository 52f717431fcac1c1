"""Stacks of resolvents: inverses, logarithmic determinants, fixed points of many points at once."""

import numpy as np
import pytest
from device_places import PLACES, putting
from transfer_counter import counted_transfers

from rmtland.estimate.placement import HOST, Placement
from rmtland.models.batched_resolvents import (
    LOOK,
    batched_fixed_points,
    batches,
    inverses,
    log_determinants,
    on_parts,
    place_of,
    points_at_once,
)
from rmtland.models.dyson.fixed_points import anderson
from rmtland.models.dyson.half_plane import log_determinant


@pytest.fixture(params=["numpy", *PLACES])
def put(request):
    if request.param == "numpy":
        yield np.asarray
        return
    with putting(request.param) as function:
        yield function


def upper(shape, n, height, rng):
    """Return matrices with a positive imaginary part, eigenvalues near the axis and far from it."""
    a = rng.standard_normal((*shape, n, n))
    b = rng.standard_normal((*shape, n, n))
    rough = 3 * (a + a.swapaxes(-1, -2)) + 1j * (b @ b.swapaxes(-1, -2)) * height
    return rough + 1j * height * np.eye(n)


@pytest.mark.parametrize("n", [1, 2, 5, 30])
@pytest.mark.parametrize("height", [1e-6, 1e-2, 3.0])
def test_logarithmic_determinants_take_the_branch_of_the_half_plane(put, n, height):
    w = upper((2, 3), n, height, np.random.default_rng(n))
    scale = np.geomspace(1.0, 1e3, n)
    for each in (w, w * scale[:, None] * scale):
        there = put(each)
        place = Placement.of(there)
        found = place.take(log_determinants(there, place))
        want = [[log_determinant(each[i, j]) for j in range(3)] for i in range(2)]
        np.testing.assert_allclose(found, want, rtol=0, atol=1e-9)


def test_a_singular_matrix_spoils_itself_alone(put):
    rng = np.random.default_rng(0)
    w = rng.standard_normal((3, 4, 4)) + 0j
    w[1] = 0.0
    there = put(w)
    place = Placement.of(there)
    found = place.take(inverses(there, place))
    np.testing.assert_allclose(found[[0, 2]], np.linalg.inv(w[[0, 2]]), rtol=1e-10)
    assert not np.isfinite(found[1]).any()
    with pytest.raises(ValueError, match="square"):
        inverses(put(np.ones((2, 3, 4))), place)


def test_real_factors_act_on_both_parts(put):
    rng = np.random.default_rng(0)
    a, c = rng.standard_normal((4, 5)), rng.standard_normal((2, 5, 3)) + 1j
    real, there = put(a), put(c)
    place = Placement.of(there)
    found = place.take(on_parts(lambda part: real @ part, there, place))
    np.testing.assert_allclose(found, a @ c, rtol=1e-13)


class MatrixEquation:
    """M = (z - A - S[M])^{-1} with S[M] = (c/n) tr M + d M^T/n, for Gaussian noise on A."""

    def __init__(self, n, place):
        self.n, self.place = n, place
        self.a = place.put(np.diag(np.linspace(-1.0, 1.0, n)).astype(complex))
        self.eye = place.put(np.eye(n, dtype=complex))

    def apply(self, z, y):
        xp, n = self.place.xp, self.n
        m = xp.reshape(y, (-1, n, n))
        trace = xp.sum(xp.sum(m * self.eye, axis=2), axis=1)
        noise = 0.3 * trace[:, None, None] * self.eye / n + 0.3 * xp.matrix_transpose(m) / n
        inner = z[:, None, None] * self.eye - self.a - noise
        return xp.reshape(inverses(inner, self.place), y.shape)

    def weights(self, y):
        return self.place.xp.ones_like(self.place.xp.real(y))

    def in_half_plane(self, y):
        xp = self.place.xp
        m = xp.reshape(y, (-1, self.n, self.n))
        return xp.all(xp.sum(xp.imag(m) * xp.real(self.eye), axis=2) < 0, axis=1)


class OnePoint:
    """The same for the solver of one point."""

    def __init__(self, equation):
        self.equation = equation

    def apply(self, z, y):
        return self.equation.apply(np.array([z]), y[None])[0], None

    def in_half_plane(self, y):
        return bool(self.equation.in_half_plane(y[None])[0])


POINTS = np.array([0.1j, 0.5 + 0.01j, -1.2 + 1e-3j, 3.0 + 1e-6j, 1.3 + 0.05j, -0.3 + 2.0j])


def start_at(points, n, put):
    return put((np.eye(n)[None] / points[:, None, None]).reshape(len(points), -1))


def test_all_points_at_once_give_what_each_gives_alone(put):
    n = 5
    place = Placement.of(put(np.ones(1)))
    equation = MatrixEquation(n, place)
    found = batched_fixed_points(equation, POINTS, start_at(POINTS, n, put), tolerance=1e-12)
    assert found.converged.all()
    assert (found.residuals <= 1e-12).all()
    states = place.take(found.states)
    host = OnePoint(MatrixEquation(n, HOST))
    for i, z in enumerate(POINTS):
        alone, _, steps, size = anderson(host, z, (np.eye(n) / z).ravel(), 1e-12)
        assert size <= 1e-12
        np.testing.assert_allclose(states[i], alone, rtol=0, atol=1e-9)
        assert found.steps[i] == steps  # the same iteration
    order = [3, 0, 5]
    some = batched_fixed_points(
        equation, POINTS[order], start_at(POINTS[order], n, put), tolerance=1e-12
    )
    np.testing.assert_allclose(place.take(some.states), states[order], rtol=0, atol=1e-10)


def test_what_is_not_solved_says_so(put):
    place = Placement.of(put(np.ones(1)))
    equation = MatrixEquation(3, place)
    start = start_at(POINTS, 3, put)
    found = batched_fixed_points(equation, POINTS, start, tolerance=1e-12, limit=6)
    assert not found.converged.all()
    assert (found.residuals[~found.converged] > 1e-12).all()
    assert (found.steps <= 6).all()

    class Broken(MatrixEquation):
        def apply(self, z, y):
            value = super().apply(z, y)
            return self.place.xp.where(
                (self.place.xp.imag(z) < 2e-3)[:, None], value * float("nan"), value
            )

    found = batched_fixed_points(Broken(3, place), POINTS, start, tolerance=1e-12)
    assert found.converged.tolist() == [True, True, False, False, True, True]
    assert np.isinf(found.residuals[2:4]).all()


def test_one_wait_at_a_look():
    xp = pytest.importorskip("array_api_strict")
    put = lambda array: xp.asarray(np.asarray(array), device=xp.Device("device1"))  # noqa: E731
    place = Placement.of(put(np.ones(1)))
    equation, start = MatrixEquation(4, place), start_at(POINTS, 4, put)
    with counted_transfers() as found:
        solved = batched_fixed_points(equation, POINTS, start, tolerance=1e-12)
    assert found.waits <= -(-int(solved.steps.max()) // LOOK)


def test_batches_and_places():
    assert [(s.start, s.stop) for s in batches(7, 3)] == [(0, 2), (2, 5), (5, 7)]
    assert list(batches(2, 10)) == [slice(0, 2)]
    assert list(batches(0, 10)) == []
    assert place_of().is_host
    assert points_at_once(place_of(), 2**40) == 1
    with pytest.raises(ValueError, match="numpy computes on"):
        place_of(np, "cuda")
