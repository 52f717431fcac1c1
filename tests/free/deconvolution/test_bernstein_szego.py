"""Laws with eventually constant recurrence coefficients: closed forms and invariants."""

import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st

from rmtland.free.deconvolution.bernstein_szego import BernsteinSzego
from rmtland.laws import Arcsine, KestenMcKay, MarchenkoPastur, Semicircle, Uniform

quick = examples(12)

KNOWN = [
    (BernsteinSzego((0.3,), (2.0,)), Semicircle(2.0, 0.3)),
    (BernsteinSzego((0.0, 0.0), (2.0, 1.0)), Arcsine(-2.0, 2.0)),
    (BernsteinSzego((0.0, 0.0), (5.0, 4.0)), KestenMcKay(5)),
    (BernsteinSzego((1.0, 1.5), (0.5, 0.5)), MarchenkoPastur(0.5)),
    (BernsteinSzego((1.0, 2.0), (1.0, 1.0)), MarchenkoPastur(1.0)),
    (BernsteinSzego((1.0, 3.5), (2.5, 2.5)), MarchenkoPastur(2.5)),
    (BernsteinSzego((0.4, 0.4 * 31), (0.16 * 30, 0.16 * 30)), MarchenkoPastur(30.0, 0.4)),
]


@pytest.mark.parametrize(("law", "closed"), KNOWN, ids=lambda value: repr(value)[:40])
def test_closed_forms(law, closed):
    ((low, high),) = closed.support
    width = high - low
    np.testing.assert_allclose(law.support, closed.support, rtol=1e-14, atol=1e-14 * width)
    assert len(law.atoms) == len(closed.atoms)
    np.testing.assert_allclose(law.atoms, closed.atoms, rtol=1e-13, atol=1e-14)
    x = np.linspace(low - width / 4, high + width / 4, 61)
    np.testing.assert_allclose(law.cdf(x), closed.cdf(x), atol=3e-15)
    inner = x[(x > low + 1e-3 * width) & (x < high - 1e-3 * width)]
    np.testing.assert_allclose(law.pdf(inner), closed.pdf(inner), rtol=1e-12)
    for z in (x + 0.1j * width, x - 1e-3j * width, low - width * np.geomspace(0.1, 1e3, 9)):
        np.testing.assert_allclose(law.stieltjes(z), closed.stieltjes(z), rtol=1e-12)
        np.testing.assert_allclose(
            law.log_potential(z), closed.log_potential(z), rtol=1e-12, atol=1e-12
        )
    q = np.linspace(0, 1, 21)
    # one rounding of a level at the end of an atom moves the quantile by its 2/3 power
    at_the_end = np.abs(q - closed.cdf(low)) < 1e-15
    np.testing.assert_allclose(law.ppf(q[at_the_end]), low, atol=5 * width * 1e-15 ** (2 / 3))
    q = q[~at_the_end]
    np.testing.assert_allclose(law.ppf(q), closed.ppf(q), rtol=1e-11, atol=1e-12 * width)
    for k in range(12):
        assert law._exact_moments(k)[-1] == pytest.approx(
            closed._exact_moments(k)[-1], rel=1e-14 * (k + 1), abs=0
        )


def test_the_coefficients_of_legendre_polynomials_approach_the_uniform_law():
    k = np.arange(1, 301)
    law = BernsteinSzego((0.0,) * 300, tuple(k * k / (4.0 * k * k - 1)))
    x = np.linspace(-1, 1, 41)
    np.testing.assert_allclose(law.cdf(x), Uniform(-1.0, 1.0).cdf(x), atol=1e-6)
    assert law.moment(40) == pytest.approx(1 / 41, rel=1e-13, abs=0)


@given(
    st.lists(st.floats(-2, 2), min_size=1, max_size=6),
    st.lists(st.floats(0.3, 3), min_size=6, max_size=6),
)
@quick
def test_mass_moments_and_transforms_agree(diagonal, squares):
    law = BernsteinSzego(tuple(diagonal), tuple(squares[: len(diagonal)]))
    ((low, high),) = law.support
    t = np.pi * (np.arange(5000) + 0.5) / 5000
    x = low + (high - low) * np.sin(t / 2) ** 2
    weight = law.pdf(x) * (high - low) / 2 * np.sin(t) * np.pi / 5000
    masses = sum(mass for _, mass in law.atoms)
    assert weight.sum() + masses == pytest.approx(1, abs=1e-6)
    for k in (1, 2, 3):
        moment = (x**k) @ weight + sum(mass * place**k for place, mass in law.atoms)
        assert moment == pytest.approx(law.moment(k), abs=1e-5 * max(1, abs(low), abs(high)) ** k)
    z = np.array([low - 1 + 0.5j, (low + high) / 2 + 0.3j, high + 0.1j])
    h = 1e-5
    slope = (law.log_potential(z + h) - law.log_potential(z - h)) / (2 * h)
    np.testing.assert_allclose(slope, law.stieltjes(z), rtol=1e-5)
    g, dg = law._jet(z)
    change = (law.stieltjes(z + h) - law.stieltjes(z - h)) / (2 * h)
    np.testing.assert_allclose(dg, change, rtol=1e-4)
    assert (g.imag < 0).all()


def test_bad_coefficients_are_refused():
    with pytest.raises(ValueError, match="equal length"):
        BernsteinSzego((0.0,), (1.0, 1.0))
    with pytest.raises(ValueError, match="equal length"):
        BernsteinSzego((), ())
    with pytest.raises(ValueError, match="square must be a positive"):
        BernsteinSzego((0.0,), (0.0,))
    with pytest.raises(ValueError, match="diagonal must be"):
        BernsteinSzego((math.nan,), (1.0,))
    assert "2 coefficients" in repr(BernsteinSzego((0.0, 0.0), (2.0, 1.0)))
