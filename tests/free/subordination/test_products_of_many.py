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

            cuts_in_v = np.linspace(-64 if low == 0 else -32, 64 if high == 0 else 32, 49)
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


def check_physical(law, z):
    """G maps into the lower half-plane and is the integral over the law, of mass 1."""
    g = law.stieltjes(z)
    assert (g.imag < 0).all()
    integral, mass = integrals(law, z)
    assert mass == pytest.approx(1, abs=1e-7)
    # What is lost next to hard edges and atoms is at most 1e-7 of the mass.
    np.testing.assert_allclose(g * z.imag, integral * z.imag, atol=1e-7)
    return g


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    "seed", [1, 3, 11, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (6, 8, 9))]
)
def test_positive_products_are_physical_in_any_order(seed):
    rng = np.random.default_rng(seed)
    factors = [draw_positive(rng) for _ in range(rng.integers(3, 5))]
    law = free_product(*factors)
    z = points(law, rng)
    g = check_physical(law, z)
    shuffled = free_product(*(factors[i] for i in rng.permutation(len(factors))))
    np.testing.assert_allclose(shuffled.stieltjes(z), g, rtol=1e-8)
    assert free_product(free_product(*factors[:2]), *factors[2:]) == law
    nested = FreeProduct((free_product(*factors[:-1]), factors[-1]))
    np.testing.assert_allclose(nested.stieltjes(z), g, rtol=1e-8)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_signed_products_are_physical_in_any_order(seed):
    rng = np.random.default_rng(seed)
    factors = [draw_signed(rng), draw_positive(rng), draw_positive(rng)]
    law = free_product(*factors)
    z = points(law, rng)
    g = check_physical(law, z)
    shuffled = free_product(*(factors[i] for i in (2, 0, 1)))
    np.testing.assert_allclose(shuffled.stieltjes(z), g, rtol=1e-8)
    nested = FreeSignedProduct((factors[0], free_product(*factors[1:])))
    np.testing.assert_allclose(nested.stieltjes(z), g, rtol=1e-8)


# Found by drawing hundreds of products: Newton's method from afar ends in another solution at the
# point, or a sweep meets points of the axis that are on another branch.

FUSS = FussCatalan(2.33), Discrete((0.0, 1.36), (0.625, 0.375)), Wachter(2.04, 0.37)
CASES = {
    "gap beside an atom at zero": (
        (MarchenkoPastur(3.0, 1 / 3), MarchenkoPastur(2.0, 0.5), Discrete((1e-4, 1.0), (0.5, 0.5))),
        0.002 + 0.001j,
    ),
    "four factors": ((MarchenkoPastur(4.07, 0.55), *FUSS), -0.04258208 + 0.00422421j),
    "signed, an atom at zero": ((Discrete((-0.0298, 1.91), (0.2, 0.8)), *FUSS), -0.001 + 0.001j),
    "signed, beside an atom": (
        (
            Discrete((-1.81, 0.0, 1.91), (0.2, 0.6, 0.2)),
            MarchenkoPastur(1.0, 6.94),
            MarchenkoPastur(3.13, 5.49),
            Wachter(2.47, 1.54),
        ),
        3.91845439 + 0.96578827j,
    ),
    "signed, with a Wishart": (
        (
            Uniform(-0.203, 1.46),
            Discrete((0.0, 0.228, 0.935), (2 / 11, 4 / 11, 5 / 11)),
            MarchenkoPastur(3.37, 0.553),
        ),
        -0.07191117 + 0.00233173j,
    ),
}


LONG = {"signed, beside an atom"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in CASES]
)
def test_other_solutions_are_refused(name):
    factors, z = CASES[name]
    law = free_product(*factors)
    check_physical(law, np.array([z]))
    assert law.cdf(law.support[-1][1]) == pytest.approx(1, abs=1e-12)


@pytest.mark.slow
def test_powers_and_corners_of_products_are_physical():
    rng = np.random.default_rng(5)
    law = free_product(*CASES["gap beside an atom at zero"][0])
    for made in (free_power(law, 2.5), free_compression(law, 0.4)):
        check_physical(made, points(made, rng))
    signed = free_product(Discrete((-1.0, 2.0), (0.5, 0.5)), free_compression(law, 0.4))
    check_physical(signed, points(signed, rng))


@pytest.mark.parametrize("v", [1e-3, 1e-4, 1e-6])
def test_no_band_beside_a_heavy_atom(v):
    # all of the gap has |M| of the order of v and sqrt(v)
    law = free_product(MarchenkoPastur(1 / v, v), MarchenkoPastur(0.1))
    [(low, high)] = law.support
    assert 1 - 3 * np.sqrt(v) < low < high < 1 + 3 * np.sqrt(v)
    assert law.atoms == ((0.0, pytest.approx(1 - v)),)
    assert law.cdf(1e-5) == pytest.approx(1 - v, abs=1e-12)


def test_equal_operands_share_their_components():
    """Twelve laws of two points have 4096 choices of gaps, of which two can leave one."""
    pair = Discrete((0.01, 4.0), (0.3, 0.7))
    inverse = Discrete((0.25, 100.0), (0.7, 0.3))
    law, other = free_product(*[pair] * 12), free_product(*[inverse] * 12)
    ends, turned = np.ravel(law.support), 1 / np.ravel(other.support)[::-1]
    # the lower edge is 13 powers of ten below the upper one: rounding of neither
    np.testing.assert_allclose(ends, turned, rtol=1e-9)
    assert law.atoms == ()
    np.testing.assert_allclose(
        np.ravel(free_sum(*[pair] * 5).support), np.ravel(free_power(pair, 5).support), rtol=1e-12
    )
