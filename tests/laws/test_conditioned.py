"""Truncated and tilted laws against closed forms; bad input."""

import math

import mpmath
import numpy as np
import pytest
from scipy import stats

from rmtland.free import free_sum
from rmtland.laws import (
    Arcsine,
    Discrete,
    FussCatalan,
    JacobiWeight,
    MarchenkoPastur,
    Normal,
    Semicircle,
    Truncated,
    Uniform,
    affine,
    mixture,
    pushforward,
    tilted,
    truncated,
)
from rmtland.laws.certificate import certificate
from rmtland.solution import ConvergenceError

SIGN = Discrete((-1.0, 1.0), (0.5, 0.5))


def grid(law, n=25):
    low, high = law.hull
    return low + (high - low) * np.linspace(0.01, 0.99, n)


def heights(law):
    low, high = law.hull
    x = np.linspace(low - 0.3, high + 0.3, 9)
    return (x[:, None] + 1j * np.array([1e-9, 1e-4, 0.03, 0.3, 3.0])).ravel()


# (law, the same law in closed form)
SAME = [
    (truncated(Uniform(-1.0, 3.0), 0.0, 1.0), Uniform(0.0, 1.0)),
    (truncated(Uniform(-1.0, 3.0), 1.0), Uniform(1.0, 3.0)),
    (truncated(Uniform(-1.0, 3.0), high=1.0), Uniform(-1.0, 1.0)),
    (
        truncated(Discrete((0.0, 1.0, 5.0), (0.2, 0.3, 0.5)), 0.5, 5.0),
        Discrete((1.0, 5.0), (0.375, 0.625)),
    ),
    (tilted(Arcsine(-1.0, 1.0), lambda t: 1 - t * t), Semicircle(0.25)),
    (tilted(Uniform(0.0, 1.0), lambda t: 30 * t * (1 - t) ** 3), JacobiWeight(3.0, 1.0, 0.0, 1.0)),
    (tilted(Semicircle(), lambda t: 4 - t * t), JacobiWeight(1.5, 1.5, -2.0, 2.0)),
    (tilted(MarchenkoPastur(1.0), np.square), JacobiWeight(0.5, 1.5, 0.0, 4.0)),
    (tilted(SIGN, np.exp), Discrete((-1.0, 1.0), (1 / (1 + math.e**2), 1 / (1 + math.e**-2)))),
    (tilted(Uniform(0.0, 2.0), lambda t: 3.0), Uniform(0.0, 2.0)),
]


@pytest.mark.parametrize(("law", "same"), SAME, ids=lambda v: repr(v)[:40])
def test_closed_forms(law, same):
    assert law.support == same.support
    np.testing.assert_allclose(np.array(law.atoms), np.array(same.atoms), rtol=1e-14)
    x = grid(law)
    np.testing.assert_allclose(law.pdf(x), same.pdf(x), rtol=1e-11)
    np.testing.assert_allclose(law.cdf(x), same.cdf(x), atol=1e-11)
    np.testing.assert_allclose(law.sf(x), same.sf(x), atol=1e-11)
    z = heights(law)
    np.testing.assert_allclose(law.stieltjes(z), same.stieltjes(z), rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(law.log_potential(z), same.log_potential(z), atol=1e-10)
    for k in range(6):
        assert law.moment(k) == pytest.approx(same.moment(k), rel=1e-11, abs=1e-12)
    q = np.array([0.01, 0.4, 0.99])
    np.testing.assert_allclose(law.ppf(q), same.ppf(q), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(law.isf(q), same.isf(q), rtol=1e-8, atol=1e-10)
    assert certificate(law).failures == ()


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (3.0, 9.0), (-math.inf, -4.0), (7, 7.5)])
def test_truncated_normal_laws_of_scipy(low, high):
    law, same = truncated(Normal(), low, high), stats.truncnorm(low, high)
    q = np.array([1e-6, 0.3, 0.999])
    np.testing.assert_allclose(law.ppf(q), same.ppf(q), rtol=1e-9)
    x = same.ppf([0.1, 0.5, 0.9])
    np.testing.assert_allclose(law.pdf(x), same.pdf(x), rtol=1e-9)
    np.testing.assert_allclose(law.sf(x), same.sf(x), rtol=1e-9)
    assert law.mean() == pytest.approx(same.mean(), rel=1e-10)


