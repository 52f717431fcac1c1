"""The theory sheet on depth: proposition 2.3, its proof, its implications.

Weight matrices with given singular values say when products of norms are attained: where all
singular vectors agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from rmtland.landscape.depth import JacobianLaw, LayerStack
from rmtland.landscape.sharpness import curvature
from rmtland.landscape.surface import NetworkSurface
from rmtland.networks import MLP, LossPoint
from rmtland.statements.drawn_matrices import gaussian_matrix, loss_point
from rmtland.statements.hypotheses import Hypothesis, Number, Whole, seed
from rmtland.statements.relations import AtLeast, AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import NumpyArray, Real, Record

__all__ = ["STATEMENTS"]


def _section(place: str) -> Section:
    return Section(Document.THEORY, "theory-depth", place)


PROPOSITION = _section("section 2.3, proposition 2.3")
PROOF = _section("section 2.3, proof of proposition 2.3")
SCALE = Number(0.1, 10.0, log=True)

# Jacobians ---------------------------------------------------------------------------------------


def _stack(width: int, depth: int, seed: int) -> Record:
    stack = LayerStack(width, depth)
    weights, x = stack.draw(rng=seed), gaussian_matrix(seed, 1, width)[0]
    J, h = np.eye(width), x
    for W in weights:
        h = np.tanh(W @ h)
        J = (1 - h**2)[:, None] * (W @ J)
    return {"stack": stack, "weights": weights, "x": x, "J": J}


def _through(weights: Sequence[Real], x: NumpyArray) -> NumpyArray:
    h = x
    for W in weights:
        h = np.tanh(W @ h)
    return h


jacobian = Claim(
    {"width": Whole(1, 4), "depth": Whole(1, 5), "seed": seed()},
    setting=_stack,
    claim=lambda J: J,
    truth=(
        lambda stack, x, weights: stack.jacobian(x, weights),
        lambda x, weights, width: (
            np.array([_through(weights, x + 1e-30j * e).imag / 1e-30 for e in np.eye(width)]).T
        ),
    ),
    relation=Equal(1e-9, 1e-13),
)

LAYERS: dict[str, Hypothesis] = {"width": Whole(1, 4), "depth": Whole(2, 5), "seed": seed()}


def _product(matrices: list[Real]) -> Record:
    J = np.eye(len(matrices[0]))
    for W in matrices:
        J = W @ J
    singular = np.array([np.linalg.svd(W, compute_uv=False) for W in matrices])
    return {
        "J": J,
        "values": np.linalg.svd(J, compute_uv=False),
        "norms": singular[:, 0],
        "least": singular[:, -1],
        "kappas": singular[:, 0] / singular[:, -1],
    }


def _gaussian_layers(width: int, depth: int, seed: int) -> Record:
    return _product([gaussian_matrix(seed, width, width, stream=i) for i in range(depth)])


def _aligned_layers(width: int, depth: int, seed: int) -> Record:
    sizes = np.sort(0.5 + np.abs(gaussian_matrix(seed, depth, width)), axis=1)
    return _product([np.diag(row) for row in sizes])


largest = Claim(
    LAYERS,
    setting=_gaussian_layers,
    attained=_aligned_layers,
    claim=lambda norms: math.prod(norms) ** 2,
    truth=lambda J: float(np.linalg.eigvalsh(J.T @ J)[-1]),
    relation=AtMost(1e-8, sharp=1e-7),
)

least = largest.instead(
    claim=lambda least: math.prod(least) ** 2,
    truth=lambda values: float(values[-1]) ** 2,
    relation=AtLeast(1e-7, 1e-15, sharp=1e-7),
)

conditions = largest.instead(
    claim=lambda kappas: math.prod(kappas) ** 2,
    truth=lambda values: float(values[0] / values[-1]) ** 2,
    relation=AtMost(1e-6, sharp=1e-6),
)

CROSSED: dict[str, Hypothesis] = {"first": SCALE, "second": SCALE}


def _crossed(first: float, second: float) -> Record:
    """Return diag(1, second) diag(first, 1): singular vectors that do not agree."""
    return _product([np.diag([first, 1.0]), np.diag([1.0, second])])


crossed_largest = largest.instead(
    hypotheses=CROSSED, setting=_crossed, attained=None, relation=AtLeast(1e-8)
)
crossed_least = least.instead(
    hypotheses=CROSSED, setting=_crossed, attained=None, relation=AtMost(1e-8)
)
crossed_conditions = conditions.instead(
    hypotheses=CROSSED, setting=_crossed, attained=None, relation=AtLeast(1e-8)
)

norm_squared = Claim(
    LAYERS,
    setting=_gaussian_layers,
    claim=lambda J: np.linalg.norm(J, 2) ** 2,
    truth=lambda J: float(np.linalg.eigvalsh(J.T @ J)[-1]),
    relation=Equal(1e-8),
)

# The Hessian -------------------------------------------------------------------------------------


def _fitted(width: int, depth: int, seed: int) -> Record:
    """Return a network whose targets are its outputs."""
    net = MLP((2, *(width,) * (depth - 1), 2))
    theta, x = net.init(rng=seed), gaussian_matrix(seed, 3, 2, stream=3)
    point = net.at(theta, x, net.at(theta, x, np.zeros((3, 2))).prediction)
    return {"point": point, "J": np.asarray(point.jacobian())}


gauss_newton = Claim(
    LAYERS,
    setting=_fitted,
    claim=lambda J: J.T @ J / 3,
    truth=lambda point: np.asarray(point.hessian("total")),
    relation=Equal(1e-8, 1e-11),
)

shapes = Claim(
    {"inputs": Whole(1, 6), "outputs": Whole(1, 6)},
    claim=lambda inputs: inputs,
    truth=lambda inputs, outputs: len(
        loss_point(0, (inputs, outputs), 2, "linear").hessian("total")
    ),
)


def _white(W: Real) -> LossPoint:
    """Return one linear layer, fitted to white inputs."""
    n = len(W)
    x = math.sqrt(n) * np.eye(n)
    return MLP((n, n), "linear").at(W.ravel(), x, x @ W.T)


def _condition(W: Real) -> float:
    """Return the condition number of the positive part of the Hessian."""
    point = _white(W)
    return float(curvature(NetworkSurface(point), np.asarray(point.theta)).condition.value)


one_layer = Claim(
    {"first": SCALE, "second": SCALE},
    claim=lambda first, second: max(first, second) / min(first, second) * max(first, second) ** 2,
    truth=lambda first, second: _condition(np.diag([first, second])),
    relation=AtLeast(1e-7),
)

of_jacobian = one_layer.instead(
    claim=lambda first, second: (max(first, second) / min(first, second)) ** 2
)


# Depth in the limit of large width ---------------------------------------------------------------


@lru_cache(maxsize=64)
def _law(depth: int) -> JacobianLaw:
    return LayerStack(16, depth, activation="linear").law()


def _spread_rate(depth: int, share: float) -> float:
    """Return the growth a layer of the logarithm of a quotient of quantiles."""
    first, second = (math.log(_law(k).spread(share)) for k in (depth, 2 * depth))
    return (second - first) / depth


lyapunov = Claim(
    {"depth": Whole(48, 56), "share": Number(0.05, 0.3)},
    claim=lambda share: math.log((1 - share) / share) / 2,
    truth=_spread_rate,
    relation=Equal(0.01),
    share=0.2,
)

STACK = "rmtland.landscape.depth.LayerStack"
GALLERY = "docs/gallery/plot_depth.py"
TWICE = {"first": 2.0, "second": 2.0}
OTHER = {"first": 1.0, "second": 2.0}

STATEMENTS = (
    PROOF.holds(
        "jacobian",
        Kind.PROOF_STEP,
        "J = W_L σ'(h_{L−1}) W_{L−1} ⋯ σ'(h₁) W₁",
        "products of layers against complex steps of the inputs",
        "Chain rule.",
        holding=jacobian,
        code=(f"{STACK}.jacobian",),
    ),
    PROOF.corrected(
        "hessian",
        Kind.PROOF_STEP,
        "H ≈ JᵀJ with J the derivative of outputs in inputs",
        "H = JᵀJ/n at zero residual, with J the derivative of outputs in parameters",
        holding=gauss_newton,
        failing=shapes,
        counterexample=Counterexample({"inputs": 1, "outputs": 2}, claim=1, truth=2),
        derivation=(
            "The printed JᵀJ has as many rows as there are inputs, H as there are parameters."
        ),
        code=("rmtland.networks.LossPoint.jacobian",),
    ),
    PROOF.holds(
        "norm",
        Kind.PROOF_STEP,
        "λ_max(JᵀJ) = |J|²",
        "largest eigenvalue against the spectral norm",
        "Definition of the norm.",
        holding=norm_squared,
    ),
    PROOF.corrected(
        "largest",
        Kind.PROOF_STEP,
        "|J|² ≥ ∏|W_ℓ|²",
        "|J|² ≤ ∏|W_ℓ|², attained where the top singular vectors agree",
        holding=largest,
        failing=crossed_largest,
        counterexample=Counterexample(TWICE, claim=16.0, truth=4.0),
        derivation="Norms are submultiplicative: diag(1, 2) diag(2, 1) = 2I.",
        code=("rmtland.landscape.depth.JacobianLaw",),
    ),
    PROOF.corrected(
        "least",
        Kind.PROOF_STEP,
        "λ_min(JᵀJ) ≤ ∏σ_min(W_ℓ)²",
        "λ_min(JᵀJ) ≥ ∏σ_min(W_ℓ)² for square layers, attained where the last vectors agree",
        holding=least,
        failing=crossed_least,
        counterexample=Counterexample(TWICE, claim=1.0, truth=4.0),
        derivation="The inverse of the bound above: diag(1, 2) diag(2, 1) = 2I.",
    ),
    PROOF.corrected(
        "conditions",
        Kind.PROOF_STEP,
        "κ(JᵀJ) ≥ ∏κ(W_ℓ)²",
        "κ(JᵀJ) ≤ ∏κ(W_ℓ)², attained where all singular vectors agree",
        holding=conditions,
        failing=crossed_conditions,
        counterexample=Counterexample(TWICE, claim=16.0, truth=1.0),
        derivation="Quotient of the two bounds: the product of two bad matrices may be perfect.",
    ),
    PROOF.refuted(
        "condition-of-jacobian",
        Kind.PROOF_STEP,
        "κ(H) ≥ κ(JᵀJ)",
        "one linear layer, fitted to white inputs",
        failing=of_jacobian,
        counterexample=Counterexample(OTHER, claim=4.0, truth=1.0),
        derivation="H = I ⊗ XᵀX/n = I there, whatever W is; J = W.",
        code=("rmtland.landscape.sharpness.curvature",),
    ),
    PROPOSITION.refuted(
        "condition-of-hessian",
        Kind.THEOREM,
        "κ(H) ≥ ∏κ(W_ℓ) ∏|W_ℓ|²",
        "one linear layer, fitted to white inputs",
        failing=one_layer,
        counterexample=Counterexample(OTHER, claim=8.0, truth=1.0),
        derivation=(
            "H = I. No such bound can hold: κ(H) has no unit, while the right side grows with the "
            "scale of W. With p > nc the least eigenvalue is 0 and κ(H) is infinite."
        ),
        code=("rmtland.landscape.sharpness.curvature",),
    ),
    PROPOSITION.holds(
        "vanilla",
        Kind.CLAIM,
        "in vanilla networks κ grows exponentially with depth",
        "linear, wide: the quantiles of singular values at share and 1 − share part by "
        "log((1 − s)/s)/2 a layer",
        "Singular values of Gaussian products are powers L/2 of a uniform law, as L grows.",
        holding=lyapunov,
        code=("rmtland.landscape.depth.JacobianLaw.spread",),
        figure=GALLERY,
    ),
)
