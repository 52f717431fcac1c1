"""Gram matrices of random features against the quartic of Pennington & Worah."""

import numpy as np
import pytest

from rmtland import MarchenkoPastur, free_product
from rmtland.models import NonlinearGram


def quartic(model, z):
    """G from P = 1 + (eta - zeta) t P_phi P_psi + t zeta P_phi P_psi/(1 - t zeta P_phi P_psi)."""
    eta, zeta = model.eta, model.zeta
    phi, psi = model.inputs / model.samples, model.inputs / model.features
    p, found = np.polynomial.Polynomial([0, 1]), 1.0
    for height in np.geomspace(1e4, 1, 120):
        w = z.real + 1j * z.imag * height
        t = 1 / (w * psi)
        u = t * (1 + (p - 1) * phi) * (1 + (p - 1) * psi)
        roots = ((p - 1 - (eta - zeta) * u) * (1 - zeta * u) - zeta * u).roots()
        found = roots[np.argmin(np.abs(roots - found))]
    return psi / z * found + (1 - psi) / z


CASES = [
    NonlinearGram(1.0, 1.0, 2.0, activation="tanh"),
    NonlinearGram(1.0, 1.5, 0.7, activation="erf", weight_variance=2.0, data_variance=0.6),
    NonlinearGram(2.0, 0.5, 1.0, activation="sine"),
    NonlinearGram(1.0, 0.5, 2.0, activation="quadratic"),
    NonlinearGram(0.3, 1.0, 1.2, activation="linear"),
]


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("model", CASES, ids=lambda model: model.activation)
def test_the_law_solves_the_quartic(model):
    for z in (0.7 + 0.3j, 0.1 + 0.05j, 3.0 + 0.2j):
        assert model.stieltjes(z) == pytest.approx(quartic(model, z), rel=1e-9)
    edge = model.law.hull[1]
    assert model.law.pdf(edge * (1 - 1e-4)) > 0 == model.law.pdf(edge * (1 + 1e-4))


def test_special_cases():
    """No linear part: Marchenko-Pastur. Nothing else: the product of two of them."""
    assert CASES[3].law == MarchenkoPastur(0.25, 2.0)
    linear = CASES[4]
    n0, n1, m = 0.3, 1.0, 1.2
    assert linear.eta == linear.zeta == 1.0
    # W X X^T W^T/(n0 m): W W^T/n0 of size n1, X X^T/m of size n0
    wanted = free_product(MarchenkoPastur(n1 / m), MarchenkoPastur(n1 / n0))
    z = np.array([0.5 + 0.1j, 4.0 + 0.2j])
    np.testing.assert_allclose(linear.stieltjes(z), wanted.stieltjes(z), rtol=1e-9)
    assert linear.law.atoms == ((0.0, pytest.approx(0.7, abs=1e-12)),)


@pytest.mark.parametrize("model", CASES[:3], ids=lambda model: model.activation)
def test_drawn_features_follow_the_law(model):
    nodes = np.sort(model.sample(200, rng=0, runs=4).nodes.ravel())
    places = np.quantile(nodes[nodes > 0], np.linspace(0.02, 0.98, 25))
    seen = np.searchsorted(nodes, places, side="right") / nodes.size
    assert np.abs(seen - model.law.cdf(places)).max() < 0.012


def test_a_mean_moves_one_eigenvalue_out():
    model = NonlinearGram(1.0, 1.0, 2.0, activation="relu")
    nodes = model.sample(300, rng=0).nodes[0]
    assert model.eta == pytest.approx(0.5 - 1 / (2 * np.pi), rel=1e-12)
    assert nodes[-1] == pytest.approx(300 / (2 * np.pi), rel=0.1)
    assert nodes[-2] < 1.1 * model.law.hull[1]
