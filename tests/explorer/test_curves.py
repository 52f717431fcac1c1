"""Curves of states: those of the laws themselves, finite at every place of the sliders."""

import itertools
import json
import time

import numpy as np
import pytest

from rmtland import MarchenkoPastur, Semicircle, WishartPlusReluBlock, WishartPlusWigner
from rmtland.explorer import FAMILIES, SLIDERS, ExplorerState, curves
from rmtland.explorer.families import network_moments
from rmtland.explorer.state import TRACES
from rmtland.networks import MLP, gaussian

LAWS = {
    "wishart-wigner": WishartPlusWigner(0.4, 0.2, 1.5),
    "wishart-relu": WishartPlusReluBlock(0.4, 0.2, 1.5),
    "marchenko-pastur": MarchenkoPastur(0.4, 1.5),
    "semicircle": Semicircle(0.4),
}


@pytest.mark.parametrize("name", LAWS)
def test_curves_are_those_of_the_law(name):
    found = curves(ExplorerState(law=name, phi=0.4, energy=0.2, sigma=1.5))
    law = getattr(LAWS[name], "law", LAWS[name])
    np.testing.assert_allclose(found.density.y, law.pdf(found.density.x), rtol=1e-10, atol=1e-12)
    inner = [np.array(line)[1:-1] for line in (found.cdf.x, found.cdf.y)]
    np.testing.assert_allclose(inner[1], law.cdf(inner[0]), atol=1e-10)
    assert found.numbers["index"] == pytest.approx(law.index(), abs=1e-12)
    assert found.numbers["mean"] == pytest.approx(law.mean(), abs=1e-12)
    assert (found.cdf.y[0], found.cdf.y[-1]) == (0.0, 1.0)
    if name == "marchenko-pastur":
        assert "no energy" in found.index.reason
        return
    for i in (0, len(found.index.x) // 2, len(found.index.x) * 3 // 4, -1):
        at = curves(ExplorerState(law=name, phi=0.4, energy=found.index.x[i], sigma=1.5))
        assert found.index.y[i] == pytest.approx(at.numbers["index"], abs=1e-10)


@pytest.mark.parametrize("traces", TRACES)
@pytest.mark.parametrize("name", ["wishart-wigner", "wishart-relu"])
def test_the_threshold_is_in_the_units_of_the_energy(name, traces):
    state = ExplorerState(law=name, phi=0.6, sigma=2.0, activation="gelu", traces=traces)
    found = curves(state)
    threshold = found.numbers["critical energy"]
    energies, index = np.array(found.index.x), np.array(found.index.y)
    assert (index[energies < threshold] == 0).all()
    assert (index[energies > 1.0001 * threshold] > 0).all()
    assert energies[0] < threshold < energies[-1]


@pytest.mark.parametrize("name", ["wishart-wigner", "wishart-relu"])
@pytest.mark.parametrize("phi", [0.05, 0.7, 1.9, 2.5])
def test_the_index_curve_has_points_where_it_bends(name, phi):
    """The chords are nowhere off the curve by more than a line is wide."""
    found = curves(ExplorerState(law=name, phi=phi)).index
    between = np.sqrt(np.array(found.x)[1:] * np.array(found.x)[:-1])
    exact = type(FAMILIES[name].matrix(phi=phi, energy=1.0, sigma=1.0)).grid(phi, between).index()
    chord = (np.array(found.y)[1:] + np.array(found.y)[:-1]) / 2
    assert np.abs(chord - exact).max() < 3e-3
    assert 21 <= len(found.x) < 81


def places(number, seed):
    """Draw places of the sliders, ends included, of which every family sees all pairs of ends."""
    rng = np.random.default_rng(seed)
    names = ("phi", "energy", "sigma")
    ends = [SLIDERS[name][1:] for name in names]
    yield from (dict(zip(names, values, strict=True)) for values in itertools.product(*ends))
    for _ in range(number):
        share = rng.integers(0, 1001, 3) / 1000
        yield {
            name: float(low * (high / low) ** part)
            for name, (low, high), part in zip(names, ends, share, strict=True)
        }


@pytest.mark.parametrize("name", FAMILIES)
def test_the_largest_and_least_numbers_that_can_be_typed(name):
    ends = [{"phi": phi, "sigma": sigma} for phi in (1e-12, 1e12) for sigma in (1e-12, 1e12)]
    for values in [*ends, {"energy": 1e-24}, {"energy": 1e24}]:
        found = curves(ExplorerState(law=name, **values))
        x, y = np.array(found.density.x), np.array(found.density.y)
        mass = sum(
            np.trapezoid(y[inside], x[inside])
            for low, high in found.numbers["support"]
            if (inside := (x >= low) & (x <= high)).any()
        )
        atoms = sum(mass for _, mass in found.numbers["atoms"])
        assert mass + atoms == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("name", "traces"), [*itertools.product(FAMILIES, TRACES)])
