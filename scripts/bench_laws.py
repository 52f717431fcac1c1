"""Time and check laws and free operations.

Prints, all measured in this run:

* the density of WishartPlusWigner(0.5, 0.3) on 2000 points against a vectorised NumPy Cardano
  formula written by hand, as medians and as the median of the ratios of interleaved runs;
* the same with the law built anew for every call, and for the distribution function;
* the error of both at random parameters against roots of the cubic polished in extended precision;
* the error of the edges against critical points polished in 40-digit arithmetic;
* the generic route (subordination), products, an empirical law of 10^4 eigenvalues, quantiles and
  the Tracy-Widom distribution function: medians, and errors against routes that share no code.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rmtland import MarchenkoPastur, Semicircle, WishartPlusWigner, free_product, free_sum
from rmtland.laws import Arcsine, EmpiricalLaw, KestenMcKay, TracyWidom

Real = NDArray[np.float64]


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
    import mpmath

    mpmath.mp.dps = 40
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


def median(function: Callable[[], object], repeats: int) -> float:
    """Median time in ms, after a warm-up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(1e3 * np.median(times))


def companion(x: Real, one: float, two: float) -> Real:
    """Density of the product of two Marchenko-Pastur laws, from a cubic at every point."""
    cubic = np.polymul(np.polymul([1, 1], [one, 1]), [two, 1])
    m = [min(np.roots(np.polysub(cubic, [point, 0])), key=np.imag) for point in x]
    return -((1 + np.array(m)) / x).imag / np.pi


def operations(repeats: int) -> None:
    """Time the other laws and operations, and compare them with independent answers."""
    wishart, wigner = MarchenkoPastur(0.5), Semicircle(0.6)
    exact, generic = free_sum(wishart, wigner), free_sum(wishart, wigner, route="subordination")
    ((low, high),) = exact.support
    x = np.linspace(low, high, 2002)[1:-1]
    error = np.abs(generic.pdf(x) - exact.pdf(x)).max()
    print("other laws and operations, medians; errors against independent answers")
    print(f"  subordination, MP(0.5) + semicircle(0.6), 2000 points "
          f"{median(lambda: generic.pdf(x), repeats):.2f} ms, {error:.1e}")  # fmt: skip
    product = free_product(wishart, wishart)
    ((low, high),) = product.support
    x = np.linspace(low, high, 2002)[1:-1]
    error = np.abs(product.pdf(x) - companion(x, 0.5, 0.5)).max()
    print(f"  product MP(0.5) x MP(0.5), 2000 points "
          f"{median(lambda: product.pdf(x), repeats):.2f} ms, {error:.1e}")  # fmt: skip
    signs = free_sum(*[Arcsine(-2.0, 2.0)] * 2)  # four free signs
    x = np.linspace(-1, 1, 2002)[1:-1] * 2 * np.sqrt(3)
    error = np.abs(signs.pdf(x) - KestenMcKay(4.0).pdf(x)).max()
    print(f"  arcsine + arcsine = Kesten-McKay(4), 2000 points "
          f"{median(lambda: signs.pdf(x), repeats):.2f} ms, {error:.1e}")  # fmt: skip
    matrix = np.random.default_rng(0).standard_normal((1000, 2000)) / np.sqrt(2000)
    sample = EmpiricalLaw(np.linalg.eigvalsh(matrix @ matrix.T))
    blurred, limit = free_sum(sample, Semicircle(0.6)), exact
    x = np.linspace(-0.8, 3.2, 1000)
    start = time.perf_counter()
    error = np.abs(blurred.pdf(x) - limit.pdf(x)).max()
    print(f"  10^3 eigenvalues + semicircle, 1000 points, first call "
          f"{time.perf_counter() - start:.2f} s, {error:.1e} off the limit law")  # fmt: skip
    q = np.linspace(0, 1, 1002)[1:-1]
    error = np.abs(wishart.cdf(wishart.ppf(q)) - q).max()
    print(f"  MP(0.5) quantiles, 1000 points "
          f"{median(lambda: wishart.ppf(q), repeats):.2f} ms, {error:.1e}")  # fmt: skip
    x = np.linspace(-8, 4, 181)
    print(f"  Tracy-Widom(2) distribution function, 181 points "
          f"{median(lambda: TracyWidom(2).cdf(x), repeats):.3f} ms")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=2000, help="points of the timed curve")
    parser.add_argument("--repeats", type=int, default=200, help="timed runs of each function")
    parser.add_argument("--laws", type=int, default=60, help="random laws of the accuracy check")
    parser.add_argument("--law-points", type=int, default=500, help="points on each of them")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random laws")
    arguments = parser.parse_args()

    phi, epsilon = 0.5, 0.3
    law = WishartPlusWigner(phi, epsilon).law
    ((low, high),) = law.support
    x = np.linspace(low, high, arguments.points)

    def by_hand() -> Real:
        return cardano(x, phi, epsilon)

    print(f"WishartPlusWigner({phi}, {epsilon}), {x.size} points, medians of "
          f"{arguments.repeats} interleaved runs")  # fmt: skip
    for name, function in {
        "density": lambda: law.pdf(x),
        "density, law built anew": lambda: WishartPlusWigner(phi, epsilon).law.pdf(x),
        "distribution function": lambda: law.cdf(x),
    }.items():
        ours, theirs, ratio = race(function, by_hand, arguments.repeats)
        print(f"  {name:26s} {ours:.3f} ms, Cardano by hand {theirs:.3f} ms, ratio {ratio:.2f}")

    generator = np.random.default_rng(arguments.seed)
    worst = {"rmtland": 0.0, "rmtland within 1e-6 of an edge": 0.0, "Cardano by hand": 0.0}
    wrong = {"rmtland": 0, "Cardano by hand": 0}
    edge_error = 0.0
    for _ in range(arguments.laws):
        phi = float(generator.uniform(0.05, 3))
        epsilon = float(np.exp(generator.uniform(np.log(1e-3), np.log(3))))
        law = WishartPlusWigner(phi, epsilon).law
        low, high = law.support[0][0], law.support[-1][1]
        x = generator.uniform(low - 0.05 * (high - low), high + 0.05 * (high - low),
                              arguments.law_points)  # fmt: skip
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
    print(f"{arguments.laws} random laws, phi in [0.05, 3], epsilon in [0.001, 3], "
          f"{arguments.law_points} points each; worst error of the density")  # fmt: skip
    for name, value in worst.items():
        print(f"  {name:32s} {value:.1e}")
    for name, number in wrong.items():
        print(f"  points wrong by more than 1e-9: {name} {number}")
    print(f"  worst error of an edge {edge_error:.1e}")
    operations(max(3, arguments.repeats // 10))


if __name__ == "__main__":
    main()
