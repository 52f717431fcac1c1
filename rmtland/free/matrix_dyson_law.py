r"""Laws of Gaussian random matrices with structure: blocks, bands, Kronecker sums, linearisations.

`MatrixDysonLaw` makes a law of any `MatrixDyson` equation. Density and distribution function are
boundary values at the real axis, the latter from the logarithmic potential, without quadrature.
Moments of an equation with P = 1 follow from M(z) = sum of M_k z^{-k-1},

.. math:: M_0 = 1, \qquad M_k = A M_{k-1} + \sum_{i + j = k - 2} S[M_i] M_j,

those of a linearisation from G on a circle around the support.

The support is searched on a table of points, in every gap of which the distribution function tells
whether mass was overlooked, and each edge is then the solution of u = phi(M), (1 - J) v = 0 with J
the derivative of phi in u: Newton's method for the double root, quadratic at a square-root edge.

`block_gaussian` is the law of matrices whose blocks have entries of given variances, and
`kronecker_gaussian` that of sums of C_j (x) X_j.

References
----------
.. [1] R. Rashidi Far, T. Oraby, W. Bryc and R. Speicher, On slow-fading MIMO systems with
       nonseparable correlation, IEEE Trans. Inf. Theory 54 (2008) 544-553: block matrices.

Examples
--------
A symmetric matrix with two diagonal blocks that carry no noise: singular values of a rectangle.

>>> law = block_gaussian([1.0, 3.0], [[0.0, 4.0], [4.0, 0.0]])
>>> law.atoms
((0.0, 0.5),)
>>> [round(end, 9) for end in law.support[1]]
[0.732050808, 2.732050808]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arrays import float_array
from rmtland.free.matrix_dyson import MatrixDyson, kronecker_covariance
from rmtland.laws.law import Atoms, Complex, Law, Real, Support, upper_half_plane
from rmtland.solution import ConvergenceError, Solution, Status

__all__ = ["MatrixDysonLaw", "block_gaussian", "kronecker_gaussian"]

_NODES = 600
_LEAST_MASS = 1e-9
_NEAR = 1e-13


@dataclass(frozen=True)
class MatrixDysonLaw(Law):
    """The law whose Stieltjes transform is <P M> / <P> of a matrix Dyson equation.

    Parameters
    ----------
    equation : MatrixDyson
        The equation.
    """

    equation: MatrixDyson

    # Support ---------------------------------------------------------------------------------

    @property
    def support(self) -> Support:
        """Intervals of the continuous part; edges are solved for, see the module."""
        return self._structure[0]

    @property
    def atoms(self) -> Atoms:
        """Point masses: in the gaps, and at eigenvalues of the mean inside the support."""
        return self._structure[1]

    @cached_property
    def _range(self) -> float:
        """A number beyond which, on either side, there is no mass."""
        radius = 1.05 * self.equation.scale
        for _ in range(60):
            ends = radius * np.array([-1.0, 1.0, -3.0, 3.0])
            _, m, fine, _ = self._solved(ends.astype(np.complex128))
            if fine.all() and np.abs(self.equation.trace(m).imag).max() * radius < 1e-9:
                level = self._raw_potential(ends.astype(np.complex128)).imag
                beyond = max(abs(level[0] - level[2]), abs(level[1] - level[3]))
                if abs(level[2] - level[3] - np.pi) < 1e-6 and beyond < 1e-6:
                    return radius
            radius *= 1.5
        raise ConvergenceError("the support of this linearisation could not be bounded")

    def _solved(self, z: Complex) -> tuple[Complex, Complex, NDArray[np.bool_], Any]:
        u, m, accepted, steps, _ = self.equation.points(z)
        return u, m, accepted, steps

    def _raw_potential(self, z: Complex) -> Complex:
        u, _, fine, _ = self._solved(z)
        value = self.equation.log_potential(z, u)
        value[~fine] = np.nan
        return value

    @cached_property
    def _constant(self) -> complex:
        """What the potential of the equation has in excess of log z at infinity."""
        radius = 3 * self._range
        angles = np.pi * (np.arange(64) + 0.5) / 64
        z = radius * np.exp(1j * angles)
        real = float(np.mean((self._raw_potential(z) - np.log(z)).real))
        edge = self._raw_potential(np.array([radius + 0j]))
        return complex(real, round(float(edge[0].imag) / np.pi, 12) * np.pi)

    def _level(self, x: Real) -> Real:
        """Distribution function at points, NaN where the equation has no solution."""
        potential = self._raw_potential(x.astype(np.complex128)) - self._constant
        return np.asarray(1 - potential.imag / np.pi)

    def _inside(self, x: Real) -> NDArray[np.bool_]:
        _, m, fine, _ = self._solved(x.astype(np.complex128))
        g = self.equation.trace(m)
        return ~fine | (-g.imag > 1e-9 * np.abs(g))

    @cached_property
    def _structure(self) -> tuple[Support, Atoms]:
        radius = self._range
        x = np.linspace(-radius, radius, _NODES + 1)
        x += 0.37 * radius / _NODES * np.cos(np.arange(x.size))  # off symmetric points
        x[0], x[-1] = -radius, radius
        inside = self._inside(x)
        atoms: list[tuple[float, float]] = []
        x, inside = self._with_hidden_bands(x, inside, atoms)
        x, inside = self._with_hidden_gaps(x, inside)
        changes = np.flatnonzero(inside[1:] != inside[:-1])
        edges = [
            self._edge(float(x[i + 1 - inside[i]]), float(x[i + inside[i]])) for i in changes
        ]  # (outside, inside) in that order is settled within
        bands = [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]
        self._add_atoms_in_gaps(bands, atoms)
        self._add_embedded_atoms(bands, atoms)
        return tuple(bands), tuple(sorted(atoms))

    def _with_hidden_bands(
        self, x: Real, inside: NDArray[np.bool_], atoms: list[tuple[float, float]]
    ) -> tuple[Real, NDArray[np.bool_]]:
        """Add points in bands that fall between two neighbours outside; atoms go to the list."""
        levels = self._level(x)
        cells = [
            (x[i], x[i + 1], levels[i], levels[i + 1])
            for i in range(x.size - 1)
            if not (inside[i] or inside[i + 1]) and levels[i + 1] - levels[i] > _LEAST_MASS
        ]
        extra: list[tuple[float, bool]] = []
        while cells:
            low, high, below, above = cells.pop()
            middle = (low + high) / 2
            if high - low <= 1e-14 * self._range:
                atoms.append((self._place(low, high), above - below))
                continue
            point = np.array([middle])
            if self._inside(point)[0]:
                _, _, fine, _ = self._solved(point.astype(np.complex128))
                if fine[0]:
                    extra.append((middle, True))
                    continue
                point = np.array([middle + 0.2 * (high - low)])  # an atom, hit exactly
                middle = float(point[0])
            extra.append((middle, False))
            level = float(self._level(point)[0])
            if level - below > _LEAST_MASS:
                cells.append((low, middle, below, level))
            if above - level > _LEAST_MASS:
                cells.append((middle, high, level, above))
        return _merged(x, inside, extra)

    def _with_hidden_gaps(
        self, x: Real, inside: NDArray[np.bool_]
    ) -> tuple[Real, NDArray[np.bool_]]:
        """Add points in gaps that fall between neighbours inside: at minima of the density."""
        _, m, fine, _ = self._solved(x.astype(np.complex128))
        density = np.where(fine, -self.equation.trace(m).imag, np.inf)
        low = (density[1:-1] <= density[:-2]) & (density[1:-1] <= density[2:])
        extra = []
        for i in np.flatnonzero(low & inside[1:-1] & inside[:-2] & inside[2:]) + 1:
            left, right = x[i - 1], x[i + 1]
            for _ in range(12):
                nodes = np.linspace(left, right, 9)[1:-1]
                _, m, fine, _ = self._solved(nodes.astype(np.complex128))
                value = np.where(fine, -self.equation.trace(m).imag, np.inf)
                out = ~self._inside(nodes)
                if out.any():
                    extra.append((float(nodes[np.flatnonzero(out)[0]]), False))
                    break
                best = int(np.argmin(value))
                step = nodes[1] - nodes[0]
                left, right = nodes[best] - step, nodes[best] + step
        return _merged(x, inside, extra)

    def _edge(self, first: float, second: float) -> float:
        """Edge between two points, one of them outside: bisection, then Newton."""
        points = np.array([first, second])
        inner = self._inside(points)
        out, within = (first, second) if inner[1] else (second, first)
        for _ in range(18):
            nodes = out + (within - out) * np.arange(1, 8) / 8
            inner = self._inside(nodes)
            here = int(np.argmax(inner)) if inner.any() else 7
            step = (within - out) / 8
            out, within = out + step * here, out + step * (here + 1)
            if abs(within - out) <= 1e-9 * self._range:
                break
        polished = self._double_root(out, within)
        if polished is not None:
            return polished
        for _ in range(30):
            middle = (out + within) / 2
            if middle in (out, within):
                break
            out, within = (out, middle) if self._inside(np.array([middle]))[0] else (middle, within)
        return float(within)

    def _double_root(self, out: float, within: float) -> float | None:
        """Newton for u = phi(M), (1 - J) v = 0, c.v = 1, or None where it does not converge."""
        pencil, mean, basis, functionals = self.equation.arrays
        if self.equation.is_diagonal:
            pencil, mean = np.diag(pencil), np.diag(mean)
            basis, functionals = (
                np.array([np.diag(row) for row in array]) for array in (basis, functionals)
            )
        r, x = len(basis), out
        u = self._solved(np.array([x + 0j]))[0][0].real
        system = self.equation.system(np.array([x + 0j]), u[None].astype(np.complex128))
        v = np.linalg.svd(system.jacobian[0].real)[2][-1]
        border = v.copy()
        phi = functionals.reshape(r, -1)
        step = np.inf
        for _ in range(12):
            m = np.linalg.inv(x * pencil - mean - np.tensordot(u, basis, axes=1))
            e_v = np.tensordot(v, basis, axes=1)
            d_u = m @ basis @ m
            d_x = -m @ pencil @ m
            j = (phi @ d_u.reshape(r, -1).T).real
            j_vu = (phi @ (d_u @ e_v @ m + m @ e_v @ d_u).reshape(r, -1).T).real
            j_vx = (phi @ (d_x @ e_v @ m + m @ e_v @ d_x).ravel()).real
            matrix = np.zeros((2 * r + 1, 2 * r + 1))
            matrix[:r, :r] = np.eye(r) - j
            matrix[:r, -1] = -(phi @ d_x.ravel()).real
            matrix[r:-1, :r] = -j_vu
            matrix[r:-1, r:-1] = np.eye(r) - j
            matrix[r:-1, -1] = -j_vx
            matrix[-1, r:-1] = border
            defect = np.concatenate([u - (phi @ m.ravel()).real, v - j @ v, [border @ v - 1]])
            try:
                move = np.linalg.solve(matrix, defect)
            except np.linalg.LinAlgError:
                return None
            u, v, x = u - move[:r], v - move[r:-1], x - float(move[-1])
            last, step = step, abs(float(move[-1]))
            if step <= 4e-16 * self._range or (step >= last / 2 and step < 1e-13 * self._range):
                break
        else:
            return None
        near = abs(x - out) <= 20 * abs(within - out) + 1e-12 * self._range
        return float(x) if near and np.isfinite(x) else None

    def _place(self, low: float, high: float) -> float:
        middle = (low + high) / 2
        return 0.0 if abs(middle) <= 1e-13 * self._range else float(middle)

    def _add_atoms_in_gaps(
        self, bands: list[tuple[float, float]], atoms: list[tuple[float, float]]
    ) -> None:
        """Find atoms between a band and the first node beside it."""
        ends = [-self._range, *(end for band in bands for end in band), self._range]
        for low, high in zip(ends[::2], ends[1::2], strict=True):
            known = sum(mass for place, mass in atoms if low <= place <= high)
            width = high - low
            points = low + width * np.array([1e-6, 1 - 1e-6])
            below, above = self._level(points)
            if not above - below - known > 1e-7:
                continue
            left, right = points
            while right - left > 1e-14 * self._range:
                middle = (left + right) / 2
                level = self._level(np.array([middle]))[0]
                if np.isnan(level):
                    left = right = middle
                elif level - below > (above - below) / 2:
                    right = middle
                else:
                    left = middle
            atoms.append((self._place(left, right), float(above - below - known)))

    def _add_embedded_atoms(
        self, bands: list[tuple[float, float]], atoms: list[tuple[float, float]]
    ) -> None:
        """Atoms inside a band or at its end, looked for at 0 and at eigenvalues of the mean."""
        mean = self.equation.mean
        spectrum = mean if mean.ndim == 1 else np.linalg.eigvalsh(mean)
        for place in sorted({0.0, *np.round(spectrum, 14).tolist()}):
            if any(abs(place - known) < 1e-9 * self._range for known, _ in atoms):
                continue
            if not any(low - _NEAR <= place <= high + _NEAR for low, high in bands):
                continue
            heights = self._range * np.array([1e-10, 1e-12])
            _, m, fine, _ = self._solved(place + 1j * heights)
            mass = -heights * self.equation.trace(m).imag
            if fine.all() and mass[1] > 1e-6 and abs(mass[0] - mass[1]) < 1e-2 * mass[1]:
                atoms.append((float(place), float(mass[1])))

    # Transforms ------------------------------------------------------------------------------

    def _stieltjes(self, z: Complex) -> Complex:
        return self._values(z, lambda w, u, m: self.equation.trace(m), np.complex128(np.inf))

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g = self._stieltjes(z)
        slope = self._values(
            z, lambda w, u, m: self.equation.derivative(w, u)[1], np.complex128(np.inf)
        )
        return g, slope

    def _log_potential(self, z: Complex) -> Complex:
        return (
            self._values(z, lambda w, u, m: self.equation.log_potential(w, u), None)
            - self._constant
        )

    def _values(self, z: Complex, function: Any, singular: Any) -> Complex:
        """Evaluate a function of the solution; `singular` is its value where G is unbounded."""
        u, m, fine, _ = self._solved(z)
        value = np.empty(z.shape, dtype=np.complex128)
        if fine.any():
            value[fine] = function(z[fine], u[fine], m[fine])
        for i in np.flatnonzero(~fine):
            value[i] = self._beside(z[i], function, singular)
        return value

    def _beside(self, z: complex, function: Any, singular: Any) -> Any:
        """Value at an atom, or within rounding of an edge, where Newton's method has no footing."""
        for exponent in range(-13, -7):
            offset = 10.0**exponent * self._range
            # To the right, where the distribution function has its value, or upwards.
            near = z + np.array([1.0, 10.0]) * (offset if singular is None else 1j * offset)
            u, m, fine, _ = self._solved(near)
            if fine.all():
                g = np.abs(self.equation.trace(m))
                if singular is not None and g[0] > 1.7 * g[1]:
                    return singular
                return function(near, u, m)[0]
        raise ConvergenceError(
            f"no solution of the matrix Dyson equation with Im M <= 0 at {z} or right beside it"
        )

    def _pdf(self, x: Real) -> Real:
        density = super()._pdf(x)
        for place, _ in self.atoms:
            if any(low < place < high for low, high in self.support):
                here = x == place
                if here.any():
                    beside = place + 1e-7 * self._range * np.array([-1.0, 1.0])
                    density[here] = float(np.mean(super()._pdf(beside)))
        return density

    def solve(self, z: ArrayLike) -> Solution:
        """Evaluate G(z); `error` bounds its error (see `MatrixDyson.solve`).

        Parameters
        ----------
        z : array_like of complex
            Points of the closed upper half-plane, any shape; real points mean x + i0.

        Returns
        -------
        Solution
            Of G; the relative defect, error and Newton steps of M. Never raises for lack of
            convergence: `status` says.
        """
        flat, shape = upper_half_plane(z)
        solution = self.equation.solve(flat, throw=False)
        value = np.asarray(solution.value)
        pencil, weights = np.asarray(self.equation.pencil), np.asarray(self.equation.weights)
        full = np.diag(pencil) if pencil.ndim == 1 else pencil
        total = weights @ np.diagonal(full)
        g = np.einsum("i,ij,nji->n", weights / total, full, value)
        error = np.asarray(solution.error) * max(1.0, float(np.abs(weights @ full).sum() / total))
        return Solution(
            g.reshape(shape),
            Status.CONVERGED if solution.converged else Status.NOT_CONVERGED,
            solution.residual.reshape(shape),
            solution.steps.reshape(shape),
            error.reshape(shape),
        )

    # Moments ---------------------------------------------------------------------------------

    def _exact_moments(self, k: int) -> list[Fraction]:
        """Moments in double precision: by the recursion, or on a circle for a linearisation."""
        equation = self.equation
        pencil = np.asarray(equation.pencil)
        if pencil.ndim == 1 and np.array_equal(pencil, np.ones(equation.size)):
            mean = equation.mean
            center = np.diag(mean) if mean.ndim == 1 else mean
            center = center.astype(np.complex128)
            matrices = [np.eye(equation.size, dtype=np.complex128)]
            energies: list[Any] = []
            for order in range(1, k + 1):
                energies.append(equation.self_energy(matrices[-1]))
                new = center @ matrices[-1]
                for i in range(order - 1):
                    new = new + energies[i] @ matrices[order - 2 - i]
                matrices.append(new)
            weights = np.asarray(equation.weights)
            return [Fraction(float((weights @ np.diagonal(m)).real)) for m in matrices]
        radius = 1.2 * self._range
        angles = np.pi * (np.arange(512) + 0.5) / 512
        z = radius * np.exp(1j * angles)
        g = self._stieltjes(z)
        powers = [float(np.mean((z ** (j + 1) * g).real)) for j in range(k + 1)]
        return [Fraction(1), *(Fraction(p) for p in powers[1:])]


