"""The theory sheet on generalisation: theorem 2.2, its proof, the PAC-Bayes framework."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, chi2

from rmtland.landscape.pac_bayes import GaussianPosterior, mcallester, printed_bound
from rmtland.landscape.sharpness.trust_region import quadratic_maximum
from rmtland.statements.drawn_matrices import gaussian_matrix
from rmtland.statements.hypotheses import Hypothesis, Number, Whole, seed
from rmtland.statements.relations import AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Real, Record

__all__ = ["STATEMENTS"]

THEOREM = Section(Document.THEORY, "theory-pac", "section 2.2, theorem 2.2")
PROOF = Section(Document.THEORY, "theory-pac", "section 2.2, proof of theorem 2.2")
FRAMEWORK = Section(Document.THEORY, "theory-pac", "section 4.3 on the PAC-Bayes framework")
RHO = Number(0.01, 3.0, log=True)
DELTA = Number(0.01, 0.5)
SCALE = Number(0.1, 10.0, log=True)

# Divergences -------------------------------------------------------------------------------------


def _posterior(mean: Real, prior_mean: Real, width: float, prior_width: float) -> GaussianPosterior:
    p = len(mean)
    return GaussianPosterior(mean, prior_mean, np.full(p, width**2), np.eye(p), prior_width)


def _divergence(mean: Iterable[float], width: float) -> float:
    """Return KL(N(mean, width^2 I) || N(0, I)) by quadrature along each coordinate."""
    total = 0.0
    for centre in mean:
        t = centre + width * np.linspace(-10, 10, 4001)
        z = (t - centre) / width
        weight = np.exp(-(z**2) / 2)
        gain = t**2 / 2 - z**2 / 2 - math.log(width)
        total += float(np.sum(weight * gain) / np.sum(weight))
    return total


GAUSSIANS: dict[str, Hypothesis] = {"size": Whole(1, 4), "rho": RHO, "seed": seed()}


def _means(size: int, seed: int) -> Record:
    theta = gaussian_matrix(seed, 1, size)[0]
    return {"theta": theta, "square": theta @ theta}


divergence = Claim(
    GAUSSIANS,
    setting=_means,
    claim=lambda square, size, rho: (square + size * rho**2 - size - size * math.log(rho**2)) / 2,
    truth=(
        lambda theta, rho: _divergence(theta, rho),
        lambda theta, rho: _posterior(theta, 0 * theta, rho, 1.0).kl,
    ),
    relation=Equal(1e-7, 1e-9),
)

divergence_printed = Claim(
    {"theta": Number(-3.0, 3.0), "rho": RHO},
    claim=lambda theta, rho: (theta**2 * rho**2 + rho**2 - 1 - math.log(rho**2)) / 2,
    truth=lambda theta, rho: _divergence([theta], rho),
    relation=Equal(1e-6, 1e-8),
)

same_law = Claim(
    GAUSSIANS,
    setting=_means,
    claim=lambda: 0.0,
    truth=lambda theta, rho: _posterior(theta, theta, rho, rho).kl,
    relation=Equal(0.0, 1e-12),
)

same_law_printed = Claim(
    {"size": Whole(1, 9), "rho": RHO},
    claim=lambda size, rho: size * rho**2 / 2,
    truth=lambda size, rho: _posterior(np.zeros(size), np.zeros(size), rho, rho).kl,
)

small_rho = Claim(
    {"size": Whole(1, 4), "rho": Number(1e-6, 0.1, log=True)},
    setting=lambda size: {"theta": np.zeros(size)},
    # leading order for small rho
    claim=lambda size, rho: size * (math.log(1 / rho) - 0.5 + rho**2 / 2),
    truth=lambda theta, rho: _divergence(theta, rho),
    relation=Equal(1e-7),
)

small_rho_printed = Claim(
    {"size": Whole(1, 4), "rho": Number(1e-3, 0.5)},
    claim=lambda size, rho: size * rho**2 / 2,
    truth=lambda size, rho: _divergence(np.zeros(size), rho),
    relation=Equal(0.5),
)

# The bound of the framework ----------------------------------------------------------------------


def _moment(samples: int, share: float) -> float:
    """Return E exp(2 n d^2), d the deviation of a mean of n losses that are 0 or 1."""
    k = np.arange(samples + 1)
    return float(binom.pmf(k, samples, share) @ np.exp(2 * samples * (k / samples - share) ** 2))


needed = Claim(
    {"samples": Whole(1, 60), "share": Number(0.25, 0.75)},
    claim=lambda: 1.0,
    truth=_moment,
    relation=AtMost(),
)

framework = Claim(
    {"error": Number(0.0, 0.5), "kl": SCALE, "samples": Whole(1, 10_000), "delta": DELTA},
    claim=lambda error, kl, samples, delta: (
        error + math.sqrt((kl + math.log(2 * math.sqrt(samples) / delta)) / (2 * samples))
    ),
    truth=mcallester,
)

hoeffding = Claim(
    {"share": Number(0.01, 0.99), "slope": Number(-6.0, 6.0)},
    setting=lambda share, slope: {"p": share, "s": slope},
    attained=lambda: {"p": 0.5, "s": 1e-3},
    claim=lambda s: s**2 / 8,
    # log E exp(s (loss - p)) of one loss that is 0 or 1
    truth=lambda p, s: float(np.log1p(p * np.expm1(s)) - p * s),
    relation=AtMost(atol=1e-14, sharp=1e-6),
)


# The proof and the theorem -----------------------------------------------------------------------


def _bowl(size: int, rho: float, seed: int) -> Record:
    values = gaussian_matrix(seed, 1, size)[0] ** 2
    return {"values": values, "rise": quadratic_maximum(np.zeros(size), values, rho)}


def _round_bowl(size: int, rho: float) -> Record:
    return {"values": np.ones(size), "rise": rho**2 / 2}


def _mean_rise(values: Real, width: float) -> float:
    """Return E L(theta + e) - L(theta), e ~ N(0, width^2), by Gauss-Hermite nodes."""
    t, weight = np.polynomial.hermite_e.hermegauss(8)
    return sum(
        float(weight @ (h * (width * t) ** 2 / 2) / weight.sum()) for h in np.atleast_1d(values)
    )


mean_rise = Claim(
    GAUSSIANS,
    setting=_bowl,
    attained=_round_bowl,
    claim=lambda rise: rise,
    truth=lambda values, rho, size: _mean_rise(values, rho / math.sqrt(size)),
    relation=AtMost(sharp=1e-8),
)

mean_rise_printed = Claim(
    {"size": Whole(1, 9), "curvature": SCALE, "rho": RHO},
    claim=lambda size, curvature, rho: quadratic_maximum(
        np.zeros(size), np.full(size, curvature), rho
    ),
    truth=lambda size, curvature, rho: _mean_rise(np.full(size, curvature), rho),
    relation=AtMost(1e-7),
)

within_ball = Claim(
    {"size": Whole(1, 30), "rho": RHO, "seed": seed()},
    claim=lambda size: chi2.cdf(1.0, size),
    truth=lambda size, rho, seed: _share_within(size, rho),
    relation=Equal(1e-5),
)


def _share_within(size: int, rho: float) -> float:
    """Return the mass of N(0, rho^2 I) in the ball of radius rho, by its radial density."""
    r = np.linspace(0, 1, 20001)[1:] - 0.5 / 20000
    log_area = math.log(2) + size / 2 * math.log(math.pi) - math.lgamma(size / 2)
    density = np.exp(log_area - size / 2 * math.log(2 * math.pi) - r**2 / 2) * r ** (size - 1)
    return float(density.sum() / 20000)


last_step = Claim(
    {"size": Whole(1, 1000), "rho": Number(0.01, 10.0), "samples": Whole(1, 1000), "delta": DELTA},
    claim=lambda size, rho, samples, delta: printed_bound(0.0, rho, size, samples, delta),
    truth=lambda size, rho, samples, delta: math.sqrt(
        (size * rho**2 / 2 + math.log(1 / delta)) / (2 * samples)
    ),
    relation=AtMost(),
)


INPUTS = 10**6


def _gap_quantile(samples: int, delta: float) -> float:
    """Return the quantile 1 - delta of test error less training error of a table with one code.

    A single parameter codes the answers to a million inputs, so that the loss (0 or 1) is constant
    about it: S = 0 in a ball. Labels are coin flips: the test error is 1/2 whatever it codes.
    """
    generator = np.random.default_rng((samples, 7))
    gaps = []
    for _ in range(40):
        inputs, labels = generator.integers(0, (INPUTS, 2), (samples, 2)).T
        votes = np.bincount(np.unique(inputs, return_inverse=True)[1], weights=2 * labels - 1)
        counts = np.bincount(np.unique(inputs, return_inverse=True)[1])
        wrong = (counts - np.abs(votes)).sum() / 2  # the minority at each input
        gaps.append(0.5 - wrong / samples)
    return float(np.quantile(gaps, 1 - delta))


memoriser = Claim(
    {"samples": Whole(1, 60), "delta": DELTA, "rho": Number(0.0, 0.1)},
    claim=lambda rho, samples, delta: printed_bound(0.0, rho, 1, samples, delta),
    truth=_gap_quantile,
    relation=AtMost(),
)

flat_radius = Claim(
    {"curvature": Number(0.1, 10.0, log=True)},
    claim=lambda curvature: 2 / curvature,
    truth=lambda curvature: float(
        brentq(
            lambda rho: quadratic_maximum(np.zeros(1), np.array([curvature]), rho) - rho,
            1e-6 / curvature,
            1e3 / curvature,
        )
    ),
    relation=Equal(1e-8),
)

flatter_smaller = Claim(
    {"flat": SCALE, "sharp": SCALE},
    where=lambda flat, sharp: flat < sharp,
    # the largest rho with S_rho <= rho
    claim=lambda sharp: 2 / sharp,
    truth=lambda flat: float(
        brentq(
            lambda rho: quadratic_maximum(np.zeros(1), np.array([flat]), rho) - rho,
            1e-6 / flat,
            1e3 / flat,
        )
    ),
    relation=AtMost(),
)

BOUND: dict[str, Hypothesis] = {
    "rho": RHO,
    "p": Whole(1, 10**6),
    "n": Whole(1, 10**5),
    "delta": DELTA,
}
more_parameters = Claim(
    BOUND,
    claim=lambda rho, p, n, delta: math.sqrt((2 * rho**2 + math.log(2 * p / delta)) / n),
    truth=lambda rho, p, n, delta: printed_bound(0.0, rho, p, n, delta),
)

more_data = Claim(
    {**BOUND, "times": Whole(2, 9)},
    claim=lambda rho, p, n, delta, times: printed_bound(0.0, rho, p, n, delta) / math.sqrt(times),
    truth=lambda rho, p, n, delta, times: printed_bound(0.0, rho, p, n * times, delta),
)

PAC = "rmtland.landscape.pac_bayes"
BOUNDS = (f"{PAC}.printed_bound",)

STATEMENTS = (
    FRAMEWORK.corrected(
        "framework",
        Kind.THEOREM,
        "E_Q L_test ≤ E_Q L_train + √((KL(Q‖P) + log(1/δ))/(2n)) for every Q",
        "with log(2√n/δ) in place of log(1/δ): Maurer's form of McAllester's bound",
        holding=framework,
        failing=needed,
        counterexample=Counterexample({"samples": 1, "share": 0.5}, claim=1.0, truth=1.6487212707),
        derivation=(
            "The proof needs E exp(2n d²) ≤ 1 for the deviation d of a mean of n losses, where "
            "log(1/δ) is to be enough; already one coin has e^(1/2). E exp(n kl) ≤ 2√n holds. "
            "Whether the printed bound is false for some P is not settled here: it is not proved."
        ),
        code=(f"{PAC}.mcallester", f"{PAC}.seeger"),
    ),
    PROOF.holds(
        "fixed-posterior",
        Kind.PROOF_STEP,
        "the bound with log(1/δ), for one Q = P chosen before the data",
        "log E exp(s(ℓ − p)) ≤ s²/8 for losses 0 or 1, attained as s → 0 at p = 1/2",
        "Hoeffding's lemma; Chernoff's bound of it is √(log(1/δ)/(2n)), with KL = 0.",
        holding=hoeffding,
    ),
    PROOF.corrected(
        "same-law",
        Kind.PROOF_STEP,
        "for Q = P, KL = pρ²/2",
        "KL(P‖P) = 0",
        holding=same_law,
        failing=same_law_printed,
        counterexample=Counterexample({"size": 1, "rho": 1.0}, claim=0.5, truth=0.0),
        derivation=(
            "The value printed is of two other laws, N(θ, ρ²I) and N(0, I). A prior centred at the "
            "trained θ has seen the data, and the framework does not allow it."
        ),
        code=(f"{PAC}.GaussianPosterior.kl",),
    ),
    PROOF.corrected(
        "gaussians",
        Kind.PROOF_STEP,
        "KL(N(θ, ρ²I)‖N(0, I)) = (θᵀθ/(1/ρ²) + pρ² − p − p log ρ²)/2",
        "= (θᵀθ + pρ² − p − p log ρ²)/2, against quadrature along each coordinate",
        holding=divergence,
        failing=divergence_printed,
        counterexample=Counterexample(
            {"theta": 1.0, "rho": 0.5}, claim=0.4431471806, truth=0.8181471806
        ),
        derivation="The shift counts in units of the prior's variance 1, not of 1/ρ².",
        code=(f"{PAC}.GaussianPosterior.kl",),
    ),
    PROOF.corrected(
        "small-radius",
        Kind.PROOF_STEP,
        "that KL is ≈ pρ²/2 for small ρ",
        "it is p(log(1/ρ) − 1/2 + ρ²/2) at θ = 0, and diverges as ρ → 0",
        holding=small_rho,
        failing=small_rho_printed,
        counterexample=Counterexample({"size": 1, "rho": 0.5}, claim=0.125, truth=0.3181471806),
        derivation="A narrow posterior is far from a wide prior.",
        code=(f"{PAC}.GaussianPosterior.kl",),
    ),
    PROOF.corrected(
        "within-the-ball",
        Kind.PROOF_STEP,
        "perturbations N(θ, ρ²I) are those with |ε| ≤ ρ",
        "a share P(χ²_p ≤ 1) of them is, which falls faster than any power of 1/p",
        holding=within_ball,
        failing=within_ball.instead(
            hypotheses={"size": Whole(1, 30), "rho": RHO},
            claim=lambda: 1.0,
            truth=lambda size, rho: _share_within(size, rho),
            relation=Equal(1e-3),
        ),
        counterexample=Counterexample({"size": 1, "rho": 1.0}, claim=1.0, truth=0.6826894924),
        derivation="|ε| is about ρ√p: the mass sits on that sphere.",
    ),
    PROOF.corrected(
        "mean-loss",
        Kind.PROOF_STEP,
        "E_P L ≈ L(θ) at a flat minimum, for P = N(θ, ρ²I): the rise is at most S_ρ",
        "E L − L(θ) ≤ S_ρ for N(θ, (ρ²/p) I) and quadratic L, attained by round bowls",
        holding=mean_rise,
        failing=mean_rise_printed,
        counterexample=Counterexample(
            {"size": 2, "curvature": 1.0, "rho": 1.0}, claim=0.5, truth=1.0
        ),
        derivation="The mean rise is ρ² tr(H)/2, up to p times S_ρ = ρ² λ_max/2.",
        code=("rmtland.landscape.sharpness.ball_sharpness",),
    ),
    PROOF.refuted(
        "last-step",
        Kind.PROOF_STEP,
        "√((pρ²/2 + log(1/δ))/(2n)) ≤ √((2ρ² + log(2p/δ))/n)",
        "the same, p up to 1000 and ρ up to 10",
        failing=last_step,
        counterexample=Counterexample(
            {"size": 9, "rho": 4.0, "samples": 1, "delta": 0.5},
            claim=5.965192280,
            truth=6.028811955,
        ),
        derivation="pρ²/4 is linear in p, 2ρ² + log p is not: false for pρ² large.",
        code=BOUNDS,
    ),
    THEOREM.refuted(
        "theorem",
        Kind.THEOREM,
        "S_ρ(θ) ≤ ρ ⇒ |L_test − L_train| ≤ √((2ρ² + log(2p/δ))/n) with probability 1 − δ",
        "a table whose answers one parameter codes, on labels that are coin flips",
        failing=memoriser,
        counterexample=Counterexample(
            {"samples": 6, "delta": 0.5, "rho": 0.0}, claim=0.4806760, truth=0.5
        ),
        derivation=(
            "The loss is constant about the code, S_ρ = 0, training error 0 and test error 1/2, "
            "while the bound falls to 0 with n: it does not know the labels."
        ),
        code=BOUNDS,
    ),
    THEOREM.holds(
        "flat-definition",
        Kind.DEFINITION,
        "ρ-flat: S_ρ(θ) ≤ ρ",
        "a quadratic minimum of curvature λ is ρ-flat for ρ ≤ 2/λ",
        "ρ²λ/2 = ρ. Every minimum is ρ-flat for all small ρ: the unit of the loss decides.",
        holding=flat_radius,
        code=("rmtland.landscape.sharpness.ball_sharpness",),
    ),
    THEOREM.refuted(
        "flatter-is-smaller",
        Kind.CLAIM,
        "flatter minima have smaller ρ, and tighter bounds",
        "largest ρ for which a minimum is ρ-flat, a flatter against a sharper one",
        failing=flatter_smaller,
        counterexample=Counterexample({"flat": 0.5, "sharp": 1.0}, claim=2.0, truth=4.0),
        derivation="It is 2/λ, larger for flatter minima; the least is 0 for all.",
    ),
    THEOREM.holds(
        "more-parameters",
        Kind.CLAIM,
        "more parameters, looser bound",
        "the printed bound as a function of p: √((2ρ² + log(2p/δ))/n)",
        "log p rises. (That it bounds is refuted elsewhere.)",
        holding=more_parameters,
        code=BOUNDS,
    ),
    THEOREM.holds(
        "more-data",
        Kind.CLAIM,
        "more data, tighter bound",
        "k times the data divide the printed bound by √k",
        "n stands below the root alone.",
        holding=more_data,
        code=BOUNDS,
    ),
)
