"""Distances of a spectrum to a law, against brute force, SciPy and exact cases."""

import itertools
import json
import math

import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from scipy import stats

from rmtland import (
    Discrete,
    FussCatalan,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    WishartPlusReluBlock,
    WishartPlusWigner,
    compare,
    fit,
    free_sum,
)
from rmtland.audit.distance import kolmogorov
from rmtland.comparison import outliers
from rmtland.free import FreeLevy
from rmtland.laws import LevyTriplet

LAWS = {
    "semicircle": Semicircle(0.7, center=0.4),
    "marchenko-pastur": MarchenkoPastur(0.4, 1.3),
    "marchenko-pastur, atom": MarchenkoPastur(2.5, 0.8),
    "wishart + wigner": WishartPlusWigner(0.5, 0.3).law,
    "two intervals": WishartPlusWigner(3.0, 0.004).law,
    "unbounded density": WishartPlusReluBlock(2.0, 0.4, 1.3).law,
    "two intervals and an atom": WishartPlusReluBlock(4.0, 0.4, 1.3).law,
    "atom away from zero": FreeLevy(LevyTriplet(1.5, 0.0, (0.4,), (-0.8,))),
}
CONTINUOUS = [name for name in LAWS if "atom" not in name]


def test_the_laws_are_what_their_names_say():
    assert [len(law.support) for law in LAWS.values()] == [1, 1, 1, 1, 2, 2, 2, 1]
    assert [len(law.atoms) for law in LAWS.values()] == [0, 0, 1, 0, 0, 0, 1, 1]


each_law = pytest.mark.parametrize("name", LAWS)


def moved(name, seed=0, size=40, shift=0.15):
    """A spectrum near a law: quantiles at random levels, moved by a part of the deviation."""
    law = LAWS[name]
    values = law.sample(size, rng=np.random.default_rng(seed)) + shift * math.sqrt(law.var())
    return Spectrum(values)


def steps(spectrum):
    """Nodes and weights of all runs, by hand."""
    nodes = spectrum.nodes.ravel()
    weights = spectrum.weights
    weights = np.full(nodes.size, 1.0) if weights is None else weights.ravel()
    return nodes, weights / weights.sum()


def brute_force_kolmogorov(spectrum, law):
    """Largest difference over a dense grid and both one-sided limits at every jump."""
    nodes, weights = steps(spectrum)
    places = np.array([place for place, _ in law.atoms])
    low = min(nodes.min(), law.support[0][0])
    high = max(nodes.max(), law.support[-1][1])
    worst = 0.0
    points = np.concatenate([np.linspace(low - 1, high + 1, 3000), nodes, places])
    for x, at in zip(points, law.cdf(points), strict=True):
        before = at - sum(mass for place, mass in law.atoms if place == x)
        worst = max(
            worst,
            abs(at - weights[nodes <= x].sum()),
            abs(before - weights[nodes < x].sum()),
        )
    return worst


def area(spectrum, law):
    """Integral of |F_n - F| by Gauss quadrature on cells between nodes, edges and atoms.

    Where F_n - F changes sign inside a cell, the cell is cut at the quantile of F.
    """
    nodes, weights = steps(spectrum)
    marks = [*nodes, *(x for pair in law.support for x in pair), *(x for x, _ in law.atoms)]
    levels = np.array([weights[nodes <= x].sum() for x in nodes])
    marks += law.ppf(np.clip(levels, 0, 1)).tolist()
    marks = np.unique(marks)
    x, w = np.polynomial.legendre.leggauss(50)
    total = 0.0
    for low, high in itertools.pairwise(marks):
        angle = (x + 1) * np.pi / 2  # square-root and inverse-root edges become smooth
        where = low + (high - low) * np.sin(angle / 2) ** 2
        jacobian = (high - low) * np.sin(angle) / 2 * np.pi / 2
        level = weights[nodes <= low].sum()
        total += abs(np.sum(w * jacobian * (law.cdf(where) - level)))
    return total


def width(law):
    ends = [x for pair in law.support for x in pair] + [x for x, _ in law.atoms]
    return max(ends) - min(ends)


# Kolmogorov ----------------------------------------------------------------------------------


