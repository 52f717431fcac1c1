r"""Data sets: inputs and targets, with a sentence on what was done to the data.

Two are built in. `digits` is the handwritten digits that scikit-learn ships: 1797 real images
of 8x8 pixels (test part of the UCI "Optical Recognition of Handwritten Digits" set). `gaussian`
is the memorisation task of Pennington & Bahri, ICML 2017: inputs and targets iid
N(0, 1).

Whitening is ZCA: with the covariance C = U diag(c) U^T of all 1797 images (divided by 1797),
x -> U diag(c^{-1/2}) U^T (x - mean), which keeps a pixel a pixel. Directions whose variance is
below `WHITENING_FLOOR` times the largest are mapped to zero, so that the covariance of the result
is the projector on the others: constant pixels have no variance, and a few more directions live
on a handful of images that division by a tiny deviation would turn into outliers. Of 8x8
images 55 of 64 directions are kept, of 4x4 images all 16.

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

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtland.arrays import Rng, choice, count, float_array, random_generator

__all__ = ["DATASETS", "WHITENING_FLOOR", "Dataset", "dataset", "digits", "gaussian"]

Array = NDArray[np.float64]

WHITENING_FLOOR = 1e-4
"""Directions with less than this fraction of the largest variance are mapped to zero."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Inputs and targets of a regression task, one row per sample.

    Parameters
    ----------
    x : array_like, shape (m, n_in)
        Inputs; kept as a read-only float64 copy, and so is `y`.
    y : array_like, shape (m, n_out)
        Targets.
    name : str
        What the data are.
    description : str
        One line on what was done to them.
    target : str
        What the targets are, for example "autoencoder".

    Raises
    ------
    ValueError
        If x or y is empty, not two-dimensional or not finite, or if their lengths differ.
    """

    x: Array
    y: Array
    name: str
    description: str = ""
    target: str = ""

    def __post_init__(self) -> None:
        """Check the arrays and keep read-only copies."""
        for name in ("x", "y"):
            array = _read_only(float_array(name, getattr(self, name), ndim=2).copy())
            object.__setattr__(self, name, array)
        if len(self.x) != len(self.y):
            raise ValueError(
                f"x and y must have one row per sample each; got {len(self.x)} and {len(self.y)}"
            )

    def __len__(self) -> int:
        """Return the number m of samples."""
        return len(self.x)

    @property
    def n_in(self) -> int:
        """The number of inputs."""
        return int(self.x.shape[1])

    @property
    def n_out(self) -> int:
        """The number of outputs."""
        return int(self.y.shape[1])

    def __repr__(self) -> str:
        """Return sizes and description in place of the arrays."""
        return (
            f"Dataset({self.name!r}, samples={len(self)}, n_in={self.n_in}, n_out={self.n_out}, "
            f"description={self.description!r})"
        )


def digits(
    samples: int | None = None,
    *,
    size: int = 8,
    whiten: bool = False,
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
    whiten : bool, optional
        Apply ZCA whitening (see the module).
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
    """
    target = choice("target", target, ("autoencoder", "one-hot"))
    if size not in (8, 4):
        raise ValueError(f"size must be 8 or 4 pixels a side; got {size!r}")
    if not isinstance(whiten, bool | np.bool_):
        raise TypeError(f"whiten must be True or False; got {whiten!r}")
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
        images = images.reshape(total, 4, 2, 4, 2).mean(axis=(2, 4))
        steps.append("2x2 averages (4x4 pixels)")
    pixels = images.reshape(total, -1)
    if whiten:
        pixels, kept = _zca(pixels)
        steps.append(f"ZCA-whitened ({kept} of {pixels.shape[1]} directions)")
    else:
        pixels = (pixels - pixels.mean()) / pixels.std()
        steps.append("pixels scaled to mean 0, variance 1 overall")
    x = pixels[chosen]
    y = x if target == "autoencoder" else np.eye(10)[labels[chosen]]
    steps.append("target: " + ("the input" if target == "autoencoder" else "one-hot digit"))
    return Dataset(x, y, name="digits", description=", ".join(steps), target=target)


def gaussian(samples: int, n_in: int, n_out: int | None = None, *, rng: Rng = None) -> Dataset:
    """Return the memorisation task: inputs and targets iid N(0, 1).

    Parameters
    ----------
    samples, n_in : int
        Numbers of samples and inputs.
    n_out : int, optional
        Number of outputs; `n_in` if None.
    rng : optional
        Anything `numpy.random.default_rng` takes; the inputs are drawn first.

    References
    ----------
    Pennington & Bahri, ICML 2017.
    """
    samples, n_in = count("samples", samples), count("n_in", n_in)
    n_out = n_in if n_out is None else count("n_out", n_out)
    generator = random_generator(rng)
    x = generator.standard_normal((samples, n_in))
    y = generator.standard_normal((samples, n_out))
    description = f"{samples} samples, inputs and targets iid N(0, 1)"
    return Dataset(x, y, name="gaussian", description=description, target="memorisation")


DATASETS: dict[str, Callable[..., Dataset]] = {"digits": digits, "gaussian": gaussian}
"""The data sets by name."""


def dataset(name: str, *args: Any, **options: Any) -> Dataset:
    """Return the data set called `name`; the rest is passed on to its function.

    Raises
    ------
    ValueError
        If there is no data set of that name.

    Examples
    --------
    >>> dataset("gaussian", 10, n_in=3, rng=0)
    Dataset('gaussian', samples=10, n_in=3, n_out=3, description='10 samples, inputs and \
targets iid N(0, 1)')
    """
    return DATASETS[choice("data set", name, tuple(DATASETS))](*args, **options)


@lru_cache(maxsize=1)
def _digit_images() -> tuple[Array, NDArray[np.int64]]:
    """Return images of shape (1797, 8, 8), grey levels 0..16, and labels of shape (1797,)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "the digits come with scikit-learn, which is not installed: pip install scikit-learn"
        ) from error
    bunch = load_digits()
    return _read_only(bunch.images.astype(np.float64)), bunch.target.astype(np.int64)


def _zca(pixels: Array) -> tuple[Array, int]:
    """Return ZCA-whitened rows and the number of directions kept."""
    centred = pixels - pixels.mean(axis=0)
    variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    keep = variances > WHITENING_FLOOR * variances[-1]
    kept = directions[:, keep]
    return centred @ ((kept / np.sqrt(variances[keep])) @ kept.T), int(keep.sum())


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array
