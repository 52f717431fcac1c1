"""The lecture's slides on the ReLU network's Hessian and on figure 6 of the paper."""

from __future__ import annotations

import math

import numpy as np

from rmtland.ensembles import ReluBlock, ReluResidual
from rmtland.models import WishartPlusReluBlock, WishartPlusWigner
from rmtland.models.minimisers import MinimiserEnergy, linear_minimiser_energy
from rmtland.reproduction.critical_point_numbers import LEVELS, READ_OFF
from rmtland.statements.drawn_matrices import gaussian_matrix, loss_point
from rmtland.statements.hypotheses import Number, OneOf, Whole, seed
from rmtland.statements.relations import Equal, Estimate, Near
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Real, Record

__all__ = ["STATEMENTS"]

SLIDE = Section(Document.LECTURE, "lecture-relu", "slide on the two layer ReLU net")
FIGURE = Section(Document.LECTURE, "lecture-figure", "slide on empirical values of ε_c and α")
TAU, ENERGY = Number(0.05, 5.0, log=True), Number(0.01, 10.0, log=True)


def _moments(tau: float, epsilon: float) -> tuple[float, float]:
    """Return the second and fourth moment of [[0, B], [B^T, 0]], B = E X^T/m, by pairings.

    E and X are n x m/2 with entries of variance 2 epsilon and 1: tr B B^T/n and tr (B B^T)^2/n in
    the limit, with A = E^T E and C = X^T X free of one another.
    """
    k = 1.0  # columns; n = tau k, m = 2 k
    n, m = tau * k, 2 * k
    a1, a2 = 2 * epsilon * n, (2 * epsilon) ** 2 * (n * n + n * k)
    c1, c2 = n, n * n + n * k
    second = k / n * a1 * c1 / m**2
    fourth = k / n * (a2 * c1**2 + a1**2 * c2 - a1**2 * c1**2) / m**4
    return second, fourth


def _free_cumulants(tau: float, epsilon: float) -> Real:
    second, fourth = _moments(tau, epsilon)
    return np.array([second, fourth - 2 * second**2])


def _from_law(tau: float, epsilon: float) -> Real:
    law = ReluBlock(tau, epsilon).law
    second, fourth = law.moment(2), law.moment(4)
    return np.array([second, fourth - 2 * second**2])


r_transform = Claim(
    {"tau": TAU, "epsilon": ENERGY, "share": Number(-0.5, 0.5)},
    where=lambda share: abs(share) > 1e-3,
    setting=lambda tau, epsilon, share: {
        "g": share * min(np.sqrt(2 / epsilon) / tau, np.sqrt(2 / (epsilon * tau))) / 2
    },
    claim=lambda tau, epsilon, g: epsilon * tau * g / (2 - epsilon * tau**2 * g**2),
    truth=(
        lambda tau, epsilon, g: ReluBlock(tau, epsilon).law.r_transform(g),
        lambda tau, epsilon, g: ReluResidual(tau, epsilon).law.r_transform(g),
    ),
    relation=Equal(1e-7),
)

cumulants = Claim(
    {"tau": TAU, "epsilon": ENERGY},
    # expansion of the printed R: epsilon tau/2 g + epsilon^2 tau^3/4 g^3
    claim=lambda tau, epsilon: np.array([epsilon * tau / 2, epsilon**2 * tau**3 / 4]),
    truth=(_free_cumulants, _from_law),
    relation=Equal(1e-7),
)


def _block(n: int, samples: int, activation: str, seed: int) -> Record:
    point = loss_point(seed, (n, n, n), samples, activation)
    H1 = np.asarray(point.hessian("residual"))
    half = n * n
    return {
        "H1": H1,
        "diagonal": max(np.abs(H1[:half, :half]).max(), np.abs(H1[half:, half:]).max()),
    }


off_diagonal = Claim(
    {
        "n": Whole(1, 4),
        "samples": Whole(1, 9),
        "activation": OneOf(("relu", "linear")),
        "seed": seed(),
    },
    setting=_block,
    claim=lambda: 0.0,
    truth=lambda diagonal: diagonal,
    relation=Equal(0.0, 1e-13),
)