def test_nothing_cut_off_is_the_law_itself():
    law = MarchenkoPastur(0.5)
    assert truncated(law) is law
    assert truncated(law, -1.0, 10.0) is law
    assert truncated(Normal()) == Normal()


def test_the_transform_beside_a_cut_has_a_logarithm():
    law, whole = truncated(Semicircle(), -1.0, 0.5), Semicircle()
    jump = whole.pdf(0.5) / (whole.cdf(0.5) - whole.cdf(-1.0))
    d = np.array([1e-6, 1e-9, 1e-12])
    above = law.stieltjes(0.5 + d).real
    assert np.diff(above) == pytest.approx(jump * math.log(1000) * np.ones(2), rel=1e-3)
    assert law.stieltjes(0.5) == math.inf
    assert law.stieltjes(-1.0) == -math.inf


def test_what_is_cut_off_keeps_the_mass_that_rounding_hides():
    """Numbers thin out at -1, where 1e-5 of the mass is closer than they are."""
    law = JacobiWeight(1.5, -0.7, -1.0, 1.0)
    cut = truncated(law, -0.6)
    for z in (0.2 + 0.1j, -0.59 + 0.01j):
        with mpmath.workdps(20):
            exact = mpmath.quad(
                lambda t, z=z: float(law.pdf(float(t))) / (z - t), [-0.6, z.real, 1.0]
            )
        assert cut.stieltjes(z) == pytest.approx(complex(exact) / law.sf(-0.6), rel=1e-9)


def test_a_tilted_law_with_a_density_that_is_unbounded_inside_a_band():
    """The cubic takes -2 to .9, inside the band, and has turning points; by its angle."""
    cubic, start = (0.1, -1.0, 0.2, 0.25), Arcsine(-2.0, 1.0)
    law = tilted(pushforward(start, cubic), lambda x: np.exp(2 * x))
    t = (np.arange(400000) + 0.5) * np.pi / 400000
    values = np.polyval(cubic[::-1], -0.5 + 1.5 * np.cos(t))
    weights = np.exp(2 * values) / np.exp(2 * values).sum()
    for x in (-0.44, 0.0, 0.89, 0.91, 0.9455, 1.2):
        assert law.cdf(x) == pytest.approx(weights[values <= x].sum(), abs=1e-5)
    assert law.mean() == pytest.approx(weights @ values, rel=1e-9)


def test_a_law_cut_below_an_end_of_infinite_density_has_all_its_mass_there():
    law = truncated(JacobiWeight(-0.5, 2.5, 0.0, 1.0), 0.5)
    with mpmath.workdps(20):  # in the root of the distance from the end
        mass = mpmath.quad(lambda u: (1 - u * u) ** 2.5, [0, mpmath.sqrt(0.5)])
        exact = mpmath.quad(
            lambda u: (1 - u * u) ** 2.5 / (mpmath.mpf("0.001") + u * u), [0, 0.1, mpmath.sqrt(0.5)]
        )
    assert law.stieltjes(1.001) == pytest.approx(float(exact / mass), rel=1e-9)


def test_the_potential_at_a_cut():
    """In the middle of a semicircle it is that of the whole law, log(std) - 1/2."""
    for law in (Semicircle(), Semicircle(1.5, center=0.3), Semicircle(1e-2, center=-7.1)):
        middle = law.mean()
        exact = math.log(law.std()) - 0.5
        upper, lower = truncated(law, middle), truncated(law, high=middle)
        assert upper.log_potential(middle) == pytest.approx(exact + 1j * math.pi, rel=1e-11)
        assert lower.log_potential(middle) == pytest.approx(exact, rel=1e-11)


def test_size_biased_laws():
    """Weight t once takes the null space away and moves the mean to m2/m1."""
    law = tilted(MarchenkoPastur(2.5, 0.6), lambda t: t)
    assert law.atoms == ()
    assert law.mean() == pytest.approx(0.6 * 3.5, rel=1e-12)
    assert law.stieltjes(0.0).real == pytest.approx(-1 / 0.6 * 1 / 2.5 * 2.5 * 0.4, rel=1e-6)


