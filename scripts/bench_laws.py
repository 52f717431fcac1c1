"""Time and check laws and free operations.

Prints, all measured in this run, with the errors against routes that share no code:

* the rational route: the density of WishartPlusWigner(0.5, 0.3) against a vectorised NumPy Cardano
  formula written by hand, in interleaved runs; errors at random parameters against roots of the
  cubic polished in extended precision, and of the edges against 40 digits;
* subordination: Marchenko-Pastur + semicircle, Marchenko-Pastur x Marchenko-Pastur, semicircle +
  uniform, arcsine + Marchenko-Pastur, three free signs, five point masses + a narrow semicircle,
  all against inverse functions solved at 30 digits; an empirical law of 10^4 eigenvalues;
* quantiles, and the Tracy-Widom distribution function;
* the first density in a new process, with the compiled kernels cached or not;
* random pairs of laws: how many the solver refuses, how many are wrong, and the worst error;
* freealg, scikit-rmt and TracyWidom in the same run, where they are installed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from scipy.special import airy

from rmtland import (
    Law,
    MarchenkoPastur,
    Semicircle,
    WishartPlusWigner,
    free_product,
    free_sum,
)
from rmtland.laws import Arcsine, Discrete, EmpiricalLaw, KestenMcKay, TracyWidom, Uniform, affine
from rmtland.solution import ConvergenceError

Real = NDArray[np.float64]
Equation = Callable[[Any], Any]


# The rational route ------------------------------------------------------------------------------


def cardano(x: Real, phi: float, epsilon: float) -> Real:
    """Density from the cubic for G, by Cardano's formula."""
    a, b, c = 2 * epsilon * phi, -(2 * epsilon + x * phi), x + phi - 1
    p = c / a - b * b / (3 * a * a)
    q = (2 * b**3 - 9 * a * b * c) / (27 * a**3) - 1 / a
    root = np.sqrt(np.maximum(q * q / 4 + p**3 / 27, 0))
    return np.sqrt(3) / (2 * np.pi) * np.abs(np.cbrt(-q / 2 + root) - np.cbrt(-q / 2 - root))


def reference(x: Real, phi: float, epsilon: float) -> Real:
    """Density from all roots of the cubic, the upper one polished in extended precision."""
    density = np.zeros(x.size, dtype=np.longdouble)
    a = np.longdouble(2) * np.longdouble(epsilon) * np.longdouble(phi)
    for i, point in enumerate(x.astype(np.longdouble)):
        b, c = -(2 * np.longdouble(epsilon) + point * phi), point + phi - 1
        g = np.clongdouble(min(np.roots([float(a), float(b), float(c), -1.0]), key=np.imag))
        if g.imag > -1e-12:
            continue
        for _ in range(60):
            step = (((a * g + b) * g + c) * g - 1) / ((3 * a * g + 2 * b) * g + c)
            g -= step
            if abs(step) < 1e-18 * abs(g):
                break
        density[i] = max(-g.imag / np.pi, 0)
    return density.astype(np.float64)


def edges(phi: float, epsilon: float, near: tuple[float, float]) -> list[float]:
    """Edges with 40 digits: roots of K'(g) = 0 closest to the given edges."""
    with mpmath.workdps(40), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        f, e = mpmath.mpf(phi), mpmath.mpf(epsilon)
        # K'(g) = phi/(1 - phi g)^2 + 2 eps - 1/g^2 = 0 as a polynomial in g
        polynomial = [2 * e * f**2, -4 * e * f, 2 * e + f - f**2, 2 * f, mpmath.mpf(-1)]
        roots = mpmath.polyroots(polynomial, maxsteps=200, extraprec=200)
        places = [
            1 / (1 - f * g.real) + 2 * e * g.real + 1 / g.real for g in roots if abs(g.imag) < 1e-25
        ]
        return [float(min(places, key=lambda place, edge=edge: abs(place - edge))) for edge in near]


def race(first: Callable[[], object], second: Callable[[], object], repeats: int) -> list[float]:
    """Median times in ms of two functions run in turn, and the median ratio."""
    for function in (first, second):
        for _ in range(5):
            function()
    times = np.empty((repeats, 2))
    for row in times:
        for j, function in enumerate((first, second)):
            start = time.perf_counter()
            function()
            row[j] = time.perf_counter() - start
    return [*(1e3 * np.median(times, axis=0)), float(np.median(times[:, 0] / times[:, 1]))]


