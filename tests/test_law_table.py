"""The table of laws is itself tested: a table of easy cases would make every test easy."""

import inspect

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from law_table import (
    LAWS,
    TAGS,
    UNBOUNDED,
    integral,
    kinds,
    laws,
    models,
    moment_by_partitions,
    noncrossing_partitions,
    pieces,
    tagged,
    triplets,
)

import rmtland
from rmtland.free import FreeProduct
from rmtland.laws import Law, LevyLaw, LevyTriplet

# No Levy part, no weights, no Marchenko-Pastur factor: these defaults are cases of their own.
MAY_BE_DEFAULT = {
    ("EmpiricalLaw", "weights"),
    ("FreeSum", "levy"),
    ("Affine", "shift"),
    ("AffineLevy", "shift"),
}


FAMILIES = {
    name
    for name in rmtland.laws.__all__
    if inspect.isclass(getattr(rmtland.laws, name))
    and issubclass(getattr(rmtland.laws, name), Law)
    and not inspect.isabstract(getattr(rmtland.laws, name))
}


def test_names_and_laws_are_unique():
    assert len({case.name for case in LAWS}) == len(LAWS)
    assert len({case.law for case in LAWS}) == len(LAWS)


@pytest.mark.parametrize("case", LAWS, ids=lambda case: case.name)
def test_parameters_are_not_the_defaults(case):
    assert isinstance(case.law, Law)
    for name, parameter in inspect.signature(type(case.law)).parameters.items():
        if parameter.default is not parameter.empty:
            attribute = {"mean": "center"}.get(name, name)
            if (type(case.law).__name__, name) not in MAY_BE_DEFAULT:
                assert getattr(case.law, attribute) != parameter.default
    assert getattr(case.law, "levy", None) != LevyTriplet()


@pytest.mark.parametrize("case", LAWS, ids=lambda case: case.name)
def test_support_has_the_stated_pieces(case):
    assert len(case.law.support) == case.intervals
    assert len(case.law.atoms) == case.atoms


def test_the_table_holds_the_uncomfortable_cases():
    every = [case.law for case in LAWS]
    assert any(len(law.support) >= 5 for law in every)
    assert any(law.atoms and law.atoms[0][0] != 0 for law in every)
    assert any(not law.support for law in every)
    assert any(isinstance(law, FreeProduct) and law.atoms for law in every)
    assert {type(law).__name__ for law in [*every, *UNBOUNDED]} >= FAMILIES
    jumps = [law.levy.jumps for law in every if isinstance(law, LevyLaw) and law.levy.jumps]
    assert any(min(each) < 0 < max(each) for each in jumps)
    assert any(np.isinf(law.pdf(np.ravel(law.support))).any() for law in every)
    ratios = [law.aspect_ratio for law in every if hasattr(law, "aspect_ratio")]
    assert min(ratios) <= 1e-3
    assert max(ratios) >= 1e3
    assert 1 in ratios


def test_tags_are_a_closed_set_that_is_used():
    assert {tag for case in LAWS for tag in case.tags} == set(TAGS)
    for tag in TAGS:
        assert len(tagged(tag)) >= 3
    with pytest.raises(AssertionError, match="unknown tags"):
        tagged("hard")


def test_every_class_of_the_table_is_among_its_kinds_with_and_without_atoms():
    def found(cases):
        return {(type(case.law), bool(case.law.atoms), bool(case.law.support)) for case in cases}

    assert found(kinds()) == found(LAWS)
    assert len(kinds()) < 0.6 * len(LAWS)


@pytest.mark.parametrize("case", tagged("unbounded"), ids=lambda case: case.name)
def test_densities_said_to_be_unbounded_are(case):
    ends = [end for piece in pieces(case.law) for end in piece]
    assert np.isinf(case.law.pdf(ends)).any() or isinstance(case.law, LevyLaw)


@pytest.mark.parametrize("case", tagged("step"), ids=lambda case: case.name)
def test_densities_said_to_step_do(case):
    values = case.law.pdf(np.ravel(case.law.support))
    assert (np.isfinite(values) & (values > 0)).any()


def test_noncrossing_partitions_are_counted_by_catalan():
    counts = [sum(1 for _ in noncrossing_partitions(tuple(range(k)))) for k in range(7)]
    assert counts == [1, 1, 2, 5, 14, 42, 132]


def test_partition_sums_give_catalan_moments_of_the_semicircle():
    assert [moment_by_partitions([0, 1, 0, 0, 0, 0], k) for k in range(1, 7)] == [0, 1, 0, 2, 0, 5]


def test_quadrature_is_right_for_a_density_known_by_hand():
    class Uniform:
        support = ((1.0, 3.0),)
        atoms = ()

        def pdf(self, x):
            return 0.5

    assert integral(Uniform(), lambda x: x**2)[0] == pytest.approx(13 / 3, abs=1e-12)
    assert integral(Uniform(), np.ones_like, low=1.5, high=2.0)[0] == pytest.approx(0.25, abs=1e-12)


def test_strategies_reach_the_ends_of_the_admissible_range():
    seen = []

    @given(models)
    @examples(300)
    def draw(model):
        seen.append((model.phi, model.epsilon, model.sigma))

    draw()
    phi, epsilon, sigma = np.array(seen).T
    assert phi.min() == 1e-3
    assert phi.max() == 1e3
    assert epsilon.min() == 0
    assert epsilon.max() == 1e3
    assert epsilon[epsilon > 0].min() == 1e-6
    assert sigma.min() < 0.01
    assert sigma.max() > 100


def test_triplets_come_with_none_to_five_jumps_of_either_sign():
    seen = []

    @given(triplets())
    @examples(200)
    def draw(triplet):
        seen.append(triplet)

    draw()
    assert {len(t.jumps) for t in seen} == set(range(6))
    assert any(j < 0 for t in seen for j in t.jumps)
    assert any(j > 0 for t in seen for j in t.jumps)
    assert any(t.variance == 0 for t in seen)
    assert any(t.variance > 0 for t in seen)
    assert any(t.variance == 0 and sum(t.rates) == 1 for t in seen)
    assert any(t.atom for t in seen)


@given(laws())
@examples(20)
def test_laws_are_laws(law):
    assert isinstance(law, Law)
