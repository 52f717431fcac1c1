"""The 1/n correction: algebra against Kronecker products, values against sampled Hessians."""

import numpy as np
import pytest

from rmtland.models import DysonHessian, FiniteSizeHessian
from rmtland.models.dyson.parallel_paths import parallel_paths

ETA = 0.05


def entries(equation):
    """Matrices C of all entries of a row of W2 and residuals of an output, and their covariance."""
    n1, m = equation.features.shape
    n0 = equation.x.shape[1]
    weights, residuals = np.zeros((n1, n1 + m, n1, n0)), np.zeros((m, n1 + m, n1, n0))
    for j in range(n1):
        for mu in range(m):
            ray = equation.slopes[j, mu] * equation.x[mu]
            weights[j, n1 + mu, j] = ray / np.sqrt(m)
            residuals[mu, j, j] = ray / m
    sigma = equation.second_layer
    covariance = np.zeros((n1 + m, n1 + m))
    covariance[:n1, :n1] = np.diag(sigma) if sigma.ndim == 1 else sigma
    r = equation.variances
    covariance[n1:, n1:] = np.diag(r) if r.ndim == 1 else r
    return np.concatenate([weights, residuals]).reshape(n1 + m, n1 + m, n1 * n0), covariance


def by_kronecker(equation, z, blocks):
    """The same determinants from the whole matrix T and its eigenvalues."""
    n1, m = equation.features.shape
    n0, size = equation.x.shape[1], n1 + m
    matrices, covariance = entries(equation)
    outer = np.zeros((size, size), dtype=complex)
    if equation.has_outer:
        (block,) = blocks.outer
        a = np.diag(block.energy_a) if block.energy_a.ndim == 1 else block.energy_a
        side = -equation.features / np.sqrt(m)
        corner = block.schur + side.T @ np.linalg.inv(a) @ side
        outer[...] = np.linalg.inv(np.block([[a, side], [side.T, corner]]))
    else:
        outer[:n1, :n1] = blocks.a
        covariance[:n1] = 0
    inner = np.zeros((n1 * n0, n1 * n0), dtype=complex)
    for part in equation.inner_blocks(z, *blocks.start):
        if part.b.shape[1] == n0 and equation.by_unit:
            for j, block in zip(range(n1)[part.units], part.b, strict=True):
                inner[j * n0 : (j + 1) * n0, j * n0 : (j + 1) * n0] = block
        else:
            inner[...] = part.b[0]
    paths = np.einsum("ur,arb,bc,dsc->adus", outer, matrices, inner, matrices, optimize=True)
    weighted = np.einsum("ae,df,efus->adus", covariance, covariance, paths)
    t = np.einsum("adus,advt->uvst", paths, weighted).reshape(size**2, size**2)
    t *= equation.outputs
    swap = np.eye(size**2).reshape(size, size, size**2).transpose(1, 0, 2).reshape(size**2, -1)
    values, vectors = np.linalg.eigh(swap)
    total = 0
    for sign in (1, -1):
        basis = vectors[:, np.sign(values) == sign]
        total += sign * np.log(1 - np.linalg.eigvals(basis.T @ t @ basis)).sum()
    return total


CASES = {
    "gauss_newton": {"part_name": "gauss_newton", "epsilon": 0.0},
    "gauss_newton, covariance": {
        "part_name": "gauss_newton",
        "epsilon": 0.0,
        "second_layer": [[0.5, 0.1], [0.1, 0.3]],
    },
    "residual": {"part_name": "residual", "epsilon": 0.5},
    "residual, unlike samples": {
        "part_name": "residual",
        "epsilon": 0.5,
        "residual_weights": [1.0, 2.0, 0.0],
    },
    "total": {"epsilon": 0.5},
    "total, covariances": {
        "epsilon": 0.3,
        "second_layer": [[0.5, 0.1], [0.1, 0.3]],
        "residual_weights": [1.0, 2.0, 0.5],
    },
    "total, dependent residuals": {
        "epsilon": 0.3,
        "residual_weights": [[1.0, 0.5, 0.1], [0.5, 2.0, -0.3], [0.1, -0.3, 0.7]],
    },
    "residual, dependent residuals": {
        "part_name": "residual",
        "epsilon": 0.3,
        "residual_weights": [[1.0, 0.5, 0.1], [0.5, 2.0, -0.3], [0.1, -0.3, 0.7]],
    },
    "total, units": {"epsilon": 0.3, "coupling": "units"},
    "total, curvatures": {"epsilon": 0.3, "curvatures": np.linspace(-1, 1, 6).reshape(2, 3)},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("outputs", [1, 3])
def test_determinants_against_kronecker_products(case, outputs):
    rng = np.random.default_rng(outputs)
    case = dict(case)
    h, d, x = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(3, 2))
    model = DysonHessian(h, d, x, outputs, case.pop("epsilon"), **case)
    z = 0.3 + 0.2j
    [(_, solved)] = model.solve_along(np.array([z]), 1e-12)
    expected = by_kronecker(model.equation, z, solved.blocks)
    assert parallel_paths(model.equation, z, solved.blocks) == pytest.approx(expected, abs=1e-12)


