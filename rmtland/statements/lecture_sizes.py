"""The lecture's slides on sizes: of the step to the solution, and of what is left out."""

from __future__ import annotations

import numpy as np

from rmtland.landscape.linearisation import LinearisedLoss
from rmtland.statements.drawn_matrices import gaussian_matrix, wide_problem
from rmtland.statements.hypotheses import Number, Whole, seed
from rmtland.statements.lecture_linearisation import WIDE
from rmtland.statements.relations import AtLeast, AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Record

__all__ = ["STATEMENTS"]


WIDTH = Section(Document.LECTURE, "lecture-linear", "slide on the large width limit")
DIFFERENCE = Section(
    Document.LECTURE,
    "lecture-linear",
    "slide on the difference of network and linear approximation",
)


def _along_smallest(samples: int, more: int, seed: int) -> Record:
    made = wide_problem(samples, more, seed)
    r = np.linalg.svd(made["J"])[0][:, -1] * 3.0
    return {**made, "r": r, "step": -np.linalg.pinv(made["J"]) @ r}


step_bound = Claim(
    WIDE,
    setting=wide_problem,
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
    setting=wide_problem,
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


def _equal_residuals(samples: int, more: int, size: float, seed: int) -> Record:
    """Equal residuals along the singular vector of the smallest singular value."""
    left = np.linalg.qr(
        np.column_stack([np.ones(samples), gaussian_matrix(seed, samples, samples)])
    )
    U = left[0][:, :samples]
    right = np.linalg.qr(gaussian_matrix(seed, samples + more, samples, stream=2))[0]
    values = np.geomspace(0.5, 2.0, samples)
    J = (U * values) @ right.T
    r = np.full(samples, size)
    return {"J": J, "r": r}


step_order = Claim(
    {**WIDE, "size": Number(0.1, 10.0)},
    setting=lambda samples, more, size, seed: {
        **(made := wide_problem(samples, more, seed)),
        "r": size * np.clip(made["r"], -1, 1),
    },
    attained=_equal_residuals,
    claim=lambda J, samples, size: (
        np.sqrt(samples) * size / np.sqrt(np.linalg.eigvalsh(J @ J.T)[0])
    ),
    truth=(
        lambda J, r: float(np.linalg.norm(np.linalg.pinv(J) @ r)),
        lambda J, r: LinearisedLoss.of_jacobian(J, r, samples=1).gauss_newton().norm,
    ),
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


def _sines(size: int, terms: int, length: float, seed: int) -> Record:
    """H = sum of sines of random planes: its gradient has a Lipschitz constant below |A|^2 sums."""
    A = gaussian_matrix(seed, terms, size)
    b = gaussian_matrix(seed, 1, terms, stream=1)[0]
    d = gaussian_matrix(seed, 1, size, stream=2)[0]
    d *= length / np.linalg.norm(d)
    remainder = np.sum(np.sin(A @ d + b) - np.sin(b) - np.cos(b) * (A @ d))
    return {"lipschitz": np.linalg.norm(A, 2) ** 2, "remainder": abs(float(remainder))}


def _parabola(size: int, length: float, seed: int) -> Record:
    A = gaussian_matrix(seed, size, size)
    A = A + A.T
    values, vectors = np.linalg.eigh(A)
    k = int(np.argmax(np.abs(values)))
    d = length * vectors[:, k]
    return {"lipschitz": np.linalg.norm(A, 2), "remainder": abs(float(d @ A @ d)) / 2}


remainder = Claim(
    {
        "size": Whole(1, 6),
        "terms": Whole(1, 6),
        "length": Number(0.01, 10.0, log=True),
        "seed": seed(),
    },
    setting=_sines,
    attained=_parabola,
    claim=lambda lipschitz, length: lipschitz * length**2 / 2,
    truth=lambda remainder: remainder,
    relation=AtMost(sharp=1e-7),
)

remainder_order = Claim(
    {
        "lipschitz": Number(0.1, 10.0),
        "sigma": Number(0.1, 10.0),
        "samples": Whole(1, 20),
        "size": Number(0.1, 3.0),
        "seed": seed(),
    },
    setting=lambda lipschitz, sigma, samples, size, seed: {
        # K = sigma I: the step of residuals r has length |r|/sqrt(sigma)
        "step": np.linalg.norm(size * np.clip(gaussian_matrix(seed, 1, samples)[0], -1, 1))
        / np.sqrt(sigma)
    },
    attained=lambda sigma, samples, size: {"step": np.sqrt(samples / sigma) * size},
    claim=lambda lipschitz, sigma, samples, size: lipschitz / 2 * samples * size**2 / sigma,
    truth=lambda lipschitz, step: lipschitz / 2 * step**2,
    relation=AtMost(sharp=1e-9),
)


LINEAR = "rmtland.landscape.linearisation.LinearisedLoss"
NEWTON = (f"{LINEAR}.gauss_newton",)

STATEMENTS = (
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
