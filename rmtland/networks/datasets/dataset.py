r"""The type of all data sets, and what can be done to one: each step returns a new data set.

Whitening maps the inputs to unit covariance. With C = U diag(c) U^T the covariance of the rows
(divided by their number),

    PCA:  x -> diag(c^{-1/2}) U^T (x - mean),        ZCA:  x -> U diag(c^{-1/2}) U^T (x - mean).

ZCA keeps a pixel a pixel; PCA leaves fewer inputs where directions are dropped. Directions whose
variance is below `WHITENING_FLOOR` times the largest are dropped (ZCA: mapped to zero): constant
pixels have no variance, and a few more directions live on a handful of images that division by a
tiny deviation would turn into outliers.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> data = Dataset(3.0 * rng.standard_normal((100, 4)), np.ones((100, 1)), name="mine")
>>> white = data.subset(50, rng=1).whitened("pca")
>>> bool(abs(white.x.T @ white.x / 50 - np.eye(4)).max() < 1e-12)
True
>>> white.description
'50 of 100 samples, PCA-whitened (4 of 4 directions)'
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmtland.arguments import choice, count, float_array
from rmtland.streams import random_generator
from rmtland.typing import NumpyArray, Real, Rng

__all__ = ["WHITENING_FLOOR", "Dataset", "averaged", "image_dataset", "whiten"]


WHITENING_FLOOR = 1e-4
"""Directions with less than this fraction of the largest variance are dropped."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Inputs and targets, one row per sample.

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
        What the targets are, for example "autoencoder" (the inputs) or "one-hot".
    image : tuple of int, optional
        (height, width) or (height, width, channels) of an input that is an image.

    Raises
    ------
    ValueError
        If x or y is empty, not two-dimensional or not finite, or if their lengths differ.
    TypeError
        If a parameter holds no real numbers.
    """

    x: Real
    y: Real
    name: str
    description: str = ""
    target: str = ""
    image: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check the arrays and keep read-only copies."""
        for name in ("x", "y"):
            array = float_array(name, getattr(self, name), ndim=2).copy()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if len(self.x) != len(self.y):
            raise ValueError(
                f"x and y must have one row per sample each; got {len(self.x)} and {len(self.y)}"
            )
        if self.image is not None and int(np.prod(self.image)) != self.n_in:
            raise ValueError(f"an image of shape {self.image} has not the {self.n_in} inputs of x")

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

    @property
    def labels(self) -> NDArray[np.int64]:
        """The number of the class of each sample, where the targets are one-hot.

        Raises
        ------
        ValueError
            If the targets are not one-hot.
        """
        if self.target != "one-hot":
            raise ValueError(f"the targets are no indicator variables but {self.target!r}")
        classes: NDArray[np.int64] = self.y.argmax(axis=1)
        return classes

    def subset(self, samples: int, *, rng: Rng = None) -> Dataset:
        """Return some samples, drawn without replacement.

        Parameters
        ----------
        samples : int
            How many.
        rng : optional
            Anything `numpy.random.default_rng` takes.

        Returns
        -------
        Dataset
            The samples drawn.

        Raises
        ------
        ValueError
            If there are not so many.
        TypeError
            If `samples` is no integer.
        """
        samples = count("samples", samples)
        if samples > len(self):
            raise ValueError(f"there are {len(self)} samples; got samples={samples}, ask for fewer")
        chosen = random_generator(rng).choice(len(self), size=samples, replace=False)
        return self._changed(self.x[chosen], f"{samples} of {len(self)} samples", y=self.y[chosen])

    def standardised(self, *, each: bool = False) -> Dataset:
        """Return inputs of mean 0 and variance 1: overall, or `each` input by itself.

        An input that is constant becomes zero.

        Parameters
        ----------
        each : bool, optional
            Scale each input by itself, not all of them by one number.

        Returns
        -------
        Dataset
            The same samples with scaled inputs; the targets of an autoencoder follow.
        """
        axis = 0 if each else None
        centred = self.x - self.x.mean(axis=axis)
        deviation = np.asarray(centred.std(axis=axis))
        x = centred / np.where(deviation > 0.0, deviation, 1.0)
        return self._changed(
            x,
            f"{'each input' if each else 'inputs'} scaled to mean 0, variance 1"
            + ("" if each else " overall"),
        )

    def whitened(self, kind: str = "zca") -> Dataset:
        """Return inputs whose covariance over the samples is the identity (see the module).

        Parameters
        ----------
        kind : {"zca", "pca"}, optional
            Which whitening.

        Returns
        -------
        Dataset
            The same samples with whitened inputs; the targets of an autoencoder follow.

        Raises
        ------
        ValueError
            For an unknown kind, or inputs that do not vary.
        """
        x, step = whiten(self.x, kind)
        return self._changed(x, step, image=self.image if kind == "zca" else None)

    def grayscale(self) -> Dataset:
        """Return colour images as 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601).

        Returns
        -------
        Dataset
            The same samples with one channel; the targets of an autoencoder follow.

        Raises
        ------
        ValueError
            If the inputs are no colour images.
        """
        if self.image is None or len(self.image) != 3 or self.image[2] != 3:
            raise ValueError(f"grayscale needs colour images; this set has image={self.image}")
        images = self.x.reshape(len(self), *self.image) @ np.array([0.299, 0.587, 0.114])
        return self._changed(images.reshape(len(self), -1), "grayscale", image=self.image[:2])

    def downsampled(self, factor: int) -> Dataset:
        """Return images whose pixels are averages of squares of `factor` x `factor` pixels.

        Parameters
        ----------
        factor : int
            Pixels a side of a square; it divides height and width.

        Returns
        -------
        Dataset
            The same samples with smaller images; the targets of an autoencoder follow.

        Raises
        ------
        ValueError
            If the inputs are no images, or the factor does not divide their sides.
        """
        if self.image is None:
            raise ValueError("down-sampling needs images; this set has image=None")
        images, step = averaged(self.x.reshape(len(self), *self.image), factor)
        return self._changed(images.reshape(len(self), -1), step, image=images.shape[1:])

    def _changed(self, x: Real, step: str, **changes: Any) -> Dataset:
        if self.target == "autoencoder":
            changes["y"] = x
        description = f"{self.description}, {step}" if self.description else step
        return replace(self, x=x, description=description, **changes)

    def __repr__(self) -> str:
        """Return sizes and description in place of the arrays."""
        return (
            f"Dataset({self.name!r}, samples={len(self)}, n_in={self.n_in}, n_out={self.n_out}, "
            f"description={self.description!r})"
        )


