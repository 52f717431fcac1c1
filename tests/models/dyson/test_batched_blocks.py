"""The matrix Dyson equation at many points at once, elsewhere, against point after point."""

import functools
from contextlib import contextmanager

import numpy as np
import pytest
from device_places import PLACES, put_strict, putting
from transfer_counter import counted_transfers

from rmtland.estimate.placement import HOST, Placement
from rmtland.models import DysonHessian
from rmtland.models.batched_resolvents import LOOK
from rmtland.models.dyson.batched_blocks import BatchedBlocks
from rmtland.models.dyson.fixed_points import SolvedStates
from rmtland.models.dyson.stacked_blocks import StackedBlocks
from rmtland.solution import ConvergenceError


@pytest.fixture(params=["numpy", *PLACES])
def place(request):
    if request.param == "numpy":
        yield HOST
        return
    with putting(request.param) as function, one_thread(request.param):
        yield Placement.of(function(np.ones(1)))


@contextmanager
def one_thread(library):
    """Let PyTorch take one thread: for stacks of such small matrices more are slower."""
    if library != "torch":
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def model(part="total", coupling="full", *, activation="tanh", sizes=(3, 4, 9), **options):
    rng = np.random.default_rng(0)
    n0, n1, m = sizes
    first, x = rng.normal(size=(n1, n0)) / np.sqrt(n0), rng.normal(size=(m, n0))
    made = DysonHessian.of_first_layer(
        first, x, outputs=3, epsilon=0.4, activation=activation, part=part, coupling=coupling, rng=1
    )
    fields = {
        name: getattr(made, name)
        for name in ("features", "slopes", "x", "outputs", "epsilon", "curvatures")
    }
    return DysonHessian(**fields, part_name=part, coupling=coupling, **options)


ROOT = np.random.default_rng(5).normal(size=(4, 4))
MODELS = {
    "H": model(),
    "H by units": model(coupling="units"),
    "H0": model("gauss_newton"),
    "H1": model("residual"),
    "H0, correlated rows": model("gauss_newton", second_layer=ROOT @ ROOT.T / 8),
    "H, correlated rows": model(second_layer=ROOT @ ROOT.T / 8),
    "H, unlike outputs": model(output_weights=[0.5, 0.5, 2.0], coupling="units"),
    "H, unlike samples": model(residual_weights=np.linspace(0.1, 2, 9)),
    "ReLU": model(activation="relu", sizes=(4, 3, 8)),
}
POINTS = np.array([0.3 + 0.1j, -0.5 + 0.02j, 1.5 + 0.5j, 0.02j, 4 + 1e-3j])


@functools.cache
def one_by_one(name):
    """Potential and transform at the points, the same in every place."""
    return MODELS[name].potential_and_transform(POINTS, tolerance=1e-11)


@pytest.mark.slow_siblings(3)
@pytest.mark.parametrize("name", MODELS)
def test_transform_and_potential_are_those_of_the_solver_of_one_point(name, place):
    potential, transform = one_by_one(name)
    found = BatchedBlocks(MODELS[name].equation, place).solve(POINTS, 1e-11, potential=True)
    assert found.converged.all()
    assert (found.residuals <= 1e-11).all()
    np.testing.assert_allclose(found.transform, transform, atol=1e-8)
    np.testing.assert_allclose(found.potential, potential, atol=1e-8)


def test_one_application_is_that_of_one_point(place):
    rng = np.random.default_rng(0)
    for each in MODELS.values():
        equation = each.equation
        batched = StackedBlocks(equation, place)
        start = np.stack([equation.start(z) for z in POINTS])
        np.testing.assert_allclose(place.take(batched.start(place.put(POINTS))), start, rtol=1e-13)
        y = start * (1 + 0.1 * rng.standard_normal(start.shape))
        found = batched.apply(place.put(POINTS), place.put(y))
        want = [equation.apply(z, row)[0] for z, row in zip(POINTS, y, strict=True)]
        np.testing.assert_allclose(place.take(found), want, rtol=1e-9, atol=1e-11)
        weights = place.take(batched.weights(place.put(y)))
        np.testing.assert_allclose(weights, [equation.weights(row) for row in y], rtol=1e-12)
        inside = place.take(batched.in_half_plane(place.put(np.stack([y[0], y[1].conj()]))))
        assert inside.tolist() == [equation.in_half_plane(y[0]), False]