def network(n, m, rng):
    first, x = rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=(m, n))
    z = first @ x.T
    return np.maximum(z, 0), (z > 0).astype(float), x


def sampled(h, d, x, part, epsilon, runs, rng):
    (n, m), spectra = h.shape, []
    for _ in range(runs):
        if part == "gauss_newton":
            w = rng.normal(size=(n, n)) / np.sqrt(n)
            inner = np.einsum("ij,js,sk->isjk", w, d, x).reshape(n * m, n * n)
            jacobian = np.concatenate([np.kron(np.eye(n), h.T), inner], axis=1) / np.sqrt(m)
            spectra.append(np.linalg.svd(jacobian, compute_uv=False) ** 2)
        else:
            e = rng.normal(size=(n, m)) * np.sqrt(2 * epsilon)
            values = np.linalg.svd((e * d[:, None]) @ x / m, compute_uv=False).ravel()
            spectra.append(np.concatenate([values, -values]))
    return np.array(spectra)


@pytest.mark.parametrize(
    ("part", "n", "runs", "gain"), [("gauss_newton", 6, 1500, 2.5), ("residual", 8, 6000, 2.5)]
)
def test_the_correction_leaves_little_of_the_error(part, n, runs, gain):
    rng = np.random.default_rng(7)
    m = 4 * n
    h, d, x = network(n, m, rng)
    grid = np.array([-0.2, -0.05, 0.0, 0.05, 0.1, 0.3, 0.6, 1.2])
    spectra = sampled(h, d, x, part, 0.5, runs, rng)
    kernel = ETA / np.pi / ((grid[:, None, None] - spectra) ** 2 + ETA**2)
    densities = kernel.mean(axis=2)
    measured = densities.mean(axis=1)
    noise = densities.std(axis=1).max() / np.sqrt(runs)
    epsilon = 0.0 if part == "gauss_newton" else 0.5
    model = DysonHessian(h, d, x, n, epsilon, part_name=part)
    plain = np.abs(model.smoothed_pdf(grid, eta=ETA) - measured).max()
    better = np.abs(FiniteSizeHessian(model).smoothed_pdf(grid, eta=ETA) - measured).max()
    assert plain > 10 * noise
    assert better < plain / gain


@pytest.mark.parametrize("part", ["gauss_newton", "residual", "total"])
def test_distribution_function_is_the_integral_of_the_density(part):
    rng = np.random.default_rng(3)
    h, d, x = network(3, 9, rng)
    model = FiniteSizeHessian(DysonHessian(h, d, x, 3, 0.4, part_name=part))
    nodes, weights = np.polynomial.legendre.leggauss(40)
    low, high, eta = -0.5, 2.0, 0.2
    mesh = (low + high) / 2 + (high - low) / 2 * nodes
    mass = (high - low) / 2 * weights @ model.smoothed_pdf(mesh, eta=eta)
    levels = model.smoothed_cdf([low, high], eta=eta)
    assert levels[1] - levels[0] == pytest.approx(mass, abs=2e-5)
    far = model.smoothed_cdf([-1e4, 1e4], eta=eta)
    assert far == pytest.approx([0, 1], abs=1e-4)


def test_index_is_closer_to_sampled_hessians():
    rng = np.random.default_rng(5)
    n, m = 4, 12
    h, d, x = network(n, m, rng)
    model = DysonHessian(h, d, x, n, 0.5, part_name="residual")
    spectra = sampled(h, d, x, "residual", 0.5, 400, rng)
    corrected = FiniteSizeHessian(model)
    found = corrected.solve_index()  # symmetric
    assert corrected.index() == pytest.approx(0.5, abs=1e-6)
    assert found.error < 1e-4
    levels = corrected.smoothed_cdf(0.4, eta=ETA)
    measured = (0.5 + np.arctan((0.4 - spectra) / ETA) / np.pi).mean()
    assert abs(levels - measured) < abs(model.smoothed_cdf(0.4, eta=ETA) - measured)


def test_free_slopes_have_no_correction():
    rng = np.random.default_rng(0)
    h, d, x = network(3, 9, rng)
    with pytest.raises(ValueError, match="coupling='full'"):
        FiniteSizeHessian(DysonHessian(h, d, x, 3, 0.0, coupling="free_slopes"))


def test_a_model_is_needed():
    with pytest.raises(TypeError, match="DysonHessian"):
        FiniteSizeHessian(0.5)


def test_memory_is_stated_and_refused():
    rng = np.random.default_rng(0)
    h, d, x = rng.normal(size=(2, 600)), rng.normal(size=(2, 600)), rng.normal(size=(600, 2))
    model = FiniteSizeHessian(DysonHessian(h, d, x, 2, 0.0, part_name="gauss_newton"))
    assert model.memory > 2**42
    with pytest.raises(MemoryError, match="small networks"):
        model.stieltjes(1j)


@pytest.mark.parametrize("z", [0.0, 1 - 1j, np.nan])
def test_points_of_the_upper_half_plane_are_asked_for(z):
    rng = np.random.default_rng(0)
    h, d, x = network(2, 4, rng)
    with pytest.raises(ValueError, match="Im z"):
        FiniteSizeHessian(DysonHessian(h, d, x, 2, 0.0, part_name="gauss_newton")).solve(z)
