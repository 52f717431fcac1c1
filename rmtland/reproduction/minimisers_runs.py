"""Single tasks of the study of minimisers: networks trained on noise, single units, added units.

Data are iid N(0, 1). The data set of number k of a root is the same for every activation and every
width; the energies are relative, 2 epsilon.

>>> found = square_energies("linear", phi=1.0, n=4, data_sets=2, steps=400, root=0)
>>> sorted(found), found["energies"].shape
(['energies', 'gradients', 'missing'], (2,))
"""

from __future__ import annotations

import numpy as np

from rmtland.landscape.minimisers import (
    BatchMinimum,
    measure_added_unit,
    minimised_networks,
    unit_slopes,
)
from rmtland.typing import Real, Record

__all__ = [
    "added_unit",
    "fixed_data_energies",
    "hidden_units",
    "sample_count",
    "shape_energies",
    "slopes_over_samples",
    "square_energies",
    "start_energies",
]


def sample_count(phi: float, n0: int, n1: int, n2: int) -> int:
    """Return the number m of samples at which a network has p/(m n2) = phi.

    Parameters
    ----------
    phi : float
        Wanted.
    n0, n1, n2 : int
        Widths.

    Returns
    -------
    int
    """
    return max(1, round(n1 * (n0 + n2) / (phi * n2)))


def hidden_units(phi: float, n0: int, n2: int, samples: int) -> int:
    """Return the number of hidden units at which a network has p/(m n2) nearest to phi.

    Parameters
    ----------
    phi : float
        Wanted.
    n0, n2, samples : int
        Inputs, outputs, and m.

    Returns
    -------
    int
    """
    return max(1, round(phi * samples * n2 / (n0 + n2)))


def _data(root: int, sets: int, n0: int, n2: int, m: int) -> tuple[Real, Real, np.random.Generator]:
    """Return inputs, targets, and random numbers for starts."""
    rng = np.random.default_rng(np.random.SeedSequence([root, sets, n0, n2, m]))
    return rng.standard_normal((sets, n0, m)), rng.standard_normal((sets, n2, m)), rng


def _values(found: BatchMinimum) -> Record:
    return {
        "energies": found.values,
        "missing": found.missing,
        "gradients": found.gradients,
    }


def square_energies(
    activation: str, *, phi: float, n: int, data_sets: int, steps: int, root: int
) -> Record:
    """Train networks of n inputs, hidden units and outputs, one on each data set.

    Parameters
    ----------
    activation : str
        f.
    phi : float
        2n/m.
    n, data_sets, steps, root : int
        Width, number of data sets, steps at most, root of random numbers.

    Returns
    -------
    dict of str to ndarray
        `energies`, `missing`, `gradients`, one entry for each.
    """
    return shape_energies(
        activation, shape=(n, n, n), phi=phi, data_sets=data_sets, steps=steps, root=root
    )


def shape_energies(
    activation: str,
    *,
    shape: tuple[int, int, int],
    phi: float,
    data_sets: int,
    steps: int,
    root: int,
) -> Record:
    """Train networks of given widths, one on each data set.

    Parameters
    ----------
    activation : str
        f.
    shape : (int, int, int)
        n0, n1, n2.
    phi : float
        p/(m n2).
    data_sets, steps, root : int
        Number of data sets, steps at most, root of random numbers.

    Returns
    -------
    dict of str to ndarray
        As in `square_energies`.
    """
    n0, n1, n2 = shape
    x, y, rng = _data(root, data_sets, n0, n2, sample_count(phi, n0, n1, n2))
    return _values(minimised_networks(x, y, hidden=n1, activation=activation, steps=steps, rng=rng))


