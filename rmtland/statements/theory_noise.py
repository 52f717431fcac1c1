"""The theory sheet on the noise of SGD: theorem 2.1 and its proof, what smaller batches do."""

from __future__ import annotations

import itertools

import numpy as np

from rmtland.landscape.noise import GradientNoise
from rmtland.statements.drawn_matrices import gaussian_matrix
from rmtland.statements.hypotheses import Hypothesis, Number, Whole, seed
from rmtland.statements.relations import AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Real, Record

__all__ = ["STATEMENTS"]

THEOREM = Section(Document.THEORY, "theory-noise", "section 2.1, theorem 2.1")
PROOF = Section(Document.THEORY, "theory-noise", "section 2.1, proof of theorem 2.1")
EQUATION = Section(Document.THEORY, "theory-noise", "section 4.2 on the stochastic equation")
STEP = Number(0.001, 0.5, log=True)
SCALE = Number(0.1, 10.0, log=True)
BATCH = Whole(1, 16)

# One step ----------------------------------------------------------------------------------------


def _batches(samples: int, batch: int, seed: int) -> Record:
    """Return the covariance of one SGD step, over all batches drawn with replacement."""
    gradients = gaussian_matrix(seed, samples, 2)
    means = np.array(
        [
            gradients[list(chosen)].mean(axis=0)
            for chosen in itertools.product(range(samples), repeat=batch)
        ]
    )
    spread = means - gradients.mean(axis=0)
    noise = GradientNoise.of_gradients(gradients)
    return {
        "sigma": noise.covariance,
        "trace": noise.trace,
        "noise": noise,
        "spread": spread.T @ spread / len(means),
    }


SAMPLED: dict[str, Hypothesis] = {"samples": Whole(2, 4), "batch": Whole(1, 3), "seed": seed()}
step_covariance = Claim(
    {**SAMPLED, "step": STEP},
    setting=_batches,
    # time step * squared diffusion coefficient
    claim=lambda step, batch, sigma: step * (step * sigma / batch),
    truth=lambda step, spread: step**2 * spread,
    relation=Equal(1e-8, 1e-18),
)

step_variance = Claim(
    {"step": STEP, "size": SCALE},
    # two samples with gradients of size s and -s: variance s^2
    claim=lambda step, size: step * (2 * step * size**2),
    truth=lambda step, size: float(np.var(step * np.array([-size, size]))),
)

smaller_batch = Claim(
    SAMPLED,
    setting=_batches,
    claim=lambda trace, batch: np.divide(trace, batch),
    truth=(
        lambda spread: float(np.trace(spread)),
        lambda noise, batch: noise.trace * noise.factor(batch),
    ),
    relation=Equal(1e-8, 1e-12),
)

# Energy balance and the bound --------------------------------------------------------------------


def _descent(size: int, step: float, steps: int, seed: int) -> Record:
    A = gaussian_matrix(seed, size, size)
    H = A @ A.T / size
    theta, spent = gaussian_matrix(seed, 1, size, stream=1)[0], 0.0
    step /= max(float(np.linalg.norm(H, 2)), 1e-9)
    start = float(theta @ H @ theta) / 2
    for _ in range(steps):
        g = H @ theta
        spent += step * float(g @ g - step / 2 * (g @ H @ g))
        theta = theta - step * g
    return {"fall": start - float(theta @ H @ theta) / 2, "spent": spent}


balance = Claim(
    {"size": Whole(1, 4), "step": Number(0.01, 1.5), "steps": Whole(1, 30), "seed": seed()},
    setting=_descent,
    claim=lambda spent: spent,
    truth=lambda fall: fall,
    relation=Equal(1e-8, 1e-12),
)

