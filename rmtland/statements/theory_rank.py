"""The theory sheet on over-parameterised networks: theorem 2.4, its proof, its implications."""

from __future__ import annotations

import numpy as np

from rmtland.landscape.manifold import Minimiser
from rmtland.landscape.sharpness import curvature, linear_ranks
from rmtland.landscape.surface import FunctionSurface
from rmtland.networks import MLP, LossPoint
from rmtland.statements.drawn_matrices import gaussian_matrix
from rmtland.statements.hypotheses import Hypothesis, Number, Whole, seed
from rmtland.statements.relations import AtMost, Equal
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Real, Record

__all__ = ["STATEMENTS", "interpolating"]


def _section(place: str) -> Section:
    return Section(Document.THEORY, "theory-rank", place)


THEOREM, PROOF = _section("section 2.4, theorem 2.4"), _section("section 2.4, proof of theorem 2.4")


def interpolating(
    widths: tuple[int, ...], samples: int, seed: int, activation: str = "tanh"
) -> LossPoint:
    """Return a network that fits its data, for the targets are its outputs.

    Parameters
    ----------
    widths : tuple of int
        From inputs to outputs.
    samples : int
        Rows of the data.
    seed : int
        Of weights and inputs.
    activation : str
        f.

    Returns
    -------
    LossPoint
        With residual 0.
    """
    net = MLP(widths, activation)
    theta, x = net.init(rng=seed), gaussian_matrix(seed, samples, widths[0], stream=3)
    return net.at(theta, x, net.at(theta, x, np.zeros((samples, widths[-1]))).prediction)


def _rank(H: Real) -> int:
    values = np.abs(np.linalg.eigvalsh(H))
    return int((values > 1e-10 * max(values.max(), 1e-300)).sum())


# Rank of the Hessian -----------------------------------------------------------------------------

FITTED: dict[str, Hypothesis] = {
    "n": Whole(1, 4),
    "c": Whole(1, 3),
    "more": Whole(0, 4),
    "seed": seed(),
}


def _fitted(n: int, c: int, more: int, seed: int) -> Record:
    """Return a wide network that interpolates n samples of c outputs."""
    point = interpolating((n + 1, n * c + more, c), n, seed)
    H, p = np.asarray(point.hessian("total")), point.theta.size
    return {"point": point, "H": H, "p": p, "rank": _rank(H)}


def _dependent(n: int, c: int, more: int, seed: int) -> Record:
    """Return a linear one with a single input, whose samples are multiples of each other."""
    point = interpolating((1, 1 + more, c), n, seed, "linear")
    return {**_fitted(n, c, more, seed), "rank": _rank(np.asarray(point.hessian("total")))}


rank_bound = Claim(
    FITTED,
    setting=_dependent,
    attained=_fitted,
    claim=lambda n, c: n * c,
    truth=lambda rank: rank,
    relation=AtMost(sharp=1e-9),
)


def _one_layer_rank(n: int, c: int) -> int:
    """Return the rank for one linear layer, fitted to n inputs in n dimensions."""
    return linear_ranks(interpolating((n, c), n, 0, "linear")).total


rank_printed = Claim(
    {"n": Whole(1, 8), "c": Whole(1, 8)},
    claim=lambda n, c: n + c,
    truth=_one_layer_rank,
    relation=AtMost(),
)


def _dome(size: int) -> FunctionSurface:
    """One sample, output -|t|^2, target 1: the least loss is at 0, with a residual."""
    return FunctionSurface(
        size,
        lambda t: (float((t @ t + 1) ** 2 / 2), 2 * (t @ t + 1) * t),
        lambda t: 2 * (t @ t + 1) * np.eye(len(t)) + 4 * np.outer(t, t),
    )


any_minimum = Claim(
    {"size": Whole(1, 8)},
    claim=lambda: 1,  # n c
    truth=lambda size: int(curvature(_dome(size), np.zeros(size)).rank.value),
    relation=AtMost(),
)

flat_directions = Claim(
    FITTED,
    setting=_fitted,
    claim=lambda p, n, c: p - n * c,
    truth=(
        lambda H, p: p - _rank(H),
        lambda point: Minimiser(point).dimension,
    ),
    relation=Equal(1e-9),
)

flat_printed = Claim(
    {"n": Whole(1, 8), "c": Whole(1, 8)},
    claim=lambda n, c: n * c - n - c,
    truth=lambda n, c: n * c - _one_layer_rank(n, c),
    relation=Equal(1e-9),
)

