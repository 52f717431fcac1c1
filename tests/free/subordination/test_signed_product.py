"""Products with one signed factor: known answers, other routes, Monte Carlo, invariants."""

import functools
import itertools
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from examples import examples
from hypothesis import example, given, strategies as st
from law_table import noncrossing_partitions

from rmtland.free import (
    FreeLevy,
    FreeProduct,
    FreeSignedProduct,
    free_compression,
    free_product,
    free_sum,
    general_marchenko_pastur,
)
from rmtland.laws import (
    EmpiricalLaw,
    JacobiWeight,
    LevyTriplet,
    MarchenkoPastur,
    Semicircle,
    Wachter,
)
from rmtland.laws.affine_law import affine
from rmtland.laws.arcsine import Arcsine
from rmtland.laws.discrete import Discrete
from rmtland.laws.fuss_catalan import FussCatalan
from rmtland.laws.uniform import Uniform

SIGN = Discrete((-1.0, 1.0), (0.5, 0.5))
THREE = Discrete((-1.0, 0.5, 2.0), (0.2, 0.5, 0.3))
SIGNED_POPULATIONS = {"2": SIGN, "3": THREE, "null": Discrete((-1.0, 0.0, 3.0), (0.2, 0.7, 0.1))}
EACH_ONCE = {("2", 1.0), ("2", 30.0), ("3", 0.05), ("null", 30.0)}
LAWS = {
    "signs x wishart": free_product(SIGN, MarchenkoPastur(0.25)),
    "signs x wishart, null space": free_product(SIGN, MarchenkoPastur(2.0)),
    "three atoms x wishart": free_product(THREE, MarchenkoPastur(0.05, 1.3)),
    "semicircle x wishart": free_product(Semicircle(0.7, 0.2), MarchenkoPastur(0.6)),
    "uniform x uniform": free_product(Uniform(-1.0, 1.5), Uniform(0.5, 2.0)),
    "semicircle x two factors": free_product(
        Semicircle(1.0), MarchenkoPastur(0.4), Uniform(0.5, 1.0)
    ),
    "atoms x atoms": free_product(
        Discrete((-1.0, 2.0), (0.5, 0.5)), Discrete((0.0, 1.0), (0.3, 0.7))
    ),
    "noisy atoms x atoms": free_product(
        free_sum(Discrete((-3.0, 2.0), (0.4, 0.6)), Semicircle(0.05)),
        Discrete((1.0, 1.5), (0.5, 0.5)),
    ),
    "arcsine x nested": free_product(
        Arcsine(-2.0, 1.0), free_sum(Discrete((2.0, 3.0), (0.5, 0.5)), Semicircle(0.1))
    ),
}


def companion(law, wishart):
    """The law of Y^T B Y, Y^T of shape (k, n) and Y Y^T Marchenko-Pastur: compound free Poisson."""
    atoms = [(x, w) for x, w in zip(law.locations, law.weights, strict=True) if x]
    return FreeLevy(
        LevyTriplet(
            rates=tuple(wishart.aspect_ratio * w for _, w in atoms),
            jumps=tuple(wishart.scale * x for x, _ in atoms),
        )
    )


def pieces(law):
    """Bands, cut at zero."""
    for low, high in law.support:
        yield from itertools.pairwise([low, 0.0, high] if low < 0 < high else [low, high])


def inside(law, size=12):
    t = np.pi * (np.arange(size) + 0.5) / size
    return np.concatenate([low + (high - low) * np.sin(t / 2) ** 2 for low, high in pieces(law)])


NODES, WEIGHTS = np.polynomial.legendre.leggauss(240)


@functools.cache
def masses(law, low, high):
    """Points and the mass of the density at each, by Gauss quadrature in t = 2 arcsin sqrt."""
    t = np.pi * (NODES + 1) / 2
    x = low + (high - low) * np.sin(t / 2) ** 2
    return x, np.pi / 2 * WEIGHTS * law.pdf(x) * (high - low) * np.sin(t) / 2


