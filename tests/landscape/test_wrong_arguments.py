"""What is no surface, curve, group, point or callback is refused by name, before anything is done.

Each of these once ended in an AttributeError of the inside, or without a word in a wrong answer.
"""

import re

import numpy as np
import pytest

from rmtland.landscape.connectivity import (
    Bezier,
    Polygon,
    align,
    connect,
    lower_barrier,
    pair_statistics,
    profile,
    relaxed_path,
    saddle_near,
    trained_curve,
    unit_groups,
)
from rmtland.landscape.critical_points import (
    CappedNewton,
    Certificate,
    CriticalPoints,
    GradientNorm,
    LevenbergMarquardt,
    Problem,
    SymmetryType,
    TrustRegionNewton,
    find_critical_points,
    flatness,
    null_directions,
    random_groups,
    trained_start,
)
from rmtland.landscape.depth import JacobianLaw, depth_scan
from rmtland.landscape.level_sets import graph_merge_tree, valley_heights
from rmtland.landscape.linearisation import (
    compare_descent,
    fit_exponent,
    linearise,
    output_scaling,
    width_scaling,
)
from rmtland.landscape.manifold import Minimiser, interpolate, polish, walk_along
from rmtland.landscape.minimisers import minimise_batch, random_weights, unit_slopes
from rmtland.landscape.noise import chain_gradients, simulate_sgd
from rmtland.landscape.pac_bayes import pac_bayes_bounds
from rmtland.landscape.sharpness import (
    ScaledSurface,
    adaptive_scales,
    ball_sharpness,
    curvature,
    derivative_bounds,
    linear_ranks,
)
from rmtland.landscape.slices import (
    eigenvector_directions,
    filter_normalised,
    line_slice,
    plane_slice,
    random_directions,
)
from rmtland.landscape.surface import FunctionSurface, NetworkSurface
from rmtland.networks import MLP

NET, X, Y = MLP((2, 3, 1)), np.eye(2), np.ones((2, 1))
A, B = NET.init(rng=0), NET.init(rng=1)
POINT = NET.at(A, X, Y)
SURFACE, GROUPS = NetworkSurface(POINT), unit_groups(NET)
RELU = unit_groups(MLP((2, 3, 1), "relu"))[0]
LINE, BEND = Polygon([A, B]), Bezier([A, B, 2 * B])
ONES, HESSIAN = np.ones(A.size), np.eye(A.size)

NO_SURFACE = "surface must be a LossSurface, such as NetworkSurface.of"
WITHOUT_SURFACE = {
    "profile": lambda s: profile(s, LINE),
    "trained_curve": lambda s: trained_curve(s, BEND),
    "relaxed_path": lambda s: relaxed_path(s, [A, B, A]),
    "saddle_near": lambda s: saddle_near(s, A),
    "connect": lambda s: connect(s, A, B),
    "lower_barrier": lambda s: lower_barrier(s, A, B, GROUPS),
    "line_slice": lambda s: line_slice(s, A, ONES),
    "plane_slice": lambda s: plane_slice(s, A, [ONES, A]),
    "random_directions": lambda s: random_directions(s, A),
    "eigenvector_directions": lambda s: eigenvector_directions(s, A),
    "filter_normalised": lambda s: filter_normalised(s, A, ONES),
    "adaptive_scales": lambda s: adaptive_scales(s, A),
    "ball_sharpness": lambda s: ball_sharpness(s, A, 0.1),
    "curvature": lambda s: curvature(s, A),
}


@pytest.mark.parametrize("name", WITHOUT_SURFACE)
@pytest.mark.parametrize("surface", [None, 3, NET, POINT], ids=["None", "3", "net", "point"])
def test_what_is_no_surface_is_refused(name, surface):
    with pytest.raises(TypeError, match=re.escape(NO_SURFACE)):
        WITHOUT_SURFACE[name](surface)


FINDERS = [CappedNewton(), LevenbergMarquardt(), GradientNorm(), TrustRegionNewton()]
FINDERS += [GradientNorm("descent"), CappedNewton(per="mode")]


