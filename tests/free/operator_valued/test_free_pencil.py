"""Pencils in free variables: compiled steps, whole turns, ranks, singular matrices, reductions."""

from types import SimpleNamespace

import numpy as np
import pytest

from rmtland import (
    Discrete,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    affine,
    free_product,
    free_sum,
    free_variables,
    law_of_polynomial,
)
from rmtland.free import PolynomialLaw, Pushforward, kronecker_gaussian
from rmtland.free.operator_valued.free_pencil import FreePencil, law_part
from rmtland.free.operator_valued.gap_masses import GapMasses
from rmtland.free.operator_valued.rank_values import nearest_rank, small_ranks
from rmtland.free.operator_valued.resolvent_support import SupportSearch
from rmtland.free.operator_valued.seen_points import Seen, SeenPoints, within_band, without_turns
from rmtland.free.polynomials.reductions import free_summands, sandwich, square_of
from rmtland.laws import KestenMcKay, pushforward
from rmtland.solution import ConvergenceError

x, y, w = free_variables("x y w")
THREE = Discrete((-1.0, 0.5, 2.0), (0.3, 0.3, 0.4))


@pytest.mark.parametrize(
    ("p", "laws"),
    [
        (x * y + y * x, {"x": Uniform(-1, 2), "y": THREE}),
        (x * y * x + y * x + x * y, {"x": Uniform(-1, 2), "y": MarchenkoPastur(0.5)}),
        (x * y * x * y + y * x * y * x + x**4, {"x": Uniform(-1, 2), "y": THREE}),
        (1j * (x * y - y * x) + x, {"x": Semicircle(), "y": Uniform(-1, 2)}),
    ],
)
def test_compiled_steps_are_the_plain_ones(p, laws):
    equation = law_of_polynomial(p, method="subordination", **laws).equation
    rng = np.random.default_rng(0)
    d = len(equation.arrays.owners)
    u = rng.normal(size=(7, d)) + 1j * rng.normal(size=(7, d))
    z = rng.normal(size=7) + 1j * rng.random(7)
    compiled, plain = equation.system(z, u), equation.reference_system(z, u)
    for name in ("matrices", "defect", "jacobian", "slope", "terms"):
        first, second = getattr(compiled, name), getattr(plain, name)
        assert np.abs(first - second).max() <= 1e-12 * np.abs(second).max()


def test_no_whole_turn_of_the_logarithm_in_a_gap():
    # inertia of the projection's block: .3 negative, .7 positive
    projection = Discrete((0.0, 1.0), (0.3, 0.7))
    law = law_of_polynomial(x * y + y * x, x=projection, y=Uniform(1, 2))
    assert law.atoms == ()
    assert len(law.support) == 2
    assert law.cdf([0.0, 0.5, 1.0, 2.0]) == pytest.approx(0.3, abs=1e-12)
    assert without_turns(np.array([1.3, -0.7, 0.3, 1.0, 0.0])) == pytest.approx(
        [0.3, 0.3, 0.3, 1.0, 0.0]
    )


def test_no_whole_turn_of_the_logarithm_next_to_an_edge():
    # Levels .3 to 1, and 0 to 1: right below the upper end a turn too many is no level 0
    least, most = np.array([0.3, 0.3, 0.3, 0.0, 0.0, 0.0]), np.ones(6)
    share = np.array([1.0, 0.0, 0.5, 1.0, 0.0, 0.5])
    levels = np.array([-1 + 1e-8, 1.3 - 1e-8, -0.4, -1 + 1e-8, 2 + 1e-8, 1.4])
    assert within_band(levels, least, most, share) == pytest.approx(
        [1 + 1e-8, 0.3 - 1e-8, 0.6, 1 + 1e-8, 1e-8, 0.4], abs=1e-14
    )


@pytest.mark.parametrize("place", [1.0, 2.0, 3.5])
def test_half_a_semicircle_and_an_atom(place):
    law = kronecker_gaussian([[[1, 0], [0, 0]]], mean=[[0, 0], [0, place]])
    assert law.atoms == ((place, 0.5),)
    assert law.support[0] == pytest.approx((-2.0, 2.0), abs=1e-12)
    t = np.array([-1.5, 0.3, 0.9])
    assert law.pdf(t) == pytest.approx(Semicircle().pdf(t) / 2, rel=1e-9)


def test_ranks():
    assert nearest_rank(0.2500031, [0.75], tolerance=1e-5) == 0.25
    assert nearest_rank(0.123, [0.75], tolerance=1e-5) == 0.123
    assert nearest_rank(0.30000001, [0.3, 0.3 + 1e-7], tolerance=1e-5) == 0.30000001  # two fit
    assert small_ranks([0.25]) == [0.25, 0.75, 0.5]


def test_edges_where_coordinates_are_zero_by_symmetry():
    law = law_of_polynomial(1j * (x * y - y * x), x=Uniform(-1, 2), y=THREE)
    low, high = law.support[0]
    assert low == pytest.approx(-high, abs=1e-12)


