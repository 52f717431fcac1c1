r"""The Hessian of a linear network with one hidden layer, in closed form.

The network y = W2 W1 x with n0 inputs, n1 hidden units, n2 outputs and m samples, columns of X, has
a Gauss-Newton part H0 = J^T J/m (`rmtland.networks.derivatives.hessian`) with

.. math:: J J^T/m = 1 \otimes X^T W_1^T W_1 X/m + W_2 W_2^T \otimes X^T X/m .

For each eigenvalue w of W2 W2^T the eigenvalues of H0 other than zero are those of
:math:`X^T (W_1^T W_1 + w) X/m`. With entries of W1, W2 and X independent of variances
:math:`s_1/n_0, s_2/n_1, s_x` the limit law of H0 is therefore a mixture over the Marchenko-Pastur
law of w, and a component is the free product of a shifted Marchenko-Pastur law, that of A =
W1^T W1 + w, and another one. In units of :math:`s_1 s_x`, with w in units of s1,
v = n1/n0, :math:`\varphi = n_0/m`, g = tr (omega - A)^{-1} and
:math:`u = w g + v g/(1-g)` (so that z G = 1 + u for the component),

.. math:: z(g) = \omega \kappa, \qquad \omega = w + \frac{v}{1-g} + \frac1g , \qquad
          \kappa = 1 + \varphi u ,

a quartic equation for g. Physical is the root with Im g < 0 and Im kappa < 0, for x > 0 and w below
the real axis: there the components stay analytic in w, as w adds to the imaginary part of the
matrix, and the mixture is an integral over a path below the real axis that meets no edge of a
component, for any x. It is found by the trapezoidal rule after a double-exponential map [1]_, with
one set of some hundred nodes for all z. Distribution functions need no further quadrature: a
component has the potential

.. math:: L = \log\kappa - \tfrac1\varphi \log\kappa + u
              + (\omega - w) g - \log g + v \log(1-g) - 1 , \qquad L' = G .

Of n1 (n0 + n2) eigenvalues at most n1 (n0 + n2 - n1) differ from zero: moving an invertible matrix
from one layer to the other leaves the network as it is. The law has an atom for the rest. As W2
enters by a mixture, densities at the outer ends of the support vanish like the square of the
distance, not like its root.

Where first layer and data are known, `LinearHessian.of_data` averages over w alone; x is then an
eigenvalue if w is one of K^{-1/2} (x - K_1) K^{-1/2}, with K and K_1 the matrices X^T X/m and
X^T W1^T W1 X/m, and density and distribution function are finite sums over these of those of w.

The residual part H1 has the blocks [[0, e X^T/m], [., 0]], one for each hidden unit, with residuals
e of variance 2 epsilon: its squares are products of two free Marchenko-Pastur laws. H0 + H1 is not
a free sum; see `DysonHessian`.

References
----------
.. [1] H. Takahasi and M. Mori, Double exponential formulas for numerical integration, Publ. RIMS
       Kyoto Univ. 9 (1974) 721-741.
.. [2] J. W. Silverstein and S.-I. Choi, Analysis of the limiting spectral distribution of large
       dimensional random matrices, J. Multivariate Analysis 54 (1995) 295-309: edges.

Examples
--------
>>> model = LinearHessian(1, 1, 1, 4)
>>> model.law.atoms
((0.0, 0.5),)
>>> model.law.moment(1), round(model.law.cdf(1.0), 12)
(1.0, 0.68674120521)
>>> spectrum = model.sample(40, rng=0)
>>> spectrum.dimension, abs(spectrum.mean() - 1) < 0.05
(3200, True)
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmtland.arguments import count, positive
from rmtland.free import free_product
from rmtland.free.subordination.free_product_law import product_moments
from rmtland.laws import Law, MarchenkoPastur
from rmtland.laws.cumulants import moments_of
from rmtland.laws.law import Atoms, Complex, Real, Support
from rmtland.models.linear.data_law import LinearDataLaw
from rmtland.spectrum import Spectrum
from rmtland.streams import Rng, seed_of, streams
from rmtland.version import installed_version

__all__ = [
    "LinearHessian",
    "LinearHessianLaw",
    "LinearResidualLaw",
    "wishart_path",
    "wishart_product",
]

_STEP = 1 / 30
_REACH = 3.375
_TILT = 0.65
_NEWTON = 12
_CHUNK = 4096


@dataclass(frozen=True)
class LinearHessian:
    """A linear network with one hidden layer, Gaussian weights and Gaussian data.

    Parameters
    ----------
    inputs, hidden, outputs, samples : float
        n0, n1, n2 and m, > 0: only their ratios enter the law.
    first_variance, second_variance : float
        n0 times the variance of the entries of W1, n1 times that of W2, > 0 (1 for `lecun`).
    data_variance : float
        Variance of the entries of the samples, > 0.

    Raises
    ------
    ValueError
        If a parameter is not positive and finite.
    """

    inputs: float
    hidden: float
    outputs: float
    samples: float
    first_variance: float = field(default=1.0, kw_only=True)
    second_variance: float = field(default=1.0, kw_only=True)
    data_variance: float = field(default=1.0, kw_only=True)

    name = "linear network"

    def __post_init__(self) -> None:
        for key, value in asdict(self).items():
            object.__setattr__(self, key, positive(key, value))
        for key in ("hidden", "outputs", "samples"):
            positive(f"{key} / inputs", getattr(self, key) / self.inputs)

    @cached_property
    def law(self) -> LinearHessianLaw:
        """Limit law of the eigenvalues of H0."""
        return LinearHessianLaw(self)

    def residual_law(self, epsilon: float) -> LinearResidualLaw:
        """Limit law of the eigenvalues of H1 at the energy epsilon > 0."""
        return LinearResidualLaw(self, epsilon)

    @classmethod
    def of_data(
        cls,
        first_layer: ArrayLike,
        x: ArrayLike,
        *,
        outputs: int,
        second_variance: float = 1.0,
    ) -> LinearDataLaw:
        """Return the law of H0 for a given first layer and data.

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
        """
        return LinearDataLaw(np.asarray(first_layer), np.asarray(x), outputs, second_variance)

    @property
    def parameter_count(self) -> float:
        """n1 (n0 + n2), in the units of the sizes."""
        return self.hidden * (self.inputs + self.outputs)

    @property
    def rank(self) -> float:
        """Share of the eigenvalues that differ from zero."""
        n0, n1, n2, m = self._sizes
        rank = min(n1, n2) * min(n0, m) + max(n2 - n1, 0.0) * min(n0, n1, m)
        return rank / self.parameter_count

    @property
    def _sizes(self) -> tuple[float, float, float, float]:
        return self.inputs, self.hidden, self.outputs, self.samples

    def sample(self, n: int, rng: Rng = None, *, runs: int = 1) -> Spectrum:
        """Draw networks and data and return all eigenvalues of H0.

        The matrix itself, of size n1 (n0 + n2), is not formed: W2 enters by its singular values.

        Parameters
        ----------
        n : int
            Number of hidden units; the other sizes are rounded from their ratios, at least to 1.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent networks.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n1 (n0 + n2)).
        """
        n1 = count("n", n)
        n0, n2, m = (
            max(1, round(n1 * size / self.hidden))
            for size in (self.inputs, self.outputs, self.samples)
        )
        parents = streams(rng, count("runs", runs))
        nodes = np.zeros((runs, n1 * (n0 + n2)))
        for row, stream in zip(nodes, parents, strict=True):
            first = stream.normal(size=(n1, n0)) * math.sqrt(self.first_variance / n0)
            second = stream.normal(size=(n2, n1)) * math.sqrt(self.second_variance / n1)
            x = stream.normal(size=(n0, m)) * math.sqrt(self.data_variance / m)
            if m > n0:
                x = np.asarray(np.linalg.cholesky(x @ x.T))
            w = np.linalg.svd(second, compute_uv=False) ** 2
            still, moving = (first @ x).T @ (first @ x), x.T @ x
            values = np.linalg.eigvalsh(still + w[:, None, None] * moving).ravel()
            if n2 > n1:
                least = np.linalg.eigvalsh(still)[max(0, len(still) - n1) :]
                values = np.concatenate([values, np.tile(least, n2 - n1)])
            row[: values.size] = np.maximum(values, 0.0)  # rounding at zero
        return Spectrum(
            nodes,
            provenance={
                "source": "model",
                "model": type(self).__name__,
                "parameters": asdict(self),
                "sizes": [n0, n1, n2, m],
                "seed": seed_of(parents[0]),
                "rmtland": installed_version(),
            },
        )


@dataclass(frozen=True)
class LinearHessianLaw(Law):
    """Limit law of the Gauss-Newton matrix of a linear network; made by `LinearHessian`.

    Parameters
    ----------
    model : LinearHessian
        Sizes and variances.
    """

    model: LinearHessian

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
    def _second(self) -> MarchenkoPastur:
        """Law of w."""
        model = self.model
        return MarchenkoPastur(
            model.outputs / model.hidden, model.second_variance / model.first_variance
        )

    @cached_property
    def _null(self) -> Law:
        """Law of the eigenvalues other than zero of the component w = 0."""
        return wishart_product(1 / self._v, self._phi, self._v)

    @property
    def _null_rank(self) -> float:
        """Share of them."""
        return min(1.0, self._v, 1 / self._phi)

    @property
    def _moving(self) -> float:
        """Share of the components with w > 0."""
        return min(1.0, self.model.hidden / self.model.outputs)

    @property
    def _share(self) -> float:
        """Eigenvalues of all components, zeros included, per eigenvalue of H0."""
        return self.model.outputs * self.model.inputs / self.model.parameter_count

    # Support -------------------------------------------------------------------------------------

    @cached_property
    def support(self) -> Support:
        """Bands swept by the bands of the components; their edges grow with w."""
        ((first, last),) = self._second.support
        low, high = self._bands(first), self._bands(last)
        n0, n1, _, m = self.model._sizes
        if first <= 0 and n1 < min(n0, m):  # what is left of a band as w decreases to 0
            low = [(0.0, 0.0), *low]
        if len(low) == len(high) == 2:
            bands = [(low[i][0], high[i][1]) for i in range(2)]
        else:
            bands = [(low[0][0], high[-1][1])]
        if self._moving < 1:
            bands += self._null.support
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
            return list(self._null.support)
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
        w, weights = wishart_path(self._second.aspect_ratio, self._second.scale, step)
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
        c = [np.ones_like(z), a1 + b1 - z, a1 * b1 + a2 + b2 + 2 * z, a1 * b2 + a2 * b1 - z,
             np.full_like(z, a2 * b2)]  # fmt: skip
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
        if self._moving < 1:
            share, rank = 1 - self._moving, self._null_rank
            g, slope = self._null._jet(z)
            sums[0] += share * rank * (z * g - 1)
            sums[1] += share * rank * (g + z * slope)
            potential = rank * self._null._log_potential(z) + (1 - rank) * np.log(z)
            sums[2] += share * potential
        return sums[0], sums[1], sums[2]

    # Transforms ----------------------------------------------------------------------------------

    def _away(self, z: Complex) -> tuple[NDArray[np.bool_], Complex]:
        """Where z is not 0, and those points in units."""
        away = z != 0
        return away, z[away] / self._unit

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        away, point = self._away(z)
        g, slope = (np.full(z.shape, complex(np.inf, 0)) for _ in range(2))
        u, rise, _ = self._sums(point)
        value = (1 + self._share * u) / point
        g[away] = value / self._unit
        slope[away] = (self._share * rise - value) / point / self._unit**2
        return g, slope

    def _log_potential(self, z: Complex) -> Complex:
        away, point = self._away(z)
        value = np.full(z.shape, complex(-np.inf, np.pi * self.model.rank))
        components = self._sums(point)[2]
        value[away] = self._share * components + (1 - self._share) * np.log(point)
        return np.asarray(value + math.log(self._unit))

    def _pdf(self, x: Real) -> Real:
        density = np.zeros(x.shape)
        inside = np.zeros(x.shape, dtype=bool)
        for low, high in self.support:
            inside |= (x >= low) & (x <= high)
        density[inside & (x == 0)] = np.inf
        inside &= x != 0
        point = x[inside] / self._unit
        u = self._sums(point.astype(np.complex128))[0]
        density[inside] = np.maximum(-self._share * u.imag / (np.pi * x[inside]), 0.0)
        return density

    def _cdf(self, x: Real) -> Real:
        ((_, atom),) = self.atoms
        bands = self.support
        below = np.where(x < 0, 0.0, atom)
        inside = (x > bands[0][0]) & (x > 0) & (x < bands[-1][1])
        potential = self._log_potential(x[inside].astype(np.complex128))
        below[inside] = np.clip(1 - potential.imag / np.pi, atom, 1.0)
        below[x >= bands[-1][1]] = 1.0
        return below

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        """Against the integral with half the step."""
        away, point = self._away(z)
        error = np.zeros(z.shape)
        u = self._sums(point, _STEP / 2)[0]
        value = (1 + self._share * u) / point / self._unit
        rounding = 2e-15 * (1 + self._share * (1 + np.abs(u))) / np.abs(z[away])
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


@dataclass(frozen=True)
class LinearResidualLaw(Law):
    """Limit law of H1 of a linear network; made by `LinearHessian.residual_law`.

    Parameters
    ----------
    model : LinearHessian
        Sizes and variances.
    epsilon : float
        Energy, > 0: residuals have variance 2 epsilon, independent of everything.
    """

    model: LinearHessian
    epsilon: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", positive("epsilon", self.epsilon))

    @cached_property
    def _squares(self) -> Law:
        """Law of the eigenvalues other than zero of B B^T, B = e X^T / m."""
        model = self.model
        x, y = model.samples / model.inputs, model.samples / model.outputs
        return wishart_product(x, y, model.data_variance * 2 * self.epsilon / (x * y))

    @property
    def _least(self) -> float:
        """The rank of B."""
        return min(self.model.inputs, self.model.outputs, self.model.samples)

    @property
    def _share(self) -> float:
        """The rank of B over n0 + n2."""
        return self._least / (self.model.inputs + self.model.outputs)

    @cached_property
    def support(self) -> Support:
        """Square roots, of both signs, of the support of the squares."""
        upper = [(math.sqrt(low), math.sqrt(high)) for low, high in self._squares.support]
        middle = [(-upper[0][1], upper[0][1])] if upper[0][0] == 0 else []
        outer = upper[len(middle) :]
        return tuple(sorted([(-b, -a) for a, b in outer] + middle + outer))

    @cached_property
    def atoms(self) -> Atoms:
        """The null space: all but twice the least of n0, n2 and m of n0 + n2 directions."""
        mass = 1 - 2 * self._share
        return ((0.0, mass),) if mass > 0 else ()

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        g, slope = np.full((2, z.size), complex(np.inf, 0))
        away = z != 0
        point = z[away]
        inner, rise = self._squares._jet(_squared(point))
        left = point.real < 0
        inner, rise = np.where(left, inner.conj(), inner), np.where(left, rise.conj(), rise)
        u = point**2 * inner - 1
        g[away] = (1 + 2 * self._share * u) / point
        slope[away] = 4 * self._share * (inner + point**2 * rise) - g[away] / point
        return g, slope

    def _log_potential(self, z: Complex) -> Complex:
        with np.errstate(divide="ignore"):
            far = np.log(z)
        potential = self._squares._log_potential(_squared(z))
        potential = np.where(z.real < 0, 2j * np.pi + potential.conj(), potential)
        rest = (1 - 2 * self._share) * far if self._share != 0.5 else 0.0
        return np.asarray(self._share * potential + rest)

    def _pdf(self, x: Real) -> Real:
        with np.errstate(invalid="ignore", over="ignore"):
            density = 2 * self._share * np.abs(x) * self._squares._pdf(x * x)
        return np.where(np.isnan(density), np.inf, density)

    def _cdf(self, x: Real) -> Real:
        # The law of the squares restricted to the outside of (-|x|, |x|), half of it on each side.
        beyond = self._share * (1 - self._squares._cdf(x * x))
        from_left = self._share * (1 - self._squares._mass_below(x * x))
        null = self.atoms[0][1] if self.atoms else 0.0
        return np.where(x < 0, from_left, np.where(x == 0, (1 + null) / 2, 1 - beyond))

    def _exact_moments(self, k: int) -> list[Fraction]:
        squares = self._squares._exact_moments(k // 2)
        size = Fraction(self.model.inputs) + Fraction(self.model.outputs)
        share = 2 * Fraction(self._least) / size
        return [
            Fraction(1) if j == 0 else Fraction(0) if j % 2 else share * squares[j // 2]
            for j in range(k + 1)
        ]


def wishart_product(first: float, second: float, scale: float) -> Law:
    """Law of the eigenvalues other than zero of a product of two free Marchenko-Pastur laws.

    The product has the equation z M = scale (1 + M)(1 + first M)(1 + second M) for M = z G - 1. Its
    eigenvalues other than zero, a share r, have M / r in the place of M: the same equation with
    ratios of at most 1 and no atom, however extreme the ratios of the factors are.

    Parameters
    ----------
    first, second : float
        Aspect ratios of the factors.
    scale : float
        Product of their variances.
    """
    rank = min(1.0, 1 / first, 1 / second)
    low, middle, _ = sorted((rank, rank * first, rank * second))
    return free_product(MarchenkoPastur(low, scale / rank), MarchenkoPastur(middle))


def _moment_of(w: complex | Complex, v: float, g: Complex) -> Complex:
    """Return u = omega g - 1."""
    return np.asarray(w * g + v * g / (1 - g))


def _squared(z: Complex) -> Complex:
    """z^2, mirrored into the closed upper half-plane."""
    square = z * z
    return np.asarray(square.real + 1j * np.abs(square.imag))


@lru_cache(maxsize=32)
def wishart_path(aspect_ratio: float, variance: float, step: float) -> tuple[Complex, Complex]:
    """Nodes below the axis and weights of integrals over the continuous Marchenko-Pastur law.

    On w = c - r cos(theta) the density is (2 s / pi) sin(theta)^2 / w; theta = t - i k sin(t)
    leaves either end at an angle to the axis and to the pole w = 0, which may be close.
    """
    reach = round(_REACH / step)
    knots = step * np.arange(-reach, reach + 1)
    swing = np.pi * np.sinh(knots)
    angle, rest = np.pi / (1 + np.exp(-swing)), np.pi / (1 + np.exp(swing))
    left = knots < 0
    # The angle from the nearer end: theta, or pi - theta.
    theta = np.where(left, angle - 1j * _TILT * np.sin(angle), rest + 1j * _TILT * np.sin(rest))
    root = math.sqrt(aspect_ratio)
    half = 4 * variance * root * np.sin(theta / 2) ** 2
    w = np.where(left, variance * (1 - root) ** 2 + half, variance * (1 + root) ** 2 - half)
    slope = 1 - 1j * _TILT * np.where(left, np.cos(angle), -np.cos(rest))
    rate = angle * rest * np.cosh(knots) * slope
    return w, step * rate * (2 * variance / np.pi) * np.sin(theta) ** 2 / w
