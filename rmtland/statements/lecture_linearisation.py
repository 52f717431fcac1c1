"""The lecture's slides on the linearised network: its loss, its solutions, the nearest of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmtland.landscape.linearisation import LinearisedLoss
from rmtland.statements.drawn_matrices import gaussian_matrix, loss_point, with_singular_values
from rmtland.statements.hypotheses import Number, OneOf, Whole, seed
from rmtland.statements.relations import AtLeast, AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind

__all__ = ["STATEMENTS"]


def _section(place: str) -> Section:
    return Section(Document.LECTURE, "lecture-linear", place)


LOSS = Section(
    Document.LECTURE, "lecture-linear", "slide on least squares loss and linearised network"
)
SOLUTION = Section(
    Document.LECTURE, "lecture-linear", "slide on properties of the linearised solution"
)
WIDTH = _section("slide on the large width limit")
DIFFERENCE = Section(
    Document.LECTURE,
    "lecture-linear",
    "slide on the difference of network and linear approximation",
)
SAMPLES, PARAMETERS = Whole(1, 6), Whole(1, 9)


def _wide(samples: int, more: int, seed: int) -> dict[str, Any]:
    """Return a full-rank Jacobian of p = samples + more columns, and residuals ŷ − y."""
    p = samples + more
    J = with_singular_values(seed, samples, p, np.geomspace(0.5, 2.0, samples))
    r = gaussian_matrix(seed, 1, samples, stream=5)[0]
    null = gaussian_matrix(seed, 1, p, stream=6)[0]
    null = null - np.linalg.pinv(J) @ (J @ null)
    return {"J": J, "r": r, "p": p, "null": null, "step": -np.linalg.pinv(J) @ r}


WIDE = {"samples": SAMPLES, "more": Whole(0, 6), "seed": seed()}
WIDER = {"samples": SAMPLES, "more": Whole(1, 6), "seed": seed()}


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


def _row(seed: int, row: int) -> dict[str, Any]:
    return {"point": loss_point(seed, (2, 3, 1), 4)}


def _numerical_row(point: Any, row: int) -> Any:
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
    setting=_wide,
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
    setting=_wide,
    claim=lambda p, samples: p - samples,
    truth=(
        lambda J: int((np.abs(np.linalg.eigvalsh(J.T @ J)) < 1e-9).sum()),
        lambda J, r, samples, p: p - LinearisedLoss.of_jacobian(J, r, samples=samples).rank,
    ),
)

many_solutions = Claim(
    WIDER,
    setting=_wide,
    claim=lambda r: -r,
    truth=lambda J, step, null: J @ (step + 3 * null),
    relation=Equal(1e-8, 1e-9),
)

normal_equations = Claim(
    WIDE,
    setting=_wide,
    claim=lambda J, r: -np.linalg.pinv(J.T @ J, rcond=1e-10) @ (J.T @ r),
    truth=(
        lambda J, r, samples: LinearisedLoss.of_jacobian(J, r, samples=samples).gauss_newton().step,
        lambda J, r: -J.T @ np.linalg.solve(J @ J.T, r),
    ),
    relation=Equal(1e-7, 1e-8),
)

rank_of_gram = Claim(
    WIDE,
    setting=_wide,
    claim=lambda samples: samples,
    truth=lambda J: int(np.linalg.matrix_rank(J.T @ J)),
)

# The nearest solution ----------------------------------------------------------------------------

nearest = Claim(
    {**WIDER, "along": Number(-3.0, 3.0)},
    setting=lambda samples, more, seed, along: {
        **(made := _wide(samples, more, seed)),
        "other": made["step"] + along * made["null"],
    },
    attained=lambda samples, more, seed: {
        **(made := _wide(samples, more, seed)),
        "other": made["step"],
    },
    claim=lambda J, r: np.sqrt(r @ np.linalg.solve(J @ J.T, r)),
    truth=lambda other: float(np.linalg.norm(other)),
    relation=AtLeast(1e-8, sharp=1e-7),
)

ridge = Claim(
    WIDER,
    setting=_wide,
    claim=lambda step: step,
    truth=lambda J, r, p: -np.linalg.solve(J.T @ J + 1e-9 * np.eye(p), J.T @ r),
    relation=Equal(1e-5, 1e-6),
)

# Sizes -------------------------------------------------------------------------------------------


def _along_smallest(samples: int, more: int, seed: int) -> dict[str, Any]:
    made = _wide(samples, more, seed)
    r = np.linalg.svd(made["J"])[0][:, -1] * 3.0
    return {**made, "r": r, "step": -np.linalg.pinv(made["J"]) @ r}


step_bound = Claim(
    WIDE,
    setting=_wide,
    attained=_along_smallest,
    claim=lambda J, r: np.linalg.eigvalsh(J @ J.T)[0] ** -0.5 * np.linalg.norm(r),
    truth=(
        lambda step: float(np.linalg.norm(step)),
        lambda J, r, samples: LinearisedLoss.of_jacobian(J, r, samples=samples).gauss_newton().norm,
    ),
    relation=AtMost(sharp=1e-7),
)

kernel_value = Claim(
    WIDE,
    setting=_wide,
    claim=lambda J: np.linalg.svd(J, compute_uv=False)[-1] ** 2,
    truth=lambda J: np.linalg.eigvalsh(J @ J.T)[0],
    relation=Equal(1e-8),
)

root_m = Claim(
    {"samples": Whole(1, 50), "size": Number(0.1, 10.0), "seed": seed()},
    setting=lambda samples, size, seed: {
        "r": size * np.clip(gaussian_matrix(seed, 1, samples)[0], -1, 1)
    },
    attained=lambda samples, size: {"r": np.full(samples, size)},
    claim=lambda samples, size: np.sqrt(samples) * size,
    truth=lambda r: float(np.linalg.norm(r)),
    relation=AtMost(sharp=1e-9),
)


def _equal_residuals(samples: int, more: int, size: float, seed: int) -> dict[str, Any]:
    """Equal residuals along the singular vector of the smallest singular value."""
    left = np.linalg.qr(
        np.column_stack([np.ones(samples), gaussian_matrix(seed, samples, samples)])
    )
    U = left[0][:, :samples]
    right = np.linalg.qr(gaussian_matrix(seed, samples + more, samples, stream=2))[0]
    values = np.geomspace(0.5, 2.0, samples)
    J = (U * values) @ right.T
    r = np.full(samples, size)
    return {"J": J, "step": -np.linalg.pinv(J) @ r}


step_order = Claim(
    {**WIDE, "size": Number(0.1, 10.0)},
    setting=lambda samples, more, size, seed: {
        **(made := _wide(samples, more, seed)),
        "step": -np.linalg.pinv(made["J"]) @ (size * np.clip(made["r"], -1, 1)),
    },
    attained=_equal_residuals,
    claim=lambda J, samples, size: (
        np.sqrt(samples) * size / np.sqrt(np.linalg.eigvalsh(J @ J.T)[0])
    ),
    truth=lambda step: float(np.linalg.norm(step)),
    relation=AtMost(sharp=1e-7),
)

entries = Claim(
    {"p": Whole(1, 400), "length": Number(0.1, 10.0), "seed": seed()},
    setting=lambda p, length, seed: {
        "step": length * (g := gaussian_matrix(seed, 1, p)[0]) / np.linalg.norm(g)
    },
    attained=lambda p, length: {"step": np.full(p, length / np.sqrt(p))},
    claim=lambda p, length: length * p**-0.5,
    truth=lambda step: float(np.abs(step).max()),
    relation=AtLeast(sharp=1e-9),
)


def _kernel_of_two(angle: float) -> float:
    """Return the smallest eigenvalue of x.x' E f'(w.x) f'(w.x'), f ReLU, at two unit inputs."""
    off = np.cos(angle) * (np.pi - angle) / (2 * np.pi)
    return float(np.linalg.eigvalsh(np.array([[0.5, off], [off, 0.5]]))[0])


independent_of_m = Claim(
    {"degrees": Whole(1, 90)},
    claim=lambda: 0.5,  # at one sample
    truth=lambda degrees: _kernel_of_two(np.deg2rad(degrees)),
    relation=Equal(1e-6),
)

# Remainder ---------------------------------------------------------------------------------------


def _sines(size: int, terms: int, length: float, seed: int) -> dict[str, Any]:
    """H = sum of sines of random planes: its gradient has a Lipschitz constant below |A|^2 sums."""
    A = gaussian_matrix(seed, terms, size)
    b = gaussian_matrix(seed, 1, terms, stream=1)[0]
    d = gaussian_matrix(seed, 1, size, stream=2)[0]
    d *= length / np.linalg.norm(d)
    remainder = np.sum(np.sin(A @ d + b) - np.sin(b) - np.cos(b) * (A @ d))
    return {"lipschitz": np.linalg.norm(A, 2) ** 2, "remainder": abs(float(remainder))}


def _parabola(size: int, length: float, seed: int) -> dict[str, Any]:
    A = gaussian_matrix(seed, size, size)
    A = A + A.T
    values, vectors = np.linalg.eigh(A)
    k = int(np.argmax(np.abs(values)))
    d = length * vectors[:, k]
    return {"lipschitz": np.linalg.norm(A, 2), "remainder": abs(float(d @ A @ d)) / 2}


remainder = Claim(
    {"size": Whole(1, 6), "terms": Whole(1, 6), "length": Number(0.01, 10.0, log=True),
     "seed": seed()},
    setting=_sines,
    attained=_parabola,
    claim=lambda lipschitz, length: lipschitz * length**2 / 2,
    truth=lambda remainder: remainder,
    relation=AtMost(sharp=1e-7),
)  # fmt: skip

remainder_order = Claim(
    {"lipschitz": Number(0.1, 10.0), "sigma": Number(0.1, 10.0), "samples": Whole(1, 20),
     "size": Number(0.1, 3.0), "seed": seed()},
    setting=lambda lipschitz, sigma, samples, size, seed: {
        # K = sigma I: the step of residuals r has length |r|/sqrt(sigma)
        "step": np.linalg.norm(size * np.clip(gaussian_matrix(seed, 1, samples)[0], -1, 1))
        / np.sqrt(sigma)
    },
    attained=lambda sigma, samples, size: {"step": np.sqrt(samples / sigma) * size},
    claim=lambda lipschitz, sigma, samples, size: lipschitz / 2 * samples * size**2 / sigma,
    truth=lambda lipschitz, step: lipschitz / 2 * step**2,
    relation=AtMost(sharp=1e-9),
)  # fmt: skip


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
        code=(f"{LINEAR}.descent",),
    ),
    WIDTH.holds(
        "step-bound",
        Kind.FORMULA,
        "|θ − θ₀|₂ ≤ σ_min^(−1/2)(J₀J₀ᵀ) |y − ŷ|₂",
        "the same; equal where the residual is the last singular vector",
        "|J⁺|₂ = 1/(smallest singular value of J).",
        holding=step_bound,
        code=NEWTON,
    ),
    WIDTH.corrected(
        "smallest-value",
        Kind.DEFINITION,
        "σ_min(J₀J₀ᵀ) is the smallest nonzero singular value of J₀",
        "it is the square of that value, as the bound of the slide needs",
        holding=kernel_value,
        failing=Claim(
            {"J": Number(0.1, 10.0)},
            claim=lambda J: np.linalg.svd(np.array([[J]]), compute_uv=False)[-1],
            truth=lambda J: np.linalg.eigvalsh(np.array([[J]]) @ np.array([[J]]).T)[0],
        ),
        counterexample=Counterexample({"J": 0.5}, claim=0.5, truth=0.25),
        derivation="Singular values of JJᵀ are squares of those of J.",
        code=(LINEAR,),
    ),
    WIDTH.refuted(
        "independent-of-m",
        Kind.CLAIM,
        "σ_min(J₀J₀ᵀ) does not depend on m or p, for most activations",
        "at two inputs the ReLU kernel of infinite width has the σ_min of one input, 1/2",
        failing=independent_of_m,
        counterexample=Counterexample({"degrees": 1}, claim=0.5, truth=0.0028535071),
        derivation=(
            "By interlacing σ_min never rises with a sample, and two unit inputs at angle t have "
            "σ_min = (1 − cos t (π − t)/π)/2, small for inputs that are close. Of p it is "
            "independent in the limit of large width only."
        ),
        code=("rmtland.models.NeuralTangentKernel",),
    ),
    WIDTH.holds(
        "residual-size",
        Kind.CLAIM,
        "|y − ŷ|₂ = O(m^(1/2)) for entries independent of the dimensions",
        "|r|₂ ≤ √m max|r_i|, equal for residuals of one size",
        "Sum of m squares.",
        holding=root_m,
    ),
    WIDTH.holds(
        "step-size",
        Kind.FORMULA,
        "|θ − θ₀|₂ ≤ O(m^(1/2) σ_min^(−1/2))",
        "with the constant max|r_i|, attained",
        "The two bounds before, and equality in both.",
        holding=step_order,
        code=NEWTON,
    ),
    WIDTH.holds(
        "lack-of-training",
        Kind.CLAIM,
        "entries of θ − θ₀ are O(p^(−1/2)) if of similar magnitude",
        "max_i |θ − θ₀|_i ≥ |θ − θ₀| p^(−1/2), equal for entries of one size",
        "The largest square is at least the mean square.",
        holding=entries,
    ),
    DIFFERENCE.holds(
        "remainder",
        Kind.FORMULA,
        "|H(θ) − (ŷ + J₀(θ − θ₀))| ≤ O(L_∇H) |θ − θ₀|²",
        "with the constant 1/2, attained by quadratic H",
        "∫₀¹ (∇H(θ₀ + td) − ∇H(θ₀))·d dt ≤ L|d|²/2.",
        holding=remainder,
    ),
    DIFFERENCE.holds(
        "remainder-order",
        Kind.FORMULA,
        "the difference is of order L_∇H m σ_min⁻¹",
        "≤ (L/2) m max r_i²/σ_min, attained",
        "The step bound in the remainder.",
        holding=remainder_order,
    ),
)
