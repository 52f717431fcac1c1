"""Tracy-Widom laws against the Painlevé route, determinants in double precision and matrices."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from examples import examples
from hypothesis import example, given, strategies as st
from scipy import linalg, special, stats

from rmtland.laws.tracy_widom import TracyWidom, _table

BETAS = (1, 2, 4)
REFERENCE = json.loads(
    (Path(__file__).parent.parent / "reference" / "tracy_widom.json").read_text()
)["laws"]
every_beta = pytest.mark.parametrize("beta", BETAS)
every_reference = pytest.mark.parametrize(
    "reference", [pytest.param(law, id=f"beta={law['beta']}") for law in REFERENCE]
)
quick = examples(200)


def stretch(beta):
    """The variable s of the Airy kernel over x."""
    return math.sqrt(2) if beta == 4 else 1.0


def breaks(beta):
    """Interior ends of the table's pieces, as values of x."""
    return _table(beta).breaks[1:-1] / stretch(beta)


# Values --------------------------------------------------------------------------------------


@every_reference
def test_values_of_the_painleve_route(reference):
    law = TracyWidom(reference["beta"])
    x, cdf, sf, pdf = np.array(reference["points"], dtype=float).T
    assert cdf.min() < 1e-180  # both tails are there
    assert sf.min() < 1e-180
    for got, true in ((law.cdf(x), cdf), (law.sf(x), sf), (law.pdf(x), pdf)):
        relative = np.abs(got / true - 1) / (1 + np.abs(np.log(true)))
        assert relative.max() < 2e-15
    assert np.abs(law.cdf(x) - cdf).max() < 3e-16
    assert np.abs(law.sf(x) - sf).max() < 3e-16


@every_reference
def test_moments_of_the_painleve_route(reference):
    law = TracyWidom(reference["beta"])
    assert law.moment(0) == pytest.approx(1, abs=4e-15)
    assert law.mean() == pytest.approx(float(reference["mean"]), rel=4e-15)
    assert law.var() == pytest.approx(float(reference["var"]), rel=1e-14)
    assert law.skewness() == pytest.approx(float(reference["skewness"]), abs=1e-14)
    assert law.kurtosis() == pytest.approx(float(reference["excess_kurtosis"]), abs=2e-14)
    assert len(reference["moments"]) == 14
    for order, moment in reference["moments"]:
        assert law.moment(order) == pytest.approx(float(moment), rel=1e-13), order


@pytest.mark.parametrize(
    ("beta", "mean", "var"),
    [
        (1, -1.2065335745820, 1.607781034581),
        (2, -1.7710868074116, 0.8131947928329),
        (4, -2.3068848932411, 0.5177237207726),
    ],
)
def test_published_means_and_variances(beta, mean, var):
    law = TracyWidom(beta)
    assert law.mean() == pytest.approx(mean, abs=1e-12)
    assert law.var() == pytest.approx(var, abs=1e-12)


def airy_determinants(s, nodes=80, length=28.0):
    """F1(s), F2(s) and F4(s/sqrt 2) by Nystrom's method in double precision.

    F2 from the Airy kernel in its Christoffel-Darboux form, not as a square.
    """
    u, w = np.polynomial.legendre.leggauss(nodes)
    x, root = s + length * (u + 1) / 2, np.sqrt(w * length / 2)
    weight = np.multiply.outer(root, root)
    v = special.airy(np.add.outer(x, x) / 2)[0] / 2 * weight
    ai, slope = special.airy(x)[:2]
    gap = np.subtract.outer(x, x)
    np.fill_diagonal(gap, 1)
    kernel = (np.multiply.outer(ai, slope) - np.multiply.outer(slope, ai)) / gap
    np.fill_diagonal(kernel, slope**2 - x * ai**2)
    one = np.eye(nodes)
    plus, minus = np.linalg.det(one - v), np.linalg.det(one + v)
    return plus, np.linalg.det(one - kernel * weight), (plus + minus) / 2


def test_fredholm_determinants_in_double_precision():
    s = np.linspace(-7.03, 4.01, 40)
    determinants = np.array([airy_determinants(place) for place in s]).T
    for beta, values in zip(BETAS, determinants, strict=True):
        assert np.abs(TracyWidom(beta).cdf(s / stretch(beta)) - values).max() < 5e-14


def test_the_three_laws_are_related():
    s = np.linspace(-18, 12, 400)
    f1, f2 = TracyWidom(1).cdf(s), TracyWidom(2).cdf(s)
    f4 = TracyWidom(4).cdf(s / math.sqrt(2))
    assert f4 == pytest.approx((f1 + f2 / f1) / 2, rel=1e-12, abs=0)


def test_second_painleve_equation():
    # F1 = exp(-I/2 - mu): q = -2 mu' from the ratio of F1^2 and F2, q^2 = -(log F2)''.
    h, s = 1 / 32, np.linspace(-5, 2, 29)
    offsets = h * np.arange(-4, 5)
    first = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0, 4 / 5, -1 / 5, 4 / 105, -1 / 280]) / h
    second = [-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560]
    grid = np.add.outer(s, offsets)
    log1, log2 = np.log(TracyWidom(1).cdf(grid)), np.log(TracyWidom(2).cdf(grid))
    q = (2 * log1 - log2) @ first
    assert q**2 == pytest.approx(-log2 @ np.array(second) / h**2, abs=1e-10)
    assert q[-1] == pytest.approx(special.airy(s[-1])[0], rel=1e-2)


