"""Fits, signals, goodness of fit: what is stated, and what was found over repetitions.

    python scripts/bench_fits.py                          # a minute, one row a case
    python scripts/bench_fits.py --full --jobs levels     # 4000 matrices a case
    python scripts/bench_fits.py --page docs/fits.md      # writes the tables of the page anew

Numbers of full runs are kept in figures/fits.json (--keep), from which the page is written.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rmtland import (
    GaussianEnsemble,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    TracyWidom,
    WishartEnsemble,
    fit,
    goodness_of_fit,
    signals,
)
from rmtland.ensembles import SpikedEnsemble

LEVEL = 0.05
EDGE_ORDERS = range(4, 49)
KEPT = Path(__file__).parent.parent / "figures" / "fits.json"
SHAPES = (
    (20, 1000),
    (20, 400),
    (40, 200),
    (100, 200),
    (20, 20),
    (100, 100),
    (400, 400),
    (200, 100),
    (200, 40),
    (400, 20),
    (1000, 20),
)
"""Rows and columns, the ratio from .02 to 50."""


def share(found: list[bool], **case: Any) -> dict[str, Any]:
    """Return a share that should be the level, with its standard error."""
    error = np.sqrt(LEVEL * (1 - LEVEL) / len(found))
    return {**case, "matrices": len(found), "share": float(np.mean(found)), "error": float(error)}


def levels(runs: int) -> Iterator[dict[str, Any]]:
    """Share of matrices of noise that show a signal."""
    for n, q in SHAPES:
        for beta in (1, 2):
            law = MarchenkoPastur(n / q)
            nodes = WishartEnsemble(n / q, beta=beta).sample(n, rng=1, runs=runs).nodes
            found = [signals(Spectrum(x), law, beta=beta).count > 0 for x in nodes]
            yield share(found, noise="Wishart", rows=n, columns=q, beta=beta)
    for n in (10, 20, 40, 100, 400):
        for beta in (1, 2):
            nodes = GaussianEnsemble(beta).sample(n, rng=1, runs=runs).nodes
            found = [signals(Spectrum(x), Semicircle(), beta=beta).count > 0 for x in nodes]
            yield share(found, noise="Wigner", rows=n, columns=n, beta=beta)


def edges(runs: int) -> Iterator[dict[str, Any]]:
    """Centre and scale of a Tracy-Widom law for the largest of few Wigner eigenvalues.

    Over their estimated deviation, from the quantiles at several levels; and the share of draws
    above the quantile of each level, over it.
    """
    stated = np.array([0.3, 0.2, 0.1, 0.05, 0.025, 0.01, 0.005])
    weight = np.sqrt(stated / (1 - stated))[:, None]
    for n in EDGE_ORDERS:
        for beta in (1, 2):
            generator = np.random.default_rng([n, beta])
            i = np.arange(n)
            diagonal = generator.normal(size=(10 * runs, n)) * np.sqrt(2 / beta)
            squares = generator.chisquare(beta * i[:0:-1], size=(10 * runs, n - 1)) / beta
            values = np.empty((10 * runs, n))
            for start in range(0, 10 * runs, 4096):  # not all matrices at once
                some = slice(start, start + 4096)
                matrix = np.zeros((len(diagonal[some]), n, n))
                matrix[:, i, i] = diagonal[some]
                matrix[:, i[1:], i[:-1]] = np.sqrt(squares[some])
                values[some] = np.linalg.eigvalsh(matrix)
            centre = values.mean(1)
            variance = values.var(1) * n * n / (n * n + (2 / beta - 1) * n - 2 / beta)
            ends = np.concatenate([values[:, -1] - centre, centre - values[:, 0]])
            ratios = ends / np.sqrt(np.tile(variance, 2) / n)
            x = TracyWidom(beta).isf(stated)
            columns = weight * np.stack([np.ones_like(x), x], axis=1)
            target = weight[:, 0] * np.quantile(ratios, 1 - stated)
            (mu, scale), *_ = np.linalg.lstsq(columns, target, rcond=None)
            reached = [
                float(np.mean(ratios > mu + scale * q) / p) for p, q in zip(stated, x, strict=True)
            ]
            yield {
                "order": n,
                "beta": beta,
                "centre": round(float(mu), 4),
                "scale": round(float(scale), 4),
                "share over level": np.round(reached, 3).tolist(),
            }


def goodness(runs: int) -> Iterator[dict[str, Any]]:
    """Share of matrices that the goodness of fit refuses though the law holds."""
    cases = [
        ("Marchenko-Pastur", WishartEnsemble(0.5), MarchenkoPastur, {"aspect_ratio": 0.5}),
        ("Marchenko-Pastur", WishartEnsemble(0.5), MarchenkoPastur, {}),
        ("semicircle", GaussianEnsemble(), Semicircle, {"center": 0.0}),
        ("semicircle", GaussianEnsemble(), Semicircle, {}),
    ]
    runs, resamples = max(runs // 8, 4), 99 if runs >= 1000 else 19
    generator = np.random.default_rng(3)
    for name, ensemble, family, fix in cases:
        spectra = [Spectrum(x) for x in ensemble.sample(40, rng=2, runs=runs).nodes]
        if fix:
            known = [
                goodness_of_fit(x, ensemble.law, resamples=resamples, rng=generator).p_value
                for x in spectra
            ]
            yield share([p <= LEVEL for p in known], law=name, parameters="known")
        found = []
        for x in spectra:
            fitted = fit(x, family, fix=fix, starts=2, rng=generator, resamples=0)
            test = goodness_of_fit(x, fitted, resamples=resamples, rng=generator)
            found.append(test.p_value <= LEVEL)
        held = f"fitted but {', '.join(fix)}" if fix else "fitted"
        yield share(found, law=name, parameters=held)


def strengths(runs: int) -> Iterator[dict[str, Any]]:
    """Scores of a population eigenvalue in its standard errors."""
    scores, runs = [], max(runs // 4, 20)
    for seed in range(runs):
        x = np.random.default_rng(seed).normal(size=(40, 120))
        x[0] *= np.sqrt(5.0)
        found = signals(Spectrum(np.linalg.eigvalsh(x @ x.T / 120)), MarchenkoPastur(1 / 3))
        if found.count == 1:
            one = found.strengths[0]
            scores.append((one.strength - 5.0) / one.error)
    yield {
        "population eigenvalue": 5.0,
        "rows": 40,
        "columns": 120,
        "matrices": runs,
        "found alone": len(scores),
        "mean score": float(np.mean(scores)),
        "its deviation": float(np.std(scores)),
    }


SPIKED = ((40, 800), (80, 160), (160, 320), (80, 80), (80, 40), (400, 20))
METHODS = ("distance", "quantiles", "likelihood")


def noise_with_spikes(n: int, q: int, spikes: int, runs: int) -> np.ndarray:
    """Draw spectra of covariance matrices with so many spikes above the threshold."""
    noise = WishartEnsemble(n / q)
    if not spikes:
        return noise.sample(n, rng=1, runs=runs).nodes
    strengths = 1 + np.sqrt(n / q) * np.geomspace(4.0, 40.0, spikes)
    ensemble = SpikedEnsemble(noise, tuple(strengths), "multiplicative")
    return ensemble.sample(n, rng=1, runs=runs).nodes


def contaminated(n: int, q: int, runs: int) -> np.ndarray:
    """Draw spectra of covariances where a tenth of the variances are spread from 1 to 3."""
    generator = np.random.default_rng(1)
    deviations = np.sqrt(np.concatenate([np.ones(n - n // 10), np.linspace(1, 3, n // 10)]))
    found = []
    for _ in range(runs):
        x = generator.normal(size=(n, q)) * deviations[:, None]
        found.append(np.linalg.eigvalsh(x @ x.T / q))
    return np.maximum(found, 0.0)


def fits(runs: int) -> Iterator[dict[str, Any]]:
    """Root mean square errors of fitted parameters, in percent."""
    runs = max(runs // 50, 4)
    for n, q in SPIKED:
        for spikes in (0, 1, min(10, min(n, q) // 4), "contaminated"):
            dirty = spikes == "contaminated"
            if dirty and n > q:
                continue
            nodes = contaminated(n, q, runs) if dirty else noise_with_spikes(n, q, spikes, runs)
            outliers = "exclude" if dirty else spikes
            row = {"rows": n, "columns": q, "spikes": spikes, "matrices": runs}
            for method in METHODS:
                found = []
                for x in nodes:
                    one = fit(
                        Spectrum(x),
                        MarchenkoPastur,
                        method=method,
                        outliers=outliers,
                        starts=[{"aspect_ratio": n / q, "scale": 1.0}],
                        resamples=0,
                    )
                    found.append([one.parameters["aspect_ratio"] * q / n, one.parameters["scale"]])
                rms = np.sqrt(np.mean((np.array(found) - 1) ** 2, axis=0))
                row |= {
                    f"{method}: aspect ratio": 100 * float(rms[0]),
                    f"{method}: scale": 100 * float(rms[1]),
                }
            yield row


def coverage(runs: int) -> Iterator[dict[str, Any]]:
    """Root mean square of fitted parameters, in their stated errors; 1 if these are right."""
    runs = max(runs // 80, 4)
    for n, q, spikes in ((40, 800, 0), (80, 160, 0), (80, 160, 5), (80, 40, 0)):
        nodes = noise_with_spikes(n, q, spikes, runs)
        truth = {"aspect_ratio": n / q, "scale": 1.0}
        row: dict[str, Any] = {"rows": n, "columns": q, "spikes": spikes, "matrices": runs}
        for method in METHODS:
            found = []
            for seed, x in enumerate(nodes):
                one = fit(
                    Spectrum(x),
                    MarchenkoPastur,
                    method=method,
                    outliers=spikes,
                    starts=[truth],
                    resamples=12,
                    rng=seed,
                )
                found.append(
                    [(one.parameters[k] - v) / (one.errors[k] or np.inf) for k, v in truth.items()]
                )
            rms = np.sqrt(np.mean(np.square(found), axis=0))
            row |= {f"{method}: aspect ratio": float(rms[0]), f"{method}: scale": float(rms[1])}
        yield row


JOBS = {
    "levels": levels,
    "edges": edges,
    "strengths": strengths,
    "goodness": goodness,
    "fits": fits,
    "coverage": coverage,
}


START, END = "<!-- {}: begin -->", "<!-- {}: end -->"


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a table in Markdown."""
    heads = list(dict.fromkeys(name for row in rows for name in row))
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines += [f"| {' | '.join(words(row.get(name, '')) for name in heads)} |" for row in rows]
    return "\n".join(lines)


