"""Gaps as curves: inversion along them, infinity, and the choice among very many components."""

import copy
import pickle

import numpy as np
import pytest
from law_table import exact_stieltjes, expectation

from rmtland import free_compression, free_product, free_sum
from rmtland.free.subordination import gap_search
from rmtland.free.subordination.equation import SubordinationEquation
from rmtland.free.subordination.gap_search import GapSearch
from rmtland.free.subordination.solver import SubordinationSolver
from rmtland.free.subordination.state import Step, SubordinationState
from rmtland.laws import (
    Arcsine,
    Discrete,
    EmpiricalLaw,
    FussCatalan,
    KestenMcKay,
    MarchenkoPastur,
    Mixture,
    Semicircle,
    Uniform,
    Wachter,
    affine,
    gaps as gap_curves,
)
from rmtland.laws.gaps import bracketed_roots, invert, plain_gap
from rmtland.laws.transform_values import gap_place

NESTED = free_sum(
    free_product(Uniform(1.0, 2.0), MarchenkoPastur(0.3)), Discrete((-2, 3), (0.5, 0.5))
)


@pytest.mark.parametrize("law", [Semicircle(0.7, center=2.0), MarchenkoPastur(2.5), NESTED])
def test_along_every_gap_g_falls_and_is_inverted(law):
    for gap in law.complement():
        samples, curve = gap.table
        assert (np.diff(samples) > 0).all()
        clear = curve.clear > 1e-3
        assert (np.diff(curve.g[clear]) < 0).all()
        place = samples[clear][5:-5:7]
        wanted = gap.along(place).g
        found = gap.along(invert(gap, lambda curve: curve.g, wanted)).g
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("law", [Uniform(1.0, 2.0), NESTED])
def test_curves_are_the_transform(law):
    for gap in law.complement():
        curve = gap.along(gap.table[0][3:-3:11])
        near = (np.abs(curve.point) < 1e3) & (curve.clear > 1e-3)
        g = law.stieltjes(curve.point[near])
        rounding = 1e-12 + 2e-14 * np.abs(curve.dg[near])  # of the point
        assert (np.abs(curve.g[near] - g.real) <= rounding).all()


def test_the_point_of_a_gap_that_is_checked_is_a_sample_that_is_not_sought(monkeypatch):
    law = free_sum(Discrete((0.0, 3.0), (0.7, 0.3)), Uniform(0.0, 1.0))
    place, (low, high) = gap_place(law), law.gaps[0]
    assert 0.3 * (high - low) < place - low < 0.45 * (high - low)
    gap = next(gap for gap in law.complement() if gap.low == low)
    other = place + 0.01 * (high - place)
    sought = gap.coordinates_of(np.array([other, place]))
    np.testing.assert_allclose(gap.along(sought).point, [other, place], rtol=1e-14)
    monkeypatch.setattr(gap_curves, "invert", lambda *args, **options: pytest.fail("sought"))
    assert gap.coordinates_of(np.array([place])) == sought[1]


def test_values_outside_the_range_of_a_gap_are_not_inverted():
    gap = next(gap for gap in Uniform(-1.0, 1.0).complement() if gap.through_infinity)
    assert np.isfinite(invert(gap, lambda curve: curve.g, np.array([0.3])))
    arcsine = next(gap for gap in Semicircle().complement() if gap.through_infinity)
    found = invert(arcsine, lambda curve: curve.g, np.array([1.5, -1.5, np.nan]))
    assert np.isnan(found).all()  # |G| is at most 1 there


