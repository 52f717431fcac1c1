r"""Newton steps, with the weights of a linear last layer eliminated.

For half the mean squared error the outputs of a network are linear in the weights W of its last
layer, and each output sees only its own row of them: in these parameters the Hessian is

.. math::
    H_{WW} = 1 \otimes A, \qquad A = \tfrac1m h^T h + w,

with h the values of the last hidden layer and w the weight decay. With :math:`A = L L^T` and B the
rest of the columns, the equation H s = -g needs only the Schur complement

.. math::
    S = H_{rr} - B^T (1 \otimes A)^{-1} B

in the other parameters: for a square network of one hidden layer half as many, an eighth of the
work of a factorisation. The index of H is that of S (Haynsworth), as A is positive definite.

A may be nearly singular where H is not (dead or equal units, few samples, saturation, w near 0).
Elimination loses digits there, so that each step is put into the whole equation, and taken from it
where its residual is above what rounding explains.

Synonyms: block elimination, variable projection (Golub and Pereyra).

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(20, 3, rng=0), MLP((3, 4, 3), bias=True, weight_decay=0.01)
>>> point = net.at(net.init(rng=1), data.x, data.y)
>>> hessian, gradient = point.hessian("total"), point.gradient
>>> step = newton_step(hessian, gradient, last_layer(net))
>>> bool(np.allclose(hessian @ step, -gradient))
True
"""

from __future__ import annotations

import numpy as np

from rmtland.landscape.surface import NetworkSurface, Surface
from rmtland.networks import MLP
from rmtland.typing import Integer, Real

__all__ = ["last_layer", "last_layer_of", "newton_step"]

RESIDUAL = 1e-13
"""Largest |H s + g| of a step by elimination, over |H|_F |s| + |g|."""


def last_layer(net: MLP) -> Integer | None:
    """Return where the weights of the last layer lie, if the outputs are fitted by least squares.

    Parameters
    ----------
    net : MLP
        The network.

    Returns
    -------
    ndarray of int, shape (n_out, n_in (+ 1)), or None
        A row for each output, its bias at the end; None for other losses than "mse", or where
        there is no hidden layer.
    """
    if net.loss != "mse" or net.depth < 2:
        return None
    blocks = {block.name: block for block in net.blocks}
    weight, bias = blocks[f"W{net.depth}"], blocks.get(f"b{net.depth}")
    places = np.arange(weight.start, weight.stop).reshape(weight.shape)
    if bias is not None:
        places = np.hstack([places, np.arange(bias.start, bias.stop)[:, None]])
    return places


def last_layer_of(surface: Surface) -> Integer | None:
    """Return the same of a surface: None where it is not the loss of an MLP.

    Parameters
    ----------
    surface : Surface
        Any function.

    Returns
    -------
    ndarray of int, shape (n_out, n_in (+ 1)), or None
        As `last_layer` does.
    """
    if isinstance(surface, NetworkSurface) and isinstance(surface.point.net, MLP):
        return last_layer(surface.point.net)
    return None


def newton_step(hessian: Real, gradient: Real, eliminated: Integer | None = None) -> Real:
    """Return the step s with H s = -g.

    Parameters
    ----------
    hessian : ndarray, shape (p, p)
        Symmetric.
    gradient : ndarray, shape (p,)
        At the same point.
    eliminated : ndarray of int, shape (k, n), optional
        Places of the parameters that are eliminated: between two rows of them the Hessian is
        zero, and within each row it is the same matrix. As `last_layer` returns them.

    Returns
    -------
    ndarray, shape (p,)
        The step.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the Hessian is exactly singular.
    """
    if eliminated is not None:
        step = _by_elimination(hessian, gradient, eliminated)
        if step is not None and _solves(hessian, gradient, step):
            return step
    return np.asarray(np.linalg.solve(hessian, -gradient), dtype=np.float64)


def _by_elimination(hessian: Real, gradient: Real, places: Integer) -> Real | None:
    """Return the step, or None where A is not positive definite or S exactly singular."""
    from scipy.linalg import lapack

    rows, width = places.shape
    last = places.ravel()
    kept = np.ones(len(gradient), dtype=bool)
    kept[last] = False
    size = len(gradient) - last.size
    if kept[:size].all() and last[0] == size and last[-1] == len(gradient) - 1 and _ordered(last):
        columns, inner = hessian[size:, :size], hessian[:size, :size]  # views: nothing is copied
    else:
        rest = np.flatnonzero(kept)
        columns, inner = hessian[np.ix_(last, rest)], hessian[np.ix_(rest, rest)]
    one = places[0]
    factor, bad = lapack.dpotrf(hessian[np.ix_(one, one)], lower=1, clean=1)
    if bad:
        return None
    inverse, bad = lapack.dtrtri(factor, lower=1)
    if bad:
        return None
    halves = np.matmul(inverse, columns.reshape(rows, width, size)).reshape(rows * width, size)
    half = (gradient[places] @ inverse.T).ravel()
    _, _, found, bad = lapack.dgesv(
        inner - halves.T @ halves, halves.T @ half - gradient[kept], overwrite_a=1, overwrite_b=1
    )
    if bad:
        return None
    step = np.empty(len(gradient))
    step[kept] = found
    step[places] = -(half + halves @ found).reshape(rows, width) @ inverse
    return step


def _solves(hessian: Real, gradient: Real, step: Real) -> bool:
    """Whether H s = -g up to what a backward stable solver may leave."""
    left = float(np.linalg.norm(hessian @ step + gradient))
    size = float(np.linalg.norm(hessian)) * float(np.linalg.norm(step))
    return left <= RESIDUAL * (size + float(np.linalg.norm(gradient)))


def _ordered(places: Integer) -> bool:
    return bool((np.diff(places) == 1).all())
