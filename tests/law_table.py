"""The table of laws that every invariant is tested over, and Hypothesis strategies beside it.

A new law is appended to `LAWS`; the invariants then run over it. Beside the table stands what the
tests need of a law and compute apart from it: quadrature, points, moments from free cumulants.
"""

from __future__ import annotations

import functools
import math
import warnings
from itertools import pairwise
from typing import NamedTuple

import flint
import mpmath
import numpy as np
from hypothesis import strategies as st

from rmtland import (
    MarchenkoPastur,
    Semicircle,
    WishartPlusReluBlock,
    WishartPlusWigner,
    free_compression,
    free_power,
    free_product,
    free_sum,
)
from rmtland.free import FreeLevy, general_marchenko_pastur
from rmtland.free.subordination.subordinated_law import SubordinatedLaw
from rmtland.laws import (
    Affine,
    AffineLevy,
    Arcsine,
    Discrete,
    EmpiricalLaw,
    FreeMeixner,
    FreePoisson,
    FussCatalan,
    JacobiWeight,
    KestenMcKay,
    Law,
    LevyLaw,
    LevyTriplet,
    Mixture,
    Normal,
    TracyWidom,
    Uniform,
    Wachter,
    affine,
    mixture,
    pushforward,
    tilted,
    truncated,
)

TAGS = {
    "atoms": "point masses beside or inside the bands",
    "bands": "several bands, with gaps between them",
    "no density": "point masses alone",
    "unbounded": "a density that is infinite at an edge or inside",
    "step": "a density that ends with a step",
    "near critical": "a gap about to close, or an edge about to meet 0",
    "solver": "no closed form: found by an iteration",
    "wide range": "parameters over many decades",
}
"""What makes a law hard; a closed set (tests/test_law_table.py)."""


class LawCase(NamedTuple):
    """A law of the table, what it is known to have, and what makes it hard."""

    name: str
    law: Law
    intervals: int = 1
    atoms: int = 0
    hard: tuple[str, ...] = ()

    @property
    def tags(self) -> frozenset[str]:
        """Tags from `TAGS`: those given, and those that follow from the rest."""
        found = set(self.hard)
        found |= {"atoms"} if self.atoms and self.intervals else set()
        found |= {"bands"} if self.intervals > 1 else set()
        found |= {"no density"} if not self.intervals else set()
        found |= {"solver"} if isinstance(self.law, SubordinatedLaw) else set()
        return frozenset(found)


def tagged(*tags: str) -> list[LawCase]:
    """Cases of the table with at least one of the tags."""
    unknown = set(tags) - set(TAGS)
    assert not unknown, f"unknown tags {unknown}"
    return [case for case in LAWS if case.tags & set(tags)]


def levy(*, drift=0.0, variance=0.0, rates=(), jumps=()):
    return FreeLevy(LevyTriplet(drift, variance, rates, jumps))


# At phi = 2 the two intervals of Wishart + Wigner meet: f = 1 has a double root between the poles 0
# and 2 where the cube roots of their weights, 2 epsilon and 2, add up to that of 2^2.
GAP_CLOSES = (4 ** (1 / 3) - 2 ** (1 / 3)) ** 3 / 2