def between(function, law, low, high):
    """Integral of function(x) times the density."""
    x, mass = masses(law, low, high)
    return float(np.sum(function(x) * mass))


def integral(function, law):
    return sum(between(function, law, low, high) for low, high in pieces(law))


LONG = {"arcsine x nested"}


@pytest.fixture(
    params=[pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in LAWS],
    scope="module",
)
def law(request):
    return LAWS[request.param]


# Invariants ------------------------------------------------------------------------------------


def test_moments_are_those_of_the_density_and_the_atoms(law):
    scale = max(abs(end) for band in law.support for end in band)
    for k in range(7):
        total = integral(lambda x, k=k: (x / scale) ** k, law)
        total += sum(mass * (place / scale) ** k for place, mass in law.atoms)
        assert law.moment(k) / scale**k == pytest.approx(total, abs=1e-10)


def test_distribution_function_grows_by_the_density(law):
    for low, high in pieces(law):
        cuts = low + (high - low) * np.array([0.1, 0.35, 0.8])
        for left, right in itertools.pairwise(cuts):
            grown = between(np.ones_like, law, left, right)
            assert law.cdf(right) - law.cdf(left) == pytest.approx(grown, abs=1e-11)


def test_distribution_function_has_its_steps_and_ends(law):
    lowest = min([low for low, _ in law.support] + [x for x, _ in law.atoms])
    highest = max([high for _, high in law.support] + [x for x, _ in law.atoms])
    assert law.cdf([lowest - 1, highest]) == pytest.approx([0, 1], abs=1e-14)
    x = np.sort(np.concatenate([inside(law), [x for x, _ in law.atoms]]))
    assert (np.diff(law.cdf(x)) > 0).all()
    for place, mass in law.atoms:
        assert law.cdf(place) - law.mass_below(place) == pytest.approx(mass, abs=1e-14)
    x = inside(law)
    assert law.ppf(law.cdf(x)) == pytest.approx(x, abs=1e-9)


def test_gaps_are_gaps_and_bands_are_bands(law):
    assert (law.pdf(inside(law, 60)) > 0).all()
    for (_, left), (right, _) in itertools.pairwise(law.support):
        x = left + (right - left) * np.array([0.23, 0.51, 0.77])
        assert (law.pdf(x) == 0).all()
        assert np.abs(law.stieltjes(x).imag).max() == 0


def test_transforms_are_derivatives_of_the_potential(law):
    rng = np.random.default_rng(5)
    low, high = law.support[0][0], law.support[-1][1]
    z = rng.uniform(low - 1, high + 1, 30) + 1j * np.exp(rng.uniform(np.log(1e-2), 2, 30))
    g = law.stieltjes(z)
    assert (g.imag < 0).all()
    assert law.stieltjes(z.conj()) == pytest.approx(g.conj(), rel=1e-13)
    h = 1e-3 * z.imag
    numeric = (law.stieltjes(z + h) - law.stieltjes(z - h)) / (2 * h)
    assert law._jet(z)[1] == pytest.approx(numeric, rel=1e-5)
    numeric = (law.log_potential(z + h) - law.log_potential(z - h)) / (2 * h)
    assert numeric == pytest.approx(g, rel=1e-5)


def test_potential_is_the_integral_of_the_logarithm_also_on_the_axis(law):
    x = np.array([law.support[-1][1] + 0.7, law.support[0][0] - 0.4])
    for at in [*x, 0.3 + 0.9j]:
        below = integral(lambda t, at=at: np.log(abs(at - t)), law)
        below += sum(mass * np.log(abs(at - place)) for place, mass in law.atoms)
        assert law.log_potential(at).real == pytest.approx(below, abs=1e-10)


