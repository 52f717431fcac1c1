"""The compiled certificate refuses whatever does not belong to a law, on bands and on pieces."""

import numpy as np
import pytest

from rmtland import FreeLevy, LevyTriplet
from rmtland.free.rational.band_masses import agree, pieces_of_bands
from rmtland.laws.band_rules import piece_rule, square_root_rule
from rmtland.laws.consistency import TOLERANCE


class Claims:
    """What `agree` is told of a law, to be broken in one place."""

    def __init__(self, law, edges, rule):
        self.rule, self.edges, self.atom = rule, edges.reshape(-1, 2).copy(), 0.0
        low, width = self.edges[:, :1], np.diff(self.edges, axis=1)
        high = self.edges[:, 1:]
        self.x = np.where(rule.share < 0.5, low + width * rule.share, high - width * rule.rest)
        self.density = law._pdf(self.x.ravel()).reshape(self.x.shape)
        self.below = law._cdf(self.x.ravel()).reshape(self.x.shape)
        self.stops = law._cdf(self.edges.ravel()).reshape(self.edges.shape)
        self.mean, self.variance = law.mean(), law.var()

    def agree(self):
        return bool(
            agree(
                self.edges,
                0.0,
                self.atom,
                self.density,
                self.below,
                self.stops,
                self.rule,
                (self.mean, self.variance),
                TOLERANCE,
            )
        )


def _on_bands():
    law = FreeLevy(LevyTriplet(0.0, 0.5, (2.0,), (0.5,)))
    return Claims(law, law._arcs.edges, square_root_rule(24))


def _on_pieces():
    law = FreeLevy(LevyTriplet(0.0, 0.26, (0.5, 0.5), (-1.0, 1.0)))  # gaps have nearly opened
    pieces = pieces_of_bands(tuple(law._arcs), law._parameters)
    assert pieces.size == 6
    return Claims(law, pieces, piece_rule())


def _edge(claims):
    claims.edges[0, 0] -= 1e-3 * (claims.edges[0, 1] - claims.edges[0, 0])


BROKEN = {
    "density at one node": lambda c: c.density[0].__setitem__(c.x.shape[1] // 2, 0.7),
    "density of a band": lambda c: c.density[-1].__imul__(1 + 1e-5),
    "wavy density": lambda c: c.density.__imul__(1 + 0.05 * np.sin(20 * c.x)),
    "negative density": lambda c: c.density[0].__setitem__(5, -1e-300),
    "no density": lambda c: c.density[0].__setitem__(5, np.nan),
    "distribution function at one node": lambda c: c.below[0, 3:4].__iadd__(1e-5),
    "distribution function at an edge": lambda c: c.stops[0, 1:].__iadd__(1e-5),
    "an edge": _edge,
    "an atom": lambda c: setattr(c, "atom", 1e-6),
    "the mean": lambda c: setattr(c, "mean", c.mean + 1e-5),
    "the variance": lambda c: setattr(c, "variance", c.variance + 1e-5),
}


@pytest.mark.parametrize("claims", [_on_bands, _on_pieces])
@pytest.mark.parametrize("fault", BROKEN)
def test_one_broken_value_is_refused(claims, fault):
    told = claims()
    assert told.agree()
    BROKEN[fault](told)
    assert not told.agree()
