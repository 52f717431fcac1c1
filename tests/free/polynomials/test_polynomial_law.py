"""Laws of polynomials, against free sums and products, closed forms, words and random matrices."""

import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from rmtland import (
    Circular,
    Discrete,
    EmpiricalLaw,
    MarchenkoPastur,
    Semicircle,
    Uniform,
    affine,
    free_product,
    free_sum,
    free_variables,
    law_of_polynomial,
)
from rmtland.free import PolynomialLaw
from rmtland.free.operator_valued.gap_masses import Structure
from rmtland.free.polynomials.noncommutative_polynomial import WordMoments
from rmtland.laws import FreePoisson, pushforward
from rmtland.solution import ConvergenceError

x, y, w = free_variables("x y w")
c = free_variables("c", self_adjoint=False)
SQUARE = pushforward(Uniform(1.0, 1.5), [0.0, 0.0, 1.0])
PULLED = Discrete((1.0, 2.0), (0.5, 0.5))


def inside(law, number=15):
    return np.concatenate([np.linspace(*band, number + 2)[1:-1] for band in law.support])


def agree(law, exact, *, rel=1e-9):
    assert np.array(law.support) == pytest.approx(
        np.array(exact.support), abs=1e-10 * max(abs(end) for band in exact.support for end in band)
    )
    t = inside(exact)
    assert law.pdf(t) == pytest.approx(exact.pdf(t), rel=rel, abs=1e-11)
    assert law.cdf(t) == pytest.approx(exact.cdf(t), abs=1e-10)
    assert [p for p, _ in law.atoms] == pytest.approx([p for p, _ in exact.atoms], abs=1e-12)
    assert [m for _, m in law.atoms] == pytest.approx([m for _, m in exact.atoms], abs=1e-8)


# Against free sums and products ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (MarchenkoPastur(0.5), Semicircle(0.6)),
        (Uniform(-1, 2), Semicircle(0.3)),
        (FreePoisson(0.4, -1.3), Uniform(0, 1)),
    ],
)
def test_sum(first, second):
    exact = free_sum(first, affine(second, scale=-2.0, shift=0.5))
    law = law_of_polynomial(x - 2 * y + 0.5, x=first, y=second, method="subordination")
    assert isinstance(law, PolynomialLaw)
    agree(law, exact)


@pytest.mark.parametrize("middle", [Semicircle(), MarchenkoPastur(0.5), Uniform(0.5, 2)])
def test_sandwich_is_the_free_product_with_the_square(middle):
    law = law_of_polynomial(y * x * y, x=middle, y=PULLED)
    agree(law, free_product(middle, Discrete((1.0, 4.0), (0.5, 0.5))))


@pytest.mark.parametrize(
    ("p", "written", "places"),
    [
        (x**3 * y + y * x**3, x * y + y * x, (-1.0, 0.5, 2.0)),
        (x**2 * y * x**4 + x**4 * y * x**2 - y, x * y * x**2 + x**2 * y * x - y, (0.5, 1.0, 1.2)),
    ],
)
def test_powers_of_a_variable_are_a_variable(p, written, places):
    law = law_of_polynomial(p, x=Discrete(places, (0.3, 0.3, 0.4)), y=MarchenkoPastur(0.5))
    assert law.polynomial == written
    direct = law_of_polynomial(
        p, x=Discrete(places, (0.3, 0.3, 0.4)), y=MarchenkoPastur(0.5), method="subordination"
    )
    assert direct.polynomial == p
    z = np.array([0.3 + 0.1j, -1.0 + 0.02j, 4.0 + 1.0j])
    assert law.stieltjes(z) == pytest.approx(direct.stieltjes(z), rel=1e-11)
    assert law._exact_moments(3) == pytest.approx(direct._exact_moments(3), rel=1e-13)


