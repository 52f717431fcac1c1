"""Affine images: closed families, collapsing, mirror images and steps at rounded places."""

import math

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import assume, given, strategies as st

from rmtland import free_sum
from rmtland.laws import (
    LevyTriplet,
    MarchenkoPastur,
    Semicircle,
    TracyWidom,
    truncated,
)
from rmtland.laws.affine_law import Affine, AffineLevy, affine
from rmtland.laws.arcsine import Arcsine
from rmtland.laws.discrete import Discrete, EmpiricalLaw
from rmtland.laws.free_poisson import FreePoisson
from rmtland.laws.kesten_mckay import KestenMcKay
from rmtland.laws.mixture_law import mixture
from rmtland.laws.uniform import Uniform
from rmtland.laws.wachter import Wachter

quick = examples(60)
scales = st.sampled_from([-1e3, -2.5, -1.0, -0.3, -1e-3, 1e-3, 0.7, 1.0, 3.0, 1e3])
shifts = st.sampled_from([-1e3, -2.0, -0.1, 0.0, 0.3, 1.0, 7.0, 1e3])


def test_closed_families_stay_what_they_are():
    assert affine(Semicircle(2.0, 1.0), scale=-0.5, shift=3) == Semicircle(0.5, 2.5)
    assert affine(Uniform(0.0, 1.0), scale=-2.0, shift=1.0) == Uniform(-1.0, 1.0)
    assert affine(Arcsine(), scale=0.5, shift=1.0) == Arcsine(0.0, 2.0)
    assert affine(Discrete((0.0, 1.0), (0.25, 0.75)), scale=-2.0) == Discrete((-2, 0), (0.75, 0.25))
    assert affine(MarchenkoPastur(0.5, 2.0), scale=0.25) == MarchenkoPastur(0.5, 0.5)
    assert affine(FreePoisson(0.5, 2.0), scale=-0.25) == FreePoisson(0.5, -0.5)
    assert affine(EmpiricalLaw([1.0, 2.0], [0.25, 0.75]), scale=-1.0) == EmpiricalLaw(
        [-2.0, -1.0], [0.75, 0.25]
    )
    law = affine(mixture([Uniform(), Semicircle()], [0.5, 0.5]), scale=2.0)
    assert law == mixture([Uniform(0, 2), Semicircle(4.0)], [0.5, 0.5])


def test_nested_maps_are_one():
    law = KestenMcKay(3.0)
    assert affine(law) is law
    nested = affine(affine(law, scale=2.0, shift=1.0), scale=-4.0, shift=0.5)
    assert nested == Affine(law, -8.0, -3.5)
    assert affine(nested, scale=-1 / 8, shift=-3.5 / 8) == law
    levy = affine(affine(MarchenkoPastur(2.0), shift=1.0), scale=-2.0)
    assert levy == AffineLevy(MarchenkoPastur(2.0), -2.0, -2.0)


def test_rational_r_transforms_are_kept():
    """A mirrored Marchenko-Pastur law is a free Poisson law; a shift is a drift."""
    law = affine(MarchenkoPastur(2.0, 0.5), scale=-1.5, shift=0.75)
    assert law.levy == LevyTriplet(0.75, 0.0, (0.5,), (-1.5,))
    mirrored = affine(MarchenkoPastur(2.0, 0.5), scale=-1.5)
    other = FreePoisson(0.5, -1.5)
    z = np.array([0.3 + 0.1j, -2 - 1e-9j, -1.0, 4.0, -7.0])
    np.testing.assert_allclose(mirrored.stieltjes(z), other.stieltjes(z), rtol=1e-13)
    np.testing.assert_allclose(mirrored.log_potential(z), other.log_potential(z), atol=1e-14)
    # The free sum with a point mass is the shift.
    total = free_sum(law, Semicircle(0.3))
    np.testing.assert_allclose(
        total.cdf([-3.0, 0.0, 1.0]),
        free_sum(other, Semicircle(0.3, 0.75)).cdf([-3.0, 0.0, 1.0]),
        atol=1e-14,
    )


