"""Level of the tests of signals and goodness of fit, and errors of spike strengths, by Monte Carlo.

Prints one row a case: what is stated, what was found over repetitions, the Monte Carlo error.

python scripts/bench_fits.py            # a minute
python scripts/bench_fits.py --full     # repetitions for two digits
"""

import argparse

import numpy as np

from rmtland import (
    GaussianEnsemble,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    WishartEnsemble,
    fit,
    goodness_of_fit,
    signals,
)

LEVEL = 0.05


def row(name, found):
    """Print a share that should be the level, with its standard error."""
    share = float(np.mean(found))
    error = np.sqrt(LEVEL * (1 - LEVEL) / len(found))
    print(f"{name:52s} {share:6.3f} +- {error:.3f}  (stated {LEVEL:.2f}, {len(found)} matrices)")


def levels_of_signals(runs):
    """Share of matrices of noise that show a signal."""
    for beta in (1, 2):
        for n, q in ((10, 10), (20, 60), (60, 20), (50, 80)):
            nodes = WishartEnsemble(n / q, beta=beta).sample(n, rng=1, runs=runs).nodes
            law = MarchenkoPastur(n / q)
            found = [signals(Spectrum(x), law, beta=beta).count > 0 for x in nodes]
            row(f"signals, Wishart {n} x {q}, beta = {beta}", found)
        for n in (10, 40, 100):
            nodes = GaussianEnsemble(beta).sample(n, rng=1, runs=runs).nodes
            found = [signals(Spectrum(x), Semicircle(), beta=beta).count > 0 for x in nodes]
            row(f"signals, Wigner {n}, beta = {beta}", found)


def levels_of_goodness(runs, resamples):
    """Share of matrices that the goodness of fit refuses though the law holds."""
    cases = [
        ("Marchenko-Pastur", WishartEnsemble(0.5), MarchenkoPastur, {"aspect_ratio": 0.5}),
        ("Marchenko-Pastur", WishartEnsemble(0.5), MarchenkoPastur, {}),
        ("semicircle", GaussianEnsemble(), Semicircle, {"center": 0.0}),
        ("semicircle", GaussianEnsemble(), Semicircle, {}),
    ]
    generator = np.random.default_rng(3)
    for name, ensemble, family, fix in cases:
        spectra = [Spectrum(x) for x in ensemble.sample(40, rng=2, runs=runs).nodes]
        if fix:
            known = [
                goodness_of_fit(x, ensemble.law, resamples=resamples, rng=generator).p_value
                for x in spectra
            ]
            row(f"goodness, {name}, parameters known", np.array(known) <= LEVEL)
        found = []
        for x in spectra:
            fitted = fit(x, family, fix=fix, starts=2, rng=generator, resamples=0)
            test = goodness_of_fit(x, fitted, resamples=resamples, rng=generator)
            found.append(test.p_value <= LEVEL)
        row(f"goodness, {name}, fitted but {sorted(fix)}", found)


def strengths(runs):
    """Scores of a population eigenvalue in its standard errors."""
    scores = []
    for seed in range(runs):
        x = np.random.default_rng(seed).normal(size=(40, 120))
        x[0] *= np.sqrt(5.0)
        found = signals(Spectrum(np.linalg.eigvalsh(x @ x.T / 120)), MarchenkoPastur(1 / 3))
        if found.count == 1:
            one = found.strengths[0]
            scores.append((one.strength - 5.0) / one.error)
    print(
        f"strength 5 of 40 x 120: found alone in {len(scores)} of {runs}; score "
        f"{np.mean(scores):.2f}, deviation {np.std(scores):.2f}"
    )


def main():
    """Run the studies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="repetitions for two digits")
    parser.add_argument("--runs", type=int, default=None, help="matrices a case")
    options = parser.parse_args()
    runs = options.runs or (4000 if options.full else 200)
    levels_of_signals(runs)
    strengths(max(runs // 4, 20))
    levels_of_goodness(max(runs // 8, 10), 99 if options.full else 19)


if __name__ == "__main__":
    main()