# Other routes ----------------------------------------------------------------------------------


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    ("signed", "ratio"),
    [
        pytest.param(
            signed,
            ratio,
            id=f"{name}-{ratio}",
            marks=[] if (name, ratio) in EACH_ONCE else pytest.mark.slow,
        )
        for name, signed in SIGNED_POPULATIONS.items()
        for ratio in (0.05, 0.5, 1.0, 1.5, 30.0)
    ],
)
def test_discrete_populations_give_the_companion_of_a_compound_free_poisson_law(signed, ratio):
    wishart = MarchenkoPastur(ratio, 1.3)
    known = companion(signed, wishart)
    low, high = known.support[0][0], known.support[-1][1]
    x = np.linspace(low - 0.3, high + 0.3, 501)
    x = x[(np.abs(x) > 1e-3) & ~np.isin(x, known.support)]
    z = np.concatenate([x + 0.3j, x + 1e-4j])
    for law in (
        FreeSignedProduct((signed,), (wishart,)),
        FreeSignedProduct((signed, wishart)),
    ):
        bands = [band for band in known.support if band[1] > band[0]]
        assert np.ravel(law.support) == pytest.approx(np.ravel(bands), abs=1e-12 * high)
        peak = known.pdf(x).max()
        assert ratio * law.pdf(x) == pytest.approx(known.pdf(x), abs=1e-11 * peak)
        g = (known.stieltjes(z) - (1 - ratio) / z) / ratio
        # The reference loses digits where its two terms cancel.
        rounding = 1e-14 * (np.abs(known.stieltjes(z)) + abs(1 - ratio) / np.abs(z)) / ratio
        assert (np.abs(law.stieltjes(z) - g) <= 1e-11 * np.abs(g) + 10 * rounding).all()
        potential = (known.log_potential(x) - (1 - ratio) * np.log(x + 0j)) / ratio
        assert law.log_potential(x) == pytest.approx(potential, rel=1e-11, abs=1e-11)
        solution = law.solve(z)
        assert (np.abs(solution.value - g) <= solution.error + rounding).all()
        for k in range(1, 9):
            assert law._exact_moments(8)[k] == pytest.approx(
                known._exact_moments(8)[k] / Fraction(ratio), rel=1e-14
            )


@pytest.mark.parametrize(
    "factors",
    [
        (Uniform(1.0, 3.0), MarchenkoPastur(0.3)),
        (Discrete((0.5, 3.0), (0.3, 0.7)), Uniform(0.5, 2.0)),
        (Uniform(1.0, 2.0), Uniform(0.5, 2.0), MarchenkoPastur(0.2)),
    ],
)
def test_a_positive_law_in_the_place_of_the_signed_one_gives_the_positive_product(factors):
    known = free_product(*factors)
    law = FreeSignedProduct(factors)
    assert isinstance(known, FreeProduct)
    assert np.ravel(law.support) == pytest.approx(np.ravel(known.support), rel=1e-11)
    x = inside(known, 50)
    assert law.pdf(x) == pytest.approx(known.pdf(x), rel=1e-9)
    assert law.cdf(x) == pytest.approx(known.cdf(x), abs=1e-12)
    assert law._exact_moments(6) == known._exact_moments(6)
    outer = np.array([known.support[0][0] / 2, known.support[-1][1] * 2])
    assert law.log_potential(outer) == pytest.approx(known.log_potential(outer), abs=1e-12)


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    "positive",
    [MarchenkoPastur(0.3), MarchenkoPastur(1.0), Uniform(0.5, 2.0), Arcsine(1.0, 3.0)],
    ids=lambda law: type(law).__name__,
)
@pytest.mark.parametrize("signed", [SIGN, Semicircle(1.0)], ids=["signs", "semicircle"])
def test_squares_of_symmetric_products_are_positive_products(signed, positive):
    # (B x A)^2 = B^2 x A x A for symmetric B (Arizmendi and Perez-Abreu 2009)
    law = free_product(signed, positive)
    square = [MarchenkoPastur(1.0)] if isinstance(signed, Semicircle) else []
    known = free_product(*square, positive, positive)
    assert law.support[-1][1] ** 2 == pytest.approx(known.support[-1][1], rel=1e-12)
    x = np.sqrt(known.ppf([0.01, 0.2, 0.5, 0.7, 0.99]))
    assert 2 * law.cdf(x) - 1 == pytest.approx(known.cdf(x**2), abs=1e-11)
    assert law.cdf(-x) == pytest.approx(1 - law.cdf(x), abs=1e-12)
    assert [law.moment(k) for k in (1, 3, 5)] == [0, 0, 0]
    assert law.moment(6) == pytest.approx(known.moment(3), rel=1e-14)


