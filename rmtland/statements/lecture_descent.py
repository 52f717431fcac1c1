"""The lecture's slide on gradient descent for the linearised loss: recursion, rates, its limit.

r = ŷ − y, K = J Jᵀ, and the slide's loss L̃ = |r + J Δ|² without the factor 1/2.
"""

from __future__ import annotations

import numpy as np

from rmtland.landscape.linearisation import LinearisedLoss, SpectralDescent
from rmtland.statements.drawn_matrices import gaussian_matrix, with_singular_values
from rmtland.statements.hypotheses import Number, Whole, seed
from rmtland.statements.relations import AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Real, Record

__all__ = ["STATEMENTS"]

PLACE = Section(
    Document.LECTURE, "lecture", "slide on solving the linear system with gradient descent"
)
VALUE = Number(0.1, 10.0, log=True)
STEP = Number(0.001, 1.0, log=True)
SHARE = Number(0.05, 1.0)


def _gradient(J: Real, r: Real, moved: Real) -> Real:
    """Return the gradient of |r + J d|^2 by central differences, exact for a quadratic."""
    p = J.shape[1]

    def loss(d: Real) -> float:
        return float(np.sum((r + J @ d) ** 2))

    return np.array([(loss(moved + e) - loss(moved - e)) / 2 for e in np.eye(p)])


def _setting(rows: int, columns: int, alpha: float, seed: int) -> Record:
    J = gaussian_matrix(seed, rows, columns) / np.sqrt(columns)
    r, moved = gaussian_matrix(seed, 2, rows, stream=1)[0], None
    moved = gaussian_matrix(seed, 1, columns, stream=2)[0]
    after = moved - alpha * _gradient(J, r, moved)
    return {"J": J, "r": r, "moved": moved, "after": after, "K": J @ J.T, "seen": J @ moved}


recursion = Claim(
    {"rows": Whole(1, 5), "columns": Whole(1, 6), "alpha": STEP, "seed": seed()},
    setting=_setting,
    claim=lambda alpha, K, seen, r: seen - 2 * alpha * K @ (seen + r),
    truth=lambda J, after: J @ after,
    relation=Equal(1e-7, 1e-9),
)

scalar_recursion = Claim(
    {"J": Number(-3.0, 3.0), "r": Number(-3.0, 3.0), "moved": Number(-3.0, 3.0), "alpha": STEP},
    claim=lambda J, r, moved, alpha: J * moved - 2 * alpha * J * J * (J * moved + r),
    truth=lambda J, r, moved, alpha: J * (moved - alpha * 2 * J * (r + J * moved)),
)

residual_step = recursion.instead(
    claim=lambda alpha, K, seen, r: np.sum(((np.eye(len(r)) - 2 * alpha * K) @ (r + seen)) ** 2),
    truth=lambda J, after, r: np.sum((r + J @ after) ** 2),
)

# Rates -------------------------------------------------------------------------------------------


def _modes(small: float, large: float, alpha: float, seed: int) -> Record:
    """Return modes of descent on the half loss: residuals times 1 - alpha sigma."""
    values = np.array([small, np.sqrt(small * large), large])
    c = gaussian_matrix(seed, 1, 3)[0]
    kappa = large / small
    return {"values": values, "c": c, "kappa": kappa}


def _worst_mode(small: float, large: float, alpha: float) -> Record:
    """Return the residual along the mode that contracts least."""
    values = np.array([small, large])
    c = np.eye(2)[int(np.argmax(np.abs(1 - alpha * values)))]
    return {"values": values, "c": c, "kappa": large / small}


def _ratio(values: Real, c: Real, alpha: float, k: int = 1) -> float:
    """Return the loss after some steps over the first, by applying the iteration itself."""
    r = np.array(c, dtype=float)
    for _ in range(k):
        r = r - alpha * values * r
    return float(r @ r / (c @ c))


def _solved(values: Real, c: Real, alpha: float, k: int = 1) -> float:
    """Return the same from the closed form."""
    return float(SpectralDescent(values, c, 0.0, 1, alpha).loss(k) * 2 / (c @ c))


def _ordered(small: float, large: float) -> bool:
    return small <= large


one_step = Claim(
    {"small": VALUE, "large": VALUE, "alpha": Number(0.001, 10.0, log=True), "seed": seed()},
    setting=_modes,
    attained=_worst_mode,
    where=_ordered,
    claim=lambda small, large, alpha: max(abs(1 - alpha * small), abs(1 - alpha * large)) ** 2,
    truth=(_ratio, _solved),
    relation=AtMost(sharp=1e-9),
)


