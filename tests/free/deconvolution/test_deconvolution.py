"""free_deconvolution: it undoes convolution, says where it cannot, and never understates its error.

"True" distances are taken on a grid of 4001 points from known operands.
"""

import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from law_table import decades

from rmtland import (
    Deconvolution,
    Spectrum,
    free_compression,
    free_deconvolution,
    free_power,
    free_product,
    free_sum,
)
from rmtland.free import FreeLevy
from rmtland.laws import (
    Arcsine,
    Discrete,
    EmpiricalLaw,
    FreeMeixner,
    FreePoisson,
    FussCatalan,
    JacobiWeight,
    KestenMcKay,
    LevyTriplet,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    Wachter,
    affine,
    mixture,
)

few = examples(8)
SIGN = Discrete((-1.0, 1.0), (0.5, 0.5))
FIVE = Discrete((-3.0, -1.0, 0.0, 2.0, 4.0), (0.1, 0.2, 0.3, 0.2, 0.2))


def distances(law, other):
    """Kolmogorov and Wasserstein distance of two laws on a grid."""
    ends = [end for one in (law, other) for band in one.support for end in band]
    ends += [place for one in (law, other) for place, _ in one.atoms]
    margin = 0.01 * (max(ends) - min(ends)) + 1e-3
    x = np.linspace(min(ends) - margin, max(ends) + margin, 4001)
    gap = np.abs(law.cdf(x) - other.cdf(x))
    return float(gap.max()), float(gap.sum() * (x[1] - x[0]))


def true_error(found, truth):
    kolmogorov, wasserstein = distances(found.law, truth)
    return kolmogorov if found.distance == "kolmogorov" else wasserstein


def combined(kind, *laws):
    return free_sum(*laws) if kind == "additive" else free_product(*laws)


# What the operands show ---------------------------------------------------------------------------

SHOWN = [
    (Uniform(0.0, 1.0), Semicircle(0.5), "additive"),
    (Semicircle(2.0, 1.0), MarchenkoPastur(0.3), "additive"),
    (MarchenkoPastur(2.0), Semicircle(0.3, -1.0), "additive"),
    (FreePoisson(0.5, -2.0), MarchenkoPastur(0.3, 2.0), "additive"),
    (Arcsine(0.0, 1.0), Uniform(-3.0, 2.0), "additive"),
    (SIGN, SIGN, "additive"),
    (free_sum(Uniform(0.0, 1.0), Semicircle(0.2)), free_sum(SIGN, Semicircle(0.3)), "additive"),
    (free_power(Uniform(0.0, 1.0), 1.5), free_power(Uniform(0.0, 1.0), 2.0), "additive"),
    (free_product(Uniform(1.0, 2.0), MarchenkoPastur(0.3)), Arcsine(0.0, 1.0), "additive"),
    (FIVE, Discrete((2.5,), (1.0,)), "additive"),
    (Uniform(1.0, 2.0), MarchenkoPastur(0.5, 3.0), "multiplicative"),
    (MarchenkoPastur(0.5), MarchenkoPastur(2.0, 3.0), "multiplicative"),
    (MarchenkoPastur(0.5), Discrete((1.0, 10.0), (0.6, 0.4)), "multiplicative"),
    (free_product(Wachter(0.3, 0.4), MarchenkoPastur(0.5)), Uniform(0.0, 1.0), "multiplicative"),
    (Uniform(1.0, 2.0), FreePoisson(2.0, 0.7), "multiplicative"),
    (Uniform(1.0, 2.0), Discrete((2.5,), (1.0,)), "multiplicative"),
]


