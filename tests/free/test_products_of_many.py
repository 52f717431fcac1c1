"""Free products of three and four factors: of their many solutions, the physical one.

The logarithms of the subordination equation add up to that of z modulo 2 pi i, and with three
factors or more there are solutions in the half-plane that miss it by a turn. They are told apart
from outside: by the integral over the density, the order of the factors, and products of products.
"""

import itertools

import numpy as np
import pytest

from rmtland import (
    Discrete,
    FussCatalan,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    Wachter,
    free_compression,
    free_power,
    free_product,
    free_sum,
)
from rmtland.free import FreeProduct, FreeSignedProduct

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)


def draw_positive(rng):
    """Draw a positive law of one of eight families."""
    kind = rng.integers(8)
    if kind <= 1:
        aspect_ratio = (10 ** rng.uniform(-1.5, 0), 1.0, 10 ** rng.uniform(0, 1.2))
        return MarchenkoPastur(aspect_ratio[rng.integers(3)], 10 ** rng.uniform(-1, 1))
    if kind <= 3:
        places = 10 ** rng.uniform(-3 if kind == 2 else -0.7, 0.7, rng.integers(2, 4))
        weights = rng.dirichlet(np.full(places.size, 3.0))
        places[0] *= rng.random() < 0.6
        return Discrete(tuple(np.sort(places)), tuple(weights / weights.sum()))
    if kind == 4:
        low = max(0.0, rng.uniform(-0.7, 1))
        return Uniform(low, low + 10 ** rng.uniform(-1, 0.7))
    if kind == 5:
        return FussCatalan(rng.uniform(0.4, 2.5))
    if kind == 6:
        return Wachter(*10 ** rng.uniform(-1, 0.7, 2))
    if rng.random() < 0.5:
        return free_power(Uniform(rng.uniform(0, 1), 2.0), rng.uniform(1, 4))
    jumps = MarchenkoPastur(10 ** rng.uniform(-1, 1))
    return free_sum(jumps, Discrete((rng.uniform(0, 1), 2.0), (0.3, 0.7)))


def draw_signed(rng):
    """Draw a law on both sides of zero."""
    if rng.random() < 0.3:
        return Semicircle(10 ** rng.uniform(-1, 1), rng.uniform(-0.3, 0.3))
    if rng.random() < 0.3:
        return Uniform(-rng.uniform(0.1, 2), rng.uniform(0.1, 2))
    places = (-rng.uniform(0.1, 2), *((0.0,) if rng.random() < 0.4 else ()), rng.uniform(0.1, 2))
    weights = rng.dirichlet(np.full(len(places), 3.0))
    return Discrete(places, tuple(weights / weights.sum()))


def points(law, rng, count=12):
    """Draw points of the half-plane, of all heights, most beside zero, an edge or an atom."""
    places = np.array([0.0, *np.ravel(law.support), *(place for place, _ in law.atoms)])
    size = np.abs(places).max()
    beside = rng.choice(places, count) + rng.choice([-size, size], count) * 10 ** rng.uniform(
        -6, 0, count
    )
    anywhere = rng.uniform(places.min() - size / 2, places.max() + size / 2, count)
    x = np.where(rng.random(count) < 0.7, beside, anywhere)
    return x + 1j * size * 10 ** rng.uniform(-6, 1, count)


def integrals(law, z):
    """Integrate 1/(z - x) over density and atoms; also return the whole mass.

    Gauss quadrature in v, x = low + (high - low)/(1 + exp(-v)), on panels in v that are as short as
    their distance from the points: algebraic ends decay exponentially, and poles are not close.
    """
    total = sum((mass / (z - place) for place, mass in law.atoms), np.zeros(z.shape, complex))
    whole = sum(mass for _, mass in law.atoms)
    for band in law.support:
        cuts = {*band, *(place for place in (0.0, *dict(law.atoms)) if band[0] < place < band[1])}
        for low, high in itertools.pairwise(sorted(cuts)):

            def place_at(v, low=low, high=high):
                # The nearer end is resolved: zero without limit.
                return np.where(
                    v < 0,
                    low + (high - low) / (1 + np.exp(-v)),
                    high - (high - low) / (1 + np.exp(v)),
                )

            cuts_in_v = np.linspace(-64 if low == 0 else -32, 64 if high == 0 else 32, 81)
            for _ in range(60):
                x = place_at(cuts_in_v)
                left, right = x[:-1, None], x[1:, None]
                off = np.abs(z - np.clip(z.real, left, right)).min(axis=1)
                split = x[1:] - x[:-1] > 2 * off
                if not split.any():
                    break
                middles = (cuts_in_v[:-1] + cuts_in_v[1:])[split] / 2
                cuts_in_v = np.union1d(cuts_in_v, middles)
            half = np.diff(cuts_in_v)[:, None] / 2
            v = cuts_in_v[:-1, None] + half * (1 + NODES)
            x = place_at(v)
            density = law.pdf(x)
            density[np.isinf(density)] = 0.0  # only where x was rounded onto an end
            speed = (high - low) / (1 + np.exp(-v)) / (1 + np.exp(v))
            mass = density * speed * half * WEIGHTS
            total = total + np.array([(mass / (at - x)).sum() for at in z])
            whole += mass.sum()
    return total, whole


def check_physical(law, rng):
    """G maps into the lower half-plane and is the integral over the law."""
    z = points(law, rng)
    g = law.stieltjes(z)
    assert (g.imag < 0).all()
    integral, mass = integrals(law, z)
    assert mass == pytest.approx(1, abs=1e-7)
    # What is lost next to hard edges and atoms is at most 1e-7 of the mass.
    np.testing.assert_allclose(g * z.imag, integral * z.imag, atol=1e-7)
    return z, g


@pytest.mark.parametrize("seed", range(24))
def test_positive_products_are_physical_in_any_order(seed):
    rng = np.random.default_rng(seed)
    factors = [draw_positive(rng) for _ in range(rng.integers(3, 5))]
    z, g = check_physical(free_product(*factors), rng)
    shuffled = free_product(*(factors[i] for i in rng.permutation(len(factors))))
    np.testing.assert_allclose(shuffled.stieltjes(z), g, rtol=1e-8)
    apart = free_product(free_product(*factors[:2]), *factors[2:])
    np.testing.assert_allclose(apart.stieltjes(z), g, rtol=1e-8)
    nested = FreeProduct((free_product(*factors[:-1]), factors[-1]))
    np.testing.assert_allclose(nested.stieltjes(z), g, rtol=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_signed_products_are_physical_in_any_order(seed):
    rng = np.random.default_rng(seed)
    factors = [draw_signed(rng), *(draw_positive(rng) for _ in range(2))]
    z, g = check_physical(free_product(*factors), rng)
    shuffled = free_product(*(factors[i] for i in rng.permutation(3)))
    np.testing.assert_allclose(shuffled.stieltjes(z), g, rtol=1e-8)
    nested = FreeSignedProduct((factors[0], free_product(*factors[1:])))
    np.testing.assert_allclose(nested.stieltjes(z), g, rtol=1e-8)
