"""Point masses: the compiled sums, exact steps, and what is refused."""

import math
import pickle
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.laws import affine, discrete_kernels
from rmtland.laws.discrete import (
    Discrete,
    EmpiricalLaw,
    jet_reference,
    potential_reference,
    probability_weights,
)
from rmtland.solution import ConvergenceError
from rmtland.spectrum import Spectrum

quick = examples(60)


def cloud(size=700, seed=2):
    rng = np.random.default_rng(seed)
    weights = rng.random(size) + 0.01
    return EmpiricalLaw(rng.standard_normal(size), weights / weights.sum())


@pytest.mark.parametrize("many", [0, 10**9], ids=["threads", "one thread"])
def test_compiled_sums_equal_the_reference(many, monkeypatch):
    monkeypatch.setattr(discrete_kernels, "_MANY", many)
    law = cloud()
    rng = np.random.default_rng(1)
    x = rng.uniform(-5, 5, 101)
    for height in (0.0, 1e-12, 1e-3, 1.0, 1e8):
        z = x + 1j * height
        assert z.size * law.eigenvalues.size > 20_000  # enough to be sent to the kernel
        g, slope = law._jet(z)
        expected, expected_slope = jet_reference(z, *law._table)
        terms = np.abs(1 / (z[:, None] - law._table[0]))
        # Relative to the sum of the moduli of the terms, which is what rounding is relative to.
        assert (np.abs(g - expected) <= 1e-14 * terms @ law._table[1]).all()
        size = (terms * terms) @ law._table[1]
        assert (np.abs(slope - expected_slope) <= 1e-14 * size).all()
        potential = law._log_potential(z)
        np.testing.assert_allclose(
            potential, potential_reference(z, *law._table), rtol=1e-13, atol=1e-13
        )


def test_relative_accuracy_against_exact_rationals():
    law = cloud(50)
    places = [Fraction(x) for x in law._table[0].tolist()]
    masses = [Fraction(w) for w in law._table[1].tolist()]
    for x in (4.0, -3.75, 1e8, -1e12):
        exact = sum(w / (Fraction(x) - t) for w, t in zip(masses, places, strict=True))
        slope = -sum(w / (Fraction(x) - t) ** 2 for w, t in zip(masses, places, strict=True))
        g, derivative = law._jet(np.full(500, x, dtype=complex))  # 25000 terms: the kernel
        np.testing.assert_allclose(g, float(exact), rtol=1e-14)
        np.testing.assert_allclose(derivative, float(slope), rtol=1e-14)
        assert law.stieltjes(x) == pytest.approx(float(exact), rel=1e-14)  # the reference


def test_points_at_and_beside_a_mass():
    law = Discrete((0.0, 1.0), (0.25, 0.75))
    assert law.stieltjes(0.0) == complex(math.inf, 0)
    g, slope = law._jet(np.array([1e-200 + 0j, 1e-200j, -1e-160 + 0j, 0j]))
    np.testing.assert_allclose(g[:3], [2.5e199, -2.5e199j, -2.5e159], rtol=1e-14)
    assert slope[2] == pytest.approx(-math.inf)
    small = Discrete((-2e-200, 2e-200), (0.5, 0.5))
    assert small.stieltjes(4e-195) == pytest.approx(1 / 4e-195, rel=1e-9)  # of one place: half
    big = cloud()
    far = np.full(500, 1e160, dtype=complex)  # compiled, squares would overflow
    np.testing.assert_allclose(big._jet(far)[0], 1e-160, rtol=1e-12)
    np.testing.assert_allclose(big._log_potential(far).real, 160 * math.log(10), rtol=1e-12)
    place = big.eigenvalues[10]
    z = np.array([place, place + 1e-3, 7.0] * 20, dtype=complex)
    g, _ = big._jet(z)
    assert (g[::3] == complex(math.inf, 0)).all()
    assert np.isfinite(g[1::3]).all()
    assert (big._log_potential(z)[::3].real == -math.inf).all()


