r"""Index and mass below a point from products alone, with intervals that cover the truth.

The fraction of negative eigenvalues (index, Morse index over p) of a matrix too large to form is
the mean, over random probes, of the mass that the spectral measure of a probe has below 0.
Gaussian probes make that mean a fraction of known law (`rmtland.estimate.beta_law`), Lanczos with
a Gauss-Radau node at 0 brackets it (`rmtland.estimate.radau`), and both together give an interval
that holds. Plain stochastic Lanczos quadrature states the scatter of the probes alone, which
misses the truth by several times itself.

Ritz values interlace with the eigenvalues (Cauchy): k of them below 0 prove k negative eigenvalues.

Where the matrix is there or small, its inertia is exact and cheaper (`rmtland.spectrum.inertia`).

References
----------
.. [1] G. H. Golub and G. Meurant, Matrices, Moments and Quadrature with Applications, Princeton
       University Press 2010.
.. [2] T. Chen, T. Trogdon and S. Ubaru, Analysis of stochastic Lanczos quadrature for spectrum
       approximation, ICML 2021.

Examples
--------
>>> import numpy as np
>>> values = np.linspace(-0.25, 0.75, 20000)
>>> found = negative_fraction(lambda v: values * v, size=20000, rng=0)
>>> round(found.value, 4), [round(end, 4) for end in found.interval]
(0.2489, [0.2453, 0.2525])
>>> found.interval[0] <= 0.25 <= found.interval[1]
True
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Unpack

import numpy as np

from rmtland.arguments import choice, count, finite, positive
from rmtland.arrays import ROUNDING_UNITS
from rmtland.estimate.beta_law import beta_interval, intervals, wilson
from rmtland.estimate.lanczos import Tridiagonal
from rmtland.estimate.operators import SymmetricOperator, symmetric_operator
from rmtland.estimate.probes import KrylovOptions, KrylovQuadratures, ProbeRuns
from rmtland.estimate.progress import Interrupted
from rmtland.estimate.quadratures import checked_options
from rmtland.estimate.radau import gauss, mean_split, rounding_of_nodes
from rmtland.spectrum import inertia
from rmtland.streams import random_generator
from rmtland.typing import Operator, Rng

__all__ = ["MassEstimate", "estimated_mass", "mass_below", "negative_fraction"]

_METHODS = ("auto", "lanczos", "inertia")
_LARGEST_INERTIA = 8192
_PRODUCT = 16.0
"""Products with all unit vectors, and matrices that were summed in single precision, are off by
this many rounding units of the Frobenius norm; entries rounded once are by less than one unit."""
_RITZ = 1e3
"""Ritz values are known up to this many rounding units of the operator's size, generously."""
_IMPOSSIBLE = 1 - 1e-9
"""Level at which probes contradict a number of eigenvalues that was given."""


@dataclass(frozen=True, repr=False)
class MassEstimate:
    """Fraction of the eigenvalues below a point, and how far it may be off.

    Made by `rmtland.estimate.mass_below` and `rmtland.estimate.negative_fraction`.

    Parameters
    ----------
    value : float
        The estimate. Eigenvalues at the point itself are not counted where their number is known
        (a nullity was given, or the method is exact), and count one half otherwise. Inertia of a
        matrix or of products in single or half precision leaves small eigenvalues open: see
        `interval`.
    interval : (float, float)
        Calibrated interval of what `value` estimates, at the level `confidence`. Mass that the
        quadrature leaves at the point beyond that of its neighbours (an atom there or close by,
        eigenvalues far closer to the point than the nodes) is in it whole.
    rigorous : (float, float)
        Interval that holds at that level whatever the spectrum. It covers the fraction strictly
        below the point, and that with the eigenvalues at the point (without them where their number
        is known).
    confidence : float
        The level.
    bracket : (float, float)
        What the quadratures leave to the mean mass of these probes.
    standard_error : float
        From the choice of the probes; 0 for an exact method.
    at_point : float
        Upper end for the fraction of eigenvalues at the point (the resolution there), at the level
        of the interval; the fraction itself where the method is exact.
    at_least, at_most : int
        Numbers of eigenvalues below the point that Ritz values prove.
    size : int
        Order p of the matrix.
    method : {"lanczos", "inertia"}
        How it was found.
    probes, steps, products : int
        What was spent.
    """

    value: float
    interval: tuple[float, float]
    rigorous: tuple[float, float]
    confidence: float
    bracket: tuple[float, float]
    standard_error: float
    at_point: float
    at_least: int
    at_most: int
    size: int
    method: str
    probes: int
    steps: int
    products: int

    @property
    def width(self) -> float:
        """Width of the calibrated interval."""
        return self.interval[1] - self.interval[0]

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        digits = max(3, int(np.ceil(-np.log10(max(self.width, 1e-12)))) + 1)

        def pair(ends: tuple[float, float]) -> str:
            return f"[{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"

        if self.method == "inertia":
            rest = f"to {self.interval[1]:.6g} with those that rounding may hide"
            known = "exact" if self.width == 0.0 else rest
            return f"MassEstimate({self.value:.6g}, {known}, size {self.size})"
        doubtful = ""
        if self.rigorous[1] - self.rigorous[0] >= self.at_point > self.width / 2 > 0.005:
            doubtful = (
                f", a fraction of up to {self.at_point:.2f} at the point counted one half: give "
                "its number (nullity)"
            )
        return (
            f"MassEstimate({self.value:.{digits}f}, {100 * self.confidence:g} % interval "
            f"{pair(self.interval)}, rigorous {pair(self.rigorous)}, {self.probes} probes x "
            f"{self.steps} steps{doubtful})"
        )