QUADRATIC: dict[str, Hypothesis] = {
    "curvature": Number(0.5, 2.0),
    "theta": Number(-3.0, 3.0),
    "step": Number(0.01, 0.5),
    "steps": Whole(1, 1000),
}
balance_printed = Claim(
    QUADRATIC,
    claim=lambda curvature, theta, step, steps: curvature * theta**2 / (step * steps),
    truth=lambda curvature, theta, step, steps: curvature,
    relation=Equal(0.5),
)


def _bound(fall: float, step: float, steps: int, size: int, trace: float, batch: float) -> float:
    """Return the right side of theorem 2.1."""
    return 2 * fall / (step * steps) + size / 2 * trace / batch


theorem = Claim(
    {**QUADRATIC, "variance": Number(0.0, 4.0), "batch": BATCH},
    # one parameter, samples with losses h (t - t_i)^2/2: tr H = h everywhere
    claim=lambda curvature, theta, step, steps, variance, batch: _bound(
        curvature * theta**2 / 2, step, steps, 1, variance, batch
    ),
    truth=lambda curvature: curvature,
    relation=AtMost(),
)


def _of_scaled_loss(factor: float, seed: int) -> Record:
    rows = gaussian_matrix(seed, 4, 3)
    noise, scaled = GradientNoise.of_gradients(rows), GradientNoise.of_gradients(factor * rows)
    return {"ratio": scaled.trace / noise.trace}


unit = Claim(
    {"factor": SCALE, "seed": seed()},
    setting=_of_scaled_loss,
    claim=lambda factor: factor,
    truth=lambda ratio: ratio,
)

TWO_BATCHES: dict[str, Hypothesis] = {
    "small": BATCH,
    "large": BATCH,
    "trace": Number(0.5, 4.0),
    "step": STEP,
}
flatter = Claim(
    TWO_BATCHES,
    where=lambda small, large: small < large,
    claim=lambda step, trace, large: _bound(1.0, step, 100, 1, trace, large),
    truth=lambda step, trace, small: _bound(1.0, step, 100, 1, trace, small),
    relation=AtMost(),
)

longer = Claim(
    {"fall": SCALE, "step": STEP, "steps": Whole(1, 1000), "more": Whole(1, 1000), "trace": SCALE},
    setting=lambda more: {"more": more},
    attained=lambda: {"more": 0},
    claim=lambda fall, step, steps, trace: 2 * fall / (step * steps) + trace / 2,
    truth=lambda fall, step, steps, more, trace: _bound(fall, step, steps + more, 1, trace, 1),
    relation=AtMost(sharp=1e-9),
)


def _growth(curvatures: Real, step: float, batch: int) -> float:
    """Return E theta'^2/theta^2 of one step on losses h_i theta^2/2, over all batches."""
    factors = [
        (1 - step * np.mean(chosen)) ** 2 for chosen in itertools.product(curvatures, repeat=batch)
    ]
    return float(np.mean(factors))


regulariser = Claim(
    {"samples": Whole(1, 4), "batch": Whole(1, 4), "step": Number(0.01, 2.0), "seed": seed()},
    setting=lambda samples, seed: {
        "h": (h := np.abs(gaussian_matrix(seed, 1, samples)[0])),
        "mean": h.mean(),
        "spread": h.var(),
    },
    claim=lambda step, batch, mean, spread: (1 - step * mean) ** 2 + step**2 * spread / batch,
    truth=lambda h, step, batch: _growth(h, step, batch),
    relation=Equal(1e-9),
)

DESCENT = "rmtland.landscape.noise.NoisyDescent"
STATIONARY = (f"{DESCENT}.stationary",)
NOISE = "rmtland.landscape.noise.GradientNoise"

