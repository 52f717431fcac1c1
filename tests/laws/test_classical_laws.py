"""Every classical law x every invariant, by a quadrature that knows no formula of the law."""

import copy
import itertools
import math
import pickle

import mpmath
import numpy as np
import pytest

from rmtland.laws import MarchenkoPastur, Semicircle
from rmtland.laws.affine_law import affine
from rmtland.laws.arcsine import Arcsine
from rmtland.laws.discrete import Discrete, EmpiricalLaw
from rmtland.laws.free_meixner import FreeMeixner
from rmtland.laws.free_poisson import FreePoisson
from rmtland.laws.fuss_catalan import FussCatalan
from rmtland.laws.jacobi_weight import JacobiWeight
from rmtland.laws.kesten_mckay import KestenMcKay
from rmtland.laws.mixture_law import Mixture, mixture
from rmtland.laws.uniform import Uniform
from rmtland.laws.wachter import Wachter

LAWS = {
    "free poisson": FreePoisson(1.7, 0.6),
    "free poisson, negative, atom": FreePoisson(0.4, -1.3),
    "free poisson, rate 1": FreePoisson(1.0, -0.8),
    "free poisson, rate 1e3": FreePoisson(1e3, 0.02),
    "arcsine": Arcsine(-1.0, 2.5),
    "uniform": Uniform(-0.5, 2.0),
    "kesten-mckay": KestenMcKay(3.3),
    "kesten-mckay, atoms": KestenMcKay(1.4),
    "kesten-mckay, arcsine": KestenMcKay(2.0),
    "wachter": Wachter(0.4, 0.7),
    "wachter, both atoms": Wachter(1.5, 1.8),
    "wachter, unbounded at 0": Wachter(1.0, 0.3),
    "wachter, unbounded at 1": Wachter(0.6, 1.0),
    "wachter, projection": Wachter(3.0, 4.0),
    "free meixner": FreeMeixner(0.7, 0.4),
    "free meixner, atom above": FreeMeixner(-2.0, 0.3),
    "free meixner, two atoms": FreeMeixner(0.4, -0.8),
    "free meixner, unbounded": FreeMeixner(1.0, 0.0),
    "free meixner, gamma": FreeMeixner(1.4, 0.49),
    "free meixner, nearly gamma": FreeMeixner(1.4, 0.49 + 1e-6),
    "free meixner, two points": FreeMeixner(0.6, -1.0),
    "fuss-catalan": FussCatalan(2.0),
    "fuss-catalan, 0.4": FussCatalan(0.4),
    "fuss-catalan, 5": FussCatalan(5.0),
    "jacobi weight": JacobiWeight(1.5, 0.3, -0.6, 2.2),
    "jacobi weight, unbounded": JacobiWeight(0.7, -0.8, 0.0, 3.0),
    "jacobi weight, integers": JacobiWeight(2.0, 1.0, -2.0, 1.0),
    "jacobi weight, large exponents": JacobiWeight(40.0, 7.0, -1.0, 1.5),
    "discrete": Discrete((-1.0, 0.25, 3.0), (0.2, 0.5, 0.3)),
    "empirical": EmpiricalLaw(np.random.default_rng(3).normal(size=40)),
    "mixture": mixture(
        [Semicircle(0.3, 2.0), MarchenkoPastur(2.5, 0.6), Uniform(-2.0, -1.0)], [0.3, 0.45, 0.25]
    ),
    "mixture, atom inside": mixture([Arcsine(-1.0, 1.0), Discrete((0.3,), (1.0,))], [0.6, 0.4]),
    "affine": affine(KestenMcKay(1.4), scale=0.7, shift=1.3),
    "affine, mirrored": affine(Wachter(1.5, 0.8), scale=-1.7, shift=0.45),
    "affine, levy": affine(MarchenkoPastur(2.5, 0.6), scale=-0.7, shift=0.3),
}
every_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