@given(scales, shifts, st.floats(0.02, 0.98))
@quick
def test_every_function_follows_the_map(scale, shift, q):
    inner = Wachter(1.5, 1.8)
    law = Affine(inner, scale, shift)
    x = inner.ppf(q)
    assume(all(abs(x - place) > 1e-3 for place in (0.0, 1.0, *inner.support[0])))
    y = scale * x + shift
    blur = 1e-15 * (abs(shift) / abs(scale) + 1) * 1e3  # of x, when y is rounded
    assert law.pdf(y) * abs(scale) == pytest.approx(inner.pdf(x), rel=1e-12 + blur)
    below = inner.cdf(x) if scale > 0 else 1 - inner.mass_below(x)
    assert law.cdf(y) == pytest.approx(below, abs=1e-14 + blur)
    z = complex(x, 0.4)
    w = scale * z + shift
    assert law.stieltjes(w) * scale == pytest.approx(inner.stieltjes(z), rel=1e-12 + blur)
    assert law.mean() == pytest.approx(scale * inner.mean() + shift, rel=1e-14)
    assert law.var() == pytest.approx(scale**2 * inner.var(), rel=1e-14)
    assert law.r_transform(0.1 / scale) == pytest.approx(
        shift + scale * inner.r_transform(0.1), rel=1e-14
    )


@given(scales, shifts)
@quick
def test_steps_are_where_the_atoms_say(scale, shift):
    for inner in (Wachter(1.5, 1.8), KestenMcKay(1.3)):
        law = Affine(inner, scale, shift)
        total = 0.0
        for place, mass in law.atoms:
            low, high = np.nextafter(place, -math.inf), np.nextafter(place, math.inf)
            assert law.cdf(place) - law.cdf(low) == pytest.approx(mass, abs=1e-14)
            assert law.cdf(high) == pytest.approx(law.cdf(place), abs=1e-14)
            assert law.stieltjes(place) == complex(math.inf, 0)
            assert law.log_potential(place).real == -math.inf
            assert law.log_potential(place).imag == pytest.approx(
                np.pi * (1 - law.cdf(place)), abs=1e-15
            )
            middle = law.mass_below(place) + mass / 2
            assert law.ppf(middle) == place
            total += mass
        ((low, high),) = law.support
        assert law.cdf(high) - law.mass_below(low) == pytest.approx(1 - total, abs=1e-14)
        assert law.pdf([low - 1e-9 * (high - low) - 1e-12 * abs(low), 2 * high - low]).max() == 0


def test_s_transform_without_and_with_a_shift():
    inner = Wachter(0.5, 0.25)
    w = np.array([0.3, -0.2, 0.1 + 0.1j])
    np.testing.assert_allclose(
        affine(inner, scale=2.0).s_transform(w), inner.s_transform(w) / 2, rtol=1e-15
    )
    shifted = affine(inner, scale=2.0, shift=1.0)
    z = np.array([5.0, 4 - 2j])
    w = z * shifted.stieltjes(z) - 1
    np.testing.assert_allclose((1 + w) / (w * shifted.s_transform(w)), z, rtol=1e-12)


def test_bad_maps_are_refused():
    law = KestenMcKay(3.0)
    for kind in (affine, Affine):
        with pytest.raises(ValueError, match="scale must not be 0"):
            kind(law, scale=0.0)
        with pytest.raises(ValueError, match="shift must be a finite number"):
            kind(law, shift=math.nan)
        with pytest.raises(ValueError, match="scale must be a finite number"):
            kind(law, scale=math.inf)
        with pytest.raises(TypeError, match="takes a law"):
            kind(3.0, scale=2.0)
        with pytest.raises(TypeError, match="scale"):
            kind(law, scale="2")
    with pytest.raises(TypeError, match="rational"):
        AffineLevy(law, 2.0)


def test_solutions_pass_through():
    """Values and errors are those of the law inside over the scale; residuals are its own."""
    inner = Wachter(1.5, 0.8)
    law = affine(inner, scale=-2.0, shift=0.5)
    z = np.array([0.1 + 0.2j, -0.4, 3.0])
    mine, theirs = law.solve(z), inner.solve(np.conj((z - 0.5) / -2.0))
    np.testing.assert_allclose(mine.value, theirs.value.conj() / -2.0, rtol=1e-14)
    np.testing.assert_array_equal(mine.residual, theirs.residual)
    assert (mine.error >= theirs.error / 2).all()
    assert (mine.error <= 1e-13).all()


