"""Every law of the table x the methods that follow from density, distribution and transforms."""

import dataclasses
import math

import numpy as np
import pytest
from law_table import LAWS, blur, exact_cdf, expectation, interior, kinds, width
from scipy import special, stats

from rmtland import LinearHessian, WishartPlusReluBlock, WishartPlusWigner
from rmtland.free import FreeLevy, free_compression, free_power
from rmtland.laws import (
    Arcsine,
    Discrete,
    FussCatalan,
    JacobiWeight,
    KestenMcKay,
    MarchenkoPastur,
    Mixture,
    Normal,
    Semicircle,
    Uniform,
    Wachter,
    affine,
    expectations,
    pushforward,
    truncated,
)
from rmtland.laws.quadrature import density_panels
from rmtland.solution import ConvergenceError

every_law = pytest.mark.parametrize("law", [pytest.param(c.law, id=c.name) for c in LAWS])
every_kind = pytest.mark.parametrize("law", [pytest.param(c.law, id=c.name) for c in kinds()])


@every_law
def test_hull_and_gaps_tile_the_line(law):
    low, high = law.hull
    assert low == law.ppf(0)
    assert high == law.ppf(1)
    assert law.is_point_mass == (low == high)
    pieces = [*law.support, *((place, place) for place, _ in law.atoms), *law.gaps]
    ends = sorted(pieces)
    assert ends[0][0] == low
    covered = low
    for start, stop in ends:
        assert start <= covered
        covered = max(covered, stop)
    assert covered == high
    for start, stop in law.gaps:
        middle = start + (stop - start) / 2
        assert law.pdf(middle) == 0
        assert law.cdf(stop) - law.cdf(start) <= 1e-14 + sum(
            mass for place, mass in law.atoms if place == stop
        )


@every_law
def test_survival_function_is_the_rest(law):
    x = np.concatenate([interior(law), np.ravel(law.support), [-math.inf, math.inf]])
    np.testing.assert_allclose(law.sf(x) + law.cdf(x), 1, atol=2e-15)
    for place, _ in law.atoms:
        assert law.sf(place) == pytest.approx(1 - law.cdf(place), abs=2e-15)
    assert law.sf(law.hull[1]) == 0
    assert law.sf(-math.inf) == 1


@every_law
def test_upper_quantiles_are_quantiles_of_the_rest(law):
    q = np.array([0.9, 0.6, 0.35, 0.02, 1e-3, 1e-5])
    x = law.isf(q)
    # By the definition, with room for the rounding of x.
    ulp = 8 * np.spacing(np.maximum(np.abs(x), 1e-300))
    assert (law.sf(x + ulp) <= q + 1e-14).all()
    assert (law.sf(x - 2 * ulp) + sum_at(law, x - 2 * ulp) >= q * (1 - 1e-12) - 1e-14).all()
    assert law.isf(0) == law.hull[1]
    assert law.isf(1.0) == law.hull[0]
    assert (np.diff(x) >= 0).all()


@every_law
def test_quantiles_of_neighbouring_levels_are_in_order(law):
    """Rounding exchanged neighbours in a route of its own."""
    q = np.concatenate([level + np.spacing(level) * np.arange(100) for level in (0.37, 0.61, 0.93)])
    mixed = np.random.default_rng(1).permutation(q)
    for quantiles, sign in ((law.ppf, 1), (law.isf, -1)):
        assert (np.diff(sign * quantiles(q)) >= 0).all()
        assert (np.diff(sign * quantiles(mixed)[np.argsort(mixed)]) >= 0).all()


def sum_at(law, x):
    """Mass of an atom at every point."""
    return sum((np.where(x == place, mass, 0.0) for place, mass in law.atoms), np.zeros_like(x))


@every_law
def test_moments_of_second_order_and_quantiles_of_one_half(law):
    assert law.std() == math.sqrt(law.var())
    assert law.median() == law.ppf(0.5)
    ends = np.array(law.interval(0.8))
    ulp = 8 * np.spacing(np.abs(ends))
    assert (law.cdf(ends + ulp) >= np.array([0.1, 0.9]) - 1e-14).all()
    assert (law.mass_below(ends - ulp) <= np.array([0.1, 0.9]) + 1e-14).all()
    assert law.interval(1.0) == law.hull
    with pytest.raises(ValueError, match=r"confidence must lie in \[0, 1\]"):
        law.interval(1.5)


