"""Random trees of free sums, powers, products, compressions and affine images, put to the test.

Every tree is built from laws of all kinds at parameters from comfortable to extreme: atoms, several
bands, ratios from 1e-3 to 1e3, signed factors, near-critical masses. Of every law that comes out
the distribution function is looked at beside every edge and atom and compared with quadrature of
the density, total mass, mean and variance against their exact values, G must stay in its
half-plane, and for some laws the eigenvalues of rotated matrices are compared. A refusal is an
exception with a reason; what disagrees without one is a silent error, printed with the tree.

    python scripts/fuzz_free.py --seed 0 --count 1000
"""

from __future__ import annotations

import argparse
import math
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rmtland.free import free_compression, free_power, free_product, free_sum
from rmtland.laws import (
    Arcsine,
    Discrete,
    EmpiricalLaw,
    FussCatalan,
    JacobiWeight,
    KestenMcKay,
    Law,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    Wachter,
    affine,
)
from rmtland.solution import ConvergenceError

Real = NDArray[np.float64]
Generator = np.random.Generator

__all__ = ["Tree", "examine", "random_tree"]


@dataclass(frozen=True)
class Tree:
    """How a law is made: its expression, the law by free probability, and a matrix of size n."""

    text: str
    make: Callable[[], Law]
    matrix: Callable[[Generator, int], Real]
    positive: bool


def random_tree(rng: Generator, depth: int = 2, *, positive: bool = False) -> Tree:
    """Draw a tree; with `positive`, of a law on [0, infinity)."""
    kind = rng.integers(5 if depth else 1)
    if depth == 0 or (kind == 0 and rng.random() < 0.5):
        return _leaf(rng, positive)
    one = random_tree(rng, depth - 1, positive=positive)
    if kind == 1 and rng.random() < 0.7:
        size = float(rng.choice([0.5, 0.25, rng.uniform(0.05, 1), 1 - 10 ** rng.uniform(-12, -1)]))
        return _compressed(one, size)
    if kind == 2 and rng.random() < 0.7:
        power = float(rng.choice([2.0, 1 + 10 ** rng.uniform(-12, 1)]))
        compressed = _compressed(one, 1 / power)

        def matrix(rng: Generator, n: int) -> Real:
            return np.asarray(power * compressed.matrix(rng, n))

        return Tree(
            f"free_power({one.text}, {power!r})",
            lambda: free_power(one.make(), power),
            matrix,
            positive,
        )
    if kind == 3:
        other = random_tree(rng, depth - 1, positive=positive)

        def added(rng: Generator, n: int) -> Real:
            turn = _rotation(rng, n)
            return np.asarray(one.matrix(rng, n) + turn @ other.matrix(rng, n) @ turn.T)

        return Tree(
            f"free_sum({one.text}, {other.text})",
            lambda: free_sum(one.make(), other.make()),
            added,
            positive,
        )
    other = random_tree(rng, depth - 1, positive=True)

    def multiplied(rng: Generator, n: int) -> Real:
        turn = _rotation(rng, n)
        values, vectors = np.linalg.eigh(other.matrix(rng, n))
        root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
        return np.asarray(root @ turn @ one.matrix(rng, n) @ turn.T @ root)

    return Tree(
        f"free_product({one.text}, {other.text})",
        lambda: free_product(one.make(), other.make()),
        multiplied,
        positive,
    )


def _compressed(tree: Tree, size: float) -> Tree:
    def matrix(rng: Generator, n: int) -> Real:
        large = tree.matrix(rng, max(n, round(n / size)))
        turn = _rotation(rng, large.shape[0])[:n]
        return np.asarray(turn @ large @ turn.T)

    return Tree(
        f"free_compression({tree.text}, {size!r})",
        lambda: free_compression(tree.make(), size),
        matrix,
        tree.positive,
    )


def _leaf(rng: Generator, positive: bool) -> Tree:
    law, text = _random_law(rng, positive)

    def matrix(rng: Generator, n: int) -> Real:
        return np.diag(np.asarray(law.ppf((np.arange(n) + 0.5) / n)))

    return Tree(text, lambda: law, matrix, positive)


