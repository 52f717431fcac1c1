"""The kernels that Python interprets, which a new process runs first, against the compiled ones."""

import contextlib

import numpy as np
import pytest
from examples import examples
from hypothesis import assume, given
from law_table import models, triplets

from rmtland import WishartPlusReluBlock, WishartPlusWigner
from rmtland.deferred import Kernel
from rmtland.free.rational import band_masses, boundary, edges, half_plane
from rmtland.free.rational.free_levy import FreeLevy
from rmtland.free.rational.many_laws import Triplets, values_of_laws
from rmtland.laws import LevyTriplet
from rmtland.solution import ConvergenceError

ROOMS = (band_masses, boundary, edges, half_plane)
HEIGHTS = (1e-12, 1e-3, 1.0, 1e3)


@contextlib.contextmanager
def interpreted():
    """Within it Python runs every kernel; compiled is only what it cannot."""
    call = Kernel.__call__

    def run(self, *arguments):
        try:
            with np.errstate(divide="raise", over="raise", invalid="raise"):
                return self.function(*arguments)
        except (ArithmeticError, ValueError):
            return call(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kernel, "__call__", run)
        yield


def places(law):
    """Points at and beside edges, in bands and gaps, at the drift, at 0 and far away."""
    edges, drift = law._arcs.edges, law.levy.drift
    low, high = edges[::2, None], edges[1::2, None]
    shares = np.array([1e-14, 1e-6, 0.01, 0.3, 0.5, 0.77, 0.999999])
    width, size = edges[-1] - edges[0], np.abs(edges).max()
    return np.concatenate(
        [
            edges,
            np.nextafter(edges, -np.inf),
            np.nextafter(edges, np.inf),
            (low + (high - low) * shares).ravel(),
            (edges[1:-1:2] + edges[2::2]) / 2,
            [
                drift,
                np.nextafter(drift, np.inf),
                drift - 1e-9,
                drift + 1e-9,
                0.0,
                -0.0,
                5e-324,
                1e-310,
            ],
            [
                edges[0] - width,
                edges[-1] + width,
                edges[0] - 1e6 * width,
                1e19 * size,
                1e250,
                -np.inf,
            ],
        ]
    )


def values(triplet, x):
    """Everything that kernels find for a law, under names."""
    law = FreeLevy(triplet)
    found = law._arcs._asdict()
    for mode, name in enumerate(("density", "distribution")):
        found[name], steps = law._boundary(x, mode)
        found[f"{name} found"] = steps >= 0
    near = x[np.abs(x) < 1e200]
    width = law._arcs.edges[-1] - law._arcs.edges[0]
    for height in (0.0, *HEIGHTS):
        found[f"1/G at {height}"], steps = law._solve(near + 1j * height * width)
        found[f"found at {height}"] = steps >= 0
    found["pieces"] = band_masses.pieces_of_bands(tuple(law._arcs), law._parameters)
    try:
        found["agrees"] = law._agrees()
    except ConvergenceError:
        found["agrees"] = False
    if triplet.variance and len(triplet.jumps) == 1 and not triplet.drift:
        arrays = (np.array([one]) for one in (triplet.variance, *triplet.rates, *triplet.jumps))
        found["density of many"], found["sound"] = values_of_laws(
            0, x, Triplets.of_one_jump(*arrays)
        )
    return found


def require_equal(triplet):
    x = places(FreeLevy(triplet))
    compiled = values(triplet, x)
    with interpreted():
        got = values(triplet, x)
    for name, expected in compiled.items():
        np.testing.assert_allclose(got[name], expected, rtol=4e-15, err_msg=name)


@examples(40)
@given(triplets())
def test_interpreted_values_of_triplets_are_the_compiled_ones(triplet):
    require_equal(triplet)


@examples(25)
@given(models)
def test_interpreted_values_of_models_are_the_compiled_ones(model):
    assume(model.epsilon)
    require_equal(model.law.levy)


@pytest.mark.slow_siblings(3)
@pytest.mark.parametrize("model", [WishartPlusWigner, WishartPlusReluBlock])
@pytest.mark.parametrize("phi", [1e-14, 1e-3, 0.5, 1.0, 1.0 + 1e-12, 2.0, 1e8])
@pytest.mark.parametrize("epsilon", [1e-90, 1e-12, 1e6, 1e50])
def test_interpreted_values_at_the_ends_of_the_range(model, phi, epsilon):
    require_equal(model(phi, epsilon).law.levy)


@pytest.mark.parametrize(
    "triplet",
    [
        LevyTriplet(0.3, 0.0, (1.0,), (-2.0,)),
        LevyTriplet(0.0, 0.0, (0.5, 0.5), (-1.0, 1.0)),
        LevyTriplet(0.0, 0.0, (0.2, 0.3), (-1e-130, 1e-80)),
        LevyTriplet(-1.0, 2.0, tuple([0.1] * 30), tuple(range(1, 31))),
    ],
    ids=["unbounded at an edge", "unbounded inside", "tiny jumps", "thirty jumps"],
)
def test_interpreted_values_of_special_laws(triplet):
    require_equal(triplet)


def test_every_kernel_has_been_interpreted():
    kernels = {
        value for room in ROOMS for value in vars(room).values() if isinstance(value, Kernel)
    }
    called = set()

    def run(self, *arguments):
        called.add(self)
        return self.function(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kernel, "__call__", run)
        for triplet in (
            LevyTriplet(0.0, 0.6, (2.0,), (0.5,)),
            LevyTriplet(0.0, 0.0, (0.5,), (2.0,)),
        ):
            law = FreeLevy(triplet)
            values(triplet, places(law))
    assert {kernel.__name__ for kernel in kernels - called} == set()
