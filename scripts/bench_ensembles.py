"""Time and check the ensembles.

Each section prints what it measured in this run; sections are chosen by name:

* histogram: counts of GOE eigenvalues in 200 bins by Sturm's sequence, against all eigenvalues by
  SciPy's eigvalsh_tridiagonal on the same matrix, and at ten times the size;
* dense: `sample` against generating the entries and LAPACK's fastest driver of those tried;
* extremes: the largest eigenvalue of the GOE, n = 200, against Tracy-Widom;
* rates: the Kolmogorov distance of every kind of ensemble to its limit, n = 50 ... 3200, and the
  fitted rate;
* lanczos: the time of 200 steps at n = 10^12, and the tridiagonals against those of dense Lanczos
  with full reorthogonalisation at n = 40 (most standard errors that a mean is off; p-values of the
  whole vector of means and of squares), for every family.

    python scripts/bench_ensembles.py --sections histogram dense --n 100000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.linalg import eigh, eigvalsh_tridiagonal
from scipy.stats import chi2
from threadpoolctl import threadpool_limits

from rmtland import Discrete, Spectrum, TracyWidom, Uniform, compare
from rmtland.ensembles import (
    DeformedWigner,
    Ensemble,
    GaussianEnsemble,
    HaarProduct,
    HaarSum,
    JacobiEnsemble,
    ReluResidual,
    SampleCovariance,
    SpikedEnsemble,
    Wigner,
    WishartEnsemble,
)
from rmtland.ensembles.krylov import WishartFactor, jacobi_coefficients, quadrature
from rmtland.models import WishartPlusReluBlock, WishartPlusWigner
from rmtland.streams import streams


def seconds(
    job: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Shortest time of some calls."""
    times = []
    for _ in range(repeats):
        start = clock()
        job()
        times.append(clock() - start)
    return min(times)


def histogram(arguments: argparse.Namespace) -> None:
    """Count without computing eigenvalues."""
    goe, edges, n = GaussianEnsemble(), np.linspace(-2.1, 2.1, 201), arguments.n
    goe.histogram(100, edges, rng=0)  # compiles
    counting = seconds(lambda: goe.histogram(n, edges, rng=0), arguments.repeats)
    (diagonal,), (off_diagonal,) = goe.tridiagonal(n, rng=0)
    start = time.perf_counter()
    values = eigvalsh_tridiagonal(diagonal, off_diagonal)
    solving = time.perf_counter() - start
    counts = goe.histogram(n, edges, rng=0)
    same = bool((counts == np.histogram(values, edges)[0]).all())
    print(f"GOE histogram, n = {n}, 200 bins: {counting:.4f} s with drawing the matrix")
    print(
        f"  eigvalsh_tridiagonal {solving:.2f} s, ratio {solving / counting:.0f}, "
        f"same counts: {same}"
    )
    large = seconds(lambda: goe.histogram(10 * n, edges, rng=0), 1)
    print(f"  n = {10 * n}: {large:.3f} s")


def drivers(matrix: np.ndarray) -> dict[str, Callable[[], object]]:
    """All eigenvalues of a matrix by each of LAPACK's drivers."""

    def solver(driver: str, lower: bool) -> Callable[[], object]:
        options = {"eigvals_only": True, "driver": driver, "lower": lower, "check_finite": False}
        return lambda: eigh(matrix, **options)

    jobs: dict[str, Callable[[], object]] = {"numpy": lambda: np.linalg.eigvalsh(matrix)}
    for driver in ("ev", "evd", "evr"):
        jobs |= {
            f"{driver}, lower": solver(driver, True),
            f"{driver}, upper": solver(driver, False),
        }
    return jobs


def dense(arguments: argparse.Namespace) -> None:
    """Compare sampling with the floor of entries and LAPACK, all in turns, least times.

    Processor time of one thread, which other programs on the machine disturb least.
    """
    with threadpool_limits(limits=1):
        _dense(arguments)


def _dense(arguments: argparse.Namespace) -> None:
    cases: list[Ensemble] = [
        GaussianEnsemble(),
        WishartEnsemble(0.5),
        WishartPlusWigner(0.5, 0.3),
        WishartPlusReluBlock(0.5, 0.3),
        Wigner(1.0, "sign"),
        SampleCovariance(Uniform(0.5, 2.0), 0.5),
        HaarSum(Uniform(0.0, 1.0), Uniform(0.0, 2.0)),
    ]
    print("sample against drawing the matrix plus LAPACK's fastest driver, one thread, s")
    for n in arguments.sizes:
        for ensemble in cases:
            jobs = drivers(ensemble.matrix(n, rng=0))
            names = list(jobs)
            jobs["matrix"] = lambda e=ensemble, n=n: e.matrix(n, rng=0)
            jobs["sample"] = lambda e=ensemble, n=n: e.sample(n, rng=0)
            times = dict.fromkeys(jobs, np.inf)
            for _ in range(arguments.repeats):
                for name, job in jobs.items():
                    times[name] = min(times[name], seconds(job, 1, time.process_time))
            best = min(names, key=lambda name: times[name])
            ratio = times["sample"] / (times["matrix"] + times[best])
            print(
                f"  n = {n:5d} {type(ensemble).__name__:18s} {times['sample']:.4f} against "
                f"{times['matrix']:.4f} + {times[best]:.4f} ({best}): ratio {ratio:.2f}"
            )


