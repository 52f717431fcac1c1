"""What `measure` keeps: the measurement, whatever becomes of the fits."""

import re

import numpy as np
import pytest

from rmtland import Semicircle, measure
from rmtland.estimate import symmetric_operator


@pytest.mark.parametrize(
    ("values", "probes"),
    [(np.ones(60), 4), (np.ones(60), 20), (np.repeat([-1.0, 2.0], 30), 20)],
    ids=["one, estimated", "one", "two"],
)
def test_a_spectrum_too_poor_for_any_family_is_measured(values, probes):
    found = measure(np.diag(values), probes=probes, steps=10, rng=0)
    assert set(found.unfitted) == {"MarchenkoPastur", "Semicircle"}
    assert re.search("[12] distinct eigenvalues?; fitting 2", found.unfitted["Semicircle"])
    assert "Semicircle not fitted" in repr(found)
    assert found.to_dict()["unfitted"] == found.unfitted
    assert found.outliers.size == 0
    low, high = found.index.rigorous
    assert low <= np.mean(values < 0) <= high
    assert found.trace[0] == pytest.approx(values.sum(), abs=4 * found.trace[1] + 1e-9)
    assert found.overlay.rows()[0][0] == "measured"
    assert len(found.plot()) > 0


def test_fitted_families_are_compared_where_another_cannot_be():
    values = np.linspace(-1.0, 1.0, 50)

    def never(scale=1.0):
        raise ValueError("no member of this family is a law")

    found = measure(np.diag(values), families={"never": never, "round": Semicircle}, rng=0)
    assert set(found.unfitted) == {"never"}
    assert set(found.overlay.comparisons) == {"round, fitted"}


def test_what_is_no_family_is_refused():
    with pytest.raises(TypeError):
        measure(np.eye(5), families=[3], rng=0)


def test_progress_is_a_truth_value_where_no_bar_is_shown_too():
    with pytest.raises(TypeError, match="progress must be True or False"):
        measure(np.eye(5), progress=3, rng=0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_matrix_that_takes_no_more_products_than_estimates_is_formed_once(dtype):
    values = np.concatenate([np.linspace(-2.0, -1.0, 90), np.linspace(0.5, 3.0, 510)])
    spent = []

    def product(vectors):
        spent.append(vectors.shape[1] if vectors.ndim == 2 else 1)
        return (values * vectors.T).T.astype(dtype)

    found = measure(
        symmetric_operator(product, size=600, dtype=dtype), probes=5, steps=30, rng=0, families=[]
    )
    assert found.products == 600
    assert sum(spent) <= 610  # with those that look at the function
    assert found.index.method == "inertia"
    assert found.index.value == 0.15
    assert found.overlay.index_range == found.index.interval == (0.15, 0.15)
    assert found.to_dict()["spectrum"]["index_interval"] == found.to_dict()["index"]["interval"]
    assert np.allclose(found.spectrum.nodes, np.sort(values), atol=1e-6)
    ends = np.concatenate([values[:6], values[-6:]])
    assert np.allclose(found.eigenpairs.values, ends, atol=1e-6)


def test_a_larger_matrix_is_estimated():
    values = np.linspace(-1.0, 2.0, 600)
    found = measure(
        symmetric_operator(lambda v: values * v, size=600),
        probes=4,
        steps=30,
        eigenpairs=1,
        rng=0,
        families=[],
    )
    assert found.index.method == "lanczos"
    assert found.spectrum.nodes.shape == (4, 30)
