"""Every law of the table x every invariant."""

import math
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from law_table import (
    LAWS,
    blur,
    ends,
    exact_stieltjes,
    expectation,
    gaps,
    integral,
    interior,
    kinds,
    moment_by_partitions,
    pieces,
    tagged,
    terms,
    width,
)

from rmtland.free import FreeLevy
from rmtland.laws import (
    Arcsine,
    FreeMeixner,
    FreePoisson,
    JacobiWeight,
    KestenMcKay,
    LevyLaw,
    MarchenkoPastur,
    Mixture,
    Semicircle,
    Truncated,
    Uniform,
    Wachter,
)
from rmtland.solution import Status

every_law = pytest.mark.parametrize("law", [pytest.param(c.law, id=c.name) for c in LAWS])
every_kind = pytest.mark.parametrize("law", [pytest.param(c.law, id=c.name) for c in kinds()])
laws_with_atoms = pytest.mark.parametrize(
    "law", [pytest.param(c.law, id=c.name) for c in tagged("atoms", "no density")]
)
laws_with_pieces = pytest.mark.parametrize(
    "law", [pytest.param(c.law, id=c.name) for c in tagged("atoms", "no density", "bands")]
)
laws_with_bands = pytest.mark.parametrize(
    "law", [pytest.param(c.law, id=c.name) for c in LAWS if c.intervals]
)
METHODS = ("pdf", "cdf", "mass_below", "ppf", "stieltjes", "log_potential", "r_transform")


def reach(law):
    """Largest modulus in the support."""
    return max(map(abs, ends(law)))


def just_below(x):
    """The double below x; below 0 one that is not subnormal."""
    return np.nextafter(x, -math.inf) if x else -1e-300


def in_band(law, x):
    """Whether x is inside an interval of the continuous part."""
    return any(low < x < high for low, high in law.support)


def flat_ended(law):
    """Whether the density neither vanishes nor is unbounded at an end, as of a uniform law."""
    return isinstance(law, Uniform | JacobiWeight | Truncated) or (
        isinstance(law, Mixture) and any(flat_ended(part) for part in law.laws)
    )


def arguments(law, method, *numbers):
    """The numbers, scaled by a power of two into the values of G for the R-transform."""
    if method != "r_transform":
        return np.array(numbers)
    value = law.stieltjes(ends(law)[1] + width(law)).real
    return np.array(numbers) * 2.0 ** math.floor(math.log2(value))


def complex_points(law, n=60, seed=5):
    """Random points of both half-planes, from 1e-12 of the width off the axis to 10 widths."""
    rng = np.random.default_rng(seed)
    low, high = ends(law)
    x = rng.uniform(low - 0.5 * (high - low), high + 0.5 * (high - low), n)
    y = (high - low) * 10 ** rng.uniform(-12, 1, n) * rng.choice([-1, 1], n)
    return x + 1j * y


# Mass, density and distribution function -----------------------------------------------------


@every_law
def test_mass_is_one(law):
    mass, error = expectation(law, np.ones_like)
    assert error < 1e-10 + blur(law)
    assert mass == pytest.approx(1, abs=1e-12 + blur(law))


@every_law
def test_density_is_not_negative_and_vanishes_outside(law):
    assert (law.pdf(interior(law)) > 0).all()
    assert (law.pdf(gaps(law)) == 0).all()
    assert (law.pdf([-math.inf, math.inf]) == 0).all()


@every_law
def test_distribution_function_is_the_integral_of_the_density(law):
    points = np.concatenate([interior(law, 5, closest=1e-3)[::2], gaps(law)])
    slack = blur(law)
    whole = {
        (low, high): integral(law, np.ones_like, low=low, high=high) for low, high in pieces(law)
    }
    for x, below in zip(points, law.cdf(points), strict=True):
        mass, error = sum(m for place, m in law.atoms if place <= x), 0.0
        for (low, high), known in whole.items():
            if low < x:
                share = known if high <= x else integral(law, np.ones_like, low=low, high=x)
                mass, error = mass + share[0], error + share[1]
        assert error < 1e-10 + slack
        assert below == pytest.approx(mass, abs=1e-12 + slack)


