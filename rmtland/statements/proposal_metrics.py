"""The research proposal: high dimensions, widths and depths, metrics for optimisers."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import beta

from rmtland.landscape.depth import LayerStack
from rmtland.laws import MarchenkoPastur
from rmtland.networks import MLP
from rmtland.optimizer import GradientDescent, largest_stable_step, residual_polynomials
from rmtland.statements.drawn_matrices import gaussian_matrix, symmetric_matrix
from rmtland.statements.hypotheses import Number, Whole, seed
from rmtland.statements.relations import Equal, Estimate, Near
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Document, Kind
from rmtland.typing import Real, Record

__all__ = ["STATEMENTS"]


def _section(place: str) -> Section:
    return Section(Document.PROPOSAL, "proposal", place)


INTRODUCTION = _section("introduction")
BOUNDS = _section("phase 1, theoretical bounds")
METRICS = _section("phase 3 and evaluation metrics")
RATIO, VARIANCE = Number(0.05, 0.95), Number(0.1, 10.0, log=True)


# High dimensions ---------------------------------------------------------------------------------

SIGNS = Whole(1, 9)


def _share_positive(size: int, seed: int) -> Estimate:
    """Return the share of positive definite matrices of the orthogonal ensemble."""
    A = gaussian_matrix(seed, 20_000, size * size).reshape(-1, size, size)
    values = np.linalg.eigvalsh(A + A.transpose(0, 2, 1))[:, 0]
    share = float((values > 0).mean())
    error = 4.5 * math.sqrt(max(share * (1 - share), 1e-4) / len(values))
    return Estimate(share, error, len(values), f"{seed}", 0.99999)


MINIMA = {1: 1 / 2, 2: (2 - math.sqrt(2)) / 4, 3: (math.pi - 2 * math.sqrt(2)) / (4 * math.pi)}
saddles = Claim(
    {"size": Whole(1, 3), "seed": Whole(0, 10**6)},
    claim=lambda size: MINIMA.get(size),
    truth=_share_positive,
    relation=Near(),
    share=0.3,
)


def _saddle_seen(size: int, seed: int) -> Estimate:
    """Return the share of random lines along which a saddle with one fall looks like a fall."""
    v = gaussian_matrix(seed, 20_000, size) ** 2
    share = float((v[:, 0] > v[:, 1:].sum(axis=1)).mean())
    error = 4.5 * math.sqrt(max(share * (1 - share), 1e-4) / len(v))
    return Estimate(share, error, len(v), f"{seed}", 0.99999)


slices = Claim(
    {"size": Whole(2, 6), "seed": Whole(0, 10**6)},
    claim=lambda size: beta.sf(0.5, 0.5, (size - 1) / 2),
    truth=_saddle_seen,
    relation=Near(),
    share=0.3,
)


def _mean_quotient(size: int, seed: int) -> Record:
    H = symmetric_matrix(seed, size) + np.eye(size)
    v = np.array(list(itertools.product((-1.0, 1.0), repeat=size)))
    return {"H": H, "mean": float(np.mean(np.einsum("ki,ij,kj->k", v, H, v)) / size)}


random_direction = Claim(
    {"size": SIGNS, "seed": seed()},
    setting=_mean_quotient,
    claim=lambda H, size: np.trace(H) / size,
    truth=lambda mean: mean,
)

# Width and depth ---------------------------------------------------------------------------------


def _mean_curvature(inputs: int, hidden: int, outputs: int, seed: int) -> Estimate:
    """Return the mean eigenvalue of the Gauss-Newton matrix of linear networks at their start."""
    net, found = MLP((inputs, hidden, outputs), "linear"), []
    for i in range(40):
        x = gaussian_matrix(seed, 40, inputs, stream=i)
        theta = net.init(rng=np.random.SeedSequence((seed, i, 8)))
        J = np.asarray(net.at(theta, x, np.zeros((40, outputs))).jacobian())
        found.append(float(np.sum(J**2)) / 40 / theta.size)
    error = 5.0 * float(np.std(found)) / math.sqrt(len(found))
    return Estimate(float(np.mean(found)), error, len(found), f"{seed}", 0.99999)


widths = Claim(
    {
        "inputs": Whole(1, 12),
        "hidden": Whole(1, 12),
        "outputs": Whole(1, 12),
        "seed": Whole(0, 10**6),
    },
    # weights of variance 1/inputs of their layer
    claim=lambda inputs, hidden, outputs: (
        outputs * (hidden + inputs) / (hidden * (inputs + outputs))
    ),
    truth=_mean_curvature,
    relation=Near(),
)

depths = Claim(
    {"depth": Whole(1, 12)},
    claim=lambda depth: (depth + 1) ** (depth + 1) / depth**depth,
    truth=lambda depth: math.exp(LayerStack(8, depth, activation="linear").law().log_top),
    relation=Equal(1e-6),
)

# Metrics -----------------------------------------------------------------------------------------


def _stable(largest: float) -> float:
    """Bisect for the step at which 50 steps of descent stop shrinking the sharpest mode."""
    low, high = 0.0, 1e4 / largest
    for _ in range(100):
        middle = (low + high) / 2
        grown = residual_polynomials(GradientDescent(middle), np.array([largest]), 50)[-1]
        low, high = (middle, high) if abs(grown[0]) <= 1 else (low, middle)
    return low


largest_step = Claim(
    {"ratio": RATIO, "variance": VARIANCE},
    setting=lambda ratio, variance: {"high": MarchenkoPastur(ratio, variance).support[0][1]},
    claim=lambda high: 2 / high,
    truth=(
        lambda high: _stable(high),
        lambda ratio, variance: largest_stable_step(MarchenkoPastur(ratio, variance)),
    ),
    relation=Equal(1e-7),
)


def _best_step(size: int, seed: int) -> Record:
    A, g = gaussian_matrix(seed, size, size + 1), gaussian_matrix(seed, 1, size, stream=1)[0]
    return {"H": A @ A.T + 0.1 * np.eye(size), "g": g}


def _line_search(H: Real, g: Real) -> float:
    found = minimize_scalar(lambda a: -a * g @ g + a * a / 2 * g @ H @ g)
    return float(found.x)


adaptive_step = Claim(
    {"size": Whole(1, 6), "seed": seed()},
    setting=_best_step,
    claim=lambda H, g: g @ g / (g @ H @ g),
    truth=_line_search,
    relation=Equal(1e-6),
)


def _error_after(kappa: float, steps: int) -> float:
    """Return the factor of the worst mode after some steps of the best constant size."""
    method, ends = GradientDescent.from_edges(1.0, kappa), np.array([1.0, kappa])
    return float(np.abs(residual_polynomials(method, ends, steps)[-1]).max())


speed = Claim(
    {"kappa": Number(1.1, 100.0, log=True), "steps": Whole(1, 40)},
    claim=lambda kappa, steps: ((kappa - 1) / (kappa + 1)) ** steps,
    truth=_error_after,
    relation=Equal(1e-7),
)


def _noisy_inputs(inputs: int, size: float, seed: int) -> Record:
    W, x = gaussian_matrix(seed, 2, inputs), gaussian_matrix(seed, 1, inputs, stream=1)[0]
    net = MLP((inputs, 2), "linear")
    signs = size * np.array(list(itertools.product((-1.0, 1.0), repeat=inputs)))
    moved = np.asarray(net.at(W.ravel(), x + signs, np.zeros((len(signs), 2))).prediction)
    return {"W": W, "spread": float(np.mean(np.sum((moved - W @ x) ** 2, axis=1)))}


robustness = Claim(
    {"inputs": Whole(1, 8), "size": Number(0.01, 3.0, log=True), "seed": seed()},
    setting=_noisy_inputs,
    claim=lambda W, size: size**2 * np.linalg.norm(W) ** 2,
    truth=lambda spread: spread,
    relation=Equal(1e-8),
)

STATEMENTS = (
    INTRODUCTION.holds(
        "saddles",
        Kind.CLAIM,
        "low-dimensional intuition of minima and saddles misleads",
        "share of positive definite symmetric Gaussian n × n matrices: 1/2, .146, .025 for n ≤ 3",
        "Eigenvalues repel: not 2⁻ⁿ, as independent signs would have it, but exp(−n² log(3)/4).",
        holding=saddles,
        figure="docs/gallery/plot_critical_points.py",
    ),
    INTRODUCTION.holds(
        "slices",
        Kind.CLAIM,
        "pictures in low dimensions hide saddles",
        "chance that a random line through a saddle with one fall shows it: P(Beta(1/2, (n − 1)/2) "
        "> 1/2)",
        "v₁² must exceed the sum of the other squares.",
        holding=slices,
        figure="docs/gallery/plot_landscape_slices.py",
    ),
    INTRODUCTION.holds(
        "random-direction",
        Kind.CLAIM,
        "curvature seen in low dimensions misrepresents that of the landscape",
        "mean curvature along random directions is tr(H)/p, whatever λ_max",
        "Mean over all sign vectors, exactly.",
        holding=random_direction,
        code=("rmtland.estimate.trace",),
    ),
    BOUNDS.empirical(
        "width",
        Kind.CLAIM,
        "landscape properties are functions of the widths",
        "E tr(H₀)/p = n₂(n₁ + n₀)/p, linear networks n₀, n₁, n₂ with weights of variance 1/fan-in",
        "40 networks on 40 Gaussian inputs an example; interval 5 standard errors.",
        holding=widths,
        code=("rmtland.networks.LossPoint.jacobian",),
    ),
    BOUNDS.holds(
        "depth",
        Kind.CLAIM,
        "bounds on eigenvalue distributions are functions of depth",
        "upper edge of JJᵀ for L wide linear layers: (L + 1)^(L + 1)/L^L",
        "The free product of L Marchenko-Pastur laws of ratio 1, a Fuss-Catalan law.",
        holding=depths,
        code=("rmtland.landscape.depth.JacobianLaw.log_top",),
        figure="docs/gallery/plot_depth.py",
    ),
    METRICS.holds(
        "stable-step",
        Kind.CLAIM,
        "spectra guide step sizes",
        "the largest stable step is 2/λ₊, by bisection of 50 steps",
        "|1 − aλ₊| ≤ 1.",
        holding=largest_step,
        code=("rmtland.optimizer.largest_stable_step",),
    ),
    METRICS.holds(
        "adaptive-step",
        Kind.CLAIM,
        "step sizes may adapt to the curvature",
        "the step of steepest fall along the gradient is |g|²/gᵀHg",
        "Minimum of a parabola.",
        holding=adaptive_step,
        code=("rmtland.optimizer.SpectralSteps",),
    ),
    METRICS.holds(
        "speed",
        Kind.CLAIM,
        "convergence speed measures an optimiser",
        "error after k steps of the best constant size: ((κ − 1)/(κ + 1))^k",
        "Both extreme modes contract alike.",
        holding=speed,
        code=("rmtland.optimizer.residual_polynomials",),
        figure="docs/gallery/plot_optimizers.py",
    ),
    METRICS.holds(
        "robustness",
        Kind.CLAIM,
        "robustness to noise of the data can be measured",
        "linear networks: mean square change of the outputs is σ²|J|²_F, over all signs of noise",
        "E|Wε|² = σ² tr(WᵀW).",
        holding=robustness,
    ),
)