def block_gaussian(
    sizes: ArrayLike, variances: ArrayLike, *, mean: ArrayLike | None = None
) -> MatrixDysonLaw:
    """Law of a symmetric random matrix whose blocks have entries of given variances.

    Parameters
    ----------
    sizes : array_like, shape (k,)
        Sizes of the diagonal blocks, relative to each other, > 0.
    variances : array_like, shape (k, k)
        Symmetric, >= 0: the entries of block (i, j) have variance variances[i, j] / n with n the
        size of the whole matrix. All ones is the semicircle law of variance 1; a band of ones is
        a band matrix.
    mean : array_like, shape (k,), optional
        Each diagonal block is centred on this multiple of the identity.

    Returns
    -------
    MatrixDysonLaw
        Of 1/m_i = z - mean_i - sum over j of variances_ij (sizes_j / n) m_j, G = mean of the m_i
        weighted by sizes.
    """
    shares = float_array("sizes", sizes, ndim=1)
    profile = float_array("variances", variances, ndim=2)
    if not shares.size or profile.shape != (shares.size, shares.size):
        raise ValueError(
            f"variances must be of shape {(shares.size, shares.size)}, one row a block; got "
            f"{profile.shape}"
        )
    if shares.min() <= 0 or profile.min() < 0 or not np.array_equal(profile, profile.T):
        raise ValueError("sizes must be > 0, variances >= 0 and symmetric")
    shares = shares / shares.sum()
    center = np.zeros(shares.size) if mean is None else float_array("mean", mean, ndim=1)
    return MatrixDysonLaw(MatrixDyson(center, profile * shares, weights=shares))