@every_law
def test_index_is_the_mass_below_zero(law):
    assert law.index() == law.mass_below(0.0)
    assert isinstance(law.index(), float)


@every_law
def test_smoothed_density_is_the_convolution(law):
    eta = 0.2 * width(law)
    x = np.linspace(*law.hull, 5)
    for point, density, mass in zip(
        x, law.smoothed_pdf(x, eta=eta), law.smoothed_cdf(x, eta=eta), strict=True
    ):
        expected, _ = expectation(law, lambda t, x=point: eta / np.pi / ((x - t) ** 2 + eta**2))
        assert density == pytest.approx(expected, rel=1e-11 + blur(law))
        expected, _ = expectation(law, lambda t, x=point: 0.5 + np.arctan((x - t) / eta) / np.pi)
        assert mass == pytest.approx(expected, rel=1e-11 + blur(law))
    assert law.smoothed_pdf([-math.inf, math.inf], eta=eta).tolist() == [0, 0]
    assert law.smoothed_cdf([-math.inf, math.inf], eta=eta).tolist() == [0, 1]
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="eta must be"):
            law.smoothed_pdf(x, eta=bad)


@every_law
def test_routes_agree(law):
    x = interior(law, 5, closest=1e-4)
    np.testing.assert_allclose(
        law.pdf(x, method="stieltjes"), law.pdf(x), rtol=1e-9, atol=1e-14 / width(law)
    )
    x = np.concatenate([x, [place for place, _ in law.atoms[:5]]])
    np.testing.assert_allclose(law.cdf(x, method="log_potential"), law.cdf(x), atol=4e-15)
    np.testing.assert_allclose(law.cdf(x, method="quadrature"), law.cdf(x), atol=1e-9 + blur(law))
    with pytest.raises(ValueError, match="unknown method 'guess'"):
        law.pdf(x, method="guess")
    with pytest.raises(ValueError, match="log_potential, quadrature"):
        law.cdf(x, method="guess")


@every_kind
def test_a_single_draw_is_a_number(law):
    value = law.sample(rng=3)
    assert isinstance(value, float)
    assert value == law.sample(1, rng=3)[0]
    assert law.hull[0] <= law.sample() <= law.hull[1]
    with pytest.raises(TypeError):
        law.sample(3, 4)


@every_kind
def test_laws_of_scipy(law):
    frozen = law.frozen()
    assert isinstance(frozen.dist, stats.rv_continuous)
    x = np.concatenate([interior(law, 3), [place for place, _ in law.atoms[:3]]])
    np.testing.assert_array_equal(frozen.cdf(x), law.cdf(x))
    np.testing.assert_array_equal(frozen.sf(x), law.sf(x))
    np.testing.assert_array_equal(frozen.pdf(x), law.pdf(x))
    q = np.array([0.1, 0.4, 0.99])
    np.testing.assert_array_equal(frozen.ppf(q), law.ppf(q))
    np.testing.assert_array_equal(frozen.isf(q), law.isf(q))
    assert frozen.support() == law.hull
    assert frozen.mean() == pytest.approx(law.mean(), rel=1e-13, abs=1e-15 * width(law))
    assert frozen.var() == pytest.approx(law.var(), rel=1e-13)
    assert frozen.std() == pytest.approx(law.std(), rel=1e-13)
    assert frozen.median() == law.median()
    scale = max(map(abs, law.hull))
    assert frozen.moment(3) == pytest.approx(law.moment(3), rel=1e-12, abs=1e-14 * scale**3)
    assert frozen.expect(lambda t: t**2) == pytest.approx(
        law.moment(2), rel=1e-8 + blur(law), abs=1e-10 * scale**2
    )
    middle = law.ppf(0.5)
    assert frozen.expect(lambda t: 1.0, ub=middle) == pytest.approx(
        law.cdf(middle), abs=1e-8 + blur(law)
    )
    draws = frozen.rvs(300, random_state=4)
    assert draws.shape == (300,)
    if not law.atoms:
        assert stats.kstest(draws, frozen.cdf).pvalue > 1e-6


def gauss(law, function):
    """Mean of a function of a semicircle or arcsine variable by its own Gauss rule."""
    low, high = law.support[0]
    nodes, weights = special.roots_chebyu(300) if law.pdf(high) == 0 else special.roots_chebyt(300)
    values = np.array([function((low + high + (high - low) * t) / 2) for t in nodes])
    return float(values @ weights / weights.sum())