def negative_fraction(
    operator: Operator,
    *,
    probes: int = 10,
    steps: int = 80,
    rng: Rng = None,
    nullity: int | None = None,
    width: float | None = None,
    max_products: int | None = None,
    confidence: float = 0.95,
    method: str = "auto",
    size: int | None = None,
    **options: Unpack[KrylovOptions],
) -> MassEstimate:
    """Estimate the fraction of negative eigenvalues (the index), with intervals.

    .. formula:: Index from products: Beta law of Gaussian probes, Wilson's interval

    Parameters
    ----------
    operator : anything that multiplies
        See `symmetric_operator`.
    probes : int, optional
        Gaussian probes, to begin with.
    steps : int, optional
        Lanczos steps of each, to begin with.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    nullity : int, optional
        Number of eigenvalues that are zero, where it is known: they are not counted then.
    width : float, optional
        Width of the calibrated interval that is wanted: steps and probes are added, whichever
        narrows it more, until it is reached. All bases stay in memory meanwhile.
    max_products : int, optional
        End of that; twenty times the products of the beginning by default.
    confidence : float, optional
        Level of the intervals.
    method : {"auto", "lanczos", "inertia"}, optional
        "inertia" factorises the matrix, which p products form where it is not there; "auto" does
        where that is cheaper, up to p = 8192.
    size : int, optional
        Order of the matrix, for a function.
    **options
        Of `krylov_quadratures`: together, reorthogonalize, basis, checkpoint, executor, progress.

    Returns
    -------
    MassEstimate
        Value, intervals, and what was spent.

    Raises
    ------
    Interrupted
        On Ctrl-C; `partial` holds the estimate by then.
    ValueError, TypeError
        For an operator that is none, options out of range, or a nullity that the eigenvalues
        contradict.
    MemoryError
        If the basis does not fit.

    Warns
    -----
    UserWarning
        If the width is not reached within `max_products`.

    See Also
    --------
    rmtland.estimate.mass_below : any other point.
    rmtland.spectrum.inertia : exact, for matrices.
    rmtland.comparison.measure : all of this at once.

    References
    ----------
    .. [1] E. B. Wilson, Probable inference, the law of succession, and statistical inference, J.
           Amer. Statist. Assoc. 22 (1927) 209-212.
    """
    return mass_below(
        operator,
        0.0,
        probes=probes,
        steps=steps,
        rng=rng,
        at_point=nullity,
        width=width,
        max_products=max_products,
        confidence=confidence,
        method=method,
        size=size,
        **options,
    )


