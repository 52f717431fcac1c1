"""The lecture's slides on Stieltjes and R-transforms, and on the model Hessian they give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmtland.free import free_sum
from rmtland.laws import Arcsine, Law, MarchenkoPastur, Semicircle, Uniform
from rmtland.models import WishartPlusWigner
from rmtland.statements.hypotheses import Number, OneOf
from rmtland.statements.lecture_index import wigner_threshold_of
from rmtland.statements.relations import Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Document, Kind
from rmtland.typing import Record, Values

__all__ = ["STATEMENTS"]

SLIDE = Section(Document.LECTURE, "lecture", "slide on Stieltjes and R-transforms")
MODEL = Section(Document.LECTURE, "lecture-model", "slide on the Hessian and its joint spectrum")
LAWS: dict[str, Law] = {
    "semicircle": Semicircle(2.0),
    "Wishart": MarchenkoPastur(0.5, 1.3),
    "Wishart with an atom": MarchenkoPastur(2.5, 0.7),
    "arcsine": Arcsine(),
    "uniform": Uniform(),
}
NAMES = OneOf(tuple(LAWS))


def _integral(law: Law, function: Callable[[Values], Values]) -> complex:
    """Integrate against a law: Gauss-Chebyshev on each interval, and the atoms."""
    t = np.pi * (np.arange(4000) + 0.5) / 4000
    total = 0.0 + 0.0j
    for low, high in law.support:
        x = (low + high) / 2 - (high - low) / 2 * np.cos(t)
        weights = law.pdf(x) * np.sin(t) * (high - low) / 2 * np.pi / 4000
        total += np.sum(weights * function(x))
    return complex(total + sum(mass * function(place) for place, mass in law.atoms))


stieltjes = Claim(
    {"law": NAMES, "x": Number(-6.0, 6.0), "y": Number(0.1, 5.0)},
    claim=lambda law, x, y: _integral(LAWS[law], lambda t: 1 / (x + 1j * y - t)),
    truth=lambda law, x, y: LAWS[law].stieltjes(x + 1j * y),
    relation=Equal(1e-5, 1e-7),
)


def _inside(law: str, share: float) -> Record:
    low, high = LAWS[law].support[0]
    return {"x": low + share * (high - low)}


inversion = Claim(
    {"law": NAMES, "share": Number(0.01, 0.99)},
    setting=_inside,
    claim=lambda law, x: -LAWS[law].stieltjes(x + 1e-9j).imag / np.pi,
    truth=lambda law, x: LAWS[law].pdf(x),
    relation=Equal(1e-5, 1e-7),
)

FAR = {"x": Number(-9.0, 9.0), "y": Number(7.0, 20.0)}

definition = Claim(
    {"law": NAMES, **FAR},
    claim=lambda x, y: x + 1j * y,
    truth=lambda law, x, y: LAWS[law].r_transform(g := LAWS[law].stieltjes(x + 1j * y)) + 1 / g,
    relation=Equal(1e-8),
)

additivity = Claim(
    {"first": NAMES, "second": NAMES, **FAR},
    setting=lambda first, second, x, y: {"g": 1 / complex(x, y)},
    # at z = R1(g) + R2(g) + 1/g the transform of the free sum must be g
    claim=lambda g: g,
    truth=lambda first, second, g: free_sum(LAWS[first], LAWS[second]).stieltjes(
        LAWS[first].r_transform(g) + LAWS[second].r_transform(g) + 1 / g
    ),
    relation=Equal(1e-7),
    share=0.5,
)


def _signs(x: float) -> Record:
    return {"z": 2.0 + x}


two_signs = Claim(
    {"x": Number(0.01, 50.0, log=True)},
    setting=_signs,
    # R of a sign is (sqrt(1 + 4 g^2) - 1)/(2 g); twice that is the R of the sum of two
    claim=lambda z: (lambda g: 2 * (np.sqrt(1 + 4 * g * g) - 1) / (2 * g))(1 / np.sqrt(z * z - 4)),
    # the arcsine law on [-2, 2] has G = 1/sqrt(z^2 - 4), hence R(G) = z - 1/G
    truth=lambda z: z - np.sqrt(z * z - 4),
    relation=Equal(1e-8),
)

# The model ---------------------------------------------------------------------------------------

TAU, ENERGY = Number(0.02, 20.0, log=True), Number(0.01, 100.0, log=True)


gauss_newton_r = Claim(
    {"tau": TAU, "share": Number(0.01, 0.3)},
    setting=lambda tau, share: {"g": -share / (1 + tau)},
    claim=lambda tau, g: 1 / (1 - g * tau),
    truth=(
        lambda tau, g: MarchenkoPastur(tau).r_transform(g),
        # tau z G^2 - (z - 1 + tau) G + 1 = 0, linear in z
        lambda tau, g: -(1 + (1 - tau) * g) / (tau * g * g - g) - 1 / g,
    ),
    relation=Equal(1e-6, 1e-9),
)

residual_r = Claim(
    {"epsilon": ENERGY, "share": Number(0.01, 0.9)},
    setting=lambda epsilon, share: {"g": -share / np.sqrt(2 * epsilon)},
    claim=lambda epsilon, g: 2 * epsilon * g,
    truth=(
        lambda epsilon, g: Semicircle(2 * epsilon).r_transform(g),
        # from G on the axis below the band of radius 2 sqrt(2 epsilon)
        lambda epsilon, g: _semicircle_r(np.sqrt(2 * epsilon), g),
    ),
    relation=Equal(1e-6),
)


def _semicircle_r(sigma: float, g: float) -> float:
    """Return z - 1/g with z the place at which the integral of the density is g."""
    from scipy.optimize import brentq

    k = np.arange(1, 200)
    nodes = 2 * sigma * np.cos(np.pi * k / 200)
    weights = np.sin(np.pi * k / 200) ** 2 / 100
    far = -2 * sigma - 10 / abs(g)
    z = brentq(
        lambda z: np.sum(weights / (z - nodes)) - g,
        far,
        -2 * sigma * (1 + 1e-9),
        xtol=1e-14 * sigma,
        rtol=1e-14,
    )
    return float(z - 1 / g)


def _in_model(tau: float, epsilon: float, share: float) -> Record:
    law = WishartPlusWigner(tau, epsilon).law
    low, high = law.support[0][0], law.support[-1][1]
    return {"x": low + share * (high - low)}


def _cubic_density(tau: float, epsilon: float, x: float) -> float:
    """Return -Im G/pi from R_H0(G) + R_H1(G) + 1/G = x, a cubic."""
    roots = np.roots([2 * epsilon * tau, -(2 * epsilon + x * tau), x + tau - 1, -1.0])
    return float(np.abs(roots.imag).max() / np.pi)


joint = Claim(
    {"tau": Number(0.05, 5.0), "epsilon": ENERGY, "share": Number(0.02, 0.98)},
    setting=_in_model,
    claim=_cubic_density,
    truth=lambda tau, epsilon, x: WishartPlusWigner(tau, epsilon).law.pdf(x),
    relation=Equal(1e-5, 1e-6),
)


def _excess(law: Law) -> float:
    """Return the free excess kurtosis kappa_4/kappa_2^2 from moments about the mean."""
    raw = [law.moment(k) for k in range(5)]
    mean = raw[1]
    second = raw[2] - mean**2
    fourth = raw[4] - 4 * mean * raw[3] + 6 * mean**2 * raw[2] - 3 * mean**4
    return (fourth - 2 * second**2) / second**2


semicircular = Claim(
    {"tau": Number(0.05, 5.0), "epsilon": Number(0.01, 10.0, log=True)},
    claim=lambda tau, epsilon: tau**3 / (tau + 2 * epsilon) ** 2,
    truth=lambda tau, epsilon: _excess(WishartPlusWigner(tau, epsilon).law),
    relation=Equal(1e-6, 1e-8),
)

emergence = Claim(
    {"tau": Number(0.02, 0.95), "energy": Number(-0.9, 3.0)},
    where=lambda energy: abs(energy) > 1e-6,
    setting=lambda tau, energy: {"epsilon": wigner_threshold_of(tau) * (1 + energy)},
    claim=lambda tau, epsilon: np.sign(wigner_threshold_of(tau) - epsilon),
    truth=(
        lambda tau, epsilon: np.sign(WishartPlusWigner(tau, epsilon).law.support[0][0]),
        lambda tau, epsilon: 1.0 if WishartPlusWigner(tau, epsilon).index() == 0 else -1.0,
    ),
)

STATEMENTS = (
    SLIDE.holds(
        "stieltjes-definition",
        Kind.DEFINITION,
        "G(z) = ∫ ρ(t)/(z − t) dt",
        "quadrature, atoms included, against the closed form of five laws",
        "Atoms count: for them ρ is a measure.",
        holding=stieltjes,
        code=("rmtland.laws.Law.stieltjes",),
    ),
    SLIDE.holds(
        "stieltjes-inversion",
        Kind.FORMULA,
        "ρ(λ) = −π⁻¹ lim Im G(λ + iε) as ε ↓ 0",
        "at ε = 10⁻⁹ inside the band, against the density",
        "The Poisson kernel; where there is an atom the limit is infinite.",
        holding=inversion,
        code=("rmtland.laws.Law.pdf",),
    ),
    SLIDE.holds(
        "r-transform-definition",
        Kind.DEFINITION,
        "R(G(z)) + 1/G(z) = z",
        "the same, for z far from the spectrum",
        "R is the inverse of G less 1/g, near g = 0.",
        holding=definition,
        code=("rmtland.laws.Law.r_transform",),
    ),
    SLIDE.holds(
        "r-transform-additivity",
        Kind.THEOREM,
        "R of the sum of free variables is R₁ + R₂",
        "the free sum, solved by subordination, has G = g at R₁(g) + R₂(g) + 1/g",
        "Voiculescu's theorem; the law of the sum is ρ₁ ⊞ ρ₂, not the sum of densities.",
        holding=additivity,
        code=("rmtland.free.free_sum",),
    ),
    SLIDE.holds(
        "r-transform-of-two-signs",
        Kind.THEOREM,
        "R of the sum of free variables is R₁ + R₂",
        "two free symmetric signs give the arcsine law on [−2, 2], in closed form",
        "R of a sign is (√(1 + 4g²) − 1)/(2g); the arcsine law has 1/G = √(z² − 4).",
        holding=two_signs,
    ),
    MODEL.holds(
        "gauss-newton-r",
        Kind.FORMULA,
        "R_H₀ = 1/(1 − zτ) for Marchenko-Pastur(1, τ)",
        "the same, z the value of G",
        "From τzG² − (z − 1 + τ)G + 1 = 0, solved for z.",
        holding=gauss_newton_r,
        code=("rmtland.laws.MarchenkoPastur",),
    ),
    MODEL.holds(
        "residual-r",
        Kind.FORMULA,
        "R_H₁ = 2εz for a semicircle with σ = √(2ε)",
        "the same, against quadrature of the printed density, inverted",
        "σ²G² − zG + 1 = 0 solved for z.",
        holding=residual_r,
        code=("rmtland.laws.Semicircle",),
    ),
    MODEL.holds(
        "joint-density",
        Kind.CLAIM,
        "the density of H follows from R_H₀ + R_H₁",
        "−Im G/π of the cubic R_H₀(G) + R_H₁(G) + 1/G = λ, against the law",
        "2ετG³ − (2ε + λτ)G² + (λ + τ − 1)G − 1 = 0.",
        holding=joint,
        code=("rmtland.models.WishartPlusWigner.law",),
        figure="figures/fig1.png",
    ),
    MODEL.holds(
        "semicircular",
        Kind.CLAIM,
        "the spectrum becomes more semicircular as the energy rises",
        "free excess kurtosis τ³/(τ + 2ε)², 0 for a semicircle, falls to 0",
        "Free cumulants add: κ₂ = τ + 2ε, κ₄ = τ³.",
        holding=semicircular,
        code=("rmtland.models.WishartPlusWigner.law",),
        figure="figures/fig1.png",
    ),
    MODEL.holds(
        "negative-eigenvalues-emerge",
        Kind.CLAIM,
        "negative eigenvalues emerge as the energy rises",
        "the lower edge has the sign of ε_c − ε, and the index is 0 exactly for ε ≤ ε_c",
        "ε_c is the printed threshold.",
        holding=emergence,
        code=("rmtland.models.WishartPlusWigner.index",),
        figure="figures/index.png",
    ),
)