@pytest.mark.slow_siblings(3)
@each_law
@pytest.mark.parametrize("shift", [0.0, 0.15, -2.0])
def test_kolmogorov_against_brute_force(name, shift):
    spectrum = moved(name, shift=shift)
    expected = brute_force_kolmogorov(spectrum, LAWS[name])
    assert expected > 0.02
    assert compare(spectrum, LAWS[name]).kolmogorov == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_kolmogorov_against_scipy(name):
    spectrum = moved(name, seed=1, size=200)
    expected = stats.kstest(spectrum.eigenvalues, LAWS[name].cdf).statistic
    assert compare(spectrum, LAWS[name]).kolmogorov == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("size", [1, 2, 25])
def test_quantiles_in_the_middle_of_each_cell_are_at_the_least_distance(name, size):
    law = LAWS[name]
    spectrum = Spectrum(law.ppf((np.arange(size) + 0.5) / size))
    assert compare(spectrum, law).kolmogorov == pytest.approx(1 / (2 * size), abs=1e-12)


def test_a_point_far_away_is_at_distance_one():
    for x in (-50.0, 50.0):
        result = compare(Spectrum([x]), Semicircle())
        assert result.kolmogorov == 1.0
        assert result.wasserstein == pytest.approx(50 / 4, rel=1e-12)
        assert (result.mass_outside, result.outliers) == (1.0, 1)


def test_ties_are_one_step():
    law = Semicircle()
    result = compare(Spectrum([0.0, 0.0, 0.0, 0.0]), law)
    assert result.kolmogorov == pytest.approx(0.5, abs=1e-15)
    assert result.wasserstein == pytest.approx(8 / (3 * math.pi) / 4, abs=1e-7)  # E|x| / 4


# Atoms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.6, 0.35, 0.0])
def test_the_step_of_an_atom_is_held_against_the_step_of_the_spectrum(share):
    law = MarchenkoPastur(2.5)  # atom 0.6 at zero
    size = 40
    zeros = round(size * share)
    rest = law.ppf(0.6 + 0.4 * (np.arange(size - zeros) + 0.5) / (size - zeros))
    result = compare(Spectrum(np.concatenate([np.zeros(zeros), rest])), law)
    # Just left of the first eigenvalue of the rest.
    expected = 0.6 - share + 0.2 / (size - zeros)
    assert result.kolmogorov == pytest.approx(expected, abs=1e-13)
    assert result.mass_outside == 0


def test_rounding_in_a_null_space_is_not_distance():
    law = MarchenkoPastur(2.5)
    rest = law.ppf(0.6 + 0.4 * (np.arange(16) + 0.5) / 16)
    noise = 1e-17 * np.random.default_rng(0).standard_normal(24)
    assert (noise < 0).any()
    assert (noise > 0).any()
    clean = compare(Spectrum(np.concatenate([np.zeros(24), rest])), law)
    noisy = compare(Spectrum(np.concatenate([noise, rest])), law)
    assert noisy.kolmogorov == clean.kolmogorov == pytest.approx(1 / 80, abs=1e-13)
    assert noisy.wasserstein == clean.wasserstein
    assert (noisy.spectrum_index, noisy.mass_outside, noisy.outliers) == (0, 0, 0)
    strict = compare(Spectrum(np.concatenate([noise, rest])), law, zero_tolerance=0.0)
    assert strict.kolmogorov > 0.2
    assert strict.spectrum_index == (noise < 0).mean() * 24 / 40
    assert strict.mass_outside == pytest.approx(0.6, abs=1e-15)


def test_a_sampled_null_space_lies_on_the_atom():
    model = WishartPlusWigner(4.0, 0.0)
    result = compare(model.sample(200, rng=3), model.law)
    assert result.kolmogorov < 0.03
    assert (result.spectrum_index, result.law_index) == (0, 0)
    assert result.mass_outside < 0.02


def test_nodes_near_an_atom_away_from_zero_are_put_on_it():
    law = LAWS["atom away from zero"]
    ((place, mass),) = law.atoms
    assert place == 1.5
    rest = law.ppf((1 - mass) * (np.arange(8) + 0.5) / 8)
    count = 12
    values = np.concatenate([np.full(count, place) + 1e-16 * np.arange(-6, 6), rest])
    result = compare(Spectrum(values), law)
    assert result.kolmogorov == pytest.approx(
        brute_force_kolmogorov(Spectrum(np.concatenate([np.full(count, place), rest])), law),
        abs=1e-13,
    )
    assert result.kolmogorov < 0.05
    assert result.mass_outside == 0


