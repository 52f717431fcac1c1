"""Images of the autoencoders: digits, or CIFAR-10 from a folder."""

import numpy as np
import pytest

from rmtland.reproduction import GaussNewtonGap
from rmtland.reproduction.images import image_words, whitened_images


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five files in the binary format of CIFAR-10 with 30 random images each."""
    place, rng = tmp_path_factory.mktemp("cifar"), np.random.default_rng(0)
    for i in range(1, 6):
        records = rng.integers(0, 256, size=(30, 3073), dtype=np.uint8)
        records[:, 0] = rng.integers(0, 10, size=30)
        records.tofile(place / f"data_batch_{i}.bin")
    return str(place)


def test_images_of_a_folder_are_4x4_gray_and_white(folder):
    data = whitened_images(100, folder, rng=1)
    assert data.x.shape == (100, 16)
    assert np.array_equal(data.x, data.y)
    assert data.x.T @ data.x / 100 == pytest.approx(np.eye(16), abs=1e-10)


def test_digits_are_drawn_by_the_seed():
    first, same, other = (whitened_images(40, rng=seed).x for seed in (0, 0, 1))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_the_caption_says_what_they_are(folder):
    figure = GaussNewtonGap(ratios=(2.0,), runs=2, theory_runs=1, images=folder)
    caption = figure.compute().caption
    assert image_words(folder) in caption
    assert "CIFAR-10 images" in caption
    assert "digits" not in caption
    assert "in place of CIFAR-10" in image_words()
