"""The theory sheet, section 1: networks, risk, gradient, Hessian, sharpness, condition number."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from rmtland.landscape.sharpness import ball_sharpness, curvature
from rmtland.landscape.sharpness.trust_region import quadratic_maximum
from rmtland.landscape.surface import FunctionSurface
from rmtland.networks import MLP, LossPoint
from rmtland.optimizer import GradientDescent, residual_polynomials
from rmtland.statements.drawn_matrices import gaussian_matrix, loss_point
from rmtland.statements.hypotheses import Hypothesis, Number, OneOf, Whole, seed
from rmtland.statements.relations import Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Real, Record, Values

__all__ = ["STATEMENTS", "quadratic_surface"]


def _definition(number: str) -> Section:
    return Section(Document.THEORY, "theory", f"definition {number}")


SMOOTH = OneOf(("tanh", "sigmoid", "softplus", "sine"))
NETWORK: dict[str, Hypothesis] = {
    "activation": SMOOTH,
    "inputs": Whole(1, 3),
    "hidden": Whole(1, 3),
    "outputs": Whole(1, 2),
    "samples": Whole(1, 5),
    "seed": seed(),
}


def _point(
    activation: str, inputs: int, hidden: int, outputs: int, samples: int, seed: int
) -> Record:
    return {"point": loss_point(seed, (inputs, hidden, outputs), samples, activation, bias=True)}


def quadratic_surface(H: Real, g: Real) -> FunctionSurface:
    """Return the surface g . t + t . H t/2.

    Parameters
    ----------
    H : ndarray, shape (p, p)
        Hessian.
    g : ndarray, shape (p,)
        Gradient at 0.

    Returns
    -------
    FunctionSurface
        With gradient and Hessian.
    """
    return FunctionSurface(
        len(g), lambda t: (float(g @ t + t @ H @ t / 2), g + H @ t), lambda t: np.asarray(H)
    )


# Networks and risks ------------------------------------------------------------------------------

parameters_of_layers = Claim(
    {"inputs": Whole(1, 9), "hidden": Whole(1, 9), "outputs": Whole(1, 9)},
    claim=lambda inputs, hidden, outputs: hidden * (inputs + 1) + outputs * (hidden + 1),
    truth=lambda inputs, hidden, outputs: (
        MLP((inputs, hidden, outputs), bias=True).init(rng=0).size
    ),
)


def _finite_data(points: int, samples: int, seed: int) -> Record:
    """Return losses of a linear network at the points of a data distribution with few points."""
    x, y, w = gaussian_matrix(seed, 3, points)
    return {"losses": (w[0] * x - y) ** 2 / 2}


expected_risk = Claim(
    {"points": Whole(1, 4), "samples": Whole(1, 4), "seed": seed()},
    setting=_finite_data,
    claim=lambda losses: losses.mean(),
    # all samples of that size, each equally likely
    truth=lambda losses, samples: float(
        np.mean([np.mean(chosen) for chosen in itertools.product(losses, repeat=samples)])
    ),
)

empirical_risk = Claim(
    NETWORK,
    setting=_point,
    claim=lambda point: np.sum((np.asarray(point.prediction) - point.y) ** 2) / (2 * len(point.y)),
    truth=(
        lambda point: point.loss,
        lambda point: float(
            np.mean(
                [
                    point.net.at(point.theta, point.x[i : i + 1], point.y[i : i + 1]).loss
                    for i in range(len(point.y))
                ]
            )
        ),
    ),
)

# Derivatives -------------------------------------------------------------------------------------


def _differences(point: LossPoint, value: Callable[[LossPoint], Values], h: float) -> Real:
    """Return central differences of a function of the parameters, one row a parameter."""
    return np.array(
        [
            (value(point.at(point.theta + h * e)) - value(point.at(point.theta - h * e))) / (2 * h)
            for e in np.eye(point.theta.size)
        ]
    )


gradient = Claim(
    NETWORK,
    setting=_point,
    claim=lambda point: np.asarray(point.gradient),
    truth=(
        lambda point: _differences(point, lambda there: there.loss, 1e-5),
        lambda point: np.asarray(point.sample_gradients()).mean(axis=0),
    ),
    relation=Equal(1e-6, 1e-7),
)

hessian = Claim(
    NETWORK,
    setting=_point,
    claim=lambda point: np.asarray(point.hessian("total")),
    truth=(
        lambda point: _differences(point, lambda there: np.asarray(there.gradient), 1e-5),
        lambda point: _differences(point, lambda there: np.asarray(there.gradient), 1e-5).T,
    ),
    relation=Equal(1e-5, 1e-6),
)


def _eigenpairs(**made: Any) -> Record:
    point = _point(**made)["point"]
    values, Q = np.linalg.eigh(point.hessian("total"))
    return {"point": point, "values": values, "Q": Q}


eigenpairs = Claim(
    NETWORK,
    setting=lambda activation, inputs, hidden, outputs, samples, seed: _eigenpairs(
        activation=activation,
        inputs=inputs,
        hidden=hidden,
        outputs=outputs,
        samples=samples,
        seed=seed,
    ),
    claim=lambda values, Q: (Q * values) @ Q.T,
    truth=(
        lambda point: np.asarray(point.hvp(np.eye(point.theta.size))),
        lambda values, Q: sum(v * np.outer(q, q) for v, q in zip(values, Q.T, strict=True)),
    ),
    relation=Equal(1e-8, 1e-10),
)

# Sharpness ---------------------------------------------------------------------------------------


def _plane(seed: int) -> Record:
    A, g = gaussian_matrix(seed, 2, 2), gaussian_matrix(seed, 1, 2, stream=1)[0]
    return {"H": A + A.T, "g": g}


def _highest_in_disc(H: Real, g: Real, rho: float) -> float:
    """Search the disc on a polar grid, finer and finer."""
    low, high, best = np.array([0.0, 0.0]), np.array([1.0, 2 * np.pi]), 0.0
    for _ in range(5):
        r, a = np.meshgrid(*(np.linspace(*ends, 61) for ends in zip(low, high, strict=True)))
        e = np.clip(r, 0, 1) * rho * np.array([np.cos(a), np.sin(a)])
        rise = np.tensordot(g, e, 1) + np.einsum("iab,ij,jab->ab", e, H, e) / 2
        best = max(best, float(rise.max()))
        at = np.unravel_index(rise.argmax(), rise.shape)
        place, width = np.array([r[at], a[at]]), (high - low) / 20
        low, high = place - width, place + width
    return best


sharpness = Claim(
    {"rho": Number(0.01, 3.0, log=True), "seed": seed()},
    setting=_plane,
    claim=lambda H, g, rho: quadratic_maximum(*_along(H, g), rho),
    truth=(
        lambda H, g, rho: _highest_in_disc(H, g, rho),
        lambda H, g, rho: (
            ball_sharpness(quadratic_surface(H, g), np.zeros(2), rho, steps=3000, rng=0).lower
        ),
    ),
    relation=Equal(1e-5, 1e-9),
    share=0.5,
)


def _along(H: Real, g: Real) -> tuple[Real, Real]:
    values, vectors = np.linalg.eigh(H)
    return vectors.T @ g, values


def _quartic_rise(
    rho: float, slope: float, curvature: float, cubic: float, quartic: float
) -> float:
    """Return the largest rise of s t + c t^2/2 + a t^3 + b t^4 in |t| <= rho."""
    t = np.linspace(-rho, rho, 4001)
    return float(np.max(slope * t + curvature * t**2 / 2 + cubic * t**3 + quartic * t**4))


small_ball = Claim(
    {
        "rho": Number(1e-6, 1e-4, log=True),
        "curvature": Number(0.1, 10.0),
        "cubic": Number(-3.0, 3.0),
        "quartic": Number(-3.0, 3.0),
    },
    claim=lambda rho, curvature: rho**2 / 2 * curvature,
    truth=lambda rho, curvature, cubic, quartic: _quartic_rise(rho, 0.0, curvature, cubic, quartic),
    relation=Equal(0.01, 1e-30),
)

away = Claim(
    {"rho": Number(1e-3, 1.0), "slope": Number(-3.0, 3.0), "curvature": Number(0.1, 10.0)},
    claim=lambda rho, curvature: rho**2 / 2 * curvature,
    truth=lambda rho, slope, curvature: _quartic_rise(rho, slope, curvature, 0.0, 0.0),
    relation=Equal(0.01, 1e-9),
)

# Condition number --------------------------------------------------------------------------------


def _positive(size: int, seed: int) -> Record:
    A = gaussian_matrix(seed, size, size)
    H = A @ A.T + 0.05 * np.eye(size)
    return {"H": H, "values": np.linalg.eigvalsh(H)}


condition = Claim(
    {"size": Whole(2, 6), "seed": seed()},
    setting=_positive,
    claim=lambda values: values[-1] / values[0],
    truth=(
        lambda H: float(np.linalg.cond(H)),
        lambda H, size: (
            curvature(quadratic_surface(H, np.zeros(size)), np.zeros(size)).condition.value
        ),
    ),
    relation=Equal(1e-7),
)

condition_printed = Claim(
    {"least": Number(-10.0, 10.0), "largest": Number(0.5, 10.0)},
    where=lambda least, largest: 0.1 < abs(least) <= largest,
    claim=lambda least, largest: largest / least,
    truth=lambda least, largest: float(np.linalg.cond(np.diag([least, largest]))),
)


def _best_rate(least: float, largest: float) -> float:
    """Minimise the largest factor of a step of descent over the step size."""
    found = minimize_scalar(
        lambda a: max(abs(1 - a * least), abs(1 - a * largest)),
        bounds=(0.0, 2 / largest),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return float(found.fun)


def _rate_of_method(least: float, largest: float) -> float:
    method = GradientDescent.from_edges(least, largest)
    return float(np.abs(residual_polynomials(method, np.array([least, largest]), 1)[1]).max())


ill_conditioned = Claim(
    {"least": Number(0.01, 10.0, log=True), "largest": Number(0.01, 10.0, log=True)},
    where=lambda least, largest: least <= largest,
    setting=lambda least, largest: {"kappa": largest / least},
    claim=lambda kappa: (kappa - 1) / (kappa + 1),
    truth=(_best_rate, _rate_of_method),
    relation=Equal(1e-5, 1e-6),
)

STATEMENTS = (
    _definition("1.1").holds(
        "parameters",
        Kind.DEFINITION,
        "θ ∈ ℝ^p holds all weights and biases of f: ℝ^d → ℝ^c",
        "p = h(d + 1) + c(h + 1) with one hidden layer of h units",
        "A row of weights and a bias for every unit.",
        holding=parameters_of_layers,
        code=("rmtland.networks.MLP.parameter_count",),
    ),
    _definition("1.2").holds(
        "risk",
        Kind.DEFINITION,
        "L(θ) = E ℓ(f(x), y) over the data distribution",
        "the mean of L̂ over all samples of a finite distribution is L, each sample equally likely",
        "The mean of a mean of independent draws.",
        holding=expected_risk,
    ),
    _definition("1.3").holds(
        "empirical-risk",
        Kind.DEFINITION,
        "L̂(θ) = (1/n) Σ ℓ(f(x_i), y_i)",
        "half the mean squared error against the mean of the losses of single samples",
        "Definition.",
        holding=empirical_risk,
        code=("rmtland.networks.LossPoint",),
    ),
    _definition("1.4").holds(
        "gradient",
        Kind.DEFINITION,
        "g = ∇L ∈ ℝ^p",
        "the gradient of networks against differences of the loss, and the mean over samples",
        "Definition; the gradient is linear in the loss.",
        holding=gradient,
        code=("rmtland.networks.LossPoint.sample_gradients",),
    ),
    _definition("1.5").holds(
        "hessian",
        Kind.DEFINITION,
        "H = ∇²L ∈ ℝ^(p×p)",
        "the Hessian of networks against differences of the gradient, and their transpose",
        "Definition; second derivatives commute where they are continuous.",
        holding=hessian,
        code=("rmtland.networks.LossPoint.hessian",),
    ),
    _definition("1.5").holds(
        "eigenpairs",
        Kind.FORMULA,
        "H = QΛQᵀ",
        "QΛQᵀ against products with the Hessian, without forming it",
        "Spectral theorem: H is symmetric.",
        holding=eigenpairs,
        code=("rmtland.networks.LossPoint.hvp",),
    ),
    _definition("1.6").holds(
        "sharpness",
        Kind.DEFINITION,
        "S_ρ(θ) = max over |ε| ≤ ρ of L(θ + ε) − L(θ)",
        "quadratic L: the trust-region maximum against a search of the disc and an ascent",
        "The maximum solves (s − H)e = g with s ≥ λ_max and |e| = ρ.",
        holding=sharpness,
        code=("rmtland.landscape.sharpness.ball_sharpness",),
    ),
    _definition("1.6").corrected(
        "sharpness-small-ball",
        Kind.FORMULA,
        "S_ρ ≈ (ρ²/2) λ_max for smooth L",
        "as ρ → 0 where ∇L = 0 and λ_max > 0",
        holding=small_ball,
        failing=away,
        counterexample=Counterexample(
            {"rho": 1.0, "slope": 1.0, "curvature": 1.0}, claim=0.5, truth=1.5
        ),
        derivation="Where ∇L ≠ 0, S_ρ = ρ|∇L| + O(ρ²): the first order does not vanish.",
        code=("rmtland.landscape.sharpness.BallSharpness",),
    ),
    _definition("1.7").corrected(
        "condition-number",
        Kind.DEFINITION,
        "κ(H) = λ_max/λ_min for a Hessian",
        "for positive definite H; at a saddle the quotient is negative and no condition number",
        holding=condition,
        failing=condition_printed,
        counterexample=Counterexample({"least": -1.0, "largest": 1.0}, claim=-1.0, truth=1.0),
        derivation=(
            "|H||H⁻¹| = max|λ|/min|λ|, which is the printed quotient for λ_min > 0 only; where "
            "parameters are more than nc, λ_min = 0 at every interpolating minimum."
        ),
        code=("rmtland.landscape.sharpness.curvature",),
    ),
    _definition("1.7").holds(
        "ill-conditioned",
        Kind.CLAIM,
        "high κ makes optimisation slow",
        "the best factor of gradient descent is (κ − 1)/(κ + 1), which tends to 1",
        "The best step 2/(λ_max + λ_min) gives both extreme modes the same factor.",
        holding=ill_conditioned,
        code=("rmtland.optimizer.GradientDescent",),
    ),
)