LAWS: list[LawCase] = [
    LawCase("semicircle", Semicircle(0.3, center=-1.7)),
    LawCase("semicircle, wide", Semicircle(2.5e4, center=3.0)),
    LawCase("semicircle, narrow", Semicircle(1e-6, center=0.4)),
    LawCase("marchenko-pastur", MarchenkoPastur(0.3, 0.7)),
    LawCase("marchenko-pastur, square", MarchenkoPastur(1.0, 1.9), hard=("unbounded",)),
    LawCase(
        "marchenko-pastur, nearly square", MarchenkoPastur(1 - 1e-9, 0.6), hard=("near critical",)
    ),
    LawCase("marchenko-pastur, atom", MarchenkoPastur(2.5, 0.6), atoms=1),
    LawCase("marchenko-pastur, 1e-3", MarchenkoPastur(1e-3, 40.0), hard=("wide range",)),
    LawCase("marchenko-pastur, 1e3", MarchenkoPastur(1e3, 0.02), atoms=1, hard=("wide range",)),
    LawCase("wishart + wigner", free_sum(MarchenkoPastur(0.5, 0.8), Semicircle(0.6))),
    LawCase("wishart + wigner, two intervals", WishartPlusWigner(1.93, 0.0088).law, intervals=2),
    LawCase(
        "wishart + wigner, phi 1e3",
        WishartPlusWigner(1e3, 0.3, 0.9).law,
        intervals=2,
        hard=("wide range",),
    ),
    LawCase("wishart + wigner, far apart", WishartPlusWigner(50.0, 1e-3, 0.9).law, intervals=2),
    LawCase(
        "wishart + wigner, at the threshold",
        WishartPlusWigner(0.5, 0.0112712429690).law,
        hard=("near critical",),
    ),
    LawCase(
        "wishart + wigner, gap about to close",
        WishartPlusWigner(2.0, GAP_CLOSES * (1 - 1e-6)).law,
        intervals=2,
        hard=("near critical",),
    ),
    LawCase(
        "wishart + wigner, gap just closed",
        WishartPlusWigner(2.0, GAP_CLOSES * 1.0001).law,
        hard=("near critical",),
    ),
    LawCase("relu block", WishartPlusReluBlock(0.5, 0.3, 0.7).law),
    LawCase("relu block, phi 1", WishartPlusReluBlock(1.0, 0.4, 1.3).law, hard=("unbounded",)),
    LawCase(
        "relu block, unbounded density",
        WishartPlusReluBlock(2.0, 0.4, 1.3).law,
        intervals=2,
        hard=("unbounded",),
    ),
    LawCase("relu block, atom", WishartPlusReluBlock(4.0, 0.4, 1.3).law, intervals=2, atoms=1),
    LawCase("relu block, residual part", WishartPlusReluBlock(0.7, 0.4, 1.3).residual_law),
    LawCase("relu block, residual part, phi 1", WishartPlusReluBlock(1.0, 0.4).residual_law),
    LawCase("negative jump", levy(rates=(0.6,), jumps=(-1.4,)), atoms=1),
    LawCase("negative jump and noise", levy(variance=0.05, rates=(2.2,), jumps=(-0.7,))),
    LawCase(
        "drift and atom away from zero",
        levy(drift=-2.3, rates=(0.2, 0.3), jumps=(-0.8, 1.7)),
        intervals=2,
        atoms=1,
    ),
    LawCase(
        "four intervals",
        levy(drift=0.5, variance=0.01, rates=(0.1, 0.15, 0.1), jumps=(-6.0, 4.0, 15.0)),
        intervals=4,
    ),
    LawCase(
        "five intervals",
        levy(drift=0.25, rates=(0.1, 0.2, 0.1, 0.1, 0.05), jumps=(-20.0, -5.0, 2.0, 8.0, 40.0)),
        intervals=5,
        atoms=1,
    ),
    LawCase(
        "unbounded density at a drift",
        levy(drift=1.25, rates=(0.25, 0.75), jumps=(-1.0, 6.0)),
        intervals=2,
        hard=("unbounded",),
    ),
    LawCase("free poisson", FreePoisson(1.7, 0.6)),
    LawCase("free poisson, negative jump", FreePoisson(0.4, -1.3), atoms=1),
    LawCase("free poisson, rate 1", FreePoisson(1.0, -0.8), hard=("unbounded",)),
    LawCase("free poisson, rate 1e3", FreePoisson(1e3, 0.02), hard=("wide range",)),
    LawCase("arcsine", Arcsine(-1.0, 2.5), hard=("unbounded",)),
    LawCase("uniform", Uniform(-0.5, 2.0), hard=("step",)),
    LawCase("kesten-mckay", KestenMcKay(3.3)),
    LawCase("kesten-mckay, atoms", KestenMcKay(1.4), atoms=2),
    LawCase("kesten-mckay, arcsine", KestenMcKay(2.0), hard=("unbounded",)),
    LawCase("wachter", Wachter(0.4, 0.7)),
    LawCase("wachter, atoms at both ends", Wachter(1.5, 1.8), atoms=2),
    LawCase("wachter, unbounded at 0", Wachter(1.0, 0.3), hard=("unbounded",)),
    LawCase("wachter, unbounded at 1", Wachter(0.6, 1.0), hard=("unbounded",)),
    LawCase("wachter, 1e-3 and 900", Wachter(1e-3, 900.0), atoms=1, hard=("wide range",)),
    LawCase("wachter, projection", Wachter(3.0, 4.0), intervals=0, atoms=2),
    LawCase("free meixner", FreeMeixner(0.7, 0.4)),
    LawCase("free meixner, atom", FreeMeixner(-2.0, 0.3), atoms=1),
    LawCase("free meixner, two atoms", FreeMeixner(0.4, -0.8), atoms=2),
    LawCase("free meixner, unbounded", FreeMeixner(1.0, 0.0), hard=("unbounded",)),
    LawCase("free meixner, gamma", FreeMeixner(1.4, 0.49)),
    LawCase("free meixner, nearly gamma", FreeMeixner(1.4, 0.49 + 1e-6), hard=("near critical",)),
    LawCase("free meixner, two points", FreeMeixner(0.6, -1.0), intervals=0, atoms=2),
    LawCase("fuss-catalan", FussCatalan(2.0), hard=("unbounded",)),
    LawCase("fuss-catalan, 0.4", FussCatalan(0.4), hard=("unbounded",)),
    LawCase("fuss-catalan, 5", FussCatalan(5.0), hard=("unbounded",)),
    LawCase("jacobi weight", JacobiWeight(1.5, 0.3, -0.6, 2.2)),
    LawCase("jacobi weight, unbounded", JacobiWeight(0.7, -0.8, 0.0, 3.0), hard=("unbounded",)),
    LawCase(
        "jacobi weight, large exponents", JacobiWeight(40.0, 7.0, -1.2, 1.5), hard=("wide range",)
    ),
    LawCase("discrete", Discrete((-1.0, 0.25, 3.0), (0.2, 0.5, 0.3)), intervals=0, atoms=3),
    LawCase(
        "empirical", EmpiricalLaw(np.random.default_rng(3).normal(size=40)), intervals=0, atoms=40
    ),
    LawCase(
        "mixture",
        mixture(
            [Semicircle(0.3, 2.0), MarchenkoPastur(2.5, 0.6), Uniform(-2, -1)], [0.3, 0.5, 0.2]
        ),
        intervals=2,
        atoms=1,
    ),
    LawCase(
        "mixture, atom inside",
        mixture([Arcsine(-1.0, 1.0), Discrete((0.3,), (1.0,))], [0.6, 0.4]),
        atoms=1,
    ),
    LawCase("affine", affine(KestenMcKay(1.4), scale=0.7, shift=1.3), atoms=2),
    LawCase("affine, mirrored", affine(Wachter(1.5, 0.8), scale=-1.7, shift=0.45), atoms=1),
    LawCase("affine, levy", affine(MarchenkoPastur(2.5, 0.6), scale=-0.7, shift=0.3), atoms=1),
    LawCase("semicircle + uniform", free_sum(Semicircle(0.2), Uniform(-0.5, 2.0))),
    LawCase("arcsine + marchenko-pastur", free_sum(Arcsine(-1, 2.5), MarchenkoPastur(0.5, 0.8))),
    LawCase(
        "three signs", free_sum(*[Discrete((-1.0, 1.0), (0.5, 0.5))] * 3, method="subordination")
    ),
    LawCase(
        "five points + semicircle",
        free_sum(
            Discrete((-4.0, -1.5, 0.5, 2.0, 5.0), (0.1, 0.3, 0.2, 0.25, 0.15)), Semicircle(0.02)
        ),
        intervals=5,
    ),
    LawCase(
        "sum with an atom",
        free_sum(Discrete((0.5, 2.0), (0.8, 0.2)), FreePoisson(0.4, 1.2)),
        atoms=1,
    ),
    LawCase(
        "marchenko-pastur x marchenko-pastur",
        free_product(MarchenkoPastur(0.5, 0.8), MarchenkoPastur(0.3, 1.4)),
    ),
    LawCase(
        "arcsine x marchenko-pastur", free_product(Arcsine(0.5, 2.0), MarchenkoPastur(0.4, 0.9))
    ),
    LawCase(
        "product with an atom",
        free_product(Discrete((0.0, 1.0, 3.0), (0.3, 0.4, 0.3)), MarchenkoPastur(0.2, 1.3)),
        intervals=2,
        atoms=1,
    ),
    LawCase("free power", free_power(Uniform(-0.5, 2.0), 2.6)),
    LawCase("free compression", free_compression(Wachter(0.4, 0.7), 0.35)),
    LawCase("signs to the power 1.5", free_power(Discrete((-1.0, 1.0), (0.5, 0.5)), 1.5), atoms=2),
    LawCase(
        "sum of two atomic laws",
        free_sum(Discrete((0.0, 1.0), (0.3, 0.7)), Discrete((0.0, 2.0, 3.0), (0.6, 0.2, 0.2))),
        intervals=3,
        atoms=1,
    ),
    LawCase(
        "product with a null space",
        free_product(MarchenkoPastur(2.0, 0.9), MarchenkoPastur(0.5, 1.1)),
        atoms=1,
    ),
    LawCase(
        "two populations",
        general_marchenko_pastur(Discrete((1.0, 10.0), (0.6, 0.4)), 0.05),
        intervals=2,
    ),
    LawCase("truncated", truncated(Semicircle(0.3, 1.0), 0.5, 1.7), hard=("step",)),
    LawCase("truncated, one side", truncated(MarchenkoPastur(2.5, 0.6), 0.8), hard=("step",)),
    LawCase(
        "truncated, atom kept",
        truncated(MarchenkoPastur(2.5, 0.6), 0.0, 1.9),
        atoms=1,
        hard=("step",),
    ),
    LawCase("truncated normal", truncated(Normal(0.5, 0.2), -1.0, 2.0), hard=("step",)),
    LawCase("tilted", tilted(Semicircle(0.3, 1.0), np.exp)),
    LawCase("tilted, atoms", tilted(KestenMcKay(1.4), np.exp), atoms=2),
    LawCase("tilted, atom gone", tilted(MarchenkoPastur(2.5, 0.6), np.square)),
    LawCase(
        "cubic of a semicircle", pushforward(Semicircle(0.3, center=1.5), (0.0, 1.0, 0.2, 0.1))
    ),
]