def fastest(function: Callable[[], object], repeats: int) -> float:
    """Least time in ms, after a warm-up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def rational(points: int, repeats: int) -> None:
    """Time the rational route against Cardano's formula by hand."""
    phi, epsilon = 0.5, 0.3
    law = WishartPlusWigner(phi, epsilon).law
    ((low, high),) = law.support
    x = np.linspace(low, high, points)
    print(
        f"WishartPlusWigner({phi}, {epsilon}), {x.size} points, medians of "
        f"{repeats} interleaved runs"
    )
    for name, function in {
        "density": lambda: law.pdf(x),
        "density, law built anew": lambda: WishartPlusWigner(phi, epsilon).law.pdf(x),
        "distribution function": lambda: law.cdf(x),
    }.items():
        ours, theirs, ratio = race(function, lambda: cardano(x, phi, epsilon), repeats)
        print(f"  {name:26s} {ours:.3f} ms, Cardano by hand {theirs:.3f} ms, ratio {ratio:.2f}")


def random_cubics(laws: int, points: int, seed: int) -> None:
    """Errors of the rational route and of Cardano's formula at random parameters."""
    generator = np.random.default_rng(seed)
    worst = {"rmtland": 0.0, "rmtland within 1e-6 of an edge": 0.0, "Cardano by hand": 0.0}
    wrong = {"rmtland": 0, "Cardano by hand": 0}
    edge_error = 0.0
    for _ in range(laws):
        phi = float(generator.uniform(0.05, 3))
        epsilon = float(np.exp(generator.uniform(np.log(1e-3), np.log(3))))
        law = WishartPlusWigner(phi, epsilon).law
        low, high = law.support[0][0], law.support[-1][1]
        x = generator.uniform(low - 0.05 * (high - low), high + 0.05 * (high - low), points)
        marks = np.ravel(law.support)
        close = marks[:, None] + np.array([-1, 1]) * 1e-6 * generator.random((marks.size, 2))
        x = np.concatenate([x, close.ravel()])
        truth = reference(x, phi, epsilon)
        near = np.abs(x[:, None] - marks).min(axis=1) < 1e-6
        error = np.abs(law.pdf(x) - truth)
        worst["rmtland"] = max(worst["rmtland"], error[~near].max())
        worst["rmtland within 1e-6 of an edge"] = max(
            worst["rmtland within 1e-6 of an edge"], error[near].max()
        )
        wrong["rmtland"] += int((error > 1e-9).sum())
        error = np.abs(cardano(x, phi, epsilon) - truth)
        worst["Cardano by hand"] = max(worst["Cardano by hand"], error[~near].max())
        wrong["Cardano by hand"] += int((error[~near] > 1e-9).sum())
        exact = edges(phi, epsilon, tuple(marks))
        edge_error = max(edge_error, float(np.abs(marks - exact).max()))
    print(
        f"{laws} random laws, phi in [0.05, 3], epsilon in [0.001, 3], "
        f"{points} points each; worst error of the density"
    )
    for name, value in worst.items():
        print(f"  {name:32s} {value:.1e}")
    for name, number in wrong.items():
        print(f"  points wrong by more than 1e-9: {name} {number}")
    print(f"  worst error of an edge {edge_error:.1e}")


# Subordination against inverse functions at 30 digits --------------------------------------------

# With G = g: z = K(g) for a sum of laws whose K are single-valued; for point masses and for the
# arcsine law the equation that their G solves, in the subordination function omega.


def inverse_of(law: Law) -> Equation:
    """R(g) = K(g) - 1/g at high precision, single-valued in g."""
    if isinstance(law, Semicircle):
        return lambda g: law.center + mpmath.mpf(law.variance) * g
    if isinstance(law, MarchenkoPastur):
        s, phi = mpmath.mpf(law.scale), mpmath.mpf(law.aspect_ratio)
        return lambda g: s / (1 - s * phi * g)
    if isinstance(law, Uniform):
        low, width = mpmath.mpf(law.low), mpmath.mpf(law.high) - law.low
        return lambda g: low + width / (1 - mpmath.exp(-width * g)) - 1 / g
    raise TypeError(f"no single-valued inverse of {law!r}")