def test_powers_of_a_projection_are_multiples_of_it():
    laws = {"x": Discrete((0.0, 2.0), (0.4, 0.6)), "y": Uniform(-1.0, 2.0)}
    p = (1 + 2j) * x * x * y * x + (1 - 2j) * x * y * x * x + y
    law = law_of_polynomial(p, **laws)
    assert law.polynomial == 4 * x * y * x + y
    direct = law_of_polynomial(p, method="subordination", **laws)
    assert direct.polynomial == p
    words = [float(moment) for moment in direct._exact_moments(3)]
    assert [float(moment) for moment in law._moments_on_circle(3)] == pytest.approx(words, rel=1e-9)


def test_powers_of_a_density_stay_powers():
    law = law_of_polynomial(x**2 * y + y * x**2, x=Uniform(-1, 2), y=MarchenkoPastur(0.5))
    assert law.polynomial == x**2 * y + y * x**2


def test_a_power_of_a_variable_may_be_a_number():
    sign, flat = Discrete((-1.0, 1.0), (0.3, 0.7)), Uniform(0.0, 1.0)
    assert law_of_polynomial(x**2 * y + y * x**2, x=sign, y=flat) == affine(flat, scale=2.0)
    assert law_of_polynomial(x**2 * y + y * x**2 + x**4, x=sign, y=flat) == affine(
        flat, scale=2.0, shift=1.0
    )


@pytest.mark.parametrize("route", ["gaussian", "subordination"])
def test_wishart_around_wigner(route):
    # y x y with x of variance 1 has as many positive as negative values; its square root sandwich
    # with the law of y^2 is the free product.
    law = law_of_polynomial(x * w * x, x=Semicircle(), w=MarchenkoPastur(0.5), method=route)
    exact = free_product(MarchenkoPastur(1.0), MarchenkoPastur(0.5))
    t = inside(exact)
    assert law.pdf(t) == pytest.approx(exact.pdf(t), rel=1e-9)
    assert law.cdf(t) == pytest.approx(exact.cdf(t), abs=1e-10)
    assert law.support[0] == pytest.approx(exact.support[0], abs=1e-10)


# Closed forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["gaussian", "subordination"])
@pytest.mark.parametrize("p", [x * y + y * x, 1j * (x * y - y * x)])
def test_commutator_and_anticommutator_of_semicirculars(p, route):
    law = law_of_polynomial(p, x=Semicircle(), y=Semicircle(), method=route)
    edge = math.sqrt((11 + 5 * math.sqrt(5)) / 2)
    assert law.support[0] == pytest.approx((-edge, edge), rel=1e-13)
    # R(g) = 2 g / (1 - g^2): two free differences of free Poisson laws, as a quartic for G
    t = np.linspace(-edge, edge, 30)[1:-1]
    g = law.stieltjes(t)
    assert 2 * g / (1 - g**2) + 1 / g == pytest.approx(t, abs=1e-11)
    assert [law.moment(k) for k in range(7)] == [1, 0, 2, 0, 10, 0, 66]


@pytest.mark.parametrize("route", ["gaussian", "subordination"])
def test_square_of_a_semicircular(route):
    law = law_of_polynomial(x * x, x=Semicircle(), method=route)
    agree(law, MarchenkoPastur(1.0))


@pytest.mark.parametrize("route", ["gaussian", "subordination"])
def test_circular_variables(route):
    law = law_of_polynomial(c * c.adjoint(), c=Circular(2.0), method=route)
    agree(law, MarchenkoPastur(1.0, 2.0))
    law = law_of_polynomial(c + c.adjoint() + x, c=Circular(2.0), x=Semicircle(0.5), method=route)
    agree(law, Semicircle(4.5))


def pushed(p, law, t):
    """Density of p(X): over the real roots s of p(s) = t, the density of X over |p'(s)|."""
    series = np.polynomial.Polynomial(p)
    total = np.zeros(t.shape)
    for i, value in enumerate(t):
        roots = (series - value).roots()
        real = roots[np.abs(roots.imag) < 1e-9].real
        total[i] = np.sum(law.pdf(real) / np.abs(series.deriv()(real)))
    return total


