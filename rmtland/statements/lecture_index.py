"""The lecture's slides on the fraction of negative eigenvalues: thresholds and the 3/2 law."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from rmtland.models import WishartPlusReluBlock, WishartPlusWigner
from rmtland.statements.hypotheses import Number
from rmtland.statements.relations import Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind

__all__ = ["STATEMENTS", "double_root", "index_near_threshold", "wigner_threshold_of"]

WIGNER = Section(Document.LECTURE, "lecture", "slide on the fraction of negative eigenvalues")
RELU = Section(Document.LECTURE, "lecture", "slide on the two layer ReLU net")
UNDER = Number(0.01, 0.99)
ENERGY = Number(0.001, 10.0, log=True)
SCALE = Number(0.1, 10.0, log=True)


def double_root(slope: Callable[[float, float], float], tau: float, sigma: float) -> float:
    """Return the energy at which z = 0 is an edge: K(g) = K'(g) = 0 for a g < 0.

    Parameters
    ----------
    slope : callable
        g, energy -> R(g) of the residual part and nothing else; proportional to the energy at g^2.
    tau, sigma : float
        Aspect ratio and mean of the Wishart part.

    Returns
    -------
    float
        Energy: found by bracketing, with no closed form.
    """

    def energy_of(g: float) -> float:
        """Return the energy with K(g) = 0."""
        wishart = sigma / (1 - sigma * tau * g) + 1 / g
        low, high = 0.0, 1e-12
        while wishart + slope(g, high) > 0:
            high *= 2
        return float(brentq(lambda e: wishart + slope(g, e), low, high, xtol=1e-300, rtol=1e-14))

    # K(g; e) rises above 0 for some g < 0 while e is below the threshold: the largest such energy
    from scipy.optimize import minimize_scalar

    zero = -1 / (sigma * (1 - tau))  # K = 0 at energy 0
    best = minimize_scalar(
        lambda t: -energy_of(zero * np.exp(t)),
        bounds=(1e-9, 12.0),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return -float(best.fun)


def _wigner_slope(g: float, energy: float) -> float:
    return 2 * energy * g


def _relu_slope(tau: float) -> Callable[[float, float], float]:
    return lambda g, energy: energy * tau * g / (2 - energy * tau**2 * g**2)


def wigner_threshold_of(tau: float) -> float:
    """Return the printed threshold without ReLU.

    Parameters
    ----------
    tau : float
        Aspect ratio.

    Returns
    -------
    float
        Energy.
    """
    return float((1 - 20 * tau - 8 * tau**2 + (1 + 8 * tau) ** 1.5) / 16)


wigner_threshold = Claim(
    {"tau": UNDER},
    claim=wigner_threshold_of,
    truth=(
        lambda tau: WishartPlusWigner(tau, 1.0).critical_energy,
        lambda tau: double_root(_wigner_slope, tau, 1.0),
    ),
    relation=Equal(1e-6, 1e-13),
)

wigner_threshold_over = Claim(
    {"tau": Number(0.01, 10.0)},
    claim=lambda tau: max(0.0, wigner_threshold_of(tau)) if tau < 1 else 0.0,
    truth=lambda tau: WishartPlusWigner(tau, 1.0).critical_energy,
    relation=Equal(1e-6, 1e-13),
)


def _relu_threshold(tau: float, factor: float) -> float:
    xi = 1 + 16 * tau - 8 * tau**2
    return float(factor * (27 - 18 * xi - xi**2 + 8 * xi**1.5) / (32 * tau * (1 - tau) ** 3))


relu_threshold = Claim(
    {"tau": Number(0.05, 0.9), "sigma": SCALE},
    claim=lambda tau, sigma: _relu_threshold(tau, sigma**2),
    truth=(
        lambda tau, sigma: WishartPlusReluBlock(tau, 1.0, sigma=sigma).critical_energy,
        lambda tau, sigma: double_root(_relu_slope(tau), tau, sigma),
    ),
    relation=Equal(1e-6, 1e-13),
)


def index_near_threshold(
    model: type[WishartPlusWigner | WishartPlusReluBlock], tau: float, excess: float
) -> float:
    """Return the index of a model just above its threshold.

    Parameters
    ----------
    model : type
        `WishartPlusWigner` or `WishartPlusReluBlock`.
    tau : float
        Aspect ratio.
    excess : float
        (epsilon - epsilon_c)/epsilon_c.

    Returns
    -------
    float
        The value.
    """
    threshold = model(tau, 1.0).critical_energy
    return float(model(tau, threshold * (1 + excess)).index())


def _exponent(model: type[WishartPlusWigner | WishartPlusReluBlock], tau: float) -> float:
    """Return the slope of log index between two excesses near 0."""
    first, second = (index_near_threshold(model, tau, excess) for excess in (1e-6, 2e-6))
    return float(np.log2(second / first))


index_integral = Claim(
    {"tau": Number(0.05, 3.0), "epsilon": Number(0.01, 10.0, log=True)},
    claim=lambda tau, epsilon: WishartPlusWigner(tau, epsilon).index(),
    truth=lambda tau, epsilon: _mass_below_zero(tau, epsilon),
    relation=Equal(1e-6, 1e-9),
    share=0.5,
)


def _mass_below_zero(tau: float, epsilon: float) -> float:
    """Integrate -Im G/pi from the left edge to 0, G from the roots of the cubic."""
    polynomial = [2 * epsilon * tau, 0.0, 0.0, -1.0]

    def density(x: float) -> float:
        roots = np.roots([polynomial[0], -(2 * epsilon + x * tau), x + tau - 1, -1.0])
        return float(np.abs(roots.imag).max() / np.pi)

    low = WishartPlusWigner(tau, epsilon).law.support[0][0]
    if low >= 0:
        return 0.0
    # x = low (1 - t^2): the square-root edge is smooth in t
    value, _ = quad(lambda t: density(low * (1 - t * t)) * 2 * t * -low, 0.0, 1.0, limit=200)
    return float(value)


def _law(model: type[WishartPlusWigner | WishartPlusReluBlock]) -> Claim:
    return Claim(
        {"tau": Number(0.05, 0.95), "excess": Number(1e-8, 1e-6, log=True)},
        claim=lambda tau, excess: model(tau, 1.0).index_prefactor * excess**1.5,
        truth=lambda tau, excess: index_near_threshold(model, tau, excess),
        relation=Equal(1e-3),
    )


def _power(model: type[WishartPlusWigner | WishartPlusReluBlock]) -> Claim:
    return Claim(
        {"tau": Number(0.05, 0.95)},
        claim=lambda: 1.5,
        truth=lambda tau: _exponent(model, tau),
        relation=Equal(1e-4),
    )


def _absolute(model: type[WishartPlusWigner | WishartPlusReluBlock]) -> Claim:
    return Claim(
        {"tau": Number(0.05, 0.95), "excess": Number(-1.0, -1e-3)},
        claim=lambda tau, excess: model(tau, 1.0).index_prefactor * abs(excess) ** 1.5,
        truth=lambda tau, excess: index_near_threshold(model, tau, max(excess, -1 + 1e-9)),
        relation=Equal(1e-3),
    )


STATEMENTS = (
    WIGNER.holds(
        "index-definition",
        Kind.DEFINITION,
        printed="α(ε, τ) = ∫ ρ_H over (−∞, 0)",
        tested="index() against quadrature of −Im G/π, G from the cubic of the free sum",
        holding=index_integral,
        derivation="K(G) = z with K(g) = 1/(1 − τg) + 2εg + 1/g is a cubic in G.",
        code=("rmtland.models.WishartPlusWigner.index",),
    ),
    WIGNER.holds(
        "wigner-threshold",
        Kind.FORMULA,
        printed="ε_c = (1 − 20τ − 8τ² + (1 + 8τ)^(3/2))/16",
        tested="the same for τ < 1, against the energy of the double root of K at z = 0",
        holding=wigner_threshold,
        derivation=(
            "Below ε_c some g < 0 has K(g) > 0; ε_c is the largest energy with K(g) = 0, where "
            "also K'(g) = 0. Found by bracketing, without the closed form."
        ),
        code=("rmtland.models.WishartPlusWigner.critical_energy",),
        figure="figures/fig1.png",
    ),
    WIGNER.corrected(
        "wigner-threshold-over",
        Kind.FORMULA,
        printed="ε_c = (1 − 20τ − 8τ² + (1 + 8τ)^(3/2))/16 for every τ",
        tested="that for τ < 1, and 0 for τ ≥ 1",
        holding=wigner_threshold_over,
        failing=wigner_threshold_over.instead(claim=wigner_threshold_of),
        counterexample=Counterexample({"tau": 2.0}, claim=-0.0567002728, truth=0.0),
        derivation=(
            "For τ > 1 the printed form is negative: energies are not. H₀ has a null space there, "
            "and any positive energy gives negative eigenvalues."
        ),
        code=("rmtland.models.WishartPlusWigner.critical_energy",),
    ),
    WIGNER.holds(
        "wigner-index-law",
        Kind.FORMULA,
        printed="α ≈ α₀(τ)|(ε − ε_c)/ε_c|^(3/2) for small α",
        tested="for ε just above ε_c, with α₀ = 16(1 − τ)/(3π√w(1 + w)(3 + w)), w = √(1 + 8τ)",
        holding=_law(WishartPlusWigner),
        derivation="A square-root edge moves linearly in ε: the mass beyond 0 is its 3/2 power.",
        code=("rmtland.models.WishartPlusWigner.index_prefactor",),
    ),
    WIGNER.corrected(
        "wigner-index-below",
        Kind.FORMULA,
        printed="α ≈ α₀|(ε − ε_c)/ε_c|^(3/2), with the absolute value",
        tested="α = 0 for ε ≤ ε_c: the positive part takes the place of the absolute value",
        holding=_absolute(WishartPlusWigner).instead(claim=lambda: 0.0),
        failing=_absolute(WishartPlusWigner),
        counterexample=Counterexample({"tau": 0.5, "excess": -1.0}, claim=0.0335006664, truth=0.0),
        derivation=(
            "At ε = 0 the printed form gives α₀ > 0 although H = H₀ has no negative eigenvalue."
        ),
        code=("rmtland.models.WishartPlusWigner.index",),
    ),
    RELU.corrected(
        "relu-threshold",
        Kind.FORMULA,
        printed="ε_c = φ²(27 − 18ξ − ξ² + 8ξ^(3/2))/(32τ(1 − τ)³), ξ = 1 + 16τ − 8τ²",
        tested="with σ² in place of φ², σ the mean of H₀",
        holding=relu_threshold,
        failing=relu_threshold.instead(claim=lambda tau: _relu_threshold(tau, tau**2)),
        counterexample=Counterexample(
            {"tau": 0.5, "sigma": 1.0}, claim=0.0202591775, truth=0.0810367098
        ),
        derivation=(
            "With τ = φ the printed factor is τ²; H₀ and g scale as σ and 1/σ, so that ε_c must be "
            "proportional to σ², and at σ = 1 the factor is 1: a slip of φ for σ."
        ),
        code=("rmtland.models.WishartPlusReluBlock.critical_energy",),
    ),
    RELU.holds(
        "relu-index-law",
        Kind.FORMULA,
        printed="α ≈ α̃₀(τ)|(ε − ε_c)/ε_c|^(3/2)",
        tested="for ε just above ε_c, with the prefactor of the quartic's double root",
        holding=_law(WishartPlusReluBlock),
        derivation="As without ReLU; the prefactor follows from K'' at the double root.",
        code=("rmtland.models.WishartPlusReluBlock.index_prefactor",),
    ),
    RELU.corrected(
        "relu-index-below",
        Kind.FORMULA,
        printed="α ≈ α̃₀|(ε − ε_c)/ε_c|^(3/2), with the absolute value",
        tested="α = 0 for ε ≤ ε_c",
        holding=_absolute(WishartPlusReluBlock).instead(claim=lambda: 0.0),
        failing=_absolute(WishartPlusReluBlock),
        counterexample=Counterexample({"tau": 0.5, "excess": -1.0}, claim=0.0311043575, truth=0.0),
        derivation="As without ReLU.",
        code=("rmtland.models.WishartPlusReluBlock.index",),
    ),
)
