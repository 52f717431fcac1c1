"""The matrix Dyson equation, against cubic and quartic equations, free sums and random matrices."""

import math

import mpmath
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from law_table import decades, exact_roots
from scipy.integrate import quad

from rmtland import (
    MarchenkoPastur,
    Semicircle,
    WishartPlusReluBlock,
    WishartPlusWigner,
    free_sum,
    law_of_polynomial,
)
from rmtland.free.operator_valued.kronecker import kronecker_covariance
from rmtland.free.operator_valued.matrix_dyson import MatrixDyson
from rmtland.free.operator_valued.matrix_dyson_law import (
    MatrixDysonLaw,
    block_gaussian,
    kronecker_gaussian,
)
from rmtland.laws import Discrete, mixture
from rmtland.solution import ConvergenceError


def three_by_three(epsilon):
    """Wishart (ratio 1/2) + Wigner: X = [X1 X2] of square blocks, [[z - W, X], [X^T, 1]]."""
    unit = np.eye(3)
    wigner = math.sqrt(2 * epsilon) * np.outer(unit[0], unit[0])
    wishart = [math.sqrt(0.5) * np.outer(unit[0], unit[j]) for j in (1, 2)]
    covariance = kronecker_covariance([wigner, *wishart])
    return MatrixDyson([0.0, -1.0, -1.0], covariance, pencil=[1.0, 0.0, 0.0])


def two_blocks(phi, epsilon):
    """The same of any ratio: blocks of sizes 1 and 1/phi, all entries independent."""
    variances = [[2 * epsilon, 1.0], [phi, 0.0]]
    return MatrixDyson([0.0, -1.0], variances, pencil=[1.0, 0.0], weights=[1.0, 1 / phi])


def relu_blocks(phi, epsilon, sigma):
    """Wishart (2n x m) + [[0, B], [B^T, 0]], B = E X^T of m/2 samples, as PB17 section 4.3.

    Rows: both halves of the parameters, the two factors of B, the samples of the Wishart part.
    phi = 2n/m, all sizes over m.
    """
    n, half = phi / 2, 0.5
    mean = np.zeros((5, 5))
    mean[2, 3] = mean[3, 2] = -1.0
    mean[4, 4] = -1.0
    variances = np.zeros((5, 5))
    variances[0, 2] = variances[1, 3] = math.sqrt(2 * epsilon)  # residuals times data
    variances[0, 4] = variances[1, 4] = sigma
    variances = variances + variances.T
    sizes = np.array([n, n, half, half, 1.0])
    return MatrixDyson(mean, variances * sizes, pencil=[1.0, 1.0, 0, 0, 0], weights=sizes)


def inside(law, number=15):
    return np.concatenate([np.linspace(*band, number + 2)[1:-1] for band in law.support])


def mass(law):
    def integrand(t, low, high):
        return law.pdf(low + (high - low) * math.sin(t / 2) ** 2) * (high - low) / 2 * math.sin(t)

    bands = [quad(integrand, 0, math.pi, args=band, limit=200)[0] for band in law.support]
    return sum(bands) + sum(weight for _, weight in law.atoms)


# Against closed forms ----------------------------------------------------------------------------


def test_three_by_three_linearisation_solves_the_cubic():
    law = free_sum(MarchenkoPastur(0.5), Semicircle(0.6))
    x = np.linspace(-2.0, 5.0, 501)
    solution = three_by_three(0.3).solve(x)
    error = np.abs(solution.value[:, 0, 0] - law.stieltjes(x))
    assert error.max() < 1e-12
    assert (error <= solution.error + 1e-15).all()
    assert len(three_by_three(0.3).coordinates[0]) == 2


@examples(25)
@given(decades(1e-2, 1e2), decades(1e-4, 1e2))
def test_wishart_plus_wigner_of_any_parameters(phi, epsilon):
    exact = WishartPlusWigner(phi, epsilon).law
    law = MatrixDysonLaw(two_blocks(phi, epsilon))
    scale = max(abs(end) for band in exact.support for end in band)
    assert np.array(law.support) == pytest.approx(np.array(exact.support), abs=1e-11 * scale)
    assert law.atoms == ()
    x = inside(exact)
    peak = exact.pdf(x).max()
    assert law.pdf(x) == pytest.approx(exact.pdf(x), abs=1e-9 * peak, rel=1e-8)
    assert law.cdf(x) == pytest.approx(exact.cdf(x), abs=1e-10)