@pytest.mark.parametrize(
    ("p", "series", "law"),
    [
        (x**3 - x, [0, -1, 0, 1], Semicircle(0.3, center=1.0)),
        (x**4 - 2 * x**2, [0, 0, -2, 0, 1], Semicircle()),
        (x**2 - x, [0, -1, 1], MarchenkoPastur(0.5)),
    ],
)
def test_polynomials_of_one_variable_are_images(p, series, law):
    image = law_of_polynomial(p, x=law)
    low, high = image.support[0][0], image.support[-1][1]
    t = np.linspace(low, high, 12)[1:-1]
    assert image.pdf(t) == pytest.approx(pushed(series, law, t), rel=1e-7)
    nodes = law.ppf((np.arange(20000) + 0.5) / 20000)
    values = np.sort(np.polynomial.Polynomial(series)(nodes))
    assert (low, high) == pytest.approx((values[0], values[-1]), abs=2e-2 * (high - low))
    level = np.searchsorted(values, t) / values.size
    assert image.cdf(t) == pytest.approx(level, abs=2e-4)


def test_lowest_edge_of_an_image_with_unbounded_density():
    law = law_of_polynomial(x**4 - 2 * x**2, x=Semicircle())
    assert law.support[0] == pytest.approx((-1.0, 8.0), abs=1e-9)


def test_several_bands():
    # x^2 + small noise, x on three points: three semicircle-like bands
    places = Discrete((0.0, 1.0, 2.0), (0.2, 0.3, 0.5))
    law = law_of_polynomial(x**2 + y, x=places, y=Semicircle(1e-3))
    exact = free_sum(Discrete((0.0, 1.0, 4.0), (0.2, 0.3, 0.5)), Semicircle(1e-3))
    assert len(law.support) == 3
    agree(law, exact)
    law = law_of_polynomial(
        w + 0.1 * (x * y + y * x),
        w=Discrete((0.0, 3.0), (0.25, 0.75)),
        x=Semicircle(),
        y=Semicircle(),
    )
    assert len(law.support) == 2
    assert law.cdf(1.5) == pytest.approx(0.25, abs=1e-12)


# Against moments and random matrices -------------------------------------------------------------


@pytest.mark.parametrize(
    "p", [x * y * w * x + x * w * y * x + y, x * w + w * x + 0.8j * (x * y * w - w * y * x)]
)
def test_moments_of_the_equation_are_those_of_words(p):
    laws = {"x": Semicircle(0.6, center=0.2), "y": MarchenkoPastur(0.4)}
    law = law_of_polynomial(p, **laws, w=EmpiricalLaw([-1.0, 0.3, 0.7, 1.5]))
    exact = [law.moment(k) for k in range(5)]
    found = [float(value) for value in law._moments_on_circle(4)]
    assert found == pytest.approx(exact, rel=1e-9)


