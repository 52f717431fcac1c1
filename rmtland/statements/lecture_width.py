"""The lecture's slides on networks of large width: one hidden layer, second weights ±1 fixed."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from rmtland.landscape.linearisation import width_scaling
from rmtland.networks import MLP, gaussian
from rmtland.statements.drawn_matrices import gaussian_matrix
from rmtland.statements.hypotheses import Hypothesis, Number, OneOf, Whole, seed
from rmtland.statements.relations import AtMost, Equal, Estimate, Near
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import NumpyArray, Real, Record, Values

__all__ = ["STATEMENTS"]

SLIDES = Section(
    Document.LECTURE, "lecture-width", "slides on the network approaching its linearisation"
)
SLOPES: dict[str, tuple[Callable[[Real], Real], Callable[[Real], Real], float]] = {
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2, 4 / (3 * np.sqrt(3))),
    "sine": (np.sin, np.cos, 1.0),
    "square": (lambda z: z * z / 2, lambda z: z, 1.0),
}
"""f, f' and the Lipschitz constant of f'."""

NETWORK: dict[str, Hypothesis] = {"units": Whole(1, 8), "inputs": Whole(1, 4), "seed": seed()}


def _network(units: int, inputs: int, seed: int) -> Record:
    W = gaussian_matrix(seed, units, inputs) / np.sqrt(inputs)
    x = gaussian_matrix(seed, 1, inputs, stream=1)[0]
    signs = np.sign(gaussian_matrix(seed, 1, units, stream=2)[0])
    return {"W": W, "x": x, "signs": signs}


def _output(f: Callable[[Real], Real], W: NumpyArray, x: Real, signs: Real) -> Values:
    return signs @ f(W @ x) / np.sqrt(len(signs))


def _mean_square(W: Real, x: Real) -> float:
    """Average H^2 over all signs of the second layer."""
    units = len(W)
    values = [
        _output(np.tanh, W, x, np.array(signs)) ** 2
        for signs in itertools.product((-1, 1), repeat=units)
    ]
    return float(np.mean(values))


output_size = Claim(
    NETWORK,
    setting=_network,
    claim=lambda W, x: np.mean(np.tanh(W @ x) ** 2),
    truth=_mean_square,
)


def _numerical_gradient(activation: str, W: Real, x: Real, signs: Real) -> Real:
    """Return the gradient in W by complex steps."""
    f, gradient = SLOPES[activation][0], np.empty(W.shape)
    for place in np.ndindex(W.shape):
        moved = W.astype(complex)
        moved[place] += 1e-30j
        gradient[place] = _output(f, moved, x, signs).imag / 1e-30
    return gradient


def _jacobian_of_network(activation: str, W: Real, x: Real, signs: Real) -> Real:
    """Return it from a network of rmtland; its quadratic activation is z^2, twice that here."""
    units, inputs = W.shape
    name, factor = ("quadratic", 0.5) if activation == "square" else (activation, 1.0)
    theta = np.concatenate([W.ravel(), factor * signs / np.sqrt(units)])
    point = MLP((inputs, units, 1), name).at(theta, [x.tolist()], [[0.0]])
    return np.asarray(point.jacobian())[0, : W.size].reshape(W.shape)


gradient = Claim(
    {**NETWORK, "activation": OneOf(tuple(SLOPES))},
    setting=_network,
    claim=lambda activation, W, x, signs: (
        (signs * SLOPES[activation][1](W @ x))[:, None] * x / np.sqrt(len(signs))
    ),
    truth=(_numerical_gradient, _jacobian_of_network),
    relation=Equal(1e-10),
)

one_unit = Claim(
    {"w": Number(-2.0, 2.0), "x": Number(-2.0, 2.0), "sign": OneOf((1, -1))},
    claim=lambda w, x: x / np.cosh(w * x) ** 2,
    truth=lambda w, x, sign: float(
        _numerical_gradient("tanh", np.array([[w]]), np.array([x]), np.array([sign]))[0, 0]
    ),
    relation=Equal(1e-9),
)


def _pair(activation: str, units: int, inputs: int, length: float, seed: int) -> Record:
    made = _network(units, inputs, seed)
    move = length * gaussian_matrix(seed, units, inputs, stream=3)
    other = made["W"] + move
    slope = SLOPES[activation][1]
    x, signs = made["x"], made["signs"]
    rows = (signs * (slope(made["W"] @ x) - slope(other @ x)))[:, None] * x / np.sqrt(units)
    return {
        **made,
        "other": other,
        "lipschitz": SLOPES[activation][2],
        "distance": np.linalg.norm(move),
        "difference": np.linalg.norm(rows),
    }


def _parallel(units: int, inputs: int, length: float, seed: int) -> Record:
    """Quadratic units that all move along x."""
    made = _network(units, inputs, seed)
    x = made["x"]
    u = gaussian_matrix(seed, 1, units, stream=4)[0]
    move = length * np.outer(u, x)
    return {
        **_pair("square", units, inputs, 0.0, seed),
        "distance": np.linalg.norm(move),
        "difference": np.linalg.norm(np.outer(move @ x, x)) / np.sqrt(units),
    }


PAIR: dict[str, Hypothesis] = {
    **NETWORK,
    "activation": OneOf(tuple(SLOPES)),
    "length": Number(0.01, 10.0, log=True),
}

difference = Claim(
    PAIR,
    setting=_pair,
    claim=lambda activation, W, other, x, units: (
        np.sum(
            x[None, :] ** 2
            * ((SLOPES[activation][1](W @ x) - SLOPES[activation][1](other @ x)) ** 2)[:, None]
        )
        / units
    ),
    truth=lambda difference: difference**2,
    relation=Equal(1e-8),
)

lipschitz_square = Claim(
    PAIR,
    setting=_pair,
    attained=_parallel,
    claim=lambda lipschitz, x, units, distance: (
        lipschitz**2 * np.sum(x**2) ** 2 * distance**2 / units
    ),
    truth=lambda difference: difference**2,
    relation=AtMost(sharp=1e-8),
)

lipschitz_printed = Claim(
    {"slope": Number(0.1, 10.0), "x": Number(-3.0, 3.0), "distance": Number(0.1, 3.0)},
    # one unit f = slope z^2/2: f' has the Lipschitz constant slope
    claim=lambda slope, x, distance: slope * x**2 * distance**2,
    truth=lambda slope, x, distance: (x * slope * x * distance) ** 2,
    relation=AtMost(),
)

lipschitz = lipschitz_square.instead(
    claim=lambda lipschitz, x, units, distance: units**-0.5 * lipschitz * np.sum(x**2) * distance,
    truth=lambda difference: difference,
)


def _remainder(activation: str, units: int, inputs: int, length: float, seed: int) -> Record:
    made = _network(units, inputs, seed)
    move = length * gaussian_matrix(seed, units, inputs, stream=3)
    f, slope, bound = SLOPES[activation]
    W, x, signs = made["W"], made["x"], made["signs"]
    rest = f((W + move) @ x) - f(W @ x) - slope(W @ x) * (move @ x)
    return {
        **made,
        "lipschitz": bound,
        "distance": np.linalg.norm(move),
        "remainder": abs(float(signs @ rest)) / np.sqrt(units),
    }


def _remainder_attained(inputs: int, length: float, seed: int) -> Record:
    """One quadratic unit moves along x: the others do not."""
    made = _network(4, inputs, seed)
    x = made["x"]
    return {
        **made,
        "units": 4,
        "lipschitz": 1.0,
        "distance": length * np.linalg.norm(x),
        "remainder": (length * float(x @ x)) ** 2 / 2 / 2,
    }


remainder = Claim(
    PAIR,
    setting=_remainder,
    attained=_remainder_attained,
    claim=lambda lipschitz, x, units, distance: (
        units**-0.5 * lipschitz * np.sum(x**2) * distance**2 / 2
    ),
    truth=lambda remainder: remainder,
    relation=AtMost(sharp=1e-8),
)

width_of_samples = Claim(
    {"m": Whole(3, 10**6)},
    claim=lambda m: 1 / np.sqrt(np.log(m)),
    truth=lambda m: m * (m**2 * np.log(m)) ** -0.5,
)

# Measured ----------------------------------------------------------------------------------------

WIDTHS = (32, 128, 512)


def _exponent(quantity: str, seed: int) -> Estimate:
    """Train networks of several widths beside their linearisations."""
    data = gaussian(6, 4, rng=1)
    net = MLP((4, 8, 2), "tanh", parametrisation="ntk")
    found = width_scaling(net, data.x, data.y[:, :2], WIDTHS, seeds=8, steps=15, rng=seed)
    exponent = found.exponents[quantity]
    error = (exponent.high - exponent.low) / 2
    return Estimate(exponent.value, error, len(WIDTHS) * 8, f"{seed}", exponent.confidence)


def _measured(quantity: str, value: float, slack: float) -> Claim:
    return Claim(
        {"seed": Whole(0, 10**6)},
        claim=lambda: value,
        truth=lambda seed: _exponent(quantity, seed),
        relation=Near(slack),
        share=0.02,
    )


SCALING = ("rmtland.landscape.linearisation.width_scaling",)

STATEMENTS = (
    SLIDES.holds(
        "output",
        Kind.CLAIM,
        "with the factor p^(-1/2) the size of H(x; θ) does not depend on p",
        "the mean of H² over all signs of the second layer is the mean of f(w_i·x)² over units",
        "Cross terms of independent signs vanish; enumerated for up to 8 units.",
        holding=output_size,
    ),
    SLIDES.corrected(
        "gradient",
        Kind.FORMULA,
        "∂H/∂W_ij = p^(-1/2) f'(w_i·x) x_j",
        "∂H/∂W_ij = p^(-1/2) a_i f'(w_i·x) x_j, a_i = ±1 the second weight",
        "The second weight is left out; its square is 1, so that norms of later lines stand.",
        holding=gradient,
        failing=one_unit,
        counterexample=Counterexample({"w": 0.0, "x": 1.0, "sign": -1}, claim=1.0, truth=-1.0),
        code=("rmtland.networks.LossPoint.jacobian",),
    ),
    SLIDES.holds(
        "gradient-difference",
        Kind.PROOF_STEP,
        "|∇H₁ - ∇H₂|² = p⁻¹ Σ x_j² (f'(w1_i·x) - f'(w2_i·x))²",
        "the same",
        "Squares of signs are 1.",
        holding=difference,
    ),
    SLIDES.corrected(
        "lipschitz-step",
        Kind.PROOF_STEP,
        "... ≤ p⁻¹ L |x|² |θ₁ - θ₂|²",
        "... ≤ p⁻¹ L² |x|⁴ |θ₁ - θ₂|², attained by quadratic units that move along x",
        "|f'(a) - f'(b)|² ≤ L²|a - b|² and |(w1 - w2)·x|² ≤ |w1 - w2|²|x|²: the constant and |x|² "
        "lack a square.",
        holding=lipschitz_square,
        failing=lipschitz_printed,
        counterexample=Counterexample(
            {"slope": 1.0, "x": 2.0, "distance": 1.0}, claim=4.0, truth=16.0
        ),
    ),
    SLIDES.holds(
        "lipschitz-order",
        Kind.CLAIM,
        "L_∇H = O(p^(-1/2))",
        "|∇H₁ - ∇H₂| ≤ p^(-1/2) L |x|² |θ₁ - θ₂|, attained",
        "The root of the corrected step.",
        holding=lipschitz,
    ),
    SLIDES.holds(
        "remainder",
        Kind.CLAIM,
        "|H - linear part| ≤ O(p^(-1/2) L_f) |θ - θ₀|²",
        "with the constant |x|²/2, attained by one quadratic unit that moves",
        "Half the Lipschitz constant of the gradient times the squared distance.",
        holding=remainder,
    ),
    SLIDES.holds(
        "samples",
        Kind.CLAIM,
        "p^(-1/2) m → 0, say for p = m² log m",
        "it is (log m)^(-1/2) then",
        "m/(m √log m): it goes to 0, at an extremely slow rate, and only if σ_min is independent "
        "of m, which is refuted above.",
        holding=width_of_samples,
    ),
    SLIDES.empirical(
        "measured-movement",
        Kind.CLAIM,
        "entries of θ - θ₀ fall like p^(-1/2): a lack of training",
        "exponent in the width of |θ - θ₀|/|θ₀| of trained networks: -1/2",
        "tanh networks of widths 32 to 512 with the scaling of the slide, 8 starts each, 15 steps; "
        "95 % intervals from the scatter of starts, and a tenth for the finite widths.",
        holding=_measured("relative movement", -0.5, 0.1),
        code=SCALING,
        figure="docs/gallery/plot_linearised_network.py",
    ),
    SLIDES.empirical(
        "measured-remainder",
        Kind.CLAIM,
        "the difference of network and linear part goes to zero, bounded by p^(-1/2)",
        "exponent in the width of the difference of outputs: -1, faster than the bound",
        "Terms of single units have random signs: the bound does not know. As above, slack 0.25.",
        holding=_measured("output error", -1.0, 0.25),
        code=SCALING,
    ),
    SLIDES.empirical(
        "measured-kernel",
        Kind.CLAIM,
        "networks approach their linearisation in the limit of large width",
        "exponent in the width of the change of the tangent kernel: -1",
        "As above, slack 0.25; two layers are trained.",
        holding=_measured("kernel change", -1.0, 0.25),
        code=SCALING,
    ),
)