def extremes(arguments: argparse.Namespace) -> None:
    """Largest eigenvalues against Tracy-Widom."""
    n, runs, goe = 200, arguments.runs, GaussianEnsemble()
    goe.extremes(10, rng=0)
    start = time.perf_counter()
    values = goe.extremes(n, rng=1, runs=runs)[:, 0]
    elapsed = time.perf_counter() - start
    centre, scale = 2 * ((n - 0.5) / n) ** 0.5, ((n - 0.5) / n) ** (-1 / 6) * n ** (-2 / 3)
    law, normal = TracyWidom(1), np.sort((values - centre) / scale)
    levels = np.arange(runs + 1) / runs
    cdf = law.cdf(normal)
    distance = max(np.abs(cdf - levels[1:]).max(), np.abs(cdf - levels[:-1]).max())
    print(f"GOE, n = {n}, largest eigenvalue of {runs} matrices: {elapsed:.2f} s")
    print(
        f"  Kolmogorov distance to Tracy-Widom {distance:.4f} (1.63 / sqrt(runs) = "
        f"{1.63 / runs**0.5:.4f}), mean {normal.mean():.4f} against {law.mean():.4f}, "
        f"variance {normal.var():.4f} against {law.var():.4f}"
    )


def rates(arguments: argparse.Namespace) -> None:
    """Kolmogorov distance to the limit over sizes."""
    levels, positive = Discrete((-1.0, 2.0), (0.3, 0.7)), Discrete((1.0, 4.0), (0.5, 0.5))
    cases: list[Ensemble] = [
        GaussianEnsemble(1),
        GaussianEnsemble(2),
        GaussianEnsemble(0.3),
        WishartEnsemble(0.4),
        WishartEnsemble(3.0),
        JacobiEnsemble(0.5, 0.4),
        JacobiEnsemble(2.0, 0.7),
        HaarSum(levels, positive),
        DeformedWigner(levels, 0.2),
        SampleCovariance(positive, 0.4),
        SampleCovariance(1.0, 0.5, "student", 5.0),
        Wigner(1.0, "sign"),
        Wigner(1.0, "student", 5.0),
        SpikedEnsemble(GaussianEnsemble(), (2.0,)),
        WishartPlusWigner(0.5, 0.3),
        WishartPlusReluBlock(0.5, 0.3),
        ReluResidual(0.5, 2.0),
    ]
    sizes = [n for n in (50, 200, 800, 3200) if n <= arguments.largest]
    print(f"Kolmogorov distance to the limit at n = {', '.join(map(str, sizes))}; fitted rate")
    for ensemble in cases:
        found = []
        for n in sizes:
            runs = max(1, min(20, 400 // n))
            distances = [
                compare(ensemble.sample(n, rng=(n, run)), ensemble.law).kolmogorov
                for run in range(runs)
            ]
            found.append(float(np.mean(distances)))
        rate = -np.polyfit(np.log(sizes), np.log(found), 1)[0] if len(sizes) > 1 else np.nan
        numbers = " ".join(f"{distance:.5f}" for distance in found)
        print(f"  {type(ensemble).__name__:18s} {numbers}  n^-{rate:.2f}")


def dense_lanczos(
    ensemble: Ensemble | WishartProduct, n: int, steps: int, runs: int, seed: int
) -> np.ndarray:
    """Tridiagonals of whole matrices from uniform starts, shape (runs, 2 steps - 1)."""
    rng = np.random.default_rng(seed)
    h = np.stack([ensemble.matrix(n, rng=child) for child in rng.spawn(runs)])
    start = rng.standard_normal((runs, n))
    vectors = [start / np.linalg.norm(start, axis=1, keepdims=True)]
    alpha, beta = [], []
    for _ in range(steps):
        rest = np.einsum("rij,rj->ri", h, vectors[-1])
        alpha.append((rest * vectors[-1]).sum(axis=1))
        for vector in vectors * 2:
            rest = rest - (rest * vector).sum(axis=1, keepdims=True) * vector
        beta.append(np.linalg.norm(rest, axis=1))
        vectors.append(rest / beta[-1][:, None])
    return np.stack(alpha + beta[:-1], axis=1)


class WishartProduct:
    """Products A^(1/2) B A^(1/2) of two Wishart matrices, a pair of factors of the sampler."""

    first, second = WishartEnsemble(0.5), WishartEnsemble(3.0)

    def matrix(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """One product, by the root of the first factor."""
        values, vectors = np.linalg.eigh(self.first.matrix(n, rng=rng))
        root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        return root @ self.second.matrix(n, rng=rng) @ root

    def lanczos(self, n: float, steps: int, *, rng: int, runs: int = 1) -> Spectrum:
        """Gauss quadratures, as `Ensemble.lanczos` gives them."""
        factors = [WishartFactor(e.aspect_ratio) for e in (self.first, self.second)]
        alpha, beta = jacobi_coefficients(
            factors, n, steps, streams(rng, runs), operation="product"
        )
        return Spectrum(*quadrature(alpha, beta), alpha=alpha, beta=beta)


def lanczos(arguments: argparse.Namespace) -> None:
    """Krylov sampling: time, and distribution against dense Lanczos."""
    three = Discrete((0.0, 0.5, 2.0), (0.3, 0.5, 0.2))
    signs, uniform = Discrete((-1.0, 1.0), (0.5, 0.5)), Uniform(-1.0, 1.0)
    cases: list[Ensemble | WishartProduct] = [
        GaussianEnsemble(),
        WishartEnsemble(0.5),
        WishartEnsemble(3.0),
        WishartPlusWigner(0.5, 0.3),
        WishartPlusWigner(3.0, 0.1),
        WishartPlusReluBlock(0.5, 0.3),
        WishartPlusReluBlock(4.0, 0.3),
        HaarSum(signs, three),
        HaarSum(uniform, three),
        HaarProduct(three, three),
        DeformedWigner(three, 0.2),
        SampleCovariance(three, 0.5),
        SampleCovariance(three, 2.0),
        JacobiEnsemble(0.5, 0.4),
        WishartProduct(),
        SpikedEnsemble(WishartPlusWigner(0.5, 0.3), (4.0, -2.0)),
        SpikedEnsemble(WishartEnsemble(0.5), (6.0,), "multiplicative"),
    ]
    print("Lanczos, n = 10^12, ms a run (least) at 50, 100, 200 steps")
    for ensemble in cases[3], cases[5], cases[7], cases[10], cases[11], cases[14], cases[15]:
        times = []
        for steps in (50, 100, 200):
            ensemble.lanczos(10**12, steps, rng=0)  # compiles
            job = partial(ensemble.lanczos, 10**12, steps, rng=0)
            times.append(1e3 * seconds(job, arguments.repeats))
        print(f"  {type(ensemble).__name__:18s}", *(f"{time:9.2f}" for time in times))
    n, steps, runs = 40, 10, arguments.draws
    print(f"against dense Lanczos, n = {n}, {steps} steps, {runs} runs: standard errors, p, p")
    for ensemble in cases:
        for seed in range(1, arguments.seeds + 1):
            dense = dense_lanczos(ensemble, n, steps, runs, seed)
            spectrum = ensemble.lanczos(n, steps, rng=seed, runs=runs)
            krylov = np.hstack([spectrum.alpha, spectrum.beta])
            found = []
            for a, b in (
                (dense, krylov),
                ((dense - dense.mean(0)) ** 2, (krylov - dense.mean(0)) ** 2),
            ):
                gap = a.mean(axis=0) - b.mean(axis=0)
                covariance = (np.cov(a.T) + np.cov(b.T)) / runs
                errors = np.sqrt(np.diag(covariance))
                statistic = gap @ np.linalg.solve(covariance, gap)
                found += [np.abs(gap / errors).max(), chi2.sf(statistic, gap.size)]
            print(f"  {type(ensemble).__name__:18s} {found[0]:.2f} {found[1]:.3f} {found[3]:.3f}")


SECTIONS = [histogram, dense, extremes, rates, lanczos]


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [section.__name__ for section in SECTIONS]
    parser.add_argument("--sections", nargs="+", choices=names, default=names)
    parser.add_argument("--n", type=int, default=20_000, help="size of the histogram's matrix")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 800], help="of dense ones")
    parser.add_argument("--largest", type=int, default=800, help="largest size of the rates")
    parser.add_argument("--runs", type=int, default=10_000, help="matrices of the extremes")
    parser.add_argument("--draws", type=int, default=1000, help="tridiagonals of each kind")
    parser.add_argument("--seeds", type=int, default=1, help="repetitions of the comparison")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each (least)")
    arguments = parser.parse_args()
    for section in SECTIONS:
        if section.__name__ in arguments.sections:
            section(arguments)


if __name__ == "__main__":
    main()