def ends(law):
    places = [*np.ravel(law.support), *(place for place, _ in law.atoms)]
    return min(places), max(places)


def width(law):
    low, high = ends(law)
    return high - low


def pieces(law):
    """Intervals on whose inside the density is smooth: cut at edges of components and at 0."""
    parts = law.laws if isinstance(law, Mixture) else [law]
    cuts = {edge for part in parts for piece in part.support for edge in piece}
    for low, high in law.support:
        inner = sorted(cut for cut in cuts if low <= cut <= high)
        yield from itertools.pairwise(inner)


def integral(law, function, below=math.inf):
    """Sum over the atoms and trapezoidal rule in v, x = a + (b - a)/(1 + exp(-v))."""
    value = sum(mass * function(place) for place, mass in law.atoms if place <= below)
    step = 1 / 16  # exact, as are the points
    # Densities like x^(-5/6) need nodes down to exp(-420), inverse square roots to exp(-80).
    reach = 420 if isinstance(law, FussCatalan | JacobiWeight) else 80
    v = np.arange(-reach, reach + step, step)
    for low, high in pieces(law):
        end = min(high, below)
        if end <= low:
            continue
        share, rest = 1 / (1 + np.exp(-v)), 1 / (1 + np.exp(v))
        x = np.where(v < 0, low + (end - low) * share, end - (end - low) * rest)
        density = law.pdf(x)
        density[np.isinf(density)] = 0.0
        value = value + step * (end - low) * np.sum(function(x) * density * share * rest)
    return value


def blur(law):
    """Mass that rounding of x moves at edges other than 0 where the density is unbounded."""
    edges = [edge for piece in pieces(law) for edge in piece if edge and np.isinf(law.pdf(edge))]
    return 1e-7 if edges else 0.0


def interior(law, n=7):
    shares = np.sin(np.linspace(0.15, np.pi - 0.15, n) / 2) ** 2
    return np.concatenate([[], *(low + (high - low) * shares for low, high in pieces(law))])


def complex_points(law, n=12, closest=-10, seed=8):
    rng = np.random.default_rng(seed)
    low, high = ends(law)
    x = rng.uniform(low - 0.7 * (high - low), high + 0.7 * (high - low), n)
    return x + 1j * (high - low) * 10 ** rng.uniform(closest, 1, n) * rng.choice([-1, 1], n)


@every_law
def test_mass_is_one(law):
    assert integral(law, lambda x: 1.0 + 0 * x) == pytest.approx(1, abs=1e-13 + blur(law))


@every_law
def test_distribution_function_is_the_integral_of_the_density(law):
    for x in [*interior(law, 3), *ends(law)]:
        assert law.cdf(x) == pytest.approx(integral(law, np.ones_like, x), abs=1e-12 + blur(law))


@every_law
def test_distribution_function_steps_at_atoms(law):
    for place, mass in law.atoms:
        before = law.cdf(np.nextafter(place, -math.inf) if place else -1e-300)
        assert law.cdf(place) - before == pytest.approx(mass, abs=1e-7)
        assert law.mass_below(place) == pytest.approx(law.cdf(place) - mass, abs=1e-15)
    low, high = ends(law)
    assert law.cdf(np.nextafter(low, -math.inf)) == 0
    assert law.cdf([high, math.inf]).tolist() == pytest.approx([1, 1], abs=1e-15)
    assert law.cdf(-math.inf) == 0


@every_law
def test_quantile_inverts_the_distribution_function(law):
    low, high = ends(law)
    assert law.ppf(0) == low
    assert law.ppf(1) == high
    q = np.concatenate([np.linspace(0.001, 0.999, 60), 1 - np.geomspace(1e-9, 1e-3, 5)])
    x = law.ppf(q)
    assert (np.diff(law.ppf(np.sort(q))) >= 0).all()
    # The least x with cdf(x) >= q, up to rounding of x and of the distribution function.
    slack = 4e-15 * max(abs(low), abs(high))
    assert (law.cdf(x + slack) >= q - 4e-15).all()
    assert (law.mass_below(x - slack) <= q + 4e-15).all()
    inside = law.ppf(law.cdf(interior(law)))
    assert (law.cdf(inside) <= law.cdf(interior(law)) + 4e-15).all()


