"""The theory sheet, section 3.3: traces and large eigenvalues, saddles and how SGD leaves them."""

from __future__ import annotations

import numpy as np

from rmtland.landscape.noise import NoisyDescent
from rmtland.landscape.sharpness import curvature
from rmtland.statements.drawn_matrices import gaussian_matrix, symmetric_matrix
from rmtland.statements.hypotheses import Hypothesis, Number, Whole, seed
from rmtland.statements.relations import AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.statements.theory_definitions import quadratic_surface
from rmtland.typing import Real, Record

__all__ = ["STATEMENTS"]


TRACE = Section(Document.THEORY, "theory", "section 3.3, lemma 3.3")
SADDLE = Section(Document.THEORY, "theory-saddle", "section 3.3, lemma 3.4")

# Traces ------------------------------------------------------------------------------------------

trace_sum = Claim(
    {"size": Whole(1, 8), "seed": seed()},
    setting=lambda size, seed: {"A": gaussian_matrix(seed, size, size)},
    claim=lambda A: np.trace(A),
    truth=lambda A: float(np.linalg.eigvals(A).sum().real),
    relation=Equal(1e-8, 1e-10),
)


def _spectrum(size: int, seed: int) -> Record:
    values = gaussian_matrix(seed, 1, size)[0] ** 2
    return {"values": values, "trace": values.sum()}


def _two_values(size: int, level: float) -> Record:
    return {"values": np.r_[np.full(size, level), np.zeros(3)], "trace": size * level}


count_large = Claim(
    {"size": Whole(1, 12), "level": Number(0.05, 3.0), "seed": seed()},
    setting=_spectrum,
    attained=_two_values,
    claim=lambda trace, level: trace / level,
    truth=lambda values, level: int((values >= level).sum()),
    relation=AtMost(sharp=1e-9),
)

count_printed = Claim(
    {"low": Number(-3.0, 3.0), "high": Number(0.5, 3.0), "level": Number(0.25, 3.0)},
    claim=lambda low, high, level: (low + high) / level,
    truth=lambda low, high, level: sum(x > level for x in (low, high)),
    relation=AtMost(),
)

dimension = Claim(
    {"size": Whole(1, 6), "damping": Number(0.01, 10.0, log=True), "seed": seed()},
    setting=_spectrum,
    attained=lambda size, seed: {**_spectrum(size, seed), "damping": 1e9},
    claim=lambda trace, damping: trace / damping,
    truth=(
        lambda values, damping: float(np.sum(values / (values + damping))),
        lambda values, damping, size: (
            curvature(
                quadratic_surface(np.diag(values), np.zeros(size)), np.zeros(size), damping=damping
            ).effective_dimension.value
        ),
    ),
    relation=AtMost(rtol=1e-7, atol=1e-15),
)

# Saddles -----------------------------------------------------------------------------------------


def _saddle(size: int, seed: int) -> Record:
    """Return a saddle with a cubic term, and its extreme eigenvectors."""
    H = symmetric_matrix(seed, size)
    H = H - np.mean(np.linalg.eigvalsh(H)[[0, -1]]) * np.eye(size)
    a = gaussian_matrix(seed, 1, size, stream=1)[0]
    values, vectors = np.linalg.eigh(H)

    def loss(t: Real) -> float:
        return float(t @ H @ t / 2 + (a @ t) ** 3)

    def rises(q: Real) -> Real:
        return np.array([loss(s * 1e-4 * q) / 1e-8 for s in (-1, 1)])

    return {
        "low": values[0],
        "high": values[-1],
        "along_low": rises(vectors[:, 0]),
        "along_high": rises(vectors[:, -1]),
    }


PLACES: dict[str, Hypothesis] = {"size": Whole(2, 6), "seed": seed()}
rises = Claim(
    PLACES,
    setting=_saddle,
    claim=lambda high: np.full(2, high / 2),
    truth=lambda along_high: along_high,
    relation=Equal(0.02, 0.01),
)
falls = rises.instead(claim=lambda low: np.full(2, low / 2), truth=lambda along_low: along_low)

