"""Checks at the door: what an argument must be, and what it cannot carry."""

import decimal
import fractions
import math
import sys

import numpy as np
import pytest
from scipy import sparse

from rmtland import (
    Discrete,
    LevyTriplet,
    MarchenkoPastur,
    Semicircle,
    TracyWidom,
    Uniform,
    arguments,
    free_sum,
    free_variables,
    law_of_polynomial,
    spike_strengths,
    spiked,
)
from rmtland.adapters.weight_files import read_weights
from rmtland.audit import audit_operators, audit_spectra, diagnose, expected_cost, memory_needed
from rmtland.ensembles import DeformedWigner, HaarProduct, HaarSum, SpikedEnsemble, WishartEnsemble
from rmtland.estimate import (
    SummedOperator,
    distribution_band,
    log_determinant,
    smooth_density,
    spectral_density,
)
from rmtland.free import MatrixDyson, kronecker_covariance
from rmtland.landscape.sharpness import generic_ranks
from rmtland.models import DeepGaussNewton, DysonHessian, LinearJacobian, TabulatedLaw
from rmtland.models.dyson.tabulated import tabulated_law
from rmtland.models.minimisers import UnitKernel
from rmtland.models.population import PopulationHessian
from rmtland.models.two_leg import FiniteWidthHessian, TwoLegHessian
from rmtland.networks import MLP, HessianSplit, train
from rmtland.networks.datasets import cifar10
from rmtland.optimizer import KroneckerPreconditioner, StartMeasure, design_margin, halting_time
from rmtland.spectrum import Spectrum
from rmtland.sweep import Store

ONE_NUMBER = [arguments.finite, arguments.positive, arguments.nonnegative]


@pytest.mark.parametrize("check", ONE_NUMBER)
@pytest.mark.parametrize(
    "value",
    [2, 2.0, np.float32(2), np.int8(2), np.array(2.0), fractions.Fraction(2), decimal.Decimal(2)],
)
def test_any_real_number_becomes_a_float(check, value):
    result = check("x", value)
    assert result == 2.0
    assert type(result) is float


@pytest.mark.parametrize("check", ONE_NUMBER)
@pytest.mark.parametrize(
    "value",
    [
        *(
            "2",
            b"2",
            True,
            np.True_,
            None,
            [2.0],
            (2.0,),
            np.array([2.0]),
            np.zeros((0,)),
            object(),
        ),
        *(1j, np.complex128(2 + 1j), np.complex64(2), np.array(2 + 1j), [[1.0], [1.0, 2.0]]),
    ],
)
def test_what_is_not_a_real_number_is_a_type_error_that_names_it(check, value):
    with pytest.raises(TypeError, match=r"^gamma must be (a real|one) number; got"):
        check("gamma", value)


@pytest.mark.parametrize("check", ONE_NUMBER)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_is_not_finite_is_a_value_error_that_names_it(check, value):
    with pytest.raises(ValueError, match=r"^gamma must be .*finite number; got"):
        check("gamma", value)


def test_signs():
    assert arguments.finite("x", -3) == -3
    with pytest.raises(ValueError, match="positive"):
        arguments.positive("x", 0)
    with pytest.raises(ValueError, match="positive"):
        arguments.positive("x", -1e-300)
    assert arguments.nonnegative("x", 0) == 0
    assert math.copysign(1, arguments.nonnegative("x", -0.0)) == 1
    with pytest.raises(ValueError, match="zero or a positive"):
        arguments.nonnegative("x", -1e-300)


def test_numbers_too_large_for_a_float():
    with pytest.raises((TypeError, ValueError), match="x must be"):
        arguments.positive("x", 10**400)


@pytest.mark.parametrize("value", [sys.maxsize, np.uint64(sys.maxsize), 2.0**62, np.float32(3)])
def test_an_array_has_at_most_the_largest_index_of_entries(value):
    assert arguments.length("probes", value) == int(value)
    with pytest.raises(ValueError, match="probes must be an integer of at least 0"):
        arguments.length("probes", -value if isinstance(value, int | float) else -1, min_value=0)


@pytest.mark.parametrize("value", [sys.maxsize + 1, np.uint64(2**63), 1e19, 10**300])
def test_more_entries_than_an_array_has_are_refused(value):
    with pytest.raises(ValueError, match=f"probes must be .* at most {sys.maxsize}"):
        arguments.length("probes", value)