def test_a_stated_tolerance_gathers_zeros():
    law = MarchenkoPastur(2.0)
    rest = law.ppf(0.5 + 0.5 * (np.arange(4) + 0.5) / 4)
    spectrum = Spectrum(np.concatenate([[-1e-6, -1e-7, 0.0, 1e-6], rest]))
    assert compare(spectrum, law).spectrum_index == 0.25
    result = compare(spectrum, law, zero_tolerance=1e-6)
    assert result.spectrum_index == 0
    assert result.kolmogorov == pytest.approx(1 / 16, abs=1e-13)


def test_mass_of_a_law_within_rounding_of_zero_is_no_distance():
    """A product of many matrices has much of it there; eigenvalues that close are told as zero."""
    law = FussCatalan(12.0)
    q = (np.arange(64) + 0.5) / 64
    spectrum = Spectrum(law.ppf(q))
    assert law.cdf(spectrum.zero_tolerance) > 0.05
    assert compare(spectrum, law).kolmogorov == pytest.approx(1 / 128, abs=1e-9)
    assert kolmogorov(spectrum.eigenvalues, law) == compare(spectrum, law).kolmogorov
    both = Spectrum(np.concatenate([-spectrum.nodes[0], spectrum.nodes[0]]))
    assert compare(both, law).kolmogorov == pytest.approx(0.5, abs=0.07)


# Wasserstein ---------------------------------------------------------------------------------


@each_law
@pytest.mark.parametrize("shift", [0.0, 0.15, -2.0])
def test_wasserstein_is_the_area_between_the_distribution_functions(name, shift):
    spectrum, law = moved(name, shift=shift), LAWS[name]
    expected = area(spectrum, law) / width(law)
    assert compare(spectrum, law).wasserstein == pytest.approx(expected, abs=1e-7)


@each_law
def test_wasserstein_against_scipy_with_many_quantiles(name):
    spectrum, law = moved(name, seed=4), LAWS[name]
    levels = (np.arange(4000) + 0.5) / 4000
    expected = stats.wasserstein_distance(spectrum.eigenvalues, law.ppf(levels)) / width(law)
    # The sample of quantiles is itself within width / (2 * 4000) of the law.
    assert compare(spectrum, law).wasserstein == pytest.approx(expected, abs=1 / 8000)


def test_a_shift_of_the_whole_law_costs_the_shift():
    law = WishartPlusWigner(0.5, 0.3).law
    size, shift = 2000, 0.37
    values = law.ppf((np.arange(size) + 0.5) / size) + shift
    expected = shift / width(law)
    assert compare(Spectrum(values), law).wasserstein == pytest.approx(expected, rel=1e-6)


# The other numbers ---------------------------------------------------------------------------


def test_index_edges_mass_outside_and_outliers():
    law = Semicircle(1.0)  # [-2, 2], width 4
    nodes = np.linspace(-1.9, 1.9, 64)
    nodes[0], nodes[1], nodes[-1] = -2.1, -3.5, 2.3  # the margin is 4 * 64^(-2/3) = 1/4
    result = compare(Spectrum(nodes), law)
    assert result.spectrum_edges == (-3.5, 2.3)
    assert result.law_edges == pytest.approx((-2.0, 2.0), abs=1e-15)
    assert result.mass_outside == pytest.approx(3 / 64, abs=1e-15)
    assert result.outliers == 2
    assert result.spectrum_index == (nodes < 0).mean()
    assert result.law_index == pytest.approx(0.5, abs=1e-15)
    assert result.index_error == math.inf


def test_a_point_in_a_gap_is_outside():
    law = LAWS["two intervals"]
    (_, low), (high, _) = law.support
    result = compare(Spectrum([law.support[0][0], (low + high) / 2, high, high + 0.1]), law)
    assert result.mass_outside == 0.25
    assert result.outliers == 0  # the margin is wider than the gap at dimension 4
    many = np.full(4000, high + 0.1)
    many[7] = (low + high) / 2
    assert compare(Spectrum(many), law).outliers == 1