def with_tables(page: str, kept: dict[str, list[dict[str, Any]]]) -> str:
    """Return a page with the table of each study written anew between its marks."""
    for job, rows in kept.items():
        start, end = START.format(job), END.format(job)
        if start not in page:
            continue
        head, _, rest = page.partition(start)
        rest = rest.partition(end)[2]
        page = f"{head}{start}\n{table(rows)}\n{end}{rest}"
    return page


def words(value: Any) -> str:
    """Return a cell of a table."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {words(one)}" for name, one in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Run the studies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="repetitions for two digits")
    parser.add_argument("--runs", type=int, default=None, help="matrices a case")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="studies")
    parser.add_argument("--page", type=Path, help="write the tables of a page and stop")
    parser.add_argument("--keep", action="store_true", help="keep the numbers for the page")
    options = parser.parse_args()
    if options.page:
        kept = json.loads(KEPT.read_text("utf-8"))
        page = with_tables(options.page.read_text("utf-8"), kept)
        options.page.write_text(page, "utf-8")
        return
    runs = options.runs or (4000 if options.full else 100)
    for job in options.jobs:
        print(f"{job}: {JOBS[job].__doc__}")
        rows = []
        for row in JOBS[job](runs):
            rows.append(row)
            print("  " + words(row), flush=True)
        if options.keep:
            kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
            KEPT.write_text(json.dumps({**kept, job: rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