@pytest.mark.parametrize(
    ("phi", "epsilon", "sigma"), [(0.3, 0.5, 1.0), (0.8, 0.02, 1.7), (1.5, 2, 1)]
)
def test_relu_block_from_its_structure(phi, epsilon, sigma):
    exact = WishartPlusReluBlock(phi, epsilon, sigma).law
    law = MatrixDysonLaw(relu_blocks(phi, epsilon, sigma))
    x = inside(exact)
    assert law.pdf(x) == pytest.approx(exact.pdf(x), abs=1e-10)
    assert law.cdf(x) == pytest.approx(exact.cdf(x), abs=1e-11)
    assert np.array(law.support) == pytest.approx(np.array(exact.support), abs=1e-11)
    assert [law.moment(k) for k in range(5)] == pytest.approx(
        [exact.moment(k) for k in range(5)], rel=1e-11
    )


def test_one_block_is_the_semicircle():
    law = block_gaussian([2.0, 1.0, 4.0], np.ones((3, 3)), mean=[0.7, 0.7, 0.7])
    exact = Semicircle(1.0, center=0.7)
    x = np.linspace(-3, 4, 57)
    assert law.pdf(x) == pytest.approx(exact.pdf(x), abs=1e-7)
    assert law.cdf(x) == pytest.approx(exact.cdf(x), abs=1e-12)
    assert law.support[0] == pytest.approx(exact.support[0], abs=1e-13)


def test_singular_values_of_a_rectangle_and_its_atom():
    law = block_gaussian([1.0, 3.0], [[0.0, 4.0], [4.0, 0.0]])
    # Squares are 4/3 of the eigenvalues 3 (1 +- 1/sqrt 3)^2 of X X^T.
    ends = [math.sqrt(3) - 1, math.sqrt(3) + 1]
    assert law.atoms[0] == pytest.approx((0.0, 0.5), abs=1e-12)
    assert law.support[1] == pytest.approx(ends, abs=1e-13)
    assert mass(law) == pytest.approx(1.0, abs=1e-10)


def test_both_kinds_of_covariance_agree():
    profile = np.array([[1.0, 0.4, 0.0], [0.4, 0.2, 0.9], [0.0, 0.9, 0.5]])
    unit = np.eye(3)
    coefficients = [math.sqrt(profile[i, i] / 3) * np.outer(unit[i], unit[i]) for i in range(3)]
    coefficients += [
        math.sqrt(profile[i, j] / 3) * np.outer(unit[i], unit[j]) for i, j in [(0, 1), (1, 2)]
    ]
    blocks = block_gaussian([1, 1, 1], profile, mean=[-1.0, 0.0, 2.0])
    kronecker = kronecker_gaussian(coefficients, mean=np.diag([-1.0, 0.0, 2.0]))
    x = inside(blocks)
    assert kronecker.pdf(x) == pytest.approx(blocks.pdf(x), abs=1e-12)
    assert np.array(kronecker.support) == pytest.approx(np.array(blocks.support), abs=1e-12)


# Against random matrices -------------------------------------------------------------------------


def kolmogorov(law, eigenvalues):
    nodes = np.sort(eigenvalues)
    levels = law.cdf(nodes)
    steps = np.arange(nodes.size + 1) / nodes.size
    return max(np.abs(levels - steps[1:]).max(), np.abs(levels - steps[:-1]).max())


def test_kronecker_sum_is_the_limit_of_its_matrices():
    rng = np.random.default_rng(4)
    n = 250
    wigner = rng.normal(size=(n, n))
    wigner = (wigner + wigner.T) / math.sqrt(2 * n)
    circular = rng.normal(size=(n, n)) / math.sqrt(n)
    c, d = np.array([[1.0, 0.5], [0.5, -1.0]]), np.array([[0.3, 1.0], [0.0, 0.2]])
    mean = np.array([[2.0, 1.0], [1.0, -1.0]])
    matrix = np.kron(mean, np.eye(n)) + np.kron(c, wigner)
    matrix += np.kron(d, circular) + np.kron(d, circular).T
    law = kronecker_gaussian([c, d], mean=mean)
    assert kolmogorov(law, np.linalg.eigvalsh(matrix)) < 0.01
    assert law.mean() == pytest.approx(0.5)
    assert law.var() == pytest.approx(np.trace(matrix @ matrix) / (2 * n) - 0.25, rel=0.03)


