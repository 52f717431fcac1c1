"""Small inputs that once gave a wrong answer without a word, or none, with their right values.

The last table names the test of every input that takes a file, a process or a device.
"""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import rmtland
from rmtland import (
    Arcsine,
    Discrete,
    EmpiricalLaw,
    HaarProduct,
    HaarSum,
    JacobiWeight,
    KestenMcKay,
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    Uniform,
    Wachter,
    WishartPlusWigner,
    compare,
    fit,
    free_compression,
    free_deconvolution,
    free_power,
    free_product,
    free_sum,
    law_of_polynomial,
)
from rmtland.ensembles import GaussianEnsemble
from rmtland.free import kronecker_gaussian

SIGNS = Discrete((-1.0, 1.0), (0.5, 0.5))


def projection(trace):
    return Discrete((0.0, 1.0), (1 - trace, trace))


# Wrong without a word ----------------------------------------------------------------------------


@pytest.mark.slow
def test_masses_of_polynomials_are_no_whole_turn_off():
    law = law_of_polynomial(lambda x, y: x * y + y * x, x=projection(0.7), y=Uniform(1.0, 2.0))
    assert law.atoms == ()
    np.testing.assert_allclose(law.cdf([0.0, 1.0, 2.0, 4.0]), [0.3, 0.3, 0.3, 1.0], atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("trace", "atoms"), [(0.5, {0.0: 0.5}), (0.75, {0.0: 0.25, 1.0: 0.5})])
def test_atoms_of_polynomials_of_projections_are_exact(trace, atoms):
    p = projection(trace)
    law = law_of_polynomial(lambda x, y: x * y * x, x=p, y=p)
    assert dict(law.atoms) == pytest.approx(atoms, abs=1e-15)


@pytest.mark.slow
def test_the_edge_of_a_polynomial_of_projections_is_exact():
    law = law_of_polynomial(lambda x, y: x * y + y * x + x, x=projection(0.25), y=projection(0.5))
    assert law.hull[0] == pytest.approx(-1 / 8, abs=2e-16)


def test_the_atom_of_half_a_semicircle_is_one_half():
    law = kronecker_gaussian([[[1, 0], [0, 0]]], mean=[[0, 0], [0, 1]])
    assert law.atoms == ((1.0, 0.5),)


def test_the_distribution_function_of_a_signed_product_increases():
    sample = EmpiricalLaw(np.random.default_rng(3).normal(size=90))
    law = free_product(sample, MarchenkoPastur(1000.0))
    assert law.mass_below(0.0) == pytest.approx(9.65e-4, abs=5e-6)  # of large block matrices
    assert law.ppf(0.5) == 0.0
    assert law.cdf(-1.0) <= law.mass_below(0.0) <= law.cdf(0.0)


def test_a_lower_tail_is_no_upper_one():
    weight = JacobiWeight(-0.5, 2.5, -0.3956985636775357, 0.7981089124062357)
    law = free_compression(free_sum(weight, projection(0.75)), 0.5)
    assert 0 <= law.cdf(0.6004261028383667) < 1e-12


def test_beside_a_critical_atom():
    wachter = Wachter(2.0, 0.4778964900675486)
    law = free_sum(wachter, wachter)
    assert law.support[0][0] == 0.0
    np.testing.assert_allclose(law.cdf([1e-20, 1e-18]), [9.2e-11, 9.2e-10], rtol=2e-3)
    assert free_product(law, Semicircle()).mean() == pytest.approx(0.0, abs=1e-15)


def test_single_precision_has_its_own_zero():
    x = np.random.default_rng(0).normal(size=(400, 200)).astype("float32")
    gram = x @ x.T / np.float32(200)
    spectrum = Spectrum.from_matrix((gram + gram.T) / 2)
    assert spectrum.index() == 0.0
    assert compare(spectrum, MarchenkoPastur(2.0)).kolmogorov == pytest.approx(0.0064, abs=1e-4)
    fitted = fit(spectrum, MarchenkoPastur, fix={"scale": 1.0}, resamples=0, rng=0)
    assert fitted.parameters["aspect_ratio"] == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize("kind", [HaarSum, HaarProduct])
def test_every_sampler_of_six_rotated_points_has_the_same_trace(kind):
    points = Discrete((0.5, 2.0, 7.0), (0.25, 0.5, 0.25))
    mean = np.mean([0.5, 0.5, 2.0, 2.0, 2.0, 7.0])  # quantiles (k + 1/2)/6; a tie goes down
    exact = 2 * mean if kind is HaarSum else mean**2
    ensemble = kind(points, points)
    draws = ensemble.sample(6, rng=0, runs=400)
    lanczos = ensemble.lanczos(6, 6, rng=0, runs=2000)
    for spectrum in (draws, lanczos):
        means = np.average(spectrum.nodes, axis=1, weights=spectrum.weights)
        off = 4 * means.std(ddof=1) / np.sqrt(means.size)  # four standard errors
        assert means.mean() == pytest.approx(exact, abs=max(off, 1e-12))


