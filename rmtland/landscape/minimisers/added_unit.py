r"""What one more hidden unit gains at a minimum: the law of the energies, assumption by assumption.

At a minimum the residual r, of N = m n2 entries and :math:`|r|^2 = E`, is orthogonal to the range
of the Jacobian J. A further unit :math:`a f(w\cdot x)`, to which the old units respond linearly
(Gauss-Newton), lowers the squared error by

.. math::

    R(w) = g^\top A^{-1} g, \qquad g = \sum_\mu r_\mu f_\mu, \qquad
    A_{ij} = (e_i\otimes f)^\top (1 - P_J)(e_j\otimes f),

with f the unit's values on the samples (less their mean, which the old units fit already where they
can). If (i) the rank of J is its number of columns p, so that :math:`1 - P_J` keeps a share
:math:`1 - \phi` of a vector that has nothing to do with J, :math:`A \approx (1 - \phi)|f|^2`, (ii)
r is like noise drawn in the range of :math:`1 - P_J`, and (iii) the projection leaves the kernel of
the units what it was, then a maximum of R is :math:`S (n_0 + n_2) E/(N (1 - \phi))`, S the slope of
a single unit, and as :math:`\phi` grows by :math:`(n_0 + n_2)/N`,

.. math::

    \frac{d \ln \epsilon}{d\phi} = -\frac{S}{1 - \phi}, \qquad
    2 \epsilon = (1 - \phi)^S.

Each of the assumptions is measured here.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> x, y = rng.standard_normal((2, 4, 24))
>>> found = measure_added_unit(x, y, hidden=3, activation="tanh", starts=4, rng=1)
>>> round(found.phi, 3), 0 < found.rank_share <= found.phi, found.regained > 0
(0.25, True, True)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.arguments import length, points
from rmtland.landscape.minimisers.batched_lbfgs import minimise_batch
from rmtland.landscape.minimisers.networks import (
    minimised_networks,
    packed_weights,
    relative_energy,
    weights_of,
)
from rmtland.networks import MLP, Activation
from rmtland.networks.activation import activation as named_activation
from rmtland.streams import random_generator
from rmtland.typing import ArrayLike, Integer, Real, Rng

__all__ = ["AddedUnit", "Complement", "measure_added_unit"]

_RANK = 1e-9
"""Singular values of at most so much of the largest are zero."""


@dataclass(frozen=True)
class AddedUnit:
    """What was measured at one minimum; slopes are in the unit of S, all predicted equal.

    Made by `rmtland.landscape.minimisers.measure_added_unit`.

    Parameters
    ----------
    phi : float
        p/(m n2).
    energy : float
        2 epsilon there.
    rank_share : float
        Rank of the Jacobian over m n2; phi if no direction is lost.
    noise_slope : float
        (1 - phi) times the maxima of R with fresh noise in place of the residual.
    noise_share : float
        f's share outside the Jacobian's range at these maxima; 1 - phi if nothing is preferred.
    slope : float
        (1 - phi) times the maxima of R with the residual.
    share : float
        f's share outside the Jacobian's range at these maxima.
    regained : float
        Of the network with one unit more, begun at such a maximum and minimised: the fall of
        ln epsilon over that of ln (1 - phi).
    """

    phi: float
    energy: float
    rank_share: float
    noise_slope: float
    noise_share: float
    slope: float
    share: float
    regained: float


class Complement:
    """The complement of the range of a network's Jacobian, and units seen from there.

    Parameters
    ----------
    jacobian : ndarray, shape (m n2, p)
        Rows run over samples, then outputs.
    outputs : int
        n2.
    """

    def __init__(self, jacobian: Real, outputs: int) -> None:
        basis, sizes, _ = np.linalg.svd(jacobian, full_matrices=False)
        self.rank = int((sizes > _RANK * sizes.max()).sum())
        self.basis = np.ascontiguousarray(basis[:, : self.rank])
        self.outputs = outputs

    def project(self, v: Real) -> Real:
        """Return the part outside the range.

        Parameters
        ----------
        v : ndarray, shape (m, n2)
            Such as residuals.

        Returns
        -------
        ndarray, shape (m, n2)
            Orthogonal to the range.
        """
        flat = v.ravel()
        return (flat - self.basis @ (self.basis.T @ flat)).reshape(v.shape)

    def gains(self, residual: Real, a: Real) -> tuple[Real, Real, Real]:
        """Return R of units, its derivative in their values, and the share of each outside.

        Parameters
        ----------
        residual : ndarray, shape (m, n2)
            r, orthogonal to the range.
        a : ndarray, shape (units, m)
            Their values f on the samples.

        Returns
        -------
        (ndarray, ndarray, ndarray)
            Of shapes (units,), (units, m) and (units,); the share is that of the direction which
            gains most, g^T g / (v R), with v the squared norm of f about its mean.
        """
        m, n2, units = a.shape[1], self.outputs, len(a)
        cube = self.basis.reshape(m, n2 * self.rank)
        inside = (a @ cube).reshape(units, n2, self.rank)
        square = np.einsum("um,um->u", a, a)
        matrix = square[:, None, None] * np.eye(n2) - inside @ np.swapaxes(inside, 1, 2)
        matrix += 1e-9 * square[:, None, None] * np.eye(n2)
        g = a @ residual
        b = np.linalg.solve(matrix, g[..., None])[..., 0]
        gain = np.einsum("ui,ui->u", g, b)
        # (1 - P)(b f) summed against b, for every sample
        seen = np.einsum("ui,uir->ur", b, inside)
        taken = np.einsum("ui,umi->um", b, (seen @ self.basis.T).reshape(units, m, n2))
        outside = np.einsum("ui,ui->u", b, b)[:, None] * a - taken
        derivative = 2.0 * (b @ residual.T - outside)
        varied = square - m * a.mean(axis=1) ** 2
        share = np.einsum("ui,ui->u", g, g) / (varied * gain)
        return gain, derivative, share


def measure_added_unit(
    x: ArrayLike,
    y: ArrayLike,
    *,
    hidden: int,
    activation: str | Activation = "tanh",
    starts: int = 8,
    steps: int = 4000,
    rng: Rng = None,
) -> AddedUnit:
    r"""Train a network, and measure what a further unit would gain and does gain.

    .. formula:: Gain of one more unit, :math:`R = g^\top A^{-1} g`

    Parameters
    ----------
    x : array, shape (n0, m)
        Inputs, a column for each sample.
    y : array, shape (n2, m)
        Targets.
    hidden : int
        n1.
    activation : str or Activation
        f.
    starts : int
        Units that climb to a maximum of R; each is added to the network in turn.
    steps : int
        Of the training, at most.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    AddedUnit
        Gains, shares and rank.

    Raises
    ------
    ValueError
        If shapes do not fit, or a network has as many parameters as residuals, the unit that is
        added counted.
    TypeError
        If `starts` is no integer, or `x` or `y` holds no real numbers.
    """
    inputs, targets = points("x", x), points("y", y)
    rng, count_ = random_generator(rng), length("starts", starts)
    found = minimised_networks(
        inputs[None], targets[None], hidden=hidden, activation=activation, steps=steps, rng=rng
    )
    widths = (len(inputs), hidden, len(targets))
    size = targets.size
    phi = found.x.shape[1] / size
    step = (widths[0] + widths[2]) / size
    if phi + step >= 1:
        raise ValueError(
            f"phi = {phi:.3g}, and {phi + step:.3g} with one unit more: take fewer hidden units or "
            "more samples"
        )
    point = MLP(widths, activation=activation).at(found.x[0], inputs.T, targets.T)
    complement = Complement(point.jacobian(), widths[2])
    residual = complement.project(targets.T - np.asarray(point.prediction))
    noise = complement.project(rng.standard_normal(residual.shape))
    noise *= np.linalg.norm(residual) / np.linalg.norm(noise)
    unit = step * float((residual**2).sum())
    climbed = [
        _climbed(complement, one, inputs, activation, starts=count_, rng=rng)
        for one in (residual, noise)
    ]
    (gains, shares, units), (noise_gains, noise_shares, _) = climbed
    after = _with_unit(found.x, units, residual, (inputs, targets), widths, activation, steps)
    fall = np.log(after / float(found.values[0])) / np.log1p(-step / (1 - phi))
    return AddedUnit(
        phi,
        float(found.values[0]),
        complement.rank / size,
        (1 - phi) * float(noise_gains.mean()) / unit,
        float(noise_shares.mean()),
        (1 - phi) * float(gains.mean()) / unit,
        float(shares.mean()),
        float(fall.mean()),
    )


def _climbed(
    complement: Complement,
    residual: Real,
    inputs: Real,
    activation: str | Activation,
    *,
    starts: int,
    rng: np.random.Generator,
) -> tuple[Real, Real, Real]:
    """Return maxima of R, shares there and the units' weights."""
    f = named_activation(activation)
    scale = float((residual**2).sum()) / residual.size

    def negative(w: Real, which: Integer) -> tuple[Real, Real]:
        z = w @ inputs
        a = f.value(z)
        gain, derivative, _ = complement.gains(residual, a)
        return -gain / scale, (derivative * f.slope(z, a)) @ inputs.T / -scale

    start = rng.standard_normal((starts, len(inputs))) / np.sqrt(len(inputs))
    found = minimise_batch(negative, start, steps=200, gain=1e-3)
    gain, _, share = complement.gains(residual, f.value(found.x @ inputs))
    return gain, share, found.x


def _with_unit(
    theta: Real,
    units: Real,
    residual: Real,
    data: tuple[Real, Real],
    widths: tuple[int, int, int],
    activation: str | Activation,
    steps: int,
) -> Real:
    """Return the energies of the network with each of the units added, minimised."""
    inputs, targets = data
    first, second = weights_of(np.repeat(theta, len(units), axis=0), widths)
    a = named_activation(activation).value(units @ inputs)
    outer = (a @ residual) / np.einsum("um,um->u", a, a)[:, None]
    start = packed_weights(
        np.concatenate([first, units[:, None, :]], axis=1),
        np.concatenate([second, outer[:, :, None]], axis=2),
    )
    many = [np.broadcast_to(one, (len(units), *one.shape)) for one in (inputs, targets)]
    function = relative_energy(*many, hidden=widths[1] + 1, activation=activation)
    return minimise_batch(function, start, steps=steps).values