def spread(rng, size, *, clusters):
    """Point masses in clusters, with single ones far off."""
    return EmpiricalLaw(np.concatenate([c + 0.2 * rng.standard_normal(size) for c in clusters]))


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("kind", ["sum", "product", "noise", "wishart"])
@pytest.mark.parametrize("seed", [1, *(pytest.param(k, marks=pytest.mark.slow) for k in (0, 2))])
def test_promising_components_leave_the_gaps_of_all_components(kind, seed, monkeypatch):
    rng = np.random.default_rng(seed)
    first = spread(rng, 4, clusters=[2.0, 5.0, 9.5])
    second = spread(rng, 3, clusters=[1.5, 4.5]) if seed % 2 else affine(first, scale=0.4)
    make = {
        "sum": lambda: free_sum(first, second),
        "product": lambda: free_product(first, affine(second, scale=0.05, shift=1.0)),
        "noise": lambda: free_sum(first, Uniform(-0.3, 0.3)),
        "wishart": lambda: free_product(first, MarchenkoPastur(0.01)),
    }[kind]
    monkeypatch.setattr(gap_search, "FEW_COMPONENTS", 0)
    law = make()
    choices = [law.equation.components(operand) for operand in law.operands]
    search = GapSearch(law, law.solver, law.hull_bound)
    assert len(search._promising(choices)) < np.prod([len(a.complement()) for a in law.operands])
    found = law.complement()
    monkeypatch.setattr(gap_search, "FEW_COMPONENTS", 10**6)
    assert found == make().complement()
    assert len(law.support) > 1


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("law", [KestenMcKay(2.0), Uniform(-1.0, 1.0), FussCatalan(2.0)])
@pytest.mark.parametrize(("ratio", "variance"), [(60.0, 1.0), (145.0, 1.0), (1e3, 0.3)])
def test_narrow_bands_of_rare_jumps_are_seen(law, ratio, variance):
    # a Marchenko-Pastur law with far fewer samples than dimensions: a small band far away
    rare = MarchenkoPastur(ratio, variance)
    merged, apart = free_sum(law, rare), free_sum(law, rare, method="subordination")
    assert len(merged.support) == 2
    np.testing.assert_allclose(merged.support, apart.support, rtol=1e-12, atol=1e-12)
    # the small band holds the mass of the rare part, since the other band is far below it
    mass = 1 - merged.cdf(np.mean([merged.support[0][1], merged.support[1][0]]))
    assert mass == pytest.approx(1 / ratio, rel=1e-9)
    assert expectation(merged, np.ones_like)[0] == pytest.approx(1.0)
    assert expectation(merged, lambda x: x)[0] == pytest.approx(law.mean() + variance)


def test_measured_spectra_are_added_in_seconds():
    rng = np.random.default_rng(3)
    n = 600
    x, g = rng.standard_normal((n, 2 * n)), rng.standard_normal((n, n))
    a = np.linalg.eigvalsh(x @ x.T / (2 * n))
    b = np.linalg.eigvalsh((g + g.T) / np.sqrt(8 * n))
    law = free_sum(EmpiricalLaw(a), EmpiricalLaw(b))
    exact = free_sum(MarchenkoPastur(0.5), Semicircle(0.25))
    assert len(law.support) == 1
    np.testing.assert_allclose(law.support, exact.support, atol=0.05)
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    measured = np.linalg.eigvalsh(np.diag(a) + q @ np.diag(b) @ q.T)
    levels = (np.arange(n) + 0.5) / n
    assert np.abs(law.cdf(measured) - levels).max() < 4 / n  # eigenvalues are rigid


# What the solver says of itself ------------------------------------------------------------------


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("phi", [0.02, 0.5, 1.0, 1.7, 40.0])
@pytest.mark.parametrize("variance", [1e-3, 0.4, 9.0])
def test_reported_errors_of_sums_cover_the_true_ones(phi, variance):
    rng = np.random.default_rng(5)
    law = free_sum(MarchenkoPastur(phi), Semicircle(variance), method="subordination")
    exact_law = free_sum(MarchenkoPastur(phi), Semicircle(variance))
    z = []
    for low, high in law.support:
        width = high - low
        t = rng.uniform(0, 1, 6) ** 4
        z += [low + width * t, high - width * t, low - width * t, high + width * t]
        z.append(rng.uniform(low, high, 6) + 1j * 10.0 ** rng.uniform(-12, 2, 6))
    z = np.concatenate(z).astype(complex)
    solution = law.solve(z)
    exact = np.array([complex(exact_stieltjes(exact_law, point)) for point in z])
    assert solution.converged
    assert (np.abs(solution.value - exact) <= solution.error).all()
    inside = np.isfinite(solution.error)
    assert inside.mean() > 0.9
    away = [np.min(np.abs(x - np.ravel(law.support))) > 0.05 for x in z]
    assert (solution.error[inside & away] < 1e-11 * np.abs(solution.value[inside & away])).all()


