"""The lecture's slides on the manifold of global minimisers and its dimension."""

from __future__ import annotations

import numpy as np

from rmtland.landscape.manifold import Minimiser
from rmtland.networks import MLP, LossPoint
from rmtland.statements.drawn_matrices import gaussian_matrix
from rmtland.statements.hypotheses import Hypothesis, Number, OneOf, Whole, seed
from rmtland.statements.section import Section
from rmtland.statements.statement import Claim, Counterexample, Document, Kind
from rmtland.typing import Record

__all__ = ["STATEMENTS"]

SLIDE = Section(
    Document.LECTURE, "lecture-manifold", "slide on the dimension of the minimiser submanifold"
)
SUMMARY = Section(Document.LECTURE, "lecture-manifold", "slide with the summary")


def _fitting(
    inputs: int, outputs: int, hidden: int, samples: int, activation: str, seed: int
) -> Record:
    """Return a network with biases whose targets are what it says: a global minimiser."""
    net = MLP((inputs, hidden, outputs), activation, bias=True)
    theta = net.init(rng=seed)
    theta = np.asarray(theta) + 0.5 * gaussian_matrix(seed, 1, theta.size, stream=7)[0]
    x = gaussian_matrix(seed, samples, inputs, stream=3)
    blank = net.at(theta, x, np.zeros((samples, outputs)))
    point = net.at(theta, x, np.asarray(blank.prediction))
    return {"point": point, "parameters": net.parameter_count}


def _null(point: LossPoint) -> int:
    J = np.asarray(point.jacobian())
    values = np.linalg.svd(J, compute_uv=False)
    return int(J.shape[1] - (values > 1e-10 * values[0]).sum())


SIZES: dict[str, Hypothesis] = {
    "inputs": Whole(1, 3),
    "outputs": Whole(1, 2),
    "hidden": Whole(4, 6),
    "samples": Whole(1, 4),
    "activation": OneOf(("tanh", "softplus", "gelu")),
    "seed": seed(),
}

dimension = Claim(
    SIZES,
    setting=_fitting,
    claim=lambda parameters, samples, outputs: parameters - samples * outputs,
    truth=(_null, lambda point: Minimiser(point).dimension),
)

printed_dimension = Claim(
    {"inputs": Whole(1, 3), "outputs": Whole(1, 2), "samples": Whole(1, 4)},
    # m data, n inputs, r outputs as on the slide
    claim=lambda inputs, outputs, samples: samples - outputs * inputs,
    truth=lambda inputs, outputs, samples: _null(
        _fitting(inputs, outputs, 4, samples, "tanh", 0)["point"]
    ),
)


def _two_weights(target: float) -> int:
    """Return the rank of the Jacobian of w2 tanh(w1) where it is the target, least over points.

    The fibre of 0 holds the point w = 0, where both derivatives vanish; others have rank 1.
    """
    if target == 0:
        w1, w2 = 0.0, 0.0
    else:
        w1 = 1.0
        w2 = target / np.tanh(w1)
    point = MLP((1, 1, 1), "tanh").at([w1, w2], [[1.0]], [[target]])
    return int(np.linalg.matrix_rank(np.asarray(point.jacobian())))


perturbed = Claim(
    {"target": Number(1e-6, 10.0, log=True)},
    claim=lambda: 1,
    truth=_two_weights,
)

unperturbed = Claim(
    {"target": Number(-1.0, 1.0)},
    claim=lambda: 1,
    truth=_two_weights,
)


def _fits(parameters: int, samples: int, seed: int) -> bool:
    """Whether a model of `parameters` features that are linear in them fits random targets."""
    A = gaussian_matrix(seed, samples, parameters)
    y = gaussian_matrix(seed, 1, samples, stream=1)[0]
    return bool(np.linalg.norm(A @ np.linalg.lstsq(A, y, rcond=None)[0] - y) < 1e-8)


enough = Claim(
    {"parameters": Whole(1, 12), "samples": Whole(1, 12), "seed": seed()},
    claim=lambda parameters, samples: parameters >= samples,
    truth=_fits,
)

STATEMENTS = (
    SLIDE.corrected(
        "dimension",
        Kind.THEOREM,
        "the exact fits are a submanifold of dimension m − rn (m data, n inputs, r outputs)",
        "dimension p − rm, p parameters: each of m samples gives r equations",
        "The theorem has d parameters, n data and r outputs: d − rn. The slide uses m for the data "
        "and keeps n. The dimension is that of the null space of the Jacobian, of rank rm.",
        holding=dimension,
        failing=printed_dimension,
        counterexample=Counterexample({"inputs": 1, "outputs": 1, "samples": 1}, claim=0, truth=12),
        code=("rmtland.landscape.manifold.Minimiser.dimension",),
    ),
    SLIDE.corrected(
        "perturbation",
        Kind.THEOREM,
        "the set of exact fits is a smooth submanifold",
        "after an arbitrarily small change of the data: w₂ tanh(w₁) = y is one for y ≠ 0",
        "For y = 0 it is the cross w₁w₂ = 0, with a Jacobian of rank 0 at the crossing; the slide "
        "says so, the summary does not. By Sard's theorem almost every y is regular.",
        holding=perturbed,
        failing=unperturbed,
        counterexample=Counterexample({"target": 0.0}, claim=1, truth=0),
        code=("rmtland.landscape.manifold.Minimiser.is_regular",),
    ),
    SUMMARY.corrected(
        "condition",
        Kind.CLAIM,
        "exact fits form a manifold of known dimension when m > rn: many data",
        "when p ≥ rm: many parameters; with more data than parameters generic targets have no fit",
        "Tested where it is exact, on models linear in p parameters with r = 1.",
        holding=enough,
        failing=enough.instead(
            # r = 1 output, n = 1 input
            claim=lambda samples: samples > 1
        ),
        counterexample=Counterexample(
            {"parameters": 1, "samples": 1, "seed": 0}, claim=False, truth=True
        ),
        code=("rmtland.landscape.manifold.interpolate",),
    ),
)
