"""The lecture's slides on the linearised network: its loss, its solutions, the nearest of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rmtland.landscape.linearisation import LinearisedLoss
from rmtland.statements.drawn_matrices import gaussian_matrix, loss_point, wide_problem
from rmtland.statements.hypotheses import Hypothesis, Number, OneOf, Whole, seed
from rmtland.statements.relations import AtLeast, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Real, Record

if TYPE_CHECKING:
    from rmtland.networks import LossPoint

__all__ = ["STATEMENTS", "WIDE"]


LOSS = Section(
    Document.LECTURE, "lecture-linear", "slide on least squares loss and linearised network"
)
SOLUTION = Section(
    Document.LECTURE, "lecture-linear", "slide on properties of the linearised solution"
)
SAMPLES, PARAMETERS = Whole(1, 6), Whole(1, 9)


WIDE: dict[str, Hypothesis] = {"samples": SAMPLES, "more": Whole(0, 6), "seed": seed()}
WIDER: dict[str, Hypothesis] = {"samples": SAMPLES, "more": Whole(1, 6), "seed": seed()}


def _remainder_exponent(seed: int, activation: str) -> float:
    """Return the slope of log |outputs − linear part| against log of the step."""
    point = loss_point(seed, (3, 5, 2), 4, activation)
    direction = gaussian_matrix(seed, 1, point.theta.size, stream=7)[0]
    linear = np.asarray(point.jvp(direction)).ravel()
    start = np.asarray(point.prediction).ravel()

    def remainder(t: float) -> float:
        moved = np.asarray(point.at(point.theta + t * direction).prediction).ravel()
        return float(np.linalg.norm(moved - start - t * linear))

    return float(np.log2(remainder(2e-4) / remainder(1e-4)))


taylor = Claim(
    {"activation": OneOf(("tanh", "sigmoid", "gelu", "softplus", "sine")), "seed": seed()},
    claim=lambda: 2.0,
    truth=_remainder_exponent,
    relation=Equal(0.05),
)


def _row(seed: int, row: int) -> Record:
    return {"point": loss_point(seed, (2, 3, 1), 4)}


def _numerical_row(point: LossPoint, row: int) -> Real:
    """Return the gradient of one output in the parameters by central differences."""
    h = 1e-6
    rows = [
        (point.at(point.theta + h * e).prediction - point.at(point.theta - h * e).prediction)
        for e in np.eye(point.theta.size)
    ]
    return np.array(rows)[:, row, 0] / (2 * h)


jacobian = Claim(
    {"row": Whole(0, 3), "seed": seed()},
    setting=_row,
    claim=lambda point, row: np.asarray(point.jacobian())[row],
    truth=_numerical_row,
    relation=Equal(1e-6, 1e-8),
    share=0.5,
)

half_mean = Claim(
    {"samples": SAMPLES, "columns": PARAMETERS, "seed": seed()},
    setting=lambda samples, columns, seed: {
        "J": gaussian_matrix(seed, samples, columns),
        "r": gaussian_matrix(seed, 1, samples, stream=5)[0],
        "d": gaussian_matrix(seed, 1, columns, stream=6)[0],
    },
    claim=lambda J, r, d, samples: np.sum((r + J @ d) ** 2) / (2 * samples),
    truth=lambda J, r, d, samples: LinearisedLoss.of_jacobian(J, r, samples=samples).loss(d),
)

zero_loss = Claim(
    WIDE,
    setting=wide_problem,
    claim=lambda: 0.0,
    truth=(
        lambda J, r: float(np.sum((r + J @ np.linalg.lstsq(J, -r, rcond=None)[0]) ** 2)),
        lambda J, r, samples: (
            LinearisedLoss.of_jacobian(J, r, samples=samples).gauss_newton().residual
        ),
    ),
    relation=Equal(0.0, 1e-10),
)

null_space = Claim(
    WIDE,
    setting=wide_problem,
    claim=lambda p, samples: p - samples,
    truth=(
        lambda J: int((np.abs(np.linalg.eigvalsh(J.T @ J)) < 1e-9).sum()),
        lambda J, r, samples, p: p - LinearisedLoss.of_jacobian(J, r, samples=samples).rank,
    ),
)

many_solutions = Claim(
    WIDER,
    setting=wide_problem,
    claim=lambda r: -r,
    truth=lambda J, step, null: J @ (step + 3 * null),
    relation=Equal(1e-8, 1e-9),
)

normal_equations = Claim(
    WIDE,
    setting=wide_problem,
    claim=lambda J, r: -np.linalg.pinv(J.T @ J, rcond=1e-10) @ (J.T @ r),
    truth=(
        lambda J, r, samples: LinearisedLoss.of_jacobian(J, r, samples=samples).gauss_newton().step,
        lambda J, r: -J.T @ np.linalg.solve(J @ J.T, r),
    ),
    relation=Equal(1e-7, 1e-8),
)

rank_of_gram = Claim(
    WIDE,
    setting=wide_problem,
    claim=lambda samples: samples,
    truth=lambda J: int(np.linalg.matrix_rank(J.T @ J)),
)

# The nearest solution ----------------------------------------------------------------------------

nearest = Claim(
    {**WIDER, "along": Number(-3.0, 3.0)},
    setting=lambda samples, more, seed, along: {
        **(made := wide_problem(samples, more, seed)),
        "other": made["step"] + along * made["null"],
    },
    attained=lambda samples, more, seed: {
        **(made := wide_problem(samples, more, seed)),
        "other": made["step"],
    },
    claim=lambda J, r: np.sqrt(r @ np.linalg.solve(J @ J.T, r)),
    truth=(
        lambda other: float(np.linalg.norm(other)),
        lambda J, r: LinearisedLoss.of_jacobian(J, r, samples=1).gauss_newton().norm,
    ),
    relation=AtLeast(1e-8, sharp=1e-7),
)

ridge = Claim(
    WIDER,
    setting=wide_problem,
    claim=lambda step: step,
    truth=(
        lambda J, r, p: -np.linalg.solve(J.T @ J + 1e-9 * np.eye(p), J.T @ r),
        # stopping late is a small penalty, m/(eta k)
        lambda J, r: (d := LinearisedLoss.of_jacobian(J, r, samples=1)).displacement(
            10**4, d.default_step_size
        ),
    ),
    relation=Equal(1e-5, 1e-6),
)

LINEAR = "rmtland.landscape.linearisation.LinearisedLoss"
NEWTON = (f"{LINEAR}.gauss_newton",)

STATEMENTS = (
    LOSS.holds(
        "taylor",
        Kind.FORMULA,
        "H(θ) = H(θ₀) + J₀(θ − θ₀) + O(|θ − θ₀|²)",
        "the remainder of networks falls with power 2 of the step",
        "Taylor, for smooth activations.",
        holding=taylor,
        code=("rmtland.networks.LossPoint.jvp",),
    ),
    LOSS.holds(
        "jacobian",
        Kind.DEFINITION,
        "row i of J₀ is the gradient of H(x_i) in θ",
        "rows of the Jacobian against central differences of the outputs",
        "Definition.",
        holding=jacobian,
        code=("rmtland.networks.LossPoint.jacobian",),
    ),
    LOSS.corrected(
        "loss",
        Kind.FORMULA,
        "the linearised loss is |ŷ − y + J₀(θ − θ₀)|²",
        "|ŷ − y + J₀(θ − θ₀)|²/(2m)",
        holding=half_mean,
        failing=Claim(
            {"r": Number(-3.0, 3.0)},
            claim=lambda r: r * r,
            truth=lambda r: LinearisedLoss.of_jacobian([[1.0]], [r], samples=1).loss([0.0]),
        ),
        counterexample=Counterexample({"r": 1.0}, claim=1.0, truth=0.5),
        derivation="The loss of the slide has the factor 1/(2m), which its linearisation keeps.",
        code=(f"{LINEAR}.loss",),
    ),
    LOSS.holds(
        "zero-loss",
        Kind.CLAIM,
        "p > m and J₀ of full rank: the linearised loss reaches 0",
        "p ≥ m is enough",
        "J₀ is onto: J₀J₀⁺ = I.",
        holding=zero_loss,
        code=NEWTON,
    ),
    SOLUTION.holds(
        "null-space",
        Kind.CLAIM,
        "J₀ has a null space of dimension p − m",
        "zero eigenvalues of JᵀJ, and p less the rank",
        "Rank and nullity.",
        holding=null_space,
        code=(f"{LINEAR}.rank",),
    ),
    SOLUTION.holds(
        "many-solutions",
        Kind.CLAIM,
        "what lies in the null space may be added without changing the solution",
        "J(Δ + 3v) = y − ŷ for v in the null space",
        "Jv = 0.",
        holding=many_solutions,
    ),
    LOSS.holds(
        "pseudo-inverse",
        Kind.PROOF_STEP,
        "multiplying by J₀ᵀ and (J₀ᵀJ₀)⁺ gives J₀⁺(y − ŷ)",
        "(JᵀJ)⁺Jᵀ(y − ŷ) against Jᵀ(JJᵀ)⁻¹(y − ŷ) and the Gauss-Newton step",
        "(JᵀJ)⁺Jᵀ = J⁺ for every matrix.",
        holding=normal_equations,
        code=NEWTON,
    ),
    LOSS.holds(
        "rank-of-gram",
        Kind.CLAIM,
        "J₀ᵀJ₀ (p × p) is not of full rank for p > m",
        "its rank is m",
        "rank JᵀJ = rank J.",
        holding=rank_of_gram,
    ),
    SOLUTION.holds(
        "nearest-solution",
        Kind.CLAIM,
        "the pseudo-inverse solution minimises |θ − θ₀|₂ among all solutions",
        "|Δ|² ≥ rᵀ(JJᵀ)⁻¹r for every solution, equal at J⁺(y − ŷ)",
        "Pythagoras: the null-space part is orthogonal to the row space.",
        holding=nearest,
        code=NEWTON,
    ),
    SOLUTION.holds(
        "implicit-penalty",
        Kind.CLAIM,
        "choosing it is in effect a penalty on |θ − θ₀|₂",
        "it is the limit of ridge solutions as their penalty falls to 0",
        "(JᵀJ + λI)⁻¹Jᵀ → J⁺.",
        holding=ridge,
        code=(f"{LINEAR}.displacement",),
    ),
)