def test_reductions():
    parts = free_summands(x * y + y * x + w**2 + 3.0)
    assert len(parts) == 2
    assert parts[0] + parts[1] == x * y + y * x + w**2 + 3.0
    assert sandwich(x * y * x + y) is None
    assert sandwich(x**2 * (y + w) * x**2) == ("x", 2, y + w)
    assert square_of(x * y * x * y + y * x * y * x) is None
    q, series = square_of(2 * (x * y + y * x) ** 2 - (x * y + y * x) + 5.0)
    assert (q, series) == (x * y + y * x, (5.0, -1.0, 2.0))


def test_reduced_laws_are_those_of_pencils():
    laws = {"x": Uniform(1, 3), "y": KestenMcKay(1.5)}
    law = law_of_polynomial(x * y * y * x, **laws)
    plain = law_of_polynomial(x * y * y * x, **laws, method="subordination")
    t = np.linspace(0.5, 17, 9)
    assert law.support[0][0] == 0.0
    assert law.cdf(t) == pytest.approx(plain.cdf(t), abs=1e-9)
    # the density is unbounded at 0, where the equation has no solution to working precision
    assert plain.support[0][0] == 0.0
    beside = np.array([1e-12, 1e-9, 1e-7, 1e-5, 1e-3])
    assert plain.pdf(beside) == pytest.approx(law.pdf(beside), rel=1e-7)
    assert plain.cdf(beside) == pytest.approx(law.cdf(beside), rel=1e-7)
    assert plain.pdf(0.0) == np.inf
    law = law_of_polynomial(-((x * y - y * x) ** 2), x=Semicircle(), y=THREE)
    assert isinstance(law, Pushforward)
    assert law.support[0][0] == 0.0
    law = law_of_polynomial(x**2 + y, x=THREE, y=Semicircle(1e-3))
    squares = Discrete((0.25, 1.0, 4.0), (0.3, 0.3, 0.4))
    assert law == free_sum(squares, Semicircle(1e-3))
    squared = law_of_polynomial(x * y * x, x=Uniform(1, 2), y=Uniform(0, 1))
    assert squared == free_product(law_of_polynomial(x**2, x=Uniform(1, 2)), Uniform(0, 1))


@pytest.mark.parametrize("route", ["gaussian", "subordination"])
@pytest.mark.parametrize("sign", [1, -1])
def test_hard_edges_away_from_zero(route, sign):
    law = law_of_polynomial(sign * x * x + 3, x=Semicircle(), method=route)
    exact = affine(MarchenkoPastur(1.0), scale=float(sign), shift=3.0)
    assert law.support[0] == pytest.approx(exact.support[0], abs=1e-12)
    distance = np.array([1e-9, 1e-7, 1e-5, 1e-4, 1e-3, 0.1])
    t = 3.0 + sign * distance
    # an error of 1e-12 of the edge moves the density by that over the distance
    assert (np.abs(law.pdf(t) / exact.pdf(t) - 1) <= 1e-9 + 1e-12 / distance).all()
    assert (np.abs(law.cdf(t) - exact.cdf(t)) <= 1e-11 + 1e-12 * exact.pdf(t)).all()


def test_progress_and_time():
    seen = []
    law = law_of_polynomial(
        lambda x, y: x * y + y * x,
        x=Uniform(-1, 2),
        y=Uniform(0, 1),
        progress=lambda stage, share, seconds: seen.append((stage, share, seconds)),
    )
    assert isinstance(law, PolynomialLaw)
    assert [stage for stage, _, _ in seen] == ["range", "grid", "gaps", "edges", "done"]
    assert all(seconds >= 0 for _, _, seconds in seen)
    assert seen[-1][1:] == (1.0, 0.0)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_coefficients_that_are_not_finite(wrong):
    with pytest.raises(ValueError, match="coefficients must be finite"):
        x * y + wrong


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("trial", [1e200, np.inf, np.nan])
def test_trial_points_past_all_numbers_have_no_value(size, trial):
    """G is zero there, and compiled divisions by a complex zero would raise."""
    matrix = np.diag(np.arange(1.0, size + 1))
    image = pushforward(Uniform(-1.0, 2.0), [0.0, 0.0, 1.0])
    pencil = FreePencil(np.zeros((size, size)), [law_part(matrix, image)])
    u = np.full((1, pencil.arrays.owners.size), complex(trial))
    with np.errstate(all="ignore"):
        system = pencil.system(np.array([0.5 + 0.1j]), u)
    assert not np.isfinite(system.jacobian).all() or not np.isfinite(system.defect).all()


