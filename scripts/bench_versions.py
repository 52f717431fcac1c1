"""Compare the speed of laws and free operations in two checkouts of rmtland, in one run.

For each checkout one process computes the rows below, turn and turn about; of both the least CPU
time of many turns is taken, so that what else runs on the machine counts as little as can be, and
the ratio after/before is printed. Laws are built, and have passed their certificates, before the
first turn: a row is the time of values of a law that is there. Where a row stays above 1 + margin
it is measured again, up to three times, with the turns of before kept.

    git worktree add ../before 22557d6
    python scripts/bench_versions.py ../before
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_LAWS = {
    "Wishart + Wigner": "WishartPlusWigner(.5, .3).law",
    "Wishart + Wigner, two bands": "WishartPlusWigner(.1, .01).law",
    "Marchenko-Pastur(.5)": "MarchenkoPastur(.5)",
    "Marchenko-Pastur(2)": "MarchenkoPastur(2.)",
    "semicircle": "Semicircle(.6)",
    "Wachter": "Wachter(.5, .25)",
    "uniform": "Uniform(-.5, 2.)",
    "arcsine": "Arcsine(-1., 2.5)",
    "Kesten-McKay": "KestenMcKay(3.)",
    "Jacobi weight": "JacobiWeight(.5, -.3, -1., 2.)",
    "free Meixner": "FreeMeixner(.3, .2)",
    "Fuss-Catalan": "FussCatalan(2.)",
    "three points": "Discrete((-1., 0., 2.), (.25, .25, .5))",
    "MP - MP": "free_sum(MarchenkoPastur(.5), affine(MarchenkoPastur(.8), scale=-1.))",
    "MP x MP": "free_product(MarchenkoPastur(.5), MarchenkoPastur(.5))",
    "MP x semicircle": "free_product(MarchenkoPastur(.5), Semicircle(.6))",
    "semicircle + uniform": "free_sum(Uniform(-.5, 2.), Semicircle(.6))",
    "arcsine + MP": "free_sum(Arcsine(-1., 2.5), MarchenkoPastur(.5))",
    "three signs": "free_sum(*3*[Discrete((-1., 1.), (.5, .5))])",
    "five points + semicircle": "free_sum(Discrete((-4., -1.5, .5, 2., 5.), "
    "(.1, .3, .2, .25, .15)), Semicircle(.02))",
    "1000 eigenvalues + semicircle": "free_sum(EmpiricalLaw("
    "np.random.default_rng(0).normal(size=1000)), Semicircle(.6))",
    "compressed uniform": "free_compression(Uniform(-.5, 2.), .5)",
}
_FUNCTIONS = ("pdf", "cdf", "ppf", "stieltjes")
_LONG = 0.05
"""Seconds above which one value of a row is a turn by itself."""

_WORKER = """
import sys, time
import numpy as np
from rmtland import MarchenkoPastur, Semicircle, WishartPlusWigner, free_product, free_sum
from rmtland.free import free_compression
from rmtland.laws import (Arcsine, Discrete, EmpiricalLaw, FreeMeixner, FussCatalan, JacobiWeight,
                          KestenMcKay, Uniform, Wachter, affine)

laws, calls = {}, {}
for line in sys.stdin:
    text, function, size, count = line.rstrip("\\n").split("\\t")
    try:
        if line not in calls:
            law = laws.setdefault(text, None) or eval(text)
            laws[text] = law
            ends = [end for band in law.support for end in band]
            ends += [place for place, _ in law.atoms]
            x = np.linspace(min(ends), max(ends), int(size))
            if function == "ppf":
                x = np.linspace(0, 1, int(size) + 2)[1:-1]
            elif function == "stieltjes":
                x = x + .1j
            calls[line] = getattr(law, function), x
            getattr(law, function)(x)
        call, x = calls[line]
        times = []
        for _ in range(int(count)):
            start = time.process_time_ns()
            call(x)
            times.append(time.process_time_ns() - start)
        print(min(times) / 1e9, flush=True)
    except Exception as error:
        print("nan", type(error).__name__, str(error)[:100].replace("\\n", " "), flush=True)