@given(
    st.lists(st.tuples(st.integers(-20, 20), st.integers(1, 50)), min_size=1, max_size=12),
    st.lists(st.floats(-25, 25), min_size=1, max_size=10),
)
@quick
def test_steps_are_exact(masses, x):
    total = sum(mass for _, mass in masses)
    law = Discrete(tuple(p / 4 for p, _ in masses), tuple(m / total for _, m in masses))
    places = sorted({p / 4 for p, _ in masses})
    assert [place for place, _ in law.atoms] == places
    for point in [*x, *places]:
        exact = Fraction(sum(m for p, m in masses if p / 4 <= point), total)
        below = Fraction(sum(m for p, m in masses if p / 4 < point), total)
        assert law.cdf(point) == pytest.approx(float(exact), abs=1e-15)
        assert law.mass_below(point) == pytest.approx(float(below), abs=1e-15)
    np.testing.assert_array_equal(law.ppf(law.cdf(places)), places)
    middle = (law.cdf(places) + law.mass_below(places)) / 2
    np.testing.assert_array_equal(law.ppf(middle), places)
    assert law.ppf(0) == places[0]
    assert law.ppf(1) == places[-1]
    assert law.pdf(places).tolist() == [0] * len(places)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 9)), min_size=1, max_size=6))
@quick
def test_moments_are_exact(masses):
    # Sixty-fourths are exact floats, so that the rational moments can be compared for equality.
    shares = [Fraction(m, 64) for _, m in masses]
    shares.append(1 - sum(shares))
    places = [Fraction(p, 8) for p, _ in masses] + [Fraction(5)]
    if shares[-1] <= 0:
        return
    law = Discrete(tuple(map(float, places)), tuple(map(float, shares)))
    for k, moment in enumerate(law._exact_moments(6)):
        assert moment == sum(w * x**k for w, x in zip(shares, places, strict=True))


def test_locations_are_merged_sorted_and_rescaled():
    law = Discrete((2.0, -1.0, 2.0), (0.25, 0.5, 0.25 + 4e-13))
    assert law.locations == (-1.0, 2.0)
    assert sum(law.weights) == pytest.approx(1, abs=2e-16)
    assert law == Discrete([-1.0, 2.0], np.array(law.weights))
    assert Discrete((-0.0,), (1.0,)) == Discrete((0.0,), (1.0,))
    assert eval(repr(law)) == law
    assert law.support == ()


def test_two_signs_by_hand():
    law = Discrete((-1.0, 1.0), (0.5, 0.5))
    z = np.array([0.3 + 0.2j, 2.0, -5j])
    np.testing.assert_allclose(law.stieltjes(z), z / (z * z - 1), rtol=1e-15)
    g = np.array([0.3, -0.2, 0.1 + 0.2j])
    np.testing.assert_allclose(
        law.r_transform(g), (np.sqrt(1 + 4 * g * g) - 1) / (2 * g), rtol=1e-12
    )
    shifted = Discrete((0.0, 1.0), (0.75, 0.25))
    w = np.array([0.5, -0.1, -0.2, 0.1j, 3.0])
    np.testing.assert_allclose(shifted.s_transform(w), (1 + w) / (0.25 + w), rtol=1e-11)
    assert law.r_transform(4 / 15) + 15 / 4 == pytest.approx(4.0, rel=1e-14)


def test_transforms_refuse_what_is_outside_their_domain():
    law = Discrete((0.0, 1.0), (0.75, 0.25))
    with pytest.raises(ConvergenceError, match="convex hull"):
        law.s_transform(-0.6)
    # Beyond both masses G runs over all real numbers; the pole of 1/G between them is in the way.
    with pytest.raises(ConvergenceError, match=r"g = .* convex hull \[-1.0, 1.0\]"):
        Discrete((-1.0, 1.0), (0.5, 0.5)).r_transform(-1e3j)
    for bad in (math.nan, [0.1, math.nan]):
        with pytest.raises(ValueError, match="NaN"):
            law.s_transform(bad)
    with pytest.raises(ValueError, match="mean is not zero"):
        Discrete((-1.0, 1.0), (0.5, 0.5)).s_transform(0.1)
    with pytest.raises(TypeError, match="numbers"):
        law.s_transform(["a"])
    with pytest.raises(ValueError, match="finite"):
        law.r_transform(math.inf)