CUBIC = (0.1, -1.0, 0.2, 0.0625)


@pytest.mark.parametrize(
    ("law", "function", "of"),
    [
        # an unbounded density inside the support
        (pushforward(Arcsine(-2.0, 1.0), "abs"), math.cos, (Arcsine(-2.0, 1.0), lambda t: abs(t))),
        (
            pushforward(MarchenkoPastur(1.0), CUBIC),
            math.cos,
            (Semicircle(), lambda t: np.polyval(CUBIC[::-1], t * t)),
        ),
        # a function that turns faster than the density
        (MarchenkoPastur(1.0), lambda x: math.sin(40 * x), (Semicircle(), lambda t: t * t)),
        (Arcsine(0.0, 1e4), lambda x: math.cos(x / 1e3), (Arcsine(0.0, 1e4), lambda t: t)),
    ],
)
def test_expectations_of_scipy(law, function, of):
    source, image = of
    exact = gauss(source, lambda t: function(image(t)))
    assert law.frozen().expect(function) == pytest.approx(exact, abs=1e-10)


def test_expectations_of_functions_that_are_not_smooth():
    for law in (Semicircle(), MarchenkoPastur(2.0), Normal(), truncated(Normal(), -1.0, 1.0)):
        step = law.frozen().expect(lambda x: float(x > 0.3))
        assert step == pytest.approx(law.sf(0.3), abs=1e-11)
    kink = Uniform(0.0, 1.0).frozen().expect(lambda x: abs(x - 0.3))
    assert kink == pytest.approx((0.3**2 + 0.7**2) / 2, abs=1e-12)
    beside = JacobiWeight(1.5, -0.7, -1.0, 1.0)
    both = Mixture((beside, Arcsine(-2.0, 1.0)), (0.1, 0.9))
    assert both.frozen().expect(lambda x: x**2) == pytest.approx(both.moment(2), rel=1e-8)
    # numbers thin out at -1: the logarithm is at -1 itself for none of the mass
    assert Arcsine(-1.0, 1.0).frozen().expect(lambda x: math.log(1 + x)) == pytest.approx(
        -math.log(2), abs=1e-6
    )
    assert Arcsine(-1.0, 1.0).frozen().entropy() == pytest.approx(math.log(math.pi / 2), abs=1e-7)


def test_expectations_of_a_law_whose_density_is_wrong_are_refused():
    class Wrong(Uniform):
        def _pdf(self, x):
            return 0.999 * super()._pdf(x)

    with pytest.raises(ConvergenceError, match="adds up to"):
        Wrong(0.0, 1.0).frozen().expect(lambda x: x)


@pytest.mark.parametrize(
    ("law", "function"),
    [
        (Uniform(0.0, 1.0), lambda x: 1 / x),  # infinite: 107 was found
        (Uniform(0.0, 1.0), lambda x: x**-0.9),  # 10, as 9.9998
        (Uniform(-1.0, 1.0), lambda x: abs(x) ** -0.9),  # 10, as 9.73
        (Normal(), lambda x: math.exp(x * x / 2.2)),  # 3.317, as 3.282
        (Normal(), lambda x: math.exp(x * x)),
    ],
)
def test_expectations_that_are_not_found_are_refused(law, function):
    with pytest.raises(ConvergenceError, match="with an error of about"):
        law.frozen().expect(function)


def test_entropies_that_are_not_found_are_refused():
    """Numbers thin out at -1, where the density is high: -6.87 was found, and it is -7.11."""
    with pytest.raises(ConvergenceError, match="was found as -6"):
        JacobiWeight(1.5, -0.9, -1.0, 1.0).frozen().entropy()
    exact = stats.beta(0.1, 2.5).entropy()  # from 0, next to which there are numbers
    assert JacobiWeight(1.5, -0.9, 0.0, 1.0).frozen().entropy() == pytest.approx(exact, rel=1e-7)


def test_the_expectation_of_a_function_with_noise_ends(monkeypatch):
    monkeypatch.setattr(expectations, "_VALUES", 10**4)
    noise, calls = np.random.default_rng(1), []

    def noisy(x):
        calls.append(x)
        return x + 1e-2 * noise.standard_normal()

    with pytest.raises(ConvergenceError, match="noise, many jumps"):
        Uniform(0.0, 1.0).frozen().expect(noisy)
    assert len(calls) < 10**5


