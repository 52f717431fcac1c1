r"""The Hessian law of a one-hidden-layer network that knows its first layer and its data.

The network y = W2 f(W1 x), with n0 inputs, n1 hidden units, n2 outputs and half the mean squared
error over m samples, has the Hessian H = H0 + H1 (`rmtland.networks.hessian`). Pennington and Bahri
[1]_ replace both parts by free random matrices. Here only the second layer and the residuals are
random: rows of W2 independent with E W2_ij W2_ij' = Sigma_jj' (1/n1 on the diagonal by default),
residuals e_i,mu independent of mean zero and variance r_mu (2 epsilon for all by default). Given
features h = f(W1 x), slopes D = f'(W1 x), both (n1, m), and samples x_mu, the matrix

.. math:: \begin{pmatrix} z - H_1 & -J^T/\sqrt m \\ -J/\sqrt m & 1 \end{pmatrix}

is linear in W2 and e, and its inverse, whose first block is (z - H)^{-1}, has a deterministic
equivalent: a matrix Dyson equation (`rmtland.free.matrix_dyson`). Its blocks are a (weights W2,
index j), s (samples, index mu), each n2 times on the diagonal, and b (weights W1, index jk):

.. math::
    S_a[j,j'] &= \frac{1}{m^2} \sum_\mu r_\mu D_{j\mu} D_{j'\mu} x_\mu^T M_b[j,j'] x_\mu , \\
    S_b[j,j'] &= \frac{n_2}{m^2} M_a[j,j'] \sum_\mu r_\mu D_{j\mu} D_{j'\mu} x_\mu x_\mu^T
      + \frac{n_2}{m} \Sigma_{jj'} X D_j M_s D_{j'} X^T , \\
    S_s[\mu,\nu] &= \frac1m \sum_{jj'} \Sigma_{jj'} D_{j\mu} D_{j'\nu} x_\mu^T M_b[j,j'] x_\nu , \\
    \begin{pmatrix} M_a & \cdot \\ \cdot & M_s \end{pmatrix} &=
      \begin{pmatrix} z - S_a & -h/\sqrt m \\ -h^T/\sqrt m & 1 - S_s \end{pmatrix}^{-1}, \qquad
    M_b = (z - A_b - S_b)^{-1},

G = (n2 tr M_a + tr M_b) / (n1 n2 + n0 n1). For smooth f the second derivatives add to block b the
diagonal blocks A_b[j] = (1/m) X diag(delta_j f''_j) X^T with delta = W2^T e: they are taken as
given (`bends`), measured or drawn once, since they average themselves over the units.

The logarithmic potential comes with the solution, and with it the smoothed distribution function
and the index,

.. math:: p L = n_2 \log\det W_{as} + \log\det W_b + \operatorname{tr} M_b S_b , \qquad L' = G ,

where W are the inverses of the M (half of <M S[M]> is tr M_b S_b as both noises couple b to a or
s). Cost of a step: one inverse of size n0 n1; for H0, or with `coupling="units"`, which keeps
only the blocks j = j' of M_a and M_b in S, n1 inverses of size n0 and one of size m + n1.

Where it holds: entries that are iid in the second layer, with errors that fall like 1/n
(`scripts/reproduce_dyson.py`); after training W2 and e are neither Gaussian nor independent of the
data, and isolated eigenvalues are not described to leading order in 1/n.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, section 3.
.. [2] J. W. Helton, R. Rashidi Far and R. Speicher, Operator-valued semicircular elements: solving
       a quadratic matrix equation with positivity constraints, Int. Math. Res. Not. 2007, rnm086.
.. [3] H. F. Walker and P. Ni, Anderson acceleration for fixed-point iterations, SIAM J. Numer.
       Anal. 49 (2011) 1715-1735.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> first, x = rng.normal(size=(6, 6)) / np.sqrt(6), rng.normal(size=(24, 6))
>>> model = DysonHessian.of_first_layer(first, x, outputs=6, epsilon=0.5, activation="relu")
>>> density = model.smoothed_density([0.0, 1.0, 3.0], eta=0.1)
>>> density.shape, bool((density > 0).all())
((3,), True)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arrays import (
    Rng,
    choice,
    count,
    float_array,
    nonnegative,
    points,
    positive,
    random_generator,
    to_numpy,
)
from rmtland.free.matrix_dyson import upper_log
from rmtland.laws.law import upper_half_plane
from rmtland.networks.activation import Activation
from rmtland.networks.activation import activation as activation_of
from rmtland.solution import ConvergenceError, Solution, Status

if TYPE_CHECKING:
    from rmtland.networks import LossPoint

__all__ = ["COUPLINGS", "PARTS", "DysonHessian"]

Real = NDArray[Any]  # float64
Complex = NDArray[Any]  # complex128

PARTS = ("total", "gauss_newton", "residual")
"""The Hessian and its two parts, as in `rmtland.networks`."""

COUPLINGS = ("full", "units")
"""What of M_a and M_b enters S: everything, or the blocks of equal hidden units only."""

_DEPTH = 6
_STEPS = 400
_TOLERANCE = 1e-8


class _Blocks(NamedTuple):
    """The blocks of M at one point, with what the potential needs."""

    a: Complex
    b: Complex  # (n1, n0, n0), or (1, n1 n0, n1 n0) where the units are coupled
    s: Complex
    energy_b: Complex
    outer: Complex  # z - S_a, h, 1 - S_s
    inner: Complex  # z - A_b - S_b


@dataclass(frozen=True, eq=False)
class DysonHessian:
    """The spectrum of H0, H1 or H of a one-hidden-layer network, given first layer and data.

    Parameters
    ----------
    features : array_like, shape (n1, m)
        f(W1 x_mu).
    slopes : array_like, shape (n1, m)
        f'(W1 x_mu).
    x : array_like, shape (m, n0)
        Samples, one row each.
    outputs : int
        n2.
    epsilon : float
        Energy, loss / n2, >= 0: residuals have variance 2 epsilon.
    part : {"total", "gauss_newton", "residual"}
        H, H0 or H1.
    second_layer : float or array_like of shape (n1,) or (n1, n1), optional
        Sigma: covariance of the entries of a row of W2, or its diagonal; 1/n1 by default.
    residual_weights : array_like, shape (m,), optional
        r_mu / (2 epsilon), >= 0: residuals of unlike size; ones by default.
    bends : array_like, shape (n1, m), optional
        delta_j,mu f''_j,mu; none by default (as for ReLU).
    coupling : {"full", "units"}
        "units" leaves out of S the blocks between different hidden units: for H an approximation
        at a fraction of the cost; for H1, and for H0 with a diagonal Sigma, exact and taken anyway.

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is out of range.
    """

    features: NDArray[Any]
    slopes: NDArray[Any]
    x: NDArray[Any]
    outputs: int
    epsilon: float
    part: str = field(default="total", kw_only=True)
    second_layer: Any = field(default=None, kw_only=True)
    residual_weights: Any = field(default=None, kw_only=True)
    bends: Any = field(default=None, kw_only=True)
    coupling: str = field(default="full", kw_only=True)

    def __post_init__(self) -> None:
        features = float_array("features", self.features, ndim=2)
        slopes = float_array("slopes", self.slopes, ndim=2)
        x = float_array("x", self.x, ndim=2)
        n1, m = features.shape
        if slopes.shape != (n1, m) or x.shape[0] != m or not features.size or not x.size:
            raise ValueError(
                f"features and slopes must have the shape (hidden units, samples), x (samples, "
                f"inputs); got {features.shape}, {slopes.shape} and {x.shape}"
            )
        choice("part", self.part, PARTS)
        choice("coupling", self.coupling, COUPLINGS)
        weights = self.residual_weights
        weights = (
            np.ones(m) if weights is None else float_array("residual_weights", weights, ndim=1)
        )
        if weights.shape != (m,) or weights.min() < 0:
            raise ValueError(f"residual_weights must be {m} numbers >= 0; got {weights.shape}")
        if self.bends is not None:
            bends = float_array("bends", self.bends, ndim=2)
            if bends.shape != (n1, m):
                raise ValueError(f"bends must have the shape {(n1, m)}; got {bends.shape}")
            object.__setattr__(self, "bends", bends)
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "slopes", slopes)
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "outputs", count("outputs", self.outputs))
        object.__setattr__(self, "epsilon", nonnegative("epsilon", self.epsilon))
        object.__setattr__(self, "second_layer", _covariance(self.second_layer, n1))
        object.__setattr__(self, "residual_weights", weights)

    @classmethod
    def of_first_layer(
        cls,
        first_layer: ArrayLike,
        x: ArrayLike,
        *,
        outputs: int,
        epsilon: float,
        activation: str | Activation = "tanh",
        part: str = "total",
        second_layer: Any = None,
        curvature: bool = True,
        coupling: str = "full",
        rng: Rng = 0,
    ) -> Self:
        """Return the model for a first layer and data, nothing else of the network known.

        Parameters
        ----------
        first_layer : array_like, shape (n1, n0)
            W1.
        x : array_like, shape (m, n0)
            Samples.
        outputs : int
            n2.
        epsilon : float
            Energy.
        activation : str or Activation
            As in `rmtland.networks.MLP`.
        part, second_layer, coupling
            See the class.
        curvature : bool
            Whether to include f''; its delta = W2^T e is drawn once from the model.
        rng : anything `numpy.random.default_rng` takes
            For that drawing.
        """
        w, samples = float_array("first_layer", first_layer, ndim=2), float_array("x", x, ndim=2)
        if w.shape[1] != samples.shape[1]:
            raise ValueError(
                f"first_layer must have a column for each of the {samples.shape[1]} inputs; got "
                f"{w.shape[1]}"
            )
        f = activation_of(activation)
        z = w @ samples.T
        a = np.asarray(f.value(z))
        bends = None
        if curvature and f.curvature is not None and epsilon > 0:
            generator = random_generator(rng)
            sigma = _covariance(second_layer, w.shape[0])
            root = np.sqrt(sigma) if sigma.ndim == 1 else np.linalg.cholesky(
                sigma + 1e-13 * np.trace(sigma) * np.eye(len(sigma))
            )  # fmt: skip
            draws = generator.normal(size=(w.shape[0], count("outputs", outputs)))
            second = root[:, None] * draws if sigma.ndim == 1 else root @ draws
            residuals = generator.normal(size=(outputs, samples.shape[0])) * np.sqrt(2 * epsilon)
            bends = (second @ residuals) * np.asarray(f.curvature(z, a))
        return cls(
            a, np.asarray(f.slope(z, a)), samples, outputs, epsilon, part=part,
            second_layer=second_layer, bends=bends, coupling=coupling,
        )  # fmt: skip

    @classmethod
    def of_point(
        cls,
        point: LossPoint,
        *,
        part: str = "total",
        epsilon: float | None = None,
        sample_weights: bool = False,
        coupling: str = "full",
    ) -> Self:
        """Return the model of a network at a point: mean squares of W2 and residuals measured.

        Parameters
        ----------
        point : LossPoint
            Of an `MLP` with one hidden layer, no biases, half the mean squared error.
        part, coupling
            See the class.
        epsilon : float, optional
            Energy; that of the point by default.
        sample_weights : bool
            Whether each sample keeps its own mean square residual.

        Raises
        ------
        ValueError
            If the network is of another kind.
        """
        net: Any = point.net
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
        bends = None
        if f.curvature is not None:
            bends = (second.T @ e.T) * np.asarray(f.curvature(z, a))
        squares = (e**2).mean(axis=1)
        mean = float(squares.mean())
        weights = squares / mean if sample_weights and mean > 0 else None
        return cls(
            a, np.asarray(f.slope(z, a)), x, net.n_out,
            mean / 2 if epsilon is None else epsilon, part=part,
            second_layer=float((second**2).mean()), residual_weights=weights, bends=bends,
            coupling=coupling,
        )  # fmt: skip

    def of_part(self, part: str) -> Self:
        """Return the model of another part of the same Hessian."""
        return replace(self, part=part)

    # Sizes ---------------------------------------------------------------------------------------

    @property
    def parameter_count(self) -> int:
        """P = n1 (n0 + n2): the number of eigenvalues."""
        n1, n0 = self.features.shape[0], self.x.shape[1]
        return int(n1 * (n0 + self.outputs))

    @property
    def mean(self) -> float:
        """Mean eigenvalue, exact for the model."""
        m = self.features.shape[1]
        total = 0.0
        if self.part != "residual":
            sigma = self.second_layer
            diagonal = sigma if sigma.ndim == 1 else np.diagonal(sigma)
            sizes = (self.x**2).sum(axis=1)
            total += self.outputs * float((self.features**2).sum()) / m
            total += self.outputs * float((diagonal @ self.slopes**2) @ sizes) / m
        if self.part != "gauss_newton" and self.bends is not None:
            total += float((self.bends @ (self.x**2).sum(axis=1)).sum()) / m
        return total / self.parameter_count

    # The equation --------------------------------------------------------------------------------

    @property
    def _has_noise(self) -> bool:
        """Whether H1 couples the blocks a and b."""
        return self.part != "gauss_newton" and self.epsilon > 0

    @property
    def _by_unit(self) -> bool:
        """Whether M_b is block diagonal."""
        if self.coupling == "units" or self.part == "residual":
            return True
        return self.second_layer.ndim == 1 and not self._has_noise

    @cached_property
    def _rays(self) -> Real:
        """D_j,mu x_mu,k, shape (n1, n0, m)."""
        return np.ascontiguousarray(self.slopes[:, None, :] * self.x.T[None])

    @cached_property
    def _gram(self) -> Real:
        """(1 / m^2) sum_mu r D_j D_j' x x^T: (n1, n0, n0) by unit, (n1, n0, n1, n0) full."""
        n1, n0, m = self._rays.shape
        weighted = self._rays * (2 * self.epsilon / m**2 * self.residual_weights)
        if self._by_unit:
            return np.asarray(weighted @ self._rays.swapaxes(1, 2))
        flat = weighted.reshape(n1 * n0, m) @ self._rays.reshape(n1 * n0, m).T
        return np.asarray(flat.reshape(n1, n0, n1, n0))

    @cached_property
    def _center(self) -> Real | None:
        """A_b, shape (n1, n0, n0)."""
        if self.bends is None or self.part == "gauss_newton":
            return None
        weighted = self.x.T[None] * (self.bends / self.features.shape[1])[:, None, :]
        return np.asarray(weighted @ self.x[None])

    @cached_property
    def _sigma(self) -> Real:
        sigma = self.second_layer
        if sigma.ndim == 2 and self._by_unit:
            sigma = np.diagonal(sigma)
        return np.asarray(sigma)

    def _energy_b(self, a: Complex, s: Complex) -> Complex:
        """S_b: by unit (n1, n0, n0), or full (n1, n0, n1, n0)."""
        n1, n0, m = self._rays.shape
        rays = self._rays.reshape(n1 * n0, m)
        energy = np.zeros((n1, n0, n0), dtype=np.complex128)
        wide: Complex | None = None
        if self.part != "residual":
            moved = _real_times(rays, s)
            if self._sigma.ndim == 1:
                energy = _times_real(moved.reshape(n1, n0, m), self._rays.swapaxes(1, 2))
                energy *= (self.outputs / m * self._sigma)[:, None, None]
            else:
                wide = _times_real(moved, rays.T).reshape(n1, n0, n1, n0)
                wide *= (self.outputs / m) * self._sigma[:, None, :, None]
        if self._by_unit:
            if self._has_noise:
                energy += self.outputs * np.diagonal(a)[:, None, None] * self._gram
            return energy
        if wide is None:
            wide = np.zeros((n1, n0, n1, n0), dtype=np.complex128)
            units = np.arange(n1)
            wide[units, :, units, :] = energy
        if self._has_noise:
            wide += self.outputs * a[:, None, :, None] * self._gram
        return wide

    def _blocks(self, z: complex, a: Complex, s: Complex) -> _Blocks:
        """One application of the equation to M_a and M_s."""
        n1, n0, m = self._rays.shape
        energy = self._energy_b(a, s)
        one = np.eye(n0)
        if self._by_unit:
            inner = z * one - energy
            if self._center is not None:
                inner = inner - self._center
            b = np.linalg.inv(inner)
            diagonal = b
        else:
            wide = -energy
            units = np.arange(n1)
            wide[units, :, units, :] += z * one
            if self._center is not None:
                wide[units, :, units, :] -= self._center
            inner = wide.reshape(1, n1 * n0, n1 * n0)
            b = np.linalg.inv(inner)
            diagonal = b.reshape(n1, n0, n1, n0)[units, :, units, :]
        energy_a = np.zeros((n1, n1), dtype=np.complex128)
        if self._has_noise:
            if self._by_unit:
                energy_a = np.diag(np.sum(b * self._gram, axis=(1, 2)))
            else:
                energy_a = np.sum(b.reshape(n1, n0, n1, n0) * self._gram, axis=(1, 3))
        if self.part == "residual":
            outer = z * np.eye(n1) - energy_a
            return _Blocks(np.linalg.inv(outer), b, s, energy, outer, inner)
        rays = self._rays.reshape(n1 * n0, m)
        if self._sigma.ndim == 1:
            weighted = diagonal * self._sigma[:, None, None]
            turned = _times_real(weighted, self._rays).reshape(n1 * n0, m)
        else:
            weighted = b.reshape(n1, n0, n1, n0) * self._sigma[:, None, :, None]
            turned = _times_real(weighted.reshape(n1 * n0, n1 * n0), rays)
        energy_s = _real_times(rays.T, turned) / m
        outer = np.empty((n1 + m, n1 + m), dtype=np.complex128)
        outer[:n1, :n1] = z * np.eye(n1) - energy_a
        outer[:n1, n1:] = -self.features / np.sqrt(m)
        outer[n1:, :n1] = outer[:n1, n1:].T
        outer[n1:, n1:] = np.eye(m) - energy_s
        inverse = np.linalg.inv(outer)
        return _Blocks(inverse[:n1, :n1], b, inverse[n1:, n1:], energy, outer, inner)

    def _unpacked(self, y: Complex) -> tuple[Complex, Complex]:
        n1, m = self.features.shape
        return y[: n1 * n1].reshape(n1, n1), y[n1 * n1 :].reshape(m, m)

    def _applied(self, z: complex, y: Complex) -> tuple[Complex, _Blocks]:
        """One application of the equation to (M_a, M_s), packed into one vector."""
        blocks = self._blocks(z, *self._unpacked(y))
        return np.concatenate([blocks.a.ravel(), blocks.s.ravel()]), blocks

    def _fixed_point(
        self, z: complex, start: Complex | None, tolerance: float
    ) -> tuple[Complex, _Blocks, int, float, bool]:
        """Solve for (M_a, M_s) at one point.

        Where the units are coupled, by correction of the defect: the equation without the coupling
        is solved with what the coupling changes as a source, so that few of its costly steps are
        needed.
        """
        n1, m = self.features.shape
        y = start
        if y is None:
            y = np.concatenate([(np.eye(n1) / z).ravel(), np.eye(m, dtype=complex).ravel()])
        steps = 0
        if not self._by_unit:
            if start is None:
                y = self._units._anderson(z, y, 1e-3, 0.0)[0]
            last = np.inf
            for _ in range(_STEPS):
                new, blocks = self._applied(z, y)
                steps += 1
                size = float(np.linalg.norm(new - y) / np.linalg.norm(y))
                if size <= tolerance:
                    return new, blocks, steps, size, self._is_physical(blocks)
                if size > last / 2:
                    break
                last = size
                source = new - self._units._applied(z, y)[0]
                y = self._units._anderson(z, y, 0.05 * size, source)[0]
        y, blocks, more, size = self._anderson(z, y, tolerance, 0.0)
        good = size <= tolerance and self._is_physical(blocks)
        return y, blocks, steps + more, size, good

    @cached_property
    def _units(self) -> Self:
        return replace(self, coupling="units")

    def _is_physical(self, blocks: _Blocks) -> bool:
        return _is_lower(blocks.a) and (self.part == "residual" or _is_lower(blocks.s))

    def _anderson(
        self, z: complex, y: Complex, tolerance: float, source: Any
    ) -> tuple[Complex, _Blocks, int, float]:
        """Anderson-accelerated half-averaged iteration of y = F(y) + source.

        A step that leaves the lower half-plane is replaced by the averaged one, which stays.
        """
        best = np.inf
        steps_y: deque[Complex] = deque(maxlen=_DEPTH)
        steps_f: deque[Complex] = deque(maxlen=_DEPTH)
        last: tuple[Complex, Complex] | None = None
        for step in range(1, _STEPS + 1):
            value, blocks = self._applied(z, y)
            f = value + source - y
            size = float(np.linalg.norm(f) / np.linalg.norm(y))
            if size <= tolerance:
                return y + f, blocks, step, size
            if size > 1e3 * best:
                steps_y.clear()
                steps_f.clear()
            best = min(best, size)
            if last is not None:
                steps_y.append(y - last[0])
                steps_f.append(f - last[1])
            last = (y, f)
            new = y + f / 2
            if steps_f:
                df, dy = np.array(steps_f), np.array(steps_y)
                normal = df.conj() @ df.T
                shift = 1e-14 * np.trace(normal).real * np.eye(len(df))
                gamma = np.linalg.solve(normal + shift, df.conj() @ f)
                trial = y + f - gamma @ (dy + df)
                a, s = self._unpacked(trial)
                if np.diagonal(a).imag.max() < 0 and np.diagonal(s).imag.max() < 1e-12:
                    new = trial
            y = new
        return y, blocks, _STEPS, size

    def _march(self, z: Complex, tolerance: float) -> list[tuple[_Blocks, int, float, bool]]:
        """Solve at all points, each from its neighbour; the first from far above."""
        results: dict[int, tuple[_Blocks, int, float, bool]] = {}
        past: deque[tuple[complex, Complex]] = deque(maxlen=2)
        for i in np.lexsort((z.imag, z.real)):
            point = complex(z[i])
            start = past[-1][1] if past else None
            if len(past) == 2:
                (far, state_far), (near, state) = past
                ratio = (point - near) / (near - far) if near != far else np.inf
                if abs(ratio) <= 1.5:  # linear in z along the march
                    start = state + ratio * (state - state_far)
            new, blocks, steps, size, good = self._fixed_point(point, start, tolerance)
            if not good:
                rung: Complex | None = None
                for height in np.geomspace(max(4.0, 4 * point.imag), point.imag, 12):
                    rung, blocks, more, size, good = self._fixed_point(
                        complex(point.real, height), rung, tolerance
                    )
                    steps += more
                new = np.asarray(rung)
            results[int(i)] = (blocks, steps, size, good)
            if good:
                past.append((point, new))
            else:
                past.clear()
        return [results[i] for i in range(z.size)]

    # Results -------------------------------------------------------------------------------------

    def solve(self, z: ArrayLike, *, tolerance: float = _TOLERANCE, throw: bool = True) -> Solution:
        """Evaluate G(z) in the open upper half-plane.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0; the number of steps grows towards the axis.
        tolerance : float
            Of the relative change of (M_a, M_s) by the equation, in the Frobenius norm.
        throw : bool
            Whether to raise if a point is not solved.

        Returns
        -------
        Solution
            `residual` is that relative change; `steps` the applications of the equation.

        Raises
        ------
        ValueError
            If a point is not in the open upper half-plane.
        ConvergenceError
            If a point is not solved and `throw` is true.
        """
        flat, shape = self._open_points(z)
        found = self._march(flat, positive("tolerance", tolerance))
        good = np.array([entry[3] for entry in found], dtype=bool)
        if throw and not good.all():
            raise ConvergenceError(
                f"no solution at z = {flat[~good][0]} to {tolerance} in {_STEPS} steps; "
                "raise Im z or the tolerance"
            )
        value = np.array([self._trace(entry[0]) for entry in found], dtype=np.complex128)
        return Solution(
            value.reshape(shape),
            Status.CONVERGED if good.all() else Status.NOT_CONVERGED,
            np.array([entry[2] for entry in found]).reshape(shape),
            np.array([entry[1] for entry in found], dtype=np.int64).reshape(shape),
        )

    def stieltjes(self, z: ArrayLike) -> Any:
        """G(z) = mean of 1/(z - eigenvalue) for Im z > 0, any shape."""
        value = self.solve(z).value
        return value if value.shape else value.item()

    def smoothed_density(self, x: ArrayLike, *, eta: float, tolerance: float = 1e-6) -> Any:
        """Density convolved with the Cauchy density of half-width eta: -Im G(x + i eta)/pi."""
        z = points("x", x) + 1j * positive("eta", eta)
        value = self.solve(z, tolerance=tolerance).value
        density = -value.imag / np.pi
        return density if density.shape else density.item()

    def smoothed_cdf(self, x: ArrayLike, *, eta: float) -> Any:
        """Distribution function convolved with the Cauchy law of half-width eta.

        From the logarithmic potential, without quadrature: 1 - Im L(x + i eta)/pi.
        """
        flat, shape = self._open_points(points("x", x) + 1j * positive("eta", eta))
        found = self._march(flat, _TOLERANCE)
        if not all(entry[3] for entry in found):
            raise ConvergenceError("no solution at some point; raise eta")
        levels = 1 - np.array([self._potential(entry[0]).imag for entry in found]) / np.pi
        return levels.reshape(shape) if shape else float(levels[0])

    def density(self, x: ArrayLike, *, eta: float = 0.04, rungs: int = 4) -> Solution:
        """Density at the real axis, extrapolated from heights eta, eta/2, ..., with its error.

        Parameters
        ----------
        x : array_like of float
            Points.
        eta : float
            The largest height; below the distance to the next edge the extrapolation converges
            like a power series.
        rungs : int
            Number of heights, each half the one before.

        Returns
        -------
        Solution
            `value` is the density; `error` the largest change by leaving out either end of the
            ladder of heights. Not reliable right at an edge, where it is of the order of
            sqrt(eta / 2^rungs), and says so by its size. `residual` as in `solve`.
        """
        flat = points("x", x)
        levels = count("rungs", rungs, least=2)
        heights = positive("eta", eta) / 2.0 ** np.arange(levels)
        solution = self.solve(flat[..., None] + 1j * heights, tolerance=1e-11, throw=False)
        values = -solution.value.imag / np.pi
        best = values @ _extrapolation(heights)
        error = np.maximum(
            np.abs(values[..., 1:] @ _extrapolation(heights[1:]) - best),
            np.abs(values[..., :-1] @ _extrapolation(heights[:-1]) - best),
        )
        return Solution(
            best,
            solution.status,
            solution.residual.max(axis=-1),
            solution.steps.sum(axis=-1),
            error,
        )

    def index(self, *, eta: float = 1e-3) -> float:
        """Fraction of negative eigenvalues: the distribution function at 0, smoothed by eta.

        Extrapolated linearly from the heights eta and eta/2. Where H has a point mass at 0, half
        of it is counted.
        """
        levels = [self.smoothed_cdf(0.0, eta=height) for height in (eta, eta / 2)]
        return float(2 * levels[1] - levels[0])

    def _open_points(self, z: ArrayLike) -> tuple[Complex, tuple[int, ...]]:
        flat, shape = upper_half_plane(z)
        if flat.size and not flat.imag.min() > 0:
            raise ValueError(
                "the equation of a finite network is solved for Im z > 0; use `density` for the "
                "real axis"
            )
        return flat, shape

    def _trace(self, blocks: _Blocks) -> complex:
        inner = np.trace(blocks.b, axis1=1, axis2=2).sum()
        return complex((self.outputs * np.trace(blocks.a) + inner) / self.parameter_count)

    def _potential(self, blocks: _Blocks) -> complex:
        """L at a solution; eigenvalues of W lie in the upper half-plane, their logs add up."""
        outer = upper_log(np.linalg.eigvals(blocks.outer)).sum()
        inner = upper_log(np.linalg.eigvals(blocks.inner)).sum()
        energy = blocks.energy_b.reshape(blocks.b.shape)
        coupled = np.sum(blocks.b * energy.swapaxes(1, 2))
        return complex((self.outputs * outer + inner + coupled) / self.parameter_count)