STATEMENTS = (
    EQUATION.corrected(
        "equation",
        Kind.FORMULA,
        "dθ = −∇L dt + √(2ηΣ/B) dW",
        "dθ = −∇L dt + √(ηΣ/B) dW: a step of time η has the covariance η²Σ/B of an SGD step",
        holding=step_covariance,
        failing=step_variance,
        counterexample=Counterexample({"step": 0.5, "size": 1.0}, claim=0.5, truth=0.25),
        derivation=(
            "The mean of B gradients has covariance Σ/B, a step η²Σ/B; the equation gives η times "
            "the squared coefficient, with the printed one twice as much."
        ),
        code=(NOISE,),
    ),
    PROOF.corrected(
        "energy-balance",
        Kind.PROOF_STEP,
        "ηT E tr(H) ≈ 2(L(θ₀) − L*)",
        "L(θ₀) − L(θ_T) = η Σ (|g|² − (η/2) gᵀHg) on quadratic losses",
        holding=balance,
        failing=balance_printed,
        counterexample=Counterexample(
            {"curvature": 1.0, "theta": 0.0, "step": 0.5, "steps": 1}, claim=0.0, truth=1.0
        ),
        derivation=(
            "What descent spends is gradient, not curvature: on a quadratic loss tr(H) is constant "
            "while the left side grows with T and the right side is fixed by the start."
        ),
    ),
    THEOREM.refuted(
        "trace-bound",
        Kind.THEOREM,
        "E tr H(θ_T) ≤ 2(L(θ₀) − L*)/(ηT) + (d/2) tr(Σ)/B",
        "one parameter, L = hθ²/2, from θ₀ on: tr H = h at every step",
        failing=theorem,
        counterexample=Counterexample(
            {"curvature": 1.0, "theta": 0.0, "step": 0.5, "steps": 1, "variance": 0.0, "batch": 1},
            claim=0.0,
            truth=1.0,
        ),
        derivation=(
            "At the minimum of samples that agree the bound is 0 and the curvature is not. It also "
            "falls to 0 as T and B grow, whatever L is."
        ),
        code=(NOISE,),
    ),
    PROOF.refuted(
        "units",
        Kind.PROOF_STEP,
        "tr(H) and (d/2) tr(Σ)/B may be compared",
        "tr(Σ) of a loss that is multiplied by c grows as tr(H) does, by c",
        failing=unit,
        counterexample=Counterexample({"factor": 2.0, "seed": 0}, claim=2.0, truth=4.0),
        derivation="Σ is quadratic in the loss, H linear: no inequality survives a change of unit.",
        code=(f"{NOISE}.of_gradients",),
    ),
    THEOREM.holds(
        "small-batches",
        Kind.CLAIM,
        "a smaller batch has a larger tr(Σ)/B",
        "the trace of the covariance over all batches is tr(Σ)/B",
        "A mean of B independent gradients.",
        holding=smaller_batch,
        code=(f"{NOISE}.factor",),
    ),
    THEOREM.refuted(
        "small-batches-flatter",
        Kind.CLAIM,
        "by the theorem, smaller batches give flatter minima",
        "the bound of a smaller batch is at most that of a larger one",
        failing=flatter,
        counterexample=Counterexample(
            {"small": 1, "large": 2, "trace": 1.0, "step": 0.5}, claim=0.29, truth=0.54
        ),
        derivation=(
            "The bound grows with 1/B: it allows sharper minima for smaller batches. What favours "
            "flat minima is their stability: see the statement on noise as a regulariser."
        ),
    ),
    THEOREM.holds(
        "longer-training",
        Kind.CLAIM,
        "longer training has a smaller bound on tr(H)",
        "the printed bound does not rise with T; what it bounds is refuted elsewhere",
        "Its first term is inverse to T.",
        holding=longer,
    ),
    THEOREM.holds(
        "regulariser",
        Kind.CLAIM,
        "SGD's noise acts as an implicit regulariser",
        "at a minimum of all samples E|θ|² is multiplied by (1 − ηh)² + η² Var(h_i)/B a step",
        "Noise adds η² Var/B: minima of curvatures that spread widely are left for small B.",
        holding=regulariser,
        code=(*STATIONARY, "rmtland.landscape.noise.SampleCurvature"),
    ),
)
