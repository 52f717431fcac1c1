"""The research proposal: its density of eigenvalues, and what it says of Hessians."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.integrate import quad

from rmtland.laws import MarchenkoPastur
from rmtland.models import WishartPlusWigner
from rmtland.statements.drawn_matrices import gaussian_matrix, loss_point
from rmtland.statements.hypotheses import Hypothesis, Number, OneOf, Whole, seed
from rmtland.statements.relations import Equal, Estimate, Near
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Real, Record

if TYPE_CHECKING:
    from rmtland.networks import LossPoint

__all__ = ["STATEMENTS"]


def _section(place: str) -> Section:
    return Section(Document.PROPOSAL, "proposal", place)


DENSITY = _section("phase 1, eigenvalue distribution")
CURVATURE = _section("phase 1, curvature")
RATIO, VARIANCE = Number(0.05, 0.95), Number(0.1, 10.0, log=True)
PLACE: dict[str, Hypothesis] = {
    "ratio": RATIO,
    "variance": VARIANCE,
    "share": Number(0.05, 0.95),
}

# The Marchenko-Pastur density --------------------------------------------------------------------


def _edges(ratio: float, variance: float) -> dict[str, float]:
    law = MarchenkoPastur(ratio, variance)
    return {"low": law.support[0][0], "high": law.support[0][1]}


def _inside(ratio: float, variance: float, share: float) -> dict[str, float]:
    ends = _edges(ratio, variance)
    return {**ends, "x": ends["low"] + share * (ends["high"] - ends["low"])}


def _density(ratio: float, variance: float, x: float) -> float:
    return float(MarchenkoPastur(ratio, variance).pdf(x))


def _from_resolvent(ratio: float, variance: float, x: float) -> float:
    """Return -Im G/pi, G a root of its quadratic r v z G^2 - (z - v (1 - r)) G + 1 = 0."""
    roots = np.roots([ratio * variance * x, -(x - variance * (1 - ratio)), 1.0])
    return float(np.abs(roots.imag).max() / np.pi)


density = Claim(
    PLACE,
    setting=_inside,
    claim=lambda x, low, high, ratio, variance: (
        math.sqrt(max((high - x) * (x - low), 0.0)) / (2 * math.pi * variance * ratio * x)
    ),
    truth=(_density, _from_resolvent),
    relation=Equal(1e-6),
)

density_printed = density.instead(
    # the modulus of what is printed: the root itself is imaginary between the edges
    claim=lambda x, low, high, variance: (
        1 / (2 * math.pi * variance * math.sqrt(abs((x - low) * (x - high))))
    ),
    truth=_density,
)


def _printed_mass(ratio: float, variance: float) -> float:
    """Integrate the modulus of the printed density between the edges."""
    ends = _edges(ratio, variance)
    middle, half = (ends["low"] + ends["high"]) / 2, (ends["high"] - ends["low"]) / 2
    value, _ = quad(
        lambda t: (
            half
            * math.cos(t)
            / (2 * math.pi * variance * math.sqrt(max(half**2 - (half * math.sin(t)) ** 2, 1e-300)))
        ),
        -math.pi / 2,
        math.pi / 2,
    )
    assert middle > 0
    return float(value)


def _mass(ratio: float, variance: float) -> float:
    ends = _edges(ratio, variance)
    middle, half = (ends["low"] + ends["high"]) / 2, (ends["high"] - ends["low"]) / 2
    value, _ = quad(
        lambda t: _density(ratio, variance, middle + half * math.sin(t)) * half * math.cos(t),
        -math.pi / 2,
        math.pi / 2,
        epsabs=1e-9,
    )
    return float(value)


mass = Claim(
    {"ratio": RATIO, "variance": VARIANCE},
    claim=lambda: 1.0,
    truth=_mass,
    relation=Equal(1e-5),
    share=0.3,
)

edges = Claim(
    {"ratio": Number(0.05, 3.0), "variance": VARIANCE},
    setting=_edges,
    claim=lambda ratio, variance: (
        variance * np.array([(1 - math.sqrt(ratio)) ** 2, (1 + math.sqrt(ratio)) ** 2])
    ),
    truth=(
        lambda low, high: np.array([low, high]),
        lambda ratio, variance: _critical_values(ratio, variance),
    ),
    relation=Equal(1e-7, 1e-10),
)


def _critical_values(ratio: float, variance: float) -> Real:
    """Return the critical values of K(g) = v/(1 - r v g) + 1/g: roots of its derivative."""
    # r v^2 g^2 = (1 - r v g)^2
    g = np.array([1 / (s * math.sqrt(ratio) * variance + ratio * variance) for s in (-1, 1)])
    return variance / (1 - ratio * variance * g) + 1 / g


mean_of_edges = Claim(
    {"ratio": RATIO, "variance": VARIANCE},
    setting=_edges,
    claim=lambda low, high: (low + high) / 2,
    truth=lambda ratio, variance: MarchenkoPastur(ratio, variance).mean(),
)

deviation = Claim(
    {"ratio": Number(0.05, 3.0), "variance": VARIANCE},
    claim=lambda ratio, variance: variance * math.sqrt(ratio),
    truth=(
        lambda ratio, variance: MarchenkoPastur(ratio, variance).std(),
        lambda ratio, variance: math.sqrt(MarchenkoPastur(ratio, variance).moment(2) - variance**2),
    ),
    relation=Equal(1e-8),
)

# Hessians ----------------------------------------------------------------------------------------


def _index(width: int, seed: int) -> float:
    """Return the share of negative eigenvalues of a network at its start."""
    values = np.linalg.eigvalsh(loss_point(seed, (width,) * 3, 2 * width).hessian("total"))
    return float((values < -1e-9 * np.abs(values).max()).mean())


marchenko_pastur = Claim(
    {"width": Whole(1, 8), "seed": seed()},
    claim=lambda: 0.0,
    truth=_index,
    relation=Equal(0.0, 1e-9),
    share=0.5,
)

wishart = Claim(
    {"ratio": RATIO},
    claim=lambda ratio: np.array([1.0, 1 + ratio, 1 + 3 * ratio + ratio**2]),
    # Gauss-Newton matrix alone: the limit of no residual
    truth=lambda ratio: np.array(
        [WishartPlusWigner(ratio, 1e-12).law.moment(k) for k in (1, 2, 3)]
    ),
    relation=Equal(1e-6),
)


def _second_moment(ratio: float, seed: int) -> Estimate:
    """Return the mean square of the eigenvalues of least squares on Gaussian data."""
    n, m = 60, round(60 / ratio)
    found = []
    for i in range(24):
        X = gaussian_matrix(seed, n, m, stream=i) / math.sqrt(m)
        found.append(float(np.sum((X @ X.T) ** 2)) / n)
    error = 5.0 * float(np.std(found)) / math.sqrt(len(found)) + 1 / m  # and the bias of finite m
    return Estimate(float(np.mean(found)), error, len(found), f"{seed}", 0.9999)


linear_regression = Claim(
    {"ratio": Number(0.1, 0.9), "seed": Whole(0, 10**6)},
    claim=lambda ratio: 1 + 60 / round(60 / ratio),
    truth=_second_moment,
    relation=Near(),
    share=0.3,
)

NETWORK: dict[str, Hypothesis] = {
    "activation": OneOf(("tanh", "sigmoid", "softplus")),
    "samples": Whole(1, 5),
    "seed": seed(),
}


def _moved(activation: str, samples: int, seed: int) -> Record:
    point = loss_point(seed, (2, 3, 1), samples, activation)
    return {"point": point, "d": 0.3 * gaussian_matrix(seed, 1, point.theta.size, stream=5)[0]}


second_derivative = Claim(
    NETWORK,
    setting=_moved,
    claim=lambda point, d: d @ np.asarray(point.hessian("total")) @ d,
    truth=lambda point, d: (
        (
            point.at(point.theta + 1e-3 * d).loss
            + point.at(point.theta - 1e-3 * d).loss
            - 2 * point.loss
        )
        / 1e-6
    ),
    relation=Equal(1e-4, 1e-6),
)


def _integral(point: LossPoint, d: Real) -> Real:
    """Return the integral of H(theta + t d) d over t in [0, 1]."""
    t, weight = np.polynomial.legendre.leggauss(12)
    rows = [np.asarray(point.at(point.theta + (s + 1) / 2 * d).hvp(d)) for s in t]
    return np.asarray(weight @ np.array(rows) / 2)


integrated = Claim(
    NETWORK,
    setting=_moved,
    claim=_integral,
    truth=lambda point, d: np.asarray(point.at(point.theta + d).gradient - point.gradient),
    relation=Equal(1e-6, 1e-8),
)


def _kinked_slope(theta: float, target: float) -> float:
    """Return the gradient of (ReLU(theta) - target)^2/2."""
    return theta - target if theta > 0 else 0.0


kinks = Claim(
    {"side": Number(0.1, 3.0), "target": Number(-3.0, 3.0)},
    # L = (ReLU(theta) - y)^2/2 from -side to side: H = 1 on one half, 0 on the other
    claim=lambda side: side,
    truth=lambda side, target: _kinked_slope(side, target) - _kinked_slope(-side, target),
)

LAW = "rmtland.laws.MarchenkoPastur"

STATEMENTS = (
    DENSITY.corrected(
        "density",
        Kind.FORMULA,
        "ρ(λ) = √((λ − μ₁)(λ − μ₂))/(2πσ² (λ − μ₁)(λ − μ₂))",
        "ρ(λ) = √((λ₊ − λ)(λ − λ₋))/(2πσ²φλ), σ² the variance of entries",
        holding=density,
        failing=density_printed,
        counterexample=Counterexample(
            {"ratio": 0.5, "variance": 1.0, "share": 0.5}, claim=0.1125395395, truth=0.3001054388
        ),
        derivation=(
            "The printed root is of a negative number between the edges; its modulus is the "
            "arcsine density over 2σ², which diverges at the edges where the density vanishes."
        ),
        code=(f"{LAW}.pdf",),
        figure="figures/fig1.png",
    ),
    DENSITY.corrected(
        "density-mass",
        Kind.FORMULA,
        "the printed formula is a density",
        "the corrected one has mass 1 for φ ≤ 1; the modulus of the printed one 1/(2σ²)",
        holding=mass,
        failing=mass.instead(truth=_printed_mass),
        counterexample=Counterexample({"ratio": 0.5, "variance": 1.0}, claim=1.0, truth=0.5),
        derivation="∫ dλ/√((λ₊ − λ)(λ − λ₋)) = π between the edges.",
        code=(f"{LAW}.pdf",),
    ),
    DENSITY.corrected(
        "edges",
        Kind.FORMULA,
        "μ₁ and μ₂ are mean eigenvalues",
        "they are the edges σ²(1 ± √φ)²; the mean is σ²",
        holding=edges,
        failing=mean_of_edges,
        counterexample=Counterexample({"ratio": 0.5, "variance": 1.0}, claim=1.5, truth=1.0),
        derivation="Half the sum of the edges is σ²(1 + φ): no mean of eigenvalues either.",
        code=(f"{LAW}.support",),
    ),
    DENSITY.corrected(
        "deviation",
        Kind.FORMULA,
        "σ is the standard deviation",
        "of the matrix entries; that of the eigenvalues is σ²√φ",
        holding=deviation,
        failing=deviation.instead(
            claim=lambda variance: math.sqrt(variance),
            truth=lambda ratio, variance: MarchenkoPastur(ratio, variance).std(),
        ),
        counterexample=Counterexample(
            {"ratio": 0.5, "variance": 1.0}, claim=1.0, truth=0.7071067812
        ),
        derivation="Second free cumulant: φσ⁴.",
        code=(f"{LAW}.std",),
    ),
    DENSITY.corrected(
        "hessians",
        Kind.CLAIM,
        "the eigenvalues of the Hessian follow a Marchenko-Pastur law in the limit",
        "those of the Gauss-Newton part in the model without residuals do, by three moments",
        holding=wishart,
        failing=marchenko_pastur,
        counterexample=Counterexample({"width": 1, "seed": 0}, claim=0.0, truth=0.5),
        derivation=(
            "A Marchenko-Pastur law has no negative eigenvalue; the residual part of the Hessian "
            "brings many at positive energy. See the lecture's Wishart + Wigner law."
        ),
        code=("rmtland.models.WishartPlusWigner.law",),
        figure="figures/fig1.png",
    ),
    DENSITY.empirical(
        "least-squares",
        Kind.CLAIM,
        "the Marchenko-Pastur law approximates Hessians",
        "least squares on Gaussian data, n = 60: mean square of the eigenvalues 1 + φ",
        "24 matrices an example; interval 5 standard errors and the bias 1/m.",
        holding=linear_regression,
        code=(LAW,),
    ),
    CURVATURE.holds(
        "hessian",
        Kind.DEFINITION,
        "H = ∇²L(θ)",
        "dᵀHd against second differences of the loss of networks",
        "Definition.",
        holding=second_derivative,
        code=("rmtland.networks.LossPoint.hessian",),
    ),
    CURVATURE.corrected(
        "second-derivative",
        Kind.CLAIM,
        "second derivatives characterise the curvature of the loss",
        "smooth networks: ∫H(θ + td) d dt is the change of the gradient; with ReLU it is not",
        holding=integrated,
        failing=kinks,
        counterexample=Counterexample({"side": 1.0, "target": 1.0}, claim=1.0, truth=0.0),
        derivation="At a kink the gradient jumps, by −y here, and no Hessian knows of it.",
        code=("rmtland.networks.LossPoint.hvp",),
    ),
)
