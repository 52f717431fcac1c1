"""Make the table of small Wigner matrices of `rmtland.comparison.edge_law` by drawing matrices.

    python scripts/make_wigner_edges.py                        # all orders: some ten CPU minutes
    python scripts/make_wigner_edges.py --orders 10 17         # these two

What is drawn is the largest eigenvalue less their mean, over the deviation of the entries that the
eigenvalues tell. For each order the centre and scale are printed whose Tracy-Widom law has the
levels 2.5 to 30 % at the quantiles of the draws (least squares of the logarithms), beside those of
the table; how far off the levels are of the law that the table has, in per cent of each; and what a
nominal 1 % of the expansion for large matrices would reject, and of the table.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.optimize import least_squares

from rmtland.comparison.edge_law import EdgeLaw, wigner_edge
from rmtland.ensembles import GaussianEnsemble
from rmtland.laws import TracyWidom

LEVELS = np.geomspace(0.025, 0.3, 12)
BATCH = 4000


def ratios(n: int, beta: int, draws: int, seed: int) -> np.ndarray:
    """Return the largest eigenvalue over the estimated deviation of entries, for each draw."""
    degrees, found = beta * n * (n - 1) / 2 + n - 1, []
    for start in range(0, draws, BATCH):
        runs = min(BATCH, draws - start)
        drawn = GaussianEnsemble(beta).sample(n, runs=runs, rng=(seed, n, beta, start))
        values = drawn.nodes - drawn.nodes.mean(axis=1, keepdims=True)
        variance = (values**2).sum(axis=1) * beta / (2 * degrees)
        found.append(values.max(axis=1) / np.sqrt(variance))
    return np.concatenate(found)


def fitted(beta: int, quantiles: np.ndarray) -> tuple[float, float]:
    """Return centre and scale of the Tracy-Widom law that has the levels at the quantiles."""
    law = TracyWidom(beta)
    start = np.polyfit(law.isf(LEVELS), quantiles, 1)[::-1]
    found = least_squares(
        lambda p: np.log(law.sf((quantiles - p[0]) / p[1]) / LEVELS), start, x_scale=abs(start)
    )
    return float(found.x[0]), float(found.x[1])


def expansion(n: int, beta: int) -> EdgeLaw:
    """Return the law for large matrices at a small order."""
    known = wigner_edge(n, beta=beta, estimated=False)
    degrees = beta * n * (n - 1) / 2 + n - 1
    blur = (known.centre / known.scale) ** 2 / (2 * degrees) + 2 / (beta * n * known.scale**2)
    return EdgeLaw(beta, known.centre, known.scale, blur)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, nargs="+", default=list(range(4, 33)))
    parser.add_argument("--draws", type=int, default=80_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if min(arguments.orders) < 4 or max(arguments.orders) > 32:
        parser.error("--orders must be between 4 and 32, those of the table")
    if arguments.draws < 1000:
        parser.error(f"--draws must be at least 1000; got {arguments.draws}")
    print("beta  n   centre   scale    table           levels off, %     1 %: expansion  table")
    for beta in (1, 2):
        for n in arguments.orders:
            drawn = ratios(n, beta, arguments.draws, arguments.seed)
            centre, scale = fitted(beta, np.quantile(drawn, 1 - LEVELS))
            table = wigner_edge(n, beta=beta)
            off = [np.mean(drawn > table.quantile(level)) / level - 1 for level in LEVELS]
            rejected = [
                100 * np.mean(drawn > edge.quantile(0.01)) for edge in (expansion(n, beta), table)
            ]
            print(
                f"{beta:4} {n:2}  {centre:7.4f}  {scale:.4f}  {table.centre:7.4f} {table.scale:.4f}"
                f"  {100 * min(off):+6.1f} to {100 * max(off):+4.1f} {rejected[0]:14.2f} "
                f"{rejected[1]:8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