escape = Claim(
    {
        "curvature": Number(-3.0, -0.1),
        "step": Number(0.01, 0.5),
        "steps": Whole(1, 30),
        "variance": Number(0.1, 10.0, log=True),
    },
    setting=lambda curvature, step: {"factor": (1 + step * abs(curvature)) ** 2},
    claim=lambda step, variance, factor, steps: (
        step**2 * variance * (factor**steps - 1) / (factor - 1)
    ),
    truth=lambda curvature, step, variance, steps: float(
        NoisyDescent.of_matrices(
            np.diag([curvature, 1.0]), variance * np.eye(2), samples=100, step_size=step
        ).variances(steps)[0]
    ),
    relation=Equal(1e-8),
)

escape_printed = Claim(
    {"curvature": Number(-3.0, -0.5), "step": Number(0.1, 0.5), "share": Number(0.0, 1.0)},
    # whether the saddle is left within 1000 steps, that share of the noise along the eigenvector
    claim=lambda: 1.0,
    truth=lambda curvature, step, share: float(
        NoisyDescent.of_matrices(
            np.diag([curvature, 1.0]), np.diag([share, 1.0]), samples=100, step_size=step
        ).variances(1000)[0]
        > 1.0
    ),
)

CURVED = "rmtland.landscape.sharpness.curvature"

STATEMENTS = (
    TRACE.holds(
        "trace",
        Kind.LEMMA,
        "tr(H) = Σ λ_i for any matrix",
        "matrices that are not symmetric, complex eigenvalues",
        "Coefficient of the characteristic polynomial.",
        holding=trace_sum,
    ),
    TRACE.corrected(
        "large-eigenvalues",
        Kind.LEMMA,
        "k ≤ tr(H)/T for k eigenvalues above T",
        "for positive semi-definite H and T > 0; attained by T, …, T, 0, …, 0",
        holding=count_large,
        failing=count_printed,
        counterexample=Counterexample({"low": -1.0, "high": 1.0, "level": 0.5}, claim=0.0, truth=1),
        derivation="Negative eigenvalues lower the trace, not the count: diag(1, −1).",
        code=(f"{CURVED}",),
    ),
    TRACE.holds(
        "effective-dimension",
        Kind.CLAIM,
        "tr(H)/T estimates the effective dimension",
        "Σ λ/(λ + T) ≤ tr(H)/T, equal for T far above the spectrum",
        "1/(λ + T) ≤ 1/T for λ ≥ 0.",
        holding=dimension,
        code=("rmtland.estimate.effective_dimension",),
    ),
    SADDLE.holds(
        "rises",
        Kind.LEMMA,
        "at a saddle L has a minimum along eigenvectors with λ > 0",
        "rise λt²/2 on both sides, for quadratic and cubic terms",
        "∇L = 0: the second order decides.",
        holding=rises,
    ),
    SADDLE.holds(
        "falls",
        Kind.LEMMA,
        "at a saddle L has a maximum along eigenvectors with λ < 0",
        "fall |λ|t²/2 on both sides, for quadratic and cubic terms",
        "∇L = 0: the second order decides.",
        holding=falls,
    ),
    SADDLE.corrected(
        "escape",
        Kind.LEMMA,
        "SGD escapes along negative eigenvectors",
        "with noise s there: variance η²s((1 + η|λ|)^(2k) − 1)/((1 + η|λ|)² − 1) after k steps",
        holding=escape,
        failing=escape_printed,
        counterexample=Counterexample(
            {"curvature": -1.0, "step": 0.5, "share": 0.0}, claim=1.0, truth=0.0
        ),
        derivation="From the saddle, without noise along the eigenvector, SGD never moves there.",
        code=("rmtland.landscape.noise.NoisyDescent.escape_steps",),
    ),
)
