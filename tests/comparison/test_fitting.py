"""Fits: parameters come back, and the errors stated for them are honest."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from rmtland import (
    Arcsine,
    Discrete,
    FreeMeixner,
    FreePoisson,
    JacobiWeight,
    KestenMcKay,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    Uniform,
    Wachter,
    WishartEnsemble,
    WishartPlusReluBlock,
    WishartPlusWigner,
    compare,
    fit,
    free_sum,
)
from rmtland.comparison.descent import Descent
from rmtland.comparison.families import Family
from rmtland.comparison.fit_points import FitPoints
from rmtland.laws.first_check import passed, unchecked
from rmtland.solution import ConvergenceError

MODELS = [
    WishartPlusWigner(0.5, 0.3),
    WishartPlusWigner(0.1, 2.0, 3.0),
    WishartPlusWigner(2.5, 0.05, 0.7),
    WishartPlusReluBlock(0.5, 0.6),
    WishartPlusReluBlock(1.5, 0.3, 2.0),
    WishartPlusReluBlock(4.0, 0.4, 1.3),
]
each_model = pytest.mark.parametrize("model", MODELS, ids=str)


def at_quantiles(model, size=400):
    return Spectrum(model.law.ppf((np.arange(size) + 0.5) / size))


def parameters(model):
    return {name: getattr(model, name) for name in ("phi", "epsilon", "sigma")}


# What comes back -----------------------------------------------------------------------------


@pytest.mark.slow_siblings(2)
@each_model
def test_quantiles_of_a_law_give_its_parameters_back(model):
    result = fit(at_quantiles(model), type(model), resamples=0)
    assert parameters(result.model) == pytest.approx(parameters(model), rel=5e-3)
    assert result.comparison.kolmogorov < 2 / 400
    assert result.defect < 1e-3
    assert result.fixed == {}


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    "fix", [{"sigma": 1.0}, {"phi": 0.5}, {"epsilon": 0.3}, {"phi": 0.5, "sigma": 1.0}], ids=str
)
@pytest.mark.parametrize("kind", [WishartPlusWigner, WishartPlusReluBlock])
def test_fixed_parameters_are_held(kind, fix):
    model = kind(0.5, 0.3)
    result = fit(at_quantiles(model), kind, fix=fix, resamples=2)
    assert {name: getattr(result.model, name) for name in fix} == fix == result.fixed
    assert set(result.errors) == {"phi", "epsilon", "sigma"} - set(fix)
    assert parameters(result.model) == pytest.approx(parameters(model), rel=3e-3)


def test_a_wrong_value_is_held_too():
    result = fit(at_quantiles(MODELS[0]), WishartPlusWigner, fix={"sigma": 2.0}, resamples=0)
    assert result.model.sigma == 2.0
    assert result.comparison.kolmogorov > 0.1


def test_no_energy():
    spectrum = at_quantiles(WishartPlusWigner(0.4, 0.0, 1.5))
    result = fit(spectrum, WishartPlusWigner, fix={"epsilon": 0.0}, resamples=0)
    assert isinstance(result.model.law, MarchenkoPastur)
    assert result.model.phi == pytest.approx(0.4, rel=3e-3)
    assert result.model.sigma == pytest.approx(1.5, rel=3e-3)


def test_result_is_consistent_with_its_parts():
    model = MODELS[3]
    spectrum = model.sample(80, rng=3, runs=2)
    result = fit(spectrum, WishartPlusReluBlock, resamples=0)
    assert result.comparison == compare(spectrum, result.model.law)
    nodes = spectrum.eigenvalues
    middle = (nodes[1:] + nodes[:-1]) / 2
    defect = result.model.law.cdf(middle) - np.arange(1, 160) / 160
    assert result.defect == pytest.approx(np.sqrt(np.mean(defect**2)), rel=1e-9)


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    "model",
    [
        pytest.param(one, marks=[pytest.mark.slow] * (i == 4))
        for i, one in enumerate(MODELS)
        if i != 1
    ],
    ids=str,
)
def test_no_other_model_nearby_is_closer(model):
    """The fit is a minimum of its own distance along every parameter."""
    spectrum = model.sample(100, rng=4)
    best = fit(spectrum, type(model), resamples=0)
    nodes = spectrum.eigenvalues.copy()
    nodes[np.abs(nodes) <= spectrum.zero_tolerance] = 0  # a null space is one point
    distinct = np.unique(nodes)
    middle = (distinct[1:] + distinct[:-1]) / 2
    level = np.array([(nodes < x).mean() for x in middle])

    def distance(other):
        return np.mean((other.law.cdf(middle) - level) ** 2)

    least = distance(best.model)
    for name, value in parameters(best.model).items():
        for factor in (0.98, 1.02):
            assert distance(type(model)(**parameters(best.model) | {name: factor * value})) > least


def test_unit_of_the_eigenvalues():
    spectrum = MODELS[0].sample(100, rng=6)
    one = fit(spectrum, WishartPlusWigner, resamples=0).model
    other = fit(Spectrum(1e3 * spectrum.nodes), WishartPlusWigner, resamples=0).model
    scaled = {"phi": one.phi, "epsilon": 1e6 * one.epsilon, "sigma": 1e3 * one.sigma}
    assert parameters(other) == pytest.approx(scaled, rel=1e-3)


def test_quadrature():
    model = WishartPlusWigner(0.5, 0.3)
    cuts = np.sin(np.linspace(0, np.pi / 2, 201)) ** 2  # cells of unequal mass
    nodes = model.law.ppf((cuts[1:] + cuts[:-1]) / 2)
    spectrum = Spectrum(nodes, np.diff(cuts), dimension=300)
    result = fit(spectrum, WishartPlusWigner, resamples=3)
    assert parameters(result.model) == pytest.approx(parameters(model), rel=1e-2)
    # one start vector of dimension 300: the masses it sees have the deviation .04
    assert all(0.02 < error < 0.4 for error in result.errors.values())


@pytest.mark.parametrize("model", [MODELS[0], MODELS[3]], ids=str)
def test_outliers_count_with_their_mass_and_not_with_their_distance(model):
    """Four of 400 eigenvalues far away: moments are lost, the fit is not."""
    found = []
    for distance in (50.0, 5000.0):
        nodes = at_quantiles(model, 396).eigenvalues
        spectrum = Spectrum(np.concatenate([nodes, distance * np.array([1.0, 1.1, 1.2, 1.3])]))
        assert spectrum.var() > 10 * model.law.var()
        result = fit(spectrum, type(model), resamples=0)
        assert result.comparison.outliers == 4
        assert parameters(result.model) == pytest.approx(parameters(model), rel=0.15)
        found.append(parameters(result.model))
    assert found[1] == pytest.approx(found[0], rel=5e-3)


# Errors --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "n", "runs", "fix"),
    [
        (WishartPlusReluBlock(0.5, 0.6), 120, 1, {"sigma": 1.0}),
        (WishartPlusWigner(2.0, 0.05), 120, 2, {}),
        (WishartPlusWigner(0.5, 0.3), 400, 3, {}),  # larger than the resamples
    ],
    ids=str,
)
def test_stated_errors_cover_the_true_ones(model, n, runs, fix):
    """Over 36 samples, the rms of error / stated error lies in (0.6, 1.6) for each parameter.

    For normal errors, and the spread of 14 resamples, a right error fails with probability
    1.2e-3 per parameter, and one off by a factor 2.5 either way passes with probability 5e-3.
    The descents start from the truth: that others end there too is tested above.
    """
    truth = {name: value for name, value in parameters(model).items() if name not in fix}
    scores = []
    for seed in range(36):
        spectrum = model.sample(n, rng=(7, seed), runs=runs)
        result = fit(spectrum, type(model), fix=fix, starts=[truth], rng=seed, resamples=14)
        scores.append(
            [
                (getattr(result.model, name) - getattr(model, name)) / error
                for name, error in result.errors.items()
            ]
        )
    rms = np.sqrt(np.mean(np.square(scores), axis=0))
    assert rms.shape == (3 - len(fix),)
    assert (rms > 0.6).all(), rms
    assert (rms < 1.6).all(), rms


def test_errors_fall_as_one_over_the_size():
    """Statistics of a spectrum fluctuate at order 1/n: from n = 80 to 640 a factor 8, not 3."""
    model = WishartPlusWigner(0.5, 0.3)
    small, large = (
        fit(
            model.sample(n, rng=1), WishartPlusWigner, fix={"sigma": 1.0}, starts=1, resamples=40
        ).errors
        for n in (80, 640)
    )
    # Each error has a relative deviation of about 1 / sqrt(2 * 40) = 0.11, the ratio 0.16.
    for name in small:
        assert 4.5 < small[name] / large[name] < 14


def test_errors_are_reproducible_and_depend_on_the_stream():
    spectrum = MODELS[0].sample(60, rng=2)

    def errors(rng):
        return fit(spectrum, WishartPlusWigner, rng=rng, starts=1, resamples=4).errors

    first = errors(5)
    assert first == errors(5) == errors(np.random.default_rng(5))
    assert first != errors(6)


def test_without_resamples_errors_are_infinite():
    result = fit(MODELS[0].sample(60, rng=2), WishartPlusWigner, rng=0, resamples=0)
    assert result.errors == {"phi": math.inf, "epsilon": math.inf, "sigma": math.inf}
    again = fit(MODELS[0].sample(60, rng=2), WishartPlusWigner, rng=0, resamples=2)
    assert again.model == result.model
    assert all(0 < error < math.inf for error in again.errors.values())


# Refusals ------------------------------------------------------------------------------------

SPECTRUM = WishartPlusWigner(0.5, 0.3).sample(20, rng=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resamples": 1}, "resamples must be 0 or at least 2"),
        ({"resamples": -1}, "resamples"),
        ({"fix": {"phi": 0.5, "epsilon": 0.3, "sigma": 1.0}}, "no parameter free"),
        ({"fix": {"alpha": 1.0, "beta": 2.0}}, "no parameter alpha, beta; it has phi, epsilon"),
        ({"fix": {"phi": -1.0}}, "phi must be a positive"),
        ({"fix": {"sigma": math.nan}}, "sigma must be a finite number"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        fit(SPECTRUM, WishartPlusWigner, **options)


@pytest.mark.parametrize(
    ("spectrum", "model", "message"),
    [
        (SPECTRUM, WishartPlusWigner(0.5, 0.3), "must be a class"),
        (SPECTRUM, "wishart-wigner", "must be a class"),
        (SPECTRUM, lambda: MarchenkoPastur(0.5), "no parameter of its own that is a real number"),
        (SPECTRUM, dict, "family must name its parameters, and dict does not"),
        (SPECTRUM, Discrete, r"locations of Discrete is not a real number .*hold it by fix="),
        (SPECTRUM, lambda phi: phi, "expected a law, or a model .*; got float"),
        (SPECTRUM.eigenvalues, WishartPlusWigner, "expected a Spectrum; got ndarray"),
    ],
)
def test_wrong_types(spectrum, model, message):
    with pytest.raises(TypeError, match=message):
        fit(spectrum, model)


def test_resamples_must_be_an_integer():
    with pytest.raises(TypeError, match="resamples"):
        fit(SPECTRUM, WishartPlusWigner, resamples=2.5)


def test_too_few_distinct_eigenvalues():
    values = np.array([0.1, 0.5, 1.0, 1.5, 2.2])
    fit(Spectrum(values), WishartPlusWigner, resamples=0)
    with pytest.raises(ValueError, match=r"4 distinct eigenvalues; fitting 3 .* at least 5"):
        fit(Spectrum(values[:4]), WishartPlusWigner, resamples=0)
    fit(Spectrum(values[:4]), WishartPlusWigner, fix={"sigma": 1.0}, resamples=0)
    with pytest.raises(ValueError, match="4 distinct"):  # zeros are one eigenvalue
        fit(Spectrum([*values[:3], 0.0, 1e-17, -1e-17]), WishartPlusWigner, resamples=0)


def test_what_the_spectrum_does_not_determine_has_an_infinite_error():
    """All eigenvalues negative: the fit is a semicircle, in which phi and sigma play no part."""
    result = fit(Spectrum(-np.arange(1.0, 51.0)), WishartPlusWigner, resamples=4)
    assert result.errors["phi"] == result.errors["sigma"] == np.inf
    assert 0 < result.errors["epsilon"] < np.inf


def test_a_fit_that_ends_at_a_tiny_ratio_does_not_hang():
    result = fit(Spectrum(-np.arange(1.0, 51.0)), WishartPlusReluBlock, resamples=2)
    assert min(result.model.phi, result.model.sigma) < 1e-6  # the Wishart part vanishes


@pytest.mark.parametrize("fix", [{"phi": "a"}, ["phi"]])
def test_fixed_values_of_a_wrong_type(fix):
    with pytest.raises(TypeError, match=r"phi must be a real number|fix must map"):
        fit(Spectrum(np.arange(8.0)), WishartPlusWigner, fix=fix)


# Any family ------------------------------------------------------------------------------------

LAWS = [
    (MarchenkoPastur, {"aspect_ratio": 0.5, "scale": 2.0}),
    (MarchenkoPastur, {"aspect_ratio": 2.5, "scale": 1e4}),
    (Semicircle, {"variance": 3.0, "center": -5.0}),
    (Uniform, {"low": -3.0, "high": 100.0}),
    (Arcsine, {"low": -3e-3, "high": 1e-3}),
    (KestenMcKay, {"degree": 4.3}),
    (FreeMeixner, {"a": -0.7, "b": 0.3}),
    (FreePoisson, {"rate": 0.7, "jump": -2.0}),
    (Wachter, {"aspect_ratio": 0.4, "other_ratio": 0.6}),
    (JacobiWeight, {"alpha": -0.5, "beta": 2.0, "low": -1.0, "high": 3.0}),
]


@pytest.mark.slow_siblings(3)
@pytest.mark.parametrize(("family", "values"), LAWS, ids=str)
def test_any_family_of_laws(family, values):
    law = family(**values)
    spectrum = Spectrum(law.ppf((np.arange(400) + 0.5) / 400))
    result = fit(spectrum, family, rng=1, resamples=0)
    assert result.defect < 1e-4
    size = max(abs(value) for value in values.values())
    assert result.parameters == pytest.approx(values, abs=2e-3 * size)
    assert isinstance(result.model, family)
    assert (result.undetermined, result.at_bounds) == ((), ())


def test_a_function_with_named_parameters():
    law = free_sum(MarchenkoPastur(0.4), Semicircle(0.2))
    result = fit(
        Spectrum(law.ppf((np.arange(300) + 0.5) / 300)),
        lambda phi, noise: free_sum(MarchenkoPastur(phi), Semicircle(noise)),
        resamples=0,
    )
    assert result.parameters == pytest.approx({"phi": 0.4, "noise": 0.2}, abs=1e-3)
    assert result.law is result.model


@dataclass(frozen=True)
class Own:
    """A user's model: no base class, no special method."""

    ratio: float
    noise: float = 0.1
    name: str = "own"

    @property
    def law(self):
        return free_sum(MarchenkoPastur(self.ratio), Semicircle(self.noise))


