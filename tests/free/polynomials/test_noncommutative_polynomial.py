"""Polynomials in noncommuting variables, their moments and their linearisations."""

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.free.polynomials.linearisation import Linearisation
from rmtland.free.polynomials.noncommutative_polynomial import (
    Polynomial,
    WordMoments,
    free_variables,
)
from rmtland.laws import MarchenkoPastur, Semicircle


@st.composite
def polynomials(draw):
    """Self-adjoint polynomials of degree up to 5 in two self-adjoint variables and another."""
    letters = [*free_variables("x y"), free_variables("c", self_adjoint=False)]
    letters.append(letters[-1].adjoint())
    p = Polynomial({(): draw(st.floats(-2, 2))})
    for _ in range(draw(st.integers(1, 4))):
        size = draw(st.floats(-2, 2))
        size = size if abs(size) > 1e-100 else 0.0  # squares and inverses stay in range
        term = complex(size, draw(st.sampled_from([0.0, 0.7]))) * Polynomial({(): 1.0})
        for choice in draw(st.lists(st.integers(0, 3), min_size=1, max_size=5)):
            term = term * letters[choice]
        p = p + term
    return p + p.adjoint()


def matrices(seed, n=3):
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(3, n, n)) + 1j * rng.normal(size=(3, n, n))
    return {"x": a + a.conj().T, "y": b + b.conj().T, "c": c}


@examples(60)
@given(polynomials(), st.integers(0, 2**32 - 1))
def test_corner_of_the_resolvent_of_the_pencil_is_that_of_the_polynomial(p, seed):
    values = matrices(seed)
    pencil = Linearisation.of(p, scales={"x": 3.0, "c": 0.2})
    n, size = 3, pencil.size
    value = p(**values) if p.degree else p.coefficients.get((), 0.0) * np.eye(n)
    z = 1j * (1 + np.linalg.norm(value, 2))
    corner = np.zeros((size, size))
    corner[0, 0] = z.imag
    resolvent = np.linalg.inv(1j * np.kron(corner, np.eye(n)) - pencil(**values))[:n, :n]
    assert resolvent == pytest.approx(np.linalg.inv(z * np.eye(n) - value), rel=1e-8, abs=1e-9)
    for letter, matrix in pencil.coefficients.items():
        adjoint = pencil.coefficients[letter.adjoint()].conj().T
        assert np.abs(matrix - adjoint).max() <= 1e-15 * np.abs(matrix).max()


def test_linearisations_are_small():
    x, y = free_variables("x y")
    sizes = {
        x + 3 * y - 1: 1,
        x**2 + y: 2,
        x * y + y * x: 3,
        y * x * y: 3,
        x**4 - x: 4,
        (x + 0.1 * y) ** 2: 2,
        (x + 0.1 * y) ** 4: 4,
    }
    assert {p: Linearisation.of(p).size for p in sizes} == sizes


def test_arithmetic_is_that_of_matrices():
    x, y = free_variables("x, y")
    c = free_variables("c", self_adjoint=False)
    m = matrices(3)
    p = (2 * x - y / 4) ** 2 * c.adjoint() - 1j * (3 - c) + np.float64(2.0) * x
    eye = np.eye(3)
    square = 2 * m["x"] - m["y"] / 4
    expected = square @ square @ m["c"].conj().T - 1j * (3 * eye - m["c"]) + 2 * m["x"]
    assert p(**m) == pytest.approx(expected)
    assert (p - p) == 0
    assert (-p + p).degree == 0
    assert p.adjoint()(**m) == pytest.approx(expected.conj().T)
    assert pickle.loads(pickle.dumps(p)) == p
    assert hash(x * y + 1) == hash(1 + x * y)
    assert repr(2 - x * y + 0.5 * c.adjoint()) == "2 + 0.5 c* - x y"
    assert (x * x - 2)(x=3.0) == 7.0


@pytest.mark.parametrize("wrong", ["x * y", "1j * x", "x * y + 2 * y * x", "c + x"])
def test_what_is_not_self_adjoint_is_named(wrong):
    x, y = free_variables("x y")
    p = eval(wrong, {"x": x, "y": y, "c": free_variables("c", self_adjoint=False)})
    assert not p.is_self_adjoint
    with pytest.raises(ValueError, match="lacks its adjoint"):
        Linearisation.of(p)


def test_arguments_are_checked():
    x = free_variables("x")
    with pytest.raises(ValueError, match="identifiers"):
        free_variables("2x")
    with pytest.raises(ValueError, match="natural"):
        x**-1
    with pytest.raises(TypeError):
        x + "y"
    with pytest.raises(ZeroDivisionError):
        x / 0
    with pytest.raises(ValueError, match="finite"):
        x * math.inf
    with pytest.raises(ValueError, match="not self-adjoint"):
        x + free_variables("x", self_adjoint=False)
    with pytest.raises(ValueError, match="no matrix given"):
        x(y=np.eye(2))
    with pytest.raises(ValueError, match="square"):
        x(x=np.ones(3))


# Moments of words --------------------------------------------------------------------------------


def moments_by_partitions(word, cumulants):
    """Sum over all noncrossing partitions, block by block, of short words."""
    if not word:
        return Fraction(1)
    total = Fraction(0)
    rest = range(1, len(word))
    for choice in range(2 ** len(rest)):
        block = [0, *(i for j, i in enumerate(rest) if choice >> j & 1)]
        if any(word[i] != word[0] for i in block):
            continue
        value = cumulants[word[0].name][len(block) - 1]
        for left, right in zip(block, [*block[1:], len(word)], strict=True):
            value *= moments_by_partitions(word[left + 1 : right], cumulants)
        total += value
    return total


@examples(40)
@given(st.lists(st.integers(0, 1), max_size=9))
def test_word_moments_are_sums_over_noncrossing_partitions(choices):
    letters = [next(iter(p.coefficients))[0] for p in free_variables("x y")]
    laws = {"x": MarchenkoPastur(0.5, 2.0), "y": Semicircle(0.75, center=-0.5)}
    cumulants = {name: law._exact_cumulants(9) for name, law in laws.items()}
    word = tuple(letters[i] for i in choices)
    moments = WordMoments(lambda name, order: laws[name]._exact_cumulants(order))
    assert moments.moment(word) == moments_by_partitions(word, cumulants)


def test_words_in_a_circular_variable():
    c = free_variables("c", self_adjoint=False)
    moments = WordMoments(lambda name, order: [Fraction(0), Fraction(3)])

    def moment(p):
        return moments.moment(next(iter(p.coefficients)))

    assert moment((c * c.adjoint()) ** 3) == 5 * 27
    assert moment(c * c * c.adjoint() * c.adjoint()) == 9
    assert moment(c * c) == 0


@pytest.mark.parametrize("wrong", [None, "a", 1.0, [0.3, 0.5], np.array([0.3, 0.5])])
def test_coefficients_are_a_mapping(wrong):
    with pytest.raises(TypeError, match="coefficients must be a mapping of words to numbers"):
        Polynomial(wrong)
