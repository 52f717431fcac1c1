r"""The Hessian law of a one-hidden-layer network that knows its first layer and its data.

The network y = W2 f(W1 x), with n0 inputs, n1 hidden units, n2 outputs and half the mean squared
error over m samples, has the Hessian H = H0 + H1 (`rmtland.networks.derivatives.hessian`).
Pennington and Bahri [1]_ replace both parts by free random matrices. Here only the second layer
and the residuals are random: rows of W2 independent with E W2_ij W2_ij' = Sigma_jj' (1/n1 on the
diagonal by default), residuals e_i,mu independent of mean zero and variance r_mu (2 epsilon for
all by default). Given features h = f(W1 x), slopes D = f'(W1 x), both (n1, m), and samples x_mu,
the matrix

.. math:: \begin{pmatrix} z - H_1 & -J^T/\sqrt m \\ -J/\sqrt m & 1 \end{pmatrix}

is linear in W2 and e, and its inverse, whose first block is (z - H)^{-1}, has a deterministic
equivalent: a matrix Dyson equation (`rmtland.free.operator_valued.matrix_dyson`). Its blocks are a
(weights W2, index j), s (samples, index mu), each n2 times on the diagonal, and b (weights W1,
index jk):

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
given (`bends`), measured or drawn once, since they average themselves over units and outputs; with
one or two outputs they do not, and the law, like the Hessian itself, differs from draw to draw.

The logarithmic potential comes with the solution, and with it the smoothed distribution function
and the index,

.. math:: p L = n_2 \log\det W_{as} + \log\det W_b + \operatorname{tr} M_b S_b , \qquad L' = G ,

where W are the inverses of the M (half of <M S[M]> is tr M_b S_b as both noises couple b to a or
s).

Cost is a ladder, `coupling`, measured by `scripts/bench_dyson.py` at n0 = n1 = n2 = n, m = 4n;
errors are those of the density smoothed at eta = .05, relative to its peak, and largest near 0:

* "full", the equation as it stands: for H a step inverts a matrix of size n0 n1 (2 s a point at
  n = 32 on one core); for H0 and H1 it is the same as "units".
* "units" leaves the blocks between different hidden units out of S: n1 inverses of size n0, one of
  size m + n1, and n1 m n0 (n0 + m) multiplications (.1 s a point at n = 32). For H off by 2 to 5 %,
  at any n.
* "free_slopes" takes the slopes of all units for one free random variable
  (`rmtland.models.dyson.free_slopes`): a few inverses of size n0 + n1 (1 s a point for H0 and 4 s
  for H at n = 256, where H has 131072 eigenvalues). Its error falls like 1/n: for H0 11, 8.5, 3.5
  and 1.7 % (ReLU) at n = 16, 32, 64 and 128, about half of it for tanh, most in the n1 nearly null
  directions at 0; for H 1 to 3 % at n = 16 and 32, less than that of "units" at large n.

Where it holds (`scripts/reproduce_dyson.py`): first and second layer and residuals independent of
each other, as at initialisation. For H0 the equation is exact as n grows, with errors that fall
like 1/n: 1.7 % (ReLU) and 1.1 % (tanh) of the peak at n = 12, all at the nearly null directions
(.4 % and .1 % for |x| > .2), .7 % and .4 % at n = 32. For H it is not quite exact: W2 and the
residuals act on the outputs and on the units or samples, so that their pairings may cross, which
it leaves out; errors are 2.8 % and 2.6 % at n = 12 and 1.9 % and 1.7 % at n = 32, the index within
.004, and worst for slopes that are constant (a linear network, 9 %). After training W2 and e are
neither Gaussian nor independent of the data. Isolated eigenvalues are spread as the equation says
only in the mean.

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

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import choice, count, float_array, nonnegative, points, positive
from rmtland.arrays import ArrayLibrary, to_numpy
from rmtland.laws.law import upper_half_plane
from rmtland.models.dyson.blocks import BlockEquation
from rmtland.models.dyson.free_slopes import FreeSlopes
from rmtland.models.dyson.march import STEPS, Solved, march
from rmtland.networks.activation import Activation
from rmtland.networks.activation import activation as activation_of
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.streams import Rng, random_generator

if TYPE_CHECKING:
    from rmtland.networks import LossPoint

__all__ = ["COUPLINGS", "PARTS", "DysonHessian"]

Real = NDArray[Any]  # float64
Complex = NDArray[Any]  # complex128

PARTS = ("total", "gauss_newton", "residual")
"""The Hessian and its two parts, as in `rmtland.networks`."""

COUPLINGS = ("full", "units", "free_slopes")
"""The equation itself, without the blocks between unlike hidden units, or with free slopes."""

Progress = bool | Callable[[int, int], object]

_TOLERANCE = 1e-8


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
    residual_weights : array_like, shape (m,) or (m, m), optional
        r_mu / (2 epsilon), >= 0: residuals of unlike size; ones by default. A matrix is the
        covariance of the residuals of an output between samples, over 2 epsilon.
    bends : array_like, shape (n1, m), optional
        delta_j,mu f''_j,mu; none by default (as for ReLU).
    coupling : {"full", "units", "free_slopes"}
        Rung of the ladder of approximations, see the module. "units" is exact for H1, and for H0
        with a diagonal Sigma, and there taken for "full"; "free_slopes" needs for H a Sigma that
        is a multiple of the identity.

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
        weights = _covariance("residual_weights", np.ones(m) if weights is None else weights, m)
        if weights.ndim == 2 and self.coupling == "free_slopes":
            raise ValueError(
                "free slopes need residuals that are independent between samples; take coupling "
                "'full' or 'units', or a vector of residual_weights"
            )
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
        object.__setattr__(self, "second_layer", _second_layer(self.second_layer, n1))
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
            sigma = _second_layer(second_layer, w.shape[0])
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

    @cached_property
    def equation(self) -> BlockEquation | FreeSlopes:
        """The equation that is solved, by part and coupling."""
        noise = self.part != "gauss_newton"
        variances = 2 * self.epsilon * self.residual_weights * noise
        sigma = self.second_layer
        arguments = (
            self.features, self.slopes, self.x, self.outputs, variances, sigma,
            self.bends if noise else None, self.part != "residual",
        )  # fmt: skip
        still = not variances.any() and (self.part == "residual" or not sigma.any())
        if self.coupling == "free_slopes" and not still and self.x.any():
            return FreeSlopes(*arguments)
        apart = sigma.ndim == 1 and not variances.any()
        by_unit = self.coupling != "full" or self.part == "residual" or apart
        return BlockEquation(*arguments, by_unit)

    @property
    def memory(self) -> int:
        """Bytes that a solution takes at its height, estimated from above."""
        return self.equation.memory

    def march(
        self, z: Complex, tolerance: float, progress: Progress = False
    ) -> Iterator[tuple[int, Solved]]:
        """Solve point after point; refuse at once what would not fit into memory."""
        free = ArrayLibrary.of().free_memory()
        if self.memory > free:
            raise MemoryError(
                f"the equation with coupling {self.coupling!r} takes about "
                f"{self.memory / 2**30:.1f} GiB, more than the {free / 2**30:.1f} GiB that are "
                f"free; take {_cheaper(self.coupling)}"
            )
        with _shown(progress, z.size) as see:
            yield from march(self.equation, z, tolerance, see=see)

    # Results -------------------------------------------------------------------------------------

    def solve(
        self,
        z: ArrayLike,
        *,
        tolerance: float = _TOLERANCE,
        throw: bool = True,
        progress: Progress = False,
    ) -> Solution:
        """Evaluate G(z) in the open upper half-plane.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0; the number of steps grows towards the axis.
        tolerance : float
            Of the relative change of (M_a, M_s) by the equation, in the Frobenius norm.
        throw : bool
            Whether to raise if a point is not solved.
        progress : bool or callable
            True shows a bar on the standard error stream; a function is called after each point
            with the numbers of points solved and of all.

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
        MemoryError
            If it would take more than the memory that is free, see `memory`.
        """
        flat, shape = self.open_points(z)
        value = np.empty(flat.size, dtype=np.complex128)
        residual, steps = np.empty(flat.size), np.empty(flat.size, dtype=np.int64)
        good = np.empty(flat.size, dtype=bool)
        for i, solved in self.march(flat, positive("tolerance", tolerance), progress):
            value[i] = self.equation.trace(solved.blocks)
            residual[i], steps[i], good[i] = solved.size, solved.steps, solved.good
            if throw and not solved.good:
                raise ConvergenceError(
                    f"no solution at z = {flat[i]} to {tolerance} in {STEPS} steps; raise Im z or "
                    "the tolerance"
                )
        return Solution(
            value.reshape(shape),
            Status.CONVERGED if good.all() else Status.NOT_CONVERGED,
            residual.reshape(shape),
            steps.reshape(shape),
        )

    def stieltjes(self, z: ArrayLike) -> Any:
        """G(z) = mean of 1/(z - eigenvalue) for Im z > 0, any shape."""
        value = self.solve(z).value
        return value if value.shape else value.item()

    def smoothed_density(
        self, x: ArrayLike, *, eta: float, tolerance: float = 1e-6, progress: Progress = False
    ) -> Any:
        """Density convolved with the Cauchy density of half-width eta: -Im G(x + i eta)/pi."""
        z = points("x", x) + 1j * positive("eta", eta)
        value = self.solve(z, tolerance=tolerance, progress=progress).value
        density = -value.imag / np.pi
        return density if density.shape else density.item()

    def smoothed_cdf(
        self, x: ArrayLike, *, eta: float, tolerance: float = _TOLERANCE, progress: Progress = False
    ) -> Any:
        """Distribution function convolved with the Cauchy law of half-width eta.

        From the logarithmic potential, without quadrature: 1 - Im L(x + i eta)/pi.
        """
        z = points("x", x) + 1j * positive("eta", eta)
        levels = self._levels(z, positive("tolerance", tolerance), progress)
        return levels if levels.shape else levels.item()

    def _levels(self, z: ArrayLike, tolerance: float, progress: Progress = False) -> Real:
        """1 - Im L / pi."""
        flat, shape = self.open_points(z)
        levels = np.empty(flat.size)
        for i, solved in self.march(flat, tolerance, progress):
            if not solved.good:
                raise ConvergenceError(
                    f"no solution at z = {flat[i]} to {tolerance} in {STEPS} steps; raise eta or "
                    "the tolerance"
                )
            levels[i] = 1 - self.equation.potential(complex(flat[i]), solved.blocks).imag / np.pi
        return levels.reshape(shape)

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
        height = positive("eta", eta)
        levels = self._levels([1j * height, 0.5j * height], _TOLERANCE)
        return float(2 * levels[1] - levels[0])

    def open_points(self, z: ArrayLike) -> tuple[Complex, tuple[int, ...]]:
        """Points of the open upper half-plane as a vector, and their shape."""
        flat, shape = upper_half_plane(z)
        if flat.size and not flat.imag.min() > 0:
            raise ValueError(
                "the equation of a finite network is solved for Im z > 0; use `density` for the "
                "real axis"
            )
        return flat, shape


def _extrapolation(heights: Real) -> Real:
    """Weights of the polynomial through values at the heights, at height 0."""
    differences = heights[:, None] - heights[None, :]
    np.fill_diagonal(differences, 1.0)
    top = np.where(np.eye(len(heights), dtype=bool), 1.0, -heights[None, :])
    return np.asarray(np.prod(top / differences, axis=1))


def _second_layer(value: Any, hidden: int) -> Real:
    """Sigma as a diagonal (n1,) or a matrix (n1, n1)."""
    if value is None:
        return np.full(hidden, 1 / hidden)
    if np.ndim(value) == 0:
        return np.full(hidden, nonnegative("second_layer", value))
    return _covariance("second_layer", value, hidden)


def _covariance(name: str, value: Any, size: int) -> Real:
    """Variances (size,) or a covariance (size, size)."""
    array = float_array(name, value, ndim=2 if np.ndim(value) == 2 else 1)
    if array.shape not in ((size,), (size, size)):
        raise ValueError(
            f"{name} must be {size} variances or a matrix of shape {(size, size)}; got shape "
            f"{array.shape}"
        )
    if array.ndim == 1:
        if array.min() < 0:
            raise ValueError(f"{name} must hold variances >= 0; got {array.min()}")
        return array
    lowest = float(np.linalg.eigvalsh((array + array.T) / 2)[0])
    if not np.allclose(array, array.T, rtol=1e-10) or lowest < -1e-10 * np.abs(array).max():
        raise ValueError(f"{name} must be symmetric and positive semi-definite")
    return array


def _cheaper(coupling: str) -> str:
    rest = COUPLINGS[COUPLINGS.index(coupling) + 1 :]
    if not rest:
        return "fewer samples or a smaller network of the same ratios"
    return "coupling " + " or ".join(f"{name!r}" for name in rest)


@contextmanager
def _shown(progress: Progress, total: int) -> Iterator[Callable[[int], object]]:
    """Turn `progress` into a function of the number of points done."""
    if callable(progress):
        yield lambda done: progress(done, total)
        return
    if not progress or sys.stderr is None:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("Dyson equation"), BarColumn(), MofNCompleteColumn(), TextColumn("points"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        line = bar.add_task("points", total=total)
        yield lambda done: bar.update(line, completed=done)