def transform_of(law: Law) -> Equation:
    """G at high precision for Im omega > 0."""
    if isinstance(law, Arcsine):
        low, high = mpmath.mpf(law.low), mpmath.mpf(law.high)
        return lambda w: 1 / (mpmath.sqrt(w - low) * mpmath.sqrt(w - high))
    if isinstance(law, Uniform):
        low, high = mpmath.mpf(law.low), mpmath.mpf(law.high)
        return lambda w: (mpmath.log(w - low) - mpmath.log(w - high)) / (high - low)
    if isinstance(law, MarchenkoPastur):
        s, phi = mpmath.mpf(law.scale), mpmath.mpf(law.aspect_ratio)
        ends = [s * (1 - mpmath.sqrt(phi)) ** 2, s * (1 + mpmath.sqrt(phi)) ** 2]
        return lambda w: (
            (w - s * (1 - phi) - mpmath.sqrt(w - ends[0]) * mpmath.sqrt(w - ends[1]))
            / (2 * s * phi * w)
        )
    if isinstance(law, Discrete):
        masses = [(mpmath.mpf(place), mpmath.mpf(mass)) for place, mass in law.atoms]
        return lambda w: mpmath.fsum(mass / (w - place) for place, mass in masses)
    raise TypeError(f"no closed form of {law!r}")


def sum_error(total: Law, first: Law, rest: tuple[Law, ...], x: Real) -> float:
    """Worst error of the density of first + rest, each of `rest` with a single-valued inverse.

    The equation g = G_first(omega), omega = x - sum of R_i(g), solved from the law's value; the
    root lies in the lower half-plane with Im omega > 0, where there is only one.
    """
    transform, inverses = transform_of(first), [inverse_of(law) for law in rest]
    worst = 0.0
    with mpmath.workdps(30):
        for point, start in zip(x, total.stieltjes(x), strict=True):

            def omega(g: Any, point: float = point) -> Any:
                return mpmath.mpf(point) - mpmath.fsum(inverse(g) for inverse in inverses)

            def equation(g: Any, omega: Equation = omega) -> Any:
                return g - transform(omega(g))

            g = mpmath.findroot(equation, mpmath.mpc(start), tol=1e-45, verify=False)
            right = mpmath.im(g) < 0 < mpmath.im(omega(g)) and abs(equation(g)) < 1e-20
            error = abs(float(-mpmath.im(g) / mpmath.pi) - total.pdf(point)) if right else np.inf
            worst = max(worst, float(error))
    return worst


def product_error(law: Law, factors: tuple[MarchenkoPastur, ...], x: Real) -> float:
    """Worst error of the density of a product: z m = (1 + m) prod s_i (1 + phi_i m), all roots."""
    worst = 0.0
    with mpmath.workdps(30), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for point in x:
            polynomial = [mpmath.mpf(1), mpmath.mpf(1)]
            for factor in factors:
                s, phi = mpmath.mpf(factor.variance), mpmath.mpf(factor.aspect_ratio)
                one = [s * phi * c for c in polynomial] + [mpmath.mpf(0)]
                two = [mpmath.mpf(0)] + [s * c for c in polynomial]
                polynomial = [a + b for a, b in zip(one, two, strict=True)]
            polynomial[-2] -= mpmath.mpf(point)
            roots = mpmath.polyroots(polynomial, maxsteps=300, extraprec=300)
            m = min(roots, key=mpmath.im)
            density = -mpmath.im((1 + m) / mpmath.mpf(point)) / mpmath.pi
            worst = max(worst, abs(float(density) - law.pdf(point)))
    return worst


def companion(x: Real, one: float, two: float) -> Real:
    """Density of the product of two Marchenko-Pastur laws, from eigenvalues of 3 x 3 matrices."""
    # one two m^3 + (one two + one + two) m^2 + (1 + one + two - x) m + 1 = 0
    matrices = np.zeros((x.size, 3, 3))
    matrices[:, 1, 0] = matrices[:, 2, 1] = 1
    lead = one * two
    matrices[:, 0, 2] = -1 / lead
    matrices[:, 1, 2] = -(1 + one + two - x) / lead
    matrices[:, 2, 2] = -(lead + one + two) / lead
    roots = np.linalg.eigvals(matrices)
    m = np.take_along_axis(roots, roots.imag.argmin(axis=1)[:, None], axis=1)[:, 0]
    return -((1 + m) / x).imag / np.pi


