"""Verbs in any units: of laws whose squares are no floating-point numbers."""

import numpy as np
import pytest

from rmtland import (
    Discrete,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    affine,
    free_compression,
    free_decompression,
    free_deconvolution,
    free_power,
    free_product,
    free_sum,
    law_of_polynomial,
    spiked,
)
from rmtland.free import FreeLevy, FreeSum
from rmtland.laws import LevyTriplet


def _wide(u):
    return Uniform(u, 2 * u)


VERBS = {
    "sum": lambda u: free_sum(_wide(u), Discrete((0.0, u), (0.5, 0.5))),
    "sum with a rational part": lambda u: free_sum(_wide(u), affine(Semicircle(), scale=u)),
    "rational sum": lambda u: free_sum(MarchenkoPastur(2.0, u), MarchenkoPastur(0.5, u)),
    "power": lambda u: free_power(_wide(u), 2.0),
    "compression": lambda u: free_compression(_wide(u), 0.6),
    "product": lambda u: free_product(_wide(u), Uniform(1.0, 3.0)),
    "signed product": lambda u: free_product(Uniform(-u, 2 * u), Discrete((1.0, 3.0), (0.4, 0.6))),
    "product of a large and a small one": lambda u: affine(
        free_product(_wide(u), _wide(1 / u)), scale=u
    ),
    "polynomial": lambda u: law_of_polynomial(
        lambda x, y: x * y + y * x,
        x=Discrete((0.0, u), (0.4, 0.6)),
        y=Discrete((-1.0, 1.0), (0.5, 0.5)),
    ),
    "difference": lambda u: (
        free_deconvolution(
            free_sum(_wide(u), affine(Semicircle(), scale=u)), affine(Semicircle(), scale=u)
        ).law
    ),
    "coefficients": lambda u: law_of_polynomial(lambda x: u * (x * x + x), x=Uniform()),
}
SLOW = ("rational sum", "signed product")


@pytest.mark.parametrize(
    "unit", [1e-200, *(pytest.param(u, marks=pytest.mark.slow) for u in (1e-160, 1e100, 1e200))]
)
@pytest.mark.parametrize(
    "verb",
    [pytest.param(verb, marks=pytest.mark.slow if verb in SLOW else ()) for verb in VERBS],
)
def test_verbs_in_any_units(verb, unit):
    law, one = VERBS[verb](unit), VERBS[verb](1.0)
    low, high = one.hull
    x = low + (high - low) * np.array([0.03, 0.4, 0.7])
    np.testing.assert_allclose(np.array(law.support) / unit, one.support, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(law.cdf(unit * x), one.cdf(x), rtol=1e-10)
    np.testing.assert_allclose(unit * law.pdf(unit * x), one.pdf(x), rtol=1e-10)
    far = 1e5 * (high - low) * np.array([1.0, 1j])
    np.testing.assert_allclose(unit * law.stieltjes(unit * far), one.stieltjes(far), rtol=1e-10)
    assert law.std() / unit == pytest.approx(one.std(), rel=1e-12)


@pytest.mark.parametrize("unit", [1e-200, pytest.param(1e200, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "recovered",
    [
        pytest.param(
            lambda u, x: free_deconvolution(u * x, affine(Semicircle(), scale=u / 50)),
            marks=pytest.mark.slow,
        ),
        lambda u, x: free_deconvolution(u * x, MarchenkoPastur(0.1), kind="multiplicative"),
        lambda u, x: free_decompression(u * x, 0.6),
    ],
)
def test_what_is_recovered_from_measurements_in_any_units(recovered, unit):
    """These ended in an IndexError, a ZeroDivisionError or an OverflowError."""
    eigenvalues = 1 + np.linspace(0.0, 1.0, 40) ** 2
    one, other = recovered(1.0, eigenvalues), recovered(unit, eigenvalues)
    length = other.law.mean() / one.law.mean()
    assert length == pytest.approx(unit, rel=1e-3)
    q = np.array([0.2, 0.5, 0.8])
    np.testing.assert_allclose(other.law.ppf(q) / length, one.law.ppf(q), rtol=1e-2)
    assert other.error / length == pytest.approx(one.error, rel=0.1)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_outliers_in_any_units(kind, unit):
    """Overlaps were 0 and -1/2 for 0.97."""
    (one,) = spiked(_wide(1.0), [3.0], kind=kind)
    spike = 3.0 * (unit if kind == "additive" else 1.0)
    (found,) = spiked(_wide(unit), [spike], kind=kind)
    assert found.spike == pytest.approx(spike, rel=1e-15)
    assert found.location / unit == pytest.approx(one.location, rel=1e-12)
    assert found.overlap == pytest.approx(one.overlap, rel=1e-10)


def test_what_no_number_holds_is_refused():
    with pytest.raises(ValueError, match="quotient of laws of the sizes"):
        free_deconvolution(_wide(1e200), _wide(1e-200), kind="multiplicative")
    large = _wide(1e200)
    with pytest.raises(ValueError, match=r"the product of laws of the sizes 2e\+200, 2e\+200 is"):
        free_product(large, large)
    with pytest.raises(ValueError, match=r"of the size 2\^1333, which is no floating-point"):
        law_of_polynomial(lambda x, y: x * y * x, x=large, y=Uniform())
    with pytest.raises(ValueError, match=r"of the size 1e-160; such laws are solved from"):
        FreeSum((_wide(1e-160),), (2.0,)).cdf(0.0)


@pytest.mark.parametrize("unit", [1e-130, 1e100])
def test_a_free_levy_law_beyond_its_kernels_is_refused(unit):
    """Far from its bands G was 1/z at 1e-130, where 8 units away it is 1.14/z."""
    law = FreeLevy(LevyTriplet(0.0, 0.0, (0.5, 1.5), (unit, 2 * unit)))
    for value in (law.stieltjes, law.cdf, law.log_potential):
        with pytest.raises(ValueError, match=r"FreeLevy is of the size .* free_sum"):
            value(30.0 * unit)