zeros = Claim(
    {"n": Whole(1, 4), "samples": Whole(8, 20), "seed": seed()},
    setting=lambda n, samples, seed: _block(n, samples, "relu", seed),
    where=lambda n, samples: samples >= 5 * n,
    claim=lambda n: 1 - 1 / (2 * n),
    truth=lambda H1: float((H1 == 0).mean()),
    relation=Equal(1e-9),
)


def _share_of_zeros(n: int) -> float:
    """Return the share of exact zeros in H1 of a ReLU network on 20 samples."""
    return float((_block(n, 20, "relu", 0)["H1"] == 0).mean())


half_zero = Claim(
    {"n": Whole(1, 4)},
    claim=lambda: 0.5,
    truth=_share_of_zeros,
    relation=Equal(0.2),
)

symmetric = Claim(
    {"n": Whole(1, 4), "samples": Whole(1, 9), "seed": seed()},
    setting=lambda n, samples, seed: {
        "values": np.linalg.eigvalsh(_block(n, samples, "relu", seed)["H1"])
    },
    claim=lambda values: -values[::-1],
    truth=lambda values: values,
    relation=Equal(1e-8, 1e-10),
)


def _second_moment(tau_inverse: int, seed: int) -> Estimate:
    """Measure tr H1^2/p of ReLU networks at their start, residuals replaced by normal ones."""
    n, draws, found = 12, 24, []
    m = 2 * n * tau_inverse
    for draw in range(draws):
        point = loss_point(seed + draw, (n, n, n), m, "relu")
        e = gaussian_matrix(seed + draw, m, n, stream=8)
        given = point.net.at(point.theta, point.x, np.asarray(point.prediction) - e)
        H1 = np.asarray(given.hessian("residual"))
        found.append(np.sum(H1**2) / len(H1))
    return _mean(found, seed)


def _drawn_second_moment(tau_inverse: int, seed: int) -> Estimate:
    """Measure the same of the ensemble with residuals of variance 2 epsilon = 1."""
    ensemble = ReluResidual(1 / tau_inverse, 0.5, hidden=12)
    rng = np.random.default_rng(seed)
    return _mean([ensemble.sample(288, rng=rng).moment(2) for _ in range(24)], seed)


def _mean(found: list[float], seed: int) -> Estimate:
    """Return the mean of 24 numbers with its 99.9 % interval by Student's t."""
    error = 3.8 * float(np.std(found, ddof=1)) / math.sqrt(len(found))
    return Estimate(float(np.mean(found)), error, len(found), f"{seed}", 0.999)


measured_variance = Claim(
    {"tau_inverse": Whole(1, 3), "seed": Whole(0, 10**6)},
    # second moment epsilon tau/2 at epsilon = 1/2 (unit residuals) and tau = 1/tau_inverse
    claim=lambda tau_inverse: 0.5 / tau_inverse / 2,
    truth=(_second_moment, _drawn_second_moment),
    relation=Near(0.02),
    share=0.1,
)

# Figure 6 ----------------------------------------------------------------------------------------

threshold_of_model = Claim(
    {"phi": Number(0.05, 0.95), "model": OneOf(("Wigner", "ReLU"))},
    claim=lambda phi: (1 - phi) ** 2 / 2,
    truth=lambda phi, model: (
        (WishartPlusWigner if model == "Wigner" else WishartPlusReluBlock)(phi, 1.0).critical_energy
    ),
    relation=Equal(0.05),
)


def _least_squares(n: int, m: int, seed: int) -> float:
    """Return the mean energy of the best linear fit of n outputs to unit normal targets.

    tr (1 - P)/(2 m) with P the projector on the row space of the inputs: a square linear network
    reaches it, its product W2 W1 being any n x n matrix.
    """
    x = gaussian_matrix(seed, n, m)
    P = np.linalg.pinv(x) @ x
    return float(np.trace(np.eye(m) - P)) / (2 * m)


