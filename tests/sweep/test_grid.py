"""Grids: what is one key, and which seed it gets."""

import itertools
import json
import math
import time
from decimal import Decimal
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, strategies as st

from rmtland.sweep import Grid, Key

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(SCALARS, lambda one: st.lists(one, max_size=3).map(tuple), max_leaves=5)


def only(**parameters):
    (key,) = Grid(points=[parameters])
    return key


def same(a, b):
    """Equal in type and bits, but for the sign of zero."""
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and a == b


def test_product_in_order():
    grid = Grid({"b": [1, 2], "a": ["x", "y", "z"]}, seeds=2)
    assert (len(grid), grid.shape) == (12, (2, 3, 2))
    keys = list(grid)
    assert [(key.parameters["b"], key.parameters["a"], key.replicate) for key in keys] == [
        (b, a, i) for b in (1, 2) for a in "xyz" for i in range(2)
    ]
    assert [key.text for key in keys[::2]] == [
        json.dumps({"a": a, "b": b}) for b in (1, 2) for a in "xyz"
    ]


def test_points_beside_and_without_axes():
    assert [key.parameters for key in Grid(points=[{"a": 1}, {"b": 2}])] == [{"a": 1}, {"b": 2}]
    both = Grid({"a": [1, 2]}, points=[{"a": 2}, {"a": 3}])
    assert [key.parameters["a"] for key in both] == [1, 2, 3]  # 2 counts once


def test_degenerate_grids():
    assert len(Grid({"a": []})) == 0
    assert list(Grid({"a": [1]}, seeds=0)) == []
    assert [key.parameters for key in Grid(seeds=2)] == [{}, {}]
    assert len(Grid({"a": [1, 1, 1], "b": [2, 2]})) == 1
    assert [key.parameters for key in Grid({"a": 0.5, "b": "word", "c": None})] == [
        {"a": 0.5, "b": "word", "c": None}
    ]
    assert len(Grid({"a": range(3), "b": {2, 1}, "c": (i for i in range(2))})) == 12


@given(VALUES)
def test_parameters_come_back_as_they_were_given(value):
    assert same(only(x=value).parameters["x"], value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_last_bit_makes_another_key(x):
    assert only(x=x) != only(x=math.nextafter(x, math.inf))
    assert only(x=x) == only(x=float(x))


def test_types_are_parameters_too():
    keys = {only(x=x) for x in (1, 1.0, True, "1", (1,), None)}
    assert len(keys) == 6


@pytest.mark.parametrize(
    ("given_", "canonical"),
    [
        (-0.0, 0.0),
        (np.float64(0.1), 0.1),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.int8(-3), -3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(2.5), 2.5),
        ([1, [2.0]], (1, (2.0,))),
        (np.arange(3), (0, 1, 2)),
        (np.float64(-0.0), 0.0),
        (10**30, 10**30),
        (math.inf, math.inf),
    ],
)
def test_canonical_form(given_, canonical):
    key = only(x=given_)
    assert key == only(x=canonical)
    assert same(key.parameters["x"], canonical)
    assert type(key.parameters["x"]) in (int, float, bool, str, tuple)


@pytest.mark.parametrize(
    "value",
    [
        *(1j, Decimal(1), {"a": 1}, object(), np.datetime64("2020"), b"a"),
        np.array(["2020"], "M8[ns]"),  # were integers
        np.zeros(2, [("a", float)]),
    ],
)
def test_what_is_no_parameter(value):
    with pytest.raises(TypeError, match=r"parameter x must be made of .*; got"):
        Grid({"x": [value]})


def test_bad_grids():
    with pytest.raises(ValueError, match="seeds= and root="):
        Grid({"seed": [1]})
    with pytest.raises(ValueError, match="name of an argument; got 'a b'"):
        Grid({"a b": [1]})
    with pytest.raises(TypeError, match="axes must map"):
        Grid([1, 2])
    with pytest.raises(TypeError, match="points must be a sequence of mappings"):
        Grid(points=5)
    with pytest.raises(TypeError, match="parameter x has masked values; leave them out"):
        Grid({"x": np.ma.masked_array([1, 2], [0, 1])})
    with pytest.raises(ValueError, match="integer of 16610 binary digits"):
        Grid({"x": 10**5000})
    assert Grid({"x": {"a", 1}}) == Grid({"x": [1, "a"]})
    with pytest.raises(TypeError, match="a point must map"):
        Grid(points=[(1, 2)])
    with pytest.raises(ValueError, match="seeds must be"):
        Grid({"a": [1]}, seeds=-1)
    with pytest.raises(TypeError, match="root must be"):
        Grid({"a": [1]}, root=None)


# Seeds ---------------------------------------------------------------------------------------


def words(key):
    return tuple(key.seed.generate_state(4))


def test_a_seed_depends_on_its_key_alone():
    small = Grid({"x": [2.0]}, seeds=2)
    large = Grid({"x": [3.0, 2.0, 1.0]}, points=[{"x": 0.5}], seeds=5)
    seeds = {key: words(key) for key in large}
    assert all(words(key) == seeds[key] for key in small)
    assert len(set(seeds.values())) == len(large) == 20
    other = {words(key) for key in Grid({"x": [2.0]}, seeds=2, root=1)}
    assert not other & set(seeds.values())


def test_seed_is_the_documented_child():
    key = Key('{"x": 2.0}', "7", 3)
    spawn = np.frombuffer(blake2b(b'{"x": 2.0}', digest_size=16).digest(), "<u4")
    expected = np.random.SeedSequence(7, spawn_key=(*map(int, spawn), 3))
    assert words(key) == tuple(expected.generate_state(4))
    assert words(key) == (4016140411, 367581165, 2393898144, 1353529608)  # never changes


def test_without_seeds():
    (key,) = Grid({"x": [2.0]}, seeds=None)
    assert (key.seed, key.root, key.replicate) == (None, "", 0)


# Order ---------------------------------------------------------------------------------------


def test_rank_orders_numbers_by_size_and_everything_else_somehow():
    values = [10, 9.5, 9, -1, math.inf, -math.inf, 1e-300, 2**70]
    ordered = sorted(Grid({"x": values}), key=lambda key: key.rank)
    assert [key.parameters["x"] for key in ordered] == sorted(values)
    mixed = [None, True, 3, 2.5, math.nan, "a", (1, "b"), (1, None), (), 1, 1.0]
    first = [key.text for key in sorted(Grid({"x": mixed}), key=lambda key: key.rank)]
    again = [key.text for key in sorted(Grid({"x": mixed[::-1]}), key=lambda key: key.rank)]
    assert first == again
    assert len(first) == len(mixed)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Grid({"x": range(1001)}, seeds=1000),
        lambda: Grid({"x": 1.0}, seeds=10**9),
        lambda: Grid({"x": range(10**9)}),
        lambda: Grid({"x": itertools.count()}),
        lambda: Grid({"x": np.zeros(10**6 + 1)}),
        lambda: Grid({name: range(101) for name in "abc"}, seeds=None),
        lambda: Grid(points=[{"x": 1}, {"x": 2}], seeds=600_000),
    ],
)
def test_a_grid_without_bounds_is_refused_at_once(make):
    begun = time.process_time()
    with pytest.raises(ValueError, match=r"more than (the )?1000000 (that one|values)"):
        make()
    assert time.process_time() - begun < 5


def test_the_largest_grids():
    assert len(Grid({"x": range(1000)}, seeds=1000)) == 10**6
    assert len(Grid({"x": []}, seeds=10**9)) == 0
