"""The theory sheet on sharpness: lemmas 3.1 and 3.2, Taylor, Rayleigh, paths between minima.

Two families know their answers: quadratic functions, and sums of cosines of random planes, whose
Hessian is largest at the origin.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmtland.landscape.connectivity import Polygon, profile
from rmtland.landscape.sharpness import ball_sharpness
from rmtland.landscape.sharpness.trust_region import quadratic_maximum
from rmtland.landscape.surface import FunctionSurface
from rmtland.statements.drawn_matrices import gaussian_matrix, loss_point, symmetric_matrix
from rmtland.statements.hypotheses import Hypothesis, Number, OneOf, Whole, seed
from rmtland.statements.relations import AtLeast, AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.statements.theory_definitions import quadratic_surface
from rmtland.typing import Real, Record

__all__ = ["STATEMENTS"]


def _section(place: str) -> Section:
    return Section(Document.THEORY, "theory-sharpness", place)


UPPER, LOWER = _section("section 3.1, lemma 3.1"), _section("section 3.1, lemma 3.2")
TOOLS = Section(Document.THEORY, "theory", "section 4.1 on perturbation analysis")
PATHS = Section(Document.THEORY, "theory", "section 3.2 on mode connectivity")
RADIUS = Number(0.01, 3.0, log=True)
SIZE = Whole(1, 5)
BALL: dict[str, Hypothesis] = {"size": SIZE, "rho": RADIUS, "seed": seed()}

# Bounds of the rise in a ball --------------------------------------------------------------------


def _cosines(size: int, rho: float, seed: int) -> Record:
    """Sum of 1 - cos(w . t): critical at 0, where its Hessian is largest."""
    W = gaussian_matrix(seed, size + 1, size)
    surface = FunctionSurface(
        size,
        lambda t: (float(np.sum(1 - np.cos(W @ t))), W.T @ np.sin(W @ t)),
        lambda t: (W.T * np.cos(W @ t)) @ W,
    )
    found = ball_sharpness(surface, np.zeros(size), rho, restarts=1, steps=40, rng=0)
    return {"largest": np.linalg.norm(W, 2) ** 2, "rise": found.lower}


def _bowl(size: int, rho: float, seed: int) -> Record:
    """Return a quadratic minimum, and the rise along its sharpest direction."""
    A = gaussian_matrix(seed, size, size + 1)
    H = A @ A.T
    values, vectors = np.linalg.eigh(H)
    t = rho * vectors[:, -1]
    return {"largest": values[-1], "rise": float(t @ H @ t) / 2}


critical_upper = Claim(
    BALL,
    setting=_cosines,
    attained=_bowl,
    claim=lambda rho, largest: rho**2 / 2 * largest,
    truth=lambda rise: rise,
    relation=AtMost(sharp=1e-7),
    share=0.5,
)

line = Claim(
    {"slope": Number(-3.0, 3.0), "curvature": Number(0.0, 3.0), "rho": RADIUS},
    claim=lambda rho, curvature: rho**2 / 2 * curvature,
    truth=lambda slope, curvature, rho: quadratic_maximum(
        np.array([slope]), np.array([curvature]), rho
    ),
    relation=AtMost(1e-7),
)


def _sloped(size: int, rho: float, seed: int) -> Record:
    H, g = symmetric_matrix(seed, size), gaussian_matrix(seed, 1, size, stream=1)[0]
    values, vectors = np.linalg.eigh(H)
    return {
        "norm": np.linalg.norm(g),
        "largest": values[-1],
        "values": values,
        "along": vectors.T @ g,
    }


def _sloped_along_top(size: int, rho: float, seed: int) -> Record:
    made = _sloped(size, rho, seed)
    values = made["values"] - made["values"][-1] + 1.0
    top = np.zeros(size)
    top[-1] = made["norm"]
    return {**made, "values": values, "largest": 1.0, "along": top}


gradient_upper = Claim(
    BALL,
    setting=_sloped,
    attained=_sloped_along_top,
    claim=lambda rho, norm, largest: rho * norm + rho**2 / 2 * max(largest, 0.0),
    truth=lambda values, along, rho: quadratic_maximum(along, values, rho),
    relation=AtMost(sharp=1e-7),
)


def _cubic_rise(rho: float, curvature: float, third: float) -> float:
    t = np.linspace(-rho, rho, 2001)
    return float(np.max(curvature * t**2 / 2 + third * t**3 / 6))


def _sine_rise(rho: float, curvature: float, third: float) -> float:
    """Return the rise of the same jet with bounded third derivative: third (t - sin t) there."""
    t = np.linspace(-rho, rho, 2001)
    return float(np.max(curvature * t**2 / 2 + third * (t - np.sin(t))))


remainder = Claim(
    {"rho": RADIUS, "curvature": Number(0.0, 3.0), "third": Number(0.1, 3.0)},
    setting=lambda rho, curvature, third: {"rise": _sine_rise(rho, curvature, third)},
    attained=lambda rho, curvature, third: {"rise": _cubic_rise(rho, curvature, third)},
    claim=lambda rho, curvature, third: rho**2 / 2 * curvature + third * rho**3 / 6,
    truth=lambda rise: rise,
    relation=AtMost(sharp=1e-7),
)

lower = Claim(
    BALL,
    setting=_sloped,
    attained=lambda size, rho, seed: {
        **_sloped(size, rho, seed),
        "along": np.zeros(size),
    },
    claim=lambda rho, largest: rho**2 / 2 * max(largest, 0.0),
    truth=lambda values, along, rho: quadratic_maximum(along, values, rho),
    relation=AtLeast(sharp=1e-7),
)

flattening = Claim(
    {"curvature": Number(0.1, 3.0), "quartic": Number(0.0, 3.0), "rho": RADIUS},
    claim=lambda rho, curvature: rho**2 / 2 * curvature,
    truth=lambda rho, curvature, quartic: float(
        np.max(curvature * (t := np.linspace(0, rho, 2001)) ** 2 / 2 - quartic * t**4)
    ),
    relation=AtLeast(1e-7),
)


def _step_along(size: int, rho: float, seed: int) -> Record:
    """Rise of a quadratic function after rho q, q turned so that g . q >= 0."""
    H, g = symmetric_matrix(seed, size), gaussian_matrix(seed, 1, size, stream=1)[0]
    values, vectors = np.linalg.eigh(H)
    q = vectors[:, -1]
    q = q if g @ q >= 0 else -q
    surface = quadratic_surface(H, g)
    return {"value": values[-1], "slope": abs(g @ q), "rise": surface.loss(rho * q)}


along_eigenvector = Claim(
    BALL,
    setting=_step_along,
    claim=lambda rho, slope, value: rho * slope + rho**2 / 2 * value,
    truth=lambda rise: rise,
    relation=Equal(1e-8, 1e-11),
)

along_printed = Claim(
    {"slope": Number(-3.0, 3.0), "value": Number(0.1, 3.0), "rho": RADIUS},
    claim=lambda rho, value: rho**2 / 2 * value,
    truth=lambda rho, slope, value: quadratic_surface(np.array([[value]]), np.array([slope])).loss(
        np.array([rho])
    ),
    relation=AtLeast(1e-9),
)


def _sam(size: int, rho: float, seed: int) -> Record:
    H, g = symmetric_matrix(seed, size), gaussian_matrix(seed, 1, size, stream=1)[0]
    found = ball_sharpness(quadratic_surface(H, g), np.zeros(size), rho, restarts=0, steps=1, rng=0)
    return {"norm": np.linalg.norm(g), "quotient": g @ H @ g / (g @ g), "sam": found.sam}


sam = Claim(
    BALL,
    setting=_sam,
    claim=lambda rho, norm, quotient: rho * norm + rho**2 / 2 * quotient,
    truth=lambda sam: sam,
    relation=Equal(1e-8, 1e-10),
)

# Tools -------------------------------------------------------------------------------------------


def _quotient(size: int, seed: int) -> Record:
    H, v = symmetric_matrix(seed, size), gaussian_matrix(seed, 1, size, stream=1)[0]
    return {"values": np.linalg.eigvalsh(H), "H": H, "v": v}


def _at_end(which: int) -> Callable[[int, int], Record]:
    def setting(size: int, seed: int) -> Record:
        made = _quotient(size, seed)
        return {**made, "v": 3 * np.linalg.eigh(made["H"])[1][:, which]}

    return setting


MATRIX: dict[str, Hypothesis] = {"size": Whole(1, 8), "seed": seed()}
highest_quotient = Claim(
    MATRIX,
    setting=_quotient,
    attained=_at_end(-1),
    claim=lambda values: values[-1],
    truth=lambda H, v: float(v @ H @ v / (v @ v)),
    relation=AtMost(sharp=1e-8),
)
lowest_quotient = highest_quotient.instead(
    attained=_at_end(0), claim=lambda values: values[0], relation=AtLeast(sharp=1e-8)
)


def _taylor_exponents(activation: str, seed: int) -> Real:
    """Return slopes of log |odd part|, log |even part| of the remainder against log of the step."""
    point = loss_point(seed, (2, 3, 1), 4, activation)
    e = gaussian_matrix(seed, 1, point.theta.size, stream=7)[0]
    e /= np.linalg.norm(e)
    g, h = float(point.gradient @ e), float(e @ point.hvp(e))

    def left(t: float) -> Real:
        up, down = (point.at(point.theta + s * t * e).loss for s in (1, -1))
        return np.array([(up - down) / 2 - g * t, (up + down) / 2 - point.loss - h * t * t / 2])

    return np.log2(np.abs(left(2e-2) / left(1e-2)))


taylor = Claim(
    {"activation": OneOf(("tanh", "sigmoid", "softplus")), "seed": seed()},
    claim=lambda: np.array([3.0, 4.0]),
    truth=_taylor_exponents,
    relation=Equal(0.1),
)

# Paths -------------------------------------------------------------------------------------------


def _well(height: float, tilt: float) -> FunctionSurface:
    """Return h (t^2 - 1)^2 + s (t^3/3 - t): critical at -1, 1 and -s/(4 h)."""
    return FunctionSurface(
        1,
        lambda t: (
            float(height * (t[0] ** 2 - 1) ** 2 + tilt * (t[0] ** 3 / 3 - t[0])),
            (t**2 - 1) * (4 * height * t + tilt),
        ),
    )


def _pass_height(height: float, tilt: float) -> float:
    top = -tilt / (4 * height)
    return (
        height * (top**2 - 1) ** 2 + tilt * (top**3 / 3 - top) + 2 * abs(tilt) / 3
    )  # above the lower end


connected = Claim(
    {"height": Number(0.5, 3.0), "tilt": Number(-1.0, 1.0)},
    claim=_pass_height,
    truth=lambda height, tilt: (
        profile(_well(height, tilt), Polygon(np.array([[-1.0], [1.0]]))).above_lower_end
    ),
    relation=Equal(1e-5, 1e-8),
)

across = Claim(
    {
        "epsilon": Number(0.01, 1.0, log=True),
        "distance": Number(0.1, 10.0, log=True),
        "stiffness": Number(0.01, 100.0, log=True),
    },
    # L = stiffness y^2/2: the path along x is flat, connected for every epsilon > 0
    claim=lambda epsilon, distance: 2 * epsilon / distance**2,
    truth=lambda distance, stiffness: quadratic_maximum(
        np.zeros(2), np.array([0.0, stiffness]), distance / 2
    ),
    relation=AtMost(),
)


def _largest_curvature(epsilon: float, distance: float, waves: int) -> float:
    """Return the largest |second derivative| of (epsilon/2)(1 - cos(2 pi waves t/distance))."""
    h = distance / waves / 1000
    t = np.linspace(0, distance, 400 * waves + 1)

    def loss(t: Real) -> Real:
        return epsilon / 2 * (1 - np.cos(2 * np.pi * waves * t / distance))

    return float(np.abs((loss(t + h) - 2 * loss(t) + loss(t - h)) / h**2).max())


along = Claim(
    {"epsilon": Number(0.1, 1.0), "distance": Number(0.5, 10.0), "waves": Whole(1, 20)},
    claim=lambda epsilon, distance: 8 * epsilon / distance**2,
    truth=_largest_curvature,
    relation=AtMost(),
)

BALL_OF = "rmtland.landscape.sharpness.ball_sharpness"
QUADRATIC = "rmtland.landscape.sharpness.trust_region.quadratic_maximum"

STATEMENTS = (
    UPPER.corrected(
        "upper",
        Kind.LEMMA,
        "S_ρ ≤ (ρ²/2) λ_max(H(θ)) for L twice differentiable",
        "at critical points, with the largest λ_max in the ball; attained by quadratic minima",
        holding=critical_upper,
        failing=line,
        counterexample=Counterexample(
            {"slope": 1.0, "curvature": 0.0, "rho": 1.0}, claim=0.0, truth=1.0
        ),
        derivation=(
            "L = t has λ_max = 0 and S_ρ = ρ. The sums of cosines of the check have their largest "
            "Hessian at the centre, so that λ_max there is the supremum over the ball."
        ),
        code=(BALL_OF,),
    ),
    UPPER.corrected(
        "upper-with-gradient",
        Kind.LEMMA,
        "S_ρ has the bound (ρ²/2) λ_max also where ∇L ≠ 0",
        "quadratic L: S_ρ ≤ ρ|∇L| + (ρ²/2) max(λ_max, 0), attained for ∇L along the top vector",
        holding=gradient_upper,
        failing=line.instead(
            hypotheses={"slope": Number(-3.0, 3.0), "curvature": Number(0.5, 3.0), "rho": RADIUS}
        ),
        counterexample=Counterexample(
            {"slope": 1.0, "curvature": 1.0, "rho": 1.0}, claim=0.5, truth=1.5
        ),
        derivation="Both terms of the Taylor polynomial at their largest.",
        code=(QUADRATIC,),
    ),
    UPPER.corrected(
        "upper-proof",
        Kind.PROOF_STEP,
        "Taylor expansion and Rayleigh's quotient give S_ρ ≤ (ρ²/2) λ_max at a critical point",
        "S_ρ ≤ (ρ²/2) λ_max + Mρ³/6, M a bound of the third derivative; attained by t²/2 + t³",
        holding=remainder,
        failing=remainder.instead(
            setting=lambda rho, curvature, third: {"rise": _cubic_rise(rho, curvature, third)},
            attained=None,
            claim=lambda rho, curvature: rho**2 / 2 * curvature,
        ),
        counterexample=Counterexample(
            {"rho": 1.0, "curvature": 0.0, "third": 1.0}, claim=0.0, truth=1 / 6
        ),
        derivation="The expansion has a remainder, and λ_max is that of the centre only.",
        code=("rmtland.landscape.sharpness.derivative_bounds",),
    ),
    LOWER.corrected(
        "lower",
        Kind.LEMMA,
        "S_ρ ≥ (ρ²/2) max(λ, 0) for every eigenvalue λ of H",
        "for quadratic L, whatever its gradient; attained at critical points",
        holding=lower,
        failing=flattening,
        counterexample=Counterexample(
            {"curvature": 1.0, "quartic": 1.0, "rho": 1.0}, claim=0.5, truth=0.0625
        ),
        derivation="t²/2 − t⁴ rises by 1/16 at most: the curvature at 0 says nothing of t = 1.",
        code=(QUADRATIC,),
    ),
    LOWER.corrected(
        "lower-proof",
        Kind.PROOF_STEP,
        "ε = ρq attains the lower bound",
        "L(ρq) − L = ρ g·q + ρ²λ/2 for quadratic L, with the sign of q for which g·q ≥ 0",
        holding=along_eigenvector,
        failing=along_printed,
        counterexample=Counterexample(
            {"slope": -1.0, "value": 1.0, "rho": 1.0}, claim=0.5, truth=-0.5
        ),
        derivation="Of q and −q, both eigenvectors, one may go down the slope.",
    ),
    Section(Document.THEORY, "theory-sharpness", "section 7, note on Foret et al.").holds(
        "sam",
        Kind.CLAIM,
        "sharpness-aware minimisation takes the rise after a step of length ρ along the gradient",
        "quadratic L: that rise is ρ|g| + (ρ²/2) gᵀHg/|g|²",
        "Taylor polynomial at ρg/|g|; a lower bound of S_ρ.",
        holding=sam,
        code=("rmtland.landscape.sharpness.BallSharpness",),
    ),
    TOOLS.holds(
        "rayleigh-upper",
        Kind.FORMULA,
        "εᵀHε/|ε|² ≤ λ_max",
        "the same; attained at the last eigenvector",
        "Expand ε in eigenvectors: a mean of eigenvalues.",
        holding=highest_quotient,
    ),
    TOOLS.holds(
        "rayleigh-lower",
        Kind.FORMULA,
        "εᵀHε/|ε|² ≥ λ_min",
        "the same; attained at the first eigenvector",
        "Expand ε in eigenvectors: a mean of eigenvalues.",
        holding=lowest_quotient,
    ),
    TOOLS.holds(
        "taylor",
        Kind.FORMULA,
        "L(θ + ε) ≈ L + g·ε + εᵀHε/2",
        "odd and even part of what is left out fall with powers 3 and 4 of the step",
        "Taylor, for smooth networks.",
        holding=taylor,
        code=("rmtland.networks.LossPoint.hvp",),
    ),
    PATHS.holds(
        "linear-connectivity",
        Kind.DEFINITION,
        "ε-linearly connected: max over the segment of L, less the lower end, is below ε",
        "height of the pass of tilted double wells against the measured profile",
        "(t² − 1)(4ht + s) vanishes at the ends and at the pass −s/(4h).",
        holding=connected,
        code=("rmtland.landscape.connectivity.PathProfile.above_lower_end",),
    ),
    PATHS.refuted(
        "connectivity-flatness",
        Kind.THEOREM,
        "ε-linearly connected at distance d ⇒ S_ρ ≤ 2ε/d² on the path, for ρ ≤ d/2",
        "a straight valley of any stiffness across the path, ρ = d/2",
        failing=across,
        counterexample=Counterexample(
            {"epsilon": 1.0, "distance": 2.0, "stiffness": 2.0}, claim=0.5, truth=1.0
        ),
        derivation=(
            "L = ky²/2 is constant along x: connected for every ε > 0, while S_ρ = kρ²/2 for any "
            "k. The path says nothing of directions across it; nor do the units agree, for the "
            "bound does not fall with ρ."
        ),
        code=("rmtland.landscape.connectivity.profile",),
    ),
    PATHS.refuted(
        "connectivity-proof",
        Kind.PROOF_STEP,
        "a barrier ε over a distance d limits the curvature along the path",
        "curvature of (ε/2)(1 − cos(2πkt/d)) against 8ε/d², that of a parabola of height ε",
        failing=along,
        counterexample=Counterexample(
            {"epsilon": 1.0, "distance": 1.0, "waves": 1}, claim=8.0, truth=19.7391437
        ),
        derivation="It is 2π²k²ε/d²: k waves of height ε are as curved as one likes.",
    ),
)