@laws_with_bands
def test_derivative_of_the_distribution_function_is_the_density(law):
    for low, high in pieces(law):
        x = low + (high - low) * np.linspace(0.1, 0.9, 9)
        step = 1e-3 * (high - low)
        slope = (
            8 * (law.cdf(x + step) - law.cdf(x - step))
            - (law.cdf(x + 2 * step) - law.cdf(x - 2 * step))
        ) / (12 * step)
        np.testing.assert_allclose(slope, law.pdf(x), rtol=1e-4, atol=2e-12 / (high - low))


@laws_with_bands
def test_tails_near_an_edge_are_the_integral_of_the_density(law):
    """Relative accuracy of the mass in the first 1e-6 of an interval, from the left."""
    low, high = law.support[0]
    x = low + 1e-6 * (high - low)
    mass, _ = integral(law, np.ones_like, high=x)
    atoms = sum(m for place, m in law.atoms if place <= x)
    claimed = isinstance(law, FreeLevy | MarchenkoPastur | Semicircle)
    relative = claimed and low != 0 and 1e-6 * (high - low) > 1e-8 * abs(low)
    if atoms == 0 and relative:
        assert law.cdf(x) == pytest.approx(mass, rel=1e-7, abs=0)
    assert law.cdf(x) == pytest.approx(mass + atoms, abs=1e-14 + blur(law))


@every_law
def test_distribution_function_increases_from_zero_to_one(law):
    tight = [np.geomspace(1e-15, 1e-3, 30) * (b - a) for a, b in law.support]
    points = [interior(law, 40), gaps(law), np.ravel(law.support)]
    points += [a + t for (a, _), t in zip(law.support, tight, strict=True)]
    points += [b - t for (_, b), t in zip(law.support, tight, strict=True)]
    below = law.cdf(np.sort(np.concatenate(points)))
    # Sums and products add up the logarithms of their operands, each with its rounding.
    rounding = 4e-16 if exact_stieltjes(law, 1j) is not None else 2e-15
    assert (np.diff(below) >= -rounding).all()
    bottom, top = ends(law)
    assert law.cdf(just_below(bottom)) == 0
    assert law.cdf(-math.inf) == 0
    assert law.cdf(top) == pytest.approx(1, abs=2e-15)
    assert law.cdf(math.inf) == 1


@every_law
def test_distribution_function_steps_at_atoms_and_only_there(law):
    edges = np.ravel(law.support)
    for place, mass in law.atoms:
        before, at = law.cdf([just_below(place), place])
        after = law.cdf(-just_below(-place))
        density = law.pdf(place) * np.spacing(abs(place))
        assert at - before == pytest.approx(mass, abs=2e-15 + density)
        assert after == pytest.approx(at, abs=density)
        assert law.pdf(place) == 0 or in_band(law, place)
    smooth = [x for x in edges if not any(x == place for place, _ in law.atoms)]
    for x in smooth:
        # 1e-13 of the width holds about 1e-19 at a square-root edge, 4e-7 where 1/sqrt grows; at
        # zero the density may grow like |x|^-0.8, and rounding is no obstacle.
        step = (1e-13 if x else 1e-60) * width(law)
        if all(abs(x - place) > 2 * step for place, _ in law.atoms):
            assert -4e-16 <= law.cdf(x + step) - law.cdf(x - step) < 2e-6


@every_law
def test_mass_below_leaves_out_the_atom(law):
    for place, mass in law.atoms:
        below = law.mass_below(place)
        assert below == pytest.approx(law.cdf(place) - mass, abs=2e-15)
        density = law.pdf(place) * np.spacing(abs(place))
        assert below == pytest.approx(law.cdf(just_below(place)), abs=2e-15 + density)
        above = law.mass_below(-just_below(-place))
        assert above == pytest.approx(law.cdf(place), abs=2e-15 * in_band(law, place) + density)
    x = np.concatenate([interior(law), gaps(law), [-math.inf, math.inf]])
    np.testing.assert_allclose(law.mass_below(x), law.cdf(x), atol=2e-15)


@laws_with_bands
def test_edges_are_where_the_density_vanishes(law):
    assert all(a < b for a, b in law.support)
    assert all(b[1] < a[0] for b, a in zip(law.support, law.support[1:], strict=False))
    for low, high in law.support:
        share = 1e-6 if isinstance(law, JacobiWeight) else 1e-11  # to the 40th power
        inwards = max(share * (high - low), 4 * np.spacing(max(abs(low), abs(high))))
        for edge, sign in ((low, 1), (high, -1)):
            assert law.pdf(edge + sign * inwards) > 0
            assert law.pdf(np.nextafter(edge, -sign * math.inf)) == 0
            # The edge itself is rounded, so that the density there is the root of a rounding.
            vanishes = law.pdf(edge) < 1e-6 * law.pdf(interior(law)).max()
            assert law.pdf(edge) == math.inf or vanishes or flat_ended(law)