def test_a_dataclass_of_the_user():
    spectrum = Spectrum(Own(0.5, 0.3).law.ppf((np.arange(200) + 0.5) / 200))
    result = fit(spectrum, Own, fix={"name": "mine"}, resamples=0)
    assert result.model.name == "mine"
    assert result.parameters == pytest.approx({"ratio": 0.5, "noise": 0.3}, abs=2e-3)
    assert result.fixed == {"name": "mine"}


def test_errors_of_matrices_and_those_of_independent_points():
    spectrum = WishartEnsemble(0.5).sample(200, rng=0)
    matrices = fit(spectrum, WishartEnsemble, fix={"beta": 1.0}, rng=0, resamples=10)
    law = fit(spectrum, MarchenkoPastur, rng=0, resamples=10)
    points = fit(spectrum, MarchenkoPastur, beta=0, rng=0, resamples=10)
    assert matrices.parameters["aspect_ratio"] == pytest.approx(0.5, abs=0.02)
    assert 0.001 < matrices.errors["aspect_ratio"] < 0.02
    assert law.errors["aspect_ratio"] == pytest.approx(matrices.errors["aspect_ratio"], rel=0.3)
    assert points.errors["aspect_ratio"] > 3 * matrices.errors["aspect_ratio"]


@pytest.mark.slow
def test_errors_of_a_law_cover_independent_points():
    """Over 30 samples the rms of error / stated error is about 1, as for models above."""
    law, scores = MarchenkoPastur(0.5), []
    for seed in range(30):
        spectrum = Spectrum(law.sample(120, rng=(3, seed)))
        result = fit(spectrum, MarchenkoPastur, beta=0, rng=seed, resamples=12, starts=1)
        scores.append(
            [
                (result.parameters["aspect_ratio"] - 0.5) / result.errors["aspect_ratio"],
                (result.parameters["scale"] - 1.0) / result.errors["scale"],
            ]
        )
    rms = np.sqrt(np.mean(np.square(scores), axis=0))
    assert (rms > 0.5).all(), rms
    assert (rms < 1.6).all(), rms


