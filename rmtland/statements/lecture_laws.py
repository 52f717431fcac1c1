"""The lecture's slide on Wigner and Wishart matrices: the two laws, their edges and atoms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmtland.ensembles import GaussianEnsemble
from rmtland.laws import MarchenkoPastur, Semicircle
from rmtland.statements.drawn_matrices import gaussian_matrix
from rmtland.statements.hypotheses import Number, Whole, seed
from rmtland.statements.relations import Equal, Estimate, Near
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Record

__all__ = ["STATEMENTS"]

PLACE = Section(Document.LECTURE, "lecture", "slide on Wigner and Wishart distributions")
SCALE = Number(0.01, 100.0, log=True)
RATIO = Number(0.01, 100.0, log=True)
SHARE = Number(0.001, 0.999)


def _density_of_resolvent(x: float, reciprocal: Callable[[float], list[float]]) -> float:
    """Return -Im G/pi from a quadratic a g^2 + b g + 1 = 0 for G at x."""
    roots = np.roots(reciprocal(x))
    return float(np.abs(roots.imag).max() / np.pi)


# The semicircle ----------------------------------------------------------------------------------


def _in_band(sigma: float, share: float) -> Record:
    x = 2 * sigma * (2 * share - 1)
    return {"x": x}


semicircle_density = Claim(
    {"sigma": SCALE, "share": SHARE},
    setting=_in_band,
    claim=lambda sigma, x: np.sqrt(4 * sigma**2 - x**2) / (2 * np.pi * sigma**2),
    truth=(
        lambda sigma, x: Semicircle(sigma**2).pdf(x),
        # sigma^2 g^2 - x g + 1 = 0
        lambda sigma, x: _density_of_resolvent(x, lambda x: [sigma**2, -x, 1.0]),
    ),
    relation=Equal(1e-7),
)

semicircle_edges = Claim(
    {"sigma": SCALE},
    claim=lambda sigma: np.array([-2 * sigma, 2 * sigma]),
    truth=(
        lambda sigma: np.array(Semicircle(sigma**2).support[0]),
        # where the quadratic sigma^2 g^2 - x g + 1 has a double root
        lambda sigma: np.sort(np.roots([1.0, 0.0, -4 * sigma**2]).real),
    ),
)

semicircle_mass = Claim(
    {"sigma": SCALE, "power": Whole(0, 4)},
    claim=lambda sigma, power: sigma ** (2 * power) * (1, 1, 2, 5, 14)[power],
    truth=(
        lambda sigma, power: Semicircle(sigma**2).moment(2 * power),
        lambda sigma, power: _even_moment(sigma, power),
    ),
    relation=Equal(1e-8),
)


def _even_moment(sigma: float, power: int) -> float:
    """Integrate x^(2 power) with the printed density by Gauss-Chebyshev quadrature."""
    k = np.arange(1, 65)
    nodes = np.cos(np.pi * k / 65)
    weights = 2 / 65 * np.sin(np.pi * k / 65) ** 2
    return float(weights @ (2 * sigma * nodes) ** (2 * power))


def _second_moment(sigma: float, n: int, entries: float) -> float:
    """Return E tr W^2/n of variances `entries`, twice that on the diagonal."""
    variances = np.full((n, n), entries) + entries * np.eye(n)
    return float(variances.sum() / n)


wigner_scale = Claim(
    {"sigma": SCALE, "n": Whole(2, 200)},
    claim=lambda sigma, n: sigma**2 * (1 + 1 / n),
    truth=(
        lambda sigma, n: _second_moment(sigma, n, sigma**2 / n),
        lambda sigma, n: GaussianEnsemble(variance=sigma**2).law.var() * (1 + 1 / n),
    ),
)

# Marchenko-Pastur --------------------------------------------------------------------------------


def _in_bulk(tau: float, sigma: float, share: float) -> Record:
    low, high = sigma * (1 - np.sqrt(tau)) ** 2, sigma * (1 + np.sqrt(tau)) ** 2
    return {"low": low, "high": high, "x": low + share * (high - low)}


wishart_density = Claim(
    {"tau": RATIO, "sigma": SCALE, "share": SHARE},
    setting=_in_bulk,
    claim=lambda tau, sigma, low, high, x: (
        np.sqrt((x - low) * (high - x)) / (2 * np.pi * x * sigma * tau)
    ),
    truth=(
        lambda tau, sigma, x: MarchenkoPastur(tau, sigma).pdf(x),
        # sigma tau x g^2 - (x - sigma (1 - tau)) g + 1 = 0
        lambda tau, sigma, x: _density_of_resolvent(
            x, lambda x: [sigma * tau * x, -(x - sigma * (1 - tau)), 1.0]
        ),
    ),
    relation=Equal(1e-6),
)

wishart_edges = Claim(
    {"tau": RATIO, "sigma": SCALE},
    claim=lambda tau, sigma: np.array(
        [sigma * (1 - np.sqrt(tau)) ** 2, sigma * (1 + np.sqrt(tau)) ** 2]
    ),
    truth=(
        lambda tau, sigma: np.array(MarchenkoPastur(tau, sigma).support[0]),
        # where (x - sigma (1 - tau))^2 = 4 sigma tau x
        lambda tau, sigma: np.sort(
            np.roots([1.0, -2 * sigma * (1 + tau), (sigma * (1 - tau)) ** 2]).real
        ),
    ),
    relation=Equal(1e-6, 1e-9),
)

wishart_atom = Claim(
    {"n": Whole(1, 12), "p": Whole(1, 12), "seed": seed()},
    claim=lambda n, p: 1 - p / n if n >= p else 0.0,
    truth=(
        lambda n, p, seed: 1 - np.linalg.matrix_rank(gaussian_matrix(seed, n, p)) / n,
        lambda n, p: sum(mass for _, mass in MarchenkoPastur(n / p).atoms),
    ),
)

wishart_scale = Claim(
    {"n": Whole(1, 30), "p": Whole(1, 30), "sigma": SCALE},
    claim=lambda sigma: sigma,
    truth=(
        # E tr J J^T/n with entries of variance sigma/p
        lambda n, p, sigma: float(np.full((n, p), sigma / p).sum() / n),
        lambda n, p, sigma: MarchenkoPastur(n / p, sigma).mean(),
    ),
)

# Deterministic in the limit ----------------------------------------------------------------------


def _spread(sigma: float, n: int, seed: int) -> Estimate:
    """Return the variance of tr W^2/n over draws, with its interval."""
    draws = 4000
    generator = np.random.default_rng(seed)
    # |W|_F^2: n chi-squared of the diagonal, n (n - 1)/2 of the rest, counted twice
    diagonal = 2 * sigma**2 / n * generator.chisquare(n, draws)
    rest = 2 * sigma**2 / n * generator.chisquare(n * (n - 1) / 2, draws) if n > 1 else 0.0
    found = (diagonal + rest) / n
    value = found.var(ddof=1)
    fourth = ((found - found.mean()) ** 4).mean()
    error = 5 * np.sqrt((fourth - value**2) / draws)
    return Estimate(float(value), float(error), draws, f"{seed}", 0.999999)


wigner_self_averaging = Claim(
    {"sigma": Number(0.1, 10.0, log=True), "n": Whole(2, 300), "seed": seed()},
    claim=lambda sigma, n: 4 * sigma**4 * (n + 1) / n**3,
    truth=_spread,
    relation=Near(),
)

STATEMENTS = (
    PLACE.corrected(
        "wigner-entries",
        Kind.FORMULA,
        printed="entries N(0, σ²) give the semicircle of variance σ²",
        tested="entries N(0, σ²/n): E tr W²/n = σ² (1 + 1/n), which tends to the law's σ²",
        holding=wigner_scale,
        failing=wigner_scale.instead(
            truth=lambda sigma, n: _second_moment(sigma, n, sigma**2),
        ),
        counterexample=Counterexample({"sigma": 1.0, "n": 2}, claim=1.5, truth=3.0),
        derivation=(
            "With entries of variance σ² the mean square of the eigenvalues is (n + 1) σ²: it "
            "grows with n, and no limit law exists. The variance must be σ²/n (2σ²/n on the "
            "diagonal)."
        ),
        code=("rmtland.ensembles.GaussianEnsemble", "rmtland.laws.Semicircle"),
    ),
    PLACE.holds(
        "semicircle-density",
        Kind.FORMULA,
        printed="ρ(λ) = √(4σ² − λ²)/(2πσ²) on |λ| ≤ 2σ",
        tested="the same, against the law and against −Im G/π with σ²G² − λG + 1 = 0",
        holding=semicircle_density,
        derivation="The roots of the quadratic have imaginary part √(4σ² − λ²)/(2σ²).",
        code=("rmtland.laws.Semicircle",),
    ),
    PLACE.holds(
        "semicircle-edges",
        Kind.FORMULA,
        "the semicircle has its density on |λ| ≤ 2σ, and 0 outside",
        "support of the law, and zeros of the discriminant of its quadratic",
        derivation="λ² = 4σ².",
        holding=semicircle_edges,
        code=("rmtland.laws.Semicircle",),
    ),
    PLACE.holds(
        "semicircle-moments",
        Kind.FORMULA,
        printed="ρ is a probability density",
        tested="its even moments are σ^(2k) times the Catalan numbers 1, 1, 2, 5, 14",
        holding=semicircle_mass,
        derivation=(
            "Gauss-Chebyshev quadrature of the second kind is exact for the printed density."
        ),
        code=("rmtland.laws.Semicircle.moment",),
    ),
    PLACE.corrected(
        "wishart-entries",
        Kind.FORMULA,
        printed="J (n × p) with entries N(0, σ²/p): JJᵀ has edges σ(1 ± √τ)², τ = n/p",
        tested="entries of variance σ/p: E tr JJᵀ/n = σ, the mean of that law",
        holding=wishart_scale,
        failing=wishart_scale.instead(
            hypotheses={**wishart_scale.hypotheses, "sigma": Number(0.01, 100.0)},
            truth=lambda n, p, sigma: float(np.full((n, p), sigma**2 / p).sum() / n),
        ),
        counterexample=Counterexample({"n": 1, "p": 1, "sigma": 2.0}, claim=2.0, truth=4.0),
        derivation=(
            "With entries of variance σ²/p the mean eigenvalue is σ², while the printed law has "
            "mean σ: σ is the variance scale in the law and the standard deviation in the "
            "entries."
        ),
        code=("rmtland.laws.MarchenkoPastur", "rmtland.ensembles.WishartEnsemble"),
    ),
    PLACE.holds(
        "wishart-density",
        Kind.FORMULA,
        printed="ρ(λ) = √((λ − λ₋)(λ₊ − λ))/(2πλστ)",
        tested="the same, against the law and against −Im G/π of its quadratic",
        holding=wishart_density,
        derivation="στλG² − (λ − σ(1 − τ))G + 1 = 0 follows from R(g) = σ/(1 − στg).",
        code=("rmtland.laws.MarchenkoPastur.pdf",),
    ),
    PLACE.holds(
        "wishart-edges",
        Kind.FORMULA,
        printed="λ± = σ(1 ± √τ)²",
        tested="the same, against the zeros of the discriminant of the law's quadratic",
        holding=wishart_edges,
        derivation="The discriminant (λ − σ(1 − τ))² − 4στλ vanishes at the edges.",
        code=("rmtland.laws.MarchenkoPastur",),
    ),
    PLACE.holds(
        "wishart-atom",
        Kind.FORMULA,
        printed="for τ ≥ 1 an atom 1 − 1/τ at 0, none for τ < 1",
        tested="the share of exact zeros of JJᵀ, n − rank J of n, for Gaussian J (n × p)",
        holding=wishart_atom,
        derivation="A Gaussian n × p matrix has rank min(n, p) with probability 1.",
        code=("rmtland.laws.MarchenkoPastur",),
    ),
    PLACE.empirical(
        "wigner-self-averaging",
        Kind.CLAIM,
        printed="eigenvalue distributions are deterministic for large n",
        tested="Var(tr W²/n) = 4σ⁴(n + 1)/n³ for entries of variance σ²/n: it falls as n⁻²",
        holding=wigner_self_averaging,
        derivation=(
            "n(n − 1)/2 independent squares counted twice and n of the diagonal: "
            "(4(n − 1) + 8)σ⁴/n · n⁻². Monte Carlo of 4000 draws for each example, intervals of 5 "
            "standard errors."
        ),
        code=("rmtland.ensembles.GaussianEnsemble",),
    ),
)