# Without ends: half of what is tested over `LAWS` does not apply, see tests/laws/test_normal.py.
UNBOUNDED: list[Law] = [
    Normal(4.0, -1.0),
    Normal(1e-4, 3.0),
    Normal(0.7, 1e3),
    *(TracyWidom(beta) for beta in (1, 2, 4)),
]


def kinds() -> list[LawCase]:
    """One case of each kind: class, atoms or none, one band, several or none, infinite densities.

    For what depends on the class and the branches of its methods, not on numbers: which arguments
    they take and what they return.
    """
    found: dict[tuple[object, ...], LawCase] = {}
    for case in LAWS:
        kind = type(case.law), case.atoms > 0, min(case.intervals, 2), "unbounded" in case.tags
        found.setdefault(kind, case)
    return list(found.values())


# What is computed apart from a law ---------------------------------------------------------------


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def integral(law: Law, function, *, low=-math.inf, high=math.inf):
    """Integral of function * density over [low, high] without atoms, and its error estimate.

    Adaptive Gauss quadrature of every smooth piece in v, x = a + (b - a)/(1 + exp(-v)), where
    algebraic ends decay exponentially: a panel is halved until its halves agree with it. The law is
    asked for each density once, however many functions are integrated.
    """
    value, error = 0.0, 0.0
    tolerance = max(1e-15, blur(law) / 100)
    for start, end in pieces(law):
        a, b = max(start, low), min(end, high)
        if a >= b:
            continue

        def panels(left, right, a=a, b=b):
            x, density, weights = _panels(law, a, b, left.tobytes(), right.tobytes())
            return (function(x) * density * weights).sum(axis=1)

        left = np.arange(-_reach(law, a), _reach(law, b), 5.0)
        right = left + 5
        whole = panels(left, right)
        for _ in range(30):
            middle = (left + right) / 2
            halves = np.array([panels(left, middle), panels(middle, right)])
            miss = np.abs(whole - halves.sum(axis=0))
            split = miss > tolerance * (1 + np.abs(value))
            value = value + halves[:, ~split].sum()
            error += miss[~split].sum()
            left, right = (
                np.concatenate([left[split], middle[split]]),
                np.concatenate([middle[split], right[split]]),
            )
            whole = halves[:, split].ravel()
            if left.size == 0:
                break
        value, error = value + whole.sum(), error + np.abs(whole).sum()
    return value, float(error)


