"""Array libraries: which one computes, on which device, in which precision."""

import numpy as np
import pytest

from rmtland import arrays
from rmtland.arrays import ArrayLibrary


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32"), np.float32(1).dtype])
def test_precisions_by_any_name(dtype):
    library = ArrayLibrary.of(dtype=dtype)
    assert (library.name, library.precision) == ("numpy", "float32")
    assert (library.real, library.complex) == (np.float32, np.complex64)
    assert library.array([1.0, 2.0]).dtype == np.float32
    assert ArrayLibrary.of().precision == "float64"
    assert ArrayLibrary.of(np, device="cpu").free_memory() > 2**20


@pytest.mark.parametrize("dtype", ["float16", np.int64, "longdouble", complex])
def test_other_precisions_are_refused(dtype):
    with pytest.raises(ValueError, match="unknown dtype"):
        ArrayLibrary.of(dtype=dtype)


def test_the_library_is_that_of_the_arrays():
    strict = pytest.importorskip("array_api_strict")
    array = strict.asarray([1.0, 2.0])
    assert arrays.array_namespace(np.ones(2), 3.0, [1.0]) is np
    assert arrays.array_namespace(np.float64(1.0)) is np
    assert arrays.array_namespace(array) is strict
    assert arrays.array_namespace(np.ones(2), array) is strict
    back = arrays.to_numpy(array)
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, [1.0, 2.0])
    mine = np.ones(3)
    assert arrays.to_numpy(mine) is mine


def test_anything_becomes_a_numpy_array():
    strict = pytest.importorskip("array_api_strict")
    torch = pytest.importorskip("torch")
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    for array in (
        strict.asarray(values),
        strict.asarray(values, device=strict.Device("device1")),
        torch.tensor(values),
        torch.tensor(values, requires_grad=True).T.T,
        torch.tensor(values, dtype=torch.bfloat16),
        values.tolist(),
    ):
        np.testing.assert_array_equal(arrays.to_numpy(array), values)
    conjugate = torch.tensor([1.0 + 2j]).conj()
    np.testing.assert_array_equal(arrays.to_numpy(conjugate), [1.0 - 2j])
    np.testing.assert_array_equal(arrays.to_numpy(conjugate.imag), [-2.0])
    with pytest.raises(TypeError, match=r"dense tensor; got torch\.sparse_coo"):
        arrays.to_numpy(torch.tensor(values).to_sparse())


@pytest.mark.parametrize(
    ("dtype", "precision"),
    [
        ("float64", "float64"),
        ("float32", "float32"),
        ("float16", "float16"),
        ("complex64", "float32"),
        ("complex128", "float64"),
        ("int32", "float64"),
        ("bool", "float64"),
    ],
)
def test_precision_of_arrays(dtype, precision):
    torch = pytest.importorskip("torch")
    assert arrays.precision_of(np.ones(2, dtype)) == precision
    assert arrays.precision_of(torch.ones(2, dtype=getattr(torch, dtype))) == precision
    assert arrays.precision_of([1.0]) == "float64"
    assert arrays.precision_of(torch.ones(1, dtype=torch.bfloat16)) == "bfloat16"
    assert arrays.ROUNDING_UNITS["float32"] == np.finfo(np.float32).eps


@pytest.mark.parametrize("library", ["numpy", "torch", "array_api_strict"])
@pytest.mark.parametrize("size", [3, 2**13 + 1])
def test_every_kind_of_number_is_looked_at(library, size):
    """Both parts of complex numbers too, and sums that overflow are no verdict."""
    xp = pytest.importorskip(library)
    for bad in (np.nan, np.inf, -np.inf):
        for number in (complex(1, bad), complex(bad, 1), bad):
            array = np.ones(size, dtype=type(number))
            assert arrays.is_finite(xp.asarray(array))
            array[-1] = number
            assert not arrays.is_finite(xp.asarray(array))
            assert not arrays.is_finite(xp.asarray(array)[::1])
            assert not arrays.is_finite(xp.asarray(np.stack([array, array])).T)
    for good in (np.full(size, 1e308), np.full(size, 1e308 + 1e308j), np.ones(size, dtype=bool)):
        assert arrays.is_finite(xp.asarray(good))
    for dtype in (np.int64, np.int32):
        assert arrays.is_finite(xp.asarray(np.full(size, np.iinfo(dtype).max, dtype=dtype)))
    assert arrays.is_finite(xp.asarray(np.zeros(0)))
