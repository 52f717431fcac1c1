"""Distances between two laws: known values, two routes, and errors that cover the truth."""

import math

import numpy as np
import pytest
from law_table import LAWS, tagged
from scipy.special import ndtr

from rmtland import (
    Discrete,
    EmpiricalLaw,
    MarchenkoPastur,
    Normal,
    Semicircle,
    Spectrum,
    Uniform,
    WishartPlusWigner,
    affine,
    compare,
    free_sum,
    kolmogorov_distance,
    mixture,
    wasserstein_distance,
)
from rmtland.comparison.law_distances import LawDistance
from rmtland.laws import Law
from rmtland.models.dyson import TabulatedLaw
from rmtland.solution import ConvergenceError

CASES = [pytest.param(case.law, id=case.name) for case in LAWS if "solver" not in case.tags][::3]
CASES += [pytest.param(case.law, id=case.name) for case in tagged("near critical", "step")[::4]]


def covers(found, truth):
    assert abs(found.value - truth) <= found.error
    assert found.error < 1e-4 * max(abs(truth), 1e-2)


@pytest.mark.parametrize("law", CASES)
def test_a_shift_moves_all_mass_by_itself(law):
    """Atoms, gaps and unbounded densities included: W_1 of X and X + s is s."""
    low, high = law.hull
    shift = 0.37 * ((high - low) or 1.0)
    found = wasserstein_distance(affine(law, shift=shift), law)
    assert abs(found.value - shift) <= found.error < 1e-4 * shift


@pytest.mark.parametrize("law", CASES)
def test_no_point_is_further_apart_than_the_error_allows(law):
    other = mixture([MarchenkoPastur(0.4), Semicircle(0.5, -1.0)], [0.6, 0.4])
    found = kolmogorov_distance(law, other)
    levels = np.linspace(1e-4, 1 - 1e-4, 501)
    places = [place for place, _ in law.atoms]
    x = np.concatenate([law.ppf(levels), other.ppf(levels), places])
    right = np.abs(np.asarray(law.cdf(x)) - other.cdf(x)).max()
    left = np.abs(np.asarray(law.mass_below(x)) - other.mass_below(x)).max()
    assert max(left, right) <= found.value + found.error
    assert max(left, right) > found.value - 0.02
    swapped = kolmogorov_distance(other, law)
    assert abs(swapped.value - found.value) <= found.error


def test_normal_laws_of_two_widths():
    root = math.sqrt(8 / 3 * math.log(2))  # where the densities cross
    covers(kolmogorov_distance(Normal(1.0), Normal(4.0)), ndtr(root) - ndtr(root / 2))
    covers(wasserstein_distance(Normal(1.0), Normal(4.0)), math.sqrt(2 / math.pi))
    far = wasserstein_distance(Normal(1.0, -2.0), Normal(1.0, 1e6))
    assert abs(far.value - 1e6 - 2) <= far.error < 1.0


def test_semicircles_of_two_widths():
    covers(wasserstein_distance(Semicircle(1.0), Semicircle(4.0)), 8 / (3 * math.pi))
    x = math.sqrt(16 / 5)  # where the densities cross: 16 (4 - x^2) = 16 - x^2
    exact = Semicircle(1.0).cdf(x) - Semicircle(4.0).cdf(x)
    covers(kolmogorov_distance(Semicircle(1.0), Semicircle(4.0)), exact)


def test_point_masses():
    one, other = Discrete((0.0, 1.0), (0.5, 0.5)), Discrete((0.0, 2.0), (0.25, 0.75))
    covers(kolmogorov_distance(one, other), 0.75)
    covers(wasserstein_distance(one, other), 1.0)
    point = Discrete((0.25,), (1.0,))
    covers(kolmogorov_distance(point, Uniform(0.0, 1.0)), 0.75)
    covers(wasserstein_distance(point, Uniform(0.0, 1.0)), 0.3125)
    covers(wasserstein_distance(point, Discrete((2.25,), (1.0,))), 2.0)
    assert kolmogorov_distance(point, EmpiricalLaw([0.25])).value == 0.0


def test_the_error_covers_kinks_where_the_difference_changes_sign():
    """At coarse tolerances two rules may agree beside a kink by chance."""
    for start in np.linspace(-0.45, -0.05, 60):
        found = wasserstein_distance(Uniform(0.0, 1.0), Uniform(start, 1.7), tolerance=1.0)
        x = np.array([start, 0.0, -start / (0.7 - start), 1.0, 1.7])  # cut where both are equal
        gap = np.abs(np.clip(x, 0.0, 1.0) - (x - start) / (1.7 - start))
        truth = np.trapezoid(gap, x)
        assert abs(found.value - truth) <= found.error