# Quantiles -----------------------------------------------------------------------------------


@laws_with_bands
def test_quantile_inverts_the_distribution_function(law):
    for low, high in pieces(law):
        x = low + (high - low) * np.sin(np.linspace(0.2, np.pi - 0.2, 15) / 2) ** 2
        density = law.pdf(x)
        tolerance = 4e-15 * max(abs(low), abs(high)) + 4e-15 / density
        assert (np.abs(law.ppf(law.cdf(x)) - x) <= tolerance).all()


@every_law
def test_distribution_function_inverts_the_quantile(law):
    q = np.concatenate([np.linspace(0.001, 0.999, 41), np.random.default_rng(1).random(40)])
    x = law.ppf(q)
    steps = np.zeros_like(q)  # on an atom cdf jumps over q
    for place, mass in law.atoms:
        on = x == place
        steps[on] = mass
        assert (law.cdf(place) - q[on] >= -1e-15).all()
        assert (law.cdf(place) - mass - q[on] <= 1e-15).all()
    off = steps == 0
    # x is as accurate as the ends of its interval.
    ulp = np.spacing(reach(law))
    tolerance = 4e-15 + law.cdf(x[off] + 2 * ulp) - law.cdf(x[off] - 2 * ulp)
    assert (np.abs(law.cdf(x[off]) - q[off]) <= tolerance).all()
    assert (np.diff(law.ppf(np.sort(q))) >= 0).all()


@every_law
def test_quantiles_of_zero_and_one_are_the_ends(law):
    assert law.ppf(0) == ends(law)[0]
    assert law.ppf(1) == ends(law)[1]
    assert law.ppf(0.0) <= law.ppf(1e-300) <= law.ppf(1e-9)


@laws_with_pieces
def test_quantiles_beside_a_gap_and_on_an_atom(law):
    atoms = [(place, place) for place, _ in law.atoms if not in_band(law, place)]
    for (start, left), (right, end) in pairwise(sorted([*law.support, *atoms])):
        level = law.cdf(left)
        assert law.cdf((left + right) / 2) == pytest.approx(level, abs=2e-15)
        # The least x with cdf(x) >= level; up to the rounding of level, the end on the left:
        # at a square-root edge 4e-15 of the mass takes the 2/3 power of its share of the width.
        mass = level - law.mass_below(start)
        slack = 4 * (4e-15 / mass) ** (2 / 3) * (left - start)
        assert law.ppf(level - 4e-15) == pytest.approx(left, abs=slack)
        beyond = law.ppf(level + 1e-6)
        assert right <= beyond <= end
        assert law.ppf(level - 1e-6) <= left
    for place, mass in law.atoms:
        shares = np.array([1e-6, 0.3, 0.999999])
        np.testing.assert_array_equal(law.ppf(law.cdf(place) - mass * shares), place)


# Moments and free cumulants -------------------------------------------------------------------


@every_law
def test_moments_three_ways(law):
    cumulants = law.free_cumulants(6)
    assert law.moment(0) == 1
    for k in range(1, 7):
        scale = reach(law) ** k
        by_quadrature, error = expectation(law, lambda x, k=k, scale=scale: x**k / scale)
        assert error < 1e-10 + blur(law)
        assert law.moment(k) / scale == pytest.approx(by_quadrature, abs=1e-12 + blur(law))
        assert law.moment(k) == pytest.approx(
            moment_by_partitions(cumulants, k), rel=1e-13, abs=1e-14 * scale
        )


@every_law
def test_low_moments_from_free_cumulants_by_explicit_formulas(law):
    k1, k2, k3, k4 = law.free_cumulants(4)
    explicit = [
        k1,
        k2 + k1**2,
        k3 + 3 * k2 * k1 + k1**3,
        k4 + 4 * k3 * k1 + 2 * k2**2 + 6 * k2 * k1**2 + k1**4,
    ]
    sizes = np.array([reach(law) ** k for k in range(1, 5)])
    got = [law.moment(k) for k in range(1, 5)]
    np.testing.assert_allclose(got / sizes, explicit / sizes, rtol=1e-13, atol=1e-14)


