"""The table of ensembles that every property is tested over, with exact moments at finite size.

A new ensemble is appended to `ENSEMBLES` with what is known exactly at any size n, derived apart
from the package: the mean of tr A / n and of tr A^2 / n, and the variance of tr A / n.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rmtland import Discrete, Uniform
from rmtland.ensembles import (
    DeformedWigner,
    Ensemble,
    GaussianEnsemble,
    HaarProduct,
    HaarSum,
    JacobiEnsemble,
    ReluBlock,
    ReluResidual,
    SampleCovariance,
    SpikedEnsemble,
    Wigner,
    WishartEnsemble,
)
from rmtland.models import WishartPlusReluBlock, WishartPlusWigner


class Moments(NamedTuple):
    """Mean of tr A / n, mean of tr A^2 / n and variance of tr A / n; None where not known."""

    mean: float
    second: float | None
    variance: float | None


class EnsembleCase(NamedTuple):
    """An ensemble, its moments at size n, and the rate of its Kolmogorov distance to the limit.

    The distance of one matrix of size n is to stay below bound * n^(-rate): eigenvalues are rigid,
    so that the rate is 1 (up to a root of log n), unless independent parts make up the spectrum.
    """

    name: str
    ensemble: Ensemble
    moments: Callable[[int], Moments]
    bound: float = 7.0
    rate: float = 1.0
    dense: bool = True


LEVELS = Discrete((-1.0, 2.0), (0.3, 0.7))
POSITIVE = Discrete((1.0, 4.0), (0.5, 0.5))
BOX = Uniform(0.5, 2.0)


def spectrum(law, n):
    """Quantiles (i + 1/2)/n, by the distribution function of a law with few atoms, or of a box."""
    q = (np.arange(n) + 0.5) / n
    if isinstance(law, Uniform):
        return law.low + (law.high - law.low) * q
    levels = np.cumsum(law.weights)
    return np.array(law.locations)[np.searchsorted(levels, q)]


def columns(n, phi):
    return max(1, round(n / phi))


def gaussian(beta, v):
    return lambda n: Moments(0.0, v * (1 + (2 / beta - 1) / n), 2 * v / (beta * n**2))


def wishart(phi, s, beta):
    def moments(n):
        q = columns(n, phi)
        second = s**2 * (1 + n / q + (2 / beta - 1) / q)
        return Moments(s, second, 2 * s**2 / (beta * n * q))

    return moments


def jacobi(phi1, phi2, beta):
    """By the Jack polynomials (1^2) and (2), whose means are products over their boxes."""

    def moments(n):
        p, k = columns(n, phi1), 2 / beta
        total = max(p + columns(n, phi2), n)
        anti = (n**2 - n) * p * (p - 1) / (total * (total - 1)) if total > 1 else 0.0
        symmetric = (n**2 + k * n) * p * (p + k) / (total * (total + k))
        powers = (symmetric - anti) / (1 + k)
        square = anti + powers
        return Moments(p / total, powers / n, square / n**2 - (p / total) ** 2)

    return moments


def haar_sum(a, b):
    def moments(n):
        x, y = spectrum(a, n), spectrum(b, n)
        second = np.mean(x**2) + np.mean(y**2) + 2 * x.mean() * y.mean()
        return Moments(x.mean() + y.mean(), second, 0.0)

    return moments


def haar_product(a, b, beta):
    def moments(n):
        x, y = spectrum(a, n), spectrum(b, n)
        spread = n**2 * x.var() * y.var() / n**2
        pairs = (n - 1) * (n + 2) / 2 if beta == 1 else n**2 - 1
        variance = spread / pairs if n > 1 else 0.0
        return Moments(x.mean() * y.mean(), None, variance)

    return moments


def deformed(law, v, beta):
    def moments(n):
        x, noise = spectrum(law, n), gaussian(beta, v)(n)
        return Moments(x.mean(), np.mean(x**2) + noise.second, noise.variance)

    return moments


def sample_covariance(law, phi, fourth):
    def moments(n):
        s, q = spectrum(law, n), columns(n, phi)
        squares = np.sum(s**2)
        second = squares * (1 + (fourth - 1) / q) + (s.sum() ** 2 - squares) / q
        return Moments(s.mean(), second / n, squares * (fourth - 1) / (q * n**2))

    return moments


def additive(bulk, spikes):
    def moments(n):
        plain, total = bulk(n), sum(spikes)
        second = plain.second + 2 * plain.mean * total / n + sum(t * t for t in spikes) / n
        return Moments(plain.mean + total / n, second, plain.variance)

    return moments


def multiplicative(bulk, spikes):
    return lambda n: Moments(
        bulk(n).mean * (1 + sum(spike - 1 for spike in spikes) / n), None, None
    )


def synthetic(phi, epsilon, sigma, *, block):
    def moments(n):
        base = wishart(phi, sigma, 1)(n)
        if block:
            rows, k = n // 2, max(1, round(n / (2 * phi)))
            residual = epsilon * rows * (n - rows) / (k * n)
            return Moments(sigma, base.second + residual, base.variance)
        noise = gaussian(1, 2 * epsilon)(n)
        return Moments(sigma, base.second + noise.second, base.variance + noise.variance)

    return moments


def relu_block(phi, epsilon):
    def moments(n):
        rows, k = n // 2, max(1, round(n / (2 * phi)))
        return Moments(0.0, epsilon * rows * (n - rows) / (k * n), 0.0)

    return moments


def relu(phi, epsilon):
    def moments(n):
        inputs, hidden, outputs = ReluResidual(phi, epsilon).widths(n)
        m = max(1, round((inputs + outputs) / phi))
        assert hidden * (inputs + outputs) == n
        return Moments(0.0, 2 * hidden * inputs * outputs * epsilon / (m * n), 0.0)

    return moments


def case(name, ensemble, moments, **options):
    return EnsembleCase(name, ensemble, moments, **options)


ENSEMBLES: list[EnsembleCase] = [
    case("GOE", GaussianEnsemble(1, 1.7), gaussian(1, 1.7)),
    case("GUE", GaussianEnsemble(2, 0.3), gaussian(2, 0.3)),
    case("GSE", GaussianEnsemble(4, 1.7), gaussian(4, 1.7)),
    case("Gaussian, beta 0.3", GaussianEnsemble(0.3), gaussian(0.3, 1.0), bound=12, dense=False),
    case("Gaussian, beta 7.5", GaussianEnsemble(7.5), gaussian(7.5, 1.0), dense=False),
    case("LOE", WishartEnsemble(0.4, 0.7), wishart(0.4, 0.7, 1)),
    case("LUE, square", WishartEnsemble(1.0, 0.7, 2), wishart(1.0, 0.7, 2)),
    case("LSE", WishartEnsemble(0.7, 1.0, 4), wishart(0.7, 1.0, 4)),
    case("LOE, null space", WishartEnsemble(3.0, 2.0), wishart(3.0, 2.0, 1)),
    case("Laguerre, beta 2.5", WishartEnsemble(2.0, 2.0, 2.5), wishart(2.0, 2.0, 2.5), dense=False),
    case("Jacobi", JacobiEnsemble(0.5, 0.4), jacobi(0.5, 0.4, 1)),
    case("Jacobi, unitary, zeros", JacobiEnsemble(2.0, 0.7, 2), jacobi(2.0, 0.7, 2)),
    case("Jacobi, symplectic, ones", JacobiEnsemble(0.6, 3.0, 4), jacobi(0.6, 3.0, 4)),
    case("Jacobi, zeros and ones", JacobiEnsemble(1.5, 1.7), jacobi(1.5, 1.7, 1)),
    case("Jacobi, projection", JacobiEnsemble(4.0, 3.0), jacobi(4.0, 3.0, 1)),
    case(
        "Jacobi, beta 0.7",
        JacobiEnsemble(0.6, 0.8, 0.7),
        jacobi(0.6, 0.8, 0.7),
        bound=9,
        dense=False,
    ),
    case("Haar sum", HaarSum(LEVELS, BOX), haar_sum(LEVELS, BOX)),
    case("Haar sum, unitary", HaarSum(LEVELS, POSITIVE, beta=2), haar_sum(LEVELS, POSITIVE)),
    case("Haar product", HaarProduct(POSITIVE, BOX), haar_product(POSITIVE, BOX, 1)),
    case(
        "Haar product, unitary",
        HaarProduct(POSITIVE, POSITIVE, beta=2),
        haar_product(POSITIVE, POSITIVE, 2),
    ),
    case("discrete plus noise", DeformedWigner(LEVELS, 0.2), deformed(LEVELS, 0.2, 1)),
    case("box plus quaternion noise", DeformedWigner(BOX, 0.2, beta=4), deformed(BOX, 0.2, 4)),
    case("box plus complex noise", DeformedWigner(BOX, 0.2, beta=2), deformed(BOX, 0.2, 2)),
    case("general Wishart", SampleCovariance(POSITIVE, 0.4), sample_covariance(POSITIVE, 0.4, 3.0)),
    case(
        "sign samples",
        SampleCovariance(1.5, 2.0, "sign"),
        sample_covariance(Discrete((1.5,), (1.0,)), 2.0, 1.0),
    ),
    case(
        "student samples",
        SampleCovariance(POSITIVE, 0.5, "student", 9.0),
        sample_covariance(POSITIVE, 0.5, 3 * 7 / 5),
    ),
    case("Wigner, normal", Wigner(0.5), gaussian(1, 0.5)),
    case("Wigner, sign", Wigner(0.5, "sign"), gaussian(1, 0.5)),
    case("Wigner, uniform", Wigner(0.5, "uniform"), gaussian(1, 0.5)),
    case("Wigner, student", Wigner(0.5, "student", 9.0), gaussian(1, 0.5)),
    case("spiked GOE", SpikedEnsemble(GaussianEnsemble(), (2.0,)), additive(gaussian(1, 1.0), [2])),
    case(
        "spiked Wishart",
        SpikedEnsemble(WishartEnsemble(0.5), (6.0,), "multiplicative"),
        multiplicative(wishart(0.5, 1.0, 1), [6.0]),
    ),
    case(
        "Wishart + Wigner", WishartPlusWigner(0.5, 0.3, 0.7), synthetic(0.5, 0.3, 0.7, block=False)
    ),
    case(
        "Wishart + Wigner, phi 2",
        WishartPlusWigner(2.0, 0.1),
        synthetic(2.0, 0.1, 1.0, block=False),
    ),
    case(
        "Wishart + ReLU block",
        WishartPlusReluBlock(0.5, 0.3, 0.7),
        synthetic(0.5, 0.3, 0.7, block=True),
    ),
    case(
        "Wishart + ReLU block, atom",
        WishartPlusReluBlock(4.0, 0.3),
        synthetic(4.0, 0.3, 1.0, block=True),
    ),
    case("ReLU block", ReluBlock(0.7, 0.3), relu_block(0.7, 0.3)),
    # The blocks have size sqrt(n), and their error is that of such matrices.
    case("ReLU residual", ReluResidual(0.5, 2.0), relu(0.5, 2.0), bound=1.2, rate=0.5),
    case("ReLU residual, atom", ReluResidual(3.0, 2.0), relu(3.0, 2.0), bound=1.6, rate=0.5),
]


def kolmogorov(nodes, law):
    """Largest distance of the empirical distribution function of sorted nodes from that of a law.

    Both step at the same place where a node lies on an atom up to rounding.
    """
    nodes = np.sort(np.asarray(nodes, dtype=float), axis=None)
    for place, _ in law.atoms:
        nodes[np.abs(nodes - place) < 1e-9] = place
    size, cdf = nodes.size, law.cdf(nodes)
    before = cdf - sum(mass * (nodes == place) for place, mass in law.atoms)
    upper = np.searchsorted(nodes, nodes, side="right") / size
    lower = np.searchsorted(nodes, nodes, side="left") / size
    return max(np.abs(upper - cdf).max(), np.abs(lower - before).max())


def standard_error(values):
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def check_moments(case, n, **where):
    """5 standard errors, of a variance by the fourth moment: significance 6e-7 each."""
    exact = case.moments(n)
    nodes = case.ensemble.sample(n, rng=n, runs=1000, **where).nodes
    traces, squares = nodes.mean(axis=1), (nodes**2).mean(axis=1)
    slack = 1e-12 * (1 + abs(exact.mean))
    assert abs(traces.mean() - exact.mean) < 5 * standard_error(traces) + slack
    if exact.second is not None:
        assert abs(squares.mean() - exact.second) < 5 * standard_error(squares) + 1e-12
    if exact.variance is not None:
        deviations = (traces - exact.mean) ** 2
        assert abs(deviations.mean() - exact.variance) < 5 * standard_error(deviations) + 1e-15


def check_scale(family, exponent):
    """Squares of the entries leave double precision long before the entries do."""
    power = exponent // 2 if family is GaussianEnsemble else exponent
    given = {"beta": 2.0} if family is GaussianEnsemble else {"aspect_ratio": 2.0, "beta": 2.0}
    plain, scaled = family(**given), family(**given, variance=2.0**exponent)
    n, runs, unit, edges = 300, 2, 2.0**power, np.linspace(0, 3, 8)
    nodes = plain.sample(n, rng=4, runs=runs).nodes
    found = scaled.sample(n, rng=4, runs=runs).nodes
    np.testing.assert_allclose(found / unit, nodes, rtol=0, atol=1e-13 * nodes.max())
    counts = plain.histogram(n, edges, rng=4, runs=runs)
    np.testing.assert_array_equal(scaled.histogram(n, unit * edges, rng=4, runs=runs), counts)
    zeros = [-math.inf, 0.0, 5e-324, math.inf]
    known = sum(number for _, number in plain._known(n))
    assert scaled.histogram(n, zeros, rng=4, runs=runs)[1] == runs * known
    for edge in ("upper", "lower"):
        values = plain.extremes(n, 3, edge=edge, rng=4, runs=runs)
        found = scaled.extremes(n, 3, edge=edge, rng=4, runs=runs)
        np.testing.assert_allclose(found / unit, values, rtol=0, atol=1e-15)