def mass_below(
    operator: Operator,
    x: float,
    *,
    probes: int = 10,
    steps: int = 80,
    rng: Rng = None,
    at_point: int | None = None,
    width: float | None = None,
    max_products: int | None = None,
    confidence: float = 0.95,
    method: str = "auto",
    size: int | None = None,
    **options: Unpack[KrylovOptions],
) -> MassEstimate:
    r"""Estimate the fraction of eigenvalues below a point: the distribution function, at one x.

    .. formula:: Gauss-Radau node, :math:`\tilde\alpha = x + \beta_k^2/d_k(x)`;
        Chebyshev-Markov-Stieltjes brackets
        :by: rmtland.estimate.radau.radau

    Parameters
    ----------
    operator : anything that multiplies
        See `symmetric_operator`.
    x : float
        The point.
    probes, steps, rng
        As in `negative_fraction`.
    at_point : int, optional
        Number of eigenvalues that are x, where it is known: they are not counted then.
    width, max_products, confidence, method, size
        As in `negative_fraction`.
    **options
        Of `krylov_quadratures`.

    Returns
    -------
    MassEstimate
        Value, intervals, and what was spent.

    Raises
    ------
    Interrupted, ValueError, TypeError, MemoryError
        As in `negative_fraction`.

    See Also
    --------
    rmtland.estimate.negative_fraction : below zero.
    rmtland.estimate.distribution_band : many points together.

    References
    ----------
    .. [1] G. H. Golub, Some modified matrix eigenvalue problems, SIAM Review 15 (1973) 318-334.
    """
    found = symmetric_operator(operator, size=size)
    x = finite("x", x)
    probes, steps = count("probes", probes), count("steps", steps)
    choice("method", method, _METHODS)
    confidence = positive("confidence", confidence)
    if confidence >= 1:
        raise ValueError(f"confidence must be below 1; got {confidence}")
    if at_point is not None:
        at_point = count("nullity", at_point, min_value=0)
        if at_point > found.size:
            raise ValueError(f"a nullity of {at_point} is more than the size {found.size}")
    budget = None if max_products is None else count("max_products", max_products)
    wanted = None if width is None else positive("width", width)
    random_generator(rng)  # what is wrong is refused whatever the method
    checked_options(options)
    if method == "inertia" or (method == "auto" and _inertia_is_cheaper(found, probes * steps)):
        return _by_inertia(found, x, at_point, confidence)
    try:
        with ProbeRuns(found, rng=rng, keep=wanted is not None, **options) as runs:
            runs.add(probes, steps)
            estimate = estimated_mass(runs.quadratures(), found, x, at_point, confidence)
            limit = 20 * probes * steps if budget is None else budget
            while wanted is not None and estimate.width > wanted:
                if not _narrow(runs, estimate, wanted, limit):
                    warnings.warn(
                        f"the interval is {estimate.width:.3g} wide after {estimate.products} "
                        f"products, {wanted:.3g} was asked for; give more max_products than "
                        f"{limit}, or a nullity if eigenvalues are at the point",
                        UserWarning,
                        stacklevel=2,
                    )
                    break
                estimate = estimated_mass(runs.quadratures(), found, x, at_point, confidence)
            return estimate
    except Interrupted as error:
        if error.partial is not None:
            error.partial = estimated_mass(error.partial, found, x, at_point, confidence)
        raise


def _inertia_is_cheaper(operator: SymmetricOperator, products: int) -> bool:
    """Whether to factorise: p^3/3 operations against products of 2 p^2, or p products at most."""
    if operator.size > _LARGEST_INERTIA:
        return False
    return operator.size <= (products if operator.matrix is None else 6 * products)


def _by_inertia(
    operator: SymmetricOperator, x: float, at_point: int | None, confidence: float
) -> MassEstimate:
    """Count by Sylvester's law of inertia."""
    before = operator.products
    matrix, size = operator.dense(), operator.size
    is_single = operator.given_in != "float64"
    rounding = max(size * float(np.finfo(float).eps), ROUNDING_UNITS[operator.given_in])
    if operator.matrix is None or is_single:  # each product with a unit vector, or sum, is rounded
        rounding = max(rounding, _PRODUCT * float(np.finfo(operator.dtype).eps))
    tolerance = rounding * max(float(np.linalg.norm(matrix)), abs(x))
    negative, zero, _, _ = inertia(matrix, x, zero_tolerance=tolerance)
    doubtful = 0
    if at_point is not None:
        doubtful = zero - at_point
        if doubtful < 0:
            raise ValueError(
                f"{at_point} eigenvalues at {x:g} were given, but only {zero} of {size} are within "
                f"{tolerance:.2g} of it: give fewer, or method='lanczos' if the products are not "
                "exact"
            )
    elif is_single:
        doubtful = zero  # small eigenvalues of either sign are lost in numbers so coarse
    value, top = negative / size, (negative + doubtful) / size
    return MassEstimate(
        value=value,
        interval=(value, top),
        rigorous=(value, top),
        confidence=confidence,
        bracket=(value, top),
        standard_error=0.0,
        at_point=zero / size,
        at_least=negative,
        at_most=negative + doubtful,
        size=size,
        method="inertia",
        probes=0,
        steps=0,
        products=operator.products - before,
    )