def test_known_states_save_steps(place):
    batched, states = BatchedBlocks(MODELS["H by units"].equation, place), SolvedStates(64)
    z = np.linspace(-1, 1, 9) + 0.05j
    first = batched.solve(z, 1e-9, states=states)
    again = batched.solve(z + 0.01, 1e-9, states=states)
    fresh = batched.solve(z + 0.01, 1e-9)
    assert again.steps.sum() < 0.7 * fresh.steps.sum()
    np.testing.assert_allclose(again.transform, fresh.transform, atol=1e-8)
    assert first.converged.all()
    nothing = batched.solve(z[:0], 1e-9, potential=True)
    assert nothing.transform.shape == nothing.steps.shape == (0,)


def test_a_few_points_at_a_time(monkeypatch, place):
    batched = BatchedBlocks(MODELS["H0"].equation, place)
    want, told = batched.solve(POINTS, 1e-10), []
    name = "rmtland.models.dyson.batched_blocks.points_at_once"
    monkeypatch.setattr(name, lambda place, size: 2)
    found = batched.solve(POINTS, 1e-10, callback=told.append)
    assert told == [2, 3, 5]
    np.testing.assert_allclose(found.transform, want.transform, atol=1e-9)


def test_what_is_not_solved_is_tried_from_above_and_then_says_so(monkeypatch, place):
    batched = BatchedBlocks(MODELS["H0"].equation, place)
    want = batched.solve(POINTS, 1e-10)
    module = "rmtland.models.dyson.batched_blocks"
    limit = int(np.median(want.steps))
    monkeypatch.setattr(f"{module}.STEPS", limit)
    found = batched.solve(POINTS, 1e-10)
    assert (found.steps > limit).any()
    good = found.converged
    np.testing.assert_allclose(found.transform[good], want.transform[good], atol=1e-8)
    monkeypatch.setattr(f"{module}.STEPS", 3)
    found = batched.solve(POINTS, 1e-10)
    assert not found.converged.all()
    assert (found.residuals[~found.converged] > 1e-10).all()


def elsewhere(made):
    xp = pytest.importorskip("array_api_strict")
    return made.on_device(xp.Device("device1"), xp=xp)


def test_a_model_on_a_device_answers_as_on_the_host(monkeypatch):
    here = MODELS["H by units"]
    there = elsewhere(here)
    z, x, told = POINTS.reshape(1, 5), [0.1, 0.9], []
    one, two = (
        here.solve(z, tolerance=1e-10),
        there.solve(z, tolerance=1e-10, progress=lambda *seen: told.append(seen)),
    )
    np.testing.assert_allclose(two.value, one.value, atol=1e-8)
    assert two.value.shape == two.residual.shape == two.steps.shape == (1, 5)
    assert told[-1] == (5, 5)
    for name in ("smoothed_pdf", "smoothed_cdf"):
        np.testing.assert_allclose(
            getattr(there, name)(x, eta=0.1), getattr(here, name)(x, eta=0.1), atol=1e-6
        )
    assert there.solve([]).value.shape == (0,)
    monkeypatch.setattr("rmtland.models.dyson.batched_blocks.STEPS", 3)
    with pytest.raises(ConvergenceError, match=r"no solution at z = .*0.02j"):
        there.solve(0.02j)
    assert not there.solve(0.02j, throw=False).converged
    with pytest.raises(ValueError, match="free slopes are solved on the CPU"):
        there.with_coupling("free_slopes")
    assert not there.with_coupling("full").place.is_host
    assert not there.part("residual").place.is_host


@pytest.mark.slow
def test_the_law_of_a_model_on_a_device():
    here = model(sizes=(4, 4, 16), coupling="units")
    law, other = here.law, elsewhere(here).law
    assert elsewhere(here).index() == pytest.approx(here.index(), abs=2e-3)
    x = np.linspace(*law.hull, 30)
    np.testing.assert_allclose(other.cdf(x), law.cdf(x), atol=law.error + other.error)


def test_waits_are_those_of_the_looks():
    place = Placement.of(put_strict(np.ones(1)))
    batched = BatchedBlocks(MODELS["H by units"].equation, place)
    batched.solve(POINTS[:1], 1e-9)
    with counted_transfers() as found:
        solved = batched.solve(POINTS, 1e-9, potential=True)
    assert solved.steps.max() < 100
    assert found.waits <= -(-int(solved.steps.max()) // LOOK) + 2  # results, and the last states