def test_band_matrix():
    rng = np.random.default_rng(5)
    k, n = 20, 30
    distance = np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
    variances = np.where(distance < 5, 1.0 + np.arange(k)[:, None] * np.arange(k) / 50, 0.0)
    law = block_gaussian(np.ones(k), variances)
    matrix = rng.normal(size=(k * n, k * n)) * np.sqrt(
        np.kron(variances, np.ones((n, n))) / (k * n)
    )
    matrix = np.triu(matrix) + np.triu(matrix, 1).T
    assert kolmogorov(law, np.linalg.eigvalsh(matrix)) < 0.01
    assert mass(law) == pytest.approx(1.0, abs=1e-8)


# Any equation ------------------------------------------------------------------------------------


@st.composite
def equations(draw):
    """Kronecker sums with complex Hermitian means, one to three terms, sizes one to four."""
    k = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def matrix():
        return rng.normal(size=(k, k)) + 1j * rng.normal(size=(k, k))

    terms = []
    for _ in range(draw(st.integers(1, 3))):
        c = matrix() * draw(decades(0.05, 2.0))
        terms.append(c + c.conj().T if draw(st.booleans()) else c)
    mean = matrix() * draw(st.sampled_from([0.0, 1.0, 5.0]))
    return MatrixDyson(mean + mean.conj().T, kronecker_covariance(terms))


@examples(25)
@given(equations())
def test_solution_solves_the_equation_on_the_physical_sheet(equation):
    z = equation.scale * np.array([0.3 + 0.5j, -0.2 + 1e-3j, 0.1, -0.4, 1.5, -2.0])
    solution = equation.solve(z, throw=False)
    fine = np.isfinite(solution.error)
    m = solution.value[fine]
    assert fine[:2].all()
    assert fine[4:].all()
    inverse = z[fine, None, None] * np.eye(equation.size) - equation.mean_matrix
    defect = m @ (inverse - equation.self_energy(m)) - np.eye(equation.size)
    assert np.abs(defect).max() < 1e-9
    imaginary = (m - m.conj().swapaxes(1, 2)) / 2j
    assert (np.linalg.eigvalsh(imaginary)[:, -1] <= 1e-8 * np.abs(m).max(axis=(1, 2))).all()
    assert (solution.residual[fine] < 1e-11).all()


@examples(8)
@given(equations())
def test_law_of_any_equation(equation):
    law = MatrixDysonLaw(equation)
    total = sum(share for _, share in law.atoms)
    for low, high in law.support:
        total += law.cdf(high) - law.cdf(low) - sum(w for a, w in law.atoms if low < a <= high)
    assert total == pytest.approx(1.0, abs=1e-6)
    for low, high in law.support:
        x = low + (high - low) * np.array([0.21, 0.43, 0.9])  # 1/2 may be a cusp
        step = 1e-6 * (high - low)
        rise = (law.cdf(x + step) - law.cdf(x - step)) / (2 * step)
        assert rise == pytest.approx(law.pdf(x), rel=1e-3, abs=1e-8 / step)
    z = equation.scale * np.array([0.2 + 0.3j, -0.5 + 0.1j])
    step = 1e-5 * equation.scale
    slope = (law.log_potential(z + step) - law.log_potential(z - step)) / (2 * step)
    assert slope == pytest.approx(law.stieltjes(z), rel=1e-7)
    assert law.log_potential(1e4j * equation.scale) == pytest.approx(
        np.log(1e4j * equation.scale - law.mean()), abs=1e-7
    )


def kronecker_sum(seed):
    rng = np.random.default_rng([77, seed])
    k = int(rng.integers(1, 5))

    def matrix():
        return rng.normal(size=(k, k)) + 1j * rng.normal(size=(k, k))

    terms = []
    for _ in range(rng.integers(1, 4)):
        c = matrix() * np.exp(rng.uniform(np.log(0.05), np.log(2)))
        terms.append(c + c.conj().T if rng.random() < 0.5 else c)
    mean = matrix() * rng.choice([0.0, 1.0, 5.0])
    return MatrixDyson(mean + mean.conj().T, kronecker_covariance(terms))


