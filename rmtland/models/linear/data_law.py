r"""The Gauss-Newton law of a linear network whose first layer and data are known.

For the eigenvalues w of W2 W2^T the matrix has those of :math:`C_w = K_1 + w K`, with K_1 = X^T
W1^T W1 X/m and K = X^T X/m (`rmtland.models.linear.linear_hessian`). With F the distribution
function of w, of the Marchenko-Pastur law of ratio n2/n1,

.. math::
    \#\{\lambda(C_w) \le x\} = \#\{k : \mu_k(x) \ge w\}, \qquad
    \mu(x) = \operatorname{eig} K^{-1/2} (x - K_1) K^{-1/2}, \\
    E \operatorname{tr} (z - C_w)^{-1} = \sum_k v_k^T K^{-1} v_k \, G_w(\mu_k(z)),

on the range of K, where v_k are the eigenvectors of that matrix, symmetric also for complex z, and
:math:`v_k^T v_k = 1`. Edges are eigenvalues of C at the edges of the law of w.

References
----------
.. [1] V. A. Marchenko and L. A. Pastur, Distribution of eigenvalues for some sets of random
       matrices, Mathematics of the USSR-Sbornik 1 (1967) 457-483.

Examples
--------
>>> import numpy as np
>>> law = LinearDataLaw([[1.0]], [[1.0], [1.0]], 1)
>>> law.atoms, [round(edge, 12) for edge in law.support[0]]
(((0.0, 0.5),), [1.0, 5.0])
>>> round(law.cdf(2.0) - 0.5, 6)  # half the mass of w below 1
0.304499
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from rmtland.arguments import count, float_array, positive
from rmtland.laws import Law, MarchenkoPastur
from rmtland.typing import Atoms, Complex, Integer, Real, Support

__all__ = ["LinearDataLaw"]

_NULL = 1e-12
_BATCH = 2**20


@dataclass(frozen=True, eq=False)
class LinearDataLaw(Law):
    """Law of the Gauss-Newton matrix, given W1 and X; made by `LinearHessian.of_data`.

    Parameters
    ----------
    first_layer : array_like, shape (n1, n0)
        W1.
    x : array_like, shape (m, n0)
        Samples, one row each.
    outputs : int
        n2.
    second_variance : float
        n1 times the variance of the entries of W2, > 0.

    Raises
    ------
    ValueError
        If shapes do not fit, the samples are all zero, or a number is out of range.
    TypeError
        If `second_variance` is no real number, or `outputs` is no integer, or `first_layer` or `x`
        holds no real numbers.
    """

    first_layer: Real
    x: Real
    outputs: int
    second_variance: float = 1.0

    def __post_init__(self) -> None:
        first = float_array("first_layer", self.first_layer, ndim=2)
        x = float_array("x", self.x, ndim=2)
        if first.shape[1] != x.shape[1] or not first.size or not x.size:
            raise ValueError(
                f"first_layer must have the shape (hidden units, inputs), x (samples, inputs); got "
                f"{first.shape} and {x.shape}"
            )
        if not x.any():
            raise ValueError("x must hold samples other than zero")
        object.__setattr__(self, "first_layer", first)
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "outputs", count("outputs", self.outputs))
        object.__setattr__(
            self, "second_variance", positive("second_variance", self.second_variance)
        )

    @property
    def parameter_count(self) -> int:
        """n1 (n0 + n2)."""
        n1, n0 = self.first_layer.shape
        return int(n1 * (n0 + self.outputs))

    @cached_property
    def _singular_law(self) -> MarchenkoPastur:
        """Law of w, with its atom at zero for n2 > n1."""
        return MarchenkoPastur(self.outputs / self.first_layer.shape[0], self.second_variance)

    @cached_property
    def _pencil(self) -> tuple[Real, Real, Real]:
        """K^{-1}, as a diagonal, K^{-1/2} K_1 K^{-1/2} and K^{-1/2} on the range of K."""
        _, sizes, right = np.linalg.svd(self.x / np.sqrt(len(self.x)), full_matrices=False)
        kept = sizes > _NULL * sizes[0]
        turned = self.first_layer @ right[kept].T
        return sizes[kept] ** -2, turned.T @ turned, sizes[kept]

    @cached_property
    def _multiplicity(self) -> float:
        """Outputs over parameters: the mass of an eigenvalue of C_w."""
        return self.outputs / self.parameter_count

    def _curves(self, w: float) -> Real:
        """Eigenvalues of C_w on the range of K, ascending."""
        _, still, sizes = self._pencil
        matrix = sizes[:, None] * (still + w * np.eye(len(sizes))) * sizes
        values = np.linalg.eigvalsh(matrix)
        if w == 0:
            values[: max(0, len(sizes) - len(self.first_layer))] = 0.0
        return np.asarray(np.maximum(values, 0.0))

    @cached_property
    def support(self) -> Support:
        """Ranges of the eigenvalues of C_w over the continuous law of w."""
        ((low, high),) = self._singular_law.support
        merged: list[tuple[float, float]] = []
        for start, end in zip(self._curves(low), self._curves(high), strict=True):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], float(end)))
            else:
                merged.append((float(start), float(end)))
        return tuple(merged)

    @cached_property
    def atoms(self) -> Atoms:
        """The null space, and for n2 > n1 the eigenvalues of C_0."""
        masses: dict[float, float] = {}
        still = sum(mass for _, mass in self._singular_law.atoms)
        null = 1 - self._multiplicity * len(self._pencil[2])
        for value in self._curves(0.0) if still else ():
            masses[float(value)] = masses.get(float(value), 0.0) + still * self._multiplicity
        masses[0.0] = masses.get(0.0, 0.0) + null
        return tuple(sorted((place, mass) for place, mass in masses.items() if mass > 1e-14))

    # Transforms ------------------------------------------------------------------------------

    def _modes(self, z: Complex) -> tuple[Complex, Complex, Real]:
        """mu_k, shape (n, rank), V^T K^{-1} V, shape (n, rank, rank), and bounds of errors of mu.

        The points are all real or none of them is.
        """
        inverse, still, _ = self._pencil
        real = not z.imag.any()
        matrices = (z.real if real else z)[:, None, None] * np.diag(inverse) - still
        size = np.abs(z)[:, None] * inverse.max() + np.abs(still).max()
        if real:
            mu, vectors = np.linalg.eigh(matrices)
            slack = np.ones(mu.shape)
        else:
            mu, vectors = np.linalg.eig(matrices)
            squares = (vectors**2).sum(axis=1)
            slack = 1 / np.abs(squares)
            vectors = vectors / np.sqrt(squares)[:, None, :]
        rates = vectors.swapaxes(1, 2) @ (inverse[:, None] * vectors)
        return _upper(mu), rates, 4e-15 * size * slack

    def _batches(self, z: Complex) -> list[Integer]:
        """Index points other than zero in batches, real ones apart from the others."""
        step = max(1, _BATCH // len(self._pencil[2]) ** 2)
        parts = (np.flatnonzero((z != 0) & (z.imag == 0)), np.flatnonzero(z.imag != 0))
        return [part[i : i + step] for part in parts for i in range(0, part.size, step)]

    @property
    def _null_mass(self) -> float:
        """Eigenvalues of H0 less those of all C_w on the range of K, over parameters."""
        return 1 - self._multiplicity * len(self._pencil[2])

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g, slope = np.full((2, z.size), complex(np.inf, 0))
        for part in self._batches(z):
            mu, rates, _ = self._modes(z[part])
            value, rise = self._singular_law._jet(mu)
            with np.errstate(all="ignore"):
                steps = mu[:, :, None] - mu[:, None, :]
                mean = (rise[:, :, None] + rise[:, None, :]) / 2
                ratio = (value[:, :, None] - value[:, None, :]) / steps
                apart = np.abs(steps) > 1e-6 * (np.abs(mu[:, :, None]) + np.abs(mu[:, None, :]))
                g[part] = self._multiplicity * np.einsum("nkk,nk->n", rates, value)
                slope[part] = self._multiplicity * np.sum(
                    rates**2 * np.where(apart, ratio, mean), axis=(1, 2)
                )
            g[part] += self._null_mass / z[part]
            slope[part] -= self._null_mass / z[part] ** 2
        for place, _ in self.atoms:
            g[z == place] = complex(np.inf, 0)
        return g, slope

    def _stieltjes(self, z: Complex) -> Complex:
        return self._jet(z)[0]

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """Give the rounding of the mu, to first order."""
        error = np.where(np.isinf(g), 0.0, 1e-15 * np.abs(g))
        for part in self._batches(z):
            mu, rates, spread = self._modes(z[part])
            rise = np.abs(self._singular_law._jet(mu)[1])
            weights = np.abs(np.diagonal(rates, axis1=1, axis2=2))
            with np.errstate(invalid="ignore"):
                error[part] += self._multiplicity * np.sum(weights * rise * spread, axis=1)
        error = np.where(np.isinf(g), 0.0, np.where(np.isnan(error), np.inf, error))
        with np.errstate(invalid="ignore"):
            residual = np.where(np.isinf(g), 0.0, error / np.abs(g))
        return residual, error

    def _log_potential(self, z: Complex) -> Complex:
        potential = np.full(z.shape, complex(-np.inf, np.pi))
        potential.imag[z == 0] = np.pi * (1 - self.cdf(0.0))
        offset = self._multiplicity * 2 * float(np.log(self._pencil[2]).sum())
        for part in self._batches(z):
            mu = self._modes(z[part])[0]
            sums = self._singular_law._log_potential(mu.ravel()).reshape(mu.shape).sum(axis=1)
            potential[part] = self._multiplicity * sums + offset + self._null_mass * np.log(z[part])
        return potential

    def _pdf(self, x: Real) -> Real:
        density = np.zeros(x.shape)
        top = self.support[-1][1]
        inside = (x > 0) & (x <= top)
        for part in self._batches(np.where(inside, x, 0.0).astype(np.complex128)):
            mu, rates, _ = self._modes(x[part].astype(np.complex128))
            weights = np.diagonal(rates, axis1=1, axis2=2).real
            values = self._singular_law._pdf(mu.real.ravel()).reshape(mu.shape)
            density[part] = self._multiplicity * np.sum(weights * values, axis=1)
        density[(x == 0) & (self.support[0][0] == 0)] = np.inf
        return density

    def _cdf(self, x: Real) -> Real:
        below = np.zeros(x.shape)
        for place, mass in self.atoms:
            below += np.where(x >= place, mass, 0.0)
        top = self.support[-1][1]
        inside = (x > 0) & (x < top)
        still = sum(mass for _, mass in self._singular_law.atoms)
        for part in self._batches(np.where(inside, x, 0.0).astype(np.complex128)):
            mu = self._modes(x[part].astype(np.complex128))[0].real
            levels = self._singular_law._cdf(mu.ravel()).reshape(mu.shape)
            below[part] += self._multiplicity * np.sum(np.maximum(levels - still, 0.0), axis=1)
        moving = self._multiplicity * len(self._pencil[2]) * (1 - still)
        below = np.where(x >= top, below + moving, below)
        last = max(top, self.atoms[-1][0] if self.atoms else top)
        return np.where(x >= last, 1.0, np.minimum(below, 1.0))

    def _exact_moments(self, k: int) -> list[Fraction]:
        # Exact in w, by the Gauss rule of its law; the traces are rounded.
        phi, s = self._singular_law.aspect_ratio, self._singular_law.scale
        size = k // 2 + 1
        diagonal = np.full(size, s * (1 + phi))
        diagonal[0] = s
        nodes, vectors = np.linalg.eigh(
            np.diag(diagonal)
            + np.diag(np.full(size - 1, s * np.sqrt(phi)), 1)
            + np.diag(np.full(size - 1, s * np.sqrt(phi)), -1)
        )
        weights = vectors[0] ** 2
        values = np.array([self._curves(max(node, 0.0)) for node in nodes])
        moments = [
            self._multiplicity * float(weights @ (values**j).sum(axis=1)) for j in range(k + 1)
        ]
        return [Fraction(1), *(Fraction(moment) for moment in moments[1:])]


def _upper(mu: Complex) -> Complex:
    """Points with what rounding took below the axis put back on it."""
    return np.asarray(mu.real + 1j * np.maximum(mu.imag, 0.0))