def whiten(rows: Real, kind: str) -> tuple[Real, str]:
    """Return whitened rows and a few words on it.

    Parameters
    ----------
    rows : ndarray, shape (m, n)
        The inputs.
    kind : {"zca", "pca"}
        Which whitening.

    Returns
    -------
    rows : ndarray
        Of unit covariance in the directions that were kept.
    words : str
        What was done.

    Raises
    ------
    ValueError
        For an unknown kind, or inputs that do not vary.
    """
    choice("kind of whitening", kind, ("zca", "pca"))
    centred = rows - rows.mean(axis=0)
    variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    if variances[-1] <= 0.0:
        raise ValueError("whitening needs inputs that vary; all samples are equal")
    keep = variances > WHITENING_FLOOR * variances[-1]
    if not keep.any():
        keep[-1] = True
    scaled = directions[:, keep] / np.sqrt(variances[keep])
    step = f"{kind.upper()}-whitened ({int(keep.sum())} of {rows.shape[1]} directions)"
    if kind == "pca":
        return centred @ scaled[:, ::-1], step  # the largest variance first
    return centred @ (scaled @ directions[:, keep].T), step


def averaged(images: NumpyArray, factor: int) -> tuple[Real, str]:
    """Return images (m, height, width[, channels]) averaged over squares, and words on it.

    Parameters
    ----------
    images : ndarray, shape (m, height, width) or (m, height, width, channels)
        The images.
    factor : int
        Pixels a side of a square.

    Returns
    -------
    images : ndarray
        Smaller by the factor.
    words : str
        What was done.

    Raises
    ------
    ValueError
        If the factor does not divide both sides.
    """
    factor = count("factor", factor)
    height, width = images.shape[1:3]
    if height % factor or width % factor:
        raise ValueError(
            f"images of {height}x{width} pixels cannot be averaged over squares of {factor}x"
            f"{factor}; the factor must divide both"
        )
    rest = images.shape[3:]
    split = images.reshape(len(images), height // factor, factor, width // factor, factor, *rest)
    small = f"{height // factor}x{width // factor} pixels"
    return split.mean(axis=(2, 4)), f"{factor}x{factor} averages ({small})"


def image_dataset(
    images: NumpyArray,
    labels: NDArray[np.int64],
    *,
    name: str,
    title: str,
    samples: int | None,
    grayscale: bool,
    downsample: int,
    whitening: str | None,
    target: str,
    rng: Rng,
) -> Dataset:
    """Return images as a data set: subset, colours, size, scale, targets, in this order.

    Scaling and whitening use the samples that were drawn.

    Parameters
    ----------
    images : ndarray, shape (total, height, width[, channels])
        All images.
    labels : ndarray of int, shape (total,)
        Their classes, from 0 to 9.
    name, title : str
        Name of the set, and words for its images.
    samples : int or None
        How many to draw; all, in their order, if None.
    grayscale : bool
        Take the luminance.
    downsample : int
        Average squares of so many pixels a side.
    whitening : {"zca", "pca"} or None
        Which whitening.
    target : {"one-hot", "autoencoder"}
        Which targets.
    rng : optional
        Draws the subset.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        For more samples than there are, or an unknown target or whitening.
    """
    choice("target", target, ("autoencoder", "one-hot"))
    total, steps = len(images), []
    if samples is not None:
        samples = count("samples", samples)
        if samples > total:
            raise ValueError(f"there are {total} {title}; got samples={samples}, ask for fewer")
        chosen = random_generator(rng).choice(total, size=samples, replace=False)
        images, labels = images[chosen], labels[chosen]
    steps.append(f"{len(images)} of {total} {title}")
    indicators = np.eye(10)[labels]
    flat = images.reshape(len(images), -1).astype(np.float64)
    y = flat if target == "autoencoder" else indicators
    data = Dataset(flat, y, name, ", ".join(steps), target, tuple(images.shape[1:]))
    if grayscale:
        data = data.grayscale()
    if downsample != 1:
        data = data.downsampled(downsample)
    data = data.standardised() if whitening is None else data.whitened(whitening)
    words = "the input" if target == "autoencoder" else "one-hot label"
    return replace(data, description=f"{data.description}, target: {words}")
