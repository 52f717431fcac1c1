"""Every public model and ensemble answers the same questions, and its sample agrees with it."""

import dataclasses
import inspect
from typing import NamedTuple

import numpy as np
import pytest
from ensemble_table import ENSEMBLES

import rmtland.ensembles
import rmtland.models
from rmtland import Law, Spectrum
from rmtland.laws import SpectralModel
from rmtland.models import (
    ConditionedHessian,
    ConjugateKernel,
    CriticalPointHessian,
    CrossingCorrectedHessian,
    DeepGaussNewton,
    DysonHessian,
    FiniteSizeHessian,
    FiniteWidthHessian,
    GeneralisedLinearHessian,
    InputOutputJacobian,
    LinearHessian,
    LinearJacobian,
    NeuralTangentKernel,
    NonlinearGram,
    PopulationHessian,
    SoftmaxHessian,
    TwoLegHessian,
    WishartPlusReluBlock,
    WishartPlusWigner,
)
from rmtland.networks import MLP
from rmtland.solution import ConvergenceError

METHODS = (
    "stieltjes",
    "smoothed_pdf",
    "smoothed_cdf",
    "index",
    "mean",
    "var",
    "part",
    "sample",
    "lanczos",
)


class ModelCase(NamedTuple):
    """A model, how to draw it, and how far a sample may be from it besides its standard errors.

    `bias` bounds the distance of the mean of matrices of size n from the law: of distribution
    functions smoothed by a fifth of the standard deviation, and, times the standard deviation, of
    means. It is of the order of 1/n of what is neglected.
    """

    name: str
    model: SpectralModel
    n: int | None
    runs: int
    bias: float
    has_law: bool = True
    has_transforms: bool = True


def known(samples=30, **options):
    rng = np.random.default_rng(0)
    first, x = rng.normal(size=(6, 5)) / np.sqrt(5), rng.normal(size=(samples, 5))
    fields = {"outputs": 6, "epsilon": 0.4, "activation": "tanh", "rng": 0} | options
    return DysonHessian.of_first_layer(first, x, **fields)


DYSON = known()


def trained():
    rng, net = np.random.default_rng(0), MLP((4, 4, 3))
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 3))
    return ConditionedHessian(net.at(net.init(rng=1), x, y))


CASES = [
    ModelCase("Wishart + Wigner", WishartPlusWigner(0.5, 0.3, 0.7), 150, 12, 0.004),
    ModelCase("Wishart + Wigner, atom", WishartPlusWigner(3.0, 0.0, 0.7), 150, 12, 0.004),
    ModelCase("Wishart + ReLU block", WishartPlusReluBlock(0.5, 0.3), 150, 12, 0.004),
    ModelCase("linear H0", LinearHessian(1, 1, 1, 4), 16, 16, 0.02),
    ModelCase("linear H1", LinearHessian(1, 1, 2, 4, epsilon=0.4).part("residual"), 8, 12, 0.02),
    ModelCase(
        "linear H",
        LinearHessian(1, 1, 1, 4, epsilon=0.4),
        8,
        12,
        0.03,
        has_law=False,
        has_transforms=False,
    ),
    ModelCase("population H0", PopulationHessian(1, 1, 1, 4, activation="erf"), 10, 8, 0.04),
    ModelCase(
        "population H1",
        PopulationHessian(1, 1, 1, 4, activation="relu", epsilon=0.4).part("residual"),
        10,
        8,
        0.03,
    ),
    ModelCase(
        "population H1, tanh",
        PopulationHessian(1, 1, 1, 4, activation="tanh", epsilon=0.4).part("residual"),
        10,
        8,
        0.04,
        has_law=False,
    ),
    ModelCase(
        "two legs",
        TwoLegHessian(1, 1, 1, 4, activation="erf", epsilon=0.4, legs=6, draws=3),
        10,
        8,
        0.04,
        has_law=False,
    ),
    ModelCase(
        "finite width",
        FiniteWidthHessian(
            TwoLegHessian(1, 1, 1, 4, activation="erf", epsilon=0.4, legs=6, draws=3), 12, small=8
        ),
        None,
        8,
        0.04,
        has_law=False,
    ),
    ModelCase("conditioned H", trained(), None, 60, 0.02),
    ModelCase(
        "critical points", CriticalPointHessian(4, 3, 3, 20, epsilon=0.2, draws=60), None, 60, 0.02
    ),
    ModelCase(
        "crossing corrected",
        CrossingCorrectedHessian(
            DYSON, TwoLegHessian(5, 6, 6, 30, activation="tanh", epsilon=0.4, legs=6, draws=2)
        ),
        None,
        60,
        0.03,
        has_law=False,
    ),
    ModelCase("Dyson H", DYSON, None, 60, 0.03),
    ModelCase("Dyson H0", DYSON.part("gauss_newton"), None, 60, 0.02),
    ModelCase("Dyson H1", DYSON.part("residual"), None, 60, 0.02),
    ModelCase(
        "finite size, H0",
        FiniteSizeHessian(known(samples=15, outputs=5, epsilon=0.0)),
        None,
        60,
        0.01,
        has_law=False,
    ),
    ModelCase(
        "conjugate kernel", ConjugateKernel(1.5, (1.2, 0.8), 1.0, activation="tanh"), 60, 12, 0.02
    ),
    ModelCase("tangent kernel", NeuralTangentKernel(1.5, (1.2, 0.8), 1.0), 60, 12, 0.04),
    ModelCase("deep H0", DeepGaussNewton((45, 40, 30, 1), 30, activation="erf"), None, 12, 0.02),
    ModelCase("linear Jacobian", LinearJacobian((1.0, 0.5, 0.8)), 60, 12, 0.02),
    ModelCase(
        "ReLU Jacobian",
        InputOutputJacobian(2, activation="relu", weight_variance=2.0),
        60,
        12,
        0.02,
    ),
    ModelCase("nonlinear Gram", NonlinearGram(1.0, 1.5, 1.0, activation="erf"), 60, 12, 0.02),
    ModelCase("logistic", GeneralisedLinearHessian(1.0, 4.0, weight_norm=1.0), 60, 12, 0.03),
    ModelCase("softmax", SoftmaxHessian(3, 1.0, 2.0, logit_std=0.5), 30, 12, 0.03),
]
# a law tabulated from some thousand solutions; averages over nine legs
SLOW = {"population H0", "two legs", "finite width", "crossing corrected"}
every = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.name in SLOW else [])
        for case in CASES
    ],
)
every_but_one = pytest.mark.parametrize(  # the law of its other part is tabulated
    "case",
    [
        pytest.param(
            case,
            id=case.name,
            marks=[pytest.mark.slow] if case.name in {*SLOW, "population H1"} else [],
        )
        for case in CASES
    ],
)
ABSTRACT = {"HessianModel"}