linear_networks = Claim(
    {"n": Whole(1, 8), "more": Whole(0, 20), "seed": seed()},
    setting=lambda n, more, seed: {"m": n + more, "phi": 2 * n / (n + more)},
    claim=lambda phi: (1 - phi / 2) / 2,
    truth=(_least_squares, lambda phi: linear_minimiser_energy(phi)),
    relation=Equal(1e-8, 1e-10),
)

benefit = Claim(
    {"phi": Number(0.01, 1.0)},
    claim=lambda phi: phi * (3 - 2 * phi) / 4,
    truth=lambda phi: linear_minimiser_energy(phi) - MinimiserEnergy().energy(phi),
)


def _exponent_of_figure() -> Estimate:
    """Return the exponent of the printed points between the indices .05 and .1."""
    lower, upper = LEVELS.index(0.05), LEVELS.index(0.1)
    found = [
        1 / math.log2((row[upper] - row[0]) / (row[lower] - row[0])) for row in READ_OFF.values()
    ]
    error = 2.571 * float(np.std(found, ddof=1)) / math.sqrt(len(found))
    return Estimate(float(np.mean(found)), error, len(found), "none", 0.95)


figure_exponent = Claim({}, claim=lambda: 1.5, truth=_exponent_of_figure, relation=Near())


def _printed(phi: float, error: float) -> Estimate:
    return Estimate(READ_OFF[phi][0], error, 200, "of the paper", 0.95)


printed_minima = Claim(
    {"phi": OneOf(tuple(sorted(READ_OFF)))},
    claim=lambda phi: (1 - phi) ** 2 / 2,
    truth=lambda phi: _printed(phi, 0.02),
    relation=Near(),
)

