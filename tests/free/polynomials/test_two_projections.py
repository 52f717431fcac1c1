"""Polynomials in two two-point laws: closed forms, exact masses and edges, independent planes."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from rmtland import Arcsine, Discrete, free_product, free_sum, free_variables, law_of_polynomial
from rmtland.free.polynomials.branch_law import BranchLaw
from rmtland.free.polynomials.two_projections import is_two_point, law_of_two_point_polynomial
from rmtland.laws import EmpiricalLaw, Uniform

SCRIPT = Path(__file__).parents[3] / "scripts" / "fuzz_polynomials.py"
spec = importlib.util.spec_from_file_location("fuzz_polynomials", SCRIPT)
fuzz = importlib.util.module_from_spec(spec)
sys.modules["fuzz_polynomials"] = fuzz
spec.loader.exec_module(fuzz)

x, y = free_variables("x y")
SIGN = Discrete((-1.0, 1.0), (0.5, 0.5))


def projection(trace):
    return Discrete((0.0, 1.0), (1 - trace, trace))


def check_distribution(law):
    """The density is the slope of the distribution function away from its singularities."""
    low, high = law.ppf([0.0, 1.0])
    t = low + (high - low) * (np.arange(40) + 0.37) / 40
    h = 1e-5 * (high - low)
    slope = (law.cdf(t + h) - law.cdf(t - h)) / (2 * h)
    assert law.pdf(t) == pytest.approx(slope, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("p", "first", "second", "support", "atoms"),
    [
        (x * y * x, projection(0.5), projection(0.5), ((0, 1),), ((0, 0.5),)),
        (x * y * x, projection(0.75), projection(0.75), ((0, 0.75),), ((0, 0.25), (1, 0.5))),
        (x * y + y * x, projection(0.5), projection(0.5), ((-0.25, 2),), ()),
        (x * x * y + y * x * x, SIGN, projection(0.75), (), ((0, 0.25), (2, 0.75))),
        # (x y - y x)^2 is a number on every plane: - sin^2(2 angle) / 4
        (-((x * y - y * x) ** 2), projection(0.5), projection(0.5), ((0, 0.25),), ()),
        (1j * (x * y - y * x), projection(0.5), projection(0.5), ((-0.5, 0.5),), ()),
    ],
)
def test_exact_edges_and_masses(p, first, second, support, atoms):
    law = law_of_polynomial(p, x=first, y=second)
    assert law.support == support
    assert law.atoms == atoms
    if support:
        check_distribution(law)


def test_edge_of_a_shifted_anticommutator():
    law = law_of_polynomial(x * y + y * x + x, x=projection(0.25), y=projection(0.5))
    assert law.support[0][0] == -0.125
    assert law.atoms == ((0.0, 0.5),)
    assert law.mass_below(0.0) == pytest.approx(0.25, abs=1e-15)
    assert law.cdf(0.5) == 0.75


@pytest.mark.parametrize("share", [1e-12, 1e-9])
def test_light_and_heavy_projections(share):
    """The eigenvalues are s +- sqrt(s), with s below 4 share or above 1 - 4 share."""
    s = 4 * share * (1 - share)
    light = law_of_polynomial(x * y + y * x, x=projection(share), y=projection(share))
    assert light.ppf([0.0, 1.0]) == pytest.approx([s - s**0.5, s + s**0.5], rel=1e-12)
    heavy = law_of_polynomial(x * y + y * x, x=projection(share), y=projection(1 - share))
    assert heavy.ppf([0.0, 1.0]) == pytest.approx([-s / 2 - s * s / 8, 2.0], rel=1e-9)
    assert heavy.support[0][1] == 0.0
    for law, rise in ((light, 0.0), (heavy, 2 / 3)):
        assert law.index() == pytest.approx(share, rel=1e-7)
        assert law.stieltjes(3.0) == pytest.approx(1 / 3 + rise * share, abs=1e-15)


def test_branches_thinner_than_rounding_are_atoms():
    thin = Discrete((1.0, 1.000001), (1e-11, 1 - 1e-11))
    sign = Discrete((-1.0, 1.0), (1e-11, 1 - 1e-11))
    law = law_of_polynomial(x * x * y * x * y + y * x * y * x * x, x=thin, y=sign)
    assert sum(mass for _, mass in law.atoms) == 1.0
    assert law.mean() == pytest.approx(2 * 1.000001**3, rel=1e-10)


def test_two_signs_have_an_arcsine_anticommutator():
    law = law_of_polynomial(x * y + y * x, x=SIGN, y=SIGN)
    exact = Arcsine(-2, 2)
    t = np.linspace(-2, 2, 41)[1:-1]
    assert law.support == exact.support
    assert law.pdf(t) == pytest.approx(exact.pdf(t), rel=1e-13)
    assert law.cdf(t) == pytest.approx(exact.cdf(t), abs=1e-14)
    z = t + 1j * np.geomspace(1e-9, 1, 39)
    assert law.stieltjes(z) == pytest.approx(exact.stieltjes(z), rel=1e-9)


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    ("alpha", "beta"), [(0.3, 0.6), (0.2, 0.2), (0.65, 0.3), (0.9, 0.55), (0.7, 0.3), (0.1, 0.9)]
)
def test_sums_and_products(alpha, beta):
    first, second = projection(alpha), projection(beta)
    for p, exact in ((x + y, free_sum(first, second)), (x * y * x, free_product(first, second))):
        law = law_of_polynomial(p, x=first, y=second)
        assert np.ravel(law.support) == pytest.approx(np.ravel(exact.support), abs=1e-12)
        assert [m for _, m in law.atoms] == pytest.approx([m for _, m in exact.atoms], abs=1e-14)
        t = np.concatenate([np.linspace(*band, 17)[1:-1] for band in exact.support])
        assert law.pdf(t) == pytest.approx(exact.pdf(t), rel=1e-9)
        assert law.cdf(t) == pytest.approx(exact.cdf(t), abs=1e-11)
        assert law.ppf(law.cdf(t)) == pytest.approx(t, abs=1e-9)


def test_branches_that_meet_and_turn():
    # The gap between the branches closes inside the interval: no square root is left of it.
    p = x + y - 1.0 + 0.5 * (x * y * x + y * x * y)
    law = law_of_polynomial(p, x=projection(0.5), y=projection(0.5))
    check_distribution(law)
    law = law_of_polynomial(x * y * x * y + y * x * y * x, x=projection(0.4), y=projection(0.5))
    assert (
        fuzz.faults(
            law, x * y * x * y + y * x * y * x, {"x": projection(0.4), "y": projection(0.5)}
        )
        == []
    )
    assert any(isinstance(part, BranchLaw) for part in law.laws)


def test_stated_errors_cover_other_routes():
    rng = np.random.default_rng(2)
    for _ in range(6):
        p, laws = fuzz.draw_case(rng)
        law = law_of_polynomial(p, **{name: laws[name] for name in p.variables})
        if not law.support:
            continue
        low, high = law.support[0][0], law.support[-1][1]
        z = np.linspace(low - 0.1, high + 0.1, 31) + 1e-3j
        near, far = law.solve(z), law.solve(z + 1e-9j)
        slope = np.abs(law._jet(z)[1]) * 2e-9
        assert (np.abs(near.value - far.value) <= near.error + far.error + slope).all()


def test_what_is_a_two_point_law():
    assert is_two_point(EmpiricalLaw([0.0, 1.0, 1.0]))
    assert not is_two_point(Uniform(0, 1))
    with pytest.raises(ValueError, match="two point masses"):
        law_of_two_point_polynomial(x * y + y * x, {"x": SIGN, "y": Uniform(0, 1)})


def test_random_polynomials():
    outcome = fuzz.run(seed=3, count=12)
    assert outcome.count == 12
    assert outcome.refused == []
    assert outcome.wrong == []


@pytest.mark.slow
def test_many_random_polynomials():
    outcome = fuzz.run(seed=4, count=150)
    assert outcome.refused == []
    assert outcome.wrong == []
