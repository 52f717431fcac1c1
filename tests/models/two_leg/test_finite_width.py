"""The correction of order 1/n from networks of few units."""

import numpy as np
import pytest

from rmtland.models import FiniteWidthHessian, PopulationHessian, TwoLegHessian

OPTIONS = {"activation": "erf", "epsilon": 0.5, "legs": 6, "draws": 3}
LIMIT = TwoLegHessian(1, 1, 1, 4, **OPTIONS)


def with_rows(large, little, *, width=50, statistic=None):
    """A model whose small networks have given statistics, one number each."""
    model = FiniteWidthHessian(LIMIT, width, small=12, runs=len(large))
    assert model.small_widths == (12, 6)
    model.__dict__["drawn"] = (np.array(large)[:, None], np.array(little)[:, None])
    return model


def corrected(model, limit, doubt=0.0):
    return model._corrected(
        np.array([limit + 0j]), np.array([doubt]), lambda row: row[:1].astype(complex)
    )


def test_an_expansion_in_the_width_is_continued():
    def value(n, d):
        return 2.0 + 3.0 / n + d / n**2

    exact = corrected(with_rows([value(12, 0)] * 2, [value(6, 0)] * 8), 2.0)
    assert exact.value[0] == pytest.approx(value(50, 0), rel=1e-12)
    assert exact.error[0] < 1e-12
    second = corrected(with_rows([value(12, 7.0)] * 2, [value(6, 7.0)] * 8), 2.0)
    assert second.value[0] == pytest.approx(value(50, 0), rel=1e-12)  # nothing of order 1/n
    assert abs(second.value[0] - value(50, 7.0)) < second.error[0] < 0.03


def test_errors_of_limit_and_draws_are_scaled():
    rng = np.random.default_rng(0)
    large, little = rng.normal(2.0, 0.3, size=40), rng.normal(2.0, 0.6, size=160)
    here, there = (corrected(with_rows(large, little, width=n), 2.0, 0.1) for n in (20, 200))
    assert there.error[0] > (1 - 18 / 200) * 0.1
    assert 4 * (there.error[0] - 0.091) == pytest.approx(0.4 * (here.error[0] - 0.01), rel=1e-9)
    scatter = [
        corrected(with_rows(rng.normal(2, 0.3, 40), rng.normal(2, 0.6, 160)), 2.0).value[0]
        for _ in range(60)
    ]
    noise = corrected(with_rows(large, little), 2.0).error[0]
    assert np.std(scatter) < noise


def test_few_draws_know_their_own_scatter_badly():
    rng = np.random.default_rng(0)
    wrong = []
    for _ in range(200):
        large, little = rng.normal(2.0, 0.3, size=2), rng.normal(2.0, 0.6, size=8)
        found = corrected(with_rows(large, little), 2.0)
        first, second = (n * (rows.mean() - 2.0) for n, rows in ((12, large), (6, little)))
        c = (12 * first - 6 * second) / 6
        chance = found.error[0] - 2.0 * abs(c - first) / 50  # less what the expansion leaves out
        wrong.append(abs(found.value[0] - 2.0) > chance)
    assert np.mean(wrong) < 0.06  # a quarter by 2.5 estimated standard errors


@pytest.mark.parametrize("activation", ["linear", "erf"])
def test_zeros_of_networks_of_low_rank_are_not_negative(activation):
    limit = TwoLegHessian(8, 2, 1, 2, **OPTIONS | {"activation": activation})
    large = FiniteWidthHessian(limit, 60, small=8, runs=3).drawn[0]
    n0, n1, n2, m = 32, 8, 4, 8
    assert large.shape == (3, n1 * (n0 + n2))
    rank = m * n2 + 2 * n1 * n2 + n1 * m * (activation != "linear")  # H0, weights, curvatures
    assert (np.count_nonzero(large, axis=1) <= rank).all()
    assert (large < 0).mean() < 0.2  # a half of the zeros by their rounding, .46 in all


def test_potential_and_density_agree():
    model = FiniteWidthHessian(LIMIT, 20, small=6, runs=10)
    ends = model.smoothed_cdf([0.29, 0.31], eta=0.3)
    assert (ends[1] - ends[0]) / 0.02 == pytest.approx(model.smoothed_pdf(0.3, eta=0.3), rel=1e-3)
    assert model.smoothed_pdf(0.3, eta=0.3) != LIMIT.smoothed_pdf(0.3, eta=0.3)


def test_the_distribution_function_holds_the_error_of_the_limit():
    model, z = FiniteWidthHessian(LIMIT, 200, small=6, runs=10), np.array([0.0, 0.3]) + 0.3j
    found, limit = model.solve_cdf(z), LIMIT.solve_cdf(z)
    np.testing.assert_array_equal(found.value, model.cdf_above(z))
    assert (limit.error > 0).all()
    assert (found.error > abs(1 - sum(model.small_widths) / 200) * limit.error).all()
    assert (np.abs(found.value - limit.value) < 1).all()


@pytest.mark.slow
def test_it_is_nearer_to_networks_of_that_width_than_the_limit():
    limit = TwoLegHessian(1, 1, 1, 4, activation="relu", epsilon=0.5, legs=10, draws=6)
    z = np.array([-0.2, 0.0, 0.3]) + 0.2j
    nodes = limit.sample(20, rng=0, runs=24).nodes
    rows = (1 / (z[:, None, None] - nodes)).mean(axis=2).T
    drawn, scatter = rows.mean(axis=0), rows.std(axis=0, ddof=1) / 24**0.5
    found = FiniteWidthHessian(limit, 20, small=8, runs=100).solve(z)
    off = np.abs(found.value - drawn)
    assert (off < found.error + 4 * scatter).all()
    assert off.max() < 0.6 * np.abs(limit.solve(z).value - drawn).max()


def test_interface():
    model = FiniteWidthHessian(LIMIT, 20, small=4, runs=2)
    assert model.parts == ("gauss_newton", "residual", "total")
    assert isinstance(model.part("gauss_newton"), PopulationHessian)
    assert model.part("total") is model
    assert model.mean() == LIMIT.mean()
    assert model.sample(rng=0).nodes.shape == (1, 800)
    assert FiniteWidthHessian(LIMIT, 20, small=4, runs=2).drawn[0].shape == (2, 32)
    with pytest.raises(ValueError, match="smoothed_pdf"):
        model.law  # noqa: B018


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("limit", 20), {}, TypeError, "TwoLegHessian"),
        ((LIMIT, 16), {}, ValueError, "above that of the small networks, 16"),
        ((LIMIT, 20), {"small": 3}, ValueError, "small"),
        ((LIMIT, 20), {"runs": 1}, ValueError, "runs"),
        ((LIMIT, 20.5), {}, (TypeError, ValueError), "width"),
        ((TwoLegHessian(1, 7.3, 1, 1, **OPTIONS), 99), {}, ValueError, "another small="),
    ],
)
def test_what_does_not_fit_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        FiniteWidthHessian(*arguments, **options)


def test_another_width_is_not_drawn():
    model = FiniteWidthHessian(LIMIT, 20, small=4, runs=2)
    for draw in (lambda: model.sample(10), lambda: model.lanczos(10, 4)):
        with pytest.raises(ValueError, match="20 hidden units"):
            draw()