@functools.lru_cache(4096)
def _panels(law: Law, a: float, b: float, left: bytes, right: bytes):
    """Points of panels in v on each piece [a, b], and the density and weight at each."""
    ends = np.frombuffer(left)[:, None], np.frombuffer(right)[:, None]
    middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    v = middle + half * _NODES
    share, rest = 1 / (1 + np.exp(-v)), 1 / (1 + np.exp(v))
    x = np.where(v < 0, a + (b - a) * share, b - (b - a) * rest)
    density = np.asarray(law.pdf(x), dtype=float)
    # Infinite only where x was rounded onto an end, see `blur`.
    density = np.where(np.isinf(density), 0.0, density)
    return x, density, (b - a) * share * rest * half * _WEIGHTS


def expectation(law: Law, function, *, high=math.inf):
    """Mean of a function over the law in (-infinity, high], atoms included, and its error."""
    value, error = integral(law, function, high=high)
    atoms = [(place, mass) for place, mass in law.atoms if place <= high]
    if atoms:
        places, masses = np.array(atoms).T
        value = value + (function(places) * masses).sum()
    return value, error


def _reach(law: Law, end: float) -> float:
    """How far to go in v: to exp(-420) where the density may grow like |x|^-0.8 at 0."""
    if isinstance(law, FussCatalan | JacobiWeight) and end == 0:
        return 420.0
    inside = any(low < end < high for low, high in law.support)
    return 45.0 if inside and isinstance(law, FreeLevy) else 80.0  # |x - drift|^(-1/3)