# Identifiability, bounds, starts ---------------------------------------------------------------


def test_parameters_that_act_through_their_product_only_are_not_determined():
    spectrum = Spectrum(Semicircle(0.6).ppf((np.arange(100) + 0.5) / 100))
    result = fit(spectrum, lambda a, b, c: Semicircle(a * b, c), resamples=4)
    assert result.undetermined == ("a", "b")
    assert result.errors["a"] == result.errors["b"] == math.inf
    assert 0 < result.errors["c"] < math.inf
    assert result.parameters["a"] * result.parameters["b"] == pytest.approx(0.6, rel=1e-3)


def test_a_fit_that_ends_at_a_bound_says_so():
    spectrum = at_quantiles(MODELS[0])
    result = fit(spectrum, WishartPlusWigner, bounds={"phi": (0.01, 0.4)}, resamples=3)
    assert result.parameters["phi"] == pytest.approx(0.4, rel=1e-2)
    assert result.at_bounds == ("phi",)
    assert result.errors["phi"] == math.inf
    free = fit(spectrum, WishartPlusWigner, bounds={"phi": (0.01, 4.0)}, resamples=0)
    assert free.at_bounds == ()
    assert free.parameters["phi"] == pytest.approx(0.5, rel=5e-3)


def test_a_far_minimum_is_not_the_answer():
    """From one bad start the descent ends elsewhere; from several it finds the deepest."""
    spectrum = at_quantiles(WishartPlusWigner(0.2, 0.02))
    poor = fit(
        spectrum,
        WishartPlusWigner,
        starts=[{"phi": 900.0, "epsilon": 1e-6, "sigma": 3.0}],
        resamples=0,
    )
    best = fit(spectrum, WishartPlusWigner, resamples=0)
    assert poor.minima[0] >= best.minima[0] * (1 - 1e-9)
    assert best.minima == tuple(sorted(best.minima))
    assert best.defect == pytest.approx(best.minima[0], rel=1e-9)
    assert best.parameters["phi"] == pytest.approx(0.2, rel=1e-2)


