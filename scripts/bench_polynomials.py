"""CPU time of laws of polynomials: the law itself, and 200 values of density and distribution.

Timed is the package that is installed; with `--base` this checkout and another one, in turn, and
the ratio of both is printed.

    python scripts/bench_polynomials.py
    git worktree add ../before 22557d6 && python scripts/bench_polynomials.py --base ../before
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

NAMES = (
    "xy + yx, uniform and three points",
    "xy + yx, semicircle and uniform",
    "xy + yx, projection and uniform",
    "xy + yx, uniform and 60 eigenvalues",
    "i(xy - yx), uniform and three points",
    "i(xy - yx), free Poisson and uniform",
    "xyx + x, uniform and free Poisson",
    "xyx + y, three points and uniform",
    "x^2 + xyx + y, three points and uniform",
    "(x + y)^2 + y, uniform and three points",
    "xyz + zyx, semicircle, uniform and free Poisson",
    "xy + yx + z, semicircle, uniform and free Poisson",
    "xyxy + yxyx, uniform and three points",
    "-(xy - yx)^2, semicircle and three points",
    "x y^2 x, uniform and Kesten-McKay",
    "xy + yx, two free signs",
    "xy + yx + x^2, semicircle and free Poisson",
    "i(xy - yx), semicircles",
)


def cases() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Polynomials and the laws of their variables."""
    from rmtland import (
        Discrete,
        EmpiricalLaw,
        MarchenkoPastur,
        Semicircle,
        Uniform,
        free_variables,
    )
    from rmtland.laws import KestenMcKay

    x, y, z = free_variables("x y z")
    three = Discrete((-1.0, 0.5, 2.0), (0.3, 0.3, 0.4))
    sign = Discrete((-1.0, 1.0), (0.5, 0.5))
    wide, poisson = Uniform(-1, 2), MarchenkoPastur(0.5)
    values = np.random.default_rng(0).normal(size=60)
    anti, commutator = x * y + y * x, 1j * (x * y - y * x)
    made = [
        (anti, {"x": wide, "y": three}),
        (anti, {"x": Semicircle(), "y": Uniform(0, 1)}),
        (anti, {"x": Discrete((0.0, 1.0), (0.3, 0.7)), "y": Uniform(1, 2)}),
        (anti, {"x": wide, "y": EmpiricalLaw(values)}),
        (commutator, {"x": wide, "y": three}),
        (commutator, {"x": poisson, "y": wide}),
        (x * y * x + x, {"x": wide, "y": poisson}),
        (x * y * x + y, {"x": three, "y": wide}),
        (x**2 + x * y * x + y, {"x": three, "y": Uniform(0, 1)}),
        ((x + y) ** 2 + y, {"x": Uniform(-1, 1), "y": three}),
        (x * y * z + z * y * x, {"x": Semicircle(), "y": wide, "z": poisson}),
        (anti + z, {"x": Semicircle(), "y": wide, "z": poisson}),
        (x * y * x * y + y * x * y * x, {"x": wide, "y": three}),
        (-((x * y - y * x) ** 2), {"x": Semicircle(), "y": three}),
        (x * y * y * x, {"x": Uniform(1, 3), "y": KestenMcKay(1.5)}),
        (anti, {"x": sign, "y": sign}),
        (anti + x**2, {"x": Semicircle(0.7), "y": MarchenkoPastur(1.5)}),
        (commutator, {"x": Semicircle(), "y": Semicircle()}),
    ]
    return dict(zip(NAMES, made, strict=True))


def timed(p: Any, laws: dict[str, Any]) -> float:
    """CPU seconds of one law with 200 values of its density and distribution function."""
    from rmtland import law_of_polynomial

    start = time.process_time()
    law = law_of_polynomial(p, **laws)
    x = np.linspace(law.support[0][0], law.support[-1][1], 202)[1:-1]
    law.pdf(x), law.cdf(x)
    return time.process_time() - start


def serve(only: str) -> None:
    """Time one case for every name on a line of the input; print a number, or what was raised."""
    made = cases()
    chosen = [name for name in NAMES if only in name]
    several = (NAMES[0], NAMES[1], NAMES[12], NAMES[16])
    for name in several if len(chosen) > len(several) else chosen:  # kernels: compiled or loaded
        with contextlib.suppress(ArithmeticError):
            timed(*made[name])
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        try:
            print(json.dumps(timed(*made[json.loads(line)])), flush=True)
        except ArithmeticError as error:
            print(json.dumps(f"{type(error).__name__}: {error}"[:60]), flush=True)


class Version:
    """A process that times cases with one checkout of the package, or with the installed one."""

    def __init__(self, folder: Path | None, only: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", "--only", only],
            env={**os.environ, **({"PYTHONPATH": str(folder)} if folder else {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def __call__(self, name: str) -> Any:
        """Time a case."""
        assert self._process.stdin is not None
        print(json.dumps(name), file=self._process.stdin, flush=True)
        return self._answer()

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Parse, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--base", type=Path, help="another checkout to compare with")
    parser.add_argument("--only", default="", help="cases whose names contain this")
    parser.add_argument("--repeats", type=int, default=3, help="the least of so many is printed")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.only)
        return
    folders: list[Path | None] = [None]
    if options.base:
        folders = [Path(__file__).resolve().parents[1], options.base.resolve()]
    versions = [Version(folder, options.only) for folder in folders]
    print(f"{'':50s}{'CPU s':>9s}" + ("     before   ratio" if options.base else ""))
    for name in NAMES:
        if options.only not in name:
            continue
        new = min((versions[0](name) for _ in range(options.repeats)), key=str)
        row = f"{name:50s}" + (f"{new:9.3f}" if isinstance(new, float) else f"  {new}")
        for version in versions[1:]:
            old = version(name)
            if isinstance(old, float):
                old = min([old, *(version(name) for _ in range(options.repeats - 1) if old < 3)])
                row += f"{old:11.3f}" + (f"{old / new:8.1f}" if isinstance(new, float) else "")
            else:
                row += f"  {old}"
        print(row, flush=True)
    for version in versions:
        version.stop()


if __name__ == "__main__":
    main()