@pytest.mark.parametrize("finder", FINDERS, ids=repr)
def test_a_start_that_is_none_is_no_overflow(finder):
    """Two of them told of an overflow where the start was of another size, or NaN."""
    for start, error, message in [
        (np.zeros(3), ValueError, f"theta must have {A.size} entries; got 3"),
        (np.full(A.size, np.nan), ValueError, f"theta holds {A.size} NaN"),
        ("x", TypeError, "theta must be real numbers"),
        (None, TypeError, "theta must be real numbers"),
    ]:
        with pytest.raises(error, match=message):
            finder.find(SURFACE, start)
    with pytest.raises(TypeError, match="surface must have size, value and hessian"):
        finder.find(None, A)


POINTS = {
    "null_directions": lambda p: null_directions(p, HESSIAN, 0.1),
    "linearise": linearise,
    "polish": polish,
    "Minimiser": Minimiser,
    "linear_ranks": linear_ranks,
    "derivative_bounds": lambda p: derivative_bounds(p, 0.1),
    "Problem": Problem.of,
    "surface": NetworkSurface,
}


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("point", [None, 3, NET], ids=["None", "3", "net"])
def test_what_is_no_point_is_refused(name, point):
    with pytest.raises(TypeError, match=r"by net\.at\(theta, x, y\); got"):
        POINTS[name](point)


NETS = {
    "surface": lambda n: NetworkSurface.of(n, X, Y),
    "random_groups": random_groups,
    "Problem": lambda n: Problem(n, X, Y),
    "compare_descent": lambda n: compare_descent(n, A, X, Y),
    "width_scaling": lambda n: width_scaling(n, X, Y, (2, 3)),
    "output_scaling": lambda n: output_scaling(n, X, Y, (1.0, 2.0)),
    "interpolate": lambda n: interpolate(n, A, X, Y),
    "pac_bayes_bounds": lambda n: pac_bayes_bounds(n, A, A, X, Y),
    "chain_gradients": lambda n: chain_gradients(n, A[None], X[None], Y[None]),
    "simulate_sgd": lambda n: simulate_sgd(n, A, X, Y, HESSIAN, step_size=0.1, batch_size=1),
}


@pytest.mark.parametrize("name", NETS)
def test_what_is_no_network_is_refused(name):
    for net in (None, "tanh", POINT):
        with pytest.raises(TypeError, match="net must be an MLP; got"):
            NETS[name](net)


PROGRESS = {
    "lower_barrier": lambda p: lower_barrier(SURFACE, A, B, GROUPS, progress=p),
    "trained_curve": lambda p: trained_curve(SURFACE, BEND, progress=p),
    "relaxed_path": lambda p: relaxed_path(SURFACE, [A, B, A], progress=p),
    "connect": lambda p: connect(SURFACE, A, B, progress=p),
    "plane_slice": lambda p: plane_slice(SURFACE, A, [ONES, A], progress=p),
    "compare_descent": lambda p: compare_descent(NET, A, X, Y, progress=p),
    "width_scaling": lambda p: width_scaling(NET, X, Y, (2, 3), progress=p),
    "depth_scan": lambda p: depth_scan((1, 2), progress=p),
    "simulate_sgd": lambda p: simulate_sgd(
        NET, A, X, Y, HESSIAN, step_size=0.1, batch_size=1, progress=p
    ),
}


@pytest.mark.parametrize("name", PROGRESS)
def test_what_cannot_be_called_is_no_progress(name):
    for given in (3, "bar"):
        with pytest.raises(TypeError, match="progress must be a callable or None; got"):
            PROGRESS[name](given)


