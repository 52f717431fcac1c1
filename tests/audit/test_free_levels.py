"""Laws of free probability of levels 0-4."""

import numpy as np
import pytest

from rmtland import (
    MarchenkoPastur,
    Semicircle,
    Spectrum,
    WishartPlusWigner,
    compare,
    free_sum,
)
from rmtland.audit.free_levels import (
    FreeTheory,
    free_sum_of_parts,
    free_theories,
    quantile_law,
    trace_matched_model,
)
from rmtland.audit.level_result import LevelResult
from rmtland.audit.levels import Family, Level
from rmtland.audit.measured import MeasuredHessian


def test_quantile_law_keeps_zeros_and_the_distribution_function():
    rng = np.random.default_rng(0)
    values = np.concatenate([np.zeros(300), rng.normal(size=700)])
    noisy = values.copy()
    noisy[:300] = 1e-16 * rng.normal(size=300)
    law = quantile_law(noisy, atoms=100)
    assert len(law.atoms) <= 100
    # a quantile of 100 is off by at most one of them
    assert dict(law.atoms)[0.0] == pytest.approx(0.3, abs=0.011)
    x = np.linspace(-2, 2, 41)
    measured = np.searchsorted(np.sort(values), x, side="right") / 1000
    assert law.cdf(x) == pytest.approx(measured, abs=0.0101)
    assert quantile_law(np.array([1.0, 2.0])).atoms == ((1.0, 0.5), (2.0, 0.5))


def test_quantile_law_of_an_estimate_has_its_weights():
    spectrum = Spectrum([-1.0, 0.0, 3.0], [0.2, 0.3, 0.5], dimension=50)
    law = quantile_law(spectrum, atoms=100)
    assert dict(law.atoms) == pytest.approx({-1.0: 0.2, 0.0: 0.3, 3.0: 0.5}, abs=0.0101)


def test_free_sum_of_parts_is_the_free_sum():
    first, second = MarchenkoPastur(0.5), Semicircle(0.3)
    x = np.linspace(-1, 3, 9)
    exact = free_sum(first, second).cdf(x)
    assert free_sum_of_parts(first, second).cdf(x) == pytest.approx(exact)
    assert free_sum_of_parts(first, None) is first
    # quantiles of the law in place of the law
    nodes = first.ppf((np.arange(400) + 0.5) / 400)
    assert free_sum_of_parts(nodes, second).cdf(x) == pytest.approx(exact, abs=1 / 200)


def test_traces_are_matched():
    rng = np.random.default_rng(1)
    h0, h1 = rng.gamma(2.0, size=50), rng.normal(size=50)
    law = trace_matched_model(WishartPlusWigner, 0.7, h0, Spectrum(h1)).law
    assert law.mean() == pytest.approx(h0.mean())
    assert law.var() == pytest.approx(0.7 * h0.mean() ** 2 + (h1**2).mean())


def test_what_is_missing_is_named():
    measured = MeasuredHessian(Spectrum(np.arange(9.0)))
    reasons = {theory.level: theory.applies(measured) for theory in free_theories(measured)}
    assert "phi" in reasons[Level.PRINTED]
    assert "spectra of H0 and H1" in reasons[Level.MEASURED_PARTS]
    few = MeasuredHessian(Spectrum([0.0, 1.0, 1.0]), phi=0.5, energy=0.1)
    assert "distinct" in FreeTheory(Level.FITTED, Family.WIGNER).applies(few)
    assert FreeTheory(Level.PRINTED, Family.WIGNER).applies(few) is None


def test_measured_spectra_are_checked():
    with pytest.raises(TypeError, match="total must be a Spectrum"):
        MeasuredHessian(np.ones(3))
    with pytest.raises(ValueError, match="phi"):
        MeasuredHessian(Spectrum([1.0]), phi=-1.0)
    with pytest.raises(ValueError, match="energy"):
        MeasuredHessian(Spectrum([1.0]), energy=-1.0)


def test_levels_have_a_number_a_key_and_a_sentence():
    assert len({level.value for level in Level}) == len(Level)
    assert Level("dyson") is Level.DYSON
    for level in Level:
        assert isinstance(level.number, int)
        assert level.sentence


def test_old_names_of_a_result_warn():
    spectrum = Spectrum([-1.0, 0.0, 1.0])
    result = LevelResult(
        Level.PRINTED, Family.WIGNER, Semicircle(), compare(spectrum, Semicircle())
    )
    with pytest.warns(DeprecationWarning, match="index_difference"):
        assert result.index_error == result.index_difference
    with pytest.warns(DeprecationWarning, match="edge_differences"):
        assert result.edge_errors == result.edge_differences