@every_law
def test_mean_and_variance(law):
    mean, _ = expectation(law, lambda x: x)
    var, _ = expectation(law, lambda x: (x - mean) ** 2)
    assert law.mean() == pytest.approx(mean, abs=(1e-12 + blur(law)) * reach(law))
    assert law.var() == pytest.approx(var, rel=1e-10 + 10 * blur(law), abs=0)
    assert isinstance(law.mean(), float)
    assert isinstance(law.var(), float)


@every_law
def test_free_cumulants_are_the_power_series_of_r(law):
    """Cauchy's integral over a circle on which R is analytic inside.

    G is one-to-one outside the disc about a law of radius r, and takes all values of modulus below
    1/(4 r) there.
    """
    low, high = ends(law)
    radius = 1 / (4 * max(high - law.mean(), law.mean() - low))
    g = radius * np.exp(2j * np.pi * np.arange(128) / 128)
    values = law.r_transform(g)
    cumulants = law.free_cumulants(8)
    assert cumulants.shape == (8,)
    scale = np.abs(values).max() / radius ** np.arange(8)
    by_integral = [(values * g**-k).mean() for k in range(8)]
    rounding = 2e-15 if isinstance(law, LevyLaw) else 4e-14  # of a closed form, of an inversion
    np.testing.assert_allclose(cumulants / scale, by_integral / scale, atol=rounding)


# Transforms ----------------------------------------------------------------------------------


@every_law
def test_r_transform_inverts_stieltjes(law):
    """K(G(z)) = R(G(z)) + 1/G(z) = z: everywhere where R is rational, else off the convex hull."""
    if isinstance(law, LevyLaw):
        z = complex_points(law)
        g = law.stieltjes(z)
        defect = np.abs(law.r_transform(g) + 1 / g - z)
        assert (defect <= 4e-15 * terms(law, 1 / g)).all()
    low, high = ends(law)
    turn = np.exp(1j * np.array([0, 0.3, 1.1, 1.8, 2.9, math.pi, -0.5, -2.0]))
    z = low / 2 + high / 2 + 1.5 * (high - low) * turn
    g = law.stieltjes(z)
    np.testing.assert_allclose(law.r_transform(g) + 1 / g, z, atol=2e-13 * np.abs(z).max())
    real = law.stieltjes(low - (high - low)).real
    assert isinstance(law.r_transform(real), float)
    assert law.r_transform(real) + 1 / real == pytest.approx(low - (high - low), rel=1e-12)
    assert law.r_transform(0.0) == pytest.approx(law.mean(), rel=1e-14, abs=1e-15 * reach(law))


@every_law
def test_s_transform_inverts_the_moment_series(law):
    if law.mean() == 0:
        with pytest.raises(ValueError, match="mean is not zero"):
            law.s_transform(0.1)
        return
    # Far enough for M = m1/z + m2/z^2 + ... to be one-to-one
    radius = 2.5 * reach(law) + 6 * law.moment(2) / abs(law.mean())
    z = radius * np.exp(1j * np.array([0, 0.7, 2.0, 3.0, -1.2]))
    w = z * law.stieltjes(z) - 1
    # M loses the digits that 1 has above it.
    np.testing.assert_allclose((1 + w) / (w * law.s_transform(w)), z, rtol=1e-14 / np.abs(w).min())
    assert law.s_transform(0.0) == pytest.approx(1 / law.mean(), rel=1e-13)
    # S = 1/m1 - w kappa_2/m1^3 + ...
    w = 1e-3 * law.mean() ** 2 / law.moment(2)
    slope = (law.s_transform(w) - law.s_transform(-w)) / (2 * w)
    assert slope == pytest.approx(-law.var() / law.mean() ** 3, rel=1e-4)


@every_law
def test_stieltjes_maps_half_planes_to_the_opposite_ones(law):
    z = complex_points(law)
    g = law.stieltjes(z)
    assert (g.imag * z.imag < 0).all()
    np.testing.assert_array_equal(law.stieltjes(z.conj()), g.conj())
    # |G| is at most 1 / distance, with equality nowhere.
    assert (np.abs(g) * np.abs(z.imag) <= 1 + 1e-14).all()


