r"""The law of the input-output Jacobian of a deep network whose layers may differ, at any depth.

J = A_L ... A_1 with independent, asymptotically free layers has :math:`S_{J J^T} = \prod_l S_l`,
and with M the moment transform, M(z) = z G(z) - 1,

.. math::
    \log z = \sum_l \log u_l(M) + (L - 1) \log \frac{M}{1 + M},

where u_l(M) is the point at which the law of A_l^T A_l has the moment transform M. With D_l the
slopes of layer l, nu the law of their squares times the weight variance and
:math:`G_\nu(v) = \int \nu(dt)/(v - t)`, every kind of layer is explicit in v:

- D W, W Gaussian: M = v G - 1, u = v (1 + M);
- D O, O orthogonal: M = v G - 1, u = v;
- a skip, 1 + D W with W Gaussian: D W is R-diagonal, and the symmetrised law of singular values of
  1 + D W the free sum of that of 1 and that of D W, with R-transform :math:`g R_\nu(g^2)`. Hence
  g = sqrt G, w = (1/g + sqrt(1/g^2 + 4))/2, zeta = w + g v - 1/g, M = zeta g - 1, u = zeta^2.

The equation is followed from large z down along a ray at a small angle to the positive axis, where
-Im M/pi is the density in log x; its mass, with the atom at 0, must come to 1. Quantiles down to
levels like 1e-6 at depths of 100 are within reach, where densities in x itself are not.

Synonyms: dynamical isometry, singular values of residual networks, spectral universality,
R-diagonal elements.

References
----------
.. [1] J. Pennington, S. S. Schoenholz and S. Ganguli, The emergence of spectral universality in
       deep networks, AISTATS 2018.
.. [2] U. Haagerup and F. Larsen, Brown's spectral distribution measure for R-diagonal elements in
       finite von Neumann algebras, J. Funct. Anal. 176 (2000) 331-367.

Examples
--------
>>> law = JacobianLaw((LayerFactor((1.0,), (1.0,)),) * 3)  # three Gaussian layers, linear
>>> round(math.exp(law.log_top), 6) == round(4**4 / 3**3, 6)
True
>>> 0.999 < law.mass < 1.001
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rmtland.arguments import choice, count, entries, instance
from rmtland.solution import ConvergenceError
from rmtland.typing import ArrayLike, Complex, Real

__all__ = ["LAYERS", "JacobianLaw", "LayerFactor"]

LAYERS = ("gaussian", "orthogonal", "skip")
"""D W, D O, and 1 + D W."""

_ANGLE = 1e-4
"""Angle of the ray to the positive axis: relative smoothing of the law."""

_POINTS = 4000
"""Points of the curve at most: laws of well-separated atoms are not followed."""

_MASS = 5e-3
"""Largest deviation of the mass from 1."""


class LayerFactor(NamedTuple):
    """One layer: the law of squared slopes times the variance of the weights, and its kind.

    Parameters
    ----------
    squares : tuple of float
        Places of nu, >= 0.
    weights : tuple of float
        Their masses.
    kind : {"gaussian", "orthogonal", "skip"}
        What multiplies the slopes.
    """

    squares: tuple[float, ...]
    weights: tuple[float, ...]
    kind: str = "gaussian"

    @property
    def mean(self) -> float:
        """Mean squared singular value of the layer."""
        mean = float(np.dot(self.squares, self.weights))
        return 1.0 + mean if self.kind == "skip" else mean

    @property
    def null_share(self) -> float:
        """Share of zero singular values."""
        if self.kind == "skip":
            return 0.0
        places, masses = np.array(self.squares), np.array(self.weights)
        return float(masses[places == 0].sum())


@dataclass(frozen=True, eq=False)
class JacobianLaw:
    r"""The law of the eigenvalues of J J^T for J = A_L ... A_1.

    .. formula:: Free product of the laws of layers, :math:`\log z = \sum_l \log u_l(M) + (L - 1)
        \log \frac{M}{1 + M}`; residual layers :math:`1 + D W`

    Parameters
    ----------
    layers : tuple of LayerFactor
        The layers, in any order.

    Raises
    ------
    ValueError
        If there is no layer, or the law of its squares is none: places below 0, masses that are
        negative or do not add up to 1, or no mass but at 0.
    TypeError
        If a layer is none.
    """

    layers: tuple[LayerFactor, ...]

    def __post_init__(self) -> None:
        if not entries("layers", self.layers):
            raise ValueError("layers must name at least one layer")
        for place, layer in enumerate(self.layers):
            instance(f"layers[{place}]", layer, LayerFactor, "a LayerFactor")
            choice("kind", layer.kind, LAYERS)
            if len(layer.squares) != len(layer.weights) or not layer.squares:
                raise ValueError(f"each square has one weight; got {layer}")
            masses = sum(layer.weights)
            if not (min(layer.weights) >= 0 and abs(masses - 1.0) <= 1e-6):
                raise ValueError(
                    f"weights must be at least 0 and add up to 1, not to {masses:.6g}; got {layer}"
                )
            if not (0 <= min(layer.squares) <= max(layer.squares) < math.inf and layer.mean > 0):
                raise ValueError(
                    f"squared slopes must be at least 0, not all of them 0; got {layer}"
                )

    @property
    def depth(self) -> int:
        """The number L of layers."""
        return len(self.layers)

    @property
    def mean(self) -> float:
        """Mean eigenvalue."""
        return math.prod(layer.mean for layer in self.layers)

    @property
    def null_share(self) -> float:
        """Mass of the atom at 0."""
        return max(layer.null_share for layer in self.layers)

    @cached_property
    def _curve(self) -> tuple[Real, Real]:
        """Logarithms of x, descending, and the mass above each."""
        return _followed(self)

    @property
    def mass(self) -> float:
        """Mass that the density and the atom come to; 1 up to the error of the numerics."""
        return float(self._curve[1][-1]) + self.null_share

    @cached_property
    def log_top(self) -> float:
        """Logarithm of the upper edge, where dz/dM vanishes for M > 0."""
        return _edge(self)

    def log_quantile(self, levels: ArrayLike) -> Real:
        """Return the logarithm of the quantile function.

        Parameters
        ----------
        levels : array_like
            Between the mass of the atom at 0 and 1.

        Returns
        -------
        ndarray or float
            log x with mass q at or below x.

        Raises
        ------
        ValueError
            For a level in the atom, or not below 1.
        """
        q = np.asarray(levels, dtype=np.float64)
        logs, above = self._curve
        if not ((q > self.null_share) & (q < 1)).all():
            raise ValueError(
                f"levels must lie above the atom at 0, {self.null_share:.4g}, and below 1; got "
                f"{levels!r}"
            )
        scaled = above * (1.0 - self.null_share) / above[-1]
        wanted = 1.0 - q
        if (wanted > scaled[-2]).any():
            raise ValueError(f"levels below {1 - scaled[-2]:.3g} are not resolved; got {levels!r}")
        return np.asarray(np.interp(wanted, scaled, logs))

    def condition_number(self, size: int) -> float:
        """Return s_max/s_min of the positive singular values to expect of a matrix of that size.

        Parameters
        ----------
        size : int
            n.

        Returns
        -------
        float
            From the quantiles at 1/(2 n) above the atom and below 1.

        Raises
        ------
        ValueError
            For a size below 1.
        TypeError
            If `size` is no integer.
        """
        level = 0.5 / count("size", size)
        low, high = self.log_quantile([self.null_share + level, 1.0 - level])
        return math.exp(0.5 * float(high - low))

    def spread(self, share: float = 0.1) -> float:
        """Return the quotient of an upper and a lower quantile of the positive singular values.

        Parameters
        ----------
        share : float, optional
            Of the positive ones left out at each end.

        Returns
        -------
        float
            s at 1 - share over s at share: a condition number without extremes.

        Raises
        ------
        ValueError
            For a share that is not below 1/2.
        """
        if not 0.0 < share < 0.5:
            raise ValueError(f"share must be above 0 and below 1/2; got {share}")
        positive = 1.0 - self.null_share
        low, high = self.log_quantile([1.0 - positive * (1 - share), 1.0 - positive * share])
        return math.exp(0.5 * float(high - low))


class _Stack:
    """The different layers as arrays, with how often each occurs: shapes (L', K)."""

    def __init__(self, layers: tuple[LayerFactor, ...]) -> None:
        kinds = dict.fromkeys(layers)
        most = max(len(layer.squares) for layer in kinds)
        self.d = np.zeros((len(kinds), most))
        self.w = np.zeros((len(kinds), most))
        for i, layer in enumerate(kinds):
            self.d[i, : len(layer.squares)] = layer.squares
            self.w[i, : len(layer.squares)] = layer.weights
        self.wd = self.w * self.d
        self.counts = np.array([float(layers.count(layer)) for layer in kinds])
        self.depth = len(layers)
        self.gaussian = np.array([layer.kind == "gaussian" for layer in kinds])
        self.skip = np.array([layer.kind == "skip" for layer in kinds])
        self.means = np.array([layer.mean for layer in kinds])
        self.slopes = self.wd.sum(axis=1)

    def start(self, M: complex) -> tuple[Complex, Complex]:
        """Return v, and the roots sqrt G and sqrt(1/G + 4), for small M."""
        square = M / self.means  # 1/u
        # skips: G = M/mean, v = 1/G + mean of nu; others: v G - 1 = M
        v = np.where(self.skip, 1.0 / square + self.slopes, self.slopes / M)
        root = np.sqrt((self.w / (v[:, None] - self.d)).sum(axis=1))
        return v, np.array([root, 1.0 / root])

    def at(self, v: Complex, roots: Complex) -> tuple[Complex, Complex, Complex, Complex, Complex]:
        """Return M, dM/dv, log u, d log u/dv and the roots, continued from those given."""
        inverse = 1.0 / (v[:, None] - self.d)
        moment = (self.wd * inverse).sum(axis=1)  # v G - 1 without cancellation
        moment_slope = -(self.wd * inverse * inverse).sum(axis=1)
        logs, log_slope = np.log(v), 1.0 / v
        M, slope, found = moment, moment_slope, roots
        if self.gaussian.any():
            logs = logs + np.where(self.gaussian, np.log(1.0 + moment), 0.0)
            log_slope = log_slope + np.where(self.gaussian, moment_slope / (1.0 + moment), 0.0)
        if self.skip.any():
            G = (self.w * inverse).sum(axis=1)
            dG = -(self.w * inverse * inverse).sum(axis=1)
            g = _continued(np.sqrt(G), roots[0])
            half = _continued(np.sqrt(1.0 / G + 4.0), roots[1])
            zeta = 0.5 * (half - 1.0 / g) + g * v
            dg = 0.5 * dG / g
            dzeta = dg * (v + 0.5 / G) + g - 0.25 * dG / (G * G * half)
            M = np.where(self.skip, zeta * g - 1.0, M)
            slope = np.where(self.skip, dzeta * g + zeta * dg, slope)
            logs = np.where(self.skip, 2.0 * np.log(zeta), logs)
            log_slope = np.where(self.skip, 2.0 * dzeta / zeta, log_slope)
            found = np.array([g, half])
        return M, slope, logs, log_slope, found

    def solve(self, M: complex, state: _State) -> tuple[_State, complex, complex] | None:
        """Return the state with M_l(v_l) = M, then log z and its derivative in M."""
        v, roots = state.v, state.roots
        v = v + (M - state.M) / state.slope if state.slope is not None else v
        for _ in range(30):
            here, slope, logs, log_slope, roots = self.at(v, roots)
            if not np.isfinite(slope).all() or (slope == 0).any():
                return None
            step = (here - M) / slope
            size = float((np.abs(step) / np.abs(v)).max())
            if not size < math.inf:
                return None
            v = v - step * min(1.0, 0.5 / size if size else 1.0)
            if size < 1e-7:  # Newton: what is left is of the size of its square
                break
        else:
            return None
        rest = (self.depth - 1) * np.log(M / (1.0 + M))
        log_z = complex((self.counts * (logs - log_slope * step)).sum() + rest)
        derivative = complex((self.counts * log_slope / slope).sum())
        derivative += (self.depth - 1) / (M * (1.0 + M))
        return _State(M, v, roots, slope), log_z, derivative


class _State(NamedTuple):
    """A point of the curve: M, v_l, the roots there, and dM/dv."""

    M: complex
    v: Complex
    roots: Complex
    slope: Complex | None


def _continued(root: Complex, before: Complex) -> Complex:
    """Return the square roots of the sign that is nearer to those before."""
    return np.asarray(np.where((root * before.conj()).real < 0, -root, root))


def _outside(stack: _Stack, M: complex) -> _State:
    """Return a state at a small M, outside the support."""
    return _State(M, *stack.start(M), None)


def _small(stack: _Stack) -> float:
    """Return an M > 0 at which z is far above the support."""
    spread = float((stack.d.max(axis=1) / stack.means).max())
    return 1e-2 / (1.0 + stack.depth * (1.0 + spread))


def _edge(law: JacobianLaw) -> float:
    """Return the logarithm of the upper edge: the least of log z(M) over M > 0."""
    stack = _Stack(law.layers)
    M = _small(stack)
    state, ratio = _outside(stack, M), 1.3
    for _ in range(400):
        found = stack.solve(M, state)
        if found is None or ratio < 1.0 + 1e-9:
            break
        here, log_z, derivative = found
        if derivative.real < 0:
            state, last = here, log_z.real
        else:  # past the edge: back, and on by smaller steps
            M, ratio = state.M.real, math.sqrt(ratio)
        M *= ratio
    else:
        raise ConvergenceError("the upper edge of the law of the Jacobian was not found")
    return last


def _followed(law: JacobianLaw) -> tuple[Real, Real]:
    """Follow M along the ray from large to small x; return log x and the mass above."""
    stack = _Stack(law.layers)
    full = 1.0 - law.null_share
    small = _small(stack)
    begun = stack.solve(small, _outside(stack, small))
    if begun is None:
        raise ConvergenceError("the equation of the Jacobian's law has no start at large z")
    t = begun[1].real
    found = _corrected(stack, small * np.exp(-1j * _ANGLE), begun[0], t)
    if found is None:
        raise ConvergenceError("the equation of the Jacobian's law has no start at large z")
    state, derivative = found
    logs, density, mass, step = [t], [-state.M.imag / math.pi], [0.0], 0.2
    while (mass[-1] < 0.9 * full or density[-1] > 1e-7 * full) and len(logs) < _POINTS:
        guess = state.M - step / derivative  # dM/d log z = 1/derivative
        trial = _corrected(stack, guess, state, t - step) if guess.imag < 0 else None
        change = math.inf if trial is None else abs(trial[0].M - state.M) / abs(state.M)
        if trial is not None and mass[-1] > 0.5 * full:  # M is nearly constant in the lower tail
            change = max(change, 0.4 * abs(1.0 + trial[0].M.imag / (math.pi * density[-1])))
        if trial is None or change > 0.08 or trial[0].M.imag >= 0:
            step /= 2.0
            if step < 1e-8:
                if mass[-1] > full * (1.0 - 1e-4):
                    break
                raise ConvergenceError(
                    f"the law of the Jacobian was lost at log x = {t:.3g}, with mass "
                    f"{mass[-1]:.4g} of {full:.4g} above"
                )
            continue
        t -= step
        state, derivative = trial
        logs.append(t)
        density.append(-state.M.imag / math.pi)
        mass.append(mass[-1] + step * _mean_density(density[-2], density[-1]))
        if change < 0.04:
            step *= 1.5
    if abs(mass[-1] - full) > _MASS:
        raise ConvergenceError(
            f"the law of the Jacobian has mass {mass[-1]:.4g} where {full:.4g} is right"
        )
    return np.array(logs), np.array(mass)


def _mean_density(a: float, b: float) -> float:
    """Mean over a step of a density in log x that changes exponentially, or hardly."""
    return (a - b) / math.log(a / b) if a > b > 0.7 * a and a - b > 1e-9 * a else 0.5 * (a + b)


def _corrected(stack: _Stack, M: complex, state: _State, t: float) -> tuple[_State, complex] | None:
    """Return the state with log z(M) = t + i angle, by Newton steps, and d log z/dM there."""
    for _ in range(12):
        found = stack.solve(M, state)
        if found is None:
            return None
        state, log_z, derivative = found
        off = log_z - complex(t, _ANGLE)
        off = complex(off.real, math.remainder(off.imag, 2.0 * math.pi))
        step = off / derivative
        M = M - step
        if not np.isfinite(M):
            return None
        if abs(step) <= 1e-6 * abs(M):
            return state, derivative
    return None
