"""The address holds the state, every digit of it; what is no state is refused with a sentence."""

import pytest
from hypothesis import given, strategies as st

from rmtland.explorer import FAMILIES, ExplorerState
from rmtland.explorer.state import SAMPLES, TRACES
from rmtland.networks.activation import ACTIVATIONS

SIZES = st.floats(min_value=1e-12, max_value=1e12)
STATES = st.builds(
    ExplorerState,
    law=st.sampled_from(sorted(FAMILIES)),
    phi=SIZES,
    energy=st.one_of(st.just(0.0), st.floats(min_value=1e-24, max_value=1e24)),
    sigma=SIZES,
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    traces=st.sampled_from(TRACES),
    sample=st.sampled_from(SAMPLES),
    width=st.integers(2, 4000),
    seed=st.integers(0, 2**53 - 1),
)


@given(STATES)
def test_the_address_holds_the_state(state):
    assert ExplorerState.from_query(state.query) == state
    assert state.query.isascii()
    assert " " not in state.query


def test_what_an_address_leaves_out_is_as_by_default():
    assert ExplorerState.from_query("") == ExplorerState()
    assert ExplorerState.from_query("phi=1e-3") == ExplorerState(phi=0.001)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("phi=0", "phi must be a positive finite number; got 0.0"),
        ("phi=nan", "phi must be a positive finite number; got nan"),
        ("phi=1e999", "phi must be .* got inf"),
        ("phi=", "phi must be a number; got ''"),
        ("phi=half", "phi must be a number; got 'half'"),
        ("phi=9e-13", "phi must be from 1e-12 to 1e\\+12; got 9e-13"),
        ("sigma=1.1e12", "sigma must be from 1e-12 to"),
        ("energy=1e-300", "energy must be from 1e-24 to"),
        ("energy=-1", "energy must be zero or"),
        ("width=1", "width must be an integer of at least 2"),
        ("width=4001", "width must be at most 4000"),
        ("width=2.5", "width must be an integer; got '2.5'"),
        ("seed=-1", "seed must be"),
        ("law=foo", "law must be one of|unknown law 'foo'"),
        ("activation=swoosh", "activation"),
        ("traces=x", "traces"),
        ("sample=x", "sample"),
        ("colour=red", "names 'colour'; it can name law, phi"),
        ("phi=1&phi=2", "names phi twice"),
        ("phi=" + "1" * 3000, "3004 characters"),
        ("seed=" + str(2**53), "seed must be at most 9007199254740991"),
        ("seed=" + "9" * 300, "seed must be at most 9007199254740991"),
        ("seed=" + "9" * 1990, "seed must be an integer that floats hold"),
        ("<script>=1", "names '<script>'"),
    ],
)
def test_what_is_no_state(query, words):
    with pytest.raises(ValueError, match=words):
        ExplorerState.from_query(query)
