r"""Mixtures: convex combinations of laws.

.. math::
    \rho = \sum_i w_i \rho_i, \qquad G = \sum_i w_i G_i, \qquad L = \sum_i w_i L_i, \qquad
    m_k = \sum_i w_i m_{k, i} :

the law of a block-diagonal matrix whose blocks have the laws :math:`\rho_i` and the shares
:math:`w_i` of its dimension. Everything linear in the law is a sum; R- and S-transforms are not,
and are found by inversion (`rmtland.laws.inversion`).

References
----------
.. [1] G. McLachlan and D. Peel, Finite Mixture Models, Wiley 2000, section 1.4.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur, Semicircle
>>> law = mixture([Semicircle(), MarchenkoPastur(2.0)], [0.25, 0.75])
>>> law.atoms, law.mean()
(((0.0, 0.375),), 0.75)
>>> law.cdf(0.0)
0.5
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from rmtland.laws.affine_law import affine
from rmtland.laws.discrete import Discrete, probability_weights
from rmtland.laws.law import Atoms, Complex, Law, Real, Support
from rmtland.laws.pointwise import upper_half_plane
from rmtland.laws.quantiles import quantiles_within
from rmtland.solution import Solution, Status

__all__ = ["Mixture", "mixture"]


def mixture(laws: Sequence[Law], weights: ArrayLike) -> Law:
    """Return the convex combination of laws.

    Parameters
    ----------
    laws : sequence of Law
        At least one law. Mixtures among them are opened, equal laws are put together.
    weights : array_like of float, shape (len(laws),)
        Positive weights that sum to 1 within rounding.

    Returns
    -------
    Law
        A `Mixture`; a single law as it is; a `Discrete` where all laws are discrete.

    Raises
    ------
    ValueError
        If there is no law, or the weights do not fit.
    TypeError
        If something is not a law.

    See Also
    --------
    rmtland.free.free_sum : sums of matrices, not of densities.
    """
    parts: dict[Law, float] = {}
    for law, weight in zip(*_checked(laws, weights), strict=True):
        for part, share in law._parts() if isinstance(law, Mixture) else [(law, 1.0)]:
            parts[part] = parts.get(part, 0.0) + weight * share
    if len(parts) == 1:
        return next(iter(parts))
    if all(isinstance(part, Discrete) for part in parts):
        masses = [(x, w * m) for part, w in parts.items() for x, m in part.atoms]
        return Discrete(tuple(x for x, _ in masses), tuple(m for _, m in masses))
    return Mixture(tuple(parts), tuple(parts.values()))


@dataclass(frozen=True)
class Mixture(Law):
    """Mixture of laws (convex combination, compound law); made by `mixture`.

    Parameters
    ----------
    laws : tuple of Law
        The components.
    weights : tuple of float
        Positive weights that sum to 1 within rounding; rescaled to sum to 1.

    Raises
    ------
    ValueError
        If there is no law, or the weights do not fit.
    TypeError
        If something is not a law.

    See Also
    --------
    rmtland.laws.mixture : makes it.
    """

    laws: tuple[Law, ...]
    weights: tuple[float, ...]

    def _require_certificate(self) -> None:
        for law in self.laws:
            law._require_certificate()

    def __post_init__(self) -> None:
        laws, weights = _checked(self.laws, self.weights)
        object.__setattr__(self, "laws", laws)
        object.__setattr__(self, "weights", weights)

    @property
    def support(self) -> Support:
        """Union of the intervals of the components; those that touch are one."""
        merged: list[tuple[float, float]] = []
        for low, high in sorted(piece for law in self.laws for piece in law.support):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        return tuple(merged)

    @property
    def _singular_places(self) -> tuple[float, ...]:
        """Ends of the bands of the components, and what is singular inside them."""
        ends = {end for law in self.laws for band in law.support for end in band}
        return tuple(sorted(ends.union(*(law._singular_places for law in self.laws))))

    @property
    def atoms(self) -> Atoms:
        """Atoms of the components with their weights; equal locations are one."""
        masses: dict[float, float] = {}
        for law, weight in self._parts():
            for place, mass in law.atoms:
                masses[place] = masses.get(place, 0.0) + weight * mass
        return tuple(sorted(masses.items()))

    def _affine_image(self, scale: float, shift: float) -> Law | None:
        parts = tuple(affine(part, scale=scale, shift=shift) for part in self.laws)
        return Mixture(parts, self.weights)

    def _parts(self) -> list[tuple[Law, float]]:
        return list(zip(self.laws, self.weights, strict=True))

    def _jet(self, z: Complex) -> tuple[Complex, Complex]:
        jets = [(weight, *law._jet(z)) for law, weight in self._parts()]
        with np.errstate(invalid="ignore"):
            g = _sum([(weight, value) for weight, value, _ in jets])
            slope = _sum([(weight, value) for weight, _, value in jets])
        torn = np.isnan(g.real) & ~np.isnan([value.real for _, value, _ in jets]).any(axis=0)
        if torn.any():  # infinities of both signs, where two intervals meet
            step = np.spacing(np.abs(z[torn]) + 1e-300)
            g[torn], slope[torn] = self._jet(z[torn] + 1j * step)
        return g, slope

    def _stieltjes(self, z: Complex) -> Complex:
        with np.errstate(invalid="ignore"):
            g = _sum([(weight, law._stieltjes(z)) for law, weight in self._parts()])
        return self._jet(z)[0] if np.isnan(g.real).any() else g

    def _solution(self, z: ArrayLike) -> Solution:
        """Solve every component: weighted errors, the worst residual and status, all steps.

        Parameters and result are those of `Law.solve`.
        """
        flat, shape = upper_half_plane(z)
        solutions = [law.solve(flat, throw=False) for law in self.laws]
        value, _ = self._value_or_nan(flat)
        residual, error = np.zeros(flat.shape), 1e-15 * np.abs(value)
        steps = np.zeros(flat.shape, dtype=np.int64)
        for weight, part in zip(self.weights, solutions, strict=True):
            residual = np.maximum(residual, part.residual)
            error = error + (np.inf if part.error is None else weight * part.error)
            steps += part.steps
        error = np.where(np.isinf(value), np.where(residual < np.inf, 0.0, np.inf), error)
        error[np.isnan(value)] = np.inf
        status = Status.CONVERGED if all(s.converged for s in solutions) else Status.NOT_CONVERGED
        return Solution(
            value.reshape(shape),
            status,
            residual.reshape(shape),
            steps.reshape(shape),
            error.reshape(shape),
        )

    def _log_potential(self, z: Complex) -> Complex:
        return _sum([(weight, law._log_potential(z)) for law, weight in self._parts()])

    def _pdf(self, x: Real) -> Real:
        return np.asarray(sum(weight * law._pdf(x) for law, weight in self._parts()))

    def _cdf(self, x: Real) -> Real:
        below = sum(weight * law._cdf(x) for law, weight in self._parts())
        return np.where(x >= self.hull[1], 1.0, np.minimum(below, 1.0))

    def _mass_below(self, x: Real) -> Real:
        below = sum(weight * law._mass_below(x) for law, weight in self._parts())
        return np.where(x > self.hull[1], 1.0, np.minimum(below, 1.0))

    def _sf(self, x: Real) -> Real:
        above = sum(weight * law._sf(x) for law, weight in self._parts())
        return np.where(x < self.hull[0], 1.0, np.minimum(above, 1.0))

    def _ppf(self, q: Real) -> Real:
        # Cut at every atom and edge of a component, where the density may be unbounded.
        cuts = sorted(
            {
                *(edge for law in self.laws for piece in law.support for edge in piece),
                *(place for place, _ in self.atoms),
            }
        )
        lowers, uppers = self._mass_below(np.array(cuts)), self._cdf(np.array(cuts))
        x = np.full_like(q, cuts[-1])
        left = np.ones(q.shape, dtype=bool)
        for k, cut in enumerate(cuts):
            if k and lowers[k] > uppers[k - 1]:
                here = left & (q <= lowers[k]) & (q > uppers[k - 1])
                if here.any():
                    x[here] = quantiles_within(self, q[here], cuts[k - 1], cut)
                left &= ~here
            here = left & (q <= uppers[k]) & ((k == 0) | (uppers[k] > lowers[k]))
            x[here] = cut
            left &= ~here
        return x

    def _exact_moments(self, k: int) -> list[Fraction]:
        weights = [Fraction(weight) for weight in self.weights]
        columns = zip(*(law._exact_moments(k) for law in self.laws), strict=True)
        total = sum(weights)
        return [
            sum((w * m for w, m in zip(weights, column, strict=True)), Fraction(0)) / total
            for column in columns
        ]


def _checked(laws: Sequence[Law], weights: ArrayLike) -> tuple[tuple[Law, ...], tuple[float, ...]]:
    if isinstance(laws, Law):
        raise TypeError("mixture takes a sequence of laws; got a single law")
    laws = tuple(laws)
    if not laws:
        raise ValueError("mixture needs at least one law")
    for law in laws:
        if not isinstance(law, Law):
            raise TypeError(f"mixture takes laws; got {law!r}")
    return laws, tuple(probability_weights(weights, len(laws)).tolist())


def _sum(terms: list[tuple[float, Complex]]) -> Complex:
    """Weighted sum by parts: infinity in one part must not make the other NaN."""
    total = np.zeros_like(terms[0][1])
    for weight, value in terms:
        total.real += weight * value.real
        total.imag += weight * value.imag
    return total