def test_cut_twice_is_cut_once():
    law = truncated(truncated(Semicircle(), -1.5, 1.0), -0.5, 1.8)
    same = Truncated(Semicircle(), -0.5, 1.0)
    x = grid(same)
    np.testing.assert_allclose(law.cdf(x), same.cdf(x), atol=1e-14)
    z = heights(same)
    np.testing.assert_allclose(law.stieltjes(z), same.stieltjes(z), rtol=1e-11)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: truncated(1.0, 0, 1), TypeError, "takes a law"),
        (lambda: truncated(Uniform(), 0.7, 0.2), ValueError, "low must be below high"),
        (lambda: truncated(Uniform(), math.nan, 0.2), ValueError, "NaN"),
        (lambda: truncated(SIGN, -0.5, 0.5), ValueError, "no mass between"),
        (lambda: truncated(Uniform(), 2.0, 3.0), ValueError, "low must be below high|no mass"),
        (lambda: tilted("law", np.exp), TypeError, "takes a law"),
        (lambda: tilted(Uniform(), 2.0), TypeError, "function of an array"),
        (lambda: tilted(Uniform(), lambda t: t - 0.5), ValueError, "not negative"),
        (lambda: tilted(Uniform(), lambda t: np.full_like(t, np.nan)), ValueError, "finite"),
        (lambda: tilted(Uniform(), lambda t: 0 * t), ValueError, "wherever the law has mass"),
        (lambda: tilted(Uniform(), lambda t: np.abs(t - 0.3)), ConvergenceError, "not smooth"),
        (
            lambda: tilted(Uniform(0.0, 1.0), lambda t: np.where(t == 0, np.inf, 1.0)),
            ValueError,
            "the weight must be finite from 0 to 1, the hull of the law; it is not at 0",
        ),
    ],
)
def test_bad_input_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize(
    ("low", "high"), [(8.0, math.inf), (8.0, 9.0), (-math.inf, -8.0), (30.0, math.inf), (3.0, 5.0)]
)
def test_tails_of_a_normal_law_in_units_of_their_own_mass(low, high):
    law = truncated(Normal(), low, high)
    sign = 1 if low > 0 else -1
    start = min(abs(low), abs(high))
    stop = max(abs(low), abs(high))
    with mpmath.workdps(250):
        root = mpmath.sqrt(2)
        first, last = mpmath.npdf(start), mpmath.npdf(stop)
        total = (mpmath.erfc(start / root) - mpmath.erfc(stop / root)) / 2
        mean = (first - last) / total
        end = 0 if math.isinf(stop) else stop * last
        var = 1 + (start * first - end) / total - mean**2
        z = mpmath.mpc(start + 0.1, 1.5)
        top = min(stop, start + 12)
        ends = [start + (top - start) * mpmath.mpf(k) / 40 for k in range(41)]
    with mpmath.workdps(20):
        g = mpmath.quad(lambda t: mpmath.npdf(t) / (z - t), ends) / total
    assert law.mean() == pytest.approx(sign * float(mean), rel=1e-13)
    assert law.var() == pytest.approx(float(var), rel=1e-10)
    value = law.stieltjes(sign * (start + 0.1) + 1.5j)
    assert value == pytest.approx(sign * (complex(g) if sign > 0 else complex(g).conjugate()))
    if float(total) < 1e-7:
        with pytest.raises(ConvergenceError, match="no digits on the interval"):
            law.stieltjes(sign * (start + 0.1) + 1e-9j)


@pytest.mark.parametrize("center", [1e3, 1e6, -1e8])
def test_laws_far_from_zero_keep_the_digits_of_their_variance(center):
    """E X^2 - (E X)^2 has none left of them where the mean is 1e8 times the width."""
    share = 2 * stats.norm.pdf(1.0) / (2 * stats.norm.cdf(1.0) - 1)
    step = np.spacing(abs(center))
    law = truncated(Normal(1.0, center), center - 1, center + 1)
    assert law.mean() == pytest.approx(center, abs=step)
    assert law.var() == pytest.approx(1 - share, abs=8 * step)
    law = tilted(Semicircle(1.0, center), lambda x: 2 + (x - center))
    assert law.mean() == pytest.approx(center + 0.5, abs=step)
    assert law.var() == pytest.approx(0.75, abs=8 * step)