def test_no_parameter_runs_away():
    """Two clusters far apart, which no member resembles."""
    values = np.concatenate([np.linspace(-1e-3, 1e-3, 300), np.linspace(5, 9, 60)])
    for family in (WishartPlusWigner, WishartPlusReluBlock, MarchenkoPastur, FreePoisson):
        result = fit(Spectrum(values), family, rng=0, resamples=0)
        scale = max(1.0, np.var(values))
        assert all(abs(value) <= 1e4 * scale for value in result.parameters.values())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bounds": {"alpha": (0, 1)}}, ValueError, "bounds are for free parameters"),
        ({"bounds": {"phi": (1, 1)}}, ValueError, "must ascend"),
        ({"bounds": {"phi": 3.0}}, TypeError, "must be a pair of finite numbers"),
        ({"bounds": {"phi": (0, math.inf)}}, TypeError, "must be a pair of finite numbers"),
        ({"bounds": ["phi"]}, TypeError, "bounds must map"),
        ({"starts": 0}, ValueError, "starts must be an integer of at least 1"),
        ({"starts": []}, ValueError, "starts is empty"),
        ({"starts": [{"phi": 1.0}]}, ValueError, "a value to every free parameter"),
        (
            {"starts": [{"phi": -1.0, "epsilon": 1, "sigma": 1}]},
            ValueError,
            "outside of its bounds",
        ),
        ({"bounds": {"phi": (-3, -1)}}, ValueError, "no law at any of the .* points tried"),
    ],
)
def test_bad_bounds_and_starts(options, error, message):
    with pytest.raises(error, match=message):
        fit(SPECTRUM, WishartPlusWigner, **options)