@functools.cache  # both are asked for with every integral
def pieces(law: Law) -> list[tuple[float, float]]:
    """Intervals on whose inside the density is smooth."""
    cuts = {law.levy.drift} if isinstance(law, LevyLaw) else set()
    parts = law.laws if isinstance(law, Mixture) else [law]
    cuts |= {end for part in parts for band in part.support for end in band}
    cuts |= {place for place, _ in law.atoms}
    return [
        piece
        for low, high in law.support
        for piece in pairwise(sorted({low, high, *(cut for cut in cuts if low < cut < high)}))
    ]


@functools.cache
def blur(law: Law) -> float:
    """Mass that the rounding of x moves where the density is unbounded: sqrt(ulp) at an edge."""
    ends = {end for piece in pieces(law) for end in piece if end and np.isinf(law.pdf(end))}
    edges = {end for band in law.support for end in band} if isinstance(law, LevyLaw) else ends
    total = 4 * sum(math.sqrt(np.spacing(abs(end)) / width(law)) for end in ends & edges)
    # The density is of the order |x - c|^(-1/3) at a drift inside.
    return total + 4 * 2.0 ** (-52 * 2 / 3) * len(ends - edges)


def ends(law: Law) -> tuple[float, float]:
    """Least and largest point of the law."""
    places = [*np.ravel(law.support), *(place for place, _ in law.atoms)]
    return float(min(places)), float(max(places))


def width(law: Law) -> float:
    """Length of the convex hull of the continuous part; of the atoms where there is none."""
    if law.support:
        return law.support[-1][1] - law.support[0][0]
    low, high = ends(law)
    return high - low


def interior(law: Law, n: int = 9, *, closest: float = 1e-7) -> np.ndarray:
    """Points of every interval: spread over it, and as close to both edges as `closest` of it."""
    near = np.geomspace(closest, 1e-2, 4)
    shares = np.concatenate([near, np.sin(np.linspace(0.1, np.pi - 0.1, n) / 2) ** 2, 1 - near])
    shares.sort()
    x = np.concatenate([[], *(low + (high - low) * shares for low, high in law.support)])
    x = x[~np.isin(x, [place for place, _ in law.atoms])]
    return x[np.isfinite(law.pdf(x))]


def gaps(law: Law) -> np.ndarray:
    """Points off the law: left of it, between its intervals and atoms, right of it."""
    atoms = [
        (place, place)
        for place, _ in law.atoms
        if not any(low <= place <= high for low, high in law.support)
    ]
    w = width(law)
    between = [0.7 * a + 0.3 * b for (_, a), (b, _) in pairwise(sorted([*law.support, *atoms]))]
    low, high = ends(law)
    return np.array([low - 2 * w, low - 0.01 * w, *between, high + 0.01 * w, high + 2 * w])


def terms(law, h) -> np.ndarray:
    """Sum of the moduli of the terms of H(h), and of h H'(h): the unit of rounding of H(h) = z."""
    triplet = law.levy
    h = np.asarray(h, dtype=complex)
    size = np.abs(h) + abs(triplet.drift) + triplet.variance / np.abs(h)
    slope = 1 + triplet.variance / np.abs(h) ** 2
    for rate, jump in zip(triplet.rates, triplet.jumps, strict=True):
        size = size + rate * abs(jump) * np.abs(h / (h - jump))
        slope = slope + rate * jump**2 / np.abs(h - jump) ** 2
    return size + np.abs(h) * slope


def noncrossing_partitions(elements: tuple[int, ...]):
    """All non-crossing partitions, as lists of blocks."""
    if not elements:
        yield []
        return
    first, rest = elements[0], elements[1:]
    for mask in range(2 ** len(rest)):
        block = [first] + [e for i, e in enumerate(rest) if mask >> i & 1]
        pieces, piece = [], []
        for e in rest:
            if e in block:
                pieces.append(tuple(piece))
                piece = []
            else:
                piece.append(e)
        pieces.append(tuple(piece))
        partitions = [[block]]
        for piece in pieces:
            partitions = [
                left + right for left in partitions for right in noncrossing_partitions(piece)
            ]
        yield from partitions


def moment_by_partitions(cumulants, k: int) -> float:
    """m_k = sum over non-crossing partitions of the product of free cumulants of its blocks."""
    return math.fsum(
        math.prod(cumulants[len(block) - 1] for block in partition)
        for partition in noncrossing_partitions(tuple(range(k)))
    )


# The same at 40 digits, from the polynomial in h = 1/G ----------------------------------------