tangent = Claim(
    FITTED,
    setting=_fitted,
    claim=lambda p, n, c: np.zeros((p, p - n * c)),
    truth=lambda point: np.asarray(point.hvp(Minimiser(point).tangent_basis())),
    relation=Equal(0.0, 1e-10),
)


def _on_manifold(inputs: int, hidden: int, scale: float, seed: int) -> Record:
    """Return losses of a linear network along its orbit W2/s, s W1 of fitted parameters."""
    point = interpolating((inputs, hidden, 2), 3, seed, "linear")
    first = inputs * hidden
    theta = np.asarray(point.theta).copy()
    theta[:first] *= scale
    theta[first:] /= scale
    return {
        "start": point.loss,
        "moved": point.at(theta).loss,
        "distance": float(np.linalg.norm(theta - point.theta)),
    }


infinitely_many = Claim(
    {"inputs": Whole(1, 4), "hidden": Whole(1, 4), "scale": Number(1.1, 10.0), "seed": seed()},
    setting=_on_manifold,
    claim=lambda start: np.array([start, 1.0]),
    # loss there, and whether the parameters are others
    truth=lambda moved, distance: np.array([moved, float(distance > 1e-3)]),
    relation=Equal(0.0, 1e-12),
)

regular_rank = Claim(
    FITTED,
    setting=_fitted,
    claim=lambda point, p: p - Minimiser(point).dimension,
    truth=lambda rank: rank,
    relation=Equal(1e-9),
)

singular_rank = Claim(
    {"power": Whole(1, 6)},
    # output t^k, target 0: M = {0} has dimension 0
    claim=lambda: 1,
    truth=lambda power: int(
        _rank_of_number(
            FunctionSurface(
                1, lambda t: (float(t[0] ** (2 * power) / 2), power * t ** (2 * power - 1))
            ).hessian(np.zeros(1))
        )
    ),
    relation=Equal(1e-9),
)


def _rank_of_number(H: Real) -> int:
    return int(abs(H[0, 0]) > 1e-6)


# Flat directions ---------------------------------------------------------------------------------


def _flat_exponent(n: int, more: int, seed: int) -> float:
    """Return the slope of log loss against log of a straight step in a flat direction."""
    point = interpolating((2, 2 * n + more + 2, 1), n, seed)
    found = Minimiser(point)
    v = found.tangent_part(gaussian_matrix(seed, 1, point.theta.size, stream=5)[0])
    v = v / np.linalg.norm(v)
    return float(
        np.log2(point.at(point.theta + 2e-4 * v).loss / point.at(point.theta + 1e-4 * v).loss)
    )


free_move = Claim(
    {"n": Whole(1, 3), "more": Whole(0, 4), "seed": seed()},
    claim=lambda: 4.0,
    truth=_flat_exponent,
    relation=Equal(0.2),
)

free_move_printed = Claim(
    {"t": Number(-2.0, 2.0)},
    # output a b, target 1, from (1, 1) along (1, -1)
    claim=lambda: 0.0,
    truth=lambda t: ((1 + t) * (1 - t) - 1) ** 2 / 2,
)


def _two_runs(n: int, more: int, seed: int) -> Record:
    """Return starts and ends of descent on least squares with more parameters than samples."""
    p = n + more
    X, y = gaussian_matrix(seed, n, p), gaussian_matrix(seed, 1, n, stream=1)[0]
    starts = gaussian_matrix(seed, 2, p, stream=2)
    X = np.linalg.qr(X.T)[0].T
    ends = starts.copy()
    for _ in range(80):
        ends = ends - 0.5 * (ends @ X.T - y) @ X
    return {"X": X, "starts": starts, "ends": ends}


different_runs = Claim(
    {"n": Whole(1, 4), "more": Whole(1, 5), "seed": seed()},
    setting=_two_runs,
    claim=lambda X, starts: (starts[0] - starts[1]) @ (np.eye(X.shape[1]) - X.T @ X),
    truth=lambda ends: ends[0] - ends[1],
    relation=Equal(1e-7, 1e-9),
)

flat_share = Claim(
    FITTED,
    setting=_fitted,
    claim=lambda n, c, p: 1 - n * c / p,
    truth=lambda H: float((np.abs(np.linalg.eigvalsh(H)) < 1e-10 * np.abs(H).max()).mean()),
    relation=Equal(1e-9),
)