def test_results_are_plain_values():
    result = fit(SPECTRUM, WishartPlusWigner, resamples=0)
    values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert values["parameters"] == result.parameters
    assert values["errors"] == {"phi": None, "epsilon": None, "sigma": None}
    assert values["kolmogorov"] == result.comparison.kolmogorov


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize("family", [WishartPlusWigner, WishartPlusReluBlock])
@pytest.mark.parametrize("phi", [1.5, 20.0, pytest.param(4.0, marks=pytest.mark.slow)])
def test_a_null_space_is_fitted_by_the_member_that_has_one(family, phi):
    # With epsilon > 0, however small, half of the null space is negative: Kolmogorov .17 to .48.
    spectrum = WishartEnsemble(phi, 2.0).sample(300, rng=3)
    found = fit(spectrum, family, rng=0, resamples=2)
    assert found.parameters["epsilon"] == 0.0
    assert found.at_bounds[0] == "epsilon"
    assert found.errors["epsilon"] == float("inf")
    assert found.model == family(**found.parameters)
    assert found.comparison.kolmogorov < 0.02
    assert found.parameters["phi"] == pytest.approx(phi, rel=0.1)
    bounded = fit(spectrum, family, bounds={"epsilon": (1e-3, 1.0)}, rng=0, resamples=0, starts=1)
    assert bounded.parameters["epsilon"] >= 1e-3


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_family_fits_no_worse_than_the_laws_within_it(seed):
    """Beside a null space and far outliers a descent ran off to sigma = 1e3, twice as far away."""
    rng = np.random.default_rng(seed)
    tail = np.sort(np.exp(rng.normal(-12, 8, size=140)))
    spectrum = Spectrum([*np.zeros(180), *tail, *-(tail[:20] ** 1.2)])
    inner = fit(spectrum, MarchenkoPastur, rng=seed, resamples=0)
    for family in (WishartPlusWigner, WishartPlusReluBlock):
        found = fit(spectrum, family, rng=seed, resamples=0)
        assert found.defect <= inner.defect * (1 + 1e-4)
        assert found.minima[0] == min(found.minima) == pytest.approx(found.defect, rel=1e-6)


