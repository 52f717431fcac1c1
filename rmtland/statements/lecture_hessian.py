"""The lecture's slides on the loss, its Hessian H0 + H1, and what the Hessian says of minima."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmtland.networks import MLP, LossPoint
from rmtland.statements.drawn_matrices import gaussian_matrix, loss_point, symmetric_matrix
from rmtland.statements.hypotheses import Hypothesis, Number, OneOf, Whole, seed
from rmtland.statements.relations import AtLeast, AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Real, Record, Values

__all__ = ["STATEMENTS"]

LOSS = Section(Document.LECTURE, "lecture-hessian", "slide on the loss of a two layer net")
HESSIAN = Section(Document.LECTURE, "lecture-hessian", "slide on the Hessian for two layer net")
SHAPE = Section(
    Document.LECTURE, "lecture-convexity", "slide on the loss landscape through eigenvalues"
)
SUMMARY = Section(Document.LECTURE, "lecture-summary", "slide with the summary")

NETWORK: dict[str, Hypothesis] = {
    "n": Whole(1, 3),
    "samples": Whole(1, 5),
    "activation": OneOf(("linear", "tanh", "relu")),
    "seed": seed(),
}
CODE = ("rmtland.networks.LossPoint.hessian",)


def _point(n: int, samples: int, activation: str, seed: int) -> Record:
    point = loss_point(seed, (n, n, n), samples, activation)
    return {"point": point, "e": np.asarray(point.prediction) - np.asarray(point.y)}


def _moved(point: LossPoint, values: Callable[[LossPoint], Values]) -> Real:
    """Return central differences of an array-valued function of the parameters."""
    h = 1e-5
    theta = np.asarray(point.theta)
    return np.array(
        [
            (values(point.at(theta + h * e)) - values(point.at(theta - h * e))) / (2 * h)
            for e in np.eye(theta.size)
        ]
    )


def _outputs(point: LossPoint) -> Real:
    return np.asarray(point.prediction).ravel()


energy = Claim(
    {**NETWORK},
    setting=_point,
    claim=lambda e, n, samples: np.sum(e**2) / (2 * samples),
    truth=lambda point: point.loss,
    relation=Equal(1e-10),
)

residual_variance = Claim(
    {**NETWORK},
    setting=_point,
    claim=lambda point, n: 2 * point.loss / n,
    truth=lambda e: float(np.mean(e**2)),
    relation=Equal(1e-10),
)

gauss_newton_part = Claim(
    NETWORK,
    setting=_point,
    # J: p x m n, from differences of the outputs
    claim=lambda point, samples: (J := _moved(point, _outputs)) @ J.T / samples,
    truth=lambda point: np.asarray(point.hessian("gauss_newton")),
    relation=Equal(1e-5, 1e-7),
    share=0.5,
)


def _second_derivatives(point: LossPoint, e: Real, samples: int) -> Real:
    """Return sum of e d^2 y/m from differences of Jacobians of the outputs."""
    rows = _moved(point, lambda p: np.asarray(p.jacobian()).T @ e.ravel())
    return rows / samples


residual_part = gauss_newton_part.instead(
    claim=_second_derivatives, truth=lambda point: np.asarray(point.hessian("residual"))
)

whole = gauss_newton_part.instead(
    claim=lambda point: (
        np.asarray(point.hessian("gauss_newton")) + np.asarray(point.hessian("residual"))
    ),
    truth=lambda point: _moved(point, lambda p: np.asarray(p.gradient)),
)

positive_part = Claim(
    NETWORK,
    setting=lambda n, samples, activation, seed: {
        **_point(n, samples, activation, seed),
        "v": gaussian_matrix(seed, 1, 2 * n * n, stream=9)[0],
    },
    claim=lambda point, v, samples: np.sum(np.asarray(point.jvp(v)) ** 2) / samples,
    truth=lambda point, v: float(v @ np.asarray(point.hessian("gauss_newton")) @ v),
    relation=Equal(1e-8, 1e-12),
)

error_dependent = Claim(
    {**NETWORK, "factor": Number(-3.0, 3.0)},
    setting=lambda n, samples, activation, seed, factor: {
        **(made := _point(n, samples, activation, seed)),
        "scaled": made["point"].net.at(
            made["point"].theta, made["point"].x, made["point"].prediction - factor * made["e"]
        ),
    },
    claim=lambda point, factor: factor * np.asarray(point.hessian("residual")),
    truth=lambda scaled: np.asarray(scaled.hessian("residual")),
    relation=Equal(1e-8, 1e-10),
)

error_independent = error_dependent.instead(
    claim=lambda point: np.asarray(point.hessian("gauss_newton")),
    truth=lambda scaled: np.asarray(scaled.hessian("gauss_newton")),
)

over_parameterised = Claim(
    {**NETWORK, "n": Whole(1, 4), "samples": Whole(1, 12)},
    setting=lambda n, samples, activation, seed: {
        "rank": int(
            np.linalg.matrix_rank(
                np.asarray(
                    loss_point(seed, (n, n, n), samples, activation).hessian("gauss_newton")
                ),
                tol=1e-9,
            )
        )
    },
    attained=lambda seed: {
        "n": 3,
        "samples": 2,
        "rank": int(
            np.linalg.matrix_rank(
                np.asarray(loss_point(seed, (3, 3, 3), 2, "tanh").hessian("gauss_newton")),
                tol=1e-10,
            )
        ),
    },
    # tau > 1 leaves at least the share 1 - 1/tau of null directions
    claim=lambda n, samples: max(0, 2 * n * n - samples * n),
    truth=lambda n, rank: 2 * n * n - rank,
    relation=AtLeast(sharp=1e-9),
)


def _gradient_square(n: int, samples: int, activation: str, seed: int) -> Record:
    point = loss_point(seed, (n, n, n), samples, activation)
    J = np.asarray(point.jacobian())  # m n x p
    return {"J": J, "trace": float(np.trace(np.asarray(point.hessian("gauss_newton"))))}


gradient_size = Claim(
    {**NETWORK, "epsilon": Number(0.01, 10.0, log=True)},
    setting=_gradient_square,
    claim=lambda epsilon, trace, samples: 2 * epsilon * trace / samples,
    # E |J^T e/m|^2 over independent e of variance 2 epsilon
    truth=lambda J, epsilon, samples: float(
        np.trace(J.T @ (2 * epsilon * np.eye(len(J))) @ J) / samples**2
    ),
    relation=Equal(1e-9),
)


def _limit_gradient(n: int, phi: float, epsilon: float) -> float:
    """Return 2 epsilon tr H0/m for H0 of trace p = 2 n^2 and m = 2 n/phi."""
    return 2 * epsilon * 2 * n * n / (2 * n / phi)


gradient_vanishes = Claim(
    {"n": Whole(1, 10**6), "phi": Number(0.1, 2.0), "epsilon": Number(0.1, 2.0)},
    # what vanishes falls as n doubles
    claim=lambda: 1.0,
    truth=lambda n, phi, epsilon: (
        _limit_gradient(2 * n, phi, epsilon) / _limit_gradient(n, phi, epsilon)
    ),
    relation=AtMost(),
)

# What eigenvalues say of minima ------------------------------------------------------------------

SLOPE = Number(-3.0, 3.0)


def _minimisers_of_exponential(slope: float) -> int:
    """Return how many minimisers e^t + slope t has: t = log(-slope) where that is real."""
    return int(slope < 0)


unique = Claim(
    {"slope": SLOPE},
    claim=lambda: 1,
    truth=_minimisers_of_exponential,
    attained=lambda: {"slope": -1.0},
    relation=AtMost(),
)


def _minimiser_dimension(size: int, null: int, quartic: int, seed: int) -> int:
    """Return the dimension of the minimisers of v^T A v/2 + quartic sum v_i^4, A >= 0."""
    Q = np.linalg.qr(gaussian_matrix(seed, size, size))[0]
    A = (Q[:, null:]) @ Q[:, null:].T
    return 0 if quartic else size - int(np.linalg.matrix_rank(A)) if size > null else size


not_unique = Claim(
    {"size": Whole(1, 4), "null": Whole(1, 4), "quartic": Whole(0, 1), "seed": seed()},
    where=lambda size, null: null <= size,
    claim=lambda null: null,
    truth=_minimiser_dimension,
    attained=lambda size, null, seed: {"quartic": 0},
    relation=AtMost(),
)


def _indefinite(size: int, seed: int) -> Record:
    H = symmetric_matrix(seed, size)
    values, vectors = np.linalg.eigh(H - np.trace(H) / size * np.eye(size))
    return {"H": (vectors * values) @ vectors.T, "least": values[0], "q": vectors[:, 0]}


non_convex = Claim(
    {"size": Whole(2, 6), "length": Number(0.1, 3.0), "seed": seed()},
    setting=_indefinite,
    # the value in the middle above the mean of the ends at -+ length q
    claim=lambda least, length: -least * length**2 / 2,
    truth=lambda H, q, length: -((length * q) @ H @ (length * q)) / 2,
    relation=Equal(1e-8, 1e-12),
)


def _scalar_hessian(w1: float, w2: float) -> Real:
    """Return the Hessian of (w2 w1 - 1)^2/2, the linear network 1-1-1 on x = y = 1."""
    point = MLP((1, 1, 1), "linear").at([w1, w2], [[1.0]], [[1.0]])
    return np.asarray(point.hessian("total"))


determinant = Claim(
    {"w1": Number(-2.0, 2.0), "w2": Number(-2.0, 2.0)},
    claim=lambda w1, w2: (1 - w1 * w2) * (3 * w1 * w2 - 1),
    truth=lambda w1, w2: float(np.linalg.det(_scalar_hessian(w1, w2))),
    relation=Equal(1e-7, 1e-9),
)

near_minimum = Claim(
    {"thousandths": Whole(1, 100)},
    claim=lambda: 0,
    # at w1 = w2 = 1 + t, next to the minimiser (1, 1)
    truth=lambda thousandths: int(
        (np.linalg.eigvalsh(_scalar_hessian(*[1 + thousandths / 1000] * 2)) < 0).sum()
    ),
    relation=Equal(0.0, 0.5),
)

at_minimum = Claim(
    {"w1": Number(0.1, 10.0, log=True)},
    claim=lambda w1: np.array([0.0, w1**2 + w1**-2]),
    truth=lambda w1: np.linalg.eigvalsh(_scalar_hessian(w1, 1 / w1)),
    relation=Equal(1e-8, 1e-9),
)

STATEMENTS = (
    LOSS.holds(
        "loss",
        Kind.DEFINITION,
        "L = (2m)⁻¹ Σ_μ Σ_i (ŷ_iμ − y_iμ)²",
        "the same",
        "Definition; the loss of networks here.",
        holding=energy,
        code=("rmtland.networks.MLP.at",),
    ),
    LOSS.holds(
        "energy",
        Kind.DEFINITION,
        "ε = L/n; residuals are N(0, 2ε)",
        "the mean square of residuals is 2L/n",
        "Σe² = 2mL has mn terms.",
        holding=residual_variance,
        code=("rmtland.networks.MLP.at",),
    ),
    HESSIAN.holds(
        "gauss-newton-part",
        Kind.FORMULA,
        "H₀ = m⁻¹ J Jᵀ, J the derivatives of outputs",
        "J from differences of outputs (p × mn: the transpose of the J₀ of earlier slides)",
        "Product rule. With the m × p matrix J₀ of the slides on linearisation it is J₀ᵀJ₀/m.",
        holding=gauss_newton_part,
        code=CODE,
    ),
    HESSIAN.holds(
        "residual-part",
        Kind.FORMULA,
        "H₁ = m⁻¹ Σ e ∂²ŷ/∂θ∂θ",
        "from differences of Jacobians",
        "Product rule.",
        holding=residual_part,
        code=CODE,
    ),
    HESSIAN.holds(
        "sum",
        Kind.FORMULA,
        "the Hessian is H₀ + H₁",
        "against differences of the gradient",
        "Product rule.",
        holding=whole,
        code=CODE,
    ),
    HESSIAN.holds(
        "gauss-newton-is-positive",
        Kind.CLAIM,
        "H₀ is positive semi-definite",
        "vᵀH₀v = |Jᵀv|²/m",
        "A square.",
        holding=positive_part,
        code=("rmtland.networks.LossPoint.jvp",),
    ),
    HESSIAN.holds(
        "residual-part-scales",
        Kind.CLAIM,
        "H₁ has a magnitude that depends on the size of e",
        "H₁ is linear in e",
        "Its definition.",
        holding=error_dependent,
        code=CODE,
    ),
    HESSIAN.holds(
        "gauss-newton-without-error",
        Kind.CLAIM,
        "H₀ is of size independent of the error",
        "other targets leave H₀ as it is",
        "J does not know the targets; along training both change through the weights.",
        holding=error_independent,
        code=CODE,
    ),
    HESSIAN.holds(
        "over-parameterised",
        Kind.CLAIM,
        "τ = 2n/m > 1 is over-, τ < 1 under-parameterisation",
        "H₀ has at least 2n² − mn null directions, attained for few samples",
        "J has mn columns. More where units are redundant: n of linear networks, n² in all.",
        holding=over_parameterised,
        code=CODE,
    ),
    SHAPE.corrected(
        "gradient-vanishes",
        Kind.CLAIM,
        "residuals N(0, 2ε) let the gradient vanish as m, n → ∞ with m/n fixed",
        "E|∇L|² = 2ε tr H₀/m: entries vanish like m^(−1/2), the norm grows like n^(1/2)",
        "∇L = Je/m. With tr H₀ = p = 2n² and m = 2n/φ it is 2εφn: the gradient of an entry is "
        "small, but the point is not critical, and its norm grows.",
        holding=gradient_size,
        failing=gradient_vanishes,
        counterexample=Counterexample({"n": 1, "phi": 1.0, "epsilon": 1.0}, claim=1.0, truth=2.0),
        code=("rmtland.networks.LossPoint.jacobian",),
    ),
    SHAPE.corrected(
        "positive-definite",
        Kind.CLAIM,
        "a positive definite Hessian: convex, one global minimum and one minimiser",
        "at most one minimiser",
        "e^t + st has a positive second derivative, and no minimiser for s ≥ 0.",
        holding=unique,
        failing=unique.instead(attained=None, relation=Equal()),
        counterexample=Counterexample({"slope": 0.0}, claim=1, truth=0),
    ),
    SHAPE.corrected(
        "positive-semi-definite",
        Kind.CLAIM,
        "a positive semi-definite Hessian: minimisers are not unique, the null space's dimension",
        "the dimension of the set of minimisers is at most that of the null space",
        "t⁴ has a null Hessian at its one minimiser: higher orders decide. Without them equal.",
        holding=not_unique,
        failing=not_unique.instead(attained=None, relation=Equal()),
        counterexample=Counterexample(
            {"size": 1, "null": 1, "quartic": 1, "seed": 0}, claim=1, truth=0
        ),
    ),
    SHAPE.holds(
        "indefinite",
        Kind.CLAIM,
        "an indefinite Hessian: not convex",
        "along the eigenvector of λ_min the middle lies |λ_min|t²/2 above the mean of the ends",
        "A quadratic form.",
        holding=non_convex,
    ),
    SUMMARY.holds(
        "non-convex",
        Kind.CLAIM,
        "loss landscapes of networks can be non-convex",
        "the linear network 1-1-1 has det H = (1 − w₁w₂)(3w₁w₂ − 1), negative for w₁w₂ < 1/3",
        "L = (w₂w₁ − 1)²/2.",
        holding=determinant,
        code=CODE,
    ),
    SUMMARY.corrected(
        "hessian-near-minima",
        Kind.CLAIM,
        "near a minimum the Hessian has only non-negative eigenvalues",
        "at a minimiser it has; next to it not: eigenvalues 0 and w² + w⁻² on w₂ = 1/w₁",
        "The network 1-1-1 has a negative eigenvalue at w₁ = w₂ = 1 + t for every t > 0, as det H "
        "= (1 − w₁w₂)(3w₁w₂ − 1) < 0: the null direction bends.",
        holding=at_minimum,
        failing=near_minimum,
        counterexample=Counterexample({"thousandths": 1}, claim=0, truth=1),
        code=CODE,
    ),
)