@every_law
def test_moments_are_those_of_the_density(law):
    size = max(map(abs, ends(law)))
    for k in range(1, 7):
        expected = integral(law, lambda x, k=k: (x / size) ** k)
        assert law.moment(k) / size**k == pytest.approx(expected, abs=1e-12 + blur(law))
    mean = integral(law, lambda x: x)
    assert law.mean() == pytest.approx(mean, abs=(1e-12 + blur(law)) * size)
    var = integral(law, lambda x: (x - mean) ** 2)
    assert law.var() == pytest.approx(var, rel=1e-11 + 10 * blur(law))


@every_law
def test_stieltjes_is_the_integral_over_the_law(law):
    for z in complex_points(law, 5, closest=-0.7):
        expected = integral(law, lambda x, z=z: 1 / (z - x))
        assert law.stieltjes(z) == pytest.approx(expected, rel=2e-13 + 10 * blur(law))
        slope = -integral(law, lambda x, z=z: 1 / (z - x) ** 2)
        upper = complex(z.real, abs(z.imag))
        got = law._jet(np.array([upper]))[1][0]
        assert (got if z.imag > 0 else got.conjugate()) == pytest.approx(
            slope, rel=1e-12 + 30 * blur(law)
        )


@every_law
def test_log_potential_is_the_integral_of_the_logarithm(law):
    for z in complex_points(law, 5, closest=-0.7):
        expected = integral(law, lambda x, z=z: np.log(z - x))
        assert law.log_potential(z) == pytest.approx(
            expected, abs=3e-13 + 3 * blur(law) + 1e-13 * abs(expected)
        )


@every_law
def test_transforms_near_the_axis_are_each_others_derivatives(law):
    """Cauchy's integral for the derivative, over a circle of half the distance to the axis."""
    z = complex_points(law, 9, closest=-5)
    z = z.real + 1j * abs(z.imag)
    turn = np.exp(2j * np.pi * np.arange(48) / 48)
    radius = z.imag[:, None] / 2
    circle = z[:, None] + radius * turn
    g, slope = law._jet(z)
    near = np.abs(law.stieltjes(circle)).max(axis=1)
    rounding = 3e-15 * np.abs(z) / z.imag + 3e-15
    potential = law.log_potential(circle)
    by_integral = (potential / (radius * turn)).mean(axis=1)
    scale = near * np.abs(z) + np.abs(potential).max(axis=1)
    assert (np.abs(by_integral - g) <= 2e-13 * np.abs(g) + 3e-15 * scale / z.imag).all()
    by_integral = (law.stieltjes(circle) / (radius * turn)).mean(axis=1)
    assert (np.abs(by_integral - slope) <= 2e-13 * np.abs(slope) + rounding * near / z.imag).all()


@every_law
def test_stieltjes_maps_half_planes_to_the_opposite_ones(law):
    z = complex_points(law, 60)
    g = law.stieltjes(z)
    assert (g.imag * z.imag < 0).all()
    np.testing.assert_array_equal(law.stieltjes(z.conj()), g.conj())


