"""The images of the autoencoders: 4x4 pixels, gray, whitened.

Pennington and Bahri take CIFAR-10. It is not shipped with any package; the handwritten digits of
scikit-learn, real images too, stand in for it unless a folder is given.

>>> whitened_images(50, rng=0).x.shape
(50, 16)
>>> image_words()
'4x4 whitened handwritten digits (in place of CIFAR-10)'
"""

from __future__ import annotations

from rmtland.networks import Dataset, cifar10, digits
from rmtland.streams import Rng

__all__ = ["image_words", "whitened_images"]


def whitened_images(samples: int, folder: str = "", *, rng: Rng = None) -> Dataset:
    """Return 4x4 images, inputs and targets alike.

    Parameters
    ----------
    samples : int
        How many, drawn without replacement.
    folder : str
        Folder with CIFAR-10 in its binary version; empty for the digits.
    rng : anything `numpy.random.default_rng` takes
        For the drawing.
    """
    if not folder:
        return digits(samples, size=4, whiten=True, rng=rng)
    return cifar10(
        folder,
        samples,
        grayscale=True,
        downsample=8,
        whitening="zca",
        target="autoencoder",
        rng=rng,
    )


def image_words(folder: str = "") -> str:
    """Say in a caption what the images are."""
    if not folder:
        return "4x4 whitened handwritten digits (in place of CIFAR-10)"
    return "4x4 grayscale whitened CIFAR-10 images"