def _best(small: float, large: float) -> float:
    modes = SpectralDescent(np.array([small, large]), np.ones(2), 0.0, 1, 1.0)
    return float(modes.best_step_size)


def _at_best(small: float, large: float, seed: int) -> Record:
    alpha = _best(small, large)
    return {**_modes(small, large, alpha, seed), "alpha": alpha}


def _worst_at_best(small: float, large: float) -> Record:
    alpha = _best(small, large)
    return {**_worst_mode(small, large, alpha), "alpha": alpha}


best_step = Claim(
    {"small": VALUE, "large": VALUE, "seed": seed()},
    setting=_at_best,
    attained=_worst_at_best,
    where=_ordered,
    claim=lambda kappa: ((kappa - 1) / (kappa + 1)) ** 2,
    truth=(_ratio, _solved),
    relation=AtMost(sharp=1e-6),
)

smaller_steps = Claim(
    {"small": VALUE, "large": VALUE, "share": SHARE, "seed": seed()},
    setting=lambda small, large, share, seed: {
        **_modes(small, large, share, seed),
        "alpha": share * 2 / (small + large),
    },
    attained=lambda small, large, share: {
        **_worst_mode(small, large, share * 2 / (small + large)),
        "alpha": share * 2 / (small + large),
    },
    where=_ordered,
    claim=lambda small, alpha: (1 - alpha * small) ** 2,
    truth=(_ratio, _solved),
    relation=AtMost(sharp=1e-6),
)

smaller_steps_printed = Claim(
    {"small": VALUE, "large": VALUE, "share": SHARE},
    setting=lambda small, large, share: {
        **_worst_mode(small, large, share * 2 / (small + large)),
        "alpha": share * 2 / (small + large),
    },
    where=_ordered,
    claim=lambda kappa: (kappa - 1) / (kappa + 1),
    truth=_ratio,
    relation=AtMost(),
)

many_steps = Claim(
    {"small": VALUE, "large": VALUE, "k": Whole(1, 12), "seed": seed()},
    setting=_at_best,
    attained=_worst_at_best,
    where=_ordered,
    claim=lambda kappa, k: ((kappa - 1) / (kappa + 1)) ** (2 * k),
    truth=(_ratio, _solved),
    relation=AtMost(sharp=1e-6),
)

# The limit ---------------------------------------------------------------------------------------


def _long_descent(rows: int, columns: int, share: float, seed: int) -> Record:
    values = np.geomspace(1.0, 1.5, min(rows, columns))
    J = with_singular_values(seed, rows, columns, values)
    r, start = gaussian_matrix(seed, 1, rows)[0], gaussian_matrix(seed, 1, columns, stream=5)[0]
    theta = start.copy()
    alpha = share / values.max() ** 2
    for _ in range(int(60 / share)):
        theta = theta - alpha * J.T @ (r + J @ (theta - start))
    return {"J": J, "r": r, "start": start, "end": theta}


limit = Claim(
    {"rows": Whole(1, 5), "columns": Whole(1, 7), "share": Number(0.1, 1.0), "seed": seed()},
    setting=_long_descent,
    claim=lambda J, r: -np.linalg.pinv(J) @ r,
    truth=(
        lambda start, end: end - start,
        lambda J, r: LinearisedLoss.of_jacobian(J, r, samples=1).gauss_newton().step,
    ),
    relation=Equal(1e-6, 1e-8),
)

nearest = Claim(
    {"start": Number(-3.0, 3.0), "other": Number(-3.0, 3.0), "y": Number(-3.0, 3.0)},
    # J = [1, 0]: the solutions are (y, anything)
    claim=lambda y, other: np.array([y, other]),
    truth=lambda start, other, y: (
        np.array([start, other])
        + LinearisedLoss.of_jacobian(np.array([[1.0, 0.0]]), np.array([start - y]), samples=1)
        .gauss_newton()
        .step
    ),
    relation=Equal(1e-9, 1e-9),
)

# A Jacobian that is computed anew ----------------------------------------------------------------

updated = Claim(
    {"theta": Number(-2.0, 2.0), "alpha": STEP},
    # one parameter, one sample, H = theta^2, target 0
    claim=lambda theta, alpha: (1 - 2 * alpha * (2 * theta) ** 2) * theta**2,
    truth=lambda theta, alpha: (theta - alpha * 2 * theta**2 * 2 * theta) ** 2,
)