@every_law
def test_boundary_values(law):
    """On the axis: density inside, real outside, infinite at atoms; cdf from the potential."""
    x = interior(law)
    np.testing.assert_allclose(-law.stieltjes(x).imag / np.pi, law.pdf(x), rtol=1e-12)
    near = law.stieltjes(x + 1e-11j * width(law))
    if not isinstance(law, Mixture):
        np.testing.assert_allclose(near, law.stieltjes(x), rtol=1e-6)
    low, high = ends(law)
    outside = np.array([low - 3 * width(law), low - 1e-3, high + 1e-3, high + 50 * width(law)])
    g, slope = law._jet(outside.astype(complex))
    assert (g.imag == 0).all()
    assert (slope.imag == 0).all()
    assert (slope.real < 0).all()
    assert np.sign(g.real).tolist() == [-1, -1, 1, 1]
    everywhere = np.concatenate([x, outside, [low, high], [place for place, _ in law.atoms]])
    phases = law.log_potential(everywhere).imag
    np.testing.assert_allclose(1 - phases / np.pi, law.cdf(everywhere), atol=4e-15)
    assert not np.isnan(law.log_potential(everywhere).real).any()
    for place, _ in law.atoms:
        g = law.stieltjes(place)
        assert g.real == math.inf
        assert g.imag == pytest.approx(-np.pi * law.pdf(place), abs=1e-14)
        assert law.log_potential(place).real == -math.inf


@every_law
def test_relative_accuracy_far_away(law):
    """G = 1/z + m1/z^2 + ..., without cancellation, at |z| up to 1e12 widths."""
    size = width(law) + abs(law.mean())
    z = size * np.outer([1e4, 1e8, 1e12], np.exp(1j * np.array([0.0, 0.4, 1.6, 3.0]))).ravel()
    z = np.concatenate([z, -1e8 * size * np.ones(1)])
    z[z.imag == 0] = z[z.imag == 0].real
    mean, var = law.mean(), law.var()
    third = law.moment(3) - 3 * mean * var - mean**3
    w = z - mean
    g, slope = law._jet(z)
    np.testing.assert_allclose(g * w, 1 + var / w**2 + third / w**3, rtol=4e-15)
    np.testing.assert_allclose(slope * w**2, -1 - 3 * var / w**2 - 4 * third / w**3, rtol=6e-15)
    np.testing.assert_allclose(
        law.log_potential(z), np.log(w) - var / (2 * w**2) - third / (3 * w**3), rtol=2e-15
    )


@every_law
def test_r_transform_inverts_stieltjes(law):
    low, high = ends(law)
    middle = (low + high) / 2
    turn = np.exp(1j * np.array([0, 0.3, 1.1, 1.8, 2.9, -0.5, -2.0]))
    z = middle + 1.5 * width(law) * turn
    g = law.stieltjes(z)
    np.testing.assert_allclose(law.r_transform(g) + 1 / g, z, atol=1e-13 * (abs(z).max()))
    far = middle + 1e5 * width(law) * turn
    g = law.stieltjes(far)
    expected = law.mean() + law.var() * g + law.free_cumulants(3)[2] * g**2
    np.testing.assert_allclose(
        law.r_transform(g), expected, atol=3e-14 * (abs(law.mean()) + width(law))
    )
    assert law.r_transform(0.0) == pytest.approx(law.mean(), abs=1e-15)
    assert isinstance(law.r_transform(0.0), float)
    real = law.stieltjes(low - width(law)).real
    assert law.r_transform(real) + 1 / real == pytest.approx(low - width(law), rel=1e-12)


@every_law
def test_s_transform_inverts_the_moment_series(law):
    if law.mean() == 0:
        if hasattr(law, "s_transform"):
            with pytest.raises(ValueError, match="mean is not zero"):
                law.s_transform(0.1)
        return
    if not hasattr(law, "s_transform"):
        pytest.skip("the law is no operand of a product as it stands")
    low, high = ends(law)
    # Far enough for M = m1/z + m2/z^2 + ... to be one-to-one
    radius = 2.5 * max(abs(low), abs(high)) + 6 * law.moment(2) / abs(law.mean())
    z = radius * np.exp(1j * np.array([0, 0.7, 2.0, 3.0, -1.2]))
    w = z * law.stieltjes(z) - 1
    np.testing.assert_allclose((1 + w) / (w * law.s_transform(w)), z, rtol=3e-12)
    assert law.s_transform(0.0) == pytest.approx(1 / law.mean(), rel=1e-13)
    # S = 1/m1 - w kappa_2/m1^3 + ...
    w = 1e-3 * law.mean() ** 2 / law.moment(2)
    slope = (law.s_transform(w) - law.s_transform(-w)) / (2 * w)
    assert slope == pytest.approx(-law.var() / law.mean() ** 3, rel=1e-4)