# call, error, what its message says
REFUSED = [
    (lambda: profile(SURFACE, A), TypeError, "curve must be a Curve such as Polygon"),
    (lambda: profile(SURFACE, Polygon(np.eye(2))), ValueError, f"points of {A.size} entries"),
    (lambda: trained_curve(SURFACE, None), TypeError, "start must be a Curve"),
    (lambda: trained_curve(SURFACE, Bezier(np.eye(3))), ValueError, f"of {A.size} entries; got 3"),
    (lambda: trained_curve(SURFACE, BEND, jitter=np.nan), ValueError, "jitter must be"),
    (lambda: align(A, B, GROUPS[0]), TypeError, "groups must be a list or a tuple"),
    (lambda: align(A, B, [3]), TypeError, r"groups\[0\] must be a UnitGroup"),
    (lambda: align(A, B, []), ValueError, "no groups of units"),
    (lambda: lower_barrier(SURFACE, A, B, 3), TypeError, "groups must be a list"),
    (lambda: connect(SURFACE, A, B, groups=[None]), TypeError, r"groups\[0\] must be a UnitGroup"),
    (lambda: connect(SURFACE, A, B, curves=3), TypeError, "curves must be a list"),
    (lambda: connect(SURFACE, A, B, curves=[3]), ValueError, r"unknown curves \['3'\]"),
    (lambda: connect(SURFACE, A, B[:3]), ValueError, f"second must have {A.size} entries; got 3"),
    (lambda: pair_statistics([3]), TypeError, r"connections\[0\] must be a Connection"),
    (lambda: flatness(HESSIAN, None), TypeError, "gradient must be real numbers"),
    (lambda: flatness(np.eye(3), np.ones(2)), ValueError, r"hessian must have shape \(2, 2\)"),
    (lambda: flatness(np.full((1, 1), np.nan), [1.0]), ValueError, "hessian holds 1 NaN"),
    (lambda: flatness(np.eye(1), [np.inf]), ValueError, "gradient holds infinite"),
    (lambda: null_directions(POINT, np.eye(2), 0.1), ValueError, "hessian must have shape"),
    (lambda: null_directions(POINT, HESSIAN, -1), ValueError, "zero_tolerance must be"),
    (lambda: null_directions(POINT, HESSIAN, None), TypeError, "zero_tolerance must be"),
    (lambda: trained_start(SURFACE, max_steps="x"), TypeError, "max_steps must be"),
    (lambda: trained_start(SURFACE, step_size=np.nan), ValueError, "step_size must be"),
    (lambda: SymmetryType(3), TypeError, "groups must be a list"),
    (lambda: SymmetryType((3,)), TypeError, "sizes of a layer must be a list"),
    (lambda: CriticalPoints([3]), TypeError, r"points\[0\] must be a CriticalPoint"),
    (lambda: Certificate.load(3), TypeError, "path must be a path, a string or a Path; got 3"),
    (lambda: ScaledSurface(None, A, A), TypeError, "inner must be a LossSurface"),
    (lambda: FunctionSurface(2, None), TypeError, "function must be a callable"),
    (lambda: FunctionSurface(2, abs, 3), TypeError, "second must be a callable"),
    (lambda: curvature(SURFACE, A[:3]), ValueError, f"theta must have {A.size} entries"),
    (lambda: ball_sharpness(SURFACE, A[:3], 0.1), ValueError, "theta must have"),
    (lambda: ball_sharpness(SURFACE, A, 0.1, restarts=10**19), ValueError, "restarts must be"),
    (lambda: walk_along(POINT), TypeError, "start must be a Minimiser"),
    (lambda: depth_scan(3), TypeError, "depths must be a list"),
    (lambda: JacobianLaw((3,)), TypeError, r"layers\[0\] must be a LayerFactor"),
    (lambda: width_scaling(NET, X, Y, 3), TypeError, "widths must be a list"),
    (lambda: output_scaling(NET, X, Y, None), TypeError, "scales must be a list"),
    (lambda: fit_exponent("x", "x"), TypeError, "sizes must be real numbers"),
    (lambda: fit_exponent([1, 2, 3], [1, 2, 3], confidence="x"), TypeError, "confidence must be"),
    (lambda: graph_merge_tree(3, []), TypeError, "births must be a list"),
    (lambda: graph_merge_tree([0], None), TypeError, "edges must be a list"),
    (lambda: valley_heights(None), TypeError, "case must be a TheoremCase"),
    (lambda: compare_descent(NET, A, X, Y, steps=1, fraction=2.0), ValueError, "fraction must be"),
    (
        lambda: width_scaling(NET, X, Y, (2, 3), steps=1, fraction="x"),
        TypeError,
        "fraction must be a real number",
    ),
    (lambda: output_scaling(NET, X, Y, (1, 2), steps=1, fraction=0), ValueError, "fraction must"),
    (lambda: connect(SURFACE, A, B, curves=[], string_steps="x"), TypeError, "string_steps must"),
    (lambda: connect(SURFACE, A, B, curves=[], step_size=0), ValueError, "step_size must be"),
    (lambda: align(A, B, GROUPS, signs="x"), TypeError, "signs must be True or False"),
    (lambda: lower_barrier(SURFACE, A, B, GROUPS, signs=None), TypeError, "signs must be True"),
    (lambda: random_directions(SURFACE, A, orthogonal=1), TypeError, "orthogonal must be True"),
    (lambda: curvature(SURFACE, A, probes="x"), TypeError, "probes must be an integer"),
    (lambda: polish(POINT, throw=0), TypeError, "throw must be True or False"),
    (lambda: interpolate(NET, A, X, Y, throw="x"), TypeError, "throw must be True or False"),
    (lambda: unit_slopes(X, Y.T, centred=None), TypeError, "centred must be True or False"),
    (lambda: depth_scan((1, 2), law="x"), TypeError, "law must be True or False"),
    (lambda: find_critical_points(NET, X, Y, prove="x"), TypeError, "prove must be True or False"),
    (lambda: find_critical_points(NET, X, Y, spectrum=1), TypeError, "spectrum must be True"),
    (lambda: find_critical_points(NET, X, Y, progress=3), TypeError, "progress must be True"),
    (lambda: SymmetryType(None, "x"), TypeError, "finder must be one such as CappedNewton"),
    (lambda: GROUPS[0].rows(A, 3), TypeError, "place must be one of the places of the group"),
    (
        lambda: pac_bayes_bounds(MLP((2, 3, 1), loss="logistic"), A, B, X, Y, held_out=(X,)),
        ValueError,
        r"held_out must be data \(x, y\)",
    ),
    (lambda: random_weights(3, batch=1), TypeError, "widths must be a list"),
    (lambda: random_weights((3, 2), batch=1), ValueError, "widths must be n0, n1 and n2"),
    (lambda: unit_slopes("x", Y), TypeError, "x must be real numbers"),
    (lambda: minimise_batch(None, np.ones((1, 2))), TypeError, "function must be a callable"),
    (lambda: minimise_batch(abs, "x"), TypeError, "start must be real numbers"),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_wrong_arguments_are_refused_by_name(case):
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("order", "signs", "message"),
    [
        (None, None, "order must hold each of the units 0 to 2"),
        ([0, 1], None, "order must hold"),
        ([0, 1, 1], None, "order must hold"),
        ([0, 1, 3], None, "order must hold"),
        ([0, -1, 1], None, "order must hold"),
        ([0.0, 1.0, 2.0], None, "order must hold"),
        ([2, 1, 0], [1, 1], "signs must be 1 or -1 for each of the 3 units"),
        ([2, 1, 0], [1, 1, 2], "signs must be 1 or -1"),
        ([2, 1, 0], [1, 1, np.nan], "signs holds 1 NaN"),
    ],
)
def test_units_are_moved_by_permutations_and_signs(order, signs, message):
    """Repeated units and other factors gave a network of another function."""
    with pytest.raises(ValueError, match=message):
        GROUPS[0].moved(A, order, signs)