def test_reported_errors_of_products_cover_the_true_ones():
    # MP(1) x MP(1) x MP(1) is a Fuss-Catalan law
    law = free_product(MarchenkoPastur(1.0), MarchenkoPastur(1.0), MarchenkoPastur(1.0))
    exact = FussCatalan(3)
    top = exact.support[0][1]
    x = top * np.array([1e-9, 1e-5, 1e-2, 0.3, 0.9, 1 - 1e-6, 1 + 1e-6, 2.0, 50.0, -1e-8, -3.0])
    z = np.concatenate([x, x + 1e-3j, x + 2j])
    solution, known = law.solve(z), exact.solve(z)
    assert (np.abs(solution.value - known.value) <= solution.error + known.error).all()
    assert np.median(solution.error / np.abs(solution.value)) < 1e-12


def test_far_away_the_moments_say_everything():
    for law in (NESTED, free_sum(Uniform(-1, 2), Arcsine(0, 1))):
        z = law.mean() + law._scale * np.array([1e3, -1e3, 1e3j]) * np.array([[0.999], [1.001]])
        (g, dg), potential = law._jet(z.ravel()), law._log_potential(z.ravel())
        w = z.ravel() - law.mean()
        with_moments = 1 / w + law.var() / w**3
        np.testing.assert_allclose(g, with_moments, rtol=1e-8)
        np.testing.assert_allclose(dg[:3] / dg[3:], (w[3:] / w[:3]) ** 2, rtol=1e-5)
        near, beyond = law._far.at(z.ravel()[:3]), g[:3]
        np.testing.assert_allclose(near[0], beyond, rtol=1e-14)
        np.testing.assert_allclose(near[2], potential[:3], rtol=1e-13)


def test_a_rounding_away_from_an_atom_g_is_its_pole():
    law = free_sum(Discrete((0.0, 3.0), (0.8, 0.2)), Discrete((0.0, 1.0), (0.7, 0.3)))
    place, mass = law.atoms[0]
    assert (place, mass) == (0.0, pytest.approx(0.5))
    for distance in (1e-300, 1e-20, 1e-13, 1e-9):
        for x in (place + distance, place - distance):
            assert law.stieltjes(x).real * x == pytest.approx(mass, rel=1e-7)
    assert law.stieltjes(0.0) == complex(np.inf, 0)
    assert law.log_potential(0.0).imag == pytest.approx(np.pi * (1 - law.cdf(0.0)))


@pytest.mark.parametrize("height", [1e-300, 1e-20, 1e-14, 1e-10, 1e-5])
def test_just_above_the_negative_axis(height):
    law = free_product(Arcsine(0.5, 2.0), MarchenkoPastur(0.4, 0.9))
    x = np.array([-3.3, -0.2, -1e-3])
    g, dg = (part.real for part in law._jet(x.astype(complex)))
    above = law.stieltjes(x + 1j * height)
    np.testing.assert_allclose(above.real, g, rtol=1e-8)
    np.testing.assert_allclose(above.imag, height * dg, rtol=1e-2)


def test_thin_densities_are_zero_to_rounding_not_errors():
    # near its lower edge the density vanishes like the power 3.563
    from rmtland.laws import JacobiWeight

    law = free_product(
        JacobiWeight(0.0, 3.563, 2.554, 2.876), JacobiWeight(0.0, 3.563, 2.554, 12.554)
    )
    low, high = law.support[0]
    x = low + (high - low) * np.geomspace(1e-12, 1e-3, 60)
    density = law.pdf(x)
    assert (density >= 0).all()
    assert density[0] < 1e-12
    assert law.cdf(x[-1]) < 1e-8