def test_edges_include_an_atom():
    law = MarchenkoPastur(4.0)  # atom at 0, interval [1, 9]
    assert compare(Spectrum([1.0, 2.0]), law).law_edges == pytest.approx((0.0, 9.0), abs=1e-14)
    law = LAWS["two intervals and an atom"]
    result = compare(Spectrum([0.0]), law)
    assert result.law_edges == (law.support[0][0], law.support[-1][1])


@each_law
def test_law_index_is_the_mass_strictly_below_zero(name):
    law = LAWS[name]
    expected = law.cdf(0.0) - sum(mass for place, mass in law.atoms if place == 0)
    assert compare(moved(name), law).law_index == pytest.approx(expected, abs=1e-14)


def test_outliers_are_those_of_the_spectrum():
    law = WishartPlusReluBlock(4.0, 0.3).law
    values = np.concatenate([law.ppf((np.arange(90) + 0.5) / 90), [-9.0, 30.0, 31.0]])
    spectrum = Spectrum(values)
    assert compare(spectrum, law).outliers == outliers(spectrum, law).size == 3


# A point, and what is no law -------------------------------------------------------------------


def test_a_single_point():
    point = Discrete((1.0,), (1.0,))
    result = compare(Spectrum([1.0, 1.0, 1.1]), point)
    assert result.kolmogorov == pytest.approx(1 / 3, abs=1e-15)
    assert result.unit == pytest.approx(0.1, rel=1e-14)
    assert result.wasserstein * result.unit == pytest.approx(0.1 / 3, rel=1e-13)
    assert (result.outliers, result.law_edges) == (1, (1.0, 1.0))
    same = compare(Spectrum([1.0, 1.0]), point)
    assert (same.kolmogorov, same.wasserstein, same.mass_outside, same.outliers) == (0, 0, 0, 0)
    far = compare(Spectrum([3.0]), point)
    assert (far.kolmogorov, far.wasserstein, far.outliers) == (1.0, 1.0, 1)


@each_law
def test_a_purely_atomic_law(name):
    spectrum = moved(name)
    points = np.quantile(spectrum.nodes, [0.2, 0.5, 0.9])
    law = Discrete(tuple(points), (0.25, 0.25, 0.5))
    result = compare(spectrum, law)
    places, weights = np.array(points), np.array([0.25, 0.25, 0.5])
    x = np.unique(np.concatenate([places, spectrum.eigenvalues]))
    steps = np.array([[weights[places <= y].sum(), spectrum.cdf(y)] for y in x])
    expected = np.abs(steps[:, 0] - steps[:, 1])
    assert result.kolmogorov == pytest.approx(expected.max(), abs=1e-13)
    assert result.wasserstein * result.unit == pytest.approx(
        np.sum(np.diff(x) * expected[:-1]), rel=1e-12
    )


class Blurred:
    """Knows its smoothed distribution function only, that of a semicircle."""

    def smoothed_cdf(self, x, *, eta):
        return 1 - Semicircle().log_potential(np.asarray(x) + 1j * eta).imag / np.pi

    def smoothed_pdf(self, x, *, eta):
        return -Semicircle().stieltjes(np.asarray(x) + 1j * eta).imag / np.pi


class WithoutLaw(Blurred):
    @property
    def law(self):
        raise ValueError("it has no law on the axis")


@pytest.mark.parametrize("theory", [Blurred(), WithoutLaw()])
def test_a_theory_without_a_law_is_compared_smoothed(theory):
    spectrum = Spectrum(Semicircle().ppf((np.arange(400) + 0.5) / 400) + 0.2)
    result = compare(spectrum, theory)
    assert result.eta == pytest.approx(spectrum.std() / 20)
    # a shift of a smooth distribution function: 0.2 times its largest density
    assert result.kolmogorov == pytest.approx(0.2 / np.pi, rel=0.05)
    assert result.wasserstein * result.unit == pytest.approx(0.2, rel=0.05)
    assert result.law_index == pytest.approx(0.5, abs=1e-9)
    finer = compare(spectrum, theory, eta=1e-3)
    exact = compare(spectrum, Semicircle())
    assert finer.eta == 1e-3
    assert finer.kolmogorov == pytest.approx(exact.kolmogorov, abs=4e-3)
    json.dumps(finer.to_dict(), allow_nan=False)
    assert finer.to_dict()["law_edges"] == [None, None]