@pytest.mark.parametrize(
    "seed",
    [58, 93, 214, 546, 551],  # the last one has such points inside a band
)
def test_unbounded_densities_beside_edges_and_inside(seed):
    law = MatrixDysonLaw(kronecker_sum(seed))
    radius = max(abs(end) for end in law.hull)
    hard = [(edge.place, -edge.side) for edge in law._search.hard_edges]
    inner = [(point.place, side) for point in law._inner.points for side in (-1.0, 1.0)]
    assert hard
    assert bool(inner) == (seed == 551)
    d = radius * np.geomspace(1e-12, 1e-4, 33)
    for place, inward in hard + inner:
        x = place + inward * d
        density, below = law.pdf(x), law.cdf(x)
        start = law.cdf(place)
        assert np.isinf(law.pdf(place))
        # No step where the series takes over, and the distribution function is the integral:
        # u = sqrt(d) is smooth, Simpson's rule with the middle in u
        u = np.sqrt(d)
        middle = law.pdf(place + inward * ((u[1:] + u[:-1]) / 2) ** 2) * (u[1:] + u[:-1]) / 2
        values = density * u
        gain = (u[1:] - u[:-1]) / 3 * (values[1:] + values[:-1] + 4 * middle)
        assert inward * np.diff(below) == pytest.approx(gain, rel=1e-6, abs=1e-8)
        assert inward * (below[0] - start) == pytest.approx(2 * values[0] * u[0], abs=1e-8)


def test_compiled_steps_solve_the_plain_system():
    for equation in (three_by_three(0.2), two_blocks(0.7, 0.2), relu_blocks(0.5, 0.3, 1.0)):
        z = np.array([0.4 + 0.0j, -0.2 + 0.3j, 9.0])
        u, m, accepted, _, _ = equation.solutions(z)
        system = equation.system(z, u)
        assert accepted.all()
        assert np.abs(system.defect).max() < 1e-13
        assert m == pytest.approx(system.matrices, rel=1e-12, abs=1e-12)
        shift = 1e-6 * np.eye(u.shape[1])[0]
        difference = equation.system(z, u + shift).defect - equation.system(z, u - shift).defect
        assert difference / 2e-6 == pytest.approx(system.jacobian[:, :, 0], abs=1e-6)
        moved = equation.system(z + 1e-6, u).defect - equation.system(z - 1e-6, u).defect
        assert moved / 2e-6 == pytest.approx(-system.slope, abs=1e-6)


def two_point_cubic(a, x):
    """(density, distribution function) of +-a in equal parts + the semicircle of variance 1.

    w = x - G solves w^3 - x w^2 + (1 - a^2) w + x a^2 = 0.
    """
    with mpmath.workdps(50):
        a, x = mpmath.mpf(a), mpmath.mpf(x)
        roots = exact_roots([1, -x, 1 - a**2, x * a**2])
        w = max(roots, key=mpmath.im)
        potential = (mpmath.log(w - a) + mpmath.log(w + a)) / 2 + (x - w) ** 2 / 2
        return float(mpmath.im(w) / mpmath.pi), float(1 - mpmath.im(potential) / mpmath.pi)


def inner_edge(a):
    """Edge of the gap of the same law for a > 1: a critical value of w + w/(w^2 - a^2)."""
    with mpmath.workdps(50):
        a = mpmath.mpf(a)
        squares = exact_roots([1, -2 * a**2 - 1, a**4 - a**2])
        w = mpmath.sqrt(min(squares, key=mpmath.re))
        return abs(float(w + w / (w**2 - a**2)))


@pytest.mark.parametrize("step", [0.0, -1e-3, -1e-6, -1e-9, 1e-3, 1e-5, 1e-6, 1e-10])
def test_cusp_between_two_bands(step):
    a = 1 + step
    law = MatrixDysonLaw(MatrixDyson([a, -a], np.full((2, 2), 0.5)))
    gap = inner_edge(a) if step > 0 else 0.0
    if gap > 1e-11:
        assert len(law.support) == 2
        assert [law.support[0][1], law.support[1][0]] == pytest.approx(
            [-gap, gap], abs=1e-13 + gap / 50
        )
    else:  # no gap, or one below rounding
        assert len(law.support) == 1
    d = np.geomspace(1e-9, 1, 10)
    x = np.concatenate([-d, d])
    x = x[np.abs(x) > 1.05 * gap]
    exact = np.array([two_point_cubic(a, value) for value in x]).T
    # At distance d the equation is cubic: rounding e moves the density by e d^(-2/3)
    assert law.pdf(x) == pytest.approx(exact[0], rel=1e-7, abs=1e-8)
    assert law.cdf(x) == pytest.approx(exact[1], abs=1e-13)
    solution = law.solve(x)
    density = -solution.value.imag / math.pi
    assert (np.abs(density - exact[0]) <= solution.error).all()
    assert np.median(solution.error) < 1e-9
    if step == 0:
        # density = 3^(1/2) / (2 pi) x^(1/3) at the cusp
        assert law.pdf(1e-6) == pytest.approx(math.sqrt(3) / (2 * math.pi) * 1e-2, rel=1e-3)


