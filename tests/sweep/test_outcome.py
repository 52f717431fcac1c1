"""What a task returns, in canonical bytes and back."""

import asyncio
import math
import os
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from threadpoolctl import threadpool_info

from rmtland.sweep.outcome import attempt, decode, encode, limited

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DTYPES = (
    hnp.integer_dtypes() | hnp.unsigned_integer_dtypes() | hnp.floating_dtypes() | st.just(bool)
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))


def same(a, b):
    if isinstance(b, np.ndarray):
        native = b.astype(b.dtype.newbyteorder("="))
        return a.dtype == native.dtype and a.shape == b.shape and a.tobytes() == native.tobytes()
    if isinstance(b, float) and not math.isnan(b):
        return isinstance(a, float) and struct.pack("d", a) == struct.pack("d", b)
    return type(a) is type(b) and (a == b or (a != a and b != b))


@given(SCALARS | ARRAYS)
def test_a_bare_value_comes_back(value):
    text, arrays = encode(value)
    text.encode("ascii")
    assert same(decode(text, arrays), value)


@given(st.dictionaries(st.text(min_size=1), SCALARS | ARRAYS))
def test_a_dict_comes_back(value):
    found = decode(*encode(value))
    assert found.keys() == value.keys()
    assert all(same(found[name], value[name]) for name in value)


def test_the_order_of_names_does_not_matter():
    assert encode({"a": 1, "b": np.ones(2)}) == encode({"b": np.ones(2), "a": 1})


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.1), float(np.float32(0.1))),
        (np.int64(3), 3),
        (np.True_, True),
        (np.array(2.5), 2.5),
        (np.str_("a"), "a"),
        (-0.0, -0.0),
        (math.nan, math.nan),
        (np.float64(-math.inf), -math.inf),
    ],
)
def test_numpy_scalars_become_plain(value, plain):
    assert same(decode(*encode(value)), plain)


def test_arrays_are_little_endian_and_contiguous_in_the_store():
    nodes = np.arange(12.0).reshape(3, 4)
    for version in (nodes, nodes.astype(">f8"), nodes[::-1, ::2][::-1, :].repeat(2, 1) * 0 + nodes):
        _, arrays = encode({"nodes": version})
        assert arrays["nodes"] == nodes.astype("<f8").tobytes()
    assert encode(np.asfortranarray(nodes)) == encode(nodes)
    found = decode(*encode([0.5, math.nan]))
    assert found.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


@pytest.mark.parametrize(
    "value",
    [
        1j,
        np.ones(2, complex),
        object(),
        ["a", "b"],
        np.array(["a"]),
        {"a": {"b": 1}},
        np.array([None]),
        np.ones(2, np.longdouble),
        b"bytes",
        sparse.eye(2),
        np.ma.masked_array([1.0], [True]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_result(value):
    with pytest.raises(TypeError, match="a task must"):
        encode(value)


@pytest.mark.parametrize("value", [{"": 1}, {1: 2}, {"\ud800": np.ones(2)}])
def test_names_of_results(value):
    with pytest.raises(TypeError, match="names of a result"):
        encode(value)


def test_a_changed_byte_is_noticed():
    text, arrays = encode({"nodes": np.ones(3)})
    data = bytearray(arrays["nodes"])
    data[5] ^= 1
    with pytest.raises(ValueError, match="array nodes is not what was written"):
        decode(text, {"nodes": bytes(data)})
    with pytest.raises(ValueError, match="array nodes"):
        decode(text, {})


# Attempts ------------------------------------------------------------------------------------


def test_an_error_is_data():
    def wrong(x):
        raise KeyError(f"no {x} \udc80")

    failed = attempt(wrong, {"x": 1}, None, None)
    assert (failed.type, failed.message) == ("KeyError", "'no 1 \\udc80'")
    assert "in wrong" in failed.traceback
    failed.traceback.encode("utf-8")
    assert attempt(lambda: 1j, {}, None, None).type == "TypeError"
    assert attempt(lambda: exit(3), {}, None, None).type == "SystemExit"


class Unreadable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class NoText(Exception):
    def __str__(self):
        return 3


class Base(BaseException):
    pass


class UnreadableToTheEnd(Exception):
    def __str__(self):
        raise SystemExit(3)


class Nameless(type):
    @property
    def __name__(cls):
        raise RuntimeError("no name")


class NoName(Exception, metaclass=Nameless):
    pass


class NoClass(Exception):
    def __getattribute__(self, name):
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "error",
    [
        Unreadable(),
        UnreadableToTheEnd(),
        NoText(),
        NoName(),
        Base("so"),
        GeneratorExit(),
        asyncio.CancelledError(),
        SystemExit(3),
        ExceptionGroup("two", [Unreadable(), ValueError()]),
        BaseExceptionGroup("one", [Base()]),
    ],
    ids=lambda error: type(error).__qualname__,
)
def test_an_error_of_any_kind_is_data(error):
    def wrong():
        raise error

    failed = attempt(wrong, {}, None, None)
    assert failed.type == type(error).__qualname__
    assert failed.message == ("so" if type(error) is Base else failed.message)
    failed.message.encode("utf-8")
    assert "in wrong" in failed.traceback or "cannot be read" in failed.traceback


def test_an_error_that_does_not_tell_its_class_is_data():
    """It ended the process of the worker, or the whole sweep."""

    def wrong():
        raise NoClass

    assert attempt(wrong, {}, None, None).type == "NoClass"


def test_an_interrupt_that_a_task_raises_in_a_thread_is_its_own():
    def wrong():
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        failed = pool.submit(attempt, wrong, {}, None, None).result()
    assert failed.type == "KeyboardInterrupt"


def test_ctrl_c_is_no_error_of_the_task():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(interrupted, {}, None, None)


def threads():
    return {entry["num_threads"] for entry in threadpool_info()}


def test_threads_are_limited_and_given_back():
    with limited(1):
        pass  # loads the libraries whose threads are limited
    before, environment = threadpool_info(), dict(os.environ)
    assert attempt(lambda: float(max(threads())), {}, None, None).text != ""
    with limited(1):
        assert threads() == {1}
        assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert threadpool_info() == before
    assert dict(os.environ) == environment
    with limited(None):
        assert threadpool_info() == before