def _exact_parts(law):
    """Shift, poles t and weights s of H(h) = h + shift + sum of s/(h - t), to full precision."""
    triplet = law.levy
    jumps = [mpmath.mpf(j) for j in triplet.jumps]
    rates = [mpmath.mpf(r) for r in triplet.rates]
    poles = [*jumps, *([mpmath.mpf(0)] if triplet.variance else [])]
    weights = [r * j * j for r, j in zip(rates, jumps, strict=True)]
    weights += [mpmath.mpf(triplet.variance)] if triplet.variance else []
    shift = triplet.drift + mpmath.fsum(r * j for r, j in zip(rates, jumps, strict=True))
    return shift, poles, weights, rates, jumps


def _product(factors):
    """Coefficients of a product of polynomials, highest power first."""
    result = [mpmath.mpf(1)]
    for factor in factors:
        long = [mpmath.mpf(0)] * (len(result) + len(factor) - 1)
        for i, a in enumerate(result):
            for j, b in enumerate(factor):
                long[i + j] += a * b
        result = long
    return result


def _total(polynomials):
    """Coefficients of a sum of polynomials, highest power first."""
    size = max(map(len, polynomials))
    padded = [[mpmath.mpf(0)] * (size - len(p)) + list(p) for p in polynomials]
    return [mpmath.fsum(column) for column in zip(*padded, strict=True)]


def exact_roots(coefficients):
    """Roots in the working precision of mpmath; coefficients from the highest power on.

    Simple ones are isolated by ball arithmetic, which proves them; multiple ones it refuses.
    """
    precision = flint.ctx.prec
    flint.ctx.prec = 2 * (mpmath.mp.prec + 400)
    try:
        polynomial = flint.acb_poly([_ball(c) for c in reversed(coefficients)])
        balls = polynomial.roots(tol=flint.arb((1, -mpmath.mp.prec - 400)), maxprec=5000)
    except ValueError:
        with warnings.catch_warnings():
            # mpmath 1.4 warns of the order of the coefficients, mpmath 1.3 knows no other.
            warnings.simplefilter("ignore", DeprecationWarning)
            return mpmath.polyroots(coefficients, maxsteps=2000, extraprec=400)
    finally:
        flint.ctx.prec = precision
    return [
        _middle(ball.real)
        if ball.imag.contains(0)
        else mpmath.mpc(_middle(ball.real), _middle(ball.imag))
        for ball in balls
    ]


def _ball(number):
    """The same number, exactly."""
    parts = []
    for part in (mpmath.re(number), mpmath.im(number)):
        sign, digits, exponent, _ = mpmath.mpf(part)._mpf_
        parts.append(flint.arb((-int(digits) if sign else int(digits), int(exponent))))
    return flint.acb(*parts)


def _middle(ball):
    digits, exponent = ball.mid().man_exp()
    return mpmath.ldexp(mpmath.mpf(int(digits)), int(exponent))


def exact_reciprocal(law, z):
    """h = 1/G(z + i0) at 40 digits: the root of the polynomial in the upper half-plane.

    None at real points where all roots are real, outside the support.
    """
    with mpmath.workdps(40):
        shift, poles, weights, _, _ = _exact_parts(law)
        z = mpmath.mpmathify(z)
        lines = [[mpmath.mpf(1), -t] for t in poles]
        polynomials = [_product([[mpmath.mpf(1), shift - z], *lines])]
        for i, s in enumerate(weights):
            polynomials.append([s * c for c in _product(lines[:i] + lines[i + 1 :])])
        roots = exact_roots(_total(polynomials))
        h = max(roots, key=lambda root: mpmath.im(root))
        return +h if mpmath.im(z) or mpmath.im(h) > mpmath.mpf(10) ** -25 * abs(h) else None


def exact_density(law, x):
    with mpmath.workdps(40):
        h = exact_reciprocal(law, x)
        return mpmath.mpf(0) if h is None else -mpmath.im(1 / h) / mpmath.pi


def exact_cdf(law, x):
    """1 - Im L(x)/pi inside the support, L = log h + v/(2 h^2) + sum r [y - log(1 + y)]."""
    with mpmath.workdps(40):
        h = exact_reciprocal(law, x)
        _, _, _, rates, jumps = _exact_parts(law)
        potential = mpmath.log(h) + mpmath.mpf(law.levy.variance) / (2 * h * h)
        for r, j in zip(rates, jumps, strict=True):
            potential += r * (j / (h - j) - (mpmath.log(h) - mpmath.log(h - j)))
        return 1 - mpmath.im(potential) / mpmath.pi


