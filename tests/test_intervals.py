"""Intervals in words: ends that differ are told apart, ends that do not are one number."""

import numpy as np
import pytest

from rmtland.intervals import error_words, interval_ends, interval_words
from rmtland.landscape.linearisation import fit_exponent


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((0.2, 0.25), "0.200 to 0.250"),
        ((-0.10, 0.03), "-0.100 to 0.030"),
        ((0.99996, 1.00001), "0.99996 to 1.00001"),
        ((-0.0001, 0.0001), "-0.0001 to 0.0001"),
        ((-2e-9, 0.0), "-0.000000002 to 0.000000000"),
        ((0.2, np.nextafter(0.2, 1.0)), "0.200"),
        ((0.0, 0.0), "0.000"),
        ((-1e-12, 1e-12), "0.000"),
    ],
)
def test_ends_that_differ_are_told_apart(ends, words):
    assert interval_words(*ends) == words


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ((-0.1, 0.03), ("-0.1", "+0.0")),
        ((0.0, 0.02), ("+0.00", "+0.02")),
        ((-1e-12, 1e-12), ("+0.0",)),
        ((-0.2, -0.2), ("-0.2",)),
    ],
)
def test_ends_with_signs(ends, told):
    assert interval_ends(*ends, decimals=1, signed=True) == told


def test_the_interval_of_an_exponent_has_its_digits():
    """Of nearly exact powers the ends differ in the fifth decimal: in three they were equal."""
    sizes = np.array([1.0, 2.0, 4.0, 8.0])
    found = fit_exponent(sizes, sizes**-0.5 * np.exp([1e-5, -1e-5, 1e-5, -1e-5]))
    low, high = repr(found).partition("(")[2].strip(")").split(" to ")
    assert float(low) < float(high) < float(low) + 1e-3


@pytest.mark.parametrize("error", [4.9e-4, 1e-5, 3e-300])
def test_an_error_that_is_there_is_not_told_as_0(error):
    assert float(error_words(error)) == pytest.approx(error, rel=0.5)
    assert error_words(0.0) == "0.000"