@pytest.mark.slow_siblings(2)
@pytest.mark.parametrize(
    ("family", "unit"),
    [
        (MarchenkoPastur, 1e-5),
        (FreePoisson, 1e-5),
        (Semicircle, 1e-5),
        (WishartPlusWigner, 1e-5),
        (WishartPlusWigner, 3.0),
        *(
            pytest.param(family, 3.0, marks=pytest.mark.slow)
            for family in (MarchenkoPastur, FreePoisson, Semicircle)
        ),
    ],
)
def test_far_outliers_do_not_hide_the_bulk(family, unit):
    """In units of the outliers, 2 % at 1e5 times the bulk, descents ended ten times as far away."""
    generator = np.random.default_rng(4)
    body = unit * generator.exponential(size=300)
    far = 1e5 * unit * generator.uniform(0.2, 3.0, 6)
    alone = fit(Spectrum(body), family, resamples=0, rng=0)
    found = fit(Spectrum([*body, *far]), family, resamples=0, rng=0)
    assert found.defect < 1.3 * alone.defect + 0.02
    assert found.law.median() == pytest.approx(alone.law.median(), rel=0.2)


def test_zeros_beside_negative_eigenvalues_leave_the_residual_part():
    matrix = WishartPlusWigner(0.5, 0.3).matrix(300, rng=1)
    spectrum = Spectrum([*np.linalg.eigvalsh(matrix), *np.zeros(60)])
    found = fit(spectrum, WishartPlusWigner, rng=0, resamples=0)
    assert found.parameters["epsilon"] > 0.05


