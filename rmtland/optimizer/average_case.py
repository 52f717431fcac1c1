r"""Average-case optimal methods: the best polynomial of each degree for a law of curvatures.

Of all residual polynomials :math:`P_t` with :math:`P_t(0) = 1` the one that makes
:math:`\int P_t^2 \, \lambda^k d\mu` least (k = 0 squared distance, 1 loss, 2 squared gradient) is
the kernel polynomial of :math:`\lambda^k d\mu` at 0,

.. math::
    P_t(\lambda) = \frac{\sum_{j \le t} \varphi_j(0) \varphi_j(\lambda)}
                        {\sum_{j \le t} \varphi_j(0)^2}, \qquad
    \min \int P_t^2 \lambda^k d\mu = \frac{1}{\sum_{j \le t} \varphi_j(0)^2},

with the orthonormal polynomials :math:`\varphi_j` of :math:`\lambda^k d\mu`: the Christoffel
function at 0. These :math:`P_t` are orthogonal for :math:`\lambda^{k+1} d\mu`, and so obey a
three-term recurrence, which is a method with momentum [1]_, [2]_. A null space of the Hessian
counts in the distance only, where no method moves it.

An isolated eigenvalue, of little weight, is a trap: :math:`P_t` has a zero next to it from some t
on, and rounding grows there as fast as the polynomials of the bulk do. `AverageCase` refuses such a
recurrence; widen the point (`smeared`) or deflate it.

References
----------
.. [1] F. Pedregosa and D. Scieur, Acceleration through spectral density estimation, ICML 2020,
       arXiv:2002.04756.
.. [2] B. Fischer, Polynomial Based Iteration Methods for Symmetric Linear Systems, SIAM 2011,
       chapter 3.

Examples
--------
For the Marchenko-Pastur law of ratio 1 and the loss, the best error is 6/((t+1)(t+2)(2t+3)):

>>> from rmtland.laws import MarchenkoPastur
>>> [round(6 / x) for x in best_errors(MarchenkoPastur(1.0), 3, objective="loss")]
[6, 30, 84, 180]
>>> average_case_optimal(MarchenkoPastur(1.0), 3, objective="loss")
AverageCase(3 steps for the loss)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rmtland.arguments import choice, count, positive
from rmtland.ensembles.krylov_quadrature import measure_jacobi
from rmtland.optimizer.edge_fluctuations import design_measure
from rmtland.optimizer.methods import Coefficients, HeavyBall, Method, residual_polynomials
from rmtland.optimizer.start_measure import OBJECTIVES, Source, StartMeasure, start_measure
from rmtland.solution import ConvergenceError
from rmtland.typing import Real

__all__ = ["AverageCase", "average_case_optimal", "best_errors", "smeared"]

_AGREES = 1e-6
"""Largest distance of the recurrence from the kernel polynomial, in parts of the largest value."""


@dataclass(frozen=True, repr=False)
class AverageCase(Method):
    """Coefficients of an average-case optimal method; made by `average_case_optimal`.

    After its steps it continues as the heavy ball of the same edges, to which the coefficients
    tend where the curvatures fill one band.

    Parameters
    ----------
    step, momentum : ndarray of float, shape (steps,)
        The coefficients.
    objective : {"distance", "loss", "gradient"}
        What they are best for.
    edges : (float, float)
        Least and largest curvature above 0.
    ends : bool
        Whether the steps end the matter, on a measure of as many points: the heavy ball then starts
        without momentum.
    """

    step: Real
    momentum: Real
    objective: str
    edges: tuple[float, float] = field(default=(0.0, 1.0))
    ends: bool = False

    def __repr__(self) -> str:
        return f"AverageCase({self.step.size} steps for the {self.objective})"

    @property
    def limit(self) -> HeavyBall:
        """Heavy ball to which the coefficients tend for one band (asymptotically optimal there)."""
        return HeavyBall.from_edges(*self.edges)

    def _sequence(self, size: int) -> Coefficients:
        step, momentum = self.step[:size], self.momentum[:size]
        if size > self.step.size:
            more = size - self.step.size
            rest = self.limit.coefficients(more)
            step = np.concatenate([step, rest.step])
            momentum = np.concatenate([momentum, rest.momentum])
            if self.ends:
                momentum[self.step.size] = 0.0
        return Coefficients(step, momentum, np.zeros(size))

    @property
    def name(self) -> str:
        """Name in words."""
        return "average-case optimal"

    @property
    def largest_curvature(self) -> float:
        """Largest curvature that the method was made for."""
        return self.edges[1]


def average_case_optimal(
    source: Source,
    steps: int,
    *,
    objective: str = "loss",
    dimension: int | None = None,
    scales: float = 3.0,
    beta: int = 1,
) -> AverageCase:
    r"""Return the method whose every step is best on average over the curvatures.

    .. formula:: Average-case optimal method, orthogonal for :math:`\lambda^{k+1} d\mu`

    Parameters
    ----------
    source : Law, SpectralModel, Spectrum or StartMeasure
        Curvatures, or the measure of a known start.
    steps : int
        Number of steps that have coefficients of their own.
    objective : {"distance", "loss", "gradient"}, optional
        What shall be least: squared distance to the minimum, loss above it, squared gradient.
    dimension : int, optional
        Order of the matrices, for a law or a model: the design is then for curvatures stretched
        beyond the edges (`design_margin`), which eigenvalues of finite matrices cross. The lower
        edge stops at a tenth of where it was.
    scales : float, optional
        How many Tracy-Widom scales that is; 0 for the law itself.
    beta : {1, 2}, optional
        Real or complex matrices.

    Returns
    -------
    AverageCase
        The method.

    Raises
    ------
    ValueError
        If there are negative curvatures or none above 0, or a number is out of its range.
    TypeError
        If `steps` is no integer.
    ConvergenceError
        If the recurrence loses the polynomial to rounding at an isolated curvature.
    """
    size = count("steps", steps)
    k = OBJECTIVES[choice("objective", objective, tuple(OBJECTIVES))]
    start = design_measure(
        source, degree=2 * size + k + 1, dimension=dimension, scales=scales, beta=beta
    )
    shares = start.parts(objective)[start.nodes > 0]
    nodes, _ = start.positive
    top = float(nodes[-1])
    relative = nodes / top
    # a measure of n points is solved in n steps
    distinct = min(size, np.unique(relative).size)
    masses = shares * relative
    alpha, off = measure_jacobi(relative, masses / masses.sum(), distinct)
    step, momentum = np.empty(distinct), np.zeros(distinct)
    ratio = 0.0  # p_{t+1}(0)/p_t(0) of the monic polynomials: negative, 0 being left of all zeros
    for t in range(distinct):
        pull = off[t - 1] ** 2 if t else 0.0
        before, ratio = ratio, -alpha[t] - (pull / ratio if t else 0.0)
        step[t] = -1 / ratio / top
        momentum[t] = pull / (ratio * before) if t else 0.0
    method = AverageCase(step, momentum, objective, (float(nodes[0]), top), distinct < size)
    _check(method, nodes, shares)
    return method


def best_errors(source: Source, steps: int, *, objective: str = "loss") -> Real:
    r"""Return the least possible error after 0 to `steps` steps, as a part of the one at the start.

    .. formula:: Least error of :math:`t` steps (Christoffel function), :math:`1/\sum_{j \le t}
        \varphi_j(0)^2`

    The polynomials are the orthonormal ones of the objective's measure, normalised to mass 1. No
    method whose steps are fixed beforehand does better on average over isotropic starts; conjugate
    gradients adapt to the start, and their loss is at most this on average.

    Parameters
    ----------
    source : Law, SpectralModel, Spectrum or StartMeasure
        Curvatures, or the measure of a known start.
    steps : int
        Largest number of steps.
    objective : {"distance", "loss", "gradient"}, optional
        Which error.

    Returns
    -------
    ndarray of float, shape (steps + 1,)
        The Christoffel function at 0, from 1 on. Where the measure has as few points as steps, 0
        (or the mass at 0, for the distance).

    Raises
    ------
    ValueError
        As for `start_measure`.
    TypeError
        If `steps` is no integer.
    """
    size = count("steps", steps, min_value=0)
    k = OBJECTIVES[choice("objective", objective, tuple(OBJECTIVES))]
    start = start_measure(source, degree=2 * size + k + 1)
    shares = start.parts(objective)
    keep = shares > 0
    nodes, shares = start.nodes[keep] / start.nodes[-1], shares[keep]
    distinct = np.unique(nodes).size
    degrees = min(size + 1, distinct)
    alpha, beta = measure_jacobi(nodes, shares, degrees)
    errors: Real = np.zeros(size + 1)
    errors[0] = 1.0
    log_sum = log_size = 0.0  # of phi_j(0)^2: they overflow beyond some hundred steps
    ratio = -alpha[0]
    for t in range(1, degrees):
        log_size += 2 * np.log(abs(ratio) / beta[t - 1])
        log_sum = np.logaddexp(log_sum, log_size)
        errors[t] = np.exp(-log_sum)
        ratio = -alpha[t] - beta[t - 1] ** 2 / ratio
    return np.asarray(np.maximum(errors, shares[nodes == 0].sum()))  # a null space stays


def smeared(source: Source, *, degree: int, width: float = 0.05, points: int = 24) -> StartMeasure:
    """Widen isolated curvatures, so that a recurrence stays stable at them.

    Parameters
    ----------
    source : Law, SpectralModel, Spectrum or StartMeasure
        Curvatures, or the measure of a known start.
    degree : int
        As for `start_measure`.
    width : float, optional
        Half width of the arcsine law that replaces a point, in parts of its curvature.
    points : int, optional
        Nodes of each.

    Returns
    -------
    StartMeasure
        The same masses; every point whose neighbours are further away than `width` times itself is
        now spread over that interval. What a design for it loses is its error on the original
        measure (`predict`) over `best_errors` there.

    Raises
    ------
    ValueError
        If the width is not between 0 and 1.
    TypeError
        If `width` is no real number, or `points` is no integer.
    """
    part = positive("width", width)
    if part >= 1:
        raise ValueError(f"width must be below 1; got {width}")
    start = start_measure(source, degree=degree)
    nodes, weights = start.nodes, start.weights
    gaps = np.full(nodes.size + 1, np.inf)
    gaps[1:-1] = np.diff(nodes)
    alone = (np.minimum(gaps[:-1], gaps[1:]) > part * nodes) & (nodes > 0)
    if nodes.size > 1 and alone.all():  # a quadrature of few nodes: only what stands out is a point
        median = np.median(np.diff(nodes))
        alone &= np.minimum(gaps[:-1], gaps[1:]) > 4 * median
    angles = (np.arange(count("points", points)) + 0.5) * np.pi / points
    spread = 1 + part * np.cos(angles)
    new = np.concatenate([nodes[~alone], np.outer(nodes[alone], spread).ravel()])
    mass = np.concatenate([weights[~alone], np.repeat(weights[alone] / points, points)])
    order = np.argsort(new, kind="stable")
    return StartMeasure(new[order], mass[order], start.power, start.degree)


def _check(method: AverageCase, nodes: Real, shares: Real) -> None:
    """Compare the recurrence with the kernel polynomial, which is stable everywhere."""
    steps = method.step.size
    kernel = _kernel_polynomials(nodes, shares, steps)
    run = residual_polynomials(method, nodes, steps)[: kernel.shape[0]]
    off = np.abs(run - kernel) / np.maximum(1.0, np.abs(kernel))
    if not off.max() <= _AGREES:
        t, i = np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), off.shape)
        raise ConvergenceError(
            f"after {t} steps the recurrence is off by {off[t, i]:.1g} at the isolated curvature "
            f"{nodes[i]:.6g}: rounding grows there; widen such points (rmtland.optimizer.smeared), "
            "deflate them, or take fewer steps"
        )


def _kernel_polynomials(nodes: Real, shares: Real, steps: int) -> Real:
    """Kernel polynomials at 0 of a measure at its own nodes, by orthogonal projections.

    The best polynomial is 1 minus the projection of the constant on the span of lambda, ...,
    lambda^t in the objective's inner product: an Arnoldi basis of lambda times polynomials,
    orthogonalised twice, keeps it exact to rounding at every node relative to its weight.
    """
    root = np.sqrt(shares / shares.sum())
    scaled = nodes / nodes.max()
    basis: list[Real] = []
    values = [np.ones(nodes.size)]
    rest = root.copy()
    vector = scaled * root
    for _ in range(min(steps, nodes.size)):
        for _ in range(2):
            for other in basis:
                vector = vector - (other @ vector) * other
        size = float(np.linalg.norm(vector))
        if size < 1e-14 * np.sqrt(nodes.size):
            break
        basis.append(vector / size)
        rest = rest - (basis[-1] @ rest) * basis[-1]
        values.append(rest / root)
        vector = scaled * basis[-1]
    return np.array(values)