def start_energies(
    activation: str,
    *,
    phi: float,
    n: int,
    scale: float,
    memory: int,
    data_sets: int,
    steps: int,
    root: int,
) -> Record:
    """Train square networks from starts of another size, or with more memory.

    Parameters
    ----------
    activation : str
        f.
    phi : float
        2n/m.
    n : int
        Width.
    scale : float
        Of the starts.
    memory : int
        Of L-BFGS.
    data_sets, steps, root : int
        Number of data sets, steps at most, root of random numbers.

    Returns
    -------
    dict of str to ndarray
        As in `square_energies`.
    """
    x, y, rng = _data(root, data_sets, n, n, sample_count(phi, n, n, n))
    return _values(
        minimised_networks(
            x, y, hidden=n, activation=activation, scale=scale, memory=memory, steps=steps, rng=rng
        )
    )


def fixed_data_energies(
    activation: str,
    *,
    data: tuple[int, int, int],
    phi: tuple[float, ...],
    number: int,
    starts: int,
    steps: int,
    root: int,
) -> Record:
    """Train networks of several hidden widths on one data set, and single units on it.

    Parameters
    ----------
    activation : str
        f.
    data : (int, int, int)
        n0, n2, m.
    phi : tuple of float
        p/(m n2), up to what whole hidden units allow.
    number : int
        Of the data set.
    starts : int
        Of each network; the mean counts.
    steps, root : int
        Steps at most, root of random numbers.

    Returns
    -------
    dict of str to ndarray
        `phi`, `energies`, `missing`, `gradients` over the widths; `unit slopes`: local maxima of
        the slope of one unit.
    """
    n0, n2, m = data
    x, y, rng = _data(root + 1000 * (number + 1), 1, n0, n2, m)
    widths = [hidden_units(one, n0, n2, m) for one in phi]
    found = [
        minimised_networks(
            np.repeat(x, starts, axis=0),
            np.repeat(y, starts, axis=0),
            hidden=n1,
            activation=activation,
            steps=steps,
            rng=rng,
        )
        for n1 in widths
    ]
    units = unit_slopes(x[0], y[0], activation=activation, starts=64, rng=rng)
    return {
        "phi": np.array([n1 * (n0 + n2) / (m * n2) for n1 in widths]),
        "energies": np.array([one.values.mean() for one in found]),
        "missing": np.array([one.missing.mean() for one in found]),
        "gradients": np.array([one.gradients.max() for one in found]),
        "unit slopes": units.slopes,
    }


def slopes_over_samples(
    activation: str, *, n: int, ratio: int, number: int, starts: int, root: int
) -> Record:
    """Climb to maxima of one unit's share on a data set of `ratio` n samples.

    Parameters
    ----------
    activation : str
        f.
    n : int
        Inputs and outputs.
    ratio : int
        m/n.
    number : int
        Of the data set.
    starts, root : int
        Directions climbed from, root of random numbers.

    Returns
    -------
    dict of str to float
        `mean` and `highest` slope.
    """
    x, y, rng = _data(root + 1000 * (number + 1), 1, n, n, ratio * n)
    found = unit_slopes(x[0], y[0], activation=activation, starts=starts, rng=rng)
    return {"mean": found.mean, "highest": found.highest}


def added_unit(
    activation: str,
    *,
    n: int,
    samples: int,
    phi: float,
    number: int,
    starts: int,
    steps: int,
    root: int,
) -> Record:
    """Measure what one more hidden unit gains, and the slope of a single unit on the data.

    Parameters
    ----------
    activation : str
        f.
    n, samples : int
        Inputs and outputs; m.
    phi : float
        p/(m n), up to what whole hidden units allow.
    number : int
        Of the data set.
    starts, steps, root : int
        Units tried, steps at most, root of random numbers.

    Returns
    -------
    dict of str to float
        The fields of `AddedUnit`, and `single`, the slope of one unit on the data.
    """
    x, y, rng = _data(root + 1000 * (number + 1), 1, n, n, samples)
    single = unit_slopes(x[0], y[0], activation=activation, starts=64, rng=rng)
    found = measure_added_unit(
        x[0],
        y[0],
        hidden=hidden_units(phi, n, n, samples),
        activation=activation,
        starts=starts,
        steps=steps,
        rng=rng,
    )
    return {**vars(found), "single": single.mean}