def test_the_error_of_a_model_is_that_of_the_parameters_asked_for():
    law = WishartPlusWigner(0.7975321173899305, 3.875373349498966e-06).law
    assert 4.3e-13 <= law.solve(3.583629772634795).error < 1e-9  # true error 4.3e-13


def test_a_mask_is_not_lost():
    with pytest.raises(ValueError, match="masks 1 of its 3 values"):
        Spectrum(np.ma.masked_array([1.0, 2.0, 99.0], [0, 0, 1]))


# Refused where an answer exists ------------------------------------------------------------------


def test_powers_and_compressions_of_a_point_mass_are_atoms():
    point = Discrete((1.5,), (1.0,))
    power, corner = free_power(point, 2.5), free_compression(point, 0.5)
    assert (power.support, power.atoms) == ((), ((3.75, 1.0),))
    assert (corner.support, corner.atoms) == ((), ((1.5, 1.0),))


def test_half_a_semicircle_and_an_atom_at_its_edge():
    law = kronecker_gaussian([[[1, 0], [0, 0]]], mean=[[0, 0], [0, 2]])
    assert law.atoms == ((2.0, 0.5),)
    np.testing.assert_allclose(law.support, [(-2.0, 2.0)], atol=1e-12)


def test_polynomials_of_a_sign_whose_square_is_one():
    law = law_of_polynomial(lambda x, y: x * x * y + y * x * x, x=SIGNS, y=projection(0.75))
    assert dict(law.atoms) == pytest.approx({0.0: 0.25, 2.0: 0.75}, abs=1e-15)


def test_the_anticommutator_of_two_free_signs_is_arcsine():
    law = law_of_polynomial(lambda x, y: x * y + y * x, x=SIGNS, y=SIGNS)
    x = np.linspace(-1.99, 1.99, 21)
    np.testing.assert_allclose(law.cdf(x), Arcsine(-2.0, 2.0).cdf(x), atol=1e-14)


def test_a_signed_product_that_is_nearly_two_point():
    law = free_product(KestenMcKay(1.99), Uniform(0.9166498584100999, 0.9528081526879218))
    assert law.cdf(0.0) == pytest.approx(0.5, abs=1e-12)  # symmetric
    assert law.pdf(0.5) == pytest.approx(law.pdf(-0.5), rel=1e-9)


def test_the_population_of_a_spectrum_of_half_its_rank():
    scales = np.sqrt(np.repeat([1.0, 5.0], 150))[:, None]
    x = scales * np.random.default_rng(0).normal(size=(300, 150))
    measured = EmpiricalLaw.of(Spectrum.from_matrix(x @ x.T / 150))
    found = free_deconvolution(measured, MarchenkoPastur(2.0), kind="multiplicative")
    low, high = found.law.ppf([0.25, 0.75])
    assert low == pytest.approx(1.0, abs=0.3)
    assert high == pytest.approx(5.0, abs=0.8)


def test_a_point_mass_is_compared_and_drawn():
    point = Discrete((1.0,), (1.0,))
    assert compare(Spectrum([1.0, 1.0, 1.1]), point).kolmogorov == pytest.approx(1 / 3)
    axes = Figure().subplots()
    assert point.plot(axes) is axes


def test_complex_hermitian_matrices_have_spectra():
    matrix = GaussianEnsemble(2.0).matrix(50, rng=0)
    np.testing.assert_allclose(
        Spectrum.from_matrix(matrix).nodes[0], np.linalg.eigvalsh(matrix), atol=1e-13
    )


def test_weights_of_single_precision_are_taken_and_others_told_how_far_off():
    weights = np.full(7, np.float32(1) / np.float32(7))
    assert Spectrum(np.arange(7.0), weights=weights).weights.sum() == pytest.approx(1, abs=1e-15)
    with pytest.raises(ValueError, match=r"sums to 1\.1, off by \+0\.1"):
        Spectrum([1.0, 2.0], weights=[0.5, 0.6])


def test_a_measured_spectrum_is_an_operand_and_any_law_a_family():
    spectrum = Spectrum(np.random.default_rng(0).normal(size=30))
    total = free_sum(spectrum, Semicircle())
    assert total.var() == pytest.approx(spectrum.var() + 1, rel=1e-12)
    assert set(fit(spectrum, Semicircle, resamples=0, rng=0).parameters) == {"variance", "center"}