@pytest.mark.parametrize(("jump", "atoms"), [(1.5e-7, 0), (0.25, 1), (1.0, 0)])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_levels_right_beside_an_unbounded_density_make_no_atom(jump, atoms, side):
    """There the potential may be off by 1e-7, or a whole turn; an atom is between."""

    class Points:
        radius = 2.0

        def at(self, x):
            edge = 1e-5 if side > 0 else 0.0
            off = side * jump * (side * (x - edge) > -5e-11)
            return Seen(np.zeros(x.shape, dtype=bool), np.zeros(x.shape), 0.5 + off)

    masses = GapMasses(None, Points(), [], [])
    found = []
    masses.put_atoms_in_gaps(((-2.0, 0.0), (1e-5, 2.0)), found)
    assert len(found) == atoms
    for place, mass in found:
        assert place == pytest.approx(1e-5 if side > 0 else 0.0, abs=1e-10)
        assert mass == pytest.approx(jump)


@pytest.mark.parametrize("p", [x * y * w + w * y * x, x * y * w * x + x * w * y * x])
def test_words_of_centred_variables_have_a_start_high_above(p):
    """To second order M vanishes on the ranges of variables that no mean joins to the first row."""
    law = law_of_polynomial(p, x=KestenMcKay(3.0), y=Uniform(-1, 1), w=THREE)
    z = 40j * np.sqrt(law.moment(2))
    series = sum(law.moment(k) / z ** (k + 1) for k in range(5))
    assert law.stieltjes(z) == pytest.approx(series, rel=1e-7)


SMALL = (x * y * x + x + 0.3, 0.3)
AT_ZERO = (x * x * y * x * x + x * y * x, 0.0)


@pytest.mark.parametrize(
    ("polynomial", "place", "mass"),
    [
        (*SMALL, 1e-4),
        (*SMALL, 1e-9),
        pytest.param(*AT_ZERO, 5e-7, marks=pytest.mark.slow),
        pytest.param(*AT_ZERO, 1e-10, marks=pytest.mark.slow),
    ],
)
def test_atoms_of_small_mass_are_seen_where_they_are(polynomial, place, mass):
    """The kernel of x is that of the rest: an atom of 5e-7 at zero was a band up to 3e-6."""
    law = law_of_polynomial(
        polynomial, x=Discrete((0.0, 1.0, 3.0), (mass, 0.5 - mass, 0.5)), y=Uniform(1.0, 2.0)
    )
    assert law._search.masses.expected == [(place, pytest.approx(mass, rel=1e-12))]


@pytest.mark.slow
def test_an_atom_of_small_mass_beside_an_unbounded_density_is_seen():
    """Of masses 0.9 and 0.1 + m a common eigenspace is left of m, next to a hard edge."""
    law = law_of_polynomial(
        x * y * x + x + y,
        x=Discrete((0.0, 1.0, 3.0), (0.9, 0.05, 0.05)),
        y=Discrete((1.0, 2.0, 5.0), (0.1 + 1e-5, 0.4, 0.5 - 1e-5)),
    )
    found = dict(law._search.masses.expected)
    assert found == pytest.approx({1.0: 1e-5, 2.0: 0.3, 5.0: 0.4 - 1e-5}, rel=1e-10)


def test_a_band_of_mass_1e_10_is_seen_or_missed_aloud():
    """Outliers of 1e-10 that a guess of the radius leaves out are asked for by G around it."""
    light = Discrete((0.0, 5.0, 9.0), (1 - 4e-10, 3e-10, 1e-10))
    exact = free_sum(Semicircle(), light)
    parts = [law_part(np.eye(1), law) for law in (Semicircle(), light)]
    points = [SeenPoints(FreePencil(np.zeros((1, 1)), parts, radius=r)) for r in (12.0, 1.0)]
    found = SupportSearch(points[0].equation, [], []).structure
    assert np.ravel(found.bands) == pytest.approx(np.ravel(exact.support), abs=1e-9)
    assert np.diff(found.gap_levels) == pytest.approx([1 - 4e-10, 3e-10, 1e-10], rel=1e-5)
    assert points[1].mass_around(-2.0, 6.0) == pytest.approx(1 - 1e-10, abs=1e-14)
    with pytest.raises(ConvergenceError, match=r"the mass is not 1 but 0\.9999999999;"):
        _ = SupportSearch(points[1].equation, [], []).structure


def test_masses_that_fall_faster_than_any_law_allows_are_no_solutions():
    """Of a mass 0.25 at zero next to nothing: a solution of mass 0 close by is a wrong one."""

    class Equation:
        def solutions(self, z):
            g = np.where(z.imag > 2e-9, 0.25 / z, 0.0)[:, None]
            return SimpleNamespace(coordinates=g, matrices=g, accepted=np.ones(z.shape, dtype=bool))

        def system(self, z, u):
            jacobian = np.ones((z.size, 1, 1), dtype=complex)
            return SimpleNamespace(matrices=u, defect=np.zeros_like(u), jacobian=jacobian)

        def trace(self, m):
            return m[:, 0]

    masses = GapMasses(Equation(), SimpleNamespace(radius=1.0), [0.0], [0.25])
    assert masses.expected == [(0.0, 0.25)]