def _random_law(rng: Generator, positive: bool) -> tuple[Law, str]:
    """Draw a law that is no sum or product, with its expression."""
    ratio = float(
        rng.choice([0.25, 0.5, 1.0, 2.0, 10 ** rng.uniform(-1, 1), 10 ** rng.uniform(-3, 3)])
    )
    low = float(rng.choice([0.0, rng.uniform(0 if positive else -2, 2), 1.0]))
    width = float(rng.choice([1.0, 10 ** rng.uniform(-2, 0.7)]))
    kind = int(rng.integers(11))
    law: Law
    if kind <= 2:
        places = np.sort(rng.choice(np.arange(0 if positive else -3, 4), rng.integers(2, 4), False))
        if rng.random() < 0.4:
            places = places + rng.uniform(0, 1, places.size)
        masses = rng.dirichlet(np.full(places.size, 1.5))
        if rng.random() < 0.5:
            masses = np.array([0.25, 0.5, 0.25])[: places.size]
            masses[-1] = 1 - masses[:-1].sum()
        law = Discrete(tuple(map(float, places)), tuple(map(float, masses / masses.sum())))
    elif kind == 3:
        law = Uniform(low, low + width)
    elif kind == 4:
        law = Arcsine(low, low + width)
    elif kind == 5:
        law = MarchenkoPastur(ratio)
    elif kind == 6:
        law = Wachter(ratio, float(rng.choice([0.5, 10 ** rng.uniform(-1, 1)])))
    elif kind == 7:
        degree = float(rng.choice([2.5, 1.5, 1 + 10 ** rng.uniform(-1, 1)]))
        law = KestenMcKay(degree)
        if positive:
            shift = float(max(abs(law.support[0][0]), 1.0) if not law.atoms else 3.0)
            law, text = (
                affine(law, shift=shift),
                f"affine(KestenMcKay({degree!r}), shift={shift!r})",
            )
            if min([law.support[0][0], *(place for place, _ in law.atoms)]) < 0:
                return _random_law(rng, positive)
            return law, text
    elif kind == 8:
        a, b = (float(value) for value in rng.choice([-0.5, 0.5, 1.5, 2.5], 2))
        law = JacobiWeight(a, b, low, low + width)
    elif kind == 9:
        if positive:
            law = FussCatalan(float(rng.choice([2.0, 1.5])))
        else:
            law = Semicircle(width, float(rng.choice([0.0, 1.0])))
    else:
        seed, size = int(rng.integers(1000)), int(rng.integers(20, 60))
        values = np.random.default_rng(seed).normal(size=size)
        values = values**2 if positive else values
        square = "**2" if positive else ""
        text = f"EmpiricalLaw(np.random.default_rng({seed}).normal(size={size}){square})"
        return EmpiricalLaw(values), text
    return law, repr(law)


def _rotation(rng: Generator, n: int) -> Real:
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return np.asarray(q * np.sign(np.diag(r)))


# What is asked of a law --------------------------------------------------------------------------


def examine(law: Law) -> list[str]:
    """Return what is wrong with a law; an empty list if nothing is."""
    wrong: list[str] = []
    atoms, bands = law.atoms, law.support
    total = sum(mass for _, mass in atoms)
    if any(not 0 < mass <= 1 + 1e-12 for _, mass in atoms) or total > 1 + 1e-12:
        wrong.append(f"atoms {atoms}")
    ends = np.array([end for band in bands for end in band] + [place for place, _ in atoms])
    size = max(float(np.ptp(ends)), 1e-300)
    # The distribution function beside every edge and atom.
    x = [ends, np.linspace(ends.min() - 0.01 * size, ends.max() + 0.01 * size, 101)]
    distances = np.concatenate(
        [np.geomspace(1e-16, 1e-2, 8) * size, np.abs(ends).max() * 4e-16 * np.arange(1, 4)]
    )
    for end in ends:
        x += [
            end + distances,
            end - distances,
            np.array([np.nextafter(end, -9e99), np.nextafter(end, 9e99)]),
        ]
    x_all = np.unique(np.concatenate(x))
    levels = np.asarray(law.cdf(x_all))
    if levels.min() < 0 or levels.max() > 1:
        wrong.append(f"cdf from {levels.min()} to {levels.max()}")
    # A point and an edge are known to half a spacing each; so is the mass between them.
    density = np.asarray(law.pdf(x_all))
    rounding = np.spacing(np.abs(x_all)) * np.where(np.isfinite(density), density, 0)
    drop = np.minimum(np.diff(levels) + rounding[1:] + rounding[:-1], 0)
    if drop.min() < -1e-9:
        at = int(np.argmin(drop))
        wrong.append(f"cdf falls by {-drop.min():.1e} at {x_all[at]!r}")
    if law.cdf(np.nextafter(ends.min(), -9e99)) > 1e-9 or law.cdf(ends.max()) < 1 - 1e-9:
        wrong.append("cdf does not run from 0 to 1")
    for place, mass in atoms:
        step = law.cdf(place) - law.mass_below(place)
        if abs(step - mass) > 1e-9:
            wrong.append(f"step {step} for the atom {place, mass}")
    # Mass, mean, variance by quadrature with twice as many nodes until that settles.
    centre = law.mean()
    sums = np.array([[mass, mass * (p - centre), mass * (p - centre) ** 2] for p, mass in atoms])
    whole, settled = sums.reshape(-1, 3).sum(axis=0), True
    for low, high in bands:
        coarse = fine = _integrals(law, low, high, centre, 40)
        for nodes in (80, 160, 320):
            coarse, fine = fine, _integrals(law, low, high, centre, nodes)
            if abs(fine[0] - coarse[0]) < 1e-8:
                break
        whole = whole + fine
        good = abs(fine[0] - coarse[0]) < 1e-6
        settled &= bool(good)
        held = sum(mass for place, mass in atoms if low < place < high)
        grown = law.mass_below(high) - law.cdf(low) - held
        if good and abs(grown - fine[0]) > 1e-5:
            wrong.append(f"cdf grows by {grown}, the density by {fine[0]} on {low, high}")
    if settled:
        if abs(whole[0] - 1) > 1e-5:
            wrong.append(f"mass {whole[0]}")
        if abs(whole[1]) > 1e-5 * size:
            wrong.append(f"mean off by {whole[1]}")
        if abs(whole[2] - law.var()) > 1e-5 * max(law.var(), 1e-2 * size**2):
            wrong.append(f"variance {whole[2]} for {law.var()}")
    q = np.array([0.01, 0.3, 0.5, 0.7, 0.99])
    t = np.asarray(law.ppf(q))
    if (
        (np.diff(t) < 0).any()
        or (law.cdf(t + 1e-9 * size) < q - 1e-6).any()
        or (law.mass_below(t - 1e-9 * size) > q + 1e-6).any()
    ):
        wrong.append(f"quantiles {t}")
    rng = np.random.default_rng(0)
    z = rng.uniform(ends.min(), ends.max(), 20) + 1j * size * np.geomspace(1e-6, 10, 20)
    g = law.stieltjes(z)
    if (g.imag > 0).any() or (np.abs(g) * z.imag > 1 + 1e-9).any():
        wrong.append("G outside of its half-plane")
    return wrong


