"""Every method that a verb names gives the same law; operands of every kind are taken."""

import numpy as np
import pytest

from rmtland import WishartPlusWigner
from rmtland.free import (
    FreeSignedProduct,
    free_compression,
    free_deconvolution,
    free_power,
    free_product,
    free_sum,
)
from rmtland.laws import Discrete, EmpiricalLaw, MarchenkoPastur, Semicircle, Uniform, Wachter
from rmtland.spectrum import Spectrum

SUMS = {
    "wishart + wigner": (MarchenkoPastur(0.5), Semicircle(0.3)),
    "two wisharts": (MarchenkoPastur(0.4), MarchenkoPastur(3.0, 0.5)),
    "wishart alone": (MarchenkoPastur(0.7), MarchenkoPastur(0.2)),
}
PRODUCTS = {
    "uniform x wishart": (Uniform(1.0, 2.0), MarchenkoPastur(0.3)),
    "atoms x uniform": (Discrete((0.5, 3.0), (0.3, 0.7)), Uniform(0.5, 2.0)),
    "wachter x wishart": (Wachter(2.0, 0.5), MarchenkoPastur(0.6)),
    "two wisharts": (MarchenkoPastur(0.4), MarchenkoPastur(0.8)),
}


def agree(one, two):
    scale = one.hull[1] - one.hull[0]
    assert np.ravel(two.support) == pytest.approx(np.ravel(one.support), abs=1e-11 * scale)
    assert [place for place, _ in two.atoms] == pytest.approx([place for place, _ in one.atoms])
    assert [mass for _, mass in two.atoms] == pytest.approx([mass for _, mass in one.atoms])
    x = np.concatenate(
        [low + (high - low) * np.linspace(0.02, 0.98, 9) for low, high in one.support]
    )
    assert two.pdf(x) == pytest.approx(one.pdf(x), rel=1e-9)
    assert two.cdf(x) == pytest.approx(one.cdf(x), abs=1e-11)
    assert two.stieltjes(x + 0.1j) == pytest.approx(one.stieltjes(x + 0.1j), rel=1e-11)


@pytest.mark.parametrize("laws", SUMS.values(), ids=SUMS)
def test_sums_by_every_method(laws):
    rational = free_sum(*laws, method="rational")
    agree(rational, free_sum(*laws, method="subordination"))
    agree(rational, free_sum(*laws))


@pytest.mark.parametrize("t", [1.5, 4.0])
@pytest.mark.parametrize("law", [MarchenkoPastur(0.5), SUMS["two wisharts"][1]], ids=["mp", "mp 3"])
def test_powers_and_compressions_by_every_method(law, t):
    agree(free_power(law, t, method="rational"), free_power(law, t, method="subordination"))
    one, two = (free_compression(law, 1 / t, method=m) for m in ("rational", "subordination"))
    agree(one, two)


@pytest.mark.parametrize("laws", PRODUCTS.values(), ids=PRODUCTS)
def test_products_by_every_method(laws):
    positive, signed = (free_product(*laws, method=method) for method in ("positive", "signed"))
    assert isinstance(signed, FreeSignedProduct)
    agree(positive, signed)
    agree(positive, free_product(*laws))


def test_what_a_method_does_not_take_is_refused():
    with pytest.raises(ValueError, match="unknown method"):
        free_sum(Semicircle(), Uniform(0.0, 1.0), method="magic")
    with pytest.raises(ValueError, match="rational"):
        free_sum(Semicircle(), Uniform(0.0, 1.0), method="rational")
    with pytest.raises(ValueError, match="unknown method"):
        free_product(Uniform(0.0, 1.0), Uniform(1.0, 2.0), method="rational")
    with pytest.raises(ValueError, match="none with two signs"):
        free_product(Semicircle(), Uniform(1.0, 2.0), method="positive")


def test_the_old_name_of_the_argument_works_with_a_warning():
    with pytest.warns(DeprecationWarning, match="now called 'method'"):
        old = free_sum(MarchenkoPastur(0.5), Semicircle(), route="subordination")
    assert old == free_sum(MarchenkoPastur(0.5), Semicircle(), method="subordination")


def test_measured_spectra_arrays_and_models_are_operands():
    values = np.random.default_rng(1).normal(size=30)
    law = free_sum(EmpiricalLaw(values), Semicircle(0.2))
    assert free_sum(Spectrum(values), Semicircle(0.2)) == law
    assert free_sum(values, Semicircle(0.2)) == law
    assert free_sum(values.tolist(), Semicircle(0.2)) == law
    model = WishartPlusWigner(0.5, 0.3)
    assert free_sum(model, Semicircle(0.1)) == free_sum(model.law, Semicircle(0.1))
    for verb in (
        lambda operand: free_power(operand, 2.0),
        free_product,
        lambda operand: free_compression(operand, 0.5),
    ):
        assert verb(Spectrum(values)) == verb(EmpiricalLaw(values))


def test_operands_of_a_deconvolution_are_those_of_the_sum():
    values = np.repeat([-1.0, 0.0, 2.0], 4)
    known = free_deconvolution(EmpiricalLaw(values), Discrete((1.0,), (1.0,))).law
    for total in (Spectrum(values), values, values.tolist(), EmpiricalLaw(values)):
        assert free_deconvolution(total, [1.0]).law == known
    model = WishartPlusWigner(0.5, 0.3)
    left = free_deconvolution(free_sum(model, Semicircle(0.1)), model).law
    assert isinstance(left, Semicircle)
    assert left.variance == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("operand", "message"),
    [
        (2.0, "takes laws, spectra or arrays of eigenvalues; got float"),
        (np.eye(3), r"one row of real numbers; got an array of shape \(3, 3\)"),
        (np.array([1j]), "real numbers"),
        ([Semicircle(), Semicircle()], r"write free_sum\(\*laws\)"),
        ("semicircle", "got str"),
    ],
)
def test_other_operands_are_refused_in_one_line(operand, message):
    with pytest.raises(TypeError, match=message) as raised:
        free_sum(operand, Semicircle())
    assert len(str(raised.value)) < 150
