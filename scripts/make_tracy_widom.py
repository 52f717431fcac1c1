"""Make the table of the Tracy-Widom laws from Fredholm determinants.

The determinants det(I - V) and det(I + V) of the Airy kernel V(x, y) = Ai((x + y)/2)/2 on
(s, infinity) give all three laws; det(I - V^2) is their product. They are discretised with
Gauss-Legendre nodes (Nystrom's method, F. Bornemann, Math. Comp. 79 (2010) 871-915) and eliminated
in fixed-point arithmetic with as many bits as the distance of the largest eigenvalue from one
demands, so that the logarithms are good to 24 digits in both tails.

What is tabulated is psi = log(-log F(s)) for beta = 1, 2, 4, as polynomials on a few intervals.

Without options the whole table is made anew (2 to 4 minutes on one core). With --quick the laws
are recomputed at a few points, with more nodes, and compared with the table that the package ships
(less than 10 seconds). With --reference the reference values of the tests are made, by a different
route: the Hastings-McLeod solution of the second Painleve equation by Taylor series with 150 digits
(about 10 seconds).
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf
from numpy.typing import NDArray
from rich.progress import track

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "rmtland" / "laws" / "tracy_widom_tables.npz"
REFERENCE = ROOT / "tests" / "reference" / "tracy_widom.json"

# Ends of the intervals: to the left of the first F, to the right of the last 1 - F underflow.
BREAKS = [
    -27,
    -23,
    -19,
    -16,
    -14,
    -12,
    -10,
    -8,
    -6,
    -5,
    -4,
    -3,
    -2,
    -1,
    0,
    1,
    2,
    3,
    4,
    6,
    8,
    12,
    16,
    24,
    32,
    44,
    60,
    80,
    110,
]
DEGREE = 15
BETAS = (1, 2, 4)

mpmath.mp.dps = 150

Integers = NDArray[Any]  # Python integers: numbers times 2^bits

# Fixed-point quadrature and Airy function ----------------------------------------------------


@functools.cache
def gauss_legendre(m: int, bits: int) -> tuple[Integers, Integers]:
    """Nodes and weights on [0, 1], by Newton from those of NumPy."""
    one = 1 << bits
    start = np.polynomial.legendre.leggauss(m)[0]
    x = np.array([int(node * 2**53) << (bits - 53) for node in start], dtype=object)
    slope = x
    for _ in range(math.ceil(math.log2(bits / 40)) + 1):
        low, high = np.full(m, one, dtype=object), x
        for k in range(1, m):
            low, high = high, ((2 * k + 1) * (x * high >> bits) - k * low) // (k + 1)
        slope = (m * (low - (x * high >> bits)) << bits) // (one - (x * x >> bits))
        x = x - (high << bits) // slope
    # The last step no longer moves the nodes, so the slope belongs to them.
    weight = (one << 2 * bits) // ((one - (x * x >> bits)) * (slope * slope >> bits))
    return (x + one) >> 1, weight


@functools.cache
def airy_series(center: int) -> list[Any]:
    """Taylor coefficients of Ai about center/2."""
    z = mpf(center) / 2
    series = [mpmath.airyai(z), mpmath.airyai(z, derivative=1)]
    series.append(z * series[0] / 2)
    for n in range(1, 128):
        series.append((z * series[n] + series[n - 1]) / ((n + 1) * (n + 2)))
    return series


def airy(z: Integers, bits: int, shift: int) -> Integers:
    """Ai(z) times 2^shift, all in fixed point."""
    center = (z + (1 << (bits - 2))) >> (bits - 1)
    first, last = int(center.min()), int(center.max())
    rows = [airy_series(c) for c in range(first, last + 1)]
    terms = next(
        n
        for n in range(8, 128)
        if all(mpmath.ldexp(abs(r[n]) + abs(r[n - 1]), shift + bits - 2 * n) < 1 for r in rows)
    )
    table = np.array(
        [[int(mpmath.ldexp(a, shift + bits)) for a in row[:terms]] for row in rows], dtype=object
    )
    delta = z - (center << (bits - 1))
    row = (center - first).astype(np.intp)
    value = table[row, terms - 1]
    for n in range(terms - 2, -1, -1):
        value = (value * delta >> bits) + table[row, n]
    return value


# Determinants --------------------------------------------------------------------------------


def minus_log_det(matrix: Integers, bits: int, shift: int) -> Any:
    """-log det(I - 2^-shift E) for a symmetric E in fixed point, to its last digit."""
    matrix = matrix.copy()
    total = mpf(0)
    for i in range(len(matrix)):
        pivot = matrix[i, i]
        total -= mpmath.log1p(-mpmath.ldexp(mpf(pivot), -bits - shift))
        row = matrix[i, i + 1 :]
        scaled = (row << bits) // ((1 << bits) - (pivot >> shift))
        matrix[i + 1 :, i + 1 :] += np.multiply.outer(row, scaled) >> (bits + shift)
    return total


def resolution(s: float) -> tuple[int, float, int]:
    """Bits, length of the interval and number of nodes for 24 digits at s."""
    lost = 4 * math.sqrt(2) / 3 * max(-s, 0.0) ** 1.5 / math.log(10)
    digits = 28 + lost
    decay = digits * math.log(10) + 4 / 3 * max(s, 0.0) ** 1.5
    length = 2 * ((0.75 * decay) ** (2 / 3) - s)
    nodes = int(20 + digits + 0.4 * max(-s, 0.0) ** 1.5)
    return int(digits / math.log10(2)) + 40, length, nodes


def minus_logs(s: Any, extra: float = 1.0) -> tuple[Any, Any, Any]:
    """-log F at s for beta = 1, 2, 4 (the last in the variable sqrt(2) x) as mpf.

    `extra` scales the number of nodes, to see that there are enough of them.
    """
    bits, length, m = resolution(float(s))
    shift = max(0, int(-mpmath.log(mpmath.airyai(s), 2))) if s > 0 else 0
    x, weight = gauss_legendre(int(extra * m), bits)
    span = int(mpmath.ldexp(mpf(length), bits))
    x = (x * span) >> bits
    root = np.array([math.isqrt(w * span) for w in weight], dtype=object)
    upper = np.triu_indices(len(x))
    z = int(mpmath.ldexp(s, bits)) + ((x[upper[0]] + x[upper[1]]) >> 1)
    kernel = np.zeros((len(x), len(x)), dtype=object)
    kernel[upper] = airy(z, bits, shift) * (root[upper[0]] * root[upper[1]] >> bits) >> (bits + 1)
    kernel.T[upper] = kernel[upper]

    plus = minus_log_det(kernel, bits, shift)
    if s > 0:  # the product would cancel
        both = minus_log_det(kernel.dot(kernel) >> bits, bits, 2 * shift)
    else:
        both = plus + minus_log_det(-kernel, bits, shift)
    return three_laws(plus - both / 2, both)


def three_laws(mu: Any, both: Any) -> tuple[Any, Any, Any]:
    """-log F for beta = 1, 2, 4 from half the integral of q and from -log F2."""
    log_cosh = mpmath.log1p(2 * mpmath.sinh(mu / 2) ** 2)
    return mu + both / 2, both, both / 2 - log_cosh


def chebyshev_nodes(low: int, high: int) -> list[Any]:
    """Zeros of the Chebyshev polynomial on [low, high]."""
    angles = [mpmath.pi * (2 * k + 1) / (2 * DEGREE + 2) for k in range(DEGREE + 1)]
    return [(mpf(low) + high) / 2 + (mpf(high) - low) / 2 * mpmath.cos(angle) for angle in angles]


def monomials(values: list[Any]) -> list[float]:
    """Coefficients in powers of u in [-1, 1], from values at the Chebyshev nodes."""
    nodes = chebyshev_nodes(-1, 1)
    powers = mpmath.matrix([[node**k for k in range(DEGREE + 1)] for node in nodes])
    return [float(c) for c in mpmath.lu_solve(powers, mpmath.matrix(values))]


def make_table(path: Path) -> None:
    """Compute all coefficients and write them."""
    pieces = list(itertools.pairwise(BREAKS))
    points = [(piece, node) for piece in pieces for node in chebyshev_nodes(*piece)]
    values: dict[tuple[int, int], list[Any]] = {piece: [] for piece in pieces}
    for piece, node in track(points, description="determinants"):
        values[piece].append([mpmath.log(value) for value in minus_logs(node)])
    # Axes: beta, power, interval.
    coefficients = np.array(
        [[monomials([row[b] for row in values[piece]]) for piece in pieces] for b in range(3)]
    ).transpose(0, 2, 1)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, breaks=np.array(BREAKS, dtype=float), coefficients=coefficients)
    os.replace(temporary, path)
    print(f"{path}: {path.stat().st_size} bytes, {coefficients.size} coefficients")


def check_table(number: int, seed: int) -> None:
    """Recompute the laws at random points, with a fifth more nodes, and compare."""
    with np.load(TABLE, allow_pickle=False) as table:
        breaks, coefficients = table["breaks"], table["coefficients"]
    generator = np.random.default_rng(seed)
    worst = [0.0, 0.0, 0.0]
    pieces = generator.permutation(np.linspace(2, breaks.size - 2, number).astype(int))
    for piece in track(pieces, description="determinants"):
        u = float(generator.uniform(-1, 1))
        low, high = breaks[piece], breaks[piece + 1]
        s = mpf(low + high) / 2 + mpf(high - low) / 2 * mpf(u)
        for b, value in enumerate(minus_logs(s, extra=1.2)):
            psi = mpmath.log(value)
            shipped = np.polynomial.polynomial.polyval(u, coefficients[b, :, piece])
            worst[b] = max(worst[b], float(abs(shipped - psi) / max(1, abs(psi))))
    print(f"worst relative difference of log(-log F) from the shipped table, {number} points:")
    for beta, difference in zip(BETAS, worst, strict=True):
        print(f"  beta = {beta}: {difference:.1e}")
    if max(worst) > 2e-15:
        raise SystemExit("the shipped table does not agree with the determinants")


# Reference values by the second Painleve equation --------------------------------------------


class HastingsMcLeod:
    """The solution q'' = s q + 2 q^3 with q(s) ~ Ai(s) at +infinity, by Taylor series.

    Going from right to left from s = 112, where Ai is off by less than 10^-680 relative. Two
    integrals are carried along: mu = (integral of q over (s, infinity))/2 and
    both = integral of (x - s) q(x)^2, which is -log F2.
    """

    STEP, TERMS, START, END = mpf(1) / 4, 110, 112, -28

    def __init__(self) -> None:
        self.pieces: list[tuple[list[Any], list[Any], list[Any]]] = []
        s = mpf(self.START)
        q, slope = mpmath.airyai(s), mpmath.airyai(s, derivative=1)
        ends = [s, s + 1, s + 3, s + 8, s + 20, s + 40]
        mu = q * mpmath.quad(lambda x: mpmath.airyai(x) / q, ends) / 2
        below = slope**2 - s * q**2
        both = (2 * s**2 * q**2 - 2 * s * slope**2 - q * slope) / 3
        for _ in track(range(int((self.START - self.END) / self.STEP)), description="Painleve II"):
            a, square = [q, slope], []
            for n in range(self.TERMS):
                square.append(mpmath.fdot(a[: n + 1], a[n::-1]))
                cube = mpmath.fdot(square, a[n::-1])
                a.append((s * a[n] + (a[n - 1] if n else 0) + 2 * cube) / ((n + 1) * (n + 2)))
            mus = [mu, *(-a[n] / (2 * (n + 1)) for n in range(self.TERMS))]
            belows = [below, *(-square[n] / (n + 1) for n in range(self.TERMS))]
            boths = [both, *(-belows[n] / (n + 1) for n in range(self.TERMS))]
            self.pieces.append((a, mus, boths))
            slope = self.at(a, derivative=True)
            q, mu, below, both = (self.at(series) for series in (a, mus, belows, boths))
            s -= self.STEP

    def at(self, series: list[Any], t: Any = None, *, derivative: bool = False) -> Any:
        """Value of a Taylor series at the distance t, by default one step to the left."""
        if derivative:
            series = [n * c for n, c in enumerate(series)][1:]
        return mpmath.polyval(series[::-1], -self.STEP if t is None else t)

    def laws(self, s: Any) -> list[tuple[Any, Any]]:
        """Pairs (-log F, derivative of log F) for beta = 1, 2, 4 in the variable s."""
        piece = min(int((self.START - s) / self.STEP), len(self.pieces) - 1)
        t = s - (self.START - piece * self.STEP)
        a, mus, boths = self.pieces[piece]
        q, mu, both = (self.at(series, t) for series in (a, mus, boths))
        slope = self.at(boths, t, derivative=True)
        slopes = ((q - slope) / 2, -slope, (-slope - q * mpmath.tanh(mu)) / 2)
        return list(zip(three_laws(mu, both), slopes, strict=True))


def make_reference(path: Path) -> None:
    """Write distribution functions, densities and moments with 20 digits."""
    solution = HastingsMcLeod()

    def density(s: Any, b: int) -> Any:
        minus_log, slope = solution.laws(s)[b]
        return mpmath.exp(-minus_log) * slope

    places = [
        -26.5,
        -22.1,
        -17.3,
        -14.2,
        -12.6,
        -11.3,
        -9.9,
        -8.7,
        -7.6,
        -6.6,
        -5.7,
        -4.9,
        -4.2,
        -3.6,
        -3.05,
        -2.55,
        -2.1,
        -1.7,
        -1.35,
        -1.0,
        -0.65,
        -0.3,
        0.05,
        0.4,
        0.8,
        1.25,
        1.8,
        2.5,
        3.4,
        4.6,
        6.3,
        8.4,
        11.0,
        13.7,
        17.2,
        22.6,
        31.0,
        42.0,
        55.0,
        67.0,
        85.0,
        104.0,
    ]
    laws = []
    # The trapezoidal rule converges faster than any power: the integrands are entire functions.
    grid = [mpf(k) / 16 for k in range(-27 * 16, 60 * 16)]
    rows = [solution.laws(s) for s in track(grid, description="moments")]
    for b, beta in enumerate(BETAS):
        scale = 1 / mpmath.sqrt(2) if beta == 4 else mpf(1)
        points = []
        for place in places:
            x = float(place * scale) if beta == 4 else place
            s = mpf(x) / scale
            minus_log, slope = solution.laws(s)[b]
            cdf = mpmath.exp(-minus_log)
            values = (cdf, -mpmath.expm1(-minus_log), cdf * slope / scale)
            if min(values) > 1e-305:
                points.append([x, *(mpmath.nstr(value, 20) for value in values)])
        weights = [mpmath.exp(-row[b][0]) * row[b][1] / 16 for row in rows]

        def moment(k: int, center: Any, weights: list[Any] = weights, scale: Any = scale) -> Any:
            nodes = (scale * s - center for s in grid)
            return mpmath.fsum(w * node**k for w, node in zip(weights, nodes, strict=True))

        mean = moment(1, 0)
        var = moment(2, mean)
        laws.append(
            {
                "beta": beta,
                "mean": mpmath.nstr(mean, 20),
                "var": mpmath.nstr(var, 20),
                "skewness": mpmath.nstr(moment(3, mean) / var**1.5, 20),
                "excess_kurtosis": mpmath.nstr(moment(4, mean) / var**2 - 3, 20),
                "moments": [[k, mpmath.nstr(moment(k, 0), 20)] for k in (*range(1, 13), 40, 100)],
                "points": points,
            }
        )
    content = {
        "source": "Computed by scripts/make_tracy_widom.py --reference: the Hastings-McLeod "
        "solution of the second Painleve equation by Taylor series of 110 terms in steps of 1/4 "
        "from s = 112 to -28 with 150 digits, and from it F1, F2, F4 (C. A. Tracy and H. Widom, On "
        "orthogonal and symplectic matrix ensembles, Commun. Math. Phys. 177 (1996) 727-754). "
        "Moments by the trapezoidal rule with step 1/16. No Fredholm determinant enters. A point "
        "is [x, cdf, 1 - cdf, density], a moment is [order, value]; x is an exact double, the "
        "values are decimal strings of 20 digits. beta = 4 is scaled to the mean -2.3068848932.",
        "laws": laws,
    }
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, path)
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="compare a few nodes, write nothing")
    parser.add_argument("--points", type=int, default=10, help="points of the comparison")
    parser.add_argument("--seed", type=int, default=0, help="seed of the points compared")
    parser.add_argument("--reference", action="store_true", help="make the values of the tests")
    parser.add_argument("--output", type=Path, help="where to write instead of the checkout")
    arguments = parser.parse_args()
    start = time.perf_counter()
    if arguments.quick:
        check_table(arguments.points, arguments.seed)
    elif arguments.reference:
        make_reference(arguments.output or REFERENCE)
    else:
        make_table(arguments.output or TABLE)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