def test_eigenvalues_keep_their_count():
    values = np.array([3.0, -1.0, 3.0, 0.5])
    law = EmpiricalLaw(values)
    assert law.atoms == ((-1.0, 0.25), (0.5, 0.25), (3.0, 0.5))
    assert law.cdf([-1, 0.5, 3]).tolist() == [0.25, 0.5, 1]
    thirds = EmpiricalLaw([1.0, 2.0, 3.0])
    assert thirds.cdf(2.0) == 2 / 3
    assert thirds._exact_moments(2) == [1, 2, Fraction(14, 3)]
    values[0] = 9.0  # the law keeps its own copy
    assert law.ppf(1) == 3.0
    with pytest.raises(ValueError, match="read-only"):
        law.eigenvalues[0] = 1.0


def test_empirical_laws_are_values():
    rng = np.random.default_rng(0)
    values = rng.normal(size=9)
    law, same = EmpiricalLaw(values), EmpiricalLaw(values[::-1].tolist())
    assert law == same
    assert hash(law) == hash(same)
    assert law != EmpiricalLaw(values + 1)
    assert law != "law"
    assert pickle.loads(pickle.dumps(law)) == law
    assert not pickle.loads(pickle.dumps(law)).eigenvalues.flags.writeable
    weighted = EmpiricalLaw([1.0, 2.0, 5.0], [0.25, 0.75, 0.0])
    assert weighted.atoms == ((1.0, 0.25), (2.0, 0.75))
    assert weighted == EmpiricalLaw([2.0, 1.0], [0.75, 0.25])
    assert "9 eigenvalues" in repr(law)
    assert "2 weighted nodes" in repr(weighted)


def test_law_of_a_spectrum():
    complete = Spectrum(np.array([[1.0, 2.0], [2.0, 4.0]]))
    assert EmpiricalLaw.of(complete).atoms == ((1.0, 0.25), (2.0, 0.5), (4.0, 0.25))
    quadrature = Spectrum(
        np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([[0.4, 0.6], [0.2, 0.8]]), dimension=50
    )
    law = EmpiricalLaw.of(quadrature)
    assert [place for place, _ in law.atoms] == [1, 2, 3]
    np.testing.assert_allclose([mass for _, mass in law.atoms], [0.3, 0.3, 0.4], rtol=1e-15)
    assert law.mean() == pytest.approx(quadrature.mean(), rel=1e-15)
    with pytest.raises(TypeError, match="Spectrum"):
        EmpiricalLaw.of([1.0, 2.0])


@pytest.mark.parametrize(
    ("locations", "weights", "match"),
    [
        ((), (), "empty"),
        ((1.0,), (0.5,), "sum to 1"),
        ((1.0, 2.0), (1.0,), "one weight each"),
        ((1.0, 2.0), (1.5, -0.5), "positive"),
        ((1.0, 2.0), (1.0, 0.0), "positive"),
        ((1.0, math.nan), (0.5, 0.5), "NaN"),
        ((1.0, math.inf), (0.5, 0.5), "infinite"),
        ((1.0, 2.0), (0.5, math.nan), "NaN"),
        (((1.0, 2.0),), (0.5, 0.5), "axes"),
    ],
)
def test_bad_masses_are_refused(locations, weights, match):
    with pytest.raises(ValueError, match=match):
        Discrete(locations, weights)


