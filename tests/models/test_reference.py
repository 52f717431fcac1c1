"""Both models against the reference values in tests/reference, computed apart with mpmath."""

import json
from pathlib import Path

import numpy as np
import pytest

from rmtland import WishartPlusReluBlock, WishartPlusWigner

FILE = json.loads(
    (Path(__file__).parents[1] / "reference" / "loss_surface_laws.json").read_text("utf-8")
)
KIND = {"ww": WishartPlusWigner, "relu": WishartPlusReluBlock}
every_reference = pytest.mark.parametrize(
    "reference",
    FILE["laws"],
    ids=lambda r: f"{r['kind']}-{r['phi']}-{r['epsilon']}-{r['sigma']}",
)


def model_of(reference):
    return KIND[reference["kind"]](*(float(reference[k]) for k in ("phi", "epsilon", "sigma")))


def test_the_file_names_its_source_and_holds_both_models():
    assert "mpmath" in FILE["source"]
    assert "ICML 2017" in FILE["source"]
    assert {r["kind"] for r in FILE["laws"]} == set(KIND)
    assert sum(len(r["pdf"]) for r in FILE["laws"]) == 81


@every_reference
def test_edges(reference):
    edges = np.ravel(model_of(reference).law.support)
    expected = [float(e) for e in reference["edges"]]
    assert edges.size == len(expected)
    np.testing.assert_allclose(edges, expected, rtol=0, atol=4e-15)
    # Also relative to the edge: 1e-14.
    np.testing.assert_allclose(edges, expected, rtol=1e-14)


@every_reference
def test_density(reference):
    x, expected = np.array(reference["pdf"], dtype=float).T
    np.testing.assert_allclose(model_of(reference).law.pdf(x), expected, rtol=1e-13)


@every_reference
def test_distribution_function(reference):
    x, expected = np.array(reference["cdf"], dtype=float).T
    np.testing.assert_allclose(model_of(reference).law.cdf(x), expected, rtol=1e-12, atol=2e-15)


@every_reference
def test_index(reference):
    expected = float(reference["index"])
    assert model_of(reference).index() == pytest.approx(expected, rel=1e-12, abs=2e-15)


@every_reference
def test_quantiles(reference):
    x, below = np.array(reference["cdf"], dtype=float).T
    density = np.array(reference["pdf"], dtype=float)[:, 1]
    error = np.abs(model_of(reference).law.ppf(below) - x)
    assert (error <= 4e-15 + 2e-15 / density).all()


def test_two_intervals():
    law = WishartPlusWigner(1.93, 0.0088).law
    expected = [-0.19242843892740382, 0.17122755641585883, 0.18564890141988399, 5.7137903230605730]
    np.testing.assert_allclose(np.ravel(law.support), expected, rtol=1e-14)
