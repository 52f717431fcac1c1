"""Data sets: inputs and targets, with a sentence on what was done to the data.

>>> from rmtland.networks.datasets import dataset
>>> dataset("gaussian", 10, n_in=3, rng=0)
Dataset('gaussian', samples=10, n_in=3, n_out=3, description='10 samples, inputs and \
targets iid N(0, 1)')
"""

from __future__ import annotations

from collections.abc import Callable

from rmtland.arguments import choice
from rmtland.networks.datasets.cifar import cifar10
from rmtland.networks.datasets.dataset import WHITENING_FLOOR, Dataset
from rmtland.networks.datasets.digits import digits
from rmtland.networks.datasets.mnist import mnist5k
from rmtland.networks.datasets.synthetic import gaussian, teacher_student

__all__ = [
    "DATASETS",
    "WHITENING_FLOOR",
    "Dataset",
    "cifar10",
    "dataset",
    "digits",
    "gaussian",
    "mnist5k",
    "teacher_student",
]

DATASETS: dict[str, Callable[..., Dataset]] = {
    "digits": digits,
    "gaussian": gaussian,
    "teacher-student": teacher_student,
    "mnist5k": mnist5k,
    "cifar10": cifar10,
}
"""The data sets by name."""


def dataset(name: str, *args: object, **options: object) -> Dataset:
    """Return the data set called `name`; the rest is passed on to its function.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    *args, **options
        Passed on to its function.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        If there is no data set of that name.
    """
    return DATASETS[choice("data set", name, tuple(DATASETS))](*args, **options)