def test_expectations_of_functions_that_are_infinite_on_a_number():
    for place, law in ((0.3, Uniform(-1.0, 1.0)), (0.0, Uniform(-1.0, 1.0))):
        root = law.frozen().expect(lambda x, place=place: abs(x - place) ** -0.5)
        exact = math.sqrt(1 - place) + math.sqrt(1 + place)
        assert root == pytest.approx(exact, rel=2e-8)
    assert math.isinf(Uniform(0.0, 1.0).frozen().expect(lambda x: math.inf if x > 0.7 else 1.0))


@pytest.mark.parametrize("log", [math.log, np.log])
@pytest.mark.parametrize(("loc", "pole"), [(0.0, 0.3), (5.0, 5.3), (1e3, 1000.5)])
def test_expectations_of_functions_with_a_pole_on_a_node(log, loc, pole):
    """At the pole math.log raises, and far from 0 the next node may be the same number."""
    at = []

    def potential(x):
        at.append(float(x))
        return log(abs(x - pole))

    value = Uniform(-1.0, 1.0).frozen().dist.expect(potential, loc=loc)
    assert pole in at
    above, below = 1 - (pole - loc), 1 + (pole - loc)
    exact = (above * math.log(above) + below * math.log(below)) / 2 - 1
    assert value == pytest.approx(exact, abs=1e-10)


def test_errors_of_a_function_are_its_own_where_the_law_has_mass():
    with pytest.raises(ValueError, match="math domain error"):
        MarchenkoPastur(2.0).frozen().expect(math.log)  # half of the mass is at 0
    with pytest.raises(ValueError, match="math domain error"):
        Uniform(-1.0, 1.0).frozen().expect(math.log)
    with pytest.raises(ZeroDivisionError):
        Uniform(-1.0, 1.0).frozen().expect(lambda x: 1 / (0 * int(x)))
    with pytest.raises(TypeError, match=r"got None at 0\.[5-9]"):
        Uniform(-1.0, 1.0).frozen().expect(lambda x: None if x > 0.5 else 1.0)
    with pytest.raises(TypeError, match=r"one real number; got np\.complex128"):
        Uniform(-1.0, 1.0).frozen().expect(lambda x: x + 1j)


@pytest.mark.parametrize(("loc", "scale"), [(0.2, 1.0), (0.0, 3.0), (-7.1, 0.3)])
def test_bounds_on_an_atom_hold_it_wherever_it_is_moved(loc, scale):
    law, place = Discrete([0.1, 0.4], [0.25, 0.75]).frozen().dist, loc + scale * 0.1
    found = law.expect(lambda x: 1.0, loc=loc, scale=scale, lb=place, ub=place)
    assert found == pytest.approx(0.25)


@pytest.mark.parametrize("low", [3.0, 9.0, 20.0])
def test_expectations_in_a_tail(low):
    """A normal variable given that it is beyond has the mean of its hazard rate."""
    exact = math.exp(stats.norm.logpdf(low) - stats.norm.logsf(low))
    above = Normal().frozen().expect(lambda x: x, lb=low, conditional=True)
    assert above == pytest.approx(exact, rel=1e-11)
    below = Normal().frozen().expect(lambda x: x, ub=-low, conditional=True)
    assert below == pytest.approx(-exact, rel=1e-11)
    growing = Normal().frozen().expect(lambda x: math.exp(x * x / 4))  # 2e-9 are beyond 8.5
    assert growing == pytest.approx(math.sqrt(2), rel=1e-12)


def test_bounds_of_expectations_are_checked():
    law = Uniform(0.0, 1.0).frozen()
    with pytest.raises(ValueError, match="lb must be a number or an infinity; got NaN"):
        law.expect(lambda x: x, lb=math.nan)
    with pytest.raises(ValueError, match="lb must not be above ub"):
        law.expect(lambda x: x, lb=0.5, ub=0.2)  # 0 was found
    assert law.expect(lambda x: x, lb=0.5, ub=0.5) == 0.0
    with pytest.raises(ValueError, match="has no mass between 2 and 3"):
        law.expect(lambda x: x, lb=2, ub=3, conditional=True)
    for scale in (0.0, -1.0):
        with pytest.raises(ValueError, match="scale must be a positive finite number"):
            law.dist.expect(lambda x: x, scale=scale)
    for func, message in ((3, "callable or None; got 3"), (lambda x: [x, x], "one real number")):
        with pytest.raises(TypeError, match=message):
            law.expect(func)


