"""The theory sheet, questions and summary: Lanczos, barriers, cheap metrics, flatness."""

from __future__ import annotations

import itertools
import math

import numpy as np

from rmtland.estimate import spectral_density
from rmtland.landscape.connectivity import Polygon, profile
from rmtland.landscape.surface import FunctionSurface, NetworkSurface
from rmtland.statements.drawn_matrices import gaussian_matrix, symmetric_matrix
from rmtland.statements.hypotheses import Hypothesis, Number, Whole, seed
from rmtland.statements.relations import AtMost, Equal, Estimate, Near
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.statements.theory_rank import interpolating
from rmtland.typing import Real, Record

__all__ = ["STATEMENTS"]


def _section(place: str) -> Section:
    return Section(Document.THEORY, "theory", place)


LINEAR = _section("section 5.1, question 5.1")
LANCZOS = _section("section 5.2, challenge 5.1")
PATHS = _section("section 5.2, challenge 5.2")
ONLINE = _section("section 5.2, challenge 5.3")
SUMMARY = _section("section 8, summary")

# Lanczos -----------------------------------------------------------------------------------------


def _run(size: int, steps: int, seed: int) -> tuple[int, float]:
    """Return the products of a Lanczos run, and its largest node."""
    H, spent = symmetric_matrix(seed, size), [0]

    def product(v: Real) -> Real:
        spent[0] += 1 if v.ndim == 1 else v.shape[1]
        return H @ v

    found = spectral_density(product, size=size, probes=1, steps=steps, rng=seed)
    return spent[0], float(np.max(found.nodes))


products = Claim(
    {"size": Whole(20, 60), "steps": Whole(1, 15), "seed": seed()},
    claim=lambda steps: steps,
    # of which some check that H is symmetric, whatever the steps
    truth=lambda size, steps, seed: _run(size, steps + 1, seed)[0] - _run(size, 1, seed)[0],
    share=0.5,
)


