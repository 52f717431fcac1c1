r"""Pushforwards: laws of functions of one variable (image measures, functional calculus).

Polynomials are treated here, "sqrt" and "abs" in `rmtland.laws.folded_law`, "inverse" in
`rmtland.laws.inverse_law`.

For X of law :math:`\rho` and a real polynomial p of degree d, the law of p(X) has

.. math::
    \rho_p(x) = \sum_{p(t) = x} \frac{\rho(t)}{|p'(t)|}, \qquad
    G_p(z) = \sum_{i = 1}^d \frac{G(r_i)}{p'(r_i)}, \qquad
    L_p(z) = \log |c_d| + \sum_{i = 1}^d L(r_i) + i \varphi,

with the roots :math:`r_i` of p(r) = z and the leading coefficient :math:`c_d`: partial fractions of
1/(z - p(t)) [1]_, and the factors of z - p(t). A constant :math:`\varphi` settles the branch. At a
real point z = x + i0 a real root is approached from above where p increases and from below where
p decreases. No quadrature is needed. Between its critical points p is monotone, so the
distribution function is a sum of increments of that of X, and an atom at t is one at p(t).

`rmtland.laws.preimages` finds the roots, and says what becomes of the sum where some are close to
each other. The density is unbounded at the critical values of p inside the support, unless that of
X vanishes there.

References
----------
.. [1] P. Henrici, Applied and Computational Complex Analysis, vol. 1, Wiley 1974, section 7.1:
       partial fractions.

Examples
--------
The square of a semicircular variable is free Poisson:

>>> from rmtland.laws import Semicircle, Uniform
>>> law = pushforward(Semicircle(), (0.0, 0.0, 1.0))
>>> law.support, round(law.pdf(1.0), 12), round(law.cdf(1.0), 12)
(((0.0, 4.0),), 0.275664447711, 0.608997781044)

A cubic with a minimum inside the support, where the density is unbounded:

>>> law = pushforward(Uniform(0.5, 2.0), (0.0, -1.0, 0.0, 1.0))
>>> round(law.support[0][0], 10), law.pdf(law.support[0][0])
(-0.3849001795, inf)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import choice, float_array
from rmtland.deprecation import old_names
from rmtland.laws.affine_law import affine
from rmtland.laws.discrete import Discrete
from rmtland.laws.first_check import certify_once
from rmtland.laws.folded_law import AbsoluteLaw, RootLaw
from rmtland.laws.inverse_law import InverseLaw
from rmtland.laws.law import Law
from rmtland.laws.light_tails import cut_tails
from rmtland.laws.monotone_pieces import Branch, MonotonePieces, derivative, polynomial_at
from rmtland.laws.preimages import Preimages
from rmtland.typing import Atoms, Complex, Real, Support

__all__ = ["Pushforward", "pushforward"]

_PLAIN = 200
"""Exponents of two of sizes that are taken in the units they come in."""


def pushforward(law: Law, function: ArrayLike | str | Callable[..., object]) -> Law:
    r"""Return the law of f(X) for X of the given law (image measure, functional calculus).

    .. formula:: Law of a function of a matrix, :math:`f(X)`: :math:`X^2`, :math:`\lvert X \rvert`,
        singular values :math:`\sqrt X` (quarter circle)

    Parameters
    ----------
    law : Law
        The law of X; light tails are cut off (`rmtland.laws.Normal`).
    function : array_like of float, shape (d + 1,), str or callable
        Coefficients of a polynomial, the constant first: f(t) = c_0 + c_1 t + ... + c_d t^d; or
        "sqrt" (singular values, from the squared ones), "abs" (modulus) or "inverse", also as
        NumPy's functions: `numpy.sqrt`, `numpy.abs`, `numpy.reciprocal`, `numpy.square`.

    Returns
    -------
    Law
        A `Discrete` for a law without a density or a constant f; for a polynomial an affine image
        if its degree is one or sizes are extreme, a `Pushforward` else; a `RootLaw`, an
        `AbsoluteLaw` (the law itself where X >= 0) or an `InverseLaw`.

    Raises
    ------
    ValueError
        If a coefficient is not finite, none is given, the support is not bounded, the values are no
        floating-point numbers, the name of a function is not one of these, X has mass below 0 for
        "sqrt", or mass at or beside 0 for "inverse", which is unbounded then.
    TypeError
        If `law` is not a law, or the function is another callable: its inverses are not known.

    See Also
    --------
    rmtland.laws.affine : of degree one.
    rmtland.free.law_of_polynomial : polynomials in several matrices.

    Examples
    --------
    >>> from rmtland.laws import MarchenkoPastur
    >>> pushforward(MarchenkoPastur(1.0), "sqrt").support
    ((0.0, 2.0),)
    """
    law = _operand(law)
    if callable(function):
        function = _known(function)
    if isinstance(function, str):
        return _by_name(law, choice("function", function, tuple(_FUNCTIONS)))
    series = np.trim_zeros(float_array("coefficients", function, ndim=1), "b")
    if series.size <= 1:
        return Discrete((float(series.sum()),), (1.0,))
    if series.size == 2:
        return affine(law, scale=float(series[1]), shift=float(series[0]))
    own, of_values = _units(law, series)
    if (own, of_values) != (0, 0):
        inner = np.ldexp(series, own * np.arange(series.size) - of_values)
        law = affine(law, scale=math.ldexp(1.0, -own))
        return affine(pushforward(law, inner), scale=math.ldexp(1.0, of_values))
    if not law.support:
        atoms = _merged_atoms(law.atoms, series)
        total = math.fsum(mass for _, mass in atoms)
        return Discrete(tuple(p for p, _ in atoms), tuple(m / total for _, m in atoms))
    return Pushforward(law, tuple(series.tolist()))


def _units(law: Law, series: Real) -> tuple[int, int]:
    """Exponents of two of the units of X and of f(X): 0 but for extreme sizes."""
    size = math.frexp(max(map(abs, law.hull)))[1]
    orders = np.flatnonzero(series)
    top = int((np.frexp(series[orders])[1] + size * orders).max())
    if top > 1000 or (top < -1000 and law.support):
        raise ValueError(
            f"the values of the polynomial are of the size 2^{top}, which is no floating-point "
            "number; scale the law or the coefficients first"
        )
    own = min(max(size, -1020), 1020) if abs(size) > _PLAIN else 0
    return own, max(top, -1000) if own or abs(top) > _PLAIN else 0


def _operand(law: object) -> Law:
    """Return a law with ends; refuse what is none."""
    if not isinstance(law, Law):
        raise TypeError(f"law must be a Law; got {law!r}")
    return cut_tails(law)


def _known(function: Callable[..., object]) -> str | tuple[float, ...]:
    """Return the name or the coefficients of a function of NumPy or Python."""
    for name, same in _SAME.items():
        if function in same:
            return name
    if function is np.square:
        return (0.0, 0.0, 1.0)
    raise TypeError(
        "a function of X is given by the coefficients of a polynomial, the constant first, or as "
        f'"sqrt", "abs" or "inverse"; of callables only NumPy\'s are known; got {function!r}'
    )


_SAME: dict[str, tuple[Callable[..., object], ...]] = {
    "sqrt": (np.sqrt, math.sqrt),
    "abs": (np.abs, np.fabs, abs, math.fabs),
    "inverse": (np.reciprocal,),
}

_PLAIN_ROOT = 100
"""Exponents of two of square roots that are found in the units they come in."""

_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "abs": abs,
    "inverse": lambda t: 1 / t,
}


def _by_name(law: Law, name: str) -> Law:
    """Return the law of a function that is no polynomial."""
    if name == "sqrt" and law.hull[0] < 0:
        raise ValueError(f"a square root needs a law on [0, oo); got {law!r} down to {law.hull[0]}")
    if name == "abs" and law.hull[0] >= 0:
        return law
    if name == "sqrt" and law.support:
        half = math.frexp(law.hull[1])[1] // 2
        if abs(half) > _PLAIN_ROOT:  # what is close to zero is so in units of the law
            unit = math.ldexp(1.0, min(max(half, -510), 510))
            return affine(RootLaw(affine(law, scale=1 / unit / unit)), scale=unit)
    if name == "inverse" or law.support:
        kinds: dict[str, Callable[[Law], Law]] = {
            "sqrt": RootLaw,
            "abs": AbsoluteLaw,
            "inverse": InverseLaw,
        }
        found = kinds[name](law)
        if law.support:
            return found
    of = _FUNCTIONS[name]
    return Discrete(tuple(of(p) for p, _ in law.atoms), tuple(mass for _, mass in law.atoms))


@dataclass(frozen=True)
class Pushforward(Law):
    """The law of a polynomial of one variable (functional calculus); made by `pushforward`.

    Parameters
    ----------
    law : Law
        The law of X, which has a density and a bounded support.
    coefficients : tuple of float
        Of the polynomial, the constant first, of degree 2 or more.

    Raises
    ------
    TypeError
        If `law` is not a law, or the coefficients are not real numbers.
    ValueError
        If the support is not bounded, there is no density, a coefficient is not finite or the
        degree is below 2.

    See Also
    --------
    rmtland.laws.pushforward : makes it.
    """

    law: Law
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "law", _operand(self.law))
        series = float_array("coefficients", self.coefficients, ndim=1)
        if series.size < 3 or series[-1] == 0 or not self.law.support:
            raise ValueError(
                "a Pushforward is of a law with a density, by a polynomial of degree 2 or more; "
                f"pushforward makes the others too; got coefficients {series.tolist()} and "
                f"{self.law!r}"
            )
        object.__setattr__(self, "coefficients", tuple(series.tolist()))

    _require_certificate = certify_once

    @cached_property
    def _singular_places(self) -> tuple[float, ...]:
        """Images of critical points, and of what is singular in the law."""
        inner = [end for band in self.law.support for end in band]
        inner += [*self._pieces.nodes, *(place for place, _ in self.law.atoms)]
        places = np.array([*inner, *self.law._singular_places])
        return tuple(np.unique(polynomial_at(self._series, places)).tolist())

    @property
    def degree(self) -> int:
        """Degree of the polynomial."""
        return len(self.coefficients) - 1

    # Monotone pieces -------------------------------------------------------------------------

    @cached_property
    def _pieces(self) -> MonotonePieces:
        ends = np.ravel(self.law.support)
        return MonotonePieces(self._series, (float(ends.min()), float(ends.max())))

    @cached_property
    def _preimages(self) -> Preimages:
        return Preimages(self.law, self._pieces)

    @cached_property
    def _series(self) -> Real:
        return np.array(self.coefficients, dtype=np.float64)

    # The law ---------------------------------------------------------------------------------

    @cached_property
    def _bands(self) -> Support:
        pieces = []
        for low, high in self.law.support:
            inner = self._pieces.nodes[(self._pieces.nodes > low) & (self._pieces.nodes < high)]
            values = polynomial_at(self._series, np.array([low, *inner, high]))
            pieces += [(min(pair), max(pair)) for pair in pairwise(values.tolist())]
        merged: list[list[float]] = []
        for low, high in sorted(pieces):
            if merged and low <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], high)
            else:
                merged.append([low, high])
        return tuple((float(low), float(high)) for low, high in merged)

    @property
    def support(self) -> Support:
        """Images of the intervals of the law."""
        return self._bands

    @cached_property
    def _point_masses(self) -> Atoms:
        return _merged_atoms(self.law.atoms, self._series)

    @property
    def atoms(self) -> Atoms:
        """Images of the atoms of the law; those within rounding of each other are one."""
        return self._point_masses

    def _pdf(self, x: Real) -> Real:
        total = np.zeros(x.shape)
        for branches in self._pieces.branches:
            for branch, here in self._pieces.on(branches, x):
                if here.any():
                    total[here] += self._density_on(branch, self._pieces.roots_on(branch, x[here]))
        return total

    def _density_on(self, branch: Branch, s: Real) -> Real:
        def ratio(s: Real) -> Real:
            slope = np.abs(polynomial_at(branch.series * np.arange(1, self.degree + 1), s))
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(self.law._pdf(branch.end + s) / slope)

        value = ratio(s)
        lost = np.isnan(value) | ((s == 0) & (value == 0) & (branch.series[0] == 0))
        if lost.any():
            # At the end itself: the limit
            near = ratio(branch.length * np.array([1e-10, 1e-8]))
            grows = near[0] > 1.7 * near[1] and near[0] > 0
            value[lost] = np.inf if grows else near[0]
        return value

    def _continuous(self, t: Real) -> Real:
        """Distribution function of X without the atoms."""
        level = np.array(self.law._cdf(t))
        for place, mass in self.law.atoms:
            level -= mass * (t >= place)
        return level

    def _cdf(self, x: Real) -> Real:
        total = np.zeros(x.shape)
        ends = self._continuous(self._pieces.nodes)
        for i, branches in enumerate(self._pieces.branches):
            rising = branches[1].value >= branches[0].value
            # Mass of the cell up to each point: all or nothing outside its range.
            top = max(branches[0].value, branches[1].value)
            total[x > top] += ends[i + 1] - ends[i]
            for branch, here in self._pieces.on(branches, x):
                if here.any():
                    t = branch.end + self._pieces.roots_on(branch, x[here])
                    level = self._continuous(t)
                    total[here] += level - ends[i] if rising else ends[i + 1] - level
        for place, mass in self.atoms:
            total[x >= place] += mass
        top = max([high for _, high in self.support] + [place for place, _ in self.atoms])
        return np.where(x >= top, 1.0, np.clip(total, 0.0, 1.0))

    def _exact_moments(self, k: int) -> list[Fraction]:
        moments = self.law._exact_moments(k * self.degree)
        series = [Fraction(value) for value in self.coefficients]
        power, found = [Fraction(1)], [Fraction(1)]
        for _ in range(k):
            longer = [Fraction(0)] * (len(power) + self.degree)
            for i, a in enumerate(power):
                for j, b in enumerate(series):
                    longer[i + j] += a * b
            power = longer
            found.append(sum((a * m for a, m in zip(power, moments, strict=False)), Fraction(0)))
        return found

    # Transforms ------------------------------------------------------------------------------

    def _at_roots(self, roots: Complex, side: Real) -> tuple[Complex, Complex]:
        """G and G' of the law at roots, each in its half-plane."""
        g, slope = self.law._jet((roots.real + 1j * np.abs(roots.imag)).ravel())
        g, slope = g.reshape(roots.shape), slope.reshape(roots.shape)
        return np.where(side > 0, g, g.conj()), np.where(side > 0, slope, slope.conj())

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        roots, side = self._preimages.roots(z)
        first = derivative(self._series)
        p1, p2 = polynomial_at(first, roots), polynomial_at(derivative(first), roots)
        g, slope = self._at_roots(roots, side)
        with np.errstate(all="ignore"):
            terms = g / p1
            slopes = slope / p1**2 - g * p2 / p1**3
            value, change = terms.sum(axis=1), slopes.sum(axis=1)
        for i, t, middle, inside in self._preimages.groups(roots):
            weight = self._at_roots(t, np.where(t.imag < 0, -1.0, 1.0))[0] * (t - middle)
            distance = polynomial_at(self._series, t) - z[i]
            value[i] = np.mean(weight / distance) + terms[i, ~inside].sum()
            change[i] = np.mean(weight / distance**2) + slopes[i, ~inside].sum()
        infinite = np.isinf(g).any(axis=1) | (p1 == 0).any(axis=1)
        lost = infinite & ~np.isfinite(value)
        value[lost], change[lost] = np.inf, np.inf
        outside = z.imag == 0
        for low, high in self.support:
            outside &= (z.real < low) | (z.real > high)
        # Real there: what complex roots leave of an imaginary part is rounding.
        value.imag[outside], change.imag[outside] = 0.0, 0.0
        return value, change

    def _log_potential(self, z: Complex) -> Complex:
        roots, side = self._preimages.roots(z)
        logs = self.law._log_potential((roots.real + 1j * np.abs(roots.imag)).ravel())
        logs = logs.reshape(roots.shape)
        total = np.where(side > 0, logs, logs.conj()).sum(axis=1)
        lead = self._series[-1]
        # z - p(t) has an argument in (0, pi); the arguments of r_i - t are counted by half-planes.
        phase = (lead > 0) - (self.degree % 2) * (1.0 if lead > 0 else -1.0)
        value = np.asarray(total + math.log(abs(lead)) + 1j * np.pi * phase)
        real = z.imag == 0
        value.imag[real] = np.pi * (1 - self._cdf(z[real].real))
        return value

    def _accuracy(self, z: Complex, g: Complex) -> tuple[Real, Real]:
        roots, side = self._preimages.roots(z)
        first = derivative(self._series)
        p1, p2 = (
            np.abs(polynomial_at(first, roots)),
            np.abs(polynomial_at(derivative(first), roots)),
        )
        flat = (roots.real + 1j * np.abs(roots.imag)).ravel()
        stated = np.asarray(self.law.solve(flat, throw=False).error).reshape(roots.shape)
        values, slopes = (np.abs(part) for part in self._at_roots(roots, side))
        sizes = polynomial_at(np.abs(self._series), np.abs(roots))
        with np.errstate(all="ignore"):
            moved = 4e-15 * sizes / p1  # of a root
            terms = stated / p1 + moved * (slopes / p1 + values * p2 / p1**2)
            terms = terms + 1e-15 * values / p1
        for i, t, middle, inside in self._preimages.groups(roots):
            inner = self.law.solve(t.real + 1j * np.abs(t.imag), throw=False)
            distance = np.abs(polynomial_at(self._series, t) - z[i])
            blur = 4e-15 * polynomial_at(np.abs(self._series), np.abs(t)) / distance
            around = np.abs(t - middle) * (np.abs(inner.value) * blur + inner.error) / distance
            terms[i, inside] = np.mean(around)
        with np.errstate(all="ignore"):
            error = 2 * terms.sum(axis=1)
            residual = error / np.abs(g)
        exact = np.isinf(g)
        lost = ~np.isfinite(error) & ~exact
        error, residual = np.where(lost, np.inf, error), np.where(lost, np.inf, residual)
        return np.where(exact, 0.0, residual), np.where(exact, 0.0, error)


def _merged_atoms(atoms: Sequence[tuple[float, float]], series: Real) -> Atoms:
    """Atoms at their images, together where these differ by rounding only."""
    places = np.array([place for place, _ in atoms])
    values, sizes = polynomial_at(series, places), polynomial_at(np.abs(series), np.abs(places))
    found: list[list[float]] = []
    slack = 0.0
    for i in np.argsort(values, kind="stable"):
        if found and values[i] - found[-1][0] <= 2e-15 * max(slack, float(sizes[i])):
            found[-1][1] += atoms[i][1]
        else:
            found.append([float(values[i]) + 0.0, atoms[i][1]])
        slack = float(sizes[i])
    return tuple((place, mass) for place, mass in found)


__getattr__ = old_names(
    __name__,
    {
        "Image": "rmtland.laws.pushforward:Pushforward",
        "image": "rmtland.laws.pushforward:pushforward",
    },
)
