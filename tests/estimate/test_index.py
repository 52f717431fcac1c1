"""The index from products: intervals that cover, proofs by Ritz values, and the exact route."""

import warnings

import numpy as np
import pytest
from scipy.sparse import diags_array

from rmtland.estimate import (
    distribution_band,
    krylov_quadratures,
    mass_below,
    negative_fraction,
    spectral_density,
    symmetric_operator,
)
from rmtland.estimate.index import estimated_mass
from rmtland.networks import MLP


def diagonal(values):
    return symmetric_operator(lambda v: (values * v.T).T, size=len(values), check=False)


def network_values(activation="tanh", loss="mse", samples=40, widths=(10, 10, 6)):
    generator = np.random.default_rng(3)
    x = generator.standard_normal((samples, widths[0]))
    y = generator.standard_normal((samples, widths[-1]))
    if loss == "cross_entropy":
        y = generator.integers(widths[-1], size=samples)
    network = MLP(widths, activation, loss=loss)
    values = np.linalg.eigvalsh(network.at(network.init(rng=1), x, y).hessian("total"))
    values[np.abs(values) < 1e-13 * np.abs(values).max()] = 0.0
    return values


SPECTRA = {
    "tanh": lambda: network_values(),
    "ReLU with zeros": lambda: network_values("relu", samples=8),
    "cross-entropy": lambda: network_values(loss="cross_entropy"),
    "positive": lambda: np.linspace(0.01, 4.0, 200) ** 2,
    "one negative": lambda: np.append(np.linspace(0.5, 1.0, 299), -3.0),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_intervals_cover_the_index(name):
    """Forty repetitions: a coverage of 0.95 gives fewer than 34 hits in one case of 5000."""
    values = SPECTRA[name]()
    strict, closed = (values < 0).mean(), (values <= 0).mean()
    hits = np.zeros(3)
    operator, zeros = diagonal(values), int((values == 0).sum())
    for seed in range(40):
        probes = krylov_quadratures(operator, probes=4, steps=15, rng=seed)
        found = estimated_mass(probes, operator, 0.0, None, 0.95)
        known = estimated_mass(probes, operator, 0.0, zeros, 0.95)
        hits[0] += found.interval[0] <= (strict + closed) / 2 <= found.interval[1]
        hits[1] += found.rigorous[0] <= strict and closed <= found.rigorous[1]
        hits[2] += known.rigorous[0] <= strict <= known.rigorous[1]
        assert found.at_least <= strict * len(values) <= found.at_most
        assert found.rigorous[0] <= found.interval[0] + 1e-12
        assert found.interval[1] <= found.rigorous[1] + 1e-12
        assert known.rigorous[1] <= found.rigorous[1]
        assert closed - strict <= found.at_point + 0.05
    assert hits.min() >= 34


@pytest.mark.parametrize("method", ["lanczos", "inertia"])
@pytest.mark.parametrize("x", [-0.5, 0.0, 2.0, 9.0])
def test_any_point(method, x):
    values = np.linspace(-1, 3, 500)
    found = mass_below(np.diag(values), x, rng=0, method=method)
    truth = (values < x).mean()
    assert found.interval[0] <= truth <= found.interval[1]
    assert float(found) == found.value
    assert found.method == method
    assert (found.products > 0) == (method == "lanczos")


def test_the_exact_route_counts():
    values = np.append(np.zeros(7), np.arange(-3.0, 4.0))
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((14, 14)))[0]
    matrix = rotation @ np.diag(values) @ rotation.T
    found = negative_fraction((matrix + matrix.T) / 2)
    assert found.method == "inertia"
    assert found.value == 3 / 14
    assert found.interval == found.rigorous == (3 / 14, 3 / 14)
    assert found.at_point == 8 / 14
    assert "exact" in repr(found)
    for given in (diagonal(values), diags_array(values)):
        assert negative_fraction(given).value == 3 / 14


