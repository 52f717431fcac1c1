"""Sums and products that are made by their classes take laws, or say what to write instead."""

import numpy as np
import pytest

from rmtland.free.subordination.free_product_law import FreeProduct
from rmtland.free.subordination.free_sum_law import FreeSum
from rmtland.free.subordination.signed_product_law import FreeSignedProduct
from rmtland.laws import MarchenkoPastur, Semicircle, Uniform

ONE = Uniform(1.0, 2.0)
NO_LAWS = [None, "ab", 1.0, np.ones(3), [ONE], ONE, (ONE, None), (0.5,), True, ({},)]


@pytest.mark.parametrize("wrong", NO_LAWS, ids=str)
@pytest.mark.parametrize(
    "make", [FreeProduct, FreeSignedProduct, lambda operands: FreeSum(operands, (1.0,))]
)
def test_what_is_no_tuple_of_laws_is_refused(make, wrong):
    with pytest.raises(TypeError, match=r"takes a tuple of Law for operands; got .*free_"):
        make(wrong)


@pytest.mark.parametrize("make", [FreeProduct, FreeSignedProduct])
def test_products_need_an_operand_and_true_wisharts(make):
    with pytest.raises(ValueError, match="needs at least one operand"):
        make(())
    with pytest.raises(TypeError, match="takes a tuple of MarchenkoPastur for wisharts"):
        make((ONE,), (Semicircle(),))
    assert make((ONE,), (MarchenkoPastur(0.5),)).wisharts == (MarchenkoPastur(0.5),)


@pytest.mark.parametrize("powers", [None, (), (1.0, 2.0), 1.0, [1.0]], ids=str)
def test_sums_need_a_power_for_each_operand(powers):
    with pytest.raises(ValueError, match="one power for each of 1 operands"):
        FreeSum((ONE,), powers)


@pytest.mark.parametrize("power", [0.0, -1.0, np.nan, np.inf])
def test_powers_are_positive_numbers(power):
    with pytest.raises(ValueError, match="powers must be"):
        FreeSum((ONE,), (power,))
