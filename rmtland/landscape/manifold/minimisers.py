r"""The manifold of interpolating minimisers: its dimension, its tangent space, and exceptions.

Where a network with p parameters and r outputs fits m samples exactly, o(theta) = y is m r
equations. Where their Jacobian J, of shape (m r, p), has full rank the solutions are a smooth
manifold of dimension

.. math:: \dim = p - r m

(printed in some sources as m - r n, which does not even depend on p); its tangent space is the
kernel of J, which is also that of the Hessian J^T J/m of half the mean squared error. Where the
rank is lower the set need not be a manifold of that dimension: units that are off or on for all
samples, copies of a unit, samples that repeat, a layer narrower than the outputs. A rank is a
numerical statement; the gap, the quotient of the singular values on its two sides, says how far it
may be trusted.

Points are polished by Gauss-Newton steps of minimum norm, theta <- theta - J^+ (o - y), which
converge quadratically where the rank is full.

Synonyms: global minimizer submanifold, zero-loss set, overparametrisation, constant-rank theorem,
Gauss-Newton corrector.

References
----------
.. [1] Y. Cooper, Global minima of overparameterized neural networks, SIAM J. Math. Data Sci. 3
       (2021) 676-691.

Examples
--------
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(6, 3, rng=0), MLP((3, 12, 3))
>>> found = interpolate(net, net.init(rng=1), data.x, data.y)
>>> found.rank, found.dimension, found.exceptions
(18, 54, ())
>>> found.loss < 1e-20
True
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from rmtland.arguments import count, float_array, instance, positive, truth
from rmtland.arrays import to_numpy
from rmtland.landscape.manifold.activity import few_active_units
from rmtland.models.conditioned.given_residuals import in_double
from rmtland.networks import MLP, LossPoint, train
from rmtland.networks.loss_point import loss_point
from rmtland.solution import ConvergenceError
from rmtland.typing import ArrayLike, Real

__all__ = ["Minimiser", "interpolate", "polish"]

_LARGEST = 2**27
"""Entries of a Jacobian that is formed."""

_SURE = 1e-11
"""Quotient of eigenvalues of J J^T that rounding cannot have made."""

_SOLVED = 1e-10
"""Root mean square of the residual, over that of the targets, at which a point interpolates."""


@dataclass(frozen=True, eq=False)
class Minimiser:
    """A point at which a network fits all samples, and the manifold through it.

    .. formula:: Dimension of the manifold of minimisers, :math:`p - r m`

    Parameters
    ----------
    point : LossPoint
        The network there, on its data.
    polish_steps : int
        Gauss-Newton steps that were taken to it.

    Raises
    ------
    TypeError
        If the point is none.
    """

    point: LossPoint
    polish_steps: int = 0

    @property
    def theta(self) -> Real:
        """The parameters."""
        return np.asarray(to_numpy(self.point.theta))

    @property
    def loss(self) -> float:
        """The loss there."""
        return self.point.loss

    @property
    def residual(self) -> float:
        """Root mean square of o - y over that of y."""
        return _relative_residual(self.point)

    @property
    def interpolates(self) -> bool:
        """Whether the residual is at most 1e-10 of the targets."""
        return self.residual <= _SOLVED

    @cached_property
    def singular_values(self) -> Real:
        """Those of the Jacobian, descending; squared and over m the eigenvalues of the Hessian."""
        J = np.asarray(to_numpy(self.point.jacobian()), dtype=np.float64)
        return np.asarray(np.linalg.svd(J, compute_uv=False))

    def __post_init__(self) -> None:
        """Take the point in double precision: ranks and residuals are read down to rounding."""
        object.__setattr__(self, "point", in_double(loss_point(self.point)))

    @cached_property
    def _kernel(self) -> tuple[Real, Real]:
        """Eigenvalues and eigenvectors of J J^T, descending."""
        values, vectors = np.linalg.eigh(np.asarray(to_numpy(self.point.ntk()), dtype=np.float64))
        return values[::-1], vectors[:, ::-1]

    @cached_property
    def rank(self) -> int:
        """Number of singular values above max(m r, p) eps times the largest."""
        squares = self._kernel[0]
        if self.equations <= self.point.net.parameter_count and squares[-1] > _SURE * squares[0]:
            return self.equations  # clear of what forming J J^T rounds away
        values = self.singular_values
        size = max(self.equations, self.point.net.parameter_count)
        return int((values > size * np.finfo(np.float64).eps * values[0]).sum())

    @property
    def gap(self) -> float:
        """Smallest singular value kept over the largest left out; infinite if none is."""
        if self.is_regular:
            return float("inf")
        values = self.singular_values
        if self.rank == values.size:
            return float("inf")
        dropped = float(values[self.rank])
        return float(values[self.rank - 1]) / dropped if dropped else float("inf")

    @property
    def equations(self) -> int:
        """The number r m of equations."""
        return self.point.data.size * self.point.net.n_out

    @property
    def dimension(self) -> int:
        """Dimension p - rank of the kernel of the Jacobian; of the manifold at full rank."""
        return self.point.net.parameter_count - self.rank

    @property
    def is_regular(self) -> bool:
        """Whether the rank is full, so that the minimisers near it are a manifold of dimension."""
        return self.rank == self.equations

    @cached_property
    def exceptions(self) -> tuple[str, ...]:
        """What lowers the rank, as far as it is found; empty at full rank."""
        return () if self.is_regular else _reasons(self.point)

    @property
    def sharpness(self) -> float:
        """Largest eigenvalue of the Hessian, sigma_max^2/m: exact at zero residual."""
        return float(self._kernel[0][0]) / self.point.data.size

    @property
    def trace(self) -> float:
        """Trace of the Hessian: squared Frobenius norm of J over m."""
        return float(self._kernel[0].sum()) / self.point.data.size

    def tangent_basis(self) -> Real:
        """Return an orthonormal basis of the tangent space, shape (p, dimension).

        Returns
        -------
        ndarray, shape (p, dimension)
            Columns span the kernel of the Jacobian.
        """
        J = np.asarray(to_numpy(self.point.jacobian()), dtype=np.float64)
        right = np.linalg.svd(J, full_matrices=True)[2]
        return np.asarray(right[self.rank :].T)

    def tangent_part(self, vector: ArrayLike) -> Real:
        """Return the orthogonal projection of a vector onto the tangent space.

        Parameters
        ----------
        vector : array_like, shape (p,)
            Any vector.

        Returns
        -------
        ndarray, shape (p,)
            v without its part in the row space of the Jacobian.

        Raises
        ------
        ValueError
            If the vector is not finite, or not of p entries.
        TypeError
            If it is not real.
        """
        v = float_array("vector", vector, ndim=1)
        if v.shape != self.theta.shape:
            raise ValueError(f"vector must have {self.theta.size} entries; got {v.size}")
        values, vectors = self._kernel
        kept, basis = values[: self.rank], vectors[:, : self.rank]
        if not self.is_regular:
            right = np.linalg.svd(np.asarray(to_numpy(self.point.jacobian())))[2][: self.rank]
            return np.asarray(v - right.T @ (right @ v))
        for _ in range(3):  # again: removes what rounding of the kernel left
            outputs = np.asarray(to_numpy(self.point.jvp(v)))
            v = v - np.asarray(to_numpy(self.point.vjp(basis @ ((basis.T @ outputs) / kept))))
        return v

    def sharpness_gradient(self) -> Real:
        r"""Return the gradient of the largest eigenvalue of J^T J/m in the parameters.

        With u, v the singular vectors of sigma_max it is (2 sigma/m) times the Hessian of u . o
        applied to v.

        Returns
        -------
        ndarray, shape (p,)
            Not projected onto the tangent space.

        Raises
        ------
        ConvergenceError
            If the two largest singular values are equal within 1e-8: no gradient exists there.
        """
        squares, left = self._kernel
        if squares.size > 1 and squares[0] - squares[1] <= 1e-8 * squares[0]:
            raise ConvergenceError(
                "the two largest eigenvalues of the Hessian are equal, and their maximum has no "
                "gradient; walk in another direction"
            )
        outputs = np.asarray(to_numpy(self.point.prediction))
        # targets with which the residuals are u
        data = replace(self.point.data, y=outputs - left[:, 0].reshape(outputs.shape))
        probe = LossPoint.of(self.point.net, self.point.theta, data)
        along = np.asarray(to_numpy(self.point.vjp(left[:, 0])))  # sigma v
        return np.asarray(2.0 * (probe.operator("residual") @ along))

    def __repr__(self) -> str:
        return (
            f"Minimiser({self.point.net}, {self.point.data.size} samples: rank {self.rank} of "
            f"{self.equations}, dimension {self.dimension}, residual {self.residual:.2g})"
        )


def polish(point: LossPoint, *, max_steps: int = 50, throw: bool = True) -> Minimiser:
    """Bring a point to zero loss by Gauss-Newton steps of minimum norm.

    Parameters
    ----------
    point : LossPoint
        Near an interpolating minimum of half the mean squared error, without weight decay.
    max_steps : int, optional
        Steps at most.
    throw : bool, optional
        Whether to refuse a point that does not interpolate. If not, the last one comes back, with
        its residual, numerical rank and gap: of a network that is too narrow, say.

    Returns
    -------
    Minimiser
        The point, with rank and tangent space.

    Raises
    ------
    ValueError
        For another loss, a weight decay, or a Jacobian of more than 2^27 entries.
    TypeError
        If it is no point, `max_steps` is no integer, or `throw` no truth value.
    ConvergenceError
        If the residual stays above 1e-10 of the targets: the network cannot fit the data, or the
        point is too far from where it does.
    """
    _refuse_other_losses(loss_point(point))
    point = in_double(point)
    max_steps, throw = count("max_steps", max_steps), truth("throw", throw)
    residual = _relative_residual(point)
    for steps in range(max_steps + 1):
        if residual <= _SOLVED:
            # one step more goes to the rounding of the outputs, where it still helps
            closer = _corrected(point)
            return Minimiser(closer if _relative_residual(closer) < residual else point, steps)
        if steps == max_steps:
            break
        trial, damping = _corrected(point), 1.0
        now = _relative_residual(trial)
        while now >= residual and damping > 1e-4:
            damping /= 4.0
            trial = point.at(point.theta + damping * (trial.theta - point.theta))
            now = _relative_residual(trial)
        if now >= residual * (1.0 - 1e-6):
            break
        point, residual = trial, now
    if not throw:
        return Minimiser(point, steps)
    raise ConvergenceError(
        f"Gauss-Newton steps leave a residual of {residual:.3g} of the targets: "
        f"{point.net} with {point.net.parameter_count} parameters does not fit "
        f"{point.data.size * point.net.n_out} numbers from here; take a wider network, fewer "
        "samples, or train longer before"
    )


def interpolate(
    net: MLP,
    theta: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    energy: float = 1e-6,
    max_steps: int = 20_000,
    throw: bool = True,
) -> Minimiser:
    """Train a network until it nearly fits the data, and polish it to zero loss.

    Parameters
    ----------
    net : MLP
        Half the mean squared error, no weight decay.
    theta : array_like, shape (p,)
        Where to start.
    x, y : array_like
        Data, as `MLP.at` takes them.
    energy : float, optional
        Energy at which polishing begins, over the mean square of the targets.
    max_steps : int, optional
        Steps of L-BFGS at most.
    throw : bool, optional
        As in `polish`.

    Returns
    -------
    Minimiser
        The point, with rank and tangent space.

    Raises
    ------
    ValueError
        For another loss, or a weight decay.
    TypeError
        If `net` is no MLP, `energy` is no real number, `max_steps` is no integer, or `throw` no
        truth value.
    ConvergenceError
        If the network does not come to zero loss.
    KeyboardInterrupt
        On Ctrl-C while it trains.
    """
    start = instance("net", net, MLP, "an MLP").at(theta, x, y)
    _refuse_other_losses(start)
    truth("throw", throw)
    target = positive("energy", energy) * _square(start)
    found = train(net, theta, x, y, energy=target, max_steps=count("max_steps", max_steps))
    return polish(net.at(found.unless_interrupted().theta, x, y), throw=throw)


def _corrected(point: LossPoint) -> LossPoint:
    """Return the point after a Gauss-Newton step of minimum norm."""
    residuals = np.asarray(to_numpy(point.residuals), dtype=np.float64).ravel()
    if residuals.size <= point.net.parameter_count:
        kernel = np.asarray(to_numpy(point.ntk()), dtype=np.float64)
        try:
            factor = cho_factor(kernel, check_finite=False)
        except np.linalg.LinAlgError:
            pass
        else:
            if np.diag(factor[0]).min() > 1e-5 * np.diag(factor[0]).max():
                dual = cho_solve(factor, residuals, check_finite=False)
                return point.at(np.asarray(to_numpy(point.theta) - to_numpy(point.vjp(dual))))
    J = np.asarray(to_numpy(point.jacobian()), dtype=np.float64)
    step = np.linalg.lstsq(J, residuals, rcond=None)[0]
    return point.at(np.asarray(to_numpy(point.theta)) - step)


def _square(point: LossPoint) -> float:
    return _root_mean_square(point.y) ** 2 or 1.0


def _root_mean_square(values: object) -> float:
    array = np.asarray(to_numpy(values), dtype=np.float64)
    unit = float(np.abs(array).max())  # squares of tiny or huge numbers are none
    return unit * float(np.sqrt(((array / unit) ** 2).mean())) if unit else 0.0


def _relative_residual(point: LossPoint) -> float:
    return _root_mean_square(point.residuals) / (_root_mean_square(point.y) or 1.0)


def _refuse_other_losses(point: LossPoint) -> None:
    net = point.net
    if point.data.loss.name != "mse" or net.weight_decay:
        raise ValueError(
            "minimisers at zero loss are those of half the mean squared error without weight "
            f"decay; got {net}; make the network with loss='mse', weight_decay=0"
        )
    entries = point.data.size * net.n_out * net.parameter_count
    if entries > _LARGEST:
        raise ValueError(
            f"the Jacobian would have {entries:.3g} entries, more than the {_LARGEST:.3g} that are "
            "formed; take fewer samples or a smaller network"
        )


def _reasons(point: LossPoint) -> tuple[str, ...]:
    """Return what lowers the rank of the Jacobian, as far as it can be named."""
    net, reasons = point.net, []
    equations, p = point.data.size * net.n_out, net.parameter_count
    if p < equations:
        reasons.append(f"{p} parameters for {equations} equations")
    narrow = [width for width in net.widths[1:-1] if width < net.n_out]
    if narrow:
        reasons.append(f"a hidden layer of {min(narrow)} units for {net.n_out} outputs")
    theta = np.asarray(to_numpy(point.theta))
    weights = [theta[b.slice].reshape(b.shape) for b in net.blocks if not b.is_bias]
    for layer, (_, features) in enumerate(point.layers[:-1], start=1):
        reasons += _of_layer(np.asarray(to_numpy(features)), weights[layer], layer)
    x = np.asarray(to_numpy(point.x))
    repeated = len(x) - len(np.unique(x, axis=0))
    if repeated:
        reasons.append(f"{repeated} samples with the inputs of another")
    if not reasons and net.depth == 1:
        inputs = net.widths[0] + any(block.is_bias for block in net.blocks)
        reasons.append(f"no hidden layer: rank at most {inputs} times the outputs")
    if net.depth == 2:
        features = np.asarray(to_numpy(point.layers[0][1]))
        inputs = net.widths[0] + any(block.is_bias and block.layer == 1 for block in net.blocks)
        biases = any(block.is_bias and block.layer == 2 for block in net.blocks)
        reasons += few_active_units(features, inputs, net.n_out, biases)
    if not reasons:
        name = getattr(net.activation, "name", str(net.activation))
        reasons.append(f"no single cause: patterns of {name} units that depend on each other")
    return tuple(reasons)


def _of_layer(features: Real, outgoing: Real, layer: int) -> list[str]:
    """Return what is wrong with the features of a hidden layer, shape (m, n)."""
    reasons = []
    dead = int((np.abs(features).max(axis=0) == 0).sum())
    if dead:
        reasons.append(f"{dead} dead units in hidden layer {layer}: 0 for all samples")
    silent = int((np.abs(outgoing).max(axis=0) == 0).sum())
    if silent:
        reasons.append(f"{silent} units of hidden layer {layer} without outgoing weight")
    values = np.linalg.svd(features, compute_uv=False)
    found = int((values > max(features.shape) * np.finfo(np.float64).eps * values[0]).sum())
    if found < min(features.shape[0], features.shape[1] - dead):
        reasons.append(
            f"features of hidden layer {layer} of rank {found}: units that are multiples of each "
            "other, or linear on all samples"
        )
    return reasons
