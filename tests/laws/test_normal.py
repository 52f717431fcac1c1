"""The normal law: transforms against quadrature at 30 digits, tails, and where it is refused."""

import functools
import math

import mpmath
import numpy as np
import pytest
from law_table import UNBOUNDED
from scipy import special

from rmtland import (
    free_deconvolution,
    free_power,
    free_product,
    free_sum,
    law_of_polynomial,
)
from rmtland.laws import (
    Discrete,
    MarchenkoPastur,
    Normal,
    Semicircle,
    TracyWidom,
    affine,
    mixture,
    pushforward,
    tilted,
    truncated,
)
from rmtland.laws.certificate import certificate

unbounded = pytest.mark.parametrize("law", UNBOUNDED, ids=repr)


@unbounded
def test_laws_on_the_whole_line_pass_their_certificate(law):
    assert certificate(law).failures == ()


@unbounded
def test_everything_of_the_interface_is_there(law):
    assert law.support == ((-math.inf, math.inf),)
    assert law.hull == (-math.inf, math.inf)
    assert law.atoms == law.gaps == ()
    assert (law.ppf(0), law.ppf(1), law.isf(0), law.isf(1)) == (
        -math.inf,
        math.inf,
        math.inf,
        -math.inf,
    )
    x = law.ppf(np.array([1e-12, 0.1, 0.5, 0.9]))
    np.testing.assert_allclose(law.sf(x) + law.cdf(x), 1, atol=2e-15)
    np.testing.assert_allclose(law.cdf(x), [1e-12, 0.1, 0.5, 0.9], rtol=1e-11)
    np.testing.assert_allclose(law.sf(law.isf([1e-30, 1e-9])), [1e-30, 1e-9], rtol=1e-11)
    np.testing.assert_allclose(law.cdf(x, method="quadrature"), law.cdf(x), atol=1e-11)
    np.testing.assert_allclose(law.cdf(x, method="log_potential"), law.cdf(x), atol=1e-13)
    np.testing.assert_allclose(law.pdf(x, method="stieltjes"), law.pdf(x), rtol=1e-9, atol=1e-12)
    assert law.median() == x[2]
    assert law.interval(0.8) == pytest.approx((x[1], x[3]), rel=1e-13)
    assert law.index() == law.cdf(0.0)
    assert law.std() == math.sqrt(law.var())
    frozen = law.frozen()
    assert frozen.mean() == pytest.approx(law.mean())
    assert frozen.expect(lambda t: t) == pytest.approx(law.mean(), abs=1e-10)
    from matplotlib.figure import Figure

    line = law.plot(Figure().subplots()).get_lines()[0]
    assert np.isfinite(line.get_data()[0]).all()


def density_of(law):
    if isinstance(law, Normal):
        v, m = mpmath.mpf(law.variance), law.center
        return lambda t: mpmath.exp(-((t - m) ** 2) / (2 * v)) / mpmath.sqrt(2 * mpmath.pi * v)
    return lambda t: mpmath.mpf(law.pdf(float(t)))


@pytest.mark.parametrize("law", UNBOUNDED[:2], ids=repr)
def test_transforms_against_quadrature_at_30_digits(law):
    # the transform and the potential are integrals over the same points
    density, scale, mean = functools.cache(density_of(law)), law.std(), law.mean()
    with mpmath.workdps(30):
        for w in (0.3 + 1j, -2 + 0.01j, 1e-7j, 9 + 0.5j, 45 + 3j, 200j, -3 - 0.2j):
            z = complex(mean + scale * w)
            cuts = [mean + scale * c for c in (-40, -6, -2, 0, 2, 6, 40)]
            cuts = sorted({*cuts, z.real})
            g = mpmath.quad(lambda t, z=z: density(t) / (mpmath.mpc(z) - t), cuts)
            potential = mpmath.quad(lambda t, z=z: density(t) * mpmath.log(mpmath.mpc(z) - t), cuts)
            found = law.solve(z if z.imag > 0 else z.conjugate())
            value = found.value if z.imag > 0 else found.value.conjugate()
            assert abs(complex(value) - complex(g)) <= min(found.error, 1e-11 * abs(g) / scale**2)
            assert law.log_potential(z) == pytest.approx(complex(potential), abs=1e-13)


@pytest.mark.parametrize("beta", [1, 2, 4])
def test_transforms_of_tracy_widom_laws_against_a_fine_sum(beta):
    """The sum misses nothing at heights of a few steps; on the axis it is taken between nodes."""
    law = TracyWidom(beta)
    step = 1e-4
    x = -20 + step * np.arange(400000)
    density = law.pdf(x)
    for z in (-1 + 1j, -2 + 0.2j, -1.3 + 0.02j, 3 + 2e-3j, 10 + 5j):
        found = law.solve(z)
        g = (density / (z - x)).sum() * step
        assert abs(found.value - g) <= found.error + 1e-14
        assert found.error < 1e-11
        slope = -(density / (z - x) ** 2).sum() * step
        assert law._jet(np.array([z]))[1][0] == pytest.approx(slope, abs=1e-10)
        potential = (density * np.log(z - x)).sum() * step
        assert law.log_potential(z) == pytest.approx(potential, abs=1e-11)
    for place in (-3.0, -1.2345, 0.0, 2.0):
        apart = (np.arange(-2000, 2000) + 0.5) * 0.01
        principal = (law.pdf(place + apart) / -apart).sum() * 0.01
        assert law.stieltjes(place).real == pytest.approx(principal, abs=1e-11)
        assert law.stieltjes(place).imag == pytest.approx(-np.pi * law.pdf(place), abs=1e-11)