def _narrow(runs: ProbeRuns, estimate: MassEstimate, wanted: float, limit: int) -> bool:
    """Add steps or probes, whichever narrows the interval more; say whether there was room."""
    steps, probes = estimate.steps, estimate.probes
    sampling = 2 * 1.96 * estimate.standard_error
    truncation = max(estimate.width - sampling, 0.0)
    goes_on = not all(one.is_exhausted for one in runs.quadratures().tridiagonals)
    if truncation >= sampling and steps < runs.operator.size and goes_on:
        further = min(steps + max(1, steps // 2), runs.operator.size)
        if estimate.products + probes * (further - steps) > limit:
            return False
        runs.extend(further)
        return True
    room = (limit - estimate.products) // steps
    target = max(wanted - truncation, 0.3 * wanted)
    more = int(np.ceil(probes * ((sampling / target) ** 2 - 1)))
    more = min(max(more, 1), probes, room)
    if more < 1:
        return False
    runs.add(more, steps)
    return True


def _proved(tridiagonals: list[Tridiagonal], x: float, unit: float) -> tuple[int, int]:
    """Most Ritz values of one probe that are below x, and above it."""
    below = above = 0
    for one in tridiagonals:
        nodes, _ = gauss(one)
        margin = _RITZ * unit * max(np.abs(nodes).max(), abs(x))
        below = max(below, int(np.count_nonzero(nodes < x - margin)))
        above = max(above, int(np.count_nonzero(nodes > x + margin)))
    return below, above


def estimated_mass(
    found: KrylovQuadratures,
    operator: SymmetricOperator,
    x: float,
    at_point: int | None,
    confidence: float,
) -> MassEstimate:
    """Turn the Jacobi matrices of Gaussian probes into an estimate of the mass below a point.

    Parameters
    ----------
    found : KrylovQuadratures
        The Jacobi matrices.
    operator : SymmetricOperator
        What they belong to, for its precision.
    x : float
        The point.
    at_point : int or None
        Known number of eigenvalues at x.
    confidence : float
        Level of the intervals.

    Returns
    -------
    MassEstimate
    """
    known = 0.0 if at_point is None else at_point / found.size
    split = mean_split(found.tridiagonals, x, rounding=rounding_of_nodes(operator.dtype))
    value, rigorous, calibrated = intervals(
        split, found.draws, confidence=confidence, nullity=known
    )
    below, above = _proved(found.tridiagonals, x, float(np.finfo(operator.dtype).eps))
    if at_point is not None and below + above + at_point > found.size:
        raise ValueError(
            f"{at_point} eigenvalues at {x:g} were given, but Ritz values prove that {below} are "
            f"below and {above} above it, of {found.size} altogether"
        )
    seen = beta_interval(split.at, found.draws, confidence=_IMPOSSIBLE)[1]
    if known > seen + 1e-9:
        raise ValueError(
            f"{at_point} eigenvalues at {x:g} were given, but the probes see at most "
            f"{int(seen * found.size)} of {found.size} there: give fewer"
        )
    least, most = below / found.size, (found.size - above - (at_point or 0)) / found.size
    at = float(wilson(split.at, found.draws, confidence=2 * confidence - 1)[1])

    def within(ends: tuple[float, float]) -> tuple[float, float]:
        low, high = (min(max(end, least), most) for end in ends)
        return low, high

    return MassEstimate(
        value=min(max(value, least), most),
        interval=within(calibrated),
        rigorous=within(rigorous),
        confidence=confidence,
        bracket=(split.below, split.below + split.at),
        standard_error=float(np.sqrt(max(value * (1 - value), 0.0) / found.draws)),
        at_point=min(at, 1 - (below + above) / found.size),
        at_least=below,
        at_most=found.size - above - (at_point or 0),
        size=found.size,
        method="lanczos",
        probes=found.probes,
        steps=max(len(one.alpha) for one in found.tridiagonals),
        products=found.products,
    )