STATEMENTS = (
    PLACE.corrected(
        "descent-factor",
        Kind.PROOF_STEP,
        printed="ỹ' = ỹ − α K(...) for L̃ = |r + JΔ|²",
        tested="ỹ' = ỹ − 2α K(ỹ + r): the gradient of a square without 1/2 has a factor 2",
        holding=recursion,
        failing=scalar_recursion.instead(
            claim=lambda J, r, moved, alpha: J * moved - alpha * J * J * (J * moved + r)
        ),
        counterexample=Counterexample(
            {"J": 1.0, "r": 0.0, "moved": 1.0, "alpha": 1.0}, claim=0.0, truth=-1.0
        ),
        derivation="∇L̃ = 2Jᵀ(r + JΔ). The slide's steps are right for L̃/2, or with 2α for α.",
        code=("rmtland.landscape.linearisation.SpectralDescent",),
    ),
    PLACE.corrected(
        "descent-sign",
        Kind.PROOF_STEP,
        printed="ỹ' = ỹ − α K(ỹ − (ŷ − y))",
        tested="ỹ' = ỹ − 2α K(ỹ + (ŷ − y))",
        holding=scalar_recursion,
        failing=scalar_recursion.instead(
            claim=lambda J, r, moved, alpha: J * moved - 2 * alpha * J * J * (J * moved - r)
        ),
        counterexample=Counterexample(
            {"J": 1.0, "r": 1.0, "moved": 0.0, "alpha": 1.0}, claim=2.0, truth=-2.0
        ),
        derivation=(
            "L̃ vanishes at JΔ = y − ŷ, so that the fixed point of the recursion must be −r; with "
            "the printed sign it is +r. The next line of the slide has the right sign again."
        ),
        code=("rmtland.landscape.linearisation.SpectralDescent",),
    ),
    PLACE.corrected(
        "descent-residual",
        Kind.PROOF_STEP,
        printed="L̃(θ') = |(I − αK)(r + JΔ)|²",
        tested="L̃(θ') = |(I − 2αK)(r + JΔ)|²",
        holding=residual_step,
        failing=scalar_recursion.instead(
            claim=lambda J, r, moved, alpha: ((1 - alpha * J * J) * (r + J * moved)) ** 2,
            truth=lambda J, r, moved, alpha: (
                (r + J * (moved - alpha * 2 * J * (r + J * moved))) ** 2
            ),
        ),
        counterexample=Counterexample(
            {"J": 1.0, "r": 0.0, "moved": 1.0, "alpha": 1.0}, claim=0.0, truth=1.0
        ),
        derivation="r + JΔ' = r + JΔ − 2αK(r + JΔ).",
        code=("rmtland.landscape.linearisation.SpectralDescent",),
    ),
    PLACE.corrected(
        "descent-norm",
        Kind.PROOF_STEP,
        printed="L̃(θ') ≤ |I − αK|₂ L̃(θ)",
        tested="L̃(θ') ≤ |I − αK|₂² L̃(θ), with equality along one mode",
        holding=one_step,
        failing=one_step.instead(
            setting=_worst_mode,
            hypotheses={k: one_step.hypotheses[k] for k in ("small", "large", "alpha")},
            attained=None,
            claim=lambda small, large, alpha: max(abs(1 - alpha * small), abs(1 - alpha * large)),
        ),
        counterexample=Counterexample(
            {"small": 1.0, "large": 1.0, "alpha": 10.0}, claim=9.0, truth=81.0
        ),
        derivation=(
            "L̃ is the square of a norm, which the step multiplies by at most |I − αK|₂. While "
            "that is at most 1 the printed bound is true and wasteful; above 1 it is false."
        ),
        code=("rmtland.landscape.linearisation.SpectralDescent.loss",),
    ),
    PLACE.corrected(
        "descent-rate",
        Kind.CLAIM,
        printed="α < 2/(σ_max + σ_min) ⇒ L̃(θ') ≤ (κ − 1)/(κ + 1) L̃(θ)",
        tested="for such α: L̃(θ') ≤ (1 − ασ_min)² L̃(θ), with equality along the smallest mode",
        holding=smaller_steps,
        failing=smaller_steps_printed,
        counterexample=Counterexample(
            {"small": 1.0, "large": 1.0, "share": 0.5}, claim=0.0, truth=0.25
        ),
        derivation=(
            "A short step contracts the smallest mode by 1 − ασ_min, which tends to 1 as α falls: "
            "no rate that does not depend on α can hold for every smaller step. (κ − 1)/(κ + 1) "
            "is the rate of the norm at α = 2/(σ_max + σ_min) only."
        ),
        code=("rmtland.landscape.linearisation.SpectralDescent.loss",),
        figure="docs/gallery/plot_linearised_network.py",
    ),
    PLACE.corrected(
        "descent-best-step",
        Kind.CLAIM,
        printed="the loss contracts by (κ − 1)/(κ + 1) a step",
        tested="at α = 2/(σ_max + σ_min) it contracts by ((κ − 1)/(κ + 1))², attained",
        holding=best_step,
        failing=Claim(
            {"small": Number(0.1, 10.0), "large": Number(0.1, 10.0)},
            setting=_worst_at_best,
            where=_ordered,
            claim=lambda kappa: (kappa - 1) / (kappa + 1),
            truth=_ratio,
            relation=Equal(1e-6, 1e-9),
        ),
        counterexample=Counterexample({"small": 1.0, "large": 2.0}, claim=1 / 3, truth=1 / 9),
        derivation="Both extreme modes contract by (κ − 1)/(κ + 1); the loss is their square.",
        code=("rmtland.landscape.linearisation.SpectralDescent.best_step_size",),
    ),
    PLACE.corrected(
        "descent-many-steps",
        Kind.CLAIM,
        printed="L̃(θ_k) ≤ ((κ − 1)/(κ + 1))^k L̃(θ_0) for α < 2/(σ_max + σ_min)",
        tested="L̃(θ_k) ≤ ((κ − 1)/(κ + 1))^(2k) L̃(θ_0) at α = 2/(σ_max + σ_min), attained",
        holding=many_steps,
        failing=smaller_steps_printed.instead(
            hypotheses={**smaller_steps_printed.hypotheses, "k": Whole(1, 12)},
            claim=lambda kappa, k: ((kappa - 1) / (kappa + 1)) ** k,
            truth=_ratio,
        ),
        counterexample=Counterexample(
            {"small": 1.0, "large": 1.0, "share": 0.5, "k": 1}, claim=0.0, truth=0.25
        ),
        derivation="The step of the best rate, applied k times.",
        code=("rmtland.landscape.linearisation.SpectralDescent.loss",),
    ),
    PLACE.holds(
        "descent-limit",
        Kind.CLAIM,
        printed="descent with small steps ends at the Gauss-Newton solution",
        tested="Δ_k → −J⁺r for every stable step, from Δ = 0",
        holding=limit,
        derivation="Iterates stay in the row space of J, in which the solution is unique.",
        code=("rmtland.landscape.linearisation.LinearisedLoss.gauss_newton",),
    ),
    PLACE.corrected(
        "descent-nearest",
        Kind.CLAIM,
        printed="that solution has minimal |θ|₂",
        tested="it has minimal |θ − θ₀|₂: its part in the null space of J is that of θ₀",
        holding=nearest,
        failing=nearest.instead(claim=lambda y: np.array([y, 0.0])),
        counterexample=Counterexample(
            {"start": 0.0, "other": 1.0, "y": 0.0}, claim=(0.0, 0.0), truth=(0.0, 1.0)
        ),
        derivation=(
            "With J = [1, 0] the second parameter never moves: from θ₀ = (0, 1) the end is (y, 1), "
            "while (y, 0) has the smallest norm. An earlier slide says |θ − θ₀|."
        ),
        code=("rmtland.landscape.linearisation.LinearisedLoss.gauss_newton",),
    ),
    PLACE.refuted(
        "descent-updated-jacobian",
        Kind.CLAIM,
        printed="the same works with a Jacobian J_k updated at each iteration",
        tested="r' = (I − 2αJ_kJ_kᵀ) r for the network's own residual r",
        failing=updated,
        counterexample=Counterexample({"theta": 1.0, "alpha": 1.0}, claim=-7.0, truth=9.0),
        derivation=(
            "r' = r(θ − α∇L̃) has a term of second order in α that J_k does not know: for H = θ² "
            "and target 0 it is (1 − 4αθ²)²θ², not (1 − 8αθ²)θ². Equal to first order in α only."
        ),
        code=("rmtland.landscape.linearisation.compare_descent",),
    ),
)