def kronecker_gaussian(
    coefficients: Sequence[ArrayLike], *, mean: ArrayLike | None = None
) -> MatrixDysonLaw:
    """Law of A (x) 1 + sum of C_j (x) X_j with independent Gaussian X_j of entries of variance 1/N.

    Parameters
    ----------
    coefficients : sequence of array_like, shape (k, k)
        Hermitian C_j multiply symmetric X_j; any other C_j stands for C_j (x) Y_j + its adjoint
        with a Y_j whose entries are all independent.
    mean : array_like, shape (k, k), optional
        A, Hermitian; 0 by default.
    """
    if not len(coefficients):
        raise ValueError("coefficients must hold at least one matrix")
    covariance = kronecker_covariance(coefficients)
    k = np.asarray(coefficients[0]).shape[0]
    return MatrixDysonLaw(MatrixDyson(np.zeros(k) if mean is None else mean, covariance))  # type: ignore[arg-type]


def _merged(
    x: Real, inside: NDArray[np.bool_], extra: list[tuple[float, bool]]
) -> tuple[Real, NDArray[np.bool_]]:
    if not extra:
        return x, inside
    places = np.concatenate([x, [place for place, _ in extra]])
    marks = np.concatenate([inside, [mark for _, mark in extra]])
    order = np.argsort(places, kind="stable")
    return places[order], marks[order]