def test_models_fits_and_spectra_are_theories():
    model = WishartPlusWigner(0.5, 0.3)
    spectrum = model.sample(60, rng=0)
    assert compare(spectrum, model) == compare(spectrum, model.law)
    found = fit(spectrum, WishartPlusWigner, resamples=0)
    assert compare(spectrum, found) == found.comparison
    assert compare(spectrum, spectrum).kolmogorov == pytest.approx(0, abs=1e-14)
    assert compare(spectrum, model, eta=0.1).kolmogorov < compare(spectrum, model).kolmogorov


def test_differences_are_law_less_measured():
    result = compare(Spectrum([-1.0, 3.0, 3.0, 3.0]), Semicircle())
    assert result.index_difference == pytest.approx(0.25)
    assert result.edge_differences == pytest.approx((-1.0, -1.0))


# Covariance and runs -------------------------------------------------------------------------


@examples(30)
@given(
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-10, 10),
    values=st.lists(st.floats(-3, 3), min_size=1, max_size=12),
)
def test_distances_do_not_depend_on_origin_and_unit(scale, shift, values):
    values = np.array(values)
    values[np.abs(values) < 1e-6] = 0  # a gap that the shift would round away
    one = compare(Spectrum(values), Semicircle(1.0), zero_tolerance=0.0)
    other = compare(
        Spectrum(scale * (values + shift)),
        Semicircle(scale**2, center=scale * shift),
        zero_tolerance=0.0,
    )
    assert other.kolmogorov == pytest.approx(one.kolmogorov, abs=1e-7)
    assert other.wasserstein == pytest.approx(one.wasserstein, abs=1e-7)
    np.testing.assert_allclose(
        np.array(other.law_edges),
        scale * (np.array(one.law_edges) + shift),
        atol=1e-12 * scale * 12,
    )


def test_scale_of_a_model():
    one, other = WishartPlusReluBlock(4.0, 0.3), WishartPlusReluBlock(4.0, 0.3 * 49, 7.0)
    spectrum = one.sample(60, rng=8)
    near, far = compare(spectrum, one.law), compare(Spectrum(7 * spectrum.nodes), other.law)
    for field in ("kolmogorov", "wasserstein", "spectrum_index", "law_index", "mass_outside"):
        assert getattr(far, field) == pytest.approx(getattr(near, field), abs=1e-12)
    np.testing.assert_allclose(far.law_edges, 7 * np.array(near.law_edges), rtol=1e-13)


def test_reflection():
    law, mirror = MarchenkoPastur(0.5), FreeLevy(LevyTriplet(0.0, 0.0, (2.0,), (-0.5,)))
    spectrum = Spectrum(law.sample(30, rng=1))
    one, other = compare(spectrum, law), compare(Spectrum(-spectrum.nodes), mirror)
    assert other.kolmogorov == pytest.approx(one.kolmogorov, abs=1e-13)
    assert other.wasserstein == pytest.approx(one.wasserstein, abs=1e-12)
    assert (one.law_index, other.law_index) == (0, pytest.approx(1))


@each_law
def test_runs_are_pooled(name):
    law = LAWS[name]
    runs = moved(name, size=36).nodes.reshape(3, 12)
    several, pooled = compare(Spectrum(runs), law), compare(Spectrum(runs.ravel()), law)
    assert several.kolmogorov == pytest.approx(pooled.kolmogorov, abs=1e-14)
    assert several.wasserstein == pytest.approx(pooled.wasserstein, abs=1e-14)
    assert several.mass_outside == pytest.approx(pooled.mass_outside, abs=1e-14)
    assert several.spectrum_edges == pooled.spectrum_edges


def test_index_error_is_that_of_the_runs():
    model = WishartPlusWigner(0.5, 0.3)
    spectrum = model.sample(30, rng=1, runs=5)
    shares = (spectrum.nodes < 0).mean(axis=1)
    result = compare(spectrum, model.law)
    assert result.index_error == pytest.approx(shares.std(ddof=1) / math.sqrt(5), rel=1e-12)
    assert result.spectrum_index == pytest.approx(shares.mean(), rel=1e-14)