def test_points_beside_those_where_a_light_tail_is_not_known():
    """Far enough from the nodes of the tail G is known; with throw=False nothing is raised."""
    tail = truncated(Normal(), 8.0)
    z = np.array([8 + 1j, 8.5, 20 + 3j, 3.0])
    with mpmath.workdps(25):
        total = mpmath.erfc(8 / mpmath.sqrt(2)) / 2
        ends = [8, 8.25, 8.5, 9, 10, 12, 20]
        exact = [
            complex(mpmath.quad(lambda t, w=w: mpmath.npdf(t) / (w - t), ends) / total)
            for w in z[[0, 2, 3]]
        ]
    for law, pulled, scale in [
        (tail, z, 1.0),
        (affine(tail, scale=2.0, shift=1.0), 2 * z + 1, 0.5),
        (mixture([tail, Uniform(-3.0, -2.0)], [0.5, 0.5]), z, 0.5),
    ]:
        found = law.solve(pulled, throw=False)
        rest = 0.5 * Uniform(-3.0, -2.0).stieltjes(z) if "Mixture" in repr(law) else 0 * z
        off = np.abs(found.value - rest - scale * np.insert(exact, 1, np.nan))
        assert np.isnan(off).tolist() == [False, True, False, False]
        assert (off <= found.error)[~np.isnan(off)].all()
        assert (found.error < 1e-11).tolist() == [True, False, True, True]
    with pytest.raises(ConvergenceError):
        tail.solve(z)


def test_an_interval_in_which_numbers_thin_out_is_refused():
    with pytest.raises(ValueError, match="no mass between"):
        truncated(Normal(), 37.0, 38.0)


@pytest.mark.parametrize(
    ("law", "place"),
    [
        (Discrete((0.5, 1.0, 2.0), (0.25, 0.5, 0.25)), 1.0),
        (MarchenkoPastur(2.0), 0.0),
        (Arcsine(0.0, 1.0), 1.0),
    ],
    ids=["atoms", "atom and band", "end of infinite density"],
)
def test_the_potential_of_a_tilted_law_close_to_its_singular_points(law, place):
    """L' = G: over arcs around the place, and to ten times their radius."""
    law = tilted(law, lambda x: np.exp(-x))
    nodes, weights = np.polynomial.legendre.leggauss(40)
    for radius in (1e-7, 1e-5, 1e-1):
        angle = math.pi / 2 + 1.3 * nodes
        z = place + radius * np.exp(1j * angle)
        over = np.sum(1.3 * weights * law.stieltjes(z) * 1j * (z - place))
        two = math.pi / 2 + np.array([-1.3, 1.3])
        ends = law.log_potential(place + radius * np.exp(1j * two))
        assert ends[1] - ends[0] == pytest.approx(over, abs=3e-8)
        size = radius * np.exp(math.log(10) / 2 * (nodes + 1))
        out = np.sum(math.log(10) / 2 * weights * law.stieltjes(place + 1j * size) * 1j * size)
        ends = law.log_potential(place + 1j * radius * np.array([1.0, 10.0]))
        assert ends[1] - ends[0] == pytest.approx(out, abs=3e-8)


def test_a_tilted_law_with_little_noise_has_a_distribution_function():
    """Beside an atom of mass m the sum is the atom m times a compression of the noise."""
    points, noise = Discrete((0.5, 1.0, 2.0), (0.25, 0.5, 0.25)), Uniform(0.0, 1e-6)
    once = tilted(points, lambda x: np.exp(-x))
    same = Discrete(points.locations, tuple(mass for _, mass in once.atoms))
    law, known = free_sum(once, noise), free_sum(same, noise)
    x = known.ppf([0.1, 0.3, 0.5, 0.7, 0.9])
    assert law.cdf(x) == pytest.approx(known.cdf(x), abs=1e-8)


def test_the_slope_of_a_tilted_law_beside_the_nodes_of_its_integrals():
    """x^2 times a density: the integral of x^2/(z - x) is z^2 G(z) - z - m_1."""
    law = Arcsine(1.0, 2.0)
    same = tilted(law, np.square)
    z = same._nodes[0][::7] + 1e-7j
    g, slope = law._jet(z)
    value, rise = same._jet(z)
    assert value == pytest.approx((z * z * g - z - law.mean()) / law.moment(2), rel=1e-10)
    assert rise == pytest.approx((z * z * slope + 2 * z * g - 1) / law.moment(2), rel=1e-7)


