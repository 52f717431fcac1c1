r"""Deconvolution of laws that are known exactly: from moments to a law.

The moments of the missing operand are exact (`rmtland.free.deconvolution.recurrence`), and so are
the first coefficients a_k, b_k of its orthogonal polynomials.

* A :math:`b_k^2 < 0` is a negative Hankel determinant: there is no such law.
* A :math:`b_k^2 = 0` is a law of k atoms, the Gauss quadrature.
* Otherwise all laws with these moments have distribution functions within

  .. math:: \lambda(x) = \Bigl( \sum_{k < K} p_k(x)^2 \Bigr)^{-1}, \quad p_k \text{ orthonormal},

  of each other at every x (Chebyshev, Markov, Stieltjes) [1]_. One of them continues the
  coefficients beyond K: by their limit, where they converge geometrically as they do for one band
  with square roots at its edges; or by a series in 1/k, as for other powers at the edges. The
  result then converges as fast as the coefficients do. Its error is read off the law that the first
  three quarters of the coefficients give.
* Coefficients without a limit (several bands) leave the Gauss quadrature.

References
----------
.. [1] N. I. Akhiezer, The Classical Moment Problem, Oliver and Boyd, 1965, section 2.5.

Examples
--------
>>> from rmtland import Discrete, Semicircle, Uniform, free_sum
>>> sign = Discrete((-1.0, 1.0), (0.5, 0.5))
>>> law = law_of_recurrence(additive_recurrence(free_sum(sign, sign), sign, 6), (-2.0, 2.0))
>>> law.law
Discrete(locations=(-1.0, 1.0), weights=(0.5, 0.5))
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmtland.free.deconvolution.bernstein_szego import BernsteinSzego
from rmtland.free.deconvolution.recurrence import Recurrence, additive_recurrence
from rmtland.laws.discrete import Discrete
from rmtland.laws.law import Law, Real
from rmtland.solution import ConvergenceError

__all__ = ["Recovered", "additive_recurrence", "law_of_recurrence"]

_LONG = 500  # coefficients of a continuation that is not constant
_DOUBT = 10.0  # how often the change by rounding may be exceeded


@dataclass(frozen=True)
class Recovered:
    """A law, its error and bracket in the named distance, and what was assumed."""

    law: Law
    error: float
    bracket: float
    distance: str
    regularisation: str


def law_of_recurrence(
    recurrence: Recurrence, hull: tuple[float, float], *, positive: bool = False
) -> Recovered:
    """Return a law with the given recurrence coefficients.

    Parameters
    ----------
    recurrence : Recurrence
        Coefficients, exact but for the rounding of the parameters they come from.
    hull : (float, float)
        Interval that is known to hold the law.
    positive : bool
        Whether the law must lie on [0, infinity).

    Raises
    ------
    ValueError
        If the coefficients belong to no law.
    """
    a, squares = _usable(recurrence, hull[1] - hull[0])
    if positive:
        _require_positive(a, squares)
    if squares.size == a.size:  # ended by a zero
        return _atoms(recurrence, a, squares, positive)
    found = [
        one
        for series in (False, True)
        if (one := _one_band(a, squares, hull, positive, series=series)) is not None
    ]
    if found:
        return min(found, key=lambda one: one.error)
    nodes, weights = _gauss(a, squares)
    if positive:
        nodes = np.maximum(nodes, 0.0)
    error = _bracket(a, squares, hull)[1]
    return Recovered(
        Discrete(tuple(nodes), tuple(weights)),
        error,
        error,
        "wasserstein",
        f"Gauss quadrature of {nodes.size} nodes from exact moments; their recurrence coefficients "
        "have no limit, so nothing was assumed beyond them",
    )


def _usable(recurrence: Recurrence, width: float) -> tuple[Real, Real]:
    """Coefficients up to where rounding of the parameters decides, or up to a zero."""
    a, squares = recurrence.diagonal, recurrence.squares
    doubt = _DOUBT * recurrence.squares_doubt + 1e-14 * squares[:1].sum()
    for k, (square, unsure) in enumerate(zip(squares, doubt, strict=True), 1):
        if square < -unsure:
            raise ValueError(
                "the deconvolution does not exist: the moments that it would have are not those "
                f"of a law, their Hankel determinant of order {k + 1} is negative "
                f"(b_{k}^2 = {square:.6g})"
                + ("; the variance of the total is below that of the noise" if k == 1 else "")
            )
        if square <= unsure:
            # Zero, if rounding could not have made it from anything of importance.
            if unsure > 1e-6 * max(squares[0], 1e-6 * width**2):
                return a[:k], squares[: k - 1]
            after = abs(squares[k]) if k < squares.size else 0.0
            if not recurrence.closed or after > 1e3 * width**2:
                raise ValueError(
                    "the deconvolution does not exist: the moments that it would have up to order "
                    f"{2 * k} are those of {k} atoms, the following ones are not "
                    f"(a Hankel determinant beyond order {k + 1} is negative)"
                )
            return a[:k], np.append(squares[: k - 1], 0.0)
    return a, squares[: a.size - 1]


def _require_positive(a: Real, squares: Real) -> None:
    """All p_k alternate in sign at 0 for a law on [0, infinity)."""
    ratio = -a[0]
    for k in range(1, a.size):
        ratio = -a[k] - squares[k - 1] / ratio
        if ratio > 1e-9 * (abs(a[k]) + math.sqrt(squares[k - 1])):
            raise ValueError(
                "the deconvolution does not exist: the moments that it would have are those of a "
                f"law that reaches below zero (shifted Hankel determinant of order {k + 1})"
            )
        if ratio == 0:
            return


def _atoms(recurrence: Recurrence, a: Real, squares: Real, positive: bool) -> Recovered:
    """Law of finitely many atoms: the Gauss quadrature is exact."""
    nodes, weights = _gauss(a, squares[:-1])
    # What the doubt of every coefficient moves, as the norm of a perturbation of the matrix.
    k = a.size
    sizes = np.sqrt(np.maximum(squares[:-1], 1e-300))
    move = recurrence.diagonal_doubt[:k].max(initial=0.0)
    move = move + (recurrence.squares_doubt[: k - 1] / sizes).max(initial=0.0)
    last = math.sqrt(abs(recurrence.squares[k - 1]))
    scale = float(np.abs(nodes).max() + np.ptp(nodes))
    error = 8 * k * move + 8 * last * float(weights.min()) ** 0.5 + 1e-14 * scale
    span = float(np.ptp(nodes))
    unit = np.finfo(float).eps * scale * 16
    nodes = np.where(np.abs(nodes) < unit, 0.0, nodes)
    if positive:
        nodes = np.maximum(nodes, 0.0)
    law = Discrete(tuple(nodes), tuple(weights / weights.sum()))
    return Recovered(
        law,
        min(error, span + unit),
        span + unit,
        "wasserstein",
        f"none: the exact moments are those of {k} atoms",
    )


def _gauss(a: Real, squares: Real) -> tuple[Real, Real]:
    """Nodes and weights of the Gauss quadrature."""
    from scipy.linalg import eigh_tridiagonal

    if a.size == 1:
        return a.copy(), np.ones(1)
    nodes, vectors = eigh_tridiagonal(a, np.sqrt(squares))
    weights = np.maximum(vectors[0] ** 2, 1e-300)
    return nodes, weights / weights.sum()


def _one_band(
    a: Real, squares: Real, hull: tuple[float, float], positive: bool, *, series: bool
) -> Recovered | None:
    """Law that continues the coefficients, its error from the first three quarters of them."""
    size = squares.size
    short = (3 * size) // 4
    if short < (9 if series else 1):
        return None
    try:
        full, part, less = (
            _continued(a, squares, k, positive, series) for k in (size, short, size // 2)
        )
        # What the continuation of the first three quarters says of the rest
        known = slice(short, size)
        miss = np.sqrt(_padded(part.squares, size)[known]) - np.sqrt(squares[known])
        drift = _padded(part.diagonal, size)[known] - a[known]
        if max(np.abs(miss).max(), np.abs(drift).max()) > 0.02 * math.sqrt(squares[-1]):
            return None
        cut = _difference(full, _shortened(full)) if series else (0.0, 0.0)
        last, before = _difference(full, part), _difference(part, less)
    except (ConvergenceError, ValueError):
        return None
    brackets = _bracket(a, squares, hull)
    smooth = not any(law.atoms for law in (full, part, less))
    bracket = brackets[0] if smooth else brackets[1]
    width = 1.0 if smooth else hull[1] - hull[0]
    which = 0 if smooth else 1
    # Changes that fall by a factor r leave r / (1 - r) of the last one; a fourfold of it is taken.
    share = min(last[which] / before[which], 0.95) if before[which] > 0 else 0.0
    estimate = 4 * (last[which] / (1 - share) + cut[which]) + 2e-14 * width
    if share == 0.95:
        estimate = max(estimate, 80 * before[which])
    how = "a series in 1/k" if series else "their limit"
    return Recovered(
        full,
        min(bracket, estimate) if size >= 6 else bracket,
        bracket,
        "kolmogorov" if smooth else "wasserstein",
        f"the first {size} recurrence coefficients are exact, the others were continued by {how}: "
        "one band, and a smooth density but for its edges",
    )


def _continued(a: Real, squares: Real, k: int, positive: bool, series: bool) -> BernsteinSzego:
    """Law with the coefficients a_0, ..., a_k and b_1, ..., b_k, and those they suggest."""
    if series:
        diagonal, b = _series(a[: k + 1]), _series(squares[:k], first=1)
    else:
        diagonal, b = a[: k + 1], np.append(squares[:k], squares[k - 1])
    if not b.min() > 0:
        raise ValueError("the continuation is not positive")
    limit = math.sqrt(b[-1])
    if positive and -1e-6 * limit < diagonal[-1] - 2 * limit < 0:
        diagonal = np.append(diagonal[:-1], 2 * limit)
    return BernsteinSzego(tuple(diagonal), tuple(b))


def _shortened(law: BernsteinSzego) -> BernsteinSzego:
    """Law with the second half of the continuation replaced by its end."""
    half = len(law.squares) // 2
    return BernsteinSzego(
        law.diagonal[:half] + law.diagonal[-1:], law.squares[:half] + law.squares[-1:]
    )


def _padded(values: tuple[float, ...], size: int) -> Real:
    array = np.array(values)
    return np.append(array, np.full(max(0, size - array.size), array[-1]))


def _difference(one: BernsteinSzego, other: BernsteinSzego) -> tuple[float, float]:
    """Kolmogorov and Wasserstein distance of two laws, from a grid."""
    places = [place for law in (one, other) for place, _ in law.atoms]
    low = min([law.support[0][0] for law in (one, other)] + places)
    high = max([law.support[0][1] for law in (one, other)] + places)
    t = np.linspace(0, np.pi, 513)
    x = low + (high - low) * np.sin(t / 2) ** 2
    laws = (one, other)
    bands = [law._cdf(x) - sum(mass * (x >= place) for place, mass in law.atoms) for law in laws]
    steps = np.diff(x)

    def area(gap: Real) -> float:
        return float((np.maximum(gap[1:], gap[:-1]) * steps).sum())

    # An atom may be anywhere in its cell of the grid.
    whole = area(np.abs(one._cdf(x) - other._cdf(x)))
    for law in laws:
        for place, mass in law.atoms:
            cell = int(np.clip(np.searchsorted(x, place), 1, steps.size - 1))
            whole += mass * float(steps[cell - 1] + steps[cell])
    gap = np.abs(bands[0] - bands[1])
    if len(one.atoms) == len(other.atoms):
        moved = area(gap)
        for (place, mass), (there, share) in zip(one.atoms, other.atoms, strict=True):
            moved += abs(place - there) * mass + abs(mass - share) * (high - low)
        whole = min(whole, moved)
    return float(gap.max()), whole


def _bracket(a: Real, squares: Real, hull: tuple[float, float]) -> tuple[float, float]:
    """Kolmogorov and Wasserstein distance of any two laws on the hull with these coefficients."""
    middle, half = (hull[0] + hull[1]) / 2, (hull[1] - hull[0]) / 2
    nodes, weights = _gauss(a, squares)
    x = np.sort(np.append(middle - half * np.cos(np.linspace(0, np.pi, 2001)), nodes))
    x = x[(x >= hull[0]) & (x <= hull[1])]
    before, value, total = np.zeros(x.shape), np.ones(x.shape), np.ones(x.shape)
    last = 0.0
    for k, square in enumerate(squares):
        root = math.sqrt(square)
        before, value = value, ((x - a[k]) * value - last * before) / root
        last = root
        total = total + value * value
    width = 1 / total
    area = float((np.maximum(width[1:], width[:-1]) * np.diff(x)).sum())
    return float(max(width.max(), weights.max())), area


def _series(values: Real, *, first: int = 0) -> Real:
    """Continue values v_k by a fit of c_0 + c_2 / k^2 + ... to the second half of them."""
    order = np.arange(first, first + _LONG)
    chosen = order[values.size // 3 : values.size].astype(float)
    powers = np.array([0, 2, 3, 4, 5])
    unit = chosen[-1]
    fit, *_ = np.linalg.lstsq(
        (unit / chosen)[:, None] ** powers, values[-chosen.size :], rcond=None
    )
    rest = order[values.size :]
    return np.append(values, (unit / rest[:, None]) ** powers @ fit)