@every_law
def test_samples_follow_the_distribution_function(law):
    n = 2000
    draws = np.sort(law.sample(n, 20))
    bound = math.sqrt(math.log(2 / 1e-6) / (2 * n))
    values, first, counts = np.unique(draws, return_index=True, return_counts=True)
    assert np.abs((first + counts) / n - law.cdf(values)).max() < bound
    assert np.abs(first / n - law.mass_below(values)).max() < bound


@every_law
def test_laws_are_values(law):
    twin = pickle.loads(pickle.dumps(law))
    assert twin == law
    assert hash(twin) == hash(law)
    assert copy.deepcopy(law) == law
    assert law != MarchenkoPastur(0.123)
    for name in ("pdf", "cdf", "stieltjes", "log_potential", "r_transform"):
        assert getattr(law, name)(np.empty((2, 0))).shape == (2, 0)
    for bad in (math.nan, [0.1, math.nan]):
        with pytest.raises(ValueError, match="NaN"):
            law.r_transform(bad)
    with pytest.raises(TypeError, match="numbers"):
        law.r_transform("0.5")


@pytest.mark.parametrize(
    ("law", "density"),
    [
        (
            KestenMcKay(3.3),
            lambda x: 3.3 * mpmath.sqrt(9.2 - x * x) / (2 * mpmath.pi * (3.3**2 - x * x)),
        ),
        (Arcsine(-1.0, 2.5), lambda x: 1 / (mpmath.pi * mpmath.sqrt((x + 1) * (2.5 - x)))),
        (Uniform(-0.5, 2.0), lambda x: mpmath.mpf(0.4)),
        (
            FreeMeixner(0.75, 0.5),
            lambda x: (
                mpmath.sqrt(6 - (x - 0.75) ** 2) / (2 * mpmath.pi * (0.5 * x * x + 0.75 * x + 1))
            ),
        ),
        (
            Wachter(0.5, 0.25),
            lambda x: (
                6
                * mpmath.sqrt(
                    (x - (mpmath.sqrt(10) - 2) ** 2 / 36) * ((mpmath.sqrt(10) + 2) ** 2 / 36 - x)
                )
                / (2 * mpmath.pi * x * (1 - x))
            ),
        ),
        (
            FreePoisson(1.5, -2.0),
            lambda x: (
                mpmath.sqrt(
                    -(x + 2 * (1 + mpmath.sqrt(1.5)) ** 2) * (x + 2 * (1 - mpmath.sqrt(1.5)) ** 2)
                )
                / (-4 * mpmath.pi * x)
            ),
        ),
        (
            JacobiWeight(1.5, 0.25, 0.0, 1.0),
            lambda x: (1 - x) ** 1.5 * x**0.25 / mpmath.beta(2.5, 1.25),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_transforms_against_quadrature_at_30_digits(law, density):
    """The density is written out here, not taken from the law."""
    ((low, high),) = law.support
    with mpmath.workdps(30):
        inner = [low + (high - low) * share for share in (0.0, 0.3, 0.7, 1.0)]
        for z in (complex(low - 0.3, 0.05), complex(0.4 * low + 0.6 * high, -0.3), 1j * high + low):
            point = mpmath.mpc(z)
            g = mpmath.quad(lambda x, z=point: mpmath.re(density(x)) / (z - x), inner)
            potential = mpmath.quad(lambda x, z=point: density(x) * mpmath.log(z - x), inner)
            assert law.stieltjes(z) == pytest.approx(complex(g), rel=2e-14)
            assert law.log_potential(z) == pytest.approx(complex(potential), abs=5e-14)
