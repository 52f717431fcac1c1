"""Random polynomials in free variables, against independent routes.

Each law of two variables of two points is held to exact moments of words, to the eigenvalues of the
polynomial on a fine sample of planes with its own quadrature, and to what a law must satisfy: atoms
in [0, 1], total mass 1, a distribution function that grows, transforms that agree with it. With
`--general` the variables have other laws, and large rotated matrices take the place of the planes.
An answer that is wrong without a word is printed with the case that made it.

    python scripts/fuzz_polynomials.py --seed 1 --count 1000
    python scripts/fuzz_polynomials.py --seed 1 --count 200 --general
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rmtland import (
    Discrete,
    EmpiricalLaw,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    free_variables,
    law_of_polynomial,
)
from rmtland.free.polynomials.noncommutative_polynomial import Polynomial, WordMoments
from rmtland.laws import KestenMcKay, Wachter
from rmtland.laws.law import Law

X, Y, Z = free_variables("x y z")
PLANES = 4000
SIZE = 200
SHARES = (0.5, 0.25, 0.75, 0.3, 0.7, 1 / 3, 2 / 3, 0.1, 1e-3)


@dataclass
class Outcome:
    """Counts of a run, and what went wrong."""

    count: int = 0
    refused: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def draw_case(rng: np.random.Generator) -> tuple[Polynomial, dict[str, Discrete]]:
    """Return a self-adjoint polynomial of degree <= 4 and two laws of two points."""
    laws = {}
    for name in "xy":
        share = rng.choice(SHARES) if rng.random() < 0.7 else rng.uniform(0.01, 0.99)
        kind = rng.integers(4)
        places = [(0.0, 1.0), (-1.0, 1.0), (1.0, 2.0), tuple(np.sort(rng.normal(size=2)))][kind]
        laws[name] = Discrete(places, (1 - share, share))
    p = draw_polynomial(rng, (X, Y))
    return (p, laws) if p.degree else draw_case(rng)


def draw_polynomial(rng: np.random.Generator, symbols: tuple[Polynomial, ...]) -> Polynomial:
    """Return a self-adjoint polynomial of degree <= 4 with at most three words and adjoints."""
    p = 0 * X
    for _ in range(rng.integers(1, 4)):
        word = 1 + 0 * X
        for _ in range(rng.integers(1, 5)):
            word = word * symbols[rng.integers(len(symbols))]
        if rng.random() < 0.6:
            number = complex(rng.integers(-3, 4), rng.integers(-2, 3) * (rng.random() < 0.3))
        else:
            number = complex(*rng.normal(size=2))
        p = p + number * word + np.conj(number) * word.adjoint()
    return p


def draw_general_case(rng: np.random.Generator) -> tuple[Polynomial, dict[str, Law]]:
    """Return a self-adjoint polynomial of degree <= 4 in two or three variables, and their laws."""
    share = float(rng.uniform(0.05, 0.95))
    places = np.sort(rng.normal(size=3))
    chosen: list[Law] = [
        Semicircle(float(rng.uniform(0.2, 2)), center=float(rng.integers(-1, 2))),
        MarchenkoPastur(float(rng.choice([0.3, 0.5, 1.0, 2.0]))),
        Uniform(*np.sort(rng.normal(size=2)).tolist()),
        Uniform(0.0, 1.0),
        Discrete((0.0, 1.0), (1 - share, share)),
        Discrete(tuple(places.tolist()), (0.2, 0.5, 0.3)),
        EmpiricalLaw(rng.normal(size=20)),
        Wachter(2.0, 0.5),
        KestenMcKay(3.0),
    ]
    count = int(rng.integers(2, 4))
    p = draw_polynomial(rng, (X, Y, Z)[:count])
    laws = {name: chosen[rng.integers(len(chosen))] for name in p.variables}
    return (p, laws) if len(laws) > 1 else draw_general_case(rng)


def rotated(law: Law, n: int, rng: np.random.Generator) -> Any:
    """Matrix with quantiles of a law for eigenvalues and random eigenvectors."""
    q, r = np.linalg.qr(rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n)))
    q = q * (np.diagonal(r) / np.abs(np.diagonal(r)))
    return (q * law.ppf((np.arange(n) + 0.5) / n)) @ q.conj().T


def general_faults(law: Law, p: Polynomial, laws: dict[str, Law]) -> list[str]:
    """Return what is wrong with the law of a polynomial in any laws; nothing if it is right."""
    found = []
    rng = np.random.default_rng(0)
    values = np.linalg.eigvalsh(p(**{name: rotated(v, SIZE, rng) for name, v in laws.items()}))
    ends = [end for band in law.support for end in band] + [place for place, _ in law.atoms]
    low, high = min(ends), max(ends)
    size = max(abs(low), abs(high))
    if any(not 0 < mass <= 1 for _, mass in law.atoms):
        found.append(f"atoms {law.atoms}")
    # Eigenvalues are rigid to O(log n/n); places of atoms are met to rounding only.
    beside = 1e-6 * size
    highest, lowest = np.asarray(law.cdf(values + beside)), np.asarray(law.cdf(values - beside))
    share = np.arange(SIZE) / SIZE
    worst = max(float((share - highest).max()), float((lowest - share - 1 / SIZE).max()))
    if worst > 10 / SIZE:
        found.append(f"distribution function off by {worst}")
    grid = np.unique(np.concatenate([np.linspace(low - 1e-3 * size, high, 300), ends]))
    levels = np.asarray(law.cdf(grid))
    if (np.diff(levels) < -1e-9).any() or abs(levels[-1] - 1) > 1e-12 or levels[0] != 0:
        found.append(f"distribution function not monotone or not from 0 to 1: {levels}")
    s = np.linspace(-2.4, 2.4, 97)  # tanh-sinh rule, on both sides of 0
    nodes = np.tanh(np.pi / 2 * np.sinh(s))
    shares = np.pi / 2 * np.cosh(s) / np.cosh(np.pi / 2 * np.sinh(s)) ** 2 * (s[1] - s[0])
    for a, b in law.support:
        mass = 0.0
        for left, right in [(a, 0.0), (0.0, b)] if a < 0 < b else [(a, b)]:
            density = np.asarray(law.pdf((left + right) / 2 + (right - left) / 2 * nodes))
            mass += (np.where(np.isfinite(density), density, 0) @ shares) * (right - left) / 2
        inner = sum(m for place, m in law.atoms if a <= place <= b)
        gain = float(law.cdf(b)) - float(law.mass_below(a)) - inner
        if abs(mass - gain) > 0.01:
            found.append(f"band [{a}, {b}] of mass {gain} has a density of mass {mass}")
    words = WordMoments(lambda name, order: laws[name]._exact_cumulants(order))
    radius = 1.5 * size
    z = radius * np.exp(1j * np.pi * (np.arange(128) + 0.5) / 128)
    g = law.stieltjes(z)
    power = 1 + 0 * X
    for k in range(1, 4):
        power = power * p
        exact = sum(v * float(words.moment(w)) for w, v in power.coefficients.items()).real
        if abs(law.moment(k) - exact) > 1e-9 * radius**k:
            found.append(f"moment {k} is {law.moment(k)}, not {exact}")
        if abs(np.mean(z ** (k + 1) * g).real - exact) > 1e-9 * radius**k:
            found.append(f"moment {k} of the equation is {np.mean(z ** (k + 1) * g)}, not {exact}")
    return found


def planes(p: Polynomial, laws: dict[str, Discrete]) -> tuple[Any, Any]:
    """Eigenvalues and weights: common eigenspaces exactly, planes at many angles."""
    (x0, x1), (y0, y1) = laws["x"].locations, laws["y"].locations
    a, b = laws["x"].weights[1], laws["y"].weights[1]
    corners = [
        (x1, y1, a + b - 1),
        (x1, y0, a - b),
        (x0, y1, b - a),
        (x0, y0, 1 - a - b),
    ]
    values = [np.real(p(x=x, y=y)) for x, y, share in corners if share > 0]
    weights = [share for _, _, share in corners if share > 0]
    middle, half = a + b - 2 * a * b, 2 * math.sqrt(a * b * (1 - a) * (1 - b))
    # sqrt((t - low) (high - t)) / (2 pi t (1 - t)) by the midpoint rule in the angle, with more
    # nodes towards the ends
    s = (np.arange(PLANES) + 0.5) / PLANES
    angle = np.pi * s**2 * (3 - 2 * s)
    t = np.clip(middle + half * np.cos(angle), 0, 1)
    low, high = abs(a - b), abs(1 - a - b)
    low, high = low**2 / (middle + half), high**2 / (1 - middle + half)
    up, down = half * (1 + np.cos(angle)) + low, half * (1 - np.cos(angle)) + high
    mass = (half * np.sin(angle)) ** 2 / (2 * np.pi * up * down) * np.pi * 6 * s * (1 - s) / PLANES
    least = min(a, b, 1 - a, 1 - b)
    mass = mass * least / mass.sum()
    r = np.sqrt(t * (1 - t))
    first = np.zeros((PLANES, 2, 2))
    first[:, 0, 0], first[:, 1, 1], first[:, 0, 1], first[:, 1, 0] = t, 1 - t, r, r
    second = np.broadcast_to(np.diag([1.0, 0.0]), first.shape)
    one = np.eye(2)
    matrix = p(x=x0 * one + (x1 - x0) * first, y=y0 * one + (y1 - y0) * second)
    values = np.concatenate([values, np.linalg.eigvalsh(np.asarray(matrix) + 0j).ravel()])
    return values, np.concatenate([weights, np.repeat(mass, 2)])


def faults(law: Law, p: Polynomial, laws: dict[str, Discrete]) -> list[str]:
    """Return what is wrong with a law, in words; nothing if it is right."""
    found = []
    values, weights = planes(p, laws)
    order = np.argsort(values)
    values, weights = values[order], weights[order]
    low, high = values[0], values[-1]
    size = max(abs(low), abs(high), 1e-3)
    ends = [end for band in law.support for end in band] + [place for place, _ in law.atoms]
    tolerance = 1e-9 * size
    if min(ends) > low + tolerance or max(ends) < high - tolerance:
        found.append(f"support [{min(ends)}, {max(ends)}] leaves out [{low}, {high}]")
    if min(ends) < low - 1e-3 * size or max(ends) > high + 1e-3 * size:
        found.append(f"support [{min(ends)}, {max(ends)}] is wider than [{low}, {high}]")
    if any(not 0 < mass <= 1 for _, mass in law.atoms):
        found.append(f"atoms {law.atoms}")
    grid = np.unique(
        np.concatenate(
            [
                np.linspace(low - 0.1 * size, high + 0.1 * size, 201),
                ends,
                np.array(ends) + 1e-7 * size,
                np.array(ends) - 1e-7 * size,
            ]
        )
    )
    levels = np.asarray(law.cdf(grid))
    if (np.diff(levels) < -1e-12).any() or levels[-1] != 1 or levels[0] != 0:
        found.append(f"distribution function not monotone or not from 0 to 1: {levels}")
    # Between the places of the sample: within the weights of neighbours on every monotone piece
    far = np.array([x for x in grid if min(abs(x - place) for place in ends) > 1e-6 * size])
    if far.size:
        counted = np.concatenate([[0.0], np.cumsum(weights)])[np.searchsorted(values, far, "right")]
        worst = np.abs(counted - law.cdf(far)).max()
        if worst > 60 / PLANES:
            found.append(f"distribution function off by {worst}")
    for place, mass in law.atoms:
        jump = law.cdf(place) - law.mass_below(place)
        if abs(jump - mass) > 1e-12:
            found.append(f"atom of {mass} at {place}, jump of {jump}")
    words = WordMoments(lambda name, order: laws[name]._exact_cumulants(order))
    power = 1 + 0 * X
    for k in range(1, 4):
        power = power * p
        exact = sum(v * float(words.moment(w)) for w, v in power.coefficients.items()).real
        bound = sum(
            abs(v) * math.prod(max(map(abs, laws[letter.name].locations)) for letter in w)
            for w, v in power.coefficients.items()
        )
        if abs(law.moment(k) - exact) > 1e-12 * bound:
            found.append(f"moment {k} is {law.moment(k)}, not {exact}")
    z = (
        low
        + (high - low + 0.1 * size) * np.array([-0.2, 0.1, 0.5, 0.8, 1.2])
        + 1j * size * np.array([0.3, 0.1, 0.03, 0.2, 0.01])
    )
    exact = (1 / (z[:, None] - values)) @ weights
    g = law.stieltjes(z)
    if (np.abs(g - exact) > 1e-6 * np.abs(exact) + 3e-6 / size).any():
        found.append(f"Stieltjes transform {g}, not {exact} at {z}")
    if far.size and law.support:
        density = np.asarray(law.pdf(far))
        boundary = -np.imag(law.stieltjes(far)) / np.pi
        bad = np.isfinite(density) & (np.abs(density - boundary) > 1e-6 * (1 / size + density))
        if bad.any():
            found.append(f"density {density[bad]}, not {boundary[bad]} at {far[bad]}")
        levels = np.asarray(law.cdf(far))
        inside = (levels > 1e-9) & (levels < 1 - 1e-9) & (density > 0)
        back = np.asarray(law.ppf(levels[inside]))
        wrong = np.abs(law.cdf(back) - levels[inside]) > 1e-9
        if wrong.any():
            found.append(f"quantiles {back[wrong]} of {levels[inside][wrong]}")
    return found


def run(seed: int, count: int, *, general: bool = False) -> Outcome:
    """Try `count` cases; the i-th one depends on seed and i only."""
    outcome = Outcome()
    draw: Any = draw_general_case if general else draw_case
    check: Any = general_faults if general else faults
    for i in range(count):
        p, laws = draw(np.random.default_rng([seed, i]))
        case = f"case {i}: {p} with {laws}"
        start = time.perf_counter()
        try:
            used = {name: laws[name] for name in p.variables}
            law = law_of_polynomial(p, **used)
            problems = check(law, p, laws)
        except ArithmeticError as error:
            outcome.refused.append(f"{case}: {error}")
            problems = []
        outcome.seconds.append(time.perf_counter() - start)
        outcome.wrong += [f"{case}: {problem}" for problem in problems]
        outcome.count += 1
    return outcome


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--general", action="store_true", help="other laws than of two points")
    options = parser.parse_args()
    outcome = run(options.seed, options.count, general=options.general)
    for line in (*outcome.refused, *outcome.wrong):
        print(line)
    print(
        f"{outcome.count} polynomials: {len(outcome.wrong)} wrong, {len(outcome.refused)} refused, "
        f"median {np.median(outcome.seconds):.3f} s, longest {max(outcome.seconds):.3f} s"
    )
    raise SystemExit(1 if outcome.wrong else 0)


if __name__ == "__main__":
    main()