def test_the_transform_of_a_tilted_law_at_ends_of_infinite_density():
    law = tilted(Arcsine(0.0, 1.0), lambda x: x)  # 2 x times the density
    assert law.stieltjes(0.0) == pytest.approx(-2, abs=1e-9)
    assert law.stieltjes(1.0) == np.inf
    far = affine(tilted(Arcsine(1.0, 2.0), np.exp), scale=4.0, shift=4000.0)
    assert free_sum(Uniform(0.0, 0.01), far).support[0] == pytest.approx((4004, 4008), abs=0.01)


def test_a_tilt_keeps_mass_that_is_closer_to_an_end_than_numbers_are():
    law = JacobiWeight(-0.9, -0.9, 0.0, 1.0)  # 1.2 % of its mass is next to 1 within rounding
    same = tilted(law, np.ones_like)
    z = np.array([-1.0, 0.3, 0.5, 0.5j, 2.0])
    assert same.stieltjes(z) == pytest.approx(law.stieltjes(z), abs=1e-9)
    assert same.log_potential(z) == pytest.approx(law.log_potential(z), abs=1e-9)
    with pytest.raises(ConvergenceError, match=r"its mass is 0\.98785"):
        same.cdf(0.5)


@pytest.mark.parametrize(
    ("law", "end"),
    [
        (Arcsine(-1.0, 2.0), -1.0),
        (FussCatalan(3.0), 0.0),
        (JacobiWeight(-0.5, -0.9, 0.0, 1.0), 0.0),
        (Uniform(0.0, 1.0), 1.0),
    ],
)
def test_the_potential_of_a_tilted_law_at_an_end(law, end):
    same = tilted(law, np.ones_like)
    beside = end + np.array([1e-6, -1e-6, 1e-6j])
    assert same.log_potential(beside) == pytest.approx(law.log_potential(beside), abs=3e-10)
    # At the end itself the next power, h^(1/4) of Fuss-Catalan at h = 1e-16, is left out.
    assert same.log_potential(end) == pytest.approx(law.log_potential(end), abs=3e-8)


# A law in closed form and one apart from it: the mixture cut between them is the first again
PAIRS = [
    (Uniform(0.0, 1.0), Uniform(2.0, 3.0), 1.0, 2.0),
    (Arcsine(0.0, 1.0), Uniform(2.0, 3.0), 1.0, 2.0),
    (JacobiWeight(0.3, -0.5, 0.0, 1.0), Arcsine(2.0, 3.0), 1.0, 2.0),
    (MarchenkoPastur(1.0), affine(MarchenkoPastur(2.0), shift=5.0), 4.0, 5.0),
    (Discrete((0.0, 1.0), (0.25, 0.75)), Uniform(2.0, 4.0), 1.0, 2.0),
]


@pytest.mark.parametrize("apart", [0.3, 1e-4, 1e-8])
@pytest.mark.parametrize(("first", "second", "end", "start"), PAIRS, ids=lambda v: repr(v)[:20])
def test_a_cut_in_a_gap_next_to_a_band(first, second, end, start, apart):
    """Values off the nodes are as good as the stated error, next to the cut and far from it."""
    steps = 10.0 ** -np.arange(0, 10)
    for cut in (end + apart, start - apart):
        law = truncated(mixture([first, second], [0.6, 0.4]), high=cut)
        x = np.concatenate([cut + steps, cut - steps, [-0.5, 0.2]])
        z = np.concatenate([x, x + 1e-10j, x + 1e-3j, x + 1j])
        found, right = law.solve(z), first.solve(z)
        finite = np.isfinite(right.value)  # infinite at ends of some
        missed = np.abs(found.value[finite] - right.value[finite])
        assert (missed <= (found.error + right.error)[finite]).all()
        assert np.isinf(found.value[~finite]).all()
        if cut > end + apart / 2 and not isinstance(first, Discrete):
            beside = x > end + apart / 2
            size = np.abs(right.value[: x.size])[beside]
            assert np.median(found.error[: x.size][beside] / size) < 1e-4


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1e-3), (0.0, 2.0), (2.9, 3.0)])
def test_the_stated_error_of_a_cut_law_covers_the_true_one(low, high):
    law, same = truncated(Uniform(-1.0, 3.0), low, high), Uniform(low, high)
    x = np.concatenate([[low], low + 10.0 ** -np.arange(14), high - 10.0 ** -np.arange(14)])
    z = np.concatenate([x + 1j * height for height in (0.0, 1e-12, 1e-4, 1.0)])
    found, right = law.solve(z), same.solve(z)
    finite = np.isfinite(right.value)
    missed = np.abs(found.value[finite] - right.value[finite])
    assert (missed <= (found.error + right.error)[finite]).all()
    assert np.median(found.error[finite] / np.abs(right.value[finite])) < 1e-9