@pytest.mark.parametrize("name", ["wishart + wigner", "marchenko-pastur, atom"])
def test_quadrature(name):
    law = LAWS[name]
    generator = np.random.default_rng(2)
    weights = generator.random((2, 9))
    weights /= weights.sum(axis=1, keepdims=True)
    nodes = law.ppf(generator.random((2, 9))) + 0.1
    spectrum = Spectrum(nodes, weights, dimension=1000)
    result = compare(spectrum, law)
    assert result.kolmogorov == pytest.approx(brute_force_kolmogorov(spectrum, law), abs=1e-13)
    assert result.wasserstein == pytest.approx(area(spectrum, law) / width(law), abs=1e-7)
    outside = [all(not low <= x <= high for low, high in law.support) for x in nodes.flat]
    assert result.mass_outside == pytest.approx(weights.ravel()[outside].sum() / 2, abs=1e-14)
    assert result.outliers == outliers(spectrum, law).size


def test_a_sample_is_close_to_its_own_law_and_not_to_another():
    """Eigenvalues are rigid: the Kolmogorov distance is of order log(n) / n, far below n^(-1/2)."""
    for model in (WishartPlusWigner(0.5, 0.3), WishartPlusReluBlock(0.5, 0.6)):
        spectrum = model.sample(400, rng=5)
        assert compare(spectrum, model.law).kolmogorov < 0.01
        assert compare(spectrum, model.law).wasserstein < 0.003
        assert compare(spectrum, type(model)(0.5, 0.8).law).kolmogorov > 0.02


# Values and types ----------------------------------------------------------------------------


def test_to_dict_is_json():
    result = compare(Spectrum([-1.0, 0.5]), Semicircle())
    values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert values["index_error"] is None
    assert values["kolmogorov"] == result.kolmogorov
    assert values["law_edges"] == list(result.law_edges)
    several = compare(Spectrum([[-1.0, 0.5], [0.2, 0.5]]), Semicircle())
    assert several.to_dict()["index_error"] == several.index_error == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("spectrum", "law", "message"),
    [
        ([1.0, 2.0], Semicircle(), "expected a Spectrum.*list"),
        (Semicircle(), Spectrum([1.0]), "expected a Spectrum.*Semicircle.*spectrum first"),
        (
            Semicircle(),
            Semicircle(2.0),
            "got Semicircle: for two laws take rmtland.kolmogorov_distance",
        ),
        (WishartPlusWigner(0.5, 0.3), Semicircle(), "got WishartPlusWigner: for two laws"),
        (Spectrum([1.0]), WishartPlusWigner, "the class WishartPlusWigner: make one"),
        (Spectrum([1.0]), None, "expected a law.*NoneType"),
    ],
)
def test_wrong_types(spectrum, law, message):
    with pytest.raises(TypeError, match=message):
        compare(spectrum, law)


def test_a_law_is_compared_by_its_quantiles():
    law, other, n = Discrete((-1.0, 0.5), (0.3, 0.7)), Semicircle(), 1000
    spectrum = Spectrum(law.ppf((np.arange(n) + 0.5) / n))
    x = np.array([-1.0, 0.5])
    exact = max(
        np.abs(law.cdf(x) - other.cdf(x)).max(), np.abs(law.mass_below(x) - other.cdf(x)).max()
    )
    assert compare(spectrum, law).kolmogorov <= 1 / (2 * n)
    assert compare(spectrum, other).kolmogorov == pytest.approx(exact, abs=1 / (2 * n))


@pytest.mark.parametrize("tolerance", [-1.0, math.nan, math.inf])
def test_bad_tolerance(tolerance):
    with pytest.raises(ValueError, match="zero_tolerance"):
        compare(Spectrum([1.0]), Semicircle(), zero_tolerance=tolerance)


def test_a_free_sum_is_a_law_as_any_other():
    law = free_sum(MarchenkoPastur(0.5), Semicircle(0.6))
    spectrum = moved("wishart + wigner")
    one, other = compare(spectrum, law), compare(spectrum, LAWS["wishart + wigner"])
    assert one.kolmogorov == pytest.approx(other.kolmogorov, abs=1e-13)


def test_a_zero_tolerance_of_a_wrong_type():
    with pytest.raises(TypeError, match="zero_tolerance must be a real number"):
        compare(Spectrum([1.0, 2.0]), Semicircle(), zero_tolerance="a")