def test_mixtures_of_many_laws_with_infinite_densities():
    """Each has two ends inside the support of the others, of which 6000 values took too few."""
    laws = [JacobiWeight(0.3, -0.4, -1 - 0.01 * k, 2 + 0.03 * k) for k in range(60)]
    law = Mixture(tuple(laws), (1 / 60,) * 60)
    assert law.frozen().expect(lambda x: x * x) == pytest.approx(law.moment(2), rel=1e-10)
    x = np.array([-1.2, 0.0, 1.0, 2.5])
    np.testing.assert_allclose(law.cdf(x, method="quadrature"), law.cdf(x), atol=1e-9)


def test_masses_by_quadrature_at_many_points():
    law = JacobiWeight(-0.3, -0.75, 0.0, 1.0)
    x = np.linspace(0.0, 1.0, 200)  # more panels than 6000 values can divide
    np.testing.assert_allclose(law.cdf(x, method="quadrature"), law.cdf(x), atol=1e-9)
    hidden = JacobiWeight(0.3, -0.9, -1.0, 1.0)  # mass that no number is next to
    with pytest.raises(ConvergenceError, match="cdf\\(x\\) finds them by another route"):
        hidden.cdf(x, method="quadrature")


@pytest.mark.parametrize("law", [Uniform(-1.0, 1.0), Semicircle(1.0, 1e-9), Arcsine(-1.0, 2.0)])
def test_panels_touch(law):
    """Also where a band has its middle at 0, next to which numbers are closer than at its ends."""
    cells = density_panels(law, cuts=(-0.5, 0.5))
    assert (cells.left[1:] == cells.right[:-1]).all()


@every_law
def test_laws_are_drawn(law):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    assert law.plot(axes, label="law", color="black") is axes
    (line,) = axes.get_lines()
    assert line.get_label() == "law"
    x, y = line.get_data()
    assert x.size == 1000 * len(law.support)
    if law.support:
        height = np.nanmax(y)
        assert height > 0
    assert len(axes.texts) == len(law.atoms)


def test_notebooks_show_the_parameters():
    shown = MarchenkoPastur(0.5)._repr_html_()
    assert shown.count("<tr>") == 3
    assert "<td>0.5</td>" in shown
    nested = affine(free_compression(Discrete(tuple(range(99)), (1 / 99,) * 99), 0.5), shift=1.0)
    assert len(nested._repr_html_()) < 2000
    assert "<E" not in nested._repr_html_()


@every_law
def test_fields_are_replaced(law):
    if not dataclasses.is_dataclass(law):
        pytest.skip("not a dataclass")
    names = [field.name for field in dataclasses.fields(law) if field.init]
    assert dataclasses.replace(law) == law
    assert dataclasses.replace(law, **{name: getattr(law, name) for name in names}) == law


def test_replacing_a_field_of_a_semicircle():
    assert dataclasses.replace(Semicircle(0.5, 1.0), variance=2.0) == Semicircle(2.0, 1.0)
    assert dataclasses.replace(MarchenkoPastur(0.5), scale=2.0) == MarchenkoPastur(0.5, 2.0)


def test_old_names_warn():
    with pytest.warns(DeprecationWarning, match="'mean' is now called 'center'"):
        assert Semicircle(0.5, mean=1.0) == Semicircle(0.5, 1.0)
    with pytest.warns(DeprecationWarning, match="'variance' is now called 'scale'"):
        law = MarchenkoPastur(0.5, variance=3.0)
    assert law == MarchenkoPastur(0.5, scale=3.0)
    with pytest.warns(DeprecationWarning, match="variance is now called scale"):
        assert law.variance == 3.0
    assert law.mean() == 3.0
    assert law.var() == 4.5


