"""Levy triplets: parameters, sums, transforms."""

import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from law_table import triplets

from rmtland import LevyTriplet
from rmtland.free import FreeLevy

quick = examples(60)


def test_jumps_are_sorted_and_equal_ones_merged():
    triplet = LevyTriplet(0.5, 1, rates=(1.0, 0.25, 2.0), jumps=(3, -1.0, 3.0))
    assert triplet.jumps == (-1.0, 3.0)
    assert triplet.rates == (0.25, 3.0)
    assert triplet == LevyTriplet(0.5, 1.0, (0.25, 3.0), (-1.0, 3.0))
    assert hash(triplet) == hash(LevyTriplet(0.5, 1.0, (0.25, 3.0), (-1.0, 3.0)))
    assert LevyTriplet(variance=-0.0) == LevyTriplet()
    assert math.copysign(1, LevyTriplet(variance=-0.0).variance) == 1


def test_sequences_of_any_kind_are_taken():
    assert LevyTriplet(rates=np.array([1.0, 2.0]), jumps=[1, -1]) == LevyTriplet(
        rates=(2.0, 1.0), jumps=(-1.0, 1.0)
    )


@given(triplets(), triplets())
@quick
def test_sums_add_r_transforms_and_cumulants(a, b):
    g = 0.3 / max(1e-3, *np.abs([*a.jumps, *b.jumps, 1e-3])) * np.exp(1j * np.arange(5))
    total = a + b
    np.testing.assert_allclose(
        total.r_transform(g), a.r_transform(g) + b.r_transform(g), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        FreeLevy(total).free_cumulants(6),
        FreeLevy(a).free_cumulants(6) + FreeLevy(b).free_cumulants(6),
        rtol=1e-12,
    )
    assert total.variance == a.variance + b.variance
    assert set(total.jumps) == set(a.jumps) | set(b.jumps)


@given(triplets())
@quick
def test_inverse_is_r_of_the_reciprocal(triplet):
    h = np.array([150 + 3j, -0.3 + 200j, 2.2 - 170j])
    np.testing.assert_allclose(triplet.inverse(h), triplet.r_transform(1 / h) + h, rtol=1e-13)


def test_cumulants_by_hand():
    triplet = LevyTriplet(1.0, 0.5, rates=(2.0, 3.0), jumps=(-1.0, 0.5))
    np.testing.assert_allclose(
        FreeLevy(triplet).free_cumulants(4),
        [1 - 2 + 1.5, 0.5 + 2 + 0.75, -2 + 0.375, 2 + 0.1875],
        rtol=1e-15,
    )
    g = np.array([0.25, 3.0 + 1j])
    by_hand = 1 + 0.5 * g - 2 / (1 + g) + 1.5 / (1 - 0.5 * g)
    np.testing.assert_allclose(triplet.r_transform(g), by_hand, rtol=1e-15)
    assert triplet.r_transform(0) == pytest.approx(0.5)


def test_the_atom_is_what_the_rates_leave():
    assert LevyTriplet(rates=(0.25, 0.5), jumps=(1, 2)).atom == 0.25
    assert LevyTriplet(variance=0.1, rates=(0.25, 0.5), jumps=(1, 2)).atom == 0
    assert LevyTriplet(rates=(0.1,) * 10, jumps=tuple(range(1, 11))).atom == 0  # sum .999...9
    assert LevyTriplet(rates=(3.0,), jumps=(1,)).atom == 0
    assert LevyTriplet(drift=2.0).atom == 1


def test_poles_are_refused():
    triplet = LevyTriplet(rates=(1.0, 1.0), jumps=(-0.5, 4.0))
    with pytest.raises(ValueError, match=r"pole at g = 0\.25"):
        triplet.r_transform([0.1, 0.25])
    with pytest.raises(ValueError, match=r"pole at g = -2\.0"):
        triplet.r_transform(-2 + 0j)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rates": (1.0,), "jumps": ()}, "equal length; got 1 and 0"),
        ({"rates": (1.0,), "jumps": (0.0,)}, "jump of 0"),
        ({"rates": (0.0,), "jumps": (1.0,)}, "rate must be a positive"),
        ({"rates": (-1.0,), "jumps": (1.0,)}, "rate must be a positive"),
        ({"rates": (1.0,), "jumps": (math.inf,)}, "jump must be a finite"),
        ({"rates": (1.0,), "jumps": (math.nan,)}, "jump must be a finite"),
        ({"variance": -1e-9}, "variance must be zero or a positive"),
        ({"variance": math.nan}, "variance must be zero or a positive"),
        ({"drift": math.inf}, "drift must be a finite"),
    ],
)
def test_bad_values_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LevyTriplet(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [{"drift": "0"}, {"variance": None}, {"rates": ("a",), "jumps": (1.0,)}, {"variance": True}],
)
def test_wrong_types_are_refused(arguments):
    with pytest.raises(TypeError, match="must be a real number"):
        LevyTriplet(**arguments)


def test_only_triplets_add_to_triplets():
    with pytest.raises(TypeError):
        LevyTriplet() + 1.0


@pytest.mark.parametrize(
    ("triplet", "expected"),
    [
        (LevyTriplet(0.5, 0.0, (1.0,), (-2.0,)), math.log(2) - 1),
        (LevyTriplet(0.0, 0.0, (0.75, 0.25), (1.0, -3.0)), math.log(3) / 4 - 1),
        (LevyTriplet(0.0, 0.0, (0.5, 0.5), (1.0, -1.0)), -1.0),
    ],
)
def test_the_potential_is_finite_where_rates_of_one_leave_no_atom(triplet, expected):
    here = np.zeros(1, dtype=np.complex128)
    beside = triplet.log_potential(np.array([1e-9j]))
    assert triplet.log_potential(here).real == pytest.approx(expected, rel=1e-14)
    assert triplet.log_potential(here) == pytest.approx(beside, abs=1e-7)


def test_the_potential_at_an_atom_is_infinite():
    atom = LevyTriplet(0.0, 0.0, (0.5,), (2.0,))
    assert atom.log_potential(np.zeros(1, dtype=np.complex128)).real == -np.inf
