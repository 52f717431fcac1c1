"""The compiled certificate asks G and the potential, too: on the axis, in a gap and above it."""

import numpy as np
import pytest

from rmtland import FreeLevy, LevyTriplet
from rmtland.laws import first_check
from rmtland.solution import ConvergenceError

LAWS = {
    "one band": LevyTriplet(0.0, 0.5, (2.0,), (0.5,)),
    "unit 1e-80": LevyTriplet(0.0, 0.5e-160, (2.0,), (0.5e-80,)),
    "an atom": LevyTriplet(1.0, 0.0, (0.3,), (1.5,)),
    "an atom between two bands": LevyTriplet(-2.3, 0.0, (0.2, 0.3), (-0.8, 1.7)),
    "a steep edge": LevyTriplet(0.0, 0.3, (1.0,), (1.0,)),
    "four bands": LevyTriplet(0.5, 0.01, (0.1, 0.15, 0.1), (-6.0, 4.0, 15.0)),
}


def _of_places(change):
    """Break h = 1/G where `change` says: in bands, off them and above the axis."""

    def broken(solve, law, z):
        h, steps = solve(law, z)
        edges = law._arcs.edges
        above = np.searchsorted(edges, z.real) % 2 == 1
        return change(h, above & (z.imag == 0), ~above & (z.imag == 0), z.imag > 0), steps

    return "_solve", broken


def _of_potentials(change):
    return "_potential_of", lambda value, law, h: change(value(law, h), h)


BROKEN = {
    "other root in the bands": _of_places(lambda h, band, gap, up: np.where(band, -h.conj(), h)),
    "G in bands off by a hundredth": _of_places(lambda h, band, gap, up: h * (1 + 0.01j * band)),
    "other root off the bands": _of_places(lambda h, band, gap, up: np.where(gap, 1.5 * h, h)),
    "other sheet": _of_places(lambda h, band, gap, up: np.where(up, h.conj(), h)),
    "G above the axis off by 1e-3": _of_places(lambda h, band, gap, up: h * (1 + 1e-3 * up)),
    "G far away off by 1e-5": _of_places(
        lambda h, band, gap, up: h * (1 + 1e-5 * (up & (h.imag > 0.9 * h.imag.max())))
    ),
    "not solved": ("_solve", lambda solve, law, z: (solve(law, z)[0], np.full(z.shape, -3))),
    "NaN": _of_places(lambda h, band, gap, up: np.where(up, np.nan, h)),
    "a turn of the potential": _of_potentials(lambda L, h: L + 2j * np.pi * (h.real > 0)),
    "potential of another unit": _of_potentials(lambda L, h: L + 1e-3),
    "masses above": _of_potentials(lambda L, h: L.real + 1j * L.imag * (1 + 1e-6 * (h.imag > 0))),
}


@pytest.mark.parametrize("name", LAWS)
def test_sound_laws_pass_by_the_compiled_check(name, monkeypatch):
    monkeypatch.setattr(first_check, "defects", lambda law: pytest.fail("asked again"))
    law = FreeLevy(LAWS[name])
    law.cdf(0.0)
    assert first_check.passed(law)


@pytest.mark.parametrize("name", ["one band", "an atom between two bands", "four bands"])
@pytest.mark.parametrize("fault", BROKEN)
def test_laws_with_broken_transforms_are_refused(name, fault, monkeypatch):
    method, broken = BROKEN[fault]
    law, sound = FreeLevy(LAWS[name]), getattr(FreeLevy, method)
    monkeypatch.setattr(FreeLevy, method, lambda law, at: broken(sound, law, at))
    assert not law._agrees()
    with pytest.raises(ConvergenceError):
        law.cdf(0.0)


@pytest.mark.parametrize("name", LAWS)
def test_principal_values_midway_between_nodes_are_exact(name):
    """The sum over nodes is G to 1e-9, and not only to the digits that the check asks for."""
    law = FreeLevy(LAWS[name])
    inside, z, h, _ = law._asked_transforms()
    edges = law._arcs.edges.reshape(-1, 2)
    places, masses = [], []
    for low, high in edges:
        s = np.pi * (np.arange(24) + 0.5) / 24
        x = low + (high - low) * np.sin(s / 2) ** 2
        places.append(x)
        masses.append(law._pdf(x) * (high - low) * np.sin(s) / 2 * np.pi / 24)
    places, masses = np.concatenate(places), np.concatenate(masses)
    for place, weight in law.atoms:
        places, masses = np.append(places, place), np.append(masses, weight)
    found = (masses / (inside[:, None] - places)).sum(axis=1)
    unit = edges[-1, 1] - edges[0, 0]
    np.testing.assert_allclose(found * unit, (1 / h[: inside.size]).real * unit, atol=1e-8)
    assert (z[: inside.size] == inside).all()
