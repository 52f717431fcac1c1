"""What `measure` keeps: the measurement, whatever becomes of the fits."""

import re

import numpy as np
import pytest

from rmtland import Semicircle, measure


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