def test_sums_and_products_of_cut_laws_state_their_error():
    sums = free_sum(truncated(Uniform(-1.0, 3.0), 0.0, 1.0), Semicircle())
    same = free_sum(Uniform(0.0, 1.0), Semicircle())
    z = np.array([-0.3, 0.5, 1.7, 5.0, 0.5 + 0.1j])
    found, right = sums.solve(z), same.solve(z)
    assert (np.abs(found.value - right.value) <= found.error + right.error).all()
    assert (found.error < 1e-11).all()


# A tilted law and the same law in closed form
TILTED = [
    (tilted(Arcsine(-1.0, 1.0), lambda t: 1 - t * t), Semicircle(0.25), 1e-7),
    (
        tilted(Uniform(0.0, 1.0), lambda t: 30 * t * (1 - t) ** 3),
        JacobiWeight(3.0, 1.0, 0.0, 1.0),
        1e-12,
    ),
    (tilted(Uniform(0.0, 1.0), lambda t: t**40), JacobiWeight(0.0, 40.0, 0.0, 1.0), 1e-11),
    (
        tilted(Uniform(1e6, 1e6 + 1), lambda t: (t - 1e6) ** 2),
        JacobiWeight(0.0, 2.0, 1e6, 1e6 + 1),
        1e-7,
    ),
    (tilted(Uniform(0.0, 1e-9), lambda t: 1e9 * t), JacobiWeight(0.0, 1.0, 0.0, 1e-9), 1e-12),
    (tilted(JacobiWeight(-0.5, -0.9, 0.0, 1.0), np.array), JacobiWeight(-0.5, 0.1, 0.0, 1.0), 1e-4),
    (
        tilted(truncated(Normal(), -6.0, 6.0), lambda t: np.exp(2 * t)),
        truncated(Normal(1.0, 2.0), -6.0, 6.0),
        1e-7,
    ),
    (
        tilted(mixture([Uniform(0.0, 1.0), SIGN], [0.5, 0.5]), lambda t: 0 * t + 3),
        mixture([Uniform(0.0, 1.0), SIGN], [0.5, 0.5]),
        1e-11,
    ),
]


@pytest.mark.parametrize(("law", "same", "typical"), TILTED, ids=lambda v: repr(v)[:30])
def test_the_stated_error_of_a_tilted_law_covers_the_true_one(law, same, typical):
    low, high = law.hull
    near = 10.0 ** -np.arange(1, 13, 3)
    share = np.concatenate([[0.0, 0.5, 1.0, -0.03, 1.03, -0.041, 2.0], near, 1 - near, 1 + near])
    height = np.array([0.0, 1e-12, 1e-6, 1e-3, 0.039, 0.041, 5.0])
    z = (low + (high - low) * share[:, None] + 1j * (high - low) * height).ravel()
    found, right = law.solve(z), same.solve(z)
    finite = np.isfinite(found.value) & np.isfinite(right.value)
    missed = np.abs(found.value[finite] - right.value[finite])
    stated = (found.error + right.error)[finite]
    assert (missed <= stated).all()
    assert np.median(stated / np.abs(right.value[finite])) < typical


def test_sums_and_truncations_of_tilted_laws_state_their_error():
    law = tilted(Uniform(0.0, 1.0), lambda t: 0 * t + 3)
    z = np.array([-0.3, 0.5, 1.7, 5.0, 0.5 + 0.1j])
    for made in (lambda law: free_sum(law, Semicircle()), lambda law: truncated(law, 0.2)):
        found, right = made(law).solve(z), made(Uniform(0.0, 1.0)).solve(z)
        assert (np.abs(found.value - right.value) <= found.error + right.error).all()
        assert (found.error < 1e-11).all()