@pytest.mark.parametrize("value", [10**400, -(10**5000)], ids=["long", "longer"])
def test_an_integer_past_all_floats_is_named_by_its_length(value):
    """The second has more digits than Python prints."""
    for check, argument in [
        (arguments.positive, value),
        (arguments.points, value),
        (arguments.points, [1.0, value]),
        (arguments.complex_points, [value]),
    ]:
        with pytest.raises(TypeError, match=f"x must be .* of {value.bit_length()} binary digits"):
            check("x", argument)
    with pytest.raises(ValueError, match="k must be an integer of at least 1; got an integer of"):
        arguments.count("k", -(10**5000))
    with pytest.raises(
        ValueError, match="k must be an integer that floats hold; got an integer of"
    ):
        arguments.count("k", abs(value))
    with pytest.raises(ValueError, match="k must be an integer that floats hold; got 17976"):
        arguments.count("k", 2**1024 - 1)
    assert arguments.count("k", sys.float_info.max) == int(sys.float_info.max)


PAIR = Discrete((1.0, 2.0), (0.5, 0.5))
OF_BETA = [
    lambda beta: DeformedWigner(PAIR, beta=beta),
    lambda beta: HaarSum(PAIR, PAIR, beta=beta),
    lambda beta: HaarProduct(PAIR, PAIR, beta=beta),
    lambda beta: Semicircle().edge_scale(9, beta=beta),
    lambda beta: TracyWidom(beta),
]


@pytest.mark.parametrize("make", OF_BETA)
def test_a_dyson_index_is_one_of_a_few_numbers(make):
    for value in (1, 2.0, np.int8(1), np.array(2)):
        made = make(value)
        assert type(getattr(made, "beta", 1)) is int
    for value in (True, np.False_, [1], np.array([1, 2])):
        with pytest.raises(TypeError, match="beta must be"):
            make(value)
    for value in (3, 10**5000):
        with pytest.raises(
            ValueError, match=r"beta must be (1.* or .*|.* floats hold); got (3|an integer of)"
        ):
            make(value)


@pytest.mark.parametrize("value", [True, np.True_])
def test_a_truth_value_is_no_point(value):
    model = (1.0, 1.0, 1.0, 1.0)
    for make in (
        lambda: arguments.points("x", value),
        lambda: arguments.complex_points("x", value),
        lambda: SpikedEnsemble(WishartEnsemble(0.5), spikes=value),
        lambda: PopulationHessian(*model, covariance=value),
        lambda: TwoLegHessian(*model, covariance=value, epsilon=0.1),
    ):
        with pytest.raises(TypeError, match="must be"):
            make()


def test_masked_spikes_and_covariances_are_refused():
    """They counted with the values under the mask."""
    masked = np.ma.array([3.0, 4.0], mask=[False, True])
    with pytest.raises(ValueError, match="masks 1 of its 2"):
        SpikedEnsemble(WishartEnsemble(0.5), spikes=masked)
    for take in (
        lambda: PopulationHessian(1.0, 1.0, 1.0, 1.0, covariance=masked),
        lambda: free_sum(masked, Semicircle()),
        lambda: HaarSum(Semicircle(), masked),
        lambda: spiked(Semicircle(), spikes=masked),
        lambda: spike_strengths(masked, Semicircle()),
        lambda: MatrixDyson(masked, np.eye(2)),
        lambda: kronecker_covariance([np.ma.diag(masked)]),
        lambda: Uniform(0.0, 1.0).r_transform(masked),
        lambda: LevyTriplet(1.0).r_transform(masked),
    ):
        with pytest.raises(ValueError, match=r"masks 1 of its [24]"):
            take()


