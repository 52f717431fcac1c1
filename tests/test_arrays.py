"""Checks at the door."""

import decimal
import fractions
import json
import math

import numpy as np
import pytest
from numpy.random.bit_generator import ISeedSequence

from rmtland import arguments, arrays
from rmtland.arrays import ArrayLibrary
from rmtland.streams import random_generator, seed_of, streams

ONE_NUMBER = [arguments.finite, arguments.positive, arguments.nonnegative]


@pytest.mark.parametrize("check", ONE_NUMBER)
@pytest.mark.parametrize(
    "value",
    [2, 2.0, np.float32(2), np.int8(2), np.array(2.0), fractions.Fraction(2), decimal.Decimal(2)],
)
def test_any_real_number_becomes_a_float(check, value):
    result = check("x", value)
    assert result == 2.0
    assert type(result) is float


@pytest.mark.parametrize("check", ONE_NUMBER)
@pytest.mark.parametrize(
    "value",
    ["2", b"2", True, np.True_, None, [2.0], (2.0,), np.array([2.0]), np.zeros((0,)), 1j, object()],
)
def test_what_is_not_a_real_number_is_a_type_error_that_names_it(check, value):
    with pytest.raises(TypeError, match=r"^gamma must be (a real|one) number; got"):
        check("gamma", value)


@pytest.mark.parametrize("check", ONE_NUMBER)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_is_not_finite_is_a_value_error_that_names_it(check, value):
    with pytest.raises(ValueError, match=r"^gamma must be .*finite number; got"):
        check("gamma", value)


def test_signs():
    assert arguments.finite("x", -3) == -3
    with pytest.raises(ValueError, match="positive"):
        arguments.positive("x", 0)
    with pytest.raises(ValueError, match="positive"):
        arguments.positive("x", -1e-300)
    assert arguments.nonnegative("x", 0) == 0
    assert math.copysign(1, arguments.nonnegative("x", -0.0)) == 1
    with pytest.raises(ValueError, match="zero or a positive"):
        arguments.nonnegative("x", -1e-300)


def test_numbers_too_large_for_a_float():
    with pytest.raises((TypeError, ValueError), match="x must be"):
        arguments.positive("x", 10**400)


@pytest.mark.parametrize("value", [3, np.int16(3), 3.0, np.float32(3), np.array(3)])
def test_counts_are_integers(value):
    result = arguments.count("k", value)
    assert result == 3
    assert type(result) is int


@pytest.mark.parametrize(
    "value", [2.5, "3", None, True, np.False_, [3], math.nan, math.inf, 3 + 0j]
)
def test_what_is_not_a_count(value):
    with pytest.raises(TypeError, match=r"^k must be an integer"):
        arguments.count("k", value)


def test_least_counts():
    assert arguments.count("k", 0, least=0) == 0
    assert arguments.count("k", 1) == 1
    with pytest.raises(ValueError, match="k must be an integer of at least 1; got 0"):
        arguments.count("k", 0)
    with pytest.raises(ValueError, match="at least 5; got 4"):
        arguments.count("k", 4, least=5)


def test_choices():
    assert arguments.choice("colour", "red", ("red", "blue")) == "red"
    with pytest.raises(ValueError, match="unknown colour 'green'; choose one of red, blue"):
        arguments.choice("colour", "green", ("red", "blue"))
    with pytest.raises(ValueError, match="unknown colour None"):
        arguments.choice("colour", None, ("red", "blue"))


@pytest.mark.parametrize(
    ("value", "shape"),
    [(1, ()), ([], (0,)), ([1, 2], (2,)), (np.zeros((2, 0)), (2, 0)), ([[True], [False]], (2, 1))],
)
def test_points_are_float64_of_any_shape(value, shape):
    result = arguments.points("x", value)
    assert result.dtype == np.float64
    assert result.shape == shape


def test_points_may_be_infinite_but_not_nan():
    assert arguments.points("x", [math.inf, -math.inf]).size == 2
    with pytest.raises(ValueError, match="x holds 2 NaN of 3 values"):
        arguments.points("x", [math.nan, 1.0, math.nan])


def test_points_in_float64_are_not_copied():
    x = np.array([1.0, 2.0])
    assert arguments.points("x", x) is x


@pytest.mark.parametrize(
    "value",
    ["1", ["1"], 1j, np.zeros(0, dtype=complex), None, [None], [object()],
     np.array("2020-01-01", dtype="M8[D]"), np.zeros(0, dtype="U1")],
)  # fmt: skip
def test_points_that_are_not_real_numbers(value):
    with pytest.raises(TypeError, match="x must be real numbers; got dtype"):
        arguments.points("x", value)