def test_moments_are_sums_over_noncrossing_partitions_and_their_complements():
    signed, positive = Discrete((-1.0, 1.0), (0.5, 0.5)), Uniform(0.5, 2.0)
    for law in (signed, THREE, Semicircle(0.5, -0.25)):
        product = free_product(law, positive)._exact_moments(6)
        cumulants = law._exact_cumulants(6)
        moments = positive._exact_moments(6)
        for k in range(1, 7):
            total = Fraction(0)
            for blocks in noncrossing_partitions(tuple(range(k))):
                term = math.prod(cumulants[len(block) - 1] for block in blocks)
                for size in complement_sizes(blocks, k):
                    term *= moments[size]
                total += term
            assert product[k] == total


def complement_sizes(blocks, k):
    """Sizes of the blocks of the Kreweras complement: cycles of the inverse times (1 2 ... k)."""
    back = {}
    for block in blocks:
        for before, after in itertools.pairwise([*block, block[0]]):
            back[after] = before
    left, sizes = set(range(k)), []
    while left:
        at, size = left.pop(), 1
        at = back[(at + 1) % k]
        while at in left:
            left.remove(at)
            at, size = back[(at + 1) % k], size + 1
        sizes.append(size)
    return sizes


def test_high_moments_are_exact():
    law = free_product(SIGN, MarchenkoPastur(1.0))
    # The square is the Fuss-Catalan law of order 2.
    assert law._exact_moments(40)[40] == math.comb(60, 20) // 41


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    "laws",
    [
        (THREE, MarchenkoPastur(0.4)),
        (Semicircle(1.0), Uniform(0.0, 2.0)),
        (Uniform(-1.0, 2.0), MarchenkoPastur(2.0), Arcsine(0.2, 1.0)),
        (Discrete((-2.0, 1.0), (0.3, 0.7)), Discrete((0.0, 1.0, 3.0), (0.4, 0.3, 0.3))),
        (affine(MarchenkoPastur(0.5), shift=-0.7), FussCatalan(2.0)),
    ],
    ids=range(5),
)
def test_spectra_of_rotated_matrices_are_close(laws):
    rng, n = np.random.default_rng(7), 300
    levels = (np.arange(n) + 0.5) / n
    matrix = np.diag(laws[0].ppf(levels))
    for law in laws[1:]:
        turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
        root = np.sqrt(np.maximum(law.ppf(levels), 0.0))
        matrix = root[:, None] * (turn @ matrix @ turn.T) * root
    eigenvalues = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    law = free_product(*laws)
    assert isinstance(law, FreeSignedProduct)
    # Between eigenvalues that are not rounded copies of one atom.
    apart = np.diff(eigenvalues) > 1e-9
    x = ((eigenvalues[1:] + eigenvalues[:-1]) / 2)[apart]
    counted = (np.arange(1, n) / n)[apart]
    assert x.size > n / 4
    # Rotated matrices are rigid: the distance is a few eigenvalues, not sqrt(n) of them.
    assert np.abs(law.cdf(x) - counted).max() < 4 / n


