"""Finders on functions whose critical points are known."""

import numpy as np
import pytest
from critical_point_toys import Cubic, Fold

from rmtland.landscape.critical_points import (
    CappedNewton,
    GradientNorm,
    LevenbergMarquardt,
    TrustRegionNewton,
    flatness,
)

STARTS = np.random.default_rng(5).uniform(-1.5, 1.5, (40, 2))


@pytest.mark.parametrize(
    ("finder", "indices", "rate"),
    [
        (CappedNewton(), {0, 1, 2}, 40),
        (CappedNewton(per="mode"), {0, 1, 2}, 40),
        (LevenbergMarquardt(), {0, 1, 2}, 38),
        (GradientNorm(), {0, 1, 2}, 38),
        (GradientNorm("descent", max_steps=2000), {0, 1, 2}, 38),
    ],
    ids=["newton", "newton-modes", "lm", "lbfgs", "descent"],
)
def test_finders_find_points_of_every_index(finder, indices, rate):
    toy = Cubic()
    walks = [finder.find(toy, start) for start in STARTS]
    found = [toy.found(walk.theta) for walk in walks]
    assert {index for index in found if index is not None} == indices
    assert sum(index is not None for index in found) >= rate
    assert all(
        (walk.reason == "gradient") == (index is not None)
        for walk, index in zip(walks, found, strict=True)
    )


def test_the_minimiser_finds_the_minimum_or_falls_for_ever():
    toy = Cubic()
    walks = [TrustRegionNewton(max_steps=60).find(toy, start) for start in STARTS]
    found = {toy.found(walk.theta) for walk in walks if walk.reason == "gradient"}
    assert found == {0}  # no saddle, no maximum


@pytest.mark.parametrize("finder", [LevenbergMarquardt(), GradientNorm()], ids=["lm", "lbfgs"])
def test_merit_functions_are_trapped_at_a_fold_and_the_tests_of_flatness_tell(finder):
    toy = Fold()
    walk = finder.find(toy, np.array([0.4, 0.3]))
    assert walk.reason in ("stalled", "max_steps")
    assert abs(walk.theta[0]) < 1e-2
    at_fold = np.array([0.0, 0.0])
    numbers = flatness(toy.hessian(at_fold), toy.value(at_fold)[1])
    assert numbers.is_flat
    assert numbers.residual == 1.0


def test_a_point_on_its_way_is_not_flat():
    toy = Cubic()
    near = np.array([1e-3, 1.0])
    assert not flatness(toy.hessian(near), toy.value(near)[1]).is_flat
    assert flatness(toy.hessian(near), np.zeros(2)) == (0.0, 0.0, 0.0)
    assert flatness(np.zeros((2, 2)), np.ones(2)).is_flat


def test_no_step_is_longer_than_the_cap():
    class Recorded(Cubic):
        def __init__(self):
            self.seen = []

        def hessian(self, t):
            self.seen.append(t)
            return super().hessian(t)

    for finder in (CappedNewton(cap=0.1), CappedNewton(cap=0.1, per="mode")):
        toy = Recorded()
        walk = finder.find(toy, np.array([1.4, -1.3]))
        steps = np.linalg.norm(np.diff([*toy.seen, walk.theta], axis=0), axis=1)
        assert walk.reason == "gradient"
        assert 0.05 < steps.max() <= 0.1 * (1 + 1e-12)


def test_a_singular_hessian_stops_no_finder():
    class Valley:
        size = 2

        def value(self, t):
            return t[0] ** 2 / 2, np.array([t[0], 0.0])

        def hessian(self, t):
            return np.diag([1.0, 0.0])

    for finder in (CappedNewton(), CappedNewton(per="mode"), LevenbergMarquardt(), GradientNorm()):
        walk = finder.find(Valley(), np.array([0.7, 0.2]))
        assert walk.reason == "gradient"
        np.testing.assert_allclose(walk.theta, [0.0, 0.2], atol=1e-9)


def test_an_overflow_ends_a_walk_at_the_last_point():
    class Cliff(Cubic):
        def value(self, t):
            if abs(t[0]) > 1.0:
                raise ValueError("overflow")
            return np.exp(t[0]), np.array([np.exp(t[0]), 0.0])

        def hessian(self, t):
            return np.diag([np.exp(t[0]), 1.0])

    walk = CappedNewton(cap=0.3).find(Cliff(), np.array([0.1, 0.0]))
    assert walk.reason == "overflow"
    assert np.isfinite(walk.theta).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CappedNewton(cap=0.0), "cap"),
        (lambda: CappedNewton(per="layer"), "per"),
        (lambda: CappedNewton(max_steps=0), "max_steps"),
        (lambda: LevenbergMarquardt(damping=-1.0), "damping"),
        (lambda: GradientNorm("newton"), "method"),
        (lambda: TrustRegionNewton(longest=0.0), "longest"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
