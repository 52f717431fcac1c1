"""Tables over panels of few floating-point numbers, where neighbouring nodes are the same."""

import numpy as np
import pytest

from rmtland.free.subordination.state import SubordinationState
from rmtland.free.subordination.zero_panels import ZeroPanels


class Straight:
    """A solver whose solution is the point itself, a unit above it."""

    def from_above(self, z):
        state = SubordinationState(z + 1j, (z + 1j,), (None,))
        return state, np.ones(z.shape, dtype=np.int64), None


@pytest.mark.parametrize("width", [1e-2, 1e-11, 1e-14, 4e-16])
def test_a_thin_panel_has_a_table(width):
    """Repeated nodes ended in a singular matrix."""
    panels = ZeroPanels(Straight(), ((1.0, 1.0 + width),), 1e-30)
    table = panels.table(0)
    assert (np.diff(table.coordinates) > 0).all()
    x = 1.0 + width * np.linspace(0, 1, 7)
    start = table.start(panels.coordinate(x, 1.0, 1.0 + width))
    np.testing.assert_allclose(start.common, x + 1j, atol=1e-12 + 1e-4 * width)