@every_law
def test_stieltjes_is_the_integral_over_the_law(law):
    for z in complex_points(law, 4) + 0.3j * width(law):
        z = complex(z.real, abs(z.imag) + 0.1 * width(law))
        value, _ = expectation(law, lambda t, z=z: 1 / (z - t))
        assert abs(law.stieltjes(z) - value) < (1e-12 + blur(law)) * abs(value)


@every_law
def test_stieltjes_at_the_axis_gives_the_density(law):
    x = np.concatenate([interior(law), gaps(law)])
    np.testing.assert_allclose(
        -law.stieltjes(x).imag / np.pi, law.pdf(x), rtol=1e-9, atol=1e-14 / width(law)
    )
    assert (law.stieltjes(x).imag <= 0).all()


@every_law
def test_stieltjes_is_continuous_at_the_axis(law):
    """From a height of 1e-10 of the width; in the bulk the derivative is of the order of 1."""
    for low, high in pieces(law):
        x = low + (high - low) * np.array([0.3, 0.55, 0.8])
        near = law.stieltjes(x + 1e-10j * (high - low))
        np.testing.assert_allclose(near, law.stieltjes(x), rtol=2e-7)
    x = gaps(law)
    places = np.array([*np.ravel(law.support), *(place for place, _ in law.atoms)])
    distance = np.abs(x[:, None] - places).min(axis=1)
    near = law.stieltjes(x + 1e-9j * distance)
    np.testing.assert_allclose(near, law.stieltjes(x), rtol=1e-7)


@every_law
def test_stieltjes_in_the_gaps_is_real_and_right(law):
    x = gaps(law)
    g = law.stieltjes(x)
    assert (g.imag == 0).all()
    for point, value in zip(x, g.real, strict=True):
        if any(abs(point - place) < 1e-3 * width(law) for place, _ in law.atoms):
            continue
        by_integral, _ = expectation(law, lambda t, point=point: 1 / (point - t))
        distance = min(abs(end - point) for end in [*np.ravel(law.support), *ends(law)])
        slack = (1e-14 + blur(law)) / distance
        assert value == pytest.approx(by_integral, rel=1e-9, abs=slack)


@laws_with_atoms
def test_stieltjes_is_infinite_at_an_atom(law):
    assert law.atoms
    for place, mass in law.atoms:
        assert np.isinf(law.stieltjes(place))
        height = (1e-9 if law.support else 2e-10) * width(law)
        near = 1j * height * law.stieltjes(place + 1j * height)
        assert near == pytest.approx(mass, rel=1e-6, abs=4e-9 * in_band(law, place))
        assert law.log_potential(place).real == -math.inf


@every_law
def test_derivative_of_the_log_potential_is_stieltjes(law):
    """Cauchy's integral for the derivative, over a circle of half the distance to the axis."""
    z = complex_points(law, 20)
    z = z[np.abs(z.imag) > 1e-4 * width(law)]
    turn = np.exp(2j * np.pi * np.arange(64) / 64)
    radius = np.abs(z.imag)[:, None] / 2
    values = law.log_potential(z[:, None] + radius * turn)
    slope = (values / (radius * turn)).mean(axis=1)
    rounding = np.abs(values).max(axis=1) + np.abs(law.stieltjes(z)) * np.abs(z)
    rounding *= 4e-16 / radius[:, 0]
    assert (np.abs(slope - law.stieltjes(z)) <= 1e-13 * np.abs(slope) + rounding).all()


@every_law
def test_log_potential_is_the_integral_of_the_logarithm(law):
    for z in complex_points(law, 6):
        z = complex(z.real, abs(z.imag) + 0.1 * width(law))
        value, _ = expectation(law, lambda t, z=z: np.log(z - t))
        tolerance = (1e-12 + blur(law)) * max(1, abs(value))
        assert law.log_potential(z) == pytest.approx(value, abs=tolerance)
        assert law.log_potential(z.conjugate()) == law.log_potential(z).conjugate()


@every_law
def test_log_potential_behaves_like_the_logarithm_at_infinity(law):
    for direction in (1j, 1 + 1j, -2 + 0.1j):
        z = 1e4 * (reach(law) + width(law)) * direction
        series = np.log(z) - law.moment(1) / z - law.moment(2) / (2 * z**2)
        assert law.log_potential(z) == pytest.approx(series, abs=1e-11)