@lru_cache
def _gauss(count: int) -> tuple[Real, Real]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def _integrals(law: Law, low: float, high: float, centre: float, count: int) -> Real:
    """Mass, first and second central moment of the density on a band, by Gauss's rule.

    The rule is in s with x = low + (high - low) sin(pi/2 s(t))^2, s dense at both ends, for
    densities that grow there like a power above -1.
    """
    nodes, weights = _gauss(count)
    t, weights = (nodes + 1) / 2, weights / 2
    s, slope = t**3 * (10 + t * (6 * t - 15)), 30 * (t * (1 - t)) ** 2
    width = high - low
    left = width * np.sin(np.pi / 2 * s) ** 2
    x = np.where(s < 0.5, low + left, high - width * np.cos(np.pi / 2 * s) ** 2)
    dx = width * np.pi / 2 * np.sin(np.pi * s) * slope
    inside = np.minimum(x - low, high - x) > 1e-12 * width
    density = np.zeros(count)
    density[inside] = law.pdf(x[inside])
    density[~np.isfinite(density)] = 0.0
    mass = weights * dx * density
    return np.array([mass.sum(), mass @ (x - centre), mass @ (x - centre) ** 2])


def compare_matrix(tree: Tree, law: Law, rng: Generator, n: int = 160) -> list[str]:
    """Return by how much the law misses the eigenvalues of one matrix, if that is too much."""
    values = np.linalg.eigvalsh(tree.matrix(rng, n))
    size = max(float(np.ptp(values)), 1e-300)
    counted = (np.arange(n) + 0.5) / n
    excess = np.asarray(law.mass_below(values - 0.02 * size)) - counted
    lack = counted - np.asarray(law.cdf(values + 0.02 * size))
    miss = max(float(excess.max()), float(lack.max()))
    return [f"eigenvalues of a matrix are off by {miss:.3f}"] if miss > 0.06 else []


class _TooLongError(BaseException):
    """A tree took longer than the limit."""


def _give_up(number: int, frame: object) -> None:
    raise _TooLongError


def main() -> None:
    """Run the fuzz and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="first seed; every tree has its own")
    parser.add_argument("--count", type=int, default=1000, help="number of trees")
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="CPU time after which to stop"
    )
    parser.add_argument("--limit", type=float, default=60.0, help="CPU time for one tree")
    parser.add_argument("--matrices", type=float, default=0.05, help="share of trees sampled")
    options = parser.parse_args()
    signal.signal(signal.SIGPROF, _give_up)
    start, tally = time.process_time(), Counter[str]()
    slowest = (0.0, "")
    for seed in range(options.seed, options.seed + options.count):
        if time.process_time() - start > options.seconds:
            break
        rng = np.random.default_rng([seed, 11])
        tree = random_tree(rng, int(rng.integers(1, 3)))
        begin = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, options.limit)
        try:
            law = tree.make()
            wrong = examine(law)
            if rng.random() < options.matrices:
                wrong += compare_matrix(tree, law, rng)
            tally["wrong" if wrong else "right"] += 1
            if wrong:
                print(f"WRONG seed {seed}: {tree.text}\n   " + "\n   ".join(wrong), flush=True)
        except (ConvergenceError, ValueError) as error:
            tally[f"refused: {type(error).__name__}"] += 1
            print(f"refused seed {seed}: {tree.text}\n   {str(error)[-150:]}", flush=True)
        except _TooLongError:
            tally["given up after the limit"] += 1
            print(f"slow seed {seed}: {tree.text}", flush=True)
        except Exception as error:
            tally["crashed"] += 1
            print(f"CRASHED seed {seed}: {tree.text}\n   {error!r}", flush=True)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, (time.process_time() - begin, tree.text))
    print(
        dict(tally),
        f"in {time.process_time() - start:.0f} s; slowest {slowest[0]:.1f} s: {slowest[1]}",
    )


if __name__ == "__main__":
    main()