def test_every_public_model_is_in_the_table():
    public = {
        name
        for name in rmtland.models.__all__
        if isinstance(kind := getattr(rmtland.models, name), type)
        and issubclass(kind, SpectralModel)
    }
    assert public - ABSTRACT == {type(case.model).__name__ for case in CASES}


@pytest.mark.parametrize(
    "model",
    [case.model for case in CASES] + [case.ensemble for case in ENSEMBLES],
    ids=[case.name for case in CASES] + [case.name for case in ENSEMBLES],
)
def test_methods_are_methods_and_rng_is_a_keyword(model):
    assert isinstance(model, SpectralModel)
    for name in METHODS:
        assert callable(getattr(model, name)), name
    for name in ("sample", "lanczos"):
        parameters = inspect.signature(getattr(model, name)).parameters
        assert parameters["rng"].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters["rng"].default is None
        assert parameters["runs"].default == 1
    assert isinstance(inspect.getattr_static(type(model), "parts"), property)
    assert model.parts[-1] == "total"
    with pytest.raises(ValueError, match="total"):
        model.part("half")
    assert dataclasses.is_dataclass(model)


@every
def test_the_law_is_a_law_or_an_error_with_a_reason(case):
    if case.name.startswith("Dyson"):  # its table takes a while: tests/models/dyson
        return_type = inspect.signature(inspect.getattr_static(type(case.model), "law").func)
        assert issubclass(rmtland.models.TabulatedLaw, Law)
        assert "TabulatedLaw" in str(return_type.return_annotation)
    elif case.has_law:
        assert isinstance(case.model.law, Law)
        assert case.model.mean() == pytest.approx(case.model.law.mean(), rel=1e-9, abs=1e-12)
        assert case.model.var() == pytest.approx(case.model.law.var(), rel=1e-6)
    else:
        with pytest.raises(ValueError, match=r"part\(|smoothed|closed form") as caught:
            _ = case.model.law
        assert len(str(caught.value)) > 60


@every_but_one
def test_parts_have_the_same_interface_and_their_means_add_up(case):
    parts = {name: case.model.part(name) for name in case.model.parts}
    if set(parts) == {"total"}:  # no Hessian, or one that is a Gauss-Newton matrix
        assert parts["total"] is case.model
        return
    assert set(parts) == {"gauss_newton", "residual", "total"}
    for part in (case.model, parts["gauss_newton"], parts["residual"]):
        if case.has_transforms or part is not case.model:
            assert part.stieltjes(0.3 + 0.5j).imag < 0
            assert part.smoothed_pdf(0.3, eta=0.5) > 0
    total = parts["gauss_newton"].mean() + parts["residual"].mean()
    assert parts["total"].mean() == pytest.approx(total, rel=1e-9, abs=1e-12)
    if hasattr(parts["gauss_newton"], "index"):
        assert parts["gauss_newton"].index() == 0