def _extrapolation(heights: Real) -> Real:
    """Weights of the polynomial through values at the heights, at height 0."""
    differences = heights[:, None] - heights[None, :]
    np.fill_diagonal(differences, 1.0)
    top = np.where(np.eye(len(heights), dtype=bool), 1.0, -heights[None, :])
    return np.asarray(np.prod(top / differences, axis=1))


def _covariance(value: Any, hidden: int) -> Real:
    """Sigma as a diagonal (n1,) or a matrix (n1, n1)."""
    if value is None:
        return np.full(hidden, 1 / hidden)
    if np.ndim(value) == 0:
        return np.full(hidden, nonnegative("second_layer", value))
    array = float_array("second_layer", value, ndim=np.ndim(value))
    if array.shape not in ((hidden,), (hidden, hidden)):
        raise ValueError(
            f"second_layer must be a number, {hidden} variances or a matrix of shape "
            f"{(hidden, hidden)}; got shape {array.shape}"
        )
    if array.ndim == 1:
        if array.min() < 0:
            raise ValueError(f"second_layer must hold variances >= 0; got {array.min()}")
        return array
    lowest = float(np.linalg.eigvalsh((array + array.T) / 2)[0])
    if not np.allclose(array, array.T, rtol=1e-10) or lowest < -1e-10 * np.abs(array).max():
        raise ValueError("second_layer must be symmetric and positive semi-definite")
    return array


def _is_lower(m: Complex) -> bool:
    """Whether Im M < 0, up to rounding."""
    h = (m.conj().T - m) / 2j
    return bool(np.linalg.eigvalsh(h)[0] >= -1e-8 * np.abs(m).max())


def _real_times(left: Real, right: Complex) -> Complex:
    """Real (n, k) times complex (k, l) as one real matrix product."""
    wide = np.ascontiguousarray(right).view(np.float64)
    return np.asarray((left @ wide).view(np.complex128))


def _times_real(left: Complex, right: Real) -> Complex:
    """Complex (..., n, k) times real (..., k, l)."""
    return np.asarray(left.real @ right + 1j * (left.imag @ right))