def inside(law: Law, size: int) -> Real:
    """Points of every interval, away from its ends by a thousandth of it."""
    share = np.linspace(1e-3, 1 - 1e-3, max(2, size // len(law.support)))
    return np.concatenate([low + (high - low) * share for low, high in law.support])


def line(name: str, milliseconds: float, error: float, note: str = "") -> None:
    print(f"  {name:58s} {milliseconds:9.2f} ms  error {error:.1e}{note}")


def operations(repeats: int, checks: int) -> None:
    """Time sums and products on 2000 points, and check them at 30 digits."""
    wishart, wigner = MarchenkoPastur(0.5), Semicircle(0.6)
    print(f"free operations, density on 2000 points, least times; worst error on {checks} points")
    exact, generic = free_sum(wishart, wigner), free_sum(wishart, wigner, method="subordination")
    x, some = inside(exact, 2000), inside(exact, checks)
    by_hand = cardano(x, 0.5, 0.3)
    error = sum_error(exact, wishart, (wigner,), some)
    line("MP(0.5) + semicircle(0.6), rational route", fastest(lambda: exact.pdf(x), repeats), error)
    error = sum_error(generic, wishart, (wigner,), some)
    line("  subordination", fastest(lambda: generic.pdf(x), repeats), error)
    error = np.abs(by_hand - exact.pdf(x)).max()
    line("  Cardano by hand", fastest(lambda: cardano(x, 0.5, 0.3), repeats), error)
    freealg_sum(x, exact.pdf(x), repeats)

    product = free_product(wishart, wishart)
    x, some = inside(product, 2000), inside(product, checks)
    error = product_error(product, (wishart, wishart), some)
    line("MP(0.5) x MP(0.5)", fastest(lambda: product.pdf(x), repeats), error)
    error = np.abs(companion(x, 0.5, 0.5) - product.pdf(x)).max()
    line("  companion matrices by hand", fastest(lambda: companion(x, 0.5, 0.5), repeats), error)

    uniform, arcsine = Uniform(-0.5, 2.0), Arcsine(-1.0, 2.5)
    points = Discrete((-4.0, -1.5, 0.5, 2.0, 5.0), (0.1, 0.3, 0.2, 0.25, 0.15))
    narrow = Semicircle(0.02)
    for name, first, rest in (
        ("semicircle(0.6) + uniform(-0.5, 2)", uniform, (wigner,)),
        ("arcsine(-1, 2.5) + MP(0.5)", arcsine, (wishart,)),
        ("arcsine + MP(0.5) + uniform", arcsine, (wishart, uniform)),
        ("five point masses + semicircle(0.02), 5 intervals", points, (narrow,)),
    ):
        law = free_sum(first, *rest)
        x = inside(law, 2000)
        error = sum_error(law, first, rest, inside(law, checks))
        note = f", {len(law.support)} intervals" if len(law.support) > 1 else ""
        line(name, fastest(lambda law=law, x=x: law.pdf(x), repeats), error, note)
    sign = Discrete((-1.0, 1.0), (0.5, 0.5))
    signs = free_sum(sign, sign, sign)
    x = inside(signs, 2000)
    error = np.abs(signs.pdf(x) - KestenMcKay(3.0).pdf(x)).max()
    line("three free signs = Kesten-McKay(3)", fastest(lambda: signs.pdf(x), repeats), error)


def empirical(size: int, draws: int) -> None:
    """Hold an empirical law + semicircle against its limit, and against dense matrices."""
    generator = np.random.default_rng(0)
    # Eigenvalues of a Wishart matrix at quantiles of its limit, which they are within 1/size of
    eigenvalues = MarchenkoPastur(0.5).ppf((np.arange(size) + 0.5) / size)
    start = time.perf_counter()
    law = free_sum(EmpiricalLaw(eigenvalues), Semicircle(0.6))
    x = np.linspace(-0.85, 3.3, 1000)
    density = law.pdf(x)
    first = time.perf_counter() - start
    limit = free_sum(MarchenkoPastur(0.5), Semicircle(0.6))
    print(f"an empirical law of {size} eigenvalues + semicircle(0.6), 1000 points")
    line(
        "first call, support included; error against the limit law",
        1e3 * first,
        float(np.abs(density - limit.pdf(x)).max()),
    )
    line("density again", fastest(lambda: law.pdf(x), 3), 0.0)
    n, counts = 1000, np.zeros(50)
    bins = np.linspace(-0.85, 3.3, 51)
    few = eigenvalues[(np.arange(n) * size) // n + size // (2 * n)]
    for _ in range(draws):
        noise = generator.standard_normal((n, n))
        matrix = np.diag(few) + (noise + noise.T) * np.sqrt(0.6 / (2 * n))
        counts += np.histogram(np.linalg.eigvalsh(matrix), bins)[0]
    if draws:
        share = np.diff(law.cdf(bins))
        print(
            f"  {draws} dense matrices of size {n}: worst difference of the mass of 50 bins "
            f"{np.abs(counts / (n * draws) - share).max():.1e}"
        )


# Quantiles, edges, new processes -----------------------------------------------------------------


def quantiles(repeats: int) -> None:
    """Time quantiles, and the Tracy-Widom distribution function."""
    q = np.linspace(0, 1, 1002)[1:-1]
    print("quantiles of 1000 levels, against the distribution function")
    for law in (MarchenkoPastur(0.5), MarchenkoPastur(1.0), MarchenkoPastur(1e-3)):
        times = [fastest(partial(f, q), repeats) for f in (law.ppf, law.cdf)]
        note = f", {times[0] / times[1]:.1f} times that of cdf"
        line(str(law), times[0], float(np.abs(law.cdf(law.ppf(q)) - q).max()), note)
    peer = importable("skrmt.ensemble.spectral_law")
    if peer is not None:
        theirs = peer.MarchenkoPasturDistribution(ratio=0.5)
        start = time.perf_counter()
        found = theirs.ppf(q)
        took = 1e3 * (time.perf_counter() - start)
        line("  scikit-rmt", took, float(np.abs(MarchenkoPastur(0.5).cdf(found) - q).max()))
    x = np.linspace(-8, 4, 181)
    law2 = TracyWidom(2)
    print("Tracy-Widom distribution function, beta = 2, 181 points")
    start = time.perf_counter()
    error = float(np.abs(fredholm(x) - law2.cdf(x)).max())
    took = 1e3 * (time.perf_counter() - start)
    line(
        "rmtland",
        fastest(lambda: law2.cdf(x), repeats),
        error,
        f" against determinants of 60 nodes, {took:.0f} ms",
    )
    # Means and variances of F. Bornemann, Markov Processes Relat. Fields 16 (2010), table 2
    known = {1: (-1.2065335745820, 1.6077810345811), 2: (-1.7710868074116, 0.8131947928329)}
    error = max(
        max(abs(TracyWidom(beta).mean() - mean), abs(TracyWidom(beta).var() - variance))
        for beta, (mean, variance) in known.items()
    )
    print(f"  mean and variance, beta = 1 and 2, against their published values: {error:.1e}")
    peer = importable("TracyWidom")
    if peer is not None:
        theirs = peer.TracyWidom(beta=2)
        error = float(np.abs(theirs.cdf(x) - law2.cdf(x)).max())
        line("  TracyWidom", fastest(lambda: theirs.cdf(x), repeats), error)


def fredholm(x: Real) -> Real:
    """Tracy-Widom distribution function, beta = 2, by determinants of the Airy kernel."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    at = 14 * (nodes + 1)  # of the 28 beyond s, where the kernel is below rounding
    root = np.sqrt(14 * weights)
    values = []
    for s in x:
        kernel = airy(s + (at[:, None] + at) / 2)[0] / 2 * root[:, None] * root
        one = np.eye(at.size)
        values.append(np.linalg.det(one - kernel) * np.linalg.det(one + kernel))
    return np.array(values)


def new_process(cold: bool) -> None:
    """Time the first densities in a new process, with compiled kernels cached or not."""
    code = (
        "import time; start = time.perf_counter()\n"
        "import numpy as np\n"
        "from rmtland import MarchenkoPastur, Semicircle, free_product, free_sum\n"
        "a, b = MarchenkoPastur(0.5), Semicircle(0.6)\n"
        "x = np.linspace(0.2, 2, 2000)\n"
        "{}\n"
        "print(time.perf_counter() - start)\n"
    )
    print("first density of 2000 points in a new process, imports included")
    for name, command in {
        "rational route": "free_sum(a, b).pdf(x)",
        "subordination": "free_sum(a, b, method='subordination').pdf(x)",
        "product": "free_product(a, a).pdf(x)",
    }.items():
        with tempfile.TemporaryDirectory() as folder:
            environment = dict(os.environ, NUMBA_CACHE_DIR=folder) if cold else dict(os.environ)
            seconds = []
            for _ in range(2):
                done = subprocess.run(
                    [sys.executable, "-c", code.format(command)],
                    capture_output=True,
                    text=True,
                    check=True,
                    env=environment,
                )
                seconds.append(float(done.stdout))
        kinds = "cold, then warm cache" if cold else "twice, with the cache as it was"
        print(f"  {name:20s} {seconds[0]:.2f} s, {seconds[1]:.2f} s ({kinds})")


# Random pairs ------------------------------------------------------------------------------------


def random_pair(generator: np.random.Generator) -> tuple[Law, Law, tuple[Law, ...]]:
    """Return a random sum, its first operand, and the others, which have single-valued inverses."""

    def size(low: float, high: float) -> float:
        return float(np.exp(generator.uniform(np.log(low), np.log(high))))

    start = float(generator.uniform(-2, 2))
    count = int(generator.integers(2, 6))
    weights = generator.dirichlet(np.full(count, 2.0))
    first: tuple[Law, ...] = (
        MarchenkoPastur(size(0.01, 100), size(0.1, 10)),
        Uniform(start, start + size(0.1, 10)),
        Arcsine(start, start + size(0.1, 10)),
        Discrete(tuple(generator.uniform(-4, 4, count).tolist()), tuple(weights.tolist())),
    )
    others: tuple[Law, ...] = (
        Semicircle(size(1e-3, 10), float(generator.uniform(-2, 2))),
        MarchenkoPastur(size(0.01, 100), size(0.1, 10)),
        Uniform(start, start + size(0.1, 10)),
    )
    one = first[int(generator.integers(len(first)))]
    rest = tuple(others[k] for k in generator.choice(len(others), generator.integers(1, 3), False))
    return free_sum(one, *rest, method="subordination"), one, rest


def fuzz(trials: int, points: int, seed: int) -> None:
    """Random sums of two or three laws: refused, wrong, worst error, reported error too small."""
    generator = np.random.default_rng(seed)
    refused = wrong = understated = 0
    worst = 0.0
    start = time.perf_counter()
    for _ in range(trials):
        law, one, rest = random_pair(generator)
        try:
            peak = 1 / (law.support[-1][1] - law.support[0][0])
            x = np.concatenate(
                [a + (b - a) * generator.uniform(1e-3, 1 - 1e-3, points) for a, b in law.support]
            )
            miss = sum_error(law, one, rest, x)
            reported = law.solve(x).error
        except ConvergenceError:
            refused += 1
            continue
        error = miss / max(peak, float(law.pdf(x).max()))
        wrong += error > 1e-8
        worst = max(worst, error)
        # pdf and solve may differ in their last digit
        understated += reported is not None and bool(np.pi * miss > reported.max() + 1e-15 * peak)
    print(
        f"{trials} random sums of two or three laws, {points} points in every interval, "
        f"{time.perf_counter() - start:.0f} s"
    )
    print(
        f"  refused {refused}, density wrong by more than 1e-8 of its maximum {wrong}, "
        f"worst {worst:.1e}, reported error too small {understated}"
    )


def fuzz_trees(trials: int, seed: int) -> None:
    """Random trees, three operations deep: mass, mean and variance of the density by quadrature."""
    generator = np.random.default_rng(seed)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    turn = np.pi * (nodes + 1) / 2
    refused = wrong = 0
    worst = 0.0
    start = time.perf_counter()
    for _ in range(trials):
        law = random_tree(generator, 3)
        try:
            low = min([a for a, _ in law.support] + [place for place, _ in law.atoms])
            high = max([b for _, b in law.support] + [place for place, _ in law.atoms])
            got = np.zeros(3)
            for a, b in law.support:
                x = a + (b - a) * np.sin(turn / 2) ** 2
                density = law.pdf(x) * (b - a) / 2 * np.sin(turn) * weights * np.pi / 2
                got += [(((x - low) / (high - low)) ** k * density).sum() for k in range(3)]
            for place, mass in law.atoms:
                got += mass * ((place - low) / (high - low)) ** np.arange(3.0)
        except ConvergenceError:
            refused += 1
            continue
        mean = (law.mean() - low) / (high - low)
        error = np.abs(got - [1, mean, law.var() / (high - low) ** 2 + mean**2]).max()
        wrong += error > 1e-6
        worst = max(worst, float(error))
    print(
        f"{trials} random trees of operations, {time.perf_counter() - start:.0f} s; "
        "mass, mean and variance by quadrature"
    )
    print(f"  refused {refused}, off by more than 1e-6 {wrong}, worst {worst:.1e}")


def random_tree(generator: np.random.Generator, depth: int) -> Law:
    """Return a random positive law made of up to `depth` operations on top of each other."""
    kind = int(generator.integers(3 if depth else 0, 6 if depth else 3))
    low, width = float(generator.uniform(0.2, 1)), float(generator.uniform(0.3, 3))
    if kind == 0:
        return MarchenkoPastur(float(generator.uniform(0.05, 0.8)), width)
    if kind == 1:
        return Uniform(low, low + width)
    if kind == 2:
        return Arcsine(low, low + width)
    below = [random_tree(generator, depth - 1 - int(generator.integers(depth))) for _ in range(2)]
    if kind == 3:
        return free_sum(*below)
    if kind == 4:
        return free_product(*below)
    return affine(below[0], scale=width, shift=low)


# Peers -------------------------------------------------------------------------------------------


def importable(name: str) -> Any:
    """Return a module where it is installed; say that it is not, otherwise."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError:
        print(f"  {name.split('.')[0]}: not installed")
        return None


def freealg_sum(x: Real, density: Real, repeats: int) -> None:
    """Time freealg's law of the same Levy triplet, with its default offset."""
    peer = importable("freealg")
    if peer is None:
        return
    # One jump of 0.5, of rate 2, and a semicircle of variance 0.6
    law = peer.distributions.FreeLevy([0.5], [1.0], 2.0, sigma=np.sqrt(0.6))
    error = float(np.abs(np.ravel(law.density(x, plot=False)) - density).max())
    line("  freealg", fastest(lambda: law.density(x, plot=False), max(1, repeats // 5)), error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds: small counts")
    parser.add_argument("--points", type=int, default=2000, help="points of the raced curve")
    parser.add_argument("--repeats", type=int, default=100, help="raced runs of each function")
    parser.add_argument("--laws", type=int, default=20, help="random laws of the rational route")
    parser.add_argument("--law-points", type=int, default=200, help="points on each of them")
    parser.add_argument("--checks", type=int, default=60, help="points checked at 30 digits")
    parser.add_argument("--pairs", type=int, default=20, help="random sums by subordination")
    parser.add_argument("--trees", type=int, default=4, help="random trees of operations")
    parser.add_argument("--eigenvalues", type=int, default=10_000, help="of the empirical law")
    parser.add_argument("--draws", type=int, default=4, help="dense matrices beside it")
    parser.add_argument(
        "--cold",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compile anew for the first call in a new process (a minute)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random")
    arguments = parser.parse_args()
    if arguments.quick:
        for name, few in {
            "repeats": 5,
            "laws": 2,
            "law_points": 20,
            "checks": 5,
            "pairs": 2,
            "trees": 2,
            "eigenvalues": 300,
            "draws": 0,
            "cold": False,
        }.items():
            setattr(arguments, name, few)
    rational(arguments.points, arguments.repeats)
    random_cubics(arguments.laws, arguments.law_points, arguments.seed)
    repeats = max(3, arguments.repeats // 10)
    operations(repeats, arguments.checks)
    empirical(arguments.eigenvalues, arguments.draws)
    quantiles(repeats)
    fuzz(arguments.pairs, 5, arguments.seed)
    fuzz_trees(arguments.trees, arguments.seed)
    new_process(arguments.cold)


if __name__ == "__main__":
    main()
