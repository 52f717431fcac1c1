r"""The limit law of the Gauss-Newton matrix of a one-hidden-layer network with Gaussian data.

G comes from the equation of `rmtland.models.population.equation`, solved on the real axis itself.
The support is where it has an imaginary part, at some singular value of W2; its ends are found by
bisection. The distribution function is the integral of the density, kept as Legendre series on
panels that are halved until their last coefficients vanish; together with the exact atom at zero
it must add up to 1, which tests the solution, and `mass_error` says how well it does.

The atom at zero counts parameters less the rank of J, in general position:

.. math:: \operatorname{rank} = (n_2 - n_1)_+ \min(n_1, m) + \min\bigl(r m, r \min(n_1, m)
          + n_1 \min(n_0, (1 - p_0) m)\bigr), \qquad r = \min(n_1, n_2),

with p_0 the mass of slopes zero (1/2 for ReLU); for a linear network see `LinearHessian`.

References
----------
.. [1] H. Takahasi and M. Mori, Double exponential formulas for numerical integration, Publ. RIMS
       Kyoto Univ. 9 (1974) 721-741: the variable of the panels.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from rmtland.laws import Law
from rmtland.laws.first_check import certify_once
from rmtland.laws.law import Atoms, Complex, Real, Support
from rmtland.models.linear.wishart_product import wishart_path
from rmtland.models.population.density_table import (
    LOWEST,
    BandTable,
    located,
    table_points,
    tabulated_band,
)
from rmtland.models.population.equation import activation_rule, covariance_rule
from rmtland.models.population.network import PopulationNetwork
from rmtland.solution import ConvergenceError
from rmtland.typing import NumpyArray

__all__ = ["PopulationLaw"]

_STEP = 1 / 18
_LIGHT = 1e-13
_SECTIONS = 7
_JUMP = 3.0
_LOWEST_PANEL = 1e-16
_PANEL_NODES = 16
_GROWTH = 8.0


@dataclass(frozen=True, eq=False)
class PopulationLaw(Law):
    """Limit law of H0; made by `PopulationHessian`.

    Parameters
    ----------
    model : PopulationNetwork
        Sizes, activation, variances and data covariance.
    """

    model: PopulationNetwork

    _require_certificate = certify_once

    @property
    def _mass_error(self) -> float:
        return self.mass_error

    # The equation --------------------------------------------------------------------------------

    def _arrays(self, step: float, refined: int) -> tuple[NumpyArray, ...]:
        """Return nodes, weights and constants as `follow` takes them."""
        model = self.model
        n0, n1, n2, m = model.sizes
        rule = activation_rule(model.activation, model.preactivation_variance, refined=refined)
        sigma, share = covariance_rule(model.covariance, nodes=24 * refined)
        w, weights = wishart_path(n2 / n1, model.second_variance, step)
        kept = np.abs(weights) > _LIGHT * np.abs(weights).max()
        w, weights = w[kept], weights[kept]
        places, outer, inner = [w], [weights], [weights * (n2 / n1)]
        root = np.sqrt(n2 / n1)
        ends = model.second_variance * (1 + np.array([-root, root])) ** 2
        for place, left, right in (
            (np.zeros(1), max(0.0, 1 - n1 / n2), max(0.0, 1 - n2 / n1)),
            (ends, 0.0, 0.0),
        ):
            if left or right or place is ends:
                places.append(place.astype(np.complex128))
                outer.append(np.full(place.size, left, dtype=np.complex128))
                inner.append(np.full(place.size, right, dtype=np.complex128))
        spread = model.first_variance * rule.slope**2
        sizes = np.array([n1 / n0 * spread, spread, rule.rest, n0 / m, n1 / m])
        total = n1 * (n0 + n2)
        block = np.concatenate(inner)
        return (
            np.concatenate(places),
            block,
            n2 * n1 / total * np.concatenate(outer),
            n1 * n0 / total * block,
            sizes,
            sigma,
            share,
            rule.slopes,
            rule.masses,
        )

    @cached_property
    def _rules(self) -> tuple[NumpyArray, ...]:
        return self._arrays(_STEP, 1)

    @cached_property
    def _scale(self) -> float:
        """Mean of the eigenvalues that are not zero."""
        return self.model.gauss_newton_mean / self.model.rank

    def _solved(
        self, z: Complex, rules: tuple[NumpyArray, ...] | None = None
    ) -> tuple[NumpyArray, ...]:
        """Solve at points other than zero: what `follow` returns, in their order."""
        from rmtland.models.population.kernels import follow  # numba loads at first use

        order = np.lexsort((z.imag, z.real))
        place, block, outer, inner, *rest = self._rules if rules is None else rules
        top = 40 * self._scale
        found = follow(z[order], top, place, block, outer, inner, *rest)
        # Where -w Omega_11 has a negative real part the path belongs on the other side of the axis;
        # on the wrong one the unknowns jump.
        jumps = _jumps(place, found[2])
        turned = np.flatnonzero(
            ~np.isfinite(found[4]) | (found[1][:, 0].real < 0) | (jumps > _JUMP)
        )
        if turned.size:
            path = (place.conj(), block.conj(), outer.conj(), inner.conj())
            again = follow(z[order][turned], top, *path, *rest)
            other = _jumps(path[0], again[2])
            first = jumps[turned]
            wanted = (found[1][turned, 0].real < -1e-9) & (other <= np.maximum(first, _JUMP))
            better = np.isfinite(again[4]) & (
                ~np.isfinite(found[4][turned]) | wanted | (other < first / 2)
            )
            for part, new in zip(found, again, strict=True):
                part[turned[better]] = new[better]
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        return tuple(part[back] for part in found)

    def _values(self, z: Complex, rules: tuple[NumpyArray, ...] | None = None) -> Complex:
        g, *_, size = self._solved(z, rules)
        if not np.isfinite(size).all():
            raise ConvergenceError(
                f"the population equation was not solved at {z[~np.isfinite(size)][0]}"
            )
        return np.asarray(g)

    # Support and table ---------------------------------------------------------------------------

    def _inside(self, x: Real, *, ends: bool) -> NDArray[np.bool_]:
        """Whether there is a density at x > 0: of the law, or of an outermost component.

        The latter grows like a root at edges of the law and finds them sharply; but without weight
        nothing holds it to the physical solution far from them.
        """
        g, _, states, _, size = self._solved(x.astype(np.complex128))
        w, _, outer, inner = self._rules[:4]
        inside = ~np.isfinite(size) | (np.abs(g.imag) > 1e-7 * np.abs(g))
        if not ends:
            return np.asarray(inside)
        for n in np.flatnonzero(w.imag == 0):
            end = outer[n] == 0 and inner[n] == 0
            columns = [
                i
                for i, used in (
                    (0, end or outer[n] != 0),
                    (3, end or outer[n] != 0),
                    (2, end or inner[n] != 0),
                )
                if used
            ]
            with np.errstate(invalid="ignore", divide="ignore"):
                part = states[:, n, columns]
                ratio = np.abs(part.imag) / np.abs(part)
            inside |= np.nan_to_num(ratio).max(axis=1) > 1e-6
        return np.asarray(inside)

    @cached_property
    def support(self) -> Support:
        """Bands, found on a grid of some hundred points; narrower gaps may be missed."""
        top = 8 * self._scale
        while self._inside(np.array([top, 1.5 * top]), ends=False).any():
            top *= 2
        x = np.unique(
            np.concatenate([np.geomspace(1e-6 * top, top, 45), np.linspace(0, top, 91)[1:]])
        )
        inside = self._inside(x, ends=False)
        if not inside.any():
            raise ConvergenceError("no support was found")
        changes = np.flatnonzero(inside[1:] != inside[:-1])
        # The outer end of the search one point further out, if that is in no other band
        beyond = np.where(inside[changes], changes + 2, changes - 1).clip(0, x.size - 1)
        outside = np.where(inside[changes], changes + 1, changes)
        out = x[np.where(inside[beyond], outside, beyond)]
        within = np.where(inside[changes], x[changes], x[changes + 1])
        for _ in range(_SECTIONS):
            shares = np.arange(1, 8) / 8
            cuts = out[:, None] + (within - out)[:, None] * shares
            here = self._inside(cuts.ravel(), ends=True).reshape(cuts.shape)
            first = np.where(here.any(axis=1), here.argmax(axis=1), 7)
            step = (within - out) / 8
            out, within = out + step * first, out + step * (first + 1)
        edges = within.tolist()
        if inside[0]:
            edges.insert(0, 0.0)
        # Nodes without weight may leave the physical solution where nothing holds them to it.
        bands = []
        for low, high in zip(edges[::2], edges[1::2], strict=True):
            g = self._solved(low + (high - low) * np.array([0.2, 0.4, 0.6, 0.8]) + 0j)[0]
            if np.nanmax(-g.imag / np.abs(g), initial=0.0) > 1e-8:
                bands.append((float(low), float(high)))
        return tuple(bands)

    @property
    def atoms(self) -> Atoms:
        """The null space of J."""
        null = 1 - self.model.rank
        return ((0.0, null),) if null > 1e-12 else ()

    @cached_property
    def _tables(self) -> tuple[list[BandTable], float]:
        """Panels of all bands, scaled to the mass of the continuous part, and what they missed."""
        tables = [tabulated_band(self._values, low, high) for low, high in self.support]
        mass = sum(float(table.levels[-1]) for table in tables)
        missed = abs(mass - self.model.rank)
        if not missed < 1e-3:
            raise ConvergenceError(
                f"density and atom at zero add up to {mass + 1 - self.model.rank:.6f}, not to 1: a "
                "narrow band was missed, or the rank of J is not generic"
            )
        factor = self.model.rank / mass
        return [
            table._replace(series=table.series * factor, levels=table.levels * factor)
            for table in tables
        ], missed

    @property
    def mass_error(self) -> float:
        """By how much the integral of the computed density misses the mass it should have."""
        return self._tables[1]

    # Transforms ----------------------------------------------------------------------------------

    def _stieltjes(self, z: Complex) -> Complex:
        g = np.full(z.shape, complex(np.inf, 0))
        away = z != 0
        if away.any():
            g[away] = self._values(z[away])
        return g

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        """G, and G' from central differences, to about nine digits away from edges."""
        g = self._stieltjes(z)
        slope = np.full(z.shape, complex(np.inf, 0))
        away = z != 0
        if away.any():
            point = z[away]
            step = 1e-5 * np.maximum(np.abs(point.imag), np.abs(point.real) * 1e-1)
            both = self._values(np.concatenate([point + step, point - step]))
            slope[away] = (both[: point.size] - both[point.size :]) / (2 * step)
        return g, slope

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """Against finer rules for the singular values, the slopes and the covariance."""
        residual, error = np.zeros(z.shape), np.zeros(z.shape)
        away = z != 0
        if away.any():
            value = self._values(z[away], self._arrays(_STEP / 1.6, 2))
            residual[away] = np.abs(value - g[away]) / np.abs(value)
            error[away] = 2 * np.abs(value - g[away]) + 1e-11 * np.abs(value)
        return residual, error

    def _log_potential(self, z: Complex) -> Complex:
        """From the table at a height, and an integral of G, less its pole at zero, down from there.

        Panels of the path grow with the distance from the edges, on whose scale G varies.
        """
        null = 1 - self.model.rank if self.atoms else 0.0
        height = np.maximum(z.imag, self.support[-1][1])
        edges = np.array(self.support).ravel()
        near = np.maximum(np.abs(z[:, None] - edges).min(axis=1) / 2, _LOWEST_PANEL * height)
        starts, ends = np.zeros(z.shape), np.minimum(near, height - z.imag)
        nodes, weights = legendre.leggauss(_PANEL_NODES)
        value = np.zeros(z.shape, dtype=np.complex128)
        while (left := np.flatnonzero(ends > starts)).size:
            half = (ends[left] - starts[left]) / 2
            path = z[left, None] + 1j * (starts[left] + half + half * nodes[:, None]).T
            g = self._stieltjes(path.ravel()).reshape(path.shape) - null / path
            value[left] -= 1j * half * (g @ weights)
            starts, ends = ends, np.minimum(_GROWTH * ends, height - z.imag)
        places, masses = table_points(self._tables[0])
        value += np.log((z.real + 1j * height)[:, None] - places) @ masses
        with np.errstate(divide="ignore"):
            return np.asarray(value + (null * np.log(z) if null else 0.0))

    # Density and distribution function, from the table --------------------------------------------

    def _pdf(self, x: Real) -> Real:
        density = np.zeros(x.shape)
        for table in self._tables[0]:
            here = (x > table.low) & (x < table.high)
            s, panel, rate = located(table, x[here])
            values = legendre.legval(s, table.series[panel].T, tensor=False) / rate
            if table.power:
                ratio = np.minimum(x[here] / (LOWEST * table.high), 1.0)
                values = values * ratio**-table.power
            density[here] = np.maximum(values, 0.0)
            if table.low == 0 and table.power > 0:
                density[x == 0] = np.inf
        return density

    def _cdf(self, x: Real) -> Real:
        below = np.where(x >= 0, 1 - self.model.rank, 0.0)
        for table in self._tables[0]:
            below = below + np.where(x >= table.high, table.levels[-1], 0.0)
            here = (x > table.low) & (x < table.high)
            if not here.any():
                continue
            s, panel, _ = located(table, x[here])
            integrals = legendre.legint(table.series, axis=1, lbnd=-1)
            width = (table.ends[panel + 1] - table.ends[panel]) / 2
            values = table.levels[panel] + width * legendre.legval(
                s, integrals[panel].T, tensor=False
            )
            if table.low == 0:
                ratio = np.minimum(x[here] / (LOWEST * table.high), 1.0)
                values = np.where(ratio < 1, table.levels[0] * ratio ** (1 - table.power), values)
            below[here] += values
        return np.where(x >= self.support[-1][1], 1.0, np.clip(below, 0.0, 1.0))

    def _exact_moments(self, k: int) -> list[Fraction]:
        # The first is exact; the others are sums over the table.
        places, masses = table_points(self._tables[0])
        moments = [Fraction(1), Fraction(self.model.gauss_newton_mean)]
        moments += [Fraction(float(masses @ places**j)) for j in range(2, k + 1)]
        return moments[: k + 1]


def _jumps(w: Complex, states: Complex) -> Real:
    """Largest ratio of a difference along the path to those two nodes beside it, shape (n,)."""
    inner = states[:, w.imag != 0][:, :, [0, 3]]
    steps = np.abs(np.diff(inner, axis=1))
    beside = np.maximum(steps[:, :-4], steps[:, 4:]) + 1e-6 * np.abs(inner[:, 2:-3])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nan_to_num((steps[:, 2:-2] / beside).max(axis=(1, 2)), nan=np.inf))