def drawn(seed):
    """A self-adjoint polynomial of degree 2 to 4 in two variables, with laws."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(-1, 1) * x
    for _ in range(1 + seed % 2):
        term = complex(rng.uniform(0.3, 1), 0.5 * (seed % 3 == 0))
        for _ in range(2 + seed % 3):
            term = term * (x, y)[rng.integers(2)]
        p = p + term + term.adjoint()
    laws = [Semicircle(0.6, center=0.2), MarchenkoPastur(0.4), Discrete((-1.0, 0.5), (0.4, 0.6))]
    first, second = rng.permutation(3)[:2]
    chosen = {"x": laws[first], "y": laws[second]}
    return p, {name: chosen[name] for name in p.variables}


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("seed", range(8))
def test_moments_of_random_polynomials(seed):
    p, laws = drawn(seed)
    assert p.is_self_adjoint
    law = law_of_polynomial(p, **laws)
    radius = 1.5 * sum(
        abs(value) * math.prod(max(abs(laws[letter.name].ppf([0.0, 1.0]))) for letter in word)
        for word, value in p.coefficients.items()
    )
    z = radius * np.exp(1j * np.pi * (np.arange(128) + 0.5) / 128)
    g = law.stieltjes(z)
    words = WordMoments(lambda name, order: laws[name]._exact_cumulants(order))
    power = 1 + 0 * x
    for k in range(5):
        exact = sum(v * float(words.moment(w)) for w, v in power.coefficients.items())
        assert abs(exact.imag) <= 1e-13 * radius**k
        assert np.mean(z ** (k + 1) * g).real == pytest.approx(exact.real, abs=1e-12 * radius**k)
        assert law.moment(k) == pytest.approx(exact.real, abs=1e-12 * radius**k)
        power = power * p


def test_two_discrete_laws():
    # Free projections of trace 1/2 are a direct integral of lines in the plane at an angle t, with
    # cos^2 t of the arcsine law on [0, 1]; the eigenvalues are cos^2 t +- cos t.
    half = Discrete((0.0, 1.0), (0.5, 0.5))
    law = law_of_polynomial(x * y + y * x, x=half, y=half)
    share = np.sin(np.pi * (np.arange(4000) + 0.5) / 8000) ** 2  # c^2 of two free projections
    c = np.sqrt(share)
    values = np.sort(np.concatenate([share + c, share - c]))
    t = np.array([-0.24, -0.1, 0.05, 0.3, 1.0, 1.9])
    assert law.cdf(t) == pytest.approx(np.searchsorted(values, t) / values.size, abs=1e-3)
    assert (law.ppf(0.0), law.ppf(1.0)) == pytest.approx((-0.25, 2.0), abs=1e-9)


def rotated(law, n, rng):
    q, r = np.linalg.qr(rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n)))
    q = q * (np.diagonal(r) / np.abs(np.diagonal(r)))
    return (q * law.ppf((np.arange(n) + 0.5) / n)) @ q.conj().T


@pytest.mark.parametrize("p", [x * y + y * x + w, x * w * x - y])
def test_large_random_matrices(p):
    laws = {"x": Semicircle(), "y": Uniform(-1, 2), "w": MarchenkoPastur(0.5)}
    law = law_of_polynomial(p, **laws)
    rng = np.random.default_rng(7)
    n = 300
    values = np.sort(np.linalg.eigvalsh(p(**{k: rotated(v, n, rng) for k, v in laws.items()})))
    levels = law.cdf(values)
    # Unitarily invariant spectra are rigid: fluctuations of the counting function are O(log n / n).
    assert np.abs(levels - (np.arange(n) + 0.5) / n).max() < 0.012


# Accuracy, atoms, arguments ----------------------------------------------------------------------


def test_routes_agree_and_errors_are_not_understated():
    p = x * y + y * x + x**2
    laws = {"x": Semicircle(0.7, center=0.3), "y": MarchenkoPastur(1.5)}
    first = law_of_polynomial(p, **laws)
    second = law_of_polynomial(p, **laws, method="subordination")
    assert first.support[0] == pytest.approx(second.support[0], abs=1e-10)
    z = np.concatenate([np.linspace(-4, 12, 60), 1.0 + np.array([1e-3j, 1j, 30j])])
    one, two = first.solve(z), second.solve(z)
    assert one.converged
    assert two.converged
    assert (np.abs(one.value - two.value) <= one.error + two.error).all()
    assert np.median(two.error) < 1e-9


@pytest.mark.parametrize(
    ("p", "exact", "most"),
    [
        (x + y, free_sum(Uniform(1.0, 1.5), Uniform(1.0, 2.0)), 1e-11),
        (x**2 + y, free_sum(SQUARE, Uniform(1.0, 2.0)), 1e-10),
        (x * y * x, None, 1e-10),
        (x * y + y * x, None, 1e-8),
    ],
    ids=["x+y", "xx+y", "xyx", "xy+yx"],
)
def test_the_error_of_a_pencil_is_covered_and_of_use(p, exact, most):
    """It was 4e-6 for xy + yx: norms of matrices of very different eigenvalues were multiplied."""
    law = law_of_polynomial(p, x=Uniform(1.0, 1.5), y=Uniform(1.0, 2.0), method="subordination")
    if exact is None and p == x * y * x:
        exact = free_product(SQUARE, Uniform(1.0, 2.0))
    z = np.concatenate([np.linspace(2.6, 4.2, 9), [3.0 + 1e-6j, 3.0 + 0.1j, 2j, 9.0]])
    found = law.equation.solutions(z.astype(complex))
    u, accepted = found.coordinates[found.accepted], z[found.accepted].astype(complex)
    error = law.equation.error_of_value(accepted, u)
    assert accepted.size > 6
    assert error.max() < most
    value = law.equation.trace(found.matrices)[found.accepted]
    if exact is not None:
        assert (np.abs(value - exact.stieltjes(accepted)) <= error + 1e-15).all()
    # What the coordinates are moved by on purpose is seen by the bound.
    moved = u * (1 + 1e-9)
    off = law.equation.trace(law.equation.system(accepted, moved).matrices) - value
    assert (np.abs(off) <= law.equation.error_of_value(accepted, moved) + 1e-13).all()


def test_atoms_of_a_product_with_a_projection():
    projection = Discrete((0.0, 1.0), (0.4, 0.6))
    law = law_of_polynomial(y * x * y, x=Uniform(1, 2), y=projection)
    exact = free_product(Uniform(1, 2), projection)
    agree(law, exact, rel=1e-8)


@pytest.mark.parametrize(("share", "half"), [(0.01, 0.2), (0.02, 0.35)])
def test_a_zero_of_g_next_to_a_band_is_no_edge(share, half):
    """Between the last point of a gap that is looked at and the band, G is zero there."""
    laws = {"x": Discrete((-1.0, 1.0), (share, 1 - share)), "y": Uniform(-half, half)}
    law = law_of_polynomial(x + y, method="subordination", **laws)
    exact = free_sum(*laws.values())
    assert np.ravel(law.support) == pytest.approx(np.ravel(exact.support), abs=1e-12)
    assert law.cdf(0.0) == pytest.approx(share, abs=1e-12)


def test_what_needs_no_equation():
    assert law_of_polynomial(3 * x - 1, x=Semicircle()) == Semicircle(9.0, center=-1.0)
    assert law_of_polynomial(lambda x: x - x + 2, x=Semicircle()) == Discrete((2.0,), (1.0,))
    assert law_of_polynomial(x**2 - 1, x=Discrete((-1.0, 1.0), (0.5, 0.5))) == Discrete(
        (0.0,), (1.0,)
    )
    assert law_of_polynomial(x * y * x, x=Discrete((2.0,), (1.0,)), y=Semicircle()) == Semicircle(
        16.0
    )
    assert law_of_polynomial(lambda a, b: a + b, a=Semicircle(), b=Semicircle()) == Semicircle(2.0)


def test_functions_of_symbols_and_polynomials_are_the_same():
    law = law_of_polynomial(lambda x, c: c * x * c.adjoint(), x=Semicircle(), c=Circular())
    assert law == law_of_polynomial(c * x * c.adjoint(), x=Semicircle(), c=Circular())
    assert pickle.loads(pickle.dumps(law)) == law
    assert hash(law) == hash(pickle.loads(pickle.dumps(law)))


@pytest.mark.parametrize(
    ("p", "arguments", "error", "message"),
    [
        (x * y, {"x": Semicircle(), "y": Semicircle()}, ValueError, "lacks its adjoint"),
        (x * y + y * x, {"x": Semicircle()}, ValueError, "no law given for y"),
        (x, {"x": Semicircle(), "y": Semicircle()}, ValueError, "does not occur"),
        (x, {"x": 3.0}, TypeError, "must be a Law"),
        (x**2, {"x": Circular()}, ValueError, "self-adjoint=False|self_adjoint=False"),
        (c * c.adjoint(), {"c": Semicircle()}, ValueError, "self_adjoint=False"),
        (x**2, {"x": Uniform(0, 1), "method": "gaussian"}, ValueError, "rational R-transforms"),
        (x**2, {"x": Uniform(0, 1), "method": "fast"}, ValueError, "method"),
        ("x", {"x": Semicircle()}, TypeError, "Polynomial or a function"),
        (lambda x: "x", {"x": Semicircle()}, TypeError, "return a Polynomial"),
        (lambda x: x, {"y": Semicircle()}, ValueError, "the function takes"),
    ],
)
def test_arguments_are_checked(p, arguments, error, message):
    with pytest.raises(error, match=message):
        law_of_polynomial(p, **arguments)


def test_circular_variance():
    with pytest.raises(ValueError, match="positive"):
        Circular(0.0)


def test_distribution_beside_a_point_where_the_power_of_the_density_changes():
    # -2/3 down to 1e-7 of the radius, -1/2 closer to zero
    law = law_of_polynomial(x * x * y * x + x * y * x * x, x=Semicircle(), y=Semicircle(0.3, -1.0))
    d = 10.0 ** -np.arange(1, 14)
    assert np.abs(law.cdf(d) + law.mass_below(-d) - 1).max() < 1e-13
    density = law.pdf(d)
    powers = np.diff(np.log(density)) / np.diff(np.log(d))
    assert abs(powers[2] + 2 / 3) < 5e-3
    assert abs(powers[-1] + 1 / 2) < 1e-3
    # The mass next to zero is twice x times the density there.
    assert np.abs((law.cdf(d[-2:]) - 0.5) / (2 * d * density)[-2:] - 1).max() < 1e-3
    assert law.atoms == ()


@pytest.mark.slow
def test_commutator_and_its_square_with_a_critical_atom():
    # Half of y is one atom: i(xy - yx) is a matrix of square blocks, unbounded like |t|^(-1/3) at 0
    laws = {"x": Semicircle(), "y": Discrete((0.0, 1.0, 3.0), (0.25, 0.5, 0.25))}
    commutator = law_of_polynomial(1j * (x * y - y * x), **laws)
    t = np.array([1e-9, 1e-6, 1e-3, 0.5, 1.0, 3.0])
    assert commutator.cdf(t) == pytest.approx(1 - commutator.cdf(-t), abs=1e-9)
    assert commutator.pdf(1e-9) == pytest.approx(10 * commutator.pdf(1e-6), rel=1e-4)
    square = law_of_polynomial(-((x * y - y * x) ** 2), **laws)
    root = np.sqrt(t)
    assert square.cdf(t) == pytest.approx(commutator.cdf(root) - commutator.cdf(-root), abs=1e-9)
    n, rng = 400, np.random.default_rng(0)
    a = rng.standard_normal((n, n))
    b = np.repeat([0.0, 1.0, 3.0], [n // 4, n // 2, n // 4])
    values = np.linalg.eigvalsh(1j * (a + a.T) / math.sqrt(2 * n) * (b - b[:, None]))
    counted = (np.arange(n) + 0.5) / n
    clear = np.abs(np.abs(values) - 0.91) > 0.1  # a gap
    assert np.abs(commutator.cdf(values) - counted)[clear].max() < 0.01


def test_a_small_atom_that_is_not_seen_is_refused():
    """Of masses 0.9 and 0.1 + 1e-8 a common eigenspace of 1e-8 is left, next to a hard edge."""
    law = law_of_polynomial(
        x * y * x + x + y,
        x=Discrete((0.0, 1.0, 3.0), (0.9, 0.05, 0.05)),
        y=Discrete((1.0, 2.0, 5.0), (0.1 + 1e-8, 0.4, 0.5 - 1e-8)),
    )
    heavy = ((2.0, 0.3), (5.0, 0.4 - 1e-8))
    seen = Structure(((1.0, 60.0),), ((1.0, 1e-8), *heavy), np.zeros(0))
    seen.require_atoms(law._certain_atoms(), 60.0, "the law")
    unseen = Structure(((1.0, 60.0),), heavy, np.zeros(0))
    law.__dict__["_search"] = SimpleNamespace(points=SimpleNamespace(radius=60.0), structure=unseen)
    with pytest.raises(ConvergenceError, match="an atom of mass 1e-08 at 1, of which 0 was seen"):
        _ = law.atoms