def test_coordinates_are_hermitian_and_no_more_than_there_are():
    # c (x) Y + its adjoint around a large mean: directions of very different size
    rng = np.random.default_rng(67)
    for k in (3, 5, 7):
        mean = rng.normal(size=(k, k)) + 1j * rng.normal(size=(k, k))
        c = rng.normal(size=(k, k)) * 10.0 ** rng.uniform(-6, 1, k)
        equation = MatrixDyson(5 * (mean + mean.conj().T), kronecker_covariance([c]))
        basis, _ = equation.coordinates
        assert len(basis) <= k * k
        assert np.abs(basis - basis.conj().swapaxes(1, 2)).max() < 1e-15


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("seed", range(20))
def test_seeded_equations_of_all_kinds(seed):
    law, size = seeded_equation(seed)
    law = MatrixDysonLaw(law)
    total = sum(share for _, share in law.atoms)
    for low, high in law.support:
        width = high - low
        inner = sum(share for place, share in law.atoms if low <= place <= high)
        gain = law.cdf(high) - law.mass_below(low) - inner
        total += gain
        beside = np.array([low - 1e-5 * width, high + 1e-5 * width])
        apart = [
            min(abs(e - f) for band in law.support for f in band if f != e) > 2e-5 * width
            for e in (low, high)
        ]
        assert (law.pdf(beside)[apart] <= 1e-6 * gain / width).all()
        assert (law.pdf([low + 1e-5 * width, high - 1e-5 * width]) > 0).all()
        levels = law.cdf(low + width * np.linspace(-0.05, 1.05, 101))
        assert np.diff(levels).min() >= -1e-11
        # Midpoints in the variable in which edges are smooth
        t = np.pi * (np.arange(400) + 0.5) / 400
        density = law.pdf(low + width * np.sin(t / 2) ** 2)
        mass_by_quadrature = np.sum(density * width / 2 * np.sin(t)) * np.pi / 400
        assert mass_by_quadrature == pytest.approx(gain, abs=3e-3)
    assert total == pytest.approx(1.0, abs=1e-8)
    assert max(abs(law.ppf([0.0, 1.0]))) <= law.equation.scale * (1 + 1e-9)
    assert law.equation.scale < 100 * size * (1 + law.equation.size)


def seeded_equation(seed):
    """Full and sparse variances, Hermitian means, low ranks, nearly decoupled blocks."""
    rng = np.random.default_rng(500 + seed)
    kind, k = seed % 5, int(rng.integers(1, 7 if seed % 5 < 2 else 5))
    size = 10.0 ** rng.uniform(-6, 6) if seed % 2 else 1.0

    def matrix():
        return rng.normal(size=(k, k)) + 1j * rng.normal(size=(k, k)) * (seed % 2)

    if kind in (0, 1, 4):
        variances = rng.random((k, k)) * (rng.random((k, k)) < 0.5 if kind == 1 else 1.0)
        if kind == 4:
            variances = np.diag(rng.random(k) + 0.1) / k + 10.0 ** rng.uniform(-8, -2)
        weights = rng.integers(1, 4, k) / 1.0
        weights /= weights.sum()
        mean = rng.integers(-1, 2, k) * (1.0 if kind == 1 else 3.0)
        variances = (variances + variances.T) * weights * size**2
        return MatrixDyson(mean * size, variances, weights=weights), size
    mean = matrix() * (5.0 if kind == 2 else 1.0)
    if kind == 2:
        terms = [size * matrix() * 10.0 ** rng.uniform(-2, 0)]
    else:
        c = matrix()[0]
        terms = [size * np.outer(c, c.conj())]
    return MatrixDyson(size * (mean + mean.conj().T), kronecker_covariance(terms)), size