def test_what_a_law_states_of_itself_enters_the_error():
    law = TabulatedLaw([0.0, 0.5, 1.0], [0.25, 0.75], error=1e-3)
    for distance, truth in ((kolmogorov_distance, 0.25), (wasserstein_distance, 0.125)):
        found = distance(law, Uniform(0.0, 1.0))
        assert abs(found.value - truth) < 1e-5
        assert 1e-3 < found.error < 1.1e-3


def test_narrow_laws_are_not_stepped_over():
    narrow = mixture([Semicircle(1e-10), Semicircle(1e-10, 1e3)], [0.5, 0.5])
    found = kolmogorov_distance(narrow, Uniform(-1.0, 1e3))
    truth = 0.5 - 2e-5 / 1001  # at the lower edge of the second, where nearly all of the other is
    assert abs(found.value - truth) <= found.error < 1e-7
    apart = mixture([Normal(1e-12, -3.0), Normal(1e-12, 3.0)], [0.5, 0.5])  # no ends, no cuts
    beyond = math.exp(-4.5) / math.sqrt(2 * math.pi) - 3 * ndtr(-3.0)  # E(Z - 3)_+
    covers(wasserstein_distance(apart, Normal(1.0)), 3 - math.sqrt(2 / math.pi) + 4 * beyond)
    inside = wasserstein_distance(Normal(1.0), Normal(1e-12, 3.0))
    truth = 3 * (2 * ndtr(3.0) - 1) + 2 * math.exp(-4.5) / math.sqrt(2 * math.pi)
    covers(inside, truth)


def test_a_spectrum_is_the_law_of_its_nodes():
    spectrum, law = Spectrum([-1.3, -0.2, 0.4, 0.9]), Semicircle(0.5)
    by_nodes = compare(spectrum, law, zero_tolerance=0.0)
    covers(kolmogorov_distance(spectrum, law), by_nodes.kolmogorov)
    found = wasserstein_distance(law, spectrum)
    assert found.value == pytest.approx(by_nodes.wasserstein * by_nodes.unit, rel=1e-4)


def test_models_have_laws_and_two_routes_have_no_distance():
    model = WishartPlusWigner(0.5, 0.3)
    found = kolmogorov_distance(model, model.law)
    assert found == LawDistance(0.0, 0.0)
    twice = free_sum(Semicircle(1.0), Semicircle(2.0), method="subordination")
    near = kolmogorov_distance(twice, Semicircle(3.0), tolerance=1e-3)
    assert near.value < 1e-10
    assert near.error < 1.1e-3
    assert wasserstein_distance(twice, Semicircle(3.0)).value < 1e-10


@pytest.mark.parametrize("scale", [1e-40, 1e200])
def test_units_do_not_matter(scale):
    one, other = Semicircle(scale), Semicircle(4 * scale)
    found = wasserstein_distance(one, other)
    assert found.value == pytest.approx(8 / (3 * math.pi) * math.sqrt(scale), rel=1e-6)
    assert found.error < 1e-6 * math.sqrt(scale)
    assert kolmogorov_distance(one, other).value == pytest.approx(
        kolmogorov_distance(Semicircle(1.0), Semicircle(4.0)).value, abs=1e-9
    )


def test_a_smaller_tolerance_gives_a_smaller_error():
    one, other = MarchenkoPastur(0.01), Semicircle(0.01, center=1.0)
    coarse, fine = (kolmogorov_distance(one, other, tolerance=t) for t in (1e-2, 1e-8))
    assert fine.error < 5e-8 < coarse.error < 1.1e-2
    assert coarse.value <= fine.value <= coarse.value + coarse.error


class Cauchy(Normal):
    """A law without a mean, as a law of one's own may be."""

    def _cdf(self, x):
        return 0.5 + np.arctan(x) / np.pi


def test_laws_without_a_mean_have_no_area():
    law: Law = Cauchy(1.0)
    with pytest.raises(ConvergenceError, match="where a law has no mean there is no area"):
        wasserstein_distance(law, Normal(2.0))
    assert 0 < kolmogorov_distance(law, Normal(2.0)).value < 0.5


@pytest.mark.parametrize("distance", [kolmogorov_distance, wasserstein_distance])
def test_bad_arguments_are_refused(distance):
    with pytest.raises(TypeError, match=r"expected a law, or a model.* got int"):
        distance(3, Semicircle())
    with pytest.raises(TypeError, match="got the class Semicircle: make one"):
        distance(Semicircle(), Semicircle)
    for bad in (0.0, math.nan):
        with pytest.raises(ValueError, match="tolerance must be a positive finite number"):
            distance(Semicircle(), Normal(1.0), tolerance=bad)