# At zero ---------------------------------------------------------------------------------------


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    ("positive", "signed"),
    [
        *itertools.product(
            [MarchenkoPastur(0.5), MarchenkoPastur(1.0)],
            [THREE, Uniform(-1.0, 1.5), Semicircle(1.0, 0.3)],
        ),
        (FussCatalan(2.0), THREE),
        pytest.param(FussCatalan(2.0), Semicircle(1.0, 0.3), marks=pytest.mark.slow),
    ],
)
def test_inertia_is_kept(signed, positive):
    law = free_product(signed, positive)
    x = np.array([-1e-300, -1e-17, 0.0, 1e-17])
    assert law.cdf(x) == pytest.approx(np.full(4, signed.cdf(0.0)), abs=2e-6)
    assert law.mass_below(0.0) == pytest.approx(signed.mass_below(0.0), abs=1e-14)
    assert law.cdf(0.0) == pytest.approx(signed.cdf(0.0), abs=1e-14)


@pytest.mark.parametrize("signed", [THREE, Uniform(-1.0, 1.5)])
@pytest.mark.parametrize(
    "positive", [MarchenkoPastur(2.0), Discrete((0.0, 1.0, 3.0), (0.5, 0.2, 0.3))]
)
def test_a_null_space_leaves_the_inertia_of_the_compression(signed, positive):
    law = free_product(signed, positive)
    assert law.atoms[0 if len(law.atoms) == 1 else 1] == (0.0, 0.5)
    corner = free_compression(signed, 0.5)
    assert law.mass_below(0.0) == pytest.approx(corner.mass_below(0.0) / 2, abs=1e-10)
    near = law.pdf([-1e-4, 1e-4])
    assert law.pdf(0.0) == pytest.approx(near.mean(), rel=1e-6)
    assert law.pdf(1e-9) == pytest.approx(law.pdf(0.0), rel=1e-7)


def test_values_off_the_axis_however_close_to_zero():
    # u = 1/S = (w G_B)^2 for the squared Wishart, so z = w (w G_B)^2 and G = w G_B / z, closed in w
    signed = Discrete((-1.0, 1e-3, 2.0), (0.3, 0.3, 0.4))
    law = free_product(signed, FussCatalan(2.0))
    for size, known in ((1e-6, 1e-13), (1e-8, 1e-13), (1e-12, 1e-5), (1e-30, 1e-4)):
        w = size * np.exp(1j * (2 * np.pi / 3 + np.array([0.1, 0.5, 1.0, 1.04])))
        u = w * signed.stieltjes(w)
        z = w * u**2
        found = law.solve(z)
        off = np.abs(found.value - u / z)
        assert (off <= found.error + 4e-16 * np.abs(found.value)).all()
        assert (off <= known * np.abs(u / z)).all()


def test_densities_at_zero():
    # The density at zero of B x A is that of B times E[1/A] for an invertible A.
    law = free_product(Semicircle(1.0), Uniform(1.0, 2.0))
    for x in (0.0, -1e-200, 1e-13, 1e-9):
        assert law.pdf(x) == pytest.approx(math.log(2) / math.pi, rel=1e-7)
    law = free_product(SIGN, MarchenkoPastur(1.0))
    assert law.pdf(0.0) == math.inf
    assert law.cdf([-1e-100, 0.0, 1e-100]) == pytest.approx([0.5, 0.5, 0.5], abs=1e-14)
    x = np.geomspace(1e-30, 1e-12, 7)
    assert law.pdf(x) / x ** (-1 / 3) == pytest.approx(law.pdf(x[0]) / x[0] ** (-1 / 3), rel=1e-3)
    assert law.solve(0.0).error == math.inf


def test_atoms_by_the_exact_criteria():
    law = free_product(
        Discrete((-2.0, 0.0, 1.0), (0.7, 0.1, 0.2)), Discrete((0.0, 3.0), (0.2, 0.8))
    )
    assert [place for place, _ in law.atoms] == [-6.0, 0.0]
    assert [mass for _, mass in law.atoms] == pytest.approx([0.5, 0.2], abs=1e-15)
    assert free_product(SIGN, Uniform(1.0, 2.0)).atoms == ()