# Invariants ----------------------------------------------------------------------------------


@every_beta
def test_density_is_the_derivative_and_its_mass_is_one(beta):
    # Chebyshev interpolation over windows that straddle the pieces of the table.
    law = TracyWidom(beta)
    edges = np.linspace(-9.1, 8.3, 24)
    total = law.cdf(edges[0]) + law.sf(edges[-1])
    for low, high in itertools.pairwise(edges):
        fit = np.polynomial.Chebyshev.interpolate(law.cdf, 18, domain=[low, high])
        x = np.linspace(low, high, 50)
        assert np.abs(fit.deriv()(x) - law.pdf(x)).max() < 5e-12
        total += np.polynomial.Chebyshev.interpolate(law.pdf, 18, domain=[low, high]).integ(
            lbnd=low
        )(high)
    assert total == pytest.approx(1, abs=1e-14)


@every_beta
def test_density_in_the_tails(beta):
    # d log F and d log(1 - F) by differences, where F or 1 - F goes down to 1e-250.
    law, h = TracyWidom(beta), 1e-4
    left, right = np.linspace(law.ppf(1e-250), -3, 60), np.linspace(2, law.isf(1e-250), 60)
    slope = (np.log(law.cdf(left + h)) - np.log(law.cdf(left - h))) / (2 * h)
    assert law.pdf(left) / law.cdf(left) == pytest.approx(slope, rel=1e-7)
    slope = (np.log(law.sf(right - h)) - np.log(law.sf(right + h))) / (2 * h)
    assert law.pdf(right) / law.sf(right) == pytest.approx(slope, rel=1e-7)


@every_beta
def test_monotone_and_complementary(beta):
    law = TracyWidom(beta)
    x = np.linspace(-30, 120, 60001)
    cdf, sf, pdf = law.cdf(x), law.sf(x), law.pdf(x)
    assert (np.diff(cdf) >= 0).all()
    assert (np.diff(sf) <= 0).all()
    assert (np.diff(cdf)[(cdf[1:] > 1e-300) & (sf[1:] > 1e-10)] > 0).all()
    assert (np.diff(sf)[(sf[1:] > 1e-300) & (cdf[1:] > 1e-10)] < 0).all()
    assert np.abs(cdf + sf - 1).max() < 3e-16
    assert (pdf >= 0).all()
    assert (pdf[(cdf > 0) & (sf > 0)] > 0).all()


@every_beta
def test_pieces_of_the_table_meet(beta):
    law = TracyWidom(beta)
    ends = breaks(beta)
    assert ends.size == 27
    left, right = np.nextafter(ends, -np.inf), np.nextafter(ends, np.inf)
    for method in (law.cdf, law.sf, law.pdf):
        before, after = method(left), method(right)
        assert np.abs(before - after).max() < 1e-15
        visible = after > 1e-300
        jump = np.abs(before[visible] / after[visible] - 1)
        assert visible.sum() > 10
        assert (jump < 4e-15 * (1 + np.abs(np.log(after[visible])))).all()


@every_beta
@quick
@given(digits=st.floats(-307, 0))
@example(digits=-307.0)
@example(digits=0.0)
def test_quantiles_invert(beta, digits):
    law, level = TracyWidom(beta), 10.0**digits
    relative = 1e-14 * (1 + abs(math.log(level)))
    assert law.sf(law.isf(level)) == pytest.approx(level, rel=relative, abs=0)
    assert law.cdf(law.ppf(level)) == pytest.approx(level, rel=relative, abs=0)
    assert law.cdf(law.isf(level)) == pytest.approx(1 - level, abs=1e-15)


@every_beta
@quick
@given(x=st.floats(-18, 40))
def test_quantiles_find_the_place(beta, x):
    law = TracyWidom(beta)
    back = law.ppf(law.cdf(x)) if law.cdf(x) < 0.9 else law.isf(law.sf(x))
    assert back == pytest.approx(x, rel=3e-15, abs=3e-15)


def test_quantiles_of_a_whole_array():
    # Pieces converge at different speeds; all must be done.
    for beta in BETAS:
        law = TracyWidom(beta)
        q = np.concatenate([10.0 ** np.arange(-300, -3), np.linspace(0.001, 0.999, 999)])
        assert np.abs(np.log(law.cdf(law.ppf(q)) / q)).max() < 1e-12
        x = law.ppf(q[297:])
        assert (np.diff(x) > 0).all()


@every_beta
def test_ends_of_the_line(beta):
    law = TracyWidom(beta)
    x = [-np.inf, -1e308, 1e308, np.inf]
    assert law.cdf(x).tolist() == [0, 0, 1, 1]
    assert law.sf(x).tolist() == [1, 1, 0, 0]
    assert law.pdf(x).tolist() == [0, 0, 0, 0]
    assert law.ppf([0.0, 1.0]).tolist() == [-np.inf, np.inf]
    assert law.isf([0.0, 1.0]).tolist() == [np.inf, -np.inf]
    assert -27 < law.ppf(5e-324) < law.ppf(1e-300)  # the smallest number there is
    assert 110 > law.isf(5e-324) > law.isf(1e-300)


