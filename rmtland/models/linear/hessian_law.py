r"""The limit law of the Gauss-Newton matrix of a linear network: a mixture of free products.

The quartic of a component, its physical root and the path of the mixture are derived in
`rmtland.models.linear.linear_hessian`.

Examples
--------
>>> from rmtland.models.linear.network import LinearNetwork
>>> law = LinearHessianLaw(LinearNetwork(1, 1, 1, 4))
>>> law.atoms, law.mean()
(((0.0, 0.5),), 1.0)
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from rmtland.free.subordination.moments import product_moments
from rmtland.laws import Law, MarchenkoPastur
from rmtland.laws.cumulants import moments_of
from rmtland.models.linear.network import LinearNetwork
from rmtland.models.linear.wishart_product import wishart_path, wishart_product
from rmtland.typing import Atoms, Complex, Logical, Real, Support

__all__ = ["LinearHessianLaw"]

_STEP = 1 / 30
_NEWTON = 12
_CHUNK = 4096
_CLOSE = 1e-9  # share of the range beside 0 where G is rounding


@dataclass(frozen=True)
class LinearHessianLaw(Law):
    """Limit law of the Gauss-Newton matrix of a linear network; made by `LinearHessian`.

    Parameters
    ----------
    model : LinearNetwork
        Sizes and variances.
    """

    model: LinearNetwork

    # Units: z by s1 sx, w by s1 ------------------------------------------------------------------

    @property
    def _unit(self) -> float:
        return self.model.first_variance * self.model.data_variance

    @property
    def _v(self) -> float:
        return self.model.hidden / self.model.inputs

    @property
    def _phi(self) -> float:
        return self.model.inputs / self.model.samples

    @cached_property
    def _singular_law(self) -> MarchenkoPastur:
        """Law of w."""
        model = self.model
        return MarchenkoPastur(
            model.outputs / model.hidden, model.second_variance / model.first_variance
        )

    @cached_property
    def _zero_component(self) -> Law:
        """Law of the eigenvalues other than zero of the component w = 0."""
        return wishart_product(1 / self._v, self._phi, self._v)

    @property
    def _zero_component_rank(self) -> float:
        """Share of them."""
        return min(1.0, self._v, 1 / self._phi)

    @property
    def _positive_fraction(self) -> float:
        """Share of the components with w > 0."""
        return min(1.0, self.model.hidden / self.model.outputs)

    @property
    def _multiplicity(self) -> float:
        """Eigenvalues of all components, zeros included, per eigenvalue of H0."""
        return self.model.outputs * self.model.inputs / self.model.parameter_count

    # Support -------------------------------------------------------------------------------------

    @cached_property
    def support(self) -> Support:
        """Bands swept by the bands of the components; their edges grow with w."""
        ((first, last),) = self._singular_law.support
        low, high = self._bands(first), self._bands(last)
        n0, n1, _, m = self.model.sizes
        if first <= 0 and n1 < min(n0, m):  # what is left of a band as w decreases to 0
            low = [(0.0, 0.0), *low]
        if len(low) == len(high) == 2:
            bands = [(low[i][0], high[i][1]) for i in range(2)]
        else:
            bands = [(low[0][0], high[-1][1])]
        if self._positive_fraction < 1:
            bands += self._zero_component.support
        merged: list[tuple[float, float]] = []
        for band in sorted(bands):
            if merged and band[0] <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], band[1]))
            else:
                merged.append(band)
        return tuple((float(self._unit * a), float(self._unit * b)) for a, b in merged)

    @cached_property
    def atoms(self) -> Atoms:
        """The null space, at least the n1^2 directions of the symmetry between the layers."""
        return ((0.0, 1 - self.model.rank),)

    def _bands(self, w: float) -> list[tuple[float, float]]:
        """Bands of the component w: z'(g) = 0 where omega'(g) < 0."""
        if w <= 0:
            return list(self._zero_component.support)
        v, phi = self._v, self._phi
        poly = np.polynomial.Polynomial
        a, b = poly([1, w + v - 1, -w]), poly([1, phi * (w + v) - 1, -phi * w])
        square = poly([1, -2, 1])
        critical: Any = poly([-1, 2, v - 1]) * b + a * (w * square + v) * poly([0, phi])
        slope = critical.deriv()
        edges = []
        for root in critical.roots():
            if abs(root.imag) > 1e-6 * abs(root):
                continue
            g = float(root.real)
            for _ in range(4):
                g -= critical(g) / slope(g) if slope(g) else 0.0
            if g != 0 and v * g * g < (1 - g) ** 2:
                omega = w + v / (1 - g) + 1 / g
                edges.append(omega * (1 + phi * (w * g + v * g / (1 - g))))
        edges = sorted(edge for edge in edges if edge > 0)
        if len(edges) % 2:
            edges.insert(0, 0.0)
        return list(zip(edges[::2], edges[1::2], strict=True))

    # The mixture ---------------------------------------------------------------------------------

    def _components(self, z: Complex, step: float) -> tuple[Complex, Complex, Complex]:
        """Nodes w and weights, shape (k,), and g at them, shape (k, n), for z in units."""
        w, weights = wishart_path(self._singular_law.aspect_ratio, self._singular_law.scale, step)
        g = np.empty((w.size, z.size), dtype=np.complex128)
        middle = w.size // 2
        g[middle] = self._root(z, w[middle], None)
        for k in range(middle + 1, w.size):
            g[k] = self._root(z, w[k], g[k - 1])
        for k in range(middle - 1, -1, -1):
            g[k] = self._root(z, w[k], g[k + 1])
        return w, weights, g

    def _root(self, z: Complex, w: complex, start: Complex | None) -> Complex:
        """Root g of the quartic of a component, by Newton's method from a neighbouring one."""
        v, phi = self._v, self._phi
        a1, a2 = w + v - 1, -w
        b1, b2 = phi * (w + v) - 1, -phi * w
        c = [
            np.ones_like(z),
            a1 + b1 - z,
            a1 * b1 + a2 + b2 + 2 * z,
            a1 * b2 + a2 * b1 - z,
            np.full_like(z, a2 * b2),
        ]
        if start is None:
            good = np.zeros(z.shape, dtype=bool)
            g = np.zeros_like(z)
        else:
            g = start
            with np.errstate(all="ignore"):
                for _ in range(_NEWTON):
                    defect = c[0] + g * (c[1] + g * (c[2] + g * (c[3] + g * c[4])))
                    slope = c[1] + g * (2 * c[2] + g * (3 * c[3] + g * 4 * c[4]))
                    change = defect / slope
                    g = g - change
                    if (np.abs(change) <= 1e-15 * np.abs(g)).all():
                        break
                good = (np.abs(change) <= 1e-9 * np.abs(g)) & (self._height(z, w, g) < 1e-9)
        if not good.all():
            g = np.where(good, g, 0.0)
            for i in np.flatnonzero(~good):
                roots = np.roots([row[i] for row in c[::-1]]).astype(np.complex128)
                heights = self._height(z[i], w, roots)
                g[i] = roots[np.argmin(heights)]
        return np.asarray(g)

    def _height(self, z: Complex, w: complex, g: Complex) -> Real:
        """Largest of the arguments of g and kappa / z; both are negative for the physical root."""
        with np.errstate(all="ignore"):
            ratio = (1 + self._phi * _moment_of(w, self._v, g)) / z
            return np.asarray(np.maximum(g.imag / np.abs(g), ratio.imag / np.abs(ratio)))

    def _sums(self, z: Complex, step: float = _STEP) -> tuple[Complex, Complex, Complex]:
        """Sum u, du/dz and L over all components, for z in units."""
        sums = np.zeros((3, z.size), dtype=np.complex128)
        v, phi = self._v, self._phi
        for start in range(0, z.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            point = z[part]
            w, weights, g = self._components(point, step)
            w = w[:, None]
            rest = 1 - g
            omega = w + v / rest + 1 / g
            u = _moment_of(w, v, g)
            kappa = 1 + phi * u
            lift = w + v / rest**2
            with np.errstate(all="ignore"):
                slope = lift / ((v / rest**2 - 1 / g**2) * kappa + phi * omega * lift)
            potential = (1 - 1 / phi) * np.log(kappa) + u + (omega - w) * g - 1
            potential += v * np.log(rest) - np.log(g)
            for row, values in zip(sums, (u, slope, potential), strict=True):
                row[part] = weights @ values
        if self._positive_fraction < 1:
            share, rank = 1 - self._positive_fraction, self._zero_component_rank
            g, slope = self._zero_component._jet(z)
            sums[0] += share * rank * (z * g - 1)
            sums[1] += share * rank * (g + z * slope)
            potential = rank * self._zero_component._log_potential(z) + (1 - rank) * np.log(z)
            sums[2] += share * potential
        return sums[0], sums[1], sums[2]

    # Transforms ----------------------------------------------------------------------------------

    def _away(self, z: Complex) -> tuple[Logical, Complex]:
        """Where z is not 0, and those points in units."""
        away = z != 0
        return away, z[away] / self._unit

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        away, point = self._away(z)
        g, slope = (np.full(z.shape, complex(np.inf, 0)) for _ in range(2))
        u, rise, _ = self._sums(point)
        value = (1 + self._multiplicity * u) / point
        g[away] = value / self._unit
        slope[away] = (self._multiplicity * rise - value) / point / self._unit**2
        return g, slope

    def _log_potential(self, z: Complex) -> Complex:
        away, point = self._away(z)
        value = np.full(z.shape, complex(-np.inf, np.pi * self.model.rank))
        components = self._sums(point)[2]
        value[away] = self._multiplicity * components + (1 - self._multiplicity) * np.log(point)
        return np.asarray(value + math.log(self._unit))

    def _pdf(self, x: Real) -> Real:
        density = np.zeros(x.shape)
        inside = np.zeros(x.shape, dtype=bool)
        for low, high in self.support:
            inside |= (x >= low) & (x <= high)
        density[inside & (x == 0)] = np.inf
        close = self._is_close(x)
        if close.any():
            place, level, power = self._beside_zero
            density[close] = level * (x[close] / place) ** power
        inside &= (x != 0) & ~close
        density[inside] = self._density(x[inside])
        return density

    def _density(self, x: Real) -> Real:
        """Density at points of a band that are not 0."""
        u = self._sums((x / self._unit).astype(np.complex128))[0]
        return np.maximum(-self._multiplicity * u.imag / (np.pi * x), 0.0)

    def _is_close(self, x: Real) -> Logical:
        """Points of a band that begins at 0, so close to 0 that G there is rounding."""
        low, high = self.support[0]
        return (low == 0) & (x > 0) & (x < _CLOSE * high)

    @cached_property
    def _beside_zero(self) -> tuple[float, float, float]:
        """Where points begin to be close to 0, the density there, and its power of x."""
        place = _CLOSE * self.support[0][1]
        level, beyond = self._density(np.array([place, 2 * place])).tolist()
        power = math.log2(beyond / level) if level > 0 and beyond > 0 else 0.0
        return place, level, max(power, -0.999)

    def _cdf(self, x: Real) -> Real:
        ((_, atom),) = self.atoms
        bands = self.support
        below = np.where(x < 0, 0.0, atom)
        close = self._is_close(x)
        if close.any():
            place, level, power = self._beside_zero
            part = level * place / (1 + power)
            below[close] = atom + part * (x[close] / place) ** (1 + power)
        inside = (x > bands[0][0]) & (x > 0) & (x < bands[-1][1]) & ~close
        potential = self._log_potential(x[inside].astype(np.complex128))
        below[inside] = np.clip(1 - potential.imag / np.pi, atom, 1.0)
        below[x >= bands[-1][1]] = 1.0
        return below

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """Against the integral with half the step."""
        away, point = self._away(z)
        error = np.zeros(z.shape)
        u = self._sums(point, _STEP / 2)[0]
        value = (1 + self._multiplicity * u) / point / self._unit
        rounding = 2e-15 * (1 + self._multiplicity * (1 + np.abs(u))) / np.abs(z[away])
        error[away] = 2 * np.abs(value - g[away]) + rounding
        residual = np.zeros(z.shape)
        residual[away] = np.abs(value - g[away]) / np.abs(value)
        return residual, error

    def _exact_moments(self, k: int) -> list[Fraction]:
        # A moment of a component is a polynomial in w: known at k + 1 points, it is known.
        size = {key: Fraction(value) for key, value in asdict(self.model).items()}
        v, phi = size["hidden"] / size["inputs"], size["inputs"] / size["samples"]
        unit = size["first_variance"] * size["data_variance"]
        wishart = moments_of([phi**j for j in range(k)])
        ratio = size["outputs"] / size["hidden"]
        tilt = size["second_variance"] / size["first_variance"]
        powers = moments_of([tilt * (tilt * ratio) ** j for j in range(k)])
        total = [Fraction(0)] * (k + 1)
        for node in range(k + 1):
            weight = [Fraction(1)]
            for other in range(k + 1):
                if other != node:
                    scale = Fraction(1, node - other)
                    raised, padded = [Fraction(0), *weight], [*weight, Fraction(0)]
                    weight = [
                        scale * (left - other * right)
                        for left, right in zip(raised, padded, strict=True)
                    ]
            share = sum((c * p for c, p in zip(weight, powers, strict=True)), Fraction(0))
            shifted = moments_of([v + node if j == 0 else v for j in range(k)])
            moments = product_moments([shifted, wishart])
            total = [t + share * m for t, m in zip(total, moments, strict=True)]
        share = size["outputs"] * size["inputs"]
        share /= size["hidden"] * (size["inputs"] + size["outputs"])
        return [Fraction(1), *(share * unit**j * total[j] for j in range(1, k + 1))]


def _moment_of(w: complex | Complex, v: float, g: Complex) -> Complex:
    """Return u = omega g - 1."""
    return np.asarray(w * g + v * g / (1 - g))