def test_bad_eigenvalues_are_refused():
    for bad, match in (([], "empty"), ([math.nan], "NaN"), ([[1.0]], "axes"), ([math.inf], "inf")):
        with pytest.raises(ValueError, match=match):
            EmpiricalLaw(bad)
    for weights, match in (([0.5], "shape"), ([1.5, -0.5], "negative"), ([0.4, 0.4], "sum to 1")):
        with pytest.raises(ValueError, match=match):
            EmpiricalLaw([1.0, 2.0], weights)
    with pytest.raises(TypeError, match="real numbers"):
        EmpiricalLaw(["1"])
    with pytest.raises(TypeError, match="real numbers"):
        probability_weights([1j], 1)


def test_numba_is_not_imported_with_the_laws():
    code = "import sys, rmtland.laws.discrete as d; d.Discrete((1., 2.), (.5, .5)).stieltjes(1j)"
    code += "; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [3, 40, 1000])
def test_weights_normalised_in_single_precision_are_taken(seed, size):
    """Their sum is off by some 6e-8; what is off by more than that rounding is no such sum."""
    single = np.random.default_rng(seed).random(size).astype(np.float32) + np.float32(1e-3)
    single /= single.sum()
    double = single.astype(np.float64)
    assert sum(probability_weights(single, size)) == pytest.approx(1, abs=1e-13)
    for weights in (single, double, tuple(double.tolist())):
        law = EmpiricalLaw(np.arange(size), weights)
        assert law.mean() == pytest.approx(np.average(np.arange(size), weights=double), rel=1e-13)
    with pytest.raises(ValueError, match=r"off by \+\S*e-0[456] \(at most"):
        probability_weights(single * np.float32(1 + 1.2e-5), size)
    with pytest.raises(ValueError, match=r"off by \+6.*e-08 \(at most 1e-12"):
        probability_weights(double / double.sum() * (1 + 6e-8), size)


@pytest.mark.parametrize("make", [Discrete, EmpiricalLaw])
def test_errors_of_images_cover_the_rounding_of_places(make):
    """Against exact rationals, beside places that rounding moved by up to half a spacing."""
    rng = np.random.default_rng(5)
    for scale, shift, twice in ((0.3, -0.1, 1.0), (-0.3, 0.1, 1.0), (1e3, -900.0001, 0.7)):
        places, masses = rng.standard_normal(3) + np.array([0.0, 0.9, 3.0]), (0.25, 0.25, 0.5)
        law = affine(affine(make(tuple(places), masses), scale=scale, shift=shift), scale=twice)
        law = pickle.loads(pickle.dumps(law))
        exact = [
            Fraction(twice) * (Fraction(scale) * Fraction(x) + Fraction(shift)) for x in places
        ]
        for place, _ in law.atoms:
            z = place + abs(place) * np.array([1e-2, 1e-6, -1e-10, 1e-15])
            found = law.solve(z)
            for x, value, error in zip(z, found.value.real, found.error, strict=True):
                g = sum(Fraction(m) / (Fraction(x) - t) for m, t in zip(masses, exact, strict=True))
                assert abs(Fraction(value) - g) <= Fraction(min(error, 1e300))
    law = affine(make((1.0, 4.0), (0.5, 0.5)), scale=0.5, shift=-1.0)  # nothing is rounded
    assert law.solve(1 + 1e-6).error < 1e-8


def test_images_are_rounded_once():
    """0.3 * 0.9 - 0.27 is what is left of the digits of the factors."""
    exact = Fraction(0.3) * Fraction(0.9) - Fraction(0.27)
    for law in (Discrete((0.9,), (1.0,)), EmpiricalLaw([0.9])):
        assert affine(law, scale=0.3, shift=-0.27).atoms == ((float(exact), 1.0),)
    assert float(exact) != 0.3 * 0.9 - 0.27
    large = affine(EmpiricalLaw([-1e308, 1e308]), scale=1.5, shift=1.0)
    assert large.eigenvalues.tolist() == [-1.5e308, 1.5e308]