# Matrices ------------------------------------------------------------------------------------


def extreme_eigenvalues(beta, draws, generator, n=30000, kept=300):
    """Centred and scaled largest eigenvalues of the Gaussian beta ensemble.

    From the leading corner of its tridiagonal form: the eigenvector lives on the first few n^(1/3)
    coordinates.
    """
    values = np.empty(draws)
    for i in range(draws):
        diagonal = generator.normal(scale=math.sqrt(2 / beta), size=kept)
        beside = np.sqrt(generator.chisquare(beta * (n - 1.0 - np.arange(kept - 1))) / beta)
        values[i] = linalg.eigvalsh_tridiagonal(
            diagonal, beside, select="i", select_range=(kept - 1, kept - 1)
        )[0]
    return n ** (1 / 6) * (values - 2 * math.sqrt(n))


@every_beta
def test_largest_eigenvalues_of_the_beta_ensemble(beta):
    # The docstring's scaling; p-values of two-sided tests at a fixed seed.
    law = TracyWidom(beta)
    scale = 2 ** (1 / 6) if beta == 4 else 1.0
    values = scale * extreme_eigenvalues(beta, 1000, np.random.default_rng(beta))
    assert stats.kstest(values, law.cdf).pvalue > 1e-3
    # The test has the power to see the other convention and the next law.
    assert stats.kstest(values * 2 ** (1 / 6), law.cdf).pvalue < 1e-6
    for other in set(BETAS) - {beta}:
        assert stats.kstest(values, TracyWidom(other).cdf).pvalue < 1e-6


@every_beta
def test_sample(beta):
    law = TracyWidom(beta)
    values = law.sample((50, 400), rng=7)
    assert values.shape == (50, 400)
    assert values.dtype == np.float64
    assert stats.kstest(values.ravel(), law.cdf).pvalue > 1e-3
    assert np.abs(values.mean() - law.mean()) < 4 * math.sqrt(law.var() / values.size)
    assert (values == law.sample((50, 400), rng=np.random.default_rng(7))).all()
    assert (values != law.sample((50, 400), rng=8)).all()
    assert law.sample(3, rng=0).shape == (3,)


# Arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["pdf", "cdf", "sf", "ppf", "isf"])
def test_shapes_and_types(method):
    function = getattr(TracyWidom(2), method)
    x = np.array([[0.125, 0.25, 0.5], [0.625, 0.75, 0.875]])
    values = function(x)
    assert values.shape == (2, 3)
    assert values.dtype == np.float64
    assert type(function(0.5)) is float
    assert type(function(np.float64(0.5))) is float
    assert function(0.5) == values[0, 2]
    assert (function(x.astype(np.float32)) == values).all()
    assert (function(x.T) == values.T).all()
    assert (function(x.tolist()) == values).all()
    assert function([]).shape == (0,)
    assert function(np.empty((3, 0))).shape == (3, 0)
    assert type(function(1)) is float
    kept = x.copy()
    function(x)
    assert (x == kept).all()
    with pytest.raises(ValueError, match="NaN"):
        function([0.5, math.nan])
    with pytest.raises(TypeError, match="real numbers"):
        function([0.5 + 1j])
    with pytest.raises(TypeError, match="real numbers"):
        function("0.5")


@pytest.mark.parametrize("method", ["ppf", "isf"])
@pytest.mark.parametrize("level", [-1e-9, 1 + 1e-9, math.inf])
def test_levels_outside_the_unit_interval(method, level):
    with pytest.raises(ValueError, match=r"q must lie in \[0, 1\]"):
        getattr(TracyWidom(1), method)([0.5, level])


@pytest.mark.parametrize("beta", [0, 3, -1, 8])
def test_other_indices(beta):
    with pytest.raises(ValueError, match="beta must be"):
        TracyWidom(beta)


@pytest.mark.parametrize("beta", [1.5, "2", None, True, [1]])
def test_indices_of_the_wrong_type(beta):
    with pytest.raises(TypeError, match="beta must be an integer"):
        TracyWidom(beta)


def test_identity():
    assert TracyWidom(2.0) == TracyWidom(np.int64(2)) == TracyWidom(2)
    assert TracyWidom(1) != TracyWidom(2)
    assert hash(TracyWidom(2.0)) == hash(TracyWidom(2))
    assert repr(TracyWidom(np.int64(4))) == "TracyWidom(beta=4)"
    with pytest.raises(AttributeError):
        TracyWidom(2).beta = 1


def test_orders_of_moments():
    law = TracyWidom(1)
    assert law.moment(np.int64(2)) == law.moment(2)
    for order in (-1, 101):
        with pytest.raises(ValueError, match="k must be"):
            law.moment(order)
    with pytest.raises(TypeError, match="k must be an integer"):
        law.moment(1.5)
