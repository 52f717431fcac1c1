"""The theory sheet, section 6: normalisation and residual connections beside plain depth."""

from __future__ import annotations

import math

import numpy as np

from rmtland.landscape.depth import LayerStack
from rmtland.networks import MLP, LossPoint
from rmtland.statements.drawn_matrices import gaussian_matrix
from rmtland.statements.hypotheses import Number, Whole, seed
from rmtland.statements.relations import AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Record

__all__ = ["STATEMENTS"]


def _section(place: str) -> Section:
    return Section(Document.THEORY, "theory-depth", place)


PROPOSITION = _section("section 2.3, proposition 2.3")
NORMALISED = _section("section 6.1 on batch normalisation")
RESIDUAL = _section("section 6.2 on residual connections")

# Normalisation -----------------------------------------------------------------------------------


def _equal_layers(depth: int, small: float) -> LossPoint:
    """Return a fitted linear network with weights diag(1, small), inputs white."""
    net = MLP((2,) * (depth + 1), "linear")
    theta = np.tile(np.diag([1.0, small]).ravel(), depth)
    x = math.sqrt(2) * np.eye(2)
    return net.at(theta, x, np.asarray(net.at(theta, x, x).prediction))


def _hessian_condition(depth: int, small: float) -> float:
    """Return the quotient of the extreme eigenvalues other than zero, those of J J^T/m."""
    J = np.asarray(_equal_layers(depth, small).jacobian())
    values = np.linalg.svd(J, compute_uv=False)
    return float(values[0] / values[-1]) ** 2


def _of_hessian(depth: int, small: float) -> float:
    """Return the same from the Hessian, of which all but n c = 4 eigenvalues are zero."""
    values = np.linalg.eigvalsh(_equal_layers(depth, small).hessian("total"))
    return float(values[-1] / values[-4])


exponential = Claim(
    {"depth": Whole(2, 5), "small": Number(0.3, 0.9)},
    claim=lambda depth, small: small ** (-2 * (depth - 1)),
    truth=(_hessian_condition, _of_hessian),
    relation=Equal(1e-7),
)

square_law = Claim(
    {"depth": Whole(2, 8), "small": Number(0.2, 1.0)},
    # largest singular value of each layer 1; constant from two layers
    claim=lambda depth, small: _hessian_condition(2, small) * (depth / 2) ** 2,
    truth=_hessian_condition,
    relation=AtMost(1e-9),
)


def _normalised_step(angle: float, target: float, step: float) -> float:
    """Return |w| after a step of descent from a unit vector, output w . x/|w|, x = (1, 0)."""
    w = np.array([math.cos(angle), math.sin(angle)])
    output = w[0]
    gradient = (output - target) * (np.array([1.0, 0.0]) - output * w)
    return float(np.linalg.norm(w - step * gradient))


norm_grows = Claim(
    {"angle": Number(0.0, 6.0), "target": Number(-2.0, 2.0), "step": Number(0.1, 2.0)},
    # the gradient is orthogonal to w
    claim=lambda angle, target, step: math.sqrt(
        1 + (step * (math.cos(angle) - target) * math.sin(angle)) ** 2
    ),
    truth=_normalised_step,
    relation=Equal(1e-9),
)

norm_bounded = norm_grows.instead(claim=lambda: 1.0, relation=AtMost(1e-9))

# Skip connections --------------------------------------------------------------------------------

vanish = Claim(
    {"depth": Whole(1, 12), "variance": Number(0.2, 3.0)},
    claim=lambda depth, variance: variance**depth,
    truth=lambda depth, variance: (
        LayerStack(4, depth, activation="linear", weight_variance=variance).law().mean
    ),
    relation=Equal(1e-7),
)


def _mean_path(depth: int, scale: float) -> float:
    """Return d log mean/d log scale^2 of the law of J J^T: the mean length of its paths."""
    low, high = (
        LayerStack(4, depth, kind="residual", activation="linear", branch_scale=s).law().mean
        for s in (scale * math.exp(-1e-4), scale * math.exp(1e-4))
    )
    return math.log(high / low) / 4e-4


paths = Claim(
    {"depth": Whole(1, 12), "scale": Number(0.05, 2.0)},
    # paths of k branches: depth choose k of them, each of mean square scale^(2k)
    claim=lambda depth, scale: sum(
        math.comb(depth, k) * scale ** (2 * k) for k in range(depth + 1)
    ),
    truth=lambda depth, scale: (
        LayerStack(4, depth, kind="residual", activation="linear", branch_scale=scale).law().mean
    ),
    relation=Equal(1e-7),
)

