r"""The handwritten digits that scikit-learn ships: 1797 real images of 8x8 pixels.

They are the test part of the UCI "Optical Recognition of Handwritten Digits" set. Of 8x8 images
whitening keeps 55 of 64 directions, of 4x4 images all 16 (see `rmtland.networks.datasets.dataset`).

References
----------
.. [1] E. Alpaydin and C. Kaynak, Optical recognition of handwritten digits, UCI Machine Learning
       Repository 1998.

Examples
--------
>>> data = digits(100, size=4, whiten=True, rng=0)
>>> data.x.shape, data.y.shape, data.target
((100, 16), (100, 16), 'autoencoder')
>>> for step in data.description.split(", "):
...     print(step)
100 of 1797 handwritten digits
2x2 averages (4x4 pixels)
ZCA-whitened (16 of 16 directions)
target: the input
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import choice, count
from rmtland.networks.datasets.dataset import Dataset, averaged, whiten as whitened
from rmtland.streams import random_generator
from rmtland.typing import Real, Rng

__all__ = ["digits"]


def digits(
    samples: int | None = None,
    *,
    size: int = 8,
    whiten: bool | str = False,
    target: str = "autoencoder",
    rng: Rng = None,
) -> Dataset:
    """Return handwritten digits (scikit-learn's 1797 images).

    Without whitening one mean and one deviation, those of all pixels of all images, bring the
    pixels to mean 0 and variance 1; with it each direction has them. Both are computed from all
    1797 images, before the subset is drawn.

    Parameters
    ----------
    samples : int, optional
        How many images, drawn without replacement; all of them, in their order, if None.
    size : {8, 4}, optional
        Pixels a side; 4 averages squares of 2x2 pixels.
    whiten : bool or {"zca", "pca"}, optional
        Whiten the images; True is "zca".
    target : {"autoencoder", "one-hot"}, optional
        Targets: the inputs themselves, or the ten indicator variables of the digit.
    rng : optional
        Anything `numpy.random.default_rng` takes; draws the subset.

    Returns
    -------
    Dataset
        x of shape (samples, size^2), y of shape (samples, size^2) or (samples, 10).

    Raises
    ------
    ValueError
        For more than 1797 samples, or an unknown size or target.
    ImportError
        If scikit-learn is missing.
    TypeError
        If `whiten` is none of its values, or `samples` no integer.
    """
    target = choice("target", target, ("autoencoder", "one-hot"))
    if np.ndim(size) or size not in (8, 4):
        raise ValueError(f"size must be 8 or 4 pixels a side; got {size!r}")
    if not isinstance(whiten, bool | np.bool_ | str):
        raise TypeError(f"whiten must be True, False, 'zca' or 'pca'; got {whiten!r}")
    images, labels = _digit_images()
    total = len(images)
    chosen = np.arange(total)
    if samples is not None:
        samples = count("samples", samples)
        if samples > total:
            raise ValueError(f"there are {total} digits; got samples={samples}, ask for fewer")
        chosen = random_generator(rng).choice(total, size=samples, replace=False)
    steps = [f"{len(chosen)} of {total} handwritten digits"]
    if size == 4:
        images, step = averaged(images, 2)
        steps.append(step)
    pixels = images.reshape(total, -1)
    if whiten:
        kind = whiten if isinstance(whiten, str) else "zca"
        pixels, step = whitened(pixels, kind)
        steps.append(step)
    else:
        pixels = (pixels - pixels.mean()) / pixels.std()
        steps.append("pixels scaled to mean 0, variance 1 overall")
    x = pixels[chosen]
    y = x if target == "autoencoder" else np.eye(10)[labels[chosen]]
    steps.append("target: " + ("the input" if target == "autoencoder" else "one-hot digit"))
    image = None if whiten == "pca" else (size, size)
    return Dataset(x, y, "digits", ", ".join(steps), target, image)


@lru_cache(maxsize=1)
def _digit_images() -> tuple[Real, NDArray[np.int64]]:
    """Return images of shape (1797, 8, 8), grey levels 0..16, and labels of shape (1797,)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "the digits come with scikit-learn, which is not installed: pip install scikit-learn"
        ) from error
    bunch = load_digits()
    images: Real = bunch.images.astype(np.float64)
    images.flags.writeable = False
    return images, bunch.target.astype(np.int64)
