"""The table of laws that every invariant is tested over, and Hypothesis strategies beside it.

A new law is appended to `LAWS`; the invariants then run over it. Beside the table stands what the
tests need of a law and compute apart from it: quadrature, points, moments from free cumulants.
"""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from typing import NamedTuple

import mpmath
import numpy as np
from hypothesis import strategies as st
from scipy.integrate import quad

from rmtland import MarchenkoPastur, Semicircle, WishartPlusReluBlock, WishartPlusWigner, free_sum
from rmtland.free import FreeLevy
from rmtland.laws import Law, LevyTriplet


class LawCase(NamedTuple):
    """A law of the table, with the number of intervals and atoms it is known to have."""

    name: str
    law: Law
    intervals: int = 1
    atoms: int = 0


def levy(*, drift=0.0, variance=0.0, rates=(), jumps=()):
    return FreeLevy(LevyTriplet(drift, variance, rates, jumps))


# At phi = 2 the two intervals of Wishart + Wigner meet: f = 1 has a double root between the poles 0
# and 2 where the cube roots of their weights, 2 epsilon and 2, add up to that of 2^2.
GAP_CLOSES = (4 ** (1 / 3) - 2 ** (1 / 3)) ** 3 / 2

LAWS: list[LawCase] = [
    LawCase("semicircle", Semicircle(0.3, mean=-1.7)),
    LawCase("semicircle, wide", Semicircle(2.5e4, mean=3.0)),
    LawCase("semicircle, narrow", Semicircle(1e-6, mean=0.4)),
    LawCase("marchenko-pastur", MarchenkoPastur(0.3, 0.7)),
    LawCase("marchenko-pastur, square", MarchenkoPastur(1.0, 1.9)),
    LawCase("marchenko-pastur, nearly square", MarchenkoPastur(1 - 1e-9, 0.6)),
    LawCase("marchenko-pastur, atom", MarchenkoPastur(2.5, 0.6), atoms=1),
    LawCase("marchenko-pastur, 1e-3", MarchenkoPastur(1e-3, 40.0)),
    LawCase("marchenko-pastur, 1e3", MarchenkoPastur(1e3, 0.02), atoms=1),
    LawCase("wishart + wigner", free_sum(MarchenkoPastur(0.5, 0.8), Semicircle(0.6))),
    LawCase("wishart + wigner, two intervals", WishartPlusWigner(1.93, 0.0088).law, intervals=2),
    LawCase("wishart + wigner, phi 1e3", WishartPlusWigner(1e3, 0.3, 0.9).law, intervals=2),
    LawCase("wishart + wigner, far apart", WishartPlusWigner(50.0, 1e-3, 0.9).law, intervals=2),
    LawCase("wishart + wigner, at the threshold", WishartPlusWigner(0.5, 0.0112712429690).law),
    LawCase(
        "wishart + wigner, gap about to close",
        WishartPlusWigner(2.0, GAP_CLOSES * (1 - 1e-6)).law,
        intervals=2,
    ),
    LawCase("wishart + wigner, gap just closed", WishartPlusWigner(2.0, GAP_CLOSES * 1.0001).law),
    LawCase("relu block", WishartPlusReluBlock(0.5, 0.3, 0.7).law),
    LawCase("relu block, phi 1", WishartPlusReluBlock(1.0, 0.4, 1.3).law),
    LawCase("relu block, unbounded density", WishartPlusReluBlock(2.0, 0.4, 1.3).law, intervals=2),
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
    ),
]


# What is computed apart from a law ---------------------------------------------------------------


def integral(law: Law, function, *, low=-math.inf, high=math.inf) -> tuple[float, float]:
    """Integral of function * density over [low, high] without atoms, and its error estimate.

    With x = a + (b - a) sin(t/2)^2 square-root edges and inverse-square-root edges are smooth.
    A density unbounded at an interior point is split there.
    """
    value = error = 0.0
    absolute = max(1e-14, blur(law) / 10)
    for a, b in law.support:
        width = b - a

        def place(t, a=a, b=b, width=width):
            if t < math.pi / 2:
                return a + width * math.sin(t / 2) ** 2
            return b - width * math.cos(t / 2) ** 2

        def integrand(t, width=width, place=place):
            x = place(t)
            density = law.pdf(x)
            # Infinite only where x was rounded onto an edge, see `blur`.
            return function(x) * density * width / 2 * math.sin(t) if density < math.inf else 0.0

        def angle(x, a=a, width=width):
            return 2 * math.asin(math.sqrt(min(max((x - a) / width, 0.0), 1.0)))

        start, end = angle(low), angle(high)
        # A spike beside an edge, as of an almost square Wishart matrix, is found at any scale.
        scales = np.array([1e-11, 1e-9, 1e-7, 1e-5, 1e-3])
        inner = [*scales, *(math.pi - scales), *(angle(c) for c in _centres(law))]
        cuts = [start, *sorted(t for t in inner if start < t < end), end]
        for s, e in pairwise(cuts):
            if s < e:
                part, miss, *_ = quad(
                    integrand, s, e, epsabs=absolute, epsrel=1e-13, limit=400, full_output=True
                )
                value, error = value + part, error + miss
    return value, error


def blur(law: Law) -> float:
    """Mass that the rounding of x moves where the density is unbounded: sqrt(ulp) at an edge."""
    edges = [edge for edge in np.ravel(law.support) if edge and np.isinf(law.pdf(edge))]
    total = 4 * sum(math.sqrt(np.spacing(abs(edge)) / width(law)) for edge in edges)
    if any(a < c < b and np.isinf(law.pdf(c)) for a, b in law.support for c in _centres(law)):
        total += 4 * 2.0 ** (-52 * 2 / 3)  # density of the order |x - c|^(-1/3) inside
    return total


def _centres(law: Law) -> list[float]:
    """Points inside the support where the density may peak: the drift."""
    triplet = getattr(law, "levy", None)
    return [] if triplet is None else [triplet.drift]


def width(law: Law) -> float:
    return law.support[-1][1] - law.support[0][0]


def interior(law: Law, n: int = 9, *, closest: float = 1e-7) -> np.ndarray:
    """Points of every interval: spread over it, and as close to both edges as `closest` of it."""
    near = np.geomspace(closest, 1e-2, 4)
    shares = np.concatenate([near, np.sin(np.linspace(0.1, np.pi - 0.1, n) / 2) ** 2, 1 - near])
    shares.sort()
    x = np.concatenate([low + (high - low) * shares for low, high in law.support])
    return x[np.isfinite(law.pdf(x))]


def gaps(law: Law) -> np.ndarray:
    """Points outside the support: left of it, between intervals, right of it."""
    edges = np.array(law.support)
    w = width(law)
    between = [0.7 * a + 0.3 * b for a, b in zip(edges[:-1, 1], edges[1:, 0], strict=True)]
    return np.array([edges[0, 0] - 2 * w, edges[0, 0] - 0.01 * w, *between,
                     edges[-1, 1] + 0.01 * w, edges[-1, 1] + 2 * w])  # fmt: skip


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


def _roots(coefficients):
    with warnings.catch_warnings():
        # mpmath 1.4 warns of the order of the coefficients, mpmath 1.3 knows no other.
        warnings.simplefilter("ignore", DeprecationWarning)
        return mpmath.polyroots(coefficients, maxsteps=2000, extraprec=400)


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
        roots = _roots(_total(polynomials))
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
        roots = _roots(_total(polynomials))
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
