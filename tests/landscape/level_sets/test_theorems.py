"""The theorems of the lecture as experiments: what small searches find."""

import numpy as np
import pytest

from rmtland.landscape.level_sets import theorem_cases, valley_heights


def test_a_search_reports_what_it_found():
    case = theorem_cases()[0]
    (found,) = valley_heights(case, pairs=2, widths=(2,), curve_steps=30, string_steps=3, rng=0)
    assert found.width == 2
    assert found.ends.shape == (2, 2)
    assert (found.barriers <= found.straight + 1e-12).all()
    assert (found.barriers >= 0.0).all()


@pytest.mark.slow
def test_wide_networks_have_one_valley():
    linear, _, quadratic = theorem_cases()
    for case in (linear, quadratic):
        (found,) = valley_heights(
            case, pairs=2, widths=(case.widths[-1],), curve_steps=400, string_steps=60, rng=0
        )
        assert case.widths[-1] >= case.threshold
        assert np.ptp(found.ends, axis=1).max() < 1e-3  # the same data, the same least loss
        assert found.straight.min() > 0.01
        assert found.barriers.max() < 0.05 * found.straight.max()