# Atoms -------------------------------------------------------------------------------------------


def test_matrix_without_noise():
    law = kronecker_gaussian([np.zeros((2, 2))], mean=np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert law.support == ()
    assert np.array(law.atoms) == pytest.approx(np.array([[-1.0, 0.5], [3.0, 0.5]]), abs=1e-10)
    assert law.cdf([-2.0, 0.0, 4.0]) == pytest.approx([0.0, 0.5, 1.0], abs=1e-12)


def test_atom_inside_a_band():
    law = block_gaussian([3.0, 1.0], [[4 / 3, 0.0], [0.0, 0.0]])
    exact = mixture([Semicircle(1.0), Discrete((0.0,), (1.0,))], [0.75, 0.25])
    assert law.atoms == (pytest.approx((0.0, 0.25), abs=1e-9),)
    x = np.array([-1.3, -0.1, 0.0, 0.4, 1.9])
    assert law.cdf(x) == pytest.approx(exact.cdf(x), abs=1e-10)
    assert law.pdf(x) == pytest.approx(exact.pdf(x), abs=1e-10)


def test_singular_values_of_a_narrow_rectangle():
    """The equation at a small height was off by four fifths of the mass of the bands."""
    share = 3e-8
    law = block_gaussian([share, 1.0], [[0.0, 1.0], [1.0, 0.0]])
    assert law.atoms == ((0.0, pytest.approx((1 - share) / (1 + share), abs=4e-16)),)
    assert law.cdf(0.5) == pytest.approx(1 / (1 + share), abs=1e-13)
    spread = 2 * share**0.5 / (1 + share)  # singular values of a matrix whose ratio is `share`
    high = np.sqrt(1 + spread)
    assert law.support[1][1] == pytest.approx(high, rel=1e-12)


def test_unsolved_points_say_so():
    law = block_gaussian([1.0, 3.0], [[0.0, 4.0], [4.0, 0.0]])
    solution = law.solve([0.0, 1.0], throw=False)
    assert not solution.converged
    assert np.isinf(solution.error[0])
    with pytest.raises(ConvergenceError, match="atom"):
        law.equation.solve(0.0)


# Arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": [[0.0, 1.0], [2.0, 0.0]]}, "Hermitian"),
        ({"mean": np.zeros((2, 3))}, "square"),
        ({"mean": [np.nan, 0.0]}, "finite"),
        ({"covariance": [[1.0, -1.0], [-1.0, 1.0]]}, ">= 0"),
        ({"covariance": np.ones((3, 3))}, "shape"),
        ({"covariance": [[1.0, 2.0], [1.0, 1.0]]}, "mirror image"),
        ({"covariance": lambda m: m @ np.array([[0.0, 1.0], [0.0, 0.0]])}, "not symmetric"),
        ({"pencil": [1.0, -1.0]}, "semi-definite"),
        ({"pencil": [1.0, 1.0, 1.0]}, "size of the mean"),
        ({"weights": [1.0, 0.0]}, "positive"),
    ],
)
def test_arguments_are_checked(arguments, message):
    good = {"mean": [0.0, 1.0], "covariance": np.ones((2, 2))}
    with pytest.raises(ValueError, match=message):
        MatrixDyson(**{**good, **arguments})