@pytest.mark.parametrize(
    ("scale", "shift"), [(-0.0012565096061564745, 0.9655), (0.3, -0.1), (1.7, -1.7 * 0.3)]
)
@pytest.mark.parametrize("kind", [Arcsine, Uniform, Semicircle])
def test_the_error_of_an_image_is_that_of_the_map_asked_for(kind, scale, shift):
    """Ends of the image are rounded: beside one the error was 1e14 times what was stated."""
    low, high = 0.3, 0.9000000000000001
    law = Semicircle((high - low) ** 2 / 16, 0.6) if kind is Semicircle else kind(low, high)
    image = affine(law, scale=scale, shift=shift)
    ((start, end),) = image.support
    steps = (end - start) * np.concatenate([[0.3], 10.0 ** -np.arange(1, 15)])
    x = np.concatenate([start - steps, start + steps, end - steps, end + steps])
    x = np.concatenate([x, np.nextafter([start, end], np.inf), np.nextafter([start, end], -np.inf)])
    x = x[(x != start) & (x != end)]
    found = image.solve(x)
    with mpmath.workdps(60):
        for value, error, place in zip(found.value, found.error, x, strict=True):
            z = (mpmath.mpf(float(place)) - mpmath.mpf(shift)) / mpmath.mpf(scale)
            exact = _transform(law, mpmath.mpc(z, mpmath.mpf(10) ** -55)) / mpmath.mpf(scale)
            exact = mpmath.conj(exact) if scale < 0 else exact
            assert abs(mpmath.mpc(value) - exact) <= error


def _transform(law, z):
    """Stieltjes transforms with 60 digits, above the axis."""
    if isinstance(law, Semicircle):
        variance, center = mpmath.mpf(law.variance), mpmath.mpf(law.center)
        edge = 2 * mpmath.sqrt(variance)
        w = z - center
        return 2 / (w + mpmath.sqrt(w - edge) * mpmath.sqrt(w + edge))
    to_low, to_high = z - mpmath.mpf(law.low), z - mpmath.mpf(law.high)
    if isinstance(law, Arcsine):
        return 1 / (mpmath.sqrt(to_low) * mpmath.sqrt(to_high))
    return (mpmath.log(to_low) - mpmath.log(to_high)) / (mpmath.mpf(law.high) - mpmath.mpf(law.low))


@pytest.mark.parametrize("inner", [TracyWidom(2), truncated(TracyWidom(1), -1.0, math.inf)])
def test_tails_are_those_of_the_law_inside(inner):
    """Tracy-Widom laws know both tails to 1e-300; so do their images, mirrored ones too."""
    q = np.array([1e-200, 1e-30, 1e-12, 1e-6, 0.009, 0.011, 0.3, 0.9])
    up, mirrored = affine(inner, scale=2.0, shift=1.75), affine(inner, scale=-2.0, shift=1.75)
    np.testing.assert_array_equal(up.isf(q), 2 * inner.isf(q) + 1.75)
    np.testing.assert_array_equal(mirrored.ppf(q), -2 * inner.isf(q) + 1.75)
    np.testing.assert_array_equal(mirrored.isf(q), -2 * inner.ppf(q) + 1.75)
    x = np.array([-0.5, 0.0, 2.0, 7.0, 30.0])
    np.testing.assert_allclose(up.sf(2 * x + 1.75), inner.sf(x), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(mirrored.cdf(-2 * x + 1.75), inner.sf(x), rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(mirrored.sf(-2 * x + 1.75), inner.cdf(x), rtol=1e-12)


def test_mirrored_quantiles_stay_on_their_side_of_a_gap_and_of_atoms():
    """The least x with cdf(x) >= q, where half the mass is on either side of a gap."""
    two = mixture([Uniform(0.0, 1.0), Uniform(2.0, 3.0)], [0.5, 0.5])
    law = Affine(two, -1.0, 0.0)
    assert (law.ppf(0.5), law.isf(0.5), law.ppf(0.0), law.ppf(1.0)) == (-2.0, -2.0, -3.0, 0.0)
    for scale, shift in ((-1.0, 1e3), (3.0, 1e3)):
        law = Affine(KestenMcKay(1.3), scale, shift)
        for place, mass in law.atoms:
            for x in (np.nextafter(place, -math.inf), place, np.nextafter(place, math.inf)):
                assert law.sf(x) == pytest.approx(1 - law.cdf(x), abs=1e-14)
            assert law.isf(law.sf(place) + mass / 2) == place


def test_a_tiny_law_is_no_point_mass():
    """Its variance is below the smallest number."""
    assert not affine(Semicircle(), scale=1e-200).is_point_mass