def exact_edges(law):
    """Real critical values of H at 40 digits, of the critical points where sum s/(h-t)^2 = 1."""
    with mpmath.workdps(40):
        shift, poles, weights, _, _ = _exact_parts(law)
        squares = [_product([[mpmath.mpf(1), -t]] * 2) for t in poles]
        polynomials = [_product(squares)]
        for i, s in enumerate(weights):
            polynomials.append([-s * c for c in _product(squares[:i] + squares[i + 1 :])])
        roots = exact_roots(_total(polynomials))
        tiny = mpmath.mpf(10) ** -15
        scale = max(abs(root) for root in roots)
        real = sorted(
            mpmath.re(root)
            for root in roots
            if abs(mpmath.im(root)) < tiny * max(abs(root), tiny * scale)
        )
        # H' does not change its sign at a double root: no edge.
        for i in reversed(range(len(real) - 1)):
            if real[i + 1] - real[i] < tiny * scale:
                del real[i : i + 2]
                break
        return [
            h + shift + mpmath.fsum(s / (h - t) for s, t in zip(weights, poles, strict=True))
            for h in real
        ]


def exact_stieltjes(law, z):
    """G(z + i0) at 40 digits from a closed form, or polished from the law's own value; or None."""
    with mpmath.workdps(40):
        z = mpmath.mpmathify(z)
        return _EXACT[type(law)](law, z) if type(law) in _EXACT else None


def _exact_levy(law, z):
    h = exact_reciprocal(law, z)
    return _polished(law, z, lambda g: _exact_inverse(law, g) - z) if h is None else 1 / h


def _exact_inverse(law, g):
    """R(g) + 1/g of a law with a rational R-transform."""
    triplet = law.levy
    value = triplet.drift + triplet.variance * g + 1 / g
    for rate, jump in zip(triplet.rates, triplet.jumps, strict=True):
        value += mpmath.mpf(rate) * jump / (1 - mpmath.mpf(jump) * g)
    return value


def _polished(law, z, equation):
    """Root of an equation next to the value of the law."""
    start = mpmath.mpc(law.stieltjes(complex(z)))
    start = mpmath.re(start) if mpmath.im(start) == 0 else start
    return mpmath.mpc(mpmath.findroot(equation, start, tol=1e-60, maxsteps=200, verify=False))


def _exact_jacobi(law, z):
    low, high = mpmath.mpf(law.low), mpmath.mpf(law.high)
    if mpmath.im(z) == 0 and low < mpmath.re(z) < high:
        z = z + mpmath.mpf(10) ** -38 * 1j
    u = (high - low) / (z - low)
    f = mpmath.hyp2f1(1, mpmath.mpf(law.beta) + 1, mpmath.mpf(law.alpha) + law.beta + 2, u)
    return f / (z - low)


def _exact_marchenko_pastur(law, z):
    s, phi = mpmath.mpf(law.scale), mpmath.mpf(law.aspect_ratio)
    low, high = s * (1 - mpmath.sqrt(phi)) ** 2, s * (1 + mpmath.sqrt(phi)) ** 2
    return (z - s * (1 - phi) - _root(z, low, high)) / (2 * s * phi * z)


def _exact_free_poisson(law, z):
    rate, jump = mpmath.mpf(law.rate), mpmath.mpf(law.jump)
    ends = sorted([jump * (1 - mpmath.sqrt(rate)) ** 2, jump * (1 + mpmath.sqrt(rate)) ** 2])
    return (z - jump * (rate - 1) - _root(z, *ends)) / (2 * jump * z)


def _exact_semicircle(law, z):
    v, w = mpmath.mpf(law.variance), z - mpmath.mpf(law.center)
    return (w - _root(w, -2 * mpmath.sqrt(v), 2 * mpmath.sqrt(v))) / (2 * v)


def _exact_meixner(law, z):
    a, b = mpmath.mpf(law.a), mpmath.mpf(law.b)
    s = mpmath.sqrt(1 + b)
    # z - a = h + (1 + b)/h, and 1/G = z - 1/h
    h = (z - a + _root(z, a - 2 * s, a + 2 * s)) / 2
    return 1 / (z - 1 / h)


def _exact_kesten_mckay(law, z):
    d = mpmath.mpf(law.degree)
    e = 2 * mpmath.sqrt(d - 1)
    return ((2 - d) * z + d * _root(z, -e, e)) / (2 * (z - d) * (z + d))


def _exact_wachter(law, z):
    p, q = 1 / mpmath.mpf(law.aspect_ratio), 1 / mpmath.mpf(law.other_ratio)
    if p + q <= 1:
        return p / (z - 1) + (1 - p) / z
    ends = [
        ((mpmath.sqrt(p * (p + q - 1)) + sign * mpmath.sqrt(q)) / (p + q)) ** 2 for sign in (-1, 1)
    ]
    line = (p + q - 2) * z + 1 - p
    return (line - (p + q) * _root(z, *ends)) / (2 * z * (1 - z))


def _exact_fuss_catalan(law, z):
    s = mpmath.mpf(law.order)
    return _polished(law, z, lambda g: z * g - 1 - g * mpmath.exp(s * mpmath.log(z * g)))