def test_blocks_are_checked():
    with pytest.raises(ValueError, match="one row a block"):
        block_gaussian([1.0, 2.0], np.ones((3, 3)))
    with pytest.raises(ValueError, match="symmetric"):
        block_gaussian([1.0, 2.0], [[1.0, 2.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match="at least one"):
        kronecker_gaussian([])
    with pytest.raises(ValueError, match="square"):
        kronecker_gaussian([np.ones((2, 3))])
    for wrong, options, words in (
        ([np.zeros((0, 0))], {}, r"square matrix; got shape \(0, 0\)"),
        ([np.eye(2), np.eye(3)], {}, "all coefficients must have one shape"),
        ([np.eye(2)], {"mean": np.eye(3)}, r"mean must have shape \(2, 2\), as a coefficient"),
        ([1e200 * np.eye(2)], {}, r"squares that floats hold; got one of 1e\+200"),
        ([1e-200 * np.eye(2)], {}, "squares that floats hold; got one of 1e-200"),
    ):
        with pytest.raises(ValueError, match=words):
            kronecker_gaussian(wrong, **options)
    with pytest.raises(TypeError, match="coefficients must be a list or a tuple; got 5"):
        kronecker_gaussian(5)
    with pytest.raises(ValueError, match=r"a share of at least 1e-08 .* got one of 1e-09"):
        block_gaussian([1e-9, 1.0], np.ones((2, 2)))


@pytest.mark.parametrize("route", ["gaussian", "subordination"])
def test_a_level_that_other_points_contradict_is_refused(route, monkeypatch):
    law = law_of_polynomial(
        lambda x, y: x * y + y * x, x=Semicircle(), y=Semicircle(0.5, 1.0), method=route
    )
    right = law.cdf([-0.3, 0.4])
    potential = type(law.equation).log_potential

    def shifted(self, z, u):
        value = potential(self, z, u)
        return np.where(np.abs(z - 0.4) < 1e-2, value + 0.2j, value)

    monkeypatch.setattr(type(law.equation), "log_potential", shifted)
    assert law.cdf(-0.3) == right[0]
    for asked in (law.cdf, law.mass_below, lambda x: law.ppf(right[1])):
        with pytest.raises(ConvergenceError, match="lies between"):
            asked(0.4)


def test_an_interrupted_search_forgets_who_asked_for_progress():
    law = block_gaussian([1.0, 1.0], [[1.0, 0.0], [0.0, 0.0]], mean=[0.0, 2.5])

    def stop(stage, share, seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        law.prepare(stop)
    assert law.atoms == ((2.5, 0.5),)


def test_density_unbounded_like_the_power_minus_one_third():
    # g_2 (z - g_2)^2 = z and g_1 = 1/(z - g_2) for [[0, B], [B^T, C]] with independent entries
    law = block_gaussian([1.0, 1.0], [[0.0, 2.0], [2.0, 2.0]])

    def density(x):
        roots = np.roots([1.0, -2 * x, x * x, -x])
        second = roots[np.argmin(roots.imag)]
        return float(-(1 / (x - second) + second).imag / (2 * np.pi))

    assert law.support[0] == pytest.approx((-1.5 * math.sqrt(3), 1.5 * math.sqrt(3)), rel=1e-12)
    x = np.array([-1e-3, 1e-6, 1e-9, -1e-12, 1e-30, 0.7])
    assert law.pdf(x) == pytest.approx([density(t) for t in x], rel=1e-8)
    assert law.pdf(0.0) == math.inf
    for t in (1e-12, 1e-9, 1e-5, 1e-3, 0.5):
        mass = quad(lambda s: density(s**3) * 3 * s * s, 1e-30, t ** (1 / 3), epsabs=1e-13)[0]
        assert law.cdf(t) - law.cdf(0.0) == pytest.approx(mass, abs=1e-12)
        assert law.cdf(0.0) - law.cdf(-t) == pytest.approx(mass, abs=1e-12)


@pytest.mark.parametrize("in_band", [False, True])
def test_g_beside_an_atom_keeps_its_digits(in_band):
    # the equation for the whole matrix was off by a seventh of it at a height of 1e-15
    t = np.array([1e-15j, 1e-12 + 1e-12j, -1e-9 + 1e-13j, 1e-4j])
    if in_band:
        law = kronecker_gaussian([np.diag([1.0, 0.0])], mean=np.diag([0.0, 1.0]))
        place, mass, rest = 1.0, 0.5, Semicircle()
        z = place + t
        t = z - place
    else:  # the null vector of v in the plane of the first two is an atom, all else 2 x 2
        v, w = np.array([0.3, 1.2, -0.9]), np.array([np.hypot(0.3, 1.2), -0.9])
        law = kronecker_gaussian([np.outer(v, v)], mean=np.diag([0.0, 0.0, 2.0]))
        mass, rest, z = 1 / 3, kronecker_gaussian([np.outer(w, w)], mean=np.diag([0.0, 2.0])), t
    g, slope = rest._jet(z)
    exact = mass / t + (1 - mass) * g
    found = law.solve(z)
    assert (np.abs(found.value - exact) <= found.error).all()
    assert found.value == pytest.approx(exact, rel=1e-9)
    assert (found.error * np.abs(t) < 0.2).all()  # 1e29 was stated
    assert law.stieltjes(z) == pytest.approx(exact, rel=1e-9)
    assert law._jet(z)[1] == pytest.approx(-mass / t**2 + (1 - mass) * slope, rel=1e-9)