effective_depth = paths.instead(
    claim=lambda depth, scale: depth * scale**2 / (1 + scale**2),
    truth=_mean_path,
    relation=Equal(1e-5),
)


def _block(width: int, seed: int) -> Record:
    F = gaussian_matrix(seed, width, width)
    return {"F": F}


def _block_of_norm(width: int, seed: int) -> Record:
    A = gaussian_matrix(seed, width, width)
    return {"F": A @ A.T}


skip_norm = Claim(
    {"width": Whole(1, 5), "seed": seed()},
    setting=_block,
    attained=_block_of_norm,
    claim=lambda F: 1 + np.linalg.norm(F, 2),
    truth=lambda F: float(np.linalg.norm(np.eye(len(F)) + F, 2)),
    relation=AtMost(1e-9, sharp=1e-8),
)

skip_printed = Claim(
    {"slope": Number(-3.0, 3.0)},
    claim=lambda slope: 1 + abs(slope),
    truth=lambda slope: float(
        np.linalg.norm(
            LayerStack(1, 1, kind="residual", activation="linear").jacobian(
                np.ones(1), (np.array([[slope]]),)
            ),
            2,
        )
    ),
    relation=Equal(0.1),
)

STACK = "rmtland.landscape.depth.LayerStack"
GALLERY = "docs/gallery/plot_depth.py"

STATEMENTS = (
    NORMALISED.holds(
        "vanilla-hessian",
        Kind.CLAIM,
        "κ(H) ~ exp(L) without normalisation",
        "linear layers diag(1, a): κ of the nonzero spectrum is a^(−2(L − 1))",
        "JJᵀ = Σ D^(2(L − ℓ)) ⊗ D^(2(ℓ − 1)) is diagonal.",
        holding=exponential,
        code=("rmtland.networks.LossPoint.hessian",),
    ),
    NORMALISED.refuted(
        "square-law",
        Kind.CLAIM,
        "κ(H) ≤ const L² for layers with |W| ≈ 1",
        "layers diag(1, a) of norm 1, the constant from two layers",
        failing=square_law,
        counterexample=Counterexample({"depth": 3, "small": 0.5}, claim=9.0, truth=16.0),
        derivation="κ = a^(−2(L − 1)) is exponential: a norm bounds the top, not the bottom.",
        code=(STACK,),
        figure=GALLERY,
    ),
    NORMALISED.corrected(
        "weight-norms",
        Kind.CLAIM,
        "batch normalisation constrains the norms of weights",
        "they never fall under descent: |w'|² = 1 + η²|g|² for a normalised unit",
        holding=norm_grows,
        failing=norm_bounded,
        counterexample=Counterexample(
            {"angle": 1.0, "target": 0.0, "step": 1.0}, claim=1.0, truth=1.0985014577
        ),
        derivation=(
            "The output does not change with |w|, so that g is orthogonal to w. What is bounded is "
            "the signal, not the weights."
        ),
    ),
    RESIDUAL.corrected(
        "skip-norm",
        Kind.FORMULA,
        "|∂h'/∂h| ≈ 1 + |∂F/∂h| for h' = h + F(h)",
        "|I + F'| ≤ 1 + |F'|, attained for positive semi-definite F'",
        holding=skip_norm,
        failing=skip_printed,
        counterexample=Counterexample({"slope": -1.0}, claim=2.0, truth=0.0),
        derivation="F' = −I cancels the skip: the block may even be constant.",
        code=(f"{STACK}.jacobian",),
    ),
    RESIDUAL.holds(
        "vanish-or-explode",
        Kind.CLAIM,
        "without skips the derivative can vanish or explode",
        "mean of JJᵀ is σ^(2L) for linear layers of variance σ²/n",
        "Layers are independent and bi-invariant.",
        holding=vanish,
        code=(f"{STACK}.law",),
    ),
    RESIDUAL.holds(
        "paths",
        Kind.CLAIM,
        "residual connections create multiple paths",
        "mean of JJᵀ = Σ (L choose k) s^(2k): paths through k of the L branches",
        "Multiply out ∏(I + sW_ℓ); terms are uncorrelated.",
        holding=paths,
        code=(f"{STACK}.law",),
    ),
    PROPOSITION.holds(
        "effective-depth",
        Kind.CLAIM,
        "skip connections reduce the effective depth",
        "mean length of the paths, in mean square: L s²/(1 + s²), below L",
        "Logarithmic derivative of (1 + s²)^L in s².",
        holding=effective_depth,
        code=(f"{STACK}.law",),
    ),
)