@every_law
def test_distribution_function_is_the_argument_of_the_log_potential(law):
    x = np.concatenate([interior(law), gaps(law), *([place] for place, _ in law.atoms)])
    np.testing.assert_allclose(1 - law.log_potential(x).imag / np.pi, law.cdf(x), atol=4e-15)


# Draws -------------------------------------------------------------------------------------------


@every_law
def test_samples_follow_the_distribution_function(law):
    """Kolmogorov distance at significance 1e-6, by the bound of Dvoretzky, Kiefer and Wolfowitz."""
    n = 4000
    draws = np.sort(law.sample(n, rng=20))
    bound = math.sqrt(math.log(2 / 1e-6) / (2 * n))
    values, first, counts = np.unique(draws, return_index=True, return_counts=True)
    atoms = np.zeros(values.size)
    for place, mass in law.atoms:
        atoms[values == place] = mass
    at = law.cdf(values)
    assert np.abs((first + counts) / n - at).max() < bound
    assert np.abs(first / n - (at - atoms)).max() < bound


@every_kind
def test_samples_have_the_shape_asked_for_and_repeat_with_the_seed(law):
    assert law.sample((3, 2), rng=4).shape == (3, 2)
    assert law.sample(0, rng=4).shape == (0,)
    np.testing.assert_array_equal(law.sample(5, rng=7), law.sample(5, rng=np.random.default_rng(7)))
    assert (law.sample(5000, rng=7) != law.sample(5000, rng=8)).any()
    generator = np.random.default_rng(7)
    assert (law.sample(5000, rng=generator) != law.sample(5000, rng=generator)).any()


# Arguments ----------------------------------------------------------------------------------------


@every_kind
def test_any_shape_goes_in_and_out(law):
    for method in METHODS:
        function = getattr(law, method)
        real = method in ("pdf", "cdf", "mass_below", "ppf")
        one = float(arguments(law, method, 0.375)[0])
        scalar = function(one)
        assert isinstance(scalar, float) if real else isinstance(scalar, complex | float)
        assert np.ndim(scalar) == 0
        assert np.shape(function(np.float64(one))) == ()
        assert np.shape(function(np.array(one))) == ()
        assert function([]).shape == (0,)
        assert function(np.empty((2, 0, 3))).shape == (2, 0, 3)
        x = arguments(law, method, [0.375, 0.6875, 0.8125], [0.15625, 0.875, 0.4375])
        full = function(x)
        assert full.shape == (2, 3)
        np.testing.assert_array_equal(function(x.tolist()), full)
        np.testing.assert_array_equal(function(np.asfortranarray(x)), full)
        # Solvers start from the neighbour: other orders agree to rounding.
        same = {"rtol": 1e-13, "atol": 1e-15 * np.abs(full[np.isfinite(full)]).max(initial=1)}
        np.testing.assert_allclose(full, [[function(v) for v in row] for row in x], **same)
        np.testing.assert_allclose(function(x.T), full.T, **same)
        np.testing.assert_allclose(function(x[:, ::-2]), full[:, ::-2], **same)


@every_kind
def test_any_real_dtype_goes_in_and_float64_comes_out(law):
    for method in METHODS:
        function = getattr(law, method)
        x = arguments(law, method, 0.375, 0.6875, 1.0)
        expected = function(x)
        assert expected.dtype in (np.float64, np.complex128)
        for same in (x.astype(np.float32), x.astype(">f8")):
            got = function(same)
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected)
        one = 0 if method == "r_transform" else 1
        np.testing.assert_array_equal(function(np.array([0, one])), function(np.array([0.0, one])))
        assert function(one) == function(float(one))


@every_kind
def test_arguments_are_not_written_to(law):
    for method in METHODS:
        x = arguments(law, method, 0.9, 0.1, 0.4)
        before = x.copy()
        x.flags.writeable = False
        getattr(law, method)(x)
        assert (x == before).all()


@every_kind
def test_nan_is_refused(law):
    for method in METHODS:
        for value in ([0.5, math.nan], math.nan):
            with pytest.raises(ValueError, match="NaN"):
                getattr(law, method)(value)


@every_kind
def test_what_is_not_a_number_is_refused(law):
    for method in METHODS:
        for value in ("0.5", ["a"], None, b"1", [object()]):
            with pytest.raises(TypeError, match="numbers"):
                getattr(law, method)(value)


