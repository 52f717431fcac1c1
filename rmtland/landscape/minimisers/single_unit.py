r"""How much of the targets a single hidden unit can explain: maxima of a Gaussian field.

A unit w, a lowers the squared error by at most

.. math::

    |G(w)|^2, \qquad G(w) = Y f(w X)/|f(w X)| \in R^{n_2}

(over its output weights a), and for iid normal targets G is a Gaussian field on the w-space whose
covariance is the activation's kernel. A unit has n0 + n2 weights, so that networks of few
units, each at a maximum of its own, have :math:`2\epsilon = 1 - S\phi` with the *slope*

.. math::

    S = \frac{|G(w)|^2/\overline{y^2}}{n_0 + n_2} \text{ at a maximum.}

The mean of f over the samples is a direction that all units share: the first unit that fits it
takes it from the others. With `centred`, f and targets lose their means, which is the slope of the
units after the first. For odd f it makes no difference in the limit.

Synonyms: matching pursuit with one atom; spiked regression; ground state of a spherical spin glass
(with :math:`n_2 = 1`).

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.
.. [2] B. Huang and M. Sellke, Optimization algorithms for multi-species spherical spin glasses,
       arXiv:2308.09672.

Examples
--------
The linear unit's only maximum is the largest singular value of Y on the row space of X:

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> x, y = rng.standard_normal((2, 6, 40))
>>> found = unit_slopes(x, y, activation="linear", starts=3, rng=1, centred=False)
>>> q = np.linalg.qr(x.T)[0]
>>> top = np.linalg.norm(y @ q, 2) ** 2 / (12 * (y * y).mean())
>>> bool(np.abs(found.slopes - top).max() < 1e-6)
True
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.arguments import length, points, positive, truth
from rmtland.landscape.minimisers.batched_lbfgs import minimise_batch
from rmtland.networks import Activation
from rmtland.networks.activation import activation as named_activation
from rmtland.streams import random_generator
from rmtland.typing import ArrayLike, Integer, Real, Rng

__all__ = ["UnitSlopes", "unit_slopes"]


@dataclass(frozen=True)
class UnitSlopes:
    """Local maxima of one unit's share.

    Made by `rmtland.landscape.minimisers.unit_slopes`.

    Parameters
    ----------
    slopes : ndarray, shape (starts,)
        S at each.
    weights : ndarray, shape (starts, n0)
        w there.
    missing : ndarray, shape (starts,)
        What the second half of the steps gained.
    """

    slopes: Real
    weights: Real
    missing: Real

    @property
    def mean(self) -> float:
        """Mean over the maxima found: what a unit finds that descends from a random start."""
        return float(self.slopes.mean())

    @property
    def highest(self) -> float:
        """The largest found, a lower bound of the largest there is."""
        return float(self.slopes.max())


def unit_slopes(
    x: ArrayLike,
    y: ArrayLike,
    *,
    activation: str | Activation = "tanh",
    starts: int = 32,
    centred: bool = True,
    scale: float = 1.0,
    steps: int = 1000,
    rng: Rng = None,
) -> UnitSlopes:
    r"""Maximise the share of the targets that a unit explains, from many starts.

    .. formula:: Slope of one unit on given data, :math:`\max_w \lvert G(w)\rvert^2/(n_0 + n_2)`

    Parameters
    ----------
    x : array, shape (n0, m)
        Inputs, a column for each sample.
    y : array, shape (n2, m)
        Targets.
    activation : str or Activation
        f.
    starts : int
        Directions N(0, scale^2/n0) that are climbed from.
    centred : bool
        Whether f and targets lose their means over the samples.
    scale : float
        Of the starts.
    steps : int
        At most.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    UnitSlopes
        Of every start.

    Raises
    ------
    ValueError
        If shapes do not fit or the targets have no variance.
    TypeError
        If `scale` is no real number, `starts` is no integer, `centred` no truth value, or `x` or
        `y` holds no real numbers.
    """
    inputs, targets = points("x", x), points("y", y)
    if inputs.ndim != 2 or targets.ndim != 2 or inputs.shape[1] != targets.shape[1]:
        raise ValueError(
            f"x and y must have shapes (n0, m) and (n2, m); got {inputs.shape}, {targets.shape}"
        )
    (n0, _), n2 = inputs.shape, len(targets)
    f, rng = named_activation(activation), random_generator(rng)
    unit = (n0 + n2) * float((targets * targets).mean())
    if truth("centred", centred):
        targets = targets - targets.mean(axis=1, keepdims=True)
    if not (np.isfinite(unit) and np.abs(targets).max() > 0):
        raise ValueError("targets must be finite and not all the same")

    def negative(w: Real, which: Integer) -> tuple[Real, Real]:
        z = w @ inputs
        value = f.value(z)
        a = value - value.mean(axis=1, keepdims=True) if centred else value
        g = a @ targets.T
        square = np.einsum("bm,bm->b", a, a)
        share = np.einsum("bi,bi->b", g, g) / square
        back = g @ targets
        back -= share[:, None] * a
        back *= f.slope(z, value)
        return -share / unit, (back @ inputs.T) * (-2.0 / (unit * square))[:, None]

    start = rng.standard_normal((length("starts", starts), n0))
    start *= positive("scale", scale) / np.sqrt(n0)
    found = minimise_batch(negative, start, steps=steps, gain=1e-5)
    return UnitSlopes(-found.values, found.x, found.missing)