@pytest.mark.parametrize(("signal", "noise", "kind"), SHOWN, ids=lambda v: repr(v)[:30])
def test_an_operand_that_is_shown_comes_back_itself(signal, noise, kind):
    found = free_deconvolution(combined(kind, signal, noise), noise, kind=kind)
    assert (found.route, found.error, found.bracket) == ("exact", 0, 0)
    np.testing.assert_allclose(
        found.law.free_cumulants(10), signal.free_cumulants(10), rtol=1e-13, atol=1e-13
    )
    assert len(found.law.atoms) == len(signal.atoms)
    np.testing.assert_allclose(found.law.atoms, signal.atoms, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("scale", [2.0, -3.0])
def test_an_image_of_a_sum_shows_its_operands(scale):
    total = affine(free_sum(Uniform(0.0, 1.0), SIGN, Semicircle(0.2)), scale=scale, shift=1.0)
    found = free_deconvolution(total, free_sum(affine(SIGN, scale=scale), Semicircle(0.1)))
    expected = affine(free_sum(Uniform(0.0, 1.0), Semicircle(0.2)), scale=scale, shift=1.0)
    np.testing.assert_allclose(
        found.law.free_cumulants(6) + np.eye(6)[1] * 0.1, expected.free_cumulants(6), rtol=1e-13
    )


@pytest.mark.parametrize("law", [Semicircle(2.0), Uniform(1.0, 2.0), MarchenkoPastur(3.0), SIGN])
def test_a_law_less_itself_is_a_point_mass(law):
    assert free_deconvolution(law, law).law == Discrete((0.0,), (1.0,))
    if law.mean():
        found = free_deconvolution(law, law, kind="multiplicative")
        assert found.law == Discrete((1.0,), (1.0,))


@given(
    decades(1e-3, 1e3), decades(1e-3, 1e3), decades(1e-2, 1e2), decades(1e-3, 1e3), st.booleans()
)
@few
def test_rational_laws_are_subtracted_exactly(phi, scale, variance, jump, product):
    signal = MarchenkoPastur(phi, scale)
    noise = (
        MarchenkoPastur(2 * phi)
        if product
        else free_sum(Semicircle(variance), FreePoisson(0.7, -jump))
    )
    kind = "multiplicative" if product else "additive"
    found = free_deconvolution(combined(kind, signal, noise), noise, kind=kind)
    np.testing.assert_allclose(found.law.free_cumulants(5), signal.free_cumulants(5), rtol=1e-12)


def test_a_part_of_a_jump_may_be_taken():
    found = free_deconvolution(FreePoisson(2.0, 0.5), FreePoisson(0.5, 0.5))
    assert found.law == MarchenkoPastur(1 / 1.5, 0.75)
    two = FreeLevy(LevyTriplet(0.5, 1.0, (2.0, 1.0), (0.5, -1.0)))
    left = free_deconvolution(two, FreeLevy(LevyTriplet(0.25, 1.0, (2.0,), (0.5,))))
    assert left.law.levy == LevyTriplet(0.25, 0.0, (1.0,), (-1.0,))


# Exact moments ------------------------------------------------------------------------------------

# (signal, noise, kind, total or None, accuracy demanded of the reported error)
EXACT = [
    (Discrete((2.5,), (1.0,)), Uniform(0.0, 1.0), "additive", None, 1e-6),
    (Discrete((2.5,), (1.0,)), Uniform(0.0, 1.0), "multiplicative", None, 1e-6),
    (KestenMcKay(3), SIGN, "additive", KestenMcKay(4), 1e-12),
    (Arcsine(-2.0, 2.0), Arcsine(-2.0, 2.0), "additive", KestenMcKay(4), 1e-12),
    (SIGN, SIGN, "additive", Arcsine(-2.0, 2.0), 1e-12),
    (affine(SIGN, scale=1.1), affine(SIGN, scale=1.1), "additive", Arcsine(-2.2, 2.2), 1e-6),
    (FreeMeixner(0.5, 0.3), Semicircle(0.4), "additive", None, 1e-12),
    (MarchenkoPastur(2.5), Uniform(0.0, 1.0), "additive", None, 1e-11),
    pytest.param(
        *(MarchenkoPastur(1.0), Arcsine(0.0, 1.0), "additive", None, 1e-12), marks=pytest.mark.slow
    ),
    (Wachter(1.5, 0.4), Semicircle(0.1), "additive", None, 1e-12),
    (Semicircle(1e-3, 5.0), Uniform(-30.0, 10.0), "additive", None, 1.0),
    pytest.param(
        *(free_sum(Uniform(-1.0, 2.0), Semicircle(0.2)), Arcsine(0.0, 1.0), "additive", None, 1e-8),
        marks=pytest.mark.slow,
    ),
    pytest.param(
        *(free_compression(Uniform(-1.0, 2.0), 0.4), SIGN, "additive", None, 1e-8),
        marks=pytest.mark.slow,
    ),
    pytest.param(
        *(Uniform(-1.0, 2.0), Arcsine(0.0, 1.3), "additive", None, 1e-5), marks=pytest.mark.slow
    ),
    (JacobiWeight(0.3, 1.7), SIGN, "additive", None, 1e-5),
    pytest.param(
        *(JacobiWeight(-0.3, -0.7), Semicircle(0.1), "additive", None, 1e-2), marks=pytest.mark.slow
    ),
    (FIVE, Semicircle(0.3), "additive", None, 1e-6),
    (Discrete((-3.0, -1.0, 2.0), (0.2, 0.3, 0.5)), MarchenkoPastur(0.3), "additive", None, 1e-6),
    pytest.param(
        *(mixture([Semicircle(0.2), SIGN], [0.5, 0.5]), Arcsine(0.0, 1.0), "additive", None, 1.0),
        marks=pytest.mark.slow,
    ),
    (mixture([Semicircle(0.2), Semicircle(0.3, 3.0)], [0.4, 0.6]), SIGN, "additive", None, 1.0),
    (mixture([Semicircle(0.2), Semicircle(0.3, 0.5)], [0.4, 0.6]), SIGN, "additive", None, 1e-1),
    (mixture([Semicircle(0.2), Discrete((0.1,), (1.0,))], [0.99, 0.01]), SIGN, "additive", None, 1),
    (MarchenkoPastur(1.0), MarchenkoPastur(1.0), "multiplicative", FussCatalan(2), 1e-12),
    pytest.param(
        *(FussCatalan(2), MarchenkoPastur(1.0), "multiplicative", FussCatalan(3), 1e-2),
        marks=pytest.mark.slow,
    ),
    (MarchenkoPastur(2.5), Uniform(1.0, 2.0), "multiplicative", None, 1e-11),
    (MarchenkoPastur(0.4), MarchenkoPastur(2.0), "multiplicative", None, 1e-12),
    pytest.param(
        *(Wachter(0.3, 0.4), MarchenkoPastur(0.2), "multiplicative", None, 1e-12),
        marks=pytest.mark.slow,
    ),
    pytest.param(
        *(Uniform(1.0, 3.0), MarchenkoPastur(0.4), "multiplicative", None, 1e-5),
        marks=pytest.mark.slow,
    ),
    (Discrete((1.0, 10.0), (0.6, 0.4)), MarchenkoPastur(0.4), "multiplicative", None, 1e-9),
    (Discrete((0.0, 1.0, 9.0), (0.2, 0.4, 0.4)), Uniform(0.0, 2.0), "multiplicative", None, 1e-9),
]


@pytest.mark.slow_siblings(3)
@pytest.mark.parametrize(
    ("signal", "noise", "kind", "total", "accuracy"), EXACT, ids=lambda v: repr(v)[:24]
)
def test_the_route_by_moments_undoes_convolution_and_bounds_its_error(
    signal, noise, kind, total, accuracy
):
    total = combined(kind, signal, noise) if total is None else total
    found = free_deconvolution(total, noise, kind=kind, method="moments")
    assert isinstance(found, Deconvolution)
    assert true_error(found, signal) <= found.error <= min(accuracy, found.bracket)
    assert found.residual < 1e-6
    assert found.regularisation
    assert found.law.mean() == pytest.approx(signal.mean(), abs=1e-8 * signal.var() ** 0.5)


@pytest.mark.parametrize(
    ("signal", "noise", "kind"),
    [
        (JacobiWeight(-0.3, -0.7), Semicircle(0.1), "additive"),  # poles of the density at both
        (FussCatalan(2), MarchenkoPastur(1.0), "multiplicative"),  # at 0, x^(-2/3)
        (MarchenkoPastur(1.0), Arcsine(0.0, 1.0), "additive"),  # at 0, x^(-1/2)
    ],
    ids=str,
)
def test_few_moments_of_unbounded_densities(signal, noise, kind):
    found = free_deconvolution(
        combined(kind, signal, noise), noise, kind=kind, method="moments", order=10
    )
    assert 0 < true_error(found, signal) <= found.error <= min(1e-2, found.bracket)
    assert found.residual < 1e-6


def test_few_atoms_come_back_as_a_discrete_law():
    found = free_deconvolution(free_sum(FIVE, Semicircle(0.3)), Semicircle(0.3), method="moments")
    assert isinstance(found.law, Discrete)
    np.testing.assert_allclose(found.law.atoms, FIVE.atoms, atol=1e-12)


@pytest.mark.slow
@given(
    st.sampled_from(
        [
            Semicircle(1.0),
            MarchenkoPastur(0.4),
            MarchenkoPastur(3.0),
            Arcsine(0.0, 3.0),
            KestenMcKay(5),
            Wachter(0.6, 0.3),
            SIGN,
        ]
    ),
    st.sampled_from([Semicircle(1.0), MarchenkoPastur(0.7), Uniform(0.5, 2.0), SIGN]),
    decades(1e-2, 1e2),
    st.floats(-3, 3),
    st.integers(12, 32),
)
@few
def test_scales_and_shifts_of_the_noise_do_not_matter(signal, noise, scale, shift, order):
    noise = affine(noise, scale=scale, shift=shift)
    total = free_sum(signal, noise)
    found = free_deconvolution(total, noise, method="moments", order=order)
    assert true_error(found, signal) <= found.error


@pytest.mark.parametrize("noise", [MarchenkoPastur(0.7), affine(MarchenkoPastur(0.7), scale=-0.3)])
def test_atoms_under_noise_of_rounded_parameters(noise):
    """Cumulants of the sum are those of the rounded triplet, and so are those of the noise."""
    found = free_deconvolution(free_sum(SIGN, noise), noise, method="moments", order=12)
    assert true_error(found, SIGN) <= found.error
    np.testing.assert_allclose(found.law.atoms, SIGN.atoms, atol=1e-12)


def test_more_moments_make_a_smaller_error():
    signal, noise = free_sum(Uniform(-1.0, 2.0), Semicircle(0.1)), Arcsine(0.0, 1.0)
    errors = []
    for order in (8, 16, 32):
        found = free_deconvolution(free_sum(signal, noise), noise, order=order, method="moments")
        assert true_error(found, signal) <= found.error
        errors.append(found.error)
    assert errors[2] < 1e-4 * errors[1] < 1e-4 * errors[0]


def test_what_was_recovered_is_a_law_and_an_operand():
    signal, noise = free_sum(Uniform(-1.0, 2.0), Semicircle(0.3)), Arcsine(0.0, 1.0)
    total = free_sum(signal, noise)
    found = free_deconvolution(total, noise, method="moments")
    np.testing.assert_allclose(found.law.support, signal.support, atol=1e-9)
    x = np.linspace(-1.5, 2.5, 17)
    np.testing.assert_allclose(found.law.pdf(x), signal.pdf(x), atol=1e-9)
    np.testing.assert_allclose(found.law.stieltjes(x), signal.stieltjes(x), atol=1e-8)
    np.testing.assert_allclose(found.law.log_potential(x), signal.log_potential(x), atol=1e-9)
    np.testing.assert_allclose(
        found.law.cdf(found.law.ppf([0.1, 0.5, 0.9])), [0.1, 0.5, 0.9], atol=1e-13
    )
    assert found.law.mass_below(0.0) == pytest.approx(signal.mass_below(0.0), abs=1e-10)
    assert found.law.moment(12) == pytest.approx(signal.moment(12), rel=1e-12, abs=0)
    assert found.law.r_transform(0.1) == pytest.approx(signal.r_transform(0.1), rel=1e-10, abs=0)
    assert found.law.edge_scale(100) == pytest.approx(signal.edge_scale(100), rel=1e-5, abs=0)
    again = free_sum(found.law, noise)
    x = np.linspace(*total.support[0], 11)
    np.testing.assert_allclose(again.cdf(x), total.cdf(x), atol=1e-9)
    assert free_deconvolution(again, noise).law.cdf(0.3) == pytest.approx(
        signal.cdf(0.3), abs=1e-10
    )


# Laws that do not exist ---------------------------------------------------------------------------

MISSING = [
    (Uniform(-1.0, 1.0), Semicircle(0.5), "additive", "variance of the total is below"),
    (Uniform(-2.0, 2.0), Semicircle(0.3), "additive", "Hankel determinant of order 6"),
    (Semicircle(1.0), SIGN, "additive", "those of 1 atoms, the following"),
    (Semicircle(1.5), SIGN, "additive", "Hankel determinant of order 4"),
    (MarchenkoPastur(0.5, 2.0), Arcsine(-0.5, 0.5), "additive", "Hankel determinant"),
    (MarchenkoPastur(0.5), MarchenkoPastur(0.5, 1.0 + 1e-9), "additive", "variance"),
    (MarchenkoPastur(0.5), FreePoisson(0.1, 3.0), "additive", "Hankel determinant"),
    (FIVE, Semicircle(0.1), "additive", "atoms alone"),
    (Discrete((1.0,), (1.0,)), Semicircle(0.1), "additive", "point mass"),
    (free_sum(Uniform(-1.0, 1.0), Semicircle(0.2)), Semicircle(0.3), "additive", "Hankel"),
    (MarchenkoPastur(0.3), MarchenkoPastur(0.5), "multiplicative", "Hankel determinant"),
    (Uniform(1.0, 3.0), MarchenkoPastur(0.01), "multiplicative", "Hankel determinant"),
    (Discrete((1.0, 2.0), (0.5, 0.5)), Uniform(0.5, 1.0), "multiplicative", "atoms alone"),
    (Discrete((1.0,), (1.0,)), Uniform(0.5, 1.0), "multiplicative", "point mass"),
]


@pytest.mark.parametrize(("total", "noise", "kind", "why"), MISSING, ids=lambda v: repr(v)[:24])
def test_what_does_not_exist_is_refused_with_the_condition(total, noise, kind, why):
    with pytest.raises(ValueError, match="does not exist") as caught:
        free_deconvolution(total, noise, kind=kind)
    assert why in str(caught.value)


def test_a_difference_of_triplets_that_is_negative_may_still_be_a_law():
    total = free_sum(Arcsine(-2.0, 2.0), Semicircle(0.5))
    found = free_deconvolution(total, free_sum(SIGN, Semicircle(0.5)))
    np.testing.assert_allclose(found.law.atoms, SIGN.atoms, atol=1e-12)


# Measured spectra ---------------------------------------------------------------------------------


def wigner(n, variance, rng):
    g = rng.standard_normal((n, n))
    return (g + g.T) * math.sqrt(variance / (2 * n))


def haar(n, rng):
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return q * np.sign(np.diag(r))


def measured_sum(signal, noise, n, rng):
    levels = (np.arange(n) + 0.5) / n
    q = haar(n, rng)
    return EmpiricalLaw(
        np.linalg.eigvalsh(np.diag(signal.ppf(levels)) + (q * noise.ppf(levels)) @ q.T)
    )


def measured_covariance(signal, noise, n, rng):
    root = np.sqrt(signal.ppf((np.arange(n) + 0.5) / n))
    x = rng.standard_normal((n, round(n / noise.aspect_ratio))) * math.sqrt(noise.aspect_ratio / n)
    y = root[:, None] * x
    return EmpiricalLaw(np.maximum(np.linalg.eigvalsh(y @ y.T), 0.0))


MEASURED = [
    (SIGN, Semicircle(0.5), 0.1),
    (SIGN, Semicircle(2.0), 0.25),
    (Uniform(-1.0, 2.0), Semicircle(0.5), 0.12),
    (MarchenkoPastur(0.5), Semicircle(0.5), 0.12),
    (Uniform(-1.0, 2.0), Arcsine(-1.0, 1.0), 0.15),
    (MarchenkoPastur(0.5), Uniform(-1.0, 1.0), 0.12),
    (Discrete((1.0, 10.0), (0.6, 0.4)), MarchenkoPastur(0.4), 0.4),
    (Discrete((1.0, 3.0, 10.0), (0.2, 0.4, 0.4)), MarchenkoPastur(0.1), 0.3),
    (Uniform(1.0, 3.0), MarchenkoPastur(0.5), 0.2),
    (Uniform(1.0, 3.0), MarchenkoPastur(2.0), 0.3),
]


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(("signal", "noise", "largest"), MEASURED, ids=lambda v: repr(v)[:24])
def test_a_measured_spectrum_is_recovered_within_the_stated_error(signal, noise, largest):
    product = isinstance(noise, MarchenkoPastur)
    measure = measured_covariance if product else measured_sum
    for seed in range(2):
        total = measure(signal, noise, 400, np.random.default_rng(seed))
        found = free_deconvolution(total, noise, kind="multiplicative" if product else "additive")
        error = true_error(found, signal)
        assert error <= found.error
        assert error <= largest
        # at most a third of what the measured spectrum itself is off by
        assert error < distances(total, signal)[1] / 3
        assert found.distance == "wasserstein"
        assert found.bracket == math.inf


@pytest.mark.slow
def test_more_eigenvalues_make_smaller_errors():
    noise, stated, true = Semicircle(0.5), [], []
    for n in (100, 600):
        for seed in range(3):
            total = measured_sum(SIGN, noise, n, np.random.default_rng(seed))
            found = free_deconvolution(total, noise)
            stated.append(found.error)
            true.append(true_error(found, SIGN))
    assert np.less_equal(true, stated).all()
    assert sum(stated[3:]) < 0.7 * sum(stated[:3])
    assert sum(true[3:]) < 0.7 * sum(true[:3])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_pure_noise_leaves_a_law_close_to_a_point(seed):
    """Its variance may come out below that of the noise, which is no reason to refuse it."""
    rng = np.random.default_rng(seed)
    total = EmpiricalLaw(np.linalg.eigvalsh(wigner(300, 1.0, rng)))
    found = free_deconvolution(total, Semicircle(1.0))
    assert true_error(found, Discrete((0.0,), (1.0,))) <= found.error < 0.6


def test_a_measurement_that_no_law_explains_is_refused():
    total = EmpiricalLaw(np.linspace(-1, 1, 500))
    with pytest.raises(ValueError, match="variance of the total is below that of the noise"):
        free_deconvolution(total, Semicircle(0.5))
    with pytest.raises(ValueError, match="no law on"):
        free_deconvolution(EmpiricalLaw(np.repeat([-1.0, 1.0], 500)), Semicircle(0.5))
    with pytest.raises(ValueError, match="both over the squared mean"):
        free_deconvolution(
            EmpiricalLaw(np.linspace(1, 2, 500)), MarchenkoPastur(0.5), kind="multiplicative"
        )


@pytest.mark.slow
def test_fewer_samples_mean_a_larger_error():
    total = measured_sum(SIGN, Semicircle(0.5), 300, np.random.default_rng(0))
    all_of_them = free_deconvolution(total, Semicircle(0.5))
    some = free_deconvolution(total, Semicircle(0.5), samples=60)
    assert some.error > 1.5 * all_of_them.error


def test_an_empirical_noise_is_measured_too():
    rng = np.random.default_rng(3)
    total = measured_sum(SIGN, Semicircle(0.5), 300, rng)
    noise = EmpiricalLaw(np.linalg.eigvalsh(wigner(300, 0.5, rng)))
    found = free_deconvolution(total, noise)
    assert true_error(found, SIGN) <= found.error


def two_scales(seed, n=300):
    """Spectrum of a sample covariance of rank n/2, population 1 and 5."""
    rng = np.random.default_rng(seed)
    x = np.sqrt(np.repeat([1.0, 5.0], n // 2))[:, None] * rng.normal(size=(n, n // 2))
    return x @ x.T / (n // 2)


TWO_SCALES = Discrete((1.0, 5.0), (0.5, 0.5))


def test_zeros_of_a_spectrum_of_deficient_rank_are_zeros():
    matrix = two_scales(0)
    assert np.linalg.eigvalsh(matrix)[0] < 0  # by rounding
    total = EmpiricalLaw.of(Spectrum.from_matrix(matrix))
    assert total.atoms[0] == (0.0, 0.5)
    assert total.index() == 0.0
    found = free_deconvolution(total, MarchenkoPastur(2.0), kind="multiplicative")
    assert true_error(found, TWO_SCALES) <= found.error
    np.testing.assert_allclose(found.law.ppf([0.2, 0.3, 0.7, 0.8]), [1, 1, 5, 5], rtol=0.2)


@pytest.mark.parametrize("seed", [1, 2])
def test_eigenvalues_negative_by_rounding_are_zeros_too(seed):
    total = EmpiricalLaw(np.linalg.eigvalsh(two_scales(seed)))
    assert total.hull[0] < 0
    found = free_deconvolution(total, MarchenkoPastur(2.0), kind="multiplicative")
    assert true_error(found, TWO_SCALES) <= found.error
    single = EmpiricalLaw.of(Spectrum(np.linalg.eigvalsh(two_scales(seed).astype(np.float32))))
    assert single.mass_below(0.0) == 0.0


def test_negative_eigenvalues_that_are_not_rounding_are_refused():
    values = np.linalg.eigvalsh(two_scales(0))
    values[0] = -1e-6
    with pytest.raises(ValueError, match="reaches down to -1e-06"):
        free_deconvolution(EmpiricalLaw(values), MarchenkoPastur(2.0), kind="multiplicative")


def test_a_deconvolution_speaks_as_a_law_for_one_more_version():
    found = free_deconvolution(free_sum(Uniform(0.0, 1.0), Semicircle(0.5)), Semicircle(0.5))
    with pytest.warns(DeprecationWarning, match=r"cdf is now Deconvolution\.law\.cdf"):
        assert found.cdf(0.25) == 0.25
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        found.colour  # noqa: B018
    with pytest.raises(TypeError, match="takes laws"):
        free_sum(found, SIGN)


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "options", "kind", "message"),
    [
        ((1.0, SIGN), {}, TypeError, "total of free_deconvolution takes laws.* got float"),
        ((SIGN, math.nan), {}, TypeError, "noise of free_deconvolution takes laws.* got float"),
        (([SIGN, SIGN], SIGN), {}, TypeError, "total of free_deconvolution takes one law, not a"),
        ((SIGN, SIGN), {"kind": "classical"}, ValueError, "unknown kind 'classical'"),
        ((SIGN, SIGN), {"method": "fast"}, ValueError, "unknown method"),
        ((SIGN, SIGN), {"order": 1}, ValueError, "order must be an integer of at least 2"),
        ((SIGN, SIGN), {"order": 65}, ValueError, "order must be at most 64"),
        ((SIGN, SIGN), {"samples": 0}, ValueError, "samples must be an integer"),
        ((SIGN, SIGN), {"kind": "multiplicative"}, ValueError, "reaches down to -1.0"),
        ((Uniform(1.0, 2.0), SIGN), {"kind": "multiplicative"}, ValueError, "the noise"),
        (
            (Uniform(1.0, 2.0), Discrete((0.0,), (1.0,))),
            {"kind": "multiplicative"},
            ValueError,
            "mean other than 0",
        ),
        ((KestenMcKay(4), SIGN), {"method": "exact"}, ValueError, "does not show"),
    ],
)
def test_bad_arguments_are_refused(args, options, kind, message):
    with pytest.raises(kind, match=message):
        free_deconvolution(*args, **options)


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_units_of_a_measured_spectrum_do_not_matter(kind):
    """The penalty on roughness has no unit: the same law comes back at any scale."""
    signal = Discrete((1.0, 3.0), (0.4, 0.6))

    def recovered(scale):
        if kind == "additive":
            noise = Semicircle((0.4 * scale) ** 2)
            law = free_sum(affine(signal, scale=scale), noise)
        else:
            noise = MarchenkoPastur(0.3)
            law = free_product(affine(signal, scale=scale), noise)
        measured = EmpiricalLaw(law.ppf((np.arange(80) + 0.5) / 80))
        return free_deconvolution(measured, noise, kind=kind).law

    one, levels = recovered(1.0), np.linspace(0.02, 0.98, 25)
    for scale in (1e-6, 1e6):
        other = recovered(scale)
        np.testing.assert_allclose(other.ppf(levels) / scale, one.ppf(levels), rtol=1e-9)
        assert other.error / scale == pytest.approx(one.error, rel=1e-6)