def _exact_mixture(law, z):
    parts = [exact_stieltjes(part, z) for part in law.laws]
    if None in parts:
        return None
    total = mpmath.fsum(mpmath.mpf(w) for w in law.weights)
    return mpmath.fsum(w * part for w, part in zip(law.weights, parts, strict=True)) / total


def _exact_affine(law, z):
    pulled = (z - mpmath.mpf(law.shift)) / mpmath.mpf(law.scale)
    inner = exact_stieltjes(law.law, pulled if law.scale > 0 else mpmath.conj(pulled))
    if inner is None:
        return None
    return (inner if law.scale > 0 else mpmath.conj(inner)) / law.scale


def _exact_points(law, z):
    masses = [mpmath.mpf(m.numerator) / m.denominator for m in law._exact_masses()]
    return mpmath.fsum(m / (z - mpmath.mpf(x)) for (x, _), m in zip(law.atoms, masses, strict=True))


def _root(z, low, high):
    """sqrt((z - low)(z - high)), like z at infinity, at z + i0."""
    return mpmath.sqrt(z - low) * mpmath.sqrt(z - high)


_EXACT = {
    FreeLevy: _exact_levy,
    Semicircle: _exact_semicircle,
    MarchenkoPastur: _exact_marchenko_pastur,
    FreePoisson: _exact_free_poisson,
    Arcsine: lambda law, z: 1 / _root(z, mpmath.mpf(law.low), mpmath.mpf(law.high)),
    Uniform: lambda law, z: (
        (mpmath.log(z - mpmath.mpf(law.low)) - mpmath.log(z - mpmath.mpf(law.high)))
        / (mpmath.mpf(law.high) - mpmath.mpf(law.low))
    ),
    KestenMcKay: _exact_kesten_mckay,
    FreeMeixner: _exact_meixner,
    Wachter: _exact_wachter,
    FussCatalan: _exact_fuss_catalan,
    JacobiWeight: _exact_jacobi,
    Discrete: _exact_points,
    EmpiricalLaw: _exact_points,
    Mixture: _exact_mixture,
    Affine: _exact_affine,
    AffineLevy: _exact_affine,
}


# Hypothesis: the whole admissible range ----------------------------------------------------------


def decades(low: float, high: float):
    """Positive floats, uniform in the exponent."""
    return st.floats(math.log10(low), math.log10(high)).map(lambda e: min(max(10.0**e, low), high))


phis = st.one_of(decades(1e-3, 1e3), st.sampled_from([1e-3, 0.5, 1.0, 2.0, 4.0, 1e3]))
energies = st.one_of(st.just(0.0), decades(1e-6, 1e3), st.sampled_from([1e-6, 1e3]))
sigmas = st.one_of(st.just(1.0), decades(1e-3, 1e3))
models = st.builds(
    lambda kind, phi, epsilon, sigma: kind(phi, epsilon, sigma),
    st.sampled_from([WishartPlusWigner, WishartPlusReluBlock]),
    phis,
    energies,
    sigmas,
)


@st.composite
def near_critical_models(draw):
    """Models whose energy is the critical one but for a relative 1e-9..1e-1, above or below."""
    kind = draw(st.sampled_from([WishartPlusWigner, WishartPlusReluBlock]))
    phi, sigma = draw(decades(1e-3, 0.99)), draw(sigmas)
    share = draw(decades(1e-9, 0.1)) * draw(st.sampled_from([-1, 1]))
    return kind(phi, kind(phi, 1.0, sigma).critical_energy * (1 + share), sigma)


@st.composite
def triplets(draw):
    """Levy triplets with up to five jumps of either sign; rates may sum to exactly 1."""
    count = draw(st.integers(0, 5))
    rates = draw(st.lists(decades(1e-2, 1e2), min_size=count, max_size=count))
    if count and draw(st.booleans()):
        rates = [2.0**-i for i in range(1, count)] + [2.0 ** -(count - 1)]
    jumps = [draw(decades(1e-2, 1e2)) * draw(st.sampled_from([-1.0, 1.0])) for _ in range(count)]
    variance = draw(st.one_of(st.just(0.0), decades(1e-4, 1e2))) if count else 0.7
    drift = draw(st.one_of(st.just(0.0), st.floats(-10, 10)))
    return LevyTriplet(drift, variance, tuple(rates), tuple(jumps))


@st.composite
def laws(draw):
    """Laws of models, near-critical or anywhere, and of triplets."""
    return draw(
        st.one_of(
            models.map(lambda m: m.law),
            near_critical_models().map(lambda m: m.law),
            triplets().map(lambda t: FreeLevy(t)),
        )
    )
