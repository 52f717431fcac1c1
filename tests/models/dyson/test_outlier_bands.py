"""Outliers of Hessians: against laws whose bands are known, and against sampled matrices."""

from dataclasses import dataclass

import numpy as np
import pytest

from rmtland import Affine, Law, MarchenkoPastur, Semicircle, mixture
from rmtland.models import DysonHessian, OutlierBand, outliers
from rmtland.solution import Solution, Status


@dataclass(frozen=True)
class Known:
    """A law with P eigenvalues, in the shape of the law of a Hessian."""

    law: Law
    parameter_count: int = 1000

    def mean(self):
        return self.law.mean()

    def solve(self, z, *, tolerance=1e-8, throw=True):
        return Solution(self.law.stieltjes(np.asarray(z)), Status.CONVERGED, 0.0, 1)


def bands_of(*parts):
    """Mixture of semicircles given as (weight, center, radius)."""
    laws = [Affine(Semicircle(), radius / 2, center) for _, center, radius in parts]
    return Known(mixture(laws, [weight for weight, _, _ in parts]))


def test_bands_above_and_below_a_bulk():
    known = bands_of((0.01, -4.0, 0.4), (0.95, 1.0, 2.0), (0.03, 6.0, 0.5), (0.01, 9.0, 0.1))
    found = outliers(known)
    assert [band.count for band in found] == [10, 30, 10]
    for band, (center, radius) in zip(found, [(-4, 0.4), (6, 0.5), (9, 0.1)], strict=True):
        assert band.mean == pytest.approx(center, abs=0.01)
        assert band.spread == pytest.approx(radius / 2, rel=0.05)
        assert band.lower == pytest.approx(center - radius, abs=0.01 * abs(center))
        assert band.upper == pytest.approx(center + radius, abs=0.01 * abs(center))
        assert band.defect < 0.02


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_matter(scale):
    plain = bands_of((0.97, 1.0, 2.0), (0.03, 6.0, 0.5))
    scaled = Known(Affine(plain.law, scale, 0.0))
    [band], [image] = outliers(plain), outliers(scaled)
    assert image.count == band.count
    for name in ("lower", "upper", "mean", "spread"):
        assert getattr(image, name) == pytest.approx(scale * getattr(band, name), rel=1e-3)


@pytest.mark.parametrize("law", [MarchenkoPastur(0.3), MarchenkoPastur(2.0), Semicircle()])
def test_one_band_has_no_outliers(law):
    if law.mean() == 0:
        law = Affine(law, 1.0, 0.1)
    assert outliers(Known(law)) == ()


def test_a_band_with_a_larger_share_is_the_bulk():
    known = bands_of((0.8, 1.0, 1.0), (0.2, 6.0, 0.5))
    assert outliers(known) == ()
    [band] = outliers(known, largest_share=0.3)
    assert band.count == 200


@pytest.mark.slow
def test_class_means_against_sampled_hessians():
    rng = np.random.default_rng(3)
    n, m, runs = 12, 48, 60
    first, direction = rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=n)
    direction *= 5 / np.linalg.norm(direction)
    x = rng.normal(size=(m, n)) + np.sign(rng.normal(size=m))[:, None] * direction
    h = np.tanh(first @ x.T)
    model = DysonHessian(h, 1 - h**2, x, n, 0.0, part_name="gauss_newton")
    [band] = outliers(model)
    assert band.count == n
    means, spreads, highest = [], [], []
    for _ in range(runs):
        w = rng.normal(size=(n, n)) / np.sqrt(n)
        inner = np.einsum("ij,js,sk->isjk", w, 1 - h**2, x).reshape(n * m, n * n)
        jacobian = np.concatenate([np.kron(np.eye(n), h.T), inner], axis=1) / np.sqrt(m)
        top = np.linalg.eigvalsh(jacobian.T @ jacobian)[-n:]
        means.append(top.mean())
        spreads.append(top.std())
        highest.append(top[-1])
    error = np.std(means) / np.sqrt(runs)
    assert band.mean == pytest.approx(np.mean(means), abs=4 * error + 0.01 * band.mean)
    assert band.spread == pytest.approx(np.mean(spreads), rel=0.05)
    assert 0.7 * band.upper < np.mean(highest) < band.upper  # n^{-2/3} below the edge


def test_a_band_narrower_than_the_scan_has_its_own_ends():
    known = bands_of((0.97, 1.0, 2.0), (0.03, 6.0, 2e-3))
    [band] = outliers(known)
    assert (band.lower, band.upper) == pytest.approx((5.998, 6.002), rel=3e-3)
    assert band.spread == pytest.approx(1e-3, rel=0.05)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_bands_on_both_sides_of_a_law_of_mean_zero(scale):
    known = bands_of((0.02, -6.0, 0.5), (0.96, 0.0, 2.0), (0.02, 6.0, 0.5))
    known = Known(Affine(known.law, scale, 0.0))
    assert known.mean() == pytest.approx(0, abs=1e-12 * scale)
    found = outliers(known)
    assert [band.count for band in found] == [20, 20]
    assert [band.mean for band in found] == pytest.approx([-6 * scale, 6 * scale], rel=1e-3)


@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_residual_part_without_outliers(epsilon):
    rng = np.random.default_rng(0)
    first, x = rng.normal(size=(4, 4)) / 2, rng.normal(size=(16, 4))
    model = DysonHessian.of_first_layer(
        first, x, outputs=4, epsilon=epsilon, activation="relu", part="residual"
    )
    assert outliers(model) == ()


def test_a_law_is_needed():
    with pytest.raises(TypeError, match="DysonHessian"):
        outliers(0.5)


@pytest.mark.parametrize("share", [0.0, -1.0, 0.6, np.nan])
def test_bad_share(share):
    with pytest.raises(ValueError, match="largest_share"):
        outliers(Known(Semicircle()), largest_share=share)


def test_a_band_is_a_plain_record():
    band = OutlierBand(1.0, 2.0, 3, 1.5, 0.1, 0.0)
    assert (band.lower, band.count) == (1.0, 3)
