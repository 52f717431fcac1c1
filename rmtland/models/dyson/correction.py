r"""The first correction in 1/n to the matrix Dyson equation of a Hessian.

The equation sums the noncrossing pairings of the Gaussian entries of W2 and e. Their matrices are
real, so the next ones are those on which a path and its repetition run in parallel (a cross-cap,
the "cooperon" of weak localisation). A path alternates between the blocks i = (a, s), of size
n1 + m for each output, and b. Two parallel passages i -> b -> i multiply matrices Y of size n1 + m
by

.. math:: \mathcal T Y = n_2 M_i \Bigl(\sum_{\alpha \alpha'} v_\alpha v_{\alpha'}
          \Phi_{\alpha \alpha'} Y \Phi_{\alpha \alpha'}^T\Bigr) M_i^T , \qquad
          \Phi_{\alpha \alpha'} = C_\alpha M_b C_{\alpha'}^T ,

where alpha runs over the n1 entries of a row of W2 and the m residuals of an output, v are their
variances and C the matrices with which they enter. The closed path is one trace that goes round
twice, so that symmetric and antisymmetric Y count with opposite signs:

.. math:: P (E\,G - G_0) = \frac12 \frac{d}{dz} \bigl(
          \log\det (1 - \mathcal T)_{sym} - \log\det (1 - \mathcal T)_{anti} \bigr) + O(1/n) .

For a Gaussian orthogonal matrix T = G^2 and this is the known correction of its density.

For H0 and H1 it is all there is at this order: what is left falls like 1/n^2. For H with
epsilon > 0 it is a part only. There W2 acts on outputs and hidden units, e on outputs and samples,
and paths that cross a pair of the one with a pair of the other are not small where the slopes do
not vary: the matrix Dyson equation itself keeps an error that does not vanish with n.

References
----------
.. [1] J. J. M. Verbaarschot, H. A. Weidenmuller and M. R. Zirnbauer, Evaluation of ensemble
       averages for simple Hamiltonians perturbed by a GOE interaction, Ann. Phys. 153 (1984)
       367-388.
.. [2] I. Dumitriu and A. Edelman, Global spectrum fluctuations for the beta-Hermite and
       beta-Laguerre ensembles via matrix models, J. Math. Phys. 47 (2006) 063302: the term of order
       1/n of the classical ensembles.

Examples
--------
>>> import numpy as np
>>> from rmtland.models import DysonHessian
>>> rng = np.random.default_rng(0)
>>> first, x = rng.normal(size=(4, 4)) / 2, rng.normal(size=(12, 4))
>>> model = DysonHessian.of_first_layer(
...     first, x, outputs=4, epsilon=0.0, activation="relu", part="gauss_newton"
... )
>>> corrected = FiniteSizeHessian(model)
>>> bool(corrected.smoothed_pdf(0.0, eta=0.05) > model.smoothed_pdf(0.0, eta=0.05))
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Self

import numpy as np

from rmtland.arguments import count, points, positive
from rmtland.arrays import ArrayLibrary
from rmtland.deprecation import renamed_method
from rmtland.laws import SpectralModel
from rmtland.models.dyson.blocks import BlockEquation, Blocks
from rmtland.models.dyson.cost import Cost, seconds_of_pairs, seconds_of_point
from rmtland.models.dyson.dyson_hessian import DysonHessian
from rmtland.models.far_field import variance_from_above
from rmtland.models.smoothed_index import index_from_above, trusted_index
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.spectrum import Spectrum
from rmtland.typing import ArrayLike, Complex, Real, Rng

__all__ = ["FiniteSizeHessian", "parallel_paths"]

Progress = Callable[[int, int], object]

_STEP = 0.03  # of the derivative, relative to the height
_TOLERANCE = 1e-9
_TURN = 0.8  # largest change of phase between two steps that is trusted
_FINEST = 2.0**-12


@dataclass(frozen=True, eq=False)
class FiniteSizeHessian(SpectralModel):
    """The spectrum of a Hessian of finite size: the matrix Dyson equation and its first correction.

    Parameters
    ----------
    model : DysonHessian
        The equation, with coupling "full" or "units".

    Raises
    ------
    ValueError
        If the model has free slopes, or outputs whose residuals are unlike or correlated.

    Notes
    -----
    Cost of a point: for H0 one product of size m^2 x n1 x m^2 and two determinants of size m^2/2,
    which is for n of some tens, where the correction matters. `cost` tells seconds and bytes
    beforehand.
    """

    model: DysonHessian

    def __post_init__(self) -> None:
        if not isinstance(self.model, DysonHessian):
            raise TypeError(f"model must be a DysonHessian; got {type(self.model).__name__}")
        if not isinstance(self.model.equation, BlockEquation):
            raise ValueError(
                "the correction needs the slopes of every unit; take coupling='full' or 'units'"
            )
        if self.model.output_weights is not None:
            raise ValueError(
                "the correction is for residuals that are alike and independent between outputs; "
                "leave output_weights out"
            )

    # Parts and sizes -----------------------------------------------------------------------------

    @property
    def law(self) -> NoReturn:
        """There is none.

        Raises
        ------
        ValueError
            The corrected density need not be positive at the real axis, nor integrable there.
        """
        raise ValueError(
            "the correction of order 1/n is a density above the axis only, not a probability law; "
            "take smoothed_pdf, smoothed_cdf or index, or model.law without it"
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: ("gauss_newton", "residual", "total")."""
        return self.model.parts

    def part(self, name: str) -> Self:
        """Return the same of a part of the Hessian, as `DysonHessian.part`.

        Parameters
        ----------
        name : {"gauss_newton", "residual", "total"}
            H0, H1 or H.

        Returns
        -------
        FiniteSizeHessian
            The corrected model of that part.

        Raises
        ------
        ValueError
            If there is no part of that name.
        """
        return replace(self, model=self.model.part(name))

    @property
    def parameter_count(self) -> int:
        """P, as of the model."""
        return self.model.parameter_count

    def mean(self) -> float:
        """Mean eigenvalue: the correction leaves it as it is.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        return self.model.mean()

    def var(self) -> float:
        """Variance, with the correction.

        Returns
        -------
        float
            In the squared units of the eigenvalues.

        Raises
        ------
        ConvergenceError
            If the equation is not solved on the contour.
        """
        return variance_from_above(lambda z: self.solve(z, tolerance=1e-12).value, self.mean())

    @property
    def memory(self) -> int:
        """Bytes that a solution takes at its height, estimated from above."""
        n1, m = self.model.features.shape
        pairs = 0 if self.model.part_name == "residual" else m**4
        if self.model.part_name == "total":
            pairs += 2 * (n1 * m) ** 2
        return self.model.memory + 16 * 3 * pairs

    def cost(self, points: int = 1) -> Cost:
        """Estimate what so many points of `smoothed_pdf` take on this machine.

        Parameters
        ----------
        points : int
            Number of points; `smoothed_cdf` takes about half as long for as many.

        Returns
        -------
        Cost
            Seconds, right to a factor of about three, and bytes.
        """
        equation = self.model.equation
        assert isinstance(equation, BlockEquation)
        here = 3 * seconds_of_point(equation)
        here += 2 * seconds_of_pairs(equation, self.model.part_name)
        return Cost(count("points", points) * here, self.memory)

    # Results -------------------------------------------------------------------------------------

    def solve(
        self,
        z: ArrayLike,
        *,
        tolerance: float = _TOLERANCE,
        throw: bool = True,
        progress: Progress | None = None,
    ) -> Solution:
        """Evaluate E G(z) in the open upper half-plane, as `DysonHessian.solve`.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance, throw
            As for `DysonHessian.solve`.
        progress : callable, optional
            Called with the numbers of solutions done and of all, two for each point.

        Returns
        -------
        Solution
            E G(z) with its error, in the shape of `z`.

        Raises
        ------
        ConvergenceError
            If a point is not solved and `throw` is true.
        MemoryError
            If it would take more than the memory that is free; it states what `cost` does.
        """
        flat, shape = self.model.open_points(z)
        step = _STEP * flat.imag
        count = flat.size
        _, pairs, size, steps, good = self._solved(
            np.concatenate([flat + step, flat - step]), tolerance, progress, with_phase=False
        )
        if throw and not good.all():
            raise ConvergenceError("the matrix Dyson equation was not solved; raise Im z")
        change = pairs[:count] - pairs[count:]
        turned = np.remainder(change.imag + np.pi, 2 * np.pi) - np.pi
        slope = (change.real + 1j * turned) / (2 * step)
        plain = self.model.solve(flat, tolerance=tolerance, throw=throw)
        corrected = plain.value + slope / (2 * self.parameter_count)
        solved = good.all() and plain.status is Status.CONVERGED
        return Solution(
            corrected.reshape(shape),
            Status.CONVERGED if solved else Status.NOT_CONVERGED,
            np.maximum(size.reshape(2, count).max(axis=0), plain.residual).reshape(shape),
            (steps.reshape(2, count).sum(axis=0) + plain.steps).reshape(shape),
        )

    def _solved(
        self, z: Complex, tolerance: float, progress: Progress | None, *, with_phase: bool
    ) -> tuple[Complex, Complex, Real, Any, Any]:
        """G or L, and the logarithm of the determinants, at all points."""
        free = ArrayLibrary.of().free_memory()
        if self.memory > free:
            raise MemoryError(
                f"the correction takes {self.cost(z.size).sentence}, more than the "
                f"{free / 2**30:.1f} GiB that are free; it is for small networks, take the "
                "model without it"
            )
        equation = self.model.equation
        assert isinstance(equation, BlockEquation)
        values = np.empty(z.size, dtype=np.complex128)
        pairs, size = np.empty_like(values), np.empty(z.size)
        steps, good = np.empty(z.size, dtype=np.int64), np.empty(z.size, dtype=bool)
        for i, found in self.model.solve_along(z, tolerance, progress):
            here = complex(z[i])
            values[i] = (
                equation.potential(here, found.blocks)
                if with_phase
                else equation.trace(found.blocks)
            )
            size[i], steps[i], good[i] = found.residual, found.steps, found.converged
            pairs[i] = parallel_paths(equation, here, found.blocks, with_phase=with_phase)
        return values, pairs, size, steps, good

    def stieltjes(self, z: ArrayLike) -> Any:
        """E G(z) off the real axis, any shape.

        Parameters
        ----------
        z : array_like of complex
            Points off the real axis, any shape.

        Returns
        -------
        complex or ndarray of complex128
            Values in the shape of `z`; Im G < 0 for Im z > 0.

        Raises
        ------
        ValueError
            If a point lies on the real axis.
        ConvergenceError
            If a point is not solved.
        """
        array = np.asarray(z, dtype=np.complex128)
        below = array.imag < 0
        value = self.solve(np.where(below, array.conj(), array)).value
        value = np.where(below, value.conj(), value)
        return value if value.shape else value.item()

    def smoothed_pdf(self, x: ArrayLike, *, eta: float, progress: Progress | None = None) -> Any:
        """Mean density convolved with the Cauchy density of half-width eta.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.
        eta : float
            Half-width, > 0.
        progress : callable, optional
            As for `solve`.

        Returns
        -------
        float or ndarray
            Values in the shape of `x`.

        Raises
        ------
        ValueError
            If a point is NaN or eta is not positive.
        ConvergenceError
            If a point is not solved.
        """
        value = self.solve(points("x", x) + 1j * positive("eta", eta), progress=progress).value
        density = -value.imag / np.pi
        return density if density.shape else density.item()

    def smoothed_cdf(self, x: ArrayLike, *, eta: float, progress: Progress | None = None) -> Any:
        """Mean distribution function convolved with the Cauchy law of half-width eta.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.
        eta : float
            Half-width, > 0.
        progress : callable, optional
            As for `solve`.

        Returns
        -------
        float or ndarray
            Values in the shape of `x`.

        Raises
        ------
        ValueError
            If a point is NaN or eta is not positive.
        ConvergenceError
            If a point is not solved.
        """
        levels = self._cdf_above(np.asarray(points("x", x) + 1j * positive("eta", eta)), progress)
        return levels if levels.shape else levels.item()

    def _cdf_above(self, z: Any, progress: Progress | None = None) -> Real:
        potential, pairs, _, _, good = self._solved(
            z.ravel(), _TOLERANCE, progress, with_phase=True
        )
        if not good.all():
            raise ConvergenceError("the matrix Dyson equation was not solved; raise eta")
        total = potential + pairs / (2 * self.parameter_count)
        return np.asarray(1 - total.imag / np.pi).reshape(z.shape)

    def solve_index(self) -> Solution:
        """Mean fraction of negative eigenvalues with its error, as `DysonHessian.solve_index`.

        The atom left out is that of the equation: next to a hard edge the correction has one of its
        own, of either sign, which belongs to the eigenvalues beside zero.

        Returns
        -------
        Solution
            `value` and `error` as arrays of shape ().
        """
        if self.model.part_name == "gauss_newton":
            return self.model.solve_index()
        scale = float(np.hypot(self.model.mean(), np.sqrt(self.model.var())))
        return index_from_above(
            lambda z: self.model.solve(z, throw=False),
            self._cdf_above,
            scale,
            atom=self.model.atom_at_zero(),
            is_measure=False,
        )

    def index(self) -> float:
        """Mean fraction of negative eigenvalues, as `DysonHessian.index`.

        Returns
        -------
        float
            Fraction of all eigenvalues.

        Raises
        ------
        ConvergenceError
            If it is not known to .01.
        """
        return trusted_index(self.solve_index())

    def sample(self, n: int | None = None, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw matrices, as `DysonHessian.sample`.

        Parameters
        ----------
        n : int, optional
            Number of eigenvalues: can only be `parameter_count`.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent draws.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, number of parameters).

        Raises
        ------
        ValueError
            If n is another number.
        MemoryError
            If a matrix would not fit into memory.
        """
        return self.model.sample(n, rng=rng, runs=runs)

    def lanczos(self, n: float | None, steps: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw Gauss quadratures, as `DysonHessian.lanczos`.

        Parameters
        ----------
        n : int or None
            Number of eigenvalues: can only be `parameter_count`.
        steps : int
            Number of Lanczos steps.
        rng, runs
            As for `sample`.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps).

        Raises
        ------
        ValueError
            If n is another number, or an argument is out of its range.
        """
        return self.model.lanczos(n, steps, rng=rng, runs=runs)

    smoothed_density = renamed_method("smoothed_density", "smoothed_pdf")


def parallel_paths(
    equation: BlockEquation, z: complex, blocks: Blocks, *, with_phase: bool = True
) -> complex:
    """Return log det (1 - T) on symmetric matrices less that on antisymmetric ones.

    Parameters
    ----------
    equation, z, blocks
        A solved point.
    with_phase : bool
        Whether the imaginary part is continued from 0 at infinity, or known up to 2 pi only.
    """
    if not equation.has_outer:
        return _by_unit_residual(equation, z, blocks)
    n1, m = equation.features.shape
    (outer,) = blocks.outer
    inner = outer.energy_a
    turned = equation.features / np.sqrt(m)
    turned = turned / inner[:, None] if inner.ndim == 1 else np.linalg.solve(inner, turned)
    a, s = blocks.a, blocks.s
    across = s @ turned.T
    total = 0j
    if equation.by_unit and not equation.has_noise:
        samples = _pairs_of_samples(equation, z, blocks, s)
        for sign in (1, -1):
            t = equation.outputs * _sector(samples, m, m, sign)
            total += sign * _log_determinant(t, with_phase)
        return total
    samples = _pairs_of_samples(equation, z, blocks, np.eye(m))
    units, mixed = _pairs_with_noise(equation, z, blocks)
    back = mixed.transpose(1, 0, 3, 2)
    for sign in (1, -1):
        v = np.block(
            [
                [_sector(samples, m, m, sign), _sector(mixed, m, n1, sign)],
                [_sector(back, n1, m, sign), _sector(units, n1, n1, sign)],
            ]
        )
        k = np.block(
            [
                [_square(s, m, m, sign), _square(across, m, n1, sign)],
                [_square(across.T, n1, m, sign), _square(a, n1, n1, sign)],
            ]
        )
        total += sign * _log_determinant(equation.outputs * (k @ v), with_phase)
    return total


def _by_unit_residual(equation: BlockEquation, z: complex, blocks: Blocks) -> complex:
    """Return the same for H1, whose units are apart: pairs of unlike units cancel."""
    total = 0j
    diagonal = np.diagonal(blocks.a)
    for part in equation.inner_blocks(z, *blocks.start):
        gram = equation.gram[part.units]
        loops = np.sum(part.b @ gram @ part.b.swapaxes(1, 2) * gram, axis=(1, 2))
        total += complex(np.log1p(-equation.outputs * diagonal[part.units] ** 2 * loops).sum())
    return total


def _between(equation: BlockEquation, z: complex, blocks: Blocks) -> Complex:
    """D_j x^T M_b[j, l] x D_l for all pairs of units and of samples, shape (n1, m, n1, m)."""
    n1, m = equation.features.shape
    n0 = equation.x.shape[1]
    full = np.zeros((n1, m, n1, m), dtype=np.complex128)
    for part in equation.inner_blocks(z, *blocks.start):
        rays = equation.scaled_samples(part.units)
        if part.b.shape[1] == n0 and equation.by_unit:
            units = np.arange(n1)[part.units]
            full[units, :, units, :] = rays.swapaxes(1, 2) @ part.b @ rays
        else:
            wide = part.b.reshape(n1, n0, n1, n0)
            full[...] = np.einsum("jku,jklp,lpv->julv", rays, wide, rays, optimize=True)
    return full


def _pairs_of_samples(equation: BlockEquation, z: complex, blocks: Blocks, left: Any) -> Complex:
    """Sum over entries of W2, shape (m, m, m, m): from w, t to u, v at [u, w, v, t].

    Each path is multiplied by a matrix from the left.
    """
    n1, m = equation.features.shape
    sigma = equation.second_layer
    if equation.by_unit:
        variances = sigma if sigma.ndim == 1 else np.diagonal(sigma)
        rows = []
        for part in equation.inner_blocks(z, *blocks.start):
            rays = equation.scaled_samples(part.units)
            one = left @ (rays.swapaxes(1, 2) @ part.b @ rays)
            rows.append((one * variances[part.units, None, None]).reshape(-1, m * m))
        paths = np.concatenate(rows) / m
        return np.asarray((paths.T @ paths).reshape(m, m, m, m))
    between = np.einsum("uw,jwlv->julv", left, _between(equation, z, blocks), optimize=True)
    weighted = _times_sigma(between, sigma)
    weighted = _times_sigma(weighted.transpose(2, 3, 0, 1), sigma).transpose(2, 3, 0, 1)
    paths = between.transpose(1, 3, 0, 2).reshape(m * m, n1 * n1)
    partners = weighted.transpose(0, 2, 1, 3).reshape(n1 * n1, m * m)
    return np.asarray((paths @ partners).reshape(m, m, m, m) / m**2)


def _pairs_with_noise(
    equation: BlockEquation, z: complex, blocks: Blocks
) -> tuple[Complex, Complex]:
    """Return sums over residuals: from units to units, and from samples to units (W2 too)."""
    n1, m = equation.features.shape
    between = _between(equation, z, blocks)
    noisy = _times_residuals(between, equation.variances)
    twice = _times_residuals(noisy.transpose(0, 2, 3, 1), equation.variances)
    units = twice.transpose(3, 2, 0, 1)
    left = between.transpose(0, 2, 1, 3).reshape(n1 * n1, m * m)
    paths = (left @ units.reshape(m * m, n1 * n1)).reshape(n1, n1, n1, n1) / m**4
    weighted = _times_sigma(noisy, equation.second_layer)
    left = between.transpose(1, 2, 0, 3).reshape(m * n1, n1 * m)
    right = weighted.transpose(0, 3, 1, 2).reshape(n1 * m, m * n1)
    mixed = (left @ right).reshape(m, n1, m, n1) / m**3
    return paths, mixed


def _times_sigma(array: Complex, sigma: Any) -> Complex:
    """Apply the covariance of W2 to the first index."""
    if sigma.ndim == 1:
        return np.asarray(array * sigma[:, None, None, None])
    return np.asarray(np.tensordot(sigma, array, axes=1))


def _times_residuals(array: Complex, variances: Any) -> Complex:
    """Apply the covariance of residuals to the last index."""
    return np.asarray(array * variances if variances.ndim == 1 else array @ variances)


def _pairs(size: int, sign: int) -> tuple[Any, Any]:
    return np.triu_indices(size, 0 if sign > 0 else 1)


def _folded(straight: Complex, crossed: Complex, columns: tuple[Any, Any], sign: int) -> Complex:
    if sign < 0:
        return np.asarray(straight - crossed)
    return np.asarray((straight + crossed) * np.where(columns[0] == columns[1], 0.5, 1.0))


def _sector(array: Complex, rows: int, columns: int, sign: int) -> Complex:
    """Restrict [u, w, v, t], from (w, t) to (u, v), to (anti)symmetric matrices."""
    (u, v), (w, t) = _pairs(rows, sign), _pairs(columns, sign)
    u, v = u[:, None], v[:, None]
    return _folded(array[u, w, v, t], array[u, t, v, w], (w, t), sign)


def _square(left: Complex, rows: int, columns: int, sign: int) -> Complex:
    """Restrict Y -> left Y left^T to (anti)symmetric matrices."""
    (u, v), (w, t) = _pairs(rows, sign), _pairs(columns, sign)
    u, v = u[:, None], v[:, None]
    return _folded(left[u, w] * left[v, t], left[u, t] * left[v, w], (w, t), sign)


def _log_determinant(t: Complex, with_phase: bool) -> complex:
    """Return log det (1 - t), the phase followed along 1 - tau t from 0 where it is wanted."""
    one = np.eye(len(t))

    def at(tau: float) -> tuple[float, float]:
        sign, size = np.linalg.slogdet(one - tau * t)
        return float(np.angle(sign)), float(size)

    phase, size = at(1.0)
    if not with_phase:
        return complex(size, phase)
    tau, here, turned, step = 0.0, 0.0, 0.0, 0.25
    while tau < 1:
        step = min(step, 1 - tau)
        there = phase if tau + step == 1 else at(tau + step)[0]
        change = float(np.remainder(there - here + np.pi, 2 * np.pi) - np.pi)
        if abs(change) > _TURN and step > _FINEST:
            step /= 2
            continue
        tau, here, turned = tau + step, there, turned + change
        step *= 2 if abs(change) < _TURN / 4 else 1
    return complex(size, turned)