@pytest.mark.parametrize(
    ("law", "power"),
    [
        (Semicircle(0.3, 1.0), 1.5),
        (MarchenkoPastur(0.5), 1.5),
        (KestenMcKay(3.0), 1.5),
        (Wachter(0.4, 0.7), 1.5),
        (FussCatalan(2.0), 1.5),
        (Arcsine(0.0, 1.0), 0.5),
        (Uniform(-1.0, 1.0), 1.0),
    ],
)
def test_upper_tails_keep_relative_accuracy(law, power):
    """Beside the upper edge the mass above is c d^power, to all digits that the edge leaves."""
    high = law.hull[1]
    d = (high - law.hull[0]) * np.array([1e-8, 4e-8])
    x = high - d
    d = high - x
    ratio = law.sf(x[1]) / law.sf(x[0])
    assert ratio == pytest.approx((d[1] / d[0]) ** power, rel=2e-6)
    q = np.array([1e-4, 1e-8, 1e-11])
    slack = np.spacing(high) * law.pdf(law.isf(q)) / q
    assert (np.abs(law.sf(law.isf(q)) / q - 1) <= 1e-11 + 4 * slack).all()


def test_upper_tail_against_40_digits():
    law = FreeLevy(MarchenkoPastur(0.5).levy)
    x = law.hull[1] - np.array([1e-3, 1e-5, 1e-7])
    exact = [float(1 - exact_cdf(law, float(point))) for point in x]
    np.testing.assert_allclose(law.sf(x), exact, rtol=1e-7)


NUMBERS = [
    (name, law)
    for name, law in {
        type(law).__name__: law
        for law in [*(c.law for c in LAWS), truncated(Semicircle(), -1.0, 1.0), Normal()]
    }.items()
    if dataclasses.is_dataclass(law)
]


@pytest.mark.parametrize(("name", "law"), NUMBERS)
def test_parameters_are_single_numbers(name, law):
    """A law has scalar parameters: several values are refused in one sentence that says so."""
    fields = [field.name for field in dataclasses.fields(law) if field.init]
    scalars = [key for key in fields if isinstance(getattr(law, key), int | float)]
    for key in scalars:
        several = [getattr(law, key)] * 2
        with pytest.raises(TypeError, match=f"{key} must be (one number.*make one object each|an)"):
            dataclasses.replace(law, **{key: several})
    if not scalars:
        pytest.skip("its parameters are laws or sequences")


@pytest.mark.parametrize(
    "make",
    [
        lambda pair: WishartPlusWigner(pair, 0.1),
        lambda pair: WishartPlusReluBlock(0.5, pair),
        lambda pair: LinearHessian(pair, 5, 5, 5),
        lambda pair: free_power(Semicircle(), pair),
        lambda pair: free_compression(Semicircle(), pair),
        lambda pair: truncated(Semicircle(), pair),
        lambda pair: Semicircle().interval(pair),
    ],
)
def test_models_and_operations_take_single_numbers(make):
    with pytest.raises(TypeError, match="make one object each"):
        make([0.5, 0.5])


def test_one_law_for_each_value_of_a_parameter():
    with pytest.raises(TypeError, match=r"aspect_ratio must be .*one number"):
        MarchenkoPastur([0.25, 0.5])
    with pytest.raises(TypeError, match=r"variance must be .*one number"):
        Semicircle(np.array([0.25, 0.5]))


def test_point_masses():
    law = Discrete((2.0,), (1.0,))
    assert law.is_point_mass
    assert law.hull == (2.0, 2.0)
    assert law.gaps == ()
    assert affine(Discrete((0.0, 1.0), (0.5, 0.5)), scale=-1.0).gaps == ((-1.0, 0.0),)
    assert Mixture((Uniform(0, 1), Uniform(2, 3)), (0.5, 0.5)).gaps == ((1.0, 2.0),)


EXTREME = np.array([-math.inf, -1e308, -5e-324, 5e-324, 1e308, math.inf])


@pytest.mark.parametrize(
    "law",
    [
        *(pytest.param(c.law, id=c.name) for c in LAWS),
        Normal(2.0),
        pushforward(MarchenkoPastur(0.5), "sqrt"),
        pushforward(Semicircle(center=0.3), "abs"),
        pushforward(MarchenkoPastur(0.5), "inverse"),
        truncated(Semicircle(), -0.5, 1.0),
    ],
)
def test_smallest_and_largest_numbers(law):
    below, above = law.cdf(EXTREME), law.sf(EXTREME)
    assert below + above == pytest.approx(1.0, abs=1e-12)
    assert below[[0, 1, 4, 5]].tolist() == [0, 0, 1, 1]
    assert law.mass_below(EXTREME)[[0, 1, 4, 5]].tolist() == [0, 0, 1, 1]
    density = law.pdf(EXTREME)
    assert (density >= 0).all()
    assert density[[0, 1, 4, 5]].tolist() == [0, 0, 0, 0]