"""


class Checkout:
    """A process that computes with the code of one checkout."""

    def __init__(self, place: str) -> None:
        root = Path(place).resolve()
        if not (root / "rmtland" / "__init__.py").is_file():
            sys.exit(f"{place} is not a checkout of rmtland: it has no rmtland/__init__.py")
        environment = dict(os.environ, PYTHONPATH=str(root), RMTLAND_KERNELS="compiled")
        for threads in ("OPENBLAS", "OMP", "NUMBA"):
            environment[f"{threads}_NUM_THREADS"] = "1"
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=root,
        )

    def turn(self, law: str, function: str, size: int, count: int) -> float:
        """Return the least CPU seconds of some calls."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{law}\t{function}\t{size}\t{count}\n")
        self._process.stdin.flush()
        number, *reason = self._process.stdout.readline().split(maxsplit=1)
        if reason:
            print(f"    refused: {reason[0].strip()}")
        return float(number)


def rows(patterns: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield title, law and function of the rows that were asked for."""
    for name, law in _LAWS.items():
        for function in _FUNCTIONS:
            title = f"{name}: {function}"
            if any(fnmatch.fnmatch(title.lower(), pattern.lower()) for pattern in patterns):
                yield title, law, function


def measure(
    checkouts: tuple[Checkout, Checkout], law: str, function: str, size: int, arguments: object
) -> tuple[float, float]:
    """Return the least CPU seconds of before and after, from interleaved turns."""
    first = [checkout.turn(law, function, size, 1) for checkout in checkouts]
    longest = max(first)
    if not longest < 60:  # refused, or too long to repeat
        return first[0], first[1]
    seconds = arguments.seconds  # type: ignore[attr-defined]
    count = 1 if longest > _LONG else max(1, int(0.02 / longest))
    turns = max(3, int(seconds / 2 / max(longest * count, 1e-5)))
    best = list(first)
    for attempt in range(3):
        for turn in range(turns):
            for which in (0, 1) if turn % 2 else (1, 0):
                best[which] = min(best[which], checkouts[which].turn(law, function, size, count))
        if attempt and best[1] <= best[0] * (1 + arguments.margin):  # type: ignore[attr-defined]
            break
    return best[0], best[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", help="checkout to compare with, a git worktree")
    parser.add_argument("after", nargs="?", default=".", help="checkout that is judged")
    parser.add_argument("--rows", nargs="*", default=["*"], help='patterns as "wachter*: p?f"')
    parser.add_argument("--points", type=int, default=2000, help="points, or levels of ppf")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU seconds a row, about")
    parser.add_argument("--margin", type=float, default=0.03, help="what counts as equal speed")
    parser.add_argument("--quick", action="store_true", help="two rows, few turns")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rows, arguments.seconds = ["marchenko-pastur(.5): [pc]df"], 0.05
    checkouts = Checkout(arguments.before), Checkout(arguments.after)
    print(f"least CPU times of interleaved turns, {arguments.points} points or levels")
    print(f"{'row':48s} {'before':>10s} {'after':>10s} {'ratio':>6s}")
    slower = compared = 0
    for title, law, function in rows(arguments.rows):
        before, after = measure(checkouts, law, function, arguments.points, arguments)
        ratio = after / before
        compared += ratio == ratio
        slower += ratio > 1 + arguments.margin
        mark = " slower" if ratio > 1 + arguments.margin else ""
        print(
            f"{title:48s} {1e3 * before:7.3f} ms {1e3 * after:7.3f} ms {ratio:6.2f}{mark}",
            flush=True,
        )
    print(f"{compared} rows, {slower} slower by more than {arguments.margin:.0%}")


if __name__ == "__main__":
    main()