def test_which_route_is_taken():
    assert negative_fraction(np.diag(np.arange(30.0)), probes=1, steps=2).method == "lanczos"
    assert negative_fraction(np.diag(np.arange(30.0)), probes=1, steps=6).method == "inertia"
    assert negative_fraction(diagonal(np.arange(30.0)), probes=2, steps=10).method == "lanczos"
    assert negative_fraction(diagonal(np.arange(30.0)), probes=3, steps=10).products == 30


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("value", [-2.0, 0.0, 5.0])
def test_multiples_of_the_identity(size, value):
    found = negative_fraction(diagonal(np.full(size, value)), method="lanczos", rng=0)
    if value:
        assert found.value == float(value < 0)
    else:
        assert found.value == 0.5
        known = negative_fraction(
            diagonal(np.full(size, value)), method="lanczos", rng=0, nullity=size
        )
        assert known.value == 0.0
        assert known.rigorous == (0.0, 0.0)
    assert found.at_point == pytest.approx(float(value == 0), abs=1.0)
    assert negative_fraction(diagonal(np.full(size, value))).value == float(value < 0)


def test_steps_beyond_p_know_everything_about_distinct_eigenvalues():
    values = np.linspace(-1, 2, 30)
    found = negative_fraction(diagonal(values), probes=2, steps=100, rng=0, method="lanczos")
    assert found.at_least == found.at_most == 10
    assert found.interval == found.rigorous == (1 / 3, 1 / 3)


def test_a_requested_width_is_reached():
    values = network_values(widths=(20, 20, 12))
    wide = negative_fraction(diagonal(values), probes=2, steps=10, rng=0, method="lanczos")
    found = negative_fraction(
        diagonal(values), probes=2, steps=10, rng=0, width=0.06, method="lanczos"
    )
    assert wide.width > 0.06 >= found.width
    assert found.steps > 10
    assert found.probes > 2
    truth = (values < 0).mean()
    assert found.interval[0] <= truth <= found.interval[1]
    with pytest.warns(UserWarning, match="was asked for"):
        short = negative_fraction(
            diagonal(values),
            probes=2,
            steps=10,
            rng=0,
            width=1e-3,
            max_products=60,
            method="lanczos",
        )
    assert short.products <= 60


def test_the_same_seed_is_the_same_estimate():
    values = network_values()
    once, twice = (negative_fraction(diagonal(values), rng=5, probes=2, steps=9) for _ in range(2))
    assert once == twice
    other = negative_fraction(diagonal(values), rng=6, probes=2, steps=9)
    assert other != once
    assert "9" in repr(once)


def test_single_precision():
    values = np.linspace(-1, 3, 700)
    exact = negative_fraction(np.diag(values), rng=0, steps=30, method="lanczos")
    single = negative_fraction(
        np.diag(values.astype(np.float32)), rng=0, steps=30, method="lanczos"
    )
    np.testing.assert_allclose(single.interval, exact.interval, atol=1e-5)
    half = negative_fraction(np.diag(values), rng=0, steps=30, method="lanczos", basis="float32")
    np.testing.assert_allclose(half.interval, exact.interval, atol=1e-5)


def test_complex_hermitian():
    generator = np.random.default_rng(3)
    matrix = generator.standard_normal((300, 300)) + 1j * generator.standard_normal((300, 300))
    matrix = matrix + matrix.conj().T
    found = negative_fraction(matrix, steps=40, rng=0, method="lanczos")
    truth = (np.linalg.eigvalsh(matrix) < 0).mean()
    assert found.interval[0] <= truth <= found.interval[1]
    real = negative_fraction(matrix.real, steps=40, rng=0, method="lanczos")
    assert found.standard_error < 0.8 * real.standard_error
    assert negative_fraction(matrix).value == truth


REFUSED = {
    "confidence": {"confidence": 1.0},
    "probes": {"probes": 0},
    "steps": {"steps": 0},
    "nullity of 9": {"nullity": 9},
    "width": {"width": -1.0},
    "method": {"method": "guess"},
}


@pytest.mark.parametrize("words", REFUSED)
def test_bad_arguments(words):
    options = {"method": "lanczos", **REFUSED[words]}
    with pytest.raises(ValueError, match=words):
        negative_fraction(np.eye(3), **options)