# Members that are refused as laws -------------------------------------------------------------


class Refused(Semicircle):
    """A semicircle whose check fails."""

    def _require_certificate(self):
        if not passed(self):
            raise ConvergenceError("not a law")


def test_the_member_fitted_has_passed_its_check_although_a_descent_asks_none():
    spectrum = at_quantiles(WishartPlusWigner(0.5, 0.3), 40)
    with pytest.raises(ConvergenceError, match="not a law"):
        fit(spectrum, lambda variance: Refused(variance, 1.0), resamples=0)


def test_a_descent_whose_end_is_refused_is_repeated_among_laws_that_pass():
    spectrum = Spectrum(Semicircle(1.0).ppf((np.arange(60) + 0.5) / 60))

    def family(variance):
        return Refused(variance) if variance < 1.05 else Semicircle(variance)

    points = FitPoints.of(spectrum, 1)
    chosen = Family.of(family, None)
    descent = Descent(
        chosen, chosen.boxes(spectrum, {"variance": (0.1, 2.0)}, np.random.default_rng(0))
    )
    end, cost = descent.run(points, descent.position({"variance": 1.5}))
    assert descent.values(end)["variance"] == pytest.approx(1.05, abs=0.01)
    assert cost == pytest.approx((points.defect(Semicircle(1.05)) ** 2).sum() / 2, rel=0.5)
    _, cost = descent.run(points, descent.position({"variance": 0.9}))
    assert cost == 2 * points.x.size  # as where there is no law
    found = fit(spectrum, family, bounds={"variance": (0.1, 200.0)}, rng=0, resamples=0, starts=1)
    assert found.parameters["variance"] == pytest.approx(1.05, abs=0.01)  # no start is refused


def test_a_descent_solves_no_member_twice():
    spectrum, seen = at_quantiles(MODELS[0], 40), []

    def family(variance, center):
        seen.append((variance, center))
        return Semicircle(variance, center)

    chosen = Family.of(family, None)
    descent = Descent(chosen, chosen.boxes(spectrum, None, np.random.default_rng(0)))
    seen.clear()
    descent.glance(
        FitPoints.of(spectrum, 2), descent.position({"variance": 9.0, "center": 3.0}), steps=8
    )
    assert len(seen) == len(set(seen)) > 20


def test_values_without_a_check_leave_no_trace():
    law = Refused(1.0)
    with unchecked(law):
        assert law.cdf(0.0) == 0.5
        with unchecked(law):
            assert law.cdf(0.0) == 0.5
        assert law.cdf(0.0) == 0.5
    with pytest.raises(ConvergenceError, match="not a law"):
        law.cdf(0.0)