@pytest.mark.parametrize(
    "law",
    [
        free_sum(Semicircle(1.4e-4, 1.37), MarchenkoPastur(2.0, 6.2), method="subordination"),
        free_sum(Uniform(1.52, 1.78), MarchenkoPastur(117.0, 1.7), method="subordination"),
        free_sum(FussCatalan(2.0), Uniform(0.519, 0.533)),
    ],
)
def test_a_rounding_error_inside_an_edge_the_density_is_a_square_root(law):
    for low, high in law.support:
        width = high - low
        for end, inward in ((low, width), (high, -width)):
            unit = law.pdf(end + 1e-8 * inward)
            x = end + inward * np.geomspace(1e-16, 1e-10, 25)
            distance = np.abs(x - end)
            rounding = 2e-13 * law._scale  # of the edge
            root = unit * np.sqrt(distance / (1e-8 * width))
            leeway = 1e-5 * root + unit * np.sqrt(rounding / (1e-8 * width))
            assert (np.abs(law.pdf(x) - root) <= leeway).all()
            np.testing.assert_allclose(law.cdf(x), law.cdf(end), rtol=0, atol=1e-10)


def test_laws_with_all_that_they_remember_are_copied_and_pickled():
    law = free_sum(Wachter(0.4, 0.7), Uniform(-0.5, 2.0))
    density = law.pdf(0.5)
    for other in (pickle.loads(pickle.dumps(law)), copy.deepcopy(law)):
        assert other == law
        assert other.pdf(0.5) == density


def test_what_is_nested_is_taken_apart():
    inner = free_sum(Uniform(0, 1), Semicircle(0.3))
    outer = free_sum(affine(inner, scale=-2.0, shift=1.0), Arcsine(-1, 1), Semicircle(0.1))
    assert outer.operands == (Uniform(-2.0, 0.0), Arcsine(-1, 1))
    assert outer.levy.variance == pytest.approx(1.3)
    assert outer.levy.drift == 1.0
    product = free_product(
        affine(free_product(Uniform(1, 2), Arcsine(1, 2)), scale=3.0), Uniform(0, 1)
    )
    assert len(product.factors) == 3
    assert product.mean() == pytest.approx(3 * 1.5 * 1.5 * 0.5)
    mixed = free_sum(Mixture((inner, Uniform(0, 1)), (0.5, 0.5)), Semicircle(0.2))
    assert mixed.var() == pytest.approx(Mixture((inner, Uniform(0, 1)), (0.5, 0.5)).var() + 0.2)


SIMPLE_SIGNED = [(-3.0, 3.0), (-1.0, 2.0), (-1.0, 0.5, 2.0)]
SIMPLE_POSITIVE = [(0.0, 1.0, 2.0), (1.0, 3.0), (0.5, 1.0, 4.0)]


ALL_PAIRS = [
    pytest.param(signed, positive, marks=[pytest.mark.slow] if i != k else [])
    for i, signed in enumerate(SIMPLE_SIGNED)
    for k, positive in enumerate(SIMPLE_POSITIVE)
]


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(("signed", "positive"), ALL_PAIRS, ids=str)
def test_ends_of_products_of_atoms_are_where_the_density_ends(signed, positive):
    # Above the axis the equation is solved without knowing of any band.
    weights = {2: [(0.25, 0.75), (0.6, 0.4)], 3: [(0.25, 0.5, 0.25), (0.1, 0.2, 0.7)]}
    for p, q in zip(weights[len(signed)], weights[len(positive)], strict=True):
        law = free_product(Discrete(signed, p), Discrete(positive, q))
        size = law.hull[1] - law.hull[0]
        ends = np.array([end for band in law.support for end in band])
        places = [place for place, _ in law.atoms]
        x = (ends[:, None] + size * np.array([-1e-3, -2e-5, 2e-5, 1e-3])).ravel()
        apart = [np.abs(x - place) > 1e-3 * size for place in [*places, 0.0]]
        x = x[np.logical_and.reduce(apart)]
        # An atom at distance d has the density mass * height / (pi d^2) there.
        above = -law.stieltjes(x + 1e-12j * size).imag / np.pi
        assert law.pdf(x) * size == pytest.approx(above * size, rel=1e-5, abs=1e-5)