# What it takes and gives -----------------------------------------------------------------------


def test_order_nesting_and_scales_do_not_matter():
    law = free_product(MarchenkoPastur(0.5), THREE, Uniform(0.5, 1.0))
    nested = free_product(
        affine(free_product(THREE, MarchenkoPastur(0.5)), scale=-2.0), Uniform(0.5, 1.0)
    )
    assert isinstance(nested, FreeSignedProduct)
    x = inside(law, 9)
    assert nested.pdf(-2 * x) == pytest.approx(law.pdf(x) / 2, rel=1e-10)
    assert free_product(Discrete((-2.0,), (1.0,)), THREE) == affine(THREE, scale=-2.0)
    assert law.rescaled(3.0).cdf(3 * x) == pytest.approx(law.cdf(x), abs=1e-12)
    again = pickle.loads(pickle.dumps(law))
    assert again == law
    assert again.cdf(0.1) == law.cdf(0.1)


def test_negative_laws_are_mirrored():
    positive = free_product(Uniform(1.0, 2.0), MarchenkoPastur(0.5))
    negative = free_product(Uniform(-2.0, -1.0), MarchenkoPastur(0.5))
    x = inside(positive, 9)
    assert negative.pdf(-x) == pytest.approx(positive.pdf(x), rel=1e-12)
    both = free_product(Uniform(-2.0, -1.0), affine(MarchenkoPastur(0.5), scale=-1.0))
    assert both.pdf(x) == pytest.approx(positive.pdf(x), rel=1e-12)
    signed = free_product(THREE, Uniform(-2.0, -1.0))
    mirrored = affine(free_product(THREE, Uniform(1.0, 2.0)), scale=-1.0)
    assert np.ravel(signed.support) == pytest.approx(np.ravel(mirrored.support), rel=1e-12)


def test_populations_of_many_eigenvalues():
    eigenvalues = np.concatenate([np.linspace(-3.3, -2.7, 700), np.linspace(1.5, 2.5, 1300)])
    law = general_marchenko_pastur(EmpiricalLaw(eigenvalues), 0.02)
    assert len(law.support) == 2
    assert law.cdf(0.0) == pytest.approx(0.35, abs=1e-12)
    assert law.mean() == pytest.approx(eigenvalues.mean(), rel=1e-14)
    assert integral(lambda t: t, law) == pytest.approx(law.mean(), abs=1e-9)


def test_products_of_two_signed_laws_are_refused():
    with pytest.raises(ValueError, match="at most one law with mass on both sides of zero"):
        free_product(SIGN, Semicircle(1.0))
    with pytest.raises(ValueError, match="all its mass at zero"):
        free_product(SIGN, Discrete((0.0,), (1.0,)))
    with pytest.raises(TypeError, match="takes laws"):
        free_product(SIGN, 2.0)
    with pytest.raises(ValueError, match="aspect_ratio"):
        general_marchenko_pastur(SIGN, -1.0)


@st.composite
def populations(draw):
    size = draw(st.integers(2, 5))
    values = draw(
        st.lists(
            st.floats(-1.0, 1.0).map(lambda t: round(t, 3)),
            min_size=size,
            max_size=size,
            unique=True,
        )
    )
    values = [*values, -draw(st.floats(0.01, 100.0)), draw(st.floats(0.01, 100.0))]
    values = sorted(set(values))
    weights = np.array([draw(st.floats(0.01, 1.0)) for _ in values])
    weights /= weights.sum()
    return Discrete(tuple(values), tuple(weights.tolist()))