@every
def test_transforms_agree_with_one_another(case):
    model, eta = case.model, 0.4 * case.model.var() ** 0.5
    if not case.has_transforms:
        for ask in (model.smoothed_pdf, model.smoothed_cdf):
            with pytest.raises(ValueError, match="closed form"):
                ask(0.3, eta=0.5)
        return
    x = case.model.mean() + np.array([-1.0, 0.0, 2.0]) * eta
    z = x + 1j * eta
    g = np.asarray(model.stieltjes(z))
    assert model.smoothed_pdf(x, eta=eta) == pytest.approx(-g.imag / np.pi, rel=1e-5)
    assert np.asarray(model.stieltjes(z.conj())) == pytest.approx(g.conj(), rel=1e-9)
    assert np.ndim(model.smoothed_pdf(x[0], eta=eta)) == 0
    assert model.smoothed_pdf([-np.inf, np.inf], eta=eta).tolist() == [0, 0]
    assert np.shape(model.smoothed_pdf(x.reshape(3, 1), eta=eta)) == (3, 1)
    if case.name == "population H1, tanh":
        with pytest.raises(ValueError, match="closed form"):
            model.smoothed_cdf(x, eta=eta)
        return
    assert model.smoothed_cdf([-np.inf, np.inf], eta=eta).tolist() == [0, 1]
    ends = model.smoothed_cdf(np.stack([x - 1e-3 * eta, x + 1e-3 * eta]), eta=eta)
    slope = (ends[1] - ends[0]) / (2e-3 * eta)
    assert slope == pytest.approx(model.smoothed_pdf(x, eta=eta), rel=1e-3)


def known_index(model):
    """Return the value of the index; a model whose error is too large to trust must refuse it."""
    if not hasattr(model, "solve_index"):
        return model.index()
    found = model.solve_index()
    if found.converged:
        assert model.index() == pytest.approx(float(found.value), abs=1e-9)
    else:
        with pytest.raises(ConvergenceError, match=r"the index is .* only"):
            model.index()
    return float(found.value)


def drawn(case):
    return case.model.sample(case.n, rng=7, runs=case.runs)


@every
def test_a_sample_agrees_with_the_model(case):
    """Within 5 standard errors over the runs and the bias; significance 6e-7 for each number."""
    model, spectrum = case.model, drawn(case)
    assert isinstance(spectrum, Spectrum)
    assert spectrum.runs == case.runs
    assert spectrum.is_complete
    nodes = spectrum.nodes
    deviation = model.var() ** 0.5

    def check(rows, expected, scale=1.0):
        error = rows.std(axis=0, ddof=1) / np.sqrt(case.runs)
        np.testing.assert_array_less(
            np.abs(rows.mean(axis=0) - expected), 5 * error + case.bias * scale + 1e-12
        )

    check(nodes.mean(axis=1), model.mean(), deviation)
    check(((nodes - model.mean()) ** 2).mean(axis=1), model.var(), 4 * deviation**2)
    if not case.has_transforms:
        return
    eta = deviation / 5
    x = model.mean() + np.linspace(-2, 2, 5) * deviation
    seen = (nodes[:, None, :] - x[None, :, None]) / eta
    check(
        (1 / (1 + seen**2)).mean(axis=2) / (np.pi * eta),
        model.smoothed_pdf(x, eta=eta),
        3 / deviation,
    )
    floor = 1e-10 * np.abs(nodes).max()
    check((nodes < -floor).mean(axis=1), known_index(model))
    if case.name != "population H1, tanh":  # it has no potential
        below = model.smoothed_cdf(x, eta=eta)
        check(0.5 - np.arctan(seen).mean(axis=2) / np.pi, below)


@every
def test_draws_are_reproduced_by_their_seed(case):
    one, two = (case.model.sample(case.n, rng=3) for _ in range(2))
    np.testing.assert_array_equal(one.nodes, two.nodes)
    assert (case.model.sample(case.n, rng=4).nodes != one.nodes).any()


@every
def test_lanczos_runs_have_the_moments_of_the_spectrum(case):
    """Means over runs of the first moment of the quadratures, 5 standard errors and the bias."""
    quadrature = case.model.lanczos(case.n, 4, rng=5, runs=max(case.runs, 20))
    assert quadrature.nodes.shape == quadrature.weights.shape == (max(case.runs, 20), 4)
    assert quadrature.alpha.shape == (max(case.runs, 20), 4)
    means = (quadrature.nodes * quadrature.weights).sum(axis=1)
    means = means / quadrature.weights.sum(axis=1)
    error = means.std(ddof=1) / np.sqrt(means.size)
    deviation = case.model.var() ** 0.5
    assert abs(means.mean() - case.model.mean()) < 5 * error + case.bias * deviation
    with pytest.raises(ValueError, match=r"steps|Lanczos"):
        case.model.lanczos(case.n, 10**6, rng=5)
