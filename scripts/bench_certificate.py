"""Time the certificate against the first density of a law on 200 points, route by route.

Every law is built anew; without the certificate, then with it. Processor time, medians.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from rmtland import (
    Discrete,
    Law,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    Wachter,
    WishartPlusWigner,
    free_compression,
    free_power,
    free_product,
    free_sum,
)
from rmtland.free import block_gaussian
from rmtland.laws.pushforward import pushforward

ROUTES: dict[str, Callable[[], Law]] = {
    "Wishart + Wigner (rational)": lambda: WishartPlusWigner(0.5, 0.1).law,
    "semicircle + uniform": lambda: free_sum(Semicircle(0.2), Uniform(-0.5, 2.0)),
    "uniform + uniform": lambda: free_sum(Uniform(0.0, 1.0), Uniform(-0.5, 2.0)),
    "five points + semicircle": lambda: free_sum(
        Discrete((-4.0, -1.5, 0.5, 2.0, 5.0), (0.1, 0.3, 0.2, 0.25, 0.15)), Semicircle(0.02)
    ),
    "Marchenko-Pastur x Marchenko-Pastur": lambda: free_product(
        MarchenkoPastur(0.5, 0.8), MarchenkoPastur(0.3, 1.4)
    ),
    "semicircle x Marchenko-Pastur (signed)": lambda: free_product(
        Semicircle(0.5, 0.3), MarchenkoPastur(0.3, 1.4)
    ),
    "uniform to the power 2.6": lambda: free_power(Uniform(-0.5, 2.0), 2.6),
    "compression of Wachter": lambda: free_compression(Wachter(0.4, 0.7), 0.35),
    "block Gaussian (matrix Dyson)": lambda: block_gaussian([1.0, 3.0], [[0.0, 4.0], [4.0, 0.0]]),
    "square of a semicircle (pushforward)": lambda: pushforward(
        Semicircle(1.0, 0.5), (0.0, 1.0, 1.0)
    ),
}


def main() -> None:
    """Print a line for every route."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    print(f"{'route':40s} {'first 200 points':>17s} {'certificate':>12s} {'share':>6s}")
    for name, make in ROUTES.items():
        plain, spent = [], []
        for _ in range(repeats + 1):
            law = make()
            start = time.process_time()
            low, high = law.hull
            law._pdf(np.linspace(low, high, 200))
            middle = time.process_time()
            law._require_certificate()
            end = time.process_time()
            plain.append(1e3 * (middle - start))
            spent.append(1e3 * (end - middle))
        first, check = float(np.median(plain[1:])), float(np.median(spent[1:]))
        print(f"{name:40s} {first:14.3f} ms {check:9.3f} ms {check / first:6.2f}", flush=True)


if __name__ == "__main__":
    main()
