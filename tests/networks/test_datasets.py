"""Data sets: what was done to them is what they say."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from rmtland.networks import DATASETS, Dataset, dataset, digits, gaussian


def test_digits_are_scaled_images():
    data = digits()
    images = load_digits().data
    assert data.x.shape == data.y.shape == (len(data), data.n_in) == (1797, 64)
    assert data.x.mean() == pytest.approx(0, abs=1e-13)
    assert data.x.var() == pytest.approx(1, rel=1e-13)
    np.testing.assert_allclose(data.x * images.std() + images.mean(), images, atol=1e-12)
    np.testing.assert_array_equal(data.x, data.y)


def test_small_digits_are_averages_of_four_pixels():
    images = load_digits().images
    data = digits(size=4)
    expected = np.zeros((1797, 4, 4))
    for row in range(4):
        for column in range(4):
            square = images[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            expected[:, row, column] = square.reshape(1797, 4).mean(axis=1)
    expected = (expected - expected.mean()) / expected.std()
    np.testing.assert_allclose(data.x, expected.reshape(1797, 16), atol=1e-12)


@pytest.mark.parametrize(("size", "directions"), [(8, 55), (4, 16)])
def test_whitened_covariance_is_a_projector(size, directions):
    data = digits(size=size, whiten=True)
    covariance = data.x.T @ data.x / 1797
    np.testing.assert_allclose(data.x.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(covariance @ covariance, covariance, atol=1e-9)
    assert np.trace(covariance) == pytest.approx(directions, rel=1e-9)
    assert f"ZCA-whitened ({directions} of {size**2} directions)" in data.description
    # ZCA and no other whitening: the map is symmetric positive on the centred pixels.
    pixels = digits(size=size).x
    centred = pixels - pixels.mean(axis=0)
    cross = centred.T @ data.x / 1797
    np.testing.assert_allclose(cross, cross.T, atol=1e-10)
    assert np.linalg.eigvalsh(cross).min() > -1e-10


def test_constant_pixels_stay_at_zero_when_whitened():
    constant = load_digits().data.std(axis=0) == 0
    assert constant.sum() == 3
    whitened = digits(whiten=True)
    assert np.abs(whitened.x[:, constant]).max() < 1e-10


def test_subsets_are_drawn_without_replacement():
    whole, some = digits(), digits(300, rng=5)
    position = {row.tobytes(): i for i, row in enumerate(whole.x)}
    places = [position[row.tobytes()] for row in some.x]
    assert len(some) == 300 == len(set(places))
    assert places != sorted(places)
    np.testing.assert_array_equal(some.x, digits(300, rng=5).x)
    assert not np.array_equal(some.x, digits(300, rng=6).x)
    everything = {row.tobytes() for row in digits(1797, rng=1).x}
    assert everything == set(position)


def test_whitening_uses_all_images_before_the_subset_is_drawn():
    whole, some = digits(size=4, whiten=True), digits(50, size=4, whiten=True, rng=2)
    rows = {row.tobytes() for row in whole.x}
    assert all(row.tobytes() in rows for row in some.x)


def test_one_hot_targets_name_the_digit():
    labels = load_digits().target
    data = digits(target="one-hot")
    assert data.y.shape == (1797, 10)
    assert data.n_out == 10
    np.testing.assert_array_equal(data.y.argmax(axis=1), labels)
    np.testing.assert_array_equal(np.sort(data.y, axis=1)[:, -2:], np.tile([0.0, 1.0], (1797, 1)))
    # in a subset, image and label stay together
    position = {row.tobytes(): i for i, row in enumerate(data.x)}
    some = digits(40, target="one-hot", rng=3)
    places = [position[row.tobytes()] for row in some.x]
    np.testing.assert_array_equal(some.y.argmax(axis=1), labels[places])


def test_descriptions_say_what_was_done():
    assert digits().description == (
        "1797 of 1797 handwritten digits, pixels scaled to mean 0, variance 1 overall, "
        "target: the input"
    )
    small = digits(9, size=4, target="one-hot", rng=0)
    assert small.description.startswith("9 of 1797 handwritten digits, 2x2 averages (4x4 pixels)")
    assert small.description.endswith("target: one-hot digit")
    assert (small.name, small.target) == ("digits", "one-hot")
    assert "samples=9" in repr(small)


def test_gaussian_is_iid_standard_normal():
    data = gaussian(4000, 5, 3, rng=1)
    both = np.hstack([data.x, data.y])
    assert both.shape == (4000, 8)
    assert np.abs(both.mean(axis=0)).max() < 5 / np.sqrt(4000)
    covariance = both.T @ both / 4000
    assert np.abs(covariance - np.eye(8)).max() < 5 * np.sqrt(2 / 4000)
    assert gaussian(7, 5, rng=1).y.shape == (7, 5)
    np.testing.assert_array_equal(gaussian(7, 5, rng=1).y, gaussian(7, 5, rng=1).y)
    assert (data.name, data.target) == ("gaussian", "memorisation")
    assert data.description == "4000 samples, inputs and targets iid N(0, 1)"


def test_by_name():
    assert set(DATASETS) == {"digits", "gaussian"}
    np.testing.assert_array_equal(
        dataset("digits", 10, size=4, rng=0).x, digits(10, size=4, rng=0).x
    )
    np.testing.assert_array_equal(
        dataset("gaussian", 10, n_in=2, rng=0).x, gaussian(10, 2, rng=0).x
    )


@pytest.mark.parametrize("make", [lambda: digits(20, rng=0), lambda: gaussian(20, 3, rng=0)])
def test_arrays_are_read_only_float64(make):
    data = make()
    for array in (data.x, data.y):
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0
    digits(20, rng=0)  # and the cached images are not damaged
    np.testing.assert_array_equal(make().x, data.x)


def test_a_dataset_of_ones_own():
    x = np.arange(6.0).reshape(3, 2)
    data = Dataset(x, x[:, :1], name="mine")
    x[:] = 0
    np.testing.assert_array_equal(data.x, [[0, 1], [2, 3], [4, 5]])
    assert (len(data), data.n_in, data.n_out, data.name) == (3, 2, 1, "mine")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: digits(1798), ValueError, "there are 1797 digits; got samples=1798"),
        (lambda: digits(0), ValueError, "samples must be an integer of at least 1; got 0"),
        (lambda: digits(2.5), TypeError, "samples must be an integer"),
        (lambda: digits(size=5), ValueError, "size must be 8 or 4 pixels a side; got 5"),
        (lambda: digits(whiten="pca"), TypeError, "whiten must be True or False; got 'pca'"),
        (lambda: digits(target="label"), ValueError, "unknown target 'label'; choose one of auto"),
        (lambda: gaussian(0, 3), ValueError, "samples must be an integer of at least 1"),
        (lambda: gaussian(3, 0), ValueError, "n_in must be an integer of at least 1"),
        (lambda: gaussian(3, 3, 0), ValueError, "n_out must be an integer of at least 1"),
        (lambda: dataset("mnist"), ValueError, "unknown data set 'mnist'; choose one of digits, g"),
        (lambda: Dataset([[1.0]], [[1.0], [2.0]], name="a"), ValueError, "got 1 and 2"),
        (lambda: Dataset([[np.nan]], [[1.0]], name="a"), ValueError, "x holds 1 NaN"),
        (lambda: Dataset([[1.0]], np.zeros((0, 1)), name="a"), ValueError, "y is empty"),
        (lambda: Dataset([1.0], [[1.0]], name="a"), ValueError, "x must have 2 axes"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_without_scikit_learn(monkeypatch):
    from rmtland.networks import datasets

    datasets._digit_images.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        digits()