@every_kind
def test_complex_points_are_refused_where_real_ones_belong(law):
    for method in ("pdf", "cdf", "mass_below", "ppf"):
        for value in (0.5 + 0.1j, np.zeros(0, dtype=complex)):
            with pytest.raises(TypeError, match="real"):
                getattr(law, method)(value)


@every_law
def test_probabilities_outside_the_unit_interval_are_refused(law):
    for q in (-1e-9, 1.0000001, math.inf, -math.inf, [0.5, 2.0]):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            law.ppf(q)


@every_kind
def test_transforms_refuse_infinity(law):
    for method in ("stieltjes", "log_potential"):
        with pytest.raises(ValueError, match="finite"):
            getattr(law, method)([1j, math.inf])


@every_kind
def test_orders_of_moments_are_checked(law):
    with pytest.raises(ValueError, match="k must be"):
        law.moment(-1)
    with pytest.raises(ValueError, match="k must be"):
        law.free_cumulants(0)
    for wrong in (1.5, "2", None, True):
        with pytest.raises(TypeError, match="k must be"):
            law.moment(wrong)
        with pytest.raises(TypeError, match="k must be"):
            law.free_cumulants(wrong)
    assert law.moment(2.0) == law.moment(np.int32(2))


@every_law
def test_laws_are_values(law):
    import copy
    import pickle

    twin = pickle.loads(pickle.dumps(law))
    assert twin == law
    assert hash(twin) == hash(law)
    assert twin is not law
    assert copy.deepcopy(law) == law
    with pytest.raises(AttributeError):
        law.variance = 3.0


# Solutions ---------------------------------------------------------------------------------------


def solved_points(law):
    """Points in bands, in gaps, beside edges and atoms, near the axis and far away."""
    z = complex_points(law, 12, seed=9)
    x = np.concatenate([interior(law, 5, closest=1e-9), gaps(law)])
    beside = np.array([*ends(law), law.mean()]) + 1e-9j * width(law)
    far = 1e6 * (reach(law) + width(law)) * np.array([1, -1, 1j])
    return np.concatenate([z.real + 1j * np.abs(z.imag), x, beside, far])


@every_law
def test_solutions_are_the_stieltjes_transform(law):
    z = solved_points(law)
    solution = law.solve(z)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.value, law.stieltjes(z), rtol=1e-9)
    assert (solution.residual >= 0).all()
    assert (solution.steps >= 0).all()
    assert law.solve(0.5j).value.shape == law.solve(0.5j).residual.shape == ()
    assert law.solve([[0.3j, 1]]).steps.shape == (1, 2)
    assert law.solve(np.empty((0, 2))).value.shape == (0, 2)


@every_kind
def test_solutions_refuse_what_is_not_in_the_closed_upper_half_plane(law):
    for bad in (-1e-9j, math.nan, math.inf, [1j, 1 - 1j]):
        with pytest.raises(ValueError, match="Im z >= 0"):
            law.solve(bad)


@every_law
def test_reported_errors_are_at_least_the_true_ones(law):
    """Against 40 digits; and the bound is of use: away from the law it is rounding."""
    z = solved_points(law)
    solution = law.solve(z)
    if exact_stieltjes(law, z[0]) is None:
        pytest.skip("no closed form at 40 digits; the routes are compared in tests/free")
    exact = np.array([complex(exact_stieltjes(law, point)) for point in z])
    true = np.abs(solution.value - exact)
    assert (true <= solution.error).all()
    assert (solution.error[-3:] <= 1e-12 * np.abs(exact[-3:])).all()
    calm = z.imag > 0.1 * width(law)
    assert (solution.error[calm] <= 1e-10 * np.abs(exact[calm])).all()
    for place, _ in law.atoms:
        at = law.solve(place)
        assert np.isinf(at.value.real)
        assert at.error == 0


# Against quadrature of densities written out here ---------------------------------------------


@pytest.mark.slow_siblings(2)
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


@every_kind
def test_laws_are_points_from_very_far_away(law):
    """Where squares of points are no numbers: uniform laws had Im G = 0, Wachter's an infinity."""
    z = np.array([1e160, 1e200j, -1e250 + 1e250j])
    np.testing.assert_allclose(law.stieltjes(z) * z, 1, rtol=1e-12)
    np.testing.assert_allclose(law.log_potential(z), np.log(z), rtol=1e-12)