@given(populations(), st.floats(-3, 3), st.floats(-3, 3))
@example(  # an atom inside the first of two bands
    Discrete((-2.0, 0.0, 0.5, 0.75, 0.875, 1.0, 9.0), (1 / 23, *[4 / 23] * 5, 2 / 23)), 0.5, 0.0
)
@examples(7)
def test_any_population_and_ratio(signed, log_ratio, log_scale):
    wishart = MarchenkoPastur(10**log_ratio, 10**log_scale)
    ratio = wishart.aspect_ratio
    law = free_product(signed, wishart)
    known = companion(signed, wishart)
    scale = max(abs(end) for band in known.support for end in band)
    share = np.linspace(0.03, 0.97, 7)
    x = np.concatenate([low + (high - low) * share for low, high in pieces(known)])
    x = x[np.abs(x) > 1e-6 * scale]
    density = known.pdf(x)
    assert ratio * law.pdf(x) == pytest.approx(density, rel=1e-7, abs=1e-9 * density.max())
    assert law.support[0][0] == pytest.approx(known.support[0][0], rel=1e-9, abs=1e-12 * scale)
    assert law.support[-1][1] == pytest.approx(known.support[-1][1], rel=1e-9, abs=1e-12 * scale)
    cdf = np.where(x < 0, known.cdf(x) / ratio, 1 - (1 - known.cdf(x)) / ratio)
    assert law.cdf(x) == pytest.approx(cdf, abs=1e-9 * max(1, 1 / ratio))


SYMMETRIC = [SIGN, Semicircle(0.5), Uniform(-1.2, 1.2)]
OTHERS = [
    (Wachter(2.0, 0.47),),
    (Uniform(0.5, 2.0), MarchenkoPastur(0.3)),
    (Discrete((1.0, 3.0), (0.5, 0.5)), MarchenkoPastur(2.0)),
]


@pytest.mark.parametrize(
    ("signed", "positive"),
    [
        pytest.param(signed, positive, marks=[pytest.mark.slow] * (i != k))
        for i, signed in enumerate(SYMMETRIC)
        for k, positive in enumerate(OTHERS)
    ],
    ids=str,
)
def test_the_potential_of_a_symmetric_law_makes_no_turn(signed, positive):
    law = free_product(signed, *positive)
    z = 1j * law.hull[1] * np.logspace(-1, 1, 40)  # M is negative there, up to rounding
    assert law._log_potential(z).imag == pytest.approx(np.pi / 2, abs=1e-9)


@pytest.mark.parametrize(
    ("signed", "width"),
    [
        (Semicircle(), 1e-4),
        (Uniform(-2.0, 1.0), 1e-6),
        pytest.param(Semicircle(), 1e-6, marks=pytest.mark.slow),
        pytest.param(Uniform(-2.0, 1.0), 1e-4, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_factor_that_is_nearly_a_point_mass(signed, width):
    """It scales the other law, but for its variance; the law is as symmetric as its factors."""
    factor = Discrete((1.0, 1.0 + width), (0.5, 0.5))
    law, scaled = free_product(signed, factor), affine(signed, scale=factor.mean())
    x = np.array([-1.4, -0.3, -1e-5, 0.0, 1e-5, 0.4, 0.8])
    np.testing.assert_allclose(law.cdf(x), scaled.cdf(x), atol=0.2 * width**2 + 1e-13)
    np.testing.assert_allclose(law.pdf(x), scaled.pdf(x), atol=0.2 * width**2 + 1e-12)
    mirrored = free_product(affine(signed, scale=-1.0), factor)
    np.testing.assert_allclose(law.cdf(x), 1 - mirrored.cdf(-x), atol=1e-13)


def test_a_density_below_rounding_has_the_phase_of_its_side():
    """1e-5 of a band from its edge the survival function was 1, and the other one was refused."""
    rank = 0.441500819141775
    positive = Discrete((0.0, 96.4, 140.3), (rank, 0.225, 1 - rank - 0.225))
    law = free_product(positive, JacobiWeight(0.2, 3.85, -1.06, 20.9))
    low, high = law.support[0]
    x = low + (high - low) * np.geomspace(1e-7, 1e-4, 40)
    np.testing.assert_allclose(law.cdf(x), rank, rtol=1e-12)
    np.testing.assert_allclose(law.sf(x), 1 - rank, rtol=1e-12)