def test_moments_and_derivatives():
    law = Normal(2.0, 1.0)
    assert [law.moment(k) for k in range(5)] == [1, 1, 3, 7, 25]
    assert law.free_cumulants(4).tolist() == [1, 2, 0, 4]  # third moment of excess over semicircle
    z = np.array([0.3 + 0.1j, 100 + 1j, -80 + 0.001j])
    g, slope = law._jet(z)
    step = 1e-4
    ahead, behind = law.stieltjes(z + step), law.stieltjes(z - step)
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-6)
    np.testing.assert_allclose(law.sf([1.0, 21.0]), special.ndtr([0.0, -20 / math.sqrt(2)]))
    assert g.shape == (3,)


@unbounded
def test_a_tilted_law_needs_ends(law):
    with pytest.raises(ValueError, match="bounded support; cut"):
        tilted(law, np.exp)


@pytest.mark.parametrize(
    "law",
    [
        Normal(2.0, 5.0),
        pytest.param(mixture([Normal(), Normal(0.1, 4.0)], [0.5, 0.5]), marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_laws_without_ends_are_operands(law):
    """Against the fixed point G(z) = G_N(z - G(z)) of the sum with a semicircle."""
    total = free_sum(law, Semicircle())
    x = law.mean() + np.array([0.0, 1.0, 3.0])
    g = np.full(3, -1j)
    for _ in range(3000):
        g = law.stieltjes(x - g)
    solution = total.solve(x)
    assert (np.abs(solution.value - g) <= solution.error + 1e-12).all()
    np.testing.assert_allclose(total.pdf(x), -g.imag / np.pi, atol=1e-12)
    expected = law.moment(4) + 4 * law.moment(2) + 2 * law.mean() ** 2 + 2
    np.testing.assert_allclose(total.moment(4), expected, rtol=1e-13)


@pytest.mark.parametrize("atoms", [Discrete((0.0,), (1.0,)), Discrete((-3.0, 0.5), (0.1, 0.9))])
def test_atoms_at_the_quartiles_make_no_tail_heavy(atoms):
    law = mixture((Normal(), atoms), (0.01, 0.99))
    assert law.ppf(0.25) == law.ppf(0.75)
    total = free_sum(law, Semicircle(0.25))
    assert total.var() == pytest.approx(law.var() + 0.25, rel=1e-13)


def test_deconvolution_knows_the_law_that_a_sum_has_cut():
    total = free_sum(Normal(), Semicircle(2.0))
    assert free_deconvolution(total, Normal()).law == Semicircle(2.0)
    assert free_deconvolution(Normal(), Normal()).law.atoms == ((0.0, 1.0),)


def test_operations_cut_light_tails_where_rounding_hides_them():
    law = Normal()
    cut = truncated(law, law.ppf(1e-17), law.isf(1e-17))
    x = np.array([0.25, 1.0, 4.0])
    assert free_power(law, 2.0).operands == (cut,)
    product = free_product(MarchenkoPastur(0.5), law)
    assert product.var() == pytest.approx(1.0, rel=1e-13)
    squared = law_of_polynomial(lambda x: x * x, x=law)
    np.testing.assert_allclose(squared.cdf(x), special.gammainc(0.5, x / 2), atol=1e-14)
    modulus = pushforward(law, "abs")
    np.testing.assert_allclose(modulus.sf(x), special.erfc(x / math.sqrt(2)), atol=1e-14)
    assert free_sum(TracyWidom(2), Semicircle()).var() == pytest.approx(
        TracyWidom(2).var() + 1, rel=1e-9
    )


def test_nothing_is_cut_where_no_equation_is_solved():
    law, two = Normal(), Discrete((2.0,), (1.0,))
    assert free_sum(law) == free_product(law) == free_power(law, 1.0) == law
    assert free_product(law, two) == Normal(4.0)
    assert free_sum(law, two) == Normal(1.0, 2.0)
    modulus = truncated(law, 0.0)
    assert free_power(modulus, 1.0, kind="multiplicative") == modulus


def test_images_of_laws_without_ends_are_known_at_infinity():
    image = affine(TracyWidom(2), shift=1.75)
    np.testing.assert_array_equal(image.cdf([-np.inf, np.inf]), [0.0, 1.0])
    np.testing.assert_array_equal(image.sf([-np.inf, np.inf]), [1.0, 0.0])


@pytest.mark.parametrize("center", [pytest.param(1e4, marks=pytest.mark.slow), 1e6])
def test_powers_far_from_zero_are_those_about_it(center):
    near, far = free_power(Normal(), 2.5), free_power(Normal(1.0, center), 2.5)
    x = np.array([-3.0, 0.25, 4.0])
    np.testing.assert_allclose(far.cdf(x + 2.5 * center), near.cdf(x), atol=1e-9)
    assert far.var() == pytest.approx(2.5, rel=1e-13)


@pytest.mark.parametrize(
    "operation", [free_sum, free_product, lambda law, _: law_of_polynomial(lambda x: x * x, x=law)]
)
def test_heavy_tails_are_refused(operation):
    class Cauchy(Normal):
        def ppf(self, q):
            return np.tan(np.pi * (np.asarray(q) - 0.5))

        def isf(self, q):
            return -self.ppf(q)

    with pytest.raises(ValueError, match=r"heavy ones: all but .* truncated\(law"):
        operation(Cauchy(), MarchenkoPastur(0.5))


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_bad_parameters_are_refused(bad):
    with pytest.raises(ValueError, match="variance must be a positive"):
        Normal(bad)
    with pytest.raises(TypeError, match="center must be"):
        Normal(1.0, "0")
