"""R- and S-transforms by inversion against laws whose closed forms are known."""

import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.laws import MarchenkoPastur, Semicircle, affine
from rmtland.laws.arcsine import Arcsine
from rmtland.laws.free_poisson import FreePoisson
from rmtland.laws.inversion import (
    elementwise,
    r_transform_of,
    s_transform_of,
)
from rmtland.laws.kesten_mckay import KestenMcKay
from rmtland.laws.uniform import Uniform
from rmtland.laws.wachter import Wachter
from rmtland.solution import ConvergenceError

CLOSED = [
    Semicircle(0.3, -1.7),
    MarchenkoPastur(0.5, 2.0),
    MarchenkoPastur(3.0),
    FreePoisson(0.4, -1.3),
    Arcsine(1.0, 3.0),
    Uniform(-3.0, 1.0),
    KestenMcKay(3.0),
    KestenMcKay(1.5),
    Wachter(0.5, 0.7),
]


@pytest.mark.parametrize("law", CLOSED, ids=lambda law: type(law).__name__)
def test_r_transforms_have_their_closed_forms(law):
    places = [*np.ravel(law.support), *(place for place, _ in law.atoms)]
    low, high = min(places), max(places)
    width = high - low
    z = np.array(
        [low - 0.01 * width, low - width, high + 1e-4 * width, high + 5 * width, high + 1e6]
    )
    g = law.stieltjes(z).real
    expected = law.r_transform(g)
    assert r_transform_of(law, g) == pytest.approx(expected, rel=1e-11, abs=1e-12 * width)
    np.testing.assert_allclose(r_transform_of(law, g) + 1 / g, z, rtol=1e-11, atol=1e-11 * width)
    z = (low + high) / 2 + width * np.array([1j, 2 - 0.8j, -0.3 + 1.2j, -3 - 1e-6j])
    g = law.stieltjes(z)
    np.testing.assert_allclose(r_transform_of(law, g), law.r_transform(g), atol=1e-12 * width)
    small = np.array([0.0, 1e-300, -1e-9, 1e-4j]) / width
    np.testing.assert_allclose(
        r_transform_of(law, small), law.r_transform(small), rtol=1e-13, atol=1e-13 * width
    )


@pytest.mark.parametrize(
    "law",
    [law for law in CLOSED if hasattr(law, "s_transform") and law.mean() != 0],
    ids=str,
)
def test_s_transforms_have_their_closed_forms(law):
    w = np.array([0.05, -0.05, 0.02 + 0.04j, 1e-9, -1e-5, 1e-12j, 0.0])
    np.testing.assert_allclose(s_transform_of(law, w), law.s_transform(w), rtol=1e-11)


@given(st.floats(-6, 6), st.sampled_from([1.0, -1.0]))
@examples(60)
def test_every_positive_law_has_s_down_to_its_atom(exponent, sign):
    """z from 1e-6 to 1e6 on the empty side of zero."""
    law = FreePoisson(0.6, sign * 1.5)
    z = -sign * 10.0**exponent
    w = z * law.stieltjes(z).real - 1
    assert s_transform_of(law, w) == pytest.approx(law.s_transform(w), rel=1e-9)
    found = (1 + w) / (w * s_transform_of(law, w))
    assert found == pytest.approx(z, rel=1e-4 if abs(z) < 1e-3 else 1e-9)


def test_what_is_not_in_the_domain_is_refused():
    law = MarchenkoPastur(0.5)
    ((low, high),) = law.support
    for beyond in (law.stieltjes(high).real * 1.01, law.stieltjes(low).real * 1.01):
        with pytest.raises(ConvergenceError, match=r"g = .* convex hull"):
            r_transform_of(law, beyond)
    with pytest.raises(ConvergenceError, match=r"w = .* convex hull"):
        s_transform_of(law, -1.5)
    with pytest.raises(ValueError, match="mean is not zero"):
        s_transform_of(Semicircle(), 0.1)
    for bad in (math.nan, math.inf, [0.1, complex(0, math.nan)]):
        with pytest.raises(ValueError, match=r"NaN|finite"):
            r_transform_of(law, bad)
    with pytest.raises(TypeError, match="numbers"):
        r_transform_of(law, "0.1")


def test_shapes_and_types():
    law = Uniform(0.0, 2.0)
    assert isinstance(r_transform_of(law, 0.25), float)
    assert isinstance(r_transform_of(law, 0.25 + 0j), complex)
    assert r_transform_of(law, np.empty((0, 3))).shape == (0, 3)
    assert r_transform_of(law, [[0.1, 0.2]]).shape == (1, 2)
    assert elementwise(lambda w: w * w, "w", np.int32(3)) == 9.0
    with pytest.raises(ValueError, match="pole at w"):
        elementwise(lambda w: 1 / w, "w", [1.0, 0.0])
    with pytest.raises(ValueError, match="branch point"):
        elementwise(np.sqrt, "w", -1.0)
    assert elementwise(np.sqrt, "w", -1.0 + 0j) == 1j


@pytest.mark.parametrize("unit", [1e-100, 1e20, 1e100])
def test_transforms_in_any_units(unit):
    """Moments of order 16 of a law of size 1e20 are no floating-point numbers."""
    one, law = MarchenkoPastur(0.5), affine(MarchenkoPastur(0.5), scale=unit)
    g, w = np.array([0.1, 0.2j, 1e-9, 1e-3]), np.array([0.1, 1e-3, -0.2 + 0.1j])
    np.testing.assert_allclose(r_transform_of(law, g / unit) / unit, one.r_transform(g), rtol=1e-11)
    np.testing.assert_allclose(s_transform_of(law, w) * unit, one.s_transform(w), rtol=1e-11)
