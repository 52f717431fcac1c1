"""The theory sheet on the temperature of SGD: its stationary law, Gibbs laws, small steps.

The exact second moments of SGD on quadratic losses come from `rmtland.landscape.noise`; those of
the printed stochastic differential equation from Lyapunov's equation HC + CH = 2ηΣ/B.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.integrate import quad
from scipy.linalg import solve_continuous_lyapunov

from rmtland.landscape.noise import NoisyDescent
from rmtland.statements.drawn_matrices import gaussian_matrix
from rmtland.statements.hypotheses import Hypothesis, Number, Whole, seed
from rmtland.statements.relations import AtLeast, AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Real, Record

__all__ = ["STATEMENTS"]

PROOF = Section(Document.THEORY, "theory-noise", "section 2.1, proof of theorem 2.1")
EQUATION = Section(Document.THEORY, "theory-noise", "section 4.2 on the stochastic equation")
SMALL = Section(Document.THEORY, "theory-noise", "section 6.3 on small learning rates")
STEP = Number(0.001, 0.5, log=True)
CURVATURE = Number(0.1, 2.0)
SCALE = Number(0.1, 10.0, log=True)
BATCH = Whole(1, 16)

# The stationary law ------------------------------------------------------------------------------


def _scalar_sgd(curvature: float, variance: float, step: float, batch: int) -> NoisyDescent:
    return NoisyDescent.of_matrices(
        [[curvature]], [[variance]], samples=100, step_size=step, batch_size=batch
    )


def _isotropic(
    size: int, variance: float, step: float, batch: int, seed: int, small: float = 1.0
) -> Record:
    A = gaussian_matrix(seed, size, size)
    H = A @ A.T / size + 0.1 * np.eye(size)
    H *= small / np.linalg.norm(H, 2)
    made = NoisyDescent.of_matrices(
        H, variance * np.eye(size), samples=100, step_size=step, batch_size=batch
    )
    return {"H": H, "values": np.linalg.eigvalsh(H), "trace": variance * size, "sgd": made}


ISOTROPIC: dict[str, Hypothesis] = {
    "size": Whole(1, 4),
    "variance": SCALE,
    "step": STEP,
    "batch": BATCH,
    "seed": seed(),
}

temperature = Claim(
    ISOTROPIC,
    setting=_isotropic,
    claim=lambda step, trace, size, batch, values: (
        (step * trace / (2 * size * batch)) / values / (1 - step * values / 2)
    ),
    truth=lambda sgd: sgd.stationary(multiplicative=False).variances,
    relation=Equal(1e-7),
)

temperature_printed = Claim(
    {"curvature": CURVATURE, "variance": SCALE, "step": Number(0.001, 0.1, log=True)},
    claim=lambda curvature, variance, step: step * variance / curvature,
    truth=lambda curvature, variance, step: float(
        _scalar_sgd(curvature, variance, step, 1).stationary().variances[0]
    ),
    relation=Equal(0.1),
)


def _lyapunov(H: Real, S: Real, step: float, batch: int) -> Real:
    return np.asarray(solve_continuous_lyapunov(H, 2 * step / batch * S))


gibbs_isotropic = Claim(
    ISOTROPIC,
    setting=_isotropic,
    claim=lambda step, trace, size, batch, H: step * trace / (size * batch) * np.linalg.inv(H),
    truth=lambda step, trace, size, batch, H: _lyapunov(
        H, trace / size * np.eye(size), step, batch
    ),
    relation=Equal(1e-7, 1e-12),
)

gibbs_printed = Claim(
    {"first": SCALE, "second": SCALE, "step": STEP},
    # H = 1, Sigma = diag(first, second): variance along the first direction
    claim=lambda first, second, step: step * (first + second),
    truth=lambda first, second, step: float(
        _lyapunov(np.eye(2), np.diag([first, second]), step, 1)[0, 0]
    ),
)

shaped_noise = Claim(
    {"size": Whole(2, 5), "step": STEP, "batch": BATCH, "variance": SCALE, "seed": seed()},
    setting=_isotropic,
    # Sigma = v H: the law does not see the curvature
    claim=lambda size, step, batch, variance: step * variance / batch * np.eye(size),
    truth=lambda H, variance, step, batch: _lyapunov(H, variance * H, step, batch),
    relation=Equal(1e-7, 1e-12),
)

gibbs_of_curvature = Claim(
    {"first": SCALE, "second": SCALE, "step": STEP},
    # Sigma = H = diag(first, second): ratio of the two variances under a Gibbs law
    claim=lambda first, second: second / first,
    truth=lambda first, second, step: float(
        np.divide(*np.diag(_lyapunov(np.diag([first, second]), np.diag([first, second]), step, 1)))
    ),
)


def _gibbs_energy(values: Iterable[float], temperature: float) -> float:
    """Return E d . H d under exp(-d . H d/(2 T)), by quadrature along each eigenvector."""
    total = 0.0
    for h in values:
        width = np.sqrt(temperature / h)
        d = np.linspace(-9 * width, 9 * width, 2001)
        weight = np.exp(-h * d**2 / (2 * temperature))
        total += float(np.sum(h * d**2 * weight) / np.sum(weight))
    return total


deviation = Claim(
    {"size": Whole(1, 4), "temperature": SCALE, "seed": seed()},
    setting=lambda size, seed: {"values": 0.1 + gaussian_matrix(seed, 1, size)[0] ** 2},
    claim=lambda size, temperature: temperature * size,
    truth=_gibbs_energy,
    relation=Equal(1e-8),
)

deviation_printed = Claim(
    {"curvature": SCALE, "temperature": SCALE},
    claim=lambda curvature, temperature: temperature * curvature,
    truth=lambda curvature, temperature: _gibbs_energy([curvature], temperature),
    relation=Equal(1e-6),
)

# Small steps -------------------------------------------------------------------------------------

TWO_STEPS: dict[str, Hypothesis] = {
    "curvature": CURVATURE,
    "variance": SCALE,
    "step": Number(0.01, 0.9),
    "share": Number(0.0, 0.99),
    "batch": BATCH,
}


def _excess(curvature: float, variance: float, step: float, batch: int) -> float:
    """Return the stationary excess loss h E d^2/2."""
    variances = _scalar_sgd(curvature, variance, step, batch).stationary().variances
    return curvature / 2 * float(variances[0])


smaller_step = Claim(
    TWO_STEPS,
    setting=lambda share: {"part": share},
    attained=lambda: {"part": 1.0},
    where=lambda share: share > 1e-3,
    claim=lambda curvature, variance, step, part, batch: (
        part * _excess(curvature, variance, step, batch)
    ),
    truth=lambda curvature, variance, step, part, batch: _excess(
        curvature, variance, part * step, batch
    ),
    relation=AtMost(sharp=1e-9),
)


def _mass_of_flat(flat: float, sharp: float, depth: float, temperature: float) -> float:
    """Return the Gibbs mass of a quadratic well over that of another that is deeper by depth."""
    masses = []
    for h, low in ((flat, 0.0), (sharp, -depth)):
        width = np.sqrt(temperature / h)
        value, _ = quad(
            lambda t, h=h: np.exp(-h * t**2 / (2 * temperature)), -12 * width, 12 * width
        )
        masses.append(value * np.exp(-low / temperature))
    return float(masses[0] / masses[1])


TEMPERATURE = Number(0.05, 2.0)
prefers_flat = Claim(
    {"flat": CURVATURE, "sharp": CURVATURE, "temperature": TEMPERATURE},
    claim=lambda flat, sharp: np.sqrt(sharp / flat),
    truth=lambda flat, sharp, temperature: _mass_of_flat(flat, sharp, 0.0, temperature),
    relation=Equal(1e-6),
)

colder = Claim(
    {"flat": Number(0.1, 1.0), "depth": Number(0.0, 1.0), "cold": TEMPERATURE, "warm": TEMPERATURE},
    where=lambda cold, warm: cold < warm,
    # a sharp well of curvature 2 lies deeper
    claim=lambda flat, depth, warm: _mass_of_flat(flat, 2.0, depth, warm),
    truth=lambda flat, depth, cold: _mass_of_flat(flat, 2.0, depth, cold),
    relation=AtLeast(1e-6),
)


def _largest_stable(step: float) -> float:
    """Bisect for the curvature at which steps of descent stop shrinking."""
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        if abs(1.0 - step * middle) <= 1.0:
            low = middle
        else:
            high = middle
    return low


sharpest = Claim(
    {"step": STEP},
    claim=lambda step: 2 / step,
    truth=_largest_stable,
)

DESCENT = "rmtland.landscape.noise.NoisyDescent"
STATIONARY = (f"{DESCENT}.stationary",)
NOISE = "rmtland.landscape.noise.GradientNoise"
FIGURE = "docs/gallery/plot_sgd_noise.py"

STATEMENTS = (
    PROOF.corrected(
        "gibbs",
        Kind.PROOF_STEP,
        "the stationary law is exp(−L/(η tr(Σ)/B))",
        "printed equation, isotropic noise, quadratic L: exp(−L/T), T = η tr(Σ)/(pB)",
        holding=gibbs_isotropic,
        failing=gibbs_printed,
        counterexample=Counterexample(
            {"first": 1.0, "second": 1.0, "step": 0.5}, claim=1.0, truth=0.5
        ),
        derivation=(
            "HC + CH = 2ηΣ/B has C = TH⁻¹ for Σ = sI only, with T = ηs/B: the variance of one "
            "direction, not the trace."
        ),
        code=(f"{DESCENT}.gibbs",),
    ),
    EQUATION.corrected(
        "gibbs-shape",
        Kind.FORMULA,
        "the stationary law is a Gibbs law of L: variances are inverse to curvatures",
        "for Σ = vH, as near well-specified minima, C = (ηv/B) I whatever H is",
        holding=shaped_noise,
        failing=gibbs_of_curvature,
        counterexample=Counterexample(
            {"first": 1.0, "second": 2.0, "step": 0.5}, claim=2.0, truth=1.0
        ),
        derivation="HC + CH = 2ηvH/B is solved by a multiple of the identity.",
        code=(f"{DESCENT}.gibbs", f"{NOISE}.alignment"),
    ),
    EQUATION.corrected(
        "temperature",
        Kind.FORMULA,
        "T_eff = η tr(Σ)/B",
        "SGD, isotropic noise: variances T/(λ(1 − ηλ/2)) with T = η tr(Σ)/(2pB)",
        holding=temperature,
        failing=temperature_printed,
        counterexample=Counterexample(
            {"curvature": 1.0, "variance": 1.0, "step": 0.0625}, claim=0.0625, truth=0.0322580645
        ),
        figure=FIGURE,
        derivation=(
            "C = (1 − ηH)C(1 − ηH) + η²Σ/B. The printed value is 2p times too large: 2 from the "
            "equation, p from the trace."
        ),
        code=(*STATIONARY, f"{NOISE}.temperature"),
    ),
    PROOF.corrected(
        "deviation",
        Kind.PROOF_STEP,
        "E (θ − θ*)ᵀH(θ − θ*) = T tr(H)",
        "= T p under exp(−L/T), by quadrature along each eigenvector",
        holding=deviation,
        failing=deviation_printed,
        counterexample=Counterexample({"curvature": 2.0, "temperature": 1.0}, claim=2.0, truth=1.0),
        derivation="E ddᵀ = TH⁻¹ and tr(H TH⁻¹) = Tp: equipartition, whatever the curvature.",
    ),
    SMALL.holds(
        "small-steps-temperature",
        Kind.CLAIM,
        "a smaller η has a smaller effective temperature",
        "excess loss: E(η') ≤ (η'/η) E(η) for η' ≤ η, stationary SGD on quadratic losses",
        "E(η)/η = tr Σ/(2B(2 − ηλ)) per direction rises with η.",
        holding=smaller_step,
        code=STATIONARY,
    ),
    SMALL.holds(
        "gibbs-prefers-flat",
        Kind.CLAIM,
        "a Gibbs law concentrates at flat minima",
        "of two wells of one depth the flatter has √(λ'/λ) times the mass, at any temperature",
        "Gaussian integrals.",
        holding=prefers_flat,
    ),
    SMALL.refuted(
        "small-steps-flatter",
        Kind.CLAIM,
        "smaller temperature: flatter regions are preferred more",
        "share of the flatter of two wells at a lower temperature against a higher one",
        failing=colder,
        counterexample=Counterexample(
            {"flat": 1.0, "depth": 1.0, "cold": 1.0, "warm": 2.0},
            claim=0.8577638849,
            truth=0.5202600950,
        ),
        derivation=(
            "The ratio of masses is √(λ'/λ) exp(−depth/T): cold favours the deeper well, and where "
            "depths are equal T does not enter."
        ),
    ),
    SMALL.corrected(
        "small-steps-stability",
        Kind.CLAIM,
        "small learning rates end at flatter minima",
        "stable minima have λ ≤ 2/η: smaller steps admit sharper ones",
        holding=sharpest,
        failing=Claim(
            {"small": STEP, "large": STEP},
            where=lambda small, large: small < large,
            # sharpest stable minimum
            claim=lambda large: 2 / large,
            truth=lambda small: 2 / small,
            relation=AtMost(),
        ),
        counterexample=Counterexample({"small": 0.25, "large": 0.5}, claim=4.0, truth=8.0),
        derivation="|1 − ηλ| ≤ 1. Large steps, not small ones, leave sharp minima.",
        code=("rmtland.optimizer.largest_stable_step",),
    ),
)