def test_unknown_options():
    with pytest.raises(TypeError, match="unknown option"):
        negative_fraction(np.eye(3), method="lanczos", blocks=3)


def test_no_warnings_on_ordinary_input():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert negative_fraction(np.eye(3), method="lanczos", rng=0).value == 0.0


def test_a_width_that_no_further_step_can_reach_ends():
    """All Krylov spaces of a matrix of low rank are invariant: only probes can be added."""
    matrix = np.diag(np.append(np.zeros(82), np.linspace(-1.0, 1.0, 8)))
    with pytest.warns(UserWarning, match="was asked for"):
        found = negative_fraction(
            matrix, probes=3, steps=8, method="lanczos", width=0.01, max_products=400, rng=0
        )
    assert found.products <= 400
    assert found.rigorous[0] <= 4 / 90 <= found.rigorous[1]


@pytest.mark.parametrize("given", [125, 200])
def test_a_nullity_that_the_probes_contradict_is_refused(given):
    values = np.concatenate([-np.ones(100), np.zeros(100), np.linspace(0.1, 1, 100)])
    operator = symmetric_operator(lambda v: (values * v.T).T, size=300)
    with pytest.raises(ValueError, match="the probes see at most 11"):
        negative_fraction(operator, nullity=given, probes=40, steps=30, rng=0, method="lanczos")
    with pytest.raises(ValueError, match="the probes see at most 0"):
        negative_fraction(np.eye(300), nullity=50, probes=10, steps=9, rng=0, method="lanczos")
    zero = negative_fraction(np.zeros((9, 9)), nullity=9, probes=2, rng=0, method="lanczos")
    assert (zero.value, zero.rigorous) == (0.0, (0.0, 0.0))


def test_an_estimate_says_what_eigenvalues_at_the_point_do_to_it():
    values = np.append(np.zeros(60), np.linspace(-1.0, 1.0, 60))
    given = {"probes": 4, "steps": 10, "rng": 0, "method": "lanczos"}
    unknown = negative_fraction(diagonal(values), **given)
    assert "at the point counted one half: give its number (nullity)" in repr(unknown)
    assert "at the point" not in repr(negative_fraction(diagonal(values), nullity=60, **given))


UNRESOLVED = {
    "log-uniform": lambda rng: 10 ** rng.uniform(-8, 0, 800),
    "both signs": lambda rng: (
        10 ** rng.uniform(-8, 0, 800) * np.where(rng.random(800) < 0.3, -1, 1)
    ),
    "powers of two": lambda rng: 2.0 ** -(np.arange(800) % 60 + 1.0),
    "cubes": lambda rng: np.append(rng.standard_normal(780) ** 3 / 100, rng.uniform(1, 20, 20)),
}


@pytest.mark.parametrize("name", UNRESOLVED)
def test_intervals_cover_where_the_quadrature_resolves_no_density(name):
    values = UNRESOLVED[name](np.random.default_rng(0))
    places = np.unique(np.append(np.quantile(values, np.linspace(0.05, 0.95, 7)), 0.0))
    below, through = ((values[:, None] < places).mean(0), (values[:, None] <= places).mean(0))
    covered = []
    for seed in range(2):
        spectrum = spectral_density(diags_array(values), probes=10, steps=80, rng=seed)
        low, high = distribution_band(spectrum, places).interval.T
        covered.append((low <= (below + through) / 2) & ((below + through) / 2 <= high))
    assert np.mean(covered) > 0.9


@pytest.mark.parametrize("shift", [1e-6, -1e-6, 1e-3])
def test_an_atom_beside_the_point_is_in_the_interval(shift):
    values = np.append(np.zeros(500), np.linspace(-0.2, 1.0, 500))
    found = mass_below(diags_array(values), shift, rng=0, method="lanczos")
    assert found.interval[0] <= (values < shift).mean() <= found.interval[1]
    assert found.width <= found.rigorous[1] - found.rigorous[0]
    beside = mass_below(diags_array(values), 0.5, steps=30, rng=0, method="lanczos")
    assert beside.width < 0.75 * (beside.rigorous[1] - beside.rigorous[0])  # a density: narrow