def test_every_place_of_the_sliders(name, traces):
    for values in places(6, 1):
        found = curves(ExplorerState(law=name, traces=traces, **values))
        json.dumps(found.to_dict(), allow_nan=False)
        assert not found.density.reason
        assert not found.cdf.reason
        assert bool(found.index.reason) == ("energy" not in FAMILIES[name].parameters)
        y, cdf = np.array(found.density.y), np.array(found.cdf.y)
        assert (y >= 0).all()
        assert (np.diff(found.density.x) >= 0).all()
        assert (np.diff(found.cdf.x) >= 0).all()
        assert (np.diff(cdf) >= -1e-12).all()
        mass = sum(mass for _, mass in found.numbers["atoms"])
        bands = [np.array(one) for one in (found.density.x, found.density.y)]
        total = np.trapezoid(bands[1], bands[0]) + mass
        hard = max(y) > 1e3 * np.median(y) or values["phi"] in (1.0,)
        assert total == pytest.approx(1.0, abs=0.3 if hard else 0.02), values
        assert found.view["x"][0] < found.view["x"][1]
        assert 0 < found.view["y"][1] < np.inf


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"law": "semicircle", "energy": 0.0}, "at energy 0 all residuals are 0"),
        ({"law": "wishart-relu", "phi": 1.0, "sigma": 1e-12, "energy": 1e12}, "did not converge"),
        (
            {"law": "semicircle", "energy": 0.0, "traces": "activation"},
            "at energy 0 all residuals are 0",
        ),
    ],
)
def test_a_law_that_fails_says_why(values, words):
    found = curves(ExplorerState(**values))
    for curve in (found.density, found.cdf):
        assert words in curve.reason
        assert not curve.x
    assert found.title
    if values["law"] == "semicircle":  # the index is that at other energies
        assert set(found.index.y) == {0.5}
    else:
        assert 0 < found.index.y[0] < found.index.y[-1] < 0.5


def test_energy_zero_is_the_gauss_newton_part():
    found = curves(ExplorerState(phi=2.0, energy=0.0))
    assert found.numbers["atoms"] == [[0.0, 0.5]]
    steps = [y for x, y in zip(found.cdf.x, found.cdf.y, strict=True) if x == 0]
    assert steps == [0.0, 0.5]


def test_a_density_without_bound_is_cut_off_in_view():
    found = curves(ExplorerState(law="marchenko-pastur", phi=1.0))
    assert max(found.density.y) > 20 > 10 > found.view["y"][1] > 1
    round_law = curves(ExplorerState(law="semicircle"))
    assert round_law.view["y"][1] > max(round_law.density.y)


def test_scales_of_a_network():
    """Traces of drawn Hessians of a wide network, within their scatter and 1/n."""
    n, energy = 24, 0.3
    mean, square = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        data = gaussian(4 * n, n, rng=rng)
        net = MLP((n, n, n), activation="tanh")
        theta = net.init(rng=rng)
        noise = rng.normal(size=data.y.shape) * np.sqrt(2 * energy)
        split = net.at(theta, data.x, net.predict(theta, data.x) - noise).hessian()
        mean.append(np.trace(split.gauss_newton) / len(split.total))
        square.append((split.residual**2).sum() / len(split.total))
    moments = network_moments(0.5, "tanh")
    assert np.mean(mean) == pytest.approx(moments.mean, rel=0.05)
    assert np.mean(square) == pytest.approx(energy * moments.variance, rel=0.08)
    found = curves(ExplorerState(traces="activation", energy=energy))
    assert found.numbers["mean"] == pytest.approx(moments.mean)
    variance = 0.5 * moments.mean**2 + energy * moments.variance
    assert found.numbers["variance"] == pytest.approx(variance)


def test_a_move_takes_less_than_a_tenth_of_a_second():
    """CPU seconds of states that were never asked for; `scripts/bench_explorer.py` asks for all."""
    for name in FAMILIES:
        curves(ExplorerState(law=name, phi=0.123))  # compiled
    seconds = []
    for values in places(25, 2):
        for name in FAMILIES:
            start = time.process_time()
            curves(ExplorerState(law=name, **values))
            seconds.append(time.process_time() - start)
    assert np.median(seconds) < 0.03
    assert np.quantile(seconds, 0.9) < 0.1