def test_fields_of_a_semicircle_are_replaced():
    assert dataclasses.replace(Semicircle(0.5), variance=2.0) == Semicircle(2.0)


def test_rooms_are_there_after_the_import():
    assert rmtland.__version__
    assert rmtland.audit.__name__ == "rmtland.audit"
    assert rmtland.plot.__name__ == "rmtland.plot"


# Files, processes, devices: tested where they belong ---------------------------------------------

ELSEWHERE = {
    "outliers between two bands": "comparison/test_outliers.py::test_every_edge_has_its_own_scale",
    "a fit that runs off": "comparison/test_fitting.py"
    "::test_a_family_fits_no_worse_than_the_laws_within_it",
    "options that have no effect": "cli/test_audit.py::test_bad_input_gives_one_line",
    "seeds cut to 32 bits": "test_streams.py::test_a_run_has_the_same_key_whatever_their_number",
    "training resumed with other data": "networks/training/test_training.py"
    "::test_resuming_with_other_data_is_refused",
    "index of smoothed laws at any scale": "models/test_smoothed_index.py"
    "::test_the_index_is_within_its_error_at_any_scale",
    "read-only container": "test_compiled.py::test_the_command_line_in_a_read_only_container",
    "workers forked after a parallel kernel": "test_compiled.py"
    "::test_a_process_forked_after_a_parallel_kernel",
    "two threads": "test_compiled.py::test_two_threads_on_numbas_own_pool",
    "data on another device": "networks/test_devices.py::test_everything_stays_on_the_device",
    "training on another device": "networks/test_devices.py::test_training_on_the_device",
    "a cluster without workers": "sweep/test_executors.py"
    "::test_dask_cluster_that_has_lost_all_its_workers",
    "an innocent neighbour": "sweep/test_executors.py"
    "::test_a_task_that_kills_dask_workers_takes_no_neighbour_with_it",
    "errors of any kind": "sweep/test_outcome.py::test_an_error_of_any_kind_is_data",
    "a store in memory": "sweep/test_store.py::test_a_store_in_memory_is_closed_with_its_last_user",
    "figures in the sdist": "test_distribution.py::test_the_sdist_holds_what_its_tests_need",
    "numbers that agree": "cli/test_overlay.py::test_table_figure_and_report_have_the_same_numbers",
    "a missed energy": "cli/test_overlay.py::test_a_missed_energy_is_said_and_ends_in_code_1",
    "what cannot be written": "cli/test_overlay.py"
    "::test_what_cannot_be_written_is_noticed_before_the_work",
    "size before the work": "cli/test_audit.py::test_size_is_checked_before_training",
    "sweeps without bounds": "cli/test_sweep_command.py"
    "::test_sweeps_without_bounds_are_refused_at_once",
    "one failed, and why": "cli/test_sweep_command.py"
    "::test_a_matrix_too_large_is_named_as_the_reason",
    "python -m rmtland": "test_import.py::test_python_m_rmtland",
    "names of files": "spectrum/test_files.py::test_a_file_is_found_by_the_name_it_was_saved_under",
    "array files": "spectrum/test_files.py::test_an_array_file_says_how_to_read_it",
    "pipes": "spectrum/test_files.py::test_a_pipe_and_a_device_are_not_waited_for",
    "bombs": "spectrum/test_files.py::test_a_small_file_that_claims_gigabytes_is_not_unpacked",
    "modes of files": "spectrum/test_files.py"
    "::test_a_new_file_follows_the_umask_and_an_old_one_keeps_its_mode",
    "representations": "audit/test_hessian_audit.py::test_short_words",
    "equal spectra": "spectrum/test_measure.py::test_equal_spectra_are_equal_and_others_are_not",
    "titles of one line": "audit/test_drawing.py"
    "::test_the_title_is_one_line_and_the_verdict_is_under_it",
    "curves that were cut off": "audit/test_drawing.py::test_the_highest_curve_is_shown_whole",
    "Ctrl-C at the start": "test_import.py::test_ctrl_c_at_any_moment_of_the_start",
    "Ctrl-C in sweeps": "cli/test_sweep_command.py::test_ctrl_c",
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_inputs_that_take_more_than_a_line_are_tested_where_they_belong(kind):
    path, name = ELSEWHERE[kind].split("::")
    text = (Path(__file__).parent / path).read_text("utf-8")
    assert re.search(rf"^def {name}\(", text, re.MULTILINE)