CURVED = "rmtland.landscape.sharpness.curvature"
MINIMISER = "rmtland.landscape.manifold.Minimiser"
GALLERY = "docs/gallery/plot_mode_connectivity.py"

STATEMENTS = (
    THEOREM.corrected(
        "bound",
        Kind.THEOREM,
        "rank(H) ≤ n + O(c) at a minimum of n samples and c outputs",
        "rank(H) ≤ nc at interpolation, attained by wide networks",
        holding=rank_bound,
        failing=rank_printed,
        counterexample=Counterexample({"n": 2, "c": 3}, claim=5, truth=6),
        derivation=(
            "H = JᵀJ/n with J of nc rows. One linear layer on n independent inputs has rank nc, "
            "which no n + Kc bounds. The proof itself ends at nc."
        ),
        code=("rmtland.landscape.sharpness.linear_ranks", f"{MINIMISER}.rank"),
    ),
    THEOREM.refuted(
        "any-minimum",
        Kind.THEOREM,
        "the bound holds at any minimum",
        "rank(H) ≤ nc at the global minimum of one sample that is not fitted",
        failing=any_minimum,
        counterexample=Counterexample({"size": 2}, claim=1, truth=2),
        derivation=(
            "Output −|θ|², target 1: at θ = 0 the loss (|θ|² + 1)²/2 is least and H = 2I, of rank "
            "p, all of it from the residual part that vanishes at interpolation only."
        ),
        code=(CURVED,),
    ),
    THEOREM.corrected(
        "flat-directions",
        Kind.CLAIM,
        "p − n − c directions of zero curvature",
        "p − nc at interpolation with a Jacobian of full rank",
        holding=flat_directions,
        failing=flat_printed,
        counterexample=Counterexample({"n": 1, "c": 1}, claim=-1, truth=0),
        derivation=(
            "p less the rank. One linear layer on n inputs has p = nc and none that is flat."
        ),
        code=(f"{MINIMISER}.dimension",),
    ),
    PROOF.holds(
        "infinitely-many",
        Kind.PROOF_STEP,
        "there are infinitely many parameters of zero loss",
        "linear networks: W₂/s and sW₁ fit for every s, and are other parameters",
        "The group GL(h) acts on the hidden layer.",
        holding=infinitely_many,
        code=("rmtland.landscape.manifold.walk_along",),
    ),
    PROOF.holds(
        "tangent-space",
        Kind.PROOF_STEP,
        "Hv = 0 for tangents v of the manifold of zero loss",
        "products with the tangent basis of wide networks vanish; it has p − nc columns",
        "The gradient is 0 along the manifold: differentiate it.",
        holding=tangent,
        code=(f"{MINIMISER}.tangent_basis",),
    ),
    PROOF.corrected(
        "rank-and-dimension",
        Kind.PROOF_STEP,
        "rank(H) = p − dim(M)",
        "where J has full rank; in general rank(H) ≤ p − dim(M)",
        holding=regular_rank,
        failing=singular_rank,
        counterexample=Counterexample({"power": 2}, claim=1, truth=0),
        derivation="Output θ², target 0: M = {0}, but L = θ⁴/2 has no curvature there.",
        code=(f"{MINIMISER}.is_regular",),
    ),
    THEOREM.holds(
        "flat-share",
        Kind.CLAIM,
        "networks with many parameters have vast flat subspaces",
        "share 1 − nc/p of zero eigenvalues at interpolation",
        "Counts of the theorem as corrected.",
        holding=flat_share,
        code=(CURVED,),
    ),
    THEOREM.corrected(
        "free-moves",
        Kind.CLAIM,
        "moves in flat directions leave the loss as it is",
        "straight moves raise it with power 4; moves along the manifold do not",
        holding=free_move,
        failing=free_move_printed,
        counterexample=Counterexample({"t": 1.0}, claim=0.0, truth=0.5),
        derivation="The manifold is curved: outputs change by O(t²), half their square is O(t⁴).",
        code=("rmtland.landscape.manifold.walk_along",),
        figure=GALLERY,
    ),
    THEOREM.holds(
        "different-runs",
        Kind.CLAIM,
        "flat directions explain why runs find different solutions",
        "least squares: ends differ by the part of the starts in the null space",
        "Descent never moves in the null space of J.",
        holding=different_runs,
    ),
)