@pytest.mark.slow
def test_a_gap_that_begins_at_a_rounding_of_zero():
    # 31 of 58 values are negative. A compression takes the share 1 - t of the eigenvalues out, and
    # in a gap whole parts: here those below it, whose edge it moves from 0 to -4.9e-32
    t = 0.9999999999395167
    values = np.random.default_rng(694).normal(size=58)
    product = free_product(EmpiricalLaw(values), FussCatalan(2.0))
    law = free_compression(product, t)
    assert product.support[0][1] == 0.0 > law.support[0][1] > -1e-31
    assert product.cdf(5.02e-13) == pytest.approx(31 / 58, abs=1e-15)
    assert law.cdf(5.02e-13) == pytest.approx((31 / 58 - (1 - t)) / t, abs=1e-14)
    assert 31 / 58 - law.cdf(5.02e-13) > 2e-11


@pytest.mark.parametrize("step", [1e-6, 1e-9])
@pytest.mark.parametrize("root", [0.3, 0.7123456789])
def test_between_two_steps_of_rounding_no_root_is_sought(step, root):
    """A product is known to 1e-6 of the distance to its hard edge: 36 points were computed."""

    def found(**options):
        seen = []

        def stairs(x, row):
            seen.append(x[0])
            return np.floor((x**3 - root**3) / step) * step + 0.4 * step

        ends = np.array([0.0]), np.array([1.0])
        values = (stairs(end, None) for end in ends)
        at = bracketed_roots(stairs, *ends, *values, **options)
        return at, abs(stairs(at, None)), len(seen)

    (at, value, count), (exact, least, whole) = found(stepwise=True), found()
    assert value == least == 0.4 * step
    assert abs(at - exact) <= step / root**2
    assert count < 0.5 * whole


def test_steps_on_the_axis_are_taken_once():
    """Next to a hard edge rounding keeps them from ending; they began anew from the same start."""

    class Rounded:
        steps = 0
        flattened, on_axis = SubordinationEquation.flattened, SubordinationEquation.on_axis

        def newton_step(self, z, state):
            self.steps += 1
            return Step(state.mapped(lambda row: -row), np.ones(z.shape), np.zeros(z.shape))

    equation, z = Rounded(), np.array([0.5 + 0j])
    start = SubordinationState(z + 1, (z,), (None,))
    _, steps = SubordinationSolver(equation, 1.0)._newton_on_axis(z, start)
    assert steps == [-40]
    assert equation.steps == 40


def test_a_false_gap_is_left_out_and_a_narrow_one_is_kept():
    """What is swept next to a singularity may be rounding: there is a density in a false gap."""
    law = free_sum(Uniform(0.0, 1.0), Uniform(0.0, 2.0))
    search = GapSearch(law, law.solver, law.hull_bound)
    low, high = search.gaps()
    false = plain_gap(law, 0.7, 0.7 + 1e-9)
    across = plain_gap(law, 0.8, 1.9)
    beyond = plain_gap(law, 1.7, 2.2)
    assert search.ordered([low, false, across, beyond, high], ()) == search.ordered([low, high], ())

    narrow = free_sum(Discrete((-1.0, 1.0), (0.5, 0.5)), Semicircle(1 - 1e-4))
    (_, left), (right, _) = narrow.support
    assert 0 < right - left < 1e-6
    assert narrow.cdf(0.0) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.slow
def test_a_false_gap_between_61_eigenvalues():
    """Fuzz 20126: next to a pole of the compression a gap of width 1e-8 is swept."""
    points = Discrete(
        (1.5840850602047671, 2.2833989098105287, 3.855200057530096), (0.25, 0.5, 0.25)
    )
    measured = EmpiricalLaw(np.random.default_rng(879).normal(size=53) ** 2)
    corner = free_compression(
        Uniform(-0.4533571801009182, 0.37954217573866256), 0.10645000904823645
    )
    law = free_product(corner, free_product(points, measured))
    assert len(law.support) == 1
    x = -0.1301995818
    assert law.pdf(x) == pytest.approx(-law.stieltjes(x + 1e-9j).imag / np.pi, rel=1e-6)