def test_units_are_turned_over_only_where_that_changes_nothing():
    relu = MLP((2, 3, 1), "relu")
    with pytest.raises(ValueError, match="cannot be turned over"):
        RELU.moved(A, [0, 1, 2], [1, -1, 1])
    moved = RELU.moved(A, [2, 0, 1], [1, 1, 1])
    assert relu.at(moved, X, Y).loss == pytest.approx(relu.at(A, X, Y).loss, rel=1e-14)
    turned = GROUPS[0].moved(list(A), (2, 0, 1), (1, -1, 1))
    assert SURFACE.loss(turned) == pytest.approx(SURFACE.loss(A), rel=1e-14)
    assert not np.array_equal(turned, A)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("starts", lambda n: find_critical_points(NET, X, Y, starts=n)),
        ("starts", lambda n: find_critical_points(SURFACE, starts=n)),
        ("starts", lambda n: unit_slopes(X, [[1.0, 2.0]], starts=n)),
        ("points", lambda n: profile(SURFACE, LINE, points=n)),
        ("points", lambda n: line_slice(SURFACE, A, B, points=n)),
        ("index_points", lambda n: profile(SURFACE, LINE, index_points=n)),
        ("bends", lambda n: Bezier.between(A, B, n)),
        ("images", lambda n: connect(SURFACE, A, B, images=n)),
        ("seeds", lambda n: width_scaling(NET, X, Y, (4, 8), seeds=n)),
    ],
)
def test_more_than_an_array_holds_is_refused_by_name(name, call):
    with pytest.raises(ValueError, match=f"^{name} must be an integer of at most"):
        call(10**19)
