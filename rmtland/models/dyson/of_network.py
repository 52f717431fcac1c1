"""What the matrix Dyson equation needs of a network: features, slopes, data, second moments.

`first_layer_fields` knows the first layer and the data and nothing else, `point_fields` a network
with its residuals; `rmtland.models.DysonHessian.of_first_layer` and `of_point` are made of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rmtland.arguments import count, float_array
from rmtland.arrays import to_numpy
from rmtland.models.dyson.covariances import root_of, second_layer_of
from rmtland.networks.activation import Activation, activation as activation_of
from rmtland.streams import random_generator
from rmtland.typing import ArrayLike, Real, Record, Rng

if TYPE_CHECKING:
    from rmtland.networks import LossPoint

__all__ = ["first_layer_fields", "point_fields"]


def first_layer_fields(
    first_layer: ArrayLike,
    x: ArrayLike,
    *,
    outputs: int,
    epsilon: float,
    activation: str | Activation,
    second_layer: ArrayLike | None,
    curvature: bool,
    rng: Rng,
) -> Record:
    """Fields of a `DysonHessian` for a first layer and data; see `DysonHessian.of_first_layer`.

    Parameters
    ----------
    first_layer : array_like, shape (n1, n0)
        W1.
    x : array_like, shape (m, n0)
        Samples.
    outputs, epsilon, activation, second_layer, curvature, rng
        As there.

    Returns
    -------
    dict
        Arguments of the class by name.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    w, samples = float_array("first_layer", first_layer, ndim=2), float_array("x", x, ndim=2)
    if w.shape[1] != samples.shape[1]:
        raise ValueError(
            f"first_layer must have a column for each of the {samples.shape[1]} inputs; got "
            f"{w.shape[1]}"
        )
    f, generator = activation_of(activation), random_generator(rng)
    z = w @ samples.T
    a = np.asarray(f.value(z))
    curvatures = None
    if curvature and f.curvature is not None and epsilon > 0:
        sigma = second_layer_of(second_layer, w.shape[0])
        draws = generator.normal(size=(w.shape[0], count("outputs", outputs)))
        second = times_root(sigma, draws)
        residuals = generator.normal(size=(outputs, samples.shape[0])) * np.sqrt(2 * epsilon)
        curvatures = (second @ residuals) * np.asarray(f.curvature(z, a))
    return {
        "features": a,
        "slopes": np.asarray(f.slope(z, a)),
        "x": samples,
        "outputs": outputs,
        "epsilon": epsilon,
        "second_layer": second_layer,
        "curvatures": curvatures,
    }


def times_root(covariance: Real, draws: Real) -> Real:
    """Give independent normal rows the covariance, or variances, between rows.

    Parameters
    ----------
    covariance : ndarray, shape (n,) or (n, n)
        Variances or a covariance.
    draws : ndarray, shape (n, k)
        Independent normal numbers.

    Returns
    -------
    ndarray, shape (n, k)
    """
    root = root_of(covariance)
    return np.asarray(root[:, None] * draws if root.ndim == 1 else root @ draws)


def point_fields(point: LossPoint, *, epsilon: float | None, sample_weights: bool) -> Record:
    """Fields of a `DysonHessian` for a network at a point; see `DysonHessian.of_point`.

    Parameters
    ----------
    point : LossPoint
        The network with its parameters and data.
    epsilon : float, optional
        Energy; that of the point by default.
    sample_weights : bool
        Whether each sample keeps its own mean square residual.

    Returns
    -------
    dict
        Arguments of the class by name.

    Raises
    ------
    ValueError
        If the network is of another kind.
    """
    net = point.net
    if len(net.widths) != 3 or net.bias or net.loss != "mse":
        raise ValueError(
            "the matrix Dyson equation is for one hidden layer without biases and the loss "
            f"'mse'; got {net}"
        )
    if net.weight_decay or net.parametrisation != "standard":
        raise ValueError(f"weight decay and the ntk parametrisation are not covered; got {net}")
    first, second = (to_numpy(w).astype(np.float64) for w in net.unflatten(point.theta))
    f = activation_of(net.activation)
    x = to_numpy(point.x).astype(np.float64)
    e = to_numpy(point.residuals).astype(np.float64)
    z = first @ x.T
    a = np.asarray(f.value(z))
    curvatures = None
    if f.curvature is not None:
        curvatures = (second.T @ e.T) * np.asarray(f.curvature(z, a))
    squares = (e**2).mean(axis=1)
    mean = float(squares.mean())
    return {
        "features": a,
        "slopes": np.asarray(f.slope(z, a)),
        "x": x,
        "outputs": net.n_out,
        "epsilon": mean / 2 if epsilon is None else epsilon,
        "second_layer": float((second**2).mean()),
        "curvatures": curvatures,
        "residual_weights": squares / mean if sample_weights and mean > 0 else None,
    }
