"""CIFAR-10 from its binary files (Krizhevsky 2009, "Learning multiple layers of features").

The binary version has five training files, `data_batch_1.bin` to `data_batch_5.bin`, and
`test_batch.bin`. Each holds 10000 records of 3073 bytes: a label from 0 to 9, then 1024 red, 1024
green and 1024 blue grey levels of a 32x32 image, row by row. Nothing is downloaded.

References
----------
.. [1] A. Krizhevsky, Learning multiple layers of features from tiny images, technical report,
       University of Toronto 2009.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import choice
from rmtland.files import path_of
from rmtland.networks.datasets.dataset import Dataset, image_dataset
from rmtland.typing import Rng

__all__ = ["cifar10"]

_RECORD = 1 + 3 * 32 * 32
_FILES = {
    "train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    "test": ("test_batch.bin",),
}


def cifar10(
    folder: str | os.PathLike[str],
    samples: int | None = None,
    *,
    part: str = "train",
    grayscale: bool = False,
    downsample: int = 1,
    whitening: str | None = None,
    target: str = "one-hot",
    rng: Rng = None,
) -> Dataset:
    """Return CIFAR-10 images from the binary files in a folder.

    Without whitening one mean and one deviation, those of all pixels of the images drawn, bring
    the pixels to mean 0 and variance 1.

    Parameters
    ----------
    folder : path
        Where the files are, or where their folder `cifar-10-batches-bin` is.
    samples : int, optional
        How many images, drawn without replacement; all of them, in their order, if None.
    part : {"train", "test"}, optional
        The 50000 training images or the 10000 test images.
    grayscale : bool, optional
        Take the luminance in place of the three colours.
    downsample : int, optional
        Average squares of so many pixels a side: 1, 2, 4, 8, 16 or 32.
    whitening : {"zca", "pca"}, optional
        Whiten the images drawn.
    target : {"one-hot", "autoencoder"}, optional
        The ten indicator variables of the class, or the inputs themselves.
    rng : optional
        Anything `numpy.random.default_rng` takes; draws the subset.

    Returns
    -------
    Dataset
        Inputs of variance 1 or whitened, and the targets asked for.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is not of the binary version of CIFAR-10.
    """
    choice("part", part, tuple(_FILES))
    place = path_of("folder", folder)
    if not (place / _FILES[part][0]).exists() and (place / "cifar-10-batches-bin").is_dir():
        place /= "cifar-10-batches-bin"
    records = np.concatenate([_records(place / name) for name in _FILES[part]])
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return image_dataset(
        planes.transpose(0, 2, 3, 1),
        records[:, 0].astype(np.int64),
        name="cifar10",
        title=f"CIFAR-10 {part} images",
        samples=samples,
        grayscale=grayscale,
        downsample=downsample,
        whitening=whitening,
        target=target,
        rng=rng,
    )


def _records(path: Path) -> NDArray[np.uint8]:
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}; give the folder with the files of the binary version of "
            "CIFAR-10 (cifar-10-binary.tar.gz, unpacked)"
        )
    content = np.fromfile(path, dtype=np.uint8)
    if not content.size or content.size % _RECORD:
        raise ValueError(
            f"{path} has {content.size} bytes, no multiple of the {_RECORD} of a record of the "
            "binary version of CIFAR-10; is it whole, and unpacked?"
        )
    records = content.reshape(-1, _RECORD)
    if records[:, 0].max() > 9:
        raise ValueError(
            f"{path} holds the label {records[:, 0].max()}, above 9; is it CIFAR-10 in its binary "
            "version (not CIFAR-100, not the Python version)?"
        )
    return records