def _few_steps(size: int, seed: int) -> Record:
    return {
        "top": np.linalg.eigvalsh(symmetric_matrix(seed, size))[-1],
        "found": _run(size, (size + 1) // 2, seed)[1],
    }


def _all_steps(size: int, seed: int) -> Record:
    return {**_few_steps(size, seed), "found": _run(size, size, seed)[1]}


top = Claim(
    {"size": Whole(2, 12), "seed": seed()},
    setting=_few_steps,
    attained=_all_steps,
    claim=lambda top: top,
    truth=lambda found: found,
    relation=AtMost(1e-9, sharp=1e-7),
    share=0.5,
)

# Paths -------------------------------------------------------------------------------------------


def _permuted(hidden: int, seed: int) -> float:
    """Return whether the line from a minimum to its copy, units in reverse order, has a barrier."""
    point = interpolating((3, hidden, 1), 12, seed)
    theta = np.asarray(point.theta)
    W, v = theta[: 3 * hidden].reshape(hidden, 3), theta[3 * hidden :]
    other = np.concatenate([W[::-1].ravel(), v[::-1]])
    found = profile(NetworkSurface(point), Polygon(np.array([theta, other])), points=33)
    return float(found.barrier > 1e-9)


barriers = Claim(
    {"hidden": Whole(2, 6), "seed": seed()},
    claim=lambda: 1.0,
    truth=_permuted,
    share=0.5,
)


def _ring(radius: float) -> FunctionSurface:
    return FunctionSurface(
        2, lambda t: (float((t @ t - radius**2) ** 2), 4 * (t @ t - radius**2) * t)
    )


def _two_paths(radius: float) -> Real:
    """Return the barrier of the diameter of a ring of minima, and of half the ring."""
    angle = np.linspace(0, np.pi, 61)
    half = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    straight = profile(_ring(radius), Polygon(half[[0, -1]])).barrier
    return np.array([straight, max(_ring(radius).loss(t) for t in half)])


curved = Claim(
    {"radius": Number(0.5, 3.0)},
    claim=lambda radius: np.array([radius**4, 0.0]),
    truth=_two_paths,
    relation=Equal(1e-6, 1e-9),
)

# Cheap metrics -----------------------------------------------------------------------------------


def _hutchinson(size: int, seed: int) -> Record:
    H = symmetric_matrix(seed, size) + np.eye(size)
    signs = itertools.product((-1.0, 1.0), repeat=size)
    values = [np.array(v) @ (H @ np.array(v)) for v in signs]
    off = H - np.diag(np.diag(H))
    return {
        "trace": np.trace(H),
        "mean": float(np.mean(values)),
        "spread": float(np.var(values)),
        "off": float(np.sum(off**2)),
    }


online = Claim(
    {"size": Whole(1, 8), "seed": seed()},
    setting=_hutchinson,
    # mean and variance of one product with a random vector of signs
    claim=lambda trace, off: np.array([trace, 2 * off]),
    truth=lambda mean, spread: np.array([mean, spread]),
    relation=Equal(1e-8, 1e-10),
)

# Width -------------------------------------------------------------------------------------------

WIDE: dict[str, Hypothesis] = {
    "units": Whole(1, 200),
    "length": Number(0.1, 3.0),
    "seed": seed(),
}


def _moved(units: int, length: float, seed: int) -> Record:
    """Return what a step leaves beyond first order: output signs . f(w)/sqrt(units)."""
    w, d = gaussian_matrix(seed, 2, units)
    signs = np.sign(gaussian_matrix(seed, 1, units, stream=1)[0])
    d = length * d / np.linalg.norm(d)
    left = np.sin(w + d) - np.sin(w) - np.cos(w) * d
    return {"left": abs(float(signs @ left)) / math.sqrt(units)}


def _moved_squares(units: int, length: float, seed: int) -> Record:
    """Return the same for units w^2/2 with signs of one kind."""
    d = gaussian_matrix(seed, 1, units)[0]
    d = length * d / np.linalg.norm(d)
    return {"left": float(np.sum(d**2)) / 2 / math.sqrt(units)}


nearly_linear = Claim(
    WIDE,
    setting=_moved,
    attained=_moved_squares,
    # |f''| <= 1
    claim=lambda units, length: length**2 / (2 * math.sqrt(units)),
    truth=lambda left: left,
    relation=AtMost(sharp=1e-8),
)

# Flatness ----------------------------------------------------------------------------------------


def _sharpness(first: float, second: float) -> float:
    """Return the largest eigenvalue of the Hessian of (second first x - y)^2/2, fitted at x = 1."""
    J = np.array([second, first])
    return float(np.linalg.eigvalsh(np.outer(J, J))[-1])


same_function = Claim(
    {"first": Number(0.5, 2.0), "second": Number(0.5, 2.0), "factor": Number(1.0, 10.0)},
    # the network second/factor, first factor: the same function at every input
    claim=lambda first, second: first**2 + second**2,
    truth=lambda first, second, factor: _sharpness(first * factor, second / factor),
    relation=Equal(1e-6),
)


def _correlation(samples: int, seed: int) -> Estimate:
    """Return the correlation of sharpness and accuracy over 400 minima of w2 w1 x.

    Each has data of its own, noisy answers to x; where it lies in its valley w1 w2 = const is
    drawn, as a start decides it. Accuracy is minus the test loss.
    """
    generator = np.random.default_rng((seed, 11))
    x = generator.standard_normal((400, samples))
    noise = generator.standard_normal((400, samples))
    square = np.mean(x**2, axis=1)
    product = 1 + np.mean(x * noise, axis=1) / square  # least squares
    ratio = np.exp(generator.uniform(-2, 2, 400))
    sharp = np.abs(product) * (ratio + 1 / ratio) * square  # (w1^2 + w2^2) mean x^2
    accuracy = -np.log1p((product - 1) ** 2 / 2)
    r = float(np.corrcoef(np.log(sharp), accuracy)[0, 1])
    return Estimate(r, 4.5 / math.sqrt(400), 400, f"{seed}", 0.99999)


correlation = Claim(
    {"samples": Whole(4, 40), "seed": Whole(0, 10**6)},
    claim=lambda: -0.95,
    truth=_correlation,
    relation=Near(),
)

STATEMENTS = (
    LINEAR.holds(
        "nearly-linear",
        Kind.CLAIM,
        "over-parameterisation makes a nearly linear regime",
        "beyond first order a step d changes the output by ≤ |d|²/(2√n), n units, attained",
        "Each unit moves by d_j: Σ f''(ξ)d_j²/2 over √n, with f'' at most 1.",
        holding=nearly_linear,
        code=("rmtland.landscape.linearisation.width_scaling",),
        figure="docs/gallery/plot_linearised_network.py",
    ),
    LANCZOS.holds(
        "lanczos-products",
        Kind.CLAIM,
        "Lanczos costs O(kp)",
        "k more steps take k more products with H; each costs O(np) in a network, not O(p)",
        "One product a step. Reorthogonalisation adds O(k²p).",
        holding=products,
        code=("rmtland.estimate.spectral_density",),
    ),
    LANCZOS.holds(
        "lanczos-top",
        Kind.CLAIM,
        "Lanczos gives the top eigenvalues",
        "its largest node is at most λ_max, equal after as many steps as there are eigenvalues",
        "Rayleigh's quotient over a Krylov space.",
        holding=top,
        code=("rmtland.estimate.extremal_eigenpairs",),
    ),
    PATHS.holds(
        "linear-barriers",
        Kind.CLAIM,
        "linear interpolation between minima often has barriers",
        "every line from a fitted tanh network to a copy with its units in another order has one",
        "Both ends have zero loss; the middle is a symmetrised network that does not fit.",
        holding=barriers,
        code=("rmtland.landscape.connectivity.profile",),
        figure="docs/gallery/plot_mode_connectivity.py",
    ),
    PATHS.holds(
        "curved-paths",
        Kind.OPEN_QUESTION,
        "curved paths may connect minima where lines have barriers",
        "a ring of minima of radius r: barrier r⁴ along the diameter, 0 along the ring",
        "L = (|θ|² − r²)².",
        holding=curved,
        code=("rmtland.landscape.connectivity.trained_curve",),
        figure="docs/gallery/plot_mode_connectivity.py",
    ),
    ONLINE.holds(
        "online-trace",
        Kind.OPEN_QUESTION,
        "landscapes can be monitored cheaply during training",
        "one product with random signs estimates tr(H) without bias, variance 2Σ h_ij² off the "
        "diagonal",
        "Hutchinson: E v_i v_j = δ_ij, over all sign vectors exactly.",
        holding=online,
        code=("rmtland.estimate.trace",),
    ),
    SUMMARY.refuted(
        "flatness-and-function",
        Kind.CLAIM,
        "flat minima generalise better: λ_max tells networks apart that differ on new data",
        "w₂/a and w₁a: the same outputs at every input, the same λ_max?",
        failing=same_function,
        counterexample=Counterexample(
            {"first": 1.0, "second": 1.0, "factor": 2.0}, claim=2.0, truth=4.25
        ),
        derivation=(
            "λ_max = w₁²a² + w₂²/a² takes every large value along the orbit of one function "
            "(Dinh et al. 2017): without a scale for the parameters flatness says nothing."
        ),
        code=("rmtland.landscape.sharpness.adaptive_scales",),
    ),
    SUMMARY.refuted(
        "correlation",
        Kind.CLAIM,
        "sharpness and accuracy correlate with r = −0.95",
        "log λ_max and accuracy of 400 minima of two-layer linear networks, each on data of its "
        "own, interval 4.5/√400",
        failing=correlation,
        counterexample=Counterexample({"samples": 4, "seed": 0}, claim=-0.95, truth=0.3044492168),
        derivation=(
            "The place in the valley, which the start decides, moves sharpness and not accuracy: "
            "the correlation is of an experiment, not of minima in general."
        ),
    ),
)