STATEMENTS = (
    SLIDE.holds(
        "r-transform",
        Kind.FORMULA,
        "R_H₁(z) = ετz/(2 − ετ²z²)",
        "the same, against the law of the block",
        "Two opposite free Poisson jumps ±√(ε/2) τ.",
        holding=r_transform,
        code=("rmtland.ensembles.ReluBlock", "rmtland.ensembles.ReluResidual"),
    ),
    SLIDE.holds(
        "r-transform-cumulants",
        Kind.FORMULA,
        "R_H₁(z) = ετz/(2 − ετ²z²)",
        "its cumulants κ₂ = ετ/2, κ₄ = ε²τ³/4, against moments of B = EXᵀ/m by pairings",
        "Half of the samples are active: E and X are n × m/2; EᵀE and XᵀX are free.",
        holding=cumulants,
        code=("rmtland.ensembles.ReluBlock",),
    ),
    SLIDE.empirical(
        "measured-variance",
        Kind.FORMULA,
        "R_H₁(z) = ετz/(2 − ετ²z²)",
        "tr H₁²/p of networks, and of the ensemble, is its κ₂ = ετ/2",
        "24 networks 12-12-12 at their start, residuals normal with ε = 1/2; 99.9 % intervals, and "
        "2 % for n = 12.",
        holding=measured_variance,
        code=("rmtland.ensembles.ReluResidual",),
        figure="figures/fig3.png",
    ),
    SLIDE.holds(
        "off-diagonal-blocks",
        Kind.CLAIM,
        "ReLU gives H₁ a block off-diagonal structure",
        "the diagonal blocks of H₁ vanish, with ReLU as without activation",
        "ŷ is linear in each layer: second derivatives are between layers. ReLU is not the cause.",
        holding=off_diagonal,
        code=("rmtland.networks.LossPoint.hessian",),
    ),
    SLIDE.corrected(
        "half-of-the-entries",
        Kind.CLAIM,
        "ReLU sets roughly half of the entries of the Hessian to zero",
        "of H₁ the share 1 − 1/(2n) vanishes, by its structure; ReLU halves the samples of a sum",
        "Entries of H₁ between W2_ij and W1_j'k vanish unless j = j': 2n³ of 4n⁴ are left, and so "
        "they are without ReLU, which leaves about half of the samples in each.",
        holding=zeros,
        failing=half_zero,
        counterexample=Counterexample({"n": 2}, claim=0.5, truth=0.75),
        code=("rmtland.networks.LossPoint.hessian",),
    ),
    SLIDE.holds(
        "residual-part-is-indefinite",
        Kind.CLAIM,
        "H₁ is indefinite",
        "with ReLU its eigenvalues come in pairs ±λ",
        "[[0, B], [Bᵀ, 0]] changes sign under diag(1, −1).",
        holding=symmetric,
        code=("rmtland.networks.LossPoint.hessian",),
    ),
    FIGURE.refuted(
        "exponent",
        Kind.CLAIM,
        "the points support the exponent 3/2 at small index",
        "exponent of the printed mean energies between the indices .05 and .1, over six ratios",
        "Read off the figure to .003: from .80 (φ = 1/2) to 1.55 (φ = 1/16), mean 1.14 ± .31 "
        "(95 %, n = 6 ratios). Only below .05 could it be 3/2.",
        failing=figure_exponent,
        counterexample=Counterexample({}, claim=1.5, truth=1.1386272, rtol=1e-4),
        code=("rmtland.reproduction.critical_point_numbers",),
        figure="figures/fig6.png",
    ),
    FIGURE.refuted(
        "fitted-threshold",
        Kind.CLAIM,
        "ε_c = (1 − φ)²/2, surprisingly well",
        "the ε_c of the two laws, at trace 1 of H₀",
        "Neither law has it: at φ = 1/2 they give .0113 and .0810, the fit .125. The points of the "
        "figure are mean energies of minimisers, not thresholds of a law.",
        failing=threshold_of_model,
        counterexample=Counterexample(
            {"phi": 0.5, "model": "Wigner"}, claim=0.125, truth=0.0112712430
        ),
        code=("rmtland.models.WishartPlusWigner.critical_energy",),
        figure="figures/fig6.png",
    ),
    FIGURE.empirical(
        "printed-minima",
        Kind.CLAIM,
        "the printed energies at index 0 follow (1 − φ)²/2",
        "the same within .02, at all six ratios",
        "Six ratios, about 200 runs each, of the paper's one network; the interval is the width of "
        "what the picture lets one see.",
        holding=printed_minima,
        code=("rmtland.reproduction.critical_point_numbers",),
        figure="figures/fig6.png",
    ),
    FIGURE.refuted(
        "printed-minima-exactly",
        Kind.CLAIM,
        "the printed energies at index 0 are (1 − φ)²/2",
        "the same within .003, to which they can be read",
        "At φ = 1/16 and 1/8 the points lie .016 and .019 below, at 2/3 .013 above: it is a fit by "
        "eye, not a law.",
        failing=printed_minima.instead(truth=lambda phi: _printed(phi, 0.003)),
        counterexample=Counterexample({"phi": 1 / 16}, claim=0.439453125, truth=0.424),
        code=("rmtland.reproduction.critical_point_numbers",),
        figure="figures/fig6.png",
    ),
    FIGURE.corrected(
        "linear-networks",
        Kind.CLAIM,
        "linear networks obey ε_c = (1 − φ)/2",
        "(1 − φ/2)/2, the energy of least squares with φ = 2n/m",
        "W2 W1 of a square network is any n × n matrix, so that its minimum is that of n "
        "regressions on n inputs: (m − n)/(2m). With φ = 2n/m that is (1 − φ/2)/2.",
        holding=linear_networks,
        failing=linear_networks.instead(claim=lambda phi: (1 - phi) / 2),
        counterexample=Counterexample({"n": 1, "more": 0, "seed": 0}, claim=-0.5, truth=0.0),
        code=("rmtland.models.LinearHessian",),
    ),
    FIGURE.corrected(
        "benefit",
        Kind.CLAIM,
        "the gap of the two curves, φ(1 − φ)/2, is what a nonlinear activation gains",
        "with the right line of linear networks the gap is φ(3 − 2φ)/4",
        "(1 − φ/2)/2 − (1 − φ)²/2.",
        holding=benefit,
        failing=benefit.instead(claim=lambda phi: phi * (1 - phi) / 2),
        counterexample=Counterexample({"phi": 1.0}, claim=0.0, truth=0.25),
        code=(
            "rmtland.models.minimisers.MinimiserEnergy",
            "rmtland.models.minimisers.linear_minimiser_energy",
        ),
    ),
)
