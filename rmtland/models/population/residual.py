r"""The limit law of the residual part H1 of a one-hidden-layer network with Gaussian data.

For Gaussian residuals e of variance 2 epsilon, independent of everything, H1 splits to leading
order into one block for each hidden unit,

.. math:: \begin{pmatrix} 0 & e D X^T / m \\ \cdot & X \operatorname{diag}(\delta f'') X^T / m
          \end{pmatrix},

of size n2 + n0, with D = diag f'(z), z_mu ~ N(0, q) and delta_mu = (W2^T e)_mu of variance
2 epsilon s2 n2/n1, both independent over the samples. With g_a and g_b the mean diagonal entries of
the resolvent on its two parts, rho = n0/m and sigma over the data covariance,

.. math::
    g_a &= \Bigl(z - 2 \epsilon E \frac{\gamma D^2}{1 - \gamma t}\Bigr)^{-1}, \qquad
    g_b = E \frac{1}{z - \sigma y}, \qquad \gamma = \rho E \frac{\sigma}{z - \sigma y}, \\
    y &= E \frac{t}{1 - \gamma t}, \qquad t = \delta f'' + 2 \epsilon \frac{n_2}{m} g_a D^2 ,

and G = (n2 g_a + n0 g_b)/(n0 + n2). The mean over delta is the Stieltjes transform of the normal
law, a Faddeeva function. For f'' = 0 the support is bounded; otherwise delta is not, and the
density has tails in all of the real line.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, section 4.3: the law of a ReLU network.
.. [2] J. W. Silverstein and Z. D. Bai, On the empirical distribution of eigenvalues of a class of
       large dimensional random matrices, J. Multivariate Analysis 54 (1995) 175-192.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import wofz

from rmtland.arguments import points, positive
from rmtland.arrays import number_or_array
from rmtland.deprecation import renamed_method
from rmtland.laws.pointwise import between_infinities, upper_half_plane
from rmtland.models.linear.residual_law import LinearResidualLaw
from rmtland.models.population.equation import covariance_rule
from rmtland.models.population.network import PopulationNetwork
from rmtland.solution import ConvergenceError, Solution, Status
from rmtland.typing import ArrayLike, Complex, Real, Values

__all__ = ["PopulationResidual"]

_STEPS = 40
_HEIGHTS = 24
_SHIFT = 1e-7


@dataclass(frozen=True, eq=False)
class PopulationResidual:
    """Law of H1 at the energy epsilon; made by `PopulationHessian.residual`.

    Parameters
    ----------
    model : PopulationNetwork
        Sizes, activation, variances and data covariance.
    epsilon : float
        Energy, > 0.
    """

    model: PopulationNetwork
    epsilon: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", positive("epsilon", self.epsilon))

    @property
    def variance(self) -> float:
        """Mean square eigenvalue, exact in the limit."""
        n0, _, n2, m = self.model.sizes
        rule = self.model.rule
        sigma, share = covariance_rule(self.model.covariance)
        trace = n0 * float(share @ sigma)
        total = 2 * n2 * trace / m * 2 * self.epsilon * float(rule.masses @ rule.slopes**2)
        if rule.curvatures is not None:
            total += trace**2 / m * self._bend_variance * float(rule.weights @ rule.curvatures**2)
        return total / (n0 + n2)

    @property
    def _bend_variance(self) -> float:
        """Variance of delta."""
        _, n1, n2, _ = self.model.sizes
        return 2 * self.epsilon * self.model.second_variance * n2 / n1

    @property
    def _has_one_slope(self) -> bool:
        """Whether slopes are zero or one other number, and there is no curvature."""
        return self.model.rule.curvatures is None and int((self.model.rule.slopes != 0).sum()) == 1

    @cached_property
    def law(self) -> LinearResidualLaw:
        """The law as a `Law`, for isotropic data and slopes that are a constant or zero (ReLU).

        Samples with the slope zero drop out: it is the law of a linear network with fewer samples.

        Raises
        ------
        ValueError
            For any other network.
        """
        rule = self.model.rule
        active = rule.slopes != 0
        if not self._has_one_slope:
            raise ValueError(
                "the law is known in closed form only if the slope is zero or one other number; "
                "use stieltjes and density"
            )
        share = float(rule.masses[active].sum())
        linear = replace(self.model.linear(), samples=self.model.samples * share)
        scale = share * float(rule.slopes[active][0])
        return LinearResidualLaw(linear, self.epsilon * scale**2)

    # The equation --------------------------------------------------------------------------------

    @cached_property
    def _nodes(self) -> tuple[Real, Real, Real]:
        """Squares of slopes, standard deviations of delta f'' and weights."""
        rule = self.model.rule
        if rule.curvatures is None:
            return rule.slopes**2, np.zeros(rule.slopes.size), rule.masses
        return (
            rule.node_slopes**2,
            np.sqrt(self._bend_variance) * np.abs(rule.curvatures),
            rule.weights,
        )

    @cached_property
    def _data(self) -> tuple[Real, Real]:
        return covariance_rule(self.model.covariance)

    def _applied(self, z: Complex, gamma: Complex, a: Complex) -> tuple[Complex, Complex, Complex]:
        """Apply the equation to gamma and g_a: both again, and y."""
        n0, _, n2, m = self.model.sizes
        squares, spread, weights = self._nodes
        sigma, share = self._data
        place = 1 / gamma[:, None] - (2 * self.epsilon * n2 / m) * a[:, None] * squares
        mean = _normal_mean(place, spread)
        y = (mean @ weights / gamma - 1) / gamma
        inner = z[:, None] - sigma * y[:, None]
        return (
            (n0 / m) * ((sigma / inner) @ share),
            1 / (z - 2 * self.epsilon * (mean @ (weights * squares))),
            y,
        )

    def _newton(self, z: Complex, state: Complex) -> tuple[Complex, Real]:
        """Newton's method for all points at once: (gamma, g_a), shape (2, n), and last sizes."""
        size = np.full(z.shape, np.inf)
        for _ in range(_STEPS):
            base = np.array(self._applied(z, *state)[:2]) - state
            columns = []
            for j in range(2):
                step = np.zeros_like(state)
                step[j] = _SHIFT * state[j]
                moved = np.array(self._applied(z, *(state + step))[:2]) - (state + step)
                columns.append((moved - base) / step[j])
            (p, q), (r, s) = columns
            det = p * s - q * r
            change = -np.array([(s * base[0] - r * base[1]), (p * base[1] - q * base[0])]) / det
            # Steps that leave the lower half-plane are shortened
            with np.errstate(divide="ignore", invalid="ignore"):
                room = np.where(change.imag > 0, -state.imag / change.imag, np.inf).min(axis=0)
            state = state + change * np.minimum(1.0, 0.9 * np.maximum(room, 0.0))
            size = (np.abs(change) / np.abs(state)).max(axis=0)
            if not (size > 1e-13).any():
                break
        return state, size

    def _solved(self, z: Complex) -> tuple[Complex, Complex, Real]:
        """G, y and the size of the last step at points of the closed upper half-plane."""
        n0, _, n2, m = self.model.sizes
        sigma, share = self._data
        top = 8 * math.sqrt(self.variance)
        high = z.real + 1j * np.maximum(z.imag, top)
        state = np.array([(n0 / m) * (share @ sigma) / high, 1 / high])
        for _ in range(60):
            state = (state + np.array(self._applied(high, *state)[:2])) / 2
        floor = 1e-6 * top
        size = np.full(z.shape, np.inf)
        for share_down in np.linspace(0.0, 1.0, _HEIGHTS + 1):
            low = np.maximum(z.imag, floor)
            height = high.imag ** (1 - share_down) * low**share_down
            state, size = self._newton(z.real + 1j * height, state)
        if (z.imag < floor).any():
            state, size = self._newton(z, state)
        y = self._applied(z, *state)[2]
        b = (1 / (z[:, None] - sigma * y[:, None])) @ share
        return (n2 * state[1] + n0 * b) / (n0 + n2), y, size

    # Results -------------------------------------------------------------------------------------

    def solve(self, z: ArrayLike, *, throw: bool = True) -> Solution:
        """Evaluate G(z) in the closed upper half-plane; real z means z + i0.

        Parameters
        ----------
        z : array_like of complex
            Points other than 0.
        throw : bool
            Whether to raise if a point is not solved.

        Returns
        -------
        Solution
            `residual` is the relative size of the last step of Newton's method.

        Raises
        ------
        ConvergenceError
            If a point is not solved and `throw` is true.
        """
        flat, shape = upper_half_plane(z)
        if (flat == 0).any():
            raise ValueError("z must not be 0, where the law has an atom or no bounded density")
        g, _, size = self._solved(flat)
        good = (size < 1e-7) & (g.imag <= 1e-7 * np.abs(g))
        if throw and not good.all():
            raise ConvergenceError(f"the residual equation was not solved at {flat[~good][0]}")
        return Solution(
            g.reshape(shape),
            Status.CONVERGED if good.all() else Status.NOT_CONVERGED,
            size.reshape(shape),
            np.full(shape, _HEIGHTS, dtype=np.int64),
        )

    def stieltjes(self, z: ArrayLike) -> Values:
        """G(z) in the closed upper half-plane, any shape.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z >= 0 other than 0; real ones mean x + i0.

        Returns
        -------
        complex or ndarray of complex128
        """
        value = self.solve(z).value
        return value if value.shape else value.item()

    def density(self, x: ArrayLike) -> Values:
        """Density at real points other than 0, without any imaginary part added.

        Parameters
        ----------
        x : array_like of float
            Points other than 0.

        Returns
        -------
        float or ndarray
        """
        density = np.maximum(-self.solve(points("x", x)).value.imag / np.pi, 0.0)
        return density if density.shape else density.item()

    def smoothed_pdf(self, x: ArrayLike, *, eta: float) -> Values:
        """Density convolved with the Cauchy density of half-width eta.

        Parameters
        ----------
        x : array_like of float
            Points, any shape.
        eta : float
            Half-width, > 0.

        Returns
        -------
        float or ndarray
        """
        place, height = points("x", x), positive("eta", eta)

        def density(x: Real) -> Real:
            return np.asarray(-self.solve(x + 1j * height).value.imag / np.pi)

        return number_or_array(between_infinities(density, place, last=0.0))

    def index(self) -> float:
        """Mass strictly below zero: half of what is not an atom there, as e and -e are alike.

        Raises
        ------
        ConvergenceError
            If the atom is not known to .01.
        """
        if self._has_one_slope:
            return float(self.law.mass_below(0.0))
        heights = math.sqrt(self.variance) * np.array([0.02, 0.01, 0.005])
        seen = -heights * self.solve(1j * heights).value.imag
        atoms = 2 * seen[1:] - seen[:-1]
        if abs(atoms[1] - atoms[0]) > 1e-2:
            raise ConvergenceError(
                f"the mass at zero changes from {atoms[0]:.4f} to {atoms[1]:.4f} between the last "
                "two heights: eigenvalues crowd next to zero"
            )
        return (1 - max(float(2 * atoms[1] - atoms[0]), 0.0)) / 2

    smoothed_density = renamed_method("smoothed_density", "smoothed_pdf")


def _normal_mean(place: Complex, spread: Real) -> Complex:
    """Mean of 1/(place - spread * xi) over xi ~ N(0, 1), for Im place >= 0."""
    if not spread.any():
        return 1 / place
    wide = np.maximum(spread, 1e-150)
    scaled = place / (math.sqrt(2) * wide)
    far = np.abs(scaled) > 1e6
    value = -1j * math.sqrt(math.pi / 2) * wofz(np.where(far, 1j, scaled)) / wide
    return np.asarray(np.where(far, 1 / place, value))