def test_truth_values_and_callables():
    assert arguments.truth("bias", np.True_) is True
    assert arguments.callable_or_none("progress", None) is None
    assert arguments.callable_or_none("progress", print) is print
    net, spectrum = MLP((2, 2)), Spectrum([1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    x = np.ones((3, 2))
    for make, message in (
        (lambda: arguments.truth("bias", 1), "bias must be True or False; got 1"),
        (lambda: free_variables("x", self_adjoint=None), "self_adjoint must be True or False"),
        (lambda: audit_spectra(spectrum, piecewise_linear=2), "piecewise_linear must be True or"),
        (lambda: audit_spectra(spectrum, progress=3), "progress must be a callable or None; got 3"),
        (lambda: audit_spectra(spectrum, levels=3), "levels must be a list or a tuple; got 3"),
        (lambda: audit_spectra(spectrum, laws=[Semicircle()]), "laws must be a dictionary of laws"),
        (lambda: train(net, net.init(rng=0), x, x, callback=3), "callback must be a callable"),
        (lambda: train(None, net.init(rng=0), x, x), "expected a network such as MLP; got NoneTy"),
        (lambda: HessianSplit(None, np.eye(2)), "gauss_newton must be an array; got NoneType"),
    ):
        with pytest.raises(TypeError, match=message):
            make()
    with pytest.raises(ValueError, match="error must be zero or positive; got -1"):
        TabulatedLaw([0.0, 1.0], [1.0], error=-1.0)


NUMBERS = Spectrum([1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
CURVATURES = np.diag([1.0, 2.0, 3.0])
DYSON = DysonHessian.of_first_layer(
    np.eye(2), np.ones((3, 2)), outputs=2, epsilon=0.5, activation="relu"
)
LEGS = TwoLegHessian(1, 1, 1, 4, activation="relu", epsilon=0.5, legs=6, draws=4)


def halting(**options):
    return halting_time(CURVATURES, gradient=np.ones(3), objective="gradient", **options)


def trained(**options):
    net = MLP((2, 2))
    return train(net, net.init(rng=0), np.ones((3, 2)), np.ones((3, 2)), max_steps=1, **options)


# call, error, what its message says
REFUSED = [
    (lambda: halting(method=3), TypeError, r"method must be one such as GradientDescent\(0.1\)"),
    (lambda: halting(progress=3), TypeError, "progress must be a callable or None; got 3"),
    (lambda: halting(max_steps=10**400), ValueError, "max_steps must be an integer that floats"),
    (
        lambda: spectral_density(np.eye(3), probes=10**19),
        ValueError,
        "probes must be an integer of",
    ),
    (lambda: log_determinant(np.eye(3), probes=10**19), ValueError, "probes must be an integer"),
    (lambda: Semicircle().moment(10**19), ValueError, "k must be an integer of at most"),
    (lambda: Semicircle().free_cumulants(10**19), ValueError, "k must be an integer of at most"),
    (lambda: design_margin(3, 9), TypeError, "law must be a law, or a model that has one; got int"),
    (lambda: StartMeasure("x", "x"), TypeError, "nodes must be real numbers"),
    (lambda: KroneckerPreconditioner(3), TypeError, "factors must be a list or a tuple"),
    (lambda: smooth_density(None, [0.0]), TypeError, "spectrum must be a Spectrum"),
    (lambda: distribution_band(None, [0.0]), TypeError, "spectrum must be a Spectrum"),
    (lambda: memory_needed(None), TypeError, "point must be a LossPoint"),
    (lambda: expected_cost(MLP((2, 2))), TypeError, "point must be a LossPoint"),
    (lambda: diagnose(None), TypeError, "point must be a LossPoint"),
    (lambda: audit_operators(None), TypeError, "operator"),
    (lambda: audit_spectra(NUMBERS, levels=[]), ValueError, "levels must name at least one level"),
    (lambda: law_of_polynomial(lambda x: x, x=PAIR, progress=3), TypeError, "progress must be"),
    (lambda: DYSON.solve(1j, progress=3), TypeError, "progress must be a callable or None; got 3"),
    (
        lambda: tabulated_law(DYSON, progress=3),
        TypeError,
        "progress must be a callable or None; got 3",
    ),
    (lambda: LEGS.solve(1j, progress=3), TypeError, "progress must be a callable or None; got 3"),
    (
        lambda: FiniteWidthHessian(LEGS, 64, small=8, runs=20).solve(1j, progress=3),
        TypeError,
        "progress must be a callable or None; got 3",
    ),
    (lambda: trained(momentum=math.nan), ValueError, "momentum must be"),
    (lambda: trained(momentum=1.0), ValueError, "momentum and betas must be below 1"),
    (lambda: trained(method="gd", betas=3), TypeError, "betas must be a list or a tuple"),
    (lambda: trained(method="adam", betas=(0.9,)), ValueError, "betas must be two numbers"),
    (lambda: trained(checkpoint=3), TypeError, "checkpoint must be a path"),
    (lambda: Store(3), TypeError, "path must be a path, a string or a Path; got 3"),
    (lambda: NUMBERS.save(3), TypeError, "path must be a path"),
    (lambda: Spectrum.load(True), TypeError, "path must be a path"),
    (lambda: cifar10(None), TypeError, "folder must be a path"),
    (lambda: read_weights(3), TypeError, "path must be a path"),
    (lambda: UnitKernel("linear").value(-2.5), ValueError, "t must be cosines between 0 and 1"),
    (lambda: UnitKernel("relu").slope([0.5, 1.001]), ValueError, "between 0 and 1; got 0.5 to"),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_wrong_arguments_are_refused_by_name(case):
    """They ended in an error of the inside, or without a word: a kernel of -403 at a cosine."""
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        call()


def test_cosines_that_rounding_leaves_above_1():
    above = np.nextafter(1.0, 2.0)
    for name in ("relu", "sine", "tanh"):
        kernel = UnitKernel(name)
        assert kernel.value(above) == kernel.value(1.0) == pytest.approx(1.0)
        assert kernel.slope(above) == kernel.slope(1.0)
    assert UnitKernel("linear").value([]).shape == (0,)


def test_sequences():
    assert arguments.entries("widths", np.array([1, 2])) == (1, 2)
    for wrong in (None, 3, 1.5, "12", {1: 2}, lambda: 1):
        with pytest.raises(TypeError, match=r"^widths must be a list or a tuple; got"):
            arguments.entries("widths", wrong)
    for make in (
        lambda: LevyTriplet(rates=2.0),
        lambda: LinearJacobian(2),
        lambda: DeepGaussNewton(2, 3),
        lambda: free_variables(None),
        lambda: generic_ranks(3),
        lambda: SummedOperator(3),
        lambda: kronecker_covariance(3),
    ):
        with pytest.raises(TypeError, match="must be a list or a tuple; got"):
            make()


@pytest.mark.parametrize("value", [3, np.int16(3), 3.0, np.float32(3), np.array(3)])
def test_counts_are_integers(value):
    result = arguments.count("k", value)
    assert result == 3
    assert type(result) is int


@pytest.mark.parametrize(
    "value", [2.5, "3", None, True, np.False_, [3], math.nan, math.inf, 3 + 0j]
)
def test_what_is_not_a_count(value):
    with pytest.raises(TypeError, match=r"^k must be an integer"):
        arguments.count("k", value)


def test_least_counts():
    assert arguments.count("k", 0, min_value=0) == 0
    assert arguments.count("k", 1) == 1
    with pytest.raises(ValueError, match="k must be an integer of at least 1; got 0"):
        arguments.count("k", 0)
    with pytest.raises(ValueError, match="at least 5; got 4"):
        arguments.count("k", 4, min_value=5)


def test_choices():
    assert arguments.choice("colour", "red", ("red", "blue")) == "red"
    with pytest.raises(ValueError, match="unknown colour 'green'; choose one of red, blue"):
        arguments.choice("colour", "green", ("red", "blue"))
    with pytest.raises(ValueError, match="unknown colour None"):
        arguments.choice("colour", None, ("red", "blue"))
    with pytest.raises(ValueError, match="unknown colour array"):
        arguments.choice("colour", np.array([0.3, 0.5]), ("red", "blue"))


@pytest.mark.parametrize(
    ("value", "shape"),
    [(1, ()), ([], (0,)), ([1, 2], (2,)), (np.zeros((2, 0)), (2, 0)), ([[True], [False]], (2, 1))],
)
def test_points_are_float64_of_any_shape(value, shape):
    result = arguments.points("x", value)
    assert result.dtype == np.float64
    assert result.shape == shape


def test_points_may_be_infinite_but_not_nan():
    assert arguments.points("x", [math.inf, -math.inf]).size == 2
    with pytest.raises(ValueError, match="x holds 2 NaN of 3 values"):
        arguments.points("x", [math.nan, 1.0, math.nan])


def test_points_in_float64_are_not_copied():
    x = np.array([1.0, 2.0])
    assert arguments.points("x", x) is x


@pytest.mark.parametrize(
    "value",
    [
        "1",
        ["1"],
        1j,
        np.zeros(0, dtype=complex),
        None,
        [None],
        [object()],
        np.array("2020-01-01", dtype="M8[D]"),
        np.zeros(0, dtype="U1"),
    ],
)
def test_points_that_are_not_real_numbers(value):
    with pytest.raises(TypeError, match="x must be real numbers; got dtype"):
        arguments.points("x", value)


def test_ragged_points_are_refused():
    for ragged in ([[1.0], [1.0, 2.0]], ([1.0], 2.0), [[[1.0]], [[]]]):
        with pytest.raises(ValueError, match=r"^x must have rows of equal lengths; got"):
            arguments.points("x", ragged)


def test_float_arrays():
    x = np.arange(12.0).reshape(3, 4)[:, ::2]
    result = arguments.float_array("x", x, ndim=2)
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, x)
    with pytest.raises(ValueError, match=r"x must have 1 axes; got shape \(3, 2\)"):
        arguments.float_array("x", x, ndim=1)
    with pytest.raises(ValueError, match="x is empty"):
        arguments.float_array("x", [], ndim=1)
    with pytest.raises(ValueError, match="infinite"):
        arguments.float_array("x", [1.0, math.inf], ndim=1)
    with pytest.raises(ValueError, match="NaN"):
        arguments.float_array("x", [1.0, math.nan], ndim=1)
    with pytest.raises(TypeError, match="real numbers"):
        arguments.float_array("x", ["a"], ndim=1)


# What NumPy would drop without a word ----------------------------------------------------------

DOORS = {
    "points": lambda x: arguments.points("x", x),
    "complex_points": lambda x: arguments.complex_points("x", x),
    "float_array": lambda x: arguments.float_array("x", x, ndim=1),
    "Spectrum": Spectrum,
    "pdf": MarchenkoPastur(0.5).pdf,
    "cdf": MarchenkoPastur(0.5).cdf,
}


class Quantity(np.ndarray):
    """An array with a unit, as those of astropy and pint."""

    unit = "GeV"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.ma.masked_array([1.0, 2.0, 99.0], [0, 0, 1]), ValueError, "masks 1 of its 3 values"),
        ([np.ma.masked, 1.0], (ValueError, TypeError), "mask"),
        (np.array([1.0, 2.0]).view(Quantity), TypeError, "got the unit GeV"),
        (sparse.csr_array(np.eye(1)), TypeError, "got a sparse one"),
    ],
    ids=["mask", "masked entry", "unit", "sparse"],
)
def test_masks_units_and_sparse_arrays_are_refused(door, value, error, message):
    with pytest.raises(error, match=message):
        DOORS[door](value)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_arrays_of_other_libraries_on_any_device(door, library):
    xp = pytest.importorskip(library)
    values = np.array([0.5, 1.0, 2.5])
    if library == "torch":
        array = xp.tensor(values, requires_grad=True)
    else:
        array = xp.asarray(values, device=xp.Device("device1"))
    got, expected = DOORS[door](array), DOORS[door](values)
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


@pytest.mark.parametrize("door", DOORS)
def test_lists_of_numbers_on_a_device(door):
    xp = pytest.importorskip("array_api_strict")
    values = [0.5, 1.0, 2.5]
    there = [xp.asarray(value, device=xp.Device("device1")) for value in values]
    got, expected = DOORS[door](there), DOORS[door](values)
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


def test_one_masked_number():
    for check in (*ONE_NUMBER, arguments.count):
        with pytest.raises((TypeError, ValueError), match="x must be"):
            check("x", np.ma.masked)
        with pytest.raises(TypeError, match="got a masked one"):
            check("x", np.ma.masked_array(2.0, True))
        with pytest.raises(TypeError, match="got a masked one"):
            check("x", np.ma.masked_array(2, True))  # a count was 2


def test_complex_points():
    result = arguments.complex_points("z", [1, 2j])
    assert result.dtype == np.complex128
    with pytest.raises(TypeError, match="z must be complex numbers; got dtype <U1"):
        arguments.complex_points("z", ["a"])
    with pytest.raises(ValueError, match="z holds 1 NaN of 2 values"):
        arguments.complex_points("z", [1.0, math.nan])
    with pytest.raises(ValueError, match="z must be finite"):
        arguments.complex_points("z", [1.0, math.inf])