def test_ragged_points_are_refused():
    with pytest.raises(ValueError, match=r"."):
        arguments.points("x", [[1.0], [1.0, 2.0]])


def test_float_arrays():
    x = np.arange(12.0).reshape(3, 4)[:, ::2]
    result = arguments.float_array("x", x, ndim=2)
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, x)
    with pytest.raises(ValueError, match=r"x must have 1 axes; got shape \(3, 2\)"):
        arguments.float_array("x", x, ndim=1)
    with pytest.raises(ValueError, match="x is empty"):
        arguments.float_array("x", [], ndim=1)
    with pytest.raises(ValueError, match="infinite"):
        arguments.float_array("x", [1.0, math.inf], ndim=1)
    with pytest.raises(ValueError, match="NaN"):
        arguments.float_array("x", [1.0, math.nan], ndim=1)
    with pytest.raises(TypeError, match="real numbers"):
        arguments.float_array("x", ["a"], ndim=1)


def test_generators_come_from_anything_numpy_takes():
    draws = [
        random_generator(seed).random()
        for seed in (7, np.int64(7), np.random.SeedSequence(7), np.random.PCG64(7),
                     np.random.default_rng(7))
    ]  # fmt: skip
    assert len(set(draws)) == 1
    generator = np.random.default_rng(7)
    assert random_generator(generator) is generator


def test_seeds_are_remembered_as_plain_values():
    for seed in (7, [1, 2], np.random.SeedSequence(7).spawn(2)[1], None):
        name = seed_of(random_generator(seed))
        assert json.loads(json.dumps(name)) == name
        again = np.random.SeedSequence(name["entropy"], spawn_key=tuple(name["spawn_key"]))
        generator = random_generator(seed) if seed is not None else None
        if generator is not None:
            assert np.random.default_rng(again).random() == generator.random()
    assert seed_of(np.random.default_rng(7)) == {
        "bit_generator": "PCG64", "entropy": 7, "spawn_key": []
    }  # fmt: skip
    assert seed_of(np.random.Generator(np.random.MT19937(3)))["bit_generator"] == "MT19937"


# Streams and array libraries --------------------------------------------------------------------


def test_streams_are_children_of_the_seed():
    first = [g.random() for g in streams(5, 3)]
    assert [g.random() for g in streams(5, 2)] == first[:2]
    assert len(set(first)) == 3
    assert [g.random() for g in np.random.default_rng(5).spawn(3)] == first
    sequence = np.random.SeedSequence(5)
    for _ in range(2):  # it is left as it is
        assert [g.random() for g in streams(sequence, 3)] == first
    generator = np.random.default_rng(5)
    assert [g.random() for g in streams(generator, 1) + streams(generator, 2)] == first


def test_streams_of_a_generator_whose_state_was_set_by_hand():
    class Seedless(ISeedSequence):
        """A seed that cannot spawn children."""

        def generate_state(self, n_words, dtype=np.uint32):
            return np.arange(n_words, dtype=dtype)

    draws = [
        [g.random() for g in streams(np.random.Generator(np.random.PCG64(Seedless())), 3)]
        for _ in range(2)
    ]
    assert draws[0] == draws[1]
    assert len(set(draws[0])) == 3


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32"), np.float32(1).dtype])
def test_precisions_by_any_name(dtype):
    library = ArrayLibrary.of(dtype=dtype)
    assert (library.name, library.precision) == ("numpy", "float32")
    assert (library.real, library.complex) == (np.float32, np.complex64)
    assert library.array([1.0, 2.0]).dtype == np.float32
    assert ArrayLibrary.of().precision == "float64"
    assert ArrayLibrary.of(np, device="cpu").free_memory() > 2**20


@pytest.mark.parametrize("dtype", ["float16", np.int64, "longdouble", complex])
def test_other_precisions_are_refused(dtype):
    with pytest.raises(ValueError, match="unknown dtype"):
        ArrayLibrary.of(dtype=dtype)


def test_the_library_is_that_of_the_arrays():
    strict = pytest.importorskip("array_api_strict")
    array = strict.asarray([1.0, 2.0])
    assert arrays.array_namespace(np.ones(2), 3.0, [1.0]) is np
    assert arrays.array_namespace(np.float64(1.0)) is np
    assert arrays.array_namespace(array) is strict
    assert arrays.array_namespace(np.ones(2), array) is strict
    back = arrays.to_numpy(array)
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, [1.0, 2.0])
    mine = np.ones(3)
    assert arrays.to_numpy(mine) is mine
